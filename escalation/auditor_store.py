"""What the auditor looks at and what it found: the tables beside `auditor.py`, and the queries on them.

Nothing here holds what anybody wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Boolean, String, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation import store
from escalation.auditor import Fate, Fault, PageSeen, Watched, What
from escalation.on_duty import Present
from escalation.store import PageState
from helpline import lease as leases
from helpline.outbox import OutboundRow, OutboundState
from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of

TOPIC = "audit"  # rung by nobody: the auditor looks by the clock alone

KEPT_FOR = timedelta(days=396)  # 13 months, as the escalations that they are about
LOOKS_BACK = timedelta(days=1)  # pages before that have long been answered, or given up
_TURN = "auditor"


class AuditTurnRow(SQLModel, table=True):
    """Whose turn it is to look: one row, so that of many processes one looks at a time. Kept for ever."""

    __tablename__ = "audit_turn"

    id: str = Field(primary_key=True, sa_type=String)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_token: str | None = Field(default=None, sa_type=String)
    beat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # when the world outside was last told


class AuditFaultRow(SQLModel, table=True):
    """Something that the auditor found wrong. Kept for 13 months after it was over; `delete_older`."""

    __tablename__ = "audit_fault"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    open_key: str | None = Field(default=None, unique=True, sa_type=String)  # escalation and fault, while it lasts
    escalation_id: str = Field(sa_type=String, index=True)
    what: str = Field(sa_type=String)
    healed: bool = Field(default=False, sa_type=Boolean)  # the auditor itself put it right
    found_at: datetime = Field(sa_type=UtcDateTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # when the coordinators heard of it
    over_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)


_turns = table_of(AuditTurnRow)
_faults = table_of(AuditFaultRow)
_posted = table_of(OutboundRow)
_FEW = 500  # of anything that is asked for by name in one statement


# --- Whose turn it is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """The right to look now, until the lease is over."""

    token: str
    beat_at: datetime | None


async def take_turn(conn: AsyncConnection, *, now: datetime, lease: timedelta) -> Turn | None:
    """Take the turn where it is due and nobody else has it."""
    await insert_once(conn, _turns, {"id": _TURN, "due_at": now}, unique=["id"])
    for row in await leases.claim(conn, _turns, now=now, lease=lease, limit=1):
        return Turn(row.lease_token, row.beat_at)
    return None


async def end_turn(conn: AsyncConnection, turn: Turn, *, due_at: datetime, beat_at: datetime | None) -> bool:
    """Look again then; False where the turn was lost meanwhile."""
    return await leases.finish(conn, _turns, _TURN, turn.token, {"due_at": due_at, "beat_at": beat_at})


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When it is time to look again."""
    return await leases.next_due(conn, _turns)


# --- What is looked at -----------------------------------------------------------------------------------------------


async def watched(conn: AsyncConnection, present: Present, now: datetime) -> list[Watched]:
    """Every open escalation, with its pages and what became of them."""
    open_now = list(await conn.execute(select(store.escalations).where(store.escalations.c.open_key.is_not(None))))
    codes = {row.id: row.code for row in open_now}
    pages: dict[str, list[AnyRow]] = {}
    for some in _in_turn(list(codes)):
        for row in await conn.execute(select(store.pages).where(store.pages.c.escalation_id.in_(some))):
            pages.setdefault(row.escalation_id, []).append(row)
    recent = [row for rows in pages.values() for row in rows if row.made_at > now - LOOKS_BACK]
    keys = {row.id: _key(row, codes[row.escalation_id]) for row in recent}
    posted: dict[str, OutboundState] = {}
    for some in _in_turn(sorted(set(keys.values()))):
        wanted = select(_posted.c.key, _posted.c.state).where(_posted.c.key.in_(some))
        posted |= {row.key: OutboundState(row.state) for row in await conn.execute(wanted)}
    return [_watched(row, pages.get(row.id, []), keys, posted, present) for row in open_now]


def _key(page: AnyRow, code: str) -> str:
    """The key of the message that carries a page: its own, or that of the bundle it went out in."""
    return f"page:{page.id}" if page.code == code else f"bundle:{page.code}"


