"""What goes out: written in the same transaction as the reason for it, sent afterwards, never forgotten.

A message belongs to a lane (a conversation, an advisor's pages) and leaves its lane in order. It passes through these
states, and only here:

    waiting --start_attempt--> sending --record_sent--> sent --report--> delivered
       ^                          |  \\--record_given_up--> given_up  <--report-- (sent)
       |----record_retry----------|
       \\--withdraw--> withdrawn

`sending` and the attempt's id are on disk before the provider is called. A row that stands in `sending` when its lease
is over was left by a process that died in the call: nobody knows whether the message went. `in_doubt` gives those to
whoever can ask the provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import lease as leases
from helpline.messages import Address, Channel, Choice, DeliveryReport, DeliveryState, OutboundMessage
from helpline.storage import AnyRow, BigId, UtcDateTime, execute_all, insert_once, rows_touched, table_of, wake
from helpline.vault import Forgotten, SubjectKey, Vault

TOPIC = "outbox"  # rung when there is something to send


class OutboundKind(StrEnum):
    """What sort of message this is, for whoever asks how long it took and what it meant."""

    REPLY = "reply"  # to a clinician, or from one to the advisor who helps her
    PAGE = "page"  # calls an advisor
    NOTICE = "notice"  # anything else we say to staff


class OutboundState(StrEnum):
    """Where a message is on its way."""

    WAITING = "waiting"  # not handed to the provider, or to be tried again
    SENDING = "sending"  # being handed over, or left so by a process that died
    SENT = "sent"  # the provider took it
    DELIVERED = "delivered"  # on the receiver's device
    GIVEN_UP = "given_up"  # will not arrive
    WITHDRAWN = "withdrawn"  # not wanted any more, and not sent


# The channels whose provider tells us later what became of it.
_REPORTING = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.CALL})


def _where(condition: str) -> dict[str, Any]:
    """An index of only some rows, which costs nothing for the others."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class OutboundRow(SQLModel, table=True):
    """One message on its way out.

    Words and address are kept as long as the subject's key. The row without them stays for 90 days, to answer "was she
    told, and when"; `delete_older` ends it.
    """

    __tablename__ = "outbound"
    __table_args__ = (
        Index("ix_outbound_lane_open", "lane", "id", **_where("state IN ('waiting', 'sending')")),
        Index("ix_outbound_due", "due_at", **_where("state IN ('waiting', 'sending')")),
        Index("ix_outbound_recipient_open", "recipient", **_where("state IN ('waiting', 'sending')")),
        Index("ix_outbound_lane", "lane", "id"),
        Index("ix_outbound_provider_message", "provider_message_id", **_where("provider_message_id IS NOT NULL")),
        Index("ix_outbound_escalation", "escalation_id", **_where("escalation_id IS NOT NULL")),
        Index("ix_outbound_page", "page_id", **_where("page_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    key: str = Field(unique=True, sa_type=String)  # exists once, ever: "page:17:2"
    lane: str = Field(sa_type=String)
    kind: str = Field(sa_type=String)
    channel: str = Field(sa_type=String)
    recipient: str = Field(sa_type=String)  # the address's fingerprint
    subject: str = Field(sa_type=String)  # whose key seals address and body
    sealed_address: bytes = Field(sa_type=LargeBinary)
    sealed_body: bytes = Field(sa_type=LargeBinary)
    state: str = Field(sa_type=String)
    urgent: bool = Field(default=False, sa_type=Boolean)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_token: str | None = Field(default=None, sa_type=String)
    attempts: int = Field(default=0, sa_type=Integer)
    attempt_id: str | None = Field(default=None, sa_type=String)
    tag: str = Field(default="", sa_type=String)  # short label in a page's text, by which the provider is asked for it
    provider_message_id: str | None = Field(default=None, sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)
    first_tried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=String)  # a code, never a provider's sentence
    escalation_id: str | None = Field(default=None, sa_type=String)
    page_id: str | None = Field(default=None, sa_type=String)


class EarlyReportRow(SQLModel, table=True):
    """A provider's word about a message before we had noted that the provider took it: callbacks can be that fast.

    Kept until the message is noted as sent, or a day; `delete_older` ends it.
    """

    __tablename__ = "early_report"

    channel: str = Field(primary_key=True, sa_type=String)
    provider_message_id: str = Field(primary_key=True, sa_type=String)
    state: str = Field(sa_type=String)
    error: str = Field(default="", sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)


_outbound = table_of(OutboundRow)
_early = table_of(EarlyReportRow)
_o = _outbound.c


def _is_open(state: ColumnElement[Any]) -> ColumnElement[bool]:
    """Not settled yet. Written out and not as parameters, else SQLite does not see that an index of some rows fits."""
    return state.in_([literal_column("'waiting'"), literal_column("'sending'")])


def _is_settled(state: ColumnElement[Any]) -> ColumnElement[bool]:
    return state.not_in([literal_column("'waiting'"), literal_column("'sending'")])


# Built once: building a statement costs more than running it.
_before = _outbound.alias("before")
_ahead = select(_before.c.id).where(_before.c.lane == _o.lane, _before.c.id < _o.id, _is_open(_before.c.state))
_oldest_of_lane = _is_open(_o.state) & (_o.state == OutboundState.WAITING.value) & ~_ahead.exists()
_urgent_first = (case((_o.urgent, 0), else_=1), _o.due_at, _o.id)
_left_sending = _is_open(_o.state) & (_o.state == OutboundState.SENDING.value)
_any_open = select(_o.id).where(_o.lane == bindparam("of"), _is_open(_o.state)).limit(1)
_start = (
    update(_outbound)
    .where(_o.id == bindparam("which"), _o.lease_token == bindparam("held"), _is_open(_o.state))
    .values(
        state=OutboundState.SENDING.value,
        attempt_id=bindparam("attempt"),
        attempts=_o.attempts + 1,
        first_tried_at=func.coalesce(_o.first_tried_at, bindparam("now", type_=UtcDateTime())),
    )
)


_start_some = (
    update(_outbound)
    .where(_o.id.in_(bindparam("which", expanding=True)), _o.lease_token == bindparam("held"), _is_open(_o.state))
    .values(
        state=OutboundState.SENDING.value,
        attempt_id=bindparam("attempt", type_=String()) + literal_column("'.'") + cast(_o.id, String),
        attempts=_o.attempts + 1,
        first_tried_at=func.coalesce(_o.first_tried_at, bindparam("now", type_=UtcDateTime())),
    )
    .returning(_o.id, _o.attempt_id)
)
_held_now = (
    select(_o.id, _o.lease_token).where(_o.id.in_(bindparam("which", expanding=True))).order_by(_o.id).with_for_update()
)
_record_sent = update(_outbound).where(_o.id == bindparam("which"))
_open_lane = select(_o.id).where(_o.lane.in_(bindparam("of", expanding=True)), _is_open(_o.state)).limit(1)
_early_of = tuple_(_early.c.channel, _early.c.provider_message_id).in_(bindparam("which", expanding=True))
_take_early = delete(_early).where(_early_of).returning(*_early.columns)
# Whoever takes several back locks them in one order, so that two never wait for each other.
_pages_waiting = (
    select(_o.id)
    .where(
        _o.page_id.in_(bindparam("which", expanding=True)),
        _is_open(_o.state),
        _o.state == OutboundState.WAITING.value,
    )
    .order_by(_o.id)
    .with_for_update()
)
_take_back = (
    update(_outbound)
    .where(_o.id.in_(bindparam("which", expanding=True)), _o.state == OutboundState.WAITING.value)
    .values(state=OutboundState.WITHDRAWN.value, due_at=None, lease_token=None)
)
_lock_words = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(word, 0)) FROM unnest(CAST(:words AS text[])) AS word"
)


