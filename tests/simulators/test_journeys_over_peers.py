"""The journeys of `tests/journeys/scripts` once more, over peers: the providers as others built them.

The real channels, wired as the settings say and driven by the line's own loops, speak to an emulator of Telegram that
somebody else wrote, and to Twilio's own description of its API in a mock server that refuses what it does not allow.
Neither gives back what it was told, so a thin recorder on this machine passes every call on, byte for byte, and keeps
the texts: what a person "gets" is read from the wire, its buttons and digits too.

And over a provider at which everything goes wrong once: the same script must end in the same way.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from itertools import cycle
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Table, or_, select
from yarl import URL

from bot import store
from bot.app import Line, Role, channels_of
from bot.channels.base import ChannelAdapter, Webhook
from bot.channels.local import LocalChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.counts import Counts
from bot.dialogue import ADVISOR
from escalation import store as escalations
from helpline.database import Database
from helpline.messages import Address, Channel, Choice
from helpline.outbox import OutboundRow, OutboundState
from helpline.settings import Secret, Settings, TelegramMode, TelegramSettings, TwilioSettings
from helpline.storage import table_of, wake
from helpline.vault import Vault
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER, PUBLIC_URL, TELEGRAM_SECRET, TELEGRAM_TOKEN
from tests.fakes import Broken, Busy, Cut, FakeProvider, Fault, Garbage, Hang, Slow, Taken
from tests.journeys.conftest import heard, prepared, shelved_file  # noqa: F401 - fixtures
from tests.journeys.people import Got, Stumble, TelegramUser
from tests.journeys.script import SCRIPTS, Script, read_script
from tests.journeys.stage import MASTER, Prepared, Stage, _every_column, _PreparedLine
from tests.simulators.peers import TelegramEmulator, free_port

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)

QUIET_WITHIN = 30.0  # seconds; far more than a message needs, for a machine that is busy
_OUTBOUND = table_of(OutboundRow)
_OPEN = (OutboundState.WAITING.value, OutboundState.SENDING.value)
_PAGE = re.compile(r"\[[1-9]\d{4,5}-\d+\]")
_HOP = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "content-encoding"}


def the_script(number: str) -> Script:
    """The script of `tests/journeys/scripts` with this number."""
    [path] = SCRIPTS.glob(f"{number}-*.txt")
    return read_script(path)


# --- what goes over the wire ----------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """Passes every call on to `peer`, and its answer back; keeps what the peer took and what it refused."""

    peer: str
    taken: list[Taken] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lose_answers: bool = False  # a call is passed on, and whoever called hears only that something broke
    calls: int = 0
    _polls: int = 0
    _repeat: list[Any] = field(default_factory=list)
    _to_repeat: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its address, while the block lasts."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        async with aiohttp.ClientSession(auto_decompress=False) as self._session, TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")

    async def polled_again(self, update: Mapping[str, Any]) -> None:
        """Answer a poll with this update, although it was acknowledged, and wait until the line has taken it."""
        self._repeat.append(update)
        self._to_repeat.set()
        polls, until = self._polls, time.monotonic() + QUIET_WITHIN
        while self._to_repeat.is_set() or self._polls == polls:  # it is stored before the line asks for more
            if time.monotonic() > until:
                raise Stumble("The line does not poll.")
            await asyncio.sleep(0.02)

    async def _take(self, request: web.Request) -> web.Response:
        if not request.path.endswith("/getUpdates"):
            return await self._pass_on(request)
        self._polls += 1
        asked = asyncio.ensure_future(self._pass_on(request))
        repeating = asyncio.ensure_future(self._to_repeat.wait())
        try:
            await asyncio.wait([asked, repeating], return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            self._to_repeat.clear()
            again, self._repeat = self._repeat, []
        finally:
            asked.cancel()
            repeating.cancel()
        await asyncio.sleep(0.3)  # until the emulator has seen that nobody waits for its answer any more
        return web.json_response({"ok": True, "result": again})

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = URL(self.peer + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            payload = await answer.read()
        self.calls += 1
        if answer.status >= 400:
            self.refused.append(f"{request.method} {request.path}: {answer.status} {payload[:300]!r}")
        elif request.method == "POST":
            self._keep(request.path, dict(parse_qsl(body.decode(), keep_blank_values=True)), payload)
        if self.lose_answers:
            return web.Response(status=500)
        return web.Response(status=answer.status, body=payload, content_type=answer.content_type)

    def _keep(self, path: str, fields: dict[str, str], payload: bytes) -> None:
        if path.endswith("/sendMessage"):
            number = json.loads(payload)["result"]["message_id"]
            self.taken.append(Taken(str(number), Channel.TELEGRAM, fields["chat_id"], fields["text"], fields))
        elif path.endswith("/Messages.json"):
            channel = Channel.WHATSAPP if fields["To"].startswith("whatsapp:") else Channel.SMS
            self.taken.append(Taken(json.loads(payload)["sid"], channel, fields["To"], fields["Body"], fields))


def as_got(taken: Taken) -> Got:
    """What stands on somebody's phone, read from what her provider was given."""
    choices = tuple(
        Choice(data.removeprefix("v1:"), label) if taken.channel is Channel.TELEGRAM else Choice(data, label, data)
        for label, data in (taken.buttons if taken.channel is Channel.TELEGRAM else _digits(taken))
    )
    buttons = [choice.label for choice in choices] if taken.channel is Channel.TELEGRAM else []
    return Got(
        shown="\n".join([taken.text, *buttons]),
        choices=tuple(replace(choice, token=ADVISOR) if choice.digit == "0" else choice for choice in choices),
        tag=found[0] if (found := _PAGE.search(taken.text)) else "",
        channel=taken.channel,
        provider_message_id=taken.id,
    )


