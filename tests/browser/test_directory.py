"""The directory in a browser: one coordinator adds a service, another approves it, and the chat offers it at once."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import DESKTOP, PHONE, MakeContext, Server, Watched
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


async def picture(page: Page, name: str) -> None:
    """The whole page, to be looked at."""
    folder = os.environ.get("VARDE_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def test_a_coordinator_adds_a_service_a_second_approves_and_the_chat_offers_it_at_once(
    make_context: MakeContext, server: Server, check: Check
) -> None:
    maja = await staff_page(
        make_context, server, "maja", Role.COORDINATOR, viewport=PHONE, color_scheme="dark", reduced_motion="reduce"
    )
    watched = Watched(maja)
    await maja.goto("/desk/directory")
    await check(maja, "1-list")
    await picture(maja, "directory-phone-1-list")
    await maja.get_by_label("Søk i tjenestene").fill("2233 11")
    await expect(maja.get_by_role("link", name=re.compile("ROSA"))).to_be_visible()
    await expect(maja.get_by_role("status").filter(has_text="tjeneste").last).to_be_visible()
    await maja.get_by_role("link", name="Ny tjeneste").click()
    await maja.get_by_label("Navn", exact=True).fill("Nattlys Tromsø")
    await maja.get_by_label("Organisasjon", exact=True).fill("Stiftelsen Nattlys")
    await maja.get_by_label("Type", exact=True).select_option(label="Rettshjelp")
    await maja.locator("[id='what.nb']").fill("Hjelper med rettigheter om natta.")
    await maja.locator("[id='what.en']").fill("Helps with rights at night.")
    await maja.locator("[id='needs.legal']").select_option("first")
    await maja.get_by_label("Nummer", exact=True).fill("22 00 11 22")
    await maja.get_by_label("Veien inn").select_option("self-or-professional")
    await maja.locator("[name='serves.sex.everyone']").check()
    for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"):
        await maja.locator(f"[id='hours.days.{day}']").fill("08–15, 20–02")
    await maja.locator("[id='hours.as_stated']").fill("dag og kveld, sier nettsiden")
    await maja.get_by_label("Disse områdene").check()
    await maja.locator("[id='areas-search']").fill("tromsø")
    await maja.locator("[data-areas=areas] [data-found] input[type=checkbox]").first.check()
    await maja.get_by_role("button", name="Se før du lagrer").click()
    await expect(maja.get_by_text("I natt kl. 02:00", exact=False)).to_be_visible()
    await expect(maja.get_by_text("ny tjeneste", exact=False).first).to_be_visible()
    await check(maja, "2-looked-at")
    await picture(maja, "directory-phone-2-looked-at")
    await maja.get_by_label("Til den som skal se på det").fill("Snakket med daglig leder.")
    await maja.get_by_role("button", name="Lagre", exact=True).click()
    await expect(maja.locator("#notice")).to_contain_text("Foreslått.")
    await expect(maja.get_by_role("button", name="Godkjenn")).to_have_count(0)
    await check(maja, "3-proposed")
    await picture(maja, "directory-phone-3-proposed")

    nils = await staff_page(make_context, server, "nils", Role.COORDINATOR, viewport=DESKTOP)
    await nils.goto("/desk/directory/waits")
    await check(nils, "4-waits")
    await picture(nils, "directory-desk-4-waits")
    await nils.get_by_role("link", name="Nattlys Tromsø").click()
    await check(nils, "5-proposal")
    await picture(nils, "directory-desk-5-proposal")
    clinician = await (await make_context()).new_page()
    await nils.get_by_role("button", name="Godkjenn").click()
    await expect(nils.locator("#notice")).to_contain_text("Godkjent.")

    await clinician.goto("/")
    for words in ("hvem kan hjelpe", "Tromsø"):
        await clinician.locator("#text").fill(words)
        await clinician.locator("#text").press("Enter")
        await expect(clinician.locator("#text")).to_have_value("")
    await clinician.get_by_role("button", name=re.compile("Advokat")).last.click()
    await clinician.get_by_role("button", name=re.compile("Hopp over")).last.click()
    await clinician.get_by_role("button", name=re.compile("Det haster ikke")).last.click()
    await expect(clinician.get_by_text(re.compile("Nattlys Tromsø")).first).to_be_visible()
    await expect(clinician.get_by_text(re.compile("22 00 11 22")).first).to_be_visible()

    await check(nils, "6-service")
    await picture(nils, "directory-desk-6-service")
    await nils.get_by_role("link", name="Historikk").first.click()
    await expect(nils.get_by_text("Foreslått av Maja, godkjent av Nils", exact=False)).to_be_visible()
    await check(nils, "7-history")
    await nils.goto("/desk/directory/rosa/edit")
    await check(nils, "8-edit")
    await picture(nils, "directory-desk-8-edit")
    await nils.goto("/desk/directory/fallbacks")
    await check(nils, "8-always-shown")
    await nils.goto("/desk/directory/nattlys-tromso")
    await nils.get_by_role("link", name="Stiftelsen Nattlys").click()
    await check(nils, "8-organisation")
    await maja.goto("/desk/directory/nattlys-tromso")
    await check(maja, "9-service")
    await picture(maja, "directory-phone-9-service")
    await maja.goto("/desk/directory/nattlys-tromso/edit")
    await check(maja, "10-edit")
    await picture(maja, "directory-phone-10-edit")
    assert watched.complaints == []
