"""Whether a service answers at an instant, and when it does next: in its zone, across midnight and clock changes.

Three answers, not two. Hours that no source gives are unknown, and "office hours" are known at noon and unknown at
eight: what we do not know we do not promise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from routing.services import HolidayRule, Hours

_EDGE = timedelta(hours=1)  # around the times of an old or rough source
_AHEAD = 9  # days looked ahead: a weekly service opens within eight
_OFFICE = (time(9), time(15))  # surely open in office hours
_PERHAPS = (time(7), time(18))  # surely closed outside these
_NIGHT = (time(22), time(7))


class OpenState(StrEnum):
    """Whether somebody answers now."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Opening:
    """Whether a service is open at an instant."""

    state: OpenState
    opens_at: datetime | None = None  # when closed, and known (for office hours only the day is)
    closes_at: datetime | None = None  # when open, and known
    always: bool = False


def opening(hours: Hours, at: datetime, zone: ZoneInfo, *, holidays: Collection[date] = frozenset()) -> Opening:
    """The state at an instant; `holidays` are the public holidays of the country around it."""
    at = at.astimezone(UTC)
    if hours.always:
        return Opening(OpenState.OPEN, always=True)
    if hours.weekly:
        return _weekly(hours, at, zone, holidays)
    local = at.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    workday = local.weekday() < 5 and local.date() not in holidays
    if hours.not_at_night:
        return Opening(OpenState.CLOSED if clock >= _NIGHT[0] or clock < _NIGHT[1] else OpenState.UNKNOWN)
    if not (hours.office_hours or hours.outside_office_hours):
        return Opening(OpenState.UNKNOWN)
    surely = workday and _OFFICE[0] <= clock < _OFFICE[1]
    perhaps = workday and _PERHAPS[0] <= clock < _PERHAPS[1]
    if perhaps and not surely:
        return Opening(OpenState.UNKNOWN)
    if surely is hours.office_hours:
        return Opening(OpenState.OPEN)
    if hours.outside_office_hours:
        return Opening(OpenState.CLOSED)
    return Opening(OpenState.CLOSED, opens_at=_next_workday(local, zone, holidays))


def _next_workday(local: datetime, zone: ZoneInfo, holidays: Collection[date]) -> datetime | None:
    for ahead in range(_AHEAD + 5):
        day = local.date() + timedelta(days=ahead)
        opens = datetime.combine(day, _OFFICE[0], zone)
        if day.weekday() < 5 and day not in holidays and opens > local:
            return opens
    return None


def _weekly(hours: Hours, at: datetime, zone: ZoneInfo, holidays: Collection[date]) -> Opening:
    spans = _spans(hours, at, zone, holidays)
    now = [span for span in spans if span[0] <= at < span[1]]
    edges = [edge for span in spans for edge in span]
    if hours.approximate and any(abs(edge - at) < _EDGE for edge in edges):
        return Opening(OpenState.UNKNOWN)
    if now:
        return Opening(OpenState.OPEN, closes_at=None if hours.approximate else now[0][1])
    return Opening(OpenState.CLOSED, opens_at=min((start for start, _ in spans if start > at), default=None))


def _spans(hours: Hours, at: datetime, zone: ZoneInfo, holidays: Collection[date]) -> list[tuple[datetime, datetime]]:
    """The stretches of the days around, in order, those that touch made one (open over midnight)."""
    first = at.astimezone(zone).date() - timedelta(days=1)
    spans: list[tuple[datetime, datetime]] = []
    for ahead in range(_AHEAD + 1):
        day = first + timedelta(days=ahead)
        if hours.holidays is HolidayRule.CLOSED and day in holidays:
            continue
        spans += [
            (_at_minute(day, interval.opens, zone), _at_minute(day, interval.closes, zone))
            for interval in hours.weekly
            if day.weekday() in interval.days
        ]
    spans.sort()
    joined: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _at_minute(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A minute of a day by the clock on the wall there, so that eight stays eight when the clocks change."""
    clock = time(minute % 1440 // 60, minute % 60)
    # In UTC, since Python compares two instants of one zone by the clock on the wall, which repeats an hour in October.
    return datetime.combine(day + timedelta(days=minute // 1440), clock, zone).astimezone(UTC)
