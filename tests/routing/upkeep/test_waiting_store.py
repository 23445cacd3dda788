"""Changes that concern more than one service: made once, approved by another, never where they no longer fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from helpline import audit
from helpline.database import Database
from helpline.messages import Country
from routing import store
from routing.organisations import Organisation
from routing.services import Phone
from routing.store import ChangedMeanwhile
from routing.upkeep import waiting_store
from routing.upkeep.fallback_store import Unfit
from routing.upkeep.proposal_store import NoProposal, SamePerson
from routing.upkeep.waiting_store import About, Over, Waiting
from tests.conftest import NINE
from tests.routing.worlds import SHIPPED

ASHA, NOOR = "staff:asha", "staff:noor"
LIGHT = Organisation("no-lys", Country.NO, "Stiftelsen Lys", phones=(Phone("22 00 11 22"),))
FIRST = SHIPPED.fallbacks[Country.NO].everyone[0]


async def proposed(db: Database, wanted: Organisation = LIGHT, by: str = ASHA) -> Waiting:
    async with db.write() as conn:
        return await waiting_store.propose_organisation(conn, wanted, by=by, now=NINE)


async def approved(db: Database, waiting: Waiting, by: str = NOOR) -> Waiting:
    async with db.write() as conn:
        return await waiting_store.approve(conn, waiting.id, SHIPPED, by=by, now=NINE + timedelta(hours=1))


async def test_a_second_click_makes_no_second_change_and_another_approves_it_once(db: Database) -> None:
    waiting = await proposed(db)
    assert (await proposed(db)).id == waiting.id
    async with db.read() as conn:
        assert await store.all_organisations(conn) == ()
        assert await waiting_store.waiting_for(conn, ASHA) == 0
        assert await waiting_store.waiting_for(conn, NOOR) == 1
    with pytest.raises(SamePerson):
        await approved(db, waiting, ASHA)
    await approved(db, waiting)
    with pytest.raises(Over):
        await approved(db, waiting)
    async with db.read() as conn:
        assert await store.all_organisations(conn) == (replace(LIGHT, revision=1),)
        assert await waiting_store.open_changes(conn) == ()
        entries = await audit.entries(conn, subject="organisation:no-lys")
        assert await audit.verify(conn) is None
    assert {(each.actor, each.action) for each in entries} == {
        (ASHA, "organisation_change_proposed"),
        (NOOR, "organisation_change_approved"),
        (NOOR, "organisation_saved"),
    }


async def test_what_was_saved_meanwhile_is_not_overwritten(db: Database) -> None:
    waiting = await proposed(db)
    async with db.write() as conn:
        await store.save_organisation(conn, replace(LIGHT, email="post@example.org"), now=NINE, actor=NOOR)
    with pytest.raises(ChangedMeanwhile):
        await approved(db, waiting)
    with pytest.raises(ChangedMeanwhile):
        await proposed(db, replace(LIGHT, phones=()))
    async with db.write() as conn:
        with pytest.raises(NoProposal):
            await waiting_store.take_back(conn, waiting.id, by=NOOR, now=NINE)
        with pytest.raises(SamePerson):
            await waiting_store.turn_down(conn, waiting.id, by=ASHA, now=NINE)
        await waiting_store.turn_down(conn, waiting.id, by=NOOR, now=NINE)
        assert await waiting_store.open_changes(conn, About.ORGANISATION, LIGHT.id) == ()


@pytest.mark.parametrize("service", ["no-such", FIRST, "barnevernvakt", "se-112"])
async def test_only_what_everybody_can_fall_back_on_is_proposed_to_be_always_shown(db: Database, service: str) -> None:
    async with db.write() as conn:
        with pytest.raises(Unfit):
            await waiting_store.propose_fallback(conn, FIRST, service, SHIPPED, by=ASHA, now=NINE)


@pytest.mark.parametrize(
    ("instead_of", "service"),
    [("bufdir", "psykisk-akutt-vestfold"), ("se-1177", "se-stodlinjen-man")],  # adults only; men only
)
async def test_what_turns_some_of_them_away_is_not_what_they_all_fall_back_on(
    db: Database, instead_of: str, service: str
) -> None:
    async with db.write() as conn:
        with pytest.raises(Unfit):
            await waiting_store.propose_fallback(conn, instead_of, service, SHIPPED, by=ASHA, now=NINE)
