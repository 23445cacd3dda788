"""Staff at the door: a cookie that names a session kept on the server, and forms that show they are ours.

Without a session every page for staff sends to the same sign-in page, which says nothing of what lies behind it.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from aiohttp import web

from helpline import accounts, staff_sessions
from helpline.accounts import Session, Staff
from helpline.clock import Clock
from helpline.database import Database
from helpline.storage import StorageError
from helpline.web import Refused, see_other, wants_page

log = structlog.get_logger(__name__)

SIGN_IN = "/desk/sign-in"
CSRF_FIELD = "csrf"

# What somebody wrote before it turned out that they are signed out: shown to them once more, so that it is not lost.
KEPT_TEXT: Final = web.RequestKey("kept_text", str)
_SESSION: Final = web.RequestKey("staff_session", Session)
_TOKEN: Final = web.RequestKey("staff_token", str)

_NOTE_EVERY = timedelta(minutes=1)
_REMEMBERED = 1000


class Sessions:
    """Who is signed in."""

    def __init__(self, db: Database, clock: Clock, *, secure: bool) -> None:
        self._db = db
        self._clock = clock
        self._secure = secure
        self._cookie = "__Host-desk" if secure else "desk"
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

    async def still_signed_in(self, request: web.Request) -> bool:
        """Whether the session of this request, long after it began, is good; counts as a sign of life."""
        if await self._find(request[_TOKEN]) is None:
            return False
        await self._note_seen(request[_TOKEN])
        return True

    async def sign_in(self, link_token: str) -> web.Response | None:
        """Use a sign-in link up; where it was good, the response that signs in and leads to the desk."""
        now = self._clock.now()
        async with self._db.write() as conn:
            staff_id = await accounts.redeem_sign_in_link(conn, link_token, now=now)
            if staff_id is None:
                return None
            token = await staff_sessions.start(conn, staff_id, now=now)
        response = see_other("/desk/")
        response.set_cookie(self._cookie, token, path="/", httponly=True, secure=self._secure, samesite="Strict")
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session, on the server and in the browser."""
        async with self._db.write() as conn:
            await staff_sessions.end(conn, request[_TOKEN])
        response = see_other(SIGN_IN)
        response.del_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="Strict")
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

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
