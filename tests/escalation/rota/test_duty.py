"""What really was on call: seen while the line ran, planned while it did not, and never rewritten by an edit."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from escalation import store
from escalation.rota import leave, swaps
from escalation.rota import store as rota_store
from escalation.rota import watch as rota_watch
from escalation.rota.duty import AWAKE, EVERY, Recorded, carried_on
from escalation.rota.plan import Plan
from escalation.rota.roster import Span
from tests.escalation.house import House
from tests.escalation.rota.test_plan import a_plan, a_version, at, rule
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START, minutes

HOUR = timedelta(hours=1)
DAY_AND_NIGHT = a_plan(a_version(at(-9), rules=[rule("a", "08:00", "20:00"), rule("b", "20:00", "08:00")]))


def kept(start: datetime, end: datetime, *people: str, seen: bool = True) -> Recorded:
    return Recorded("main", Span(start, end), people, seen)


def test_the_first_look_begins_the_record() -> None:
    assert carried_on(None, DAY_AND_NIGHT, at(0, 9)) == (kept(at(0, 9), at(0, 9), "a"),)


def test_the_record_grows_and_not_at_every_look() -> None:
    last = kept(at(0, 9), at(0, 10), "a")
    assert carried_on(last, DAY_AND_NIGHT, at(0, 10) + EVERY - timedelta(seconds=1)) == ()
    assert carried_on(last, DAY_AND_NIGHT, at(0, 10) + EVERY) == (kept(at(0, 9), at(0, 10) + EVERY, "a"),)


def test_a_change_of_shift_stands_at_its_own_instant() -> None:
    last, now = kept(at(0, 9), at(0, 20) - minutes(1), "a"), at(0, 20) + minutes(1)
    assert carried_on(last, DAY_AND_NIGHT, now) == (kept(at(0, 9), at(0, 20), "a"), kept(at(0, 20), now, "b"))


def test_while_the_line_was_down_the_plan_is_on_record_as_not_seen() -> None:
    last = kept(at(0, 9), at(0, 12), "a")
    assert carried_on(last, DAY_AND_NIGHT, at(0, 22)) == (
        kept(at(0, 12), at(0, 20), "a", seen=False),
        kept(at(0, 20), at(0, 22), "b", seen=False),
        kept(at(0, 22), at(0, 22), "b"),
    )


def test_an_edit_changes_the_record_from_the_edit_on() -> None:
    edited = a_plan(a_version(at(-9), rules=[rule("c")]))
    last, now = kept(at(0, 9), at(0, 10), "a"), at(0, 10) + minutes(1)
    saved_at = at(0, 10) + minutes(0.5)
    assert carried_on(last, edited, now, edited_at=saved_at) == (
        kept(at(0, 9), saved_at, "a"),
        kept(saved_at, now, "c"),
    )
    assert carried_on(last, edited, now) == (kept(at(0, 9), now, "a"), kept(now, now, "c"))


def test_a_clock_that_was_set_back_changes_nothing() -> None:
    assert carried_on(kept(at(0, 9), at(0, 10), "a"), DAY_AND_NIGHT, at(0, 9)) == ()


looks = st.lists(st.integers(1, 200), min_size=1, max_size=60)  # minutes from one look to the next


@settings(deadline=None)
@given(looks)
def test_the_record_has_no_pause_and_says_what_held(waits: list[int]) -> None:
    records = played(DAY_AND_NIGHT, waits)
    for one, other in itertools.pairwise(records):
        assert one.span.end == other.span.start
    for record in records:
        if record.span.start < record.span.end:
            middle = record.span.start + (record.span.end - record.span.start) / 2
            assert DAY_AND_NIGHT.on_call(middle)[0] == record.people


def played(plan: Plan, waits: list[int]) -> list[Recorded]:
    """The rows after so many looks, kept as storage keeps them."""
    rows: dict[datetime, Recorded] = {}
    now = at(0)
    for wait in waits:
        last = max(rows.values(), key=lambda each: each.span.start, default=None)
        for record in carried_on(last, plan, now):
            rows[record.span.start] = record
        now += minutes(wait)
    return sorted(rows.values(), key=lambda each: each.span.start)


# --- over the rows ----------------------------------------------------------------------------------------------------


async def recorded(house: House, hours: float) -> tuple[tuple[str, ...], bool] | None:
    async with house.db.read() as conn:
        found = (await rota_store.recorded_at(conn, START + hours * HOUR)).get("main")
    return (found.people, found.seen) if found is not None else None


async def save(house: House, saved_by: str = "maja") -> None:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=HALVES, valid_from=START - 9 * HOUR,
            now=house.now, saved_by=saved_by,
        )  # fmt: skip


async def look(house: House, until: float, since: float = 0) -> None:
    for minute in range(round(since), round(until), 2):
        await rota_watch.record(house.db, START + minutes(minute))


async def test_what_was_is_remembered_whatever_is_edited_afterwards(house: House) -> None:
    await look(house, 60)
    house.after(60)
    await save(house)  # which says that Noor had been on call since yesterday
    await look(house, 120, since=60)
    assert [await recorded(house, hour) for hour in (-1, 0.5, 0.99, 1.5, 3)] == [
        None,
        (("asha",), True),
        (("asha",), True),
        (("noor",), True),
        None,
    ]


async def test_while_the_line_was_down_nobody_was_seen(house: House) -> None:
    await look(house, 30)
    await look(house, 300, since=240)
    assert await recorded(house, 0.2) == (("asha",), True)
    assert await recorded(house, 2) == (("asha",), False)
    assert await recorded(house, 4.5) == (("asha",), True)


async def test_leave_is_on_record_from_when_it_was_entered(house: House) -> None:
    await look(house, 30)
    house.after(30)
    async with house.db.write() as conn:
        away = Span(START, START + 9 * HOUR)
        await leave.enter(conn, staff_id="asha", span=away, by="maja", now=house.now)
    await look(house, 60, since=30)
    assert [await recorded(house, hour) for hour in (0.3, 0.8)] == [(("asha",), True), ((), True)]


async def test_looking_twice_at_the_same_instant_changes_nothing(house: House) -> None:
    for _ in range(3):
        await rota_watch.record(house.db, START)
    async with house.db.read() as conn:
        rows = (await conn.execute(rota_store.duty_records.select())).all()
    assert len(rows) == 1
    assert timedelta(minutes=2) < AWAKE


async def test_the_record_and_old_offers_are_forgotten_in_time(house: House) -> None:
    await look(house, 30)
    span = Span(START + HOUR, START + 2 * HOUR)
    async with house.db.write() as conn:
        made = await swaps.give_away(conn, house.means, roster="main", holder="asha", span=span, now=START)
        await rota_store.delete_older(conn, START + rota_store.KEPT_FOR)
    assert await recorded(house, 0.2) is not None
    async with house.db.write() as conn:
        await rota_store.delete_older(conn, START + rota_store.KEPT_FOR + timedelta(days=1))
        assert await rota_store.find_exchange(conn, made.id) is None
    assert await recorded(house, 0.2) is None
