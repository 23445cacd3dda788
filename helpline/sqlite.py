"""The embedded database: SQLite in WAL mode, one writer and a few readers per process.

It promises what the bigger one promises: `write()` returns only when the work is on disk (`synchronous=FULL`), and what
was not said to be written is not there.

Two things here are unusual, and both are about speed:

1. **Statements run on the event loop's own thread.** A statement of ours takes some ten microseconds, and handing it to
   a thread and back takes ten times that. Only what can take long goes to the connection's thread: COMMIT (it waits for
   the disk), BEGIN where another process writes, many rows at once, and a read that has used up its ration.
2. **Writers that are waiting share one commit.** See `_Group`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine

from helpline.bell import Bell
from helpline.storage import (
    StorageError,
    StorageFull,
    StorageGone,
    begin_transaction,
    begin_with,
    connect_error,
    end_transaction,
    raise_named,
    storage_error,
)

T = TypeVar("T")

_PRAGMAS = (
    "PRAGMA synchronous=FULL",  # NORMAL may lose the last commits in a power cut
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",  # else INSERT OR REPLACE would delete past a trigger that forbids deleting
    "PRAGMA secure_delete=ON",  # a deleted key must not stay readable in the file
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
)
_RATION = 40_000  # steps of SQLite's machine, about two milliseconds, that a read may take on the loop's thread
_BUSY, _INTERRUPTED = 5, 9  # SQLITE_BUSY, SQLITE_INTERRUPT
_ROOM_NEEDED = 64 * 1024 * 1024  # bytes free on the disk, below which we say that we are not ready


class Cursor:
    """One statement and its rows, in the shape that SQLAlchemy asks of aiosqlite."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.raw.cursor()
        self._rows: list[Any] = []
        self.arraysize = 1

    async def __aenter__(self) -> Cursor:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Cursor:
        connection = self._connection
        try:
            connection.rationed = not connection.writer
            self._run(operation, parameters)
        except sqlite3.OperationalError as error:
            connection.rationed = False
            if error.sqlite_errorcode == _BUSY and operation.startswith("BEGIN"):
                # Another process writes. The writer itself waits for no lock, lest the whole loop wait with it.
                await connection.in_thread(connection.patiently, self._run, operation, parameters)
            elif error.sqlite_errorcode == _INTERRUPTED:
                # A read in a read transaction sees the same rows when run again: nothing is lost by starting over.
                await connection.in_thread(self._run, operation, parameters)
            else:
                raise
        finally:
            connection.rationed = False
        return self

    async def executemany(self, operation: str, parameters: Sequence[Any]) -> Cursor:
        await self._connection.in_thread(self._cursor.executemany, operation, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any | None:
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        count = size or self.arraysize
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def close(self) -> None:
        self._cursor.close()

    def _run(self, operation: str, parameters: Sequence[Any]) -> None:
        self._cursor.execute(operation, parameters)
        self._rows = self._cursor.fetchall() if self._cursor.description else []


class Connection:
    """A connection in the shape that SQLAlchemy asks of aiosqlite. It runs short statements where they are called."""

    isolation_level = None

    def __init__(self, path: Path, *, writer: bool, patience: timedelta) -> None:
        _make_private(path)
        self.writer = writer
        self._patience = int(patience.total_seconds() * 1000)
        self.rationed = False
        self.raw = sqlite3.connect(
            path,
            timeout=patience.total_seconds(),
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        self._connection: sqlite3.Connection | None = self.raw
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[Any] | None = None
        try:
            for pragma in _PRAGMAS:
                self.raw.execute(pragma)
            if writer:
                self.raw.execute("PRAGMA journal_mode=WAL")
                self.raw.execute("PRAGMA busy_timeout=0")
            else:
                self.raw.execute("PRAGMA query_only=ON")
                self.raw.set_progress_handler(lambda: self.rationed, _RATION)
        except BaseException:
            self.raw.close()
            raise

    def cursor(self) -> Cursor:
        return Cursor(self)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run something that may take long in this connection's own thread, after what already runs there.

        Who is cancelled while waiting leaves it running; what this connection does next queues up behind it.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._last = self._thread.submit(function, *arguments)
        future = asyncio.wrap_future(self._last)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return cast(T, await asyncio.shield(future))

    @property
    def _busy(self) -> bool:
        return self._last is not None and not self._last.done()

    async def commit(self) -> None:
        if self.writer:
            await self.in_thread(self._commit)
        else:
            await self.rollback()

    def _commit(self) -> None:
        # A full or failing disk makes SQLite take the whole transaction back by itself, and Python's commit() says
        # nothing when there is nothing to commit. Without this look a lost message would be acknowledged.
        if not self.raw.in_transaction:
            raise StorageFull("The database took the transaction back.")
        self.raw.execute("COMMIT")

    async def rollback(self) -> None:
        await self._next(self._rollback)

    # Savepoints of a shared commit. SQLAlchemy could set them, at ten times the price.

    def set_savepoint(self) -> None:
        self.raw.execute("SAVEPOINT shared")

    def keep_savepoint(self) -> None:
        self.raw.execute("RELEASE shared")

    async def undo_savepoint(self) -> bool:
        """Take one member's work back; False where SQLite has taken back everything by itself."""
        return await self._next(self._undo_savepoint)

    def _undo_savepoint(self) -> bool:
        if not self.raw.in_transaction:
            return False
        self.raw.execute("ROLLBACK TO shared")
        self.raw.execute("RELEASE shared")
        return True

    async def _next(self, function: Callable[[], T]) -> T:
        """Run something short: here, or behind what still runs in the thread because somebody was cancelled."""
        return await self.in_thread(function) if self._busy else function()

    def _rollback(self) -> None:
        if self.raw.in_transaction:
            self.raw.rollback()

    async def tidy(self) -> None:
        """Fold the write-ahead log into the file and cut it to nothing; a reader in the way is not waited for."""
        await self.in_thread(self._tidy)

    def _tidy(self) -> None:
        self.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.raw.execute("PRAGMA optimize").fetchall()

    def patiently(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run something, in the thread, that may wait for another process's lock."""
        self.raw.execute(f"PRAGMA busy_timeout={self._patience:d}")
        try:
            return function(*arguments)
        finally:
            self.raw.execute("PRAGMA busy_timeout=0")

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self.raw.create_function(*arguments, **options)

    async def close(self) -> None:
        if self._connection is None:
            return
        self._connection = None
        if self._thread is not None:
            await self.in_thread(self.raw.close)
            self._thread.shutdown(wait=False)
        else:
            self.raw.close()

    def stop(self) -> None:
        """Close without a running loop, when a connection is swept up."""
        if self._connection is None:
            return
        self._connection = None
        if self._thread is not None:
            self._thread.shutdown(wait=True)
        self.raw.close()


class _Group:
    """Transactions that share one commit.

    The disk takes a millisecond or more to keep a commit, and one commit can keep many writers' work. The writer who
    finds nobody waiting commits at once, alone. Where others wait, it leaves the transaction open and queues up behind
    them to commit; each of them adds its own work inside a savepoint, and all are told together. Who comes later stands
    behind that commit, so nobody waits for more than those who stood there already.

    1. A member whose own work fails takes back its savepoint; the others do not notice.
    2. Where the commit fails, or SQLite takes everything back on its own, every member is told that it failed.
    3. A member that is cancelled while it waits changes nothing: the commit is made by a task of its own.
    """

    def __init__(self, conn: AsyncConnection, driver: Connection, transaction: AsyncTransaction) -> None:
        self.conn = conn
        self.driver = driver
        self.transaction = transaction
        self.members = 0
        self.shared = False  # a task stands in the queue that will commit it
        self.over = asyncio.Event()
        self.error: StorageError | None = None

    def end(self, error: StorageError | None = None) -> None:
        self.error = error
        self.over.set()


class SqliteStore:
    """One writer, a pool of readers, and the file they share."""

    dialect = "sqlite"

    def __init__(self, path: Path, bell: Bell, *, readers: int, patience: timedelta) -> None:
        self.path = path
        self._bell = bell
        self._lock = asyncio.Lock()
        self._queued = 0
        self._holder: asyncio.Task[Any] | None = None
        self._group: _Group | None = None
        self._writer: AsyncConnection | None = None
        self._driver: Connection | None = None
        self._commits: set[asyncio.Task[None]] = set()
        self._write_engine = _engine(path, writer=True, patience=patience, size=1)
        self._read_engine = _engine(path, writer=False, patience=patience, size=readers)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot to read from."""
        try:
            async with self._read_engine.connect() as conn, conn.begin():
                yield conn
        except Exception as error:
            raise_named(error)
            raise

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, on disk when the block is left."""
        task = asyncio.current_task()
        if task is not None and self._holder is task:
            raise RuntimeError("a write inside a write would wait for itself for ever")
        self._queued += 1
        try:
            await self._lock.acquire()
        finally:
            self._queued -= 1
        self._holder = task
        handed_over = False
        try:
            group = self._group or await self._open()
            joined = False
            note = begin_transaction(group.conn)
            try:
                if group.members:
                    group.driver.set_savepoint()
                    joined = True
                yield group.conn
                await note.prepare(group.conn)
                if joined:
                    group.driver.keep_savepoint()
            except BaseException:
                await to_the_end(self._take_back(group, joined=joined))
                raise
            finally:
                end_transaction(group.conn, note)
            group.members += 1
            if not group.shared:
                group.shared = True
                handed_over = not self._queued
                self._commit_soon(group, holding=handed_over)
        except Exception as error:
            raise_named(error)
            raise
        finally:
            self._holder = None
            if not handed_over:
                self._lock.release()
        await group.over.wait()
        if group.error is not None:
            raise type(group.error)(*group.error.args) from group.error
        self._bell.ring(note.topics)
        note.committed()

    async def dispose(self) -> None:
        """Close every connection; what was committed stays."""
        while self._commits:
            await asyncio.wait(self._commits)
        async with self._lock:
            await self._close_writer()
        await self._write_engine.dispose()
        await self._read_engine.dispose()

    async def exists(self) -> bool:
        """Whether there is a database; looking makes none."""
        return await asyncio.to_thread(lambda: self.path.is_file() and self.path.stat().st_size > 0)

    async def problems(self) -> list[str]:
        """What keeps us from being ready, in plain sentences."""
        try:
            room = await asyncio.to_thread(lambda: shutil.disk_usage(self.path.parent).free)
        except OSError:
            return ["The folder of the database cannot be read."]
        return ["The disk of the database is nearly full."] if room < _ROOM_NEEDED else []

    async def tidy(self) -> None:
        """Clear the write-ahead log, so that erased keys are nowhere on the disk."""
        async with self._lock:
            if self._group is not None:
                # The lock may be free between two members of a group, but the log cannot be cleared inside its
                # transaction.
                await to_the_end(self._end(self._group))
            _, driver = await self._connected()
            await driver.tidy()

    def listen(self) -> None:
        """Nothing to do: whoever shares the file rings in its own process, and polls for what others did."""

    async def _connected(self) -> tuple[AsyncConnection, Connection]:
        if self._writer is None or self._driver is None:
            try:
                self._writer = await self._write_engine.connect()
                raw = await self._writer.get_raw_connection()
            except (sqlite3.Error, OSError) as error:
                raise connect_error(error) from error
            self._driver = cast(Connection, raw.driver_connection)
        return self._writer, self._driver

    async def _close_writer(self) -> None:
        writer, self._writer, self._driver = self._writer, None, None
        if writer is not None:
            await writer.close()

    async def _open(self) -> _Group:
        conn, driver = await self._connected()
        try:
            self._group = _Group(conn, driver, await conn.begin())
        except BaseException:
            # Also where we were cancelled while the thread still waits for the lock: closing queues up behind it.
            await to_the_end(self._close_writer())
            raise
        return self._group

    async def _take_back(self, group: _Group, *, joined: bool) -> None:
        """Undo one member's work."""
        error: StorageError | None = None
        if group.members:
            try:
                if not joined:
                    return
                while (nested := group.conn.get_nested_transaction()) is not None:
                    await nested.rollback()
                if await group.driver.undo_savepoint():
                    return
                error = StorageFull("The database took the transaction back.")
            except Exception as cause:
                error = storage_error(cause) or StorageFull("The transaction could not be continued.")
        self._group = None
        try:
            await group.transaction.rollback()
        except Exception:
            await self._close_writer()
        group.end(error)

    def _commit_soon(self, group: _Group, *, holding: bool) -> None:
        task = asyncio.ensure_future(self._commit(group, holding=holding))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit(self, group: _Group, *, holding: bool) -> None:
        if not holding:
            await self._lock.acquire()
        try:
            if not group.over.is_set():
                await self._end(group)
        finally:
            self._lock.release()

    async def _end(self, group: _Group) -> None:
        """Commit what the group wrote, and tell its members; whoever calls holds the lock."""
        self._group = None
        try:
            await group.transaction.commit()
        except Exception as error:
            await self._close_writer()
            group.end(storage_error(error) or StorageError("The transaction could not be committed."))
        else:
            group.end()
        finally:
            if not group.over.is_set():
                group.end(StorageError("The commit was broken off."))


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish something that must not be left half done, also when we are cancelled meanwhile; then be cancelled."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


def _engine(path: Path, *, writer: bool, patience: timedelta, size: int) -> AsyncEngine:
    async def connect(*_: Any, **__: Any) -> Connection:
        return await asyncio.to_thread(Connection, path, writer=writer, patience=patience)

    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"async_creator_fn": connect},
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,
    )
    begin_with(engine.sync_engine, "BEGIN IMMEDIATE" if writer else "BEGIN")
    return engine


def _make_private(path: Path) -> None:
    """Make the file, where there is none, so that only its owner may read it; SQLite's side files follow it.

    A file that is there is not even opened: closing it again would drop every lock that this process's other
    connections hold on it (POSIX), and the next process to leave would take the write-ahead log away from under us.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StorageGone("The database file cannot be opened.") from error
