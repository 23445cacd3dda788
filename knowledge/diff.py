"""What two wordings of an article differ in, field by field and word by word, for people to read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from knowledge.articles import Article, body_of

_PIECES = re.compile(r"\n|[^\S\n]+|\w+|[^\w\s]")
_MOST = 6_000  # pieces of a field that are compared word by word; of a longer one, lines are


class PartKind(StrEnum):
    """What a piece of text is."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True)
class FieldDiff:
    """One field that changed: its text before and after, run together."""

    field: str  # "short", "questions.nb", "variants.2", "translations.en.short"
    parts: tuple[tuple[PartKind, str], ...]


def diff(before: Article | None, after: Article) -> list[FieldDiff]:
    """The fields that differ, in the order of an article's file; all of them where there was no article."""
    return diff_bodies(body_of(before) if before is not None else {}, body_of(after))


def diff_bodies(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldDiff]:
    """As `diff`, for what an article's file holds, whole or not."""
    old, new = _fields(before), _fields(after)
    names = [*new, *(name for name in old if name not in new)]
    return [
        FieldDiff(name, parts_of(old.get(name, ""), new.get(name, "")))
        for name in names
        if old.get(name, "") != new.get(name, "")
    ]


def parts_of(before: str, after: str) -> tuple[tuple[PartKind, str], ...]:
    """Two texts run together: what stayed, what was taken out, what was put in."""
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    if len(old) + len(new) > _MOST:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    parts: list[tuple[PartKind, str]] = []
    for what, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            parts.append((PartKind.SAME, "".join(old[old_from:old_to])))
            continue
        if old_from < old_to:
            parts.append((PartKind.REMOVED, "".join(old[old_from:old_to])))
        if new_from < new_to:
            parts.append((PartKind.ADDED, "".join(new[new_from:new_to])))
    return tuple(parts)


def _fields(body: Mapping[str, Any]) -> dict[str, str]:
    """Every field by name, as lines of text."""
    fields: dict[str, str] = {}
    for key, value in body.items():
        if isinstance(value, Mapping):
            for name, part in value.items():
                if isinstance(part, Mapping):
                    fields |= {f"{key}.{name}.{inner}": _lines(text) for inner, text in part.items()}
                else:
                    fields[f"{key}.{name}"] = _lines(part)
        elif key == "variants" and isinstance(value, list):
            fields |= {f"{key}.{place}": _lines(variant) for place, variant in enumerate(value, start=1)}
        else:
            fields[key] = _lines(value)
    return fields


def _lines(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_inline(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "\n".join(_inline(part) for part in value)
    return _inline(value)


def _inline(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return " · ".join(f"{key}: {_inline(part)}" for key, part in value.items())
    if isinstance(value, str):
        return value
    return ", ".join(_inline(part) for part in value) if isinstance(value, Iterable) else str(value)
