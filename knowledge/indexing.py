"""Making an index: counting terms, learning from wordings, and rehearsing.

The rehearsal asks the shelves their own wordings, each as if it were not there: its terms are taken out of the
article's bag, its vector from the article's texts, and its part from the learned reader (by the leave-one-out formula
of linear regression, which is exact). Asked again with the whole article away, it is a question the shelves cannot
answer. From both the weights of the scores are chosen and the confidence is fitted.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from helpline.messages import Country
from knowledge import confidence
from knowledge.articles import Article
from knowledge.confidence import PRECISION, SUGGESTIONS, Band, Judge, features, separation
from knowledge.jurisdiction import Jurisdiction
from knowledge.search import (
    BUCKETS,
    FORMAT,
    LENGTH,
    SATURATION,
    Floats,
    Fusion,
    Halves,
    Index,
    Question,
    Rehearsal,
    Rows,
    Scores,
    Section,
    against,
    best_of,
    centres_of,
    evidence_of,
    folded,
    prepare,
    summed,
)
from knowledge.terms import ARTICLE_WORDS, Speller, Synonyms, Termer, Terms, words_in
from knowledge.vectors import WordVectors

TITLE, WORDING, ANSWER = 2.0, 1.5, 1.0  # how much a field's terms count
_RIDGE = 3.0
_LEARNED_ARTICLES = 1_200  # of more, a linear reader learns slowly and reads slowly
_LEARNED_TEXTS = 20_000
_REHEARSED = 1_200  # wordings
_FEW_REHEARSED = 400  # on shelves too large for the learned reader, where one wording costs more
_CHUNKS = 12  # paragraphs of one answer that the learned reader learns from
_MISTYPED = 32  # of 64 longer words of a wording asked in haste
_IN_HASTE = 0.3  # questions typed in haste for each typed with care
_NOWHERE = 1_000_000  # the rank of an article that is not there
_ONCE = 2  # a word must stand in the shelves this often to be what a misspelt one was meant to be


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


@dataclass
class _Bags:
    """The raw counts behind a section's bag, needed only while it is made."""

    terms: list[Terms] = field(default_factory=list)  # of each article, sorted
    counts: list[Floats] = field(default_factory=list)
    lengths: Floats = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


@dataclass
class _Reader:
    """The learned reader and what its leave-one-out formula needs."""

    inputs: Floats  # a row a text
    owners: npt.NDArray[np.int64]  # the column of "none of these" comes after the articles'
    lines: Floats
    swayed: Floats  # inputs times the inverse of their spread
    missed: Floats  # what the reader should have said of each input, less what it says
    place: Mapping[tuple[int, int], int]  # (article, text) to row


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
        for weight, text, _ in _fields(article):
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
    workshops = []
    heard = [words for words in (words_in(message) for message in chatter) if words]
    for country in sorted(by_country, key=lambda one: one.value if one is not None else ""):
        readings = [_reading(article) for article in by_country[country]]
        for reading in readings:
            for text in reading.texts:
                words.update(text.words)
        workshops.append(_Workshop(country, readings, heard, termer, vectors))
    often = {word: count for word, count in words.items() if count >= _ONCE}
    fusion, judge, rehearsal = _rehearse(
        workshops, Speller(often, vectors.understands if vectors is not None else None)
    )
    return Index(
        [workshop.section for workshop in workshops],
        judge,
        fusion,
        often,
        digest=digest_of(articles, vectors, synonyms, chatter),
        rehearsal=rehearsal,
        vectors=vectors,
        synonyms=synonyms,
        jurisdiction=jurisdiction,
    )


def _fields(article: Article) -> Iterable[tuple[float, str, bool]]:
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


def _reading(article: Article) -> Reading:
    texts = []
    for weight, text, wording in _fields(article):
        words = tuple(words_in(text, ARTICLE_WORDS))
        if words:
            texts.append(Text(words, weight, wording))
    whole = [f"{article.title} {article.short} {article.details}"]
    whole += [f"{one.title} {one.short}" for _, one in sorted(article.translations.items())]
    return Reading(article.id, tuple(texts), tuple(tuple(words_in(text, ARTICLE_WORDS)) for text in whole))


