"""Access tokens in a real browser: made by keyboard alone, shown once, ended; without a fault for any reader."""

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
async def test_a_token_is_made_shown_once_and_ended(
    make_context: MakeContext, server: Server, check: Check, *, phone: bool, dark: bool
) -> None:
    options: dict[str, object] = {"color_scheme": "dark" if dark else "light"}
    if phone:
        options["viewport"] = PHONE
    page = await staff_page(make_context, server, "eva", Role.EDITOR, **options)
    await page.goto("/desk/account")
    await page.click("a.button:has-text('Tilgangstokener')")
    await page.wait_for_url("**/desk/account/tokens")
    await check(page, "empty")
    await page.focus("#name")
    await page.keyboard.type("Nattlig eksport")
    await page.keyboard.press("Enter")
    secret = page.locator("#notice code")
    await expect(secret).to_contain_text("varde_")
    await check(page, "shown")
    await page.goto("/desk/account/tokens")
    await expect(secret).to_have_count(0)
    await page.click("button:has-text('Trekk tilbake')")
    await expect(page.locator("#notice")).to_contain_text("trukket tilbake")
    await check(page, "revoked")
