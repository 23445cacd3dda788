"""How an escalation stands: its ladder, who was called, who owns it, and when it must be looked at again.

Nothing but values. The ladder's steps are copied here when the escalation opens, so editing a policy never moves a
clinician who is already waiting. Whatever waits has an instant: `due_at` is the earliest of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from escalation.effects import PageReason

FOR_EVER = -1


class State(StrEnum):
    """Where an escalation stands."""

    SEEKING = "seeking"  # the ladder is being climbed and nobody has taken it
    LAST_RESORT = "last_resort"  # every step was tried; the last resort is paged again and again
    TAKEN = "taken"  # an advisor owns it and has a deadline
    CLOSED = "closed"  # somebody ended it; it stays ended
    WITHDRAWN = "withdrawn"  # the clinician called it off; it stays so


class Urgency(StrEnum):
    """How soon a human is needed."""

    URGENT = "urgent"  # somebody may be in danger
    ROUTINE = "routine"  # a question that can wait minutes


@dataclass(frozen=True)
class Step:
    """Whom to page together, and how long to wait for them."""

    targets: tuple[str, ...]  # staff ids, "roster:NAME" or "role:NAME"
    wait: timedelta
    speaks: bool = False  # only those who speak the clinician's language
    speciality: str | None = None  # only those who have this speciality
    everyone: bool = False  # one answer does not silence the others (drills and notices to all)


@dataclass(frozen=True)
class Deadlines:
    """How long an advisor who has taken it may be silent."""

    first_reply: timedelta  # from taking it to the first word
    reply: timedelta  # from the clinician's word to the next one
    grace: timedelta  # from the reminder to the ladder
    quiet: timedelta  # nobody writes: the advisor is asked whether it is done
    handover: timedelta  # a colleague may take this long to accept


@dataclass(frozen=True)
class Ladder:
    """The steps, how often they are gone through again, and what comes when they are used up."""

    steps: tuple[Step, ...]
    repeat: int  # further rounds; FOR_EVER
    last_resort: tuple[str, ...]  # targets
    retry: timedelta  # how often the last resort is paged
    deadlines: Deadlines

    def time_left(self, round_: int, step: int) -> timedelta:
        """How long it takes from the start of this step until all are used up (of a ladder for ever: this round)."""
        rest = sum((each.wait for each in self.steps[step:]), timedelta())
        whole = sum((each.wait for each in self.steps), timedelta())
        return rest + max(0, self.repeat - round_) * whole


@dataclass(frozen=True)
class Way:
    """One of a person's own rules: reach me here, this long after my turn began."""

    after: timedelta
    contact: str
    usable: bool = True  # verified, and not stopped by its owner


@dataclass(frozen=True)
class Duty:
    """Who stands behind a roster or a role now, and when that changes."""

    people: tuple[str, ...]
    until: datetime | None = None


@dataclass(frozen=True)
class Staffing:
    """What is known of the staff at this moment."""

    ways: Mapping[str, tuple[Way, ...]]
    duty: Mapping[str, Duty] = field(default_factory=dict)  # by target
    languages: Mapping[str, frozenset[str]] = field(default_factory=dict)
    specialities: Mapping[str, frozenset[str]] = field(default_factory=dict)
    resting: Mapping[str, str] = field(default_factory=dict)  # who has quiet hours now, and who stands in for them
    held: Mapping[str, datetime] = field(default_factory=dict)  # contacts that were paged just now: until when to wait

    def behind(self, target: str) -> tuple[str, ...]:
        """The people that a target means now."""
        if target in self.duty:
            return self.duty[target].people
        return () if is_group(target) else (target,)

    def reachable(self, person: str) -> bool:
        """Whether there is any way to wake them."""
        return any(way.usable for way in self.ways.get(person, ()))


def is_group(target: str) -> bool:
    """Whether a target stands for whoever is there, and not for one person."""
    return target.startswith(("roster:", "role:"))


@dataclass(frozen=True)
class Planned:
    """A page that will go out."""

    due_at: datetime
    person: str
    way: Way
    rung: int
    reason: PageReason
    early: bool = False


