"""Waits that grow, hold over processes, and end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from helpline import accounts, throttle
from helpline.clock import SetClock
from helpline.database import Database

FIRST, LONGEST = timedelta(seconds=5), timedelta(minutes=15)


async def attempt(db: Database, clock: SetClock, key: str = "somebody", free: int = 3) -> int:
    async with db.write() as conn:
        wait = await throttle.wait_before(conn, key, free=free, first=FIRST, longest=LONGEST, now=clock.now())
    return int(wait.total_seconds())


async def test_the_wait_doubles_up_to_its_longest(db: Database, clock: SetClock) -> None:
    waits: list[int] = []
    for _ in range(14):
        assert await attempt(db, clock) == 0
        wait = await attempt(db, clock) if len(waits) >= 3 else 0
        waits.append(wait)
        clock.advance(timedelta(seconds=wait))
    assert waits == [0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]


async def test_asking_again_too_early_does_not_make_it_longer(db: Database, clock: SetClock) -> None:
    for _ in range(4):
        await attempt(db, clock)
    assert [await attempt(db, clock) for _ in range(5)] == [5] * 5
    clock.advance(FIRST)
    assert await attempt(db, clock) == 0


async def test_many_at_once_are_many(db: Database, clock: SetClock) -> None:
    let_through = [wait for wait in await asyncio.gather(*(attempt(db, clock) for _ in range(12))) if wait == 0]
    assert len(let_through) == 4


async def test_others_do_not_wait(db: Database, clock: SetClock) -> None:
    for _ in range(6):
        await attempt(db, clock)
    assert await attempt(db, clock, "somebody else") == 0


async def test_success_and_a_quiet_day_begin_anew(db: Database, clock: SetClock) -> None:
    for _ in range(6):
        await attempt(db, clock)
    async with db.write() as conn:
        await throttle.forgive(conn, "somebody")
    assert [await attempt(db, clock) for _ in range(5)] == [0, 0, 0, 0, 5]
    clock.advance(timedelta(days=1, seconds=1))
    assert [await attempt(db, clock) for _ in range(5)] == [0, 0, 0, 0, 5]


async def test_what_is_long_past_is_deleted(db: Database, clock: SetClock) -> None:
    await attempt(db, clock)
    async with db.write() as conn:
        assert await accounts.delete_expired(conn, before=clock.now() + timedelta(days=1)) == 0
        assert await accounts.delete_expired(conn, before=clock.now() + timedelta(days=1, seconds=1)) == 1
