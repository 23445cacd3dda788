"""Shifts that pass from one advisor to another, with the consent of both; the rules stand in `exchange.py`.

Whoever makes an offer has said yes. When the other says yes too, the roster gets a new version in the same transaction,
and so does every version that is saved for later and holds at the shift. Nothing else moves a shift.

- `give_away(…)`, `ask_to_take(…)`, `offer_swap(…)`: make an offer
- `accept(…)`, `decline(…)`, `withdraw(…)`: answer one, or take back one's own
- `shifts_ahead(conn, now, …)`: the shifts that can be given, asked for or swapped
- `open_for(conn, staff_id)`: the offers somebody may answer, and those of their own that wait

All of them raise `CannotExchange` with the objection where it cannot be.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.carry import Means, Wording
from escalation.on_duty import Present, staff_now
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota import words as rota_words
from escalation.rota.exchange import CannotExchange, Exchange, Kind, Objection, State, objection, reassigned, was_theirs
from escalation.rota.plan import Plan, within
from escalation.rota.roster import Span, read_zone
from helpline import audit
from helpline.accounts import Role
from helpline.content import node_of
from helpline.messages import Language, OutboundMessage

log = structlog.get_logger(__name__)

AHEAD = timedelta(days=60)  # how far shifts are listed


@dataclass(frozen=True)
class Ahead:
    """A shift that lies ahead, or has begun."""

    id: str  # short, and the same whenever it is asked for
    roster: str
    person: str
    span: Span


def shift_id(roster: str, person: str, start: datetime) -> str:
    """The short name of a shift: whose, where, and when it begins."""
    said = f"{roster}\n{person}\n{start.timestamp():.0f}"
    return hashlib.sha256(said.encode()).hexdigest()[:12]


async def shifts_ahead(
    conn: AsyncConnection, now: datetime, *, staff_id: str | None = None, within_: timedelta = AHEAD
) -> list[Ahead]:
    """The shifts that have not ended, of one person or of everybody, in the order they begin.

    Leave hides none, and to stand in for a hole is no shift.
    """
    found: list[Ahead] = []
    for plan in await rota_store.plans(conn, now, now + within_):
        for shift in plan.without_leave().without_stand_ins().shifts(now, now + within_):
            if staff_id in (None, shift.person):
                name = shift_id(plan.name, shift.person, shift.span.start)
                found.append(Ahead(name, plan.name, shift.person, shift.span))
    return sorted(found, key=lambda each: (each.span.start, each.span.end, each.roster, each.person))


async def give_away(
    conn: AsyncConnection,
    means: Means,
    *,
    roster: str,
    holder: str,
    span: Span,
    taker: str | None = None,
    now: datetime,
) -> Exchange:
    """Offer one's shift to a colleague, or without one to whoever says yes first."""
    return await _offer(conn, means, _new(Kind.GIVE, roster, holder, span, taker, None, holder, now), now)


async def ask_to_take(
    conn: AsyncConnection, means: Means, *, roster: str, holder: str, span: Span, taker: str, now: datetime
) -> Exchange:
    """Ask a colleague for their shift."""
    return await _offer(conn, means, _new(Kind.TAKE, roster, holder, span, taker, None, taker, now), now)


async def offer_swap(
    conn: AsyncConnection, means: Means, *, roster: str, holder: str, span: Span, taker: str, back: Span, now: datetime
) -> Exchange:
    """Offer one's shift for a colleague's: the taker has `span`, and the holder has `back`."""
    return await _offer(conn, means, _new(Kind.SWAP, roster, holder, span, taker, back, holder, now), now)


def _new(
    kind: Kind,
    roster: str,
    holder: str,
    span: Span,
    taker: str | None,
    back: Span | None,
    by: str,
    now: datetime,
) -> Exchange:
    return Exchange(secrets.token_hex(5), kind, roster, holder, span, taker, back, State.OPEN, by, now)


