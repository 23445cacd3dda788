"""Every article with what editors need to know of it, looked through by words and by what is wrong with it.

Ten thousand articles are looked through in memory for each page. What is slow to find out (whether a translation still
states the figures of its original) is found once for each revision.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.messages import Country, Language
from helpline.phrases import ZONES
from knowledge import checking, drafts, store
from knowledge.articles import Article, Confidence
from knowledge.life import Stage
from knowledge.shelves import Shelves
from knowledge.store import Standing

PAGE: Final = 50
_WORTH_SHOWING: Final = 0.05  # less confidence than this is what nonsense gets
_LANGUAGE_OF_FIELD = re.compile(r"translations\.(nb|nn|sv|en)")
_GROUP = re.compile(r"\s*[/:]\s*")


class State(StrEnum):
    """What to look for among the articles."""

    PUBLISHED = "published"
    DRAFT = "draft"  # somebody is writing
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    STARTER = "starter"  # as it came with the program
    OVERDUE = "overdue"  # past its review date
    GONE = "gone"  # shipped no longer, and to be retired by an editor
    RETIRED = "retired"


_STATES = {Stage.DRAFT: State.DRAFT, Stage.IN_REVIEW: State.IN_REVIEW, Stage.APPROVED: State.APPROVED}


@dataclass(frozen=True)
class Entry:
    """One article of the list."""

    article: Article
    states: frozenset[State]
    draft: int | None  # the open draft
    missing: tuple[Language, ...]
    outdated: tuple[Language, ...]


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for; an empty field is no wish."""

    text: str = ""
    topic: str = ""
    country: Country | None = None
    owner: str = ""
    confidence: Confidence | None = None
    state: State | None = None
    missing: Language | None = None
    outdated: Language | None = None
    page: int = 1


@dataclass(frozen=True)
class Listing:
    """One page of what was found, and what the filters can be set to."""

    entries: tuple[Entry, ...]
    found: int
    page: int
    pages: int


@dataclass(frozen=True)
class Standings:
    """How the articles stand, as storage tells."""

    starters: Collection[str] = frozenset()
    gone: Collection[str] = frozenset()
    retired: Mapping[str, Article] = field(default_factory=dict)
    drafts: Mapping[str, tuple[int, State]] = field(default_factory=dict)  # the open draft of an article


@dataclass(frozen=True)
class Choices:
    """What the filters can be set to, by name."""

    topics: tuple[str, ...]
    owners: tuple[str, ...]


