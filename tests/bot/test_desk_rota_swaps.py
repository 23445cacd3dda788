"""Swaps, leave and calendar links on the desk, by the front door."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import FormData
from icalendar import Calendar

from bot.app import Line
from escalation.rota import store as rota_store
from escalation.rota import version_store
from escalation.rota.exchange import State
from escalation.rota.store import LeaveState
from helpline.accounts import Role
from tests.bot.browsing import Client, Page, get, post, read
from tests.bot.rota_browsing import filled, form_of, forms_of, send
from tests.bot.test_desk_rota import browser, come_in, cora, people, roster, save_roster, take_on

__all__ = ["browser", "cora", "people", "roster"]  # fixtures

SWAPS = "/desk/rota/swaps"
LEAVE = "/desk/rota/leave"
FEEDS = "/desk/rota/feeds"


@pytest.fixture
async def asha(line: Line, browser: Any, roster: None) -> Client:
    """An advisor who has this week, signed in."""
    return await come_in(line, await browser(), "asha", Role.ADVISOR)


@pytest.fixture
async def noor(line: Line, browser: Any, roster: None) -> Client:
    """An advisor who has the next week, signed in."""
    return await come_in(line, await browser(), "noor", Role.ADVISOR)


async def press_on(client: Client, address: str, action: str, do: str = "", **changes: str) -> Page:
    """Press the button of one form on a page; of several alike the first that has the given fields to fill."""
    page = await get(client, address)
    for given, pairs in forms_of(page):
        if given.get("action", "").endswith(action) and set(changes) <= {name for name, _ in pairs}:
            return await send(client, given["action"], [*filled(pairs, changes), *([("do", do)] if do else [])])
    raise AssertionError(f"no form for {action} with {sorted(changes)} on {address}")


def option_of(page: Page, words: str) -> str:
    """The value of the option that begins so."""
    options: list[tuple[str, str]] = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)<', page.text)
    return next(value for value, said in options if said.startswith(words))


async def who_is_on_call(line: Line, at: datetime) -> tuple[str, ...]:
    async with line.house.db.read() as conn:
        plans = {plan.name: plan for plan in await rota_store.plans(conn, at, at + timedelta(days=1))}
    return plans["main"].on_call(at)[0]


THIS_WEEK = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # asha has it until Monday
NEXT_WEEK = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # noor has it
WEEK_AFTER = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)  # asha again


# --- swaps ------------------------------------------------------------------------------------------------------------


async def test_a_shift_passes_on_only_when_both_have_said_yes(line: Line, asha: Client, noor: Client) -> None:
    sent = await press_on(noor, SWAPS, "/offer", "give", taker="asha")
    assert sent.url == SWAPS + "?told=offered"
    assert "Spørsmålet er sendt." in sent.text
    assert "Det du har spurt om" in sent.text
    assert await who_is_on_call(line, NEXT_WEEK) == ("noor",)
    asked = await get(asha, SWAPS)
    assert "Noor gir bort vakta mandag 23. november 08:00 til mandag 30. november 08:00 til Asha (du)." in asked.text
    done = await press_on(asha, SWAPS, "/accept")
    assert done.url == SWAPS + "?told=accepted"
    assert await who_is_on_call(line, NEXT_WEEK) == ("asha",)
    assert "Avtalt" in (await get(noor, SWAPS)).text


async def test_a_swap_gives_each_the_others_shift(line: Line, asha: Client, noor: Client) -> None:
    page = await get(noor, SWAPS)
    other = option_of(page, "Asha: man. 30. nov.")
    sent = await press_on(noor, SWAPS, "/offer", "swap", back=other)
    assert sent.url == SWAPS + "?told=offered"
    assert (await press_on(asha, SWAPS, "/accept")).url == SWAPS + "?told=accepted"
    assert await who_is_on_call(line, NEXT_WEEK) == ("asha",)
    assert await who_is_on_call(line, WEEK_AFTER) == ("noor",)


async def test_a_colleagues_shift_is_asked_for_declined_and_stays(line: Line, asha: Client, noor: Client) -> None:
    page = await get(asha, SWAPS)
    wanted = option_of(page, "Noor: man. 23. nov.")
    fields = {"csrf": page.csrf, "shift": wanted, "do": "take"}
    sent = await post(asha, SWAPS + "/offer", fields)
    assert sent.url == SWAPS + "?told=offered"
    assert (await press_on(noor, SWAPS, "/decline")).url == SWAPS + "?told=declined"
    assert await who_is_on_call(line, NEXT_WEEK) == ("noor",)
    assert "Nei takk" in (await get(asha, SWAPS)).text


async def test_an_offer_is_taken_back_and_then_cannot_be_accepted(line: Line, asha: Client, noor: Client) -> None:
    await press_on(noor, SWAPS, "/offer", "give", taker="asha")
    asked = await get(asha, SWAPS)
    assert (await press_on(noor, SWAPS, "/withdraw")).url == SWAPS + "?told=withdrawn"
    given, pairs = form_of(asked, action="/accept")
    late = await send(asha, given["action"], pairs)
    assert late.status == 409
    assert "Dette er besvart allerede." in late.text
    assert await who_is_on_call(line, NEXT_WEEK) == ("noor",)


async def test_a_coordinator_sees_all_that_waits_and_answers_for_nobody(
    line: Line, cora: Client, asha: Client, noor: Client
) -> None:
    await press_on(noor, SWAPS, "/offer", "give", taker="asha")
    page = await get(cora, SWAPS)
    assert "Alt som venter på svar" in page.text
    assert "til Asha." in page.text
    assert "/accept" not in page.text
    async with line.house.db.read() as conn:
        [waiting] = await rota_store.open_exchanges(conn)
    refused = await post(cora, f"{SWAPS}/{waiting.id}/accept", {"csrf": (await get(cora, "/desk/account")).csrf})
    assert refused.status == 404
    assert "Alt som venter på svar" not in (await get(asha, SWAPS)).text


async def test_what_cannot_be_is_said_and_the_choice_stays(line: Line, asha: Client, noor: Client) -> None:
    async with line.house.db.write() as conn:
        await take_on(conn, line, "mute", Role.ADVISOR, reachable=False)
    page = await press_on(noor, SWAPS, "/offer", "give", taker="mute")
    assert page.status == 422
    assert "kan ikke varsles" in page.text
    assert '<option value="mute" selected>' in page.text
    token = (await get(noor, "/desk/account")).csrf
    gone = await post(noor, SWAPS + "/offer", {"csrf": token, "do": "give", "shift": "0" * 12})
    assert gone.status == 422
    theirs = option_of(await get(noor, SWAPS), "Asha: ")
    foreign = await post(noor, SWAPS + "/offer", {"csrf": token, "do": "give", "shift": theirs})
    assert foreign.status == 422
    async with line.house.db.read() as conn:
        assert await rota_store.open_exchanges(conn) == []


async def test_an_offer_under_which_the_roster_changed_is_overtaken(
    line: Line, asha: Client, noor: Client, browser: Any
) -> None:
    await press_on(noor, SWAPS, "/offer", "give", taker="asha")
    async with line.house.db.write() as conn:
        version = (await version_store.versions_of(conn, "main"))[0]
    rotation = {**version.definition["rotations"]["uke"], "participants": ["eva"]}
    await save_roster(line, {**version.definition, "rotations": {"uke": rotation}})
    page = await press_on(asha, SWAPS, "/accept")
    assert page.url == SWAPS + "?told=overtaken"
    async with line.house.db.read() as conn:
        [ended] = await rota_store.exchanges_of(conn, "noor", since=line.house.clock.now())
    assert ended.state is State.OVERTAKEN


# --- leave ------------------------------------------------------------------------------------------------------------


async def test_leave_shows_its_holes_before_it_is_asked_for_and_a_coordinator_decides(
    line: Line, asha: Client, cora: Client
) -> None:
    dates = {"start": "2026-12-01T08:00", "end": "2026-12-03T08:00"}
    page = await press_on(asha, LEAVE, LEAVE, "check", **dates)
    assert "Da blir det hull i lista:" in page.text
    assert "main: tirsdag 1. desember 08:00 til torsdag 3. desember 08:00" in page.text
    async with line.house.db.read() as conn:
        assert await rota_store.leave_of(conn, "asha") == []
    given, pairs = form_of(page, action=LEAVE)
    sent = await send(asha, given["action"], [*pairs, ("do", "ask")])
    assert sent.url == LEAVE + "?told=asked"
    assert await who_is_on_call(line, WEEK_AFTER) == ("asha",)
    waiting = await get(cora, LEAVE)
    assert "Asha" in waiting.text
    assert "Da blir det hull i lista:" in waiting.text
    assert (await press_on(cora, LEAVE, "/grant")).url == LEAVE + "?told=granted"
    assert await who_is_on_call(line, WEEK_AFTER) == ()
    back = await press_on(asha, LEAVE, "/cancel")
    assert back.url == LEAVE + "?told=cancelled"
    assert await who_is_on_call(line, WEEK_AFTER) == ("asha",)


async def test_leave_at_a_time_that_is_in_doubt_is_asked_about(line: Line, asha: Client) -> None:
    dates = {"start": "2027-03-28T02:30", "end": "2027-10-31T02:30"}
    page = await press_on(asha, LEAVE, LEAVE, "check", **dates)
    assert page.status == 422
    assert "Dette klokkeslettet finnes ikke den dagen." in page.text
    assert "Klokka viser dette to ganger den dagen." in page.text
    given, pairs = form_of(page, action=LEAVE)
    assert {name: dict(pairs)[name] for name in dates} == dates
    meant = [("start_meant", "2027-03-28T01:00:00Z"), ("end_meant", "2027-10-31T01:30:00Z")]
    seen = await send(asha, given["action"], [*pairs, *meant, ("do", "check")])
    assert seen.status == 200
    given, pairs = form_of(seen, action=LEAVE)
    assert (await send(asha, given["action"], [*pairs, ("do", "ask")])).url == LEAVE + "?told=asked"
    async with line.house.db.read() as conn:
        [asked] = await rota_store.leave_of(conn, "asha")
    assert asked.span.end == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert asked.state is LeaveState.ASKED


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-12-03T08:00", "2026-12-01T08:00", "må være senere enn"),
        ("2026-11-01T08:00", "2026-11-02T08:00", "Dette er over allerede."),
        ("2026-12-01T08:00", "2028-12-01T08:00", "Høyst ett år om gangen."),
        ("", "x", "Skriv dag og klokkeslett."),
        ("9999-12-31T23:59", "9999-12-31T23:59", "senere"),
    ],
)
async def test_what_no_leave_can_be_is_said_at_the_form(asha: Client, start: str, end: str, said: str) -> None:
    page = await press_on(asha, LEAVE, LEAVE, "ask", start=start, end=end)
    assert page.status == 422
    assert said in page.text
    assert dict(form_of(page, action=LEAVE)[1])["start"] == start


async def test_nobody_decides_on_the_leave_of_others_but_coordinators(
    line: Line, asha: Client, noor: Client, cora: Client
) -> None:
    dates = {"start": "2026-12-01T08:00", "end": "2026-12-03T08:00"}
    entered = await press_on(cora, LEAVE, LEAVE, "ask", who="asha", **dates)
    assert entered.url == LEAVE + "?told=entered"
    async with line.house.db.read() as conn:
        [held] = await rota_store.leave_of(conn, "asha")
    assert held.state is LeaveState.GRANTED
    token = (await get(noor, "/desk/account")).csrf
    for what in ("grant", "refuse", "cancel"):
        assert (await post(noor, f"{LEAVE}/{held.id}/{what}", {"csrf": token})).status == 404
    assert "Asha" not in (await get(noor, LEAVE)).text
    # An advisor who names somebody else still asks for herself alone.
    await post(noor, LEAVE, {"csrf": token, "do": "ask", "who": "eva", **dates})
    async with line.house.db.read() as conn:
        assert [each.staff_id for each in await rota_store.leave_of(conn, "noor")] == ["noor"]
        assert await rota_store.leave_of(conn, "eva") == []


FILE = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:1@test\r
DTSTAMP:20261101T000000Z\r
DTSTART;VALUE=DATE:20261201\r
DTEND;VALUE=DATE:20261203\r
SUMMARY:Something private\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2@test\r
DTSTAMP:20261101T000000Z\r
DTSTART:20261210T080000Z\r
DTEND:20261210T090000Z\r
RRULE:FREQ=DAILY\r
SUMMARY:Also private\r
END:VEVENT\r
END:VCALENDAR\r
"""


