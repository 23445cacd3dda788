"""Passwords and the codes of an authenticator app: what they must be, and whether they are right.

A password alone opens nothing. It is hashed slowly (argon2id), outside the event loop and few at a time; an e-mail that
nobody has costs the same work as one that somebody has.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import secrets
import unicodedata
from datetime import datetime

import pyotp
import segno
from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST, LONGEST = 12, 200  # characters
_FEWEST_DIFFERENT = 5
_STEP = 30  # seconds that a code of the app is shown
_AT_ONCE = 2  # a hash takes 64 MB: a crowd at the door must not take all of it
_PART = 4  # letters of a name that count as part of a password


def normalised(password: str) -> str:
    """The same password, however the keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)


def refusal(password: str, *, theirs: tuple[str, ...]) -> str | None:
    """The phrase that says why this cannot be their password; None where it can. `theirs` are their name and e-mail."""
    given = normalised(password)
    if len(given) < SHORTEST:
        return "desk.password.short"
    if len(given) > LONGEST:
        return "desk.password.long"
    if len(set(given)) < _FEWEST_DIFFERENT:
        return "desk.password.simple"
    plain = given.casefold()
    for known in theirs:
        whole = normalised(known).casefold()
        words = {whole, whole.partition("@")[0], *whole.replace("@", " ").split()}
        rest = plain
        for word in sorted((word for word in words if len(word) >= _PART), key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(rest) < SHORTEST // 2 and rest != plain:
            return "desk.password.theirs"
    return None


class Hasher:
    """Hashes passwords in threads of its own."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(type=Type.ID)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, normalised(password))

    async def holds(self, stored: str | None, password: str) -> bool:
        """Whether this is the password. Without a stored one it takes as long, and does not."""
        if self._nobodys is None:
            self._nobodys = await self.hash(secrets.token_hex(16))
        async with self._turns:
            # What is longer than any password is not hashed whole, and costs the same.
            right = await asyncio.to_thread(self._verify, stored or self._nobodys, normalised(password)[: LONGEST + 1])
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed less slowly than is done today."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False


# --- The authenticator app -------------------------------------------------------------------------------------------


def new_secret() -> str:
    """A secret that the app and we share."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, *, now: datetime) -> int | None:
    """Which half minute this code belongs to, the last, this or the next one; None where it is wrong.

    Whether that half minute was used before is for the database to say.
    """
    digits = "".join(code.split())
    current = int(now.timestamp()) // _STEP
    app = pyotp.HOTP(secret)
    found = None
    for step in (current - 1, current, current + 1):
        right = hmac.compare_digest(app.at(step).encode(), digits.encode("utf-8", "replace"))
        found = step if right else found
    return found


def app_address(secret: str, *, name: str) -> str:
    """What the app reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Varde")


def picture(address: str) -> bytes:
    """The address as a square to be photographed, black on white in the dark too."""
    drawn = io.BytesIO()
    segno.make(address, micro=False, error="m").save(
        drawn, kind="svg", scale=6, border=4, dark="#000", light="#fff", xmldecl=False, omitsize=False
    )
    return drawn.getvalue()
