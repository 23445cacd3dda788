"""What a text is to the search: its words, and the terms they leave in the index.

Every word leaves its padded character 3- and 4-grams, the same grams of the word in one rough Nordic spelling (so that
Swedish, Danish, bokmål, nynorsk and dialect meet), itself, the pair with its neighbour, and the groups of synonyms it
belongs to. A term is kept as the crc32 of its text, so an index needs no dictionary.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA

from helpline.content import load_yaml

Terms = npt.NDArray[np.uint32]

QUESTION_WORDS = 150  # a question longer than this is cut: what was asked stands in the first lines
ARTICLE_WORDS = 600  # of one text of an article
_READ_CHARACTERS = 8_000  # before words are told apart, so that a pasted book costs no more than a page
_LONGEST_WORD = 40
_GROUP_WEIGHT = 10  # a shared synonym group counts as this many shared grams; measured on wordings held out
_REPAIR_FROM = 5  # letters; shorter words are too many and too alike to be put right
_TWO_WRONG_FROM = 8  # letters; so long a word may have two of them wrong
_REPAIRED_AT_MOST = 25  # words of one question
_VOCABULARY_AT_MOST = 20_000

_WORD = re.compile(r"[^\W_]+")
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufe00-\ufe0f]")
_MASKED = re.compile(r"\[[^\W\d_][^\[\]\n]{0,30}\]")  # what the masking left: "[navn]"
_TWICE = re.compile(r"(.)\1+")
_ROUGH = tuple(
    pair.split(":")
    for pair in "hv:v kv:v ck:k ph:f x:ks z:s w:v aa:å æ:e ä:e ö:o ø:o å:a é:e q:k".split()  # noqa: SIM905 - reads as pairs
)


# Words that people put into a question and that say nothing of what it is about; openings come before the question.
_FILLERS = frozenset(
    "egentlig eigentleg eigentlig egentligen egentleg really actually liksom altså alltså faktisk faktiskt nemlig nämligen".split()  # noqa: E501, SIM905 - one list reads best
)
_OPENING = re.compile(
    r"^\s*(?:(?:hei|hey|hej|hallo|hallå|hello|hi|god kveld|god morgen|god kväll|good evening|hejsan)\b[\s,.!:]*)?"
    r"(?:(?:jeg|eg|æ|jag|vi|me|i|we)\s+(?:bare\s+|bara\s+|just\s+)?"
    r"(?:lurer på|lurar på|lure på|undrer på|undrar|undrar på|wonder|am wondering|was wondering|would like to know"
    r"|vil gjerne vite|vil gjerne vita|vil vite|vill veta|vill gärna veta)\b[\s,:]*"
    r"|(?:kan du si meg|kan du seie meg|kan du säga mig|vet du|veit du|can you tell me|do you know)\b[\s,:]*)?",
    re.IGNORECASE,
)


def asked_in(text: str) -> list[str]:
    """The words of the question itself: without how it is opened, and without what people fill their sentences with."""
    opening = _OPENING.match(text)
    words = words_in(text[opening.end() :] if opening else text)
    kept = [word for word in words if word not in _FILLERS]
    return kept or words_in(text)


def words_in(text: str, at_most: int = QUESTION_WORDS) -> list[str]:
    """The first words of a text, lower case; marks of writing direction and of masked names are left out."""
    text = unicodedata.normalize("NFC", text[:_READ_CHARACTERS]).lower()
    text = _UNSEEN.sub("", text)
    if "[" in text:
        text = _MASKED.sub(" ", text)
    return [word[:_LONGEST_WORD] for word in _WORD.findall(text)[:at_most]]


@lru_cache(maxsize=50_000)
def rough(word: str) -> str:
    """The word in one rough Nordic spelling, in which the neighbours' spellings meet."""
    for written, plain in _ROUGH:
        word = word.replace(written, plain)
    return _TWICE.sub(r"\1", word)


