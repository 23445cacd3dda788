"""Bringing to mind: an advisor is reminded once of what she wanted to look at again, by day.

Where she has left, is away or can be reached nowhere, the coordinators are told instead. The row says "told" in the
transaction that writes the message, so two processes tell nobody twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import on_duty, shift_store, words
from escalation.carry import Means, Wording, put_notice
from escalation.on_duty import Present, Reach
from escalation.paging import Doing
from escalation.rota import store as rota_store
from escalation.rota.notices import zone_of
from escalation.shift_store import FollowUp
from escalation.store import Filed
from helpline import accounts, audit
from helpline.accounts import Role
from helpline.database import Database
from helpline.daytime import in_the_daytime
from helpline.messages import OutboundMessage

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=5)
_NOT_WRITTEN_TO = frozenset({"desk", "call"})  # a reminder is read, and calls nobody up


async def tick(db: Database, means: Means, now: datetime) -> int:
    """Remind of everything whose day has come; always zero, since all of it is told at once."""
    async with db.read() as conn:
        if not await shift_store.unreminded(conn, now):
            return 0
    told = 0
    async with db.write() as conn:
        present = await on_duty.staff_now(conn, now, channels=means.channels)
        away = {leave.staff_id for leave in await rota_store.granted(conn, now, now)}
        for due in await shift_store.unreminded(conn, now):
            staff = present.staff.get(due.staff_id)
            if staff is not None and in_the_daytime(now, zone_of(staff)) > now:
                continue  # in the morning, where she is
            if await shift_store.note_reminded(conn, due, now):
                told += await _tell(conn, means, present, due, now, away=due.staff_id in away)
    if told:
        log.info("follow_ups_reminded", count=told)
    return 0


async def _tell(
    conn: AsyncConnection, means: Means, present: Present, due: FollowUp, now: datetime, *, away: bool
) -> int:
    staff = present.staff.get(due.staff_id)
    reach = _written_to(present, due.staff_id)
    on_the_desk = any(each.channel == "desk" for each in present.reaches.get(due.staff_id, ()))
    reminded = staff is not None and not away and (reach is not None or on_the_desk)
    await audit.append(
        conn,
        at=now,
        actor="line",
        action="escalation_follow_up_reminded" if reminded else "escalation_follow_up_orphaned",
        subject=f"escalation:{due.escalation_id}",
        details={"staff": due.staff_id},
    )
    if not reminded:
        name = present.name_of(due.staff_id)
        return await _tell_coordinators(
            conn,
            means,
            present,
            lambda language: OutboundMessage(means.phrases.say("alarm.follow_up", language, code=due.code, name=name)),
            key=f"follow_up:{due.escalation_id}:{due.staff_id}:{due.due_at:%Y%m%d%H%M}",
            now=now,
            escalation_id=due.escalation_id,
        )
    if reach is None:
        return 1  # the desk shows it
    language = present.language_of(due.staff_id)
    choices = words.menu(means.phrases, due.escalation_id, [Doing.DONE, Doing.DUE], language=language)
    text = means.phrases.say("case.follow_up", language, code=due.code)
    key = f"follow_up:{due.escalation_id}:{due.staff_id}:{due.due_at:%Y%m%d%H%M}"
    return await _write(
        conn, means, reach, OutboundMessage(text, choices), key=key, now=now, escalation_id=due.escalation_id
    )


async def tell_of_debrief(
    conn: AsyncConnection, means: Means, present: Present, filed: Filed, who: str, now: datetime
) -> None:
    """The coordinators hear that somebody should be talked with, by day, and nothing of why."""
    name = present.name_of(who)
    await _tell_coordinators(
        conn,
        means,
        present,
        lambda language: OutboundMessage(means.phrases.say("alarm.debrief", language, code=filed.code, name=name)),
        key=f"debrief:{filed.id}:{who}",
        now=now,
        escalation_id=filed.id,
    )


async def _tell_coordinators(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    wording: Wording,
    *,
    key: str,
    now: datetime,
    escalation_id: str,
) -> int:
    """Write to every coordinator who can be written to, in their daytime."""
    told = 0
    for staff_id in present.with_role(Role.COORDINATOR):
        reach = _written_to(present, staff_id)
        if reach is None:
            continue
        due_at = in_the_daytime(now, zone_of(present.staff.get(staff_id)))
        message = wording(present.language_of(staff_id))
        told += await _write(
            conn,
            means,
            reach,
            message,
            key=f"{key}:to:{staff_id}",
            now=now,
            due_at=due_at,
            escalation_id=escalation_id,
        )
    return told


def _written_to(present: Present, staff_id: str) -> Reach | None:
    reaches = present.reaches.get(staff_id, ())
    return next((each for each in reaches if each.channel not in _NOT_WRITTEN_TO and not each.stopped), None)


async def _write(
    conn: AsyncConnection,
    means: Means,
    reach: Reach,
    message: OutboundMessage,
    *,
    key: str,
    now: datetime,
    due_at: datetime | None = None,
    escalation_id: str,
) -> int:
    known = await accounts.contacts(conn, means.vault, reach.staff_id)
    address = next((each.address() for each in known if each.id == reach.contact_id), None)
    if address is None:
        return 0
    return await put_notice(
        conn,
        means.vault,
        reach.staff_id,
        address,
        message,
        key=key,
        now=now,
        due_at=due_at,
        escalation_id=escalation_id,
    )
