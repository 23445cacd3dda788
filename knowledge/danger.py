"""Danger heard by rules and by likeness together, and what lies outside the field.

The rules (`knowledge/urgency.py`) know words; the likeness (`knowledge/likeness.py`) knows situations: hundreds of
examples of danger now, of talk about danger, of everyday messages and of what others answer (`content/danger/`,
`content/outside/`). What a rule is certain of stays certain. Likeness raises what the rules did not hear, to a question
or to an alarm, and takes back a doubtful rule only where it is very sure and no acute word was written. A missed danger
is worse than a question too many, so the band in which we ask is wide.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from helpline.content import ContentError, Node, load_yaml
from helpline.messages import Language
from knowledge import likeness
from knowledge.likeness import Likeness, Look, Sample
from knowledge.smalltalk import Smalltalk, Topic
from knowledge.urgency import Assessment, Danger, Reading, UrgencyRules
from knowledge.vectors import WordVectors, words_of

# Chosen on the development set (tests/knowledge/danger/dev.yaml) and by holding situations out; the table is in
# docs/finding.md.
CERTAIN_FROM = 0.96  # likeness alone sounds the alarm
CERTAIN_WITH_A_RULE_FROM = 0.93  # where a rule is in doubt, so much more makes it certain
ASK_FROM = 0.35
CALM_BELOW = 0.06  # takes a doubtful rule back
OUTSIDE_FROM = 0.65
# Taken from the log odds of a sentence that is not alone, since many sentences are many chances; more from a short one.
_ONE_OF_SEVERAL, _SHORT_ONE_OF_SEVERAL = 0.8, 1.6
_SHORT = 5  # words
_FEWEST_WORDS = 2  # that the likeness has a say about
_FEWEST_WORDS_FOR_CALM = 3
_FIRST_SENTENCES, _LAST_SENTENCES = 40, 20  # of a long message; the rules read on
_ACUTE = "family acute"
_MEANT_WORDS = 200


class Kind(StrEnum):
    """What an example is an example of."""

    NOW = "now"  # somebody is in danger now, or may be
    TALK = "talk"  # about danger: past, law, routine, worry
    EVERYDAY = "everyday"  # a message to this line without danger
    OUTSIDE = "outside"  # what others answer


_TARGETS = {"now": frozenset({Kind.NOW.value}), "outside": frozenset({Kind.OUTSIDE.value})}


class DangerSense:
    """Hears danger. Made once, never changed."""

    def __init__(self, rules: UrgencyRules, learnt: Likeness, vectors: WordVectors) -> None:
        self.rules = rules
        self._likeness = learnt
        self._vectors = vectors

    @classmethod
    def load(cls, content: Path, vectors: WordVectors | None = None, *, saved: Path | None = None) -> DangerSense:
        """Read rules and examples; what was learnt of them is read from the file `saved`, and kept there if not.

        A process that loads the same files again is given what it has.
        """
        vectors = vectors if vectors is not None else WordVectors.load(content / "vectors" / "nordic-static-1.npz")
        seen = _files(content, vectors)
        sense = _KEPT.get(seen)
        if sense is None:
            rules = UrgencyRules.load(content / "urgency")
            samples = samples_of(content, rules)
            digest = _digest(content, samples, vectors)
            learnt = Likeness.load(saved, digest=digest) if saved is not None else None
            if learnt is None:
                learnt = likeness.learn(samples, looks_of(samples, rules, vectors), _TARGETS, digest=digest)[0]
            sense = cls(rules, learnt, vectors)
            _KEPT.clear()
            _KEPT[seen] = sense
        if saved is not None:
            sense.keep(saved)
        return sense

    def keep(self, path: Path) -> None:
        """Keep what was learnt, unless the file already holds it; a file that cannot be written is done without."""
        if not Likeness.is_kept(path, digest=self._likeness.digest):
            with suppress(OSError):
                self._likeness.save(path)

    def assess(self, text: str) -> Assessment:
        """Whether somebody is in danger now, and what says so: rules by their names, then the situation it is like."""
        readings = self.rules.read(text)
        ruled = self.rules.judge(readings)
        words = sum(len(reading.words) for reading in readings)
        if ruled.level is Danger.YES or words < _FEWEST_WORDS:
            return ruled
        signs = self.rules.signs(readings)
        sure, nearest = self._sure(readings, signs)
        standing = words < _FEWEST_WORDS_FOR_CALM or any(_ACUTE in each for each in signs)
        level = _together(ruled.level, sure, standing=standing)
        if level is Danger.NO:
            return Assessment(Danger.NO)
        if sure < ASK_FROM:
            return Assessment(level, ruled.rules)
        sample = self._likeness.nearest(nearest, Kind.NOW.value)
        assert sample is not None
        return Assessment(level, (*ruled.rules, f"like: {sample.group}"), nearest=sample.id, likeness=round(sure, 3))

    def likely(self, text: str) -> dict[str, float]:
        """How likely the whole text is danger now, and how likely another line's business."""
        readings = self.rules.read(text)
        if not readings:
            return dict.fromkeys(_TARGETS, 0.0)
        return self._likeness.judge(look_at(readings, self.rules.signs(readings), self._vectors))

    def _sure(self, readings: Sequence[Reading], signs: Sequence[Sequence[str]]) -> tuple[float, Look]:
        """How sure it is that somebody is in danger: by the whole message, and by each of its sentences."""
        look = look_at(readings, signs, self._vectors)
        best = self._likeness.judge(look)["now"]
        if len(readings) == 1:
            return best, look
        places: Iterable[int] = range(len(readings))
        if len(readings) > _FIRST_SENTENCES + _LAST_SENTENCES:
            places = itertools.chain(range(_FIRST_SENTENCES), range(len(readings) - _LAST_SENTENCES, len(readings)))
        for place in places:
            if len(readings[place].words) < _FEWEST_WORDS:
                continue
            one = look_at(readings[place : place + 1], signs[place : place + 1], self._vectors)
            less = _SHORT_ONE_OF_SEVERAL if len(one.words) < _SHORT else _ONE_OF_SEVERAL
            sure = _believed_less(self._likeness.judge(one)["now"], less)
            if sure > best:
                best, look = sure, one
        return best, look


