"""The web chat by its front door, as a browser without scripts and as one whose scripts run."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import ClientResponse
from sqlalchemy import text as sql

from bot.app import Line, Role
from helpline.clock import SetClock
from helpline.messages import Country, Language
from helpline.storage import StorageBusy, StorageFull
from tests.bot.browsing import Client, get, post, read_entries, say, tap
from tests.bot.conftest import MakeClient

QUESTION = "Kan følget tolke for pasienten?"
DANGER = "han står utenfor døra med kniv og vil ta henne med seg nå"
DATA = {"Accept": "application/json"}


async def count(line: Line, table: str) -> int:
    async with line.house.db.read() as conn:
        return int((await conn.execute(sql(f"SELECT count(*) FROM {table}"))).scalar_one())


# --- the first look ---------------------------------------------------------------------------------------------------


async def test_a_first_visit_says_what_this_is_and_keeps_nothing(line: Line, client: Client) -> None:
    page = await get(client)
    assert page.status == 200
    assert "Dette er rådgivningslinja for helsepersonell" in page.text
    assert len(page.examples) == 3
    assert "Snakk med en rådgiver" in page.taps
    assert 'href="tel:112"' in page.text
    assert 'href="tel:113"' in page.text
    assert 'href="/leave"' in page.text
    assert await count(line, "conversation") == 0


@pytest.mark.parametrize("language", Language)
async def test_the_title_tells_an_onlooker_nothing(language: Language, client: Client) -> None:
    page = await get(client, f"/?lang={language}")
    assert page.language == language.value
    for word in ("handel", "trafficking", "människo", "menneske", "offer", "victim"):
        assert word not in page.title.lower()


async def test_the_cookie_is_for_this_browser_and_this_session_only(client: Client) -> None:
    page = await get(client)
    cookies = page.headers.getall("Set-Cookie")
    assert len(cookies) == 2  # the chat's, and the one that takes back an earlier leaving
    chat = next(cookie for cookie in cookies if cookie.startswith("chat="))
    assert "HttpOnly" in chat
    assert "SameSite=Strict" in chat
    assert "expires" not in chat.lower()
    assert "max-age" not in chat.lower()
    assert len(chat.partition("=")[2].partition(";")[0]) == 43  # 256 bits


async def test_over_https_everything_is_bound_to_it(line: Line, aiohttp_client: MakeClient) -> None:
    settings = replace(line.house.settings, public_url="https://varde.example")
    secure = Line(replace(line.house, settings=settings))
    page = await get(await aiohttp_client(secure.application(), headers={"Accept": "text/html"}))
    assert page.headers["Strict-Transport-Security"].startswith("max-age=")
    assert page.headers["Set-Cookie"].startswith("__Host-chat=")
    assert "Secure" in page.headers["Set-Cookie"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("country", Country)
async def test_every_example_is_answered_with_its_source(language: Language, country: Country, client: Client) -> None:
    client.session.cookie_jar.update_cookies({"lang": language.value, "country": country.value})
    for number in ("1", "2", "3"):
        page = await get(client)
        page = await post(client, "/say", {"id": page.message_id, "example": number})
        assert 'class="source"' in page.text.split('class="entry you"')[-1], page.said[-1]


# --- asking -----------------------------------------------------------------------------------------------------------


async def test_a_question_is_answered_on_the_next_page(client: Client) -> None:
    page = await say(client, QUESTION)
    assert (page.status, page.url) == (200, "/")
    assert page.words_of("you") == [QUESTION]
    assert page.words_of("line")[0].startswith("Dette er rådgivningslinja")
    assert "olk" in page.words_of("line")[1]
    assert 'class="source"' in page.text
    assert page.box == ""


async def test_what_is_offered_can_be_pressed(client: Client) -> None:
    page = await say(client, QUESTION)
    page = await tap(client, page.taps["Kilder"])
    assert page.words_of("you")[-1] == "Kilder"
    assert 'rel="noreferrer noopener"' in page.text


async def test_an_answer_that_takes_long_is_looked_for_again(line: Line, aiohttp_client: MakeClient) -> None:
    """Here nobody answers: the worker is another process, and it is down."""
    alone = Line(line.house, role=Role.WEB)
    alone.chat.patience = 0.05
    client = await aiohttp_client(alone.application(), headers={"Accept": "text/html", "Accept-Language": "nb"})
    page = await say(client, QUESTION)
    assert page.words_of("you") == [QUESTION]
    assert page.notice == "Svaret kommer straks. Trykk «Se etter nye svar»."
    async with asyncio.timeout(60):
        await line.settle()
    page = await post(client, "/say", {"id": page.message_id, "do": "look", "text": ""})
    assert (len(page.words_of("line")), page.notice) == (2, "")


async def test_a_tap_keeps_what_stands_in_the_box(client: Client) -> None:
    page = await say(client, QUESTION)
    page = await tap(client, page.taps["Kilder"], text="halvskrevet <tekst>")
    assert page.box == "halvskrevet <tekst>"
    assert page.words_of("you")[-1] == "Kilder"


async def test_looking_for_replies_keeps_the_box_and_says_nothing(line: Line, client: Client) -> None:
    page = await get(client)
    page = await post(client, "/say", {"id": page.message_id, "text": "halvskrevet", "do": "look"})
    assert page.box == "halvskrevet"
    assert await count(line, "inbound") == 0


async def test_a_form_sent_twice_says_it_once(line: Line, client: Client) -> None:
    page = await get(client)
    fields = {"id": page.message_id, "text": QUESTION}
    responses = await asyncio.gather(*(post(client, "/say", fields) for _ in range(4)))
    assert {response.status for response in responses} == {200}
    assert (await get(client)).words_of("you") == [QUESTION]
    assert await count(line, "inbound") == 1


async def test_other_words_under_an_old_id_are_not_lost(client: Client) -> None:
    """A browser's back button brings back an old form, and its reader may write something else in it."""
    page = await get(client)
    await post(client, "/say", {"id": page.message_id, "text": QUESTION})
    page = await post(client, "/say", {"id": page.message_id, "text": "hva er refleksjonsperiode"})
    assert page.words_of("you") == [QUESTION, "hva er refleksjonsperiode"]


