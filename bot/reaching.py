"""What we begin to say ourselves, when and how the clinician said that it is safe.

Every message that is no answer to what she wrote this moment goes through `say`: a promise that moves, nobody who was
reached, a question of how it went. Where she told us nothing of it, all goes out at once, as ever.

1. So soon after she wrote that it is an answer to her, it goes out as it is; and what an advisor writes in a talk too.
2. For `PRESENT_FOR` after she wrote last, her hours do not hold it back: she is there, and waits for us.
3. Else it waits for her hours, and where she does not want to be reached, until she writes; she is told so where she
   is promised an answer.
4. Where nothing may be told of the case, she only learns that there is a message, once, until she has read it.

What is held back is read to her before the answer to the next thing she writes, so nothing is lost and nobody is
promised what was not kept.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store, dialogue, held_store, replies, store
from bot.commands import plain
from bot.dialogue import Heard
from bot.house import House
from bot.store import Conversation
from helpline.messages import Address, Channel, Choice, Language, OutboundMessage
from helpline.phrases import ZONES
from routing.referrals import store as referral_store
from routing.referrals.referral import MaySay, SafeContact, Way

log = structlog.get_logger(__name__)

PRESENT_FOR = replies.PRESENT_FOR
ANSWERING = timedelta(minutes=1)  # so long after she wrote, what is said is said to her
LATER = timedelta(hours=1)  # after a fault of ours
SHOW = "k"  # the token of the button below "there is a message"
_READY = frozenset({"ok", "okay", "okei", "vis", "visa", "show"})  # said by whoever wants to read it


class Reached(StrEnum):
    """What became of it."""

    SAID = "said"
    HELD = "held"  # it waits until it is safe
    REPEATED = "repeated"  # it was said, or waits, already
    UNREACHABLE = "unreachable"  # she wants no messages, or is not there any more


async def say(
    conn: AsyncConnection,
    house: House,
    conversation: Conversation,
    message: OutboundMessage,
    *,
    key: str,
    now: datetime,
    covert: OutboundMessage | None = None,
    to_talk: bool = False,
) -> Reached:
    """Say this to the clinician when it is safe; `covert` is the same in words that tell nobody what it is about.

    With `to_talk` it is an advisor's, who writes with her while she is there.
    """
    address = await store.address_of(conn, house.vault, conversation.id)
    if address is None:
        return Reached.UNREACHABLE
    safe = await _rules(conn, house, conversation.id, now)
    since = now - (await store.last_heard(conn, conversation.id) or now)
    if safe is None or since <= (PRESENT_FOR if to_talk else ANSWERING):
        calls = await way_to(conn, house, conversation.id, address, now) is Way.CALL
        if calls and not await replies.may_be_called(conn, house.vault, conversation.id, now):
            # She hung up and is not to be called: whoever speaks to her must not think that she hears it.
            new = await replies.hold_until_she_comes(conn, house, conversation.id, message, key=key, now=now)
            return Reached.HELD if new else Reached.REPEATED
        if safe is not None and not to_talk:
            message = await _with_how_to_hear(conn, house, conversation, address, message, safe)
        new = await replies.write_down(conn, house, conversation.id, address, message, key=key, now=now)
        return Reached.SAID if new else Reached.REPEATED
    way = await way_to(conn, house, conversation.id, address, now)
    at: datetime | None = None
    if way in safe.ways:
        present = since <= PRESENT_FOR
        at = now if present else safe.next_safe(now, ZONES[conversation.country], way)
    openly = message if safe.may_say is MaySay.ANYTHING else covert
    if at is not None and at <= now and openly is not None:
        new = await replies.write_down(conn, house, conversation.id, address, openly, key=key, now=now)
        return Reached.SAID if new else Reached.REPEATED
    # Where she is not to be reached at all, it waits for her, and no longer than that was agreed.
    due_at = safe.until if at is None else at if at != now else None
    held = await held_store.hold(conn, house.vault, conversation.id, message, key=key, now=now, due_at=due_at)
    await replies.note_held(conn, house, conversation.id)
    if held and at == now:
        await _knock(conn, house, conversation, address, now)
    return Reached.HELD if held else Reached.REPEATED


async def _with_how_to_hear(
    conn: AsyncConnection,
    house: House,
    conversation: Conversation,
    address: Address,
    message: OutboundMessage,
    safe: SafeContact,
) -> OutboundMessage:
    """The same, and where we may not begin, how she hears what comes of it: else it promises what is not kept."""
    texted = await caller_store.texted_address(conn, house.vault, conversation.id)
    way = Way.CALL if address.channel is Channel.CALL and texted is None else Way.WRITE
    if way in safe.ways:
        return message
    words = house.phrases.say(f"referring.silent.{way.value}", conversation.language)
    return replace(message, text=f"{message.text}\n\n{words}")


async def _rules(conn: AsyncConnection, house: House, conversation_id: str, now: datetime) -> SafeContact | None:
    safe = await referral_store.safe_contact_of(conn, house.vault, conversation_id)
    return safe if safe is not None and safe.holds(now) else None


async def way_to(conn: AsyncConnection, house: House, conversation_id: str, address: Address, now: datetime) -> Way:
    """Whether she would be written to, or called. Who is on the line is not called."""
    if address.channel is Channel.CALL:
        known = await caller_store.find(conn, conversation_id, now)
        address, _ = await caller_store.where_to(conn, house.vault, conversation_id, address, now)
        if address.channel is Channel.CALL and (known is None or not known.on_line):
            return Way.CALL
    return Way.WRITE


async def _knock(
    conn: AsyncConnection, house: House, conversation: Conversation, address: Address, now: datetime
) -> None:
    """Tell her that there is a message, and nothing of it; once, until she has read what waits."""
    if not await held_store.has_knocked(conn, conversation.id):
        await replies.write_down(
            conn,
            house,
            conversation.id,
            address,
            knock(house, conversation.language, address.channel),
            key=f"knock:{conversation.id}:{now:%Y%m%d%H%M%S}",
            now=now,
        )
    await held_store.put_off(conn, conversation.id, None, knocked=True)


def knock(house: House, language: Language, channel: Channel) -> OutboundMessage:
    """The words by which nobody learns more than that there is a message."""
    text = house.phrases.say("referring.held", language)
    advisor = Choice(dialogue.ADVISOR, house.phrases.say("choice.advisor", language), "0")
    if channel in {Channel.SMS, Channel.CALL}:
        return OutboundMessage(text, (advisor,))
    return OutboundMessage(text, (Choice(SHOW, house.phrases.say("referring.held.show", language)), advisor))


# --- when it is safe -------------------------------------------------------------------------------------------------


async def tick(house: House, now: datetime) -> int:
    """Say what has waited for its hour; in how many conversations."""
    async with house.db.read() as conn:
        waiting = await held_store.due(conn, now)
    for conversation_id in waiting:
        try:
            async with house.db.write() as conn:
                await _release(conn, house, conversation_id, now)
        except Exception as error:
            # One that cannot be said must not keep back what waits for others.
            house.counts.trouble.labels("reaching").inc()
            log.error("held_not_said", conversation_id=conversation_id, error_type=type(error).__name__, exc_info=True)
            async with house.db.write() as conn:
                await held_store.put_off(conn, conversation_id, now + LATER)
    return len(waiting)


async def _release(conn: AsyncConnection, house: House, conversation_id: str, now: datetime) -> None:
    known = await store.get(conn, house.vault, conversation_id, lock=True)
    address = await store.address_of(conn, house.vault, conversation_id) if known is not None else None
    if known is None or address is None:
        await held_store.forget(conn, conversation_id)
        return
    # She may have told us something else meanwhile.
    safe = await _rules(conn, house, conversation_id, now) or SafeContact(may_say=MaySay.ANYTHING)
    way = await way_to(conn, house, conversation_id, address, now)
    at = safe.next_safe(now, ZONES[known.country], way)
    if at is None or at > now:
        await held_store.put_off(conn, conversation_id, at or safe.until)
    elif safe.may_say is MaySay.ANYTHING:
        await read_out(conn, house, conversation_id, address, now)
    else:
        await _knock(conn, house, known, address, now)
    house.tell_page(conn, conversation_id)


async def read_out(
    conn: AsyncConnection, house: House, conversation_id: str, address: Address | None, now: datetime
) -> bool:
    """Say what was held back; whether anything was."""
    waiting = await held_store.take(conn, house.vault, conversation_id)
    if address is not None:
        for each in waiting:
            await replies.write_down(
                conn, house, conversation_id, address, each.message, key=f"held:{each.key}", now=now
            )
    return bool(waiting)


def only_wants_to_read(heard: Heard) -> bool:
    """Whether this says no more than that she is ready to read what waits."""
    return heard.token == SHOW or plain(heard.text) in _READY
