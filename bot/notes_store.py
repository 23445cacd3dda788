"""What advisors write for each other beside a conversation, and how far each of them has read in it.

A note is sealed with the conversation's key: whoever has the case next reads it, the clinician never does, and it goes
with the conversation when that is erased.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import LargeBinary, String, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from bot.store import new_id, subject_of
from helpline.storage import UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import Forgotten, Vault


class CaseNoteRow(SQLModel, table=True):
    """An advisor's note. Its words are kept as long as the conversation's key; the row for 90 days (`delete_older`)."""

    __tablename__ = "case_note"

    id: str = Field(primary_key=True, sa_type=String)
    conversation_id: str = Field(index=True, sa_type=String)
    escalation_id: str = Field(sa_type=String)
    staff_id: str = Field(sa_type=String)
    words: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    made_at: datetime = Field(index=True, sa_type=UtcDateTime)


class CaseSeenRow(SQLModel, table=True):
    """How far an advisor has read in a conversation. Holds no words; kept for 90 days (`delete_older`)."""

    __tablename__ = "case_seen"

    conversation_id: str = Field(primary_key=True, sa_type=String)
    staff_id: str = Field(primary_key=True, sa_type=String)
    seen_at: datetime = Field(index=True, sa_type=UtcDateTime)


_notes = table_of(CaseNoteRow)
_seen = table_of(CaseSeenRow)


@dataclass(frozen=True)
class Note:
    """A note, opened."""

    id: str
    escalation_id: str
    staff_id: str
    words: str = field(repr=False)
    made_at: datetime


async def add(
    conn: AsyncConnection,
    vault: Vault,
    *,
    note_id: str = "",
    conversation_id: str,
    escalation_id: str,
    staff_id: str,
    words: str,
    now: datetime,
) -> bool:
    """Keep a note; False where it was there already. `note_id` makes it exist once, however often this is done."""
    key = await vault.existing(conn, subject_of(conversation_id))
    if key is None:
        raise Forgotten("The conversation was erased.")
    note_id = note_id or new_id()
    made = await insert_once(
        conn,
        _notes,
        {
            "id": note_id,
            "conversation_id": conversation_id,
            "escalation_id": escalation_id,
            "staff_id": staff_id,
            "words": key.seal(words, about=f"note:{note_id}"),
            "made_at": now,
        },
        unique=["id"],
    )
    return made is not None


async def of_conversation(conn: AsyncConnection, vault: Vault, conversation_id: str) -> tuple[Note, ...]:
    """The notes beside a conversation, oldest first; none where it was erased."""
    key = await vault.existing(conn, subject_of(conversation_id))
    if key is None:
        return ()
    wanted = select(_notes).where(_notes.c.conversation_id == conversation_id)
    rows = await conn.execute(wanted.order_by(_notes.c.made_at, _notes.c.id))
    return tuple(
        Note(row.id, row.escalation_id, row.staff_id, key.unseal(row.words, about=f"note:{row.id}"), row.made_at)
        for row in rows
    )


async def note_seen(conn: AsyncConnection, conversation_id: str, staff_id: str, until: datetime) -> bool:
    """This advisor has read as far as this instant, and never less far than before; whether that is news."""
    there = (_seen.c.conversation_id == conversation_id) & (_seen.c.staff_id == staff_id)
    moved = await conn.execute(update(_seen).where(there, _seen.c.seen_at < until).values(seen_at=until))
    if rows_touched(moved):
        return True
    values = {"conversation_id": conversation_id, "staff_id": staff_id, "seen_at": until}
    unique = ["conversation_id", "staff_id"]
    return await insert_once(conn, _seen, values, unique=unique, returning="staff_id") is not None


async def seen_by(conn: AsyncConnection, staff_id: str, conversation_ids: Iterable[str]) -> dict[str, datetime]:
    """How far this advisor has read in each of these conversations that they have looked into."""
    wanted = select(_seen).where(_seen.c.staff_id == staff_id, _seen.c.conversation_id.in_(list(conversation_ids)))
    return {row.conversation_id: row.seen_at for row in await conn.execute(wanted)}


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 500) -> int:
    """Forget rows from before this instant; how many notes."""
    ids = select(_notes.c.id).where(_notes.c.made_at < before).limit(limit)
    gone = rows_touched(await conn.execute(delete(_notes).where(_notes.c.id.in_(ids))))
    await conn.execute(delete(_seen).where(_seen.c.seen_at < before))
    return gone
