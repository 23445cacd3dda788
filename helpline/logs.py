"""What the line says about itself, to stderr, one JSON object a line, without anybody's words.

We log fixed event names and short values: ids, numbers, codes. Everything passes one gate that does not trust the
caller: a text that is long, holds a blank or a letter outside ASCII, or looks like a telephone number, an identity
number or an e-mail address is withheld. Of an exception only the types and our own lines are kept, since its message
may quote what somebody wrote. What libraries log goes through the same gate.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import structlog

from helpline.clock import SystemClock

WITHHELD = "[withheld]"

_ROOT = PurePath(__file__).parent.parent
_OUR_PACKAGES = ("bot", "knowledge", "routing", "escalation", "helpline", "tests")
_EVENT = re.compile(r"[a-z][a-z0-9_]{2,63}")
_SHORT_CODE = re.compile(r"[A-Za-z0-9_.:/@+=#,<>()\[\]*-]{0,64}")
# A run of digits that stands by itself and is no date; within a provider's id of letters and digits it is no number.
_NUMBER_OF_SOMEBODY = re.compile(r"(?<![A-Za-z0-9])(?!\d{4}-\d{2}-\d{2}(?!\d))\+?\d[\d.-]{5,}\d(?![A-Za-z])")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_BOT_TOKEN = re.compile(r"bot\d+:[A-Za-z0-9_-]+")
_LONGEST_PROBLEM = 300

# Sentences of our own, written in our source, never made from what came in.
_SENTENCES = frozenset({"problem", "template"})
# Keys under which somebody's words or whereabouts would stand, whatever they look like.
_NEVER = frozenset(
    {"address", "answer", "body", "chat_id", "email", "from", "headers", "message", "name", "password", "payload"}
    | {"phone", "question", "recipient", "secret", "sender", "text", "to", "token", "user_id", "words"}
)


def configure(
    *,
    level: str = "info",
    now: Callable[[], datetime] | None = None,
    stream: Callable[[], TextIO] | None = None,
    whole_process: bool = True,
) -> None:
    """Set up our logging and the libraries'; with `whole_process` also what Python prints of warnings and crashes."""
    clock = now or SystemClock().now
    out = stream or (lambda: sys.stderr)
    least = getattr(logging, level.upper())

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["at"] = clock()
        return event

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, stamp, gate, render],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *names: _Line(out, *names),
        cache_logger_on_first_use=False,
    )
    _take_over_libraries(least, clock, out)
    if whole_process:
        logging.captureWarnings(True)
        _take_over_crashes(clock, out)


def _take_over_crashes(clock: Callable[[], datetime], out: Callable[[], TextIO]) -> None:
    def crashed(kind: type[BaseException], error: BaseException | None, where: str) -> None:
        if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
            _write(out, {"event": "crashed", "level": "critical", "at": clock(), "where": where, "exc_info": error})

    sys.excepthook = lambda kind, error, _: crashed(kind, error, "main")
    threading.excepthook = lambda given: crashed(given.exc_type, given.exc_value, "thread")
    sys.unraisablehook = lambda given: crashed(given.exc_type, given.exc_value, "unraisable")