async def upload(client: Client, data: bytes) -> Page:
    body = FormData()
    body.add_field("csrf", (await get(client, "/desk/account")).csrf)
    body.add_field("file", data, filename="leave.ics", content_type="text/calendar")
    return await read(await client.post(LEAVE + "/file", data=body))


async def test_leave_from_a_file_is_seen_before_it_is_taken(line: Line, asha: Client) -> None:
    page = await upload(asha, FILE)
    assert page.status == 200
    assert "tirsdag 1. desember 00:00 til torsdag 3. desember 00:00" in page.text
    assert "Avtalen gjentar seg." in page.text
    assert "Da blir det hull i lista:" in page.text
    assert "private" not in page.text
    async with line.house.db.read() as conn:
        assert await rota_store.leave_of(conn, "asha") == []
    for _ in range(2):  # a second click changes nothing
        given, pairs = form_of(page, action="/file")
        assert (await send(asha, given["action"], [*pairs, ("do", "take")])).url == LEAVE + "?told=imported"
    async with line.house.db.read() as conn:
        [asked] = await rota_store.leave_of(conn, "asha")
    assert asked.state is LeaveState.ASKED


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "Velg en fil."), (b"hello", "Dette er ikke en kalenderfil."), (b"x" * 600_000, "større enn en halv")],
)
async def test_a_file_that_is_no_calendar_is_refused_with_a_sentence(asha: Client, data: bytes, said: str) -> None:
    page = await upload(asha, data)
    assert page.status == 422
    assert said in page.text


