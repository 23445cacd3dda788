"""The auditor among the loops: it looks, and what it saw is counted.

It works beside everything else and holds nobody up: neither the address outside nor a fault of its own keeps a message
waiting, and `/readyz` says nothing of it, since a message can be taken in all the same.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.house import House
from escalation import auditor_store, heartbeat
from escalation.carry import Means

TOPIC = auditor_store.TOPIC
EVERY = heartbeat.EVERY


class Auditing:
    """The auditor of one process; of several processes, one looks at a time."""

    def __init__(self, house: House, means: Means) -> None:
        self._house = house
        self._means = means

    async def tick(self, now: datetime) -> int:
        """Look, where it is our turn; zero, since there is never more of it at once."""
        counts = self._house.counts
        looked = await heartbeat.tick(self._house.db, self._means, now, url=self._house.settings.heartbeat_url)
        if looked is None:
            return 0
        counts.faults_now.set(len(looked.faults))
        for fault in looked.faults:
            counts.audit_faults.labels(fault.what.value).inc()
        for what in looked.healed:
            counts.audit_healed.labels(what.value).inc()
        if looked.beat is not None:
            counts.heartbeats.labels("yes" if looked.beat else "no").inc()
        return 0

    async def next_due(self, conn: AsyncConnection) -> datetime | None:
        """When it is time to look again."""
        return await auditor_store.next_due(conn)
