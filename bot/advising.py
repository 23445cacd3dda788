"""An advisor's own chat with the line: codes, buttons, and words for the clinician."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import rota_talk
from bot.house import House
from bot.store import Conversation
from bot.voice import joining
from bot.waiting_room import WaitingRoom
from escalation import advisors, hearing
from escalation.advisors import Outcome
from escalation.hearing import Answered, Heard
from escalation.reach import stand_ins
from escalation.reach import trials as reach_tests
from helpline import accounts, inbox, outbox
from helpline.inbox import Received
from helpline.masking import MARKS
from helpline.masking import Kind as MaskedKind
from helpline.messages import Address, InboundKind, OutboundMessage

STILL_MEANT = timedelta(hours=1)  # so long words wait for their writer to say for whom they are
_WORDS = {InboundKind.STOP: "stop", InboundKind.START: "start"}


async def hear(
    conn: AsyncConnection,
    house: House,
    room: WaitingRoom,
    conversation: Conversation,
    address: Address,
    message: Received,
    now: datetime,
) -> OutboundMessage | None:
    """Do what a member of staff wrote or tapped; what is said to them here, beyond what
    the waiting room says itself."""
    staff_id = conversation.staff_id
    if staff_id is None:
        return None
    if message.kind in {InboundKind.PHOTO, InboundKind.VOICE, InboundKind.LOCATION, InboundKind.OTHER}:
        return OutboundMessage(house.phrases.say("relay.only_text", conversation.language))
    contact = await _contact(conn, house, staff_id, address)
    if contact is None:
        return None
    if contact.verified_at == message.received_at:
        # This very message was the code that proved the address: whoever waits for them is told to them here too.
        await advisors.rules_changed(conn, room.means, staff_id, now)
        return OutboundMessage(house.phrases.say("contact.proved", conversation.language))
    text = _WORDS.get(message.kind, message.text)
    token = message.token if message.kind is InboundKind.TAP else ""
    tested = await reach_tests.hear(
        conn, room.means, staff_id=staff_id, contact=str(contact.id), text=text, token=token, now=now
    )
    if tested is not None:
        return tested
    shifts = await rota_talk.hear(conn, room.means, staff_id=staff_id, text=text, token=token, now=now)
    if shifts is not None:
        return shifts
    stood_in = await stand_ins.hear(conn, room.means, staff_id=staff_id, token=token, now=now)
    if stood_in is not None:
        return stood_in
    answered = await outbox.said_to(conn, house.vault.fingerprint_of(address), message.reply_to)
    heard = await hearing.hear(
        conn,
        room.means,
        staff_id=staff_id,
        contact=str(contact.id),
        text=text,
        token=token,
        answered=Answered(answered.escalation_id, answered.page_id) if answered is not None else None,
        said_id=message.id,
        now=now,
    )
    if heard.outcome is Outcome.RELAY:
        return await _relay(conn, house, room, conversation, message, heard, staff_id, now)
    if heard.outcome is Outcome.CONNECT:
        filed = heard.escalations[0]
        joined = await joining.join(conn, room, filed.id, staff_id, now)
        return OutboundMessage(house.phrases.say(f"joined.{joined.value}", conversation.language, code=filed.code))
    return None


async def _relay(
    conn: AsyncConnection,
    house: House,
    room: WaitingRoom,
    conversation: Conversation,
    message: Received,
    heard: Heard,
    staff_id: str,
    now: datetime,
) -> OutboundMessage | None:
    """Pass an advisor's words on: those of this message, or of an earlier one for which she has now said whose it is.

    Words go out once, however often a button is tapped: their message's number is their key, for whomever they are.
    """
    say, language, code = house.phrases.say, conversation.language, heard.escalations[0].code
    said, words = message, heard.words
    if heard.earlier is not None:
        found = await inbox.find_said(conn, house.vault, conversation.id, heard.earlier)
        if found is None or not found.text or now - found.received_at > STILL_MEANT:
            return OutboundMessage(say("relay.too_late", language, code=code))
        said, words = found, found.text
        if await outbox.find(conn, f"advisor:{said.id}:0") is not None:
            return OutboundMessage(say("relay.sent_already", language))
    reached = await room.advisor_wrote(conn, heard.escalations[0], words, staff_id, key=f"advisor:{said.id}", now=now)
    if not reached:
        return OutboundMessage(say("relay.undelivered", language, code=code))
    if said.masked_kinds:
        # She reads a mark where a number or a name stood; who wrote it must know.
        marks = ", ".join(dict.fromkeys(MARKS[language][MaskedKind(kind)] for kind in said.masked_kinds))
        return OutboundMessage(say("relay.masked", language, code=code, marks=marks))
    if heard.earlier is not None:
        return OutboundMessage(say("relay.sent", language, code=code))
    return None


async def _contact(conn: AsyncConnection, house: House, staff_id: str, address: Address) -> accounts.Contact | None:
    """The contact that this came from."""
    for contact in await accounts.contacts(conn, house.vault, staff_id):
        if contact.address() == address:
            return contact
    return None
