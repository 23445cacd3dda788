"""Referrals in the database, what came of them, and how somebody may be reached safely.

A row is coarse facts and nobody: no name, no word that anybody wrote. It goes some time after it is settled; what stays
is a count by month and coarse keys (`CountRow`). An outcome is one transaction with what follows from it: the count,
the trail, and what is known of the service's room.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Index, Integer, LargeBinary, String, and_, case, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from helpline import audit
from helpline.messages import Country
from helpline.storage import AnyRow, UtcDateTime, insert_once, rows_touched, table_of, wake
from helpline.vault import Vault
from routing import capacity_store
from routing.capacity import Capacity, Teller
from routing.matching.match import AgeGroup
from routing.referrals import referral as referrals
from routing.referrals.referral import (
    CONSENT_WORDING,
    LISTED_AFTER,
    OVERDUE_AFTER,
    PURPOSE,
    SAYS_NO,
    Basis,
    Consent,
    Facts,
    Outcome,
    Referral,
    RefusedFor,
    SafeContact,
    Via,
    safe_from_json,
    safe_to_json,
)
from routing.services import Answer, Service, Sex

TOPIC = "referrals"  # rung when an outcome may fall due to be asked for
KEPT_FOR = timedelta(days=90)  # after the outcome, or after the consent was taken back
KEPT_OPEN = timedelta(days=180)  # of what nobody ever told the outcome of


class ReferralRow(SQLModel, table=True):
    """One referral. Kept for `KEPT_FOR` after its outcome, without one for `KEPT_OPEN`.

    It goes when she erases what she wrote. It says of the patient what a service asks first, and nobody is known by it.
    """

    __tablename__ = "referral"
    __table_args__ = (
        Index(
            "ix_referral_ask_at",
            "ask_at",
            sqlite_where=text("ask_at IS NOT NULL"),
            postgresql_where=text("ask_at IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True, sa_type=String)
    key: str = Field(sa_type=String, unique=True)  # what it was made from, so that a second click makes no second one
    service_id: str = Field(sa_type=String, index=True)
    service_revision: int = Field(sa_type=Integer)
    country: str = Field(sa_type=String)
    region: str = Field(sa_type=String)
    needs: str = Field(sa_type=String)  # comma between
    sex: str = Field(sa_type=String)
    age_group: str = Field(sa_type=String)
    with_children: bool
    basis: str = Field(sa_type=String)
    purpose: str = Field(sa_type=String)
    recipient: str = Field(sa_type=String)
    wording_version: str = Field(sa_type=String)
    given_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    introduction: bool
    via: str = Field(sa_type=String)
    made_by: str = Field(sa_type=String)
    conversation_id: str | None = Field(default=None, sa_type=String, index=True)
    made_at: datetime = Field(sa_type=UtcDateTime)
    ask_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    asked: int = Field(sa_type=Integer)
    outcome: str = Field(sa_type=String)
    refused_for: str = Field(sa_type=String)
    outcome_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome_by: str = Field(sa_type=String)


class CountRow(SQLModel, table=True):
    """How many referrals of one sort had one outcome in one month. Kept for ever: it says nothing of any one patient.

    An empty outcome counts the referrals that were made. What rests on a consent leaves it when that is taken back.
    Whoever shows this hides small numbers.
    """

    __tablename__ = "referral_count"

    month: str = Field(primary_key=True, sa_type=String)  # 2026-11
    country: str = Field(primary_key=True, sa_type=String)
    region: str = Field(primary_key=True, sa_type=String)
    service_id: str = Field(primary_key=True, sa_type=String)
    needs: str = Field(primary_key=True, sa_type=String)
    sex: str = Field(primary_key=True, sa_type=String)
    age_group: str = Field(primary_key=True, sa_type=String)
    with_children: bool = Field(primary_key=True)
    outcome: str = Field(primary_key=True, sa_type=String)
    refused_for: str = Field(primary_key=True, sa_type=String)
    count: int = Field(sa_type=Integer)


class SafeContactRow(SQLModel, table=True):
    """How the clinician of one conversation may be reached, sealed with its key. Kept as long as the conversation.

    It goes when she erases what she wrote, and `forget_lost` clears away what a forgotten conversation left behind.
    """

    __tablename__ = "safe_contact"

    conversation_id: str = Field(primary_key=True, sa_type=String)
    rules: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    set_at: datetime = Field(sa_type=UtcDateTime)
    set_by: str = Field(sa_type=String)


_referrals = table_of(ReferralRow)
_counts = table_of(CountRow)
_safe = table_of(SafeContactRow)
_r = _referrals.c


@dataclass(frozen=True)
class Recorded:
    """A referral after somebody told what came of it, and whether that changed anything."""

    referral: Referral
    changed: bool


@dataclass(frozen=True)
class Counted:
    """How many referrals of one sort had one outcome in one month; without an outcome, how many were made."""

    month: date  # its first day
    facts: Facts
    service_id: str
    outcome: Outcome | None
    refused_for: RefusedFor | None
    count: int


class NoSuchReferral(LookupError):
    """There is no such referral, or not any more."""


def new_id() -> str:
    """An id for a referral: short, since it stands in the token of a button."""
    return secrets.token_hex(8)


def key_of(conversation_id: str) -> str:
    """The subject of the vault under which a conversation's rules are sealed."""
    return f"conversation:{conversation_id}"


