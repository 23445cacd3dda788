"""Coming in: with a passkey, with a password and a code, through the organisation's own sign-in, or by a one-time link.

Whoever may not come in learns nothing but that: an e-mail that nobody has is answered as one that somebody has, after
the same work. A password alone opens nothing. Failures make the next try wait longer, for that account and from that
address; a passkey, which cannot be guessed, never waits for an account's failures, and a browser in which somebody has
signed in before waits for its own failures only.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.keys import OIDC_ANSWER, Keys, answer_of, field_of
from helpline import accounts, audit, credentials, passwords, throttle
from helpline.accounts import Staff
from helpline.credentials import Password
from helpline.oidc import Identity, OidcError, Secrets, Unreachable
from helpline.passkeys import PasskeyRefused
from helpline.rate_limit import RateLimit
from helpline.sessions import SIGN_IN, staff_of
from helpline.staff_sessions import Way, csrf_token
from helpline.vault import VaultError
from helpline.web import LANGUAGE, Access, Refused, Route, from_our_own_page, see_other

log = structlog.get_logger(__name__)

_NOBODY = "-"  # an id that nobody can have, for the work that an unknown e-mail costs too
_NO_SECRET = "A" * 32
_FREE_FOR_ACCOUNT, _FREE_FOR_ADDRESS = 4, 20  # failures that cost nothing; a ward shares one address
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_FOR_ACCOUNT, _LONGEST_FOR_ADDRESS = timedelta(minutes=15), timedelta(minutes=1)


class SignInDesk:
    """The routes at the door."""

    def __init__(self, door: DeskDoor, keys: Keys) -> None:
        self._door = door
        self._house = door.house
        self._keys = keys
        self._tries = RateLimit(door.house.clock, per_minute=10, burst=10)
        self._questions = RateLimit(door.house.clock, per_minute=60, burst=60)

    def routes(self) -> list[Route]:
        """The addresses of the door."""
        public = Access.PUBLIC
        return [
            Route("GET", SIGN_IN, self.show, public),
            Route("POST", SIGN_IN, self.with_password, public),
            Route("POST", SIGN_IN + "/passkey/ask", self.ask_for_passkey, public),
            Route("POST", SIGN_IN + "/passkey", self.with_passkey, public),
            Route("GET", SIGN_IN + "/organisation", self.to_organisation, public),
            Route("GET", OIDC_ANSWER, self.from_organisation, public),
            Route("GET", SIGN_IN + "/{token}", self.show_link, public),
            Route("POST", SIGN_IN + "/{token}", self.with_link, public),
            Route("POST", "/desk/sign-out", self.sign_out, Access.STAFF),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What everybody without a session sees, whatever they asked for."""
        return self._page(request)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        await self._door.form(request)
        async with self._house.db.write() as conn:
            await self._keys.note(conn, staff_of(request).id, "signed_out")
        return await self._door.sessions.sign_out(request)

    def _page(
        self, request: web.Request, *, status: int = 200, wrong: str = "", email: str = "", **values: object
    ) -> web.Response:
        sessions = self._door.sessions
        browser = sessions.browser_before(request)
        response = self._door.pages.page(
            "desk/sign_in.html",
            request[LANGUAGE],
            status=status,
            wrong=self._door.say(request, wrong, **values) if wrong else "",
            email=email,
            csrf=csrf_token(browser),
            passkeys=self._keys.site(request) is not None,
            organisation=self._keys.oidc is not None,
        )
        return sessions.keep_before(request, response)

    # --- a one-time link ----------------------------------------------------------------------------------------------

    async def show_link(self, request: web.Request) -> web.StreamResponse:
        """A link is used up by pressing, not by opening: whoever previews a link must not spend it."""
        return self._door.pages.page(
            "desk/sign_in_link.html", request[LANGUAGE], token=request.match_info["token"], used=False
        )

    async def with_link(self, request: web.Request) -> web.StreamResponse:
        """Use the link up and begin a session."""
        if self._tries.spend(self._keys.caller(request)):
            raise Refused(429, "error.too_many", headers={"Retry-After": "10"})
        if not from_our_own_page(request):
            raise Refused(404, "error.not_found")
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            staff_id = await accounts.redeem_sign_in_link(conn, request.match_info["token"], now=now)
            if staff_id is not None:
                token = await self._keys.come_in(conn, request, staff_id, Way.LINK)
                staff = await accounts.get_staff(conn, staff_id)
        if staff_id is None:
            return self._door.pages.page("desk/sign_in_link.html", request[LANGUAGE], status=403, token="", used=True)
        return self._door.sessions.let_in(see_other(self._keys.home(staff)), token)

    # --- a password and a code ----------------------------------------------------------------------------------------

    async def with_password(self, request: web.Request) -> web.StreamResponse:
        """Sign in by e-mail, password and a code; one answer for whatever does not fit."""
        form = await request.post()
        who, password = field_of(form, "email").strip()[:254], field_of(form, "password")
        code, recovery = field_of(form, "code").strip(), field_of(form, "recovery").strip()
        if not self._door.sessions.came_before(request, field_of(form, "csrf")):
            return self._page(request, status=403, wrong="desk.told.press_again", email=who)
        if not who or not password or not (code or recovery):
            return self._page(request, status=422, wrong="desk.sign_in.incomplete", email=who)
        staff, stored, keys, wait = await self._reserve(request, who)
        if wait:
            seconds = math.ceil(wait.total_seconds())
            response = self._page(request, status=429, wrong="desk.sign_in.wait", email=who, seconds=seconds)
            response.headers["Retry-After"] = str(seconds)
            return response
        right = await self._keys.hasher.holds(stored.hash if stored is not None else None, password)
        now = self._house.clock.now()
        step = passwords.step_of(stored.secret if stored is not None else _NO_SECRET, code, now=now)
        rehashed = None
        if right and stored is not None and self._keys.hasher.is_outdated(stored.hash):
            rehashed = await self._keys.hasher.hash(password)
        async with self._house.db.write() as conn:
            used = await self._use(conn, stored if right else None, step, recovery, now)
            if not used or staff is None:
                token = None
            else:
                account, here = keys
                await throttle.forgive(conn, account)
                # Only this try: whoever has an account of their own must not wipe out their guesses at others'.
                await throttle.take_back(conn, here, now=now)
                if rehashed is not None:
                    await credentials.change_hash(conn, staff.id, rehashed)
                token = await self._keys.come_in(conn, request, staff.id, Way.PASSWORD)
        if token is None or staff is None:
            log.warning("sign_in_refused", way=Way.PASSWORD.value)
            return self._page(request, status=403, wrong="desk.sign_in.wrong", email=who)
        response = self._door.sessions.let_in(see_other(self._keys.home(staff)), token)
        if not self._knows(request, staff):
            chosen = secrets.token_urlsafe(16)
            self._door.sessions.be_known_by(response, f"{chosen}.{self._known(staff, chosen)}")
        return response

    def _known(self, staff: Staff, chosen: str) -> str:
        """What a browser carries in which this member of staff has signed in: it tells nobody who that is."""
        return self._house.vault.fingerprint("known-browser", f"{staff.id}\0{chosen}")

    def _knows(self, request: web.Request, staff: Staff) -> bool:
        chosen, _, given = self._door.sessions.known_by(request).partition(".")
        return bool(given) and hmac.compare_digest(given.encode(), self._known(staff, chosen).encode())

    async def _use(
        self, conn: AsyncConnection, stored: Password | None, step: int | None, recovery: str, now: datetime
    ) -> bool:
        """Use the code up, where the password was right; the same queries where it was not."""
        staff_id = stored.staff_id if stored is not None else _NOBODY
        if step is not None or not recovery:
            return await credentials.use_step(conn, staff_id, step or 0, now=now) and step is not None
        used = await credentials.use_recovery_code(conn, self._house.vault, staff_id, recovery, now=now)
        if used:
            await self._keys.note(conn, staff_id, "recovery_code_used")
        return used

    async def _reserve(
        self, request: web.Request, who: str
    ) -> tuple[Staff | None, Password | None, tuple[str, str], timedelta]:
        """Whose account is meant, and how long to wait. Where there is no wait, this counts as a failed try already."""
        vault, now = self._house.vault, self._house.clock.now()
        async with self._house.db.write() as conn:
            if "@" in who:
                staff = await accounts.find_staff_by_email(conn, vault, who)
            else:
                staff = await accounts.find_staff(conn, who)
            if staff is not None and not staff.active:
                staff = None
            stored = await credentials.find_password(conn, vault, staff.id if staff is not None else _NOBODY)
            here = vault.fingerprint("sign-in-from", self._keys.caller(request))
            # By what was typed and not by whose it is, else an e-mail and an id that wait together are one colleague's.
            account = vault.fingerprint("sign-in-as", who.casefold())
            if staff is not None and self._knows(request, staff):
                # Whoever guesses elsewhere does not keep somebody on call waiting at their own machine.
                account = vault.fingerprint("sign-in-again", f"{staff.id}\0{self._door.sessions.known_by(request)}")
            wait = await throttle.wait_before(
                conn, here, free=_FREE_FOR_ADDRESS, first=_FIRST_WAIT, longest=_LONGEST_FOR_ADDRESS, now=now
            )
            if not wait:
                wait = await throttle.wait_before(
                    conn, account, free=_FREE_FOR_ACCOUNT, first=_FIRST_WAIT, longest=_LONGEST_FOR_ACCOUNT, now=now
                )
        return staff, stored, (account, here), wait

    # --- a passkey ----------------------------------------------------------------------------------------------------

    async def ask_for_passkey(self, request: web.Request) -> web.StreamResponse:
        """What the browser needs in order to use a passkey."""
        self._of_our_script(request)
        response = await self._keys.ask_for_any(request)
        return self._door.sessions.keep_before(request, response)

    async def with_passkey(self, request: web.Request) -> web.StreamResponse:
        """Sign in with what the passkey signed."""
        self._of_our_script(request)
        answer = await answer_of(request)
        try:
            async with self._house.db.write() as conn:
                staff = await self._owner_or_none(conn, request, answer)
                token = await self._keys.come_in(conn, request, staff.id, Way.PASSKEY) if staff is not None else ""
        except PasskeyRefused:
            staff = None
        if staff is None:
            log.warning("sign_in_refused", way=Way.PASSKEY.value)
            raise Refused(403, "desk.passkey.refused")
        return self._door.sessions.let_in(web.json_response({"to": self._keys.home(staff)}), token)

    async def _owner_or_none(
        self, conn: AsyncConnection, request: web.Request, answer: Mapping[str, Any]
    ) -> Staff | None:
        # Refused here and not by an exception: what was asked is used up by a wrong answer too, which must be kept.
        try:
            return await self._keys.owner(conn, request, answer)
        except PasskeyRefused:
            return None

    def _of_our_script(self, request: web.Request) -> None:
        if self._questions.spend(self._keys.caller(request)):
            raise Refused(429, "error.too_many", headers={"Retry-After": "10"})
        if not from_our_own_page(request):
            raise Refused(404, "error.not_found")

    # --- the organisation's own sign-in -------------------------------------------------------------------------------

    async def to_organisation(self, request: web.Request) -> web.StreamResponse:
        """Away to sign in there."""
        if self._questions.spend(self._keys.caller(request)):
            raise Refused(429, "error.too_many", headers={"Retry-After": "10"})
        try:
            return await self._keys.send_away(request, "in")
        except OidcError as error:
            log.error("organisation_sign_in_failed", reason=str(error))
            return self._page(request, status=502, wrong="desk.organisation.unreachable")

    async def from_organisation(self, request: web.Request) -> web.StreamResponse:
        """Back from there: who it is, as the provider signed it, and what they went there for."""
        client = self._keys.oidc
        if client is None or self._questions.spend(self._keys.caller(request)):
            raise Refused(404, "error.not_found")
        sessions, now = self._door.sessions, self._house.clock.now()
        browser, state = sessions.came_back(request), request.query.get("state", "")
        asked = None
        if browser and state:
            async with self._house.db.write() as conn:
                asked = await credentials.spend(conn, "oidc", browser, state, now=now)
        if asked is None:
            return self._page(request, status=403, wrong="desk.organisation.not_ours")
        if "error" in request.query or "code" not in request.query:
            return sessions.is_back(self._page(request, status=403, wrong="desk.organisation.refused"))
        try:
            identity = await client.identify(
                Secrets.of(browser, state), code=request.query["code"], issuer=request.query.get("iss"), now=now
            )
        except OidcError as error:
            log.error("organisation_sign_in_failed", reason=str(error))
            phrase = "unreachable" if isinstance(error, Unreachable) else "not_proven"
            status = 502 if isinstance(error, Unreachable) else 403
            return sessions.is_back(self._page(request, status=status, wrong=f"desk.organisation.{phrase}"))
        match state.partition(".")[0]:
            case "link" if asked.staff_id is not None:
                response = await self._link(request, asked.staff_id, identity)
            case "new" if asked.staff_id is not None and asked.sealed is not None:
                response = await self._accept(request, asked.staff_id, asked.sealed, identity)
            case _:
                response = await self._come_in(request, identity)
        return sessions.is_back(response)

    async def _come_in(self, request: web.Request, identity: Identity) -> web.Response:
        vault, now = self._house.vault, self._house.clock.now()
        token = ""
        async with self._house.db.write() as conn:
            staff = await self._known_as(conn, identity)
            if staff is not None:
                await credentials.note_identity_used(conn, staff.id, now=now)
                token = await self._keys.come_in(conn, request, staff.id, Way.OIDC)
            else:
                stranger = vault.fingerprint("identity", f"{identity.issuer}\0{identity.subject}")[:16]
                await audit.append(
                    conn, at=now, actor="door", action="organisation_stranger_refused", subject=f"identity:{stranger}"
                )
        if staff is None:
            return self._page(request, status=403, wrong="desk.organisation.nobody")
        return self._door.sessions.let_in(self._on(request, self._keys.home(staff)), token)

    async def _known_as(self, conn: AsyncConnection, identity: Identity) -> Staff | None:
        """Who on staff this is: linked before, or found by an address that the provider has verified. Makes nobody."""
        vault, now = self._house.vault, self._house.clock.now()
        linked = await credentials.find_identity(conn, vault, issuer=identity.issuer, subject=identity.subject)
        if linked is not None:
            staff = await accounts.find_staff(conn, linked)
            return staff if staff is not None and staff.active else None
        staff = await accounts.find_staff_by_email(conn, vault, identity.email) if identity.email else None
        if staff is None or not staff.active:
            return None
        # Somebody else who is given an address that a colleague had must not become that colleague.
        if not await credentials.link_identity(
            conn, vault, staff.id, issuer=identity.issuer, subject=identity.subject, now=now
        ):
            return None
        await accounts.withdraw_invitation(conn, staff.id)
        await self._keys.note(conn, staff.id, "organisation_linked")
        return staff

    async def _link(self, request: web.Request, staff_id: str, identity: Identity) -> web.Response:
        vault, now = self._house.vault, self._house.clock.now()
        async with self._house.db.write() as conn:
            staff = await accounts.find_staff(conn, staff_id)
            linked = (
                staff is not None
                and staff.active
                and await credentials.link_identity(
                    conn, vault, staff_id, issuer=identity.issuer, subject=identity.subject, now=now
                )
            )
            if linked:
                await self._keys.note(conn, staff_id, "organisation_linked")
        return self._on(request, f"/desk/account?told={'linked' if linked else 'not_linked'}")

    async def _accept(self, request: web.Request, staff_id: str, sealed: bytes, identity: Identity) -> web.Response:
        vault, now = self._house.vault, self._house.clock.now()
        token = ""
        async with self._house.db.write() as conn:
            try:
                invitation = await self._keys.token_aside(conn, staff_id, sealed)
            except VaultError:
                invitation = ""
            taken = await credentials.find_identity(conn, vault, issuer=identity.issuer, subject=identity.subject)
            staff = None
            if taken is None or taken == staff_id:
                staff = await accounts.redeem_invitation(conn, invitation, now=now)
            if staff is not None:
                await credentials.link_identity(
                    conn, vault, staff.id, issuer=identity.issuer, subject=identity.subject, now=now
                )
                await self._keys.note(conn, staff.id, "invitation_accepted", way=Way.OIDC)
                token = await self._keys.come_in(conn, request, staff.id, Way.OIDC)
        if staff is None:
            return self._page(request, status=403, wrong="desk.organisation.taken" if taken else "desk.sign_in.used")
        return self._door.sessions.let_in(self._on(request, self._keys.home(staff)), token)

    def _on(self, request: web.Request, address: str) -> web.Response:
        """A page of ours that leads on. Not a redirect: after another site's page a strict cookie would stay behind."""
        return self._door.pages.page("desk/on.html", request[LANGUAGE], address=address)
