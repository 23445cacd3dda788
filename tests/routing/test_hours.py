"""Open, closed or not known: over midnight, over a change of the clocks, and where the source is rough."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.messages import Country, Language
from routing.closed_days import around
from routing.hours import Opening, OpenState, opening
from routing.matching.because import Because, Reason
from routing.services import DayException, HolidayRule, Hours, Interval, Season, Stretch
from tests.routing.worlds import ALWAYS, OSLO, WORLD, oslo_time

WEEKDAYS = frozenset(range(5))
OFFICE = Hours(weekly=(Interval(WEEKDAYS, 8 * 60, 16 * 60),), holidays=HolidayRule.CLOSED, as_stated="8-16")
NIGHT = Hours(weekly=(Interval(frozenset({4, 5}), 16 * 60, 25 * 60 + 30),), as_stated="fre-lör 16.00-01.30")
WEDNESDAY = Hours(weekly=(Interval(frozenset({2}), 15 * 60, 18 * 60),), as_stated="onsdagar 15-18")


@pytest.mark.parametrize(
    ("hours", "at", "state", "edge"),
    [
        (OFFICE, "2026-11-23 08:00", "open", "2026-11-23 16:00"),  # a Monday, at the minute it opens
        (OFFICE, "2026-11-23 07:59", "closed", "2026-11-23 08:00"),
        (OFFICE, "2026-11-23 16:00", "closed", "2026-11-24 08:00"),  # at the minute it closes
        (OFFICE, "2026-11-27 17:00", "closed", "2026-11-30 08:00"),  # Friday evening to Monday
        (NIGHT, "2026-11-28 01:00", "open", "2026-11-28 01:30"),  # after midnight, still Friday's
        (NIGHT, "2026-11-28 01:30", "closed", "2026-11-28 16:00"),
        (WEDNESDAY, "2026-11-25 15:30", "open", "2026-11-25 18:00"),
        (WEDNESDAY, "2026-11-25 18:30", "closed", "2026-12-02 15:00"),  # a week away
    ],
)
def test_weekly_hours(hours: Hours, at: str, state: str, edge: str) -> None:
    found = opening(hours, oslo_time(at), OSLO)
    assert found.state is OpenState(state)
    assert (found.closes_at or found.opens_at) == oslo_time(edge)


def test_eight_is_eight_on_both_sides_of_a_clock_change() -> None:
    sunday_summer, sunday_winter = oslo_time("2026-03-28 12:00"), oslo_time("2026-10-24 12:00")
    assert opening(OFFICE, sunday_summer, OSLO).opens_at == datetime(2026, 3, 30, 6, tzinfo=UTC)
    assert opening(OFFICE, sunday_winter, OSLO).opens_at == datetime(2026, 10, 26, 7, tzinfo=UTC)


def test_the_hour_that_comes_twice_in_october() -> None:
    night = Hours(weekly=(Interval(frozenset({6}), 0, 2 * 60 + 30),), as_stated="Sunday 0-2:30")
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)  # 02:15 before the clocks go back
    second = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # 02:15 again
    assert opening(night, first, OSLO).state is OpenState.OPEN
    assert opening(night, second, OSLO).state is OpenState.CLOSED


def test_two_stretches_that_touch_at_midnight_are_one() -> None:
    nights = Hours(weekly=(Interval(WEEKDAYS, 16 * 60, 32 * 60), Interval(frozenset({5, 6}), 0, 1440)), as_stated="x")
    found = opening(nights, oslo_time("2026-11-27 20:00"), OSLO)
    assert found.closes_at == oslo_time("2026-11-30 00:00")


def test_a_public_holiday_closes_what_says_so() -> None:
    christmas = {date(2026, 12, 25)}
    assert opening(OFFICE, oslo_time("2026-12-25 10:00"), OSLO, holidays=christmas).state is OpenState.CLOSED
    assert opening(OFFICE, oslo_time("2026-12-25 10:00"), OSLO).state is OpenState.OPEN
    found = opening(OFFICE, oslo_time("2026-12-24 17:00"), OSLO, holidays=christmas)
    assert found.opens_at == oslo_time("2026-12-28 08:00")


@pytest.mark.parametrize(
    ("kind", "at", "state"),
    [
        ("office_hours", "2026-11-23 11:00", "open"),
        ("office_hours", "2026-11-23 08:00", "unknown"),
        ("office_hours", "2026-11-23 16:00", "unknown"),
        ("office_hours", "2026-11-23 23:00", "closed"),
        ("office_hours", "2026-11-22 11:00", "closed"),  # a Sunday
        ("outside_office_hours", "2026-11-23 11:00", "closed"),
        ("outside_office_hours", "2026-11-23 16:00", "unknown"),
        ("outside_office_hours", "2026-11-23 23:00", "open"),
        ("outside_office_hours", "2026-11-22 11:00", "open"),
        ("not_at_night", "2026-11-23 03:00", "closed"),
        ("not_at_night", "2026-11-23 11:00", "unknown"),
        ("call_first", "2026-11-23 11:00", "unknown"),
        ("", "2026-11-23 11:00", "unknown"),
    ],
)
def test_rough_hours_are_known_only_where_they_are_plain(kind: str, at: str, state: str) -> None:
    said: dict[str, Any] = {kind: True} if kind else {}
    hours = Hours(as_stated="rough", **said)
    assert opening(hours, oslo_time(at), OSLO).state is OpenState(state)


def test_office_hours_are_never_given_a_time_that_nobody_stated() -> None:
    found = opening(Hours(office_hours=True), oslo_time("2026-11-28 11:00"), OSLO)
    assert found.opens_at is not None
    assert found.opens_at.astimezone(OSLO).date() == date(2026, 11, 30)


def test_old_times_are_not_trusted_near_their_edges() -> None:
    old = Hours(weekly=(Interval(WEEKDAYS, 8 * 60, 16 * 60),), approximate=True, as_stated="8-16 (2018)")
    assert opening(old, oslo_time("2026-11-23 15:30"), OSLO).state is OpenState.UNKNOWN
    assert opening(old, oslo_time("2026-11-23 12:00"), OSLO).state is OpenState.OPEN


@given(st.integers(0, 2 * 365 * 24 * 60), st.sampled_from([OFFICE, NIGHT]))
def test_what_it_says_of_the_next_change_is_true(minutes: int, hours: Hours) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = opening(hours, at, OSLO)
    edge = found.closes_at or found.opens_at
    assert edge is not None
    assert edge > at
    assert opening(hours, edge, OSLO).state is not found.state


# --- the year ---------------------------------------------------------------------------------------------------------

SUMMER = Hours(
    weekly=(Interval(WEEKDAYS, 8 * 60, 16 * 60),),
    seasons=(
        Season("06-20", "08-15", (Interval(frozenset({0, 2}), 10 * 60, 14 * 60),)),
        Season("12-22", "01-06", ()),
    ),
    as_stated="8-16, mandag og onsdag 10-14 om sommeren, stengt i jula",
)
EXCEPTED = Hours(
    weekly=(Interval(frozenset(range(7)), 20 * 60, 26 * 60),),
    exceptions=(
        DayException(date(2026, 5, 8)),
        DayException(date(2026, 5, 10), (Stretch(12 * 60, 13 * 60), Stretch(23 * 60, 29 * 60))),
    ),
    as_stated="20-02",
)
SUNDAYS = Hours(
    weekly=(Interval(WEEKDAYS, 8 * 60, 22 * 60), Interval(frozenset({6}), 12 * 60, 18 * 60)),
    holidays=HolidayRule.AS_SUNDAY,
    as_stated="8-22, søndag og helligdag 12-18",
)
NIGHTLY = Hours(
    weekly=(Interval(frozenset(range(7)), 20 * 60, 26 * 60),), holidays=HolidayRule.CLOSED, as_stated="20-02"
)
NEVER_MIND = Hours(weekly=OFFICE.weekly, as_stated="alle hverdager 8-16")


@pytest.mark.parametrize(
    ("hours", "country", "at", "state", "edge"),
    [
        # 17 May 2027 is a Monday.
        (OFFICE, "NO", "2027-05-17 10:00", "closed", "2027-05-18 08:00"),
        (OFFICE, "SE", "2027-05-17 10:00", "open", "2027-05-17 16:00"),
        (NEVER_MIND, "NO", "2027-05-17 10:00", "open", "2027-05-17 16:00"),
        (SUNDAYS, "NO", "2027-05-17 10:00", "closed", "2027-05-17 12:00"),
        (SUNDAYS, "NO", "2027-05-17 17:59", "open", "2027-05-17 18:00"),
        (Hours(office_hours=True), "NO", "2027-05-17 11:00", "closed", "2027-05-18 09:00"),
        # Midsummer Eve is a Friday, kept in Sweden by custom alone.
        (OFFICE, "SE", "2026-06-19 10:00", "closed", "2026-06-22 08:00"),
        (OFFICE, "NO", "2026-06-19 10:00", "open", "2026-06-19 16:00"),
        (Hours(office_hours=True), "SE", "2026-06-19 11:00", "closed", "2026-06-22 09:00"),
        # Christmas Eve, a Thursday: no working day in Sweden, and in Norway one that ends nobody knows when.
        (OFFICE, "SE", "2026-12-24 09:00", "closed", "2026-12-28 08:00"),
        (OFFICE, "NO", "2026-12-24 09:00", "unknown", None),
        (OFFICE, "NO", "2026-12-24 07:00", "closed", "2026-12-28 08:00"),
        (OFFICE, "NO", "2026-12-23 18:00", "closed", "2026-12-28 08:00"),
        (NEVER_MIND, "NO", "2026-12-24 09:00", "open", "2026-12-24 16:00"),
        (Hours(office_hours=True), "NO", "2026-12-24 11:00", "unknown", None),
        (Hours(outside_office_hours=True), "NO", "2026-12-24 11:00", "unknown", None),
        (Hours(outside_office_hours=True), "SE", "2026-12-24 11:00", "open", None),
        # New Year, seen from the year before and from the year itself.
        (OFFICE, "SE", "2026-12-30 17:00", "closed", "2027-01-04 08:00"),
        (OFFICE, "NO", "2027-01-01 10:00", "closed", "2027-01-04 08:00"),
        (ALWAYS, "NO", "2027-01-01 00:30", "open", None),
        # A night that began on a holiday of last year did not begin.
        (NIGHTLY, "SE", "2027-01-01 01:00", "closed", "2027-01-02 20:00"),
        (NIGHTLY, "NO", "2027-01-01 01:00", "unknown", None),
        # Seasons, the second over the end of the year.
        (SUMMER, "NO", "2026-06-19 09:00", "open", "2026-06-19 16:00"),
        (SUMMER, "NO", "2026-06-22 09:00", "closed", "2026-06-22 10:00"),
        (SUMMER, "NO", "2026-06-23 11:00", "closed", "2026-06-24 10:00"),
        (SUMMER, "NO", "2026-08-14 11:00", "closed", "2026-08-17 08:00"),
        (SUMMER, "NO", "2026-12-21 16:00", "closed", "2027-01-07 08:00"),
        (SUMMER, "NO", "2027-01-05 11:00", "closed", "2027-01-07 08:00"),
        # Exceptions: the night before runs into a closed day; a day of its own hours runs past its midnight.
        (EXCEPTED, "NO", "2026-05-08 01:30", "open", "2026-05-08 02:00"),
        (EXCEPTED, "NO", "2026-05-08 21:00", "closed", "2026-05-09 20:00"),
        (EXCEPTED, "NO", "2026-05-10 12:30", "open", "2026-05-10 13:00"),
        (EXCEPTED, "NO", "2026-05-10 21:00", "closed", "2026-05-10 23:00"),
        (EXCEPTED, "NO", "2026-05-11 04:00", "open", "2026-05-11 05:00"),
        (EXCEPTED, "NO", "2026-05-11 05:00", "closed", "2026-05-11 20:00"),
    ],
)
def test_the_days_that_are_not_like_others(hours: Hours, country: str, at: str, state: str, edge: str | None) -> None:
    when = oslo_time(at)
    found = opening(hours, when, OSLO, holidays=around(Country(country), when))
    assert found.state is OpenState(state)
    assert (found.closes_at or found.opens_at) == (oslo_time(edge) if edge else None)


def test_an_exception_is_known_where_the_hours_are_not() -> None:
    told = (DayException(date(2026, 5, 4), (Stretch(22 * 60, 25 * 60),)), DayException(date(2026, 5, 6)))
    unknown, office = Hours(exceptions=told, as_stated="x"), Hours(office_hours=True, exceptions=told, as_stated="x")
    for hours in (unknown, office):
        assert opening(hours, oslo_time("2026-05-04 11:00"), OSLO).opens_at == oslo_time("2026-05-04 22:00")
        assert opening(hours, oslo_time("2026-05-05 00:30"), OSLO).closes_at == oslo_time("2026-05-05 01:00")
        assert opening(hours, oslo_time("2026-05-06 11:00"), OSLO).state is OpenState.CLOSED
    assert opening(unknown, oslo_time("2026-05-05 11:00"), OSLO).state is OpenState.UNKNOWN
    assert opening(office, oslo_time("2026-05-05 11:00"), OSLO).state is OpenState.OPEN
    assert opening(office, oslo_time("2026-05-06 11:00"), OSLO).opens_at == oslo_time("2026-05-07 09:00")
    assert opening(office, oslo_time("2026-05-03 11:00"), OSLO).opens_at == oslo_time("2026-05-04 22:00")


def test_what_is_always_open_may_close_for_a_day() -> None:
    hours = Hours(always=True, exceptions=(DayException(date(2026, 5, 4)),), as_stated="24/7")
    found = opening(hours, oslo_time("2026-05-03 23:00"), OSLO)
    assert (found.closes_at, found.always) == (oslo_time("2026-05-04 00:00"), False)
    assert opening(hours, oslo_time("2026-05-04 12:00"), OSLO).opens_at == oslo_time("2026-05-05 00:00")
    assert opening(hours, oslo_time("2026-05-20 12:00"), OSLO).state is OpenState.OPEN


def test_what_never_opens_again_is_closed_and_promises_nothing() -> None:
    shut = Hours(weekly=OFFICE.weekly, seasons=(Season("01-01", "12-31", ()),), as_stated="x")
    assert opening(shut, oslo_time("2026-05-04 12:00"), OSLO) == Opening(OpenState.CLOSED)


TWO_O_CLOCK = datetime(2026, 10, 25, tzinfo=UTC)  # for the first time; it is two again an hour later


@pytest.mark.parametrize(
    ("opens", "closes", "at", "state", "edge"),
    [
        # 29 March 2026: 01:59 is followed by 03:00, that is 01:00 in Greenwich.
        ("02:30", "06:00", datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "closed", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("02:30", "06:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "open", datetime(2026, 3, 29, 4, tzinfo=UTC)),
        ("01:00", "02:30", datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "open", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # 25 October 2026: two o'clock comes at 00:00 and again at 01:00 in Greenwich.
        ("02:30", "06:00", TWO_O_CLOCK, "closed", TWO_O_CLOCK + timedelta(minutes=30)),
        ("02:30", "06:00", datetime(2026, 10, 25, 1, 15, tzinfo=UTC), "open", datetime(2026, 10, 25, 5, tzinfo=UTC)),
        ("22:00", "03:00", datetime(2026, 10, 25, 1, 59, tzinfo=UTC), "open", datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_clock_change_under_way(opens: str, closes: str, at: datetime, state: str, edge: datetime) -> None:
    start, end = (int(written[:2]) * 60 + int(written[3:]) for written in (opens, closes))
    every_day = (Interval(frozenset(range(7)), start, end if end > start else end + 1440),)
    found = opening(Hours(weekly=every_day, as_stated="x"), at, OSLO)
    assert (found.state, found.closes_at or found.opens_at) == (OpenState(state), edge)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-03-28 23:00", "closes Sunday 08:00"),
        ("2026-03-29 06:59", "closes 08:00"),
        ("2026-03-29 07:01", "closes in 59 min, 08:00"),
        ("2026-03-29 07:59", "closes in 1 min, 08:00"),
        ("2026-10-25 07:30", "closes in 30 min, 08:00"),
    ],
)
def test_what_closes_soon_is_told_in_minutes(at: str, said: str) -> None:
    nights = Hours(weekly=(Interval(frozenset(range(7)), 22 * 60, 32 * 60),), as_stated="22-08")
    found = opening(nights, oslo_time(at), OSLO)
    told = WORLD.say(Reason(Because.CLOSES_AT, at=found.closes_at), Language.EN, Country.NO, now=oslo_time(at))
    assert told == said


# --- against a clock that is watched minute by minute -----------------------------------------------------------------

_minutes = st.sampled_from([0, 1, 90, 120, 150, 180, 480, 960, 1320, 1410, 1439])
_lengths = st.sampled_from([1, 30, 60, 240, 480, 1439, 1440])
_days_open = st.frozensets(st.integers(0, 6), min_size=1)


@st.composite
def _intervals(draw: st.DrawFn) -> Interval:
    opens = draw(_minutes)
    return Interval(draw(_days_open), opens, opens + draw(_lengths))


@st.composite
def _all_sorts(draw: st.DrawFn, near: date) -> Hours:
    nearby = st.integers(-3, 6).map(lambda days: near + timedelta(days=days))
    ends = st.tuples(nearby, nearby).map(lambda both: [f"{day:%m-%d}" for day in both])
    some = st.lists(_intervals(), max_size=3).map(tuple)
    seasons = draw(st.lists(st.builds(lambda span, week: Season(span[0], span[1], week), ends, some), max_size=2))
    of_a_day = some.map(lambda these: tuple(Stretch(each.opens, each.closes) for each in these))
    excepted = draw(st.dictionaries(nearby, of_a_day, max_size=3))
    weekly = draw(some)
    return Hours(
        always=not weekly,
        weekly=weekly,
        seasons=tuple(seasons),
        exceptions=tuple(DayException(day, of_day) for day, of_day in sorted(excepted.items())),
        holidays=draw(st.sampled_from(HolidayRule)),
        as_stated="x",
    )


def _watched(hours: Hours, first: datetime, minutes: int, closed: Collection[date]) -> list[bool]:
    """Open or not, minute by minute, for somebody who looks at the wall and remembers the latest time it showed."""
    week = hours.weekly or (Interval(frozenset(range(7)), 0, 1440),)
    told = {each.on: each.intervals for each in hours.exceptions}
    stretches = []
    for ahead in range(-3, minutes // 1440 + 3):
        day = first.astimezone(OSLO).date() + timedelta(days=ahead)
        weekday = 6 if day in closed and hours.holidays is HolidayRule.AS_SUNDAY else day.weekday()
        seasons = [season.weekly for season in hours.seasons if season.covers(day)]
        of_day = [each for each in (seasons[0] if seasons else week) if weekday in each.days]
        if day in closed and hours.holidays is HolidayRule.CLOSED:
            of_day = []
        midnight = datetime.combine(day, time())
        for each in told.get(day, of_day):
            stretches.append((midnight + timedelta(minutes=each.opens), midnight + timedelta(minutes=each.closes)))
    latest, seen = datetime.combine(date(2000, 1, 1), time()), []
    for minute in range(-180, minutes):
        shown = (first + timedelta(minutes=minute)).astimezone(OSLO).replace(tzinfo=None)
        latest = max(latest, shown)
        if minute >= 0:
            seen.append(any(opens <= latest < closes for opens, closes in stretches))
    return seen


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(["2026-03-28", "2026-10-24", "2026-12-30", "2026-05-16", "2026-06-18", "2028-02-28"]))
def test_it_says_what_somebody_before_the_clock_sees(data: st.DataObject, about: str) -> None:
    day = date.fromisoformat(about)
    hours = data.draw(_all_sorts(day))
    first = datetime.combine(day, time(20), OSLO).astimezone(UTC)
    closed = around(Country.SE, first)
    minutes = 30 * 60
    seen = _watched(hours, first, minutes, closed)
    changes = [at for at in range(1, minutes) if seen[at] is not seen[at - 1]]
    looked_at = {
        0,
        minutes - 1,
        *changes,
        *(at - 1 for at in changes),
        *data.draw(st.lists(st.integers(0, minutes - 1))),
    }
    for at in sorted(looked_at):
        now = first + timedelta(minutes=at)
        found = opening(hours, now, OSLO, holidays=closed)
        assert (found.state is OpenState.OPEN) is seen[at], now
        coming = next((first + timedelta(minutes=change) for change in changes if change > at), None)
        if coming is not None and not found.always:
            # The very minute of the next change, neither earlier nor later.
            assert (found.closes_at if seen[at] else found.opens_at) == coming


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(0, 365 * 24 * 60), st.sampled_from(Country))
def test_one_change_follows_the_other(data: st.DataObject, minute: int, country: Country) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    hours = data.draw(_all_sorts(at.date()))
    for _ in range(6):
        found = opening(hours, at, OSLO, holidays=around(country, at))
        edge = found.closes_at or found.opens_at
        if edge is None:
            break
        assert edge > at
        later = opening(hours, edge, OSLO, holidays=around(country, edge))
        assert later.state is not found.state
        assert found.opens_at is None or later.state is OpenState.OPEN
        at = edge
