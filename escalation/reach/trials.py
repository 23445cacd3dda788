"""Testing that advisors are reached, before a shift begins and whenever somebody asks for it.

Each way in somebody's rules gets a short message that they answer by a tap, a key or a code. Unanswered, it is sent
once more; after that the coordinators are told who is not reached, where, and which shift it is about, while there is
time to find another. Whoever answered a page from a contact a short while ago is not tested there.

A test is a row with a time. A tick claims, decides and writes in one transaction; a process that dies on any line has
changed nothing, and a shift is tested once however many look at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import paging, store
from escalation.carry import Means, alarm_coordinators, lane_to
from escalation.on_duty import ALL_CHANNELS, Present, quiet_hours, staff_now
from escalation.paging import Wish
from escalation.reach import quiet, rehearsal
from escalation.reach import store as reach_store
from escalation.reach.rehearsal import AGAIN, FRESH, LOOK, ROUNDS, Begins
from escalation.reach.rules import DESK
from escalation.reach.store import ReachTest, TestState
from escalation.rota import store as rota_store
from escalation.rota.local_time import say_instant
from escalation.standing import Urgency
from helpline import accounts, audit, outbox
from helpline.accounts import ContactChannel
from helpline.database import Database
from helpline.daytime import is_night
from helpline.messages import Choice, Language, OutboundMessage
from helpline.outbox import OutboundKind
from helpline.phrases import Phrases, say_list, say_time

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
TOGETHER = 50
PROVED_FOR = timedelta(days=8)  # after which somebody who is on call counts as untested
_TAP = "reach:"

next_due = reach_store.next_test_due


# --- Before shifts ---------------------------------------------------------------------------------------------------


async def tick(db: Database, means: Means, now: datetime, *, limit: int = TOGETHER) -> int:
    """Plan the tests before the next day's shifts, and move those whose time has come; how many were moved."""
    async with db.read() as conn:
        missing = await _missing(conn, now)
    async with db.write() as conn:
        for begins, due_at in missing:
            await reach_store.plan_test(
                conn,
                key=begins.key,
                staff_id=begins.person,
                now=now,
                due_at=due_at,
                roster=", ".join(begins.rosters),
                shift_at=begins.at,
            )
        due = await reach_store.claim_tests(conn, now=now, lease=LEASE, limit=limit)
        if due:
            present = await staff_now(conn, now, channels=means.channels)
            ahead = {begins.key for begins in await _ahead(conn, now)}
            for test in due:
                await _move(conn, means, present, test, ahead, now)
    return len(due)


async def _ahead(conn: AsyncConnection, now: datetime) -> tuple[Begins, ...]:
    plans = await rota_store.plans(conn, now, now + LOOK)
    return rehearsal.beginning(
        [(plan.name, shift) for plan in plans for shift in plan.shifts(now, now + LOOK + timedelta(seconds=1))], now
    )


async def _missing(conn: AsyncConnection, now: datetime) -> list[tuple[Begins, datetime]]:
    """The shifts ahead that have no test yet, and when each is to be tested."""
    ahead = await _ahead(conn, now)
    known = await reach_store.known_keys(conn, [begins.key for begins in ahead])
    if known >= {begins.key for begins in ahead}:
        return []
    staff = {member.id: member for member in await accounts.list_staff(conn)}
    hours = await quiet_hours(conn, staff)

    def when(begins: Begins) -> datetime:
        def rests(at: datetime) -> bool:
            return any(begins.person in quiet.stand_ins(hours, urgency, at) for urgency in Urgency)

        return rehearsal.when_to_test(begins.at, ZoneInfo(staff[begins.person].zone), rests)

    return [(begins, when(begins)) for begins in ahead if begins.key not in known and begins.person in staff]


async def _move(
    conn: AsyncConnection, means: Means, present: Present, test: ReachTest, ahead: set[str], now: datetime
) -> None:
    """Send it, send it again, or say that it came to nothing."""
    member = present.staff.get(test.staff_id)
    if member is None or (test.shift_at is not None and not _still_theirs(test, ahead, now)):
        await reach_store.save_test(conn, test.id, TestState.GONE, now=now)
        return
    left = await _not_answered(conn, present, test, now)
    if not left:
        await reach_store.save_test(conn, test.id, TestState.ANSWERED, now=now)
        return
    if test.rounds >= ROUNDS:
        await _came_to_nothing(conn, means, present, test, left, now)
        return
    zone = ZoneInfo(member.zone)
    if test.shift_at is not None and is_night(now, zone):
        await _spare_the_night(conn, means, present, test, left, zone, now)
        return
    await _send(conn, means, present, test, left, now)


