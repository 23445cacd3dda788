"""How each advisor is reached: their own rules, quiet hours, who answered from where, and the tests before shifts.

Addresses stand in `helpline/accounts.py`; here a contact is its id. No table here holds what anybody wrote.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Boolean, Index, Integer, LargeBinary, String, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation import store
from escalation.reach.quiet import QuietHours
from escalation.rota.roster import Window
from escalation.standing import Urgency
from helpline import lease as leases
from helpline.accounts import ContactMethodRow, StaffRow
from helpline.storage import AnyRow, BigId, UtcDateTime, execute_all, insert_once, rows_touched, table_of, wake

TOPIC = "reach"  # rung when anything about a test changed
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TESTS_KEPT_FOR = timedelta(days=90)


class PersonalRuleRow(SQLModel, table=True):
    """When a member of staff wants to be called where, in place of the house's rules. Kept until they change it."""

    __tablename__ = "personal_rule"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True)
    urgency: str = Field(sa_type=String)
    contact_id: int = Field(sa_type=BigId)
    after_seconds: int = Field(sa_type=Integer)


class QuietHoursRow(SQLModel, table=True):
    """When somebody is not to be woken, and who is woken in their place. Kept until they end it or leave."""

    __tablename__ = "quiet_hours"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True)
    starts: str = Field(sa_type=String)  # "22:00" on the clock where they are
    ends: str = Field(sa_type=String)  # not later than the start means the next day
    days: str = Field(sa_type=String)  # "mon,tue": the days on which it starts
    urgencies: str = Field(sa_type=String)  # "routine" or "routine,urgent"
    stand_in_id: str = Field(sa_type=String, index=True)
    made_at: datetime = Field(sa_type=UtcDateTime)
    agreed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # nobody stands in before they agreed


class LastAnswerRow(SQLModel, table=True):
    """When somebody last answered from a contact: a human is there. Kept as long as the contact."""

    __tablename__ = "last_answer"

    contact_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    staff_id: str = Field(sa_type=String, index=True)
    at: datetime = Field(sa_type=UtcDateTime)


class ReachTestRow(SQLModel, table=True):
    """A test of whether somebody is reached, before a shift or because it was asked for. Kept for 90 days."""

    __tablename__ = "reach_test"
    __table_args__ = (
        Index(
            "ix_reach_test_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_reach_test_staff", "staff_id", "made_at"),
    )

    id: str = Field(primary_key=True, sa_type=String)
    key: str = Field(unique=True, sa_type=String)  # person and shift, so that it exists once
    staff_id: str = Field(sa_type=String)
    roster: str = Field(default="", sa_type=String)  # nothing where somebody asked for it
    shift_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    code: str = Field(default="", sa_type=String, index=True)  # what is written back, once it was sent
    rounds: int = Field(default=0, sa_type=Integer)  # how often it was sent
    made_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_token: str | None = Field(default=None, sa_type=String)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told: bool = Field(default=False, sa_type=Boolean)  # the coordinators were told that it came to nothing


class TestedWayRow(SQLModel, table=True):
    """One contact that a test was sent to. Kept as long as the test."""

    __tablename__ = "tested_way"

    test_id: str = Field(primary_key=True, sa_type=String)
    contact_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    channel: str = Field(sa_type=String)
    sent_at: datetime = Field(sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class NumberToProveRow(SQLModel, table=True):
    """A telephone number to which a code was spoken, until it is typed. Kept until used or a day past its end."""

    __tablename__ = "number_to_prove"

    staff_id: str = Field(primary_key=True, sa_type=String)  # one at a time
    sealed_number: bytes = Field(sa_type=LargeBinary)
    code_hash: str = Field(sa_type=String)
    tries_left: int = Field(sa_type=Integer)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)


personal_rules = table_of(PersonalRuleRow)
quiet_hours = table_of(QuietHoursRow)
last_answers = table_of(LastAnswerRow)
tests = table_of(ReachTestRow)
tested_ways = table_of(TestedWayRow)
numbers = table_of(NumberToProveRow)
_contacts = table_of(ContactMethodRow)
_staff = table_of(StaffRow)


# --- Personal rules --------------------------------------------------------------------------------------------------

Rules = Sequence[tuple[int, timedelta]]  # contact, and how long after their turn began


