"""When somebody is tested before a shift, and what a test that nobody answers leads to. Pure.

A test before a shift comes some hours ahead, so that a coordinator who hears of silence can still do something about
it. It wakes nobody: where the hour for it falls into the night, or into quiet hours of theirs, it comes before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from escalation.rota.roster import Shift
from helpline.daytime import is_night

AHEAD = timedelta(hours=4)  # before the shift begins
LOOK = timedelta(hours=24)  # how far ahead shifts are looked for
AGAIN = timedelta(minutes=20)  # how long an answer is waited for
ROUNDS = 2  # how often it is sent before the coordinators are told
FRESH = timedelta(hours=12)  # whoever answered from a contact so lately need not be tested there
_TAKES = AGAIN * ROUNDS
_EARLIER = timedelta(minutes=30)


def when_to_test(shift_at: datetime, zone: ZoneInfo, rests: Callable[[datetime], bool] = lambda at: False) -> datetime:
    """When to test somebody whose shift begins then: some hours ahead, or before the night that lies there.

    `rests` says whether they have quiet hours; where every waking hour of the day before is one, they are not heeded.
    """

    def wakes(at: datetime, *, heed: bool) -> bool:
        return is_night(at, zone) or (heed and rests(at))

    latest = shift_at - AHEAD
    for heed in (True, False):
        at = latest
        while latest - at < LOOK:
            if not wakes(at, heed=heed) and not wakes(at + _TAKES, heed=heed):
                return at
            at -= _EARLIER
    raise AssertionError("there is no day")


@dataclass(frozen=True)
class Begins:
    """A shift that begins soon, in the rosters that it is in."""

    person: str
    at: datetime
    rosters: tuple[str, ...]

    @property
    def key(self) -> str:
        """What makes the test before it exist once."""
        return f"{self.person}:{self.at.isoformat()}"


def beginning(shifts: Iterable[tuple[str, Shift]], now: datetime) -> tuple[Begins, ...]:
    """The shifts that begin within the next day, each person's once for each instant.

    Duty that only goes on, counted anew from Monday, is no beginning.
    """
    known = list(shifts)
    ends = {(roster, shift.person, shift.span.end) for roster, shift in known}
    found: dict[tuple[str, datetime], list[str]] = {}
    for roster, shift in known:
        goes_on = (roster, shift.person, shift.span.start) in ends
        if now < shift.span.start <= now + LOOK and not goes_on:
            found.setdefault((shift.person, shift.span.start), []).append(roster)
    return tuple(
        Begins(person, at, tuple(sorted(set(rosters))))
        for (person, at), rosters in sorted(found.items(), key=lambda each: (each[0][1], each[0][0]))
    )
