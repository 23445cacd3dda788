"""A provider goes through certification in a real browser: invited, visited, put right, certified, listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import DESKTOP, PHONE, MakeContext, Server, Watched
from tests.browser.people import staff_page
from tests.browser.test_sign_in import at_localhost, device_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


@pytest.fixture
def look(check: Check) -> Check:
    """Checks a page as a phone shows it at night and as a desk does by day; back on the phone, it goes on."""

    async def look(page: Page, name: str) -> None:
        await to_the_end(page)
        await check(page, f"{name}-phone")
        await page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})
        await page.emulate_media(color_scheme="light")
        await to_the_end(page)
        await check(page, f"{name}-desk")
        await page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        await page.emulate_media(color_scheme="dark")

    return look


async def to_the_end(page: Page) -> None:
    """Of a form whose buttons stay in reach, go to where they stand: elsewhere they lie over half a box to tick."""
    if await page.locator(".save-bar").count():
        await page.evaluate("() => window.scrollTo(0, document.documentElement.scrollHeight)")


async def test_a_provider_goes_through_certification(make_context: MakeContext, server: Server, look: Check) -> None:
    looks: dict[str, Any] = {"viewport": PHONE, "color_scheme": "dark", "locale": "sv-SE"}
    maja = await staff_page(make_context, server, "maja", Role.COORDINATOR, **looks)
    siv = await staff_page(make_context, server, "siv", Role.COORDINATOR, **looks)
    seen = Watched(maja)

    # A coordinator takes an organisation in and invites somebody there.
    await maja.goto("/desk/providers")
    await look(maja, "01-list")
    option = maja.locator("#organisation option:has-text('(SE)')").first
    name = (await option.evaluate("(option) => option.textContent")).removesuffix(" (SE)")
    await maja.select_option("#organisation", await option.evaluate("(option) => option.value"))
    await maja.click("button:has-text('Börja certifieringen')")
    await expect(maja.locator("h1")).to_have_text(name)
    folder = maja.url.partition("?")[0]
    await expect(maja.locator("main")).to_contain_text("Aktören kan inte certifieras ännu")
    await look(maja, "02-folder")
    await maja.click("summary:has-text('Bjud in någon')")
    await maja.fill("#email", "anna@example.org")
    await maja.fill("#name", "Anna Ek")
    await maja.click("form[action$='/invite'] button.main")
    link = await maja.locator("#link").input_value()
    await look(maja, "03-link")

    # Whoever is invited makes a passkey and sees their own certification, and nothing else.
    context = await make_context(**looks, base_url=at_localhost(server))
    anna = await context.new_page()
    await device_of(context, anna)
    await anna.goto(link.replace("127.0.0.1", "localhost"))
    await anna.check("input[name=way][value=passkey]")
    await anna.click("button.main")
    await anna.wait_for_url("**/passkey")
    await anna.fill("#name", "Jobbet")
    await anna.click("button.main")
    await anna.wait_for_url("**/desk/provider")
    await expect(anna.locator("h1")).to_have_text(name)
    await expect(anna.locator("nav.rail")).to_have_count(0)
    await look(anna, "04-own")

    # She fills the profile in by keyboard, part by part; what cannot be read is said, and nothing is lost.
    await anna.click("a:has-text('Fyll i verksamhetsprofilen')")
    await anna.check("input[name=region][value='01']")
    await anna.check("input[name='rest.prevention.prevention']")
    await anna.fill("#where", "Ingenstans")
    await anna.locator("button:has-text('Spara och gå vidare')").press("Enter")
    await expect(anna.locator("#where-error")).to_contain_text("Okänd eller tvetydig plats: Ingenstans")
    await look(anna, "05-wrong-place")
    await anna.fill("#where", "")
    await anna.locator("button:has-text('Spara och gå vidare')").press("Enter")
    await expect(anna.locator(".tabs a[aria-current]")).to_contain_text("Skydd")
    first = anna.locator("input[name='protection-identification-informal_identification.offered'][value=yes]")
    await first.focus()
    await anna.keyboard.press("Space")
    for key, value in (
        ("places", "9183"),
        ("staff_on_site", "round_the_clock"),
        ("classification", "protected_housing"),
        ("housing_type", "own_room"),
        ("own_kitchen", "shared"),
        ("catering", "none"),
        ("time_limited", "no_limit"),
        ("assessed_security", "high"),
    ):
        field = anna.locator(f"[name='protection-housing-{key}.value']")
        await (field.fill(value) if key == "places" else field.select_option(value))
    for box in await anna.locator("input[name^='rest.']").all():
        await box.check()
    await look(anna, "06-protection")
    await anna.click("button:has-text('Spara och gå vidare')")
    for part in ("Rättsprocessen", "Återvändande", "Integrering"):
        await expect(anna.locator(".tabs a[aria-current]")).to_contain_text(part)
        await anna.check("input[name^='rest.']")
        await anna.click(".save-bar button.main")
    await anna.wait_for_url("**/desk/provider")
    await anna.click("button:has-text('Skicka in till koordinatorn')")
    await expect(anna.locator("#notice")).to_contain_text("Inskickat")

    # A coordinator accepts it and writes the visit down: one requirement is not met.
    await maja.goto(folder)
    await expect(maja.locator("main")).to_contain_text("Anna Ek har skickat in ett utkast")
    await maja.click("button:has-text('Godta profilen')")
    await expect(maja.locator("#notice")).to_contain_text("Verksamhetsprofilen är godtagen")
    await maja.click("a:has-text('Skriv ner ett besök')")
    await maja.fill("#visitors", "Maja och Siv")
    for radio in await maja.locator("input[value=met]").all():
        await radio.check()
    await maja.check("[name='complaints.verdict'][value=not_met]")
    await maja.fill("[name='complaints.answer']", "Det finns ingen skriftlig rutin.")
    await look(maja, "07-visit")
    await maja.click("button:has-text('Spara och avsluta')")
    await expect(maja.locator("main")).to_contain_text("saknar åtgärd i planen: 1 (nr 13)")
    await maja.click("summary:has-text('Lägg till en åtgärd')")
    await maja.select_option("#requirement", "complaints")
    await maja.fill("#what", "Skriv en rutin för klagomål")
    await maja.fill("#owner", "Verksamhetschefen")
    await maja.fill("#due_on", await maja.locator("#on").input_value())  # today
    await maja.click("button:has-text('Lägg till i planen')")
    await expect(maja.locator("#notice")).to_contain_text("Åtgärden är tillagd")

    # The provider says that it is done; a coordinator looks, and proposes; another confirms.
    await anna.goto("/desk/provider")
    await look(anna, "08-plan")
    await anna.click("button:has-text('Anmäl att det är gjort')")
    await expect(anna.locator("#notice")).to_contain_text("En koordinator tittar på det")
    await maja.goto(folder)
    await expect(maja.locator("main")).to_contain_text("Anmäld som gjord")
    await maja.click("#plan ~ ul summary")
    await maja.select_option("#plan ~ ul select", "done")
    await maja.click("#plan ~ ul button:has-text('Lagra'), #plan ~ ul button:has-text('Spara')")
    await maja.click("button:has-text('Föreslå certifiering')")
    await expect(maja.locator("#notice")).to_contain_text("En annan koordinator måste bekräfta")
    await expect(maja.locator("button:has-text('Bekräfta certifieringen')")).to_have_count(0)
    await siv.goto(folder)
    await siv.click("button:has-text('Bekräfta certifieringen')")
    await expect(siv.locator("#notice")).to_contain_text("Beslutet är bekräftat")
    await look(siv, "09-certified")
    await anna.goto("/desk/provider")
    await expect(anna.locator("main")).to_contain_text("Certifierad från")
    await look(anna, "10-own-certified")

    # The public list has it, by region, with the kind of its housing and no number of places.
    await anna.goto("/providers?country=SE&region=01")
    listed = anna.locator(f"li:has(h2:text-is('{name}'))")
    await expect(listed).to_contain_text("Skyddat boende: Skyddat boende")
    await expect(listed).not_to_contain_text("9183")
    await look(anna, "11-public")
    await anna.goto("/providers?country=SE&region=25")
    await expect(anna.locator("main")).to_contain_text("Ingen är certifierad här i dag")
    await maja.goto("/desk/providers/gaps?country=SE&region=01")
    await look(maja, "12-gaps")
    await expect(maja.locator("main")).not_to_contain_text("Informell identifiering")
    await maja.goto(f"{folder}/history")
    await expect(maja.locator("main")).to_contain_text("Bekräftade: Certifiering")
    await look(maja, "13-history")

    # What the profile says more of later is not shown as certified before two have decided so, too.
    await anna.goto("/desk/provider/profile?area=integration")
    more = await anna.locator(".profile-row legend span[lang=sv]").first.inner_text()
    await anna.locator("input[value=yes]").first.check()
    await anna.click(".save-bar button.main")
    await anna.wait_for_url("**/desk/provider")
    await anna.click("form[action$='/send'] button")
    await maja.goto(folder)
    await maja.click("button:has-text('Godta profilen')")
    await expect(maja.locator("main")).to_contain_text("Rader som väntar på beslut: 1.")
    await look(maja, "14-waiting")
    await anna.goto("/desk/provider")
    await expect(anna.locator("#profile ~ .note-box")).to_contain_text(more)
    await look(anna, "15-own-waiting")
    await anna.goto("/providers?country=SE&region=01")
    await expect(listed).not_to_contain_text(more)
    await maja.click("button:has-text('Föreslå certifiering av raderna')")
    await siv.goto(folder)
    await siv.click("button:has-text('Bekräfta certifieringen')")
    await expect(siv.locator("main")).not_to_contain_text("Rader som väntar på beslut")
    await anna.reload()
    await expect(listed).to_contain_text(more)
    assert seen.complaints == []
