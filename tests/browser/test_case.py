"""One conversation held by three: a clinician and an advisor in browsers of their own, a colleague by telephone.

The colleague's Telegram is a simulated one, to which the running line sends and from which it polls.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.messages import Language
from helpline.vault import Vault
from tests import captured
from tests.browser.conftest import PHONE, MakeContext, Server, Watched, each_look, eventually
from tests.browser.people import staff_page
from tests.fakes import FakeProvider, Taken
from tests.needs import needs_chromium

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

KEY = bytes(range(32))
NOORS_CHAT = "7700900222"
QUESTION = "Kan følget tolke for pasienten?"
Check = Callable[[Page, str], Awaitable[None]]


class Telegram(FakeProvider):
    """A Telegram that is polled as the real one is: it answers when there is something, or after a while."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers_of_updates = itertools.count(1)
        self._news = asyncio.Event()

    async def _telegram(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["method"] == "getUpdates" and not self.updates:
            self._news.clear()
            try:
                async with asyncio.timeout(5):
                    await self._news.wait()
            except TimeoutError:
                pass
        return await super()._telegram(request)

    def write(self, words: str) -> None:
        """Noor writes something."""
        self.updates.append(captured.said(words, update_id=next(self._numbers_of_updates), chat=NOORS_CHAT))
        self._news.set()

    def tap(self, data: str) -> None:
        """Noor taps a button."""
        token = data.removeprefix("v1:")
        self.updates.append(captured.tapped(token, update_id=next(self._numbers_of_updates), chat=NOORS_CHAT))
        self._news.set()

    def to_noor(self) -> list[Taken]:
        return [taken for taken in self.taken if taken.to == NOORS_CHAT]

    async def read(self, words: str) -> Taken:
        """Wait until a message with these words stands on Noor's phone."""

        async def came() -> bool:
            return any(words in taken.text for taken in self.to_noor())

        await eventually(came)
        return next(taken for taken in reversed(self.to_noor()) if words in taken.text)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def telegram() -> AsyncIterator[Telegram]:
    async with Telegram() as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory, telegram: Telegram) -> AsyncIterator[Server]:
    """The running line, with a Telegram of its own."""
    needs_chromium()
    line = Server(
        tmp_path_factory.mktemp("line"),
        secret_key=KEY.hex(),
        telegram_token=captured.TELEGRAM_TOKEN,
        telegram_mode="polling",
        telegram_api_url=telegram.url,
    )
    await asyncio.to_thread(line.start)
    try:
        await hire(line)
        yield line
    finally:
        await asyncio.to_thread(line.stop)


async def hire(line: Server) -> None:
    """Asha, who is reached at her desk, and Noor, who has only her telephone."""
    db, vault, now = Database.connect(f"sqlite:///{line.folder / 'varde.db'}"), Vault(KEY), SystemClock().now()
    ways = {"asha": (ContactChannel.DESK, "asha"), "noor": (ContactChannel.TELEGRAM, NOORS_CHAT)}
    async with db.write() as conn:
        for staff_id, (channel, value) in ways.items():
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
                conn, vault, staff_id=staff_id, channel=channel, value=value, now=now, verified=True
            )
    await db.dispose()


async def waiting_clinician(context: BrowserContext, question: str = QUESTION) -> Page:
    """A clinician's page, who has asked and wants a human."""
    page = await context.new_page()
    await page.goto("/")
    await page.fill("#text", question)
    await page.click(".send")
    await expect(page.locator(".source").first).to_be_visible()
    await page.click(".advisor")
    await expect(page.locator(".entry.line").last).to_contain_text("Jeg finner en rådgiver til deg")
    return page


async def type_until_seen(writer: Page, other: Page, told: str) -> None:
    """Write on until the other page, whose stream may be opening yet, tells so."""

    async def seen() -> bool:
        await writer.locator("#text").press_sequentially("a", delay=200)
        return await other.locator("#typing").inner_text() == told

    await eventually(seen)


