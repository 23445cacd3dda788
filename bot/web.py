"""The provider's doors and the operator's: webhooks, health, metrics.

A webhook is answered with yes only after the message is on disk. Where storage cannot take it, the provider hears 503
and
comes again; a repeat of what is there already changes nothing and hears yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot.channels.base import BadPayload, ChannelAdapter, Webhook
from bot.channels.twilio import read_form, read_status
from bot.delivery import Delivery
from bot.house import House
from bot.inbox import take_in
from helpline import outbox
from helpline.messages import Channel, DeliveryReport, InboundMessage
from helpline.storage import StorageError
from helpline.web import KILOBYTE, Access, Refused, Route

log = structlog.get_logger(__name__)

_TWIML = "<?xml version='1.0' encoding='UTF-8'?><Response></Response>"


class CallReports(Protocol):
    """Who takes what Twilio tells of phone calls, at the door where it tells of everything."""

    async def status(self, fields: Mapping[str, str], query: Mapping[str, str]) -> None: ...


class ProviderDoors:
    """What providers post to."""

    def __init__(self, house: House, delivery: Delivery, calls: CallReports) -> None:
        self._house = house
        self._delivery = delivery
        self._calls = calls
        self._acknowledging: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """The addresses that providers know; each verifies its signature before it reads anything."""
        limit = 256 * KILOBYTE
        return [
            Route("POST", "/telegram", self.telegram, Access.PROVIDER, limit),
            Route("POST", "/twilio/message", self.twilio_message, Access.PROVIDER, limit),
            Route("POST", "/twilio/status", self.twilio_status, Access.PROVIDER, limit),
            Route("GET", "/healthz", self.alive, Access.PUBLIC),
            Route("GET", "/readyz", self.ready, Access.PUBLIC),
            Route("GET", "/metrics", self.metrics, Access.PUBLIC),
        ]

    async def telegram(self, request: web.Request) -> web.StreamResponse:
        await self._take(request, Channel.TELEGRAM)
        return web.Response()

    async def twilio_message(self, request: web.Request) -> web.StreamResponse:
        await self._take(request, Channel.SMS, Channel.WHATSAPP)
        return web.Response(text=_TWIML, content_type="text/xml")

    async def twilio_status(self, request: web.Request) -> web.StreamResponse:
        posted = await self._verified(request, self._adapter(Channel.SMS, Channel.WHATSAPP, Channel.CALL))
        try:
            fields = read_form(posted)
            if "CallStatus" in fields:
                await self._calls.status(fields, request.query)
                return web.Response(status=204)
            report = read_status(fields)
        except BadPayload as error:
            raise Refused(400, "error.bad_request") from error
        if report is not None:
            await self._stored(self._delivery.reported(report))
        return web.Response(status=204)

    def _adapter(self, *channels: Channel) -> ChannelAdapter:
        """The first of these that is on: SMS and WhatsApp come through one account and one door."""
        for channel in channels:
            if channel in self._house.channels:
                return self._house.channels[channel]
        raise Refused(404, "error.not_found")  # switched off looks like not there

    async def _verified(self, request: web.Request, adapter: ChannelAdapter) -> Webhook:
        posted = Webhook(
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        if not adapter.verify(posted):
            log.warning("signature_refused", channel=adapter.channel.value)
            raise Refused(403, "error.not_found")
        return posted

    async def _take(self, request: web.Request, *channels: Channel) -> None:
        adapter = self._adapter(*channels)
        posted = await self._verified(request, adapter)
        try:
            parsed = adapter.parse(posted)
        except BadPayload as error:
            log.warning("payload_refused", channel=adapter.channel.value)
            raise Refused(400, "error.bad_request") from error
        match parsed:
            case None:
                return
            case DeliveryReport():
                await self._stored(self._delivery.reported(parsed))
            case InboundMessage():
                await self._stored(take_in(self._house, parsed))
                self._acknowledge(adapter, parsed)

    async def _stored(self, work: Awaitable[object]) -> None:
        try:
            await work
        except StorageError as error:
            log.error("storage_refused", error_type=type(error).__name__)
            raise Refused(503, "error.busy_storage", headers={"Retry-After": "5"}) from error

    def _acknowledge(self, adapter: ChannelAdapter, message: InboundMessage) -> None:
        """Stop the tapped button's spinner; nobody waits for it, and nothing is lost if it fails."""
        if not message.callback_id:
            return

        async def acknowledge() -> None:
            try:
                async with asyncio.timeout(5):
                    await adapter.acknowledge(message)
            except Exception as error:
                log.info("acknowledge_failed", error_type=type(error).__name__)

        task = asyncio.create_task(acknowledge())
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def alive(self, request: web.Request) -> web.StreamResponse:
        """The process answers."""
        return web.json_response({"alive": True})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        """A message could be taken in now."""
        health = await self._house.db.health()
        problems = list(health.problems)
        return web.json_response({"ready": not problems, "problems": problems}, status=503 if problems else 200)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Figures in Prometheus' text format."""
        async with self._house.db.read() as conn:
            backlog = await outbox.backlog(conn)
        self._house.counts.waiting.set(backlog.waiting)
        body = generate_latest(self._house.counts.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
