"""Which organisations have a folder, who of them may sign in, and what every other store of the folder needs.

What somebody wrote is sealed under the provider's own key; what is counted (rows, verdicts, days) is plain, so that who
is certified can be worked out without opening anything. Every change is in the trail under `provider:ID`, with numbers
and codes and nobody's words.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import ColumnElement, Executable, ForeignKey, String, Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.messages import Country
from helpline.storage import AnyRow, UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import SubjectKey, Vault

T = TypeVar("T")

PROVIDER: Final = "provider.organisation_id"


class ProviderRow(SQLModel, table=True):
    """An organisation of the directory that is, or wants to be, certified. Kept until three years after it left
    (`delete_left`), with everything in its folder; none of it says anything of a patient."""

    __tablename__ = "provider"

    organisation_id: str = Field(primary_key=True, sa_type=String)
    country: str = Field(sa_type=String)
    name: str = Field(sa_type=String)  # of the organisation, as the directory had it last
    began_at: datetime = Field(sa_type=UtcDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProviderMemberRow(SQLModel, table=True):
    """Whose certification a provider's sign-in sees. Kept as long as the provider."""

    __tablename__ = "provider_member"

    staff_id: str = Field(primary_key=True, sa_type=String)
    organisation_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey(PROVIDER),))
    since: datetime = Field(sa_type=UtcDateTime)


_providers = table_of(ProviderRow)
_members = table_of(ProviderMemberRow)
TABLES: Final = (_members, _providers)  # in the order in which a folder is deleted, after all others


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


async def organisation_of(conn: AsyncConnection, staff_id: str) -> str | None:
    """Whose certification this sign-in sees."""
    wanted = select(_members.c.organisation_id).where(_members.c.staff_id == staff_id)
    found: str | None = (await conn.execute(wanted)).scalar_one_or_none()
    return found


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
    await vault.open(conn, subject_of(organisation_id))
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
    await record(conn, now, actor, "provider_begun", organisation_id)
    return True


async def leave(conn: AsyncConnection, organisation_id: str, *, actor: str, now: datetime) -> bool:
    """Close a folder: whoever left is certified no more, and its sign-ins see nothing."""
    open_one = update(_providers).where(_providers.c.organisation_id == organisation_id, _providers.c.left_at.is_(None))
    if rows_touched(await conn.execute(open_one.values(left_at=now))) == 0:
        return False
    await record(conn, now, actor, "provider_left", organisation_id)
    return True


async def add_member(conn: AsyncConnection, organisation_id: str, staff_id: str, *, actor: str, now: datetime) -> None:
    """Let a sign-in see this folder."""
    await hold(conn, organisation_id)
    await conn.execute(insert(_members).values(staff_id=staff_id, organisation_id=organisation_id, since=now))
    await record(conn, now, actor, "provider_member_added", organisation_id, staff=staff_id)


async def members(conn: AsyncConnection, organisation_id: str) -> tuple[str, ...]:
    """The ids of the sign-ins that see this folder, the oldest first."""
    wanted = select(_members).where(_members.c.organisation_id == organisation_id)
    return tuple(row.staff_id for row in await conn.execute(wanted.order_by(_members.c.since)))


async def left_before(conn: AsyncConnection, before: datetime) -> tuple[str, ...]:
    """Who left before this instant."""
    gone = await conn.execute(select(_providers.c.organisation_id).where(_providers.c.left_at < before))
    return tuple(gone.scalars())


# --- for every store of the folder ------------------------------------------------------------------------------------


async def hold(conn: AsyncConnection, organisation_id: str) -> None:
    """One writer at a time in a folder, until the commit. `NoSuchThing` where there is no open one."""
    held = update(_providers).where(_providers.c.organisation_id == organisation_id, _providers.c.left_at.is_(None))
    if rows_touched(await conn.execute(held.values(name=_providers.c.name))) != 1:
        raise NoSuchThing("There is no such provider.")


async def hold_open(conn: AsyncConnection, organisation_id: str, vault: Vault) -> SubjectKey:
    """The same, with the key of what is sealed in the folder."""
    await hold(conn, organisation_id)
    return await vault.open(conn, subject_of(organisation_id))


async def record(
    conn: AsyncConnection, at: datetime, actor: str, action: str, organisation_id: str, **details: audit.Detail
) -> None:
    """Put a change of the folder into the trail."""
    subject = subject_of(organisation_id)
    await audit.append(conn, at=at, actor=actor, action=action, subject=subject, details=details)


async def enter(
    conn: AsyncConnection, table: Table, organisation_id: str, form_key: str, values: Mapping[str, Any]
) -> tuple[int, bool]:
    """Make an entry of a folder; its id, and whether it is new. With a `form_key` it is made once, however often the
    form is sent."""
    form_key = form_key or secrets.token_hex(16)
    row = {"organisation_id": organisation_id, "form_id": form_key, **values}
    made = await insert_once(conn, table, row, unique=["form_id"])
    if made is not None:
        return int(made), True
    there = select(table.c.id).where(table.c.form_id == form_key, table.c.organisation_id == organisation_id)
    found = (await conn.execute(there)).scalar_one_or_none()
    if found is None:
        raise NoSuchThing("The form belongs to another folder.")
    return int(found), False


async def by_provider(
    conn: AsyncConnection, rows: Executable, read: Callable[[AnyRow], T]
) -> Mapping[str, tuple[T, ...]]:
    """What is read of these rows, by organisation, each in the order of the rows."""
    found: dict[str, list[T]] = defaultdict(list)
    for row in await conn.execute(rows):
        found[row.organisation_id].append(read(row))
    return {each: tuple(those) for each, those in found.items()}


async def count_open(conn: AsyncConnection, table: Table, waits: ColumnElement[bool]) -> int:
    """How many rows of a table wait for somebody. Of a provider that has left, nothing does."""
    open_ones = select(_providers.c.organisation_id).where(_providers.c.left_at.is_(None))
    counted = select(func.count()).where(waits, table.c.organisation_id.in_(open_ones))
    return int((await conn.execute(counted)).scalar_one())


def subject_of(organisation_id: str) -> str:
    """What the folder is called in the trail and in the vault."""
    return f"provider:{organisation_id}"


def as_json(value: Any) -> str:
    """Plain values as text."""
    return orjson.dumps(value).decode()


def seal(key: SubjectKey, words: str, organisation_id: str, what: str) -> bytes:
    """Words as they are kept; `what` they are about binds them to their place."""
    return key.seal(words, about=f"provider-{what}:{organisation_id}")


def unseal(key: SubjectKey, sealed: bytes | None, organisation_id: str, what: str) -> str:
    """The words again; nothing where there are none."""
    return key.unseal(bytes(sealed), about=f"provider-{what}:{organisation_id}") if sealed is not None else ""


def _provider(row: AnyRow) -> Provider:
    return Provider(row.organisation_id, Country(row.country), row.name, row.began_at, row.left_at)
