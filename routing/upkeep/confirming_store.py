"""Services that confirm their own entry: the one-time links, what is due for it, and which look-alikes are two.

A link opens one entry once, for a fortnight. Only a hash of it is stored, so whoever reads the table can use none, and
a new link for a service ends those before it. An entry that the service has not confirmed for six months is due.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Date, String, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.storage import AnyRow, UtcDateTime, insert_once, rows_touched, table_of
from routing.directory import Directory
from routing.services import Service, ServiceKind, ServiceStatus, lapsed

LINK_LASTS: Final = timedelta(days=14)
KEPT_FOR: Final = timedelta(days=90)  # of a link that is over, so that its page can still say why
_NEVER: Final = date(1, 1, 1)


class ConfirmLinkRow(SQLModel, table=True):
    """A link by which a service confirms its entry. Kept ninety days past its end (`delete_older`)."""

    __tablename__ = "confirm_link"

    token_hash: str = Field(primary_key=True, sa_type=String)
    service_id: str = Field(sa_type=String, index=True)
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ConfirmReminderRow(SQLModel, table=True):
    """That coordinators were told that an entry is due. Kept for ever: it says nothing of any patient, and a row that
    went would have them told again."""

    __tablename__ = "confirm_reminder"

    service_id: str = Field(primary_key=True, sa_type=String)
    confirmed_on: date = Field(primary_key=True, sa_type=Date)  # the confirmation that is too old; 0001-01-01: none yet
    told_at: datetime = Field(sa_type=UtcDateTime)


class NotTheSameRow(SQLModel, table=True):
    """Two services that look alike and are two. Kept for ever: it says nothing of any patient."""

    __tablename__ = "service_not_the_same"

    one: str = Field(primary_key=True, sa_type=String)  # the first of the two ids in order
    other: str = Field(primary_key=True, sa_type=String)
    said_by: str = Field(sa_type=String)
    said_at: datetime = Field(sa_type=UtcDateTime)


_links = table_of(ConfirmLinkRow)
_reminders = table_of(ConfirmReminderRow)
_apart = table_of(NotTheSameRow)


class LinkError(Exception):
    """A link opens nothing."""


class UnknownLink(LinkError):
    """There is no such link, or it is long over."""


class UsedLink(LinkError):
    """The link was used."""


class ExpiredLink(LinkError):
    """The link's time is over, or a newer one was made."""


@dataclass(frozen=True)
class Link:
    """A link by which a service confirms its entry."""

    service_id: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it still opens the entry."""
        return self.used_at is None and now < self.expires_at


# --- links ------------------------------------------------------------------------------------------------------------


async def make_link(conn: AsyncConnection, service_id: str, *, made_by: str, now: datetime) -> str:
    """A new link's token, which is told once and never again; the links before it end."""
    token = secrets.token_urlsafe(24)
    ours = (_links.c.service_id == service_id) & _links.c.used_at.is_(None) & (_links.c.expires_at > now)
    await conn.execute(update(_links).where(ours).values(expires_at=now))
    values = {
        "token_hash": _hash(token),
        "service_id": service_id,
        "made_by": made_by,
        "made_at": now,
        "expires_at": now + LINK_LASTS,
    }
    await insert_once(conn, _links, values, unique=["token_hash"], returning="token_hash")
    await audit.append(conn, at=now, actor=made_by, action="confirm_link_made", subject=f"service:{service_id}")
    return token


async def find(conn: AsyncConnection, token: str, *, now: datetime) -> Link:
    """The link behind a token, where it is open; looking at it changes nothing. Else a `LinkError` that says why."""
    row = (await conn.execute(select(_links).where(_links.c.token_hash == _hash(token)))).one_or_none()
    if row is None:
        raise UnknownLink
    link = _link(row)
    if link.used_at is not None:
        raise UsedLink
    if not link.is_open(now):
        raise ExpiredLink
    return link