# --- making ----------------------------------------------------------------------------------------------------------


async def make(
    conn: AsyncConnection,
    *,
    key: str,
    service: Service,
    facts: Facts,
    basis: Basis,
    via: Via,
    made_by: str,
    conversation_id: str | None,
    now: datetime,
    ask_at: datetime | None = None,
    introduction: bool = False,
    referral_id: str | None = None,
) -> Referral:
    """Write a referral down; the one that is there where the same `key` made one before.

    `made_by` is a reference of the trail's, `staff:…` or `conversation:…`.
    """
    agreed = basis is Basis.CONSENT
    referral = Referral(
        id=referral_id or new_id(),
        service_id=service.id,
        service_revision=service.revision,
        country=facts.country,
        region=facts.region,
        needs=tuple(sorted(facts.needs)),
        sex=facts.sex,
        age_group=facts.age_group,
        with_children=facts.with_children,
        basis=basis,
        consent=Consent(PURPOSE, service.id, CONSENT_WORDING, now) if agreed else None,
        introduction=introduction,
        via=via,
        made_by=made_by,
        conversation_id=conversation_id,
        made_at=now,
        ask_at=ask_at,
    )
    made = await insert_once(conn, _referrals, {"key": key, **_values(referral)}, unique=["key"])
    if made is None:
        row = (await conn.execute(select(_referrals).where(_r.key == key))).one()
        return _referral(row)
    await _count(conn, referral, None, None, now, 1)
    await audit.append(
        conn,
        at=now,
        actor=made_by,
        action="referral_made",
        subject=f"referral:{referral.id}",
        details={
            "service": service.id,
            "revision": service.revision,
            "basis": basis.value,
            "wording": CONSENT_WORDING if agreed else "",
            "via": via.value,
        },
    )
    if ask_at is not None:
        wake(conn, TOPIC)
    return referral


async def change_introduction(conn: AsyncConnection, referral_id: str, *, wanted: bool) -> None:
    """Note whether an advisor calls together with her."""
    await conn.execute(update(_referrals).where(_r.id == referral_id).values(introduction=wanted))


# --- reading ---------------------------------------------------------------------------------------------------------


async def find(conn: AsyncConnection, referral_id: str, *, lock: bool = False) -> Referral | None:
    """One referral; `lock` keeps it as it is until the transaction ends."""
    wanted = select(_referrals).where(_r.id == referral_id)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    return _referral(row) if row is not None else None


async def of_conversation(conn: AsyncConnection, conversation_id: str) -> tuple[Referral, ...]:
    """The referrals of one conversation, oldest first."""
    rows = await conn.execute(
        select(_referrals).where(_r.conversation_id == conversation_id).order_by(_r.made_at, _r.id)
    )
    return tuple(_referral(row) for row in rows)


