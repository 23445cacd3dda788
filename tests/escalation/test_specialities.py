"""A step that asks for a speciality pages those who have it, and is passed over at once where nobody does."""

from __future__ import annotations

from typing import Any

import pytest

from escalation.on_duty import what_is_wrong
from helpline import accounts
from helpline.accounts import ContactChannel
from helpline.database import Database
from helpline.vault import Vault
from tests.escalation.house import House, furnish
from tests.escalation.simulator import START
from tests.escalation.stored import a_policy, add_person


def asking_for(speciality: str) -> dict[str, Any]:
    """A ladder whose first step asks the whole house for a speciality, and whose second asks whoever is on call."""
    written = a_policy([[3, ["role:advisor"]], [4, ["roster:main"]]], last_resort=["role:coordinator"])
    for ladder in written["ladders"].values():
        ladder["steps"][0]["speciality"] = speciality
    return written


@pytest.fixture
async def minors(db: Database, vault: Vault) -> House:
    house = await furnish(db, vault, asking_for("minors"))
    async with db.write() as conn:
        await add_person(conn, vault, "ulla", (ContactChannel.SMS, "+4790000009"))
        await accounts.change_staff(conn, "ulla", specialities=["Minors", "labour"])
    return house


async def test_only_those_with_the_speciality_are_paged(minors: House) -> None:
    opened = await minors.open()
    assert [page.staff_id for page in await minors.pages(opened.filed.id)] == ["ulla"]
    await minors.tick(3)
    assert {page.staff_id for page in await minors.pages(opened.filed.id)} == {"ulla", "asha"}


async def test_where_nobody_has_it_the_next_step_comes_at_once(db: Database, vault: Vault) -> None:
    house = await furnish(db, vault, asking_for("minors"))
    opened = await house.open()
    assert {page.staff_id for page in await house.pages(opened.filed.id)} == {"asha"}
    async with db.read() as conn:
        assert 'The ladder asks for the speciality "minors", which nobody on staff has: that step is skipped.' in (
            await what_is_wrong(conn, START)
        )


async def test_whoever_cannot_be_reached_does_not_hold_the_step_up(minors: House) -> None:
    async with minors.db.write() as conn:
        for contact in await accounts.contacts(conn, minors.vault, "ulla"):
            await accounts.remove_contact(conn, contact.id)
    opened = await minors.open()
    assert {page.staff_id for page in await minors.pages(opened.filed.id)} == {"asha"}
