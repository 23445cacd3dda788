"""What is said: whole in four languages, cheap by SMS, and a page never holds what anybody wrote."""

from __future__ import annotations

import inspect

import pytest

from escalation import words
from escalation.effects import (
    Alarm,
    AlarmCoordinator,
    Page,
    PageReason,
    TellAdvisor,
    TellClinician,
    ToAdvisor,
    ToClinician,
)
from escalation.standing import Urgency
from escalation.words import About
from helpline.messages import Country, Language
from helpline.segments import Alphabet, segments
from tests.escalation.simulator import START, minutes
from tests.escalation.stored import PHRASES

ABOUT = About("48213", Urgency.URGENT, Language.SV, Country.SE, "Västra Götalands län", START, pleas=3)


def cheap(text: str) -> bool:
    cost = segments(text)
    return cost.alphabet is Alphabet.GSM7 and cost.count <= 2


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("word", ToClinician)
def test_every_word_to_a_clinician_fits_two_segments(word: ToClinician, language: Language) -> None:
    needs_promise = "{by}" in PHRASES.texts.get(f"waiting.{word.value}", {}).get(language, "")
    told = TellClinician(word, by=START + minutes(7) if needs_promise else None)
    for country in Country:
        text = words.to_clinician(PHRASES, told, language=language, country=country, now=START).text
        assert cheap(text), text
        assert "{" not in text


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("word", ToAdvisor)
def test_every_word_to_an_advisor_fits_two_segments(word: ToAdvisor, language: Language) -> None:
    told = TellAdvisor("asha", word)
    text = words.to_advisor(PHRASES, told, code="48213", names=["Asha", "Noor"], language=language).text
    assert cheap(text), text
    assert "48213" in text


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("reason", Alarm)
def test_every_alarm_is_worded(reason: Alarm, language: Language) -> None:
    assert cheap(words.alarm(PHRASES, AlarmCoordinator(reason), code="48213", language=language).text)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("reason", PageReason)
@pytest.mark.parametrize("urgency", Urgency)
def test_page_says_code_urgency_language_and_region(urgency: Urgency, reason: PageReason, language: Language) -> None:
    about = About("48213", urgency, Language.SV, Country.SE, "Västra Götalands län", START, pleas=3)
    called = Page(2, "asha", "7", 1, reason, late=True)
    message = words.page(
        PHRASES, called, about, page_id="ab12:2", owner="Noor", language=language, now=START + minutes(40)
    )
    assert message.text.startswith("[48213-2] ")
    assert "Västra Götalands län" in message.text
    assert PHRASES.say("page.language.sv", language) in message.text
    assert message.urgent is (urgency is Urgency.URGENT)
    assert cheap(message.text), (segments(message.text), message.text)


def test_page_has_no_way_to_hold_what_anybody_wrote() -> None:
    """Neither the page nor what may be told of the escalation has a place for a text of anybody's."""
    assert set(About.__dataclass_fields__) == {
        "code",
        "urgency",
        "language",
        "country",
        "region",
        "opened_at",
        "pleas",
        "drill",
    }
    assert set(inspect.signature(words.page).parameters) == {
        "phrases",
        "called",
        "about",
        "page_id",
        "owner",
        "language",
        "now",
    }


def test_where_the_region_is_not_known_the_country_stands() -> None:
    about = About("48213", Urgency.ROUTINE, Language.EN, Country.NO, "", START, pleas=1)
    called = Page(1, "asha", "7", 1, PageReason.STEP)
    message = words.page(PHRASES, called, about, page_id="ab12:1", owner="", language=Language.NN, now=START)
    assert "Språk: engelsk. Stad: Noreg. Svar 48213" in message.text


def test_promise_of_tomorrow_names_the_day() -> None:
    told = TellClinician(ToClinician.SEEKING, by=START + minutes(60 * 24))
    text = words.to_clinician(PHRASES, told, language=Language.EN, country=Country.NO, now=START).text
    assert "by Monday 03:00" in text


def test_every_effect_has_its_words() -> None:
    for word in ToAdvisor:
        assert PHRASES.has(f"staff.{word.value}")
    for alarm in Alarm:
        assert PHRASES.has(f"alarm.{alarm.value}")
