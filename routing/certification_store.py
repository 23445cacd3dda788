"""The folder of each provider: its activity profile, visits, action plan, trainings, yearly checks and decisions.

What somebody wrote is sealed under the provider's own key; what is counted (rows, verdicts, days) is plain, so that who
is certified can be worked out without opening anything. The rules are those of `routing/certification.py`.
Every change is in the trail under `provider:ID`, with numbers and codes and nobody's words.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Boolean, Date, ForeignKey, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from helpline.storage import BigId, UtcDateTime

_PROVIDER = "provider.organisation_id"


class ProviderRow(SQLModel, table=True):
    """An organisation of the directory that is, or wants to be, certified. Kept until three years after it left
    (`delete_left`), with everything in its folder; none of it says anything of a patient."""

    __tablename__ = "provider"

    organisation_id: str = Field(primary_key=True, sa_type=String)
    country: str = Field(sa_type=String)
    name: str = Field(sa_type=String)  # of the organisation, as the directory had it last
    began_at: datetime = Field(sa_type=UtcDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProviderProfileRow(SQLModel, table=True):
    """One state of an activity profile. An accepted one is never changed. Kept as long as the provider."""

    __tablename__ = "provider_profile"
    __table_args__ = (UniqueConstraint("organisation_id", "number"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, sa_column_args=(ForeignKey(_PROVIDER),))
    number: int = Field(sa_type=Integer)  # 1 for the first
    state: str = Field(sa_type=String)
    version: int = Field(sa_type=Integer)  # grows with each saving, so that two tabs are noticed
    answers: str = Field(sa_type=Text)  # JSON by row: offered, who does it, for whom, where, what
    areas: str = Field(sa_type=Text)  # JSON: where it works, for the rows that say nothing else
    comments: bytes = Field(sa_type=LargeBinary)  # sealed JSON by row
    returned: bytes | None = Field(default=None, sa_type=LargeBinary)  # sealed: why a coordinator gave it back
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    accepted_by: str | None = Field(default=None, sa_type=String)
    accepted_on: date | None = Field(default=None, sa_type=Date)


class ProviderVisitRow(SQLModel, table=True):
    """A visit against the minimum requirements. A closed one is never changed. Kept as long as the provider."""

    __tablename__ = "provider_visit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    visited_on: date = Field(sa_type=Date)
    version: int = Field(sa_type=Integer)
    verdicts: str = Field(sa_type=Text)  # JSON by requirement
    words: bytes = Field(sa_type=LargeBinary)  # sealed JSON: visitors, and answer and recommendation by requirement
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    closed_by: str | None = Field(default=None, sa_type=String)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProviderActionRow(SQLModel, table=True):
    """One item of an action plan. Kept as long as the provider."""

    __tablename__ = "provider_action"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    requirement: str = Field(default="", sa_type=String)  # its key, where the item answers one
    words: bytes = Field(sa_type=LargeBinary)  # sealed JSON: what, and whose it is
    due_on: date = Field(sa_type=Date)
    state: str = Field(sa_type=String)
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    done_on: date | None = Field(default=None, sa_type=Date)


class ProviderTrainingRow(SQLModel, table=True):
    """A training or exchange of experience that a provider attended. Kept as long as the provider."""

    __tablename__ = "provider_training"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    attended_on: date = Field(sa_type=Date)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: which it was
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)


class ProviderCheckRow(SQLModel, table=True):
    """A yearly check. Kept as long as the provider."""

    __tablename__ = "provider_check"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    checked_on: date = Field(sa_type=Date)
    values_hold: bool = Field(sa_type=Boolean)
    requirements_hold: bool = Field(sa_type=Boolean)
    cases_hold: bool = Field(sa_type=Boolean)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: a note
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)


class ProviderDecisionRow(SQLModel, table=True):
    """That a certification is given or taken back: proposed by one, settled by another. Kept as long as the provider."""

    __tablename__ = "provider_decision"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    kind: str = Field(sa_type=String)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: why
    proposed_by: str = Field(sa_type=String)
    proposed_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    settled_by: str | None = Field(default=None, sa_type=String)
    settled_on: date | None = Field(default=None, sa_type=Date)


class ProviderMemberRow(SQLModel, table=True):
    """Whose certification a provider's sign-in sees. Kept as long as the provider."""

    __tablename__ = "provider_member"

    staff_id: str = Field(primary_key=True, sa_type=String)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(_PROVIDER),))
    since: datetime = Field(sa_type=UtcDateTime)
