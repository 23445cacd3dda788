"""So many requests per minute and caller, with room for a burst; in memory, bounded.

It protects the machine, not a person: what may say that somebody is in danger is let through by its handler, whatever
this answers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from helpline.clock import Clock


@dataclass
class RateLimit:
    """A bucket for each caller that fills steadily up to `burst`; every request takes one from it."""

    clock: Clock
    per_minute: float
    burst: int
    remembered: int = 10_000  # callers; the one unheard of for longest is forgotten first
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def spend(self, caller: str) -> float:
        """Zero where the request is within the limit, else the seconds to wait."""
        now = self.clock.now().timestamp()
        left, filled_at = self._buckets.pop(caller, (float(self.burst), now))
        left = min(float(self.burst), left + max(0.0, now - filled_at) * self.per_minute / 60)
        wait = 0.0 if left >= 1 else (1 - left) * 60 / self.per_minute
        self._buckets[caller] = (left - 1 if wait == 0 else left, now)
        while len(self._buckets) > self.remembered:
            self._buckets.popitem(last=False)
        return wait
