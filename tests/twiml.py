"""What Twilio lets a voice document hold: its own list of elements, attributes and allowed values.

The list is read from the type definitions in the npm package `twilio`, which Twilio generates from its description of
TwiML. `Grammar.faults(document)` says what of a document is not in it. Every document that any test makes our code
render is held against it (`tests/conftest.py`), so a journey that says something new is checked without asking for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from tests.needs import NODE_FOLDER

DEFINITIONS = NODE_FOLDER / "node_modules" / "twilio" / "lib" / "twiml" / "VoiceResponse.d.ts"

_ALIAS = re.compile(r"^    type (\w+) = ([^;]+);$", re.MULTILINE)
_INTERFACE = re.compile(r"^    export interface (\w+) \{\n(.*?)^    \}$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r'^        "?([\w:]+)"?\??: ([^;]+);$', re.MULTILINE)
_CLASS = re.compile(
    r"^(?:declare|    export) class (\w+) extends TwiML \{\n(.*?)^(?:    )?\}$", re.MULTILINE | re.DOTALL
)
_METHOD = re.compile(
    r"/\*\*(?P<said>(?:(?!\*/).)*?<(?P<tag>[\w:-]+)>(?:(?!\*/).)*?)\*/\s*(?P<forms>(?:\s*\w+\([^)]*\): [\w.]+;)+)",
    re.DOTALL,
)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Element:
    """What one element may hold."""

    attributes: Mapping[str, str]  # by name: the type as Twilio writes it
    children: Mapping[str, str]  # by tag: the class that says what that may hold
    text: bool  # words may stand in it


@dataclass(frozen=True)
class Grammar:
    """Twilio's list."""

    values: Mapping[str, frozenset[str]]  # by the name of a type: what is allowed
    elements: Mapping[tuple[str, str], Element]  # by the class it stands in, and its tag

    def faults(self, document: str) -> list[str]:
        """What of this document is not as Twilio describes it, in plain sentences."""
        try:
            root = ElementTree.fromstring(document)
        except ElementTree.ParseError as error:
            return [f"This is not XML: {error}."]
        if root.tag != "Response" or root.attrib:
            return [f"A document is a <Response>, not a <{root.tag}>."]
        if "".join([root.text or "", *(each.tail or "" for each in root)]).strip():
            return ["No words may stand in <Response>."]
        return [*self._inside(root, "VoiceResponse")]

    def _inside(self, parent: ElementTree.Element, class_name: str) -> Iterator[str]:
        for child in parent:
            element = self.elements.get((class_name, child.tag))
            if element is None:
                yield f"<{child.tag}> may not stand in <{parent.tag}>."
                continue
            for name, value in child.attrib.items():
                kind = element.attributes.get(name)
                if kind is None:
                    yield f"<{child.tag}> has no attribute {name}."
                elif not self._allowed(kind, value, name):
                    yield f'{name} of <{child.tag}> may not be "{value}".'
            if not element.text and "".join([child.text or "", *(each.tail or "" for each in child)]).strip():
                yield f"No words may stand in <{child.tag}>."
            if child.tag in element.children:
                yield from self._inside(child, element.children[child.tag])

    def _allowed(self, kind: str, value: str, name: str) -> bool:
        plain = kind.removesuffix("[]")
        if kind.endswith("[]"):
            return bool(value) and all(self._allowed(plain, part, name) for part in value.split(" "))
        match plain:
            case "string":
                return not (name.lower().endswith("method") and value not in ("GET", "POST"))
            case "number":
                return _NUMBER.fullmatch(value) is not None
            case "boolean":
                return value in ("true", "false")
            case _:
                return value in self.values[plain]


@cache
def grammar(definitions: Path = DEFINITIONS) -> Grammar:
    """Read Twilio's list."""
    written = definitions.read_text(encoding="utf-8")
    values = {name: frozenset(re.findall(r'"([^"]*)"', said)) for name, said in _ALIAS.findall(written)}
    attributes: dict[str, dict[str, str]] = {}
    for name, body in _INTERFACE.findall(written):
        attributes.setdefault(name, {}).update(_FIELD.findall(body))
    elements: dict[tuple[str, str], Element] = {}
    for class_name, body in _CLASS.findall(written):
        for method in _METHOD.finditer(body):
            forms = method["forms"]
            interface = re.search(r"attributes\??: (?:VoiceResponse\.)?(\w+)", forms)
            returned = re.findall(r"\): (?:VoiceResponse\.)?(\w+);", forms)[-1]
            tag = method["tag"]
            given = re.findall(r"(\w+)\??: ", re.sub(r"\): [\w.]+;", ")", forms))
            elements[class_name, tag] = Element(
                attributes=attributes.get(interface[1], {}) if interface is not None else {},
                children={tag: returned},
                text=any(name != "attributes" for name in given),
            )
    return Grammar(values, elements)
