"""What the front door remembers: conversations, what was served, gaps, and what helped.

A conversation is also the unit of work: it falls due when a message waits in it, and one worker at a time holds it, so
that the messages of one clinician are answered one after another and in their order.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Integer,
    LargeBinary,
    String,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from helpline import inbox, lease
from helpline.messages import Address, Channel, Country, Language
from helpline.storage import AnyRow, BigId, StorageBusy, UtcDateTime, insert_once, rows_touched, table_of, wake
from helpline.vault import SubjectKey, Vault, wrapped_of

WORK = "conversations"  # the topic rung when a conversation falls due


class Kind(StrEnum):
    """Who is at the other end."""

    CLINICIAN = "clinician"
    STAFF = "staff"  # an advisor's own chat with the line


class ConversationRow(SQLModel, table=True):
    """One person on one channel. Kept until erased, or `retention` days after the last message."""

    __tablename__ = "conversation"

    id: str = Field(primary_key=True, max_length=32)
    kind: str = Field(max_length=16)
    channel: str = Field(max_length=16)
    # Keyed hash of the address; NULL once the conversation was erased, so that the same person begins anew.
    fingerprint: str | None = Field(default=None, max_length=64, unique=True)
    address: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    staff_id: str | None = Field(default=None, max_length=32, index=True)
    language: str = Field(max_length=2)
    country: str = Field(max_length=2)
    state: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    muted: bool = False
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True, index=True))
    lease_token: str | None = Field(default=None, max_length=32)
    attempts: int = 0  # tries at the message that is now first in line


class ServedRow(SQLModel, table=True):
    """Which revision's words were shown. Holds no words of anybody; kept for ever, as the record of what we said."""

    __tablename__ = "served"

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    conversation_id: str = Field(max_length=32, index=True)
    article_id: str = Field(max_length=80, index=True)
    revision: int
    variant: int
    language: str = Field(max_length=2)
    part: str = Field(max_length=16)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class GapRow(SQLModel, table=True):
    """A question the shelves could not answer: masked words, where it stopped, and nobody. Kept until closed.

    It carries no conversation id, and its text is sealed under a key of its own: gaps are read by editors who may not
    read conversations, and they outlive the conversation. Only the conversation's sealed state knows which are its own,
    so that they go when the clinician erases what she wrote. What became of it is written by the gap board
    (`bot/gaps.py`); what is closed is forgotten after `gaps.KEPT_CLOSED`.
    """

    __tablename__ = "gap"

    id: str = Field(primary_key=True, max_length=32)
    missing: str = Field(max_length=16)
    text: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    nearest: str = Field(sa_column=Column(String, nullable=False))  # article ids, comma between
    confidence: float
    language: str = Field(max_length=2)
    country: str = Field(max_length=2)
    region: str = Field(max_length=8)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    reply: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))  # an advisor's, sealed
    heap: str | None = Field(default=None, max_length=32, index=True)  # id of the oldest gap that asks the same
    state: str = Field(default="open", sa_column=Column(String(16), nullable=False, server_default="open", index=True))
    state_by: str | None = Field(default=None, max_length=40)
    state_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    reason: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    article_id: str | None = Field(default=None, max_length=200)  # where it is being answered, or was
    revision: int | None = None  # that answered it
    draft_id: int | None = None
    tried: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))  # shelves tried last


class HelpfulRow(SQLModel, table=True):
    """Whether an answer helped, by article and revision; nobody's words. Kept for ever."""

    __tablename__ = "helpful"

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    article_id: str = Field(max_length=80, index=True)
    helpful: bool
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ShownServiceRow(SQLModel, table=True):
    """That a service was shown for a need in a region; nobody's words. Kept for ever."""

    __tablename__ = "shown_service"

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    service_id: str = Field(max_length=80, index=True)
    needs: str = Field(max_length=200)
    region: str = Field(max_length=8)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


conversations = table_of(ConversationRow)
served = table_of(ServedRow)
gaps = table_of(GapRow)
helpful = table_of(HelpfulRow)
shown_services = table_of(ShownServiceRow)

