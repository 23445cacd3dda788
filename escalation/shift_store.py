"""What outlives an advisor's shift: how cases ended, what is to be followed up, and who should be talked with.

No table here holds what anybody wrote. All of them are kept as long as the escalation they are about;
`delete_orphans` clears away what its escalation has left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, Index, String, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation import store
from escalation.closing import CaseOutcome, CloseReason, Closing
from escalation.store import Event
from helpline.storage import AnyRow, UtcDateTime, insert_once, rows_touched, table_of, wake


class ClosingRow(SQLModel, table=True):
    """How an escalation ended. Kept as long as the escalation; `delete_orphans`."""

    __tablename__ = "escalation_closing"

    escalation_id: str = Field(primary_key=True, sa_type=String)
    reason: str = Field(sa_type=String)
    outcome: str = Field(sa_type=String)
    knowledge_missing: bool | None = Field(default=None, sa_type=Boolean)
    closed_by: str = Field(sa_type=String)  # a staff id
    closed_at: datetime = Field(sa_type=UtcDateTime)


class FollowUpRow(SQLModel, table=True):
    """A day on which an advisor wants to look at an escalation again. Kept until done, or as long as the escalation."""

    __tablename__ = "follow_up"
    __table_args__ = (Index("ix_follow_up_due", "due_at"),)

    escalation_id: str = Field(primary_key=True, sa_type=String)
    staff_id: str = Field(primary_key=True, sa_type=String)
    due_at: datetime = Field(sa_type=UtcDateTime)
    set_at: datetime = Field(sa_type=UtcDateTime)
    reminded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DebriefRow(SQLModel, table=True):
    """That somebody should be talked with after a hard conversation. Kept as long as the escalation; `delete_orphans`.

    Who and when, and never why: what was hard is said between people.
    """

    __tablename__ = "debrief"

    escalation_id: str = Field(primary_key=True, sa_type=String)
    staff_id: str = Field(primary_key=True, sa_type=String)  # who should be talked with
    flagged_by: str = Field(sa_type=String)
    flagged_at: datetime = Field(sa_type=UtcDateTime)
    talked_by: str | None = Field(default=None, sa_type=String)
    talked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


closings = table_of(ClosingRow)
follow_ups = table_of(FollowUpRow)
debriefs = table_of(DebriefRow)


async def _note(
    conn: AsyncConnection, escalation_id: str, kind: str, staff_id: str, now: datetime, **details: object
) -> None:
    await store.insert_events(conn, [Event(escalation_id, now, kind, f"staff:{staff_id}", details)])
    wake(conn, store.TOPIC)


# --- How it ended ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Closed:
    """How an escalation ended, who said so, and when."""

    escalation_id: str
    closing: Closing
    closed_by: str
    closed_at: datetime


def _closed(row: AnyRow) -> Closed:
    said = Closing(CloseReason(row.reason), CaseOutcome(row.outcome), row.knowledge_missing)
    return Closed(row.escalation_id, said, row.closed_by, row.closed_at)


async def record_closing(
    conn: AsyncConnection, escalation_id: str, staff_id: str, closing: Closing, now: datetime
) -> None:
    """Note how it ended; said again, the later word holds and the first instant stays."""
    said = {
        "reason": closing.reason.value,
        "outcome": closing.outcome.value,
        "knowledge_missing": closing.knowledge_missing,
    }
    values = {"escalation_id": escalation_id, **said, "closed_by": staff_id, "closed_at": now}
    made = await insert_once(conn, closings, values, unique=["escalation_id"], returning="escalation_id")
    if made is None:
        await conn.execute(update(closings).where(closings.c.escalation_id == escalation_id).values(**said))
    await _note(conn, escalation_id, "ended_as", staff_id, now, **said)


async def closing_of(conn: AsyncConnection, escalation_id: str) -> Closed | None:
    """How it ended; None while it is open, where she called it off, or where it ended before this was asked."""
    row = (await conn.execute(select(closings).where(closings.c.escalation_id == escalation_id))).one_or_none()
    return _closed(row) if row else None


async def closings_between(conn: AsyncConnection, since: datetime, until: datetime) -> list[Closed]:
    """Everything that was ended from the first instant on and before the second, for figures."""
    wanted = select(closings).where(closings.c.closed_at >= since, closings.c.closed_at < until)
    return [_closed(row) for row in await conn.execute(wanted.order_by(closings.c.closed_at))]


# --- What has just left an advisor -----------------------------------------------------------------------------------

_LEFT = frozenset({"taken_back", "handed_over"})  # what its former owner was told


async def left_lately(
    conn: AsyncConnection, staff_id: str, *, since: datetime, besides: datetime | None = None
) -> list[str]:
    """The escalations that ceased to be somebody's since then, and not by their own doing.

    Whoever is still writing to one of them must not be heard by another clinician. `besides` leaves out what left
    before that instant.
    """
    after = max(since, besides) if besides is not None else since
    table = store.escalations
    ended = select(table.c.id).where(table.c.owner_id == staff_id, table.c.closed_at > after)
    found = {row.id for row in await conn.execute(ended)}
    if found:
        own = select(closings.c.escalation_id).where(
            closings.c.escalation_id.in_(found), closings.c.closed_by == staff_id
        )
        found -= {row.escalation_id for row in await conn.execute(own)}
    for filed in await store.list_open(conn):
        if filed.escalation.owner == staff_id or filed.escalation.turn_of(staff_id) is None:
            continue
        told = (
            event
            for event in await store.history(conn, filed.id)
            if event.at > after and event.kind == "advisor_told" and event.details.get("staff") == staff_id
        )
        if any(event.details.get("word") in _LEFT for event in told):
            found.add(filed.id)
    return sorted(found)


# --- To be followed up -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FollowUp:
    """A day on which somebody wants to look at an escalation again."""

    escalation_id: str
    code: str
    conversation_id: str
    staff_id: str
    due_at: datetime
    reminded_at: datetime | None


_follow_ups_with_code = select(follow_ups, store.escalations.c.code, store.escalations.c.conversation_id).join(
    store.escalations, store.escalations.c.id == follow_ups.c.escalation_id
)


def _follow_up(row: AnyRow) -> FollowUp:
    return FollowUp(row.escalation_id, row.code, row.conversation_id, row.staff_id, row.due_at, row.reminded_at)


async def set_follow_up(
    conn: AsyncConnection, escalation_id: str, staff_id: str, due_at: datetime, now: datetime
) -> bool:
    """Have somebody look at it again then, in place of any earlier wish of theirs; False without such a case."""
    if await store.find(conn, escalation_id) is None:
        return False
    await conn.execute(delete(follow_ups).where(_this(escalation_id, staff_id)))
    await conn.execute(
        insert(follow_ups).values(escalation_id=escalation_id, staff_id=staff_id, due_at=due_at, set_at=now)
    )
    await _note(conn, escalation_id, "follow_up_set", staff_id, now, staff=staff_id, due=due_at.isoformat())
    return True


async def clear_follow_up(conn: AsyncConnection, escalation_id: str, staff_id: str, now: datetime) -> bool:
    """It was looked at, or need not be any more; False where there was nothing to clear."""
    gone = rows_touched(await conn.execute(delete(follow_ups).where(_this(escalation_id, staff_id))))
    if gone:
        await _note(conn, escalation_id, "follow_up_done", staff_id, now, staff=staff_id)
    return gone > 0


async def follow_ups_of(conn: AsyncConnection, staff_id: str, now: datetime) -> list[FollowUp]:
    """Everything that somebody wants to look at again, the soonest first; those whose time has come stand first."""
    wanted = _follow_ups_with_code.where(follow_ups.c.staff_id == staff_id)
    return [_follow_up(row) for row in await conn.execute(wanted.order_by(follow_ups.c.due_at))]


async def follow_ups_on(conn: AsyncConnection, escalation_id: str) -> list[FollowUp]:
    """Who wants to look at this escalation again, and when."""
    wanted = _follow_ups_with_code.where(follow_ups.c.escalation_id == escalation_id)
    return [_follow_up(row) for row in await conn.execute(wanted.order_by(follow_ups.c.due_at))]


async def unreminded(conn: AsyncConnection, now: datetime) -> list[FollowUp]:
    """Those whose time has come and of which nobody has been told."""
    wanted = _follow_ups_with_code.where(follow_ups.c.due_at <= now, follow_ups.c.reminded_at.is_(None))
    return [_follow_up(row) for row in await conn.execute(wanted.order_by(follow_ups.c.due_at))]


async def note_reminded(conn: AsyncConnection, reminded: FollowUp, now: datetime) -> bool:
    """Note that somebody was told; False where another process was quicker, or the day was moved."""
    same = _this(reminded.escalation_id, reminded.staff_id) & (follow_ups.c.due_at == reminded.due_at)
    done = await conn.execute(
        update(follow_ups).where(same, follow_ups.c.reminded_at.is_(None)).values(reminded_at=now)
    )
    return rows_touched(done) == 1


def _this(escalation_id: str, staff_id: str) -> ColumnElement[bool]:
    return (follow_ups.c.escalation_id == escalation_id) & (follow_ups.c.staff_id == staff_id)


# --- To be talked with -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Debrief:
    """Somebody who should be talked with after a hard conversation."""

    escalation_id: str
    code: str
    staff_id: str
    flagged_by: str
    flagged_at: datetime
    talked_by: str | None
    talked_at: datetime | None


_debriefs_with_code = select(debriefs, store.escalations.c.code).join(
    store.escalations, store.escalations.c.id == debriefs.c.escalation_id
)


def _debrief(row: AnyRow) -> Debrief:
    return Debrief(
        row.escalation_id,
        row.code,
        row.staff_id,
        row.flagged_by,
        row.flagged_at,
        row.talked_by,
        row.talked_at,
    )


async def flag_debrief(
    conn: AsyncConnection, escalation_id: str, staff_id: str, now: datetime, *, by: str | None = None
) -> bool:
    """Ask that somebody be talked with, oneself or a colleague; False where that was asked already."""
    if await store.find(conn, escalation_id) is None:
        return False
    values = {"escalation_id": escalation_id, "staff_id": staff_id, "flagged_by": by or staff_id, "flagged_at": now}
    unique = ["escalation_id", "staff_id"]
    made = await insert_once(conn, debriefs, values, unique=unique, returning="staff_id")
    if made is not None:
        await _note(conn, escalation_id, "debrief_flagged", by or staff_id, now, staff=staff_id)
    return made is not None


async def talked_through(conn: AsyncConnection, escalation_id: str, staff_id: str, by: str, now: datetime) -> bool:
    """A coordinator has talked with them; False where nobody asked for it, or it was done."""
    done = await conn.execute(
        update(debriefs)
        .where(
            debriefs.c.escalation_id == escalation_id,
            debriefs.c.staff_id == staff_id,
            debriefs.c.talked_at.is_(None),
        )
        .values(talked_by=by, talked_at=now)
    )
    if not rows_touched(done):
        return False
    await _note(conn, escalation_id, "debrief_talked_through", by, now, staff=staff_id)
    return True


async def open_debriefs(conn: AsyncConnection) -> list[Debrief]:
    """Who is still to be talked with, the longest waiting first."""
    wanted = _debriefs_with_code.where(debriefs.c.talked_at.is_(None))
    return [_debrief(row) for row in await conn.execute(wanted.order_by(debriefs.c.flagged_at))]


async def debriefs_on(conn: AsyncConnection, escalation_id: str) -> list[Debrief]:
    """Who was to be talked with after this escalation."""
    wanted = _debriefs_with_code.where(debriefs.c.escalation_id == escalation_id)
    return [_debrief(row) for row in await conn.execute(wanted.order_by(debriefs.c.flagged_at))]


# --- Forgetting ------------------------------------------------------------------------------------------------------


async def delete_orphans(conn: AsyncConnection) -> int:
    """Delete what its escalation has left behind; how many rows."""
    gone = 0
    for table in (closings, follow_ups, debriefs):
        left = select(store.escalations.c.id).where(store.escalations.c.id == table.c.escalation_id)
        gone += rows_touched(await conn.execute(delete(table).where(~left.exists())))
    return gone