class Scope:
    """Tells what is no question to the line: by its words, and by likeness to what others answer."""

    def __init__(self, smalltalk: Smalltalk, sense: DangerSense) -> None:
        self._smalltalk = smalltalk
        self._sense = sense

    def recognise(self, text: str) -> Topic | None:
        """The topic of a message; None where it may be a question to the line, or holds no word."""
        topic = self._smalltalk.recognise(text)
        if topic is not None or self._smalltalk.is_ours(text):
            return topic
        likely = self._sense.likely(text)
        return Topic.FAR if likely["outside"] >= OUTSIDE_FROM and likely["now"] < ASK_FROM else None


def _together(ruled: Danger, sure: float, *, standing: bool) -> Danger:
    """What both say where the rules are not certain; `standing` tells that a doubtful rule is not taken back."""
    if sure >= (CERTAIN_WITH_A_RULE_FROM if ruled is Danger.MAYBE else CERTAIN_FROM):
        return Danger.YES
    if sure >= ASK_FROM:
        return Danger.MAYBE
    if ruled is Danger.MAYBE and sure < CALM_BELOW and not standing:
        return Danger.NO
    return ruled


def _believed_less(sure: float, less: float) -> float:
    """The same with so much taken from its log odds."""
    odds = sure / max(1e-9, 1 - sure) * math.exp(-less)
    return odds / (1 + odds)


def look_at(readings: Sequence[Reading], signs: Sequence[Sequence[str]], vectors: WordVectors) -> Look:
    """Sentences as the likeness sees them together."""
    words = tuple(word for reading in readings for word in reading.words)
    seen = [sign for each in signs for sign in each]
    if words:
        seen += [f"first {words[0]}", f"last {words[-1]}"]
    meant: list[str] = []
    for reading in readings:
        meant += words_of(reading.shown)
        if len(meant) > _MEANT_WORDS:
            break
    return Look(words, vectors.words(meant[:_MEANT_WORDS]), tuple(seen))


_NO_COMMANDS = frozenset({"around_advisor", "help"})  # words that stand beside one, and a cry that may be meant


# --- examples ---------------------------------------------------------------------------------------------------------


def samples_of(content: Path, rules: UrgencyRules) -> tuple[Sample, ...]:
    """Every example that ships, also those that stand with rules and small talk."""
    samples: list[Sample] = []
    for folder, kinds in (
        ("danger", (Kind.NOW, Kind.TALK, Kind.EVERYDAY)),
        ("outside", (Kind.OUTSIDE, Kind.EVERYDAY)),
    ):
        samples += _read(content / folder, kinds)
    for rule in rules.rules:
        for kind, examples in ((Kind.NOW, rule.must_match), (Kind.TALK, rule.must_not_match)):
            samples += [
                Sample(f"{rule.name}/{example.language}/{number}", kind.value, f"rule {rule.name}", example.text)
                for number, example in enumerate(examples, start=1)
            ]
    for about in Smalltalk.load(content / "smalltalk.yaml").examples:
        kind = Kind.OUTSIDE if about.topic in {Topic.ATTACK, Topic.OUT_OF_SCOPE} else Kind.EVERYDAY
        for name, group_kind, texts in (("must", kind, about.must), ("must not", Kind.EVERYDAY, about.must_not)):
            samples += [
                Sample(f"{about.topic} {name}/{number}", group_kind.value, f"small talk {about.topic} {name}", text)
                for number, text in enumerate(texts, start=1)
            ]
    for command, listed in load_yaml(content / "commands.yaml").entries().items():
        if command not in _NO_COMMANDS:
            samples += [
                Sample(f"command {command}/{number}", Kind.EVERYDAY.value, "commands", text)
                for number, text in enumerate(listed.texts(), start=1)
            ]
    chatter = load_yaml(content / "chatter.yaml").mapping(required=["messages"])["messages"].texts(at_least=1)
    samples += [
        Sample(f"chatter/{number}", Kind.OUTSIDE.value, f"chatter {number // 15}", text)
        for number, text in enumerate(chatter, start=1)
    ]
    # The same words may stand in two places; the first says what they are.
    return tuple({sample.text.casefold(): sample for sample in reversed(samples)}.values())[::-1]


