"""What becomes of calls: what Twilio tells, what it is asked when it tells nothing, and what is hung up.

Twilio tells of a call in any order, twice, late, or never. A call only ever goes forward (`CallState.rank`), the first
end that is heard is its end, and a call of which nothing is heard is asked after by `tick`.

Nothing that Twilio tells is an answer. A page that ended without a key was heard by nobody, as far as we know: the
advisor's next way is tried at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.channels.voice import CallNews, CallState, TwilioCalls
from bot.delivery import Delivery
from bot.house import House
from bot.voice import ledger, store
from bot.voice.store import Call, CallKind
from bot.waiting_room import WaitingRoom
from escalation import advisors
from escalation import store as escalations
from escalation.advisors import PageNews
from escalation.standing import State, Turn
from escalation.store import Filed, PageMade, PageState
from helpline import outbox
from helpline.messages import Channel, DeliveryReport, DeliveryState, TryLater

log = structlog.get_logger(__name__)

HOLD = timedelta(seconds=30)  # for asking Twilio
TOGETHER = 20
# Without a word from Twilio for so long, it is asked. A page is short; a clinician may talk for an hour.
_ASK_AFTER: Mapping[CallKind, timedelta] = {
    CallKind.PAGE: timedelta(minutes=5),
    CallKind.NOTICE: timedelta(minutes=5),
    CallKind.CLINICIAN: timedelta(minutes=30),
    CallKind.CALLBACK: timedelta(minutes=30),
    CallKind.JOINED: timedelta(minutes=30),
}

Ended = Callable[[AsyncConnection, Call, datetime], Awaitable[None]]  # somebody who must know that a call is over


def after(call: Call, news: CallNews, now: datetime) -> Call:
    """The call after this was told of it; the same where it is nothing new."""
    if call.over or news.state.rank < call.state.rank:
        return replace(call, machine=call.machine or news.machine)
    moved = replace(call, state=news.state, machine=call.machine or news.machine)
    if news.sequence is not None:
        moved = replace(moved, sequence=max(call.sequence, news.sequence))
    if news.state.over:
        return replace(moved, ended_at=now, due_at=None)
    answered = now if news.state is CallState.ANSWERED else None
    silent_for = _ASK_AFTER[call.kind] if news.state is CallState.ANSWERED else ledger.ASK_AFTER
    return replace(moved, answered_at=call.answered_at or answered, due_at=now + silent_for)


def still_needed(filed: Filed, page: PageMade) -> bool:
    """Whether whoever is called by this page can still do something about it. Pure."""
    standing = filed.escalation
    if not standing.open or page.state is PageState.WITHDRAWN:
        return False
    if standing.state is State.TAKEN:
        asked_over = standing.handover is not None and page.staff_id in standing.handover.asked
        step = standing.ladder.steps[standing.step] if 0 <= standing.step < len(standing.ladder.steps) else None
        return asked_over or (standing.owner != page.staff_id and step is not None and step.everyone)
    turn = standing.turn_of(page.staff_id)
    return turn is None or turn.turn is Turn.OPEN


class Watch:
    """Keeps an eye on every call until it is over."""

    def __init__(
        self,
        house: House,
        room: WaitingRoom,
        delivery: Delivery,
        calls: TwilioCalls | None,
        *,
        ended: Mapping[CallKind, Ended],
    ) -> None:
        self._house = house
        self._room = room
        self._delivery = delivery
        self._calls = calls
        self._ended = ended

    # --- what Twilio tells ---

    async def told(self, call_id: str, news: CallNews) -> None:
        """Take Twilio's word about a call; one that changes nothing is as good as none."""
        async with self._house.db.write() as conn:
            call = await self.known(conn, call_id, news.call_sid, self._house.clock.now())
            if call is None:
                log.info("call_unknown")  # erased long ago, or not ours
                return
            await self.note(conn, call, news, self._house.clock.now())

    async def known(self, conn: AsyncConnection, call_id: str, call_sid: str, now: datetime) -> Call | None:
        """The call that Twilio speaks of, locked: by the id that it was made with, or by Twilio's own."""
        await store.one_at_a_time(conn, [call_sid])
        made = await store.find(conn, call_id) if call_id else None
        found = await ledger.known_as(conn, made, call_sid, now, self._house.counts) if made is not None else None
        if found is None:
            found = await store.find_by_sid(conn, call_sid)
        return await store.find(conn, found.id, lock=True) if found is not None else None

    async def note(self, conn: AsyncConnection, call: Call, news: CallNews, now: datetime) -> Call:
        """Write down what became of it, and what follows."""
        moved = after(call, news, now)
        if moved == call:
            return call
        names = ("state", "sequence", "machine", "answered_at", "ended_at", "due_at")
        changed: dict[str, Any] = {
            name: getattr(moved, name) for name in names if getattr(moved, name) != getattr(call, name)
        }
        await store.change(conn, call.id, **changed)
        if moved.ended_at is not None and call.ended_at is None:
            log.info("call_over", call_id=call.id, kind=call.kind.value, state=moved.state.value)
            await self._over(conn, moved, now)
        elif moved.machine and not call.machine and not moved.over:
            await self._machine(conn, moved, now)
        return moved

    async def _machine(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """Nobody is hung up on: a person whom Twilio took for a machine may still press a key, and it counts."""
        if call.kind is CallKind.PAGE and not call.pressed:
            await self._came_to_nothing(conn, call, now)

    async def _over(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        match call.kind:
            case CallKind.PAGE if not call.pressed:
                await self._came_to_nothing(conn, call, now)
            case CallKind.NOTICE if not call.pressed:
                await self._report(conn, call, DeliveryState.FAILED, "unheard", now)
            case _:
                pass
        if call.kind in self._ended:
            await self._ended[call.kind](conn, call, now)

    async def _came_to_nothing(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        if call.page_id is None:
            return
        if call.state is CallState.FAILED:
            # The number does not work: this way will not do in this turn.
            await self._report(conn, call, DeliveryState.FAILED, "failed", now)
            return
        await advisors.page_reported(conn, self._room.means, call.page_id, PageNews.HELD_UP, now)

    async def heard(self, conn: AsyncConnection, call: Call, key: str, now: datetime) -> None:
        """A key that means something was pressed: a human is there, and what was to be said has arrived."""
        await store.change(conn, call.id, pressed=key)
        await self._report(conn, call, DeliveryState.DELIVERED, "", now)

    async def _report(self, conn: AsyncConnection, call: Call, state: DeliveryState, code: str, now: datetime) -> None:
        sent = await outbox.find_by_id(conn, call.outbound_id) if call.outbound_id is not None else None
        # As it was noted when it was sent; before that, as it will be.
        sid = (sent.provider_message_id if sent is not None else None) or call.call_sid
        if sid is not None:
            await self._delivery.note_report(conn, DeliveryReport(Channel.CALL, sid, state, code), now)

    # --- what Twilio is asked ---

    async def tick(self, now: datetime) -> int:
        """Ask after calls of which nothing was heard for too long; how many."""
        if self._calls is None:
            return 0
        async with self._house.db.write() as conn:
            silent = await store.claim_due(conn, now=now, hold=HOLD, limit=TOGETHER)
        await asyncio.gather(*(self._ask(self._calls, call, now) for call in silent))
        return len(silent)

    async def call_off(self, now: datetime) -> int:
        """Hang up the pages that nobody needs any more; how many. Woken whenever an escalation moves."""
        if self._calls is None:
            return 0
        async with self._house.db.read() as conn:
            needless_ids = await self._needless(conn)
        if not needless_ids:
            return 0
        async with self._house.db.write() as conn:
            needless = await store.call_off(conn, needless_ids, now)
        await asyncio.gather(*(self._tell(self._calls, call) for call in needless))
        return len(needless)

    async def _needless(self, conn: AsyncConnection) -> list[str]:
        return [call.id for call in await store.pages_under_way(conn) if not await self._needed(conn, call)]

    async def _needed(self, conn: AsyncConnection, call: Call) -> bool:
        """Whether any of the escalations that its page speaks for still waits for whoever is called."""
        page = await escalations.find_page(conn, call.page_id or "")
        for each in await escalations.bundled_with(conn, page) if page is not None else []:
            filed = await escalations.find(conn, each.escalation_id)
            if filed is not None and still_needed(filed, each):
                return True
        return False

    async def _tell(self, calls: TwilioCalls, call: Call) -> None:
        """End what rings; whoever has picked up already is told how it stands, at once."""
        if call.call_sid is None:
            return  # not made, or made this moment: whoever answers hears how it stands
        try:
            if call.state is CallState.ANSWERED:
                await calls.go_on_with(call.call_sid, calls.step_url("answered", call.id))
            else:
                await calls.hang_up(call.call_sid, answered=False)
        except TryLater as error:
            # It rings on, and whoever answers hears the truth then.
            log.warning("call_not_called_off", call_id=call.id, error_type=type(error).__name__)

    async def _ask(self, calls: TwilioCalls, call: Call, now: datetime) -> None:
        news: CallNews | None = None
        if call.call_sid is not None:
            try:
                news = await calls.fetch(call.call_sid)
            except TryLater as error:
                log.warning("call_not_asked_after", call_id=call.id, error_type=type(error).__name__)
                return  # the hold brings it back
            if news is None:
                news = CallNews(call.call_sid, CallState.CANCELED)  # Twilio knows it no more
        elif ledger.lost(call, now):
            news = CallNews("", CallState.CANCELED)
        async with self._house.db.write() as conn:
            found = await store.find(conn, call.id, lock=True)
            if found is None or found.over or found.lease_token != call.lease_token:
                return
            later = await self.note(conn, found, news, now) if news is not None else found
            if not later.over:
                await store.change(conn, call.id, due_at=now + _ASK_AFTER[call.kind], lease_token=None)
