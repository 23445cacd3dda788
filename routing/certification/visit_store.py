"""The visits to a provider, and the action plan that came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Date, ForeignKey, Integer, LargeBinary, String, Text, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import AnyRow, BigId, UtcDateTime, rows_touched, table_of
from helpline.vault import SubjectKey, Vault
from routing.certification.provider_store import (
    PROVIDER,
    ChangedMeanwhile,
    NoSuchThing,
    as_json,
    by_provider,
    count_open,
    enter,
    hold,
    hold_open,
    record,
    seal,
    unseal,
)
from routing.certification.standing import Action, ActionState, Verdict, Visit


class ProviderVisitRow(SQLModel, table=True):
    """A visit against the minimum requirements. A closed one is never changed. Kept as long as the provider."""

    __tablename__ = "provider_visit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    visited_on: date = Field(sa_type=Date)
    version: int = Field(sa_type=Integer)
    verdicts: str = Field(sa_type=Text)  # JSON by requirement
    words: bytes = Field(sa_type=LargeBinary)  # sealed JSON: visitors, and answer and recommendation by requirement
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    closed_by: str | None = Field(default=None, sa_type=String)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    form_id: str | None = Field(default=None, index=True, unique=True, sa_type=String)  # one form makes one of these


class ProviderActionRow(SQLModel, table=True):
    """One item of an action plan. Kept as long as the provider."""

    __tablename__ = "provider_action"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    requirement: str = Field(default="", sa_type=String)  # its key, where the item answers one
    words: bytes = Field(sa_type=LargeBinary)  # sealed JSON: what, and whose it is
    due_on: date = Field(sa_type=Date)
    state: str = Field(sa_type=String)
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    done_on: date | None = Field(default=None, sa_type=Date)
    form_id: str | None = Field(default=None, index=True, unique=True, sa_type=String)  # one form makes one of these


_visits = table_of(ProviderVisitRow)
_actions = table_of(ProviderActionRow)
TABLES: Final = (_visits, _actions)


@dataclass(frozen=True)
class KeptVisit:
    """A visit with what was said at it."""

    visit: Visit
    version: int
    visitors: str = field(repr=False)
    answers: Mapping[str, str] = field(repr=False)
    recommendations: Mapping[str, str] = field(repr=False)
    changed_by: str = ""
    closed_by: str | None = None


@dataclass(frozen=True)
class KeptAction:
    """An item of the action plan with its words."""

    action: Action
    what: str = field(repr=False)
    owner: str = field(repr=False)
    made_by: str = ""
    changed_by: str = ""
    changed_at: datetime | None = None


async def all_visits(conn: AsyncConnection) -> Mapping[str, tuple[Visit, ...]]:
    """Everybody's visits in the order of their days."""
    return await by_provider(conn, select(_visits).order_by(_visits.c.visited_on, _visits.c.id), _visit)


async def kept_visits(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptVisit, ...]:
    """The visits to one provider, in the order of their days."""
    wanted = (
        select(_visits).where(_visits.c.organisation_id == organisation_id).order_by(_visits.c.visited_on, _visits.c.id)
    )
    return tuple(_kept_visit(row, key) for row in await conn.execute(wanted))


async def all_actions(conn: AsyncConnection) -> Mapping[str, tuple[Action, ...]]:
    """Everybody's action plans, the first due first."""
    return await by_provider(conn, select(_actions).order_by(_actions.c.due_on, _actions.c.id), _action)


async def kept_actions(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptAction, ...]:
    """The action plan of one provider, the first due first."""
    wanted = (
        select(_actions).where(_actions.c.organisation_id == organisation_id).order_by(_actions.c.due_on, _actions.c.id)
    )
    return tuple(_kept_action(row, key) for row in await conn.execute(wanted))


async def waiting(conn: AsyncConnection, on: date) -> int:
    """How many items of all plans were said to be done, or are late."""
    pressing = (_actions.c.state == ActionState.SAID_DONE.value) | (
        (_actions.c.state == ActionState.OPEN.value) & (_actions.c.due_on < on)
    )
    return await count_open(conn, _actions, pressing)


