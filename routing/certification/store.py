"""The folder of each provider: its activity profile, visits, action plan, trainings, yearly checks and decisions.

What somebody wrote is sealed under the provider's own key; what is counted (rows, verdicts, days) is plain, so that who
is certified can be worked out without opening anything. The rules are those of `routing/certification/standing.py`.
Every change is in the trail under `provider:ID`, with numbers and codes and nobody's words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import (
    Boolean,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.messages import Country
from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import SubjectKey, Vault
from routing.certification.catalogue import Mode
from routing.certification.standing import (
    Action,
    ActionState,
    Certificate,
    Check,
    Decision,
    DecisionKind,
    DecisionState,
    Facts,
    Profile,
    ProfileState,
    RowAnswer,
    Verdict,
    Visit,
    certificate,
)
from routing.places import AreaKey, Level

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
    """That a certification is given or taken back: proposed by one, settled by another. Kept like the provider."""

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


_providers = table_of(ProviderRow)
_profiles = table_of(ProviderProfileRow)
_visits = table_of(ProviderVisitRow)
_actions = table_of(ProviderActionRow)
_trainings = table_of(ProviderTrainingRow)
_checks = table_of(ProviderCheckRow)
_decisions = table_of(ProviderDecisionRow)
_members = table_of(ProviderMemberRow)
_IN_THE_FOLDER: Final = (_profiles, _visits, _actions, _trainings, _checks, _decisions, _members)
KEPT_LEFT: Final = timedelta(days=3 * 365)  # the folder of a provider that has left


class CertificationError(Exception):
    """This cannot be done to the folder as it stands."""


class NoSuchThing(CertificationError):
    """There is nothing of that id in this folder."""


class ChangedMeanwhile(CertificationError):
    """Somebody else changed it since it was read."""


class SamePerson(CertificationError):
    """Whoever proposed a decision cannot settle it too."""


class AlreadyProposed(CertificationError):
    """A decision is waiting to be settled already."""


@dataclass(frozen=True)
class Provider:
    """An organisation with a folder."""

    organisation_id: str
    country: Country
    name: str
    began_at: datetime
    left_at: datetime | None


@dataclass(frozen=True)
class KeptProfile:
    """A profile with who had it last in hand."""

    profile: Profile
    changed_by: str
    changed_at: datetime
    returned: str = field(default="", repr=False)  # why a coordinator gave it back
    accepted_by: str | None = None


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


@dataclass(frozen=True)
class Folder:
    """Everything about one provider."""

    provider: Provider
    profiles: tuple[KeptProfile, ...]  # the newest first
    visits: tuple[KeptVisit, ...]
    actions: tuple[KeptAction, ...]  # the first due first
    trainings: tuple[KeptTraining, ...]
    checks: tuple[KeptCheck, ...]
    decisions: tuple[KeptDecision, ...]
    members: tuple[str, ...]  # ids of staff

    @property
    def facts(self) -> Facts:
        return Facts(
            profiles=tuple(each.profile for each in self.profiles),
            visits=tuple(each.visit for each in self.visits),
            actions=tuple(each.action for each in self.actions),
            trainings=tuple(each.on for each in self.trainings),
            checks=tuple(each.check for each in self.checks),
            decisions=tuple(each.decision for each in self.decisions),
        )


@dataclass(frozen=True)
class Certified:
    """A provider that is certified on a day, and what it offers."""

    provider: Provider
    certificate: Certificate
    profile: Profile


# --- Reading ---------------------------------------------------------------------------------------------------------


async def providers(conn: AsyncConnection, *, left_too: bool = False) -> tuple[Provider, ...]:
    """Every provider, by name."""
    wanted = select(_providers).order_by(_providers.c.name, _providers.c.organisation_id)
    if not left_too:
        wanted = wanted.where(_providers.c.left_at.is_(None))
    return tuple(_provider(row) for row in await conn.execute(wanted))


async def find(conn: AsyncConnection, organisation_id: str) -> Provider | None:
    """The provider of this organisation."""
    wanted = select(_providers).where(_providers.c.organisation_id == organisation_id)
    row = (await conn.execute(wanted)).one_or_none()
    return _provider(row) if row is not None else None


async def facts_of_all(conn: AsyncConnection) -> Mapping[str, Facts]:
    """What every provider's standing follows from, without a word that anybody wrote."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in await conn.execute(select(_profiles).order_by(_profiles.c.number.desc())):
        found[row.organisation_id]["profiles"].append(_profile(row, {}))
    for row in await conn.execute(select(_visits).order_by(_visits.c.visited_on, _visits.c.id)):
        found[row.organisation_id]["visits"].append(_visit(row))
    for row in await conn.execute(select(_actions).order_by(_actions.c.due_on, _actions.c.id)):
        found[row.organisation_id]["actions"].append(_action(row))
    for row in await conn.execute(select(_trainings).order_by(_trainings.c.attended_on, _trainings.c.id)):
        found[row.organisation_id]["trainings"].append(row.attended_on)
    for row in await conn.execute(select(_checks).order_by(_checks.c.checked_on, _checks.c.id)):
        found[row.organisation_id]["checks"].append(_check(row))
    for row in await conn.execute(select(_decisions).order_by(_decisions.c.id)):
        found[row.organisation_id]["decisions"].append(_decision(row))
    return {each: Facts(**{name: tuple(values) for name, values in parts.items()}) for each, parts in found.items()}