@dataclass(frozen=True)
class _Asked:
    """One rehearsed question against its section."""

    question: Question
    own: int
    held_out: Scores  # without the wording
    away: Scores  # and without its article


class _Workshop:
    """Where the section of one country is made."""

    def __init__(
        self,
        country: Country | None,
        readings: Sequence[Reading],
        chatter: Sequence[Sequence[str]],
        termer: Termer,
        vectors: WordVectors | None,
    ) -> None:
        self._readings = readings
        self._chatter = chatter
        self._termer = termer
        self._vectors = vectors
        self._bags = _Bags()
        terms, starts, rows, weights, idf, unknown = self._count()
        texts, text_starts = self._place_in_space()
        self._rows_of_texts = texts
        self.section = Section(
            country=country,
            ids=tuple(reading.id for reading in readings),
            terms=terms,
            starts=starts,
            rows=rows,
            weights=weights,
            idf=idf,
            unknown_idf=unknown,
            texts=texts,
            text_starts=text_starts,
            centres=centres_of(texts, text_starts),
            lines=np.zeros((0, len(readings) + 1), dtype=np.float32),
        )
        self._reader = self._learn()
        if self._reader is not None:
            lines = self._reader.lines.astype(np.float16).astype(np.float32)
            self.section = replace(self.section, lines=lines)

    # --- the bag ----------------------------------------------------------------------------------------------------

    def _count(self) -> tuple[Terms, npt.NDArray[np.int64], Rows, Halves, Floats, float]:
        size = len(self._readings)
        bags = self._bags
        lengths = []
        for reading in self._readings:
            parts = [self._termer.terms(text.words) for text in reading.texts]
            weights = np.repeat([text.weight for text in reading.texts], [len(part) for part in parts])
            terms, places = np.unique(np.concatenate(parts), return_inverse=True)
            counts = np.bincount(places, weights=weights, minlength=len(terms)).astype(np.float32)
            bags.terms.append(terms)
            bags.counts.append(counts)
            lengths.append(float(counts.sum()))
        bags.lengths = np.array(lengths, dtype=np.float32)
        held = [len(terms) for terms in bags.terms]
        all_terms = np.concatenate(bags.terms)
        owners = np.repeat(np.arange(size), held)
        order = np.argsort(all_terms, kind="stable")
        terms, first, holders = np.unique(all_terms[order], return_index=True, return_counts=True)
        idf = np.log(1 + (size - holders + 0.5) / (holders + 0.5)).astype(np.float32)
        counts = np.concatenate(bags.counts)[order]
        drag = self._drag(bags.lengths)[owners[order]]
        gains = np.repeat(idf, holders) * counts * (SATURATION + 1) / (counts + drag)
        held_by = owners[order]
        rows: Rows = held_by.astype(np.uint16) if size <= 0xFFFF else held_by.astype(np.uint32)
        starts = np.append(first, len(all_terms)).astype(np.int64)
        return terms, starts, rows, gains.astype(np.float16), idf, float(np.log(1 + (size - 0.5) / 1.5))

    def _drag(self, lengths: Floats) -> Floats:
        """What BM25 adds below the line: more for a long bag."""
        mean = float(self._bags.lengths.mean())
        return np.asarray(SATURATION * (1 - LENGTH + LENGTH * lengths / mean), dtype=np.float32)

    # --- meaning ----------------------------------------------------------------------------------------------------

    def _place_in_space(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The vectors of title, wordings, translated titles, and of title and answer together, article by article."""
        if self._vectors is None:
            return np.zeros((0, 0), dtype=np.float32), np.zeros(len(self._readings) + 1, dtype=np.int64)
        rows, starts = [], [0]
        for reading in self._readings:
            named = [text.words for text in reading.texts if text.weight != ANSWER]
            rows += [self._vectors.words([word for word in words if word.isalpha()]) for words in named]
            rows += [self._vectors.words([word for word in words if word.isalpha()]) for words in reading.whole]
            starts.append(len(rows))
        return np.stack(rows).astype(np.float16).astype(np.float32), np.array(starts, dtype=np.int64)

    # --- the learned reader -----------------------------------------------------------------------------------------

    def _learn(self) -> _Reader | None:
        """Ridge regression from a text to the article it belongs to."""
        size = len(self._readings)
        taught = [(article, number) for article, reading in enumerate(self._readings) for number in _taught(reading)]
        if size < 2 or size > _LEARNED_ARTICLES or not 2 * size <= len(taught) <= _LEARNED_TEXTS:
            return None
        learned = [self._readings[article].texts[number].words for article, number in taught] + [*self._chatter]
        inputs = np.stack([self.input(prepare(words, self._termer, self._vectors), known=1.0) for words in learned])
        owners = np.array([article for article, _ in taught] + [size] * len(self._chatter), dtype=np.int64)
        belongs = np.zeros((len(owners), size + 1), dtype=np.float32)
        belongs[np.arange(len(owners)), owners] = 1
        swayed = _swayed(inputs)
        place = {
            key: row for row, key in enumerate([*taught, *((size, number) for number in range(len(self._chatter)))])
        }
        lines = swayed.T @ belongs
        return _Reader(inputs, owners, lines, swayed, belongs - inputs @ lines, place)

    def input(self, question: Question, *, known: float) -> Floats:
        """A text as the learned reader sees it."""
        section = self.section
        places = np.searchsorted(section.terms, question.terms)
        places[places == len(section.terms)] = 0
        hit = section.terms[places] == question.terms
        idf = np.where(hit, section.idf[places], np.float32(section.unknown_idf))
        buckets, values = folded(question.terms, question.counts, idf)
        row = np.bincount(buckets, weights=values, minlength=BUCKETS).astype(np.float32)
        if question.vector is None:
            return row
        return np.concatenate([row, np.float32(known) * question.vector])

    # --- the rehearsal ----------------------------------------------------------------------------------------------

    def wordings(self) -> list[tuple[int, int]]:
        """Which texts can be held out, as article and text; in an order that has nothing to do with the articles'."""
        found = [
            (article, number)
            for article, reading in enumerate(self._readings)
            if len(reading.texts) > 1
            for number, text in enumerate(reading.texts)
            if text.wording
        ]
        return sorted(found, key=lambda one: zlib.crc32(f"{self._readings[one[0]].id} {one[1]}".encode()))

    def texts(self) -> Iterator[Text]:
        """Every text of the section."""
        return (text for reading in self._readings for text in reading.texts)

    def overhear(self) -> Iterator[tuple[Question, Scores]]:
        """Ask what these shelves do not answer, each message as if it had not been heard of."""
        for number, words in enumerate(self._chatter):
            question = prepare(words, self._termer, self._vectors)
            scores = self.section.score(question)
            if self._reader is not None:
                said = self._unseen(self.input(question, known=question.known), len(self._readings), number)
                scores = replace(scores, learned=said[:-1], elsewhere=float(said[-1]))
            yield question, scores

    def ask(self, article: int, number: int, typed: Speller | None = None) -> _Asked:
        """Ask one wording as if it were not there, and as if its article were not.

        With a speller it is asked as tired hands would type it, put right where the speller can.
        """
        words: Sequence[str] = self._readings[article].texts[number].words
        if typed is not None:
            words = typed.repaired(_mistyped(words))
        question = prepare(words, self._termer, self._vectors)
        scores = self.section.score(question)
        bag, nearest, near = scores.bag.copy(), scores.nearest.copy(), scores.near.copy()
        bag[article] = self._bag_without(question, article, number)
        nearest[article], near[article] = self._near_without(question, article, number)
        held_out = replace(scores, bag=bag, nearest=nearest, near=near)
        away = held_out
        if self._reader is not None:
            asked = self.input(question, known=question.known)
            said, unread = self._unseen(asked, article, number), self._unread(asked, article)
            held_out = replace(held_out, learned=said[:-1], elsewhere=float(said[-1]))
            away = replace(away, learned=unread[:-1], elsewhere=float(unread[-1]))
        return _Asked(question, article, held_out, _without(away, article))

    def _bag_without(self, question: Question, article: int, number: int) -> float:
        section, bags = self.section, self._bags
        text = self._readings[article].texts[number]
        gone, times = np.unique(self._termer.terms(text.words), return_counts=True)
        left = _looked_up(question.terms, bags.terms[article], bags.counts[article])
        left = left - np.float32(text.weight) * _looked_up(question.terms, gone, times.astype(np.float32))
        left[left < 1e-3] = 0
        idf = _looked_up(question.terms, section.terms, section.idf)
        length = bags.lengths[article] - np.float32(text.weight) * times.sum()
        gains = idf * left * (SATURATION + 1) / (left + self._drag(np.array([length], dtype=np.float32)))
        wanted = np.where(idf > 0, idf, np.float32(section.unknown_idf))
        perfect = float((wanted * question.counts).sum()) * (SATURATION + 1)
        return float((gains * question.counts).sum()) / perfect if perfect > 0 else 0.0

    def _near_without(self, question: Question, article: int, number: int) -> tuple[float, float]:
        if question.vector is None:
            return 0.0, 0.0
        section, reading = self.section, self._readings[article]
        start, end = int(section.text_starts[article]), int(section.text_starts[article + 1])
        row = sum(1 for text in reading.texts[:number] if text.weight != ANSWER)
        left = np.delete(section.texts[start:end], row, axis=0)
        if not len(left):
            return 0.0, 0.0
        nearest, near = best_of(left @ question.vector, np.zeros(1, dtype=np.int64), np.array([len(left)]))
        return float(nearest[0]), float(near[0])

    def _unseen(self, asked: Floats, owner: int, number: int) -> Floats:
        """What the learned reader would say to this had it not seen this text of this owner."""
        reader = self._reader
        assert reader is not None
        said = summed(asked, reader.lines)
        row = reader.place.get((owner, number))
        if row is None:
            return said
        # Products of two vectors: numpy keeps these in the caller's thread.
        share = float(reader.swayed[row] @ reader.inputs[row])
        pull = float(asked @ reader.swayed[row]) / max(1 - share, 1e-3)
        return np.asarray(said - pull * reader.missed[row], dtype=np.float32)

    def _unread(self, asked: Floats, article: int) -> Floats:
        """What the learned reader would say to this had it not read this article at all."""
        reader = self._reader
        assert reader is not None
        own = np.flatnonzero(reader.owners == article)
        shares = np.einsum("ik,jk->ij", reader.swayed[own], reader.inputs[own])
        pulls = np.linalg.solve(np.eye(len(own), dtype=np.float32) - shares.T, against(reader.swayed[own], asked))
        return np.asarray(summed(asked, reader.lines) - summed(pulls, reader.missed[own]), dtype=np.float32)


def _looked_up(terms: Terms, among: Terms, values: Floats) -> Floats:
    """The value of each of these terms in a sorted list of terms; zero where it is not there."""
    places = np.searchsorted(among, terms)
    places[places == len(among)] = 0
    return np.where(among[places] == terms, values[places], np.float32(0))


def _mistyped(words: Sequence[str]) -> list[str]:
    """The words with some letters left out, doubled or changed about, the same ones every time."""
    return [_slipped(word, zlib.crc32(f"{number} {word}".encode())) for number, word in enumerate(words)]


def _slipped(word: str, chance: int) -> str:
    if len(word) <= 3 or chance % 64 >= _MISTYPED:
        return word
    place = 1 + chance // 64 % (len(word) - 1)
    match chance % 3:
        case 0:
            return word[:place] + word[place + 1 :]
        case 1:
            return word[:place] + word[place] + word[place:]
        case _:
            return word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :]


