"""The boards through the front door: review dates, law watch, gaps, and an advisor's answer that is kept."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from bot import gaps as gap_board
from bot import store
from bot.app import Line
from bot.gaps import State
from bot.operating import _check_fitness
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.messages import Country, Language
from knowledge import drafts
from knowledge.fitness import Change
from knowledge.laws import Law
from knowledge.life import Stage
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get, post
from tests.bot.test_desk import asha, audited, reply, sign_in, taken, waiting
from tests.knowledge.builders import an_article

__all__ = ["asha", "sign_in", "taken", "waiting"]

BOARDS = ("/desk/due", "/desk/laws", "/desk/gaps")
MAY = datetime(2027, 5, 10, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def as_it_was(line: Line) -> AsyncIterator[None]:
    """The shelves are shared by the tests of a run; what a test flags on them goes with it."""
    library = line.house.library
    before = library.standing, library._marked
    yield
    library.standing, library._marked = before


@pytest.fixture
async def eva(sign_in: Any) -> Client:
    browser: Client = await sign_in("eva", Role.EDITOR)
    return browser


@pytest.fixture
async def rita(sign_in: Any) -> Client:
    browser: Client = await sign_in("rita", Role.REVIEWER)
    return browser


def plain(page: Page) -> str:
    """What stands on the page, for people."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def test_the_boards_are_for_those_who_write(sign_in: Any) -> None:
    for number, role in enumerate(Role):
        browser = await sign_in(f"p{number}", role)
        for board in BOARDS:
            response = await browser.get(board)
            assert response.status == (200 if role in {Role.EDITOR, Role.REVIEWER} else 404), (role, board)


@pytest.mark.parametrize("language", Language)
async def test_every_board_speaks_every_language(eva: Client, language: Language) -> None:
    for board in BOARDS:
        page = await get(eva, f"{board}?lang={language.value}")
        assert page.status == 200
        assert page.language == language.value


# --- review dates -----------------------------------------------------------------------------------------------------


async def test_nothing_is_due_until_thirty_days_before(eva: Client, clock: SetClock, sign_in: Any) -> None:
    assert "Ingenting skal kontrolleres" in plain(await get(eva, "/desk/due"))
    clock.advance(MAY - clock.now())
    later = await sign_in("berit", Role.EDITOR)
    page = await get(later, "/desk/due")
    assert "Kontrolleres innen 22.5.2027" in plain(page)
    assert "brukes til og med 21.6.2027" in plain(page)
    assert len(re.findall(r'class="name"', page.text)) == 40
    assert "page=2" in page.text


@pytest.mark.parametrize(("days", "said"), [(13, "brukes til og med 21.6.2027"), (43, "ikke brukt siden 22.6.2027")])
async def test_what_is_past_its_date_says_what_the_line_does(
    line: Line, clock: SetClock, sign_in: Any, days: int, said: str
) -> None:
    clock.advance(MAY + timedelta(days=days) - clock.now())
    browser = await sign_in("berit", Role.EDITOR)
    assert said in plain(await get(browser, "/desk/due?country=NO"))
    assert said not in plain(await get(browser, "/desk/due?owner=ingen"))


async def test_unchanged_is_a_draft_that_a_colleague_reviews(line: Line, clock: SetClock, sign_in: Any) -> None:
    clock.advance(MAY - clock.now())
    browser = await sign_in("berit", Role.EDITOR)
    article = line.house.library.shelves.articles[0]
    page = await get(browser, "/desk/due")
    where = f"/desk/due/{article.id}"
    for typed in ({"review_by": "2020-01-01", "how": "Lovdata"}, {"review_by": "2027-11-01", "how": " "}):
        refused = await post(browser, where, {"csrf": page.csrf, **typed})
        assert refused.status == 422
        assert typed["review_by"] in refused.text  # what was typed is still there
    done = await post(browser, where, {"csrf": page.csrf, "review_by": "2027-11-01", "how": "Lovdata, i dag"})
    assert done.url == "/desk/due?told=handed_in"
    assert "Utkastet er sendt til godkjenning." in plain(done)
    async with line.house.db.read() as conn:
        draft = await drafts.draft_of(conn, article.id)
        assert draft is not None
        [comment] = await drafts.comments(conn, draft.id)
    assert draft.stage is Stage.IN_REVIEW
    assert (draft.body["reviewed_on"], draft.body["review_by"]) == ("2027-05-10", "2027-11-01")
    assert "Lovdata, i dag" in comment.text
    # The line goes by the old date until the draft is published.
    assert line.house.library.shelves.article(article.id) == article
    again = await post(browser, where, {"csrf": page.csrf, "review_by": "2027-11-01", "how": "Lovdata"})
    assert again.status == 409
    assert "åpent utkast" in plain(again)


