"""The auditor among the loops of the running line: the world hears, what is lost is mended, and it is all counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update

from bot.app import Line
from escalation import auditor_store, seeking, store
from escalation.standing import Urgency
from helpline.messages import Country, Language
from helpline.settings import Secret
from tests.bot.conftest import MakeClient


@pytest.fixture
async def beats() -> AsyncIterator[tuple[Secret[str], asyncio.Queue[str]]]:
    """An address outside, and each time that it was fetched."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def beat(request: web.Request) -> web.Response:
        heard.put_nowait(request.method)
        return web.Response()

    app = web.Application()
    app.router.add_get("/ping", beat)
    server = TestServer(app)
    await server.start_server(access_log=None)
    yield Secret(str(server.make_url("/ping"))), heard
    await server.close()


async def test_the_running_line_lets_the_world_know_that_all_is_well(
    line: Line, beats: tuple[Secret[str], asyncio.Queue[str]], aiohttp_client: MakeClient
) -> None:
    url, heard = beats
    running = Line(replace(line.house, settings=replace(line.house.settings, heartbeat_url=url)))
    client = await aiohttp_client(running.application())
    async with asyncio.timeout(60):
        assert await heard.get() == "GET"
    async with asyncio.timeout(60):
        while 'varde_heartbeats_total{heard="yes"} 1.0' not in (told := await (await client.get("/metrics")).text()):
            await asyncio.sleep(0.02)
    assert "varde_audit_faults_now 0.0" in told
    assert heard.empty()  # the clock stands: not twice within a minute


async def test_an_escalation_that_nobody_would_look_at_again_is_mended_and_counted(
    line: Line, aiohttp_client: MakeClient
) -> None:
    house = line.house
    await line.prepare()
    async with house.db.write() as conn:
        opened = await seeking.open_escalation(
            conn,
            line.room.means,
            conversation_id="c1",
            urgency=Urgency.URGENT,
            language=Language.NB,
            country=Country.NO,
            region="",
            reason="asked",
            now=house.clock.now(),
        )
        await conn.execute(update(store.escalations).values(due_at=None))
    client = await aiohttp_client(line.application())
    async with asyncio.timeout(60):
        while 'varde_audit_healed_total{what="misfiled"} 1.0' not in await (await client.get("/metrics")).text():
            await asyncio.sleep(0.02)
    assert (await client.get("/readyz")).status == 200
    async with house.db.read() as conn:
        due_at = (await conn.execute(select(store.escalations.c.due_at))).scalar_one()
        [fault] = await auditor_store.open_faults(conn)
    assert due_at is not None
    assert (fault.escalation_id, fault.healed) == (opened.filed.id, True)
