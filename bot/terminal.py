"""`varde chat`: the whole conversation in a terminal, through the same inbox, engine and outbox as everywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys

from rich.console import Console

from bot import dialogue, store
from bot.app import Line, Role, build_app
from bot.inbox import take_in
from helpline import logs, outbox
from helpline.clock import SystemClock
from helpline.messages import Address, Channel, Country, InboundKind, InboundMessage, Language
from helpline.outbox import Said
from helpline.settings import load_settings

_POLL = 0.5  # seconds between looks for what an advisor wrote


async def talk(country: Country | None, language: Language | None) -> int:
    """Talk until the input ends or somebody writes /quit; the exit code."""
    settings = load_settings()
    logs.configure(level="error")
    line = build_app(settings, clock=SystemClock(), role=Role.ALL)
    screen = Console(highlight=False, markup=False, soft_wrap=True)
    await line.prepare()
    terminal = _Terminal(line, screen)
    try:
        # A running line may be asking Telegram already, which answers only one of two.
        async with line.working(listening=False):
            screen.print("Ctrl-D or /quit ends.")
            if language is not None:
                await terminal.tap(f"{dialogue.LANGUAGE}:{language.value}")
            if country not in {None, line.house.country}:
                await terminal.tap(f"{dialogue.COUNTRY}:{country}")
            if language is None:
                await terminal.say("/start")
            await terminal.run()
    finally:
        await line.close()
    return 0


class _Terminal:
    def __init__(self, line: Line, screen: Console) -> None:
        self._line = line
        self._screen = screen
        self._address = Address(Channel.TERMINAL, secrets.token_hex(16))
        self._shown = 0

    async def run(self) -> None:
        """Read lines, show replies, whichever comes first."""
        showing = asyncio.create_task(self._keep_showing())
        try:
            while True:
                written = await asyncio.to_thread(sys.stdin.readline)
                if not written or written.strip() == "/quit":
                    break
                await self.say(written.rstrip("\n"))
            await asyncio.sleep(_POLL)
            await self._show()
        finally:
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing

    async def say(self, text: str) -> None:
        """Say something, as any clinician would."""
        if not text:
            return
        kind = InboundKind.START if text == "/start" else InboundKind.TEXT
        await self._take(InboundMessage(Channel.TERMINAL, secrets.token_hex(16), self._address, kind, text))

    async def tap(self, token: str) -> None:
        """Choose something, as a tap would."""
        message = InboundMessage(Channel.TERMINAL, secrets.token_hex(16), self._address, InboundKind.TAP, token=token)
        await self._take(message)

    async def _take(self, message: InboundMessage) -> None:
        await take_in(self._line.house, message)
        await self._show()

    async def _keep_showing(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            await self._show()

    async def _show(self) -> None:
        house = self._line.house
        async with house.db.read() as conn:
            known = await store.find_by_address(conn, house.vault.fingerprint_of(self._address))
            said = await outbox.transcript(conn, house.vault, known.id) if known is not None else []
        for each in said:
            if each.id > self._shown:
                self._shown = each.id
                self._print(each)

    def _print(self, said: Said) -> None:
        if said.message is None:
            return
        self._screen.print()
        for row in said.message.text.splitlines():
            self._screen.print(f"  {row}")
        choices = "   ".join(f"{choice.digit} {choice.label}" for choice in said.message.choices if choice.digit)
        if choices:
            self._screen.print(f"  {choices}")
        self._screen.print()
