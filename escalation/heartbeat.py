"""The auditor at work: it looks every half minute, mends what it may, tells the coordinators, and lets the world know.

Where all is well, an address outside is told so once a minute. That address belongs to a service which raises the alarm
when it has heard nothing for a while: it notices also what nobody here could, such as that this process, its machine or
its network is gone. Where something is wrong, it is told nothing, the log says what, and the coordinators are told by a
way that does not depend on the provider whose pages fail: once for each fault, and once more when it is over.

A fault is told of when it is seen for the second time. What is in the middle of being done is no fault, and what was
mended at first sight is counted and need wake nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import aiohttp
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import advisors, auditor, auditor_store, store
from escalation.auditor import Fault, What
from escalation.auditor_store import FaultFiled
from escalation.carry import Means, alarm_coordinators
from escalation.on_duty import Present, staff_now
from helpline import audit
from helpline.database import Database
from helpline.messages import Language, OutboundMessage
from helpline.phrases import Phrases, say_list
from helpline.settings import Secret

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=30)
BEAT_EVERY = timedelta(minutes=1)
LEASE = timedelta(minutes=1)  # after which another looks, where whoever looks has died
_PATIENCE = aiohttp.ClientTimeout(total=5)
_NAMED = 5  # escalations that a message names; of more it says how many


@dataclass(frozen=True)
class Looked:
    """What the auditor found and did."""

    faults: tuple[Fault, ...] = ()
    healed: tuple[What, ...] = ()
    beat: bool | None = None  # whether the world outside heard; None where it was not told


async def tick(db: Database, means: Means, now: datetime, *, url: Secret[str] | None = None) -> Looked | None:
    """Look, where it is time and no other process does; None where it is not our turn."""
    async with db.write() as conn:
        turn = await auditor_store.take_turn(conn, now=now, lease=LEASE)
    if turn is None:
        return None
    looked = await look(db, means, now)
    beat: bool | None = None
    if url is not None and not looked.faults and (turn.beat_at is None or now - turn.beat_at >= BEAT_EVERY):
        beat = await _beat(url)
    async with db.write() as conn:
        beat_at = turn.beat_at if beat is None else now
        await auditor_store.end_turn(conn, turn, due_at=now + EVERY, beat_at=beat_at)
    return Looked(looked.faults, looked.healed, beat)


async def look(db: Database, means: Means, now: datetime) -> Looked:
    """Audit what is open, mend what may be mended, write down what was found, and tell whoever must know."""
    async with db.read() as conn:
        present = await staff_now(conn, now, channels=means.channels)
        faults = auditor.audit(await auditor_store.watched(conn, present, now), now)
        known = await auditor_store.open_faults(conn)
    if not faults and not known:
        return Looked()
    healed: list[What] = []
    async with db.write() as conn:
        for fault in faults:
            mended = fault.what in auditor.HEALED and await _heal(conn, means, fault, now)
            if await auditor_store.file_fault(conn, fault, now, healed=mended):
                log.error("audit_fault", escalation_id=fault.escalation_id, what=fault.what.value, healed=mended)
                await _note(conn, fault, now, mended=mended)
            if mended:
                healed.append(fault.what)
        await _tell(conn, means, present, faults, known, now)
    return Looked(faults, tuple(healed))


async def _heal(conn: AsyncConnection, means: Means, fault: Fault, now: datetime) -> bool:
    if fault.what is What.OWNER_LEFT:
        return await advisors.owner_left(conn, means, fault.escalation_id, now) is not None
    filed = await store.find(conn, fault.escalation_id, lock=True)
    if filed is None or not filed.escalation.open:
        return False
    # Saving files it under the instant at which it moves, and wakes the watch.
    await store.save(conn, [filed.after(auditor.heal(filed.escalation, now), now)])
    return True


async def _note(conn: AsyncConnection, fault: Fault, now: datetime, *, mended: bool) -> None:
    await audit.append(
        conn,
        at=now,
        actor="auditor",
        action="audit_fault",
        subject=f"escalation:{fault.escalation_id}",
        details={"what": fault.what.value, "healed": mended},
    )


# --- Telling ---------------------------------------------------------------------------------------------------------


async def _tell(
    conn: AsyncConnection,
    means: Means,
    present: Present,
    faults: Sequence[Fault],
    known: Sequence[FaultFiled],
    now: datetime,
) -> None:
    """Each fault that was there before and is still there, once; and what is over."""
    lasting = {(fault.escalation_id, fault.what): fault for fault in faults}
    fresh = [each for each in known if each.told_at is None and (each.escalation_id, each.what) in lasting]
    for what in What:
        alike = [each for each in fresh if each.what is what]
        if not alike:
            continue
        providers = {name for each in alike for name in lasting[each.escalation_id, what].providers}
        named = await _named(conn, alike)
        told = await alarm_coordinators(
            conn,
            means,
            present,
            partial(_words, means.phrases, f"audit.{what.value}", named),
            key=f"audit:{what.value}:{alike[0].id}",
            now=now,
            avoiding=auditor.channels_of(providers),
        )
        if told:
            await auditor_store.note_told(conn, alike, now)
    over = [each for each in known if (each.escalation_id, each.what) not in lasting]
    await auditor_store.note_over(conn, over, now)
    heard_of = [each for each in over if each.told_at is not None]
    if heard_of:
        named = await _named(conn, heard_of)
        await alarm_coordinators(
            conn,
            means,
            present,
            partial(_words, means.phrases, "audit.over", named),
            key=f"audit_over:{heard_of[0].id}",
            now=now,
        )
    for each in over:
        log.warning("audit_fault_over", escalation_id=each.escalation_id, what=each.what.value)


async def _named(conn: AsyncConnection, faults: Sequence[FaultFiled]) -> list[str]:
    """What people call what these are about: escalations by their codes, providers by their names."""
    about = list(dict.fromkeys(each.escalation_id for each in faults))
    codes = await store.codes_of(conn, about)
    return [codes.get(each, each.capitalize()) for each in about]


def _words(phrases: Phrases, key: str, named: Sequence[str], language: Language) -> OutboundMessage:
    shown = list(named[:_NAMED])
    if len(named) > _NAMED:
        shown.append(phrases.say("audit.more", language, count=len(named) - _NAMED))
    return OutboundMessage(phrases.say(key, language, codes=say_list(shown, language)), urgent=key != "audit.over")


# --- The world outside -----------------------------------------------------------------------------------------------


async def _beat(url: Secret[str]) -> bool:
    """Tell the address that all is well; whether it heard. Its name is a key and stands in no log."""
    try:
        # A hospital's network may let out only what goes through its proxy.
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, trust_env=True) as session,
            session.get(url.reveal()) as heard,
        ):
            if heard.status < 300:
                return True
            log.warning("heartbeat_not_heard", status=heard.status)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        log.warning("heartbeat_not_heard", error_type=type(error).__name__)
    return False
