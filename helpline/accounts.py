"""The people who work at the line: who they are, how they are reached, how they sign in.

Clinicians have no account and never will. Addresses and e-mail are sealed under the member of staff's own key and found
again by fingerprint; what opens a door (sign-in links, codes, sessions) is stored only as a hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, String, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import access_tokens, credentials, staff_sessions, throttle
from helpline.messages import Address, Channel, Language
from helpline.staff_sessions import Way
from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import Vault


class Role(StrEnum):
    """What a member of staff is trusted with. One person may have several."""

    ADVISOR = "advisor"  # answers clinicians
    EDITOR = "editor"  # writes guidance
    REVIEWER = "reviewer"  # approves and publishes what another has written
    COORDINATOR = "coordinator"  # keeps directory and roster right
    ANALYST = "analyst"  # reads figures with nobody recognisable
    ADMINISTRATOR = "administrator"  # takes staff on and lets them go; reads no conversation
    PROVIDER = "provider"  # not one of us: sees the certification of their own organisation, and nothing else


AT_THE_LINE: Final = frozenset(Role) - {Role.PROVIDER}  # the roles of those who work here


class ContactChannel(StrEnum):
    """The ways in which a member of staff is called."""

    TELEGRAM = "telegram"
    SMS = "sms"
    CALL = "call"
    DESK = "desk"  # an open desk page; its value is the staff id


class AccountError(Exception):
    """An account could not be made or changed as asked."""


class NotOneOfUs(AccountError):
    """A provider's sign-in has that role and no other, and whoever works here never becomes one."""


class NoSuchStaff(AccountError):
    """Nobody of that id works here."""


class AlreadyTaken(AccountError):
    """That id, e-mail or address belongs to somebody on staff already."""


class StaffRow(SQLModel, table=True):
    """Somebody who works at the line. Kept while they do and one year more, since the audit names them by id."""

    __tablename__ = "staff"

    id: str = Field(primary_key=True, sa_type=String)  # a short handle, as the roster writes it: "asha"
    name: str = Field(sa_type=String)
    roles: str = Field(sa_type=String)  # "advisor,editor"
    languages: str = Field(default="", sa_type=String)
    specialities: str = Field(default="", sa_type=String)
    zone: str = Field(sa_type=String)
    active: bool = Field(default=True, sa_type=Boolean)
    sealed_email: bytes | None = Field(default=None, sa_type=LargeBinary)
    email_fingerprint: str | None = Field(default=None, unique=True, sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)


class ContactMethodRow(SQLModel, table=True):
    """How a member of staff is called. Kept until they change it or leave."""

    __tablename__ = "contact_method"
    __table_args__ = (
        Index("ix_contact_method_fingerprint", "channel", "fingerprint", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    channel: str = Field(sa_type=String)
    sealed_value: bytes = Field(sa_type=LargeBinary)
    fingerprint: str = Field(sa_type=String)
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)


class OneTimeCodeRow(SQLModel, table=True):
    """An invitation, a sign-in link, or a code that proves a contact method. Kept until used or a day past its end."""

    __tablename__ = "one_time_code"

    hash: str = Field(primary_key=True, sa_type=String)
    purpose: str = Field(sa_type=String)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    channel: str = Field(default="", sa_type=String)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)


_staff = table_of(StaffRow)
_contacts = table_of(ContactMethodRow)
_codes = table_of(OneTimeCodeRow)
# Asked of every message that comes in, so built once.
_at_address = (
    select(_staff)
    .join(_contacts, _contacts.c.staff_id == _staff.c.id)
    .where(
        _contacts.c.channel == bindparam("on"),
        _contacts.c.fingerprint == bindparam("fingerprint_of"),
        _contacts.c.verified_at.is_not(None),
        _staff.c.active,
    )
)
_sessions = staff_sessions.sessions

SIGN_IN_LASTS = timedelta(minutes=15)
CONTACT_CODE_LASTS = timedelta(minutes=30)
INVITED_FOR = timedelta(days=3)
_INVITATION = "invitation"
_HANDLE = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_TYPED = "23456789BCDFGHJKMNPQRSTVWXYZ"  # no vowels, so no words; nothing that looks like something else


@dataclass(frozen=True)
class Staff:
    """Somebody who works at the line."""

    id: str
    name: str = field(repr=False)
    roles: frozenset[Role]
    languages: tuple[Language, ...]
    specialities: tuple[str, ...]
    zone: str
    active: bool


