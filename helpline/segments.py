"""How many SMS segments a text costs, and how a long one is given in parts.

A text whose every character is in the GSM 7-bit alphabet (GSM 03.38) fits 160 to a single message, or 153 to a segment
of a longer one; the extension characters count twice. One character outside it turns the whole message into UCS-2: 70,
or 67 to a segment, in UTF-16 units. So one curly quotation mark can double what a page costs.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # each is sent as an escape and a character
_GSM7 = _BASIC | _EXTENSION

_ALONE = {True: 160, False: 70}
_JOINED = {True: 153, False: 67}

# What typesetters and the Sami and other neighbouring alphabets add, in the nearest characters that cost no more.
_PLAIN = {
    **dict.fromkeys("«»“”„‟″", '"'),
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("–—−‐‑‒", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "),
    **dict.fromkeys("•·●▪", "-"),
    "…": "...",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "đ": "d",
    "Đ": "D",
    "ŋ": "n",
    "Ŋ": "N",
    "ŧ": "t",
    "Ŧ": "T",
    "ł": "l",
    "Ł": "L",
    "ð": "d",
    "þ": "th",
}
_SENTENCE_END = re.compile(r"(?<=[.:?!])\s+(?=[^\W\d_a-zæøåäö])")


class Alphabet(StrEnum):
    """How the characters of a message travel."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True)
class Segments:
    """What a text costs as SMS."""

    alphabet: Alphabet
    units: int  # septets, or UTF-16 units
    count: int  # segments; an empty text is none

    @property
    def gsm7(self) -> bool:
        return self.alphabet is Alphabet.GSM7

    @property
    def septets(self) -> int:
        """The room it takes, counted as a GSM-7 message counts it, also where it travels as UCS-2."""
        return self.units if self.gsm7 else math.ceil(self.units * _JOINED[True] / _JOINED[False])


def outside_gsm7(text: str) -> tuple[str, ...]:
    """The characters that would turn this text into UCS-2, each once, in order of appearance."""
    if _GSM7.issuperset(text):
        return ()
    return tuple(dict.fromkeys(mark for mark in text if mark not in _GSM7))


def to_gsm7(text: str) -> str:
    """The text in characters that keep it GSM-7, where there are any that say the same; others are left as they are."""
    if not outside_gsm7(text):
        return text
    return "".join(_plain(mark) for mark in unicodedata.normalize("NFC", text))


def segments(text: str) -> Segments:
    """Count the segments."""
    gsm7 = not outside_gsm7(text)
    # Counted many times a turn, so letter by letter only where a letter of two units may fall between two segments.
    double = sum(map(text.count, _EXTENSION)) if gsm7 else sum(map(_beyond_ucs2, text))
    units = len(text) + double
    if units == 0:
        count = 0
    elif units <= _ALONE[gsm7]:
        count = 1
    elif not double:
        count = math.ceil(units / _JOINED[gsm7])
    else:
        count = _packed([_size(mark, gsm7=gsm7) for mark in text], _JOINED[gsm7])
    return Segments(Alphabet.GSM7 if gsm7 else Alphabet.UCS2, units, count)


def pages(text: str, *, menu: str = "", most: int = 2) -> list[str]:
    """The text in parts that each fit `most` segments with the menu on a line below, as they would be sent.

    Parts end between paragraphs where they can, else between sentences, else between words. At least one part comes
    back, and together they hold every word.
    """
    tail = f"\n{menu}" if menu else ""

    def fits(part: str) -> bool:
        return segments(to_gsm7(part + tail)).count <= most

    if fits(text):
        return [text]
    parts: list[str] = []
    for piece, joint in _pieces(text):
        if parts and fits(parts[-1] + joint + piece):
            parts[-1] += joint + piece
        elif fits(piece):
            parts.append(piece)
        else:
            _fill(parts, piece, joint, fits)
    return parts or [text]


def _fill(parts: list[str], piece: str, joint: str, fits: Callable[[str], bool]) -> None:
    """Lay out a sentence that is longer than a part, word by word, and a word that is longer still, as it comes."""
    for place, word in enumerate(piece.split()):
        between = joint if place == 0 else " "
        if parts and fits(parts[-1] + between + word):
            parts[-1] += between + word
            continue
        while word and not fits(word):
            cut = max((length for length in range(1, len(word)) if fits(word[:length])), default=1)
            parts.append(word[:cut])
            word = word[cut:]  # noqa: PLW2901 - what is left of it
        if word:
            parts.append(word)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each with what stands between it and the one before."""
    for block, paragraph in enumerate(re.split(r"\n{2,}", text.strip())):
        for row, line in enumerate(paragraph.split("\n")):
            for place, sentence in enumerate(_SENTENCE_END.split(line.strip())):
                if sentence:
                    yield sentence, " " if place else "\n" if row else "\n\n" if block else ""


def _plain(mark: str) -> str:
    if mark in _BASIC or mark in _EXTENSION:
        return mark
    if mark in _PLAIN:
        return _PLAIN[mark]
    if unicodedata.category(mark) == "Cf":
        return ""
    base = unicodedata.normalize("NFD", mark)[0]
    return base if base in _BASIC else mark


def _beyond_ucs2(mark: str) -> bool:
    return mark > "\uffff"


def _size(mark: str, *, gsm7: bool) -> int:
    if gsm7:
        return 2 if mark in _EXTENSION else 1
    return 2 if ord(mark) > 0xFFFF else 1


def _packed(sizes: list[int], room: int) -> int:
    """Segments where a character of two units is never split over two of them."""
    count, left = 1, room
    for size in sizes:
        if size > left:
            count, left = count + 1, room
        left -= size
    return count
