"""How an escalation ended: why, what came of it, and whether the line lacked knowledge. Pure.

An advisor chooses from these and writes nothing: what was said stays with the conversation and goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SAID_AFTERWARDS = timedelta(hours=24)  # as long as its words may be read, how it ended may be said or mended


class CloseReason(StrEnum):
    """Why it was ended."""

    FINISHED = "finished"  # the clinician has what she needed
    TAKEN_ELSEWHERE = "taken_elsewhere"  # somebody outside the line has it now
    NO_REPLY = "no_reply"  # she does not write any more
    NOT_FOR_US = "not_for_us"  # not what the line is there for
    MISTAKE = "mistake"  # a wrong number, a try, a slip of the thumb
    UNSAID = "unsaid"  # ended in a hurry, and nobody said why


class CaseOutcome(StrEnum):
    """What came of it."""

    ANSWERED = "answered"  # her question was answered
    REFERRED = "referred"  # to a service that helps
    EMERGENCY = "emergency"  # police or ambulance were called
    SILENT = "silent"  # nothing: she fell silent
    MISTAKE = "mistake"  # nothing: it was none of ours
    UNSAID = "unsaid"  # ended in a hurry, and nobody said


SAYABLE_REASONS = tuple(reason for reason in CloseReason if reason is not CloseReason.UNSAID)
SAYABLE_OUTCOMES = tuple(outcome for outcome in CaseOutcome if outcome is not CaseOutcome.UNSAID)

# Where only the outcome is asked, on a phone at night, the reason follows from it.
_USUAL: Mapping[CaseOutcome, CloseReason] = {
    CaseOutcome.ANSWERED: CloseReason.FINISHED,
    CaseOutcome.REFERRED: CloseReason.FINISHED,
    CaseOutcome.EMERGENCY: CloseReason.TAKEN_ELSEWHERE,
    CaseOutcome.SILENT: CloseReason.NO_REPLY,
    CaseOutcome.MISTAKE: CloseReason.MISTAKE,
    CaseOutcome.UNSAID: CloseReason.UNSAID,
}


@dataclass(frozen=True)
class Closing:
    """How an escalation ended, as the advisor who ended it said."""

    reason: CloseReason = CloseReason.UNSAID
    outcome: CaseOutcome = CaseOutcome.UNSAID
    knowledge_missing: bool | None = None  # whether the shelves lacked something; None where nobody said


def usual_reason(outcome: CaseOutcome) -> CloseReason:
    """Why one that ended so is usually ended."""
    return _USUAL[outcome]


def may_still_be_said(closed_at: datetime, now: datetime) -> bool:
    """Whether how it ended may still be said or mended."""
    return now - closed_at < SAID_AFTERWARDS
