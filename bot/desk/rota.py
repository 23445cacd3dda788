"""The rota, for advisors and coordinators: who is on call now and next, and a calendar in the clock of each roster.

What lies ahead is what the roster says, leave included. What is past is what the line recorded, where it did. A hole is
said in words. On a phone the page shows one week as a list, on a wide screen the month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.rota_calendar import (
    Known,
    Piece,
    days_of,
    laid_over,
    midnight,
    month_around,
    pieces_of,
    say_month,
    week_of,
    weekdays,
)
from bot.desk.rota_telling import HERE, MEMBERS, RotaTelling, frame, rota_telling, zone_called
from escalation import on_duty
from escalation.rota import closed_days, coverage
from escalation.rota import store as rota_store
from escalation.rota.plan import Plan
from escalation.rota.roster import Span
from escalation.rota.rostering import zone_of
from escalation.rota.swaps import shift_id
from helpline.messages import Country
from helpline.sessions import staff_of
from helpline.web import LANGUAGE, Access, Refused, Route

_DAY: Final = timedelta(days=1)
_NEXT_WITHIN: Final = timedelta(days=14)
_MINE_WITHIN: Final = timedelta(days=56)
_FURTHEST: Final = timedelta(days=800)


class RotaDesk:
    """The routes of the calendar."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The address, for advisors and coordinators."""
        return [Route("GET", HERE, self.show, Access.STAFF)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Who is on call now and next, and the calendar of one roster."""
        staff = self._door.member(request, *MEMBERS)
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            ahead = await rota_store.plans(conn, now, now + _MINE_WITHIN)
            present = await on_duty.staff_now(conn, now, channels=self._door.room.means.channels)
            every = {plan.name: plan for plan in ahead}
            ahead = tuple(plan for plan in ahead if not plan.is_over(now))
            names = [plan.name for plan in ahead]
            chosen = request.query.get("roster", names[0] if names else "")
            plan = every.get(chosen)
            if plan is None and (names or chosen):
                raise Refused(404, "error.not_found")
            month = await self._month(request, conn, plan, now) if plan is not None else {}
        zones = {each.name: zone_of(each, now) for each in ahead}
        mine = [
            (each.name, shift.span, zone_of(each, now)) for each in ahead for shift in _shifts_of(each, staff.id, now)
        ]
        holes = coverage.holes(ahead, now, speaks=present.speaks)
        return self._door.pages.page(
            "desk/rota.html",
            request[LANGUAGE],
            holes=[
                (f"{hole.roster}: " if len(names) > 1 else "") + tell.hole(hole, zones[hole.roster]) for hole in holes
            ],
            unreached=any(hole.somebody for hole in holes),
            present=[self._present(request, tell, each, now, present.speaks) for each in ahead],
            mine=[
                {
                    "roster": name if len(names) > 1 else "",
                    "span": tell.span(span.start, span.end, zone),
                    "swap": f"{HERE}/swaps?shift={shift_id(name, staff.id, span.start)}#give",
                    "now": span.covers(now),
                }
                for name, span, zone in sorted(mine, key=lambda each: (each[1].start, each[0]))
            ],
            roster=chosen,
            over=plan is not None and plan.is_over(now),
            rosters=[(f"{HERE}?{urlencode({'roster': name})}", name) for name in names],
            open_roster=f"{HERE}?{urlencode({'roster': chosen})}",
            **{
                "days": [],
                "links": {},
                "listed": set(),
                "ends_on": None,
                "title": "",
                "zone_name": "",
                "weekdays": [],
                "week_title": "",
                **month,
            },
            tell=tell,
            **await frame(self._door, request, HERE),
        )

    def _present(
        self, request: web.Request, tell: RotaTelling, plan: Plan, now: datetime, speaks: coverage.Speaks
    ) -> Mapping[str, Any]:
        zone = zone_of(plan, now)
        first, *following = plan.timeline(now, now + _NEXT_WITHIN)
        then = following[0] if following else None
        return {
            "roster": plan.name,
            "zone": zone_called(self._door, request, zone.key),
            "people": tell.people(first.people),
            "empty": not first.people,
            "unreached": bool(first.people) and not any(person in speaks for person in first.people),
            "by_fallback": first.by_fallback,
            "until": tell.at(then.span.start, zone) if then is not None else "",
            "then": tell.people(then.people) if then is not None else "",
            "then_empty": then is not None and not then.people,
            "then_ended": then is not None and then.ended,
        }

    async def _month(self, request: web.Request, conn: AsyncConnection, plan: Plan, now: datetime) -> Mapping[str, Any]:
        zone = zone_of(plan, now)
        today = now.astimezone(zone).date()
        day = _day(request.query.get("day", ""), today)
        first, end = month_around(day)
        # Opened without a day, a phone shows today and the six days after it, whatever weekday it is.
        opened = "day" not in request.query and today.weekday() > 0
        begin = today if opened else week_of(day)
        listed = {begin + number * _DAY for number in range(7)}
        end = end if max(listed) < end else end + 7 * _DAY
        begins, ends = midnight(first, zone), midnight(end, zone)
        pieces = await _pieces(conn, plan.name, begins, ends, now)
        me = staff_of(request).id
        days = days_of(pieces, zone, first, end, now=now, me=me, looked_at=day)
        holidays = _holidays(self._door, request, first, end)
        language = request[LANGUAGE]
        last = plan.versions[-1]

        def to(other: date) -> str:
            return f"{HERE}?{urlencode({'roster': plan.name, 'day': other.isoformat()})}"

        return {
            "days": [(each, holidays.get(each.day, [])) for each in days],
            "listed": listed,
            "zone_name": zone_called(self._door, request, zone.key),
            "ends_on": last.valid_from.astimezone(zone).date() if last.ended else None,
            "title": say_month(day, language),
            "week_title": (
                self._door.say(request, "desk.rota.week", number=begin.isocalendar().week) if not opened else ""
            ),
            "weekdays": weekdays(language),
            "links": {
                "earlier_week": to(day - 7 * _DAY),
                "later_week": to(day + 7 * _DAY),
                "earlier_month": to(day.replace(day=1) - _DAY),
                "later_month": to((day.replace(day=1) + 32 * _DAY).replace(day=1)),
                "today": f"{HERE}?{urlencode({'roster': plan.name})}",
                "this_week": to(today) if opened else "",
            },
        }


async def _pieces(conn: AsyncConnection, name: str, begins: datetime, ends: datetime, now: datetime) -> list[Piece]:
    """Who was and will be on call between two instants."""
    plans = {each.name: each for each in await rota_store.plans(conn, begins, ends)}
    known = plans.get(name)
    since = max(begins, known.versions[0].valid_from) if known is not None and known.versions else ends
    planned = known.timeline(since, ends) if known is not None and since < ends else ()
    was = await rota_store.recorded_between(conn, name, begins, min(ends, now)) if begins < now else []
    return laid_over(
        pieces_of(each for each in planned if not each.ended),
        [Piece(Span(each.span.start, min(each.span.end, now)), each.people, Known.SEEN) for each in was if each.seen],
    )


def _shifts_of(plan: Plan, staff_id: str, now: datetime) -> Sequence[Any]:
    return [each for each in plan.shifts(now, now + _MINE_WITHIN) if each.person == staff_id]


def _day(written: str, today: date) -> date:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return today
    return min(max(day, today - _FURTHEST), today + _FURTHEST)


def _holidays(door: DeskDoor, request: web.Request, first: date, last: date) -> dict[date, list[str]]:
    """The holidays from one day to another, each with its countries."""
    named: dict[date, dict[str, list[str]]] = {}
    for country in Country:
        for each in closed_days.closed_days(country, first, last, request[LANGUAGE]):
            named.setdefault(each.day, {}).setdefault(each.name, []).append(door.say(request, f"country.{country}"))
    return {
        day: [f"{name[:1].upper()}{name[1:]} ({', '.join(countries)})" for name, countries in found.items()]
        for day, found in named.items()
    }
