"""The shelves: published articles and the index over them, as one value that is swapped whole when something changes.

`find` looks for the article, `answer` says what it holds for this patient in this language, and `asks_for` tells
whether one question back would change the answer. `ask_line` is all of that for one line of `varde ask`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from helpline import languages
from helpline.content import load_yaml
from helpline.messages import Country, Language, country_of
from knowledge import indexing
from knowledge.articles import Article, Kind, Status, Variant
from knowledge.confidence import Band
from knowledge.facets import told
from knowledge.fitness import FIT, Fit, Fitness, Standing
from knowledge.jurisdiction import Jurisdiction
from knowledge.search import Found, Index, Reasons
from knowledge.smalltalk import Recognises, Topic
from knowledge.terms import Synonyms
from knowledge.vectors import WordVectors

# Which language serves a reader where hers is missing, before the article's own.
_NEXT_BEST = {Language.NN: (Language.NN, Language.NB), Language.NB: (Language.NB, Language.NN)}


class Facet(StrEnum):
    """What may have to be asked about the patient before an answer is right."""

    STATUS = "status"
    AGE = "age"


class Outcome(StrEnum):
    """What would be done with a message."""

    ANSWER = "answer"  # the first article is given
    CLARIFY = "clarify"  # its answer differs by a facet, which is asked first
    SUGGEST = "suggest"  # three are offered
    HANDOVER = "handover"  # nothing certain: a human is offered
    OUT_OF_SCOPE = "out_of_scope"  # clearly another line's business, or an attempt to misuse this one
    CHAT = "chat"  # a greeting, thanks, a command, or nothing said
    DANGER = "danger"  # the emergency numbers come first


class QuestionError(ValueError):
    """A question to `varde ask` is not of the form that it must have."""


@dataclass(frozen=True)
class Answer:
    """What an article says to this reader about this patient."""

    article: Article
    title: str
    short: str
    details: str  # in the article's own language
    language: Language  # of the short answer
    fell_back: bool  # the reader's language is missing
    variant: int  # which variant; -1 for the article's own words
    fitness: Fitness = FIT  # whether it is past its review date, or rests on law that has changed


@dataclass(frozen=True)
class Tools:
    """What finding needs besides articles; read once at the start."""

    vectors: WordVectors | None = None
    synonyms: Synonyms | None = None
    jurisdiction: Jurisdiction | None = None
    chatter: tuple[str, ...] = ()  # messages that our own shelves do not answer
    content: Path | None = None  # the folder they were read from

    @classmethod
    def load(cls, content: Path) -> Tools:
        """Read them from the content folder."""
        chatter = load_yaml(content / "chatter.yaml").mapping(required=["messages"])["messages"].texts(at_least=1)
        return cls(
            WordVectors.load(content / "vectors" / "nordic-static-1.npz"),
            Synonyms.load(content / "synonyms.yaml"),
            Jurisdiction.load(content / "jurisdiction.yaml"),
            chatter,
            content,
        )


@dataclass(frozen=True)
class Shelves:
    """Articles and their index. Never changed: a change of articles makes new shelves."""

    articles: tuple[Article, ...]
    index: Index = field(repr=False)
    _by_id: Mapping[str, Article] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {article.id: article for article in self.articles})

    @classmethod
    def build(
        cls,
        articles: Iterable[Article],
        tools: Tools | None = None,
        *,
        content: Path | None = None,
        saved: Path | None = None,
    ) -> Shelves:
        """Make shelves of these articles; takes seconds, so never in a request.

        `content` is the folder to read the tools from where none are given. The index is read from the file `saved`
        where that was made of these articles, and kept there if not; a file that cannot be written is done without.
        """
        if tools is None:
            tools = Tools.load(content) if content is not None else Tools()
        shelved = tuple(sorted(articles, key=lambda article: article.id))
        chatter = _chatter(shelved, tools)
        index = None
        if saved is not None:
            digest = indexing.digest_of(shelved, tools.vectors, tools.synonyms, chatter)
            index = Index.load(
                saved,
                digest=digest,
                vectors=tools.vectors,
                synonyms=tools.synonyms,
                jurisdiction=tools.jurisdiction,
            )
        if index is None:
            index = Index.build(
                shelved,
                tools.vectors,
                synonyms=tools.synonyms,
                jurisdiction=tools.jurisdiction,
                chatter=chatter,
            )
            if saved is not None:
                with contextlib.suppress(OSError):
                    index.save(saved)
        return cls(shelved, index)

    @staticmethod
    def is_saved(articles: Iterable[Article], tools: Tools, path: Path) -> bool:
        """Whether this file holds the index of these articles."""
        shelved = tuple(articles)
        digest = indexing.digest_of(shelved, tools.vectors, tools.synonyms, _chatter(shelved, tools))
        return Index.is_of(path, digest)

    def find(self, text: str, *, country: Country | None = None, language: Language | None = None) -> Found:
        """What these words find on the line of this country; without one, the language decides."""
        return self.index.search(text, country=country, language=language)

    def explain(
        self, text: str, *, country: Country | None = None, language: Language | None = None
    ) -> tuple[Reasons, tuple[str, float] | None]:
        """Why these words find what they find, and the first article's wording that is nearest to them."""
        reasons = self.index.explain(text, country=country, language=language)
        article = self.article(reasons.weighed[0].article_id) if reasons.weighed else None
        if article is None:
            return reasons, None
        own = [article.title, *(wording.text for wording in article.questions)]
        likest = self.index.likest(text, own)
        return reasons, (own[likest[0]], likest[1]) if likest is not None else None

    def article(self, article_id: str) -> Article | None:
        """The article with this id, if it is on the shelves."""
        return self._by_id.get(article_id)

    def answer(
        self,
        article: Article,
        *,
        status: str | None = None,
        age: str | None = None,
        language: Language,
        fitness: Fitness = FIT,
    ) -> Answer:
        """What the article says of a patient of this status and age, in this language or the nearest that it has."""
        chosen = _variant_for(article, status, age)
        own: Mapping[Language, str]
        if chosen < 0:
            short = article.short
            own = {spoken: translated.short for spoken, translated in article.translations.items()}
        else:
            short = article.variants[chosen].short
            own = article.variants[chosen].translations
        said = {article.language: short, **own}
        served = next((spoken for spoken in _order(language) if spoken in said), article.language)
        titles = {article.language: article.title}
        titles |= {spoken: translated.title for spoken, translated in article.translations.items()}
        return Answer(
            article=article,
            title=titles.get(served, article.title),
            short=said[served],
            details=article.details,
            language=served,
            fell_back=served is not language,
            variant=chosen,
            fitness=fitness,
        )

    def asks_for(self, article: Article, *, status: str | None = None, age: str | None = None) -> Facet | None:
        """The facet worth asking for: only where it changes the answer, and never for acute care."""
        if article.urgent:
            return None
        open_to = [variant for variant in article.variants if _may_fit(variant, status, age)]
        by_status = sum(bool(variant.statuses) for variant in open_to) if not status else 0
        by_age = sum(bool(variant.ages) for variant in open_to) if not age else 0
        if not by_status and not by_age:
            return None
        return Facet.STATUS if by_status >= by_age else Facet.AGE

    def statuses_told_apart(self, article: Article) -> tuple[Status, ...]:
        """The statuses that have a variant of their own, as the article names them."""
        return tuple(dict.fromkeys(status for variant in article.variants for status in variant.statuses))


