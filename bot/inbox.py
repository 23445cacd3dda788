"""Taking a message in: masked, sealed, on disk once; only then does the provider hear yes."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import caller_store, store
from bot.channels.base import clean_text
from bot.house import House
from bot.store import Kind
from escalation import paging
from helpline import accounts, audit, inbox
from helpline.inbox import UNMASKED
from helpline.languages import from_tag, guess
from helpline.messages import Channel, Country, InboundKind, InboundMessage, Language

log = structlog.get_logger(__name__)

KEPT_AT_MOST = 20_000  # characters of one message; longer than any of the providers allows
_LONG = 2_000  # characters from which masking is worth a thread of its own
_CODE = re.compile(r"(?:/start\s+)?([0-9A-Za-z][0-9A-Za-z -]{8,14})")


class _Repeated(Exception):
    """The provider posted it before; nothing of this transaction may be kept."""


async def take_in(house: House, message: InboundMessage) -> bool:
    """Write the message down, masked; False where it was there already.

    After this returns the message cannot be lost: the conversation is due, in this process or another.
    Raises `StorageError` where it could not be written, and then the provider must not hear yes.
    """
    now = house.clock.now()
    text = clean_text(message.text[: KEPT_AT_MOST * 2])[:KEPT_AT_MOST].strip()
    language = guess(text) or from_tag(message.language_hint) or _default_language(house, message)
    words, kinds = await _masked(house, text, language)
    # The provider's id of a tap may name a person, and a code behind "start" is a secret: neither is needed any more.
    token = message.token if message.kind is InboundKind.TAP else ""
    stored = replace(message, text=words, token=token, callback_id="")
    try:
        async with house.db.write() as conn:
            conversation_id, staff = await _conversation_of(conn, house, message, text, language, now)
            if staff is None:
                stored = replace(stored, reply_to="")  # only an advisor has several people to answer
            elif await _names_a_colleague(conn, text) or _only_asks(text):
                stored, kinds = replace(stored, text=text), ()
            received = await inbox.receive(
                conn, house.vault, stored, conversation_id=conversation_id, masked_kinds=kinds, now=now
            )
            if received is None:
                raise _Repeated
            house.tell_page(conn, conversation_id)
    except _Repeated:
        house.counts.repeated.labels(message.channel.value).inc()
        return False
    house.counts.received.labels(message.channel.value).inc()
    return True


async def _masked(house: House, text: str, language: Language) -> tuple[str, tuple[str, ...]]:
    """The words without what could tell who somebody is, and what was taken out.

    Where masking fails for a fault of ours nothing of them is kept: whoever wrote is answered, and an advisor sought.
    """
    if not text:
        return "", ()
    try:
        if len(text) > _LONG:
            masked = await asyncio.to_thread(house.masker.mask, text, language=language)
        else:
            masked = house.masker.mask(text, language=language)
    except Exception as error:
        # Without the traceback, whose end may hold words.
        house.counts.trouble.labels("masking").inc()
        log.error("masking_failed", error_type=type(error).__name__, length=len(text))
        return house.phrases.say("brief.unmasked", language), (UNMASKED,)
    return masked.text, tuple(dict.fromkeys(span.kind.value for span in masked.spans))


def _default_language(house: House, message: InboundMessage) -> Language:
    return Language.SV if _country(house, message) is Country.SE else Language.NB


def _country(house: House, message: InboundMessage) -> Country:
    """The country a new conversation is about: its telephone prefix where there is one, else the line's own."""
    if message.channel in {Channel.SMS, Channel.WHATSAPP, Channel.CALL}:
        for prefix, country in (("+47", Country.NO), ("+46", Country.SE)):
            if message.sender.value.startswith(prefix):
                return country
    return house.country


async def _conversation_of(
    conn: AsyncConnection, house: House, message: InboundMessage, text: str, language: Language, now: datetime
) -> tuple[str, accounts.Staff | None]:
    """The conversation this belongs to, due now, begun where there is none, and the member of staff whose it is."""
    known = await store.reach(conn, house.vault, house.vault.fingerprint_of(message.sender), now)
    staff = await accounts.staff_at(conn, house.vault, message.sender)
    if staff is None:
        staff = await _proved_address(conn, house, message, text, now)
    if staff is None and message.channel is Channel.SMS:
        # She agreed on the telephone to be texted here: voice and text are one conversation from then on.
        called = await caller_store.conversation_texted_at(conn, house.vault.fingerprint_of(message.sender), now)
        if called is not None:
            await store.fall_due(conn, called, now)
            return called, None
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
    await store.fall_due(conn, conversation_id, now)
    return conversation_id, staff


async def _names_a_colleague(conn: AsyncConnection, text: str) -> bool:
    """Whether this asks a colleague to take over, which needs her name; it holds nothing else."""
    colleague = paging.read_reply(text).colleague
    return colleague is not None and await accounts.find_staff(conn, colleague) is not None


def _only_asks(text: str) -> bool:
    """Whether an advisor's message is a request of the line's own form, which holds nobody's name or number."""
    reply = paging.read_reply(text)
    return reply.wish is not None and reply.colleague is None


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
