"""Gaps side by side: which unanswered questions ask the same, and what may be told of them. Pure.

Questions are laid on heaps, one after another in the order in which they were asked: on the heap whose middle is
nearest by letters, by meaning and by the trade's synonyms, or on a new one where none is near. What lies is not laid
anew, so with twenty thousand gaps only the new ones cost anything.

Few are told as few. Below five nobody learns how many there were or where; above that the count is rounded down, a
region is named only where it alone holds enough, and what is left unnamed is never few enough to be worked out.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
import numpy.typing as npt

from knowledge.terms import Synonyms, rough, words_in
from knowledge.vectors import WordVectors

Floats = npt.NDArray[np.float32]

FEWEST = 5  # of what is told as a number
_STEP = 5  # counts are told as "at least 5, 10, 15 …", so that one question more or less is not seen
# Chosen on paraphrases in four languages, not taken from any article: see tests/knowledge/test_gaps.py.
NEAR = 0.4
_LETTERS, _MEANING, _TRADE = 0.2, 0.5, 0.3
_LETTER_SIZE, _TRADE_SIZE = 256, 128
_UNKNOWN_WEIGHT = 3.2  # of a word that the vectors do not know, beside their own weights of 0.4 to 4
_WORDS = 60  # of a question; what was asked stands in the first lines


class Nearness:
    """Turns questions into vectors of length one, whose dot product says how near they are.

    `ordinary` are questions of the trade: what they share tells nothing apart.
    """

    def __init__(self, vectors: WordVectors, synonyms: Synonyms, ordinary: Sequence[str] = ()) -> None:
        self._vectors = vectors
        self._synonyms = synonyms
        self.size = _LETTER_SIZE + vectors.size + _TRADE_SIZE
        self._word = lru_cache(maxsize=20_000)(self._letters_of)
        said = [words_in(text, _WORDS) for text in ordinary]
        self._count = len(said)
        self._groups = Counter(group for words in said for group in set(synonyms.groups(words)))
        self._middle = np.zeros(vectors.size, dtype=np.float32)
        for words in said:
            self._middle += vectors.words(words) / np.float32(len(said))

    def of(self, text: str) -> Floats:
        """The vector of a question; zero where it holds no word."""
        words = words_in(text, _WORDS)
        whole = np.zeros(self.size, dtype=np.float32)
        if not words:
            return whole
        letters = np.zeros(_LETTER_SIZE, dtype=np.float32)
        for word in words:
            letters += self._word(word)
        trade = np.zeros(_TRADE_SIZE, dtype=np.float32)
        for group in sorted(set(self._synonyms.groups(words))):
            place, sign = _place(group, _TRADE_SIZE)
            trade[place] += sign * log((self._count + 2) / (self._groups[group] + 1))
        meaning = self._vectors.words(words)
        if meaning.any():
            meaning = meaning - self._middle
        whole[:_LETTER_SIZE] = _scaled(letters) * np.sqrt(_LETTERS)
        whole[_LETTER_SIZE:-_TRADE_SIZE] = _scaled(meaning) * np.sqrt(_MEANING)
        whole[-_TRADE_SIZE:] = _scaled(trade) * np.sqrt(_TRADE)
        return _scaled(whole)

    def _letters_of(self, word: str) -> Floats:
        weight = self._vectors.weight(word) if self._vectors.understands(word) else _UNKNOWN_WEIGHT
        padded = f"<{rough(word)}>"
        row = np.zeros(_LETTER_SIZE, dtype=np.float32)
        for mark in (padded, *(padded[start : start + 4] for start in range(max(1, len(padded) - 3)))):
            place, sign = _place(mark, _LETTER_SIZE)
            row[place] += sign
        return _scaled(row) * np.float32(weight**2)


class Heaps:
    """The heaps as they lie: the middle of each, by which new questions are laid."""

    def __init__(self, nearness: Nearness, *, near: float = NEAR) -> None:
        self._nearness = nearness
        self._near = near
        self._place: dict[str, int] = {}
        self._ids: list[str] = []
        self._sums = np.zeros((64, nearness.size), dtype=np.float32)
        self._middles = np.zeros((64, nearness.size), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def lies(self, text: str, heap: str) -> None:
        """A question lies on this heap already."""
        self._put(heap, self._nearness.of(text))

    def vector(self, text: str) -> Floats:
        """A question's vector, to be laid later."""
        return self._nearness.of(text)

    def lay(self, gap_id: str, text: str) -> str:
        """Lay a question on the heap that it belongs on, whose id this is; its own id where it begins a new one."""
        return self.lay_vector(gap_id, self._nearness.of(text))

    def lay_vector(self, gap_id: str, row: Floats) -> str:
        """As `lay`, for a question whose vector was made before."""
        heap = gap_id
        if self._ids and row.any():
            nearness = self._middles[: len(self._ids)] @ row
            best = int(np.argmax(nearness))
            if float(nearness[best]) >= self._near:
                heap = self._ids[best]
        self._put(heap, row)
        return heap

    def _put(self, heap: str, row: Floats) -> None:
        place = self._place.get(heap)
        if place is None:
            place = self._place[heap] = len(self._ids)
            self._ids.append(heap)
            if place == len(self._sums):
                self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
                self._middles = np.concatenate([self._middles, np.zeros_like(self._middles)])
        self._sums[place] += row
        self._middles[place] = _scaled(self._sums[place])


def _place(mark: str, size: int) -> tuple[int, float]:
    number = zlib.crc32(mark.encode())
    return number % size, 1.0 if number & 0x100000 else -1.0


def _scaled(row: Floats) -> Floats:
    length = float(np.sqrt(row @ row))
    return row / np.float32(length) if length > 0 else row


# --- what may be told -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """How many there were, as far as that may be told."""

    at_least: int  # 0 where there were fewer than `FEWEST`

    @property
    def told(self) -> bool:
        """Whether there were enough to say so."""
        return self.at_least >= FEWEST


@dataclass(frozen=True)
class Regions:
    """Where they were asked, as far as that may be told."""

    named: tuple[tuple[str, Count], ...] = ()  # the most first
    elsewhere: Count = Count(0)  # all others together, and those of whom no region is known


def count_of(number: int) -> Count:
    """A count that one question more or less does not show in."""
    return Count(number - number % _STEP if number >= FEWEST else 0)


def regions_of(counts: Mapping[str, int]) -> Regions:
    """The regions that may be named; the key "" is "not known".

    A region is named where it holds `FEWEST` or more. What is left over must be nothing, or as many: else somebody who
    knows the whole could work it out, and the smallest named region is left unnamed too.
    """
    known = sorted(
        ((region, number) for region, number in counts.items() if region and number >= FEWEST),
        key=lambda each: (-each[1], each[0]),
    )
    left = sum(counts.values()) - sum(number for _, number in known)
    while known and 0 < left < FEWEST:
        left += known.pop()[1]
    return Regions(tuple((region, count_of(number)) for region, number in known), count_of(left))