def _watched(
    row: AnyRow, pages: Sequence[AnyRow], keys: Mapping[str, str], posted: Mapping[str, OutboundState], present: Present
) -> Watched:
    seen = tuple(
        PageSeen(page.number, page.rung, page.channel, page.made_at, _fate(page, posted.get(keys[page.id])))
        for page in pages
        if page.id in keys
    )
    try:
        escalation = store.from_json(row.standing)
    except ValueError:
        return Watched(row.id, None, row.due_at, seen, len(pages))
    owner = escalation.owner
    return Watched(
        id=row.id,
        escalation=escalation,
        filed_due_at=row.due_at,
        pages=seen,
        pages_kept=len(pages),
        owner_works=owner is None or owner in present.staff,
        owner_reachable=owner is None or any(not reach.stopped for reach in present.reaches.get(owner, ())),
    )


def _fate(page: AnyRow, posted: OutboundState | None) -> Fate:
    match PageState(page.state):
        case PageState.WITHDRAWN:
            return Fate.WITHDRAWN
        case PageState.SENT | PageState.DELIVERED:
            return Fate.CALLED
        case PageState.REFUSED:
            return Fate.NOTHING
        case PageState.MADE if page.channel == "desk":
            return Fate.CALLED
        case PageState.MADE | PageState.HELD_UP:
            pass
    match posted:
        case None:
            return Fate.UNPOSTED
        case OutboundState.WAITING | OutboundState.SENDING:
            return Fate.ON_ITS_WAY
        case OutboundState.SENT | OutboundState.DELIVERED:
            return Fate.CALLED  # and a machine may have answered: the ladder has gone on to the next way
        case OutboundState.GIVEN_UP:
            return Fate.NOTHING
        case OutboundState.WITHDRAWN:
            return Fate.WITHDRAWN


def _in_turn(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[at : at + _FEW] for at in range(0, len(names), _FEW))


# --- What was found --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FaultFiled:
    """A fault and when it was found, told and over."""

    id: int
    escalation_id: str
    what: What
    healed: bool
    found_at: datetime
    told_at: datetime | None
    over_at: datetime | None


def _filed(row: AnyRow) -> FaultFiled:
    return FaultFiled(row.id, row.escalation_id, What(row.what), row.healed, row.found_at, row.told_at, row.over_at)


async def open_faults(conn: AsyncConnection) -> list[FaultFiled]:
    """What is wrong and not over, the oldest first."""
    rows = await conn.execute(select(_faults).where(_faults.c.open_key.is_not(None)).order_by(_faults.c.id))
    return [_filed(row) for row in rows]


async def file_fault(conn: AsyncConnection, fault: Fault, now: datetime, *, healed: bool) -> bool:
    """Note a fault; False where it was known and is not over."""
    values = {
        "open_key": f"{fault.escalation_id}:{fault.what.value}",
        "escalation_id": fault.escalation_id,
        "what": fault.what.value,
        "healed": healed,
        "found_at": now,
    }
    return await insert_once(conn, _faults, values, unique=["open_key"]) is not None


_note_told = update(_faults).where(_faults.c.id == bindparam("which")).values(told_at=bindparam("at"))
_note_over = update(_faults).where(_faults.c.id == bindparam("which")).values(over_at=bindparam("at"), open_key=None)


async def note_told(conn: AsyncConnection, faults: Sequence[FaultFiled], now: datetime) -> None:
    """Note that the coordinators have heard of these."""
    for fault in faults:
        await conn.execute(_note_told, {"which": fault.id, "at": now})


async def note_over(conn: AsyncConnection, faults: Sequence[FaultFiled], now: datetime) -> None:
    """Note that these are over."""
    for fault in faults:
        await conn.execute(_note_over, {"which": fault.id, "at": now})


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 500) -> int:
    """Delete faults that were over before this instant; how many went."""
    old = select(_faults.c.id).where(_faults.c.over_at < before).limit(limit).scalar_subquery()
    return rows_touched(await conn.execute(delete(_faults).where(_faults.c.id.in_(old))))
