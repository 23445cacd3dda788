"""Words on their way to the advisor who has an escalation, in the order of everything else that is said to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.carry import Means, Wording, lane_to, written_to
from escalation.on_duty import staff_now
from escalation.store import Filed
from helpline import accounts, outbox
from helpline.outbox import OutboundKind


async def to_owner(
    conn: AsyncConnection, means: Means, filed: Filed, wording: Wording, *, key: str, subject: str, now: datetime
) -> bool:
    """Say this to the advisor who owns it, where they are reached by messages; the desk shows the conversation itself.

    `subject` names whose key seals the words: the conversation's, so that erasing it erases them here too. False where
    the owner has no such contact, or nobody owns it.
    """
    owner = filed.escalation.owner
    if owner is None:
        return False
    present = await staff_now(conn, now, channels=means.channels)
    # Where they were last paged, if that can be written to, else their first contact that can.
    turn = filed.escalation.turn_of(owner)
    reach = written_to(present, owner, first=turn.paged_on if turn is not None else None)
    if reach is None:
        return False
    known = {contact.id: contact.address() for contact in await accounts.contacts(conn, means.vault, owner)}
    address = known.get(reach.contact_id)
    if address is None:
        return False
    made = None
    for number, part in enumerate(means.fit(address.channel, wording(present.language_of(owner)))):
        first = await outbox.enqueue(
            conn,
            means.vault,
            key=f"{key}:{number}" if number else key,
            lane=lane_to(owner, reach.channel),
            kind=OutboundKind.REPLY,
            subject=subject,
            to=address,
            message=part,
            now=now,
            escalation_id=filed.id,
        )
        made = first if number == 0 else made
    return made is not None