def _swayed(inputs: Floats) -> Floats:
    """The inputs times the inverse of their spread, by whichever of the two equal ways is the shorter."""
    many, width = inputs.shape
    ridge = np.float32(_RIDGE)
    if many < width:
        return np.asarray(np.linalg.solve(inputs @ inputs.T + ridge * np.eye(many, dtype=np.float32), inputs))
    return np.asarray(inputs @ np.linalg.inv(inputs.T @ inputs + ridge * np.eye(width, dtype=np.float32)))


def _taught(reading: Reading) -> list[int]:
    """The texts of an article that the learned reader learns from: all but the late paragraphs of a long answer."""
    answers = 0
    taught = []
    for number, text in enumerate(reading.texts):
        answers += text.weight == ANSWER
        if text.weight != ANSWER or answers <= _CHUNKS:
            taught.append(number)
    return taught


def _without(scores: Scores, article: int) -> Scores:
    """The scores as if the article were not there."""
    return Scores(
        np.delete(scores.bag, article),
        np.delete(scores.nearest, article),
        np.delete(scores.near, article),
        np.delete(scores.learned, article),
        scores.elsewhere,
    )


@dataclass
class _Lessons:
    """What the confidence is fitted on, question by question."""

    fusion: Fusion
    rows: list[npt.NDArray[np.float64]] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)  # of the right article; far down where there is none
    weights: list[float] = field(default_factory=list)

    def add(self, question: Question, scores: Scores, own: int | None, weight: float) -> None:
        """Note how one question came out, and how often such a one is asked."""
        evidence = evidence_of([scores], self.fusion, question)
        self.rows.append(features(evidence))
        self.ranks.append(_NOWHERE if own is None else int((evidence.fused > evidence.fused[own]).sum()))
        self.weights.append(weight)


