"""The rota's clockwork: coordinators hear of a hole once, and once more when it is near."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from escalation import store
from escalation.on_duty import gather
from escalation.rota import leave, rostering
from escalation.rota import store as rota_store
from escalation.rota import watch as rota_watch
from escalation.rota.coverage import holes
from escalation.rota.roster import Span
from helpline import accounts, audit
from helpline.database import Database
from helpline.vault import Vault
from tests.escalation.house import House
from tests.escalation.rota.test_leave import TODAY
from tests.escalation.rota.test_swaps import HALVES
from tests.escalation.simulator import START
from tests.escalation.stored import means_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAJA = "+4790000003"
NEXT_WEEK = Span(TODAY.start + 5 * DAY, TODAY.end + 5 * DAY)


@pytest.fixture
async def halves(house: House) -> House:
    await save(house, HALVES)
    return house


async def save(house: House, definition: dict[str, Any], **given: Any) -> None:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=definition,
            valid_from=house.now, now=house.now, saved_by="maja", **given,
        )  # fmt: skip


async def away(house: House, span: Span = NEXT_WEEK, who: str = "asha") -> int:
    async with house.db.write() as conn:
        return (await leave.enter(conn, staff_id=who, span=span, by="maja", now=house.now)).id


async def tick(house: House, hours: float = 0) -> list[str]:
    house.after(hours * 60)
    await rota_watch.tick(house.db, house.means, house.now)
    return await house.sent_to(MAJA)


async def test_a_covered_rota_is_quiet(halves: House) -> None:
    assert await tick(halves) == []


async def test_a_hole_is_told_once_and_once_more_when_it_is_near(halves: House) -> None:
    await away(halves)
    first = "Vaktlista har hull.\nmain: ingen fre. 27. nov. 08:00–20:00"
    near = "Hull i vaktlista det neste døgnet.\nmain: ingen fre. 27. nov. 08:00–20:00"
    assert await tick(halves) == [first]
    for hours in (1, 30, 5 * 24 + 5 - 24.1):
        assert await tick(halves, hours) == [first]
    for hours in (5 * 24 + 5 - 24, 5 * 24 + 4, 5 * 24 + 6, 5 * 24 + 16):
        assert await tick(halves, hours) == [first, near]


async def test_what_is_far_off_wakes_nobody_at_night(halves: House) -> None:
    await away(halves)
    await tick(halves)
    [(outgoing, _, message)] = await halves.post()
    assert (outgoing.due_at, message.urgent) == (START + 5 * HOUR, False)  # 08:00 where she is


async def test_a_hole_of_today_is_told_at_once_and_once(halves: House) -> None:
    await away(halves, TODAY)
    said = await tick(halves)
    assert len(said) == 1
    assert said[0].startswith("Hull i vaktlista det neste døgnet.")
    [(outgoing, _, message)] = await halves.post()
    assert (outgoing.due_at, message.urgent) == (START, True)
    assert await tick(halves, 6) == said


async def test_a_hole_that_was_filled_is_told_again_when_it_opens_again(halves: House) -> None:
    number = await away(halves)
    assert len(await tick(halves)) == 1
    async with halves.db.write() as conn:
        await leave.cancel(conn, halves.means, number, by="maja", now=halves.now)
    assert len(await tick(halves, 1)) == 1
    await away(halves)
    assert len(await tick(halves, 2)) == 2


async def test_many_holes_are_one_message(halves: House) -> None:
    await away(halves, Span(START + 2 * DAY, START + 12 * DAY))
    [said] = await tick(halves)
    assert said.count("\n") == 6
    assert said.endswith("… og 5 til.")


async def test_a_hole_its_owner_has_seen_alarms_nobody(house: House) -> None:
    async with house.db.write() as conn:
        await rostering.save_with_fallback(
            conn, name="main", zone="Europe/Oslo", definition={"rules": HALVES["rules"][:1]},
            valid_from=START, now=START, saved_by="maja", fallback="next_step",
        )  # fmt: skip
    assert await tick(house) == []


async def test_a_language_that_nobody_on_call_speaks_is_told(halves: House) -> None:
    await save(halves, HALVES, languages=["sv"])
    [near] = [text for text in await tick(halves) if "døgnet" in text]
    assert "main: ingen som snakker svensk søn. 22. nov. 08:00–20:00" in near


async def test_whoever_leaves_tears_a_hole(halves: House) -> None:
    async with halves.db.write() as conn:
        await accounts.deactivate(conn, "noor")
    assert len(await tick(halves)) == 2  # what is near, and what is to come


async def test_whoever_knows_of_a_hole_is_not_told_again(halves: House) -> None:
    await away(halves)
    await tick(halves)
    async with halves.db.write() as conn:
        present = await gather(conn, await store.policy(conn), START)
        [hole] = holes(await rota_store.plans(conn, START, START + 14 * DAY), START, speaks=present.speaks)
        await rota_watch.accept_hole(conn, hole, "maja", START)
    assert len(await tick(halves, 5 * 24)) == 1
    async with halves.db.read() as conn:
        actions = [entry.action for entry in await audit.entries(conn)]
    assert actions.count("roster_hole_told") == 1
    assert actions.count("roster_hole_accepted") == 1


async def test_a_hole_that_nobody_could_be_told_of_is_told_as_soon_as_somebody_can(halves: House) -> None:
    await away(halves)
    async with halves.db.write() as conn:
        [contact] = await accounts.contacts(conn, halves.vault, "maja")
        await store.stop_contact(conn, contact.id, halves.now)
    assert await tick(halves) == []
    async with halves.db.write() as conn:
        await store.start_contact(conn, contact.id)
    [said] = await tick(halves, 1)
    assert said.startswith("Vaktlista har hull.")


async def test_a_roster_that_no_ladder_calls_alarms_nobody(halves: House) -> None:
    async with halves.db.write() as conn:
        await store.save_roster(
            conn, name="spare", zone="Europe/Oslo", definition={}, valid_from=START, now=START, saved_by="maja"
        )
    assert await tick(halves) == []


async def test_a_line_that_is_not_set_up_yet_stands_still(db: Database, vault: Vault) -> None:
    assert await rota_watch.tick(db, means_of(vault), START) == 0
