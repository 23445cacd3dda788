"""A service confirms its entry by a link, in a real browser; and areas are chosen without a map."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import PHONE, MakeContext, Server, Watched, each_look
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


@each_look
async def test_a_service_confirms_by_link(
    server: Server, make_context: MakeContext, check: Check, size: Any, scheme: str
) -> None:
    # Each look takes an entry of its own: what is confirmed is due no more.
    maja = await staff_page(make_context, server, "maja", Role.COORDINATOR, viewport=size, color_scheme=scheme)
    await maja.goto(f"/desk/confirming?find={'Alarmtelefonen' if size == PHONE else 'ROSA'}")
    await check(maja, "due")
    first = maja.locator(".list > li").first
    name = await first.locator("a.name").inner_text()
    await first.get_by_role("button").click()
    await expect(maja.get_by_role("heading", level=1)).to_contain_text(name)
    await check(maja, "link")
    link = await maja.locator("#link").input_value()

    context = await make_context(viewport=size, color_scheme=scheme)
    page = await context.new_page()
    watched = Watched(page)
    await page.goto(link)
    await check(page, "entry")
    # Something is corrected by mistake, and the page says so instead of taking it.
    await page.locator("details.correct > summary").click()
    await page.get_by_label("Noe annet").fill("Vi har byttet leder.")
    await check(page, "correcting")
    await page.get_by_role("button", name="Alt stemmer").click()
    await expect(page.get_by_text("Du har skrevet rettelser")).to_be_visible()
    await expect(page.get_by_label("Noe annet")).to_have_value("Vi har byttet leder.")
    await check(page, "both")
    await page.get_by_label("Noe annet").fill("")
    await page.get_by_label("Ja, vi har plass").check()
    await page.get_by_role("button", name="Alt stemmer").click()
    await expect(page.get_by_role("heading", name="Takk")).to_be_visible()
    await check(page, "thanks")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Lenken er brukt")).to_be_visible()
    assert [said for said in watched.complaints if "410" not in said and "422" not in said] == []

    await maja.goto(f"/desk/confirming?show=all&find={name}")
    await expect(maja.locator(".list > li").first).to_contain_text("Svarte")
    await expect(maja.locator(".list > li").first).to_contain_text("Bekreftet")
    await maja.goto("/desk/confirming/alike")
    await check(maja, "alike")
    await maja.goto("/desk/confirming/import")
    await maja.set_input_files("#file", {"name": "x.yaml", "mimeType": "text/yaml", "buffer": UNREADABLE})
    await maja.get_by_role("button", name="Se hva det blir").click()
    await expect(maja.get_by_text("linje 3")).to_be_visible()
    await check(maja, "import")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_an_area_is_found_and_ticked(
    server: Server, make_context: MakeContext, check: Check, scripts: bool
) -> None:
    maja = await staff_page(make_context, server, "maja", Role.COORDINATOR, java_script_enabled=scripts)
    await maja.goto("/desk/directory/new?country=NO")
    field = maja.locator('[data-areas="areas"]')
    await field.scroll_into_view_if_needed()
    search = field.get_by_role("searchbox")
    await search.fill("troms")
    if not scripts:
        await search.press("Enter")  # whatever button the browser presses with it, it is a search
    box = field.locator('[data-found] input[value="kommune 5501"]')
    await box.check()
    if scripts:
        await expect(field.locator('[data-chosen] input[value="kommune 5501"]')).to_be_checked()
        await expect(field.locator("[data-none]")).to_be_hidden()
        await check(maja, "areas")
    else:
        await search.fill("RVTS Sør")
        await search.press("Enter")
        await expect(field.locator('[data-chosen] input[value="kommune 5501"]')).to_be_checked()
        await expect(field.locator('[data-found] input[value="fylke 42"]')).to_have_count(1)


UNREADABLE = b"country: NO\nservices:\n  - id: nytt-hus\n    name: Nytt hus\n"
