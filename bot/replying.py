"""An advisor's reply before it goes out: what in it points to a person, and which of our own published words it holds.

What points to a person never goes out, and the advisor sees what that is before it is taken away. What stands on the
shelves goes out as it stands there, with its source; where an advisor has changed the words, the source is not theirs
any more and its line is taken away too.

Pure: a text, what was put into it, and a masker give what may be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from helpline.masking import MARKS, Masker, Span
from helpline.messages import Language

_GAPS = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Piece:
    """Something from the shelves or the directory, as it is put into a reply."""

    claim: str  # what it is, and which revision: "article:tolk:3", "service:rosa:1"
    title: str
    text: str = field(repr=False)  # all of it, with its source
    words: str = field(repr=False)  # what must stand unchanged for the source to be theirs
    source: str = field(repr=False)  # the line that says where it is from and when it was reviewed
    variant: int = -1
    language: Language = Language.NB


@dataclass(frozen=True)
class Seen:
    """Something in the text that points to a person."""

    words: str = field(repr=False)
    mark: str  # what goes out in its place


@dataclass(frozen=True)
class Weighed:
    """A reply as it may go out, and what the advisor must know first."""

    text: str = field(repr=False)
    seen: tuple[Seen, ...] = ()
    served: tuple[Piece, ...] = ()  # whose words stand in it unchanged
    changed: tuple[str, ...] = ()  # titles of what was changed, or is not published any more

    @property
    def doubtful(self) -> bool:
        """Whether the advisor must look at it once more."""
        return bool(self.seen or self.changed)


def tidy(text: str) -> str:
    """The text as it is kept: a form's line breaks are two signs, and blanks at the ends are nobody's."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def weigh(written: str, pieces: Iterable[Piece], gone: Iterable[Piece], masker: Masker, language: Language) -> Weighed:
    """What of this may go out. `pieces` were put in as they are published now, `gone` as they no longer are."""
    text = tidy(written)
    served: list[Piece] = []
    changed: list[str] = []
    for piece in pieces:
        if piece.words in text:
            served.append(piece)
        elif piece.source in text:
            changed.append(piece.title)
            text = _without(text, piece.source)
    for piece in gone:
        if piece.source in text:
            changed.append(piece.title)
            text = _without(text, piece.source)
    masked = masker.mask(text, language)
    ours = _places(text, [line for piece in served for line in piece.text.split("\n")])
    spans = [span for span in masked.spans if not any(start <= span.start and span.end <= end for start, end in ours)]
    seen = dict.fromkeys(Seen(text[span.start : span.end], MARKS[language][span.kind]) for span in spans)
    safe = masked.text if len(spans) == len(masked.spans) else _marked(text, spans, language)
    return Weighed(safe, tuple(seen), tuple(served), tuple(dict.fromkeys(changed)))


def _without(text: str, line: str) -> str:
    return _GAPS.sub("\n\n", text.replace(line, "")).strip()


def _places(text: str, lines: Iterable[str]) -> list[tuple[int, int]]:
    """Where these lines stand in the text."""
    found = []
    for line in {line.strip() for line in lines if line.strip()}:
        start = text.find(line)
        while start >= 0:
            found.append((start, start + len(line)))
            start = text.find(line, start + len(line))
    return found


def _marked(text: str, spans: Sequence[Span], language: Language) -> str:
    for span in sorted(spans, reverse=True):
        text = text[: span.start] + MARKS[language][span.kind] + text[span.end :]
    return text
