"""Stand-ins for the world outside, scripted by the test.

`FakeProvider` is Telegram and Twilio in one web server on a free port: the real channels talk to it through their own
libraries. It keeps what it took, and does what it was told to do wrong, in order:

    async with FakeProvider() as provider:
        provider.faults.append(Busy(wait=2))
        provider.faults.append(Cut(taken=True))

`FakeChannel` is a channel without a network, in the shape of the real ones, for tests of what lies behind the channels.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from types import TracebackType
from typing import Any, Self, assert_never

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels.base import BadPayload, Webhook, in_parts
from helpline.messages import (
    Address,
    Channel,
    DeliveryReport,
    DeliveryState,
    InboundKind,
    InboundMessage,
    OutboundMessage,
    SendAttempt,
    Sent,
)

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

# --- what can go wrong at a provider --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Busy:
    """Too much at once: 429, with the wait where one is named."""

    wait: float | None = None
    as_date: bool = False  # the wait is a date, as HTTP allows


@dataclass(frozen=True)
class Broken:
    """An answer that says the provider is broken, or that somebody in between is."""

    status: int = 500
    taken: bool = False  # the message was taken all the same
    wait: float | None = None


@dataclass(frozen=True)
class Refused:
    """The provider refuses: Twilio by a code of its own, Telegram by a description."""

    status: int = 400
    code: int = 21211
    description: str = "Bad Request: chat not found"


@dataclass(frozen=True)
class Hang:
    """No answer, ever."""

    taken: bool = False


@dataclass(frozen=True)
class Slow:
    """The right answer, after a while."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection breaks; with `taken`, only after the message was."""

    taken: bool = False


@dataclass(frozen=True)
class Garbage:
    """Yes, but in words nobody can read."""

    body: bytes = b"<html>It works!</html>"
    status: int = 200
    taken: bool = True


Fault = Busy | Broken | Refused | Hang | Slow | Cut | Garbage


# --- Telegram and Twilio --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taken:
    """A message that the provider took."""

    id: str
    channel: Channel
    to: str
    text: str
    fields: Mapping[str, Any]

    @property
    def buttons(self) -> list[tuple[str, str]]:
        """Telegram's buttons: label and data."""
        markup = json.loads(self.fields.get("reply_markup") or "{}")
        return [
            (button["text"], button["callback_data"]) for row in markup.get("inline_keyboard", []) for button in row
        ]


