"""A text as the masker looks at it: the same words with every trick of writing undone, and the way back.

Full-width digits are digits, any kind of space is a space, any dash a hyphen; soft hyphens, zero-width characters and
marks of direction are not there at all, and a letter written as letter and accent is one letter. Every character of the
view knows which characters of the original it stands for, so a find can be cut out and nothing else is touched.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


def words_of(listing: str) -> list[str]:
    """A long list, written so that it can be read."""
    return listing.split()


class Kind(StrEnum):
    """What sort of identifying thing was found."""

    NATIONAL_ID = "national-id"  # fødselsnummer, D-number, personnummer, samordningsnummer
    PHONE = "phone"
    EMAIL = "email"
    LINK = "link"  # a profile, an advertisement, a user name
    DUF = "duf"  # the number of a foreigner's case, dossier number in Sweden
    PASSPORT = "passport"
    ACCOUNT = "account"  # bank account, IBAN, card
    BIRTH_DATE = "birth-date"
    ADDRESS = "address"
    NAME = "name"


@dataclass(frozen=True, order=True)
class Find:
    """Something found, in positions of the view."""

    start: int
    end: int
    kind: Kind


TAKEN = "\ue000"  # stands in the view where something was found or was masked before; no pattern matches it

STANDS = "\ue001"  # stands where something is that may stay as it is, such as a link to a law

_LETTERS = {
    "ø": "o",
    "æ": "ae",
    "å": "a",
    "đ": "d",
    "ð": "d",
    "ł": "l",
    "ß": "ss",
    "þ": "th",
    "ı": "i",
    "ə": "a",
    "œ": "oe",
}
_CYRILLIC = dict(
    zip(
        "абвгґдеёєжзиіїйклмнопрстуфхцчшщыэюяьъ",
        words_of("a b v g g d e e ie zh z i i i i k l m n o p r s t u f kh ts ch sh shch y e iu ia"),
        strict=False,
    )
) | {"ь": "", "ъ": ""}

# Whatever is not plain Latin text with plain spaces: only then is the slow way taken.
_PLAIN = re.compile(r"[\t\n\r -~¡-¬®-ÿ]*")
_DASHES = frozenset("‐‑‒–—―−﹣－")


def fold(word: str) -> str:
    """A word in lower case and plain letters, as the lists in `content/names/` hold it."""
    lowered = word.casefold()
    if lowered.isascii():
        return lowered
    lowered = "".join(_LETTERS.get(letter) or _CYRILLIC.get(letter, letter) for letter in lowered)
    return "".join(letter for letter in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(letter))


@dataclass(frozen=True)
class View:
    """The text as it is searched, and where each character lies in the original (nothing where they are the same)."""

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the view lies in the original."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def view_of(text: str) -> View:
    """The view of a text."""
    if _PLAIN.fullmatch(text):
        return View(text.replace("\t", " "))
    shown: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for position, letter in enumerate(text):
        for part in _shown(letter):
            if shown and unicodedata.combining(part):
                joined = unicodedata.normalize("NFC", shown[-1] + part)
                if len(joined) == 1:
                    shown[-1], ends[-1] = joined, position + 1
                continue
            shown.append(part)
            starts.append(position)
            ends.append(position + 1)
    return View("".join(shown), starts, ends)


def _shown(letter: str) -> str:
    """What one character looks like to a reader; nothing where it cannot be seen."""
    if " " <= letter <= "~" or letter in "\n\r":
        return letter
    if letter in _DASHES:
        return "-"
    category = unicodedata.category(letter)
    if category in {"Cf", "Cc"} and letter != "\t":
        return ""
    if letter == "\u034f":  # invisible, though Unicode files it among the accents
        return ""
    if category in {"Zs", "Zl", "Zp"} or letter == "\t":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    if category in {"Co", "Cs"}:
        return "\ufffd"
    if letter.isalpha() and category != "Lm" and unicodedata.decomposition(letter)[:1] != "<":
        return letter
    return unicodedata.normalize("NFKC", letter)