async def set_rules(conn: AsyncConnection, staff_id: str, urgency: Urgency, rules: Rules) -> None:
    """When somebody wants to be called on which contact; no rules at all brings the house's back."""
    theirs = (personal_rules.c.staff_id == staff_id) & (personal_rules.c.urgency == urgency.value)
    await conn.execute(delete(personal_rules).where(theirs))
    rows = [
        {
            "staff_id": staff_id,
            "urgency": urgency.value,
            "contact_id": contact,
            "after_seconds": round(after.total_seconds()),
        }
        for contact, after in rules
    ]
    await execute_all(conn, insert(personal_rules), rows)


async def all_rules(conn: AsyncConnection) -> dict[tuple[str, Urgency], list[tuple[int, timedelta]]]:
    """Everybody's own rules, by person and urgency; who has none goes by the house's."""
    found: dict[tuple[str, Urgency], list[tuple[int, timedelta]]] = {}
    for row in await conn.execute(select(personal_rules).order_by(personal_rules.c.id)):
        rule = (row.contact_id, timedelta(seconds=row.after_seconds))
        found.setdefault((row.staff_id, Urgency(row.urgency)), []).append(rule)
    return found


async def rules_of(conn: AsyncConnection, staff_id: str) -> dict[Urgency, list[tuple[int, timedelta]]]:
    """Somebody's own rules; an urgency that is left out goes by the house's."""
    return {urgency: rules for (whose, urgency), rules in (await all_rules(conn)).items() if whose == staff_id}


# --- Quiet hours -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class QuietSpell:
    """Quiet hours as they are written down; which of them hold when is told in `quiet.py`."""

    id: int
    staff_id: str
    window: Window
    urgencies: frozenset[Urgency]
    stand_in_id: str
    made_at: datetime
    agreed_at: datetime | None

    def at(self, zone: ZoneInfo) -> QuietHours:
        """The same, where the person is."""
        return QuietHours(
            self.staff_id, self.stand_in_id, self.window, zone, self.urgencies, agreed=self.agreed_at is not None
        )


def _spell(row: AnyRow) -> QuietSpell:
    return QuietSpell(
        id=row.id,
        staff_id=row.staff_id,
        window=Window(
            time.fromisoformat(row.starts),
            time.fromisoformat(row.ends),
            frozenset(DAYS.index(day) for day in row.days.split(",")),
        ),
        urgencies=frozenset(Urgency(each) for each in row.urgencies.split(",")),
        stand_in_id=row.stand_in_id,
        made_at=row.made_at,
        agreed_at=row.agreed_at,
    )


async def all_quiet_hours(conn: AsyncConnection) -> list[QuietSpell]:
    """Everybody's, in the order they were made."""
    return [_spell(row) for row in await conn.execute(select(quiet_hours).order_by(quiet_hours.c.id))]


async def find_quiet_hours(conn: AsyncConnection, id_: int, *, lock: bool = False) -> QuietSpell | None:
    """The quiet hours of this id."""
    wanted = select(quiet_hours).where(quiet_hours.c.id == id_)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    return _spell(row) if row else None


async def add_quiet_hours(
    conn: AsyncConnection, staff_id: str, window: Window, urgencies: frozenset[Urgency], stand_in_id: str, now: datetime
) -> int:
    """Write down quiet hours, which hold once the stand-in has agreed; their id."""
    values = {
        "staff_id": staff_id,
        "starts": f"{window.start:%H:%M}",
        "ends": f"{window.end:%H:%M}",
        "days": ",".join(DAYS[day] for day in sorted(window.days)),
        "urgencies": ",".join(sorted(urgency.value for urgency in urgencies)),
        "stand_in_id": stand_in_id,
        "made_at": now,
    }
    made = await conn.execute(insert(quiet_hours).values(values).returning(quiet_hours.c.id))
    return int(made.scalar_one())


async def agree_to_quiet_hours(conn: AsyncConnection, id_: int, stand_in_id: str, now: datetime) -> bool:
    """The stand-in says yes; False where it is not hers to say, or said already."""
    hers = (quiet_hours.c.id == id_) & (quiet_hours.c.stand_in_id == stand_in_id) & quiet_hours.c.agreed_at.is_(None)
    return rows_touched(await conn.execute(update(quiet_hours).where(hers).values(agreed_at=now))) == 1


