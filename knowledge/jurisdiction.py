"""Whose law a question is about: that of the line's country, unless the words clearly ask about the other's.

The words are data (`content/jurisdiction.yaml`), each with its examples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpline.content import load_yaml
from helpline.messages import Country
from knowledge.terms import words_in


@dataclass(frozen=True)
class Example:
    """A question, and the countries it asks about."""

    text: str
    asks: frozenset[Country]


class Jurisdiction:
    """Tells whose law was asked about."""

    def __init__(
        self,
        names: Mapping[str, Country],
        adjectives: Mapping[str, Country],
        *,
        on_the_way: Collection[str],
        living: Collection[str],
        persons: Collection[str],
        examples: tuple[Example, ...] = (),
    ) -> None:
        self._names = dict(names)
        self._adjectives = dict(adjectives)
        self._on_the_way = frozenset(on_the_way)
        self._living = frozenset(living)
        self._persons = frozenset(persons)
        self.examples = examples

    @classmethod
    def load(cls, path: Path) -> Jurisdiction:
        """Read the words strictly."""
        fields = load_yaml(path).mapping(required=("countries", "on_the_way", "living", "persons", "examples"))
        names: dict[str, Country] = {}
        adjectives: dict[str, Country] = {}
        for node in fields["countries"].items(at_least=1):
            part = node.mapping(required=("country", "names", "adjectives"))
            country = part["country"].one_of(Country)
            names |= dict.fromkeys(part["names"].texts(at_least=1), country)
            adjectives |= dict.fromkeys(part["adjectives"].texts(at_least=1), country)
        examples = []
        for node in fields["examples"].items():
            part = node.mapping(required=("text", "asks"))
            examples.append(Example(part["text"].text(), frozenset(part["asks"].some_of(Country))))
        return cls(
            names,
            adjectives,
            on_the_way=fields["on_the_way"].texts(),
            living=fields["living"].texts(),
            persons=fields["persons"].texts(),
            examples=tuple(examples),
        )

    def asked_about(self, text: str) -> frozenset[Country]:
        """The countries whose law these words ask about; none where they do not say."""
        words = words_in(text)
        asked: set[Country] = set()
        for place, word in enumerate(words):
            before = words[place - 1] if place else ""
            living = not self._living.isdisjoint(words[max(0, place - 2) : place])
            if word in self._names and before not in self._on_the_way and not living:
                asked.add(self._names[word])
            if word in self._adjectives and place + 1 < len(words) and words[place + 1] not in self._persons:
                asked.add(self._adjectives[word])
        return frozenset(asked)

    def countries(self, text: str, line: Country) -> tuple[Country, ...]:
        """Whose law to search on the line of a country, its own first."""
        asked = self.asked_about(text)
        if not asked:
            return (line,)
        return tuple(sorted(asked, key=lambda country: (country is not line, country.value)))
