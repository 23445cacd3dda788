"""The versions of a roster as its owners see them: who saved what when, and which one holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.store import roster_versions
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
        .where(roster_versions.c.valid_from <= at)
        .order_by(roster_versions.c.valid_from.desc(), roster_versions.c.id.desc())
        .limit(1)
    )
    row = rows.one_or_none()
    return _version(row) if row else None


async def newest_for_saving(conn: AsyncConnection, name: str, seen: int) -> Version | None:
    """The last version that was saved. Whoever saves over the same one waits here until we are done, and sees ours.

    A second coordinator waits at the row of the version that both have seen; looking for the newest only then, she
    finds what the first has saved.
    """
    await conn.execute(select(roster_versions.c.id).where(roster_versions.c.id == seen).with_for_update())
    row = (await conn.execute(_of(name).order_by(roster_versions.c.id.desc()).limit(1))).one_or_none()
    return _version(row) if row else None


def _of(name: str) -> Select[Any]:
    return select(roster_versions).where(roster_versions.c.name == name)
