"""What is said on the phone: it waits for her call, is said once, and goes back where the call ended too soon."""

from __future__ import annotations

from datetime import timedelta

from helpline import outbox
from helpline.database import Database
from helpline.messages import Address, Channel, OutboundMessage
from helpline.outbox import OutboundKind, OutboundState, Outgoing
from helpline.vault import Vault
from tests.conftest import NINE

HER, LANE = Address(Channel.CALL, "+4790000010"), "c1"
LEASE = timedelta(seconds=45)


async def write(db: Database, vault: Vault, key: str, to: Address = HER) -> None:
    async with db.write() as conn:
        await outbox.enqueue(
            conn,
            vault,
            key=key,
            lane=LANE,
            kind=OutboundKind.REPLY,
            subject="conversation:c1",
            to=to,
            message=OutboundMessage(key),
            now=NINE,
        )


async def taken(db: Database, sid: str = "CA1") -> Outgoing:
    """The oldest is handed to the provider, which rings."""
    async with db.write() as conn:
        (claimed,) = await outbox.claim_batch(conn, now=NINE, lease=LEASE, limit=1)
        assert await outbox.start_attempt(conn, claimed, attempt_id="a", now=NINE)
        await outbox.record_sent(conn, claimed, provider_message_id=sid, now=NINE)
    return claimed


async def keys(db: Database) -> list[str]:
    async with db.write() as conn:
        return [each.key for each in await outbox.unspoken(conn, LANE)]


async def test_what_only_made_a_telephone_ring_is_still_to_be_said(db: Database, vault: Vault) -> None:
    await write(db, vault, "first")
    await write(db, vault, "second")
    await write(db, vault, "texted", Address(Channel.SMS, "+4790000010"))
    await taken(db)
    assert await keys(db) == ["first", "second"]


async def test_what_was_said_is_not_said_again_and_is_not_sent(db: Database, vault: Vault) -> None:
    await write(db, vault, "first")
    async with db.write() as conn:
        await outbox.record_spoken(conn, await outbox.unspoken(conn, LANE), now=NINE)
        assert await outbox.claim_batch(conn, now=NINE, lease=LEASE, limit=5) == []
        found = await outbox.find(conn, "first")
    assert found is not None
    assert found.state is OutboundState.DELIVERED
    assert await keys(db) == []


async def test_a_sender_that_was_overtaken_by_her_call_changes_nothing(db: Database, vault: Vault) -> None:
    await write(db, vault, "first")
    async with db.write() as conn:
        (claimed,) = await outbox.claim_batch(conn, now=NINE, lease=LEASE, limit=1)
        await outbox.start_attempt(conn, claimed, attempt_id="a", now=NINE)
    async with db.write() as conn:
        await outbox.record_spoken(conn, await outbox.unspoken(conn, LANE), now=NINE)
    async with db.write() as conn:
        assert await outbox.record_sent(conn, claimed, provider_message_id="CA1", now=NINE) is None
        found = await outbox.find(conn, "first")
    assert found is not None
    assert found.state is OutboundState.DELIVERED


async def test_what_was_not_said_goes_out_again_as_if_new(db: Database, vault: Vault) -> None:
    await write(db, vault, "first")
    await taken(db)
    later = NINE + timedelta(minutes=3)
    async with db.write() as conn:
        await outbox.put_back(conn, await outbox.unspoken(conn, LANE), due_at=later)
        assert await outbox.claim_batch(conn, now=NINE, lease=LEASE, limit=5) == []
        (again,) = await outbox.claim_batch(conn, now=later, lease=LEASE, limit=5)
    assert again.attempts == 0
    assert again.provider_message_id is None


async def test_what_goes_another_way_is_not_said(db: Database, vault: Vault) -> None:
    await write(db, vault, "first")
    async with db.write() as conn:
        await outbox.take_back(conn, await outbox.unspoken(conn, LANE))
    assert await keys(db) == []