# Built once: building a statement costs more than running it.
_c = conversations.c
_of_id_locked = select(conversations).where(_c.id == bindparam("which")).with_for_update()
_key_of_it = wrapped_of(literal_column("'conversation:'", String) + _c.id).label("wrapped")
# The key is read by the same statement. Where that waits for the row's lock, it sees the key as it was before: whoever
# forgets a key takes the hold or the address from the row with it, so such a row is not found.
_held_with_key = (
    select(conversations, _key_of_it)
    .where(_c.id == bindparam("which"), _c.lease_token == bindparam("held"))
    .with_for_update(of=conversations)
)
_at_address = select(_c.id, _c.kind).where(_c.fingerprint == bindparam("which"))
_at_address_locked = _at_address.with_for_update()
_change = update(conversations).where(_c.id == bindparam("which"))
_now = bindparam("now", type_=UtcDateTime())
_fall_due = _change.values(last_at=_now, due_at=case((_c.lease_token.is_(None), _now), else_=_c.due_at))
_reach = (
    update(conversations)
    .where(_c.fingerprint == bindparam("which"))
    .values(last_at=_now, due_at=case((_c.lease_token.is_(None), _now), else_=_c.due_at))
    .returning(_c.id, _c.kind, _key_of_it)
)
_note_served = insert(served)


@dataclass(frozen=True)
class Conversation:
    """A conversation as it stands."""

    id: str
    kind: Kind
    channel: Channel
    staff_id: str | None
    language: Language
    country: Country
    muted: bool
    state: Mapping[str, Any] | None = field(default=None, repr=False)
    attempts: int = 0
    lease_token: str | None = None


def subject_of(conversation_id: str) -> str:
    """Whose key seals what belongs to the conversation."""
    return f"conversation:{conversation_id}"


def new_id() -> str:
    """An id that says nothing and cannot be guessed."""
    return uuid.UUID(bytes=secrets.token_bytes(16)).hex


async def find_by_address(conn: AsyncConnection, fingerprint: str, *, lock: bool = False) -> AnyRow | None:
    """The conversation at this address: its id and kind; `lock` keeps it from being erased until the transaction ends.

    None with `lock` may also mean that it was erased this moment: `create` finds what stands in its place.
    """
    return (await conn.execute(_at_address_locked if lock else _at_address, {"which": fingerprint})).first()


async def reach(conn: AsyncConnection, vault: Vault, fingerprint: str, now: datetime) -> AnyRow | None:
    """The conversation at this address, locked, its key found, and due since a message waits: its id and kind.

    None may also mean that it was erased this moment: `create` finds what stands in its place.
    """
    row = (await conn.execute(_reach, {"which": fingerprint, "now": now})).first()
    if row is not None:
        vault.found(conn, subject_of(row.id), row.wrapped)
        wake(conn, WORK)
    return row


async def create(
    conn: AsyncConnection,
    vault: Vault,
    address: Address,
    *,
    kind: Kind,
    staff_id: str | None,
    language: Language,
    country: Country,
    now: datetime,
) -> str:
    """Begin a conversation at an address that has none; its id, or that of the one begun by another at this moment."""
    conversation_id, fingerprint = new_id(), vault.fingerprint_of(address)
    key = await vault.open(conn, subject_of(conversation_id))
    values = {
        "id": conversation_id,
        "kind": kind.value,
        "channel": address.channel.value,
        "fingerprint": fingerprint,
        "address": key.seal(address.value, about=f"address:{conversation_id}"),
        "staff_id": staff_id,
        "language": language.value,
        "country": country.value,
        "muted": False,
        "created_at": now,
        "last_at": now,
        "attempts": 0,
    }
    if await insert_once(conn, conversations, values, unique=["fingerprint"]) is not None:
        return conversation_id
    await vault.forget(conn, subject_of(conversation_id))
    other = await find_by_address(conn, fingerprint, lock=True)
    if other is None:
        raise StorageBusy("A conversation came and went while this one was begun.")
    return str(other.id)


