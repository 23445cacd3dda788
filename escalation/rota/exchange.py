"""A shift that passes from one advisor to another: what may be agreed, and what the roster says afterwards. Pure.

Nothing passes without the consent of both. Whoever makes an offer has said yes by making it; the other answers. The
roster's definition is changed as a person would change it, by overrides (inside a temporary roster: by its shifts), and
the result is compared with what was agreed before anything is saved.

- `Exchange`, `Kind`, `State`: an offer and what came of it
- `objection(exchange, plan, …)`: why it cannot be agreed now, or None
- `reassigned(definition, zone, span, holder, taker)`: the definition in which the shift is the other's
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from escalation.rota import on_call as rota
from escalation.rota.local_time import say_instant
from escalation.rota.plan import Plan, spans_without, within
from escalation.rota.roster import Override, Schedule, Shift, Span, read_schedule, remarks
from helpline.content import node_of

_DAY = timedelta(days=1)


class Kind(StrEnum):
    """What is proposed."""

    GIVE = "give"  # I give this shift away: to you, or to whoever says yes first
    TAKE = "take"  # let me have this shift of yours
    SWAP = "swap"  # my shift for yours


class State(StrEnum):
    """What came of it."""

    OPEN = "open"  # waits for an answer
    ACCEPTED = "accepted"  # both agreed, and the roster says so
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"  # by whoever made it
    EXPIRED = "expired"  # the shift came and nobody had said yes
    OVERTAKEN = "overtaken"  # the roster has changed under it


class Objection(StrEnum):
    """Why a shift cannot pass on as proposed."""

    OVER = "over"  # it has ended
    NOT_THEIRS = "not_theirs"  # the roster does not say that it is the holder's throughout
    SAME_PERSON = "same_person"
    ON_CALL_THEN = "on_call_then"  # the taker is on call at that time already
    ON_LEAVE = "on_leave"  # the taker is away then
    UNFIT = "unfit"  # the taker does not work here, or no page would reach them
    TANGLED = "tangled"  # too many changes meet there; a coordinator edits the roster
    NOT_OPEN = "not_open"  # it has been answered already
    NOT_FOR_YOU = "not_for_you"
    UNKNOWN = "unknown"  # there is no such offer, or no such roster
    TOO_LONG = "too_long"  # longer than a month: that is a change of the roster


class CannotExchange(Exception):
    """A shift cannot pass on as proposed."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(objection.value)
        self.objection = objection


LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Exchange:
    """A shift that somebody gives away, asks for, or would swap."""

    id: str
    kind: Kind
    roster: str
    holder: str  # whose shift it is
    span: Span
    taker: str | None  # who is to have it; None: whoever says yes first
    back: Span | None  # the taker's shift that the holder has for it
    state: State
    made_by: str
    made_at: datetime
    answered_by: str | None = None
    answered_at: datetime | None = None

    def may_answer(self, staff_id: str) -> bool:
        """Whether it is this person's to say yes or no."""
        if staff_id == self.made_by:
            return False
        return staff_id == self.holder if self.kind is Kind.TAKE else self.taker in (staff_id, None)

    def parts(self, taker: str, now: datetime) -> Iterator[tuple[Span, str, str]]:
        """What passes from whom to whom; what is over stays as it was."""
        yield Span(max(self.span.start, now), self.span.end), self.holder, taker
        if self.back is not None:
            yield Span(max(self.back.start, now), self.back.end), taker, self.holder


def objection(
    exchange: Exchange, plan: Plan, taker: str | None, now: datetime, *, fit: AbstractSet[str]
) -> Objection | None:
    """Why this cannot be agreed with this taker now; None where it can. `fit` are those whom a page would reach."""
    for span in (exchange.span, exchange.back):
        if span is not None and span.end <= now:
            return Objection.OVER
        if span is not None and span.end - span.start > LONGEST:
            return Objection.TOO_LONG
    if taker is None:
        return None if _is_theirs(plan, exchange.holder, _ahead(exchange.span, now)) else Objection.NOT_THEIRS
    if taker == exchange.holder:
        return Objection.SAME_PERSON
    if not {taker, exchange.holder if exchange.back is not None else taker} <= fit:
        return Objection.UNFIT
    for span, giver, receiver in exchange.parts(taker, now):
        if not _is_theirs(plan, giver, span):
            return Objection.NOT_THEIRS
        if _is_on_leave(plan, receiver, span):
            return Objection.ON_LEAVE
        other = exchange.back if giver == exchange.holder else exchange.span
        if any(_is_on_call(plan, receiver, part) for part in spans_without(span, [other] if other else [])):
            return Objection.ON_CALL_THEN
    return None


def was_theirs(exchange: Exchange, plan: Plan) -> bool:
    """Whether the shift was its holder's to the end, so that an offer of it ran out and was not left behind."""
    return _is_theirs(plan, exchange.holder, exchange.span)


def _ahead(span: Span, now: datetime) -> Span:
    return Span(max(span.start, now), span.end)


