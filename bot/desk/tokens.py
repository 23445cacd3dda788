"""One's own access tokens: made by somebody who signed in a short while ago, shown once, listed, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from bot.desk.account import ACCOUNT, FRESH
from bot.desk.door import DeskDoor
from bot.desk.telling import Telling
from helpline import access_tokens
from helpline.access_tokens import LONGEST_LIFE, LONGEST_NAME, Scope, TokenError
from helpline.accounts import Role, Staff
from helpline.sessions import session_of, staff_of
from helpline.web import LANGUAGE, Access, Route, see_other

TOKENS: Final = ACCOUNT + "/tokens"
_USUAL: Final = timedelta(days=90)
_FIELD_OF: Final = {"desk.tokens.no.name": "name", "desk.tokens.no.end": "until"}


class TokenDesk:
    """The routes of one's own tokens."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for whoever is signed in."""
        staff = Access.STAFF
        return [
            Route("GET", TOKENS, self.show, staff),
            Route("POST", TOKENS, self.make, staff),
            Route("POST", TOKENS + "/{id:[0-9]{1,15}}/revoke", self.revoke, staff),
            Route("GET", TOKENS + "/{id:[0-9]{1,15}}/revoke", self.back, staff),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One's tokens, and a form to make one."""
        notice = "desk.account.told.token_revoked" if request.query.get("told") == "revoked" else ""
        return await self._page(request, notice=notice)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        return see_other(TOKENS)

    async def make(self, request: web.Request) -> web.StreamResponse:
        """Make one, and show it this once."""
        form = await self._door.form(request)
        staff, now = staff_of(request), self._house.clock.now()
        typed = {name: str(form.get(name, "")).strip() for name in ("name", "scope", "until")}
        if not self._is_fresh(request):
            return await self._page(request, typed=typed, notice="desk.tokens.stale", status=403)
        scope = next((each for each in _scopes(staff) if each.value == typed["scope"]), None)
        if scope is None:
            wrong = {"scope": self._door.say(request, "desk.tokens.no.scope")}
            return await self._page(request, typed=typed, wrong=wrong, status=422)
        try:
            async with self._house.db.write() as conn:
                secret, _ = await access_tokens.make(
                    conn,
                    staff.id,
                    name=typed["name"],
                    scope=scope,
                    expires_at=_end_of(typed["until"], staff.zone),
                    now=now,
                )
        except TokenError as error:
            said = self._door.say(request, error.key, **error.values)
            wrong = {_FIELD_OF.get(error.key, "name"): said}
            return await self._page(request, typed=typed, wrong=wrong, status=422)
        return await self._page(request, secret=secret)

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """End one; ending it twice is as good as once."""
        await self._door.form(request)
        staff, token_id = staff_of(request), int(request.match_info["id"])
        async with self._house.db.write() as conn:
            theirs = await access_tokens.revoke(conn, staff.id, token_id, now=self._house.clock.now())
        return see_other(f"{TOKENS}?told=revoked" if theirs else TOKENS)

    def _is_fresh(self, request: web.Request) -> bool:
        return self._house.clock.now() - session_of(request).created_at < FRESH

    async def _page(
        self,
        request: web.Request,
        *,
        notice: str = "",
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, Any] | None = None,
        secret: str = "",
        status: int = 200,
    ) -> web.Response:
        staff, now = staff_of(request), self._house.clock.now()
        today = now.astimezone(ZoneInfo(staff.zone)).date()
        async with self._house.db.read() as conn:
            listed = await access_tokens.list_of(conn, staff.id)
        usual = {"name": "", "scope": Scope.READ.value, "until": (today + _USUAL).isoformat()}
        return self._door.pages.page(
            "desk/tokens.html",
            request[LANGUAGE],
            status=status,
            tokens=listed,
            now=now,
            secret=secret,
            fresh=self._is_fresh(request),
            notice=self._door.say(request, notice) if notice else "",
            bad=status >= 400,
            wrong=wrong or {},
            typed={**usual, **(typed or {})},
            scopes=[(one.value, self._door.say(request, f"desk.tokens.scope.{one.value}")) for one in _scopes(staff)],
            soonest=(today + timedelta(days=1)).isoformat(),
            latest=(today + LONGEST_LIFE).isoformat(),
            longest_name=LONGEST_NAME,
            address=TOKENS,
            account=ACCOUNT,
            tell=Telling(self._house.phrases, request[LANGUAGE], staff.zone, {}, now),
            **await self._door.frame(request),
        )


def _scopes(staff: Staff) -> list[Scope]:
    """What a token of this member of staff may be for: partners are a coordinator's to let in."""
    return [scope for scope in Scope if scope is not Scope.PARTNER or Role.COORDINATOR in staff.roles]


def _end_of(written: str, zone: str) -> datetime:
    """The end of the day that was chosen, where its owner lives."""
    try:
        day = date.fromisoformat(written) + timedelta(days=1)
        return datetime.combine(day, time(), ZoneInfo(zone))
    except (ValueError, OverflowError) as error:
        raise TokenError("desk.tokens.no.end") from error
