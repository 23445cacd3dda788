"""Changes of the directory that wait for a second person, and the one way by which people bring a change in.

What a change touches decides (`changes.py`): most are saved at once; a phone number, whom a service takes, a
new service or one that goes is a proposal until somebody else has looked at it. A proposal is made upon a revision.
Where that is no longer the newest, it is not approved but put upon the newer one first, so nothing is overwritten
unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import Integer, String, Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.content import node_of
from helpline.messages import Country
from helpline.storage import BigId, UtcDateTime, canonical, insert_once, rows_touched, table_of, wake
from routing import store
from routing.directory import Directory
from routing.places import Gazetteer
from routing.services import Service
from routing.upkeep import changes
from routing.upkeep.service_form import as_plain, read_service

TOPIC: Final = "proposals"  # rung when one is made or decided
WORDS_KEPT: Final = timedelta(days=365)
LONGEST_WORD: Final = 500


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    TURNED_DOWN = "turned-down"
    TAKEN_BACK = "taken-back"  # by whoever made it
    REBASED = "rebased"  # another one, upon the newer revision, stands in its place


class ServiceProposalRow(SQLModel, table=True):
    """A change that waits for a second person, or did.

    Kept for ever, as the revision that came of it is: it says who proposed and who approved, and nothing of any
    patient. What the two wrote to each other goes a year after the decision (`forget_words`).
    """

    __tablename__ = "service_proposal"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    service_id: str = Field(sa_type=String, index=True)
    country: str = Field(sa_type=String)
    base_revision: int = Field(sa_type=Integer)  # 0 for a service that was not there
    document: str = Field(sa_type=Text)  # canonical JSON
    note: str = Field(sa_type=Text)
    made_by: str = Field(sa_type=String)
    made_at: datetime = Field(sa_type=UtcDateTime)
    asked_by: str | None = Field(default=None, sa_type=String)  # who made the link by which a service proposed it
    state: str = Field(sa_type=String, index=True)
    decided_by: str | None = Field(default=None, sa_type=String)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    word: str = Field(default="", sa_type=Text)  # of whoever decided
    revision: int | None = Field(default=None, sa_type=Integer)  # what came of it
    # The same change by the same hand with the same words, while it is open; a second click finds it there.
    open_key: str | None = Field(default=None, sa_type=String, unique=True)


_proposals = table_of(ServiceProposalRow)
_services = table_of(store.ServiceRow)


class ProposalError(Exception):
    """A proposal could not be decided."""


class SamePerson(ProposalError):
    """Whoever proposed a change, or made the link by which it came, does not approve it."""


class NoProposal(ProposalError):
    """There is no such proposal."""


class AlreadyDecided(ProposalError):
    """The proposal is not open any more."""

    def __init__(self, proposal: Proposal) -> None:
        super().__init__(proposal.id)
        self.proposal = proposal


class BaseMoved(ProposalError):
    """The service has changed since the proposal was made; it has to be put upon the newer revision first."""

    def __init__(self, proposal: Proposal, present: int) -> None:
        super().__init__(proposal.id)
        self.proposal = proposal
        self.present = present


@dataclass(frozen=True)
class Proposal:
    """A change that waits for a second person, or did."""

    id: int
    service_id: str
    country: Country
    base_revision: int
    plain: Mapping[str, Any] = field(hash=False, repr=False)
    note: str = field(repr=False)
    made_by: str
    made_at: datetime
    asked_by: str | None
    state: ProposalState
    decided_by: str | None
    decided_at: datetime | None
    word: str = field(repr=False)
    revision: int | None

    @property
    def is_open(self) -> bool:
        return self.state is ProposalState.OPEN

    @property
    def is_new(self) -> bool:
        """Whether the service was not there."""
        return self.base_revision == 0

    def is_from(self, somebody: str) -> bool:
        """Whether it may be this one's own word: made here, or by a link that only they were shown."""
        return somebody in (self.made_by, self.asked_by)


