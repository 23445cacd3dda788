"""A roster that ends: what was stays, nobody is called by it after, and no ladder is left calling nobody."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import calendars, coverage, ending, swaps, version_store
from escalation.rota import store as rota_store
from escalation.rota import watch as rota_watch
from escalation.rota.ending import Called, ChangedMeanwhile, LeavesHoles, NoSuchRoster, StandInUnfit, StillCalled
from escalation.rota.exchange import State
from escalation.rota.roster import Span
from escalation.standing import Urgency
from helpline import audit
from helpline.accounts import ContactChannel
from tests.escalation.house import House
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START
from tests.escalation.stored import add_person

# What is asked of the tables runs on both databases; the rest follows from it.
on_one = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT = START + 10 * HOUR  # in the middle of Asha's day
DAYS_ONLY = {"rules": [HALVES["rules"][0]]}


@pytest.fixture
async def halves(house: House) -> House:
    """The ladders call "main"; nobody calls "north", which has the same people."""
    async with house.db.write() as conn:
        for name in ("main", "north"):
            await save(conn, name, HALVES, START)
        await add_person(conn, house.vault, "ulla", (ContactChannel.SMS, "+4790000009"))
    return house


async def save(conn: Any, name: str, definition: Any, at: datetime, *, now: datetime = START, **more: Any) -> None:
    await store.save_roster(
        conn, name=name, zone="Europe/Oslo", definition=definition, valid_from=at, now=now, saved_by="maja", **more
    )


async def end(house: House, name: str = "north", at: datetime = AT, **more: Any) -> None:
    async with house.db.write() as conn:
        [newest] = await version_store.versions_of(conn, name, limit=1)
        given = {"seen": newest.id, "by": "maja", "now": house.now, **more}
        await ending.end(conn, house.means, name=name, at=at, **given)


async def on_call(house: House, at: datetime, name: str = "north") -> tuple[str, ...] | None:
    async with house.db.read() as conn:
        found = {each.roster: each.people for each in await who_is_on_call(conn, at)}
    return found.get(name)


async def test_after_its_end_nobody_is_on_call_and_before_everything_is_as_it_was(halves: House) -> None:
    await end(halves)
    assert [await on_call(halves, AT + hours * HOUR) for hours in (-1, 0, 20)] == [("asha",), None, None]
    async with halves.db.read() as conn:
        [plan] = [each for each in await rota_store.plans(conn, START, AT + 20 * DAY) if each.name == "north"]
        assert await version_store.lasting(conn, START) == ["main"]  # so no ladder is written upon it any more
    assert [(each.people, each.ended) for each in plan.timeline(AT - 3 * HOUR, AT + 20 * DAY)] == [
        (("asha",), False),
        ((), True),
    ]
    assert max(each.span.end for each in plan.shifts(START, AT + 20 * DAY)) == AT
    assert coverage.holes([plan], AT, speaks={}) == ()


async def test_what_was_saved_for_later_ends_with_it_and_comes_back_with_it(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "north", DAYS_ONLY, AT + 2 * DAY)
    await end(halves)
    assert await on_call(halves, AT + 3 * DAY) is None
    async with halves.db.write() as conn:
        assert await ending.take_back(conn, halves.means, name="north", by="maja", now=START + HOUR)
        assert not await ending.take_back(conn, halves.means, name="north", by="maja", now=START + HOUR)
    night = AT + 10 * HOUR
    assert [await on_call(halves, at) for at in (AT, night, night + 2 * DAY)] == [("asha",), ("noor",), ()]
    # Ended once more, it is over again, whatever was saved before.
    await end(halves)
    assert await on_call(halves, AT + 3 * DAY) is None


async def test_what_is_saved_after_the_end_starts_it_again(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "north", DAYS_ONLY, AT + 2 * DAY)
    await end(halves)
    async with halves.db.write() as conn:
        await save(conn, "north", HALVES, AT + DAY, now=AT + DAY)
    assert [await on_call(halves, AT + days * DAY) for days in (0.9, 1, 3)] == [(), ("asha",), ("asha",)]
    assert await on_call(halves, AT + 3 * DAY + 10 * HOUR) == ("noor",)  # not the one that the end took with it


@on_one
async def test_a_roster_that_a_ladder_calls_is_refused_by_name(halves: House) -> None:
    with pytest.raises(StillCalled) as refused:
        await end(halves, "main", START)
    assert refused.value.steps == (
        Called(Urgency.URGENT, 1),
        Called(Urgency.URGENT, 2),
        Called(Urgency.ROUTINE, 1),
    )
    assert await on_call(halves, AT, "main") == ("asha",)


async def test_what_stands_in_takes_its_place_in_the_ladders_in_the_same_moment(halves: House) -> None:
    await end(halves, "main", START, instead="roster:north")
    async with halves.db.read() as conn:
        policy = await store.policy(conn)
        trail = [each.action for each in await audit.entries(conn)]
    assert [step.targets for step in policy.ladders[Urgency.URGENT].steps] == [
        ("roster:north",),
        ("roster:north", "noor"),
    ]
    assert sorted(trail) == ["ladders_saved", "roster_ended"]
    assert await on_call(halves, AT, "main") is None


@on_one
@pytest.mark.parametrize(
    "instead", ["roster:main", "roster:nowhere", "role:provider", "role:nonsense", "edda", "nobody"]
)
async def test_what_reaches_nobody_does_not_stand_in(halves: House, instead: str) -> None:
    async with halves.db.write() as conn:
        await add_person(conn, halves.vault, "edda")
    with pytest.raises(StandInUnfit):
        await end(halves, "main", START, instead=instead)
    async with halves.db.read() as conn:
        assert "roster:main" in (await store.policy(conn)).targets()


@on_one
async def test_a_hole_that_it_makes_is_accepted_or_it_does_not_end(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "days", DAYS_ONLY, START)
        seen = await ending.outlook(conn, halves.means, name="main", at=AT, instead="roster:days", now=START)
    # It is called from now on, so its holes before the end count too.
    assert [each.span for each in seen.holes[:2]] == [Span(START, AT - 5 * HOUR), Span(AT + 7 * HOUR, AT + 19 * HOUR)]
    assert len(seen.holes) == 15
    with pytest.raises(LeavesHoles):
        await end(halves, "main", instead="roster:days")
    await end(halves, "main", instead="roster:days", accepted=True)
    assert await on_call(halves, AT, "main") is None


@on_one
async def test_whoever_waits_on_its_step_is_called_further_up_at_once(halves: House) -> None:
    opened = await halves.open()
    assert [page.staff_id for page in await halves.pages(opened.filed.escalation.id)] == ["noor"]  # hers is the night
    await end(halves, "main", START, instead="ulla")
    await halves.tick(0)
    # The copied first step means nobody now, so it does not wait its three minutes; Noor, named in the second, goes on.
    filed = await halves.filed(opened.filed.escalation.id)
    assert filed.escalation.rung == 1
    assert filed.escalation.ladder.steps[0].targets == ("roster:main",)


@on_one
async def test_what_has_not_begun_stands_in_for_nobody_since_it_is_called_from_now_on(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "spring", HALVES, AT + 5 * DAY)
    with pytest.raises(StandInUnfit):
        await end(halves, "main", AT + 5 * DAY, instead="roster:spring")


@on_one
async def test_the_last_resort_of_whoever_waits_is_not_left_empty(halves: House) -> None:
    async with halves.db.write() as conn:
        [ladders] = await store.ladder_history(conn, limit=1)
        only = ["roster:main"]
        urgent = {**ladders.definition["ladders"]["urgent"]}
        urgent["steps"] = [{**urgent["steps"][0], "targets": only}]
        definition = {
            **ladders.definition,
            "last_resort": {**ladders.definition["last_resort"], "targets": only},
            "ladders": {**ladders.definition["ladders"], "urgent": urgent},
        }
        await store.save_ladders(conn, definition=definition, now=START, saved_by="staff:maja")
    opened = await halves.open()
    await end(halves, "main", START, instead="ulla")
    await halves.tick(3)
    assert [page.staff_id for page in await halves.pages(opened.filed.escalation.id)] == ["noor", "ulla"]


@on_one
async def test_an_end_that_is_taken_back_leaves_a_later_one_an_end(halves: House) -> None:
    await end(halves, at=AT + 10 * DAY)
    await end(halves, at=AT + 2 * DAY)
    async with halves.db.write() as conn:
        assert await ending.take_back(conn, halves.means, name="north", by="maja", now=START)
    assert [await on_call(halves, AT + days * DAY) for days in (3, 11)] == [("asha",), None]


@on_one
async def test_offers_of_shifts_that_fall_away_end_and_all_are_told_once(halves: House) -> None:
    shift = Span(START + 29 * HOUR, START + 41 * HOUR)
    async with halves.db.write() as conn:
        made = await swaps.give_away(
            conn, halves.means, roster="north", holder="asha", span=shift, taker="ulla", now=START
        )
        seen = await ending.outlook(conn, halves.means, name="north", at=AT, now=START)
    assert (seen.offers, seen.steps, seen.holes) == (1, (), ())
    await end(halves)
    async with halves.db.read() as conn:
        found = await rota_store.find_exchange(conn, made.id)
    assert found is not None
    assert found.state is State.OVERTAKEN
    assert (await halves.sent_to("+4790000009"))[-1] == (
        "Vaktlista north avsluttes, og vakten man. 23. nov. 08:00–20:00 faller bort. "
        "Spørsmålet om den gjelder ikke lenger."
    )
    told = await halves.sent_to("+4790000002")
    assert [each for each in told if "slutar" in each] == [
        "Jourlistan north slutar sön 22 nov. 13:00. Dina pass efter det faller bort, "
        "det första sön 22 nov. 20:00–mån 23 nov. 08:00."
    ]


@on_one
async def test_calendars_show_what_fell_away_as_cancelled(halves: House) -> None:
    async with halves.db.write() as conn:
        secret, _ = await calendars.make_feed(conn, "noor", whole=False, now=START)
    before = await calendars.feed(halves.db, halves.means.phrases, secret, START)
    await end(halves)
    after = await calendars.feed(halves.db, halves.means.phrases, secret, START + HOUR)
    assert before is not None
    assert after is not None
    assert b"STATUS:CANCELLED" not in before.body
    north = [part for part in after.body.split(b"BEGIN:VEVENT") if b"(north)" in part]
    running, *later = north
    assert b"STATUS:CONFIRMED" in running  # the shift that has begun keeps the part of it that is before the end
    assert later
    assert all(b"STATUS:CANCELLED" in part and b"SEQUENCE:1" in part for part in later)


@on_one
async def test_the_record_ends_where_the_roster_does(halves: House) -> None:
    await end(halves)
    for later in (AT - 2 * HOUR, AT - timedelta(minutes=1), AT + timedelta(minutes=1), AT + HOUR, AT + 2 * DAY):
        await rota_watch.record(halves.db, later)
    async with halves.db.read() as conn:
        kept = await rota_store.recorded_between(conn, "north", START, AT + 3 * DAY)
        asked = await rota_store.recorded_at(conn, AT + DAY)
    assert [(each.span.end <= AT, each.people) for each in kept if each.span.start < each.span.end] == [
        (True, ("asha",))
    ] * sum(1 for each in kept if each.span.start < each.span.end)
    assert max(each.span.end for each in kept if each.people) == AT
    assert "north" not in asked


@on_one
async def test_pressed_twice_is_once_and_somebody_elses_save_in_between_is_seen_first(halves: House) -> None:
    async with halves.db.read() as conn:
        [seen] = await version_store.versions_of(conn, "north", limit=1)
    await end(halves, seen=seen.id)
    await end(halves, seen=seen.id)
    async with halves.db.read() as conn:
        assert len(await version_store.versions_of(conn, "north")) == 2
    with pytest.raises(ChangedMeanwhile):
        await end(halves, at=AT + DAY, seen=seen.id)
    with pytest.raises(NoSuchRoster):
        async with halves.db.write() as conn:
            await ending.end(conn, halves.means, name="nowhere", at=AT, seen=0, by="maja", now=START)


async def test_only_a_roster_that_never_began_is_removed(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "summer", HALVES, AT)
        with pytest.raises(NoSuchRoster):
            await ending.remove(conn, halves.means, name="north", by="maja", now=START)
        await ending.remove(conn, halves.means, name="summer", by="maja", now=START)
    async with halves.db.read() as conn:
        assert await version_store.names(conn) == ["main", "north"]
        assert next(each.action for each in await audit.entries(conn)) == "roster_removed"


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite has one writer at a time
async def test_of_two_who_end_at_one_instant_one_does_and_no_ladder_is_left_without_anybody(halves: House) -> None:
    async with halves.db.write() as conn:
        await save(conn, "south", HALVES, START)

    async def ends(name: str, **more: Any) -> str:
        try:
            await end(halves, name, START, **more)
        except (ChangedMeanwhile, NoSuchRoster, StandInUnfit, StillCalled) as refused:
            return type(refused).__name__
        return "ended"

    same = await asyncio.gather(ends("south", by="maja"), ends("south", by="eva"))
    assert sorted(same)[1] == "ended"
    assert sorted(same)[0] in {"ChangedMeanwhile", "NoSuchRoster"}
    # Each would have the other stand in for it.
    across = await asyncio.gather(ends("main", instead="roster:north"), ends("north", instead="roster:main", by="eva"))
    assert sorted(across)[1] == "ended"
    assert sorted(across)[0] in {"StandInUnfit", "StillCalled"}
    async with halves.db.read() as conn:
        called = {each for each in (await store.policy(conn)).targets() if each.startswith("roster:")}
        assert {each.removeprefix("roster:") for each in called} <= set(await version_store.lasting(conn, START))