async def test_danger_shows_the_numbers_and_wakes_an_advisor(line: Line, client: Client) -> None:
    page = await say(client, DANGER)
    urgent = [said for said in page.said if said.urgent]
    assert "112" in urgent[0].words
    assert "113" in urgent[0].words
    assert await count(line, "escalation") == 1


async def test_names_are_masked_before_they_are_shown_again(client: Client) -> None:
    page = await say(client, "Pasienten heter Kari Nordmann, må jeg melde fra?")
    assert "Nordmann" not in page.text
    assert "[navn]" in page.words_of("you")[0]


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "**fet** [lenke](https://evil.example)",
        "\u202ebakvendt\u0000 \u0007",
        "👩‍⚕️🚑",
    ],
)
async def test_what_is_written_stays_text(words: str, client: Client) -> None:
    page = await say(client, words)
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "evil.example</a>" not in page.text
    assert "\u202e" not in page.text


# --- nobody else's conversation ---------------------------------------------------------------------------------------


async def test_nobody_reads_anothers_conversation(line: Line, client: Client, aiohttp_client: MakeClient) -> None:
    await say(client, QUESTION)
    assert client.server is not None
    other = await aiohttp_client(client.server, headers={"Accept": "text/html"})
    assert (await get(other)).said == []
    entries = await (await other.get("/entries", headers=DATA)).json()
    assert (entries["entries"], entries["cursor"]) == ("", "")
    assert (await other.get("/live")).status == 204


async def test_the_stored_address_opens_nothing(line: Line, client: Client) -> None:
    """What the database holds is not what the cookie holds."""
    await say(client, QUESTION)
    async with line.house.db.read() as conn:
        stored = (await conn.execute(sql("SELECT fingerprint FROM conversation"))).scalar_one()
    client.session.cookie_jar.clear()
    assert (await get(client, headers={"Cookie": f"chat={stored[:43]}"})).said == []


async def test_without_cookies_the_answer_stands_on_the_page(client: Client) -> None:
    page = await get(client)
    client.session.cookie_jar.clear()
    page = await post(client, "/say", {"id": page.message_id, "text": QUESTION})
    assert page.url == "/say"
    assert "olk" in page.words_of("line")[1]
    assert "informasjonskapsler" in page.notice


# --- turned away, kindly ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["", "   \n "])
async def test_nothing_is_asked_about_and_not_stored(words: str, line: Line, client: Client) -> None:
    page = await say(client, words)
    assert page.status == 422
    assert page.notice == "Skriv kort hva det gjelder, eller velg rådgiver."
    assert await count(line, "inbound") == 0


@pytest.mark.parametrize("length", [8_001, 100_000])
async def test_a_text_that_is_too_long_comes_back_in_the_box(length: int, line: Line, client: Client) -> None:
    words = ("æ tolk " * length)[:length]
    page = await say(client, words)
    assert page.status == 422
    assert f"({length} tegn)" in page.notice
    assert page.box == words
    assert await count(line, "inbound") == 0


async def test_danger_in_a_text_that_is_too_long_is_heard(line: Line, client: Client) -> None:
    page = await say(client, f"{'bakgrunn og mer bakgrunn. ' * 400}\n{DANGER}")
    assert page.status == 200
    assert await count(line, "escalation") == 1


