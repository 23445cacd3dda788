"""Who is on call at an instant: a pure function of the roster's data and the instant.

Nothing here steps through the past and nothing is stored between two questions, so a restart, an edit or a clock change
cannot move a handoff. Clock changes are met by these conventions:

- A handoff at a local time that occurs twice happens at the first occurrence, once. Where the local time does not
  occur, the handoff happens at the first instant after the gap.
- Lengths count on the wall clock from the anchor. A day may last 23 or 25 hours; its number does not change.
- A rule starts at the first and ends at the last occurrence of its local time: rather two people for an hour than none.
- Intervals include their start and exclude their end.
- A one-off time that a person typed is never guessed: where it does not exist, or exists twice, they are asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any
from zoneinfo import ZoneInfo

from escalation.rota.local_time import say_instant, understand_typed
from escalation.rota.roster import (
    ROTATION,
    Override,
    Schedule,
    Shift,
    Span,
    Temporary,
    read_instant,
    read_schedule,
    read_zone,
)
from helpline.content import ContentError, Node, node_of

_LOOK_AHEAD = timedelta(days=2)


def on_call(schedule: Schedule, zone: ZoneInfo, at: datetime) -> tuple[str, ...]:
    """Everybody who is on call at the instant, sorted; nobody is a gap."""
    away = {shift.person for shift in schedule.away if shift.span.covers(at)}
    holding = [roster for roster in schedule.temporary if roster.span.covers(at)]
    if holding:
        return _sorted((shift.person for each in holding for shift in each.shifts if shift.span.covers(at)), away)
    active = [override for override in schedule.overrides if override.span.covers(at)]
    placed = [override.add for override in active if override.add is not None]
    if schedule.exclusive and (there := _sorted(placed, away)):
        return there
    added = [override.add for override in active if override.add is not None and override.remove is None]
    # One pass over the plan, replacement before removal: a chain of overrides is not followed.
    replaced: dict[str, list[str]] = {}
    for override in active:
        if override.remove is not None:
            replaced.setdefault(override.remove, []).extend([override.add] if override.add is not None else [])
    # Whoever is on leave and has a colleague in their place still holds the place; without one they do not.
    missing = frozenset(person for person in away if not set(replaced.get(person, ())) - away)
    planned = (replaced.get(person, [person]) for person in _planned(schedule, zone, at, missing))
    return _sorted(itertools.chain(added, *planned), away)


def _sorted(people: Iterable[str], away: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
    return tuple(sorted(set(people) - away))


def _planned(schedule: Schedule, zone: ZoneInfo, at: datetime, missing: frozenset[str]) -> list[str]:
    """Who is on call by the plan alone, before overrides; whoever is missing hides nobody."""
    if schedule.layers:
        for layer in reversed(schedule.layers):
            # A layer whose rotation has not begun yields nobody, and does not hide the layers beneath.
            if layer.covers(zone, at):
                person = _aimed(schedule, layer.target, zone, at)
                if person is not None and person not in missing:
                    return [person]
        return []
    if schedule.priority_shifts:
        present = [shift for shift in schedule.priority_shifts if shift.span.covers(at) and shift.person not in missing]
        highest = max((shift.level for shift in present), default=0)
        return [shift.person for shift in present if shift.level == highest]
    aimed = (_aimed(schedule, rule.target, zone, at) for rule in schedule.rules if rule.window.covers(zone, at))
    return [person for person in aimed if person is not None]


def _aimed(schedule: Schedule, target: str, zone: ZoneInfo, at: datetime) -> str | None:
    if target.startswith(ROTATION):
        return schedule.rotations[target.removeprefix(ROTATION)].on_call(at, zone)
    return target


def handoffs(
    schedule: Schedule, zone: ZoneInfo, rotation: str, since: datetime, until: datetime
) -> tuple[datetime, ...]:
    """Every handoff of one rotation between two instants, both included."""
    return tuple(schedule.rotations[rotation].handoffs(zone, since, until))


@dataclass(frozen=True)
class Segment:
    """The same people from one instant to another."""

    span: Span
    on_call: tuple[str, ...]


def timeline(schedule: Schedule, zone: ZoneInfo, since: datetime, until: datetime) -> tuple[Segment, ...]:
    """Who is on call when, in stretches that are as long as possible; a gap is a stretch with nobody."""
    if until <= since:
        return ()
    edges = sorted({since, *(edge for edge in _edges(schedule, zone, since, until) if since < edge < until)})
    segments: list[Segment] = []
    for (start, end), part in zip(itertools.pairwise([*edges, until]), _at_each(schedule, zone, edges), strict=True):
        people = on_call(part, zone, start)
        if segments and segments[-1].on_call == people:
            segments[-1] = Segment(Span(segments[-1].span.start, end), people)
        else:
            segments.append(Segment(Span(start, end), people))
    return tuple(segments)


def _at_each(schedule: Schedule, zone: ZoneInfo, edges: Sequence[datetime]) -> Iterator[Schedule]:
    """At each of these instants, in order, the parts of the roster that may count then.

    Who is on call is decided by `on_call` alone. This only spares it the parts that lie elsewhere, so that ten years
    with thousands of overrides are told in one walk, and not by asking each override about each hour.
    """
    since, until = edges[0], edges[-1]
    rules, layers = schedule.rules, schedule.layers
    of_rules = ((*span, number) for number, rule in enumerate(rules) for span in rule.window.spans(zone, since, until))
    of_layers = (
        (*span, number)
        for number, layer in enumerate(layers)
        for window in layer.windows
        for span in window.spans(zone, since, until)
    )
    always = [(since, until + _LOOK_AHEAD, number) for number, layer in enumerate(layers) if not layer.windows]
    walks = zip(
        _covering(of_rules, edges),
        _covering(itertools.chain(of_layers, always), edges),
        _covering(_numbered(schedule.overrides), edges),
        _covering(_numbered(schedule.priority_shifts), edges),
        _covering(_numbered(schedule.temporary), edges),
        _covering(_numbered(schedule.away), edges),
        strict=True,
    )
    before: tuple[tuple[int, ...], ...] | None = None
    part = schedule
    for present in walks:
        if present != before:
            before = present
            part = replace(
                schedule,
                rules=tuple(rules[number] for number in present[0]),
                layers=tuple(layers[number] for number in present[1]),
                overrides=tuple(schedule.overrides[number] for number in present[2]),
                priority_shifts=tuple(schedule.priority_shifts[number] for number in present[3]),
                temporary=tuple(schedule.temporary[number] for number in present[4]),
                away=tuple(schedule.away[number] for number in present[5]),
            )
        yield part


Walked = tuple[datetime, datetime, int]  # from, to, and the number of the part that it belongs to


def _numbered(parts: Iterable[Override | Shift | Temporary]) -> Iterator[Walked]:
    for number, part in enumerate(parts):
        yield part.span.start, part.span.end, number


def _covering(spans: Iterable[Walked], edges: Sequence[datetime]) -> Iterator[tuple[int, ...]]:
    """The numbers of those that cover each of these instants, which come in order."""
    ahead = sorted(spans, reverse=True)
    present: list[tuple[datetime, int]] = []  # a heap, the first to end on top
    numbers: tuple[int, ...] = ()
    for at in edges:
        changed = False
        while ahead and ahead[-1][0] <= at:
            _, end, number = ahead.pop()
            heappush(present, (end, number))
            changed = True
        while present and present[0][0] <= at:
            heappop(present)
            changed = True
        if changed:
            numbers = tuple(sorted({number for _, number in present}))
        yield numbers


def next_change(
    schedule: Schedule, zone: ZoneInfo, at: datetime, within: timedelta = timedelta(days=2)
) -> datetime | None:
    """When other people will be on call than now; None where nothing changes within that time."""
    present = on_call(schedule, zone, at)
    for edge in sorted({edge for edge in _edges(schedule, zone, at, at + within) if at < edge <= at + within}):
        if on_call(schedule, zone, edge) != present:
            return edge
    return None


def gaps(schedule: Schedule, zone: ZoneInfo, since: datetime, until: datetime) -> tuple[Span, ...]:
    """When nobody is on call."""
    return tuple(segment.span for segment in timeline(schedule, zone, since, until) if not segment.on_call)


def _edges(schedule: Schedule, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Every instant at which the answer may change, and perhaps some at which it does not."""
    windows = {rule.window for rule in schedule.rules} | {
        window for layer in schedule.layers for window in layer.windows
    }
    for window in windows:
        for span in window.spans(zone, since, until):
            yield from span
    targets = {rule.target for rule in schedule.rules} | {layer.target for layer in schedule.layers}
    for target in targets:
        if target.startswith(ROTATION):
            yield from schedule.rotations[target.removeprefix(ROTATION)].handoffs(zone, since, until)
    spans = [shift.span for shift in (*schedule.priority_shifts, *schedule.away)]
    spans += [override.span for override in schedule.overrides]
    for roster in schedule.temporary:
        spans += [roster.span, *(shift.span for shift in roster.shifts)]
    for fixed in spans:
        yield fixed.start
        yield fixed.end


