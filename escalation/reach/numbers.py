"""Proving that a telephone number is somebody's: a call speaks a code, and they type it on the desk.

One code is good at a time and for a short while, a few wrong ones make it void, and calls that are asked for again and
again come ever more slowly: nobody guesses a way in, and nobody's telephone is made to ring by somebody else.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import phonenumbers
import structlog
from phonenumbers import NumberParseException, PhoneNumberType
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.carry import Means, lane_to
from escalation.reach import store as reach_store
from helpline import accounts, audit, outbox, throttle
from helpline.accounts import AlreadyTaken, ContactChannel
from helpline.messages import Address, Channel, Country, Language, OutboundMessage
from helpline.outbox import OutboundKind

log = structlog.get_logger(__name__)

LASTS = timedelta(minutes=10)
TRIES = 5
FREE_CALLS = 3  # asked for in a row, before they are waited for
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=1)
DIGITS = 6
_DEAR = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.PAGER})
_CHANNEL = ContactChannel.CALL


def read_number(typed: str, country: Country) -> str | None:
    """A number as it is dialled from anywhere (+47…), however it was typed; None where nobody can be called."""
    try:
        parsed = phonenumbers.parse(typed, country.value)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed) or phonenumbers.number_type(parsed) in _DEAR:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


class Asked(StrEnum):
    """What came of asking for a call."""

    CALLED = "called"
    KNOWN = "known"  # the number is theirs already
    TAKEN = "taken"  # a colleague is called there
    WAIT = "wait"  # too many calls were asked for


@dataclass(frozen=True)
class Answer:
    """What came of it, and how long to wait where too many were asked for."""

    asked: Asked
    wait: timedelta = timedelta()


async def ask_for_call(
    conn: AsyncConnection, means: Means, staff_id: str, number: str, language: Language, now: datetime
) -> Answer:
    """Have a code spoken to this number; an earlier code of theirs is void."""
    address = Address(Channel.CALL, number)
    owner = await accounts.staff_at(conn, means.vault, address)
    if owner is not None:
        return Answer(Asked.KNOWN if owner.id == staff_id else Asked.TAKEN)
    wait = await throttle.wait_before(
        conn, _throttle_key(means, staff_id), free=FREE_CALLS, first=FIRST_WAIT, longest=LONGEST_WAIT, now=now
    )
    if wait:
        return Answer(Asked.WAIT, wait)
    code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    key = await means.vault.open(conn, f"staff:{staff_id}")
    await reach_store.ask_for_code(
        conn,
        staff_id,
        sealed=key.seal(number, about=_about(staff_id)),
        code_hash=_hash(means, staff_id, code),
        tries=TRIES,
        expires_at=now + LASTS,
    )
    await outbox.enqueue(
        conn,
        means.vault,
        key=f"number:{staff_id}:{secrets.token_hex(6)}",
        lane=lane_to(staff_id, f"{_CHANNEL.value}:number"),
        kind=OutboundKind.NOTICE,
        subject=f"staff:{staff_id}",
        to=address,
        message=OutboundMessage(means.phrases.say("reach.code", language, digits=", ".join(code)), urgent=True),
        now=now,
    )
    await _note(conn, staff_id, "contact_code_made", now)
    return Answer(Asked.CALLED)


class Proved(StrEnum):
    """What came of a code that was typed."""

    PROVED = "proved"
    WRONG = "wrong"  # and there are tries left
    VOID = "void"  # none waits any more: too late, too many wrong ones, or none was asked for
    TAKEN = "taken"  # meanwhile a colleague is called there


async def prove(conn: AsyncConnection, means: Means, staff_id: str, typed: str, now: datetime) -> Proved:
    """Take the typed code as proof of the number that waits for it; the number is then a contact of theirs."""
    waiting = await reach_store.try_code(conn, staff_id, now=now)
    if waiting is None:
        return Proved.VOID
    code = "".join(sign for sign in typed if sign.isdecimal() and sign.isascii())
    if not hmac.compare_digest(_hash(means, staff_id, code), waiting.code_hash):
        return Proved.WRONG if waiting.tries_left else Proved.VOID
    key = await means.vault.open(conn, f"staff:{staff_id}")
    number = key.unseal(waiting.sealed, about=_about(staff_id))
    await reach_store.forget_number(conn, staff_id)
    try:
        contact = await accounts.add_contact(
            conn, means.vault, staff_id=staff_id, channel=_CHANNEL, value=number, now=now, verified=True
        )
    except AlreadyTaken:
        return Proved.TAKEN
    await throttle.forgive(conn, _throttle_key(means, staff_id))
    await reach_store.note_answer(conn, staff_id, str(contact), now)
    await _note(conn, staff_id, "contact_verified", now)
    return Proved.PROVED


async def waiting_number(conn: AsyncConnection, means: Means, staff_id: str, now: datetime) -> str | None:
    """The number that waits for its code."""
    waiting = await reach_store.number_to_prove(conn, staff_id, now=now)
    key = await means.vault.existing(conn, f"staff:{staff_id}") if waiting is not None else None
    return key.unseal(waiting.sealed, about=_about(staff_id)) if waiting is not None and key is not None else None


async def _note(conn: AsyncConnection, staff_id: str, action: str, now: datetime) -> None:
    await audit.append(
        conn,
        at=now,
        actor=f"staff:{staff_id}",
        action=action,
        subject=f"staff:{staff_id}",
        details={"channel": _CHANNEL.value},
    )


def _about(staff_id: str) -> str:
    return f"number-to-prove:{staff_id}"


def _hash(means: Means, staff_id: str, code: str) -> str:
    return means.vault.fingerprint("number-code", f"{staff_id}:{code}")


def _throttle_key(means: Means, staff_id: str) -> str:
    return means.vault.fingerprint("number-call", staff_id)