async def to_the_top(page: Page) -> None:
    """Where nothing to press lies half behind the dock, which is no fault: it scrolls out from there."""
    await page.evaluate("scrollTo(0, 0)")


async def undocked(page: Page, check: Check, name: str) -> None:
    """Check what would lie half behind the dock with the dock out of the way."""
    place = "(place) => (document.querySelector('.dock').style.position = place)"
    await page.evaluate(place, "static")
    await check(page, name)
    await page.evaluate(place, "")


def said_by(page: Page, who: str) -> Any:
    return page.locator(f".entry.{who}:not(.pending) .words")


async def close(page: Page) -> None:
    """End the case."""
    await page.click(".way:has(form[action$=close]) > summary")
    await page.check("input[value=answered]")
    await page.check("input[name=missing][value=no]")
    await page.click("form[action$=close] button")
    await expect(page.locator("#notice")).to_have_text("Saken er avsluttet.")


async def test_one_conversation_through_claim_typing_insert_pass_on_handover_and_close(
    make_context: MakeContext, server: Server, telegram: Telegram, check: Check
) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR, viewport=PHONE, color_scheme="dark")
    watched = Watched(asha)
    clinician = await waiting_clinician(await make_context())

    # Claim.
    await asha.click("button:has-text('Ta saken')")
    await expect(asha.locator("#brief")).to_contain_text(QUESTION)
    await expect(asha.locator("html")).to_have_class("live")

    # Typing, both ways.
    await type_until_seen(clinician, asha, "Klinikeren skriver …")
    await check(asha, "1-typing")
    await type_until_seen(asha, clinician, "Rådgiveren skriver …")
    await asha.fill("#text", "Hei")

    # An article put in with its source, and a name that would have gone out.
    await asha.click(".dock .to-tools")
    await asha.locator("#suggested .insert").first.click()
    await expect(asha.locator("#text")).to_have_value(re.compile(r"Hei\n\n.*tolkeloven § 7.*kontrollert", re.DOTALL))
    await to_the_top(asha)
    await check(asha, "2-inserted")
    await asha.locator("#text").press("End")
    await asha.locator("#text").press_sequentially(" Spør Kari Nordmann.")
    await asha.click(".send")
    await expect(asha.locator("#held")).to_contain_text("«Kari Nordmann» blir [navn]")
    await expect(asha.locator("#text")).to_have_value(re.compile("Kari Nordmann"))
    await to_the_top(asha)
    await check(asha, "3-warned")
    await asha.click(".agree")
    await expect(said_by(clinician, "advisor")).to_contain_text(["Spør [navn]."])
    await expect(said_by(asha, "advisor")).to_have_count(1)
    await expect(asha.locator("#text")).to_have_value("")
    await expect(clinician.locator("#typing")).to_have_text("")

    # A note for whoever has it next.
    await asha.click("#notes > summary")
    await asha.fill("#note", "Kollegaen hennes er i rommet.")
    await asha.click("#notes button")
    await expect(asha.locator("#notice")).to_have_text("Notatet er lagret.")
    await to_the_top(asha)
    await check(asha, "4-noted")

    # Passed on to a colleague who has only her telephone.
    await asha.click(".way:has(form[action$=pass-on]) > summary")
    await asha.select_option("#to", label="Noor")
    await asha.click("form[action$=pass-on] button")
    await expect(asha.locator("#notice")).to_have_text("Kollegaene er varslet.")
    await eventually(lambda: _has_buttons(telegram))
    page = next(taken for taken in reversed(telegram.to_noor()) if taken.buttons)
    await asha.fill("#text", "halvskrevet")
    telegram.tap(page.buttons[0][1])
    await expect(asha.locator("#notice")).to_contain_text("ikke din lenger")
    await expect(asha.locator("#text")).to_have_value("halvskrevet")
    await check(asha, "5-gone")
    code = (await asha.locator("h1").inner_text()).removeprefix("Sak ")
    await telegram.read(QUESTION)  # the brief
    telegram.write("Jeg er rådgiveren nå. Er dere trygge?")
    await expect(said_by(clinician, "advisor").last).to_have_text("Jeg er rådgiveren nå. Er dere trygge?")

    # Handed over to whoever is at the desk, who accepts it.
    asha.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await asha.goto("/desk/")
    telegram.write(f"{code} til asha")
    await expect(asha.locator("#packet-heading")).to_contain_text("Overlevering til deg")
    await check(asha, "6-packet")
    await asha.click("button:has-text('Overta')")
    await expect(said_by(asha, "advisor")).to_have_count(2)
    await expect(asha.locator("#notes")).to_contain_text("Kollegaen hennes er i rommet.")

    # And closed.
    await clinician.fill("#text", "ja, takk for hjelpen")
    await clinician.click(".send")
    await expect(said_by(asha, "clinician").last).to_have_text("ja, takk for hjelpen")
    await close(asha)
    await expect(said_by(clinician, "line").last).to_contain_text("0")
    assert [each for each in watched.complaints if "409" not in each and "422" not in each] == []


