"""Gate runs and overrides as rows: what was asked of which version of a draft, what came of it, and who let it through
all the same.

A run counts for exactly one version of a draft, one version of the shelves and one state of the question sets. Anything
else that changes means a new run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import lease
from helpline.storage import insert_once, rows_touched, table_of, wake
from knowledge import gate, question_sets, store
from knowledge.gate import GateReport
from knowledge.store import GateOverrideRow, GateRunRow

TOPIC = "drafts"  # rung when there is work for the gatekeeper
HELD_FOR = timedelta(minutes=2)  # a run is held anew while it is at work
MOST_ATTEMPTS = 3

_runs = table_of(GateRunRow)
_overrides = table_of(GateOverrideRow)


class RunState(StrEnum):
    """Where a gate run stands."""

    WAITING = "waiting"  # for a worker
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # it could not be made; it may be wanted again
    PASSED_OVER = "passed_over"  # draft, shelves or questions moved on before it was made


@dataclass(frozen=True)
class GateRun:
    """One run, wanted or made."""

    id: int
    draft_id: int
    version: int  # of the draft
    shelves: int  # version of the shelves
    sets: str
    state: RunState
    asked: int  # questions so far, of both shelves together
    of: int
    passes: bool | None  # None until it is done
    report: GateReport | None
    wanted_by: str
    wanted_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Override:
    """A blocked version that is let through once another has confirmed it."""

    id: int
    draft_id: int
    version: int
    reason: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None

    @property
    def holds(self) -> bool:
        """Whether two people stand behind it."""
        return self.confirmed_by is not None


async def want(conn: AsyncConnection, draft_id: int, version: int, *, actor: str, now: datetime) -> GateRun:
    """Ask for a run of this version against the shelves of now; the one that is there already where there is one."""
    shelves, sets = await store.version(conn), await question_sets.state(conn)
    values = {
        "draft_id": draft_id,
        "version": version,
        "shelves": shelves,
        "sets": sets,
        "state": RunState.WAITING.value,
        "asked": 0,
        "of": 0,
        "report": "",
        "wanted_by": actor,
        "wanted_at": now,
        "attempts": 0,
        "due_at": now,
    }
    key = ["draft_id", "version", "shelves", "sets"]
    if await insert_once(conn, _runs, values, unique=key) is None:
        again = _runs.c.state.in_([RunState.FAILED.value, RunState.PASSED_OVER.value])
        same = [_runs.c[name] == values[name] for name in key]
        fresh = {"state": RunState.WAITING.value, "attempts": 0, "due_at": now, "asked": 0, "lease_token": None}
        await conn.execute(update(_runs).where(*same, again).values(fresh))
    wake(conn, TOPIC)
    run = await present(conn, draft_id, version)
    assert run is not None
    return run


async def present(conn: AsyncConnection, draft_id: int, version: int) -> GateRun | None:
    """The run of this version against the shelves and questions of now, if there is one."""
    wanted = (
        (_runs.c.draft_id == draft_id)
        & (_runs.c.version == version)
        & (_runs.c.shelves == await store.version(conn))
        & (_runs.c.sets == await question_sets.state(conn))
    )
    row = (await conn.execute(select(_runs).where(wanted))).one_or_none()
    return _run(row) if row is not None else None


async def latest(conn: AsyncConnection, draft_id: int) -> GateRun | None:
    """The newest run of a draft, of whatever version: to be shown with what has moved since."""
    newest = select(_runs).where(_runs.c.draft_id == draft_id).order_by(_runs.c.id.desc()).limit(1)
    row = (await conn.execute(newest)).one_or_none()
    return _run(row) if row is not None else None


async def get(conn: AsyncConnection, run_id: int) -> GateRun | None:
    """The run of this id."""
    row = (await conn.execute(select(_runs).where(_runs.c.id == run_id))).one_or_none()
    return _run(row) if row is not None else None


# --- for whoever makes the runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """A run that this worker holds."""

    run: GateRun
    token: str
    attempts: int


async def claim(conn: AsyncConnection, now: datetime) -> Held | None:
    """Take the run that has waited longest; commit before working on it."""
    rows = await lease.claim(conn, _runs, now=now, lease=HELD_FOR, limit=1)
    if not rows:
        return None
    row = rows[0]
    attempts = int(row.attempts) + 1
    at_work = {"state": RunState.RUNNING.value, "attempts": attempts}
    await conn.execute(update(_runs).where(_runs.c.id == row.id).values(at_work))
    return Held(_run(row), str(row.lease_token), attempts)


async def progress(conn: AsyncConnection, held: Held, asked: int, of: int, now: datetime) -> bool:
    """Say how far it is, and keep holding it; False where it was lost and the work must stop."""
    if not await lease.extend(conn, _runs, held.run.id, held.token, now=now, lease=HELD_FOR):
        return False
    await conn.execute(update(_runs).where(_runs.c.id == held.run.id).values(asked=asked, of=of))
    wake(conn, topic_of(held.run.draft_id))
    return True


async def finish(conn: AsyncConnection, held: Held, report: GateReport, now: datetime) -> bool:
    """Write down what came of it; False where it was lost to another."""
    of = 2 * sum(one.asked for one in report.figures)
    done = {
        "state": RunState.DONE.value,
        "passes": report.passes,
        "report": orjson.dumps(gate.plain(report)).decode(),
        "finished_at": now,
        "asked": of,
        "of": of,
    }
    wake(conn, topic_of(held.run.draft_id))
    return await lease.finish(conn, _runs, held.run.id, held.token, done)


async def put_down(conn: AsyncConnection, held: Held, state: RunState, now: datetime) -> bool:
    """End a run without a report: it failed, or nobody needs it any more."""
    wake(conn, topic_of(held.run.draft_id))
    return await lease.finish(conn, _runs, held.run.id, held.token, {"state": state.value, "finished_at": now})


async def try_later(conn: AsyncConnection, held: Held, at: datetime) -> bool:
    """Let go of a run that failed for now."""
    return await lease.finish(conn, _runs, held.run.id, held.token, {"state": RunState.WAITING.value, "due_at": at})


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When the next run is to be made."""
    return await lease.next_due(conn, _runs)


