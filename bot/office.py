"""What a command at the machine works with where it needs the storage alone: no shelf is read, no channel opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from helpline import logs
from helpline.clock import Clock, SystemClock
from helpline.database import Database
from helpline.settings import Settings, load_settings
from helpline.vault import Vault

OPERATOR = "operator"  # who acts where somebody at the machine does
INVITATION = "/desk/invitation"  # before the token of a link


class Refusal(ValueError):
    """Something was asked for that cannot be done; the message says what can."""


@dataclass(frozen=True)
class Office:
    """The storage, and what is needed to read it."""

    settings: Settings
    clock: Clock
    db: Database
    vault: Vault


@asynccontextmanager
async def open_office() -> AsyncIterator[Office]:
    """The line's storage, brought up to date, without anything running."""
    settings = load_settings()
    logs.configure(level="error")
    office = Office(
        settings, SystemClock(), Database.connect(settings.database_url.reveal()), Vault(settings.master_key)
    )
    try:
        await office.db.migrate()
        async with office.db.write() as conn:
            await office.vault.check(conn)
        yield office
    finally:
        await office.db.dispose()
