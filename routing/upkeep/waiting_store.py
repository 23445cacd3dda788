"""Changes of an organisation's numbers, and of what is always shown, that wait for a second person.

What a service says has proposals of its own (`proposal_store.py`). Here stands what concerns more than one of them: a
wrong number, or another service at the end of every answer, reaches everybody who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Integer, String, Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.content import node_of
from helpline.messages import Country
from helpline.storage import AnyRow, BigId, UtcDateTime, canonical, insert_once, table_of, wake
from routing import organisations, store
from routing.directory import Directory
from routing.organisations import Organisation, as_plain, read_organisation
from routing.store import ChangedMeanwhile
from routing.upkeep import fallback_store
from routing.upkeep.fallback_store import Unfit
from routing.upkeep.proposal_store import TOPIC, NoProposal, ProposalError, ProposalState, SamePerson


class About(StrEnum):
    """What is to be changed."""

    ORGANISATION = "organisation"
    FALLBACK = "fallback"  # which service is always shown in the place of another


class WaitingRow(SQLModel, table=True):
    """A change that waits for a second person, or did. Kept for ever: it says who proposed and approved."""

    __tablename__ = "directory_waiting"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    about: str = Field(sa_type=String)
    subject_id: str = Field(sa_type=String, index=True)  # of the organisation, or of the service that is shown now
    country: str = Field(sa_type=String)
    base_revision: int = Field(sa_type=Integer)  # of the organisation; 0 for one that was not entered, and for services
    document: str = Field(sa_type=Text)  # canonical JSON
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(sa_type=String, index=True)
    decided_by: str | None = Field(default=None, sa_type=String)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The same change by the same hand, while it is open; a second click finds it there.
    open_key: str | None = Field(default=None, sa_type=String, unique=True)


_waiting = table_of(WaitingRow)
_w = _waiting.c


class Over(ProposalError):
    """The change was decided already."""


@dataclass(frozen=True)
class Waiting:
    """A change that waits for a second person, or did."""

    id: int
    about: About
    subject_id: str
    country: Country
    base_revision: int
    plain: Mapping[str, Any] = field(hash=False, repr=False)
    made_by: str
    made_at: datetime
    state: ProposalState

    @property
    def service_id(self) -> str:
        """The service that is to be shown instead."""
        return str(self.plain.get("service", ""))

    def organisation(self) -> Organisation:
        """The organisation as it is to be."""
        wanted = read_organisation(node_of(self.plain, file=f"change {self.id}"), self.country)
        return replace(wanted, revision=self.base_revision)


async def propose_organisation(conn: AsyncConnection, wanted: Organisation, *, by: str, now: datetime) -> Waiting:
    """Have a change of an organisation wait; `ChangedMeanwhile` unless it is made upon the present revision."""
    known = {each.id: each for each in await store.all_organisations(conn)}
    present = known.get(wanted.id)
    if (present.revision if present is not None else 0) != wanted.revision:
        raise ChangedMeanwhile(wanted.id)
    organisations.check_all([*({**known, wanted.id: wanted}).values()])
    return await _propose(
        conn, About.ORGANISATION, wanted.id, wanted.country, wanted.revision, as_plain(wanted), by=by, now=now
    )


async def propose_fallback(
    conn: AsyncConnection, instead_of: str, service_id: str, directory: Directory, *, by: str, now: datetime
) -> Waiting:
    """Have `service_id` wait to be shown always where `instead_of` is; `Unfit` where nobody could fall back on it."""
    service = directory.find(service_id)
    country = directory.get(instead_of).country
    fallback = directory.fallbacks[country]
    if service is None or not fallback_store.fits(instead_of, service, fallback, country):
        raise Unfit(service_id)
    return await _propose(conn, About.FALLBACK, instead_of, country, 0, {"service": service_id}, by=by, now=now)


async def approve(conn: AsyncConnection, waiting_id: int, directory: Directory, *, by: str, now: datetime) -> Waiting:
    """Make it hold, by another than proposed it; `ChangedMeanwhile` or `Unfit` where it no longer fits."""
    waiting = await _open(conn, waiting_id)
    if waiting.made_by == by:
        raise SamePerson(waiting_id)
    match waiting.about:
        case About.ORGANISATION:
            await store.save_organisation(conn, waiting.organisation(), now=now, actor=by)
        case About.FALLBACK:
            service, fallback = directory.find(waiting.service_id), directory.fallbacks[waiting.country]
            if service is None or service.country is not waiting.country:
                raise Unfit(waiting.service_id)
            await fallback_store.put(conn, waiting.subject_id, service, fallback, by=by, now=now)
    return await _decide(conn, waiting, ProposalState.APPROVED, by=by, now=now)


async def turn_down(conn: AsyncConnection, waiting_id: int, *, by: str, now: datetime) -> Waiting:
    """Say no to it; whoever proposed it takes it back instead."""
    waiting = await _open(conn, waiting_id)
    if waiting.made_by == by:
        raise SamePerson(waiting_id)
    return await _decide(conn, waiting, ProposalState.TURNED_DOWN, by=by, now=now)


async def take_back(conn: AsyncConnection, waiting_id: int, *, by: str, now: datetime) -> Waiting:
    """Take back one's own; for everybody else it is not there to take."""
    waiting = await _open(conn, waiting_id)
    if waiting.made_by != by:
        raise NoProposal(waiting_id)
    return await _decide(conn, waiting, ProposalState.TAKEN_BACK, by=by, now=now)


