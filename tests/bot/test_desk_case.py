"""Beside a conversation on the desk: searching, inserting, noting, following up; what goes out and what does not."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import yaml
from sqlalchemy import text as sql

from bot.app import Line
from bot.brief import danger_key
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.content import content_folder
from helpline.messages import Language
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get, post
from tests.bot.conftest import MakeClient
from tests.bot.test_desk import HTML, asha, audited, hire, reply, sign_in, taken, waiting
from tests.bot.test_webchat import DATA, QUESTION, Live

__all__ = ["asha", "sign_in", "taken", "waiting"]

ARTICLE = "tolk-folgesvenn"


def hidden(page: Page, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page.text)
    assert found is not None, name
    return html.unescape(found[1])


def claims(page: Page, act: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(rf'name="{act}" value="([^"]+)"', page.text)]


async def press(browser: Client, case: str, action: str, **fields: str) -> Page:
    """Press a button of the case's page, as a browser without scripts does."""
    page = await get(browser, f"/desk/{case}")
    return await post(
        browser, f"/desk/{case}/{action}", {"csrf": page.csrf, "id": page.message_id, "text": "", **fields}
    )


async def rows(line: Line, statement: str) -> list[Any]:
    async with line.house.db.read() as conn:
        return [tuple(row) for row in await conn.execute(sql(statement))]


# --- what goes out ----------------------------------------------------------------------------------------------------


