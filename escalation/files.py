"""Rosters and ladders as files: the shipped ones, loaded at start, and import and export of one's own.

The files are read at every start, also where the database holds newer versions: a fault in them stops the start, and so
does a ladder without a last resort. What an operator has saved is never overwritten by what is shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
import yaml
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.policy import Policy, read_policy
from escalation.rota import coverage
from escalation.rota.coverage import Hole
from escalation.rota.plan import NEXT_STEP, Plan, Version
from escalation.rota.roster import Schedule, Span, read_schedule, read_zone, remarks
from helpline.content import ContentError, Node, load_yaml
from helpline.messages import Language

log = structlog.get_logger(__name__)

SHIPPED = "shipped"  # who saved what came with the product


@dataclass(frozen=True)
class RosterFile:
    """One roster as a file holds it."""

    name: str
    zone: str
    schedule: Schedule
    definition: Mapping[str, Any]
    starter: bool
    languages: tuple[str, ...] = ()  # somebody on call must speak each of them
    fallback: str | None = None  # for its holes: a staff id, or "next_step"

    def holes(self, since: datetime) -> tuple[Hole, ...]:
        """The holes of two weeks that it has by itself, with everybody in it here; none where it says what then."""
        if self.fallback is not None:
            return ()
        span = Span(since, since + timedelta(days=coverage.DAYS))
        everybody = dict.fromkeys(self.schedule.people(), frozenset(self.languages))
        version = Version(since, ZoneInfo(self.zone), self.schedule, self.languages)
        return coverage.holes_between(Plan(self.name, (version,)), span, everybody)


def read_rosters(path: Path) -> list[RosterFile]:
    """The rosters of a file; `ContentError` names line and fault, also where a roster may be read but not saved."""
    fields = load_yaml(path).mapping(required=("rosters",), optional=("starter",))
    starter = fields["starter"].flag(default=False)
    return [_read_roster(name, node, starter=starter) for name, node in fields["rosters"].entries().items()]


def _read_roster(name: str, node: Node, *, starter: bool) -> RosterFile:
    fields = node.mapping(required=("zone", "schedule"), optional=("languages", "fallback"))
    zone = read_zone(fields["zone"])
    schedule = read_schedule(fields["schedule"], zone)
    for remark in remarks(schedule, zone):
        if remark.refused:
            raise fields["schedule"].error(remark.sentence)
    languages = fields["languages"].some_of(Language) if "languages" in fields else ()
    return RosterFile(
        name,
        zone.key,
        schedule,
        fields["schedule"].plain(),
        starter,
        tuple(language.value for language in languages),
        fields["fallback"].text(longest=40) if "fallback" in fields else None,
    )


def read_ladders(path: Path) -> tuple[Policy, Mapping[str, Any]]:
    """The ladders of a file, and as they were written."""
    root = load_yaml(path)
    return read_policy(root), root.plain()


def _as_written(roster: RosterFile) -> dict[str, Any]:
    return {
        "zone": roster.zone,
        "schedule": roster.definition,
        "starter": roster.starter,
        "languages": list(roster.languages),
        "fallback": roster.fallback,
        "ended": False,
    }


async def prepare(conn: AsyncConnection, folder: Path, now: datetime) -> None:
    """At start: read the shipped rosters and ladders, and store what nobody has replaced."""
    policy, written = read_ladders(folder / "ladder.yaml")
    stored = await store.ladder_definition(conn)
    if stored is None or (stored[1] and stored[0] != written):
        await store.save_ladders(conn, definition=written, now=now, saved_by=SHIPPED, starter=policy.starter)
        log.info("ladders_loaded", starter=policy.starter)
    known = await store.roster_definitions(conn, now)
    for roster in read_rosters(folder / "roster.yaml"):
        as_stored = known.get(roster.name)
        same = as_stored is not None and _as_written(roster) == {**as_stored, "starter": roster.starter}
        if as_stored is None or (as_stored["starter"] and not same):
            await _save(conn, roster, now, saved_by=SHIPPED, valid_from=now)


async def import_rosters(conn: AsyncConnection, path: Path, now: datetime, *, saved_by: str) -> list[str]:
    """Save every roster of a file as a new version that holds from now on; their names."""
    rosters = read_rosters(path)
    for roster in rosters:
        await _save(conn, roster, now, saved_by=saved_by, valid_from=now)
    return [roster.name for roster in rosters]


def check_fallbacks(path: Path, now: datetime) -> None:
    """`ContentError` where a roster of a file leaves holes and does not say what happens there."""
    for roster in read_rosters(path):
        first = next(coverage.sentences(roster.holes(now)), None)
        if first is not None:
            raise ContentError(
                f'{first} Name who stands in: "fallback: STAFF-ID" beside "zone", or "fallback: {NEXT_STEP}", with '
                "which the ladder goes on at once.",
                file=str(path),
            )


async def _save(
    conn: AsyncConnection, roster: RosterFile, now: datetime, *, saved_by: str, valid_from: datetime
) -> None:
    await store.save_roster(
        conn,
        name=roster.name,
        zone=roster.zone,
        definition=roster.definition,
        valid_from=valid_from,
        now=now,
        saved_by=saved_by,
        starter=roster.starter,
        languages=roster.languages,
        fallback=roster.fallback,
    )
    log.info("roster_saved", roster=roster.name, starter=roster.starter)


async def export_rosters(conn: AsyncConnection, now: datetime) -> str:
    """The rosters that hold now, in the form that `import_rosters` reads."""
    known = {
        name: roster for name, roster in (await store.roster_definitions(conn, now)).items() if not roster["ended"]
    }
    rosters = {
        name: {key: roster[key] for key in ("zone", "languages", "fallback", "schedule") if roster[key]}
        for name, roster in known.items()
    }
    starter = bool(known) and all(roster["starter"] for roster in known.values())
    whole = {"starter": True, "rosters": rosters} if starter else {"rosters": rosters}
    return yaml.safe_dump(whole, allow_unicode=True, sort_keys=False)


async def import_ladders(conn: AsyncConnection, path: Path, now: datetime, *, saved_by: str) -> None:
    """Save the ladders of a file, for escalations that open from now on."""
    policy, written = read_ladders(path)
    await store.save_ladders(conn, definition=written, now=now, saved_by=saved_by, starter=policy.starter)


async def export_ladders(conn: AsyncConnection) -> str:
    """The ladders that hold now, in the form that `import_ladders` reads."""
    stored = await store.ladder_definition(conn)
    if stored is None:
        raise store.NoLadder("No ladder has been saved.")
    return yaml.safe_dump(stored[0], allow_unicode=True, sort_keys=False)