@cache
def _besides(channels: frozenset[Channel]) -> ColumnElement[bool] | None:
    """What goes by none of these channels; one object for each, by which a built statement is found again."""
    return _o.channel.not_in(sorted(channel.value for channel in channels)) if channels else None


@cache
def _and(first: ColumnElement[bool], second: ColumnElement[bool] | None) -> ColumnElement[bool]:
    return first if second is None else first & second


@dataclass(frozen=True)
class Outgoing:
    """A message in the outbox, without its words and address."""

    id: int
    key: str
    lane: str
    kind: OutboundKind
    channel: Channel
    recipient: str
    subject: str
    state: OutboundState
    urgent: bool
    due_at: datetime | None
    attempts: int
    attempt_id: str | None
    tag: str
    provider_message_id: str | None
    created_at: datetime
    first_tried_at: datetime | None
    sent_at: datetime | None
    error: str
    escalation_id: str | None
    page_id: str | None
    lease_token: str | None = field(repr=False)
    sealed_address: bytes = field(repr=False)
    sealed_body: bytes = field(repr=False)

    def open(self, key: SubjectKey) -> tuple[Address, OutboundMessage]:
        """To whom and what; `Forgotten` where it was erased."""
        address = key.unseal(self.sealed_address, about=f"outbox-address:{self.key}")
        body = key.unseal(self.sealed_body, about=f"outbox:{self.key}")
        return Address(self.channel, address), message_from_json(body)


