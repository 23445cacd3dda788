"""Telling danger now from talk about danger.

The rules are data (`content/urgency/`, where the README says how they are written). A text is cut into sentences and
words; words are compared without accents, so that "dør", "doer" and "dor" are one; a word of six letters or more may
hold one slip. Each phrase of a rule is a row of words with gaps. A match counts unless it is
denied ("ikke"), or its sentence is framed as the past, as a question of law or routine, or as something that may happen
to anyone; signs that it happens now undo the frame. What is doubtful is MAYBE: then we ask, with the numbers in sight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from helpline.content import ContentError, Node, load_yaml
from helpline.masking_view import view_of

_BEGINNING, _END = 14_000, 6_000  # characters looked at; what matters is said in the first of them, or the last
_LONGEST_SENTENCE = 80  # words after which one is cut, since some people write no full stops
_CARRIED_OVER = 16  # words that both parts of a cut sentence hold
_SHORTEST_FUZZY = 6  # letters from which a word may hold one slip


class Danger(StrEnum):
    """Whether somebody is in danger now."""

    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


@dataclass(frozen=True)
class Assessment:
    """How dangerous a text sounds, and what says so: rules by their names, and the situation that it is like."""

    level: Danger
    rules: tuple[str, ...] = ()
    nearest: str = ""  # the id of the example that it is most like
    likeness: float = 0.0  # how sure the likeness is that somebody is in danger; 0 where the rules were enough


class Assesses(Protocol):
    """Whatever can tell how dangerous a text sounds."""

    def assess(self, text: str) -> Assessment: ...


@dataclass(frozen=True)
class Example:
    """A text that a rule must or must not find, with its language."""

    language: str
    text: str


@dataclass(frozen=True)
class Rule:
    """One kind of danger: how people say it, and what undoes it."""

    name: str
    level: Danger
    phrases: tuple[Phrase, ...]
    unless: frozenset[str]
    softened_by: frozenset[str]
    must_match: tuple[Example, ...]
    must_not_match: tuple[Example, ...]


@dataclass(frozen=True)
class Phrase:
    """What must be said: in one sentence, or for the parts of `elsewhere` in any sentence of the message."""

    written: str
    rows: tuple[Row, ...]
    elsewhere: tuple[tuple[Row, ...], ...] = ()


@dataclass(frozen=True)
class Step:
    """One word of a row: which words may stand here, and how many others may stand before it."""

    slot: int
    gap: int
    optional: bool = False


@dataclass(frozen=True)
class Row:
    """Words that follow each other; `opens` and `closes` tie the row to the ends of the sentence."""

    steps: tuple[Step, ...]
    opens: bool = False
    closes: bool = False


# --- words --------------------------------------------------------------------------------------------------------

_LETTERS = str.maketrans(
    {
        "å": "a",
        "ä": "a",
        "æ": "a",
        "ø": "o",
        "ö": "o",
        "é": "e",
        "è": "e",
        "ê": "e",
        "ü": "u",
        "á": "a",
        "à": "a",
        "ó": "o",
        "ò": "o",
        "í": "i",
        "ú": "u",
        "ð": "d",
        "’": "'",
        "`": "'",
        "´": "'",
    }
)
_DIGRAPHS = re.compile(r"aa|ae|oe|(.)\1{2,}")
_MARK = re.compile(r"\[(navn|namn|name)\]|\[[^\[\]\n]{2,20}\]")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.!?\n;]+|,| - ")
_IS_YEAR = re.compile(r"(?:19|20)\d\d")
_LONGEST_WORD = 64  # letters that are compared: twenty thousand in one word would be compared for minutes
_SHORT_FORMS = {
    "won't": "will not",
    "wont": "will not",
    "can't": "can not",
    "cant": "can not",
    "cannot": "can not",
    "shan't": "shall not",
    "isnt": "is not",
    "arent": "are not",
    "doesnt": "does not",
    "dont": "do not",
    "didnt": "did not",
    "wasnt": "was not",
    "shes": "she is",
    "hes": "he is",
    "theyre": "they are",
    "im": "i am",
    "ive": "i have",
    "whats": "what is",
    "thats": "that is",
    "theres": "there is",
    "gonna": "going to",
    "wanna": "want to",
    "hasnt": "has not",
    "havent": "have not",
    "couldnt": "could not",
    "wouldnt": "would not",
}
_ENDINGS = (
    ("n't", "not"),
    ("'s", "is"),
    ("'re", "are"),
    ("'ll", "will"),
    ("'ve", "have"),
    ("'m", "am"),
    ("'d", "would"),
)
_YEAR = "#year"  # what a year of four digits is read as; <year> in a phrase
_NAME = "personnavn"  # what a masked name is read as
# What makes nothing of the words after it. "no" is not among them: it is nynorsk for now.
_NEGATIONS = frozenset(
    word
    for words in (
        "ikke ikkje ikkj itj itjnå ittj itte inte ej icke not never aldri aldrig ingen inga inget ingenting",
        "uten utan without verken varken neither nor",
    )
    for word in words.split()
)


def _digraph(found: re.Match[str]) -> str:
    return "o" if found.group() == "oe" else found.group()[0]


def plain(word: str) -> str:
    """A word as the rules compare it: lower case, without accents, however å, æ, ø, ä and ö were typed."""
    lowered = word.lower()
    if len(lowered) == 1:
        return lowered  # "å" is no English article
    return _DIGRAPHS.sub(_digraph, lowered.translate(_LETTERS))


@dataclass(frozen=True)
class _Sentence:
    """The words of a sentence; `stops` are the words that a comma stands before, `shown` is how it was written."""

    words: tuple[str, ...]
    stops: frozenset[int]
    shown: str = ""


def _sentences(text: str) -> Iterator[_Sentence]:
    """The sentences of a text, as plain words."""
    if len(text) > _BEGINNING + _END:
        text = f"{text[:_BEGINNING]}\n{text[-_END:]}"
    shown = _MARK.sub(lambda mark: f" {_NAME} " if mark[1] else " ", view_of(text).text.lower())
    words: list[str] = []
    starts: list[int] = []  # where each word was written
    stops: set[int] = set()
    end = 0
    for found in _WORD.finditer(shown.replace("’", "'")):
        piece = found.group()
        if piece[0] in ".!?\n;":
            if words:
                yield _Sentence(tuple(words), frozenset(stops), shown[starts[0] : found.end()])
            words, starts, stops = [], [], set()
        elif piece in {",", " - "}:
            stops.add(len(words))
        else:
            if len(words) >= _LONGEST_SENTENCE:
                yield _Sentence(tuple(words), frozenset(stops), shown[starts[0] : end])
                words, starts, stops = words[-_CARRIED_OVER:], starts[-_CARRIED_OVER:], set()
            parts = _unfolded(piece[:_LONGEST_WORD]).split()
            words.extend(_YEAR if _IS_YEAR.fullmatch(part) else plain(part) for part in parts)
            starts.extend([found.start()] * len(parts))
            end = found.end()
    if words:
        yield _Sentence(tuple(words), frozenset(stops), shown[starts[0] : end])


def _unfolded(word: str) -> str:
    """A short form in full: "won't" is "will not"."""
    known = _SHORT_FORMS.get(word)
    if known is not None:
        return known
    for ending, meaning in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return f"{word[: -len(ending)]} {meaning}"
    return word.replace("'", "")


# --- which words a slot takes ---------------------------------------------------------------------------------------


@dataclass
class _Slots:
    """Every "one of these words" in the rules, numbered, and the way from a word to the numbers."""

    numbers: dict[frozenset[str], int] = field(default_factory=dict)
    exact: dict[str, set[int]] = field(default_factory=dict)
    stems: dict[str, set[int]] = field(default_factory=dict)
    tails: dict[str, set[int]] = field(default_factory=dict)
    slips: dict[str, set[str]] = field(default_factory=dict)  # a long word or stem with one letter left out → the word
    known: frozenset[str] = frozenset()  # words of the languages: one of these is no slip of another

    def number(self, words: frozenset[str]) -> int:
        if words in self.numbers:
            return self.numbers[words]
        slot = self.numbers[words] = len(self.numbers)
        for word in words:
            if word.startswith("*"):
                self.tails.setdefault(plain(word[1:]), set()).add(slot)
                continue
            bare = plain(word.rstrip("*"))
            (self.stems if word.endswith("*") else self.exact).setdefault(bare, set()).add(slot)
            if len(bare) >= _SHORTEST_FUZZY:
                for short in (bare, *_shortened(bare)):
                    self.slips.setdefault(short, set()).add(bare + "*" * word.endswith("*"))
        return slot

    def of(self, word: str) -> frozenset[int]:
        """The slots that a word fits."""
        found = set(self.exact.get(word, ()))
        for length in range(2, len(word) + 1):
            found |= self.stems.get(word[:length], set())
        for length in range(4, len(word)):
            found |= self.tails.get(word[-length:], set())
        if not found and len(word) >= _SHORTEST_FUZZY and word not in self.known:
            found |= self._with_a_slip(word)
        return frozenset(found)

    def _with_a_slip(self, word: str) -> set[int]:
        """The slots of words that this one is a slip of: a letter wrong, missing, too many, or two changed about."""
        found: set[int] = set()
        for length in range(_SHORTEST_FUZZY - 1, len(word) + 1):
            piece = word[:length]
            for short in (piece, *_shortened(piece)):
                for meant in self.slips.get(short, ()):
                    bare = meant.rstrip("*")
                    if meant.endswith("*"):
                        if abs(length - len(bare)) <= 1 and _one_slip(piece, bare):
                            found |= self.stems[bare]
                    elif length == len(word) and _one_slip(word, bare):
                        found |= self.exact[bare]
        return found


def _shortened(word: str) -> Iterator[str]:
    """A word with each of its letters left out in turn."""
    return (word[:cut] + word[cut + 1 :] for cut in range(len(word)))


def _one_slip(written: str, meant: str) -> bool:
    """Whether two words differ by at most one slip; the first letter must be right."""
    if written == meant:
        return True
    if written[:1] != meant[:1] or abs(len(written) - len(meant)) > 1:
        return False
    at = next(
        (n for n, (one, two) in enumerate(zip(written, meant, strict=False)) if one != two),
        min(len(written), len(meant)),
    )
    one, two = written[at:], meant[at:]
    return (
        one[1:] == two[1:]
        or one[1:] == two
        or one == two[1:]
        or (len(one) > 1 and one[:2] == two[1::-1] and one[2:] == two[2:])
    )


class _Kin:
    """The way from a word to the families that hold it."""

    def __init__(self, families: Mapping[str, frozenset[str]]) -> None:
        self._exact: dict[str, set[str]] = {}
        self._stems: dict[str, set[str]] = {}
        for name, words in families.items():
            for word in words:
                if not word.startswith(("*", "#")):
                    kept = self._stems if word.endswith("*") else self._exact
                    kept.setdefault(plain(word.rstrip("*")), set()).add(name)
        self.of = lru_cache(maxsize=1 << 14)(self._look_up)

    def _look_up(self, word: str) -> tuple[str, ...]:
        found = set(self._exact.get(word, ()))
        for length in range(2, len(word) + 1):
            found |= self._stems.get(word[:length], set())
        return tuple(sorted(found))


# --- reading the rules --------------------------------------------------------------------------------------------

_GAPS = {"..": 3, "...": 8}
_PLAIN_GAP = 1  # small words slip in between any two: "har nå tatt"


class _Reader:
    """Turns written phrases into rows of steps."""

    def __init__(self, families: Mapping[str, frozenset[str]], slots: _Slots) -> None:
        self._families = families
        self._slots = slots

    def phrase(self, node: Node) -> Phrase:
        written = node.text()
        first, *others = written.split("&&")
        return Phrase(
            written=written,
            rows=self._rows(first, node),
            elsewhere=tuple(self._rows(other, node) for other in others),
        )

    def _rows(self, written: str, node: Node) -> tuple[Row, ...]:
        return tuple(self._row(part, node) for part in written.split("&"))

    def _row(self, written: str, node: Node) -> Row:
        steps: list[Step] = []
        gap = 0
        items = written.split()
        opens, closes = items[:1] == ["^"], items[-1:] == ["$"]
        for item in items[opens : len(items) - closes]:
            if item in _GAPS:
                gap = _GAPS[item]
                continue
            optional = item.startswith("(") and item.endswith(")")
            words = self._words(item.strip("()"), node)
            steps.append(Step(self._slots.number(words), gap if steps else 0, optional))
            gap = _PLAIN_GAP
        if not steps or all(step.optional for step in steps):
            raise node.error(f"The phrase “{written.strip()}” must hold at least one word that is not optional.")
        return Row(tuple(steps), opens, closes)

    def _words(self, item: str, node: Node) -> frozenset[str]:
        words: set[str] = set()
        for part in item.split("/"):
            if part.startswith("<") and part.endswith(">"):
                family = self._families.get(part[1:-1])
                if family is None:
                    raise node.error(f"There is no family of words called “{part[1:-1]}” in words.yaml.")
                words |= family
            elif not re.fullmatch(r"\*?[^\W_]+\*?", part):
                raise node.error(f"“{part}” is no word: letters and digits, with * at one end where the word goes on.")
            else:
                words.add(part.lower())
        return frozenset(words)


def _families(node: Node) -> dict[str, frozenset[str]]:
    """The families of words, each written as one text; a family may hold families written above it."""
    families: dict[str, frozenset[str]] = {"year": frozenset({_YEAR})}
    for name, part in node.entries().items():
        words: set[str] = set()
        for word in part.text().lower().split():
            if word.startswith("<"):
                if word[1:-1] not in families:
                    raise part.error(f"The family “{word[1:-1]}” must stand above the one that uses it.")
                words |= families[word[1:-1]]
            else:
                words.add(word)
        families[name] = frozenset(words)
    return families


def _examples(node: Node) -> tuple[Example, ...]:
    return tuple(
        Example(language, item.text()) for language, texts in node.entries().items() for item in texts.items(at_least=1)
    )


class UrgencyRules:
    """All the rules, read and made ready once."""

    def __init__(
        self,
        rules: Iterable[Rule],
        frames: Mapping[str, tuple[Phrase, ...]],
        slots: _Slots,
        families: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self._kin = _Kin(families or {})
        self._frames = frames
        self._slots = slots
        self._slots_of = lru_cache(maxsize=1 << 14)(slots.of)
        # A phrase is looked at only where its rarest word is in the sentence.
        self._by_key: dict[int, list[tuple[Rule, Phrase]]] = {}
        self._frames_by_key: dict[int, list[tuple[str, Phrase]]] = {}
        sizes = {
            slot: sum(len(word) > 3 for word in words) + 20 * sum(len(word) <= 3 for word in words)
            for words, slot in slots.numbers.items()
        }
        for rule in self.rules:
            for phrase in rule.phrases:
                self._by_key.setdefault(_key(phrase, sizes), []).append((rule, phrase))
        for name, phrases in frames.items():
            for phrase in phrases:
                self._frames_by_key.setdefault(_key(phrase, sizes), []).append((name, phrase))

    @classmethod
    def load(cls, folder: Path) -> UrgencyRules:
        """Read `words.yaml`, `frames.yaml` and every other file of the folder as rules."""
        slots = _Slots(known=_known_words(folder.parent / "names" / "words.txt"))
        families = _families(load_yaml(folder / "words.yaml"))
        reader = _Reader(families, slots)
        frames = {
            name: tuple(reader.phrase(item) for item in part.items(at_least=1))
            for name, part in load_yaml(folder / "frames.yaml")
            .mapping(required=["now", "past", "talk", "denied", "idiom", "offer", "lately"])
            .items()
        }
        rules: list[Rule] = []
        names: dict[str, Node] = {}
        for path in sorted(folder.glob("*.yaml")):
            if path.name in {"words.yaml", "frames.yaml"}:
                continue
            for node in load_yaml(path).items(at_least=1):
                rule = _rule(node, reader, frames)
                if rule.name in names:
                    raise ContentError(f"There are two rules called “{rule.name}”.", file=node.file, line=node.line)
                names[rule.name] = node
                rules.append(rule)
        if not rules:
            raise ContentError(
                "There are no urgency rules: without them nobody in danger is noticed.", file=str(folder)
            )
        return cls(rules, frames, slots, families)

    def assess(self, text: str) -> Assessment:
        """Whether somebody is in danger now, and the names of the rules that say so, the gravest first."""
        return self.judge(self.read(text))

    def read(self, text: str) -> tuple[Reading, ...]:
        """The sentences of a text, ready to be judged."""
        return tuple(
            Reading(sentence.words, sentence.shown, _Marked.of(sentence, self._slots_of))
            for sentence in _sentences(text)
        )

    def judge(self, readings: Sequence[Reading]) -> Assessment:
        """What the rules say of a text that was read."""
        message = _Message([reading.marked for reading in readings])
        found: dict[str, Danger] = {}
        for sentence in message.sentences:
            frames: frozenset[str] | None = None
            for rule, phrase in self._candidates(sentence):
                if found.get(rule.name) is Danger.YES or (rule.name in found and rule.level is Danger.MAYBE):
                    continue
                if not _said(phrase, sentence, message):
                    continue
                if frames is None:
                    frames = self._frames_of(sentence, message)
                level = _framed(rule, frames)
                if level is not Danger.NO:
                    found[rule.name] = level
        if not found:
            return Assessment(Danger.NO)
        grave = tuple(name for name, level in found.items() if level is Danger.YES)
        return Assessment(
            Danger.YES if grave else Danger.MAYBE, grave + tuple(name for name in found if name not in grave)
        )

    def signs(self, readings: Sequence[Reading]) -> tuple[tuple[str, ...], ...]:
        """What can be read out of each sentence besides its words: families of words, frames, a question mark."""
        message = _Message([reading.marked for reading in readings])
        return tuple(
            (
                *(f"family {name}" for word in reading.words for name in self._kin.of(word)),
                *(f"frame {name}" for name in sorted(self._frames_of(reading.marked, message)) for _ in range(3)),
                *(["asked"] if "?" in reading.shown else []),
            )
            for reading in readings
        )

    def _candidates(self, sentence: _Marked) -> Iterator[tuple[Rule, Phrase]]:
        for slot in sentence.places:
            yield from self._by_key.get(slot, ())

    def _frames_of(self, sentence: _Marked, message: _Message) -> frozenset[str]:
        """What the sentence is framed as: the past, a question, something denied, now."""
        return frozenset(
            name
            for slot in sentence.places
            for name, phrase in self._frames_by_key.get(slot, ())
            if _said(phrase, sentence, message, deny=False)
        )


def _framed(rule: Rule, frames: frozenset[str]) -> Danger:
    """How grave a match is in its sentence."""
    undone = rule.unless & frames
    if "now" in frames:
        undone -= {"past", "talk"}  # "har jeg plikt … når han står her nå?" is no question of law
    if undone:
        return Danger.NO
    if rule.softened_by & frames and "now" not in frames:
        return Danger.MAYBE
    return rule.level


def _rule(node: Node, reader: _Reader, frames: Mapping[str, object]) -> Rule:
    parts = node.mapping(
        required=["name", "danger", "phrases", "must_match", "must_not_match"],
        optional=["unless", "softened_by", "why"],
    )
    unless = parts["unless"].texts(default=("past", "talk", "denied", "idiom"))
    softened = parts["softened_by"].texts(default=("lately",))
    for name in (*unless, *softened):
        if name not in frames:
            raise node.error(f"There is no frame called “{name}” in frames.yaml.")
    return Rule(
        name=parts["name"].text(),
        level=Danger(parts["danger"].one_of({Danger.YES.value, Danger.MAYBE.value})),
        phrases=tuple(reader.phrase(item) for item in parts["phrases"].items(at_least=1)),
        unless=frozenset(unless),
        softened_by=frozenset(softened),
        must_match=_examples(parts["must_match"]),
        must_not_match=_examples(parts["must_not_match"]),
    )


def _known_words(path: Path) -> frozenset[str]:
    """The everyday words that are nobody's slip of the pen; none where the list is not shipped."""
    if not path.is_file():
        return frozenset()
    return frozenset(
        plain(line) for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    )


