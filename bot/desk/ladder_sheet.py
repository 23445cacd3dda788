"""The ladders as a form: from what is stored to what stands in the fields, and back. Pure.

What was typed is kept as it was typed, also where it is wrong, so that a form that fails loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from multidict import MultiMapping

from escalation.policy import CHANNELS
from escalation.standing import FOR_EVER, Urgency

DEADLINES: Final = ("first_reply", "reply", "grace", "quiet", "handover")
LEAST: Final = {"grace": 0.5, "first_reply": 0.5, "reply": 0.5, "quiet": 5, "handover": 1}  # minutes
LONGEST_WAIT: Final = 60 * 24 * 7  # minutes
LONGEST_DELAY: Final = 600  # minutes
MOST_STEPS: Final = 20
MOST_ROUNDS: Final = 100
LONGEST_SPECIALITY: Final = 40
_MOST_TARGETS: Final = 200

Form = MultiMapping[Any]  # as it was sent; a field may stand in it several times


@dataclass(frozen=True)
class StepSheet:
    """One step, as typed."""

    targets: tuple[str, ...] = ()
    wait: str = ""
    speaks: bool = False
    everyone: bool = False
    speciality: str = ""


@dataclass(frozen=True)
class LadderSheet:
    """The ladder of one urgency, as typed."""

    steps: tuple[StepSheet, ...]
    repeat: str
    deadlines: Mapping[str, str]  # by name
    delays: Mapping[str, str]  # by channel; empty where the channel is not used


@dataclass(frozen=True)
class Sheet:
    """Both ladders and the last resort, as typed."""

    ladders: Mapping[Urgency, LadderSheet]
    last_resort: tuple[str, ...]
    retry: str


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a field: the phrase that says so."""

    phrase: str
    values: Mapping[str, object] = field(default_factory=dict)


def sheet_of(definition: Mapping[str, Any]) -> Sheet:
    """What stands in the fields for stored ladders, in the form of `content/ladder.yaml`."""
    resort = definition["last_resort"]
    ladders = {}
    for urgency in Urgency:
        written = definition["ladders"][urgency.value]
        delays = definition["personal"][urgency.value]
        ladders[urgency] = LadderSheet(
            steps=tuple(
                StepSheet(
                    targets=tuple(step["targets"]),
                    wait=_said(step["wait_minutes"]),
                    speaks=bool(step.get("speaks_language", False)),
                    everyone=bool(step.get("everyone", False)),
                    speciality=str(step.get("speciality", "")),
                )
                for step in written["steps"]
            ),
            repeat=_said(written["repeat"]),
            deadlines={name: _said(written["deadlines"][f"{name}_minutes"]) for name in DEADLINES},
            delays={channel: _said(delays[channel]) if channel in delays else "" for channel in CHANNELS},
        )
    return Sheet(ladders, tuple(resort["targets"]), _said(resort["retry_minutes"]))


def _said(number: float) -> str:
    return f"{number:g}"


def sheet_from(form: Form) -> Sheet:
    """What was typed."""
    return Sheet(
        ladders={urgency: _ladder_from(form, urgency.value) for urgency in Urgency},
        last_resort=_targets_from(form, "last"),
        retry=_typed(form, "retry"),
    )


def _typed(form: Form, name: str) -> str:
    return str(form.get(name, "")).strip()[:60]


def _targets_from(form: Form, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(each)[:80] for each in form.getall(f"{name}.target", [])[:_MOST_TARGETS]))


def _ladder_from(form: Form, name: str) -> LadderSheet:
    numbers = sorted(
        {int(each) for each in form.getall(f"{name}.step", []) if str(each).isdecimal() and len(str(each)) <= 3}
    )
    return LadderSheet(
        steps=tuple(_step_from(form, f"{name}.{number}") for number in numbers[:MOST_STEPS]),
        repeat=_typed(form, f"{name}.repeat"),
        deadlines={each: _typed(form, f"{name}.{each}") for each in DEADLINES},
        delays={channel: _typed(form, f"{name}.delay.{channel}") for channel in CHANNELS},
    )


def _step_from(form: Form, name: str) -> StepSheet:
    return StepSheet(
        targets=_targets_from(form, name),
        wait=_typed(form, f"{name}.wait"),
        speaks=bool(form.get(f"{name}.speaks")),
        everyone=bool(form.get(f"{name}.everyone")),
        speciality=_typed(form, f"{name}.speciality"),
    )


