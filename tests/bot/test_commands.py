"""What asks for a human is a wish and no question, however politely it is put; a question about one is a question."""

from __future__ import annotations

import pytest

from bot.commands import Command, Commands
from bot.referral import COMMON_NEEDS, WHEN, WHO
from helpline.content import content_folder

COMMANDS = Commands.load(content_folder() / "commands.yaml")


@pytest.mark.parametrize(
    "said",
    [
        "rådgiver",
        "/advisor",
        "0",
        "Rådgivare!",
        "radgivr",
        "jeg må snakke med en rådgiver",
        "Hei, jeg må få snakke med en rådgiver nå!",
        "kan jeg få snakke med et menneske?",
        "treng ein rådgjevar no",
        "jag behöver en rådgivare",
        "jag vill tala med en människa nu, tack",
        "I need to talk to a human please",
        "jeg trenger noen å snakke med",
    ],
)
def test_a_wish_for_a_human_is_understood(said: str) -> None:
    recognised = COMMANDS.recognise(said)
    assert recognised is not None
    assert recognised.command is Command.ADVISOR


@pytest.mark.parametrize(
    "said",
    [
        "må jeg ha en rådgiver til stede?",
        "hvem er rådgiver",
        "er du et menneske",
        "hva er menneskehandel",
        "kan en rådgiver være med pasienten til politiet",
        "jeg trenger hjelp nå",
        "har pasienten krav på advokat",
        "is a human rights lawyer free",
        "jeg må gi 2 mg nå",
    ],
)
def test_a_question_is_not_taken_for_a_wish(said: str) -> None:
    recognised = COMMANDS.recognise(said)
    assert recognised is None or recognised.command is not Command.ADVISOR


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("hvem kan hjelpe i Tromsø?", "tromso"),
        ("Kven kan hjelpe pasienten min i Førde", "forde"),
        ("vem kan hjälpa henne i Malmö", "malmo"),
        ("Who can help us tonight in Stavanger?", "stavanger"),
        ("tjenester i Bodø", "bodo"),
        ("hvem kan hjelpe", ""),
        ("hvem kan hjelpe henne", ""),
        ("hvem er i Tromsø", ""),
    ],
)
def test_a_place_behind_who_can_help_is_heard(said: str, place: str) -> None:
    assert COMMANDS.who_helps_where(said) == place


@pytest.mark.parametrize(
    ("asked", "text", "means"),
    [
        ("who", "jente 15", "who:child"),
        ("who", "Mann, 17 år", "who:child"),
        ("who", "16-åring", "who:child"),
        ("who", "kvinne på 30 år", "who:woman"),
        ("who", "tjej 22", "who:woman"),
        ("who", "jente", ""),  # a girl of 15, or a young woman
        ("who", "30", ""),
        ("who", "under 18", "who:child"),
        ("who", "mamma med barn", "who:family"),
        ("who", "hva med menn?", ""),
        ("when", "I kväll", "when:now"),
        ("when", "i morgen", "when:tomorrow"),
        ("when", "haster ikke", "when:later"),
        ("when", "når åpner de i morgen", ""),
        ("need", "lawyer", "need:legal"),
        ("need", "kvinne", ""),
    ],
)
def test_what_is_asked_of_a_patient_may_be_answered_in_everyday_words(asked: str, text: str, means: str) -> None:
    assert COMMANDS.answers_to(asked, text) == means


def test_every_such_answer_is_a_button_too() -> None:
    known = {*COMMON_NEEDS, *WHO, *WHEN}
    assert {means.partition(":")[2] for means in COMMANDS.answers.values()} <= known
