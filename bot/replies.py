"""Writing a reply into the outbox, in as many parts as its channel needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import store
from bot.house import House
from helpline import outbox
from helpline.messages import Address, OutboundMessage
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
) -> bool:
    """Put a reply into the lane of its conversation; whether it is new there.

    `key` makes it exist once, however often this is done.
    """
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
        )
        new = new or made is not None
    return new