def _chatter(articles: Iterable[Article], tools: Tools) -> tuple[str, ...]:
    """What no article answers; somebody else's shelves may well answer what ours do not."""
    return () if any(article.kind is Kind.FOREIGN for article in articles) else tools.chatter


def _order(language: Language) -> Sequence[Language]:
    return _NEXT_BEST.get(language, (language,))


def _may_fit(variant: Variant, status: str | None, age: str | None) -> bool:
    return (not variant.statuses or not status or status in variant.statuses) and (
        not variant.ages or not age or age in variant.ages
    )


def _variant_for(article: Article, status: str | None, age: str | None) -> int:
    """The variant that fits what is known, the one that asks most first; -1 where the article's own words do."""
    best, best_size = -1, 0
    for place, variant in enumerate(article.variants):
        if (variant.statuses and status not in variant.statuses) or (variant.ages and age not in variant.ages):
            continue
        size = bool(variant.statuses) + bool(variant.ages)
        if size > best_size:
            best, best_size = place, size
    return best


# --- one line of `varde ask` ------------------------------------------------------------------------------------------


class Assessed(Protocol):
    """How dangerous a message sounds."""

    @property
    def level(self) -> str: ...  # "yes", "maybe" or "no"
    @property
    def rules(self) -> Sequence[str]: ...


