"""The roster's form: a definition as rows that a coordinator types into, and the rows as a definition again.

Everything that a definition can hold has its rows, so that editing one part never loses another. What was typed stays
as it was typed, whatever is wrong with it. A one-off time that the clock shows twice or not at all is not guessed: the
row says which instants can be meant, and carries the one that was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from escalation.rota.local_time import Doubt, is_local, say_instant, understand_typed
from escalation.rota.roster import ROTATION, Every, Schedule, Shift, Window, read_schedule
from helpline.content import ContentError, node_of

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_ROWS: Final = 400  # of one kind
_MOST_FIELDS: Final = 8000
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:00)?")
_LONGEST_NAME: Final = 60
# What the rows are called in the definition, and in the form.
BASES: Final = ("rules", "layers", "priority_shifts")


@dataclass(frozen=True)
class Rotation:
    """People who take turns. `key` is what rows of the same form call it, so that renaming it loses nothing."""

    key: str = ""
    name: str = ""
    every: str = Every.WEEKLY.value
    length: str = "1"
    start: str = ""
    zone: str = ""
    people: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hours:
    """A stretch of the wall clock on some days of the week."""

    days: tuple[str, ...] = DAYS
    start: str = ""
    end: str = ""


@dataclass(frozen=True)
class Rule:
    """Somebody within some hours."""

    target: str = ""
    days: tuple[str, ...] = DAYS
    start: str = ""
    end: str = ""


@dataclass(frozen=True)
class Layer:
    """Somebody over whatever the layers before it say; without hours always."""

    target: str = ""
    hours: tuple[Hours, ...] = ()


@dataclass(frozen=True)
class Fixed:
    """Somebody from one time to another; `level` counts only for priority shifts."""

    person: str = ""
    level: str = "0"
    start: str = ""
    start_meant: str = ""
    end: str = ""
    end_meant: str = ""


@dataclass(frozen=True)
class Override:
    """Somebody added, taken out, or put in another's place."""

    add: str = ""
    remove: str = ""
    start: str = ""
    start_meant: str = ""
    end: str = ""
    end_meant: str = ""


