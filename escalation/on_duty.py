"""What is known of the staff at an instant: who is on call, who can be reached where, who speaks what.

This is the *gather* of the waiting room: it reads rosters, staff and contacts, and hands the ladder plain values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import store
from escalation.policy import CHANNELS, Policy, policy_remarks
from escalation.reach import quiet
from escalation.reach import store as reach_store
from escalation.reach.quiet import QuietHours
from escalation.reach.rules import Contact, ways_of
from escalation.rota import coverage
from escalation.rota import store as rota_store
from escalation.rota.roster import remarks as roster_remarks
from escalation.rota.store import Leave
from escalation.standing import Duty, Staffing, Urgency
from helpline import accounts
from helpline.accounts import ContactMethodRow, Role, Staff
from helpline.messages import Language
from helpline.storage import table_of

_contacts = table_of(ContactMethodRow)

ALL_CHANNELS = frozenset(CHANNELS)
LOOK_AHEAD = timedelta(days=2)  # how far the next change of shift is looked for
FORECAST = timedelta(days=14)
TOGETHER = timedelta(minutes=1)  # routine pages that come so soon after each other come in one message


@dataclass(frozen=True)
class OnCall:
    """Who stands behind a roster at an instant."""

    roster: str
    zone: str
    people: tuple[str, ...]  # as the roster names them: staff ids
    until: datetime | None  # when that changes; None where it does not within two days
    starter: bool  # the shipped roster, not yet replaced
    by_fallback: bool = False  # nobody was planned, and this person stands in


@dataclass(frozen=True)
class Reach:
    """A verified address of somebody active."""

    contact_id: int
    staff_id: str
    channel: str
    stopped: bool


@dataclass(frozen=True)
class Present:
    """The staff as they stand now."""

    staff: Mapping[str, Staff]
    reaches: Mapping[str, Sequence[Reach]]  # by staff id
    staffing: Mapping[Urgency, Staffing]  # as each ladder needs it

    def name_of(self, staff_id: str) -> str:
        """What colleagues call them."""
        return self.staff[staff_id].name if staff_id in self.staff else staff_id

    def language_of(self, staff_id: str) -> Language:
        """The language that the line speaks with them."""
        spoken = self.staff[staff_id].languages if staff_id in self.staff else ()
        return spoken[0] if spoken else Language.NB

    def reach(self, staff_id: str, contact: str) -> Reach | None:
        """Their contact of this id."""
        return next((each for each in self.reaches.get(staff_id, ()) if str(each.contact_id) == contact), None)

    def with_role(self, role: Role) -> list[str]:
        """Everybody active in a role."""
        return [id_ for id_, member in sorted(self.staff.items()) if role in member.roles]

    @property
    def speaks(self) -> dict[str, frozenset[str]]:
        """The languages of whoever works here and can be woken: who counts where holes are looked for."""
        staffing = self.staffing[Urgency.URGENT]
        return {id_: staffing.languages[id_] for id_ in self.staff if staffing.reachable(id_)}


async def who_is_on_call(conn: AsyncConnection, at: datetime, *, leave: Sequence[Leave] | None = None) -> list[OnCall]:
    """Who is on call at the instant, roster by roster."""
    found = []
    for plan in await rota_store.plans(conn, at, at + LOOK_AHEAD, leave=leave):
        version = plan.version_at(at)
        if version is None or plan.is_over(at):
            continue
        people, by_fallback = plan.on_call(at)
        until = plan.next_change(at, LOOK_AHEAD)
        found.append(OnCall(plan.name, version.zone.key, people, until, version.starter, by_fallback))
    return found


async def gather(
    conn: AsyncConnection, policy: Policy, now: datetime, *, channels: frozenset[str] = ALL_CHANNELS
) -> Present:
    """Everything the ladder needs to know. A contact on a channel that is switched off counts as stopped."""
    staff = {member.id: member for member in await accounts.list_staff(conn)}
    stopped = await store.stopped(conn)
    reaches: dict[str, list[Reach]] = {}
    verified = select(_contacts.c.id, _contacts.c.staff_id, _contacts.c.channel).where(
        _contacts.c.verified_at.is_not(None)
    )
    for row in await conn.execute(verified.order_by(_contacts.c.id)):
        if row.staff_id in staff:
            off = row.id in stopped or row.channel not in channels
            reaches.setdefault(row.staff_id, []).append(Reach(row.id, row.staff_id, row.channel, off))
    leave = await rota_store.granted(conn, now, now + LOOK_AHEAD)
    duty = {
        f"roster:{on_call.roster}": Duty(on_call.people, on_call.until)
        for on_call in await who_is_on_call(conn, now, leave=leave)
    }
    away = {each.staff_id for each in leave if each.span.covers(now)}
    edges = (edge for each in leave for edge in (each.span.start, each.span.end) if edge > now)
    leave_changes = min(edges, default=None)
    for role in Role:
        members = tuple(id_ for id_, member in sorted(staff.items()) if role in member.roles)
        # Whoever is on leave is let alone, unless everybody is: a role that is called must not be empty for that.
        here = tuple(id_ for id_ in members if id_ not in away)
        duty[f"role:{role.value}"] = Duty(here or members, leave_changes)
    held = {
        str(contact): at + TOGETHER
        for contact, at in (await reach_store.lately_paged(conn, staff, now - TOGETHER, now))
    }
    own = await reach_store.all_rules(conn)
    hours = [each for each in await quiet_hours(conn, staff) if each.stand_in not in away]
    if (edge := quiet.next_change(hours, now, within=LOOK_AHEAD)) is not None:
        # Who begins to rest then, or rests no longer, is looked at then, as at a change of shift.
        duty = {target: replace(each, until=min(edge, each.until or edge)) for target, each in duty.items()}
    languages = {id_: _spoken(member.languages) for id_, member in staff.items()}
    specialities = {id_: frozenset(map(str.casefold, member.specialities)) for id_, member in staff.items()}
    staffing = {
        urgency: Staffing(
            ways={
                id_: ways_of(as_contacts(reaches.get(id_, ())), own.get((id_, urgency)), policy.personal[urgency])
                for id_ in staff
            },
            duty=duty,
            languages=languages,
            specialities=specialities,
            resting=quiet.stand_ins(hours, urgency, now),
            held=held if urgency is Urgency.ROUTINE else {},
        )
        for urgency in Urgency
    }
    return Present(staff, reaches, staffing)


async def staff_now(conn: AsyncConnection, now: datetime, *, channels: frozenset[str] = ALL_CHANNELS) -> Present:
    """Everything the ladder needs to know, by the ladders that hold now."""
    return await gather(conn, await store.policy(conn), now, channels=channels)


async def quiet_hours(conn: AsyncConnection, staff: Mapping[str, Staff]) -> list[QuietHours]:
    """The quiet hours of those who work here, each on the clock where the person is, with a stand-in who works here."""
    return [
        spell.at(ZoneInfo(staff[spell.staff_id].zone))
        for spell in await reach_store.all_quiet_hours(conn)
        if spell.staff_id in staff and spell.stand_in_id in staff
    ]


def as_contacts(reaches: Sequence[Reach]) -> list[Contact]:
    """Somebody's contacts as their rules see them."""
    return [Contact(reach.contact_id, reach.channel, works=not reach.stopped) for reach in reaches]


