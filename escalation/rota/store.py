"""The tables of the rota beside the rosters themselves, and the queries on them.

What it keeps: leave; shifts offered, asked for and passed on; what was really on call; the secrets of calendar feeds
and what those calendars have shown; the holes that coordinators were told of. Rules stand in `leave`, `exchange`,
`duty`, `calendars` and `coverage`, and nothing here holds what anybody wrote. A leave has no reason, by intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Boolean, Index, Integer, String, UniqueConstraint, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation import store
from escalation.rota.coverage import Hole
from escalation.rota.duty import Recorded
from escalation.rota.exchange import Exchange, Kind, State
from escalation.rota.plan import Plan, Version
from escalation.rota.roster import Shift, Span
from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of, wake

KEPT_FOR = timedelta(days=396)  # 13 months: a year's report, and the month in which it is written
EVENTS_KEPT_FOR = timedelta(days=60)  # of a calendar entry, after it ended


class LeaveRow(SQLModel, table=True):
    """One time away of a member of staff. Kept for 13 months after it ended; `delete_older`."""

    __tablename__ = "leave"
    __table_args__ = (
        UniqueConstraint("staff_id", "uid"),
        Index("ix_leave_ends", "ends_at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String)
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    uid: str | None = Field(default=None, sa_type=String)  # of the calendar entry it was imported from
    asked_by: str = Field(sa_type=String)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    decided_by: str | None = Field(default=None, sa_type=String)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ExchangeRow(SQLModel, table=True):
    """A shift offered, asked for or swapped, and what came of it. Kept for 13 months after it; `delete_older`."""

    __tablename__ = "shift_exchange"
    __table_args__ = (Index("ix_shift_exchange_state", "state", "starts_at"),)

    id: str = Field(primary_key=True, sa_type=String)
    kind: str = Field(sa_type=String)
    roster: str = Field(sa_type=String)
    holder: str = Field(sa_type=String)  # whose shift it is
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    taker: str | None = Field(default=None, sa_type=String)  # who is to have it; None: whoever says yes first
    back_starts_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # of the shift given for it
    back_ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    answered_by: str | None = Field(default=None, sa_type=String)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DutyRecordRow(SQLModel, table=True):
    """Who was on call from when to when, as the line saw it at the time. Kept for 13 months; `delete_older`."""

    __tablename__ = "duty_record"
    __table_args__ = (UniqueConstraint("roster", "starts_at"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    roster: str = Field(sa_type=String)
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)  # up to here we can speak for it; the last one grows
    people: str = Field(sa_type=String)  # staff ids with commas
    seen: bool = Field(sa_type=Boolean)  # False: the line was not running, and this is what was planned


class CalendarFeedRow(SQLModel, table=True):
    """The secret of one calendar feed, as a hash. Kept until its owner makes it void or leaves."""

    __tablename__ = "calendar_feed"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True)
    whole: bool = Field(sa_type=Boolean)  # everybody's shifts, not only the owner's
    hash: str = Field(sa_type=String, unique=True)
    made_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CalendarEventRow(SQLModel, table=True):
    """A shift as calendars have shown it, so that each change of it has its number. Kept for 60 days after it ended."""

    __tablename__ = "calendar_event"
    __table_args__ = (Index("ix_calendar_event_ends", "ends_at"),)

    uid: str = Field(primary_key=True, sa_type=String)
    roster: str = Field(sa_type=String)
    staff_id: str = Field(sa_type=String)
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    sequence: int = Field(default=0, sa_type=Integer)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    gone: bool = Field(default=False, sa_type=Boolean)  # it no longer is; calendars show it as cancelled


class RosterHoleRow(SQLModel, table=True):
    """A stretch without anybody that coordinators know of. Kept until it is filled or past."""

    __tablename__ = "roster_hole"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    roster: str = Field(sa_type=String, index=True)
    language: str = Field(default="", sa_type=String)  # the one nobody speaks; empty: nobody at all
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told_near_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    accepted_by: str | None = Field(default=None, sa_type=String)  # who said that they know and have a plan
    accepted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


leaves = table_of(LeaveRow)
exchanges = table_of(ExchangeRow)
duty_records = table_of(DutyRecordRow)
feeds = table_of(CalendarFeedRow)
calendar_events = table_of(CalendarEventRow)
roster_holes = table_of(RosterHoleRow)

# --- The rosters through time ----------------------------------------------------------------------------------------


async def plans(
    conn: AsyncConnection, since: datetime, until: datetime, *, leave: Sequence[Leave] | None = None
) -> tuple[Plan, ...]:
    """Every roster as it holds from `since` to `until`, with the leave that has been granted (where it is known)."""
    known = leave if leave is not None else await granted(conn, since, until)
    away = tuple(Shift(each.staff_id, each.span) for each in known)
    return tuple(
        Plan(name, tuple(_version(roster, away) for roster in versions))
        for name, versions in sorted((await store.versions_between(conn, since, until)).items())
    )


def _version(roster: store.Roster, away: tuple[Shift, ...]) -> Version:
    assert roster.valid_from is not None
    return Version(
        roster.valid_from,
        ZoneInfo(roster.zone),
        replace(roster.schedule, away=away),
        roster.languages,
        roster.fallback,
        roster.starter,
        roster.ended,
    )


# --- Leave -----------------------------------------------------------------------------------------------------------


class LeaveState(StrEnum):
    """What became of a leave."""

    ASKED = "asked"  # waits for a coordinator, and changes nothing
    GRANTED = "granted"  # holds: they are not on call in it
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Leave:
    """One time away. Why is nobody's business here."""

    id: int
    staff_id: str
    span: Span
    state: LeaveState
    uid: str | None
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def stands(self) -> bool:
        """Whether it holds or may come to."""
        return self.state in (LeaveState.ASKED, LeaveState.GRANTED)


