"""The rota on the desk by the front door: the calendar, and the roster editor."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.app import Line
from escalation import store
from escalation.rota import duty, leave, version_store
from escalation.rota import store as rota_store
from escalation.rota.roster import Span, read_schedule
from helpline import accounts, audit
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.content import node_of
from helpline.messages import Language
from tests.bot.browsing import Client, Page, get, post
from tests.bot.conftest import MakeClient
from tests.bot.rota_browsing import form_of, press, send

HTML = {"Accept": "text/html", "Accept-Language": "nb"}
ROSTER = "/desk/rota/rosters/main"
WEEKS = {"type": "weekly", "length": 1, "start": "2026-11-02T08:00", "participants": ["asha", "noor"]}
ALWAYS = {"target": "rotation:uke", "from": "00:00", "to": "00:00"}


@pytest.fixture
def browser(client: Client, aiohttp_client: MakeClient) -> Any:
    """Opens another browser in front of the same line."""

    async def open_one(language: str = "nb") -> Client:
        return await aiohttp_client(client.server, headers={**HTML, "Accept-Language": language})

    return open_one


async def come_in(line: Line, browser: Client, staff_id: str, *roles: Role, reachable: bool = True) -> Client:
    """Take somebody on, give them a way to be paged, and sign them in by a link."""
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        if await accounts.find_staff(conn, staff_id) is None:
            await take_on(conn, line, staff_id, *roles, reachable=reachable)
        token = await accounts.make_sign_in_link(conn, staff_id, now=now)
    assert (await post(browser, f"/desk/sign-in/{token}", {})).status == 200
    return browser


async def take_on(conn: Any, line: Line, staff_id: str, *roles: Role, reachable: bool = True) -> None:
    now = line.house.clock.now()
    await accounts.add_staff(
        conn, line.house.vault, name=staff_id.title(), roles=roles, now=now, zone="Europe/Oslo", staff_id=staff_id
    )
    if reachable:
        await accounts.add_contact(
            conn,
            line.house.vault,
            staff_id=staff_id,
            channel=ContactChannel.DESK,
            value=staff_id,
            now=now,
            verified=True,
        )


async def save_roster(line: Line, definition: Mapping[str, Any], *, name: str = "main", by: str = "cora") -> None:
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        await store.save_roster(
            conn, name=name, zone="Europe/Oslo", definition=definition, valid_from=now, now=now, saved_by=by
        )


async def stored(line: Line, name: str = "main") -> version_store.Version:
    async with line.house.db.read() as conn:
        return (await version_store.versions_of(conn, name))[0]


@pytest.fixture
async def people(line: Line) -> None:
    """Three advisors who can be paged."""
    async with line.house.db.write() as conn:
        for staff_id in ("asha", "noor", "eva"):
            await take_on(conn, line, staff_id, Role.ADVISOR)


@pytest.fixture
async def cora(line: Line, browser: Any, people: None) -> Client:
    """A coordinator, signed in."""
    return await come_in(line, await browser(), "cora", Role.COORDINATOR)


@pytest.fixture
async def roster(line: Line, people: None) -> None:
    """A roster of our own: two take weeks in turn."""
    await save_roster(line, {"rotations": {"uke": WEEKS}, "rules": [ALWAYS]})


def shown(page: Page) -> dict[str, str]:
    """The fields of the roster's form as they stand; of several with one name the last."""
    return dict(form_of(page, id="roster")[1])


async def save(client: Client, changes: Mapping[str, str | list[str]] | None = None, address: str = ROSTER) -> Page:
    """Type, look at the days, save."""
    page = await press(client, await get(client, address), "check", changes)
    assert page.status == 200, page.text
    return await press(client, page, "save")


# --- the calendar -----------------------------------------------------------------------------------------------------


async def test_who_is_on_call_now_and_next_and_when_in_the_rosters_own_clock(
    line: Line, browser: Any, roster: None
) -> None:
    await save_roster(line, {"rotations": {"uke": WEEKS}, "rules": [ALWAYS]})
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    page = await get(asha, "/desk/rota")
    assert re.search(r"På vakt nå: <strong>Asha \(du\)</strong>", page.text)
    assert "Fra mandag 23. november 08:00: Noor" in page.text
    assert "Pågår" in page.text
    assert 'aria-current="date"' in page.text
    week = await get(asha, "/desk/rota?roster=main&day=2026-12-25")
    assert "Første juledag (Norge)" in week.text
    assert "Juldagen (Sverige)" in week.text


