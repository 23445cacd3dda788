"""Another process (`varde staff invite`, `varde check`) may come and go beside the running line; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from helpline.database import Database

NEIGHBOUR = """
import asyncio, sys
from sqlalchemy import text
from helpline.database import Database

async def main():
    db = Database.connect(sys.argv[1])
    async with db.write() as conn:
        await conn.execute(text("INSERT INTO note VALUES ('neighbour')"))
    async with db.read() as conn:
        print((await conn.execute(text("SELECT count(*) FROM note"))).scalar_one())
    await db.dispose()

asyncio.run(main())
"""


async def visit(url: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        NEIGHBOUR,
        url,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return int(said)


async def test_a_neighbour_comes_and_goes_and_nothing_is_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'varde.db'}"
    db = Database.connect(url)
    async with db.write() as conn:
        await conn.execute(text("CREATE TABLE note (words TEXT)"))
    async with db.read() as conn, db.read() as other:  # more than one connection of ours stands open
        await conn.execute(text("SELECT 1"))
        await other.execute(text("SELECT 1"))
    for visits in (1, 2):
        assert await visit(url) == 2 * visits - 1
        async with db.write() as conn:
            await conn.execute(text("INSERT INTO note VALUES ('ours')"))
        async with db.read() as conn:
            assert (await conn.execute(text("SELECT count(*) FROM note"))).scalar_one() == 2 * visits
    await db.dispose()
    with sqlite3.connect(tmp_path / "varde.db") as left:
        assert left.execute("SELECT count(*) FROM note").fetchone() == (4,)
    left.close()


@pytest.mark.parametrize("existing", [True, False])
async def test_only_the_owner_may_read_the_file(existing: bool, tmp_path: Path) -> None:
    path = tmp_path / "varde.db"
    if existing:
        path.touch(mode=0o600)
    db = Database.connect(f"sqlite:///{path}")
    async with db.write() as conn:
        await conn.execute(text("CREATE TABLE note (words TEXT)"))
    assert path.stat().st_mode & 0o077 == 0
    await db.dispose()
