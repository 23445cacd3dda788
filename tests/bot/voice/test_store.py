"""The table of calls, on both databases: found by either id, sealed, claimed once, and told of by two at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.channels.voice import CallState
from bot.delivery import Ticket
from bot.voice import ledger, store
from bot.voice.ledger import Ledger
from bot.voice.store import Call, CallKind
from helpline import outbox
from helpline.accounts import Role, add_staff
from helpline.database import Database
from helpline.messages import Address, Channel, DeliveryReport, DeliveryState, Language, OutboundMessage
from helpline.outbox import OutboundKind, Outgoing
from helpline.vault import Vault
from tests.conftest import NINE

SID, OTHER = "CA" + "0" * 32, "CA" + "1" * 32
SOON = NINE + timedelta(seconds=90)


async def a_call(conn: AsyncConnection, kind: CallKind = CallKind.PAGE, **more: object) -> Call:
    given: dict[str, object] = {"language": Language.NB, "now": NINE, "due_at": SOON, "page_id": "e:1", **more}
    return await store.add(conn, kind=kind, **given)  # type: ignore[arg-type]


async def test_it_is_found_by_our_id_and_by_twilios(db: Database) -> None:
    async with db.write() as conn:
        made = await a_call(conn)
        assert await store.find_by_sid(conn, SID) is None
        assert await store.note_sid(conn, made.id, SID)
        assert not await store.note_sid(conn, made.id, OTHER), "a call keeps the id it has"
    async with db.read() as conn:
        assert (await store.find_by_sid(conn, SID)) == await store.find(conn, made.id)


async def test_two_who_hear_of_a_call_at_once_write_it_down_once(db: Database) -> None:
    """Our own request comes back in one process while Twilio tells of the call in another."""
    async with db.write() as conn:
        made = await a_call(conn)

    async def hears() -> Call | None:
        async with db.write() as conn:
            await store.one_at_a_time(conn, [SID])
            return await ledger.known_as(conn, made, SID, NINE)

    found = await asyncio.gather(*(hears() for _ in range(4)))
    assert {each.id for each in found if each is not None} == {made.id}


async def test_a_second_call_of_one_request_has_a_row_of_its_own(db: Database) -> None:
    async with db.write() as conn:
        made = await a_call(conn, outbound_id=7)
        first = await ledger.known_as(conn, made, SID, NINE)
        second = await ledger.known_as(conn, made, OTHER, NINE)
        assert first is not None
        assert second is not None
        assert first.id != second.id
        assert (second.kind, second.page_id, second.outbound_id) == (made.kind, made.page_id, 7)
        assert {each.id for each in (await store.tries_of(conn, [7]))[7]} == {first.id, second.id}


async def test_what_was_said_is_sealed_and_goes_with_the_conversation(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        made = await a_call(conn, CallKind.CLINICIAN, conversation_id="c1")
        await store.set_talk(conn, vault, made, {"heard": "hun er redd"})
        found = await store.find(conn, made.id)
        assert found is not None
        assert b"redd" not in (found.sealed_talk or b"")
        assert "redd" not in repr(found)
        assert await store.talk_of(conn, vault, found) == {"heard": "hun er redd"}
    async with db.write() as conn:
        await vault.forget(conn, "conversation:c1")
    async with db.read() as conn:
        assert await store.talk_of(conn, vault, found) is None


async def test_a_silent_call_is_asked_after_by_one_process_at_a_time(db: Database) -> None:
    async with db.write() as conn:
        made = await a_call(conn)
        assert await store.claim_due(conn, now=NINE, hold=timedelta(seconds=30), limit=5) == []
    async with db.write() as conn:
        [claimed] = await store.claim_due(conn, now=SOON, hold=timedelta(seconds=30), limit=5)
        assert claimed.id == made.id
        assert await store.claim_due(conn, now=SOON, hold=timedelta(seconds=30), limit=5) == []
        assert await store.next_due(conn) == SOON + timedelta(seconds=30)
        await store.change(conn, made.id, state=CallState.COMPLETED, ended_at=SOON, due_at=None)
        assert await store.next_due(conn) is None


async def test_what_is_called_off_is_called_off_once(db: Database) -> None:
    async with db.write() as conn:
        ringing = await a_call(conn, call_sid=SID, state=CallState.RINGING)
        taken = await a_call(conn, call_sid=OTHER, state=CallState.ANSWERED)
        await a_call(conn)  # of which Twilio has told nothing yet: there is nothing to hang up
        await store.change(conn, taken.id, pressed="1")
        assert [each.id for each in await store.pages_under_way(conn)] == [ringing.id]
        assert len(await store.call_off(conn, [ringing.id], NINE)) == 1
        assert await store.call_off(conn, [ringing.id], NINE) == []
        assert await store.pages_under_way(conn) == []


async def test_a_clinician_on_the_line_is_found_and_nobody_else(db: Database) -> None:
    async with db.write() as conn:
        await a_call(conn, CallKind.JOINED, conversation_id="c1", state=CallState.ANSWERED)
        ringing = await a_call(conn, CallKind.CALLBACK, conversation_id="c1")
        assert await store.live_call_of(conn, "c1") is None
        await store.change(conn, ringing.id, state=CallState.ANSWERED)
        live = await store.live_call_of(conn, "c1")
        assert live is not None
        assert live.id == ringing.id
        await store.change(conn, ringing.id, state=CallState.COMPLETED, ended_at=NINE)
        assert await store.live_call_of(conn, "c1") is None


# --- the ledger -------------------------------------------------------------------------------------------------------


async def to_asha(db: Database, vault: Vault) -> Outgoing:
    async with db.write() as conn:
        await add_staff(
            conn, vault, name="Asha", roles=[Role.ADVISOR], now=NINE, zone="Europe/Oslo", staff_id="asha",
            languages=[Language.SV],
        )  # fmt: skip
        await outbox.enqueue(
            conn, vault, key="page:e:1", lane="page:e:1", kind=OutboundKind.PAGE, subject="staff:asha",
            to=Address(Channel.CALL, "+4759440101"), message=OutboundMessage("hei"), now=NINE, escalation_id="e",
            page_id="e:1",
        )  # fmt: skip
        [claimed] = await outbox.claim_batch(conn, now=NINE, lease=timedelta(seconds=45), limit=5)
    return claimed


async def test_a_call_is_written_down_before_it_is_made_and_found_in_doubt(db: Database, vault: Vault) -> None:
    outgoing = await to_asha(db, vault)
    async with db.write() as conn:
        tickets = await Ledger().about_to_call(conn, [outgoing], NINE)
    ticket = tickets[outgoing.id]
    assert ticket.known_as == ""
    async with db.read() as conn:
        call = await store.find(conn, ticket.reference)
        assert call is not None
        assert (call.kind, call.staff_id, call.page_id, call.language) == (CallKind.PAGE, "asha", "e:1", Language.SV)
        assert await Ledger().in_doubt(conn, outgoing) == Ticket(ticket.reference)
    async with db.write() as conn:
        await Ledger().taken(conn, [(outgoing, SID)], NINE)
        assert await Ledger().in_doubt(conn, outgoing) == Ticket(ticket.reference, known_as=SID)


async def test_a_second_try_keeps_its_reference_and_claims_nobody_elses(db: Database, vault: Vault) -> None:
    outgoing = await to_asha(db, vault)
    async with db.write() as conn:
        first = (await Ledger().about_to_call(conn, [outgoing], NINE))[outgoing.id]
        await a_call(conn, call_sid=OTHER, page_id="e:2")
        assert await outbox.start_attempt(conn, outgoing, attempt_id="a", now=NINE)
        await outbox.record_retry(conn, outgoing, due_at=NINE, error="busy")
    async with db.write() as conn:
        [again] = await outbox.claim_batch(conn, now=NINE, lease=timedelta(seconds=45), limit=5)
        second = (await Ledger().about_to_call(conn, [again], NINE))[outgoing.id]
        assert second == first
        assert not await Ledger().claim(conn, again, OTHER, NINE), "that one is another page's"
        assert await Ledger().claim(conn, again, SID, NINE)
        assert await Ledger().claim(conn, again, SID, NINE)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_telling_and_noting_at_once_do_not_wait_for_each_other(db: Database, vault: Vault) -> None:
    """The call before the outbox, whoever changes both."""
    outgoing = await to_asha(db, vault)
    async with db.write() as conn:
        ticket = (await Ledger().about_to_call(conn, [outgoing], NINE))[outgoing.id]
        await outbox.start_attempt(conn, outgoing, attempt_id="a", now=NINE)
    reached = asyncio.Barrier(2)

    async def notes() -> None:
        async with db.write() as conn:
            await reached.wait()
            await Ledger().taken(conn, [(outgoing, SID)], NINE)
            await outbox.record_sent(conn, outgoing, provider_message_id=SID, now=NINE)

    async def tells() -> None:
        async with db.write() as conn:
            await reached.wait()
            await store.one_at_a_time(conn, [SID])
            made = await store.find(conn, ticket.reference, lock=True)
            assert made is not None
            known = await ledger.known_as(conn, made, SID, NINE)
            assert known is not None
            await store.change(conn, known.id, state=CallState.ANSWERED)
            await outbox.record_report(conn, DeliveryReport(Channel.CALL, SID, DeliveryState.DELIVERED), now=NINE)

    await asyncio.gather(notes(), tells())
    async with db.read() as conn:
        found = await outbox.find(conn, "page:e:1")
        assert found is not None
        assert found.state.value == "delivered"
