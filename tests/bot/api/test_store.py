"""What is kept for the API, and for how long; on both databases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from bot.api import store
from helpline import access_tokens, accounts
from helpline.access_tokens import Scope
from helpline.accounts import Role
from helpline.database import Database
from helpline.vault import Vault
from tests.conftest import NINE


async def answered(db: Database, key: str, body: str, at: datetime = NINE) -> str | None:
    """Take the key and answer, as one request does; what was answered before, if it was."""
    async with db.write() as conn:
        given = await store.begin(conn, "eva", key, asked="x", now=at)
        if given is not None:
            return given.body
        await asyncio.sleep(0)
        await store.keep(conn, "eva", key, status=201, headers={}, body=body)
        return None


async def test_of_many_at_once_with_one_key_one_does_it(db: Database) -> None:
    found = await asyncio.gather(*(answered(db, "k", str(number)) for number in range(6)))
    assert found.count(None) == 1
    assert set(found) - {None} == {str(found.index(None))}


async def test_what_was_taken_back_leaves_the_key_free(db: Database) -> None:
    try:
        async with db.write() as conn:
            await store.begin(conn, "eva", "k", asked="x", now=NINE)
            raise LookupError
    except LookupError:
        pass
    assert await answered(db, "k", "done") is None


async def test_an_answer_is_kept_for_a_day(db: Database) -> None:
    assert await answered(db, "k", "one") is None
    assert await answered(db, "k", "two", NINE + store.KEPT_FOR) == "one"
    late = NINE + store.KEPT_FOR + timedelta(seconds=1)
    async with db.write() as conn:
        assert await store.delete_older(conn, now=NINE + store.KEPT_FOR) == 0
        assert await store.delete_older(conn, now=late) == 1
    assert await answered(db, "k", "three", late) is None
    assert await answered(db, "k", "four", late + store.KEPT_FOR + timedelta(seconds=1)) is None


async def test_a_token_is_kept_until_a_year_past_its_end(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        await accounts.add_staff(
            conn, vault, name="Eva", roles=[Role.EDITOR], now=NINE, zone="Europe/Oslo", staff_id="eva"
        )
        secret, token = await access_tokens.make(
            conn, "eva", name="a", scope=Scope.READ, expires_at=NINE + timedelta(days=1), now=NINE
        )
    end = token.expires_at
    async with db.read() as conn:
        assert await access_tokens.find(conn, secret, now=end - timedelta(seconds=1)) == token
        assert await access_tokens.find(conn, secret, now=end) is None
    async with db.write() as conn:
        assert await access_tokens.delete_ended(conn, now=end + access_tokens.KEPT_FOR) == 0
        assert await access_tokens.delete_ended(conn, now=end + access_tokens.KEPT_FOR + timedelta(seconds=1)) == 1
