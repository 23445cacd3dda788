"""The ladders as their owner writes them (`content/ladder.yaml`), read strictly.

A policy without a last resort is refused: there must be somebody to wake when everybody else has slept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from escalation.standing import FOR_EVER, Deadlines, Ladder, Step, Urgency, is_group
from helpline.content import Node

CHANNELS = ("desk", "telegram", "sms", "call")  # the ways in which staff are called


@dataclass(frozen=True)
class Policy:
    """A ladder for each urgency, and how long after their turn began people are called on which channel."""

    ladders: Mapping[Urgency, Ladder]
    personal: Mapping[Urgency, Mapping[str, timedelta]]  # by channel; a channel that is left out is not used
    starter: bool  # shipped to begin with, to be replaced by your own

    def targets(self) -> frozenset[str]:
        """Every roster, role and person that any ladder may call."""
        return frozenset(
            target
            for ladder in self.ladders.values()
            for targets in (*(step.targets for step in ladder.steps), ladder.last_resort)
            for target in targets
        )


def read_policy(root: Node) -> Policy:
    """The ladders in a file; `ContentError` names line and fault."""
    fields = root.mapping(required=("last_resort", "ladders", "personal"), optional=("starter",))
    resort = fields["last_resort"].mapping(required=("targets", "retry_minutes"))
    last_resort = _targets(resort["targets"])
    retry = _minutes(resort["retry_minutes"], least=1)
    written = fields["ladders"].mapping(required=tuple(Urgency))
    personal = fields["personal"].mapping(required=tuple(Urgency))
    return Policy(
        ladders={urgency: _read_ladder(written[urgency], last_resort, retry) for urgency in Urgency},
        personal={urgency: _read_personal(personal[urgency]) for urgency in Urgency},
        starter=fields["starter"].flag(default=False),
    )


def _read_ladder(node: Node, last_resort: tuple[str, ...], retry: timedelta) -> Ladder:
    fields = node.mapping(required=("steps", "repeat", "deadlines"))
    limits = fields["deadlines"].mapping(
        required=("first_reply_minutes", "reply_minutes", "grace_minutes", "quiet_minutes", "handover_minutes")
    )
    return Ladder(
        steps=tuple(_read_step(part) for part in fields["steps"].items(at_least=1)),
        repeat=fields["repeat"].integer(minimum=FOR_EVER, maximum=100),
        last_resort=last_resort,
        retry=retry,
        deadlines=Deadlines(
            first_reply=_minutes(limits["first_reply_minutes"]),
            reply=_minutes(limits["reply_minutes"]),
            grace=_minutes(limits["grace_minutes"]),
            quiet=_minutes(limits["quiet_minutes"], least=5),
            handover=_minutes(limits["handover_minutes"], least=1),
        ),
    )


def _read_step(node: Node) -> Step:
    fields = node.mapping(required=("targets", "wait_minutes"), optional=("speaks_language", "speciality", "everyone"))
    return Step(
        targets=_targets(fields["targets"]),
        wait=_minutes(fields["wait_minutes"]),
        speaks=fields["speaks_language"].flag(default=False),
        speciality=fields["speciality"].text(longest=40).casefold() if "speciality" in fields else None,
        everyone=fields["everyone"].flag(default=False),
    )


def _targets(node: Node) -> tuple[str, ...]:
    found: list[str] = []
    for part in node.items(at_least=1):
        target = part.text()
        kind, colon, name = target.partition(":")
        if colon and (kind not in ("roster", "role") or not name):
            raise part.error(f'A target is a staff id, "roster:NAME" or "role:NAME"; "{target}" stands there.')
        if target in found:
            raise part.error(f'"{target}" is listed twice.')
        found.append(target)
    return tuple(found)


def _read_personal(node: Node) -> Mapping[str, timedelta]:
    parts = node.mapping(optional=CHANNELS)
    if not parts:
        raise node.error("At least one channel must be named, or nobody could ever be called.")
    return {channel: timedelta(minutes=part.number(minimum=0, maximum=600)) for channel, part in parts.items()}


def _minutes(node: Node, *, least: float = 0.5) -> timedelta:
    return timedelta(minutes=node.number(minimum=least, maximum=60 * 24 * 7))


def policy_remarks(
    policy: Policy,
    *,
    rosters: Collection[str],
    roles: Collection[str],
    staff: Collection[str],
    specialities: Collection[str] = (),
) -> Iterator[str]:
    """What is wrong with the ladders as the house is staffed now, in plain sentences."""
    for target in sorted(policy.targets()):
        kind, _, name = target.partition(":")
        if kind == "roster" and name not in rosters:
            yield f'The ladder calls the roster "{name}", which does not exist.'
        elif kind == "role" and name not in roles:
            yield f'The ladder calls the role "{name}", which does not exist.'
        elif not is_group(target) and target not in staff:
            yield f'The ladder calls "{target}", who does not work here.'
    asked = {step.speciality for ladder in policy.ladders.values() for step in ladder.steps}
    for speciality in sorted(asked - {None, *specialities}, key=str):
        yield f'The ladder asks for the speciality "{speciality}", which nobody on staff has: that step is skipped.'
    for urgency, ladder in policy.ladders.items():
        if ladder.repeat == FOR_EVER:
            yield f"The {urgency} ladder goes round for ever: the last resort is called only when nobody is on duty."
        longest = max(step.wait for step in ladder.steps)
        slow = [channel for channel, after in policy.personal[urgency].items() if after > longest]
        for channel in slow:
            yield f"On the {urgency} ladder nobody is called by {channel} before their step is over."