@dataclass(frozen=True)
class Contact:
    """A way to reach a member of staff."""

    id: int
    staff_id: str
    channel: ContactChannel
    value: str = field(repr=False)
    verified_at: datetime | None

    def address(self) -> Address | None:
        """Where to send; None for the desk, which shows and does not send."""
        if self.channel is ContactChannel.DESK:
            return None
        return Address(Channel(self.channel.value), self.value)


@dataclass(frozen=True)
class Session:
    """A signed-in member of staff."""

    staff: Staff
    created_at: datetime
    expires_at: datetime
    way: Way = Way.LINK


# --- Staff -----------------------------------------------------------------------------------------------------------


async def add_staff(
    conn: AsyncConnection,
    vault: Vault,
    *,
    name: str,
    roles: Iterable[Role],
    now: datetime,
    zone: str,
    staff_id: str | None = None,
    email: str | None = None,
    languages: Iterable[Language] = (),
    specialities: Iterable[str] = (),
) -> Staff:
    """Take somebody on. Without an id they get one made from the name; `AlreadyTaken` where id or e-mail exists."""
    roles = _roles(roles)
    handle = staff_id or await _free_handle(conn, name)
    if not _HANDLE.fullmatch(handle):
        raise AccountError("A staff id is up to 40 small letters, digits, dots and hyphens.")
    fingerprint = vault.fingerprint("email", _email(email)) if email else None
    if fingerprint is not None:
        taken = select(_staff.c.id).where(_staff.c.email_fingerprint == fingerprint)
        if (await conn.execute(taken)).one_or_none() is not None:
            raise AlreadyTaken("That e-mail belongs to somebody on staff already.")
    sealed = None
    if email:
        key = await vault.open(conn, f"staff:{handle}")
        sealed = key.seal(_email(email), about=f"staff-email:{handle}")
    made = await insert_once(
        conn,
        _staff,
        {
            "id": handle,
            "name": name.strip(),
            "roles": _joined(sorted(roles)),
            "languages": _joined(languages),
            "specialities": _joined(specialities),
            "zone": zone,
            "active": True,
            "sealed_email": sealed,
            "email_fingerprint": fingerprint,
            "created_at": now,
        },
        unique=["id"],
    )
    if made is None:
        raise AlreadyTaken("That staff id is taken.")
    return await get_staff(conn, handle)


async def find_staff(conn: AsyncConnection, staff_id: str) -> Staff | None:
    """Whoever has this id, active or not."""
    row = (await conn.execute(select(_staff).where(_staff.c.id == staff_id))).one_or_none()
    return _staff_from(row) if row else None


async def get_staff(conn: AsyncConnection, staff_id: str) -> Staff:
    """Whoever has this id, active or not; `NoSuchStaff` where nobody has."""
    found = await find_staff(conn, staff_id)
    if found is None:
        raise NoSuchStaff("Nobody of that id works here.")
    return found


async def find_staff_by_email(conn: AsyncConnection, vault: Vault, email: str) -> Staff | None:
    """Whoever has this e-mail address."""
    fingerprint = vault.fingerprint("email", _email(email))
    row = (await conn.execute(select(_staff).where(_staff.c.email_fingerprint == fingerprint))).one_or_none()
    return _staff_from(row) if row else None


async def list_staff(conn: AsyncConnection, *, role: Role | None = None, active_only: bool = True) -> list[Staff]:
    """Everybody, by name."""
    wanted = select(_staff).order_by(_staff.c.name, _staff.c.id)
    if active_only:
        wanted = wanted.where(_staff.c.active)
    everybody = [_staff_from(row) for row in await conn.execute(wanted)]
    return [member for member in everybody if role is None or role in member.roles]


async def change_staff(
    conn: AsyncConnection,
    staff_id: str,
    *,
    name: str | None = None,
    roles: Iterable[Role] | None = None,
    languages: Iterable[Language] | None = None,
    specialities: Iterable[str] | None = None,
    zone: str | None = None,
) -> Staff:
    """Change what is given and leave the rest."""
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = name.strip()
    if roles is not None:
        values["roles"] = _joined(sorted(_roles(roles)))
    if languages is not None:
        values["languages"] = _joined(languages)
    if specialities is not None:
        values["specialities"] = _joined(specialities)
    if zone is not None:
        values["zone"] = zone
    if values:
        await conn.execute(update(_staff).where(_staff.c.id == staff_id).values(values))
    return await get_staff(conn, staff_id)