def gate(logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let pass what cannot be anybody's words, and put a mark where something was withheld."""
    passed: dict[str, Any] = {}
    source = getattr(logger, "name", None)
    if source:
        passed["logger"] = source
    for key, value in event.items():
        if key == "exc_info":
            passed.update(_of_exception(value))
        elif key == "event":
            named = isinstance(value, str) and _EVENT.fullmatch(value) is not None
            passed["event"] = value if named else "event_without_name"
            if not named:
                passed["where"] = _caller()
        elif _EVENT.fullmatch(key) or len(key) <= 2:
            passed[key] = WITHHELD if key in _NEVER else _harmless(value, sentence=key in _SENTENCES)
    return passed


def render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON, the event first."""
    order = ("at", "level", "event", "logger")
    ordered = {key: event[key] for key in order if key in event} | dict(event)
    return orjson.dumps(ordered, option=orjson.OPT_UTC_Z, default=str).decode()


class _Line:
    """Writes finished lines; what a broken stderr cannot take is dropped, since a log must never stop the line."""

    def __init__(self, out: Callable[[], TextIO], name: str | None = None) -> None:
        self._out = out
        self.name = name

    def msg(self, line: str) -> None:
        try:
            stream = self._out()
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = warn = error = critical = exception = fatal = log = failure = err = msg


def _write(out: Callable[[], TextIO], event: dict[str, Any]) -> None:
    _Line(out).msg(render(None, "", gate(None, "", event)))


def _harmless(value: Any, *, sentence: bool = False) -> Any:
    match value:
        case None | bool() | float():
            return value
        case int() if not isinstance(value, Enum):
            return value if abs(value) < 2**63 else WITHHELD
        case Enum():
            return _harmless(value.value)
        case str():
            return _harmless_text(value, sentence=sentence)
        case datetime() | date():
            return value
        case timedelta():
            return value.total_seconds()
        case UUID():
            return str(value)
        case PurePath():
            return str(value)[-200:]
        case BaseException():
            return _type_name(type(value))
        case list() | tuple() | set() | frozenset():
            return [_harmless(item) for item in list(value)[:50]]
        case _:
            return f"[{type(value).__name__}]"


def _harmless_text(text: str, *, sentence: bool) -> str:
    if sentence:
        return _BOT_TOKEN.sub("bot…", text[:_LONGEST_PROBLEM])
    if not _SHORT_CODE.fullmatch(text) or _NUMBER_OF_SOMEBODY.search(text) or _EMAIL.search(text):
        return WITHHELD
    return _BOT_TOKEN.sub("bot…", text)


# --- Exceptions ------------------------------------------------------------------------------------------------------


def _of_exception(given: Any) -> Mapping[str, Any]:
    """Types, our own lines, and a code where there is one; no message and no local variable."""
    error = given
    if given is True:
        error = sys.exc_info()[1]
    elif isinstance(given, tuple):
        error = given[1]
    if not isinstance(error, BaseException):
        return {}
    chain = list(_chain(error))
    described: dict[str, Any] = {"error": [_type_name(type(link)) for link in chain]}
    if isinstance(error, BaseExceptionGroup):
        described["inside"] = [_type_name(type(part)) for part in error.exceptions[:5]]
    described["frames"] = _frames(error)
    for link in chain:
        code = (
            getattr(link, "sqlite_errorname", None) or getattr(link, "sqlstate", None) or getattr(link, "errno", None)
        )
        if isinstance(code, str | int):
            described["code"] = _harmless(code)
            break
    return described


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(6):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(error: BaseException) -> list[str]:
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        place = _place(trace.tb_frame.f_code.co_filename)
        ours = place.partition("/")[0] in _OUR_PACKAGES
        # The innermost frame stays whoever it belongs to: it says which library gave up.
        if ours or trace.tb_next is None:
            frames.append(f"{place}:{trace.tb_lineno}:{trace.tb_frame.f_code.co_name}")
        trace = trace.tb_next
    return frames[-12:]


def _place(path: str) -> str:
    """A file by its place in its package, so that no folder of the machine is told."""
    given = PurePath(path)
    if given.is_relative_to(_ROOT) and "site-packages" not in given.parts:
        return given.relative_to(_ROOT).as_posix()
    if "site-packages" in given.parts:
        return "/".join(given.parts[given.parts.index("site-packages") + 1 :])
    return "/".join(given.parts[-2:])


def _type_name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
    )


def _caller() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        place = _place(frame.f_code.co_filename)
        if place.partition("/")[0] in _OUR_PACKAGES and not place.endswith("helpline/logs.py"):
            return f"{place}:{frame.f_lineno}"
        frame = frame.f_back
    return "unknown"


# --- What libraries log ----------------------------------------------------------------------------------------------

# These tell of every request at "info", with addresses and bodies; only their complaints are wanted.
_TALKATIVE = ("aiohttp", "aiosqlite", "alembic", "asyncio", "httpcore", "httpx", "sqlalchemy", "telegram", "twilio")
_SILENT = ("aiohttp.access",)


def _take_over_libraries(least: int, clock: Callable[[], datetime], out: Callable[[], TextIO]) -> None:
    logging.raiseExceptions = False  # else a record that cannot be formatted is printed, arguments and all
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge(clock, out))
    root.setLevel(max(least, logging.INFO))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class _Bridge(logging.Handler):
    """Carries a library's record through the gate.

    A message with arguments is a template from the library's source with values filled in, and each value is looked at.
    A message without arguments may have been put together beforehand out of anything, so only its place is told.
    """

    def __init__(self, clock: Callable[[], datetime], out: Callable[[], TextIO]) -> None:
        super().__init__()
        self._clock = clock
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        event: dict[str, Any] = {
            "event": "library_log",
            "level": record.levelname.lower(),
            "at": self._clock(),
            "source": record.name,
            "where": f"{_place(record.pathname)}:{record.lineno}",
        }
        template = _filled(record.msg, record.args)
        if template:
            event["template"] = template
        if record.exc_info and record.exc_info[1] is not None:
            event["exc_info"] = record.exc_info[1]
        _write(self._out, event)


def _filled(template: Any, arguments: Any) -> str:
    if not isinstance(template, str) or not arguments:
        return ""
    try:
        if isinstance(arguments, Mapping):
            return template % {key: _argument(value) for key, value in arguments.items()}
        return template % tuple(_argument(value) for value in _listed(arguments))
    except (TypeError, ValueError, KeyError):
        return ""


def _argument(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    text = str(value) if isinstance(value, str) or type(value).__name__ == "URL" else None
    if text is not None and re.match(r"https?://", text):
        return _harmless_url(text)
    if text is not None and _BOT_TOKEN.search(text):
        return WITHHELD
    return _harmless(value)


def _harmless_url(url: str) -> str:
    """Host and path, without what could name somebody: the token, the query, long numbers."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return WITHHELD
    path = "/".join(
        "bot…" if _BOT_TOKEN.fullmatch(part) else part if _harmless_text(part, sentence=False) == part else "…"
        for part in parts.path.split("/")
    )
    return f"{parts.scheme}://{host}{path}"


def _listed(arguments: Any) -> Iterable[Any]:
    return arguments if isinstance(arguments, tuple) else (arguments,)
