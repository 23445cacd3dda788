"""Whether a service answers at an instant, and when it does next: in its zone, across midnight and clock changes.

Three answers, not two. Hours that no source gives are unknown, and "office hours" are known at noon and unknown at
eight: what we do not know we do not promise.

What holds on a day, the strongest first: an exception for that day, a holiday by the service's own rule, the season,
the week. A stretch belongs to the day on which it opens, and runs on over midnight whatever the next day brings. Of the
hour that comes twice in October the first counts: a time is past once the clock has shown it. The hour that is left out
in March is passed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from routing.closed_days import ClosedDays
from routing.services import DayException, HolidayRule, Hours, Interval, Stretch

_EDGE = timedelta(hours=1)  # around the times of an old or rough source
_AHEAD = 370  # days looked ahead for the next opening: what has a summer alone opens within a year
_OPEN_AHEAD = 14  # days looked ahead for the next closing; nobody asks for more
_OFFICE = (time(9), time(15))  # surely open in office hours
_PERHAPS = (time(7), time(18))  # surely closed outside these
_NIGHT = (time(22), time(7))
_SUNDAY = 6
_ALL_DAY = (Interval(frozenset(range(7)), 0, 1440),)


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


@dataclass(frozen=True)
class _Span:
    """Open from one instant to another."""

    start: datetime
    end: datetime


def opening(hours: Hours, at: datetime, zone: ZoneInfo, *, holidays: Collection[date] = frozenset()) -> Opening:
    """The state at an instant; `holidays` are the closed days of the country around it, and its half days."""
    at = at.astimezone(UTC)
    if hours.always and not (hours.seasons or hours.exceptions or hours.holidays is not HolidayRule.AS_USUAL):
        return Opening(OpenState.OPEN, always=True)
    if hours.weekly or hours.always:
        return _timed(hours, at, zone, holidays)
    return _excepted(hours, at, zone, holidays) or _rough(hours, at, zone, holidays)


# --- hours without times ---------------------------------------------------------------------------------------------


def _rough(hours: Hours, at: datetime, zone: ZoneInfo, holidays: Collection[date]) -> Opening:
    local = at.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    workday = local.weekday() < 5 and local.date() not in holidays
    if hours.not_at_night:
        return Opening(OpenState.CLOSED if clock >= _NIGHT[0] or clock < _NIGHT[1] else OpenState.UNKNOWN)
    if not (hours.office_hours or hours.outside_office_hours):
        return Opening(OpenState.UNKNOWN)
    surely = workday and _OFFICE[0] <= clock < _OFFICE[1]
    perhaps = workday and _PERHAPS[0] <= clock < _PERHAPS[1]
    if perhaps and (not surely or local.date() in _half_days(holidays)):
        return Opening(OpenState.UNKNOWN)
    if surely is hours.office_hours:
        return Opening(OpenState.OPEN)
    if hours.outside_office_hours:
        return Opening(OpenState.CLOSED)
    return Opening(OpenState.CLOSED, opens_at=_next_workday(hours, local, zone, holidays))


def _next_workday(hours: Hours, local: datetime, zone: ZoneInfo, holidays: Collection[date]) -> datetime | None:
    half_days = _half_days(holidays)
    for ahead in range(_OPEN_AHEAD + 1):
        day = local.date() + timedelta(days=ahead)
        exception = _exception(hours, day)
        if exception is not None:
            starts = [_at_minute(day, stretch.opens, zone) for stretch in exception.intervals]
            later = [start for start in starts if start > local]
            if later:
                return min(later)
            continue
        opens = datetime.combine(day, _OFFICE[0], zone)
        if day.weekday() < 5 and day not in holidays and day not in half_days and opens > local:
            return opens
    return None


def _excepted(hours: Hours, at: datetime, zone: ZoneInfo, holidays: Collection[date]) -> Opening | None:
    """What an exception says of this instant, where the hours are otherwise without times."""
    today = at.astimezone(zone).date()
    yesterday = today - timedelta(days=1)
    told = [each for each in hours.exceptions if each.on in (yesterday, today)]
    spans = [span for each in told for span in _spans_of(each.on, each.intervals, zone)]
    now = next((span for span in _joined(sorted(spans, key=_start)) if span.start <= at < span.end), None)
    if now is not None:
        return Opening(OpenState.OPEN, closes_at=now.end)
    if not any(each.on == today for each in told):
        return None
    later = [span.start for span in spans if span.start > at]
    if later:
        return Opening(OpenState.CLOSED, opens_at=min(later))
    local = at.astimezone(zone)
    return Opening(
        OpenState.CLOSED, opens_at=_next_workday(hours, local, zone, holidays) if hours.office_hours else None
    )


# --- hours with times ------------------------------------------------------------------------------------------------


def _timed(hours: Hours, at: datetime, zone: ZoneInfo, holidays: Collection[date]) -> Opening:
    first = at.astimezone(zone).date() - timedelta(days=1)
    surely = _around(at, _joined(_days(hours, first, zone, holidays)))
    state = OpenState.OPEN if surely.open else OpenState.CLOSED
    if not surely.open and any(span.start <= at < span.end for span in _perhaps(hours, first, zone, holidays)):
        state = OpenState.UNKNOWN
    if hours.approximate and any(abs(edge - at) < _EDGE for edge in surely.edges):
        state = OpenState.UNKNOWN
    if state is OpenState.OPEN:
        horizon = at + timedelta(days=_OPEN_AHEAD)
        closes_at = surely.next.end if surely.next is not None and surely.next.end < horizon else None
        return Opening(state, closes_at=None if hours.approximate else closes_at)
    if state is OpenState.CLOSED:
        return Opening(state, opens_at=surely.next.start if surely.next is not None else None)
    return Opening(state)


@dataclass(frozen=True)
class _Around:
    """The stretches nearest to an instant: the one that ended last, and the one under way or to come."""

    at: datetime
    last: _Span | None
    next: _Span | None

    @property
    def open(self) -> bool:
        return self.next is not None and self.next.start <= self.at

    @property
    def edges(self) -> tuple[datetime, ...]:
        return tuple(edge for span in (self.last, self.next) if span is not None for edge in (span.start, span.end))


def _around(at: datetime, spans: Iterable[_Span]) -> _Around:
    last = None
    for span in spans:
        if span.end > at:
            return _Around(at, last, span)
        last = span
    return _Around(at, last, None)


def _days(hours: Hours, first: date, zone: ZoneInfo, holidays: Collection[date]) -> Iterator[_Span]:
    """The sure stretches from a day on, in order, one after the other as they are asked for."""
    uncertain = _half_days(holidays) if hours.holidays is not HolidayRule.AS_USUAL else frozenset()
    for ahead in range(_AHEAD):
        day = first + timedelta(days=ahead)
        if day not in uncertain or _exception(hours, day) is not None:
            yield from sorted(_spans_of(day, _stretches(hours, day, holidays), zone), key=_start)


def _perhaps(hours: Hours, first: date, zone: ZoneInfo, holidays: Collection[date]) -> list[_Span]:
    """The stretches of half days, which may end early; none where the service keeps its times on every day."""
    if hours.holidays is HolidayRule.AS_USUAL:
        return []
    days = [day for day in (first, first + timedelta(days=1)) if day in _half_days(holidays)]
    plain = [day for day in days if _exception(hours, day) is None]
    return [span for day in plain for span in _spans_of(day, _stretches(hours, day, ()), zone)]


def _stretches(hours: Hours, day: date, holidays: Collection[date]) -> Iterable[Stretch | Interval]:
    """What opens on a day."""
    exception = _exception(hours, day)
    if exception is not None:
        return exception.intervals
    weekday = day.weekday()
    if day in holidays:
        if hours.holidays is HolidayRule.CLOSED:
            return ()
        if hours.holidays is HolidayRule.AS_SUNDAY:
            weekday = _SUNDAY
    season = next((season for season in hours.seasons if season.covers(day)), None)
    weekly = season.weekly if season is not None else hours.weekly or _ALL_DAY
    return [interval for interval in weekly if weekday in interval.days]


def _exception(hours: Hours, day: date) -> DayException | None:
    return next((each for each in hours.exceptions if each.on == day), None)


def _half_days(holidays: Collection[date]) -> frozenset[date]:
    return holidays.half_days if isinstance(holidays, ClosedDays) else frozenset()


def _spans_of(day: date, stretches: Iterable[Stretch | Interval], zone: ZoneInfo) -> list[_Span]:
    spans = [_Span(_at_minute(day, each.opens, zone), _at_minute(day, each.closes, zone)) for each in stretches]
    return [span for span in spans if span.start < span.end]


def _start(span: _Span) -> datetime:
    return span.start


def _joined(spans: Iterable[_Span]) -> Iterator[_Span]:
    """Stretches that touch made one (open over midnight); none longer than anybody asks for."""
    held: _Span | None = None
    for span in spans:
        if held is None:
            held = span
        elif span.start <= held.end and held.end - held.start < timedelta(days=_OPEN_AHEAD + 3):
            held = _Span(held.start, max(held.end, span.end))
        else:
            yield held
            held = span
    if held is not None:
        yield held


def _at_minute(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant at which the clock on the wall first shows this minute of a day, or jumps over it."""
    clock = time(minute % 1440 // 60, minute % 60)
    # In UTC, since Python compares two instants of one zone by the clock on the wall, which repeats an hour in October.
    local = datetime.combine(day + timedelta(days=minute // 1440), clock)
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # The clock never shows it: March. The first minute that does show a later time.
    before, after = local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    while after - before > timedelta(minutes=1):
        middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            after = middle
        else:
            before = middle
    return after
