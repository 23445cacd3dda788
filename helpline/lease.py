"""Work that must get done, whoever dies on the way: rows with a time, held for a while under a token.

A row is due when its `due_at` has come. Claiming it pushes `due_at` forward by the lease and stamps a fresh token, so
that nobody else takes it meanwhile. Finishing demands that token. A worker that dies needs no funeral: its rows fall
due again when the lease is over, another takes them under a new token, and should the dead one wake, its token opens
nothing.

Any table with the columns `id`, `due_at` (nullable; null is "not waiting for anything") and `lease_token` (nullable)
will do. The same code serves both databases: PostgreSQL skips the rows that another is claiming this very moment, and
SQLite has one writer at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Table, Update, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.storage import AnyRow, rows_touched


async def claim(
    conn: AsyncConnection,
    table: Table,
    *,
    now: datetime,
    lease: timedelta,
    limit: int,
    where: ColumnElement[bool] | None = None,
    order_by: Sequence[ColumnElement[Any]] = (),
) -> list[AnyRow]:
    """Take up to `limit` due rows, the longest waiting first (or by `order_by`), each with its fresh `lease_token`.

    Commit before working on them: only then are they yours. Build `where` and `order_by` once and not at each call.
    """
    due = _due(table, where, tuple(order_by))
    ids = [row.id for row in await conn.execute(due, {"now": now, "at_most": limit})]
    if not ids:
        return []
    holding = {"which": ids, "until": now + lease, "held": secrets.token_hex(16)}
    taken = await conn.execute(_take(table), holding)
    place = {row_id: index for index, row_id in enumerate(ids)}
    return sorted(taken, key=lambda row: place[row.id])


async def finish(
    conn: AsyncConnection, table: Table, row_id: Any, token: str, values: Mapping[str, Any] | None = None
) -> bool:
    """Put the row down with these values; False where the token is no longer the row's, and then nothing is changed.

    A row put down without a new `due_at` waits for nothing any more.
    """
    put_down = {"due_at": None, **(values or {}), "lease_token": None, "which": row_id, "held": token}
    done = await conn.execute(_held(table), put_down)
    return rows_touched(done) == 1


async def extend(
    conn: AsyncConnection, table: Table, row_id: Any, token: str, *, now: datetime, lease: timedelta
) -> bool:
    """Keep holding a row whose work takes long; False where it has been lost, and then the work must stop."""
    kept = await conn.execute(_held(table), {"due_at": now + lease, "which": row_id, "held": token})
    return rows_touched(kept) == 1


# Building a statement costs more than running it on SQLite, so each is built once and given its values later.


@lru_cache(maxsize=128)
def _due(table: Table, where: ColumnElement[bool] | None, order_by: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    c = table.c
    due = select(c.id).where(c.due_at <= bindparam("now", type_=c.due_at.type))
    if where is not None:
        due = due.where(where)
    due = due.order_by(*(order_by or (c.due_at, c.id))).limit(bindparam("at_most", type_=Integer()))
    return due.with_for_update(skip_locked=True, of=table)


@cache
def _take(table: Table) -> Any:
    c = table.c
    return (
        update(table)
        .where(c.id.in_(bindparam("which", expanding=True)))
        .values(due_at=bindparam("until"), lease_token=bindparam("held"))
        .returning(*table.columns)
    )


@cache
def _held(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam("which"), table.c.lease_token == bindparam("held"))


async def next_due(conn: AsyncConnection, table: Table, where: ColumnElement[bool] | None = None) -> datetime | None:
    """When the next row falls due, or None where nothing waits: how long a loop may sleep."""
    soonest = select(func.min(table.c.due_at))
    if where is not None:
        soonest = soonest.where(where)
    found: datetime | None = (await conn.execute(soonest)).scalar_one_or_none()
    return found
