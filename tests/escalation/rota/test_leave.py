"""Leave over the rows: asked for, granted, cancelled, and what it does to whoever is on call."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from escalation import store
from escalation.on_duty import gather, who_is_on_call
from escalation.rota import leave
from escalation.rota import store as rota_store
from escalation.rota.leave import LeaveRefused, Reason
from escalation.rota.roster import Span
from escalation.rota.store import LeaveState
from helpline.accounts import Role
from tests.escalation.house import House
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START, minutes

HOUR = timedelta(hours=1)
OSLO = ZoneInfo("Europe/Oslo")
TODAY = Span(START + 5 * HOUR, START + 17 * HOUR)


@pytest.fixture
async def halves(house: House) -> House:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=HALVES, valid_from=START, now=START, saved_by="maja"
        )
    return house


async def on_call(house: House, hours: float) -> tuple[str, ...]:
    async with house.db.read() as conn:
        [found] = await who_is_on_call(conn, START + hours * HOUR)
    return found.people


async def enter(house: House, span: Span = TODAY, who: str = "asha") -> int:
    async with house.db.write() as conn:
        return (await leave.enter(conn, staff_id=who, span=span, by="maja", now=house.now)).id


async def test_leave_that_is_asked_for_waits_for_a_coordinator(halves: House) -> None:
    async with halves.db.write() as conn:
        asked = await leave.ask(conn, halves.means, staff_id="asha", span=TODAY, now=START)
        again = await leave.ask(conn, halves.means, staff_id="asha", span=TODAY, now=START)
    assert asked.id == again.id
    assert await on_call(halves, 6) == ("asha",)
    assert await halves.sent_to("+4790000003") == [
        "Asha ber om fri søn. 22. nov. 08:00–20:00. Da er det ingen på vakt søn. 22. nov. 08:00–20:00. Se vaktlista."
    ]
    async with halves.db.write() as conn:
        await leave.grant(conn, halves.means, asked.id, by="maja", now=START)
        await leave.grant(conn, halves.means, asked.id, by="maja", now=START)
    assert [await on_call(halves, hour) for hour in (4, 6, 18, 30)] == [("noor",), (), ("noor",), ("asha",)]
    told = [message.text for _, address, message in await halves.post() if address.value == "1001"]
    assert told == ["Du har fri søn. 22. nov. 08:00–20:00. Du varsles ikke da."]


async def test_leave_that_is_refused_changes_nothing(halves: House) -> None:
    async with halves.db.write() as conn:
        asked = await leave.ask(conn, halves.means, staff_id="asha", span=TODAY, now=START)
        await leave.refuse(conn, halves.means, asked.id, by="maja", now=START)
        with pytest.raises(LeaveRefused) as refused:
            await leave.grant(conn, halves.means, asked.id, by="maja", now=START)
    assert refused.value.reason is Reason.ENDED
    assert await on_call(halves, 6) == ("asha",)


async def test_cancelling_brings_the_shifts_back(halves: House) -> None:
    number = await enter(halves)
    assert await on_call(halves, 6) == ()
    async with halves.db.write() as conn:
        done = await leave.cancel(conn, halves.means, number, by="asha", now=START)
    assert done.state is LeaveState.CANCELLED
    assert await on_call(halves, 6) == ("asha",)


async def test_who_is_on_leave_is_not_called_by_role_either_but_where_nobody_else_is(halves: House) -> None:
    await enter(halves)
    async with halves.db.read() as conn:
        present = await gather(conn, await store.policy(conn), START + 6 * HOUR)
        at_night = await gather(conn, await store.policy(conn), START)
    [urgent, *_] = present.staffing.values()
    assert urgent.duty[f"role:{Role.ADVISOR.value}"].people == ("noor",)
    assert urgent.duty[f"role:{Role.ADVISOR.value}"].until == TODAY.end
    assert next(iter(at_night.staffing.values())).duty[f"role:{Role.ADVISOR.value}"].people == ("asha", "noor")
    await enter(halves, who="noor")
    async with halves.db.read() as conn:
        present = await gather(conn, await store.policy(conn), START + 6 * HOUR)
    assert next(iter(present.staffing.values())).duty[f"role:{Role.ADVISOR.value}"].people == ("asha", "noor")


async def test_leave_that_begins_while_somebody_waits_lets_its_person_go(halves: House) -> None:
    halves.after(5 * 60)
    opened = await halves.open(urgency="routine")
    await halves.tick()
    assert [page.staff_id for page in await halves.pages(opened.filed.id)] == ["asha"]
    await enter(halves, Span(START + 5 * HOUR + minutes(1), TODAY.end))
    async with halves.db.write() as conn:
        await leave.enter(conn, staff_id="maja", span=Span(TODAY.end, TODAY.end + HOUR), by="maja", now=halves.now)
    await halves.tick(5 * 60 + 1)
    filed = await halves.filed(opened.filed.id)
    assert filed.escalation.due_at is not None
    await halves.tick(5 * 60 + 6)
    assert {page.staff_id for page in await halves.pages(opened.filed.id)} == {"asha", "noor"}


async def test_the_holes_it_leaves_are_shown_with_it_and_only_those(halves: House) -> None:
    both_days = Span(TODAY.start, TODAY.end + 24 * HOUR)
    async with halves.db.read() as conn:
        present = await gather(conn, await store.policy(conn), START)
        holes = await leave.holes_left_by(conn, "asha", both_days, START, present)
        none = await leave.holes_left_by(conn, "maja", both_days, START, present)
    assert [hole.span for hole in holes] == [TODAY, Span(TODAY.start + 24 * HOUR, TODAY.end + 24 * HOUR)]
    assert none == ()
    await enter(halves, both_days)
    async with halves.db.read() as conn:
        assert await leave.holes_left_by(conn, "asha", both_days, START, present) == holes


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (5, 5, Reason.BACKWARDS),
        (-5, -1, Reason.PAST),
        (1, 24 * 400, Reason.TOO_LONG),
        (24 * 800, 24 * 801, Reason.TOO_FAR),
    ],
)
async def test_what_no_leave_can_be_is_named(halves: House, start: float, end: float, reason: Reason) -> None:
    with pytest.raises(LeaveRefused) as refused:
        await enter(halves, Span(START + start * HOUR, START + end * HOUR))
    assert refused.value.reason is reason


async def test_nobody_unknown_has_leave(halves: House) -> None:
    with pytest.raises(LeaveRefused) as refused:
        await enter(halves, who="nobody")
    assert refused.value.reason is Reason.NOBODY


def test_a_said_time_that_is_not_plain_is_asked_about() -> None:
    assert leave.said_span("2026-11-22T08:00 til 2026-11-22 20:00", OSLO, START) == TODAY
    for said, reason, offers in (
        ("2027-03-28 02:30 til 2027-03-29 02:30", Reason.MISSING, 1),
        ("2027-10-30 02:30 til 2027-10-31 02:30", Reason.TWICE, 2),
        ("2027-10-31 02:15 til 2027-10-31 02:30", Reason.TWICE, 3),  # of four pairs one ends before it begins
        ("snart til 2027-10-25 02:30", Reason.UNREADABLE, 0),
        ("fra 9999-12-31 08:00 til 9999-12-31 24:00", Reason.UNREADABLE, 0),
        ("2027-10-25 12:30 til 2027-10-25 11:30", Reason.BACKWARDS, 0),
        ("fra fredag kl. 16 til mandag", Reason.CLOCK, 0),
        ("torsdag 27.11.", Reason.WEEKDAY, 0),
    ):
        with pytest.raises(LeaveRefused) as refused:
            leave.said_span(said, OSLO, START)
        assert (refused.value.reason, len(refused.value.offered)) == (reason, offers)


async def test_old_leave_is_forgotten(halves: House) -> None:
    number = await enter(halves)
    async with halves.db.write() as conn:
        await rota_store.delete_older(conn, TODAY.end + rota_store.KEPT_FOR)
        assert await rota_store.find_leave(conn, number) is not None
        await rota_store.delete_older(conn, TODAY.end + rota_store.KEPT_FOR + timedelta(seconds=1))
        assert await rota_store.find_leave(conn, number) is None
