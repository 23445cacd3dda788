"""Telling members of staff about the rota: on their first contact that works, through the outbox, once for each key.

Nobody is woken for a shift of next week: what can wait goes out in the daytime of its reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.carry import Means, Wording, lane_to
from escalation.on_duty import Present
from helpline import accounts, outbox
from helpline.accounts import Staff
from helpline.daytime import in_the_daytime
from helpline.outbox import OutboundKind

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
        known = {each.id: each.address() for each in await accounts.contacts(conn, means.vault, staff_id)}
        usable = (each for each in present.reaches.get(staff_id, ()) if not each.stopped and known.get(each.contact_id))
        # A text can be read again and answered in one's own time; a call is for what cannot wait.
        reach = min(usable, key=lambda each: each.channel == "call", default=None)
        address = known[reach.contact_id] if reach is not None else None
        if reach is None or address is None or staff_id not in present.staff:
            continue
        soon = about is None or about - now <= SOON
        made = await outbox.enqueue(
            conn,
            means.vault,
            key=f"rota:{key}:{staff_id}",
            lane=lane_to(staff_id, reach.channel),
            kind=OutboundKind.NOTICE,
            subject=f"staff:{staff_id}",
            to=address,
            message=wording(present.language_of(staff_id)),
            now=now,
            due_at=now if soon else in_the_daytime(now, zone_of(present.staff[staff_id])),
        )
        told += made is not None
    return told


def zone_of(staff: Staff | None) -> ZoneInfo:
    """The zone in which somebody reads the clock."""
    try:
        return ZoneInfo(staff.zone if staff is not None else "Europe/Oslo")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Europe/Oslo")
