"""Open, closed or not known: over midnight, over a change of the clocks, and where the source is rough."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.hours import OpenState, opening
from routing.services import HolidayRule, Hours, Interval
from tests.routing.worlds import OSLO, oslo_time

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
