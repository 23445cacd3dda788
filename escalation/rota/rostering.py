"""Saving a roster, with what its owner must see first: the holes it leaves, and who stands in for them.

A roster with a hole is saved only once its owner has said what happens there: a person who stands in, or the ladder's
next step at once. That is stored with the version, and holds for the holes that the version itself has.

- `draft_holes(conn, …)`: the holes a draft would have, for showing before it is saved
- `save_with_fallback(conn, …)`: save it, or raise `NeedsFallback` with the holes, or `FallbackUnfit`
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.on_duty import ALL_CHANNELS, staff_now
from escalation.rota import coverage
from escalation.rota import store as rota_store
from escalation.rota.coverage import Hole
from escalation.rota.plan import NEXT_STEP, Plan, Version
from escalation.rota.roster import Shift, Span, read_schedule, read_zone
from helpline.content import node_of
from helpline.messages import Language

AHEAD = timedelta(days=coverage.DAYS)


class RosterTrouble(Exception):
    """A roster cannot be saved as it stands."""


class NeedsFallback(RosterTrouble):
    """It leaves holes, and nobody has said what happens there."""

    def __init__(self, holes: Sequence[Hole]) -> None:
        super().__init__(" ".join(["Say who stands in where nobody is on call.", *coverage.sentences(holes)]))
        self.holes = tuple(holes)


class FallbackUnfit(RosterTrouble):
    """Whoever was named to stand in does not work here, or no page would reach them."""

    def __init__(self, staff_id: str) -> None:
        super().__init__(f'"{staff_id}" cannot stand in: no page would reach them.')
        self.staff_id = staff_id


class NoSuchLanguage(RosterTrouble):
    """A roster asks for a language that the line does not speak."""

    def __init__(self, language: str) -> None:
        known = ", ".join(each.value for each in Language)
        super().__init__(f'The line does not speak "{language}"; it speaks {known}.')


async def draft_holes(
    conn: AsyncConnection,
    *,
    name: str,
    zone: str,
    definition: Mapping[str, Any],
    languages: Sequence[str] = (),
    fallback: str | None = None,
    valid_from: datetime,
    now: datetime,
    channels: frozenset[str] = ALL_CHANNELS,
) -> tuple[Hole, ...]:
    """The holes of the fourteen days from its beginning, leave included; `ContentError` where it cannot be read."""
    since = max(now, valid_from)
    span = Span(since, since + AHEAD)
    away = tuple(Shift(each.staff_id, each.span) for each in await rota_store.granted(conn, span.start, span.end))
    tz = read_zone(node_of(zone, file=f"roster {name}"))
    schedule = replace(read_schedule(node_of(definition, file=f"roster {name}"), tz), away=away)
    draft = Version(since, tz, schedule, tuple(languages), fallback)
    present = await staff_now(conn, now, channels=channels)
    return coverage.holes_between(Plan(name, (draft,)), span, present.speaks)


async def save_with_fallback(
    conn: AsyncConnection,
    *,
    name: str,
    zone: str,
    definition: Mapping[str, Any],
    valid_from: datetime,
    now: datetime,
    saved_by: str,
    languages: Sequence[str] = (),
    fallback: str | None = None,
    channels: frozenset[str] = ALL_CHANNELS,
) -> tuple[Hole, ...]:
    """Save a roster; the holes it has, which its owner has seen. `fallback` is a staff id, "next_step" or None."""
    for language in languages:
        if language not in tuple(Language):
            raise NoSuchLanguage(language)
    draft: dict[str, Any] = {
        "name": name,
        "zone": zone,
        "definition": definition,
        "languages": languages,
        "valid_from": valid_from,
        "now": now,
    }
    found = await draft_holes(conn, **draft, channels=channels)
    if found and fallback is None:
        raise NeedsFallback(found)
    if fallback is not None and fallback != NEXT_STEP:
        present = await staff_now(conn, now, channels=channels)
        if fallback not in present.speaks:
            raise FallbackUnfit(fallback)
    await store.save_roster(conn, **draft, saved_by=saved_by, fallback=fallback)
    return found


def reference(name: str) -> str:
    """A roster's name as the audit trail takes it."""
    return re.sub(r"[^A-Za-z0-9_.:@/+=#-]", "-", name)[:100]


def zone_of(plan: Plan, at: datetime) -> ZoneInfo:
    """The zone in which a roster is spoken of at an instant."""
    version = plan.version_at(at) or (plan.versions[0] if plan.versions else None)
    return version.zone if version is not None else ZoneInfo("UTC")
