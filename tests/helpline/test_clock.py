"""The clock: steady where the machine's is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline import clock as clocks
from helpline.clock import SetClock, SystemClock

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Machine:
    """A wall clock that can be set, and a counter that only runs on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = NOON
        self.counter = 1000.0
        machine = self

        class Wall(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return machine.wall

        monkeypatch.setattr(clocks, "datetime", Wall)
        monkeypatch.setattr("helpline.clock.time.monotonic", lambda: self.counter)

    def run(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.counter += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_clock_set_back_an_hour_does_not_make_anybody_wait_an_hour(machine: Machine) -> None:
    clock = SystemClock()
    due_at = clock.now() + timedelta(minutes=2)
    machine.wall -= timedelta(hours=1)
    machine.run(121)
    assert clock.now() > due_at
    assert clock.behind() == timedelta(hours=1)


def test_a_clock_set_ahead_is_followed(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall += timedelta(hours=3)
    assert clock.now() == NOON + timedelta(hours=3)
    assert clock.behind() == timedelta(0)


def test_a_machine_that_slept_wakes_at_the_wall_clock(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall += timedelta(hours=8)  # the counter stood still meanwhile
    assert clock.now() == NOON + timedelta(hours=8)


def test_a_restart_after_the_clock_was_set_back_goes_on_from_what_storage_saw(machine: Machine) -> None:
    machine.wall -= timedelta(hours=2)
    clock = SystemClock()
    clock.not_before(NOON)
    assert clock.now() == NOON
    machine.run(60)
    assert clock.now() == NOON + timedelta(minutes=1)


def test_an_instant_of_a_clock_that_ran_wild_is_not_believed(machine: Machine) -> None:
    clock = SystemClock()
    clock.not_before(NOON + timedelta(days=400))
    assert clock.now() == NOON


@given(st.lists(st.tuples(st.floats(0, 3600), st.floats(-7200, 7200)), max_size=30))
def test_time_never_runs_backwards(steps: list[tuple[float, float]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        machine = Machine(monkeypatch)
        clock = SystemClock()
        last = clock.now()
        for seconds, set_by in steps:
            machine.run(seconds)
            machine.wall += timedelta(seconds=set_by)
            now = clock.now()
            # Whatever was done to the wall clock, at least the time that really passed has passed.
            assert now - last >= timedelta(seconds=seconds) - timedelta(milliseconds=1)
            last = now


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        SetClock(datetime(2026, 11, 22))  # noqa: DTZ001 - the very thing that is refused