async def test_whoever_is_on_call_and_cannot_be_paged_is_not_called_nobody(line: Line, browser: Any) -> None:
    async with line.house.db.write() as conn:
        await take_on(conn, line, "asha", Role.ADVISOR, reachable=False)
    await save_roster(line, {"rotations": {"uke": WEEKS | {"participants": ["asha"]}}, "rules": [ALWAYS]})
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR, reachable=False)
    page = (await get(asha, "/desk/rota")).text
    assert re.search(r"<strong>Asha \(du\)</strong> <strong class=\"tag bad\">Kan ikke varsles</strong>", page)
    assert "ingen som kan varsles" in page
    assert "ingen på vakt" not in page
    assert '<a class="button" href="/desk/reached">Slik varsles jeg</a>' in page


async def test_the_calendar_opens_at_today_on_a_phone_and_the_whole_week_is_one_press_away(
    line: Line, browser: Any, roster: None
) -> None:
    def on_a_phone(page: str) -> list[str]:
        days = re.findall(r'<li class="([^"]*)"[^>]*>\s*<p class="day">.*?<span class="whole">(.*?)</span>', page)
        return [named for classes, named in days if "other-week" not in classes]

    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    page = (await get(asha, "/desk/rota")).text
    shown = on_a_phone(page)
    assert (shown[0], shown[-1], len(shown)) == ("søndag 22. november", "lørdag 28. november", 7)
    whole = re.search(r'href="([^"]+)#calendar">Vis hele uka</a>', page)
    assert whole is not None
    asked = (await get(asha, html.unescape(whole[1]))).text
    assert (on_a_phone(asked)[0], on_a_phone(asked)[-1]) == ("mandag 16. november", "søndag 22. november")
    assert "Vis hele uka" not in asked


async def test_a_hole_is_said_in_words_and_nobody_is_known_before_the_first_version(
    line: Line, browser: Any, people: None
) -> None:
    await save_roster(line, {"rules": [{"target": "asha", "from": "08:00", "to": "20:00"}]}, name="dag")
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    page = await get(asha, "/desk/rota?roster=dag")
    assert page.text.count("Ingen på vakt") > 15
    assert "Ingen var på vakt" not in page.text
    assert "Ikke kjent" in page.text


async def test_the_holes_ahead_are_listed_in_words_leave_and_language_included(
    line: Line, browser: Any, roster: None
) -> None:
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    assert "Noen har vakt hele tida de neste 14 dagene." in (await get(asha, "/desk/rota")).text
    away = Span(datetime(2026, 12, 1, 7, 0, tzinfo=UTC), datetime(2026, 12, 1, 19, 0, tzinfo=UTC))
    async with line.house.db.write() as conn:
        await leave.enter(conn, staff_id="asha", span=away, by="cora", now=line.house.clock.now())
    page = await get(asha, "/desk/rota")
    assert "<li>tirsdag 1. desember 08:00–20:00: ingen på vakt</li>" in page.text
    assert "Noen har vakt hele tida" not in page.text


async def test_the_past_shows_what_was_and_not_what_was_planned(
    line: Line, browser: Any, roster: None, clock: SetClock
) -> None:
    await save_roster(line, {"rules": [{"target": "asha", "from": "00:00", "to": "00:00"}]})
    clock.advance(timedelta(days=3))
    day = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)  # midnight in Oslo
    async with line.house.db.write() as conn:
        seen = duty.Recorded("main", Span(day, day + timedelta(hours=10)), ("eva", "noor"), seen=True)
        await rota_store.write_record(conn, seen)
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    text = re.sub(r"<[^>]+>|\s+", " ", (await get(asha, "/desk/rota?roster=main&day=2026-11-24")).text)
    text = re.sub(r" +", " ", text)
    assert "tirsdag 24. november 24. 00:00–10:00 Eva og Noor 10:00–24:00 Asha (du) planlagt" in text
    assert "torsdag 26. november 26. Hele døgnet Asha (du) fredag" in text


