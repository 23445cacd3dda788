"""How one is reached, in a real browser: rules by keyboard, a refusal, quiet hours and a yes, clean for any reader."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Page, expect

from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.vault import Vault
from tests.browser.conftest import PHONE, MakeContext, Server
from tests.browser.people import staff_page
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER
from tests.needs import needs_chromium

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]
KEY = bytes(range(32))
SMS, CALL = ContactChannel.SMS, ContactChannel.CALL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A line with telephones, whose provider nobody reaches."""
    needs_chromium()
    line = Server(
        tmp_path_factory.mktemp("line"),
        secret_key=base64.urlsafe_b64encode(KEY).decode(),
        twilio_account_sid=ACCOUNT_SID,
        twilio_auth_token=AUTH_TOKEN,
        twilio_number=LINE_NUMBER,
        twilio_api_url="http://127.0.0.1:9",
        public_url="http://127.0.0.1:9",
    )
    line.start()
    yield line
    line.stop()


async def give(server: Server, who: str, **contacts: str) -> None:
    """Let somebody be reached there."""
    db = Database.connect(f"sqlite:///{server.folder / 'varde.db'}")
    async with db.write() as conn:
        for channel, value in contacts.items():
            await accounts.add_contact(
                conn,
                Vault(KEY),
                staff_id=who,
                channel=ContactChannel(channel),
                value=value,
                now=SystemClock().now(),
                verified=True,
            )
    await db.dispose()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
async def test_how_one_is_reached(
    make_context: MakeContext, server: Server, check: Check, *, phone: bool, dark: bool
) -> None:
    options: dict[str, object] = {"color_scheme": "dark" if dark else "light"}
    if phone:
        options["viewport"] = PHONE
    number = f"{int(phone)}{int(dark)}"
    asha, noor = f"asha{number}", f"noor{number}"
    page = await staff_page(make_context, server, asha, Role.ADVISOR, **options)
    await page.goto("/desk/reached")
    await check(page, "nothing")
    other = await staff_page(make_context, server, noor, Role.ADVISOR, **options)
    await give(server, asha, sms=f"+479000{number}01", call=f"+479000{number}01")
    await give(server, noor, sms=f"+479000{number}02")
    await page.click("#menu summary")
    await page.click("#menu a:has-text('Slik varsles jeg')")
    await page.wait_for_url("**/desk/reached")
    await page.click("button:has-text('Vis varsler på vaktsiden')")
    await expect(page.locator("#notice")).to_contain_text("vaktsiden")

    urgent = page.locator("form[aria-labelledby=urgent]")
    for select in await urgent.locator("select").all():
        await select.select_option("")
    await urgent.locator("button:has-text('Lagre')").press("Enter")
    await expect(page.locator("form[aria-labelledby=urgent] [role=alert]")).to_contain_text("aldri vekke deg")
    await check(page, "refused")
    await urgent.get_by_label("Første gang").nth(0).select_option("0")
    await urgent.get_by_label("Første gang").nth(1).select_option("300")
    await urgent.locator("button:has-text('Lagre')").click()
    await expect(page.locator("#notice")).to_contain_text("lagret")
    await expect(urgent).to_contain_text("Oppringing kommer etter 5 min")

    await page.click("summary:has-text('Be om stille timer')")
    await page.get_by_label("søndag").uncheck()
    await page.get_by_label("Hvem varsles i stedet").select_option(noor)
    await page.click("button:has-text('Spør om det')")
    await expect(page.locator("main")).to_contain_text("22:00–07:00 mandag–lørdag")
    await check(page, "asked")
    await other.goto("/desk/reached")
    await check(other, "asks")
    await other.click("button:has-text('Ja, det gjør jeg')")
    await expect(other.locator("#notice")).to_contain_text("Takk")
    await page.reload()
    await expect(page.locator("main")).to_contain_text("Avtalt")

    await page.fill("#number", "112")
    await page.press("#number", "Enter")
    await expect(page.locator("#number-error")).to_contain_text("ikke et nummer")
    await check(page, "wrong-number")
    await page.fill("#number", f"9000{number}77")
    await page.press("#number", "Enter")
    await expect(page.locator("#number-box")).to_contain_text("slutter på …77")
    await check(page, "code")
    await page.click("button:has-text('Prøv nå')")
    await expect(page.locator("main")).to_contain_text("venter på svar på")
    await check(page, "tested")
