"""Leave: who is away when, and what that does to the rota.

An advisor asks, a coordinator decides; a coordinator enters it for anybody at once. Leave that is granted takes its
person out of every roster, wherever they stand in it, and is no part of the roster itself: cancelling it brings the
shifts back. Why somebody is away is not asked. A leave that leaves a hole is not refused; the hole is shown with it.

- `ask(…)`, `enter(…)`: once for each span, however often it is sent
- `grant(…)`, `refuse(…)`, `cancel(…)`
- `holes_left_by(…)`: the holes it tears open in the next year, for showing beside it
- `said_span(text, zone, now)`: from when to when as people write it, refused with a question where it is not plain

All raise `LeaveRefused` where it cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means
from escalation.on_duty import Present, staff_now
from escalation.rota import coverage, said_time
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota import words as rota_words
from escalation.rota.coverage import Hole
from escalation.rota.local_time import Doubt, Typed, first_shown, understand_typed
from escalation.rota.plan import Plan
from escalation.rota.roster import Shift, Span
from escalation.rota.said_time import Unclear
from escalation.rota.store import Leave, LeaveState
from helpline import accounts, audit
from helpline.accounts import Role
from helpline.messages import Choice, Language, OutboundMessage

log = structlog.get_logger(__name__)

LONGEST = timedelta(days=366)
FURTHEST = timedelta(days=731)  # no leave begins later than this
_LOOKED_AT = timedelta(days=90)  # of a leave, for the holes it leaves

AwayChange = Callable[[tuple[Shift, ...]], tuple[Shift, ...]]


class Reason(StrEnum):
    """Why a leave cannot be as it was asked for."""

    BACKWARDS = "backwards"  # it ends before it begins
    PAST = "past"  # it has ended already
    TOO_LONG = "too_long"
    TOO_FAR = "too_far"
    NOBODY = "nobody"  # nobody of that id works here
    UNKNOWN = "unknown"  # there is no such leave
    ENDED = "ended"  # it was refused or cancelled, or it is over
    UNREADABLE = "unreadable"  # what was said is no time
    CLOCK = "clock"  # one end has a clock time and the other has none
    WEEKDAY = "weekday"  # the date is not on that weekday
    TODAY = "today"  # today's weekday was said: today, or in a week
    MISSING = "missing"  # the clock jumps over it that day
    TWICE = "twice"  # the clock shows it twice that day


class LeaveRefused(Exception):
    """A leave cannot be as it was asked for; where a clock time is in doubt, `offered` is what to ask about."""

    def __init__(self, reason: Reason, *, typed: str = "", offered: Sequence[Span] = ()) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.typed = typed
        self.offered = tuple(offered)


def said_span(text: str, zone: ZoneInfo, now: datetime) -> Span:
    """From when to when, as people write it, on the wall clock of a zone."""
    try:
        said = said_time.read_span(text, now.astimezone(zone).replace(tzinfo=None))
        if said.whole:
            # A day begins when it begins, also where the clock jumps over midnight.
            return _ordered(now if said.start is None else first_shown(said.start, zone), first_shown(said.end, zone))
        starts = Typed(now, None, ()) if said.start is None else understand_typed(said.start.isoformat(), zone)
        ends = understand_typed(said.end.isoformat(), zone)
    except Unclear as unclear:
        raise LeaveRefused(Reason(unclear.why.value)) from unclear
    except OverflowError as error:
        raise LeaveRefused(Reason.UNREADABLE) from error
    if starts.instant is not None and ends.instant is not None:
        return _ordered(starts.instant, ends.instant)
    doubted, local = (starts, said.start) if starts.instant is None else (ends, said.end)
    assert local is not None
    offered = [
        Span(start, end)
        for start in ([starts.instant] if starts.instant is not None else starts.offered)
        for end in ([ends.instant] if ends.instant is not None else ends.offered)
        if start < end
    ]
    reason = Reason.MISSING if doubted.doubt is Doubt.MISSING else Reason.TWICE
    raise LeaveRefused(reason if offered else Reason.BACKWARDS, typed=f"{local:%H:%M}", offered=offered)


def _ordered(start: datetime, end: datetime) -> Span:
    if end <= start:
        raise LeaveRefused(Reason.BACKWARDS)
    return Span(start, end)


async def ask(conn: AsyncConnection, means: Means, *, staff_id: str, span: Span, now: datetime) -> Leave:
    """Ask for leave. It changes nothing until a coordinator grants it; they are told, with the holes it would leave."""
    check_span(span, now)
    known = await _same(conn, staff_id, span)
    if known is not None:
        return known
    await _staff(conn, staff_id)
    made = await rota_store.insert_leave(
        conn, staff_id=staff_id, span=span, state=LeaveState.ASKED, by=staff_id, now=now
    )
    await _note(conn, made, "leave_asked", staff_id, now)
    await tell_of_asked(conn, means, staff_id, [span], now, asked=made.id)
    rota_store.rota_changed(conn)
    return made


async def tell_of_asked(
    conn: AsyncConnection,
    means: Means,
    staff_id: str,
    spans: Sequence[Span],
    now: datetime,
    *,
    asked: int | None = None,
) -> None:
    """Tell the coordinators what leave is asked for, with the holes it would leave; one leave with its two buttons."""
    if not spans:
        return
    present = await staff_now(conn, now, channels=means.channels)
    holes = [hole for span in spans for hole in await holes_left_by(conn, staff_id, span, now, present)]
    first = min(span.start for span in spans)
    await rota_notices.tell(
        conn,
        means,
        present,
        present.with_role(Role.COORDINATOR),
        lambda language: _asked_words(means, present, staff_id, spans, holes, asked, language),
        key=f"leave-asked:{staff_id}:{first:%Y%m%d%H%M}:{now:%Y%m%d%H%M%S}",
        now=now,
        about=first,
        avoid=staff_id,
    )


def _asked_words(
    means: Means,
    present: Present,
    staff_id: str,
    spans: Sequence[Span],
    holes: Sequence[Hole],
    asked: int | None,
    language: Language,
) -> OutboundMessage:
    zone = rota_notices.zone_of(present.staff.get(staff_id))
    said = [rota_words.say_span(span, zone, language) for span in spans[: rota_words.MOST_HOLES]]
    if len(spans) > rota_words.MOST_HOLES:
        said.append(means.phrases.say("rota.hole.more", language, count=len(spans) - rota_words.MOST_HOLES))
    text = means.phrases.say("rota.leave.asked", language, name=present.name_of(staff_id), span=", ".join(said))
    empty = [hole for hole in holes if hole.language is None]
    if empty:
        listed = ", ".join(rota_words.say_span(hole.span, zone, language) for hole in empty[: rota_words.MOST_HOLES])
        text += " " + means.phrases.say("rota.leave.asked.holes", language, holes=listed)
    if asked is None:
        return OutboundMessage(text)
    choices = (
        Choice(rota_words.token_of(wish, str(asked)), means.phrases.say(f"rota.leave.{wish}", language))
        for wish in ("grant", "refuse")
    )
    return OutboundMessage(text, tuple(choices))


async def enter(
    conn: AsyncConnection, *, staff_id: str, span: Span, by: str, now: datetime, uid: str | None = None
) -> Leave:
    """Enter leave that holds at once: a coordinator's doing, or an import that a coordinator made."""
    check_span(span, now)
    known = await _same(conn, staff_id, span) if uid is None else None
    if known is not None and known.state is LeaveState.GRANTED:
        return known
    await _staff(conn, staff_id)
    if known is not None:
        return await _decide(conn, known, LeaveState.GRANTED, by, now)
    made = await rota_store.insert_leave(
        conn, staff_id=staff_id, span=span, state=LeaveState.GRANTED, by=by, now=now, uid=uid
    )
    await _note(conn, made, "leave_entered", by, now)
    await took_effect(conn, now)
    return made


