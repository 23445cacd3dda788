"""Our channel and the unmodified Telegram library against an emulator that somebody else wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels.base import Webhook
from bot.channels.telegram import TelegramChannel
from helpline.messages import Address, Channel, Choice, InboundKind, InboundMessage, OutboundMessage, Undeliverable
from tests.captured import TELEGRAM_CHAT, TELEGRAM_SECRET, TELEGRAM_TOKEN, said, tapped, telegram_update
from tests.fakes import an_attempt
from tests.simulators.peers import TelegramEmulator

TO = Address(Channel.TELEGRAM, TELEGRAM_CHAT)
CHOICES = (Choice("danger:1", "Ja", "1"), Choice("danger:0", "Nei", "2"), Choice("a", "Rådgiver", "0"))


@pytest.fixture
async def channel(telegram_emulator: TelegramEmulator) -> AsyncIterator[TelegramChannel]:
    channel = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, telegram_emulator.url)
    yield channel
    await channel.close()


async def test_polled_answered_and_acknowledged(telegram_emulator: TelegramEmulator, channel: TelegramChannel) -> None:
    await channel.start_polling()
    stored: list[InboundMessage] = []

    async def store(message: InboundMessage) -> None:
        stored.append(message)

    await telegram_emulator.says(said("er det fare på ferde?", update_id=1))
    offset = await channel.poll_into(store, None, wait_seconds=0)
    await channel.send(stored[0].sender, OutboundMessage("Er noen i fare nå?", CHOICES), an_attempt())
    await telegram_emulator.says(tapped("danger:1", update_id=2))
    offset = await channel.poll_into(store, offset, wait_seconds=0)
    assert [(message.kind, message.text, message.token) for message in stored] == [
        (InboundKind.TEXT, "er det fare på ferde?", ""),
        (InboundKind.TAP, "", "danger:1"),
    ]
    await channel.acknowledge(stored[1])
    await channel.poll_into(store, offset, wait_seconds=0)
    assert await telegram_emulator.waiting() == 0
    verdict = telegram_emulator.verdict("sendMessage", "answerCallbackQuery", "getUpdates", "deleteWebhook")
    assert verdict["ok"], verdict


async def test_a_crash_between_fetching_and_storing_loses_nothing(telegram_emulator: TelegramEmulator) -> None:
    for number, text in enumerate(("én", "to", "tre"), start=1):
        await telegram_emulator.says(said(text, update_id=number))
    stored: dict[str, str] = {}

    class Killed(BaseException):
        """The process ends here: nothing after it runs."""

    async def store(message: InboundMessage) -> None:
        if message.text == "to" and len(lives) == 1:
            raise Killed
        stored.setdefault(message.provider_message_id, message.text)

    lives = []
    for _ in range(2):
        life = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, telegram_emulator.url)
        lives.append(life)
        try:
            offset = await life.poll_into(store, None, wait_seconds=0)
        except Killed:
            assert list(stored.values()) == ["én"]
            assert await telegram_emulator.waiting() == 3
        finally:
            await life.close()
    assert list(stored.values()) == ["én", "to", "tre"]
    last = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, telegram_emulator.url)
    await last.poll(offset, wait_seconds=0)
    await last.close()
    assert await telegram_emulator.waiting() == 0


async def test_a_long_poll_wakes_when_something_is_said(
    telegram_emulator: TelegramEmulator, channel: TelegramChannel
) -> None:
    polling = asyncio.create_task(channel.poll(None, wait_seconds=20))
    await asyncio.sleep(0)
    await telegram_emulator.says(said("hei", update_id=1))
    [polled] = await asyncio.wait_for(polling, 60)
    assert polled.message is not None
    assert polled.message.text == "hei"


async def test_a_webhook_that_we_could_not_store_comes_again(
    telegram_emulator: TelegramEmulator, channel: TelegramChannel
) -> None:
    """Each request is verified by its secret; a 500 keeps the update with Telegram, which delivers it once more."""
    received: list[InboundMessage] = []
    answers = iter([200, 500, 200, 200])

    async def webhook(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        posted = Webhook(str(request.url), headers, await request.read())
        assert channel.verify(posted)
        parsed = channel.parse(posted)
        assert isinstance(parsed, InboundMessage)
        received.append(parsed)
        return web.Response(status=next(answers))

    app = web.Application()
    app.router.add_post("/telegram", webhook)
    async with TestServer(app) as server:
        await channel.start_webhook(str(server.make_url("/telegram")))
        await telegram_emulator.says(telegram_update("start"))
        await telegram_emulator.says(said("hun er redd", update_id=2))
        assert await telegram_emulator.waiting() == 1
        assert await telegram_emulator.delivers() == 1
        await telegram_emulator.says(tapped("a", update_id=3))
        for message in received:
            await channel.acknowledge(message)
    await channel.send(TO, OutboundMessage("Jeg finner en rådgiver.", CHOICES), an_attempt())
    assert [message.kind for message in received] == [
        InboundKind.START,
        InboundKind.TEXT,
        InboundKind.TEXT,
        InboundKind.TAP,
    ]
    assert received[1] == received[2]  # the same key: the second changes nothing
    assert await telegram_emulator.waiting() == 0
    verdict = telegram_emulator.verdict(
        "setWebhook", "sendMessage", "answerCallbackQuery", "webhook", refused=["webhook:500"]
    )
    assert verdict["ok"], verdict


async def test_every_part_of_a_long_answer_is_taken(
    telegram_emulator: TelegramEmulator, channel: TelegramChannel
) -> None:
    text = "Snakk med pasienten alene 🙏🏽. Bruk tolk.\n\n" * 400 + " https://varde.example/kilde"
    parts = channel.fit(OutboundMessage(text, CHOICES))
    assert len(parts) > 3
    ids = {(await channel.send(TO, part, an_attempt())).provider_message_id for part in parts}
    assert len(ids) == len(parts)
    assert [("reply_markup" in call["fields"]) for call in telegram_emulator.calls("sendMessage")] == [
        *[False] * (len(parts) - 1),
        True,
    ]
    assert telegram_emulator.verdict("sendMessage")["ok"]


@pytest.mark.parametrize(
    "message",
    [
        OutboundMessage("a" * 4097),
        OutboundMessage(""),
        OutboundMessage("hei", (Choice("a", ""),)),
    ],
)
async def test_what_telegram_refuses_is_undeliverable(
    telegram_emulator: TelegramEmulator, channel: TelegramChannel, message: OutboundMessage
) -> None:
    with pytest.raises(Undeliverable):
        await channel.send(TO, message, an_attempt())
    assert telegram_emulator.calls("sendMessage")[0]["status"] == 400


async def test_the_longest_choice_is_taken_and_none_longer_is_sent(
    telegram_emulator: TelegramEmulator, channel: TelegramChannel
) -> None:
    await channel.send(TO, OutboundMessage("hei", (Choice("x" * 61, "Ja"),)), an_attempt())
    with pytest.raises(Undeliverable):
        await channel.send(TO, OutboundMessage("hei", (Choice("x" * 62, "Ja"),)), an_attempt())
    assert [call["status"] for call in telegram_emulator.calls("sendMessage")] == [200]
