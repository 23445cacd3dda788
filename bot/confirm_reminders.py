"""Reminding coordinators of entries that no service has confirmed for half a year: once for each, in the daytime.

The list on the desk shows everything that is due; the message is for what was forgotten. The rows that say "told" are
unique and written in the same transaction as the messages, so two processes tell nobody twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.house import House
from bot.reminders import reachable, tell_by_day
from helpline import accounts, audit
from helpline.accounts import Role, Staff
from helpline.messages import Address, Language
from helpline.phrases import say_date
from routing.services import Service
from routing.upkeep import confirming_store

log = structlog.get_logger(__name__)

_NAMED: Final = 5  # services in the message; the list shows the rest


class ConfirmReminders:
    """Tells coordinators which entries have become too old."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def tick(self, now: datetime) -> int:
        """Tell of everything that has become due since; always zero, since all of it is told at once."""
        house = self._house
        due = confirming_store.due(house.library.directory, now)
        forgotten = [service for service in due if confirming_store.is_forgotten(service, now)]
        if not forgotten:
            return 0
        async with house.db.read() as conn:
            if not await confirming_store.untold(conn, forgotten):
                return 0
        async with house.db.write() as conn:
            coordinators = await reachable(conn, house, await accounts.list_staff(conn, role=Role.COORDINATOR))
            if not coordinators:
                return 0  # nobody can be told yet; whoever comes is told then
            untold = await confirming_store.untold(conn, forgotten)
            fresh = [service for service in untold if await confirming_store.note_told(conn, service, now=now)]
            if not fresh:
                return 0  # another process was quicker
            told = 0
            for staff, address in coordinators:
                told += await self._tell(conn, staff, address, fresh, now)
            details: dict[str, audit.Detail] = {"services": len(fresh), "told": told}
            action = "confirming_reminded"
            await audit.append(conn, at=now, actor="line", action=action, subject="directory", details=details)
        log.info("confirming_reminded", services=len(fresh), told=told)
        return 0

    async def _tell(
        self, conn: AsyncConnection, staff: Staff, address: Address, services: Sequence[Service], now: datetime
    ) -> int:
        key = f"confirming:{staff.id}:{services[0].id}:{services[0].confirmed_on}"
        return await tell_by_day(
            conn, self._house, staff, address, lambda language: self._words(services, language), key=key, now=now
        )

    def _words(self, services: Sequence[Service], language: Language) -> str:
        say = self._house.phrases.say
        lines = []
        for service in services[:_NAMED]:
            name, day = service.called(language), service.confirmed_on
            lines.append(
                say("confirming.remind.line", language, name=name, date=say_date(day, language))
                if day is not None
                else say("confirming.remind.line.never", language, name=name)
            )
        if len(services) > _NAMED:
            lines.append(say("confirming.remind.more", language, count=len(services) - _NAMED))
        lead = say("confirming.remind", language, count=len(services))
        return "\n".join([lead, *(f"- {line}" for line in lines), say("confirming.remind.where", language)])
