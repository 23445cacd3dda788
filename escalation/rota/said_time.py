"""From when to when, as people write it: "fra fredag kl. 16 til mandag 8:00", "24.–26.12.", "i morgen 12–16". Pure.

Norwegian, Swedish and English are read alike. What comes out is days and clock times as they were meant on the wall
clock; which instants those are, and whether the clock shows them at all, is for `local_time` to say. Nothing is
guessed: what can be two things raises `Unclear`, and a day without a year is the next one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum


class Why(StrEnum):
    """Why words say no plain time."""

    UNREADABLE = "unreadable"
    CLOCK = "clock"  # one end has a clock time and the other has none
    WEEKDAY = "weekday"  # the date is not on that weekday
    TODAY = "today"  # today's weekday was said: today, or in a week


class Unclear(Exception):
    """Words say no plain time."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class Said:
    """From when to when on the wall clock. `whole`: days were said, and no clock times."""

    start: datetime | None  # None: from now on
    end: datetime
    whole: bool


_DAY = timedelta(days=1)
_LATELY = timedelta(days=30)  # a day without a year that lies no further back is meant as that one
_LONG = timedelta(days=300)  # what would be longer without a year is two days the wrong way round
_TOKEN = re.compile(
    r"(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:t(?=[0-9]))?"
    r"|(?P<dated>[0-9]{1,2}[./][0-9]{1,2}[./](?:[0-9]{4}|[0-9]{2})(?![0-9:.])|[0-9]{1,2}\. ?[0-9]{1,2}\. [0-9]{4})"
    r"|(?P<half>[0-9]{1,2}(?:[:.][0-9]{2})? ?(?:am|pm)\b)"
    r"|(?P<clock>[0-9]{1,2}:[0-9]{2})(?::00)?"
    r"|(?P<pair>[0-9]{1,2}[./][0-9]{1,2})(?![0-9])"
    r"|(?P<year>[0-9]{4})(?![0-9])"
    r"|(?P<number>[0-9]{1,2})(?![0-9])(?:\.|:[ea]\b|st\b|nd\b|rd\b|th\b)?"
    r"|(?P<word>[^\W\d_]+)"
    r"|(?P<dash>[-–—])"
    r"|(?P<skip>[\s,.]+)"
)
_ONE_WORD = (
    (re.compile(r"\bi ?dag\b"), "today"),
    (re.compile(r"\b(?:day after tomorrow|i ?overmorg[eo]n|overmorg[eo]n|i ?övermorgon|övermorgon)\b"), "overmorrow"),
    (re.compile(r"\bi ?morg[eo]n\b|\bi ?morra\b"), "tomorrow"),
    (re.compile(r"\b(?:til og med|till och med|t\.o\.m\.?|tom)\b|\bt\.o\.m\."), "til"),
)
_DAYS = {"today": 0, "tomorrow": 1, "overmorrow": 2}
_NOW = frozenset({"nå", "no", "nu", "now"})
_FROM = frozenset({"fra", "frå", "från", "from"})
_UNTIL = frozenset({"til", "till", "to", "until", "through"})
_EMPTY = _FROM | {"den", "the", "of", "på", "on", "om"}
_CLOCK = frozenset({"kl", "klokka", "klokken", "klockan", "at"})
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januar januari january",
            "feb februar februari february",
            "mar mars march",
            "apr april",
            "mai maj may",
            "jun juni june",
            "jul juli july",
            "aug august augusti",
            "sep sept september",
            "okt oktober oct october",
            "nov november",
            "des desember dec december",
        ),
        1,
    )
    for name in names.split()
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "man mandag mån måndag mon monday",
            "tir tirs tirsdag tys tysdag tis tisdag tue tuesday",
            "ons onsdag wed wednesday",
            "tor tors torsdag thu thursday",
            "fre fredag fri friday",
            "lør lørdag lau laurdag lör lördag sat saturday",
            "søn søndag sun sundag sön söndag sunday",
        )
    )
    for name in names.split()
}


def speaks_of_time(text: str) -> bool:
    """Whether words begin like a time, and not like something else that is said."""
    first = _one_word(text).split()[:1]
    word = first[0].strip(".,") if first else ""
    return bool(re.match(r"[0-9]", word)) or word in {*_DAYS, *_WEEKDAYS, *_CLOCK, *_NOW, *_EMPTY, *_UNTIL}