@dataclass(frozen=True)
class Temporary:
    """A roster of its own for a while."""

    start: str = ""
    start_meant: str = ""
    end: str = ""
    end_meant: str = ""
    shifts: tuple[Fixed, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """The whole form. The names of the parts are the names of its fields: `rotations.0.people`."""

    exclusive: str = ""
    rotations: tuple[Rotation, ...] = ()
    rules: tuple[Rule, ...] = ()
    layers: tuple[Layer, ...] = ()
    priority_shifts: tuple[Fixed, ...] = ()
    overrides: tuple[Override, ...] = ()
    temporary: tuple[Temporary, ...] = ()


# What a row's own rows are, by the name of the part they stand in.
_ROWS: Final[Mapping[tuple[type, str], type]] = {
    (Sheet, "rotations"): Rotation,
    (Sheet, "rules"): Rule,
    (Sheet, "layers"): Layer,
    (Sheet, "priority_shifts"): Fixed,
    (Sheet, "overrides"): Override,
    (Sheet, "temporary"): Temporary,
    (Layer, "hours"): Hours,
    (Temporary, "shifts"): Fixed,
}
_LISTS: Final = frozenset({"people", "days"})


# --- from a definition ------------------------------------------------------------------------------------------------


def sheet_of(schedule: Schedule, zone: ZoneInfo) -> Sheet:
    """A roster as the form shows it."""
    keys = {name: f"r{number}" for number, name in enumerate(schedule.rotations)}

    def target(written: str) -> str:
        return ROTATION + keys[written.removeprefix(ROTATION)] if written.startswith(ROTATION) else written

    return Sheet(
        exclusive="yes" if schedule.exclusive else "",
        rotations=tuple(
            Rotation(
                keys[name],
                name,
                rotation.every.value,
                str(rotation.length),
                rotation.start.isoformat(timespec="minutes"),
                rotation.zone.key if rotation.zone is not None else "",
                rotation.participants,
            )
            for name, rotation in schedule.rotations.items()
        ),
        rules=tuple(
            Rule(target(rule.target), _days(rule.window), _clock(rule.window.start), _clock(rule.window.end))
            for rule in schedule.rules
        ),
        layers=tuple(
            Layer(
                target(layer.target),
                tuple(Hours(_days(each), _clock(each.start), _clock(each.end)) for each in layer.windows),
            )
            for layer in schedule.layers
        ),
        priority_shifts=tuple(_fixed(shift, zone) for shift in schedule.priority_shifts),
        overrides=tuple(
            Override(each.add or "", each.remove or "", *_typed(each.span.start, zone), *_typed(each.span.end, zone))
            for each in schedule.overrides
        ),
        temporary=tuple(
            Temporary(
                *_typed(each.span.start, zone),
                *_typed(each.span.end, zone),
                tuple(_fixed(shift, zone) for shift in each.shifts),
            )
            for each in schedule.temporary
        ),
    )


def _fixed(shift: Shift, zone: ZoneInfo) -> Fixed:
    return Fixed(shift.person, str(shift.level), *_typed(shift.span.start, zone), *_typed(shift.span.end, zone))


def _days(window: Window) -> tuple[str, ...]:
    return tuple(name for number, name in enumerate(DAYS) if number in window.days)


def _clock(clock: time) -> str:
    return clock.isoformat(timespec="minutes")


def _typed(instant: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """An instant as its owner types it, and, where that leaves it open, the instant itself."""
    local = instant.astimezone(zone).replace(tzinfo=None).isoformat()
    typed = local[:16] if local.endswith(":00") and len(local) == 19 else local
    return typed, "" if understand_typed(typed, zone).instant == instant else say_instant(instant)


# --- from a browser ---------------------------------------------------------------------------------------------------


class TooMuch(Exception):
    """The form holds more than any roster."""


def read_form(sent: Iterable[tuple[str, Any]]) -> Sheet:
    """What a browser sent, as it was typed; unknown fields are left out. Raises `TooMuch`."""
    tree: dict[str, Any] = {}
    for count, (name, value) in enumerate(sent):
        if count > _MOST_FIELDS:
            raise TooMuch
        if isinstance(value, str):
            _plant(tree, name.split("."), value.strip())
    sheet: Sheet = _row(Sheet, tree)
    return sheet


def _plant(tree: dict[str, Any], way: list[str], value: str) -> None:
    if len(way) > 6:
        return
    for step in way[:-1]:
        branch = tree.setdefault(step, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree.setdefault(way[-1], []).append(value) if not isinstance(tree.get(way[-1]), dict) else None


def _row(kind: type, tree: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for each in fields(kind):
        found = tree.get(each.name)
        inner = _ROWS.get((kind, each.name))
        if inner is not None:
            rows = found if isinstance(found, dict) else {}
            numbers = sorted((int(number), number) for number in rows if number.isdecimal() and len(number) < 6)
            if len(numbers) > MOST_ROWS:
                raise TooMuch
            values[each.name] = tuple(
                _row(inner, rows[number]) for _, number in numbers if isinstance(rows[number], dict)
            )
        elif each.name in _LISTS:
            values[each.name] = tuple(text[:200] for text in found) if isinstance(found, list) else ()
        elif isinstance(found, list):
            values[each.name] = found[-1][:200]
        elif each.name != "level":
            values[each.name] = ""
    return kind(**values)


def changed(sheet: Sheet, order: str) -> Sheet:
    """The sheet after one of its buttons: `add.rules`, `drop.rules.0`, `up.rotations.0.people.2`, `down.…`.

    A button that no longer fits, such as the second press of a removal, changes nothing.
    """
    what, *way = order.split(".")
    result = _changed(sheet, what, way)
    after = result if isinstance(result, Sheet) else sheet
    # An empty line of a rotation is the one to add somebody in; the buttons count it, the roster does not.
    peopled = (replace(each, people=tuple(person for person in each.people if person)) for each in after.rotations)
    return replace(after, rotations=tuple(peopled))


def _changed(row: Any, what: str, way: list[str]) -> Any:
    if not way or way[0] not in {each.name for each in fields(row)}:
        return row
    name = way[0]
    inner = _ROWS.get((type(row), name))
    rows = getattr(row, name)
    if not isinstance(rows, tuple) or (inner is None and name != "people"):
        return row
    if len(way) == 1:
        if what != "add" or inner is None or len(rows) >= MOST_ROWS:
            return row
        made = inner()
        if isinstance(row, Sheet) and isinstance(made, Rotation):
            made = replace(made, key=_free_key(row))
        return replace(row, **{name: (*rows, made)})
    number = int(way[1]) if way[1].isdecimal() and len(way[1]) < 6 else len(rows)
    if number >= len(rows):
        return row
    if len(way) > 2:
        deeper = _changed(rows[number], what, way[2:]) if inner is not None else rows[number]
        return replace(row, **{name: (*rows[:number], deeper, *rows[number + 1 :])})
    others = [*rows[:number], *rows[number + 1 :]]
    if what == "drop":
        return replace(row, **{name: tuple(others)})
    if what in {"up", "down"}:
        others.insert(max(0, number - 1) if what == "up" else number + 1, rows[number])
        return replace(row, **{name: tuple(others)})
    return row


def _free_key(sheet: Sheet) -> str:
    taken = {each.key for each in sheet.rotations}
    return next(key for key in (f"r{number}" for number in range(len(taken) + 1)) if key not in taken)


# --- to a definition --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one field: a phrase, and for a time that is not plain the instants that can be meant."""

    phrase: str
    values: Mapping[str, str] = field(default_factory=dict)
    offered: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Written:
    """What a sheet says: a definition and what it means, or what is wrong with it by field."""

    definition: Mapping[str, Any]
    schedule: Schedule | None
    wrong: Mapping[str, Wrong]


def instant_of(typed: str, meant: str, zone: ZoneInfo) -> datetime | Wrong:
    """The instant of a typed local time; where that is not plain, the one of those it can mean that was chosen."""
    try:
        understood = understand_typed(typed, zone) if is_local(typed) else None
    except (ValueError, OverflowError):
        understood = None
    if understood is None:
        return Wrong("desk.rota.no.time")
    if understood.instant is not None:
        return understood.instant
    for offered in understood.offered:
        if meant == say_instant(offered):
            return offered
    phrase = "missing" if understood.doubt is Doubt.MISSING else "twice"
    return Wrong(f"desk.rota.no.{phrase}", {}, understood.offered)


class _Writer:
    """Writes one sheet, and notes what is wrong by the name of the field."""

    def __init__(self, sheet: Sheet, zone: ZoneInfo) -> None:
        self.zone = zone
        self.wrong: dict[str, Wrong] = {}
        self.names = {each.key: each.name for each in sheet.rotations}

    def note(self, name: str, phrase: str, **values: str) -> None:
        self.wrong.setdefault(name, Wrong(f"desk.rota.no.{phrase}", values))

    def target(self, name: str, typed: str) -> str:
        if not typed:
            self.note(name, "target")
        elif typed.startswith(ROTATION):
            key = typed.removeprefix(ROTATION)
            if key not in self.names:
                self.note(name, "rotation_gone")
            return ROTATION + self.names.get(key, key)
        return typed

    def person(self, name: str, typed: str) -> str:
        if not typed:
            self.note(name, "person")
        return typed

    def hours(self, name: str, row: Rule | Hours) -> dict[str, Any]:
        for part, typed in (("start", row.start), ("end", row.end)):
            if not _CLOCK.fullmatch(typed):
                self.note(f"{name}.{part}", "clock")
        days = [day for day in DAYS if day in row.days]
        if not days:
            self.note(f"{name}.days", "days")
        return {"from": row.start[:5], "to": row.end[:5], **({"days": days} if len(days) < len(DAYS) else {})}

    def span(self, name: str, row: Fixed | Override | Temporary) -> dict[str, str]:
        start, starts = self.instant(f"{name}.start", row.start, row.start_meant)
        end, ends = self.instant(f"{name}.end", row.end, row.end_meant)
        if starts is not None and ends is not None and ends <= starts:
            self.note(f"{name}.end", "order")
        return {"from": start, "to": end}

    def instant(self, name: str, typed: str, meant: str) -> tuple[str, datetime | None]:
        """How the definition writes a typed time, and its instant; a time that is not plain has to be answered."""
        found = instant_of(typed, meant, self.zone)
        if isinstance(found, Wrong):
            self.wrong[name] = found
            return typed, None
        plain = understand_typed(typed, self.zone).instant is not None
        return typed.replace(" ", "T") if plain else meant, found

    def rotation(self, name: str, row: Rotation) -> dict[str, Any]:
        if row.every not in {each.value for each in Every}:
            self.note(f"{name}.every", "every")
        if not (row.length.isdecimal() and len(row.length) < 6 and 1 <= int(row.length) <= 10_000):
            self.note(f"{name}.length", "length")
        try:
            plain = is_local(row.start) and datetime.fromisoformat(row.start) is not None
        except ValueError:
            plain = False
        if not plain:
            self.note(f"{name}.start", "time")
        written: dict[str, Any] = {
            "type": row.every,
            "length": int(row.length) if f"{name}.length" not in self.wrong else 1,
            "start": row.start.replace(" ", "T"),
            "participants": [person for person in row.people if person],
        }
        if row.zone:
            if not is_zone(row.zone):
                self.note(f"{name}.zone", "zone")
            written["zone"] = row.zone
        return written

    def shift(self, name: str, row: Fixed, *, level: bool) -> dict[str, Any]:
        written: dict[str, Any] = {"target": self.person(f"{name}.person", row.person), **self.span(name, row)}
        if level:
            if not re.fullmatch(r"-?[0-9]{1,6}", row.level):
                self.note(f"{name}.level", "level")
            else:
                written["level"] = int(row.level)
        return written

    def override(self, name: str, row: Override) -> dict[str, Any]:
        if not row.add and not row.remove:
            self.note(f"{name}.add", "override")
        elif row.add == row.remove:
            self.note(f"{name}.remove", "same")
        named = {key: typed for key, typed in (("add", row.add), ("remove", row.remove)) if typed}
        return {**self.span(name, row), **named}


def write(sheet: Sheet, zone: ZoneInfo) -> Written:
    """The definition that a sheet stands for."""
    writer = _Writer(sheet, zone)
    definition: dict[str, Any] = {}
    rotations: dict[str, Any] = {}
    for number, row in enumerate(sheet.rotations):
        name = f"rotations.{number}"
        if not row.name or len(row.name) > _LONGEST_NAME:
            writer.note(f"{name}.name", "name")
        elif row.name in rotations:
            writer.note(f"{name}.name", "name_twice")
        rotations[row.name] = writer.rotation(name, row)
    if rotations:
        definition["rotations"] = rotations
    rules = [
        {"target": writer.target(f"rules.{number}.target", row.target), **writer.hours(f"rules.{number}", row)}
        for number, row in enumerate(sheet.rules)
    ]
    layers = []
    for number, layer in enumerate(sheet.layers):
        written: dict[str, Any] = {"target": writer.target(f"layers.{number}.target", layer.target)}
        if layer.hours:
            written["active"] = [
                writer.hours(f"layers.{number}.hours.{inner}", hours) for inner, hours in enumerate(layer.hours)
            ]
        layers.append(written)
    shifts = [
        writer.shift(f"priority_shifts.{number}", row, level=True) for number, row in enumerate(sheet.priority_shifts)
    ]
    overrides = [writer.override(f"overrides.{number}", row) for number, row in enumerate(sheet.overrides)]
    temporary = [
        {
            **writer.span(f"temporary.{number}", row),
            "shifts": [
                writer.shift(f"temporary.{number}.shifts.{inner}", shift, level=False)
                for inner, shift in enumerate(row.shifts)
            ],
        }
        for number, row in enumerate(sheet.temporary)
    ]
    parts = {
        "rules": rules,
        "layers": layers,
        "priority_shifts": shifts,
        "overrides": overrides,
        "temporary": temporary,
    }
    definition |= {key: rows for key, rows in parts.items() if rows}
    if sheet.exclusive:
        definition["override_mode"] = "exclusive"
    planned = [key for key in BASES if key in definition]
    if len(planned) > 1:
        writer.note(planned[1], "two_plans")
    return Written(definition, _read(definition, zone, writer) if not writer.wrong else None, writer.wrong)


def _read(definition: Mapping[str, Any], zone: ZoneInfo, writer: _Writer) -> Schedule | None:
    try:
        return read_schedule(node_of(definition, file="form"), zone)
    except (ContentError, OverflowError) as error:
        said = error.sentence if isinstance(error, ContentError) else str(error)
        writer.note("", "whole", sentence=said)
        return None


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
