"""Shifts that pass from one to another: what may be agreed, and what the roster says afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from escalation.rota import on_call as rota
from escalation.rota.exchange import CannotExchange, Exchange, Kind, Objection, State, objection, reassigned
from escalation.rota.local_time import say_instant
from escalation.rota.plan import Plan
from escalation.rota.roster import Schedule, Shift, Span, read_schedule, remarks
from helpline.content import node_of
from tests.escalation.rota.test_plan import OSLO, a_plan, a_version, at, rule

FIT = frozenset("abc")
BY_DAY_AND_NIGHT = [rule("a", "08:00", "20:00"), rule("b", "20:00", "08:00")]


def an_exchange(kind: Kind = Kind.GIVE, **changed: Any) -> Exchange:
    given_: dict[str, Any] = {
        "id": "x1",
        "kind": kind,
        "roster": "main",
        "holder": "a",
        "span": Span(at(1, 8), at(1, 20)),
        "taker": "c",
        "back": None,
        "state": State.OPEN,
        "made_by": "a",
        "made_at": at(0),
        **changed,
    }
    return Exchange(**given_)


def the_plan(*away: Shift, **parts: Any) -> Plan:
    return a_plan(a_version(at(-9), away=away, **(parts or {"rules": BY_DAY_AND_NIGHT})))


def why_not(made: Exchange, plan: Plan | None = None, *, taker: str | None = "c", now: datetime | None = None) -> Any:
    return objection(made, plan or the_plan(), taker, now or at(0), fit=FIT)


def test_a_shift_that_is_theirs_may_be_given() -> None:
    assert why_not(an_exchange()) is None
    assert why_not(an_exchange(taker=None), taker=None) is None


@pytest.mark.parametrize(
    ("made", "taker", "objected"),
    [
        (an_exchange(span=Span(at(-1, 8), at(-1, 20))), "c", Objection.OVER),
        (an_exchange(span=Span(at(1, 8), at(1, 21))), "c", Objection.NOT_THEIRS),
        (an_exchange(holder="b"), "c", Objection.NOT_THEIRS),
        (an_exchange(holder="b", taker=None), None, Objection.NOT_THEIRS),
        (an_exchange(taker="a"), "a", Objection.SAME_PERSON),
        (an_exchange(taker="z"), "z", Objection.UNFIT),
        (an_exchange(span=Span(at(1, 8), at(40, 20))), "c", Objection.TOO_LONG),
        (an_exchange(Kind.SWAP, back=Span(at(2, 8), at(2, 20))), "c", Objection.NOT_THEIRS),
    ],
)
def test_what_cannot_be_agreed_is_named(made: Exchange, taker: str | None, objected: Objection) -> None:
    assert why_not(made, taker=taker) is objected


def test_nobody_takes_a_shift_beside_their_own_or_in_their_leave() -> None:
    both = the_plan(rules=[rule("a", "08:00", "20:00"), rule("c", "19:00", "23:00")])
    assert why_not(an_exchange(), both) is Objection.ON_CALL_THEN
    assert why_not(an_exchange(), the_plan(Shift("c", Span(at(1, 19), at(2))))) is Objection.ON_LEAVE


def test_leave_is_a_reason_to_give_a_shift_away() -> None:
    assert why_not(an_exchange(), the_plan(Shift("a", Span(at(1), at(2))))) is None


def test_of_a_shift_that_has_begun_the_rest_may_be_given() -> None:
    made = an_exchange(span=Span(at(0, 8), at(0, 20)))
    assert why_not(made, now=at(0, 12)) is None
    assert list(made.parts("c", at(0, 12))) == [(Span(at(0, 12), at(0, 20)), "a", "c")]


def test_a_swap_of_neighbouring_shifts_may_be_agreed() -> None:
    made = an_exchange(Kind.SWAP, taker="b", back=Span(at(1, 20), at(2, 8)))
    assert why_not(made, taker="b") is None


def test_only_the_other_answers() -> None:
    give, take, all_ = an_exchange(), an_exchange(Kind.TAKE, made_by="c"), an_exchange(taker=None)
    assert [give.may_answer(who) for who in "abc"] == [False, False, True]
    assert [take.may_answer(who) for who in "abc"] == [True, False, False]
    assert [all_.may_answer(who) for who in "abc"] == [False, True, True]


# --- The roster afterwards --------------------------------------------------------------------------------------------


def on_call(definition: dict[str, Any], hour: float) -> tuple[str, ...]:
    return rota.on_call(read(definition), OSLO, at(0, hour))


def read(definition: dict[str, Any]) -> Schedule:
    return read_schedule(node_of(definition, file="roster"), OSLO)


def test_an_override_says_who_has_it_and_around_it_nothing_changes() -> None:
    after = reassigned({"rules": BY_DAY_AND_NIGHT}, OSLO, Span(at(1, 8), at(1, 20)), "a", "c")
    assert after["overrides"] == [
        {"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T19:00:00Z", "add": "c", "remove": "a"}
    ]
    assert [on_call(after, 24 + hour) for hour in (7, 8, 19, 20)] == [("b",), ("c",), ("c",), ("b",)]


def test_a_shift_that_was_taken_over_passes_on_and_back_again() -> None:
    span, part = Span(at(1, 8), at(1, 20)), Span(at(1, 10), at(1, 12))
    first = reassigned({"rules": BY_DAY_AND_NIGHT}, OSLO, span, "a", "c")
    second = reassigned(first, OSLO, part, "c", "d")
    assert [on_call(second, 24 + hour) for hour in (9, 10, 11, 12)] == [("c",), ("d",), ("d",), ("c",)]
    back = reassigned(second, OSLO, part, "d", "a")
    assert [on_call(back, 24 + hour) for hour in (9, 10, 12)] == [("c",), ("a",), ("c",)]
    assert not any(remark.refused for remark in remarks(read(back), OSLO))


def test_within_a_temporary_roster_its_own_shifts_are_changed() -> None:
    whole = {"from": say_instant(at(1)), "to": say_instant(at(2))}
    definition = {"rules": [rule("a")], "temporary": [{**whole, "shifts": [{**whole, "user": "a"}]}]}
    after = reassigned(definition, OSLO, Span(at(1, 20), at(2, 6)), "a", "c")
    assert [on_call(after, hour) for hour in (43, 44, 47, 48, 53, 54)] == [
        ("a",), ("c",), ("c",), ("c",), ("c",), ("a",)
    ]  # fmt: skip


def test_where_an_override_hides_everybody_else_a_colleague_is_not_lost_unseen() -> None:
    definition = {"rules": [rule("a"), rule("b")], "override_mode": "exclusive"}
    with pytest.raises(CannotExchange) as refused:
        reassigned(definition, OSLO, Span(at(1), at(2)), "a", "c")
    assert refused.value.objection is Objection.TANGLED


def test_what_meets_another_change_of_the_same_person_is_left_to_a_coordinator() -> None:
    given_away = {"from": say_instant(at(1, 6)), "to": say_instant(at(1, 10)), "remove": "c", "add": "d"}
    definition = {"rules": BY_DAY_AND_NIGHT, "overrides": [given_away]}
    with pytest.raises(CannotExchange):
        reassigned(definition, OSLO, Span(at(1, 8), at(1, 20)), "a", "c")


def test_what_is_over_is_left_to_the_versions_before() -> None:
    old = {"from": say_instant(at(-9)), "to": say_instant(at(-8)), "remove": "a", "add": "c"}
    now = {"from": say_instant(at(-1)), "to": say_instant(at(0, 12)), "remove": "b", "add": "d"}
    gone = {"from": say_instant(at(-9)), "to": say_instant(at(-8)), "shifts": []}
    definition = {"rules": BY_DAY_AND_NIGHT, "overrides": [old, now], "temporary": [gone]}
    after = reassigned(definition, OSLO, Span(at(0, 10), at(0, 20)), "a", "c", since=at(0))
    assert "temporary" not in after
    assert [each["add"] for each in after["overrides"]] == ["d", "c"]


people = st.sampled_from("abcd")
hours = st.integers(0, 72)
spans = st.builds(lambda start, length: Span(at(0, start), at(0, start + length)), hours, st.integers(1, 30))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(people, st.integers(0, 23), st.integers(0, 23)), min_size=1, max_size=3),
    st.lists(st.tuples(spans, people, people), min_size=1, max_size=5),
)
def test_after_any_row_of_exchanges_the_roster_says_what_was_agreed(
    shifts: list[tuple[str, int, int]], agreed: list[tuple[Span, str, str]]
) -> None:
    definition: dict[str, Any] = {"rules": [rule(who, f"{one:02}:00", f"{two:02}:00") for who, one, two in shifts]}
    for span, holder, taker in agreed:
        plan = the_plan(**definition)
        made = an_exchange(holder=holder, span=span, taker=taker, made_by=holder)
        if objection(made, plan, taker, at(-1), fit=frozenset("abcd")) is not None:
            continue
        before = definition
        try:
            definition = reassigned(definition, OSLO, span, holder, taker)
        except CannotExchange:
            continue
        was_before, is_after = read(before), read(definition)
        for hour in range(-24, 128):
            was, is_now = rota.on_call(was_before, OSLO, at(0, hour)), rota.on_call(is_after, OSLO, at(0, hour))
            inside = span.covers(at(0, hour))
            meant = {taker if inside and person == holder else person for person in was}
            assert set(is_now) == meant


@settings(deadline=None)
@given(spans, st.lists(st.tuples(spans, people), min_size=1, max_size=4))
def test_a_shift_handed_round_is_never_tangled(first: Span, passed: list[tuple[Span, str]]) -> None:
    """One that goes from hand to hand, wholly or in part, and nobody else's changes meet it."""
    assume(passed)
    definition: dict[str, Any] = {"rules": [rule("a")]}
    holders = ["a", "e", "f", "g", "h"]
    span = first
    for number, holder in enumerate(holders[:-1]):
        definition = reassigned(definition, OSLO, span, holder, holders[number + 1])
        middle = Span(span.start, span.start + (span.end - span.start) / 2)
        assert rota.on_call(read(definition), OSLO, span.start) == (holders[number + 1],)
        span = middle
