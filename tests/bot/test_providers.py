"""Certification on the desk: the whole way of a provider, what each may do, and what never shows."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import text

from bot.app import Line
from bot.asking import Answerer, referrer
from bot.desk.provider_sheet import Places
from helpline import accounts, audit
from helpline.accounts import AT_THE_LINE, NotOneOfUs, Role
from helpline.clock import SetClock, SystemClock
from helpline.content import content_folder
from helpline.messages import Country
from helpline.staffing import change_roles, invite
from helpline.web import Access
from routing.certification import decision_store, profile_store, provider_store, store, visit_store
from routing.certification.catalogue import PLACES, Catalogue, Mode
from routing.certification.standing import DecisionKind, Requirements, RowAnswer, Verdict
from routing.places import AreaKey, Level
from tests.bot.browsing import Client, Page, get, post
from tests.conftest import NINE

ORGANISATION = "se-talita"
DAY = NINE.date()
OF = f"/desk/providers/of/{ORGANISATION}"
PAGE = {"Accept": "text/html"}
CATALOGUE = Catalogue.load(content_folder())
BOOK = Requirements.load(content_folder())
TALKS = "protection.support_work.supportive_talks"
ONLY_TALKS = {row: RowAnswer(offered=row == TALKS) for row in CATALOGUE.rows}


async def come_in(line: Line, browser: Client, staff_id: str, *roles: Role) -> Client:
    """Take somebody on and sign them in by a link."""
    async with line.house.db.write() as conn:
        now = line.house.clock.now()
        await accounts.add_staff(
            conn, line.house.vault, name=staff_id.title(), roles=roles, now=now, zone="Europe/Oslo", staff_id=staff_id
        )
        token = await accounts.make_sign_in_link(conn, staff_id, now=now)
    assert (await post(browser, f"/desk/sign-in/{token}", {})).status == 200
    return browser


async def begun(line: Line, country: Country = Country.SE) -> None:
    """A provider with an empty folder, made in storage."""
    async with line.house.db.write() as conn:
        await provider_store.begin(
            conn,
            line.house.vault,
            organisation_id=ORGANISATION,
            country=country,
            name="Talita",
            actor="staff:maja",
            now=NINE,
        )


async def ready(
    line: Line,
    *,
    answers: Mapping[str, RowAnswer] = ONLY_TALKS,
    areas: Sequence[AreaKey] = ((Level.LAN, "01"),),
    begin: bool = True,
) -> None:
    """A provider of whom nothing is missing."""
    if begin:
        await begun(line)
    vault = line.house.vault
    async with line.house.db.write() as conn:
        await profile_store.save_profile(
            conn, vault, ORGANISATION, answers=answers, areas=areas, version=0, actor="staff:maja", now=NINE
        )
        await profile_store.accept_profile(conn, ORGANISATION, version=1, actor="staff:maja", now=NINE, on=NINE.date())
        await visit_store.save_visit(
            conn,
            vault,
            ORGANISATION,
            visit_id=None,
            version=0,
            on=NINE.date(),
            visitors="Maja",
            verdicts=dict.fromkeys(BOOK.by_key, Verdict.MET),
            answers={},
            recommendations={},
            actor="staff:maja",
            now=NINE,
            close=True,
        )


async def grant(line: Line, *, on: date = DAY) -> None:
    """Two coordinators certify it."""
    async with line.house.db.write() as conn:
        decision = await decision_store.propose(
            conn, line.house.vault, ORGANISATION, DecisionKind.GRANT, why="", actor="staff:maja", now=NINE
        )
        await decision_store.settle(conn, ORGANISATION, decision, confirm=True, actor="staff:siv", now=NINE, on=on)


async def certify(line: Line) -> None:
    """A certified provider, made in storage."""
    await ready(line)
    await grant(line)


async def folder(line: Line) -> store.Folder:
    async with line.house.db.read() as conn:
        kept = await store.folder(conn, line.house.vault, ORGANISATION)
    assert kept is not None
    return kept


# --- what a provider may do -----------------------------------------------------------------------------------------


def example(wanted: re.Match[str]) -> str:
    """Something that fits a part of an address."""
    pattern = (wanted[1] or ":[^/]+")[1:]
    tried = ("1", "1" * 16, "1" * 32, "maja", "sms", "urgent", "x", "pages/1", "a.svg", "norge")
    words = [word for word in re.findall(r"[\w-]+", pattern) if not word.isdigit()]
    found = next((each for each in (*tried, *words) if re.fullmatch(pattern, each)), None)
    assert found is not None, pattern
    return str(found)


ALLOWED = {
    ("GET", "/desk"),
    ("GET", "/desk/"),
    ("POST", "/desk/language"),
    ("POST", "/desk/sign-out"),
    ("GET", "/desk/provider"),
    ("GET", "/desk/provider/profile"),
    ("POST", "/desk/provider/profile"),
    ("POST", "/desk/provider/send"),
    ("POST", "/desk/provider/actions/{item:[0-9]{1,15}}"),
    ("GET", "/desk/provider/{rest:(?:send|actions/[0-9]{1,15})}"),
}


async def test_every_other_room_of_the_desk_is_not_there_for_a_provider(line: Line, client: Client) -> None:
    """Every route there is, so that a new one is tried too: of the desk, and of whatever else asks for a session."""
    await certify(line)
    anna = await come_in(line, client, "anna", Role.PROVIDER)
    token = (await get(anna, "/desk/account")).csrf
    tried = 0
    for route in line.desk.routes():
        if route.access is not Access.STAFF or (route.method, route.path) in ALLOWED:
            continue
        if route.path.startswith("/desk/account") and not route.path.startswith("/desk/account/tokens"):
            continue
        path = re.sub(r"\{\w+(:(?:[^{}]|\{[^{}]*\})*)?\}", example, route.path.replace("{rest:.*}", "nowhere"))
        matched = await client.app.router.resolve(make_mocked_request(route.method, path))
        assert matched.route.resource is not None
        assert matched.route.resource.canonical == re.sub(r"\{(\w+)(:(?:[^{}]|\{[^{}]*\})*)?\}", r"{\1}", route.path), (
            path
        )
        fields = {"csrf": token} if route.method == "POST" else None
        response = await anna.request(route.method, path, data=fields, allow_redirects=False)
        assert response.status == 404, (route.method, path)
        tried += 1
    assert tried > 150
    assert Role.PROVIDER not in AT_THE_LINE
    async with line.house.db.read() as conn:
        assert await accounts.find_staff(conn, "anna") is not None  # and none of it did anything to her


async def test_no_operation_of_the_api_and_no_other_route_is_for_providers(line: Line) -> None:
    assert all(Role.PROVIDER not in operation.roles for operation in line.api.operations)
    other = [
        route.resource.canonical
        for route in line.application().router.routes()
        if getattr(route.handler, "_access", None) is Access.STAFF and route.resource is not None
    ]
    assert [path for path in other if not path.startswith("/desk")] == []


async def test_a_providers_sign_in_never_becomes_one_of_ours(line: Line, client: Client) -> None:
    ada = await come_in(line, client, "ada", Role.ADMINISTRATOR)
    async with line.house.db.write() as conn:
        made = await invite(
            conn,
            line.house.vault,
            email="anna@example.org",
            roles=[Role.PROVIDER],
            zone="Europe/Stockholm",
            actor="staff:maja",
            now=NINE,
        )
    # Whoever is at a provider has no colleagues here and answers nobody.
    welcome = (await get(client, f"/desk/invitation/{made.token}")).text
    assert ("<h1>Velkommen</h1>" in welcome, "svarer på" in welcome, "ollegaene" in welcome) == (True, False, False)
    with pytest.raises(NotOneOfUs):
        async with line.house.db.write() as conn:
            await change_roles(conn, made.staff.id, [Role.ADVISOR], actor="staff:ada", now=NINE)
    with pytest.raises(NotOneOfUs):
        async with line.house.db.write() as conn:
            await change_roles(conn, "ada", [Role.ADMINISTRATOR, Role.PROVIDER], actor="staff:bo", now=NINE)
    page = await get(ada, f"/desk/staff/{made.staff.id}")
    assert "Den har ingen annen rolle" in page.text
    assert 'value="provider"' not in (await get(ada, "/desk/staff/new")).text
    page = await post(ada, f"/desk/staff/{made.staff.id}/roles", {"csrf": page.csrf, "role": "advisor"})
    assert (page.status, "Den har ingen annen rolle" in page.text) == (409, True)


async def test_a_provider_sees_its_own_folder_and_no_other(line: Line, client: Client) -> None:
    await certify(line)
    async with line.house.db.write() as conn:
        await provider_store.begin(
            conn,
            line.house.vault,
            organisation_id="se-noomi",
            country=Country.SE,
            name="Noomi",
            actor="staff:maja",
            now=NINE,
        )
        other = await visit_store.add_action(
            conn,
            line.house.vault,
            ORGANISATION,
            requirement="",
            what="Något hos Talita",
            owner="Chefen",
            due_on=NINE.date(),
            actor="staff:maja",
            now=NINE,
        )
    anna = await come_in(line, client, "anna", Role.PROVIDER)
    assert "Innloggingen din hører ikke til noen aktør" in (await get(anna, "/desk/provider")).text
    async with line.house.db.write() as conn:
        await provider_store.add_member(conn, "se-noomi", "anna", actor="staff:maja", now=NINE)
    page = await get(anna, "/desk/")
    assert (page.url, "Noomi" in page.text, "Talita" in page.text) == ("/desk/provider", True, False)
    page = await post(anna, f"/desk/provider/actions/{other}", {"csrf": page.csrf})
    assert page.status == 404
    async with line.house.db.write() as conn:
        await provider_store.leave(conn, "se-noomi", actor="staff:maja", now=NINE)
    assert (await get(anna, "/desk/provider/profile")).status == 404


# --- the coordinator's folder ---------------------------------------------------------------------------------------


async def test_what_is_missing_is_said_and_the_one_who_proposes_does_not_confirm(
    line: Line, client: Client, aiohttp_client: Any
) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    async with line.house.db.write() as conn:
        await provider_store.begin(
            conn,
            line.house.vault,
            organisation_id=ORGANISATION,
            country=Country.SE,
            name="Talita",
            actor="staff:maja",
            now=NINE,
        )
    page = await get(maja, OF)
    refused = await post(maja, f"{OF}/decide", {"csrf": page.csrf, "kind": "grant", "why": "Fordi vi vil."})
    assert refused.status == 422
    for said in ("Virksomhetsprofilen er ikke fylt ut.", "Det har ikke vært noe sertifiseringsbesøk."):
        assert said in refused.text
    async with line.house.db.read() as conn:
        assert await store.certified(conn, NINE.date(), line.house.library.gazetteer) == {}
    assert (await post(maja, f"{OF}/decide", {"csrf": page.csrf, "kind": "party"})).status == 400

    await ready(line)
    page = await post(maja, f"{OF}/decide", {"csrf": page.csrf, "kind": "grant", "why": ""})
    assert "En annen koordinator må bekrefte" in page.text
    again = await post(maja, f"{OF}/decide", {"csrf": page.csrf, "kind": "grant"})  # the second click
    assert "Forslaget er lagret" in again.text
    decision = found(page, r"/decide/(\d+)")
    own = await post(maja, f"{OF}/decide/{decision}", {"csrf": page.csrf, "do": "confirm"})
    assert (own.status, "bekrefter ikke selv" in own.text) == (409, True)
    siv = await come_in(
        line, await aiohttp_client(client.server, headers={"Accept": "text/html"}), "siv", Role.COORDINATOR
    )
    page = await get(siv, OF)
    theirs = await post(siv, f"{OF}/decide", {"csrf": page.csrf, "kind": "grant"})
    assert "Noen andre endret dette" in theirs.text
    page = await post(siv, f"{OF}/decide/{decision}", {"csrf": page.csrf, "do": "confirm"})
    assert page.status == 200
    async with line.house.db.read() as conn:
        (scope,) = (await store.certified(conn, NINE.date(), line.house.library.gazetteer)).values()
        assert list(scope) == [TALKS]
        actions = [entry.action for entry in await audit.entries(conn, subject=f"provider:{ORGANISATION}", limit=50)]
    assert actions[0] == "provider_decision_confirmed"
    late = await post(siv, f"{OF}/decide/{decision}", {"csrf": page.csrf, "do": "no"})
    assert late.url.endswith("told=meanwhile#decide") or "told=meanwhile" in late.url


def found(page: Page, pattern: str) -> str:
    match = re.search(pattern, page.text)
    assert match is not None, pattern
    return str(match[1])


async def test_a_proposal_that_no_longer_holds_cannot_be_confirmed(line: Line, client: Client) -> None:
    await ready(line)
    async with line.house.db.write() as conn:
        decision = await decision_store.propose(
            conn, line.house.vault, ORGANISATION, DecisionKind.GRANT, why="", actor="staff:siv", now=NINE
        )
        await visit_store.save_visit(
            conn,
            line.house.vault,
            ORGANISATION,
            visit_id=None,
            version=0,
            on=NINE.date(),
            visitors="Siv",
            verdicts={"incidents": Verdict.NOT_MET},
            answers={},
            recommendations={},
            actor="staff:siv",
            now=NINE,
            close=True,
        )
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    page = await get(maja, OF)
    page = await post(maja, f"{OF}/decide/{decision}", {"csrf": page.csrf, "do": "confirm"})
    assert (page.status, "mangler tiltak i planen: 1 (nr. 24)" in page.text) == (422, True)


async def test_a_form_keeps_what_was_typed_and_saves_the_rest(line: Line, client: Client) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    await begun(line)
    address = f"{OF}/profile?area=protection"
    page = await get(maja, address)
    talks, places = TALKS.replace(".", "-"), PLACES.replace(".", "-")
    fields = {
        "csrf": page.csrf,
        "version": "0",
        "region": "01",
        f"{talks}.offered": "yes",
        f"{talks}.comment": "Vår klient heter Fatima Johansson, født 010190 12345.",
        f"{talks}.mode": "financial",
        f"{places}.value": "mange",
        "protection-medical_care-first_aid.where": "Solna, Ingensteds",
        "protection-medical_care-first_aid.mode": "financial",  # the form does not ask for that here
    }
    page = await post(maja, address, fields)
    assert page.status == 422
    assert "Skriv et helt tall med sifre, ikke mange." in page.text
    assert "tvetydig sted: Ingensteds" in page.text
    assert 'value="mange"' in page.text
    assert 'value="Solna, Ingensteds"' in page.text
    assert "Johansson" not in page.text
    kept = await folder(line)
    draft = kept.facts.draft
    assert draft is not None
    assert draft.answers[TALKS].offered
    assert draft.answers[TALKS].mode == "financial"
    assert "12345" not in draft.answers[TALKS].comment
    assert PLACES not in draft.answers
    assert draft.areas == ((Level.LAN, "01"),)
    # A second tab with the first one's version: shown again as typed, and saved by the next press.
    page = await post(maja, address, {**fields, f"{places}.value": "4", "protection-medical_care-first_aid.where": ""})
    assert (page.status, "Noen andre endret dette" in page.text, 'value="4"' in page.text) == (409, True, True)
    version = found(page, r'name="version" value="(\d+)"')
    page = await post(
        maja,
        address,
        {**fields, "version": version, f"{places}.value": "4", "protection-medical_care-first_aid.where": "Solna"},
    )
    assert page.status == 200
    draft = (await folder(line)).facts.draft
    assert draft is not None
    assert (draft.answers[PLACES].value, draft.answers[PLACES].offered) == ("4", True)
    assert draft.answers["protection.medical_care.first_aid"].areas == ((Level.KOMMUNE, "0184"),)
    assert draft.answers["protection.medical_care.first_aid"].mode is None


async def test_a_visit_is_written_in_sittings_and_never_after_it_was_closed(line: Line, client: Client) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    await begun(line)
    page = await get(maja, f"{OF}/visits/new")
    fields = {"csrf": page.csrf, "version": "0", "on": "2031-01-01", "complaints.answer": "Det finns en pärm."}
    page = await post(maja, f"{OF}/visits/new", fields)
    assert (page.status, "Det finns en pärm." in page.text) == (422, True)
    fields["on"] = NINE.date().isoformat()
    page = await post(maja, f"{OF}/visits/new", fields)
    assert page.url.endswith("?told=saved")
    visit = page.url.partition("?")[0]
    fields |= {"version": "1", "complaints.verdict": "met", "do": "close"}
    page = await post(maja, visit, fields)
    assert (page.status, "Skriv hvem som besøkte" in page.text) == (422, True)
    page = await post(maja, visit, {**fields, "visitors": "Maja"})
    assert "Besøket er avsluttet" in page.text
    page = await post(maja, visit, {**fields, "version": "2", "visitors": "Maja", "complaints.verdict": "not_met"})
    assert page.status == 409
    kept = (await folder(line)).visits[0]
    assert kept.visit.verdicts["complaints"] is Verdict.MET
    assert (await get(maja, f"{OF}/visits/999")).status == 404


async def test_an_accepted_profile_can_be_read_for_ever_and_a_draft_is_none(line: Line, client: Client) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    housing = {
        PLACES: RowAnswer(offered=True, value="4"),
        "protection.housing.catering": RowAnswer(offered=True, value="all_meals"),
    }
    talks = RowAnswer(offered=True, mode=Mode.EXTERNAL, targets=("women",), comment="Varje vardag.")
    await ready(line, answers={**ONLY_TALKS, **housing, TALKS: talks})
    async with line.house.db.write() as conn:
        await profile_store.save_profile(
            conn,
            line.house.vault,
            ORGANISATION,
            answers={TALKS: RowAnswer(offered=False)},
            areas=[],
            version=0,
            actor="staff:maja",
            now=NINE,
        )
    assert f"{OF}/profiles/1" in (await get(maja, OF)).text
    page = await get(maja, f"{OF}/profiles/1")
    for said in (
        "Antal platser</span>",
        ": 4",
        "Alle måltider",
        "Stödsamtal",
        "Gjennom andre",
        "Kvinner",
        "Varje vardag.",
    ):
        assert said in page.text, said
    assert "Forskning" not in page.text
    assert (await get(maja, f"{OF}/profiles/2")).status == 404


async def test_the_yearly_check_needs_a_training_and_gives_another_year(
    line: Line, client: Client, clock: SetClock
) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    await certify(line)
    page = await get(maja, OF)
    fields = {"csrf": page.csrf, "values": "yes", "requirements": "yes", "cases": "yes"}
    refused = await post(maja, f"{OF}/checks", fields)
    assert (refused.status, "Ingen opplæring eller erfaringsutveksling" in refused.text) == (422, True)
    refused = await post(maja, f"{OF}/checks", {"csrf": page.csrf, "values": "yes"})
    assert "Skriv hva som ikke er i orden" in refused.text
    day = NINE.date().isoformat()
    page = await post(maja, f"{OF}/trainings", {"csrf": page.csrf, "which": "Nätverksdag", "on": day})
    assert "Nätverksdag" in page.text
    page = await post(maja, f"{OF}/checks", fields)
    assert page.status == 200
    clock.advance(timedelta(days=366))
    async with line.house.db.read() as conn:
        assert await store.certified(conn, clock.now().date(), line.house.library.gazetteer) == {}


async def test_what_a_later_profile_adds_waits_for_two_coordinators(
    line: Line, client: Client, clock: SetClock, aiohttp_client: Any
) -> None:
    await certify(line)
    clock.advance(timedelta(hours=1))
    first_aid = "protection.medical_care.first_aid"
    async with line.house.db.write() as conn:
        await profile_store.save_profile(
            conn,
            line.house.vault,
            ORGANISATION,
            answers={first_aid: RowAnswer(offered=True, areas=((Level.LAN, "12"),))},
            areas=[(Level.LAN, "01"), (Level.LAN, "12")],
            version=0,
            actor="staff:anna",
            now=clock.now(),
        )
        await provider_store.add_member(conn, ORGANISATION, "anna", actor="staff:maja", now=NINE)
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    siv = await come_in(line, await aiohttp_client(client.server, headers=PAGE), "siv", Role.COORDINATOR)
    anna = await come_in(line, await aiohttp_client(client.server, headers=PAGE), "anna", Role.PROVIDER)
    visitor = await aiohttp_client(client.server, headers=PAGE)

    async def listed(region: str) -> set[str]:
        page = await get(visitor, f"/providers?country=SE&region={region}")
        return {row for row in (TALKS, first_aid) if CATALOGUE.rows[row].sv in page.text}

    assert "venter på vedtak" not in (await get(maja, OF)).text  # a draft is nothing yet
    token = (await get(maja, OF)).csrf
    refused = await post(maja, f"{OF}/decide", {"csrf": token, "kind": "grant"})
    assert (refused.status, "Aktøren er sertifisert." in refused.text) == (422, True)
    page = await post(maja, f"{OF}/profile/judge", {"csrf": token, "version": "1", "do": "accept"})
    assert page.url.endswith("told=accepted")
    # Both the row that is new and the one that reaches farther now; on the folder and in the provider's own page.
    for told in (page, await get(anna, "/desk/provider")):
        assert "Rader som venter på vedtak: 2." in told.text
        assert CATALOGUE.rows[first_aid].sv in told.text
    assert "Rader som venter på vedtak: 2." in (await get(maja, "/desk/providers")).text
    assert (await listed("01"), await listed("12")) == ({TALKS}, set())
    assert {(TALKS, "12"), (first_aid, "12")} <= await gaps_in(maja, "SE")
    # In a tab from before another profile was accepted, it is not decided on unseen.
    proposal = {"csrf": token, "kind": "grant", "why": "Alt er sett på."}
    stale = await post(maja, f"{OF}/decide", proposal | {"profile": "1"})
    assert (stale.status, "Noen andre endret dette" in stale.text, "Alt er sett på." in stale.text) == (409, True, True)
    page = await post(maja, f"{OF}/decide", proposal | {"profile": found(stale, r'name="profile" value="(\d+)"')})
    decision = found(page, r"/decide/(\d+)")
    page = await get(siv, OF)
    page = await post(siv, f"{OF}/decide/{decision}", {"csrf": page.csrf, "do": "confirm"})
    assert "venter på vedtak" not in page.text
    async with line.house.db.read() as conn:
        (scope,) = (await store.certified(conn, NINE.date(), line.house.library.gazetteer)).values()
    assert {(row, (Level.LAN, "12") in at.whole) for row, at in scope.items()} == {(TALKS, True), (first_aid, True)}
    assert not {(TALKS, "12"), (first_aid, "12")} & await gaps_in(maja, "SE")
    # What is withdrawn needs nobody's decision.
    async with line.house.db.write() as conn:
        await profile_store.save_profile(
            conn,
            line.house.vault,
            ORGANISATION,
            answers={TALKS: RowAnswer(offered=False)},
            areas=[(Level.LAN, "12")],
            version=0,
            actor="staff:anna",
            now=clock.now(),
        )
    page = await post(maja, f"{OF}/profile/judge", {"csrf": token, "version": "1", "do": "accept"})
    assert "venter på vedtak" not in page.text
    assert (await listed("01"), await listed("12")) == (set(), {first_aid})


async def test_a_form_that_is_sent_twice_makes_one_and_one_that_was_changed_another(line: Line, client: Client) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    await certify(line)
    page = await get(maja, OF)
    day, once = NINE.date().isoformat(), {"csrf": page.csrf, "form_id": found(page, r'name="form_id" value="(\w+)"')}
    action = {**once, "what": "Skriv en rutin", "owner": "Chefen", "due_on": day}
    training = {**once, "which": "Nätverksdag", "on": day}
    check = {**once, "note": "Rutinerna saknas."}
    for path, fields in (("actions", action), ("actions", action), ("trainings", training), ("trainings", training)):
        assert (await post(maja, f"{OF}/{path}", fields)).status == 200
    await post(maja, f"{OF}/actions", {**action, "what": "Skriv en annan rutin"})
    for _ in range(2):
        await post(maja, f"{OF}/checks", check)
    page = await get(maja, f"{OF}/visits/new")
    visit = {"csrf": page.csrf, "form_id": found(page, r'name="form_id" value="(\w+)"'), "version": "0", "on": day}
    first, second = [await post(maja, f"{OF}/visits/new", visit) for _ in range(2)]
    assert first.url == second.url
    kept = await folder(line)
    assert sorted(each.what for each in kept.actions) == ["Skriv en annan rutin", "Skriv en rutin"]
    assert (len(kept.trainings), len(kept.checks), len(kept.visits)) == (1, 1, 2)
    async with line.house.db.read() as conn:
        entries = await audit.entries(conn, subject=f"provider:{ORGANISATION}", limit=50)
    done = [entry.action for entry in entries]
    assert [done.count(f"provider_{what}") for what in ("action_added", "training_noted", "checked")] == [2, 1, 1]


# --- what others see ------------------------------------------------------------------------------------------------


async def test_the_public_list_has_kinds_and_regions_and_no_place_number_or_comment(line: Line, client: Client) -> None:
    secret = "Storgatan"
    await begun(line)
    answers: Mapping[str, RowAnswer] = {row: RowAnswer(offered=False) for row in CATALOGUE.rows} | {
        PLACES: RowAnswer(offered=True, value="7717", areas=((Level.KOMMUNE, "0184"),), comment=f"Vid {secret}"),
        "protection.housing.classification": RowAnswer(offered=True, value="protected_housing"),
        "protection.housing.assessed_security": RowAnswer(offered=True, value="high"),
        TALKS: RowAnswer(offered=True, targets=("women",), comment=secret),
    }
    await ready(line, answers=answers, areas=((Level.KOMMUNE, "0184"),), begin=False)
    await grant(line)
    for language, words in {
        "nb": "Beskyttet bolig: Beskyttet botilbud",
        "nn": "Skjerma bustad: Skjerma butilbod",
        "sv": "Skyddat boende: Skyddat boende",
        "en": "Protected housing: Protected housing",
    }.items():
        page = await get(client, f"/providers?country=SE&lang={language}")
        assert words in page.text, language
        assert "Stockholms län" in page.text
        for hidden in (secret, "7717", "Solna", "0184", "Säkerheten", "Maja"):
            assert hidden not in page.text, hidden
    assert "Talita" in (await get(client, "/providers?country=SE&region=01")).text
    assert "Talita" not in (await get(client, "/providers?country=SE&region=12")).text
    assert "Talita" not in (await get(client, "/providers?country=NO")).text
    assert (await get(client, "/providers?country=XX")).status == 404


async def test_who_has_lapsed_is_listed_and_offered_no_more(line: Line, client: Client, clock: SetClock) -> None:
    await certify(line)
    await line.house.library.refresh(line.house.db, now=clock.now())
    assert certified_in(line) == {"se-talita"}
    assert "Talita" in (await get(client, "/providers?country=SE")).text
    clock.advance(timedelta(days=366))
    assert "Talita" not in (await get(client, "/providers?country=SE")).text
    await line.house.library.refresh(line.house.db, now=clock.now())  # nobody has written anything since
    assert certified_in(line) == set()


def certified_in(line: Line) -> set[str]:
    directory = line.house.library.directory
    return {service.id for service in directory.services if directory.is_certified(service)}


async def test_varde_refer_says_certified_of_whoever_is_today_and_of_nobody_else(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VARDE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VARDE_SECRET_KEY", base64.b64encode(bytes(range(32))).decode())
    question = {"place": "Stockholm", "country": "SE", "need": ["housing"], "sex": "female"}
    today = SystemClock().now().date()

    async def reasons() -> set[str]:
        """As the command answers: it opens the database by itself, and knows the time by itself."""
        return said(await asyncio.to_thread(referrer), question)

    async def decide(day: date) -> None:
        """The same decision, on the same profile, on another day."""
        async with line.house.db.write() as conn:
            for column in ("provider_decision SET settled_on", "provider_profile SET accepted_on"):
                await conn.execute(text(f"UPDATE {column} = :day"), {"day": str(day)})

    await ready(line)
    await grant(line)
    await decide(today)
    assert "certified" in await reasons()
    await decide(today - timedelta(days=730))
    assert "certified" not in await reasons()
    # Of the day that is asked about, and not of today.
    answer = await asyncio.to_thread(referrer)
    for days, expected in ((-731, False), (-730, True), (-400, True), (-360, False), (400, False)):
        noon = datetime.combine(today + timedelta(days=days), time(12), tzinfo=UTC)
        assert ("certified" in said(answer, question | {"at": noon.isoformat()})) is expected, days


def said(answer: Answerer, question: Mapping[str, Any]) -> set[str]:
    """The codes of the reasons for the one service of this provider."""
    (offered,) = [each for each in answer(question)["offered"] if each["id"] == "se-talita"]
    return {reason.partition(":")[0] for reason in offered["reasons"]}


async def test_gaps_are_told_by_row_and_region_on_a_page_and_in_a_file(line: Line, client: Client) -> None:
    maja = await come_in(line, client, "maja", Role.COORDINATOR)
    before = await gaps_in(maja, "SE")
    assert len(before) == 79 * 21
    await certify(line)
    after = await gaps_in(maja, "SE")
    assert before - after == {(TALKS, "01")}
    assert len(await gaps_in(maja, "NO")) == 79 * 15
    page = await get(maja, "/desk/providers/gaps?country=SE&region=01")
    assert "Stödsamtal" not in page.text
    assert "Stödsamtal" in (await get(maja, "/desk/providers/gaps?country=SE&region=12")).text


async def gaps_in(browser: Client, country: str) -> set[tuple[str, str]]:
    response = await browser.get(f"/desk/providers/gaps.csv?country={country}")
    rows = csv.DictReader(io.StringIO((await response.text()).removeprefix("\ufeff")))
    return {(row["row"], row["code"]) for row in rows}


def test_every_place_is_read_back_from_its_name_in_the_form(line: Line) -> None:
    gazetteer = line.house.library.gazetteer
    for country in Country:
        places = Places(country, gazetteer)
        for place in (*places.regions, *gazetteer.places(country, Level.KOMMUNE), gazetteer.nation(country)):
            keys, unknown = places.read(f" {places.name(place.key).upper()} ,")
            assert unknown == ()
            # Oslo is a fylke with one kommune of the same name: the fylke is meant by both.
            assert keys == ((Level.FYLKE, "03") if place.name == "Oslo" else place.key,)
    assert Places(Country.NO, gazetteer).read("Herøy, Ingensteds") == ((), ("Herøy", "Ingensteds"))