class FakeProvider:
    """Telegram's and Twilio's sides of the wire."""

    def __init__(self, *, now: datetime = NINE) -> None:
        self.now = now  # what the provider's clock says
        self.taken: list[Taken] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []  # every call: method or path, and its fields
        self.faults: deque[Fault] = deque()  # each is for one call that sends or looks up
        self.updates: list[dict[str, Any]] = []  # what Telegram has for us
        self.acknowledged: list[str] = []  # taps
        self.struck: list[tuple[str, str, bool]] = []  # chat, message, and whether it keeps buttons
        self.twilio_state = "queued"  # of messages that are listed
        self.opening = ""  # what Twilio puts before a trial account's words
        self._numbers = count(1)
        self._let_go = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._telegram)
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self._twilio_create)
        app.router.add_get("/2010-04-01/Accounts/{account}/Messages.json", self._twilio_list)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server(access_log=None)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._let_go.set()
        await self._server.close()

    @property
    def url(self) -> str:
        """What the channels get as their `api_url`."""
        return str(self._server.make_url("")).rstrip("/")

    # --- Telegram ---

    async def _telegram(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((method, fields))
        match method:
            case "sendMessage":
                return await self._answer(request, lambda: self._telegram_take(fields), _telegram_refusal)
            case "getUpdates":
                offset = int(fields.get("offset", 0))
                self.updates = [update for update in self.updates if update["update_id"] >= offset]
                return await self._answer(request, lambda: {"ok": True, "result": self.updates}, _telegram_refusal)
            case "editMessageReplyMarkup":
                self.struck.append((fields["chat_id"], fields["message_id"], "reply_markup" in fields))
                return await self._answer(request, lambda: {"ok": True, "result": True}, _telegram_refusal)
            case "answerCallbackQuery":
                self.acknowledged.append(fields["callback_query_id"])
                return await self._answer(request, lambda: {"ok": True, "result": True}, _telegram_refusal)
            case "getMe":
                me = {"id": 7700900999, "is_bot": True, "first_name": "Varde", "username": "VardeProveBot"}
                return web.json_response({"ok": True, "result": me})
            case "setWebhook" | "deleteWebhook":
                return web.json_response({"ok": True, "result": True})
            case _:
                return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)

    def _telegram_take(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        self.taken.append(Taken(str(number), Channel.TELEGRAM, fields["chat_id"], fields["text"], fields))
        return {
            "ok": True,
            "result": {
                "message_id": number,
                "date": int(self.now.timestamp()),
                "chat": {"id": int(fields["chat_id"]), "type": "private"},
                "text": fields["text"],
            },
        }

    # --- Twilio ---

    async def _twilio_create(self, request: web.Request) -> web.StreamResponse:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(("POST Messages", fields))
        return await self._answer(request, lambda: self._twilio_take(fields), _twilio_refusal, created=201)

    def _twilio_take(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        sid = f"SM{next(self._numbers):032x}"
        channel = Channel.WHATSAPP if fields["To"].startswith("whatsapp:") else Channel.SMS
        taken = Taken(sid, channel, fields["To"], fields["Body"], {**fields, "at": self.now})
        self.taken.append(taken)
        return self._twilio_message(taken)

    async def _twilio_list(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.asked.append(("GET Messages", query))
        found = [
            self._twilio_message(taken)
            for taken in reversed(self.taken)
            if query.get("To") in {None, taken.to} and query.get("From") in {None, taken.fields.get("From")}
        ]
        if any(name.startswith("DateSent") for name in query) and self.twilio_state == "queued":
            found = []  # what still waits has no day of sending
        page = {"messages": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": str(request.rel_url)}
        return await self._answer(request, lambda: page, _twilio_refusal)

    def _twilio_message(self, taken: Taken) -> dict[str, Any]:
        at = format_datetime(taken.fields["at"].replace(microsecond=0))
        return {
            "sid": taken.id,
            "to": taken.to,
            "from": taken.fields.get("From"),
            "body": self.opening + taken.text,
            "status": self.twilio_state,
            "direction": "outbound-api",
            "date_created": at,
            "date_sent": None if self.twilio_state == "queued" else at,
            "date_updated": at,
        }

    # --- what goes wrong ---

    async def _answer(self, request: web.Request, take: Any, refusal: Any, *, created: int = 200) -> web.StreamResponse:
        fault = self.faults.popleft() if self.faults else None
        match fault:
            case None:
                return web.json_response(take(), status=created)
            case Slow(seconds):
                await asyncio.sleep(seconds)
                return web.json_response(take(), status=created)
            case Busy(wait, as_date):
                body = refusal(429, 20429, "Too Many Requests")
                if wait is not None:
                    body["parameters"] = {"retry_after": wait}
                return web.json_response(body, status=429, headers=self._wait_header(wait, as_date))
            case Broken(status, taken, wait):
                if taken:
                    take()
                return web.Response(status=status, text="<h1>Bad gateway</h1>", headers=self._wait_header(wait, False))
            case Refused(status, code, description):
                return web.json_response(refusal(status, code, description), status=status)
            case Garbage(body, status, taken):
                if taken:
                    take()
                return web.Response(status=status, body=body, content_type="text/html")
            case Cut(taken):
                if taken:
                    take()
                return self._cut(request)
            case Hang(taken):
                if taken:
                    take()
                await self._let_go.wait()
                return self._cut(request)
            case _:
                assert_never(fault)

    def _wait_header(self, wait: float | None, as_date: bool) -> dict[str, str]:
        if wait is None:
            return {}
        if not as_date:
            return {"Retry-After": f"{wait:g}"}
        at = self.now.replace(microsecond=0)
        return {
            "Date": format_datetime(at, usegmt=True),
            "Retry-After": format_datetime(at + timedelta(seconds=wait), usegmt=True),
        }

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _telegram_refusal(status: int, code: int, description: str) -> dict[str, Any]:
    return {"ok": False, "error_code": status, "description": description}


def _twilio_refusal(status: int, code: int, description: str) -> dict[str, Any]:
    # Twilio's own texts quote the number, which is what the channel must not pass on.
    return {
        "code": code,
        "message": f"The 'To' number {_QUOTED} is not a valid phone number: {description}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


_QUOTED = "+46701740610"


# --- a channel without a network ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """Something that a fake channel was asked to send."""

    to: Address
    message: OutboundMessage
    attempt: SendAttempt
    at: int  # counting from 0, over all fake channels that share a `line`


@dataclass(frozen=True)
class TakenThen:
    """The message is taken, and then this goes wrong: what leaves a message in doubt."""

    error: Exception


@dataclass
class FakeChannel:
    """A channel in memory: what it was given, what it took, and what it was told to do wrong.

    `faults` are for one call of `send` each: an exception is raised instead of taking the message, `TakenThen` after it
    was taken, None is a success. `webhook(message)` gives the request that `parse` turns into this message again.
    """

    channel: Channel
    can_be_asked: bool = True
    limit: int = 4096
    faults: deque[Exception | TakenThen | None] = field(default_factory=deque)
    given: list[Given] = field(default_factory=list)
    taken: list[Given] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    closed: bool = False
    line: count[int] = field(default_factory=count)

    SECRET = "genuine"

    def verify(self, request: Webhook) -> bool:
        return request.headers.get("x-fake") == self.SECRET

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        try:
            data = json.loads(request.body)
            if data is None:
                return None
            if "state" in data:
                return DeliveryReport(self.channel, data["id"], DeliveryState(data["state"]), data["error_code"])
            return InboundMessage(
                self.channel,
                data["id"],
                Address(self.channel, data["from"]),
                InboundKind(data["kind"]),
                data["text"],
                data["token"],
                data["language"],
                data["callback_id"],
            )
        except (ValueError, KeyError, TypeError):
            raise BadPayload("this is not a fake message") from None

    def webhook(self, message: InboundMessage | DeliveryReport | None, *, path: str = "/fake") -> Webhook:
        """The request that means this message."""
        data: dict[str, str] | None
        match message:
            case None:
                data = None
            case DeliveryReport():
                data = {
                    "id": message.provider_message_id,
                    "state": message.state.value,
                    "error_code": message.error_code,
                }
            case InboundMessage():
                data = {
                    "id": message.provider_message_id,
                    "from": message.sender.value,
                    "kind": message.kind.value,
                    "text": message.text,
                    "token": message.token,
                    "language": message.language_hint,
                    "callback_id": message.callback_id,
                }
        headers = {"content-type": "application/json", "x-fake": self.SECRET}
        return Webhook(f"https://varde.example{path}", headers, json.dumps(data).encode())

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return in_parts(message, self.limit)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        given = Given(to, message, attempt, next(self.line))
        self.given.append(given)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        self.taken.append(given)
        if isinstance(fault, TakenThen):
            raise fault.error
        return Sent(self._id(given))

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        if not self.can_be_asked:
            return None
        for given in reversed(self.taken):
            if given.to == to and given.message == message and given.attempt.first_tried_at == attempt.first_tried_at:
                return Sent(self._id(given))
        return None

    def _id(self, given: Given) -> str:
        return f"{self.channel.value}-{given.at}"

    async def acknowledge(self, message: InboundMessage) -> None:
        self.acknowledged.append(message.callback_id)

    async def close(self) -> None:
        self.closed = True

    def texts_to(self, value: str) -> list[str]:
        """The texts that were taken for this address, in order."""
        return [given.message.text for given in self.taken if given.to.value == value]


def an_attempt(
    *, at: datetime = NINE, tag: str = "", repeated: bool = False, attempt_id: str = "attempt-1"
) -> SendAttempt:
    """A first try at nine o'clock."""
    return SendAttempt(attempt_id, tag, at, repeated)
