"""A roster through time: which version counts, who stands in, and the shifts that people speak of."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from escalation.rota.plan import NEXT_STEP, Plan, Version, spans_without
from escalation.rota.roster import Shift, Span, read_schedule
from helpline.content import node_of

OSLO = ZoneInfo("Europe/Oslo")
MONDAY = datetime(2026, 11, 23, tzinfo=OSLO)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(days: float = 0, hours: float = 0) -> datetime:
    return MONDAY + timedelta(days=days, hours=hours)


def a_version(since: datetime, *, away: tuple[Shift, ...] = (), **parts: Any) -> Version:
    named = {key: parts.pop(key) for key in ("languages", "fallback") if key in parts}
    schedule = read_schedule(node_of(parts, file="roster"), OSLO)
    object.__setattr__(schedule, "away", away)
    return Version(since, OSLO, schedule, **named)


def rule(person: str, start: str = "00:00", end: str = "00:00", *days: str) -> dict[str, Any]:
    return {"target": person, "from": start, "to": end, **({"days": list(days)} if days else {})}


def a_plan(*versions: Version) -> Plan:
    return Plan("main", versions)


def test_each_version_counts_from_its_beginning_and_of_two_that_begin_together_the_later_saved() -> None:
    plan = a_plan(
        a_version(at(-9), rules=[rule("a")]),
        a_version(at(1), rules=[rule("b")]),
        a_version(at(1), rules=[rule("c")]),
    )
    assert [plan.on_call(at(days))[0] for days in (-10, -9, 0.99, 1)] == [(), ("a",), ("a",), ("c",)]
    assert [(each.span.start, each.people) for each in plan.timeline(at(0), at(3))] == [
        (at(0), ("a",)),
        (at(1), ("c",)),
    ]
    assert plan.next_change(at(0), 2 * DAY) == at(1)
    assert plan.next_change(at(1), 2 * DAY) is None


def test_leave_takes_its_person_out_and_the_layer_beneath_holds() -> None:
    away = (Shift("b", Span(at(0, 9), at(0, 11))),)
    plan = a_plan(a_version(at(-1), away=away, layers=[{"target": "a"}, {"target": "b"}]))
    assert [plan.on_call(at(0, hour))[0] for hour in (8, 9, 11)] == [("b",), ("a",), ("b",)]


def test_of_fixed_shifts_the_next_level_holds_where_the_highest_is_on_leave() -> None:
    shifts = [
        {"user": person, "level": level, "from": at(0).isoformat(), "to": at(1).isoformat()}
        for person, level in (("low", 1), ("high", 9))
    ]
    plan = a_plan(a_version(at(-1), away=(Shift("high", Span(at(0, 6), at(0, 7))),), priority_shifts=shifts))
    assert [plan.on_call(at(0, hour))[0] for hour in (5, 6, 7)] == [("high",), ("low",), ("high",)]


def test_whoever_was_put_in_the_place_of_somebody_on_leave_is_on_call() -> None:
    span = {"from": at(0, 9).isoformat(), "to": at(0, 11).isoformat()}
    away = (Shift("b", Span(at(0), at(1))),)
    swapped = {**span, "remove": "b", "add": "c"}
    plan = a_plan(a_version(at(-1), away=away, layers=[{"target": "a"}, {"target": "b"}], overrides=[swapped]))
    assert [plan.on_call(at(0, hour))[0] for hour in (8, 9, 11)] == [("a",), ("c",), ("a",)]


def test_leave_empties_a_rule_a_temporary_roster_and_an_override() -> None:
    span = {"from": at(2).isoformat(), "to": at(3).isoformat()}
    plan = a_plan(
        a_version(
            at(-1),
            away=(Shift("a", Span(at(0), at(9))),),
            rules=[rule("a"), rule("b", "08:00", "16:00")],
            overrides=[{"from": at(1).isoformat(), "to": at(1, 2).isoformat(), "add": "a"}],
            temporary=[{**span, "shifts": [{**span, "user": "a"}]}],
        )
    )
    assert [plan.on_call(at(*when))[0] for when in ((0, 9), (0, 17), (1, 1), (2, 9))] == [("b",), (), (), ()]


def test_the_person_named_stands_in_and_not_while_they_are_away_themselves() -> None:
    away = (Shift("z", Span(at(0, 18), at(0, 20))),)
    plan = a_plan(a_version(at(-1), away=away, fallback="z", rules=[rule("a", "08:00", "16:00")]))
    assert [plan.on_call(at(0, hour)) for hour in (9, 17, 18, 20)] == [
        (("a",), False),
        (("z",), True),
        ((), False),
        (("z",), True),
    ]
    assert [(each.span.start, each.people, each.by_fallback) for each in plan.timeline(at(0, 8), at(0, 22))] == [
        (at(0, 8), ("a",), False),
        (at(0, 16), ("z",), True),
        (at(0, 18), (), False),
        (at(0, 20), ("z",), True),
    ]


def test_the_next_step_stands_in_for_nobody() -> None:
    plan = a_plan(a_version(at(-1), fallback=NEXT_STEP, rules=[rule("a", "08:00", "16:00")]))
    assert plan.on_call(at(0, 17)) == ((), False)


def test_a_shift_is_whole_wherever_it_is_asked_for() -> None:
    turn = {"type": "weekly", "start": "2026-11-02T08:00", "participants": ["a", "b"]}
    plan = a_plan(a_version(at(-60), rotations={"w": turn}, rules=[rule("rotation:w")]))
    whole = Shift("a", Span(at(0, 8) - 7 * DAY, at(0, 8)))
    for since in (at(-3), at(-1), at(0)):
        assert plan.shifts(since, since + HOUR)[0] == whole


def test_duty_without_end_is_cut_at_mondays() -> None:
    plan = a_plan(a_version(at(-60), rules=[rule("a")]))
    asked = [plan.shifts(at(days), at(days + 1)) for days in (0, 3, 6)]
    assert asked[0] == asked[1] == asked[2] == (Shift("a", Span(at(0), at(7))),)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=6))
def test_what_is_cut_out_and_what_is_left_make_the_whole(cuts: list[tuple[int, int]]) -> None:
    span = Span(at(0), at(0, 40))
    taken = [Span(at(0, start), at(0, start + length)) for start, length in cuts]
    left = list(spans_without(span, taken))
    for hour in range(40):
        moment = at(0, hour)
        assert any(each.covers(moment) for each in left) is not any(each.covers(moment) for each in taken)
    assert all(one.end < other.start for one, other in itertools.pairwise(left))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from("abc"), st.sampled_from([None, "z", NEXT_STEP])), max_size=4
    ),
    st.lists(st.tuples(st.sampled_from("abcz"), st.integers(0, 200), st.integers(1, 60)), max_size=4),
    st.integers(0, 240),
)
def test_forecast_and_live_are_one(
    versions: list[tuple[int, str, str | None]], leave: list[tuple[str, int, int]], hour: int
) -> None:
    away = tuple(Shift(who, Span(at(0, start), at(0, start + length))) for who, start, length in leave)
    plan = a_plan(
        *(
            a_version(
                at(0, since),
                away=away,
                fallback=fallback,
                rules=[rule(who, "06:00", "18:00"), rule("b", "12:00", "14:00")],
            )
            for since, who, fallback in sorted(versions, key=lambda each: each[0])
        )
    )
    stretches = plan.timeline(at(0), at(10, 1))
    assert stretches[0].span.start == at(0)
    for one, other in itertools.pairwise(stretches):
        assert one.span.end == other.span.start
        assert (one.people, one.by_fallback) != (other.people, other.by_fallback)
    moment = (at(0, hour) + timedelta(minutes=1)).astimezone(UTC)
    [covering] = [each for each in stretches if each.span.covers(moment)]
    assert (covering.people, covering.by_fallback) == plan.on_call(moment)
