"""The escalation scenarios as they are written (`tests/escalation/escalation_cases.json`), played by the whole line.

Every event of a scenario has its doing in `Scene.does`, every kind of message its reading in `READ`, every prohibition
its test in `FORBIDDEN` and every end its look in `Scene.ends`. What means nothing here stops the scenario: none of its
lines may be passed over. Times are met as what the providers took, at the minute in which they were asked to.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bot import store as conversations
from bot.app import Line
from bot.house import House
from bot.inbox import take_in
from bot.store import Kind
from escalation import advisors, on_duty, seeking, store
from escalation.advisors import PageNews
from escalation.reach import store as reach_store
from escalation.standing import State, Urgency
from escalation.store import Filed, PageMade
from helpline import accounts
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
)
from tests.escalation.simulator import LAST_RESORT, minutes
from tests.escalation.stored import PHRASES, a_policy, add_person
from tests.fakes import FakeChannel, Given

# How long it is watched beyond its last expectation for what must not happen: past the time of each rule and step that
# is not to fire, and no further than the scenario speaks of. What comes later, such as an owner who stays silent, has
# scenarios of its own.
WATCHED_UNTIL = {"ESC-09": 12, "ESC-10": 59, "ESC-13": 59, "ESC-22": 9, "ESC-25": 9, "ESC-34": 9}

CLINICIAN = "clinician"
COORDINATOR = "coordinator"
_CHANNELS = {
    "sms": Channel.SMS,
    "sms2": Channel.SMS,
    "call": Channel.CALL,
    "telegram": Channel.TELEGRAM,
}
_STATES = {
    "delivered": DeliveryState.DELIVERED,
    "sent": DeliveryState.ACCEPTED,
    "undelivered": DeliveryState.FAILED,
    "failed": DeliveryState.FAILED,
}


@dataclass
class Hanging(FakeChannel):
    """A provider that notes when it was asked, and that can be made to take a message and never answer."""

    clock: SetClock | None = None
    asked_at: dict[int, datetime] = field(default_factory=dict)  # by the number of what it was given
    hangs: bool = False

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        assert self.clock is not None
        now = self.clock.now()
        try:
            sent = await super().send(to, message, attempt)
        finally:
            self.asked_at[self.given[-1].at] = now
        if self.hangs:
            await asyncio.Event().wait()
        return sent


@dataclass(frozen=True)
class Told:
    """Something that a provider took."""

    minute: float
    who: str
    channel: str  # as the scenario calls it
    text: str
    page: bool
    given: Given


@dataclass
class Scene:
    """One scenario, while it is played."""

    case: Mapping[str, Any]
    house: House
    clock: SetClock
    start: datetime  # minute zero
    channels: dict[Channel, Hanging]
    lines: list[Line] = field(default_factory=list)
    contacts: dict[tuple[str, str], int] = field(default_factory=dict)
    addresses: dict[Address, tuple[str, str]] = field(default_factory=dict)
    rules: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    opened: dict[str, Filed] = field(default_factory=dict)  # by key; the latest
    working: bool = True
    dead: list[Line] = field(default_factory=list)
    killed: list[asyncio.Task[None]] = field(default_factory=list)
    pressed: list[asyncio.Task[object]] = field(default_factory=list)
    before_callbacks: int = 0

    @property
    def db(self) -> Database:
        return self.house.db

    @property
    def minute(self) -> float:
        return (self.clock.now() - self.start) / minutes(1)

    # --- the stage ---------------------------------------------------------------------------------------------------

    def new_line(self) -> Line:
        """A process of its own on the same database."""
        database = Database.connect(self.house.settings.database_url.reveal())
        line = Line(replace(self.house, db=database, channels={**self.house.channels, **self.channels}))
        self.lines.append(line)
        return line

    async def prepare(self) -> None:
        first = min((event["at_min"] for event in self.case["events"]), default=0)
        self.put(self.start + minutes(min(first, 0) - 1))
        self.new_line()
        now = self.clock.now()
        async with self.db.write() as conn:
            for person, rules in {LAST_RESORT: [{"after_min": 0, "channel": "call"}], **self.case["people"]}.items():
                await add_person(conn, self.house.vault, person.lower(), now=now)
                for rule in rules:
                    await self._rule(conn, person, rule["after_min"], rule["channel"])
                if not rules:  # somebody who has an address that nobody has proved
                    await accounts.add_contact(
                        conn,
                        self.house.vault,
                        staff_id=person.lower(),
                        channel=ContactChannel.SMS,
                        value=f"+479990{len(self.rules):04d}",
                        now=now,
                    )
                    self.addresses[Address(Channel.SMS, f"+479990{len(self.rules):04d}")] = (person, "sms")
            chat = (ContactChannel.TELEGRAM, "990001")
            await add_person(conn, self.house.vault, COORDINATOR, chat, roles=[Role.COORDINATOR], now=now)
            self.addresses[Address(Channel.TELEGRAM, "990001")] = (COORDINATOR, "telegram")
            for name, shifts in self._rosters().items():
                await store.save_roster(
                    conn,
                    name=name,
                    zone="Europe/Oslo",
                    definition={"priority_shifts": shifts},
                    valid_from=now - timedelta(days=1),
                    now=now,
                    saved_by="test",
                )
            steps = self.case["policy"]["steps"]
            under = next((event["under_policy"] for event in self.case["events"] if "under_policy" in event), None)
            await self._policy(conn, _read_policy(under) if under else steps)

    def _rosters(self) -> dict[str, list[dict[str, Any]]]:
        names = {
            target.removeprefix("roster:")
            for step in self.case["policy"]["steps"]
            for target in step["targets"]
            if target.startswith("roster:")
        }
        shifts = [
            {
                "user": person.lower(),
                "from": (self.start + minutes(shift["from_min"])).isoformat(),
                "to": (self.start + minutes(shift["to_min"])).isoformat(),
                "level": 1,
            }
            for shift in self.case.get("roster", ())
            for person in shift["on_call"]
        ]
        return dict.fromkeys(names, shifts)

    async def _policy(self, conn: Any, steps: Sequence[Mapping[str, Any]]) -> None:
        written = [
            [
                step["wait_min"],
                [each if ":" in each else each.lower() for each in step["targets"]],
                *(["everyone"] if step.get("everyone_must_ack") else []),
            ]
            for step in steps
        ]
        definition = a_policy(written, repeat=self.case["policy"]["repeat"], last_resort=[LAST_RESORT.lower()])
        await store.save_ladders(conn, definition=definition, now=self.clock.now(), saved_by="test")

    async def _rule(self, conn: Any, person: str, after: float, channel: str) -> None:
        rules = self.rules.setdefault(person, [])
        if (person, channel) not in self.contacts:
            on, number = _CHANNELS[channel], len(self.contacts) + 1
            value = str(7_700_000 + number) if on is Channel.TELEGRAM else f"+479000{number:04d}"
            self.contacts[person, channel] = await accounts.add_contact(
                conn,
                self.house.vault,
                staff_id=person.lower(),
                channel=ContactChannel(on.value),
                value=value,
                now=self.clock.now(),
                verified=True,
            )
            self.addresses[Address(on, value)] = (person, channel)
        rules.append((after, channel))
        chosen = [(self.contacts[person, each], minutes(later)) for later, each in rules]
        for urgency in Urgency:
            await reach_store.set_rules(conn, person.lower(), urgency, chosen)

    # --- time --------------------------------------------------------------------------------------------------------

    def put(self, at: datetime) -> None:
        self.clock.advance(at - self.clock.now())

    async def settle(self) -> None:
        if self.working:
            await asyncio.gather(*(line.settle() for line in self.lines))

    async def until(self, minute: float) -> None:
        """Let time pass, and stop wherever something falls due."""
        end = self.start + minutes(minute)
        while self.working:
            due = await self._next_due()
            if due is None or due > end:
                break
            self.put(max(due, self.clock.now()))
            await self.settle()
        self.put(end)
        await self.settle()

    async def _next_due(self) -> datetime | None:
        async with self.db.read() as conn:
            found = [await loop.next_due(conn) for loop in self.lines[-1].work if loop.next_due is not None]
        return min((due for due in found if due is not None and due > self.clock.now()), default=None)

    # --- what happens ------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        await self.prepare()
        for event in self.case["events"]:
            if event["at_min"] > self.minute:
                await self._together()
                await self.settle()
                await self.until(event["at_min"])
            await self.does(event)
        await self._together()
        await self.settle()
        asked = [expected["at_min"] for expected in self.case["expect"]]
        await self.until(max([*asked, WATCHED_UNTIL.get(self.case["id"], self.minute)]))

    async def _together(self) -> None:
        """What was pressed at one instant arrives at one instant."""
        pressed, self.pressed = self.pressed, []
        await asyncio.gather(*pressed)
        if pressed:
            await self.settle()

    async def does(self, event: Mapping[str, Any]) -> None:
        who = event.get("user", "")
        match event["op"]:
            case "start" if event.get("instance") == 2:
                self.new_line()
            case "start" | "resume":
                self.working = True
                await self.settle()
            case "suspend":
                await self.settle()
                self.working = False
            case "kill":
                await self._kill(event["point"])
            case "open":
                await self._open(event)
            case "escalate":
                await self.settle()
                await self._desk(
                    lambda conn, line, id_: advisors.move_up(conn, line.room.means, id_, COORDINATOR, self.clock.now())
                )
            case "auto_escalate" | "answer":
                await self.settle()  # time does it, or nothing is done by it
            case "add_rule":
                async with self.db.write() as conn:
                    await self._rule(conn, who, event["after_min"], event["channel"])
                    await advisors.rules_changed(conn, self.lines[0].room.means, who.lower(), self.clock.now())
            case "set_policy":
                await self.settle()
                steps = {"P1": "P1: U1 30 min, U1 60 min"}.get(event["to"], event["to"])
                async with self.db.write() as conn:
                    await self._policy(conn, _read_policy(steps))
                await self._desk(
                    lambda conn, line, id_: advisors.reapply(conn, line.room.means, id_, COORDINATOR, self.clock.now())
                )
            case "ack":
                await self.settle()
                await self._ack(who, event.get("via"))
            case "close":
                by = event.get("user", COORDINATOR).lower()
                await self._desk(
                    lambda conn, line, id_: advisors.close(conn, line.room.means, id_, by, self.clock.now()),
                    key=event.get("key"),
                )
            case "advisor_reply":
                await self._write(who, "Hei, jeg er her.")
            case "reply":
                await self.settle()
                await self._reply(who, event["text"])
            case "sms_status":
                await self.settle()
                self.before_callbacks = self.before_callbacks or len(self.told())
                report = DeliveryReport(Channel.SMS, self._id_of(who, "sms"), _STATES[event["status"]])
                await self.lines[0].delivery.reported(report)
                await self.settle()
            case "call_status":
                assert (event["answered_by"], event["digits"]) == ("machine", None)
                await self.settle()
                page = await self._page_of(who, "call")
                async with self.db.write() as conn:
                    await advisors.page_reported(
                        conn, self.lines[0].room.means, page.id, PageNews.HELD_UP, self.clock.now()
                    )
                await self.settle()
            case "press":
                assert event["meaning"] == "escalate"
                page = await self._page_of(who, "call")
                contact = str(self.contacts[who, "call"])
                async with self.db.write() as conn:
                    await advisors.decline(
                        conn, self.lines[0].room.means, page.id, who.lower(), self.clock.now(), contact=contact
                    )
                await self.settle()
            case "telegram_429":
                wait = TryLater("telegram asks us to wait", retry_after=event["retry_after_s"])
                self.channels[Channel.TELEGRAM].faults.append(wait)
            case _:
                raise AssertionError(f"unknown event {event}")

    async def _open(self, event: Mapping[str, Any]) -> None:
        key = event["key"]
        address = Address(Channel.WHATSAPP, f"+4781000{sum(map(ord, key)):04d}")
        self.addresses[address] = (CLINICIAN, "whatsapp")
        vault, now = self.house.vault, self.clock.now()
        urgency = Urgency(event.get("urgency", "routine" if "bundled" in self.case["title"] else "urgent"))
        async with self.db.write() as conn:
            known = await conversations.find_by_address(conn, vault.fingerprint_of(address))
            conversation = (
                str(known.id)
                if known is not None
                else await conversations.create(
                    conn,
                    vault,
                    address,
                    kind=Kind.CLINICIAN,
                    staff_id=None,
                    language=Language.NB,
                    country=Country.NO,
                    now=now,
                )
            )
            opened = await seeking.open_escalation(
                conn,
                self.lines[0].room.means,
                conversation_id=conversation,
                urgency=urgency,
                language=Language.NB,
                country=Country.NO,
                region="Troms",
                reason="asked",
                now=now,
            )
        self.opened[key] = opened.filed
        if event.get("state") == "acknowledged":
            await self._desk(lambda conn, line, id_: advisors.acknowledge(conn, line.room.means, id_, "u1", now))

    async def _desk(self, act: Callable[[Any, Line, str], Any], *, key: str | None = None) -> None:
        filed = self.opened[key] if key is not None else list(self.opened.values())[-1]
        async with self.db.write() as conn:
            await act(conn, self.lines[0], filed.id)

    async def _ack(self, who: str, via: str | None) -> None:
        """By a button on Telegram, else by the code in an SMS; those of one instant arrive together."""
        used = via or self.rules[who][0][1]
        if used == "telegram":
            page = await self._page_of(who, used)
            pressing = self._send(who, used, InboundKind.TAP, token=f"page:take:{page.id}")
        else:
            code = list(self.opened.values())[-1].code
            pressing = self._send(who, used, InboundKind.TEXT, text=code)
        self.pressed.append(asyncio.ensure_future(pressing))

    async def _write(self, who: str, words: str) -> None:
        await self._together()
        channel = next(each for _, each in self.rules[who] if each != "call")
        await self._send(who, channel, InboundKind.TEXT, text=words)
        await self.settle()

    async def _reply(self, who: str, text: str) -> None:
        await self._together()
        match text:
            case "bundle code + acknowledge-all":
                [bundle] = [told.text for told in self.told() if "klinikere venter" in told.text]
                found = re.match(r"\[(\d+)\]", bundle)
                assert found is not None
                await self._write(who, found[1])
            case "code of c1 + acknowledge":
                await self._write(who, self.opened["c1"].code)
            case "STOP":
                await self._send(who, "sms", InboundKind.STOP)
                await self.settle()
            case "ten meaningless messages":
                for number in range(10):
                    await self._write(who, f"tralala {number}")
            case "meaningless":
                # Whoever has a case is talking: her words are for the clinician, and only a command can mean nothing.
                await self._write(who, "/tralala")
            case _:
                raise AssertionError(f"unknown reply {text}")

    async def _send(self, who: str, channel: str, kind: InboundKind, *, text: str = "", token: str = "") -> None:
        address = next(address for address, whose in self.addresses.items() if whose == (who, channel))
        await take_in(
            self.lines[0].house, InboundMessage(address.channel, secrets.token_hex(8), address, kind, text, token)
        )

    async def _kill(self, point: str) -> None:
        """The process dies there: it is never heard of again, and another starts on the same database."""
        dead = self.lines.pop()
        self.dead.append(dead)
        if point == "after provider accept, before store":
            for channel in self.channels.values():
                channel.hangs = True
            task = asyncio.ensure_future(dead.settle())
            while not any(channel.taken for channel in self.channels.values()):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.killed += list(dead.delivery._under_way)
            self.channels = {on: _without_its_past(channel) for on, channel in self.channels.items()}
        else:
            assert point == "after commit of the intent, before provider call"
        self.working = False
        self.new_line()

    async def clear(self) -> None:
        for task in self.killed:
            task.cancel()
        await asyncio.gather(*self.killed, return_exceptions=True)
        for line in (*self.lines, *self.dead):
            await line.house.db.dispose()

    # --- what came of it ---------------------------------------------------------------------------------------------

    def told(self) -> list[Told]:
        """Everything that the providers took, in order."""
        found = []
        for channel in self.channels.values():
            for given in channel.taken:
                if given.to not in self.addresses:
                    continue
                who, name = self.addresses[given.to]
                minute = (channel.asked_at[given.at] - self.start) / minutes(1)
                found.append(Told(minute, who, name, given.message.text, bool(given.attempt.tag), given))
        return found

    def _id_of(self, who: str, channel: str) -> str:
        sent = [told for told in self.told() if (told.who, told.channel) == (who, channel) and told.page]
        return self.channels[_CHANNELS[channel]]._id(sent[-1].given)

    async def _page_of(self, who: str, channel: str) -> PageMade:
        async with self.db.read() as conn:
            pages = [page for filed in self.opened.values() for page in await store.pages_of(conn, filed.id)]
        return [page for page in pages if page.contact_id == self.contacts[who, channel]][-1]

    async def filed(self, key: str) -> Filed:
        async with self.db.read() as conn:
            found = await store.find(conn, self.opened[key].id)
        assert found is not None
        return found

    async def meets(self, expected: Mapping[str, Any]) -> bool:
        """Whether this expectation came true."""
        kind, at = expected.get("kind"), float(expected["at_min"])
        if expected.get("message_state") == "delivered":
            async with self.db.read() as conn:
                pages = await store.pages_of(conn, next(iter(self.opened.values())).id)
            return [page.state.value for page in pages] == ["delivered"]
        if kind in ("exactly one owner", "loser is told who has it, its buttons are removed"):
            return await self._one_winner(told_too=kind.startswith("loser"))
        if kind == "channel disabled and roster coordinator warned":
            async with self.db.read() as conn:
                off = self.contacts["U1", "sms"] in await store.stopped(conn)
            warned = [told for told in self.told() if told.who == COORDINATOR and "STOPP" in told.text]
            return off and [told.minute for told in warned] == [at]
        who, channel = expected["user"], expected.get("channel")
        read = READ[kind]
        found = [
            told
            for told in self.told()
            if told.who == who
            and told.minute == at
            and (channel is None or told.channel == channel)
            and read(self, told)
        ]
        if kind == "early fallback" and not await self._was_early(who, at):
            return False
        if "min" in expected:
            return int(expected["min"]) <= len(found) <= int(expected["max"])
        wanted = len(self.opened) if kind == "confirmation for all" else int(expected["count"])
        return len(found) == wanted

    async def _was_early(self, who: str, at: float) -> bool:
        """Another way had come to nothing, or was stopped, before this one's time."""
        after = min(after for after, channel in self.rules[who] if channel == self.rules[who][-1][1])
        return at < after or at == 0

    async def _one_winner(self, *, told_too: bool) -> bool:
        [filed] = [await self.filed(key) for key in self.opened]
        owner = filed.escalation.owner
        if owner is None:
            return False
        loser = {"u1": "U2", "u2": "U1"}[owner]
        yours = [told for told in self.told() if PHRASES.say("staff.yours", Language.NB, code=filed.code) in told.text]
        if [told.who.lower() for told in yours] != [owner]:
            return False
        if not told_too:
            return True
        name = owner.capitalize()
        heard = [told for told in self.told() if told.who == loser and name in told.text and not told.page]
        page = next(told for told in self.told() if told.who == loser and told.page)
        number = self.channels[Channel.TELEGRAM]._id(page.given)
        return bool(heard) and any(number in told.given.message.strikes for told in heard)

    async def ends(self) -> None:
        """The end as it is written."""
        final = dict(self.case.get("final", {}))
        filed = {key: await self.filed(key) for key in self.opened}
        latest = list(filed.values())[-1].escalation
        for name, value in final.items():
            match name:
                case "state":
                    assert latest.state in _STANDS[value], latest.state
                case "level":
                    assert latest.step + 1 == value
                case "owner":
                    assert latest.owner == value.lower()
                case "owner_until_accept":
                    assert (latest.state, latest.owner) == (State.TAKEN, value.lower())
                case "all":
                    assert all(each.escalation.state in _STANDS[value] for each in filed.values())
                case "c2":
                    assert filed["c2"].escalation.state in _STANDS[value]
                case _:
                    raise AssertionError(f"unknown end {name}")


