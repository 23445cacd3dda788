"""What was said to be on disk is there after a kill, and no transaction is there by half.

A killed process loses nothing that the kernel has, so this shows that we never say "kept" too early and never tear a
transaction that shares its commit with others. That a power cut loses nothing rests on `synchronous=FULL`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from helpline.database import Database, table_of
from helpline.vault import SubjectKeyRow

keys = table_of(SubjectKeyRow)


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
async def test_what_was_acknowledged_survives_a_kill(db: Database, database_url: str, acknowledged: int) -> None:
    writer = [sys.executable, "-m", "tests.helpline.durable_writer", database_url]
    process = subprocess.Popen(writer, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(acknowledged)]
    process.kill()
    told += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    said = {line.decode().strip() for line in told if line.endswith(b"\n")}
    assert len(said) >= acknowledged

    async with db.read() as conn:
        kept = {row.subject for row in await conn.execute(select(keys.c.subject))}
    assert said <= kept
    assert {f"twin of {subject}" for subject in kept if ":" in subject and not subject.startswith("twin")} <= kept
    async with db.write() as conn:
        await conn.execute(keys.insert(), {"subject": "afterwards", "wrapped": b"x"})
    if db.dialect == "sqlite":
        async with db.read() as conn:
            assert (await conn.execute(text("PRAGMA integrity_check"))).scalar_one() == "ok"
