"""Reading the data files that ship in `content/`: strictly, and with the line in every complaint.

The reader of a file decides what a value is, not the look of it. In everyday YAML the word `NO` becomes false and the
postal code `0150` becomes 104; here `text()` gives back what was written, and `flag()`, `integer()`, `number()` and
`date()` take only what is plainly one. An unknown key, a missing key, a key written twice, an alias, or a value of
another kind is a `ContentError` that names file and line in a sentence an editor can act on.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import yaml

E = TypeVar("E", bound=StrEnum)

# The loader written in C reads a thousand files in the time the other takes for a hundred.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


class ContentError(Exception):
    """A content file says something that it may not."""

    def __init__(self, sentence: str, *, file: str = "", line: int | None = None) -> None:
        where = f"{file}:{line}" if line is not None else file
        super().__init__(f"{where}: {sentence}" if where else sentence)
        self.sentence = sentence
        self.file = file
        self.line = line


def content_folder() -> Path:
    """Where the shipped content is: `VARDE_CONTENT_DIR`, beside the packages, or the installation's share folder."""
    named = os.environ.get("VARDE_CONTENT_DIR")
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise ContentError("VARDE_CONTENT_DIR names a folder that is not there.", file=named)
        return folder
    beside = Path(__file__).resolve().parent.parent / "content"
    installed = Path(sys.prefix) / "share" / "varde" / "content"
    for folder in (beside, installed):
        if folder.is_dir():
            return folder
    raise ContentError("The content folder is missing; set VARDE_CONTENT_DIR to where it is.", file=str(beside))


