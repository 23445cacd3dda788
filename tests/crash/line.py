"""The line as a process of its own, a provider that talks to it, and what both keep: the stage of the crash tests."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from helpline.clock import SystemClock
from helpline.database import Database
from tests import captured
from tests.fakes import NINE, FakeProvider

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32)).hex()
# How long is waited before something is said to be wrong; where all is well nobody waits, but a busy machine is slow.
STARTS_WITHIN = 120.0  # seconds; a fraction of one on a quiet machine
ENDS_WITHIN = 120.0
LEASES_OVER = timedelta(seconds=60)  # longer than any lease
_HEARD_WITHIN = 15.0  # seconds a provider waits for an answer, and posts it again later
A_WHILE = timedelta(seconds=30)  # shorter than any lease of a message: what is under way meanwhile is not in doubt


class Nursery:
    """The process that starts the others, and what it tells of them."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", "/")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
        )
        self._started: dict[str, Future[int]] = {}
        self._ended: dict[str, Future[int]] = {}
        self._names = itertools.count(1)
        self._ready: Future[None] = Future()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "ready" in told:
                self._ready.set_result(None)
            elif "pid" in told:
                self._started[told["name"]].set_result(told["pid"])
            else:
                self._ended[told["name"]].set_result(told["ended"])

    def _order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def start(self, **order: Any) -> tuple[str, Future[int], Future[int]]:
        """Have a process started; its name, its process id and its exit code, when they come."""
        self._ready.result(STARTS_WITHIN)
        name = str(next(self._names))
        started: Future[int] = Future()
        ended: Future[int] = Future()
        self._started[name], self._ended[name] = started, ended
        self._order(do="start", name=name, **order)
        return name, started, ended

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process that was started here, if it still runs."""
        self._order(do="signal", name=name, signal=int(number))

    def close(self) -> None:
        """End everything that still runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Running:
    """One process of the line."""

    nursery: Nursery
    name: str
    url: str
    pid: int
    log: Path
    ended: Future[int]

    def signal(self, number: signal.Signals) -> None:
        self.nursery.signal(self.name, number)

    async def end(self, within: float = ENDS_WITHIN) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        await until(self._over, within, lambda: f"process {self.name} does not end\n{self.said()[-3000:]}")
        return self.ended.result()

    async def _over(self) -> bool:
        return self.ended.done()

    async def stop(self) -> int:
        """End it as an operator does."""
        self.signal(signal.SIGTERM)
        return await self.end()

    async def kill(self) -> int:
        """End it as the machine's lack of memory does."""
        self.signal(signal.SIGKILL)
        return await self.end()

    def points(self) -> dict[str, int]:
        """The points that were met and how often, once it has ended in peace."""
        met: dict[str, int] = json.loads(self.said().splitlines()[-1])["points"]
        return met

    def said(self) -> str:
        """Everything it has written to its screen and log."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


@dataclass(frozen=True)
class Posted:
    """One webhook, as the provider posts it until it hears yes."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def from_telegram(chat: int, text: str, number: int) -> Posted:
    webhook = captured.telegram_webhook(captured.said(text, update_id=number, chat=str(chat)))
    return Posted("/telegram", webhook.headers, webhook.body)


def tap_on_telegram(chat: int, data: str, number: int) -> Posted:
    webhook = captured.telegram_webhook(
        captured.tapped(data.removeprefix("v1:"), update_id=number, chat=str(chat)),
    )
    return Posted("/telegram", webhook.headers, webhook.body)


def from_phone(number: str, text: str, message: int) -> Posted:
    sid = f"SM{message:032x}"
    fields = captured.twilio_fields("sms", From=number, Body=text, MessageSid=sid, SmsSid=sid, SmsMessageSid=sid)
    webhook = captured.twilio_webhook(fields)
    return Posted("/twilio/message", webhook.headers, webhook.body)


def delivered(to: str, sid: str) -> Posted:
    fields = captured.twilio_fields("status_delivered", To=to, MessageSid=sid, SmsSid=sid)
    webhook = captured.twilio_webhook(fields, "/twilio/status")
    return Posted("/twilio/status", webhook.headers, webhook.body)


class OnLineTime:
    """A provider whose clock says what the line's says, however often that is set ahead."""

    def __init__(self) -> None:
        self.time: Callable[[], datetime] = lambda: NINE
        super().__init__()

    @property
    def now(self) -> datetime:
        return self.time()

    @now.setter
    def now(self, told: datetime) -> None:
        pass


class Provider(OnLineTime, FakeProvider):
    """Telegram and SMS."""


