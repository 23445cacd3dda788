"""Who has a page open just now, so that two people who write in the same place know of each other.

A courtesy and never a lock: a row says that somebody's browser was heard of a moment ago, and what they had under
their hands. Whoever goes silent is gone by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import String, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import UtcDateTime, insert_once, rows_touched, table_of, wake

LASTS: Final = timedelta(seconds=50)  # of silence, after which somebody counts as gone; a page speaks every 20 seconds
_KEPT: Final = timedelta(minutes=10)


class PagePresenceRow(SQLModel, table=True):
    """Somebody on a page. Kept for ten minutes after they were last heard of there."""

    __tablename__ = "page_presence"

    place: str = Field(primary_key=True, sa_type=String)  # "draft:12"
    person: str = Field(primary_key=True, sa_type=String)  # a staff id
    detail: str = Field(sa_type=String)  # what they have under their hands: the name of a field
    seen_at: datetime = Field(sa_type=UtcDateTime, index=True)


_present = table_of(PagePresenceRow)


@dataclass(frozen=True)
class Present:
    """Somebody who is there."""

    person: str
    detail: str
    seen_at: datetime


async def note(conn: AsyncConnection, place: str, person: str, detail: str, now: datetime) -> None:
    """Somebody is there; who watches the place is woken where that is news."""
    known = (
        await conn.execute(select(_present).where(_present.c.place == place, _present.c.person == person))
    ).one_or_none()
    values = {"detail": detail[:80], "seen_at": now}
    if known is None:
        await conn.execute(delete(_present).where(_present.c.seen_at < now - _KEPT))
        await insert_once(
            conn, _present, {"place": place, "person": person, **values}, unique=["place", "person"], returning="person"
        )
    else:
        await conn.execute(
            update(_present).where(_present.c.place == place, _present.c.person == person).values(**values)
        )
    if known is None or known.detail != detail[:80] or known.seen_at < now - LASTS:
        wake(conn, place)


async def leave(conn: AsyncConnection, place: str, person: str) -> None:
    """Somebody has gone."""
    gone = await conn.execute(delete(_present).where(_present.c.place == place, _present.c.person == person))
    if rows_touched(gone):
        wake(conn, place)


async def present(conn: AsyncConnection, place: str, now: datetime) -> list[Present]:
    """Who is there, by id."""
    wanted = select(_present).where(_present.c.place == place, _present.c.seen_at >= now - LASTS)
    rows = await conn.execute(wanted.order_by(_present.c.person))
    return [Present(row.person, row.detail, row.seen_at) for row in rows]
