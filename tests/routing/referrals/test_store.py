"""Referrals in the database: made once, told once, counted once; forgotten in time, and with whoever erases."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import text

from helpline import audit
from helpline.database import Database
from helpline.messages import Country
from helpline.vault import Vault
from routing import capacity_store
from routing.matching.match import AgeGroup
from routing.referrals import store as referral_store
from routing.referrals.referral import Basis, Facts, Outcome, Referral, RefusedFor, SafeContact, Via
from routing.referrals.store import Counted, NoSuchReferral
from routing.services import Answer, Sex
from tests.conftest import NINE
from tests.routing.worlds import a_service

SERVICE = a_service("legal-aid", revision=3)
FACTS = Facts(Country.NO, "03", ("legal", "housing-tonight"), Sex.MALE, AgeGroup.ADULT, with_children=True)
HERS = "conversation:c"


async def made(db: Database, *, key: str = "chat:1:0", ask_at: datetime | None = NINE) -> Referral:
    async with db.write() as conn:
        return await referral_store.make(
            conn,
            key=key,
            service=SERVICE,
            facts=FACTS,
            basis=Basis.CONSENT,
            via=Via.CHAT,
            made_by=HERS,
            conversation_id="c",
            ask_at=ask_at,
            now=NINE,
        )


async def told(
    db: Database, referral: Referral, outcome: Outcome, because: RefusedFor | None = None, *, after: timedelta
) -> bool:
    async with db.write() as conn:
        recorded = await referral_store.record_outcome(
            conn, referral.id, outcome, refused_for=because, by=HERS, now=NINE + after
        )
    return recorded.changed


async def counts(db: Database) -> dict[Outcome | None, int]:
    async with db.read() as conn:
        found = await referral_store.outcomes_between(conn, date(2026, 11, 1), date(2026, 12, 1))
    return {each.outcome: each.count for each in found}


async def test_a_second_click_makes_no_second_referral(db: Database) -> None:
    first, second = await made(db), await made(db)
    assert first == second
    assert first.consent is not None
    assert (first.consent.recipient, first.service_revision, first.needs) == (
        "legal-aid",
        3,
        ("housing-tonight", "legal"),
    )
    async with db.read() as conn:
        assert await referral_store.of_conversation(conn, "c") == (first,)
        assert await audit.verify(conn) is None
    assert await counts(db) == {None: 1}


async def test_full_is_counted_once_and_tells_of_the_room(db: Database) -> None:
    referral = await made(db)
    assert await told(db, referral, Outcome.FULL, after=timedelta(hours=1))
    assert not await told(db, referral, Outcome.FULL, after=timedelta(hours=2))
    assert await counts(db) == {None: 1, Outcome.FULL: 1}
    async with db.read() as conn:
        assert (await capacity_store.newest(conn))["legal-aid"].accepting is Answer.NO
    # It was not full after all: the count is moved, and one asks.
    assert await told(db, referral, Outcome.ACCEPTED, after=timedelta(hours=3))
    assert await counts(db) == {None: 1, Outcome.ACCEPTED: 1}
    async with db.read() as conn:
        assert (await capacity_store.newest(conn))["legal-aid"].accepting is Answer.ASK


async def test_why_they_said_no_is_one_more_tap_and_not_one_more_refusal(db: Database) -> None:
    referral = await made(db)
    assert await told(db, referral, Outcome.REFUSED, after=timedelta(hours=1))
    assert await told(db, referral, Outcome.REFUSED, RefusedFor.CHILDREN, after=timedelta(hours=2))
    assert not await told(db, referral, Outcome.REFUSED, after=timedelta(hours=3))  # the first button once more
    async with db.read() as conn:
        found = await referral_store.outcomes_between(conn, date(2026, 11, 1), date(2026, 12, 1))
    facts = Facts(FACTS.country, FACTS.region, ("housing-tonight", "legal"), FACTS.sex, FACTS.age_group, True)
    assert found[-1] == Counted(date(2026, 11, 1), facts, "legal-aid", Outcome.REFUSED, RefusedFor.CHILDREN, 1)
    assert len(found) == 2


async def test_of_two_outcomes_at_once_one_counts(db: Database) -> None:
    referral = await made(db)
    await asyncio.gather(
        told(db, referral, Outcome.FULL, after=timedelta(hours=1)),
        told(db, referral, Outcome.ACCEPTED, after=timedelta(hours=1)),
    )
    async with db.read() as conn:
        now = await referral_store.find(conn, referral.id)
    assert now is not None
    assert await counts(db) == {None: 1, now.outcome: 1}


async def test_what_breaks_off_in_the_middle_leaves_nothing_half_done(db: Database) -> None:
    referral = await made(db)
    with pytest.raises(ZeroDivisionError):
        async with db.write() as conn:
            await referral_store.record_outcome(conn, referral.id, Outcome.FULL, by=HERS, now=NINE)
            _ = 1 / 0
    assert await counts(db) == {None: 1}
    async with db.read() as conn:
        assert await referral_store.find(conn, referral.id) == referral
        assert await capacity_store.newest(conn) == {}
        assert await audit.verify(conn) is None


async def test_a_consent_taken_back_deletes_what_was_told_of_the_patient(db: Database) -> None:
    referral = await made(db)
    async with db.write() as conn:
        assert (await referral_store.revoke(conn, referral.id, by=HERS, now=NINE)).changed
        assert not (await referral_store.revoke(conn, referral.id, by=HERS, now=NINE)).changed
    assert not await told(db, referral, Outcome.FULL, after=timedelta(hours=1))
    async with db.read() as conn:
        row = (await conn.execute(text("SELECT region, needs, sex, age_group FROM referral"))).one()
        assert await referral_store.due(conn, NINE + timedelta(days=30)) == []
        assert await referral_store.without_outcome(conn, NINE + timedelta(days=30)) == ()
    assert tuple(row) == ("", "", "", "")


async def test_a_consent_taken_back_leaves_the_counts_too(db: Database) -> None:
    hers, other = await made(db), await made(db, key="chat:2:0")
    await told(db, hers, Outcome.FULL, after=timedelta(hours=1))
    assert await counts(db) == {None: 2, Outcome.FULL: 1}
    async with db.write() as conn:
        await referral_store.revoke(conn, hers.id, by=HERS, now=NINE + timedelta(days=40))
    assert await counts(db) == {None: 1}
    async with db.write() as conn:
        await referral_store.revoke(conn, other.id, by=HERS, now=NINE)
    async with db.read() as conn:
        # A line of none would still say for whom it stood there.
        assert (await conn.execute(text("SELECT * FROM referral_count"))).all() == []


async def test_without_an_outcome_it_is_listed_and_in_time_deleted_while_the_counts_stay(db: Database) -> None:
    referral = await made(db)
    settled = await made(db, key="chat:2:0")
    await told(db, settled, Outcome.ACCEPTED, after=timedelta())
    later = NINE + timedelta(days=14)
    async with db.write() as conn:
        assert await referral_store.without_outcome(conn, later) == (referral,)
        assert await referral_store.delete_older(conn, now=NINE + referral_store.KEPT_FOR) == 0
        assert await referral_store.delete_older(conn, now=NINE + referral_store.KEPT_FOR + timedelta(hours=1)) == 1
        assert await referral_store.delete_older(conn, now=NINE + referral_store.KEPT_OPEN + timedelta(hours=1)) == 1
    assert await counts(db) == {None: 2, Outcome.ACCEPTED: 1}
    with pytest.raises(NoSuchReferral):
        await told(db, referral, Outcome.FULL, after=timedelta(days=200))


async def test_the_rules_of_safe_contact_are_sealed_move_the_question_and_go_with_the_key(
    db: Database, vault: Vault
) -> None:
    await made(db)
    safe = SafeContact((time(16), time(22)))
    async with db.write() as conn:
        await referral_store.set_safe_contact(conn, vault, "c", safe, by=HERS, now=NINE)
    async with db.read() as conn:
        assert await referral_store.safe_contact_of(conn, vault, "c") == safe
        assert b"16:00" not in bytes((await conn.execute(text("SELECT rules FROM safe_contact"))).scalar_one())
        assert await referral_store.next_due(conn) == datetime(2026, 11, 22, 15, tzinfo=UTC)
    async with db.write() as conn:
        await vault.forget(conn, referral_store.key_of("c"))
    async with db.write() as conn:
        assert await referral_store.safe_contact_of(conn, vault, "c") is None
        assert await referral_store.forget_lost(conn, vault, before=NINE + timedelta(days=31)) == 1
        assert await referral_store.next_due(conn) is None


async def test_erasing_takes_the_referral_with_it_and_leaves_the_count(db: Database) -> None:
    referral = await made(db)
    await told(db, referral, Outcome.FULL, after=timedelta(hours=1))
    async with db.write() as conn:
        assert await referral_store.forget_conversation(conn, "c") == 1
        assert await referral_store.next_due(conn) is None
    assert await counts(db) == {None: 1, Outcome.FULL: 1}
