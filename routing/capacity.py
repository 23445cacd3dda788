"""Whether a service has room, and for how long that is worth anything. Pure.

What somebody told us of a free place is true when it is said. After `FRESH_FOR` it is nobody's knowledge any more:
"full" of last week is no reason to pass a service over, and "two places" of last week is no promise.

- `standing(capacity, at)`: yes, no, or ask them
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from routing.services import Answer

FRESH_FOR = timedelta(days=2)


class Teller(StrEnum):
    """Who told it."""

    SERVICE = "service"  # the service itself
    COORDINATOR = "coordinator"  # one of us, who asked
    REFERRAL = "referral"  # what came of a referral


@dataclass(frozen=True)
class Capacity:
    """What was told of a service's room, and when."""

    service_id: str
    accepting: Answer
    free: int | None  # how many places; None where nobody said
    maximum: int | None
    unit: str  # what is counted, in a word: "beds"
    told_at: datetime
    told_by: Teller

    def __post_init__(self) -> None:
        if self.told_at.tzinfo is None:
            raise ValueError("an instant without a zone is no instant")
        if any(count is not None and not 0 <= count <= 10_000 for count in (self.free, self.maximum)):
            raise ValueError("a number of places lies between 0 and 10,000")
        if self.free is not None and self.maximum is not None and self.free > self.maximum:
            raise ValueError("no more places can be free than there are")

    def fresh(self, at: datetime) -> bool:
        """Whether it can still be relied on; what was told after `at` is not known yet."""
        return timedelta(0) <= at - self.told_at <= FRESH_FOR


def standing(capacity: Capacity | None, at: datetime) -> Answer:
    """Whether the service has room at this instant, as far as anybody knows."""
    if capacity is None or not capacity.fresh(at):
        return Answer.ASK
    if capacity.free == 0:
        return Answer.NO
    if capacity.accepting is Answer.ASK and capacity.free is not None:
        return Answer.YES
    return capacity.accepting
