"""How well the line keeps its promise, and what that costs those who are woken. Pure.

Medians and percentiles are by nearest rank: each is a wait that somebody really had. Practice is never counted; what
the clinician called off before anybody was late is nobody's success or failure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from escalation.standing import Urgency
from helpline.daytime import NIGHT_BEGINS, is_night


@dataclass(frozen=True)
class Wait:
    """One clinician's wait for the first word of a human."""

    urgency: Urgency
    language: str
    opened_at: datetime
    promised_at: datetime | None  # the first promise; None where nobody was on duty and she was told so at once
    replied_at: datetime | None
    ended_at: datetime | None

    def kept(self, now: datetime) -> bool | None:
        """Whether the promise was kept; None where that is not settled, or was no longer wanted."""
        if self.promised_at is None:
            # She was told that nobody could be reached: a human in the end is the best that could be.
            return None if self.replied_at is None and self.ended_at is None else self.replied_at is not None
        if self.replied_at is not None:
            return self.replied_at <= self.promised_at
        if self.ended_at is not None and self.ended_at <= self.promised_at:
            return None
        return False if now > self.promised_at else None


@dataclass(frozen=True)
class ReplyTimes:
    """Time to the first human reply of one urgency, in one language or in all (`language` empty)."""

    urgency: Urgency
    language: str
    asked: int  # escalations opened
    replied: int  # of them, those in which a human wrote or spoke
    median: timedelta | None
    p90: timedelta | None
    settled: int  # those of which it can be said whether the promise was kept
    kept: int  # of them, those in which it was

    @property
    def share_kept(self) -> float | None:
        """The share within promise, 0 to 1; None where nothing is settled."""
        return self.kept / self.settled if self.settled else None


def reply_times(waits: Iterable[Wait], now: datetime) -> tuple[ReplyTimes, ...]:
    """For each urgency all languages together, and then each language that was spoken."""
    listed = list(waits)
    found = []
    for urgency in Urgency:
        of_it = [wait for wait in listed if wait.urgency is urgency]
        spoken = sorted({wait.language for wait in of_it})
        for language in ("", *(spoken if len(spoken) > 1 else ())):
            chosen = [wait for wait in of_it if language in ("", wait.language)]
            found.append(_reply_times(urgency, language or (spoken[0] if len(spoken) == 1 else ""), chosen, now))
    return tuple(found)


def _reply_times(urgency: Urgency, language: str, waits: Sequence[Wait], now: datetime) -> ReplyTimes:
    took = sorted(wait.replied_at - wait.opened_at for wait in waits if wait.replied_at is not None)
    kept = [settled for wait in waits if (settled := wait.kept(now)) is not None]
    return ReplyTimes(
        urgency=urgency,
        language=language,
        asked=len(waits),
        replied=len(took),
        median=ranked(took, 0.5),
        p90=ranked(took, 0.9),
        settled=len(kept),
        kept=sum(kept),
    )


def ranked(ordered: Sequence[timedelta], share: float) -> timedelta | None:
    """The value at or below which this share of an ordered list lies, by nearest rank; None of an empty list."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def night_of(at: datetime, zone: ZoneInfo) -> date | None:
    """The evening on which the night of this instant began, on the wall clock there; None by day."""
    if not is_night(at, zone):
        return None
    local = at.astimezone(zone)
    return local.date() if local.time() >= NIGHT_BEGINS else local.date() - timedelta(days=1)


def wakings(
    paged: Iterable[tuple[str, datetime]], zones: Mapping[str, ZoneInfo], default: ZoneInfo
) -> dict[str, Counter[date]]:
    """How often each advisor was paged in each night; `paged` holds one staff id and instant for each message."""
    found: dict[str, Counter[date]] = {}
    for staff_id, at in paged:
        night = night_of(at, zones.get(staff_id, default))
        if night is not None:
            found.setdefault(staff_id, Counter())[night] += 1
    return found