def _without_its_past(channel: Hanging) -> Hanging:
    """The same provider, which answers again; what it took before it took."""
    fresh = Hanging(channel.channel, clock=channel.clock)
    fresh.taken, fresh.given, fresh.line, fresh.asked_at = channel.taken, channel.given, channel.line, channel.asked_at
    return fresh


def _read_policy(written: str) -> list[dict[str, Any]]:
    return [{"wait_min": int(wait), "targets": [who]} for who, wait in re.findall(r"(U\d) (\d+) min", written)]


_STANDS: Mapping[str, set[State]] = {
    "triggered": {State.SEEKING, State.LAST_RESORT},
    "acknowledged": {State.TAKEN},
    "closed": {State.CLOSED},
}


def _is_page(scene: Scene, told: Told) -> bool:
    return told.page


def _says(key: str, **names: str) -> Callable[[Scene, Told], bool]:
    """A message that holds this phrase about one of the cases."""

    def read(scene: Scene, told: Told) -> bool:
        said = [
            PHRASES.say(key, Language.NB, **{"code": filed.code, "codes": filed.code, **names})
            for filed in scene.opened.values()
        ]
        return not told.page and any(each in told.text for each in said)

    return read


def _page_that_says(part: str) -> Callable[[Scene, Told], bool]:
    return lambda scene, told: told.page and part in told.text


