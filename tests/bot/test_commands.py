"""What asks for a human is a wish and no question, however politely it is put; a question about one is a question."""

from __future__ import annotations

import pytest

from bot.commands import Command, Commands
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