# --- calendar links ---------------------------------------------------------------------------------------------------


def link_on(page: Page) -> str:
    found = re.search(r"<code>https?://[^/]+(/rota/feed/[\w-]+\.ics)</code>", page.text)
    assert found is not None
    return found[1]


async def test_a_link_is_seen_once_opens_without_a_session_and_is_made_void(
    line: Line, asha: Client, browser: Any
) -> None:
    made = await post(asha, FEEDS, {"csrf": (await get(asha, FEEDS)).csrf})
    address = link_on(made)
    assert address not in (await get(asha, FEEDS)).text
    stranger = await browser()
    served = await stranger.get(address, headers={"Accept": "*/*"})
    assert served.status == 200
    assert served.headers["Content-Type"].startswith("text/calendar")
    assert served.headers["Cache-Control"] == "private, max-age=300"
    body = await served.read()
    [first, *_] = Calendar.from_ical(body.decode()).walk("VEVENT")
    assert str(first["SUMMARY"]) == "Vakt (main)"
    again = await stranger.get(address, headers={"If-None-Match": served.headers["ETag"]})
    assert again.status == 304
    assert (await stranger.head(address)).status == 200
    revoked = await press_on(asha, FEEDS, "/revoke")
    assert "Lenken virker ikke lenger." in revoked.text
    assert (await stranger.get(address)).status == 404


