"""The whole line with its shipped content, for tests that come in by the front door of the web."""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bot.app import Line, build_app
from bot.channels.local import LocalChannel
from bot.house import House
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Channel
from helpline.settings import Secret, Settings
from tests.conftest import NINE

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[..., Awaitable[Client]]


def local_settings(folder: Path) -> Settings:
    """Settings of a line with nothing but the web page and the desk."""
    return Settings(
        data_dir=folder,
        database_url=Secret(f"sqlite:///{folder / 'varde.db'}"),
        secret_key=Secret(bytes(range(32))),
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, House]:
    """A database with the shipped content in it, and a house whose shelves are loaded: made once, copied often."""
    folder = tmp_path_factory.mktemp("prepared")
    channels = {Channel.WEB: LocalChannel(Channel.WEB), Channel.TERMINAL: LocalChannel(Channel.TERMINAL)}

    async def prepare() -> House:
        line = build_app(local_settings(folder), clock=SetClock(NINE), channels=channels)
        await line.prepare()
        await line.house.db.dispose()
        return line.house

    return folder / "varde.db", asyncio.run(prepare())


@pytest.fixture
async def line(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[Line]:
    """The line with an empty inbox, at nine o'clock, with nothing started."""
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    db = Database.connect(settings.database_url.reveal())
    # A library of its own: what one test changes in its directory must not stand in the next one's.
    made = Line(replace(house, settings=settings, clock=clock, db=db, library=copy.copy(house.library)))
    made.chat.patience = 60  # a busy machine must not make a page come before its answer
    yield made
    await made.house.db.dispose()


@pytest.fixture
async def client(line: Line, aiohttp_client: MakeClient) -> Client:
    """A browser in front of the running line."""
    return await aiohttp_client(line.application(), headers={"Accept": "text/html", "Accept-Language": "nb"})
