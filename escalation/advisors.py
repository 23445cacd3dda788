"""What staff do: take a page, say no, pass on, give back, close; and what their phones report of the pages.

An advisor acts by a button on Telegram, by a code in an SMS, or on the desk. All three end here, and the first one to
take an escalation has it: whoever comes later, by however little, is told who that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import ladder, shift_store, store
from escalation.carry import DESK, LINE, Carrier, Means, Move, lane_to
from escalation.closing import CaseOutcome, CloseReason, Closing, may_still_be_said, usual_reason
from escalation.effects import Effects, TellAdvisor, ToAdvisor
from escalation.on_duty import Present, staff_now
from escalation.reach import store as reach_store
from escalation.standing import Escalation, Staffing, State
from escalation.store import Filed, PageMade, PageState
from helpline import accounts

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=15)  # a provider that makes a page wait longer is not waited for
READ_AFTER_END = timedelta(hours=24)  # how long the words may be read by whoever had it
CODES_FOR = timedelta(days=2)  # how long a page may be answered without its code


class Outcome(StrEnum):
    """What came of something an advisor did."""

    TAKEN = "taken"  # it is theirs
    ALREADY_YOURS = "already_yours"
    TAKEN_BY_OTHER = "taken_by_other"  # somebody else was first
    NOTED = "noted"  # counted, and somebody else owns it
    ENDED = "ended"  # it is over already
    MOVED_ON = "moved_on"  # declined, given back or asked over
    OLD = "old"  # the page is from before it moved on, and nothing changed
    REFUSED = "refused"  # not theirs to do
    CLOSED = "closed"
    RELAY = "relay"  # words for the clinician: the front door passes them on
    CONNECT = "connect"  # to be joined with the clinician by telephone: the front door does it
    HELPED = "helped"  # told what can be written
    SILENT = "silent"  # not answered any more
    STOPPED = "stopped"  # wants no messages there
    STARTED = "started"  # wants them again
    UNKNOWN = "unknown"  # there is no such escalation or page


@dataclass(frozen=True)
class Done:
    """What came of it, and how the escalation stands now."""

    outcome: Outcome
    filed: Filed | None = None
    owner_name: str = ""  # of whoever has it, for showing


Change = Callable[[Escalation, Staffing], tuple[Escalation, Effects]]


async def acknowledge(
    conn: AsyncConnection,
    means: Means,
    page_or_escalation: str,
    staff_id: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """Take it: by the id of a page (a button) or of the escalation (the desk). The first one has it.

    `contact` is the id of the contact it was answered from; an answer to the desk stands there and is not sent.
    """
    escalation_id, _, _number = page_or_escalation.partition(":")
    await reach_store.note_answer(conn, staff_id, contact, now)
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.acknowledge(it, staff_id, now, staffing, contact=contact),
        cause="acknowledged",
        staff_id=staff_id,
    )


async def decline(
    conn: AsyncConnection,
    means: Means,
    page_or_escalation: str,
    staff_id: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """Say no to a page: the next one is called. An answer to a page from before it moved on changes nothing."""
    escalation_id, _, number = page_or_escalation.partition(":")
    await reach_store.note_answer(conn, staff_id, contact, now)
    page = await store.find_page(conn, page_or_escalation) if number else None
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.decline(
            it, staff_id, now, staffing, as_of=page.rung if page is not None else None, contact=contact
        ),
        cause="declined",
        staff_id=staff_id,
    )


async def pass_on(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    staff_id: str,
    to: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """The owner asks a colleague to take over, and stays the owner until the colleague does."""
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.pass_on(it, staff_id, to, now, staffing, contact=contact),
        cause="passed_on",
        staff_id=staff_id,
    )


async def pass_up(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    staff_id: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """The owner asks the next step to take over, gives no reason, and stays the owner until somebody does."""
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.pass_up(it, staff_id, now, staffing, contact=contact),
        cause="passed_up",
        staff_id=staff_id,
    )


async def keep(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    staff_id: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """The owner keeps it after all: whoever was asked to take over need not."""
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.keep(it, staff_id, now, staffing, contact=contact),
        cause="kept",
        staff_id=staff_id,
    )


async def hand_back(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    staff_id: str,
    now: datetime,
    *,
    contact: str = DESK,
) -> Done:
    """The owner cannot go on: it goes back on the ladder."""
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.hand_back(it, staff_id, now, staffing, contact=contact),
        cause="handed_back",
        staff_id=staff_id,
    )


async def move_up(conn: AsyncConnection, means: Means, escalation_id: str, staff_id: str, now: datetime) -> Done:
    """A coordinator does not wait for the step to run out."""
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.move_up(it, now, staffing),
        cause="moved_up",
        staff_id=staff_id,
    )


async def close(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    staff_id: str,
    now: datetime,
    *,
    reason: CloseReason | None = None,
    outcome: CaseOutcome = CaseOutcome.UNSAID,
    knowledge_missing: bool | None = None,
) -> Done:
    """End it, with how it ended. It stays ended; the clinician is told how to come back.

    Without a reason it is the usual one of the outcome. How it ended may be said a day afterwards (`say_how_it_ended`).
    """
    done = await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.close(it, now, staffing, by=staff_id),
        cause="closed",
        staff_id=staff_id,
    )
    if done.outcome is Outcome.CLOSED:
        closing = Closing(reason or usual_reason(outcome), outcome, knowledge_missing)
        await shift_store.record_closing(conn, escalation_id, staff_id, closing, now)
    return done


async def say_how_it_ended(
    conn: AsyncConnection, escalation_id: str, staff_id: str, closing: Closing, now: datetime
) -> bool:
    """Say or mend how it ended, afterwards; only whoever ended it, and only for a day."""
    closed = await shift_store.closing_of(conn, escalation_id)
    if closed is None or closed.closed_by != staff_id or not may_still_be_said(closed.closed_at, now):
        return False
    if closed.closing != closing:
        await shift_store.record_closing(conn, escalation_id, staff_id, closing, now)
    return True


async def reapply(conn: AsyncConnection, means: Means, escalation_id: str, staff_id: str, now: datetime) -> Done:
    """Start one that waits over on the ladders as they are now; editing them alone moves nobody."""
    policy = await store.policy(conn)
    return await _do(
        conn,
        means,
        escalation_id,
        now,
        lambda it, staffing: ladder.reapply(it, ladder=policy.ladders[it.urgency], now=now, staffing=staffing),
        cause="reapplied",
        staff_id=staff_id,
    )


async def _do(
    conn: AsyncConnection,
    means: Means,
    escalation_id: str,
    now: datetime,
    change: Change,
    *,
    cause: str,
    staff_id: str,
    actor: str | None = None,
) -> Done:
    present = await staff_now(conn, now, channels=means.channels)
    filed = await store.find(conn, escalation_id, lock=True)
    if filed is None:
        return Done(Outcome.UNKNOWN)
    before = filed.escalation
    staffing = present.staffing[before.urgency]
    escalation, effects = change(before, staffing)
    if escalation.open and escalation != before:
        escalation, more = ladder.climb(escalation, now, staffing)
        effects = (*effects, *more)
    after = filed.after(escalation, now)
    changed = escalation != before
    move = Move(
        after,
        effects,
        cause=cause if changed else "answered_late",
        actor=actor or f"staff:{staff_id}",
        details={"asked": cause},
    )
    await Carrier(conn, means, present, now).carry_out([move])
    outcome = _outcome(before, escalation, staff_id, cause)
    if any(isinstance(effect, TellAdvisor) and effect.word is ToAdvisor.ASKED_OVER for effect in effects):
        outcome = Outcome.MOVED_ON  # also where a second press found them asked already
    log.info("advisor_acted", escalation_id=filed.id, cause=cause, outcome=outcome.value)
    return Done(outcome, after, present.name_of(escalation.owner) if escalation.owner else "")


def _outcome(before: Escalation, after: Escalation, staff_id: str, cause: str) -> Outcome:
    if not before.open:
        return Outcome.ENDED
    match cause:
        case "acknowledged" if before.owner == staff_id:
            return Outcome.ALREADY_YOURS
        case "acknowledged" if after.owner == staff_id:
            return Outcome.TAKEN
        case "acknowledged":
            return Outcome.NOTED if after != before else Outcome.TAKEN_BY_OTHER
        case "closed":
            return Outcome.CLOSED
        case "kept" if before.owner == staff_id and after == before:
            return Outcome.ALREADY_YOURS
        case _ if after != before:
            return Outcome.MOVED_ON
        case "declined" if before.owner is None and before.turn_of(staff_id) is not None:
            return Outcome.OLD
        case _:
            return Outcome.REFUSED


# --- Their contacts and rules -----------------------------------------------------------------------------------------


async def rules_changed(conn: AsyncConnection, means: Means, staff_id: str, now: datetime) -> None:
    """Somebody's contacts or personal rules have changed: pages that lie ahead of them follow.

    Who could not be reached until now may be on call for somebody who waits, so that is looked at anew too.
    """
    await store.make_due(conn, now)
    await _replan_all(conn, means, await staff_now(conn, now, channels=means.channels), staff_id, now)


async def _replan_all(conn: AsyncConnection, means: Means, present: Present, staff_id: str, now: datetime) -> None:
    moves = []
    for listed in await store.list_open(conn):
        if listed.escalation.turn_of(staff_id) is None:
            continue
        filed = await store.find(conn, listed.id, lock=True)
        if filed is None:
            continue
        staffing = present.staffing[filed.escalation.urgency]
        ways = staffing.ways.get(staff_id, ())
        moved, effects = ladder.replan(filed.escalation, staff_id, ways, now, staffing)
        if moved != filed.escalation:
            moves.append(Move(filed.after(moved, now), effects, cause="replanned", details={"staff": staff_id}))
    await Carrier(conn, means, present, now).carry_out(moves)


# --- What became of pages --------------------------------------------------------------------------------------------


class PageNews(StrEnum):
    """What a channel has to tell of a page."""

    SENT = "sent"  # the provider took it
    DELIVERED = "delivered"  # on the device, which is not the same as read
    HELD_UP = "held_up"  # the provider makes us wait, or a machine picked up
    REFUSED = "refused"  # it will not arrive


async def page_reported(
    conn: AsyncConnection,
    means: Means,
    page_id: str,
    news: PageNews,
    now: datetime,
    *,
    retry_after: timedelta | None = None,
) -> bool:
    """Note what became of a page; whether that changed anything. A page that comes to nothing brings the next way on.

    Nothing that a provider says is an answer: only an advisor's own word takes an escalation.
    """
    page = await store.find_page(conn, page_id)
    if page is None:
        return False
    if news is PageNews.HELD_UP and retry_after is not None and retry_after <= PATIENCE:
        return False
    together = await store.bundled_with(conn, page)
    ids = [each.id for each in together]
    if news in (PageNews.SENT, PageNews.DELIVERED):
        return await store.note_pages(conn, ids, PageState(news.value), now) > 0
    # The escalations before the pages, as everybody does who changes both: otherwise two could wait for each other.
    locked = [await store.find(conn, id_, lock=True) for id_ in sorted({each.escalation_id for each in together})]
    if not await store.note_pages(conn, ids, PageState(news.value), now):
        return False
    paged = {each.escalation_id: each for each in together}
    moves = [(filed, paged[filed.id]) for filed in locked if filed is not None]
    await _fall_back(conn, means, moves, now, refused=news is PageNews.REFUSED)
    return True


async def _fall_back(
    conn: AsyncConnection, means: Means, failed: Sequence[tuple[Filed, PageMade]], now: datetime, *, refused: bool
) -> None:
    present = await staff_now(conn, now, channels=means.channels)
    cause = "page_refused" if refused else "page_held_up"
    moves = []
    for filed, page in failed:
        staffing = present.staffing[filed.escalation.urgency]
        escalation, effects = ladder.fall_back(
            filed.escalation, page.staff_id, str(page.contact_id), now, staffing, refused=refused
        )
        moves.append(Move(filed.after(escalation, now), effects, cause=cause, details={"page": page.id}))
    await Carrier(conn, means, present, now).carry_out(moves)


async def owner_not_reached(
    conn: AsyncConnection, means: Means, escalation_id: str, lane: str, now: datetime
) -> Done | None:
    """What was to be said to its owner will not arrive: somebody else is sought, and the clinician is told so.

    None where it is nobody's, or the lane leads to somebody who does not own it.
    """
    filed = await store.find(conn, escalation_id, lock=True)
    owner = filed.escalation.owner if filed is not None else None
    if owner is None or not lane.startswith(lane_to(owner, "")):
        return None
    return await _owner_is_gone(conn, means, filed, now, cause="owner_not_reached")


async def owner_left(conn: AsyncConnection, means: Means, escalation_id: str, now: datetime) -> Done | None:
    """Its owner does not work here any more: somebody else is sought, and the clinician is told so.

    None where it is nobody's, or its owner does work here.
    """
    filed = await store.find(conn, escalation_id, lock=True)
    owner = filed.escalation.owner if filed is not None else None
    staff = await accounts.find_staff(conn, owner) if owner is not None else None
    if staff is not None and staff.active:
        return None
    return await _owner_is_gone(conn, means, filed, now, cause="owner_left")


async def _owner_is_gone(
    conn: AsyncConnection, means: Means, filed: Filed | None, now: datetime, *, cause: str
) -> Done | None:
    if filed is None or not filed.escalation.open or filed.escalation.owner is None:
        return None
    return await _do(
        conn,
        means,
        filed.id,
        now,
        lambda it, staffing: ladder.move_up(it, now, staffing),
        cause=cause,
        staff_id=filed.escalation.owner,
        actor=LINE,
    )


async def pages_sent(conn: AsyncConnection, page_ids: Sequence[str], now: datetime) -> None:
    """Note that the providers took these pages."""
    await store.note_sent(conn, page_ids, now)


async def unwanted_pages(conn: AsyncConnection, page_ids: Sequence[str]) -> set[str]:
    """Those of the pages about to be handed over that nobody needs any more; look once more before sending."""
    return await store.unwanted_pages(conn, page_ids)


def is_theirs(filed: Filed, staff_id: str) -> bool:
    """Whether this advisor owns the escalation now."""
    return filed.escalation.state is State.TAKEN and filed.escalation.owner == staff_id


def may_read(filed: Filed, staff_id: str, now: datetime) -> bool:
    """Whether they may read what was written in it: whoever has it, and for a day whoever had it when it ended."""
    if is_theirs(filed, staff_id):
        return True
    ended = not filed.escalation.open and filed.closed_at is not None
    return ended and filed.escalation.owner == staff_id and now - (filed.closed_at or now) < READ_AFTER_END
