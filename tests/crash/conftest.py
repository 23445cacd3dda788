"""A line that was prepared once, in both databases, to be copied for each test."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from bot.app import build_app
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SystemClock
from helpline.content import content_folder
from helpline.messages import Language
from helpline.settings import Secret, Settings
from routing.upkeep import confirming_store
from tests.conftest import _as_admin, _run, _text
from tests.crash.line import KEY, Nursery, Stage, on_stage, small_content

ASHA, NOOR, MAJA = (
    7700900201,
    "+46701740605",
    7700900203,
)  # two advisors and a coordinator; a third advisor has nothing but the desk


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of these lines."""
    return small_content(tmp_path_factory.mktemp("crash"), content_folder())


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where the processes come from."""
    nursery = Nursery()
    yield nursery
    nursery.close()


def settings_of(folder: Path, url: str, content: Path) -> Settings:
    return Settings(
        data_dir=folder,
        database_url=Secret(url),
        secret_key=Secret(bytes.fromhex(KEY)),
        ladder=content / "ladder.yaml",
    )


async def prepare(folder: Path, url: str, content: Path) -> None:
    """A first start, and the people who are on call."""
    line = build_app(settings_of(folder, url, content), clock=SystemClock(), channels={}, content=content)
    house = line.house
    now = house.clock.now()

    async def join(name: str, role: Role, channel: ContactChannel, address: str) -> None:
        await accounts.add_staff(
            conn,
            house.vault,
            staff_id=name,
            name=name,
            roles=[role],
            languages=[Language.NB],
            zone="Europe/Oslo",
            now=now,
        )
        await accounts.add_contact(
            conn, house.vault, staff_id=name, channel=channel, value=address, now=now, verified=True
        )

    await house.db.migrate()
    async with house.db.write() as conn:
        await join("asha", Role.ADVISOR, ContactChannel.TELEGRAM, str(ASHA))
        await join("noor", Role.ADVISOR, ContactChannel.SMS, NOOR)
        await join("desk", Role.ADVISOR, ContactChannel.DESK, "desk")
        await join("maja", Role.COORDINATOR, ContactChannel.TELEGRAM, str(MAJA))
    await line.prepare()
    async with house.db.write() as conn:
        # Coordinators were told long ago of what no service confirmed: what waits for the morning would never be done.
        for service in confirming_store.due(house.library.directory, now):
            await confirming_store.note_told(conn, service, now=now)
    await house.db.tidy()
    await line.close()


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory, content: Path) -> Path:
    """A data folder after a first start."""
    folder = tmp_path_factory.mktemp("prepared")
    _run(prepare(folder, f"sqlite:///{folder / 'varde.db'}", content))
    return folder


@pytest.fixture(scope="session")
def prepared_postgres(prepared_sqlite: Path, postgres_url: str, content: Path) -> Iterator[tuple[URL, str]]:
    """The server's address, and the name of a database after a first start."""
    url, name = make_url(postgres_url), f"varde_crash_{secrets.token_hex(4)}"
    _run(_as_admin(url, f"CREATE DATABASE {name}"))
    _run(prepare(prepared_sqlite, _text(url.set(database=name)), content))
    yield url, name
    _run(_as_admin(url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def line_database(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database after a first start; the test runs on both."""
    prepared: Path = request.getfixturevalue("prepared_sqlite")
    for learnt in ("shelves.index", "danger.index"):
        shutil.copyfile(prepared / learnt, tmp_path / learnt)
    if dialect == "sqlite":
        shutil.copyfile(prepared / "varde.db", tmp_path / "varde.db")
        yield f"sqlite:///{tmp_path / 'varde.db'}"
        return
    url, template = request.getfixturevalue("prepared_postgres")
    name = f"varde_crash_{secrets.token_hex(6)}"
    _run(_as_admin(url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield _text(url.set(database=name))
    _run(_as_admin(url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def stage(nursery: Nursery, line_database: str, tmp_path: Path, content: Path) -> AsyncIterator[Stage]:
    """A line that was started before and is down now; the test runs on both databases."""
    async with on_stage(nursery, tmp_path, content, line_database) as stage:
        yield stage
