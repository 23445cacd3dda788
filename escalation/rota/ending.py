"""Ending a roster: from an instant on it is over. What was stays on record, and nobody waits for an empty step.

A roster that a ladder still calls is not ended behind the ladder's back: either the coordinator names what those steps
call in its stead, which goes into the ladders in the same transaction, or it is refused. Where that leaves hours
without anybody, they have seen them and said that the next step is called at once.

- `outlook(conn, …)`: what would come of it, for showing before it is saved
- `end(conn, …)`: end it, or raise `StillCalled`, `StandInUnfit`, `LeavesHoles`
- `take_back(conn, …)`: an end that lies ahead does not come
- `remove(conn, …)`: forget a roster that never began
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means
from escalation.on_duty import Present, staff_now
from escalation.rota import coverage, rostering, swaps, version_store
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota import words as rota_words
from escalation.rota.coverage import Hole
from escalation.rota.exchange import Exchange
from escalation.rota.plan import Plan
from escalation.rota.roster import Shift, Span
from escalation.rota.version_store import Version
from escalation.standing import Urgency
from helpline import audit
from helpline.accounts import Role
from helpline.messages import Language, OutboundMessage

log = structlog.get_logger(__name__)

AHEAD = timedelta(days=coverage.DAYS)
_ROSTER, _ROLE = "roster:", "role:"


@dataclass(frozen=True)
class Called:
    """Where the ladders call a roster; without a step it is the last resort."""

    urgency: Urgency | None
    step: int = 0  # the first is 1


class CannotEnd(Exception):
    """A roster cannot end, or begin again, as it was asked for."""


class NoSuchRoster(CannotEnd):
    """There is no roster of that name, or nothing of it to end."""


class ChangedMeanwhile(CannotEnd):
    """Somebody else has saved it since it was looked at."""


class StillCalled(CannotEnd):
    """Ladders call it, and nobody has said what they call instead."""

    def __init__(self, steps: tuple[Called, ...]) -> None:
        super().__init__(f"{len(steps)} steps of the ladders still call it.")
        self.steps = steps


class StandInUnfit(CannotEnd):
    """What was named in its stead reaches nobody."""


class LeavesHoles(CannotEnd):
    """What was named in its stead leaves holes, and nobody has said that the next step is called in them."""


@dataclass(frozen=True)
class Outlook:
    """What would come of an end."""

    steps: tuple[Called, ...]  # of the ladders, that call it now
    holes: tuple[Hole, ...]  # of what stands in, in the next fourteen days: it is called from now on
    shifts: tuple[Shift, ...]  # that fall away in those days
    offers: int  # of shifts that fall away
    waiting: int  # escalations that are open with a step on it, which is then skipped


async def outlook(
    conn: AsyncConnection, means: Means, *, name: str, at: datetime, instead: str = "", now: datetime
) -> Outlook:
    """What would come of it, with the `target` that stands in for it in the ladders, where one was named."""
    span = Span(max(at, now), max(at, now) + AHEAD)
    plan = await _plan(conn, name, span.start)
    steps = await calling(conn, name)
    present = await staff_now(conn, now, channels=means.channels)
    target = _ROSTER + name
    return Outlook(
        steps,
        await _holes(conn, present, instead, now) if steps else (),
        plan.without_stand_ins().shifts(span.start, span.end),
        sum(1 for each in await rota_store.open_exchanges(conn) if _falls_away(each, name, span.start)),
        sum(1 for each in await store.list_open(conn) if target in _targets_of(each)),
    )


async def _holes(conn: AsyncConnection, present: Present, instead: str, now: datetime) -> tuple[Hole, ...]:
    """When nobody is on call in what stands in, in the next fourteen days."""
    if not instead.startswith(_ROSTER):
        return ()
    plan = await _plan(conn, instead.removeprefix(_ROSTER), now)
    return coverage.holes_between(plan, Span(now, now + AHEAD), present.speaks) if plan.versions else ()


def _targets_of(filed: store.Filed) -> set[str]:
    return {target for step in filed.escalation.ladder.steps for target in step.targets}


async def calling(conn: AsyncConnection, name: str) -> tuple[Called, ...]:
    """Where the ladders that hold now call this roster."""
    policy = await store.policy(conn)
    target = _ROSTER + name
    found = [
        Called(urgency, number)
        for urgency, ladder in policy.ladders.items()
        for number, step in enumerate(ladder.steps, 1)
        if target in step.targets
    ]
    last = any(target in ladder.last_resort for ladder in policy.ladders.values())
    return (*found, *([Called(None)] if last else []))


async def end(
    conn: AsyncConnection,
    means: Means,
    *,
    name: str,
    at: datetime,
    seen: int,
    instead: str = "",
    accepted: bool = False,
    by: str,
    now: datetime,
) -> None:
    """End it from `at` on. `instead` stands in for it in the ladders; `accepted`: holes of that were seen.

    `seen` is the newest version that its owner knew of. Once more with the same end changes nothing.
    """
    await rota_store.lock_roster(conn, name)
    at = max(at, now)
    newest = await _newest(conn, name)
    held = await version_store.version_at(conn, name, at)
    if newest.ended and newest.saved_by == by and (newest.valid_from == at or newest.valid_from <= now):
        return  # pressed twice
    if newest.id != seen:
        raise ChangedMeanwhile
    if held is None or held.ended:
        raise NoSuchRoster
    ladders = await store.ladder_history(conn, limit=1, lock=True)  # nobody names it in a ladder meanwhile
    steps = await calling(conn, name)
    if steps and not instead:
        raise StillCalled(steps)
    if steps:
        await _put_in_its_stead(conn, means, ladders[0], name, instead, accepted=accepted, by=by, now=now)
    offers = [each for each in await rota_store.lock_open_exchanges(conn) if _falls_away(each, name, at)]
    if steps:  # after the offers, as whoever answers one locks them
        await _at_the_end_of_what_waits(conn, _ROSTER + name, instead)
    plan = await _plan(conn, name, at)
    await store.save_roster(
        conn, name=name, zone=held.zone, definition={}, valid_from=at, now=now, saved_by=by, ended=True
    )
    await _note(conn, name, "roster_ended", by, now, valid_from=at, offers=len(offers))
    for each in offers:
        await swaps.overtake(conn, means, each, by, now)
    await _tell(conn, means, plan, "rota.ended", at, by, now)
    log.info("roster_ended", roster=name)


async def take_back(conn: AsyncConnection, means: Means, *, name: str, by: str, now: datetime) -> bool:
    """An end that lies ahead does not come: from then on holds what would have; False where there is none ahead."""
    await rota_store.lock_roster(conn, name)
    ending = await version_store.end_ahead(conn, name, now)
    if ending is None:
        return False
    for each in await version_store.ended_by(conn, ending):
        await store.save_roster(
            conn,
            name=name,
            zone=each.zone,
            definition=each.definition,
            valid_from=max(each.valid_from, ending.valid_from),
            now=now,
            saved_by=by,
            languages=each.languages,
            fallback=each.fallback or None,
            ended=each.ended,
        )
    await _note(conn, name, "roster_end_taken_back", by, now, valid_from=ending.valid_from)
    await _tell(conn, means, await _plan(conn, name, ending.valid_from), "rota.ended.not", ending.valid_from, by, now)
    return True


async def remove(conn: AsyncConnection, means: Means, *, name: str, by: str, now: datetime) -> None:
    """Forget a roster that has never held; what was offered in it falls away."""
    await rota_store.lock_roster(conn, name)
    begins = await version_store.first_begins(conn, name)
    if begins is None or begins <= now:
        raise NoSuchRoster
    await store.ladder_history(conn, limit=1, lock=True)  # nobody names it in a ladder meanwhile
    steps = await calling(conn, name)
    if steps:
        raise StillCalled(steps)
    for each in await rota_store.lock_open_exchanges(conn):
        if each.roster == name:
            await swaps.overtake(conn, means, each, by, now)
    await version_store.delete_unbegun(conn, name, now)
    await _note(conn, name, "roster_removed", by, now)
    rota_store.rota_changed(conn)


# --- The ladders -----------------------------------------------------------------------------------------------------


async def _put_in_its_stead(
    conn: AsyncConnection,
    means: Means,
    ladders: store.LadderVersion,
    name: str,
    instead: str,
    *,
    accepted: bool,
    by: str,
    now: datetime,
) -> None:
    present = await staff_now(conn, now, channels=means.channels)
    if not await _reaches_somebody(conn, present, name, instead, now):
        raise StandInUnfit
    if not accepted and await _holes(conn, present, instead, now):
        raise LeavesHoles
    definition = with_another(ladders.definition, _ROSTER + name, instead)
    actor = f"staff:{by}"
    await store.save_ladders(conn, definition=definition, now=now, saved_by=actor)
    details: dict[str, audit.Detail] = {"upon": ladders.id}
    await audit.append(conn, at=now, actor=actor, action="ladders_saved", subject="ladders", details=details)


async def _at_the_end_of_what_waits(conn: AsyncConnection, target: str, instead: str) -> None:
    """Open escalations keep their steps; but the last resort, after which nobody comes, is never left empty."""
    for id_ in sorted(each.id for each in await store.list_open(conn)):
        filed = await store.find(conn, id_, lock=True)
        if filed is None or target not in filed.escalation.ladder.last_resort:
            continue
        ladder = filed.escalation.ladder
        resort = tuple(_turned(ladder.last_resort, target, instead))
        changed = replace(filed.escalation, ladder=replace(ladder, last_resort=resort))
        await store.save(conn, [replace(filed, escalation=changed)])


async def _reaches_somebody(conn: AsyncConnection, present: Present, name: str, instead: str, now: datetime) -> bool:
    """Whether what is named can be called, which is from now on, however late the end comes."""
    if instead.startswith(_ROSTER):
        other = instead.removeprefix(_ROSTER)
        return other != name and other in await version_store.lasting(conn, now)
    if instead.startswith(_ROLE):
        members = present.with_role(Role(instead.removeprefix(_ROLE))) if instead in _ROLES else []
        return any(member in present.speaks for member in members)
    return instead in present.speaks


_ROLES = frozenset(f"{_ROLE}{role.value}" for role in Role)


def with_another(definition: Mapping[str, Any], target: str, instead: str) -> dict[str, Any]:
    """The ladders as written, with one target in the place of another. Pure."""
    last = definition["last_resort"]
    resort = {**last, "targets": _turned(last["targets"], target, instead)}
    ladders = {
        urgency: {
            **ladder,
            "steps": [{**step, "targets": _turned(step["targets"], target, instead)} for step in ladder["steps"]],
        }
        for urgency, ladder in definition["ladders"].items()
    }
    return {**definition, "last_resort": resort, "ladders": ladders}


def _turned(targets: Iterable[str], target: str, instead: str) -> list[str]:
    """The targets with one in the place of another, each once."""
    return list(dict.fromkeys(instead if each == target else each for each in targets))


# --- What follows ----------------------------------------------------------------------------------------------------


def _falls_away(made: Exchange, name: str, at: datetime) -> bool:
    return made.roster == name and any(span is not None and span.end > at for span in (made.span, made.back))


async def _newest(conn: AsyncConnection, name: str) -> Version:
    found = await version_store.versions_of(conn, name, limit=1)
    if not found:
        raise NoSuchRoster
    return found[0]


async def _plan(conn: AsyncConnection, name: str, at: datetime) -> Plan:
    plans = await rota_store.plans(conn, at, at + AHEAD)
    return next((plan for plan in plans if plan.name == name), Plan(name, ()))


async def _tell(
    conn: AsyncConnection, means: Means, plan: Plan, key: str, at: datetime, by: str, now: datetime
) -> None:
    """Tell everybody who has shifts in the two weeks after the end."""
    present = await staff_now(conn, now, channels=means.channels)
    first: dict[str, Span] = {}
    for shift in plan.without_stand_ins().shifts(at, at + AHEAD):
        first.setdefault(shift.person, replace(shift.span, start=max(shift.span.start, at)))
    for person, span in sorted(first.items(), key=lambda each: (each[1].start, each[0])):
        zone = rota_notices.zone_of(present.staff.get(person))

        def wording(language: Language, span: Span = span, zone: Any = zone) -> OutboundMessage:
            said = {"roster": plan.name, "shift": rota_words.say_span(span, zone, language)}
            return OutboundMessage(means.phrases.say(key, language, time=rota_words.say_at(at, zone, language), **said))

        once = f"{key}:{plan.name}:{at:%Y%m%d%H%M}:{now:%Y%m%d%H%M%S}"
        await rota_notices.tell(conn, means, present, [person], wording, key=once, now=now, about=span.start, avoid=by)


async def _note(conn: AsyncConnection, name: str, action: str, by: str, now: datetime, **details: audit.Detail) -> None:
    subject = f"roster:{rostering.reference(name)}"
    await audit.append(conn, at=now, actor=f"staff:{by}", action=action, subject=subject, details=details)
