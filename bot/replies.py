"""Writing a reply into the outbox, in as many parts as its channel needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store, store
from bot.house import House
from helpline import outbox
from helpline.messages import Address, Channel, OutboundMessage
from helpline.outbox import OutboundKind


async def write_down(
    conn: AsyncConnection,
    house: House,
    conversation_id: str,
    address: Address,
    message: OutboundMessage,
    *,
    key: str,
    now: datetime,
    spoken: bool = False,
) -> bool:
    """Put a reply into the lane of its conversation; whether it is new there.

    `key` makes it exist once, however often this is done. A caller is told on her call, by SMS where she agreed, or by
    calling her back; with `spoken` only by voice.
    """
    due_at = now
    if address.channel is Channel.CALL and not spoken:
        address, due_at = await caller_store.where_to(conn, house.vault, conversation_id, address, now)
    adapter = house.channels.get(address.channel)
    parts = adapter.fit(message) if adapter is not None else (message,)
    new = False
    for number, part in enumerate(parts):
        made = await outbox.enqueue(
            conn,
            house.vault,
            key=f"{key}:{number}",
            lane=conversation_id,
            kind=OutboundKind.REPLY,
            subject=store.subject_of(conversation_id),
            to=address,
            message=part,
            now=now,
            due_at=due_at,
        )
        new = new or made is not None
    return new
