"""Making an index: sections of all articles, rehearsed, with the weights and the confidence that come of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from helpline.messages import Country
from knowledge.articles import Article
from knowledge.jurisdiction import Jurisdiction
from knowledge.rehearsing import rehearse, rounds_of
from knowledge.search import FORMAT, Asker, Index
from knowledge.sections import Workbench, fields_of, read
from knowledge.terms import Synonyms, Termer, words_in
from knowledge.vectors import WordVectors

_ONCE = 2  # a word must stand in the shelves this often to be what a misspelt one was meant to be


def digest_of(
    articles: Sequence[Article], vectors: WordVectors | None, synonyms: Synonyms | None, chatter: Sequence[str] = ()
) -> str:
    """What an index was made from; another digest means that it is stale."""
    total = hashlib.sha256(
        f"{FORMAT} {vectors.digest if vectors else ''} {synonyms.digest if synonyms else ''}".encode()
    )
    for article in sorted(articles, key=lambda one: one.id):
        country = "" if article.everywhere else article.country.value
        total.update(f"\n{article.id}\x1f{country}".encode())
        for weight, text, _ in fields_of(article):
            total.update(f"\x1f{weight}{text}".encode())
    for message in chatter:
        total.update(f"\n{message}".encode())
    return total.hexdigest()


def build(
    articles: Sequence[Article],
    vectors: WordVectors | None = None,
    *,
    synonyms: Synonyms | None = None,
    jurisdiction: Jurisdiction | None = None,
    chatter: Sequence[str] = (),
) -> Index:
    """Make the index of these articles, whatever order they come in."""
    termer = Termer(synonyms)
    by_country: dict[Country | None, list[Article]] = {}
    for article in sorted(articles, key=lambda one: one.id):
        by_country.setdefault(None if article.everywhere else article.country, []).append(article)
    words: Counter[str] = Counter()
    benches = []
    heard = [found for found in (words_in(message) for message in chatter) if found]
    for country in sorted(by_country, key=lambda one: one.value if one is not None else ""):
        readings = [read(article) for article in by_country[country]]
        for reading in readings:
            for text in reading.texts:
                words.update(text.words)
        rounds = rounds_of(readings, len(heard), countries=len(by_country))
        apart = {place for turn in rounds for place in turn.held}
        benches.append((Workbench(country, readings, heard, termer, vectors, apart), rounds))
    often = {word: count for word, count in words.items() if count >= _ONCE}
    asker = Asker(often, termer, vectors)
    fusion, judge, rehearsal = rehearse(benches, asker)
    return Index(
        [bench.section for bench, _ in benches],
        judge,
        fusion,
        asker,
        digest=digest_of(articles, vectors, synonyms, chatter),
        rehearsal=rehearsal,
        jurisdiction=jurisdiction,
    )