class Turn(StrEnum):
    """What became of somebody's turn."""

    OPEN = "open"  # they may still answer, and it counts
    DECLINED = "declined"  # they said no, or let it fall
    OVER = "over"  # their shift ended and others came


@dataclass(frozen=True)
class Called:
    """Somebody whose turn it was or is."""

    person: str
    via: str  # the target that named them
    rung: int
    since: datetime  # when their turn began
    done: tuple[Way, ...] = ()  # what was tried in this turn
    failed: tuple[str, ...] = ()  # contacts that refused in this turn
    paged_on: str | None = None  # the contact last used, in any turn
    turn: Turn = Turn.OPEN


@dataclass(frozen=True)
class Handover:
    """Colleagues who were asked to take over; until one accepts, the owner stays."""

    asked: tuple[str, ...]
    step: int  # the last step that was asked
    due_at: datetime  # when somebody else is asked too
    asked_at: datetime | None = None  # when somebody was asked last
    remind_at: datetime | None = None  # when they are told that it still waits for them; None once they were
    declined: tuple[str, ...] = ()  # those who said no: they are not asked again until nobody else is left


@dataclass(frozen=True)
class Escalation:
    """One clinician's wait for a human."""

    id: str
    urgency: Urgency
    language: str
    ladder: Ladder
    opened_at: datetime
    state: State = State.SEEKING
    round: int = 0
    step: int = -1  # before the first; the number of steps while at the last resort
    rung: int = 0  # how often it has moved
    step_due_at: datetime | None = None  # the next step's turn, or the last resort's next page
    planned: tuple[Planned, ...] = ()
    called: tuple[Called, ...] = ()
    shift_change_at: datetime | None = None  # when other people will be on call for the steps so far
    promise_at: datetime | None = None  # by when the clinician was told she hears; None once she has heard
    pages: int = 0
    pleas: int = 1  # how often she asked
    owner: str | None = None
    owner_via: str | None = None  # the roster they were on call by
    has_replied: bool = False
    waiting_since: datetime | None = None  # since when the clinician waits for the owner's word
    reminded_at: datetime | None = None
    quiet_since: datetime | None = None
    quiet_times: int = 0
    handover: Handover | None = None

    @property
    def open(self) -> bool:
        """Whether a clinician still waits for somebody or talks with them."""
        return self.state not in (State.CLOSED, State.WITHDRAWN)

    @property
    def reply_due_at(self) -> datetime | None:
        """When the owner is reminded, or loses it after the reminder."""
        limits = self.ladder.deadlines
        if self.state is not State.TAKEN or self.waiting_since is None:
            return None
        if self.reminded_at is not None:
            return self.reminded_at + limits.grace
        return self.waiting_since + (limits.reply if self.has_replied else limits.first_reply)

    @property
    def due_at(self) -> datetime | None:
        """When time will move this next; an open escalation always has such an instant."""
        return min(self._instants(), default=None)

    def _instants(self) -> Iterator[datetime]:
        if not self.open:
            return
        yield from (page.due_at for page in self.planned)
        if self.shift_change_at is not None:
            yield self.shift_change_at
        if self.state is not State.TAKEN:
            if self.step_due_at is not None:
                yield self.step_due_at
            if self.promise_at is not None:
                yield self.promise_at
            return
        if self.reply_due_at is not None:
            yield self.reply_due_at
        elif self.quiet_since is not None:
            yield self.quiet_since + self.ladder.deadlines.quiet
        if self.handover is not None:
            yield self.handover.due_at
            if self.handover.remind_at is not None:
                yield self.handover.remind_at

    def turn_of(self, person: str) -> Called | None:
        """What is known of a person's turn."""
        return next((called for called in self.called if called.person == person), None)

    @property
    def asked_now(self) -> tuple[str, ...]:
        """The people whose turn it is on the present rung."""
        return tuple(called.person for called in self.called if called.rung == self.rung and called.turn is Turn.OPEN)
