"""The organisation's own sign-in in a real browser, whose cookies go where browsers let them go, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from helpline import staffing
from helpline.accounts import Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.settings import load_settings
from helpline.vault import Vault
from tests.browser.conftest import Server
from tests.needs import NODE_FOLDER, needs_chromium, needs_node, needs_program
from tests.simulators.peers import a_program, free_port

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]


@contextmanager
def provider(folder: Path, port: int, redirect: str) -> Iterator[str]:
    """An identity provider. At an address of digits, so that to a browser it is another site than ours."""
    needs_node("oidc-provider")
    node = needs_program("node", because="the identity provider is written for it")
    command = [str(node), str(NODE_FOLDER / "oidc_provider.mjs"), str(port), redirect, "", "127.0.0.1"]
    with a_program(command, port, folder / "oidc.log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running line, at localhost, which knows the provider."""
    needs_chromium()
    folder, port = tmp_path_factory.mktemp("line"), free_port()
    public = f"http://localhost:{port}"
    with provider(folder, free_port(), f"{public}/desk/sign-in/organisation/answer") as issuer:
        server = Server(folder, port, public_url=public, oidc_issuer=issuer, oidc_client_id="varde")
        server.start()
        yield server
        server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, line: Server) -> AsyncIterator[BrowserContext]:
    """A phone in front of the line."""
    made = await browser.new_context(
        viewport={"width": 390, "height": 844}, locale="nb-NO", base_url=f"http://localhost:{line.port}"
    )
    made.set_default_timeout(30_000)
    yield made
    await made.close()


async def invite(line: Server, email: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of somebody's invitation."""
    monkeypatch.setenv("VARDE_DATA_DIR", str(line.folder))
    vault = Vault(load_settings(env_file=None).master_key)
    db = Database.connect(f"sqlite:///{line.folder / 'varde.db'}")
    async with db.write() as conn:
        made = await staffing.invite(
            conn,
            vault,
            email=email,
            roles=[Role.EDITOR],
            zone="Europe/Oslo",
            actor="operator",
            now=SystemClock().now(),
        )
    await db.dispose()
    return f"/desk/invitation/{made.token}"


async def sign_in_there(page: Page, name: str) -> None:
    """At the provider: who one is, and that it may be told."""
    await page.wait_for_url("http://127.0.0.1:*/**")
    await page.fill("input[name=login]", name)
    await page.fill("input[name=password]", "anything")
    await page.click("button[type=submit]")
    await page.click("button:has-text('Continue')")


async def test_in_by_the_organisation_and_in_again(
    context: BrowserContext, line: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await invite(line, "eva@example.org", monkeypatch)
    page = await context.new_page()
    await page.goto("/desk/sign-in")
    await page.click("a:has-text('Logg inn gjennom virksomheten')")
    await sign_in_there(page, "eva")
    await page.wait_for_url("**/desk/articles")  # the strict cookie came along
    carried = {str(cookie.get("name")): cookie.get("sameSite") for cookie in await context.cookies(page.url)}
    assert carried == {"desk": "Strict"}
    await page.goto("/desk/account")
    await expect(page.locator("main")).to_contain_text("Gjennom virksomheten")
    await page.locator("#menu summary").click()
    await page.click("#menu button:has-text('Logg ut')")
    await page.click("a:has-text('Logg inn gjennom virksomheten')")  # signed in there still: no question is asked
    await page.wait_for_url("**/desk/articles")


async def test_an_invitation_by_the_organisation(
    context: BrowserContext, line: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await context.new_page()
    await page.goto(await invite(line, "noor@example.org", monkeypatch))
    await page.check("input[name=way][value=organisation]")
    await page.click("button.main")
    await sign_in_there(page, "unproven-work-account")
    await page.wait_for_url("**/desk/articles")


async def test_linking_the_organisation_to_an_account(context: BrowserContext, line: Server) -> None:
    page = await context.new_page()
    await page.goto((await line.new_link()).replace("127.0.0.1", "localhost"))
    await page.click("button:has-text('Logg inn')")
    await page.wait_for_url("**/desk/")
    await page.goto("/desk/account")
    await page.click("button:has-text('Knytt til virksomheten')")
    await sign_in_there(page, "unproven-local")
    await page.wait_for_url("**/desk/account?told=linked")
    await expect(page.locator("main")).to_contain_text("Knyttet til kontoen")
