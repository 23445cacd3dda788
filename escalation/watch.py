"""Time passing: every escalation whose `due_at` has come is looked at, again and again, for as long as it is open.

A tick claims, decides and writes in one transaction, so a process that dies on any line has changed nothing. Where one
escalation cannot be moved for a fault of ours, the others still are, and somebody is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import ladder, store
from escalation.carry import Carrier, Means, Move
from escalation.on_duty import Present, staff_now
from escalation.store import Filed
from helpline.database import Database
from helpline.storage import StorageError

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)  # after which an escalation that could not be moved is tried again
TOGETHER = 200  # escalations moved in one transaction

next_due = store.next_due


async def tick(db: Database, means: Means, now: datetime, *, limit: int = TOGETHER) -> int:
    """Move every escalation whose time has come; how many were looked at. Call again until it is none."""
    try:
        async with db.write() as conn:
            due = await store.claim_due(conn, now=now, lease=LEASE, limit=limit)
            if due:
                await _move(conn, means, due, now)
        return len(due)
    except StorageError:
        raise
    except Exception as error:
        log.error("tick_one_by_one", error_type=type(error).__name__, exc_info=True)
    return await _one_by_one(db, means, now, limit=limit)


async def _move(conn: AsyncConnection, means: Means, due: Sequence[Filed], now: datetime) -> None:
    present = await staff_now(conn, now, channels=means.channels)
    moves = [_climbed(filed, present, now) for filed in due]
    await Carrier(conn, means, present, now).carry_out(moves)


def _climbed(filed: Filed, present: Present, now: datetime) -> Move:
    escalation, effects = ladder.climb(filed.escalation, now, present.staffing[filed.escalation.urgency])
    return Move(filed.after(escalation, now), effects)


async def _one_by_one(db: Database, means: Means, now: datetime, *, limit: int) -> int:
    """The slow way, in which one that fails is left to its lease and stops nobody else."""
    async with db.write() as conn:
        claimed = await store.claim_due(conn, now=now, lease=LEASE, limit=limit)
    moved = 0
    for filed in claimed:
        try:
            async with db.write() as conn:
                held = await store.find(conn, filed.id, lock=True)
                if held is None or held.lease_token != filed.lease_token:
                    continue  # somebody answered, or another process took it, in the meantime
                await _move(conn, means, [held], now)
                moved += 1
        except StorageError:
            raise
        except Exception as error:
            log.error("escalation_stuck", escalation_id=filed.id, error_type=type(error).__name__, exc_info=True)
    return moved
