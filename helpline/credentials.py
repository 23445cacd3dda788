"""What opens the door: passkeys, passwords with an authenticator app, recovery codes, the organisation's own sign-in.

Rows and queries only; what a password or a passkey must be is decided in `passwords.py` and `passkeys.py`. Nothing here
can be used by whoever reads the table: passwords are hashed slowly, codes under the vault's key, secrets sealed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import AnyRow, BigId, UtcDateTime, insert_once, rows_touched, table_of
from helpline.vault import Vault, VaultError

MOST_PASSKEYS = 20
RECOVERY_CODES = 10
_TYPED = "23456789BCDFGHJKMNPQRSTVWXYZ"  # no vowels, so no words; nothing that looks like something else


class PasskeyRow(SQLModel, table=True):
    """A passkey of a member of staff. Kept until they remove it, are given a new start, or leave."""

    __tablename__ = "passkey"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    credential_id: str = Field(sa_type=String, unique=True)  # base64url, as the browser writes it
    public_key: bytes = Field(sa_type=LargeBinary)
    sign_count: int = Field(sa_type=BigId)
    name: str = Field(sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class StaffPasswordRow(SQLModel, table=True):
    """A password with its authenticator app: neither opens anything alone. Kept as a passkey is."""

    __tablename__ = "staff_password"

    staff_id: str = Field(primary_key=True, sa_type=String, sa_column_args=(ForeignKey("staff.id"),))
    hash: str = Field(sa_type=String)
    sealed_secret: bytes = Field(sa_type=LargeBinary)
    last_step: int = Field(sa_type=BigId)  # the newest half minute whose code was used: none is used twice
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RecoveryCodeRow(SQLModel, table=True):
    """A code that stands in for the authenticator app once. Kept until it is used or made anew, or its owner leaves."""

    __tablename__ = "recovery_code"

    hash: str = Field(primary_key=True, sa_type=String)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))


class StaffIdentityRow(SQLModel, table=True):
    """Who a member of staff is at the organisation's own sign-in. Kept as a passkey is."""

    __tablename__ = "staff_identity"

    fingerprint: str = Field(primary_key=True, sa_type=String)  # of the issuer and its name for them
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignInChallengeRow(SQLModel, table=True):
    """Something a browser was asked and may answer once. Kept until answered or a day past its end."""

    __tablename__ = "sign_in_challenge"

    hash: str = Field(primary_key=True, sa_type=String)  # of what was asked, and of the browser's own token
    kind: str = Field(sa_type=String)
    staff_id: str | None = Field(default=None, sa_type=String, sa_column_args=(ForeignKey("staff.id"),))
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)


passkeys = table_of(PasskeyRow)
passwords = table_of(StaffPasswordRow)
recovery_codes = table_of(RecoveryCodeRow)
identities = table_of(StaffIdentityRow)
challenges = table_of(SignInChallengeRow)


@dataclass(frozen=True)
class Passkey:
    """A passkey, as its owner sees it in the list."""

    id: int
    staff_id: str
    credential_id: str
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Password:
    """A password with its authenticator app."""

    staff_id: str
    hash: str = field(repr=False)
    secret: str = field(repr=False)  # of the app
    last_step: int
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Asked:
    """What a browser was asked: for whom, and what was put aside with it."""

    staff_id: str | None
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Ways:
    """How somebody can come in, without what it takes."""

    passkeys: int = 0
    password: bool = False
    organisation: bool = False

    @property
    def count(self) -> int:
        """How many ways there are; the last one cannot be taken away."""
        return self.passkeys + self.password + self.organisation


# --- All of them -----------------------------------------------------------------------------------------------------


async def ways_of(conn: AsyncConnection, staff_id: str, *, lock: bool = False) -> Ways:
    """How somebody can come in. With `lock` nobody else changes it before this transaction ends."""
    if lock:
        # Two ways taken away at the same instant must not both find the other still there.
        for table in (passkeys, passwords, identities):
            await conn.execute(select(table.c.staff_id).where(table.c.staff_id == staff_id).with_for_update())
    return (await ways_of_everybody(conn, [staff_id])).get(staff_id, Ways())


async def ways_of_everybody(conn: AsyncConnection, staff_ids: Sequence[str] | None = None) -> dict[str, Ways]:
    """How each of them, or everybody, can come in; who cannot is left out."""
    counted: list[dict[str, int]] = []
    for table in (passkeys, passwords, identities):
        wanted = select(table.c.staff_id, func.count().label("many")).group_by(table.c.staff_id)
        if staff_ids is not None:
            wanted = wanted.where(table.c.staff_id.in_(staff_ids))
        counted.append({row.staff_id: row.many for row in await conn.execute(wanted)})
    keys, words, names = counted
    return {
        staff_id: Ways(keys.get(staff_id, 0), staff_id in words, staff_id in names)
        for staff_id in keys.keys() | words.keys() | names.keys()
    }


async def forget_ways(conn: AsyncConnection, staff_id: str) -> None:
    """Take away every way in, and what was being set up."""
    for table in (passkeys, passwords, recovery_codes, identities, challenges):
        await conn.execute(delete(table).where(table.c.staff_id == staff_id))


