"""How a clinician who called can be reached besides by her call: is she on the line, may we text her, is an advisor in
the room?

A caller agrees to text on her own number in words; from then on what she writes from there and what she says on the
phone are one conversation. A number that she hides is none, and what is said to her waits until she calls again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Column, Field, SQLModel

from bot.store import conversations, subject_of
from helpline.messages import Address, Channel
from helpline.storage import AnyRow, UtcDateTime, insert_once, rows_touched, table_of, wake
from helpline.vault import Vault

TOPIC = "rooms"  # rung when somebody is to be brought into a room
HIDDEN = "hidden:"  # begins the address of a caller who shows no number
WAITS_FOR_HER = timedelta(hours=6)  # what is said to somebody who cannot be called back
AGREED_FOR = timedelta(days=7)  # after which whoever writes from that telephone is taken for somebody else
ROOM_FOR = timedelta(seconds=90)  # that an advisor waits alone in a room


class CallerRow(SQLModel, table=True):
    """One conversation that began on the telephone. Kept as long as the conversation; `delete_gone` ends it.

    The address is sealed with the conversation's key, and its fingerprint is a keyed hash.
    """

    __tablename__ = "caller"

    conversation_id: str = Field(primary_key=True, max_length=32)
    call_id: str | None = Field(default=None, max_length=32)  # of the call she is on
    on_line_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    fingerprint: str | None = Field(default=None, max_length=64, unique=True)  # where she agreed to be texted
    address: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    agreed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    room: str | None = Field(default=None, max_length=40)  # the conference that an advisor is in, or goes into
    room_staff_id: str | None = Field(default=None, max_length=32)
    room_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    room_call_id: str | None = Field(default=None, max_length=32)  # the advisor's call
    joined_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))  # when she came in
    fetched: bool = False  # she was told to come into the room at once
    spoke_up_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


callers = table_of(CallerRow)
_c = callers.c
_find = select(callers).where(_c.conversation_id == bindparam("which"))
_find_locked = _find.with_for_update()
_texted_at = (
    update(callers)
    .where(_c.fingerprint == bindparam("which"), _c.agreed_at > bindparam("since", type_=UtcDateTime()))
    .values(agreed_at=bindparam("now", type_=UtcDateTime()))
    .returning(_c.conversation_id)
)


@dataclass(frozen=True)
class Room:
    """A conference that an advisor is in, or goes into."""

    name: str
    staff_id: str
    call_id: str  # the advisor's call
    at: datetime
    joined: bool  # she is in it too


@dataclass(frozen=True)
class Known:
    """What is known of a caller."""

    conversation_id: str
    call_id: str | None
    on_line: bool
    agreed: bool
    room: Room | None


def is_hidden(address: Address) -> bool:
    """Whether this is a caller who shows no number."""
    return address.channel is Channel.CALL and address.value.startswith(HIDDEN)


def hidden_address() -> Address:
    """The address of a caller who shows no number: of this call, and of nothing else."""
    return Address(Channel.CALL, f"{HIDDEN}{secrets.token_hex(16)}")


async def find(conn: AsyncConnection, conversation_id: str, now: datetime, *, lock: bool = False) -> Known | None:
    """What is known of the caller of this conversation; None where it did not begin on the telephone."""
    row = (await conn.execute(_find_locked if lock else _find, {"which": conversation_id})).first()
    return _known(row, now) if row is not None else None


def _known(row: AnyRow, now: datetime) -> Known:
    room = None
    if row.room is not None and row.room_at is not None:
        joined = row.joined_at is not None
        room = Room(row.room, row.room_staff_id or "", row.room_call_id or "", row.room_at, joined)
    on_line = row.on_line_until is not None and row.on_line_until > now
    return Known(row.conversation_id, row.call_id if on_line else None, on_line, row.fingerprint is not None, room)


async def note_on_line(conn: AsyncConnection, conversation_id: str, call_id: str, until: datetime) -> None:
    """She is on the line, and will be for so long unless we hear otherwise."""
    values: Mapping[str, Any] = {"call_id": call_id, "on_line_until": until}
    made = await insert_once(
        conn,
        callers,
        {"conversation_id": conversation_id, "fetched": False, **values},
        unique=["conversation_id"],
        returning="conversation_id",
    )
    if made is None:
        await conn.execute(update(callers).where(_c.conversation_id == conversation_id).values(**values))


async def note_off_line(conn: AsyncConnection, conversation_id: str, call_id: str) -> bool:
    """This call of hers is over; False where she is on another by now."""
    gone = await conn.execute(
        update(callers)
        .where(_c.conversation_id == conversation_id, or_(_c.call_id == call_id, _c.call_id.is_(None)))
        .values(call_id=None, on_line_until=None)
    )
    return rows_touched(gone) == 1


# --- texting ----------------------------------------------------------------------------------------------------------


async def agree(conn: AsyncConnection, vault: Vault, conversation_id: str, address: Address, now: datetime) -> None:
    """She agrees to be texted here; what comes from there belongs to this conversation from now on."""
    fingerprint = vault.fingerprint_of(address)
    key = await vault.open(conn, subject_of(conversation_id))
    # A ward's telephone may have been somebody else's before: whoever agreed last is at it.
    await conn.execute(
        update(callers)
        .where(_c.fingerprint == fingerprint, _c.conversation_id != conversation_id)
        .values(fingerprint=None, address=None, agreed_at=None)
    )
    await conn.execute(
        update(callers)
        .where(_c.conversation_id == conversation_id)
        .values(
            fingerprint=fingerprint,
            address=key.seal(address.value, about=f"texted:{conversation_id}"),
            agreed_at=now,
        )
    )


async def withdraw(conn: AsyncConnection, conversation_id: str) -> None:
    """She is not to be texted any more."""
    await conn.execute(
        update(callers)
        .where(_c.conversation_id == conversation_id)
        .values(fingerprint=None, address=None, agreed_at=None)
    )


async def conversation_texted_at(conn: AsyncConnection, fingerprint: str, now: datetime) -> str | None:
    """The telephone conversation whose clinician agreed to be texted at this address, and has been there since."""
    found: str | None = (
        await conn.execute(_texted_at, {"which": fingerprint, "now": now, "since": now - AGREED_FOR})
    ).scalar_one_or_none()
    return found


async def where_to(
    conn: AsyncConnection, vault: Vault, conversation_id: str, address: Address, now: datetime
) -> tuple[Address, datetime]:
    """Where a reply to a caller goes now, and when: spoken on her call, by SMS where she agreed, else by calling her.

    What is for somebody who shows no number waits until she calls again.
    """
    row = (await conn.execute(_find, {"which": conversation_id})).first()
    if row is not None:
        if row.on_line_until is not None and row.on_line_until > now:
            return address, now
        texted = await texted_address(conn, vault, conversation_id)
        if texted is not None:
            return texted, now
    return address, now + WAITS_FOR_HER if is_hidden(address) else now


async def texted_address(conn: AsyncConnection, vault: Vault, conversation_id: str) -> Address | None:
    """Where this caller agreed to be texted."""
    row = (await conn.execute(_find, {"which": conversation_id})).first()
    if row is None or row.address is None:
        return None
    key = await vault.open(conn, subject_of(conversation_id))
    return Address(Channel.SMS, key.unseal(bytes(row.address), about=f"texted:{conversation_id}"))


# --- rooms ------------------------------------------------------------------------------------------------------------

_EMPTY: Mapping[str, Any] = {"room": None, "room_staff_id": None, "room_call_id": None, "room_at": None}


async def open_room(conn: AsyncConnection, conversation_id: str, staff_id: str, call_id: str, now: datetime) -> str:
    """The name of the room that this advisor goes into on this call; a new one each time, and it says nothing."""
    name = f"room-{secrets.token_hex(16)}"
    values: Mapping[str, Any] = {
        "room": name,
        "room_staff_id": staff_id,
        "room_call_id": call_id,
        "room_at": now,
        "joined_at": None,
        "fetched": False,
    }
    made = await insert_once(
        conn,
        callers,
        {"conversation_id": conversation_id, **values},
        unique=["conversation_id"],
        returning="conversation_id",
    )
    if made is None:
        await conn.execute(update(callers).where(_c.conversation_id == conversation_id).values(**values))
    wake(conn, TOPIC)
    return name


async def note_joined(conn: AsyncConnection, conversation_id: str, name: str, now: datetime) -> None:
    """She comes into the room."""
    await conn.execute(
        update(callers).where(_c.conversation_id == conversation_id, _c.room == name).values(joined_at=now)
    )


async def leave_room(conn: AsyncConnection, conversation_id: str, name: str) -> bool:
    """The room is left by one of the two, and so ends; False where it had ended, or is another by now."""
    left = await conn.execute(
        update(callers)
        .where(_c.conversation_id == conversation_id, _c.room == name)
        .values(**_EMPTY, joined_at=None, fetched=False)
    )
    return rows_touched(left) == 1


async def room_of_call(conn: AsyncConnection, call_id: str) -> tuple[str, str] | None:
    """The conversation and the room that an advisor's call is in."""
    row = (await conn.execute(select(_c.conversation_id, _c.room).where(_c.room_call_id == call_id))).first()
    return (row.conversation_id, row.room) if row is not None and row.room is not None else None


