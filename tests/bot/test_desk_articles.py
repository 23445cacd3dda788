"""The shelves on the desk: found by words and by what is wrong, read, compared, restored and retired."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.app import Line
from bot.desk.catalogue import PAGE, Catalogue, Standings, State, Wanted, missing_in
from helpline.accounts import AT_THE_LINE, Role
from helpline.clock import SetClock
from helpline.messages import Country, Language
from knowledge import drafts, store
from knowledge.articles import Confidence
from knowledge.search import Index
from knowledge.shelves import Shelves
from tests.bot.browsing import Client, get, post
from tests.bot.test_desk import hire, link_for, sign_in
from tests.conftest import NINE
from tests.knowledge.builders import an_article

__all__ = ["sign_in"]

DUTY = "avvergingsplikt-grov-menneskehandel"


@pytest.fixture
async def eva(sign_in: Any) -> Client:
    """An editor, signed in."""
    browser: Client = await sign_in("eva", Role.EDITOR)
    return browser


@pytest.fixture
async def rita(sign_in: Any) -> Client:
    """A reviewer, signed in."""
    browser: Client = await sign_in("rita", Role.REVIEWER)
    return browser


def names(text: str) -> list[str]:
    return re.findall(r'class="name" href="/desk/articles/([^"]+)"', text)


async def revise(line: Line, article_id: str, **changes: Any) -> None:
    """Publish another revision, as somebody once did."""
    async with line.house.db.write() as conn:
        standing = await store.standing(conn, article_id)
        assert standing is not None
        article = await store.revision(conn, article_id, standing.latest)
        assert article is not None
        await store.save_article(
            conn, replace(article, **changes), actor="staff:eva", now=line.house.clock.now() + timedelta(minutes=1)
        )


async def test_every_role_may_read_and_only_writers_may_write(sign_in: Any, line: Line) -> None:
    for number, role in enumerate(AT_THE_LINE):
        browser = await sign_in(f"p{number}", role)
        page = await get(browser, f"/desk/articles/{DUTY}")
        assert page.status == 200
        assert ("/draft" in page.text) == (role in {Role.EDITOR, Role.REVIEWER})
        assert ("/retire" in page.text) == (role is Role.REVIEWER)
        writes = await browser.post(f"/desk/articles/{DUTY}/draft", data={"csrf": page.csrf}, allow_redirects=False)
        assert writes.status == (303 if role in {Role.EDITOR, Role.REVIEWER} else 404)
        takes = await browser.post(f"/desk/articles/{DUTY}/retire", data={"csrf": page.csrf}, allow_redirects=False)
        assert takes.status == (422 if role is Role.REVIEWER else 404)  # without a reason


async def test_the_list_is_found_by_id_by_title_and_by_what_people_write(eva: Client) -> None:
    assert names((await get(eva, f"/desk/articles?text={DUTY}")).text)[0] == DUTY
    page = await get(eva, "/desk/articles?text=Tegn+på+at+pasienten")
    assert names(page.text)[0] == "tegn-hos-pasienten"
    page = await get(eva, "/desk/articles?text=må+jeg+melde+fra+til+politiet&country=NO")
    assert names(page.text)
    assert (await get(eva, "/desk/articles?text=xyzzyxyzzy")).text.count('class="name"') == 0


@pytest.mark.parametrize(
    "query", ["page=99999", "page=-1", "page=x", "state=what", "country=DK", "text=" + "ord+" * 90]
)
async def test_a_strange_address_shows_a_list(query: str, eva: Client) -> None:
    assert (await get(eva, f"/desk/articles?{query}")).status == 200


async def test_starter_content_is_marked_until_an_editor_makes_it_theirs(eva: Client, line: Line) -> None:
    assert "startinnhold" in (await get(eva, "/desk/articles")).text.lower()
    assert "Startinnhold, skal godkjennes" in (await get(eva, f"/desk/articles/{DUTY}")).text
    await revise(line, DUTY, title="Når du må avverge")
    assert "Startinnhold, skal godkjennes" not in (await get(eva, f"/desk/articles/{DUTY}")).text
    assert DUTY not in names((await get(eva, f"/desk/articles?state=starter&text={DUTY}")).text)


async def test_revisions_are_listed_read_and_compared(eva: Client, line: Line) -> None:
    await revise(line, DUTY, title="Når du må avverge")
    await revise(line, DUTY, title="Når du skal avverge")
    page = await get(eva, f"/desk/articles/{DUTY}/history")
    assert "Fulgte med programmet" in page.text
    assert "Eva" in page.text
    assert re.search(r"<del>.*?må.*?</del><ins>.*?skal", page.text)
    page = await get(eva, f"/desk/articles/{DUTY}/history?from=1&to=2")
    assert "Fra versjon 1 til 2" in page.text
    page = await get(eva, f"/desk/articles/{DUTY}/2")
    assert "Når du må avverge" in page.text
    assert "Slik sto versjon 2" in page.text
    for odd in ("?from=x&to=y", "?from=3&to=1", "?from=99&to=99"):
        assert (await get(eva, f"/desk/articles/{DUTY}/history{odd}")).status == 200
    assert (await get(eva, f"/desk/articles/{DUTY}/77")).status == 404
    assert (await get(eva, f"/desk/articles/{DUTY}/{'9' * 40}")).status == 404
    assert (await get(eva, "/desk/articles/what-is-this/history")).status == 404


async def test_an_old_revision_comes_back_as_a_draft_once(eva: Client, line: Line) -> None:
    await revise(line, DUTY, title="Når du må avverge")
    page = await get(eva, f"/desk/articles/{DUTY}/history")
    fields = {"csrf": page.csrf, "revision": "1"}
    first = await eva.post(f"/desk/articles/{DUTY}/restore", data=fields, allow_redirects=False)
    again = await eva.post(f"/desk/articles/{DUTY}/restore", data=fields, allow_redirects=False)
    assert again.headers["Location"].partition("?")[0] == first.headers["Location"]
    async with line.house.db.read() as conn:
        (draft,) = await drafts.list_drafts(conn)
        old = await store.revision(conn, DUTY, 1)
    assert old is not None
    assert draft.body["title"] == old.title
    assert draft.restored == 1
    assert "Hentet fram versjon 1 som utkast" in (await get(eva, f"/desk/articles/{DUTY}/trail")).text


async def test_retiring_needs_a_reason_and_takes_the_article_off(rita: Client, line: Line) -> None:
    page = await get(rita, f"/desk/articles/{DUTY}")
    refused = await post(rita, f"/desk/articles/{DUTY}/retire", {"csrf": page.csrf, "reason": "  "})
    assert refused.status == 422
    assert "Skriv en grunn." in refused.text
    done = await post(rita, f"/desk/articles/{DUTY}/retire", {"csrf": page.csrf, "reason": "Loven er opphevet."})
    assert "tatt av hylla" in done.text
    assert names((await get(rita, "/desk/articles?state=retired")).text) == [DUTY]
    assert "Loven er opphevet." in (await get(rita, f"/desk/articles/{DUTY}/trail")).text
    again = await post(rita, f"/desk/articles/{DUTY}/retire", {"csrf": page.csrf, "reason": "Loven er opphevet."})
    assert again.status == 422


async def test_a_form_of_another_session_does_nothing(rita: Client, line: Line) -> None:
    await post(rita, f"/desk/articles/{DUTY}/retire", {"csrf": "0" * 64, "reason": "x"})
    async with line.house.db.read() as conn:
        standing = await store.standing(conn, DUTY)
    assert standing is not None
    assert standing.published == 1


async def test_the_start_page_of_a_writer_is_the_shelves(line: Line, client: Client) -> None:
    await hire(line, "eva", Role.EDITOR)
    page = await post(client, f"/desk/sign-in/{await link_for(line, 'eva')}", {})
    assert page.status == 200
    assert page.url == "/desk/articles"


# --- looking through many ---------------------------------------------------------------------------------------------


def shelves_of(*articles: Any) -> Shelves:
    return Shelves(tuple(articles), Index.build(articles))


SOME = (
    an_article(id="one", title="A", topic="children/minors", owner="a", confidence=Confidence.VERIFIED),
    an_article(id="two", title="B", topic="children: money", owner="b", confidence=Confidence.PARTLY),
    an_article(id="three", country="SE", topic="vård", owner="b"),
)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(), ["one", "two", "three"]),
        (Wanted(topic="children"), ["one", "two"]),
        (Wanted(country=Country.SE), ["three"]),
        (Wanted(owner="b"), ["two", "three"]),
        (Wanted(owner="b", country=Country.NO), ["two"]),
        (Wanted(confidence=Confidence.PARTLY), ["two"]),
        (Wanted(state=State.STARTER), ["one"]),
        (Wanted(state=State.IN_REVIEW), ["two"]),
        (Wanted(state=State.GONE), ["three"]),
        (Wanted(text="three"), ["three"]),
    ],
)
def test_filters(wanted: Wanted, ids: list[str]) -> None:
    standings = Standings(starters={"one"}, gone={"three"}, drafts={"two": (7, State.IN_REVIEW)})
    found = Catalogue().look(shelves_of(*SOME), standings, wanted, NINE)
    assert [entry.article.id for entry in found.entries][: len(ids)] == ids
    assert found.found >= len(ids)


def test_a_language_is_missing_where_readers_of_that_line_may_ask_for_it() -> None:
    assert missing_in(replace(SOME[0], translations={})) == (Language.NN, Language.EN)
    assert missing_in(replace(SOME[2], translations={})) == (Language.EN,)


def test_pages_of_a_long_list_hold_every_article_once(clock: SetClock) -> None:
    many = [an_article(id=f"a-{number}") for number in range(PAGE * 2 + 7)]
    catalogue, shelves = Catalogue(), shelves_of(*many)
    seen = [
        entry.article.id
        for page in (1, 2, 3)
        for entry in catalogue.look(shelves, Standings(), Wanted(page=page), NINE).entries
    ]
    assert sorted(seen) == sorted(article.id for article in many)
    assert catalogue.look(shelves, Standings(), Wanted(page=99), NINE).page == 3
