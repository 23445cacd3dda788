"""The boards in a real browser, on a line whose clock is moved: review dates, law watch, gaps.

The line runs in the test's own process, since only there can its clock be moved.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from bot import gaps as gap_board
from bot import store
from bot.app import Line, build_app
from bot.channels.local import LocalChannel
from helpline import accounts
from helpline.accounts import Role
from helpline.clock import SystemClock
from helpline.messages import Address, Channel, Country, Language
from helpline.settings import Secret, Settings
from knowledge import drafts, gate_runs, law_watch
from knowledge.gate_runs import RunState
from knowledge.laws import Law
from tests.browser.conftest import DESKTOP, MakeContext, Watched, each_look
from tests.needs import needs_chromium

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Check = Callable[[Page, str], Awaitable[None]]
TONIGHT = "Hvor kan hun sove i natt?"
DOG = (
    "kan hun ta med hunden på krisesenteret?",
    "hund på krisesenter, går det",
    "får hun ha hund på krisesenteret",
    "pas vil ikke dra uten hunden sin, tar krisesenteret imot",
)
TATTOO = ("hvem betaler for å fjerne tatoveringen", "fjerne tatovering fra bakmannen, hvem betaler for det")
MAY = datetime(2027, 5, 10, 9, 0, tzinfo=UTC)
LAW = "NO krisesenterlova § 2"


class MovedClock(SystemClock):
    """The machine's clock, put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def move_to(self, instant: datetime) -> None:
        self.ahead += max(instant - self.now(), timedelta())


