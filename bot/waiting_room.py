"""Between the front door and the waiting room: an advisor is sought, found, and talks with the clinician.

The waiting room (`escalation/`) decides who is called and when; this file gives it the clinician's address, the brief,
and passes
words from one to the other. Neither sees the other's number or name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import brief as briefs
from bot import caller_store, dialogue, reaching, store
from bot.dialogue import SeekAdvisor, State
from bot.house import House
from bot.reaching import Reached
from bot.store import Conversation
from escalation import advisors, follow_ups, relay, seeking, watch, words
from escalation import store as escalations
from escalation.advisors import PageNews
from escalation.carry import Means, alarm_coordinators, alarm_elsewhere, is_alarm
from escalation.on_duty import staff_now
from escalation.paging import Doing
from escalation.reach import trials as reach_tests
from escalation.seeking import By
from escalation.standing import State as Standing
from escalation.standing import Urgency
from escalation.store import Filed
from helpline import audit
from helpline.inbox import Received
from helpline.messages import Channel, Choice, Country, Language, OutboundMessage
from helpline.outbox import OutboundKind, Outgoing
from routing.places import Level


class WaitingRoom:
    """The front door's side of it; `escalation.carry.Front` is what the waiting room sees of this."""

    def __init__(self, house: House) -> None:
        self._house = house
        staff_channels = {Channel.TELEGRAM, Channel.SMS, Channel.CALL} & set(house.channels)
        self.means = Means(
            vault=house.vault,
            phrases=house.phrases,
            front=self,
            channels=frozenset({"desk", *(channel.value for channel in staff_channels)}),
            fit=self._fit,
        )

    def _fit(self, channel: Channel, message: OutboundMessage) -> Sequence[OutboundMessage]:
        adapter = self._house.channels.get(channel)
        return adapter.fit(message) if adapter is not None else (message,)

    async def tick(self, now: datetime) -> int:
        """Move every escalation whose time has come."""
        return await watch.tick(self._house.db, self.means, now)

    async def rehearse(self, now: datetime) -> int:
        """Test that whoever has a shift soon is reached."""
        return await reach_tests.tick(self._house.db, self.means, now)

    async def remind(self, now: datetime) -> int:
        """Remind advisors of what they wanted to look at again today."""
        return await follow_ups.tick(self._house.db, self.means, now)

    # --- what the waiting room asks of us ---------------------------------------------------------------------------

    async def tell_clinician(
        self, conn: AsyncConnection, conversation_id: str, message: OutboundMessage, *, key: str, now: datetime
    ) -> None:
        """Say something to the clinician when and where she is reached safely; the way to an advisor stands below."""
        conversation = await store.outline(conn, conversation_id)
        if conversation is None:
            return
        if not message.choices:
            advisor = Choice(dialogue.ADVISOR, self._house.phrases.say("choice.advisor", conversation.language), "0")
            message = OutboundMessage(message.text, (advisor,), urgent=message.urgent)
        reached = await reaching.say(conn, self._house, conversation, message, key=key, now=now)
        if reached is Reached.HELD:
            await self._note_not_told(conn, conversation_id, key, now)
        self._house.tell_page(conn, conversation_id)

    async def _note_not_told(self, conn: AsyncConnection, conversation_id: str, key: str, now: datetime) -> None:
        """She does not know yet how it stands: the trail says so, and whoever has the case by now learns it.

        As long as nobody has it, the coordinators do, once for each case: else nobody knows that she waits and hears
        nothing.
        """
        subject = store.subject_of(conversation_id)
        await audit.append(conn, at=now, actor="line", action="message_held", subject=subject)
        filed = await escalations.find_open(conn, conversation_id)
        if filed is None:
            return
        if filed.escalation.owner is not None:
            await self._tell_owner(conn, filed, "referring.relay.not_told", key, now)
            return
        await alarm_coordinators(
            conn,
            self.means,
            await staff_now(conn, now, channels=self.means.channels),
            lambda language: OutboundMessage(
                self._house.phrases.say("alarm.not_told", language, code=filed.code), urgent=True
            ),
            key=f"not_told:{filed.id}",
            now=now,
        )

    async def brief(self, conn: AsyncConnection, filed: Filed, language: Language) -> OutboundMessage | None:
        """What the advisor who takes it must read first, and below it what can be done with the case."""
        gathered = await briefs.gather(conn, self._house, filed, language)
        text = briefs.in_words(gathered, self._house, language, self._house.clock.now())
        if not filed.escalation.open:
            doings = [Doing.DUE, Doing.HARD]
        elif filed.escalation.handover is not None:
            doings = [Doing.KEEP, Doing.PASS, Doing.END, Doing.DUE]
        else:
            doings = [Doing.PASS, Doing.BACK, Doing.END, Doing.DUE]
        caller = await caller_store.find(conn, filed.conversation_id, self._house.clock.now())
        if filed.escalation.open and caller is not None and caller.on_line:
            doings.insert(0, Doing.CALL)
        return OutboundMessage(text, words.menu(self._house.phrases, filed.id, doings, language=language))

    async def _to_clinician(
        self, conn: AsyncConnection, conversation_id: str, message: OutboundMessage, *, key: str, now: datetime
    ) -> Reached:
        conversation = await store.outline(conn, conversation_id)
        if conversation is None:
            return Reached.UNREACHABLE
        reached = await reaching.say(conn, self._house, conversation, message, key=key, now=now, to_talk=True)
        self._house.tell_page(conn, conversation_id)
        return reached

    # --- the clinician's side -----------------------------------------------------------------------------------------

    async def standing(
        self, conn: AsyncConnection, conversation_id: str, *, lock: bool = False
    ) -> dialogue.Waiting | None:
        """How the conversation's open escalation stands; `lock` keeps it so until the transaction ends."""
        filed = await escalations.find_open(conn, conversation_id, lock=lock)
        if filed is None:
            return None
        return dialogue.Waiting(
            urgent=filed.escalation.urgency is Urgency.URGENT, taken=filed.escalation.state is Standing.TAKEN
        )

    async def seek(
        self, conn: AsyncConnection, conversation: Conversation, state: State, wish: SeekAdvisor, now: datetime
    ) -> Filed:
        """Wake an advisor for this conversation."""
        opened = await seeking.open_escalation(
            conn,
            self.means,
            conversation_id=conversation.id,
            urgency=Urgency.URGENT if wish.urgent else Urgency.ROUTINE,
            language=state.language,
            country=state.country,
            region=self._region_name(state),
            reason=wish.reason.value,
            brief_ref=", ".join(wish.rules)[:200],
            now=now,
        )
        return opened.filed

    def _region_name(self, state: State) -> str:
        draft = state.referral
        if draft is None or not draft.region:
            return ""
        # The place's own country, whatever the line's: 03 is Oslo in Norway and Uppsala in Sweden.
        country = Country(draft.place_country)
        level = Level.LAN if country is Country.SE else Level.FYLKE
        place = self._house.library.gazetteer.find(country, level, draft.region)
        return place.name if place is not None else ""

    async def say_who_is_sought(
        self, conn: AsyncConnection, conversation: Conversation, state: State, now: datetime
    ) -> None:
        """She asked again: the waiting room says how it stands."""
        await self.seek(conn, conversation, state, SeekAdvisor(dialogue.Reason.ASKED, urgent=False), now)

    async def to_advisor(
        self,
        conn: AsyncConnection,
        conversation_id: str,
        message: Received,
        text: str,
        *,
        danger: bool,
        now: datetime,
    ) -> None:
        """Pass her words to the advisor who owns the conversation."""
        filed = await escalations.find_open(conn, conversation_id, lock=True)
        if filed is None:
            return
        await seeking.note_reply(conn, filed.id, By.CLINICIAN, now)
        key = "relay.clinician.danger" if danger else "relay.clinician"
        await relay.to_owner(
            conn,
            self.means,
            filed,
            lambda language: OutboundMessage(
                self._house.phrases.say(key, language, code=filed.code, words=text), urgent=danger
            ),
            key=f"relay:{message.id}:{int(danger)}",
            subject=store.subject_of(conversation_id),
            now=now,
        )

    async def clinician_left(self, conn: AsyncConnection, conversation_id: str, now: datetime) -> None:
        """She erased what she wrote, or wants no more messages: nobody is woken for her any longer."""
        await seeking.clinician_left(conn, self.means, conversation_id, now)

    async def note_language(
        self, conn: AsyncConnection, conversation_id: str, language: Language, now: datetime
    ) -> None:
        """She is spoken to in another language from now on."""
        await seeking.note_language(conn, conversation_id, language, now)

    # --- the advisor's side -------------------------------------------------------------------------------------------

    async def advisor_wrote(
        self, conn: AsyncConnection, filed: Filed, words: str, staff_id: str, *, key: str, now: datetime
    ) -> bool:
        """Pass an advisor's words to the clinician, masked like everybody's; False where she cannot be reached."""
        masked = self._house.masker.mask(words, filed.language)
        passed = await self.advisor_says(conn, filed, masked.text, staff_id, key=key, now=now)
        return passed is not Reached.UNREACHABLE

    async def advisor_says(
        self, conn: AsyncConnection, filed: Filed, words: str, staff_id: str, *, key: str, now: datetime
    ) -> Reached:
        """Pass on words of an advisor's in which nothing points to a person any more."""
        text = self._house.phrases.say("advisor.says", filed.language, words=words)
        return await self.say_again(conn, filed, OutboundMessage(text), staff_id, key=key, now=now)

    async def say_again(
        self, conn: AsyncConnection, filed: Filed, message: OutboundMessage, staff_id: str, *, key: str, now: datetime
    ) -> Reached:
        """Send the clinician a message as it stands, at an advisor's word."""
        passed = await self._to_clinician(conn, filed.conversation_id, message, key=key, now=now)
        if passed in {Reached.SAID, Reached.HELD}:
            await seeking.note_reply(conn, filed.id, By.STAFF, now, staff_id=staff_id)
        if passed is Reached.SAID:
            await self._tell_that_it_waits(conn, filed, now)
        if passed is Reached.HELD:
            # She said when and how she may be reached: whoever writes to her must not think that she reads it now.
            await self._tell_owner(conn, filed, "referring.relay.held", key, now)
            return Reached.SAID
        return passed

    async def _tell_owner(self, conn: AsyncConnection, filed: Filed, phrase: str, key: str, now: datetime) -> None:
        await relay.to_owner(
            conn,
            self.means,
            filed,
            lambda language: OutboundMessage(self._house.phrases.say(phrase, language, code=filed.code)),
            key=f"told-held:{key}",
            subject=f"staff:{filed.escalation.owner}",
            now=now,
        )

    async def _tell_that_it_waits(self, conn: AsyncConnection, filed: Filed, now: datetime) -> None:
        """She called from a number that she hides, and hung up: whoever writes to her is told so, once."""
        address = await store.address_of(conn, self._house.vault, filed.conversation_id)
        if address is None or not caller_store.is_hidden(address):
            return
        known = await caller_store.find(conn, filed.conversation_id, now)
        if known is None or not known.on_line:
            await relay.to_owner(
                conn,
                self.means,
                filed,
                lambda language: OutboundMessage(
                    self._house.phrases.say("voice.relay.hidden", language, code=filed.code)
                ),
                key=f"hidden:{filed.id}:{filed.escalation.owner}",
                subject=f"staff:{filed.escalation.owner}",
                now=now,
            )

    # --- what became of messages --------------------------------------------------------------------------------------

    async def unwanted(self, conn: AsyncConnection, messages: Sequence[Outgoing]) -> set[int]:
        """Which of these should not go out any more: pages for an escalation that somebody has taken."""
        called = {message.page_id: message.id for message in messages if message.page_id is not None}
        if not called:
            return set()
        return {called[page_id] for page_id in await advisors.unwanted_pages(conn, list(called))}

    async def sent(self, conn: AsyncConnection, messages: Sequence[Outgoing], now: datetime) -> None:
        """The providers took these."""
        paged = [message.page_id for message in messages if message.page_id is not None]
        if paged:
            await advisors.pages_sent(conn, paged, now)

    async def delivered(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None:
        """It is on the receiver's device, which is not the same as read."""
        if outgoing.page_id is not None:
            await advisors.page_reported(conn, self.means, outgoing.page_id, PageNews.DELIVERED, now)

    async def delayed(self, conn: AsyncConnection, outgoing: Outgoing, wait: timedelta, now: datetime) -> None:
        """A provider makes us wait: for a page, the next way is tried early, counting the time it took to say so."""
        if outgoing.page_id is not None:
            late = now - outgoing.created_at + wait
            await advisors.page_reported(conn, self.means, outgoing.page_id, PageNews.HELD_UP, now, retry_after=late)

    async def given_up(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None:
        """It will not arrive: a page moves on, and whoever helps a clinician learns that she was not reached.

        Where it is the helper who is not reached, another is sought.
        """
        if outgoing.page_id is not None:
            await advisors.page_reported(conn, self.means, outgoing.page_id, PageNews.REFUSED, now)
            return
        if is_alarm(outgoing):
            await alarm_elsewhere(conn, self.means, outgoing, now)
            return
        if outgoing.escalation_id is not None:
            # Her words, or the brief, do not reach the advisor who helps her: neither may wait for the other in vain.
            await advisors.owner_not_reached(conn, self.means, outgoing.escalation_id, outgoing.lane, now)
            return
        if outgoing.kind is not OutboundKind.REPLY:
            return
        filed = await escalations.find_open(conn, outgoing.lane)
        if filed is None:
            return
        await relay.to_owner(
            conn,
            self.means,
            filed,
            lambda language: OutboundMessage(
                self._house.phrases.say("relay.undelivered", language, code=filed.code), urgent=True
            ),
            key=f"undelivered:{outgoing.id}",
            subject=f"staff:{filed.escalation.owner}" if filed.escalation.owner else store.subject_of(outgoing.lane),
            now=now,
        )
