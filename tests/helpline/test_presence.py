"""Who has a page open just now."""

from __future__ import annotations

from datetime import timedelta

from helpline import presence
from helpline.database import Database
from helpline.storage import transaction_of
from tests.conftest import NINE

PLACE = "draft:7"


async def who(db: Database, at: timedelta) -> list[tuple[str, str]]:
    async with db.read() as conn:
        return [(one.person, one.detail) for one in await presence.present(conn, PLACE, NINE + at)]


async def test_two_on_one_page_are_seen_with_what_they_have_under_their_hands(db: Database) -> None:
    async with db.write() as conn:
        await presence.note(conn, PLACE, "noor", "", NINE)
        await presence.note(conn, PLACE, "asha", "short", NINE)
        await presence.note(conn, "draft:8", "ole", "title", NINE)
    async with db.write() as conn:
        await presence.note(conn, PLACE, "noor", "details", NINE + timedelta(seconds=20))
    assert await who(db, timedelta(seconds=20)) == [("asha", "short"), ("noor", "details")]


async def test_whoever_goes_silent_is_gone_by_themselves(db: Database) -> None:
    async with db.write() as conn:
        await presence.note(conn, PLACE, "asha", "short", NINE)
    assert await who(db, presence.LASTS) == [("asha", "short")]
    assert await who(db, presence.LASTS + timedelta(seconds=1)) == []


async def test_leaving_is_seen_at_once(db: Database) -> None:
    async with db.write() as conn:
        await presence.note(conn, PLACE, "asha", "short", NINE)
    with db.watch(PLACE) as watch:
        async with db.write() as conn:
            await presence.leave(conn, PLACE, "asha")
        assert await watch.wait(5)
    assert await who(db, timedelta()) == []


async def test_only_news_wakes_the_others(db: Database) -> None:
    wakes = []
    for seconds, field in [(0, "short"), (20, "short"), (40, "title"), (50, "title"), (200, "title")]:
        async with db.write() as conn:
            await presence.note(conn, PLACE, "asha", field, NINE + timedelta(seconds=seconds))
            wakes.append(PLACE in transaction_of(conn).topics)
    assert wakes == [True, False, True, False, True]  # the last one came back after a long silence


async def test_what_is_long_past_is_cleared_when_somebody_comes(db: Database) -> None:
    async with db.write() as conn:
        await presence.note(conn, PLACE, "asha", "short", NINE)
    async with db.write() as conn:
        await presence.note(conn, "draft:9", "noor", "", NINE + timedelta(hours=1))
    async with db.read() as conn:
        assert await presence.present(conn, PLACE, NINE) == []
