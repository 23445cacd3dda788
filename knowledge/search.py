"""Finding the right article, and knowing when there is none.

Three scores are added up for each article: one lexical bag (BM25 over the terms of `terms.py`, divided by what a
perfect article would get), nearness in meaning (`vectors.py`) weighed by the share of the question's words that are
known, and what a linear reader learned from all wordings of these shelves. How much each counts is chosen for each set
of shelves by holding wordings out (`indexing.py`). The articles of a country are searched on their own.

An index is built when shelves change, never in a request, and kept in one file. Searching changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from helpline.messages import Country, Language, country_of
from knowledge.articles import Article
from knowledge.confidence import Band, Curve, Evidence, Judge, features
from knowledge.jurisdiction import Jurisdiction
from knowledge.terms import Speller, Synonyms, Termer, Terms, asked_in, rough, words_in
from knowledge.vectors import WordVectors

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Places = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]

SATURATION = 2.0  # BM25's k1
LENGTH = 0.75  # and its b
BUCKETS = 1024  # the learned reader sees terms folded into this many
MEANING = 1.5  # and this much of the vector beside them
FORMAT = 9  # of the file; another number means another file

_POSTINGS = 120_000  # read of one question's terms, rarest first; common terms of huge shelves wait for the second look
_SECOND_LOOK = 200  # articles
_LIKELIEST = 60  # articles by either score whose vectors are compared one by one on huge shelves
_AS_WORDED = 0.99  # how sure it is that an article answers its own wording
_ROWS = 20_000  # vectors compared one by one; of more, only those of the likeliest articles


@dataclass(frozen=True)
class Candidate:
    """An article that may answer, and how well: the first one's score is the confidence."""

    article_id: str
    score: float


@dataclass(frozen=True)
class Found:
    """What a question found, best first."""

    candidates: tuple[Candidate, ...]
    band: Band
    confidence: float  # that the first is the right one
    words: int = 0
    countries: tuple[Country, ...] = ()  # whose law was searched


@dataclass(frozen=True)
class Fusion:
    """How much nearness in meaning and the learned reader count beside the bag."""

    near: float = 0.45
    nearest: int = 3  # of an article's texts, whose cosines are averaged
    learned: float = 2.0


@dataclass(frozen=True)
class Rehearsal:
    """How well these shelves found their own wordings, each held out in turn."""

    asked: int
    first: float  # share at rank 1
    among_three: float
    reciprocal: float  # mean reciprocal rank
    separation: float  # of right answers from others by confidence: area under the curve
    coverage: float  # answered at the wanted precision, of the questions that have an answer


@dataclass(frozen=True)
class Question:
    """A question made ready."""

    words: tuple[str, ...]  # with typing errors put right
    terms: Terms  # each once
    counts: Floats
    vector: Floats | None
    known: float
    trade: int = 0  # groups of synonyms touched


@dataclass(frozen=True)
class Scores:
    """One question against every article of a section."""

    bag: Floats
    nearest: Floats  # cosine of the nearest text
    near: Floats  # mean over the nearest three
    learned: Floats
    elsewhere: float = 0.0  # what the learned reader gives to "none of these"

    def fused(self, fusion: Fusion, known: float) -> Floats:
        """The scores added up."""
        near = self.near if fusion.nearest > 1 else self.nearest
        return np.asarray(
            self.bag + np.float32(fusion.near * known) * near + np.float32(fusion.learned) * self.learned,
            dtype=np.float32,
        )


@dataclass(frozen=True)
class Weighed:
    """What each score gave one article, as it counts in the sum."""

    article_id: str
    total: float
    words: float
    meaning: float
    reader: float
    matched: tuple[tuple[str, float], ...]  # the question's words that it holds, and their share of `words`


@dataclass(frozen=True)
class Reasons:
    """Why a question found what it found."""

    found: Found
    read: tuple[str, ...]  # the words as they were read, typing errors put right
    weighed: tuple[Weighed, ...]  # the candidates, best first
    worded: bool  # whether the words are an article's own
    answer_from: float  # confidence from which the first is given straight
    among: float  # how likely the right one is among the first three
    suggest_from: float
    first_by: Mapping[str, str]  # which article would come first by "words", "meaning" or "reader" alone


