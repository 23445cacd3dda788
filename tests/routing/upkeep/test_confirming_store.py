"""One-time links on both databases: used once, ended by time or a newer one, and forgotten when long over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from helpline.content import content_folder
from helpline.database import Database
from helpline.storage import table_of
from routing.matching.refer import World
from routing.services import ServiceKind, ServiceStatus
from routing.upkeep import confirming_store
from routing.upkeep.confirming_store import (
    ConfirmLinkRow,
    ExpiredLink,
    UnknownLink,
    UsedLink,
    due,
    is_due,
    is_forgotten,
    may_confirm,
)
from tests.conftest import NINE

DIRECTORY = World.load(content_folder()).directory
ALWAYS = {one for each in DIRECTORY.fallbacks.values() for one in (*each.everyone, *each.minor)}
SERVICE = replace(
    next(one for one in DIRECTORY.services if may_confirm(one) and one.id not in ALWAYS),
    confirmed_on=None,
    assured_on=None,
)


async def test_a_link_is_used_once_and_only_its_hash_is_kept(db: Database) -> None:
    async with db.write() as conn:
        token = await confirming_store.make_link(conn, "huset", made_by="staff:maja", now=NINE)
        assert (await confirming_store.find(conn, token, now=NINE)).service_id == "huset"
        rows = (await conn.execute(select(table_of(ConfirmLinkRow)))).all()
        assert token not in str(rows)
    async with db.write() as conn:
        assert (await confirming_store.use(conn, token, now=NINE)).service_id == "huset"
    async with db.write() as conn:
        for look in (confirming_store.use, confirming_store.find):
            with pytest.raises(UsedLink):
                await look(conn, token, now=NINE)
        with pytest.raises(UnknownLink):
            await confirming_store.use(conn, token + "x", now=NINE)


async def test_a_link_ends_by_time_and_by_a_newer_one_and_goes_when_long_over(db: Database) -> None:
    over = NINE + confirming_store.LINK_LASTS
    async with db.write() as conn:
        first = await confirming_store.make_link(conn, "huset", made_by="staff:maja", now=NINE)
        second = await confirming_store.make_link(conn, "huset", made_by="staff:maja", now=NINE)
        other = await confirming_store.make_link(conn, "annet", made_by="staff:maja", now=NINE)
        with pytest.raises(ExpiredLink):
            await confirming_store.use(conn, first, now=NINE)
        assert await confirming_store.find(conn, second, now=over - timedelta(seconds=1))
        assert await confirming_store.find(conn, other, now=NINE)
        with pytest.raises(ExpiredLink):
            await confirming_store.use(conn, second, now=over)
        assert set(await confirming_store.newest_links(conn)) == {"huset", "annet"}
        assert set(await confirming_store.newest_links(conn, ["annet"])) == {"annet"}
        assert await confirming_store.delete_older(conn, now=over + confirming_store.KEPT_FOR) == 1
        assert await confirming_store.delete_older(conn, now=over + timedelta(days=91)) == 2
        with pytest.raises(UnknownLink):
            await confirming_store.find(conn, second, now=over)


async def test_what_was_told_is_told_anew_only_after_another_confirmation(db: Database) -> None:
    async with db.write() as conn:
        assert await confirming_store.untold(conn, [SERVICE]) == [SERVICE]
        assert await confirming_store.note_told(conn, SERVICE, now=NINE)
        assert not await confirming_store.note_told(conn, SERVICE, now=NINE)  # the other process
        assert await confirming_store.untold(conn, [SERVICE]) == []
        confirmed = replace(SERVICE, confirmed_on=date(2026, 1, 1))
        assert await confirming_store.untold(conn, [confirmed]) == [confirmed]


async def test_two_are_told_apart_once_whichever_is_named_first(db: Database) -> None:
    async with db.write() as conn:
        await confirming_store.not_the_same(conn, "b", "a", by="staff:maja", now=NINE)
        await confirming_store.not_the_same(conn, "a", "b", by="staff:maja", now=NINE)
        assert await confirming_store.apart(conn) == {("a", "b")}


@pytest.mark.parametrize(
    ("confirmed", "assured", "due_now", "forgotten"),
    [
        (None, None, True, True),
        (None, date(2026, 11, 1), True, False),  # one of us looked at it lately
        (date(2026, 5, 24), None, False, False),  # half a year less a day
        (date(2026, 5, 23), None, True, True),
        (date(2026, 5, 23), date(2026, 11, 1), True, False),
        (date(2026, 11, 22), date(2020, 1, 1), False, False),
    ],
)
def test_when_an_entry_is_due(confirmed: date | None, assured: date | None, due_now: bool, forgotten: bool) -> None:
    service = replace(SERVICE, confirmed_on=confirmed, assured_on=assured)
    assert is_due(service, NINE) is due_now
    assert is_forgotten(service, NINE) is forgotten


def test_what_is_due_is_told_the_longest_unconfirmed_first() -> None:
    old = replace(SERVICE, id="old", confirmed_on=date(2020, 1, 1))
    gone = replace(SERVICE, id="gone", status=ServiceStatus.DEFUNCT)
    background = replace(SERVICE, id="background", kind=ServiceKind.BACKGROUND)
    fresh = replace(SERVICE, id="fresh", confirmed_on=NINE.date())
    always = [replace(DIRECTORY.get(one), confirmed_on=NINE.date()) for one in ALWAYS]
    directory = DIRECTORY.with_all([old, gone, background, fresh, SERVICE, *always])
    assert [one.id for one in due(directory, NINE)] == [SERVICE.id, "old"]
