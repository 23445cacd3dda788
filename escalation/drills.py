"""Practice: a drill climbs the real ladder and wakes the real people, and no clinician waits at its end.

Everything up to the answer is the same as for a clinician, or it would prove nothing. Whoever takes it has done their
part and it ends there. Where nobody does, it ends when the steps are used up: the last resort is not woken for
practice, and the coordinators are told.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from escalation import ladder
from escalation.effects import (
    Alarm,
    AlarmCoordinator,
    Effect,
    Effects,
    Page,
    PageReason,
    TellAdvisor,
    TellClinician,
    ToAdvisor,
)
from escalation.standing import Escalation, Staffing, State

DRILL: Final = (
    "drill"  # the reason of an escalation that is practice, and the conversation it stands for: one at a time
)


def practised(
    escalation: Escalation, effects: Effects, now: datetime, staffing: Staffing
) -> tuple[Escalation, Effects]:
    """What a move of a drill comes to: ended where it was taken or nobody took it, and no word to any clinician."""
    ended = escalation
    more: Effects = ()
    if escalation.state in (State.TAKEN, State.LAST_RESORT):
        ended, more = ladder.close(escalation, now, staffing, by=escalation.owner or "")
    # Whom the last resort would have woken sleeps on: no page, and no word that it is over.
    asleep = {
        effect.person for effect in effects if isinstance(effect, Page) and effect.reason is PageReason.LAST_RESORT
    }
    said = [_in_practice(effect) for effect in (*effects, *more)]
    return ended, tuple(
        effect
        for effect in said
        if effect is not None and not (isinstance(effect, TellAdvisor) and effect.person in asleep)
    )


def _in_practice(effect: Effect) -> Effect | None:
    match effect:
        case TellClinician() | Page(reason=PageReason.LAST_RESORT):
            return None
        case TellAdvisor(word=ToAdvisor.YOURS):
            return replace(effect, word=ToAdvisor.DRILL_TAKEN)
        case AlarmCoordinator(reason=Alarm.NOBODY_ON_DUTY | Alarm.NOBODY_REACHED):
            return AlarmCoordinator(Alarm.DRILL_UNANSWERED)
        case _:
            return effect
