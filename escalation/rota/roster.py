"""The roster as its owner writes it: rotations, rules, layers, fixed shifts, overrides and temporary rosters.

Reading is strict, and `remarks` says what can be read but should not stand. Who is on call by it is told in `rota.py`.
"""

from __future__ import annotations

import itertools
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from math import gcd
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from escalation.rota.local_time import Doubt, first_shown, is_local, last_shown, say_instant, understand_typed
from helpline.content import Node

_DAY = timedelta(days=1)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(:00)?")
ROTATION = "rotation:"
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "GMT", "Etc/GMT", "Universal"})


class Every(StrEnum):
    """What the length of a rotation's shifts counts."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_LENGTHS = {Every.HOURLY: timedelta(hours=1), Every.DAILY: _DAY, Every.WEEKLY: timedelta(weeks=1)}


@dataclass(frozen=True)
class Rotation:
    """People who take turns, from an anchor on, for ever."""

    every: Every
    length: int
    start: datetime  # on the wall clock, without zone
    participants: tuple[str, ...]
    zone: ZoneInfo | None = None  # of its own, where it has one

    def shift_starts(self, number: int) -> datetime:
        """When shift `number` begins on the wall clock; the first is 0."""
        if self.every is Every.MONTHLY:
            months = self.start.year * 12 + self.start.month - 1 + number * self.length
            year, month = divmod(months, 12)
            return self.start.replace(
                year=year, month=month + 1, day=min(self.start.day, monthrange(year, month + 1)[1])
            )
        return self.start + number * self.length * _LENGTHS[self.every]

    def _near(self, local: datetime) -> int:
        """The number of the shift that the wall clock alone would name."""
        if self.every is Every.MONTHLY:
            months = (local.year - self.start.year) * 12 + local.month - self.start.month
            return months // self.length
        return (local - self.start) // (self.length * _LENGTHS[self.every])

    def shift_at(self, at: datetime, zone: ZoneInfo) -> int | None:
        """The number of the shift that covers the instant; None before the start."""
        zone = self.zone or zone
        number = max(0, self._near(at.astimezone(zone).replace(tzinfo=None)))
        # The wall clock alone errs by the hours that a clock change shows twice or not at all; handoffs never go back.
        while first_shown(self.shift_starts(number + 1), zone) <= at:
            number += 1
        while number >= 0 and first_shown(self.shift_starts(number), zone) > at:
            number -= 1
        return number if number >= 0 else None

    def on_call(self, at: datetime, zone: ZoneInfo) -> str | None:
        """Whose turn it is."""
        if not self.participants:
            return None
        number = self.shift_at(at, zone)
        return None if number is None else self.participants[number % len(self.participants)]

    def handoffs(self, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
        """Every handoff from `since` to `until`, both included; the start is the first."""
        zone = self.zone or zone
        current = self.shift_at(since, zone)
        number = 0 if current is None else current
        previous = None
        while (instant := first_shown(self.shift_starts(number), zone)) <= until:
            # Two handoffs inside one gap fall on the same instant: one handoff, and a shift that nobody had.
            if instant >= since and instant != previous:
                yield instant
            previous = instant
            number += 1


@dataclass(frozen=True)
class Window:
    """A stretch of the wall clock that comes back on some days of the week."""

    start: time
    end: time  # not later than the start means the next day
    days: frozenset[int]  # Monday is 0

    def spans(self, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The spans that may touch the time from `since` to `until`."""
        # One day more on either side, since a span may begin the day before and a zone may skip or repeat a whole day.
        opening = since.astimezone(zone).date() - 2 * _DAY
        final = until.astimezone(zone).date() + _DAY
        for number in range((final - opening).days + 1):
            day = opening + number * _DAY
            if day.weekday() in self.days:
                closing = day + _DAY if self.end <= self.start else day
                starts = first_shown(datetime.combine(day, self.start), zone)
                ends = last_shown(datetime.combine(closing, self.end), zone)
                if starts < ends:
                    yield starts, ends

    def covers(self, zone: ZoneInfo, at: datetime) -> bool:
        """Whether the instant lies in it."""
        return any(starts <= at < ends for starts, ends in self.spans(zone, at, at))


