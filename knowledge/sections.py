"""Making a section: what is counted once about the texts of a country's articles, and sections made of all or some.

A `Workbench` counts terms, places texts in space and writes down what the learned reader is taught. `section` then
makes a searchable section of everything; `section_without` makes the one there would be had some wordings and some
articles never been written, which is how the shelves are rehearsed (`rehearsing.py`). Both go through the same lines of
code, so what is rehearsed is what is served.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from helpline.messages import Country
from knowledge.articles import Article
from knowledge.search import (
    BUCKETS,
    LENGTH,
    MEANING,
    SATURATION,
    Floats,
    Rows,
    Section,
    centres_of,
    folded,
    mark_of,
)
from knowledge.terms import ARTICLE_WORDS, Termer, Terms, words_in
from knowledge.vectors import WordVectors

TITLE, WORDING, ANSWER = 2.0, 1.5, 1.0  # how much a field's terms count
LEARNED_ARTICLES = 1_200  # of more, a linear reader learns slowly and reads slowly
_LEARNED_TEXTS = 20_000
_RIDGE = 3.0
_PARAGRAPHS = 12  # of one answer that the learned reader learns from
_NOTHING = 1e-3  # a count below this is what rounding left of none

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Place = tuple[int, int]  # an article, and which of its texts


@dataclass(frozen=True)
class Text:
    """One text of an article."""

    words: tuple[str, ...]
    weight: float
    wording: bool = False  # may be held out


@dataclass(frozen=True)
class Reading:
    """An article as the index reads it."""

    id: str
    texts: tuple[Text, ...]  # each counts in the bag
    whole: tuple[tuple[str, ...], ...]  # title and answer together, for meaning


def fields_of(article: Article) -> Iterable[tuple[float, str, bool]]:
    """Every text of an article with its weight, and whether it is a wording."""
    yield TITLE, article.title, False
    for wording in article.questions:
        yield WORDING, wording.text, True
    yield ANSWER, article.short, False
    for paragraph in article.details.split("\n\n"):
        yield ANSWER, paragraph, False
    yield ANSWER, " ".join(article.do_now), False
    yield ANSWER, " ".join(article.avoid), False
    for variant in article.variants:
        yield ANSWER, variant.short, False
    for _, translated in sorted(article.translations.items()):
        yield TITLE, translated.title, False
        yield ANSWER, translated.short, False


def read(article: Article) -> Reading:
    """The article's texts as words."""
    texts = []
    for weight, text, wording in fields_of(article):
        words = tuple(words_in(text, ARTICLE_WORDS))
        if words:
            texts.append(Text(words, weight, wording))
    whole = [f"{article.title} {article.short} {article.details}"]
    whole += [f"{one.title} {one.short}" for _, one in sorted(article.translations.items())]
    together = [tuple(words_in(text, ARTICLE_WORDS)) for text in whole]
    # Where there is neither title nor answer, an empty text would be far from every question.
    return Reading(article.id, tuple(texts), tuple(words for words in together if words or not texts))


