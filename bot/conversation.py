"""One message of a conversation at a time: gather, decide, apply.

A worker holds the conversation by a lease. For each waiting message, in order, one transaction checks that the hold is
still good, reads what the decision needs, decides (pure), and writes state, replies, escalation, gaps and audit. A
crash on any line leaves the message waiting, and nothing half done.

A turn that fails for a cause of our own is tried once more, and then said aloud: the clinician is told plainly with the
emergency numbers, and an advisor is sought. That way asks nothing of what may be broken: not of the message's words,
not of what was remembered, not of the shelves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import advising, caller_store, dialogue, follow_up, held_store, reaching, replies, store
from bot.dialogue import (
    Decision,
    Effect,
    Erase,
    Heard,
    PassOn,
    Reason,
    RecordGap,
    RecordHelpful,
    RecordReferral,
    Say,
    SayWhoIsSought,
    SeekAdvisor,
    SetMuted,
    State,
    Waiting,
    World,
)
from bot.house import House
from bot.referring import CallTogether, KeepSafeContact, MakeReferral, RevokeConsent, TellOutcome
from bot.store import LEASE, Conversation, Kind
from bot.waiting_room import WaitingRoom
from helpline import audit, inbox, lease, outbox
from helpline.inbox import Received
from helpline.masking import MARKS
from helpline.masking import Kind as MaskedKind
from helpline.messages import Address, Channel, InboundKind, OutboundMessage
from helpline.storage import StorageError
from helpline.vault import VaultError
from routing.referrals import store as referral_store

log = structlog.get_logger(__name__)

TOGETHER = 16  # conversations worked on at the same time in one process
IN_A_ROW = 20  # messages of one conversation, before the others have their turn
_LEFT_BEHIND = timedelta(minutes=2)  # longer than any lease or retry of a healthy line
TRIES = 2  # at one message, before we say that something is wrong
TRY_AGAIN = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)  # between tries at a message about which nothing could even be said


class HoldLost(Exception):
    """Another worker has the conversation now; nothing of ours may be kept."""


@dataclass(frozen=True)
class _Turn:
    """Where replies of one turn go."""

    conversation: Conversation
    address: Address | None  # None where the conversation was erased
    message: Received


class Conversations:
    """The one that answers."""

    def __init__(self, house: House, waiting_room: WaitingRoom) -> None:
        self._house = house
        self._room = waiting_room

    async def sweep(self, now: datetime) -> int:
        """Find what a crash or a fault left behind: messages that nobody answers and no due conversation leads to."""
        async with self._house.db.write() as conn:
            left = await inbox.unhandled_conversations(conn, received_before=now - _LEFT_BEHIND)
            found = await store.wake_up(conn, left, now)
        if found:
            log.error("messages_left_behind", count=found)
        return 0

    async def tick(self, now: datetime) -> int:
        """Answer whoever waits; how many conversations were worked on."""
        async with self._house.db.write() as conn:
            held = await lease.claim(conn, store.conversations, now=now, lease=LEASE, limit=TOGETHER)
        async with asyncio.TaskGroup() as group:
            for row in held:
                group.create_task(self._work_on(row.id, row.lease_token, row.attempts))
        return len(held)

    async def _work_on(self, conversation_id: str, token: str, attempts: int) -> None:
        """Answer what waits in one conversation; `attempts` were made at its first message before."""
        try:
            for turn in range(1, IN_A_ROW + 1):
                if not await self._answer_next(conversation_id, token, last=turn == IN_A_ROW):
                    break
                attempts = 0
        except HoldLost:
            log.info("hold_lost", conversation_id=conversation_id)
        except StorageError as error:
            # Nothing was kept. Storage's troubles are not the message's, so they do not count as tries at it.
            log.error("storage_trouble", conversation_id=conversation_id, error_type=type(error).__name__)
            await self._try_again(conversation_id, token, attempts, TRY_AGAIN)
        except Exception as error:
            self._house.counts.trouble.labels("conversation").inc()
            log.error("turn_failed", conversation_id=conversation_id, error_type=type(error).__name__, exc_info=True)
            await self._after_failure(conversation_id, token, attempts + 1)

    async def _try_again(self, conversation_id: str, token: str, attempts: int, wait: timedelta) -> None:
        """Put the conversation down for a while. Where even that fails, the end of the lease brings it back."""
        due_at = self._house.clock.now() + wait
        try:
            async with self._house.db.write() as conn:
                await store.put_down(conn, conversation_id, token, due_at=due_at, attempts=attempts)
        except Exception as error:
            log.error("not_put_down", conversation_id=conversation_id, error_type=type(error).__name__)

    # --- when a turn has failed ------------------------------------------------------------------------------------

    async def _after_failure(self, conversation_id: str, token: str, attempts: int) -> None:
        """Try once more; after that say so, with as little as it takes; where even that fails, try ever more rarely."""
        if attempts >= TRIES:
            for seeking in (True, False):
                try:
                    await self._say_trouble(conversation_id, token, seeking=seeking)
                    return
                except HoldLost:
                    return
                except Exception as error:
                    kind = type(error).__name__
                    log.error("trouble_not_said", conversation_id=conversation_id, error_type=kind, exc_info=True)
        wait = min(TRY_AGAIN * 2.0 ** min(max(attempts - TRIES, 0), 16), LONGEST_WAIT)
        await self._try_again(conversation_id, token, attempts, wait)

    async def _say_trouble(self, conversation_id: str, token: str, *, seeking: bool) -> None:
        """Put the message that cannot be answered aside: tell who wrote it, and wake somebody where it was a clinician.

        The conversation begins anew, since what was remembered of it may be what is broken.
        """
        house, now = self._house, self._house.clock.now()
        async with house.db.write() as conn:
            if not await store.still_held(conn, conversation_id, token):
                raise HoldLost
            message_id = await inbox.first_waiting(conn, conversation_id)
            known = await store.outline(conn, conversation_id)
            if message_id is not None and known is not None:
                await inbox.mark_handled(conn, message_id, now=now)
                if known.muted:
                    await store.set_muted(conn, conversation_id, muted=False)
                await self._tell_of_trouble(conn, known, message_id, now, seeking=seeking)
                await audit.append(
                    conn,
                    at=now,
                    actor="line",
                    action="message_not_answered",
                    subject=f"conversation:{conversation_id}",
                    details={"inbound_id": message_id, "advisor_sought": seeking},
                )
            await store.put_down(conn, conversation_id, token, due_at=now, attempts=0)
            house.db.wake(store.WORK)

    async def _tell_of_trouble(
        self, conn: AsyncConnection, known: Conversation, message_id: int, now: datetime, *, seeking: bool
    ) -> None:
        house = self._house
        try:
            address = await store.address_of(conn, house.vault, known.id)
        except VaultError:
            log.error("address_unreadable", conversation_id=known.id)
            address = None
        if known.kind is Kind.STAFF:
            text = house.phrases.say("relay.trouble", known.language)
            await self._say(conn, known.id, address, OutboundMessage(text, urgent=True), f"{message_id}:trouble", now)
            return
        state, message = dialogue.trouble(known.language, known.country, house.phrases, sought=seeking)
        await store.keep_state(
            conn,
            house.vault,
            known.id,
            dialogue.state_to_json(state),
            language=known.language,
            country=known.country,
        )
        await self._say(conn, known.id, address, message, f"{message_id}:trouble", now)
        if seeking:
            await self._room.seek(conn, known, state, SeekAdvisor(Reason.TROUBLE, urgent=True), now)

    # --- one message ---------------------------------------------------------------------------------------------

    async def _answer_next(self, conversation_id: str, token: str, *, last: bool) -> bool:
        """Answer the message that is first in line; whether another waits and is ours to answer.

        All of a turn is one transaction, with the conversation locked: nobody takes, ends or erases anything between
        the look and the answer, and the hold ends with the answer to the last message. A message that comes in
        meanwhile waits for the lock, and then makes the conversation due again. After the `last` turn that a
        conversation has in a row it is put down, and is due again at once where more waits.
        """
        house = self._house
        outcomes: Sequence[Effect] = ()
        kept: Mapping[str, Any] = {}
        async with house.db.write() as conn:
            now = house.clock.now()
            known = await store.get_held(conn, house.vault, conversation_id, token)
            if known is None:
                raise HoldLost
            message, more = await inbox.take_next(conn, house.vault, conversation_id, now=now)
            if message is not None:
                outcomes, kept = await self._answer(conn, _Turn(*known, message), now)
            if not more or last:
                await store.put_down(conn, conversation_id, token, due_at=now if more else None, kept=kept)
                if more:
                    house.db.wake(store.WORK)
            elif kept:
                await store.keep(conn, conversation_id, kept)
        for effect in outcomes:
            house.counts.outcomes.labels(type(effect).__name__).inc()
        if message is not None:
            took = house.clock.now() - message.received_at
            house.counts.answer_seconds.observe(max(0.0, took.total_seconds()))
        return more

    async def _answer(
        self, conn: AsyncConnection, turn: _Turn, now: datetime
    ) -> tuple[Sequence[Effect], Mapping[str, Any]]:
        """Answer one message; what was decided, and the state that is to be written down."""
        message, conversation = turn.message, turn.conversation
        if message.erased:
            return (), {}  # it was erased while it waited; there is nothing left to answer
        if conversation.muted and message.kind is not InboundKind.STOP:
            # Whoever writes again wants an answer.
            await store.set_muted(conn, conversation.id, muted=False)
        if inbox.UNMASKED in message.masked_kinds and message.kind is not InboundKind.STOP:
            await self._answer_unread(conn, conversation, message, now)
            return (), {}
        if conversation.kind is Kind.STAFF:
            await self._answer_staff(conn, turn, now)
            return (), {}
        if conversation.channel is Channel.CALL and message.channel is Channel.SMS:
            # What she writes from the telephone that she called with is answered in writing.
            texted = await caller_store.texted_address(conn, self._house.vault, conversation.id)
            turn = replace(turn, address=texted if texted is not None else turn.address)
        # Locked, since her words must reach whoever has it now, or us.
        standing = await self._room.standing(conn, conversation.id, lock=True)
        state = self._state(conversation)
        heard = Heard(
            kind=message.kind,
            text=message.text,
            token=message.token,
            marks=tuple(
                MARKS[state.language][MaskedKind(kind)] for kind in message.masked_kinds if kind != inbox.UNMASKED
            ),
        )
        world = self._world(conversation, message, standing, now)
        if not state.referred and conversation.channel is not Channel.CALL:
            decision = dialogue.decide(state, heard, world)
            return decision.effects, await self._apply(conn, turn, decision, now)
        decision = dialogue.decide(state, heard, await self._with_referrals(conn, conversation.id, world))
        if any(isinstance(effect, Say) and effect.message.urgent for effect in decision.effects):
            # Where danger is, the emergency numbers come before whatever waited.
            return decision.effects, await self._apply(conn, turn, decision, now, waits=True)
        if any(isinstance(effect, Erase) or effect == SetMuted(muted=True) for effect in decision.effects):
            await held_store.forget(conn, conversation.id)
        elif await self._read_out(conn, turn, now) and reaching.only_wants_to_read(heard):
            return (), {}
        return decision.effects, await self._apply(conn, turn, decision, now)

    async def _answer_unread(
        self, conn: AsyncConnection, conversation: Conversation, message: Received, now: datetime
    ) -> None:
        """Nothing of her words could be kept, so they may have told of danger: the numbers, and an advisor."""
        await self._tell_of_trouble(conn, conversation, message.id, now, seeking=True)
        await audit.append(
            conn,
            at=now,
            actor="line",
            action="message_not_masked",
            subject=f"conversation:{conversation.id}",
            details={"inbound_id": message.id},
        )

    def _state(self, conversation: Conversation) -> State:
        if conversation.state is not None:
            return dialogue.state_from_json(conversation.state)
        return State(language=conversation.language, country=conversation.country)

    def _world(self, conversation: Conversation, message: Received, standing: Waiting | None, now: datetime) -> World:
        form = dialogue.form_of(message.channel)
        if Channel.SMS in {conversation.channel, message.channel}:
            form = dialogue.form_of(Channel.SMS)
        world = self._house.library.world(
            phrases=self._house.phrases, commands=self._house.commands, now=now, form=form, escalation=standing
        )
        return replace(world, fresh_id=referral_store.new_id())

    async def _with_referrals(self, conn: AsyncConnection, conversation_id: str, world: World) -> World:
        """What the decision looks at where a referral was made here, or it was said how she may be reached."""
        return replace(
            world,
            referrals=await referral_store.of_conversation(conn, conversation_id),
            safe=await referral_store.safe_contact_of(conn, self._house.vault, conversation_id),
        )

    async def _read_out(self, conn: AsyncConnection, turn: _Turn, now: datetime) -> bool:
        """She writes, so she can be told what waited until it was safe; whether anything did."""
        said = await reaching.read_out(conn, self._house, turn.conversation.id, turn.address, now)
        if said:
            self._house.tell_page(conn, turn.conversation.id)
        return said

    # --- carrying out --------------------------------------------------------------------------------------------

    async def _apply(
        self, conn: AsyncConnection, turn: _Turn, decision: Decision, now: datetime, *, waits: bool = False
    ) -> Mapping[str, Any]:
        """Carry out what was decided; the state that is to be written down at the end of the turn.

        With `waits`, what was held back is said right after what is urgent.
        """
        conversation, state = turn.conversation, decision.state
        conversation_id = conversation.id
        address = turn.address
        if SetMuted(muted=True) in decision.effects:
            # Before anything is said, so that the word that it stops still goes out.
            await outbox.withdraw(conn, lane=conversation_id)
        for place, effect in enumerate(decision.effects):
            match effect:
                case SetMuted(muted=muted):
                    await store.set_muted(conn, conversation_id, muted=muted)
                    if muted:
                        await caller_store.withdraw(conn, conversation_id)
                        await self._room.clinician_left(conn, conversation_id, now)
                case Erase():
                    erased = await self._erase(conn, conversation, now)
                    if erased is not None:
                        conversation_id = erased
                case Say(message=message, served=shown):
                    await self._say(conn, conversation_id, address, message, f"{turn.message.id}:{place}", now)
                    if waits and message.urgent:
                        await self._read_out(conn, turn, now)
                    if shown is not None:
                        await store.record_served(
                            conn,
                            conversation_id,
                            shown.article_id,
                            revision=shown.revision,
                            variant=shown.variant,
                            language=shown.language,
                            part=shown.part,
                            now=now,
                        )
                case SeekAdvisor():
                    await self._room.seek(conn, conversation, state, effect, now)
                case SayWhoIsSought():
                    await self._room.say_who_is_sought(conn, conversation, state, now)
                case PassOn(text=text, danger=danger):
                    await self._room.to_advisor(conn, conversation_id, turn.message, text, danger=danger, now=now)
                case RecordGap():
                    gap_id = await store.record_gap(
                        conn,
                        self._house.vault,
                        missing=effect.missing.value,
                        text=effect.text,
                        nearest=effect.nearest,
                        confidence=effect.confidence,
                        language=state.language,
                        country=state.country,
                        region=effect.region,
                        now=now,
                    )
                    state = replace(state, gaps=(*state.gaps, gap_id))
                case RecordHelpful(article_id=article_id, helpful=was_helpful):
                    await store.record_helpful(conn, article_id, was_helpful=was_helpful, now=now)
                case RecordReferral(service_ids=services, needs=needs, region=region):
                    await store.record_services(conn, services, needs, region, now)
                case MakeReferral() | CallTogether() | TellOutcome() | RevokeConsent() | KeepSafeContact():
                    key = f"chat:{turn.message.id}:{place}"
                    await follow_up.carry_out(conn, self._house, conversation_id, effect, key=key, now=now)
                case _:
                    assert_never(effect)
        if state.language is not conversation.language:
            await self._room.note_language(conn, conversation_id, state.language, now)
        kept = await store.sealed_state(
            conn,
            self._house.vault,
            conversation_id,
            dialogue.state_to_json(state),
            language=state.language,
            country=state.country,
        )
        self._house.tell_page(conn, turn.conversation.id)
        if conversation_id != turn.conversation.id:
            await store.keep(conn, conversation_id, kept)  # of the conversation that took the erased one's place
            return {}
        return kept

    async def _say(
        self,
        conn: AsyncConnection,
        conversation_id: str,
        address: Address | None,
        message: OutboundMessage,
        key: str,
        now: datetime,
    ) -> None:
        """Write a reply down; nothing where the person wants no messages."""
        if address is not None:
            await replies.write_down(conn, self._house, conversation_id, address, message, key=f"reply:{key}", now=now)

    async def _erase(self, conn: AsyncConnection, conversation: Conversation, now: datetime) -> str | None:
        """Forget the conversation: its keys go, what waits is taken back, whoever helps is told that she left."""
        await outbox.withdraw(conn, lane=conversation.id)
        await self._room.clinician_left(conn, conversation.id, now)
        await caller_store.withdraw(conn, conversation.id)
        await store.erase_gaps(conn, self._house.vault, self._state(conversation).gaps)
        await referral_store.forget_conversation(conn, conversation.id)
        await held_store.forget(conn, conversation.id)
        fresh = await store.erase(conn, self._house.vault, conversation.id, now)
        await audit.append(
            conn,
            at=now,
            actor=f"conversation:{conversation.id}",
            action="conversation_erased",
            subject=f"conversation:{conversation.id}",
        )
        return fresh

    # --- an advisor's own chat -----------------------------------------------------------------------------------

    async def _answer_staff(self, conn: AsyncConnection, turn: _Turn, now: datetime) -> None:
        if turn.address is None:
            return
        said = await advising.hear(conn, self._house, self._room, turn.conversation, turn.address, turn.message, now)
        if said is not None:
            await self._say(conn, turn.conversation.id, turn.address, said, f"{turn.message.id}:0", now)