@dataclass(frozen=True)
class Rule:
    """Somebody, or whoever a rotation names, is on call within a window."""

    target: str
    window: Window


@dataclass(frozen=True)
class Layer:
    """One of several plans laid over each other; without windows it always holds."""

    target: str
    windows: tuple[Window, ...]

    def covers(self, zone: ZoneInfo, at: datetime) -> bool:
        """Whether the layer holds at the instant."""
        return not self.windows or any(window.covers(zone, at) for window in self.windows)


@dataclass(frozen=True)
class Span:
    """From an instant up to, and without, another."""

    start: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Shift:
    """One person from one instant to another."""

    person: str
    span: Span
    level: int = 0


@dataclass(frozen=True)
class Override:
    """Somebody added, taken out, or put in another's place for a while."""

    span: Span
    add: str | None
    remove: str | None

    def names(self) -> frozenset[str]:
        """The people it speaks of."""
        return frozenset(person for person in (self.add, self.remove) if person is not None)


@dataclass(frozen=True)
class Temporary:
    """A roster of its own for a while, such as over Christmas; its holes are gaps."""

    span: Span
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class Schedule:
    """A whole roster, of which `zone` stands beside it."""

    rotations: Mapping[str, Rotation]
    rules: tuple[Rule, ...] = ()
    layers: tuple[Layer, ...] = ()
    priority_shifts: tuple[Shift, ...] = ()
    overrides: tuple[Override, ...] = ()
    exclusive: bool = False  # an override that puts somebody in hides everybody else
    temporary: tuple[Temporary, ...] = ()
    away: tuple[Shift, ...] = ()  # leave; no part of the definition, so an edit of the roster cannot lose it

    def people(self) -> frozenset[str]:
        """Everybody whom the roster names."""
        named = {person for rotation in self.rotations.values() for person in rotation.participants}
        targets = [rule.target for rule in self.rules] + [layer.target for layer in self.layers]
        named.update(target for target in targets if not target.startswith(ROTATION))
        named.update(shift.person for shift in self.priority_shifts)
        named.update(shift.person for roster in self.temporary for shift in roster.shifts)
        named.update(override.add for override in self.overrides if override.add is not None)
        return frozenset(named)


_WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}


def read_zone(node: Node) -> ZoneInfo:
    """The zone that a value names; `ContentError` where there is none of that name."""
    name = node.text()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise node.error(f'There is no time zone "{name}"; zones are named like "Europe/Oslo".') from error


def read_schedule(node: Node, zone: ZoneInfo) -> Schedule:
    """A roster definition, read strictly; `ContentError` says what is wrong with it and where."""
    fields = node.mapping(
        optional=("rotations", "rules", "layers", "priority_shifts", "overrides", "override_mode", "temporary")
    )
    bases = [key for key in ("rules", "layers", "priority_shifts") if key in fields and fields[key].items()]
    if len(bases) > 1:
        raise fields[bases[1]].error(f'A roster has "{bases[0]}" or "{bases[1]}", not both.')
    rotations = {
        name: _read_rotation(part)
        for name, part in (fields["rotations"].entries() if "rotations" in fields else {}).items()
    }
    return Schedule(
        rotations=rotations,
        rules=tuple(_read_rule(part, rotations) for part in _items(fields, "rules")),
        layers=tuple(_read_layer(part, rotations) for part in _items(fields, "layers")),
        priority_shifts=tuple(_read_shift(part, zone, level=True) for part in _items(fields, "priority_shifts")),
        overrides=tuple(_read_override(part, zone) for part in _items(fields, "overrides")),
        exclusive="override_mode" in fields
        and fields["override_mode"].one_of({"exclusive", "combined"}) == "exclusive",
        temporary=tuple(_read_temporary(part, zone) for part in _items(fields, "temporary")),
    )


def _items(fields: Mapping[str, Node], key: str) -> tuple[Node, ...]:
    return fields[key].items() if key in fields else ()


