"""Every phone call, made or taken: what it is for, how it stands, and what was said in it, sealed.

A call of ours is on disk before Twilio is asked to make it, with one row for each try. Twilio is given the row's id in
every address, so whatever it tells or asks finds the row, also before our own request has come back with Twilio's id.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, LargeBinary, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from bot.channels.voice import CallState
from helpline import lease
from helpline.messages import Language
from helpline.storage import AnyRow, BigId, UtcDateTime, rows_touched, table_of, wake
from helpline.vault import Vault

TOPIC = "calls"  # rung when a call must be looked at


class CallKind(StrEnum):
    """What a call is for."""

    CLINICIAN = "clinician"  # she called the line
    PAGE = "page"  # wakes an advisor
    NOTICE = "notice"  # anything else that a member of staff is told by voice
    CALLBACK = "callback"  # a clinician is called back
    JOINED = "joined"  # an advisor is called to be joined with a clinician


class CallRow(SQLModel, table=True):
    """One try at a phone call, or one that came in. Kept for 90 days; `delete_older` ends it.

    No number and no name. `talk` is what was said and how far it got, sealed with the conversation's key: erasing the
    conversation erases it here too.
    """

    __tablename__ = "call"
    __table_args__ = (
        Index(
            "ix_call_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_call_conversation",
            "conversation_id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True, max_length=32)  # in the addresses that Twilio is given
    call_sid: str | None = Field(default=None, max_length=34, unique=True)  # Twilio's id
    kind: str = Field(max_length=16)
    conversation_id: str | None = Field(default=None, max_length=32)
    escalation_id: str | None = Field(default=None, max_length=40, index=True)
    page_id: str | None = Field(default=None, max_length=60, index=True)
    staff_id: str | None = Field(default=None, max_length=32)
    outbound_id: int | None = Field(default=None, sa_column=Column(BigId, nullable=True, index=True))
    language: str = Field(max_length=2)
    state: str = Field(max_length=16)
    sequence: int = -1  # Twilio's count of the newest that it told
    machine: bool = False  # something answered that Twilio takes for no human
    pressed: str = Field(default="", max_length=1)  # the last key that meant something: a human was there
    talk: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    called_off_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))  # when to ask Twilio
    lease_token: str | None = Field(default=None, max_length=32)


calls = table_of(CallRow)
_c = calls.c

# Built once: building a statement costs more than running it.
_find = select(calls).where(_c.id == bindparam("which"))
_find_locked = _find.with_for_update()
_find_by_sid = select(calls).where(_c.call_sid == bindparam("which"))
_add = insert(calls)
_lock_words = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(word, 0)) FROM unnest(CAST(:words AS text[])) AS word"
)
_is_live = _c.ended_at.is_(None)
_live_of = (
    select(calls)
    .where(
        _c.conversation_id == bindparam("which"),
        _is_live,
        _c.kind.in_([CallKind.CLINICIAN.value, CallKind.CALLBACK.value]),
        _c.state == CallState.ANSWERED.value,
    )
    .order_by(_c.made_at.desc())
    .limit(1)
)
_may_be_called_off = (
    _is_live & _c.page_id.is_not(None) & _c.call_sid.is_not(None) & _c.called_off_at.is_(None) & (_c.pressed == "")
)


@dataclass(frozen=True)
class Call:
    """A call as it stands."""

    id: str
    call_sid: str | None
    kind: CallKind
    conversation_id: str | None
    escalation_id: str | None
    page_id: str | None
    staff_id: str | None
    outbound_id: int | None
    language: Language
    state: CallState
    sequence: int
    machine: bool
    pressed: str
    made_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    called_off_at: datetime | None
    due_at: datetime | None
    sealed_talk: bytes | None = field(default=None, repr=False)
    lease_token: str | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more can happen on it."""
        return self.ended_at is not None


def new_id() -> str:
    """An id that says nothing and cannot be guessed."""
    return secrets.token_hex(16)


