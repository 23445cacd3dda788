"""Holes in the rota: when nobody is on call, or nobody who speaks a language. Pure.

A person counts who works here and can be woken. A hole that the roster's owner saw when they saved it, and for which
they named a fallback, is *foreseen*: it is shown and alarms nobody. One that leave or a departure tears open alarms the
coordinators once, and once more when it is near.

- `holes(plans, now, days=14, speaks=…)`: all holes ahead
- `holes_between(plan, span, speaks)`: of one roster in one span, as a page needs it on save
- `torn_open(before, after)`: what a change adds, such as a leave
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from escalation.rota.local_time import say_instant
from escalation.rota.plan import Plan, Stretch, spans_without, within
from escalation.rota.roster import Span
from helpline.messages import Language

DAYS = 14
NEAR = timedelta(hours=24)  # before a hole begins, when its second alarm is due

_ANY = frozenset(language.value for language in Language)

Speaks = Mapping[str, AbstractSet[str]]  # by staff id: the languages of whoever works here and can be woken


@dataclass(frozen=True)
class Hole:
    """A stretch in which nobody answers, or nobody who speaks a language."""

    roster: str
    span: Span
    language: str | None = None  # None: nobody at all
    fallback: str | None = None  # what the roster's owner named for its holes
    foreseen: bool = False  # it stood in the roster when that was named
    somebody: bool = field(default=False, compare=False)  # is on call in it, though nobody who can be woken

    def is_near(self, now: datetime) -> bool:
        """Whether it begins within a day, or has begun."""
        return self.span.start - now <= NEAR


def holes(plans: Iterable[Plan], now: datetime, days: int = DAYS, *, speaks: Speaks) -> tuple[Hole, ...]:
    """All holes of the next days, the nearest first."""
    ahead = Span(now, now + timedelta(days=days))
    found = [hole for plan in plans for hole in holes_between(plan, ahead, speaks)]
    return tuple(sorted(found, key=lambda hole: (hole.span.start, hole.roster, hole.language or "")))


def holes_between(plan: Plan, span: Span, speaks: Speaks) -> tuple[Hole, ...]:
    """The holes of one roster within a span."""
    whole = _joined(_holes(plan, span, speaks))
    if all(hole.fallback is None for hole in whole):
        return whole
    # As it was written: with everybody here, and whoever has left since still counted.
    everybody = {person: frozenset(speaks.get(person, _ANY)) for person in _named(plan)}
    planned = _joined(_holes(plan.without_leave(), span, everybody))
    return tuple(_told_apart(whole, planned))


def _named(plan: Plan) -> set[str]:
    people = {person for version in plan.versions for person in version.schedule.people()}
    return people | {version.stand_in for version in plan.versions if version.stand_in is not None}


def _holes(plan: Plan, span: Span, speaks: Speaks) -> Iterator[Hole]:
    for part, version in plan.validity(span.start, span.end):
        languages = version.languages if version is not None else ()
        fallback = version.fallback if version is not None else None
        for stretch in plan.timeline(part.start, part.end):
            if stretch.ended:
                continue
            for language in _missing(stretch, languages, speaks):
                somebody = language is None and bool(stretch.people)
                yield Hole(plan.name, stretch.span, language, fallback, somebody=somebody)


def _told_apart(found: Iterable[Hole], planned: Iterable[Hole]) -> Iterator[Hole]:
    """Each hole, cut into what was foreseen and what came later."""
    known = [hole for hole in planned if hole.fallback is not None]
    for hole in found:
        seen = [each.span for each in known if each.language == hole.language]
        parts = [replace(hole, span=part, foreseen=True) for each in seen if (part := within(hole.span, each))]
        parts += [replace(hole, span=part) for part in spans_without(hole.span, seen)]
        yield from sorted(parts, key=lambda each: each.span.start)


def _missing(stretch: Stretch, languages: Iterable[str], speaks: Speaks) -> Iterator[str | None]:
    here = [person for person in stretch.people if person in speaks]
    if not here:
        yield None
        return
    for language in languages:
        if not any(language in speaks[person] for person in here):
            yield language


def _joined(found: Iterable[Hole]) -> tuple[Hole, ...]:
    """Holes that touch, as one."""
    joined: dict[tuple[str | None, str | None], list[Hole]] = {}
    for hole in sorted(found, key=lambda each: each.span.start):
        row = joined.setdefault((hole.language, hole.fallback), [])
        if row and row[-1].span.end == hole.span.start:
            somebody = row[-1].somebody or hole.somebody
            row[-1] = replace(row[-1], span=Span(row[-1].span.start, hole.span.end), somebody=somebody)
        else:
            row.append(hole)
    return tuple(sorted((hole for row in joined.values() for hole in row), key=lambda each: each.span.start))


def torn_open(before: Iterable[Hole], after: Iterable[Hole]) -> tuple[Hole, ...]:
    """The holes that a change has made or made longer, as far as they are new."""
    known = list(before)
    found = []
    for hole in after:
        old = [each.span for each in known if (each.roster, each.language) == (hole.roster, hole.language)]
        found += [replace(hole, span=part) for part in spans_without(hole.span, old)]
    return tuple(found)


def sentences(found: Iterable[Hole], most: int = 5) -> Iterator[str]:
    """What is wrong with the coverage, in plain English, for whoever runs the line; a few of each roster."""
    rows: dict[tuple[str, str | None], list[Hole]] = {}
    for hole in found:
        rows.setdefault((hole.roster, hole.language), []).append(hole)
    for (roster, language), holes_ in rows.items():
        whom = "nobody" if language is None else f'nobody who speaks "{language}"'
        for hole in holes_[:most]:
            then = ", and the next step is called at once" if hole.foreseen and language is None else ""
            since, until = say_instant(hole.span.start), say_instant(hole.span.end)
            yield f'The roster "{roster}" has {whom} from {since} to {until}{then}.'
        if len(holes_) > most:
            yield f'The roster "{roster}" has {whom} in {len(holes_) - most} more stretches of the next {DAYS} days.'
