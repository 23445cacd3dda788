"""The directory on the desk: found, read, changed at once or by two, never over what is newer, and offered at once."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.app import Line
from helpline import audit
from helpline.accounts import Role
from routing import store
from routing.services import ServiceStatus
from routing.upkeep import proposal_store, waiting_store
from routing.upkeep.waiting_store import Waiting
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get
from tests.bot.rota_browsing import Pairs, filled, form_of, send
from tests.bot.test_desk import sign_in
from tests.routing.worlds import PLACES, SHIPPED

__all__ = ["sign_in"]

HERE = "/desk/directory"
NEW: dict[str, str | list[str]] = {
    "name": "Nattlys Tromsø",
    "organisation": "Stiftelsen Nattlys",
    "kind": "legal-aid",
    "what.nb": "Hjelper med rettigheter om natta.",
    "what.en": "Helps with rights at night.",
    "needs.legal": "first",
    "phones.0.number": "22 00 11 22",
    "access": "self-or-professional",
    "serves.sex.everyone": "yes",
    "serves.age.known": "all",
    "hours.kind": "always",
    "hours.as_stated": "hele døgnet",
    "area.reach": "areas",
    "areas": ["kommune 5501"],
    "confidence": "verified",
    "freshness": "2022-or-later",
    "sources.0.title": "Nettsiden",
    "sources.0.seen": "2026-11-20",
}


@pytest.fixture
async def maja(sign_in: Any) -> Client:
    """A coordinator, signed in."""
    browser: Client = await sign_in("maja", Role.COORDINATOR)
    return browser


@pytest.fixture
async def nils(sign_in: Any) -> Client:
    """Another coordinator, signed in."""
    browser: Client = await sign_in("nils", Role.COORDINATOR)
    return browser


async def press(client: Client, page: Page, do: str, changes: dict[str, str | list[str]] | None = None) -> Page:
    """Type into the form of the page and press one of its buttons."""
    given, pairs = form_of(page, action="/new" if page.url.startswith(f"{HERE}/new") else "/edit")
    return await send(client, given["action"], [*filled(pairs, changes or {}), ("do", do)])


async def act(client: Client, page: Page, action: str, *pressed: tuple[str, str]) -> Page:
    """Press a button of one of the page's small forms."""
    given, pairs = form_of(page, action=action)
    return await send(client, given["action"], filled(pairs, dict(pressed)))


async def proposed(maja: Client, **changed: str | list[str]) -> Page:
    page = await get(maja, f"{HERE}/new?country=NO")
    made = await press(maja, page, "save", {**NEW, **changed})
    assert made.url.startswith(f"{HERE}/proposals/"), re.findall(r'class="wrong"[^>]*>([^<]*)', made.text)
    return made


async def approved(maja: Client, nils: Client) -> Page:
    made = await proposed(maja)
    seen = await get(nils, made.url.partition("?")[0])
    return await act(nils, seen, made.url.partition("?")[0], ("do", "approve"))


async def trail(line: Line, subject: str) -> list[tuple[str, str]]:
    async with line.house.db.read() as conn:
        assert await audit.verify(conn) is None
        return [(each.actor, each.action) for each in reversed(await audit.entries(conn, subject=subject))]


# --- finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=rosa", "rosa"),
        ("text=22331160", "rosa"),
        ("text=223+311", "rosa"),
        ("text=advokat&country=NO&kind=legal-aid", "legal-aid"),
        ("show=protected&country=SE", "SE"),
    ],
)
async def test_services_are_found_by_words_and_digits(maja: Client, query: str, found: str) -> None:
    page = await get(maja, f"{HERE}?{query}")
    assert page.status == 200
    assert 'class="list services"' in page.text
    if found == "rosa":
        assert f'href="{HERE}/rosa"' in page.text
    part = await get(maja, f"{HERE}?{query}&part=found")
    assert "<html" not in part.text
    assert 'class="list services"' in part.text


async def test_advisors_and_editors_read_and_nobody_else_changes(sign_in: Any, maja: Client) -> None:
    for name, role in (("asha", Role.ADVISOR), ("eva", Role.EDITOR)):
        browser = await sign_in(name, role)
        assert (await get(browser, HERE)).status == 200
        page = await get(browser, f"{HERE}/rosa")
        assert page.status == 200
        assert "/edit" not in page.text
        for address in ("/new", "/waits", "/rosa/edit", "/proposals/1/rebase"):
            assert (await get(browser, HERE + address)).status == 404
    admin = await sign_in("root", Role.ADMINISTRATOR)
    assert (await get(admin, HERE)).status == 404


