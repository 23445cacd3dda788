"""Gaps from outcomes at `/desk/outcomes`: for whom there was no place, for what and where, by calendar year.

Only counts are read here, and of these only what `routing/referrals/outcomes.py` tells. The years do not overlap, so
that nothing follows by taking one from another. Beside it stands what the directory has no way to, found before anybody
comes.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.referral_sheet import LEVELS, region_name
from helpline.accounts import Role
from helpline.messages import Country, Language
from helpline.phrases import ZONES, say_list
from helpline.web import LANGUAGE, Access, Route
from routing.directory import Directory
from routing.matching.grid import Gap, Person, grid_gaps, people
from routing.matching.query import AgeGroup
from routing.referrals import outcomes
from routing.referrals import store as referral_store
from routing.referrals.outcomes import Ended, Kind, Line, Told
from routing.referrals.referral import Outcome, RefusedFor
from routing.referrals.store import Counted
from routing.services import Sex

HERE: Final = "/desk/outcomes"
YEARS: Final = 5
SHOWN: Final = (Kind.NO_PLACE, Kind.NOT_REACHED)
_NOT_SAID: Final = "any"
_NIGHT: Final = time(3)


@dataclass(frozen=True)
class Row:
    """One line in words."""

    who: str
    need: str
    region: str
    count: str
    whys: str


class OutcomeDesk:
    """The routes of the figures."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

        self._walk = asyncio.Lock()
        self._walked: dict[Country, tuple[Directory, tuple[Gap, ...]]] = {}

    def routes(self) -> list[Route]:
        """The page, the same as a file, and what the directory has no way to."""
        return [
            Route("GET", HERE, self.show, Access.STAFF),
            Route("GET", HERE + ".csv", self.file, Access.STAFF),
            Route("GET", HERE + "/directory", self.directory, Access.STAFF),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The gaps of one country and one year."""
        language = request[LANGUAGE]
        country, year, told = await self._told(request)
        this_year = self._this_year()
        return self._door.pages.page(
            "desk/outcomes.html",
            language,
            country=country.value,
            countries=[(each.value, self._door.say(request, f"country.{each.value}")) for each in Country],
            year=str(year),
            years=[(str(each), str(each)) for each in range(this_year, this_year - YEARS, -1)],
            few=told.few,
            kinds=[
                (
                    self._door.say(request, f"desk.outcomes.kind.{kind.value}"),
                    self._count(request, told.kinds[kind]) if kind in told.kinds else "",
                )
                for kind in Kind
            ],
            parts=[
                (kind.value, [self._row(request, country, kind, line) for line in told.lines[kind]]) for kind in SHOWN
            ],
            fewest=outcomes.FEWEST,
            tabs=self._tabs(request, country),
            open_tab=f"{HERE}?country={country.value}",
            **await self._door.frame(request),
        )

    async def file(self, request: web.Request) -> web.StreamResponse:
        """The same lines as a file, with the keys that programs know them by."""
        country, year, told = await self._told(request)
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\r\n")
        writer.writerow(
            ["country", "year", "outcome", "who", "need", "region", "at_least", "reasons", "in_words"],
        )
        for kind in SHOWN:
            for line in told.lines[kind]:
                row = self._row(request, country, kind, line)
                keys = ["*" if part is None else part for part in (line.cell.who, line.cell.need, line.cell.region)]
                whys = "; ".join(f"{why or 'other'}: {count}" for why, count in line.whys)
                words = f"{row.who}, {row.need}, {row.region}"
                writer.writerow([country.value, year, kind.value, *keys, line.count, whys, words])
        return web.Response(
            text="\ufeff" + lines.getvalue(),  # without the mark, spreadsheets take å for something else
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="outcomes-{country.value.lower()}-{year}.csv"'},
        )

    # --- what the directory has no way to -----------------------------------------------------------------------------

    async def directory(self, request: web.Request) -> web.StreamResponse:
        """The holes of the directory: needs for which somebody who came would find no way, and where."""
        self._door.member(request, Role.COORDINATOR, Role.ANALYST)
        country = next((each for each in Country if each.value == request.query.get("country")), self._house.country)
        alike: dict[tuple[str, frozenset[Person]], list[Gap]] = {}
        for gap in await self._holes(country):
            alike.setdefault((gap.need, frozenset(gap.people)), []).append(gap)
        return self._door.pages.page(
            "desk/outcomes_directory.html",
            request[LANGUAGE],
            country=country.value,
            countries=[(each.value, self._door.say(request, f"country.{each.value}")) for each in Country],
            holes=[
                {
                    "need": self._need(request, need, request[LANGUAGE]),
                    "who": self._without(request, gaps[0]),
                    "places": ", ".join(gap.place.name for gap in gaps),
                }
                for (need, _), gaps in sorted(alike.items(), key=lambda each: (each[0][0], -len(each[1])))
            ],
            tabs=self._tabs(request, country),
            open_tab=f"{HERE}/directory?country={country.value}",
            **await self._door.frame(request),
        )

    async def _holes(self, country: Country) -> tuple[Gap, ...]:
        """Walked through once for every state of the directory, at night, when least is open; beside the loop."""
        async with self._walk:
            library = self._house.library
            directory, known = library.directory, self._walked.get(country)
            if known is not None and known[0] is directory:
                return known[1]
            day = self._house.clock.now().astimezone(ZONES[country]).date() + timedelta(days=1)
            night = datetime.combine(day, _NIGHT, ZONES[country])
            places = library.gazetteer.places(country, LEVELS[country])
            found = await asyncio.to_thread(grid_gaps, directory, places, night)
            self._walked[country] = (directory, found)
            return found

    def _without(self, request: web.Request, gap: Gap) -> str:
        """For whom there is no way, in words."""
        if gap.everybody:
            return self._door.say(request, "desk.outcomes.who.all")
        asked = people(gap.place.country)
        said = []
        for of, kind in (("sex", "sex"), ("age", "age"), ("status", "status")):
            found = dict.fromkeys(getattr(each, of) for each in gap.people)
            these = sorted(found, key=lambda each: each is None)  # what was not said stands last
            if len(these) < len({getattr(each, of) for each in asked}):
                names = [
                    self._door.say(
                        request,
                        f"desk.outcomes.{kind}.{each.value}" if kind == "age" else f"reason.{kind}.{each.value}",
                    )
                    if each is not None
                    else self._door.say(request, f"desk.outcomes.{kind}.any")
                    for each in these
                ]
                said.append(say_list(names, request[LANGUAGE]))
        return "; ".join(said)

    def _tabs(self, request: web.Request, country: Country) -> list[tuple[str, str]]:
        return [
            (f"{HERE}?country={country.value}", self._door.say(request, "desk.outcomes.tab.outcomes")),
            (f"{HERE}/directory?country={country.value}", self._door.say(request, "desk.outcomes.tab.directory")),
        ]

    def _this_year(self) -> int:
        return self._house.clock.now().astimezone(self._house.settings.zone).year

    async def _told(self, request: web.Request) -> tuple[Country, int, Told]:
        self._door.member(request, Role.COORDINATOR, Role.ANALYST)
        query, this_year = request.query, self._this_year()
        country = next((each for each in Country if each.value == query.get("country")), self._house.country)
        known = range(this_year - YEARS + 1, this_year + 1)
        year = next((each for each in known if str(each) == query.get("year")), this_year)
        async with self._house.db.read() as conn:
            counted = await referral_store.outcomes_between(conn, date(year, 1, 1), date(year + 1, 1, 1))
        library = self._house.library
        return (
            country,
            year,
            outcomes.tell(
                _ended(counted, country),
                needs=["", *library.directory.needs],
                whos=_whos(),
                regions=["", *(place.code for place in library.gazetteer.places(country, LEVELS[country]))],
                whys=_whys(),
            ),
        )

    # --- in words -----------------------------------------------------------------------------------------------------

    def _row(self, request: web.Request, country: Country, kind: Kind, line: Line) -> Row:
        language, rest = request[LANGUAGE], "other" if line.others else "all"
        who, need, region = line.cell.who, line.cell.need, line.cell.region
        return Row(
            who=self._door.say(request, f"desk.outcomes.who.{rest}") if who is None else self._who(request, who),
            need=self._door.say(request, f"desk.outcomes.need.{rest}")
            if need is None
            else self._need(request, need, language),
            region=self._door.say(request, f"desk.outcomes.region.{rest}")
            if region is None
            else region_name(self._house, country, region) or self._door.say(request, "desk.outcomes.region.not_said"),
            count=self._count(request, line.count),
            whys=", ".join(self._why(request, why, count) for why, count in line.whys),
        )

    def _count(self, request: web.Request, count: int) -> str:
        return self._door.say(request, "desk.gaps.at_least", count=count)

    def _who(self, request: web.Request, who: str) -> str:
        sex, age, children = who.split(".")
        words = self._door.say(request, f"desk.outcomes.who.{sex}.{age}")
        return self._door.say(request, "desk.outcomes.who.with_children", who=words) if children else words

    def _need(self, request: web.Request, need: str, language: Language) -> str:
        needs = self._house.library.directory.needs
        names = [needs[key].names[language] for key in need.split(",") if key in needs]
        return ", ".join(names) or self._door.say(request, "desk.outcomes.need.not_said")

    def _why(self, request: web.Request, why: str, count: int) -> str:
        outcome, _, refused = why.partition(":")
        if not outcome:
            words = self._door.say(request, "desk.outcomes.why.other")
        else:
            words = self._door.say(request, f"desk.referral.outcome.{outcome}")
            if refused:
                words = f"{words} ({self._door.say(request, f'desk.referral.refused.{refused}')})"
        return f"{words}: {self._count(request, count)}"


def _ended(counted: Iterable[Counted], country: Country) -> list[Ended]:
    """The counts of one country as the figures take them."""
    return [
        Ended(
            country,
            need=",".join(each.facts.needs),
            who=_who_of(each.facts.sex, each.facts.age_group, with_children=each.facts.with_children),
            region=each.facts.region,
            kind=outcomes.kind_of(each.outcome),
            why=f"{each.outcome.value}:{each.refused_for.value}" if each.refused_for else each.outcome.value,
            count=each.count,
        )
        for each in counted
        if each.outcome is not None and each.facts.country is country
    ]


def _who_of(sex: Sex | None, age: AgeGroup | None, *, with_children: bool) -> str:
    return f"{sex or _NOT_SAID}.{age or _NOT_SAID}.{'children' if with_children else ''}"


def _whos() -> Sequence[str]:
    return [
        _who_of(sex, age, with_children=children)
        for sex in (*Sex, None)
        for age in (*AgeGroup, None)
        for children in (False, True)
    ]


def _whys() -> Sequence[str]:
    plain = [each.value for each in Outcome if each not in {Outcome.ACCEPTED, Outcome.REFUSED}]
    return [*plain, *(f"{Outcome.REFUSED.value}:{each.value}" for each in RefusedFor)]
