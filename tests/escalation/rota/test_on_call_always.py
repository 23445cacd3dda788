"""What holds for every roster in every zone of the world, around every change of its clock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalation.rota.on_call import gaps, handoffs, next_change, on_call, timeline
from escalation.rota.roster import Override, Schedule, read_schedule
from helpline.content import node_of

ZONES = sorted(available_timezones() - {"localtime"})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPELL = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
KINDS = [("hourly", 1), ("hourly", 6), ("hourly", 12), ("daily", 1), ("daily", 3), ("weekly", 1), ("monthly", 1)]


@cache
def clock_changes(name: str) -> tuple[datetime, ...]:
    """When the zone's clock changes within a year, to the minute."""
    zone = ZoneInfo(name)
    found = []
    start, end = SPELL
    while start < end:
        following = start + 7 * DAY
        if start.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            low, high = start, following
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high.replace(second=0, microsecond=0))
        start = following
    return tuple(found)


def rosters(name: str, chance: random.Random) -> Iterator[Schedule]:
    """A few rosters whose edges lie where the clock of this zone changes."""
    zone = ZoneInfo(name)
    moments = clock_changes(name) or (SPELL[0] + timedelta(minutes=chance.randrange(500_000)),)
    for moment in moments:
        local = moment.astimezone(zone).replace(tzinfo=None) + timedelta(minutes=chance.choice([-60, -30, 0, 1, 30]))
        kind, length = chance.choice(KINDS)
        start = local - timedelta(days=chance.choice([0, 1, 7, 28, 31]))
        turn = {"type": kind, "length": length, "start": f"{start:%Y-%m-%dT%H:%M}", "participants": list("abc")}
        edge = f"{local:%H:%M}"
        other = f"{local + timedelta(hours=chance.randrange(24)):%H:%M}"
        span = {"from": (moment - 5 * HOUR).isoformat(), "to": (moment + 3 * HOUR).isoformat()}
        parts: dict[str, Any] = {
            "rotations": {"r": turn},
            "rules": [
                {"target": "rotation:r", "from": "00:00", "to": "00:00"},
                {"target": "d", "from": edge, "to": other},
            ],
            "overrides": [{**span, "remove": "a", "add": "e"}],
        }
        if chance.random() < 0.3:
            parts["rules"], parts["layers"] = [], [
                {"target": "rotation:r"},
                {"target": "d", "active": [{"from": edge, "to": other}]},
            ]  # fmt: skip
        yield read_schedule(node_of(parts, file="roster"), zone)


@pytest.mark.parametrize("part", range(6))
def test_in_every_zone_forecast_is_live_edges_increase_and_one_shift_covers(part: int) -> None:
    for name in ZONES[part::6]:
        chance = random.Random(name)
        zone = ZoneInfo(name)
        for schedule, moment in zip(rosters(name, chance), clock_changes(name) or SPELL[:1], strict=False):
            since, until = moment - 2 * DAY, moment + 2 * DAY
            segments = timeline(schedule, zone, since, until)
            edges = [segment.span.start for segment in segments]
            assert edges == sorted(set(edges)), name
            assert segments[0].span.start == since, name
            assert segments[-1].span.end == until, name
            for one, other in itertools.pairwise(segments):
                assert one.span.end == other.span.start, name
                assert one.on_call != other.on_call, name
            for minutes in range(-240, 241, 15):
                instant = moment + timedelta(minutes=minutes)
                [covering] = [segment for segment in segments if segment.span.covers(instant)]
                assert on_call(schedule, zone, instant) == covering.on_call, (name, instant)
                _one_shift_covers(schedule, zone, instant, name)
            change = next_change(schedule, zone, since, within=4 * DAY)
            assert change == (segments[1].span.start if len(segments) > 1 else None), name


def _one_shift_covers(schedule: Schedule, zone: ZoneInfo, instant: datetime, name: str) -> None:
    turns = handoffs(schedule, zone, "r", instant - 70 * DAY, instant + DAY)
    rotation = schedule.rotations["r"]
    covering = [start for start, end in itertools.pairwise([*turns, instant + 400 * DAY]) if start <= instant < end]
    number = rotation.shift_at(instant, zone)
    assert (number is None) == (not covering), (name, instant)
    if number is not None:
        assert len(covering) == 1, (name, instant)
        # Everybody within this shift is the same person, from its first instant to its last.
        assert rotation.on_call(covering[0], zone) == rotation.participants[number % 3], (name, instant)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.randoms(use_true_random=False), st.integers(0, 525_000))
def test_two_halves_of_a_day_leave_no_gap_in_any_zone(name: str, chance: random.Random, minute: int) -> None:
    zone = ZoneInfo(name)
    one, other = f"{chance.randrange(24):02}:{chance.choice([0, 15, 30]):02}", f"{chance.randrange(24):02}:00"
    halves = [{"target": "a", "from": one, "to": other}, {"target": "b", "from": other, "to": one}]
    schedule = read_schedule(node_of({"rules": halves}, file="roster"), zone)
    since = SPELL[0] + timedelta(minutes=minute)
    assert gaps(schedule, zone, since, since + 3 * DAY) == ()


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.randoms(use_true_random=False))
def test_a_timeline_in_two_parts_is_the_timeline(name: str, chance: random.Random) -> None:
    zone = ZoneInfo(name)
    schedule = next(rosters(name, chance))
    middle = (clock_changes(name) or SPELL)[0] + timedelta(minutes=chance.randrange(-600, 600))
    since, until = middle - 2 * DAY, middle + 2 * DAY
    first, second = timeline(schedule, zone, since, middle), timeline(schedule, zone, middle, until)
    joined = [*first, *second]
    if first[-1].on_call == second[0].on_call:
        joined = [*first[:-1], *second[1:]]
        whole = timeline(schedule, zone, since, until)
        assert [each for each in whole if not each.span.covers(middle)] == joined
    else:
        assert timeline(schedule, zone, since, until) == tuple(joined)


class Counted(tuple[Override, ...]):
    """Overrides that count how often one of them was looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Override]:
        for override in super().__iter__():
            Counted.looked_at += 1
            yield override


def test_ten_years_are_told_without_asking_every_override_about_every_hour() -> None:
    zone = ZoneInfo("Europe/Oslo")
    since = SPELL[0]
    turns = {"type": "hourly", "length": 6, "start": "1990-01-01T00:00", "participants": list("abcdefg")}
    overrides = [
        {"from": (since + at * 3 * DAY).isoformat(), "to": (since + at * 3 * DAY + 8 * HOUR).isoformat(), "add": "x"}
        for at in range(1000)
    ]
    rules = [{"target": "rotation:r", "from": "00:00", "to": "00:00"}]
    written = {"rotations": {"r": turns}, "rules": rules, "overrides": overrides}
    read = read_schedule(node_of(written, file="roster"), zone)
    segments = timeline(replace(read, overrides=Counted(read.overrides)), zone, since, since + 3652 * DAY)
    assert len(segments) > 3652 * 4
    covered = sum(
        (segment.span.end - segment.span.start for segment in segments if "x" in segment.on_call), timedelta()
    )
    assert covered == 8000 * HOUR
    assert Counted.looked_at < 20_000