def _key(phrase: Phrase, sizes: Mapping[int, int]) -> int:
    """The rarest slot that the phrase cannot do without."""
    return min(
        (step.slot for row in phrase.rows for step in row.steps if not step.optional), key=lambda slot: sizes[slot]
    )


# How many places are tried for one row in one sentence: far more than any sentence needs that somebody wrote.
_MOST_TRIES = 600


# --- matching -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Marked:
    """A sentence with the places of each slot in it: bit n is set where word n fits."""

    places: Mapping[int, int]
    negations: int
    stops: frozenset[int]
    length: int

    @classmethod
    def of(cls, sentence: _Sentence, slots_of: Callable[[str], frozenset[int]]) -> _Marked:
        places: dict[int, int] = {}
        negations = 0
        for position, word in enumerate(sentence.words):
            bit = 1 << position
            for slot in slots_of(word):
                places[slot] = places.get(slot, 0) | bit
            if word in _NEGATIONS:
                negations |= bit
        return cls(places, negations, sentence.stops, len(sentence.words))


@dataclass(frozen=True)
class Reading:
    """One sentence: its words as the rules spell them, how it was written, and where the rules' words are in it."""

    words: tuple[str, ...]
    shown: str
    marked: _Marked = field(repr=False)


@dataclass
class _Message:
    """The sentences of one message, and which parts of phrases were looked for in all of them already."""

    sentences: Sequence[_Marked]
    _anywhere: dict[int, bool] = field(default_factory=dict)

    def holds(self, rows: tuple[Row, ...]) -> bool:
        """Whether some sentence says all of these rows."""
        key = id(rows)  # the rules outlive the message, so an id means one part of one phrase
        if key not in self._anywhere:
            self._anywhere[key] = any(all(_row_said(row, other, deny=True) for row in rows) for other in self.sentences)
        return self._anywhere[key]


