"""One roster through time: its versions, with leave in them. Pure.

The past, now and the next two weeks are asked of the same function. `roster.py` says what a version holds and `rota.py`
who is on call by it; here stands which version counts when, who stands in where it leaves a hole, and what a calendar
calls a shift.

- `Plan.on_call(at)`: who is on call, and whether by the fallback
- `Plan.timeline(since, until)`: the same for a stretch of time, fallback included; `next_change` for the next edge
- `Plan.shifts(since, until)`: each person's shifts as people speak of them
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from escalation.rota import on_call as rota
from escalation.rota.local_time import first_shown
from escalation.rota.roster import Schedule, Shift, Span

NEXT_STEP = "next_step"  # the fallback that says: the ladder goes on at once
LONGEST_SHIFT = timedelta(days=8)  # duty without end is shown in calendars week by week


@dataclass(frozen=True)
class Version:
    """A roster as it holds from an instant on."""

    valid_from: datetime
    zone: ZoneInfo
    schedule: Schedule  # leave is in its `away`
    languages: tuple[str, ...] = ()  # somebody on call must speak each of them
    fallback: str | None = None  # for its holes: a staff id, NEXT_STEP, or None where nobody has said
    starter: bool = False
    ended: bool = False  # the roster is over: nobody is on call by it, and that is no hole

    @property
    def stand_in(self) -> str | None:
        """The person who is on call where nobody else is."""
        return None if self.fallback == NEXT_STEP else self.fallback

    def without_leave(self) -> Version:
        """The same, as if everybody were here."""
        return replace(self, schedule=replace(self.schedule, away=()))


@dataclass(frozen=True)
class Stretch:
    """The same people from one instant to another; nobody is a hole."""

    span: Span
    people: tuple[str, ...]
    by_fallback: bool = False  # nobody was planned, and this person stands in
    ended: bool = False  # the roster is over, so nobody is missing


@dataclass(frozen=True)
class Plan:
    """A roster with its versions, the earliest first; of two that begin together the later saved counts."""

    name: str
    versions: tuple[Version, ...]

    def version_at(self, at: datetime) -> Version | None:
        """The version that holds at the instant; None before the first."""
        return next((each for each in reversed(self.versions) if each.valid_from <= at), None)

    def on_call(self, at: datetime) -> tuple[tuple[str, ...], bool]:
        """Who is on call at the instant, and whether only as the fallback."""
        version = self.version_at(at)
        if version is None:
            return (), False
        people = rota.on_call(version.schedule, version.zone, at)
        if people or version.stand_in is None or _is_away(version, version.stand_in, at):
            return people, False
        return (version.stand_in,), True

    def timeline(self, since: datetime, until: datetime) -> tuple[Stretch, ...]:
        """Who is on call when, in stretches that are as long as possible."""
        found: list[Stretch] = []
        for span, version in self.validity(since, until):
            for piece in _pieces(version, span):
                last = found[-1] if found else None
                if last is not None and replace(last, span=piece.span) == piece:
                    found[-1] = replace(last, span=Span(last.span.start, piece.span.end))
                else:
                    found.append(piece)
        return tuple(found)

    def validity(self, since: datetime, until: datetime) -> Iterator[tuple[Span, Version | None]]:
        """Which version holds when, without pause from `since` to `until`."""
        edges = sorted({since, until, *(each.valid_from for each in self.versions if since < each.valid_from < until)})
        for start, end in itertools.pairwise(edges):
            yield Span(start, end), self.version_at(start)

    def is_over(self, at: datetime) -> bool:
        """Whether the roster has ended by the instant, and is not known to begin again."""
        return bool(self.versions) and self.versions[-1].ended and self.versions[-1].valid_from <= at

    def next_change(self, at: datetime, within: timedelta) -> datetime | None:
        """When other people will be on call than now; None where nothing changes within that time."""
        first, *more = self.timeline(at, at + within + timedelta(microseconds=1)) or [None]
        return first.span.end if first is not None and more else None

    def without_leave(self) -> Plan:
        """The same, as if everybody were here."""
        return replace(self, versions=tuple(version.without_leave() for version in self.versions))

    def without_stand_ins(self) -> Plan:
        """The same, with nobody in its holes."""
        return replace(self, versions=tuple(replace(version, fallback=None) for version in self.versions))

    def shifts(self, since: datetime, until: datetime) -> tuple[Shift, ...]:
        """Each person's shifts that touch this time, whole, in the order they begin.

        A shift goes on for as long as its person is on call without pause, and longer than eight days from Monday to
        Monday, so that the same shift has the same beginning whenever it is asked for.
        """
        runs: list[Shift] = []
        running: dict[str, datetime] = {}
        opening, closing = since - LONGEST_SHIFT, until + LONGEST_SHIFT
        stretches = self.timeline(opening, closing)
        for stretch in stretches:
            for person in sorted(running.keys() - set(stretch.people)):
                runs.append(Shift(person, Span(running.pop(person), stretch.span.start)))
            for person in stretch.people:
                running.setdefault(person, stretch.span.start)
        runs += [Shift(person, Span(start, closing)) for person, start in sorted(running.items())]
        version = self.version_at(since) or (self.versions[0] if self.versions else None)
        zone = version.zone if version is not None else ZoneInfo("UTC")
        wanted = Span(since, until)
        cut = (piece for run in runs for piece in _by_weeks(run, zone, endless=Span(opening, closing)))
        return tuple(sorted((each for each in cut if each.span.overlaps(wanted)), key=_in_order))


def _in_order(shift: Shift) -> tuple[datetime, datetime, str]:
    return (shift.span.start, shift.span.end, shift.person)


def _is_away(version: Version, person: str, at: datetime) -> bool:
    return any(each.person == person and each.span.covers(at) for each in version.schedule.away)


def _pieces(version: Version | None, span: Span) -> Iterator[Stretch]:
    if version is None or version.ended:
        yield Stretch(span, (), ended=version is not None)
        return
    for segment in rota.timeline(version.schedule, version.zone, span.start, span.end):
        if segment.on_call or version.stand_in is None:
            yield Stretch(segment.span, segment.on_call)
        else:
            yield from _stood_in(version, version.stand_in, segment.span)


def _stood_in(version: Version, person: str, hole: Span) -> Iterator[Stretch]:
    """A hole with its stand-in, but for the time in which they are on leave themselves."""
    away = [each.span for each in version.schedule.away if each.person == person and each.span.overlaps(hole)]
    edges = {hole.start, hole.end, *(edge for each in away for edge in (each.start, each.end))}
    for start, end in itertools.pairwise(sorted(edge for edge in edges if hole.start <= edge <= hole.end)):
        gone = any(each.covers(start) for each in away)
        yield Stretch(Span(start, end), () if gone else (person,), by_fallback=not gone)


def _by_weeks(run: Shift, zone: ZoneInfo, *, endless: Span) -> Iterator[Shift]:
    reaches_out = run.span.start <= endless.start or run.span.end >= endless.end
    if not reaches_out and run.span.end - run.span.start <= LONGEST_SHIFT:
        yield run
        return
    edges = [run.span.start, *_mondays(run.span, zone), run.span.end]
    for start, end in itertools.pairwise(edges):
        if start < end:
            yield Shift(run.person, Span(start, end))


def _mondays(span: Span, zone: ZoneInfo) -> Iterator[datetime]:
    day = span.start.astimezone(zone).date()
    day += timedelta(days=7 - day.weekday())
    while (monday := first_shown(datetime.combine(day, time(0)), zone)) < span.end:
        yield monday
        day += timedelta(days=7)


def spans_without(span: Span, taken: Sequence[Span]) -> Iterator[Span]:
    """What is left of a span when others are cut out of it."""
    start = span.start
    for other in sorted(taken, key=lambda each: each.start):
        if other.end <= start or other.start >= span.end:
            continue
        if start < other.start:
            yield Span(start, other.start)
        start = max(start, other.end)
    if start < span.end:
        yield Span(start, span.end)


def within(span: Span, other: Span) -> Span | None:
    """What two spans share."""
    start, end = max(span.start, other.start), min(span.end, other.end)
    return Span(start, end) if start < end else None