@dataclass(frozen=True)
class Saved:
    """The change holds; `service.revision` is the new one, or the old one where nothing differed."""

    service: Service
    changed: bool = True


@dataclass(frozen=True)
class Proposed:
    """The change waits for a second person, because of these fields (`changes.guarded`)."""

    proposal: Proposal
    because: tuple[str, ...]


# --- bringing a change in --------------------------------------------------------------------------------------------


async def submit(
    conn: AsyncConnection, service: Service, *, by: str, now: datetime, note: str = "", ask: bool = False
) -> Saved | Proposed:
    """Save a change made upon `service.revision`, or propose it where a second person has to look.

    `by` is who the trail says it was ("staff:asha"). `ask` has it looked at whatever it touches: what comes from
    outside. `store.ChangedMeanwhile` where the revision is no longer the newest.
    """
    row = await _stored(conn, service.id)
    if (row.revision if row is not None else 0) != service.revision:
        raise store.ChangedMeanwhile(service.id)
    old = orjson.loads(row.document) if row is not None else None
    new = orjson.loads(_document(service))
    if old == new:
        return Saved(service, changed=False)
    because = changes.guarded_in(old, new)
    if not because and not ask:
        saved = await store.save_service(conn, service, now=now, actor=by)
        await forget_addresses(conn, saved.id)
        return Saved(saved)
    made = await propose(conn, service, base_revision=service.revision, made_by=by, now=now, note=note)
    return Proposed(made, because)


async def propose(
    conn: AsyncConnection,
    service: Service,
    *,
    base_revision: int,
    made_by: str,
    now: datetime,
    note: str = "",
    asked_by: str | None = None,
) -> Proposal:
    """Have a change wait for a second person; the one that waits already where the same hand made the same before."""
    document, note = _document(service), _words(note)
    values = {
        "service_id": service.id,
        "country": service.country.value,
        "base_revision": base_revision,
        "document": document,
        "note": note,
        "made_by": made_by,
        "made_at": now,
        "asked_by": asked_by,
        "state": ProposalState.OPEN.value,
        "word": "",
        "open_key": _key(service.id, base_revision, made_by, document, note),
    }
    made = await insert_once(conn, _proposals, values, unique=["open_key"])
    if made is None:
        found = select(_proposals).where(_proposals.c.open_key == values["open_key"])
        return _proposal((await conn.execute(found)).one())
    details: dict[str, audit.Detail] = {"proposal": int(made), "upon": base_revision}
    await _told(conn, "service_change_proposed", service.id, by=made_by, now=now, details=details)
    return await get(conn, int(made))


# --- deciding --------------------------------------------------------------------------------------------------------


async def approve(
    conn: AsyncConnection,
    proposal_id: int,
    *,
    by: str,
    now: datetime,
    directory: Directory,
    gazetteer: Gazetteer,
    word: str = "",
) -> Service:
    """Make a proposal hold. The second person is another one than the first, and sees it upon the newest revision."""
    proposal = await _open(conn, proposal_id)
    if proposal.is_from(by):
        raise SamePerson(proposal_id)
    row = await _stored(conn, proposal.service_id)
    present = row.revision if row is not None else 0
    if present != proposal.base_revision:
        raise BaseMoved(proposal, present)
    # Read again: what was proposed before an update of the program may name a place or a need that is there no more.
    service = replace(service_of(proposal, directory, gazetteer), revision=present)
    try:
        saved = await store.save_service(conn, service, now=now, actor=by)
    except store.ChangedMeanwhile as error:
        raise BaseMoved(proposal, present + 1) from error
    await _decide(conn, proposal, ProposalState.APPROVED, by=by, now=now, word=word, revision=saved.revision)
    await forget_addresses(conn, saved.id)
    return saved