async def test_the_rota_is_for_advisors_and_coordinators(line: Line, browser: Any, roster: None) -> None:
    edith = await come_in(line, await browser(), "edith", Role.EDITOR)
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    for address in ("/desk/rota", ROSTER):
        assert (await get(edith, address)).status == 404
    assert (await get(asha, "/desk/rota")).status == 200
    for address in ("/desk/rota/rosters", ROSTER, ROSTER + "/versions", "/desk/rota/rosters/new"):
        assert (await get(asha, address)).status == 404
    token = (await get(asha, "/desk/account")).csrf
    assert (await post(asha, ROSTER, {"csrf": token, "do": "save"})).status == 404
    assert (await get(asha, "/desk/rota?roster=nothing")).status == 404
    for odd in ("day=9999-12-31", "day=0001-01-01", "day=x", "day=2026-02-30"):
        assert (await get(asha, f"/desk/rota?roster=main&{odd}")).status == 200


# --- the roster editor ------------------------------------------------------------------------------------------------


async def test_a_roster_is_written_seen_and_saved_without_a_programmer(line: Line, cora: Client) -> None:
    page = await get(cora, "/desk/rota/rosters/new")
    page = await press(cora, page, "add.rotations", {"name": "natt"})
    assert 'name="rotations.0.name" value=""' in page.text
    page = await press(cora, page, "add.rotations.0.people", {"rotations.0.people": ["asha"]})
    page = await press(cora, page, "add.rotations.0.people", {"rotations.0.people": ["asha", "noor"]})
    page = await press(cora, page, "up.rotations.0.people.1")
    assert 'id="up.rotations.0.people.0" autofocus' in page.text
    page = await press(cora, page, "add.rules")
    typed = {
        "rotations.0.name": "natt",
        "rotations.0.start": "2026-11-02T20:00",
        "rotations.0.every": "daily",
        "rules.0.target": "rotation:r0",
        "rules.0.start": "20:00",
        "rules.0.end": "08:00",
    }
    page = await press(cora, page, "check", typed)
    assert page.status == 200
    assert "Hull i lista:" in page.text
    async with line.house.db.read() as conn:
        assert await version_store.versions_of(conn, "natt") == []  # nothing is stored before it is saved
    refused = await press(cora, page, "save")
    assert refused.status == 422
    assert "Lista har hull. Velg hva som skjer der." in refused.text
    saved = await press(cora, refused, "save", {"fallback": "eva"})
    assert saved.url == "/desk/rota/rosters/natt?told=saved"
    assert "Lista er lagret." in saved.text
    version = await stored(line, "natt")
    assert version.fallback == "eva"
    assert version.saved_by == "cora"
    assert version.definition == {
        "rotations": {
            "natt": {"type": "daily", "length": 1, "start": "2026-11-02T20:00", "participants": ["noor", "asha"]}
        },
        "rules": [{"target": "rotation:natt", "from": "20:00", "to": "08:00"}],
    }
    async with line.house.db.read() as conn:
        trail = await audit.entries(conn, subject="roster:natt")
    assert [(entry.actor, entry.action) for entry in trail] == [("staff:cora", "roster_saved")]


async def test_nothing_is_saved_that_was_not_seen(line: Line, cora: Client, roster: None) -> None:
    before = await stored(line)
    page = await press(cora, await get(cora, ROSTER), "save")
    assert "Noe er endret siden du så dagene." in page.text
    page = await press(cora, page, "save", {"rotations.0.people": ["noor", "asha", ""]})
    assert "Noe er endret siden du så dagene." in page.text
    assert await stored(line) == before
    assert (await press(cora, page, "save")).url == ROSTER + "?told=saved"
    assert (await stored(line)).definition["rotations"]["uke"]["participants"] == ["noor", "asha"]


