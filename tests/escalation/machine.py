"""A night at the line that may go wrong in any order: the real front door, waiting room and sending on a real database.

`Night` is the world: a few clinicians, a few advisors, two providers that can be told to fail, and one clock. What
people write comes in as their provider posts it, and again until it was taken. Whatever happens is followed by all the
work that is due at that instant, as the loops would do it. The process may be killed at any commit; what it was doing
is then lost or done, and another process goes on.

`told` is what each clinician was told, read from the words themselves: the model of promises knows nothing of the
ladder.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import store as conversations
from bot.app import build_house
from bot.conversation import Conversations
from bot.counts import Counts
from bot.delivery import Delivery
from bot.house import House
from bot.inbox import take_in
from bot.waiting_room import WaitingRoom
from escalation import advisors, auditor, auditor_store, store
from escalation.auditor import Fault, What
from escalation.on_duty import gather
from escalation.rota import leave, swaps
from escalation.rota.exchange import CannotExchange
from escalation.rota.roster import Span
from escalation.standing import State
from escalation.store import Filed
from helpline import outbox, staffing
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.database import Database
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
    SendAttempt,
    Sent,
    TryLater,
    Undeliverable,
)
from helpline.outbox import OutboundState
from helpline.settings import Secret, Settings
from helpline.vault import Vault
from knowledge.shelves import Shelves
from tests.escalation.simulator import DEADLINES, START, minutes
from tests.escalation.stored import a_policy, add_person
from tests.fakes import FakeChannel, TakenThen

MASTER = bytes(range(32))
STAFF: dict[str, tuple[Role, tuple[Channel, ...]]] = {
    "asha": (Role.ADVISOR, (Channel.TELEGRAM, Channel.SMS)),
    "noor": (Role.ADVISOR, (Channel.SMS,)),
    "bo": (Role.ADVISOR, (Channel.TELEGRAM,)),
    "maja": (Role.COORDINATOR, (Channel.SMS, Channel.TELEGRAM)),
}
ADVISORS = ("asha", "noor", "bo")
CLINICIANS = 3
SILENCE = max(DEADLINES.first_reply, DEADLINES.reply) + DEADLINES.grace
LEASES = timedelta(minutes=2)  # by then whatever a dead process held is free again

# A fault where somebody is out of reach is no fault of ours; anything else is.
_OF_THE_WORLD = frozenset({What.NOBODY_CALLED, What.PROVIDER_FAILS, What.OWNER_LEFT, What.OWNER_UNREACHABLE})


class Killed(BaseException):
    """The process ends here."""


class FragileDatabase(Database):
    """Storage of a process that can be killed at a commit: just before it, or just after."""

    commits_left: int | None = None
    after = False
    dead = False

    def doom(self, commits: int, *, after: bool) -> None:
        """Have the process killed at the so-manieth commit from now."""
        self.commits_left, self.after = commits, after

    def write(self) -> Any:
        return self._watched()

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[AsyncConnection]:
        if self.dead:
            raise Killed
        async with super().write() as conn:
            yield conn
            doomed = self._is_the_one()
            if doomed and not self.after:
                self._die()
        if doomed:
            self._die()

    def _is_the_one(self) -> bool:
        if self.commits_left is None:
            return False
        self.commits_left -= 1
        return self.commits_left <= 0

    def _die(self) -> None:
        self.dead, self.commits_left = True, None
        raise Killed


@dataclass
class Provider(FakeChannel):
    """A provider that can be told what to do wrong with what goes to an address; "killed" ends us in the call."""

    fates: dict[str, list[str]] = field(default_factory=dict)
    die: Callable[[], None] = lambda: None

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        waiting = self.fates.get(to.value)
        match waiting.pop(0) if waiting else "sent":
            case "refused":
                raise Undeliverable("blocked")
            case "busy":
                raise TryLater("429", retry_after=5)
            case "held up":
                raise TryLater("429", retry_after=60)
            case "broken":
                raise TryLater("500")
            case "answer lost":
                self.faults.append(TakenThen(TryLater("the connection broke")))
            case "killed before":
                self.die()
            case "killed after":
                await super().send(to, message, attempt)
                self.die()
        if attempt.repeated and (known := await self.find_sent(to, message, attempt)) is not None:
            return known  # as Twilio's channel does
        return await super().send(to, message, attempt)


DANGER = "Mannen som kom med henne har kniv og står utenfor rommet"
FATES = ("refused", "busy", "held up", "broken", "answer lost", "killed before", "killed after")


_NOWHERE = Path("/nonexistent")


@cache
def _house() -> House:
    """What does not change from night to night, read once."""
    settings = Settings(data_dir=_NOWHERE, database_url=Secret("sqlite:///x.db"), secret_key=Secret(MASTER))
    house = build_house(settings, clock=SetClock(START), channels={})
    house.library._shelves = Shelves.build((), house.library.tools)  # nobody asks anything but for a human
    return house


@dataclass
class Night:
    """The world while it runs."""

    url: str

    def __post_init__(self) -> None:
        self.clock = SetClock(START)
        self.vault = Vault(MASTER)
        self.telegram = Provider(Channel.TELEGRAM, can_be_asked=False)
        self.sms = Provider(Channel.SMS, limit=10_000)
        self.ids: list[str] = []  # of the clinicians' conversations
        self.contacts: dict[tuple[str, Channel], int] = {}
        self.wrote: dict[str, list[datetime]] = {}  # when a clinician wrote to her advisor
        self.kills = 0
        self.last_kill = self.woke_at = START - timedelta(days=1)
        self.misfortune = False  # something happened by which somebody may be out of reach
        self._numbers = 0
        self.db = cast(FragileDatabase, FragileDatabase.connect(self.url))
        self._start()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def _start(self) -> None:
        """A process begins."""
        channels = {Channel.TELEGRAM: self.telegram, Channel.SMS: self.sms}
        self.house = replace(
            _house(), clock=self.clock, db=self.db, vault=self.vault, channels=channels, counts=Counts()
        )
        self.room = WaitingRoom(self.house)
        self.delivery = Delivery(self.house, self.room)
        self.conversations = Conversations(self.house, self.room)
        for provider in (self.telegram, self.sms):
            provider.die = self.db._die

    async def begin(self) -> None:
        """The staff, their ladder and roster, and conversations that have not yet asked for anybody."""
        async with self.db.write() as conn:
            for number, (who, (role, channels)) in enumerate(STAFF.items()):
                ways = [(ContactChannel(channel.value), _staff_address(channel, number)) for channel in channels]
                made = await add_person(conn, self.vault, who, *ways, roles=[role])
                for channel, (_, value) in zip(channels, ways, strict=True):
                    self.contacts[who, channel] = made[value]
            await store.save_ladders(
                conn,
                definition=a_policy(
                    [[3, ["roster:main"]], [4, ["roster:main", "noor"]]],
                    routine=[[5, ["roster:main"]], [10, ["role:advisor"]]],
                    last_resort=["role:coordinator"],
                ),
                now=self.now,
                saved_by="test",
            )
            await self.save_roster(conn, ["asha"])
            for number in range(CLINICIANS):
                self.ids.append(
                    await conversations.create(
                        conn,
                        self.vault,
                        _clinician(number),
                        kind=conversations.Kind.CLINICIAN,
                        staff_id=None,
                        language=Language.NB,
                        country=Country.NO,
                        now=self.now,
                    )
                )

    async def save_roster(self, conn: AsyncConnection, people: list[str]) -> None:
        """These are on call, from now on."""
        rules = [{"target": person, "from": "00:00", "to": "00:00"} for person in people]
        definition = {"rules": rules}
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=definition,
            valid_from=self.now,
            now=self.now,
            saved_by="test",
        )

    async def end(self) -> None:
        await self._bury()
        await self.db.dispose()

    # --- doing something, whatever dies ----------------------------------------------------------------------------

    async def does(self, act: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        """Something that comes from outside and is one transaction; who sent it sends it again until it is taken."""
        for _ in range(3):
            try:
                async with self.db.write() as conn:
                    done = await act(conn)
            except Killed:
                await self._next_process()
                if self.db.after:
                    done = None  # it was on disk: the repeat is known for one
                    break
                continue
            break
        await self.settle()
        return done

    async def posts(self, address: Address, **what: Any) -> None:
        """A provider posts something, and again until it hears yes."""
        self._numbers += 1
        message = InboundMessage(address.channel, f"m{self._numbers}", address, **{"kind": InboundKind.TEXT, **what})
        for _ in range(3):
            try:
                await take_in(self.house, message)
                break
            except Killed:
                await self._next_process()
        await self.settle()

    async def settle(self) -> None:
        """Everything that is due now, until nothing is; a process that dies in it is followed by another."""
        for _ in range(200):
            try:
                moved = await self.conversations.tick(self.now)
                moved += await self.room.tick(self.now)
                moved += await self.delivery.tick(self.now)
                while self.delivery._under_way and not self.db.dead:
                    await self._rest()
            except (Killed, BaseExceptionGroup):
                if not self.db.dead:
                    raise
            if self.db.dead:
                await self._next_process()
            elif not moved:
                return
        raise AssertionError("the work does not come to an end")

    async def _rest(self) -> None:
        noting = [self.delivery._noting] if self.delivery._noting is not None else []
        done, _ = await asyncio.wait(
            [*self.delivery._under_way, *noting], timeout=1, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.exception()  # Killed, of which nobody else hears

    async def _next_process(self) -> None:
        await self._bury()
        self.kills += 1
        self.last_kill = self.now
        self.db.dead, self.db.commits_left = False, None
        self._start()

    async def _bury(self) -> None:
        left = [*self.delivery._under_way, *([self.delivery._noting] if self.delivery._noting is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def wait(self, time: timedelta) -> None:
        """Time passes, and what falls due is done when it falls due."""
        until = self.now + time
        for _ in range(2000):
            due = await self._next_due()
            if due is None or due > until:
                self.clock.advance(until - self.now)
                await self.settle()
                return
            self.clock.advance(max(due - self.now, timedelta()))
            await self.settle()
        raise AssertionError("time does not pass")

    async def sleep(self, time: timedelta) -> None:
        """The machine is asleep meanwhile."""
        self.clock.advance(time)
        self.woke_at = self.now
        await self.settle()

    async def _next_due(self) -> datetime | None:
        async with self.db.read() as conn:
            found = [await each.next_due(conn) for each in (store, outbox, conversations)]
        return min((due for due in found if due is not None and due > self.now), default=None)

    # --- what clinicians do ----------------------------------------------------------------------------------------

    async def asks(self, which: int, *, urgent: bool) -> None:
        await self.posts(_clinician(which), text=DANGER if urgent else "rådgiver")

    async def writes(self, which: int) -> None:
        if await self.state_of(which) is not State.TAKEN:
            return
        await self.posts(_clinician(which), text="Er du der ennå? Hva gjør jeg nå?")
        if await self.state_of(which) is State.TAKEN:
            self.wrote.setdefault(self.ids[which], []).append(self.now)

    async def leaves(self, which: int) -> None:
        await self.does(lambda conn: self.room.clinician_left(conn, self.ids[which], self.now))

    # --- what staff do ---------------------------------------------------------------------------------------------

    async def hears(self, who: str, channel: Channel, *, text: str = "", token: str = "") -> None:
        if (who, channel) not in self.contacts:
            return
        if text in ("stopp", "start"):
            self.misfortune = True
        address = Address(channel, _staff_address(channel, list(STAFF).index(who)))
        if token:
            await self.posts(address, kind=InboundKind.TAP, token=token)
        else:
            await self.posts(address, text=text)

    async def at_the_desk(self, who: str, what: str, which: int, to: str = "noor") -> None:
        filed = await self.open_of(which)
        if filed is None:
            return
        means, now, id_ = self.room.means, self.now, filed.id
        acts: dict[str, Callable[[AsyncConnection], Awaitable[Any]]] = {
            "take": lambda conn: advisors.acknowledge(conn, means, id_, who, now),
            "no": lambda conn: advisors.decline(conn, means, id_, who, now),
            "back": lambda conn: advisors.hand_back(conn, means, id_, who, now),
            "pass": lambda conn: advisors.pass_on(conn, means, id_, who, to, now),
            "close": lambda conn: advisors.close(conn, means, id_, who, now),
            "move up": lambda conn: advisors.move_up(conn, means, id_, who, now),
            "reapply": lambda conn: advisors.reapply(conn, means, id_, who, now),
        }
        await self.does(acts[what])

    def pages(self) -> list[tuple[str, Channel, str, str]]:
        """Every button of a page that ever came to a phone: whose, where, and what its two buttons send."""
        found = []
        for number, (who, (_, channels)) in enumerate(STAFF.items()):
            for provider in (self.telegram, self.sms):
                if provider.channel not in channels:
                    continue
                address = _staff_address(provider.channel, number)
                for given in provider.taken:
                    if given.to.value == address and given.attempt.tag:
                        take, no = (choice.token for choice in given.message.choices[:2])
                        found.append((who, provider.channel, take, no))
        return found

    async def gives_shift(self, who: str, to: str, *, hours: float, agreed: bool) -> None:
        """Somebody gives the rest of their shift to a colleague, who says yes or no."""
        span, means = Span(self.now, self.now + timedelta(hours=hours)), self.room.means

        async def act(conn: AsyncConnection) -> None:
            with contextlib.suppress(CannotExchange):
                made = await swaps.give_away(conn, means, roster="main", holder=who, span=span, taker=to, now=self.now)
                answer = swaps.accept if agreed else swaps.decline
                await answer(conn, means, made.id, to, self.now)

        await self.does(act)

    async def is_away(self, who: str, hours: float) -> None:
        """Leave that holds at once; perhaps nobody is left."""
        self.misfortune = True
        span = Span(self.now, self.now + timedelta(hours=hours))

        async def act(conn: AsyncConnection) -> None:
            with contextlib.suppress(leave.LeaveRefused):
                await leave.enter(conn, staff_id=who, span=span, by="maja", now=self.now)

        await self.does(act)

    async def leaves_work(self, who: str) -> None:
        self.misfortune = True
        await self.does(lambda conn: staffing.let_go(conn, who, actor="maja", now=self.now))

    async def comes_back(self, who: str) -> None:
        await self.does(lambda conn: staffing.take_back(conn, self.vault, who, actor="maja", now=self.now))

    # --- what is true ----------------------------------------------------------------------------------------------

    async def open_of(self, which: int) -> Filed | None:
        async with self.db.read() as conn:
            return await store.find_open(conn, self.ids[which])

    async def state_of(self, which: int) -> State | None:
        filed = await self.open_of(which)
        return filed.escalation.state if filed is not None else None

    async def faults(self) -> tuple[Fault, ...]:
        async with self.db.read() as conn:
            present = await gather(conn, await store.policy(conn), self.now, channels=self.room.means.channels)
            return auditor.audit(await auditor_store.watched(conn, present, self.now), self.now)

    async def what_always_holds(self) -> None:
        """The auditor finds nothing that is our fault, and no promise is past unless it was said to be."""
        strange = [fault for fault in await self.faults() if not self._excused(fault)]
        assert not strange, strange
        for which, conversation in enumerate(self.ids):
            await self._promises_hold(which, conversation)
        await self._nobody_is_woken_in_vain()

    async def _nobody_is_woken_in_vain(self) -> None:
        """No page still waits to go out for what somebody has taken, or what is over; only for a colleague asked to."""
        async with self.db.read() as conn:
            waiting = await conn.execute(
                select(store.pages.c.reason, store.escalations.c.state, outbox._o.key)
                .join(store.escalations, store.escalations.c.id == store.pages.c.escalation_id)
                .join(outbox._outbound, outbox._o.page_id == store.pages.c.id)
                .where(outbox._o.state == OutboundState.WAITING.value)
            )
            for row in waiting:
                alone = row.key.startswith("page:")  # a bundle speaks for others too
                needed = row.state in _SEEKING or (row.state == State.TAKEN.value and row.reason == "handover")
                assert needed or not alone, f"a page waits for what is {row.state}"

    def _excused(self, fault: Fault) -> bool:
        if fault.what is What.PAGE_UNSENT:
            return self.now - self.last_kill < LEASES  # in doubt until the lease of the dead is over
        return self.misfortune and fault.what in _OF_THE_WORLD

    async def _promises_hold(self, which: int, conversation: str) -> None:
        filed = await self.open_of(which)
        promised, last, waiting = None, "", None
        async with self.db.read() as conn:
            rows = [
                outbox._outgoing(row)
                for row in await conn.execute(
                    select(outbox._outbound).where(outbox._o.lane == conversation).order_by(outbox._o.id)
                )
            ]
            said = [(row.created_at, (await outbox.open_message(conn, self.vault, row))[1].text) for row in rows]
        heard = [(at, *_understood(text, at)) for at, text in said]
        hers = [(at, "she writes", None) for at in self.wrote.get(conversation, [])]
        for at, word, by in sorted([*heard, *hers], key=lambda each: each[0]):
            match word:
                case "seeking" | "seeking_again":
                    assert by is not None
                    assert promised is None or by <= promised, "a promise was moved away"
                    promised, waiting = by, None
                case "still_seeking" | "delayed":
                    assert by == promised, f"{word} names another promise than hers"
                case "taken" | "taken_over":
                    promised, waiting = None, at
                case "advisor_has_it" | "she writes":
                    waiting = waiting or at
                case "words":
                    waiting = None
                case "other":
                    continue  # a greeting, or the numbers to call in danger
                case _:
                    promised, waiting = None, None
            last = word if word != "she writes" else last
        assert promised is None or promised > self.now, f"promised by {promised}, and nothing said since"
        match filed.escalation.state if filed is not None else None:
            case State.SEEKING:
                assert promised is not None or last in _PLAIN, last
            case State.LAST_RESORT:
                assert last in _PLAIN, last
            case State.TAKEN:
                assert last in ("taken", "taken_over", "advisor_has_it", "words"), last
            case None:
                assert last in ("", "closed", "withdrawn"), last
        # She waits for her advisor's word no longer than it may take: then she was told that another is sought. A
        # machine that slept over the reminder gives it now, and then the grace.
        if waiting is not None:
            assert self.now <= max(waiting + SILENCE, self.woke_at + DEADLINES.grace), f"silent since {waiting}"

    async def copies_are_counted(self) -> None:
        """What went out is at the providers; twice only where Telegram was in doubt, and then under one label."""
        async with self.db.read() as conn:
            rows = [outbox._outgoing(row) for row in await conn.execute(select(outbox._outbound))]
            opened = [(row, *await outbox.open_message(conn, self.vault, row)) for row in rows]
        wanted: Counter[tuple[str, str]] = Counter()
        tries: Counter[tuple[str, str]] = Counter()
        for row, to, message in opened:
            wanted[to.value, message.text] += row.state in (OutboundState.SENT, OutboundState.DELIVERED)
            tries[to.value, message.text] += row.attempts
        for provider in (self.telegram, self.sms):
            copies = Counter((given.to.value, given.message.text) for given in provider.taken)
            for what, count in copies.items():
                assert what in tries, "a message that nobody wrote"
                assert count <= tries[what]
                if provider is self.sms:
                    assert count <= sum(1 for _, to, message in opened if (to.value, message.text) == what)
        at_providers = Counter(
            (given.to.value, given.message.text) for provider in (self.telegram, self.sms) for given in provider.taken
        )
        for what, count in wanted.items():
            assert at_providers[what] >= min(count, 1), "noted as sent, and no provider has it"

    async def reports(self, state: DeliveryState, number: int) -> None:
        """Twilio's word about one of its messages, whenever it comes."""
        if not self.sms.taken:
            return
        given = self.sms.taken[number % len(self.sms.taken)]
        report = DeliveryReport(Channel.SMS, self.sms._id(given), state, "30003")
        if state is DeliveryState.FAILED:
            self.misfortune = True
        with contextlib.suppress(Killed):
            await self.delivery.reported(report)
        await self.settle()

    def goes_wrong(self, who: str, channel: Channel, fates: list[str]) -> None:
        """What will become of the next messages to this person."""
        self.misfortune = True
        number = list(STAFF).index(who)
        provider = self.telegram if channel is Channel.TELEGRAM else self.sms
        provider.fates.setdefault(_staff_address(channel, number), []).extend(fates)

    async def morning(self) -> None:
        """The world is well again: whoever still waits gets a human, and everything comes to its end."""
        for provider in (self.telegram, self.sms):
            provider.fates.clear()
        self.db.commits_left = None
        for who in STAFF:
            if who != "maja":
                await self.comes_back(who)
            async with self.db.write() as conn:
                for channel in STAFF[who][1]:
                    await store.start_contact(conn, self.contacts[who, channel])
                await advisors.rules_changed(conn, self.room.means, who, self.now)
        await self.does(lambda conn: self.save_roster(conn, ["asha"]))
        await self.wait(minutes(35))
        self.misfortune = False
        await self.what_always_holds()
        for which in range(CLINICIANS):
            filed = await self.open_of(which)
            if filed is None:
                continue
            owner = filed.escalation.owner or "asha"
            async with self.db.read() as conn:
                called = {page.staff_id for page in await store.pages_of(conn, filed.id)}
            assert filed.escalation.owner is not None or called, "she waits, and nobody was ever called"
            await self.at_the_desk(owner, "take", which)
            await self.at_the_desk(owner, "close", which)
            assert await self.open_of(which) is None
        await self.wait(minutes(10))
        await self.what_always_holds()
        await self.copies_are_counted()
        async with self.db.read() as conn:
            backlog = await outbox.backlog(conn)
            assert (backlog.waiting, backlog.sending) == (0, 0)
            assert await store.next_due(conn) is None