async def certified_providers(conn: AsyncConnection, on: date) -> tuple[Certified, ...]:
    """Who is certified on this day, by name, with what they offer."""
    granted = select(_decisions.c.organisation_id).where(
        _decisions.c.kind == DecisionKind.GRANT.value, _decisions.c.state == DecisionState.CONFIRMED.value
    )
    wanted = select(_providers).where(_providers.c.left_at.is_(None), _providers.c.organisation_id.in_(granted))
    rows = (await conn.execute(wanted.order_by(_providers.c.name, _providers.c.organisation_id))).all()
    if not rows:
        return ()
    facts = await facts_of_all(conn)
    found = []
    for row in rows:
        provider, about = _provider(row), facts.get(row.organisation_id, Facts())
        given, profile = certificate(about.decisions, about.checks, on), about.profile
        if given is not None and given.holds(on) and profile is not None:
            found.append(Certified(provider, given, profile))
    return tuple(found)


async def certified(conn: AsyncConnection, on: date) -> Mapping[str, frozenset[str]]:
    """The organisations that are certified on this day, each with the rows of the catalogue that it offers."""
    return {each.provider.organisation_id: each.profile.offered for each in await certified_providers(conn, on)}


async def folder(conn: AsyncConnection, vault: Vault, organisation_id: str) -> Folder | None:
    """Everything about one provider; None where there is no such provider."""
    provider = await find(conn, organisation_id)
    key = await vault.existing(conn, _subject(organisation_id))
    if provider is None or key is None:
        return None

    async def rows(table: Table, *order: Any) -> Sequence[AnyRow]:
        return (
            await conn.execute(select(table).where(table.c.organisation_id == organisation_id).order_by(*order))
        ).all()

    return Folder(
        provider=provider,
        profiles=tuple(_kept_profile(row, key) for row in await rows(_profiles, _profiles.c.number.desc())),
        visits=tuple(_kept_visit(row, key) for row in await rows(_visits, _visits.c.visited_on, _visits.c.id)),
        actions=tuple(_kept_action(row, key) for row in await rows(_actions, _actions.c.due_on, _actions.c.id)),
        trainings=tuple(
            KeptTraining(row.attended_on, _open(key, row.words, organisation_id, "training"), row.made_by)
            for row in await rows(_trainings, _trainings.c.attended_on, _trainings.c.id)
        ),
        checks=tuple(_kept_check(row, key) for row in await rows(_checks, _checks.c.checked_on, _checks.c.id)),
        decisions=tuple(_kept_decision(row, key) for row in await rows(_decisions, _decisions.c.id)),
        members=tuple(row.staff_id for row in await rows(_members, _members.c.since)),
    )


