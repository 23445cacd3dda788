"""Run by `test_durability.py` in a process of its own: writes for ever, and says what it was told is on disk."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

from sqlalchemy import insert

from helpline.database import Database, table_of
from helpline.vault import SubjectKeyRow

keys = table_of(SubjectKeyRow)


async def write(db: Database, name: str) -> None:
    for number in itertools.count():
        subject = f"{name}:{number}"
        async with db.write() as conn:
            await conn.execute(insert(keys), {"subject": subject, "wrapped": b"x"})
            await conn.execute(insert(keys), {"subject": f"twin of {subject}", "wrapped": b"x"})
        os.write(1, f"{subject}\n".encode())


async def main(url: str) -> None:
    db = Database.connect(url)
    async with asyncio.TaskGroup() as group:
        for name in "abcdefghijkl":
            group.create_task(write(db, name))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