def _leave(row: AnyRow) -> Leave:
    return Leave(
        row.id,
        row.staff_id,
        Span(row.starts_at, row.ends_at),
        LeaveState(row.state),
        row.uid,
        row.asked_by,
        row.asked_at,
        row.decided_by,
        row.decided_at,
    )


async def insert_leave(
    conn: AsyncConnection,
    *,
    staff_id: str,
    span: Span,
    state: LeaveState,
    by: str,
    now: datetime,
    uid: str | None = None,
) -> Leave:
    """Note a leave."""
    decided = state is not LeaveState.ASKED
    values = {
        "staff_id": staff_id,
        "starts_at": span.start,
        "ends_at": span.end,
        "state": state.value,
        "uid": uid,
        "asked_by": by,
        "asked_at": now,
        "decided_by": by if decided else None,
        "decided_at": now if decided else None,
    }
    return _leave((await conn.execute(insert(leaves).values(values).returning(leaves))).one())


async def change_leave(
    conn: AsyncConnection, leave_id: int, *, state: LeaveState, by: str, now: datetime, span: Span | None = None
) -> Leave:
    """Note what became of it, and where it was imported anew, when it is now."""
    values: dict[str, Any] = {"state": state.value, "decided_by": by, "decided_at": now}
    if span is not None:
        values |= {"starts_at": span.start, "ends_at": span.end}
    changed = update(leaves).where(leaves.c.id == leave_id).values(values).returning(leaves)
    return _leave((await conn.execute(changed)).one())


async def find_leave(conn: AsyncConnection, leave_id: int, *, lock: bool = False) -> Leave | None:
    """The leave of this number."""
    wanted = select(leaves).where(leaves.c.id == leave_id)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    return _leave(row) if row else None


async def leave_of(conn: AsyncConnection, staff_id: str, *, since: datetime | None = None) -> list[Leave]:
    """All leave of somebody that ends after `since`, whatever became of it, in the order it begins."""
    wanted = select(leaves).where(leaves.c.staff_id == staff_id)
    if since is not None:
        wanted = wanted.where(leaves.c.ends_at > since)
    return [_leave(row) for row in await conn.execute(wanted.order_by(leaves.c.starts_at, leaves.c.id))]


async def all_leave(
    conn: AsyncConnection, since: datetime, until: datetime, *, states: Iterable[LeaveState] = tuple(LeaveState)
) -> list[Leave]:
    """Everybody's leave that touches this time, in the order it begins."""
    touching = (leaves.c.starts_at < until) & (leaves.c.ends_at > since)
    wanted = select(leaves).where(touching, leaves.c.state.in_([state.value for state in states]))
    return [_leave(row) for row in await conn.execute(wanted.order_by(leaves.c.starts_at, leaves.c.id))]


async def granted(conn: AsyncConnection, since: datetime, until: datetime) -> list[Leave]:
    """The leave that holds and touches this time, the bounds included."""
    touching = (leaves.c.starts_at <= until) & (leaves.c.ends_at > since)
    rows = await conn.execute(select(leaves).where(touching, leaves.c.state == LeaveState.GRANTED.value))
    return [_leave(row) for row in rows]


# --- Exchanges -------------------------------------------------------------------------------------------------------