def _call(row: AnyRow) -> Call:
    return Call(
        id=row.id,
        call_sid=row.call_sid,
        kind=CallKind(row.kind),
        conversation_id=row.conversation_id,
        escalation_id=row.escalation_id,
        page_id=row.page_id,
        staff_id=row.staff_id,
        outbound_id=row.outbound_id,
        language=Language(row.language),
        state=CallState(row.state),
        sequence=row.sequence,
        machine=row.machine,
        pressed=row.pressed,
        made_at=row.made_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        called_off_at=row.called_off_at,
        due_at=row.due_at,
        sealed_talk=bytes(row.talk) if row.talk is not None else None,
        lease_token=row.lease_token,
    )


async def add(
    conn: AsyncConnection,
    *,
    kind: CallKind,
    language: Language,
    now: datetime,
    due_at: datetime,
    call_sid: str | None = None,
    state: CallState = CallState.MADE,
    conversation_id: str | None = None,
    escalation_id: str | None = None,
    page_id: str | None = None,
    staff_id: str | None = None,
    outbound_id: int | None = None,
) -> Call:
    """Write a call down, before it is made or when it came in. `due_at` is when Twilio is asked if nothing is heard."""
    values = {
        "id": new_id(),
        "call_sid": call_sid,
        "kind": kind.value,
        "conversation_id": conversation_id,
        "escalation_id": escalation_id,
        "page_id": page_id,
        "staff_id": staff_id,
        "outbound_id": outbound_id,
        "language": language.value,
        "state": state.value,
        "sequence": -1,
        "machine": False,
        "pressed": "",
        "made_at": now,
        "answered_at": now if state is CallState.ANSWERED else None,
        "due_at": due_at,
    }
    await conn.execute(_add, values)
    wake(conn, TOPIC)
    row = (await conn.execute(_find, {"which": values["id"]})).one()
    return _call(row)


async def find(conn: AsyncConnection, call_id: str, *, lock: bool = False) -> Call | None:
    """The call of this id; `lock` keeps it so until the transaction ends."""
    row = (await conn.execute(_find_locked if lock else _find, {"which": call_id})).one_or_none()
    return _call(row) if row is not None else None


async def find_by_sid(conn: AsyncConnection, call_sid: str) -> Call | None:
    """The call that Twilio knows by this id."""
    row = (await conn.execute(_find_by_sid, {"which": call_sid})).one_or_none()
    return _call(row) if row is not None else None


async def live_call_of(conn: AsyncConnection, conversation_id: str) -> Call | None:
    """The call on which the clinician of this conversation is on the line now."""
    row = (await conn.execute(_live_of, {"which": conversation_id})).first()
    return _call(row) if row is not None else None


async def call_back_under_way(conn: AsyncConnection, conversation_id: str) -> Call | None:
    """The call by which the clinician of this conversation is being called back, that Twilio has and nobody ended."""
    wanted = select(calls).where(
        _c.conversation_id == conversation_id,
        _is_live,
        _c.kind == CallKind.CALLBACK.value,
        _c.call_sid.is_not(None),
    )
    row = (await conn.execute(wanted.order_by(_c.made_at.desc()).limit(1))).first()
    return _call(row) if row is not None else None


async def live_calls_of_escalation(conn: AsyncConnection, escalation_id: str) -> list[Call]:
    """The calls about an escalation that are not over, oldest first."""
    wanted = select(calls).where(_c.escalation_id == escalation_id, _is_live).order_by(_c.made_at, _c.id)
    return [_call(row) for row in await conn.execute(wanted)]


async def tries_of(conn: AsyncConnection, outbound_ids: Collection[int]) -> dict[int, list[Call]]:
    """The calls that were made, or tried, for messages of the outbox, oldest first."""
    found: dict[int, list[Call]] = {}
    wanted = select(calls).where(_c.outbound_id.in_(sorted(outbound_ids))).order_by(_c.made_at, _c.id)
    for row in await conn.execute(wanted):
        found.setdefault(row.outbound_id, []).append(_call(row))
    return found