def _help(scene: Scene, told: Told) -> bool:
    beginnings = ("staff.help.nothing", "staff.help.owned", "staff.help.asked")
    starts = [PHRASES.texts[key][Language.NB].split("{")[0] for key in beginnings]
    return not told.page and any(told.text.startswith(start) for start in starts)


def _told_by_country(key: str) -> Callable[[Scene, Told], bool]:
    return lambda scene, told: told.text.startswith(PHRASES.say_in(key, Country.NO, Language.NB))


def _old_code(scene: Scene, told: Told) -> bool:
    """That case has ended; what is open is shown with its code, in a message of its own."""
    ended = PHRASES.say("staff.already_closed", Language.NB, code=scene.opened["c1"].code)
    open_code = scene.opened["c2"].code
    shown = [other for other in scene.told() if other.who == told.who and not other.page and open_code in other.text]
    return told.text == ended and bool(shown)


READ: Mapping[str | None, Callable[[Scene, Told], bool]] = {
    None: _is_page,
    "early fallback": _is_page,
    "confirmation": _says("staff.yours"),
    "confirmation for all": lambda scene, told: (
        _says("staff.yours")(scene, told) or _says("staff.yours_too")(scene, told)
    ),
    "already_taken_by U1": _says("staff.already_taken", names="U1"),
    "already_closed": _says("staff.already_closed"),
    "bundle of 4": _page_that_says("4 klinikere venter"),
    "page with history": _page_that_says("Vakten din har begynt, og ventetiden er 10 min"),
    "no longer yours": _says("staff.shift_ended", names="B"),
    "handover packet, accept button": lambda scene, told: (
        told.page and "ta over etter A" in told.text and told.given.message.choices[0].token.startswith("page:take:")
    ),
    "B has been asked to take over": _says("staff.asked_over", names="B"),
    "you took this case, clinician is waiting": _says("staff.clinician_waits"),
    "same page, at most one duplicate, same case code": _is_page,
    "already passed on to U2": _says("staff.already_passed_on", names="U2"),
    "that case is closed; open case is c2, code shown": _old_code,
    "nobody on duty: what to do now, local emergency route": _told_by_country("waiting.nobody_on_duty"),
    "we have not reached anyone: what to do now": _told_by_country("waiting.nobody_reached"),
    "marked delayed": _page_that_says("forsinket"),
    "urgent u1": lambda scene, told: told.page and scene.opened["u1"].code in told.text and told.given.message.urgent,
    "help text": _help,
}