async def _has_buttons(telegram: Telegram) -> bool:
    return any(taken.buttons for taken in telegram.to_noor())


@each_look
async def test_what_lies_beside_a_case(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR, viewport=size, color_scheme=scheme)
    watched = Watched(asha)
    clinician = await waiting_clinician(await make_context())
    await asha.click("button:has-text('Ta saken')")
    await expect(asha.locator("html")).to_have_class("live")
    await asha.fill("#text", "halvskrevet")

    await asha.fill("#q", "taushetsplikt")
    await asha.press("#q", "Enter")
    await expect(asha.locator("#found .card").first).to_be_visible()
    await undocked(asha, check, "1-found")
    await asha.click(".way.services > summary")
    await asha.fill("#place", "Oslo")
    await asha.select_option("#need", "legal")
    await asha.click("button[value=services]")
    await expect(asha.locator("#found-services")).to_contain_text("Tjenester i Oslo")
    await asha.locator("#found-services .card").first.scroll_into_view_if_needed()
    await undocked(asha, check, "2-services")
    await asha.locator("#found-services .serve").first.click()
    await expect(said_by(clinician, "advisor")).to_contain_text(["atalogen"])
    await expect(asha.locator("#text")).to_have_value("halvskrevet")
    assert "taushetsplikt" not in asha.url

    await asha.click("#later > summary")
    await asha.locator("#later").scroll_into_view_if_needed()
    await undocked(asha, check, "3-later")
    await asha.click("#later > summary")
    await asha.click(".way.wording > summary")
    await asha.locator(".way.wording button").scroll_into_view_if_needed()
    await undocked(asha, check, "4-wording")
    await asha.click(".way.wording > summary")
    await asha.fill("#text", "")
    await close(asha)
    assert watched.complaints == []


async def test_the_keyboard_alone_is_enough_and_never_takes_a_key_from_whoever_writes(
    make_context: MakeContext, server: Server, check: Check
) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR)
    clinician = await waiting_clinician(await make_context())
    await expect(asha.locator(".case form button")).to_have_count(1)
    await asha.keyboard.press("j")
    await expect(asha.locator(".case h3 a").first).to_be_focused()
    await asha.keyboard.press("Tab")
    await asha.keyboard.press("Enter")
    await expect(asha.locator("html")).to_have_class("live")
    await asha.keyboard.press("?")
    await expect(asha.locator("#keys")).to_be_visible()
    await check(asha, "keys")
    await asha.keyboard.press("Escape")
    await expect(asha.locator("#keys")).to_be_hidden()
    await asha.keyboard.press("s")
    await expect(asha.locator("#q")).to_be_focused()
    await asha.keyboard.type("rsn?")  # words, and no shortcuts
    await expect(asha.locator("#q")).to_have_value("rsn?")
    await asha.keyboard.press("Escape")
    await asha.keyboard.press("n")
    await expect(asha.locator("#note")).to_be_focused()
    await asha.keyboard.press("Escape")
    await asha.keyboard.press("r")
    await asha.keyboard.type("Hei, jeg er her.")
    await asha.keyboard.press("Control+Enter")
    await expect(said_by(clinician, "advisor")).to_have_text(["Hei, jeg er her."])
    await expect(asha.locator("#text")).to_be_focused()
    await asha.keyboard.press("Escape")
    await asha.keyboard.press("?")
    await asha.locator("#keys-on").uncheck()
    await asha.keyboard.press("Escape")
    await asha.evaluate("document.activeElement.blur()")
    await asha.keyboard.press("r")
    await expect(asha.locator("#text")).not_to_be_focused()
    await close(asha)


