"""The tables of the waiting room, and the queries on them.

What the ladder decides on is one value (`Escalation`), kept as JSON in its row; the columns beside it are for finding
and showing. Every change locks the row first, so the ladder of one escalation is climbed by one hand at a time.

No table here holds what anybody wrote.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson
import structlog
from pydantic import TypeAdapter
from sqlalchemy import (
    Boolean,
    Index,
    Integer,
    String,
    Text,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from escalation.policy import Policy, read_policy
from escalation.rota.roster import Schedule, read_schedule, read_zone
from escalation.standing import Escalation, State
from helpline import lease as leases
from helpline.content import read_yaml
from helpline.messages import Country, Language
from helpline.storage import (
    AnyRow,
    BigId,
    UtcDateTime,
    canonical,
    execute_all,
    insert_once,
    rows_touched,
    table_of,
    wake,
)

log = structlog.get_logger(__name__)

TOPIC = "escalations"  # rung when anything about an escalation changed
ROTA_TOPIC = "rota"  # rung when a roster, leave or an exchange of shifts changed

KEPT_FOR = timedelta(days=396)  # 13 months: a year's report, and the month in which it is written


class PageState(StrEnum):
    """What became of a page."""

    MADE = "made"  # handed to the outbox, or shown on the desk
    SENT = "sent"  # the provider took it
    DELIVERED = "delivered"  # on the device; not the same as read
    REFUSED = "refused"  # will not arrive
    HELD_UP = "held_up"  # the provider makes us wait, or a machine answered
    WITHDRAWN = "withdrawn"  # not needed any more, and perhaps not sent


class EscalationRow(SQLModel, table=True):
    """One clinician's wait for a human. No words, no address. Kept for 13 months after it ended; `delete_older`."""

    __tablename__ = "escalation"
    __table_args__ = (
        Index(
            "ix_escalation_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_escalation_owner", "owner_id", "state"),
    )

    id: str = Field(primary_key=True, sa_type=String)
    conversation_id: str = Field(sa_type=String, index=True)
    open_key: str | None = Field(default=None, unique=True, sa_type=String)  # the conversation, while it is open
    code: str = Field(sa_type=String, unique=True)
    state: str = Field(sa_type=String)
    urgency: str = Field(sa_type=String)
    language: str = Field(sa_type=String)
    country: str = Field(sa_type=String)
    region: str = Field(default="", sa_type=String)
    reason: str = Field(default="", sa_type=String)
    brief_ref: str = Field(default="", sa_type=String)
    owner_id: str | None = Field(default=None, sa_type=String)
    opened_at: datetime = Field(sa_type=UtcDateTime)
    promise_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    promised_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # the first promise, as it was given
    taken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replied_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # the first word of a human
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_token: str | None = Field(default=None, sa_type=String)
    standing: str = Field(sa_type=Text)  # the whole `Escalation`, as JSON


class PageRow(SQLModel, table=True):
    """One call to one advisor. Kept as long as its escalation."""

    __tablename__ = "page"
    __table_args__ = (Index("ix_page_staff", "staff_id", "made_at"),)

    id: str = Field(primary_key=True, sa_type=String)  # "escalation:number", so that it exists once, ever
    escalation_id: str = Field(sa_type=String, index=True)
    number: int = Field(sa_type=Integer)
    staff_id: str = Field(sa_type=String)
    contact_id: int = Field(sa_type=BigId)
    channel: str = Field(sa_type=String)
    code: str = Field(sa_type=String, index=True)  # what is written back: the escalation's, or a bundle's
    rung: int = Field(sa_type=Integer)
    reason: str = Field(sa_type=String)
    early: bool = Field(default=False, sa_type=Boolean)
    late: bool = Field(default=False, sa_type=Boolean)
    made_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(sa_type=String)
    state_at: datetime = Field(sa_type=UtcDateTime)