def _clinician(number: int) -> Address:
    return Address(Channel.TELEGRAM, str(7700900100 + number))


def _staff_address(channel: Channel, number: int) -> str:
    return str(7700900200 + number) if channel is Channel.TELEGRAM else f"+4790000{200 + number}"


_SEEKING = (State.SEEKING.value, State.LAST_RESORT.value)
_PLAIN = ("nobody_yet", "nobody_reached", "nobody_on_duty")
_OSLO = ZoneInfo("Europe/Oslo")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    for key, texts in _house().phrases.texts.items():
        area, _, word = key.partition(".")
        if area == "waiting":
            pattern = re.escape(texts[Language.NB]).replace(re.escape("{by}"), r"(?:\w+ )?(?P<by>\d\d:\d\d)")
            found.append((word.removesuffix(".NO").removesuffix(".SE"), re.compile(pattern)))
    return tuple(found)


def _understood(text: str, at: datetime) -> tuple[str, datetime | None]:
    """What a message to a clinician says, and the promise in it, read as she would read it."""
    for word, pattern in _patterns():
        if (found := pattern.match(text)) is None:
            continue
        if "by" not in found.groupdict():
            return word, None
        hour, minute = map(int, found["by"].split(":"))
        local = at.astimezone(_OSLO)
        by = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if by < local.replace(second=0, microsecond=0):
            by += timedelta(days=1)
        return word, by
    says = _house().phrases.say("advisor.says", Language.NB, words="")
    return ("words" if text.startswith(says.strip()) else "other"), None
