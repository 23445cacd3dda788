"""How a clinician who called is reached besides by her call, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import caller_store, store
from bot.store import Kind
from helpline.database import Database
from helpline.messages import Address, Channel, Country, Language
from helpline.vault import Vault
from tests.conftest import NINE

PHONE, TEXTED = Address(Channel.CALL, "+4790000010"), Address(Channel.SMS, "+4790000010")
SOON = NINE + timedelta(minutes=3)


async def begun(db: Database, vault: Vault, address: Address = PHONE) -> str:
    """A conversation that began on the telephone."""
    async with db.write() as conn:
        conversation_id = await store.create(
            conn,
            vault,
            address,
            kind=Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=NINE,
        )
        await caller_store.note_on_line(conn, conversation_id, f"call-{conversation_id[:8]}", SOON)
    return conversation_id


async def test_on_the_line_she_is_spoken_to_and_afterwards_called(db: Database, vault: Vault) -> None:
    hers = await begun(db, vault)
    async with db.write() as conn:
        await caller_store.agree(conn, vault, hers, TEXTED, NINE)
        assert await caller_store.where_to(conn, vault, hers, PHONE, NINE) == (PHONE, NINE)
        assert await caller_store.where_to(conn, vault, hers, PHONE, SOON) == (TEXTED, SOON)
        await caller_store.withdraw(conn, hers)
        assert await caller_store.where_to(conn, vault, hers, PHONE, SOON) == (PHONE, SOON)


async def test_what_is_for_a_hidden_number_waits(db: Database, vault: Vault) -> None:
    hidden = caller_store.hidden_address()
    hers = await begun(db, vault, hidden)
    async with db.write() as conn:
        later = SOON + caller_store.WAITS_FOR_HER
        assert await caller_store.where_to(conn, vault, hers, hidden, SOON) == (hidden, later)


async def test_whoever_agreed_last_is_at_the_telephone(db: Database, vault: Vault) -> None:
    first, second = await begun(db, vault), await begun(db, vault, Address(Channel.CALL, "+4790000011"))
    fingerprint = vault.fingerprint_of(TEXTED)
    async with db.write() as conn:
        await caller_store.agree(conn, vault, first, TEXTED, NINE)
        await caller_store.agree(conn, vault, second, TEXTED, NINE)
        assert await caller_store.conversation_texted_at(conn, fingerprint, NINE) == second
        known = await caller_store.find(conn, first, NINE)
    assert known is not None
    assert not known.agreed


async def test_a_week_of_silence_ends_what_was_agreed(db: Database, vault: Vault) -> None:
    hers = await begun(db, vault)
    fingerprint = vault.fingerprint_of(TEXTED)
    nearly = NINE + caller_store.AGREED_FOR - timedelta(minutes=1)
    async with db.write() as conn:
        await caller_store.agree(conn, vault, hers, TEXTED, NINE)
        assert await caller_store.conversation_texted_at(conn, fingerprint, nearly) == hers
        again = nearly + caller_store.AGREED_FOR - timedelta(minutes=1)
        assert await caller_store.conversation_texted_at(conn, fingerprint, again) == hers
        assert await caller_store.conversation_texted_at(conn, fingerprint, again + caller_store.AGREED_FOR) is None


async def test_she_is_fetched_into_a_room_once(db: Database, vault: Vault) -> None:
    hers = await begun(db, vault)
    async with db.write() as conn:
        name = await caller_store.open_room(conn, hers, "asha", "theirs", NINE)
        assert await caller_store.to_be_fetched(conn, NINE) == [f"call-{hers[:8]}"]
        assert await caller_store.to_be_fetched(conn, NINE) == []
        await caller_store.note_joined(conn, hers, name, NINE)
        assert await caller_store.waited_in_vain(conn, NINE + timedelta(hours=1)) == []
        assert await caller_store.room_of_call(conn, "theirs") == (hers, name)
        assert await caller_store.leave_room(conn, hers, name)
        assert not await caller_store.leave_room(conn, hers, name)
        assert await caller_store.room_of_call(conn, "theirs") is None


@pytest.mark.parametrize(("waited", "given_up"), [(timedelta(), False), (caller_store.ROOM_FOR, True)])
async def test_an_advisor_waits_in_a_room_for_a_while(
    db: Database, vault: Vault, waited: timedelta, given_up: bool
) -> None:
    hers = await begun(db, vault)
    async with db.write() as conn:
        await caller_store.open_room(conn, hers, "asha", "theirs", NINE)
        assert await caller_store.next_due(conn) == NINE + caller_store.ROOM_FOR
        assert await caller_store.waited_in_vain(conn, NINE + waited) == (["theirs"] if given_up else [])
        assert (await caller_store.next_due(conn) is None) == given_up


async def test_what_is_known_of_a_caller_goes_with_her_conversation(db: Database, vault: Vault) -> None:
    hers, others = await begun(db, vault), await begun(db, vault, Address(Channel.CALL, "+4790000011"))
    async with db.write() as conn:
        await caller_store.agree(conn, vault, hers, TEXTED, NINE)
        await store.erase(conn, vault, hers, NINE)
        assert await caller_store.delete_gone(conn) == 1
        assert await caller_store.find(conn, hers, NINE) is None
        assert await caller_store.find(conn, others, NINE) is not None


async def test_an_old_call_that_ends_does_not_take_her_off_the_new_one(db: Database, vault: Vault) -> None:
    hers = await begun(db, vault)
    async with db.write() as conn:
        await caller_store.note_on_line(conn, hers, "newer", SOON)
        assert not await caller_store.note_off_line(conn, hers, f"call-{hers[:8]}")
        assert await caller_store.note_off_line(conn, hers, "newer")
        known = await caller_store.find(conn, hers, NINE)
    assert known is not None
    assert not known.on_line
