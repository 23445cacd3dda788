"""Cases as the desk shows them: who waits, how urgent it is, and how long is left on the promise.

Staff see what they need. A list holds no words. What was written is for the advisor who has taken the case, and for
nobody else; that advisor may read it for a day after it ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from escalation.advisors import is_theirs
from escalation.drills import DRILL
from escalation.standing import State, Urgency
from escalation.store import Filed
from helpline.accounts import Staff
from helpline.messages import Language
from helpline.phrases import ZONES, Phrases, say_list, say_time


@dataclass(frozen=True)
class Case:
    """One line of the list."""

    id: str
    code: str
    urgent: bool
    urgency: str
    language: str
    place: str
    waited: str
    by: str = ""  # until when she was promised to hear, in words
    left: str = ""
    late: bool = False
    note: str = ""
    takeable: bool = False
    mine: bool = False
    offered_to: str = ""  # mine, and who was asked to take it over
    unread: str = ""  # how many messages this advisor has not seen, in words
    spoken: str = ""  # the clinician's language, as a code
    rank: tuple[bool, float] = (True, math.inf)  # urgent ones first, then by the time that is left


@dataclass(frozen=True)
class Board:
    """What an advisor sees on coming in."""

    packet: tuple[Case, ...]  # what they are asked to take over, each to be accepted by itself
    waiting: tuple[Case, ...]
    mine: tuple[Case, ...]
    others: tuple[Case, ...]


class Wording:
    """Puts cases into the words of one member of staff's language."""

    def __init__(self, phrases: Phrases, language: Language, staff: Staff, now: datetime) -> None:
        self._phrases = phrases
        self._language = language
        self._staff = staff
        self._now = now

    def _say(self, key: str, **values: object) -> str:
        return self._phrases.say(key, self._language, **values)

    def board(self, filed: Sequence[Filed], names: Mapping[str, str], unread: Mapping[str, int] | None = None) -> Board:
        """The lists, each in the order of what presses most; `unread` by conversation."""
        packet: list[Case] = []
        waiting: list[Case] = []
        mine: list[Case] = []
        others: list[Case] = []
        for each in filed:
            case = self.case(each, names, (unread or {}).get(each.conversation_id, 0))
            offered = case.takeable and each.escalation.state is State.TAKEN
            (packet if offered else waiting if case.takeable else mine if case.mine else others).append(case)
        return Board(*(tuple(sorted(part, key=lambda case: case.rank)) for part in (packet, waiting, mine, others)))

    def case(self, filed: Filed, names: Mapping[str, str], unread: int = 0) -> Case:
        """How one case stands."""
        it = filed.escalation
        mine = is_theirs(filed, self._staff.id)
        taken = it.state is State.TAKEN
        asked_over = it.handover is not None and self._staff.id in it.handover.asked and not mine
        due = it.reply_due_at if taken else it.promise_at
        left = math.ceil((due - self._now).total_seconds() / 60) if due is not None else None
        return Case(
            id=filed.id,
            code=filed.code,
            urgent=it.urgency is Urgency.URGENT,
            urgency=self._say(f"desk.urgency.{it.urgency}"),
            language=self._say(f"language.{filed.language}"),
            place=self._place(filed),
            waited=self._say("desk.waited", minutes=self._minutes(it.opened_at)),
            by=self.by(filed, due, key="desk.answer_by" if taken else "desk.by"),
            left=self._left(left),
            late=left is not None and left <= 0,
            note=self._note(filed, names, mine=mine, asked_over=asked_over),
            takeable=it.open and (not taken or asked_over),
            mine=mine,
            offered_to=self._offered_to(filed, names) if mine else "",
            unread=self._say("desk.list.unread", count=unread) if mine and unread else "",
            spoken=filed.language.value,
            rank=(it.urgency is not Urgency.URGENT, (due - self._now).total_seconds() if due is not None else math.inf),
        )

    def _offered_to(self, filed: Filed, names: Mapping[str, str]) -> str:
        handover = filed.escalation.handover
        asked = [names.get(person, person) for person in handover.asked] if handover is not None else []
        return say_list(asked, self._language) if asked else ""

    def _minutes(self, since: datetime) -> int:
        return max(0, int((self._now - since).total_seconds() // 60))

    def by(self, filed: Filed, due: datetime | None, *, key: str = "desk.by") -> str:
        """Until when, in words; nothing where there is no such instant."""
        if due is None:
            return ""
        at = say_time(due, now=self._now, zone=ZONES[filed.country], language=self._language)
        return self._say(key, time=at)

    def _left(self, minutes: int | None) -> str:
        if minutes is None:
            return ""
        return self._say("desk.left", minutes=minutes) if minutes > 0 else self._say("desk.late", minutes=-minutes)

    def _note(self, filed: Filed, names: Mapping[str, str], *, mine: bool, asked_over: bool) -> str:
        it = filed.escalation
        if not it.open:
            return self._say("desk.told.ended")
        if filed.reason == DRILL:
            return self._say("desk.drill")
        if asked_over:
            return f"{self._say('desk.asked_you')} ({names.get(it.owner or '', '–')})"
        if mine:
            return self._say("desk.answer_due") if it.waiting_since is not None else ""
        if it.state is State.TAKEN:
            return self._say("desk.owner", name=names.get(it.owner or "", "–"))
        if it.state is State.LAST_RESORT:
            return self._say("desk.last_resort")
        return self._say("desk.no_promise") if it.promise_at is None else ""

    def _place(self, filed: Filed) -> str:
        country = self._say(f"country.{filed.country}")
        return f"{filed.region}, {country}" if filed.region else country