def _pages(scene: Scene, who: str | None = None, channel: str | None = None) -> list[Told]:
    return [
        told
        for told in scene.told()
        if told.page and who in (None, told.who) and channel in (None, told.channel) and told.who != LAST_RESORT
    ]


def _at(told: Sequence[Told], minute: float) -> list[Told]:
    return [each for each in told if each.minute == minute]


def _before(told: Sequence[Told], minute: float) -> list[Told]:
    return [each for each in told if each.minute < minute]


def _again_within_a_minute(scene: Scene) -> bool:
    times = [told.minute for told in _pages(scene, "U1", "sms")]
    return any(later - earlier < 1 for earlier, later in pairwise(times))


FORBIDDEN: Mapping[str, Callable[[Scene], object]] = {
    "any message to U2 before minute 30": lambda scene: _before(_pages(scene, "U2"), 30),
    "message at minute 35": lambda scene: _at(_pages(scene), 35),
    "message on sms at minute 1": lambda scene: _at(_pages(scene, channel="sms"), 1),
    "message to U2 before minute 1": lambda scene: _before(_pages(scene, "U2"), 1),
    "message to U1 at minute 30": lambda scene: _at(_pages(scene, "U1"), 30),
    "call to U1": lambda scene: _pages(scene, "U1", "call"),
    "any message to U2": lambda scene: _pages(scene, "U2"),
    "second message to U1": lambda scene: _pages(scene, "U1")[1:],
    "message at minute 5": lambda scene: _at(_pages(scene), 5),
    "same message on the same channel again within a minute": _again_within_a_minute,
    "any further message caused by the callbacks": lambda scene: _before(scene.told()[scene.before_callbacks :], 10),
    "call to U3 before minute 30": lambda scene: _before(_pages(scene, "U3", "call"), 30),
    "U2 and U3 both at minute 41": lambda scene: _at(_pages(scene, "U2"), 41) and _at(_pages(scene, "U3"), 41),
    "sms to U1": lambda scene: _pages(scene, "U1", "sms"),
}


async def may_hold_a_shift(scene: Scene, who: str) -> bool:
    """Whether a roster that names them is taken without a word."""
    async with scene.db.read() as conn:
        unfit = await on_duty.who_may_not_hold_shifts(conn, frozenset({who.lower()}), scene.clock.now())
    return not unfit
