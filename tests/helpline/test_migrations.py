"""All steps together make the tables that the models describe, on both databases."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from helpline import migrations
from helpline.database import Database


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": SQLModel.metadata})
    return list(compare_metadata(context, SQLModel.metadata))


async def test_the_steps_together_equal_the_models(db: Database) -> None:
    """If this fails, a model changed without its step: `python -m helpline.migrations PACKAGE "what it does"`."""
    migrations.load_models()
    async with db.read() as conn:
        found = await conn.run_sync(differences)
    shown = sorted({str(difference)[:90] for difference in found})
    assert shown == []


def test_the_steps_are_one_line_and_numbered_without_a_hole() -> None:
    """If this fails, two steps were written at once: give the later one the next number and `down_revision`."""
    scripts = ScriptDirectory.from_config(migrations.config())
    assert len(scripts.get_heads()) == 1
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    assert line == [f"{number:04d}" for number in range(1, len(line) + 1)]
    assert tuple(line) == migrations.steps()


async def test_migrating_twice_changes_nothing(db: Database) -> None:
    await db.migrate()
    assert await db.prepared()


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    some = [Database.connect(database_url) for _ in range(3)]
    async with some[0].write() as conn:
        await conn.execute(text("CREATE TABLE witness (id INTEGER)"))
    await asyncio.gather(*(db.migrate() for db in some))
    for db in some:
        assert (await db.health()).ready
        await db.dispose()


async def test_a_database_of_a_newer_version_is_left_alone(db: Database) -> None:
    async with db.write() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await db.migrate()
    assert (await db.health()).ready


async def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = Database.connect(f"sqlite:///{tmp_path / 'varde.db'}")
    from alembic import command

    real = command.upgrade

    def breaks(*given: Any) -> None:
        real(*given)
        raise KeyError("half way")

    monkeypatch.setattr(command, "upgrade", breaks)
    with pytest.raises(KeyError):
        await db.migrate()
    assert not await db.prepared()
    monkeypatch.undo()
    await db.migrate()
    assert await db.prepared()
    await db.dispose()


def test_the_maker_of_steps_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "helpline.migrations", "nobody", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "what the step does" in done.stderr
