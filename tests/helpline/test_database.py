"""Storage keeps what it said it kept, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from helpline.clock import SetClock
from helpline.database import (
    ClockTrouble,
    Database,
    StorageBusy,
    StorageFull,
    StorageGone,
    after_commit,
    insert_once,
    table_of,
    wake,
)
from helpline.outbox import EarlyReportRow
from helpline.vault import SubjectKeyRow

keys = table_of(SubjectKeyRow)
reports = table_of(EarlyReportRow)

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


async def put(db: Database, subject: str) -> None:
    async with db.write() as conn:
        await conn.execute(insert(keys).values(subject=subject, wrapped=b"x"))


async def subjects(db: Database) -> set[str]:
    async with db.read() as conn:
        return {row.subject for row in await conn.execute(select(keys.c.subject))}


async def test_a_write_is_there_when_the_block_is_left(db: Database) -> None:
    await put(db, "a")
    assert await subjects(db) == {"a"}


async def test_a_block_that_raises_leaves_nothing(db: Database) -> None:
    with pytest.raises(KeyError):
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject="a", wrapped=b"x"))
            raise KeyError("no")
    assert await subjects(db) == set()
    await put(db, "b")
    assert await subjects(db) == {"b"}


async def test_many_writers_at_once_all_keep_their_work(db: Database) -> None:
    async def one(number: int) -> None:
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject=f"s{number}", wrapped=b"x"))
            await asyncio.sleep(0)
            if number % 5 == 0:
                raise KeyError(number)
        async with db.read() as conn:
            found = await conn.execute(select(keys.c.subject).where(keys.c.subject == f"s{number}"))
            assert found.one_or_none() is not None, "a write was over before it could be read"

    done = await asyncio.gather(*(one(number) for number in range(60)), return_exceptions=True)
    assert [number for number, result in enumerate(done) if isinstance(result, KeyError)] == list(range(0, 60, 5))
    assert not [result for result in done if isinstance(result, Exception) and not isinstance(result, KeyError)]
    assert await subjects(db) == {f"s{number}" for number in range(60) if number % 5}


async def test_a_broken_constraint_is_told_to_its_writer_alone(db: Database) -> None:
    async def one(number: int) -> None:
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject=f"s{number % 10}", wrapped=b"x"))

    done = await asyncio.gather(*(one(number) for number in range(30)), return_exceptions=True)
    assert sum(isinstance(result, IntegrityError) for result in done) == 20
    assert len(await subjects(db)) == 10


async def test_a_cancelled_writer_leaves_nothing_and_holds_nobody_up(db: Database) -> None:
    inside = asyncio.Event()

    async def slow() -> None:
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject="slow", wrapped=b"x"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(slow())
    await inside.wait()
    others = [asyncio.create_task(put(db, f"s{number}")) for number in range(5)]
    await asyncio.sleep(0)
    others[2].cancel()
    task.cancel()
    results = await asyncio.gather(task, *others, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    kept = await subjects(db)
    assert "slow" not in kept
    assert {"s0", "s1", "s3", "s4"} <= kept


async def test_writers_cancelled_at_every_moment_never_lock_the_door(db: Database) -> None:
    for ticks in range(25):
        tasks = [asyncio.create_task(put(db, f"{ticks}-{number}")) for number in range(4)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        tasks[ticks % 4].cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        kept = await subjects(db)
        for number, result in enumerate(results):
            if result is None:
                assert f"{ticks}-{number}" in kept
            else:
                assert isinstance(result, asyncio.CancelledError)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_write_inside_a_write_is_refused_rather_than_waited_for(db: Database) -> None:
    with pytest.raises(RuntimeError, match="inside a write"):
        async with db.write(), db.write():
            pass
    await put(db, "a")


async def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only|no room|may not be written"):
        async with db.read() as conn:
            await conn.execute(insert(keys).values(subject="a", wrapped=b"x"))
    assert await subjects(db) == set()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # the other reads what is committed at each statement
async def test_a_reader_sees_one_moment(db: Database) -> None:
    await put(db, "a")
    async with db.read() as conn:
        assert len((await conn.execute(select(keys))).all()) == 1
        await put(db, "b")
        assert len((await conn.execute(select(keys))).all()) == 1


async def test_a_long_read_is_moved_to_the_thread_and_reads_the_same(db: Database) -> None:
    count = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT sum(i) FROM n"
    )
    async with db.read() as conn:
        assert (await conn.execute(count)).scalar_one() == 200000 * 200001 // 2
        assert (await conn.execute(select(keys))).all() == []


async def test_instants_come_back_in_utc_to_the_microsecond(db: Database) -> None:
    oslo = timezone(timedelta(hours=1))
    instants = [
        datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 11, 22, 9, 0, tzinfo=oslo),
        datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC),
    ]
    async with db.write() as conn:
        for number, instant in enumerate(instants):
            values = {"channel": "sms", "provider_message_id": str(number), "state": "delivered", "error": ""}
            await conn.execute(insert(reports).values(at=instant, **values))
    async with db.read() as conn:
        rows = (await conn.execute(select(reports.c.at).order_by(reports.c.at))).scalars().all()
    assert rows == sorted(instants)
    assert all(row.tzinfo is UTC or row.utcoffset() == timedelta(0) for row in rows)


async def test_an_instant_without_a_zone_is_refused_and_a_wrong_clock_is_named(db: Database) -> None:
    values = {"channel": "sms", "provider_message_id": "1", "state": "delivered", "error": ""}
    with pytest.raises(StatementError, match="without a zone"):
        async with db.write() as conn:
            await conn.execute(insert(reports).values(at=datetime(2026, 1, 1), **values))  # noqa: DTZ001
    with pytest.raises(ClockTrouble, match="1970"):
        async with db.write() as conn:
            await conn.execute(insert(reports).values(at=datetime(1970, 1, 1, tzinfo=UTC), **values))


async def test_insert_once_inserts_once(db: Database) -> None:
    async def one() -> object:
        async with db.write() as conn:
            return await insert_once(
                conn, keys, {"subject": "a", "wrapped": b"x"}, unique=["subject"], returning="subject"
            )

    assert sorted(map(str, await asyncio.gather(*(one() for _ in range(8))))) == ["None"] * 7 + ["a"]


async def test_after_commit_is_called_once_it_is_on_disk_and_never_otherwise(db: Database) -> None:
    called: list[str] = []
    async with db.write() as conn:
        after_commit(conn, lambda: called.append("kept"))
        db.after_commit(conn, lambda: called.append("kept too"))
        assert called == []
    with pytest.raises(KeyError):
        async with db.write() as conn:
            after_commit(conn, lambda: called.append("lost"))
            raise KeyError
    assert called == ["kept", "kept too"]


async def test_a_callback_that_fails_keeps_nobody_from_hearing(db: Database) -> None:
    called: list[str] = []
    async with db.write() as conn:
        after_commit(conn, lambda: called.remove("x"))
        after_commit(conn, lambda: called.append("heard"))
    assert called == ["heard"]


async def test_waiting_ends_when_the_topic_is_woken_and_not_before_the_commit(db: Database) -> None:
    assert await db.wait("outbox", 5)  # the first look never sleeps
    while await db.wait("outbox", 0.2):
        pass  # PostgreSQL rings once more when it begins to listen
    waiting = asyncio.create_task(db.wait("outbox", timedelta(seconds=5)))
    async with db.write():
        db.wake("outbox")
        await asyncio.sleep(0.02)
        assert not waiting.done()
    assert await waiting
    assert not await db.wait("outbox", 0.01)


async def test_what_is_taken_back_wakes_nobody(db: Database) -> None:
    with db.watch("outbox") as watch:
        await watch.wait(0.2)  # PostgreSQL rings once when it begins to listen
        with pytest.raises(KeyError):
            async with db.write() as conn:
                wake(conn, "outbox")
                raise KeyError
        assert not await watch.wait(0.02)


async def test_everyone_who_watches_is_woken(db: Database) -> None:
    with db.watch("a", "b") as one, db.watch("b") as two, db.watch("c") as three:
        for watch in (one, two, three):
            await watch.wait(0.2)
        async with db.write() as conn:
            wake(conn, "b")
        assert await one.wait(5)
        assert await two.wait(5)
        assert not await three.wait(0.02)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_another_process_is_woken_too(db: Database, database_url: str) -> None:
    other = Database.connect(database_url)
    try:
        with other.watch("outbox", "desk") as watch:
            await watch.wait(2)  # it rings once it listens
            async with db.write() as conn:
                wake(conn, "desk")
            assert await watch.wait(5)
    finally:
        await other.dispose()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_command_that_ends_at_once_still_wakes_the_others(db: Database, database_url: str) -> None:
    with db.watch("outbox") as watch:
        await watch.wait(2)
        command = Database.connect(database_url)
        async with command.write() as conn:
            wake(conn, "outbox")
        await command.dispose()
        assert await watch.wait(5)


async def test_waking_needs_a_write(db: Database) -> None:
    with pytest.raises(RuntimeError):
        db.wake("outbox")
    async with db.read() as conn:
        with pytest.raises(RuntimeError):
            wake(conn, "outbox")
    async with db.write():
        with pytest.raises(ValueError):
            db.wake("x" * 300)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_full_disk_is_named_and_everyone_in_the_group_is_told(db: Database) -> None:
    await put(db, "before")
    async with db.write() as conn:
        pages = (await conn.execute(text("PRAGMA page_count"))).scalar_one()
        await conn.execute(text(f"PRAGMA max_page_count = {pages + 3}"))

    async def one(number: int) -> None:
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject=f"s{number}", wrapped=b"x" * 3000))

    done = await asyncio.gather(*(one(number) for number in range(12)), return_exceptions=True)
    kept = await subjects(db)
    for number, result in enumerate(done):
        if result is None:
            assert f"s{number}" in kept
        else:
            assert isinstance(result, StorageFull)
            assert f"s{number}" not in kept
    assert any(isinstance(result, StorageFull) for result in done)
    async with db.write() as conn:
        await conn.execute(text("PRAGMA max_page_count = 1000000"))
    await put(db, "after")
    assert "after" in await subjects(db)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_locked_database_is_named_and_later_works_again(database_url: str) -> None:
    db = Database.connect(database_url, patience=timedelta(milliseconds=50))
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(put(db, f"s{number}") for number in range(3)), return_exceptions=True)
        assert all(isinstance(result, StorageBusy) for result in results)
        assert (await db.health()).problems == ("Another process is holding the database.",)
        other.execute("ROLLBACK")
        await put(db, "later")
        assert await subjects(db) == {"later"}
    finally:
        other.close()
        await db.dispose()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_row_locked_for_too_long_is_named(db: Database, database_url: str) -> None:
    await put(db, "a")
    impatient = Database.connect(database_url, patience=timedelta(milliseconds=100))
    try:
        async with db.write() as conn:
            await conn.execute(select(keys).with_for_update())
            with pytest.raises(StorageBusy):
                async with impatient.write() as other:
                    await other.execute(select(keys).with_for_update())
    finally:
        await impatient.dispose()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_lost_connection_is_named_and_the_next_work_goes_through(db: Database) -> None:
    with pytest.raises(StorageGone):
        async with db.write() as conn:
            await conn.execute(insert(keys).values(subject="lost", wrapped=b"x"))
            pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with db.read() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({pid})"))
    await put(db, "next")
    assert await subjects(db) == {"next"}


async def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}", "postgresql://nobody@127.0.0.1:1/none"):
        db = Database.connect(url, patience=timedelta(seconds=1))
        with pytest.raises(StorageGone):
            async with db.write():
                pass
        assert not (await db.health()).ready
        await db.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "not an address"])
def test_an_address_we_cannot_use_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Database.connect(url)


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "varde.db"
    db = Database.connect(f"sqlite:///{path}")
    assert not await db.prepared()
    assert not path.parent.exists(), "asking made something"
    await db.migrate()
    assert await db.prepared()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert all(side.stat().st_mode & 0o077 == 0 for side in path.parent.iterdir())
    await db.dispose()


async def test_health_says_what_is_wrong(db: Database, make_database_url: Callable[[], str]) -> None:
    assert (await db.health()).ready
    async with db.write() as conn:
        await conn.execute(text("DROP TABLE alembic_version"))
    health = await db.health()
    assert not health.ready
    assert "varde migrate" in health.problems[0]
    assert not await db.prepared()


async def test_tidying_disturbs_nothing(db: Database, clock: SetClock) -> None:
    await put(db, "a")
    async with db.read() as conn:
        await conn.execute(select(keys))
        await db.tidy()
    await db.tidy()
    assert await subjects(db) == {"a"}


async def test_tidying_waits_for_who_shares_a_commit(db: Database) -> None:
    async def write_some(name: str) -> None:
        for number in range(20):
            await put(db, f"{name}{number}")

    async with asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(write_some(name))
        for _ in range(10):
            await asyncio.sleep(0)
            await db.tidy()
    assert len(await subjects(db)) == 80