class Workbench:
    """Where sections of one country are made."""

    def __init__(
        self,
        country: Country | None,
        readings: Sequence[Reading],
        chatter: Sequence[Sequence[str]],
        termer: Termer,
        vectors: WordVectors | None,
        apart: Collection[Place] = (),
    ) -> None:
        """`apart` are the texts that a section may be made without."""
        self.readings = readings
        self.chatter = chatter
        self._country = country
        self._termer = termer
        self._vectors = vectors
        apart = set(apart)
        self._units: dict[Place, int] = {}  # a text that stands apart, to its number among the counted
        terms = self._count(apart)
        self._place_in_space(apart)
        self.section = self._bag(self._everything(), np.ones(len(readings), dtype=bool))
        self._lesson = self._prepare_lesson(terms)
        if self._lesson is not None:
            self.section = self._with_reader(self.section, (), (), ())
        phrases, owners = self._phrases()
        self.section = replace(self.section, phrases=phrases, phrase_rows=owners)

    def section_without(self, texts: Collection[Place], articles: Collection[int], chatter: Collection[int]) -> Section:
        """The section there would be without these texts, these articles and these messages."""
        here = self._everything()
        for place in texts:
            here[self._units[place]] = False
        kept = np.ones(len(self.readings), dtype=bool)
        kept[list(articles)] = False
        section = self._bag(here, kept)
        return self._with_reader(section, texts, articles, chatter) if self._lesson is not None else section

    def _everything(self) -> Flags:
        return np.ones(self._unit_count, dtype=bool)

    # --- the bag ----------------------------------------------------------------------------------------------------

    def _count(self, apart: Collection[Place]) -> dict[Place, tuple[Terms, Floats]]:
        """Count the terms of every article; returns those of each text that the learned reader may want."""
        size = len(self.readings)
        remembered: dict[Place, tuple[Terms, Floats]] = {}
        remember = 2 <= size <= LEARNED_ARTICLES and sum(len(one.texts) for one in self.readings) <= _LEARNED_TEXTS
        keys: list[npt.NDArray[np.uint64]] = []
        weights: list[Floats] = []
        units: list[int] = []
        sizes: list[int] = []

        def put(article: int, terms: Terms, counts: Floats) -> None:
            keys.append((terms.astype(np.uint64) << np.uint64(32)) | np.uint64(article))
            weights.append(counts)
            units.append(len(units))
            sizes.append(len(terms))

        for article, reading in enumerate(self.readings):
            together: list[tuple[tuple[str, ...], float]] = []
            for number, text in enumerate(reading.texts):
                place = (article, number)
                if remember or place in apart:
                    single, times = np.unique(self._termer.terms(text.words), return_counts=True)
                    counts = times.astype(np.float32)
                    if remember:
                        remembered[place] = (single, counts)
                    if place in apart:
                        self._units[place] = len(units)
                        put(article, single, counts * np.float32(text.weight))
                        continue
                together.append((text.words, text.weight))
            put(article, *self._termer.weighed(together))
        self._unit_count = len(units)
        key = np.concatenate(keys or [np.zeros(0, dtype=np.uint64)])
        keys.clear()
        order = np.argsort(key)
        key = key[order]
        self._weights = np.concatenate(weights or [np.zeros(0, dtype=np.float32)])[order]
        weights.clear()
        self._unit_of = np.repeat(np.array(units, dtype=np.int32), sizes)[order]
        del order
        # A group is one term of one article, whichever of its texts hold it.
        self._groups = np.flatnonzero(_first(key))
        key = key[self._groups]
        self._group_article = (key & np.uint64(0xFFFFFFFF)).astype(np.int32)
        group_terms = (key >> np.uint64(32)).astype(np.uint32)
        new = _first(group_terms)
        self._terms = group_terms[new]
        self._group_term = np.cumsum(new, dtype=np.int32) - np.int32(1)
        return remembered

    def _bag(self, here: Flags, kept: Flags) -> Section:
        size = int(kept.sum())
        number = np.cumsum(kept) - 1  # of each article among the kept
        counts = np.zeros(0, dtype=np.float32)
        if len(self._groups):
            weights = self._weights if here.all() else np.where(here[self._unit_of], self._weights, np.float32(0))
            counts = np.add.reduceat(weights, self._groups)
        article, term = self._group_article, self._group_term
        if not (here.all() and kept.all()):
            present = (counts > _NOTHING) & kept[article]
            counts, article, term = counts[present], number[article[present]], term[present]
        holders = np.bincount(term, minlength=len(self._terms))
        alive = holders > 0
        terms, holders = self._terms[alive], holders[alive]
        idf = np.log(1 + (size - holders + 0.5) / (holders + 0.5)).astype(np.float32)
        lengths = np.bincount(article, weights=counts, minlength=size)
        mean = float(lengths.mean()) if size else 1.0
        # What BM25 adds below the line: more for a long bag.
        drag = (SATURATION * (1 - LENGTH + LENGTH * lengths / max(mean, 1e-9))).astype(np.float32)[article]
        gains = np.repeat(idf, holders) * counts * (SATURATION + 1) / (counts + drag)
        rows: Rows = article.astype(np.uint16) if size <= 0xFFFF else article.astype(np.uint32)
        texts, text_starts = self._texts_of(here, kept)
        return Section(
            country=self._country,
            ids=tuple(reading.id for reading, stays in zip(self.readings, kept, strict=True) if stays),
            terms=terms,
            starts=np.concatenate([[0], np.cumsum(holders)]).astype(np.int64),
            rows=rows,
            weights=gains.astype(np.float16),
            idf=idf,
            unknown_idf=float(np.log(1 + (size - 0.5) / 1.5)) if size else 0.0,
            texts=texts,
            text_starts=text_starts,
            centres=centres_of(texts, text_starts),
            phrases=_NO_PHRASES,
            phrase_rows=np.zeros(0, dtype=np.int64),
            lines=np.zeros((0, size + 1), dtype=np.float32),
        )

    def _phrases(self) -> tuple[npt.NDArray[np.uint64], Numbers]:
        """The titles and wordings that one article alone has."""
        owners: dict[int, int] = {}
        shared: set[int] = set()
        for article, reading in enumerate(self.readings):
            for text in reading.texts:
                if text.weight == ANSWER:
                    continue
                mark = mark_of(text.words)
                if owners.setdefault(mark, article) != article:
                    shared.add(mark)
        alone = sorted(owners.keys() - shared)
        return np.array(alone, dtype=np.uint64), np.array([owners[mark] for mark in alone], dtype=np.int64)

    # --- meaning ----------------------------------------------------------------------------------------------------

    def _place_in_space(self, apart: Collection[Place]) -> None:
        """The vectors of title, wordings, translated titles, and of title and answer together, article by article."""
        rows: list[Floats] = []
        owners: list[int] = []
        units: list[int] = []
        if self._vectors is not None:
            for article, reading in enumerate(self.readings):
                for number, text in enumerate(reading.texts):
                    if text.weight != ANSWER:
                        rows.append(self._vectors.words([word for word in text.words if word.isalpha()]))
                        units.append(self._units.get((article, number), -1) if apart else -1)
                for words in reading.whole:
                    rows.append(self._vectors.words([word for word in words if word.isalpha()]))
                    units.append(-1)
                owners += [article] * (len(rows) - len(owners))
        width = self._vectors.size if self._vectors is not None else 0
        stacked = np.stack(rows).astype(np.float16) if rows else np.zeros((0, width), dtype=np.float16)
        rows.clear()
        self._rows = stacked.astype(np.float32)
        self._row_article = np.array(owners, dtype=np.int64)
        self._row_unit = np.array(units, dtype=np.int64)

    def _texts_of(self, here: Flags, kept: Flags) -> tuple[Floats, Numbers]:
        size = int(kept.sum())
        if not len(self._rows):
            return self._rows, np.zeros(size + 1, dtype=np.int64)
        stays = kept[self._row_article] & ((self._row_unit < 0) | here[self._row_unit])
        held = np.bincount(self._row_article[stays], minlength=len(self.readings))
        # An article that lost its only text keeps a place, far from every question.
        bare = np.flatnonzero(kept & (held == 0))
        rows, owners = (self._rows, self._row_article) if stays.all() else (self._rows[stays], self._row_article[stays])
        if len(bare):
            rows = np.insert(rows, np.searchsorted(owners, bare), 0, axis=0)
            held[bare] = 1
        return rows, np.concatenate([[0], np.cumsum(held[kept])]).astype(np.int64)

    # --- the learned reader -----------------------------------------------------------------------------------------

    def _prepare_lesson(self, terms: dict[Place, tuple[Terms, Floats]]) -> _Lesson | None:
        size = len(self.readings)
        taught = [(article, number) for article, reading in enumerate(self.readings) for number in _taught(reading)]
        if not terms or not 2 * size <= len(taught):
            return None
        width = BUCKETS + (self._vectors.size if self._vectors is not None else 0)
        inputs = np.zeros((len(taught) + len(self.chatter), width), dtype=np.float32)
        for row, place in enumerate(taught):
            self._write(inputs[row], self.readings[place[0]].texts[place[1]].words, *terms[place])
        for row, words in enumerate(self.chatter, start=len(taught)):
            single, times = np.unique(self._termer.terms(words), return_counts=True)
            self._write(inputs[row], words, single, times.astype(np.float32))
        owners = np.array([article for article, _ in taught] + [size] * len(self.chatter), dtype=np.int64)
        places = {place: row for row, place in enumerate(taught)}
        spread = inputs.T @ inputs if len(inputs) > width else inputs @ inputs.T
        return _Lesson(inputs, owners, places, len(taught), spread)

    def _write(self, row: Floats, words: Sequence[str], terms: Terms, counts: Floats) -> None:
        """A text as the learned reader sees it."""
        section = self.section
        places = np.searchsorted(section.terms, terms)
        places[places == len(section.terms)] = 0
        hit = section.terms[places] == terms
        buckets, values = folded(terms, counts, np.where(hit, section.idf[places], np.float32(section.unknown_idf)))
        np.add.at(row, buckets, values)
        if self._vectors is not None:
            row[BUCKETS:] = np.float32(MEANING) * self._vectors.words([word for word in words if word.isalpha()])

    def _with_reader(
        self, section: Section, texts: Collection[Place], articles: Collection[int], chatter: Collection[int]
    ) -> Section:
        """Ridge regression from a text to the article it belongs to, or to none."""
        lesson = self._lesson
        assert lesson is not None
        stays = np.ones(len(lesson.inputs), dtype=bool)
        stays[[lesson.places[place] for place in texts if place in lesson.places]] = False
        stays[[lesson.first_chatter + number for number in chatter]] = False
        stays &= ~np.isin(lesson.owners, list(articles))
        column = np.cumsum([number not in set(articles) for number in range(len(self.readings))]) - 1
        column = np.append(column, len(section.ids))[lesson.owners[stays]]
        inputs = lesson.inputs[stays]
        belongs = np.zeros((len(inputs), len(section.ids) + 1), dtype=np.float32)
        belongs[np.arange(len(inputs)), column] = 1
        # Two ways to the same lines; the shorter one was taken when the spread was reckoned.
        if lesson.spread.shape[0] == lesson.inputs.shape[1]:
            gone = lesson.inputs[~stays]
            spread = lesson.spread - gone.T @ gone if len(gone) else lesson.spread.copy()
            spread[np.diag_indices_from(spread)] += np.float32(_RIDGE)
            lines = np.linalg.solve(spread, inputs.T @ belongs)
        else:
            spread = lesson.spread[np.ix_(stays, stays)]
            spread[np.diag_indices_from(spread)] += np.float32(_RIDGE)
            lines = inputs.T @ np.linalg.solve(spread, belongs)
        return _read_by(section, lines)


@dataclass(frozen=True)
class _Lesson:
    """What the learned reader is taught."""

    inputs: Floats  # a row a text
    owners: Numbers  # the number after the last article's is "none of these"
    places: dict[Place, int]
    first_chatter: int
    spread: Floats  # the products of all columns, or of all rows, whichever are fewer


_NO_PHRASES = np.zeros(0, dtype=np.uint64)


def _read_by(section: Section, lines: npt.NDArray[np.floating]) -> Section:
    return replace(section, lines=lines.astype(np.float16).astype(np.float32))


def _taught(reading: Reading) -> Iterator[int]:
    """The texts of an article that the learned reader learns from: all but the late paragraphs of a long answer."""
    answers = 0
    for number, text in enumerate(reading.texts):
        answers += text.weight == ANSWER
        if text.weight != ANSWER or answers <= _PARAGRAPHS:
            yield number


def _first(values: npt.NDArray[np.uint32] | npt.NDArray[np.uint64]) -> Flags:
    """Where, in a sorted row, a value stands for the first time."""
    first = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first
