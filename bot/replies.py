"""Writing a reply into the outbox, in as many parts as its channel needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store, dialogue, held_store, store
from bot.house import House
from helpline import outbox
from helpline.messages import Address, Channel, OutboundMessage
from helpline.outbox import OutboundKind
from helpline.phrases import ZONES
from helpline.vault import Vault
from routing.referrals import store as referral_store
from routing.referrals.referral import Way

PRESENT_FOR = timedelta(hours=1)  # after she wrote last, she is there


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
        if address.channel is Channel.CALL and not await may_be_called(conn, house.vault, conversation_id, now):
            return await hold_until_she_comes(conn, house, conversation_id, message, key=key, now=now)
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


async def may_be_called(conn: AsyncConnection, vault: Vault, conversation_id: str, now: datetime) -> bool:
    """Whether she is on the line, or may be called at this moment, as far as she told us anything of it."""
    caller = await caller_store.find(conn, conversation_id, now)
    if caller is not None and caller.on_line:
        return True
    known = await store.outline(conn, conversation_id)
    safe = await referral_store.safe_contact_of(conn, vault, conversation_id)
    if known is None or safe is None or not safe.holds(now):
        return True
    since = now - (await store.last_heard(conn, conversation_id) or now)
    in_time = since <= PRESENT_FOR or safe.next_safe(now, ZONES[known.country], Way.CALL) == now
    return Way.CALL in safe.ways and in_time


async def hold_until_she_comes(
    conn: AsyncConnection, house: House, conversation_id: str, message: OutboundMessage, *, key: str, now: datetime
) -> bool:
    """Keep what can only be said by calling her, who may not be called, until she comes; whether it is new."""
    new = await held_store.hold(conn, house.vault, conversation_id, message, key=key, now=now, due_at=None)
    await note_held(conn, house, conversation_id)
    return new


async def note_held(conn: AsyncConnection, house: House, conversation_id: str) -> None:
    """Have the next turn of the conversation look for what waits."""
    known = await store.get(conn, house.vault, conversation_id)
    # A turn locks the conversation before its escalation; whoever comes from the escalation locks only where it must.
    if known is None or _state_of(known).referred:
        return
    known = await store.get(conn, house.vault, conversation_id, lock=True)
    if known is not None:
        state = _state_of(known)
        kept = dialogue.state_to_json(replace(state, referred=True))
        await store.keep_state(conn, house.vault, known.id, kept, language=state.language, country=state.country)


def _state_of(known: store.Conversation) -> dialogue.State:
    if known.state is None:
        return dialogue.State(known.language, known.country)
    return dialogue.state_from_json(known.state)
