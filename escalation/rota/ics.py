"""Calendar files (RFC 5545): shifts written for calendars, and leave read from them. Pure.

Written instants are in UTC: a shift begins at an instant and not at a reading of the clock, and the hour that the clock
shows twice could not be named otherwise. The calendar's zone is told beside them for showing.

Reading takes all-day and timed entries and says of every other why not: one that repeats is refused with that word, and
a local time that does not exist or occurs twice is asked about as if it had been typed. What an entry is called is
neither kept nor looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from escalation.rota.local_time import Doubt, first_shown, understand_typed
from escalation.rota.roster import Span

LARGEST = 512 * 1024  # bytes of a file
MOST = 500  # entries of a file
REFRESH = timedelta(hours=1)
_PRODUCT = "-//Varde//Rota//EN"
_MARKS = ("RRULE", "RDATE", "EXRULE", "RECURRENCE-ID")
_DAY = timedelta(days=1)


# --- Writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A shift as a calendar shows it."""

    uid: str
    span: Span
    title: str
    sequence: int  # grows with every change of this entry
    changed_at: datetime
    cancelled: bool = False


def write_calendar(name: str, zone: ZoneInfo, entries: Sequence[Entry]) -> bytes:
    """A calendar to subscribe to. The same entries give the same bytes."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", _PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", zone.key)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for entry in sorted(entries, key=lambda each: (each.span.start, each.uid)):
        calendar.add_component(_event(entry))
    return bytes(calendar.to_ical())


def _event(entry: Entry) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    # Without a METHOD the stamp is the time of the last revision, so it stays where the entry does.
    event.add("dtstamp", _second(entry.changed_at))
    event.add("last-modified", _second(entry.changed_at))
    event.add("sequence", entry.sequence)
    event.add("dtstart", _second(entry.span.start))
    event.add("dtend", _second(entry.span.end))
    event.add("summary", entry.title)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT")  # whoever is on call may still be asked to lunch
    return event


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


# --- Reading ---------------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """A file cannot be read as a calendar; `why` says in what way."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Why(StrEnum):
    """Why a file, or an entry of it, is not taken."""

    TOO_BIG = "too_big"  # more than half a megabyte
    TOO_MANY = "too_many"  # more than 500 entries
    NO_CALENDAR = "no_calendar"  # it is no calendar file, or a broken one
    REPEATS = "repeats"  # it repeats; each time away must stand by itself
    NO_LENGTH = "no_length"  # it ends when it begins, or before
    NO_TIME = "no_time"  # its beginning or end cannot be read
    MISSING = "missing"  # the clock jumps over its beginning or end
    TWICE = "twice"  # the clock shows its beginning or end twice
    FREE = "free"  # it is marked as free time
    PAST = "past"  # it is over
    TOO_LONG = "too_long"  # longer than a year
    TOO_FAR = "too_far"  # more than two years ahead


@dataclass(frozen=True)
class Away:
    """An entry that can be leave."""

    uid: str  # a fingerprint of the calendar's own id, which may hold a name or an address
    span: Span
    all_day: bool
    cancelled: bool
    sequence: int


@dataclass(frozen=True)
class Skipped:
    """An entry that is not taken, and why; `at` as it was written, where it could be read."""

    why: Why
    at: str = ""
    offered: tuple[datetime, ...] = ()  # what a local time in doubt may mean


@dataclass(frozen=True)
class Reading:
    """What a calendar file holds, for leave."""

    away: tuple[Away, ...]
    skipped: tuple[Skipped, ...]


def read_leave(data: bytes, zone: ZoneInfo) -> Reading:
    """The entries of a calendar file, floating and all-day ones on the clock of `zone`; `Unreadable` where it is none.

    Of several with the same id the one with the highest sequence number counts.
    """
    if len(data) > LARGEST:
        raise Unreadable(Why.TOO_BIG)
    away: dict[str, Away] = {}
    skipped: list[Skipped] = []
    for event in _events(data):
        found = _read(event, zone)
        if isinstance(found, Skipped):
            skipped.append(found)
        elif found.uid not in away or away[found.uid].sequence <= found.sequence:
            away[found.uid] = found
    return Reading(tuple(sorted(away.values(), key=lambda each: (each.span.start, each.uid))), tuple(skipped))


