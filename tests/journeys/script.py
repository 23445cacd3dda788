"""Reading the scripts: a head of `key: value` lines, an empty line, and then one thing a line. `scripts/README.md` is
the language. Reading is strict: a line that means nothing stops the script with its file and number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from helpline.messages import Channel, Country

SCRIPTS = Path(__file__).parent / "scripts"
SHE = ""  # the clinician whom the script is about; others have names


class ScriptError(Exception):
    """A script that cannot be played, by its file and line."""


class Does(StrEnum):
    """What a line is."""

    SAYS = ">"
    TAPS = ">>"
    READS = "<"
    ALSO = "&"
    NOT = "~"
    OFFERED = "<>"
    SILENCE = "."
    PASSES = "+"
    SET_BACK = "-"
    CALLED = "!"
    RECORD = "="
    STAGE = "("
    AND_SO_ON = "..."


@dataclass(frozen=True)
class Line:
    """One line of a script."""

    number: int
    written: str
    does: Does
    who: tuple[str, ...] = (SHE,)
    words: str = ""
    time: timedelta = timedelta()


@dataclass(frozen=True)
class Script:
    """One conversation."""

    path: Path
    title: str
    channel: Channel
    country: Country
    hint: str
    at: datetime
    on_call: tuple[tuple[str, ...], ...]  # who is on which step, in the order of the ladder
    last_resort: str
    roster: tuple[tuple[str, str, str], ...]  # who, from, to: instead of `on_call`
    contacts: Mapping[str, tuple[Channel, ...]]  # of staff
    speaks: Mapping[str, str]  # the language of a member of staff, where it is not bokmål
    also: Mapping[str, Channel]  # further clinicians
    lines: tuple[Line, ...]

    @property
    def staff(self) -> tuple[str, ...]:
        """Everybody who works at the line, the last resort last."""
        named = [who for step in self.on_call for who in step] + [who for who, _, _ in self.roster]
        return tuple(dict.fromkeys([*named, self.last_resort]))


_HEAD = {"title", "channel", "country", "hint", "at", "on call", "last resort", "roster", "speaks", "also"}
_NAME = "[a-z]+"
_TALK = re.compile(rf"(?P<who>{_NAME}(?:, ?{_NAME})*)?(?P<sign>>>|<>|>|<|&|~)(?: (?P<words>.*))?")
_TIME = re.compile(r"(?P<sign>[+-])(?P<count>\d+)(?P<unit>[smhd])")
_PERSON = re.compile(rf"(?P<name>{_NAME})(?: \((?P<channels>[a-z, ]+)\))?")
_ON_DUTY = re.compile(rf"(?P<name>{_NAME}) (?P<since>\d\d:\d\d)-(?P<until>\d\d:\d\d)")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})|\\(n)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def all_scripts() -> list[Path]:
    """Every script, in order."""
    return sorted(SCRIPTS.glob("*.txt"))


def read_script(path: Path) -> Script:
    """The script in this file; `ScriptError` names what cannot be read."""
    written = path.read_text(encoding="utf-8").split("\n")
    head: dict[str, str] = {}
    number = 0
    for number, line in enumerate(written, start=1):
        if not line.strip():
            break
        key, colon, value = line.partition(":")
        if not colon or key not in _HEAD or key in head:
            raise ScriptError(f"{path.name}:{number}: {line!r} is no line of a head, or is there twice.")
        head[key] = value.strip()
    lines = [
        _line(path, at, line) for at, line in enumerate(written[number:], start=number + 1) if line and line[0] != "#"
    ]
    try:
        return _script(path, head, tuple(lines))
    except (ValueError, KeyError) as error:
        raise ScriptError(f"{path.name}:1: the head cannot be read: {error}") from error


def _script(path: Path, head: Mapping[str, str], lines: tuple[Line, ...]) -> Script:
    contacts: dict[str, tuple[Channel, ...]] = {}

    def person(told: str) -> str:
        found = _PERSON.fullmatch(told.strip())
        if found is None:
            raise ValueError(f"{told!r} is nobody")
        channels = [Channel(name.strip()) for name in (found["channels"] or "telegram").split(",")]
        contacts.setdefault(found["name"], tuple(channels))
        return found["name"]

    def on_duty(told: str) -> tuple[str, str, str]:
        found = _ON_DUTY.fullmatch(told.strip())
        if found is None:
            raise ValueError(f"{told!r} is no shift")
        return person(found["name"]), found["since"], found["until"]

    roster = tuple(on_duty(part) for part in head["roster"].split(",")) if "roster" in head else ()
    on_call: tuple[tuple[str, ...], ...] = ()
    if not roster and head.get("on call") != "nobody":
        steps = re.split(r",(?![^(]*\))", head.get("on call", "asha"))
        on_call = tuple(tuple(person(each) for each in step.split("+")) for step in steps)
    speaks = dict(part.split() for part in head["speaks"].split(",")) if "speaks" in head else {}
    also = {}
    for part in head["also"].split(",") if "also" in head else []:
        found = _PERSON.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{part!r} is nobody")
        also[found["name"]] = Channel(found["channels"] or "telegram")
    return Script(
        path=path,
        title=head["title"],
        channel=Channel(head.get("channel", "telegram")),
        country=Country(head.get("country", "NO")),
        hint=head.get("hint", "nb"),
        at=datetime.fromisoformat(head.get("at", "2026-11-22T14:05+01:00")),
        on_call=on_call,
        last_resort=person(head.get("last resort", "maja")),
        roster=roster,
        contacts=contacts,
        speaks=speaks,
        also=also,
        lines=lines,
    )


def _line(path: Path, number: int, written: str) -> Line:
    if written == "...":
        return Line(number, written, Does.AND_SO_ON)
    if written[0] in "!=":
        return Line(number, written, Does(written[0]), words=written[1:].strip())
    if written[0] == "(" and written.endswith(")"):
        return Line(number, written, Does.STAGE, words=written[1:-1])
    if (time := _TIME.fullmatch(written)) is not None:
        return Line(number, written, Does(time["sign"]), time=span(time["count"], time["unit"]))
    if (quiet := re.fullmatch(rf"({_NAME})?\.", written)) is not None:
        return Line(number, written, Does.SILENCE, (quiet[1] or SHE,))
    talk = _TALK.fullmatch(written)
    if talk is None:
        raise ScriptError(f"{path.name}:{number}: {written!r} means nothing in a script.")
    who = tuple(name.strip() for name in talk["who"].split(",")) if talk["who"] else (SHE,)
    return Line(number, written, Does(talk["sign"]), who, words=_ESCAPE.sub(_unescaped, talk["words"] or ""))


def span(count: str, unit: str) -> timedelta:
    """A length of time as scripts write it: 2 m."""
    return timedelta(**{UNITS[unit]: int(count)})


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[2] else chr(int(found[1], 16))
