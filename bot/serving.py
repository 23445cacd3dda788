"""`varde serve`: start, say what is being done, serve until told to stop."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from aiohttp import web
from rich.console import Console

from bot.app import Line, Role, build_app
from helpline import accounts, audit, logs
from helpline.accounts import Role as StaffRole
from helpline.clock import SystemClock
from helpline.messages import Channel, Language
from helpline.sessions import SIGN_IN
from helpline.settings import load_settings

LOCAL_ADVISOR = "local"  # the staff id that the shipped roster names
_LINK_LASTS = timedelta(hours=12)  # of the link that is printed at start, on the operator's own screen

_screen = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


async def serve_line(host: str | None, port: int | None, role: str) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code."""
    settings = load_settings()
    logs.configure(level=settings.log_level)
    clock = SystemClock()
    steps = _Steps()
    steps.say("Reading the content")
    line = build_app(settings, clock=clock, role=Role(role))
    await line.prepare(steps.say)
    host, port = host or settings.host, port if port is not None else settings.port
    runner = web.AppRunner(line.application(), access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, reuse_address=True).start()
        except OSError as error:
            _screen.print(
                f"Port {port} on {host} cannot be used ({error.strerror}). Is the line already running? "
                f"Choose another one: varde serve --port {port + 1}"
            )
            return 1
        link = await _local_advisor(line) if role != Role.WORKER.value else None
        _tell(line, f"http://{host}:{port}", link)
        await _until_stopped()
        _screen.print("Stopping. What is under way is finished by the next start.")
    finally:
        await runner.cleanup()
    return 0


class _Steps:
    """Shows which step of how many the start is at."""

    OF = 4

    def __init__(self) -> None:
        self._done = 0

    def say(self, sentence: str) -> None:
        self._done += 1
        _screen.print(f"{self._done}/{self.OF} {sentence}")


async def _until_stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


async def _local_advisor(line: Line) -> str | None:
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
                roles=[StaffRole.ADVISOR, StaffRole.COORDINATOR],
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