def _digits(taken: Taken) -> list[tuple[str, str]]:
    """Label and digit of what the foot of a text offers: one line by SMS, a line for each on WhatsApp."""
    if taken.channel is Channel.SMS:
        line = taken.text.rpartition("\n")[2]
        found = re.findall(r"(?:^| )(\d) (.+?)(?= \d |$)", line) if re.match(r"\d \S", line) else []
    else:
        lines = taken.text.rpartition("\n\n")[2].split("\n")
        found = [(line[0], line[2:]) for line in lines if re.match(r"\d \S", line)]
    return [(label, digit) for digit, label in found]


# --- stages ---------------------------------------------------------------------------------------------------------


@dataclass
class WireStage(Stage):
    """A stage on which people get what stands on the wire."""

    taken: list[Taken] = field(default_factory=list)
    port: int | None = None

    role = Role.WEB

    def settings(self) -> Settings:
        """How the line is set up."""
        return Settings(
            data_dir=self.prepared.folder,
            database_url=Secret(self.url),
            secret_key=Secret(MASTER),
            country=self.script.country,
        )

    def channels(self) -> dict[Channel, ChannelAdapter]:
        """The real ones."""
        raise NotImplementedError

    async def _begin(self, *, first: bool) -> None:
        house = replace(
            self.prepared.house,
            settings=self.settings(),
            clock=self.clock,
            db=Database.connect(self.url),
            vault=Vault(MASTER),
            library=copy(self.prepared.house.library),
            channels=self.channels(),
            counts=Counts(),
        )
        self.line = _PreparedLine(house, role=self.role) if first else Line(house, role=self.role)
        self._client = TestClient(TestServer(self.line.application(), port=self.port))
        await self._client.start_server()
        if first:
            async with house.db.read() as conn:
                self.shipped = await _every_column(conn)
            await self._hire()
            await self._meet()
        else:
            self._client.session.cookie_jar.update_cookies(self.jar)

    async def _collect(self) -> None:
        while self._collected < len(self.taken):
            taken = self.taken[self._collected]
            self._collected += 1
            if not self._seen_before(taken):
                self._hand_out(Address(taken.channel, taken.to.removeprefix("whatsapp:")), as_got(taken))
        for person in self.people.values():
            await person.look()

    def _seen_before(self, taken: Taken) -> bool:
        return False


class Way(Enum):
    """How the emulator's updates come to the line."""

    POLLED = "polled"
    POSTED = "posted"
    POSTED_TWICE = "posted twice"  # the first answer to each is lost, so that the emulator posts it again


