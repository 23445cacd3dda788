"""Changes that wait for a second person: made once, approved by another, never over what is newer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from helpline import audit
from helpline.database import Database
from routing import store
from routing.services import Address, Answer, Location, Phone, Service
from routing.upkeep import proposal_store as proposals
from routing.upkeep.proposal_store import ProposalState, Proposed, Saved
from tests.conftest import NINE
from tests.routing.worlds import PLACES, SHIPPED, a_service

ASHA, NOOR, EVA = "staff:asha", "staff:noor", "staff:eva"
NEW = replace(a_service("ny"), revision=0)


async def brought(db: Database, service: Service, by: str = ASHA) -> Saved | Proposed:
    async with db.write() as conn:
        return await proposals.submit(conn, service, by=by, now=NINE)


async def proposed(db: Database, service: Service, by: str = ASHA) -> proposals.Proposal:
    made = await brought(db, service, by)
    assert isinstance(made, Proposed)
    return made.proposal


async def approved(db: Database, proposal: proposals.Proposal, by: str = NOOR) -> Service:
    async with db.write() as conn:
        return await proposals.approve(conn, proposal.id, by=by, now=NINE, directory=SHIPPED, gazetteer=PLACES)


async def standing(db: Database) -> Service:
    async with db.read() as conn:
        return (await store.directory_of(conn, SHIPPED, PLACES)).get("ny")


async def actions(db: Database) -> list[tuple[str, str]]:
    async with db.read() as conn:
        assert await audit.verify(conn) is None
        return [(each.actor, each.action) for each in await audit.entries(conn, subject="service:ny")]


async def test_a_new_service_waits_and_holds_once_another_has_approved(db: Database) -> None:
    waiting = await proposed(db, NEW)
    async with db.read() as conn:
        assert (await store.directory_of(conn, SHIPPED, PLACES)).find("ny") is None
        assert [each.id for each in await proposals.open_proposals(conn)] == [waiting.id]
        assert await proposals.waiting_for(conn, ASHA) == 0
        assert await proposals.waiting_for(conn, NOOR) == 1
    assert (await approved(db, waiting)).revision == 1
    assert replace(await standing(db), revision=0) == NEW
    assert await actions(db) == [
        (NOOR, "service_change_approved"),
        (NOOR, "service_saved"),
        (ASHA, "service_change_proposed"),
    ]


async def test_whoever_proposed_neither_approves_nor_turns_down(db: Database) -> None:
    waiting = await proposed(db, NEW)
    with pytest.raises(proposals.SamePerson):
        await approved(db, waiting, by=ASHA)
    with pytest.raises(proposals.SamePerson):
        async with db.write() as conn:
            await proposals.turn_down(conn, waiting.id, by=ASHA, now=NINE, word="Nei.")


async def test_a_change_of_nothing_guarded_holds_at_once(db: Database) -> None:
    await approved(db, await proposed(db, NEW))
    saved = await brought(db, replace(NEW, note="Ring først.", revision=1))
    assert isinstance(saved, Saved)
    assert ((await standing(db)).note, (await standing(db)).revision) == ("Ring først.", 2)
    again = await brought(db, await standing(db))
    assert again == Saved(await standing(db), changed=False)


async def test_a_second_click_makes_no_second_proposal(db: Database) -> None:
    assert (await proposed(db, NEW)).id == (await proposed(db, NEW)).id
    assert (await proposed(db, NEW, by=NOOR)).id != (await proposed(db, NEW)).id


async def test_other_words_about_the_same_are_not_lost(db: Database) -> None:
    await approved(db, await proposed(db, NEW))
    stands = replace(NEW, revision=1)
    async with db.write() as conn:
        for note in ("Nytt nummer kommer.", "Nytt nummer kommer.", "Vi flytter\0i mai."):
            await proposals.propose(conn, stands, base_revision=1, made_by="service:ny", now=NINE, note=note)
        notes = [each.note for each in await proposals.open_proposals(conn)]
    assert notes == ["Nytt nummer kommer.", "Vi flytter i mai."]


async def test_what_has_moved_on_is_not_overwritten(db: Database) -> None:
    await approved(db, await proposed(db, NEW))
    waiting = await proposed(db, replace(NEW, phones=(Phone("22 33 44 55"),), revision=1))
    await brought(db, replace(NEW, note="Mellom.", revision=1), by=EVA)
    with pytest.raises(proposals.BaseMoved) as moved:
        await approved(db, waiting)
    assert moved.value.present == 2
    with pytest.raises(store.ChangedMeanwhile):
        await brought(db, replace(NEW, families=Answer.NO, revision=1))
    async with db.write() as conn:
        anew = replace(NEW, phones=(Phone("22 33 44 55"),), note="Mellom.", revision=2)
        put = await proposals.replace_with(conn, waiting.id, anew, by=ASHA, now=NINE)
    assert isinstance(put, Proposed)
    assert (await approved(db, put.proposal)).note == "Mellom."
    async with db.read() as conn:
        assert [each.state for each in await proposals.proposals_of(conn, "ny")] == [
            ProposalState.APPROVED,
            ProposalState.REBASED,
            ProposalState.APPROVED,
        ]


async def test_what_is_decided_stays_decided_and_its_words_go_after_a_year(db: Database) -> None:
    waiting = await proposed(db, NEW)
    async with db.write() as conn:
        gone = await proposals.turn_down(conn, waiting.id, by=NOOR, now=NINE, word="Nummeret er feil.")
    assert (gone.state, gone.word) == (ProposalState.TURNED_DOWN, "Nummeret er feil.")
    with pytest.raises(proposals.AlreadyDecided):
        await approved(db, waiting, by=EVA)
    async with db.write() as conn:
        assert await proposals.forget_words(conn, before=NINE) == 0
        assert await proposals.forget_words(conn, before=NINE + timedelta(days=1)) == 1
        assert (await proposals.get(conn, waiting.id)).word == ""
    assert (await proposed(db, NEW)).id != waiting.id


async def test_a_proposal_is_taken_back_by_its_maker_alone(db: Database) -> None:
    waiting = await proposed(db, NEW)
    for somebody, kept in ((NOOR, True), (ASHA, False)):
        async with db.write() as conn:
            try:
                await proposals.withdraw(conn, waiting.id, by=somebody, now=NINE)
                assert not kept
            except proposals.NoProposal:
                assert kept


async def test_what_comes_from_outside_is_always_looked_at(db: Database) -> None:
    await approved(db, await proposed(db, NEW))
    async with db.write() as conn:
        told = replace(NEW, note="Fra tjenesten selv.", revision=1)
        made = await proposals.submit(conn, told, by="contact:ny", now=NINE, ask=True)
    assert isinstance(made, Proposed)
    assert made.because == ()


async def test_where_a_place_lies_is_gone_everywhere_once_it_is_hidden(db: Database) -> None:
    there = Location("hus", address=Address("Skjulveien 7", "9008", "Tromsø"))
    await approved(db, await proposed(db, replace(NEW, locations=(there,))))
    await proposed(db, replace(NEW, locations=(there,), phones=(), revision=1), by=EVA)
    hidden = replace(NEW, protected=True, locations=(replace(there, address=None, protected=True),), revision=1)
    await approved(db, await proposed(db, hidden))
    async with db.read() as conn:
        for table in ("service", "service_revision", "service_proposal"):
            kept = (await conn.execute(text(f"SELECT document FROM {table}"))).scalars()
            assert [each for each in kept if "Skjulveien" in each] == []
        assert len(await store.history(conn, "ny", SHIPPED, PLACES)) == 2


async def test_a_proposal_forgets_a_place_that_an_import_hid(db: Database) -> None:
    there = Location("hus", address=Address("Skjulveien 7", "9008", "Tromsø"))
    await approved(db, await proposed(db, NEW))
    await proposed(db, replace(NEW, locations=(there,), phones=(), revision=1), by=EVA)
    async with db.write() as conn:
        await proposals.forget_all_addresses(conn)
        assert "Skjulveien" in str([each.plain for each in await proposals.proposals_of(conn, "ny")])
        await store.put_services(conn, [replace(NEW, protected=True)], now=NINE, actor="cli")
        await proposals.forget_all_addresses(conn)
        assert "Skjulveien" not in str([each.plain for each in await proposals.proposals_of(conn, "ny")])


async def test_a_change_rings_for_those_who_hold_the_directory(db: Database) -> None:
    waiting = await proposed(db, NEW)
    with db.watch(store.TOPIC) as watch:
        await approved(db, waiting)
        while store.TOPIC not in watch.take_heard():
            assert await watch.wait(5)
