"""Taking a message in: masked, sealed, on disk once; only then does the provider hear yes."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import store
from bot.channels.base import clean_text
from bot.house import House
from bot.store import Kind
from escalation import paging
from helpline import accounts, audit, inbox
from helpline.languages import from_tag, guess
from helpline.masking import Masked
from helpline.messages import Channel, Country, InboundKind, InboundMessage, Language

log = structlog.get_logger(__name__)

KEPT_AT_MOST = 20_000  # characters of one message; longer than any of the providers allows
_LONG = 2_000  # characters from which masking is worth a thread of its own
_CODE = re.compile(r"(?:/start\s+)?([0-9A-Za-z][0-9A-Za-z -]{8,14})")


async def take_in(house: House, message: InboundMessage) -> bool:
    """Write the message down, masked; False where it was there already.

    After this returns the message cannot be lost: the conversation is due, in this process or another.
    Raises `StorageError` where it could not be written, and then the provider must not hear yes.
    """
    now = house.clock.now()
    text = clean_text(message.text[: KEPT_AT_MOST * 2])[:KEPT_AT_MOST].strip()
    language = guess(text) or from_tag(message.language_hint) or _default_language(house, message)
    masked = await _masked(house, text, language)
    kinds = tuple(dict.fromkeys(span.kind.value for span in masked.spans))
    # The provider's id of a tap may name a person, and a code behind "start" is a secret: neither is needed any more.
    token = message.token if message.kind is InboundKind.TAP else ""
    stored = replace(message, text=masked.text, token=token, callback_id="")
    async with house.db.write() as conn:
        conversation_id, staff = await _conversation_of(conn, house, message, text, language, now)
        if staff is not None and await _names_a_colleague(conn, text):
            stored, kinds = replace(stored, text=text), ()
        received = await inbox.receive(
            conn, house.vault, stored, conversation_id=conversation_id, masked_kinds=kinds, now=now
        )
        if received is None:
            house.counts.repeated.labels(message.channel.value).inc()
            return False
        await store.fall_due(conn, conversation_id, now)
        house.tell_page(conn, conversation_id)
    house.counts.received.labels(message.channel.value).inc()
    return True


async def _masked(house: House, text: str, language: Language) -> Masked:
    if len(text) > _LONG:
        return await asyncio.to_thread(house.masker.mask, text, language=language)
    return house.masker.mask(text, language=language)


def _default_language(house: House, message: InboundMessage) -> Language:
    return Language.SV if _country(house, message) is Country.SE else Language.NB


def _country(house: House, message: InboundMessage) -> Country:
    """The country a new conversation is about: its telephone prefix where there is one, else the line's own."""
    if message.channel in {Channel.SMS, Channel.WHATSAPP}:
        for prefix, country in (("+47", Country.NO), ("+46", Country.SE)):
            if message.sender.value.startswith(prefix):
                return country
    return house.country


async def _conversation_of(
    conn: AsyncConnection, house: House, message: InboundMessage, text: str, language: Language, now: datetime
) -> tuple[str, accounts.Staff | None]:
    """The conversation this belongs to, begun where there is none, and the member of staff whose it is."""
    staff = await accounts.staff_at(conn, house.vault, message.sender)
    if staff is None:
        staff = await _proved_address(conn, house, message, text, now)
    known = await store.find_by_address(conn, house.vault.fingerprint_of(message.sender), lock=True)
    if known is not None:
        if staff is not None and known.kind == Kind.CLINICIAN.value:
            await store.make_staff(conn, known.id, staff.id)
        elif staff is None and known.kind == Kind.STAFF.value:
            await store.make_clinician(conn, known.id)
        return str(known.id), staff
    conversation_id = await store.create(
        conn,
        house.vault,
        message.sender,
        kind=Kind.STAFF if staff is not None else Kind.CLINICIAN,
        staff_id=staff.id if staff is not None else None,
        language=staff.languages[0] if staff is not None and staff.languages else language,
        country=_country(house, message),
        now=now,
    )
    return conversation_id, staff


async def _names_a_colleague(conn: AsyncConnection, text: str) -> bool:
    """Whether this asks a colleague to take over, which needs her name; it holds nothing else."""
    colleague = paging.read_reply(text).colleague
    return colleague is not None and await accounts.find_staff(conn, colleague) is not None


async def _proved_address(
    conn: AsyncConnection, house: House, message: InboundMessage, text: str, now: datetime
) -> accounts.Staff | None:
    """The member of staff who sent the code that proves this address theirs."""
    given = message.token if message.kind is InboundKind.START else text
    found = _CODE.fullmatch(given.strip()) if given else None
    if found is None or message.channel not in {Channel.TELEGRAM, Channel.SMS}:
        return None
    try:
        staff = await accounts.redeem_contact_code(conn, house.vault, found[1], sender=message.sender, now=now)
    except accounts.AlreadyTaken:
        log.warning("contact_already_taken", channel=message.channel.value)
        return None
    if staff is not None:
        await audit.append(
            conn,
            at=now,
            actor=f"staff:{staff.id}",
            action="contact_verified",
            subject=f"staff:{staff.id}",
            details={"channel": message.channel.value},
        )
    return staff