async def _offer(conn: AsyncConnection, means: Means, made: Exchange, now: datetime) -> Exchange:
    await rota_store.lock_roster(conn, made.roster)  # so that of two same questions at one instant one is asked
    present = await staff_now(conn, now, channels=means.channels)
    plan = await _plan(conn, made, now)
    why = objection(made, plan, made.taker, now, fit=_fit(present))
    if why is None and made.taker is not None:
        await _versions_after(
            conn, made, made.taker, now
        )  # so that what cannot be done is said before anybody is asked
    if why is not None:
        raise CannotExchange(why)
    for waiting in await rota_store.open_exchanges(conn):
        if replace(waiting, id="", made_at=now) == replace(made, id="", made_at=now):
            return waiting  # asked twice is asked once
    await rota_store.insert_exchange(conn, made)
    await _note(conn, made, "shift_offered", made.made_by, now)
    rota_store.rota_changed(conn)
    asked = _asked(made, present)
    await rota_notices.tell(
        conn,
        means,
        present,
        asked,
        _offer_wording(means, present, made),
        key=f"offer:{made.id}",
        now=now,
        about=made.span.start,
    )
    log.info("shift_offered", exchange_id=made.id, kind=made.kind.value)
    return made


def _asked(made: Exchange, present: Present) -> list[str]:
    if made.kind is Kind.TAKE:
        return [made.holder]
    if made.taker is not None:
        return [made.taker]
    return [person for person in present.with_role(Role.ADVISOR) if person != made.holder]


def _offer_wording(means: Means, present: Present, made: Exchange) -> Wording:
    zone = rota_notices.zone_of(present.staff.get(made.taker or made.holder))

    def say(language: Language) -> OutboundMessage:
        name = present.name_of(made.made_by)
        return rota_words.offer(means.phrases, made, name=name, zone=zone, language=language)

    return say


# --- Answers ---------------------------------------------------------------------------------------------------------


async def accept(conn: AsyncConnection, means: Means, exchange_id: str, staff_id: str, now: datetime) -> Exchange:
    """Say yes, and the roster says so from now on. Where it has changed under the offer, that is `OVERTAKEN`."""
    known = await rota_store.find_exchange(conn, exchange_id)
    if known is not None:
        # The roster before the offer, as whoever saves or ends the roster locks them.
        await rota_store.lock_roster(conn, known.roster)
    made = await _open(conn, exchange_id, staff_id)
    taker = made.taker if made.taker is not None else staff_id
    present = await staff_now(conn, now, channels=means.channels)
    why = objection(made, await _plan(conn, made, now), taker, now, fit=_fit(present))
    if why is Objection.NOT_THEIRS:
        # Not raised, so that it is kept: the offer is of no use to anybody any more.
        return await rota_store.answer_exchange(conn, made.id, state=State.OVERTAKEN, by=staff_id, now=now)
    if why is not None:
        raise CannotExchange(why)
    for version in await _versions_after(conn, made, taker, now):
        await store.save_roster(
            conn,
            name=made.roster,
            zone=version.zone,
            definition=version.definition,
            valid_from=max(version.valid_from, now),
            now=now,
            saved_by=staff_id,
            languages=version.languages,
            fallback=version.fallback,
        )
    done = await rota_store.answer_exchange(conn, made.id, state=State.ACCEPTED, by=staff_id, now=now, taker=taker)
    await _note(conn, done, "shift_exchanged", staff_id, now)
    await _tell_other(conn, means, present, done, staff_id, now)
    log.info("shift_exchanged", exchange_id=done.id, kind=done.kind.value)
    return done