async def one_at_a_time(conn: AsyncConnection, sids: Collection[str]) -> None:
    """Let nobody else find out at the same moment whose these calls are; before any row is locked."""
    if sids and conn.dialect.name == "postgresql":
        await conn.execute(_lock_words, {"words": sorted(f"whose:{sid}" for sid in sids)})


async def change(conn: AsyncConnection, call_id: str, **values: Any) -> None:
    """Change columns of a call; hold its lock (`find(lock=True)`) where they follow from what it was."""
    plain = {name: value.value if isinstance(value, StrEnum) else value for name, value in values.items()}
    await conn.execute(update(calls).where(_c.id == call_id).values(**plain))
    if "due_at" in plain:
        wake(conn, TOPIC)


async def note_sid(conn: AsyncConnection, call_id: str, call_sid: str) -> bool:
    """Note Twilio's id of a call that has none yet; False where it has one, or the id is another call's.

    After `one_at_a_time`.
    """
    if await find_by_sid(conn, call_sid) is not None:
        return False
    noted = await conn.execute(update(calls).where(_c.id == call_id, _c.call_sid.is_(None)).values(call_sid=call_sid))
    wake(conn, TOPIC)  # what nobody needs any more can be hung up now
    return rows_touched(noted) == 1


# --- what was said ----------------------------------------------------------------------------------------------------


async def set_talk(conn: AsyncConnection, vault: Vault, call: Call, talk: Mapping[str, Any]) -> None:
    """Keep what was said and how far it got, sealed with the key of the conversation."""
    key = await vault.open(conn, _subject_of(call))
    sealed = key.seal(json.dumps(talk, ensure_ascii=False), about=f"talk:{call.id}")
    await conn.execute(update(calls).where(_c.id == call.id).values(talk=sealed))


async def talk_of(conn: AsyncConnection, vault: Vault, call: Call) -> dict[str, Any] | None:
    """What was said and how far it got; None where nothing was, or where it was erased."""
    if call.sealed_talk is None:
        return None
    key = await vault.existing(conn, _subject_of(call))
    if key is None:
        return None
    talk: dict[str, Any] = json.loads(key.unseal(call.sealed_talk, about=f"talk:{call.id}"))
    return talk


def _subject_of(call: Call) -> str:
    """Whose key seals what was said: the conversation's where there is one, else the member of staff's."""
    if call.conversation_id is not None:
        return f"conversation:{call.conversation_id}"
    if call.staff_id is not None:
        return f"staff:{call.staff_id}"
    raise ValueError("a call without a conversation has nothing to keep")


# --- what must be looked at -------------------------------------------------------------------------------------------


async def claim_due(conn: AsyncConnection, *, now: datetime, hold: timedelta, limit: int) -> list[Call]:
    """Take the calls of which nothing was heard for too long; commit before asking Twilio."""
    rows = await lease.claim(conn, calls, now=now, lease=hold, limit=limit, where=_is_live)
    return [_call(row) for row in rows]


async def pages_under_way(conn: AsyncConnection, *, limit: int = 500) -> list[Call]:
    """The calls to advisors that ring or are listened to, and that nobody has pressed a key on or called off."""
    wanted = select(calls).where(_may_be_called_off).order_by(_c.made_at, _c.id).limit(limit)
    return [_call(row) for row in await conn.execute(wanted)]


async def call_off(conn: AsyncConnection, which: Sequence[str], now: datetime) -> list[Call]:
    """Note that these are to be hung up, or told better; those that nobody else has called off already."""
    if not which:
        return []
    gone = await conn.execute(
        update(calls)
        .where(_c.id.in_(sorted(which)), _c.called_off_at.is_(None), _is_live)
        .values(called_off_at=now)
        .returning(*calls.columns)
    )
    return [_call(row) for row in gone]


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When a call must be asked after."""
    return await lease.next_due(conn, calls, _is_live)


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 1000) -> int:
    """Delete up to `limit` calls made before this instant; how many went."""
    old = select(_c.id).where(_c.made_at < before).order_by(_c.made_at).limit(limit).scalar_subquery()
    return rows_touched(await conn.execute(delete(calls).where(_c.id.in_(old))))
