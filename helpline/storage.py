"""What both databases share: the names of their troubles, how instants are kept, and what belongs to a transaction.

`helpline/database.py` is the door; this file is what `sqlite.py` and `postgres.py` stand on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

import orjson
import structlog
from sqlalchemy import BigInteger, Connection, DateTime, Dialect, Executable, Integer, Row, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

log = structlog.get_logger()

# Every constraint has a name that follows from what it is, since a later step can only change what it can name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def canonical(plain: Any) -> str:
    """Plain values as they are stored: JSON with its keys in order, so that two that say the same are the same text."""
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()


class StorageError(Exception):
    """Storage did not take or give what it was asked for; nothing of this transaction was kept."""


class StorageFull(StorageError):
    """There is no room left to write, or the disk refuses writing."""


class StorageBusy(StorageError):
    """Another writer held the database for too long; the same work may go through later."""


class StorageGone(StorageError):
    """The database cannot be reached."""


class ClockTrouble(StorageError):
    """An instant far outside our time was about to be written: the machine's clock is wrong."""


_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
_NEWEST = datetime(2200, 1, 1, tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, kept in UTC to the microsecond and always given back with its zone.

    PostgreSQL keeps it as `timestamptz`; SQLite as text that sorts as time does and that a person can read.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone is no instant")
        if not _OLDEST <= value < _NEWEST:
            raise ClockTrouble(f"An instant in the year {value.year} was about to be written; set the machine's clock.")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# An id that the database counts up: 64 bits on PostgreSQL, and the one type SQLite counts by itself.
BigId = BigInteger().with_variant(Integer(), "sqlite")


AnyRow: TypeAlias = Row[*tuple[Any, ...]]


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model, for the hot path."""
    return cast(Table, cast(Any, model).__table__)


async def insert_once(
    conn: AsyncConnection,
    table: Table,
    values: Mapping[str, Any],
    *,
    unique: Sequence[str],
    returning: str = "id",
) -> Any | None:
    """Insert a row unless one with the same `unique` columns is there; its id, or None where it was there already.

    The database decides, not a look beforehand: two processes given the same thing at once insert it once.
    """
    statement = _insert_once(conn.dialect.name, table, tuple(unique), returning)
    return (await conn.execute(statement, dict(values))).scalar_one_or_none()


@cache
def _insert_once(dialect: str, table: Table, unique: tuple[str, ...], returning: str) -> Any:
    builder = sqlite.insert if dialect == "sqlite" else postgresql.insert
    ignoring = cast(Any, builder(table)).on_conflict_do_nothing(index_elements=list(unique))
    return ignoring.returning(table.c[returning])


_FEW = 5


async def execute_all(conn: AsyncConnection, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement once for each of these rows."""
    # SQLite hands a batch to another thread, which costs more than a few statements of their own.
    if conn.dialect.name == "sqlite" and len(rows) < _FEW:
        for row in rows:
            await conn.execute(statement, dict(row))
    elif rows:
        await conn.execute(statement, [dict(row) for row in rows])


def rows_touched(result: Any) -> int:
    """How many rows an UPDATE or DELETE met."""
    return cast(int, result.rowcount)


# --- Transactions ----------------------------------------------------------------------------------------------------

BeforeCommit = Callable[[AsyncConnection], Awaitable[None]]
AfterCommit = Callable[[], None]


class Transaction:
    """What has to happen when the transaction under way commits."""

    def __init__(self) -> None:
        self.before: list[BeforeCommit] = []
        self.after: list[AfterCommit] = []
        self.topics: dict[str, None] = {}
        self.notes: dict[object, Any] = {}
        self.open = True

    def wake(self, topic: str) -> None:
        """Ring `topic` after the commit."""
        if not topic or len(topic) > 200:
            raise ValueError("a topic is a short word")
        self.topics[topic] = None

    async def prepare(self, conn: AsyncConnection) -> None:
        """Do what waits for the end of the transaction; what this adds is done too."""
        while self.before:
            await self.before.pop(0)(conn)

    def committed(self) -> None:
        """Tell those who asked to be told. One who fails keeps nobody else from hearing."""
        for callback in self.after:
            try:
                callback()
            except Exception:
                log.exception("after_commit_failed")


_transactions: WeakKeyDictionary[AsyncConnection, Transaction] = WeakKeyDictionary()
_current: ContextVar[Transaction | None] = ContextVar("varde_transaction", default=None)


def begin_transaction(conn: AsyncConnection) -> Transaction:
    """Note that `conn` is now writing (for the two databases only)."""
    transaction = Transaction()
    _transactions[conn] = transaction
    _current.set(transaction)
    return transaction


def end_transaction(conn: AsyncConnection, transaction: Transaction) -> None:
    """Note that this transaction is over, however it ended (for the two databases only)."""
    transaction.open = False
    if _transactions.get(conn) is transaction:
        del _transactions[conn]
    if _current.get() is transaction:
        _current.set(None)


def transaction_of(conn: AsyncConnection) -> Transaction:
    """The write under way on this connection."""
    transaction = transaction_under_way(conn)
    if transaction is None:
        raise RuntimeError("this needs a connection from Database.write()")
    return transaction


def transaction_under_way(conn: AsyncConnection) -> Transaction | None:
    """The write under way on this connection; None where it only reads."""
    return _transactions.get(conn)


def current_transaction() -> Transaction:
    """The write that this task is inside of."""
    transaction = _current.get()
    if transaction is None or not transaction.open:
        raise RuntimeError("this belongs inside Database.write()")
    return transaction


def before_commit(conn: AsyncConnection, callback: BeforeCommit) -> None:
    """Have `callback` write something as the last thing of this transaction."""
    transaction_of(conn).before.append(callback)


def after_commit(conn: AsyncConnection, callback: AfterCommit) -> None:
    """Have `callback` called once this transaction is on disk, and never where it is not."""
    transaction_of(conn).after.append(callback)


def wake(conn: AsyncConnection, topic: str) -> None:
    """Wake those who wait for `topic`, in every process, once this transaction is on disk."""
    transaction_of(conn).wake(topic)


# --- The names of troubles -------------------------------------------------------------------------------------------

# SQLite's result codes (the low byte): 5 busy, 6 locked, 8 read-only, 10 disk error, 13 full, 14 cannot open, 26 not a
# database, 11 corrupt.
_SQLITE_FULL = frozenset({8, 10, 13})
_SQLITE_BUSY = frozenset({5, 6})
_SQLITE_GONE = frozenset({11, 14, 26})
# PostgreSQL's SQLSTATE: 53100 disk full, 53200 out of memory, 58030 io error, 25006 read-only (full or demoted server).
_POSTGRES_FULL = frozenset({"53100", "53200", "58030", "25006"})
_POSTGRES_BUSY = frozenset({"40001", "40P01", "55P03", "57014", "53300", "25P03"})
_POSTGRES_GONE = re.compile(r"08...|57P0.|28...|3D000|53400|XX...")


def storage_error(error: BaseException) -> StorageError | None:
    """The named trouble behind a driver's error, or None where it is a fault in the statement (a broken constraint)."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, PoolTimeout):
        return StorageBusy("Every connection to the database was in use for too long.")
    if isinstance(error, StatementError):
        if isinstance(error.orig, StorageError):
            return error.orig
        if isinstance(error, DBAPIError) and error.orig is not None:
            named = _by_code(error.orig)
            if named is not None:
                return named
            if error.connection_invalidated or isinstance(error, InterfaceError):
                return StorageGone("The connection to the database was lost.")
    return None


def raise_named(error: Exception) -> None:
    """Raise the named trouble behind an error; return where there is none, for the caller to raise what it has."""
    named = storage_error(error)
    if named is not None and named is not error:
        raise named from error


def connect_error(error: BaseException) -> StorageError:
    """The named trouble behind an error met while connecting."""
    return storage_error(error) or _by_code(error) or StorageGone("The database cannot be reached.")


def _by_code(error: BaseException) -> StorageError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        code &= 0xFF
        if code in _SQLITE_FULL:
            return StorageFull("The disk is full, or the database may not be written to.")
        if code in _SQLITE_BUSY:
            return StorageBusy("Another process is holding the database.")
        if code in _SQLITE_GONE:
            return StorageGone("The database file cannot be opened, or is damaged.")
        return None
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        if state in _POSTGRES_FULL:
            return StorageFull("The database server has no room left, or takes no writes.")
        if state in _POSTGRES_BUSY:
            return StorageBusy("The database server was busy for too long.")
        if _POSTGRES_GONE.fullmatch(state):
            return StorageGone("The database server refused or closed the connection.")
    return None


def begin_with(engine: Any, statement: str) -> None:
    """Have every transaction of a SQLite engine begin with exactly this statement."""

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        conn.exec_driver_sql(statement)