def rearranged(sheet: Sheet, wish: str) -> Sheet | None:
    """The sheet with a step added, taken away or moved ("add:urgent", "up:routine:1"); None for no such wish."""
    act, _, rest = wish.partition(":")
    name, _, place = rest.partition(":")
    if name not in set(Urgency):
        return None
    ladder = sheet.ladders[Urgency(name)]
    steps = list(ladder.steps)
    if act == "add" and not place and len(steps) < MOST_STEPS:
        steps.append(StepSheet(wait="3"))
    elif not place.isdecimal() or not 0 <= (at := int(place)) < len(steps):
        return None
    elif act == "remove":
        del steps[at]
    elif act == "up" and at > 0:
        steps[at - 1], steps[at] = steps[at], steps[at - 1]
    elif act == "down" and at < len(steps) - 1:
        steps[at], steps[at + 1] = steps[at + 1], steps[at]
    else:
        return None
    return replace(sheet, ladders={**sheet.ladders, Urgency(name): replace(ladder, steps=tuple(steps))})


def definition_of(sheet: Sheet) -> tuple[dict[str, Any], dict[str, Wrong]]:
    """The ladders to be stored, and what is wrong by field; with anything wrong they must not be."""
    reading = _Reading()
    definition = {
        "last_resort": {
            "targets": reading.targets("last", sheet.last_resort),
            "retry_minutes": reading.number("retry", sheet.retry, 1, LONGEST_WAIT),
        },
        "ladders": {urgency.value: reading.ladder(urgency.value, sheet.ladders[urgency]) for urgency in Urgency},
        "personal": {urgency.value: reading.delays(urgency.value, sheet.ladders[urgency]) for urgency in Urgency},
    }
    return definition, reading.wrong


class _Reading:
    """Reads typed fields and notes what is wrong with them."""

    def __init__(self) -> None:
        self.wrong: dict[str, Wrong] = {}

    def number(self, name: str, typed: str, least: float, most: float) -> float:
        try:
            value = float(typed.replace(",", "."))
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            self.wrong[name] = Wrong("ladders.wrong.number", {"least": _said(least), "most": _said(most)})
            return least
        return int(value) if value == int(value) else value

    def targets(self, name: str, chosen: Sequence[str]) -> list[str]:
        if not chosen:
            self.wrong[f"{name}.target"] = Wrong("ladders.wrong.nobody")
        return list(chosen)

    def ladder(self, name: str, ladder: LadderSheet) -> dict[str, Any]:
        if not ladder.steps:
            self.wrong[name] = Wrong("ladders.wrong.no_step")
        repeat = self.number(f"{name}.repeat", ladder.repeat, FOR_EVER, MOST_ROUNDS)
        if repeat != int(repeat):
            self.wrong[f"{name}.repeat"] = Wrong(
                "ladders.wrong.number", {"least": _said(FOR_EVER), "most": _said(MOST_ROUNDS)}
            )
        return {
            "steps": [self._step(f"{name}.{number}", step) for number, step in enumerate(ladder.steps)],
            "repeat": int(repeat),
            "deadlines": {
                f"{each}_minutes": self.number(f"{name}.{each}", ladder.deadlines[each], LEAST[each], LONGEST_WAIT)
                for each in DEADLINES
            },
        }

    def _step(self, name: str, step: StepSheet) -> dict[str, Any]:
        read: dict[str, Any] = {
            "targets": self.targets(name, step.targets),
            "wait_minutes": self.number(f"{name}.wait", step.wait, 0.5, LONGEST_WAIT),
        }
        if step.speaks:
            read["speaks_language"] = True
        if step.everyone:
            read["everyone"] = True
        if step.speciality:
            read["speciality"] = step.speciality[:LONGEST_SPECIALITY]
            if len(step.speciality) > LONGEST_SPECIALITY:
                self.wrong[f"{name}.speciality"] = Wrong("ladders.wrong.long", {"most": LONGEST_SPECIALITY})
        return read

    def delays(self, name: str, ladder: LadderSheet) -> dict[str, float]:
        used = {channel: typed for channel, typed in ladder.delays.items() if typed}
        if not used:
            self.wrong[f"{name}.delays"] = Wrong("ladders.wrong.no_channel")
        return {
            channel: self.number(f"{name}.delay.{channel}", typed, 0, LONGEST_DELAY) for channel, typed in used.items()
        }


def targets_in(sheet: Sheet) -> Iterable[str]:
    """Every target that the sheet names."""
    yield from sheet.last_resort
    for ladder in sheet.ladders.values():
        for step in ladder.steps:
            yield from step.targets
