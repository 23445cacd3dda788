"""Whether a clinician who called may be called back: as she said it is safe, whoever would call her."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from bot import caller_store, reaching, replies, store
from bot.house import House
from bot.reaching import Reached
from bot.store import Kind
from helpline.database import Database
from helpline.messages import Address, Channel, Country, Language, OutboundMessage
from helpline.vault import Vault
from routing.referrals import store as referral_store
from routing.referrals.referral import AROUND_THE_CLOCK, MaySay, SafeContact, Way

CALLED_AT = datetime(2026, 11, 24, 2, 0, tzinfo=ZoneInfo("Europe/Oslo"))
BOTH = (Way.WRITE, Way.CALL)


@pytest.mark.parametrize(
    ("safe", "minutes", "allowed"),
    [
        (None, 300, True),  # nothing was said of it
        (SafeContact(AROUND_THE_CLOCK), 10, False),  # only in writing, also while she is there
        (SafeContact(ways=()), 10, False),
        (SafeContact((time(9), time(15)), BOTH), 50, True),  # she called within the hour
        (SafeContact((time(9), time(15)), BOTH), 70, False),  # in the night
        (SafeContact((time(9), time(15)), BOTH, MaySay.ANYTHING), 8 * 60, True),  # in her hours
        (SafeContact(None, BOTH, until=CALLED_AT + timedelta(hours=1)), 120, True),  # the rules hold no longer
    ],
)
async def test_she_is_called_only_as_she_said(
    db: Database, vault: Vault, safe: SafeContact | None, minutes: int, allowed: bool
) -> None:
    async with db.write() as conn:
        hers = await store.create(
            conn,
            vault,
            Address(Channel.CALL, "+4799000001"),
            kind=Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=CALLED_AT,
        )
        if safe is not None:
            await referral_store.set_safe_contact(conn, vault, hers, safe, by=f"conversation:{hers}", now=CALLED_AT)
    now = CALLED_AT + timedelta(minutes=minutes)
    async with db.write() as conn:
        assert await replies.may_be_called(conn, vault, hers, now) is allowed
        # Who is on the line is not called: she is spoken to.
        await caller_store.note_on_line(conn, hers, "CA1", now + timedelta(minutes=1))
        assert await replies.may_be_called(conn, vault, hers, now)


async def test_words_for_whoever_hung_up_and_is_not_called_count_as_held(db: Database, vault: Vault) -> None:
    house = cast(House, SimpleNamespace(vault=vault))
    async with db.write() as conn:
        hers = await store.create(
            conn,
            vault,
            Address(Channel.CALL, "+4799000001"),
            kind=Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=CALLED_AT,
        )
        rules = SafeContact(ways=())
        await referral_store.set_safe_contact(conn, vault, hers, rules, by=f"conversation:{hers}", now=CALLED_AT)
        known = await store.outline(conn, hers)
        assert known is not None
        now = CALLED_AT + timedelta(minutes=10)
        for reached in (Reached.HELD, Reached.REPEATED):
            said = OutboundMessage("Er du der?")
            assert await reaching.say(conn, house, known, said, key="1", now=now, to_talk=True) is reached
