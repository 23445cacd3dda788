"""What coordinators keep right: entries to be confirmed, look-alikes, and many services from a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import orjson
import pytest
from aiohttp import FormData

from bot.app import Line
from bot.channels.local import LocalChannel
from bot.confirm_reminders import ConfirmReminders
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.messages import Channel
from routing import store
from routing.services import Service
from routing.upkeep import confirming_store, proposal_store
from routing.upkeep.service_form import as_plain
from tests.bot.browsing import Client, Page, get, post, read
from tests.bot.test_desk import sign_in
from tests.bot.test_reminders import hire, sent

__all__ = ["sign_in"]

pytestmark = pytest.mark.asyncio
HERE = "/desk/confirming"


@pytest.fixture
async def maja(sign_in: Any) -> Client:
    """A coordinator, signed in."""
    browser: Client = await sign_in("maja", Role.COORDINATOR)
    return browser


def exported(service: Service, *, country: str = "NO", **changed: Any) -> bytes:
    """A file with this one service in it, in JSON, which is YAML too."""
    plain = {**as_plain(service), **changed}
    return orjson.dumps({"country": country, "services": [plain]}, option=orjson.OPT_INDENT_2)


async def send_file(browser: Client, content: bytes, *, name: str = "nye.yaml", do: str = "look") -> Page:
    page = await get(browser, f"{HERE}/import")
    form = FormData()
    form.add_field("csrf", page.csrf)
    form.add_field("do", do)
    form.add_field("country", "NO")
    form.add_field("file", BytesIO(content), filename=name, content_type="application/octet-stream")
    return await read(await browser.post(f"{HERE}/import", data=form))


def hidden(page: Page) -> dict[str, str]:
    part = page.text.partition('value="take"')[0].rpartition("<form")[2]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', part))


async def test_a_link_is_made_and_shown_once_and_the_list_says_what_became_of_it(
    maja: Client, line: Line, clock: SetClock
) -> None:
    service = confirming_store.due(line.house.library.directory, clock.now())[0]
    page = await get(maja, HERE)
    assert page.status == 200
    assert service.name in page.text.replace("&#39;", "'")
    made = await post(maja, f"{HERE}/link", {"csrf": page.csrf, "service": service.id})
    link = re.search(r"http://[^\s<]+/confirm/[\w-]+", made.text)
    assert link is not None
    assert "Lenke laget" in (await get(maja, f"{HERE}?show=sent")).text
    where = "/confirm/" + link[0].rpartition("/")[2]
    shown = await get(maja, where)
    await post(maja, where, {"seen": re.findall(r'name="seen" value="(\d+)"', shown.text)[0], "do": "right"})
    await line.house.library.refresh(line.house.db, now=clock.now())
    assert service.id not in {each.id for each in confirming_store.due(line.house.library.directory, clock.now())}
    assert "Svarte" in (await get(maja, f"{HERE}?show=all&find={service.name}")).text
    assert (await post(maja, f"{HERE}/link", {"csrf": page.csrf, "service": "finnes-ikke"})).status == 404
    clock.advance(timedelta(days=184))
    assert service.id in {each.id for each in confirming_store.due(line.house.library.directory, clock.now())}


async def test_whoever_made_the_link_reads_that_another_has_to_approve(maja: Client, line: Line) -> None:
    service = next(one for one in line.house.library.directory.services if one.phones)
    told: dict[str, Any] = {"base_revision": service.revision, "made_by": f"service:{service.id}", "note": "Nytt."}
    async with line.house.db.write() as conn:
        made = await proposal_store.propose(conn, service, now=line.house.clock.now(), asked_by="staff:maja", **told)
    page = await get(maja, f"/desk/directory/proposals/{made.id}")
    assert "lenke som du laget" in page.text
    assert 'value="approve"' not in page.text
    refused = await post(maja, f"/desk/directory/proposals/{made.id}", {"csrf": page.csrf, "do": "approve"})
    assert refused.status == 409


async def test_only_coordinators_come_in(sign_in: Any) -> None:
    asha = await sign_in("asha", Role.ADVISOR)
    for address in (HERE, f"{HERE}/alike", f"{HERE}/import", "/desk/areas?country=NO&name=a&search=troms"):
        assert (await get(asha, address)).status == 404


async def test_two_that_look_alike_are_told_apart_for_good(maja: Client, line: Line) -> None:
    # One more, entered twice.
    service = next(one for one in line.house.library.directory.services if one.phones and not one.area.national)
    async with line.house.db.write() as conn:
        twin = replace(service, id="tvilling", revision=0)
        await store.save_service(conn, twin, now=line.house.clock.now(), actor="staff:maja")
    await line.house.library.refresh(line.house.db, now=line.house.clock.now())
    page = await get(maja, f"{HERE}/alike")
    pair = re.findall(r'name="(?:one|other)" value="([\w-]+)"', page.text)[:2]
    assert len(pair) == 2, page.status
    told = await post(maja, f"{HERE}/alike", {"csrf": page.csrf, "one": pair[0], "other": pair[1]})
    assert "Notert" in told.text, (pair, told.status)
    left = re.findall(r'name="(?:one|other)" value="([\w-]+)"', told.text)
    assert pair not in [left[at : at + 2] for at in range(0, len(left), 2)]
    await post(maja, f"{HERE}/alike", {"csrf": page.csrf, "one": pair[1], "other": pair[0]})  # a second tab
    async with line.house.db.read() as conn:
        assert await confirming_store.apart(conn) == {tuple(sorted(pair))}
    assert (await post(maja, f"{HERE}/alike", {"csrf": page.csrf, "one": pair[0], "other": pair[0]})).status == 404


async def test_a_file_is_looked_at_first_and_taken_as_it_was_seen(maja: Client, line: Line) -> None:
    service = next(one for one in line.house.library.directory.services if one.country.value == "NO" and one.phones)
    content = exported(replace(service, note="Fra fil."))
    looked = await send_file(maja, content)
    assert looked.status == 200
    assert "Endret: 1" in looked.text
    assert "Fra fil." in looked.text
    async with line.house.db.read() as conn:
        library = line.house.library
        stands = await store.find_service(conn, service.id, library.directory, library.gazetteer)
    assert stands is not None
    assert stands.note == service.note  # looking changes nothing
    taken = await post(maja, f"{HERE}/import", {**hidden(looked), "do": "take"})
    assert "Lagret: 1" in taken.text
    async with line.house.db.read() as conn:
        stands = await store.find_service(conn, service.id, library.directory, library.gazetteer)
    assert stands is not None
    assert stands.note == "Fra fil."
    # Sent once more, from another tab: nothing is overwritten unseen.
    again = await post(maja, f"{HERE}/import", {**hidden(looked), "do": "take"})
    assert again.status == 409


async def test_new_services_and_new_numbers_wait_for_a_colleague(maja: Client, line: Line) -> None:
    service = next(one for one in line.house.library.directory.services if one.country.value == "NO" and one.phones)
    looked = await send_file(maja, exported(service, id="helt-ny-tjeneste", name="Et helt nytt sted"))
    assert "Nye: 1" in looked.text
    taken = await post(maja, f"{HERE}/import", {**hidden(looked), "do": "take"})
    assert "Venter på en kollega: 1" in taken.text
    async with line.house.db.read() as conn:
        (proposal,) = await proposal_store.open_proposals(conn)
    assert proposal.service_id == "helt-ny-tjeneste"
    assert proposal.made_by == "staff:maja"


async def test_what_cannot_be_read_is_said_with_its_line(maja: Client, line: Line) -> None:
    service = next(one for one in line.house.library.directory.services if one.country.value == "NO")
    for content, said in (
        (exported(service, kind="castle"), "Noe på denne linja er ikke slik det skal være"),
        (exported(service, phones=[{"number": "22 33 11"}]), "«22 33 11» er ikke et telefonnummer"),
        (b"country: NO\nservices:\n  - [", "Rett linje"),
        (b"\xff\xfe", "kan ikke leses"),
        (b"", "Velg en fil"),
        (b"x" * (1600 * 1024), "for stor"),
    ):
        page = await send_file(maja, content)
        assert said in page.text, (content[:40], page.status)
    assert "Avvist: 1" in (await send_file(maja, exported(service, kind="castle"))).text
    foreign = await send_file(maja, b'[{"id": "x", "name": "Somewhere", "status": "active"}]', name="hsds.json")
    assert foreign.status == 200
    assert "Dette kom ikke med" in foreign.text or "Nye: 1" in foreign.text


async def test_coordinators_are_reminded_once_of_what_was_forgotten(line: Line, clock: SetClock) -> None:
    house = replace(line.house, channels={Channel.SMS: LocalChannel(Channel.TERMINAL)})
    reminders, directory = ConfirmReminders(house), line.house.library.directory

    async def untold(services: Iterable[Service]) -> list[Service]:
        async with house.db.read() as conn:
            return await confirming_store.untold(conn, services)

    early = confirming_store.due(directory, clock.now())
    clock.advance(timedelta(days=200))
    forgotten = confirming_store.due(directory, clock.now())
    await reminders.tick(clock.now())
    assert await untold(forgotten) == list(forgotten)  # nobody could be told: it is kept for whoever comes
    await hire(house, "maja", Role.COORDINATOR, phone="+4790000031")
    for _ in range(2):
        await reminders.tick(clock.now())
    [[said]] = (await sent(house)).values()
    assert str(len(forgotten)) in said
    assert await untold(forgotten) == []
    assert len(early) == len(forgotten) > 100


async def test_what_shipped_and_was_looked_at_just_now_is_told_of_later(line: Line, clock: SetClock) -> None:
    house = replace(line.house, channels={Channel.SMS: LocalChannel(Channel.TERMINAL)})
    await hire(house, "maja", Role.COORDINATOR, phone="+4790000031")
    await ConfirmReminders(house).tick(clock.now())
    async with house.db.read() as conn:
        early = await confirming_store.untold(conn, house.library.directory.services)
    assert all(service.assured_on is not None for service in early)
    assert len(early) > 100
