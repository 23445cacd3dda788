"""The checker of articles: every planted fault is found, and what ships has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot import answers
from bot.answers import Form
from helpline.content import content_folder
from helpline.messages import Country, Language
from helpline.phrases import Phrases
from helpline.segments import segments, to_gsm7
from knowledge.articles import Age, Article, Kind, LawRef, Translation, Variant, Wording, load_articles
from knowledge.checking import (
    LIX_AT_MOST,
    TWIN_FROM,
    Fault,
    Finding,
    check_article,
    check_shelves,
    likeness,
    lix,
    shared_wordings,
    twins,
)
from knowledge.shelves import Shelves
from tests.knowledge.builders import an_article

SHIPPED = load_articles(content_folder() / "articles")
BY_ID = {article.id: article for article in SHIPPED}


def faults(findings: Sequence[Finding]) -> list[tuple[str, Fault]]:
    return [(finding.field, finding.fault) for finding in findings]


def shipped(article_id: str) -> Article:
    return BY_ID[article_id]


# --- what ships -------------------------------------------------------------------------------------------------------


def test_nothing_is_found_in_what_ships() -> None:
    assert [f"{finding.article_id} {finding.field}: {finding.sentence}" for finding in check_shelves(SHIPPED)] == []


def test_every_shipped_article_is_asked_for_in_a_dozen_ways_and_in_every_language_of_its_line() -> None:
    wanted = {Country.NO: {Language.NB, Language.NN, Language.EN}, Country.SE: {Language.SV, Language.EN, Language.NB}}
    for article in SHIPPED:
        assert len(article.questions) >= 12, article.id
        assert {wording.language for wording in article.questions} >= wanted[article.country], article.id


def test_every_shipped_short_answer_has_its_translations() -> None:
    for article in SHIPPED:
        wanted = {Language.NN, Language.EN} if article.country is Country.NO else {Language.EN}
        assert set(article.translations) >= wanted, article.id
        for variant in article.variants:
            assert set(variant.translations) >= wanted, article.id


def test_the_seven_parts_of_a_routine_and_the_cards_of_signs_ship() -> None:
    parts = sorted(article.id[:8] for article in SHIPPED if article.id.startswith("rutine-"))
    assert parts == [f"rutine-{number}" for number in range(1, 8)]
    assert len([article for article in SHIPPED if article.id.startswith("indikator-")]) >= 8


def test_how_sure_we_are_is_not_said_twice() -> None:
    """The line below an answer says it, so the details must not end with it."""
    for article in SHIPPED:
        assert not article.details.endswith(("Bekreftet i kilde.", "Bekräftat i källa.")), article.id


def test_evidence_that_fades_is_never_asked_about_first_in_either_country() -> None:
    assert shipped("sporsikring").urgent
    assert shipped("se-sparsakring-rattsintyg").urgent


# --- (a) figures without a fact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "Må vi bruke tolk innen 45 dager?"}, "title"),
        ({"short": "Ja, innen 45 dager."}, "short"),
        ({"cite": "tolkeloven § 7"}, "cite"),
        ({"details": "Bestill tolk.\n\nDet gjelder i seks måneder."}, "details"),
        ({"do_now": ("Ring tolken.", "Ring 22 33 11 60.")}, "do_now[1]"),
        ({"avoid": ("Ikke vent i 2 uker.",)}, "avoid[0]"),
        ({"say": ("Du får hjelp i tre dager.",)}, "say[0]"),
        ({"variants": (Variant((), (Age.MINOR,), "Under 15 år: ja."),)}, "variants[0].short"),
        ({"short": "Ja. Straffeloven § 6."}, "short"),  # the section is held, of another law
        ({"short": "Ja, fra 1. juli 2025."}, "short"),
    ],
)
def test_a_figure_that_no_fact_holds_is_found(change: dict[str, Any], field: str) -> None:
    found = check_article(replace(an_article(), **change))
    assert (field, Fault.FIGURE) in faults(found)


def test_a_figure_in_any_language_is_found() -> None:
    translations = {Language.EN: Translation("Must we?", "Yes, within 45 days.")}
    found = check_article(an_article(translations=translations))
    assert ("translations.en.short", Fault.FIGURE) in faults(found)


def test_a_figure_among_the_facts_rules_or_sources_is_in_order() -> None:
    article = an_article(
        short="Ja, innen 45 dager, etter tolkeloven § 6 og IS-2961. Ring 22331160.",
        facts=("45 dager", "22 33 11 60", "IS-2961"),
        translations={},
    )
    assert check_article(article) == ()


def test_the_emergency_numbers_of_the_country_need_no_fact() -> None:
    assert check_article(an_article(details="Ring 112 eller 113. Legevakt: 116 117.", translations={})) == ()
    swede = an_article(
        country="SE", facts=(), law_refs=(LawRef("tolkeloven § 6", text_read=True),), details="Ring 114 14."
    )
    assert Fault.FIGURE not in {fault for _, fault in faults(check_article(swede))}
    assert Fault.FIGURE in {fault for _, fault in faults(check_article(replace(swede, country=Country.NO)))}


@pytest.mark.parametrize("article_id", ["frist-voldserstatning", "trygt-sted-i-natt", "se-betanketid-langd"])
def test_one_digit_changed_in_what_ships_is_found(article_id: str) -> None:
    article = shipped(article_id)
    for old, new in (("seks", "fem"), ("22 33 11 60", "22 33 11 61"), ("30 dagar", "31 dagar")):
        wrong = replace(article, short=article.short.replace(old, new))
        if wrong != article:
            found = check_article(wrong)
            assert ("short", Fault.FIGURE) in faults(found)
            assert any(fault is Fault.TRANSLATION for _, fault in faults(found))
            return
    raise AssertionError("nothing was planted")


# --- (f) translations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "short",
    [
        "Yes. Use a qualified interpreter.",  # the statute is gone
        "Yes. Use a qualified interpreter. Tolkeloven § 7.",
        "Yes, within 6 hours. Use a qualified interpreter. Tolkeloven § 6.",
    ],
)
def test_a_translation_with_other_figures_is_found(short: str) -> None:
    article = an_article(translations={Language.EN: Translation("Must we use an interpreter?", short)})
    assert ("translations.en.short", Fault.TRANSLATION) in faults(check_article(article))


def test_a_variant_translated_with_another_figure_is_found() -> None:
    variant = Variant((), (Age.MINOR,), "Under 18 år: ja.", {Language.EN: "Under 16: yes."})
    found = check_article(an_article(variants=(variant,), facts=("tolkeloven § 6", "16 år", "18 år"), translations={}))
    assert set(faults(found)) == {("variants[0].translations.en", Fault.TRANSLATION)}


def test_a_faithful_translation_is_in_order() -> None:
    translations = {Language.EN: Translation("Interpreter?", "Yes. Use a qualified one. Tolkeloven s. 6.")}
    assert check_article(an_article(translations=translations)) == ()


# --- (d) length, (e) reading ------------------------------------------------------------------------------------------


def test_an_answer_over_two_segments_is_found() -> None:
    long = an_article(short="Ja. " + "Bruk tolk hver gang det trengs. " * 8, translations={})
    assert ("short", Fault.LENGTH) in faults(check_article(long))


def test_what_the_length_check_lets_through_fits_a_phone() -> None:
    """The room it reckons with is the room that the line really takes."""
    phrases = Phrases.load(content_folder() / "phrases")
    shelves = Shelves(SHIPPED, None)  # type: ignore[arg-type]  # nothing is searched here
    for article in SHIPPED:
        for language in (article.language, *article.translations):
            to = _Reader(language, article.country)
            said = answers.short(shelves.answer(article, language=language), phrases, to, Form.NARROW)
            assert segments(to_gsm7(said)).count <= 2, (article.id, language)


def test_hard_words_in_long_sentences_are_found() -> None:
    hard = (
        "Virksomhetens forvaltningsrettslige informasjonsplikter aktualiseres særskilt ved grenseoverskridende "
        "menneskehandelsproblematikk, hvorved helsepersonellets dokumentasjonsforpliktelser overfor "
        "tilsynsmyndighetene nødvendiggjør kvalitetssikret tolkebistand gjennom akkrediterte leverandører"
    )
    found = check_article(an_article(details=hard, short="Ja."))
    assert ("details", Fault.READING) in faults(found)
    assert ("short", Fault.READING) not in faults(found)


def test_lix_is_words_a_sentence_and_long_words_in_percent() -> None:
    assert lix("") == 0
    assert lix("Gi hjelp. Ring en venn.") == round(5 / 2)  # no word of seven letters
    assert lix("Pasienten sover. Pasienten spiser.") == round(4 / 2 + 100 * 2 / 4)
    assert lix("Se kap. 5 og § 6. Ring.") == lix("Se kap 5 og § 6. Ring.")  # a shortened word ends no sentence
    assert lix("Se lovens § 6. Ring henne.") == round(4 / 2)  # a number may end one
    assert lix("Det er i uke 18. Hun er frisk.") < lix("Det er i 18. uke og hun er frisk.")
    assert lix("Ring nå: gi hjelp") == lix("Ring nå. Gi hjelp.")


def test_a_joined_sentence_reads_harder_than_two() -> None:
    assert lix("Ring tolken og vent og se.") > lix("Ring tolken. Vent og se.")


# --- (b) wordings, (c) twins ------------------------------------------------------------------------------------------


def test_a_wording_that_leads_to_two_articles_is_found() -> None:
    one = an_article("en", questions=["hun forstår ikke norsk", "trenger tolk"])
    other = an_article("to", questions=["Hun forstår ikke norsk!", "noe helt annet her"])
    assert [(finding.article_id, finding.about[1]) for finding in shared_wordings([one, other])] == [("to", "en")]


def test_a_wording_that_is_all_but_the_same_is_found() -> None:
    one = an_article("en", questions=["kan ektemannen hennes tolke for oss på legevakta"])
    other = an_article("to", questions=["kan ektemannen hennes tolke for oss på legevakt"])
    assert [finding.fault for finding in shared_wordings([one, other])] == [Fault.WORDING]


def test_the_same_words_in_two_countries_are_two_wordings() -> None:
    norwegian = an_article("en", questions=["får hun tolk her hos oss i natt"])
    swedish = replace(norwegian, id="se-en", country=Country.SE)
    assert shared_wordings([norwegian, swedish]) == []


def test_every_shipped_wording_copied_into_a_neighbour_is_found() -> None:
    first, second = shipped("tolk-rett"), shipped("tolk-barn")
    for wording in first.questions:
        thief = replace(second, questions=(*second.questions, wording))
        assert [finding.article_id for finding in shared_wordings([first, thief])] == ["tolk-barn"]


@pytest.mark.parametrize("article_id", ["tolk-rett", "hvem-betaler", "se-orosanmalan", "rutine-6-samtykke"])
def test_a_copy_with_every_tenth_word_changed_is_found(article_id: str) -> None:
    article = shipped(article_id)
    copy = replace(
        article,
        id="a-copy",
        details=" ".join(
            "noe" if place % 10 == 0 else word for place, word in enumerate(article.details.split(" "), start=1)
        ),
        questions=(Wording(article.language, "ingen spør slik"),),
    )
    found = [finding for finding in twins([*SHIPPED, copy]) if "a-copy" in {finding.article_id, *finding.about}]
    assert article_id in {found[0].article_id, *found[0].about}


def test_the_nearest_of_what_ships_are_well_apart() -> None:
    assert likeness(shipped("se-vard-asyl-vuxen"), shipped("se-vard-papperslos-vuxen")) <= TWIN_FROM - 8


# --- form -------------------------------------------------------------------------------------------------------------


def test_a_finding_says_where_and_what_to_do() -> None:
    finding = check_article(an_article(short="Ja, innen 45 dager. Tolkeloven § 6.", translations={}))[0]
    assert (finding.article_id, finding.field, finding.about) == ("tolk-rett", "short", ("45 dager",))
    assert '"45 dager"' in finding.sentence
    assert "facts" in finding.sentence


def test_articles_of_somebody_elses_file_are_left_alone() -> None:
    foreign = replace(an_article(), kind=Kind.FOREIGN, facts=(), law_refs=(), short="Innen 45 dager.")
    assert check_shelves([foreign]) == ()


def test_the_level_asked_of_us_is_the_level_checked() -> None:
    assert LIX_AT_MOST == 50


class _Reader:
    def __init__(self, language: Language, country: Country) -> None:
        self.language = language
        self.country = country
