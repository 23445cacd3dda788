"""Account of the calls that the outbox makes: written down before each is made, and known again afterwards.

A message for `Channel.CALL` is one of three:

- to a member of staff: the phone rings, and what is said is fetched by the call's id (`pages.py`);
- to a clinician who is on the line now: nothing rings; her call speaks it, and counts it as sent under its own id;
- to a clinician who is not: she is called back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store
from bot import store as conversations
from bot.channels.voice import CallState
from bot.counts import Counts
from bot.delivery import Ticket
from bot.voice import store
from bot.voice.store import Call, CallKind
from helpline import accounts
from helpline.messages import Channel, Language
from helpline.outbox import OutboundKind, Outgoing

log = structlog.get_logger(__name__)

ASK_AFTER = timedelta(seconds=90)  # without a word from Twilio about a call that rings, or may ring
JOINING = "join:"  # begins key and lane of a call that brings an advisor and a clinician together


class Ledger:
    """What delivery is told of calls, and tells."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts

    async def about_to_call(
        self, conn: AsyncConnection, messages: Sequence[Outgoing], now: datetime
    ) -> Mapping[int, Ticket]:
        """Write down the calls that are about to be made for these messages."""
        tries = await store.tries_of(conn, [each.id for each in messages])
        tickets: dict[int, Ticket] = {}
        for outgoing in messages:
            made = tries.get(outgoing.id, [])
            newest = made[-1] if made else None
            # What was put back after its call begins anew; what was tried and is in doubt does not ring twice.
            begins_anew = newest is not None and newest.over and (newest.call_sid is None or not outgoing.attempts)
            if newest is None or begins_anew:
                live = await _line_of(conn, outgoing, now)
                if live is not None and live.call_sid is not None:
                    tickets[outgoing.id] = Ticket(live.id, known_as=spoken_id(live, outgoing.id))
                    continue
                newest = await _write_down(conn, outgoing, now)
            tickets[outgoing.id] = Ticket(newest.id, known_as=newest.call_sid or "")
        return tickets

    async def in_doubt(self, conn: AsyncConnection, outgoing: Outgoing) -> Ticket:
        """What is known of the call that was perhaps made for this message."""
        made = (await store.tries_of(conn, [outgoing.id])).get(outgoing.id, [])
        return Ticket(made[-1].id, known_as=made[-1].call_sid or "") if made else Ticket()

    async def claim(self, conn: AsyncConnection, outgoing: Outgoing, call_sid: str, now: datetime) -> bool:
        """Whether this call that Twilio lists may be this message's; from then on it is nobody else's."""
        await store.one_at_a_time(conn, [call_sid])
        found = await store.find_by_sid(conn, call_sid)
        if found is not None:
            return found.outbound_id == outgoing.id
        made = (await store.tries_of(conn, [outgoing.id])).get(outgoing.id, [])
        return bool(made) and await known_as(conn, made[-1], call_sid, now, self._counts) is not None

    async def taken(self, conn: AsyncConnection, taken: Sequence[tuple[Outgoing, str]], now: datetime) -> None:
        """Twilio took these, under ids of its own; it may have told of them before."""
        await store.one_at_a_time(conn, [sid for _, sid in taken])
        tries = await store.tries_of(conn, [outgoing.id for outgoing, _ in taken])
        for outgoing, sid in taken:
            made = tries.get(outgoing.id, [])
            if made:
                await known_as(conn, made[-1], sid, now, self._counts)


def spoken_id(call: Call, outbound_id: int) -> str:
    """Under which a message counts as taken that a call under way will speak."""
    return f"{call.call_sid}/{outbound_id}"


async def known_as(
    conn: AsyncConnection, call: Call, call_sid: str, now: datetime, counts: Counts | None = None
) -> Call | None:
    """The call that Twilio knows by this id, having been made by our request for `call`; after `one_at_a_time`.

    Where our request was answered too late it may have been made twice: then each has a row, and both ring. Where it
    was claimed for another message that is alike, as two may be after a crash, it is that one's no longer.
    """
    known = await store.find_by_sid(conn, call_sid)
    if known is not None and (known.id == call.id or known.outbound_id == call.outbound_id):
        return known
    if known is not None:
        # Each had claimed the other's.
        log.warning("call_was_anothers", call_id=call.id)
        mine = await store.find(conn, call.id)
        claimed = mine.call_sid if mine is not None else None
        await store.change(conn, known.id, call_sid=None)
        await store.change(conn, call.id, call_sid=None)
        if claimed is not None:
            await store.change(conn, known.id, call_sid=claimed)
    if await store.note_sid(conn, call.id, call_sid):
        return await store.find(conn, call.id)
    log.warning("call_made_twice", call_id=call.id)
    if counts is not None:
        counts.sent_again.labels(Channel.CALL.value).inc()
    return await store.add(
        conn,
        kind=call.kind,
        language=call.language,
        now=now,
        due_at=now + ASK_AFTER,
        call_sid=call_sid,
        conversation_id=call.conversation_id,
        escalation_id=call.escalation_id,
        page_id=call.page_id,
        staff_id=call.staff_id,
        outbound_id=call.outbound_id,
    )


async def _line_of(conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> Call | None:
    """The call on which the clinician that this is for is on the line, or is being called this moment."""
    if outgoing.kind is not OutboundKind.REPLY or _staff_of(outgoing) is not None:
        return None
    live = await store.live_call_of(conn, outgoing.lane)
    if live is not None and live.kind is CallKind.CLINICIAN:
        # Not a call from that telephone of somebody who has not said that it is hers: there it is never spoken.
        known = await caller_store.find(conn, outgoing.lane, now)
        live = await store.find(conn, known.call_id) if known is not None and known.call_id is not None else None
    if live is not None and not live.over:
        return live
    return await store.call_back_under_way(conn, outgoing.lane)


async def _write_down(conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> Call:
    staff_id = _staff_of(outgoing)
    if staff_id is None:
        conversation = await conversations.outline(conn, outgoing.lane)
        kind, language = CallKind.CALLBACK, conversation.language if conversation is not None else Language.NB
    else:
        member = await accounts.find_staff(conn, staff_id)
        kind = CallKind.PAGE if outgoing.page_id is not None else CallKind.NOTICE
        if outgoing.lane.startswith(JOINING):
            kind = CallKind.JOINED
        language = member.languages[0] if member is not None and member.languages else Language.NB
    return await store.add(
        conn,
        kind=kind,
        language=language,
        now=now,
        due_at=now + ASK_AFTER,
        conversation_id=outgoing.lane if kind is CallKind.CALLBACK else None,
        escalation_id=outgoing.escalation_id,
        page_id=outgoing.page_id,
        staff_id=staff_id,
        outbound_id=outgoing.id,
    )


def _staff_of(outgoing: Outgoing) -> str | None:
    """The member of staff whom this is for; None where it is for a clinician."""
    if outgoing.page_id is not None:
        return outgoing.subject.removeprefix("staff:")
    if outgoing.lane.startswith("staff:"):
        return outgoing.lane.split(":")[1]
    return outgoing.subject.removeprefix("staff:") if outgoing.subject.startswith("staff:") else None


def lost(call: Call, now: datetime) -> bool:
    """Whether a call that Twilio never told of was never made, or cannot be found any more."""
    return call.call_sid is None and call.state is CallState.MADE and now - call.made_at > timedelta(hours=1)
