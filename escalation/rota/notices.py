"""Telling members of staff about the rota: on their first contact that works, through the outbox, once for each key.

Nobody is woken for a shift of next week: what can wait goes out in the daytime of its reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.carry import Means, Wording, put_notice, ways_to
from escalation.on_duty import Present
from helpline.accounts import Staff
from helpline.daytime import in_the_daytime

SOON = timedelta(hours=24)  # what begins within this is said at any hour


async def tell(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    people: Iterable[str],
    wording: Wording,
    *,
    key: str,
    now: datetime,
    about: datetime | None = None,
    avoid: str | None = None,
) -> int:
    """Say something to each of these; how many could be told. `about` is when that which it is about begins."""
    told = 0
    for staff_id in sorted(set(people) - {avoid}):
        ways = await ways_to(conn, means.vault, present, staff_id)
        if not ways or staff_id not in present.staff:
            continue
        # A text can be read again and answered in one's own time; a call is for what cannot wait.
        _, address = min(ways, key=lambda way: way[0].channel == "call")
        soon = about is None or about - now <= SOON
        told += await put_notice(
            conn,
            means.vault,
            staff_id,
            address,
            wording(present.language_of(staff_id)),
            key=f"rota:{key}:{staff_id}",
            now=now,
            due_at=None if soon else in_the_daytime(now, zone_of(present.staff[staff_id])),
        )
    return told


def zone_of(staff: Staff | None) -> ZoneInfo:
    """The zone in which somebody reads the clock."""
    try:
        return ZoneInfo(staff.zone if staff is not None else "Europe/Oslo")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Europe/Oslo")
