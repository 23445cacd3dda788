"""Coming in and the staff room in a real browser: a passkey with a virtual device, a password without scripts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from playwright.async_api import BrowserContext, Page, expect

from helpline.clock import SystemClock
from tests.browser.conftest import DESKTOP, MakeContext, Server, Watched, each_look

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]
WORD = "fire ord som henger sammen"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def at_localhost(server: Server) -> str:
    """The same line under a name: browsers make no passkeys for an address of digits."""
    return server.url.replace("127.0.0.1", "localhost")


async def device_of(context: BrowserContext, page: Page) -> tuple[Any, str]:
    """A device that makes passkeys, and whose owner always has a finger on it."""
    cdp = await context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable")
    made = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return cdp, made["authenticatorId"]


async def come_in(context: BrowserContext, server: Server) -> Page:
    """The local member, who may enter every room."""
    page = await context.new_page()
    await page.goto((await server.new_link()).replace("127.0.0.1", "localhost"))
    await page.click("button:has-text('Logg inn')")
    await page.wait_for_url("**/desk/")
    return page


async def invite(page: Page, email: str, name: str, role: str = "editor") -> str:
    """Invite somebody from the staff room; the link."""
    await page.goto("/desk/staff/new")
    await page.fill("#email", email)
    await page.fill("#name", name)
    await page.check(f"input[name=role][value={role}]")
    await page.click("main button.main")
    return await page.locator("#link").input_value()


@each_look
async def test_from_an_invitation_to_a_passkey(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    looks: dict[str, Any] = {"viewport": size, "color_scheme": scheme, "base_url": at_localhost(server)}
    admin = await come_in(await make_context(**looks), server)
    seen = Watched(admin)
    await admin.goto("/desk/staff/new")
    await check(admin, "01-invite")
    link = await invite(admin, f"kari{size['width']}{scheme}@example.org", "Kari Berg")
    await check(admin, "02-link")
    await admin.goto("/desk/staff")
    await expect(admin.locator("main")).to_contain_text("Invitert til")
    await check(admin, "03-staff")

    context = await make_context(**looks)
    page = await context.new_page()
    watched = Watched(page)
    cdp, device = await device_of(context, page)
    await page.goto(link)
    await check(page, "04-invitation")
    await page.fill("#name", "Kari B. Berg")
    await page.check("input[name=spoken][value=en]")
    await page.check("input[name=way][value=passkey]")
    await page.click("button.main")
    await page.wait_for_url("**/passkey")
    await expect(page.locator("#no-passkeys")).to_be_hidden()
    await page.fill("#name", "Jobbtelefon")
    await check(page, "05-passkey")
    await page.click("button.main")
    await page.wait_for_url("**/desk/articles")
    await page.goto("/desk/account")
    await expect(page.locator("main")).to_contain_text("Jobbtelefon")
    await check(page, "06-account")

    await page.locator("#menu summary").click()
    await check(page, "07-menu")
    await page.click("#menu button:has-text('Logg ut')")
    await page.wait_for_url("**/desk/sign-in")
    await check(page, "08-sign-in")
    await page.click("button:has-text('Logg inn med passnøkkel')")
    await page.wait_for_url("**/desk/articles")

    # The device is taken away from its owner: nobody comes in.
    await page.goto("/desk/account")
    await page.locator("#menu summary").click()
    await page.click("#menu button:has-text('Logg ut')")
    await cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    await page.click("button:has-text('Logg inn med passnøkkel')")
    await expect(page.locator("#notice")).to_contain_text("ble ikke brukt")
    await check(page, "09-refused")
    assert watched.complaints == []

    await admin.goto("/desk/staff")
    await admin.click("a:has-text('Kari B. Berg') >> nth=-1")
    await expect(admin.locator("main")).to_contain_text("Invitasjon brukt")
    await check(admin, "10-member")
    await admin.goto("/desk/records")
    await check(admin, "11-records")
    assert seen.complaints == []


async def test_a_password_with_an_app_without_scripts(make_context: MakeContext, server: Server, check: Check) -> None:
    context = await make_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(await server.new_link())
    await page.click("button:has-text('Logg inn')")
    link = await invite(page, "noor@example.org", "Noor Lie")

    context = await make_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(link)
    await page.check("input[name=way][value=password]")
    await page.click("button.main")
    picture = page.locator(".square")
    await expect(picture).to_be_visible()
    app = pyotp.TOTP((await page.locator(".secret code").inner_text()).replace(" ", ""))
    await page.fill("#password", WORD)
    await page.fill("#again", WORD + "x")
    await page.fill("#code", app.at(SystemClock().now()))
    await page.click("button.main")
    await expect(page.locator("#again-error")).to_have_text("De to passordene er ikke like.")
    await page.fill("#password", WORD)
    await page.fill("#again", WORD)
    await page.fill("#code", app.at(SystemClock().now()))
    await page.click("button.main")
    codes = await page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    await page.click("a.button.main")
    await page.wait_for_url("**/desk/articles")
    await page.locator("#menu summary").click()
    await page.click("#menu button:has-text('Logg ut')")

    await page.fill("#email", "noor@example.org")
    await page.fill("#password", WORD)
    await page.fill("#code", "000000")
    await page.click("form[action='/desk/sign-in'] button")
    await expect(page.locator("#notice")).to_contain_text("passer ikke sammen")
    await expect(page.locator("#email")).to_have_value("noor@example.org")
    await page.fill("#password", WORD)
    await page.fill("#code", app.at(SystemClock().now() + timedelta(seconds=30)))
    await page.click("form[action='/desk/sign-in'] button")
    await page.wait_for_url("**/desk/articles")

    context = await make_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/desk/sign-in")
    await page.fill("#email", "noor@example.org")
    await page.fill("#password", WORD)
    await page.click("summary:has-text('Har du ikke appen')")
    await page.fill("#recovery", codes[3])
    await page.click("form[action='/desk/sign-in'] button")
    await page.wait_for_url("**/desk/articles")


@each_look
async def test_the_password_pages_can_be_read_by_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    looks: dict[str, Any] = {"viewport": size, "color_scheme": scheme}
    page = await (await make_context(**looks)).new_page()
    await page.goto(await server.new_link())
    await page.click("button:has-text('Logg inn')")
    link = await invite(page, f"pia{size['width']}{scheme}@example.org", "Pia")
    page = await (await make_context(**looks)).new_page()
    watched = Watched(page)
    await page.goto(f"{link}/password")
    await check(page, "1-password")
    await page.evaluate("document.querySelectorAll('[required]').forEach((each) => each.removeAttribute('required'))")
    await page.click("button.main")
    await expect(page.locator("#password-error")).to_be_visible()
    await check(page, "2-wrong")
    app = pyotp.TOTP((await page.locator(".secret code").inner_text()).replace(" ", ""))
    await page.fill("#password", WORD)
    await page.fill("#again", WORD)
    await page.fill("#code", app.at(SystemClock().now()))
    await page.click("button.main")
    await check(page, "3-codes")
    await page.goto("/desk/account")
    await check(page, "4-account")
    await page.goto("/desk/account/password")
    await check(page, "5-change")
    await page.goto(link)
    await expect(page.get_by_text(re.compile("Lenken er brukt"))).to_be_visible()
    await check(page, "6-used")
    await page.goto("/desk/sign-in")
    await check(page, "7-sign-in")
    # A page that answers with a fault of the form says so in the console; nothing else does.
    assert [said for said in watched.complaints if "status of 4" not in said] == []


async def test_the_keyboard_is_enough_to_come_in(make_context: MakeContext, server: Server) -> None:
    context = await make_context(viewport=DESKTOP, base_url=at_localhost(server))
    page = await come_in(context, server)
    link = await invite(page, "tor@example.org", "Tor")
    context = await make_context(viewport=DESKTOP, base_url=at_localhost(server))
    page = await context.new_page()
    await device_of(context, page)
    await page.goto(link)
    await page.focus("input[name=way][value=passkey]")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/passkey")
    await page.focus("#name")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/articles")
    await page.goto("/desk/sign-in")
    await page.keyboard.press("Tab")
    await expect(page.locator("button:has-text('Logg inn med passnøkkel')")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/articles")
