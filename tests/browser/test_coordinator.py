"""The coordinator's pages in a real browser: a drill, a ladder changed by keyboard; without a fault for any reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import PHONE, MakeContext, Server
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
async def test_a_coordinator_looks_around_drills_and_changes_the_ladder(
    make_context: MakeContext, server: Server, check: Check, *, phone: bool, dark: bool
) -> None:
    options: dict[str, object] = {"color_scheme": "dark" if dark else "light"}
    if phone:
        options["viewport"] = PHONE
    page = await staff_page(make_context, server, "maja", Role.COORDINATOR, **options)
    await page.goto("/desk/overview")
    await check(page, "overview")
    start = page.locator("button:has-text('Start en øvelse nå')")
    if await start.count():  # one drill at a time, and the other size may have started it
        await start.click()
        await expect(page.locator("#notice")).to_contain_text("Øvelsen er i gang")
    await expect(page.locator("#drills")).to_contain_text("Pågår nå")
    await check(page, "drill")
    await page.goto("/desk/ladders")
    await check(page, "ladders")
    wait = page.locator('input[name="routine.0.wait"]')
    await wait.fill("mange")
    await wait.press("Enter")  # looks at it, and saves nothing
    await expect(page.locator('[id="routine.0.wait-error"]')).to_contain_text("Skriv et tall")
    await check(page, "wrong")
    await wait.fill("4")
    await wait.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("ikke lagret ennå")
    await page.click("#routine button:has-text('Legg til et trinn')")
    await expect(page.locator("#routine .rung")).to_have_count(4)
    await page.click("#routine .rung:nth-child(4) button[title^='Ta bort']")
    await expect(page.locator("#routine .rung")).to_have_count(3)
    await page.click("button:has-text('Lagre')")
    await expect(page.locator("#notice")).to_contain_text("Stigene er lagret")
    await expect(wait).to_have_value("4")
    await check(page, "saved")
