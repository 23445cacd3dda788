"""Ending a roster: what would come of it is seen first; taken back, or started again, with every version kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.rota_sheet import Wrong, instant_of
from bot.desk.rota_telling import HERE, RotaTelling, frame, roster_address, rota_telling, said_wrong, zone_called
from escalation.rota import ending, version_store
from escalation.rota.ending import (
    Called,
    CannotEnd,
    ChangedMeanwhile,
    LeavesHoles,
    NoSuchRoster,
    Outlook,
    StandInUnfit,
    StillCalled,
)
from escalation.rota.version_store import Version
from helpline.accounts import Role
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

_ROSTERS: Final = HERE + "/rosters"
_ROSTER: Final = _ROSTERS + "/{name:[^/]{1,120}}"
_LATEST: Final = timedelta(days=731)  # no end lies further ahead
_MOST_SHIFTS: Final = 12  # of those that fall away, that are listed
_ROLES: Final = (Role.ADVISOR, Role.COORDINATOR)
_WRONG: Final[Mapping[type[CannotEnd], tuple[str, str]]] = {
    StillCalled: ("instead", "desk.rota.no.still_called"),
    StandInUnfit: ("instead", "desk.rota.no.stand_in"),
    LeavesHoles: ("accepted", "desk.rota.no.end_holes"),
    ChangedMeanwhile: ("", "desk.rota.no.changed"),
}


@dataclass(frozen=True)
class Typed:
    """What stands in the form."""

    at: str = ""
    at_meant: str = ""
    instead: str = ""
    accepted: bool = False
    seen: int = 0  # the newest version when the page was opened


class EndingDesk:
    """The routes of ending a roster."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses, for coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", _ROSTER + "/end", self.show, staff),
            Route("POST", _ROSTER + "/end", self.act, staff),
            Route("POST", _ROSTER + "/remove", self.remove, staff),
            Route("GET", _ROSTER + "/remove", self.back, staff),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the roster."""
        self._door.member(request, Role.COORDINATOR)
        return see_other(roster_address(request.match_info["name"]))

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The form, or that the roster ends already."""
        self._door.member(request, Role.COORDINATOR)
        return await self._page(request, Typed())

    async def act(self, request: web.Request) -> web.StreamResponse:
        """Look at what would come of it, end it, or take an end that lies ahead back."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        name, now, means = request.match_info["name"], self._house.clock.now(), self._door.room.means
        seen = str(form.get("seen", ""))
        typed = Typed(
            at=str(form.get("at", "")).strip()[:60],
            at_meant=str(form.get("at_meant", "")).strip()[:60],
            instead=str(form.get("instead", "")).strip()[:120],
            accepted=form.get("accepted") == "yes",
            seen=int(seen) if seen.isdecimal() and len(seen) < 16 else 0,
        )
        order = form.get("do", "check")
        if order == "back":
            async with self._house.db.write() as conn:
                done = await ending.take_back(conn, means, name=name, by=staff.id, now=now)
            return see_other(f"{roster_address(name)}{'?told=end_back' if done else ''}")
        async with self._house.db.read() as conn:
            held = await version_store.version_at(conn, name, now)
        if held is None:
            raise Refused(404, "error.not_found")
        at = _at(typed, ZoneInfo(held.zone), now)
        if isinstance(at, Wrong):
            return await self._page(request, typed, wrong={"at": at}, status=422)
        if order != "end":
            return await self._page(request, typed, at=at)
        try:
            async with self._house.db.write() as conn:
                await ending.end(
                    conn,
                    means,
                    name=name,
                    at=at,
                    seen=typed.seen,
                    instead=typed.instead,
                    accepted=typed.accepted,
                    by=staff.id,
                    now=now,
                )
        except NoSuchRoster:
            return see_other(roster_address(name))
        except CannotEnd as error:
            field, phrase = _WRONG[type(error)]
            changed = isinstance(error, ChangedMeanwhile)
            typed = replace(typed, seen=0 if changed else typed.seen)
            return await self._page(request, typed, at=at, wrong={field: Wrong(phrase)}, status=409 if changed else 422)
        return see_other(f"{roster_address(name)}?told={'ended' if at <= now else 'ends'}")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Forget a roster that has never held."""
        staff = self._door.member(request, Role.COORDINATOR)
        await self._door.form(request)
        name, now = request.match_info["name"], self._house.clock.now()
        try:
            async with self._house.db.write() as conn:
                await ending.remove(conn, self._door.room.means, name=name, by=staff.id, now=now)
        except StillCalled as error:
            wrong = {"": Wrong(_WRONG[type(error)][1])}
            return await self._page(request, Typed(), wrong=wrong, status=422)
        except NoSuchRoster:
            async with self._house.db.read() as conn:
                known = await version_store.versions_of(conn, name, limit=1)
            return see_other(roster_address(name) if known else f"{_ROSTERS}?told=removed")
        return see_other(f"{_ROSTERS}?told=removed")

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        typed: Typed,
        *,
        at: datetime | None = None,
        wrong: Mapping[str, Wrong] | None = None,
        status: int = 200,
    ) -> web.Response:
        name, now = request.match_info["name"], self._house.clock.now()
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            known = await version_store.versions_of(conn, name, limit=1)
            if not known:
                raise Refused(404, "error.not_found")
            held = await version_store.version_at(conn, name, now)
            ahead = await version_store.end_ahead(conn, name, now)
            first = await version_store.first_begins(conn, name)
            zone = ZoneInfo((held or known[0]).zone)
            looked_at = await ending.outlook(
                conn, self._door.room.means, name=name, at=at or now, instead=typed.instead, now=now
            )
            choices = await self._choices(conn, tell, name, now)
        return self._door.pages.page(
            "desk/rota_end.html",
            request[LANGUAGE],
            status=status,
            roster=name,
            address=roster_address(name, "end"),
            up=roster_address(name),
            typed=replace(typed, seen=typed.seen or known[0].id),
            state=_state(held, ahead, first, now),
            ends=tell.at(ahead.valid_from, zone) if ahead is not None else "",
            ended=_ended(tell, held, zone),
            steps=[_called(tell, each) for each in looked_at.steps],
            choices=choices,
            preview=_preview(tell, looked_at, at, zone) if at is not None else None,
            wrong=said_wrong(tell, wrong or {}, zone),
            zone_name=zone_called(self._door, request, zone.key),
            remove=roster_address(name, "remove"),
            **await frame(self._door, request, _ROSTERS),
        )

    async def _choices(
        self, conn: AsyncConnection, tell: RotaTelling, name: str, now: datetime
    ) -> list[tuple[str, str]]:
        """Everything that the ladders could call in its stead."""
        rosters = [each for each in await version_store.lasting(conn, now) if each != name]
        return [
            *((f"roster:{each}", tell.say("ladders.roster", name=each)) for each in rosters),
            *(
                (f"role:{role.value}", tell.say("ladders.role", role=tell.say(f"desk.role.{role.value}")))
                for role in _ROLES
            ),
            *tell.choices(),
        ]


