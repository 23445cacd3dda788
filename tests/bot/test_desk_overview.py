"""The coordinator's view: who is on call, who waits, how the promise was kept, drills; never a word of anybody's."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from bot.app import Line
from escalation import shift_store
from escalation import store as escalations
from escalation.closing import CaseOutcome, CloseReason, Closing
from escalation.standing import State
from escalation.store import Filed
from helpline.accounts import Role
from helpline.clock import SetClock
from tests.bot import browsing
from tests.bot.browsing import Client, get, post
from tests.bot.test_desk import hire, sign_in
from tests.bot.test_webchat import QUESTION

__all__ = ["sign_in"]

OVERVIEW = "/desk/overview"


@pytest.fixture
async def maja(sign_in: Any) -> Client:
    """A coordinator, signed in."""
    browser: Client = await sign_in("maja", Role.COORDINATOR)
    return browser


async def open_cases(line: Line) -> list[Filed]:
    async with line.house.db.read() as conn:
        return await escalations.list_open(conn)


async def a_clinician_waits(line: Line, client: Client) -> Filed:
    await browsing.say(client, QUESTION)
    await browsing.tap(client, "a")
    await line.settle()
    [filed] = await open_cases(line)
    return filed


async def act(browser: Client, where: str, **fields: str) -> browsing.Page:
    page = await get(browser, OVERVIEW)
    return await post(browser, f"{OVERVIEW}/{where}", {"csrf": page.csrf, **fields})


async def test_only_coordinators_come_here(sign_in: Any) -> None:
    advisor = await sign_in("asha", Role.ADVISOR, Role.ANALYST)
    assert (await get(advisor, OVERVIEW)).status == 404
    assert (await post(advisor, f"{OVERVIEW}/drill", {"urgency": "urgent", "language": "nb"})).status in {403, 404}


async def test_it_is_the_first_room_of_a_coordinator_and_shows_the_hole(maja: Client) -> None:
    page = await get(maja, "/desk/")
    assert page.url == OVERVIEW
    page = await get(maja, OVERVIEW)
    assert "main" in page.text
    assert "Ingen venter, og ingen snakker med linja nå." in page.text
    assert "–" in page.text  # no figures yet, and no wrong ones


async def test_who_waits_is_seen_without_a_word_of_hers(line: Line, client: Client, maja: Client) -> None:
    await hire(line, "asha")
    filed = await a_clinician_waits(line, client)
    page = await get(maja, OVERVIEW)
    assert filed.code in page.text
    assert QUESTION not in page.text
    assert f"/desk/{filed.id}" not in page.text.replace(f"{OVERVIEW}/{filed.id}", "")


async def test_a_coordinator_does_not_wait_for_the_step(line: Line, client: Client, maja: Client) -> None:
    await hire(line, "asha")
    filed = await a_clinician_waits(line, client)
    step = filed.escalation.rung
    page = await act(maja, f"{filed.id}/move")
    assert "Neste trinn er varslet" in page.text
    [moved] = await open_cases(line)
    assert moved.escalation.rung > step
    page = await act(maja, f"{filed.id}/reapply")
    assert "begynner på nytt" in page.text
    assert (await act(maja, "0123456789abcdef/move")).status == 404


async def test_a_case_that_somebody_has_is_not_moved(line: Line, client: Client, maja: Client, sign_in: Any) -> None:
    asha = await sign_in("asha")
    filed = await a_clinician_waits(line, client)
    case = await get(asha, f"/desk/{filed.id}")
    await post(asha, f"/desk/{filed.id}/take", {"csrf": case.csrf})
    page = await act(maja, f"{filed.id}/reapply")
    assert "venter ikke lenger på stigen" in page.text
    [still] = await open_cases(line)
    assert still.escalation.owner == "asha"


async def test_how_long_the_first_word_took(
    line: Line, client: Client, maja: Client, sign_in: Any, clock: SetClock
) -> None:
    asha = await sign_in("asha")
    filed = await a_clinician_waits(line, client)
    clock.advance(timedelta(minutes=2))
    case = await get(asha, f"/desk/{filed.id}")
    await post(asha, f"/desk/{filed.id}/take", {"csrf": case.csrf})
    case = await get(asha, f"/desk/{filed.id}")
    await post(asha, f"/desk/{filed.id}/reply", {"csrf": case.csrf, "id": case.message_id, "text": "Jeg er her."})
    row = (await get(maja, OVERVIEW)).text
    assert "2 min" in row
    assert "100 % (1 av 1)" in row
    assert "100 % (1 av 1)" in (await get(maja, f"{OVERVIEW}?days=king")).text


async def test_the_period_is_chosen(line: Line, client: Client, sign_in: Any, clock: SetClock) -> None:
    await hire(line, "asha")
    await a_clinician_waits(line, client)
    clock.advance(timedelta(days=8))
    maja = await sign_in("maja", Role.COORDINATOR)
    assert "0 % (0 av 1)" not in (await get(maja, f"{OVERVIEW}?days=7")).text
    assert "0 % (0 av 1)" in (await get(maja, f"{OVERVIEW}?days=30")).text


async def test_a_drill_from_its_start_to_the_answer(line: Line, maja: Client, sign_in: Any, clock: SetClock) -> None:
    asha = await sign_in("asha")
    page = await act(maja, "drill", urgency="urgent", language="nb")
    assert "Øvelsen er i gang" in page.text
    assert "Pågår nå" in page.text
    again = await post(maja, f"{OVERVIEW}/drill", {"csrf": page.csrf, "urgency": "urgent", "language": "nb"})
    assert "alt i gang" in again.text
    [filed] = await open_cases(line)
    clock.advance(timedelta(seconds=40))
    board = await get(asha, "/desk/")
    assert "Øvelse" in board.text
    await post(asha, f"/desk/{filed.id}/take", {"csrf": board.csrf})
    assert await open_cases(line) == []
    page = await get(maja, OVERVIEW)
    assert "Asha tok den etter 40 s" in page.text
    async with line.house.db.read() as conn:
        ended = await escalations.find(conn, filed.id)
    assert ended is not None
    assert ended.escalation.state is State.CLOSED
    assert (await act(maja, "drill", urgency="soon", language="nb")).status == 400


async def test_who_is_to_be_talked_with_stands_here_until_it_was_done(
    line: Line, client: Client, maja: Client, sign_in: Any
) -> None:
    await sign_in("asha")
    filed = await a_clinician_waits(line, client)
    async with line.house.db.write() as conn:
        await shift_store.flag_debrief(conn, filed.id, "asha", line.house.clock.now())
    page = await get(maja, OVERVIEW)
    assert f"Asha, etter sak {filed.code}" in page.text
    page = await act(maja, "talked", case=filed.id, staff="asha")
    assert "Notert at dere har snakket" in page.text
    assert "Bør snakkes med" not in page.text
    assert "alt notert" in (await act(maja, "talked", case=filed.id, staff="asha")).text


async def test_who_could_not_be_woken_is_named_while_there_is_time(line: Line, maja: Client) -> None:
    await hire(line, "asha")
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        await escalations.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "asha", "from": "00:00", "to": "00:00"}]},
            valid_from=now,
            now=now,
            saved_by="staff:maja",
        )
    page = await get(maja, OVERVIEW)
    assert "Asha (på vakt nå) har ingen vei som kan prøves" in page.text


async def test_how_cases_ended_and_what_was_missing(line: Line, client: Client, maja: Client, clock: SetClock) -> None:
    await hire(line, "asha")
    filed = await a_clinician_waits(line, client)
    ended = Closing(CloseReason.FINISHED, CaseOutcome.REFERRED, knowledge_missing=True)
    async with line.house.db.write() as conn:
        await shift_store.record_closing(conn, filed.id, "asha", ended, line.house.clock.now())
    clock.advance(timedelta(minutes=1))
    page = await get(maja, OVERVIEW)
    assert "Hvordan sakene endte: 1" in page.text
    assert "Vist videre til en tjeneste</dt><dd>1" in page.text
    assert "Kunnskap manglet i 1 av 1." in page.text


async def test_a_coordinator_says_that_a_hole_is_known(line: Line, maja: Client) -> None:
    await hire(line, "asha")
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        await escalations.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "asha", "from": "08:00", "to": "20:00"}]},
            valid_from=now,
            now=now,
            saved_by="staff:maja",
        )
    page = await get(maja, OVERVIEW)
    found = re.search(r'name="which" value="([^"]+)"', page.text)
    assert found is not None
    page = await act(maja, "hole", which=html.unescape(found[1]))
    assert "Ingen varsles om det hullet igjen" in page.text
    assert "Maja vet om det." in page.text
    assert "er der ikke lenger" in (await act(maja, "hole", which="main||2030-01-01T00:00:00Z")).text
