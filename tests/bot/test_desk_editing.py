"""Writing by the front door: who may, what is kept of what was typed, and the way from hand to hand to the shelves."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from bot.desk import sheet
from bot.desk.door import own_address
from helpline import presence
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.messages import Language
from knowledge import drafts, question_sets, store
from knowledge.drafts import Draft
from knowledge.gate import Figures, GateReport, plain
from knowledge.life import Stage
from tests.bot.browsing import Client, Page, get, post
from tests.bot.test_desk import sign_in
from tests.bot.test_sheet import browser
from tests.bot.test_webchat import DATA

__all__ = ["sign_in"]

SIGNS = "tegn-hos-pasienten"  # practical
DUTY = "avvergingsplikt-grov-menneskehandel"  # rights


@pytest.fixture
async def eva(sign_in: Any) -> Client:
    """An editor, signed in."""
    client: Client = await sign_in("eva", Role.EDITOR)
    return client


@pytest.fixture
async def rita(sign_in: Any) -> Client:
    """A reviewer, signed in."""
    client: Client = await sign_in("rita", Role.REVIEWER)
    return client


async def opened(client: Client, line: Line, article_id: str = DUTY) -> str:
    """A draft of the article; its address."""
    page = await get(client, f"/desk/articles/{article_id}")
    return (await post(client, f"/desk/articles/{article_id}/draft", {"csrf": page.csrf})).url


async def stored(line: Line, address: str) -> Draft:
    async with line.house.db.read() as conn:
        draft = await drafts.get_draft(conn, int(address.split("/")[3]))
    assert draft is not None
    return draft


def hidden(page: Page, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None
    return html.unescape(found[1])


async def form_of(client: Client, line: Line, address: str, **typed: str) -> Any:
    """What a browser without scripts sends after somebody typed."""
    page = await get(client, address)
    fields = browser(sheet.shaped((await stored(line, address)).body))
    fields.update({"csrf": page.csrf, "seen": hidden(page, "seen"), "was": hidden(page, "was"), "do": "save"})
    fields.update(typed)
    return fields


async def act(client: Client, address: str, do: str, **fields: str) -> Page:
    page = await get(client, f"{address}/review")
    return await post(
        client, f"{address}/review", {"csrf": page.csrf, "seen": hidden(page, "seen"), "do": do, **fields}
    )


async def tried(line: Line, *, right: int = 10) -> None:
    """The questions have been asked; so many of ten are answered rightly with the draft in place.

    Written straight into the row, since the running line may have begun to ask them itself.
    """
    report = GateReport((), (Figures("norge", "Norge", 10, 10, right, 0.8, 10, right),))
    done = {"passes": report.passes, "report": json.dumps(plain(report))}
    async with line.house.db.write() as conn:
        await conn.execute(
            sql(
                "UPDATE gate_run SET state = 'done', passes = :passes, report = :report, due_at = NULL, "
                "lease_token = NULL"
            ),
            done,
        )


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.ADVISOR, Role.COORDINATOR, Role.ANALYST, Role.ADMINISTRATOR])
async def test_for_everybody_else_there_are_no_drafts(role: Role, sign_in: Any, eva: Client, line: Line) -> None:
    address = await opened(eva, line)
    other = await sign_in("ole", role)
    for path in (
        address,
        f"{address}/review",
        f"{address}/gate",
        f"{address}/saves",
        f"{address}/live",
        "/desk/drafts",
    ):
        assert (await get(other, path)).status == 404, path
    for path in (
        "/desk/drafts/new",
        "/desk/small",
        "/desk/questions",
        "/desk/questions/norge",
        f"{address}/gate/state",
    ):
        assert (await get(other, path)).status == 404, path
    csrf = (await get(other, "/desk/articles")).csrf
    for path in (address, f"{address}/review", f"{address}/here", "/desk/drafts/new", "/desk/small", "/desk/questions"):
        assert (await post(other, path, {"csrf": csrf, "do": "abandon"})).status == 404, path
    assert (await stored(line, address)).stage is Stage.DRAFT


async def test_what_is_not_there_is_not_found(eva: Client) -> None:
    for number in ("999", "9" * 30):
        for part in ("", "/review", "/saves", "/gate", "/collision/1"):
            assert (await get(eva, f"/desk/drafts/{number}{part}")).status == 404


@pytest.mark.parametrize(
    ("address", "back"),
    [
        ("/desk/drafts/3?rows=variants", "/desk/drafts/3?rows=variants"),
        ("/desk/", "/desk/"),
        ("//evil.example", "/desk/"),
        ("https://evil.example/desk/", "/desk/"),
        ("/desk//evil.example", "/desk/"),
        ("/desk/../leave", "/desk/../leave"),  # a page of ours
        ("/desk/x\r\nSet-Cookie: a=b", "/desk/"),
        ("/desk/" + "a" * 5000 + "!", "/desk/"),
    ],
)
def test_going_back_stays_at_home(address: str, back: str) -> None:
    assert own_address(address) == back


# --- what was typed is kept -------------------------------------------------------------------------------------------


async def test_a_save_takes_only_what_was_changed(eva: Client, line: Line) -> None:
    address = await opened(eva, line)
    before = (await stored(line, address)).body
    page = await post(eva, address, await form_of(eva, line, address, short="  Ja.  Prøv å hindre det. "))
    assert "Lagret." in page.text
    draft = await stored(line, address)
    assert draft.version == 2
    assert draft.body == {**before, "short": "Ja. Prøv å hindre det."}
    await post(eva, address, await form_of(eva, line, address))
    assert (await stored(line, address)).version == 2  # nothing was changed


@pytest.mark.parametrize(
    "wrong", [{"csrf": "0" * 64}, {"seen": "77"}, {"seen": "x"}, {"short": "x" * 190_000, "details": "y" * 190_000}]
)
async def test_a_form_that_cannot_be_taken_comes_back_as_it_was_typed(
    wrong: dict[str, str], eva: Client, line: Line
) -> None:
    address = await opened(eva, line)
    page = await post(eva, address, await form_of(eva, line, address, title="Halvskrevet tittel", **wrong))
    assert page.status in {403, 422}
    assert 'value="Halvskrevet tittel"' in page.text
    assert (await stored(line, address)).version == 1


async def test_a_comment_is_put_in_and_what_was_typed_elsewhere_is_saved(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    form = await form_of(eva, line, address, title="Ny tittel", do="comment:short", **{"comment.short": "Er det sant?"})
    page = await post(eva, address, form)
    assert "Er det sant?" in page.text
    assert (await stored(line, address)).body["title"] == "Ny tittel"
    empty = await form_of(eva, line, address, title="Nyere tittel", do="comment:short")
    page = await post(eva, address, empty)
    assert page.status == 422
    assert "Kommentaren er tom." in page.text
    assert (await stored(line, address)).body["title"] == "Nyere tittel"
    other = await opened(rita, line, SIGNS)
    await post(rita, other, await form_of(rita, line, other, do="resolve:1"))  # a comment of another draft
    async with line.house.db.read() as conn:
        (remark,) = await drafts.comments(conn, 1)
    assert remark.resolved_at is None
    await act(rita, address, "resolve:1")
    async with line.house.db.read() as conn:
        (remark,) = await drafts.comments(conn, 1)
    assert remark.resolved_by == "staff:rita"


async def test_two_forms_of_the_same_version_are_merged_or_put_side_by_side(
    eva: Client, rita: Client, line: Line
) -> None:
    address = await opened(eva, line)
    evas = await form_of(eva, line, address, title="Evas tittel", owner="Evas gruppe")
    ritas = await form_of(rita, line, address, title="Ritas tittel", topic="Ritas tema")
    await post(eva, address, evas)
    page = await post(rita, address, ritas)
    assert "/collision/" in page.url
    assert "Evas tittel" in page.text
    assert "Ritas tittel" in page.text
    nothing_chosen = await post(rita, page.url, {"csrf": page.csrf, "seen": hidden(page, "seen")})
    assert nothing_chosen.status == 422
    choice = {"choose.title": "both", "both.title": "Begges tittel", "choose.topic": "yours"}
    await post(rita, page.url, {"csrf": page.csrf, "seen": hidden(page, "seen"), **choice})
    body = (await stored(line, address)).body
    assert (body["title"], body["topic"], body["owner"]) == ("Begges tittel", "Ritas tema", "Evas gruppe")
    assert "Ritas tittel" in (await get(rita, f"{address}/saves")).text


async def test_a_script_is_told_what_stands_and_what_others_changed(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    evas = await form_of(eva, line, address, title="Evas tittel")
    ritas = await form_of(rita, line, address, short="Ritas svar.", do="auto")
    await post(eva, address, evas)
    data = await (await rita.post(address, data=ritas, headers=DATA)).json()
    assert data["version"] == 3
    assert set(data["parts"]) == {"title"}
    assert "Evas tittel" in data["parts"]["title"]
    assert "Eva har endret Tittel" in data["merged"]
    assert "Ritas svar." in data["preview"]
    assert data["was"] == sheet.digests(sheet.shaped((await stored(line, address)).body))
    clash = evas.copy()
    clash.update({"short": "Evas svar.", "do": "auto"})
    answer = await eva.post(address, data=clash, headers=DATA)
    assert answer.status == 409
    assert (await get(eva, (await answer.json())["collision"])).status == 200
    await post(eva, "/desk/sign-out", {"csrf": evas["csrf"]})
    assert (await eva.post(address, data=clash, headers=DATA)).status == 401


async def test_who_else_is_here_is_told_and_forgotten(eva: Client, rita: Client, line: Line, clock: SetClock) -> None:
    address = await opened(eva, line)
    page = await get(rita, address)
    await post(rita, f"{address}/here", {"csrf": page.csrf, "field": "short"})
    assert "Rita skriver i «Kort svar»." in (await get(eva, address)).text
    await post(rita, f"{address}/here", {"csrf": page.csrf, "field": "<script>"})
    assert "Rita har også dette utkastet oppe." in (await get(eva, address)).text
    clock.advance(presence.LASTS + timedelta(seconds=1))
    assert "Rita har" not in (await get(eva, address)).text


# --- from hand to hand ------------------------------------------------------------------------------------------------


async def test_rights_are_approved_by_another_and_published(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    await post(eva, address, await form_of(eva, line, address, title="Når du må avverge"))
    assert (await act(eva, address, "approve")).status == 409
    assert "Sendt til godkjenning" in (await act(eva, address, "submit")).text
    assert (await act(rita, address, "send_back", reason=" ")).status == 409
    page = await act(rita, address, "send_back", reason="Nevn hvem som skal varsles.")
    assert "Nevn hvem som skal varsles." in (await get(eva, address)).text
    await act(eva, address, "submit")
    await act(rita, address, "approve")
    early = await act(rita, address, "publish")
    assert early.status == 409
    assert "ikke prøvd" in early.text
    await tried(line)
    page = await act(rita, address, "publish")
    assert "Publisert som versjon 2" in page.text
    again = await act(rita, address, "publish")
    assert again.status == 200  # pressed twice is published once
    async with line.house.db.read() as conn:
        standing = await store.standing(conn, DUTY)
    assert standing is not None
    assert standing.published == 2
    assert (await get(eva, address)).url == f"{address}/review"


async def test_a_reviewer_who_wrote_in_it_does_not_approve(sign_in: Any, line: Line) -> None:
    kari = await sign_in("kari", Role.EDITOR, Role.REVIEWER)
    address = await opened(kari, line)
    await post(kari, address, await form_of(kari, line, address, title="Karis tittel"))
    page = await act(kari, address, "submit")
    assert 'value="approve"' not in page.text
    assert "En annen godkjenner må lese det." in page.text
    assert (await act(kari, address, "approve")).status == 409
    assert (await stored(line, address)).stage is Stage.IN_REVIEW


async def test_what_changed_since_it_was_read_is_not_approved(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    await post(eva, address, await form_of(eva, line, address, title="Først"))
    await act(eva, address, "submit")
    page = await get(rita, f"{address}/review")
    await post(eva, address, await form_of(eva, line, address, title="Siden"))
    late = {"csrf": page.csrf, "seen": hidden(page, "seen"), "do": "approve"}
    refused = await post(rita, f"{address}/review", late)
    assert refused.status == 409
    assert "Les det på nytt først." in refused.text


async def test_a_set_time_is_shown_with_its_zone_and_can_be_taken_away(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    await post(eva, address, await form_of(eva, line, address, title="Fra nyttår"))
    await act(eva, address, "submit")
    await act(rita, address, "approve")
    for bad in ("2020-01-01T08:00", "snart", ""):
        refused = await act(rita, address, "schedule", at=bad)
        assert refused.status == 409
        assert f'value="{bad}"' in refused.text
    page = await act(rita, address, "schedule", at="2026-12-31T08:00")
    assert "31.12.2026 08:00 (norsk tid)" in page.text
    draft = await stored(line, address)
    assert draft.publish_at is not None
    assert draft.publish_at.isoformat() == "2026-12-31T07:00:00+00:00"
    assert "31.12.2026 08:00" in (await get(eva, "/desk/drafts")).text
    await act(rita, address, "unschedule")
    assert (await stored(line, address)).publish_at is None


async def test_a_blocked_draft_needs_a_reason_and_two_people(eva: Client, rita: Client, line: Line) -> None:
    address = await opened(eva, line)
    await post(eva, address, await form_of(eva, line, address, title="Noe annet"))
    await act(eva, address, "submit")
    await tried(line, right=5)
    page = await get(rita, f"{address}/review")
    assert "Stoppet." in page.text
    assert "under nivået" in page.text
    await act(rita, address, "approve")
    assert (await act(rita, address, "publish")).status == 409
    assert (await act(eva, address, "ask_override", override_reason="")).status == 409
    await act(eva, address, "ask_override", override_reason="Settet rettes i morgen.")
    assert (await act(eva, address, "confirm_override")).status == 409
    assert "Settet rettes i morgen." in (await get(rita, f"{address}/review")).text
    await act(rita, address, "confirm_override")
    assert "Publisert som versjon 2" in (await act(rita, address, "publish")).text


async def test_a_slip_of_spelling_is_published_by_one_and_looked_over_by_another(
    eva: Client, rita: Client, line: Line
) -> None:
    async with line.house.db.write() as conn:
        article = await store.revision(conn, DUTY, 1)
        assert article is not None
        slipped = replace(article, title="Har jeg plikt til å stannse dette?")
        await store.save_article(conn, slipped, actor="staff:ole", now=line.house.clock.now())
    address = await opened(eva, line)
    await post(eva, address, await form_of(eva, line, address, title="Har jeg plikt til å stanse dette?"))
    assert "Merket som liten endring" in (await act(eva, address, "small")).text
    assert (await act(eva, address, "publish")).status == 409  # the questions are asked first
    await tried(line)
    assert "Publisert som versjon 3" in (await act(eva, address, "publish")).text
    page = await get(eva, "/desk/small")
    assert "Publisert av deg" in page.text
    page = await get(rita, "/desk/small")
    change = re.search(r'name="change" value="(\d+)"', page.text)
    assert change is not None
    assert (
        await post(eva, "/desk/small", {"csrf": (await get(eva, "/desk/small")).csrf, "change": change[1]})
    ).status == 409
    done = await post(rita, "/desk/small", {"csrf": page.csrf, "change": change[1]})
    assert "Ingenting å se over." in done.text


async def test_a_number_is_no_small_change(eva: Client, line: Line) -> None:
    address = await opened(eva, line)
    body = (await stored(line, address)).body
    await post(eva, address, await form_of(eva, line, address, short=body["short"] + " 7 dager."))
    assert (await act(eva, address, "small")).status == 409
    assert not (await stored(line, address)).small


async def test_a_new_article_says_what_it_lacks(eva: Client, line: Line) -> None:
    page = await get(eva, "/desk/drafts/new")
    fields = {"csrf": page.csrf, "title": "Parkering", "country": "NO", "kind": "practical"}
    bad = await post(eva, "/desk/drafts/new", {**fields, "article_id": "Parkering!"})
    assert bad.status == 422
    assert 'value="Parkering"' in bad.text
    taken = await post(eva, "/desk/drafts/new", {**fields, "article_id": DUTY})
    assert "Det finnes allerede" in taken.text
    made = await post(eva, "/desk/drafts/new", {**fields, "article_id": "parkering"})
    assert made.status == 200
    assert "Må fylles ut." in made.text
    refused = await act(eva, made.url, "submit")
    assert refused.status == 409
    again = await post(eva, "/desk/drafts/new", {**fields, "article_id": "parkering"})
    assert again.url.partition("?")[0] == made.url  # the draft that is open


# --- question sets ----------------------------------------------------------------------------------------------------


async def test_questions_are_kept_masked_changed_and_removed(eva: Client, line: Line) -> None:
    page = await get(eva, "/desk/questions")
    made = {"csrf": page.csrf, "id": "egne", "title": "Egne", "country": "NO", "level": "80"}
    for wrong in ({"level": "mange"}, {"level": "140"}, {"id": "Egne!"}, {"title": ""}, {"id": "norge"}):
        refused = await post(eva, "/desk/questions", {**made, **wrong})
        assert refused.status == 422
        assert 'value="80"' in refused.text or "level" in wrong
    page = await post(eva, "/desk/questions", made)
    said = "ring meg på 412 34 567, kan vi bruke tolk på telefon"
    asked = {"csrf": page.csrf, "text": said, "language": "nb", "answer": "article", "others": "tolk-rett, tolk-trygg"}
    looked = await post(eva, "/desk/questions/egne", {**asked, "do": "look"})
    assert 'name="articles" value="tolk-' in looked.text
    for wrong in ({"others": ""}, {"text": " "}, {"others": "Feil!"}):
        assert (await post(eva, "/desk/questions/egne", {**asked, **wrong, "do": "add"})).status == 422
    await post(eva, "/desk/questions/egne", {**asked, "do": "add"})
    again = await post(eva, "/desk/questions/egne", {**asked, "do": "add"})
    assert again.status == 422
    async with line.house.db.read() as conn:
        found = await question_sets.get_set(conn, "egne")
    assert found is not None
    (question,) = found.questions
    assert "412 34 567" not in question.text
    assert question.expected == ("tolk-rett", "tolk-trygg")
    changed = {**asked, "text": "bruk av tolk", "answer": "handover", "do": f"change:{question.id}"}
    await post(eva, "/desk/questions/egne", changed)
    await post(eva, "/desk/questions/egne", {"csrf": page.csrf, "do": "level", "level": "92,5"})
    async with line.house.db.read() as conn:
        found = await question_sets.get_set(conn, "egne")
    assert found is not None
    assert found.questions[0].expected == "handover"
    assert found.questions[0].language is Language.NB
    assert found.level == pytest.approx(0.925)
    page = await post(eva, "/desk/questions/egne", {"csrf": page.csrf, "do": f"remove:{question.id}"})
    assert "Spørsmålet er fjernet." in page.text
    assert (await post(eva, "/desk/questions/egne", {"csrf": page.csrf, "do": "what"})).status == 400
    assert (await get(eva, "/desk/questions/ingen")).status == 404


def test_the_hashes_of_a_page_are_plain_json() -> None:
    assert json.loads(json.dumps(sheet.digests(sheet.shaped({})))) == sheet.digests(sheet.shaped({}))
