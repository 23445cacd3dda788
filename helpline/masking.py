"""Taking out of a text what points to a person, before the text is stored anywhere.

`Masker.mask` puts a plain mark such as `[navn]` where a name, a number or an address stood, and says where that was.
What a clinician must be able to say stays: doses, values, law, weeks, ages, places, services, numbers anybody may call.
Nothing outside the finds is changed by a character, and masking what was masked changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpline.masking_addresses import find_addresses
from helpline.masking_links import find_emails, find_links, public_links
from helpline.masking_names import Names
from helpline.masking_numbers import (
    PUBLIC_NUMBERS,
    find_birth_dates_in_words,
    find_named_numbers,
    find_numbers,
    plain_number,
)
from helpline.masking_view import STANDS, TAKEN, Find, Kind, View, view_of
from helpline.messages import Language

__all__ = ["MARKS", "Kind", "Masked", "Masker", "Span", "without_marks"]

MARKS: Mapping[Language, Mapping[Kind, str]] = {
    Language.NB: {
        Kind.NATIONAL_ID: "[fødselsnummer]",
        Kind.PHONE: "[telefon]",
        Kind.EMAIL: "[e-post]",
        Kind.LINK: "[lenke]",
        Kind.DUF: "[DUF-nummer]",
        Kind.PASSPORT: "[pass]",
        Kind.ACCOUNT: "[konto]",
        Kind.BIRTH_DATE: "[fødselsdato]",
        Kind.ADDRESS: "[adresse]",
        Kind.NAME: "[navn]",
    },
    Language.NN: {
        Kind.NATIONAL_ID: "[fødselsnummer]",
        Kind.PHONE: "[telefon]",
        Kind.EMAIL: "[e-post]",
        Kind.LINK: "[lenkje]",
        Kind.DUF: "[DUF-nummer]",
        Kind.PASSPORT: "[pass]",
        Kind.ACCOUNT: "[konto]",
        Kind.BIRTH_DATE: "[fødselsdato]",
        Kind.ADDRESS: "[adresse]",
        Kind.NAME: "[namn]",
    },
    Language.SV: {
        Kind.NATIONAL_ID: "[personnummer]",
        Kind.PHONE: "[telefon]",
        Kind.EMAIL: "[e-post]",
        Kind.LINK: "[länk]",
        Kind.DUF: "[dossiernummer]",
        Kind.PASSPORT: "[pass]",
        Kind.ACCOUNT: "[konto]",
        Kind.BIRTH_DATE: "[födelsedatum]",
        Kind.ADDRESS: "[adress]",
        Kind.NAME: "[namn]",
    },
    Language.EN: {
        Kind.NATIONAL_ID: "[ID number]",
        Kind.PHONE: "[phone]",
        Kind.EMAIL: "[e-mail]",
        Kind.LINK: "[link]",
        Kind.DUF: "[DUF number]",
        Kind.PASSPORT: "[passport]",
        Kind.ACCOUNT: "[account]",
        Kind.BIRTH_DATE: "[date of birth]",
        Kind.ADDRESS: "[address]",
        Kind.NAME: "[name]",
    },
}

_MARK = re.compile(
    "|".join(sorted({re.escape(mark) for marks in MARKS.values() for mark in marks.values()}, key=len, reverse=True))
)

# Looking again may find what only shows beside a mark; it always comes to rest long before this.
_MOST_ROUNDS = 12


_CLAUSE = re.compile(r"(?<=[.,;:!?\n])|\s(?=(?:og|och|and)\s)")
# Words that only say that a name or a number follows: what is made of them and a mark asks nothing.
_INTRODUCING = frozenset(
    re.findall(
        r"\w+",
        """
        pasienten pasient patienten patient the kvinnen kvinna kvinne mannen mann man hun ho hon han hen hennes
        hans she he her his jeg eg jag i heter heiter är er is are called name navn navnet namn namnet med har
        has hadde fnr fødselsnummer fødselsnr personnummer personnr pnr dnr dufnr duf nummer nr number født fødd
        född born f tlf tel telefon telefonnummer mobil mobilnummer phone adresse adress address bor bur lives
        ringer ringjer fra frå från from på at og och and
        """,
    )
)


def without_marks(text: str) -> str:
    """The text without our marks and what only led to them: "hun heter [navn]" says nothing of what is asked."""
    asking = [clause for clause in _CLAUSE.split(text) if not _MARK.search(clause) or not _only_introduces(clause)]
    return _MARK.sub(" ", " ".join(asking) if asking else text)


def _only_introduces(clause: str) -> bool:
    return all(word in _INTRODUCING for word in re.findall(r"[^\W\d_]+", _MARK.sub(" ", clause).casefold()))


@dataclass(frozen=True, order=True)
class Span:
    """Something that was masked: where it stood in the original, and what it was."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Masked:
    """A text that may be stored, and what was taken out of it."""

    text: str
    spans: tuple[Span, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        """What sorts of things were taken out: what the clinician is told, and all that is remembered."""
        return frozenset(span.kind for span in self.spans)


class Masker:
    """Knows the names, the places and the numbers that must stand."""

    def __init__(self, names: Names, *, keep_numbers: Iterable[str] = ()) -> None:
        self._names = names
        self._keep = frozenset(plain_number(number) for number in (*PUBLIC_NUMBERS, *keep_numbers))

    @classmethod
    def load(cls, content_folder: Path, *, keep_numbers: Iterable[str] = (), keep_words: Iterable[str] = ()) -> Masker:
        """Read the lists. The directory's telephone numbers and the names of its services are given, and stay."""
        return cls(Names.load(content_folder, keep_words), keep_numbers=keep_numbers)

    def mask(self, text: str, language: Language = Language.NB) -> Masked:
        """Put marks, in this language, where a person could be recognised, in whatever language that was written."""
        spans: list[Span] = []
        masked = text
        for _ in range(_MOST_ROUNDS):
            found = self._spans(masked)
            if not found:
                break
            spans = _merged(spans, found, language)
            masked = _written(text, spans, language)
        return Masked(masked, tuple(spans))

    def mask_line(self, line: Mapping[str, object]) -> dict[str, object]:
        """Answer one line of `varde mask --batch`: `{"id"?, "text", "language"?}`."""
        text = line.get("text")
        if not isinstance(text, str):
            raise ValueError("A line must hold a text under the key “text”.")
        language = line.get("language") or Language.NB
        if language not in set(Language):
            raise ValueError("The language of a line must be nb, nn, sv or en.")
        masked = self.mask(text, Language(str(language)))
        answer: dict[str, object] = {"id": line["id"]} if "id" in line else {}
        answer["masked"] = masked.text
        answer["spans"] = [{"start": span.start, "end": span.end, "kind": str(span.kind)} for span in masked.spans]
        return answer

    def _spans(self, text: str) -> list[Span]:
        """What one look finds, in places of the text it was given."""
        view = view_of(text)
        signs = _MARK.sub(lambda mark: TAKEN * len(mark.group()), view.text)
        signs = _covered(signs, public_links(signs), STANDS)
        finds: list[Find] = []
        for look in (
            find_emails,
            find_links,
            find_named_numbers,
            lambda seen: find_numbers(seen, self._keep),
            find_birth_dates_in_words,
            lambda seen: find_addresses(seen, self._names.towns),
            self._names.find,
        ):
            fresh = [find for find in look(signs) if TAKEN not in signs[find.start : find.end]]
            chosen = _without_overlap(fresh)
            finds.extend(chosen)
            signs = _covered(signs, ((find.start, find.end) for find in chosen), TAKEN)
        return sorted(_span(view, find) for find in finds)


def _span(view: View, find: Find) -> Span:
    start, end = view.original(find.start, find.end)
    return Span(start, end, find.kind)


def _without_overlap(finds: list[Find]) -> list[Find]:
    """Of finds that overlap, the one that begins first; of those that begin together, the longest."""
    chosen: list[Find] = []
    for find in sorted(finds, key=lambda one: (one.start, -one.end)):
        if not chosen or find.start >= chosen[-1].end:
            chosen.append(find)
    return chosen


def _covered(signs: str, stretches: Iterable[tuple[int, int]], with_sign: str) -> str:
    """The text with what was found hidden from the next look."""
    pieces: list[str] = []
    reached = 0
    for start, end in stretches:
        pieces += [signs[reached:start], with_sign * (end - start)]
        reached = end
    return "".join([*pieces, signs[reached:]])


def _written(text: str, spans: list[Span], language: Language) -> str:
    """The text with a mark for each span."""
    pieces: list[str] = []
    reached = 0
    for span in spans:
        pieces += [text[reached : span.start], MARKS[language][span.kind]]
        reached = span.end
    return "".join([*pieces, text[reached:]])


def _merged(known: list[Span], fresh: list[Span], language: Language) -> list[Span]:
    """The spans of an earlier look and those found in what it wrote, all in places of the original."""
    moved: list[Span] = []
    shift = 0  # how much longer the written text is, up to here
    waiting = list(known)
    for span in fresh:
        while waiting and waiting[0].start + shift <= span.start:
            before = waiting.pop(0)
            shift += len(MARKS[language][before.kind]) - (before.end - before.start)
        moved.append(Span(span.start - shift, span.end - shift, span.kind))
    return sorted([*known, *moved])