async def waiting(conn: AsyncConnection, on: date) -> int:
    """How many things wait for a coordinator: profiles handed in, items said to be done or late, open decisions."""
    sent = _profiles.c.state == ProfileState.SENT.value
    pressing = (_actions.c.state == ActionState.SAID_DONE.value) | (
        (_actions.c.state == ActionState.OPEN.value) & (_actions.c.due_on < on)
    )
    proposed = _decisions.c.state == DecisionState.PROPOSED.value
    # Of a provider that has left, nothing waits for anybody.
    open_ones = select(_providers.c.organisation_id).where(_providers.c.left_at.is_(None))
    counts = [
        select(func.count()).where(waits, table.c.organisation_id.in_(open_ones))
        for table, waits in ((_profiles, sent), (_actions, pressing), (_decisions, proposed))
    ]
    return sum([int((await conn.execute(each)).scalar_one()) for each in counts])


async def organisation_of(conn: AsyncConnection, staff_id: str) -> str | None:
    """Whose certification this sign-in sees."""
    wanted = select(_members.c.organisation_id).where(_members.c.staff_id == staff_id)
    found: str | None = (await conn.execute(wanted)).scalar_one_or_none()
    return found


# --- Beginning and leaving -------------------------------------------------------------------------------------------


async def begin(
    conn: AsyncConnection,
    vault: Vault,
    *,
    organisation_id: str,
    country: Country,
    name: str,
    actor: str,
    now: datetime,
) -> bool:
    """Open a folder; False where there is one. One that was closed is opened again with what is in it."""
    await vault.open(conn, _subject(organisation_id))
    values = {
        "organisation_id": organisation_id,
        "country": country.value,
        "name": name,
        "began_at": now,
        "left_at": None,
    }
    made = await insert_once(conn, _providers, values, unique=["organisation_id"], returning="organisation_id")
    if made is None:
        again = update(_providers).where(
            _providers.c.organisation_id == organisation_id, _providers.c.left_at.is_not(None)
        )
        if rows_touched(await conn.execute(again.values(left_at=None, name=name))) == 0:
            return False
    await _note(conn, now, actor, "provider_begun", organisation_id)
    return True


async def leave(conn: AsyncConnection, organisation_id: str, *, actor: str, now: datetime) -> bool:
    """Close a folder: whoever left is certified no more, and its sign-ins see nothing."""
    open_one = update(_providers).where(_providers.c.organisation_id == organisation_id, _providers.c.left_at.is_(None))
    if rows_touched(await conn.execute(open_one.values(left_at=now))) == 0:
        return False
    await _note(conn, now, actor, "provider_left", organisation_id)
    return True


async def delete_left(conn: AsyncConnection, vault: Vault, *, before: datetime) -> int:
    """Delete the folders of those who left before this instant; how many."""
    gone = (await conn.execute(select(_providers.c.organisation_id).where(_providers.c.left_at < before))).scalars()
    ids = list(gone)
    for organisation_id in ids:
        for table in (*_IN_THE_FOLDER, _providers):
            await conn.execute(delete(table).where(table.c.organisation_id == organisation_id))
        await vault.forget(conn, _subject(organisation_id))
    return len(ids)


async def add_member(conn: AsyncConnection, organisation_id: str, staff_id: str, *, actor: str, now: datetime) -> None:
    """Let a sign-in see this folder."""
    await _hold(conn, organisation_id)
    await conn.execute(insert(_members).values(staff_id=staff_id, organisation_id=organisation_id, since=now))
    await _note(conn, now, actor, "provider_member_added", organisation_id, staff=staff_id)


# --- The activity profile --------------------------------------------------------------------------------------------


async def save_profile(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    answers: Mapping[str, RowAnswer],
    areas: Sequence[AreaKey],
    version: int,
    actor: str,
    now: datetime,
) -> int:
    """Keep these answers besides those the draft has; its new version.

    Where nothing is being filled in, the accepted profile is what is changed, as a new draft. `ChangedMeanwhile` unless
    `version` is the draft's (0 where there is none).
    """
    key = await _hold_open(conn, organisation_id, vault)
    newest = await _newest_profile(conn, organisation_id)
    draft = newest if newest is not None and newest.state != ProfileState.ACCEPTED.value else None
    if (draft.version if draft is not None else 0) != version:
        raise ChangedMeanwhile("The profile was changed meanwhile.")
    before = _kept_profile(newest, key).profile if newest is not None else None
    all_answers = {**(before.answers if before is not None else {}), **answers}
    values = {
        "state": ProfileState.DRAFT.value,
        "version": version + 1,
        "answers": orjson.dumps({row: _plain(answer) for row, answer in all_answers.items()}).decode(),
        "areas": orjson.dumps([list(each) for each in areas]).decode(),
        "comments": _seal(
            key,
            _json({row: each.comment for row, each in all_answers.items() if each.comment}),
            organisation_id,
            "profile",
        ),
        "changed_by": actor,
        "changed_at": now,
    }
    if draft is None:
        number = newest.number + 1 if newest is not None else 1
        await conn.execute(insert(_profiles).values(organisation_id=organisation_id, number=number, **values))
    else:
        number = draft.number
        await conn.execute(update(_profiles).where(_profiles.c.id == draft.id).values(**values))
    changed = sorted(row for row in answers if before is None or before.answers.get(row) != answers[row])
    await _note(conn, now, actor, "provider_profile_saved", organisation_id, number=number, rows=len(changed))
    return version + 1


