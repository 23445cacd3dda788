"""Figures: one spelling for what is the same, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.messages import Language
from knowledge.figures import Sort, figures, loose_figures, uncovered

NB, NN, SV, EN = Language.NB, Language.NN, Language.SV, Language.EN


def values(text: str, language: Language = NB) -> list[str]:
    return [f"{figure.value} {figure.unit}".strip() for figure in figures(text, language)]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Plassen varer i 45 dager.", NB, ["45 day"]),
        ("seks uker om gangen, høyst seks måneder i alt", NB, ["6 week", "6 month"]),
        ("tre til tolv måneder", NB, ["3 month", "12 month"]),
        ("inntil eitt år om gongen", NN, ["1 year"]),
        ("i tretton månader", SV, ["13 month"]),
        ("before the end of week eighteen", EN, ["18 week"]),
        ("ut 18. svangerskapsuke", NB, ["18 week"]),
        ("sju deler", NB, ["7"]),
        ("gå to sammen, og se på tre ting", NB, []),
        ("en kontaktperson", NB, []),
        ("att sälja sex", SV, []),
        ("ring 22 33 11 60 eller 116 117", NB, ["22331160", "116117"]),
        ("020-50 50 50", SV, ["020505050"]),
        ("69 650 kroner", NB, ["69650 krone"]),
        ("10.000 kroner", NB, ["10000 krone"]),
        ("SEK 50", EN, ["50 krone"]),
        ("2,5 timer", NB, ["2.5 hour"]),
        ("hverdager 08.00-15.45", NB, ["8.00", "15.45"]),
        ("fra 1. juli 2026", NB, ["2026-07-01"]),
        ("since 1 April 2025", EN, ["2025-04-01"]),
        ("i mars 2021", NB, ["2021-03"]),
        ("rapport 2024", NB, ["2024"]),
        ("menneskehandel@bufdir.no og https://a.no/2024/18", NB, []),
        ("IS-2961 og prop. 2012/13:109", NB, ["is-2961", "2012/13:109"]),
    ],
)
def test_figures_are_found(text: str, language: Language, found: list[str]) -> None:
    assert sorted(values(text, language)) == sorted(found)


@pytest.mark.parametrize(
    ("text", "language", "sections"),
    [
        ("strl. § 257", NB, {":257"}),
        ("straffeloven §§ 196, 257 og 258", NB, {":196", ":257", ":258"}),
        ("helsepersonelloven §§ 21-23", NB, {":21", ":22", ":23"}),
        ("utlendingsforskriften § 8-3", NB, {":8-3"}),
        ("utlendingsforskriften §§ 8-3 og 9-6", NB, {":8-3", ":9-6"}),
        ("§ 8-3 første ledd", NB, {":8-3", ":8-3 ledd 1"}),
        ("§§ 8-3 fjerde ledd og 9-6 tredje ledd", NB, {":8-3", ":8-3 ledd 4", ":9-6", ":9-6 ledd 3"}),
        ("pasient- og brukerrettighetsloven §§ 2-1, 2-1 c og 2-2", NB, {":2-1", ":2-1c", ":2-2"}),
        ("forskrift 1255 § 2 bokstav c", NB, {":2", ":2c"}),
        ("forskrift 1255 § 2 i Norge", NB, {":2"}),
        ("helsepersonelloven kap. 5", NB, {"5:"}),
        ("konvensjonen artikkel 26", NB, {"art26"}),
        ("utlänningslagen 5 kap. 15 §, 7 kap. 7 b §", SV, {"5:15", "7:7b"}),
        ("patientsäkerhetslagen 6 kap. 12-14 §§", SV, {"6:12", "6:13", "6:14"}),
        ("brottsbalken 3, 4 eller 6 kap.", SV, {"3:", "4:", "6:"}),
        ("Aliens Act ch. 12 s. 12 b", EN, {"12:12b"}),
        ("Acts (2008:344) s. 5 and (2013:407) s. 6", EN, {":5", ":6"}),
    ],
)
def test_statutes_are_found_however_they_are_written(text: str, language: Language, sections: set[str]) -> None:
    assert {figure.value for figure in figures(text, language) if figure.sort is Sort.STATUTE} == sections


@pytest.mark.parametrize(
    ("stated", "held"),
    [
        ("straffeloven § 257", "strl. §§ 257 og 258"),
        ("§ 258", "straffeloven §§ 257-259"),
        ("§ 8-3", "§ 8-3 første ledd"),
        ("krisesenterlova § 2", "krisesenterloven § 2"),
        ("116006", "116 006"),
        ("6 måneder", "seks måneder"),
        ("i 2026", "1. juli 2026"),
        ("under 18", "18 år"),
        ("18 år", "18"),
    ],
)
def test_the_same_figure_in_another_spelling_is_held(stated: str, held: str) -> None:
    assert uncovered(figures(stated, NB), figures(held, NB)) == ()


@pytest.mark.parametrize(
    ("stated", "held"),
    [
        ("straffeloven § 258", "straffeloven § 257"),
        ("helsepersonelloven § 31", "straffeloven § 31"),  # the section of another law
        ("§ 8-3 tredje ledd", "§ 8-3 første ledd"),
        ("45 dager", "45 uker"),
        ("30 dager", "45 dager"),
        ("22 33 11 61", "22 33 11 60"),
        ("1. juni 2026", "1. juli 2026"),
    ],
)
def test_another_figure_is_not_held(stated: str, held: str) -> None:
    assert uncovered(figures(stated, NB), figures(held, NB))


def test_a_translation_may_count_in_words_without_the_unit() -> None:
    original = figures("inntil tre år, grovt inntil seks år", NB)
    assert uncovered(original, loose_figures("up to three years, six if aggravated", EN)) == ()


@given(st.text(alphabet="§ 0123456789-.,abkps()åöøogellerdager år\n", max_size=80), st.sampled_from(list(Language)))
def test_any_text_holds_its_own_figures(text: str, language: Language) -> None:
    found = figures(text, language)
    assert uncovered(found, found) == ()
    assert len(set(found)) == len(found)


@given(st.integers(2, 999), st.sampled_from(["dager", "uker", "måneder", "år", "kroner"]))
def test_one_changed_digit_is_never_overlooked(number: int, unit: str) -> None:
    stated, held = figures(f"I {number} {unit}.", NB), figures(f"Det er {number + 1} {unit}", NB)
    assert uncovered(stated, held) == stated