async def grant(conn: AsyncConnection, means: Means, leave_id: int, *, by: str, now: datetime) -> Leave:
    """Say yes: it holds from now on, and whoever asked is told."""
    made = await _find(conn, leave_id)
    if made.state is LeaveState.GRANTED:
        return made
    if made.state is not LeaveState.ASKED or made.span.end <= now:
        raise LeaveRefused(Reason.ENDED)
    done = await _decide(conn, made, LeaveState.GRANTED, by, now)
    await _tell(conn, means, done, "rota.leave.granted", by, now)
    return done


async def refuse(conn: AsyncConnection, means: Means, leave_id: int, *, by: str, now: datetime) -> Leave:
    """Say no, and tell whoever asked."""
    made = await _find(conn, leave_id)
    if made.state is LeaveState.REFUSED:
        return made
    if made.state is not LeaveState.ASKED:
        raise LeaveRefused(Reason.ENDED)
    done = await _decide(conn, made, LeaveState.REFUSED, by, now)
    await _tell(conn, means, done, "rota.leave.refused", by, now)
    return done


async def cancel(conn: AsyncConnection, means: Means, leave_id: int, *, by: str, now: datetime) -> Leave:
    """Take leave back, one's own or as a coordinator. Whoever was away is on call again where the roster says so."""
    made = await _find(conn, leave_id)
    if made.state is LeaveState.CANCELLED:
        return made
    if not made.stands or made.span.end <= now:
        raise LeaveRefused(Reason.ENDED)
    done = await _decide(conn, made, LeaveState.CANCELLED, by, now)
    if made.state is LeaveState.GRANTED:
        await _tell(conn, means, done, "rota.leave.cancelled", by, now)
    return done