@dataclass(frozen=True)
class Said:
    """A message of ours in a transcript."""

    id: int
    key: str
    state: OutboundState
    kind: OutboundKind
    created_at: datetime
    sent_at: datetime | None
    message: OutboundMessage | None  # None where it was erased


@dataclass(frozen=True)
class Backlog:
    """How much waits to go out: for metrics and for whoever is worried."""

    waiting: int
    sending: int
    oldest_due: datetime | None


async def enqueue(
    conn: AsyncConnection,
    vault: Vault,
    *,
    key: str,
    lane: str,
    kind: OutboundKind,
    subject: str,
    to: Address,
    message: OutboundMessage,
    now: datetime,
    due_at: datetime | None = None,
    urgent: bool | None = None,
    tag: str = "",
    escalation_id: str | None = None,
    page_id: str | None = None,
) -> int | None:
    """Put a message into the outbox; its id, or None where there was one with this key, ever. Does not send."""
    secret = await vault.open(conn, subject)
    made: int | None = await insert_once(
        conn,
        _outbound,
        {
            "key": key,
            "lane": lane,
            "kind": kind.value,
            "channel": to.channel.value,
            "recipient": vault.fingerprint_of(to),
            "subject": subject,
            "sealed_address": secret.seal(to.value, about=f"outbox-address:{key}"),
            "sealed_body": secret.seal(message_to_json(message), about=f"outbox:{key}"),
            "state": OutboundState.WAITING.value,
            "urgent": message.urgent if urgent is None else urgent,
            "due_at": due_at or now,
            "attempts": 0,
            "tag": tag,
            "created_at": now,
            "error": "",
            "escalation_id": escalation_id,
            "page_id": page_id,
        },
        unique=["key"],
    )
    if made is not None:
        wake(conn, TOPIC)
    return made


async def numbers_of(conn: AsyncConnection, page_ids: Sequence[str], channel: Channel) -> list[str]:
    """The numbers by which the provider knows these pages, of those that it took on this channel."""
    wanted = _o.page_id.in_(list(page_ids)) & _o.page_id.is_not(None) & (_o.channel == channel.value)
    rows = await conn.execute(select(_o.provider_message_id).where(wanted).order_by(_o.id))
    return [row.provider_message_id for row in rows if row.provider_message_id]


async def said_to(conn: AsyncConnection, recipient: str, provider_message_id: str) -> Outgoing | None:
    """The message that this address (its fingerprint) knows by the provider's number; None where it is none of ours.

    A provider may count its messages for each address anew, so both are needed.
    """
    if not provider_message_id:
        return None
    same = (_o.provider_message_id == provider_message_id) & _o.provider_message_id.is_not(None)
    row = (await conn.execute(select(_outbound).where(same, _o.recipient == recipient).limit(1))).one_or_none()
    return _outgoing(row) if row else None


async def claim_batch(
    conn: AsyncConnection,
    *,
    now: datetime,
    lease: timedelta,
    limit: int,
    besides: frozenset[Channel] = frozenset(),
) -> list[Outgoing]:
    """Take messages that are due, the urgent first, of each lane only the oldest that has not gone.

    None of the channels `besides`. Look whether each is still wanted, start the attempt, commit, and only then call the
    provider.
    """
    mine = _and(_oldest_of_lane, _besides(besides))
    rows = await leases.claim(conn, _outbound, now=now, lease=lease, limit=limit, where=mine, order_by=_urgent_first)
    return [_outgoing(row) for row in rows]