async def delete_expired(conn: AsyncConnection, *, before: datetime) -> int:
    """Delete what browsers were asked and did not answer before this instant; how many went."""
    return rows_touched(await conn.execute(delete(challenges).where(challenges.c.expires_at < before)))


# --- Passkeys --------------------------------------------------------------------------------------------------------


async def add_passkey(
    conn: AsyncConnection,
    *,
    staff_id: str,
    credential_id: str,
    public_key: bytes,
    sign_count: int,
    name: str,
    now: datetime,
) -> bool:
    """Keep a passkey; False where it is known already."""
    values = {
        "staff_id": staff_id,
        "credential_id": credential_id,
        "public_key": public_key,
        "sign_count": sign_count,
        "name": name,
        "created_at": now,
    }
    return await insert_once(conn, passkeys, values, unique=["credential_id"]) is not None


async def find_passkey(conn: AsyncConnection, credential_id: str) -> Passkey | None:
    """The passkey of this id."""
    row = (await conn.execute(select(passkeys).where(passkeys.c.credential_id == credential_id))).one_or_none()
    return _passkey(row) if row is not None else None


async def passkeys_of(conn: AsyncConnection, staff_id: str) -> list[Passkey]:
    """Somebody's passkeys, the first made first."""
    found = await conn.execute(select(passkeys).where(passkeys.c.staff_id == staff_id).order_by(passkeys.c.id))
    return [_passkey(row) for row in found]


async def note_passkey_used(conn: AsyncConnection, passkey: Passkey, *, sign_count: int, now: datetime) -> bool:
    """Note the use and the new count; False where it was used meanwhile, so that one answer is good for one sign-in."""
    same = (passkeys.c.id == passkey.id) & (passkeys.c.sign_count == passkey.sign_count)
    done = await conn.execute(update(passkeys).where(same).values(sign_count=sign_count, used_at=now))
    return rows_touched(done) == 1


async def name_passkey(conn: AsyncConnection, staff_id: str, passkey_id: int, name: str) -> bool:
    """Give a passkey of theirs another name; whether it is theirs."""
    theirs = (passkeys.c.id == passkey_id) & (passkeys.c.staff_id == staff_id)
    return rows_touched(await conn.execute(update(passkeys).where(theirs).values(name=name))) == 1


async def remove_passkey(conn: AsyncConnection, staff_id: str, passkey_id: int) -> bool:
    """Take a passkey of theirs away; whether it was theirs."""
    theirs = (passkeys.c.id == passkey_id) & (passkeys.c.staff_id == staff_id)
    return rows_touched(await conn.execute(delete(passkeys).where(theirs))) == 1


def _passkey(row: AnyRow) -> Passkey:
    return Passkey(
        row.id,
        row.staff_id,
        row.credential_id,
        bytes(row.public_key),
        row.sign_count,
        row.name,
        row.created_at,
        row.used_at,
    )


# --- Passwords with an authenticator app -----------------------------------------------------------------------------


async def set_password(
    conn: AsyncConnection, vault: Vault, staff_id: str, *, hashed: str, secret: str, used_step: int, now: datetime
) -> None:
    """Keep a password with its app, in place of an earlier one; the code that proved the app is used up."""
    await conn.execute(delete(passwords).where(passwords.c.staff_id == staff_id))
    key = await vault.open(conn, f"staff:{staff_id}")
    await conn.execute(
        insert(passwords).values(
            staff_id=staff_id,
            hash=hashed,
            sealed_secret=key.seal(secret, about=_about_app(staff_id)),
            last_step=used_step,
            created_at=now,
        )
    )


async def find_password(conn: AsyncConnection, vault: Vault, staff_id: str) -> Password | None:
    """Somebody's password; None where they have none, or it cannot be read."""
    row = (await conn.execute(select(passwords).where(passwords.c.staff_id == staff_id))).one_or_none()
    key = await vault.existing(conn, f"staff:{staff_id}") if row is not None else None
    if row is None or key is None:
        return None
    try:
        secret = key.unseal(bytes(row.sealed_secret), about=_about_app(staff_id))
    except VaultError:
        return None
    return Password(row.staff_id, row.hash, secret, row.last_step, row.created_at, row.used_at)


async def change_hash(conn: AsyncConnection, staff_id: str, hashed: str) -> None:
    """Another hash: of a new password, or of the same one in today's strength."""
    await conn.execute(update(passwords).where(passwords.c.staff_id == staff_id).values(hash=hashed))


async def use_step(conn: AsyncConnection, staff_id: str, step: int, *, now: datetime) -> bool:
    """Use an app's code up; False where it, or a newer one, was used before."""
    fresh = (passwords.c.staff_id == staff_id) & (passwords.c.last_step < step)
    return rows_touched(await conn.execute(update(passwords).where(fresh).values(last_step=step, used_at=now))) == 1


async def remove_password(conn: AsyncConnection, staff_id: str) -> bool:
    """Take the password away, with its app and its recovery codes; whether there was one."""
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.staff_id == staff_id))
    return rows_touched(await conn.execute(delete(passwords).where(passwords.c.staff_id == staff_id))) == 1


