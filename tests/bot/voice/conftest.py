"""A line with a telephone: Asha is woken by SMS and then by call, Noor by call alone, and Maja is the last resort."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bot import store as conversations
from bot.app import Line, Role
from bot.channels.base import ChannelAdapter
from bot.house import House
from bot.inbox import take_in
from bot.voice import store as calls
from bot.voice.store import Call
from escalation import advisors, seeking
from escalation import store as escalations
from escalation.standing import Urgency
from escalation.store import Filed, PageMade
from helpline import accounts, audit, outbox
from helpline.accounts import ContactChannel
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, Country, InboundKind, InboundMessage, Language
from helpline.outbox import Outgoing
from tests.bot.conftest import local_settings
from tests.conftest import NINE
from tests.escalation.stored import a_policy, add_person
from tests.phone import Client, Document, Exchange, Placed

MakeClient = Callable[..., Awaitable[Client]]

CLINICIAN = Address(Channel.SMS, "+4759440900")
ASHA, NOOR, MAJA = "+4759440101", "+4759440102", "+4759440103"
STEPS = [[3, ["asha"]], [4, ["noor"]]]


@dataclass
class Telephone:
    """The line, the exchange, and what a test asks of them."""

    line: Line
    exchange: Exchange
    clock: SetClock
    contacts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def pass_(self, **time: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.advance(timedelta(**time))
        self.exchange.now = self.clock.now()
        await self.line.settle()

    async def ask(self, conversation: str = "c1", urgency: Urgency = Urgency.URGENT, **changed: Any) -> Filed:
        """A clinician asks for an advisor."""
        given: dict[str, Any] = {
            "language": Language.NB,
            "country": Country.NO,
            "region": "Oslo",
            "reason": "asked",
            "now": self.now,
        }
        async with self.line.house.db.write() as conn:
            opened = await seeking.open_escalation(
                conn, self.line.room.means, conversation_id=conversation, urgency=urgency, **{**given, **changed}
            )
        await self.line.settle()
        return opened.filed

    async def rings_for(self, person: str, *, minutes: float = 2, **changed: Any) -> tuple[Filed, Placed]:
        """A clinician asks, and time passes until this person's phone rings."""
        filed = await self.ask(**changed)
        await self.pass_(minutes=minutes)
        return filed, self.call_to(person)

    def call_to(self, number: str) -> Placed:
        """The latest call to this number."""
        found = [call for call in self.exchange.calls if call.to == number]
        assert found, "No call was made."
        return found[-1]

    async def picked_up(self, call: Placed) -> Document:
        """It rings, and somebody picks up."""
        await self.exchange.rings(call)
        return await self.exchange.picks_up(call)

    async def writes(self, words: str) -> str:
        """A clinician writes an SMS; her conversation."""
        sms = InboundMessage(Channel.SMS, secrets.token_hex(8), CLINICIAN, InboundKind.TEXT, words)
        await take_in(self.line.house, sms)
        await self.line.settle()
        async with self.line.house.db.read() as conn:
            found = await conversations.find_by_address(conn, self.line.house.vault.fingerprint_of(CLINICIAN))
        assert found is not None
        return str(found.id)

    # --- how it stands ---

    async def open_for(self, conversation: str) -> Filed:
        async with self.line.house.db.read() as conn:
            found = await escalations.find_open(conn, conversation)
        assert found is not None
        return found

    async def viewed(self, conversation: str) -> list[str]:
        """Who looked at it."""
        async with self.line.house.db.read() as conn:
            entries = await audit.entries(conn, subject=f"conversation:{conversation}")
        return [entry.actor for entry in entries if entry.action == "conversation_viewed"]

    async def filed(self, filed: Filed) -> Filed:
        async with self.line.house.db.read() as conn:
            found = await escalations.find(conn, filed.id)
        assert found is not None
        return found

    async def pages(self, filed: Filed) -> list[PageMade]:
        async with self.line.house.db.read() as conn:
            return await escalations.pages_of(conn, filed.id)

    async def paged(self, filed: Filed) -> list[tuple[str, str]]:
        """Who was paged, and how, in order."""
        return [(page.staff_id, page.channel) for page in await self.pages(filed)]

    async def sent(self, filed: Filed) -> list[Outgoing]:
        async with self.line.house.db.read() as conn:
            return await outbox.of_escalation(conn, filed.id)

    async def row(self, call: Placed) -> Call:
        async with self.line.house.db.read() as conn:
            found = await calls.find_by_sid(conn, call.sid)
        assert found is not None
        return found

    async def take(self, filed: Filed, staff_id: str) -> None:
        """Somebody takes it on the desk."""
        async with self.line.house.db.write() as conn:
            await advisors.acknowledge(conn, self.line.room.means, filed.id, staff_id, self.now)
        await self.line.settle()


async def a_telephone(
    house: House, settings: Any, clock: SetClock, exchange: Exchange, make_client: MakeClient
) -> Telephone:
    """The line on this database, with its phone connected to the exchange."""
    channels: dict[Channel, ChannelAdapter] = {**house.channels, **exchange.channels()}
    changed = replace(
        house, settings=settings, clock=clock, db=Database.connect(settings.database_url.reveal()), channels=channels
    )
    line = Line(changed, role=Role.WEB)  # `settle` does the work, when the test says so
    exchange.reach(await make_client(line.application()))
    return Telephone(line, exchange, clock)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with Exchange(now=NINE) as made:
        yield made


@pytest.fixture
async def telephone(
    prepared: tuple[Path, House],
    tmp_path: Path,
    clock: SetClock,
    exchange: Exchange,
    aiohttp_client: Callable[..., Awaitable[TestClient[web.Request, web.Application]]],
) -> Telephone:
    """The line with its phone, at nine o'clock, with three people on staff."""
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    made = await a_telephone(house, local_settings(tmp_path), clock, exchange, aiohttp_client)
    async with made.line.house.db.write() as conn:
        vault = made.line.house.vault
        before = NINE - timedelta(days=1)
        sms, call = ContactChannel.SMS, ContactChannel.CALL
        asha = await add_person(conn, vault, "asha", (sms, ASHA), now=before)
        asha["call"] = await accounts.add_contact(
            conn, vault, staff_id="asha", channel=call, value=ASHA, now=before, verified=True
        )
        noor = await add_person(conn, vault, "noor", (call, NOOR), languages=[Language.SV], now=before)
        maja = await add_person(
            conn, vault, "maja", (sms, MAJA), roles=[accounts.Role.COORDINATOR], languages=[Language.EN], now=before
        )
        made.contacts = {"asha": asha, "noor": noor, "maja": maja}
        policy = a_policy(STEPS, last_resort=["maja"])
        policy["personal"] = {urgency: {"sms": 0, "call": 2} for urgency in ("urgent", "routine")}
        await escalations.save_ladders(conn, definition=policy, now=before, saved_by="test")
    return made
