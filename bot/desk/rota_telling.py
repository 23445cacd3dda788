"""What the pages of the rota share: who may come in, their views, people by name, times where a roster is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.door import DeskDoor
from bot.desk.rota_calendar import clock, say_day, say_moment
from bot.desk.rota_sheet import Wrong
from bot.desk.telling import Telling
from escalation.rota.coverage import Hole
from escalation.rota.local_time import say_instant
from helpline import accounts
from helpline.accounts import Role, Staff
from helpline.messages import Language
from helpline.phrases import Phrases, say_list
from helpline.sessions import staff_of
from helpline.web import LANGUAGE

HERE: Final = "/desk/rota"
MEMBERS: Final = (Role.ADVISOR, Role.COORDINATOR)
# The views of the room in the order of its tabs: who has them, the phrase, the address.
_VIEWS: Final[tuple[tuple[frozenset[Role], str, str], ...]] = (
    (frozenset(MEMBERS), "desk.rota.calendar", HERE),
    (frozenset(MEMBERS), "desk.rota.swaps", HERE + "/swaps"),
    (frozenset(MEMBERS), "desk.rota.leave", HERE + "/leave"),
    (frozenset(MEMBERS), "desk.rota.feeds", HERE + "/feeds"),
    (frozenset({Role.COORDINATOR}), "desk.rota.rosters", HERE + "/rosters"),
)


def roster_address(name: str, *rest: str) -> str:
    """Where a roster is edited."""
    return "/".join([f"{HERE}/rosters/{quote(name, safe='')}", *rest])


class RotaTelling(Telling):
    """The words of one reader about the rota."""

    def __init__(
        self, phrases: Phrases, language: Language, zone: str, everybody: Sequence[Staff], me: str, now: datetime
    ) -> None:
        super().__init__(phrases, language, zone, {each.id: each.name for each in everybody}, now)
        self._everybody = everybody
        self._me = me
        self._speaks = language

    def people(self, ids: Sequence[str]) -> str:
        """Several people in one breath; whoever reads is "you"."""
        named = [self.person(each) for each in ids]
        return say_list(named, self._speaks) if named else self.say("desk.rota.nobody")

    def person(self, staff_id: str) -> str:
        """Somebody's name; whoever reads it is named as such."""
        name = self.who(staff_id)
        return self.say("desk.rota.me", name=name) if staff_id == self._me else name

    def at(self, instant: datetime, zone: ZoneInfo) -> str:
        """A day and clock where the roster is kept."""
        return say_moment(instant, zone, self._speaks)

    def span(self, start: datetime, end: datetime, zone: ZoneInfo) -> str:
        """From one time to another where the roster is kept; within a day the day is said once."""
        if start.astimezone(zone).date() == end.astimezone(zone).date():
            return f"{self.at(start, zone)}–{clock(end, zone)}"
        return self.say("desk.rota.span", start=self.at(start, zone), end=self.at(end, zone))

    def day_name(self, day: date) -> str:
        """A day with its weekday."""
        return say_day(day, self._speaks)

    def hole(self, hole: Hole, zone: ZoneInfo) -> str:
        """When nobody is on call, or nobody who speaks a language."""
        when = self.span(hole.span.start, hole.span.end, zone)
        if hole.language is None:
            return self.say("desk.rota.hole.unreached" if hole.somebody else "desk.rota.hole.nobody", time=when)
        return self.say("desk.rota.hole.language", time=when, tongue=self.say(f"language.{hole.language}"))

    def choices(self, *, but: str = "") -> list[tuple[str, str]]:
        """Everybody who can be on call: id and name."""
        able = (each for each in self._everybody if each.active and each.roles & set(MEMBERS) and each.id != but)
        return [(each.id, each.name) for each in able]


async def rota_telling(door: DeskDoor, request: web.Request, conn: AsyncConnection) -> RotaTelling:
    """The words of whoever asks."""
    staff = staff_of(request)
    everybody = await accounts.list_staff(conn, active_only=False)
    return RotaTelling(door.house.phrases, request[LANGUAGE], staff.zone, everybody, staff.id, door.house.clock.now())


async def frame(door: DeskDoor, request: web.Request, view: str) -> Mapping[str, Any]:
    """What stands around every page of the room."""
    roles = staff_of(request).roles
    return {
        "tabs": [(address, door.say(request, phrase)) for allowed, phrase, address in _VIEWS if roles & allowed],
        "open_tab": view,
        "coordinates": Role.COORDINATOR in roles,
        **await door.frame(request),
    }


def said_wrong(tell: RotaTelling, wrong: Mapping[str, Wrong], zone: ZoneInfo) -> dict[str, dict[str, Any]]:
    """What is wrong, field by field, in the reader's words, with the times that can be meant."""
    return {
        name: {
            "text": tell.say(each.phrase, **each.values),
            "offers": [
                (say_instant(offered), tell.say(_offer(number, len(each.offered)), time=tell.at(offered, zone)))
                for number, offered in enumerate(each.offered)
            ],
        }
        for name, each in wrong.items()
    }


def _offer(number: int, offers: int) -> str:
    return "desk.rota.offer.after" if offers == 1 else ("desk.rota.offer.first", "desk.rota.offer.second")[number]


def zone_called(door: DeskDoor, request: web.Request, zone: str) -> str:
    """The place whose clock a roster goes by."""
    known = {"Europe/Oslo": "zone.oslo", "Europe/Stockholm": "zone.stockholm"}
    return door.say(request, known[zone]) if zone in known else zone