def read_span(text: str, now: datetime) -> Said:
    """What words say, where the wall clock shows `now` (without zone). Raises `Unclear`."""
    sides = _sides(_tokens(text))
    first = _moment(sides[0])
    if len(sides) == 1:
        if _one_word(text).split()[0] in _FROM:
            raise Unclear(Why.UNREADABLE)  # from then on, and nobody has said for how long
        return _one_day(first, now.date())
    last = _moment(sides[1], after_clock=first.clock is not None)
    if last.clock is not None and _may_be_a_day(sides[1]) and not (first.month is None and _dotted(sides[0])):
        raise Unclear(Why.CLOCK)  # "fra 4.12. kl. 16 til 6.12.": the sixth, and not twelve past six
    if first.now:
        return _from_now(last, now)
    if (first.clock is None) is not (last.clock is None):
        raise Unclear(Why.CLOCK)
    start = _start_day(first, last, now.date())
    end = _end_day(first, last, start, now.date())
    if first.clock is None or last.clock is None:
        return Said(_at(start, time()), _at(end + _DAY, time()), whole=True)
    return Said(first.on(start), last.on(end), whole=False)


def _may_be_a_day(side: Sequence[Token]) -> bool:
    """Whether what stands there alone can be a day of a month as well as a clock time."""
    if len(side) != 1 or side[0][0] != "pair":
        return False
    day, month = (int(part) for part in re.split("[./]", side[0][1]))
    return 1 <= day <= 31 and 1 <= month <= 12


def _dotted(side: Sequence[Token]) -> bool:
    return any(kind == "pair" for kind, _ in side)


@dataclass(frozen=True)
class _Moment:
    """One side, as far as it was said."""

    day: int | None = None
    month: int | None = None
    year: int | None = None
    weekday: int | None = None
    ahead: int | None = None  # days from today
    clock: tuple[int, int] | None = None
    now: bool = False

    @property
    def is_dated(self) -> bool:
        return self.weekday is not None or self.ahead is not None or self.month is not None

    def on(self, day: date) -> datetime:
        """The clock time on a day; 24:00 is the end of it."""
        assert self.clock is not None
        hour, minute = self.clock
        return _at(day + _DAY, time()) if hour == 24 else _at(day, time(hour, minute))


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock)


Token = tuple[str, str]


def _one_word(text: str) -> str:
    said = " ".join(text.casefold().split())
    for many, one in _ONE_WORD:
        said = many.sub(one, said)
    return said


def _tokens(text: str) -> list[Token]:
    said = _one_word(text)
    found: list[Token] = []
    at = 0
    while at < len(said):
        match = _TOKEN.match(said, at)
        if match is None or match.lastgroup is None:
            raise Unclear(Why.UNREADABLE)
        at = match.end()
        word = match[match.lastgroup]
        if match.lastgroup != "skip" and word not in _EMPTY:
            found.append(("until" if match.lastgroup == "dash" or word in _UNTIL else match.lastgroup, word))
    return found


def _sides(tokens: Sequence[Token]) -> list[list[Token]]:
    sides: list[list[Token]] = [[]]
    for token in tokens:
        if token[0] == "until":
            sides.append([])
        else:
            sides[-1].append(token)
    if len(sides) > 2 or not all(sides):
        raise Unclear(Why.UNREADABLE)
    return sides


def _moment(tokens: Sequence[Token], *, after_clock: bool = False) -> _Moment:
    """One side read. `after_clock`: the other side has a clock time, so a bare number by itself is one too."""
    found = _Moment()
    clock_is_next = after_clock and len(tokens) == 1
    by_day = any(word in _DAYS for _, word in tokens)
    for kind, word in tokens:
        if clock_is_next and kind in {"number", "pair"}:
            found, clock_is_next = _with_clock(found, word), False
            continue
        clock_is_next = clock_is_next and kind != "word"
        match kind:
            case "word" if word in _CLOCK:
                clock_is_next = True
            case "word":
                found = _with_word(found, word)
            case "clock" | "half":
                found, clock_is_next = _with_clock(found, word), False
            case "iso":
                found = _with_date(found, *reversed([int(part) for part in word.split("-")]))
            case "dated":
                found = _with_date(found, *(int(part) for part in re.findall("[0-9]+", word)))
            case "pair":
                day, month = (int(part) for part in re.split("[./]", word))
                # "i dag 8.10-12": the day has been said.
                is_date = not by_day and found.month is None and 1 <= day <= 31 and 1 <= month <= 12
                if not is_date and "/" in word:
                    raise Unclear(Why.UNREADABLE)
                found = _with_date(found, day, month) if is_date else _with_clock(found, word)
            case "number" if by_day:  # "i morgen 12-16"
                found = _with_clock(found, word)
            case "number" if found.day is None:
                found = replace(found, day=int(word))
            case "year" if found.month is not None and found.year is None:
                found = replace(found, year=int(word))
            case _:
                raise Unclear(Why.UNREADABLE)
    if clock_is_next or (found.month is not None and found.day is None):
        raise Unclear(Why.UNREADABLE)
    return found


