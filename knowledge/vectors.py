"""Meaning as a table: word vectors for bokmål, nynorsk, Swedish, Danish and English in one space.

The file is `content/vectors/nordic-static-1.npz`; what it holds and where it comes from stands beside it. A text's
vector is the sum of its words' vectors, scaled to length one, so that the dot product of two texts is their cosine. No
model runs.
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from helpline.content import ContentError
from knowledge.terms import Speller

Floats = npt.NDArray[np.float32]

_LETTERS = re.compile(r"[^\W\d_]+")
_SHORTEST_PART = 4  # letters; shorter heads and rests make compounds of anything
_LONGEST_WORD = 40  # letters; what is longer is no word, and costs time
_REMEMBERED_WORDS = 20_000
_PUT_RIGHT_FROM = 4  # letters


def words_of(text: str) -> list[str]:
    """The runs of letters of a text, lower case."""
    return _LETTERS.findall(unicodedata.normalize("NFC", text).lower())


class WordVectors:
    """The table, ready to turn texts into vectors. It never changes once it is loaded."""

    def __init__(self, words: Sequence[str], rows: Floats, gram_rows: Floats, *, digest: str) -> None:
        self._place = {word: place for place, word in enumerate(words)}
        self._rows = rows
        self._gram_rows = gram_rows
        self.size = int(rows.shape[1])
        self.digest = digest  # of the file, so that an index knows which table it was built with
        self._vector = lru_cache(maxsize=_REMEMBERED_WORDS)(self._look_up)
        # Common words stand first in the table.
        self.speller = Speller(
            {word: len(words) - place for place, word in enumerate(words)}, self.understands, shortest=_PUT_RIGHT_FROM
        )

    @classmethod
    def load(cls, path: Path) -> WordVectors:
        """Read the table."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                words = file["words"].tobytes().decode("utf-8").split("\n")
                rows = file["rows"].astype(np.float32) * file["scale"].astype(np.float32)[:, None]
                gram_rows = file["grams"].astype(np.float32) * file["gram_scale"].astype(np.float32)[:, None]
                digest = f"{zlib.crc32(file['rows'].tobytes()):08x}{zlib.crc32(file['words'].tobytes()):08x}"
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ContentError("The word vectors cannot be read.", file=str(path)) from error
        if len(words) != len(rows):
            raise ContentError(f"There are {len(words)} words but {len(rows)} rows.", file=str(path))
        return cls(words, rows, gram_rows, digest=digest)

    def text(self, text: str, *, most_words: int = 400) -> Floats:
        """The text's vector, of length one; zero where the text holds no word."""
        return self.words(words_of(text)[:most_words])

    def words(self, words: Sequence[str]) -> Floats:
        """The vector of words that were already told apart."""
        total = np.zeros(self.size, dtype=np.float32)
        for word in words:
            total += self._vector(word)[0]
        length = float(np.sqrt(total @ total))
        return total / np.float32(length) if length > 0 else total

    def known_share(self, words: Sequence[str]) -> float:
        """How many of these words the table knows, or knows the parts of: misspelt words give poor vectors."""
        if not words:
            return 0.0
        return sum(self._vector(word)[1] for word in words) / len(words)

    def understands(self, word: str) -> bool:
        """Whether the word has a row, or is made of words that have."""
        return self._vector(word)[1]

    def weight(self, word: str) -> float:
        """How much the word tells, as the table learned it: "og" little, "advokat" much."""
        return float(np.linalg.norm(self._vector(word)[0]))

    def _look_up(self, word: str) -> tuple[Floats, bool]:
        word = word[:_LONGEST_WORD]
        parts = self._parts(word)
        if parts is not None:
            return np.asarray(self._rows[parts].sum(axis=0), dtype=np.float32), True
        padded = f"<{word}>"
        places = [
            zlib.crc32(padded[start : start + length].encode()) % len(self._gram_rows)
            for length in (3, 4, 5)
            for start in range(len(padded) - length + 1)
        ]
        if not places:
            return np.zeros(self.size, dtype=np.float32), False
        return np.asarray(self._gram_rows[places].mean(axis=0), dtype=np.float32), False

    def _parts(self, word: str) -> list[int] | None:
        """The rows of the word or of the known words it is made of, longest head first."""
        place = self._place.get(word)
        if place is not None:
            return [place]
        for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
            head = self._place.get(word[:cut])
            if head is None:
                continue
            for link in ("", "s", "e"):
                if word.startswith(link, cut) and len(word) - cut - len(link) >= _SHORTEST_PART:
                    rest = self._parts(word[cut + len(link) :])
                    if rest is not None:
                        return [head, *rest]
        return None