async def test_what_comes_while_nobody_looks_is_counted_and_marked(make_context: MakeContext, server: Server) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR)
    await asha.add_init_script(
        "window.shown = []; window.rang = 0;"
        "window.Notification = class extends EventTarget {"
        "  static permission = 'default';"
        "  static async requestPermission() { this.permission = 'granted'; return 'granted'; }"
        "  constructor(title, options) { super(); window.shown.push([title, options.body ?? '']); }"
        "};"
        "const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...at) { window.rang += 1; return start.apply(this, at); };"
    )
    clinician = await waiting_clinician(await make_context())
    await asha.click("button:has-text('Ta saken')")
    await expect(asha.locator("html")).to_have_class("live")
    await expect(asha.locator(".entry.line").last).to_contain_text("har tatt saken")
    await asha.click("#sound")
    await asha.click("#notify")
    await expect(asha.locator("#notify")).to_have_attribute("aria-pressed", "true")
    rang = await asha.evaluate("window.rang")
    assert rang == 2  # switching it on lets one hear it
    name = await asha.title()

    hide = "(on) => { Object.defineProperty(document, 'hidden', {value: on, configurable: true});"
    await asha.evaluate(hide + " document.dispatchEvent(new Event('visibilitychange')); }", True)
    await clinician.fill("#text", "de kommer tilbake om ti minutter")
    await clinician.click(".send")
    await expect(asha).to_have_title(f"(1) {name}")
    await expect(asha.locator("#unread")).to_be_attached()
    assert await asha.evaluate("window.rang") == rang + 2
    ((title, body),) = await asha.evaluate("window.shown")
    assert title == "Varde: ny melding i en sak"
    assert body == ""
    await asha.evaluate(hide + " document.dispatchEvent(new Event('visibilitychange')); }", False)
    await expect(asha).to_have_title(name)
    await asha.reload()
    await expect(asha.locator("#sound")).to_have_attribute("aria-pressed", "true")  # remembered
    await asha.click("#sound")
    await close(asha)


async def test_a_dropped_stream_says_so_and_loses_nothing(make_context: MakeContext, server: Server) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR)
    clinician = await waiting_clinician(await make_context())
    await asha.click("button:has-text('Ta saken')")
    await expect(asha.locator("html")).to_have_class("live")
    await expect(said_by(clinician, "line").last).to_contain_text("har tatt saken")
    await asyncio.to_thread(server.stop, signal.SIGKILL)
    await asha.fill("#text", "Er dere alene?")
    await asha.click(".send")
    await clinician.fill("#text", "er du der?")
    await clinician.click(".send")
    await expect(asha.locator("#notice")).to_contain_text("Forbindelsen er borte")
    await expect(asha.locator(".again")).to_contain_text("Ikke sendt ennå")
    await asyncio.to_thread(server.start)
    await expect(said_by(asha, "clinician").last).to_have_text("er du der?", timeout=60_000)
    await expect(said_by(clinician, "advisor")).to_have_text(["Er dere alene?"], timeout=60_000)
    await expect(asha.locator(".entry.pending")).to_have_count(0)
    await expect(asha.locator("#notice")).to_have_text("")
    await close(asha)
