"""Phrases: whole in every language, and put together as people speak."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from helpline.content import ContentError, content_folder
from helpline.languages import from_tag, guess
from helpline.messages import Country, Language
from helpline.phrases import ZONES, Phrases, say_date, say_list, say_time

SHIPPED = Phrases.load(content_folder() / "phrases")


def written(folder: Path, text: str) -> Path:
    (folder / "p.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hi: {nb: hei, nn: hei, sv: hej}\n", "p.yaml:1"),  # English is missing
        ("hi: {nb: 'kl {at}', nn: 'kl {at}', sv: 'kl {at}', en: at}\n", "placeholders"),
        ("hi: {nb: a, nn: a, sv: a, en: a, da: a}\n", "da"),
        ("hi: {nb: a, nn: a, sv: a, en: a}\nhi: {nb: a, nn: a, sv: a, en: a}\n", "p.yaml:2"),
    ],
)
def test_a_half_translated_phrase_stops_the_start(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ContentError, match=sentence):
        Phrases.load(written(tmp_path, text))


def test_what_a_clinician_reads_keeps_its_voice() -> None:
    """No exclamation marks, no emoji, no "unfortunately", in any language; see the voice of the line."""
    for key, said in SHIPPED.texts.items():
        for language, text in said.items():
            assert "!" not in text, f"{key} {language}"
            for word in ("dessverre", "tyvärr", "unfortunately", "sorry", "beklager"):
                assert word not in text.lower(), f"{key} {language}"
            assert all(ord(sign) < 0x2190 for sign in text), f"{key} {language}"


def test_danger_names_the_numbers_of_the_country_first() -> None:
    for language in Language:
        for key in ("danger", "danger.known"):
            norwegian = SHIPPED.say_in(key, Country.NO, language)
            assert norwegian.index("112") < 40
            assert "113" in norwegian
            swedish = SHIPPED.say_in(key, Country.SE, language)
            assert "112" in swedish
            assert "113" not in swedish


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.NB, "2.11.2026"),
        (Language.NN, "2.11.2026"),
        (Language.SV, "2026-11-02"),
        (Language.EN, "2 November 2026"),
    ],
)
def test_a_date_is_written_as_people_write_it(language: Language, said: str) -> None:
    assert say_date(date(2026, 11, 2), language) == said


def test_a_time_is_the_one_on_her_wall_and_names_the_day_where_it_is_another() -> None:
    now = datetime(2026, 11, 22, 22, 50, tzinfo=UTC)  # 23:50 in Oslo
    zone = ZONES[Country.NO]
    assert say_time(now + timedelta(minutes=5), now=now, zone=zone, language=Language.NB) == "23:55"
    assert say_time(now + timedelta(minutes=20), now=now, zone=zone, language=Language.NB) == "mandag 00:10"
    assert say_time(now + timedelta(minutes=20), now=now, zone=zone, language=Language.SV) == "måndag 00:10"


def test_several_things_in_one_breath() -> None:
    assert say_list(["a", "b", "c"], Language.NB) == "a, b og c"
    assert say_list(["a", "b", "c"], Language.SV) == "a, b och c"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("jeg har en pasient som ikke har papirer", Language.NB),
        ("eg har ein pasient som ikkje har papir", Language.NN),
        ("jag har en patient som inte har papper", Language.SV),
        ("I have a patient without papers", Language.EN),
        ("ho vil ikkje at nokon skal vite noko", Language.NN),
        ("vem betalar för vården", Language.SV),
        ("hvem betaler for behandlingen", Language.NB),
        ("she is scared and he will not leave the room", Language.EN),
        ("is her brother still there", Language.EN),
        ("ja, kollegaen min er her", None),  # bokmål and nynorsk alike, and no English
        ("112", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_the_language_somebody_writes(text: str, language: Language | None) -> None:
    assert guess(text) is language


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("no", Language.NB),
        ("nb-NO", Language.NB),
        ("nn", Language.NN),
        ("sv_SE", Language.SV),
        ("de", None),
        ("", None),
    ],
)
def test_the_language_a_phone_tells(tag: str, language: Language | None) -> None:
    assert from_tag(tag) is language
