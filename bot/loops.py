"""The work that is driven by the clock and by commits: thin loops around `tick(now)`.

A loop sleeps until its topic is rung or the next `due_at` has come, and at most `LONGEST_SLEEP`, so that a lost wake-up
costs
seconds and never a person. A tick that fails is logged, counted, and tried again: one bad row must not stop the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.house import House

log = structlog.get_logger(__name__)

LONGEST_SLEEP = timedelta(seconds=5)
AFTER_FAILURE = timedelta(seconds=1)


@dataclass(frozen=True)
class Loop:
    """One kind of work."""

    name: str
    topic: str
    tick: Callable[[datetime], Awaitable[int]]
    next_due: Callable[[AsyncConnection], Awaitable[datetime | None]] | None = None
    longest_sleep: timedelta = LONGEST_SLEEP


async def run(house: House, loop: Loop) -> None:
    """Work for ever; ends only by being cancelled."""
    while True:
        try:
            while await loop.tick(house.clock.now()):
                pass  # what one tick did may have made more due
            sleep = await _sleep_for(house, loop)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            house.counts.trouble.labels(loop.name).inc()
            log.error("tick_failed", loop=loop.name, error_type=type(error).__name__, exc_info=True)
            sleep = AFTER_FAILURE
        await house.db.wait(loop.topic, sleep)


async def _sleep_for(house: House, loop: Loop) -> timedelta:
    if loop.next_due is None:
        return loop.longest_sleep
    async with house.db.read() as conn:
        due_at = await loop.next_due(conn)
    if due_at is None:
        return loop.longest_sleep
    return min(loop.longest_sleep, max(due_at - house.clock.now(), timedelta(milliseconds=1)))
