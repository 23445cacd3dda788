"""The desk in a real browser: an advisor with a phone, a clinician with another, and the line between them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import DESKTOP, MakeContext, Server, Watched, each_look

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

QUESTION = "Kan følget tolke for pasienten?"
REPLY = "Hei, jeg har lest det du skrev. Er dere to sammen nå?"
Check = Callable[[Page, str], Awaitable[None]]


async def sign_in(context: BrowserContext, server: Server) -> Page:
    """The advisor's page, behind the link."""
    page = await context.new_page()
    await page.goto(await server.new_link())
    await page.click("button:has-text('Logg inn')")
    await page.wait_for_url("**/desk/")
    return page


async def wait_for_advisor(context: BrowserContext) -> Page:
    """A clinician's page, who has asked and wants a human."""
    page = await context.new_page()
    await page.goto("/")
    await page.fill("#text", QUESTION)
    await page.click(".send")
    await expect(page.locator(".source")).to_have_count(1)
    await page.click(".advisor")
    await expect(page.locator(".entry.line").last).to_contain_text("Jeg finner en rådgiver til deg")
    return page


async def take_newest(advisor: Page) -> None:
    """Take the case that came last."""
    await advisor.locator(".case form button").last.click()
    await expect(advisor.locator("#brief")).to_be_visible()


async def close(advisor: Page) -> None:
    """End the case, so that the list is empty for the next test."""
    await advisor.click(".way:has(form[action$=close]) > summary")
    await advisor.check("input[value=answered]")
    await advisor.check("input[name=missing][value=no]")
    await advisor.click("form[action$=close] button")
    await expect(advisor.locator("#notice")).to_have_text("Saken er avsluttet.")


def said_by(page: Page, who: str) -> Any:
    return page.locator(f".entry.{who}:not(.pending) .words")


