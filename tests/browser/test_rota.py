"""The rota in a real browser: the calendar and the roster editor, with and without scripts, on a phone at night."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from escalation import store
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.messages import Language
from helpline.vault import Vault
from tests.browser.conftest import PHONE, MakeContext, Server, Watched, each_look
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


async def set_up(server: Server, definition: Mapping[str, Any] | None = None) -> None:
    """Three advisors who can be paged, and a roster of their own."""
    db = Database.connect(f"sqlite:///{server.folder / 'varde.db'}")
    now = SystemClock().now()
    vault = Vault(bytes.fromhex((server.folder / "secret.key").read_text().strip()))
    async with db.write() as conn:
        for staff_id in ("asha", "noor", "eva"):
            if await accounts.find_staff(conn, staff_id) is not None:
                continue
            await accounts.add_staff(
                conn,
                vault,
                name=staff_id.title(),
                roles=(Role.ADVISOR,),
                now=now,
                zone="Europe/Oslo",
                staff_id=staff_id,
                languages=(Language.NB,),
            )
            await accounts.add_contact(
                conn,
                vault,
                staff_id=staff_id,
                channel=ContactChannel.DESK,
                value=staff_id,
                now=now,
                verified=True,
            )
        day = (now - timedelta(days=now.weekday() + 14)).date().isoformat()
        uke = {"type": "weekly", "length": 1, "start": f"{day}T08:00", "participants": ["asha", "noor"]}
        natt = {"type": "daily", "length": 1, "start": f"{day}T20:00", "participants": ["eva", "asha"]}
        rules = [
            {"target": "rotation:uke", "from": "08:00", "to": "20:00"},
            {"target": "rotation:natt", "from": "20:00", "to": "08:00", "days": ["mon", "tue", "wed", "thu", "fri"]},
            {"target": "noor", "from": "20:00", "to": "08:00", "days": ["sat"]},
        ]
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=definition or {"rotations": {"uke": uke, "natt": natt}, "rules": rules},
            valid_from=now,
            now=now,
            saved_by="staff:asha",
        )
    await db.dispose()


async def picture(page: Page, name: str) -> None:
    """The whole page, to be looked at."""
    folder = os.environ.get("VARDE_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@each_look
async def test_ending_a_roster_is_fit_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    await set_up(server)
    page = await staff_page(make_context, server, "cora", Role.COORDINATOR, viewport=size, color_scheme=scheme)
    label = f"rota-end-{scheme}-{size['width']}"
    await page.goto("/desk/rota/rosters/main/end")
    await page.locator("button[value=check]").click()
    await page.locator("button[value=end]").click()
    await expect(page.locator("#instead-error")).to_be_visible()
    await check(page, "1-still-called")
    await picture(page, f"{label}-1-still-called")
    day = (SystemClock().now() + timedelta(days=2)).date().isoformat()
    await page.locator("#at").fill(f"{day}T12:00")
    await page.locator("#instead").select_option("role:coordinator")
    await page.locator("button[value=check]").click()
    await expect(page.locator("#preview")).to_be_visible()
    await check(page, "2-seen")
    await picture(page, f"{label}-2-seen")
    # Only looked at: the ladders of this server go on calling it in the tests after this one.


@each_look
async def test_the_calendar_and_the_editor_are_fit_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    await set_up(server)
    page = await staff_page(
        make_context, server, "cora", Role.COORDINATOR, Role.ADVISOR, viewport=size, color_scheme=scheme
    )
    label = f"rota-{scheme}-{size['width']}"
    watched = Watched(page)
    await page.goto("/desk/rota")
    await expect(page.locator(".days > .today")).to_contain_text("I dag")
    await check(page, "1-calendar")
    await picture(page, f"{label}-1-calendar")
    await page.goto("/desk/rota/rosters")
    await check(page, "2-rosters")
    await picture(page, f"{label}-2-rosters")
    await page.get_by_role("link", name="main", exact=True).click()
    await check(page, "3-roster")
    await picture(page, f"{label}-3-roster")
    await page.get_by_role("button", name="Legg til en endring").click()
    await page.locator("button[value=check]").last.click()
    await expect(page.locator(".wrong").first).to_be_visible()
    await check(page, "4-wrong")
    await picture(page, f"{label}-4-wrong")
    await page.get_by_role("button", name="Fjern endring 1").click()
    await page.locator("button[value=check]").last.click()
    await expect(page.get_by_role("heading", name=re.compile("Slik blir 14 dager"))).to_be_visible()
    await check(page, "5-preview")
    await picture(page, f"{label}-5-preview")
    await page.goto("/desk/rota/rosters/main/versions")
    await check(page, "6-versions")
    await picture(page, f"{label}-6-versions")
    await page.get_by_role("link", name="Se").first.click()
    await check(page, "7-version")
    await picture(page, f"{label}-7-version")
    assert [said for said in watched.complaints if "422" not in said] == []


@each_look
async def test_swaps_leave_and_links_are_fit_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    await set_up(server)
    label = f"rota-{scheme}-{size['width']}"
    noor = await staff_page(make_context, server, "noor", Role.ADVISOR, viewport=size, color_scheme=scheme)
    watched = Watched(noor)
    await noor.goto("/desk/rota/swaps")
    await check(noor, "1-swaps")
    await noor.get_by_label("Til hvem").select_option(label="Eva")
    await noor.get_by_role("button", name="Spør om å gi den bort").click()
    await expect(noor.locator("#notice")).to_contain_text("Spørsmålet er sendt.")
    await check(noor, "2-offered")
    await picture(noor, f"{label}-8-swaps")
    eva = await staff_page(make_context, server, "eva", Role.ADVISOR, viewport=size, color_scheme=scheme)
    await eva.goto("/desk/rota/swaps")
    await check(eva, "3-asked")
    await picture(eva, f"{label}-9-asked")
    await eva.get_by_role("button", name=re.compile("^Nei")).first.click()
    await expect(eva.locator("#notice")).to_contain_text("Du har sagt nei.")

    await noor.goto("/desk/rota/leave")
    start = SystemClock().now() + timedelta(days=2)
    await noor.fill("#start", start.strftime("%Y-%m-%dT08:00"))
    await noor.fill("#end", (start + timedelta(days=8)).strftime("%Y-%m-%dT08:00"))
    await noor.locator("button[value=check]").click()
    await expect(noor.get_by_text("Da blir det hull i lista:").first).to_be_visible()
    await check(noor, "4-leave")
    await picture(noor, f"{label}-10-leave")
    await noor.goto("/desk/rota/feeds")
    await noor.get_by_role("button", name="Lag en lenke til dine vakter").click()
    await expect(noor.locator(".secret code")).to_contain_text("/rota/feed/")
    await check(noor, "5-feeds")
    await picture(noor, f"{label}-11-feeds")
    await noor.get_by_role("button", name=re.compile("^Gjør ugyldig")).first.click()
    await noor.goto("/desk/rota")
    await check(noor, "6-mine")
    await picture(noor, f"{label}-12-mine")
    assert watched.complaints == []


async def test_the_editor_works_before_any_script_and_by_the_keyboard_alone(
    make_context: MakeContext, server: Server
) -> None:
    await set_up(server)
    page = await staff_page(
        make_context, server, "cora", Role.COORDINATOR, Role.ADVISOR, viewport=PHONE, java_script_enabled=False
    )
    await page.goto("/desk/rota/rosters/main")
    turns = page.locator("select[name='rotations.1.people']")
    before = [await turns.nth(number).input_value() for number in range(2)]
    await page.locator("[id='down.rotations.1.people.0']").press("Enter")
    after = [await turns.nth(number).input_value() for number in range(2)]
    assert after == before[::-1]
    await expect(page.locator("[id='down.rotations.1.people.1']")).to_be_focused()
    # The return key in a field looks, and neither removes nor saves anything.
    await page.locator("[id='rotations.1.name']").fill("natta")
    await page.locator("[id='rotations.1.name']").press("Enter")
    await expect(page.get_by_role("heading", name=re.compile("Slik blir 14 dager"))).to_be_visible()
    await expect(page.locator("[id='rotations.1.name']")).to_have_value("natta")
    await page.get_by_label("Når ingen har vakt").select_option("next_step")
    await page.get_by_role("button", name="Lagre lista").press("Enter")
    await expect(page.locator("#notice")).to_contain_text("Lista er lagret.")
    await expect(page.locator("[id='rotations.1.name']")).to_have_value("natta")


EVERYTHING = {
    "layers": [
        {"target": "asha"},
        {"target": "noor", "active": [{"from": "20:00", "to": "08:00", "days": ["sat", "sun"]}]},
    ],
    "overrides": [{"from": "2026-01-01T08:00", "to": "2026-01-02T08:00", "add": "eva", "remove": "asha"}],
    "temporary": [
        {
            "from": "2030-12-24T08:00",
            "to": "2030-12-27T08:00",
            "shifts": [{"user": "eva", "from": "2030-12-24T08:00", "to": "2030-12-26T08:00"}],
        }
    ],
}


async def test_layers_and_temporary_rosters_and_a_question_about_time_on_a_phone(
    make_context: MakeContext, server: Server, check: Check
) -> None:
    await set_up(server, EVERYTHING)
    page = await staff_page(make_context, server, "cora", Role.COORDINATOR, viewport=PHONE, color_scheme="dark")
    await page.goto("/desk/rota/rosters/main")
    await page.get_by_text("Over (1)").click()
    await check(page, "1-everything")
    await picture(page, "rota-dark-390-13-everything")
    await page.fill("[id='temporary.0.start']", "2030-10-27T02:30")
    await page.fill("[id=valid_from]", "2027-03-28T02:30")
    await page.locator("button[value=check]").last.click()
    await expect(page.get_by_text("Klokka viser dette to ganger den dagen.").first).to_be_visible()
    await check(page, "2-question")
    await picture(page, "rota-dark-390-14-question")
    await page.get_by_label(re.compile("andre gang")).check()
    await page.get_by_label(re.compile("med én gang klokka er stilt")).check()
    await page.locator("button[value=check]").last.click()
    await expect(page.get_by_role("heading", name=re.compile("Slik blir 14 dager"))).to_be_visible()
