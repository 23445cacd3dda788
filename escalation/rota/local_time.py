"""Local times: when the wall clock of a zone shows them, and what a typed one can mean.

On the day the clock changes, a local time may occur twice or not at all. Whoever plans (a handoff, a rule) takes the
first or the last occurrence, or the first instant after the gap. Whoever types a one-off time is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?")


@lru_cache(maxsize=65536)
def _occurrences(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants at which the wall clock shows `local`: one, two, or none where the clock jumps over it."""
    early = local.replace(tzinfo=zone, fold=0)
    late = local.replace(tzinfo=zone, fold=1)
    before, after = early.utcoffset(), late.utcoffset()
    assert before is not None
    assert after is not None
    if before == after:
        return (early.astimezone(UTC),)
    if before > after:
        return (early.astimezone(UTC), late.astimezone(UTC))
    return ()


@lru_cache(maxsize=4096)
def _after_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after the gap in which `local` lies."""
    # With the offset after the change the missing time lies before it, with the offset before the change behind it.
    low = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def first_shown(local: datetime, zone: ZoneInfo) -> datetime:
    """When the wall clock first shows `local`, or the first instant after the gap that swallows it."""
    found = _occurrences(local, zone)
    return found[0] if found else _after_gap(local, zone)


def last_shown(local: datetime, zone: ZoneInfo) -> datetime:
    """When the wall clock last shows `local`, or the first instant after the gap that swallows it."""
    found = _occurrences(local, zone)
    return found[-1] if found else _after_gap(local, zone)


def is_local(text: str) -> bool:
    """Whether a text has the form of a local time without offset."""
    return _LOCAL.fullmatch(text) is not None


class Doubt(StrEnum):
    """Why a typed local time was not accepted."""

    MISSING = "missing"  # the clock jumps over it that day
    TWICE = "twice"  # the clock shows it twice that day


@dataclass(frozen=True)
class Typed:
    """What a local time that somebody typed can mean."""

    instant: datetime | None  # where it is plain
    doubt: Doubt | None
    offered: tuple[datetime, ...]  # what to ask about where it is not


def understand_typed(text: str, zone: ZoneInfo) -> Typed:
    """The instant meant by a typed local time, or the question that has to be asked first.

    A text with an offset of its own is taken as it is. Raises `ValueError` where it is no time at all.
    """
    text = text.strip()
    if not is_local(text):
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("a date without a clock time")
        return Typed(instant.astimezone(UTC), None, ())
    local = datetime.fromisoformat(text)
    found = _occurrences(local, zone)
    match found:
        case (instant,):
            return Typed(instant, None, ())
        case ():
            return Typed(None, Doubt.MISSING, (_after_gap(local, zone),))
        case _:
            return Typed(None, Doubt.TWICE, found)


def say_instant(instant: datetime) -> str:
    """An instant in UTC as files and results write it: 2026-11-22T02:40:00Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