async def send_profile(conn: AsyncConnection, organisation_id: str, *, version: int, actor: str, now: datetime) -> None:
    """The provider says that its draft is ready."""
    await _move_profile(
        conn, organisation_id, version, ProfileState.SENT, "provider_profile_sent", actor=actor, now=now
    )


async def return_profile(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    *,
    version: int,
    why: str,
    actor: str,
    now: datetime,
) -> None:
    """A coordinator gives a draft back, and says why."""
    key = await _hold_open(conn, organisation_id, vault)
    await _move_profile(
        conn,
        organisation_id,
        version,
        ProfileState.RETURNED,
        "provider_profile_returned",
        actor=actor,
        now=now,
        returned=_seal(key, why, organisation_id, "returned"),
    )


async def accept_profile(
    conn: AsyncConnection, organisation_id: str, *, version: int, actor: str, now: datetime, on: date
) -> None:
    """A coordinator accepts a draft: it holds from now on."""
    await _move_profile(
        conn,
        organisation_id,
        version,
        ProfileState.ACCEPTED,
        "provider_profile_accepted",
        actor=actor,
        now=now,
        accepted_by=actor,
        accepted_on=on,
    )


async def _move_profile(
    conn: AsyncConnection,
    organisation_id: str,
    version: int,
    state: ProfileState,
    action: str,
    *,
    actor: str,
    now: datetime,
    **values: Any,
) -> None:
    await _hold(conn, organisation_id)
    draft = await _newest_profile(conn, organisation_id)
    if draft is None or draft.state == ProfileState.ACCEPTED.value or draft.version != version:
        raise ChangedMeanwhile("The profile was changed meanwhile.")
    values |= {"state": state.value, "version": version + 1, "changed_by": actor, "changed_at": now}
    await conn.execute(update(_profiles).where(_profiles.c.id == draft.id).values(**values))
    await _note(conn, now, actor, action, organisation_id, number=draft.number)


async def _newest_profile(conn: AsyncConnection, organisation_id: str) -> AnyRow | None:
    wanted = select(_profiles).where(_profiles.c.organisation_id == organisation_id)
    return (await conn.execute(wanted.order_by(_profiles.c.number.desc()).limit(1))).one_or_none()


# --- Visits ----------------------------------------------------------------------------------------------------------


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
) -> int:
    """Write a visit down, and close it where it is finished; its id. `ChangedMeanwhile` where a closed one is meant."""
    key = await _hold_open(conn, organisation_id, vault)
    words = {"visitors": visitors, "answers": dict(answers), "recommendations": dict(recommendations)}
    values: dict[str, Any] = {
        "visited_on": on,
        "version": version + 1,
        "verdicts": orjson.dumps({each: verdict.value for each, verdict in verdicts.items()}).decode(),
        "words": _seal(key, _json(words), organisation_id, "visit"),
        "changed_by": actor,
        "changed_at": now,
    }
    if close:
        values |= {"closed_by": actor, "closed_at": now}
    if visit_id is None:
        made = await conn.execute(
            insert(_visits).values(organisation_id=organisation_id, **values).returning(_visits.c.id)
        )
        visit_id = int(made.scalar_one())
    else:
        mine = (_visits.c.id == visit_id) & (_visits.c.organisation_id == organisation_id)
        fresh = mine & (_visits.c.version == version) & _visits.c.closed_at.is_(None)
        if rows_touched(await conn.execute(update(_visits).where(fresh).values(**values))) != 1:
            raise ChangedMeanwhile("The visit was changed or closed meanwhile.")
    met = sum(each is Verdict.MET for each in verdicts.values())
    unmet = sum(each is Verdict.NOT_MET for each in verdicts.values())
    action = "provider_visit_closed" if close else "provider_visit_saved"
    await _note(conn, now, actor, action, organisation_id, visit=visit_id, on=on.isoformat(), met=met, not_met=unmet)
    return visit_id