class Stage:
    """One database, one provider, and the processes between them, one after another or several at once."""

    def __init__(
        self, nursery: Nursery, provider: FakeProvider, folder: Path, content: Path, database_url: str
    ) -> None:
        self.nursery = nursery
        self.provider = provider
        self.folder = folder
        self.content = content
        self.database_url = database_url
        self.ahead = timedelta()
        self._told = folder / "ahead"  # what the processes know of it
        self._tell()
        self.unheard: list[Posted] = []  # posted, and not yet answered with yes
        self.heard: list[Posted] = []
        self._launched: list[Running] = []
        self.db = Database.connect(database_url)  # to look at what the processes have written
        self._clock = SystemClock()
        self._logs = itertools.count(1)

    def now(self) -> datetime:
        """What the line's clock says."""
        return self._clock.now() + self.ahead

    def pass_time(self, by: timedelta = A_WHILE) -> None:
        """Let time pass, for the line and its providers; at most a while at once, where something is under way."""
        self.ahead += by
        self._tell()
        for running in self.running:
            running.signal(signal.SIGUSR1)

    def _tell(self) -> None:
        # In one piece, since a process may read it at any moment.
        fresh = self._told.with_suffix(".new")
        fresh.write_text(repr(self.ahead.total_seconds()))
        fresh.replace(self._told)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "VARDE_CONTENT_DIR": str(self.content),
            "VARDE_DATA_DIR": str(self.folder),
            "VARDE_DATABASE_URL": self.database_url,
            "VARDE_LADDER": str(self.content / "ladder.yaml"),
            "VARDE_SECRET_KEY": KEY,
            "VARDE_PUBLIC_URL": captured.PUBLIC_URL,
            "VARDE_TELEGRAM_TOKEN": captured.TELEGRAM_TOKEN,
            "VARDE_TELEGRAM_SECRET": captured.TELEGRAM_SECRET,
            "VARDE_TELEGRAM_API_URL": self.provider.url,
            "VARDE_TWILIO_ACCOUNT_SID": captured.ACCOUNT_SID,
            "VARDE_TWILIO_AUTH_TOKEN": captured.AUTH_TOKEN,
            "VARDE_TWILIO_NUMBER": captured.LINE_NUMBER,
            "VARDE_TWILIO_API_URL": self.provider.url,
        }

    def launch(
        self,
        *,
        point: str = "",
        nth: int = 1,
        from_start: bool = False,
        role: str = "all",
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """Start a process, and do not wait until it listens."""
        port = port or free_port()
        log = self.folder / f"log-{next(self._logs)}.txt"
        name, started, ended = self.nursery.start(
            environment={**self.environment(), **(environment or {})},
            folder=str(self.folder),
            log=str(log),
            arguments=["serve", "--port", str(port), "--role", role],
            point=point,
            nth=nth,
            from_start=from_start,
            ahead=self.ahead.total_seconds(),
            clock=str(self._told),
        )
        url = f"http://127.0.0.1:{port}"
        running = Running(self.nursery, name, url, started.result(STARTS_WITHIN), log, ended)
        self._launched.append(running)
        return running

    @property
    def running(self) -> list[Running]:
        """Who is still alive."""
        return [running for running in self._launched if not running.ended.done()]

    async def start(self, **how: Any) -> Running:
        """Start a process and wait until it listens, or is dead."""
        running = self.launch(**how)
        port = int(running.url.rpartition(":")[2])

        async def up() -> bool:
            if running.ended.done():
                return True
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await until(up, STARTS_WITHIN, lambda: f"the line does not listen\n{running.said()[-3000:]}")
        return running

    def let_leases_run_out(self) -> None:
        """What a dead process held is free again."""
        self.pass_time(LEASES_OVER)

    async def post(self, running: Running, *fresh: Posted) -> None:
        """Post these and what was not answered with yes before, all at once; what is not taken is kept for later."""
        waiting, self.unheard = [*self.unheard, *fresh], []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HEARD_WITHIN)) as session:
            await asyncio.gather(*(self._post(session, running.url, posted) for posted in waiting))

    async def _post(self, session: aiohttp.ClientSession, url: str, posted: Posted) -> None:
        try:
            async with session.post(url + posted.path, data=posted.body, headers=posted.headers) as answer:
                taken = answer.status in {200, 204}
        except (aiohttp.ClientError, TimeoutError):
            taken = False
        (self.heard if taken else self.unheard).append(posted)

    async def figures(self, running: Running) -> dict[str, float]:
        """What the process counts, by name and labels."""
        async with aiohttp.ClientSession() as session, session.get(f"{running.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


async def until(
    holds: Callable[[], Awaitable[bool]], within: float, complaint: Callable[[], str], *, every: float = 0.03
) -> None:
    """Wait until something holds; fail with the complaint where it does not."""
    try:
        async with asyncio.timeout(within):
            while not await holds():
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(complaint()) from None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def on_stage(nursery: Nursery, folder: Path, content: Path, database_url: str) -> AsyncIterator[Stage]:
    """A stage whose processes are gone when the block is left."""
    async with Provider() as provider:
        provider.twilio_state = "sent"
        stage = Stage(nursery, provider, folder, content, database_url)
        provider.time = stage.now
        try:
            yield stage
        finally:
            await asyncio.gather(*(running.kill() for running in stage.running))
            await stage.db.dispose()


# --- content --------------------------------------------------------------------------------------------------------

_STEPS = """\
    steps:
      - {targets: [asha, noor], wait_minutes: 300}
    repeat: 0
    deadlines:
      {first_reply_minutes: 300, reply_minutes: 300, grace_minutes: 300, quiet_minutes: 900, handover_minutes: 300}
"""
_LADDER = f"""\
last_resort: {{targets: ["role:coordinator"], retry_minutes: 600}}
ladders:
  urgent:
{_STEPS}
  routine:
{_STEPS}
personal:
  urgent: {{desk: 0, telegram: 0, sms: 0}}
  routine: {{desk: 0, telegram: 0, sms: 0}}
"""
_ARTICLES = 8


def small_content(folder: Path, shipped: Path) -> Path:
    """What ships, with a handful of articles, since making them searchable is most of a first start."""
    content = folder / "content"
    shutil.copytree(shipped, content, ignore=lambda where, names: {"articles", "ladder.yaml"} & set(names))
    for country in ("no", "se"):
        (content / "articles" / country).mkdir(parents=True)
        chosen = {shipped / "articles" / "no" / "gratis-advokat.yaml"} if country == "no" else set()
        chosen |= set(sorted((shipped / "articles" / country).glob("*.yaml"))[:_ARTICLES])
        for article in chosen:
            shutil.copy(article, content / "articles" / country)
    (content / "ladder.yaml").write_text(_LADDER, encoding="utf-8")
    return content
