"""What really was on call: how the record goes on from what is known now. Pure.

While the line runs, whoever it would have called is on record as *seen*. Where it was not running nobody was called,
and for that time the record says what was planned, and that it was not seen. A roster that is edited changes the record
from the edit on, never before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from escalation.rota.plan import Plan
from escalation.rota.roster import Span

AWAKE = timedelta(minutes=3)  # without a look for longer than this, the line was not running
EVERY = timedelta(minutes=1)  # the record is carried on at least this often, and at every change


@dataclass(frozen=True)
class Recorded:
    """Who was on call from when to when, as far as the line can vouch for it."""

    roster: str
    span: Span
    people: tuple[str, ...]
    seen: bool  # False: the line was not running, and this is what was planned


def carried_on(
    last: Recorded | None, plan: Plan, now: datetime, *, edited_at: datetime | None = None
) -> tuple[Recorded, ...]:
    """What must be written now, in order; a record that begins where the last one did takes its place.

    `edited_at`: when rosters or leave were last changed.
    """
    present = plan.on_call(now)[0]
    if plan.is_over(now) and (last is None or not last.people):
        return ()  # that nobody is on call by a roster that is over needs no record
    from_now = Recorded(plan.name, Span(now, now), present, seen=True)
    if last is None:
        return (from_now,)
    since = last.span.end
    if now < since:
        return ()  # the clock was set back, and what is on record has been
    if now - since > AWAKE:
        planned = (each for each in plan.timeline(since, now) if not each.ended)
        return (*(Recorded(plan.name, each.span, each.people, seen=False) for each in planned), from_now)
    begin = min(max(since, edited_at or now), now) if _was_edited(last, plan) else since
    records = [replace(last, span=Span(last.span.start, begin))]
    for stretch in plan.timeline(begin, now):
        if stretch.ended:
            continue
        if stretch.people == records[-1].people:
            records[-1] = replace(records[-1], span=Span(records[-1].span.start, stretch.span.end))
        else:
            records.append(Recorded(plan.name, stretch.span, stretch.people, seen=True))
    if records[-1].people != present:
        records.append(from_now)
    if len(records) == 1 and now - since < EVERY:
        return ()
    return tuple(records)


def _was_edited(last: Recorded, plan: Plan) -> bool:
    """Whether the rosters say now of the last moment on record something else than they did then."""
    since = last.span.end
    just_before = since - timedelta(microseconds=1)
    return last.people not in (plan.on_call(since)[0], plan.on_call(just_before)[0])
