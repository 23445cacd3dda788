"""Write the next step: `python -m helpline.migrations PACKAGE "what it does"`.

It takes the steps so far in an empty SQLite database, compares that with the tables in the models of PACKAGE, and
writes the difference as the next numbered file. Read it before it lands: triggers and data are for you to write.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection
from sqlmodel import SQLModel

from helpline import migrations
from helpline.database import Database


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
    number = 1 + max(int(script.revision) for script in migrations.scripts().walk_revisions())
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    settings.set_main_option("file_template", f"%%(rev)s_{slug}")
    made = command.revision(settings, message=message, autogenerate=True, rev_id=f"{number:04d}")
    return [script.path for script in (made if isinstance(made, list) else [made]) if script is not None]


async def _main(package: str, message: str) -> None:
    migrations.load_models()
    with tempfile.TemporaryDirectory() as folder:
        db = Database.connect(f"sqlite:///{Path(folder) / 'empty.db'}")
        try:
            async with db.write() as conn:
                for path in await conn.run_sync(_write, package, message):
                    print(path)
        finally:
            await db.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in migrations.PACKAGES:
        sys.exit(f'Usage: python -m helpline.migrations {{{"|".join(migrations.PACKAGES)}}} "what the step does"')
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
