"""Holes in the rota, as they are found ahead of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from escalation.rota import coverage
from escalation.rota.coverage import Hole, holes, holes_between, sentences, torn_open
from escalation.rota.plan import NEXT_STEP
from escalation.rota.roster import Shift, Span
from tests.escalation.rota.test_plan import DAY, OSLO, a_plan, a_version, at, rule

NORSK, SVENSKA = frozenset({"nb", "nn"}), frozenset({"sv"})
SPEAKS = {"a": NORSK, "b": NORSK | SVENSKA, "c": SVENSKA}


def found(*rules: dict[str, Any], days: int = 1, **parts: Any) -> list[tuple[datetime, datetime, str | None, bool]]:
    plan = a_plan(a_version(at(-1), rules=list(rules), **parts))
    return [
        (each.span.start, each.span.end, each.language, each.foreseen)
        for each in holes([plan], at(0), days, speaks=SPEAKS)
    ]


def test_a_covered_roster_has_none() -> None:
    assert found(rule("a"), languages=("nb",)) == []


def test_nobody_at_night_is_a_hole_each_night() -> None:
    assert found(rule("a", "08:00", "22:00"), days=2) == [
        (at(0), at(0, 8), None, False),
        (at(0, 22), at(1, 8), None, False),
        (at(1, 22), at(2), None, False),
    ]


def test_whoever_has_left_or_cannot_be_woken_fills_no_hole() -> None:
    assert found(rule("gone")) == [(at(0), at(1), None, False)]


def test_a_hole_says_whether_somebody_is_on_call_who_cannot_be_woken() -> None:
    def somebody(*rules: dict[str, Any]) -> list[bool]:
        plan = a_plan(a_version(at(-1), rules=list(rules)))
        return [each.somebody for each in holes([plan], at(0), 1, speaks=SPEAKS)]

    assert somebody() == [False]
    # The night is nobody's and the day is theirs: it is one hole, and somebody stands in it.
    assert somebody(rule("gone", "08:00", "16:00")) == [True]


def test_a_language_nobody_on_call_speaks_is_a_hole_of_its_own() -> None:
    rules = (rule("a"), rule("c", "08:00", "16:00"))
    assert found(*rules, languages=("nb", "sv")) == [(at(0), at(0, 8), "sv", False), (at(0, 16), at(1), "sv", False)]


def test_where_nobody_is_no_language_is_missed_besides() -> None:
    assert found(languages=("nb", "sv")) == [(at(0), at(1), None, False)]


def test_a_person_who_stands_in_fills_it_for_as_long_as_they_are_here() -> None:
    assert found(rule("a", "08:00", "16:00"), fallback="b") == []
    assert found(rule("a", "08:00", "16:00"), fallback="gone") == [
        (at(0), at(0, 8), None, False),
        (at(0, 16), at(1), None, False),
    ]


def test_what_its_owner_has_seen_is_foreseen_and_what_leave_tears_open_is_not() -> None:
    away = (Shift("a", Span(at(0, 12), at(0, 18))),)
    assert found(rule("a", "08:00", "16:00"), fallback=NEXT_STEP, away=away) == [
        (at(0), at(0, 8), None, True),
        (at(0, 12), at(0, 16), None, False),
        (at(0, 16), at(1), None, True),
    ]


def test_a_later_version_counts_for_its_own_time() -> None:
    plan = a_plan(a_version(at(-1), rules=[rule("a")]), a_version(at(1), rules=[rule("a", "08:00", "22:00")]))
    assert [each.span for each in holes([plan], at(0), 2, speaks=SPEAKS)] == [
        Span(at(1), at(1, 8)),
        Span(at(1, 22), at(2)),
    ]


def test_what_a_change_adds_is_told_apart() -> None:
    night = Hole("main", Span(at(0, 22), at(1, 8)))
    longer = Hole("main", Span(at(0, 20), at(1, 9)))
    other = Hole("second", Span(at(0, 20), at(1, 9)))
    assert [each.span for each in torn_open([night], [longer])] == [
        Span(at(0, 20), at(0, 22)),
        Span(at(1, 8), at(1, 9)),
    ]
    assert torn_open([night], [night]) == ()
    assert torn_open([night], [other]) == (other,)


def test_the_operator_reads_a_few_of_each_and_how_many_more() -> None:
    plan = a_plan(a_version(at(-1), rules=[rule("a", "08:00", "22:00")], languages=("sv",)))
    said = list(sentences(holes([plan], at(0, 9), speaks=SPEAKS)))
    assert said[0] == (
        'The roster "main" has nobody who speaks "sv" from 2026-11-23T08:00:00Z to 2026-11-23T21:00:00Z.'
    )
    assert said[5] == 'The roster "main" has nobody who speaks "sv" in 10 more stretches of the next 14 days.'
    assert said[6] == 'The roster "main" has nobody from 2026-11-23T21:00:00Z to 2026-11-24T07:00:00Z.'
    assert len(said) == 12


def test_a_hole_is_near_a_day_before() -> None:
    hole = Hole("main", Span(at(2), at(3)))
    assert not hole.is_near(at(1) - timedelta(seconds=1))
    assert hole.is_near(at(1))
    assert coverage.NEAR == DAY


clocks = st.integers(0, 23).map(lambda hour: f"{hour:02}:00")
rules_ = st.builds(rule, st.sampled_from("abcx"), clocks, clocks)
leaves = st.builds(
    lambda who, start, length: Shift(who, Span(at(0, start), at(0, start + length))),
    st.sampled_from("abc"),
    st.integers(0, 60),
    st.integers(1, 30),
)


@settings(deadline=None)
@given(
    st.lists(rules_, max_size=3),
    st.lists(leaves, max_size=3),
    st.sampled_from([None, NEXT_STEP, "a", "x"]),
    st.lists(st.sampled_from(["nb", "sv"]), unique=True),
)
def test_every_instant_is_covered_or_in_a_hole_and_never_both(
    rules: list[dict[str, Any]], away: list[Shift], fallback: str | None, languages: list[str]
) -> None:
    plan = a_plan(a_version(at(-3), rules=rules, away=tuple(away), fallback=fallback, languages=tuple(languages)))
    known = holes_between(plan, Span(at(0), at(3)), SPEAKS)
    for half_hour in range(144):
        moment = at(0, half_hour / 2).astimezone(OSLO)
        here = [person for person in plan.on_call(moment)[0] if person in SPEAKS]
        missed = [None] if not here else [each for each in languages if not any(each in SPEAKS[p] for p in here)]
        covering = [hole for hole in known if hole.span.covers(moment)]
        assert sorted(map(str, missed)) == sorted(str(hole.language) for hole in covering)
        assert not any(hole.foreseen for hole in covering if fallback is None)
