"""Taking people on, giving them roles, letting them go: each act with who did it, in the audit trail.

The desk and the command line do the same through here. Nobody widens their own trust: whoever may take staff on cannot
change their own roles or let themselves go, so that no administrator reads conversations by making themselves advisor.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import accounts, audit, staff_sessions
from helpline.accounts import INVITED_FOR, AccountError, ContactChannel, NotOneOfUs, Role, Staff
from helpline.messages import Language
from helpline.vault import Vault

_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,190}\.[^@\s,;<>\".]{2,63}")
LONGEST_NAME = 80
MOST_SPECIALITIES = 20
LONGEST_SPECIALITY = 40  # signs, as in a step of a ladder


class NotAllowed(AccountError):
    """Nobody does this to themselves: somebody else with the right to must."""


class BadEmail(AccountError):
    """That is no e-mail address."""


def specialities_in(listed: str) -> tuple[str, ...] | None:
    """The specialities of a list parted by commas, each once; None where they are too many or too long."""
    found: dict[str, str] = {}
    for part in listed.split(","):
        if named := " ".join(part.split()):
            found.setdefault(named.casefold(), named)
    if len(found) > MOST_SPECIALITIES or any(len(named) > LONGEST_SPECIALITY for named in found.values()):
        return None
    return tuple(found.values())


class NoRole(AccountError):
    """Somebody without a role could do nothing."""


@dataclass(frozen=True)
class Invitation:
    """A link that makes somebody's ways in, to be handed over by whoever made it."""

    staff: Staff
    token: str = field(repr=False)
    until: datetime


async def invite(
    conn: AsyncConnection,
    vault: Vault,
    *,
    email: str,
    roles: Collection[Role],
    zone: str,
    actor: str,
    now: datetime,
    name: str = "",
    languages: Iterable[Language] = (),
    specialities: Iterable[str] = (),
    lasts: timedelta = INVITED_FOR,
) -> Invitation:
    """Take somebody on and make their link. `AlreadyTaken` where the e-mail is somebody's already."""
    if not _EMAIL.fullmatch(email.strip()):
        raise BadEmail("That is no e-mail address.")
    if not roles:
        raise NoRole("Give at least one role.")
    staff = await accounts.add_staff(
        conn,
        vault,
        name=name.strip()[:LONGEST_NAME] or email.strip().partition("@")[0],
        roles=roles,
        email=email,
        languages=languages,
        specialities=specialities,
        zone=zone,
        now=now,
    )
    await accounts.add_contact(
        conn, vault, staff_id=staff.id, channel=ContactChannel.DESK, value=staff.id, now=now, verified=True
    )
    token, until = await accounts.make_invitation(conn, staff.id, now=now, lasts=lasts)
    await _note(conn, now, actor, "staff_invited", staff.id, roles=sorted(roles))
    return Invitation(staff, token, until)


async def new_link(conn: AsyncConnection, staff_id: str, *, actor: str, now: datetime) -> Invitation:
    """Another link for somebody who lost the first, or every way in. Using it takes the earlier ways in away."""
    token, until = await accounts.make_invitation(conn, staff_id, now=now)
    await _note(conn, now, actor, "invitation_made", staff_id)
    return Invitation(await accounts.get_staff(conn, staff_id), token, until)


async def withdraw_link(conn: AsyncConnection, staff_id: str, *, actor: str, now: datetime) -> bool:
    """Make somebody's open link void; whether there was one."""
    if not await accounts.withdraw_invitation(conn, staff_id):
        return False
    await _note(conn, now, actor, "invitation_withdrawn", staff_id)
    return True


async def change_roles(
    conn: AsyncConnection, staff_id: str, roles: Collection[Role], *, actor: str, now: datetime
) -> Staff:
    """Give somebody these roles and no others, from their next page on."""
    _not_oneself(staff_id, actor)
    if not roles:
        raise NoRole("Give at least one role.")
    before = await accounts.get_staff(conn, staff_id)
    if before.roles == frozenset(roles):
        return before
    if Role.PROVIDER in before.roles | frozenset(roles):
        raise NotOneOfUs("A provider's sign-in stays one.")
    await _note(conn, now, actor, "staff_roles_changed", staff_id, roles=sorted(roles), before=sorted(before.roles))
    return await accounts.change_staff(conn, staff_id, roles=roles)


async def let_go(conn: AsyncConnection, staff_id: str, *, actor: str, now: datetime) -> None:
    """End somebody's work here; doing it twice is as good as once."""
    _not_oneself(staff_id, actor)
    if not (await accounts.get_staff(conn, staff_id)).active:
        return
    await accounts.deactivate(conn, staff_id)
    await _note(conn, now, actor, "staff_deactivated", staff_id)


async def take_back(conn: AsyncConnection, vault: Vault, staff_id: str, *, actor: str, now: datetime) -> Invitation:
    """Take somebody back, with a link by which they make their ways in anew."""
    if not (await accounts.get_staff(conn, staff_id)).active:
        await accounts.reactivate(conn, staff_id)
        await accounts.add_contact(
            conn, vault, staff_id=staff_id, channel=ContactChannel.DESK, value=staff_id, now=now, verified=True
        )
        await _note(conn, now, actor, "staff_reactivated", staff_id)
    return await new_link(conn, staff_id, actor=actor, now=now)


async def sign_out(conn: AsyncConnection, staff_id: str, *, actor: str, now: datetime) -> int:
    """Sign somebody out everywhere, as after a lost phone; how many browsers were signed in."""
    ended = await staff_sessions.end_of(conn, staff_id)
    if ended:
        await _note(conn, now, actor, "sessions_ended", staff_id, count=ended)
    return ended


def _not_oneself(staff_id: str, actor: str) -> None:
    if actor == f"staff:{staff_id}":
        raise NotAllowed("Nobody changes their own roles or lets themselves go.")


async def _note(
    conn: AsyncConnection, at: datetime, actor: str, action: str, staff_id: str, **details: audit.Detail
) -> None:
    await audit.append(conn, at=at, actor=actor, action=action, subject=f"staff:{staff_id}", details=details)
