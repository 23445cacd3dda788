"""`varde staff …`: taking people on, their roles, their links, letting them go; as the desk does, from the machine."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.office import INVITATION, OPERATOR, Office, Refusal, open_office
from helpline import accounts, credentials, staffing
from helpline.accounts import AT_THE_LINE, AccountError, ContactChannel, Role, Staff
from helpline.messages import Channel, Language
from helpline.staffing import Invitation

Line = dict[str, Any]
T = TypeVar("T")


def read_roles(written: Sequence[str]) -> list[Role]:
    """The roles of these names. Raises `Refusal`, naming those that there are."""
    known = {role.value: role for role in Role if role in AT_THE_LINE}
    unknown = [name for name in written if name not in known]
    if unknown:
        raise Refusal(f"There is no role {', '.join(unknown)}; the roles are {', '.join(known)}.")
    return [known[name] for name in written]


async def invite(
    email: str,
    roles: Sequence[str],
    *,
    name: str | None,
    languages: Sequence[Language],
    specialities: Sequence[str],
    zone: str | None,
    phone: str | None,
) -> Line:
    """Make an account, and what to hand over to them. Raises `Refusal`."""
    wanted = read_roles(roles)
    known = staffing.specialities_in(",".join(specialities))
    if known is None:
        most, longest = staffing.MOST_SPECIALITIES, staffing.LONGEST_SPECIALITY
        raise Refusal(f"At most {most} specialities, each of at most {longest} signs.")
    number = _phone(phone) if phone is not None else None
    async with open_office() as office:
        now = office.clock.now()
        codes: dict[str, str] = {}
        try:
            async with office.db.write() as conn:
                invitation = await staffing.invite(
                    conn,
                    office.vault,
                    email=email,
                    roles=wanted,
                    name=name or "",
                    languages=languages,
                    specialities=known,
                    zone=_zone(zone) or office.settings.zone.key,
                    actor=OPERATOR,
                    now=now,
                )
                asked = [ContactChannel.TELEGRAM, *([ContactChannel.SMS] if number is not None else [])]
                for channel in asked:
                    if Channel(channel.value) in office.settings.channels:
                        codes[channel.value] = await accounts.make_contact_code(
                            conn, invitation.staff.id, channel, now=now, lasts=accounts.INVITED_FOR
                        )
        except AccountError as error:
            raise Refusal(str(error)) from error
        return {**_handed_over(office, invitation), "codes": codes}


async def everybody(*, also_left: bool) -> list[Line]:
    """Who works here, by name: roles, ways in, and whether a link is open. No addresses."""
    async with open_office() as office:
        now = office.clock.now()
        async with office.db.read() as conn:
            found = await accounts.list_staff(conn, active_only=not also_left)
            ways = await credentials.ways_of_everybody(conn)
            invited = await accounts.open_invitations(conn, now=now)
    return [
        {
            **_told(staff),
            "active": staff.active,
            "ways": _ways(ways.get(staff.id, credentials.Ways())),
            "invited_until": invited[staff.id].isoformat() if staff.id in invited else None,
        }
        for staff in found
    ]


async def change_roles(who: str, roles: Sequence[str]) -> Line:
    """Give somebody these roles and no others."""
    wanted = read_roles(roles)
    async with open_office() as office, office.db.write() as conn:
        staff = await _find(conn, office, who)
        return _told(await _allowed(staffing.change_roles(conn, staff.id, wanted, actor=OPERATOR, now=_now(office))))


async def let_go(who: str) -> Line:
    """End somebody's work here."""
    async with open_office() as office, office.db.write() as conn:
        staff = await _find(conn, office, who)
        await _allowed(staffing.let_go(conn, staff.id, actor=OPERATOR, now=_now(office)))
        return _told(staff)


async def take_back(who: str) -> Line:
    """Take somebody back, with a link."""
    async with open_office() as office:
        async with office.db.write() as conn:
            staff = await _find(conn, office, who)
            made = await _allowed(staffing.take_back(conn, office.vault, staff.id, actor=OPERATOR, now=_now(office)))
        return _handed_over(office, made)


async def new_link(who: str) -> Line:
    """Another link for somebody; earlier ones are void."""
    async with open_office() as office:
        async with office.db.write() as conn:
            staff = await _find(conn, office, who)
            made = await _allowed(staffing.new_link(conn, staff.id, actor=OPERATOR, now=_now(office)))
        return _handed_over(office, made)


async def withdraw_link(who: str) -> Line:
    """Make somebody's open link void."""
    async with open_office() as office, office.db.write() as conn:
        staff = await _find(conn, office, who)
        withdrawn = await staffing.withdraw_link(conn, staff.id, actor=OPERATOR, now=_now(office))
    return {**_told(staff), "withdrawn": withdrawn}


async def _find(conn: AsyncConnection, office: Office, who: str) -> Staff:
    """Whoever is meant, by id or by e-mail."""
    if "@" in who:
        staff = await accounts.find_staff_by_email(conn, office.vault, who)
    else:
        staff = await accounts.find_staff(conn, who)
    if staff is None:
        raise Refusal("Nobody of that id or e-mail works here; `varde staff list --all` shows everybody.")
    return staff


async def _allowed(act: Awaitable[T]) -> T:
    try:
        return await act
    except AccountError as error:
        raise Refusal(str(error)) from error


def _now(office: Office) -> datetime:
    return office.clock.now()


def _told(staff: Staff) -> Line:
    return {"id": staff.id, "name": staff.name, "roles": _names(staff.roles)}


def _names(roles: Iterable[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]


def _ways(ways: credentials.Ways) -> list[str]:
    listed = {"passkey": ways.passkeys > 0, "password": ways.password, "oidc": ways.organisation}
    return [name for name, there in listed.items() if there]


def _handed_over(office: Office, invitation: Invitation) -> Line:
    address = office.settings.public_url or f"http://{office.settings.host}:{office.settings.port}"
    return {
        **_told(invitation.staff),
        "link": f"{address.rstrip('/')}{INVITATION}/{invitation.token}",
        "until": invitation.until.isoformat(),
    }


def _zone(written: str | None) -> str | None:
    if written is None:
        return None
    try:
        return ZoneInfo(written).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refusal("Write the time zone as Europe/Oslo.") from error


def _phone(written: str) -> str:
    try:
        parsed = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException as error:
        raise Refusal("Write the phone number with its country, such as +47 912 34 567.") from error
    if not phonenumbers.is_valid_number(parsed):
        raise Refusal("There is no such phone number.")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