class Catalogue:
    """Looks through the shelves; remembers what is slow to find out."""

    def __init__(self) -> None:
        self._shelves: Shelves | None = None
        self._sorted: tuple[Article, ...] = ()
        self._words: dict[str, str] = {}
        self._choices = Choices((), ())
        self._outdated: dict[tuple[str, int], tuple[Language, ...]] = {}
        self._retired: dict[tuple[str, int], Article] = {}

    def choices(self, shelves: Shelves) -> Choices:
        """The topics and owners there are."""
        self._read(shelves)
        return self._choices

    def look(self, shelves: Shelves, standings: Standings, wanted: Wanted, now: datetime) -> Listing:
        """The page that was asked for. Takes long where figures must be compared for the first time: use a thread."""
        kept = self.find(shelves, standings, wanted, now)
        pages = max(1, -(-len(kept) // PAGE))
        page = min(max(wanted.page, 1), pages)
        entries = self.entries(kept[(page - 1) * PAGE : page * PAGE], standings, now)
        return Listing(entries, len(kept), page, pages)

    def find(self, shelves: Shelves, standings: Standings, wanted: Wanted, now: datetime) -> list[Article]:
        """Everything that fits, whatever the page. As slow as `look`."""
        self._read(shelves)
        today = _today(now)
        articles: Iterable[Article] = self._sorted
        if wanted.state is State.RETIRED:
            articles = standings.retired.values()
        kept = [article for article in articles if self._fits(article, standings, wanted, today)]
        return self._ranked(kept, shelves, wanted) if wanted.text.strip() else kept

    def entries(self, articles: Iterable[Article], standings: Standings, now: datetime) -> tuple[Entry, ...]:
        """What editors need to know of these. As slow as `look`."""
        today = _today(now)
        return tuple(self._entry(article, standings, today) for article in articles)

    async def standings(self, conn: AsyncConnection, *, with_retired: bool = False) -> Standings:
        """How the articles stand, as storage tells."""
        open_drafts = await drafts.list_drafts(conn)
        retired: dict[str, Article] = {}
        if with_retired:
            for standing in await store.all_standing(conn):
                if standing.published is None:
                    retired[standing.id] = await self.newest(conn, standing)
        return Standings(
            starters=await store.starters(conn),
            gone=frozenset(one.id for one in await store.offered_for_retiring(conn)),
            retired=retired,
            drafts={draft.article_id: (draft.id, _STATES[draft.stage]) for draft in open_drafts},
        )

    async def newest(self, conn: AsyncConnection, standing: Standing) -> Article:
        """The newest revision; of what is off the shelves it is read once, since no revision changes."""
        key = (standing.id, standing.latest)
        if key not in self._retired:
            article = await store.revision(conn, *key)
            assert article is not None
            self._retired[key] = article
        return self._retired[key]

    def outdated(self, article: Article) -> tuple[Language, ...]:
        """The languages whose figures or statutes differ from the original's."""
        key = (article.id, article.revision)
        if key not in self._outdated:
            found = [finding.field for finding in checking.differing_translations(article)]
            languages = {Language(name[1]) for field in found if (name := _LANGUAGE_OF_FIELD.search(field))}
            self._outdated[key] = tuple(language for language in Language if language in languages)
        return self._outdated[key]

    def _read(self, shelves: Shelves) -> None:
        if self._shelves is shelves:
            return
        self._sorted = tuple(
            sorted(shelves.articles, key=lambda one: (one.country.value, one.title.casefold(), one.id))
        )
        topics = Counter(group_of(article.topic) for article in shelves.articles)
        owners = Counter(article.owner for article in shelves.articles)
        self._choices = Choices(_by_name(topics), _by_name(owners))
        self._words = {article.id: _words_of(article) for article in shelves.articles}
        standing = {(article.id, article.revision) for article in shelves.articles}
        self._outdated = {key: found for key, found in self._outdated.items() if key in standing}
        self._shelves = shelves

    def _fits(self, article: Article, standings: Standings, wanted: Wanted, today: Mapping[Country, date]) -> bool:
        tests: tuple[tuple[object, Callable[[], bool]], ...] = (
            (wanted.country, lambda: article.country is wanted.country),
            (wanted.topic, lambda: group_of(article.topic) == wanted.topic),
            (wanted.owner, lambda: article.owner == wanted.owner),
            (wanted.confidence, lambda: article.confidence is wanted.confidence),
            (wanted.state, lambda: wanted.state in _states(article, standings, today)),
            (wanted.missing, lambda: wanted.missing in missing_in(article)),
            (wanted.outdated, lambda: wanted.outdated in self.outdated(article)),
        )
        return all(test() for wish, test in tests if wish)

    def _ranked(self, articles: list[Article], shelves: Shelves, wanted: Wanted) -> list[Article]:
        """First what holds all the words in its name, then what the line itself would find."""
        asked = wanted.text.casefold().split()
        by_name = []
        for article in articles:
            words = self._words.get(article.id) or _words_of(article)
            if all(word in words for word in asked):
                by_name.append(article)
        whole = wanted.text.strip().casefold()
        by_name.sort(key=lambda article: (article.id != whole, whole not in article.title.casefold()))
        named = {article.id for article in by_name}
        wishes = [wanted.country] if wanted.country is not None else list(Country)
        asked_of = [shelves.find(wanted.text[:500], country=country) for country in wishes]
        found = {
            candidate.article_id: candidate.score
            for answer in asked_of
            if answer.confidence >= _WORTH_SHOWING
            for candidate in answer.candidates
        }
        rest = [article for article in articles if article.id in found and article.id not in named]
        return by_name + sorted(rest, key=lambda article: -found[article.id])

    def _entry(self, article: Article, standings: Standings, today: Mapping[Country, date]) -> Entry:
        draft = standings.drafts.get(article.id)
        return Entry(
            article,
            _states(article, standings, today),
            draft[0] if draft is not None else None,
            missing_in(article),
            self.outdated(article),
        )


def group_of(topic: str) -> str:
    """The larger topic that a topic is part of: "children/minors" is about children."""
    return _GROUP.split(topic, maxsplit=1)[0]


def missing_in(article: Article) -> tuple[Language, ...]:
    """The languages that readers of this country's line may ask for and this article does not have."""
    expected = (Language.NB, Language.NN, Language.EN) if article.country is Country.NO else (Language.SV, Language.EN)
    return tuple(
        language for language in expected if language is not article.language and language not in article.translations
    )


def _states(article: Article, standings: Standings, today: Mapping[Country, date]) -> frozenset[State]:
    retired = article.id in standings.retired
    states = {State.RETIRED if retired else State.PUBLISHED}
    if article.id in standings.starters:
        states.add(State.STARTER)
    if article.id in standings.gone:
        states.add(State.GONE)
    if article.id in standings.drafts:
        states.add(standings.drafts[article.id][1])
    if not retired and article.review_by is not None and today[article.country] > article.review_by:
        states.add(State.OVERDUE)
    return frozenset(states)


def _today(now: datetime) -> Mapping[Country, date]:
    return {country: now.astimezone(zone).date() for country, zone in ZONES.items()}


def _words_of(article: Article) -> str:
    titles = (article.title, *(translated.title for translated in article.translations.values()))
    laws = (law.ref for law in article.law_refs)
    return " ".join((article.id, *titles, article.topic, article.owner, article.cite, *laws)).casefold()


def _by_name(counted: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted((name for name in counted if name), key=str.casefold))