def _still_theirs(test: ReachTest, ahead: set[str], now: datetime) -> bool:
    assert test.shift_at is not None
    begun = test.shift_at <= now  # what has begun is not ahead any more; an answer is still wanted
    return begun or Begins(test.staff_id, test.shift_at, ()).key in ahead


async def _not_answered(conn: AsyncConnection, present: Present, test: ReachTest, now: datetime) -> dict[int, str]:
    """The contacts in their rules, with the channels, from which they have not answered lately."""
    latest = await reach_store.answers(conn)
    since = now - FRESH if test.shift_at is not None else test.made_at
    return {
        contact: channel
        for contact, channel in ways_used(present, test.staff_id).items()
        if contact not in latest or latest[contact] < since
    }


def ways_used(present: Present, staff_id: str) -> dict[int, str]:
    """The contacts that somebody is woken on by their rules, urgent or routine, with their channels."""
    wanted = {
        way.contact for staffing in present.staffing.values() for way in staffing.ways.get(staff_id, ()) if way.usable
    }
    reaches = present.reaches.get(staff_id, ())
    return {
        reach.contact_id: reach.channel
        for reach in reaches
        if str(reach.contact_id) in wanted and reach.channel != DESK and not reach.stopped
    }


async def _send(
    conn: AsyncConnection, means: Means, present: Present, test: ReachTest, left: Mapping[int, str], now: datetime
) -> None:
    code = test.code or await store.reserve_code(conn, staff_id=test.staff_id, now=now)
    zone = ZoneInfo(present.staff[test.staff_id].zone)
    language = present.language_of(test.staff_id)
    written = to_test(means.phrases, test, code, zone, language, now)
    spoken = to_be_heard(means.phrases, test, zone, language, now)
    addresses = {each.id: each.address() for each in await accounts.contacts(conn, means.vault, test.staff_id)}
    for contact, channel in left.items():
        address = addresses.get(contact)
        if address is None:
            continue
        await outbox.enqueue(
            conn,
            means.vault,
            key=f"reach:{test.id}:{contact}:{test.rounds}",
            lane=lane_to(test.staff_id, f"{channel}:test"),  # of its own: it keeps nothing else waiting
            kind=OutboundKind.NOTICE,
            subject=f"staff:{test.staff_id}",
            to=address,
            message=spoken if channel == ContactChannel.CALL else written,
            now=now,
        )
    await reach_store.note_tried(conn, test.id, left.items(), now)
    await reach_store.save_test(
        conn, test.id, TestState.SENT, now=now, due_at=now + AGAIN, code=code, rounds=test.rounds + 1
    )
    log.info("reach_test_sent", test_id=test.id, staff_id=test.staff_id, ways=len(left), round=test.rounds + 1)


