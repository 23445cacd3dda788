"""`varde serve`: start, say what is being done, serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web
from rich.console import Console

from bot.app import Line, Role, build_app
from helpline import accounts, audit, logs
from helpline.accounts import AT_THE_LINE
from helpline.accounts import Role as StaffRole
from helpline.clock import SystemClock
from helpline.messages import Channel, Language
from helpline.sessions import SIGN_IN
from helpline.settings import Settings, load_settings

LOCAL_ADVISOR = "local"  # the staff id that the shipped roster names
_LOCAL_ROLES_ONCE = {StaffRole.ADVISOR, StaffRole.COORDINATOR}  # what the first versions gave them
_LINK_LASTS = timedelta(hours=12)  # of the link that is printed at start, on the operator's own screen

_screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


async def serve_line(host: str | None, port: int | None, role: str) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code."""
    settings = load_settings()
    logs.configure(level=settings.log_level)
    host, port = host or settings.host, port if port is not None else settings.port
    with contextlib.ExitStack() as closing:
        try:
            # Before anything else: a second process beside one that runs must not begin to work and be torn down again.
            doors = _doors(host, port, closing)
            await _serve(settings, Role(role), doors, f"http://{host}:{port}")
        except _PortTaken as error:
            _screen.print(
                f"Port {port} on {host} cannot be used ({error}). Is the line already running? "
                f"Choose another one: varde serve --port {port + 1}"
            )
            return 1
    return 0


class _PortTaken(Exception):
    """The address cannot be listened at."""


def _doors(host: str, port: int, closing: contextlib.ExitStack) -> list[socket.socket]:
    """The sockets of this address, taken but not open: who calls is refused until the line is ready."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        doors = []
        for family, kind, protocol, _, address in dict.fromkeys(found):
            doors.append(door := closing.enter_context(socket.socket(family, kind, protocol)))
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            door.bind(address)
    except OSError as error:
        raise _PortTaken(error.strerror) from error
    return doors


async def _serve(settings: Settings, role: Role, doors: Sequence[socket.socket], address: str) -> None:
    _stop_when_told()
    steps = _Steps()
    steps.say("Reading the content")
    line = build_app(settings, clock=SystemClock(), role=role)
    runner: web.AppRunner | None = None
    try:
        await line.prepare(steps.say)
        # Before the work begins: what a crash left may keep storage so busy for a while that this would fail the start.
        link = await local_advisor(line) if role is not Role.WORKER else None
        runner = web.AppRunner(line.application(), access_log=None, shutdown_timeout=5)
        await runner.setup()
        for door in doors:
            try:
                await web.SockSite(runner, door).start()
            except OSError as error:
                raise _PortTaken(error.strerror) from error  # another line was started at the same moment
        _tell(line, address, link)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _screen.print("Stopping. What is under way is finished by the next start.")
    finally:
        await (runner.cleanup() if runner is not None else line.close())


def _stop_when_told() -> None:
    """End this task at SIGINT or SIGTERM, also while it still starts; a second signal changes nothing."""
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()
    assert serving is not None

    def stop() -> None:
        if not serving.cancelling():
            serving.cancel()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)


class _Steps:
    """Shows which step of how many the start is at."""

    OF = 4

    def __init__(self) -> None:
        self._done = 0

    def say(self, sentence: str) -> None:
        self._done += 1
        _screen.print(f"{self._done}/{self.OF} {sentence}")


async def local_advisor(line: Line) -> str | None:
    """A one-time link for the local advisor, who is made at the first start; None where you have your own."""
    house, now = line.house, line.house.clock.now()
    async with house.db.write() as conn:
        known = await accounts.find_staff(conn, LOCAL_ADVISOR)
        if known is None:
            if await accounts.list_staff(conn, role=StaffRole.ADVISOR, active_only=False):
                return None
            await accounts.add_staff(
                conn,
                house.vault,
                staff_id=LOCAL_ADVISOR,
                name="Local advisor",
                roles=list(AT_THE_LINE),  # so that whoever tries the line can try all of it
                languages=[Language.NB, Language.NN, Language.SV, Language.EN],
                zone=house.settings.zone.key,
                now=now,
            )
            await accounts.add_contact(
                conn,
                house.vault,
                staff_id=LOCAL_ADVISOR,
                channel=accounts.ContactChannel.DESK,
                value=LOCAL_ADVISOR,
                now=now,
                verified=True,
            )
        elif not known.active:
            return None
        elif known.roles == _LOCAL_ROLES_ONCE:
            await accounts.change_staff(conn, LOCAL_ADVISOR, roles=list(AT_THE_LINE))
        token = await accounts.make_sign_in_link(conn, LOCAL_ADVISOR, now=now, lasts=_LINK_LASTS)
        await audit.append(conn, at=now, actor="operator", action="sign_in_link_made", subject=f"staff:{LOCAL_ADVISOR}")
    return f"{SIGN_IN}/{token}"


def _tell(line: Line, address: str, link: str | None) -> None:
    on = line.house.settings.channels
    off = [channel.value for channel in Channel if channel not in on]
    _screen.print(f"\nThe line is open at {address}/")
    if link is not None:
        _screen.print(f"Sign in as the local advisor, once, with {address}{link}")
    _screen.print(f"Channels that are off for want of settings: {', '.join(off)}" if off else "All channels are on.")
    _screen.print("Starter content: to be approved by your own editors. `varde check` tells what else is open.")
    _screen.print("Stop with Ctrl-C.\n")
