"""Load on the loopback, made as cheaply as Python can, so that what is measured is the line and not this.

`Caller` posts webhooks over one connection; `Provider` is Twilio's and Telegram's side, which takes everything at once.
Both speak just enough HTTP/1.1 and live in the benchmark's own process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote_plus

from tests import captured


@dataclass(frozen=True)
class Sample:
    """Durations in seconds, to be told in milliseconds."""

    seconds: Sequence[float]

    def at(self, percent: float) -> float:
        """The percentile in milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000 if ordered else float("nan")


class Caller(asyncio.Protocol):
    """One connection that posts and waits for each answer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def at(cls, port: int) -> Self:
        _, caller = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())

    async def call(self, request: bytes) -> int:
        """Post, and give back the status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


Taken = Callable[[str, str], None]  # to whom, and the text


class Provider:
    """Takes messages on a port of its own."""

    def __init__(self) -> None:
        self.taken: Taken = lambda to, text: None
        self.count = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Taking(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: bytes, body: bytes) -> bytes:
        """What it says to one call."""
        if b"Messages.json" not in path and b"sendMessage" not in path:
            return b'{"ok": true, "result": {"id": 7700900999, "is_bot": true, "first_name": "Varde"}}'
        self.count += 1
        fields = dict(part.partition("=")[::2] for part in body.decode().split("&"))
        self.taken(unquote_plus(fields.get("To") or fields.get("chat_id", "")), fields.get("Body") or fields["text"])
        if b"sendMessage" in path:
            chat = fields["chat_id"]
            return (
                b'{"ok": true, "result": {"message_id": %d, "date": 1795338000, "text": "x", '
                b'"chat": {"id": %s, "type": "private"}}}' % (self.count, chat.encode())
            )
        return b'{"sid": "SM%032x", "status": "queued"}' % self.count


class _Taking(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = _length(head)
        if not found or len(body) < length:
            return
        self._buffer = body[length:]
        path = head.split(b" ", 2)[1]
        answer = self._provider.answer(path, body[:length])
        status = b"201 Created" if b"Messages.json" in path else b"200 OK"
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(answer), answer)
        )


def http(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request, as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: varde.example", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sms(number: str, text: str, message: int) -> bytes:
    """A signed webhook of Twilio's."""
    sid = f"SM{message:032x}"
    fields = captured.twilio_fields("sms", From=number, Body=text, MessageSid=sid, SmsSid=sid, SmsMessageSid=sid)
    webhook = captured.twilio_webhook(fields)
    return http("/twilio/message", dict(webhook.headers), webhook.body)


def telegram(chat: int, text: str, number: int) -> bytes:
    """A webhook of Telegram's."""
    webhook = captured.telegram_webhook(captured.said(text, update_id=number, chat=str(chat)))
    return http("/telegram", dict(webhook.headers), webhook.body)


@dataclass
class Load:
    """What came of posting for a while."""

    seconds: float
    acknowledged: list[float] = field(default_factory=list)
    replied: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.acknowledged) / self.seconds

    @property
    def replies_per_second(self) -> float:
        return len(self.replied) / self.seconds


async def acknowledged(port: int, requests: Sequence[bytes], *, seconds: float, together: int) -> Load:
    """Post as fast as is acknowledged, over so many connections."""
    load, left = Load(seconds), iter(requests)
    ends = time.perf_counter() + seconds

    async def keep_posting() -> None:
        caller = await Caller.at(port)
        for request in left:
            began = time.perf_counter()
            if began >= ends:
                break
            assert await caller.call(request) == 200
            load.acknowledged.append(time.perf_counter() - began)
        caller.close()

    began = time.perf_counter()
    await asyncio.gather(*(keep_posting() for _ in range(together)))
    load.seconds = time.perf_counter() - began
    return load