async def deactivate(conn: AsyncConnection, staff_id: str) -> None:
    """End somebody's work here: signed out everywhere, no way in, no token and no open link, called no more."""
    done = await conn.execute(update(_staff).where(_staff.c.id == staff_id).values(active=False))
    if rows_touched(done) == 0:
        raise NoSuchStaff("Nobody of that id works here.")
    await staff_sessions.end_of(conn, staff_id)
    await credentials.forget_ways(conn, staff_id)
    await access_tokens.end_of(conn, staff_id)
    for table in (_codes, _contacts):
        await conn.execute(delete(table).where(table.c.staff_id == staff_id))


async def reactivate(conn: AsyncConnection, staff_id: str) -> None:
    """Take somebody back; ways in and contact methods must be made anew."""
    done = await conn.execute(update(_staff).where(_staff.c.id == staff_id).values(active=True))
    if rows_touched(done) == 0:
        raise NoSuchStaff("Nobody of that id works here.")


async def email_of(conn: AsyncConnection, vault: Vault, staff_id: str) -> str | None:
    """The e-mail address of a member of staff."""
    sealed = (await conn.execute(select(_staff.c.sealed_email).where(_staff.c.id == staff_id))).scalar_one_or_none()
    key = await vault.existing(conn, f"staff:{staff_id}")
    return key.unseal(sealed, about=f"staff-email:{staff_id}") if sealed is not None and key is not None else None


# --- Contact methods -------------------------------------------------------------------------------------------------


async def add_contact(
    conn: AsyncConnection,
    vault: Vault,
    *,
    staff_id: str,
    channel: ContactChannel,
    value: str,
    now: datetime,
    verified: bool = False,
) -> int:
    """Add a way to reach somebody; `AlreadyTaken` where another has it. Nobody is paged on one that is not verified."""
    await get_staff(conn, staff_id)
    fingerprint = vault.fingerprint(channel.value, value)
    key = await vault.open(conn, f"staff:{staff_id}")
    made: int | None = await insert_once(
        conn,
        _contacts,
        {
            "staff_id": staff_id,
            "channel": channel.value,
            "sealed_value": key.seal(value, about=f"contact:{channel.value}:{fingerprint}"),
            "fingerprint": fingerprint,
            "verified_at": now if verified else None,
            "created_at": now,
        },
        unique=["channel", "fingerprint"],
    )
    if made is not None:
        return made
    same = (_contacts.c.channel == channel.value) & (_contacts.c.fingerprint == fingerprint)
    row = (await conn.execute(select(_contacts.c.id, _contacts.c.staff_id).where(same))).one()
    if row.staff_id != staff_id:
        raise AlreadyTaken("That address belongs to somebody on staff already.")
    if verified:
        await verify_contact(conn, row.id, now=now)
    found: int = row.id
    return found


async def verify_contact(conn: AsyncConnection, contact_id: int, *, now: datetime) -> None:
    """Note that the address was shown to be theirs."""
    await conn.execute(update(_contacts).where(_contacts.c.id == contact_id).values(verified_at=now))


async def remove_contact(conn: AsyncConnection, contact_id: int) -> None:
    """Take away a way to reach somebody."""
    await conn.execute(delete(_contacts).where(_contacts.c.id == contact_id))


async def contacts(conn: AsyncConnection, vault: Vault, staff_id: str, *, verified_only: bool = True) -> list[Contact]:
    """How somebody is reached, the first added first."""
    wanted = select(_contacts).where(_contacts.c.staff_id == staff_id).order_by(_contacts.c.id)
    if verified_only:
        wanted = wanted.where(_contacts.c.verified_at.is_not(None))
    rows = (await conn.execute(wanted)).all()
    key = await vault.existing(conn, f"staff:{staff_id}") if rows else None
    if key is None:
        return []
    return [
        Contact(
            id=row.id,
            staff_id=row.staff_id,
            channel=ContactChannel(row.channel),
            value=key.unseal(row.sealed_value, about=f"contact:{row.channel}:{row.fingerprint}"),
            verified_at=row.verified_at,
        )
        for row in rows
    ]


async def staff_at(conn: AsyncConnection, vault: Vault, address: Address) -> Staff | None:
    """The active member of staff whose verified address this is."""
    found = await conn.execute(
        _at_address, {"on": address.channel.value, "fingerprint_of": vault.fingerprint_of(address)}
    )
    row = found.one_or_none()
    return _staff_from(row) if row else None