async def in_doubt(
    conn: AsyncConnection,
    *,
    now: datetime,
    lease: timedelta,
    limit: int = 100,
    besides: frozenset[Channel] = frozenset(),
) -> list[Outgoing]:
    """Take the messages that a dead process left in the middle of being sent.

    For each: `record_sent` where the provider knows it, `start_attempt` again where it does not or cannot be asked, or
    `record_unwanted`.
    """
    mine = _and(_left_sending, _besides(besides))
    rows = await leases.claim(conn, _outbound, now=now, lease=lease, limit=limit, where=mine)
    return [_outgoing(row) for row in rows]


async def open_message(conn: AsyncConnection, vault: Vault, outgoing: Outgoing) -> tuple[Address, OutboundMessage]:
    """To whom and what; `Forgotten` where it was erased."""
    key = await vault.existing(conn, outgoing.subject)
    if key is None:
        raise Forgotten("This message was erased.")
    return outgoing.open(key)


async def start_attempt(conn: AsyncConnection, outgoing: Outgoing, *, attempt_id: str, now: datetime) -> bool:
    """Note that the provider is about to be called; commit before calling. False where it is not ours any more.

    It may have been withdrawn, or its lease may have run out and another have taken it: then it must not be sent.
    """
    started = await conn.execute(
        _start, {"which": outgoing.id, "held": outgoing.lease_token, "attempt": attempt_id, "now": now}
    )
    return rows_touched(started) == 1


async def start_attempts(
    conn: AsyncConnection, claimed: Sequence[Outgoing], *, attempt_id: str, now: datetime
) -> dict[int, str]:
    """Note that the provider is about to be called for messages of one claim; the ids of those that are ours to send.

    Each has an attempt id of its own, which begins with this one.
    """
    if not claimed:
        return {}
    held = claimed[0].lease_token
    values = {"which": [each.id for each in claimed], "held": held, "attempt": attempt_id, "now": now}
    return {row.id: row.attempt_id for row in await conn.execute(_start_some, values)}


async def record_all_sent(
    conn: AsyncConnection, taken: Sequence[tuple[Outgoing, str]], *, now: datetime
) -> dict[int, OutboundState]:
    """Note that the provider took these, under ids of its own; their states, without those that are not ours any more.

    As `record_sent`, for many at the price of a few.
    """
    reporting = [(each.channel.value, sid) for each, sid in taken if each.channel in _REPORTING]
    if reporting and conn.dialect.name == "postgresql":
        # In one order, and before any row: as for `_one_at_a_time`.
        await conn.execute(_lock_words, {"words": sorted(f"{channel}:{sid}" for channel, sid in reporting)})
    wanted = {"which": [each.id for each, _ in taken]}
    held = {(row.id, row.lease_token) for row in await conn.execute(_held_now, wanted)}
    ours = [(each, sid) for each, sid in taken if (each.id, each.lease_token) in held]
    # Only of what is ours: whoever has the rest by now must still find what was reported of it.
    asked = [(each.channel.value, sid) for each, sid in ours if each.channel in _REPORTING]
    rows = await conn.execute(_take_early, {"which": asked}) if asked else ()
    early = {(row.channel, row.provider_message_id): row for row in rows}
    states: dict[int, OutboundState] = {}
    changes = []
    for each, sid in ours:
        states[each.id], error = _after_report(early.get((each.channel.value, sid)))
        changes.append(
            {
                "which": each.id,
                "state": states[each.id].value,
                "due_at": None,
                "lease_token": None,
                "provider_message_id": sid,
                "sent_at": now,
                "error": error,
            }
        )
    await execute_all(conn, _record_sent, changes)
    if changes:
        lanes = {"of": sorted({each.lane for each, _ in taken})}
        if (await conn.execute(_open_lane, lanes)).first() is not None:
            wake(conn, TOPIC)  # the next of a lane may go now
    return states


def _after_report(early: AnyRow | None) -> tuple[OutboundState, str]:
    """What a message is once the provider took it, where its report was quicker than we."""
    if early is not None and early.state == DeliveryState.DELIVERED.value:
        return OutboundState.DELIVERED, ""
    if early is not None and early.state == DeliveryState.FAILED.value:
        return OutboundState.GIVEN_UP, str(early.error)
    return OutboundState.SENT, ""


