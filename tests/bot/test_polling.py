"""Long polling: nothing is acknowledged to Telegram before it is on disk, and nothing ends the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.channels.telegram import TelegramChannel
from helpline.messages import InboundMessage, TryLater
from tests.captured import TELEGRAM_SECRET, TELEGRAM_TOKEN, said, telegram_update
from tests.fakes import Broken, Busy, Cut, FakeProvider, Fault, Garbage


class Storage:
    """A store that refuses repeats, and fails for the texts it is told to."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.broken: set[str] = set()

    async def store(self, message: InboundMessage) -> None:
        if message.text in self.broken:
            raise OSError("the disk is full")
        self.texts.setdefault(message.provider_message_id, message.text)

    @property
    def stored(self) -> list[str]:
        return list(self.texts.values())


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as provider:
        yield provider


@pytest.fixture
async def channel(provider: FakeProvider) -> AsyncIterator[TelegramChannel]:
    channel = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, provider.url)
    yield channel
    await channel.close()


def updates(*texts: str, chat: str = "7700900111", first: int = 1) -> list[dict[str, Any]]:
    return [said(text, update_id=first + place, chat=chat) for place, text in enumerate(texts)]


async def test_only_what_is_stored_is_acknowledged(provider: FakeProvider, channel: TelegramChannel) -> None:
    storage = Storage()
    provider.updates = updates("én", "to", "tre")
    storage.broken = {"to"}
    with pytest.raises(OSError, match="full"):
        await channel.poll_into(storage.store, None, wait_seconds=0)
    assert len(provider.updates) == 3
    storage.broken = set()
    offset = await channel.poll_into(storage.store, None, wait_seconds=0)
    assert offset == 4
    assert storage.stored == ["én", "to", "tre"]
    assert await channel.poll_into(storage.store, offset, wait_seconds=0) == 4
    assert provider.updates == []


async def test_a_message_that_cannot_be_stored_holds_up_its_sender_and_nobody_else(
    provider: FakeProvider, channel: TelegramChannel
) -> None:
    storage = Storage()
    storage.broken = {"a1"}
    provider.updates = [*updates("a1", "a2"), *updates("b1", chat="7700900112", first=3)]
    with pytest.raises(OSError, match="full"):
        await channel.poll_into(storage.store, None, wait_seconds=0)
    assert storage.stored == ["b1"]  # and a2 does not overtake a1
    storage.broken = set()
    assert await channel.poll_into(storage.store, None, wait_seconds=0) == 4
    assert storage.stored == ["b1", "a1", "a2"]


async def test_an_update_nobody_can_read_holds_up_nothing(provider: FakeProvider, channel: TelegramChannel) -> None:
    storage = Storage()
    provider.updates = [
        *updates("én"),
        {"update_id": 2, "message": {"text": "uten chat"}},
        {"update_id": 3, "message": None},
        {"update_id": 4, "hologram": {}},
        telegram_update("channel_post", update_id=5),
        *updates("to", first=6),
    ]
    assert await channel.poll_into(storage.store, None, wait_seconds=0) == 7
    assert storage.stored == ["én", "to"]


@pytest.mark.parametrize(
    "fault", [Busy(wait=9), Broken(502), Cut(), Garbage(), Garbage(b'{"ok": true, "result": [1]}')]
)
async def test_an_unreachable_telegram_is_asked_again(
    provider: FakeProvider, channel: TelegramChannel, fault: Fault
) -> None:
    provider.faults.append(fault)
    with pytest.raises(TryLater) as caught:
        await channel.poll(None, wait_seconds=0)
    assert caught.value.retry_after == (9 if isinstance(fault, Busy) else None)


async def test_the_loop_outlives_every_trouble(provider: FakeProvider, channel: TelegramChannel) -> None:
    storage = Storage()
    provider.updates = updates("én", "to")
    provider.faults.extend([Busy(wait=9), Broken(500), Cut()])
    storage.broken = {"to"}
    waits: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            storage.broken = set()
        await asyncio.sleep(0)

    async def store(message: InboundMessage) -> None:
        await storage.store(message)
        if message.text == "to":
            done.set()

    troubles: list[Exception] = []
    loop = asyncio.create_task(channel.keep_polling(store, on_trouble=troubles.append, sleep=sleep, wait_seconds=0))
    await asyncio.wait_for(done.wait(), 60)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert waits == [9, 3, 3, 3, 3]
    assert [type(trouble) for trouble in troubles] == [OSError, OSError]
    assert storage.stored == ["én", "to"]
    methods = [method for method, _ in provider.asked]
    assert methods[0] == "deleteWebhook"  # a webhook left over from yesterday would refuse us


async def test_the_bot_learns_its_own_name(provider: FakeProvider, channel: TelegramChannel) -> None:
    provider.updates = [
        telegram_update("group_other_mention", update_id=1),
        telegram_update("group_mention", update_id=2),
    ]
    await channel.start_polling()
    assert [polled.message is not None for polled in await channel.poll(None, wait_seconds=0)] == [False, True]


async def test_the_webhook_is_set_with_its_secret(provider: FakeProvider, channel: TelegramChannel) -> None:
    await channel.start_webhook("https://varde.example/telegram")
    method, fields = provider.asked[0]
    assert method == "setWebhook"
    assert fields["secret_token"] == TELEGRAM_SECRET
    assert "drop_pending_updates" not in fields
