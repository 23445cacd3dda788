"""Who looked at what: every view of a conversation, by whom and when, and not a word of what was read."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from bot.desk.case_room import FOLLOWED, VIEWED
from bot.desk.door import DeskDoor, names_of
from bot.desk.keys import field_of
from bot.desk.telling import Telling
from escalation import store as escalations
from helpline import audit
from helpline.accounts import Role
from helpline.sessions import staff_of
from helpline.web import LANGUAGE, Access, Route

RECORDS: Final = "/desk/records"
_PAGE = 50
_CODE_LENGTH = 20


class RecordsDesk:
    """The routes of the record of views."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The address, for administrators and coordinators."""
        return [Route("GET", RECORDS, self.show, Access.STAFF)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The latest first; by member of staff, by the code of a case, page by page."""
        self._door.member(request, Role.ADMINISTRATOR, Role.COORDINATOR)
        who = field_of(request.query, "who")
        code = field_of(request.query, "code").strip().lstrip("#")[:_CODE_LENGTH]
        before = _number(field_of(request.query, "before"))
        async with self._house.db.read() as conn:
            names = await names_of(conn)
            subject = None
            if code:
                wanted = await escalations.find_by_code(conn, code)
                subject = f"conversation:{wanted.conversation_id}" if wanted is not None else "-"
            found = await audit.entries(
                conn,
                actor=f"staff:{who}" if who in names else None,
                subject=subject,
                actions=(VIEWED, FOLLOWED),
                before=before,
                limit=_PAGE + 1,
            )
            shown = found[:_PAGE]
            codes = await escalations.codes_of(conn, {str(entry.details.get("escalation", "")) for entry in shown})
        kept = {key: value for key, value in (("who", who if who in names else ""), ("code", code)) if value}
        older = {**kept, "before": str(shown[-1].id)} if len(found) > _PAGE else None
        now = self._house.clock.now()
        return self._door.pages.page(
            "desk/records.html",
            request[LANGUAGE],
            views=[
                {
                    "at": entry.at,
                    "who": names.get(entry.actor.removeprefix("staff:"), entry.actor),
                    "code": codes.get(str(entry.details.get("escalation", "")), "–"),
                    "followed": entry.action == FOLLOWED,
                }
                for entry in shown
            ],
            people=sorted(names.items(), key=lambda each: each[1].casefold()),
            chosen=who,
            code=code,
            first=before is None,
            newest=f"{RECORDS}?{urlencode(kept)}" if kept else RECORDS,
            older=f"{RECORDS}?{urlencode(older)}" if older is not None else "",
            tell=Telling(self._house.phrases, request[LANGUAGE], staff_of(request).zone, names, now),
            **await self._door.frame(request),
        )


def _number(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdigit() and len(written) < 19 else None
