"""Quiet hours: when somebody is not to be woken, and who is woken in their place. Pure.

A quiet hour moves a page to somebody else; it never makes one fall away. Whoever the plan names is woken all the same
where nobody stands in for them: before the stand-in agreed, where she cannot be reached or has quiet hours herself,
where she was called in vain, and always at the last resort.

Quiet hours are local times that come back, so clock changes are met as everywhere: they begin at the first and end at
the last occurrence of a local time that is shown twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from escalation.rota.roster import Window
from escalation.standing import Urgency


@dataclass(frozen=True)
class QuietHours:
    """A stretch of somebody's week in which another is woken for them."""

    person: str
    stand_in: str
    window: Window
    zone: ZoneInfo  # where the person is
    urgencies: frozenset[Urgency]
    agreed: bool  # the stand-in has said yes

    def hold(self, urgency: Urgency, at: datetime) -> bool:
        """Whether somebody else is to be woken for them at this instant."""
        return self.agreed and urgency in self.urgencies and self.window.covers(self.zone, at)


def stand_ins(hours: Sequence[QuietHours], urgency: Urgency, at: datetime) -> dict[str, str]:
    """Who is left in peace at this instant, and who is woken for them; whoever rests stands in for nobody."""
    holding = [each for each in hours if each.hold(urgency, at)]
    resting = {each.person for each in holding}
    found: dict[str, str] = {}
    for each in holding:
        if each.stand_in not in resting:
            found.setdefault(each.person, each.stand_in)
    return found


def next_change(hours: Iterable[QuietHours], at: datetime, *, within: timedelta = timedelta(days=2)) -> datetime | None:
    """When the next of these quiet hours begins or ends; None where none does within that time."""
    edges = (
        edge for each in hours if each.agreed for span in each.window.spans(each.zone, at, at + within) for edge in span
    )
    return min((edge for edge in edges if at < edge <= at + within), default=None)


def called_for(
    named: Iterable[str],
    resting: Mapping[str, str],
    reachable: Callable[[str], bool],
    *,
    meant: Callable[[str], bool] = lambda person: True,
    in_vain: Collection[str] = (),
) -> tuple[str, ...]:
    """Who is woken where the plan names these people: each of them who is meant, or whoever stands in for them.

    A stand-in who is not meant, cannot be reached or was called in vain leaves the one who was named to be woken.
    """
    found: dict[str, None] = {}
    for person in named:
        if not meant(person):
            continue
        other = resting.get(person)
        if other is not None and other not in in_vain and reachable(other) and meant(other):
            found[other] = None
        elif reachable(person):
            found[person] = None
    return tuple(found)