class Synonyms:
    """Groups of words that mean the same on a ward (`content/synonyms.yaml`)."""

    def __init__(self, groups: Mapping[str, Iterable[str]]) -> None:
        whole: dict[str, set[str]] = {}
        heads: dict[str, set[str]] = {}
        phrases: dict[tuple[str, ...], set[str]] = {}
        for group, members in groups.items():
            for member in members:
                parts = [rough(word) for word in words_in(member)]
                if len(parts) > 1:
                    phrases.setdefault(tuple(parts), set()).add(group)
                elif parts:
                    (heads if member.endswith("*") else whole).setdefault(parts[0], set()).add(group)
        self._whole, self._heads, self._phrases = whole, heads, phrases
        self._phrase_heads = frozenset(phrase[0] for phrase in phrases)
        self._phrase_lengths = sorted({len(phrase) for phrase in phrases})
        self.digest = _digest(f"{group}: {' | '.join(members)}" for group, members in sorted(groups.items()))
        self._of_word = lru_cache(maxsize=50_000)(self._look_up)

    @classmethod
    def load(cls, path: Path) -> Synonyms:
        """Read the groups strictly; each needs at least two members."""
        groups: dict[str, tuple[str, ...]] = {}
        for name, node in load_yaml(path).entries().items():
            members = node.texts(at_least=2)
            for item, member in zip(node.items(), members, strict=True):
                if not words_in(member):
                    raise item.error(f'"{member}" holds no word.')
            groups[name] = members
        return cls(groups)

    def groups(self, words: Sequence[str]) -> list[str]:
        """The groups that these words and their neighbours belong to, one for each time."""
        return [group for word in words for group in self._of_word(word)] + self.phrases(words)

    def of_word(self, word: str) -> tuple[str, ...]:
        """The groups that a word belongs to by itself."""
        return self._of_word(word)

    def phrases(self, words: Sequence[str]) -> list[str]:
        """The groups that these words belong to together with their neighbours, one for each time."""
        found: list[str] = []
        spelt = [rough(word) for word in words]
        heads = [place for place, word in enumerate(spelt) if word in self._phrase_heads]
        for length in self._phrase_lengths if heads else ():
            for start in heads:
                if start + length > len(spelt):
                    break
                found += sorted(self._phrases.get(tuple(spelt[start : start + length]), ()))
        return found

    def _look_up(self, word: str) -> tuple[str, ...]:
        spelt = rough(word)
        found = set(self._whole.get(spelt, ()))
        for length in range(2, len(spelt) + 1):
            found |= self._heads.get(spelt[:length], set())
        # The last part of a compound says what it is: "nødtolk" is a tolk. A short part says nothing.
        for start in range(3, len(spelt) - 4):
            for length in range(5, len(spelt) - start + 1):
                found |= self._heads.get(spelt[start : start + length], set())
        return tuple(sorted(found))


