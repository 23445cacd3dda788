"""What has happened in the waiting room, gathered for whoever keeps it right: waits, pages by night, drills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.drills import DRILL
from escalation.figures import Wait
from escalation.standing import Urgency
from escalation.store import escalations, pages


async def waits_since(conn: AsyncConnection, since: datetime) -> list[Wait]:
    """Every escalation that was opened since then, drills left out."""
    wanted = select(
        escalations.c.urgency,
        escalations.c.language,
        escalations.c.opened_at,
        escalations.c.promised_at,
        escalations.c.replied_at,
        escalations.c.closed_at,
    ).where(escalations.c.opened_at >= since, escalations.c.reason != DRILL)
    return [
        Wait(Urgency(row.urgency), row.language, row.opened_at, row.promised_at, row.replied_at, row.closed_at)
        for row in await conn.execute(wanted)
    ]


async def pages_since(conn: AsyncConnection, since: datetime) -> list[tuple[str, datetime]]:
    """Whom the line has called when, one entry a message: what lies on an open desk page wakes nobody."""
    wanted = (
        select(pages.c.staff_id, pages.c.made_at)
        .where(pages.c.made_at >= since, pages.c.channel.not_in(("desk", "")))
        .group_by(pages.c.staff_id, pages.c.contact_id, pages.c.code, pages.c.made_at)
    )
    return [(row.staff_id, row.made_at) for row in await conn.execute(wanted)]


@dataclass(frozen=True)
class DrillHeld:
    """One drill and what came of it."""

    id: str
    urgency: Urgency
    opened_at: datetime
    taken_at: datetime | None
    taken_by: str | None  # a staff id
    ended_at: datetime | None
    paged: int  # people


async def drills_held(conn: AsyncConnection, *, limit: int = 20) -> list[DrillHeld]:
    """The latest drills, the newest first."""
    called = (
        select(pages.c.escalation_id, func.count(pages.c.staff_id.distinct()).label("people"))
        .group_by(pages.c.escalation_id)
        .subquery()
    )
    wanted = (
        select(escalations, called.c.people)
        .outerjoin(called, called.c.escalation_id == escalations.c.id)
        .where(escalations.c.reason == DRILL)
        .order_by(escalations.c.opened_at.desc())
        .limit(limit)
    )
    return [
        DrillHeld(
            row.id,
            Urgency(row.urgency),
            row.opened_at,
            row.taken_at,
            row.owner_id,
            row.closed_at,
            row.people or 0,
        )
        for row in await conn.execute(wanted)
    ]
