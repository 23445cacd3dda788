"""The activity profiles of a provider: the one that holds, the draft that grows beside it, and all earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    ScalarSelect,
    String,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import AnyRow, BigId, UtcDateTime, table_of
from helpline.vault import SubjectKey, Vault
from routing.certification.catalogue import Mode
from routing.certification.provider_store import (
    PROVIDER,
    ChangedMeanwhile,
    as_json,
    by_provider,
    count_open,
    hold,
    hold_open,
    record,
    seal,
    unseal,
)
from routing.certification.standing import Profile, ProfileState, RowAnswer
from routing.places import AreaKey, Level


class ProviderProfileRow(SQLModel, table=True):
    """One state of an activity profile. An accepted one is never changed. Kept as long as the provider."""

    __tablename__ = "provider_profile"
    __table_args__ = (UniqueConstraint("organisation_id", "number"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    organisation_id: str = Field(sa_type=String, sa_column_args=(ForeignKey(PROVIDER),))
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


_profiles = table_of(ProviderProfileRow)
TABLES: Final = (_profiles,)


@dataclass(frozen=True)
class KeptProfile:
    """A profile with who had it last in hand."""

    profile: Profile
    changed_by: str
    changed_at: datetime
    returned: str = field(default="", repr=False)  # why a coordinator gave it back
    accepted_by: str | None = None


async def all_profiles(conn: AsyncConnection) -> Mapping[str, tuple[Profile, ...]]:
    """Everybody's profiles, the newest first, without a word that anybody wrote."""
    return await by_provider(conn, select(_profiles).order_by(_profiles.c.number.desc()), lambda row: _profile(row, {}))


async def kept_profiles(conn: AsyncConnection, key: SubjectKey, organisation_id: str) -> tuple[KeptProfile, ...]:
    """The profiles of one provider, the newest first."""
    wanted = select(_profiles).where(_profiles.c.organisation_id == organisation_id).order_by(_profiles.c.number.desc())
    return tuple(_kept_profile(row, key) for row in await conn.execute(wanted))


def held_at(organisation_id: ColumnElement[str], at: ColumnElement[datetime]) -> ScalarSelect[int]:
    """The number of the profile that held at an instant, as a part of a query; 0 where none did."""
    # An accepted profile is never changed again: it was last changed when it was accepted.
    held = (_profiles.c.state == ProfileState.ACCEPTED.value) & (_profiles.c.changed_at <= at)
    newest = select(func.coalesce(func.max(_profiles.c.number), 0))
    return newest.where(held, _profiles.c.organisation_id == organisation_id).scalar_subquery()


async def held_number(conn: AsyncConnection, organisation_id: str) -> int:
    """The number of the profile that holds; 0 where none does."""
    held = (_profiles.c.state == ProfileState.ACCEPTED.value) & (_profiles.c.organisation_id == organisation_id)
    return int((await conn.execute(select(func.coalesce(func.max(_profiles.c.number), 0)).where(held))).scalar_one())


async def waiting(conn: AsyncConnection) -> int:
    """How many profiles were handed in."""
    return await count_open(conn, _profiles, _profiles.c.state == ProfileState.SENT.value)


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
    key = await hold_open(conn, organisation_id, vault)
    newest = await _newest_profile(conn, organisation_id)
    draft = newest if newest is not None and newest.state != ProfileState.ACCEPTED.value else None
    if (draft.version if draft is not None else 0) != version:
        raise ChangedMeanwhile("The profile was changed meanwhile.")
    before = _kept_profile(newest, key).profile if newest is not None else None
    all_answers = {**(before.answers if before is not None else {}), **answers}
    values = {
        "state": ProfileState.DRAFT.value,
        "version": version + 1,
        "answers": as_json({row: _plain(answer) for row, answer in all_answers.items()}),
        "areas": as_json([list(each) for each in areas]),
        "comments": seal(
            key,
            as_json({row: each.comment for row, each in all_answers.items() if each.comment}),
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
    await record(conn, now, actor, "provider_profile_saved", organisation_id, number=number, rows=len(changed))
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
    key = await hold_open(conn, organisation_id, vault)
    await _move_profile(
        conn,
        organisation_id,
        version,
        ProfileState.RETURNED,
        "provider_profile_returned",
        actor=actor,
        now=now,
        returned=seal(key, why, organisation_id, "returned"),
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
    await hold(conn, organisation_id)
    draft = await _newest_profile(conn, organisation_id)
    if draft is None or draft.state == ProfileState.ACCEPTED.value or draft.version != version:
        raise ChangedMeanwhile("The profile was changed meanwhile.")
    values |= {"state": state.value, "version": version + 1, "changed_by": actor, "changed_at": now}
    await conn.execute(update(_profiles).where(_profiles.c.id == draft.id).values(**values))
    await record(conn, now, actor, action, organisation_id, number=draft.number)


async def _newest_profile(conn: AsyncConnection, organisation_id: str) -> AnyRow | None:
    wanted = select(_profiles).where(_profiles.c.organisation_id == organisation_id)
    return (await conn.execute(wanted.order_by(_profiles.c.number.desc()).limit(1))).one_or_none()


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
    comments = orjson.loads(unseal(key, row.comments, row.organisation_id, "profile"))
    return KeptProfile(
        profile=_profile(row, comments),
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        returned=unseal(key, row.returned, row.organisation_id, "returned"),
        accepted_by=row.accepted_by,
    )
