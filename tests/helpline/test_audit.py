"""The trail cannot be edited unseen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from helpline import audit
from helpline.clock import SetClock
from helpline.database import Database, table_of

rows = table_of(audit.AuditEntryRow)
NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Reason(StrEnum):
    DANGER = "danger"


async def add(conn: AsyncConnection, action: str = "escalation_taken", **details: Any) -> None:
    await audit.append(conn, at=NINE, actor="staff:asha", action=action, subject="escalation:7", details=details)


async def let_edit(conn: AsyncConnection) -> None:
    """What somebody with the database's own keys could do."""
    if conn.dialect.name == "sqlite":
        await conn.execute(text("DROP TRIGGER IF EXISTS audit_entry_no_update"))
        await conn.execute(text("DROP TRIGGER IF EXISTS audit_entry_no_delete"))
    else:
        await conn.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))


async def test_what_happened_is_read_back(db: Database) -> None:
    async with db.write() as conn:
        await add(conn, minutes=3, reason=Reason.DANGER, urgent=True, due=NINE, nobody=None, articles=["a@1", "b@2"])
    async with db.write() as conn:
        await add(conn, action="escalation_closed")
    async with db.read() as conn:
        found = await audit.entries(conn, subject="escalation:7")
        assert await audit.entries(conn, actor="staff:noor") == []
        assert await audit.entries(conn, before=1) == []
        assert await audit.verify(conn) is None
    assert [(entry.id, entry.action) for entry in found] == [(2, "escalation_closed"), (1, "escalation_taken")]
    assert found[1].at == NINE
    assert found[1].details == {
        "minutes": 3,
        "reason": "danger",
        "urgent": True,
        "due": "2026-11-22T09:00:00Z",
        "nobody": None,
        "articles": ["a@1", "b@2"],
    }


async def test_words_do_not_get_in(db: Database) -> None:
    with capture_logs() as logged:
        async with db.write() as conn:
            await add(conn, note="kona heter Fatima", code="naar-er-det-grov@3", list=["ok", "to ord"])
    async with db.read() as conn:
        details = (await audit.entries(conn))[0].details
    assert details == {"note": "[withheld]", "code": "naar-er-det-grov@3", "list": ["ok", "[withheld]"]}
    assert [line["event"] for line in logged] == ["audit_detail_withheld"] * 2
    assert "Fatima" not in str(logged)


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "Took it"},
        {"actor": "Asha Olsen"},
        {"subject": ""},
        {"details": {"x": object()}},
        {"details": {"x": 1.5}},
    ],
)
async def test_what_is_no_code_is_refused(db: Database, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"at": NINE, "actor": "staff:asha", "action": "taken", "subject": "escalation:7"}
    with pytest.raises((ValueError, TypeError)):
        async with db.write() as conn:
            await audit.append(conn, **{**given, **wrong})
    async with db.read() as conn:
        assert await audit.head(conn) is None


async def test_a_transaction_taken_back_leaves_no_trace_and_no_hole(db: Database) -> None:
    async with db.write() as conn:
        await add(conn)
    with pytest.raises(KeyError):
        async with db.write() as conn:
            await add(conn)
            raise KeyError
    async with db.write() as conn:
        await add(conn)
        await add(conn)
    async with db.read() as conn:
        assert [entry.id for entry in await audit.entries(conn)] == [3, 2, 1]
        assert await audit.verify(conn) is None


async def test_many_writers_make_one_chain(db: Database) -> None:
    async def one(number: int) -> None:
        async with db.write() as conn:
            await add(conn, number=number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(20)))
    async with db.read() as conn:
        assert await audit.verify(conn) is None
        assert sorted(entry.details["number"] for entry in await audit.entries(conn)) == list(range(20))


@pytest.mark.parametrize(
    "edit",
    [
        update(rows).where(rows.c.id == 1).values(actor="staff:noor"),
        delete(rows).where(rows.c.id == 1),
        delete(rows),
    ],
)
async def test_the_database_itself_refuses_edits(db: Database, edit: Any) -> None:
    async with db.write() as conn:
        await add(conn)
    with pytest.raises(DBAPIError, match="never edited"):
        async with db.write() as conn:
            await conn.execute(edit)
    async with db.read() as conn:
        assert await audit.verify(conn) is None


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_replacing_a_row_is_refused_too(db: Database) -> None:
    async with db.write() as conn:
        await add(conn)
    with pytest.raises(DBAPIError, match="never edited"):
        async with db.write() as conn:
            await conn.execute(text("REPLACE INTO audit_entry SELECT * FROM audit_entry"))


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_emptying_the_table_is_refused_too(db: Database) -> None:
    with pytest.raises(DBAPIError, match="never edited"):
        async with db.write() as conn:
            await conn.execute(text("TRUNCATE audit_entry"))


