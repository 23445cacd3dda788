"""From the desk: an advisor's phone is called, to be joined with a clinician who is on the line."""

from __future__ import annotations

from helpline import accounts
from tests.bot.browsing import Client, Page, get, post
from tests.bot.conftest import MakeClient
from tests.bot.voice.conftest import ASHA, Telephone
from tests.bot.voice.test_clinician_calls import Ward


async def at_the_desk(telephone: Telephone, make_client: MakeClient, staff_id: str) -> tuple[Client, Page]:
    """Somebody signed in, and their list."""
    async with telephone.line.house.db.write() as conn:
        token = await accounts.make_sign_in_link(conn, staff_id, now=telephone.now)
    browser = await make_client(telephone.line.application(), headers={"Accept": "text/html", "Accept-Language": "nb"})
    return browser, await post(browser, f"/desk/sign-in/{token}", {})


async def test_one_press_on_the_desk_rings_the_advisors_phone_once(
    telephone: Telephone, aiohttp_client: MakeClient
) -> None:
    she = Ward(telephone)
    call, _ = await she.calls()
    await she.presses(call, "0")
    filed = await she.sought()
    await telephone.take(filed, "asha")
    asha, page = await at_the_desk(telephone, aiohttp_client, "asha")
    page = await get(asha, f"/desk/{filed.id}")
    assert "Klinikeren er på telefonen nå" in page.text
    before = len(telephone.exchange.calls)
    for _ in range(2):
        page = await post(asha, f"/desk/{filed.id}/connect", {"csrf": page.csrf})
        assert page.notice == "Telefonen din ringer nå."
        await telephone.line.settle()
    assert len(telephone.exchange.calls) == before + 1
    assert telephone.call_to(ASHA).to == ASHA


async def test_nobody_else_is_joined(telephone: Telephone, aiohttp_client: MakeClient) -> None:
    she = Ward(telephone)
    call, _ = await she.calls()
    await she.presses(call, "0")
    filed = await she.sought()
    await telephone.take(filed, "asha")
    noor, page = await at_the_desk(telephone, aiohttp_client, "noor")
    before = len(telephone.exchange.calls)
    assert (await post(noor, f"/desk/{filed.id}/connect", {"csrf": page.csrf})).status == 404
    await telephone.line.settle()
    assert len(telephone.exchange.calls) == before


async def test_who_wrote_is_not_offered_a_call(telephone: Telephone, aiohttp_client: MakeClient) -> None:
    conversation = await telephone.writes("kan jeg snakke med en rådgiver")
    filed = await telephone.ask(conversation)
    await telephone.take(filed, "asha")
    asha, page = await at_the_desk(telephone, aiohttp_client, "asha")
    assert "/connect" not in (await get(asha, f"/desk/{filed.id}")).text
    page = await post(asha, f"/desk/{filed.id}/connect", {"csrf": page.csrf})
    assert "kan ikke ringes opp" in page.notice