async def _spare_the_night(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    test: ReachTest,
    left: Mapping[int, str],
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """The shift became known at night: they are tested in the morning, or not where it has begun by then."""
    assert test.shift_at is not None
    morning = now
    while is_night(morning, zone):
        morning += timedelta(minutes=5) - timedelta(minutes=morning.minute % 5, seconds=morning.second)
    if test.rounds == 0 and morning < test.shift_at:
        await reach_store.save_test(conn, test.id, TestState.PLANNED, now=now, due_at=morning)
    elif test.rounds == 0:
        await reach_store.save_test(conn, test.id, TestState.TOO_LATE, now=now)
    else:
        await _came_to_nothing(conn, means, present, test, left, now)


async def _came_to_nothing(
    conn: AsyncConnection, means: Means, present: Present, test: ReachTest, left: Mapping[int, str], now: datetime
) -> None:
    """Nobody answered: the coordinators hear of it, where it is about a shift."""
    told = 0
    if test.shift_at is not None:
        key = (
            "alarm.not_reached_there" if ways_used(present, test.staff_id).keys() - left.keys() else "alarm.not_reached"
        )
        told = await alarm_coordinators(
            conn,
            means,
            present,
            lambda language: _about_shift(means.phrases, present, test, key, language, now, left.values()),
            key=f"reach:{test.id}",
            now=now,
        )
        log.warning("reach_test_unanswered", test_id=test.id, staff_id=test.staff_id, ways=len(left), told=told)
        await audit.append(
            conn,
            at=now,
            actor="line",
            action="reach_test_unanswered",
            subject=f"staff:{test.staff_id}",
            details={"test": test.id, "channels": sorted(left.values())},
        )
    await reach_store.save_test(conn, test.id, TestState.SILENT, now=now, told=told > 0)


# --- Because somebody asked ------------------------------------------------------------------------------------------


async def send_test(conn: AsyncConnection, means: Means, staff_id: str, now: datetime) -> ReachTest | None:
    """Test somebody now, on every way that has not answered in this test; None where they have no way to be tested.

    A second press within the same minutes is the same test.
    """
    for test in await reach_store.open_tests_of(conn, staff_id):
        if test.shift_at is None:
            return test
    present = await staff_now(conn, now, channels=means.channels)
    if not ways_used(present, staff_id):
        return None
    key = f"{staff_id}:asked:{now.isoformat()}"
    await reach_store.plan_test(conn, key=key, staff_id=staff_id, now=now, due_at=now)
    [test, *_] = await reach_store.latest_tests(conn, since=now, staff_id=staff_id)
    if test.state is TestState.PLANNED:
        await _send(conn, means, present, test, ways_used(present, staff_id), now)
    return test


# --- Answers ---------------------------------------------------------------------------------------------------------


def token_of(test: ReachTest) -> str:
    """What the button or key of a test sends back."""
    return f"{_TAP}{test.id}"


def is_answer(token: str) -> bool:
    """Whether a tapped button or key is of a test."""
    return token.startswith(_TAP)


async def hear(
    conn: AsyncConnection, means: Means, *, staff_id: str, contact: str, text: str = "", token: str = "", now: datetime
) -> OutboundMessage | None:
    """Take what a member of staff wrote, tapped or keyed as an answer to a test, where it is one; what to say to that.

    None where it is none, and then it means something else.
    """
    tests = await reach_store.latest_tests(conn, since=now - timedelta(days=2), staff_id=staff_id)
    if is_answer(token):
        test = next((each for each in tests if token_of(each) == token), None)
    elif token:
        return None
    else:
        reply = paging.read_reply(text)
        if reply.code is not None:
            test = await reach_store.find_test(conn, staff_id, reply.code)
        elif reply.wish is Wish.TAKE and not await _means_a_page(conn, staff_id, now):
            # A bare "1" or "yes" is an answer to a test only where it can be nothing else.
            open_now = (each for each in tests if each.state is TestState.SENT)
            test = next((each for each in open_now if contact in {str(way.contact_id) for way in each.ways}), None)
        else:
            test = None
        if test is None:
            return None
    await reach_store.note_answer(conn, staff_id, contact, now)
    if test is not None and test.told and test.shift_at is not None and test.shift_at > now:
        await _after_all(conn, means, test, now)
    return OutboundMessage(means.phrases.say("reach.answered", await _language(conn, staff_id)))


async def _after_all(conn: AsyncConnection, means: Means, test: ReachTest, now: datetime) -> None:
    """The coordinators need look for nobody else."""
    present = await staff_now(conn, now, channels=means.channels)
    await alarm_coordinators(
        conn,
        means,
        present,
        lambda language: _about_shift(means.phrases, present, test, "alarm.reached_after_all", language, now),
        key=f"reached:{test.id}",
        now=now,
    )


async def _means_a_page(conn: AsyncConnection, staff_id: str, now: datetime) -> bool:
    if await store.owned_by(conn, staff_id):
        return True
    return bool(await store.asked_of(conn, staff_id, since=now - timedelta(days=2)))


async def _language(conn: AsyncConnection, staff_id: str) -> Language:
    member = await accounts.find_staff(conn, staff_id)
    return member.languages[0] if member is not None and member.languages else Language.NB


# --- Who is untested -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Untested:
    """Somebody on call, now or within a day, of whom nobody knows whether they are reached."""

    staff_id: str
    name: str
    channels: tuple[str, ...]  # on which they have not answered lately; none where they have no way that can be tested
    silent: bool  # they were tested and did not answer
    begins: datetime | None  # when their shift begins; None where they are on call now
    rosters: tuple[str, ...]


async def who_is_untested(
    conn: AsyncConnection, now: datetime, *, channels: frozenset[str] = ALL_CHANNELS
) -> list[Untested]:
    """Who is on call now or within a day and has not answered on every way they are woken on, the nearest first."""
    present = await staff_now(conn, now, channels=channels)
    tests = await reach_store.latest_tests(conn, since=now - PROVED_FOR)
    latest = await reach_store.answers(conn)
    found = []
    for person, (at, rosters) in (await _on_call_soon(conn, now)).items():
        if person not in present.staff:
            continue
        used = ways_used(present, person)
        silent_on = {
            way.contact_id
            for test in tests
            if test.staff_id == person and test.state is TestState.SILENT
            for way in test.unanswered
            if latest.get(way.contact_id, way.sent_at) <= way.sent_at
        }
        missing = [c for c in used if latest.get(c, now - 2 * PROVED_FOR) < now - PROVED_FOR or c in silent_on]
        if missing or not used:
            names = tuple(dict.fromkeys(used[contact] for contact in missing))
            silent = bool(silent_on & set(missing))
            found.append(Untested(person, present.name_of(person), names, silent, at, tuple(sorted(rosters))))
    return sorted(found, key=lambda each: (each.begins is not None, each.begins or now, each.staff_id))


def sentences(found: Iterable[Untested]) -> list[str]:
    """The same in plain sentences, for `varde check`; who has no way that could be tested is told of elsewhere."""
    return [
        f'The roster "{", ".join(each.rosters)}" has "{each.staff_id}" on call '
        f"{'now' if each.begins is None else 'from ' + say_instant(each.begins)}, "
        f"{'who did not answer the last test on' if each.silent else 'who has not lately answered on'} "
        f"{', '.join(each.channels)}."
        for each in found
        if each.channels
    ]


async def _on_call_soon(conn: AsyncConnection, now: datetime) -> dict[str, tuple[datetime | None, set[str]]]:
    found: dict[str, tuple[datetime | None, set[str]]] = {}
    for plan in await rota_store.plans(conn, now, now + LOOK):
        for shift in plan.shifts(now, now + LOOK):
            at = shift.span.start if shift.span.start > now else None
            known = found.get(shift.person)
            if known is None:
                found[shift.person] = (at, {plan.name})
            else:
                earlier = None if at is None or known[0] is None else min(at, known[0])
                found[shift.person] = (earlier, known[1] | {plan.name})
    return found


# --- Words -----------------------------------------------------------------------------------------------------------


def to_test(
    phrases: Phrases, test: ReachTest, code: str, zone: ZoneInfo, language: Language, now: datetime
) -> OutboundMessage:
    """The message that somebody answers to show that they are reached."""
    answer = Choice(token_of(test), phrases.say("reach.here", language), digit="1")
    if test.shift_at is None:
        return OutboundMessage(phrases.say("reach.test.asked", language, code=code), (answer,))
    when = say_time(test.shift_at, now=now, zone=zone, language=language)
    return OutboundMessage(phrases.say("reach.test.shift", language, code=code, when=when), (answer,))


def to_be_heard(
    phrases: Phrases, test: ReachTest, zone: ZoneInfo, language: Language, now: datetime
) -> OutboundMessage:
    """What is said on the phone, once a key has shown that somebody is there: the key is the answer."""
    if test.shift_at is None:
        return OutboundMessage(phrases.say("reach.test.heard", language))
    when = say_time(test.shift_at, now=now, zone=zone, language=language)
    return OutboundMessage(phrases.say("reach.test.heard_shift", language, when=when))


def _about_shift(
    phrases: Phrases,
    present: Present,
    test: ReachTest,
    key: str,
    language: Language,
    now: datetime,
    channels: Iterable[str] = (),
) -> OutboundMessage:
    """What a coordinator is told of a test: whom and which shift it is about, and when that begins."""
    assert test.shift_at is not None
    zone = ZoneInfo(present.staff[test.staff_id].zone)
    text = phrases.say(
        key,
        language,
        name=present.name_of(test.staff_id),
        roster=test.roster,
        when=say_time(test.shift_at, now=now, zone=zone, language=language),
        channels=say_list(
            [phrases.say(f"reach.channel.{each}", language) for each in dict.fromkeys(channels)], language
        ),
    )
    return OutboundMessage(text, urgent=True)
