"""Shifts in people's own calendars, and leave from them; the form of the files stands in `ics.py`.

A feed is an address with a secret in it: whoever knows it reads the shifts, so it is stored as a hash, shown once, and
made void by its owner. One shows the owner's shifts, the other everybody's. Every change of a shift gets its number,
and a shift that is no more is shown as cancelled, since some calendars forget nothing by themselves.

- `make_feed(…)`, `feeds_of(…)`, `revoke_feed(…)`
- `feed(db, phrases, secret, now)`: the calendar behind a secret, or None
- `import_leave(…)`: leave from a file; with `dry_run` what would come of it
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.carry import Means
from escalation.rota import ics, leave
from escalation.rota import notices as rota_notices
from escalation.rota import store as rota_store
from escalation.rota.ics import Away, Entry, Skipped, Why
from escalation.rota.leave import LeaveRefused, Reason
from escalation.rota.roster import Span
from escalation.rota.store import Feed, LeaveState, Shown
from escalation.rota.swaps import shift_id
from helpline import accounts, audit
from helpline.accounts import Role, Staff
from helpline.database import Database
from helpline.messages import Language
from helpline.phrases import Phrases

log = structlog.get_logger(__name__)

BEHIND, BEFORE = timedelta(days=30), timedelta(days=180)  # what a feed shows of the past and of what comes
MOST_FEEDS = 5  # of one person
_USED_EVERY = timedelta(hours=1)  # a feed notes its use at most this often


class TooManyFeeds(Exception):
    """Somebody has as many feeds as one person may have; one must be made void first."""


# --- Feeds -----------------------------------------------------------------------------------------------------------


async def make_feed(conn: AsyncConnection, staff_id: str, *, whole: bool, now: datetime) -> tuple[str, Feed]:
    """A new feed: its secret, to be shown this once, and what is kept of it."""
    if len(await rota_store.feeds_of(conn, staff_id)) >= MOST_FEEDS:
        raise TooManyFeeds
    secret = secrets.token_urlsafe(32)
    made = await rota_store.insert_feed(conn, staff_id=staff_id, whole=whole, hash_=_hash(secret), now=now)
    await _note(conn, made, "calendar_feed_made", staff_id, now)
    return secret, made


feeds_of = rota_store.feeds_of


async def revoke_feed(conn: AsyncConnection, staff_id: str, feed_id: int, now: datetime) -> bool:
    """Make a feed void; False where it is not theirs or was void already."""
    if not await rota_store.delete_feed(conn, staff_id, feed_id):
        return False
    details: dict[str, audit.Detail] = {"feed": feed_id}
    actor = f"staff:{staff_id}"
    await audit.append(conn, at=now, actor=actor, action="calendar_feed_revoked", subject=actor, details=details)
    return True


@dataclass(frozen=True)
class Served:
    """A calendar as it is sent."""

    body: bytes
    etag: str  # the same for as long as nothing has changed


async def feed(db: Database, phrases: Phrases, secret: str, now: datetime) -> Served | None:
    """The calendar behind a secret; None where it opens nothing, or its owner no longer works here."""
    async with db.read() as conn:
        found = await rota_store.find_feed(conn, _hash(secret))
        owner = await accounts.find_staff(conn, found.staff_id) if found is not None else None
        if found is None or owner is None or not owner.active or not _may_see(owner, whole=found.whole):
            return None
        names = {each.id: each.name for each in await accounts.list_staff(conn, active_only=False)}
        changed = await _changed(conn, now)
    if changed or found.used_at is None or now - found.used_at >= _USED_EVERY:
        async with db.write() as conn:
            await rota_store.write_events(conn, await _changed(conn, now))
            await rota_store.note_feed_used(conn, found.id, now)
    async with db.read() as conn:
        whose = None if found.whole else owner.id
        shown = await rota_store.shown_events(conn, until_after=now - BEHIND, staff_id=whose)
    language = owner.languages[0] if owner.languages else Language.NB
    titled = phrases.say("rota.calendar.whole" if found.whole else "rota.calendar.mine", language)
    entries = [
        Entry(
            each.uid,
            each.span,
            phrases.say("rota.calendar.shift_of", language, name=names.get(each.staff_id, "?"), roster=each.roster)
            if found.whole
            else phrases.say("rota.calendar.shift", language, roster=each.roster),
            each.sequence,
            each.changed_at,
            each.gone,
        )
        for each in shown
    ]
    body = ics.write_calendar(titled, rota_notices.zone_of(owner), entries)
    return Served(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _may_see(owner: Staff, *, whole: bool) -> bool:
    allowed = {Role.ADVISOR, Role.COORDINATOR}
    return bool(owner.roles & allowed) or (not whole and Role.ADMINISTRATOR in owner.roles)


async def _changed(conn: AsyncConnection, now: datetime) -> list[Shown]:
    """What calendars must be shown otherwise than they were."""
    window = Span(now - BEHIND, now + BEFORE)
    known = {each.uid: each for each in await rota_store.shown_events(conn, until_after=window.start)}
    current: dict[str, Shown] = {}
    for plan in await rota_store.plans(conn, window.start - timedelta(days=9), window.end + timedelta(days=9)):
        for shift in plan.shifts(window.start, window.end):
            uid = f"{shift_id(plan.name, shift.person, shift.span.start)}@varde"
            current[uid] = Shown(uid, plan.name, shift.person, shift.span, 0, now, gone=False)
    changed = []
    for uid, shown in current.items():
        before = known.get(uid)
        if before is None:
            changed.append(shown)
        elif before.gone or before.span != shown.span:
            changed.append(replace(shown, sequence=before.sequence + 1))
    for uid, before in known.items():
        if uid not in current and not before.gone and before.span.overlaps(window):
            changed.append(replace(before, sequence=before.sequence + 1, changed_at=now, gone=True))
    return changed


async def forget_feeds_of_the_gone(conn: AsyncConnection) -> int:
    """Delete the feeds of those who no longer work here; how many."""
    working = {each.id for each in await accounts.list_staff(conn)}
    return await rota_store.delete_feeds_except(conn, working)


def _hash(secret: str) -> str:
    return hashlib.sha256(f"calendar\n{secret}".encode()).hexdigest()


async def _note(conn: AsyncConnection, made: Feed, action: str, by: str, now: datetime) -> None:
    details: dict[str, audit.Detail] = {"feed": made.id, "whole": made.whole}
    actor = f"staff:{by}"
    await audit.append(conn, at=now, actor=actor, action=action, subject=f"staff:{made.staff_id}", details=details)


# --- Leave from a calendar -------------------------------------------------------------------------------------------

_SAME_WORD = {
    Reason.PAST: Why.PAST,
    Reason.TOO_LONG: Why.TOO_LONG,
    Reason.TOO_FAR: Why.TOO_FAR,
    Reason.BACKWARDS: Why.NO_LENGTH,
}


@dataclass(frozen=True)
class Imported:
    """What came of a calendar file, or would."""

    added: tuple[Span, ...] = ()
    changed: tuple[Span, ...] = ()
    cancelled: tuple[Span, ...] = ()
    same: tuple[Span, ...] = ()
    skipped: tuple[Skipped, ...] = ()


async def import_leave(
    conn: AsyncConnection,
    *,
    staff_id: str,
    data: bytes,
    by: str,
    now: datetime,
    holds: bool,
    dry_run: bool = False,
    means: Means | None = None,
) -> Imported:
    """Leave from a calendar file; the same file again changes nothing.

    `holds`: a coordinator brings it in, and it holds at once; otherwise it is asked for. With `dry_run` nothing is
    changed, and the answer is what would be. With `means` coordinators are told of what is asked for. Raises
    `ics.Unreadable`, or `LeaveRefused` for somebody who is not here.
    """
    staff = await accounts.find_staff(conn, staff_id)
    if staff is None or not staff.active:
        raise LeaveRefused(Reason.NOBODY)
    reading = ics.read_leave(data, rota_notices.zone_of(staff))
    known = {each.uid: each for each in await rota_store.leave_of(conn, staff_id) if each.uid is not None}
    done: dict[str, list[Span]] = {"added": [], "changed": [], "cancelled": [], "same": []}
    skipped = list(reading.skipped)
    state = LeaveState.GRANTED if holds else LeaveState.ASKED
    for entry in reading.away:
        earlier = known.get(entry.uid)
        if entry.cancelled:
            if earlier is not None and earlier.stands and earlier.span.end > now:
                done["cancelled"].append(earlier.span)
                if not dry_run:
                    await rota_store.change_leave(conn, earlier.id, state=LeaveState.CANCELLED, by=by, now=now)
            continue
        if earlier is not None and earlier.span == entry.span:
            done["same"].append(entry.span)  # also where it was refused or taken back here since
            continue
        why = _why_not(entry, now)
        if why is not None:
            skipped.append(Skipped(why, entry.span.start.isoformat()))
            continue
        done["added" if earlier is None else "changed"].append(entry.span)
        if dry_run:
            continue
        if earlier is None:
            await rota_store.insert_leave(
                conn, staff_id=staff_id, span=entry.span, state=state, by=by, now=now, uid=entry.uid
            )
        else:
            await rota_store.change_leave(conn, earlier.id, state=state, by=by, now=now, span=entry.span)
    result = Imported(**{name: tuple(spans) for name, spans in done.items()}, skipped=tuple(skipped))
    if not dry_run and (result.added or result.changed or result.cancelled):
        await _imported(conn, result, staff_id, by, now)
        if means is not None and not holds:
            await leave.tell_of_asked(conn, means, staff_id, (*result.added, *result.changed), now)
    return result


def _why_not(entry: Away, now: datetime) -> Why | None:
    try:
        leave.check_span(entry.span, now)
    except LeaveRefused as refused:
        return _SAME_WORD[refused.reason]
    return None


async def _imported(conn: AsyncConnection, result: Imported, staff_id: str, by: str, now: datetime) -> None:
    details: dict[str, audit.Detail] = {
        "added": len(result.added),
        "changed": len(result.changed),
        "cancelled": len(result.cancelled),
    }
    actor = by if by == "operator" else f"staff:{by}"
    await audit.append(conn, at=now, actor=actor, action="leave_imported", subject=f"staff:{staff_id}", details=details)
    await leave.took_effect(conn, now)
    log.info("leave_imported", staff_id=staff_id, added=len(result.added), changed=len(result.changed))
