"""Versions of the ladders: of two who save at the same moment, the second sees what the first has saved."""

from __future__ import annotations

import asyncio

from escalation import store
from helpline.database import Database
from tests.conftest import NINE
from tests.escalation.stored import a_policy


async def test_whoever_saves_second_sees_what_the_first_has_saved(db: Database) -> None:
    async with db.write() as conn:
        await store.save_ladders(conn, definition=a_policy([[3, ["asha"]]]), now=NINE, saved_by="test")
        (seen,) = await store.ladder_history(conn, limit=1)
    first_has_it, go_on = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with db.write() as conn:
            (newest,) = await store.ladder_history(conn, limit=1, lock=True)
            assert newest.id == seen.id
            first_has_it.set()
            await go_on.wait()
            await store.save_ladders(conn, definition=a_policy([[4, ["asha"]]]), now=NINE, saved_by="first")

    async def second() -> str:
        await first_has_it.wait()
        async with db.write() as conn:
            (newest,) = await store.ladder_history(conn, limit=1, lock=True)
            return newest.saved_by

    saving, looking = asyncio.create_task(first()), asyncio.create_task(second())
    await first_has_it.wait()
    asyncio.get_running_loop().call_later(0.2, go_on.set)  # the second waits for the lock by then
    await saving
    assert await looking == "first"
