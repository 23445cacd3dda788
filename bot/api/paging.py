"""Lists in pages that nothing added meanwhile can shift: a cursor holds the place of the last item, not a count."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import orjson

from bot.api.problems import Wrong, bad_fields

T = TypeVar("T")
Key = tuple[int | str, ...]
_FURTHEST = 2**62  # no number of a row comes near it, and every database takes it


def page(
    items: Iterable[T], key: Callable[[T], Key], *, cursor: str | None, limit: int, descending: bool = False
) -> tuple[list[T], str | None]:
    """The items after the cursor in the order of their keys, which never change, and the cursor of the next page."""
    ordered = sorted(items, key=key, reverse=descending)
    if cursor is not None:
        after = place_of(cursor, [type(part) for part in key(ordered[0])] if ordered else None)
        ordered = [item for item in ordered if (key(item) < after if descending else key(item) > after)]
    shown = ordered[:limit]
    return shown, cursor_of(key(shown[-1])) if len(ordered) > limit else None


def cursor_of(place: Sequence[int | str]) -> str:
    """A place as an address carries it."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).decode().rstrip("=")


def place_of(cursor: str, kinds: Sequence[type] | None) -> Key:
    """The place that `cursor_of` was given, where it is one of these kinds of values."""
    try:
        place = orjson.loads(base64.urlsafe_b64decode((cursor + "=" * (-len(cursor) % 4)).encode("ascii")))
    except (ValueError, binascii.Error, UnicodeEncodeError):
        place = None
    known: Any = place if isinstance(place, list) and all(_is_part(part) for part in place) else None
    if known is None or (kinds is not None and [type(part) for part in known] != list(kinds)):
        raise bad_fields([Wrong("cursor", "This is no cursor that a page gave.")])
    return tuple(known)


def _is_part(part: object) -> bool:
    return type(part) is str or (type(part) is int and abs(part) < _FURTHEST)