async def turn_down(conn: AsyncConnection, proposal_id: int, *, by: str, now: datetime, word: str) -> Proposal:
    """Say no to a proposal, with a word on why; whoever made it takes it back instead."""
    proposal = await _open(conn, proposal_id)
    if proposal.made_by == by:
        raise SamePerson(proposal_id)
    return await _decide(conn, proposal, ProposalState.TURNED_DOWN, by=by, now=now, word=word)


async def withdraw(conn: AsyncConnection, proposal_id: int, *, by: str, now: datetime) -> Proposal:
    """Take back one's own proposal; for everybody else it is not there to take."""
    proposal = await _open(conn, proposal_id)
    if proposal.made_by != by:
        raise NoProposal(proposal_id)
    return await _decide(conn, proposal, ProposalState.TAKEN_BACK, by=by, now=now)


async def replace_with(
    conn: AsyncConnection, proposal_id: int, service: Service, *, by: str, now: datetime, note: str = ""
) -> Saved | Proposed:
    """Bring in a proposal anew, as `service` upon the newest revision; the old one is closed for it."""
    proposal = await _open(conn, proposal_id)
    brought = await submit(conn, service, by=by, now=now, note=note, ask=not proposal.made_by.startswith("staff:"))
    if not isinstance(brought, Proposed) or brought.proposal.id != proposal.id:
        await _decide(conn, proposal, ProposalState.REBASED, by=by, now=now)
    return brought


# --- reading ---------------------------------------------------------------------------------------------------------


async def find(conn: AsyncConnection, proposal_id: int) -> Proposal | None:
    """One proposal."""
    row = (await conn.execute(select(_proposals).where(_proposals.c.id == proposal_id))).one_or_none()
    return _proposal(row) if row is not None else None


async def get(conn: AsyncConnection, proposal_id: int) -> Proposal:
    """One proposal; `NoProposal` where there is none."""
    found = await find(conn, proposal_id)
    if found is None:
        raise NoProposal(proposal_id)
    return found


async def open_proposals(conn: AsyncConnection, service_id: str | None = None) -> tuple[Proposal, ...]:
    """What waits for a second person, the oldest first; of one service, where it is named."""
    wanted = select(_proposals).where(_proposals.c.state == ProposalState.OPEN.value)
    if service_id is not None:
        wanted = wanted.where(_proposals.c.service_id == service_id)
    return tuple(_proposal(row) for row in await conn.execute(wanted.order_by(_proposals.c.id)))


async def proposals_of(conn: AsyncConnection, service_id: str) -> tuple[Proposal, ...]:
    """Every proposal that was made about a service, newest first."""
    wanted = select(_proposals).where(_proposals.c.service_id == service_id).order_by(_proposals.c.id.desc())
    return tuple(_proposal(row) for row in await conn.execute(wanted))


async def waiting_for(conn: AsyncConnection, member: str) -> int:
    """How many open proposals somebody may decide: those of others."""
    mine = (_proposals.c.state == ProposalState.OPEN.value) & (_proposals.c.made_by != member)
    return int((await conn.execute(select(func.count()).select_from(_proposals).where(mine))).scalar_one())


async def present_revision(conn: AsyncConnection, service_id: str) -> int:
    """The newest revision of a service; 0 where there is none."""
    row = await _stored(conn, service_id)
    return row.revision if row is not None else 0


def service_of(proposal: Proposal, directory: Directory, gazetteer: Gazetteer) -> Service:
    """The service as it was proposed; `ContentError` where the program no longer knows a place or need in it."""
    node = node_of(proposal.plain, file=f"proposal {proposal.id}")
    service = read_service(node, proposal.country, gazetteer, directory.needs)
    return replace(service, revision=proposal.base_revision)


async def forget_words(conn: AsyncConnection, *, before: datetime) -> int:
    """Empty what was written beside proposals that were decided before this instant; how many."""
    old = (_proposals.c.decided_at < before) & ((_proposals.c.note != "") | (_proposals.c.word != ""))
    return rows_touched(await conn.execute(update(_proposals).where(old).values(note="", word="")))


