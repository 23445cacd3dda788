"""The desk by its front door: nobody comes in who may not, one advisor has a case, and no word is lost."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from bot.desk.door import NAVIGATION
from bot.serving import local_advisor
from escalation import store as escalations
from helpline import accounts, staff_sessions
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.messages import Language
from helpline.storage import StorageFull
from helpline.web import Access
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get, post
from tests.bot.conftest import MakeClient
from tests.bot.test_webchat import DATA, QUESTION, Live

REPLY = "Hei, jeg har lest det du skrev. Er dere to sammen nå?"
HTML = {"Accept": "text/html", "Accept-Language": "nb"}


async def hire(line: Line, staff_id: str, *roles: Role) -> None:
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        await accounts.add_staff(
            conn,
            line.house.vault,
            name=staff_id.title(),
            roles=roles or (Role.ADVISOR,),
            now=now,
            zone="Europe/Oslo",
            staff_id=staff_id,
            languages=(Language.NB,),
        )
        await accounts.add_contact(
            conn,
            line.house.vault,
            staff_id=staff_id,
            channel=ContactChannel.DESK,
            value=staff_id,
            now=now,
            verified=True,
        )


async def link_for(line: Line, staff_id: str) -> str:
    async with line.house.db.write() as conn:
        return await accounts.make_sign_in_link(conn, staff_id, now=line.house.clock.now())


@pytest.fixture
async def sign_in(line: Line, client: Client, aiohttp_client: MakeClient) -> Any:
    """Signs somebody in, in a browser of their own."""

    async def sign_in(staff_id: str, *roles: Role) -> Client:
        await hire(line, staff_id, *roles)
        browser = await aiohttp_client(client.server, headers=HTML)
        page = await post(browser, f"/desk/sign-in/{await link_for(line, staff_id)}", {})
        assert page.url.startswith("/desk/")
        return browser

    return sign_in


@pytest.fixture
async def asha(sign_in: Any) -> Client:
    """An advisor, signed in."""
    browser: Client = await sign_in("asha")
    return browser


@pytest.fixture
async def waiting(asha: Client, line: Line, client: Client) -> str:
    """A clinician waits for an advisor; the case's id."""
    await browsing.say(client, QUESTION)
    await browsing.tap(client, "a")
    async with line.house.db.read() as conn:
        return str((await conn.execute(sql("SELECT id FROM escalation"))).scalar_one())


@pytest.fixture
async def taken(asha: Client, waiting: str) -> str:
    """Asha has the clinician's case; its id."""
    page = await get(asha, "/desk/")
    page = await post(asha, f"/desk/{waiting}/take", {"csrf": page.csrf})
    assert page.url == f"/desk/{waiting}"
    return waiting


async def reply(browser: Client, case: str, words: str = REPLY, **fields: str) -> Page:
    page = await get(browser, f"/desk/{case}")
    return await post(
        browser, f"/desk/{case}/reply", {"csrf": page.csrf, "id": page.message_id, "text": words, **fields}
    )


async def audited(line: Line, action: str) -> list[tuple[str, str]]:
    async with line.house.db.read() as conn:
        rows = await conn.execute(
            sql("SELECT actor, subject FROM audit_entry WHERE action = :action"), {"action": action}
        )
        return [(row.actor, row.subject) for row in rows]


# --- who comes in -----------------------------------------------------------------------------------------------------


async def test_without_a_session_every_page_is_the_same_door(line: Line, client: Client, waiting: str) -> None:
    doors = set()
    for path in ("/desk", "/desk/", "/desk/live", f"/desk/{waiting}", f"/desk/{'0' * 16}", "/desk/what/ever"):
        response = await client.get(path, allow_redirects=False)
        doors.add((response.status, response.headers["Location"], await response.text()))
    assert len(doors) == 1
    assert doors.pop()[:2] == (303, "/desk/sign-in")


def some_ones(wanted: re.Match[str]) -> str:
    """A number is a good name for anything else, as many digits long as the address asks for."""
    length = re.search(r"\{(\d+)[^{}]*\}$", wanted[1] or "")
    return "1" * (int(length[1]) if length is not None else 1)


