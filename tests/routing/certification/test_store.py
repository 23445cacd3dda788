"""Providers' folders in both databases: what is kept, what is sealed, who may change what, what is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import audit
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country
from helpline.vault import Vault
from routing.certification import decision_store, profile_store, provider_store, store, visit_store
from routing.certification.provider_store import AlreadyProposed, ChangedMeanwhile, NoSuchThing, SamePerson
from routing.certification.standing import ActionState, DecisionKind, ProfileState, RowAnswer, Verdict
from routing.places import Gazetteer, Level
from tests.conftest import NINE

VAULT = Vault(bytes(range(32)))
DAY = NINE.date()
GAZETTEER = Gazetteer.load(content_folder() / "places")
ROW = "protection.support_work.supportive_talks"
STOCKHOLM = (Level.LAN, "01")
MAJA, SIV = "staff:maja", "staff:siv"


async def begin(db: Database, organisation_id: str = "se-talita") -> None:
    async with db.write() as conn:
        await provider_store.begin(
            conn,
            VAULT,
            organisation_id=organisation_id,
            country=Country.SE,
            name="Talita",
            actor=MAJA,
            now=NINE,
        )


async def save(db: Database, answers: Mapping[str, RowAnswer], version: int = 0) -> int:
    async with db.write() as conn:
        return await profile_store.save_profile(
            conn, VAULT, "se-talita", answers=answers, areas=[STOCKHOLM], version=version, actor=MAJA, now=NINE
        )


async def propose(conn: AsyncConnection, kind: DecisionKind) -> int:
    return await decision_store.propose(conn, VAULT, "se-talita", kind, why="", actor=MAJA, now=NINE)


async def folder(db: Database) -> store.Folder:
    async with db.read() as conn:
        found = await store.folder(conn, VAULT, "se-talita")
    assert found is not None
    return found


async def test_who_is_certified_follows_from_the_decisions_of_two_and_from_the_day(db: Database) -> None:
    await begin(db)
    await save(db, {ROW: RowAnswer(offered=True), "prevention.prevention.research": RowAnswer(offered=False)})
    async with db.write() as conn:
        await profile_store.accept_profile(conn, "se-talita", version=1, actor=MAJA, now=NINE, on=DAY)
        decision = await decision_store.propose(
            conn, VAULT, "se-talita", DecisionKind.GRANT, why="", actor=MAJA, now=NINE
        )
    with pytest.raises(SamePerson):
        async with db.write() as conn:
            await decision_store.settle(conn, "se-talita", decision, confirm=True, actor=MAJA, now=NINE, on=DAY)
    with pytest.raises(AlreadyProposed):
        async with db.write() as conn:
            await decision_store.propose(conn, VAULT, "se-talita", DecisionKind.GRANT, why="", actor=SIV, now=NINE)
    async with db.write() as conn:
        assert await store.certified(conn, DAY, GAZETTEER) == {}
        await decision_store.settle(conn, "se-talita", decision, confirm=True, actor=SIV, now=NINE, on=DAY)
    with pytest.raises(ChangedMeanwhile):
        async with db.write() as conn:
            await decision_store.settle(conn, "se-talita", decision, confirm=False, actor=SIV, now=NINE, on=DAY)
    async with db.write() as conn:
        assert list((await store.certified(conn, DAY, GAZETTEER))["se-talita"]) == [ROW]
        assert await store.certified(conn, date(DAY.year + 1, DAY.month, DAY.day), GAZETTEER) != {}
        assert await store.certified(conn, date(DAY.year + 1, DAY.month, DAY.day) + timedelta(days=1), GAZETTEER) == {}
        assert await store.certified(conn, DAY - timedelta(days=1), GAZETTEER) == {}
        withdrawal = await decision_store.propose(
            conn, VAULT, "se-talita", DecisionKind.WITHDRAW, why="", actor=MAJA, now=NINE
        )
        await decision_store.settle(conn, "se-talita", withdrawal, confirm=True, actor=SIV, now=NINE, on=DAY)
        assert await store.certified(conn, DAY, GAZETTEER) == {}
        assert await audit.verify(conn) is None


async def test_a_profile_that_is_accepted_later_adds_nothing_until_another_decision(db: Database) -> None:
    other, hour = "prevention.prevention.research", timedelta(hours=1)

    async def accept(answers: Mapping[str, RowAnswer], at: datetime) -> None:
        await save(db, answers)
        async with db.write() as conn:
            await profile_store.accept_profile(conn, "se-talita", version=1, actor=MAJA, now=at, on=DAY)

    async def rows(on: date = DAY) -> set[str]:
        async with db.read() as conn:
            return set((await store.certified(conn, on, GAZETTEER)).get("se-talita", {}))

    await begin(db)
    await accept({ROW: RowAnswer(offered=True)}, NINE)
    async with db.write() as conn:
        decision = await propose(conn, DecisionKind.GRANT)
        await decision_store.settle(conn, "se-talita", decision, confirm=True, actor=SIV, now=NINE + hour, on=DAY)
    # On the same day, an hour after the two have decided.
    await accept({other: RowAnswer(offered=True)}, NINE + 2 * hour)
    assert await rows() == {ROW}
    assert (await folder(db)).facts.decisions[0].upon == 1
    async with db.write() as conn:
        await decision_store.add_check(
            conn,
            VAULT,
            "se-talita",
            on=DAY,
            values_hold=True,
            requirements_hold=True,
            cases_hold=True,
            note="",
            actor=MAJA,
            now=NINE + 3 * hour,
        )
    assert await rows() == {ROW}  # a check is made by one
    async with db.write() as conn:
        wider = await decision_store.propose(
            conn, VAULT, "se-talita", DecisionKind.GRANT, why="", actor=MAJA, now=NINE + 3 * hour
        )
        await decision_store.settle(conn, "se-talita", wider, confirm=True, actor=SIV, now=NINE + 3 * hour, on=DAY)
    assert await rows() == {ROW, other}
    await accept({ROW: RowAnswer(offered=False)}, NINE + 4 * hour)
    assert await rows() == {other}
    async with db.write() as conn:
        await provider_store.leave(conn, "se-talita", actor=MAJA, now=NINE + timedelta(days=1))
    assert (await rows(), await rows(DAY + timedelta(days=1))) == ({other}, set())


async def test_a_draft_grows_beside_the_profile_that_holds(db: Database) -> None:
    await begin(db)
    await save(db, {ROW: RowAnswer(offered=True, targets=("women",), comment="Varje vardag.")})
    with pytest.raises(ChangedMeanwhile):
        await save(db, {}, version=0)
    async with db.write() as conn:
        await profile_store.return_profile(conn, VAULT, "se-talita", version=1, why="Var?", actor=MAJA, now=NINE)
    assert (await folder(db)).profiles[0].returned == "Var?"
    async with db.write() as conn:
        await profile_store.accept_profile(conn, "se-talita", version=2, actor=MAJA, now=NINE, on=DAY)
    await save(db, {ROW: RowAnswer(offered=False)})
    facts = (await folder(db)).facts
    assert facts.profile is not None
    assert facts.draft is not None
    assert (facts.profile.answers[ROW].offered, facts.profile.answers[ROW].comment) == (True, "Varje vardag.")
    assert (facts.draft.number, facts.draft.state, facts.draft.answers[ROW].offered) == (2, ProfileState.DRAFT, False)
    with pytest.raises(ChangedMeanwhile):
        async with db.write() as conn:
            await profile_store.send_profile(conn, "se-talita", version=9, actor=MAJA, now=NINE)


async def test_words_are_sealed_and_no_word_is_in_the_trail(db: Database) -> None:
    await begin(db)
    secret = "Hemligt ord"
    await save(db, {ROW: RowAnswer(offered=True, comment=secret)})
    async with db.write() as conn:
        await visit_store.save_visit(
            conn,
            VAULT,
            "se-talita",
            visit_id=None,
            version=0,
            on=DAY,
            visitors=secret,
            verdicts={"complaints": Verdict.NOT_MET},
            answers={"complaints": secret},
            recommendations={"complaints": secret},
            actor=MAJA,
            now=NINE,
        )
        await visit_store.add_action(
            conn,
            VAULT,
            "se-talita",
            requirement="complaints",
            what=secret,
            owner=secret,
            due_on=DAY,
            actor=MAJA,
            now=NINE,
        )
        await decision_store.add_training(conn, VAULT, "se-talita", on=DAY, which=secret, actor=MAJA, now=NINE)
    kept = await folder(db)
    said = (
        kept.visits[0].visitors,
        kept.visits[0].answers["complaints"],
        kept.actions[0].what,
        kept.trainings[0].which,
    )
    assert set(said) == {secret}
    assert secret not in repr(kept)
    async with db.read() as conn:
        for table in ("provider_profile", "provider_visit", "provider_action", "provider_training", "audit_entry"):
            for row in await conn.execute(text(f"SELECT * FROM {table}")):
                assert secret not in str(tuple(row)), table


async def test_a_form_makes_one_entry_and_belongs_to_one_folder(db: Database) -> None:
    async def note(organisation_id: str, form_key: str) -> None:
        async with db.write() as conn:
            await decision_store.add_training(
                conn, VAULT, organisation_id, on=DAY, which="Dag", actor=MAJA, now=NINE, form_key=form_key
            )

    await begin(db)
    await begin(db, "se-noomi")
    for form_key in ("one", "one", "other", "", ""):
        await note("se-talita", form_key)
    with pytest.raises(NoSuchThing):
        await note("se-noomi", "one")
    assert len((await folder(db)).trainings) == 4


async def test_a_providers_word_does_not_undo_a_coordinators(db: Database) -> None:
    await begin(db)
    async with db.write() as conn:
        item = await visit_store.add_action(
            conn,
            VAULT,
            "se-talita",
            requirement="",
            what="Rutin",
            owner="Chefen",
            due_on=DAY,
            actor=MAJA,
            now=NINE,
        )
        moved = await visit_store.move_action(conn, "se-talita", item, ActionState.DONE, actor=MAJA, now=NINE, on=DAY)
        late = await visit_store.move_action(
            conn,
            "se-talita",
            item,
            ActionState.SAID_DONE,
            actor="staff:anna",
            now=NINE,
            on=DAY,
            was=ActionState.OPEN,
        )
        assert (moved, late) == (True, False)
        assert await store.waiting(conn, DAY) == 0
        await visit_store.move_action(conn, "se-talita", item, ActionState.OPEN, actor=MAJA, now=NINE, on=DAY)
        assert await store.waiting(conn, DAY) == 0
        assert await store.waiting(conn, DAY + timedelta(days=1)) == 1
        await visit_store.move_action(conn, "se-talita", item, ActionState.DONE, actor=MAJA, now=NINE, on=DAY)
        # A later visit may have found that it is not done; a form with another due day does not undo that.
        later = DAY + timedelta(days=90)
        await visit_store.move_action(
            conn, "se-talita", item, ActionState.DONE, actor=MAJA, now=NINE, on=later, due_on=later
        )
    assert ((await folder(db)).actions[0].action.done_on, (await folder(db)).actions[0].action.due_on) == (DAY, later)
    await begin(db, "se-noomi")
    with pytest.raises(NoSuchThing):
        async with db.write() as conn:
            await visit_store.move_action(conn, "se-noomi", item, ActionState.OPEN, actor=MAJA, now=NINE, on=DAY)


async def test_the_folder_of_one_who_left_is_shut_and_later_deleted_with_its_key(db: Database) -> None:
    await begin(db)
    await save(db, {ROW: RowAnswer(offered=True)})
    async with db.write() as conn:
        await provider_store.add_member(conn, "se-talita", "anna", actor=MAJA, now=NINE)
        await profile_store.send_profile(conn, "se-talita", version=1, actor=MAJA, now=NINE)
        assert await store.waiting(conn, DAY) == 1
        assert await provider_store.leave(conn, "se-talita", actor=MAJA, now=NINE)
        assert await store.waiting(conn, DAY) == 0  # nobody can look at it any more
        assert not await provider_store.leave(conn, "se-talita", actor=MAJA, now=NINE)
    with pytest.raises(NoSuchThing):
        await save(db, {}, version=1)
    async with db.write() as conn:
        assert await store.delete_left(conn, VAULT, before=NINE) == 0
        assert await store.delete_left(conn, VAULT, before=NINE + timedelta(days=1)) == 1
        assert await provider_store.find(conn, "se-talita") is None
        assert await provider_store.organisation_of(conn, "anna") is None
        assert await VAULT.existing(conn, "provider:se-talita") is None
    await begin(db)
    assert (await folder(db)).profiles == ()
