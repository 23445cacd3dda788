"""Starts the line's own process, so that it can be killed at a named point. Run by `tests/crash/line.py`.

The code of the line is imported once, and the content that no process changes is read once; each start is then a fork
of this process that runs `varde serve` as a person would, with its own environment. The product knows nothing of this:
a fork that is to be killed gets wrappers around `Database.write` and around the channels' `send`, which end it with
SIGKILL when a point is met for the n-th time.

Points are named after the code that writes: "bot.inbox.take_in before" is just before the commit of that transaction,
"... after" just after it. Transactions that write nothing do not count. "send telegram before" and "... after" are
around the call to the provider. The n-th time counts from when the work begins, unless the order says "from the
start".

The clock of a fork may be ahead of the machine's, so that the leases of a process that was killed are over at once.
How far stands in a file: at SIGUSR1 the fork reads it again, and every loop looks; of two signals one may be lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class Point:
    """Where this process is to end, and how often it has been there.

    A star in the name stands for anything: "send * after" is after a call to either provider.
    """

    def __init__(self, name: str, nth: int, *, armed: bool) -> None:
        self._name, self._nth, self.armed = name, nth, armed
        self._met: Counter[str] = Counter()

    def tell(self) -> None:
        """At a peaceful end: which points there were and how often, so that a test can know them all."""
        print(json.dumps({"points": dict(self._met)}), flush=True)  # in the order in which they were met first

    def met(self, name: str) -> None:
        """The process is at this point now."""
        if self.armed:
            self._met[name] += 1
            if fnmatchcase(name, self._name):
                self._nth -= 1
                if self._nth == 0:
                    os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """A transaction whose commit is a point, where it wrote anything."""

    def __init__(self, inner: AbstractAsyncContextManager[Any], name: str, point: Point) -> None:
        self._inner, self._name, self._point = inner, name, point
        self._conn: Any = None

    async def __aenter__(self) -> Any:
        self._conn = await self._inner.__aenter__()
        self._conn.sync_connection.info["wrote"] = False
        return self._conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        wrote = kind is None and self._conn.sync_connection.info["wrote"]
        if wrote:
            self._point.met(f"{self._name} before")
        done = await self._inner.__aexit__(kind, error, trace)
        if wrote:
            self._point.met(f"{self._name} after")
        return done


def _watch_commits(point: Point) -> None:
    from sqlalchemy import Engine, event

    from helpline.database import Database

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            conn.info["wrote"] = True

    ordinary = Database.write

    def write(self: Database) -> AbstractAsyncContextManager[Any]:
        caller = sys._getframe(1)
        name = f"{caller.f_globals['__name__']}.{caller.f_code.co_qualname}"
        return _Watched(ordinary(self), name, point)

    Database.write = write  # type: ignore[method-assign]


def _watch_sending(point: Point) -> None:
    from bot.channels.telegram import TelegramChannel
    from bot.channels.twilio import TwilioChannel
    from bot.channels.voice import TwilioCalls

    def watch(channel: Any) -> None:
        ordinary = channel.send

        async def send(self: Any, *arguments: Any) -> Any:
            point.met(f"send {self.channel.value} before")
            sent = await ordinary(self, *arguments)
            point.met(f"send {self.channel.value} after")
            return sent

        channel.send = send

    watch(TelegramChannel)
    watch(TwilioChannel)
    watch(TwilioCalls)


def _watch_working(point: Point) -> None:
    """Points count from here on: what comes before is the same at every start."""
    from bot.app import Line

    ordinary = Line.working

    def working(self: Line, *, listening: bool = True) -> Any:
        point.armed = True
        return ordinary(self, listening=listening)

    Line.working = working  # type: ignore[method-assign]


def _set_ahead(ahead: float, told: Path | None) -> None:
    """Set the clock so many seconds ahead of the machine's; at SIGUSR1 as many as stand in the file `told`."""
    from helpline import clock
    from helpline.bell import Bell

    bells: list[Bell] = []
    ordinary = Bell.__init__

    def made(self: Bell) -> None:
        ordinary(self)
        bells.append(self)

    Bell.__init__ = made  # type: ignore[method-assign]

    class Ahead(datetime):
        shift = timedelta(seconds=ahead)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + cls.shift  # noqa: TID251 - this is the machine's clock, set ahead

    def further(number: int, frame: object) -> None:
        assert told is not None
        Ahead.shift = timedelta(seconds=float(told.read_text()))
        for bell in bells:
            bell.ring_all()  # whoever sleeps until something is due must reckon anew

    vars(clock)["datetime"] = Ahead
    if told is not None:
        signal.signal(signal.SIGUSR1, further)
        os.kill(os.getpid(), signal.SIGUSR1)  # it may have been told since this process was ordered