# --- law watch --------------------------------------------------------------------------------------------------------


async def test_a_law_is_found_however_it_is_written(eva: Client) -> None:
    for written in ("utlf. § 8-3", "utlendingsforskriften § 8-3", "§ 8-3 i utlendingsforskriften"):
        page = await get(eva, f"/desk/laws?text={written}")
        assert "utlendingsforskriften § 8-3" in plain(page)
        assert "straffeloven § 257" not in plain(page)
    assert "Ingen artikkel bygger på" in plain(await get(eva, "/desk/laws?text=kvantefysikkloven"))


@pytest.mark.parametrize("key", ["", "NO", "DK straffeloven § 1", "x" * 400])
async def test_what_is_no_law_is_not_there(eva: Client, key: str) -> None:
    assert (await eva.get("/desk/laws/rule", params={"key": key})).status == 404


async def test_a_marked_change_is_said_with_the_answer_until_two_people_clear_it(
    line: Line, eva: Client, rita: Client, client: Client
) -> None:
    key = "NO krisesenterlova § 2"
    page = await eva.get("/desk/laws/rule", params={"key": key})
    csrf = (await get(eva, "/desk/laws")).csrf
    cited = set(re.findall(r'href="/desk/articles/([^"]+)"', await page.text()))
    assert cited
    mark = {"csrf": csrf, "key": key, "in_force_on": "2026-11-01", "link": "", "what": ""}
    refused = await post(eva, "/desk/laws/changes", {**mark, "link": "ikke en lenke"})
    assert refused.status == 422
    assert "ikke en lenke" in refused.text
    change = await post(eva, "/desk/laws/changes", {**mark, "what": "Tilbudet gjelder flere."})
    assert change.url.startswith("/desk/laws/changes/")
    assert set(re.findall(r'id="article-([^"]+)"', change.text)) == cited
    await line.house.library.refresh(line.house.db)
    assert set(line.house.library.standing.flags) == cited

    def cleared(article_id: str) -> dict[str, str]:
        return {"csrf": csrf, "article": article_id, "reason": "Vi viser bare til plikten."}

    for article_id in cited:
        proposed = await post(eva, f"{change.url}/not-affected", cleared(article_id))
        assert "Eva mener at artikkelen ikke er berørt" in plain(proposed)
    clearings = dict(
        re.findall(
            r'name="article" value="([^"]+)">\s*<input type="hidden" name="clearing" value="(\d+)"', proposed.text
        )
    )
    assert set(clearings) == cited
    alone = await eva.post(
        f"{change.url}/agree", data={"csrf": csrf, "article": article_id, "clearing": clearings[article_id]}
    )
    assert alone.status == 404  # an editor agrees with nobody
    await line.house.library.refresh(line.house.db)
    assert set(line.house.library.standing.flags) == cited
    theirs = (await get(rita, change.url)).csrf
    for article_id, clearing in clearings.items():
        agreed = await post(rita, f"{change.url}/agree", {"csrf": theirs, "article": article_id, "clearing": clearing})
    assert "Ingenting gjenstår." in plain(agreed)
    assert "Ikke berørt, etter Eva og Rita" in plain(agreed)
    await line.house.library.refresh(line.house.db)
    assert line.house.library.standing.flags == {}
    assert [actor for actor, _ in await audited(line, "law_flag_cleared")] == ["staff:rita"] * len(cited)


