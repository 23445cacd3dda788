"""Writing and publishing in real browsers: two people, what each sees of the other, the chat that answers with it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from helpline.accounts import Role
from tests.browser.conftest import PHONE, MakeContext, Server, Watched, each_look
from tests.browser.people import staff_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]
SIGNS = "tegn-hos-pasienten"
ASKED = "hvilke røde flagg?"
SLOWLY = 120_000  # milliseconds: shelves are made anew while the machine does other things


async def eva(make_context: MakeContext, server: Server, **options: object) -> Page:
    """An editor."""
    return await staff_page(make_context, server, "eva", Role.EDITOR, **options)


async def rita(make_context: MakeContext, server: Server, **options: object) -> Page:
    """A reviewer."""
    return await staff_page(make_context, server, "rita", Role.REVIEWER, **options)


async def open_draft(page: Page, article_id: str) -> str:
    """Open a draft of the article; its address."""
    await page.goto(f"/desk/articles/{article_id}")
    await page.click("form[action$='/draft'] button, a.button.main[href*='/desk/drafts/']")
    await page.wait_for_url(re.compile(r"/desk/drafts/\d+"))
    await expect(page.locator("#draft")).to_be_visible()
    return page.url.split("?")[0]


async def is_saved(page: Page) -> None:
    """Wait until the server has what was typed."""
    await expect(page.locator("#saved")).to_have_text(re.compile(r"^Lagret \d"))


async def tried(page: Page) -> None:
    """Wait until the questions have been asked."""
    await expect(page.locator("#gate progress")).to_have_count(0, timeout=SLOWLY)
    await expect(page.locator("#gate table")).to_be_visible(timeout=SLOWLY)


async def press(page: Page, do: str) -> None:
    """Press a button of the review page."""
    await page.click(f"button[name=do][value={do}]")
    await page.wait_for_url(re.compile(rf"told={do}|/review$"))


async def put_away(page: Page, draft: str) -> None:
    """End a draft, so that the next test finds the article without one."""
    await page.goto(f"{draft}/review")
    await page.click("summary:has-text('Legg bort utkastet')")
    await press(page, "abandon")


async def answered_with(make_context: MakeContext, question: str) -> str:
    """What the chat answers to somebody new."""
    page = await (await make_context()).new_page()
    await page.goto("/")
    await page.fill("#text", question)
    await page.click(".send")
    await expect(page.locator(".entry.line .source")).to_have_count(1)
    said = await page.locator(".entry.line").last.inner_text()
    await page.close()
    return said


async def test_from_the_first_word_to_the_chat(make_context: MakeContext, server: Server) -> None:
    writer = await eva(make_context, server)
    watched = Watched(writer)
    draft = await open_draft(writer, SIGNS)
    await writer.fill("#short", "Se etter hvem som svarer for pasienten, og om historien virker innøvd.")
    await expect(writer.locator("#preview .bubble").first).to_contain_text("Se etter hvem som svarer")
    await expect(writer.locator("#preview .channel .hint").first).to_contain_text(re.compile(r"[12] SMS, \d+ tegn"))
    await is_saved(writer)
    await writer.select_option("[id='look.language']", "en")
    await expect(writer.locator("#preview .bubble").first).to_contain_text("Look for someone")
    await writer.click("button[value=review]")
    await press(writer, "submit")
    assert await writer.locator("button[value=approve]").count() == 0

    reader = await rita(make_context, server)
    await expect(reader.locator(".rail .badge")).to_contain_text("1")
    await reader.goto(f"{draft}/review")
    await expect(reader.locator(".diff ins").first).to_be_visible()
    await tried(reader)
    await press(reader, "approve")
    await press(reader, "publish")
    await expect(reader.locator("#notice")).to_contain_text("Publisert som versjon 2")
    said = ""
    for _ in range(40):
        said = await answered_with(make_context, ASKED)
        if "versjon 2" in said:
            break
        await reader.wait_for_timeout(2000)
    assert "hvem som svarer for pasienten" in said
    assert "versjon 2" in said
    assert watched.complaints == []


async def test_a_blocked_draft_is_let_through_by_two(make_context: MakeContext, server: Server) -> None:
    writer = await eva(make_context, server)
    await writer.goto("/desk/questions")
    await writer.click("summary:has-text('Nytt sett')")
    await writer.fill("#title", "Det viktigste")
    await writer.fill("#id", "det-viktigste")
    await writer.fill("#level", "100")
    await writer.click("button:has-text('Lag settet')")
    await writer.fill("#text", "kan vi bruke tolk på telefon i natt")
    await writer.click("button[value=look]")
    await writer.locator("input[name=articles]").first.check()
    expected = await writer.locator("input[name=articles]").first.get_attribute("value")
    await writer.click("button[value=add]")
    await expect(writer.locator("#notice")).to_contain_text("lagt til")
    assert expected is not None

    draft = await open_draft(writer, expected)
    await writer.fill("#title", "Parkering ved mottaket")
    await writer.fill("#short", "Parker på plass 4.")
    await writer.fill("#details", "Skiltet står ved porten.")
    for language in ("nb", "nn", "sv", "en"):
        await writer.fill(f"[id='questions.{language}']", "hvor kan jeg sette bilen" if language == "nb" else "")
        if await writer.locator(f"[id='translations.{language}.short']").count():
            await writer.locator(f"details:has([id='translations.{language}.short'])").evaluate(
                "(it) => (it.open = true)"
            )
            await writer.fill(f"[id='translations.{language}.title']", "")
            await writer.fill(f"[id='translations.{language}.short']", "")
    for name in ("do_now", "avoid", "say", "facts"):
        await writer.fill(f"#{name}", "")
    for box in await writer.locator("#f-variants .remove input").all():
        await box.check()
    await is_saved(writer)
    await writer.click("button[value=review]")
    await press(writer, "submit")
    reader = await rita(make_context, server)
    await reader.goto(f"{draft}/review")
    await tried(reader)
    await expect(reader.locator("#gate")).to_contain_text("Stoppet")
    await reader.reload()
    await press(reader, "approve")
    await reader.click("button[value=publish]")
    await expect(reader.locator("[role=alert]")).to_contain_text("færre spørsmål")
    await reader.goto(f"{draft}/gate")
    await expect(reader.locator("main")).to_contain_text("kan vi bruke tolk på telefon i natt")
    await expect(reader.locator("main")).to_contain_text("blir feil")

    await writer.goto(f"{draft}/review")
    await writer.click("summary:has-text('Be om unntak')")
    await writer.fill("#override_reason", "Vi skriver om hele artikkelen i morgen.")
    await press(writer, "ask_override")
    assert await writer.locator("button[value=confirm_override]").count() == 0
    await reader.goto(f"{draft}/review")
    await expect(reader.locator("#gate")).to_contain_text("Vi skriver om hele artikkelen i morgen.")
    await press(reader, "confirm_override")
    await press(reader, "publish")
    await expect(reader.locator("#notice")).to_contain_text("Publisert som versjon 2")

    # As it was, by way of its history.
    await writer.goto(f"/desk/articles/{expected}/history")
    await writer.click("button[name=revision][value='1']")
    await expect(writer.locator("#title")).not_to_have_value("Parkering ved mottaket")
    restored = writer.url
    await writer.goto(f"/desk/articles/{expected}/trail")
    await expect(writer.locator("main")).to_contain_text("Hentet fram versjon 1 som utkast")
    await expect(writer.locator("main")).to_contain_text("Vi skriver om hele artikkelen i morgen.")
    await put_away(writer, restored.split("?")[0])


async def test_two_who_write_at_once_lose_nothing(make_context: MakeContext, server: Server, check: Check) -> None:
    one, other = await eva(make_context, server), await rita(make_context, server)
    draft = await open_draft(one, "tolk-rett")
    await other.goto(draft)
    await expect(one.locator("#others")).to_contain_text("Rita")
    await one.focus("#cite")
    await expect(other.locator("#others")).to_contain_text("Eva skriver i «Kilde under svaret».")
    await check(other, "two-writers")

    # Different fields: both stand, in both windows, without a reload.
    await one.fill("#owner", "Evas gruppe")
    await is_saved(one)
    await expect(other.locator("#owner")).to_have_value("Evas gruppe")
    await expect(other.locator("#notice")).to_contain_text("Eva har endret")
    await other.fill("#topic", "Ritas tema")
    await is_saved(other)
    await expect(one.locator("#topic")).to_have_value("Ritas tema")

    # The same field, while one of them hears nothing.
    await other.context.set_offline(True)
    await other.fill("#cite", "Ritas kilde")
    await expect(other.locator("#notice")).to_contain_text("Får ikke lagret")
    await one.fill("#cite", "Evas kilde")
    await is_saved(one)
    await other.context.set_offline(False)
    link = other.locator("#notice a")
    await expect(link).to_have_text("Velg hva som skal stå")
    await expect(other.locator("#cite")).to_have_value("Ritas kilde")
    await link.click()
    await expect(other.locator("main")).to_contain_text("Evas kilde")
    await expect(other.locator("main")).to_contain_text("Ritas kilde")
    await check(other, "collision")
    await other.check("input[name='choose.cite'][value=yours]")
    await other.click("button:has-text('Lagre valget')")
    await expect(other.locator("#cite")).to_have_value("Ritas kilde")
    await expect(one.locator("#cite")).to_have_value("Ritas kilde")
    await other.goto(f"{draft}/saves")
    await expect(other.locator("main")).to_contain_text("Lagt til side")
    await check(other, "saves")
    await put_away(one, draft)


async def test_a_closed_tab_keeps_what_was_typed(make_context: MakeContext, server: Server) -> None:
    page = await eva(make_context, server)
    draft = await open_draft(page, "finne-advokat")
    await page.fill("#owner", "skrevet rett før fanen ble lukket")
    await page.close(run_before_unload=True)  # at once, before the pause after the last key is over
    again = await eva(make_context, server)
    await again.goto(draft)
    for _ in range(20):
        if await again.input_value("#owner") == "skrevet rett før fanen ble lukket":
            break
        await again.wait_for_timeout(300)
        await again.reload()
    await expect(again.locator("#owner")).to_have_value("skrevet rett før fanen ble lukket")

    # Without a network, the tab itself remembers through a reload.
    await again.route(
        "**/desk/drafts/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    await again.fill("#owner", "skrevet uten nett")
    await expect(again.locator("#notice")).to_contain_text("Får ikke lagret")
    await again.unroute("**/desk/drafts/*")
    await again.reload()
    await expect(again.locator("#owner")).to_have_value("skrevet uten nett")
    await expect(again.locator("#notice")).to_contain_text("Hentet fram")
    await is_saved(again)
    await put_away(again, draft)


async def test_everything_works_without_scripts(make_context: MakeContext, server: Server) -> None:
    page = await eva(make_context, server, java_script_enabled=False)
    await page.goto("/desk/drafts/new")
    await page.fill("#title", "Parkering")
    await page.fill("#article_id", "Parkering!")
    await page.click("main form .main")
    await expect(page.locator("#article_id-error")).to_be_visible()
    assert await page.input_value("#title") == "Parkering"
    await page.fill("#article_id", "parkering-ved-mottaket")
    await page.select_option("#kind", "practical")
    await page.click("main form .main")
    await page.fill("#short", "Parker på plass 4.")
    await page.click("button[value='add:sources']")
    await expect(page.locator("#short")).to_have_value("Parker på plass 4.")
    await page.fill("[id='sources.0.title']", "Skiltet")
    await page.click("#comments-short summary")
    await page.fill("[id='comment.short']", "Er det lov?")
    await page.click("#comments-short button[value='comment:short']")
    await expect(page.locator("#comments-short")).to_contain_text("Er det lov?")
    await page.click("button.save")
    await expect(page.locator("[id='sources.0.title']")).to_have_value("Skiltet")
    await page.click("button[value=preview]")
    await expect(page.locator("#preview .bubble").first).to_contain_text("Parker på plass 4.")
    await expect(page.locator("#troubles")).to_contain_text("Må fylles ut.")
    draft = page.url.split("?")[0]
    await page.goto(f"{draft}/review")
    await page.click("button[value=submit]")
    await expect(page.locator("[role=alert]")).to_contain_text("må rettes")
    await put_away(page, draft)


async def _tab_to(page: Page, selector: str, *, most: int = 400) -> None:
    """Reach a control by the keyboard alone."""
    for _ in range(most):
        if await page.evaluate("(wanted) => document.activeElement?.matches(wanted) ?? false", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


async def test_one_publication_with_the_keyboard_alone(make_context: MakeContext, server: Server) -> None:
    writer = await eva(make_context, server)
    await writer.goto("/desk/articles/hvem-betaler")
    await _tab_to(writer, "form[action$='/draft'] button")
    await writer.keyboard.press("Enter")
    await writer.wait_for_url(re.compile(r"/desk/drafts/\d+"))
    draft = writer.url
    await _tab_to(writer, "#title")
    await writer.keyboard.press("End")
    await writer.keyboard.type(" Nå")
    await is_saved(writer)
    await _tab_to(writer, "button[value=review]")
    await writer.keyboard.press("Enter")
    await writer.wait_for_url("**/review")
    await _tab_to(writer, "button[value=submit]")
    await writer.keyboard.press("Enter")
    await writer.wait_for_url("**told=submit")
    reader = await rita(make_context, server)
    await reader.goto(f"{draft}/review")
    await tried(reader)
    await _tab_to(reader, "button[value=approve]")
    await reader.keyboard.press("Enter")
    await reader.wait_for_url("**told=approve")
    await _tab_to(reader, "button[value=publish]")
    await reader.keyboard.press("Enter")
    await expect(reader.locator("#notice")).to_contain_text("Publisert som versjon 2")


@each_look
async def test_every_page_is_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: Server, check: Check
) -> None:
    page = await staff_page(
        make_context, server, "kari", Role.EDITOR, Role.REVIEWER, viewport=size, color_scheme=scheme
    )
    watched = Watched(page)
    await page.goto("/desk/articles")
    await check(page, "articles")
    if size is PHONE:
        await page.click(".menu-rooms summary")
        await check(page, "menu")
    await page.goto("/desk/articles?state=starter&country=SE&missing=en")
    await check(page, "filtered")
    for part in ("", "/history", "/trail"):
        await page.goto(f"/desk/articles/{SIGNS}{part}")
        await check(page, f"article{part.replace('/', '-')}")
    draft = await open_draft(page, "abort-utsatt")
    await page.fill("#short", "Ja [1]. Ring straks." * 20)
    await expect(page.locator("#troubles")).to_contain_text("tegn i en SMS")
    await page.click("#f-short .remarks summary")
    await check(page, "draft")
    await page.fill("#short", "Ja. Ring avdelingen i dag.")
    await is_saved(page)
    await page.goto(f"{draft}/review")
    await check(page, "review")
    for path in (
        "/desk/drafts",
        "/desk/drafts/new",
        "/desk/small",
        "/desk/questions",
        f"{draft}/gate",
        f"{draft}/saves",
    ):
        await page.goto(path)
        await check(page, path.strip("/").split("/")[-1])
    await page.locator(".rail a, .menu-rooms a").first.wait_for(state="attached")
    await page.goto("/desk/questions")
    await page.locator(".list .name").first.click()
    await page.locator("a.button:has-text('Endre')").first.click()
    await check(page, "question-set")
    await put_away(page, draft)
    assert watched.complaints == []