COLUMNS = {
    "at": NINE + timedelta(microseconds=1),
    "actor": "staff:noor",
    "action": "escalation_dropped",
    "subject": "escalation:8",
    "details": '{"minutes":40}',
    "previous": "f" * 64,
    "hash": "e" * 64,
}
edits = st.one_of(
    st.tuples(st.just("change"), st.integers(1, 6), st.sampled_from(sorted(COLUMNS))),
    st.tuples(st.just("remove"), st.integers(1, 5), st.just("")),  # the last one can only be missed: see `known`
    st.tuples(st.just("swap"), st.integers(1, 5), st.just("")),
    st.tuples(st.just("slip_in"), st.integers(1, 6), st.just("")),
)


async def edit_is_found(db: Database, edit: tuple[str, int, str]) -> None:
    class Undo(Exception):
        pass

    kind, place, column = edit
    with pytest.raises(Undo):
        async with db.write() as conn:
            await let_edit(conn)
            whole = (await conn.execute(select(rows).order_by(rows.c.id))).mappings().all()
            if kind == "change":
                await conn.execute(update(rows).where(rows.c.id == place).values({column: COLUMNS[column]}))
            elif kind == "remove":
                await conn.execute(delete(rows).where(rows.c.id == place))
            elif kind == "swap":
                await conn.execute(delete(rows).where(rows.c.id.in_([place, place + 1])))
                await conn.execute(insert(rows).values({**whole[place - 1], "id": place + 1}))
                await conn.execute(insert(rows).values({**whole[place], "id": place}))
            else:
                await conn.execute(delete(rows).where(rows.c.id >= place))
                await conn.execute(insert(rows).values({**whole[place - 1], "actor": "staff:noor"}))
                for row in whole[place - 1 :]:
                    await conn.execute(insert(rows).values({**row, "id": row["id"] + 1}))
            broken = await audit.verify(conn)
            assert broken is not None, edit
            assert place <= broken.id <= place + 1
            raise Undo


async def test_any_edit_is_found(db: Database) -> None:
    for number in range(6):
        async with db.write() as conn:
            await add(conn, minutes=number)
    # Hypothesis calls plain functions; this one hands the work to the loop that the connections belong to.
    loop = asyncio.get_running_loop()

    @given(edit=edits)
    @settings(max_examples=40, deadline=None)
    def run(edit: tuple[str, int, str]) -> None:
        asyncio.run_coroutine_threadsafe(edit_is_found(db, edit), loop).result(30)

    await asyncio.to_thread(run)
    async with db.read() as conn:
        assert await audit.verify(conn) is None


async def test_a_chain_cut_off_or_written_anew_is_found_by_a_head_kept_elsewhere(db: Database) -> None:
    async with db.write() as conn:
        await add(conn)
        await add(conn)
    async with db.read() as conn:
        kept = await audit.head(conn)
    async with db.write() as conn:
        await let_edit(conn)
        await conn.execute(delete(rows).where(rows.c.id == 2))
    async with db.read() as conn:
        assert await audit.verify(conn) is None
        assert await audit.verify(conn, known=kept) == audit.BrokenLink(2, "cut_off")
    async with db.write() as conn:
        await add(conn, action="something_else")
    async with db.read() as conn:
        assert await audit.verify(conn, known=kept) == audit.BrokenLink(2, "changed")


async def test_the_newest_instant_is_the_latest_the_trail_has_seen(db: Database, clock: SetClock) -> None:
    async with db.read() as conn:
        assert await audit.newest_instant(conn) is None
    for minutes in (5, 60, 10):
        async with db.write() as conn:
            await audit.append(
                conn, at=NINE + timedelta(minutes=minutes), actor="line", action="ticked", subject="line:1"
            )
    async with db.read() as conn:
        assert await audit.newest_instant(conn) == NINE + timedelta(minutes=60)


async def test_appending_needs_a_write(db: Database) -> None:
    async with db.read() as conn:
        with pytest.raises(RuntimeError, match="write"):
            await add(conn)


async def test_a_long_chain_is_verified_in_parts(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_AT_ONCE", 3)
    async with db.write() as conn:
        for number in range(10):
            await add(conn, number=number)
    async with db.read() as conn:
        assert await audit.verify(conn) is None