async def test_the_answer_says_that_the_law_has_changed_and_stops_when_it_is_withdrawn(
    line: Line, eva: Client, rita: Client, client: Client
) -> None:
    asked = "hvor kan hun sove i natt"
    await browsing.say(client, asked)
    [shown] = [said.words for said in (await get(client, "/")).said if "Kilde" in said.words]
    assert "endret" not in shown
    found = line.house.library.shelves.find(asked, country=Country.NO, language=Language.NB)
    article = line.house.library.shelves.article(found.candidates[0].article_id)
    assert article is not None
    law = line.house.library.laws.read(article.law_refs[0].ref, Country.NO)[0]
    csrf = (await get(eva, "/desk/laws")).csrf
    mark = {"csrf": csrf, "key": law.key, "what": "Tilbudet gjelder flere.", "in_force_on": "2026-11-01", "link": ""}
    change = await post(eva, "/desk/laws/changes", mark)
    await line.house.library.refresh(line.house.db)
    await browsing.say(client, asked)
    latest = (await get(client, "/")).words_of("line")[-1]
    assert f"Loven dette bygger på, er endret siden: {law.name} fra 1.11.2026." in latest
    own = await eva.post(f"{change.url}/withdraw", data={"csrf": csrf, "why": "Feil."})
    assert own.status == 404  # an editor, and her own
    theirs = (await get(rita, change.url)).csrf
    assert (await post(rita, f"{change.url}/withdraw", {"csrf": theirs, "why": ""})).status == 422
    gone = await post(rita, f"{change.url}/withdraw", {"csrf": theirs, "why": "Feil paragraf."})
    assert "Feil paragraf." in plain(gone)
    await line.house.library.refresh(line.house.db)
    await browsing.say(client, asked)
    assert "endret" not in (await get(client, "/")).words_of("line")[-1]


async def test_writing_against_a_change_opens_a_draft_that_says_so(line: Line, eva: Client) -> None:
    csrf = (await get(eva, "/desk/laws")).csrf
    mark = {"csrf": csrf, "key": "NO krisesenterlova § 2", "what": "Nytt.", "in_force_on": "2026-11-01", "link": ""}
    change = await post(eva, "/desk/laws/changes", mark)
    article_id = re.findall(r'id="article-([^"]+)"', change.text)[0]
    response = await eva.post(f"{change.url}/draft", data={"csrf": csrf, "article": article_id}, allow_redirects=False)
    assert response.status == 303
    draft_id = int(response.headers["Location"].removeprefix("/desk/drafts/"))
    async with line.house.db.read() as conn:
        [comment] = await drafts.comments(conn, draft_id)
    assert comment.field == "law_refs"
    assert "krisesenterlova § 2" in comment.text
    assert "Eva skriver et utkast mot endringen." in plain(await get(eva, change.url))


# --- gaps -------------------------------------------------------------------------------------------------------------

DOG = ("kan hun ta med hunden på krisesenteret?", "hund på krisesenter, går det", "får hun ha hund på krisesenteret")


async def lay(line: Line, *texts: str) -> str:
    """Put questions on the board; the id of the first heap."""
    async with line.house.db.write() as conn:
        for each in texts:
            await store.record_gap(
                conn,
                line.house.vault,
                missing="unknown",
                text=each,
                nearest=(),
                confidence=0.1,
                language=Language.NB,
                country=Country.NO,
                region="46",
                now=line.house.clock.now(),
            )
    while await line.gaps.tick(line.house.clock.now()):
        pass
    async with line.house.db.read() as conn:
        heaps = (await gap_board.board(conn, line.house, state=State.OPEN)).heaps
    return heaps[0].id if heaps else ""


