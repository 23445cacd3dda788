"""The steps of a referral that journeys do not show: second taps, hidden places, and times as people write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from bot import referring
from bot.answers import Form
from bot.referral import Draft
from bot.referring import CallTogether, MakeReferral, Making, Scene, Step
from helpline.messages import Country, Language
from routing.matching.query import AgeGroup
from routing.referrals.referral import Basis, Referral, Via
from routing.services import Answer, ServiceKind, Sex
from tests.conftest import NINE
from tests.routing.worlds import WORLD, a_directory, a_service

HOME = a_service("house-of-ann", kind=ServiceKind.PROTECTED_HOUSING, introduction=Answer.YES)
DRAFT = Draft("NO", "kommune", "0301", "Oslo", "03", ("legal",), "man", "now", offered=("house-of-ann",))
SCENE = Scene(
    phrases=WORLD.phrases,
    language=Language.NB,
    country=Country.NO,
    directory=a_directory(HOME),
    gazetteer=WORLD.gazetteer,
    form=Form.WIDE,
    now=NINE,
    fresh_id="r1",
    draft=DRAFT,
)


def referral_to(service_id: str) -> Referral:
    """A referral of a man in Oslo that nobody has told of."""
    return Referral(
        id="r1",
        service_id=service_id,
        service_revision=1,
        country=Country.NO,
        region="03",
        needs=("legal",),
        sex=None,
        age_group=None,
        with_children=False,
        basis=Basis.ADVICE,
        consent=None,
        introduction=False,
        via=Via.CHAT,
        made_by="conversation:c1",
        conversation_id="c1",
        made_at=NINE,
        ask_at=NINE,
    )


def test_no_button_names_a_hidden_place_and_each_leads_there() -> None:
    (choice,) = referring.offers(["house-of-ann"], SCENE)
    assert "ann" not in f"{choice.token} {choice.label}".lower()
    turned = referring.told(None, choice.token.removeprefix("f:"), SCENE)
    assert turned is not None
    assert turned.making == Making(Step.BASIS, "house-of-ann")


def test_a_call_together_is_offered_where_the_service_takes_it_and_wakes_somebody_only_then() -> None:
    asked = referring.told(Making(Step.BASIS, "house-of-ann"), "basis:consent", SCENE)
    assert asked is not None
    assert asked.making is not None
    assert asked.making.step is Step.INTRODUCTION
    assert [type(deed) for deed in asked.does] == [MakeReferral]
    alone = referring.told(asked.making, "alone", SCENE)
    together = referring.told(asked.making, "together", SCENE)
    assert alone is not None
    assert together is not None
    assert (alone.seek, alone.does) == (False, ())
    assert (together.seek, together.does) == (True, (CallTogether("r1"),))
    assert "ikke sikkert" in together.text
    # The button of the question before makes nothing a second time.
    assert referring.told(replace(asked.making, step=Step.SAFE), "basis:consent", SCENE) is None


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("9-15", (time(9), time(15))),
        ("kl. 8 til 16.30", (time(8), time(16, 30))),
        ("mellom 22:00 og 06:00", (time(22), time(6))),
        ("etter kl 16", (time(16), time(22))),
        ("före 12", (time(7), time(12))),
        ("i morgen", None),
        ("romnummer 45-67", None),
        ("hun er i uke 3 til 6 måneder på vei", None),
        ("refleksjon från 3 till 6 månader", None),
        ("ikke etter 16", None),
        ("not before 10", None),
        ("after 5 pm", None),
        ("9 til 9", None),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: tuple[time, time] | None) -> None:
    assert referring.read_hours(text) == hours


def test_the_button_of_an_earlier_question_agrees_to_no_other_service() -> None:
    other = a_service("other", introduction=Answer.NO)
    scene = replace(SCENE, directory=a_directory(HOME, other))
    first = referring.choose("house-of-ann", scene)
    second = referring.choose("other", scene)
    assert second.making is not None
    assert referring.told(second.making, first.choices[0].token.removeprefix("f:"), scene) is None
    agreed = referring.told(second.making, second.choices[0].token.removeprefix("f:"), scene)
    assert agreed is not None
    (made,) = agreed.does
    assert isinstance(made, MakeReferral)
    assert made.service.id == "other"


@pytest.mark.parametrize("step", [Step.WHICH, Step.WHEN])
def test_a_question_in_between_is_no_answer(step: Step) -> None:
    assert referring.heard(Making(step), "hva gjør house of ann mellom 9 og 15?", SCENE) is None


def test_where_there_is_no_telephone_nobody_can_choose_to_be_called_only() -> None:
    asked = referring.told(Making(Step.WHEN), "when:day", SCENE)
    assert asked is not None
    assert asked.making is not None
    assert (asked.making.step, asked.making.ways) == (Step.SAY, ("write",))
    spoken = referring.told(Making(Step.WHEN), "when:day", replace(SCENE, form=Form.SPOKEN))
    assert spoken is not None
    assert spoken.making is not None
    assert spoken.making.step is Step.HOW


@pytest.mark.parametrize(
    ("text", "token"), [("Fullt", "o:r1:full"), ("sa nei", "o:r1:refused"), ("bra", "o:r1:accepted"), ("kanskje", None)]
)
def test_what_came_of_it_may_be_written_as_it_stands_on_the_buttons(text: str, token: str | None) -> None:
    offered = [choice.token for choice in referring.ask_outcome(referral_to("house-of-ann"), SCENE).choices]
    assert referring.outcome_typed(text, offered, SCENE) == token


@pytest.mark.parametrize(("text", "token"), [("Fullt", "o:r1:full"), ("bra", None), ("kanskje", None)])
def test_what_came_of_it_may_be_told_at_once_where_telling_is_offered(text: str, token: str | None) -> None:
    assert referring.outcome_typed(text, ["f:reach", "o:r1"], SCENE) == token


def test_who_is_under_18_is_led_to_child_protection_before_whoever_comes_after_the_one_that_was_full() -> None:
    tried = replace(referral_to("alarmtelefonen"), needs=("housing-tonight",), age_group=AgeGroup.MINOR)
    scene = replace(SCENE, directory=WORLD.directory, referrals=(tried,), draft=None)
    best = referring.next_best(tried, scene)
    assert best is not None
    assert best.kind is ServiceKind.CHILD_PROTECTION


def test_who_turns_out_to_be_under_18_is_not_led_to_a_shelter_for_adults() -> None:
    tried = replace(referral_to("oslo"), needs=("housing-tonight",), sex=Sex.FEMALE, age_group=AgeGroup.ADULT)
    scene = replace(SCENE, directory=WORLD.directory, referrals=(tried,), draft=None)
    woman = referring.next_best(tried, scene)
    child = referring.next_best(tried, replace(scene, minor=True))
    assert woman is not None
    assert woman.kind is ServiceKind.CRISIS_CENTRE
    assert child is not None
    assert child.kind is ServiceKind.CHILD_PROTECTION


def test_the_button_of_an_earlier_search_leads_no_child_to_a_shelter_for_adults() -> None:
    (choice,) = referring.offers(["house-of-ann"], SCENE)
    tapped = choice.token.removeprefix("f:")
    assert referring.told(None, tapped, replace(SCENE, draft=replace(DRAFT, who="child"))) is None
    assert referring.told(None, tapped, replace(SCENE, minor=True)) is None