async def make_staff(conn: AsyncConnection, conversation_id: str, staff_id: str) -> None:
    """From now on this is an advisor's own chat with the line."""
    await conn.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(kind=Kind.STAFF.value, staff_id=staff_id, state=None)
    )


async def make_clinician(conn: AsyncConnection, conversation_id: str) -> None:
    """Whoever this is does not work here any more, and is a clinician like any other."""
    await conn.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(kind=Kind.CLINICIAN.value, staff_id=None, state=None)
    )


async def fall_due(conn: AsyncConnection, conversation_id: str, now: datetime) -> None:
    """A message waits: the conversation is due, unless a worker holds it, who then looks again before letting go."""
    await conn.execute(_fall_due, {"which": conversation_id, "now": now})
    wake(conn, WORK)


def _conversation(row: AnyRow, state: Mapping[str, Any] | None) -> Conversation:
    return Conversation(
        id=row.id,
        kind=Kind(row.kind),
        channel=Channel(row.channel),
        staff_id=row.staff_id,
        language=Language(row.language),
        country=Country(row.country),
        muted=row.muted,
        state=state,
        attempts=row.attempts,
        lease_token=row.lease_token,
    )


async def get(conn: AsyncConnection, vault: Vault, conversation_id: str, *, lock: bool = False) -> Conversation | None:
    """The conversation with its state; `lock` keeps it as it is until the transaction ends."""
    wanted = select(conversations).where(conversations.c.id == conversation_id)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    if row is None:
        return None
    state = None
    if row.state is not None:
        key = await vault.open(conn, subject_of(conversation_id))
        state = json.loads(key.unseal(row.state, about=f"state:{conversation_id}"))
    return _conversation(row, state)


async def last_heard(conn: AsyncConnection, conversation_id: str) -> datetime | None:
    """When something came from this conversation's person last."""
    found: datetime | None = (
        await conn.execute(select(conversations.c.last_at).where(conversations.c.id == conversation_id))
    ).scalar_one_or_none()
    return found


async def outline(conn: AsyncConnection, conversation_id: str) -> Conversation | None:
    """The conversation without its state: nothing sealed is opened."""
    row = (await conn.execute(select(conversations).where(conversations.c.id == conversation_id))).first()
    return _conversation(row, None) if row is not None else None


async def get_held(
    conn: AsyncConnection, vault: Vault, conversation_id: str, token: str
) -> tuple[Conversation, Address | None] | None:
    """The conversation with its state and where its person is, also where they want no messages.

    None where this worker's hold is not good any more; the row is locked until the transaction ends.
    """
    row = (await conn.execute(_held_with_key, {"which": conversation_id, "held": token})).first()
    if row is None:
        return None
    key = vault.found(conn, subject_of(conversation_id), row.wrapped)
    if key is None or row.fingerprint is None:
        return _conversation(row, None), None
    state = json.loads(key.unseal(row.state, about=f"state:{conversation_id}")) if row.state is not None else None
    return _conversation(row, state), _address(row, key)


def _address(row: AnyRow, key: SubjectKey) -> Address:
    return Address(Channel(row.channel), key.unseal(row.address, about=f"address:{row.id}"))


async def address_of(conn: AsyncConnection, vault: Vault, conversation_id: str) -> Address | None:
    """Where the conversation's person can be reached; None where it is gone or wants no messages."""
    row = (
        await conn.execute(
            select(conversations).where(
                and_(conversations.c.id == conversation_id, conversations.c.fingerprint.is_not(None))
            )
        )
    ).first()
    if row is None or row.muted:
        return None
    return _address(row, await vault.open(conn, subject_of(conversation_id)))


async def keep_state(
    conn: AsyncConnection,
    vault: Vault,
    conversation_id: str,
    state: Mapping[str, Any],
    *,
    language: Language,
    country: Country,
) -> None:
    """Write the state down, sealed."""
    kept = await sealed_state(conn, vault, conversation_id, state, language=language, country=country)
    await keep(conn, conversation_id, kept)


