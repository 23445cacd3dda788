"""An advisor's own chat with the line: codes, buttons, and words for the clinician."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.house import House
from bot.store import Conversation
from bot.waiting_room import WaitingRoom
from escalation import advisors
from escalation.advisors import Outcome
from helpline import accounts
from helpline.inbox import Received
from helpline.masking import MARKS
from helpline.masking import Kind as MaskedKind
from helpline.messages import Address, InboundKind, OutboundMessage

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
    heard = await advisors.hear(
        conn,
        room.means,
        staff_id=staff_id,
        contact=str(contact.id),
        text=_WORDS.get(message.kind, message.text),
        token=message.token if message.kind is InboundKind.TAP else "",
        now=now,
    )
    if heard.outcome is Outcome.RELAY:
        key = f"advisor:{message.id}"
        reached = await room.advisor_wrote(conn, heard.escalations[0], heard.words, staff_id, key=key, now=now)
        if not reached:
            code = heard.escalations[0].code
            return OutboundMessage(house.phrases.say("relay.undelivered", conversation.language, code=code))
        if message.masked_kinds:
            # She reads a mark where a number or a name stood; who wrote it must know.
            language, code = conversation.language, heard.escalations[0].code
            marks = ", ".join(dict.fromkeys(MARKS[language][MaskedKind(kind)] for kind in message.masked_kinds))
            return OutboundMessage(house.phrases.say("relay.masked", language, code=code, marks=marks))
    return None


async def _contact(conn: AsyncConnection, house: House, staff_id: str, address: Address) -> accounts.Contact | None:
    """The contact that this came from."""
    for contact in await accounts.contacts(conn, house.vault, staff_id):
        if contact.address() == address:
            return contact
    return None
