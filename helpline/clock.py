"""The one place that knows what time it is.

Everything else takes ``now`` as an argument. Every instant carries a zone, and the clock answers in UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_BELIEVED = timedelta(days=1)


class Clock(Protocol):
    """Something that can be asked for the time."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...

    def not_before(self, instant: datetime | None) -> None:
        """Never answer with less than this: an instant that storage has seen, read once it is open."""
        ...


class SystemClock:
    """The machine's clock, made safe against being set back.

    A wait is a `due_at` in a row. If the machine's clock were set back an hour, a page due in two minutes would wait
    for sixty-two, and somebody would stand in a corridor for it. So this clock runs on with the steady counter when the
    wall clock falls behind, follows the wall clock when it jumps ahead, and is never behind what storage has seen.
    """

    def __init__(self) -> None:
        self._reading = datetime.now(UTC)
        self._counter = time.monotonic()

    def not_before(self, instant: datetime | None) -> None:
        # More than a day ahead is not a clock that was set back: storage was once written with a clock that ran wild.
        if instant is not None and instant - self.now() <= _BELIEVED:
            self._reading = max(self.now(), instant)

    def now(self) -> datetime:
        counter = time.monotonic()
        steady = self._reading + timedelta(seconds=counter - self._counter)
        self._reading = max(steady, datetime.now(UTC))
        self._counter = counter
        return self._reading

    def behind(self) -> timedelta:
        """How far the wall clock lies behind this one: zero on a healthy machine."""
        return max(self.now() - datetime.now(UTC), timedelta(0))


class SetClock:
    """A clock that stands where it is put: for replaying a past instant and for scripts of a conversation."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("an instant without a zone is no instant")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def not_before(self, instant: datetime | None) -> None:
        if instant is not None:
            self._at = max(self._at, instant)

    def advance(self, by: timedelta) -> None:
        """Let `by` pass; a negative length is a clock that was set back."""
        self._at += by