async def test_every_service_has_a_page(maja: Client, line: Line) -> None:
    for service in line.house.library.directory.services[::19]:
        page = await get(maja, f"{HERE}/{service.id}")
        assert page.status == 200
        assert (await get(maja, f"{HERE}/{service.id}/history")).status == 200
        assert (await get(maja, f"{HERE}/{service.id}/edit")).status == 200
    assert (await get(maja, f"{HERE}/no-such-service")).status == 404


# --- two people -------------------------------------------------------------------------------------------------------


async def test_a_new_service_is_offered_in_the_chat_the_moment_another_has_approved(
    maja: Client, nils: Client, line: Line, client: Client
) -> None:
    made = await proposed(maja)
    assert "Stiftelsen Nattlys" in made.text
    assert (await get(nils, f"{HERE}/nattlys-tromso")).status == 404
    own = await get(maja, made.url.partition("?")[0])
    assert 'value="approve"' not in own.text
    waits = await get(nils, f"{HERE}/waits")
    assert "Nattlys Tromsø" in waits.text
    seen = await get(nils, made.url.partition("?")[0])
    done = await act(nils, seen, made.url.partition("?")[0], ("do", "approve"))
    assert done.url == f"{HERE}/nattlys-tromso?told=approved"
    assert "nattlys-tromso" in {service.id for service in line.house.library.directory.services}
    await browsing.say(client, "hvem kan hjelpe")
    await browsing.say(client, "Tromsø")
    page = await get(client)
    taps = {token: label for label, token in page.taps.items()}
    await browsing.tap(client, next(token for token in taps if token.endswith("need:legal")))
    for _ in range(4):
        page = await get(client)
        if "Nattlys" in page.text:
            break
        await browsing.tap(
            client, next(token for label, token in page.taps.items() if label in ("Hopp over", "Vet ikke"))
        )
    assert "Nattlys Tromsø" in page.text
    assert "22 00 11 22" in page.text
    assert await trail(line, "service:nattlys-tromso") == [
        ("staff:maja", "service_change_proposed"),
        ("staff:nils", "service_saved"),
        ("staff:nils", "service_change_approved"),
    ]


async def test_whoever_proposed_cannot_approve_however_the_form_is_sent(maja: Client) -> None:
    made = await proposed(maja)
    address = made.url.partition("?")[0]
    refused = await send(maja, address, [("csrf", made.csrf), ("do", "approve")])
    assert refused.status == 409
    assert (await get(maja, f"{HERE}/nattlys-tromso")).status == 404
    back = await send(maja, address, [("csrf", made.csrf), ("do", "take_back")])
    assert back.url == f"{HERE}/waits?told=taken_back"


async def test_turning_down_asks_for_a_word_and_the_second_press_finds_it_done(maja: Client, nils: Client) -> None:
    address = (await proposed(maja)).url.partition("?")[0]
    seen = await get(nils, address)
    assert (await send(nils, address, [("csrf", seen.csrf), ("do", "turn_down")])).status == 422
    fields: Pairs = [("csrf", seen.csrf), ("do", "turn_down"), ("word", "Nummeret svarer ikke.")]
    assert (await send(nils, address, fields)).url == f"{HERE}/waits?told=turned_down"
    again = await send(nils, address, fields)
    assert again.status == 200
    assert "Nummeret svarer ikke." in (await get(maja, address)).text


async def test_a_second_click_makes_one_proposal(maja: Client, line: Line) -> None:
    page = await get(maja, f"{HERE}/new?country=NO")
    first, second = [await press(maja, page, "save", NEW) for _ in range(2)]
    assert first.url == second.url
    async with line.house.db.read() as conn:
        assert len(await proposal_store.open_proposals(conn)) == 1


# --- at once ----------------------------------------------------------------------------------------------------------


async def test_what_is_not_guarded_holds_at_once_and_can_be_undone(maja: Client, line: Line) -> None:
    page = await get(maja, f"{HERE}/rosa/edit")
    saved = await press(maja, page, "save", {"note": "Ring heller på dagtid."})
    assert saved.url == f"{HERE}/rosa?told=saved&undo=2"
    assert line.house.library.directory.get("rosa").note == "Ring heller på dagtid."
    again = await press(maja, page, "save", {"note": "Ring heller på dagtid."})
    assert again.url == f"{HERE}/rosa?told=saved"
    undone = await act(maja, saved, "/restore", ("revision", "1"))
    assert undone.url == f"{HERE}/rosa?told=undone"
    assert line.house.library.directory.get("rosa").note != "Ring heller på dagtid."
    history = await get(maja, f"{HERE}/rosa/history")
    assert history.text.count("Ring heller på dagtid.") == 2  # it came, and it went