def _rehearse(workshops: Sequence[_Workshop], speller: Speller) -> tuple[Fusion, Judge, Rehearsal | None]:
    asked, hasty = [], []
    for workshop in workshops:
        wordings = workshop.wordings()
        large = len(workshop.section.ids) > _LEARNED_ARTICLES
        share = (_FEW_REHEARSED if large else _REHEARSED) // len(workshops)
        asked += [workshop.ask(article, number) for article, number in wordings[:share]]
        hasty += [workshop.ask(article, number, speller) for article, number in wordings[:share:3]]
    asked, hasty = ([one for one in some if len(one.away.bag)] for some in (asked, hasty))
    if not asked:
        return _untried_fusion(workshops), confidence.SHIPPED, None
    lessons = _Lessons(_best_fusion(asked, learned=any(len(workshop.section.lines) for workshop in workshops)))
    for one in asked:
        lessons.add(one.question, one.held_out, one.own, 1.0)
    for one in asked:
        lessons.add(one.question, one.away, None, confidence.NEIGHBOURING)
    for one in hasty:
        lessons.add(one.question, one.held_out, one.own, _IN_HASTE * len(asked) / len(hasty))
    overheard = [heard for workshop in workshops for heard in workshop.overhear()]
    for question, scores in overheard:
        lessons.add(question, scores, None, confidence.CHATTER * len(asked) / len(overheard))
    ranks = np.array(lessons.ranks)
    judge = confidence.fit(lessons.rows, ranks == 0, ranks < SUGGESTIONS, lessons.weights, precision=PRECISION)
    judge = judge or confidence.SHIPPED
    bands = [judge.band(row) for row in lessons.rows]
    careful = ranks[: len(asked)]
    rehearsal = Rehearsal(
        asked=len(asked),
        first=float((careful == 0).mean()),
        among_three=float((careful < SUGGESTIONS).mean()),
        reciprocal=float((1 / (careful + 1)).mean()),
        separation=separation(np.array([sure for _, sure in bands]), ranks == 0),
        coverage=sum(band is Band.ANSWER for band, _ in bands[: len(asked)]) / len(asked),
    )
    return lessons.fusion, judge, rehearsal


def _untried_fusion(workshops: Sequence[_Workshop]) -> Fusion:
    """For shelves without wordings: meaning was seen to help where there are titles, and to hurt elsewhere."""
    titled = any(text.weight == TITLE for workshop in workshops for text in workshop.texts())
    return Fusion(near=0.45 if titled else 0.0, learned=0.0)


def _best_fusion(asked: Sequence[_Asked], *, learned: bool) -> Fusion:
    """The weights under which held-out wordings come highest; the default where it makes no difference."""
    meaning = any(one.question.vector is not None for one in asked)
    best, best_rank = Fusion(near=0.45 if meaning else 0.0, learned=0.5 if learned else 0.0), -1.0
    choices = product((0.45, 0.0) if meaning else (0.0,), (3, 1), (0.5, 0.0) if learned else (0.0,))
    for near, nearest, reader in choices:
        fusion = Fusion(near, nearest, reader)
        total = 0.0
        for one in asked:
            fused = one.held_out.fused(fusion, one.question.known)
            total += 1 / (1 + int((fused > fused[one.own]).sum()))
        if total > best_rank + 1e-9:
            best, best_rank = fusion, total
    return best
