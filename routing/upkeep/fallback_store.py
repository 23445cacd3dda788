"""Which service stands in for one that ships as always shown: a coordinator's word, kept for as long as it holds.

What is shown last in every answer ships with the program. Where one of those closes, another is put in its place here
first; only then can it be withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Integer, String, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.messages import Country
from helpline.storage import UtcDateTime, table_of, wake
from routing.directory import Fallback
from routing.services import Answer, Service

_TOPIC = "library"


class StandInRow(SQLModel, table=True):
    """Which service is always shown in place of another. Kept until that one is put back; nothing of any patient."""

    __tablename__ = "fallback_stand_in"

    instead_of: str = Field(primary_key=True, sa_type=String)
    service_id: str = Field(sa_type=String)
    revision: int = Field(sa_type=Integer)
    said_by: str = Field(sa_type=String)
    said_at: datetime = Field(sa_type=UtcDateTime)


_rows = table_of(StandInRow)


class Unfit(Exception):
    """A service that is not for everybody to fall back on: elsewhere, closed, without a number, or there already."""


def is_fit(service: Service, fallback: Fallback, country: Country) -> bool:
    """Whether somebody can fall back on a service."""
    there = {*fallback.everyone, *fallback.minor}
    open_to_all = not service.serves.sex.refuses
    found = service.country is country and service.running and bool(service.phones) and open_to_all
    return found and service.id not in there


def fits(instead_of: str, service: Service, fallback: Fallback, country: Country) -> bool:
    """Whether it fits in this place: what a minor is led to is open to minors."""
    if instead_of not in {*fallback.everyone, *fallback.minor} or not is_fit(service, fallback, country):
        return False
    return instead_of not in fallback.minor or service.serves.age.answer(0, 17) is not Answer.NO


async def put(
    conn: AsyncConnection, instead_of: str, service: Service, fallback: Fallback, *, by: str, now: datetime
) -> None:
    """Have `service` always shown where `instead_of` was; `Unfit` where nobody could fall back on it."""
    if not fits(instead_of, service, fallback, service.country):
        raise Unfit(service.id)
    revision = await version(conn) + 1
    # One that comes back stands for itself again, so that no row ever leads round in a ring.
    await conn.execute(delete(_rows).where(_rows.c.instead_of.in_((instead_of, service.id))))
    values = {"instead_of": instead_of, "service_id": service.id, "revision": revision, "said_by": by, "said_at": now}
    await conn.execute(insert(_rows).values(**values))
    details: dict[str, audit.Detail] = {"instead_of": instead_of, "service": service.id}
    await audit.append(
        conn, at=now, actor=by, action="fallback_replaced", subject=f"service:{service.id}", details=details
    )
    wake(conn, _TOPIC)


async def applied(
    conn: AsyncConnection, fallbacks: Mapping[Country, Fallback], services: Mapping[str, Service]
) -> dict[Country, Fallback]:
    """The fallbacks with those that stand in; one that is closed or gone by now stands in for nobody."""
    instead: dict[str, str] = {}
    for row in await conn.execute(select(_rows.c.instead_of, _rows.c.service_id)):
        instead[row.instead_of] = row.service_id

    def stands(service_id: str, country: Country) -> str:
        last, seen = service_id, {service_id}
        while instead.get(last, last) not in seen:
            last = instead[last]
            seen.add(last)
        found = services.get(last)
        return last if found is not None and found.running and found.country is country else service_id

    return {
        country: Fallback(
            tuple(dict.fromkeys(stands(each, country) for each in fallback.everyone)),
            tuple(dict.fromkeys(stands(each, country) for each in fallback.minor)),
        )
        for country, fallback in fallbacks.items()
    }


async def version(conn: AsyncConnection) -> int:
    """Grows with every change."""
    return int((await conn.execute(select(func.max(_rows.c.revision)))).scalar_one() or 0)
