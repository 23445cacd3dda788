"""Following an invitation: who one is, and then a way in: a passkey, a password with an app, or the organisation's.

The link is used up by the way in that is made with it, not by being opened; from then on no earlier way in works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.keys import LONGEST_KEY_NAME, Keys, NewPassword, answer_of, field_of
from bot.office import INVITATION
from bot.webchat import LANGUAGES
from helpline import accounts, passwords
from helpline.accounts import Role, Staff
from helpline.messages import Language
from helpline.oidc import OidcError
from helpline.passkeys import Made, PasskeyRefused
from helpline.rate_limit import RateLimit
from helpline.staff_sessions import Way, browser_family, csrf_token
from helpline.staffing import LONGEST_NAME
from helpline.web import LANGUAGE, Access, Refused, Route, from_our_own_page, see_other

log = structlog.get_logger(__name__)

_LINK = INVITATION + "/{token:[A-Za-z0-9_-]+}"


class InvitationDesk:
    """The routes of an invitation."""

    def __init__(self, door: DeskDoor, keys: Keys) -> None:
        self._door = door
        self._house = door.house
        self._keys = keys
        self._tries = RateLimit(door.house.clock, per_minute=60, burst=60)

    def routes(self) -> list[Route]:
        """The addresses of an invitation; whoever has the link may use them."""
        public = Access.PUBLIC
        return [
            Route("GET", _LINK, self.show, public),
            Route("POST", _LINK, self.choose, public),
            Route("GET", _LINK + "/password", self.show_password, public),
            Route("POST", _LINK + "/password", self.with_password, public),
            Route("GET", _LINK + "/app.svg", self.picture, public),
            Route("GET", _LINK + "/passkey", self.show_passkey, public),
            Route("POST", _LINK + "/passkey/ask", self.ask_for_passkey, public),
            Route("POST", _LINK + "/passkey", self.with_passkey, public),
            Route("GET", _LINK + "/organisation", self.with_organisation, public),
            Route("GET", INVITATION + "/{rest:.*}", self.nothing, public),
        ]

    async def nothing(self, request: web.Request) -> web.StreamResponse:
        """A link that was cut short on its way."""
        return self._used(request)

    # --- who one is ---------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Who is invited, and how they want to come in."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        return self._page(request, staff, name=staff.name, spoken=[each.value for each in staff.languages])

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Keep name and languages, and go on to the way in that was chosen."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        form = await request.post()
        name, way = " ".join(field_of(form, "name").split()), field_of(form, "way")
        language = field_of(form, "language")
        spoken = [each for each in Language if each.value in form.getall("spoken", [])]
        if Role.PROVIDER in staff.roles:  # they answer nobody, so they are not asked
            spoken = list(staff.languages)
        wrong: dict[str, str] = {}
        if not 0 < len(name) <= LONGEST_NAME:
            wrong["name"] = self._door.say(request, "desk.name.wrong", most=LONGEST_NAME)
        if way not in self._ways(request):
            wrong["way"] = self._door.say(request, "desk.invitation.choose")
        stale = not self._ours(request, form)
        if stale or wrong or language not in {code for code, _ in LANGUAGES}:
            return self._page(
                request,
                staff,
                name=name,
                spoken=[each.value for each in spoken],
                way=way,
                wrong=wrong,
                notice="desk.told.press_again" if stale else "",
                status=403 if stale else 422,
            )
        async with self._house.db.write() as conn:
            await accounts.change_staff(conn, staff.id, name=name, languages=spoken)
            await self._keys.note(conn, staff.id, "profile_changed")
        return self._keys.speak(see_other(f"{self._address(request)}/{way}"), language)

    def _ways(self, request: web.Request) -> list[str]:
        ways = ["passkey"] if self._keys.site(request) is not None else []
        return [*ways, "password", *(["organisation"] if self._keys.oidc is not None else [])]

    def _page(
        self,
        request: web.Request,
        staff: Staff,
        *,
        name: str,
        spoken: Sequence[str],
        way: str = "",
        wrong: Mapping[str, str] | None = None,
        notice: str = "",
        status: int = 200,
    ) -> web.Response:
        ways = self._ways(request)
        return self._shown(
            request,
            "desk/invitation.html",
            status=status,
            guest=Role.PROVIDER in staff.roles,
            called=name,
            spoken=spoken,
            languages=LANGUAGES,
            ways=ways,
            way=way if way in ways else ways[0],
            wrong=wrong or {},
            notice=self._door.say(request, notice) if notice else "",
            longest=LONGEST_NAME,
        )

    # --- a password with an app ---------------------------------------------------------------------------------------

    async def show_password(self, request: web.Request) -> web.StreamResponse:
        """A password, and a picture for the app."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        return await self._password_page(request, staff, {})

    async def with_password(self, request: web.Request) -> web.StreamResponse:
        """Keep the password and come in; the recovery codes are shown once."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        self._slowly(request)
        form = await request.post()
        if not self._ours(request, form):
            return await self._password_page(request, staff, {}, notice="desk.told.press_again", status=403)
        browser = self._door.sessions.browser_before(request)
        new = await self._keys.read_password(request, form, staff, browser)
        if not isinstance(new, NewPassword):
            return await self._password_page(request, staff, new, status=422)
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            # The way in is made in the transaction that uses the link up: of two who press at once, one comes in.
            accepted = await accounts.redeem_invitation(conn, request.match_info["token"], now=now)
            if accepted is not None:
                codes = await self._keys.keep_password(conn, staff.id, browser, new)
                await self._keys.note(conn, staff.id, "invitation_accepted", way=Way.PASSWORD)
                token = await self._keys.come_in(conn, request, staff.id, Way.INVITATION)
        if accepted is None:
            return self._used(request)
        response = self._door.pages.page(
            "desk/recovery_codes.html", request[LANGUAGE], codes=codes, on=self._keys.home(accepted)
        )
        return self._door.sessions.let_in(response, token)

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """The picture that the app is set up with."""
        staff = await self._invited(request)
        if staff is None:
            raise Refused(404, "error.not_found")
        return await self._keys.app_picture(staff, self._door.sessions.browser_before(request))

    async def _password_page(
        self, request: web.Request, staff: Staff, wrong: Mapping[str, str], *, notice: str = "", status: int = 200
    ) -> web.Response:
        secret = await self._keys.app_secret(staff.id, self._door.sessions.browser_before(request))
        return self._shown(
            request,
            "desk/invitation_password.html",
            status=status,
            secret=secret,
            app=await self._keys.app_address(staff, secret),
            username=await self._keys.username(staff),
            wrong=wrong,
            notice=self._door.say(request, notice) if notice else "",
            least=passwords.SHORTEST,
            most=passwords.LONGEST,
        )

    # --- a passkey ----------------------------------------------------------------------------------------------------

    async def show_passkey(self, request: web.Request) -> web.StreamResponse:
        """A button, which needs a script; without one, the way to a password."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        if self._keys.site(request) is None:
            return see_other(f"{self._address(request)}/password")
        family = browser_family(request.headers.get("User-Agent", ""))
        return self._shown(request, "desk/invitation_passkey.html", called=family, longest=LONGEST_KEY_NAME)

    async def ask_for_passkey(self, request: web.Request) -> web.StreamResponse:
        """What the browser needs in order to make a passkey."""
        staff = await self._of_our_script(request)
        return await self._keys.ask_for_new(request, staff, self._door.sessions.browser_before(request), anew=True)

    async def with_passkey(self, request: web.Request) -> web.StreamResponse:
        """Keep the passkey and come in."""
        staff = await self._of_our_script(request)
        answer = await answer_of(request)
        now = self._house.clock.now()
        made = await self._made(request, staff, answer)
        token = ""
        try:
            async with self._house.db.write() as conn:
                accepted = await accounts.redeem_invitation(conn, request.match_info["token"], now=now)
                if accepted is not None:
                    await self._keys.keep_passkey(conn, staff.id, made, self._keys.key_name(request, answer))
                    await self._keys.note(conn, staff.id, "invitation_accepted", way=Way.PASSKEY)
                    token = await self._keys.come_in(conn, request, staff.id, Way.INVITATION)
        except PasskeyRefused as error:
            raise Refused(409, "desk.passkey.known") from error
        if accepted is None:
            raise Refused(403, "desk.sign_in.used")
        return self._door.sessions.let_in(web.json_response({"to": self._keys.home(accepted)}), token)

    async def _made(self, request: web.Request, staff: Staff, answer: Mapping[str, Any]) -> Made:
        made = await self._keys.new_passkey(request, staff.id, self._door.sessions.browser_before(request), answer)
        if made is None:
            raise Refused(403, "desk.passkey.not_made")
        return made

    # --- the organisation's own sign-in -------------------------------------------------------------------------------

    async def with_organisation(self, request: web.Request) -> web.StreamResponse:
        """Away to sign in there, with the invitation put aside."""
        staff = await self._invited(request)
        if staff is None:
            return self._used(request)
        self._slowly(request)
        try:
            away = await self._keys.send_away(request, "new", staff_id=staff.id, token=request.match_info["token"])
        except OidcError as error:
            log.error("organisation_sign_in_failed", reason=str(error))
            return self._page(
                request,
                staff,
                name=staff.name,
                spoken=[each.value for each in staff.languages],
                notice="desk.organisation.unreachable",
                status=502,
            )
        return self._keys.by_a_page(request, away)

    # --- what all of them share ---------------------------------------------------------------------------------------

    async def _invited(self, request: web.Request) -> Staff | None:
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            return await accounts.find_invitation(conn, request.match_info["token"], now=now)

    def _address(self, request: web.Request) -> str:
        return f"{INVITATION}/{request.match_info['token']}"

    def _used(self, request: web.Request) -> web.Response:
        return self._door.pages.page("desk/sign_in_link.html", request[LANGUAGE], status=403, token="", used=True)

    def _ours(self, request: web.Request, form: Mapping[str, Any]) -> bool:
        return self._door.sessions.came_before(request, field_of(form, "csrf"))

    def _slowly(self, request: web.Request) -> None:
        if self._tries.spend(self._keys.caller(request)):
            raise Refused(429, "error.too_many", headers={"Retry-After": "10"})

    async def _of_our_script(self, request: web.Request) -> Staff:
        self._slowly(request)
        if not from_our_own_page(request) or not self._door.sessions.came_before(
            request, request.headers.get("X-Csrf", "")
        ):
            raise Refused(403, "error.stale_form")
        staff = await self._invited(request)
        if staff is None:
            raise Refused(403, "desk.sign_in.used")
        return staff

    def _shown(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        sessions = self._door.sessions
        response = self._door.pages.page(
            template,
            request[LANGUAGE],
            status=status,
            address=self._address(request),
            csrf=csrf_token(sessions.browser_before(request)),
            **values,
        )
        return sessions.keep_before(request, response)
