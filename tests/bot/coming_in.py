"""Steps that tests of the door take: making accounts, following invitations, signing in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyotp
from aiohttp import web
from aiohttp.test_utils import TestClient

from bot.app import Line
from helpline import accounts, staffing
from helpline.accounts import Role
from helpline.messages import Language
from tests.bot.browsing import Page, get, post

Client = TestClient[web.Request, web.Application]

PASSWORD = "riktig hest batteri stift"
AT_LOCALHOST = {"Host": "localhost:8080"}
JSON = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Language": "nb"}


@dataclass
class App:
    """An authenticator app on somebody's phone."""

    secret: str
    line: Line

    @property
    def code(self) -> str:
        return self.code_in(0)

    def code_in(self, steps: int) -> str:
        return pyotp.TOTP(self.secret).at(self.line.house.clock.now() + timedelta(seconds=30 * steps))


async def invite(line: Line, email: str = "eva@example.org", *roles: Role, **more: Any) -> str:
    """The address of somebody's invitation."""
    async with line.house.db.write() as conn:
        made = await staffing.invite(
            conn,
            line.house.vault,
            email=email,
            roles=roles or (Role.EDITOR,),
            zone="Europe/Oslo",
            actor="operator",
            now=line.house.clock.now(),
            **{"languages": [Language.NB], **more},
        )
    return f"/desk/invitation/{made.token}"


def secret_on(page: Page) -> str:
    """The secret that the page shows for the app."""
    found = re.search(r'<p class="secret"><code>([A-Z2-7 ]+)</code>', page.text)
    assert found is not None, "no secret is on the page"
    return found[1].replace(" ", "")


def codes_on(page: Page) -> list[str]:
    """The recovery codes that the page shows."""
    return re.findall(r"<li><code>([A-Z0-9-]+)</code></li>", page.text)


async def make_password(
    line: Line, browser: Client, link: str, password: str = PASSWORD
) -> tuple[App, list[str], Page]:
    """Follow an invitation to a password; the app, the recovery codes and the page they stood on."""
    page = await get(browser, f"{link}/password")
    app = App(secret_on(page), line)
    fields = {"csrf": page.csrf, "password": password, "again": password, "code": app.code}
    page = await post(browser, f"{link}/password", fields)
    return app, codes_on(page), page


async def sign_in(browser: Client, **fields: str) -> Page:
    """Send the sign-in form as a browser without scripts does."""
    page = await get(browser, "/desk/sign-in")
    filled = {"email": "eva@example.org", "password": PASSWORD, "code": "", "recovery": "", **fields}
    return await post(browser, "/desk/sign-in", {"csrf": page.csrf, **filled})


async def signed_in_as(browser: Client, cookie: str | None = None) -> bool:
    """Whether this browser is let in."""
    headers = {"Cookie": f"desk={cookie}"} if cookie is not None else {}
    response = await browser.get("/desk/account", headers=headers, allow_redirects=False)
    return response.status == 200


def cookies(browser: Client) -> dict[str, str]:
    """What the browser carries."""
    return {cookie.key: cookie.value for cookie in browser.session.cookie_jar}


async def staff_of(line: Line, staff_id: str) -> accounts.Staff:
    async with line.house.db.read() as conn:
        return await accounts.get_staff(conn, staff_id)
