"""Feeds behind a secret, whose entries keep their names and count their changes; and leave imported from a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import calendars, leave, swaps
from escalation.rota import store as rota_store
from escalation.rota.calendars import Imported, TooManyFeeds
from escalation.rota.ics import Why
from escalation.rota.leave import LeaveRefused
from escalation.rota.roster import Span
from escalation.rota.store import LeaveState
from helpline import accounts
from helpline.accounts import Role
from tests.escalation.house import House
from tests.escalation.rota.test_ics import a_file, an_event
from tests.escalation.rota.test_leave import TODAY
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START
from tests.escalation.stored import PHRASES

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # the rows are asked on both elsewhere

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TURNS = {
    "rotations": {"d": {"type": "daily", "start": "2026-11-20T08:00", "participants": ["asha", "noor"]}},
    "rules": [{"target": "rotation:d", "from": "00:00", "to": "00:00"}],
}


@pytest.fixture
async def halves(house: House) -> House:
    await save(house, HALVES)
    return house


async def save(house: House, definition: dict[str, Any]) -> None:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=definition,
            valid_from=house.now, now=house.now, saved_by="maja",
        )  # fmt: skip


async def make(house: House, who: str = "asha", *, whole: bool = False) -> tuple[str, int]:
    async with house.db.write() as conn:
        secret, made = await calendars.make_feed(conn, who, whole=whole, now=house.now)
    return secret, made.id


async def shown(house: House, secret: str) -> dict[str, Any]:
    """Every entry of a feed by its name."""
    served = await calendars.feed(house.db, PHRASES, secret, house.now)
    assert served is not None
    return {str(event["uid"]): event for event in Calendar.from_ical(served.body).walk("VEVENT")}


def starting(events: dict[str, Any], at: datetime) -> Any:
    [found] = [event for event in events.values() if event["dtstart"].dt == at]
    return found


async def test_ones_own_feed_shows_ones_own_shifts(halves: House) -> None:
    secret, _ = await make(halves)
    events = await shown(halves, secret)
    today = starting(events, TODAY.start)
    assert (today["dtend"].dt, str(today["summary"]), today["sequence"]) == (TODAY.end, "Vakt (main)", 0)
    assert not any(event["dtstart"].dt == TODAY.end for event in events.values())
    assert 175 < len(events) < 185


async def test_the_whole_feed_names_who_has_which(halves: House) -> None:
    secret, _ = await make(halves, "maja", whole=True)
    events = await shown(halves, secret)
    assert str(starting(events, TODAY.start)["summary"]) == "Asha (main)"
    assert str(starting(events, TODAY.end)["summary"]) == "Noor (main)"


async def test_nothing_changes_while_nothing_changes(halves: House) -> None:
    secret, _ = await make(halves)
    first = await calendars.feed(halves.db, PHRASES, secret, START)
    later = await calendars.feed(halves.db, PHRASES, secret, START + HOUR)
    assert first is not None
    assert later is not None
    assert first.body == later.body
    assert first.etag == later.etag


async def test_a_change_keeps_the_name_and_counts(halves: House) -> None:
    secret, _ = await make(halves)
    before = starting(await shown(halves, secret), TODAY.start)
    halves.after(60)
    async with halves.db.write() as conn:
        made = await swaps.give_away(
            conn, halves.means, roster="main", holder="asha", taker="noor", now=halves.now,
            span=Span(TODAY.end - 4 * HOUR, TODAY.end),
        )  # fmt: skip
        await swaps.accept(conn, halves.means, made.id, "noor", halves.now)
    after = starting(await shown(halves, secret), TODAY.start)
    assert str(after["uid"]) == str(before["uid"])
    assert after["dtend"].dt == TODAY.end - 4 * HOUR
    assert (before["sequence"], after["sequence"]) == (0, 1)
    assert (before["dtstamp"].dt, after["dtstamp"].dt) == (START, START + HOUR)


async def test_a_shift_that_is_no_more_is_cancelled_and_may_come_back(halves: House) -> None:
    secret, _ = await make(halves)
    await shown(halves, secret)
    halves.after(60)
    async with halves.db.write() as conn:
        away = await leave.enter(conn, staff_id="asha", span=TODAY, by="maja", now=halves.now)
    gone = starting(await shown(halves, secret), TODAY.start)
    assert (str(gone["status"]), gone["sequence"]) == ("CANCELLED", 1)
    async with halves.db.write() as conn:
        await leave.cancel(conn, halves.means, away.id, by="maja", now=halves.now)
    back = starting(await shown(halves, secret), TODAY.start)
    assert (str(back["status"]), back["sequence"]) == ("CONFIRMED", 2)


async def test_names_last_while_the_clock_goes_on(house: House) -> None:
    await save(house, TURNS)
    secret, _ = await make(house)
    before = await shown(house, secret)
    house.now = START + 9 * DAY
    after = await shown(house, secret)
    inside = {uid for uid, event in before.items() if event["dtend"].dt > house.now}
    assert inside <= after.keys()
    assert all(event["sequence"] == 0 for event in after.values())


async def test_a_feed_is_void_once_its_owner_says_so_or_leaves(halves: House) -> None:
    secret, number = await make(halves)
    other, _ = await make(halves)
    async with halves.db.write() as conn:
        assert not await calendars.revoke_feed(conn, "noor", number, START)
        assert await calendars.revoke_feed(conn, "asha", number, START)
        assert not await calendars.revoke_feed(conn, "asha", number, START)
    assert await calendars.feed(halves.db, PHRASES, secret, START) is None
    assert await calendars.feed(halves.db, PHRASES, other, START) is not None
    async with halves.db.write() as conn:
        await accounts.deactivate(conn, "asha")
    assert await calendars.feed(halves.db, PHRASES, other, START) is None
    async with halves.db.write() as conn:
        assert await calendars.forget_feeds_of_the_gone(conn) == 1


async def test_a_secret_is_not_to_be_found_in_storage(halves: House) -> None:
    secret, _ = await make(halves)
    async with halves.db.read() as conn:
        [row] = (await conn.execute(rota_store.feeds.select())).all()
    assert secret not in str(tuple(row))
    assert await calendars.feed(halves.db, PHRASES, row.hash, START) is None


async def test_whoever_is_no_advisor_any_more_sees_no_rota(halves: House) -> None:
    secret, _ = await make(halves, whole=True)
    async with halves.db.write() as conn:
        await accounts.change_staff(conn, "asha", roles=[Role.EDITOR])
    assert await calendars.feed(halves.db, PHRASES, secret, START) is None


async def test_nobody_has_feeds_without_end(halves: House) -> None:
    for _ in range(calendars.MOST_FEEDS):
        await make(halves)
    with pytest.raises(TooManyFeeds):
        await make(halves)


# --- leave from a file ------------------------------------------------------------------------------------------------

CHRISTMAS = an_event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227")
ALL_CHRISTMAS = Span(datetime(2026, 12, 23, 23, tzinfo=START.tzinfo), datetime(2026, 12, 26, 23, tzinfo=START.tzinfo))


async def bring(house: House, *events: str, **given: Any) -> Imported:
    settings: dict[str, Any] = {"staff_id": "asha", "by": "maja", "holds": True, **given}
    async with house.db.write() as conn:
        return await calendars.import_leave(conn, data=a_file(*events), now=house.now, **settings)


async def known(house: House) -> list[tuple[Span, LeaveState]]:
    async with house.db.read() as conn:
        return [(each.span, each.state) for each in await rota_store.leave_of(conn, "asha")]


async def test_a_file_is_looked_at_before_it_is_taken(halves: House) -> None:
    assert (await bring(halves, CHRISTMAS, dry_run=True)).added == (ALL_CHRISTMAS,)
    assert await known(halves) == []
    assert (await bring(halves, CHRISTMAS)).added == (ALL_CHRISTMAS,)
    assert await known(halves) == [(ALL_CHRISTMAS, LeaveState.GRANTED)]
    async with halves.db.read() as conn:
        [on_call] = await who_is_on_call(conn, ALL_CHRISTMAS.start + 12 * HOUR)
    assert on_call.people == ()


async def test_the_same_file_again_changes_nothing(halves: House) -> None:
    await bring(halves, CHRISTMAS)
    assert (await bring(halves, CHRISTMAS)) == Imported(same=(ALL_CHRISTMAS,))
    assert len(await known(halves)) == 1


async def test_an_entry_that_moved_moves_and_one_that_was_cancelled_is(halves: House) -> None:
    await bring(halves, CHRISTMAS)
    shorter = an_event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225", "SEQUENCE:1")
    assert len((await bring(halves, shorter)).changed) == 1
    [(span, state)] = await known(halves)
    assert (span.end - span.start, state) == (DAY, LeaveState.GRANTED)
    called_off = an_event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261225", "STATUS:CANCELLED")
    assert (await bring(halves, called_off)).cancelled == (span,)
    assert await known(halves) == [(span, LeaveState.CANCELLED)]
    assert await bring(halves, called_off) == Imported()


async def test_what_was_taken_back_here_is_not_brought_back_by_the_file(halves: House) -> None:
    await bring(halves, CHRISTMAS)
    async with halves.db.write() as conn:
        [standing] = await rota_store.leave_of(conn, "asha")
        await leave.cancel(conn, halves.means, standing.id, by="asha", now=START)
    assert (await bring(halves, CHRISTMAS)).same == (ALL_CHRISTMAS,)
    assert await known(halves) == [(ALL_CHRISTMAS, LeaveState.CANCELLED)]


async def test_an_advisors_own_file_asks(halves: House) -> None:
    await bring(halves, CHRISTMAS, by="asha", holds=False)
    assert await known(halves) == [(ALL_CHRISTMAS, LeaveState.ASKED)]


async def test_coordinators_hear_of_what_a_file_asks_for(halves: House) -> None:
    await bring(halves, CHRISTMAS, by="asha", holds=False, means=halves.means)
    [said] = await halves.sent_to("+4790000003")
    assert said.startswith("Asha ber om fri tor. 24. des. 00:00–søn. 27. des. 00:00. Da er det ingen på vakt tor. 24.")


async def test_what_is_over_or_too_long_is_said(halves: House) -> None:
    past = an_event("DTSTART;VALUE=DATE:20251224", uid="past")
    long = an_event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20281224", uid="long")
    result = await bring(halves, past, long, CHRISTMAS)
    assert [each.why for each in result.skipped] == [Why.PAST, Why.TOO_LONG]
    assert result.added == (ALL_CHRISTMAS,)


async def test_two_people_may_have_the_same_entry(halves: House) -> None:
    await bring(halves, CHRISTMAS)
    assert (await bring(halves, CHRISTMAS, staff_id="noor")).added == (ALL_CHRISTMAS,)
    with pytest.raises(LeaveRefused):
        await bring(halves, CHRISTMAS, staff_id="nobody")