def ask_line(
    shelves: Shelves,
    assess: Callable[[str], Assessed],
    question: Mapping[str, object],
    *,
    smalltalk: Recognises | None = None,
    is_command: Callable[[str], bool] | None = None,
    standing: Standing | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """What would be answered to one question, as `varde ask --json` prints it. Nothing is stored.

    `question` holds `text` and may hold `id`, `country` and `language`; `QuestionError` says what is wrong with it.
    With `standing` and `now`, what is too long past its review date is not answered from, and the reasons say so.
    """
    began = time.perf_counter()
    text = question.get("text")
    if not isinstance(text, str):
        raise QuestionError('A question needs a "text".')
    language, country = _line(question, text)
    danger = assess(text)
    level = str(danger.level).lower()
    topic = smalltalk.recognise(text) if smalltalk is not None else None
    found = shelves.find(text, country=country, language=language)
    outcome, reasons = _outcome(shelves, text, found, level, topic, command=is_command is not None and is_command(text))
    if standing is not None and now is not None:
        outcome, reasons = _with_fitness(shelves, found, outcome, reasons, standing, now)
    answer: dict[str, Any] = {"id": question["id"]} if "id" in question else {}
    articles = []
    for candidate in found.candidates:
        article = shelves.article(candidate.article_id)
        revision = article.revision if article is not None else 0
        articles.append({"id": candidate.article_id, "revision": revision, "score": candidate.score})
    answer |= {
        "outcome": outcome.value,
        "danger": level,
        "articles": articles,
        "language": language.value,
        "reasons": [*(f"danger: {rule}" for rule in danger.rules), *reasons],
        "ms": round((time.perf_counter() - began) * 1000, 3),
    }
    return answer


def _line(question: Mapping[str, object], text: str) -> tuple[Language, Country]:
    """The language and country of the line that was asked, guessed where they are not said."""
    said_country, said_language = question.get("country"), question.get("language")
    country = None
    if said_country is not None:
        if said_country not in {known.value for known in Country}:
            raise QuestionError('"country" must be "NO" or "SE".')
        country = Country(str(said_country))
    language = None
    if said_language is not None:
        if not isinstance(said_language, str):
            raise QuestionError('"language" must be a text such as "nb".')
        language = languages.from_tag(said_language)
    if language is None:
        language = languages.guess(text)
    if language is None:
        language = Language.SV if country is Country.SE else Language.NB
    return language, country or country_of(language)


def _outcome(
    shelves: Shelves, text: str, found: Found, level: str, topic: Topic | None, *, command: bool
) -> tuple[Outcome, list[str]]:
    sure = f"confidence: {found.confidence:.2f}"
    if level == "yes":
        return Outcome.DANGER, []
    if command:
        return Outcome.CHAT, ["a command"]
    if topic in {Topic.HELLO, Topic.THANKS}:
        return Outcome.CHAT, [f"smalltalk: {topic.value}"]
    if topic is Topic.ATTACK:
        return Outcome.OUT_OF_SCOPE, ["asks for what is protected, or to set the rules aside"]
    if not found.words:
        return Outcome.CHAT, ["no words"]
    if found.band is Band.ANSWER:
        article = shelves.article(found.candidates[0].article_id)
        patient = told(text)
        facet = shelves.asks_for(article, status=patient.status, age=patient.age) if article is not None else None
        if facet is not None:
            return Outcome.CLARIFY, [sure, f"the answer differs by {facet.value}"]
        return Outcome.ANSWER, [sure]
    if topic is Topic.OUT_OF_SCOPE:
        return Outcome.OUT_OF_SCOPE, [sure, "another line's business"]
    if found.band is Band.SUGGEST:
        return Outcome.SUGGEST, [sure]
    if topic is Topic.FAR:
        return Outcome.OUT_OF_SCOPE, [sure, "like another line's business"]
    return Outcome.HANDOVER, [sure]


def _with_fitness(
    shelves: Shelves, found: Found, outcome: Outcome, reasons: list[str], standing: Standing, now: datetime
) -> tuple[Outcome, list[str]]:
    """The outcome once more, now that it is known how fit what was found is to be served."""
    if outcome not in {Outcome.ANSWER, Outcome.CLARIFY, Outcome.SUGGEST}:
        return outcome, reasons
    offered = found.candidates[: 1 if outcome is not Outcome.SUGGEST else 3]
    known = [article for each in offered if (article := shelves.article(each.article_id)) is not None]
    fit = {article.id: standing.fitness(article, now) for article in known}
    if known and all(fit[article.id].fit is Fit.HAND_OVER for article in known):
        old = known[0]
        return Outcome.HANDOVER, [*reasons, f"past its review date and the time after it: {old.id}, {old.review_by}"]
    for article in known:
        if fit[article.id].fit is Fit.WARN:
            reasons = [*reasons, f"past its review date: {article.id}, {article.review_by}"]
        changed = "; ".join(change.law.name for change in fit[article.id].changes)
        if changed:
            reasons = [*reasons, f"the law has changed since: {article.id}, {changed}"]
    return outcome, reasons