def _at(typed: Typed, zone: ZoneInfo, now: datetime) -> datetime | Wrong:
    if not typed.at:
        return now
    at = instant_of(typed.at, typed.at_meant, zone)
    if isinstance(at, Wrong):
        return at
    # What was on call is not written anew, so a time that has passed means at once.
    return Wrong("desk.rota.no.too_late") if at > now + _LATEST else max(at, now)


def _state(held: Version | None, ahead: Version | None, first: datetime | None, now: datetime) -> str:
    if first is not None and first > now:
        return "unbegun"
    if held is not None and held.ended:
        return "ended"
    return "ends" if ahead is not None else "runs"


def _ended(tell: RotaTelling, held: Version | None, zone: ZoneInfo) -> str:
    if held is None or not held.ended:
        return ""
    return tell.say("desk.rota.ended.at", time=tell.at(held.valid_from, zone), name=tell.who(held.saved_by))


def _called(tell: RotaTelling, called: Called) -> str:
    if called.urgency is None:
        return tell.say("ladders.last")
    urgency = tell.say(f"ladders.{called.urgency.value}")
    return tell.say("desk.rota.end.called.step", urgency=urgency, number=called.step)


def _preview(tell: RotaTelling, looked_at: Outlook, at: datetime, zone: ZoneInfo) -> Mapping[str, Any]:
    shifts = [
        f"{tell.person(each.person)}: {tell.span(each.span.start, each.span.end, zone)}" for each in looked_at.shifts
    ]
    return {
        "at": tell.at(at, zone),
        "holes": [f"{each.roster}: {tell.hole(each, zone)}" for each in looked_at.holes],
        "shifts": shifts[:_MOST_SHIFTS],
        "more": max(0, len(shifts) - _MOST_SHIFTS),
        "offers": looked_at.offers,
        "waiting": looked_at.waiting,
    }