async def make_contact_code(
    conn: AsyncConnection,
    staff_id: str,
    channel: ContactChannel,
    *,
    now: datetime,
    lasts: timedelta = CONTACT_CODE_LASTS,
) -> str:
    """A short code that somebody sends us from the address they want to be paged at; earlier ones are void."""
    await get_staff(conn, staff_id)
    purpose = "contact"
    await conn.execute(
        delete(_codes).where(
            _codes.c.staff_id == staff_id, _codes.c.purpose == purpose, _codes.c.channel == channel.value
        )
    )
    code = "".join(secrets.choice(_TYPED) for _ in range(10))
    await conn.execute(
        _codes.insert().values(
            hash=_hash(purpose, code),
            purpose=purpose,
            staff_id=staff_id,
            channel=channel.value,
            expires_at=now + lasts,
        )
    )
    return code


async def redeem_contact_code(
    conn: AsyncConnection, vault: Vault, code: str, *, sender: Address, now: datetime
) -> Staff | None:
    """Take a code that came from `sender` as proof of the address; None where it is no code of ours, or too old.

    `AlreadyTaken` where somebody else on staff has that address.
    """
    typed = re.sub(r"[\s-]", "", code).upper()
    row = await _use_code(conn, "contact", typed, now=now)
    if row is None or row.channel != sender.channel.value:
        return None
    await add_contact(
        conn,
        vault,
        staff_id=row.staff_id,
        channel=ContactChannel(row.channel),
        value=sender.value,
        now=now,
        verified=True,
    )
    return await get_staff(conn, row.staff_id)


# --- Signing in ------------------------------------------------------------------------------------------------------


async def make_sign_in_link(
    conn: AsyncConnection, staff_id: str, *, now: datetime, lasts: timedelta = SIGN_IN_LASTS
) -> str:
    """The secret part of a link that signs somebody in once."""
    staff = await get_staff(conn, staff_id)
    if not staff.active:
        raise AccountError("They do not work here any more.")
    token = secrets.token_urlsafe(32)
    await conn.execute(
        _codes.insert().values(
            hash=_hash("sign-in", token), purpose="sign-in", staff_id=staff_id, channel="", expires_at=now + lasts
        )
    )
    return token


async def redeem_sign_in_link(conn: AsyncConnection, token: str, *, now: datetime) -> str | None:
    """Use a sign-in link up; the staff id it was for, or None where it was used, is too old or was never made."""
    staff = await _invited(conn, await _use_code(conn, "sign-in", token, now=now))
    return staff.id if staff is not None else None


async def make_invitation(
    conn: AsyncConnection, staff_id: str, *, now: datetime, lasts: timedelta = INVITED_FOR
) -> tuple[str, datetime]:
    """The secret part of a link by which somebody makes their ways in, and when it ends; earlier ones are void."""
    staff = await get_staff(conn, staff_id)
    if not staff.active:
        raise AccountError("They do not work here any more.")
    await withdraw_invitation(conn, staff_id)
    token = secrets.token_urlsafe(32)
    await conn.execute(
        _codes.insert().values(
            hash=_hash(_INVITATION, token), purpose=_INVITATION, staff_id=staff_id, channel="", expires_at=now + lasts
        )
    )
    return token, now + lasts


async def find_invitation(conn: AsyncConnection, token: str, *, now: datetime) -> Staff | None:
    """Who is invited by this link, where it is still good. It stays good."""
    wanted = select(_codes).where(_codes.c.hash == _hash(_INVITATION, token), _codes.c.expires_at > now)
    return await _invited(conn, (await conn.execute(wanted)).one_or_none())


async def redeem_invitation(conn: AsyncConnection, token: str, *, now: datetime) -> Staff | None:
    """Use an invitation up: whoever was invited begins anew, without earlier ways in and tokens, signed in nowhere."""
    staff = await _invited(conn, await _use_code(conn, _INVITATION, token, now=now))
    if staff is not None:
        await staff_sessions.end_of(conn, staff.id)
        await credentials.forget_ways(conn, staff.id)
        await access_tokens.end_of(conn, staff.id)
    return staff