def _events(data: bytes) -> list[Any]:
    try:
        text = data.decode("utf-8-sig")
        calendars = Calendar.from_ical(text, multiple=True)
        found = [event for calendar in calendars for event in calendar.walk("VEVENT")]
        named = [calendar.name for calendar in calendars]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise Unreadable(Why.NO_CALENDAR) from error
    if not named or any(name != "VCALENDAR" for name in named):
        raise Unreadable(Why.NO_CALENDAR)
    if len(found) > MOST:
        raise Unreadable(Why.TOO_MANY)
    return found


def _read(event: Any, zone: ZoneInfo) -> Away | Skipped:
    written = _raw(event, "DTSTART")
    if any(mark in event for mark in _MARKS):
        return Skipped(Why.REPEATS, written)
    if _text(event, "TRANSP").upper() == "TRANSPARENT":
        return Skipped(Why.FREE, written)
    try:
        start, end, all_day = _bounds(event)
        span = Span(_instant(start, zone), _instant(end, zone))
    except _InDoubt as doubt:
        return Skipped(doubt.why, doubt.written, doubt.offered)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Skipped(Why.NO_TIME, written)
    if span.end <= span.start:
        return Skipped(Why.NO_LENGTH, written)
    named = _text(event, "UID") or f"{span.start.isoformat()}/{span.end.isoformat()}"
    cancelled = _text(event, "STATUS").upper() == "CANCELLED"
    return Away(hashlib.sha256(named.encode()).hexdigest()[:32], span, all_day, cancelled, _sequence(event))


class _InDoubt(Exception):
    def __init__(self, why: Why, written: str, offered: tuple[datetime, ...]) -> None:
        super().__init__(why.value)
        self.why, self.written, self.offered = why, written, offered


def _bounds(event: Any) -> tuple[date, date, bool]:
    start: Any = event["DTSTART"].dt
    if not isinstance(start, date):
        raise ValueError("no day")
    all_day = not isinstance(start, datetime)
    if "DTEND" in event:
        end: Any = event["DTEND"].dt
    elif "DURATION" in event:
        end = _later(start, event["DURATION"].dt)
    else:
        end = start + _DAY if all_day else start
    if not isinstance(end, date) or isinstance(end, datetime) is all_day:
        raise ValueError("a day on one side and an instant on the other")
    return start, end, all_day


def _later(start: Any, duration: Any) -> Any:
    """What a duration leads to: whole days on the calendar, and the rest by the clock of the world."""
    if not isinstance(duration, timedelta):
        raise ValueError("no duration")
    if not isinstance(start, datetime):
        return start + duration
    by_calendar = start + timedelta(days=duration.days)
    rest = duration - timedelta(days=duration.days)
    if by_calendar.tzinfo is None or not rest:
        return by_calendar + rest
    return (by_calendar.astimezone(UTC) + rest).astimezone(by_calendar.tzinfo)


def _instant(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return first_shown(datetime.combine(value, time(0)), zone)
    if value.tzinfo is None:
        return _plain(value, zone)
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key != "UTC":
        return _plain(value.replace(tzinfo=None), value.tzinfo)
    return value.astimezone(UTC)


def _plain(local: datetime, zone: ZoneInfo) -> datetime:
    written = local.replace(fold=0).isoformat(timespec="seconds")
    typed = understand_typed(written, zone)
    if typed.instant is None:
        raise _InDoubt(Why.MISSING if typed.doubt is Doubt.MISSING else Why.TWICE, written, typed.offered)
    return typed.instant


def _text(event: Any, name: str) -> str:
    value = event.get(name)
    return str(value).strip() if isinstance(value, str) else ""


def _raw(event: Any, name: str) -> str:
    try:
        return str(event[name].dt)[:40]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _sequence(event: Any) -> int:
    try:
        return int(event.get("SEQUENCE", 0))
    except (ValueError, TypeError):
        return 0