async def test_nothing_is_saved_over_what_another_saved(maja: Client, nils: Client, line: Line) -> None:
    mine, theirs = await get(maja, f"{HERE}/rosa/edit"), await get(nils, f"{HERE}/rosa/edit")
    await press(nils, theirs, "save", {"note": "Fra Nils.", "email": "nils@eksempel.no"})
    met = await press(maja, mine, "save", {"note": "Fra Maja."})
    assert met.status == 409
    assert "Fra Nils." in met.text
    assert "Fra Maja." in met.text
    assert line.house.library.directory.get("rosa").note == "Fra Nils."
    saved = await press(maja, met, "save")
    assert saved.url == f"{HERE}/rosa?told=saved&undo=3"
    rosa = line.house.library.directory.get("rosa")
    assert (rosa.note, rosa.email) == ("Fra Maja.", "nils@eksempel.no")


async def test_a_proposal_whose_service_moved_on_is_put_upon_what_stands(
    maja: Client, nils: Client, line: Line
) -> None:
    page = await get(maja, f"{HERE}/rosa/edit")
    made = await press(maja, page, "save", {"phones.0.number": "22 99 88 77", "note": "Fra Maja."})
    address = made.url.partition("?")[0]
    await press(nils, await get(nils, f"{HERE}/rosa/edit"), "save", {"note": "Fra Nils.", "owner": "nils"})
    seen = await get(nils, address)
    assert 'value="approve"' not in seen.text
    await send(nils, address, [("csrf", seen.csrf), ("do", "approve")])
    assert line.house.library.directory.get("rosa").note == "Fra Nils."
    rebase = await get(maja, f"{address}/rebase")
    assert "Fra Nils." in rebase.text
    assert (await act(maja, rebase, "/rebase")).status == 422
    anew = await act(maja, rebase, "/rebase", ("choose.note", "theirs"))
    assert anew.url != made.url
    seen = await get(nils, anew.url.partition("?")[0])
    await act(nils, seen, anew.url.partition("?")[0], ("do", "approve"))
    rosa = line.house.library.directory.get("rosa")
    assert (rosa.phones[0].number, rosa.note, rosa.owner) == ("22 99 88 77", "Fra Nils.", "nils")


async def test_an_organisation_is_entered_kept_by_its_old_name_and_never_twice(
    maja: Client, nils: Client, line: Line
) -> None:
    rosa = line.house.library.directory.get("rosa")
    organisation = line.house.library.directory.organisation_of(rosa)
    address = f"{HERE}/organisations/{organisation.id}"
    assert address in (await get(maja, f"{HERE}/rosa")).text
    assert address in (await get(maja, f"{HERE}/organisations?text={organisation.name.split()[0]}")).text
    page, theirs = await get(maja, address), await get(nils, address)
    assert f'href="{HERE}/rosa"' in page.text

    async def save(client: Client, shown: Page, **typed: str) -> Page:
        given, pairs = form_of(shown, action=f"/{organisation.id}")
        return await send(client, given["action"], filled(pairs, dict(typed)))

    assert (await save(maja, page, url="ingen adresse")).status == 422
    assert (await save(maja, page, number="12")).status == 422
    saved = await save(maja, page, name="Et nytt navn", url="https://eksempel.no")
    assert saved.url == f"{address}?told=saved"
    known = line.house.library.directory.organisation_of(rosa)
    assert (known.name, known.url) == ("Et nytt navn", "https://eksempel.no")
    met = await save(nils, theirs, email="post@eksempel.no")
    assert met.status == 409
    assert "Maja" in met.text
    assert line.house.library.directory.organisation_of(rosa).email != "post@eksempel.no"
    assert ("staff:maja", "organisation_saved") in await trail(line, f"organisation:{organisation.id}")


async def changes_that_wait(line: Line) -> tuple[Waiting, ...]:
    async with line.house.db.read() as conn:
        return await waiting_store.open_changes(conn)