async def sealed_state(
    conn: AsyncConnection,
    vault: Vault,
    conversation_id: str,
    state: Mapping[str, Any],
    *,
    language: Language,
    country: Country,
) -> Mapping[str, Any]:
    """The state as the row keeps it, to be written with what else is written: `keep` or `put_down`."""
    key = await vault.open(conn, subject_of(conversation_id))
    sealed = key.seal(json.dumps(state), about=f"state:{conversation_id}")
    return {"state": sealed, "language": language.value, "country": country.value}


async def keep(conn: AsyncConnection, conversation_id: str, kept: Mapping[str, Any]) -> None:
    """Write down what `sealed_state` gave."""
    await conn.execute(_change, {"which": conversation_id, **kept})


async def set_muted(conn: AsyncConnection, conversation_id: str, *, muted: bool) -> None:
    """Remember that this person wants no messages, or wants them again."""
    await conn.execute(update(conversations).where(conversations.c.id == conversation_id).values(muted=muted))


async def still_held(conn: AsyncConnection, conversation_id: str, token: str) -> bool:
    """Whether this worker's hold is still good; locks the row until the transaction ends."""
    row = (await conn.execute(_of_id_locked, {"which": conversation_id})).first()
    return row is not None and row.lease_token == token


async def put_down(
    conn: AsyncConnection,
    conversation_id: str,
    token: str,
    *,
    due_at: datetime | None,
    attempts: int = 0,
    kept: Mapping[str, Any] | None = None,
) -> bool:
    """End the hold; due again at `due_at` or with the next message, at which `attempts` were made.

    `kept` is the state to write down with it, from `sealed_state`.
    """
    values = {"due_at": due_at, "attempts": attempts, **(kept or {})}
    return await lease.finish(conn, conversations, conversation_id, token, values)


async def erase(conn: AsyncConnection, vault: Vault, conversation_id: str, now: datetime) -> str | None:
    """Forget what was written here: the key goes, and with it every text. The id of the new, empty conversation."""
    row = (await conn.execute(select(conversations).where(conversations.c.id == conversation_id))).first()
    if row is None or row.fingerprint is None:
        return None
    address = _address(row, await vault.open(conn, subject_of(conversation_id)))
    # The hold ends with it: what waited is moved, and must not be answered in here.
    await conn.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(fingerprint=None, state=None, address=b"", due_at=None, lease_token=None)
    )
    fresh = await create(
        conn,
        vault,
        address,
        kind=Kind(row.kind),
        staff_id=row.staff_id,
        language=Language(row.language),
        country=Country(row.country),
        now=now,
    )
    waiting = await inbox.move_waiting(conn, vault, from_conversation=conversation_id, to_conversation=fresh)
    await vault.forget(conn, subject_of(conversation_id))
    if waiting:
        await fall_due(conn, fresh, now)
    return fresh


async def forget_quiet(conn: AsyncConnection, vault: Vault, *, before: datetime, limit: int = 200) -> int:
    """Forget conversations of clinicians in which nothing was said since; how many were."""
    quiet = await conn.execute(
        select(conversations.c.id)
        .where(
            conversations.c.kind == Kind.CLINICIAN.value,
            conversations.c.last_at < before,
            conversations.c.fingerprint.is_not(None),
            conversations.c.lease_token.is_(None),
        )
        .limit(limit)
        # Else a message that comes this moment would be forgotten with the rest.
        .with_for_update(skip_locked=True)
    )
    forgotten = 0
    for row in quiet.all():
        await conn.execute(
            update(conversations)
            .where(conversations.c.id == row.id)
            .values(fingerprint=None, state=None, address=b"", due_at=None)
        )
        await vault.forget(conn, subject_of(row.id))
        forgotten += 1
    return forgotten


async def record_served(
    conn: AsyncConnection,
    conversation_id: str,
    article_id: str,
    *,
    revision: int,
    variant: int,
    language: Language,
    part: str,
    now: datetime,
) -> None:
    """Write down which words of which revision were shown."""
    values = {"revision": revision, "variant": variant, "language": language.value, "part": part, "at": now}
    await conn.execute(_note_served, {"conversation_id": conversation_id, "article_id": article_id, **values})


