"""What is held back until it is safe to say it, on both databases."""

from __future__ import annotations

from datetime import timedelta

from bot import held_store, store
from bot.store import Kind
from helpline.database import Database
from helpline.messages import Address, Channel, Choice, Country, Language, OutboundMessage
from helpline.vault import Vault
from tests.conftest import NINE

MESSAGE = OutboundMessage(
    "Hun kan komme i kveld.",
    choices=(Choice(token="a", label="Rådgiver", digit="0"), Choice(token="b", label="Svar", digit="1")),
    urgent=True,
    strikes=("901", "902"),
)


async def test_a_message_comes_back_as_it_was_held_and_only_once(db: Database, vault: Vault) -> None:
    async with db.write() as conn:
        hers = await store.create(
            conn,
            vault,
            Address(Channel.TELEGRAM, "7700900001"),
            kind=Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=NINE,
        )
        morning = NINE + timedelta(hours=20)
        for new in (True, False):
            assert await held_store.hold(conn, vault, hers, MESSAGE, key="1", now=NINE, due_at=morning) is new
        assert await held_store.due(conn, NINE) == []
        assert await held_store.next_due(conn) == morning
        assert await held_store.due(conn, morning) == [hers]
        assert [held.message for held in await held_store.take(conn, vault, hers)] == [MESSAGE]
        assert await held_store.take(conn, vault, hers) == ()
