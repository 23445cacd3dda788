"""The work that is driven by the clock and by commits: thin loops around `tick(now)`.

A loop sleeps until its topic is rung or the next `due_at` has come, and at most `LONGEST_SLEEP`, so that a lost wake-up
costs seconds and never a person. A tick that fails is logged, counted, and tried again: one bad row must not stop the
rest. A loop that is stopped finishes the tick it is in: what is broken off in the middle waits for its lease.
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
LOOK_AGAIN = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Loop:
    """One kind of work."""

    name: str
    topic: str
    tick: Callable[[datetime], Awaitable[int]]
    next_due: Callable[[AsyncConnection], Awaitable[datetime | None]] | None = None
    longest_sleep: timedelta = LONGEST_SLEEP


class Worker:
    """One loop at work, from being made until it is stopped."""

    def __init__(self, house: House, loop: Loop) -> None:
        self._house = house
        self._loop = loop
        self._stopping = False
        self._asleep = False
        self._task = asyncio.create_task(self._run(), name=loop.name)

    async def stop(self, patience: float) -> None:
        """Finish the tick under way, for so many seconds at most."""
        self._stopping = True
        if not self._asleep:
            await asyncio.wait([self._task], timeout=patience)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        house, loop = self._house, self._loop
        while not self._stopping:
            try:
                while await loop.tick(house.clock.now()) and not self._stopping:
                    pass  # what one tick did may have made more due
                sleep = await _sleep_for(house, loop)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                house.counts.trouble.labels(loop.name).inc()
                log.error("tick_failed", loop=loop.name, error_type=type(error).__name__, exc_info=True)
                sleep = AFTER_FAILURE
            self._asleep = True
            if not self._stopping:
                await house.db.wait(loop.topic, sleep)
            self._asleep = False


async def _sleep_for(house: House, loop: Loop) -> timedelta:
    if loop.next_due is None:
        return loop.longest_sleep
    async with house.db.read() as conn:
        due_at = await loop.next_due(conn)
    if due_at is None:
        return loop.longest_sleep
    wait = due_at - house.clock.now()
    # What is due and was not taken just now waits for something else, which will ring; or it fell due this moment.
    return min(loop.longest_sleep, wait if wait > timedelta(0) else LOOK_AGAIN)
