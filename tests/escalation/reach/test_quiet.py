"""Quiet hours move a page to somebody else, and nobody who waits is ever lost to them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalation import advisors, ladder, store
from escalation.advisors import PageNews
from escalation.effects import Page, PageReason
from escalation.on_duty import gather
from escalation.reach import quiet
from escalation.reach import store as reach_store
from escalation.reach.quiet import QuietHours, called_for, stand_ins
from escalation.rota.roster import Window
from escalation.standing import Duty, Escalation, Staffing, State, Urgency, Way
from helpline import accounts
from helpline.messages import Channel
from tests.escalation.house import House
from tests.escalation.simulator import START, a_ladder, minutes

OSLO = ZoneInfo("Europe/Oslo")
EVERY_DAY = frozenset(range(7))
BOTH = frozenset(Urgency)
PEOPLE = ("A", "B", "C", "D", "E")


def hours(person: str = "A", stand_in: str = "B", start: int = 22, end: int = 7, **changed: object) -> QuietHours:
    given: dict[str, object] = {"zone": OSLO, "urgencies": BOTH, "agreed": True, "days": EVERY_DAY, **changed}
    return QuietHours(
        person,
        stand_in,
        Window(time(start), time(end), given["days"]),  # type: ignore[arg-type]
        given["zone"],  # type: ignore[arg-type]
        given["urgencies"],  # type: ignore[arg-type]
        agreed=bool(given["agreed"]),
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO).astimezone(UTC)


@pytest.mark.parametrize(
    ("when", "rests"),
    [
        ("2026-11-22T21:59", False),
        ("2026-11-22T22:00", True),  # the start is in it
        ("2026-11-23T06:59", True),  # and goes on after midnight
        ("2026-11-23T07:00", False),  # the end is not
    ],
)
def test_quiet_hours_are_of_the_local_clock(when: str, rests: bool) -> None:
    assert (stand_ins([hours()], Urgency.URGENT, at(when)) == {"A": "B"}) is rests


def test_quiet_hours_hold_on_their_days_and_for_their_urgency() -> None:
    monday = hours(days=frozenset({0}), urgencies=frozenset({Urgency.ROUTINE}))
    assert stand_ins([monday], Urgency.ROUTINE, at("2026-11-23T23:00")) == {"A": "B"}
    assert stand_ins([monday], Urgency.ROUTINE, at("2026-11-24T03:00")) == {"A": "B"}  # of Monday, after midnight
    assert stand_ins([monday], Urgency.ROUTINE, at("2026-11-24T23:00")) == {}
    assert stand_ins([monday], Urgency.URGENT, at("2026-11-23T23:00")) == {}


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        # The clock shows 02:00-03:00 twice on 25 October: from the first occurrence to the last.
        (2, 3, ("2026-10-25T00:00Z", "2026-10-25T02:00Z")),
        # On 29 March it shows no 02:30: quiet hours that begin in the gap begin after it.
        (2, 7, ("2026-03-29T01:00Z", "2026-03-29T05:00Z")),
    ],
)
def test_clock_changes(start: int, end: int, span: tuple[str, str]) -> None:
    begins, ends = (datetime.fromisoformat(edge) for edge in span)
    rest = [hours(start=start, end=end)]
    instant = timedelta(seconds=1)
    assert quiet.next_change(rest, begins - instant) == begins
    assert quiet.next_change(rest, begins) == ends
    held = [bool(stand_ins(rest, Urgency.URGENT, when)) for when in (begins - instant, begins, ends - instant, ends)]
    assert held == [False, True, True, False]


def test_nobody_stands_in_before_they_agreed_or_while_they_rest() -> None:
    night = at("2026-11-22T23:00")
    assert stand_ins([hours(agreed=False)], Urgency.URGENT, night) == {}
    assert stand_ins([hours("A", "B"), hours("B", "A")], Urgency.URGENT, night) == {}  # each would wake the other
    assert stand_ins([hours("A", "B"), hours("A", "C"), hours("B", "C")], Urgency.URGENT, night) == {
        "A": "C",
        "B": "C",
    }


people = st.sampled_from(PEOPLE)


@given(
    named=st.lists(people, unique=True),
    resting=st.dictionaries(people, people),
    reachable=st.sets(people),
    meant=st.sets(people),
    in_vain=st.sets(people),
)
def test_whoever_the_plan_names_somebody_reachable_is_woken(
    named: list[str], resting: dict[str, str], reachable: set[str], meant: set[str], in_vain: set[str]
) -> None:
    called = called_for(named, resting, reachable.__contains__, meant=meant.__contains__, in_vain=in_vain)
    assert set(called) <= reachable & meant
    for person in set(named) & reachable & meant:
        assert person in called or (resting[person] in called and resting[person] not in in_vain)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Escalation, Staffing]:
    resting = draw(st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["C", "D"])))
    ways = {
        person: tuple(
            draw(
                st.lists(
                    st.builds(Way, st.integers(0, 3).map(minutes), st.sampled_from(["sms", "call"]), st.booleans()),
                    max_size=2,
                )
            )
        )
        for person in PEOPLE
    }
    duty = Duty(tuple(draw(st.lists(people, min_size=1, max_size=2, unique=True))))
    targets = st.lists(st.sampled_from(["roster:one", "A", "B"]), min_size=1, max_size=2, unique=True)
    steps = [[draw(st.integers(4, 8)), draw(targets)] for _ in range(draw(st.integers(1, 3)))]
    staffing = Staffing(ways, {"roster:one": duty}, resting=resting)
    begun, _ = ladder.begin(
        "x",
        urgency=Urgency.URGENT,
        language="nb",
        ladder=a_ladder(steps, last_resort=("E",)),
        now=START,
        staffing=staffing,
    )
    return begun, staffing


@settings(max_examples=200, deadline=None)
@given(situations())
def test_quiet_hours_never_silence_an_urgent_escalation(situation: tuple[Escalation, Staffing]) -> None:
    """Where nobody answers, everybody reachable whom a step names is woken, resting or not."""
    escalation, staffing = situation
    named = {
        person for step in escalation.ladder.steps for target in step.targets for person in staffing.behind(target)
    }
    woken: dict[str, datetime] = {}
    now = START
    while escalation.state is not State.LAST_RESORT or now < START + minutes(60):
        escalation, effects = ladder.climb(escalation, now, staffing)
        for effect in effects:
            if isinstance(effect, Page):
                woken.setdefault(effect.person, now)
        assert escalation.due_at is not None
        now = max(now, escalation.due_at)
    assert {person for person in named if staffing.reachable(person)} <= woken.keys()
    for person, stand_in in staffing.resting.items():
        if person in woken and person in named and staffing.reachable(stand_in):
            assert woken[stand_in] <= woken[person]


def two_steps(**resting: str) -> Staffing:
    ways = {person: (Way(minutes(0), f"{person}-sms"),) for person in PEOPLE}
    return Staffing(ways, {"roster:one": Duty(("A",))}, resting=resting)


def opened(staffing: Staffing, *steps: list[object]) -> tuple[Escalation, list[Page]]:
    begun, _ = ladder.begin(
        "x",
        urgency=Urgency.URGENT,
        language="nb",
        ladder=a_ladder(steps, last_resort=("E",)),
        now=START,
        staffing=staffing,
    )
    moved, effects = ladder.climb(begun, START, staffing)
    return moved, pages(effects)


def pages(effects: object) -> list[Page]:
    return [effect for effect in effects if isinstance(effect, Page)]  # type: ignore[attr-defined]


def test_stand_in_who_says_no_wakes_whom_she_stood_in_for_within_the_same_step() -> None:
    staffing = two_steps(A="B")
    escalation, first = opened(staffing, [5, ["roster:one"]], [5, ["D"]])
    assert [page.person for page in first] == ["B"]
    escalation, effects = ladder.decline(escalation, "B", START + minutes(1), staffing)
    assert [(page.person, page.reason) for page in pages(effects)] == [("A", PageReason.STEP)]
    assert escalation.step == 0


def test_stand_in_whose_phone_fails_wakes_whom_she_stood_in_for_at_once() -> None:
    staffing = two_steps(A="B")
    escalation, _ = opened(staffing, [5, ["roster:one"]], [5, ["D"]])
    escalation, effects = ladder.fall_back(escalation, "B", "B-sms", START + minutes(1), staffing, refused=True)
    assert [page.person for page in pages(effects)] == ["A"]
    assert escalation.step == 0


def test_end_of_quiet_hours_while_somebody_waits_wakes_them_and_lets_the_stand_in_go() -> None:
    resting, awake = two_steps(A="B"), two_steps()
    escalation, _ = opened(resting, [30, ["roster:one"]])
    escalation, effects = ladder.climb(escalation, START + minutes(5), awake)
    assert [page.person for page in pages(effects)] == ["A"]
    assert {turn.person: turn.turn.value for turn in escalation.called} == {"A": "open", "B": "over"}


# --- over the rows


async def rest(house: House, *, stand_in: str = "noor", agreed: bool = True) -> int:
    """Asha rests all night, and Noor answers for her."""
    async with house.db.write() as conn:
        made = await reach_store.add_quiet_hours(
            conn, "asha", Window(time(22), time(7), EVERY_DAY), BOTH, stand_in, house.now
        )
        if agreed:
            assert await reach_store.agree_to_quiet_hours(conn, made, stand_in, house.now)
            assert not await reach_store.agree_to_quiet_hours(conn, made, stand_in, house.now)
    return made


async def test_page_goes_to_the_stand_in(house: House) -> None:
    await rest(house)
    filed = (await house.open()).filed
    assert [page.staff_id for page in await house.pages(filed.id)] == ["noor"]
    assert (await house.says("noor", filed.code)).outcome is advisors.Outcome.TAKEN


async def test_before_the_stand_in_agreed_nothing_changes(house: House) -> None:
    await rest(house, agreed=False)
    filed = (await house.open()).filed
    assert [page.staff_id for page in await house.pages(filed.id)] == ["asha"]


async def test_only_the_stand_in_agrees_and_either_ends_it(house: House) -> None:
    made = await rest(house, agreed=False)
    async with house.db.write() as conn:
        assert not await reach_store.agree_to_quiet_hours(conn, made, "maja", house.now)
        assert await reach_store.remove_quiet_hours(conn, made, "maja") is None
        assert await reach_store.remove_quiet_hours(conn, made, "noor") is not None
        assert await reach_store.find_quiet_hours(conn, made) is None


@pytest.mark.parametrize("trouble", ["stopped", "left", "no contact"])
async def test_stand_in_who_cannot_be_reached_is_passed_over(house: House, trouble: str) -> None:
    await rest(house)
    async with house.db.write() as conn:
        sms = house.contacts["noor"][Channel.SMS]
        match trouble:
            case "stopped":
                await store.stop_contact(conn, sms, house.now)
            case "left":
                await accounts.deactivate(conn, "noor")
            case _:
                await accounts.remove_contact(conn, sms)
    filed = (await house.open()).filed
    assert [page.staff_id for page in await house.pages(filed.id)] == ["asha"]


async def test_stand_in_whose_message_does_not_arrive_is_passed_over(house: House) -> None:
    await rest(house)
    filed = (await house.open()).filed
    async with house.db.write() as conn:
        await advisors.page_reported(conn, house.means, f"{filed.id}:1", PageNews.REFUSED, house.now)
    assert [page.staff_id for page in await house.pages(filed.id)] == ["noor", "asha"]


async def test_end_of_quiet_hours_is_waited_for_like_a_change_of_shift(house: House) -> None:
    await rest(house)
    async with house.db.read() as conn:
        present = await gather(conn, await store.policy(conn), house.now)
    duty = present.staffing[Urgency.URGENT].duty["roster:main"]
    assert duty.until == datetime(2026, 11, 22, 6, 0, tzinfo=UTC)  # seven o'clock in Oslo


async def test_whoever_is_reached_from_now_on_is_woken_for_whoever_waits(house: House) -> None:
    """Asha is on call and had no contact; the level is looked at again once she has."""
    async with house.db.write() as conn:
        for contact in house.contacts["asha"].values():
            await accounts.remove_contact(conn, contact)
    filed = (await house.open()).filed
    assert [page.staff_id for page in await house.pages(filed.id)] == ["noor"]
    house.after(0.5)
    async with house.db.write() as conn:
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="asha",
            channel=accounts.ContactChannel.SMS,
            value="+4790000009",
            now=house.now,
            verified=True,
        )
        await advisors.rules_changed(conn, house.means, "asha", house.now)
    await house.tick()
    assert [page.staff_id for page in await house.pages(filed.id)] == ["noor", "asha"]


async def test_quiet_hours_of_whoever_left_are_forgotten(house: House) -> None:
    made = await rest(house)
    async with house.db.write() as conn:
        await accounts.deactivate(conn, "noor")
        await reach_store.delete_older(conn, now=house.now)
        assert await reach_store.find_quiet_hours(conn, made) is None