async def test_what_is_not_edited_is_kept(line: Line, cora: Client, people: None) -> None:
    whole = {
        "rotations": {"uke": {**WEEKS, "zone": "Europe/Helsinki"}},
        "layers": [
            {"target": "rotation:uke"},
            {"target": "eva", "active": [{"from": "20:00", "to": "08:00", "days": ["sat", "sun"]}]},
        ],
        "override_mode": "exclusive",
        "overrides": [{"from": "2026-10-25T02:30+01:00", "to": "2026-10-25T08:00", "add": "eva", "remove": "asha"}],
        "temporary": [
            {
                "from": "2026-12-24T08:00",
                "to": "2026-12-27T08:00",
                "shifts": [{"user": "eva", "from": "2026-12-24T08:00", "to": "2026-12-27T08:00"}],
            }
        ],
    }
    await save_roster(line, whole)
    was = (await stored(line)).definition
    assert (await save(cora, {"rotations.0.length": "2"})).url == ROSTER + "?told=saved"
    now = (await stored(line)).definition
    zone = ZoneInfo("Europe/Oslo")
    kept, meant = (read_schedule(node_of(each, file="x"), zone) for each in (now, was))
    assert replace(kept, rotations={}) == replace(meant, rotations={})
    assert kept.rotations["uke"] == replace(meant.rotations["uke"], length=2)


async def test_a_time_that_the_clock_shows_twice_is_asked_about_and_nothing_typed_is_lost(
    line: Line, cora: Client, roster: None
) -> None:
    page = await press(cora, await get(cora, ROSTER), "add.overrides")
    typed = {
        "overrides.0.add": "eva",
        "overrides.0.start": "2026-10-25T02:30",
        "overrides.0.end": "2026-10-25T08:00",
        "rotations.0.name": "uka",
    }
    page = await press(cora, page, "check", typed)
    assert page.status == 422
    assert "Klokka viser dette to ganger den dagen." in page.text
    offers = re.findall(r'name="overrides.0.start_meant" value="([^"]+)"> <span>([^<]*)<', page.text)
    assert [value for value, _ in offers] == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
    assert "første gang" in offers[0][1]
    assert "andre gang" in offers[1][1]
    assert {name: shown(page)[name] for name in typed} == typed
    page = await press(cora, page, "check", {"overrides.0.start_meant": offers[1][0]})
    assert page.status == 200
    assert (await press(cora, page, "save")).url == ROSTER + "?told=saved"
    assert (await stored(line)).definition["overrides"] == [
        {"add": "eva", "from": "2026-10-25T01:30:00Z", "to": "2026-10-25T08:00"}
    ]
    assert shown(await get(cora, ROSTER))["overrides.0.start_meant"] == "2026-10-25T01:30:00Z"


async def test_a_time_that_does_not_exist_is_asked_about_too(line: Line, cora: Client, roster: None) -> None:
    page = await press(cora, await get(cora, ROSTER), "check", {"valid_from": "2027-03-28T02:30"})
    assert page.status == 422
    assert "Dette klokkeslettet finnes ikke den dagen." in page.text
    [offer] = re.findall(r'name="valid_from_meant" value="([^"]+)"', page.text)
    page = await press(cora, page, "check", {"valid_from_meant": offer})
    assert (await press(cora, page, "save")).status == 200
    assert (await stored(line)).valid_from == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    assert "En annen versjon er alt lagret" in (await get(cora, ROSTER)).text


async def test_whoever_cannot_be_paged_may_not_stand_in_a_roster(line: Line, cora: Client, roster: None) -> None:
    async with line.house.db.write() as conn:
        await take_on(conn, line, "mute", Role.ADVISOR, reachable=False)
    page = await press(cora, await get(cora, ROSTER), "check", {"rotations.0.people": ["asha", "mute", "ghost"]})
    assert "Mute kan ikke varsles" in page.text
    assert "ghost jobber ikke her." in page.text
    before = await stored(line)
    assert (await press(cora, page, "save")).status == 422
    assert await stored(line) == before


async def test_a_language_that_nobody_speaks_is_a_hole_too(line: Line, cora: Client, roster: None) -> None:
    async with line.house.db.write() as conn:
        await accounts.change_staff(conn, "asha", languages=[Language.NB, Language.SV])
        await accounts.change_staff(conn, "noor", languages=[Language.NB])
    page = await press(cora, await get(cora, ROSTER), "check", {"languages": ["sv"]})
    assert "ingen som snakker svensk" in page.text
    assert (await press(cora, page, "save")).status == 422
    page = await press(cora, page, "save", {"fallback": "next_step"})
    assert page.url == ROSTER + "?told=saved"
    version = await stored(line)
    assert (version.languages, version.fallback) == (("sv",), "next_step")
    assert 'name="languages" value="sv" checked' in page.text
    kept = await get(cora, f"{ROSTER}/versions/{version.id}")
    assert re.search(r"snakker</dt><dd>svensk</dd>", kept.text)
    assert "<dd>Neste trinn i varslingsstigen</dd>" in kept.text


