"""A referral from the advisor's page to its end: slip, outcome, the next one, safe contact; and the rows it leaves."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import MakeContext, Server, Watched, each_look
from tests.browser.people import staff_page
from tests.browser.test_case import close, said_by, undocked, waiting_clinician

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]


@each_look
async def test_slip_outcome_and_next_best(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    asha = await staff_page(make_context, server, "asha", Role.ADVISOR, viewport=size, color_scheme=scheme)
    watched = Watched(asha)
    clinician = await waiting_clinician(await make_context())
    await asha.click("button:has-text('Ta saken')")
    await expect(asha.locator("html")).to_have_class("live")
    await asha.fill("#text", "halvskrevet")

    # A service is found, and a referral made of it: first without a basis, then with the patient's consent.
    await asha.click(".way.services > summary")
    await asha.fill("#place", "Oslo")
    await asha.select_option("#need", "housing-tonight")
    await asha.click("button[value=services]")
    await asha.locator("#found-services .refer").first.click()
    await expect(asha.locator("#making-head")).to_contain_text("Henvisning til")
    await asha.select_option("#refer-sex", "female")
    await asha.select_option("#refer-age", "adult")
    await asha.click("#referring button.main")
    await expect(asha.locator("#refer-wrong")).to_contain_text("Velg grunnlaget")
    await expect(asha.locator("#refer-wrong")).to_be_in_viewport()
    await expect(asha.locator("#refer-sex")).to_have_value("female")
    await asha.check("input[name=refer_basis][value=consent]")
    await undocked(asha, check, "1-making")
    await asha.click("#referring button.main")
    await expect(asha.locator("#notice")).to_have_text("Henvisningen er laget.")
    referral = asha.locator("#referring .referrals-list > li")
    await expect(referral).to_have_count(1)
    await expect(referral.locator(".slip")).to_contain_text("voksen kvinne")
    await referral.locator(".copy").click()
    await expect(referral.locator(".copy")).to_have_text("Kopiert")
    await undocked(asha, check, "2-slip")

    # The slip goes into the reply, with the service's number in it.
    await referral.locator(".insert").click()
    await expect(asha.locator("#text")).to_have_value(re.compile(r"halvskrevet\n\n.*voksen kvinne", re.DOTALL))
    await asha.click(".send")
    await expect(said_by(clinician, "advisor")).to_contain_text(["Det gjelder: trygt sted i natt, voksen kvinne, Oslo"])
    await expect(asha.locator("#held")).to_be_empty()

    # It was full: the next one is offered at once, and what the service said of its room is kept with the time.
    first = await referral.locator("h3").inner_text()
    await referral.locator("button:has-text('Fullt')").first.click()
    await expect(asha.locator("#next-head")).to_have_text("Prøv dette nå")
    await expect(referral.locator(".room-fold > summary")).to_contain_text("Fullt (sagt")
    assert await asha.locator("#referring .next h3").first.inner_text() != first
    await undocked(asha, check, "3-next")
    await asha.locator("#referring .next .refer").click()
    await asha.check("input[name=refer_basis][value=advice]")
    await asha.click("#referring .making button.main")
    await expect(referral).to_have_count(2)
    await referral.first.locator(".refusal > summary").click()
    await referral.first.locator("button[value$='refused:children']").click()
    await expect(referral.first).to_contain_text("Sa nei (barn)")

    # How she may be reached is kept, and a reply outside it is held back until the advisor has read why.
    await asha.click("#safe > summary")
    await asha.uncheck("input[name=safe_write]")
    await asha.press("#safe-until", "Enter")
    await expect(asha.locator("#safety")).to_contain_text("Vi tar aldri kontakt først")
    await asha.locator("#safety button.main").scroll_into_view_if_needed()
    await undocked(asha, check, "4-safe")

    # The rows of the list, and of the figures.
    await close(asha)
    await asha.goto("/desk/referrals")
    await expect(asha.locator(".referral-rows > li").first).to_be_visible()
    await check(asha, "5-list")
    maja = await staff_page(make_context, server, "maja", Role.COORDINATOR, viewport=size, color_scheme=scheme)
    await maja.goto("/desk/referrals")
    row = maja.locator(".referral-rows > li").first
    await row.locator(".room-fold > summary").click()
    await row.locator("input[type=number]").fill("2")
    await row.locator("button:has-text('Lagre antall')").click()
    await expect(maja.locator("#notice")).to_contain_text("Plassen er notert")
    await expect(maja.locator(".room-fold").filter(has_text="Ledig: 2 (sagt")).not_to_have_count(0)
    assert await maja.locator(".referral-rows a").count() == 0
    await check(maja, "6-rows")
    await maja.goto("/desk/outcomes")
    await expect(maja.locator("h1")).to_have_text("Hvor det mangler plass")
    await check(maja, "7-outcomes")
    await maja.click("text=Det katalogen ikke har")
    await expect(maja.locator("table tbody tr").first).to_be_visible()
    await check(maja, "8-directory")
    assert [each for each in watched.complaints if "422" not in each] == []
