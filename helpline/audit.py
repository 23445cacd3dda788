"""The trail: what was done, by whom, to what, in the order it happened. Written once, never edited.

Each row holds the hash of the row before it and its own, so an edit, a removal or a swap anywhere breaks the chain at
that row. What a chain cannot show by itself is that its end was cut off: `head` gives the last link, to be kept
elsewhere.

Nobody's words belong here. Details are codes, ids and numbers; anything that looks like words is withheld, since a lost
detail costs less than a message that could not be handled because of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson
import structlog
from sqlalchemy import Index, String, Text, func, insert, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import BigId, UtcDateTime, before_commit, table_of, transaction_of

log = structlog.get_logger()

Detail = str | int | bool | None | datetime | Sequence[str]
_VIEWS = "action IN ('conversation_viewed', 'conversation_followed')"


class AuditEntryRow(SQLModel, table=True):
    """One link of the chain. Kept for ever: both databases refuse to change or delete it. It names only staff."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_subject", "subject", "id"),
        # Who looked at what is asked over all conversations; nothing else that is asked so is indexed.
        Index("ix_audit_entry_viewed", "id", sqlite_where=text(_VIEWS), postgresql_where=text(_VIEWS)),
    )

    # Counted by us and not by the database, whose counters leave holes when a transaction is taken back.
    id: int = Field(
        primary_key=True,
        sa_type=BigId,
        sa_column_kwargs={"autoincrement": False},
    )
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(sa_type=String)  # "staff:asha", "clinician", "line", "operator"
    action: str = Field(sa_type=String)  # "escalation_taken"
    subject: str = Field(sa_type=String)  # "escalation:12"
    details: str = Field(sa_type=Text)  # canonical JSON
    previous: str = Field(sa_type=String)
    hash: str = Field(sa_type=String)


_entries = table_of(AuditEntryRow)
_last = select(_entries.c.id, _entries.c.hash).order_by(_entries.c.id.desc()).limit(1)
_add = insert(_entries)
_lock = text("SELECT pg_advisory_xact_lock(:key)")

GENESIS = "0" * 64
_ACTION = re.compile(r"[a-z][a-z0-9_]{1,63}")
_REFERENCE = re.compile(r"[A-Za-z0-9_.:@/+=#-]{1,128}")
_LOCK = 0x6175646974  # an advisory lock of PostgreSQL's: one transaction at a time adds to the chain
_PENDING = object()
_THROUGH = object()
_FEW = 8
_AT_ONCE = 1000  # rows read at a time