async def save_visit(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    visit_id: int | None,
    version: int,
    on: date,
    visitors: str,
    verdicts: Mapping[str, Verdict],
    answers: Mapping[str, str],
    recommendations: Mapping[str, str],
    actor: str,
    now: datetime,
    close: bool = False,
    form_key: str = "",
) -> int:
    """Write a visit down, and close it where it is finished; its id. `ChangedMeanwhile` where a closed one is meant.

    A new one with a `form_key` is made once, however often this is done.
    """
    key = await hold_open(conn, organisation_id, vault)
    words = {"visitors": visitors, "answers": dict(answers), "recommendations": dict(recommendations)}
    values: dict[str, Any] = {
        "visited_on": on,
        "version": version + 1,
        "verdicts": as_json({each: verdict.value for each, verdict in verdicts.items()}),
        "words": seal(key, as_json(words), organisation_id, "visit"),
        "changed_by": actor,
        "changed_at": now,
    }
    if close:
        values |= {"closed_by": actor, "closed_at": now}
    if visit_id is None:
        visit_id, is_new = await enter(conn, _visits, organisation_id, form_key, values)
        if not is_new:
            return visit_id
    else:
        mine = (_visits.c.id == visit_id) & (_visits.c.organisation_id == organisation_id)
        fresh = mine & (_visits.c.version == version) & _visits.c.closed_at.is_(None)
        if rows_touched(await conn.execute(update(_visits).where(fresh).values(**values))) != 1:
            raise ChangedMeanwhile("The visit was changed or closed meanwhile.")
    met = sum(each is Verdict.MET for each in verdicts.values())
    unmet = sum(each is Verdict.NOT_MET for each in verdicts.values())
    action = "provider_visit_closed" if close else "provider_visit_saved"
    await record(conn, now, actor, action, organisation_id, visit=visit_id, on=on.isoformat(), met=met, not_met=unmet)
    return visit_id


async def add_action(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    requirement: str,
    what: str,
    owner: str,
    due_on: date,
    actor: str,
    now: datetime,
    form_key: str = "",
) -> int:
    """Put an item into the action plan, once for each `form_key`; its id."""
    key = await hold_open(conn, organisation_id, vault)
    values: dict[str, Any] = {
        "requirement": requirement,
        "words": seal(key, as_json({"what": what, "owner": owner}), organisation_id, "action"),
        "due_on": due_on,
        "state": ActionState.OPEN.value,
        "made_by": actor,
        "made_at": now,
        "changed_by": actor,
        "changed_at": now,
    }
    action_id, is_new = await enter(conn, _actions, organisation_id, form_key, values)
    if not is_new:
        return action_id
    await record(
        conn,
        now,
        actor,
        "provider_action_added",
        organisation_id,
        item=action_id,
        requirement=requirement,
        due=due_on.isoformat(),
    )
    return action_id


async def move_action(
    conn: AsyncConnection,
    organisation_id: str,
    action_id: int,
    state: ActionState,
    *,
    actor: str,
    now: datetime,
    on: date,
    due_on: date | None = None,
    was: ActionState | None = None,
) -> bool:
    """Say how far an item has come, or give it another day; False where that was so already.

    With `was`, only an item that still stands so is moved: a provider's word does not undo a coordinator's.
    """
    await hold(conn, organisation_id)
    mine = (_actions.c.id == action_id) & (_actions.c.organisation_id == organisation_id)
    row = (await conn.execute(select(_actions).where(mine))).one_or_none()
    if row is None:
        raise NoSuchThing("There is no such item in the plan.")
    day = due_on or row.due_on
    if (row.state == state.value and row.due_on == day) or (was is not None and row.state != was.value):
        return False
    values: dict[str, Any] = {"state": state.value, "due_on": day, "changed_by": actor, "changed_at": now}
    # Another due day does not make it done anew: a visit since may have found that it is not.
    done_on = row.done_on if row.state == state.value else on
    values["done_on"] = done_on if state is ActionState.DONE else None
    await conn.execute(update(_actions).where(mine).values(**values))
    await record(
        conn,
        now,
        actor,
        "provider_action_changed",
        organisation_id,
        item=action_id,
        state=state.value,
        before=row.state,
        due=day.isoformat(),
        due_before=row.due_on.isoformat(),
    )
    return True


def _visit(row: AnyRow) -> Visit:
    verdicts = {each: Verdict(verdict) for each, verdict in orjson.loads(row.verdicts).items()}
    return Visit(row.id, row.visited_on, verdicts, row.closed_at is not None)


def _kept_visit(row: AnyRow, key: SubjectKey) -> KeptVisit:
    words = orjson.loads(unseal(key, row.words, row.organisation_id, "visit"))
    return KeptVisit(
        visit=_visit(row),
        version=row.version,
        visitors=words["visitors"],
        answers=words["answers"],
        recommendations=words["recommendations"],
        changed_by=row.changed_by,
        closed_by=row.closed_by,
    )


def _action(row: AnyRow) -> Action:
    return Action(row.id, row.requirement, row.due_on, ActionState(row.state), row.done_on)


def _kept_action(row: AnyRow, key: SubjectKey) -> KeptAction:
    words = orjson.loads(unseal(key, row.words, row.organisation_id, "action"))
    return KeptAction(_action(row), words["what"], words["owner"], row.made_by, row.changed_by, row.changed_at)