async def to_be_fetched(conn: AsyncConnection, now: datetime) -> list[str]:
    """The calls of those on the line for whom an advisor waits. Each is given once."""
    waiting = await conn.execute(
        update(callers)
        .where(
            _c.room.is_not(None),
            _c.joined_at.is_(None),
            _c.fetched.is_(False),
            _c.call_id.is_not(None),
            _c.on_line_until > now,
        )
        .values(fetched=True)
        .returning(_c.call_id)
    )
    return [row.call_id for row in waiting.all()]


async def waited_in_vain(conn: AsyncConnection, now: datetime) -> list[str]:
    """The calls of advisors into whose room nobody came; the rooms are closed with this."""
    alone = await conn.execute(
        select(_c.conversation_id, _c.room_call_id)
        .where(_c.room.is_not(None), _c.joined_at.is_(None), _c.room_at <= now - ROOM_FOR)
        .order_by(_c.conversation_id)
        .with_for_update()
    )
    rows = alone.all()
    if rows:
        which = [row.conversation_id for row in rows]
        await conn.execute(update(callers).where(_c.conversation_id.in_(which)).values(**_EMPTY, fetched=False))
    return [row.room_call_id for row in rows if row.room_call_id is not None]


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When somebody will have waited alone for too long."""
    oldest: datetime | None = (
        await conn.execute(select(func.min(_c.room_at)).where(_c.room.is_not(None), _c.joined_at.is_(None)))
    ).scalar_one()
    return oldest + ROOM_FOR if oldest is not None else None


async def note_spoke_up(conn: AsyncConnection, conversation_id: str, now: datetime, *, again: timedelta) -> bool:
    """Whether the advisor is to be told that she is on the line: once, and again only after a while."""
    told = await conn.execute(
        update(callers)
        .where(_c.conversation_id == conversation_id, or_(_c.spoke_up_at.is_(None), _c.spoke_up_at < now - again))
        .values(spoke_up_at=now)
    )
    return rows_touched(told) == 1


async def delete_gone(conn: AsyncConnection, *, limit: int = 1000) -> int:
    """Delete what is known of callers whose conversation was erased or forgotten; how many went."""
    gone = (
        select(_c.conversation_id)
        .outerjoin(conversations, conversations.c.id == _c.conversation_id)
        .where(conversations.c.fingerprint.is_(None))
        .limit(limit)
    )
    return rows_touched(await conn.execute(delete(callers).where(_c.conversation_id.in_(gone.scalar_subquery()))))