# --- The action plan -------------------------------------------------------------------------------------------------


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
) -> int:
    """Put an item into the action plan; its id."""
    key = await _hold_open(conn, organisation_id, vault)
    made = await conn.execute(
        insert(_actions)
        .values(
            organisation_id=organisation_id,
            requirement=requirement,
            words=_seal(key, _json({"what": what, "owner": owner}), organisation_id, "action"),
            due_on=due_on,
            state=ActionState.OPEN.value,
            made_by=actor,
            made_at=now,
            changed_by=actor,
            changed_at=now,
        )
        .returning(_actions.c.id)
    )
    action_id = int(made.scalar_one())
    await _note(
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
    await _hold(conn, organisation_id)
    mine = (_actions.c.id == action_id) & (_actions.c.organisation_id == organisation_id)
    row = (await conn.execute(select(_actions).where(mine))).one_or_none()
    if row is None:
        raise NoSuchThing("There is no such item in the plan.")
    day = due_on or row.due_on
    if (row.state == state.value and row.due_on == day) or (was is not None and row.state != was.value):
        return False
    values: dict[str, Any] = {"state": state.value, "due_on": day, "changed_by": actor, "changed_at": now}
    values["done_on"] = on if state is ActionState.DONE else None
    await conn.execute(update(_actions).where(mine).values(**values))
    await _note(
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


# --- Trainings and yearly checks -------------------------------------------------------------------------------------


async def add_training(
    conn: AsyncConnection, vault: Vault, organisation_id: str, *, on: date, which: str, actor: str, now: datetime
) -> None:
    """Note a training or exchange of experience that was attended."""
    key = await _hold_open(conn, organisation_id, vault)
    words = _seal(key, which, organisation_id, "training")
    await conn.execute(
        insert(_trainings).values(
            organisation_id=organisation_id, attended_on=on, words=words, made_by=actor, made_at=now
        )
    )
    await _note(conn, now, actor, "provider_training_noted", organisation_id, on=on.isoformat())


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
) -> None:
    """Write a yearly check down."""
    key = await _hold_open(conn, organisation_id, vault)
    await conn.execute(
        insert(_checks).values(
            organisation_id=organisation_id,
            checked_on=on,
            values_hold=values_hold,
            requirements_hold=requirements_hold,
            cases_hold=cases_hold,
            words=_seal(key, note, organisation_id, "check"),
            made_by=actor,
            made_at=now,
        )
    )
    in_order = values_hold and requirements_hold and cases_hold
    await _note(conn, now, actor, "provider_checked", organisation_id, on=on.isoformat(), in_order=in_order)


# --- Decisions -------------------------------------------------------------------------------------------------------


async def propose(
    conn: AsyncConnection,
    vault: Vault,
    organisation_id: str,
    kind: DecisionKind,
    *,
    why: str,
    actor: str,
    now: datetime,
) -> int:
    """Propose to give a certification or to take it back; its id. Whether it may be given is the caller's to check."""
    key = await _hold_open(conn, organisation_id, vault)
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
            words=_seal(key, why, organisation_id, "decision"),
            proposed_by=actor,
            proposed_at=now,
            state=DecisionState.PROPOSED.value,
        )
        .returning(_decisions.c.id)
    )
    decision_id = int(made.scalar_one())
    await _note(conn, now, actor, "provider_decision_proposed", organisation_id, decision=decision_id, kind=kind.value)
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
    await _hold(conn, organisation_id)
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
    await _note(conn, now, actor, action, organisation_id, decision=decision_id, kind=row.kind)
    return DecisionKind(row.kind)


# --- Rows ------------------------------------------------------------------------------------------------------------


def _subject(organisation_id: str) -> str:
    return f"provider:{organisation_id}"