def _read_once() -> None:
    """Whatever is read of the content is read once, and every later fork finds it read: a start takes a moment then."""
    from bot import app
    from bot.asking import masker_for
    from bot.commands import Commands
    from bot.voice.aloud import Ear
    from helpline.phrases import Phrases
    from knowledge.shelves import Tools
    from knowledge.urgency import UrgencyRules
    from routing.certification.catalogue import Catalogue
    from routing.certification.standing import Requirements
    from routing.directory import Directory
    from routing.places import Gazetteer

    for owner in (Gazetteer, Directory, UrgencyRules, Tools, Phrases, Commands, Ear, Catalogue, Requirements):
        owner.load = _once(owner.load)  # type: ignore[method-assign]
    vars(app)["masker_for"] = cache(masker_for)
    # Whoever verifies no certificate needs no second look at all that the machine trusts.
    vars(ssl)["create_default_context"] = cache(ssl.create_default_context)


def _once(load: Callable[..., Any]) -> Callable[..., Any]:
    """What was read, for whoever reads the same again: paths are the same by name, all else by being the same."""
    read: dict[tuple[object, ...], Any] = {}

    def known(*given: Any) -> Any:
        which = tuple(each if isinstance(each, Path) else id(each) for each in given)
        if which not in read:
            read[which] = load(*given), given  # held on to, so that nothing else gets its number
        return read[which][0]

    return known


def _rehearse(order: dict[str, Any]) -> bool:
    """Before the first fork, make what it will make, and let it go: what that read is read for all that follow.

    False where this order's settings are wrong, which the fork itself is to say.
    """
    from bot.app import build_app
    from helpline.clock import SystemClock
    from helpline.content import ContentError
    from helpline.settings import SettingsError, load_settings

    ours = dict(os.environ)
    os.environ.update(order["environment"])
    made = False
    with contextlib.suppress(ContentError, SettingsError):
        build_app(load_settings(), clock=SystemClock()).application()
        made = True
    os.environ.clear()
    os.environ.update(ours)
    gc.collect()
    gc.freeze()
    return made


def _serve(order: dict[str, Any]) -> NoReturn:
    """In the fork: become `varde serve`."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for taken, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(taken, place)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    point = Point(order["point"], order["nth"], armed=order["from_start"])
    _set_ahead(order["ahead"], Path(order["clock"]) if "clock" in order else None)
    if order["point"]:
        _watch_commits(point)
        _watch_sending(point)
        _watch_working(point)
    sys.argv = ["varde", *order["arguments"]]
    from bot.cli import main as varde

    try:
        varde()
    except SystemExit as ended:
        if not order["point"] or not isinstance(ended.code, int):
            raise
        # The interpreter's own end takes apart all that was read and never changed: longer work than the whole start.
        point.tell()
        sys.stderr.flush()
        os._exit(ended.code)
    sys.exit(0)


_rehearsed: list[str] = []


def _say(**fields: Any) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


def main() -> None:
    """Take orders, one JSON object a line, until there are no more; then end whatever still runs."""
    for module in (
        "bot.serving",
        "bot.cli",
        "aiosqlite",
        "asyncpg",
        "helpline.migrations",
        "sqlalchemy.dialects.postgresql.asyncpg",
    ):
        importlib.import_module(module)
    _read_once()
    running: dict[int, str] = {}  # process id → the name that the order gave it
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # for whoever is told of the time before it can hear
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    _say(ready=True)
    orders = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid in list(running):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    _say(name=running.pop(pid), ended=os.waitstatus_to_exitcode(status))
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            *lines, orders = (orders + chunk).split(b"\n")
            for line in lines:
                _obey(json.loads(line), running)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _obey(order: dict[str, Any], running: dict[int, str]) -> None:
    if order["do"] == "start":
        if not _rehearsed and _rehearse(order):
            _rehearsed.append(order["name"])
        pid = os.fork()
        if pid == 0:
            _serve(order)
        running[pid] = order["name"]
        _say(name=order["name"], pid=pid)
    else:
        # Only to a process that we started and have not yet buried, so that its number is still its own.
        for pid, name in running.items():
            if name == order["name"]:
                os.kill(pid, order["signal"])


if __name__ == "__main__":
    main()