async def without_outcome(conn: AsyncConnection, now: datetime) -> tuple[Referral, ...]:
    """The referrals of which nobody has told for too long what came of them, oldest first."""
    rows = await conn.execute(
        select(_referrals)
        .where(_r.outcome == "", _r.revoked_at.is_(None), _r.made_at <= now - OVERDUE_AFTER)
        .order_by(_r.made_at, _r.id)
    )
    return tuple(_referral(row) for row in rows)


async def recent(conn: AsyncConnection, *, since: datetime, limit: int = 200) -> tuple[Referral, ...]:
    """The referrals made since, newest first."""
    rows = await conn.execute(
        select(_referrals).where(_r.made_at >= since).order_by(_r.made_at.desc(), _r.id).limit(limit)
    )
    return tuple(_referral(row) for row in rows)


async def listed(
    conn: AsyncConnection,
    now: datetime,
    *,
    made_by: str | None = None,
    conversations: Collection[str] = (),
    service_id: str = "",
    region: tuple[Country, str] | None = None,
    outcome: Outcome | None = None,
    only_open: bool = False,
    limit: int,
    offset: int = 0,
) -> tuple[tuple[Referral, ...], int]:
    """Referrals by how much they press, and how many there are in all: those without an outcome for too long first.

    Then those whose outcome is due, those that are open, and what is settled with the newest first. Where `made_by` is
    given, only those made by it or in one of `conversations`.
    """
    wanted = _seen_by(made_by, conversations)
    if service_id:
        wanted.append(_r.service_id == service_id)
    if region is not None:
        wanted += [_r.country == region[0].value, _r.region == region[1]]
    still_open = and_(_r.outcome == "", _r.revoked_at.is_(None))
    if only_open:
        wanted.append(still_open)
    elif outcome is not None:
        wanted.append(_r.outcome == outcome.value)
    pressing = case(
        (and_(still_open, _r.made_at <= now - OVERDUE_AFTER), 0),
        (and_(still_open, or_(_r.asked > 0, _r.made_at <= now - LISTED_AFTER)), 1),
        (still_open, 2),
        else_=3,
    )
    # The oldest first of what is open; of what is settled, the newest.
    waiting_since = case((still_open, _r.made_at))
    rows = await conn.execute(
        select(_referrals)
        .where(*wanted)
        .order_by(pressing, waiting_since.is_(None), waiting_since, _r.made_at.desc(), _r.id)
        .limit(limit)
        .offset(offset)
    )
    total = await conn.execute(select(func.count()).select_from(_referrals).where(*wanted))
    return tuple(_referral(row) for row in rows), int(total.scalar_one())


async def told_of(
    conn: AsyncConnection, *, made_by: str | None = None, conversations: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[tuple[Country, str], ...]]:
    """The services and the regions that occur in what `listed` gives, to choose from."""
    wanted = _seen_by(made_by, conversations)
    services = await conn.execute(select(_r.service_id).where(*wanted).distinct().order_by(_r.service_id))
    regions = await conn.execute(
        select(_r.country, _r.region).where(*wanted, _r.region != "").distinct().order_by(_r.country, _r.region)
    )
    return tuple(row.service_id for row in services), tuple((Country(row.country), row.region) for row in regions)


def _seen_by(made_by: str | None, conversations: Collection[str]) -> list[Any]:
    """All of them, or those that are somebody's own."""
    if made_by is None:
        return []
    return [or_(_r.made_by == made_by, _r.conversation_id.in_(list(conversations)))]


# --- outcomes --------------------------------------------------------------------------------------------------------


