"""What a certification rests on: trainings, yearly checks, and the decisions of two coordinators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from sqlalchemy import Boolean, Date, ForeignKey, LargeBinary, String, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import AnyRow, BigId, UtcDateTime, table_of
from helpline.vault import SubjectKey, Vault
from routing.certification import profile_store
from routing.certification.provider_store import (
    PROVIDER,
    AlreadyProposed,
    ChangedMeanwhile,
    NoSuchThing,
    SamePerson,
    by_provider,
    count_open,
    enter,
    hold,
    hold_open,
    record,
    seal,
    unseal,
)
from routing.certification.standing import Check, Decision, DecisionKind, DecisionState


class ProviderTrainingRow(SQLModel, table=True):
    """A training or exchange of experience that a provider attended. Kept as long as the provider."""

    __tablename__ = "provider_training"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    attended_on: date = Field(sa_type=Date)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: which it was
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    form_id: str | None = Field(default=None, index=True, unique=True, sa_type=String)  # one form makes one of these


class ProviderCheckRow(SQLModel, table=True):
    """A yearly check. Kept as long as the provider."""

    __tablename__ = "provider_check"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    checked_on: date = Field(sa_type=Date)
    values_hold: bool = Field(sa_type=Boolean)
    requirements_hold: bool = Field(sa_type=Boolean)
    cases_hold: bool = Field(sa_type=Boolean)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: a note
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    form_id: str | None = Field(default=None, index=True, unique=True, sa_type=String)  # one form makes one of these


class ProviderDecisionRow(SQLModel, table=True):
    """That a certification is given or taken back: proposed by one, settled by another. Kept like the provider."""

    __tablename__ = "provider_decision"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    kind: str = Field(sa_type=String)
    words: bytes = Field(sa_type=LargeBinary)  # sealed: why
    proposed_by: str = Field(sa_type=String)
    proposed_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    settled_by: str | None = Field(default=None, sa_type=String)
    settled_on: date | None = Field(default=None, sa_type=Date)


_trainings = table_of(ProviderTrainingRow)
_checks = table_of(ProviderCheckRow)
_decisions = table_of(ProviderDecisionRow)
TABLES: Final = (_trainings, _checks, _decisions)
_DECIDED_UPON: Final = profile_store.held_at(_decisions.c.organisation_id, _decisions.c.proposed_at).label("upon")


@dataclass(frozen=True)
class KeptTraining:
    """A training that was attended."""

    on: date
    which: str = field(repr=False)
    made_by: str = ""


@dataclass(frozen=True)
class KeptCheck:
    """A yearly check with its parts."""

    check: Check
    values_hold: bool
    requirements_hold: bool
    cases_hold: bool
    note: str = field(repr=False)
    made_by: str = ""


@dataclass(frozen=True)
class KeptDecision:
    """A decision with who made it and why."""

    decision: Decision
    why: str = field(repr=False)
    proposed_by: str = ""
    proposed_at: datetime | None = None
    settled_by: str | None = None


async def all_trainings(conn: AsyncConnection) -> Mapping[str, tuple[date, ...]]:
    """The days of everybody's trainings."""
    return await by_provider(
        conn, select(_trainings).order_by(_trainings.c.attended_on, _trainings.c.id), lambda row: row.attended_on
    )


async def kept_trainings(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptTraining, ...]:
    """The trainings of one provider, by day."""
    wanted = (
        select(_trainings)
        .where(_trainings.c.organisation_id == organisation_id)
        .order_by(_trainings.c.attended_on, _trainings.c.id)
    )
    return tuple(
        KeptTraining(row.attended_on, unseal(key, row.words, organisation_id, "training"), row.made_by)
        for row in await conn.execute(wanted)
    )


async def all_checks(conn: AsyncConnection) -> Mapping[str, tuple[Check, ...]]:
    """Everybody's yearly checks, by day."""
    return await by_provider(conn, select(_checks).order_by(_checks.c.checked_on, _checks.c.id), _check)


async def kept_checks(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptCheck, ...]:
    """The yearly checks of one provider, by day."""
    wanted = (
        select(_checks).where(_checks.c.organisation_id == organisation_id).order_by(_checks.c.checked_on, _checks.c.id)
    )
    return tuple(_kept_check(row, key) for row in await conn.execute(wanted))


async def all_decisions(conn: AsyncConnection) -> Mapping[str, tuple[Decision, ...]]:
    """Everybody's decisions, in the order they were proposed."""
    return await by_provider(conn, select(_decisions, _DECIDED_UPON).order_by(_decisions.c.id), _decision)


async def kept_decisions(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptDecision, ...]:
    """The decisions about one provider, in the order they were proposed."""
    wanted = (
        select(_decisions, _DECIDED_UPON)
        .where(_decisions.c.organisation_id == organisation_id)
        .order_by(_decisions.c.id)
    )
    return tuple(_kept_decision(row, key) for row in await conn.execute(wanted))


async def granted(conn: AsyncConnection) -> frozenset[str]:
    """Who was ever given a certification."""
    given = (_decisions.c.kind == DecisionKind.GRANT.value) & (_decisions.c.state == DecisionState.CONFIRMED.value)
    return frozenset((await conn.execute(select(_decisions.c.organisation_id).where(given))).scalars())