async def record_sent(
    conn: AsyncConnection, outgoing: Outgoing, *, provider_message_id: str, now: datetime
) -> OutboundState | None:
    """Note that the provider took it; the state it has now, or None where this attempt is not the row's any more.

    The state is `given_up` where the provider's report of failure was quicker than we: say so aloud then too.
    """
    await _one_at_a_time(conn, outgoing.channel, provider_message_id)
    known = (_early.c.channel == outgoing.channel.value) & (_early.c.provider_message_id == provider_message_id)
    early = (await conn.execute(select(_early).where(known))).one_or_none()
    state, error = _after_report(early)
    settled = await _settle(
        conn, outgoing, state=state, provider_message_id=provider_message_id, sent_at=now, error=error
    )
    if not settled:
        return None  # and whoever has it by now must still find what was reported of it
    if early is not None:
        await conn.execute(delete(_early).where(known))
    return state


async def record_retry(conn: AsyncConnection, outgoing: Outgoing, *, due_at: datetime, error: str) -> bool:
    """Note that it is to be tried again at `due_at`; False where this attempt is not the row's any more."""
    return await _settle(conn, outgoing, state=OutboundState.WAITING, due_at=due_at, error=_code(error))


async def record_given_up(conn: AsyncConnection, outgoing: Outgoing, *, error: str) -> bool:
    """Note that it will not arrive. Say so aloud in the same transaction: to the audit, and to someone."""
    return await _settle(conn, outgoing, state=OutboundState.GIVEN_UP, error=_code(error))


async def record_unwanted(conn: AsyncConnection, outgoing: Outgoing) -> bool:
    """Note that a message we hold is not wanted any more and is not sent."""
    return await _settle(conn, outgoing, state=OutboundState.WITHDRAWN)


async def record_report(conn: AsyncConnection, report: DeliveryReport, *, now: datetime) -> Outgoing | None:
    """Note a provider's later word; the message where this changed its state, None where it changed nothing.

    Reports come twice and in any order: a word that came too late changes nothing, and one that came before we noted
    the message as sent is kept for that moment.
    """
    await _one_at_a_time(conn, report.channel, report.provider_message_id)
    same = (_o.channel == report.channel.value) & (_o.provider_message_id == report.provider_message_id)
    known = (await conn.execute(select(_o.id).where(same).limit(1))).one_or_none()
    if known is None:
        if report.state is not DeliveryState.ACCEPTED:
            await _keep_early(conn, report, now)
        return None
    if report.state is DeliveryState.ACCEPTED:
        return None
    failed = report.state is DeliveryState.FAILED
    changed = await conn.execute(
        update(_outbound)
        .where(same, _o.state == OutboundState.SENT.value)
        .values(
            state=(OutboundState.GIVEN_UP if failed else OutboundState.DELIVERED).value,
            error=_code(report.error_code) if failed else "",
        )
        .returning(*_outbound.columns)
    )
    row = changed.one_or_none()
    return _outgoing(row) if row else None


async def withdraw(
    conn: AsyncConnection,
    *,
    escalation_id: str | None = None,
    page_id: str | None = None,
    lane: str | None = None,
    recipient: str | None = None,
    kind: OutboundKind | None = None,
) -> int:
    """Take back what matches all that is given and has not gone; how many. What is being sent right now cannot be."""
    wanted = {
        _o.escalation_id: escalation_id,
        _o.page_id: page_id,
        _o.lane: lane,
        _o.recipient: recipient,
    }
    chosen = [column == value for column, value in wanted.items() if value is not None]
    if not chosen:
        raise ValueError("say what to withdraw")
    if kind is not None:
        chosen.append(_o.kind == kind.value)
    gone = await conn.execute(
        update(_outbound)
        .where(*chosen, _is_open(_o.state), _o.state == OutboundState.WAITING.value)
        .values(state=OutboundState.WITHDRAWN.value, due_at=None, lease_token=None)
    )
    return rows_touched(gone)


async def withdraw_pages(conn: AsyncConnection, page_ids: Sequence[str]) -> int:
    """Take back the messages of these pages that have not gone; how many."""
    if not page_ids:
        return 0
    waiting = list((await conn.execute(_pages_waiting, {"which": sorted(page_ids)})).scalars())
    return rows_touched(await conn.execute(_take_back, {"which": waiting})) if waiting else 0