async def test_a_secret_that_opens_nothing_is_not_there(client: Client) -> None:
    for secret in ("x" * 43, "short", "../x", "%2e%2e"):
        assert (await client.get(f"/rota/feed/{secret}.ics")).status == 404


async def test_only_a_coordinator_makes_a_link_to_everybodys_shifts(
    line: Line, cora: Client, asha: Client, browser: Any
) -> None:
    token = (await get(asha, FEEDS)).csrf
    assert "alle vakter" not in (await get(asha, FEEDS)).text
    assert (await post(asha, FEEDS, {"csrf": token, "whole": "yes"})).status == 404
    page = await post(cora, FEEDS, {"csrf": (await get(cora, FEEDS)).csrf, "whole": "yes"})
    body = await (await (await browser()).get(link_on(page))).text()
    assert "SUMMARY:Noor (main)" in body
    assert "SUMMARY:Asha (main)" in body


async def test_the_sixth_link_is_refused_with_a_sentence(asha: Client) -> None:
    token = (await get(asha, FEEDS)).csrf
    for _ in range(5):
        assert (await post(asha, FEEDS, {"csrf": token})).status == 200
    refused = await post(asha, FEEDS, {"csrf": token})
    assert refused.status == 409
    assert "Gjør en ugyldig først." in refused.text