async def test_the_board_tells_few_as_few_and_names_no_place(line: Line, eva: Client) -> None:
    await lay(line, *DOG)
    told = plain(await get(eva, "/desk/gaps"))
    assert "færre enn 5" in told
    assert "sted vises ikke" in told
    assert "uka fra 16.11.2026" in told
    assert "Vestland" not in told
    await lay(line, *DOG)
    told = plain(await get(eva, "/desk/gaps"))
    assert "minst 5" in told
    assert "Vestland: minst 5" in told


async def test_one_press_leads_to_a_draft_that_holds_the_questions(line: Line, eva: Client) -> None:
    heap = await lay(line, *DOG)
    page = await get(eva, "/desk/gaps")
    proposed = re.search(r'name="id" [^>]*value="([^"]+)"', page.text)
    assert proposed is not None
    assert "hund" in proposed[1]
    wordings = [html.unescape(each) for each in re.findall(r'name="wording" value="([^"]+)" checked', page.text)]
    assert set(wordings) == set(DOG)
    form = [("csrf", page.csrf), ("id", proposed[1]), *(("wording", each) for each in wordings)]
    response = await eva.post(f"/desk/gaps/{heap}/new", data=form, allow_redirects=False)
    assert response.status == 303
    draft_id = int(response.headers["Location"].removeprefix("/desk/drafts/"))
    async with line.house.db.read() as conn:
        draft = await drafts.get_draft(conn, draft_id)
    assert draft is not None
    assert set(draft.body["questions"]["nb"]) == set(DOG)
    # A second press, or another editor's, is told that somebody writes already.
    again = await eva.post(f"/desk/gaps/{heap}/new", data=form)
    assert again.status in {409, 422}
    assert f"/desk/drafts/{draft_id}" in (await get(eva, "/desk/gaps?state=in_draft")).text


@pytest.mark.parametrize(
    ("act", "fields", "said"),
    [
        ("new", {"id": "Ikke en id"}, "En id har bare små bokstaver"),
        ("new", {"id": "a-krim-og-lonn"}, "Det er alt en artikkel"),
        ("add", {"other": "finnes-ikke"}, "Det er ingen publisert artikkel"),
        ("new", {"id": "ny-hund", "wording": "noe ingen har spurt om"}, "Velg minst ett spørsmål."),
        ("dismiss", {"reason": "  "}, "Skriv hvorfor."),
    ],
)
async def test_what_cannot_be_done_is_said_and_what_was_typed_stands(
    line: Line, eva: Client, act: str, fields: dict[str, str], said: str
) -> None:
    heap = await lay(line, *DOG)
    page = await get(eva, "/desk/gaps")
    wanted = {"wording": DOG[0], **fields}
    answer = await post(eva, f"/desk/gaps/{heap}/{act}", {"csrf": page.csrf, **wanted})
    assert answer.status == 422
    assert said in plain(answer)
    for value in (fields.get("id"), fields.get("other")):
        assert value is None or value.lower() in answer.text.lower()


async def test_a_question_is_added_to_a_published_article(line: Line, eva: Client) -> None:
    heap = await lay(line, *DOG)
    article = next(each for each in line.house.library.shelves.articles if each.country is Country.NO)
    page = await get(eva, "/desk/gaps")
    response = await eva.post(
        f"/desk/gaps/{heap}/add",
        data={"csrf": page.csrf, "other": article.id, "wording": DOG[0]},
        allow_redirects=False,
    )
    assert response.status == 303
    async with line.house.db.read() as conn:
        draft = await drafts.draft_of(conn, article.id)
    assert draft is not None
    assert draft.body["questions"]["nb"][-1] == DOG[0]