async def test_without_a_session_no_staff_route_does_anything(line: Line, client: Client, waiting: str) -> None:
    """Every route there is, so that a new one is tried too."""
    tried = 0
    for route in line.desk.routes():
        if route.access is not Access.STAFF:
            continue
        path = route.path.replace("{case:[0-9a-f]{16}}", waiting).replace("{rest:.*}", "x")
        path = re.sub(r"\{\w+:([a-z][\w-]*)\|[^{}]*\}", r"\1", path)  # one of several words: the first
        path = re.sub(r"\{\w+(:(?:[^{}]|\{[^{}]*\})*)?\}", some_ones, path)
        response = await client.request(route.method, path, headers=DATA, allow_redirects=False)
        assert response.status == 401, path
        tried += 1
    assert tried >= 12


async def test_a_link_signs_in_once(line: Line, client: Client) -> None:
    await hire(line, "asha")
    token = await link_for(line, "asha")
    for _ in range(2):  # opening it, as a mail filter does, does not use it up
        assert (await get(client, f"/desk/sign-in/{token}")).status == 200
    assert (await post(client, f"/desk/sign-in/{token}", {})).url == "/desk/"
    again = await post(client, f"/desk/sign-in/{token}", {})
    assert again.status == 403
    assert "Lenken er brukt" in again.text


async def test_guessing_links_is_slow_work(client: Client) -> None:
    statuses = [(await post(client, f"/desk/sign-in/{number}", {})).status for number in range(12)]
    assert statuses == [403] * 10 + [429] * 2