def _exchange(row: AnyRow) -> Exchange:
    back = Span(row.back_starts_at, row.back_ends_at) if row.back_starts_at is not None else None
    return Exchange(
        id=row.id,
        kind=Kind(row.kind),
        roster=row.roster,
        holder=row.holder,
        span=Span(row.starts_at, row.ends_at),
        taker=row.taker,
        back=back,
        state=State(row.state),
        made_by=row.made_by,
        made_at=row.made_at,
        answered_by=row.answered_by,
        answered_at=row.answered_at,
    )


async def insert_exchange(conn: AsyncConnection, made: Exchange) -> None:
    """Note an offer."""
    values = {
        "id": made.id,
        "kind": made.kind.value,
        "roster": made.roster,
        "holder": made.holder,
        "starts_at": made.span.start,
        "ends_at": made.span.end,
        "taker": made.taker,
        "back_starts_at": made.back.start if made.back is not None else None,
        "back_ends_at": made.back.end if made.back is not None else None,
        "state": made.state.value,
        "made_by": made.made_by,
        "made_at": made.made_at,
    }
    await conn.execute(insert(exchanges).values(values))


async def answer_exchange(
    conn: AsyncConnection, exchange_id: str, *, state: State, by: str, now: datetime, taker: str | None = None
) -> Exchange:
    """Note what came of it."""
    values: dict[str, Any] = {"state": state.value, "answered_by": by, "answered_at": now}
    if taker is not None:
        values["taker"] = taker
    changed = update(exchanges).where(exchanges.c.id == exchange_id).values(values).returning(exchanges)
    return _exchange((await conn.execute(changed)).one())


async def find_exchange(conn: AsyncConnection, exchange_id: str, *, lock: bool = False) -> Exchange | None:
    """The offer of this id; `lock` before answering it."""
    wanted = select(exchanges).where(exchanges.c.id == exchange_id)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    return _exchange(row) if row else None


async def open_exchanges(conn: AsyncConnection) -> list[Exchange]:
    """All that wait for an answer, by when the shift begins."""
    wanted = select(exchanges).where(exchanges.c.state == State.OPEN.value)
    return [_exchange(row) for row in await conn.execute(wanted.order_by(exchanges.c.starts_at, exchanges.c.id))]


async def lock_open_exchanges(conn: AsyncConnection) -> list[Exchange]:
    """All that wait for an answer, by when the shift begins; nobody else answers them until the transaction ends."""
    # Locked in the order of their ids, and read again once locked: one that was answered meanwhile is left out.
    wanted = select(exchanges).where(exchanges.c.state == State.OPEN.value).order_by(exchanges.c.id).with_for_update()
    found = [_exchange(row) for row in await conn.execute(wanted)]
    return sorted(found, key=lambda each: (each.span.start, each.id))


async def exchanges_of(conn: AsyncConnection, staff_id: str, *, since: datetime) -> list[Exchange]:
    """All offers that somebody made or was named in, of shifts that end after `since`, the latest made first."""
    theirs = or_(exchanges.c.holder == staff_id, exchanges.c.taker == staff_id, exchanges.c.made_by == staff_id)
    wanted = select(exchanges).where(theirs, exchanges.c.ends_at > since)
    return [_exchange(row) for row in await conn.execute(wanted.order_by(exchanges.c.made_at.desc(), exchanges.c.id))]


async def lock_roster(conn: AsyncConnection, name: str) -> None:
    """Keep everybody else from changing this roster until the transaction ends.

    Whoever also answers an offer of shifts takes this lock first: in one order nobody waits for each other.
    """
    rows = store.roster_versions
    await conn.execute(select(rows.c.id).where(rows.c.name == name).order_by(rows.c.id).with_for_update())


@dataclass(frozen=True)
class Saved:
    """A version of a roster as it was written."""

    name: str
    zone: str
    definition: Mapping[str, Any]
    valid_from: datetime
    languages: tuple[str, ...]
    fallback: str | None
    ended: bool = False


async def versions_ahead(conn: AsyncConnection, name: str, now: datetime) -> list[Saved]:
    """The version of a roster that holds now and those saved for later, in the order in which they hold."""
    rows = store.roster_versions
    in_order = select(rows).where(rows.c.name == name, store.counts).order_by(rows.c.valid_from, rows.c.id)
    holding: AnyRow | None = None
    later: dict[datetime, AnyRow] = {}
    for row in await conn.execute(in_order):
        if row.valid_from <= now:
            holding = row
        else:
            later[row.valid_from] = row  # of two that begin together, the later saved
    return [
        Saved(
            row.name,
            row.zone,
            orjson.loads(row.definition),
            row.valid_from,
            tuple(row.languages.split(",")) if row.languages else (),
            row.fallback,
            row.ended,
        )
        for row in (holding, *later.values())
        if row is not None
    ]


