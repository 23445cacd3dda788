"""One offer answered from four sides at one instant, on PostgreSQL: nobody waits for ever, and one answer counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import store as rota_store
from escalation.rota import swaps
from escalation.rota.exchange import CannotExchange, Exchange, Objection, State
from escalation.rota.roster import Span
from helpline.accounts import ContactChannel
from tests.escalation.house import House
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START
from tests.escalation.stored import add_person

pytestmark = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite has one writer at a time

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = Span(START + 5 * HOUR, START + 17 * HOUR)
ROUNDS = 5
Answer = Callable[[], Awaitable[str]]


@pytest.fixture
async def halves(house: House) -> House:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=HALVES, valid_from=START, now=START, saved_by="maja"
        )
        await add_person(conn, house.vault, "ulla", (ContactChannel.SMS, "+4790000009"))
    return house


async def save(house: House, now: datetime) -> str:
    """The coordinator saves the roster as it is."""
    async with house.db.write() as conn:
        await rota_store.lock_roster(conn, "main")
        [held, *_] = await rota_store.versions_ahead(conn, "main", now)
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=held.definition,
            valid_from=now,
            now=now,
            saved_by="maja",
        )
    return "saved"


async def accept(house: House, made: Exchange, who: str, now: datetime) -> str:
    try:
        async with house.db.write() as conn:
            return (await swaps.accept(conn, house.means, made.id, who, now)).state.value
    except CannotExchange as refused:
        if refused.objection is not Objection.NOT_OPEN:
            raise
        return "late"


async def withdraw(house: House, made: Exchange, now: datetime) -> str:
    try:
        async with house.db.write() as conn:
            return (await swaps.withdraw(conn, house.means, made.id, "asha", now)).state.value
    except CannotExchange as refused:
        if refused.objection is not Objection.NOT_OPEN:
            raise
        return "late"


async def expire(house: House, now: datetime) -> str:
    """The clockwork, as `rota.watch.tick` does it."""
    async with house.db.write() as conn:
        await rota_store.one_at_a_time(conn)
        await swaps.expire(conn, house.means, now)
    return "looked"


async def somebody_waits(house: House) -> None:
    """Until a transaction of this database stands before another's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while True:
            async with house.db.read() as conn:
                if (await conn.execute(waiting)).scalar_one():
                    return


async def offered(house: House, now: datetime, roster: str = "main") -> Exchange:
    async with house.db.write() as conn:
        return await swaps.give_away(conn, house.means, roster=roster, holder="asha", span=TODAY, taker=None, now=now)


async def state_of(house: House, made: Exchange) -> State:
    async with house.db.read() as conn:
        found = await rota_store.find_exchange(conn, made.id)
    assert found is not None
    return found.state


async def test_a_yes_waits_for_the_clockwork_and_never_the_other_way_round_as_well(halves: House) -> None:
    made = await offered(halves, START)
    async with halves.db.write() as conn:
        await rota_store.one_at_a_time(conn)
        late = asyncio.create_task(accept(halves, made, "ulla", TODAY.end - timedelta(seconds=1)))
        await somebody_waits(halves)
        await swaps.expire(conn, halves.means, TODAY.end)
    assert await late == "late"
    assert await state_of(halves, made) is State.EXPIRED


async def test_what_was_agreed_does_not_expire_under_those_who_agreed(halves: House) -> None:
    async with halves.db.write() as conn:
        await store.save_roster(
            conn, name="north", zone="Europe/Oslo", definition=HALVES, valid_from=START, now=START, saved_by="maja"
        )
    made = await offered(halves, START, "north")
    async with halves.db.write() as conn:
        await swaps.accept(conn, halves.means, made.id, "ulla", TODAY.end - timedelta(seconds=1))
        clockwork = asyncio.create_task(expire(halves, TODAY.end))
        back = asyncio.create_task(withdraw(halves, made, START))
        await somebody_waits(halves)
    assert (await clockwork, await back) == ("looked", "late")
    assert await state_of(halves, made) is State.ACCEPTED
    assert [message.text for _, _, message in await halves.post() if "Ingen har sagt ja" in message.text] == []


async def test_of_four_answers_at_one_instant_one_counts_and_all_are_told_the_same(halves: House) -> None:
    counted: Counter[State] = Counter()
    for number in range(ROUNDS):
        shift = Span(START + number * DAY + 5 * HOUR, START + number * DAY + 17 * HOUR)
        # Two clocks differ by a second: for one process the shift is not over, for the other it just is.
        before, over = shift.end - timedelta(seconds=1), shift.end
        async with halves.db.write() as conn:
            made = await swaps.give_away(
                conn, halves.means, roster="main", holder="asha", span=shift, taker=None, now=before
            )
        known = {outgoing.id for outgoing, _, _ in await halves.post()}
        answers: list[Answer] = [
            lambda: accept(halves, made, "ulla", before),  # noqa: B023 - all are over before the next round
            lambda: expire(halves, over),  # noqa: B023
            lambda: withdraw(halves, made, before),  # noqa: B023
            lambda: save(halves, before),  # noqa: B023
            lambda: accept(halves, made, "noor", before),  # noqa: B023
        ]
        turned = answers[number % len(answers) :] + answers[: number % len(answers)]
        said = await asyncio.wait_for(asyncio.gather(*(answer() for answer in turned)), 30)
        async with halves.db.read() as conn:
            ended = await rota_store.find_exchange(conn, made.id)
            [held] = await who_is_on_call(conn, before)
        assert ended is not None
        counted[ended.state] += 1
        # Each side hears of the one outcome, or that it came too late.
        outcomes = [each for each in said if each not in {"late", "saved", "looked"}]
        assert outcomes == ([] if ended.state is State.EXPIRED else [ended.state.value]), said
        assert held.people == ((ended.taker,) if ended.state is State.ACCEPTED else ("asha",))
        told = [
            (address.value, message.text)
            for outgoing, address, message in await halves.post()
            if outgoing.id not in known
        ]
        assert len([text for _, text in told if "Du har den ikke lenger" in text]) == (ended.state is State.ACCEPTED)
        assert len([text for _, text in told if "Ingen har sagt ja" in text]) == (ended.state is State.EXPIRED)
    assert counted.total() == ROUNDS
    assert set(counted) <= {State.ACCEPTED, State.EXPIRED, State.WITHDRAWN}


async def test_the_same_question_at_one_instant_is_asked_once(halves: House) -> None:
    made = await asyncio.gather(*(offered(halves, START) for _ in range(4)))
    assert len({each.id for each in made}) == 1
    assert len(await halves.sent_to("+4790000009")) == 1
