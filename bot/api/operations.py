"""What an operation of the API is: its address, who may use it, what it takes and gives. One value for routing,
validation and the description, so that these three cannot differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.access_tokens import AccessToken, Scope
from helpline.accounts import AT_THE_LINE, Role, Staff
from helpline.messages import Language
from helpline.web import KILOBYTE

BASE: Final = "/api/v1"
EVERYBODY: Final = AT_THE_LINE
WRITERS: Final = frozenset({Role.EDITOR, Role.REVIEWER})
REVIEWERS: Final = frozenset({Role.REVIEWER})
ADMINISTRATORS: Final = frozenset({Role.ADMINISTRATOR})


class Storage(StrEnum):
    """What an operation is given of storage."""

    READ = "read"
    WRITE = "write"  # a transaction around all of it, with the answer to be repeated in the same
    NONE = "none"  # it opens what it needs


@dataclass(frozen=True)
class Caller:
    """Who asks, and by which token."""

    staff: Staff
    token: AccessToken

    @property
    def actor(self) -> str:
        """The name under which the shelves know them: with a token or without, one person is one person."""
        return f"staff:{self.staff.id}"

    @property
    def roles(self) -> frozenset[Role]:
        """What they are trusted with."""
        return self.staff.roles


@dataclass(frozen=True)
class Call:
    """One request, read and allowed."""

    caller: Caller
    request_id: str
    now: datetime
    language: Language
    path: Mapping[str, Any]
    query: Any = field(repr=False)  # of the operation's model
    body: Any = field(repr=False)  # of the operation's model, or the bytes that were sent
    kind: str = ""  # media type of such bytes
    if_match: int | None = None  # the version that an If-Match names
    connection: AsyncConnection | None = field(default=None, repr=False)

    @property
    def conn(self) -> AsyncConnection:
        """Storage, as the operation asked for it."""
        assert self.connection is not None
        return self.connection

    @property
    def actor(self) -> str:
        """Who does it."""
        return self.caller.actor

    @property
    def roles(self) -> frozenset[Role]:
        """What they are trusted with."""
        return self.caller.roles


@dataclass(frozen=True)
class Answer:
    """What an operation gives."""

    value: BaseModel | None = None
    status: int | None = None  # None for the usual one of the operation
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = field(default=None, repr=False)  # in place of a value
    kind: str = "application/json"
    again: bool = False  # asked again with the same Idempotency-Key, it is to be done anew


Handle = Callable[[Call], Awaitable[Answer]]
# What takes long and needs no storage, done before any is opened: while somebody writes, nobody else does.
Prepare = Callable[[Call], Awaitable[Any]]


class NoFields(BaseModel):
    """Nothing."""

    model_config = {"extra": "forbid"}


@dataclass(frozen=True)
class Operation:
    """One operation."""

    id: str
    method: str
    path: str  # below BASE
    summary: str
    tag: str
    roles: frozenset[Role]
    handle: Handle = field(repr=False)
    gives: type[BaseModel] | None = None
    takes: type[BaseModel] | None = None
    query: type[BaseModel] = NoFields
    parts: type[BaseModel] = NoFields  # of the address
    scope: Scope = Scope.READ
    storage: Storage = Storage.READ
    prepare: Prepare | None = field(default=None, repr=False)  # what it gives stands in the body's place
    only_reads: Callable[[Call], bool] = field(default=lambda call: False, repr=False)  # whatever `storage` says
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)  # other ends that it can come to, and when
    body_required: bool = True
    raw_takes: tuple[str, ...] = ()  # media types, where it takes bytes
    raw_gives: tuple[str, ...] = ()
    conditional: bool = False  # heeds If-Match
    tagged: bool = False  # answers with an ETag
    limit: int = 256 * KILOBYTE
    description: str = ""

    @property
    def address(self) -> str:
        """The whole address, with the names of its parts in braces."""
        return BASE + self.path
