"""A clinician who may not be written to waits and hears nothing: somebody knows, also while nobody has the case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot import store
from bot.channels.local import LocalChannel
from bot.house import House
from bot.store import Kind
from bot.waiting_room import WaitingRoom
from escalation import seeking
from escalation import store as escalations
from escalation.standing import Urgency
from helpline import accounts, outbox
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, Country, Language, OutboundMessage
from helpline.storage import table_of
from routing.referrals import store as referral_store
from routing.referrals.referral import SafeContact
from tests.conftest import NINE
from tests.escalation.stored import a_policy

_outbound = table_of(outbox.OutboundRow)


@pytest.fixture
def house(prepared: tuple[Path, House], db: Database) -> House:
    channels = {Channel.SMS: LocalChannel(Channel.TERMINAL)}
    return replace(prepared[1], db=db, clock=SetClock(NINE), channels=channels)


@pytest.fixture
async def hers(house: House) -> str:
    """A conversation in which we may not begin to write; a coordinator is there, and nobody is on call."""
    async with house.db.write() as conn:
        await accounts.add_staff(
            conn,
            house.vault,
            staff_id="kari",
            name="Kari",
            roles=[Role.COORDINATOR],
            languages=[Language.NB],
            zone="Europe/Oslo",
            now=NINE,
        )
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="kari",
            channel=ContactChannel.SMS,
            value="+4790000021",
            now=NINE,
            verified=True,
        )
        await escalations.save_ladders(conn, definition=a_policy([[2, ["roster:main"]]]), now=NINE, saved_by="test")
        made = await store.create(
            conn,
            house.vault,
            Address(Channel.SMS, "+4790000001"),
            kind=Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=NINE,
        )
        rules = SafeContact(ways=())
        await referral_store.set_safe_contact(conn, house.vault, made, rules, by=f"conversation:{made}", now=NINE)
    return made


async def alarms(house: House) -> list[str]:
    """What the coordinators were told of it."""
    async with house.db.read() as conn:
        rows = (await conn.execute(select(_outbound).where(_outbound.c.key.contains("not_told")))).all()
        key = await house.vault.existing(conn, "staff:kari")
        assert key is not None or not rows
        return [key.unseal(row.sealed_body, about=f"outbox:{row.key}") for row in rows if key is not None]


async def test_with_nobody_who_has_the_case_a_coordinator_learns_once_that_she_hears_nothing(
    house: House, hers: str
) -> None:
    room, later = WaitingRoom(house), NINE + timedelta(hours=2)
    async with house.db.write() as conn:
        opened = await seeking.open_escalation(
            conn,
            room.means,
            conversation_id=hers,
            urgency=Urgency.URGENT,
            language=Language.NB,
            country=Country.NO,
            region="",
            reason="asked",
            brief_ref="",
            now=later,
        )
        for key in ("1", "2"):
            said = OutboundMessage("Vi har ikke fått tak i noen rådgiver.", urgent=True)
            await room.tell_clinician(conn, hers, said, key=key, now=later)
    [told] = await alarms(house)
    assert f"[{opened.filed.code}] Kollegaen venter på en rådgiver" in told
    assert "Ingen har tatt saken" in told


async def test_with_nobody_sought_nobody_is_told(house: House, hers: str) -> None:
    async with house.db.write() as conn:
        await WaitingRoom(house).tell_clinician(
            conn, hers, OutboundMessage("Saken er avsluttet."), key="1", now=NINE + timedelta(hours=2)
        )
    assert await alarms(house) == []
