"""Personal access tokens: how a member of staff lets a program of theirs use the API in their name.

A token can do no more than its owner may at that moment, and less where it is for reading only. It is shown once and
stored as a hash. It begins with a word and ends with a checksum, so that a scanner that finds one in a file knows what
it found, and so that what was mistyped is refused before storage is asked.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, String, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.storage import AnyRow, BigId, UtcDateTime, rows_touched, table_of

PREFIX = "varde_"
LONGEST_NAME = 60
LONGEST_LIFE = timedelta(days=365)
MOST = 20  # tokens of one member of staff that are good at a time
KEPT_FOR = timedelta(days=365)  # after its end
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET, _CHECK = 43, 6  # letters: 256 bits of chance, and a checksum of 32
_TOKEN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET + _CHECK}}}", re.ASCII)
_USED_EVERY = timedelta(minutes=1)  # a token notes its use at most this often, to spare a write per request


class Scope(StrEnum):
    """What a token is for, as far as its owner's roles go."""

    READ = "read"
    WRITE = "write"  # reading too
    PARTNER = "partner"  # opens the partners' feed of the directory, and nothing of the API


class AccessTokenRow(SQLModel, table=True):
    """A token of a member of staff. Kept until a year past its end (the trail names it), or until its owner leaves."""

    __tablename__ = "access_token"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a number is never given twice: the trail names it

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    hash: str = Field(sa_type=String, unique=True)
    name: str = Field(sa_type=String)
    scope: str = Field(sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


tokens = table_of(AccessTokenRow)


class TokenError(Exception):
    """A token cannot be made as asked; `key` is the phrase that says why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


@dataclass(frozen=True)
class AccessToken:
    """A token as its owner sees it in the list; what opens the door is not in it."""

    id: int
    staff_id: str
    name: str = field(repr=False)
    scope: Scope
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and now < self.expires_at


def new_secret() -> str:
    """A token that nobody has had before."""
    chosen = "".join(secrets.choice(_LETTERS) for _ in range(_SECRET))
    return f"{PREFIX}{chosen}{_checksum(chosen)}"


def is_whole(token: str) -> bool:
    """Whether this can be a token at all: its checksum is right."""
    return _TOKEN.fullmatch(token) is not None and _checksum(token[len(PREFIX) : -_CHECK]) == token[-_CHECK:]


async def make(
    conn: AsyncConnection, staff_id: str, *, name: str, scope: Scope, expires_at: datetime, now: datetime
) -> tuple[str, AccessToken]:
    """A new token: what to show its owner this once, and what is kept of it."""
    called = " ".join(name.replace("\x00", " ").split())
    if not 0 < len(called) <= LONGEST_NAME:
        raise TokenError("desk.tokens.no.name", most=LONGEST_NAME)
    if not now < expires_at <= now + LONGEST_LIFE + timedelta(days=1):
        raise TokenError("desk.tokens.no.end")
    good = (tokens.c.staff_id == staff_id) & tokens.c.revoked_at.is_(None) & (tokens.c.expires_at > now)
    if (await conn.execute(select(func.count()).select_from(tokens).where(good))).scalar_one() >= MOST:
        raise TokenError("desk.tokens.no.more", most=MOST)
    secret = new_secret()
    values = {
        "staff_id": staff_id,
        "hash": hash_of(secret),
        "name": called,
        "scope": scope.value,
        "created_at": now,
        "expires_at": expires_at,
    }
    made = _token((await conn.execute(tokens.insert().values(values).returning(tokens))).one())
    details: dict[str, audit.Detail] = {"token": made.id, "scope": scope, "expires_at": expires_at}
    await _note(conn, made, "access_token_made", details, now)
    return secret, made


async def find(conn: AsyncConnection, token: str, *, now: datetime) -> AccessToken | None:
    """The token that this is, where it is good; whether its owner still works here is for accounts to say."""
    if not is_whole(token):
        return None
    row = (await conn.execute(select(tokens).where(tokens.c.hash == hash_of(token)))).one_or_none()
    found = _token(row) if row is not None else None
    return found if found is not None and found.is_good(now) else None


async def note_used(conn: AsyncConnection, token_id: int, *, now: datetime) -> None:
    """Note that it was used; touches the row at most once a minute."""
    long_ago = tokens.c.used_at.is_(None) | (tokens.c.used_at <= now - _USED_EVERY)
    await conn.execute(update(tokens).where(tokens.c.id == token_id, long_ago).values(used_at=now))


def is_worth_noting(token: AccessToken, now: datetime) -> bool:
    """Whether its last use was noted so long ago that this one should be."""
    return token.used_at is None or token.used_at <= now - _USED_EVERY


async def list_of(conn: AsyncConnection, staff_id: str) -> list[AccessToken]:
    """Somebody's tokens, also those that are over, the newest first."""
    found = select(tokens).where(tokens.c.staff_id == staff_id).order_by(tokens.c.id.desc())
    return [_token(row) for row in await conn.execute(found)]


async def revoke(conn: AsyncConnection, staff_id: str, token_id: int, *, now: datetime) -> bool:
    """End a token of this member of staff; whether there is one of this number, ended before or now."""
    theirs = (tokens.c.staff_id == staff_id) & (tokens.c.id == token_id)
    row = (await conn.execute(select(tokens).where(theirs))).one_or_none()
    if row is None:
        return False
    ended = update(tokens).where(theirs, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    if rows_touched(await conn.execute(ended)):
        details: dict[str, audit.Detail] = {"token": token_id}
        await _note(conn, _token(row), "access_token_revoked", details, now)
    return True


async def end_of(conn: AsyncConnection, staff_id: str) -> int:
    """Take every token of somebody away; how many went."""
    return rows_touched(await conn.execute(delete(tokens).where(tokens.c.staff_id == staff_id)))


async def delete_ended(conn: AsyncConnection, *, now: datetime) -> int:
    """Delete what ended long ago; how many went."""
    return rows_touched(await conn.execute(delete(tokens).where(tokens.c.expires_at < now - KEPT_FOR)))


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(f"varde access token\0{token}".encode()).hexdigest()


def _checksum(chosen: str) -> str:
    left, letters = zlib.crc32(chosen.encode()), ""
    for _ in range(_CHECK):
        left, place = divmod(left, len(_LETTERS))
        letters = _LETTERS[place] + letters
    return letters


async def _note(
    conn: AsyncConnection, token: AccessToken, action: str, details: dict[str, audit.Detail], now: datetime
) -> None:
    subject = f"staff:{token.staff_id}"
    await audit.append(conn, at=now, actor=subject, action=action, subject=subject, details=details)


def _token(row: AnyRow) -> AccessToken:
    return AccessToken(
        row.id,
        row.staff_id,
        row.name,
        Scope(row.scope),
        row.created_at,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
