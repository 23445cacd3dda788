"""What is said about shifts and holes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from escalation.rota import words as rota_words
from escalation.rota.coverage import Hole
from escalation.rota.roster import Span
from helpline.messages import Language
from tests.escalation.stored import PHRASES

OSLO, STOCKHOLM = ZoneInfo("Europe/Oslo"), ZoneInfo("Europe/Stockholm")
EVENING = datetime(2026, 11, 23, 19, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.NB, "man. 23. nov. 20:00–tir. 24. nov. 08:00"),
        (Language.NN, "må. 23. nov. 20:00–ty. 24. nov. 08:00"),
        (Language.SV, "mån 23 nov. 20:00–tis 24 nov. 08:00"),
        (Language.EN, "Mon 23 Nov 20:00–Tue 24 Nov 08:00"),
    ],
)
def test_a_span_is_said_as_short_as_it_is_clear(language: Language, said: str) -> None:
    assert rota_words.say_span(Span(EVENING, EVENING + 12 * HOUR), OSLO, language) == said


def test_a_hole_on_a_holiday_names_it() -> None:
    midsummer = Span(datetime(2026, 6, 19, 6, tzinfo=UTC), datetime(2026, 6, 20, 6, tzinfo=UTC))
    hole = Hole("jour", midsummer)
    assert rota_words.hole_line(PHRASES, hole, zone=STOCKHOLM, language=Language.SV) == (
        "jour: ingen fre 19 juni 08:00–lör 20 juni 08:00 (Midsommarafton och Midsommardagen)"
    )
    until_midnight = Span(midsummer.start, datetime(2026, 6, 19, 22, tzinfo=UTC))
    assert rota_words.holidays_in(until_midnight, STOCKHOLM, Language.SV) == ["Midsommarafton"]
    assert rota_words.holidays_in(until_midnight, OSLO, Language.NB) == []


def test_a_hole_in_a_language_names_the_language() -> None:
    hole = Hole("main", Span(EVENING, EVENING + HOUR), "sv")
    assert rota_words.hole_line(PHRASES, hole, zone=OSLO, language=Language.EN) == (
        "main: nobody who speaks Swedish Mon 23 Nov 20:00–21:00"
    )


@pytest.mark.parametrize(
    ("token", "tap"),
    [
        ("rota:yes:0a1b", rota_words.Tap("yes", "0a1b")),
        (rota_words.token_of("give", "0123456789ab"), rota_words.Tap("give", "0123456789ab")),
        ("rota:maybe:0a1b", None),
        ("page:take:0a1b:1", None),
        ("rota:yes:", None),
        ("", None),
    ],
)
def test_buttons_are_ours_or_not(token: str, tap: rota_words.Tap | None) -> None:
    assert rota_words.tap_of(token) == tap
