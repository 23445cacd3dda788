"""Work is held by one worker at a time, and falls due again when its worker is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select

from helpline import lease
from helpline.database import Database, UtcDateTime

T = TypeVar("T")

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)

work = Table(
    "work",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("due_at", UtcDateTime),
    Column("lease_token", String),
    Column("note", String, nullable=False, server_default=""),
)


async def prepare(db: Database, *due: datetime | None) -> None:
    async with db.write() as conn:
        await conn.run_sync(work.metadata.create_all)
        for number, instant in enumerate(due, start=1):
            await conn.execute(insert(work).values(id=number, due_at=instant))


async def stored(db: Database) -> dict[int, tuple[datetime | None, str | None, str]]:
    async with db.read() as conn:
        return {row.id: (row.due_at, row.lease_token, row.note) for row in await conn.execute(select(work))}


async def claim(db: Database, now: datetime, limit: int = 10, **more: Any) -> list[Any]:
    async with db.write() as conn:
        return await lease.claim(conn, work, now=now, lease=LEASE, limit=limit, **more)


async def test_due_rows_are_claimed_longest_waiting_first(db: Database) -> None:
    await prepare(db, NINE, NINE - timedelta(minutes=2), NINE + timedelta(seconds=1), None, NINE - timedelta(minutes=1))
    first = await claim(db, NINE, limit=2)
    assert [row.id for row in first] == [2, 5]
    assert all(row.lease_token and row.due_at == NINE + LEASE for row in first)
    assert [row.id for row in await claim(db, NINE)] == [1]
    assert await claim(db, NINE) == []


async def test_only_rows_that_are_asked_for_are_claimed(db: Database) -> None:
    await prepare(db, NINE, NINE, NINE)
    assert [row.id for row in await claim(db, NINE, where=work.c.id != 2, order_by=(work.c.id.desc(),))] == [3, 1]


async def test_a_finished_row_waits_for_nothing_unless_told(db: Database) -> None:
    await prepare(db, NINE, NINE)
    one, two = await claim(db, NINE)
    later = NINE + timedelta(hours=1)
    async with db.write() as conn:
        assert await lease.finish(conn, work, one.id, one.lease_token, {"note": "done"})
        assert await lease.finish(conn, work, two.id, two.lease_token, {"due_at": later})
        assert not await lease.finish(conn, work, one.id, one.lease_token, {"note": "twice"})
    assert await stored(db) == {1: (None, None, "done"), 2: (later, None, "")}
    async with db.read() as conn:
        assert await lease.next_due(conn, work) == later
        assert await lease.next_due(conn, work, work.c.id == 1) is None


async def test_claimers_at_one_instant_share_the_work(db: Database) -> None:
    await prepare(db, *[NINE] * 40)
    taken = await asyncio.gather(*(claim(db, NINE, limit=7) for _ in range(8)))
    ids = [row.id for rows in taken for row in rows]
    assert len(ids) == len(set(ids))
    rest = await claim(db, NINE, limit=100)
    assert sorted([*ids, *(row.id for row in rest)]) == list(range(1, 41))


async def test_a_claim_that_was_never_committed_holds_nothing(db: Database) -> None:
    await prepare(db, NINE)
    try:
        async with db.write() as conn:
            assert await lease.claim(conn, work, now=NINE, lease=LEASE, limit=1)
            raise KeyError
    except KeyError:
        pass
    assert [row.id for row in await claim(db, NINE)] == [1]


@dataclass(frozen=True)
class Held:
    """What a worker believes to hold."""

    row: int
    token: str
    until: datetime


class Workers(RuleBasedStateMachine):
    """Workers that claim, finish, extend, die and wake again, and a model of who holds what."""

    database: Database
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.now = NINE
        self.due: dict[int, datetime | None] = {}
        self.token: dict[int, str | None] = {}
        self.note: dict[int, str] = {}
        self.counted = 0
        self.run(self.empty())

    held = Bundle("held")

    def run(self, work_to_do: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work_to_do)

    async def empty(self) -> None:
        async with self.database.write() as conn:
            await conn.execute(delete(work))

    @rule(wait=st.integers(-30, 90))
    def add(self, wait: int) -> None:
        self.counted += 1
        due = self.now + timedelta(seconds=wait)
        self.due[self.counted], self.token[self.counted], self.note[self.counted] = due, None, ""

        async def insert_row() -> None:
            async with self.database.write() as conn:
                await conn.execute(insert(work).values(id=self.counted, due_at=due))

        self.run(insert_row())

    @rule(seconds=st.integers(1, 80))
    def let_time_pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=held, limit=st.integers(1, 3))
    def claim_some(self, limit: int) -> Any:
        due = sorted((at, row) for row, at in self.due.items() if at is not None and at <= self.now)
        rows = self.run(claim(self.database, self.now, limit=limit))
        assert [row.id for row in rows] == [row for _, row in due[:limit]]
        for row in rows:
            assert row.lease_token not in self.token.values(), "a token was given out twice"
        for row in rows:
            self.due[row.id], self.token[row.id] = self.now + LEASE, row.lease_token
        return multiple(*(Held(row.id, row.lease_token, self.now + LEASE) for row in rows))

    @rule(mine=held, again=st.one_of(st.none(), st.integers(0, 60)))
    def finish_or_try_to(self, mine: Held, again: int | None) -> None:
        """Also long after the lease, also twice, also after another worker took the row."""
        due = None if again is None else self.now + timedelta(seconds=again)
        note = f"finished by {mine.token}"

        async def finish() -> bool:
            async with self.database.write() as conn:
                return await lease.finish(conn, work, mine.row, mine.token, {"due_at": due, "note": note})

        still_mine = self.token[mine.row] == mine.token
        assert self.run(finish()) == still_mine
        if still_mine:
            self.due[mine.row], self.token[mine.row], self.note[mine.row] = due, None, note

    @rule(target=held, mine=consumes(held))
    def extend_or_try_to(self, mine: Held) -> Held:
        async def extend() -> bool:
            async with self.database.write() as conn:
                return await lease.extend(conn, work, mine.row, mine.token, now=self.now, lease=LEASE)

        still_mine = self.token[mine.row] == mine.token
        assert self.run(extend()) == still_mine
        if still_mine:
            self.due[mine.row] = self.now + LEASE
            return Held(mine.row, mine.token, self.now + LEASE)
        return mine

    @rule(mine=consumes(held))
    def die(self, mine: Held) -> None:
        """Nothing is told to anybody; the row falls due again by itself, which `claim_some` checks."""

    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        assert self.run(stored(self.database)) == {
            row: (self.due[row], self.token[row], self.note[row]) for row in self.due
        }


def test_never_two_holders_and_never_a_lost_row(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database.connect(database_url)
        runner.run(prepare(database))
        machine = type("Machine", (Workers,), {"database": database, "runner": runner})
        try:
            run_state_machine_as_test(
                machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None)
            )
        finally:
            runner.run(database.dispose())
