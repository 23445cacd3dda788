"""What was sent, read strictly: JSON of a bounded depth, no sign that storage cannot keep, no key that is not known.

A message about what is wrong never repeats what was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.api.problems import Trouble, Wrong, bad_fields

DEEPEST: Final = 32
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_JSON: Final = "application/json"


async def read_bytes(request: web.Request, kinds: Iterable[str]) -> tuple[bytes, str]:
    """The body and what it is said to be, where that is one of these."""
    allowed = tuple(kinds)
    raw = await request.read()
    kind = request.content_type.lower()
    if kind not in allowed or "Content-Type" not in request.headers:
        raise Trouble(415, "unsupported-media-type", "api.media_type", {"kinds": ", ".join(allowed)})
    try:
        charset = (request.charset or "utf-8").lower()
    except ValueError:
        charset = "?"
    if charset not in {"utf-8", "utf8", "us-ascii"} or "Content-Encoding" in request.headers:
        raise Trouble(415, "unsupported-media-type", "api.media_type", {"kinds": ", ".join(allowed)})
    return raw, kind


async def read_body(request: web.Request, model: type[BaseModel], *, required: bool) -> BaseModel:
    """The JSON body as this model; where it is not `required`, nothing at all is as good as an empty object."""
    if not required and not request.can_read_body:
        return read_json(b"{}", model)
    raw, _ = await read_bytes(request, [_JSON])
    return read_json(raw, model)


def read_json(raw: bytes, model: type[BaseModel]) -> BaseModel:
    """JSON as this model."""
    plain = parse(raw)
    errors = list(unkeepable(plain))
    if errors:
        raise bad_fields(errors)
    try:
        # From the text once more: only so does pydantic tell "3" from 3 and yet take a date that is written as text.
        return model.model_validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        raise bad_fields(wrongs(error)) from error


def parse(raw: bytes) -> Any:
    """JSON as plain values: no key twice, no number that is none, no more than so many levels."""
    try:
        plain = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except _KeyTwice as error:
        raise bad_fields([Wrong("", "A key stands twice in the same object.")]) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Trouble(400, "malformed", "api.malformed") from error
    if _depth_is_over(plain):
        raise _too_deep()
    return plain


def read_query(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """The query as this model: each name once, none that is not known."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise bad_fields([Wrong(_shown(name), "This is given twice.")])
        values[name] = value
    errors = list(unkeepable(values))
    if errors:
        raise bad_fields(errors)
    try:
        return model.model_validate_strings(values, strict=True)
    except ValidationError as error:
        raise bad_fields(wrongs(error)) from error


def read_path(request: web.Request, model: type[BaseModel]) -> Mapping[str, Any]:
    """The parts of the address; one that can name nothing names nothing."""
    values = dict(request.match_info)
    if any(unkeepable(values)):
        raise Trouble(404, "not-found", "error.not_found")
    try:
        return dict(model.model_validate_strings(values, strict=True))
    except ValidationError as error:
        raise Trouble(404, "not-found", "error.not_found") from error


def wrongs(error: ValidationError) -> list[Wrong]:
    """What a model refused, field by field."""
    return [
        Wrong(".".join(_shown(str(part)) for part in each["loc"]), each["msg"])
        for each in error.errors(include_input=False, include_url=False, include_context=False)[:50]
    ]


def unkeepable(value: Any, where: str = "") -> Iterator[Wrong]:
    """The texts, and keys, that hold the sign of nothing or half a sign: no database keeps these."""
    if isinstance(value, str):
        if "\x00" in value:
            yield Wrong(where, "This holds the character U+0000, which cannot be stored.")
        elif _SURROGATE.search(value):
            yield Wrong(where, "This holds half of a surrogate pair, which is no character.")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            name = _shown(key)
            if "\x00" in key or _SURROGATE.search(key):
                yield Wrong(where, "A key here holds what is no character that can be stored.")
            yield from unkeepable(part, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from unkeepable(part, f"{where}.{place}" if where else str(place))


class _KeyTwice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _KeyTwice
    return made


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _too_deep() -> Trouble:
    return bad_fields([Wrong("", f"This is nested deeper than {DEEPEST} levels.")])


def _depth_is_over(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _shown(name: str) -> str:
    """The name of a field as it may be repeated: ours are short and plain."""
    return name if re.fullmatch(r"[\w.-]{1,60}", name, re.ASCII) else "?"