async def open_changes(conn: AsyncConnection, about: About | None = None, subject_id: str = "") -> tuple[Waiting, ...]:
    """What waits, the oldest first; of one sort and about one organisation or service, where that is named."""
    wanted = select(_waiting).where(_w.state == ProposalState.OPEN.value)
    if about is not None:
        wanted = wanted.where(_w.about == about.value)
    if subject_id:
        wanted = wanted.where(_w.subject_id == subject_id)
    return tuple(_read(row) for row in await conn.execute(wanted.order_by(_w.id)))


async def waiting_for(conn: AsyncConnection, member: str) -> int:
    """How many somebody may decide: those of others."""
    theirs = (_w.state == ProposalState.OPEN.value) & (_w.made_by != member)
    return int((await conn.execute(select(func.count()).select_from(_waiting).where(theirs))).scalar_one())


async def _propose(
    conn: AsyncConnection,
    about: About,
    subject_id: str,
    country: Country,
    base_revision: int,
    plain: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> Waiting:
    document = canonical(plain)
    values = {
        "about": about.value,
        "subject_id": subject_id,
        "country": country.value,
        "base_revision": base_revision,
        "document": document,
        "made_by": by,
        "made_at": now,
        "state": ProposalState.OPEN.value,
        "open_key": hashlib.sha256(f"{about}\0{subject_id}\0{base_revision}\0{by}\0{document}".encode()).hexdigest(),
    }
    made = await insert_once(conn, _waiting, values, unique=["open_key"])
    row = (await conn.execute(select(_waiting).where(_w.open_key == values["open_key"]))).one()
    waiting = _read(row)
    if made is not None:
        await _note(conn, waiting, "proposed", by=by, now=now)
    return waiting


async def _open(conn: AsyncConnection, waiting_id: int) -> Waiting:
    """The change, with nobody else deciding it until this transaction ends."""
    row = (await conn.execute(select(_waiting).where(_w.id == waiting_id).with_for_update())).one_or_none()
    if row is None:
        raise NoProposal(waiting_id)
    waiting = _read(row)
    if waiting.state is not ProposalState.OPEN:
        raise Over(waiting_id)
    return waiting


async def _decide(conn: AsyncConnection, waiting: Waiting, state: ProposalState, *, by: str, now: datetime) -> Waiting:
    values = {"state": state.value, "decided_by": by, "decided_at": now, "open_key": None}
    await conn.execute(update(_waiting).where(_w.id == waiting.id).values(**values))
    await _note(conn, waiting, state.value.replace("-", "_"), by=by, now=now)
    return replace(waiting, state=state)


async def _note(conn: AsyncConnection, waiting: Waiting, what: str, *, by: str, now: datetime) -> None:
    subject = "organisation" if waiting.about is About.ORGANISATION else "service"
    details: dict[str, audit.Detail] = {"change": waiting.id, "made_by": waiting.made_by}
    await audit.append(
        conn,
        at=now,
        actor=by,
        action=f"{waiting.about.value}_change_{what}",
        subject=f"{subject}:{waiting.subject_id}",
        details=details,
    )
    wake(conn, TOPIC)


def _read(row: AnyRow) -> Waiting:
    return Waiting(
        id=row.id,
        about=About(row.about),
        subject_id=row.subject_id,
        country=Country(row.country),
        base_revision=row.base_revision,
        plain=orjson.loads(row.document),
        made_by=row.made_by,
        made_at=row.made_at,
        state=ProposalState(row.state),
    )
