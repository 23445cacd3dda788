"""One's own account: name and languages, the ways in, and where one is signed in.

Ways in are changed only by somebody who signed in a short while ago: a desk left open must not give a passer-by a way
in of their own. The last way in cannot be taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.keys import LONGEST_KEY_NAME, Keys, NewPassword, answer_of, field_of
from bot.desk.telling import Telling
from helpline import accounts, credentials, passwords, staff_sessions, staffing
from helpline.accounts import Role, Staff
from helpline.messages import Language
from helpline.oidc import OidcError
from helpline.passkeys import PasskeyRefused
from helpline.sessions import session_of, staff_of, token_of
from helpline.staffing import LONGEST_NAME
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

log = structlog.get_logger(__name__)

ACCOUNT = "/desk/account"
FRESH = timedelta(minutes=30)  # since signing in, while one may change one's ways in
ZONES = (
    "Europe/Oslo",
    "Europe/Stockholm",
    "Europe/Copenhagen",
    "Europe/Helsinki",
    "Europe/London",
    "Europe/Paris",
    "Arctic/Longyearbyen",
    "UTC",
)
_TOLD = frozenset(
    {
        "saved",
        "key_added",
        "key_named",
        "key_removed",
        "last_way",
        "password_removed",
        "linked",
        "not_linked",
        "unlinked",
        "session_ended",
        "others_ended",
        "stale",
        "gone",
    }
)


class AccountDesk:
    """The routes of one's own account."""

    def __init__(self, door: DeskDoor, keys: Keys) -> None:
        self._door = door
        self._house = door.house
        self._keys = keys

    def routes(self) -> list[Route]:
        """The addresses of one's account, for whoever is signed in."""
        staff = Access.STAFF
        return [
            Route("GET", ACCOUNT, self.show, staff),
            Route("POST", ACCOUNT, self.save, staff),
            Route("POST", ACCOUNT + "/passkeys/ask", self.ask_for_passkey, staff),
            Route("POST", ACCOUNT + "/passkeys", self.add_passkey, staff),
            Route("POST", ACCOUNT + "/passkeys/{id:[0-9]+}/name", self.name_passkey, staff),
            Route("POST", ACCOUNT + "/passkeys/{id:[0-9]+}/remove", self.remove_passkey, staff),
            Route("GET", ACCOUNT + "/password", self.show_password, staff),
            Route("POST", ACCOUNT + "/password", self.set_password, staff),
            Route("GET", ACCOUNT + "/app.svg", self.picture, staff),
            Route("POST", ACCOUNT + "/password/remove", self.remove_password, staff),
            Route("POST", ACCOUNT + "/recovery", self.new_codes, staff),
            Route("POST", ACCOUNT + "/organisation", self.link, staff),
            Route("POST", ACCOUNT + "/organisation/remove", self.unlink, staff),
            Route("POST", ACCOUNT + "/sessions/{reference:[0-9a-f]+}/end", self.end_session, staff),
            Route("POST", ACCOUNT + "/sessions/end", self.end_others, staff),
        ]

    # --- the page -----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Everything about one's own account."""
        told = request.query.get("told", "")
        return await self._page(request, notice=f"desk.account.told.{told}" if told in _TOLD else "")

    async def _page(
        self,
        request: web.Request,
        *,
        notice: str = "",
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, Any] | None = None,
        status: int = 200,
    ) -> web.Response:
        staff, now = staff_of(request), self._house.clock.now()
        async with self._house.db.read() as conn:
            keys = await credentials.passkeys_of(conn, staff.id)
            ways = await credentials.ways_of(conn, staff.id)
            left = await credentials.recovery_codes_left(conn, staff.id)
            signed_in = await staff_sessions.list_of(conn, staff.id, now=now)
        profile = {
            "name": staff.name,
            "zone": staff.zone,
            "spoken": [each.value for each in staff.languages],
            "specialities": ", ".join(staff.specialities),
        }
        return self._door.pages.page(
            "desk/account.html",
            request[LANGUAGE],
            status=status,
            profile={**profile, **(typed or {})},
            guest=Role.PROVIDER in staff.roles,
            username=await self._keys.username(staff),
            roles=[self._door.say(request, f"desk.role.{role.value}") for role in sorted(staff.roles)],
            zones=ZONES,
            passkeys=keys,
            ways=ways,
            codes_left=left,
            signed_in=signed_in,
            this=staff_sessions.reference_of(token_of(request)),
            site=self._keys.site(request) is not None,
            organisation=self._keys.oidc is not None,
            fresh=self._is_fresh(request),
            notice=self._door.say(request, notice) if notice else "",
            bad=status >= 400 or notice.rpartition(".")[2] in {"last_way", "not_linked", "stale", "gone"},
            wrong=wrong or {},
            tell=Telling(self._house.phrases, request[LANGUAGE], staff.zone, {}, now),
            longest_name=LONGEST_NAME,
            longest_key=LONGEST_KEY_NAME,
            **await self._door.frame(request),
        )

    async def save(self, request: web.Request) -> web.StreamResponse:
        """Name, place, the languages one answers in, and what one knows more of than others."""
        form = await self._door.form(request)
        staff = staff_of(request)
        name, zone = " ".join(field_of(form, "name").split()), field_of(form, "zone").strip()
        spoken = [each for each in Language if each.value in form.getall("spoken", [])]
        listed = field_of(form, "specialities")
        if Role.PROVIDER in staff.roles:  # they answer nobody, so they are not asked
            spoken, listed = list(staff.languages), ", ".join(staff.specialities)
        specialities = staffing.specialities_in(listed)
        wrong: dict[str, str] = {}
        if not 0 < len(name) <= LONGEST_NAME:
            wrong["name"] = self._door.say(request, "desk.name.wrong", most=LONGEST_NAME)
        if not _is_zone(zone):
            wrong["zone"] = self._door.say(request, "desk.zone.wrong")
        if specialities is None:
            wrong["specialities"] = self._door.say(
                request, "desk.specialities.wrong", most=staffing.MOST_SPECIALITIES, longest=staffing.LONGEST_SPECIALITY
            )
        if specialities is None or wrong:
            typed = {"name": name, "zone": zone, "spoken": [each.value for each in spoken], "specialities": listed}
            return await self._page(request, wrong=wrong, typed=typed, status=422)
        known = (staff.name, staff.zone, staff.languages, staff.specialities)
        if (name, zone, tuple(spoken), specialities) != known:
            async with self._house.db.write() as conn:
                await accounts.change_staff(
                    conn, staff.id, name=name, zone=zone, languages=spoken, specialities=specialities
                )
                await self._keys.note(conn, staff.id, "profile_changed")
        return _told("saved")

    # --- passkeys -----------------------------------------------------------------------------------------------------

    async def ask_for_passkey(self, request: web.Request) -> web.StreamResponse:
        """What the browser needs in order to make one more passkey."""
        self._script(request)
        return await self._keys.ask_for_new(request, staff_of(request), token_of(request))

    async def add_passkey(self, request: web.Request) -> web.StreamResponse:
        """Keep it."""
        self._script(request)
        answer = await answer_of(request)
        staff = staff_of(request)
        made = await self._keys.new_passkey(request, staff.id, token_of(request), answer)
        if made is None:
            raise Refused(403, "desk.passkey.not_made")
        try:
            async with self._house.db.write() as conn:
                await self._keys.keep_passkey(conn, staff.id, made, self._keys.key_name(request, answer))
        except PasskeyRefused as error:
            raise Refused(409, "desk.passkey.known") from error
        return web.json_response({"to": f"{ACCOUNT}?told=key_added"})

    async def name_passkey(self, request: web.Request) -> web.StreamResponse:
        """Another name for one of them."""
        form = await self._door.form(request)
        name = " ".join(field_of(form, "name").split())[:LONGEST_KEY_NAME]
        if not name:
            return _told("gone")
        async with self._house.db.write() as conn:
            staff = staff_of(request)
            theirs = await credentials.name_passkey(conn, staff.id, _number(request), name)
            if theirs:
                await self._keys.note(conn, staff.id, "passkey_named")
        return _told("key_named" if theirs else "gone")

    async def remove_passkey(self, request: web.Request) -> web.StreamResponse:
        """Take one away."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        async with self._house.db.write() as conn:
            if (await credentials.ways_of(conn, staff.id, lock=True)).count < 2:
                return _told("last_way")
            removed = await credentials.remove_passkey(conn, staff.id, _number(request))
            if removed:
                await self._keys.note(conn, staff.id, "passkey_removed")
        return _told("key_removed" if removed else "gone")

    # --- the password -------------------------------------------------------------------------------------------------

    async def show_password(self, request: web.Request) -> web.StreamResponse:
        """A new password, with a new app."""
        if not self._is_fresh(request):
            return _told("stale")
        return await self._password_page(request, {})

    async def set_password(self, request: web.Request) -> web.StreamResponse:
        """Keep it in place of an earlier one; the recovery codes are shown once, and other browsers are signed out."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        browser = token_of(request)
        new = await self._keys.read_password(request, await request.post(), staff, browser)
        if not isinstance(new, NewPassword):
            return await self._password_page(request, new, status=422)
        async with self._house.db.write() as conn:
            codes = await self._keys.keep_password(conn, staff.id, browser, new)
            await staff_sessions.end_of(conn, staff.id, but=browser)
        return await self._codes_page(request, codes)

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """The picture that the app is set up with."""
        return await self._keys.app_picture(staff_of(request), token_of(request))

    async def remove_password(self, request: web.Request) -> web.StreamResponse:
        """Take it away, with app and recovery codes."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        async with self._house.db.write() as conn:
            if (await credentials.ways_of(conn, staff.id, lock=True)).count < 2:
                return _told("last_way")
            removed = await credentials.remove_password(conn, staff.id)
            if removed:
                await self._keys.note(conn, staff.id, "password_removed")
        return _told("password_removed" if removed else "gone")

    async def new_codes(self, request: web.Request) -> web.StreamResponse:
        """Ten new recovery codes; the old ones are void."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        async with self._house.db.write() as conn:
            if not (await credentials.ways_of(conn, staff.id)).password:
                return _told("gone")
            codes = await credentials.make_recovery_codes(conn, self._house.vault, staff.id)
            await self._keys.note(conn, staff.id, "recovery_codes_made")
        return await self._codes_page(request, codes)

    async def _password_page(
        self, request: web.Request, wrong: Mapping[str, str], *, status: int = 200
    ) -> web.Response:
        staff = staff_of(request)
        secret = await self._keys.app_secret(staff.id, token_of(request))
        return self._door.pages.page(
            "desk/account_password.html",
            request[LANGUAGE],
            status=status,
            secret=secret,
            app=await self._keys.app_address(staff, secret),
            username=await self._keys.username(staff),
            picture=f"{ACCOUNT}/app.svg",
            address=f"{ACCOUNT}/password",
            wrong=wrong,
            least=passwords.SHORTEST,
            most=passwords.LONGEST,
            **await self._door.frame(request),
        )

    async def _codes_page(self, request: web.Request, codes: list[str]) -> web.Response:
        return self._door.pages.page("desk/recovery_codes.html", request[LANGUAGE], codes=codes, on=ACCOUNT)

    # --- the organisation's own sign-in -------------------------------------------------------------------------------

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Away to the organisation's sign-in, to have it open this account from now on."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        try:
            away = await self._keys.send_away(request, "link", staff_id=staff.id)
        except OidcError as error:
            log.error("organisation_sign_in_failed", reason=str(error))
            return await self._page(request, notice="desk.organisation.unreachable", status=502)
        return self._keys.by_a_page(request, away)

    async def unlink(self, request: web.Request) -> web.StreamResponse:
        """Take this way in away."""
        staff = await self._may_change(request)
        if staff is None:
            return _told("stale")
        async with self._house.db.write() as conn:
            if (await credentials.ways_of(conn, staff.id, lock=True)).count < 2:
                return _told("last_way")
            removed = await credentials.unlink_identity(conn, staff.id)
            if removed:
                await self._keys.note(conn, staff.id, "organisation_unlinked")
        return _told("unlinked" if removed else "gone")

    # --- where one is signed in ---------------------------------------------------------------------------------------

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """Sign out one browser."""
        await self._door.form(request)
        reference = request.match_info["reference"]
        if reference == staff_sessions.reference_of(token_of(request)):
            return await self._door.sessions.sign_out(request)
        staff = staff_of(request)
        async with self._house.db.write() as conn:
            if await staff_sessions.end_one(conn, staff.id, reference):
                await self._keys.note(conn, staff.id, "session_ended")
        return _told("session_ended")

    async def end_others(self, request: web.Request) -> web.StreamResponse:
        """Sign out everywhere but here."""
        await self._door.form(request)
        staff = staff_of(request)
        async with self._house.db.write() as conn:
            ended = await staff_sessions.end_of(conn, staff.id, but=token_of(request))
            if ended:
                await self._keys.note(conn, staff.id, "session_ended", count=ended)
        return _told("others_ended")

    # --- what they share ----------------------------------------------------------------------------------------------

    def _is_fresh(self, request: web.Request) -> bool:
        return self._house.clock.now() - session_of(request).created_at < FRESH

    async def _may_change(self, request: web.Request) -> Staff | None:
        """Whoever asks, by a form of theirs; None where they signed in too long ago to change their ways in."""
        await self._door.form(request)
        return staff_of(request) if self._is_fresh(request) else None

    def _script(self, request: web.Request) -> None:
        """Let our own script on a page of this session pass."""
        if not staff_sessions.csrf_holds(token_of(request), request.headers.get("X-Csrf", "")):
            raise Refused(403, "error.stale_form")
        if not self._is_fresh(request):
            raise Refused(403, "desk.account.told.stale")


def _number(request: web.Request) -> int:
    """The number in the address; of one that is longer than any of ours, a number that nothing has."""
    written = request.match_info["id"]
    return int(written) if len(written) < 19 else 0


def _told(what: str) -> web.Response:
    return see_other(f"{ACCOUNT}?told={what}")


def _is_zone(written: str) -> bool:
    try:
        ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
