"""Live pages: events arrive whole, silence is filled, and nobody holds the server up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from helpline.bell import Bell
from helpline.live import Streams
from helpline.messages import Language
from helpline.phrases import Phrases
from helpline.storage import StorageBusy
from helpline.web import Access, Route, WebKit

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]


class Page:
    """A page that streams whatever `text` holds each time its bell rings."""

    def __init__(self, streams: Streams) -> None:
        self.bell = Bell()
        self.streams = streams
        self.text = "one"
        self.failing: Exception | None = None

    async def live(self, request: web.Request) -> web.StreamResponse:
        with self.bell.watch(["news"]) as watch:
            async with self.streams.open(request, request.query.get("reader", "r"), watch) as stream:
                async for _ in stream.turns():
                    if self.failing is not None:
                        raise self.failing
                    await stream.send("news", self.text, event_id="7")
            return stream.response

    def change(self, text: str) -> None:
        self.text = text
        self.bell.ring(["news"])


async def open_page(page: Page, aiohttp_client: MakeClient) -> Client:
    trouble = {"error.trouble": dict.fromkeys(Language, "trouble")}
    return await aiohttp_client(
        WebKit(Phrases(trouble), Language.NB, {}).build([Route("GET", "/live", page.live, Access.PUBLIC)])
    )


async def read_event(response: ClientResponse) -> str:
    async with asyncio.timeout(60):
        return (await response.content.readuntil(b"\n\n")).decode().strip()


async def test_what_changes_arrives(aiohttp_client: MakeClient) -> None:
    page = Page(Streams())
    client = await open_page(page, aiohttp_client)
    response = await client.get("/live")
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" in response.headers
    assert await read_event(response) == "retry: 2000"
    assert await read_event(response) == "id: 7\nevent: news\ndata: one"
    page.change("two")
    assert await read_event(response) == "id: 7\nevent: news\ndata: two"
    response.close()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb"])
async def test_lines_cannot_cut_an_event_in_two(text: str, aiohttp_client: MakeClient) -> None:
    page = Page(Streams())
    page.text = text
    response = await (await open_page(page, aiohttp_client)).get("/live")
    await read_event(response)
    assert await read_event(response) == "id: 7\nevent: news\ndata: a\ndata: b"
    response.close()


async def test_silence_is_filled(aiohttp_client: MakeClient) -> None:
    response = await (await open_page(Page(Streams(beat=0.05)), aiohttp_client)).get("/live")
    await read_event(response)
    await read_event(response)
    assert await read_event(response) == "event: beat\ndata:"
    response.close()


async def test_a_readers_oldest_stream_gives_way(aiohttp_client: MakeClient) -> None:
    client = await open_page(Page(Streams(per_reader=2)), aiohttp_client)
    first, second, third = [await client.get("/live") for _ in range(3)]
    async with asyncio.timeout(60):
        assert b"data: one" in await first.content.read()  # it ended
    for still_open in (second, third):
        assert not still_open.content.at_eof()
        still_open.close()


async def test_no_more_streams_than_the_machine_can_bear(aiohttp_client: MakeClient) -> None:
    client = await open_page(Page(Streams(in_all=2)), aiohttp_client)
    opened = [await client.get(f"/live?reader={number}") for number in range(3)]
    assert [response.status for response in opened] == [200, 200, 503]
    for response in opened:
        response.close()


@pytest.mark.parametrize("error", [StorageBusy("busy"), ValueError("somebody's words")])
async def test_trouble_ends_a_stream_quietly(error: Exception, aiohttp_client: MakeClient) -> None:
    page = Page(Streams())
    response = await (await open_page(page, aiohttp_client)).get("/live")
    await read_event(response)
    await read_event(response)
    page.failing = error
    page.change("two")
    async with asyncio.timeout(60):
        assert await response.content.read() == b""


async def test_a_stop_ends_every_stream(aiohttp_client: MakeClient) -> None:
    page = Page(Streams())
    client = await open_page(page, aiohttp_client)
    responses = [await client.get(f"/live?reader={number}") for number in range(3)]
    page.streams.close_all()
    async with asyncio.timeout(60):
        for response in responses:
            assert (await response.content.read()).endswith(b"data: one\n\n")
    assert page.streams._open == {}
