"""The one place where everything is wired together. Building starts nothing; the application's own start does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from bot import auditing, held_store, reaching, reminders, shelving, store
from bot.api import store as api_answers
from bot.api.door import PREFIX as API
from bot.api.front import Api
from bot.asking import masker_for
from bot.channels.base import ChannelAdapter
from bot.channels.local import LocalChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.channels.voice import TwilioCalls
from bot.commands import Commands
from bot.confirm_reminders import ConfirmReminders
from bot.confirming import ConfirmPages
from bot.conversation import Conversations
from bot.counts import Counts
from bot.delivery import Delivery
from bot.desk.front import Desk
from bot.follow_up import FollowUp
from bot.gaps import GapKeeper
from bot.house import House
from bot.hsds import BASE as HSDS
from bot.hsds import HsdsPages
from bot.inbox import take_in
from bot.library import TOPIC as LIBRARY
from bot.library import Library
from bot.loops import Loop, Worker
from bot.provider_list import ProviderList
from bot.reminders import Reminders
from bot.render import Pages, error_page
from bot.voice import store as calls
from bot.voice.front import Voice
from bot.voice.ledger import Ledger
from bot.waiting_room import WaitingRoom
from bot.web import ProviderDoors
from bot.webchat import Chat
from escalation import follow_ups
from escalation import store as escalations
from escalation.reach import store as reach_store
from escalation.reach import trials as reach_tests
from escalation.rota import watch as rota_watch
from helpline import audit, outbox
from helpline.clock import Clock
from helpline.content import content_folder
from helpline.database import Database
from helpline.live import Streams
from helpline.messages import Channel, Country, DeliveryError, InboundMessage, Language
from helpline.phrases import Phrases
from helpline.settings import Settings, TelegramMode
from helpline.static_files import StaticFiles
from helpline.vault import Vault
from helpline.web import Access, WebKit
from knowledge import gate_runs, gatekeeper
from knowledge.gatekeeper import Gatekeeper
from routing.referrals import store as referral_store

log = structlog.get_logger(__name__)

_HERE = Path(__file__).resolve().parent
_PATIENCE = 3.0  # seconds that a stop waits for a tick under way

Say = Callable[[str], None]


class Role(StrEnum):
    """Which part of the work a process does."""

    ALL = "all"
    WEB = "web"  # takes in and shows
    WORKER = "worker"  # answers, delivers, watches


def channels_of(settings: Settings) -> dict[Channel, ChannelAdapter]:
    """The channels that the settings switch on."""
    channels: dict[Channel, ChannelAdapter] = {
        Channel.WEB: LocalChannel(Channel.WEB),
        Channel.TERMINAL: LocalChannel(Channel.TERMINAL),
    }
    telegram, twilio = settings.telegram, settings.twilio
    if telegram is not None:
        secret = telegram.secret.reveal() if telegram.secret is not None else ""
        channels[Channel.TELEGRAM] = TelegramChannel(telegram.token.reveal(), secret, telegram.api_url)
    if twilio is not None:
        account = TwilioAccount(
            twilio.account_sid,
            twilio.auth_token.reveal(),
            public_url=settings.public_url or "",
            api_url=twilio.api_url,
        )
        if twilio.number is not None:
            channels[Channel.SMS] = TwilioChannel(Channel.SMS, account, twilio.number)
            channels[Channel.CALL] = TwilioCalls(account, twilio.number)
        if twilio.whatsapp_number is not None:
            channels[Channel.WHATSAPP] = TwilioChannel(Channel.WHATSAPP, account, twilio.whatsapp_number)
    return channels


def build_house(
    settings: Settings, *, clock: Clock, channels: Mapping[Channel, ChannelAdapter], content: Path | None = None
) -> House:
    """What every part is given. Reads the content that is not kept in storage, and refuses it where it is wrong."""
    folder = content or content_folder()
    kept = settings.data_dir
    library = Library(folder, danger_file=kept / "danger.index" if kept.is_dir() else None)
    return House(
        settings=settings,
        clock=clock,
        db=Database.connect(settings.database_url.reveal()),
        vault=Vault(settings.master_key),
        phrases=Phrases.load(folder / "phrases"),
        commands=Commands.load(folder / "commands.yaml"),
        masker=masker_for(folder, library.directory),
        library=library,
        channels=channels,
        counts=Counts(),
        content=folder,
    )


class Line:
    """The whole line, wired: what a process runs, and what a test drives by hand."""

    def __init__(self, house: House, *, role: Role = Role.ALL) -> None:
        self.house = house
        self.role = role
        self.room = WaitingRoom(house)
        self.delivery = Delivery(house, self.room, Ledger(house.counts))
        self.conversations = Conversations(house, self.room)
        self.gaps = GapKeeper(house)
        self.reminders = Reminders(house)
        self.confirm_reminders = ConfirmReminders(house)
        self.auditing = auditing.Auditing(house, self.room.means)
        self.pages = Pages(house.phrases, StaticFiles(_HERE / "static"))
        self.chat = Chat(house, self.pages)
        self.providers = ProviderList(house, self.pages)
        self.desk = Desk(house, self.room, self.pages)
        self.confirming = ConfirmPages(house, self.pages)
        self.api = Api(house)
        self.hsds = HsdsPages(house)
        self.voice = Voice(house, self.room, self.delivery)
        self.doors = ProviderDoors(house, self.delivery, self.voice.door)
        index_file = house.settings.data_dir / "shelves.index"
        self._prepared = False
        self._index_file = index_file if house.settings.data_dir.is_dir() else None
        self.gatekeeper = Gatekeeper(house.db, house.content, house.clock.now, self._index_file)
        self.work: tuple[Loop, ...] = (
            Loop("answer", store.WORK, self.conversations.tick, store.next_due),
            Loop("deliver", outbox.TOPIC, self.delivery.tick, outbox.next_due),
            Loop("watch", escalations.TOPIC, self.room.tick, escalations.next_due),
            Loop("outcomes", referral_store.TOPIC, FollowUp(house, self.room).tick, referral_store.next_due),
            Loop("held", held_store.TOPIC, partial(reaching.tick, house), held_store.next_due),
            *self.voice.loops(),
        )

    @property
    def streams(self) -> tuple[Streams, ...]:
        """Every live page."""
        return (self.chat.streams, self.desk.streams)

    def application(self) -> web.Application:
        """The web application. Starting it prepares storage and starts the work; ending it ends both."""
        kit = WebKit(
            phrases=self.house.phrases,
            default_language=Language.SV if self.house.country is Country.SE else Language.NB,
            guards={Access.STAFF: self.desk.sessions.guard, Access.TOKEN: self.api.door.guard},
            error_page=error_page(self.pages),
            error_shapes={API: self.api.door.error, HSDS: self.hsds.error},
            secure=(self.house.settings.public_url or "").startswith("https:"),
        )
        routes = [*self.doors.routes(), *self.voice.routes()]
        if self.role is not Role.WORKER:
            routes += [
                *self.pages.static.routes(),
                *self.chat.routes(),
                *self.providers.routes(),
                *self.desk.routes(),
                *self.api.routes(),
                *self.confirming.routes(),
            ]
            routes += self.hsds.routes()
        app = kit.build(routes)
        app.cleanup_ctx.append(self._running)
        app.on_shutdown.append(self._end_streams)
        return app

    async def _end_streams(self, app: web.Application) -> None:
        for streams in self.streams:
            streams.close_all()

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        await self.prepare()
        async with self.working():
            yield
        await self.close()

    async def prepare(self, say: Say = lambda sentence: None) -> None:
        """Bring storage up to date, put what ships onto the shelves, and load what is published; once."""
        if self._prepared:
            return
        house = self.house
        say("Preparing the database")
        await house.db.migrate()
        async with house.db.write() as conn:
            await house.vault.check(conn)
            newest = await audit.newest_instant(conn)
        house.clock.not_before(newest)
        say("Loading the shipped content")
        await shelving.put_on_shelves(house, house.clock.now())
        say("Making the shelves searchable")
        await house.library.refresh(house.db, index_file=self._index_file, now=house.clock.now())
        self._prepared = True

    @contextlib.asynccontextmanager
    async def working(self, *, listening: bool = True) -> AsyncIterator[None]:
        """Do the work of this process's role while the block lasts; without `listening` Telegram is left to others."""
        running = [Loop("library", LIBRARY, self.house.library.refresher(self.house.db, index_file=self._index_file))]
        if self.role is not Role.WEB:
            running += [*self.work, Loop("tidy", "tidy", self._tidy, longest_sleep=timedelta(hours=1))]
            running.append(Loop("drafts", gate_runs.TOPIC, self.gatekeeper.tick, gatekeeper.next_due))
            running.append(Loop("reminders", LIBRARY, self.reminders.tick, longest_sleep=reminders.EVERY))
            confirm = self.confirm_reminders.tick
            running.append(Loop("confirming", LIBRARY, confirm, longest_sleep=reminders.EVERY))
            running.append(Loop("follow_ups", "follow_ups", self.room.remind, longest_sleep=follow_ups.EVERY))
            running.append(Loop("gaps", LIBRARY, self.gaps.tick, longest_sleep=timedelta(seconds=30)))
            rota = partial(rota_watch.tick, self.house.db, self.room.means)
            running.append(Loop("rota", escalations.ROTA_TOPIC, rota, longest_sleep=rota_watch.EVERY))
            running.append(
                Loop("reach", reach_store.TOPIC, self.room.rehearse, reach_tests.next_due, timedelta(minutes=1))
            )
            running.append(Loop("audit", auditing.TOPIC, self.auditing.tick, self.auditing.next_due, auditing.EVERY))
            running.append(Loop("sweep", "sweep", self.conversations.sweep, longest_sleep=timedelta(minutes=1)))
        workers = [Worker(self.house, loop) for loop in running]
        tasks: list[asyncio.Task[None]] = []
        polled = self._polled_telegram() if listening else None
        if polled is not None:
            tasks.append(asyncio.create_task(polled.keep_polling(self._take_polled), name="polling"))
        if listening:
            tasks.append(asyncio.create_task(self._register_webhook(), name="webhook"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *(worker.stop(_PATIENCE) for worker in workers), return_exceptions=True)
            await self.delivery.stop()

    def _polled_telegram(self) -> TelegramChannel | None:
        settings, telegram = self.house.settings.telegram, self.house.channels.get(Channel.TELEGRAM)
        wanted = settings is not None and settings.mode is TelegramMode.POLLING and self.role is not Role.WEB
        return telegram if wanted and isinstance(telegram, TelegramChannel) else None

    async def _take_polled(self, message: InboundMessage) -> None:
        await take_in(self.house, message)
        await self.house.channels[message.channel].acknowledge(message)

    async def _register_webhook(self) -> None:
        """Tell Telegram where we are, until it has heard: a line that Telegram does not know is deaf."""
        settings, telegram = self.house.settings, self.house.channels.get(Channel.TELEGRAM)
        wanted = settings.telegram is not None and settings.telegram.mode is TelegramMode.WEBHOOK
        if not wanted or self.role is Role.WORKER or not isinstance(telegram, TelegramChannel):
            return
        pause = 1.0
        while settings.public_url:
            try:
                await telegram.start_webhook(f"{settings.public_url.rstrip('/')}/telegram")
                return
            except DeliveryError:
                log.error("webhook_not_registered", seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60)

    async def _tidy(self, now: object) -> int:
        current = self.house.clock.now()
        async with self.house.db.write() as conn:
            await api_answers.delete_older(conn, now=current)
            await calls.delete_older(conn, before=current - shelving.ROWS_KEPT)
        return await shelving.tidy(self.house, current)

    async def settle(self) -> None:
        """Do everything that is due now, until nothing is: what the loops do, in one go."""
        for _ in range(200):
            now = self.house.clock.now()
            done = 0
            for loop in self.work:
                done += await loop.tick(now) + await self.delivery.rest()
            if not done:
                return
        raise RuntimeError("the work does not come to an end")

    async def close(self) -> None:
        """Let go of connections."""
        for adapter in self.house.channels.values():
            await adapter.close()
        await self.house.db.dispose()


def build_app(
    settings: Settings,
    *,
    clock: Clock,
    channels: Mapping[Channel, ChannelAdapter] | None = None,
    role: Role = Role.ALL,
    content: Path | None = None,
) -> Line:
    """Wire everything together; nothing is opened, sent or started before the line is."""
    house = build_house(
        settings, clock=clock, channels=channels if channels is not None else channels_of(settings), content=content
    )
    return Line(house, role=role)