def _read(folder: Path, kinds: Iterable[Kind]) -> list[Sample]:
    """The examples of a folder's files, strictly."""
    samples: list[Sample] = []
    kind_of: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    standing: dict[str, Node] = {}
    allowed = [kind.value for kind in kinds]
    for path in sorted(folder.glob("*.yaml")):
        for group in load_yaml(path).items(at_least=1):
            parts = group.mapping(required=["name", "kind", "examples"])
            name, kind = parts["name"].text(longest=60), parts["kind"].one_of(allowed)
            if kind_of.setdefault(name, kind) != kind:
                raise parts["kind"].error(f"“{name}” is “{kind_of[name]}” elsewhere; one name means one kind.")
            for language, texts in parts["examples"].entries().items():
                if language not in {each.value for each in Language}:
                    raise texts.error(f"“{language}” is none of our languages: nb, nn, sv, en.")
                for item in texts.items(at_least=1):
                    text = item.text(longest=400)
                    if text.casefold() in standing:
                        raise item.error(f"“{text}” stands twice.")
                    standing[text.casefold()] = item
                    number = counts[name, language] = counts.get((name, language), 0) + 1
                    samples.append(Sample(f"{name}/{language}/{number}", kind, name, text))
    if not samples:
        raise ContentError("There are no examples: without them danger is heard by rules alone.", file=str(folder))
    return samples


def _digest(content: Path, samples: Sequence[Sample], vectors: WordVectors) -> str:
    """What was learnt from: another digest means that it is stale."""
    total = hashlib.sha256(f"{likeness.FORMAT} {vectors.digest}".encode())
    for name in ("words.yaml", "frames.yaml"):
        total.update((content / "urgency" / name).read_bytes())
    for sample in samples:
        total.update(f"{sample.kind}\0{sample.group}\0{sample.text}\n".encode())
    return total.hexdigest()


_Seen = tuple[tuple[str, int, int], ...]


def _files(content: Path, vectors: WordVectors) -> _Seen:
    """The files that are read, as they are now."""
    found = [path for folder in ("danger", "outside", "urgency") for path in sorted((content / folder).glob("*.yaml"))]
    found += [
        content / "smalltalk.yaml",
        content / "chatter.yaml",
        content / "commands.yaml",
        content / "names" / "words.txt",
    ]
    states = [(str(path), path.stat()) for path in found if path.is_file()]
    return (*((path, state.st_mtime_ns, state.st_size) for path, state in states), (vectors.digest, 0, 0))


_KEPT: dict[_Seen, DangerSense] = {}  # the last one that this process made: learning takes a second or two


def looks_of(samples: Iterable[Sample], rules: UrgencyRules, vectors: WordVectors) -> list[Look]:
    """The examples as the likeness sees them."""
    looks = []
    for sample in samples:
        readings = rules.read(sample.text)
        looks.append(look_at(readings, rules.signs(readings), vectors))
    return looks


# --- figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DangerFigures:
    """How well danger was told from the rest, over lines of which it is known."""

    danger: int
    calm: int
    heard: float  # of danger: asked about or certain
    certain: float  # of danger
    alarmed: float  # of the rest: taken for certain
    asked: float  # of the rest: asked about
    by_language: Mapping[str, tuple[int, float]] = field(default_factory=dict)  # danger lines, share heard
    missed: tuple[str, ...] = ()  # ids of danger that was not heard
    false: tuple[tuple[str, str], ...] = ()  # ids of the rest that were, with the level


def evaluate_danger(lines: Iterable[Mapping[str, object]], assess: Callable[[str], Assessment]) -> DangerFigures:
    """Hold assessments against `{"id"?, "text", "expected", "language"?}` lines; danger is expected to be "danger"."""
    levels: list[tuple[str, bool, str, Danger]] = []
    for number, line in enumerate(lines, start=1):
        level = assess(str(line["text"])).level
        language = str(line.get("language") or "?")
        levels.append((str(line.get("id", number)), line["expected"] == "danger", language, level))
    danger = [each for each in levels if each[1]]
    calm = [each for each in levels if not each[1]]
    heard_in: dict[str, list[bool]] = {}
    for _, _, language, level in danger:
        heard_in.setdefault(language, []).append(level is not Danger.NO)
    return DangerFigures(
        danger=len(danger),
        calm=len(calm),
        heard=_share(each[3] is not Danger.NO for each in danger),
        certain=_share(each[3] is Danger.YES for each in danger),
        alarmed=_share(each[3] is Danger.YES for each in calm),
        asked=_share(each[3] is Danger.MAYBE for each in calm),
        by_language={name: (len(heard), _share(heard)) for name, heard in sorted(heard_in.items())},
        missed=tuple(each[0] for each in danger if each[3] is Danger.NO),
        false=tuple((each[0], each[3].value) for each in calm if each[3] is not Danger.NO),
    )


def _share(hits: Iterable[bool]) -> float:
    counted = list(hits)
    return sum(counted) / len(counted) if counted else 0.0
