"""The clinician's side: an advisor is sought for her, she asks again, she writes, she calls it off.

All of it happens in the transaction of whoever calls: what she said and what is done about it are one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import ladder, store
from escalation.carry import Carrier, Means, Move
from escalation.effects import Effects
from escalation.on_duty import Present, gather, staff_now
from escalation.standing import Escalation, Ladder, Urgency
from escalation.store import Filed
from helpline.messages import Country, Language

log = structlog.get_logger(__name__)

CLINICIAN = "clinician"


@dataclass(frozen=True)
class Opened:
    """An open escalation, and whether it was opened just now."""

    filed: Filed
    new: bool


async def open_escalation(
    conn: AsyncConnection,
    means: Means,
    *,
    conversation_id: str,
    urgency: Urgency,
    language: Language,
    country: Country,
    region: str,
    reason: str,
    brief_ref: str = "",
    now: datetime,
) -> Opened:
    """Seek an advisor for a conversation, and tell the clinician by when she hears.

    Where one is sought already, or has it, that one is returned, told of and raised to urgent where this plea is. An
    urgent one pages within this transaction; a routine one with the next tick, which is rung for.
    """
    policy = await store.policy(conn)
    present = await gather(conn, policy, now, channels=means.channels)
    open_now = await store.find_open(conn, conversation_id, lock=True)
    if open_now is None:
        begun, code, effects = await _begin(conn, present, urgency, policy.ladders[urgency], language, now)
        filed = Filed(begun, conversation_id, code, country, region, reason, brief_ref)
        if await store.insert_new(conn, filed):
            details = {"urgency": urgency.value, "reason": reason, "language": language.value, "country": country.value}
            move = Move(filed, effects, cause="opened", actor=CLINICIAN, details=dict(details))
            await Carrier(conn, means, present, now).carry_out([move])
            log.info("escalation_opened", escalation_id=filed.id, urgency=urgency.value, reason=reason)
            return Opened(filed, new=True)
        # Another process opened one for the same conversation in the meantime.
        open_now = await store.find_open(conn, conversation_id, lock=True)
        if open_now is None:
            raise RuntimeError("an open escalation came and went while this one was opened")
    if open_now.language is not language:
        open_now = replace(open_now, escalation=replace(open_now.escalation, language=language.value))
    asked = ladder.ask_again(
        open_now.escalation,
        urgency=urgency,
        ladder=policy.ladders[urgency],
        now=now,
        staffing=present.staffing[urgency],
    )
    filed = await _apply(conn, means, present, open_now, asked, now, cause="asked_again", actor=CLINICIAN)
    return Opened(filed, new=False)


async def _begin(
    conn: AsyncConnection, present: Present, urgency: Urgency, steps: Ladder, language: Language, now: datetime
) -> tuple[Escalation, str, Effects]:
    """A new escalation with its code; one that is urgent has its first pages with it."""
    id_ = store.new_id()
    staffing = present.staffing[urgency]
    escalation, effects = ladder.begin(
        id_, urgency=urgency, language=language.value, ladder=steps, now=now, staffing=staffing
    )
    if urgency is Urgency.URGENT:
        escalation, paged = ladder.climb(escalation, now, staffing)
        effects += paged
    return escalation, await store.reserve_code(conn, escalation_id=id_, now=now), effects


async def _apply(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    filed: Filed,
    moved: tuple[Escalation, Effects],
    now: datetime,
    *,
    cause: str,
    actor: str,
) -> Filed:
    escalation, effects = moved
    if escalation.open:
        # Whatever the plea has planned for this moment goes out with it.
        climbed, more = ladder.climb(escalation, now, present.staffing[escalation.urgency])
        escalation, effects = climbed, (*effects, *more)
    after = filed.after(escalation, now)
    await Carrier(conn, means, present, now).carry_out([Move(after, effects, cause=cause, actor=actor)])
    return after


class By(StrEnum):
    """Who wrote."""

    STAFF = "staff"
    CLINICIAN = "clinician"


async def note_reply(
    conn: AsyncConnection, escalation_id: str, by: By, now: datetime, *, staff_id: str | None = None
) -> bool:
    """Note that somebody wrote to the other through the line, for the deadlines; whether that changed anything.

    An advisor's word counts only from the owner; without `staff_id` the owner is taken to have written it.
    """
    filed = await store.find(conn, escalation_id, lock=True)
    if filed is None:
        return False
    before = filed.escalation
    if by is By.STAFF:
        after = ladder.note_advisor_word(before, staff_id or before.owner or "", now)
    else:
        after = ladder.note_clinician_word(before, now)
    if after == before:
        return False
    await store.save(conn, [filed.after(after, now)])
    return True


async def clinician_left(conn: AsyncConnection, means: Means, conversation_id: str, now: datetime) -> Filed | None:
    """She calls it off, or erases what she wrote: nobody is paged any more; what was open, or None."""
    filed = await store.find_open(conn, conversation_id, lock=True)
    if filed is None:
        return None
    present = await staff_now(conn, now, channels=means.channels)
    moved = ladder.withdraw(filed.escalation, now, present.staffing[filed.escalation.urgency])
    return await _apply(conn, means, present, filed, moved, now, cause="withdrawn", actor=CLINICIAN)


async def note_language(conn: AsyncConnection, conversation_id: str, language: Language, now: datetime) -> None:
    """She has changed the language she wants to be spoken to in."""
    filed = await store.find_open(conn, conversation_id, lock=True)
    if filed is not None and filed.language is not language:
        changed = replace(filed.escalation, language=language.value)
        await store.save(conn, [filed.after(changed, now)])