def _said(phrase: Phrase, sentence: _Marked, message: _Message, *, deny: bool = True) -> bool:
    """Whether a phrase is said in this sentence, and its other parts anywhere."""
    if not all(_row_said(row, sentence, deny=deny) for row in phrase.rows):
        return False
    return all(message.holds(rows) for rows in phrase.elsewhere)


def _row_said(row: Row, sentence: _Marked, *, deny: bool) -> bool:
    places = sentence.places
    if any(not step.optional and step.slot not in places for step in row.steps):
        return False
    return _follow(row, 0, -1, -1, 0, sentence, deny, [_MOST_TRIES])


def _follow(
    row: Row, index: int, first: int, last: int, used: int, sentence: _Marked, deny: bool, tries: list[int]
) -> bool:
    """Whether the steps from `index` on can be placed after the word `last`; `used` are the places taken so far."""
    tries[0] -= 1
    if tries[0] < 0:
        return False
    if index == len(row.steps):
        if row.closes and last != sentence.length - 1:
            return False
        return not (deny and _denied(first, last, used, sentence))
    step = row.steps[index]
    here = sentence.places.get(step.slot, 0)
    if row.opens and first < 0:
        here &= 1
    if last >= 0:
        window = ((1 << (step.gap + 1)) - 1) << (last + 1)
        here &= window
    while here:
        bit = here & -here
        here ^= bit
        position = bit.bit_length() - 1
        if _follow(row, index + 1, position if first < 0 else first, position, used | bit, sentence, deny, tries):
            return True
    return step.optional and _follow(row, index + 1, first, last, used, sentence, deny, tries)


def _denied(first: int, last: int, used: int, sentence: _Marked) -> bool:
    """Whether a "not" that is no part of the phrase stands inside it or right before it."""
    inside = ((1 << (last + 1)) - 1) & ~((1 << first) - 1) & ~used
    if first > 0 and first not in sentence.stops:
        inside |= 1 << (first - 1)
    return bool(sentence.negations & inside)
