"""What is held back until it is safe to say it: words of ours for somebody who told us when we may write, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from bot.store import conversations, subject_of
from helpline import outbox
from helpline.messages import OutboundMessage
from helpline.storage import BigId, UtcDateTime, insert_once, rows_touched, table_of, wake
from helpline.vault import Vault

TOPIC = "held"  # rung when something is held back, for the one who says it in time


class HeldRow(SQLModel, table=True):
    """One message that waits, sealed with its conversation's key. Kept until it is said.

    It goes when she erases what she wrote; `delete_lost` clears away what a forgotten conversation left behind.
    """

    __tablename__ = "held_message"

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    key: str = Field(max_length=160, unique=True)
    conversation_id: str = Field(max_length=32, index=True)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    held_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True, index=True))
    knocked: bool = False  # she was told that there is a message, and not which


held = table_of(HeldRow)
_h = held.c


@dataclass(frozen=True)
class Held:
    """A message that waits."""

    id: int
    key: str
    conversation_id: str
    message: OutboundMessage = field(repr=False)


async def hold(
    conn: AsyncConnection,
    vault: Vault,
    conversation_id: str,
    message: OutboundMessage,
    *,
    key: str,
    now: datetime,
    due_at: datetime | None,
) -> bool:
    """Keep a message back until `due_at`, or where that is None until she writes; whether it is new."""
    sealing = await vault.open(conn, subject_of(conversation_id))
    values: dict[str, Any] = {
        "key": key,
        "conversation_id": conversation_id,
        "body": sealing.seal(outbox.message_to_json(message), about=f"held:{key}"),
        "held_at": now,
        "due_at": due_at,
        "knocked": False,
    }
    made = await insert_once(conn, held, values, unique=["key"])
    wake(conn, TOPIC)
    return made is not None


async def has_knocked(conn: AsyncConnection, conversation_id: str) -> bool:
    """Whether she was told of a message that she has not read yet."""
    found = select(_h.id).where(_h.conversation_id == conversation_id, _h.knocked.is_(True)).limit(1)
    return (await conn.execute(found)).first() is not None


async def take(conn: AsyncConnection, vault: Vault, conversation_id: str) -> Sequence[Held]:
    """What waits for her, oldest first; it waits no longer."""
    found = await conn.execute(select(held).where(_h.conversation_id == conversation_id).order_by(_h.id))
    rows = found.all()
    if not rows:
        return ()
    await conn.execute(delete(held).where(_h.id.in_([row.id for row in rows])))
    sealing = await vault.existing(conn, subject_of(conversation_id))
    if sealing is None:
        return ()
    taken = []
    for row in rows:
        message = outbox.message_from_json(sealing.unseal(bytes(row.body), about=f"held:{row.key}"))
        taken.append(Held(row.id, row.key, row.conversation_id, message))
    return taken


async def due(conn: AsyncConnection, now: datetime, *, limit: int = 50) -> list[str]:
    """The conversations in which something may be said now."""
    rows = await conn.execute(select(_h.conversation_id).where(_h.due_at <= now).order_by(_h.due_at).limit(limit))
    return list(dict.fromkeys(row.conversation_id for row in rows))


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When something may be said next."""
    found: datetime | None = (await conn.execute(select(func.min(_h.due_at)))).scalar_one()
    return found


async def put_off(
    conn: AsyncConnection, conversation_id: str, due_at: datetime | None, *, knocked: bool | None = None
) -> None:
    """What waits for her waits until then."""
    values: dict[str, Any] = {"due_at": due_at}
    if knocked is not None:
        values["knocked"] = knocked
    await conn.execute(update(held).where(_h.conversation_id == conversation_id).values(**values))


async def forget(conn: AsyncConnection, conversation_id: str) -> None:
    """What waited for her is not said any more."""
    await conn.execute(delete(held).where(_h.conversation_id == conversation_id))


async def delete_lost(conn: AsyncConnection, *, limit: int = 1000) -> int:
    """Delete what waits in conversations that were erased or forgotten; how many went."""
    lost = (
        select(_h.id)
        .outerjoin(conversations, conversations.c.id == _h.conversation_id)
        .where(conversations.c.fingerprint.is_(None))
        .limit(limit)
    )
    return rows_touched(await conn.execute(delete(held).where(_h.id.in_(lost.scalar_subquery()))))