async def decide(client: Client, change: Waiting, do: str) -> Page:
    page = await get(client, f"{HERE}/waits")
    return await send(client, f"{HERE}/changes/{change.id}", [("csrf", page.csrf), ("do", do)])


async def test_a_number_of_an_organisation_holds_once_another_has_looked(
    maja: Client, nils: Client, line: Line
) -> None:
    rosa = line.house.library.directory.get("rosa")
    address = f"{HERE}/organisations/{line.house.library.directory.organisation_of(rosa).id}"

    async def numbers(client: Client, phones: str) -> Page:
        given, pairs = form_of(await get(client, address), action=address)
        return await send(client, given["action"], filled(pairs, {"phones": phones}))

    wrong = await numbers(maja, "22 99 88 77, 22 33 11")
    assert wrong.status == 422
    assert "«22 33 11» er ikke et telefonnummer." in wrong.text
    assert "22 99 88 77, 22 33 11" in wrong.text
    for _ in range(2):
        assert (await numbers(maja, "22 99 88 77")).url == f"{address}?told=proposed"
    [change] = await changes_that_wait(line)
    assert line.house.library.directory.organisation_of(rosa).phones == ()
    for client, button in ((maja, "take_back"), (nils, "approve")):
        shown = (await get(client, f"{HERE}/waits")).text
        assert "22 99 88 77" in shown
        assert f'value="{button}"' in shown
    assert (await decide(maja, change, "approve")).url.endswith("told=decided")
    # What somebody saved meanwhile is not overwritten.
    given, pairs = form_of(await get(nils, address), action=address)
    await send(nils, given["action"], filled(pairs, {"email": "post@eksempel.no"}))
    assert (await decide(nils, change, "approve")).url.endswith("told=overtaken")
    assert (await decide(maja, change, "take_back")).url.endswith("told=taken_back")
    await numbers(maja, "22 99 88 77")
    [change] = await changes_that_wait(line)
    assert (await decide(nils, change, "approve")).url.endswith("told=approved")
    known = line.house.library.directory.organisation_of(rosa)
    assert ([each.number for each in known.phones], known.email) == (["22 99 88 77"], "post@eksempel.no")
    assert await changes_that_wait(line) == ()
    gone = [("csrf", (await get(nils, address)).csrf), ("do", "approve")]
    assert (await send(nils, f"{HERE}/changes/999", gone)).status == 404


# --- what must not happen ---------------------------------------------------------------------------------------------


async def test_one_of_those_always_shown_keeps_its_number_and_stays(maja: Client, line: Line) -> None:
    fallback = line.house.library.directory.fallbacks[line.house.country].everyone[0]
    page = await get(maja, f"{HERE}/{fallback}/edit")
    phones = {name: "" for name, _ in form_of(page, action="/edit")[1] if name.startswith("phones.")}
    warned = await press(maja, page, "save", dict(phones))
    assert warned.status == 422
    assert 'name="without_phone"' in warned.text
    meant = await press(maja, warned, "save", {**phones, "without_phone": "yes"})
    assert meant.url.startswith(f"{HERE}/proposals/")
    gone: Pairs = [("csrf", page.csrf), ("status", "defunct"), ("note", "Lagt ned.")]
    assert (await send(maja, f"{HERE}/{fallback}/withdraw", gone)).status == 409
    assert (await press(maja, page, "save", {"status": "closed-for-now"})).status == 422