def oncall_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """What a roster definition says: the line's `queries`, `handoffs` and `timeline` completed, its `id` repeated.

    A line with `typed_local` instead of a schedule asks what a typed time means and gets `instant` or `offer`. A line
    that cannot be answered gets `error`, a plain sentence, and does not stop the lines after it.
    """
    result: dict[str, Any] = {"id": line["id"]} if "id" in line else {}
    try:
        return result | _answer_line(line)
    except ContentError as error:
        return result | {"error": error.sentence}
    except OverflowError:
        return result | {"error": "A time lies outside the years 1 to 9999."}


def _answer_line(line: Mapping[str, Any]) -> dict[str, Any]:
    node = node_of(_without_nulls(line), file="line").entries()
    if "zone" not in node:
        raise ContentError('The key "zone" is missing.')
    zone = read_zone(node["zone"])
    answer: dict[str, Any] = {}
    if "typed_local" in node:
        answer |= _answer_typed(node["typed_local"], zone)
        if "schedule" not in node:
            return answer
    if "schedule" not in node:
        raise ContentError('The key "schedule" is missing.')
    schedule = read_schedule(node["schedule"], zone)
    if "queries" in node:
        answer["queries"] = [_answer_query(part, schedule, zone) for part in node["queries"].items()]
    if "handoffs" in node:
        answer["handoffs"] = _answer_handoffs(node["handoffs"], schedule, zone)
    if "timeline" in node:
        answer["timeline"] = _answer_timeline(node["timeline"], schedule, zone)
    return answer


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def _answer_typed(node: Node, zone: ZoneInfo) -> dict[str, Any]:
    try:
        typed = understand_typed(node.text(), zone)
    except ValueError as error:
        raise node.error(f'"{node.text()}" is no time.') from error
    if typed.instant is not None:
        return {"typed_local": node.text(), "instant": say_instant(typed.instant)}
    return {
        "typed_local": node.text(),
        "doubt": str(typed.doubt),
        "offer": [say_instant(instant) for instant in typed.offered],
    }


