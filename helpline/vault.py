"""Keys for what people wrote: one for each conversation and each member of staff, wrapped by the master key.

Erasing is deleting the key. What it sealed is then noise, in every table and in every backup made from now on, without
having to find each copy.

A sealed text names what it is *about* ("outbox:page-7"), so that a text moved into another row does not open there.
Addresses are found again by a keyed hash, which nobody without the master key can make.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, LargeBinary, ScalarSelect, String, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline.messages import Address
from helpline.storage import insert_once, table_of, transaction_under_way


class VaultError(Exception):
    """Something sealed could not be sealed or opened."""


class Forgotten(VaultError):
    """The key was deleted on purpose: what it sealed is gone for good."""


class Unreadable(VaultError):
    """The sealed text was changed, belongs to something else, or was sealed under another key."""


class WrongMasterKey(VaultError):
    """VARDE_SECRET_KEY is not the key that this database was written with."""


class SubjectKeyRow(SQLModel, table=True):
    """A subject's key, wrapped by the master key.

    Kept until the subject is erased: a conversation's by its retention or at the clinician's word, a member of staff's
    when they are removed. Nothing brings it back.
    """

    __tablename__ = "subject_key"

    subject: str = Field(primary_key=True, sa_type=String)
    wrapped: bytes = Field(sa_type=LargeBinary)


_keys = table_of(SubjectKeyRow)
_find_keys = select(_keys).where(_keys.c.subject.in_(bindparam("which", expanding=True)))
_find_key = select(_keys.c.wrapped).where(_keys.c.subject == bindparam("which"))

_VERSION = b"\x01"
_NONCE = 12
_MARK = 4  # bytes that say which key sealed a text, to tell "erased" from "damaged"
_CHECK = "vault:check"  # a subject whose key only shows that the master key is the right one


class SubjectKey:
    """One subject's key. Printing it reveals nothing."""

    __slots__ = ("_cipher", "_mark", "forgotten", "subject")

    def __init__(self, subject: str, secret: bytes) -> None:
        self.subject = subject
        self.forgotten = False
        self._cipher = AESGCM(secret)
        self._mark = hmac.digest(secret, b"varde mark", "sha256")[:_MARK]

    def __repr__(self) -> str:
        return f"<SubjectKey of {self.subject}>"

    def seal(self, text: str, *, about: str) -> bytes:
        """Encrypt `text`, bound to what it is about."""
        if self.forgotten:
            raise Forgotten("This key was deleted.")
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + self._mark + nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())

    def unseal(self, blob: bytes, *, about: str) -> str:
        """Decrypt what `seal` made with the same `about`."""
        if self.forgotten:
            raise Forgotten("This key was deleted.")
        head = 1 + _MARK + _NONCE
        if len(blob) < head + 16 or blob[:1] != _VERSION:
            raise Unreadable("This is not a sealed text.")
        if blob[1 : 1 + _MARK] != self._mark:
            raise Forgotten("The key that sealed this was deleted.")
        try:
            return self._cipher.decrypt(blob[1 + _MARK : head], blob[head:], about.encode()).decode()
        except InvalidTag as error:
            raise Unreadable("This sealed text was changed, or belongs to something else.") from error


def wrapped_of(subject: ColumnElement[str]) -> ScalarSelect[bytes]:
    """The wrapped key of a subject, as a column of another statement of the hot path; for `Vault.found`."""
    return select(_keys.c.wrapped).where(_keys.c.subject == subject).scalar_subquery()