async def test_two_who_save_at_once_lose_nothing(line: Line, cora: Client, browser: Any, roster: None) -> None:
    kari = await come_in(line, await browser(), "kari", Role.COORDINATOR)
    mine = await press(kari, await get(kari, ROSTER), "check", {"rotations.0.length": "3"})
    assert (await save(cora, {"rotations.0.length": "2"})).url == ROSTER + "?told=saved"
    page = await press(kari, mine, "save")
    assert page.status == 409
    assert "Cora lagret denne lista" in page.text
    assert shown(page)["rotations.0.length"] == "3"
    theirs = re.search(r'href="(/desk/rota/rosters/main/versions/[0-9]+)"', page.text)
    assert theirs is not None
    assert (await get(kari, theirs[1])).status == 200
    assert (await stored(line)).definition["rotations"]["uke"]["length"] == 2
    assert (await press(kari, page, "save")).url == ROSTER + "?told=saved"
    assert (await stored(line)).definition["rotations"]["uke"]["length"] == 3


async def test_the_second_click_saves_nothing_twice(line: Line, cora: Client, roster: None) -> None:
    page = await press(cora, await get(cora, ROSTER), "check", {"rotations.0.length": "2"})
    assert (await press(cora, page, "save")).url == ROSTER + "?told=saved"
    once = await stored(line)
    assert (await press(cora, page, "save")).url == ROSTER + "?told=saved"
    assert await stored(line) == once
    new = await press(cora, await get(cora, "/desk/rota/rosters/new"), "check", {"name": "natt"})
    for _ in range(2):
        saved = await press(cora, new, "save", {"fallback": "next_step"})
        assert saved.url == "/desk/rota/rosters/natt?told=saved"
    async with line.house.db.read() as conn:
        assert len(await version_store.versions_of(conn, "natt")) == 1


async def test_an_older_version_is_brought_back_and_what_was_stays_listed(
    line: Line, cora: Client, roster: None, clock: SetClock
) -> None:
    first = await stored(line)
    clock.advance(timedelta(hours=1))
    await save(cora, {"rotations.0.length": "2"})
    listed = await get(cora, ROSTER + "/versions")
    assert listed.text.count("Cora") >= 2  # the roster's fixture saved as her too
    page = await get(cora, f"{ROSTER}?version={first.id}")
    assert "Dette er en tidligere versjon." in page.text
    page = await press(cora, await press(cora, page, "check"), "save")
    assert page.url == ROSTER + "?told=saved"
    now = await stored(line)
    assert now.definition == first.definition
    assert now.id > first.id
    for odd in ("version=999999", "version=1x"):
        assert (await get(cora, f"{ROSTER}?{odd}")).status in {200, 404}


async def test_wrong_names_and_a_form_of_another_session_are_refused(line: Line, cora: Client, roster: None) -> None:
    page = await get(cora, "/desk/rota/rosters/new")
    for name, said in (
        ("Natt!", "Bruk små bokstaver"),
        ("main", "Det finnes alt en liste"),
        ("", "Bruk små bokstaver"),
    ):
        wrong = await press(cora, page, "check", {"name": name})
        assert wrong.status == 422
        assert said in wrong.text
        assert shown(wrong)["name"] == name
    given, pairs = form_of(await get(cora, ROSTER), id="roster")
    stale = [(name, "0" * 64 if name == "csrf" else value) for name, value in pairs]
    assert (await send(cora, given["action"], [*stale, ("do", "save")])).status == 403
    assert (await get(cora, "/desk/rota/rosters/nothing")).status == 404
    zone = await press(cora, await get(cora, ROSTER), "check", {"zone": "Mars/Base"})
    assert zone.status == 422
    assert "Velg en tidssone." in zone.text


async def test_a_huge_form_is_refused_with_a_sentence(cora: Client, roster: None) -> None:
    given, pairs = form_of(await get(cora, ROSTER), id="roster")
    many = [(f"rules.{number}.start", "08:00") for number in range(500)]
    assert (await send(cora, given["action"], [*pairs, *many, ("do", "check")])).status == 413