@dataclass
class PeerStage(WireStage):
    """The line as it is run, with its own loops, between peers."""

    way: Way = Way.POLLED
    emulator: TelegramEmulator = field(kw_only=True)
    telegram_url: str = ""  # of the recorder before the emulator
    twilio_url: str = ""  # of the recorder before Twilio's mock, where the script needs it
    door: Recorder | None = None  # between the emulator and the line
    door_url: str = ""
    telegram: Recorder = field(kw_only=True)

    role = Role.ALL

    def settings(self) -> Settings:
        mode = TelegramMode.POLLING if self.way is Way.POLLED else TelegramMode.WEBHOOK
        twilio = TwilioSettings(ACCOUNT_SID, Secret(AUTH_TOKEN), LINE_NUMBER, LINE_NUMBER, self.twilio_url)
        return replace(
            super().settings(),
            public_url=(self.door_url or f"http://127.0.0.1:{self.port}") if mode is TelegramMode.WEBHOOK else None,
            telegram=TelegramSettings(Secret(TELEGRAM_TOKEN), mode, Secret(TELEGRAM_SECRET), self.telegram_url),
            twilio=twilio if self.twilio_url else None,
        )

    def channels(self) -> dict[Channel, ChannelAdapter]:
        return channels_of(replace(self.settings(), public_url=PUBLIC_URL))

    async def _hire(self) -> None:
        await super()._hire()
        self._through_the_emulator()

    async def _meet(self) -> None:
        await super()._meet()
        self._through_the_emulator()

    def _through_the_emulator(self) -> None:
        for name, person in self.people.items():
            if isinstance(person, TelegramUser) and not isinstance(person, EmulatedUser):
                self.people[name] = EmulatedUser(name, person.address, self, person.hint, person.staff, peer=self)

    async def while_working(self, knock: Awaitable[Any]) -> Any:
        return await knock  # the line works by itself

    async def _settle(self) -> None:
        """Wait until the line has nothing left to do now."""
        until = time.monotonic() + QUIET_WITHIN
        while await self._busy():
            if time.monotonic() > until:
                raise Stumble("The line does not come to rest.")
            async with self.house.db.write() as conn:  # a moved clock rings no bell
                for loop in self.line.work:
                    wake(conn, loop.topic)
            await asyncio.sleep(0.05)
        await self._collect()
        self._ways_out()

    async def _busy(self) -> bool:
        if self.way is not Way.POSTED_TWICE and await self.emulator.waiting():
            return True
        now = self.clock.now()
        tables: tuple[Table, ...] = (store.conversations, escalations.escalations, _OUTBOUND)
        async with self.house.db.read() as conn:
            for table in tables:
                at_work = select(table.c.id).where(or_(table.c.lease_token.is_not(None), table.c.due_at <= now))
                if table is _OUTBOUND:
                    at_work = at_work.where(table.c.state.in_(_OPEN))
                if (await conn.execute(at_work.limit(1))).first() is not None:
                    return True
        return False

    async def _nothing_left(self) -> None:
        await super()._nothing_left()
        if self.door is not None:
            self.door.lose_answers = False
            await self.emulator.delivers()
        taps = sum(person.taps for person in self.people.values() if isinstance(person, EmulatedUser))
        until = time.monotonic() + QUIET_WITHIN
        while await self.emulator.waiting() or len(self.emulator.calls("answerCallbackQuery")) < taps:
            if time.monotonic() > until:
                raise Stumble("The emulator still waits for something.")
            await asyncio.sleep(0.05)


@dataclass
class EmulatedUser(TelegramUser):
    """Somebody on Telegram whose doings go through the emulator."""

    peer: PeerStage = field(kw_only=True)
    taps: int = 0

    async def tap(self, label: str) -> None:
        self.taps += 1
        await super().tap(label)

    async def _post(self, path: str, webhook: Webhook) -> None:
        update, peer = json.loads(webhook.body), self.peer
        if peer.door is not None:
            peer.door.lose_answers = False
            await peer.emulator.delivers()  # what it could not be sure of comes again before anything new
            peer.door.lose_answers = True
        number = await peer.emulator.says(update)

        async def again() -> None:
            if peer.door is not None:
                called = peer.door.calls
                await peer.emulator.delivers()
                if peer.door.calls == called:
                    raise Stumble("The emulator did not post it again.")
                return
            await peer.telegram.polled_again({**update, "update_id": number})

        self._again = again


# --- over peers -----------------------------------------------------------------------------------------------------


async def _over_peers(
    script: Script,
    prepared: Prepared,  # noqa: F811 - the fixture
    heard: io.StringIO,  # noqa: F811
    emulator: TelegramEmulator,
    way: Way,
    twilio_mock: str = "",
) -> PeerStage:
    taken: list[Taken] = []
    port = free_port()
    telegram, twilio = Recorder(emulator.url, taken), Recorder(twilio_mock, taken)
    door = Recorder(f"http://127.0.0.1:{port}") if way is Way.POSTED_TWICE else None
    async with telegram.listening() as telegram_url, twilio.listening() as twilio_url, _maybe(door) as door_url:
        stage = PeerStage(
            script,
            prepared,
            heard,
            taken=taken,
            port=port,
            way=way,
            emulator=emulator,
            telegram=telegram,
            telegram_url=telegram_url,
            twilio_url=twilio_url if twilio_mock else "",
            door=door,
            door_url=door_url,
        )
        stumbled = await stage.play()
    if stumbled:
        pytest.fail(stumbled, pytrace=False)
    assert telegram.refused == []
    assert twilio.refused == []
    return stage