async def find(conn: AsyncConnection, key: str) -> Outgoing | None:
    """The message with this key."""
    row = (await conn.execute(select(_outbound).where(_o.key == key))).one_or_none()
    return _outgoing(row) if row else None


async def find_by_id(conn: AsyncConnection, outbound_id: int) -> Outgoing | None:
    """The message of this id."""
    row = (await conn.execute(select(_outbound).where(_o.id == outbound_id))).one_or_none()
    return _outgoing(row) if row else None


# --- what is spoken ---------------------------------------------------------------------------------------------------


async def unspoken(conn: AsyncConnection, lane: str) -> list[Outgoing]:
    """What is to be said on the phone in this lane and was not, in its order; locked until the transaction ends.

    A phone message that the provider took has only made a telephone ring, and one that is being handed over may not
    even have done that.
    """
    rows = await conn.execute(
        select(_outbound)
        .where(
            _o.lane == lane,
            _o.channel == Channel.CALL.value,
            _o.state.in_([OutboundState.WAITING.value, OutboundState.SENDING.value, OutboundState.SENT.value]),
        )
        .order_by(_o.id)
        .with_for_update()
    )
    return [_outgoing(row) for row in rows]


async def record_spoken(conn: AsyncConnection, spoken: Sequence[Outgoing], *, now: datetime) -> None:
    """Note that these were said to whoever is on the line."""
    await _change_locked(
        conn, spoken, state=OutboundState.DELIVERED.value, due_at=None, lease_token=None, sent_at=now, error=""
    )


async def put_back(conn: AsyncConnection, unspoken: Sequence[Outgoing], *, due_at: datetime) -> None:
    """These wait again, as if they had never been tried: the call on which they were to be said is over and known."""
    values = {"provider_message_id": None, "attempt_id": None, "sent_at": None, "attempts": 0, "first_tried_at": None}
    await _change_locked(conn, unspoken, state=OutboundState.WAITING.value, due_at=due_at, lease_token=None, **values)
    if unspoken:
        wake(conn, TOPIC)


async def take_back(conn: AsyncConnection, unspoken: Sequence[Outgoing]) -> None:
    """These are not said on the phone, since they go another way."""
    await _change_locked(conn, unspoken, state=OutboundState.WITHDRAWN.value, due_at=None, lease_token=None)


async def _change_locked(conn: AsyncConnection, which: Sequence[Outgoing], **values: Any) -> None:
    if which:
        await conn.execute(update(_outbound).where(_o.id.in_([each.id for each in which])).values(**values))


async def of_escalation(conn: AsyncConnection, escalation_id: str) -> list[Outgoing]:
    """Everything that an escalation sent, oldest first."""
    rows = await conn.execute(select(_outbound).where(_o.escalation_id == escalation_id).order_by(_o.id))
    return [_outgoing(row) for row in rows]


