"""Write the next step: `python -m helpline.migrations PACKAGE "what it does"`.

It takes the steps so far in an empty SQLite database, compares that with the tables in the models of PACKAGE, and
writes the difference as the next numbered file. Read it before it lands: triggers and data are for you to write.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection
from sqlmodel import SQLModel

from helpline import migrations
from helpline.bell import Bell
from helpline.sqlite import SqliteStore


def _tables_of(package: str) -> set[str]:
    mappers = SQLModel._sa_registry.mappers
    return {mapper.local_table.name for mapper in mappers if mapper.class_.__module__.split(".", 1)[0] == package}  # type: ignore[attr-defined]


def _write(connection: Connection, package: str, message: str) -> list[str]:
    migrations.upgrade(connection)
    tables = _tables_of(package)

    def belongs(item: Any, name: str | None, kind: str, reflected: bool, _compare_to: Any) -> bool:
        # What is in the database and in no model of this package is another package's, not something to drop.
        return kind != "table" or (name in tables and not (reflected and _compare_to is None))

    settings = migrations.config()
    settings.attributes["connection"] = connection
    settings.attributes["include_object"] = belongs
    number = 1 + int(migrations.steps()[-1])
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    settings.set_main_option("file_template", f"%%(rev)s_{slug}")

    def keep_only_differences(_context: Any, _revision: Any, directives: list[Any]) -> None:
        if directives[0].upgrade_ops.is_empty():
            directives.clear()

    made = command.revision(
        settings,
        message=message,
        autogenerate=True,
        rev_id=f"{number:04d}",
        process_revision_directives=keep_only_differences,
    )
    return [script.path for script in (made if isinstance(made, list) else [made]) if script is not None]


async def _make(package: str, message: str) -> list[str]:
    migrations.load_models()
    with tempfile.TemporaryDirectory() as folder:
        db = SqliteStore(Path(folder) / "empty.db", Bell(), readers=1, patience=timedelta(seconds=5))
        try:
            async with db.write() as conn:
                return await conn.run_sync(_write, package, message)
        finally:
            await db.dispose()


def main() -> None:
    """Write the step and say where it is."""
    if len(sys.argv) != 3 or sys.argv[1] not in migrations.PACKAGES:
        sys.exit(f'Usage: python -m helpline.migrations {{{"|".join(migrations.PACKAGES)}}} "what the step does"')
    made = asyncio.run(_make(sys.argv[1], sys.argv[2]))
    if not made:
        print(f"The tables of {sys.argv[1]} are what the steps so far make.")
    for path in made:
        # The generator writes long lines and quotation marks of its own taste.
        subprocess.run([sys.executable, "-m", "ruff", "format", "-q", path], check=False)  # noqa: S603
        print(path)


if __name__ == "__main__":
    main()
