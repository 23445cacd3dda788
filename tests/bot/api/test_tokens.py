"""Access tokens on the page of one's own account: shown once, ended by a button, made only by who just signed in."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from bot.app import Line
from helpline import access_tokens
from helpline.accounts import Role
from helpline.clock import SetClock
from tests.bot.browsing import Client, get, post
from tests.bot.test_desk import sign_in

__all__ = ["sign_in"]

HERE = "/desk/account/tokens"


@pytest.fixture
async def eva(sign_in: Any) -> Client:
    browser: Client = await sign_in("eva", Role.EDITOR)
    return browser


async def made(browser: Client, **fields: str) -> Any:
    page = await get(browser, HERE)
    chosen = {"csrf": page.csrf, "name": "Skript", "scope": "write", "until": "2027-01-01", **fields}
    return await post(browser, HERE, chosen)


async def test_a_token_is_shown_once_and_opens_the_api(eva: Client) -> None:
    assert f'href="{HERE}"' in (await get(eva, "/desk/account")).text
    page = await made(eva)
    (secret,) = re.findall(r"<code>(varde_[0-9A-Za-z]+)</code>", page.text)
    assert secret not in (await get(eva, HERE)).text
    asked = await eva.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    body = await asked.json()
    assert (body["staff"]["id"], body["token"]["scope"]) == ("eva", "write")
    assert body["token"]["expires_at"] == "2027-01-01T23:00:00Z"  # the end of that day in Oslo
    again = await get(eva, HERE)
    (address,) = re.findall(r'action="(/desk/account/tokens/[0-9]+/revoke)"', again.text)
    for _ in range(2):
        assert (await post(eva, address, {"csrf": again.csrf})).status == 200
    assert (await eva.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})).status == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " "},
        {"name": "x" * 61},
        {"scope": "all"},
        {"until": "2026-11-21"},
        {"until": "2028-01-01"},
        {"until": "9999-12-31"},
        {"until": "i morgen"},
    ],
)
async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(fields: dict[str, str], eva: Client, line: Line) -> None:
    page = await made(eva, **{"name": "Nattlig eksport", **fields})
    assert page.status == 422
    assert 'class="wrong"' in page.text
    assert fields.get("name", "Nattlig eksport") in page.text
    async with line.house.db.read() as conn:
        assert await access_tokens.list_of(conn, "eva") == []


async def test_a_desk_left_open_makes_no_token(eva: Client, line: Line, clock: SetClock) -> None:
    clock.advance(timedelta(minutes=31))
    assert (await made(eva)).status == 403
    async with line.house.db.read() as conn:
        assert await access_tokens.list_of(conn, "eva") == []


async def test_nobody_ends_a_colleagues_token(eva: Client, sign_in: Any, line: Line) -> None:
    await made(eva)
    async with line.house.db.read() as conn:
        (token,) = await access_tokens.list_of(conn, "eva")
    ola = await sign_in("ola", Role.ADMINISTRATOR, Role.EDITOR)
    page = await get(ola, HERE)
    await post(ola, f"{HERE}/{token.id}/revoke", {"csrf": page.csrf})
    async with line.house.db.read() as conn:
        (token,) = await access_tokens.list_of(conn, "eva")
    assert token.revoked_at is None
