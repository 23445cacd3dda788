"""The versions of a roster as its owners see them: who saved what when, and which one holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.store import counts, roster_versions
from helpline.storage import AnyRow


@dataclass(frozen=True)
class Version:
    """One version of a roster, as it was written."""

    id: int
    name: str
    zone: str
    definition: Mapping[str, Any]
    valid_from: datetime
    saved_at: datetime
    saved_by: str
    starter: bool
    languages: tuple[str, ...]
    fallback: str  # a staff id, "next_step", or nothing
    ended: bool = False  # from `valid_from` on the roster is over


def _version(row: AnyRow) -> Version:
    return Version(
        row.id,
        row.name,
        row.zone,
        orjson.loads(row.definition),
        row.valid_from,
        row.saved_at,
        row.saved_by,
        row.starter,
        tuple(row.languages.split(",")) if row.languages else (),
        row.fallback or "",
        row.ended,
    )


async def names(conn: AsyncConnection) -> list[str]:
    """Every roster, also one that holds only later."""
    found = select(roster_versions.c.name).distinct().order_by(roster_versions.c.name)
    return list((await conn.execute(found)).scalars())


async def versions_of(conn: AsyncConnection, name: str, *, limit: int = 200) -> list[Version]:
    """The versions of a roster, the last that was saved first."""
    rows = await conn.execute(_of(name).order_by(roster_versions.c.id.desc()).limit(limit))
    return [_version(row) for row in rows]


async def find_version(conn: AsyncConnection, name: str, id_: int) -> Version | None:
    """One of them."""
    row = (await conn.execute(_of(name).where(roster_versions.c.id == id_))).one_or_none()
    return _version(row) if row else None


async def version_at(conn: AsyncConnection, name: str, at: datetime) -> Version | None:
    """The version that holds at the instant."""
    rows = await conn.execute(
        _of(name)
        .where(roster_versions.c.valid_from <= at, counts)
        .order_by(roster_versions.c.valid_from.desc(), roster_versions.c.id.desc())
        .limit(1)
    )
    row = rows.one_or_none()
    return _version(row) if row else None


async def first_begins(conn: AsyncConnection, name: str) -> datetime | None:
    """When the first version of a roster begins to hold, or did; None where there is no such roster."""
    first = select(func.min(roster_versions.c.valid_from)).where(roster_versions.c.name == name)
    begins: datetime | None = (await conn.execute(first)).scalar_one_or_none()
    return begins


async def end_ahead(conn: AsyncConnection, name: str, now: datetime) -> Version | None:
    """The end of a roster that lies ahead, the nearest."""
    rows = await conn.execute(_of(name).where(roster_versions.c.valid_from > now, counts).order_by(*_IN_ORDER))
    ahead = {row.valid_from: _version(row) for row in rows}  # of two that begin together, the later saved
    return next((each for each in ahead.values() if each.ended), None)


async def ended_by(conn: AsyncConnection, ending: Version) -> list[Version]:
    """What an end has ended: the version that held before it, and those that were saved for later."""
    rows = await conn.execute(
        _of(ending.name).where(roster_versions.c.id < ending.id, _counted_until(ending.id)).order_by(*_IN_ORDER)
    )
    held: Version | None = None
    later: dict[datetime, Version] = {}
    for row in rows:
        if row.valid_from <= ending.valid_from:
            held = _version(row)
        else:
            later[row.valid_from] = _version(row)
    return [each for each in (held, *later.values()) if each is not None]


async def lasting(conn: AsyncConnection, at: datetime) -> list[str]:
    """The rosters that hold at the instant and are not known to end."""
    rows = await conn.execute(select(roster_versions).where(counts).order_by(*_IN_ORDER))
    holding: dict[str, bool] = {}
    later: dict[tuple[str, datetime], bool] = {}
    for row in rows:
        if row.valid_from <= at:
            holding[row.name] = row.ended
        else:
            later[row.name, row.valid_from] = row.ended
    ending = {name for (name, _), ended in later.items() if ended}
    return sorted(name for name, ended in holding.items() if not ended and name not in ending)


async def delete_unbegun(conn: AsyncConnection, name: str, now: datetime) -> None:
    """Forget the versions of a roster that have not begun to hold."""
    await conn.execute(
        delete(roster_versions).where(roster_versions.c.name == name, roster_versions.c.valid_from > now)
    )


_IN_ORDER = (roster_versions.c.valid_from, roster_versions.c.id)


def _counted_until(id_: int) -> ColumnElement[bool]:
    """As `counts`, of what was saved before this version."""
    ends = roster_versions.alias()
    return ~exists().where(
        ends.c.name == roster_versions.c.name,
        ends.c.ended,
        ends.c.id > roster_versions.c.id,
        ends.c.id < id_,
        ends.c.valid_from < roster_versions.c.valid_from,
    )


def _of(name: str) -> Select[Any]:
    return select(roster_versions).where(roster_versions.c.name == name)