async def remove_quiet_hours(conn: AsyncConnection, id_: int, by: str) -> QuietSpell | None:
    """Whoever rests or whoever stands in ends it; what it was, or None where it is neither's."""
    theirs = (quiet_hours.c.staff_id == by) | (quiet_hours.c.stand_in_id == by)
    gone = await conn.execute(
        delete(quiet_hours).where(quiet_hours.c.id == id_, theirs).returning(*quiet_hours.columns)
    )
    row = gone.one_or_none()
    return _spell(row) if row else None


# --- Who answered from where, and tests ------------------------------------------------------------------------------


class TestState(StrEnum):
    """How a test stands."""

    __test__ = False  # for pytest, which would take the name for one of its own

    PLANNED = "planned"  # not sent
    SENT = "sent"  # somebody has yet to answer, on one way at least
    ANSWERED = "answered"  # on every way
    SILENT = "silent"  # no answer, and nobody waits for one any more
    TOO_LATE = "too_late"  # the shift became known so late that it would have woken them at night
    GONE = "gone"  # the shift is no longer theirs


@dataclass(frozen=True)
class Tried:
    """One contact that a test was sent to."""

    contact_id: int
    channel: str
    sent_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True)
class ReachTest:
    """A test of whether somebody is reached."""

    id: str
    staff_id: str
    roster: str
    shift_at: datetime | None
    state: TestState
    code: str
    rounds: int
    made_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    told: bool
    ways: tuple[Tried, ...] = ()

    @property
    def open(self) -> bool:
        """Whether an answer still counts, or it has yet to be sent."""
        return self.state in (TestState.PLANNED, TestState.SENT)

    @property
    def unanswered(self) -> tuple[Tried, ...]:
        """The ways on which nobody has answered."""
        return tuple(way for way in self.ways if way.answered_at is None)


async def _with_ways(conn: AsyncConnection, rows: Sequence[AnyRow]) -> list[ReachTest]:
    found: dict[str, list[Tried]] = {row.id: [] for row in rows}
    if found:
        wanted = select(tested_ways).where(tested_ways.c.test_id.in_(list(found)))
        for way in await conn.execute(wanted.order_by(tested_ways.c.contact_id)):
            found[way.test_id].append(Tried(way.contact_id, way.channel, way.sent_at, way.answered_at))
    return [
        ReachTest(
            id=row.id,
            staff_id=row.staff_id,
            roster=row.roster,
            shift_at=row.shift_at,
            state=TestState(row.state),
            code=row.code,
            rounds=row.rounds,
            made_at=row.made_at,
            due_at=row.due_at,
            ended_at=row.ended_at,
            told=row.told,
            ways=tuple(found[row.id]),
        )
        for row in rows
    ]


async def plan_test(
    conn: AsyncConnection,
    *,
    key: str,
    staff_id: str,
    now: datetime,
    due_at: datetime,
    roster: str = "",
    shift_at: datetime | None = None,
) -> str | None:
    """Write down a test that is to be sent; its id, or None where there is one with this key."""
    values = {
        "id": secrets.token_hex(8),
        "key": key,
        "staff_id": staff_id,
        "roster": roster,
        "shift_at": shift_at,
        "state": TestState.PLANNED.value,
        "code": "",
        "rounds": 0,
        "made_at": now,
        "due_at": due_at,
        "told": False,
    }
    made: str | None = await insert_once(conn, tests, values, unique=["key"])
    if made is not None:
        wake(conn, TOPIC)
    return made


async def known_keys(conn: AsyncConnection, keys: Iterable[str]) -> set[str]:
    """Those of these keys that have a test."""
    return set((await conn.execute(select(tests.c.key).where(tests.c.key.in_(list(keys))))).scalars())


async def claim_tests(conn: AsyncConnection, *, now: datetime, lease: timedelta, limit: int) -> list[ReachTest]:
    """Take tests whose time has come; until this transaction ends nobody else can."""
    return await _with_ways(conn, await leases.claim(conn, tests, now=now, lease=lease, limit=limit))


async def next_test_due(conn: AsyncConnection) -> datetime | None:
    """When the next test must be looked at."""
    return await leases.next_due(conn, tests)


