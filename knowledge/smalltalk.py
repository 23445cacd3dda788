"""What people say to the line that is no question to it.

Greetings and thanks are whole messages; attempts to turn the line against those it protects, and questions that clearly
belong elsewhere, show by a few words anywhere. The words are data (`content/smalltalk.yaml`) with their examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from helpline.content import Node, load_yaml
from knowledge.terms import rough, words_in

GAP = "…"
_WIDEST_GAP = 6  # words
_LONGEST_CHAT = 14  # words; whoever writes more is asking something


class Recognises(Protocol):
    """Whatever can tell what a message is, where it is no question to the line."""

    def recognise(self, text: str) -> Topic | None: ...


class Topic(StrEnum):
    """What a message is, where it is no question to the line."""

    HELLO = "hello"  # a greeting, or "who is this"
    THANKS = "thanks"  # thanks, or a goodbye
    ATTACK = "attack"  # wants what the line protects, or wants it to forget its rules
    OUT_OF_SCOPE = "out_of_scope"  # another line's business, clearly
    FAR = "far"  # like another line's business: turned away only where the shelves know nothing either


@dataclass(frozen=True)
class Examples:
    """Messages that must be recognised as a topic, and such as must not."""

    topic: Topic
    must: tuple[str, ...]
    must_not: tuple[str, ...]


Pattern = tuple[str, ...]
_ByFirst = dict[str, list[Pattern]]


class Smalltalk:
    """Recognises what is no question to the line."""

    def __init__(
        self,
        chats: Sequence[tuple[Topic, Iterable[Pattern], Iterable[str]]],
        attacks: Iterable[Pattern],
        elsewhere: Iterable[Pattern],
        together: Iterable[tuple[_ByFirst, _ByFirst]],
        ours: Iterable[Pattern],
        examples: tuple[Examples, ...] = (),
    ) -> None:
        self._chats = [(topic, _by_first(phrases), frozenset(filler)) for topic, phrases, filler in chats]
        self._attacks = _by_first(attacks)
        self._elsewhere = _by_first(elsewhere)
        self._together = tuple(together)
        self._ours = _by_first(ours)
        self.examples = examples

    @classmethod
    def load(cls, path: Path) -> Smalltalk:
        """Read the words strictly."""
        fields = load_yaml(path).mapping(required=[topic.value for topic in Topic if topic is not Topic.FAR])
        chats = []
        examples = []
        for topic in (Topic.HELLO, Topic.THANKS):
            part = fields[topic.value].mapping(required=("made_of", "filler", "must", "must_not"))
            filler = {rough(word) for text in part["filler"].texts() for word in words_in(text)}
            chats.append((topic, _patterns(part["made_of"]), filler))
            examples.append(_examples(topic, part["must"], part["must_not"]))
        attack = fields[Topic.ATTACK.value].mapping(required=("any_of", "must", "must_not"))
        examples.append(_examples(Topic.ATTACK, attack["must"], attack["must_not"]))
        outside = fields[Topic.OUT_OF_SCOPE.value].mapping(
            required=("any_of", "together", "unless", "must", "must_not")
        )
        pairs = []
        for node in outside["together"].items():
            part = node.mapping(required=("one_of", "and_one_of"))
            pairs.append((_by_first(_patterns(part["one_of"])), _by_first(_patterns(part["and_one_of"]))))
        examples.append(_examples(Topic.OUT_OF_SCOPE, outside["must"], outside["must_not"]))
        return cls(
            chats,
            _patterns(attack["any_of"]),
            _patterns(outside["any_of"]),
            pairs,
            _patterns(outside["unless"]),
            tuple(examples),
        )

    def recognise(self, text: str) -> Topic | None:
        """The topic of a message; None where it may be a question to the line, or holds no word."""
        words = [rough(word) for word in words_in(text)]
        if not words:
            return None
        if len(words) <= _LONGEST_CHAT:
            for topic, phrases, filler in self._chats:
                if _made_of(words, phrases, filler):
                    return topic
        if _anywhere(self._attacks, words):
            return Topic.ATTACK
        elsewhere = _anywhere(self._elsewhere, words) or any(
            _anywhere(one, words) and _anywhere(other, words) for one, other in self._together
        )
        return Topic.OUT_OF_SCOPE if elsewhere and not _anywhere(self._ours, words) else None

    def is_ours(self, text: str) -> bool:
        """Whether a message holds a word that belongs to this line."""
        return _anywhere(self._ours, [rough(word) for word in words_in(text)])


def _patterns(node: Node) -> list[Pattern]:
    patterns = []
    for item in node.items(at_least=1):
        written = item.text()
        pattern: list[str] = []
        for part in written.split():
            if part == GAP:
                pattern.append(GAP)
                continue
            spelt = [rough(word) for word in words_in(part)]
            if spelt and part.endswith("*"):
                spelt[-1] += "*"
            pattern += spelt
        if not pattern or GAP in (pattern[0], pattern[-1]):
            raise item.error(f'The pattern "{written}" must begin and end with a word.')
        patterns.append(tuple(pattern))
    return patterns


def _examples(topic: Topic, must: Node, must_not: Node) -> Examples:
    return Examples(topic, must.texts(at_least=3), must_not.texts(at_least=3))


def _by_first(patterns: Iterable[Pattern]) -> _ByFirst:
    """Patterns by the first two letters they can begin with, so that a message is not held against all of them."""
    by_first: _ByFirst = {}
    for pattern in patterns:
        by_first.setdefault(pattern[0][:2].rstrip("*"), []).append(pattern)
    return by_first


def _starting(by_first: _ByFirst, word: str) -> list[Pattern]:
    return by_first.get(word[:2], []) + (by_first.get(word[:1], []) if len(word) > 1 else [])


def _fits(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def _anywhere(by_first: _ByFirst, words: Sequence[str]) -> bool:
    return any(
        _end_of(pattern, words, place) is not None
        for place, word in enumerate(words)
        for pattern in _starting(by_first, word)
    )


def _end_of(pattern: Pattern, words: Sequence[str], start: int) -> int | None:
    """Where this pattern ends in the words if it begins at `start`; None where it does not."""
    if not pattern:
        return start
    if pattern[0] == GAP:
        for skipped in range(_WIDEST_GAP + 1):
            end = _end_of(pattern[1:], words, start + skipped)
            if end is not None:
                return end
        return None
    if start < len(words) and _fits(pattern[0], words[start]):
        return _end_of(pattern[1:], words, start + 1)
    return None


def _made_of(words: Sequence[str], phrases: _ByFirst, filler: frozenset[str]) -> bool:
    """Whether the words can be laid out with these phrases and filler, with at least one phrase."""
    reached = {0: False}  # place → whether a phrase was used on the way
    for place in range(len(words)):
        if place not in reached:
            continue
        used = reached[place]
        if words[place] in filler:
            reached[place + 1] = reached.get(place + 1, False) or used
        for pattern in _starting(phrases, words[place]):
            end = _end_of(pattern, words, place)
            if end is not None:
                reached[end] = True
    return reached.get(len(words), False)
