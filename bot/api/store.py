"""What was answered to a request that carried an Idempotency-Key, so that a repeat does nothing twice.

The answer is written in the transaction that did the work: either both are on disk or neither is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Integer, String, Text, UniqueConstraint, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import BigId, UtcDateTime, insert_once, rows_touched, table_of

KEPT_FOR = timedelta(days=1)


class ApiAnswerRow(SQLModel, table=True):
    """The answer to a request that must not be carried out twice. Kept for a day."""

    __tablename__ = "api_answer"
    __table_args__ = (UniqueConstraint("staff_id", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String)
    key: str = Field(sa_type=String)
    asked: str = Field(sa_type=String)  # a hash of the request: the same key for another request is a mistake
    status: int = Field(sa_type=Integer)  # zero while it is being worked on, which nobody else ever sees
    headers: str = Field(default="{}", sa_type=Text)  # JSON
    body: str = Field(default="", sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime, index=True)


_answers = table_of(ApiAnswerRow)


@dataclass(frozen=True)
class Given:
    """What was answered before."""

    asked: str
    status: int
    headers: dict[str, str]
    body: str = field(repr=False)


async def begin(conn: AsyncConnection, staff_id: str, key: str, *, asked: str, now: datetime) -> Given | None:
    """Take this key; where it was taken before, what was answered then.

    Whoever asks with the same key at the same instant waits here for the other's transaction to end.
    """
    ours = (_answers.c.staff_id == staff_id) & (_answers.c.key == key)
    await conn.execute(delete(_answers).where(ours, _answers.c.at < now - KEPT_FOR))
    values = {"staff_id": staff_id, "key": key, "asked": asked, "status": 0, "headers": "{}", "body": "", "at": now}
    if await insert_once(conn, _answers, values, unique=["staff_id", "key"]) is not None:
        return None
    row = (await conn.execute(select(_answers).where(ours))).one()
    return Given(row.asked, row.status, orjson.loads(row.headers), row.body)


async def keep(
    conn: AsyncConnection, staff_id: str, key: str, *, status: int, headers: dict[str, str], body: str
) -> None:
    """Write down what is being answered."""
    ours = (_answers.c.staff_id == staff_id) & (_answers.c.key == key)
    values = {"status": status, "headers": orjson.dumps(headers).decode(), "body": body}
    await conn.execute(update(_answers).where(ours).values(values))


async def delete_older(conn: AsyncConnection, *, now: datetime) -> int:
    """Delete the answers that are kept no longer; how many went."""
    return rows_touched(await conn.execute(delete(_answers).where(_answers.c.at < now - KEPT_FOR)))


async def drop(conn: AsyncConnection, staff_id: str, key: str) -> None:
    """Give the key back: what was asked could not be done yet, and may be asked again."""
    await conn.execute(delete(_answers).where(_answers.c.staff_id == staff_id, _answers.c.key == key))
