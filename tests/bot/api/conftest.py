"""Programs of staff, each with a token of its own, in front of the running line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bot.api.operations import BASE
from bot.app import Line
from helpline import access_tokens
from helpline.access_tokens import AccessToken, Scope
from helpline.accounts import Role
from tests.bot.test_desk import hire

Client = TestClient[web.Request, web.Application]


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]
    raw: bytes

    @property
    def kind(self) -> str:
        """What a problem is called."""
        return str(self.body["type"]).rpartition(":")[2]


@dataclass(frozen=True)
class Program:
    """A program with a token."""

    client: Client
    secret: str
    token: AccessToken

    async def ask(
        self, method: str, path: str, body: Any = None, *, data: bytes | None = None, **headers: str
    ) -> Reply:
        """One request; underscores in the names of headers stand for hyphens."""
        sent = {"Authorization": f"Bearer {self.secret}", "Accept-Language": "en"}
        if body is not None:
            data, sent["Content-Type"] = orjson.dumps(body), "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.client.request(
            method, BASE + path, data=data, headers=sent, skip_auto_headers=["Content-Type"]
        )
        raw = await response.read()
        body = (
            orjson.loads(raw)
            if raw and response.content_type in {"application/json", "application/problem+json"}
            else None
        )
        return Reply(response.status, body, response.headers, raw)

    async def get(self, path: str, **headers: str) -> Reply:
        """Read."""
        return await self.ask("GET", path, None, data=None, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """Write."""
        return await self.ask("POST", path, body, data=None, **headers)


Employ = Callable[..., Awaitable[Program]]


@pytest.fixture
async def api(line: Line, aiohttp_client: Any) -> Client:
    """The running line, and a connection to it that says nothing of a browser."""
    client: Client = await aiohttp_client(line.application())
    return client


async def token_for(
    line: Line, staff_id: str, *, scope: Scope = Scope.WRITE, days: int = 30
) -> tuple[str, AccessToken]:
    """A token of somebody who works here."""
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        return await access_tokens.make(
            conn, staff_id, name="a script", scope=scope, expires_at=now + timedelta(days=days), now=now
        )


@pytest.fixture
def employ(line: Line, api: Client) -> Employ:
    """Takes somebody on who has a program."""

    async def employ(staff_id: str, *roles: Role, scope: Scope = Scope.WRITE) -> Program:
        await hire(line, staff_id, *roles)
        secret, token = await token_for(line, staff_id, scope=scope)
        return Program(api, secret, token)

    return employ


@pytest.fixture
async def eva(employ: Employ) -> Program:
    """An editor's program."""
    return await employ("eva", Role.EDITOR)


@pytest.fixture
async def rita(employ: Employ) -> Program:
    """A reviewer's program."""
    return await employ("rita", Role.REVIEWER)
