"""Staff at the door: a cookie that names a session kept on the server, and forms that show they are ours.

Without a session every page for staff sends to the same sign-in page, which says nothing of what lies behind it.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import accounts, staff_sessions
from helpline.accounts import Role, Session, Staff
from helpline.clock import Clock
from helpline.database import Database
from helpline.staff_sessions import Way
from helpline.storage import StorageError
from helpline.web import Refused, from_our_own_page, see_other, wants_page

log = structlog.get_logger(__name__)

SIGN_IN = "/desk/sign-in"
CSRF_FIELD = "csrf"

# What somebody wrote before it turned out that they are signed out: shown to them once more, so that it is not lost.
KEPT_TEXT: Final = web.RequestKey("kept_text", str)
_SESSION: Final = web.RequestKey("staff_session", Session)
_TOKEN: Final = web.RequestKey("staff_token", str)

_DOOR: Final = web.RequestKey("door_secret", str)
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_KNOWN_LASTS = 180 * 24 * 3600  # seconds; opens nothing
_AWAY_LASTS = 15 * 60  # seconds that somebody may take to sign in elsewhere

_NOTE_EVERY = timedelta(minutes=1)
_REMEMBERED = 1000


class Sessions:
    """Who is signed in."""

    def __init__(self, db: Database, clock: Clock, *, secure: bool) -> None:
        self._db = db
        self._clock = clock
        self._secure = secure
        prefix = "__Host-" if secure else ""
        self._cookie = f"{prefix}desk"
        self._door_cookie = f"{prefix}desk-door"
        self._away_cookie = f"{prefix}desk-away"
        self._known_cookie = f"{prefix}desk-known"
        self._noted: OrderedDict[str, datetime] = OrderedDict()

    async def guard(self, request: web.Request) -> bool:
        """Let staff in, and send everybody else to the sign-in page. For `Access.STAFF`."""
        token = request.cookies.get(self._cookie, "")
        session = await self._find(token)
        if session is None:
            if request.method not in {"GET", "HEAD"}:
                request[KEPT_TEXT] = await _text_of(request)
                raise Refused(401, "error.signed_out")
            if not wants_page(request):
                raise Refused(401, "error.signed_out")
            raise web.HTTPSeeOther(SIGN_IN)
        request[_SESSION] = session
        request[_TOKEN] = token
        await self._note_seen(token)
        return True

    async def still_signed_in(self, request: web.Request, *roles: Role) -> bool:
        """Whether the session of this request, long after it began, is good, and its member of staff still has one of
        these roles, if any are named. Counts as a sign of life."""
        session = await self._find(request[_TOKEN])
        if session is None or (roles and not session.staff.roles & set(roles)):
            return False
        await self._note_seen(request[_TOKEN])
        return True

    async def begin(
        self, conn: AsyncConnection, request: web.Request, staff_id: str, way: Way, *, now: datetime
    ) -> str:
        """A new session for somebody who has shown who they are; the one that this browser had before is over.

        The token is always new: one that was there before signing in, however it came there, never becomes a session.
        """
        old = request.cookies.get(self._cookie, "")
        if old:
            await staff_sessions.end(conn, old)
        browser = staff_sessions.browser_family(request.headers.get("User-Agent", ""))
        return await staff_sessions.start(conn, staff_id, now=now, way=way, browser=browser)

    def let_in(self, response: web.Response, token: str) -> web.Response:
        """Give the browser its session; what it carried before the door is taken from it."""
        self._set(response, self._cookie, token, "Strict")
        self._drop(response, self._door_cookie, "Strict")
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session, on the server and in the browser."""
        async with self._db.write() as conn:
            await staff_sessions.end(conn, request[_TOKEN])
        response = see_other(SIGN_IN)
        self._drop(response, self._cookie, "Strict")
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    # --- before the door ----------------------------------------------------------------------------------------------

    def browser_before(self, request: web.Request) -> str:
        """The secret of a browser that is not signed in; what it is asked and the forms it is given are bound to it."""
        if _DOOR not in request:
            carried = request.cookies.get(self._door_cookie, "")
            request[_DOOR] = carried if _SECRET.fullmatch(carried) else secrets.token_urlsafe(32)
        return request[_DOOR]

    def keep_before(self, request: web.Request, response: web.Response) -> web.Response:
        """Have the browser carry its secret."""
        if request.cookies.get(self._door_cookie) != self.browser_before(request):
            self._set(response, self._door_cookie, request[_DOOR], "Strict")
        return response

    def came_before(self, request: web.Request, given: str) -> bool:
        """Whether a form came from a page that this browser was given before the door."""
        if self._door_cookie not in request.cookies or not from_our_own_page(request):
            return False
        return staff_sessions.csrf_holds(self.browser_before(request), given)

    def sent_away(self, response: web.Response, secret: str) -> web.Response:
        """Have the browser carry a secret to another site's page and back, as the strict cookies do not."""
        self._set(response, self._away_cookie, secret, "Lax", max_age=_AWAY_LASTS)
        return response

    def came_back(self, request: web.Request) -> str:
        """The secret that the browser was sent away with, or nothing."""
        carried = request.cookies.get(self._away_cookie, "")
        return carried if _SECRET.fullmatch(carried) else ""

    def is_back(self, response: web.Response) -> web.Response:
        """Take from the browser what it carried to the other site."""
        self._drop(response, self._away_cookie, "Lax")
        return response

    def be_known_by(self, response: web.Response, secret: str) -> web.Response:
        """Have the browser carry what it is known by when somebody signs in there again."""
        self._set(response, self._known_cookie, secret, "Strict", max_age=_KNOWN_LASTS)
        return response

    def known_by(self, request: web.Request) -> str:
        """What the browser says that it is known by, or nothing."""
        return request.cookies.get(self._known_cookie, "")[:200]

    def _set(
        self,
        response: web.Response,
        name: str,
        value: str,
        same_site: Literal["Strict", "Lax"],
        max_age: int | None = None,
    ) -> None:
        response.set_cookie(
            name, value, path="/", httponly=True, secure=self._secure, samesite=same_site, max_age=max_age
        )

    def _drop(self, response: web.Response, name: str, same_site: Literal["Strict", "Lax"]) -> None:
        response.del_cookie(name, path="/", httponly=True, secure=self._secure, samesite=same_site)

    async def _find(self, token: str) -> Session | None:
        if not token:
            return None
        async with self._db.read() as conn:
            return await accounts.find_session(conn, token, now=self._clock.now())

    async def _note_seen(self, token: str) -> None:
        now = self._clock.now()
        last = self._noted.pop(token, None)
        if last is None or now - last >= _NOTE_EVERY:
            last = now
            try:
                async with self._db.write() as conn:
                    await staff_sessions.note_seen(conn, token, now=now)
            except StorageError as error:
                # A sign of life that is not noted costs an advisor a sign-in later, not what is being done now.
                log.warning("session_not_noted", error_type=type(error).__name__)
        self._noted[token] = last
        while len(self._noted) > _REMEMBERED:
            self._noted.popitem(last=False)


def staff_of(request: web.Request) -> Staff:
    """Who is asking; only behind the guard."""
    return request[_SESSION].staff


def session_of(request: web.Request) -> Session:
    """The session of whoever asks; only behind the guard."""
    return request[_SESSION]


def token_of(request: web.Request) -> str:
    """The secret of this browser's session; only behind the guard, and never to be shown or kept."""
    return request[_TOKEN]


def csrf_of(request: web.Request) -> str:
    """What each form on this page carries."""
    return staff_sessions.csrf_token(request[_TOKEN])


def csrf_holds(request: web.Request, form: Any) -> bool:
    """Whether the form came from a page of this session."""
    return staff_sessions.csrf_holds(request[_TOKEN], str(form.get(CSRF_FIELD, "")))


async def _text_of(request: web.Request) -> str:
    if request.content_type != "application/x-www-form-urlencoded":
        return ""
    try:
        return str((await request.post()).get("text", ""))
    except (ValueError, LookupError):
        return ""
