"""What came in: on disk before the provider hears yes, once however often it is sent, read in order.

The work item is the conversation (a row in `bot/store.py`), one message of it at a time; here lie its messages. What is
stored has been masked already and is sealed under the conversation's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.messages import Channel, InboundKind, InboundMessage
from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import Forgotten, SubjectKey, Vault

UNMASKED = "unmasked"  # in place of the kinds that were taken out: masking failed, and nothing of the words was kept
_UNHANDLED = text("handled_at IS NULL")


class InboundRow(SQLModel, table=True):
    """One thing that somebody sent us.

    The words are kept as long as the conversation's key: its retention, or until the clinician says erase. The row
    without its words stays for 90 days, so that a provider's late repeat is known for one; `delete_older` ends it.
    """

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("channel", "provider_message_id"),
        Index("ix_inbound_conversation", "conversation_id", "id"),
        Index("ix_inbound_unhandled", "conversation_id", "id", sqlite_where=_UNHANDLED, postgresql_where=_UNHANDLED),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    channel: str = Field(sa_type=String)
    provider_message_id: str = Field(sa_type=String)
    conversation_id: str = Field(sa_type=String)
    kind: str = Field(sa_type=String)
    token: str = Field(default="", sa_type=String)
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)  # the masked text; null where there was none
    masked_kinds: str = Field(default="", sa_type=String)  # "name,phone": what was taken out, never what it said
    callback_id: str = Field(default="", sa_type=String)
    reply_to: str | None = Field(default=None, sa_type=String)  # the provider's id of the message of ours it answers
    received_at: datetime = Field(sa_type=UtcDateTime)
    handled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


_inbound = table_of(InboundRow)
# Built once: building a statement costs more than running it.
_of = select(_inbound).where(_inbound.c.conversation_id == bindparam("of")).limit(bindparam("at_most", type_=Integer()))
_unhandled = _of.where(_inbound.c.handled_at.is_(None)).order_by(_inbound.c.id)
_latest = _of.order_by(_inbound.c.id.desc())
_next = _inbound.alias("next")
_first = select(func.min(_next.c.id)).where(_next.c.conversation_id == bindparam("of"), _next.c.handled_at.is_(None))
# The largest id and not "is there one behind it": what RETURNING sees of the change itself, the two databases see
# differently, and SQLite is given its columns there without their tables' names.
_last = select(func.max(_next.c.id)).where(_next.c.conversation_id == bindparam("of"), _next.c.handled_at.is_(None))
_take_next = (
    update(_inbound)
    .where(_inbound.c.id == _first.scalar_subquery(), _inbound.c.handled_at.is_(None))
    .values(handled_at=bindparam("now", type_=UtcDateTime()))
    .returning(*_inbound.columns, _last.scalar_subquery().label("last"))
)
_mark = update(_inbound).where(_inbound.c.id == bindparam("which"), _inbound.c.handled_at.is_(None))


@dataclass(frozen=True)
class Received:
    """A message from the inbox, opened."""

    id: int
    conversation_id: str
    channel: Channel
    kind: InboundKind
    text: str = field(repr=False)  # masked; empty where it was erased
    token: str
    callback_id: str
    masked_kinds: tuple[str, ...]
    received_at: datetime
    handled_at: datetime | None
    erased: bool  # there were words, and their key was deleted
    reply_to: str = ""  # the provider's id of the message of ours that it answers


async def receive(
    conn: AsyncConnection,
    vault: Vault,
    message: InboundMessage,
    *,
    conversation_id: str,
    masked_kinds: Sequence[str] = (),
    now: datetime,
) -> int | None:
    """Put an already masked message into the inbox; its id, or None where it is a repeat, and then nothing changes.

    Providers repeat a webhook when we take longer than they like, so the insert decides, not a look beforehand.
    """
    sealed = None
    if message.text:
        key = await vault.open(conn, f"conversation:{conversation_id}")
        sealed = key.seal(message.text, about=_about(message.channel, message.provider_message_id))
    found: int | None = await insert_once(
        conn,
        _inbound,
        {
            "channel": message.channel.value,
            "provider_message_id": message.provider_message_id,
            "conversation_id": conversation_id,
            "kind": message.kind.value,
            "token": message.token,
            "sealed": sealed,
            "masked_kinds": ",".join(masked_kinds),
            "callback_id": message.callback_id,
            "reply_to": message.reply_to or None,
            "received_at": now,
        },
        unique=["channel", "provider_message_id"],
    )
    return found


async def waiting(conn: AsyncConnection, vault: Vault, conversation_id: str, *, limit: int = 20) -> list[Received]:
    """The messages of a conversation that nobody has handled yet, in the order they came."""
    return await _read(conn, vault, conversation_id, unhandled=True, limit=limit)


async def transcript(conn: AsyncConnection, vault: Vault, conversation_id: str, *, limit: int = 200) -> list[Received]:
    """The latest messages of a conversation, handled or not, in the order they came."""
    return await _read(conn, vault, conversation_id, unhandled=False, limit=limit)


async def find_said(conn: AsyncConnection, vault: Vault, conversation_id: str, message_id: int) -> Received | None:
    """An earlier message of this conversation, opened; None where it has none of that number."""
    wanted = (_inbound.c.id == message_id) & (_inbound.c.conversation_id == conversation_id)
    row = (await conn.execute(select(_inbound).where(wanted))).one_or_none()
    if row is None:
        return None
    return _opened(row, await vault.existing(conn, f"conversation:{conversation_id}"))


async def take_next(
    conn: AsyncConnection, vault: Vault, conversation_id: str, *, now: datetime
) -> tuple[Received | None, bool]:
    """The message that comes next, noted as dealt with, and whether another waits behind it.

    For whoever holds the conversation's lock, and answers it in the same transaction.
    """
    row = (await conn.execute(_take_next, {"of": conversation_id, "now": now})).first()
    if row is None:
        return None, False
    key = await vault.existing(conn, f"conversation:{conversation_id}") if row.sealed is not None else None
    return _opened(row, key), row.last is not None and row.last > row.id


async def count_since(conn: AsyncConnection, conversation_id: str, since: datetime) -> int:
    """How many messages of a conversation came after this instant."""
    wanted = (_inbound.c.conversation_id == conversation_id) & (_inbound.c.received_at > since)
    return int((await conn.execute(select(func.count()).select_from(_inbound).where(wanted))).scalar_one())


async def first_waiting(conn: AsyncConnection, conversation_id: str) -> int | None:
    """The id of the message that comes next, without opening it: for one that cannot be opened."""
    found = (await conn.execute(_unhandled, {"of": conversation_id, "at_most": 1})).first()
    return int(found.id) if found is not None else None


async def mark_handled(conn: AsyncConnection, message_id: int, *, now: datetime) -> bool:
    """Note that a message has been dealt with; False where it had been already."""
    done = await conn.execute(_mark, {"which": message_id, "handled_at": now})
    return rows_touched(done) == 1


async def move_waiting(conn: AsyncConnection, vault: Vault, *, from_conversation: str, to_conversation: str) -> int:
    """Give a new conversation the messages that nobody has handled yet, sealed under its own key; how many.

    For erasing: what came in after the wish to erase is not part of it, and must not be lost with the old key.
    """
    rows = (
        await conn.execute(
            select(_inbound).where(_inbound.c.conversation_id == from_conversation, _inbound.c.handled_at.is_(None))
        )
    ).all()
    old = await vault.existing(conn, f"conversation:{from_conversation}")
    new = await vault.open(conn, f"conversation:{to_conversation}")
    for row in rows:
        sealed = None
        if row.sealed is not None and old is not None:
            about = _about(row.channel, row.provider_message_id)
            sealed = new.seal(old.unseal(row.sealed, about=about), about=about)
        await conn.execute(
            update(_inbound).where(_inbound.c.id == row.id).values(conversation_id=to_conversation, sealed=sealed)
        )
    return len(rows)


async def unhandled_conversations(conn: AsyncConnection, *, received_before: datetime, limit: int = 100) -> list[str]:
    """Conversations with a message that has waited since before this instant: what a crash may have left behind."""
    oldest = func.min(_inbound.c.id)
    found = await conn.execute(
        select(_inbound.c.conversation_id)
        .where(_inbound.c.handled_at.is_(None), _inbound.c.received_at < received_before)
        .group_by(_inbound.c.conversation_id)
        .order_by(oldest)
        .limit(limit)
    )
    return [row.conversation_id for row in found]


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 1000) -> int:
    """Delete up to `limit` handled messages that came before this instant; how many went."""
    old = (
        select(_inbound.c.id)
        .where(_inbound.c.received_at < before, _inbound.c.handled_at.is_not(None))
        .order_by(_inbound.c.id)  # the oldest first, which needs no index of its own
        .limit(limit)
    )
    return rows_touched(await conn.execute(delete(_inbound).where(_inbound.c.id.in_(old.scalar_subquery()))))


async def _read(
    conn: AsyncConnection, vault: Vault, conversation_id: str, *, unhandled: bool, limit: int
) -> list[Received]:
    wanted = {"of": conversation_id, "at_most": limit}
    rows = (await conn.execute(_unhandled if unhandled else _latest, wanted)).all()
    key = await vault.existing(conn, f"conversation:{conversation_id}") if any(row.sealed for row in rows) else None
    opened = [_opened(row, key) for row in rows]
    return opened if unhandled else opened[::-1]


def _opened(row: AnyRow, key: SubjectKey | None) -> Received:
    words, erased = "", False
    if row.sealed is not None:
        try:
            if key is None:
                raise Forgotten("This key was deleted.")
            words = key.unseal(row.sealed, about=_about(row.channel, row.provider_message_id))
        except Forgotten:
            erased = True
    return Received(
        id=row.id,
        conversation_id=row.conversation_id,
        channel=Channel(row.channel),
        kind=InboundKind(row.kind),
        text=words,
        token=row.token,
        callback_id=row.callback_id,
        masked_kinds=tuple(row.masked_kinds.split(",")) if row.masked_kinds else (),
        received_at=row.received_at,
        handled_at=row.handled_at,
        erased=erased,
        reply_to=row.reply_to or "",
    )


def _about(channel: str, provider_message_id: str) -> str:
    return f"inbox:{channel}:{provider_message_id}"