async def record_outcome(
    conn: AsyncConnection,
    referral_id: str,
    outcome: Outcome,
    *,
    refused_for: RefusedFor | None = None,
    by: str,
    now: datetime,
    safe: SafeContact | None = None,
) -> Recorded:
    """Write down what came of it, with all that follows; the same word a second time changes nothing.

    Of two words the later counts, also where both come at once: the row is locked, and the earlier one's count is taken
    back. `NoSuchReferral` where it is gone.
    """
    before = await find(conn, referral_id, lock=True)
    if before is None:
        raise NoSuchReferral(referral_id)
    after = referrals.told(before, outcome, refused_for, by=by, now=now, safe=safe)
    if after == before:
        return Recorded(before, changed=False)
    await _save(conn, after)
    if after.outcome is before.outcome and after.refused_for is before.refused_for:
        return Recorded(after, changed=False)
    if before.outcome is not None and before.outcome_at is not None:
        await _count(conn, before, before.outcome, before.refused_for, before.outcome_at, -1)
    await _count(conn, after, outcome, after.refused_for, now, 1)
    await audit.append(
        conn,
        at=now,
        actor=by,
        action="referral_outcome",
        subject=f"referral:{referral_id}",
        details={
            "outcome": outcome.value,
            "refused_for": after.refused_for.value if after.refused_for is not None else "",
            "before": before.outcome.value if before.outcome is not None else "",
        },
    )
    if before.outcome is not outcome:
        await _tell_capacity(conn, before, after, by=by, now=now)
    return Recorded(after, changed=True)


async def _tell_capacity(conn: AsyncConnection, before: Referral, after: Referral, *, by: str, now: datetime) -> None:
    """A service that is full takes nobody for a while; of one that refused, or that was not full after all, ask."""
    if after.outcome is Outcome.FULL:
        accepting = Answer.NO
    elif after.outcome is Outcome.REFUSED or before.outcome in SAYS_NO:
        accepting = Answer.ASK
    else:
        return
    said = Capacity(
        service_id=after.service_id,
        accepting=accepting,
        free=0 if accepting is Answer.NO else None,
        maximum=None,
        unit="",
        told_at=now,
        told_by=Teller.REFERRAL,
    )
    await capacity_store.tell(conn, said, actor=by, now=now)


async def revoke(conn: AsyncConnection, referral_id: str, *, by: str, now: datetime) -> Recorded:
    """The patient takes the consent back: what was told of the patient is deleted, and nothing is asked any more.

    It leaves the counts too: they were made from what was told, and one that counts nobody else would still tell it.
    """
    before = await find(conn, referral_id, lock=True)
    if before is None:
        raise NoSuchReferral(referral_id)
    after = referrals.revoke(before, now)
    if after == before:
        return Recorded(before, changed=False)
    await _save(conn, after)
    await _count(conn, before, None, None, before.made_at, -1)
    if before.outcome is not None and before.outcome_at is not None:
        await _count(conn, before, before.outcome, before.refused_for, before.outcome_at, -1)
    await audit.append(conn, at=now, actor=by, action="referral_revoked", subject=f"referral:{referral_id}")
    return Recorded(after, changed=True)


async def save_asking(conn: AsyncConnection, referral: Referral) -> None:
    """Write down when the outcome is asked next, and how often it was."""
    await conn.execute(
        update(_referrals).where(_r.id == referral.id).values(ask_at=referral.ask_at, asked=referral.asked)
    )
    if referral.ask_at is not None:
        wake(conn, TOPIC)


async def move_asking(conn: AsyncConnection, conversation_id: str, safe: SafeContact) -> None:
    """Other rules hold for a conversation: what was to be asked is asked when it is safe, or not at all."""
    for referral in await of_conversation(conn, conversation_id):
        if referral.ask_at is not None:
            await save_asking(conn, referrals.put_off(referral, referrals.safely(referral, referral.ask_at, safe)))


