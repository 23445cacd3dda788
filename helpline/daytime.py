"""When people sleep, and when what can wait is told. Pure; every time is on the clock where the person is."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

NIGHT_BEGINS: Final = time(22)
NIGHT_ENDS: Final = time(7)
MORNING: Final = time(8)  # when what waited for the day is told
EVENING: Final = time(20)  # from then on it waits for the next day


def is_night(at: datetime, zone: ZoneInfo) -> bool:
    """Whether people sleep there at this instant."""
    clock = at.astimezone(zone).time()
    return clock >= NIGHT_BEGINS or clock < NIGHT_ENDS


def in_the_daytime(now: datetime, zone: ZoneInfo, *, until: time = EVENING) -> datetime:
    """This moment where it is day there, else the next morning."""
    local = now.astimezone(zone)
    if MORNING <= local.time() < until:
        return now
    day = local.date() if local.time() < MORNING else local.date() + timedelta(days=1)
    return datetime.combine(day, MORNING, tzinfo=zone).astimezone(now.tzinfo)
