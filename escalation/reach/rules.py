"""How somebody is reached: their own rules or the house's, and what is wrong with a set of rules. Pure.

A set of rules that could never wake somebody is refused; one that wakes them later than their step waits is allowed and
said aloud. An open desk page shows a page and wakes nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from escalation.standing import Ladder, Way

DESK = "desk"


@dataclass(frozen=True)
class Contact:
    """A verified address of somebody, as far as rules go."""

    id: int
    channel: str
    works: bool = True  # not stopped by its owner, on a channel that is switched on

    @property
    def wakes(self) -> bool:
        """Whether a page there can wake somebody."""
        return self.works and self.channel != DESK


Rules = Sequence[tuple[int, timedelta]]  # contact, and how long after their turn began


def ways_of(contacts: Sequence[Contact], own: Rules | None, house: Mapping[str, timedelta]) -> tuple[Way, ...]:
    """Somebody's rules: their own where they made any, otherwise the house's, which wait for no channel they lack.

    Where no way of their own can wake them any more, and one of the house's can, the house's hold: a contact that was
    removed or stopped must not silence somebody who has another.
    """
    waking = {contact.id for contact in contacts if contact.wakes}
    by_house = _by_house(contacts, house)
    known = {contact.id for contact in contacts}
    chosen = [(after, contact) for contact, after in own or () if contact in known]
    if not any(contact in waking for _, contact in chosen):
        chosen = by_house if own is None or any(contact in waking for _, contact in by_house) else chosen
    works = {contact.id: contact.works for contact in contacts}
    return tuple(Way(after, str(contact), usable=works[contact]) for after, contact in sorted(chosen))


def _by_house(contacts: Sequence[Contact], house: Mapping[str, timedelta]) -> list[tuple[timedelta, int]]:
    known = [contact for contact in contacts if contact.channel in house]
    first = min((house[contact.channel] for contact in known), default=timedelta())
    return [(house[contact.channel] - first, contact.id) for contact in known]


class Fault(StrEnum):
    """What is wrong with a set of rules."""

    NEVER = "never"  # no way in it can wake them
    TOO_LATE = "too_late"  # the ladder has come round again before any way rings, so none ever does
    SLOW = "slow"  # their step is over before they are woken
    LATE_WAY = "late_way"  # one of the ways comes after their step is over
    ONE_WAY = "one_way"  # if that one fails, there is no other


REFUSED = frozenset({Fault.NEVER, Fault.TOO_LATE})


@dataclass(frozen=True)
class Remark:
    """Something wrong with a set of rules."""

    fault: Fault
    after: timedelta = timedelta()  # when they are woken
    limit: timedelta = timedelta()  # when that is too late
    channel: str = ""


def remarks(ways: Sequence[Way], contacts: Sequence[Contact], *, wait: timedelta, again: timedelta) -> Iterator[Remark]:
    """What is wrong with these ways for somebody whose step waits so long, in a ladder that comes round `again`."""
    by_id = {str(contact.id): contact for contact in contacts}
    waking = sorted(
        (way.after, by_id[way.contact].channel, way.contact)
        for way in ways
        if way.usable and way.contact in by_id and by_id[way.contact].wakes
    )
    if not waking:
        yield Remark(Fault.NEVER)
        return
    first = waking[0][0]
    if first >= again:
        yield Remark(Fault.TOO_LATE, after=first, limit=again)
        return
    if first >= wait:
        yield Remark(Fault.SLOW, after=first, limit=wait)
    else:
        for after, channel, _ in waking:
            if after >= wait:
                yield Remark(Fault.LATE_WAY, after=after, limit=wait, channel=channel)
    if len({contact for *_, contact in waking}) == 1:
        yield Remark(Fault.ONE_WAY, channel=waking[0][1])


def wait_for(ladder: Ladder, groups: Collection[str]) -> timedelta:
    """How long the shortest step waits that may call somebody who stands behind these targets; else any step."""
    theirs = [step.wait for step in ladder.steps if set(step.targets) & set(groups)]
    return min(theirs or [step.wait for step in ladder.steps])