def _read_rotation(node: Node) -> Rotation:
    fields = node.mapping(required=("type", "start", "participants"), optional=("length", "zone"))
    text = fields["start"].text()
    if not is_local(text):
        raise fields["start"].error(
            f'"start" must be a local time without offset such as 2026-11-22T08:00; "{text}" stands there.'
        )
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise fields["start"].error(f'"{text}" is no day and time of the calendar.') from error
    return Rotation(
        every=fields["type"].one_of(Every),
        length=fields["length"].integer(default=1, minimum=1, maximum=10_000),
        start=start.replace(second=0, microsecond=0),
        participants=fields["participants"].texts(),
        zone=read_zone(fields["zone"]) if "zone" in fields else None,
    )


def _read_window(fields: Mapping[str, Node]) -> Window:
    days = frozenset(_WEEKDAYS.values())
    if "days" in fields:
        days = frozenset(_WEEKDAYS[part.one_of(_WEEKDAYS)] for part in fields["days"].items(at_least=1))
    return Window(_read_clock(fields["from"]), _read_clock(fields["to"], closing=True), days)


def _read_clock(node: Node, *, closing: bool = False) -> time:
    text = node.text()
    if closing and text == "24:00":
        return time(0)
    if not (found := _CLOCK.fullmatch(text)):
        raise node.error(f'"{node.name}" must be a clock time such as 08:00; "{text}" stands there.')
    return time(int(found[1]), int(found[2]))


def _read_target(node: Node, rotations: Mapping[str, Rotation]) -> str:
    target = node.text()
    if target.startswith(ROTATION) and target.removeprefix(ROTATION) not in rotations:
        raise node.error(f'There is no rotation "{target.removeprefix(ROTATION)}" in this roster.')
    return target


def _read_rule(node: Node, rotations: Mapping[str, Rotation]) -> Rule:
    fields = node.mapping(required=("target", "from", "to"), optional=("days",))
    return Rule(_read_target(fields["target"], rotations), _read_window(fields))


def _read_layer(node: Node, rotations: Mapping[str, Rotation]) -> Layer:
    fields = node.mapping(required=("target",), optional=("active",))
    windows = tuple(
        _read_window(part.mapping(required=("from", "to"), optional=("days",))) for part in _items(fields, "active")
    )
    return Layer(_read_target(fields["target"], rotations), windows)


def read_instant(node: Node, zone: ZoneInfo) -> datetime:
    """The instant that a value names; a local time that is not plain is a `ContentError` with the question to ask."""
    text = node.text()
    try:
        typed = understand_typed(text, zone)
    except ValueError as error:
        raise node.error(f'"{node.name}" must be a time such as 2026-11-22T08:00Z; "{text}" stands there.') from error
    if typed.instant is not None:
        return typed.instant
    offers = " or ".join(say_instant(instant) for instant in typed.offered)
    why = "does not exist" if typed.doubt is Doubt.MISSING else "occurs twice"
    raise node.error(f"The local time {text} {why} in {zone.key}, since the clock changes. Is {offers} meant?")


def _read_span(fields: Mapping[str, Node], zone: ZoneInfo) -> Span:
    span = Span(read_instant(fields["from"], zone), read_instant(fields["to"], zone))
    if span.end <= span.start:
        raise fields["to"].error('"to" must be later than "from".')
    return span


def _read_shift(node: Node, zone: ZoneInfo, *, level: bool = False) -> Shift:
    # The definition names a shift's person `user` in a temporary roster and `target` elsewhere; both are taken.
    levels = ("level", "priority") if level else ()
    fields = node.mapping(required=("from", "to"), optional=("user", "target", *levels))
    named = [fields[key] for key in ("user", "target") if key in fields]
    ranked = [fields[key] for key in levels if key in fields]
    if len(named) != 1 or len(ranked) > 1:
        raise node.error('A shift names one person, as "user"' + (', and one "level".' if level else "."))
    return Shift(named[0].text(), _read_span(fields, zone), ranked[0].integer() if ranked else 0)


def _read_override(node: Node, zone: ZoneInfo) -> Override:
    fields = node.mapping(required=("from", "to"), optional=("add", "remove"))
    if "add" not in fields and "remove" not in fields:
        raise node.error('An override needs "add", "remove" or both.')
    add = fields["add"].text() if "add" in fields else None
    remove = fields["remove"].text() if "remove" in fields else None
    return Override(_read_span(fields, zone), add, remove)


