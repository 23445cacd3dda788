"""A line with the shipped content, loaded once for all journeys, and databases that already hold that content."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from bot.app import build_app
from bot.house import House
from helpline import logs
from helpline.clock import SetClock
from helpline.settings import Secret, Settings
from tests.conftest import _RUN_FOLDER as RUN_FOLDER
from tests.conftest import _as_admin, _in_thread, _text
from tests.journeys.stage import MASTER, PREPARED_AT, Prepared


def _prepare(url: str) -> House:
    folder = Path(os.environ[RUN_FOLDER]) / "shelves"  # where the index is kept, so that it is made once
    folder.mkdir(exist_ok=True)

    async def prepare() -> House:
        settings = Settings(data_dir=folder, database_url=Secret(url), secret_key=Secret(MASTER))
        line = build_app(settings, clock=SetClock(datetime.fromisoformat(PREPARED_AT)), channels={})
        await line.prepare()
        await line.close()
        return line.house

    return asyncio.run(prepare())


@pytest.fixture(scope="session")
def shelved_file(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[Path, House]:
    """A database file with the shipped content, and the house that it was loaded into."""
    folder = tmp_path_factory.mktemp("shelved")
    path = Path(shutil.copyfile(sqlite_template, folder / "varde.db"))
    return path, _prepare(f"sqlite:///{path}")


@pytest.fixture(scope="session")
def shelved_postgres(request: pytest.FixtureRequest) -> Iterator[tuple[str, House]]:
    """The same on PostgreSQL: the name of a database to copy."""
    url, template = request.getfixturevalue("postgres_template")
    name = f"varde_shelved_{secrets.token_hex(4)}"
    _in_thread(_as_admin(url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield name, _prepare(_text(url.set(database=name)))
    _in_thread(_as_admin(url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def prepared(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[Prepared]:
    """What a journey begins with."""
    if dialect == "sqlite":
        file, house = request.getfixturevalue("shelved_file")
        yield Prepared(house, tmp_path, lambda: f"sqlite:///{shutil.copyfile(file, tmp_path / 'varde.db')}")
        return
    url, _ = request.getfixturevalue("postgres_template")
    shelved, house = request.getfixturevalue("shelved_postgres")
    name = f"varde_journey_{secrets.token_hex(6)}"
    _in_thread(_as_admin(url, f"CREATE DATABASE {name} TEMPLATE {shelved}"))
    yield Prepared(house, tmp_path, lambda: _text(url.set(database=name)))
    _in_thread(_as_admin(url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def heard() -> Iterator[io.StringIO]:
    """Everything that is logged, from "info" on."""
    stream = io.StringIO()
    listen: Callable[[], io.StringIO] = lambda: stream  # noqa: E731
    logs.configure(level="info", stream=listen, whole_process=False)
    yield stream
    logs.configure(level="warning", whole_process=False)
