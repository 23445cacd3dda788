"""What is live on a page: server-sent events, with the browser's own way of coming back after a break.

A stream is a courtesy: the same page shows the same things when it is loaded anew. So a stream may end at any moment
(the reader opened another, the server stops, storage is in trouble), and the browser comes back with the id it saw
last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from helpline.bell import Watch

log = structlog.get_logger(__name__)

BEAT = 15.0  # seconds of silence after which a beat is sent, so that neither proxy nor page thinks the stream dead
_COME_BACK = 2000  # milliseconds until a browser tries again


class Stream:
    """One open stream to one page."""

    def __init__(self, response: web.StreamResponse, watch: Watch, beat: float) -> None:
        self.response = response
        self._watch = watch
        self._beat = beat
        self._closed = False

    async def send(self, event: str, data: str, *, event_id: str = "") -> None:
        """Hand one event to the page. Raises `ConnectionResetError` where the reader has gone."""
        lines = [f"id: {event_id}"] if event_id else []
        lines.append(f"event: {event}")
        # A bare carriage return ends a line too; one inside the data would cut the event in two.
        lines += [f"data: {line}" for line in data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        await self.response.write(("\n".join(lines) + "\n\n").encode())

    async def turns(self, *, silent_too: bool = False) -> AsyncIterator[None]:
        """At once, and then each time something may have changed, until the stream is closed.

        With `silent_too` also at every beat, for what changes merely because time passes.
        """
        yield
        while not self._closed:
            rung = await self._watch.wait(self._beat)
            if self._closed:
                return
            if not rung:
                await self.send("beat", "")
            if rung or silent_too:
                yield

    def close(self) -> None:
        """End the stream at its next turn, which is now."""
        self._closed = True
        self._watch.ring()


@dataclass
class Streams:
    """The open streams of this process, with a bound on how many there may be."""

    per_reader: int = 4
    in_all: int = 5000
    beat: float = BEAT
    _open: dict[str, deque[Stream]] = field(default_factory=dict, repr=False)
    _count: int = 0

    @asynccontextmanager
    async def open(self, request: web.Request, reader: str, watch: Watch) -> AsyncIterator[Stream]:
        """A prepared stream for this reader; a reader's oldest one is closed where there are too many.

        Once it is open, trouble ends it quietly: an error page cannot follow what has begun.
        """
        if self._count >= self.in_all:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        stream = Stream(response, watch, self.beat)
        mine = self._open.setdefault(reader, deque())
        while len(mine) >= self.per_reader:
            mine.popleft().close()
        mine.append(stream)
        self._count += 1
        try:
            await response.prepare(request)
            await response.write(f"retry: {_COME_BACK}\n\n".encode())
            yield stream
        except ConnectionResetError:
            pass  # the reader has gone
        except Exception as error:
            log.error("stream_failed", error_type=type(error).__name__, exc_info=True)
        finally:
            self._count -= 1
            if stream in mine:
                mine.remove(stream)
            if not mine and self._open.get(reader) is mine:
                del self._open[reader]

    def close_all(self) -> None:
        """End every stream, so that the server can stop."""
        for streams in list(self._open.values()):
            for stream in list(streams):
                stream.close()
