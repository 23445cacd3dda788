"""The ways in to the desk, made and used: what the sign-in page, an invitation and one's own account share.

A question to a browser (sign this, show a code of this app) is kept in the database, bound to that browser, and good
for one answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection
from webauthn.helpers import bytes_to_base64url

from bot.desk.door import DeskDoor
from helpline import accounts, audit, credentials, passkeys, passwords
from helpline.accounts import Staff
from helpline.oidc import OidcClient, Secrets
from helpline.passkeys import Made, PasskeyRefused, Site
from helpline.passwords import Hasher
from helpline.sessions import SIGN_IN
from helpline.staff_sessions import Way, browser_family
from helpline.vault import VaultError
from helpline.web import LANGUAGE, LANGUAGE_COOKIE, Refused, client_address

log = structlog.get_logger(__name__)

OIDC_ANSWER = SIGN_IN + "/organisation/answer"
QUESTION_LASTS = timedelta(minutes=5)
APP_LASTS = timedelta(minutes=30)  # to find the phone, install an app and photograph the picture
LONGEST_KEY_NAME = 60
_LONGEST_FIELD = 1_000
_APP, _MAKE, _USE = "app", "passkey-make", "passkey-use"
_YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class NewPassword:
    """A password that may be kept, with the app whose code came with it."""

    hashed: str = field(repr=False)
    secret: str = field(repr=False)
    step: int


class Keys:
    """Makes ways in, and checks them."""

    def __init__(self, door: DeskDoor) -> None:
        self.door = door
        self.house = door.house
        self.sessions = door.sessions
        self.hasher = Hasher()
        settings = self.house.settings
        self.oidc = (
            OidcClient(
                issuer=settings.oidc.issuer,
                client_id=settings.oidc.client_id,
                client_secret=settings.oidc.client_secret.reveal() if settings.oidc.client_secret else None,
                redirect=f"{settings.public_url}{OIDC_ANSWER}",
            )
            if settings.oidc is not None
            else None
        )

    def site(self, request: web.Request) -> Site | None:
        """What passkeys are made for; None where this address can have none."""
        return passkeys.site_of(self.house.settings.public_url, request.host)

    def caller(self, request: web.Request) -> str:
        """Where a request comes from, for limits."""
        return client_address(request, trusted_proxies=self.house.settings.trusted_proxies)

    def handle(self, staff_id: str) -> bytes:
        """What a passkey knows its owner by: always the same, and telling nothing."""
        return bytes.fromhex(self.house.vault.fingerprint("passkey-owner", staff_id))

    def speak(self, response: web.Response, language: str) -> web.Response:
        """Have these pages speak a language from now on."""
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=_YEAR,
            path="/",
            httponly=True,
            secure=self.door.secure,
            samesite="Strict",
        )
        return response

    async def come_in(self, conn: AsyncConnection, request: web.Request, staff_id: str, way: Way) -> str:
        """Begin a session for somebody who has shown who they are; its token."""
        now = self.house.clock.now()
        token = await self.sessions.begin(conn, request, staff_id, way, now=now)
        await self.note(conn, staff_id, "signed_in", way=way)
        return token

    async def note(self, conn: AsyncConnection, staff_id: str, action: str, **details: audit.Detail) -> None:
        """Write down what somebody did with their own account."""
        who = f"staff:{staff_id}"
        await audit.append(conn, at=self.house.clock.now(), actor=who, action=action, subject=who, details=details)

    def home(self, staff: Staff) -> str:
        """Where somebody begins: the first room that they may enter."""
        rooms = self.door.rooms_of(staff)
        return rooms[0][1] if rooms else "/desk/account"

    async def username(self, staff: Staff) -> str:
        """What somebody signs in as."""
        async with self.house.db.read() as conn:
            return await accounts.email_of(conn, self.house.vault, staff.id) or staff.id

    # --- passkeys -----------------------------------------------------------------------------------------------------

    async def ask_for_new(
        self, request: web.Request, staff: Staff, browser: str, *, anew: bool = False
    ) -> web.Response:
        """What the browser needs in order to make a passkey for this member of staff.

        Beginning `anew` the same device may make one again, since the earlier ones end.
        """
        site = self._site_or_refuse(request)
        challenge = passkeys.new_challenge()
        async with self.house.db.write() as conn:
            known = await credentials.passkeys_of(conn, staff.id)
            if len(known) >= credentials.MOST_PASSKEYS and not anew:
                raise Refused(409, "desk.passkey.too_many")
            email = await accounts.email_of(conn, self.house.vault, staff.id)
            await self._ask(conn, _MAKE, browser, challenge, staff.id)
        return web.json_response(
            passkeys.to_make(
                site,
                challenge,
                handle=self.handle(staff.id),
                name=email or staff.id,
                full_name=staff.name,
                known=[] if anew else [each.credential_id for each in known],
            )
        )

    async def new_passkey(
        self, request: web.Request, staff_id: str, browser: str, answer: Mapping[str, Any]
    ) -> Made | None:
        """The passkey that a browser made when it was asked to; None where it does not hold. Either way it was asked
        once."""
        site = self._site_or_refuse(request)
        try:
            async with self.house.db.write() as conn:
                challenge = await self._asked(conn, _MAKE, browser, answer, staff_id)
            return passkeys.check_made(site, challenge, answer)
        except PasskeyRefused as error:
            log.warning("passkey_not_made", reason=str(error))
            return None

    def key_name(self, request: web.Request, answer: Mapping[str, Any]) -> str:
        """What somebody calls a passkey; the kind of browser where they call it nothing."""
        written = " ".join(field_of(answer, "name").split())[:LONGEST_KEY_NAME]
        family = browser_family(request.headers.get("User-Agent", ""))
        return written or family or self.door.say(request, "desk.passkey")

    async def keep_passkey(self, conn: AsyncConnection, staff_id: str, made: Made, name: str) -> None:
        """Keep it. Raises `PasskeyRefused` where it is known already."""
        kept = await credentials.add_passkey(
            conn,
            staff_id=staff_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=name,
            now=self.house.clock.now(),
        )
        if not kept:
            raise PasskeyRefused("The passkey is known already.")
        await self.note(conn, staff_id, "passkey_added")

    async def ask_for_any(self, request: web.Request) -> web.Response:
        """What the browser needs in order to sign in with whatever passkey it has."""
        site = self._site_or_refuse(request)
        challenge = passkeys.new_challenge()
        async with self.house.db.write() as conn:
            await self._ask(conn, _USE, self.sessions.browser_before(request), challenge, None)
        return web.json_response(passkeys.to_use(site, challenge))

    async def owner(self, conn: AsyncConnection, request: web.Request, answer: Mapping[str, Any]) -> Staff:
        """Who signed in with a passkey. Raises `PasskeyRefused`."""
        passkey = await credentials.find_passkey(conn, passkeys.id_in(answer))
        staff = await accounts.find_staff(conn, passkey.staff_id) if passkey is not None else None
        challenge = await self._asked(conn, _USE, self.sessions.browser_before(request), answer, None)
        if passkey is None or staff is None or not staff.active:
            raise PasskeyRefused("Nobody on staff has this passkey.")
        count = passkeys.check_used(
            self._site_or_refuse(request),
            challenge,
            answer,
            handle=self.handle(staff.id),
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
        )
        if not await credentials.note_passkey_used(conn, passkey, sign_count=count, now=self.house.clock.now()):
            raise PasskeyRefused("The passkey was used elsewhere at the same moment.")
        return staff

    async def _ask(
        self, conn: AsyncConnection, kind: str, browser: str, challenge: bytes, staff_id: str | None
    ) -> None:
        until = self.house.clock.now() + QUESTION_LASTS
        await credentials.ask(conn, kind, browser, bytes_to_base64url(challenge), until=until, staff_id=staff_id)

    async def _asked(
        self, conn: AsyncConnection, kind: str, browser: str, answer: Mapping[str, Any], staff_id: str | None
    ) -> bytes:
        challenge = passkeys.challenge_in(answer)
        now = self.house.clock.now()
        asked = await credentials.spend(conn, kind, browser, bytes_to_base64url(challenge), now=now)
        if asked is None or asked.staff_id != staff_id:
            raise PasskeyRefused("This browser was not asked that, or has answered before.")
        return challenge

    def _site_or_refuse(self, request: web.Request) -> Site:
        site = self.site(request)
        if site is None:
            raise Refused(409, "desk.passkey.no_site")
        return site

    # --- passwords with an app ----------------------------------------------------------------------------------------

    async def app_secret(self, staff_id: str, browser: str) -> str:
        """The secret of the app being set up in this browser: the same one until it is used, so that a picture that
        was photographed stays good when the page is loaded anew."""
        now, vault = self.house.clock.now(), self.house.vault
        async with self.house.db.write() as conn:
            secret = await self._pending_app(conn, staff_id, browser)
            if secret is None:
                secret = passwords.new_secret()
                key = await vault.open(conn, f"staff:{staff_id}")
                sealed = key.seal(secret, about=_about_new_app(staff_id))
                await credentials.ask(
                    conn, _APP, browser, staff_id, until=now + APP_LASTS, staff_id=staff_id, sealed=sealed
                )
            return secret

    async def app_address(self, staff: Staff, secret: str) -> str:
        """What the app reads."""
        return passwords.app_address(secret, name=await self.username(staff))

    async def app_picture(self, staff: Staff, browser: str) -> web.Response:
        """The picture to photograph, where an app is being set up in this browser."""
        async with self.house.db.read() as conn:
            secret = await self._pending_app(conn, staff.id, browser)
        if secret is None:
            raise Refused(404, "error.not_found")
        drawn = passwords.picture(await self.app_address(staff, secret))
        return web.Response(body=drawn, content_type="image/svg+xml")

    async def _pending_app(self, conn: AsyncConnection, staff_id: str, browser: str) -> str | None:
        sealed = await credentials.pending(conn, _APP, browser, staff_id, now=self.house.clock.now())
        key = await self.house.vault.existing(conn, f"staff:{staff_id}") if sealed is not None else None
        if sealed is None or key is None:
            return None
        try:
            return key.unseal(sealed, about=_about_new_app(staff_id))
        except VaultError:
            return None

    async def read_password(
        self, request: web.Request, form: Mapping[str, Any], staff: Staff, browser: str
    ) -> NewPassword | dict[str, str]:
        """What the form says, fit to be kept; or what is wrong with each field."""
        say = self.door.say
        password, again, code = (field_of(form, name) for name in ("password", "again", "code"))
        async with self.house.db.read() as conn:
            email = await accounts.email_of(conn, self.house.vault, staff.id)
            secret = await self._pending_app(conn, staff.id, browser)
        wrong: dict[str, str] = {}
        refused = passwords.refusal(password, theirs=(staff.name, staff.id, email or ""))
        if refused is not None:
            wrong["password"] = say(request, refused, least=passwords.SHORTEST, most=passwords.LONGEST)
        elif passwords.normalised(again) != passwords.normalised(password):
            wrong["again"] = say(request, "desk.password.differ")
        step = passwords.step_of(secret, code, now=self.house.clock.now()) if secret is not None else None
        if step is None:
            wrong["code"] = say(request, "desk.app.wrong")
        if wrong or secret is None or step is None:
            return wrong
        return NewPassword(await self.hasher.hash(password), secret, step)

    async def keep_password(self, conn: AsyncConnection, staff_id: str, browser: str, new: NewPassword) -> list[str]:
        """Keep it, with new recovery codes, which are shown once."""
        now, vault = self.house.clock.now(), self.house.vault
        await credentials.spend(conn, _APP, browser, staff_id, now=now)
        await credentials.set_password(
            conn, vault, staff_id, hashed=new.hashed, secret=new.secret, used_step=new.step, now=now
        )
        await self.note(conn, staff_id, "password_set")
        return await credentials.make_recovery_codes(conn, vault, staff_id)

    # --- the organisation's own sign-in -------------------------------------------------------------------------------

    async def send_away(
        self, request: web.Request, purpose: str, *, staff_id: str | None = None, token: str = ""
    ) -> web.Response:
        """To the organisation's sign-in, and back to us: to come in, to link it to an account, or to use an invitation.

        Raises `OidcError` where it cannot be reached.
        """
        if self.oidc is None:
            raise Refused(404, "error.not_found")
        now = self.house.clock.now()
        browser = self.sessions.came_back(request) or secrets.token_urlsafe(32)
        state = f"{purpose}.{secrets.token_urlsafe(24)}"
        address = await self.oidc.address(Secrets.of(browser, state), now=now, language=request[LANGUAGE].value)
        async with self.house.db.write() as conn:
            sealed = None
            if staff_id is not None and token:
                key = await self.house.vault.open(conn, f"staff:{staff_id}")
                sealed = key.seal(token, about=_about_away(staff_id))
            until = now + QUESTION_LASTS * 3
            await credentials.ask(conn, "oidc", browser, state, until=until, staff_id=staff_id, sealed=sealed)
        response = web.Response(status=303, headers={"Location": address})
        return self.sessions.sent_away(response, browser)

    def by_a_page(self, request: web.Request, away: web.Response) -> web.Response:
        """The same way by a page of ours: what a form leads to, browsers let stay on our own site only."""
        on = self.door.pages.page("desk/on.html", request[LANGUAGE], address=away.headers["Location"])
        for cookie in away.cookies.values():
            on.cookies[cookie.key] = cookie
        return on

    async def token_aside(self, conn: AsyncConnection, staff_id: str, sealed: bytes) -> str:
        """The invitation that somebody took along to the organisation's sign-in."""
        key = await self.house.vault.open(conn, f"staff:{staff_id}")
        return key.unseal(sealed, about=_about_away(staff_id))


async def answer_of(request: web.Request) -> dict[str, Any]:
    """The JSON object that a script of ours sent."""
    if request.content_type != "application/json":
        raise Refused(415, "error.bad_request")
    try:
        told = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Refused(400, "error.bad_request") from error
    if not isinstance(told, dict):
        raise Refused(400, "error.bad_request")
    return told


def field_of(form: Mapping[str, Any], name: str) -> str:
    """What stands in a field of a form, as far as any field of ours reaches."""
    return str(form.get(name, ""))[:_LONGEST_FIELD]


def _about_new_app(staff_id: str) -> str:
    return f"staff-new-app:{staff_id}"


def _about_away(staff_id: str) -> str:
    return f"staff-away:{staff_id}"