def _with_word(found: _Moment, word: str) -> _Moment:
    if word in _MONTHS and found.month is None:
        return replace(found, month=_MONTHS[word])
    if word in _WEEKDAYS and found.weekday is None:
        return replace(found, weekday=_WEEKDAYS[word])
    if word in _DAYS and found.ahead is None:
        return replace(found, ahead=_DAYS[word])
    if word in _NOW and found == _Moment():
        return replace(found, now=True)
    raise Unclear(Why.UNREADABLE)


def _with_date(found: _Moment, day: int, month: int, year: int | None = None) -> _Moment:
    if found.day is not None or found.month is not None:
        raise Unclear(Why.UNREADABLE)
    return replace(found, day=day, month=month, year=year + 2000 if year is not None and year < 100 else year)


def _with_clock(found: _Moment, word: str) -> _Moment:
    hour, minute = (int(part) for part in (*re.findall("[0-9]+", word), "0")[:2])
    if word.endswith(("am", "pm")):
        if not 1 <= hour <= 12:
            raise Unclear(Why.UNREADABLE)
        hour = hour % 12 + (12 if word.endswith("pm") else 0)
    if found.clock is not None or minute > 59 or hour > 24 or (hour == 24 and minute):
        raise Unclear(Why.UNREADABLE)
    return replace(found, clock=(hour, minute))


# --- Which day -------------------------------------------------------------------------------------------------------


def _one_day(only: _Moment, today: date) -> Said:
    if only.clock is not None:
        raise Unclear(Why.CLOCK)
    if only.now or not only.is_dated:
        raise Unclear(Why.UNREADABLE)
    day = _first_day(only, today)
    return Said(_at(day, time()), _at(day + _DAY, time()), whole=True)


def _from_now(last: _Moment, now: datetime) -> Said:
    if last.now:
        raise Unclear(Why.UNREADABLE)
    if not last.is_dated and last.day is None:
        end = last.on(now.date())
        return Said(None, end if end > now else last.on(now.date() + _DAY), whole=False)
    day = _first_day(last, now.date())
    if last.year is None and day - now.date() > _LONG:
        raise Unclear(Why.UNREADABLE)
    return Said(None, _at(day + _DAY, time()) if last.clock is None else last.on(day), whole=last.clock is None)


def _start_day(first: _Moment, last: _Moment, today: date) -> date:
    if first.is_dated:
        return _first_day(first, today)
    if first.day is not None:  # "24.-26.12.": the month is said once
        return _day(replace(first, month=last.month, year=last.year), today, _earliest(last, today))
    # Of the first only the clock was said: its day is the other's, or today.
    return _first_day(last, today) if last.is_dated else today


def _end_day(first: _Moment, last: _Moment, start: date, today: date) -> date:
    is_later = first.clock is None or last.clock is None or last.clock > first.clock
    if not last.is_dated and last.day is None:
        return start if is_later else start + _DAY  # "22-06" ends the day after
    if last.day is not None and last.month is None:
        if last.day < start.day:
            raise Unclear(Why.UNREADABLE)
        last = replace(last, month=start.month, year=start.year)
    # From Friday to Friday is a week, unless the clock says that it is one day.
    if start == today and _is_weekday_of(last, today):
        raise Unclear(Why.TODAY)
    a_week = last.month is None and last.weekday == start.weekday() and (first.clock is None or not is_later)
    day = _day(last, today, start + _DAY if a_week and first.is_dated else start)
    if last.year is None and day - start > _LONG:
        raise Unclear(Why.UNREADABLE)
    return day


def _first_day(said: _Moment, today: date) -> date:
    """The next day that is meant; of today's weekday it is asked whether it is today."""
    if _is_weekday_of(said, today):
        raise Unclear(Why.TODAY)
    return _day(said, today, _earliest(said, today))


def _is_weekday_of(said: _Moment, today: date) -> bool:
    return (said.ahead, said.month, said.weekday) == (None, None, today.weekday())


def _earliest(said: _Moment, today: date) -> date:
    """From which day on a day is looked for that was said without a year, or as a weekday alone."""
    return today - _LATELY if said.month is not None else today + _DAY


def _day(said: _Moment, today: date, since: date) -> date:
    """The day that is meant: of a date without a year, and of a weekday, the first from `since` on."""
    if said.ahead is not None:
        day = today + said.ahead * _DAY
    elif said.month is not None and said.day is not None:
        try:
            day = date(said.year or since.year, said.month, said.day)
            if said.year is None and day < since:
                day = day.replace(year=day.year + 1)
        except ValueError as error:
            raise Unclear(Why.UNREADABLE) from error
    elif said.weekday is not None and said.day is None:
        day = since + (said.weekday - since.weekday()) % 7 * _DAY
    else:
        raise Unclear(Why.UNREADABLE)
    if said.weekday is not None and day.weekday() != said.weekday:
        raise Unclear(Why.WEEKDAY)
    return day