# --- What really was -------------------------------------------------------------------------------------------------


def _recorded(row: AnyRow) -> Recorded:
    people = tuple(row.people.split(",")) if row.people else ()
    return Recorded(row.roster, Span(row.starts_at, row.ends_at), people, row.seen)


async def last_edit(conn: AsyncConnection) -> datetime | None:
    """When a roster or a leave was last changed."""
    saved = (await conn.execute(select(func.max(store.roster_versions.c.saved_at)))).scalar_one_or_none()
    decided = (await conn.execute(select(func.max(leaves.c.decided_at)))).scalar_one_or_none()
    return max((at for at in (saved, decided) if at is not None), default=None)


async def one_at_a_time(conn: AsyncConnection) -> None:
    """Keep other processes from doing the rota's clockwork until the transaction ends."""
    rows = store.roster_versions
    await conn.execute(select(rows.c.id).order_by(rows.c.id).limit(1).with_for_update())


async def last_records(conn: AsyncConnection) -> dict[str, Recorded]:
    """The latest record of each roster."""
    latest = select(func.max(duty_records.c.id)).group_by(duty_records.c.roster)
    wanted = select(duty_records).where(duty_records.c.id.in_(latest)).order_by(duty_records.c.id)
    return {row.roster: _recorded(row) for row in await conn.execute(wanted)}


async def write_record(conn: AsyncConnection, record: Recorded) -> None:
    """Note who was on call; a record that has begun already is carried on."""
    known = (duty_records.c.roster == record.roster) & (duty_records.c.starts_at == record.span.start)
    values = {"ends_at": record.span.end, "people": ",".join(record.people), "seen": record.seen}
    if rows_touched(await conn.execute(update(duty_records).where(known).values(values))) == 0:
        begun = {"roster": record.roster, "starts_at": record.span.start}
        await conn.execute(insert(duty_records).values({**begun, **values}))


async def recorded_at(conn: AsyncConnection, at: datetime) -> dict[str, Recorded]:
    """What was recorded for the instant, by roster."""
    wanted = select(duty_records).where(duty_records.c.starts_at <= at, duty_records.c.ends_at > at)
    return {row.roster: _recorded(row) for row in await conn.execute(wanted)}


async def recorded_between(conn: AsyncConnection, roster: str, since: datetime, until: datetime) -> list[Recorded]:
    """What was recorded for this time, in order."""
    touching = (duty_records.c.starts_at < until) & (duty_records.c.ends_at > since)
    wanted = select(duty_records).where(duty_records.c.roster == roster, touching)
    return [_recorded(row) for row in await conn.execute(wanted.order_by(duty_records.c.starts_at))]


# --- Calendar feeds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Feed:
    """A calendar feed as its owner sees it in the list; what opens it is not in it."""

    id: int
    staff_id: str
    whole: bool
    made_at: datetime
    used_at: datetime | None


def _feed(row: AnyRow) -> Feed:
    return Feed(row.id, row.staff_id, row.whole, row.made_at, row.used_at)


async def insert_feed(conn: AsyncConnection, *, staff_id: str, whole: bool, hash_: str, now: datetime) -> Feed:
    """Note a feed's secret, as a hash."""
    values = {"staff_id": staff_id, "whole": whole, "hash": hash_, "made_at": now}
    return _feed((await conn.execute(insert(feeds).values(values).returning(feeds))).one())


async def find_feed(conn: AsyncConnection, hash_: str) -> Feed | None:
    """The feed that this hash opens."""
    row = (await conn.execute(select(feeds).where(feeds.c.hash == hash_))).one_or_none()
    return _feed(row) if row else None


async def feeds_of(conn: AsyncConnection, staff_id: str) -> list[Feed]:
    """Somebody's feeds, the oldest first."""
    rows = await conn.execute(select(feeds).where(feeds.c.staff_id == staff_id).order_by(feeds.c.id))
    return [_feed(row) for row in rows]


async def note_feed_used(conn: AsyncConnection, feed_id: int, now: datetime) -> None:
    """Note that a calendar has asked."""
    await conn.execute(update(feeds).where(feeds.c.id == feed_id).values(used_at=now))