async def use(conn: AsyncConnection, token: str, *, now: datetime) -> Link:
    """Use a link up: of two at the same instant one succeeds, and the other is told that it was used."""
    ours = (_links.c.token_hash == _hash(token)) & _links.c.used_at.is_(None) & (_links.c.expires_at > now)
    row = (await conn.execute(update(_links).where(ours).values(used_at=now).returning(*_links.c))).one_or_none()
    if row is None:
        await find(conn, token, now=now)
        raise UsedLink
    whose = f"service:{row.service_id}"
    await audit.append(conn, at=now, actor=whose, action="confirm_link_used", subject=whose)
    return _link(row)


async def newest_links(conn: AsyncConnection, service_ids: Iterable[str] | None = None) -> dict[str, Link]:
    """The newest link of each service that has one."""
    wanted = select(_links).order_by(_links.c.made_at)
    if service_ids is not None:
        wanted = wanted.where(_links.c.service_id.in_(list(service_ids)))
    return {row.service_id: _link(row) for row in await conn.execute(wanted)}


async def delete_older(conn: AsyncConnection, *, now: datetime) -> int:
    """Delete links that have been over for long; how many went."""
    return rows_touched(await conn.execute(delete(_links).where(_links.c.expires_at < now - KEPT_FOR)))


# --- what is due ------------------------------------------------------------------------------------------------------


def may_confirm(service: Service) -> bool:
    """Whether there is one house behind the entry that can say it is right: not for what every kommune has its own."""
    gone = service.status in (ServiceStatus.INACTIVE, ServiceStatus.DEFUNCT)
    return not (gone or service.area.everywhere or service.kind is ServiceKind.BACKGROUND)


def is_due(service: Service, now: datetime) -> bool:
    """Whether the service has not confirmed its entry for half a year, or never has."""
    return service.confirmed_on is None or lapsed(service.confirmed_on, now.date())


def due(directory: Directory, now: datetime) -> tuple[Service, ...]:
    """The services whose entry is due to be confirmed, the longest unconfirmed first."""
    late = [service for service in directory.services if may_confirm(service) and is_due(service, now)]
    return tuple(sorted(late, key=lambda service: (service.confirmed_on or _NEVER, service.name, service.id)))


def is_forgotten(service: Service, now: datetime) -> bool:
    """Whether coordinators are to be told: neither the service nor one of us has looked at it for half a year."""
    seen = max((day for day in (service.confirmed_on, service.assured_on) if day is not None), default=None)
    return is_due(service, now) and (seen is None or lapsed(seen, now.date()))


async def untold(conn: AsyncConnection, services: Iterable[Service]) -> list[Service]:
    """Those of which coordinators have not been told since the confirmation that is too old now."""
    told = {(row.service_id, row.confirmed_on) for row in await conn.execute(select(_reminders))}
    return [service for service in services if (service.id, service.confirmed_on or _NEVER) not in told]


async def note_told(conn: AsyncConnection, service: Service, *, now: datetime) -> bool:
    """Write down that coordinators are told; False where another process was quicker."""
    values = {"service_id": service.id, "confirmed_on": service.confirmed_on or _NEVER, "told_at": now}
    unique = ["service_id", "confirmed_on"]
    return await insert_once(conn, _reminders, values, unique=unique, returning="service_id") is not None


# --- look-alikes ------------------------------------------------------------------------------------------------------


async def not_the_same(conn: AsyncConnection, one: str, other: str, *, by: str, now: datetime) -> None:
    """Remember that two services are two, however alike they look."""
    first, second = sorted((one, other))
    values = {"one": first, "other": second, "said_by": by, "said_at": now}
    if await insert_once(conn, _apart, values, unique=["one", "other"], returning="one") is not None:
        details: dict[str, audit.Detail] = {"other": second}
        subject = f"service:{first}"
        await audit.append(conn, at=now, actor=by, action="services_told_apart", subject=subject, details=details)


async def apart(conn: AsyncConnection) -> frozenset[tuple[str, str]]:
    """The pairs of ids, each in order, that are two."""
    return frozenset((row.one, row.other) for row in await conn.execute(select(_apart)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _link(row: AnyRow) -> Link:
    return Link(row.service_id, row.made_by, row.made_at, row.expires_at, row.used_at)
