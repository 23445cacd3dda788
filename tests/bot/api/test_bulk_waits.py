"""A big file that is read holds up nobody who writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from bot.api import bulk
from bot.app import Line
from helpline import audit
from knowledge.articles import Article, body_of
from tests.bot.api.conftest import Program


def one_article(line: Line) -> bytes:
    return orjson.dumps(body_of(line.house.library.shelves.articles[0])) + b"\n"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_others_write_while_the_articles_of_an_import_are_read(
    eva: Program, line: Line, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    sent = one_article(line)
    loop, read = asyncio.get_running_loop(), bulk._read

    async def somebody_writes() -> None:
        async with line.house.db.write() as conn:
            await audit.append(conn, at=line.house.clock.now(), actor="line", action="written", subject="meanwhile")

    def slowly(raw: bytes, kind: str) -> Sequence[Article]:
        asyncio.run_coroutine_threadsafe(somebody_writes(), loop).result(10)
        return read(raw, kind)

    monkeypatch.setattr(bulk, "_read", slowly)
    reply = await eva.ask("POST", f"/import{query}", data=sent, Content_Type=bulk.LINES)
    assert (reply.status, len(reply.body["same"])) == (200, 1)


async def test_a_dry_run_asks_storage_for_nothing_but_reading(eva: Program, line: Line) -> None:
    sent = one_article(line)
    await eva.get("/me")  # that the token is in use is noted, and then not again for a while
    async with line.house.db.write():  # whoever writes now would be waited for
        async with asyncio.timeout(60):
            reply = await eva.ask("POST", "/import?dry_run=true", data=sent, Content_Type=bulk.LINES)
    assert (reply.status, reply.body["dry_run"]) == (200, True)
