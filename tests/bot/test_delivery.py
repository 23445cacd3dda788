"""Sending: one message that hangs, cannot be opened, or trips over a fault of ours keeps no other from going out."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from bot import delivery
from bot.app import Line
from bot.house import House
from helpline import outbox
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, OutboundMessage, SendAttempt, Sent
from helpline.outbox import OutboundKind, OutboundState
from tests.bot.conftest import local_settings
from tests.fakes import FakeChannel

SUBJECT = "conversation:of-a-test"


@dataclass
class Hanging(FakeChannel):
    """A provider that does not answer for one address until it is let go."""

    hangs_for: str = ""
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        if to.value == self.hangs_for:
            await self.let_go.wait()
        return await super().send(to, message, attempt)


@dataclass
class Stage:
    line: Line
    telegram: Hanging

    async def enqueue(self, to: str, number: int = 0, *, channel: Channel = Channel.TELEGRAM) -> str:
        house = self.line.house
        async with house.db.write() as conn:
            await outbox.enqueue(
                conn,
                house.vault,
                key=f"test:{to}:{number}",
                lane=f"lane:{to}:{number}",
                kind=OutboundKind.NOTICE,
                subject=SUBJECT,
                to=Address(channel, to),
                message=OutboundMessage(f"hei {to}"),
                now=house.clock.now(),
            )
        return f"test:{to}:{number}"

    async def state(self, key: str) -> OutboundState:
        async with self.line.house.db.read() as conn:
            found = await outbox.find(conn, key)
        assert found is not None
        return found.state

    async def tick(self) -> int:
        return await self.line.delivery.tick(self.line.house.clock.now())

    async def rest(self) -> int:
        return await self.line.delivery.rest()


@pytest.fixture
async def stage(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[Stage]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    telegram = Hanging(Channel.TELEGRAM, can_be_asked=False)
    db = Database.connect(settings.database_url.reveal())
    channels = {**house.channels, Channel.TELEGRAM: telegram, Channel.SMS: FakeChannel(Channel.SMS)}
    line = Line(replace(house, settings=settings, clock=clock, db=db, channels=channels))
    yield Stage(line, telegram)
    await line.delivery.stop()
    await db.dispose()


async def test_a_provider_that_hangs_keeps_nobody_else_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 0.01)
    stage.telegram.hangs_for = "1001"
    hung = await stage.enqueue("1001")
    async with asyncio.timeout(60):
        assert await stage.tick()
        await stage.enqueue("1002")
        assert await stage.tick()
        while await stage.rest() > 1:
            pass
        assert stage.telegram.texts_to("1002") == ["hei 1002"]
        assert await stage.rest(), "something is under way still"
        stage.telegram.let_go.set()
        while await stage.rest():
            pass
    assert await stage.state(hung) is OutboundState.SENT


async def test_a_provider_that_hangs_takes_no_room_from_another(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 0.01)
    monkeypatch.setattr(delivery, "TOGETHER", 4)
    stage.telegram.hangs_for = "1001"
    for number in range(12):
        await stage.enqueue("1001", number)
    async with asyncio.timeout(60):
        while await stage.tick():
            pass
        assert await stage.rest() == 4, "no more of them are called at once than the channel has room for"
        other = await stage.enqueue("+4790000001", channel=Channel.SMS)
        assert await stage.tick() == 1
        while await stage.rest() > 4:
            pass
        assert await stage.state(other) is OutboundState.SENT
        stage.telegram.let_go.set()
        await stage.line.settle()
    assert stage.telegram.texts_to("1001") == ["hei 1001"] * 12


async def test_one_that_cannot_be_opened_is_given_up_and_the_others_go(stage: Stage) -> None:
    spoiled, whole = await stage.enqueue("1001"), await stage.enqueue("1002")
    async with stage.line.house.db.write() as conn:
        table = outbox._outbound
        sealed = (await conn.execute(table.select().where(table.c.key == spoiled))).one().sealed_body
        broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
        await conn.execute(update(table).where(table.c.key == spoiled).values(sealed_body=broken))
    await stage.line.settle()
    assert await stage.state(whole) is OutboundState.SENT
    assert await stage.state(spoiled) is OutboundState.GIVEN_UP


async def test_a_fault_of_ours_after_sending_does_not_send_it_again(
    stage: Stage, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(stage.line.room, "sent", fails)
    key = await stage.enqueue("1001")
    await stage.line.settle()
    clock.advance(timedelta(minutes=5))
    await stage.line.settle()
    assert await stage.state(key) is OutboundState.SENT
    assert stage.telegram.texts_to("1001") == ["hei 1001"]


async def test_a_message_in_doubt_is_sent_again_where_nobody_can_be_asked(
    stage: Stage, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as dying:
        dying.setattr(stage.line.delivery, "_note", dies)
        key = await stage.enqueue("1001")
        await stage.tick()
        await stage.rest()
    assert await stage.state(key) is OutboundState.SENDING
    clock.advance(delivery.LEASE + timedelta(seconds=1))
    await stage.line.settle()
    assert await stage.state(key) is OutboundState.SENT
    assert [given.attempt.repeated for given in stage.telegram.taken] == [False, True]