class Vault:
    """Opens and forgets the keys of subjects ("conversation:17", "staff:asha")."""

    def __init__(self, master: bytes, *, remembered: int = 4096) -> None:
        if len(master) != 32:
            raise ValueError("the master key has 32 bytes")
        self._wrapping = AESGCM(_derive(master, b"varde subject keys"))
        self._finding = _derive(master, b"varde fingerprints")
        self._remembered = remembered
        self._opened: OrderedDict[tuple[str, bytes], SubjectKey] = OrderedDict()

    async def open(self, conn: AsyncConnection, subject: str) -> SubjectKey:
        """The subject's key, made where there is none (which needs a write)."""
        found = await self.existing(conn, subject)
        if found is not None:
            return found
        wrapped = self._wrap(subject, secrets.token_bytes(32))
        made = await insert_once(
            conn, _keys, {"subject": subject, "wrapped": wrapped}, unique=["subject"], returning="subject"
        )
        if made is not None:
            return self._unwrap(subject, wrapped)
        found = await self.existing(conn, subject)
        if found is None:
            raise Forgotten("This key was deleted while it was being made.")
        return found

    async def existing(self, conn: AsyncConnection, subject: str) -> SubjectKey | None:
        """The subject's key, or None where it has none or it was forgotten.

        The row is looked for once in each transaction, since another process may have forgotten it; only the unwrapping
        is remembered for longer.
        """
        found = self._found_by(conn)
        if found is not None and subject in found:
            return found[subject]
        wrapped = (await conn.execute(_find_key, {"which": subject})).scalar_one_or_none()
        if wrapped is None:
            return None
        key = self._unwrap(subject, bytes(wrapped))
        if found is not None:
            found[subject] = key
        return key

    def found(self, conn: AsyncConnection, subject: str, wrapped: bytes | None) -> SubjectKey | None:
        """The key of a subject whose row was read by another statement of the write under way on this connection."""
        found = self._found_by(conn)
        if wrapped is None or found is None:
            return None
        found[subject] = self._unwrap(subject, bytes(wrapped))
        return found[subject]

    async def look_up(self, conn: AsyncConnection, subjects: Iterable[str]) -> None:
        """Find the keys of several subjects at once, for what the write under way on this connection does next."""
        found = self._found_by(conn)
        wanted = sorted(set(subjects).difference(found or ()))
        if found is None or not wanted:
            return
        for row in await conn.execute(_find_keys, {"which": wanted}):
            found[row.subject] = self._unwrap(row.subject, bytes(row.wrapped))

    def _found_by(self, conn: AsyncConnection) -> dict[str, SubjectKey] | None:
        """The keys that the write under way on this connection has found; None while reading."""
        transaction = transaction_under_way(conn)
        found: dict[str, SubjectKey] | None = transaction.notes.setdefault(self, {}) if transaction else None
        return found

    async def forget(self, conn: AsyncConnection, subject: str) -> None:
        """Delete the subject's key. What it sealed is gone once this is committed."""
        # Marked at once and not after the commit: if the transaction is taken back, the next `open` reads the row anew.
        for place in [place for place in self._opened if place[0] == subject]:
            self._opened.pop(place).forgotten = True
        found = self._found_by(conn)
        if found is not None:
            found.pop(subject, None)
        await conn.execute(delete(_keys).where(_keys.c.subject == subject))

    async def check(self, conn: AsyncConnection) -> None:
        """Refuse to start with a master key that is not this database's (needs a write)."""
        await self.open(conn, _CHECK)

    def fingerprint(self, channel: str, value: str) -> str:
        """A keyed hash by which an address is found again."""
        return hmac.new(self._finding, f"{channel}\0{value}".encode(), hashlib.sha256).hexdigest()

    def fingerprint_of(self, address: Address) -> str:
        """The fingerprint of an address."""
        return self.fingerprint(address.channel.value, address.value)

    def _wrap(self, subject: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._wrapping.encrypt(nonce, secret, subject.encode())

    def _unwrap(self, subject: str, wrapped: bytes) -> SubjectKey:
        place = (subject, wrapped)
        key = self._opened.get(place)
        if key is not None:
            self._opened.move_to_end(place)
            return key
        nonce, sealed = wrapped[1 : 1 + _NONCE], wrapped[1 + _NONCE :]
        try:
            secret = self._wrapping.decrypt(nonce, sealed, subject.encode())
        except InvalidTag as error:
            raise WrongMasterKey("VARDE_SECRET_KEY is not the key that this database was written with.") from error
        key = self._opened[place] = SubjectKey(subject, secret)
        if len(self._opened) > self._remembered:
            self._opened.popitem(last=False)
        return key


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(master)
