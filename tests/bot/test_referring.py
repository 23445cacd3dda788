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
from routing.services import Answer, ServiceKind
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
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: tuple[time, time] | None) -> None:
    assert referring.read_hours(text) == hours
