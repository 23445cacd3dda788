"""The tables of the rota beside the rosters themselves, and the queries on them.

What it keeps: leave; shifts offered, asked for and passed on; what was really on call; the secrets of calendar feeds
and what those calendars have shown; the holes that coordinators were told of. Rules stand in `leave`, `exchange`,
`duty`, `calendars` and `coverage`, and nothing here holds what anybody wrote. A leave has no reason, by intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, Index, Integer, String, UniqueConstraint, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation.roster import Span
from helpline.storage import AnyRow, BigId, UtcDateTime, execute_all, insert_once, rows_touched, table_of, wake

TOPIC = "rota"  # rung when rosters, leave or exchanges changed
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