async def test_the_session_cookie_is_closed(line: Line, client: Client) -> None:
    await hire(line, "asha")
    response = await client.post(f"/desk/sign-in/{await link_for(line, 'asha')}", allow_redirects=False)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("desk=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


async def test_signing_out_ends_the_session_on_the_server(asha: Client) -> None:
    page = await get(asha, "/desk/")
    cookies = {cookie.key: cookie.value for cookie in asha.session.cookie_jar}
    assert (await post(asha, "/desk/sign-out", {"csrf": page.csrf})).url == "/desk/sign-in"
    response = await asha.get("/desk/", headers={"Cookie": f"desk={cookies['desk']}"}, allow_redirects=False)
    assert response.status == 303


@pytest.mark.parametrize("role", [Role.EDITOR, Role.COORDINATOR, Role.ANALYST])
async def test_only_advisors_have_this_desk(role: Role, sign_in: Any, line: Line, client: Client, waiting: str) -> None:
    await hire(line, "eva", role)
    await post(client, f"/desk/sign-in/{await link_for(line, 'eva')}", {})
    for path in (f"/desk/{waiting}", "/desk/lists"):
        assert (await get(client, path)).status == 404
    page = await get(client, "/desk/")
    # A room of their own, with no word of who waits beyond what a coordinator's view tells.
    assert page.url == ("/desk/overview" if role is Role.COORDINATOR else "/desk/articles")
    assert role is Role.COORDINATOR or waiting not in page.text
    assert "tolke for" not in page.text


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_without_the_sessions_token_does_nothing(
    token: str, asha: Client, line: Line, waiting: str
) -> None:
    for action in ("take", "pass-on", "close"):
        page = await post(asha, f"/desk/{waiting}/{action}", {"csrf": token, "outcome": "answered"})
        assert page.status == 403
    async with line.house.db.read() as conn:
        assert (await conn.execute(sql("SELECT owner_id FROM escalation"))).scalar_one() is None


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_the_list_says_who_waits_and_not_what_was_written(asha: Client, line: Line, waiting: str) -> None:
    page = await get(asha, "/desk/")
    assert f'href="/desk/{waiting}"' in page.text
    assert "min igjen" in page.text
    assert "tolke for" not in page.text
    assert "Startinnhold" in page.text
    assert await audited(line, "conversation_viewed") == []


async def test_the_urgent_stand_first_and_then_whoever_was_promised_soonest(
    asha: Client, line: Line, waiting: str, aiohttp_client: MakeClient, client: Client, clock: SetClock
) -> None:
    clock.advance(timedelta(minutes=1))
    other = await aiohttp_client(client.server, headers=HTML)
    await browsing.say(other, "han står utenfor døra med kniv og vil ta henne med seg nå")
    page = await get(asha, "/desk/")
    left = [int(minutes) for minutes in re.findall(r"(\d+) min igjen", page.text)]
    assert len(left) == 2
    assert page.text.index('class="tag danger">Haster') < page.text.index('class="tag ">Vanlig')
    third = await aiohttp_client(client.server, headers=HTML)
    clock.advance(timedelta(minutes=1))
    await browsing.tap(third, "a")
    left = [int(minutes) for minutes in re.findall(r"(\d+) min igjen", (await get(asha, "/desk/")).text)]
    assert left[1:] == sorted(left[1:])
    clock.advance(timedelta(minutes=30))
    # Until the ladder has looked she is late; then she knows that nobody was reached, and waits for whoever comes.
    assert re.search("over tida|Lovet tid er passert|Alle er varslet", (await get(asha, "/desk/")).text)


async def test_the_list_is_live(asha: Client, client: Client, line: Line) -> None:
    response = await asha.get("/desk/live", headers={"Accept": "text/event-stream"})
    live = Live(response)
    assert "Ingen venter nå." in await live.event("lists")
    await browsing.tap(client, "a")
    assert "Ta saken" in await live.event("lists")
    response.close()


async def test_a_live_list_ends_with_the_session(asha: Client, line: Line) -> None:
    response = await asha.get("/desk/live", headers={"Accept": "text/event-stream"})
    live = Live(response)
    await live.event("lists")
    async with line.house.db.write() as conn:
        await staff_sessions.end_of(conn, "asha")
        line.house.db.wake("escalations")
    await live.event("gone")
    async with asyncio.timeout(60):
        await response.content.read()


# --- taking -----------------------------------------------------------------------------------------------------------


async def test_nobody_reads_before_taking(asha: Client, line: Line, waiting: str) -> None:
    page = await get(asha, f"/desk/{waiting}")
    assert "Ta saken for å lese" in page.text
    assert "tolke for" not in page.text
    assert await audited(line, "conversation_viewed") == []


async def test_taking_shows_the_brief_and_tells_the_clinician(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    page = await get(asha, f"/desk/{taken}")
    assert QUESTION in page.text
    assert "ba om en rådgiver" in page.text
    assert "versjon 1" in page.text
    assert "§" in page.text
    assert page.words_of("clinician")[0] == QUESTION
    assert "En rådgiver har tatt saken" in (await get(client)).words_of("line")[-1]


async def test_every_view_is_in_the_audit(asha: Client, line: Line, taken: str) -> None:
    before = len(await audited(line, "conversation_viewed"))
    await get(asha, f"/desk/{taken}")
    await get(asha, f"/desk/{taken}", headers=DATA)
    views = await audited(line, "conversation_viewed")
    assert len(views) == before + 2
    assert views[-1][0] == "staff:asha"
    assert views[-1][1].startswith("conversation:")


async def test_taking_twice_is_taking_once(asha: Client, client: Client, taken: str) -> None:
    page = await get(asha, "/desk/")
    again = await post(asha, f"/desk/{taken}/take", {"csrf": page.csrf})
    assert again.url == f"/desk/{taken}"
    told = [words for words in (await get(client)).words_of("line") if "har tatt saken" in words]
    assert len(told) == 1


async def test_whoever_comes_second_is_told_who_was_first(sign_in: Any, taken: str) -> None:
    noor = await sign_in("noor")
    page = await get(noor, "/desk/")
    page = await post(noor, f"/desk/{taken}/take", {"csrf": page.csrf})
    assert page.notice == "Asha tok saken før deg."


async def test_a_colleague_reads_nothing(sign_in: Any, line: Line, taken: str) -> None:
    noor = await sign_in("noor")
    before = len(await audited(line, "conversation_viewed"))
    page = await get(noor, f"/desk/{taken}")
    assert "hos Asha" in page.text
    assert "tolke for" not in page.text
    data = await noor.get(f"/desk/{taken}", headers=DATA)
    assert "tolke for" not in await data.text()
    assert (await noor.get(f"/desk/{taken}/live")).status == 204
    fields = {"csrf": (await get(noor, "/desk/")).csrf, "id": "x" * 22, "text": REPLY}
    assert (await post(noor, f"/desk/{taken}/reply", fields)).status == 409
    assert len(await audited(line, "conversation_viewed")) == before


@pytest.mark.parametrize("case", ["0" * 16, "x", "ffffffffffffffff/take", "..%2f"])
async def test_what_is_not_there_is_not_there(case: str, asha: Client) -> None:
    assert (await asha.get(f"/desk/{case}", allow_redirects=False)).status in {303, 404}
    assert (await get(asha, f"/desk/{case}")).status == 404


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_a_reply_reaches_the_clinicians_page(asha: Client, client: Client, line: Line, taken: str) -> None:
    page = await reply(asha, taken)
    assert page.url == f"/desk/{taken}"
    assert page.words_of("advisor") == [REPLY]
    assert (await get(client)).words_of("advisor") == [REPLY]


async def test_delivery_is_shown(asha: Client, line: Line, taken: str) -> None:
    await reply(asha, taken)
    states: list[str] = []
    async with asyncio.timeout(60):
        while states != ["sent"]:
            page = await get(asha, f"/desk/{taken}")
            states = [said.state for said in page.said if said.who == "advisor"]


async def test_a_reply_sent_twice_is_there_once(asha: Client, client: Client, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    fields = {"csrf": page.csrf, "id": page.message_id, "text": REPLY}
    await asyncio.gather(*(post(asha, f"/desk/{taken}/reply", fields) for _ in range(3)))
    assert (await get(client)).words_of("advisor") == [REPLY]


async def test_the_clinician_and_the_advisor_talk(asha: Client, client: Client, taken: str) -> None:
    await reply(asha, taken)
    await browsing.say(client, "ja, vi er to")
    assert (await get(asha, f"/desk/{taken}")).words_of("clinician")[-1] == "ja, vi er to"
    await reply(asha, taken, "Bra. Ta det rolig.")
    assert (await get(client)).words_of("advisor") == [REPLY, "Bra. Ta det rolig."]


async def test_neither_learns_the_others_name(asha: Client, client: Client, taken: str) -> None:
    await reply(asha, taken)
    assert "Asha" not in (await get(client)).text


@pytest.mark.parametrize(
    ("words", "status", "notice"),
    [
        ("  ", 422, "Skriv svaret først."),
        ("ord " * 1_001, 422, "for langt (4004 tegn)"),
    ],
)
async def test_a_reply_that_cannot_be_taken_stands_in_the_box(
    words: str, status: int, notice: str, asha: Client, taken: str
) -> None:
    page = await reply(asha, taken, words)
    assert page.status == status
    assert notice in page.notice
    assert page.box == words


async def test_an_old_page_keeps_the_reply(asha: Client, client: Client, taken: str) -> None:
    page = await reply(asha, taken, csrf="0" * 64)
    assert page.status == 403
    assert page.box == REPLY
    assert page.notice == "Siden var for gammel. Trykk en gang til."
    assert (await get(client)).words_of("advisor") == []


async def test_a_reply_after_the_session_ended_is_shown_once_more(asha: Client, line: Line, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    async with line.house.db.write() as conn:
        await staff_sessions.end_of(conn, "asha")
    fields = {"csrf": page.csrf, "id": page.message_id, "text": "<b>halvveis</b>"}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    assert page.status == 401
    assert "&lt;b&gt;halvveis&lt;/b&gt;</textarea>" in page.text


async def test_a_full_disk_keeps_the_reply(
    asha: Client, line: Line, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await get(asha, f"/desk/{taken}")

    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        raise StorageFull("full")
        yield

    monkeypatch.setattr(line.house.db, "write", failing)
    fields = {"csrf": page.csrf, "id": page.message_id, "text": REPLY}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    assert page.status == 503
    assert REPLY in page.text
    as_data = await asha.post(f"/desk/{taken}/reply", data=fields, headers=DATA)
    assert (as_data.status, as_data.headers["Retry-After"]) == (503, "2")


async def test_a_case_that_was_taken_back_keeps_the_reply(
    asha: Client, line: Line, taken: str, clock: SetClock
) -> None:
    page = await get(asha, f"/desk/{taken}")
    for _ in range(8):
        clock.advance(timedelta(minutes=5))
        await line.room.tick(clock.now())
    fields = {"csrf": page.csrf, "id": page.message_id, "text": REPLY}
    page = await post(asha, f"/desk/{taken}/reply", fields)
    assert page.status == 409
    assert "ikke din lenger" in page.notice
    assert REPLY in page.text


# --- live -------------------------------------------------------------------------------------------------------------


async def test_a_case_is_live(asha: Client, client: Client, line: Line, taken: str) -> None:
    response = await asha.get(f"/desk/{taken}/live", headers={"Accept": "text/event-stream"})
    live = Live(response)
    await live.event("entries")
    await browsing.say(client, "er du der?")
    while "er du der?" not in await live.event("entries"):
        pass
    assert ("staff:asha",) in {view[:1] for view in await audited(line, "conversation_followed")}
    page = await get(asha, "/desk/")
    await post(asha, f"/desk/{taken}/close", {"csrf": page.csrf, "outcome": "answered"})
    assert "ikke din lenger" in await live.event("gone")
    async with asyncio.timeout(60):
        await response.content.read()


async def test_whoever_is_no_advisor_any_more_follows_no_case(
    asha: Client, client: Client, line: Line, taken: str
) -> None:
    case = Live(await asha.get(f"/desk/{taken}/live", headers={"Accept": "text/event-stream"}))
    board = Live(await asha.get("/desk/live", headers={"Accept": "text/event-stream"}))
    await case.event("entries")
    await board.event("lists")
    async with line.house.db.write() as conn:
        await accounts.change_staff(conn, "asha", roles={Role.ANALYST})
    await browsing.say(client, "er du der?")
    async with asyncio.timeout(60):
        for stream in (case, board):
            rest = (await stream.response.content.read()).decode()
            assert "event: gone" in rest
            assert "er du der?" not in rest


# --- passing on and closing -------------------------------------------------------------------------------------------


async def test_a_colleague_takes_over(asha: Client, sign_in: Any, client: Client, taken: str) -> None:
    noor = await sign_in("noor")
    page = await get(asha, f"/desk/{taken}")
    page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": "noor"})
    assert page.notice == "Kollegaene er varslet."
    assert "Du er bedt om å ta over" in (await get(noor, "/desk/")).text
    assert (await reply(asha, taken)).status == 200  # hers until noor takes it
    page = await get(noor, "/desk/")
    page = await post(noor, f"/desk/{taken}/take", {"csrf": page.csrf})
    assert QUESTION in page.text
    assert "hos Noor" in (await get(asha, f"/desk/{taken}")).text
    assert QUESTION not in (await get(asha, f"/desk/{taken}")).text


async def test_whoever_keeps_it_after_all_is_left_with_it(asha: Client, sign_in: Any, taken: str) -> None:
    noor = await sign_in("noor")
    page = await get(asha, f"/desk/{taken}")
    assert "Jeg beholder den" not in page.text
    page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": "noor"})
    assert "Noor er spurt om å ta over" in page.text
    for _ in range(2):  # pressing twice is as good as once
        page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": "keep:"})
        assert page.notice == "Du har saken. Ingen andre er spurt lenger."
    assert "Jeg beholder den" not in page.text
    board = await get(noor, "/desk/")
    assert f'action="/desk/{taken}/take"' not in board.text
    page = await post(noor, f"/desk/{taken}/pass-on", {"csrf": board.csrf, "to": "keep:"})
    assert QUESTION not in page.text
    assert (await reply(asha, taken)).status == 200


async def test_giving_back_puts_it_on_the_list_again(asha: Client, client: Client, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": ""})
    assert page.url.startswith("/desk/?told=")
    assert f'action="/desk/{taken}/take"' in page.text


async def test_the_next_step_is_asked_and_it_stays_theirs_until_taken(
    asha: Client, sign_in: Any, line: Line, taken: str
) -> None:
    await sign_in("noor")
    page = await get(asha, f"/desk/{taken}")
    for _ in range(2):  # pressing twice is as good as once
        page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": "next:"})
        assert page.notice == "Kollegaene er varslet."
    async with line.house.db.read() as conn:
        filed = await escalations.find(conn, taken)
    assert filed is not None
    assert filed.escalation.owner == "asha"
    assert filed.escalation.handover is not None
    assert filed.escalation.handover.asked == ("noor",)


async def test_nobody_to_pass_on_to_is_said(asha: Client, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    page = await post(asha, f"/desk/{taken}/pass-on", {"csrf": page.csrf, "to": "nobody"})
    assert "fortsatt din" in page.notice


async def test_closing_tells_the_clinician_and_ends_reading_after_a_day(
    asha: Client, client: Client, line: Line, taken: str, clock: SetClock
) -> None:
    await reply(asha, taken)
    page = await get(asha, f"/desk/{taken}")
    page = await post(asha, f"/desk/{taken}/close", {"csrf": page.csrf, "outcome": "referred"})
    assert page.notice == "Saken er avsluttet."
    closed = (await get(client)).words_of("line")[-1]
    assert "0" in closed  # the way back to an advisor
    page = await get(asha, f"/desk/{taken}")
    assert QUESTION in page.text
    assert 'id="say"' not in page.text
    clock.advance(timedelta(hours=25))
    async with line.house.db.write() as conn:
        token = await staff_sessions.start(conn, "asha", now=clock.now())
    asha.session.cookie_jar.clear()
    assert (await get(asha, f"/desk/{taken}", headers={"Cookie": f"desk={token}"})).status == 404


async def test_how_it_ended_is_kept(asha: Client, line: Line, taken: str) -> None:
    page = await get(asha, f"/desk/{taken}")
    await post(asha, f"/desk/{taken}/close", {"csrf": page.csrf, "outcome": "referred"})
    async with line.house.db.read() as conn:
        details = await conn.execute(sql("SELECT details FROM escalation_event WHERE kind = 'ended_as'"))
        assert json.loads(details.scalar_one())["outcome"] == "referred"


async def test_closing_twice_and_by_others(asha: Client, sign_in: Any, taken: str) -> None:
    noor = await sign_in("noor")
    csrf = (await get(noor, "/desk/")).csrf
    assert (await post(noor, f"/desk/{taken}/close", {"csrf": csrf, "outcome": "answered"})).status == 404
    page = await get(asha, f"/desk/{taken}")
    for _ in range(2):
        closed = await post(asha, f"/desk/{taken}/close", {"csrf": page.csrf, "outcome": "answered"})
        assert closed.notice == "Saken er avsluttet."
    assert (await post(asha, f"/desk/{taken}/close", {"csrf": page.csrf, "outcome": "strange"})).status == 400


@pytest.mark.parametrize("language", Language)
async def test_the_desk_speaks_every_language(language: Language, asha: Client, taken: str) -> None:
    page = await get(asha, "/desk/")
    page = await post(asha, "/desk/language", {"csrf": page.csrf, "language": language.value, "back": "/desk/"})
    assert page.language == language.value
    assert (await get(asha, f"/desk/{taken}")).language == language.value


async def test_the_way_back_stays_on_the_desk(asha: Client) -> None:
    page = await get(asha, "/desk/")
    page = await post(asha, "/desk/language", {"csrf": page.csrf, "language": "sv", "back": "https://evil.example/"})
    assert page.url == "/desk/"


async def test_whoever_tries_the_line_can_enter_every_room(
    line: Line, client: Client, aiohttp_client: MakeClient
) -> None:
    link = await local_advisor(line)
    assert link is not None
    browser = await aiohttp_client(client.server, headers=HTML)
    await post(browser, link, {})
    for roles, _, address in NAVIGATION:
        if roles == {Role.PROVIDER}:
            continue  # no room of ours
        assert (await get(browser, address)).status == 200, address
