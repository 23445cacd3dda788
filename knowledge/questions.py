"""Questions with known answers, kept beside the shelves: what must still be answered after a change.

A set is one YAML file (`content/questions/<id>.yaml`), read strictly. A question names the articles of which one is a
right answer, or one of three words: `handover` (nothing may be stated as certain), `out_of_scope`, `danger`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpline.content import Node, load_yaml
from helpline.messages import Country, Language

HANDOVER, OUT_OF_SCOPE, DANGER = "handover", "out_of_scope", "danger"
WORDS = (HANDOVER, OUT_OF_SCOPE, DANGER)  # what may be expected besides articles
LONGEST = 1000  # characters of a question
KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Question:
    """What somebody asks, and what would be right."""

    id: str
    text: str = field(repr=False)
    language: Language
    expected: tuple[str, ...] | str  # ids of articles, any of which is right; or one of WORDS


@dataclass(frozen=True)
class QuestionSet:
    """Questions that are asked together, on the line of one country."""

    id: str
    title: str
    country: Country
    level: float  # least share answered rightly, between 0 and 1; a fall below it blocks
    questions: tuple[Question, ...] = field(repr=False)
    version: int = 1  # grows with each change


def load_sets(folder: Path) -> tuple[QuestionSet, ...]:
    """Read every set of a folder, in the order of their ids; none where there is no folder."""
    return tuple(read_set(load_yaml(path), path.stem) for path in sorted(folder.glob("*.yaml")))


def read_set(root: Node, name: str) -> QuestionSet:
    """Read one set strictly; `name` is what its file is called."""
    fields = root.mapping(required=("id", "title", "country", "level", "questions"))
    identifier = fields["id"].text(longest=60)
    if not KEY.fullmatch(identifier):
        raise fields["id"].error('"id" may hold small letters a to z, digits and single hyphens only.')
    if identifier != name:
        raise fields["id"].error(f'The file is named "{name}" but the set "{identifier}".')
    questions: dict[str, Question] = {}
    said: dict[str, str] = {}
    for node in fields["questions"].items(at_least=1):
        question = _question(node)
        if question.id in questions:
            raise node.error(f'The question "{question.id}" stands here twice.')
        words = " ".join(question.text.casefold().split())
        if words in said:
            raise node.error(f'"{question.id}" asks the same as "{said[words]}".')
        questions[question.id], said[words] = question, question.id
    return QuestionSet(
        id=identifier,
        title=fields["title"].text(longest=120),
        country=fields["country"].one_of(Country),
        level=fields["level"].number(minimum=0, maximum=1),
        questions=tuple(questions.values()),
    )


def unknown_articles(sets: Iterable[QuestionSet], known: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The ids that questions expect and no shelf holds, by "set/question"."""
    there = frozenset(known)
    missing: dict[str, tuple[str, ...]] = {}
    for one in sets:
        for question in one.questions:
            gone = tuple(name for name in question.expected if name not in there) if named(question) else ()
            if gone:
                missing[f"{one.id}/{question.id}"] = gone
    return missing


def named(question: Question) -> bool:
    """Whether the question expects articles, and not one of the words."""
    return not isinstance(question.expected, str)


def _question(node: Node) -> Question:
    fields = node.mapping(required=("id", "text", "language", "expected"))
    key = fields["id"].text(longest=60)
    if not KEY.fullmatch(key):
        raise fields["id"].error('"id" may hold small letters a to z, digits and single hyphens only.')
    expected: tuple[str, ...] | str
    if fields["expected"].is_list:
        expected = tuple(dict.fromkeys(item.text() for item in fields["expected"].items(at_least=1)))
    else:
        word = fields["expected"].text()
        expected = word if word in WORDS else (word,)
    return Question(key, fields["text"].text(longest=LONGEST), fields["language"].one_of(Language), expected)