@asynccontextmanager
async def _maybe(door: Recorder | None) -> AsyncIterator[str]:
    if door is None:
        yield ""
        return
    async with door.listening() as url:
        yield url


@pytest.mark.parametrize(
    ("number", "way"),
    [
        ("01", Way.POLLED),  # an answer with its source
        ("07", Way.POLLED),  # an advisor through the line, on Telegram too
        ("18", Way.POLLED),  # erased
        ("21", Way.POLLED),  # an update that comes again, also after a restart
        ("02", Way.POSTED),  # danger
        ("07", Way.POSTED),
        ("13", Way.POSTED),  # who can help here
        ("16", Way.POSTED),  # a side question
        ("25", Way.POSTED),  # restarts in the middle
        ("07", Way.POSTED_TWICE),
        ("21", Way.POSTED_TWICE),
    ],
    ids=lambda value: value.value if isinstance(value, Way) else value,
)
async def test_on_telegram(
    number: str,
    way: Way,
    prepared: Prepared,  # noqa: F811
    heard: io.StringIO,  # noqa: F811
    telegram_emulator: TelegramEmulator,
) -> None:
    stage = await _over_peers(the_script(number), prepared, heard, telegram_emulator, way)
    fetched = {"getUpdates", "deleteWebhook"} if way is Way.POLLED else {"webhook", "setWebhook"}
    tapped = {"answerCallbackQuery"} if any(getattr(person, "taps", 0) for person in stage.people.values()) else set()
    lost = ["webhook:500"] if way is Way.POSTED_TWICE else []
    verdict = telegram_emulator.verdict("sendMessage", "getMe", *fetched, *tapped, refused=lost)
    assert verdict["ok"], verdict
    assert verdict["successful_methods"]["sendMessage"] == len(stage.taken)


@pytest.mark.node
@pytest.mark.parametrize(
    "number",
    [
        "03",  # danger, by SMS in Swedish
        "17",  # digits
        "70",  # a long answer in pieces
        "69",  # WhatsApp
        "28",  # an advisor by SMS
    ],
)
async def test_by_twilio(
    number: str,
    prepared: Prepared,  # noqa: F811
    heard: io.StringIO,  # noqa: F811
    telegram_emulator: TelegramEmulator,
    twilio_mock: str,
) -> None:
    """Whatever Twilio's description does not allow is answered with 4xx, and any of those fails the journey."""
    script = the_script(number)
    stage = await _over_peers(script, prepared, heard, telegram_emulator, Way.POLLED, twilio_mock)
    by_twilio = [taken for taken in stage.taken if taken.channel is not Channel.TELEGRAM]
    assert by_twilio
    assert all(taken.fields["StatusCallback"] == f"{PUBLIC_URL}/twilio/status" for taken in by_twilio)
    if len(by_twilio) < len(stage.taken):
        verdict = telegram_emulator.verdict("sendMessage")  # a poll is noted only once something came
        assert verdict["ok"], verdict


# --- over a provider at which everything goes wrong -----------------------------------------------------------------

_FINE = Slow(0)
# What every message meets at its first try.
_AT_FIRST: tuple[Fault, ...] = (
    Busy(wait=2),
    Cut(taken=True),
    Broken(500),
    Hang(taken=True),
    Busy(wait=3, as_date=True),
    Broken(502, taken=True),
    Cut(),
    Hang(),
    Garbage(),
)
_PATIENCE = 0.7  # seconds for a call, so that what hangs does not hold up the tests
_HEADSTART = timedelta(seconds=50)


class TroubledProvider(FakeProvider):
    """Nothing goes right at the first try: not a message, and not every look at what became of it."""

    def __init__(self, begin: int) -> None:
        super().__init__()
        self.met: list[Fault] = []
        self._at_first: Iterator[Fault] = cycle(_AT_FIRST[begin:] + _AT_FIRST[:begin])
        self._tried: Counter[tuple[str, str]] = Counter()
        self._looks = 0

    async def _answer(self, request: web.Request, take: Any, refusal: Any, *, created: int = 200) -> web.StreamResponse:
        fault: Fault = _FINE
        if request.method == "GET":
            self._looks += 1
            fault = (_FINE, _FINE, Broken(503), _FINE, _FINE, Cut())[self._looks % 6]
        elif not request.path.endswith(("/answerCallbackQuery", "/getUpdates")):
            fields = await request.post()
            message = str(fields.get("chat_id", fields.get("To"))), str(fields.get("text", fields.get("Body")))
            self._tried[message] += 1
            fault = next(self._at_first) if self._tried[message] == 1 else _FINE
        if fault is not _FINE:
            self.met.append(fault)
        self.faults.appendleft(fault)
        return await super()._answer(request, take, refusal, created=created)


