"""When somebody is tested before a shift: with time to find another, and never at night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.reach.rehearsal import AGAIN, AHEAD, LOOK, ROUNDS, beginning, when_to_test
from escalation.rota.roster import Shift, Span
from helpline.daytime import is_night

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
hour = timedelta(hours=1)


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("shift", "tested"),
    [
        ("2026-11-23T20:00", "2026-11-23T16:00"),  # four hours ahead
        ("2026-11-23T11:00", "2026-11-23T07:00"),
        ("2026-11-23T10:59", "2026-11-22T20:59"),  # four hours ahead is night: the evening before, twice before ten
        ("2026-11-23T08:00", "2026-11-22T21:00"),
        ("2026-11-23T01:30", "2026-11-22T21:00"),  # the second try would come after ten
        ("2026-03-29T08:00", "2026-03-28T21:00"),  # over the change of the clock
    ],
)
def test_when_a_shift_is_tested(shift: str, tested: str) -> None:
    assert when_to_test(oslo(shift), OSLO) == oslo(tested)


def test_quiet_hours_by_day_are_heeded_where_there_is_another_hour() -> None:
    asleep = lambda at: 9 <= at.astimezone(OSLO).hour < 18  # noqa: E731
    assert when_to_test(oslo("2026-11-23T20:00"), OSLO, asleep) == oslo("2026-11-23T08:00")
    assert when_to_test(oslo("2026-11-23T20:00"), OSLO, lambda at: True) == oslo("2026-11-23T16:00")


@given(
    st.integers(0, 15 * 365 * 24 * 60).map(lambda later: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=later)),
    st.sampled_from(sorted(available_timezones())),
)
def test_no_test_wakes_anybody_at_night_and_all_leave_time(shift_at: datetime, zone: str) -> None:
    there = ZoneInfo(zone)
    at = when_to_test(shift_at, there)
    assert not is_night(at, there)
    assert not is_night(at + AGAIN * ROUNDS, there)
    assert AHEAD <= shift_at - at < AHEAD + LOOK


def shift(person: str, start: datetime, end: datetime) -> Shift:
    return Shift(person, Span(start, end))


def test_shifts_that_begin_within_a_day_each_once() -> None:
    soon, late = NOW + 5 * hour, NOW + 25 * hour
    shifts = [
        ("main", shift("asha", NOW - hour, soon)),  # has begun
        ("main", shift("noor", soon, late)),
        ("back", shift("noor", soon, late)),
        ("main", shift("maja", late, late + hour)),  # not within a day
        ("main", shift("unni", NOW + LOOK, late)),  # exactly a day ahead
        ("week", shift("asha", soon, late)),
        ("week", shift("asha", NOW - hour, soon)),  # only goes on
        ("main", shift("asha", NOW, late)),  # begins this very moment
    ]
    assert [(each.person, each.at, each.rosters) for each in beginning(shifts, NOW)] == [
        ("noor", soon, ("back", "main")),
        ("unni", NOW + LOOK, ("main",)),
    ]
