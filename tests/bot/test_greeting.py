"""The first words: in the language that she asked for, however she asked."""

from __future__ import annotations

import pytest

from bot import dialogue
from bot.dialogue import LANGUAGE, Heard, Say, State
from helpline.messages import Country, InboundKind, Language
from tests.bot.test_dialogue_always import the_world


@pytest.mark.parametrize(
    "heard",
    [Heard(InboundKind.TAP, token=f"{LANGUAGE}:sv"), Heard(InboundKind.TEXT, text="svenska")],
    ids=["tapped", "written"],
)
def test_whoever_asks_for_a_language_is_greeted_in_it(heard: Heard) -> None:
    decision = dialogue.decide(State(Language.NB, Country.NO), heard, the_world()[0])
    said = [effect.message.text for effect in decision.effects if isinstance(effect, Say)]
    assert said[0].startswith("Det här är rådgivningslinjen")
    assert not any("rådgivningslinja" in words for words in said)
    assert decision.state.language is Language.SV