def _need(node: Node, *keys: str) -> dict[str, Node]:
    """The parts of one question; whatever else stands there (an expected answer, a remark) is not ours."""
    parts = node.entries()
    for key in keys:
        if key not in parts:
            raise node.error(f'The key "{key}" is missing in "{node.name}".')
    return parts


def _answer_query(node: Node, schedule: Schedule, zone: ZoneInfo) -> dict[str, Any]:
    at = _need(node, "at")["at"]
    return {"at": at.text(), "on_call": list(on_call(schedule, zone, read_instant(at, zone)))}


def _answer_handoffs(node: Node, schedule: Schedule, zone: ZoneInfo) -> dict[str, Any]:
    parts = _need(node, "rotation", "from", "until")
    name = parts["rotation"].text()
    if name not in schedule.rotations:
        raise parts["rotation"].error(f'There is no rotation "{name}" in this roster.')
    since, until = read_instant(parts["from"], zone), read_instant(parts["until"], zone)
    local = schedule.rotations[name].zone or zone
    return {
        "rotation": name,
        "from": parts["from"].text(),
        "until": parts["until"].text(),
        "at": [
            {"utc": say_instant(instant), "local": instant.astimezone(local).isoformat()}
            for instant in handoffs(schedule, zone, name, since, until)
        ],
    }


def _answer_timeline(node: Node, schedule: Schedule, zone: ZoneInfo) -> dict[str, Any]:
    parts = _need(node, "from", "until")
    since, until = read_instant(parts["from"], zone), read_instant(parts["until"], zone)
    return {
        "from": parts["from"].text(),
        "until": parts["until"].text(),
        "segments": [
            {
                "from": say_instant(segment.span.start),
                "to": say_instant(segment.span.end),
                "on_call": list(segment.on_call),
            }
            for segment in timeline(schedule, zone, since, until)
        ],
    }
