"""A provider's standing: what each step needs, what is missing, and until when a certification holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import content_folder
from helpline.messages import Country
from routing.certification.catalogue import PLACES, Catalogue
from routing.certification.standing import (
    Action,
    ActionState,
    Check,
    Decision,
    DecisionKind,
    DecisionState,
    Duty,
    Facts,
    Lack,
    Missing,
    Profile,
    ProfileState,
    Requirements,
    RowAnswer,
    State,
    Verdict,
    Visit,
    answer_of,
    certificate,
    lacks_to_check,
    months_later,
    nobody_offers,
    regions_of,
    standing,
)
from routing.places import Gazetteer, Level

CATALOGUE = Catalogue.load(content_folder())
BOOK = Requirements.load(content_folder())
GAZETTEER = Gazetteer.load(content_folder() / "places")
SPRING = date(2026, 3, 1)
SUMMER = date(2026, 6, 1)
STOCKHOLM = (Level.LAN, "01")
TALKS = "protection.support_work.supportive_talks"

ANSWERS = {row: RowAnswer(offered=False) for row in CATALOGUE.rows} | {TALKS: RowAnswer(offered=True)}
PROFILE = Profile(1, ProfileState.ACCEPTED, ANSWERS, (STOCKHOLM,), accepted_on=SPRING)
ALL_MET = dict.fromkeys(BOOK.by_key, Verdict.MET)
VISIT = Visit(1, SPRING, ALL_MET, closed=True)
READY = Facts(profiles=(PROFILE,), visits=(VISIT,))
GRANT = Decision(1, DecisionKind.GRANT, DecisionState.CONFIRMED, SUMMER)
CERTIFIED = replace(READY, decisions=(GRANT,))


def test_the_book_has_the_steps_and_the_25_requirements_of_the_source() -> None:
    assert [step.sv for step in BOOK.steps][:2] == ["Insamling av information", "Certifieringsbesök"]
    assert [len(phase.requirements) for phase in BOOK.phases] == [5, 9, 3, 8]
    assert BOOK.by_key["complaints"].question_sv == "Vilka rutiner finns för att hantera klagomål från klienter?"


@pytest.mark.parametrize(
    ("facts", "state", "missing"),
    [
        (Facts(), State.INFORMATION, [Missing.PROFILE, Missing.VISIT]),
        (
            Facts(profiles=(replace(PROFILE, state=ProfileState.DRAFT, answers={}),)),
            State.INFORMATION,
            [Missing.ROWS, Missing.VISIT],
        ),
        (
            Facts(profiles=(replace(PROFILE, state=ProfileState.DRAFT, areas=()),)),
            State.INFORMATION,
            [Missing.AREAS, Missing.VISIT],
        ),
        (
            Facts(profiles=(replace(PROFILE, state=ProfileState.SENT),)),
            State.INFORMATION,
            [Missing.NOT_ACCEPTED, Missing.VISIT],
        ),
        (Facts(profiles=(PROFILE,)), State.VISIT, [Missing.VISIT]),
        (replace(READY, visits=(replace(VISIT, closed=False),)), State.VISIT, [Missing.VISIT_OPEN]),
        (READY, State.READY, []),
        (
            replace(READY, decisions=(Decision(1, DecisionKind.GRANT, DecisionState.PROPOSED, None),)),
            State.PROPOSED,
            [],
        ),
        (
            replace(READY, decisions=(Decision(1, DecisionKind.GRANT, DecisionState.TURNED_DOWN, SUMMER),)),
            State.READY,
            [],
        ),
        (CERTIFIED, State.CERTIFIED, []),
    ],
)
def test_where_a_provider_stands_and_what_is_missing(facts: Facts, state: State, missing: Sequence[Missing]) -> None:
    stands = standing(BOOK, CATALOGUE, facts, SUMMER)
    assert (stands.state, [lack.what for lack in stands.missing]) == (state, missing)


@pytest.mark.parametrize(
    ("action", "lacks"),
    [
        (None, [Lack(Missing.NO_ACTION, 1, ("complaints",)), Lack(Missing.UNMET, 1, ("complaints",))]),
        (Action(1, "complaints", SUMMER, ActionState.OPEN), [Lack(Missing.UNMET, 1, ("complaints",))]),
        (Action(1, "complaints", SUMMER, ActionState.SAID_DONE), [Lack(Missing.UNMET, 1, ("complaints",))]),
        (
            Action(1, "complaints", SUMMER, ActionState.DROPPED),
            [Lack(Missing.NO_ACTION, 1, ("complaints",)), Lack(Missing.UNMET, 1, ("complaints",))],
        ),
        (Action(1, "complaints", SUMMER, ActionState.DONE, done_on=SPRING), []),
        # Done before the visit that found it wanting: it was not enough.
        (
            Action(1, "complaints", SUMMER, ActionState.DONE, done_on=SPRING - timedelta(days=1)),
            [Lack(Missing.UNMET, 1, ("complaints",))],
        ),
    ],
)
def test_what_is_unmet_needs_an_item_in_the_plan_and_that_item_done(action: Action | None, lacks: list[Lack]) -> None:
    visit = replace(VISIT, verdicts=ALL_MET | {"complaints": Verdict.NOT_MET})
    facts = Facts(profiles=(PROFILE,), visits=(visit,), actions=(action,) if action is not None else ())
    assert list(standing(BOOK, CATALOGUE, facts, SUMMER).missing) == lacks


def test_a_later_visit_needs_to_look_only_at_what_was_left() -> None:
    first = replace(VISIT, verdicts={**ALL_MET, "incidents": Verdict.OPEN, "complaints": Verdict.NOT_MET})
    second = Visit(2, SUMMER, {"incidents": Verdict.MET, "complaints": Verdict.MET}, closed=True)
    before = standing(BOOK, CATALOGUE, replace(READY, visits=(first,)), SUMMER)
    assert before.steps[1].missing[0] == Lack(Missing.NOT_LOOKED_AT, 1, ("incidents",))
    assert standing(BOOK, CATALOGUE, replace(READY, visits=(first, second)), SUMMER).state is State.READY


def test_a_certification_holds_a_year_and_lapses_by_itself() -> None:
    last = date(2027, 6, 1)
    assert standing(BOOK, CATALOGUE, CERTIFIED, last).certified
    lapsed = standing(BOOK, CATALOGUE, CERTIFIED, last + timedelta(days=1))
    assert (lapsed.certified, lapsed.state, lapsed.until) == (False, State.LAPSED, last)
    assert [due.duty for due in lapsed.overdue] == [Duty.CHECK, Duty.TRAINING]
    # To be given it again, it shows what the yearly check would have asked for.
    assert [lack.what for lack in lapsed.missing] == [Missing.TRAINING]


def test_a_check_in_order_and_in_time_gives_another_year_and_no_other_does() -> None:
    until = date(2027, 6, 1)
    in_time, late = Check(until, in_order=True), Check(until + timedelta(days=1), in_order=True)
    assert standing(BOOK, CATALOGUE, replace(CERTIFIED, checks=(in_time,)), until).until == date(2028, 6, 1)
    assert standing(BOOK, CATALOGUE, replace(CERTIFIED, checks=(late,)), late.on).certified is False
    not_in_order = replace(CERTIFIED, checks=(replace(in_time, in_order=False),))
    assert standing(BOOK, CATALOGUE, not_in_order, until).until == until


def test_what_is_withdrawn_is_gone_at_once_and_may_be_given_again() -> None:
    autumn = date(2026, 9, 1)
    withdrawn = Decision(2, DecisionKind.WITHDRAW, DecisionState.CONFIRMED, autumn)
    facts = replace(CERTIFIED, decisions=(GRANT, withdrawn), trainings=(SUMMER,))
    assert standing(BOOK, CATALOGUE, facts, autumn - timedelta(days=1)).certified
    stands = standing(BOOK, CATALOGUE, facts, autumn)
    assert (stands.certified, stands.state, stands.check_due) == (False, State.WITHDRAWN, None)
    again = replace(
        facts, decisions=(*facts.decisions, Decision(3, DecisionKind.GRANT, DecisionState.CONFIRMED, autumn))
    )
    assert standing(BOOK, CATALOGUE, again, autumn).until == date(2027, 9, 1)


def test_what_is_late_and_what_is_soon() -> None:
    late = Action(7, "", SUMMER - timedelta(days=1), ActionState.OPEN)
    today = Action(8, "", SUMMER, ActionState.SAID_DONE)
    far = Action(9, "", SUMMER + timedelta(days=61), ActionState.OPEN)
    done = Action(10, "", SPRING, ActionState.DONE, done_on=SPRING)
    stands = standing(BOOK, CATALOGUE, replace(CERTIFIED, actions=(late, today, far, done)), SUMMER)
    assert [due.action_id for due in stands.overdue] == [7]
    assert [due.action_id for due in stands.soon] == [8]
    assert stands.to_look_at == 1
    assert stands.certified  # late is late, and no reason to be struck off overnight


@pytest.mark.parametrize(
    ("trainings", "actions", "lacks"),
    [
        ((), (), [Missing.TRAINING]),
        ((date(2025, 5, 31),), (), [Missing.TRAINING]),
        ((date(2025, 6, 1),), (), []),
        ((SUMMER + timedelta(days=1),), (), [Missing.TRAINING]),  # not attended yet
        ((SPRING,), (Action(1, "", SPRING, ActionState.OPEN),), [Missing.OVERDUE]),
    ],
)
def test_a_check_is_in_order_only_with_a_training_and_nothing_late(
    trainings: tuple[date, ...], actions: tuple[Action, ...], lacks: list[Missing]
) -> None:
    facts = replace(CERTIFIED, trainings=trainings, actions=actions)
    assert [lack.what for lack in lacks_to_check(facts, SUMMER)] == lacks


def test_who_has_no_place_to_live_is_not_asked_what_it_is_like() -> None:
    none = Profile(1, ProfileState.DRAFT, {PLACES: answer_of(CATALOGUE.rows[PLACES], RowAnswer(value="0"))})
    some = Profile(1, ProfileState.DRAFT, {PLACES: answer_of(CATALOGUE.rows[PLACES], RowAnswer(value="4"))})
    assert (len(none.unanswered(CATALOGUE)), len(some.unanswered(CATALOGUE))) == (71, 78)
    assert (set(none.offered), set(some.offered)) == (set(), {PLACES})


@given(
    granted=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    checks=st.lists(st.tuples(st.integers(0, 1500), st.booleans()), max_size=6),
    later=st.integers(0, 2500),
)
def test_a_certificate_never_outlives_a_year_from_what_it_rests_on(
    granted: date, checks: list[tuple[int, bool]], later: int
) -> None:
    decision = Decision(1, DecisionKind.GRANT, DecisionState.CONFIRMED, granted)
    made = [Check(granted + timedelta(days=days), in_order) for days, in_order in checks]
    on = granted + timedelta(days=later)
    found = certificate([decision], made, on)
    assert found is not None
    rests_on = [granted, *(check.on for check in made if check.in_order and check.on <= on)]
    assert found.until in {months_later(day, 12) for day in rests_on}
    if found.holds(on):
        assert on <= months_later(max(rests_on), 12)


@pytest.mark.parametrize(
    ("day", "later"), [(date(2028, 2, 29), date(2029, 2, 28)), (date(2026, 12, 31), date(2027, 12, 31))]
)
def test_a_year_later(day: date, later: date) -> None:
    assert months_later(day, 12) == later


def test_a_gap_is_a_row_that_nobody_offers_in_a_region() -> None:
    malmo = next(each for each in GAZETTEER.places(Country.SE, Level.KOMMUNE) if each.name == "Malmö")
    offerings = [
        {TALKS: [STOCKHOLM]},
        {TALKS: [malmo.key]},
        {"return.return_process.id_passport": [(Level.NATIONAL, "SE")]},
    ]
    gaps = nobody_offers(CATALOGUE, Country.SE, GAZETTEER, offerings)
    assert {place.code for place in gaps[TALKS]} == {
        place.code for place in GAZETTEER.places(Country.SE, Level.LAN)
    } - {"01", "12"}
    assert "return.return_process.id_passport" not in gaps
    assert len(gaps) == 78


def test_a_norwegian_health_region_covers_its_fylker() -> None:
    region = next(each for each in GAZETTEER.places(Country.NO, Level.HELSEREGION) if "Vest" in each.name)
    codes = regions_of([region.key], Country.NO, GAZETTEER)
    assert {"11", "46"} <= codes
    assert codes < {place.code for place in GAZETTEER.places(Country.NO, Level.FYLKE)}