async def test_a_dismissal_is_seen_with_its_reason_and_undone(line: Line, eva: Client, rita: Client) -> None:
    heap = await lay(line, *DOG)
    page = await get(eva, "/desk/gaps")
    done = await post(eva, f"/desk/gaps/{heap}/dismiss", {"csrf": page.csrf, "reason": "Dyr er ikke vår sak."})
    assert "Spørsmålene er avvist." in plain(done)
    assert "hund" not in plain(done)
    again = await post(eva, f"/desk/gaps/{heap}/dismiss", {"csrf": page.csrf, "reason": "En gang til."})
    assert again.status == 200
    theirs = await get(rita, "/desk/gaps?state=dismissed")
    assert "Avvist av Eva: Dyr er ikke vår sak." in plain(theirs)
    back = await post(rita, f"/desk/gaps/{heap}/undo", {"csrf": theirs.csrf})
    assert DOG[1] in plain(back)
    assert ("staff:eva", f"heap:{heap}") in await audited(line, "gaps_dismissed")


async def test_no_act_is_taken_without_the_forms_own_token(line: Line, eva: Client) -> None:
    heap = await lay(line, *DOG)
    for act in ("new", "add", "dismiss", "undo"):
        refused = await eva.post(f"/desk/gaps/{heap}/{act}", data={"csrf": "x", "reason": "y", "id": "z"})
        assert refused.status == 403
    assert DOG[1] in plain(await get(eva, "/desk/gaps"))


# --- an advisor's answer ----------------------------------------------------------------------------------------------


async def test_an_advisors_answer_goes_to_the_board_without_the_case(
    line: Line, asha: Client, taken: str, sign_in: Any
) -> None:
    await reply(asha, taken, "Ring krisesenteret, de tar imot hund.")
    page = await get(asha, f"/desk/{taken}")
    assert "Ring krisesenteret, de tar imot hund." in page.text
    nothing = await post(asha, f"/desk/{taken}/keep", {"csrf": page.csrf, "question": " ", "guidance": "Ring."})
    assert nothing.status == 422
    assert "Skriv både spørsmålet og svaret." in plain(nothing)
    kept = {"csrf": page.csrf, "question": DOG[0], "guidance": "Ring krisesenteret først. Ola Nordmann, 912 34 567."}
    done = await post(asha, f"/desk/{taken}/keep", kept)
    assert done.notice == "Veiledningen er sendt til redaktørene."
    while await line.gaps.tick(line.house.clock.now()):
        pass
    eva = await sign_in("eva", Role.EDITOR)
    told = plain(await get(eva, "/desk/gaps"))
    assert "besvart av en rådgiver" in told
    assert "Ring krisesenteret først." in told
    assert "912 34" not in told
    assert "Nordmann" not in told
    assert [actor for actor, _ in await audited(line, "guidance_kept")] == ["staff:asha"]
    async with line.house.db.read() as conn:
        [row] = (await conn.execute(select(store.gaps).where(store.gaps.c.missing == gap_board.GUIDANCE))).all()
        trail = (await conn.execute(text("SELECT * FROM audit_entry"))).all()
    assert row.id not in str(trail)  # nothing in the trail lays the gap beside the case


async def test_an_answer_is_kept_only_by_whoever_may_read_the_case(line: Line, taken: str, sign_in: Any) -> None:
    noor = await sign_in("noor")
    csrf = (await get(noor, "/desk/")).csrf
    refused = await noor.post(f"/desk/{taken}/keep", data={"csrf": csrf, "question": DOG[0], "guidance": "Ring."})
    assert refused.status == 404


# --- what the operator is told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        (datetime(2026, 11, 22, tzinfo=UTC), []),
        (datetime(2027, 2, 1, tzinfo=UTC), ["tolk-rett rests on tolkeloven § 6, which changed on 2027-01-01."]),
        (
            datetime(2027, 7, 1, tzinfo=UTC),
            [
                "tolk-rett was to be reviewed by 2027-05-22, and the line hands over instead.",
                "tolk-rett rests on tolkeloven § 6, which changed on 2027-01-01.",
            ],
        ),
    ],
)
def test_the_check_names_what_is_old_and_what_rests_on_changed_law(now: datetime, sentences: list[str]) -> None:
    change = Change(1, Law.of("NO tolkeloven § 6"), "Plikten er utvidet.", date(2027, 1, 1))
    found = _check_fitness([an_article()], ([change], frozenset()), now)
    assert [finding.sentence for finding in found] == sentences
