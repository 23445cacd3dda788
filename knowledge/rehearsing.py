"""The rehearsal: shelves ask themselves their own wordings before anybody else does.

A few times over, a share of every article's wordings and some whole articles are put aside and the sections are really
made without them. The wordings put aside have a right answer; those of the articles put aside have none. From both the
weights of the scores are chosen and the confidence is fitted. All articles lose as much, so that none is found less
often than it will be for having lost more than its neighbours.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from knowledge import confidence
from knowledge.confidence import PRECISION, SUGGESTIONS, Band, Judge, features, separation
from knowledge.search import Asker, Fusion, Question, Rehearsal, Scores, evidence_of
from knowledge.sections import LEARNED_ARTICLES, TITLE, Place, Reading, Workbench

_ROUNDS = 3  # at least
_MOST_ROUNDS = 8
_ENOUGH = 600  # wordings asked; small shelves are gone through more often until they are
_SHARE = 0.12  # of an article's wordings that one round puts aside
_AWAY_OF = 8  # articles, of which a round puts one aside
_ASKED_OF_AWAY = 4  # wordings of an article put aside
_ASKED = 1_500  # wordings of all rounds and countries
_FEW_ASKED = 500  # on shelves too large for the learned reader, where one wording costs more
_MISTYPED = 32  # of 64 longer words of a wording asked in haste
_IN_HASTE = 0.3  # questions typed in haste for each typed with care
_NOWHERE = 1_000_000  # the rank of an article that is not there
_UNTITLED = 0.2  # how much meaning counts beside long answers without a title
_UNTRIED = 0.5  # how much the learned reader counts where too little could be rehearsed to say


@dataclass(frozen=True)
class Round:
    """What one rehearsal is made without."""

    held: tuple[Place, ...]  # wordings that are asked
    away: tuple[int, ...]  # articles
    unheard: tuple[int, ...]  # messages of ordinary ward life


def rounds_of(readings: Sequence[Reading], chatter: int, *, countries: int = 1) -> tuple[Round, ...]:
    """Which wordings and articles are put aside, in an order that has nothing to do with the articles'."""
    large = len(readings) > LEARNED_ARTICLES
    rounds = 1 if large else _rounds(readings)
    most = (_FEW_ASKED if large else _ASKED) // rounds // countries
    found = []
    for turn in range(rounds):
        held: list[tuple[int, Place]] = []
        away = []
        for article, reading in enumerate(readings):
            mark = zlib.crc32(reading.id.encode())
            wordings = _wordings(reading, mark)
            if not wordings:
                continue
            if len(readings) >= _AWAY_OF and mark % _AWAY_OF == turn:
                away.append(article)
                continue
            many = _put_aside(reading, len(wordings))
            if len(wordings) == 1 and mark // _AWAY_OF % rounds != turn:
                continue  # the only one is put aside once, not always
            for place in range(many):
                number = wordings[(turn * many + place) % len(wordings)]
                held.append((zlib.crc32(f"{mark} {number}".encode()), (article, number)))
        held.sort()
        found.append(Round(tuple(place for _, place in held[:most]), tuple(away), tuple(range(turn, chatter, rounds))))
    return tuple(found)


def _put_aside(reading: Reading, wordings: int) -> int:
    """How many of an article's wordings one round puts aside."""
    return max(1, round(wordings * _SHARE)) if wordings and len(reading.texts) > 1 else 0