async def save_test(
    conn: AsyncConnection,
    test_id: str,
    state: TestState,
    *,
    now: datetime,
    due_at: datetime | None = None,
    code: str | None = None,
    rounds: int | None = None,
    told: bool | None = None,
) -> None:
    """Write down how a test stands, which this transaction has claimed or locked."""
    ended = state not in (TestState.PLANNED, TestState.SENT)
    values: dict[str, Any] = {"state": state.value, "due_at": due_at, "lease_token": None}
    values |= {"ended_at": now} if ended else {}
    given = {"code": code, "rounds": rounds, "told": told}
    values |= {name: value for name, value in given.items() if value is not None}
    await conn.execute(update(tests).where(tests.c.id == test_id).values(values))
    wake(conn, TOPIC)


async def note_tried(conn: AsyncConnection, test_id: str, ways: Iterable[tuple[int, str]], now: datetime) -> None:
    """Note the contacts that a test was sent to, for the first time or again."""
    for contact_id, channel in ways:
        values = {"test_id": test_id, "contact_id": contact_id, "channel": channel, "sent_at": now}
        await insert_once(conn, tested_ways, values, unique=["test_id", "contact_id"], returning="contact_id")


async def open_tests_of(conn: AsyncConnection, staff_id: str, *, lock: bool = False) -> list[ReachTest]:
    """Somebody's tests that an answer still counts for, the latest sent first."""
    theirs = (tests.c.staff_id == staff_id) & (tests.c.state == TestState.SENT.value)
    wanted = select(tests).where(theirs).order_by(tests.c.made_at.desc(), tests.c.id)
    return await _with_ways(conn, (await conn.execute(wanted.with_for_update() if lock else wanted)).all())


async def find_test(conn: AsyncConnection, staff_id: str, code: str) -> ReachTest | None:
    """The test of theirs that is answered by this code, however long ago it was."""
    wanted = select(tests).where(tests.c.staff_id == staff_id, tests.c.code == code)
    found = await _with_ways(conn, (await conn.execute(wanted)).all())
    return found[0] if found else None


async def latest_tests(conn: AsyncConnection, *, since: datetime, staff_id: str | None = None) -> list[ReachTest]:
    """The tests of this time, the latest first; of everybody unless one is named."""
    wanted = select(tests).where(tests.c.made_at >= since).order_by(tests.c.made_at.desc(), tests.c.id)
    if staff_id is not None:
        wanted = wanted.where(tests.c.staff_id == staff_id)
    return await _with_ways(conn, (await conn.execute(wanted)).all())


async def note_answer(conn: AsyncConnection, staff_id: str, contact: str, now: datetime) -> None:
    """Somebody answered from this contact: it is theirs, it works, and a human is there.

    Whatever they answered, a test that waits for this contact is answered with it. The desk ("desk") is no contact.
    """
    if not contact.isdecimal():
        return
    contact_id = int(contact)
    values = {"contact_id": contact_id, "staff_id": staff_id, "at": now}
    if await insert_once(conn, last_answers, values, unique=["contact_id"], returning="contact_id") is None:
        later = (last_answers.c.contact_id == contact_id) & (last_answers.c.at < now)
        await conn.execute(update(last_answers).where(later).values(at=now, staff_id=staff_id))
    for test in await open_tests_of(conn, staff_id, lock=True):
        if contact_id not in {way.contact_id for way in test.unanswered}:
            continue
        this = (tested_ways.c.test_id == test.id) & (tested_ways.c.contact_id == contact_id)
        await conn.execute(update(tested_ways).where(this).values(answered_at=now))
        if len(test.unanswered) == 1:
            await save_test(conn, test.id, TestState.ANSWERED, now=now)
        else:
            wake(conn, TOPIC)


async def note_key(conn: AsyncConnection, recipient: str, now: datetime) -> None:
    """A key was pressed on a call to this number, named by its fingerprint: a human is there, and no machine."""
    theirs = (_contacts.c.channel == "call") & (_contacts.c.fingerprint == recipient)
    row = (await conn.execute(select(_contacts.c.id, _contacts.c.staff_id).where(theirs))).one_or_none()
    if row is not None:
        await note_answer(conn, row.staff_id, str(row.id), now)


async def answers(conn: AsyncConnection) -> dict[int, datetime]:
    """When somebody last answered from each contact."""
    rows = await conn.execute(select(last_answers.c.contact_id, last_answers.c.at))
    return {row.contact_id: row.at for row in rows}


