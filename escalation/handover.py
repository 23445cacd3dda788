"""The packet that whoever comes on duty receives: the open escalations of those who go, to be accepted one by one.

The one who goes keeps each until it is accepted (`advisors.acknowledge`); what nobody accepts is brought to mind once
and then asked of the next step (`ladder`). The packet holds codes, urgency and times, and never what anybody wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.standing import State, Urgency
from escalation.store import Filed


@dataclass(frozen=True)
class Offered:
    """An open escalation that somebody is asked to take over."""

    filed: Filed
    owner: str  # whose it is until then: a staff id
    others: tuple[str, ...]  # who else is asked
    asked_at: datetime
    due_at: datetime  # when the next step is asked too

    @property
    def id(self) -> str:
        """The escalation's id, which `advisors.acknowledge` takes."""
        return self.filed.id

    @property
    def code(self) -> str:
        """What people call it by."""
        return self.filed.code

    @property
    def urgent(self) -> bool:
        """Whether somebody may be in danger."""
        return self.filed.escalation.urgency is Urgency.URGENT

    @property
    def opened_at(self) -> datetime:
        """Since when the clinician has been with us."""
        return self.filed.escalation.opened_at

    @property
    def answer_by(self) -> datetime | None:
        """By when she is to have an answer; None where nothing is owed to her now."""
        return self.filed.escalation.reply_due_at


async def packet_for(conn: AsyncConnection, staff_id: str, now: datetime) -> tuple[Offered, ...]:
    """What somebody is asked to take over at this moment: urgent ones first, then by what presses."""
    offered = [each for filed in await store.list_open(conn) if (each := offer_of(filed, staff_id)) is not None]
    return tuple(sorted(offered, key=_pressing))


def offer_of(filed: Filed, staff_id: str) -> Offered | None:
    """This escalation as it is offered to somebody; None where it is not."""
    escalation = filed.escalation
    handover = escalation.handover
    if escalation.state is not State.TAKEN or escalation.owner is None or handover is None:
        return None
    if staff_id not in handover.asked or staff_id == escalation.owner:
        return None
    return Offered(
        filed,
        owner=escalation.owner,
        others=tuple(other for other in handover.asked if other != staff_id),
        asked_at=handover.asked_at or handover.due_at - escalation.ladder.deadlines.handover,
        due_at=handover.due_at,
    )


def _pressing(offered: Offered) -> tuple[bool, bool, datetime, datetime]:
    answer_by = offered.answer_by
    return (not offered.urgent, answer_by is None, answer_by or offered.opened_at, offered.opened_at)
