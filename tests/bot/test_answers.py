"""Every shipped answer, as it reaches a phone: within its limits, with its source, and with a way on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from bot import answers, dialogue
from bot.answers import Form
from bot.channels.base import menu_line
from bot.referral import COMMON_NEEDS, WHEN, WHO
from helpline.content import content_folder
from helpline.messages import Choice, Country, Language, OutboundMessage
from helpline.phrases import Phrases, say_date
from helpline.segments import segments, to_gsm7
from knowledge.articles import Article, Status, load_articles
from knowledge.fitness import Change, Fit, Fitness
from knowledge.laws import Law
from knowledge.shelves import Shelves

ARTICLES = load_articles(content_folder() / "articles")
PHRASES = Phrases.load(content_folder() / "phrases")
SHELVES = Shelves(ARTICLES, None)  # type: ignore[arg-type]  # nothing is searched here


@dataclass(frozen=True)
class Reader:
    language: Language
    country: Country


def menu(language: Language) -> str:
    keys = ("choice.more", "choice.sources", "choice.help")
    choices = [Choice("x", PHRASES.say(key, language), str(place)) for place, key in enumerate(keys, start=1)]
    return menu_line((*choices, Choice("a", PHRASES.say("choice.advisor", language), "0")))


def statuses(article: Article) -> list[str | None]:
    return [None, *(status.value for variant in article.variants for status in variant.statuses)]


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.id)
def test_an_answer_with_source_and_menu_costs_two_sms(article: Article) -> None:
    """In every language it can be asked in, and for every status that changes it, doubts included."""
    for language in Language:
        for status in statuses(article):
            answer = SHELVES.answer(article, status=status, age=None, language=language)
            text = answers.short(answer, PHRASES, Reader(language, article.country), Form.NARROW)
            sms = segments(to_gsm7(f"{text}\n{menu(language)}"))
            assert sms.gsm7
            # Only "this is Norwegian law", for a Swede in Norway, may push the source onto a second page.
            abroad = answers.whose_law(article, PHRASES, Reader(language, article.country))
            assert sms.count <= (3 if abroad else 2), f"{language} {status}: {sms.units} units"


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.id)
def test_an_answer_says_what_it_rests_on(article: Article) -> None:
    answer = SHELVES.answer(article, language=article.language)
    text = answers.short(answer, PHRASES, Reader(article.language, article.country), Form.WIDE)
    assert article.short in text
    assert article.cite in text
    assert say_date(date(2026, 11, 22), article.language) in text
    assert PHRASES.say(f"country.{article.country.value}", article.language) in text
    assert answers.sources(answer, PHRASES, Reader(article.language, article.country))


CHANGE = Change(1, Law(Country.NO, "utlendingsforskriften", "8", "8-3"), "Ny frist.", date(2027, 1, 1))
UNFIT = {
    "overdue": Fitness(Fit.WARN),
    "law": Fitness(changes=(CHANGE,)),
    "both": Fitness(Fit.WARN, (CHANGE,)),
}


@pytest.mark.parametrize("fitness", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("language", Language)
def test_what_must_be_known_before_relying_on_it_comes_first_in_every_part(
    fitness: Fitness, language: Language
) -> None:
    article = next(article for article in ARTICLES if article.country is Country.NO)
    answer = SHELVES.answer(article, language=language, fitness=fitness)
    reader = Reader(language, Country.NO)
    said = answers.warnings(article, fitness, PHRASES, language)
    assert len(said) == len(fitness.changes) + fitness.overdue
    for text in (
        answers.short(answer, PHRASES, reader, Form.WIDE),
        answers.details(answer, PHRASES, reader),
        answers.sources(answer, PHRASES, reader),
    ):
        assert text.startswith("\n\n".join(said))
        assert say_date(date(2026, 11, 22), language) in text or not fitness.overdue
        assert ("utlendingsforskriften § 8-3" in said[-1]) is bool(fitness.changes)


@pytest.mark.parametrize("fitness", UNFIT.values(), ids=UNFIT)
def test_a_warning_never_costs_more_than_one_sms_and_leaves_the_answer_whole(fitness: Fitness) -> None:
    for article in ARTICLES:
        for language in Language:
            answer = SHELVES.answer(article, language=language, fitness=fitness)
            text = to_gsm7(answers.short(answer, PHRASES, Reader(language, article.country), Form.NARROW))
            assert segments(f"{text}\n{menu(language)}").gsm7
            assert segments(f"{text}\n{menu(language)}").count <= 3
            first = answers.warnings(article, fitness, PHRASES, language, brief=True)[0]
            assert text.startswith((to_gsm7(first), to_gsm7(answers.warnings(article, fitness, PHRASES, language)[0])))
            assert to_gsm7(answer.short) in text


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.id)
def test_what_is_too_old_is_named_and_the_advisor_offered_in_two_sms(article: Article) -> None:
    for language in Language:
        text = to_gsm7(answers.too_old(article, PHRASES, Reader(language, article.country)))
        assert to_gsm7(answers.title(article, language)) in text
        assert "0." in text
        assert to_gsm7(article.short) not in text
        assert ("112" in text) is (article.urgent or "112" in answers.title(article, language))
        assert segments(f"{text}\n{menu(language)}").count <= 2


def test_every_choice_fits_into_a_telegram_button() -> None:
    kinds = (dialogue.ANSWER, dialogue.DETAILS, dialogue.SOURCES, dialogue.HELP, dialogue.HELPFUL, dialogue.UNHELPFUL)
    tokens = [f"{kind}:{article.id}" for kind in kinds for article in ARTICLES]
    tokens += [f"{dialogue.STATUS}:{status.value}" for status in Status]
    tokens += [f"r:need:{need}" for need in COMMON_NEEDS] + ["r:place:NO.helseregion.H12"]
    assert max(len(token.encode()) for token in tokens) <= 48


def test_every_choice_has_a_label_in_every_language() -> None:
    for language in Language:
        for key in (
            *(f"need.{need}" for need in COMMON_NEEDS),
            *(f"who.{who}" for who in WHO),
            *(f"when.{when}" for when in WHEN),
            *(f"status.{status.value}" for status in Status),
        ):
            assert PHRASES.say(key, language)


def test_a_swede_on_the_norwegian_line_is_told_whose_law_it_is() -> None:
    article = next(article for article in ARTICLES if article.country is Country.NO)
    answer = SHELVES.answer(article, language=Language.SV)
    text = answers.short(answer, PHRASES, Reader(Language.SV, Country.NO), Form.WIDE)
    assert text.startswith("Det här gäller Norge.")


def test_a_message_does_not_print_itself() -> None:
    assert "secret" not in repr(OutboundMessage("secret"))
