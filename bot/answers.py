"""Putting a published revision into a reply: short, details, sources. Nothing is said that it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from bot.channels.base import menu_line
from helpline.messages import Country, Language
from helpline.phrases import Phrases, say_date, say_list
from helpline.segments import segments, to_gsm7
from knowledge.articles import Article, Confidence
from knowledge.fitness import Fitness
from knowledge.shelves import Answer

__all__ = ["Answer", "Form", "details", "menu_line", "short", "sources", "title", "too_old", "warnings"]


_MENU_ROOM = 48  # characters of the line of digits below an answer on SMS


class Form(StrEnum):
    """How much room there is."""

    WIDE = "wide"  # Telegram, WhatsApp, the web page, a terminal
    NARROW = "narrow"  # SMS: two segments, menu included
    SPOKEN = "spoken"  # the telephone: whatever is listed is listed short, and nothing waits behind "more"


class Speaker(Protocol):
    """Whom the reply is for."""

    @property
    def language(self) -> Language: ...
    @property
    def country(self) -> Country: ...


def title(article: Article, language: Language) -> str:
    """The article's title in this language where it has one, else in its own."""
    translated = article.translations.get(language)
    return translated.title if translated is not None else article.title


def short(answer: Answer, phrases: Phrases, to: Speaker, form: Form) -> str:
    """The short answer with what it rests on: source, jurisdiction, revision and review date.

    On SMS the source line is written shorter where the full one would cost a third segment.
    """
    article, language = answer.article, to.language
    checked = _checked(article, language)
    country = phrases.say(f"country.{article.country.value}", language)
    whose = whose_law(article, phrases, to)
    lead = [*warnings(article, answer.fitness, phrases, language), *whose]
    source = phrases.say(
        "answer.source",
        language,
        cite=article.cite.rstrip("."),
        country=country,
        revision=article.revision,
        date=checked,
    )
    doubt = []
    if article.confidence is Confidence.UNVERIFIED:
        doubt.append(phrases.say("answer.confidence.unverified", language))
    elif article.suggest_human:
        doubt.append(phrases.say("answer.ask_human", language))
    if form is Form.NARROW:
        brief_said = brief_source(article, phrases, language)
        brief_doubt = [phrases.say("answer.ask_human.short", language)] if doubt else []
        brief_lead = [*warnings(article, answer.fitness, phrases, language, brief=True), *whose]
        # The fullest form that two segments hold together with the line of digits; the last one is read on by a tap.
        tries = (
            "\n".join([*lead, answer.short, *doubt, source]),
            "\n".join([*lead, answer.short, *doubt, brief_said]),
            "\n".join([*brief_lead, answer.short, *brief_doubt, brief_said]),
            " ".join([*brief_lead, answer.short, *brief_doubt, brief_said]),
        )
        return next((text for text in tries if _fits(text)), tries[-1])
    confidence = phrases.say(f"answer.confidence.{_CONFIDENCE[article.confidence]}", language)
    if article.confidence is Confidence.UNVERIFIED:
        doubt = []
    return "\n\n".join([*lead, answer.short, *doubt, f"{confidence} {source}"])


def brief_source(article: Article, phrases: Phrases, language: Language) -> str:
    """Where an answer is from, as short as it can be said."""
    return phrases.say(
        "answer.source.short",
        language,
        country=article.country.value,
        revision=article.revision,
        date=_checked(article, language),
    )


_CONFIDENCE = {Confidence.VERIFIED: "verified", Confidence.PARTLY: "partly", Confidence.UNVERIFIED: "unverified"}


def whose_law(article: Article, phrases: Phrases, to: Speaker) -> list[str]:
    """The sentence that says which country this is the law of, where the reader might take it for another's."""
    swedish_abroad = to.language is Language.SV and article.country is not Country.SE
    if article.country is to.country and not swedish_abroad:
        return []
    country = phrases.say(f"country.{article.country.value}", to.language)
    return [phrases.say("answer.law_of", to.language, country=country)]


def warnings(
    article: Article, fitness: Fitness, phrases: Phrases, language: Language, *, brief: bool = False
) -> list[str]:
    """What must be said before an answer that is past its review date, or rests on law that has changed."""
    size = ".short" if brief else ""
    said = []
    if fitness.overdue:
        said.append(phrases.say(f"answer.stale{size}", language, date=_checked(article, language)))
    if fitness.changes:
        laws = {change.law.name: say_date(change.in_force_on, language) for change in fitness.changes}
        named = [phrases.say("answer.law_changed.law", language, law=law, date=day) for law, day in laws.items()]
        said.append(phrases.say(f"answer.law_changed{size}", language, laws=say_list(named, language)))
    return said


def too_old(article: Article, phrases: Phrases, to: Speaker) -> str:
    """What is said instead of an answer that is too long past its review date: the topic, and the advisor."""
    language = to.language
    said = phrases.say("answer.too_old", language, title=title(article, language), date=_checked(article, language))
    if not article.urgent:
        return said
    # Acute care does not wait for an advisor.
    return f"{said}\n\n{phrases.say_in('answer.too_old.urgent', to.country, language)}"


def details(answer: Answer, phrases: Phrases, to: Speaker) -> str:
    """Everything the article holds beyond the short answer, what to do first."""
    article, language = answer.article, to.language
    parts = warnings(article, answer.fitness, phrases, language)
    if article.language is not language:
        parts.append(
            phrases.say("answer.only_in", language, which=phrases.say(f"language.{article.language.value}", language))
        )
    if article.do_now:
        parts.append(_listed(phrases.say("details.do_now", language), article.do_now))
    parts.append(answer.details)
    if article.avoid:
        parts.append(_listed(phrases.say("details.avoid", language), article.avoid))
    if article.say:
        parts.append(_listed(phrases.say("details.say", language), article.say))
    parts.append(_provenance(answer, phrases, language))
    return "\n\n".join(parts)


def sources(answer: Answer, phrases: Phrases, to: Speaker) -> str:
    """Which rules and sources the answer rests on, when they were read, and how sure we are."""
    article, language = answer.article, to.language
    parts = warnings(article, answer.fitness, phrases, language)
    if article.law_refs:
        unread = phrases.say("sources.unread", language)
        rules = [ref.ref if ref.text_read else f"{ref.ref} ({unread})" for ref in article.law_refs]
        parts.append(_listed(phrases.say("sources.law", language), rules))
    if article.sources:
        read = [f"{source.title} ({source.date_seen}){_link(source.url)}" for source in article.sources]
        parts.append(_listed(phrases.say("sources.read", language), read))
    parts.append(_provenance(answer, phrases, language))
    return "\n\n".join(parts)


def _fits(text: str) -> bool:
    return segments(to_gsm7(text) + " " * _MENU_ROOM).count <= 2


def _checked(article: Article, language: Language) -> str:
    return say_date(article.reviewed_on, language) if article.reviewed_on is not None else "?"


def _link(url: str) -> str:
    return f" {url}" if url else ""


def _provenance(answer: Answer, phrases: Phrases, language: Language) -> str:
    article = answer.article
    confidence = phrases.say(f"answer.confidence.{_CONFIDENCE[article.confidence]}", language)
    source = phrases.say(
        "answer.source",
        language,
        cite=article.cite.rstrip("."),
        country=phrases.say(f"country.{article.country.value}", language),
        revision=article.revision,
        date=_checked(article, language),
    )
    return f"{confidence} {source}"


def _listed(lead: str, items: Sequence[str]) -> str:
    return "\n".join([lead, *(f"- {item}" for item in items)])