def topic_of(draft_id: int) -> str:
    """What is rung when something about this draft changes."""
    return f"draft:{draft_id}"


# --- overrides --------------------------------------------------------------------------------------------------------


async def override_of(conn: AsyncConnection, draft_id: int, version: int) -> Override | None:
    """The override of exactly this version, asked for or confirmed."""
    wanted = (_overrides.c.draft_id == draft_id) & (_overrides.c.version == version)
    row = (await conn.execute(select(_overrides).where(wanted))).one_or_none()
    return _override(row) if row is not None else None


async def ask_override(
    conn: AsyncConnection, draft_id: int, version: int, *, reason: str, actor: str, now: datetime
) -> Override:
    """Note that somebody wants this version let through; asking again before it is confirmed replaces the reason."""
    open_one = (_overrides.c.draft_id == draft_id) & (_overrides.c.version == version)
    asked = {"reason": reason, "asked_by": actor, "asked_at": now}
    again = update(_overrides).where(open_one, _overrides.c.confirmed_by.is_(None)).values(asked)
    if rows_touched(await conn.execute(again)) == 0 and await override_of(conn, draft_id, version) is None:
        await conn.execute(insert(_overrides).values({"draft_id": draft_id, "version": version, **asked}))
    found = await override_of(conn, draft_id, version)
    assert found is not None
    return found


async def confirm_override(conn: AsyncConnection, override_id: int, *, actor: str, now: datetime) -> bool:
    """Put a second name under it; False where somebody has already."""
    waiting = (_overrides.c.id == override_id) & _overrides.c.confirmed_by.is_(None) & (_overrides.c.asked_by != actor)
    values = {"confirmed_by": actor, "confirmed_at": now}
    return rows_touched(await conn.execute(update(_overrides).where(waiting).values(values))) == 1


def _run(row: Any) -> GateRun:
    return GateRun(
        id=row.id,
        draft_id=row.draft_id,
        version=row.version,
        shelves=row.shelves,
        sets=row.sets,
        state=RunState(row.state),
        asked=row.asked,
        of=row.of,
        passes=row.passes,
        report=gate.read(orjson.loads(row.report)) if row.report else None,
        wanted_by=row.wanted_by,
        wanted_at=row.wanted_at,
        finished_at=row.finished_at,
    )


def _override(row: Any) -> Override:
    return Override(
        row.id,
        row.draft_id,
        row.version,
        row.reason,
        row.asked_by,
        row.asked_at,
        row.confirmed_by,
        row.confirmed_at,
    )