async def decline(conn: AsyncConnection, means: Means, exchange_id: str, staff_id: str, now: datetime) -> Exchange:
    """Say no. An offer to everybody stays open for the others."""
    made = await _open(conn, exchange_id, staff_id)
    if made.kind is Kind.GIVE and made.taker is None:
        return made
    done = await rota_store.answer_exchange(conn, made.id, state=State.DECLINED, by=staff_id, now=now)
    await _note(conn, done, "shift_declined", staff_id, now)
    present = await staff_now(conn, now, channels=means.channels)
    name = present.name_of(staff_id)
    await _tell_one(conn, means, present, done, done.made_by, "rota.declined", now, name=name)
    rota_store.rota_changed(conn)
    return done


async def withdraw(conn: AsyncConnection, means: Means, exchange_id: str, staff_id: str, now: datetime) -> Exchange:
    """Take back one's own offer."""
    made = await rota_store.find_exchange(conn, exchange_id, lock=True)
    if made is None or made.made_by != staff_id:
        raise CannotExchange(Objection.UNKNOWN)
    if made.state is State.WITHDRAWN:
        return made
    if made.state is not State.OPEN:
        raise CannotExchange(Objection.NOT_OPEN)
    done = await rota_store.answer_exchange(conn, made.id, state=State.WITHDRAWN, by=staff_id, now=now)
    await _note(conn, done, "shift_withdrawn", staff_id, now)
    present = await staff_now(conn, now, channels=means.channels)
    if done.taker is not None:
        other = done.holder if done.kind is Kind.TAKE else done.taker
        await _tell_one(conn, means, present, done, other, "rota.withdrawn", now)
    rota_store.rota_changed(conn)
    return done


async def expire(conn: AsyncConnection, means: Means, now: datetime) -> int:
    """End the offers of shifts that are over, and tell those who made them; how many.

    Of a shift that the roster has given to somebody else meanwhile nobody is told that it is as it was.
    """
    ended = [each for each in await rota_store.lock_open_exchanges(conn) if each.span.end <= now]
    if not ended:
        return 0
    present = await staff_now(conn, now, channels=means.channels)
    for made in ended:
        plans = {plan.name: plan for plan in await rota_store.plans(conn, made.span.start, made.span.end)}
        if made.roster not in plans or not was_theirs(made, plans[made.roster]):
            await rota_store.answer_exchange(conn, made.id, state=State.OVERTAKEN, by="line", now=now)
            continue
        done = await rota_store.answer_exchange(conn, made.id, state=State.EXPIRED, by="line", now=now)
        key = "rota.expired" if made.made_by == made.holder else "rota.expired.asked"
        await _tell_one(conn, means, present, done, made.made_by, key, now)
    return len(ended)


async def overtake(conn: AsyncConnection, means: Means, made: Exchange, by: str, now: datetime) -> None:
    """End an offer, locked before, of a shift that falls away with its roster; both sides are told."""
    done = await rota_store.answer_exchange(conn, made.id, state=State.OVERTAKEN, by=by, now=now)
    await _note(conn, done, "shift_fell_away", by, now)
    present = await staff_now(conn, now, channels=means.channels)
    for person in sorted({done.made_by, done.holder, *([done.taker] if done.taker is not None else [])} - {by}):
        await _tell_one(conn, means, present, done, person, "rota.overtaken", now, roster=done.roster)


@dataclass(frozen=True)
class Offers:
    """What waits for an answer."""

    to_answer: tuple[Exchange, ...]  # theirs to say yes or no
    waiting: tuple[Exchange, ...]  # their own, until another has answered


async def open_for(conn: AsyncConnection, staff_id: str) -> Offers:
    """What waits for this person's answer, and what of theirs waits for another's."""
    waiting = await rota_store.open_exchanges(conn)
    return Offers(
        tuple(each for each in waiting if each.may_answer(staff_id)),
        tuple(each for each in waiting if each.made_by == staff_id),
    )


async def _open(conn: AsyncConnection, exchange_id: str, staff_id: str) -> Exchange:
    made = await rota_store.find_exchange(conn, exchange_id, lock=True)
    if made is None:
        raise CannotExchange(Objection.UNKNOWN)
    if made.state is not State.OPEN:
        raise CannotExchange(Objection.NOT_OPEN)
    if not made.may_answer(staff_id):
        raise CannotExchange(Objection.NOT_FOR_YOU)
    return made


