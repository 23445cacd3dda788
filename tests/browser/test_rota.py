"""The rota in a real browser: the calendar and the roster editor, with and without scripts, on a phone at night."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from escalation import store
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.messages import Language
from helpline.vault import Vault
from tests.browser.conftest import DESKTOP, PHONE, MakeContext, Server, Watched
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]
_VAULT = Vault(bytes(range(32)))


async def set_up(server: Server, definition: Mapping[str, Any] | None = None) -> None:
    """Three advisors who can be paged, and a roster of their own."""
    db = Database.connect(f"sqlite:///{server.folder / 'varde.db'}")
    now = SystemClock().now()
    async with db.write() as conn:
        for staff_id in ("asha", "noor", "eva"):
            if await accounts.find_staff(conn, staff_id) is not None:
                continue
            await accounts.add_staff(
                conn,
                _VAULT,
                name=staff_id.title(),
                roles=(Role.ADVISOR,),
                now=now,
                zone="Europe/Oslo",
                staff_id=staff_id,
                languages=(Language.NB,),
            )
            await accounts.add_contact(
                conn,
                _VAULT,
                staff_id=staff_id,
                channel=ContactChannel.DESK,
                value=staff_id,
                now=now,
                verified=True,
            )
        day = (now - timedelta(days=now.weekday() + 14)).date().isoformat()
        uke = {"type": "weekly", "length": 1, "start": f"{day}T08:00", "participants": ["asha", "noor"]}
        natt = {"type": "daily", "length": 1, "start": f"{day}T20:00", "participants": ["eva", "asha"]}
        rules = [
            {"target": "rotation:uke", "from": "08:00", "to": "20:00"},
            {"target": "rotation:natt", "from": "20:00", "to": "08:00", "days": ["mon", "tue", "wed", "thu", "fri"]},
            {"target": "noor", "from": "20:00", "to": "08:00", "days": ["sat"]},
        ]
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=definition or {"rotations": {"uke": uke, "natt": natt}, "rules": rules},
            valid_from=now,
            now=now,
            saved_by="staff:asha",
        )
    await db.dispose()


async def picture(page: Page, name: str) -> None:
    """The whole page, to be looked at."""
    folder = os.environ.get("VARDE_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
async def test_the_calendar_and_the_editor_are_fit_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    await set_up(server)
    page = await staff_page(
        make_context, server, "cora", Role.COORDINATOR, Role.ADVISOR, viewport=size, color_scheme=scheme
    )
    label = f"rota-{scheme}-{size['width']}"
    watched = Watched(page)
    await page.goto("/desk/rota")
    await expect(page.locator(".days > .today")).to_contain_text("I dag")
    await check(page, "1-calendar")
    await picture(page, f"{label}-1-calendar")
    await page.goto("/desk/rota/rosters")
    await check(page, "2-rosters")
    await picture(page, f"{label}-2-rosters")
    await page.get_by_role("link", name="main", exact=True).click()
    await check(page, "3-roster")
    await picture(page, f"{label}-3-roster")
    await page.get_by_role("button", name="Legg til en endring").click()
    await page.locator("button[value=check]").last.click()
    await expect(page.locator(".wrong").first).to_be_visible()
    await check(page, "4-wrong")
    await picture(page, f"{label}-4-wrong")
    await page.get_by_role("button", name="Fjern endring 1").click()
    await page.locator("button[value=check]").last.click()
    await expect(page.get_by_role("heading", name=re.compile("Slik blir 14 dager"))).to_be_visible()
    await check(page, "5-preview")
    await picture(page, f"{label}-5-preview")
    await page.goto("/desk/rota/rosters/main/versions")
    await check(page, "6-versions")
    await picture(page, f"{label}-6-versions")
    await page.get_by_role("link", name="Se").first.click()
    await check(page, "7-version")
    await picture(page, f"{label}-7-version")
    assert [said for said in watched.complaints if "422" not in said] == []