def _rounds(readings: Sequence[Reading]) -> int:
    """How many rounds it takes to ask enough, each wording once."""
    counts = [sum(text.wording for text in reading.texts) for reading in readings]
    each = sum(_put_aside(reading, count) for reading, count in zip(readings, counts, strict=True))
    wanted = -(-_ENOUGH // each) if each else _ROUNDS
    return max(_ROUNDS, min(wanted, _MOST_ROUNDS, max(counts, default=0)))


def _wordings(reading: Reading, mark: int) -> list[int]:
    """Which of an article's texts are wordings, mixed."""
    own = [number for number, text in enumerate(reading.texts) if text.wording]
    return sorted(own, key=lambda number: zlib.crc32(f"{number} {mark}".encode()))


@dataclass(frozen=True)
class _Asked:
    """One rehearsed question against the section made without it."""

    question: Question
    own: int | None  # the right article's place; none where it was put aside, or never was
    scores: Scores
    country: str


@dataclass
class _Notes:
    """What was asked, by kind."""

    careful: list[_Asked] = field(default_factory=list)
    hasty: list[_Asked] = field(default_factory=list)
    away: list[_Asked] = field(default_factory=list)
    chatter: list[_Asked] = field(default_factory=list)

    def hold(self, bench: Workbench, turn: Round, asker: Asker) -> None:
        """Make the section without what is put aside, and ask it."""
        section = bench.section_without(turn.held, turn.away, turn.unheard)
        if not section.ids:
            return
        place_of = {identifier: place for place, identifier in enumerate(section.ids)}

        def ask(words: Sequence[str], own: int | None) -> _Asked:
            question = asker.prepared(words)
            return _Asked(question, own, section.score(question), section.country.value if section.country else "")

        for number, (article, text) in enumerate(turn.held):
            reading = bench.readings[article]
            own, words = place_of[reading.id], reading.texts[text].words
            self.careful.append(ask(words, own))
            if number % 3 == 0:
                self.hasty.append(ask(_mistyped(words), own))
        # No more of what has no answer than the rounds of questions that have one can bear.
        for article in turn.away[: max(1, len(turn.held))]:
            reading = bench.readings[article]
            for number in _wordings(reading, zlib.crc32(reading.id.encode()))[:_ASKED_OF_AWAY]:
                self.away.append(ask(reading.texts[number].words, None))
        for number in turn.unheard:
            self.chatter.append(ask(bench.chatter[number], None))


def rehearse(
    benches: Sequence[tuple[Workbench, Sequence[Round]]], asker: Asker
) -> tuple[Fusion, Judge, Rehearsal | None]:
    """Choose the weights of the scores and fit the confidence; what was chosen, and how well it went."""
    notes = _Notes()
    for bench, rounds in benches:
        for turn in rounds:
            if turn.held:
                notes.hold(bench, turn, asker)
    if not notes.careful:
        return _untried_fusion([bench for bench, _ in benches]), confidence.SHIPPED, None
    fusion = _best_fusion(notes.careful, learned=any(len(bench.section.lines) for bench, _ in benches))
    kinds = [
        (notes.careful, 1.0),
        (notes.hasty, _IN_HASTE),
        # Where no message is known that lies far off, what lies near stands for it.
        (notes.away, confidence.NEIGHBOURING if notes.chatter else confidence.UNANSWERABLE),
        (notes.chatter, confidence.CHATTER),
    ]
    rows, ranks, weights, countries = [], [], [], []
    for asked, often in kinds:
        for one in asked:
            evidence = evidence_of([one.scores], fusion, one.question)
            rows.append(features(evidence))
            right = _NOWHERE if one.own is None else int((evidence.fused > evidence.fused[one.own]).sum())
            ranks.append(right)
            weights.append(often * len(notes.careful) / len(asked))
            countries.append(one.country)
    rank = np.array(ranks)
    judge = confidence.fit(rows, rank == 0, rank < SUGGESTIONS, weights, precision=PRECISION, countries=countries)
    if judge is None:
        return _untried_fusion([bench for bench, _ in benches]), confidence.SHIPPED, None
    bands = [judge.band(row, country) for row, country in zip(rows, countries, strict=True)]
    careful = rank[: len(notes.careful)]
    return (
        fusion,
        judge,
        Rehearsal(
            asked=len(careful),
            first=float((careful == 0).mean()),
            among_three=float((careful < SUGGESTIONS).mean()),
            reciprocal=float((1 / (careful + 1)).mean()),
            separation=separation(np.array([sure for _, sure in bands]), rank == 0),
            coverage=sum(band is Band.ANSWER for band, _ in bands[: len(careful)]) / len(careful),
        ),
    )


def _untried_fusion(benches: Sequence[Workbench]) -> Fusion:
    """For shelves with hardly a wording: meaning was seen to help where there are titles, and less elsewhere."""
    texts = (text for bench in benches for reading in bench.readings for text in reading.texts)
    titled = any(text.weight == TITLE for text in texts)
    taught = any(len(bench.section.lines) for bench in benches)
    return Fusion(near=Fusion.near if titled else _UNTITLED, learned=_UNTRIED if taught else 0.0)


def _best_fusion(asked: Sequence[_Asked], *, learned: bool) -> Fusion:
    """The weights under which the right articles come highest; the usual ones where no others are clearly better."""
    meaning = any(one.question.vector is not None for one in asked)
    nears = (Fusion.near, 0.0) if meaning else (0.0,)
    readers = (Fusion.learned, 1.0, 4.0, 0.5, 0.0) if learned else (0.0,)
    choices = [Fusion(*choice) for choice in product(nears, (Fusion.nearest, 1), readers)]
    usual = _highs(asked, choices[0])
    best, best_sum = choices[0], usual.sum()
    for fusion in choices[1:]:
        highs = _highs(asked, fusion)
        gain = highs - usual
        if highs.sum() > best_sum and gain.sum() > np.sqrt(gain @ gain):
            best, best_sum = fusion, highs.sum()
    return best


def _highs(asked: Sequence[_Asked], fusion: Fusion) -> npt.NDArray[np.float64]:
    """How high the right article came for each question, as one over its rank."""
    highs = np.zeros(len(asked))
    for place, one in enumerate(asked):
        fused = one.scores.fused(fusion, one.question.known)
        highs[place] = 1 / (1 + int((fused > fused[one.own]).sum()))
    return highs


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
