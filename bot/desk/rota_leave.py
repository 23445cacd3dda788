"""Leave: asked for by advisors, granted by coordinators, its holes shown before and after; and leave from files.

A file is read, shown as what would come of it, and taken only when that was seen. Between the two it lies in the page
and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.web import FileField
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.rota_sheet import Wrong, instant_of
from bot.desk.rota_telling import HERE, MEMBERS, RotaTelling, frame, rota_telling, said_wrong, zone_called
from escalation import on_duty
from escalation.on_duty import Present
from escalation.rota import calendars, ics, leave
from escalation.rota import store as rota_store
from escalation.rota.calendars import Imported
from escalation.rota.coverage import Hole
from escalation.rota.ics import Unreadable
from escalation.rota.leave import LeaveRefused, Reason
from escalation.rota.roster import Span
from escalation.rota.store import Leave, LeaveState
from helpline import accounts
from helpline.accounts import Role, Staff
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other

LEAVE: Final = HERE + "/leave"
_BODY: Final = 900 * KILOBYTE  # the largest file, written as text
_AHEAD: Final = timedelta(days=400)
_MOST_LOOKED_AT: Final = 40  # entries of a file whose holes are shown before it is taken
_TOLD: Final = frozenset({"asked", "entered", "granted", "refused", "cancelled", "imported"})
_FIELD_OF: Final = {Reason.BACKWARDS: "end", Reason.NOBODY: "who"}


@dataclass(frozen=True)
class Typed:
    """What stands in the form."""

    who: str = ""
    start: str = ""
    start_meant: str = ""
    end: str = ""
    end_meant: str = ""


@dataclass(frozen=True)
class Seen:
    """What would come of a leave, before it is asked for."""

    span: str
    holes: Sequence[str]


class LeaveDesk:
    """The routes of leave."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for advisors and coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", LEAVE, self.show, staff),
            Route("POST", LEAVE, self.ask, staff),
            Route("POST", LEAVE + "/file", self.file, staff, _BODY),
            Route("GET", LEAVE + "/file", self.back, staff),
            Route("POST", LEAVE + "/{id:[0-9]{1,15}}/{action:grant|refuse|cancel}", self.decide, staff),
            Route("GET", LEAVE + "/{id:[0-9]{1,15}}/{action:grant|refuse|cancel}", self.back, staff),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        self._door.member(request, *MEMBERS)
        return see_other(LEAVE)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One's own leave; for coordinators everybody's."""
        told = request.query.get("told", "")
        return await self._page(request, notice=f"desk.rota.leave.told.{told}" if told in _TOLD else "")

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Look at what a leave would leave open, then ask for it; a coordinator enters it."""
        staff = self._door.member(request, *MEMBERS)
        form = await self._door.form(request)
        typed = Typed(
            *(str(form.get(name, "")).strip()[:60] for name in ("who", "start", "start_meant", "end", "end_meant"))
        )
        now, means = self._house.clock.now(), self._door.room.means
        async with self._house.db.read() as conn:
            whose = await self._whose(conn, staff, typed.who)
        zone = ZoneInfo((whose or staff).zone)
        wrong: dict[str, Wrong] = {} if whose is not None else {"who": _wrong(Reason.NOBODY)}
        bounds = {
            "start": instant_of(typed.start, typed.start_meant, zone),
            "end": instant_of(typed.end, typed.end_meant, zone),
        }
        wrong |= {name: found for name, found in bounds.items() if isinstance(found, Wrong)}
        start, end = bounds["start"], bounds["end"]
        if wrong or whose is None or isinstance(start, Wrong) or isinstance(end, Wrong):
            return await self._page(request, typed=typed, wrong=wrong, zone=zone, status=422)
        span = Span(start, end)
        try:
            leave.check_span(span, now)
            if form.get("do") != "ask":
                return await self._page(request, typed=typed, looked_at=(whose.id, span), zone=zone)
            async with self._house.db.write() as conn:
                if Role.COORDINATOR in staff.roles:
                    await leave.enter(conn, staff_id=whose.id, span=span, by=staff.id, now=now)
                else:
                    await leave.ask(conn, means, staff_id=staff.id, span=span, now=now)
        except LeaveRefused as error:
            wrong = {_FIELD_OF.get(error.reason, "start"): _wrong(error.reason)}
            return await self._page(request, typed=typed, wrong=wrong, zone=zone, status=422)
        return see_other(f"{LEAVE}?told={'entered' if Role.COORDINATOR in staff.roles else 'asked'}")

    async def _whose(self, conn: AsyncConnection, staff: Staff, who: str) -> Staff | None:
        """Whose leave is meant: one's own, or as a coordinator that of whoever was chosen."""
        if Role.COORDINATOR not in staff.roles or not who:
            return staff
        found = await accounts.find_staff(conn, who)
        return found if found is not None and found.active else None

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """Grant or refuse what was asked for, or take leave back."""
        staff = self._door.member(request, *MEMBERS)
        await self._door.form(request)
        leave_id, what = int(request.match_info["id"]), request.match_info["action"]
        now, means = self._house.clock.now(), self._door.room.means
        coordinates = Role.COORDINATOR in staff.roles
        try:
            async with self._house.db.write() as conn:
                found = await rota_store.find_leave(conn, leave_id)
                if found is None or not (coordinates or (what == "cancel" and found.staff_id == staff.id)):
                    raise Refused(404, "error.not_found")
                act = {"grant": leave.grant, "refuse": leave.refuse, "cancel": leave.cancel}[what]
                done = await act(conn, means, leave_id, by=staff.id, now=now)
        except LeaveRefused as error:
            return await self._page(request, wrong={"": _wrong(error.reason)}, status=409)
        return see_other(f"{LEAVE}?told={done.state.value}")

    # --- a file -------------------------------------------------------------------------------------------------------

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Read a calendar file and show what would come of it; take it once that was seen."""
        staff = self._door.member(request, *MEMBERS)
        form = await self._door.form(request)
        who = str(form.get("who", ""))[:60]
        now = self._house.clock.now()
        data = _content(form)
        async with self._house.db.read() as conn:
            whose = await self._whose(conn, staff, who)
        if whose is None:
            wrong = {"file_who": _wrong(Reason.NOBODY)}
            return await self._page(request, wrong=wrong, file_who=who, status=422)
        if not data:
            return await self._page(request, wrong={"file": Wrong("desk.rota.leave.no.file")}, file_who=who, status=422)
        holds = Role.COORDINATOR in staff.roles
        take = form.get("do") == "take"
        try:
            async with self._house.db.write() as conn:
                result = await calendars.import_leave(
                    conn,
                    staff_id=whose.id,
                    data=data,
                    by=staff.id,
                    now=now,
                    holds=holds,
                    dry_run=not take,
                    means=self._door.room.means,
                )
        except Unreadable as error:
            wrong = {"file": Wrong(f"desk.rota.leave.file.{error.why.value}")}
            return await self._page(request, wrong=wrong, file_who=who, status=422)
        if take:
            return see_other(f"{LEAVE}?told=imported")
        return await self._page(request, imported=(whose, result), content=data, file_who=who)

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        *,
        notice: str = "",
        wrong: Mapping[str, Wrong] | None = None,
        typed: Typed | None = None,
        looked_at: tuple[str, Span] | None = None,
        imported: tuple[Staff, Imported] | None = None,
        content: bytes = b"",
        file_who: str = "",
        zone: ZoneInfo | None = None,
        status: int = 200,
    ) -> web.Response:
        staff = self._door.member(request, *MEMBERS)
        now = self._house.clock.now()
        coordinates = Role.COORDINATOR in staff.roles
        zone = zone or ZoneInfo(staff.zone)
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            present = await on_duty.staff_now(conn, now, channels=self._door.room.means.channels)
            listing = _Listing(conn, tell, present, now)
            own = [await listing.row(each) for each in await rota_store.leave_of(conn, staff.id, since=now)]
            others = (
                [
                    await listing.row(each)
                    for each in await rota_store.all_leave(conn, now, now + _AHEAD)
                    if each.staff_id != staff.id and each.stands
                ]
                if coordinates
                else []
            )
            seen = None
            if looked_at is not None:
                holes = await leave.holes_left_by(conn, *looked_at, now, present)
                seen = Seen(
                    tell.span(looked_at[1].start, looked_at[1].end, zone),
                    [f"{hole.roster}: {tell.hole(hole, zone)}" for hole in holes],
                )
            file_holes: list[Hole] = []
            if imported is not None:
                whose, result = imported
                for span in (*result.added, *result.changed)[:_MOST_LOOKED_AT]:
                    file_holes += await leave.holes_left_by(conn, whose.id, span, now, present)
        return self._door.pages.page(
            "desk/rota_leave.html",
            request[LANGUAGE],
            status=status,
            own=own,
            asked=[each for each in others if each["state"] is LeaveState.ASKED],
            others=[each for each in others if each["state"] is not LeaveState.ASKED],
            typed=typed or Typed(who=staff.id),
            people=tell.choices(),
            seen=seen,
            imported=_outcome(tell, *imported, file_holes) if imported is not None else None,
            content=base64.b64encode(content).decode(),
            file_who=file_who or staff.id,
            wrong=said_wrong(tell, wrong or {}, zone),
            zone_name=zone_called(self._door, request, zone.key),
            notice=tell.say(notice) if notice else "",
            status_bad=status >= 400,
            address=LEAVE,
            **await frame(self._door, request, LEAVE),
        )


class _Listing:
    """Leave as the list shows it."""

    def __init__(self, conn: AsyncConnection, tell: RotaTelling, present: Present, now: datetime) -> None:
        self._conn = conn
        self._tell = tell
        self._present = present
        self._now = now

    async def row(self, made: Leave) -> Mapping[str, Any]:
        """One leave, with the holes it leaves where it may hold."""
        tell = self._tell
        staff = self._present.staff.get(made.staff_id)
        zone = ZoneInfo(staff.zone) if staff is not None else tell.zone
        ahead = made.stands and made.span.end > self._now
        holes = (
            await leave.holes_left_by(self._conn, made.staff_id, made.span, self._now, self._present) if ahead else ()
        )
        return {
            "id": made.id,
            "who": tell.person(made.staff_id),
            "span": tell.span(made.span.start, made.span.end, zone),
            "state": made.state,
            "said": tell.say(f"desk.rota.leave.state.{made.state.value}"),
            "holes": [f"{hole.roster}: {tell.hole(hole, zone)}" for hole in holes],
            "may_cancel": ahead,
        }


def _outcome(tell: RotaTelling, whose: Staff, result: Imported, holes: Sequence[Hole]) -> Mapping[str, Any]:
    zone = ZoneInfo(whose.zone)

    def said(spans: Sequence[Span]) -> list[str]:
        return [tell.span(each.start, each.end, zone) for each in spans]

    return {
        "who": tell.person(whose.id),
        "parts": [
            (tell.say(f"desk.rota.leave.import.{name}"), said(spans))
            for name, spans in (
                ("added", result.added),
                ("changed", result.changed),
                ("cancelled", result.cancelled),
                ("same", result.same),
            )
            if spans
        ],
        "skipped": [f"{each.at}: {tell.say(f'desk.rota.leave.file.{each.why.value}')}" for each in result.skipped],
        "holes": [f"{hole.roster}: {tell.hole(hole, zone)}" for hole in holes],
        "anything": bool(result.added or result.changed or result.cancelled),
    }


def _content(form: Any) -> bytes:
    """The file that was chosen, or the one that the page carries since it was looked at."""
    chosen = form.get("file")
    if isinstance(chosen, FileField):
        with chosen.file as file:
            return bytes(file.read(ics.LARGEST + 1))
    try:
        return base64.b64decode(str(form.get("content", "")), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _wrong(reason: Reason) -> Wrong:
    return Wrong(f"desk.rota.leave.no.{reason.value}")