async def withdraw_invitation(conn: AsyncConnection, staff_id: str) -> bool:
    """Make open invitations of somebody void; whether there was one."""
    theirs = (_codes.c.staff_id == staff_id) & (_codes.c.purpose == _INVITATION)
    return rows_touched(await conn.execute(delete(_codes).where(theirs))) > 0


async def open_invitations(conn: AsyncConnection, *, now: datetime) -> dict[str, datetime]:
    """Who has an invitation that is still good, and until when."""
    wanted = select(_codes.c.staff_id, _codes.c.expires_at)
    found = await conn.execute(wanted.where(_codes.c.purpose == _INVITATION, _codes.c.expires_at > now))
    return {row.staff_id: row.expires_at for row in found}


async def _invited(conn: AsyncConnection, row: AnyRow | None) -> Staff | None:
    staff = await find_staff(conn, row.staff_id) if row is not None else None
    return staff if staff is not None and staff.active else None


async def find_session(
    conn: AsyncConnection, token: str, *, now: datetime, idle: timedelta = staff_sessions.SESSION_IDLE
) -> Session | None:
    """Who is signed in with this token, where it is still good. Reads only; see `staff_sessions.note_seen`."""
    found = await conn.execute(
        select(
            *_staff.columns,
            _sessions.c.created_at.label("session_created_at"),
            _sessions.c.expires_at.label("session_expires_at"),
            _sessions.c.way.label("session_way"),
        )
        .join(_sessions, _sessions.c.staff_id == _staff.c.id)
        .where(
            _sessions.c.hash == staff_sessions.hash_of(token),
            _sessions.c.expires_at > now,
            _sessions.c.seen_at > now - idle,
            _staff.c.active,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    return Session(_staff_from(row), row.session_created_at, row.session_expires_at, Way(row.session_way))


async def delete_expired(conn: AsyncConnection, *, before: datetime) -> int:
    """Delete the codes, links, challenges and sessions that ended before this instant; how many went."""
    gone = rows_touched(await conn.execute(delete(_codes).where(_codes.c.expires_at < before)))
    gone += await staff_sessions.delete_expired(conn, before=before)
    gone += await credentials.delete_expired(conn, before=before)
    return gone + await throttle.delete_quiet(conn, before=before)


async def _use_code(conn: AsyncConnection, purpose: str, code: str, *, now: datetime) -> AnyRow | None:
    used = await conn.execute(
        delete(_codes)
        .where(_codes.c.hash == _hash(purpose, code), _codes.c.purpose == purpose)
        .returning(_codes.c.staff_id, _codes.c.channel, _codes.c.expires_at)
    )
    row = used.one_or_none()
    return row if row is not None and row.expires_at > now else None


async def _free_handle(conn: AsyncConnection, name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.split(maxsplit=1)[0] if name.strip() else "").lower()
    for letter, plain in (("ø", "o"), ("æ", "ae"), ("đ", "d"), ("ł", "l")):
        letters = letters.replace(letter, plain)
    stem = re.sub(r"[^a-z0-9]", "", letters)[:30] or "staff"
    taken = {row.id for row in await conn.execute(select(_staff.c.id).where(_staff.c.id.startswith(stem)))}
    if stem not in taken:
        return stem
    return next(handle for number in range(2, 10_000) if (handle := f"{stem}{number}") not in taken)


def _staff_from(row: AnyRow) -> Staff:
    return Staff(
        id=row.id,
        name=row.name,
        roles=frozenset(Role(role) for role in _parted(row.roles)),
        languages=tuple(Language(language) for language in _parted(row.languages)),
        specialities=tuple(_parted(row.specialities)),
        zone=row.zone,
        active=row.active,
    )


def _roles(roles: Iterable[Role]) -> frozenset[Role]:
    """These roles, if one person may have them: whoever signs in for a provider has no other."""
    wanted = frozenset(roles)
    if Role.PROVIDER in wanted and len(wanted) > 1:
        raise NotOneOfUs("A provider's sign-in has no other role.")
    return wanted


def _joined(words: Iterable[str]) -> str:
    listed = [str(word) for word in words]
    if any("," in word for word in listed):
        raise AccountError("A comma parts the words of a list and cannot stand in one.")
    return ",".join(listed)


def _parted(listed: str) -> Sequence[str]:
    return listed.split(",") if listed else ()


def _email(address: str) -> str:
    return address.strip().lower()


def _hash(purpose: str, secret: str) -> str:
    return hashlib.sha256(f"varde {purpose}\0{secret}".encode()).hexdigest()
