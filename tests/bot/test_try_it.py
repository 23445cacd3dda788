"""Trying a question at the desk: what would be done, and why; nothing is kept."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from helpline.accounts import Role
from helpline.messages import Language
from knowledge import drafts, store
from tests.bot.browsing import Client, Page, get, post
from tests.bot.test_desk import sign_in

__all__ = ["sign_in"]


@pytest.fixture
async def eva(sign_in: Any) -> Client:
    """An editor, signed in."""
    browser: Client = await sign_in("eva", Role.EDITOR)
    return browser


async def tried(browser: Client, text: str, **fields: str) -> Page:
    page = await get(browser, "/desk/try")
    return await post(browser, "/desk/try", {"csrf": page.csrf, "text": text, "country": "NO", **fields})


def plain(page: Page) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


async def test_the_page_says_what_the_line_would_do_and_why(eva: Client) -> None:
    page = await tried(eva, "hvor kan hunn sove i natt")
    told = plain(page)
    assert "Gi det første svaret" in told
    assert "Trygt sted å sove i natt" in told
    assert "sove" in told.split("Ord som traff")[1].split("Nærmeste formulering")[0]
    assert "Fare nå nei" in told
    assert re.search(r"[0-9]+ %. Fra [0-9]+ % gis", told)


async def test_danger_and_another_countrys_law_are_shown(eva: Client) -> None:
    assert "Fare nå ja" in plain(await tried(eva, "han står utenfor døra med kniv"))
    assert "Regler det er søkt i Sverige" in plain(await tried(eva, "vem betalar tolken", country="SE"))


async def test_nothing_that_is_tried_is_kept(eva: Client, line: Line) -> None:
    await tried(eva, "zebra i bakgården til sykehuset")
    async with line.house.db.read() as conn:
        tables = (await conn.execute(sql("SELECT count(*) FROM conversation"))).scalar_one()
        trail = (await conn.execute(sql("SELECT count(*) FROM audit_entry WHERE details LIKE '%zebra%'"))).scalar_one()
    assert (tables, trail) == (0, 0)


@pytest.mark.parametrize("text", ["", "   ", "x" * 4_001])
async def test_what_cannot_be_tried_stays_in_the_form(eva: Client, text: str) -> None:
    page = await tried(eva, text)
    assert page.status == 400
    assert "aria-invalid" in page.text
    assert text.strip() in page.text


@pytest.mark.parametrize("text", ["🙂", "<script>alert(1)</script>", "\u202e§§§", "0", "tolk " * 700])
async def test_any_text_gets_a_page(eva: Client, text: str) -> None:
    page = await tried(eva, text)
    assert page.status == 200
    assert "<script>alert" not in page.text


async def test_a_draft_is_tried_in_its_articles_place(eva: Client, line: Line) -> None:
    question = "flodhesten fikk ikke plass i heisen"
    async with line.house.db.write() as conn:
        now = line.house.clock.now()
        draft = await drafts.open_draft(conn, "tolk-rett", actor="staff:eva", now=now)
        questions = {**draft.body["questions"], "nb": [*draft.body["questions"]["nb"], question]}
        await drafts.save(
            conn, draft.id, seen=draft.version, fields={"questions": questions}, actor="staff:eva", now=now
        )
    assert "Dette er artikkelens egen" not in plain(await tried(eva, question))
    page = await tried(eva, question, draft=str(draft.id))
    assert "Dette er artikkelens egen tittel eller formulering" in plain(page)
    assert 'href="/desk/articles/tolk-rett"' in page.text
    async with line.house.db.read() as conn:
        assert (await store.standing(conn, "tolk-rett")) is not None
    assert "Dette er artikkelens egen" not in plain(await tried(eva, question))  # published as before


async def test_a_draft_that_is_not_there_is_said_so(eva: Client) -> None:
    page = await tried(eva, "hei", draft="9999")
    assert page.status == 400
    assert "Utkastet finnes ikke lenger" in plain(page)


async def test_an_advisor_tries_what_is_published_and_sees_no_draft(sign_in: Any, line: Line) -> None:
    asha = await sign_in("asha", Role.ADVISOR)
    async with line.house.db.write() as conn:
        draft = await drafts.open_draft(conn, "tolk-rett", actor="staff:eva", now=line.house.clock.now())
    page = await get(asha, "/desk/try")
    assert "Med et utkast" not in plain(page)
    refused = await tried(asha, "hei", draft=str(draft.id))
    assert refused.status == 400


@pytest.mark.parametrize("role", [Role.ANALYST, Role.COORDINATOR, Role.ADMINISTRATOR])
async def test_for_others_the_page_is_not_there(sign_in: Any, role: Role) -> None:
    browser = await sign_in("noor", role)
    assert (await get(browser, "/desk/try")).status == 404
    assert "/desk/try" not in (await get(browser, "/desk/articles")).text


async def test_a_form_from_elsewhere_is_refused(eva: Client) -> None:
    assert (await post(eva, "/desk/try", {"text": "hei"})).status == 403


@pytest.mark.parametrize("language", list(Language))
async def test_the_page_is_there_in_every_language(eva: Client, line: Line, language: Language) -> None:
    page = await get(eva, "/desk/try")
    await post(eva, "/desk/language", {"csrf": page.csrf, "language": language.value, "back": "/desk/try"})
    shown = await tried(eva, "who pays the bill")
    assert shown.language == language.value
    assert line.house.phrases.say("desk.try.came", language) in plain(shown)