async def _hold(conn: AsyncConnection, organisation_id: str) -> None:
    """One writer at a time in a folder, until the commit. `NoSuchThing` where there is no open one."""
    held = update(_providers).where(_providers.c.organisation_id == organisation_id, _providers.c.left_at.is_(None))
    if rows_touched(await conn.execute(held.values(name=_providers.c.name))) != 1:
        raise NoSuchThing("There is no such provider.")


async def _hold_open(conn: AsyncConnection, organisation_id: str, vault: Vault) -> SubjectKey:
    """The same, with the key of what is sealed in the folder."""
    await _hold(conn, organisation_id)
    return await vault.open(conn, _subject(organisation_id))


async def _note(
    conn: AsyncConnection, at: datetime, actor: str, action: str, organisation_id: str, **details: audit.Detail
) -> None:
    subject = _subject(organisation_id)
    await audit.append(conn, at=at, actor=actor, action=action, subject=subject, details=details)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _seal(key: SubjectKey, words: str, organisation_id: str, what: str) -> bytes:
    return key.seal(words, about=f"provider-{what}:{organisation_id}")


def _open(key: SubjectKey, sealed: bytes | None, organisation_id: str, what: str) -> str:
    return key.unseal(bytes(sealed), about=f"provider-{what}:{organisation_id}") if sealed is not None else ""


def _provider(row: AnyRow) -> Provider:
    return Provider(row.organisation_id, Country(row.country), row.name, row.began_at, row.left_at)


def _plain(answer: RowAnswer) -> dict[str, Any]:
    return {
        "offered": answer.offered,
        "mode": answer.mode.value if answer.mode is not None else None,
        "targets": list(answer.targets),
        "areas": [list(each) for each in answer.areas],
        "value": answer.value,
    }


def _areas(listed: Sequence[Sequence[str]]) -> tuple[AreaKey, ...]:
    return tuple((Level(level), code) for level, code in listed)


def _profile(row: AnyRow, comments: Mapping[str, str]) -> Profile:
    answers = {
        name: RowAnswer(
            offered=said["offered"],
            mode=Mode(said["mode"]) if said["mode"] else None,
            targets=tuple(said["targets"]),
            areas=_areas(said["areas"]),
            value=said["value"],
            comment=comments.get(name, ""),
        )
        for name, said in orjson.loads(row.answers).items()
    }
    return Profile(
        row.number, ProfileState(row.state), answers, _areas(orjson.loads(row.areas)), row.accepted_on, row.version
    )


def _kept_profile(row: AnyRow, key: SubjectKey) -> KeptProfile:
    comments = orjson.loads(_open(key, row.comments, row.organisation_id, "profile"))
    return KeptProfile(
        profile=_profile(row, comments),
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        returned=_open(key, row.returned, row.organisation_id, "returned"),
        accepted_by=row.accepted_by,
    )


def _visit(row: AnyRow) -> Visit:
    verdicts = {each: Verdict(verdict) for each, verdict in orjson.loads(row.verdicts).items()}
    return Visit(row.id, row.visited_on, verdicts, row.closed_at is not None)


def _kept_visit(row: AnyRow, key: SubjectKey) -> KeptVisit:
    words = orjson.loads(_open(key, row.words, row.organisation_id, "visit"))
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
    words = orjson.loads(_open(key, row.words, row.organisation_id, "action"))
    return KeptAction(_action(row), words["what"], words["owner"], row.made_by, row.changed_by, row.changed_at)


def _check(row: AnyRow) -> Check:
    return Check(row.checked_on, row.values_hold and row.requirements_hold and row.cases_hold)


def _kept_check(row: AnyRow, key: SubjectKey) -> KeptCheck:
    note = _open(key, row.words, row.organisation_id, "check")
    return KeptCheck(_check(row), row.values_hold, row.requirements_hold, row.cases_hold, note, row.made_by)


def _decision(row: AnyRow) -> Decision:
    return Decision(row.id, DecisionKind(row.kind), DecisionState(row.state), row.settled_on)


def _kept_decision(row: AnyRow, key: SubjectKey) -> KeptDecision:
    why = _open(key, row.words, row.organisation_id, "decision")
    return KeptDecision(_decision(row), why, row.proposed_by, row.proposed_at, row.settled_by)