async def forget_addresses(conn: AsyncConnection, service_id: str) -> None:
    """Take out of every proposal about a service where a place lies that is hidden now."""
    row = await _stored(conn, service_id)
    hidden = store.hidden_places(orjson.loads(row.document)) if row is not None else frozenset()
    if hidden is not None and not hidden:
        return
    with_one = (_proposals.c.service_id == service_id) & _proposals.c.document.contains('"address"')
    for old in (await conn.execute(select(_proposals.c.id, _proposals.c.document).where(with_one))).all():
        kept = store.without_addresses(old.document, hidden)
        await conn.execute(update(_proposals).where(_proposals.c.id == old.id).values(document=kept))


async def forget_all_addresses(conn: AsyncConnection) -> None:
    """The same for every service: one may have been hidden by an import, which knows nothing of proposals."""
    with_one = select(_proposals.c.service_id).where(_proposals.c.document.contains('"address"')).distinct()
    for service_id in (await conn.execute(with_one)).scalars().all():
        await forget_addresses(conn, service_id)


# --- rows ------------------------------------------------------------------------------------------------------------


async def _stored(conn: AsyncConnection, service_id: str) -> Any:
    wanted = select(_services.c.revision, _services.c.document).where(_services.c.id == service_id)
    return (await conn.execute(wanted)).one_or_none()


async def _open(conn: AsyncConnection, proposal_id: int) -> Proposal:
    """The proposal, with nobody else deciding it until this transaction ends."""
    wanted = select(_proposals).where(_proposals.c.id == proposal_id).with_for_update()
    row = (await conn.execute(wanted)).one_or_none()
    if row is None:
        raise NoProposal(proposal_id)
    proposal = _proposal(row)
    if not proposal.is_open:
        raise AlreadyDecided(proposal)
    return proposal


async def _decide(
    conn: AsyncConnection,
    proposal: Proposal,
    state: ProposalState,
    *,
    by: str,
    now: datetime,
    word: str = "",
    revision: int | None = None,
) -> Proposal:
    values = {
        "state": state.value,
        "decided_by": by,
        "decided_at": now,
        "word": _words(word),
        "revision": revision,
        "open_key": None,
    }
    await conn.execute(update(_proposals).where(_proposals.c.id == proposal.id).values(**values))
    details: dict[str, audit.Detail] = {"proposal": proposal.id, "made_by": proposal.made_by, "revision": revision}
    what = f"service_change_{state.value.replace('-', '_')}"
    await _told(conn, what, proposal.service_id, by=by, now=now, details=details)
    return await get(conn, proposal.id)


async def _told(
    conn: AsyncConnection, action: str, service_id: str, *, by: str, now: datetime, details: Mapping[str, audit.Detail]
) -> None:
    await audit.append(conn, at=now, actor=by, action=action, subject=f"service:{service_id}", details=details)
    wake(conn, TOPIC)


def _words(written: str) -> str:
    """What somebody wrote, as a database takes it: PostgreSQL has no place for the sign of nothing."""
    return written.replace("\0", " ")[:LONGEST_WORD]


def _document(service: Service) -> str:
    return canonical(as_plain(service))


def _key(service_id: str, base: int, made_by: str, document: str, note: str) -> str:
    # With the words: a service that corrects nothing in a field says everything in them.
    return hashlib.sha256(f"{service_id}\0{base}\0{made_by}\0{document}\0{note}".encode()).hexdigest()


def _proposal(row: Any) -> Proposal:
    return Proposal(
        id=row.id,
        service_id=row.service_id,
        country=Country(row.country),
        base_revision=row.base_revision,
        plain=orjson.loads(row.document),
        note=row.note,
        made_by=row.made_by,
        made_at=row.made_at,
        asked_by=row.asked_by,
        state=ProposalState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        word=row.word,
        revision=row.revision,
    )
