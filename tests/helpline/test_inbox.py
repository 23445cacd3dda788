"""What was accepted is there, once, in order, sealed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from helpline import inbox
from helpline.clock import SetClock
from helpline.database import Database, table_of
from helpline.messages import Address, Channel, InboundKind, InboundMessage
from helpline.vault import Vault

rows = table_of(inbox.InboundRow)


def a_message(number: int = 1, words: str = "pasienten er redd", **more: object) -> InboundMessage:
    given: dict[str, object] = {
        "channel": Channel.SMS,
        "provider_message_id": f"SM{number}",
        "sender": Address(Channel.SMS, "+4799999999"),
        "kind": InboundKind.TEXT,
        "text": words,
    }
    return InboundMessage(**{**given, **more})  # type: ignore[arg-type]


async def receive(db: Database, vault: Vault, clock: SetClock, message: InboundMessage, of: str = "7") -> int | None:
    async with db.write() as conn:
        return await inbox.receive(conn, vault, message, conversation_id=of, masked_kinds=["name"], now=clock.now())


async def test_a_message_waits_until_it_is_handled(db: Database, vault: Vault, clock: SetClock) -> None:
    number = await receive(db, vault, clock, a_message())
    assert number is not None
    async with db.read() as conn:
        (waiting,) = await inbox.waiting(conn, vault, "7")
        assert await inbox.waiting(conn, vault, "8") == []
    assert (waiting.id, waiting.text, waiting.kind, waiting.channel) == (
        number,
        "pasienten er redd",
        InboundKind.TEXT,
        Channel.SMS,
    )
    assert waiting.masked_kinds == ("name",)
    assert waiting.received_at == clock.now()
    async with db.write() as conn:
        assert await inbox.mark_handled(conn, number, now=clock.now())
        assert not await inbox.mark_handled(conn, number, now=clock.now())
        assert await inbox.waiting(conn, vault, "7") == []
        assert [message.id for message in await inbox.transcript(conn, vault, "7")] == [number]


async def test_a_repeat_changes_nothing(db: Database, vault: Vault, clock: SetClock) -> None:
    first = await receive(db, vault, clock, a_message())
    assert await receive(db, vault, clock, a_message(words="something else")) is None
    async with db.read() as conn:
        (waiting,) = await inbox.waiting(conn, vault, "7")
    assert (waiting.id, waiting.text) == (first, "pasienten er redd")
    other_channel = a_message(channel=Channel.WHATSAPP)
    assert await receive(db, vault, clock, other_channel) is not None


async def test_repeats_at_one_instant_are_received_once(db: Database, vault: Vault, clock: SetClock) -> None:
    done = await asyncio.gather(*(receive(db, vault, clock, a_message()) for _ in range(8)))
    assert sum(number is not None for number in done) == 1


async def test_messages_are_read_in_the_order_they_came(db: Database, vault: Vault, clock: SetClock) -> None:
    for number in (5, 3, 9):
        await receive(db, vault, clock, a_message(number, words=f"message {number}"))
    async with db.read() as conn:
        assert [message.text for message in await inbox.waiting(conn, vault, "7")] == [
            "message 5",
            "message 3",
            "message 9",
        ]
        assert [message.text for message in await inbox.waiting(conn, vault, "7", limit=1)] == ["message 5"]
        assert [message.text for message in await inbox.transcript(conn, vault, "7", limit=2)] == [
            "message 3",
            "message 9",
        ]


async def test_the_words_are_not_in_the_database(db: Database, vault: Vault, clock: SetClock) -> None:
    await receive(db, vault, clock, a_message())
    async with db.read() as conn:
        row = (await conn.execute(select(rows))).one()
    assert "redd" not in str(row)
    assert "redd" not in repr(await _only(db, vault))


async def _only(db: Database, vault: Vault) -> inbox.Received:
    async with db.read() as conn:
        (found,) = await inbox.transcript(conn, vault, "7")
    return found


async def test_a_tap_has_a_token_and_no_words(db: Database, vault: Vault, clock: SetClock) -> None:
    await receive(db, vault, clock, a_message(words="", kind=InboundKind.TAP, token="more:3", callback_id="cb1"))
    found = await _only(db, vault)
    assert (found.kind, found.token, found.callback_id, found.text, found.erased) == (
        InboundKind.TAP,
        "more:3",
        "cb1",
        "",
        False,
    )


async def test_erased_words_are_gone_and_said_to_be(db: Database, vault: Vault, clock: SetClock) -> None:
    await receive(db, vault, clock, a_message())
    async with db.write() as conn:
        await vault.forget(conn, "conversation:7")
    assert (await _only(db, vault)).erased
    await receive(db, vault, clock, a_message(2, words="noe nytt"))
    async with db.read() as conn:
        old, new = await inbox.waiting(conn, vault, "7")
    assert (old.text, old.erased, new.text, new.erased) == ("", True, "noe nytt", False)


async def test_what_a_crash_left_is_found(db: Database, vault: Vault, clock: SetClock) -> None:
    await receive(db, vault, clock, a_message(1), of="7")
    await receive(db, vault, clock, a_message(2), of="8")
    handled = await receive(db, vault, clock, a_message(3), of="9")
    clock.advance(timedelta(minutes=1))
    await receive(db, vault, clock, a_message(4), of="10")
    async with db.write() as conn:
        assert handled is not None
        await inbox.mark_handled(conn, handled, now=clock.now())
        assert await inbox.unhandled_conversations(conn, received_before=clock.now()) == ["7", "8"]


async def test_old_messages_are_deleted_but_never_one_that_waits(db: Database, vault: Vault, clock: SetClock) -> None:
    for number in range(4):
        made = await receive(db, vault, clock, a_message(number))
        if number:
            async with db.write() as conn:
                await inbox.mark_handled(conn, made or 0, now=clock.now())
        clock.advance(timedelta(days=1))
    async with db.write() as conn:
        assert await inbox.delete_older(conn, before=clock.now() - timedelta(days=1), limit=1) == 1
        assert await inbox.delete_older(conn, before=clock.now() - timedelta(days=1)) == 1
        left = [message.received_at for message in await inbox.transcript(conn, vault, "7")]
    assert len(left) == 2
    assert await receive(db, vault, clock, a_message(9)) == 5, "an id was given out twice"


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_the_waiting_messages_are_found_without_reading_all(db: Database) -> None:
    async with db.read() as conn:
        wanted = "SELECT * FROM inbound WHERE conversation_id = '7' AND handled_at IS NULL ORDER BY id"
        plan = await conn.execute(text(f"EXPLAIN QUERY PLAN {wanted}"))
        assert "ix_inbound_unhandled" in str(plan.all())
