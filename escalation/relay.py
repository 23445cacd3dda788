"""Words on their way to the advisor who has an escalation, in the order of everything else that is said to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means, Wording, lane_to
from escalation.on_duty import Present, Reach, gather
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
    present = await gather(conn, await store.policy(conn), now, channels=means.channels)
    reach = _reach(filed, present, owner)
    if reach is None:
        return False
    known = {contact.id: contact.address() for contact in await accounts.contacts(conn, means.vault, owner)}
    address = known.get(reach.contact_id)
    if address is None:
        return False
    made = await outbox.enqueue(
        conn,
        means.vault,
        key=key,
        lane=lane_to(owner, reach.channel),
        kind=OutboundKind.REPLY,
        subject=subject,
        to=address,
        message=wording(present.language_of(owner)),
        now=now,
        escalation_id=filed.id,
    )
    return made is not None


def _reach(filed: Filed, present: Present, owner: str) -> Reach | None:
    """Where they were last paged, if that can be written to, else their first contact that can."""
    turn = filed.escalation.turn_of(owner)
    used = present.reach(owner, turn.paged_on) if turn is not None and turn.paged_on is not None else None
    candidates = [*([used] if used is not None else []), *present.reaches.get(owner, ())]
    return next((each for each in candidates if each.channel != "desk" and not each.stopped), None)