async def make_recovery_codes(conn: AsyncConnection, vault: Vault, staff_id: str) -> list[str]:
    """Ten new codes in place of the old ones; shown once, and stored as hashes only."""
    await conn.execute(delete(recovery_codes).where(recovery_codes.c.staff_id == staff_id))
    made = ["".join(secrets.choice(_TYPED) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    rows = [{"hash": _recovery(vault, staff_id, code), "staff_id": staff_id} for code in made]
    await conn.execute(insert(recovery_codes), rows)
    return [f"{code[:5]}-{code[5:]}" for code in made]


async def use_recovery_code(conn: AsyncConnection, vault: Vault, staff_id: str, code: str, *, now: datetime) -> bool:
    """Use a recovery code up; False where it is none, or was used before."""
    typed = "".join(sign for sign in code.upper() if sign.isalnum())
    spent = delete(recovery_codes).where(recovery_codes.c.hash == _recovery(vault, staff_id, typed))
    if rows_touched(await conn.execute(spent)) != 1:
        return False
    await conn.execute(update(passwords).where(passwords.c.staff_id == staff_id).values(used_at=now))
    return True


async def recovery_codes_left(conn: AsyncConnection, staff_id: str) -> int:
    """How many codes are unused."""
    counted = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.staff_id == staff_id)
    left: int = (await conn.execute(counted)).scalar_one()
    return left


def _about_app(staff_id: str) -> str:
    return f"staff-app:{staff_id}"


def _recovery(vault: Vault, staff_id: str, code: str) -> str:
    return vault.fingerprint("recovery", f"{staff_id}\0{code}")


# --- The organisation's own sign-in ----------------------------------------------------------------------------------


async def link_identity(
    conn: AsyncConnection, vault: Vault, staff_id: str, *, issuer: str, subject: str, now: datetime
) -> bool:
    """Note who somebody is at the organisation's sign-in; False where they, or the other name, are linked already."""
    taken = select(identities.c.fingerprint).where(identities.c.staff_id == staff_id)
    if (await conn.execute(taken)).first() is not None:
        return False
    values = {"fingerprint": _identity(vault, issuer, subject), "staff_id": staff_id, "created_at": now, "used_at": now}
    made = await insert_once(conn, identities, values, unique=["fingerprint"], returning="staff_id")
    return made is not None


async def find_identity(conn: AsyncConnection, vault: Vault, *, issuer: str, subject: str) -> str | None:
    """Who on staff this is."""
    same = identities.c.fingerprint == _identity(vault, issuer, subject)
    staff_id: str | None = (await conn.execute(select(identities.c.staff_id).where(same))).scalar_one_or_none()
    return staff_id


async def note_identity_used(conn: AsyncConnection, staff_id: str, *, now: datetime) -> None:
    """Note when it was last used."""
    await conn.execute(update(identities).where(identities.c.staff_id == staff_id).values(used_at=now))


async def unlink_identity(conn: AsyncConnection, staff_id: str) -> bool:
    """Take this way in away; whether there was one."""
    return rows_touched(await conn.execute(delete(identities).where(identities.c.staff_id == staff_id))) > 0


def _identity(vault: Vault, issuer: str, subject: str) -> str:
    return vault.fingerprint("identity", f"{issuer}\0{subject}")


# --- What a browser was asked ----------------------------------------------------------------------------------------


async def ask(
    conn: AsyncConnection,
    kind: str,
    browser: str,
    asked: str,
    *,
    until: datetime,
    staff_id: str | None = None,
    sealed: bytes | None = None,
) -> None:
    """Note that this browser was asked this; asking the same once more begins anew."""
    hashed = _asked(kind, browser, asked)
    await conn.execute(delete(challenges).where(challenges.c.hash == hashed))
    await conn.execute(
        insert(challenges).values(hash=hashed, kind=kind, staff_id=staff_id, sealed=sealed, expires_at=until)
    )


async def spend(conn: AsyncConnection, kind: str, browser: str, asked: str, *, now: datetime) -> Asked | None:
    """What this browser was asked and has not answered before, used up; None where there is nothing of the kind."""
    spent = await conn.execute(
        delete(challenges)
        .where(challenges.c.hash == _asked(kind, browser, asked), challenges.c.kind == kind)
        .returning(challenges.c.staff_id, challenges.c.sealed, challenges.c.expires_at)
    )
    row = spent.one_or_none()
    if row is None or row.expires_at <= now:
        return None
    return Asked(row.staff_id, bytes(row.sealed) if row.sealed is not None else None)


async def pending(conn: AsyncConnection, kind: str, browser: str, asked: str, *, now: datetime) -> bytes | None:
    """What is sealed in a question that is still open, without using it up."""
    same = (challenges.c.hash == _asked(kind, browser, asked)) & (challenges.c.expires_at > now)
    sealed = (await conn.execute(select(challenges.c.sealed).where(same))).scalar_one_or_none()
    return bytes(sealed) if sealed is not None else None


def _asked(kind: str, browser: str, asked: str) -> str:
    return hashlib.sha256(f"varde {kind}\0{browser}\0{asked}".encode()).hexdigest()
