"""The web chat in a real browser: phone and desk, light and dark, with scripts and without, on a bad network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import DESKTOP, PHONE, MakeContext, Server, Watched, eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

QUESTION = "Kan følget tolke for pasienten?"
Check = Callable[[Page, str], Awaitable[None]]


async def open_chat(context: BrowserContext) -> Page:
    page = await context.new_page()
    await page.goto("/")
    return page


async def ask(page: Page, words: str = QUESTION) -> None:
    await page.fill("#text", words)
    await page.click(".send")


def yours(page: Page) -> Any:
    return page.locator(".entry.you")


def answers(page: Page) -> Any:
    return page.locator(".entry.line:not(.welcome)")


async def no_complaints(watched: Watched) -> None:
    assert watched.complaints == []


# --- what it looks like -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
async def test_every_view_is_accessible(
    size: dict[str, int], scheme: str, scripts: bool, make_context: MakeContext, check: Check
) -> None:
    context = await make_context(viewport=size, color_scheme=scheme)
    if not scripts:
        # Ours do not run, while the checker's must.
        await context.route("**/*.js", lambda route: route.fulfill(status=200, content_type="text/javascript", body=""))
    page = await context.new_page()
    watched = Watched(page)
    await page.goto("/")
    await check(page, "1-first")
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await check(page, "2-answered")
    await page.click("summary")
    await check(page, "3-menu")
    await page.click("summary")
    await page.click("button:has-text('Kilder')")
    await expect(page.locator(".entry a").first).to_be_visible()
    await check(page, "4-sources")
    await page.fill("#text", "  ")
    await page.click(".send")
    await expect(page.locator("#notice p")).to_be_visible()
    await check(page, "5-empty")
    await page.goto("/nothing-here")
    await check(page, "6-error")
    assert [said for said in watched.complaints if "404" not in said and "422" not in said] == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
async def test_what_matters_is_on_the_screen_at_once(size: dict[str, int], make_context: MakeContext) -> None:
    page = await open_chat(await make_context(viewport=size))
    for place in ("#text", ".send", ".advisor", "#leave", 'a[href="tel:112"]', 'a[href="tel:113"]'):
        box = await page.locator(place).bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size["height"], place
    await ask(page)
    await expect(page.locator(".source")).to_be_in_viewport()
    await expect(page.locator("#leave")).to_be_in_viewport()
    await expect(page.locator(".advisor")).to_be_in_viewport()


async def test_everything_one_presses_is_large_enough(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await page.click("summary")
    small = await page.evaluate(
        """() => [...document.querySelectorAll("button, summary, .leave, .emergency a, textarea")]
            .filter((each) => each.checkVisibility())
            .map((each) => [each.textContent.trim() || each.id, each.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 44)
            .map(([name, box]) => `${name}: ${box.width}x${box.height}`)"""
    )
    assert small == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (320, 256), (844, 390)])
async def test_a_small_screen_or_a_large_zoom_hides_nothing(
    width: int, height: int, make_context: MakeContext, check: Check
) -> None:
    page = await open_chat(await make_context(viewport={"width": width, "height": height}))
    await ask(page, f"{'langtordutenmellomrom' * 12} {QUESTION}")
    await expect(answers(page)).not_to_have_count(0)
    await check(page, "answered")
    for place in ("#text", ".advisor", "#leave", ".source, .entry.line >> nth=-1"):
        await page.locator(place).first.scroll_into_view_if_needed()
        await expect(page.locator(place).first).to_be_in_viewport(ratio=0.5)


async def test_on_a_narrow_phone_the_head_is_whole_and_the_greeting_is_read_from_its_beginning(
    make_context: MakeContext,
) -> None:
    context = await make_context(viewport={"width": 360, "height": 740})
    for language in ("nb", "sv", "en"):
        page = await context.new_page()
        await page.set_extra_http_headers({"Accept-Language": language})
        await page.goto("/")
        await expect(page.locator("html")).to_have_class("live")
        cut = "(each) => each.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
        assert await page.locator(".bar h1, .bar summary, .bar .leave").evaluate_all(cut) == [], language
        assert await page.locator("#log").evaluate("(log) => log.scrollTop") == 0, language
        first, second = [await page.locator(".choices button").nth(place).bounding_box() for place in (0, 1)]
        assert first is not None
        assert second is not None
        assert second["y"] - (first["y"] + first["height"]) >= 8, "buttons that touch are pressed by mistake"
        await page.close()


async def test_nothing_moves_for_who_wants_no_movement(make_context: MakeContext) -> None:
    page = await open_chat(await make_context(reduced_motion="reduce"))
    await ask(page)
    await expect(answers(page)).not_to_have_count(0)
    moving = await page.evaluate("getComputedStyle(document.querySelector('.entry.new')).animationName")
    assert moving == "none"


async def test_nothing_is_loaded_from_elsewhere(make_context: MakeContext, server: Server) -> None:
    context = await make_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    await ask(await open_chat(context))
    assert asked
    assert [url for url in asked if not url.startswith(server.url)] == []


# --- asking -----------------------------------------------------------------------------------------------------------


async def test_without_scripts_the_whole_way_works(make_context: MakeContext) -> None:
    page = await open_chat(await make_context(java_script_enabled=False))
    await page.click("button[name=example] >> nth=0")
    await expect(page.locator(".source")).to_have_count(1)
    await page.fill("#text", "halvskrevet")
    await page.click("button:has-text('Kilder')")
    await expect(page.locator("#text")).to_have_value("halvskrevet")
    await page.click(".look")
    await expect(page.locator("#text")).to_have_value("halvskrevet")
    await page.click(".advisor")
    await expect(answers(page).last).to_contain_text("rådgiver")

    async def on_the_screen() -> bool:
        box = await answers(page).last.bounding_box()
        return box is not None and 0 < box["y"] < box["y"] + box["height"] < PHONE["height"]

    await eventually(on_the_screen)


async def test_with_scripts_the_page_stays(make_context: MakeContext) -> None:
    context = await make_context()
    page = await context.new_page()
    watched = Watched(page)
    await page.goto("/")
    await page.evaluate("window.mark = true")
    await ask(page)
    await expect(yours(page)).to_have_text(re.compile(re.escape(QUESTION)))
    await expect(page.locator(".source")).to_have_count(1)
    await expect(page.locator("#text")).to_have_value("")
    await expect(page.locator("#welcome")).to_have_count(0)
    await page.click("button:has-text('Kilder')")
    await expect(yours(page)).to_have_count(2)
    await expect(page.locator(".entry a")).not_to_have_count(0)
    assert await page.evaluate("window.mark")
    await no_complaints(watched)


async def test_old_choices_make_room_for_new_ones(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await ask(page)
    await page.click("button:has-text('Kilder')")
    await expect(yours(page)).to_have_count(2)
    await expect(page.locator(".choices >> visible=true")).to_have_count(1)


async def test_the_keyboard_alone_is_enough(make_context: MakeContext) -> None:
    page = await open_chat(await make_context(viewport=DESKTOP))

    async def on() -> str:
        return str(await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))

    await page.keyboard.press("Tab")
    assert await on() == "Til skrivefeltet"
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")  # from the box's beginning on to what follows, or into it, as the browser has it
    if await on() != "text":
        await page.focus("#text")
    await page.keyboard.type(QUESTION)
    await page.keyboard.press("Enter")
    await expect(page.locator(".source")).to_have_count(1)
    await page.focus("#log")
    seen = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        seen.append(re.sub(r"\s+", " ", await on()))
        visible = await page.evaluate(
            """() => {
                const box = document.activeElement.getBoundingClientRect();
                const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                return document.activeElement.contains(top);
            }"""
        )
        assert visible, seen[-1]
        if seen[-1].endswith("Kilder"):
            break
    await page.keyboard.press("Space")
    await expect(yours(page)).to_have_count(2)
    await page.keyboard.press("Shift+Tab")


async def test_a_reader_of_screens_hears_what_is_new(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    log = page.get_by_role("log", name="Samtalen")
    await expect(log).to_have_attribute("aria-live", "polite")
    await ask(page)
    await expect(log.locator(".entry.line .name").first).to_have_text("Linja")
    await expect(page.get_by_label("Skriv her, uten navn")).to_be_visible()


async def test_two_clicks_say_it_once(make_context: MakeContext) -> None:
    for scripts in (True, False):
        page = await open_chat(await make_context(java_script_enabled=scripts))
        await page.fill("#text", QUESTION)
        await page.locator(".send").dblclick()
        await expect(page.locator(".source")).to_have_count(1)
        await asyncio.sleep(0.3)
        await expect(yours(page)).to_have_count(1)


async def test_another_language_keeps_what_is_typed(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await page.fill("#text", "halvskrevet")
    await page.click("summary")
    await page.click("button[name=language][value=sv]")
    await expect(page.locator("html")).to_have_attribute("lang", "sv")
    await expect(page.locator("#text")).to_have_value("halvskrevet")


async def test_erasing_empties_the_page(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await page.click("summary")
    await page.click("button:has-text('Slett alt')")
    await expect(answers(page)).to_have_count(1)
    await expect(answers(page)).to_contain_text("er slettet")
    await expect(yours(page)).to_have_count(0)


async def test_what_was_on_its_way_while_it_was_erased_does_not_come_back(make_context: MakeContext) -> None:
    context = await make_context()
    page = await open_chat(context)
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    before = await page.evaluate("fetch('/entries', {headers: {Accept: 'application/json'}}).then((r) => r.json())")
    await page.click("summary")
    await page.click("button:has-text('Slett alt')")
    await expect(page.locator("text=er slettet")).to_have_count(1)
    await expect(yours(page)).to_have_count(0)
    late = f"id: {before['cursor']}\nevent: entries\n" + "".join(
        f"data: {line}\n" for line in before["entries"].splitlines()
    )

    async def come_late(route: Route) -> None:
        await route.fulfill(body=f"{late}\nevent: beat\ndata:\n\n", content_type="text/event-stream")

    await context.route("**/live*", come_late)
    async with page.expect_response("**/live*"):
        await page.evaluate("dispatchEvent(new Event('online'))")
    await page.wait_for_timeout(300)
    await expect(page.locator(".source")).to_have_count(0)
    await expect(yours(page)).to_have_count(0)


# --- a bad network ----------------------------------------------------------------------------------------------------


async def test_without_a_network_nothing_typed_is_lost(make_context: MakeContext, check: Check) -> None:
    context = await make_context()
    page = await open_chat(context)
    await context.set_offline(True)
    await ask(page)
    await ask(page, "hva er refleksjonsperiode")
    await expect(page.locator(".again").first).to_contain_text("Ikke sendt ennå. Prøver igjen.")
    await expect(page.locator(".entry.pending")).to_have_count(2)
    await check(page, "offline")
    await context.set_offline(False)
    await expect(page.locator(".entry.pending")).to_have_count(0)
    await expect(page.locator(".source")).not_to_have_count(0)
    words = await yours(page).locator(".words").all_inner_texts()
    assert words == [QUESTION, "hva er refleksjonsperiode"]


async def test_a_lost_answer_does_not_say_it_twice(make_context: MakeContext) -> None:
    """The server has it, and the browser does not know: it tries again, under the same id."""
    context = await make_context()
    page = await open_chat(context)
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        if lost < 2:
            lost += 1
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/say?*", lose)
    await ask(page)
    await expect(page.locator(".entry.pending")).to_have_count(0)
    await expect(page.locator(".source")).to_have_count(1)
    assert lost == 2
    await expect(yours(page)).to_have_count(1)


async def test_what_was_not_sent_can_be_taken_back(make_context: MakeContext) -> None:
    context = await make_context()
    page = await open_chat(context)
    await context.set_offline(True)
    await ask(page)
    await page.click("button:has-text('Rediger')")
    await expect(page.locator("#text")).to_have_value(QUESTION)
    await expect(page.locator(".entry.pending")).to_have_count(0)
    await context.set_offline(False)


async def test_a_busy_server_is_waited_for(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    refused = 0

    async def busy(route: Route) -> None:
        nonlocal refused
        if refused < 1:
            refused += 1
            await route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}", content_type="application/json")
        else:
            await route.continue_()

    await page.route("**/say?*", busy)
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    assert refused == 1


async def test_a_text_that_is_too_long_goes_back_into_the_box(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    words = "tolk " * 2_000
    await ask(page, words)
    await expect(page.locator("#notice")).to_contain_text("for lang (10000 tegn)")
    await expect(page.locator("#text")).to_have_value(words)


async def test_the_stream_comes_back_after_the_server_did(make_context: MakeContext, server: Server) -> None:
    context = await make_context()
    first, second = await open_chat(context), await open_chat(context)
    await ask(first)
    await expect(first.locator(".source")).to_have_count(1)
    await second.reload()
    server.stop()
    await expect(second.locator("#notice")).to_contain_text("Forbindelsen er borte")
    server.start()
    await ask(first, "hva er refleksjonsperiode")
    await expect(yours(second)).to_have_count(2)
    await expect(second.locator("#notice p")).to_have_count(0)


async def test_a_swallowed_stream_is_made_up_for(make_context: MakeContext) -> None:
    """Some hospitals' proxies let a stream open and pass nothing on; then the page asks by itself."""
    context = await make_context()
    first = await open_chat(context)
    await ask(first)
    await expect(first.locator(".source")).to_have_count(1)
    second = await context.new_page()
    await second.clock.install()
    swallowed = asyncio.Event()

    async def swallow(route: Route) -> None:
        swallowed.set()

    await second.route("**/live*", swallow)
    await second.goto("/")
    await swallowed.wait()
    await ask(first, "hva er refleksjonsperiode")
    await expect(yours(first)).to_have_count(2)
    await expect(yours(second)).to_have_count(1)
    await second.clock.fast_forward(60_000)
    await expect(yours(second)).to_have_count(2)


# --- leaving ----------------------------------------------------------------------------------------------------------


async def leave_by_button(page: Page) -> None:
    await page.click("#leave")


async def leave_by_keys(page: Page) -> None:
    await page.focus("#text")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")


@pytest.mark.parametrize("leave", [leave_by_button, leave_by_keys])
async def test_leaving_is_at_once_and_leaves_nothing(
    leave: Callable[[Page], Awaitable[None]], make_context: MakeContext
) -> None:
    context = await make_context()
    page = await open_chat(context)
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await leave(page)
    await page.wait_for_url("https://www.yr.no/")

    async def forgotten() -> bool:
        return "chat" not in {cookie.get("name") for cookie in await context.cookies()}

    await eventually(forgotten)
    again = await open_chat(context)
    await expect(again.locator("#welcome")).to_be_visible()
    await expect(yours(again)).to_have_count(0)


async def test_the_back_button_does_not_bring_it_back(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await page.click("#leave")
    await page.wait_for_url("https://www.yr.no/")
    await page.go_back()
    await expect(page.locator("body")).not_to_contain_text(QUESTION)


async def test_leaving_without_a_network_still_forgets(make_context: MakeContext) -> None:
    context = await make_context()
    page = await open_chat(context)
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await page.route("**/leave", lambda route: route.abort())
    await page.click("#leave")
    await page.wait_for_url("https://www.yr.no/")
    again = await open_chat(context)
    await expect(yours(again)).to_have_count(0)


async def test_one_escape_closes_the_menu_and_leaves_nothing(make_context: MakeContext) -> None:
    page = await open_chat(await make_context())
    await page.click("summary")
    await page.keyboard.press("Escape")
    await expect(page.locator("#menu")).not_to_have_attribute("open", "")
    await page.keyboard.press("Escape")
    await asyncio.sleep(0.2)
    assert page.url.endswith("/")
    assert await page.locator("#text").is_visible()


async def test_leaving_without_scripts(make_context: MakeContext) -> None:
    context = await make_context(java_script_enabled=False)
    page = await open_chat(context)
    await ask(page)
    await expect(page.locator(".source")).to_have_count(1)
    await page.click("#leave")
    await page.wait_for_url("https://www.yr.no/")
    again = await open_chat(context)
    await expect(yours(again)).to_have_count(0)


@pytest.mark.parametrize("language", ["nb-NO", "nn-NO", "sv-SE", "en-GB"])
async def test_the_browsers_language_is_spoken(language: str, make_context: MakeContext, check: Check) -> None:
    page = await open_chat(await make_context(locale=language))
    await expect(page.locator("html")).to_have_attribute("lang", language[:2])
    await page.click("button[name=example] >> nth=0")
    await expect(page.locator(".source")).to_have_count(1)
    await check(page, "answered")
