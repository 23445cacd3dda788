"""The versions of a roster as its owners see them: who saved what when, and which one holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select, select
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


def _of(name: str) -> Select[Any]:
    return select(roster_versions).where(roster_versions.c.name == name)
