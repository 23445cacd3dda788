"""Owners are told once that a review is near: one message, in the daytime, by whoever of two processes is first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.channels.local import LocalChannel
from bot.house import House
from bot.reminders import Reminders, in_the_daytime, owners_of
from helpline import accounts, outbox
from helpline.accounts import ContactChannel, Role, Staff
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Channel, Language
from helpline.storage import table_of
from knowledge import store as shelf_store
from knowledge.articles import Article
from knowledge.fitness import Standing
from knowledge.shelves import Shelves
from tests.knowledge.builders import an_article

DUE = datetime(2027, 5, 3, 9, 0, tzinfo=UTC)
_outbound = table_of(outbox.OutboundRow)


@pytest.fixture
async def house(prepared: tuple[Path, House], db: Database) -> AsyncIterator[House]:
    """Three articles on the shelves of a house with an SMS channel; two of them due, one not for long."""
    shelved = (
        an_article("tolk-rett"),
        an_article("tolk-barn", title="Kan et barn tolke?", owner="Berit"),
        an_article("tolk-natt", title="Tolk om natta?", review_by=date(2027, 11, 1)),
    )
    made = replace(prepared[1], db=db, clock=SetClock(DUE), channels={Channel.SMS: LocalChannel(Channel.TERMINAL)})
    before = made.library._shelves, made.library.standing
    made.library._shelves = Shelves(shelved, None)  # type: ignore[arg-type]  # nothing is searched here
    made.library.standing = Standing(made.library.standing.policy)
    async with db.write() as conn:
        await shelf_store.put_articles(conn, shelved, actor="content", now=DUE)
    yield made
    made.library._shelves, made.library.standing = before


async def hire(house: House, staff_id: str, *roles: Role, phone: str = "", verified: bool = True) -> Staff:
    async with house.db.write() as conn:
        staff = await accounts.add_staff(
            conn,
            house.vault,
            name=staff_id.title(),
            roles=roles,
            now=DUE,
            zone="Europe/Oslo",
            staff_id=staff_id,
            languages=(Language.NB,),
        )
        if phone:
            await accounts.add_contact(
                conn,
                house.vault,
                staff_id=staff_id,
                channel=ContactChannel.SMS,
                value=phone,
                now=DUE,
                verified=verified,
            )
    return staff


async def sent(house: House) -> dict[str, list[str]]:
    """What waits to go out, by the lane it waits in."""
    found: dict[str, list[str]] = {}
    async with house.db.read() as conn:
        for row in await conn.execute(select(_outbound).order_by(_outbound.c.id)):
            key = await house.vault.existing(conn, row.subject)
            assert key is not None
            found.setdefault(row.lane, []).append(key.unseal(row.sealed_body, about=f"outbox:{row.key}"))
    return found


async def test_the_owner_gets_one_message_for_all_that_is_due_and_never_again(house: House) -> None:
    await hire(house, "eva", Role.EDITOR, phone="+4790000021")
    await hire(house, "berit", Role.EDITOR, phone="+4790000022")
    await hire(house, "ola", Role.ADVISOR, phone="+4790000023")
    reminders = Reminders(house)
    for days in (0, 0, 1, 20):
        house.clock.advance(timedelta(days=days))  # type: ignore[attr-defined]
        await reminders.tick(house.clock.now())
    lanes = await sent(house)
    assert {lane: len(bodies) for lane, bodies in lanes.items()} == dict.fromkeys(lanes, 1)
    assert len(lanes) == 2  # no advisor is told
    said = "".join(body for bodies in lanes.values() for body in bodies)
    assert said.count("tolke?") == 1  # what Berit owns, Berit is told of
    assert "Tolk om natta" not in said
    assert "22.5.2027" in said


async def test_a_new_revision_with_a_new_date_is_told_of_anew(house: House) -> None:
    await hire(house, "eva", Role.EDITOR, phone="+4790000021")
    await Reminders(house).tick(DUE)
    revised = an_article("tolk-rett", review_by=date(2027, 5, 30), revision=2)
    house.library._shelves = Shelves((revised,), None)  # type: ignore[arg-type]
    await Reminders(house).tick(DUE + timedelta(days=1))
    [bodies] = (await sent(house)).values()
    assert ["22.5.2027" in bodies[0], "30.5.2027" in bodies[1]] == [True, True]


async def test_whoever_cannot_be_told_yet_is_told_when_they_can(house: House) -> None:
    await hire(house, "eva", Role.EDITOR, phone="+4790000021")
    berit = await hire(house, "berit", Role.EDITOR, phone="+4790000022", verified=False)
    await Reminders(house).tick(DUE)
    [bodies] = (await sent(house)).values()  # what is Berit's waits for her, and nobody is noted as told of it
    async with house.db.read() as conn:
        rows = (await conn.execute(select(table_of(shelf_store.ReviewReminderRow)))).all()
    assert {row.article_id for row in rows} == {"tolk-rett"}
    async with house.db.write() as conn:
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id=berit.id,
            channel=ContactChannel.SMS,
            value="+4790000024",
            now=DUE,
            verified=True,
        )
    await Reminders(house).tick(DUE + timedelta(hours=1))
    [_, [hers]] = (await sent(house)).values()
    assert "tolke?" in hers
    assert len((await sent(house)).popitem()[1]) == len(bodies) == 1


def person(staff_id: str, *roles: Role) -> Staff:
    return Staff(staff_id, staff_id.title(), frozenset(roles), (), (), "Europe/Oslo", True)


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        ("redaksjonen", ["eva", "ida"]),  # a group: every editor
        ("eva", ["eva"]),
        ("Eva ", ["eva"]),
        ("rolf", ["rolf"]),  # a reviewer may own an article too
        ("asha", ["eva", "ida"]),  # an advisor writes no articles
        ("", ["eva", "ida"]),
    ],
)
def test_who_owns_an_article(owner: str, told: list[str]) -> None:
    working = [
        person("asha", Role.ADVISOR),
        person("eva", Role.EDITOR),
        person("ida", Role.EDITOR, Role.ADVISOR),
        person("rolf", Role.REVIEWER),
    ]
    article: Article = an_article(owner=owner)
    assert [staff.id for staff in owners_of(article, working)] == told


@pytest.mark.parametrize(
    ("now", "zone", "at"),
    [
        (datetime(2027, 5, 3, 9, tzinfo=UTC), "Europe/Oslo", datetime(2027, 5, 3, 9, tzinfo=UTC)),
        (datetime(2027, 5, 3, 1, tzinfo=UTC), "Europe/Oslo", datetime(2027, 5, 3, 6, tzinfo=UTC)),
        (datetime(2027, 5, 3, 15, tzinfo=UTC), "Europe/Oslo", datetime(2027, 5, 4, 6, tzinfo=UTC)),
        (datetime(2027, 5, 3, 1, tzinfo=UTC), "Nowhere/At all", datetime(2027, 5, 3, 1, tzinfo=UTC)),
    ],
)
def test_nobody_is_woken_for_a_review(now: datetime, zone: str, at: datetime) -> None:
    assert in_the_daytime(now, zone) == at