async def test_one_of_those_always_shown_goes_once_another_stands_in_its_place(
    maja: Client, nils: Client, line: Line
) -> None:
    await approved(maja, nils)
    country, library = line.house.country, line.house.library
    first = library.directory.fallbacks[country].everyone[0]
    page = await get(maja, f"{HERE}/fallbacks")
    fields: Pairs = [("csrf", page.csrf), ("instead_of", first)]
    assert (await send(maja, f"{HERE}/fallbacks", [*fields, ("service", first)])).status == 422
    assert (await send(maja, f"{HERE}/fallbacks", [*fields, ("service", "no-such")])).status == 422
    for _ in range(2):
        put = await send(maja, f"{HERE}/fallbacks", [*fields, ("service", "nattlys-tromso")])
        assert put.url == f"{HERE}/fallbacks?told=proposed"
    assert f"{HERE}/waits" in put.text
    assert library.directory.fallbacks[country].everyone[0] == first  # until another has looked
    [change] = await changes_that_wait(line)
    mine = await decide(maja, change, "approve")
    assert mine.url.endswith("told=decided")
    assert library.directory.fallbacks[country].everyone[0] == first
    assert (await decide(nils, change, "approve")).url.endswith("told=approved")
    assert (await decide(nils, change, "turn_down")).url.endswith("told=decided")
    again = await send(maja, f"{HERE}/fallbacks", [*fields, ("service", "nattlys-tromso")])
    assert again.url == f"{HERE}/fallbacks?told=same"
    assert library.directory.fallbacks[country].everyone[0] == "nattlys-tromso"
    gone = await act(maja, await get(maja, f"{HERE}/{first}"), "/withdraw", ("status", "defunct"), ("note", "Nedlagt."))
    address = gone.url.partition("?")[0]
    await act(nils, await get(nils, address), address, ("do", "approve"))
    assert not library.directory.get(first).running
    async with line.house.db.read() as conn:
        anew = await store.directory_of(conn, SHIPPED, PLACES)
    assert anew.fallbacks[country].everyone[0] == "nattlys-tromso"
    assert not anew.get(first).running
    assert ("staff:nils", "fallback_replaced") in await trail(line, "service:nattlys-tromso")
    assert ("staff:maja", "fallback_change_proposed") in await trail(line, f"service:{first}")
    # Where that one closes too, whoever was always shown is shown again, at once.
    async with line.house.db.write() as conn:
        closed = replace(library.directory.get("nattlys-tromso"), status=ServiceStatus.CLOSED_FOR_NOW)
        await store.save_service(conn, closed, now=line.house.clock.now(), actor="staff:maja")
    await library.refresh(line.house.db)
    assert library.directory.fallbacks[country].everyone[0] == first
    assert not library.directory.get("nattlys-tromso").running


async def test_a_withdrawn_service_is_not_suggested_but_stays_in_the_history(
    maja: Client, nils: Client, line: Line
) -> None:
    await approved(maja, nils)
    page = await get(maja, f"{HERE}/nattlys-tromso")
    gone = await act(maja, page, "/withdraw", ("status", "defunct"), ("note", "Lagt ned i høst."))
    address = gone.url.partition("?")[0]
    await act(nils, await get(nils, address), address, ("do", "approve"))
    assert not line.house.library.directory.get("nattlys-tromso").running
    assert "nattlys-tromso" not in (await get(maja, f"{HERE}?text=nattlys")).text
    assert "nattlys-tromso" in (await get(maja, f"{HERE}?show=gone")).text
    history = await get(maja, f"{HERE}/nattlys-tromso/history")
    assert "Lagt ned i høst." in history.text
    async with line.house.db.read() as conn:
        assert len(await store.wordings(conn, "nattlys-tromso")) == 2


async def test_an_address_typed_for_a_hidden_place_is_neither_kept_nor_said_back(maja: Client, line: Line) -> None:
    page = await get(maja, f"{HERE}/new?country=NO")
    page = await press(maja, page, "add.locations", NEW)
    there: dict[str, str | list[str]] = {
        "locations.0.name": "Huset",
        "locations.0.street": "Hemmeligveien 9",
        "locations.0.postal_code": "9008",
        "locations.0.city": "Tromsø",
        "protected": "yes",
    }
    refused = await press(maja, page, "save", there)
    assert refused.status == 422
    assert "Hemmeligveien" not in refused.text
    assert 'name="locations.0.street"' not in refused.text
    saved = await press(maja, refused, "save", {"protected": "yes"})
    assert saved.url.startswith(f"{HERE}/proposals/")
    assert "Hemmeligveien" not in saved.text
    async with line.house.db.read() as conn:
        assert "Hemmelig" not in str((await proposal_store.open_proposals(conn))[0].plain)


@pytest.mark.parametrize(
    "address",
    [
        *("/rosa/edit", "/new", "/proposals/999999", "/proposals/1/rebase", "/rosa/restore", "/rosa/withdraw"),
        *("?page=99999999999", "?kind=kiosk&show=x", "?text=" + "a" * 3000, "?area=%00", "/rosa/history?x=1"),
    ],
)
async def test_whatever_is_sent_there_is_an_answer(maja: Client, address: str) -> None:
    page = await get(maja, HERE + address)
    assert page.status in {200, 404}
    sent = await send(maja, HERE + address, [("csrf", (await get(maja, HERE)).csrf), ("do", "save"), ("seen", "9999")])
    assert sent.status in {200, 400, 404, 405, 422}
