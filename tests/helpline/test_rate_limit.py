"""So many requests per minute and caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from helpline.clock import SetClock
from helpline.rate_limit import RateLimit

NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_a_burst_passes_then_the_wait_is_told() -> None:
    clock = SetClock(NINE)
    limit = RateLimit(clock, per_minute=60, burst=3)
    assert [limit.spend("a") for _ in range(3)] == [0, 0, 0]
    assert limit.spend("a") == 1.0
    assert limit.spend("b") == 0  # another caller is not held up
    clock.advance(timedelta(seconds=1))
    assert limit.spend("a") == 0
    assert limit.spend("a") > 0


def test_asking_in_vain_costs_nothing() -> None:
    clock = SetClock(NINE)
    limit = RateLimit(clock, per_minute=60, burst=1)
    limit.spend("a")
    for _ in range(50):
        limit.spend("a")
    clock.advance(timedelta(seconds=1))
    assert limit.spend("a") == 0


def test_a_clock_set_back_takes_nothing_away() -> None:
    clock = SetClock(NINE)
    limit = RateLimit(clock, per_minute=60, burst=2)
    limit.spend("a")
    clock.advance(timedelta(hours=-1))
    assert limit.spend("a") == 0


def test_memory_is_bounded() -> None:
    limit = RateLimit(SetClock(NINE), per_minute=1, burst=1, remembered=100)
    for caller in range(1000):
        limit.spend(str(caller))
    assert len(limit._buckets) == 100