async def lately_paged(
    conn: AsyncConnection, staff_ids: Iterable[str], since: datetime, now: datetime
) -> list[tuple[int, datetime]]:
    """The contacts that got a routine page after `since` and before now, and when."""
    p, e = store.pages.c, store.escalations.c
    wanted = (
        select(p.contact_id, func.max(p.made_at).label("at"))
        .join(store.escalations, e.id == p.escalation_id)
        .where(p.staff_id.in_(list(staff_ids)), p.made_at > since, p.made_at < now)
        .where(e.urgency == Urgency.ROUTINE.value, p.channel != "desk")
        .where(p.state.not_in([store.PageState.WITHDRAWN.value, store.PageState.REFUSED.value]))
        .group_by(p.contact_id)
    )
    return [(row.contact_id, row.at) for row in await conn.execute(wanted)]


# --- Numbers to prove ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NumberToProve:
    """A number to which a code was spoken."""

    sealed: bytes = field(repr=False)
    code_hash: str = field(repr=False)
    tries_left: int
    expires_at: datetime


async def ask_for_code(
    conn: AsyncConnection, staff_id: str, *, sealed: bytes, code_hash: str, tries: int, expires_at: datetime
) -> None:
    """Wait for the code that was spoken to this number; an earlier one is void."""
    await forget_number(conn, staff_id)
    values = {"sealed_number": sealed, "code_hash": code_hash, "tries_left": tries, "expires_at": expires_at}
    await conn.execute(insert(numbers).values(staff_id=staff_id, **values))


async def number_to_prove(conn: AsyncConnection, staff_id: str, *, now: datetime) -> NumberToProve | None:
    """The number that waits for its code, where there is time and a try left."""
    theirs = (numbers.c.staff_id == staff_id) & (numbers.c.expires_at > now) & (numbers.c.tries_left > 0)
    row = (await conn.execute(select(numbers).where(theirs))).one_or_none()
    return NumberToProve(row.sealed_number, row.code_hash, row.tries_left, row.expires_at) if row else None


async def try_code(conn: AsyncConnection, staff_id: str, *, now: datetime) -> NumberToProve | None:
    """The same, with one try fewer: counted before it is judged, so that a hundred at once are a hundred."""
    theirs = (numbers.c.staff_id == staff_id) & (numbers.c.expires_at > now) & (numbers.c.tries_left > 0)
    used = update(numbers).where(theirs).values(tries_left=numbers.c.tries_left - 1).returning(*numbers.columns)
    row = (await conn.execute(used)).one_or_none()
    return NumberToProve(row.sealed_number, row.code_hash, row.tries_left, row.expires_at) if row else None


async def forget_number(conn: AsyncConnection, staff_id: str) -> None:
    """Wait for no code any more."""
    await conn.execute(delete(numbers).where(numbers.c.staff_id == staff_id))


# --- Forgetting ------------------------------------------------------------------------------------------------------


async def delete_older(conn: AsyncConnection, *, now: datetime) -> int:
    """Delete what has been kept long enough, and what belongs to contacts and people that are gone; how many tests."""
    old = select(tests.c.id).where(tests.c.made_at < now - TESTS_KEPT_FOR).limit(500)
    ids = list((await conn.execute(old)).scalars())
    if ids:
        # A code means one thing for as long as the message that holds it may be looked at.
        codes = select(tests.c.code).where(tests.c.id.in_(ids), tests.c.code != "")
        await conn.execute(delete(store.reply_codes).where(store.reply_codes.c.code.in_(codes)))
        await conn.execute(delete(tested_ways).where(tested_ways.c.test_id.in_(ids)))
        await conn.execute(delete(tests).where(tests.c.id.in_(ids)))
    await conn.execute(delete(numbers).where(numbers.c.expires_at < now - timedelta(days=1)))
    for table in (personal_rules, last_answers):
        await conn.execute(delete(table).where(table.c.contact_id.not_in(select(_contacts.c.id))))
    here = select(_staff.c.id).where(_staff.c.active)
    for whose in (quiet_hours.c.staff_id, quiet_hours.c.stand_in_id):
        await conn.execute(delete(quiet_hours).where(whose.not_in(here)))
    return len(ids)
