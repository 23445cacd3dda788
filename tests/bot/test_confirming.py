"""A service confirms its own entry by a link: once, without an account, and without learning or telling too much."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.app import Line
from helpline import audit
from helpline.clock import SetClock
from routing import capacity_store, store
from routing.services import Answer, Confidence, Service
from routing.upkeep import confirming_store, proposal_store
from tests.bot.browsing import Client, Page, get, post

pytestmark = pytest.mark.asyncio


def an_entry(line: Line, *, hidden: bool = False) -> Service:
    """A service that can confirm its entry."""
    found = [
        service
        for service in line.house.library.directory.services
        if service.hides_place is hidden and confirming_store.may_confirm(service) and service.phones
    ]
    return found[0]


async def link_for(line: Line, service: Service) -> str:
    async with line.house.db.write() as conn:
        token = await confirming_store.make_link(conn, service.id, made_by="staff:karin", now=line.house.clock.now())
    return f"/confirm/{token}"


async def stored(line: Line, service: Service) -> Service:
    library = line.house.library
    async with line.house.db.read() as conn:
        return (await store.history(conn, service.id, library.directory, library.gazetteer))[0].service


def fields(page: Page) -> dict[str, str]:
    """What a browser would send of the form as it stands."""
    sent = dict(re.findall(r'<input[^>]* name="([\w.]+)" value="([^"]*)"', page.text))
    sent = {name: value for name, value in sent.items() if name != "room"}
    sent |= dict(re.findall(r'<textarea id="[\w.]+" name="([\w.]+)"[^>]*>\n?([^<]*)</textarea>', page.text))
    for name, options in re.findall(r'<select id="[\w.]+" name="([\w.]+)">(.*?)</select>', page.text):
        chosen = re.search(r'value="(\w+)" selected', options)
        sent[name] = chosen[1] if chosen else "ask"
    return {**sent, "room": ""}


async def test_the_page_shows_the_entry_and_nothing_changes_by_looking(client: Client, line: Line) -> None:
    service = an_entry(line)
    was = await stored(line, service)
    where = await link_for(line, service)
    for _ in range(3):
        page = await get(client, where)
        assert page.status == 200
    assert service.phones[0].number in page.text
    others = [each for each in line.house.library.directory.services if each.id != service.id]
    assert not [each.name for each in others if each.name != service.name and each.name in page.text]
    assert page.headers["Cache-Control"] == "no-store"
    await client.head(where)
    # Nor does a form that another site sends, for whoever got hold of the address.
    typed = {**fields(page), "do": "right"}
    answer = await client.post(where, data=typed, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 404
    assert (await stored(line, service)).revision == was.revision
    swedish = await get(client, where + "?lang=sv")
    assert swedish.language == "sv"
    thanked = await post(client, where + "?lang=sv", {**fields(swedish), "do": "right"})
    assert thanked.title == "Tack"


async def test_all_right_is_written_at_once_and_the_link_is_used_up(
    client: Client, line: Line, clock: SetClock
) -> None:
    service = an_entry(line)
    where = await link_for(line, service)
    thanked = await post(client, where, {**fields(await get(client, where)), "room": "yes", "free": "2", "do": "right"})
    assert thanked.status == 200
    assert thanked.title == "Takk"
    now = await stored(line, service)
    assert (now.confidence, now.confirmed_on) == (Confidence.CONFIRMED, date(2026, 11, 22))
    assert replace(now, confidence=service.confidence, confirmed_on=service.confirmed_on, revision=0) == replace(
        service, revision=0
    )
    async with line.house.db.read() as conn:
        room = (await capacity_store.newest(conn))[service.id]
        trail = [(entry.actor, entry.action) for entry in await trail_of(conn)]
    assert (room.accepting, room.free) == (Answer.YES, 2)
    assert (f"service:{service.id}", "confirm_link_used") in trail
    for again in (await get(client, where), await post(client, where, {"do": "right"})):
        assert again.status == 410
        assert again.title == "Lenken er brukt"


async def trail_of(conn: Any) -> list[Any]:
    rows = await conn.execute(select(audit._entries.c.actor, audit._entries.c.action))
    return list(rows)


async def test_corrections_become_a_proposal_and_change_nothing_yet(client: Client, line: Line) -> None:
    service = an_entry(line)
    where = await link_for(line, service)
    typed = {**fields(await get(client, where)), "phones": "22 00 11 22", "sex.male": "no"}
    typed |= {
        "words": "Vi har stengt i juli. Ring om 01017012345 er borte.",
        "hours": "8 til 20 hver dag",
        "do": "wrong",
    }
    thanked = await post(client, where, typed)
    assert thanked.title == "Takk"
    assert (await stored(line, service)).phones == service.phones
    async with line.house.db.read() as conn:
        (proposal,) = await proposal_store.open_proposals(conn)
    assert proposal.made_by == f"service:{service.id}"
    assert [phone["number"] for phone in proposal.plain["phones"]] == ["22 00 11 22"]
    assert "male" in proposal.plain["serves"]["sex"]["refuses"]
    assert "Vi har stengt i juli." in proposal.note
    assert "8 til 20 hver dag" in proposal.note
    assert "01017012345" not in proposal.note
    # Karin could have opened her own link; somebody else says yes to the number.
    library, now = line.house.library, line.house.clock.now()
    with pytest.raises(proposal_store.SamePerson):
        async with line.house.db.write() as conn:
            await proposal_store.approve(
                conn, proposal.id, by="staff:karin", now=now, directory=library.directory, gazetteer=library.gazetteer
            )
    async with line.house.db.write() as conn:
        await proposal_store.approve(
            conn, proposal.id, by="staff:noor", now=now, directory=library.directory, gazetteer=library.gazetteer
        )
    assert [phone.number for phone in (await stored(line, service)).phones] == ["22 00 11 22"]


async def test_a_hidden_place_takes_in_no_address_and_shows_no_name(client: Client, line: Line) -> None:
    service = an_entry(line, hidden=True)
    where = await link_for(line, service)
    page = await get(client, where)
    assert page.status == 200
    typed = {**fields(page), "words": "Vi har flyttet til Storgata 12.", "do": "wrong"}
    again = await post(client, where, typed)
    assert again.status == 422
    assert "Storgata 12" in again.text  # what was typed is still theirs to correct
    async with line.house.db.read() as conn:
        assert await proposal_store.open_proposals(conn) == ()
    assert (await get(client, where)).status == 200  # and the link is unused


async def test_an_entry_that_changed_meanwhile_is_read_again_first(client: Client, line: Line) -> None:
    service = an_entry(line)
    where = await link_for(line, service)
    typed = {**fields(await get(client, where)), "words": "Hei", "do": "wrong"}
    async with line.house.db.write() as conn:
        await proposal_store.submit(
            conn, replace(await stored(line, service), note="Ny."), by="staff:karin", now=line.house.clock.now()
        )
    again = await post(client, where, typed)
    assert again.status == 409
    assert "Hei" in again.text
    assert (await post(client, where, {**fields(again), "do": "wrong"})).title == "Takk"
    async with line.house.db.read() as conn:
        (proposal,) = await proposal_store.open_proposals(conn)  # words alone are one too
    assert proposal.note == "Hei"


async def test_an_expired_a_replaced_and_an_unknown_link_each_say_what_to_do(
    client: Client, line: Line, clock: SetClock
) -> None:
    service = an_entry(line)
    first = await link_for(line, service)
    second = await link_for(line, service)
    assert (await get(client, first)).title == "Lenken gjelder ikke lenger"
    assert (await get(client, second)).status == 200
    clock.advance(timedelta(days=14))
    gone = await get(client, second)
    assert (gone.status, gone.title) == (410, "Lenken gjelder ikke lenger")
    unknown = await get(client, "/confirm/" + "x" * 32)
    assert (unknown.status, unknown.title) == (404, "Lenken finnes ikke")
    assert (await get(client, "/confirm/x")).status == 404
    assert (await get(client, "/confirm/thanks?told=everything")).status == 404
    guesses = [(await get(client, f"/confirm/{number:040}")).status for number in range(40)]
    assert guesses[0] == 404
    assert guesses[-1] == 429
