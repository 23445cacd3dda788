"""How each advisor is reached: their own rules, quiet hours, who answered from where, and the tests before shifts.

Addresses stand in `helpline/accounts.py`; here a contact is its id. No table here holds what anybody wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Boolean, Index, Integer, LargeBinary, String, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation.standing import Urgency
from helpline.storage import BigId, UtcDateTime, execute_all, table_of

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
