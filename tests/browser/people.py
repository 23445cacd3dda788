"""Members of staff in browsers of their own. The one place that knows how a test signs somebody in."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from helpline import accounts
from helpline.accounts import Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.vault import Vault
from tests.browser.conftest import DESKTOP, MakeContext, Server

_VAULT = Vault(bytes(range(32)))  # nobody here has an address to seal


async def hire(server: Server, staff_id: str, *roles: Role) -> str:
    """Take somebody on where they are not yet, and give the link that signs them in."""
    db = Database.connect(f"sqlite:///{server.folder / 'varde.db'}")
    now = SystemClock().now()
    async with db.write() as conn:
        if await accounts.find_staff(conn, staff_id) is None:
            await accounts.add_staff(
                conn,
                _VAULT,
                name=staff_id.title(),
                roles=roles,
                now=now,
                zone="Europe/Oslo",
                staff_id=staff_id,
            )
        token = await accounts.make_sign_in_link(conn, staff_id, now=now)
    await db.dispose()
    return f"{server.url}/desk/sign-in/{token}"


async def staff_page(make_context: MakeContext, server: Server, staff_id: str, *roles: Role, **options: Any) -> Page:
    """Somebody's page, signed in; on a desk unless told otherwise."""
    context = await make_context(**{"viewport": DESKTOP, **options})
    page = await context.new_page()
    await page.goto(await hire(server, staff_id, *roles))
    await page.locator("main form button").first.click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    return page
