"""Every shipped answer, as it reaches a phone: within its limits, with its source, and with a way on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from bot import answers, dialogue
from bot.answers import Form
from bot.channels.base import menu_line
from bot.referral import COMMON_NEEDS, WHEN, WHO
from helpline.content import content_folder
from helpline.messages import Choice, Country, Language, OutboundMessage
from helpline.phrases import Phrases
from helpline.segments import segments, to_gsm7
from knowledge.articles import Article, Status, load_articles
from knowledge.shelves import Shelves

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
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
            answer = SHELVES.answer(article, status=status, age=None, language=language, now=NOW)
            text = answers.short(answer, PHRASES, Reader(language, article.country), Form.NARROW)
            sms = segments(to_gsm7(f"{text}\n{menu(language)}"))
            assert sms.gsm7
            # Only "this is Norwegian law", for a Swede in Norway, may push the source onto a second page.
            abroad = answers.whose_law(article, PHRASES, Reader(language, article.country))
            assert sms.count <= (3 if abroad else 2), f"{language} {status}: {sms.units} units"


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.id)
def test_an_answer_says_what_it_rests_on(article: Article) -> None:
    answer = SHELVES.answer(article, language=article.language, now=NOW)
    text = answers.short(answer, PHRASES, Reader(article.language, article.country), Form.WIDE)
    assert article.short in text
    assert article.cite in text
    assert "22.11.2026" in text
    assert PHRASES.say(f"country.{article.country.value}", article.language) in text
    assert answers.sources(answer, PHRASES, Reader(article.language, article.country))


def test_an_answer_past_its_review_says_so_first() -> None:
    article = ARTICLES[0]
    late = datetime(2028, 1, 1, tzinfo=UTC)
    answer = SHELVES.answer(article, language=Language.NB, now=late)
    text = answers.short(answer, PHRASES, Reader(Language.NB, article.country), Form.WIDE)
    assert text.startswith("Dette svaret er eldre enn det skal være")


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
    answer = SHELVES.answer(article, language=Language.SV, now=NOW)
    text = answers.short(answer, PHRASES, Reader(Language.SV, Country.NO), Form.WIDE)
    assert text.startswith("Det här gäller Norge.")


def test_a_message_does_not_print_itself() -> None:
    assert "secret" not in repr(OutboundMessage("secret"))
