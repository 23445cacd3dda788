"""What a certification is for: what was decided on, as far as it is still offered, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.messages import Country
from routing.certification.scope import Certification, Waiting, certification, reach, waiting
from routing.certification.standing import (
    Check,
    Decision,
    DecisionKind,
    DecisionState,
    Facts,
    Profile,
    ProfileState,
    RowAnswer,
)
from routing.places import AreaKey, Level
from tests.routing.worlds import PLACES

SE = Country.SE
SPRING, SUMMER, AUTUMN, WINTER = (date(2026, month, 1) for month in (3, 6, 9, 12))
STOCKHOLM, SKANE, SOLNA, SWEDEN = (Level.LAN, "01"), (Level.LAN, "12"), (Level.KOMMUNE, "0184"), (Level.NATIONAL, "SE")
TALKS, HOUSE, KIND = "talks", "house", "kind"
YES = RowAnswer(offered=True)
GRANT = Decision(1, DecisionKind.GRANT, DecisionState.CONFIRMED, SUMMER, upon=1)


def a_profile(number: int, on: date, areas: Sequence[AreaKey] = (STOCKHOLM,), **answers: RowAnswer) -> Profile:
    return Profile(number, ProfileState.ACCEPTED, answers, tuple(areas), accepted_on=on)


def held(facts: Facts, on: date = AUTUMN) -> Certification:
    found = certification(facts, on, SE, PLACES)
    assert found is not None
    return found


def certified_in(facts: Facts, on: date = AUTUMN) -> Mapping[str, set[AreaKey]]:
    """By row, the regions and the country, where it is certified in the whole of them."""
    scope = held(facts, on).scope
    return {row: {key for key in at.whole if key[0] is not Level.KOMMUNE} for row, at in scope.items()}


def waits(facts: Facts, on: date = AUTUMN) -> list[Waiting]:
    return list(waiting(held(facts, on), SE, PLACES))


FIRST = a_profile(1, SPRING, talks=YES)
FACTS = Facts(profiles=(FIRST,), decisions=(GRANT,))


def then(**answers: RowAnswer) -> Facts:
    """The first profile was decided on; a second with these answers was accepted since."""
    return replace(FACTS, profiles=(a_profile(2, AUTUMN, (STOCKHOLM,), **answers), FIRST))


def test_what_was_decided_on_is_certified_where_the_profile_says() -> None:
    assert certified_in(FACTS) == {TALKS: {STOCKHOLM}}
    assert waits(FACTS) == []
    assert certification(FACTS, SPRING, SE, PLACES) is None
    own = replace(FACTS, profiles=(a_profile(1, SPRING, talks=replace(YES, areas=(SKANE,)), house=YES),))
    assert certified_in(own) == {TALKS: {SKANE}, HOUSE: {STOCKHOLM}}


def test_a_row_that_is_new_waits_and_one_that_is_withdrawn_is_gone_at_once() -> None:
    facts = then(talks=RowAnswer(offered=False), house=YES)
    assert certified_in(facts, AUTUMN - timedelta(days=1)) == {TALKS: {STOCKHOLM}}
    assert certified_in(facts) == {}
    assert waits(facts) == [Waiting(HOUSE, new=True)]


@pytest.mark.parametrize(
    ("before", "after", "certified", "is_waiting"),
    [
        ((STOCKHOLM,), (SWEDEN,), {STOCKHOLM}, True),
        ((SWEDEN,), (STOCKHOLM,), {STOCKHOLM}, False),
        ((STOCKHOLM,), (STOCKHOLM, SKANE), {STOCKHOLM}, True),
        ((STOCKHOLM,), (SKANE,), None, True),
        ((STOCKHOLM,), (SOLNA,), set(), False),
        ((SOLNA,), (STOCKHOLM,), set(), True),
    ],
)
def test_of_a_row_that_moves_only_what_both_profiles_say_is_certified(
    before: Sequence[AreaKey], after: Sequence[AreaKey], certified: set[AreaKey] | None, is_waiting: bool
) -> None:
    profiles = (a_profile(2, AUTUMN, after, talks=YES), a_profile(1, SPRING, before, talks=YES))
    facts = replace(FACTS, profiles=profiles)
    assert certified_in(facts) == ({} if certified is None else {TALKS: certified})
    assert waits(facts) == ([Waiting(TALKS, new=False)] if is_waiting else [])


@pytest.mark.parametrize(
    ("was", "now", "certified", "is_waiting"),
    [
        (RowAnswer(True, value="protected"), RowAnswer(True, value="ordinary"), False, True),
        (RowAnswer(True, value="4"), RowAnswer(True, value="9"), True, False),  # more places of the same
        (RowAnswer(True, targets=("women",)), RowAnswer(True, targets=("women", "men")), True, True),
        (RowAnswer(True, targets=("women",)), RowAnswer(True), True, True),
        (RowAnswer(True), RowAnswer(True, targets=("women",)), True, False),
    ],
)
def test_of_a_row_that_becomes_another_or_for_others_only_what_was_decided_holds(
    was: RowAnswer, now: RowAnswer, certified: bool, is_waiting: bool
) -> None:
    facts = replace(FACTS, profiles=(a_profile(2, AUTUMN, kind=now), a_profile(1, SPRING, kind=was)))
    assert (KIND in held(facts).scope) is certified
    assert waits(facts) == ([Waiting(KIND, new=False)] if is_waiting else [])
    assert held(facts).targets(KIND) == (("women",) if was.targets or now.targets else ())


def test_only_a_new_decision_of_two_takes_up_what_waits() -> None:
    facts = then(talks=YES, house=YES)
    both = {TALKS: {STOCKHOLM}, HOUSE: {STOCKHOLM}}
    again = replace(facts, decisions=(GRANT, Decision(2, DecisionKind.GRANT, DecisionState.CONFIRMED, WINTER, upon=2)))
    assert certified_in(again, AUTUMN) == {TALKS: {STOCKHOLM}}
    assert (certified_in(again, WINTER), waits(again, WINTER)) == (both, [])
    assert held(again, WINTER).certificate.until == held(FACTS).certificate.until  # wider, and no longer
    checked = replace(facts, checks=(Check(WINTER, in_order=True),))
    assert certified_in(checked, WINTER) == {TALKS: {STOCKHOLM}}  # one person makes it
    assert waits(checked, WINTER) == [Waiting(HOUSE, new=True)]
    assert held(checked, WINTER).certificate.until > held(FACTS).certificate.until
    proposed = Decision(2, DecisionKind.GRANT, DecisionState.PROPOSED, None, upon=2)
    assert certified_in(replace(facts, decisions=(GRANT, proposed)), WINTER) == {TALKS: {STOCKHOLM}}


@pytest.mark.parametrize(
    ("between", "certified", "waiting_for"),
    [
        (RowAnswer(offered=False), {}, [Waiting(KIND, new=True)]),
        (RowAnswer(True, value="protected", areas=(SOLNA,)), {KIND: set[AreaKey]()}, [Waiting(KIND, new=False)]),
        (RowAnswer(True, value="ordinary"), {}, [Waiting(KIND, new=False)]),
        (RowAnswer(True, value="protected", targets=("women",)), {KIND: {STOCKHOLM}}, [Waiting(KIND, new=False)]),
    ],
)
def test_what_was_withdrawn_and_comes_back_waits_for_two(
    between: RowAnswer, certified: Mapping[str, set[AreaKey]], waiting_for: list[Waiting]
) -> None:
    same = RowAnswer(True, value="protected")
    profiles = (
        a_profile(3, AUTUMN, kind=same),
        Profile(4, ProfileState.DRAFT, {}),
        a_profile(2, SUMMER, kind=between),
        a_profile(1, SPRING, kind=same),
    )
    facts = replace(FACTS, profiles=profiles)
    assert (certified_in(facts), waits(facts)) == (certified, waiting_for)
    decided = replace(facts, decisions=(GRANT, replace(GRANT, id=2, on=AUTUMN, upon=3)))
    assert (certified_in(decided), waits(decided)) == ({KIND: {STOCKHOLM}}, [])


def test_a_row_that_is_for_quite_others_now_is_certified_for_nobody_and_not_for_everybody() -> None:
    was, now = RowAnswer(True, targets=("women",)), RowAnswer(True, targets=("men",))
    facts = replace(FACTS, profiles=(a_profile(2, AUTUMN, talks=now), a_profile(1, SPRING, talks=was)))
    assert certified_in(facts) == {}
    assert waits(facts) == [Waiting(TALKS, new=False)]


def test_what_was_accepted_after_the_proposal_was_not_before_both_of_them() -> None:
    late = Decision(2, DecisionKind.GRANT, DecisionState.CONFIRMED, WINTER, upon=1)
    assert certified_in(replace(then(talks=YES, house=YES), decisions=(GRANT, late)), WINTER) == {TALKS: {STOCKHOLM}}


def test_a_region_is_covered_by_its_name_by_what_is_around_it_and_by_all_that_is_in_it() -> None:
    kommuner = [place.key for place in PLACES.kommuner_in(PLACES.get(SE, *STOCKHOLM))]
    by_name, by_parts = reach([STOCKHOLM], SE, PLACES), reach(kommuner, SE, PLACES)
    assert by_name == by_parts
    assert by_name.whole == {STOCKHOLM, *kommuner}
    assert by_name.part == by_name.whole | {SWEDEN}
    assert STOCKHOLM not in reach(kommuner[1:], SE, PLACES).whole
    assert SWEDEN in reach([place.key for place in PLACES.places(SE, Level.LAN)], SE, PLACES).whole
    assert reach([], SE, PLACES) == reach([(Level.KOMMUNE, "9999")], SE, PLACES) == (frozenset(), frozenset())


KEYS = st.lists(st.sampled_from([STOCKHOLM, SKANE, SOLNA, SWEDEN, (Level.LAN, "25")]), max_size=3)
ANSWERS = st.dictionaries(st.sampled_from([TALKS, HOUSE, KIND]), st.builds(RowAnswer, st.booleans(), areas=st.tuples()))


@given(before=ANSWERS, after=ANSWERS, where=KEYS, there=KEYS)
def test_nothing_is_certified_that_was_not_decided_on_or_is_not_offered(
    before: Mapping[str, RowAnswer], after: Mapping[str, RowAnswer], where: list[AreaKey], there: list[AreaKey]
) -> None:
    profiles = (
        Profile(2, ProfileState.ACCEPTED, after, tuple(there), accepted_on=AUTUMN),
        Profile(1, ProfileState.ACCEPTED, before, tuple(where), accepted_on=SPRING),
    )
    found = held(replace(FACTS, profiles=profiles))
    waiting_rows = {each.row for each in waiting(found, SE, PLACES)}
    for place in (*PLACES.places(SE, Level.LAN), *PLACES.kommuner_in(PLACES.get(SE, *STOCKHOLM))):
        for row in (TALKS, HOUSE, KIND):
            offered = [
                row in profile.offered and not {*profile.where(row)}.isdisjoint(place.areas) for profile in profiles
            ]
            is_certified = row in found.scope and place.key in found.scope[row].whole
            assert is_certified is all(offered)
            # What is offered now and not certified waits: nothing is lost in between.
            assert row in waiting_rows or not offered[0] or is_certified
