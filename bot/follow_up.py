"""A referral after the conversation's turn: it is written down, and what came of it is asked for when it is safe.

The question is asked at most twice, in the daytime and in her safe hours. It waits while she talks with an advisor or
with us, and it is not asked of whoever wants no messages or erased what she wrote. Asking, the state of the
conversation and the next time to ask are one transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import dialogue, reaching, referring, store
from bot.dialogue import State
from bot.house import House
from bot.library import TOPIC as LIBRARY
from bot.reaching import Reached
from bot.referring import CallTogether, Deed, KeepSafeContact, MakeReferral, RevokeConsent, TellOutcome
from bot.store import Conversation
from bot.waiting_room import WaitingRoom
from helpline import audit
from helpline.storage import wake
from routing.referrals import referral as referrals
from routing.referrals import store as referral_store
from routing.referrals.referral import Referral, SafeContact, Via
from routing.referrals.store import NoSuchReferral

log = structlog.get_logger(__name__)

IN_THE_MIDDLE = timedelta(minutes=15)  # after she wrote last
LATER = timedelta(hours=1)  # while an advisor is sought or writes with her, or after a fault of ours


async def carry_out(
    conn: AsyncConnection, house: House, conversation_id: str, deed: Deed, *, key: str, now: datetime
) -> None:
    """Write down what a turn decided about a referral."""
    by = f"conversation:{conversation_id}"
    try:
        match deed:
            case MakeReferral():
                await referral_store.make(
                    conn,
                    key=key,
                    referral_id=deed.id,
                    service=deed.service,
                    facts=deed.facts,
                    basis=deed.basis,
                    via=Via.CHAT,
                    made_by=by,
                    conversation_id=conversation_id,
                    ask_at=deed.ask_at,
                    now=now,
                )
            case CallTogether(referral_id=referral_id):
                await referral_store.change_introduction(conn, referral_id, wanted=True)
            case TellOutcome(referral_id=referral_id, outcome=outcome, refused_for=refused_for):
                safe = await referral_store.safe_contact_of(conn, house.vault, conversation_id)
                told = await referral_store.record_outcome(
                    conn, referral_id, outcome, refused_for=refused_for, by=by, now=now, safe=safe
                )
                if told.changed:
                    wake(conn, LIBRARY)  # what is known of the service's room may be otherwise now
            case RevokeConsent(referral_id=referral_id):
                await referral_store.revoke(conn, referral_id, by=by, now=now)
            case KeepSafeContact(safe=safe, referral_id=referral_id, ask_at=ask_at):
                await referral_store.set_safe_contact(conn, house.vault, conversation_id, safe, by=by, now=now)
                await _ask_at(conn, referral_id, ask_at)
            case _:
                assert_never(deed)
    except NoSuchReferral:
        log.info("referral_gone", conversation_id=conversation_id)


async def _ask_at(conn: AsyncConnection, referral_id: str, ask_at: datetime | None) -> None:
    known = await referral_store.find(conn, referral_id, lock=True) if referral_id else None
    if known is not None and known.open and known.asked == 0:
        await referral_store.save_asking(conn, referrals.ask_from(known, ask_at))


# --- asking ----------------------------------------------------------------------------------------------------------


class FollowUp:
    """The one that asks what came of it."""

    def __init__(self, house: House, room: WaitingRoom) -> None:
        self._house = house
        self._room = room

    async def tick(self, now: datetime) -> int:
        """Ask where it is time; of how many."""
        async with self._house.db.read() as conn:
            waiting = await referral_store.due(conn, now)
        for referral_id, conversation_id in waiting:
            try:
                async with self._house.db.write() as conn:
                    await self._ask(conn, referral_id, conversation_id, now)
            except Exception as error:
                self._house.counts.trouble.labels("follow_up").inc()
                log.error("outcome_not_asked", referral_id=referral_id, error_type=type(error).__name__, exc_info=True)
                async with self._house.db.write() as conn:
                    await self._put_off(conn, referral_id, now + LATER)
        return len(waiting)

    async def _put_off(self, conn: AsyncConnection, referral_id: str, until: datetime | None) -> None:
        referral = await referral_store.find(conn, referral_id, lock=True)
        if referral is not None:
            await referral_store.save_asking(conn, referrals.put_off(referral, until))

    async def _ask(self, conn: AsyncConnection, referral_id: str, conversation_id: str | None, now: datetime) -> None:
        """Ask, or see when to look again. The conversation is locked first, as its own turn does."""
        house = self._house
        known = await store.get(conn, house.vault, conversation_id, lock=True) if conversation_id is not None else None
        referral = await referral_store.find(conn, referral_id, lock=True)
        if referral is None or referral.ask_at is None or referral.ask_at > now:
            return
        address = await store.address_of(conn, house.vault, known.id) if known is not None else None
        if known is None or address is None or not referral.asks:
            await referral_store.save_asking(conn, referrals.put_off(referral, None))
            return
        safe = await referral_store.safe_contact_of(conn, house.vault, known.id)
        way = await reaching.way_to(conn, house, known.id, address, now)
        at = referrals.safely(referral, now + await self._wait(conn, known, now), safe, way)
        if at is None or at > now:
            await referral_store.save_asking(conn, referrals.put_off(referral, at))
            return
        if await self._another_stands(conn, known, referral):
            await referral_store.save_asking(conn, referrals.put_off(referral, now + LATER))
            return
        await self._say(conn, known, referral, safe, now)

    async def _another_stands(self, conn: AsyncConnection, known: Conversation, referral: Referral) -> bool:
        """Whether the same was asked of another referral and is still to be answered: one "full" must not mean two."""
        for other_id in referring.asked_about(_state_of(known).menu.values()) - {referral.id}:
            other = await referral_store.find(conn, other_id)
            if other is not None and other.asks and other.ask_at is not None:
                return True
        return False

    async def _wait(self, conn: AsyncConnection, known: Conversation, now: datetime) -> timedelta:
        """How long it is no time to ask for."""
        if await self._room.standing(conn, known.id) is not None:
            return LATER
        heard = await store.last_heard(conn, known.id)
        return IN_THE_MIDDLE if heard is not None and now - heard < IN_THE_MIDDLE else timedelta()

    async def _say(
        self,
        conn: AsyncConnection,
        known: Conversation,
        referral: Referral,
        safe: SafeContact | None,
        now: datetime,
    ) -> None:
        house = self._house
        world = house.library.world(
            phrases=house.phrases,
            commands=house.commands,
            now=now,
            form=dialogue.form_of(known.channel),
            escalation=None,
        )
        state, message, covert = dialogue.ask_outcome(_state_of(known), referral, world)
        # Where she told us nothing of it, nobody else who reads her telephone is to learn what it is about.
        openly = message if safe is not None else covert
        reached = await reaching.say(
            conn, house, known, openly, key=f"outcome:{referral.id}:{referral.asked}", now=now, covert=covert
        )
        if reached is Reached.UNREACHABLE:
            await referral_store.save_asking(conn, referrals.put_off(referral, None))
            return
        kept = dialogue.state_to_json(state)
        await store.keep_state(conn, house.vault, known.id, kept, language=state.language, country=state.country)
        await referral_store.save_asking(conn, referrals.asked(referral, now, safe))
        await audit.append(
            conn,
            at=now,
            actor="line",
            action="outcome_asked",
            subject=f"referral:{referral.id}",
            details={"time": referral.asked + 1},
        )
        house.tell_page(conn, known.id)


def _state_of(known: Conversation) -> State:
    if known.state is not None:
        return dialogue.state_from_json(known.state)
    return State(known.language, known.country, greeted=True)
