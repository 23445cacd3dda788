"""The ladder run on a clock in minutes: the real functions, with people, rosters and messages that are only values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from escalation import ladder as climbing
from escalation.effects import AlarmCoordinator, Effect, Effects, Page, TellAdvisor, TellClinician
from escalation.standing import Deadlines, Duty, Escalation, Ladder, Staffing, State, Step, Urgency, Way

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
LAST_RESORT = "FALLBACK"
DEADLINES = Deadlines(
    first_reply=timedelta(minutes=10),
    reply=timedelta(minutes=15),
    grace=timedelta(minutes=5),
    quiet=timedelta(hours=4),
    handover=timedelta(minutes=10),
)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def a_ladder(steps: Sequence[Sequence[Any]], repeat: int = 0, last_resort: tuple[str, ...] = (LAST_RESORT,)) -> Ladder:
    return Ladder(
        steps=tuple(
            Step(tuple(targets), minutes(wait), speaks="speaks" in marks, everyone="everyone" in marks)
            for wait, targets, *marks in steps
        ),
        repeat=repeat,
        last_resort=last_resort,
        retry=minutes(10),
        deadlines=DEADLINES,
    )


@dataclass
class Run:
    """One scenario while it runs."""

    case: Mapping[str, Any]
    ways: dict[str, tuple[Way, ...]] = field(default_factory=dict)
    escalation: Escalation | None = None
    happened: list[tuple[float, Effect]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for person, rules in self.case["people"].items():
            self.ways[person] = tuple(
                Way(minutes(after), contact, usable=not marks) for after, contact, *marks in rules
            )
        self.ways.setdefault(LAST_RESORT, (Way(minutes(0), "call"),))

    def staffing(self, minute: float) -> Staffing:
        duty = {}
        for name, shifts in self.case.get("rosters", {}).items():
            edges = sorted(edge for start, end, _ in shifts for edge in (start, end) if edge > minute)
            people = [person for start, end, on_call in shifts if start <= minute < end for person in on_call]
            duty[f"roster:{name}"] = Duty(tuple(people), START + minutes(edges[0]) if edges else None)
        languages = {person: frozenset(spoken) for person, spoken in self.case.get("languages", {}).items()}
        return Staffing(self.ways, duty, languages)

    def ladder(self, which: str = "first") -> Ladder:
        steps = self.case["other_steps"] if which == "other" else self.case["steps"]
        return a_ladder(steps, self.case.get("repeat", 0))

    def run(self) -> None:
        """Play the events, and between them whatever time brings."""
        minute = 0.0
        for at, what, *details in [*self.case["events"], [self.case["until"], "nothing"]]:
            self.wait(minute, at)
            minute = at
            if what == "asleep_until":
                minute = details[0]
                self.climb(minute)
            elif what != "nothing":
                self.event(minute, what, details)
                self.climb(minute)

    def wait(self, since: float, until: float) -> None:
        for _ in range(1000):
            due_at = self.escalation.due_at if self.escalation is not None else None
            if due_at is None or due_at > START + minutes(until):
                return
            self.climb(max(since, (due_at - START) / minutes(1)))
        raise AssertionError("the ladder turns on the spot")

    def climb(self, minute: float) -> None:
        if self.escalation is not None:
            self.note(minute, climbing.climb(self.escalation, START + minutes(minute), self.staffing(minute)))

    def note(self, minute: float, moved: tuple[Escalation, Effects]) -> None:
        self.escalation, effects = moved
        self.happened += [(minute, effect) for effect in effects]

    def event(self, minute: float, what: str, details: Sequence[Any]) -> None:
        now, staffing = START + minutes(minute), self.staffing(minute)
        escalation = self.escalation
        urgency = Urgency(self.case.get("urgency", "urgent"))
        if what in ("open", "open_taken", "open_urgent"):
            raised = what == "open_urgent"
            if escalation is not None and escalation.open:
                ladder = self.ladder("other") if raised and "other_steps" in self.case else self.ladder()
                plea = Urgency.URGENT if raised else urgency
                self.note(
                    minute, climbing.ask_again(escalation, urgency=plea, ladder=ladder, now=now, staffing=staffing)
                )
                return
            language = self.case.get("language", "nb")
            moved = climbing.begin(
                "case-1", urgency=urgency, language=language, ladder=self.ladder(), now=now, staffing=staffing
            )
            self.note(minute, moved)
            if what == "open_taken":
                self.event(minute, "ack", [*details, "desk"])
            return
        assert escalation is not None
        match what, details:
            case "move_up", []:
                self.note(minute, climbing.move_up(escalation, now, staffing))
            case "reapply", [which]:
                moved = climbing.reapply(escalation, ladder=self.ladder(which), now=now, staffing=staffing)
                self.note(minute, moved)
            case "add_rule", [person, after, contact]:
                self.ways[person] = (*self.ways[person], Way(minutes(after), contact))
                self.note(minute, climbing.replan(escalation, person, self.ways[person], now, self.staffing(minute)))
            case "ack", [person, contact]:
                self.note(minute, climbing.acknowledge(escalation, person, now, staffing, contact=contact))
            case "decline", [person]:
                self.note(minute, climbing.decline(escalation, person, now, staffing))
            case "decline", [person, as_of]:
                self.note(minute, climbing.decline(escalation, person, now, staffing, as_of=as_of))
            case "pass_on", [person, to]:
                self.note(minute, climbing.pass_on(escalation, person, to, now, staffing))
            case "pass_up", [person]:
                self.note(minute, climbing.pass_up(escalation, person, now, staffing))
            case "keep", [person]:
                self.note(minute, climbing.keep(escalation, person, now, staffing))
            case "hand_back", [person]:
                self.note(minute, climbing.hand_back(escalation, person, now, staffing))
            case "close", [person]:
                self.note(minute, climbing.close(escalation, now, staffing, by=person))
            case "withdraw", []:
                self.note(minute, climbing.withdraw(escalation, now, staffing))
            case "advisor_word", [person]:
                self.note(minute, (climbing.note_advisor_word(escalation, person, now), ()))
            case "clinician_word", []:
                self.note(minute, (climbing.note_clinician_word(escalation, now), ()))
            case (("refused" | "held_up"), [person, contact]):
                refused = what == "refused"
                self.note(minute, climbing.fall_back(escalation, person, contact, now, staffing, refused=refused))
            case _:
                raise AssertionError(f"unknown event {what} {details}")

    @property
    def pages(self) -> list[tuple[float, Page]]:
        return [(minute, effect) for minute, effect in self.happened if isinstance(effect, Page)]

    @property
    def words(self) -> list[tuple[Any, ...]]:
        """Everything that was said, in the form of the case file."""
        said: list[tuple[Any, ...]] = []
        for minute, effect in self.happened:
            match effect:
                case TellAdvisor(person, word, _, others):
                    said.append((minute, person, str(word), *others))
                case TellClinician(word, _):
                    said.append((minute, "clinician", str(word)))
                case AlarmCoordinator(reason):
                    said.append((minute, "alarm", str(reason)))
                case _:
                    pass
        return said


def marks_of(page: Page) -> set[str]:
    """What the case file may ask of a page beside person and contact."""
    return {str(page.reason), *(["early"] if page.early else []), *(["late"] if page.late else [])}


__all__ = ["START", "Run", "State", "a_ladder", "marks_of", "minutes"]