class HereServer:
    """The line in this process."""

    def __init__(self, line: Line, clock: MovedClock, url: str) -> None:
        self.line = line
        self.clock = clock
        self.url = url

    async def come_in(self, page: Page, staff_id: str) -> None:
        """Sign somebody in; as often as the clock is moved, since a session does not outlast a month."""
        async with self.line.house.db.write() as conn:
            token = await accounts.make_sign_in_link(conn, staff_id, now=self.clock.now())
        await page.goto(f"{self.url}/desk/sign-in/{token}")
        await page.click("button:has-text('Logg inn')")
        await page.wait_for_url(re.compile(r"/desk/(?!sign-in)"))

    async def heed(self) -> None:
        """Have the line load what changed now, and not when its loop wakes."""
        await self.line.house.library.refresh(self.line.house.db)

    async def settle_gaps(self) -> None:
        while await self.line.gaps.tick(self.clock.now()):
            pass


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HereServer]:
    needs_chromium()
    folder: Path = tmp_path_factory.mktemp("boards")
    settings = Settings(
        data_dir=folder,
        database_url=Secret(f"sqlite:///{folder / 'varde.db'}"),
        secret_key=Secret(bytes(range(32))),
    )
    clock = MovedClock()
    channels = {Channel.WEB: LocalChannel(Channel.WEB), Channel.TERMINAL: LocalChannel(Channel.TERMINAL)}
    line = build_app(settings, clock=clock, channels=channels)
    runner = web.AppRunner(line.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    people: Mapping[str, Role] = {"eva": Role.EDITOR, "rita": Role.REVIEWER}
    async with line.house.db.write() as conn:
        for staff_id, role in people.items():
            await accounts.add_staff(
                conn,
                line.house.vault,
                name=staff_id.title(),
                roles=(role,),
                now=clock.now(),
                zone="Europe/Oslo",
                staff_id=staff_id,
                languages=(Language.NB,),
            )
    yield HereServer(line, clock, f"http://127.0.0.1:{port}")
    await runner.cleanup()


async def asked(server: HereServer, *texts: str, region: str = "46", times: int = 1) -> None:
    """Have clinicians ask what the shelves do not answer."""
    house = server.line.house
    async with house.db.write() as conn:
        for text in texts * times:
            await store.record_gap(
                conn,
                house.vault,
                missing="unknown",
                text=text,
                nearest=(),
                confidence=0.1,
                language=Language.NB,
                country=Country.NO,
                region=region,
                now=house.clock.now(),
            )
    await server.settle_gaps()


async def answered_by_an_advisor(server: HereServer) -> None:
    house, now = server.line.house, server.clock.now()
    async with house.db.write() as conn:
        spoken = await store.create(
            conn,
            house.vault,
            Address(Channel.WEB, "somebody"),
            kind=store.Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=now,
        )
        await gap_board.keep_guidance(
            conn,
            house,
            spoken,
            question=TATTOO[0],
            reply="Spør hudavdelingen. Skriv i henvisningen at merket ble satt under tvang.",
            language=Language.NB,
            country=Country.NO,
            actor="staff:asha",
            now=now,
        )
    await server.settle_gaps()


async def ask(page: Page, words: str) -> str:
    """Ask in the chat; what the line said last."""
    said = page.locator(".entry.line")
    before = await said.count()
    await page.fill("#text", words)
    await page.click(".send")
    await expect(said.nth(before)).to_be_visible()
    await expect(page.locator(".entry.pending")).to_have_count(0)
    return await said.last.inner_text()


async def publish(server: HereServer, draft_id: int, fields: Mapping[str, Any]) -> int:
    """Complete a draft as its writer, have a second person approve it, and let it through the gate; the revision."""
    house = server.line.house
    async with house.db.write() as conn:
        draft = await drafts.get_draft(conn, draft_id)
        assert draft is not None
        now = server.clock.now()
        await drafts.save(conn, draft_id, seen=draft.version, fields=fields, actor="staff:eva", now=now)
        await drafts.submit(conn, draft_id, actor="staff:eva", roles={"editor"}, now=now)
        draft = await drafts.approve(conn, draft_id, actor="staff:rita", roles={"reviewer"}, now=now)
    async with asyncio.timeout(300):
        while True:
            async with house.db.read() as conn:
                run = await gate_runs.present(conn, draft_id, draft.version)
            if run is not None and run.state in {RunState.DONE, RunState.FAILED}:
                break
            await asyncio.sleep(0.2)
    assert run.state is RunState.DONE
    async with house.db.write() as conn:
        published = await drafts.publish(conn, draft_id, actor="staff:rita", roles={"reviewer"}, now=server.clock.now())
    await server.heed()
    assert published.revision is not None
    return published.revision


@each_look
async def test_every_board_is_fit_for_everybody(
    size: dict[str, int], scheme: str, make_context: MakeContext, server: HereServer, check: Check
) -> None:
    server.clock.move_to(MAY)
    async with server.line.house.db.read() as conn:
        bare = not await gap_board.open_heaps(conn)
    if bare:
        await asked(server, *DOG, times=3)
        await answered_by_an_advisor(server)
    context = await make_context(viewport=size, color_scheme=scheme)
    page = await context.new_page()
    watched = Watched(page)
    await server.come_in(page, "eva")

    await page.goto("/desk/gaps")
    await expect(page.locator(".heaps > li")).to_have_count(2)
    await expect(page.locator(".heaps > li", has_text="hund").locator(".tag").first).to_have_text("minst 10")
    await check(page, "1-gaps")
    heap = page.locator(".heaps > li").first
    await heap.locator("summary", has_text="Avvis").click()
    await heap.locator("textarea[name=reason]").fill(" ")
    await heap.locator("button", has_text="Avvis spørsmålene").click()
    await expect(page.locator(".wrong")).to_have_text("Skriv hvorfor.")
    await check(page, "2-gaps-wrong")

    await page.goto("/desk/due")
    await expect(page.locator(".list > li").first).to_contain_text("Kontrolleres innen 22.5.2027")
    await page.locator("summary", has_text="Bekreft uendret").first.click()
    await check(page, "3-due")

    await page.goto("/desk/laws?text=krisesenterlova+§+2")
    await check(page, "4-laws")
    await page.get_by_role("rowheader", name="krisesenterlova § 2").get_by_role("link").click()
    await check(page, "5-law")
    await page.fill("#what", "Kommunen har fått en ny plikt.")
    await page.fill("#in_force_on", "2027-05-01")
    await page.click("button:has-text('Merk endringen')")
    await expect(page.get_by_text("Linja sier nå med svarene under")).to_be_visible()
    await page.locator("summary", has_text="Ikke berørt").first.click()
    await check(page, "6-change")
    await page.goto("/desk/laws")
    await expect(page.locator("#waiting")).to_be_visible()
    await check(page, "7-laws-waiting")
    # The browser says by itself that a refused form was answered with 422.
    assert [said for said in watched.complaints if "422" not in said] == []


async def test_without_a_script_and_with_the_keyboard_a_heap_is_dismissed_and_brought_back(
    make_context: MakeContext, server: HereServer
) -> None:
    await asked(server, "kaffemaskina på vaktrommet er ødelagt")
    context = await make_context(java_script_enabled=False)
    page = await context.new_page()
    await server.come_in(page, "eva")
    await page.goto("/desk/gaps")
    heap = page.locator(".heaps > li", has_text="kaffemaskina")
    await heap.locator("summary", has_text="Avvis").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Kaffe er ikke vår sak.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_have_text("Spørsmålene er avvist.")
    await page.get_by_role("link", name="Avvist").click()
    await expect(page.get_by_text("Kaffe er ikke vår sak.")).to_be_visible()
    await page.locator("button", has_text="Legg tilbake på tavla").click()
    await expect(page.locator(".heaps > li", has_text="kaffemaskina")).to_be_visible()


async def test_from_a_gap_to_an_answer_in_the_chat(make_context: MakeContext, server: HereServer) -> None:
    if not server.line.house.library.shelves.article("hund-pa-krisesenter"):
        await asked(server, *DOG)
    clinician = await (await make_context()).new_page()
    await clinician.goto("/")
    before = await ask(clinician, DOG[0])
    assert "Spør krisesenteret før dere drar" not in before

    page = await (await make_context(viewport=DESKTOP)).new_page()
    await server.come_in(page, "eva")
    await page.goto("/desk/gaps")
    heap = page.locator(".heaps > li", has_text="hund").first
    await heap.locator("input[name=id]").fill("hund-pa-krisesenter")
    await heap.locator("button", has_text="Skriv ny artikkel").click()
    await page.wait_for_url(re.compile(r"/desk/drafts/\d+"))
    draft_id = int(page.url.rsplit("/", 1)[1])
    revision = await publish(
        server,
        draft_id,
        {
            "topic": "shelter",
            "kind": "practical",
            "title": "Kan hunden være med på krisesenteret?",
            "short": "Spør krisesenteret før dere drar. Noen tar imot dyr, andre finner et sted til hunden.",
            "cite": "krisesenteret",
            "details": "Ring krisesenteret og si at det er en hund.",
            "law_refs": [],
            "sources": [{"title": "Samtale med krisesenteret", "date_seen": "2027-05-10"}],
            "confidence": "partly-verified",
            "suggest_human": False,
            "urgent": False,
            "owner": "redaksjonen",
            "reviewed_on": "2027-05-10",
            "review_by": "2027-11-10",
            "translations": {},
        },
    )
    assert revision == 1
    after = await ask(clinician, DOG[0])
    assert "Spør krisesenteret før dere drar" in after
    assert "versjon 1" in after
    await server.settle_gaps()
    await page.goto("/desk/gaps")
    await expect(page.locator(".heaps > li", has_text="hund")).to_have_count(0)
    await page.goto("/desk/gaps?state=in_draft")
    await expect(page.locator(".heaps > li", has_text="hund")).to_have_count(0)


async def test_a_changed_law_is_said_with_the_answer_until_the_rewritten_article_is_published(
    make_context: MakeContext, server: HereServer
) -> None:
    house = server.line.house
    async with house.db.write() as conn:
        for marked in await law_watch.changes(conn):
            if marked.stands:
                await law_watch.withdraw(
                    conn, marked.change.id, why="Fra en annen prøve.", actor="staff:rita", now=server.clock.now()
                )
    await server.heed()
    clinician = await (await make_context()).new_page()
    await clinician.goto("/")
    assert "endret" not in await ask(clinician, TONIGHT)
    found = house.library.shelves.find(TONIGHT, country=Country.NO, language=Language.NB)
    article = house.library.shelves.article(found.candidates[0].article_id)
    assert article is not None
    assert any(law == Law.of(LAW) for ref in article.law_refs for law in house.library.laws.read(ref.ref, Country.NO))

    page = await (await make_context(viewport=DESKTOP)).new_page()
    await server.come_in(page, "eva")
    await page.goto(f"/desk/laws/rule?key={LAW}")
    await page.fill("#what", "Kommunen har fått en ny plikt.")
    await page.fill("#in_force_on", server.clock.now().date().isoformat())
    await page.click("button:has-text('Merk endringen')")
    await page.wait_for_url(re.compile(r"/desk/laws/changes/\d+"))
    change = page.url
    await server.heed()
    assert "Loven dette bygger på, er endret siden: krisesenterlova § 2" in await ask(clinician, TONIGHT)

    await page.locator(f"#article-{article.id} button", has_text="Skriv om mot endringen").click()
    await page.wait_for_url(re.compile(r"/desk/drafts/\d+"))
    draft_id = int(page.url.rsplit("/", 1)[1])
    revision = await publish(server, draft_id, {"details": f"{article.details}\n\nKontrollert mot den nye plikten."})
    latest = await ask(clinician, TONIGHT)
    assert "endret" not in latest
    assert f"versjon {revision}" in latest
    await page.goto(change)
    await expect(page.locator(f"#article-{article.id}")).to_contain_text(f"Versjon {revision} er kontrollert")


async def test_the_review_date_passes_and_the_answer_changes(make_context: MakeContext, server: HereServer) -> None:
    article = next(
        each
        for each in server.line.house.library.shelves.articles
        if each.country is Country.NO and each.review_by is not None and each.revision == 1 and not each.variants
    )
    assert article.review_by is not None
    clinician = await (await make_context()).new_page()
    await clinician.goto("/")
    assert "eldre enn" not in await ask(clinician, article.title)
    noon = datetime(article.review_by.year, article.review_by.month, article.review_by.day, 10, tzinfo=UTC)
    server.clock.move_to(noon + timedelta(days=1))
    await clinician.context.clear_cookies()
    await clinician.goto("/")
    assert "Dette svaret er eldre enn det skal være" in await ask(clinician, article.title)
    server.clock.move_to(noon + timedelta(days=31))
    await clinician.context.clear_cookies()
    await clinician.goto("/")
    too_old = await ask(clinician, article.title)
    assert "for gammelt til å brukes" in too_old
    assert "Rådgiver" in too_old or await clinician.locator(".advisor").count() > 0
    page = await (await make_context()).new_page()
    await server.come_in(page, "eva")
    await page.goto("/desk/due?fit=hand_over")
    await expect(page.locator(".list > li").first).to_contain_text("Brukes ikke lenger")