async def test_too_many_are_told_to_wait_with_the_text_kept(line: Line, client: Client, clock: SetClock) -> None:
    for number in range(15):
        assert (await say(client, f"hva er regel {number}")).status == 200
    page = await say(client, QUESTION)
    assert page.status == 429
    assert page.box == QUESTION
    assert int(page.headers["Retry-After"]) <= 10
    assert "Vent" in page.notice
    clock.advance(timedelta(seconds=int(page.headers["Retry-After"])))
    assert (await say(client, QUESTION)).status == 200


async def test_no_limit_stops_danger_or_the_way_to_a_human(line: Line, client: Client) -> None:
    while (await say(client, "hva er regelen")).status == 200:
        pass
    assert (await say(client, DANGER)).status == 200
    assert (await say(client, "0")).status == 200
    assert (await tap(client, "a")).status == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"text": "x"}', "application/json"),
        (b"text=x", "text/plain"),
        (b"id=abc&tap=%00", "application/x-www-form-urlencoded"),
        (b"id=abc&tap=" + b"x" * 49, "application/x-www-form-urlencoded"),
        (b"id=abc&example=9", "application/x-www-form-urlencoded"),
        (b"id=abc&language=da", "application/x-www-form-urlencoded"),
        (b"id=abc&country=DK", "application/x-www-form-urlencoded"),
    ],
)
async def test_what_no_form_of_ours_sends_is_refused(body: bytes, kind: str, line: Line, client: Client) -> None:
    response = await client.post("/say", data=body, headers={"Content-Type": kind})
    assert response.status == 400
    assert await count(line, "inbound") == 0


