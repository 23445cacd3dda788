"""Waits that grow with each failed sign-in, kept in the database so that they hold over every process.

An attempt is counted before it is judged, so that a hundred at once are a hundred; one that succeeds is taken back. The
wait has an end: whoever mistypes a code must not be shut out for the night, nor by somebody else's guessing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import BigId, UtcDateTime, insert_once, rows_touched, table_of


class SignInAttemptRow(SQLModel, table=True):
    """How often signing in has failed lately, for one account or from one address. Kept two days past the last time."""

    __tablename__ = "sign_in_attempt"

    key: str = Field(primary_key=True, sa_type=String)  # a keyed hash of the e-mail that was typed, or of the address
    failures: int = Field(sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    last_at: datetime = Field(sa_type=UtcDateTime, index=True)
    next_at: datetime = Field(sa_type=UtcDateTime)  # nothing is tried before


_attempts = table_of(SignInAttemptRow)
_FORGIVEN_AFTER = timedelta(days=1)  # of quiet
_MOST_DOUBLINGS = 20


async def wait_before(
    conn: AsyncConnection, key: str, *, free: int, first: timedelta, longest: timedelta, now: datetime
) -> timedelta:
    """Zero where it may be tried now, which is then counted as a failure; else how long to wait, and nothing changes.

    The first `free` failures cost nothing; then the wait begins at `first` and doubles up to `longest`.
    """
    fresh = {"key": key, "failures": 0, "last_at": now, "next_at": now}
    await insert_once(conn, _attempts, fresh, unique=["key"], returning="key")
    ours = _attempts.c.key == key
    counted = case((_attempts.c.last_at < now - _FORGIVEN_AFTER, 1), else_=_attempts.c.failures + 1)
    # One statement counts and asks: two processes at the same instant are two attempts.
    tried = await conn.execute(
        update(_attempts)
        .where(ours, _attempts.c.next_at <= now)
        .values(failures=counted, last_at=now)
        .returning(_attempts.c.failures)
    )
    failures = tried.scalar_one_or_none()
    if failures is None:
        until: datetime = (await conn.execute(select(_attempts.c.next_at).where(ours))).scalar_one()
        return max(until - now, timedelta(seconds=1))
    over = failures - free
    if over > 0:
        wait = min(longest, first * 2 ** min(over - 1, _MOST_DOUBLINGS))
        await conn.execute(update(_attempts).where(ours).values(next_at=now + wait))
    return timedelta()


async def forgive(conn: AsyncConnection, key: str) -> None:
    """Begin anew: it succeeded."""
    await conn.execute(delete(_attempts).where(_attempts.c.key == key))


async def take_back(conn: AsyncConnection, key: str, *, now: datetime) -> None:
    """Take back one attempt that turned out to be none, leaving what others did at the same place."""
    ours = (_attempts.c.key == key) & (_attempts.c.failures > 0)
    await conn.execute(update(_attempts).where(ours).values(failures=_attempts.c.failures - 1, next_at=now))


async def delete_quiet(conn: AsyncConnection, *, before: datetime) -> int:
    """Delete what was last tried a day before this instant; how many went."""
    late = _attempts.c.last_at < before - _FORGIVEN_AFTER
    return rows_touched(await conn.execute(delete(_attempts).where(late)))