def load_yaml(path: Path) -> Node:
    """Read one YAML (or JSON) file."""
    file = _shown(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ContentError(f"The file cannot be read: {error.strerror or 'unknown cause'}.", file=file) from error
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ContentError("The file must be saved as UTF-8.", file=file, line=line) from error
    return read_yaml(text, file=file)


def read_yaml(text: str, *, file: str, first_line: int = 1) -> Node:
    """Read YAML (or JSON) that is already in memory; `file` and `first_line` say where it came from."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be understood"
        line = first_line + mark.line if mark is not None else None
        raise ContentError(f"This is not valid YAML: {problem}.", file=file, line=line) from error
    if root is None:
        raise ContentError("The file is empty.", file=file, line=first_line)
    return _wrap(root, file=file, first_line=first_line, name="", seen=set())


def node_of(value: object, *, file: str, line: int = 1, name: str = "") -> Node:
    """Give a value that was read elsewhere (a line of JSON, say) the same strict reading; every part has this line.

    A part is opened when it is looked at.
    """
    return Node(file, line, name, _Unopened(value))


def _opened(value: object, *, file: str, line: int, name: str) -> _Scalar | list[Node] | dict[str, Node]:
    if isinstance(value, str):
        return _Scalar(value, plain=False)
    if isinstance(value, Mapping):
        parts: dict[str, Node] = {}
        for key, part in value.items():
            if not isinstance(key, str):
                raise ContentError("A key must be text.", file=file, line=line)
            parts[key] = Node(file, line, key, _Unopened(part))
        return parts
    if isinstance(value, list | tuple):
        return [Node(file, line, name, _Unopened(part)) for part in value]
    if value is None or isinstance(value, bool | int | float):
        # Not by looking the value up: 1 equals True, and a length of 1 is no flag.
        written = "null" if value is None else repr(value).lower() if isinstance(value, bool) else repr(value)
        return _Scalar(written, plain=True, typed=True)
    if isinstance(value, date):
        return _Scalar(value.isoformat(), plain=True)
    raise ContentError(f"A value of type {type(value).__name__} does not belong here.", file=file, line=line)


class _Scalar(NamedTuple):
    """One value as it was written."""

    written: str
    plain: bool  # without quotation marks: may be read as a number, a date, true or false
    typed: bool = False  # came from a reader that knew numbers from text, so it is not text

    @property
    def empty(self) -> bool:
        return self.plain and self.written in _NULL


class _Unopened(NamedTuple):
    """A value that was read elsewhere, and at which nobody has looked yet."""

    value: object


class _Absent(Enum):
    ABSENT = "absent"


class Fields(dict[str, "Node"]):
    """The keys of a mapping that were there.

    `in`, `get` and `items` know only those. Indexing also takes an optional key that was left out, so that
    `fields["brief"].text(default="")` reads as it is meant.
    """

    def __init__(self, parts: Mapping[str, Node], optional: Collection[str], parent: Node) -> None:
        super().__init__(parts)
        self._optional = frozenset(optional)
        self._parent = parent

    def __missing__(self, key: str) -> Node:
        if key not in self._optional:
            raise KeyError(key)
        return Node(self._parent.file, self._parent.line, key, _Absent.ABSENT)


class Node:
    """A value with the file and the line it was read from."""

    __slots__ = ("_held", "file", "line", "name")

    def __init__(
        self, file: str, line: int, name: str, value: _Scalar | list[Node] | dict[str, Node] | _Absent | _Unopened
    ) -> None:
        self.file = file
        self.line = line
        self.name = name  # the key it stands under; empty at the root
        self._held = value

    def __repr__(self) -> str:
        return f"<Node {self.name or 'root'} at {self.where}>"

    @property
    def _value(self) -> _Scalar | list[Node] | dict[str, Node] | _Absent:
        held = self._held
        if isinstance(held, _Unopened):
            held = self._held = _opened(held.value, file=self.file, line=self.line, name=self.name)
        return held

    @property
    def unopened(self) -> object:
        """The value as it was read elsewhere, where nobody has looked at it yet; else None."""
        return self._held.value if isinstance(self._held, _Unopened) else None

    @property
    def where(self) -> str:
        """File and line, as an error names them."""
        return f"{self.file}:{self.line}"

    @property
    def present(self) -> bool:
        """Whether the key was written at all."""
        return self._value is not _Absent.ABSENT

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self._value, list)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self._value, _Scalar)

    def error(self, sentence: str) -> ContentError:
        """A complaint about this value, for the reader to raise."""
        return ContentError(sentence, file=self.file, line=self.line)

    def mapping(self, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> Fields:
        """The parts by key, where every required key is there and no key is unknown."""
        needed, allowed = list(required), list(optional)
        parts = self.entries()
        known = [*needed, *allowed]
        for key, part in parts.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f' Did you mean "{near[0]}"?' if near else f" Known here: {_listed(known)}."
                raise ContentError(f'The key "{key}" is unknown.{hint}', file=part.file, line=part.line)
        missing = [key for key in needed if key not in parts]
        if missing:
            keys = "The key" if len(missing) == 1 else "The keys"
            verb = "is" if len(missing) == 1 else "are"
            raise self.error(f"{keys} {_listed(missing)} {verb} missing{self._of}.")
        return Fields(parts, known, self)

    def entries(self) -> dict[str, Node]:
        """The parts by key, where any key may stand (languages, facets)."""
        value = self._value
        if isinstance(value, dict):
            return dict(value)
        raise self._wrong("must hold keys and values")

    def items(self, *, at_least: int = 0) -> tuple[Node, ...]:
        """The items of a list."""
        if not isinstance(self._value, list):
            raise self._wrong("must be a list")
        if len(self._value) < at_least:
            raise self.error(f"{self._named} needs at least {at_least} {'item' if at_least == 1 else 'items'}.")
        return tuple(self._value)

    def texts(self, *, at_least: int = 0, default: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        if default is not None and not self.present:
            return tuple(default)
        return tuple(item.text() for item in self.items(at_least=at_least))

    def text(self, *, default: str | None = None, longest: int | None = None) -> str:
        """Words as they were written, without blanks around them, in composed Unicode; never empty."""
        if default is not None and not self.present:
            return default
        scalar = self._scalar("text")
        if scalar.typed:
            raise self._wrong("must be text")
        words = unicodedata.normalize("NFC", scalar.written.strip())
        if not words:
            raise self.error(f"{self._named} is empty.")
        if longest is not None and len(words) > longest:
            raise self.error(f"{self._named} has {len(words)} characters; at most {longest} fit.")
        return words

    def integer(self, *, default: int | None = None, minimum: int | None = None, maximum: int | None = None) -> int:
        """A whole number without quotation marks."""
        if default is not None and not self.present:
            return default
        scalar = self._scalar("a whole number")
        if not scalar.plain or not _INTEGER.fullmatch(scalar.written):
            raise self._wrong("must be a whole number, without quotation marks or leading zeros")
        return int(self._bounded(int(scalar.written), minimum, maximum))

    def number(
        self, *, default: float | None = None, minimum: float | None = None, maximum: float | None = None
    ) -> float:
        """A number without quotation marks."""
        if default is not None and not self.present:
            return default
        scalar = self._scalar("a number")
        if not scalar.plain or not _NUMBER.fullmatch(scalar.written):
            raise self._wrong("must be a number, without quotation marks")
        return self._bounded(float(scalar.written), minimum, maximum)

    def flag(self, *, default: bool | None = None) -> bool:
        """True or false, and no other word for it."""
        if default is not None and not self.present:
            return default
        scalar = self._scalar("true or false")
        if not scalar.plain or scalar.written not in ("true", "false"):
            raise self._wrong("must be true or false")
        return scalar.written == "true"

    def date(self) -> date:
        """A day, written 2026-11-22."""
        scalar = self._scalar("a date")
        if _DATE.fullmatch(scalar.written):
            try:
                return date.fromisoformat(scalar.written)
            except ValueError as error:
                raise self.error(f"{self._named} is no day of the calendar.") from error
        raise self._wrong("must be a date such as 2026-11-22")

    @overload
    def one_of(self, choices: type[E]) -> E: ...
    @overload
    def one_of(self, choices: Collection[str]) -> str: ...
    def one_of(self, choices: type[E] | Collection[str]) -> E | str:
        """One of a fixed set of words: a member of a StrEnum, or a text of the collection."""
        word = self.text()
        if isinstance(choices, type):
            try:
                return choices(word)
            except ValueError:
                allowed = [member.value for member in choices]
        else:
            if word in choices:
                return word
            allowed = sorted(choices)
        near = difflib.get_close_matches(word, allowed, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"Known here: {_listed(allowed)}."
        raise self.error(f'{self._named} cannot be "{_clipped(word)}". {hint}')

    def some_of(self, choices: type[E], *, at_least: int = 0) -> tuple[E, ...]:
        """A list of members of a StrEnum, each once."""
        found: list[E] = []
        for item in self.items(at_least=at_least):
            member = item.one_of(choices)
            if member in found:
                raise item.error(f'"{member.value}" is listed twice.')
            found.append(member)
        return tuple(found)

    def plain(self) -> Any:
        """The value as JSON would hold it, for handing on untouched."""
        if isinstance(self._value, dict):
            return {key: part.plain() for key, part in self._value.items()}
        if isinstance(self._value, list):
            return [part.plain() for part in self._value]
        scalar = self._scalar("a value", may_be_empty=True)
        if scalar.empty:
            return None
        if scalar.plain and scalar.written in ("true", "false"):
            return scalar.written == "true"
        if scalar.plain and _INTEGER.fullmatch(scalar.written):
            return int(scalar.written)
        if scalar.plain and _NUMBER.fullmatch(scalar.written):
            return float(scalar.written)
        return scalar.written

    @property
    def _named(self) -> str:
        return f'"{self.name}"' if self.name else "The file"

    @property
    def _of(self) -> str:
        return f' in "{self.name}"' if self.name else ""

    def _scalar(self, wanted: str, *, may_be_empty: bool = False) -> _Scalar:
        value = self._value
        if isinstance(value, _Scalar):
            if value.empty and not may_be_empty:
                raise self.error(f"{self._named} is empty; {wanted} belongs there.")
            return value
        raise self._wrong(f"must be {wanted}")

    def _bounded(self, number: float, minimum: float | None, maximum: float | None) -> float:
        if minimum is not None and number < minimum:
            raise self.error(f"{self._named} must be at least {minimum}.")
        if maximum is not None and number > maximum:
            raise self.error(f"{self._named} must be at most {maximum}.")
        return number

    def _wrong(self, must: str) -> ContentError:
        match self._value:
            case dict():
                found = "keys and values"
            case list():
                found = "a list"
            case _Scalar() as scalar:
                found = "nothing" if scalar.empty else f'"{_clipped(scalar.written)}"'
            case _:
                return self.error(f'The key "{self.name}" is missing.')
        return self.error(f"{self._named} {must}; {found} stands there.")


def _wrap(node: Any, *, file: str, first_line: int, name: str, seen: set[int]) -> Node:
    line = first_line + node.start_mark.line
    if id(node) in seen:
        raise ContentError("An alias (*) is used; write the value out instead.", file=file, line=line)
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return Node(file, line, name, _Scalar(node.value, plain=not node.style))
    if isinstance(node, yaml.SequenceNode):
        items = [_wrap(part, file=file, first_line=first_line, name=name, seen=seen) for part in node.value]
        return Node(file, line, name, items)
    parts: dict[str, Node] = {}
    for key, value in node.value:
        at = first_line + key.start_mark.line
        if not isinstance(key, yaml.ScalarNode):
            raise ContentError("A key must be a single word or phrase.", file=file, line=at)
        if key.value in parts:
            first = parts[key.value].line
            raise ContentError(f'The key "{key.value}" stands here twice (also on line {first}).', file=file, line=at)
        part = _wrap(value, file=file, first_line=first_line, name=key.value, seen=seen)
        # A complaint points at the key, where the editor's eye lands, and not at a block that begins further down.
        part.line = at
        parts[key.value] = part
    return Node(file, line, name, parts)


def _shown(path: Path) -> str:
    """The path as an editor knows it: from `content/` on, where it lies there."""
    try:
        root = content_folder().resolve()
        return str(Path(root.name) / path.resolve().relative_to(root))
    except (ContentError, ValueError):
        return str(path)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _clipped(written: str) -> str:
    return written if len(written) <= 40 else written[:40] + "…"