async def test_a_name_is_shown_to_the_advisor_before_anything_is_sent(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    page = await reply(asha, taken, "Er Kari Nordmann alene nå?")
    assert page.status == 422
    assert "«Kari Nordmann» blir [navn]" in page.text
    assert page.box == "Er Kari Nordmann alene nå?"
    assert (await get(client)).words_of("advisor") == []
    fields = {"csrf": page.csrf, "id": page.message_id, "text": page.box, "agreed": hidden(page, "agreed")}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    assert page.words_of("advisor") == ["Er [navn] alene nå?"]
    assert (await get(client)).words_of("advisor") == ["Er [navn] alene nå?"]


async def test_agreeing_to_one_text_is_not_agreeing_to_another(asha: Client, client: Client, taken: str) -> None:
    page = await reply(asha, taken, "Er Kari Nordmann alene nå?")
    agreed = hidden(page, "agreed")
    page = await reply(asha, taken, "Er Ola Hansen alene nå?", agreed=agreed)
    assert page.status == 422
    assert "Ola Hansen" in page.text
    assert (await get(client)).words_of("advisor") == []


async def test_a_script_is_told_what_was_seen(asha: Client, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    fields = {"csrf": page.csrf, "id": page.message_id, "text": "Hun heter Kari Nordmann."}
    response = await asha.post(f"/desk/{taken}/reply", data=fields, headers=DATA)
    assert response.status == 422
    assert "«Kari Nordmann» blir [navn]" in html.unescape((await response.json())["warned"])


# --- from the shelves -------------------------------------------------------------------------------------------------


async def test_the_shelves_suggest_what_was_asked_last_and_send_nothing(
    asha: Client, client: Client, taken: str
) -> None:
    page = await get(asha, f"/desk/{taken}")
    suggested = claims(page, "insert")
    assert 1 <= len(suggested) <= 3
    assert suggested[0].startswith(f"article:{ARTICLE}:")
    assert (await get(client)).words_of("advisor") == []


async def test_an_article_is_put_in_with_its_source_and_recorded_when_it_is_sent(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    claim = claims(await get(asha, f"/desk/{taken}"), "insert")[0]
    page = await press(asha, taken, "insert", text="Hei igjen.", insert=claim)
    assert page.box.startswith("Hei igjen.")
    assert "tolkeloven § 7" in page.box
    assert "kontrollert" in page.box
    served = "SELECT article_id, revision, part FROM served WHERE part = 'advisor'"
    assert await rows(line, served) == []
    fields = {"csrf": page.csrf, "id": page.message_id, "text": page.box, "served": hidden(page, "served")}
    for _ in range(2):  # a second press sends and records nothing more
        await post(asha, f"/desk/{taken}/reply", fields)
    assert await rows(line, served) == [(ARTICLE, 1, "advisor")]
    assert "tolkeloven § 7" in (await get(client)).words_of("advisor")[-1]
    assert "versjon 1" in (await get(client)).words_of("advisor")[-1]


async def test_an_article_whose_words_were_changed_goes_out_without_its_source(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    claim = claims(await get(asha, f"/desk/{taken}"), "insert")[0]
    page = await press(asha, taken, "insert", insert=claim)
    changed = page.box.replace("ikke", "gjerne", 1)
    assert changed != page.box
    fields = {"csrf": page.csrf, "id": page.message_id, "text": changed, "served": hidden(page, "served")}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    assert page.status == 422
    assert "Kildelinja tas bort" in page.text
    fields |= {"id": page.message_id, "agreed": hidden(page, "agreed")}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    said = (await get(client)).words_of("advisor")[-1]
    assert "gjerne" in said
    assert "versjon 1" not in said
    assert await rows(line, "SELECT part FROM served WHERE part = 'advisor'") == []


async def test_an_article_is_sent_as_it_stands_and_the_draft_stays(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    claim = claims(await get(asha, f"/desk/{taken}"), "serve")[0]
    page = await press(asha, taken, "serve", text="halvskrevet", serve=claim)
    assert page.box == "halvskrevet"
    assert len((await get(client)).words_of("advisor")) == 1
    assert await rows(line, "SELECT article_id FROM served WHERE part = 'advisor'") == [(ARTICLE,)]


async def test_what_is_not_published_cannot_be_sent(asha: Client, client: Client, taken: str) -> None:
    for claim in ("", "article:nothing:1", f"article:{ARTICLE}:99", "service:rosa:0:XX:", "x:y"):
        for action in ("serve", "insert"):
            page = await press(asha, taken, action, text="utkast", **{action: claim})
            assert page.status == 409, claim
            assert page.box == "utkast"
    assert (await get(client)).words_of("advisor") == []


async def test_searching_keeps_the_draft_and_leaves_no_word_in_an_address(asha: Client, taken: str) -> None:
    page = await press(asha, taken, "find", find="articles", q="taushetsplikt politi", text="utkast")
    assert page.url == f"/desk/{taken}/find"
    assert page.box == "utkast"
    assert "Treff" in page.text
    assert "taushetsplikt" in page.text
    assert claims(page, "insert")


async def test_a_service_is_found_by_place_and_need_and_sent_with_its_source(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    page = await press(asha, taken, "find", find="services", place="Oslo", need="housing-tonight")
    assert "Tjenester i Oslo" in page.text
    claim = next(each for each in claims(page, "serve") if each.startswith("service:"))
    await press(asha, taken, "serve", serve=claim)
    said = (await get(client)).words_of("advisor")[-1]
    assert "Tjenestekatalogen" in said or "tjenestekatalogen" in said
    assert "versjon" in said
    assert await rows(line, "SELECT needs FROM shown_service") == [("housing-tonight",)]


async def test_a_protected_place_goes_by_its_kind_and_its_source_is_not_told(
    asha: Client, line: Line, taken: str
) -> None:
    services = line.house.library.directory.services
    secret = {each.name for each in services if each.kind.value == "protected-housing"}
    told = {source.title for each in services if each.protected for source in each.sources}
    told -= {source.title for each in services if not each.protected for source in each.sources}
    assert secret
    page = await press(asha, taken, "find", find="services", place="Oslo", need="housing")
    cards = [html.unescape(card) for card in re.findall(r'<div class="card-text"[^>]*>(.*?)</div>', page.text, re.S)]
    assert any("Trygt hus for kvinner fra prostitusjon" in card for card in cards)
    for card in cards:
        assert not any(card.startswith(name) for name in secret)
        assert not any(title in card for title in told)
        assert not re.search(r"(gata|gate|veien|vei) \d", card)


async def test_a_place_that_is_not_clear_is_said_so(asha: Client, taken: str) -> None:
    assert "Stedet er ikke kjent" in (await press(asha, taken, "find", find="services", place="Kongsvollhausen")).text
    assert "Flere steder heter det" in (await press(asha, taken, "find", find="services", place="Herøy")).text


# --- for whoever has it next ------------------------------------------------------------------------------------------


async def test_a_note_goes_to_whoever_has_the_case_next_and_never_to_the_clinician(
    asha: Client, sign_in: Any, client: Client, line: Line, taken: str
) -> None:
    page = await press(asha, taken, "note", note="Avtalt å ringe barnevernvakta sammen.")
    assert page.notice == "Notatet er lagret."
    assert "Avtalt å ringe" in page.text
    assert "Avtalt å ringe" not in (await get(client)).text
    assert b"Avtalt" not in (await rows(line, "SELECT words FROM case_note"))[0][0]
    noor = await sign_in("noor")
    assert "Avtalt å ringe" not in (await get(noor, f"/desk/{taken}")).text
    await press(asha, taken, "pass-on", to="noor")
    page = await post(noor, f"/desk/{taken}/take", {"csrf": (await get(noor, "/desk/")).csrf})
    assert "Avtalt å ringe" in page.text


async def test_a_note_is_masked_and_kept_once(asha: Client, line: Line, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    fields = {"csrf": page.csrf, "note": "Pasienten er Kari Nordmann.", "note_id": hidden(page, "note_id")}
    for _ in range(2):
        page = await post(asha, f"/desk/{taken}/note", fields)
        assert "uten det som kan peke ut en person" in page.notice
    assert "Pasienten er [navn]." in page.text
    assert "Kari" not in page.text
    assert len(await rows(line, "SELECT id FROM case_note")) == 1


async def test_a_note_that_cannot_be_kept_stands_in_its_field(asha: Client, taken: str) -> None:
    for note, wrong in (("  ", "Skriv notatet først."), ("x" * 4_001, "for langt (4001 tegn)")):
        page = await press(asha, taken, "note", note=note, text="utkast")
        assert page.status == 422
        assert wrong in page.text
        assert page.box == "utkast"
        assert note.strip() in page.text


async def test_notes_are_erased_with_the_conversation(asha: Client, client: Client, line: Line, taken: str) -> None:
    await press(asha, taken, "note", note="Avtalt å ringe sammen.")
    await browsing.tap(client, "erase:1")
    assert "Avtalt å ringe" not in (await get(asha, f"/desk/{taken}")).text
    fields = {"csrf": (await get(asha, "/desk/")).csrf, "note": "Etterpå."}
    assert (await post(asha, f"/desk/{taken}/note", fields)).status == 404


# --- what is new ------------------------------------------------------------------------------------------------------


async def test_what_came_since_is_marked_until_it_is_seen(
    asha: Client, client: Client, taken: str, clock: SetClock
) -> None:
    await get(asha, f"/desk/{taken}")
    clock.advance(timedelta(minutes=1))
    await browsing.say(client, "hun vil ikke at de skal vite det")
    assert "1 uleste" in (await get(asha, "/desk/")).text
    page = await get(asha, f"/desk/{taken}")
    divider = page.text.index('id="unread"')
    assert page.text.rindex(QUESTION, 0, divider) < divider < page.text.rindex("hun vil ikke at de skal vite det")
    assert "uleste" not in (await get(asha, "/desk/")).text
    assert 'id="unread"' not in (await get(asha, f"/desk/{taken}")).text


async def test_a_page_that_is_open_tells_what_it_has_shown(
    asha: Client, client: Client, line: Line, taken: str, clock: SetClock
) -> None:
    page = await get(asha, f"/desk/{taken}")
    clock.advance(timedelta(minutes=1))
    await browsing.say(client, "hun vil ikke at de skal vite det")
    views = len(await audited(line, "conversation_viewed"))
    for at, unread in (("1", True), ("9" * 17, False)):
        response = await asha.post(f"/desk/{taken}/seen", data={"csrf": page.csrf, "at": at}, headers=DATA)
        assert response.status == 204
        assert ("1 uleste" in (await get(asha, "/desk/")).text) is unread
    assert len(await audited(line, "conversation_viewed")) == views  # it shows nothing


async def test_each_sees_that_the_other_writes_and_nothing_of_it_is_kept(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    page = await get(asha, f"/desk/{taken}")
    to_advisor = Live(await asha.get(f"/desk/{taken}/live", headers={"Accept": "text/event-stream"}))
    to_clinician = Live(await client.get("/live", headers={"Accept": "text/event-stream"}))
    await to_advisor.event("entries")
    await to_clinician.event("entries")
    before = await rows(line, "SELECT * FROM page_presence")
    assert (await client.post("/typing", headers=DATA)).status == 204
    assert await to_advisor.event("typing") == ""
    assert (await asha.post(f"/desk/{taken}/typing", data={"csrf": page.csrf}, headers=DATA)).status == 204
    assert await to_clinician.event("typing") == ""
    assert await rows(line, "SELECT * FROM page_presence") == before
    to_advisor.response.close()
    to_clinician.response.close()


async def test_a_colleague_does_not_seem_to_write(
    asha: Client, sign_in: Any, client: Client, line: Line, taken: str
) -> None:
    noor = await sign_in("noor")
    page = await get(noor, "/desk/")
    to_clinician = Live(await client.get("/live", headers={"Accept": "text/event-stream"}))
    await to_clinician.event("entries")
    await noor.post(f"/desk/{taken}/typing", data={"csrf": page.csrf}, headers=DATA)
    page = await get(asha, f"/desk/{taken}")
    fields = {"csrf": page.csrf, "id": page.message_id, "text": "Hei."}
    await post(asha, f"/desk/{taken}/reply", fields)
    async with asyncio.timeout(60):
        seen = b""
        while b"Hei." not in seen:
            seen += await to_clinician.response.content.readuntil(b"\n\n")
    assert b"event: typing" not in seen
    to_clinician.response.close()


async def fail(line: Line) -> None:
    """Let the latest reply come to nothing, as a provider's refusal does."""
    async with line.house.db.write() as conn:
        await conn.execute(
            sql(
                "UPDATE outbound SET state = 'given_up' WHERE id = "
                "(SELECT max(id) FROM outbound WHERE key LIKE 'advisor:%')"
            )
        )


async def test_what_did_not_arrive_is_said_and_sent_again_once(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    await reply(asha, taken, "Er dere to sammen nå?")
    await fail(line)
    page = await get(asha, f"/desk/{taken}")
    assert "kom ikke fram" in page.text
    which = hidden(page, "again")
    for _ in range(2):
        page = await press(asha, taken, "again", again=which)
        assert page.notice == "Meldingen er sendt på nytt."
    assert "kom ikke fram, sendt på nytt" in page.text
    assert page.words_of("advisor") == ["Er dere to sammen nå?"] * 2
    assert (await press(asha, taken, "again", again="1")).status == 404


# --- what is done about it --------------------------------------------------------------------------------------------


async def test_a_day_to_follow_up_stands_on_the_list_until_it_is_done(
    asha: Client, line: Line, taken: str, clock: SetClock
) -> None:
    today = clock.now().date()
    page = await press(asha, taken, "follow-up", day=(today + timedelta(days=3)).isoformat())
    assert page.notice == "Datoen er lagret."
    assert "Følges opp 25.11.2026" in (await get(asha, "/desk/")).text
    await press(asha, taken, "follow-up", day=today.isoformat())
    page = await get(asha, "/desk/")
    assert "Skulle følges opp 22.11.2026" in page.text
    page = await post(asha, f"/desk/{taken}/follow-up", {"csrf": page.csrf, "do": "clear", "back": "list"})
    assert page.url == "/desk/"
    assert "følges opp" not in page.text


async def test_a_day_that_cannot_be_is_given_back(asha: Client, line: Line, taken: str) -> None:
    for day in ("", "yesterday", "2026-11-21", "2028-01-01", "2026-02-30"):
        page = await press(asha, taken, "follow-up", day=day, text="utkast")
        assert page.status == 422, day
        assert "Velg en dag fra i dag" in page.text
        assert page.box == "utkast"
    assert await rows(line, "SELECT * FROM follow_up") == []


async def test_asking_for_a_talk_twice_is_asking_once(asha: Client, line: Line, taken: str) -> None:
    await hire(line, "maja", Role.COORDINATOR)
    line.room.means = replace(line.room.means, channels=frozenset({"desk", "sms"}))
    async with line.house.db.write() as conn:
        now = line.house.clock.now()
        await accounts.add_contact(
            conn,
            line.house.vault,
            staff_id="maja",
            channel=ContactChannel.SMS,
            value="+4790000003",
            now=now,
            verified=True,
        )
    for _ in range(2):
        assert "ønsker en samtale" in (await press(asha, taken, "debrief")).notice
    assert await rows(line, "SELECT staff_id FROM debrief") == [("asha",)]
    assert (
        len(await rows(line, "SELECT id FROM outbound WHERE subject = 'staff:maja'")) == 1
    )  # and the coordinator hears


async def test_a_question_is_proposed_for_an_article_and_published_by_nobody(
    asha: Client, line: Line, taken: str
) -> None:
    fields = {"wording": "Kan kona hans tolke når pasienten heter Kari Nordmann?", "article": ARTICLE}
    assert (await press(asha, taken, "wording", **fields)).notice == "Spørsmålet er foreslått for artikkelen."
    assert "har dette spørsmålet alt" in (await press(asha, taken, "wording", **fields)).notice
    (stage, body), *more = await rows(line, "SELECT stage, body FROM draft")
    assert (stage, more) == ("draft", [])
    assert "Kan kona hans tolke" in body
    assert "Kari" not in body
    article = line.house.library.shelves.article(ARTICLE)
    assert article is not None
    assert all("kona" not in wording.text for wording in article.questions)


async def test_a_proposal_that_cannot_be_taken_is_given_back(asha: Client, line: Line, taken: str) -> None:
    asked = "Kan kona tolke?"
    for wording, article in (("", ARTICLE), (asked, ""), (asked, "se-tolk-risk"), ("x" * 401, ARTICLE)):
        page = await press(asha, taken, "wording", wording=wording, article=article)
        assert page.status == 422
        assert wording in page.text
    assert await rows(line, "SELECT id FROM draft") == []


async def test_closing_says_why_and_what_was_missing(asha: Client, line: Line, taken: str) -> None:
    page = await press(asha, taken, "close", outcome="referred", reason="taken_elsewhere", missing="yes")
    assert page.notice == "Saken er avsluttet."
    said = await rows(line, "SELECT reason, outcome, knowledge_missing FROM escalation_closing")
    assert [(reason, outcome, bool(missing)) for reason, outcome, missing in said] == [
        ("taken_elsewhere", "referred", True)
    ]


async def test_a_closing_without_an_outcome_asks_for_it(asha: Client, line: Line, taken: str) -> None:
    page = await press(asha, taken, "close", reason="finished", missing="no")
    assert page.status == 400
    assert "Velg hvorfor og hvordan det endte." in page.text
    assert await rows(line, "SELECT * FROM escalation_closing") == []


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_beside_a_case_that_is_not_theirs_there_is_nothing(sign_in: Any, line: Line, taken: str) -> None:
    noor = await sign_in("noor")
    csrf = (await get(noor, "/desk/")).csrf
    before = len(await audited(line, "conversation_viewed"))
    for action in ("find", "insert", "note", "debrief", "wording", "keep", "seen", "follow-up"):
        page = await post(noor, f"/desk/{taken}/{action}", {"csrf": csrf, "note": "x", "q": "tolk"})
        assert page.status == 404, action
    assert len(await audited(line, "conversation_viewed")) == before


async def test_a_form_of_another_session_does_nothing_beside_a_case(asha: Client, line: Line, taken: str) -> None:
    for action in ("find", "insert", "serve", "note", "debrief", "wording", "follow-up"):
        page = await press(asha, taken, action, csrf="0" * 64, note="x", q="tolk", text="utkast")
        assert page.status == 403, action
        assert page.box == "utkast", action
    for table in ("case_note", "debrief", "draft"):
        assert await rows(line, f"SELECT * FROM {table}") == []


async def test_every_look_beside_a_case_is_in_the_audit(asha: Client, line: Line, taken: str) -> None:
    before = len(await audited(line, "conversation_viewed"))
    await press(asha, taken, "find", find="articles", q="tolk")
    assert len(await audited(line, "conversation_viewed")) == before + 2  # the page, and the search


# --- the list and the brief -------------------------------------------------------------------------------------------


async def test_the_list_is_narrowed_by_language_and_says_what_it_hides(
    asha: Client, line: Line, taken: str, aiohttp_client: MakeClient, client: Client
) -> None:
    swede = await aiohttp_client(client.server, headers={**HTML, "Accept-Language": "sv"})
    await browsing.tap(swede, "a")
    page = await get(asha, "/desk/?language=sv")
    assert f'href="/desk/{taken}"' not in page.text
    assert "svenska" in page.text.lower()
    assert "1 saker vises ikke" in page.text
    assert 'data-live="/desk/live?language=sv"' in page.text
    mine = await get(asha, "/desk/?show=mine")
    assert f'href="/desk/{taken}"' in mine.text
    assert "Ta saken" not in mine.text
    assert (await get(asha, "/desk/?language=xx&show=%3Cb%3E")).status == 200


async def test_the_brief_says_danger_in_words_and_what_was_before(
    asha: Client, client: Client, line: Line, clock: SetClock
) -> None:
    await browsing.say(client, "han står utenfor døra med kniv og vil ta henne med seg nå")
    case = str((await rows(line, "SELECT id FROM escalation"))[0][0])
    page = await post(asha, f"/desk/{case}/take", {"csrf": (await get(asha, "/desk/")).csrf})
    assert "Tegn på fare" in page.text
    assert "noen har våpen" in page.text
    await press(asha, case, "close", outcome="emergency", missing="no")
    clock.advance(timedelta(minutes=5))
    await browsing.tap(client, "a")
    later = str((await rows(line, f"SELECT id FROM escalation WHERE id <> '{case}'"))[0][0])
    page = await post(asha, f"/desk/{later}/take", {"csrf": (await get(asha, "/desk/")).csrf})
    assert "Tidligere saker i samtalen" in page.text
    assert "22.11.2026, hos Asha" in page.text


def test_every_sign_of_danger_has_words(line: Line) -> None:
    """A rule or a situation that is added is said to advisors in their language too."""
    content = content_folder()
    names = [rule["name"] for path in (content / "urgency").glob("*.yaml") for rule in _items(path)]
    names += [
        group["name"]
        for path in (content / "danger").glob("*.yaml")
        for group in _items(path)
        if group["kind"] == "now"
    ]
    assert len(names) > 50
    missing = [name for name in names if not line.house.phrases.has(danger_key(name))]
    assert missing == []


def _items(path: Any) -> list[dict[str, Any]]:
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [each for each in read if "name" in each] if isinstance(read, list) else []


async def test_beside_a_case_every_language_is_spoken(asha: Client, taken: str) -> None:
    for language in Language:
        page = await get(asha, "/desk/")
        await post(asha, "/desk/language", {"csrf": page.csrf, "language": language.value, "back": "/desk/"})
        page = await press(asha, taken, "find", find="services", place="Oslo", need="legal")
        assert page.language == language.value
        assert page.status == 200


async def test_an_editor_finds_nothing_beside_a_case(sign_in: Any, taken: str) -> None:
    eva = await sign_in("eva", Role.EDITOR)
    csrf = (await get(eva, "/desk/articles")).csrf
    for action in ("find", "note", "wording", "serve", "again", "typing"):
        assert (await post(eva, f"/desk/{taken}/{action}", {"csrf": csrf})).status == 404