async def waiting(conn: AsyncConnection) -> int:
    """How many decisions are to be settled."""
    return await count_open(conn, _decisions, _decisions.c.state == DecisionState.PROPOSED.value)


async def add_training(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    on: date,
    which: str,
    actor: str,
    now: datetime,
    form_key: str = "",
) -> None:
    """Note a training or exchange of experience that was attended, once for each `form_key`."""
    key = await hold_open(conn, organisation_id, vault)
    words = seal(key, which, organisation_id, "training")
    values = {"attended_on": on, "words": words, "made_by": actor, "made_at": now}
    _, is_new = await enter(conn, _trainings, organisation_id, form_key, values)
    if is_new:
        await record(conn, now, actor, "provider_training_noted", organisation_id, on=on.isoformat())


async def add_check(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    on: date,
    values_hold: bool,
    requirements_hold: bool,
    cases_hold: bool,
    note: str,
    actor: str,
    now: datetime,
    form_key: str = "",
) -> None:
    """Write a yearly check down, once for each `form_key`."""
    key = await hold_open(conn, organisation_id, vault)
    values = {
        "checked_on": on,
        "values_hold": values_hold,
        "requirements_hold": requirements_hold,
        "cases_hold": cases_hold,
        "words": seal(key, note, organisation_id, "check"),
        "made_by": actor,
        "made_at": now,
    }
    _, is_new = await enter(conn, _checks, organisation_id, form_key, values)
    in_order = values_hold and requirements_hold and cases_hold
    if is_new:
        await record(conn, now, actor, "provider_checked", organisation_id, on=on.isoformat(), in_order=in_order)


async def propose(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    kind: DecisionKind,
    *,
    why: str,
    actor: str,
    now: datetime,
    upon: int | None = None,
) -> int:
    """Propose to give a certification or to take it back; its id. Whether it may be given is the caller's to check.

    `ChangedMeanwhile` unless `upon`, where it is said, is the number of the profile that holds.
    """
    key = await hold_open(conn, organisation_id, vault)
    if upon is not None and upon != await profile_store.held_number(conn, organisation_id):
        raise ChangedMeanwhile("Another profile was accepted meanwhile.")
    waiting = select(_decisions.c.id).where(
        _decisions.c.organisation_id == organisation_id, _decisions.c.state == DecisionState.PROPOSED.value
    )
    if (await conn.execute(waiting)).first() is not None:
        raise AlreadyProposed("A decision is waiting to be settled.")
    made = await conn.execute(
        insert(_decisions)
        .values(
            organisation_id=organisation_id,
            kind=kind.value,
            words=seal(key, why, organisation_id, "decision"),
            proposed_by=actor,
            proposed_at=now,
            state=DecisionState.PROPOSED.value,
        )
        .returning(_decisions.c.id)
    )
    decision_id = int(made.scalar_one())
    await record(conn, now, actor, "provider_decision_proposed", organisation_id, decision=decision_id, kind=kind.value)
    return decision_id


async def settle(
    conn: AsyncConnection,
    organisation_id: str,
    decision_id: int,
    *,
    confirm: bool,
    actor: str,
    now: datetime,
    on: date,
) -> DecisionKind:
    """Confirm or turn down what a colleague proposed. Whoever proposed it may take it back, and not confirm it."""
    await hold(conn, organisation_id)
    mine = (_decisions.c.id == decision_id) & (_decisions.c.organisation_id == organisation_id)
    row = (await conn.execute(select(_decisions).where(mine))).one_or_none()
    if row is None:
        raise NoSuchThing("There is no such decision.")
    if row.state != DecisionState.PROPOSED.value:
        raise ChangedMeanwhile("The decision was settled meanwhile.")
    if confirm and row.proposed_by == actor:
        raise SamePerson("Another coordinator must confirm it.")
    state = DecisionState.CONFIRMED if confirm else DecisionState.TURNED_DOWN
    await conn.execute(update(_decisions).where(mine).values(state=state.value, settled_by=actor, settled_on=on))
    action = "provider_decision_confirmed" if confirm else "provider_decision_turned_down"
    await record(conn, now, actor, action, organisation_id, decision=decision_id, kind=row.kind)
    return DecisionKind(row.kind)


def _check(row: AnyRow) -> Check:
    return Check(row.checked_on, row.values_hold and row.requirements_hold and row.cases_hold)


def _kept_check(row: AnyRow, key: SubjectKey) -> KeptCheck:
    note = unseal(key, row.words, row.organisation_id, "check")
    return KeptCheck(_check(row), row.values_hold, row.requirements_hold, row.cases_hold, note, row.made_by)


def _decision(row: AnyRow) -> Decision:
    return Decision(row.id, DecisionKind(row.kind), DecisionState(row.state), row.settled_on, row.upon)


def _kept_decision(row: AnyRow, key: SubjectKey) -> KeptDecision:
    why = unseal(key, row.words, row.organisation_id, "decision")
    return KeptDecision(_decision(row), why, row.proposed_by, row.proposed_at, row.settled_by)
