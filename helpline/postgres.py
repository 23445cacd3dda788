"""PostgreSQL: any number of processes on any number of machines share it.

Waking other processes goes by LISTEN/NOTIFY over one connection of its own. A NOTIFY inside a transaction makes all
commits of the server stand in one line, so it is sent just after the commit, many topics at a time. Where it is lost,
the others find the work when they look by themselves.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from sqlalchemy import URL, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from helpline.bell import Bell
from helpline.storage import begin_transaction, connect_error, end_transaction, raise_named

log = structlog.get_logger()

_CHANNEL = "varde"
_AGAIN_AFTER = timedelta(seconds=2)  # between two tries to get the listening connection back
_ALIVE_EVERY = timedelta(seconds=20)
_LONGEST_NOTICE = 7_000  # bytes; PostgreSQL takes just under 8,000


class PostgresStore:
    """A pool of connections, and one that listens."""

    dialect = "postgresql"

    def __init__(self, url: URL, bell: Bell, *, pool: int, patience: timedelta) -> None:
        self._bell = bell
        self._me = secrets.token_hex(6)
        self._listening: asyncio.Task[None] | None = None
        self._to_tell: dict[str, None] = {}
        self._something_to_tell = asyncio.Event()
        milliseconds = str(int(patience.total_seconds() * 1000))
        address = url.set(drivername="postgresql+asyncpg")
        connecting = {
            "timeout": patience.total_seconds(),
            "server_settings": {
                "application_name": "varde",
                "timezone": "UTC",
                "jit": "off",  # it plans for milliseconds to save microseconds
                "lock_timeout": milliseconds,
                "statement_timeout": "30000",
                "idle_in_transaction_session_timeout": "60000",
            },
        }
        self._engine = create_async_engine(
            address,
            pool_size=pool,
            max_overflow=pool,
            pool_timeout=patience.total_seconds(),
            pool_recycle=1800,
            hide_parameters=True,
            connect_args=connecting,
        )
        # Listening takes no connection from those who work, and waits for none.
        self._aside = create_async_engine(address, poolclass=NullPool, hide_parameters=True, connect_args=connecting)

    @asynccontextmanager
    async def _connected(self, *, readonly: bool) -> AsyncIterator[AsyncConnection]:
        try:
            conn = await self._engine.connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise connect_error(error) from error
        except Exception as error:
            raise_named(error)
            raise
        try:
            if readonly:
                await conn.execution_options(postgresql_readonly=True)
            async with conn.begin():
                yield conn
        except Exception as error:
            raise_named(error)
            raise
        finally:
            await conn.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may only read."""
        async with self._connected(readonly=True) as conn:
            yield conn

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, on disk when the block is left."""
        async with self._connected(readonly=False) as conn:
            note = begin_transaction(conn)
            try:
                yield conn
                await note.prepare(conn)
            finally:
                end_transaction(conn, note)
        if note.topics:
            self._bell.ring(note.topics)
            self._to_tell.update(note.topics)
            self._something_to_tell.set()
            self.listen()
        note.committed()

    async def dispose(self) -> None:
        """Close every connection; what was committed stays."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        if self._to_tell:
            await self._tell_before_leaving()
        await self._engine.dispose()
        await self._aside.dispose()

    async def _tell_before_leaving(self) -> None:
        # A command that writes and ends is quicker than its own listening connection.
        try:
            async with asyncio.timeout(2), self._aside.connect() as conn:
                await self._notify((await conn.get_raw_connection()).driver_connection)
        except Exception as error:
            log.warning("notice_lost", error_type=type(error).__name__)

    async def exists(self) -> bool:
        """Whether the database has our tables; looking makes none."""
        async with self.read() as conn:
            return (await conn.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one() is not None

    async def problems(self) -> list[str]:
        """What keeps us from being ready, in plain sentences."""
        async with self.read() as conn:
            demoted = (await conn.execute(text("SELECT pg_is_in_recovery()"))).scalar_one()
        return ["The database server is a standby and takes no writes."] if demoted else []

    async def tidy(self) -> None:
        """Clear away the rows that were deleted, so that erased keys are nowhere in the table's file."""
        async with self._engine.connect() as conn:
            free = await conn.execution_options(isolation_level="AUTOCOMMIT")
            await free.execute(text("VACUUM subject_key"))

    def listen(self) -> None:
        """Begin to hear what other processes did."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except Exception as error:
                log.warning("listening_lost", error_type=type(error).__name__)
            self._bell.ring_all()
            await asyncio.sleep(_AGAIN_AFTER.total_seconds())

    async def _listen_once(self) -> None:
        async with self._aside.connect() as conn:
            raw = (await conn.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.add_listener(_CHANNEL, self._heard)
            # What was done while nobody listened was not heard.
            self._bell.ring_all()
            while True:
                await self._tell(raw)

    async def _tell(self, raw: Any) -> None:
        try:
            async with asyncio.timeout(_ALIVE_EVERY.total_seconds()):
                await self._something_to_tell.wait()
        except TimeoutError:
            await raw.execute("SELECT 1", timeout=5)  # else a connection that died silently would never be missed
            return
        await self._notify(raw)

    async def _notify(self, raw: Any) -> None:
        self._something_to_tell.clear()
        topics, self._to_tell = list(self._to_tell), {}
        while topics:
            some: list[str] = []
            while topics and sum(map(len, some)) + len(topics[0]) + 4 * len(some) < _LONGEST_NOTICE:
                some.append(topics.pop(0))
            notice = json.dumps([self._me, *some], separators=(",", ":"))
            await raw.execute("SELECT pg_notify($1, $2)", _CHANNEL, notice, timeout=5)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            sender, *topics = json.loads(str(payload))
        except ValueError:
            return
        if sender != self._me:
            self._bell.ring(str(topic) for topic in topics)