@dataclass(frozen=True)
class Section:
    """The articles of one country (or of none), ready to be searched."""

    country: Country | None
    ids: tuple[str, ...]
    # The bag: for each term, sorted, which articles hold it and what it gives them.
    terms: Terms
    starts: Places
    rows: Rows
    weights: Halves
    idf: Floats
    unknown_idf: float
    # Meaning: the vectors of every text, article by article, and of each article as a whole.
    texts: Floats
    text_starts: Places
    centres: Floats
    # Titles and wordings that one article alone has, as marks, sorted, and whose they are.
    phrases: npt.NDArray[np.uint64]
    phrase_rows: Places
    # The learned reader: a weight for each bucket and vector dimension, for each article and for "none of these"; empty
    # where there is none.
    lines: Floats

    def score(self, question: Question) -> Scores:
        """Score every article."""
        places = np.searchsorted(self.terms, question.terms)
        places[places == len(self.terms)] = 0
        hit = self.terms[places] == question.terms if len(self.terms) else np.zeros(len(places), dtype=bool)
        bag = self._bag(places[hit], question.counts[hit], question.counts[~hit])
        nearest, near = self._near(question, bag)
        learned = self._learned(question, places, hit)
        return Scores(bag, nearest, near, learned[:-1], float(learned[-1]))

    def held(self, article: int, terms: Terms) -> float:
        """What these terms, each once, give an article before it is divided by what a perfect one would get."""
        total = 0.0
        for place in np.searchsorted(self.terms, terms):
            if place >= len(self.terms):
                continue
            start, end = self.starts[place], self.starts[place + 1]
            spot = start + int(np.searchsorted(self.rows[start:end], self.rows.dtype.type(article)))
            if spot < end and self.rows[spot] == article:
                total += float(self.weights[spot])
        return total

    def worded(self, mark: int) -> int | None:
        """The place of the article whose title or wording this is."""
        place = int(np.searchsorted(self.phrases, np.uint64(mark)))
        if place < len(self.phrases) and int(self.phrases[place]) == mark:
            return int(self.phrase_rows[place])
        return None

    def _bag(self, places: Places, counts: Floats, unknown: Floats) -> Floats:
        size = len(self.ids)
        perfect = float(self.idf[places] @ counts) + self.unknown_idf * float(unknown.sum())
        if perfect <= 0:
            return np.zeros(size, dtype=np.float32)
        lengths = self.starts[places + 1] - self.starts[places]
        order = np.argsort(lengths, kind="stable")
        now = order[np.cumsum(lengths[order]) <= _POSTINGS]
        starts, ends = self.starts[places[now]].tolist(), self.starts[places[now] + 1].tolist()
        # A term's postings stand in a row: copied stretch by stretch they are there sooner than picked one by one.
        held = [slice(start, end) for start, end in zip(starts, ends, strict=True)] or [slice(0)]
        gains = np.concatenate([self.weights[stretch] for stretch in held]).astype(np.float32)
        gains *= np.repeat(counts[now], lengths[now])
        rows = np.concatenate([self.rows[stretch] for stretch in held])
        scores = np.bincount(rows, weights=gains, minlength=size)
        later = order[len(now) :]
        if len(later):
            likely = np.argpartition(scores, -_SECOND_LOOK)[-_SECOND_LOOK:] if size > _SECOND_LOOK else np.arange(size)
            likely.sort()
            for place, count in zip(places[later], counts[later], strict=True):
                start, end = self.starts[place], self.starts[place + 1]
                spots = start + np.searchsorted(self.rows[start:end], likely.astype(self.rows.dtype))
                spots[spots == end] = start
                there = self.rows[spots] == likely
                scores[likely[there]] += count * self.weights[spots[there]].astype(np.float32)
        return np.asarray(scores / (perfect * (SATURATION + 1)), dtype=np.float32)

    def _near(self, question: Question, bag: Floats) -> tuple[Floats, Floats]:
        size = len(self.ids)
        if question.vector is None or not len(self.texts):
            return np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        if len(self.texts) <= _ROWS:
            cosines = against(self.texts, question.vector)
            return best_of(cosines, self.text_starts[:-1], np.diff(self.text_starts))
        whole = against(self.centres, question.vector)
        likely = np.union1d(_top(whole, _LIKELIEST), _top(bag, _LIKELIEST))
        lengths = self.text_starts[likely + 1] - self.text_starts[likely]
        cosines = against(self.texts[_spread(self.text_starts[likely], lengths)], question.vector)
        nearest, near = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        nearest[likely], near[likely] = best_of(cosines, np.cumsum(lengths) - lengths, lengths)
        return nearest, near

    def _learned(self, question: Question, places: Places, hit: npt.NDArray[np.bool_]) -> Floats:
        if not len(self.lines):
            return np.zeros(len(self.ids) + 1, dtype=np.float32)
        idf = np.where(hit, self.idf[places], np.float32(self.unknown_idf))
        buckets, values = folded(question.terms, question.counts, idf)
        learned = summed(values, self.lines[buckets])
        if question.vector is not None and len(self.lines) > BUCKETS:
            learned = learned + np.float32(MEANING * question.known) * summed(question.vector, self.lines[BUCKETS:])
        return np.asarray(learned, dtype=np.float32)


