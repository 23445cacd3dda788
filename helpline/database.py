"""The one door to storage: SQLite beside us, or PostgreSQL shared by many; the address alone decides.

    async with db.write() as conn:      # one transaction, on disk when the block is left
        ...
    async with db.read() as conn:       # a snapshot

What goes wrong in storage itself comes out as a `StorageError` (`StorageFull`, `StorageBusy`, `StorageGone`,
`ClockTrouble`), raised before anything was acknowledged: nothing of that transaction was kept.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import migrations
from helpline.bell import Bell, Watch
from helpline.postgres import PostgresStore
from helpline.sqlite import SqliteStore
from helpline.storage import (
    AfterCommit,
    BeforeCommit,
    BigId,
    ClockTrouble,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageGone,
    UtcDateTime,
    after_commit,
    before_commit,
    current_transaction,
    insert_once,
    rows_touched,
    table_of,
    wake,
)

__all__ = [
    "AfterCommit",
    "BeforeCommit",
    "BigId",
    "ClockTrouble",
    "Database",
    "Health",
    "StorageBusy",
    "StorageError",
    "StorageFull",
    "StorageGone",
    "UtcDateTime",
    "Watch",
    "after_commit",
    "before_commit",
    "insert_once",
    "rows_touched",
    "table_of",
    "wake",
]


@dataclass(frozen=True)
class Health:
    """Whether storage can take a message now, and in plain sentences what is wrong where it cannot."""

    problems: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.problems


class Database:
    """Storage, whichever it is."""

    def __init__(self, store: SqliteStore | PostgresStore, bell: Bell) -> None:
        self._store = store
        self._bell = bell

    @classmethod
    def connect(cls, url: str, *, pool: int = 8, patience: timedelta = timedelta(seconds=5)) -> Database:
        """Storage at this address; nothing is opened before it is used.

        `sqlite:///path` and `postgresql://…` get their drivers. `patience` is how long another's lock is waited for.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ValueError("the database address cannot be understood") from error
        bell = Bell()
        match parsed.get_backend_name():
            case "sqlite":
                if not parsed.database or parsed.database == ":memory:":
                    raise ValueError("SQLite needs a file: sqlite:///path/to/varde.db")
                return cls(SqliteStore(Path(parsed.database), bell, readers=pool, patience=patience), bell)
            case "postgresql":
                return cls(PostgresStore(parsed, bell, pool=pool, patience=patience), bell)
            case other:
                raise ValueError(f"the database must be sqlite or postgresql, not {other}")

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._store.dialect

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that may only read."""
        return self._store.read()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction: on disk when the block is left, nothing of it kept where the block raises.

        On SQLite one runs at a time in a process, so do nothing slow inside: no provider, no network, no sleeping.
        """
        return self._store.write()

    def after_commit(self, conn: AsyncConnection, callback: AfterCommit) -> None:
        """Have `callback` called once this transaction is on disk."""
        after_commit(conn, callback)

    def wake(self, topic: str) -> None:
        """Inside a write: wake those who wait for `topic`, in every process, once it is on disk."""
        current_transaction().wake(topic)

    def nudge(self, topic: str) -> None:
        """Wake those of this process who wait for `topic`, now; for what no transaction brings about."""
        self._bell.ring([topic])

    async def wait(self, topic: str, timeout: timedelta | float) -> bool:  # noqa: ASYNC109 - the timeout is what this is about
        """Wait until `topic` is woken or the time is up (False). For the one loop of a process that works on a topic.

        The first call for a topic returns at once, so a loop never sleeps over what came before it listened.
        """
        self._store.listen()
        return await self._bell.wait(topic, timeout)

    def watch(self, *topics: str) -> Watch:
        """Listen to topics from now on; for each of many who wait for the same (live pages). Use it in a `with`."""
        self._store.listen()
        return self._bell.watch(topics)

    async def prepared(self) -> bool:
        """Whether there is a database with our tables; asking makes none."""
        if not await self._store.exists():
            return False
        async with self.read() as conn:
            return await conn.run_sync(migrations.revision_of) is not None

    async def migrate(self) -> None:
        """Bring the tables to what this version of the code needs; quick where they are."""
        async with self.write() as conn:
            await conn.run_sync(migrations.upgrade)

    async def health(self) -> Health:
        """Whether storage can take a message now; for `/readyz`."""
        try:
            async with asyncio.timeout(5):
                problems = await self._store.problems()
                # A write, though it writes nothing: a locked or read-only database shows here and not while reading.
                async with self.write() as conn:
                    if not await conn.run_sync(migrations.is_current):
                        problems.append("The tables are not those of this version; run varde migrate.")
        except TimeoutError:
            problems = ["The database did not answer within five seconds."]
        except StorageError as error:
            problems = [str(error)]
        return Health(tuple(problems))

    async def tidy(self) -> None:
        """Housekeeping for a quiet hour: clear what deleted rows left on the disk."""
        await self._store.tidy()

    async def dispose(self) -> None:
        """Close every connection; what was committed stays."""
        await self._store.dispose()