async def delete_feed(conn: AsyncConnection, staff_id: str, feed_id: int) -> bool:
    """Make a feed void; False where it is not theirs or gone."""
    gone = await conn.execute(delete(feeds).where(feeds.c.id == feed_id, feeds.c.staff_id == staff_id))
    return rows_touched(gone) == 1


async def delete_feeds_except(conn: AsyncConnection, staff_ids: Iterable[str]) -> int:
    """Make the feeds of everybody else void; how many."""
    return rows_touched(await conn.execute(delete(feeds).where(feeds.c.staff_id.not_in(list(staff_ids)))))


@dataclass(frozen=True)
class Shown:
    """A shift as calendars have shown it."""

    uid: str
    roster: str
    staff_id: str
    span: Span
    sequence: int
    changed_at: datetime
    gone: bool


async def shown_events(conn: AsyncConnection, *, until_after: datetime, staff_id: str | None = None) -> list[Shown]:
    """What calendars were shown of shifts that end after this, in order."""
    wanted = select(calendar_events).where(calendar_events.c.ends_at > until_after)
    if staff_id is not None:
        wanted = wanted.where(calendar_events.c.staff_id == staff_id)
    rows = await conn.execute(wanted.order_by(calendar_events.c.starts_at, calendar_events.c.uid))
    return [
        Shown(
            row.uid, row.roster, row.staff_id, Span(row.starts_at, row.ends_at), row.sequence, row.changed_at, row.gone
        )
        for row in rows
    ]


async def write_events(conn: AsyncConnection, shown: Sequence[Shown]) -> None:
    """Keep how these are shown from now on."""
    for each in shown:
        values = {
            "roster": each.roster,
            "staff_id": each.staff_id,
            "starts_at": each.span.start,
            "ends_at": each.span.end,
            "sequence": each.sequence,
            "changed_at": each.changed_at,
            "gone": each.gone,
        }
        known = update(calendar_events).where(calendar_events.c.uid == each.uid).values(values)
        if rows_touched(await conn.execute(known)) == 0:
            await insert_once(conn, calendar_events, {"uid": each.uid, **values}, unique=["uid"], returning="uid")


# --- Holes that somebody was told of ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class KnownHole:
    """A hole that coordinators were told of, or have said that they know."""

    id: int
    roster: str
    language: str | None
    span: Span
    told_at: datetime | None
    told_near_at: datetime | None
    accepted_by: str | None
    accepted_at: datetime | None

    def is_of(self, hole: Hole) -> bool:
        """Whether this is the same hole, though it may have grown, shrunk or come nearer."""
        return (self.roster, self.language) == (hole.roster, hole.language) and self.span.overlaps(hole.span)


async def known_holes(conn: AsyncConnection) -> list[KnownHole]:
    """All holes that somebody knows of."""
    return [
        KnownHole(
            row.id,
            row.roster,
            row.language or None,
            Span(row.starts_at, row.ends_at),
            row.told_at,
            row.told_near_at,
            row.accepted_by,
            row.accepted_at,
        )
        for row in await conn.execute(select(roster_holes).order_by(roster_holes.c.id))
    ]


async def write_hole(conn: AsyncConnection, hole: Hole, known: KnownHole | None, **noted: object) -> None:
    """Note what was told or said of a hole, and as far as it reaches now."""
    start = min(hole.span.start, known.span.start) if known is not None else hole.span.start
    values = {"starts_at": start, "ends_at": hole.span.end, **noted}
    if known is None:
        named = {"roster": hole.roster, "language": hole.language or ""}
        await conn.execute(insert(roster_holes).values({**named, **values}))
    else:
        await conn.execute(update(roster_holes).where(roster_holes.c.id == known.id).values(values))


async def delete_holes(conn: AsyncConnection, ids: Iterable[int]) -> None:
    """Forget holes that are filled or past."""
    await conn.execute(delete(roster_holes).where(roster_holes.c.id.in_(list(ids))))


# --- Forgetting ------------------------------------------------------------------------------------------------------


async def delete_older(conn: AsyncConnection, now: datetime) -> int:
    """Delete what the tables say is kept no longer; how many rows."""
    before = now - KEPT_FOR
    gone = 0
    for table in (leaves, exchanges, duty_records):
        gone += rows_touched(await conn.execute(delete(table).where(table.c.ends_at < before)))
    old_events = delete(calendar_events).where(calendar_events.c.ends_at < now - EVENTS_KEPT_FOR)
    return gone + rows_touched(await conn.execute(old_events))


def rota_changed(conn: AsyncConnection) -> None:
    """Have what follows from the rota looked at again, once this transaction is on disk."""
    wake(conn, store.ROTA_TOPIC)
