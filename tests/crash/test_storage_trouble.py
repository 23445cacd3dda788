"""A full disk and a locked database: the provider hears no, and nothing that it heard yes to is lost."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import aiohttp
import asyncpg
import pytest
from sqlalchemy import make_url

from bot.delivery import _STORAGE_PAUSES
from helpline import outbox
from tests.crash.line import Stage, from_telegram, until
from tests.crash.proofs import chain_holds, settled

A_QUESTION = "Har pasienten rett til gratis advokat?"


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_full_disk_takes_nothing_in_and_loses_nothing(stage: Stage) -> None:
    line = await stage.start()
    await stage.post(line, *(from_telegram(7700901000 + n, A_QUESTION, n) for n in range(5)))
    await settled(stage, line)
    assert not stage.unheard

    # No file may grow any more: what a disk without room says to whoever writes.
    biggest = max(path.stat().st_size for path in stage.folder.glob("varde.db*"))
    usual = resource.prlimit(line.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(line.pid, resource.RLIMIT_FSIZE, (biggest, usual[1]))
    # Those that still fit into the log are taken in; sooner or later there is no room.
    number = 100
    while not stage.unheard:
        await stage.post(line, *(from_telegram(7700901000 + n, A_QUESTION, n) for n in range(number, number + 10)))
        number += 10
        assert number < 2000, "the disk does not fill"
    assert await status(f"{line.url}/healthz") == 200

    resource.prlimit(line.pid, resource.RLIMIT_FSIZE, usual)
    async with asyncio.timeout(120):
        while stage.unheard:
            await asyncio.sleep(0.2)
            await stage.post(line)
    # What went out and could not be noted is noted within seconds; only what could not be is in doubt after its lease.
    with contextlib.suppress(AssertionError):
        await until(lambda: nothing_under_way(stage), sum(_STORAGE_PAUSES), lambda: "")
    stage.let_leases_run_out()
    await settled(stage, line)
    assert await status(f"{line.url}/readyz") == 200
    # Everybody was greeted and answered, those who were turned away at first too; again only what was in doubt.
    told = Counter(taken.to for taken in stage.provider.taken)
    assert told.keys() == {str(7700901000 + n) for n in [*range(5), *range(100, number)]}
    assert min(told.values()) == 2
    again = (await stage.figures(line)).get('varde_sent_again_total{channel="telegram"}', 0)
    assert sum(told.values()) - 2 * len(told) <= again
    assert await line.stop() == 0
    await chain_holds(stage)


async def nothing_under_way(stage: Stage) -> bool:
    async with stage.db.read() as conn:
        return not (await outbox.backlog(conn)).sending


async def test_a_locked_database_is_waited_for_and_then_said_no(stage: Stage) -> None:
    line = await stage.start()
    await stage.post(line, from_telegram(7700901001, A_QUESTION, 1))
    await settled(stage, line)
    async with locked(stage):
        posting = asyncio.create_task(stage.post(line, from_telegram(7700901002, A_QUESTION, 2)))
        # Meanwhile the process is not stuck: it answers whoever asks whether it is alive.
        meanwhile = 0
        while not posting.done():
            assert await status(f"{line.url}/healthz") == 200
            meanwhile += not posting.done()
            await asyncio.sleep(0.1)
        await posting
        assert len(stage.unheard) == 1
        assert meanwhile > 1
    await stage.post(line)
    assert not stage.unheard
    stage.let_leases_run_out()
    await settled(stage, line)
    assert [taken.to for taken in stage.provider.taken].count("7700901002") == 2
    assert await line.stop() == 0
    await chain_holds(stage)


@asynccontextmanager
async def locked(stage: Stage) -> AsyncIterator[None]:
    """Somebody else's program holds the database."""
    url = make_url(stage.database_url)
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        with closing(sqlite3.connect(url.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    conn = await asyncpg.connect(
        user=url.username,
        password=url.password or None,
        host=url.query.get("host", url.host),
        port=url.port,
        database=url.database,
    )
    try:
        async with conn.transaction():
            await conn.execute("LOCK TABLE inbound IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await conn.close()


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