class Termer:
    """Turns words into terms, and remembers what it did for each word."""

    def __init__(self, synonyms: Synonyms | None = None) -> None:
        self._synonyms = synonyms
        self._of_word = lru_cache(maxsize=50_000)(_word_terms)

    def groups(self, words: Sequence[str]) -> int:
        """How many different groups of synonyms these words touch: how much of it is our trade."""
        return len(set(self._synonyms.groups(words))) if self._synonyms is not None else 0

    def terms(self, words: Sequence[str]) -> Terms:
        """The terms of these words in a row; one that occurs twice stands there twice."""
        parts: list[Terms] = [self._of_word(word) for word in words]
        ends = [word.encode() for word in words]
        # As the mark of "one other".
        marks = [zlib.crc32(b" " + other, zlib.crc32(one)) for one, other in itertools.pairwise(ends)]
        if self._synonyms is not None:
            for group in self._synonyms.groups(words):
                marks += [zlib.crc32(f"@{group}".encode())] * _GROUP_WEIGHT
        if marks:
            parts.append(np.array(marks, dtype=np.uint32))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)

    def weighed(self, texts: Iterable[tuple[Sequence[str], float]]) -> tuple[Terms, npt.NDArray[np.float32]]:
        """The terms of many texts, each once, and how much of each: as often as it stands there, by the text's weight.

        As `terms` of each text would have it; but a word that stands there ten times is turned into terms once.
        """
        words: dict[str, float] = {}
        marks: dict[bytes, float] = {}
        for text, weight in texts:
            for word in text:
                words[word] = words.get(word, 0.0) + weight
            ends = [word.encode() for word in text]
            for one, other in itertools.pairwise(ends):
                pair = one + b" " + other
                marks[pair] = marks.get(pair, 0.0) + weight
            for group in self._synonyms.phrases(text) if self._synonyms is not None else ():
                mark = f"@{group}".encode()
                marks[mark] = marks.get(mark, 0.0) + weight * _GROUP_WEIGHT
        if self._synonyms is not None:
            for word, weight in words.items():
                for group in self._synonyms.of_word(word):
                    mark = f"@{group}".encode()
                    marks[mark] = marks.get(mark, 0.0) + weight * _GROUP_WEIGHT
        parts = [self._of_word(word) for word in words]
        parts.append(np.fromiter(map(zlib.crc32, marks), dtype=np.uint32, count=len(marks)))
        heavy = np.repeat(list(words.values()), [len(part) for part in parts[:-1]])
        terms = np.concatenate(parts)
        order = np.argsort(terms)
        terms, heavy = terms[order], np.concatenate([heavy, list(marks.values())])[order]
        first = np.flatnonzero(np.diff(terms, prepend=~terms[:1]))
        sums = np.add.reduceat(heavy, first) if len(first) else heavy
        return terms[first], sums.astype(np.float32)


class Speller:
    """Puts right a word with one letter wrong, a long one with two, where a list of words knows the right one."""

    def __init__(
        self,
        counts: Mapping[str, int],
        known: Callable[[str], bool] | None = None,
        *,
        shortest: int = _REPAIR_FROM,
    ) -> None:
        often = sorted(counts, key=lambda word: (-counts[word], word))[:_VOCABULARY_AT_MOST]
        self._counts = {word: counts[word] for word in often}
        self._known = known or (lambda _: False)
        self._shortest = shortest
        self._near: dict[str, list[str]] = {}
        for word in often:
            if len(word) >= shortest - 1:
                for trace in _traces(word):
                    self._near.setdefault(trace, []).append(word)

    @property
    def counts(self) -> Mapping[str, int]:
        return self._counts

    def repaired(self, words: Sequence[str]) -> list[str]:
        """The words, those misspelt put right; what is known, short, or like nothing known stays as it is."""
        left = _REPAIRED_AT_MOST
        found: list[str] = []
        for word in words:
            right = word
            if left and len(word) >= self._shortest and word not in self._counts and not self._known(word):
                left -= 1
                right = self._nearest(word)
            found.append(right)
        return found

    def _nearest(self, word: str) -> str:
        near = {other for trace in _traces(word) for other in self._near.get(trace, ())}
        best, nearest = word, (3, 0, "")
        for other in near:
            wrong = OSA.distance(word, other, score_cutoff=2)
            if wrong > (2 if min(len(word), len(other)) >= _TWO_WRONG_FROM else 1):
                continue
            order = (wrong, -self._counts[other], other)
            if order < nearest:
                best, nearest = other, order
        return best


def _traces(word: str) -> Iterator[str]:
    """The word, and the word with each letter left out: two words one step apart share one of these."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _word_terms(word: str) -> Terms:
    padded, spelt = f"<{word}>", f"<{rough(word)}>"
    marks = [f"={word}"]
    for length in (3, 4):
        marks += [f"#{gram}" for gram in _grams(padded, length)]
        marks += [f"~{gram}" for gram in _grams(spelt, length)]
    return _hashed(marks)


def _grams(padded: str, length: int) -> list[str]:
    return [padded[start : start + length] for start in range(max(1, len(padded) - length + 1))]


def _hashed(marks: Sequence[str]) -> Terms:
    return np.fromiter((zlib.crc32(mark.encode()) for mark in marks), dtype=np.uint32, count=len(marks))


def _digest(lines: Iterable[str]) -> str:
    total = 0
    for line in lines:
        total = zlib.crc32(line.encode(), total)
    return f"{total:08x}"