async def test_a_body_beyond_reason_is_refused(client: Client) -> None:
    body = io.BytesIO(b"id=abcdefghijklmnop&text=" + b"x" * 3_000_000)
    response = await client.post("/say", data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert response.status == 413


async def test_another_site_cannot_speak_for_the_reader(line: Line, client: Client) -> None:
    page = await get(client)
    headers = {"Sec-Fetch-Site": "cross-site"}
    refused = await post(client, "/say", {"id": page.message_id, "text": QUESTION}, headers=headers)
    assert refused.status == 404
    assert await count(line, "inbound") == 0


@pytest.mark.parametrize("error", [StorageFull("full"), StorageBusy("busy")])
@pytest.mark.parametrize("headers", [{}, DATA])
async def test_what_cannot_be_stored_is_not_lost(
    error: Exception, headers: dict[str, str], line: Line, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await get(client)

    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        raise error
        yield

    def write() -> AbstractAsyncContextManager[None]:
        return failing()

    monkeypatch.setattr(line.house.db, "write", write)
    response = await client.post("/say", data={"id": page.message_id, "text": QUESTION}, headers=headers)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    body = await response.text()
    assert "ring 112" in body
    if not headers:
        assert QUESTION in body
        assert page.message_id in body  # trying again says the same thing, not another


# --- language and country ---------------------------------------------------------------------------------------------


async def test_another_language_before_the_first_word(client: Client) -> None:
    page = await get(client)
    page = await post(client, "/say", {"id": page.message_id, "language": "sv", "text": "halvskrivet"})
    assert (page.language, page.box) == ("sv", "halvskrivet")
    assert "Det här är rådgivningslinjen" in (await get(client)).text


async def test_another_language_in_the_middle_of_it(client: Client) -> None:
    await say(client, QUESTION)
    page = await get(client)
    page = await post(client, "/say", {"id": page.message_id, "language": "en"})
    assert page.language == "en"
    assert page.words_of("you")[-1] == "English"
    assert page.words_of("line")[-1].startswith("I will answer in English")


async def test_a_chosen_language_outweighs_what_is_written(client: Client) -> None:
    client.session.cookie_jar.update_cookies({"lang": "en"})
    page = await say(client, QUESTION)
    assert page.words_of("line")[0].startswith("This is the advice line")


async def test_another_country_changes_law_and_numbers(client: Client) -> None:
    page = await get(client)
    page = await post(client, "/say", {"id": page.message_id, "country": "SE"})
    assert 'href="tel:113"' not in page.text
    await say(client, "får jag kontakta polisen utan samtycke")
    page = await get(client)
    page = await post(client, "/say", {"id": page.message_id, "country": "NO"})
    assert page.words_of("you")[-1] in {"Norge", "Noreg"}
    assert 'href="tel:113"' in page.text


# --- leaving ----------------------------------------------------------------------------------------------------------


async def test_leaving_forgets_this_browser(client: Client) -> None:
    await say(client, QUESTION)
    response = await client.get("/leave", allow_redirects=False)
    assert response.status == 303
    assert response.headers["Location"] == "https://www.yr.no/"
    assert response.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert (await get(client)).said == []


async def test_the_script_says_it_without_waiting(client: Client) -> None:
    await say(client, QUESTION)
    response = await client.post("/leave")
    assert (response.status, "Clear-Site-Data" in response.headers) == (204, True)


async def test_a_page_left_in_haste_is_forgotten_at_the_next_visit(client: Client) -> None:
    """The word to the server may not have got through; the mark that the page left behind is enough."""
    await say(client, QUESTION)
    client.session.cookie_jar.update_cookies({"left": "1"})
    assert (await get(client)).said == []
    page = await say(client, "hva er refleksjonsperiode")
    assert page.words_of("you") == ["hva er refleksjonsperiode"]


async def test_another_site_cannot_make_us_forget(client: Client) -> None:
    await say(client, QUESTION)
    response = await client.get("/leave", allow_redirects=False, headers={"Sec-Fetch-Site": "cross-site"})
    assert "Clear-Site-Data" not in response.headers
    assert len((await get(client)).words_of("you")) == 1


async def test_erasing_empties_the_page(client: Client) -> None:
    await say(client, QUESTION)
    page = await tap(client, "erase:1")
    assert page.words_of("you") == []
    assert [words.startswith("Det du skrev, er slettet.") for words in page.words_of("line")] == [True]


# --- with scripts -----------------------------------------------------------------------------------------------------


class Live:
    """An open stream."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id = ""

    async def event(self, name: str) -> str:
        """The data of the next event of this name."""
        async with asyncio.timeout(60):
            while True:
                block = (await self.response.content.readuntil(b"\n\n")).decode().rstrip("\n")
                fields: dict[str, list[str]] = {}
                for line in block.split("\n"):
                    field, _, value = line.partition(": ")
                    fields.setdefault(field.rstrip(":"), []).append(value)
                self.last_id = fields.get("id", [self.last_id])[0]
                if fields.get("event") == [name]:
                    return "\n".join(fields.get("data", []))


async def follow(client: Client, **options: str) -> Live:
    response = await client.get("/live", headers={"Accept": "text/event-stream", **options})
    assert response.status == 200
    return Live(response)


async def test_a_script_is_answered_with_what_is_new(client: Client) -> None:
    page = await get(client)
    response = await client.post("/say", data={"id": page.message_id, "text": QUESTION}, headers=DATA)
    assert response.status == 200
    data = await response.json()
    assert [said.words for said in read_entries(data["entries"]) if said.who == "you"] == [QUESTION]
    assert data["cursor"]


async def test_replies_arrive_as_they_are_written(client: Client) -> None:
    await say(client, QUESTION)
    live = await follow(client)
    assert QUESTION in [said.words for said in read_entries(await live.event("entries"))]
    await say(client, "hva er refleksjonsperiode")
    seen: list[str] = []
    while len(seen) < 2:
        seen += [said.who for said in read_entries(await live.event("entries"))]
    assert seen == ["you", "line"]
    live.response.close()


async def test_a_broken_stream_goes_on_where_it_stopped(client: Client, clock: SetClock) -> None:
    """What came in the last minutes is sent again, since two commits may pass each other; a page shows it once."""
    await say(client, QUESTION)
    clock.advance(timedelta(minutes=5))
    await say(client, "hva koster det")
    live = await follow(client)
    await live.event("entries")
    live.response.close()
    clock.advance(timedelta(minutes=5))
    await say(client, "hva er refleksjonsperiode")
    again = await follow(client, **{"Last-Event-ID": live.last_id})
    words = [said.words for said in read_entries(await again.event("entries")) if said.who == "you"]
    assert words == ["hva koster det", "hva er refleksjonsperiode"]
    again.response.close()


async def test_erasing_clears_an_open_page(client: Client) -> None:
    await say(client, QUESTION)
    live = await follow(client)
    await live.event("entries")
    await tap(client, "erase:1")
    await live.event("reset")
    data = await (await client.get(f"/entries?after={live.last_id}", headers=DATA)).json()
    assert not data["reset"]
    assert QUESTION not in data["entries"]
    live.response.close()


@pytest.mark.parametrize("cursor", ["", "x", "abc-", "-1", "abc-99999999999999999999999", "00000000000-0"])
async def test_a_strange_cursor_shows_all_there_is(cursor: str, client: Client) -> None:
    await say(client, QUESTION)
    data = await (await client.get("/entries", params={"after": cursor}, headers=DATA)).json()
    assert QUESTION in data["entries"]


async def test_stopping_the_server_ends_open_pages(line: Line, client: Client) -> None:
    await say(client, QUESTION)
    live = await follow(client)
    await live.event("entries")
    line.chat.streams.close_all()
    async with asyncio.timeout(60):
        await live.response.content.read()
