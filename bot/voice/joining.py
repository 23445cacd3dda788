"""Bringing an advisor and a clinician together on the phone, in a room of Twilio's that has an opaque name.

Neither sees the other's number: each talks with the line, and the line puts both into the room. Nobody is alone in it
for long: the room ends when one of them leaves, and an advisor into whose room nobody comes is told so.

An advisor comes into a room only by a key pressed on a call of their own: whoever picks up is not yet the advisor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store, replies
from bot import store as conversations
from bot.channels.voice import Conference, Dial, Gather, Hangup, Pause, Say, TwilioCalls, Verb
from bot.house import House
from bot.voice import aloud, store
from bot.voice.aloud import Ear, spoken
from bot.voice.door import Asked
from bot.voice.ledger import JOINING
from bot.voice.store import Call, CallKind
from bot.waiting_room import WaitingRoom
from escalation import relay, words
from escalation import store as escalations
from escalation.advisors import is_theirs
from escalation.paging import Doing
from escalation.store import Filed
from helpline import accounts, outbox
from helpline.accounts import ContactChannel
from helpline.messages import Channel, Language, OutboundMessage, TryLater
from helpline.outbox import OutboundKind

log = structlog.get_logger(__name__)

CONNECT = "4"  # the key that asks for the clinician now, also where she must be called first
JOIN = "join"  # the step that a key on a call to an advisor is fetched with
GONE = "gone"  # the step that is fetched when an advisor's room has ended
LEFT = "left"  # the step that is fetched when the room that a clinician was in has ended
WAIT = "wait"  # what is heard in a room by whoever is alone in it
LISTEN = 6  # seconds for a key
TRIES = 2
BREATH = 12  # seconds of silence between two words to whoever waits in a room
TELL_AGAIN = timedelta(minutes=10)  # that an advisor is told that she is on the line
LONGEST_TALK = 2 * 3600  # seconds


class Joined(StrEnum):
    """What came of the wish to be joined."""

    CALLING = "calling"  # the advisor's phone rings; with a key they are put through
    NOT_YOURS = "not_yours"  # somebody else has it, or nobody
    NO_PHONE = "no_phone"  # the advisor has no number at which the line may call them
    NO_WAY = "no_way"  # the clinician is not on the line, and shows no number or may not be called


async def join(conn: AsyncConnection, room: WaitingRoom, escalation_id: str, staff_id: str, now: datetime) -> Joined:
    """Call the advisor who has it, to be joined with the clinician: who is on the line, or is called once they wait."""
    filed = await escalations.find(conn, escalation_id, lock=True)
    if filed is None or not is_theirs(filed, staff_id):
        return Joined.NOT_YOURS
    if not await _can_be_reached(conn, room, filed, now):
        return Joined.NO_WAY
    known = await accounts.contacts(conn, room.means.vault, staff_id)
    number = next((each.address() for each in known if each.channel is ContactChannel.CALL), None)
    if number is None or Channel.CALL.value not in room.means.channels:
        return Joined.NO_PHONE
    if any(
        call.kind is CallKind.JOINED and call.staff_id == staff_id
        for call in await store.live_calls_of_escalation(conn, escalation_id)
    ):
        return Joined.CALLING
    member = await accounts.find_staff(conn, staff_id)
    language = member.languages[0] if member is not None and member.languages else filed.language
    made = await outbox.enqueue(
        conn,
        room.means.vault,
        # Pressed twice within a minute it is the same wish.
        key=f"{JOINING}{escalation_id}:{staff_id}:{now:%Y%m%d%H%M}",
        lane=f"{JOINING}{escalation_id}:{staff_id}",
        kind=OutboundKind.NOTICE,
        subject=f"staff:{staff_id}",
        to=number,
        message=OutboundMessage(
            room.means.phrases.say("voice.staff.call", language, code=aloud.digits(filed.code)), urgent=True
        ),
        now=now,
        escalation_id=escalation_id,
    )
    log.info("advisor_called_to_join", escalation_id=escalation_id, new=made is not None)
    return Joined.CALLING


async def _can_be_reached(conn: AsyncConnection, room: WaitingRoom, filed: Filed, now: datetime) -> bool:
    known = await caller_store.find(conn, filed.conversation_id, now)
    if known is not None and known.on_line:
        return True
    address = await conversations.address_of(conn, room.means.vault, filed.conversation_id)
    if address is None or address.channel is not Channel.CALL or caller_store.is_hidden(address):
        return False
    return await replies.may_be_called(conn, room.means.vault, filed.conversation_id, now)


async def tell_owner(
    conn: AsyncConnection, room: WaitingRoom, filed: Filed, phrase: str, now: datetime, *, key: str
) -> bool:
    """Write to the advisor who has it, in their language, with the code of the case and the button that joins them."""
    phrases = room.means.phrases

    def wording(language: Language) -> OutboundMessage:
        connect = words.menu(phrases, filed.id, [Doing.CALL], language=language)
        return OutboundMessage(phrases.say(phrase, language, code=filed.code), connect, urgent=True)

    return await relay.to_owner(
        conn,
        room.means,
        filed,
        wording,
        key=key,
        subject=f"staff:{filed.escalation.owner}",
        now=now,
    )


class Rooms:
    """What is said to advisors on their way into a room, in it, and after it."""

    def __init__(self, house: House, room: WaitingRoom, calls: TwilioCalls, ear: Ear) -> None:
        self._house = house
        self._room = room
        self._calls = calls
        self._ear = ear

    # --- an advisor whom the line calls for this ---

    async def answered(self, asked: Asked) -> Sequence[Verb]:
        """Somebody, or something, picked up: only a key brings them in."""
        return await self._ask_for_key(asked.call)

    async def key(self, asked: Asked) -> Sequence[Verb]:
        """A key was pressed on the way into a room, or none."""
        call = asked.call
        if asked.turn.digits[:1] != "1":
            tries = asked.count("n") + 1
            return [Hangup()] if tries >= TRIES else await self._ask_for_key(call, tries)
        async with self._house.db.write() as conn:
            await store.change(conn, call.id, pressed="1")
            verbs = await self.enter(conn, call, call.escalation_id or "", asked.now, calling_her=True)
        return verbs if verbs is not None else [self._say(call, "voice.staff.no_way"), Hangup()]

    async def _ask_for_key(self, call: Call, tries: int = 0) -> Sequence[Verb]:
        async with self._house.db.read() as conn:
            filed = await escalations.find(conn, call.escalation_id or "")
        if filed is None or call.staff_id is None or not is_theirs(filed, call.staff_id):
            return [self._say(call, "voice.staff.ended"), Hangup()]
        words = self._say(call, "voice.staff.call", code=aloud.digits(filed.code))
        return [Gather(self._calls.step_url(JOIN, call.id, n=tries), (words,), language=call.language, timeout=LISTEN)]

    # --- into the room ---

    async def enter_from_page(
        self, conn: AsyncConnection, call: Call, escalation_id: str, now: datetime
    ) -> Sequence[Verb] | None:
        """What joins an advisor who has just taken it on the phone; None where the clinician is not on the line.

        With the key for "connect me now" she is called where she is not.
        """
        fresh = await store.find(conn, call.id)
        return await self.enter(
            conn, call, escalation_id, now, calling_her=fresh is not None and fresh.pressed == CONNECT
        )

    async def enter(
        self, conn: AsyncConnection, call: Call, escalation_id: str, now: datetime, *, calling_her: bool
    ) -> Sequence[Verb] | None:
        """Put the advisor on this call into a room, and bring the clinician there; None where she cannot come."""
        standing = await store.find(conn, call.id, lock=True)
        if standing is None or standing.over:
            return None  # a key may reach us after its call: she must not be fetched to where nobody is
        filed = await escalations.find(conn, escalation_id, lock=True)
        if filed is None or call.staff_id is None or not is_theirs(filed, call.staff_id):
            return None
        known = await caller_store.find(conn, filed.conversation_id, now, lock=True)
        on_line = known is not None and known.on_line
        if not on_line and not (calling_her and await _can_be_reached(conn, self._room, filed, now)):
            return None
        held = known.room if known is not None else None
        if held is not None and held.call_id == call.id:
            return self._room_of(call, held.name)  # Twilio asks twice
        name = await caller_store.open_room(conn, filed.conversation_id, call.staff_id, call.id, now)
        await store.change(conn, call.id, escalation_id=filed.id)
        log.info("room_opened", escalation_id=filed.id, on_line=on_line)
        if not on_line:
            await self._call_her(conn, filed, call, now)
        return [self._say(call, "voice.staff.room" if on_line else "voice.staff.calling"), *self._room_of(call, name)]

    async def _call_her(self, conn: AsyncConnection, filed: Filed, call: Call, now: datetime) -> None:
        address = await conversations.address_of(conn, self._house.vault, filed.conversation_id)
        if address is None:
            return
        ready = OutboundMessage(self._house.phrases.say("voice.callback.ready", filed.language), urgent=True)
        # By a call, also where she agreed to be texted: an advisor stands there with a telephone.
        await replies.write_down(
            conn, self._house, filed.conversation_id, address, ready, key=f"ready:{call.id}", now=now, spoken=True
        )

    def _room_of(self, call: Call, name: str) -> Sequence[Verb]:
        conference = Conference(name, end_on_exit=True, wait_url=self._calls.step_url(WAIT, call.id))
        return [Dial(conference, action=self._calls.step_url(GONE, call.id), time_limit=LONGEST_TALK)]

    # --- in it and after it ---

    async def wait(self, asked: Asked) -> Sequence[Verb]:
        """What whoever is alone in a room hears; where the other has left before they came, they are led out of it."""
        call = asked.call
        async with self._house.db.read() as conn:
            if call.conversation_id is not None:
                known = await caller_store.find(conn, call.conversation_id, asked.now)
                onwards, alone = LEFT, known is None or known.room is None
            else:
                onwards, alone = GONE, await caller_store.room_of_call(conn, call.id) is None
        if alone:
            await self._lead(call, onwards)
        return [self._say(call, "voice.staff.fetching"), Pause(BREATH)]

    async def gone(self, asked: Asked) -> Sequence[Verb]:
        """The room has ended for the advisor: she left, or never came."""
        async with self._house.db.write() as conn:
            await self._close(conn, asked.call)
        return [self._say(asked.call, "voice.staff.left"), Hangup()]

    async def ended(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """An advisor's call is over: a room that they were in is too, and one who did not come is not waited for."""
        await self._close(conn, call)
        if call.kind is not CallKind.JOINED or call.pressed:
            return
        filed = await escalations.find(conn, call.escalation_id or "")
        known = await caller_store.find(conn, filed.conversation_id, now) if filed is not None else None
        if filed is None or known is None or not known.on_line:
            return
        address = await conversations.address_of(conn, self._house.vault, filed.conversation_id)
        if address is not None:
            message = OutboundMessage(self._house.phrases.say("voice.writing.no_answer", filed.language))
            key = f"no-answer:{call.id}"
            await replies.write_down(conn, self._house, filed.conversation_id, address, message, key=key, now=now)

    async def _close(self, conn: AsyncConnection, call: Call) -> None:
        held = await caller_store.room_of_call(conn, call.id)
        if held is not None:
            await caller_store.leave_room(conn, *held)

    async def tick(self, now: datetime) -> int:
        """Fetch whoever is on the line into a room at once, and do not let an advisor wait in one alone."""
        async with self._house.db.write() as conn:
            hers = await caller_store.to_be_fetched(conn, now)
            in_vain = await caller_store.waited_in_vain(conn, now)
            found = [
                (await store.find(conn, each), step) for ids, step in ((hers, "look"), (in_vain, GONE)) for each in ids
            ]
        for call, step in found:
            if call is not None:
                await self._lead(call, step)
        return len(found)

    async def _lead(self, call: Call, step: str) -> None:
        if call.call_sid is None or call.over:
            return
        try:
            await self._calls.go_on_with(call.call_sid, self._calls.step_url(step, call.id))
        except TryLater as error:
            # She comes by herself within a round; whoever is alone in a room is led out of it at the next breath.
            log.warning("call_not_fetched", call_id=call.id, error_type=type(error).__name__)

    def _say(self, call: Call, key: str, **values: str) -> Say:
        language: Language = call.language
        return Say(spoken(self._house.phrases.say(key, language, **values), language, self._ear), language)