@dataclass
class TroubledStage(WireStage):
    """The line between providers that fail; time passes until everything went."""

    provider: TroubledProvider = field(kw_only=True)
    repeats: int = 0

    def channels(self) -> dict[Channel, ChannelAdapter]:
        url = self.provider.url
        account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL, api_url=url, timeout_seconds=_PATIENCE)
        return {
            Channel.TELEGRAM: TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, url, timeout_seconds=_PATIENCE),
            Channel.SMS: TwilioChannel(Channel.SMS, account, LINE_NUMBER),
            Channel.WHATSAPP: TwilioChannel(Channel.WHATSAPP, account, LINE_NUMBER),
            Channel.WEB: LocalChannel(Channel.WEB),
        }

    async def _begin(self, *, first: bool) -> None:
        self.provider.now = self.clock.now()
        await super()._begin(first=first)

    async def _settle(self) -> None:
        self.provider.now = self.clock.now()
        await self.line.settle()
        for _ in range(100):
            async with self.house.db.read() as conn:
                waiting = select(_OUTBOUND.c.due_at).where(_OUTBOUND.c.state.in_(_OPEN))
                rows = (await conn.execute(waiting)).all()
            if not rows:
                break
            # What waits behind another of its lane has been due all the time.
            later = [row.due_at for row in rows if row.due_at is not None and row.due_at > self.clock.now()]
            self.clock.advance(min(later, default=self.clock.now()) - self.clock.now())
            self.provider.now = self.clock.now()
            await self.line.settle()
        else:
            raise Stumble("Something never goes out.")
        await self._collect()
        self._ways_out()

    def _seen_before(self, taken: Taken) -> bool:
        """Telegram cannot be asked, so what it took before the connection broke comes to her twice; Twilio can."""
        if taken.channel is not Channel.TELEGRAM:
            return False
        before = [each for each in self.taken[: self._collected - 1] if each.to == taken.to]
        again = bool(before) and (before[-1].text, before[-1].buttons) == (taken.text, taken.buttons)
        self.repeats += again
        return again

    async def _what_always_holds(self) -> None:
        await super()._what_always_holds()
        async with self.house.db.read() as conn:
            rows = (
                await conn.execute(select(_OUTBOUND.c.channel, _OUTBOUND.c.state, _OUTBOUND.c.provider_message_id))
            ).all()
        sent = {OutboundState.SENT.value, OutboundState.DELIVERED.value}
        lost = [row for row in rows if row.state not in sent and row.channel != Channel.WEB.value]
        if lost:
            raise Stumble(f"{len(lost)} messages never went: {Counter(row.state for row in lost)}")
        noted = Counter(row.provider_message_id for row in rows if row.channel != Channel.WEB.value)
        took = Counter(each.id for each in self.taken)
        if not noted <= took:
            raise Stumble("Something is noted as sent that no provider took.")
        twice = [each for each in self.taken if each.channel is not Channel.TELEGRAM and each.id not in noted]
        if twice:
            raise Stumble(f"Twilio was given something twice:\n{twice[0].text}")
        if took.total() - noted.total() != self.repeats:
            raise Stumble("Telegram took something that is neither noted nor a repeat.")


@pytest.mark.parametrize(
    ("number", "begin"),
    [
        *((number, 0) for number in ("01", "02", "07", "03", "28")),
        *((number, begin) for number in ("17", "69") for begin in (0, 3, 6)),  # so that Twilio meets each fault
    ],
)
async def test_where_everything_goes_wrong(
    number: str,
    begin: int,
    prepared: Prepared,  # noqa: F811
    heard: io.StringIO,  # noqa: F811
) -> None:
    """Nothing is lost, nothing changes its place, and nothing is sent twice where that can be known."""
    script = the_script(number)
    # What is tried again takes seconds. The journey begins so much earlier that its promises name the same minutes.
    script = replace(script, at=script.at - _HEADSTART)
    async with TroubledProvider(begin) as provider:
        stage = TroubledStage(script, prepared, heard, taken=provider.taken, provider=provider)
        stumbled = await stage.play()
    if stumbled:
        pytest.fail(stumbled, pytrace=False)
    could_double = sum(getattr(fault, "taken", False) for fault in provider.met)
    assert len(provider.met) >= len({(each.to, each.text) for each in provider.taken})
    assert stage.repeats <= could_double