def _is_theirs(plan: Plan, person: str, span: Span) -> bool:
    """Whether the shift is this person's throughout. Leave is left out: it is a reason to give a shift away."""
    stretches = plan.without_leave().timeline(span.start, span.end)
    return bool(stretches) and all(person in each.people and not each.by_fallback for each in stretches)


def _is_on_call(plan: Plan, person: str, span: Span) -> bool:
    stretches = plan.without_leave().timeline(span.start, span.end)
    return any(person in each.people and not each.by_fallback for each in stretches)


def _is_on_leave(plan: Plan, person: str, span: Span) -> bool:
    return any(
        each.person == person and each.span.overlaps(span)
        for version in plan.versions
        for each in version.schedule.away
    )


# --- The roster afterwards --------------------------------------------------------------------------------------------


def reassigned(
    definition: Mapping[str, Any],
    zone: ZoneInfo,
    span: Span,
    holder: str,
    taker: str,
    *,
    since: datetime | None = None,
) -> dict[str, Any]:
    """The roster's definition in which `taker` is on call wherever `holder` was within the span.

    What was over before `since`, when the new version begins to hold, is left out: earlier versions tell of it. Raises
    `CannotExchange` where no such definition follows from this one.
    """
    before = _without_the_past(read_schedule(node_of(definition, file="roster"), zone), since)
    shifted = _temporary_reassigned(definition, before, span, holder, taker)
    outside = list(spans_without(span, [each.span for each in before.temporary]))
    overrides = list(_overrides_reassigned(before, outside, holder, taker))
    after_definition = {**shifted, "overrides": [_written_override(each) for each in overrides]}
    if not overrides:
        del after_definition["overrides"]
    after = read_schedule(node_of(after_definition, file="roster"), zone)
    around = Span(max(span.start - _DAY, since or span.start - _DAY), span.end + _DAY)
    if any(remark.refused for remark in remarks(after, zone)) or not _is_as_agreed(
        before, after, zone, span, around, lambda person: taker if person == holder else person
    ):
        raise CannotExchange(Objection.TANGLED)
    return after_definition


def _without_the_past(schedule: Schedule, since: datetime | None) -> Schedule:
    if since is None:
        return schedule
    ahead = tuple(each for each in schedule.overrides if each.span.end > since)
    return replace(
        schedule, overrides=ahead, temporary=tuple(each for each in schedule.temporary if each.span.end > since)
    )


def _overrides_reassigned(before: Schedule, spans: list[Span], holder: str, taker: str) -> Iterator[Override]:
    came_in: list[Span] = []
    for override in before.overrides:
        inside = [part for span in spans if (part := within(span, override.span)) is not None]
        if override.add != holder or not inside:
            yield override
            continue
        came_in += inside
        # What somebody had taken over is passed on: this override names the next one, and outside stays as it was.
        for part in spans_without(override.span, inside):
            yield Override(part, override.add, override.remove)
        for part in inside:
            if override.remove != taker:  # it goes back to whom it came from: then nothing is changed there at all
                yield Override(part, taker, override.remove)
    for span in spans:
        for part in spans_without(span, came_in):
            yield Override(part, taker, holder)


def _written_override(override: Override) -> dict[str, str]:
    named = {"add": override.add, "remove": override.remove}
    span = {"from": say_instant(override.span.start), "to": say_instant(override.span.end)}
    return {**span, **{key: person for key, person in named.items() if person is not None}}


def _temporary_reassigned(
    definition: Mapping[str, Any], before: Schedule, span: Span, holder: str, taker: str
) -> dict[str, Any]:
    rewritten = []
    for each in before.temporary:
        inside = within(each.span, span)
        shifts = [part for shift in each.shifts for part in _shift_reassigned(shift, inside, holder, taker)]
        rewritten.append(
            {
                "from": say_instant(each.span.start),
                "to": say_instant(each.span.end),
                "shifts": [
                    {"user": part.person, "from": say_instant(part.span.start), "to": say_instant(part.span.end)}
                    for part in shifts
                ],
            }
        )
    rest = {key: part for key, part in definition.items() if key != "temporary"}
    return {**rest, "temporary": rewritten} if rewritten else rest


def _shift_reassigned(shift: Shift, span: Span | None, holder: str, taker: str) -> Iterator[Shift]:
    inside = within(shift.span, span) if span is not None and shift.person == holder else None
    if inside is None:
        yield shift
        return
    yield Shift(taker, inside, shift.level)
    for part in spans_without(shift.span, [inside]):
        yield Shift(holder, part, shift.level)


def _is_as_agreed(
    before: Schedule, after: Schedule, zone: ZoneInfo, span: Span, around: Span, meant: Callable[[str], str]
) -> bool:
    """Whether inside the span the one stands for the other, and around it nothing has changed."""
    edges = {around.start, around.end, span.start, span.end}
    for schedule in (before, after):
        edges.update(segment.span.start for segment in rota.timeline(schedule, zone, around.start, around.end))
    for edge in sorted(edges):
        was, is_now = rota.on_call(before, zone, edge), rota.on_call(after, zone, edge)
        if is_now != (tuple(sorted({meant(person) for person in was})) if span.covers(edge) else was):
            return False
    return True
