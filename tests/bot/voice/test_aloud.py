"""What a screen shows, as a voice says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.voice.aloud import HEARD, Ear, digits, spoken
from helpline.messages import Language
from helpline.phrases import Phrases, _placeholders

CONTENT = Path(__file__).resolve().parents[3] / "content"
PHRASES = Phrases.load(CONTENT / "phrases")
EAR = Ear.load(CONTENT / "aloud.yaml", PHRASES)
NB, NN, SV, EN = Language.NB, Language.NN, Language.SV, Language.EN


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        (NB, "Ring 112.", "Ring 1 1 2."),
        (NB, "Legevakt 116 117.", "Legevakt 1 1 6, 1 1 7."),
        (NB, "ROSA 22 33 11 60", "ROSA 22, 33, 11, 60."),
        (NB, "ROSA 22331160", "ROSA 22, 33, 11, 60."),
        (NB, "Ring 800 40 008", "Ring 8 0 0, 40, 0 0 8."),
        (NB, "+47 22 33 11 60", "pluss 4 7, 22, 33, 11, 60."),
        (SV, "Ring 020-390 000 eller 114 14.", "Ring 0 2 0, 39, 0 0, 0 0 eller 1 1 4, 1 4."),
        (SV, "1177", "1 1 7 7."),
        (NB, "Kontrollert 22.11.2026.", "Kontrollert 22. november 2026."),
        (SV, "Granskat 22.11.2026.", "Granskat 22 november 2026."),
        (EN, "Read 2026-11-22.", "Read 22 November 2026."),
        (NB, "senest 02:40", "senest 2 40."),
        (NB, "senest 02:05", "senest 2 0 5."),
        (NB, "senest 14:00", "senest klokka 14."),
        (NB, "Kl. 14:00", "klokka 14."),
        (SV, "kl. 9-16", "klockan 9 till 16."),
        (EN, "by 14:00", "by 14 o'clock."),
        (NB, "straffeloven § 196, jf. § 257", "straffeloven paragraf 196, jevnfør paragraf 257."),
        (NB, "§§ 257-259", "paragrafene 257 til 259."),
        (NB, "utlendingsforskriften § 8-3", "utlendingsforskriften paragraf 8 strek 3."),
        (NN, "f.eks. strl. § 257", "til dømes straffelova paragraf 257."),
        (SV, "utlänningslagen 5 kap. 15 §", "utlänningslagen kapitel 5 paragraf 15."),
        (SV, "t.ex. 15–20 §§", "till exempel paragraferna 15 till 20."),
        (EN, "e.g. § 196", "for example section 196."),
        (NB, "Les https://www.politiet.no/rad?a=1 først.", "Les først."),
        (NB, "Skriv til post@varde.example i dag", "Skriv til i dag."),
        (NB, "- Ring 113\n- Vent", "Ring 1 1 3. Vent."),
        (NB, "1. Ring\n2. Vent", "Ring. Vent."),
        (NB, "Han heter [navn].", "Han heter navn."),
        (NB, "«Tolk» (gratis) – alltid; 50 %", "Tolk, gratis, alltid, 50 prosent."),
        (NB, "kr 400 000", "kroner 400 000."),
        (NB, "i 2026 og 196 saker", "i 2026 og 196 saker."),
        (NB, "Politiet (hele landet): 112, 02800", "Politiet, hele landet: 1 1 2, 0 2 8 0 0."),
        (NB, "kap. 112 i loven", "kapittel 112 i loven."),
    ],
)
def test_said(language: Language, written: str, said: str) -> None:
    heard = spoken(written, language, EAR)
    assert heard == said


def test_codes_are_said_digit_by_digit() -> None:
    assert digits("48102") == "4, 8, 1, 0, 2"


@pytest.mark.parametrize("language", list(Language))
def test_the_source_is_said_short(language: Language) -> None:
    written = PHRASES.say(
        "answer.source", language, cite="straffeloven § 196", country="Norge", revision=3, date="22.11.2026"
    )
    heard = spoken(written, language, EAR)
    assert "196" in heard
    assert "2026" in heard
    assert "3" not in heard
    assert "Norge" not in heard


def test_a_source_with_full_stops_in_it_is_said_whole() -> None:
    written = PHRASES.say(
        "answer.source", SV, cite="utlänningslagen 5 kap. 15 §", country="Sverige", revision=1, date="2026-11-22"
    )
    assert spoken(written, SV, EAR) == "Källa: utlänningslagen kapitel 5 paragraf 15. Granskat 22 november 2026."


@given(st.sampled_from(list(Language)), st.text())
def test_nothing_that_only_an_eye_can_use_is_said(language: Language, written: str) -> None:
    heard = spoken(written, language, EAR)
    assert "\n" not in heard
    assert "://" not in heard or "://" not in written.replace(" ", "")
    assert "§" not in heard or re.search(r"[\w.]§|§\w", written) is not None


@given(
    st.sampled_from(list(Language)), st.lists(st.sampled_from(["ring 112", "22 33 11 60", "§ 5", "kl. 14:00", "(x)"]))
)
def test_no_digit_that_is_dialled_is_lost(language: Language, parts: list[str]) -> None:
    written = ". ".join(parts)
    heard = spoken(written, language, EAR)
    wanted = re.sub(r"\D", "", written.replace("14:00", "14"))
    assert re.sub(r"\D", "", heard) == wanted


def test_whatever_has_a_wording_for_the_ear_is_said_so_wherever_it_stands() -> None:
    for key in (key for key in PHRASES.texts if key.startswith(HEARD)):
        for language in Language:
            template = PHRASES.texts[key.removeprefix(HEARD)][language]
            assert _placeholders(PHRASES.texts[key][language]) <= _placeholders(template), key
            values = dict.fromkeys(_placeholders(template), "Xxx")
            written = f"Først dette. {template.format(**values)} Og så dette."
            wanted = spoken(f"Først dette. {PHRASES.texts[key][language].format(**values)} Og så dette.", language, EAR)
            assert spoken(written, language, EAR) == wanted, (key, language)


_WRITING = {
    NB: re.compile(r"\b(svar 0|skriv\w*|skrev)\b", re.IGNORECASE),
    NN: re.compile(r"\b(svar 0|skriv\w*|skreiv)\b", re.IGNORECASE),
    SV: re.compile(r"\b(svara 0|skriv\w*|skrev)\b", re.IGNORECASE),
    EN: re.compile(r"\b(reply 0|write|writing|wrote)\b", re.IGNORECASE),
}
# Said to others, on screens alone, or about what really is written.
_NOT_TO_CALLERS = (
    "greeting",
    "media.",
    "edited",
    "group",
    "answer.stale",
    "answer.ask_human.short",
    "answer.law",
    "advisor.",
)


@pytest.mark.parametrize("language", list(Language))
def test_no_phrase_that_a_caller_hears_speaks_of_writing(language: Language) -> None:
    keys = [*yaml_keys("bot"), *(key for key in yaml_keys("escalation") if key.startswith("waiting."))]
    left = [
        key
        for key in keys
        if not key.startswith(_NOT_TO_CALLERS)
        and _WRITING[language].search(spoken(PHRASES.texts[key][language], language, EAR))
    ]
    assert not left


def yaml_keys(name: str) -> list[str]:
    return re.findall(r"^([\w.]+):", (CONTENT / "phrases" / f"{name}.yaml").read_text(), re.MULTILINE)


def test_every_abbreviation_is_said_in_every_language_that_has_it() -> None:
    for language, words in yaml.safe_load((CONTENT / "aloud.yaml").read_text()).items():
        for written, said in words.items():
            heard = spoken(f"x {written} y", Language(language), EAR)
            assert str(said).replace("-", " ").split()[0].casefold() in heard.replace("-", " ").casefold(), (
                language,
                written,
            )


@pytest.mark.parametrize("language", list(Language))
def test_what_is_heard_is_said_in_short_sentences_without_a_shout(language: Language) -> None:
    keys = [key for key in PHRASES.texts if key.startswith(("voice.", "heard.")) and key != "voice.hints"]
    for key in keys:
        text = PHRASES.texts[key][language]
        assert "!" not in text, key
        longest = max(len(sentence.split()) for sentence in re.split(r"[.:?]", text))
        assert longest <= 27, (key, text)