@dataclass(frozen=True)
class AuditEntry:
    """What happened, once."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """The last link of the chain: kept elsewhere, it shows later that nothing was cut off."""

    id: int
    hash: str


@dataclass(frozen=True)
class BrokenLink:
    """The first row at which the chain does not hold."""

    id: int
    reason: str  # missing, moved, changed, cut_off


async def append(
    conn: AsyncConnection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Detail] | None = None,
) -> None:
    """Add to the trail, as part of the write under way on `conn`.

    The row itself is written as the last thing before the commit: on PostgreSQL the chain has one writer at a time,
    and nobody should hold it while working.
    """
    if not _ACTION.fullmatch(action):
        raise ValueError("an action is a fixed name such as escalation_taken")
    for reference in (actor, subject):
        if not _REFERENCE.fullmatch(reference):
            raise ValueError("actor and subject are references such as staff:asha")
    notes = transaction_of(conn).notes
    if _PENDING not in notes:
        notes[_PENDING] = []
    if not notes[_PENDING]:
        before_commit(conn, _write)
    said = {**(details or {}), **notes.get(_THROUGH, {})}
    notes[_PENDING].append((at, actor, action, subject, _canonical_details(said)))


def come_through(conn: AsyncConnection, **details: Detail) -> None:
    """Have every later entry of the write under way say this too: by which token its actor came."""
    transaction_of(conn).notes[_THROUGH] = details


async def _write(conn: AsyncConnection) -> None:
    notes = transaction_of(conn).notes
    pending, notes[_PENDING] = notes[_PENDING], []
    if conn.dialect.name == "postgresql":
        await conn.execute(_lock, {"key": _LOCK})
    last = await head(conn)
    number, previous = (last.id, last.hash) if last else (0, GENESIS)
    rows: list[dict[str, Any]] = []
    for at, actor, action, subject, details in pending:
        number += 1
        own = _hash(number, at, actor, action, subject, details, previous)
        rows.append(
            {
                "id": number,
                "at": at,
                "actor": actor,
                "action": action,
                "subject": subject,
                "details": details,
                "previous": previous,
                "hash": own,
            }
        )
        previous = own
    # Several rows at once would be handed to a thread; up to a few, one after the other is quicker.
    for batch in rows if len(rows) <= _FEW else [rows]:
        await conn.execute(_add, batch)


async def head(conn: AsyncConnection) -> Head | None:
    """The last link, or None where nothing happened yet."""
    row = (await conn.execute(_last)).one_or_none()
    return Head(row.id, row.hash) if row else None


async def newest_instant(conn: AsyncConnection) -> datetime | None:
    """The latest instant among the last thousand entries: the clock never starts before it.

    Not among all: were the machine once set to a wrong year, that year would be the floor for ever.
    """
    latest = select(_entries.c.at).order_by(_entries.c.id.desc()).limit(_AT_ONCE).subquery()
    found: datetime | None = (await conn.execute(select(func.max(latest.c.at)))).scalar_one_or_none()
    return found


async def entries(
    conn: AsyncConnection,
    *,
    subject: str | None = None,
    actor: str | None = None,
    actions: Sequence[str] | None = None,
    limit: int = 100,
    before: int | None = None,
) -> list[AuditEntry]:
    """What happened, the latest first."""
    wanted = select(_entries).order_by(_entries.c.id.desc()).limit(limit)
    if subject is not None:
        wanted = wanted.where(_entries.c.subject == subject)
    if actor is not None:
        wanted = wanted.where(_entries.c.actor == actor)
    if actions is not None:
        # Written out and not bound, so that the database sees that its index of views covers the question.
        wanted = wanted.where(_entries.c.action.in_([literal_column(f"'{_fixed(action)}'") for action in actions]))
    if before is not None:
        wanted = wanted.where(_entries.c.id < before)
    return [
        AuditEntry(row.id, row.at, row.actor, row.action, row.subject, orjson.loads(row.details))
        for row in await conn.execute(wanted)
    ]


def _fixed(action: str) -> str:
    if not _ACTION.fullmatch(action):
        raise ValueError("an action is a fixed name such as escalation_taken")
    return action


async def verify(conn: AsyncConnection, *, known: Head | None = None) -> BrokenLink | None:
    """Go through the whole chain; the first row at which it does not hold, or None where it holds.

    With a `known` head from earlier, a chain that was cut off or written anew since is found too.
    """
    number, previous = 0, GENESIS
    while True:
        batch = select(_entries).where(_entries.c.id > number).order_by(_entries.c.id).limit(_AT_ONCE)
        rows: Sequence[Any] = (await conn.execute(batch)).all()
        for row in rows:
            number += 1
            if row.id != number:
                return BrokenLink(number, "missing")
            if row.previous != previous:
                return BrokenLink(number, "moved")
            if row.hash != _hash(row.id, row.at, row.actor, row.action, row.subject, row.details, previous):
                return BrokenLink(number, "changed")
            if known is not None and row.id == known.id and row.hash != known.hash:
                return BrokenLink(number, "changed")
            previous = row.hash
        if len(rows) < _AT_ONCE:
            break
    if known is not None and number < known.id:
        return BrokenLink(number + 1, "cut_off")
    return None


def _hash(number: int, at: datetime, actor: str, action: str, subject: str, details: str, previous: str) -> str:
    canonical = orjson.dumps(
        [1, number, at.astimezone(UTC), actor, action, subject, details, previous], option=orjson.OPT_UTC_Z
    )
    return hashlib.sha256(canonical).hexdigest()


def _canonical_details(details: Mapping[str, Detail]) -> str:
    return orjson.dumps(dict(_harmless(details)), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z).decode()


def _harmless(details: Mapping[str, Detail]) -> Iterator[tuple[str, Any]]:
    for key, value in details.items():
        if isinstance(value, Enum):
            yield key, value.value
        elif value is None or isinstance(value, bool | int | datetime):
            yield key, value
        elif isinstance(value, str):
            yield key, _harmless_text(key, value)
        elif isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
            yield key, [_harmless_text(key, item) for item in value]
        else:
            raise TypeError(f"an audit detail is a code, a number or an instant, not {type(value).__name__}")


def _harmless_text(key: str, value: str) -> str:
    if value == "" or _REFERENCE.fullmatch(value):
        return str(value)
    log.warning("audit_detail_withheld", detail=key)
    return "[withheld]"