def mark_of(words: Sequence[str]) -> int:
    """A number for these words in any order and any Nordic spelling."""
    spelt = " ".join(sorted({rough(word) for word in words}))
    return int.from_bytes(hashlib.blake2b(spelt.encode(), digest_size=8).digest(), "big")


# A product of a matrix and a vector is too little work to be shared between threads: on a busy machine the threads that
# numpy's `@` starts for it wait for each other twenty times as long as the sum takes. These stay in the caller's.


def against(rows: Floats, vector: Floats) -> Floats:
    """Each row's product with the vector."""
    return np.asarray(np.einsum("ij,j->i", rows, vector), dtype=np.float32)


def summed(values: Floats, rows: Floats) -> Floats:
    """The rows, each so many times, in one."""
    return np.asarray(np.einsum("i,ij->j", values, rows), dtype=np.float32)


def folded(terms: Terms, counts: Floats, idf: Floats) -> tuple[Places, Floats]:
    """The terms as the learned reader sees them: buckets, and in each a signed value, the whole of length one."""
    mixed = terms.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    buckets = ((mixed >> np.uint64(20)) % np.uint64(BUCKETS)).astype(np.int64)
    signs = np.where((mixed >> np.uint64(40)) & np.uint64(1), np.float32(1), np.float32(-1))
    values = np.log1p(counts) * idf
    length = float(np.sqrt(values @ values))
    scaled = values * signs / np.float32(length) if length > 0 else values
    return buckets, np.asarray(scaled, dtype=np.float32)


def best_of(cosines: Floats, starts: Places, lengths: Places) -> tuple[Floats, Floats]:
    """For each article the best cosine of its texts, and the mean over the best three."""
    owners = np.repeat(np.arange(len(starts)), lengths)
    left = cosines.copy()
    best = np.maximum.reduceat(left, starts)
    total, seen, top = best.copy(), np.ones(len(starts), dtype=np.float32), best
    for _ in range(2):
        left = np.where(left >= top[owners], np.float32(-2), left)
        top = np.maximum.reduceat(left, starts)
        there = top > -2
        total += np.where(there, top, np.float32(0))
        seen += there
    return best, np.asarray(total / seen, dtype=np.float32)


class Asker:
    """Makes questions ready: typing errors put right, words turned into terms and into a vector."""

    def __init__(self, words: Mapping[str, int], termer: Termer, vectors: WordVectors | None) -> None:
        """`words` are those of the shelves, and how often each stands there."""
        self.words = dict(words)
        self._termer = termer
        self._vectors = vectors
        self._speller = Speller(words, vectors.understands if vectors is not None else None)

    def question(self, text: str) -> Question:
        """Make a text ready: bounded work, whatever came in."""
        return self.prepared(asked_in(text))

    def terms(self, words: Sequence[str]) -> Terms:
        """The terms of words that are spelt as they should be."""
        return self._termer.terms(words)

    def prepared(self, typed: Sequence[str]) -> Question:
        """Make words ready as they were typed."""
        words = self._speller.repaired(typed)
        terms, counts = np.unique(self._termer.terms(words), return_counts=True)
        vector, known = None, 0.0
        if self._vectors is not None:
            # The table knows words that these shelves do not hold. It may guess at those for the meaning, where one
            # wrong guess among ten words turns little, but not for the terms, where it would be held for what was said.
            letters = [word for word in self._vectors.speller.repaired(words) if word.isalpha()]
            vector, known = self._vectors.words(letters), self._vectors.known_share(letters)
        return Question(tuple(words), terms, counts.astype(np.float32), vector, known, self._termer.groups(words))