def _read_temporary(node: Node, zone: ZoneInfo) -> Temporary:
    fields = node.mapping(required=("from", "to", "shifts"))
    return Temporary(_read_span(fields, zone), tuple(_read_shift(part, zone) for part in fields["shifts"].items()))


class RemarkKind(StrEnum):
    """What can be wrong with a roster that can be read."""

    NAMED_TWICE = "named_twice"  # two overrides name somebody at the same time
    NOBODY_IN = "nobody_in"  # a rotation without people
    UNUSED = "unused"  # a rotation that no rule names
    UNEVEN_HOURS = "uneven_hours"  # shifts that do not divide a day
    SAME_HOURS = "same_hours"  # the same people have every night
    BEYOND = "beyond"  # a shift reaches out of its temporary roster
    HOLE = "hole"  # nobody in a stretch of a temporary roster


@dataclass(frozen=True)
class Remark:
    """Something wrong with a roster that can be read but should not stand."""

    sentence: str
    refused: bool  # may not be saved; otherwise a warning
    kind: RemarkKind
    name: str = ""  # of the person or rotation it speaks of
    at: datetime | None = None  # from when


def remarks(schedule: Schedule, zone: ZoneInfo) -> tuple[Remark, ...]:
    """What to say when somebody saves this roster."""
    return tuple(
        itertools.chain(_override_remarks(schedule), _rotation_remarks(schedule, zone), _temporary_remarks(schedule))
    )


def _override_remarks(schedule: Schedule) -> Iterator[Remark]:
    for one, other in itertools.combinations(schedule.overrides, 2):
        if one.span.overlaps(other.span):
            for person in sorted(one.names() & other.names()):
                at = max(one.span.start, other.span.start)
                sentence = f"Two overrides name {person} at the same time, from {say_instant(at)} on."
                yield Remark(sentence, refused=True, kind=RemarkKind.NAMED_TWICE, name=person, at=at)


def _rotation_remarks(schedule: Schedule, zone: ZoneInfo) -> Iterator[Remark]:
    targets = {rule.target for rule in schedule.rules} | {layer.target for layer in schedule.layers}
    for name, rotation in schedule.rotations.items():
        if not rotation.participants:
            yield Remark(
                f'The rotation "{name}" has nobody in it.', refused=False, kind=RemarkKind.NOBODY_IN, name=name
            )
        if ROTATION + name not in targets:
            yield Remark(f'The rotation "{name}" is used by no rule.', refused=False, kind=RemarkKind.UNUSED, name=name)
        if rotation.every is not Every.HOURLY:
            continue
        if 24 % rotation.length:
            if (rotation.zone or zone).key not in _UTC_NAMES:
                yield Remark(
                    f'The rotation "{name}" has shifts of {rotation.length} hours, which do not divide a day; '
                    "that is possible only in a roster kept in UTC.",
                    refused=True,
                    kind=RemarkKind.UNEVEN_HOURS,
                    name=name,
                )
            continue
        if gcd(len(rotation.participants), 24 // rotation.length) > 1:
            yield Remark(
                f'In the rotation "{name}" the same people always have the same hours, nights included; '
                "another number of people, or longer shifts, would share them.",
                refused=False,
                kind=RemarkKind.SAME_HOURS,
                name=name,
            )


def _temporary_remarks(schedule: Schedule) -> Iterator[Remark]:
    for roster in schedule.temporary:
        edge = roster.span.start
        for shift in sorted(roster.shifts, key=lambda each: each.span.start):
            if shift.span.start < roster.span.start or shift.span.end > roster.span.end:
                sentence = f"A shift of {shift.person} reaches beyond its temporary roster."
                yield Remark(sentence, refused=False, kind=RemarkKind.BEYOND, name=shift.person, at=shift.span.start)
            if edge < min(shift.span.start, roster.span.end):
                yield _hole_remark(edge)
            edge = max(edge, shift.span.end)
        if edge < roster.span.end:
            yield _hole_remark(edge)


def _hole_remark(at: datetime) -> Remark:
    sentence = f"Nobody is on call in the temporary roster from {say_instant(at)} on."
    return Remark(sentence, refused=False, kind=RemarkKind.HOLE, at=at)