class EscalationEventRow(SQLModel, table=True):
    """One thing that happened to an escalation, for whoever looks back. Kept as long as the escalation."""

    __tablename__ = "escalation_event"
    __table_args__ = (
        Index("ix_escalation_event_escalation", "escalation_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    escalation_id: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    kind: str = Field(sa_type=String)
    actor: str = Field(sa_type=String)
    details: str = Field(sa_type=Text)  # codes and ids, as JSON


class ReplyCodeRow(SQLModel, table=True):
    """A code that an advisor writes back. Kept as long as the escalation it stood for, so it never means two things."""

    __tablename__ = "reply_code"

    code: str = Field(primary_key=True, sa_type=String)
    escalation_id: str | None = Field(default=None, sa_type=String)  # None for a bundle
    staff_id: str | None = Field(default=None, sa_type=String)  # whose bundle it is
    made_at: datetime = Field(sa_type=UtcDateTime)


class RosterVersionRow(SQLModel, table=True):
    """One version of a roster. Kept for ever, since who was on call follows from it; one that never held may go."""

    __tablename__ = "roster_version"
    __table_args__ = (Index("ix_roster_version_name", "name", "valid_from"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    name: str = Field(sa_type=String)
    zone: str = Field(sa_type=String)
    definition: str = Field(sa_type=Text)  # JSON, in the form of content/roster.yaml
    languages: str | None = Field(default=None, sa_type=String)  # "nb,sv": somebody on call must speak each of them
    fallback: str | None = Field(default=None, sa_type=String)  # for its holes: a staff id, or "next_step"
    valid_from: datetime = Field(sa_type=UtcDateTime)
    saved_at: datetime = Field(sa_type=UtcDateTime)
    saved_by: str = Field(sa_type=String)
    starter: bool = Field(default=False, sa_type=Boolean)
    ended: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": false()})  # it is over


class LadderVersionRow(SQLModel, table=True):
    """One version of the ladders. Kept for ever: what was promised follows from it."""

    __tablename__ = "ladder_version"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    definition: str = Field(sa_type=Text)  # JSON, in the form of content/ladder.yaml
    saved_at: datetime = Field(sa_type=UtcDateTime)
    saved_by: str = Field(sa_type=String)
    starter: bool = Field(default=False, sa_type=Boolean)


class StoppedContactRow(SQLModel, table=True):
    """An address whose owner sent STOP. Kept until START, or until the contact is removed."""

    __tablename__ = "stopped_contact"

    contact_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)


class AdvisorNoiseRow(SQLModel, table=True):
    """How many meaningless messages in a row a member of staff has sent. Kept until a meaningful one."""

    __tablename__ = "advisor_noise"

    staff_id: str = Field(primary_key=True, sa_type=String)
    count: int = Field(sa_type=Integer)
    last_at: datetime = Field(sa_type=UtcDateTime)


escalations = table_of(EscalationRow)
pages = table_of(PageRow)
events = table_of(EscalationEventRow)
reply_codes = table_of(ReplyCodeRow)
roster_versions = table_of(RosterVersionRow)
ladder_versions = table_of(LadderVersionRow)
stopped_contacts = table_of(StoppedContactRow)
advisor_noise = table_of(AdvisorNoiseRow)

# Built once: building a statement costs more than running it.
_some_pages = pages.c.id.in_(bindparam("which", expanding=True))
# Whoever changes several locks them in one order, so that two never wait for each other.
_pages_in_order = select(pages.c.id).where(_some_pages).order_by(pages.c.id).with_for_update()
_note_pages = update(pages).where(_some_pages, pages.c.state.in_(bindparam("before", expanding=True)))
_states_of_pages = select(pages.c.id, pages.c.state).where(_some_pages)
_by_code = select(pages).where(pages.c.code.in_(bindparam("codes", expanding=True)))
_codes_of = select(pages.c.code).where(_some_pages)
_not_gone = select(pages).where(
    pages.c.escalation_id.in_(bindparam("of", expanding=True)), pages.c.state.in_(bindparam("states", expanding=True))
)
# Whoever ends a roster ends with it what was saved for later; what is saved afterwards starts it again.
_ends = roster_versions.alias()
counts = ~exists().where(
    _ends.c.name == roster_versions.c.name,
    _ends.c.ended,
    _ends.c.id > roster_versions.c.id,
    _ends.c.valid_from < roster_versions.c.valid_from,
)
# Of each roster the version that holds at an instant; of two that begin together, the later saved.
_ranked = (
    select(
        roster_versions.c.id,
        func.row_number()
        .over(
            partition_by=roster_versions.c.name,
            order_by=(roster_versions.c.valid_from.desc(), roster_versions.c.id.desc()),
        )
        .label("place"),
    )
    .where(roster_versions.c.valid_from <= bindparam("at", type_=roster_versions.c.valid_from.type), counts)
    .subquery()
)
_holding_at = (
    select(roster_versions)
    .join(_ranked, _ranked.c.id == roster_versions.c.id)
    .where(_ranked.c.place == 1)
    .order_by(roster_versions.c.name)
)
_open_of = select(escalations).where(escalations.c.open_key == bindparam("which"))
_open_of_locked = _open_of.with_for_update()

_standing: TypeAdapter[Escalation] = TypeAdapter(Escalation)


def to_json(escalation: Escalation) -> str:
    """An escalation as its row keeps it."""
    return _standing.dump_json(escalation).decode()


def from_json(written: str) -> Escalation:
    """An escalation back from its row."""
    return _standing.validate_json(written)


# --- Escalations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filed:
    """An escalation with what the ladder need not know."""

    escalation: Escalation
    conversation_id: str
    code: str
    country: Country
    region: str  # a county's or health region's name, never anything nearer
    reason: str  # a code: why a human is sought
    brief_ref: str  # where the front door finds what the advisor must know
    taken_at: datetime | None = None
    closed_at: datetime | None = None
    lease_token: str | None = None
    promised_at: datetime | None = None  # the first promise, also where it was moved or kept since
    replied_at: datetime | None = None  # when a human first wrote or spoke to her

    @property
    def id(self) -> str:
        return self.escalation.id

    @property
    def language(self) -> Language:
        """The clinician's language."""
        return Language(self.escalation.language)

    def after(self, escalation: Escalation, now: datetime) -> Filed:
        """The same, with the escalation as it stands now."""
        taken_at = self.taken_at if escalation.owner == self.escalation.owner else now if escalation.owner else None
        closed_at = self.closed_at if escalation.open or self.closed_at is not None else now
        replied_at = self.replied_at or (now if escalation.has_replied else None)
        return replace(self, escalation=escalation, taken_at=taken_at, closed_at=closed_at, replied_at=replied_at)


def _filed(row: AnyRow) -> Filed:
    return Filed(
        escalation=from_json(row.standing),
        conversation_id=row.conversation_id,
        code=row.code,
        country=Country(row.country),
        region=row.region,
        reason=row.reason,
        brief_ref=row.brief_ref,
        taken_at=row.taken_at,
        closed_at=row.closed_at,
        lease_token=row.lease_token,
        promised_at=row.promised_at,
        replied_at=row.replied_at,
    )


def _columns(filed: Filed) -> dict[str, Any]:
    escalation = filed.escalation
    return {
        "open_key": filed.conversation_id if escalation.open else None,
        "state": escalation.state.value,
        "urgency": escalation.urgency.value,
        "language": escalation.language,
        "owner_id": escalation.owner,
        "promise_at": escalation.promise_at,
        "promised_at": filed.promised_at or escalation.promise_at,
        "taken_at": filed.taken_at,
        "replied_at": filed.replied_at,
        "closed_at": filed.closed_at,
        "due_at": escalation.due_at,
        "lease_token": None,
        "standing": to_json(escalation),
    }


def new_id() -> str:
    """An id for an escalation that is about to open."""
    return secrets.token_hex(8)


async def insert_new(conn: AsyncConnection, filed: Filed) -> bool:
    """File a new escalation; False where the conversation has an open one already."""
    values = {
        "id": filed.id,
        "conversation_id": filed.conversation_id,
        "code": filed.code,
        "country": filed.country.value,
        "region": filed.region,
        "reason": filed.reason,
        "brief_ref": filed.brief_ref,
        "opened_at": filed.escalation.opened_at,
        **_columns(filed),
    }
    made = await insert_once(conn, escalations, values, unique=["open_key"])
    if made is not None:
        wake(conn, TOPIC)
    return made is not None


async def save(conn: AsyncConnection, changed: Sequence[Filed]) -> None:
    """Write escalations that were locked by this transaction."""
    if changed:
        statement = update(escalations).where(escalations.c.id == bindparam("which"))
        await execute_all(conn, statement, [{"which": filed.id, **_columns(filed)} for filed in changed])
        wake(conn, TOPIC)


async def find(conn: AsyncConnection, escalation_id: str, *, lock: bool = False) -> Filed | None:
    """The escalation of this id; `lock` before changing it."""
    wanted = select(escalations).where(escalations.c.id == escalation_id)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    return _filed(row) if row else None


async def find_by_code(conn: AsyncConnection, code: str) -> Filed | None:
    """The escalation that people know by this code."""
    row = (await conn.execute(select(escalations).where(escalations.c.code == code))).one_or_none()
    return _filed(row) if row else None


async def codes_of(conn: AsyncConnection, escalation_ids: Iterable[str]) -> dict[str, str]:
    """The codes that people know these escalations by; of those that are gone, nothing."""
    wanted = select(escalations.c.id, escalations.c.code).where(escalations.c.id.in_(list(escalation_ids)))
    return {row.id: row.code for row in await conn.execute(wanted)}


async def find_open(conn: AsyncConnection, conversation_id: str, *, lock: bool = False) -> Filed | None:
    """The open escalation of a conversation; there is at most one."""
    row = (await conn.execute(_open_of_locked if lock else _open_of, {"which": conversation_id})).one_or_none()
    return _filed(row) if row else None


async def list_open(conn: AsyncConnection) -> list[Filed]:
    """All that are open: those past or without a promise first, then by the time left on it, then those taken."""
    rows = await conn.execute(select(escalations).where(escalations.c.open_key.is_not(None)))
    found = [_filed(row) for row in rows]

    def pressing(filed: Filed) -> tuple[bool, datetime, datetime]:
        it = filed.escalation
        return (it.state is State.TAKEN, it.promise_at or it.opened_at, it.opened_at)

    return sorted(found, key=pressing)


async def count_of(conn: AsyncConnection, conversation_id: str) -> int:
    """How many escalations a conversation has had, the open one among them."""
    counted = select(func.count()).select_from(escalations).where(escalations.c.conversation_id == conversation_id)
    return int((await conn.execute(counted)).scalar_one())


async def list_of(conn: AsyncConnection, conversation_id: str) -> list[Filed]:
    """Every escalation of a conversation, the latest first."""
    wanted = select(escalations).where(escalations.c.conversation_id == conversation_id)
    return [_filed(row) for row in await conn.execute(wanted.order_by(escalations.c.opened_at.desc()))]


async def owned_by(conn: AsyncConnection, staff_id: str) -> list[Filed]:
    """What an advisor has taken and not ended, the latest first."""
    wanted = select(escalations).where(escalations.c.owner_id == staff_id, escalations.c.state == State.TAKEN.value)
    return [_filed(row) for row in await conn.execute(wanted.order_by(escalations.c.taken_at.desc()))]


async def conversations_of(conn: AsyncConnection, staff_id: str, *, since: datetime) -> list[str]:
    """The conversations that an advisor has, or had last, of those in which an escalation was opened since."""
    wanted = select(escalations.c.conversation_id).where(
        escalations.c.owner_id == staff_id, escalations.c.opened_at >= since
    )
    return [row.conversation_id for row in await conn.execute(wanted.distinct())]


async def asked_of(conn: AsyncConnection, staff_id: str, *, since: datetime) -> list[Filed]:
    """Open escalations for which an advisor was paged and which somebody else does not have, the latest page first."""
    latest = (
        select(pages.c.escalation_id, pages.c.made_at)
        .where(pages.c.staff_id == staff_id, pages.c.made_at >= since)
        .order_by(pages.c.made_at.desc())
    )
    order = list(dict.fromkeys(row.escalation_id for row in await conn.execute(latest)))
    if not order:
        return []
    rows = await conn.execute(
        select(escalations).where(escalations.c.id.in_(order), escalations.c.open_key.is_not(None))
    )
    found = {row.id: _filed(row) for row in rows}
    mine = (found[id_] for id_ in order if id_ in found)
    return [filed for filed in mine if filed.escalation.owner is None or _may_take_over(filed, staff_id)]


def _may_take_over(filed: Filed, staff_id: str) -> bool:
    handover = filed.escalation.handover
    return handover is not None and staff_id in handover.asked


async def claim_due(conn: AsyncConnection, *, now: datetime, lease: timedelta, limit: int) -> list[Filed]:
    """Take escalations whose time has come; until this transaction ends nobody else can.

    One that cannot be read is said in the log and left to its lease: it must not stop everybody else's.
    """
    taken = []
    for row in await leases.claim(conn, escalations, now=now, lease=lease, limit=limit):
        try:
            taken.append(_filed(row))
        except ValueError as error:
            log.error("escalation_unreadable", escalation_id=row.id, error_type=type(error).__name__)
    return taken


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When the next escalation must be looked at."""
    return await leases.next_due(conn, escalations)


async def make_due(conn: AsyncConnection, now: datetime) -> int:
    """Have every open escalation looked at at once, since rosters or staff have changed; how many."""
    locked = select(escalations).where(escalations.c.open_key.is_not(None)).order_by(escalations.c.id)
    changed = []
    for row in (await conn.execute(locked.with_for_update())).all():
        filed = _filed(row)
        # In the escalation itself and not only in the column, which the next save would set back.
        changed.append(replace(filed, escalation=replace(filed.escalation, shift_change_at=now)))
    await save(conn, changed)
    return len(changed)


# --- Pages and codes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PageMade:
    """A page as it was made."""

    id: str
    escalation_id: str
    number: int
    staff_id: str
    contact_id: int
    channel: str
    code: str
    rung: int
    reason: str
    early: bool
    late: bool
    made_at: datetime
    state: PageState
    state_at: datetime

    @property
    def message(self) -> tuple[str, str, int, datetime]:
        """What the pages that went out in one message have in common."""
        return (self.code, self.staff_id, self.contact_id, self.made_at)


def _page(row: AnyRow) -> PageMade:
    return PageMade(**{**row._mapping, "state": PageState(row.state)})


def page_id(escalation_id: str, number: int) -> str:
    """The id of a page, which follows from what it is."""
    return f"{escalation_id}:{number}"


async def insert_pages(conn: AsyncConnection, made: Sequence[PageMade]) -> None:
    """Note pages that are handed out in this transaction."""
    await execute_all(conn, insert(pages), [{**page.__dict__, "state": page.state.value} for page in made])


async def find_page(conn: AsyncConnection, id_: str) -> PageMade | None:
    """The page of this id."""
    row = (await conn.execute(select(pages).where(pages.c.id == id_))).one_or_none()
    return _page(row) if row else None


async def pages_of(conn: AsyncConnection, escalation_id: str) -> list[PageMade]:
    """Every page of an escalation, in the order they were made."""
    rows = await conn.execute(select(pages).where(pages.c.escalation_id == escalation_id).order_by(pages.c.number))
    return [_page(row) for row in rows]


async def waiting_pages(conn: AsyncConnection, escalation_ids: Iterable[str]) -> list[PageMade]:
    """The pages of these escalations that may not have left yet."""
    not_gone = [PageState.MADE.value, PageState.HELD_UP.value]
    wanted = {"of": sorted(set(escalation_ids)), "states": not_gone}
    return [_page(row) for row in await conn.execute(_not_gone, wanted)]


# A page's state only moves forward: a callback that comes late or twice changes nothing.
_BEFORE: Mapping[PageState, tuple[PageState, ...]] = {
    PageState.MADE: (),
    PageState.SENT: (PageState.MADE, PageState.HELD_UP),
    PageState.HELD_UP: (PageState.MADE, PageState.SENT),
    PageState.DELIVERED: (PageState.MADE, PageState.HELD_UP, PageState.SENT),
    PageState.REFUSED: (PageState.MADE, PageState.HELD_UP, PageState.SENT),
    PageState.WITHDRAWN: (PageState.MADE, PageState.HELD_UP),
}


async def note_pages(conn: AsyncConnection, ids: Iterable[str], state: PageState, now: datetime) -> int:
    """Note what became of pages; how many of them that changed."""
    which = sorted(ids)
    if len(which) > 1:
        await conn.execute(_pages_in_order, {"which": which})
    before = [each.value for each in _BEFORE[state]]
    changed = await conn.execute(_note_pages, {"which": which, "before": before, "state": state.value, "state_at": now})
    return rows_touched(changed)


async def note_sent(conn: AsyncConnection, ids: Iterable[str], now: datetime) -> int:
    """Note that the messages of these pages have gone, and with each all that it speaks for; how many that changed."""
    asked = set(ids)
    codes = sorted(set((await conn.execute(_codes_of, {"which": sorted(asked)})).scalars()))
    found = [_page(row) for row in await conn.execute(_by_code, {"codes": codes})] if codes else []
    gone = {page.message for page in found if page.id in asked}
    return await note_pages(conn, [page.id for page in found if page.message in gone], PageState.SENT, now)


async def unwanted_pages(conn: AsyncConnection, ids: Iterable[str]) -> set[str]:
    """Those of these pages that nobody needs any more."""
    asked = set(ids)
    if not asked:
        return set()
    rows = await conn.execute(_states_of_pages, {"which": sorted(asked)})
    return asked - {row.id for row in rows if row.state != PageState.WITHDRAWN.value}


async def bundled_with(conn: AsyncConnection, page: PageMade) -> list[PageMade]:
    """All pages that went out in the same message as this one, itself included."""
    found = [_page(row) for row in await conn.execute(_by_code, {"codes": [page.code]})]
    return [each for each in found if each.message == page.message]


async def reserve_code(
    conn: AsyncConnection, *, escalation_id: str | None = None, staff_id: str | None = None, now: datetime
) -> str:
    """A code of digits that has not meant anything else for as long as we remember."""
    for attempt in range(200):
        digits = 5 if attempt < 20 else 6
        code = str(secrets.choice(range(1, 10))) + "".join(secrets.choice("0123456789") for _ in range(digits - 1))
        values = {"code": code, "escalation_id": escalation_id, "staff_id": staff_id, "made_at": now}
        if await insert_once(conn, reply_codes, values, unique=["code"], returning="code") is not None:
            return code
    raise RuntimeError("no reply code is free")


@dataclass(frozen=True)
class CodeMeaning:
    """What a reply code stands for."""

    code: str
    escalation_ids: tuple[str, ...]


async def meaning_of(conn: AsyncConnection, code: str, staff_id: str) -> CodeMeaning | None:
    """What a code means to this member of staff; None where it is none of ours, or another's bundle."""
    row = (await conn.execute(select(reply_codes).where(reply_codes.c.code == code))).one_or_none()
    if row is None:
        return None
    if row.escalation_id is not None:
        return CodeMeaning(code, (row.escalation_id,))
    if row.staff_id != staff_id:
        return None
    found = await conn.execute(
        select(pages.c.escalation_id).where(pages.c.code == code, pages.c.staff_id == staff_id).distinct()
    )
    return CodeMeaning(code, tuple(sorted(found.scalars())))


# --- What happened ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One thing that happened to an escalation."""

    escalation_id: str
    at: datetime
    kind: str
    actor: str
    details: Mapping[str, Any]


async def insert_events(conn: AsyncConnection, happened: Sequence[Event]) -> None:
    """Write down what happened."""
    rows = [
        {
            "escalation_id": event.escalation_id,
            "at": event.at,
            "kind": event.kind,
            "actor": event.actor,
            "details": orjson.dumps(dict(event.details)).decode(),
        }
        for event in happened
    ]
    await execute_all(conn, insert(events), rows)


async def history(conn: AsyncConnection, escalation_id: str) -> list[Event]:
    """What happened to an escalation, in order."""
    rows = await conn.execute(select(events).where(events.c.escalation_id == escalation_id).order_by(events.c.id))
    return [Event(row.escalation_id, row.at, row.kind, row.actor, orjson.loads(row.details)) for row in rows]


# --- Rosters and ladders ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roster:
    """A roster as it holds at some instant."""

    name: str
    zone: str
    schedule: Schedule
    starter: bool
    languages: tuple[str, ...] = ()
    fallback: str | None = None
    valid_from: datetime | None = None
    version: int = 0  # of the row, so that whoever edits can tell that somebody else did meanwhile
    ended: bool = False  # from `valid_from` on it is over, and calls nobody


@lru_cache(maxsize=256)
def _read_roster(name: str, zone: str, definition: str) -> Schedule:
    node = read_yaml(definition, file=f"roster {name}")
    return read_schedule(node, read_zone(read_yaml(orjson.dumps(zone).decode(), file=f"roster {name}")))


async def save_roster(
    conn: AsyncConnection,
    *,
    name: str,
    zone: str,
    definition: Mapping[str, Any],
    valid_from: datetime,
    now: datetime,
    saved_by: str,
    starter: bool = False,
    languages: Sequence[str] = (),
    fallback: str | None = None,
    ended: bool = False,
) -> None:
    """Add a version of a roster, which holds from `valid_from` on; `ContentError` where it cannot be read.

    With `ended` the roster is over from then on, whatever was saved for later.
    """
    written = canonical(dict(definition))
    _read_roster(name, zone, written)
    await conn.execute(
        insert(roster_versions).values(
            name=name,
            zone=zone,
            definition=written,
            languages=",".join(languages) or None,
            fallback=fallback,
            valid_from=valid_from,
            saved_at=now,
            saved_by=saved_by,
            starter=starter,
            ended=ended,
        )
    )
    wake(conn, ROTA_TOPIC)
    await make_due(conn, now)


async def rosters_at(conn: AsyncConnection, at: datetime) -> dict[str, Roster]:
    """Every roster that is not over, in the version that holds at the instant."""
    return {row.name: _roster(row) for row in await conn.execute(_holding_at, {"at": at}) if not row.ended}


async def versions_between(conn: AsyncConnection, since: datetime, until: datetime) -> dict[str, list[Roster]]:
    """Every version of every roster that counts at some time between these, in the order in which they count."""
    rows = [*await conn.execute(_holding_at, {"at": since})]
    later = (roster_versions.c.valid_from > since) & (roster_versions.c.valid_from < until)
    in_order = (roster_versions.c.valid_from, roster_versions.c.id)
    rows += await conn.execute(select(roster_versions).where(later, counts).order_by(*in_order))
    found: dict[str, list[Roster]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(_roster(row))
    return found


def _roster(row: AnyRow) -> Roster:
    return Roster(
        row.name,
        row.zone,
        _read_roster(row.name, row.zone, row.definition),
        row.starter,
        tuple(row.languages.split(",")) if row.languages else (),
        row.fallback,
        row.valid_from,
        row.id,
        row.ended,
    )


async def roster_definitions(conn: AsyncConnection, at: datetime) -> dict[str, dict[str, Any]]:
    """Every roster as it was written, for export and for telling whether a file has changed."""
    return {
        row.name: {
            "zone": row.zone,
            "schedule": orjson.loads(row.definition),
            "starter": row.starter,
            "languages": row.languages.split(",") if row.languages else [],
            "fallback": row.fallback,
            "ended": row.ended,
        }
        for row in await conn.execute(_holding_at, {"at": at})
    }


@lru_cache(maxsize=16)
def _read_ladders(definition: str) -> Policy:
    return read_policy(read_yaml(definition, file="ladder"))


class NoLadder(Exception):
    """No ladder was ever saved; `prepare` the escalations before opening any."""


async def save_ladders(
    conn: AsyncConnection, *, definition: Mapping[str, Any], now: datetime, saved_by: str, starter: bool = False
) -> None:
    """Add a version of the ladders, for escalations that open from now on; `ContentError` where it cannot be read."""
    written = canonical(dict(definition))
    _read_ladders(written)
    await conn.execute(
        insert(ladder_versions).values(definition=written, saved_at=now, saved_by=saved_by, starter=starter)
    )


async def ladder_definition(conn: AsyncConnection) -> tuple[dict[str, Any], bool] | None:
    """The latest ladders as they were written, and whether they are the shipped ones."""
    row = (await conn.execute(select(ladder_versions).order_by(ladder_versions.c.id.desc()).limit(1))).one_or_none()
    return (orjson.loads(row.definition), row.starter) if row else None


@dataclass(frozen=True)
class LadderVersion:
    """One version of the ladders, as it was saved."""

    id: int
    saved_at: datetime
    saved_by: str  # "staff:maja", "operator" or "shipped"
    starter: bool
    definition: Mapping[str, Any]  # in the form of content/ladder.yaml


def _ladder_version(row: AnyRow) -> LadderVersion:
    return LadderVersion(row.id, row.saved_at, row.saved_by, row.starter, orjson.loads(row.definition))


async def ladder_history(conn: AsyncConnection, *, limit: int = 50, lock: bool = False) -> list[LadderVersion]:
    """The versions of the ladders, the one that holds first; `lock` before saving one upon what was seen."""
    wanted = select(ladder_versions).order_by(ladder_versions.c.id.desc()).limit(limit)
    if lock:
        # The first version is always there. Only what is read after the lock shows what another saved meanwhile.
        await conn.execute(select(ladder_versions.c.id).order_by(ladder_versions.c.id).limit(1).with_for_update())
    return [_ladder_version(row) for row in await conn.execute(wanted)]


async def ladder_version(conn: AsyncConnection, id_: int) -> LadderVersion | None:
    """One version of the ladders."""
    row = (await conn.execute(select(ladder_versions).where(ladder_versions.c.id == id_))).one_or_none()
    return _ladder_version(row) if row else None


async def policy(conn: AsyncConnection) -> Policy:
    """The ladders that hold now."""
    latest = select(ladder_versions.c.definition).order_by(ladder_versions.c.id.desc()).limit(1)
    definition = (await conn.execute(latest)).scalar_one_or_none()
    if definition is None:
        raise NoLadder("No ladder has been saved.")
    return _read_ladders(definition)


# --- Staff as the ladder needs them ----------------------------------------------------------------------------------


async def stop_contact(conn: AsyncConnection, contact_id: int, now: datetime) -> bool:
    """Note that an address wants no messages; False where that was known."""
    values = {"contact_id": contact_id, "at": now}
    made = await insert_once(conn, stopped_contacts, values, unique=["contact_id"], returning="contact_id")
    return made is not None


async def start_contact(conn: AsyncConnection, contact_id: int) -> bool:
    """Note that it wants them again; False where it never stopped."""
    gone = await conn.execute(delete(stopped_contacts).where(stopped_contacts.c.contact_id == contact_id))
    return rows_touched(gone) == 1


async def stopped(conn: AsyncConnection) -> frozenset[int]:
    """The contacts whose owner sent STOP."""
    return frozenset((await conn.execute(select(stopped_contacts.c.contact_id))).scalars())


async def noise_of(conn: AsyncConnection, staff_id: str) -> int:
    """How many meaningless messages somebody has sent since the last meaningful one."""
    wanted = select(advisor_noise.c.count).where(advisor_noise.c.staff_id == staff_id)
    return (await conn.execute(wanted)).scalar_one_or_none() or 0


async def set_noise(conn: AsyncConnection, staff_id: str, count: int, now: datetime) -> None:
    """Note that number."""
    await conn.execute(delete(advisor_noise).where(advisor_noise.c.staff_id == staff_id))
    if count:
        await conn.execute(insert(advisor_noise).values(staff_id=staff_id, count=count, last_at=now))


# --- Forgetting ------------------------------------------------------------------------------------------------------


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 500) -> int:
    """Delete escalations that ended before this instant, with their pages, codes and history; how many."""
    old = select(escalations.c.id).where(escalations.c.closed_at < before).limit(limit)
    ids = list((await conn.execute(old)).scalars())
    if ids:
        bundles = select(pages.c.code).where(pages.c.escalation_id.in_(ids))
        shared = select(pages.c.code).where(pages.c.escalation_id.not_in(ids))
        gone = reply_codes.c.code.in_(bundles) & reply_codes.c.code.not_in(shared)
        await conn.execute(delete(reply_codes).where(or_(reply_codes.c.escalation_id.in_(ids), gone)))
        for table in (events, pages):
            await conn.execute(delete(table).where(table.c.escalation_id.in_(ids)))
        await conn.execute(delete(escalations).where(escalations.c.id.in_(ids)))
    return len(ids)