@dataclass(frozen=True)
class Shown:
    """An article that was shown in a conversation."""

    article_id: str
    revision: int
    part: str
    at: datetime


async def served_in(conn: AsyncConnection, conversation_id: str) -> tuple[Shown, ...]:
    """What was shown in this conversation, oldest first."""
    rows = await conn.execute(select(served).where(served.c.conversation_id == conversation_id).order_by(served.c.id))
    return tuple(Shown(row.article_id, row.revision, row.part, row.at) for row in rows)


async def record_gap(
    conn: AsyncConnection,
    vault: Vault,
    *,
    missing: str,
    text: str,
    nearest: Sequence[str],
    confidence: float,
    language: Language,
    country: Country,
    region: str,
    now: datetime,
) -> str:
    """Keep a question that could not be answered; its id."""
    gap_id = new_id()
    key = await vault.open(conn, f"gap:{gap_id}")
    await conn.execute(
        insert(gaps).values(
            id=gap_id,
            missing=missing,
            text=key.seal(text, about=f"gap:{gap_id}"),
            nearest=",".join(nearest),
            confidence=confidence,
            language=language.value,
            country=country.value,
            region=region,
            at=now.replace(
                minute=0, second=0, microsecond=0
            ),  # to the hour, so that a gap cannot be laid beside a shift
        )
    )
    return gap_id


async def erase_gaps(conn: AsyncConnection, vault: Vault, ids: Sequence[str]) -> None:
    """Forget these gaps: whoever wrote them has erased what she wrote."""
    for gap_id in ids:
        await vault.forget(conn, f"gap:{gap_id}")
    if ids:
        await conn.execute(delete(gaps).where(gaps.c.id.in_(list(ids))))


async def note_gap(conn: AsyncConnection, vault: Vault, conversation_id: str, gap_id: str) -> None:
    """Have a gap forgotten with the conversation that it came from, when she erases what she wrote."""
    wanted = select(conversations.c.state).where(conversations.c.id == conversation_id).with_for_update()
    row = (await conn.execute(wanted)).first()
    if row is None or row.state is None:
        return
    key = await vault.open(conn, subject_of(conversation_id))
    state = json.loads(key.unseal(row.state, about=f"state:{conversation_id}"))
    state["gaps"] = [*state.get("gaps", ()), gap_id]
    sealed = key.seal(json.dumps(state), about=f"state:{conversation_id}")
    await conn.execute(update(conversations).where(conversations.c.id == conversation_id).values(state=sealed))


async def record_helpful(conn: AsyncConnection, article_id: str, *, was_helpful: bool, now: datetime) -> None:
    """Count one verdict on an answer."""
    await conn.execute(insert(helpful).values(article_id=article_id, helpful=was_helpful, at=now))


async def record_services(
    conn: AsyncConnection, service_ids: Sequence[str], needs: Sequence[str], region: str, now: datetime
) -> None:
    """Count which services were shown for what."""
    if service_ids:
        joined = ",".join(needs)
        await conn.execute(
            insert(shown_services),
            [{"service_id": service, "needs": joined, "region": region, "at": now} for service in service_ids],
        )


async def wake_up(conn: AsyncConnection, conversation_ids: Sequence[str], now: datetime) -> int:
    """Make those of these conversations due that wait for nothing although a message waits in them; how many."""
    if not conversation_ids:
        return 0
    woken = await conn.execute(
        update(conversations)
        .where(conversations.c.id.in_(conversation_ids), conversations.c.due_at.is_(None))
        .values(due_at=now, lease_token=None)
    )
    if rows_touched(woken):
        wake(conn, WORK)
    return rows_touched(woken)


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When the next conversation falls due."""
    return await lease.next_due(conn, conversations)


LEASE = timedelta(seconds=30)  # far longer than a decision takes, short enough that a crash keeps nobody waiting
