"""A clinician on the telephone: what Twilio posts in, what she hears out, and what is done meanwhile.

The talk itself is decided in `talk.py`. Here it is gathered what the decision needs, and carried out what it asks for:

1. what she said is masked and taken in like any message (`bot.inbox.take_in`), under an id that makes a repeat change
   nothing: the same engine answers it, and from here on it cannot be lost;
2. the reply is waited for, for a few seconds; where it is not here yet she hears "one moment", and we look again;
3. what waits for her in the outbox is noted as said in the transaction that writes the talk down, so that a death
   between two requests neither loses a word nor says it twice;
4. when she hangs up, what was not said goes by SMS where she agreed, else she is called back.

Nothing is recorded, and of what was recognised only the masked words are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import phonenumbers
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers, caller_store, dialogue, replies
from bot import store as conversations
from bot.channels.voice import CallState, Conference, Dial, Gather, Hangup, Say, Turn, TwilioCalls, Verb
from bot.delivery import Delivery
from bot.dialogue import ADVISOR, ANSWER, DETAILS, HELP, REFERRAL
from bot.house import House, page_topic
from bot.inbox import take_in
from bot.referring import TO
from bot.store import Conversation, Kind
from bot.voice import joining, ledger, store, talk
from bot.voice.aloud import Ear, spoken, without_protected_places
from bot.voice.door import Asked
from bot.voice.joining import LEFT, Joined, Rooms
from bot.voice.store import Call, CallKind
from bot.voice.talk import (
    AdvisorJoins,
    AdvisorLeft,
    AdvisorTook,
    Agree,
    Answered,
    AsClinician,
    AskToTalk,
    At,
    Case,
    CodeKnown,
    CodeUnknown,
    Effect,
    Event,
    FindCode,
    Heard,
    HungUp,
    JoinAdvisor,
    Keys,
    NobodyReached,
    Nothing,
    Release,
    Reply,
    Saying,
    Sort,
    StaffTold,
    Standing,
    TakeByCode,
    TakeIn,
    Talk,
    Then,
    Words,
)
from bot.waiting_room import WaitingRoom
from escalation import advisors, seeking
from escalation import store as escalations
from escalation.advisors import Outcome
from escalation.carry import DESK
from escalation.standing import State
from escalation.store import Filed
from helpline import accounts, audit, inbox, outbox
from helpline.accounts import ContactChannel
from helpline.messages import (
    Address,
    Channel,
    Country,
    DeliveryReport,
    DeliveryState,
    InboundKind,
    InboundMessage,
    Language,
    OutboundMessage,
)
from helpline.outbox import Outgoing
from helpline.phrases import ZONES, say_time
from helpline.storage import StorageBusy
from helpline.vault import VaultError
from knowledge.urgency import Danger

log = structlog.get_logger(__name__)

TURN = "turn"  # the step that is fetched with what she said or pressed
LOOK = "look"  # the step that is fetched when something has happened beside the call
ON_LINE_FOR = timedelta(minutes=3)  # without a word from Twilio
IN_A_ROOM_FOR = timedelta(hours=2)
ASK_AFTER = timedelta(minutes=2)  # without a word from Twilio; a round is a fraction of it
ASK_IN_A_ROOM_AFTER = timedelta(minutes=20)
CALL_BACK_AGAIN = (timedelta(minutes=3), timedelta(minutes=10))  # after a call back that nobody took
_PATIENCE = 3.5  # seconds that a reply is waited for before she hears "one moment"
_PEEK = 0.2  # seconds between two looks
_AFTER_SERVICES = frozenset({f"{REFERRAL}:more", f"{REFERRAL}:place", f"{TO}:which"})
_PREFIXES = (("+47", Country.NO), ("+46", Country.SE))


@dataclass
class _Told:
    """One turn, while it is dealt with."""

    call: Call
    turn: int  # of the document that was answered
    said: str = field(default="", repr=False)  # what she said, as it was recognised
    events: list[Event] = field(default_factory=list)
    verbs: Sequence[Verb] | None = None  # that take the place of the talk's document


class Caller:
    """Answers clinicians who call."""

    def __init__(
        self,
        house: House,
        room: WaitingRoom,
        delivery: Delivery,
        calls: TwilioCalls,
        rooms: Rooms,
        ear: Ear,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._house = house
        self._room = room
        self._delivery = delivery
        self._calls = calls
        self._rooms = rooms
        self._ear = ear
        self.patience = patience

    # --- the first answer --------------------------------------------------------------------------------------------

    async def comes_in(self, turn: Turn, now: datetime) -> Sequence[Verb]:
        """Somebody calls the line."""
        try:
            async with self._house.db.write() as conn:
                known = await store.find_by_sid(conn, turn.call_sid)
                call = known if known is not None else await self._begin(conn, turn, now)
        except IntegrityError as error:
            # Twilio asked twice at the same moment, and the other was quicker: the next try finds what it wrote.
            raise StorageBusy("This call was begun by another.") from error
        return await self._document_of(call)

    async def _begin(self, conn: AsyncConnection, turn: Turn, now: datetime) -> Call:
        number = Address(Channel.CALL, turn.caller) if turn.caller else None
        country = self._country(turn)
        staff = await accounts.staff_at(conn, self._house.vault, number) if number is not None else None
        if staff is not None:
            language = staff.languages[0] if staff.languages else _language_of(country)
            call = await self._add(conn, turn, language, now, staff_id=staff.id)
            told = Talk(language, country, At.STAFF)
            return await self._open(conn, call, told, Answered(), now)
        conversation = await self._conversation(conn, number, country, now)
        call = await self._add(conn, turn, conversation.language, now, conversation_id=conversation.id)
        filed = await escalations.find_open(conn, conversation.id)
        if number is not None and await self._may_be_another(conn, number, conversation, filed, now):
            # Nothing of it is read aloud, begun anew or spoken over before she has said that it is hers.
            told = Talk(
                conversation.language,
                conversation.country,
                At.CHECKING,
                textable=self._takes_sms(number),
                proved=False,
                shared=True,
            )
            log.info("call_came_in", call_id=call.id, returning=filed is not None, hidden=False)
            return await self._open(conn, call, told, Answered(), now)
        if filed is None:
            await self._begin_anew(conn, conversation)
            # Whoever agreed to be texted before may be another; she is asked for herself.
            await caller_store.withdraw(conn, conversation.id)
        await caller_store.note_on_line(conn, conversation.id, call.id, now + ON_LINE_FOR)
        known = await caller_store.find(conn, conversation.id, now)
        told = Talk(
            conversation.language,
            conversation.country,
            callable=number is not None,
            textable=number is not None and self._takes_sms(number),
            agreed=known is not None and known.agreed,
        )
        log.info("call_came_in", call_id=call.id, returning=filed is not None, hidden=number is None)
        return await self._open(conn, call, told, Answered(returning=filed is not None), now)

    async def _may_be_another(
        self, conn: AsyncConnection, number: Address, conversation: Conversation, filed: Filed | None, now: datetime
    ) -> bool:
        """Whether this may not be who called from there before: a ward, or a whole hospital, may show one number."""
        known = await caller_store.find(conn, conversation.id, now)
        if known is not None and known.on_line:
            return True
        return filed is not None and not _is_mobile(number)

    async def _add(
        self,
        conn: AsyncConnection,
        turn: Turn,
        language: Language,
        now: datetime,
        *,
        conversation_id: str | None = None,
        staff_id: str | None = None,
    ) -> Call:
        return await store.add(
            conn,
            kind=CallKind.CLINICIAN,
            language=language,
            now=now,
            due_at=now + ledger.ASK_AFTER,
            call_sid=turn.call_sid,
            state=CallState.ANSWERED,
            conversation_id=conversation_id,
            staff_id=staff_id,
        )

    async def _open(self, conn: AsyncConnection, call: Call, told: Talk, event: Event, now: datetime) -> Call:
        """The first document of a call."""
        standing = await self._standing(conn, call, told, now)
        told, _ = talk.step(talk.next_turn(told), event, standing)
        told = await self._with_news(conn, call, told, standing, now)
        await self._keep(conn, call, told, now)
        return await store.find(conn, call.id) or call

    async def _conversation(
        self, conn: AsyncConnection, number: Address | None, country: Country, now: datetime
    ) -> Conversation:
        """The conversation of this number, or a new one; of a hidden number always a new one."""
        vault = self._house.vault
        address = number or caller_store.hidden_address()
        known = await conversations.reach(conn, vault, vault.fingerprint_of(address), now)
        if known is not None and known.kind == Kind.STAFF.value:
            await conversations.make_clinician(conn, known.id)  # whoever it was works here no more
        conversation_id = (
            str(known.id)
            if known is not None
            else await conversations.create(
                conn,
                vault,
                address,
                kind=Kind.CLINICIAN,
                staff_id=None,
                language=_language_of(country),
                country=country,
                now=now,
            )
        )
        conversation = await conversations.get(conn, vault, conversation_id)
        assert conversation is not None
        if conversation.muted:
            await conversations.set_muted(conn, conversation_id, muted=False)  # whoever calls wants an answer
        return conversation

    async def _begin_anew(self, conn: AsyncConnection, conversation: Conversation) -> None:
        """Forget what was said of another patient on another day: a ward's telephone is many people's."""
        before = dialogue.state_from_json(conversation.state) if conversation.state is not None else None
        state = dialogue.State(
            conversation.language,
            conversation.country,
            language_chosen=True,  # she is heard in it, so that a guess from her words would only confuse
            greeted=True,
            gaps=before.gaps if before is not None else (),
        )
        await conversations.keep_state(
            conn,
            self._house.vault,
            conversation.id,
            dialogue.state_to_json(state),
            language=state.language,
            country=state.country,
        )

    def _country(self, turn: Turn) -> Country:
        """The country of the number that was called; else the line's own."""
        found = next((country for prefix, country in _PREFIXES if turn.called.startswith(prefix)), None)
        return found or self._house.country

    def _takes_sms(self, number: Address) -> bool:
        return Channel.SMS in self._house.channels and _is_mobile(number)

    # --- each turn ---------------------------------------------------------------------------------------------------

    async def called_back(self, asked: Asked) -> Sequence[Verb]:
        """Somebody, or something, picked up a call of ours to a clinician."""
        call = asked.call
        if call.sealed_talk is None and call.conversation_id is not None:
            async with self._house.db.write() as conn:
                locked = await store.find(conn, call.id, lock=True)
                conversation = await conversations.get(conn, self._house.vault, call.conversation_id)
                if locked is None or conversation is None:
                    return [Hangup()]
                if locked.sealed_talk is None:
                    address = await conversations.address_of(conn, self._house.vault, conversation.id)
                    known = await caller_store.find(conn, conversation.id, asked.now)
                    told = Talk(
                        conversation.language,
                        conversation.country,
                        At.CHECKING,
                        proved=False,
                        textable=address is not None and self._takes_sms(address),
                        agreed=known is not None and known.agreed,
                    )
                    await self._open(conn, locked, told, Answered(), asked.now)
        return await self._document_of(call)

    async def turn(self, asked: Asked) -> Sequence[Verb]:
        """She said or pressed something, or nothing."""
        return await self._go_on(asked, _pressed_or_said(asked))

    async def look(self, asked: Asked) -> Sequence[Verb]:
        """Something has happened beside the call: she is told at once."""
        return await self._go_on(asked, None)

    async def left(self, asked: Asked) -> Sequence[Verb]:
        """The room that she was in has ended, and she is still on the line."""
        if asked.call.conversation_id is not None:
            async with self._house.db.write() as conn:
                known = await caller_store.find(conn, asked.call.conversation_id, asked.now, lock=True)
                # Not one that has been opened for her since: there an advisor waits.
                if known is not None and known.room is not None and known.room.joined:
                    await caller_store.leave_room(conn, known.conversation_id, known.room.name)
        return await self._go_on(asked, AdvisorLeft())

    async def _go_on(self, asked: Asked, event: Event | None) -> Sequence[Verb]:
        call, now = asked.call, asked.now
        told = await self._talk_of(call)
        if told is None:
            return await self._after_erasing(asked)
        turn = asked.count("n") if "n" in asked.query else told.turn
        if turn != told.turn:
            return await self._document_of(call)  # Twilio asks again for what was answered already
        this = _Told(call, turn)
        if isinstance(event, Heard):
            this.said = event.text
            event = await self._masked(event, told.language)
        async with self._house.db.read() as conn:
            standing = await self._standing(conn, call, told, now)
        moved = talk.next_turn(told)
        effects: tuple[Effect, ...] = ()
        if event is not None:
            moved, effects = talk.step(moved, event, standing)
        took_in = await self._carry_out(this, moved, effects, now)
        if this.verbs is not None:
            return this.verbs
        if took_in or told.at is At.THINKING:
            await self._wait_for_reply(await self._conversation_now(asked))
        return await self._settle(asked, this, moved)

    async def _settle(self, asked: Asked, this: _Told, moved: Talk) -> Sequence[Verb]:
        """Write the talk down with everything that has been said for her meanwhile, and say it."""
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            call = await store.find(conn, this.call.id, lock=True)
            if call is None:
                return [Hangup()]
            stands = await self._read(conn, call)
            if stands is None and call.sealed_talk is not None:
                # She had everything erased with this very turn: another conversation has taken the place of hers.
                fresh = await self._fresh_conversation(conn, asked, now)
                if fresh is None:
                    return [self._aloud(call, "voice.erased"), Hangup()]
                await store.change(conn, call.id, conversation_id=fresh)
                call = replace(call, conversation_id=fresh)
                await caller_store.note_on_line(conn, fresh, call.id, now + ON_LINE_FOR)
            elif stands is not None and stands.turn != this.turn:
                return self._verbs(call, stands, await self._room_name(conn, call, now))
            if call.conversation_id is not None:
                # Before anything of hers is locked, in the order of whoever takes a case and comes into a room.
                await escalations.find_open(conn, call.conversation_id, lock=True)
            conversation = await conversations.outline(conn, call.conversation_id) if call.conversation_id else None
            if conversation is not None and conversation.language is not moved.language:
                moved = await self._in_language(conn, call, conversation, moved, this, now)
            standing = await self._standing(conn, call, moved, now)
            for event in this.events:
                moved, _ = talk.step(moved, event, standing)
            moved = talk.with_a_word(await self._with_news(conn, call, moved, standing, now))
            await self._keep(conn, call, moved, now)
            if moved.at is At.OVER and moved.proved:
                await self._release(conn, call, now)
            return self._verbs(call, moved, standing.room)

    async def _in_language(
        self, conn: AsyncConnection, call: Call, conversation: Conversation, moved: Talk, this: _Told, now: datetime
    ) -> Talk:
        """She has changed the language: by a key, which the conversation follows, or by her words, as the talk does."""
        pressed = moved.language is not call.language
        language = moved.language if pressed else conversation.language
        if pressed:
            full = await conversations.get(conn, self._house.vault, conversation.id)
            if full is not None and full.state is not None:
                state = replace(dialogue.state_from_json(full.state), language=language, language_chosen=True)
                await conversations.keep_state(
                    conn,
                    self._house.vault,
                    full.id,
                    dialogue.state_to_json(state),
                    language=language,
                    country=full.country,
                )
            await self._room.note_language(conn, conversation.id, language, now)
        await store.change(conn, call.id, language=language)
        return replace(moved, language=language)

    async def _with_news(
        self, conn: AsyncConnection, call: Call, told: Talk, standing: Standing, now: datetime
    ) -> Talk:
        """The talk after what has happened beside the call since: words for her, an advisor, or nobody."""
        if told.at in {At.OVER, At.CHECKING} or call.conversation_id is None:
            return told
        if told.at is not At.JOINED:
            waiting = await outbox.unspoken(conn, call.conversation_id)
            words = [words for each in waiting for words in await self._words(conn, each, told)]
            await outbox.record_spoken(conn, waiting, now=now)
            if words:
                told, _ = talk.step(told, Reply(tuple(words)), standing)
        if standing.room:
            told, _ = talk.step(told, AdvisorJoins(), standing)
        elif standing.case is Case.TAKEN and told.at in {At.THINKING, At.SEEKING, At.QUESTION, At.ANSWERED}:
            told, _ = talk.step(told, AdvisorTook(), standing)
        elif standing.case is Case.LAST_RESORT:
            told, _ = talk.step(told, NobodyReached(), standing)
        if told.at is At.JOINED and standing.room:
            await caller_store.note_joined(conn, call.conversation_id, standing.room, now)
            await self._note_human_word(conn, call, now)
        elif told.at is At.WRITING:
            await self._tell_she_is_here(conn, call, now)
        return told

    async def _tell_she_is_here(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """An advisor who writes must know that she listens."""
        filed = await escalations.find_open(conn, call.conversation_id or "")
        if filed is None or filed.escalation.owner is None:
            return
        if await caller_store.note_spoke_up(conn, filed.conversation_id, now, again=joining.TELL_AGAIN):
            key = f"on-line:{call.id}:{filed.escalation.owner}:{now:%Y%m%d%H%M}"
            await joining.tell_owner(conn, self._room, filed, "voice.relay.on_line", now, key=key)

    async def _note_human_word(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """They talk with each other: the first human word is spoken, whoever writes or not."""
        filed = await escalations.find_open(conn, call.conversation_id or "")
        if filed is not None and filed.escalation.owner is not None:
            await seeking.note_reply(conn, filed.id, seeking.By.STAFF, now, staff_id=filed.escalation.owner)

    async def _words(self, conn: AsyncConnection, outgoing: Outgoing, told: Talk) -> list[Words]:
        try:
            _, message = await outbox.open_message(conn, self._house.vault, outgoing)
        except VaultError:
            return []
        return [self._as_words(message, told.language)]

    def _as_words(self, message: OutboundMessage, language: Language) -> Words:
        """What a reply is, for the keys that may follow it."""
        offered = {choice.token.partition(":")[0]: choice for choice in message.choices}
        if DETAILS in offered:
            article_id = offered[DETAILS].token.partition(":")[2]
            article = self._house.library.shelves.article(article_id)
            title = answers.title(article, language) if article is not None else ""
            helps = tuple(("4", each.token, each.label) for key, each in offered.items() if key == HELP)
            return Words(message.text, Sort.ANSWER, article_id, title, helps)
        choices = tuple(
            (choice.digit, choice.token, choice.label)
            for choice in message.choices
            if choice.digit and choice.token != ADVISOR
        )
        if choices and all(token in _AFTER_SERVICES for _, token, _ in choices):
            # Numbers to write down: to be heard again and sent, like an answer.
            onwards = tuple((str(place), token, label) for place, (_, token, label) in enumerate(choices, start=4))
            return Words(message.text, Sort.ANSWER, choices=onwards)
        return Words(message.text, Sort.CHOICES if choices else Sort.PLAIN, choices=choices)

    # --- what the talk asks for --------------------------------------------------------------------------------------

    async def _carry_out(self, this: _Told, moved: Talk, effects: Sequence[Effect], now: datetime) -> bool:
        """Do what was decided, each so that doing it twice is doing it once; whether a reply is to be waited for."""
        took_in = False
        for place, effect in enumerate(effects):
            match effect:
                case TakeIn():
                    took_in |= await self._take_in(this, effect, place)
                case Agree(article=article, words=words):
                    await self._agree(this, article, words, now)
                case FindCode(code=code):
                    this.events.append(await self._return_by_code(this, code, now))
                case TakeByCode(code=code):
                    this.events.append(await self._take_by_code(this.call, code, now))
                case JoinAdvisor(escalation=escalation_id):
                    await self._join_advisor(this, escalation_id, now)
                case AskToTalk():
                    await self._ask_to_talk(this.call, now)
                case AsClinician():
                    await self._as_clinician(this, moved, now)
                case Release():
                    pass  # with the talk, in one transaction
        return took_in

    async def _take_in(self, this: _Told, effect: TakeIn, place: int) -> bool:
        async with self._house.db.read() as conn:
            sender = await self._sender(conn, this.call)
        if sender is None:
            return False
        # What she said just now is masked by taking it in, which also tells her of it.
        text = this.said if effect.text and this.said else effect.text
        message = InboundMessage(
            Channel.CALL,
            f"{this.call.id}:{this.turn}:{place}",
            sender,
            InboundKind.TAP if effect.token else InboundKind.TEXT,
            text,
            effect.token,
            language_hint=this.call.language.value,
        )
        await take_in(self._house, message)
        return True

    async def _sender(self, conn: AsyncConnection, call: Call) -> Address | None:
        if call.conversation_id is None:
            return None
        return await conversations.address_of(conn, self._house.vault, call.conversation_id)

    async def _agree(self, this: _Told, article: str, words: str, now: datetime) -> None:
        """She may be texted from now on; what she asked for is sent there by the same engine."""
        call, vault = this.call, self._house.vault
        async with self._house.db.write() as conn:
            sender = await self._sender(conn, call)
            if sender is None or call.conversation_id is None or caller_store.is_hidden(sender):
                return
            texted = Address(Channel.SMS, sender.value)
            other = await conversations.find_by_address(conn, vault.fingerprint_of(texted))
            # Where an advisor is being sought or writes to this number already, that stays where it is.
            if other is None or await escalations.find_open(conn, other.id) is None:
                await caller_store.agree(conn, vault, call.conversation_id, texted, now)
                await audit.append(
                    conn,
                    at=now,
                    actor="clinician",
                    action="agreed_to_sms",
                    subject=f"conversation:{call.conversation_id}",
                )
            if words:
                # What the directory holds of services: nothing of the patient is in it but a place and a need.
                key = f"texted:{call.id}:{this.turn}"
                await replies.write_down(
                    conn, self._house, call.conversation_id, texted, OutboundMessage(words), key=key, now=now
                )
        if article:
            token = f"{ANSWER}:{article}"
            wanted = f"{call.id}:{this.turn}:sms"
            await take_in(self._house, InboundMessage(Channel.SMS, wanted, texted, InboundKind.TAP, "", token))

    async def _return_by_code(self, this: _Told, code: str, now: datetime) -> Event:
        """Go on with what was asked on an earlier call from a hidden number.

        A number that shows is known by itself, so that nobody comes into its conversation by trying codes.
        """
        async with self._house.db.write() as conn:
            filed = await escalations.find_by_code(conn, code) if re.fullmatch(r"\d{5,6}", code) else None
            if filed is None or not filed.escalation.open:
                return CodeUnknown()
            address = await conversations.address_of(conn, self._house.vault, filed.conversation_id)
            told = await self._read(conn, this.call)
            if address is None or told is None or not caller_store.is_hidden(address):
                return CodeUnknown()
            await self._move(conn, this, filed.conversation_id, told, now)
            await audit.append(
                conn,
                at=now,
                actor="clinician",
                action="returned_by_code",
                subject=f"conversation:{filed.conversation_id}",
            )
        return CodeKnown()

    async def _move(self, conn: AsyncConnection, this: _Told, conversation_id: str, told: Talk, now: datetime) -> None:
        """This call is in another conversation from now on; what was said is sealed with that one's key."""
        if this.call.conversation_id is not None:
            await caller_store.note_off_line(conn, this.call.conversation_id, this.call.id)
        await store.change(conn, this.call.id, conversation_id=conversation_id)
        this.call = replace(this.call, conversation_id=conversation_id)
        await store.set_talk(conn, self._house.vault, this.call, talk.to_json(told))
        await caller_store.note_on_line(conn, conversation_id, this.call.id, now + ON_LINE_FOR)

    async def _as_clinician(self, this: _Told, moved: Talk, now: datetime) -> None:
        """The number is not used, since it is an advisor's, or another clinician's."""
        async with self._house.db.write() as conn:
            conversation = await self._conversation(conn, None, moved.country, now)
            await self._begin_anew(conn, conversation)
            told = await self._read(conn, this.call)
            if told is not None:
                await self._move(conn, this, conversation.id, told, now)

    async def _take_by_code(self, call: Call, code: str, now: datetime) -> Event:
        """An advisor takes an escalation by its code: a number alone can be feigned."""
        if call.staff_id is None:
            return StaffTold("staff.unknown")
        async with self._house.db.write() as conn:
            meaning = await escalations.meaning_of(conn, code, call.staff_id) if code.isdecimal() else None
            if meaning is None or not meaning.escalation_ids:
                return StaffTold("staff.unknown")
            contact = await self._written_contact(conn, call.staff_id)
            done = [
                await advisors.acknowledge(conn, self._room.means, each, call.staff_id, now, contact=contact)
                for each in meaning.escalation_ids
            ]
        theirs = next((each for each in done if each.outcome in {Outcome.TAKEN, Outcome.ALREADY_YOURS}), None)
        if theirs is not None and theirs.filed is not None:
            return StaffTold("staff.taken", theirs.filed.id)
        by_other = any(each.outcome in {Outcome.TAKEN_BY_OTHER, Outcome.NOTED} for each in done)
        return StaffTold("staff.taken_by_other" if by_other else "staff.ended")

    async def _written_contact(self, conn: AsyncConnection, staff_id: str) -> str:
        """Where they read: what was asked and answered is not for a telephone line."""
        for contact in await accounts.contacts(conn, self._house.vault, staff_id):
            if contact.channel in {ContactChannel.TELEGRAM, ContactChannel.SMS}:
                return str(contact.id)
        return DESK

    async def _join_advisor(self, this: _Told, escalation_id: str, now: datetime) -> None:
        async with self._house.db.write() as conn:
            this.verbs = await self._rooms.enter(conn, this.call, escalation_id, now, calling_her=True)
        if this.verbs is None:
            this.events.append(StaffTold("staff.no_way", escalation_id))

    async def _ask_to_talk(self, call: Call, now: datetime) -> None:
        """She wants a voice: the advisor is told, and called where the line may call them."""
        async with self._house.db.write() as conn:
            filed = await escalations.find_open(conn, call.conversation_id or "")
            if filed is None or filed.escalation.owner is None:
                return
            owner = filed.escalation.owner
            key = f"talk:{call.id}:{owner}:{now:%Y%m%d%H%M}"
            if await joining.join(conn, self._room, filed.id, owner, now) is not Joined.CALLING:
                log.info("advisor_not_callable", escalation_id=filed.id)
            await joining.tell_owner(conn, self._room, filed, "voice.relay.wants_to_talk", now, key=key)

    # --- waiting for a reply -----------------------------------------------------------------------------------------

    async def _wait_for_reply(self, conversation_id: str | None) -> None:
        """Until what she said has been dealt with, or for as long as silence on a line is not yet odd."""
        if conversation_id is None:
            return
        waited = 0.0
        with self._house.db.watch(page_topic(conversation_id)) as watch:
            while waited < self.patience:
                async with self._house.db.read() as conn:
                    if await inbox.first_waiting(conn, conversation_id) is None:
                        return
                await watch.wait(_PEEK)
                waited += _PEEK

    async def _conversation_now(self, asked: Asked) -> str | None:
        call = asked.call
        async with self._house.db.read() as conn:
            known = await store.find(conn, call.id)
        return known.conversation_id if known is not None else None

    # --- how things stand --------------------------------------------------------------------------------------------

    async def _standing(self, conn: AsyncConnection, call: Call, told: Talk, now: datetime) -> Standing:
        if call.conversation_id is None:
            return Standing()
        filed = await escalations.find_open(conn, call.conversation_id)
        if filed is None:
            return Standing(web=self._web(told.language))
        room = await self._room_name(conn, call, now)
        woken = {page.staff_id for page in await escalations.pages_of(conn, filed.id)}
        return Standing(
            _case(filed),
            self._promise(filed, told.language, now),
            filed.code,
            room,
            self._web(told.language),
            called=len(woken),
        )

    async def _room_name(self, conn: AsyncConnection, call: Call, now: datetime) -> str:
        known = await caller_store.find(conn, call.conversation_id, now) if call.conversation_id is not None else None
        return known.room.name if known is not None and known.room is not None else ""

    def _promise(self, filed: Filed, language: Language, now: datetime) -> str:
        at = filed.escalation.promise_at
        if at is None or at <= now:
            return ""
        return say_time(at, now=now, zone=ZONES[filed.country], language=language)

    def _web(self, language: Language) -> str:
        """Where she can write instead, as it is said."""
        host = urlsplit(self._house.settings.public_url or "").hostname or ""
        return host.replace(".", " dot " if language is Language.EN else " punkt ")

    async def _masked(self, heard: Heard, language: Language) -> Heard:
        """Her words without what names anybody, and whether they show danger: that is looked for in all of them."""
        danger = self._house.library.urgency.assess(heard.text).level is Danger.YES
        try:
            text = self._house.masker.mask(heard.text, language=language).text
        except Exception as error:
            log.error("masking_failed", error_type=type(error).__name__, length=len(heard.text))
            text = self._house.phrases.say("brief.unmasked", language)
        return replace(heard, text=text, danger=danger)

    # --- keeping -----------------------------------------------------------------------------------------------------

    async def _talk_of(self, call: Call) -> Talk | None:
        async with self._house.db.read() as conn:
            known = await store.find(conn, call.id)
            return await self._read(conn, known) if known is not None else None

    async def _read(self, conn: AsyncConnection, call: Call) -> Talk | None:
        try:
            kept = await store.talk_of(conn, self._house.vault, call)
        except VaultError:
            return None
        return talk.from_json(kept) if kept is not None else None

    async def _keep(self, conn: AsyncConnection, call: Call, told: Talk, now: datetime) -> None:
        await store.set_talk(conn, self._house.vault, call, talk.to_json(told))
        joined = told.at is At.JOINED
        # Whatever is to be said to her waits for this call: its end must not go unnoticed for long.
        await store.change(conn, call.id, due_at=now + (ASK_IN_A_ROOM_AFTER if joined else ASK_AFTER))
        if call.conversation_id is not None and told.at not in {At.OVER, At.CHECKING}:
            until = now + (IN_A_ROOM_FOR if joined else ON_LINE_FOR)
            await caller_store.note_on_line(conn, call.conversation_id, call.id, until)

    async def _fresh_conversation(self, conn: AsyncConnection, asked: Asked, now: datetime) -> str | None:
        """The conversation that took the place of one that was erased; None where the number is hidden."""
        if not asked.turn.caller or asked.call.kind is not CallKind.CLINICIAN:
            return None
        conversation = await self._conversation(
            conn, Address(Channel.CALL, asked.turn.caller), self._country(asked.turn), now
        )
        return conversation.id

    async def _after_erasing(self, asked: Asked) -> Sequence[Verb]:
        """What was said on this call is erased: nothing of it is left to go on from."""
        return [self._aloud(asked.call, "voice.erased"), self._aloud(asked.call, "voice.goodbye"), Hangup()]

    # --- the end -----------------------------------------------------------------------------------------------------

    async def ended(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """A clinician's call is over, however it ended."""
        await self._rooms.ended(conn, call, now)
        told = await self._read(conn, call)
        if call.kind is CallKind.CALLBACK and (told is None or not told.proved):
            await self._not_she(conn, call, now)
            return
        if told is not None and told.at is not At.OVER:
            standing = await self._standing(conn, call, told, now)
            told, _ = talk.step(talk.next_turn(told), HungUp(), standing)
            await store.set_talk(conn, self._house.vault, call, talk.to_json(told))
            if told.proved:
                await self._release(conn, call, now)

    async def _release(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """She is off the line: what was not said goes by another way, now or when there is one."""
        if call.conversation_id is None:
            return
        if not await caller_store.note_off_line(conn, call.conversation_id, call.id):
            return  # she has called again meanwhile, and hears it there
        address = await self._sender(conn, call)
        waiting = await self._to_be_said(conn, call.conversation_id)
        if address is None or not waiting:
            return
        to, due_at = await caller_store.where_to(conn, self._house.vault, call.conversation_id, address, now)
        called = to.channel is Channel.CALL
        if called and await replies.may_be_called(conn, self._house.vault, call.conversation_id, now):
            await outbox.put_back(conn, waiting, due_at=due_at)
            return
        await outbox.take_back(conn, waiting)
        for each in waiting:
            try:
                _, message = await outbox.open_message(conn, self._house.vault, each)
            except VaultError:
                continue
            if called:
                await replies.hold_until_she_comes(
                    conn, self._house, call.conversation_id, message, key=f"unsaid:{each.id}", now=now
                )
                continue
            await replies.write_down(
                conn, self._house, call.conversation_id, to, message, key=f"unsaid:{each.id}", now=now
            )

    async def _to_be_said(self, conn: AsyncConnection, conversation_id: str) -> list[Outgoing]:
        """What she has not heard and is not being called about at this moment."""
        unspoken = await outbox.unspoken(conn, conversation_id)
        tries = await store.tries_of(conn, [each.id for each in unspoken])
        return [each for each in unspoken if not any(not call.over for call in tries.get(each.id, ()))]

    async def _not_she(self, conn: AsyncConnection, call: Call, now: datetime) -> None:
        """We called back, and nobody showed that it was she: tried again twice, and then given up aloud."""
        if call.conversation_id is None:
            return
        waiting = await outbox.unspoken(conn, call.conversation_id)
        sid = call.call_sid or "-"
        ours = [each for each in waiting if (each.provider_message_id or "").startswith(sid)]
        if not ours:
            return
        tried = len((await store.tries_of(conn, [ours[0].id])).get(ours[0].id, ()))
        if tried <= len(CALL_BACK_AGAIN):
            await outbox.put_back(conn, ours, due_at=now + CALL_BACK_AGAIN[tried - 1])
            return
        for each in ours:
            report = DeliveryReport(Channel.CALL, each.provider_message_id or "", DeliveryState.FAILED, "unheard")
            await self._delivery.note_report(conn, report, now)

    # --- words -------------------------------------------------------------------------------------------------------

    async def _document_of(self, call: Call) -> Sequence[Verb]:
        """The document as it stands: the same one, however often it is asked for."""
        async with self._house.db.read() as conn:
            known = await store.find(conn, call.id)
            told = await self._read(conn, known) if known is not None else None
            if known is None or told is None:
                return [self._aloud(call, "voice.goodbye"), Hangup()]
            return self._verbs(known, told, await self._room_name(conn, known, self._house.clock.now()))

    def _verbs(self, call: Call, told: Talk, room: str) -> Sequence[Verb]:
        paper = talk.document(told)
        words = tuple(self._said(each, told.language) for each in paper.says)
        match paper.then:
            case Then.HANG_UP:
                return [*words, Hangup()]
            case Then.JOIN if room:
                conference = Conference(room, end_on_exit=True, wait_url=self._calls.step_url(joining.WAIT, call.id))
                action = self._calls.step_url(LEFT, call.id, n=told.turn)
                return [*words, Dial(conference, action=action, time_limit=joining.LONGEST_TALK)]
            case Then.JOIN:
                return [*words, self._listens(call, told, paper, (), seconds=1)]
            case _:
                return [self._listens(call, told, paper, words, seconds=paper.seconds)]

    def _listens(self, call: Call, told: Talk, paper: talk.Document, words: tuple[Say, ...], *, seconds: int) -> Gather:
        hints = self._house.phrases.say("voice.hints", told.language).split(", ") if paper.speech else ()
        return Gather(
            self._calls.step_url(TURN, call.id, n=told.turn),
            words,
            language=told.language,
            input=("dtmf", "speech") if paper.speech else ("dtmf",),
            num_digits=paper.digits,
            timeout=seconds,
            hints=tuple(hints),
            finish_on_key="#" if paper.digits > 1 else None,
        )

    def _said(self, saying: Saying, language: Language) -> Say:
        language = saying.language or language
        phrases = self._house.phrases
        if saying.key:
            text = phrases.say(saying.key, language, **saying.values)
        elif saying.key_of:
            text = phrases.say("voice.key", language, label=saying.words.rstrip(" ?.:"), digit=saying.key_of)
        else:
            text = without_protected_places(self._house.library.directory.services, saying.words, language)
        return Say(spoken(text, language, self._ear), language)

    def _aloud(self, call: Call, key: str) -> Say:
        return self._said(Saying(key), call.language)


def _pressed_or_said(asked: Asked) -> Event:
    turn = asked.turn
    if turn.digits:
        return Keys(turn.digits)
    if turn.speech.strip():
        # Nought stands for "not said" with some of the recognisers that Twilio chooses from, and words did come.
        return Heard(turn.speech, turn.confidence or 1.0)
    return Nothing()


def _is_mobile(number: Address) -> bool:
    """Whether it is one person's telephone, as far as a number tells."""
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number.value))
    except phonenumbers.NumberParseException:
        return False
    return kind in {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


def _case(filed: Filed) -> Case:
    match filed.escalation.state:
        case State.TAKEN:
            return Case.TAKEN
        case State.LAST_RESORT:
            return Case.LAST_RESORT
        case _:
            return Case.SOUGHT


def _language_of(country: Country) -> Language:
    return Language.SV if country is Country.SE else Language.NB
