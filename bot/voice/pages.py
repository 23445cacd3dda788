"""Calls to staff: a page with its keys, or a word that is spoken once somebody is there to hear it.

What is said to whoever picks up holds the code and the urgency of an escalation, and nobody's name or words: a phone
may be picked up by anybody, or by a machine. Only a key shows that a human listens; the name of a colleague, or a
message, is said after it and not before. The first one to take an escalation has it, by whatever channel.

Every document looks at how the escalation stands now: whoever picks up late hears that it is taken, and whoever pressed
late hears who has it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import brief as briefs
from bot import store as conversations
from bot.channels.voice import Gather, Hangup, Say, TwilioCalls, Verb
from bot.house import House
from bot.voice import aloud, store
from bot.voice.aloud import Ear
from bot.voice.door import Asked
from bot.voice.store import Call
from bot.voice.watch import Watch, still_needed
from bot.waiting_room import WaitingRoom
from escalation import advisors
from escalation import store as escalations
from escalation.advisors import Done, Outcome
from escalation.carry import DESK
from escalation.drills import DRILL
from escalation.effects import PageReason
from escalation.reach import store as reach_store
from escalation.standing import Urgency
from escalation.store import Filed, PageMade
from helpline import accounts, audit, outbox
from helpline.accounts import ContactChannel
from helpline.messages import Language
from helpline.vault import VaultError

log = structlog.get_logger(__name__)

TRIES = 2  # documents that are answered by a wrong key or by none, before we hang up
LISTEN = 6  # seconds for a key
TAKE, PASS_ON, AGAIN, CONNECT = "1", "2", "3", "4"
KEY: Final = "page"  # the step that a key on a page is fetched with
HEAR: Final = "notice"  # the step that a key on a notice is fetched with
ASKED: Final = "asked"  # the step that a key after taking is fetched with
_CODE = re.compile(r"\[?\b([1-9]\d{4,5})(?:-\d+)?\b\]?")  # as `words.label` writes it, or alone
_LAST_WORDS = 2  # of her messages that are read to whoever took it

# What an advisor hears to be joined with the clinician, who is on the line; None where she is not.
Join = Callable[[AsyncConnection, Call, str, datetime], Awaitable[Sequence[Verb] | None]]


@dataclass(frozen=True)
class Paged:
    """What a page speaks for: one escalation, or several routine ones together."""

    page: PageMade
    filed: tuple[Filed, ...]

    @property
    def first(self) -> Filed:
        return self.filed[0]


class PageCalls:
    """What is said on calls to staff."""

    def __init__(
        self, house: House, room: WaitingRoom, watch: Watch, calls: TwilioCalls, ear: Ear, *, join: Join | None = None
    ) -> None:
        self._house = house
        self._room = room
        self._watch = watch
        self._calls = calls
        self._ear = ear
        self._join = join

    # --- a page ---

    async def answered(self, asked: Asked) -> Sequence[Verb]:
        """Somebody, or something, picked up a page."""
        async with self._house.db.read() as conn:
            paged = await self._paged(conn, asked.call)
        if paged is None:
            return self._goodbye(asked.call, "call.needless")
        return self._menu(asked.call, paged)

    async def key(self, asked: Asked) -> Sequence[Verb]:
        """A key was pressed on a page, or none."""
        call = asked.call
        match asked.turn.digits[:1]:
            case "1" | "4" as key:
                return await self._take(call, key, asked.now)
            case "2":
                return await self._pass_on(call, asked.now)
            case key:
                tries = asked.count("n") + (key != AGAIN)
                async with self._house.db.read() as conn:
                    paged = await self._paged(conn, call)
                if paged is None:
                    return self._goodbye(call, "call.needless")
                if tries >= TRIES or asked.count("again") >= 5:
                    return self._goodbye(call, "call.no_key")
                before = "" if key == AGAIN else "call.no_such_key" if key else "call.heard_nothing"
                return self._menu(call, paged, before=before, tries=tries, again=asked.count("again") + 1)

    async def _paged(self, conn: AsyncConnection, call: Call) -> Paged | None:
        """What this call speaks for, as far as it is still needed."""
        page = await escalations.find_page(conn, call.page_id or "")
        if page is None:
            return None
        found = []
        for each in await escalations.bundled_with(conn, page):
            filed = await escalations.find(conn, each.escalation_id)
            if filed is not None and still_needed(filed, each):
                found.append(filed)
        return Paged(page, tuple(found)) if found else None

    def _menu(self, call: Call, paged: Paged, *, before: str = "", tries: int = 0, again: int = 0) -> Sequence[Verb]:
        say = [self._say(call, before)] if before else []
        if paged.first.reason == DRILL:
            say.append(self._say(call, "call.page.drill"))
        code = aloud.digits(paged.page.code)
        if len(paged.filed) > 1 or paged.page.code != paged.first.code:
            say.append(self._say(call, "call.page.bundle", count=len(paged.filed), code=code))
        else:
            urgent = paged.first.escalation.urgency is Urgency.URGENT
            say.append(self._say(call, "call.page.urgent" if urgent else "call.page.routine", code=code))
        if paged.page.reason == PageReason.HANDOVER.value:
            say.append(self._say(call, "call.page.handover"))
        say.append(self._say(call, "call.page.keys"))
        action = self._calls.step_url(KEY, call.id, n=tries, again=again)
        return [Gather(action, tuple(say), language=call.language, timeout=LISTEN)]

    async def _take(self, call: Call, key: str, now: datetime) -> Sequence[Verb]:
        async with self._house.db.write() as conn:
            done = await self._answer(conn, call, key, now)
        best = _best(done)
        if best is None or best.filed is None:
            return self._goodbye(call, "call.needless")
        match best.outcome:
            case Outcome.TAKEN | Outcome.ALREADY_YOURS if best.filed.reason == DRILL:
                return self._goodbye(call, "call.page.drill_done")
            case Outcome.TAKEN | Outcome.ALREADY_YOURS:
                joined = await self._joined(call, best.filed, now)
                if joined is not None:
                    return [self._say(call, "call.page.joining"), *joined]
                said = self._say(call, "call.page.not_on_line" if key == CONNECT else "call.page.yours")
                action = self._calls.step_url(ASKED, call.id, e=best.filed.id)
                offered = self._say(call, "call.page.asked_key")
                return [Gather(action, (said, offered), language=call.language, timeout=LISTEN)]
            case Outcome.TAKEN_BY_OTHER | Outcome.NOTED if best.owner_name:
                return self._goodbye(call, "call.page.taken_by", name=best.owner_name)
            case _:
                return self._goodbye(call, "call.needless")

    async def asked(self, asked: Asked) -> Sequence[Verb]:
        """Whoever took it by phone hears what it is about, after one more key: her words, masked, and no place."""
        call, language = asked.call, asked.call.language
        if asked.turn.digits[:1] != TAKE or asked.count("again") >= 3:
            return self._goodbye(call, "call.page.bye")
        async with self._house.db.write() as conn:
            filed = await escalations.find(conn, asked.query.get("e", ""))
            if filed is None or call.staff_id is None or not advisors.is_theirs(filed, call.staff_id):
                return self._goodbye(call, "call.needless")
            await audit.append(
                conn,
                at=asked.now,
                actor=f"staff:{call.staff_id}",
                action="conversation_viewed",
                subject=conversations.subject_of(filed.conversation_id),
                details={"escalation": filed.id, "channel": "call"},
            )
            gathered = await briefs.gather(conn, self._house, filed, language)
        words = " ".join(gathered.wrote[-_LAST_WORDS:])
        said = [self._say(call, "brief.why", reason=gathered.reason)]
        if words:
            said += [self._say(call, "call.page.wrote"), self._aloud(words, filed.language)]
        said.append(self._say(call, "call.page.asked_again"))
        action = self._calls.step_url(ASKED, call.id, e=filed.id, again=asked.count("again") + 1)
        return [Gather(action, tuple(said), language=language, timeout=LISTEN)]

    async def _pass_on(self, call: Call, now: datetime) -> Sequence[Verb]:
        async with self._house.db.write() as conn:
            done = await self._answer(conn, call, PASS_ON, now)
        moved = any(each.outcome is Outcome.MOVED_ON for each in done)
        return self._goodbye(call, "call.page.passed_on" if moved else "call.page.moved_already")

    async def _answer(self, conn: AsyncConnection, call: Call, key: str, now: datetime) -> list[Done]:
        """Do what the key asks for, for each escalation that the page speaks for."""
        locked = await store.find(conn, call.id, lock=True)
        page = await escalations.find_page(conn, call.page_id or "")
        if locked is None or page is None or page.staff_id != call.staff_id:
            return []
        await self._watch.heard(conn, locked, key, now)
        act = advisors.decline if key == PASS_ON else advisors.acknowledge
        contact = await self._told_where(conn, page)
        done = []
        for each in await escalations.bundled_with(conn, page):
            done.append(await act(conn, self._room.means, each.id, page.staff_id, now, contact=contact))
        log.info("page_answered_by_phone", call_id=call.id, key=key, outcome=str(done[0].outcome) if done else "")
        return done

    async def _told_where(self, conn: AsyncConnection, page: PageMade) -> str:
        """Where the answer is sent besides: nowhere, for those who have only a phone, which must not ring again."""
        known = await accounts.contacts(conn, self._house.vault, page.staff_id)
        written = any(each.channel not in (ContactChannel.CALL, ContactChannel.DESK) for each in known)
        return str(page.contact_id) if written else DESK

    async def _joined(self, call: Call, filed: Filed, now: datetime) -> Sequence[Verb] | None:
        """What joins them, if she is on the line. Apart from the taking, which stands whatever happens here."""
        if self._join is None:
            return None
        try:
            async with self._house.db.write() as conn:
                return await self._join(conn, call, filed.id, now)
        except Exception as error:
            self._house.counts.trouble.labels("joining").inc()
            log.error("joining_failed", call_id=call.id, error_type=type(error).__name__, exc_info=True)
            return None

    # --- anything else that staff are told ---

    async def notice(self, asked: Asked) -> Sequence[Verb]:
        """Somebody, or something, picked up a call that brings a message: a key first, and then the message."""
        return self._ask_for_key(asked.call)

    async def hear(self, asked: Asked) -> Sequence[Verb]:
        """A key was pressed to hear the message, or none."""
        call, key = asked.call, asked.turn.digits[:1]
        if key not in (TAKE, AGAIN) and call.pressed:
            return self._goodbye(call, "call.notice.end")
        if key not in (TAKE, AGAIN):
            tries = asked.count("n") + 1
            return self._goodbye(call, "call.no_key") if tries >= TRIES else self._ask_for_key(call, tries)
        async with self._house.db.write() as conn:
            locked = await store.find(conn, call.id, lock=True)
            text = await self._message(conn, call)
            if locked is None or text is None:
                return self._goodbye(call, "call.needless")
            await self._watch.heard(conn, locked, key, asked.now)
            outgoing = await outbox.find_by_id(conn, call.outbound_id or 0)
            if outgoing is not None:
                await reach_store.note_key(conn, outgoing.recipient, asked.now)
        said = self._aloud(_CODE.sub(lambda found: aloud.digits(found[1]), text), call.language)
        if asked.count("again") >= 3:
            return [said, *self._goodbye(call, "call.notice.end")]
        action = self._calls.step_url(HEAR, call.id, again=asked.count("again") + 1)
        once_more = self._say(call, "call.notice.again")
        # Twice, as whoever is half asleep needs it.
        return [Gather(action, (said, once_more, said), language=call.language, timeout=LISTEN)]

    def _ask_for_key(self, call: Call, tries: int = 0) -> Sequence[Verb]:
        action = self._calls.step_url(HEAR, call.id, n=tries)
        return [Gather(action, (self._say(call, "call.notice.open"),), language=call.language, timeout=LISTEN)]

    async def _message(self, conn: AsyncConnection, call: Call) -> str | None:
        """The words of the message in the outbox; None where they were erased."""
        if call.outbound_id is None:
            return None
        outgoing = await outbox.find_by_id(conn, call.outbound_id)
        if outgoing is None:
            return None
        try:
            _, message = await outbox.open_message(conn, self._house.vault, outgoing)
        except VaultError:
            return None
        return message.text

    # --- words ---

    def _aloud(self, text: str, language: Language) -> Say:
        """Words of somebody's, as they are said: a phone may stand on loudspeaker, so no protected place is named."""
        hidden = aloud.without_protected_places(self._house.library.directory.services, text, language)
        return Say(aloud.spoken(hidden, language, self._ear), language)

    def _say(self, call: Call, key: str, **fields: str | int) -> Say:
        return Say(self._house.phrases.say(key, call.language, **fields), call.language)

    def _goodbye(self, call: Call, key: str, **fields: str | int) -> list[Verb]:
        return [self._say(call, key, **fields), Hangup()]


_BETTER = (Outcome.TAKEN, Outcome.ALREADY_YOURS, Outcome.TAKEN_BY_OTHER, Outcome.NOTED)


def _best(done: Sequence[Done]) -> Done | None:
    """Of several that a page speaks for, the one that its hearer must know of."""
    ranked = sorted(done, key=lambda each: _BETTER.index(each.outcome) if each.outcome in _BETTER else len(_BETTER))
    return ranked[0] if ranked else None
