"""Ending a roster on the desk: seen before it is saved, refused with a way on, taken back, started again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.app import Line
from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import version_store
from helpline import audit
from helpline.accounts import Role
from helpline.clock import SetClock
from tests.bot.browsing import Client, Page, get
from tests.bot.rota_browsing import filled, form_of, send
from tests.bot.test_desk_rota import ALWAYS, WEEKS, browser, come_in, cora, people, save, save_roster

__all__ = ["browser", "cora", "people"]
NORTH, END = "/desk/rota/rosters/north", "/desk/rota/rosters/north/end"


@pytest.fixture
async def north(line: Line, people: None) -> None:
    """A roster that no ladder calls."""
    await save_roster(line, {"rotations": {"uke": WEEKS}, "rules": [ALWAYS]}, name="north")


async def act(client: Client, page: Page, do: str, address: str = END, **typed: str) -> Page:
    given, pairs = form_of(page, address)
    return await send(client, given["action"], [*filled(pairs, typed), ("do", do)])


async def is_on_call(line: Line, name: str = "north") -> bool:
    async with line.house.db.read() as conn:
        return name in {each.roster for each in await who_is_on_call(conn, line.house.clock.now()) if each.people}


async def test_a_roster_ends_and_its_history_stays_readable(
    line: Line, cora: Client, north: None, clock: SetClock
) -> None:
    clock.advance(timedelta(days=2))
    await come_in(line, cora, "cora")
    assert END in (await get(cora, NORTH)).text
    seen = await act(cora, await get(cora, END), "check")
    assert "Ingen varslingsstige bruker lista." in seen.text
    assert "Asha: " in seen.text
    assert await is_on_call(line)  # looking changes nothing
    done = await act(cora, seen, "end")
    assert "Lista er avsluttet." in done.text
    assert not await is_on_call(line)
    again = await act(cora, seen, "end")  # pressed twice
    assert "Lista er avsluttet." in again.text
    listed = await get(cora, "/desk/rota/rosters")
    assert "Avsluttede lister (1)" in listed.text
    calendar = await get(cora, "/desk/rota?roster=north")
    assert "Denne lista er avsluttet." in calendar.text
    assert '<p class="hint">Avsluttet</p>' in calendar.text  # the days after it, which are no holes
    assert "Asha" in calendar.text
    assert '"hole' not in calendar.text.partition('id="calendar"')[2]
    assert "north" not in (await get(cora, "/desk/rota")).text
    assert "Slutt</span>" in (await get(cora, NORTH + "/versions")).text
    assert (await get(cora, "/desk/rota/rosters/nowhere/end")).status == 404
    async with line.house.db.read() as conn:
        assert [each.action for each in await audit.entries(conn, subject="roster:north")] == ["roster_ended"]


async def test_an_ended_roster_is_started_again_as_it_was(line: Line, cora: Client, north: None) -> None:
    await act(cora, await act(cora, await get(cora, END), "check"), "end")
    page = await get(cora, NORTH)
    assert "Når du lagrer, starter den igjen." in page.text
    assert (await save(cora, {}, NORTH)).status == 200
    assert await is_on_call(line)
    async with line.house.db.read() as conn:
        assert [each.ended for each in await version_store.versions_of(conn, "north")] == [False, True, False]


async def test_an_end_that_lies_ahead_is_shown_and_taken_back(
    line: Line, cora: Client, north: None, clock: SetClock
) -> None:
    asked = await act(cora, await get(cora, END), "check", at="2027-03-28T02:30")
    assert asked.status == 422
    assert "Dette klokkeslettet finnes ikke den dagen." in asked.text
    late = (clock.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    seen = await act(cora, asked, "check", at=late)
    told = await act(cora, seen, "end")
    assert "Slutten er lagret." in told.text
    assert "Ta slutten tilbake" in told.text
    assert "roster:north" not in (await get(cora, "/desk/ladders")).text
    back = await act(cora, await get(cora, END), "back")
    assert "Slutten er tatt tilbake." in back.text
    clock.advance(timedelta(days=4))
    await come_in(line, cora, "cora")
    assert await is_on_call(line)
    assert "roster:north" in (await get(cora, "/desk/ladders")).text


async def test_a_roster_that_a_ladder_calls_ends_only_with_somebody_in_its_stead(
    line: Line, cora: Client, north: None
) -> None:
    end = "/desk/rota/rosters/main/end"
    page = await get(cora, end)
    assert "Varslingsstigen bruker denne lista her:" in page.text
    assert "Når det haster: trinn 1" in page.text
    assert 'href="/desk/ladders"' in page.text
    refused = await act(cora, page, "end", end)
    assert refused.status == 422
    assert "Varslingsstigen bruker lista. Velg hvem som varsles i stedet" in refused.text
    nobody = await act(cora, refused, "end", end, instead="role:nobody")
    assert (nobody.status, "Ingen der kan varsles." in nobody.text) == (422, True)
    await save_roster(line, {"rules": [{"target": "asha", "from": "08:00", "to": "20:00"}]}, name="days")
    holes = await act(cora, nobody, "end", end, instead="roster:days")
    assert (holes.status, "Det blir hull." in holes.text, "days: " in holes.text) == (422, True, True)
    done = await act(cora, holes, "end", end, accepted="yes")
    assert "Lista er avsluttet." in done.text
    async with line.house.db.read() as conn:
        targets = (await store.policy(conn)).targets()
    assert ("roster:days" in targets, "roster:main" in targets) == (True, False)


async def test_a_save_of_somebody_else_in_between_is_looked_at_first(line: Line, cora: Client, north: None) -> None:
    seen = await act(cora, await get(cora, END), "check")
    await save_roster(line, {"rules": [ALWAYS], "rotations": {"uke": WEEKS}}, name="north", by="eva")
    refused = await act(cora, seen, "end")
    assert (refused.status, "Noen andre har lagret lista imens." in refused.text) == (409, True)
    assert "Lista er avsluttet." in (await act(cora, refused, "end")).text


async def test_a_roster_that_never_began_is_removed_and_only_coordinators_come_here(
    line: Line, cora: Client, north: None, browser: Any
) -> None:
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        await store.save_roster(
            conn,
            name="summer",
            zone="Europe/Oslo",
            definition={},
            valid_from=now + timedelta(days=9),
            now=now,
            saved_by="cora",
        )
    page = await get(cora, "/desk/rota/rosters/summer/end")
    given, pairs = form_of(page, "/summer/remove")
    gone = await send(cora, given["action"], pairs)
    assert "Lista er fjernet." in gone.text
    assert "Lista er fjernet." in (await send(cora, given["action"], pairs)).text  # pressed twice
    assert (await get(cora, "/desk/rota/rosters/summer")).status == 404
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    assert [(await get(asha, address)).status for address in (END, NORTH)] == [404, 404]
    given, pairs = form_of(await get(cora, END), END)
    assert (await send(asha, END, [*pairs, ("do", "end")])).status in {403, 404}
    assert await is_on_call(line)
