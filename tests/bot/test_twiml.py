"""What we may say to Twilio, by Twilio's own list: the list itself, each verb of ours, and that faults are found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.voice import (
    LONGEST_SAY,
    SPOKEN,
    VOICES,
    Conference,
    Dial,
    Gather,
    Hangup,
    Pause,
    Redirect,
    Reject,
    Say,
    Verb,
    render,
)
from helpline.messages import Language
from tests import twiml
from tests.needs import needs_node
from tests.phone import Document

pytestmark = pytest.mark.node

URL = "https://varde.example/twilio/voice/page?c=00ff&n=1"
ALL: list[list[Verb]] = [
    [Say("Er noen i fare: ring 112 & si <ja>", language) for language in Language],
    [Gather(URL, (Say("Trykk 1", Language.NB), Pause(2))), Redirect(URL)],
    [Gather(URL, input=("dtmf", "speech"), hints=("pass", "rådgiver"), num_digits=None, finish_on_key="#")],
    [Gather(URL, input=("speech",), language=Language.NN, speech_timeout="3", timeout=9, action_on_empty=False)],
    [Dial(Conference("ab12", wait_url=URL, status_callback=URL, end_on_exit=True), action=URL, time_limit=60)],
    [Dial(Conference("ab12", beep=True, start_on_enter=False))],
    [Hangup()],
    [Reject()],
    [Reject(busy=False)],
]


@pytest.fixture
def grammar() -> twiml.Grammar:
    needs_node("twilio")
    return twiml.grammar()


def test_the_list_was_read_whole(grammar: twiml.Grammar) -> None:
    for tag in ("Say", "Gather", "Dial", "Redirect", "Hangup", "Pause", "Reject"):
        assert ("VoiceResponse", tag) in grammar.elements
    assert len(grammar.elements) > 70
    assert {"nb-NO", "sv-SE", "en-GB"} <= grammar.values["SayLanguage"] & grammar.values["GatherLanguage"]
    kinds = {kind.removesuffix("[]") for each in grammar.elements.values() for kind in each.attributes.values()}
    assert kinds - set(grammar.values) == {"string", "number", "boolean"}


@pytest.mark.parametrize("verbs", ALL)
def test_every_verb_of_ours_is_on_the_list(grammar: twiml.Grammar, verbs: list[Verb]) -> None:
    assert grammar.faults(render(verbs)) == []


@pytest.mark.parametrize("language", list(Language))
def test_every_language_has_a_voice_of_its_own_tongue(grammar: twiml.Grammar, language: Language) -> None:
    assert VOICES[language] in grammar.values["SayVoice"]
    assert SPOKEN[language] in grammar.values["GatherLanguage"]


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ('<Response><Say voice="Polly.Nobody">a</Say></Response>', "voice of <Say>"),
        ('<Response><Gather numdigits="1"/></Response>', "no attribute numdigits"),
        ('<Response><Gather input="dtmf voice"/></Response>', "input of <Gather>"),
        ('<Response><Gather method="PUT"/></Response>', "method of <Gather>"),
        ('<Response><Gather timeout="soon"/></Response>', "timeout of <Gather>"),
        ('<Response><Gather actionOnEmptyResult="True"/></Response>', "actionOnEmptyResult"),
        ("<Response><Gather><Redirect>a</Redirect></Gather></Response>", "<Redirect> may not stand in <Gather>"),
        ("<Response><Conference>a</Conference></Response>", "<Conference> may not stand in <Response>"),
        ("<Response><Hangup>a</Hangup></Response>", "No words may stand in <Hangup>"),
        ("<Response><Gather>a<Say>b</Say></Gather></Response>", "No words may stand in <Gather>"),
        ("<Response>a</Response>", "No words may stand in <Response>"),
        ("<Answer/>", "not a <Answer>"),
        ("<Response>", "not XML"),
    ],
)
def test_what_is_not_on_the_list_is_found(grammar: twiml.Grammar, document: str, fault: str) -> None:
    assert any(fault in found for found in grammar.faults(document)), grammar.faults(document)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=400))
def test_whatever_is_said_is_said_whole(words: str) -> None:
    said = Document(render([Say(words * 30, Language.NB), Hangup()]))
    parts = [part.text or "" for part in said.root.iter("Say")]
    assert all(0 < len(part) <= LONGEST_SAY for part in parts)
    assert "".join("".join(parts).split()) == "".join((words * 30).split())


def test_what_is_said_is_not_printed() -> None:
    verbs = [Say("hun er redd", Language.NB), Gather(URL, (Say("hun er redd", Language.NB),), hints=("hun er redd",))]
    assert "redd" not in repr(verbs)
