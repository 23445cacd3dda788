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

from bot import store as conversations
from bot.channels.voice import CallState
from bot.delivery import Ticket
from bot.voice import store
from bot.voice.store import Call, CallKind
from helpline import accounts
from helpline.messages import Language
from helpline.outbox import OutboundKind, Outgoing

log = structlog.get_logger(__name__)

ASK_AFTER = timedelta(seconds=90)  # without a word from Twilio about a call that rings, or may ring
JOINING = "join:"  # begins key and lane of a call that brings an advisor and a clinician together
CLOCKS = timedelta(minutes=2)  # how far back calls of others are looked for


class Ledger:
    """What delivery is told of calls, and tells."""

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
                live = await _line_of(conn, outgoing)
                if live is not None and live.call_sid is not None:
                    tickets[outgoing.id] = Ticket(live.id, known_as=spoken_id(live, outgoing.id))
                    continue
                newest = await _write_down(conn, outgoing, now)
            tickets[outgoing.id] = await _ticket(conn, newest, outgoing)
        return tickets

    async def in_doubt(self, conn: AsyncConnection, outgoing: Outgoing) -> Ticket:
        """What is known of the call that was perhaps made for this message."""
        made = (await store.tries_of(conn, [outgoing.id])).get(outgoing.id, [])
        return await _ticket(conn, made[-1], outgoing) if made else Ticket()

    async def taken(self, conn: AsyncConnection, taken: Sequence[tuple[Outgoing, str]], now: datetime) -> None:
        """Twilio took these, under ids of its own; it may have told of them before."""
        tries = await store.tries_of(conn, [outgoing.id for outgoing, _ in taken])
        for outgoing, sid in taken:
            made = tries.get(outgoing.id, [])
            if made:
                await known_as(conn, made[-1], sid, now)


def spoken_id(call: Call, outbound_id: int) -> str:
    """Under which a message counts as taken that a call under way will speak."""
    return f"{call.call_sid}/{outbound_id}"


async def known_as(conn: AsyncConnection, call: Call, call_sid: str, now: datetime) -> Call | None:
    """The call that Twilio knows by this id, having been made by our request for `call`.

    Where our request was answered too late it may have been made twice: then each has a row, and both ring.
    """
    known = await store.find_by_sid(conn, call_sid)
    if known is not None:
        return known
    if await store.note_sid(conn, call.id, call_sid):
        return await store.find(conn, call.id)
    known = await store.find_by_sid(conn, call_sid)
    if known is not None:
        return known  # told of by another process at this moment
    log.warning("call_made_twice", call_id=call.id)
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


async def _line_of(conn: AsyncConnection, outgoing: Outgoing) -> Call | None:
    """The call on which the clinician that this is for is on the line, or is being called this moment."""
    if outgoing.kind is not OutboundKind.REPLY or _staff_of(outgoing) is not None:
        return None
    return await store.live_call_of(conn, outgoing.lane) or await store.call_back_under_way(conn, outgoing.lane)


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


async def _ticket(conn: AsyncConnection, call: Call, outgoing: Outgoing) -> Ticket:
    if call.call_sid is not None:
        return Ticket(call.id, known_as=call.call_sid)
    if not outgoing.attempts:
        return Ticket(call.id)  # nothing was asked of Twilio yet, so there is nothing to look for
    since = (outgoing.first_tried_at or outgoing.created_at) - CLOCKS
    return Ticket(call.id, others=await store.sids_since(conn, since))


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