@each_look
async def test_the_whole_loop_live(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    advisors = await make_context(viewport=size, color_scheme=scheme)
    page = await advisors.new_page()
    watched = Watched(page)
    await page.goto(await server.new_link())
    await check(page, "1-link")
    await page.click("button:has-text('Logg inn')")
    await expect(page.get_by_text("Ingen venter nå.")).to_be_visible()
    await check(page, "2-empty")

    clinician = await wait_for_advisor(await make_context())
    await expect(page.locator(".case form button")).to_have_count(1)  # it came by itself
    await expect(page.locator("#news")).to_contain_text("Ny på lista")
    assert "tolke" not in await page.locator("body").inner_text()
    await check(page, "3-waiting")
    await page.locator(".case a").first.click()
    await check(page, "4-not-taken")
    await page.click("button:has-text('Ta saken')")
    await expect(page.locator("#brief")).to_contain_text(QUESTION)
    await check(page, "5-brief")
    await expect(said_by(clinician, "line").last).to_contain_text("En rådgiver har tatt saken")

    await page.fill("#text", REPLY)
    await page.click(".send")
    await expect(said_by(page, "advisor")).to_have_text([REPLY])
    await expect(page.locator(".entry.advisor .state")).to_have_text(re.compile("sendt|levert"))
    await expect(said_by(clinician, "advisor")).to_have_text([REPLY])  # without a reload
    await check(clinician, "6-clinician")
    await clinician.fill("#text", "ja, kollegaen min er her")
    await clinician.click(".send")
    await expect(said_by(page, "clinician").last).to_have_text("ja, kollegaen min er her")
    await page.click(".way:has(form[action$=pass-on]) > summary")
    await check(page, "7-talking")
    await page.click(".way:has(form[action$=pass-on]) > summary")
    await page.click(".way.keep > summary")
    await expect(page.locator("#guidance")).to_have_value(REPLY)
    await check(page, "7-keeping")
    await page.click(".way.keep > summary")
    await page.click(".way:has(form[action$=close]) > summary")
    await check(page, "8-closing")
    await page.click(".way:has(form[action$=close]) > summary")
    await close(page)
    await check(page, "9-closed")
    await expect(said_by(clinician, "line").last).to_contain_text("0")
    assert watched.complaints == []


async def test_the_loop_without_scripts(make_context: MakeContext, server: Server) -> None:
    clinician = await wait_for_advisor(await make_context())
    page = await sign_in(await make_context(java_script_enabled=False), server)
    await take_newest(page)
    await page.fill("#text", REPLY)
    await page.click(".send")
    await expect(said_by(page, "advisor")).to_have_text([REPLY])
    await expect(said_by(clinician, "advisor")).to_have_text([REPLY])
    await page.click(".way.keep > summary")
    await page.fill("#question", "Hvem kan tolke når følget vil gjøre det?")
    await page.fill("#guidance", "")
    await page.click("button:has-text('Send til redaktørene')")
    await expect(page.locator(".way.keep .wrong")).to_have_text("Skriv både spørsmålet og svaret.")
    await expect(page.locator("#question")).to_have_value("Hvem kan tolke når følget vil gjøre det?")
    await page.fill("#guidance", "Bestill tolk på telefon, og be følget vente ute.")
    await page.click("button:has-text('Send til redaktørene')")
    await expect(page.locator("#notice")).to_have_text("Veiledningen er sendt til redaktørene.")
    await page.click(".brand a")
    await expect(page.locator("#mine-heading")).to_contain_text("1")
    await page.click("a.button:has-text('Åpne')")
    await close(page)


async def test_the_link_that_the_start_printed_signs_in(make_context: MakeContext, server: Server) -> None:
    page = await (await make_context()).new_page()
    await page.goto(server.link)
    await page.click("button:has-text('Logg inn')")
    await expect(page.locator("h1")).to_have_text("Vakt")
    await page.click("#menu summary")
    await page.click("button:has-text('Logg ut')")
    await expect(page.get_by_text("Be den som driver linja om en ny.")).to_be_visible()
    await page.goto("/desk/")
    await page.wait_for_url("**/desk/sign-in")


async def test_a_reply_survives_a_bad_network(make_context: MakeContext, server: Server, check: Check) -> None:
    clinician = await wait_for_advisor(await make_context())
    context = await make_context()
    page = await sign_in(context, server)
    await take_newest(page)
    await expect(page.locator("html")).to_have_class("live")
    await context.set_offline(True)
    await page.fill("#text", REPLY)
    await page.click(".send")
    await expect(page.locator(".again")).to_contain_text("Ikke sendt ennå")
    await check(page, "offline")
    await context.set_offline(False)
    await expect(said_by(clinician, "advisor")).to_have_text([REPLY])
    await expect(page.locator(".entry.pending")).to_have_count(0)
    await close(page)


async def test_a_case_taken_in_another_window_keeps_the_reply(make_context: MakeContext, server: Server) -> None:
    await wait_for_advisor(await make_context())
    context = await make_context()
    page = await sign_in(context, server)
    await take_newest(page)
    await page.fill("#text", "halvskrevet svar")
    other = await context.new_page()
    await other.goto(page.url)
    await close(other)
    await expect(page.locator("#notice")).to_contain_text("ikke din lenger")
    await expect(page.locator("#text")).to_have_value("halvskrevet svar")
    await expect(page.locator(".send")).to_be_disabled()


async def test_the_keyboard_keeps_its_place_when_the_list_changes(make_context: MakeContext, server: Server) -> None:
    await wait_for_advisor(await make_context())
    page = await sign_in(await make_context(viewport=DESKTOP), server)
    await page.locator(".case form button").first.focus()
    held = await page.evaluate("document.activeElement.id")
    assert held.startswith("take-")
    await wait_for_advisor(await make_context())
    await expect(page.locator(".case form button")).to_have_count(2)
    assert await page.evaluate("document.activeElement.id") == held
    for _ in range(2):
        await page.keyboard.press("Enter")
        await expect(page.locator("#brief")).to_be_visible()
        await close(page)
        await page.wait_for_url("**/desk/?told=ended")
        buttons = page.locator(".case form button")
        if await buttons.count():
            await buttons.first.focus()


async def test_signing_out_leaves_nothing_in_the_browser(make_context: MakeContext, server: Server) -> None:
    context = await make_context()
    page = await sign_in(context, server)
    await page.click("#menu summary")
    await page.click("button:has-text('Logg ut')")
    await page.wait_for_url("**/desk/sign-in")
    await page.go_back()
    await expect(page.get_by_text("Be den som driver linja om en ny.")).to_be_visible()
    assert "desk" not in {cookie.get("name") for cookie in await context.cookies()}