async def due(conn: AsyncConnection, now: datetime, *, limit: int = 50) -> Sequence[tuple[str, str | None]]:
    """The referrals whose outcome is to be asked for now, with their conversation."""
    rows = await conn.execute(
        select(_r.id, _r.conversation_id).where(_r.ask_at <= now).order_by(_r.ask_at, _r.made_at, _r.id).limit(limit)
    )
    return [(row.id, row.conversation_id) for row in rows]


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When an outcome is to be asked for next."""
    found: datetime | None = (await conn.execute(select(func.min(_r.ask_at)))).scalar_one()
    return found


# --- counts ----------------------------------------------------------------------------------------------------------


async def _count(
    conn: AsyncConnection,
    referral: Referral,
    outcome: Outcome | None,
    refused_for: RefusedFor | None,
    at: datetime,
    by: int,
) -> None:
    keys: dict[str, Any] = {
        "month": f"{at:%Y-%m}",
        "country": referral.country.value,
        "region": referral.region,
        "service_id": referral.service_id,
        "needs": ",".join(referral.needs),
        "sex": referral.sex.value if referral.sex is not None else "",
        "age_group": referral.age_group.value if referral.age_group is not None else "",
        "with_children": referral.with_children,
        "outcome": outcome.value if outcome is not None else "",
        "refused_for": refused_for.value if refused_for is not None else "",
    }
    here = and_(*(_counts.c[name] == value for name, value in keys.items()))
    more = update(_counts).where(here).values(count=_counts.c.count + by)
    await insert_once(conn, _counts, {**keys, "count": 0}, unique=list(keys), returning="month")
    while not rows_touched(await conn.execute(more)):
        # The line was there, and went with its last one before we counted upon it.
        await insert_once(conn, _counts, {**keys, "count": 0}, unique=list(keys), returning="month")
    if by < 0:
        # A line that counts nobody would still say for whom it once stood there.
        await conn.execute(delete(_counts).where(here, _counts.c["count"] <= 0))


async def outcomes_between(conn: AsyncConnection, start: date, end: date) -> tuple[Counted, ...]:
    """The counts of the months from the one of `start` up to, and without, the one of `end`."""
    rows = await conn.execute(
        select(_counts)
        .where(_counts.c.month >= f"{start:%Y-%m}", _counts.c.month < f"{end:%Y-%m}", _counts.c["count"] > 0)
        .order_by(*_counts.primary_key.columns)
    )
    return tuple(_counted(row) for row in rows.mappings())


def _counted(row: Any) -> Counted:
    return Counted(
        month=date.fromisoformat(f"{row['month']}-01"),
        facts=Facts(
            Country(row["country"]),
            row["region"],
            _needs(row["needs"]),
            Sex(row["sex"]) if row["sex"] else None,
            AgeGroup(row["age_group"]) if row["age_group"] else None,
            row["with_children"],
        ),
        service_id=row["service_id"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        refused_for=RefusedFor(row["refused_for"]) if row["refused_for"] else None,
        count=row["count"],
    )


# --- safe contact ----------------------------------------------------------------------------------------------------


async def set_safe_contact(
    conn: AsyncConnection, vault: Vault, conversation_id: str, safe: SafeContact, *, by: str, now: datetime
) -> None:
    """Keep how the clinician of this conversation may be reached, and move what was to be asked into it."""
    key = await vault.open(conn, key_of(conversation_id))
    values: dict[str, Any] = {
        "rules": key.seal(json.dumps(safe_to_json(safe)), about=f"safe:{conversation_id}"),
        "set_at": now,
        "set_by": by,
    }
    here = {"conversation_id": conversation_id}
    if await insert_once(conn, _safe, {**here, **values}, unique=list(here), returning="conversation_id") is None:
        await conn.execute(update(_safe).where(_safe.c.conversation_id == conversation_id).values(**values))
    await audit.append(conn, at=now, actor=by, action="safe_contact_set", subject=f"conversation:{conversation_id}")
    await move_asking(conn, conversation_id, safe)


async def safe_contact_of(conn: AsyncConnection, vault: Vault, conversation_id: str) -> SafeContact | None:
    """How the clinician of this conversation may be reached; None where nothing was said of it."""
    row = (await conn.execute(select(_safe.c.rules).where(_safe.c.conversation_id == conversation_id))).first()
    if row is None:
        return None
    key = await vault.existing(conn, key_of(conversation_id))
    if key is None:
        return None
    return safe_from_json(json.loads(key.unseal(bytes(row.rules), about=f"safe:{conversation_id}")))


# --- forgetting ------------------------------------------------------------------------------------------------------


async def forget_conversation(conn: AsyncConnection, conversation_id: str) -> int:
    """She erased what she wrote: its referrals and rules go, and nothing is asked. The counts say nothing of her."""
    await conn.execute(delete(_safe).where(_safe.c.conversation_id == conversation_id))
    gone = await conn.execute(delete(_referrals).where(_r.conversation_id == conversation_id))
    return rows_touched(gone)


async def delete_older(conn: AsyncConnection, *, now: datetime, limit: int = 500) -> int:
    """Delete what has been kept long enough; how many referrals went."""
    settled = or_(_r.outcome_at < now - KEPT_FOR, _r.revoked_at < now - KEPT_FOR, _r.made_at < now - KEPT_OPEN)
    old = select(_r.id).where(settled).limit(limit)
    return rows_touched(await conn.execute(delete(_referrals).where(_r.id.in_(old.scalar_subquery()))))


async def forget_lost(conn: AsyncConnection, vault: Vault, *, before: datetime, limit: int = 200) -> int:
    """Delete the rules, set before then, whose conversation was forgotten: nobody can read them any more."""
    rows = await conn.execute(select(_safe.c.conversation_id).where(_safe.c.set_at < before).limit(limit))
    ids = [row.conversation_id for row in rows]
    lost = [each for each in ids if await vault.existing(conn, key_of(each)) is None]
    if lost:
        await conn.execute(delete(_safe).where(_safe.c.conversation_id.in_(lost)))
        await conn.execute(
            update(_referrals).where(_r.conversation_id.in_(lost)).values(conversation_id=None, ask_at=None)
        )
    return len(lost)


# --- rows ------------------------------------------------------------------------------------------------------------


def _values(referral: Referral) -> dict[str, Any]:
    consent = referral.consent
    return {
        "id": referral.id,
        "service_id": referral.service_id,
        "service_revision": referral.service_revision,
        "country": referral.country.value,
        "region": referral.region,
        "needs": ",".join(referral.needs),
        "sex": referral.sex.value if referral.sex is not None else "",
        "age_group": referral.age_group.value if referral.age_group is not None else "",
        "with_children": referral.with_children,
        "basis": referral.basis.value,
        "purpose": consent.purpose if consent is not None else "",
        "recipient": consent.recipient if consent is not None else "",
        "wording_version": consent.wording_version if consent is not None else "",
        "given_at": consent.given_at if consent is not None else None,
        "revoked_at": consent.revoked_at if consent is not None else None,
        "introduction": referral.introduction,
        "via": referral.via.value,
        "made_by": referral.made_by,
        "conversation_id": referral.conversation_id,
        "made_at": referral.made_at,
        "ask_at": referral.ask_at,
        "asked": referral.asked,
        "outcome": referral.outcome.value if referral.outcome is not None else "",
        "refused_for": referral.refused_for.value if referral.refused_for is not None else "",
        "outcome_at": referral.outcome_at,
        "outcome_by": referral.outcome_by,
    }


async def _save(conn: AsyncConnection, referral: Referral) -> None:
    await conn.execute(update(_referrals).where(_r.id == referral.id).values(**_values(referral)))
    if referral.ask_at is not None:
        wake(conn, TOPIC)


def _needs(written: str) -> tuple[str, ...]:
    return tuple(written.split(",")) if written else ()


def _referral(row: AnyRow) -> Referral:
    consent = None
    if row.given_at is not None:
        consent = Consent(row.purpose, row.recipient, row.wording_version, row.given_at, row.revoked_at)
    return Referral(
        id=row.id,
        service_id=row.service_id,
        service_revision=row.service_revision,
        country=Country(row.country),
        region=row.region,
        needs=_needs(row.needs),
        sex=Sex(row.sex) if row.sex else None,
        age_group=AgeGroup(row.age_group) if row.age_group else None,
        with_children=row.with_children,
        basis=Basis(row.basis),
        consent=consent,
        introduction=row.introduction,
        via=Via(row.via),
        made_by=row.made_by,
        conversation_id=row.conversation_id,
        made_at=row.made_at,
        ask_at=row.ask_at,
        asked=row.asked,
        outcome=Outcome(row.outcome) if row.outcome else None,
        refused_for=RefusedFor(row.refused_for) if row.refused_for else None,
        outcome_at=row.outcome_at,
        outcome_by=row.outcome_by,
    )
