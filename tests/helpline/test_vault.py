"""What is sealed opens only for its subject, only where it belongs, and never again once forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from helpline.database import Database, table_of
from helpline.messages import Address, Channel
from helpline.vault import Forgotten, SubjectKey, SubjectKeyRow, Unreadable, Vault, WrongMasterKey

keys = table_of(SubjectKeyRow)

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(words=st.text(), about=st.text())
@quick
def test_what_is_sealed_comes_back(words: str, about: str) -> None:
    key = SubjectKey("conversation:1", bytes(range(32)))
    blob = key.seal(words, about=about)
    assert key.unseal(blob, about=about) == words
    if len(words) > 3:
        assert words.encode() not in blob


@given(words=st.text(), about=st.text(), other=st.text())
@quick
def test_it_opens_nowhere_else(words: str, about: str, other: str) -> None:
    key = SubjectKey("conversation:1", bytes(range(32)))
    if about != other:
        with pytest.raises(Unreadable):
            key.unseal(key.seal(words, about=about), about=other)


@given(words=st.text(), place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
@quick
def test_a_changed_byte_is_found(words: str, place: int, flip: int) -> None:
    key = SubjectKey("conversation:1", bytes(range(32)))
    blob = bytearray(key.seal(words, about="x"))
    blob[place % len(blob)] ^= flip
    with pytest.raises((Unreadable, Forgotten)):
        key.unseal(bytes(blob), about="x")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" * 20, b"plain words that were never sealed at all"])
def test_what_was_never_sealed_is_refused(blob: bytes) -> None:
    with pytest.raises((Unreadable, Forgotten)):
        SubjectKey("conversation:1", bytes(range(32))).unseal(blob, about="x")


def test_the_same_words_never_look_the_same() -> None:
    key = SubjectKey("conversation:1", bytes(range(32)))
    assert key.seal("words", about="x") != key.seal("words", about="x")


async def test_a_subject_keeps_its_key_and_has_it_for_itself(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        blob = (await vault.open(conn, "conversation:1")).seal("words", about="inbox:1")
        await vault.open(conn, "conversation:2")
    async with db.read() as conn:
        assert (await vault.open(conn, "conversation:1")).unseal(blob, about="inbox:1") == "words"
        other = await vault.open(conn, "conversation:2")
        with pytest.raises((Unreadable, Forgotten)):
            other.unseal(blob, about="inbox:1")
        again = Vault(bytes(range(32)))  # after a restart
        assert (await again.open(conn, "conversation:1")).unseal(blob, about="inbox:1") == "words"
        stored = (await conn.execute(select(keys.c.wrapped))).scalars().all()
    assert all(len(wrapped) == 1 + 12 + 32 + 16 for wrapped in stored)


async def test_forgotten_is_gone(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        held = await vault.open(conn, "conversation:1")
        blob = held.seal("words", about="inbox:1")
    async with db.write() as conn:
        await vault.forget(conn, "conversation:1")
    with pytest.raises(Forgotten):
        held.seal("more", about="inbox:2")
    with pytest.raises(Forgotten):
        held.unseal(blob, about="inbox:1")
    async with db.read() as conn:
        assert await vault.existing(conn, "conversation:1") is None
    async with db.write() as conn:
        fresh = await vault.open(conn, "conversation:1")
        with pytest.raises(Forgotten):
            fresh.unseal(blob, about="inbox:1")
        assert fresh.unseal(fresh.seal("new words", about="x"), about="x") == "new words"


async def test_what_another_process_forgot_is_not_opened_from_memory(db: Database, vault: Vault) -> None:
    elsewhere = Vault(bytes(range(32)))
    async with db.write() as conn:
        await vault.open(conn, "conversation:1")
    async with db.write() as conn:
        await elsewhere.forget(conn, "conversation:1")
    async with db.read() as conn:
        assert await vault.existing(conn, "conversation:1") is None


async def test_forgetting_that_is_taken_back_forgets_nothing(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        blob = (await vault.open(conn, "conversation:1")).seal("words", about="x")
    with pytest.raises(KeyError):
        async with db.write() as conn:
            await vault.forget(conn, "conversation:1")
            raise KeyError
    async with db.read() as conn:
        assert (await vault.open(conn, "conversation:1")).unseal(blob, about="x") == "words"


async def test_processes_that_open_a_new_subject_together_get_one_key(db: Database) -> None:
    async def one(vault: Vault) -> bytes:
        async with db.write() as conn:
            return (await vault.open(conn, "conversation:1")).seal("words", about="x")

    vaults = [Vault(bytes(range(32))) for _ in range(6)]
    blobs = await asyncio.gather(*(one(vault) for vault in vaults))
    async with db.read() as conn:
        key = await vaults[0].open(conn, "conversation:1")
    assert {key.unseal(blob, about="x") for blob in blobs} == {"words"}


async def test_the_wrong_master_key_is_refused_at_the_start(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        await vault.check(conn)
    async with db.write() as conn:
        await vault.check(conn)
        with pytest.raises(WrongMasterKey, match="VARDE_SECRET_KEY"):
            await Vault(bytes(32)).check(conn)


async def test_a_key_moved_to_another_subject_does_not_open(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        await vault.open(conn, "conversation:1")
        await conn.execute(text("UPDATE subject_key SET subject = 'conversation:2'"))
        with pytest.raises(WrongMasterKey):
            await vault.open(conn, "conversation:2")


async def test_few_keys_are_held_in_memory(db: Database) -> None:
    vault = Vault(bytes(range(32)), remembered=3)
    async with db.write() as conn:
        for number in range(10):
            await vault.open(conn, f"conversation:{number}")
        assert len(vault._opened) == 3
        await vault.open(conn, "conversation:0")


def test_an_address_is_found_again_and_by_nobody_without_the_key(vault: Vault) -> None:
    assert vault.fingerprint("sms", "+4799999999") == vault.fingerprint_of(Address(Channel.SMS, "+4799999999"))
    prints = {
        vault.fingerprint("sms", "+4799999999"),
        vault.fingerprint("whatsapp", "+4799999999"),
        vault.fingerprint("sms", "+4799999998"),
        Vault(bytes(32)).fingerprint("sms", "+4799999999"),
    }
    assert len(prints) == 4
    assert all(len(found) == 64 for found in prints)


def test_nothing_of_a_key_is_printed(vault: Vault) -> None:
    key = SubjectKey("conversation:1", bytes(range(32)))
    assert repr(key) == "<SubjectKey of conversation:1>"
    with pytest.raises(ValueError):
        Vault(b"short")