async def holes_left_by(
    conn: AsyncConnection, staff_id: str, span: Span, now: datetime, present: Present
) -> tuple[Hole, ...]:
    """The holes that this leave tears open, beyond those that are there anyway."""
    looked_at = Span(max(span.start, now), min(span.end, max(span.start, now) + _LOOKED_AT))
    if looked_at.end <= looked_at.start:
        return ()
    plans = await rota_store.plans(conn, looked_at.start, looked_at.end)
    here = [_without(plan, staff_id, span) for plan in plans]
    away = [_with(plan, Shift(staff_id, span)) for plan in here]
    before = [hole for plan in here for hole in coverage.holes_between(plan, looked_at, present.speaks)]
    after = [hole for plan in away for hole in coverage.holes_between(plan, looked_at, present.speaks)]
    return coverage.torn_open(before, after)


def _with(plan: Plan, leave: Shift) -> Plan:
    return _changed(plan, lambda away: (*away, leave))


def _without(plan: Plan, staff_id: str, span: Span) -> Plan:
    """Without this very leave, where it holds already."""
    return _changed(plan, lambda away: tuple(each for each in away if (each.person, each.span) != (staff_id, span)))


def _changed(plan: Plan, change: AwayChange) -> Plan:
    versions = tuple(
        replace(version, schedule=replace(version.schedule, away=change(version.schedule.away)))
        for version in plan.versions
    )
    return replace(plan, versions=versions)


async def took_effect(conn: AsyncConnection, now: datetime) -> None:
    """Other people are on call than before: whoever waits is looked at again, and so is the coverage."""
    rota_store.rota_changed(conn)
    await store.make_due(conn, now)


def check_span(span: Span, now: datetime) -> None:
    """Refuse what no leave can be."""
    if span.end <= span.start:
        raise LeaveRefused(Reason.BACKWARDS)
    if span.end <= now:
        raise LeaveRefused(Reason.PAST)
    if span.end - span.start > LONGEST:
        raise LeaveRefused(Reason.TOO_LONG)
    if span.start > now + FURTHEST:
        raise LeaveRefused(Reason.TOO_FAR)


async def _same(conn: AsyncConnection, staff_id: str, span: Span) -> Leave | None:
    known = await rota_store.leave_of(conn, staff_id, since=span.start)
    return next((each for each in known if each.span == span and each.stands), None)


async def _staff(conn: AsyncConnection, staff_id: str) -> None:
    staff = await accounts.find_staff(conn, staff_id)
    if staff is None or not staff.active:
        raise LeaveRefused(Reason.NOBODY)


async def _find(conn: AsyncConnection, leave_id: int) -> Leave:
    made = await rota_store.find_leave(conn, leave_id, lock=True)
    if made is None:
        raise LeaveRefused(Reason.UNKNOWN)
    return made


async def _decide(conn: AsyncConnection, made: Leave, state: LeaveState, by: str, now: datetime) -> Leave:
    done = await rota_store.change_leave(conn, made.id, state=state, by=by, now=now)
    await _note(conn, done, f"leave_{state.value}", by, now)
    if LeaveState.GRANTED in (made.state, state):
        await took_effect(conn, now)
    return done


async def _tell(conn: AsyncConnection, means: Means, made: Leave, key: str, by: str, now: datetime) -> None:
    present = await staff_now(conn, now, channels=means.channels)
    zone = rota_notices.zone_of(present.staff.get(made.staff_id))
    await rota_notices.tell(
        conn,
        means,
        present,
        [made.staff_id],
        lambda language: OutboundMessage(
            means.phrases.say(key, language, span=rota_words.say_span(made.span, zone, language))
        ),
        key=f"{key}:{made.id}",
        now=now,
        about=made.span.start,
        avoid=by,
    )


async def _note(conn: AsyncConnection, made: Leave, action: str, by: str, now: datetime) -> None:
    details: dict[str, audit.Detail] = {"staff": made.staff_id, "from": made.span.start, "to": made.span.end}
    actor = by if by in ("operator", "line") else f"staff:{by}"
    await audit.append(conn, at=now, actor=actor, action=action, subject=f"leave:{made.id}", details=details)