class Index:
    """All sections, and what is needed to ask them. It never changes once it is built."""

    def __init__(
        self,
        sections: Sequence[Section],
        judge: Judge,
        fusion: Fusion,
        asker: Asker,
        *,
        digest: str = "",
        rehearsal: Rehearsal | None = None,
        jurisdiction: Jurisdiction | None = None,
    ) -> None:
        self.sections = tuple(sections)
        self.judge = judge
        self.fusion = fusion
        self.digest = digest
        self.rehearsal = rehearsal
        self._asker = asker
        self._jurisdiction = jurisdiction

    @classmethod
    def build(
        cls,
        articles: Sequence[Article],
        vectors: WordVectors | None = None,
        *,
        synonyms: Synonyms | None = None,
        jurisdiction: Jurisdiction | None = None,
        chatter: Sequence[str] = (),
    ) -> Index:
        """Make the index, and rehearse it on the shelves' own wordings; seconds, so never in a request.

        `chatter` are messages that these shelves do not answer, whatever they hold.
        """
        from knowledge import indexing

        return indexing.build(articles, vectors, synonyms=synonyms, jurisdiction=jurisdiction, chatter=chatter)

    def search(
        self,
        text: str,
        *,
        country: Country | None = None,
        language: Language | None = None,
        limit: int = 10,
    ) -> Found:
        """What these words find on the line of a country; without one, the language decides (Swedish means Sweden)."""
        question = self.question(text)
        countries = self._countries(text, country, language)
        if not question.words:
            return Found((), Band.NONE, 0.0, countries=countries)
        sections = [part for part in self.sections if part.country is None or part.country in countries]
        scored = [(part, part.score(question)) for part in sections if part.ids]
        if not scored:
            return Found((), Band.NONE, 0.0, len(question.words), countries)
        evidence = evidence_of([scores for _, scores in scored], self.fusion, question)
        band, sure = self.judge.band(features(evidence), _only_country([part for part, _ in scored]))
        ids = [identifier for part, _ in scored for identifier in part.ids]
        fused = evidence.fused
        parts = [part for part, _ in scored]
        worded = _worded(parts, text, question)
        if worded is not None:
            # These are an article's own words: whoever wrote them there has said what answers them.
            band, sure = Band.ANSWER, max(sure, _AS_WORDED)
            fused = fused.copy()
            fused[worded] = fused.max() + np.float32(1e-3)
        order = _top(fused, limit)
        order = order[np.argsort(-fused[order], kind="stable")]
        best = max(float(fused[order[0]]), 1e-9)
        candidates = tuple(
            Candidate(ids[place], round(sure * max(float(fused[place]) / best, 0.0), 6)) for place in order
        )
        return Found(candidates, band, sure, len(question.words), countries)

    def question(self, text: str) -> Question:
        """Make a question ready: bounded work, whatever came in."""
        return self._asker.question(text)

    def explain(
        self, text: str, *, country: Country | None = None, language: Language | None = None, limit: int = 5
    ) -> Reasons:
        """Search, and say why it came out as it did."""
        found = self.search(text, country=country, language=language, limit=limit)
        question = self.question(text)
        parts = [
            part for part in self.sections if part.ids and (part.country is None or part.country in found.countries)
        ]
        worded = _worded(parts, text, question) is not None
        judge, fusion = self.judge, self.fusion
        if not found.candidates:
            return Reasons(found, question.words, (), worded, judge.answer_from, 0.0, judge.suggest_from, {})
        needed = judge.needed(_only_country(parts))
        scores = [part.score(question) for part in parts]
        evidence = evidence_of(scores, fusion, question)
        ids = [identifier for part in parts for identifier in part.ids]
        weighed = []
        for candidate in found.candidates:
            place = ids.index(candidate.article_id)
            section, row = _within(parts, place)
            weighed.append(
                Weighed(
                    candidate.article_id,
                    float(evidence.fused[place]),
                    float(evidence.bag[place]),
                    float(fusion.near * question.known * evidence.near[place]),
                    float(fusion.learned * evidence.learned[place]),
                    _matched(section, row, question.words, self._asker),
                )
            )
        columns = {"words": evidence.bag, "meaning": evidence.near, "reader": evidence.learned}
        first_by = {name: ids[int(np.argmax(column))] for name, column in columns.items() if column.any()}
        among = judge.among.at(features(evidence))
        return Reasons(found, question.words, tuple(weighed), worded, needed, among, judge.suggest_from, first_by)

    def likest(self, text: str, others: Sequence[str]) -> tuple[int, float] | None:
        """Which of the other texts this one is most like, and how much from 0 to 1; None where none is at all."""
        question = self._asker.question(text)
        best, place = 0.0, -1
        for number, other in enumerate(others):
            like = _likeness(question, self._asker.prepared(words_in(other)))
            if like > best:
                best, place = like, number
        return (place, best) if place >= 0 else None

    def _countries(self, text: str, country: Country | None, language: Language | None) -> tuple[Country, ...]:
        line = country or (country_of(language) if language is not None else None)
        if line is None:
            return tuple(Country)
        if self._jurisdiction is None:
            return (line,)
        return self._jurisdiction.countries(text, line)

    # --- one file -------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the index to one file, whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        sections = []
        for number, section in enumerate(self.sections):
            sections.append(
                {
                    "country": section.country.value if section.country is not None else None,
                    "ids": section.ids,
                    "unknown_idf": section.unknown_idf,
                }
            )
            for name in ("terms", "starts", "rows", "weights", "idf", "text_starts", "phrases", "phrase_rows"):
                arrays[f"{number}.{name}"] = getattr(section, name)
            for name in ("texts", "lines"):
                arrays[f"{number}.{name}"] = getattr(section, name).astype(np.float16)
        about = {
            "format": FORMAT,
            "digest": self.digest,
            "sections": sections,
            "words": self._asker.words,
            "fusion": vars(self.fusion),
            "judge": _plain_judge(self.judge),
            "rehearsal": vars(self.rehearsal) if self.rehearsal is not None else None,
        }
        arrays["about"] = np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}.part")
        with half.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        half.replace(path)

    @staticmethod
    def is_of(path: Path, digest: str) -> bool:
        """Whether the file holds the index with this digest."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                return bool(about["format"] == FORMAT and about["digest"] == digest)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return False

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        digest: str | None = None,
        vectors: WordVectors | None = None,
        synonyms: Synonyms | None = None,
        jurisdiction: Jurisdiction | None = None,
    ) -> Index | None:
        """Read an index back; None where there is none, it is damaged, or it is not the one with this digest."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                if about["format"] != FORMAT or (digest is not None and about["digest"] != digest):
                    return None
                sections = [_section(file, number, plain) for number, plain in enumerate(about["sections"])]
                return cls(
                    sections,
                    _judge(about["judge"]),
                    Fusion(**about["fusion"]),
                    Asker(about["words"], Termer(synonyms), vectors),
                    digest=about["digest"],
                    rehearsal=Rehearsal(**about["rehearsal"]) if about["rehearsal"] is not None else None,
                    jurisdiction=jurisdiction,
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None


def _only_country(sections: Sequence[Section]) -> str | None:
    """The country of all these sections; none where they are of several, or of none."""
    found = {section.country.value if section.country is not None else None for section in sections}
    return found.pop() if len(found) == 1 else None


def _worded(sections: Sequence[Section], text: str, question: Question) -> int | None:
    """The place, in all sections in a row, of the one article whose title or wording was asked.

    As it was typed, without how it was opened, or with its typing errors put right.
    """
    for words in (words_in(text), asked_in(text), question.words):
        place = _worded_so(sections, words)
        if place is not None:
            return place
    return None


def _worded_so(sections: Sequence[Section], words: Sequence[str]) -> int | None:
    mark, before, found = mark_of(words), 0, []
    for section in sections:
        place = section.worded(mark)
        if place is not None:
            found.append(before + place)
        before += len(section.ids)
    return found[0] if len(found) == 1 else None


def _within(sections: Sequence[Section], place: int) -> tuple[Section, int]:
    """The section and the place in it of a place in all sections in a row."""
    for section in sections:
        if place < len(section.ids):
            return section, place
        place -= len(section.ids)
    raise IndexError(place)


def _matched(section: Section, row: int, words: Sequence[str], asker: Asker) -> tuple[tuple[str, float], ...]:
    """The words that an article holds, the weightiest first, and their share of what they all give it."""
    gains = {word: section.held(row, np.unique(asker.terms([word]))) for word in dict.fromkeys(words)}
    total = sum(gains.values())
    held = sorted(((word, gain) for word, gain in gains.items() if gain > 0), key=lambda one: (-one[1], one[0]))
    return tuple((word, gain / total) for word, gain in held)


def _likeness(one: Question, other: Question) -> float:
    """How alike two texts are: the shared part of their terms, and the nearness of their meaning."""
    shared = len(np.intersect1d(one.terms, other.terms, assume_unique=True))
    terms = shared / max(float(np.sqrt(len(one.terms) * len(other.terms))), 1.0)
    if one.vector is None or other.vector is None:
        return terms
    return (terms + max(float(one.vector @ other.vector), 0.0)) / 2


def evidence_of(scores: Collection[Scores], fusion: Fusion, question: Question) -> Evidence:
    """The scores of several sections in a row, for the judge."""
    parts = list(scores)
    near = [part.near if fusion.nearest > 1 else part.nearest for part in parts]
    return Evidence(
        fused=np.concatenate([part.fused(fusion, question.known) for part in parts]),
        bag=np.concatenate([part.bag for part in parts]),
        near=np.concatenate(near),
        learned=np.concatenate([part.learned for part in parts]),
        words=len(question.words),
        known=question.known,
        trade=question.trade,
        elsewhere=max(part.elsewhere for part in parts),
    )


def _spread(starts: Places, lengths: Places) -> Places:
    """The places start, start + 1, … of every stretch in a row."""
    total = int(lengths.sum())
    shifts = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return np.asarray(shifts + np.arange(total), dtype=np.int64)


def _top(values: Floats, many: int) -> Places:
    """The places of the highest values, unordered."""
    if len(values) <= many:
        return np.arange(len(values))
    return np.argpartition(values, -many)[-many:]


def centres_of(texts: Floats, starts: Places) -> Floats:
    """For each article the direction its texts share."""
    if not len(texts):
        return np.zeros((len(starts) - 1, 0), dtype=np.float32)
    sums = np.add.reduceat(texts, starts[:-1], axis=0)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _section(file: Any, number: int, plain: Mapping[str, Any]) -> Section:
    def array(name: str) -> Any:
        return file[f"{number}.{name}"]

    texts, text_starts = array("texts").astype(np.float32), array("text_starts")
    return Section(
        country=Country(plain["country"]) if plain["country"] is not None else None,
        ids=tuple(plain["ids"]),
        terms=array("terms"),
        starts=array("starts"),
        rows=array("rows"),
        weights=array("weights"),
        idf=array("idf"),
        unknown_idf=plain["unknown_idf"],
        texts=texts,
        text_starts=text_starts,
        centres=centres_of(texts, text_starts),
        phrases=array("phrases"),
        phrase_rows=array("phrase_rows"),
        lines=array("lines").astype(np.float32),
    )


def _plain_judge(judge: Judge) -> dict[str, Any]:
    return {**vars(judge), "right": vars(judge.right), "among": vars(judge.among)}


def _judge(plain: Mapping[str, Any]) -> Judge:
    curves = {name: Curve(tuple(plain[name]["weights"]), plain[name]["bias"]) for name in ("right", "among")}
    return Judge(**{**plain, **curves})
