"""A page that comes to nothing brings the next way at once, whatever the provider's way of saying so."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot import delivery
from bot.app import Line
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.house import House
from escalation import seeking
from escalation import store as escalations
from escalation.reach import store as reach_store
from escalation.standing import Urgency
from escalation.store import PageMade
from helpline.accounts import ContactChannel
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Channel, Country, DeliveryReport, DeliveryState, Language
from tests.bot.conftest import local_settings
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER, PUBLIC_URL, TELEGRAM_SECRET, TELEGRAM_TOKEN
from tests.conftest import NINE
from tests.escalation.stored import a_policy, add_person
from tests.fakes import Broken, Busy, Cut, FakeProvider, Fault, Garbage, Hang, Refused

TELEGRAM, SMS = "telegram", "sms"
FIVE = timedelta(minutes=5)  # the second way's turn, if nothing brings it forward


@dataclass
class Woken:
    """Asha, who is woken on one channel at once and on the other after five minutes, and the provider of both."""

    line: Line
    provider: FakeProvider
    clock: SetClock
    contacts: dict[str, int]

    async def prefers(self, first: str) -> None:
        second = SMS if first == TELEGRAM else TELEGRAM
        async with self.line.house.db.write() as conn:
            chosen = [(self.contacts[first], timedelta()), (self.contacts[second], FIVE)]
            await reach_store.set_rules(conn, "asha", Urgency.URGENT, chosen)

    async def open(self) -> str:
        async with self.line.house.db.write() as conn:
            opened = await seeking.open_escalation(
                conn,
                self.line.room.means,
                conversation_id="c1",
                urgency=Urgency.URGENT,
                language=Language.NB,
                country=Country.NO,
                region="Oslo",
                reason="asked",
                now=self.clock.now(),
            )
        await self.line.settle()
        return opened.filed.id

    async def pages(self, escalation_id: str) -> list[PageMade]:
        async with self.line.house.db.read() as conn:
            return await escalations.pages_of(conn, escalation_id)

    async def until_the_second_way(self, escalation_id: str) -> timedelta:
        """How long it takes until the second way is tried."""
        while len(await self.pages(escalation_id)) < 2:
            self.clock.advance(timedelta(seconds=1))
            await self.line.settle()
        return self.clock.now() - NINE


@pytest.fixture
async def asha(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[Woken]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    async with FakeProvider() as provider:
        account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL, api_url=provider.url)
        telegram = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, provider.url)
        sms = TwilioChannel(Channel.SMS, account, LINE_NUMBER)
        channels = {**house.channels, Channel.TELEGRAM: telegram, Channel.SMS: sms}
        db = Database.connect(settings.database_url.reveal())
        line = Line(replace(house, settings=settings, clock=clock, db=db, channels=channels))
        async with db.write() as conn:
            vault, ways = line.house.vault, ContactChannel
            known = await add_person(conn, vault, "asha", (ways.TELEGRAM, "1001"), (ways.SMS, "+4790000001"), now=NINE)
            await escalations.save_ladders(
                conn, definition=a_policy([[9, ["asha"]]], last_resort=["asha"]), now=NINE, saved_by="test"
            )
        yield Woken(line, provider, clock, {TELEGRAM: known["1001"], SMS: known["+4790000001"]})
        await line.delivery.stop()
        for adapter in (telegram, sms):
            await adapter.close()
        await db.dispose()


@pytest.mark.parametrize(
    ("first", "faults"),
    [
        (TELEGRAM, [Refused(403, 403, "Forbidden: bot was blocked by the user")]),
        (TELEGRAM, [Refused(400, 400, "Bad Request: chat not found")]),
        (TELEGRAM, [Busy(40)]),
        (SMS, [Refused(400, 21610, "unsubscribed")]),
        (SMS, [Refused(400, 21211, "not a number")]),
        (SMS, [Busy(40)]),
    ],
)
async def test_what_is_refused_or_must_wait_long_brings_the_next_way_at_once(
    asha: Woken, first: str, faults: Sequence[Fault]
) -> None:
    await asha.prefers(first)
    asha.provider.faults.extend(faults)
    made = await asha.pages(await asha.open())
    assert [(page.channel, page.early) for page in made] == [
        (first, False),
        (SMS if first == TELEGRAM else TELEGRAM, True),
    ]
    assert made[1].made_at == NINE


@pytest.mark.parametrize("first", [TELEGRAM, SMS])
@pytest.mark.parametrize("fault", [Busy(3), Broken(503), Cut()])
async def test_short_trouble_is_waited_for(asha: Woken, first: str, fault: Fault) -> None:
    await asha.prefers(first)
    asha.provider.faults.append(fault)
    opened = await asha.open()
    for _ in range(5):
        asha.clock.advance(timedelta(seconds=1))
        await asha.line.settle()
    assert [page.channel for page in await asha.pages(opened)] == [first]
    assert len(asha.provider.taken) == 1


@pytest.mark.parametrize("first", [TELEGRAM, SMS])
@pytest.mark.parametrize("fault", [Broken(500), Cut(), Garbage(taken=False)])
async def test_trouble_that_does_not_end_brings_the_next_way_within_half_a_minute(
    asha: Woken, first: str, fault: Fault
) -> None:
    await asha.prefers(first)
    asha.provider.faults.extend([fault] * 40)  # a try may be several calls
    took = await asha.until_the_second_way(await asha.open())
    assert took <= timedelta(seconds=30)


async def test_provider_that_never_answers_is_waited_for_once(asha: Woken, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it kept us counts, also where the next try would come soon."""
    monkeypatch.setattr(delivery, "SEND_TIMEOUT", 0.2)
    asha.provider.faults.extend([Hang()])
    await asha.prefers(TELEGRAM)
    opening = asyncio.create_task(asha.open())
    while not asha.provider.asked:
        await asyncio.sleep(0)
    asha.clock.advance(timedelta(seconds=20))  # as long as a call may really take
    opened = await opening
    made = await asha.pages(opened)
    assert [page.channel for page in made] == [TELEGRAM, SMS]
    assert made[1].early


async def test_sms_that_the_network_could_not_deliver_brings_the_next_way_at_once(asha: Woken) -> None:
    await asha.prefers(SMS)
    opened = await asha.open()
    [taken] = asha.provider.taken
    asha.clock.advance(timedelta(seconds=20))
    await asha.line.delivery.reported(DeliveryReport(Channel.SMS, taken.id, DeliveryState.FAILED, "30003"))
    made = await asha.pages(opened)
    assert [(page.channel, page.early) for page in made] == [(SMS, False), (TELEGRAM, True)]
