"""What an escalation causes, as values: the ladder names it, `carry.py` does it.

People are named by their staff id, ways to reach them by the id of their contact. No effect holds what anybody wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PageReason(StrEnum):
    """Why an advisor is woken."""

    STEP = "step"  # it is this step's turn
    SHIFT = "shift"  # their shift began while somebody was waiting
    HANDOVER = "handover"  # they are asked to take over from a colleague
    LAST_RESORT = "last_resort"  # nobody on the steps was reached


@dataclass(frozen=True)
class Page:
    """Wake this advisor now."""

    number: int  # within the escalation; with it the page is unique for ever
    person: str
    contact: str
    rung: int  # how far the escalation had climbed, so that an answer to an old page is known as old
    reason: PageReason
    early: bool = False  # an earlier try on another contact came to nothing
    late: bool = False  # we were asleep when it should have gone out


class ToClinician(StrEnum):
    """What the clinician is told."""

    SEEKING = "seeking"  # somebody is being sought, and by when she hears
    STILL_SEEKING = "still_seeking"  # she asked again; the promise stands
    SEEKING_AGAIN = "seeking_again"  # her advisor fell silent or gave it back; a new promise
    DELAYED = "delayed"  # we were down for a while and are seeking again
    TAKEN = "taken"  # an advisor is reading
    TAKEN_OVER = "taken_over"  # another advisor has taken over
    ADVISOR_HAS_IT = "advisor_has_it"  # she asked again and an advisor already has it
    NOBODY_YET = "nobody_yet"  # the promise has passed; what to do meanwhile
    NOBODY_REACHED = "nobody_reached"  # every step was tried; what to do instead
    NOBODY_ON_DUTY = "nobody_on_duty"  # there was nobody to try; what to do instead
    CLOSED = "closed"  # the advisor has ended it
    WITHDRAWN = "withdrawn"  # she called it off


@dataclass(frozen=True)
class TellClinician:
    """Say this to the clinician who waits."""

    word: ToClinician
    by: datetime | None = None  # the promise in it


class ToAdvisor(StrEnum):
    """What an advisor is told."""

    YOURS = "yours"  # you have taken it
    ALREADY_YOURS = "already_yours"
    ALREADY_TAKEN = "already_taken"  # by whom
    NOTED = "noted"  # your answer counts; somebody else owns it
    ALREADY_CLOSED = "already_closed"
    ALREADY_PASSED_ON = "already_passed_on"  # it has moved on since, to whom
    PASSED_ON = "passed_on"  # not you; to whom it went, if to anybody
    TAKEN_BY_OTHER = "taken_by_other"  # no need any more
    ENDED = "ended"  # closed or called off; no need any more
    SHIFT_ENDED = "shift_ended"  # your shift is over and others are asked now
    CLINICIAN_WAITS = "clinician_waits"  # you took it and she waits for a word from you
    TAKEN_BACK = "taken_back"  # you were silent, so it went back on the ladder
    HANDED_BACK = "handed_back"  # you gave it back
    NOT_YOURS = "not_yours"  # you cannot give away what you do not have
    ASKED_OVER = "asked_over"  # others have been asked to take over; it stays yours until they do
    OVER_WAITS = "over_waits"  # it still waits for you to take over; whose it is meanwhile
    KEPT = "kept"  # you need not take over: its owner keeps it
    CANNOT_ASK = "cannot_ask"  # the colleague you named cannot be reached
    HANDED_OVER = "handed_over"  # somebody has taken over from you
    QUIET = "quiet"  # nothing has been written for long; close it or go on
    NOW_URGENT = "now_urgent"  # what you took has become urgent
    CLINICIAN_LEFT = "clinician_left"  # she called it off
    DRILL_TAKEN = "drill_taken"  # you have answered a drill; there is nothing more to do


@dataclass(frozen=True)
class TellAdvisor:
    """Say this to an advisor; without a contact, where they were last paged."""

    person: str
    word: ToAdvisor
    contact: str | None = None
    others: tuple[str, ...] = ()  # the colleagues it is about


@dataclass(frozen=True)
class Withdraw:
    """Pages that have not gone out need not go out: this person's, or everybody's."""

    person: str | None = None


class Alarm(StrEnum):
    """What a coordinator must hear of."""

    NOBODY_ON_DUTY = "nobody_on_duty"
    NOBODY_REACHED = "nobody_reached"
    LAST_RESORT_EMPTY = "last_resort_empty"  # nobody of the last resort can be reached
    PROMISE_PASSED = "promise_passed"
    WATCH_WAS_LATE = "watch_was_late"  # this service slept over a deadline
    ADVISOR_SILENT = "advisor_silent"
    HANDOVER_STUCK = "handover_stuck"
    DRILL_UNANSWERED = "drill_unanswered"  # nobody took a drill
    QUIET = "quiet"


@dataclass(frozen=True)
class AlarmCoordinator:
    """Tell the coordinators."""

    reason: Alarm


Effect = Page | TellClinician | TellAdvisor | Withdraw | AlarmCoordinator
Effects = tuple[Effect, ...]