def passed_on(done: Exchange) -> list[tuple[Span, str, str]]:
    """Which shift has passed from whom to whom."""
    assert done.taker is not None
    parts = [(done.span, done.holder, done.taker)]
    return parts if done.back is None else [*parts, (done.back, done.taker, done.holder)]


async def _tell_other(
    conn: AsyncConnection, means: Means, present: Present, done: Exchange, answered: str, now: datetime
) -> None:
    """Tell the one who waited; whoever answered sees it where they did."""
    for number, (span, giver, receiver) in enumerate(passed_on(done)):
        shown = replace(done, id=f"{done.id}-{number}", span=span)
        if receiver != answered:
            await _tell_one(conn, means, present, shown, receiver, "rota.accepted.taker", now)
        if giver != answered:
            name = present.name_of(receiver)
            await _tell_one(conn, means, present, shown, giver, "rota.accepted.holder", now, name=name)


async def _tell_one(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    done: Exchange,
    person: str,
    key: str,
    now: datetime,
    **said: str,
) -> None:
    zone = rota_notices.zone_of(present.staff.get(person))

    def wording(language: Language) -> OutboundMessage:
        shift = rota_words.say_span(done.span, zone, language)
        return OutboundMessage(means.phrases.say(key, language, shift=shift, **said))

    await rota_notices.tell(
        conn, means, present, [person], wording, key=f"{key}:{done.id}", now=now, about=done.span.start
    )


# --- The roster ------------------------------------------------------------------------------------------------------


async def _plan(conn: AsyncConnection, made: Exchange, now: datetime) -> Plan:
    until = max(made.span.end, made.back.end if made.back is not None else made.span.end, now + timedelta(days=1))
    # Inside a shift that has begun its beginning lies in the past.
    since = min(now, made.span.start, made.back.start if made.back is not None else now)
    plans = {plan.name: plan for plan in await rota_store.plans(conn, since, until)}
    if made.roster not in plans:
        raise CannotExchange(Objection.UNKNOWN)
    return plans[made.roster]


async def _versions_after(conn: AsyncConnection, made: Exchange, taker: str, now: datetime) -> list[rota_store.Saved]:
    """The versions of the roster in which the shift has passed on: the one that holds, and those saved for later."""
    versions = await rota_store.versions_ahead(conn, made.roster, now)
    changed = []
    for number, version in enumerate(versions):
        following = versions[number + 1].valid_from if number + 1 < len(versions) else datetime.max.replace(tzinfo=UTC)
        holds = Span(max(version.valid_from, now), following)
        zone = read_zone(node_of(version.zone, file="roster"))
        definition = dict(version.definition)
        for span, giver, receiver in made.parts(taker, now):
            part = within(span, holds)
            if part is not None:
                definition = reassigned(definition, zone, part, giver, receiver, since=holds.start)
        if definition != version.definition:
            changed.append(replace(version, definition=definition))
    if not changed:
        raise CannotExchange(Objection.TANGLED)
    return changed


def _fit(present: Present) -> frozenset[str]:
    """Those who may hold a shift: advisors whom a page would reach."""
    return frozenset(set(present.with_role(Role.ADVISOR)) & present.speaks.keys())


async def _note(conn: AsyncConnection, made: Exchange, action: str, by: str, now: datetime) -> None:
    details: dict[str, audit.Detail] = {
        "roster": made.roster,
        "kind": made.kind.value,
        "holder": made.holder,
        "from": made.span.start,
        "to": made.span.end,
    }
    if made.taker is not None:
        details["taker"] = made.taker
    await audit.append(conn, at=now, actor=f"staff:{by}", action=action, subject=f"exchange:{made.id}", details=details)
