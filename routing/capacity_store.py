"""What services told us of their room, in the database: the newest word of each.

An older word never takes the place of a newer one. Earlier words are in the audit trail.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, String, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.storage import UtcDateTime, insert_once, rows_touched, table_of
from routing.capacity import Capacity, Teller
from routing.services import Answer


class CapacityRow(SQLModel, table=True):
    """The room a service has, as last told. One row a service, kept until the next; it says nothing of patients."""

    __tablename__ = "service_capacity"

    service_id: str = Field(primary_key=True, sa_type=String)
    accepting: str = Field(sa_type=String)
    free: int | None = Field(default=None, sa_type=Integer)
    maximum: int | None = Field(default=None, sa_type=Integer)
    unit: str = Field(sa_type=String)
    told_at: datetime = Field(sa_type=UtcDateTime)
    told_by: str = Field(sa_type=String)
    revision: int = Field(sa_type=Integer)  # how often it was told


_capacities = table_of(CapacityRow)


async def tell(conn: AsyncConnection, capacity: Capacity, *, actor: str, now: datetime) -> bool:
    """Take in what was told; whether it was news, which an older word or the same one again is not."""
    values: dict[str, Any] = {
        "accepting": capacity.accepting.value,
        "free": capacity.free,
        "maximum": capacity.maximum,
        "unit": capacity.unit,
        "told_at": capacity.told_at,
        "told_by": capacity.told_by.value,
    }
    first = {"service_id": capacity.service_id, "revision": 1, **values}
    told = await insert_once(conn, _capacities, first, unique=["service_id"], returning="service_id")
    if told is None:
        newer = update(_capacities).where(
            _capacities.c.service_id == capacity.service_id, _capacities.c.told_at < capacity.told_at
        )
        if rows_touched(await conn.execute(newer.values(revision=_capacities.c.revision + 1, **values))) == 0:
            return False
    details: dict[str, audit.Detail] = {
        "accepting": capacity.accepting.value,
        "free": capacity.free,
        "maximum": capacity.maximum,
        "told_by": capacity.told_by.value,
    }
    await audit.append(
        conn,
        at=now,
        actor=actor,
        action="capacity_told",
        subject=f"service:{capacity.service_id}",
        details={key: value for key, value in details.items() if value is not None},
    )
    return True


async def newest(conn: AsyncConnection) -> dict[str, Capacity]:
    """The newest word of every service that ever gave one, by the id of the service."""
    rows = (await conn.execute(select(_capacities))).mappings()
    return {
        row["service_id"]: Capacity(
            service_id=row["service_id"],
            accepting=Answer(row["accepting"]),
            free=row["free"],
            maximum=row["maximum"],
            unit=row["unit"],
            told_at=row["told_at"],
            told_by=Teller(row["told_by"]),
        )
        for row in rows
    }


async def version(conn: AsyncConnection) -> int:
    """Grows with every word told."""
    return int((await conn.execute(select(func.sum(_capacities.c.revision)))).scalar_one() or 0)
