"""Trying a question in a real browser: by keyboard alone, on a phone and on a desk, without a fault for any reader."""

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
async def test_a_question_is_tried_and_explained(
    make_context: MakeContext, server: Server, check: Check, *, phone: bool, dark: bool
) -> None:
    options: dict[str, object] = {"color_scheme": "dark" if dark else "light"}
    if phone:
        options["viewport"] = PHONE
    page = await staff_page(make_context, server, "eva", Role.EDITOR, **options)
    await page.goto("/desk/try")
    name = f"try-{'phone' if phone else 'desk'}{'-dark' if dark else ''}"
    await check(page, f"{name}-empty")
    await page.focus("#text")
    await page.keyboard.type("hvor kan hunn sove i natt")
    while await page.evaluate("document.activeElement.tagName") != "BUTTON":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#result")).to_be_visible()
    await expect(page.locator("meter").first).to_be_visible()
    await expect(page.locator("#text")).to_have_value("hvor kan hunn sove i natt")
    await check(page, name)
    width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