async def transcript(conn: AsyncConnection, vault: Vault, lane: str, *, limit: int = 200) -> list[Said]:
    """The latest of what was said in a lane, in the order it was written."""
    rows = (await conn.execute(select(_outbound).where(_o.lane == lane).order_by(_o.id.desc()).limit(limit))).all()
    keys = {subject: await vault.existing(conn, subject) for subject in {row.subject for row in rows}}
    said: list[Said] = []
    for row in reversed(rows):
        outgoing = _outgoing(row)
        message: OutboundMessage | None = None
        key = keys[outgoing.subject]
        if key is not None:
            try:
                message = message_from_json(key.unseal(outgoing.sealed_body, about=f"outbox:{outgoing.key}"))
            except Forgotten:
                message = None
        said.append(
            Said(
                id=outgoing.id,
                key=outgoing.key,
                state=outgoing.state,
                kind=outgoing.kind,
                created_at=outgoing.created_at,
                sent_at=outgoing.sent_at,
                message=message,
            )
        )
    return said


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When delivery must look again: the soonest of what waits and of what may turn out to be in doubt."""
    return await leases.next_due(conn, _outbound, _is_open(_o.state))


async def backlog(conn: AsyncConnection) -> Backlog:
    """How much waits to go out."""
    row = (
        await conn.execute(
            select(
                func.count().filter(_o.state == OutboundState.WAITING.value),
                func.count().filter(_o.state == OutboundState.SENDING.value),
                func.min(_o.due_at),
            ).where(_is_open(_o.state))
        )
    ).one()
    return Backlog(waiting=row[0], sending=row[1], oldest_due=row[2])


async def delete_older(conn: AsyncConnection, *, before: datetime, limit: int = 1000) -> int:
    """Delete up to `limit` messages that were settled and written before this instant; how many went."""
    old = (
        select(_o.id)
        .where(_o.created_at < before, _is_settled(_o.state))
        .order_by(_o.id)  # the oldest first, which needs no index of its own
        .limit(limit)
        .scalar_subquery()
    )
    return rows_touched(await conn.execute(delete(_outbound).where(_o.id.in_(old))))


async def delete_early_reports(conn: AsyncConnection, *, before: datetime) -> int:
    """Delete reports that came before this instant and that no message of ours ever claimed; how many went."""
    return rows_touched(await conn.execute(delete(_early).where(_early.c.at < before)))


async def _settle(conn: AsyncConnection, outgoing: Outgoing, *, state: OutboundState, **values: Any) -> bool:
    if outgoing.lease_token is None:
        raise ValueError("only a claimed message can be settled")
    settled = await leases.finish(conn, _outbound, outgoing.id, outgoing.lease_token, {"state": state.value, **values})
    if settled and state is OutboundState.WAITING:
        wake(conn, TOPIC)  # whoever sleeps until something is due must reckon with this
    elif settled and (await conn.execute(_any_open, {"of": outgoing.lane})).one_or_none() is not None:
        wake(conn, TOPIC)  # the next of the lane may go now
    return settled


async def _one_at_a_time(conn: AsyncConnection, channel: Channel, provider_message_id: str) -> None:
    """Let "it was sent" and "it arrived" of one message not pass each other unseen in two processes."""
    if conn.dialect.name == "postgresql" and channel in _REPORTING:
        await conn.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:message, 0))"),
            {"message": f"{channel.value}:{provider_message_id}"},
        )


async def _keep_early(conn: AsyncConnection, report: DeliveryReport, now: datetime) -> None:
    values: Mapping[str, Any] = {
        "channel": report.channel.value,
        "provider_message_id": report.provider_message_id,
        "state": report.state.value,
        "error": _code(report.error_code),
        "at": now,
    }
    await insert_once(conn, _early, values, unique=["channel", "provider_message_id"], returning="provider_message_id")


def _outgoing(row: AnyRow) -> Outgoing:
    return Outgoing(
        id=row.id,
        key=row.key,
        lane=row.lane,
        kind=OutboundKind(row.kind),
        channel=Channel(row.channel),
        recipient=row.recipient,
        subject=row.subject,
        state=OutboundState(row.state),
        urgent=row.urgent,
        due_at=row.due_at,
        attempts=row.attempts,
        attempt_id=row.attempt_id,
        tag=row.tag,
        provider_message_id=row.provider_message_id,
        created_at=row.created_at,
        first_tried_at=row.first_tried_at,
        sent_at=row.sent_at,
        error=row.error,
        escalation_id=row.escalation_id,
        page_id=row.page_id,
        lease_token=row.lease_token,
        sealed_address=row.sealed_address,
        sealed_body=row.sealed_body,
    )


def _code(error: str) -> str:
    """A provider's error as a code: its first word, so that a sentence with somebody's number in it cannot slip in."""
    return error.split(maxsplit=1)[0][:40] if error.strip() else ""


def message_to_json(message: OutboundMessage) -> str:
    """A message as it is sealed; `message_from_json` reads it back."""
    written: dict[str, Any] = {
        "text": message.text,
        "choices": [[choice.token, choice.label, choice.digit] for choice in message.choices],
        "urgent": message.urgent,
    }
    if message.strikes:
        written["strikes"] = message.strikes
    return orjson.dumps(written).decode()


def message_from_json(body: str) -> OutboundMessage:
    """The message that `message_to_json` wrote."""
    read = orjson.loads(body)
    return OutboundMessage(
        text=read["text"],
        choices=tuple(Choice(token, label, digit) for token, label, digit in read["choices"]),
        urgent=read["urgent"],
        strikes=tuple(read.get("strikes", ())),
    )
