"""The rota's own clockwork: the record of who was on call, alarms for holes, offers that nobody answered.

Everything follows from what is stored and the instant, so it does not matter how often this runs, nor in how many
processes: the rows it locks make one of them write, and every alarm has a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means, alarm_coordinators
from escalation.on_duty import Present, staff_now
from escalation.rota import coverage, duty, swaps
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota import words as rota_words
from escalation.rota.coverage import Hole
from escalation.rota.store import KnownHole
from escalation.store import NoLadder
from helpline import audit
from helpline.accounts import Role
from helpline.database import Database

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=30)  # how often it looks, where nothing rings
_LONGEST_SLEEP = timedelta(days=30)  # the plan of a longer sleep is not put on record piece by piece


async def tick(db: Database, means: Means, now: datetime) -> int:
    """Do what is due; always zero, since all of it is done at once."""
    await record(db, now)
    async with db.read() as conn:
        try:
            present = await staff_now(conn, now, channels=means.channels)
        except NoLadder:
            return 0  # nothing has been set up yet
        due = await _due_holes(conn, present, now)
        ended = any(each.span.end <= now for each in await rota_store.open_exchanges(conn))
    if due or ended:
        async with db.write() as conn:
            await rota_store.one_at_a_time(conn)
            await _tell_of_holes(conn, means, await staff_now(conn, now, channels=means.channels), now)
            await swaps.expire(conn, means, now)
    return 0


async def record(db: Database, now: datetime) -> None:
    """Put on record who is on call, and who has been since the last look."""
    async with db.read() as conn:
        if not await _to_write(conn, now):
            return
    async with db.write() as conn:
        # Read again under the lock: another process may have been here in between.
        await rota_store.one_at_a_time(conn)
        for each in await _to_write(conn, now):
            await rota_store.write_record(conn, each)


async def _to_write(conn: AsyncConnection, now: datetime) -> list[duty.Recorded]:
    known = await rota_store.last_records(conn)
    since = min((each.span.end for each in known.values()), default=now)
    since = max(min(since, now), now - _LONGEST_SLEEP) - timedelta(minutes=1)
    edited_at = await rota_store.last_edit(conn)
    found: list[duty.Recorded] = []
    for plan in await rota_store.plans(conn, since, now + timedelta(microseconds=1)):
        found += duty.carried_on(known.get(plan.name), plan, now, edited_at=edited_at)
    return found


# --- Holes -----------------------------------------------------------------------------------------------------------


async def _due_holes(conn: AsyncConnection, present: Present, now: datetime) -> bool:
    """Whether anybody must be told of a hole, or what was told can be forgotten."""
    found, known = await _holes(conn, present, now), await rota_store.known_holes(conn)
    return bool(_to_tell(found, known, now) or _filled(found, known, now) or _moved(found, known))


async def _holes(conn: AsyncConnection, present: Present, now: datetime) -> tuple[Hole, ...]:
    """The holes of the rosters that the ladders call; one that nobody calls keeps nobody waiting."""
    called = (await store.policy(conn)).targets()
    plans = await rota_store.plans(conn, now, now + timedelta(days=coverage.DAYS))
    wanted = [plan for plan in plans if f"roster:{plan.name}" in called]
    return coverage.holes(wanted, now, speaks=present.speaks)


def _to_tell(
    found: Sequence[Hole], known: Sequence[KnownHole], now: datetime
) -> list[tuple[Hole, KnownHole | None, bool]]:
    """The holes to be told of now, with what is known of each, and whether because they are near."""
    told = []
    for hole in found:
        if hole.foreseen:
            continue
        before = next((each for each in known if each.is_of(hole)), None)
        if before is None or before.told_at is None:
            told.append((hole, before, hole.is_near(now)))
        elif hole.is_near(now) and before.told_near_at is None and before.accepted_at is None:
            told.append((hole, before, True))
    return told


def _filled(found: Sequence[Hole], known: Sequence[KnownHole], now: datetime) -> list[int]:
    return [each.id for each in known if each.span.end <= now or not any(each.is_of(hole) for hole in found)]


def _moved(found: Sequence[Hole], known: Sequence[KnownHole]) -> list[tuple[Hole, KnownHole]]:
    """Holes that reach further than when they were told of."""
    return [(hole, each) for hole in found for each in known if each.is_of(hole) and hole.span.end > each.span.end]


async def _tell_of_holes(conn: AsyncConnection, means: Means, present: Present, now: datetime) -> None:
    found, known = await _holes(conn, present, now), await rota_store.known_holes(conn)
    for hole, grown in _moved(found, known):
        await rota_store.write_hole(conn, hole, grown)
    due = _to_tell(found, known, now)
    for near in (True, False):
        some = [(hole, before) for hole, before, is_near in due if is_near is near]
        if not some or not await _alarm(conn, means, present, [hole for hole, _ in some], near=near, now=now):
            continue  # nobody could be told, so it is tried again
        for hole, before in some:
            noted = {"told_at": before.told_at if before is not None and before.told_at else now}
            await rota_store.write_hole(conn, hole, before, **noted, **({"told_near_at": now} if near else {}))
    await rota_store.delete_holes(conn, _filled(found, known, now))


async def _alarm(
    conn: AsyncConnection, means: Means, present: Present, found: Sequence[Hole], *, near: bool, now: datetime
) -> int:
    """Tell the coordinators; how many could be told."""
    coordinators = present.with_role(Role.COORDINATOR)
    zone = rota_notices.zone_of(present.staff.get(coordinators[0]) if coordinators else None)
    first = found[0]
    key = f"hole:{first.roster}:{first.language or ''}:{first.span.start:%Y%m%d%H%M}:{int(near)}:{now:%Y%m%d%H%M}"
    told = 0
    if near:
        told = await alarm_coordinators(
            conn,
            means,
            present,
            lambda language: rota_words.holes(means.phrases, found, near=True, zone=zone, language=language),
            key=key,
            now=now,
        )
    else:
        told = await rota_notices.tell(
            conn,
            means,
            present,
            coordinators,
            lambda language: rota_words.holes(means.phrases, found, near=False, zone=zone, language=language),
            key=key,
            now=now,
            about=first.span.start,
        )
    if told:
        details: dict[str, audit.Detail] = {"holes": len(found), "near": near, "told": told}
        await audit.append(conn, at=now, actor="line", action="roster_hole_told", subject="roster", details=details)
    log.warning("roster_hole", holes=len(found), near=near, told=told)
    return told


async def accept_hole(conn: AsyncConnection, hole: Hole, staff_id: str, now: datetime) -> None:
    """A coordinator says that they know and have a plan: nobody is told of this hole a second time."""
    before = next((each for each in await rota_store.known_holes(conn) if each.is_of(hole)), None)
    told_at = before.told_at if before is not None and before.told_at is not None else now
    await rota_store.write_hole(conn, hole, before, told_at=told_at, accepted_by=staff_id, accepted_at=now)
    details: dict[str, audit.Detail] = {"from": hole.span.start, "to": hole.span.end}
    subject = f"roster:{hole.roster}"
    await audit.append(
        conn, at=now, actor=f"staff:{staff_id}", action="roster_hole_accepted", subject=subject, details=details
    )
