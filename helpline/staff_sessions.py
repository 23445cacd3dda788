"""Signed-in browsers: begun, seen, listed, ended. The browser holds a token, and the server only its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.storage import UtcDateTime, rows_touched, table_of

SESSION_LASTS = timedelta(hours=12)  # a long shift
SESSION_IDLE = timedelta(hours=2)
_SEEN_EVERY = timedelta(minutes=1)  # a session notes that it was seen at most this often, to spare a write per page
_REFERENCE = 16  # letters of the hash that name a session in a list of one's own; the hash opens nothing


class Way(StrEnum):
    """How somebody came in."""

    LINK = "link"  # a one-time link that the start printed
    PASSKEY = "passkey"
    PASSWORD = "password"  # noqa: S105  # with a code of the authenticator app, or a recovery code
    OIDC = "oidc"  # the organisation's own sign-in
    INVITATION = "invitation"  # having just made a way in


class StaffSessionRow(SQLModel, table=True):
    """A signed-in browser. Kept until signed out or a day past its end."""

    __tablename__ = "staff_session"

    hash: str = Field(primary_key=True, sa_type=String)
    staff_id: str = Field(sa_type=String, index=True, sa_column_args=(ForeignKey("staff.id"),))
    created_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    browser: str = Field(default="", sa_type=String, sa_column_kwargs={"server_default": ""})  # its family, no more
    way: str = Field(default="link", sa_type=String, sa_column_kwargs={"server_default": "link"})


sessions = table_of(StaffSessionRow)


@dataclass(frozen=True)
class SignedIn:
    """One signed-in browser, as its owner sees it in the list."""

    reference: str
    browser: str
    way: Way
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def hash_of(token: str) -> str:
    """What is kept of a session's token."""
    return hashlib.sha256(f"varde session\0{token}".encode()).hexdigest()


def reference_of(token: str) -> str:
    """The name of this session in its owner's list."""
    return hash_of(token)[:_REFERENCE]


async def start(
    conn: AsyncConnection,
    staff_id: str,
    *,
    now: datetime,
    lasts: timedelta = SESSION_LASTS,
    way: Way = Way.LINK,
    browser: str = "",
) -> str:
    """Sign somebody in; the token for their cookie, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    await conn.execute(
        sessions.insert().values(
            hash=hash_of(token),
            staff_id=staff_id,
            created_at=now,
            seen_at=now,
            expires_at=now + lasts,
            browser=browser,
            way=way.value,
        )
    )
    return token


async def note_seen(conn: AsyncConnection, token: str, *, now: datetime) -> None:
    """Keep a session from ending for idleness; touches the row at most once a minute."""
    await conn.execute(
        update(sessions)
        .where(sessions.c.hash == hash_of(token), sessions.c.seen_at < now - _SEEN_EVERY)
        .values(seen_at=now)
    )


async def end(conn: AsyncConnection, token: str) -> None:
    """Sign out."""
    await conn.execute(delete(sessions).where(sessions.c.hash == hash_of(token)))


async def end_of(conn: AsyncConnection, staff_id: str, *, but: str | None = None) -> int:
    """Sign somebody out everywhere, except where they hold the token `but`; how many sessions ended."""
    ending = delete(sessions).where(sessions.c.staff_id == staff_id)
    if but is not None:
        ending = ending.where(sessions.c.hash != hash_of(but))
    return rows_touched(await conn.execute(ending))


async def end_one(conn: AsyncConnection, staff_id: str, reference: str) -> bool:
    """Sign one browser of this member of staff out; whether it was signed in."""
    ours = (sessions.c.staff_id == staff_id) & sessions.c.hash.startswith(reference, autoescape=True)
    return len(reference) == _REFERENCE and rows_touched(await conn.execute(delete(sessions).where(ours))) > 0


async def list_of(
    conn: AsyncConnection, staff_id: str, *, now: datetime, idle: timedelta = SESSION_IDLE
) -> list[SignedIn]:
    """Where somebody is signed in now, the latest seen first."""
    alive = (sessions.c.staff_id == staff_id) & (sessions.c.expires_at > now) & (sessions.c.seen_at > now - idle)
    found = await conn.execute(select(sessions).where(alive).order_by(sessions.c.seen_at.desc(), sessions.c.hash))
    return [
        SignedIn(row.hash[:_REFERENCE], row.browser, Way(row.way), row.created_at, row.seen_at, row.expires_at)
        for row in found
    ]


async def delete_expired(conn: AsyncConnection, *, before: datetime) -> int:
    """Delete the sessions that ended before this instant; how many went."""
    return rows_touched(await conn.execute(delete(sessions).where(sessions.c.expires_at < before)))


def csrf_token(session_token: str) -> str:
    """What a form of this session carries, to show that it came from our own page. Follows from the cookie's token."""
    return hmac.new(session_token.encode(), b"varde csrf", hashlib.sha256).hexdigest()


def csrf_holds(session_token: str, given: str) -> bool:
    """Whether a form's token is this session's, compared in constant time."""
    return hmac.compare_digest(csrf_token(session_token).encode(), given.encode("utf-8", "replace"))


_FAMILIES = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_MACHINES = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)


def browser_family(user_agent: str) -> str:
    """What kind of browser it is, as coarse as its owner needs to know it again; never a version."""
    family = next((name for mark, name in _FAMILIES if mark in user_agent), "")
    machine = next((name for mark, name in _MACHINES if mark in user_agent), "")
    return ", ".join(part for part in (family, machine) if part)