def _spoken(languages: Sequence[Language]) -> frozenset[str]:
    """The languages somebody can answer in: who writes one Norwegian reads the other."""
    norwegian = {Language.NB, Language.NN}
    spoken = set(languages) | (norwegian if norwegian & set(languages) else set())
    return frozenset(language.value for language in spoken)


async def what_is_wrong(conn: AsyncConnection, now: datetime, *, channels: frozenset[str] = ALL_CHANNELS) -> list[str]:
    """What a coordinator should know before it hurts, in plain sentences; for `varde check`."""
    policy = await store.policy(conn)
    present = await gather(conn, policy, now, channels=channels)
    rosters = await store.rosters_at(conn, now)
    roles = {role.value for role in Role if present.with_role(role)}
    known = {speciality.casefold() for member in present.staff.values() for speciality in member.specialities}
    said = list(policy_remarks(policy, rosters=rosters, roles=roles, staff=present.staff, specialities=known))
    staffing = present.staffing[Urgency.URGENT]
    resort = policy.ladders[Urgency.URGENT].last_resort
    if not any(staffing.reachable(person) for target in resort for person in staffing.behind(target)):
        said.append("Nobody of the last resort can be reached: no verified contact.")
    for name, roster in sorted(rosters.items()):
        zone = ZoneInfo(roster.zone)
        if roster.starter:
            said.append(f'The roster "{name}" is the shipped one; replace it by your own.')
        said += [f'Roster "{name}": {remark.sentence}' for remark in roster_remarks(roster.schedule, zone)]
        for person in sorted(roster.schedule.people()):
            if person not in present.staff:
                said.append(f'The roster "{name}" names "{person}", who does not work here.')
            elif not staffing.reachable(person):
                said.append(f'The roster "{name}" names "{person}", who has no verified contact that works.')
            elif all(reach.channel == "desk" or reach.stopped for reach in present.reaches[person]):
                said.append(f'The roster "{name}" names "{person}", who is called only on an open desk page.')
    found = coverage.holes(await rota_store.plans(conn, now, now + FORECAST), now, speaks=present.speaks)
    said += list(coverage.sentences(found))
    if policy.starter:
        said.append("The ladders are the shipped ones; approve them or write your own.")
    return said


@dataclass(frozen=True)
class Unfit:
    """Somebody who may not stand in a roster, since no page would reach them."""

    staff_id: str
    name: str | None  # None where nobody of that id works here


async def who_may_not_hold_shifts(
    conn: AsyncConnection, people: frozenset[str], now: datetime, *, channels: frozenset[str] = ALL_CHANNELS
) -> list[Unfit]:
    """Who of these may not stand in a roster: the unknown first, then whoever is not to be reached."""
    present = await staff_now(conn, now, channels=channels)
    staffing = present.staffing[Urgency.URGENT]
    unknown = [Unfit(person, None) for person in sorted(people - present.staff.keys())]
    mute = [
        Unfit(person, present.name_of(person))
        for person in sorted(people & present.staff.keys())
        if not staffing.reachable(person)
    ]
    return unknown + mute
