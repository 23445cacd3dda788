"""One's own account, the staff room and the record of views, by the front door."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from helpline import accounts, credentials, staff_sessions, staffing
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.web import Access
from tests.authenticator import Authenticator
from tests.bot import browsing
from tests.bot.browsing import Client, Page, get, post
from tests.bot.coming_in import (
    AT_LOCALHOST,
    JSON,
    App,
    codes_on,
    cookies,
    invite,
    make_password,
    secret_on,
    sign_in,
    signed_in_as,
    staff_of,
)
from tests.bot.conftest import MakeClient
from tests.bot.test_desk import some_ones
from tests.bot.test_webchat import DATA, QUESTION

HTML = {"Accept": "text/html", "Accept-Language": "nb"}


@pytest.fixture
def browser(client: Client, aiohttp_client: MakeClient) -> Any:
    """Opens another browser in front of the same line."""

    async def open_one() -> Client:
        return await aiohttp_client(client.server, headers=HTML)

    return open_one


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


@pytest.fixture
async def ada(line: Line, browser: Any) -> Client:
    """An administrator and nothing else, signed in."""
    return await come_in(line, await browser(), "ada", Role.ADMINISTRATOR)


@pytest.fixture
async def eva(line: Line, browser: Any) -> Client:
    """An editor, signed in by a link, with no way in of her own yet."""
    return await come_in(line, await browser(), "eva", Role.EDITOR)


@pytest.fixture
async def case(line: Line, client: Client) -> str:
    """A clinician waits for an advisor; the case's id."""
    await browsing.say(client, QUESTION)
    await browsing.tap(client, "a")
    async with line.house.db.read() as conn:
        return str((await conn.execute(sql("SELECT id FROM escalation"))).scalar_one())


async def csrf(browser: Client) -> str:
    return (await get(browser, "/desk/account")).csrf


async def audited(line: Line, action: str) -> list[tuple[str, str]]:
    async with line.house.db.read() as conn:
        rows = await conn.execute(
            sql("SELECT actor, subject FROM audit_entry WHERE action = :action ORDER BY id"), {"action": action}
        )
        return [(row.actor, row.subject) for row in rows]


# --- the staff room -------------------------------------------------------------------------------------------------


async def test_an_administrator_invites_and_the_link_works(line: Line, ada: Client, browser: Any) -> None:
    form = await get(ada, "/desk/staff/new")
    fields = {"csrf": form.csrf, "email": "noor@example.org", "name": "Noor Lie", "role": "advisor", "spoken": "nb"}
    page = await post(ada, "/desk/staff/new", fields)
    found = re.search(r"http://[\d.:]+(/desk/invitation/[\w-]+)</textarea>", page.text)
    assert found is not None
    assert "Invitert til" in (await get(ada, "/desk/staff")).text
    noor = await browser()
    _, codes, _ = await make_password(line, noor, found[1])
    assert len(codes) == 10
    assert (await staff_of(line, "noor")).roles == {Role.ADVISOR}
    assert await audited(line, "staff_invited") == [("staff:ada", "staff:noor")]
    assert "Invitasjon brukt" in (await get(ada, "/desk/staff/noor")).text
    assert found[1] not in (await get(ada, "/desk/staff/noor")).text  # shown once


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "no address", "role": "editor"}, "Skriv en e-postadresse."),
        ({"email": "noor@example.org"}, "Velg minst én rolle."),
        ({"email": "noor@example.org", "role": "king"}, "Velg minst én rolle."),
        ({"email": "EVA@example.org ", "role": "editor"}, "som er her fra før"),
    ],
)
async def test_an_invitation_that_cannot_be_made_keeps_what_was_typed(
    fields: dict[str, str], said: str, line: Line, ada: Client
) -> None:
    await invite(line)
    form = await get(ada, "/desk/staff/new")
    page = await post(ada, "/desk/staff/new", {"csrf": form.csrf, "name": "Noor «N» Lie", **fields})
    assert page.status == 422
    assert said in page.text
    assert "Noor «N» Lie" in page.text
    assert f'value="{fields["email"].strip()}"' in page.text
    assert len(await audited(line, "staff_invited")) == 1


async def test_roles_are_given_and_hold_from_the_next_page(line: Line, ada: Client, eva: Client) -> None:
    assert (await get(eva, "/desk/records")).status == 404
    page = await get(ada, "/desk/staff/eva")
    page = await post(ada, "/desk/staff/eva/roles", {"csrf": page.csrf, "role": "coordinator"})
    assert "Rollene er lagret" in page.text
    assert (await get(eva, "/desk/records")).status == 200
    assert await audited(line, "staff_roles_changed") == [("staff:ada", "staff:eva")]
    page = await post(ada, "/desk/staff/eva/roles", {"csrf": page.csrf})
    assert (page.status, "Velg minst én rolle" in page.text) == (422, True)
    assert (await staff_of(line, "eva")).roles == {Role.COORDINATOR}


async def test_nobody_widens_their_own_trust(line: Line, ada: Client) -> None:
    token = await csrf(ada)
    assert 'action="/desk/staff/ada/roles"' not in (await get(ada, "/desk/staff/ada")).text
    page = await post(ada, "/desk/staff/ada/roles", {"csrf": token, "role": "advisor"})
    assert (page.status, "Ingen endrer sine egne roller" in page.text) == (409, True)
    assert (await post(ada, "/desk/staff/ada/let-go", {"csrf": token})).status == 409
    ada_now = await staff_of(line, "ada")
    assert ada_now.roles == {Role.ADMINISTRATOR}
    assert ada_now.active


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
async def test_only_administrators_have_the_staff_room(role: Role, line: Line, browser: Any) -> None:
    """A forged form too: the right token and the right address are not enough."""
    somebody = await come_in(line, await browser(), "kim", role)
    await come_in(line, await browser(), "noor", Role.EDITOR)
    token = await csrf(somebody)
    assert (await get(somebody, "/desk/staff")).status == 404
    for path, fields in (
        ("/desk/staff/new", {"email": "a@example.org", "role": "administrator"}),
        ("/desk/staff/kim/roles", {"role": "administrator"}),
        ("/desk/staff/noor/roles", {"role": "administrator"}),
        ("/desk/staff/noor/link", {}),
        ("/desk/staff/noor/let-go", {}),
        ("/desk/staff/noor/take-back", {}),
        ("/desk/staff/noor/sign-out", {}),
        ("/desk/staff/noor/withdraw", {}),
    ):
        assert (await post(somebody, path, {"csrf": token, **fields})).status == 404, path
    assert (await staff_of(line, "kim")).roles == {role}
    assert (await staff_of(line, "noor")).active
    # Nor by a field that the account's own form does not have.
    await post(somebody, "/desk/account", {"csrf": token, "name": "Kim", "zone": "UTC", "role": "administrator"})
    assert (await staff_of(line, "kim")).roles == {role}


async def test_letting_go_signs_out_at_once_and_taking_back_begins_anew(
    line: Line, ada: Client, eva: Client, browser: Any
) -> None:
    token = await csrf(ada)
    page = await post(ada, "/desk/staff/eva/let-go", {"csrf": token})
    assert "Arbeidet er avsluttet" in page.text
    assert not await signed_in_as(eva)
    assert (await post(ada, "/desk/staff/eva/let-go", {"csrf": token})).status == 200  # twice is as good as once
    assert (await post(ada, "/desk/staff/eva/link", {"csrf": token})).status == 409
    page = await post(ada, "/desk/staff/eva/take-back", {"csrf": token})
    found = re.search(r"(/desk/invitation/[\w-]+)</textarea>", page.text)
    assert found is not None
    await make_password(line, await browser(), found[1])
    assert [actor for actor, _ in await audited(line, "staff_deactivated")] == ["staff:ada"]
    assert [actor for actor, _ in await audited(line, "staff_reactivated")] == ["staff:ada"]


async def test_a_link_is_made_anew_and_withdrawn(line: Line, ada: Client, eva: Client, client: Client) -> None:
    token = await csrf(ada)
    links = []
    for _ in range(2):
        page = await post(ada, "/desk/staff/eva/link", {"csrf": token})
        found = re.search(r"(/desk/invitation/[\w-]+)</textarea>", page.text)
        assert found is not None
        links.append(found[1])
    assert [(await get(client, link)).status for link in links] == [403, 200]
    page = await post(ada, "/desk/staff/eva/withdraw", {"csrf": token})
    assert "Lenken virker ikke lenger" in page.text
    assert (await get(client, links[1])).status == 403
    await post(ada, "/desk/staff/eva/sign-out", {"csrf": token})
    assert not await signed_in_as(eva)


async def test_whoever_is_not_there_is_not_there(ada: Client) -> None:
    token = await csrf(ada)
    assert (await get(ada, "/desk/staff/nobody")).status == 404
    for act in ("roles", "link", "let-go", "take-back"):
        assert (await post(ada, f"/desk/staff/nobody/{act}", {"csrf": token, "role": "editor"})).status == 404


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_without_the_sessions_token_changes_nothing(
    token: str, line: Line, ada: Client, eva: Client
) -> None:
    """Every form of the account and the staff room, so that a new one is tried too."""
    rooms = line.desk._people
    tried = 0
    for route in (route for room in rooms for route in room.routes()):
        if route.access is not Access.STAFF or route.method != "POST":
            continue
        path = route.path.replace("{id:[a-z0-9._-]+}", "eva").replace("{channel:[a-z0-9]+}", "sms")
        path = re.sub(r"\{\w+:([a-z][\w-]*)\|[^{}]*\}", r"\1", path)  # one of several words: the first
        path = re.sub(r"\{\w+(:(?:[^{}]|\{[^{}]*\})*)?\}", some_ones, path)
        assert (await post(ada, path, {"csrf": token, "role": "editor"})).status == 403, path
        tried += 1
    assert tried >= 18
    assert (await staff_of(line, "eva")).active
    assert await signed_in_as(ada)


# --- an administrator reads no conversation -------------------------------------------------------------------------


async def test_an_administrator_reads_no_conversation(line: Line, ada: Client, case: str) -> None:
    token = await csrf(ada)
    for path in (f"/desk/{case}", f"/desk/{case}/live", "/desk/lists", "/desk/live"):
        response = await ada.get(path, headers=DATA, allow_redirects=False)
        assert response.status == 404, path
    for act in ("take", "reply", "pass-on", "close"):
        page = await post(ada, f"/desk/{case}/{act}", {"csrf": token, "outcome": "answered", "text": "hei", "to": ""})
        assert page.status == 404, act
    for path in ("/desk/", "/desk/staff", "/desk/records", "/desk/account"):
        assert "tolke for" not in (await get(ada, path)).text
    async with line.house.db.read() as conn:
        assert (await conn.execute(sql("SELECT owner_id FROM escalation"))).scalar_one() is None
    assert await audited(line, "conversation_viewed") == []


# --- who looked at what ---------------------------------------------------------------------------------------------


async def view(line: Line, advisor: Client, case: str) -> None:
    page = await get(advisor, "/desk/")
    await post(advisor, f"/desk/{case}/take", {"csrf": page.csrf})
    await get(advisor, f"/desk/{case}")


async def test_every_view_is_on_record_without_the_words(line: Line, ada: Client, browser: Any, case: str) -> None:
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    assert "Ingen har sett noe ennå" in (await get(ada, "/desk/records")).text
    await view(line, asha, case)
    views = len(await audited(line, "conversation_viewed"))
    assert views >= 2
    page = await get(ada, "/desk/records")
    assert page.text.count('data-label="Hvem">Asha<') == views
    assert "tolke for" not in page.text
    async with line.house.db.read() as conn:
        code = (await conn.execute(sql("SELECT code FROM escalation"))).scalar_one()
    assert page.text.count(f">{code}<") == views
    assert (await get(ada, f"/desk/records?code={code}&who=asha")).text.count(f">{code}<") == views
    for nothing in ("code=1", "who=ada", "code=%00", "code=' OR 1"):
        assert "Ingen har sett noe ennå" in (await get(ada, f"/desk/records?{nothing}")).text
    assert (await get(asha, "/desk/records")).status == 404


async def test_the_record_is_read_page_by_page(line: Line, ada: Client, browser: Any, case: str) -> None:
    asha = await come_in(line, await browser(), "asha", Role.ADVISOR)
    await view(line, asha, case)
    for _ in range(60):
        await get(asha, f"/desk/{case}")
    views = len(await audited(line, "conversation_viewed"))
    first = await get(ada, "/desk/records?who=asha")
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    second = await get(ada, older[1].replace("&amp;", "&"))
    assert first.text.count("Asha</td>") + second.text.count("Asha</td>") == views
    assert 'rel="next"' not in second.text
    assert "Nyeste" in second.text
    assert (await get(ada, "/desk/records?before=9999999999999999999999")).status == 200


# --- one's own account ----------------------------------------------------------------------------------------------


async def test_name_place_and_languages(line: Line, eva: Client) -> None:
    token = await csrf(eva)
    fields = {"csrf": token, "name": "Eva  Lind", "zone": "Europe/Stockholm", "spoken": "sv"}
    assert "Lagret." in (await post(eva, "/desk/account", fields)).text
    me = await staff_of(line, "eva")
    assert (me.name, me.zone, [each.value for each in me.languages]) == ("Eva Lind", "Europe/Stockholm", ["sv"])
    page = await post(eva, "/desk/account", {**fields, "name": "<b>" * 40, "zone": "Mars/Olympus"})
    assert page.status == 422
    assert "Skriv en tidssone" in page.text
    assert "Mars/Olympus" in page.text
    assert "<b><b>" not in page.text
    assert (await staff_of(line, "eva")).name == "Eva Lind"


async def own_password(line: Line, browser: Client) -> tuple[App, Page]:
    page = await get(browser, "/desk/account/password")
    app = App(secret_on(page), line)
    word = "fire ord som henger sammen"
    page = await post(
        browser, "/desk/account/password", {"csrf": page.csrf, "password": word, "again": word, "code": app.code}
    )
    return app, page


async def test_a_password_is_made_on_the_account_and_other_browsers_are_signed_out(
    line: Line, eva: Client, browser: Any, clock: SetClock
) -> None:
    async with line.house.db.write() as conn:
        elsewhere = await staff_sessions.start(conn, "eva", now=clock.now())
    app, page = await own_password(line, eva)
    assert len(codes_on(page)) == 10
    assert await signed_in_as(eva)
    stranger = await browser()
    assert not await signed_in_as(stranger, elsewhere)
    clock.advance(timedelta(seconds=30))
    page = await sign_in(stranger, email="eva", password="fire ord som henger sammen", code=app.code)
    assert page.status == 200
    first = codes_on((await own_password(line, eva))[1])
    page = await post(eva, "/desk/account/recovery", {"csrf": await csrf(eva)})
    assert not set(first) & set(codes_on(page))
    async with line.house.db.read() as conn:
        assert await credentials.recovery_codes_left(conn, "eva") == 10


async def add_passkey(browser: Client, device: Authenticator, name: str = "") -> tuple[int, Any]:
    token = await csrf(browser)
    headers = {**JSON, **AT_LOCALHOST, "X-Csrf": token}
    asked = await browser.post("/desk/account/passkeys/ask", json={}, headers=headers)
    options = await asked.json()
    done = await browser.post("/desk/account/passkeys", json={**device.make(options), "name": name}, headers=headers)
    return done.status, await done.json()


def passkey_ids(page: Page) -> list[str]:
    return re.findall(r"/desk/account/passkeys/(\d+)/name", page.text)


async def test_passkeys_are_several_named_and_removable_but_for_the_last_way_in(line: Line, eva: Client) -> None:
    one = Authenticator(origin="http://localhost:8080")
    two = Authenticator(origin="http://localhost:8080", credential_id=b"another device")
    assert (await add_passkey(eva, one, "Telefon"))[0] == 200
    page = await get(eva, "/desk/account")
    (first,) = passkey_ids(page)
    assert "Den siste veien inn kan ikke tas bort" in page.text
    page = await post(eva, f"/desk/account/passkeys/{first}/remove", {"csrf": page.csrf})
    assert "Lag en ny først" in page.text
    assert (await add_passkey(eva, one))[0] == 409
    assert (await add_passkey(eva, two, "  Bærbar   PC "))[0] == 200
    page = await post(eva, f"/desk/account/passkeys/{first}/name", {"csrf": page.csrf, "name": "Gammel telefon"})
    assert "Gammel telefon" in page.text
    assert "Bærbar PC" in page.text
    page = await post(eva, f"/desk/account/passkeys/{first}/remove", {"csrf": page.csrf})
    assert "Gammel telefon" not in page.text
    page = await post(eva, f"/desk/account/passkeys/{first}/remove", {"csrf": page.csrf})
    assert len(passkey_ids(page)) == 1


async def test_a_passkey_of_another_is_not_mine_to_touch(line: Line, eva: Client, ada: Client) -> None:
    device = Authenticator(origin="http://localhost:8080")
    assert (await add_passkey(eva, device, "Evas"))[0] == 200
    await own_password(line, eva)
    (number,) = passkey_ids(await get(eva, "/desk/account"))
    await own_password(line, ada)
    assert (await add_passkey(ada, Authenticator(origin="http://localhost:8080", credential_id=b"ada")))[0] == 200
    token = await csrf(ada)
    for path, fields in ((f"{number}/remove", {}), (f"{number}/name", {"name": "Min"}), ("9" * 30 + "/remove", {})):
        page = await post(ada, f"/desk/account/passkeys/{path}", {"csrf": token, **fields})
        assert "Det fantes ikke lenger" in page.text
    assert "Evas" in (await get(eva, "/desk/account")).text


async def test_ways_in_are_changed_only_shortly_after_signing_in(line: Line, eva: Client, clock: SetClock) -> None:
    await own_password(line, eva)
    clock.advance(timedelta(minutes=31))
    page = await get(eva, "/desk/account")
    assert "Logg inn på nytt for å endre" in page.text
    token = page.csrf
    for path in ("recovery", "password/remove", "organisation", "passkeys/1/remove", "organisation/remove", "password"):
        page = await post(eva, f"/desk/account/{path}", {"csrf": token})
        assert "Ingenting er endret" in page.text, path
    assert "Ingenting er endret" in (await get(eva, "/desk/account/password")).text
    headers = {**JSON, **AT_LOCALHOST, "X-Csrf": token}
    assert (await eva.post("/desk/account/passkeys/ask", json={}, headers=headers)).status == 403
    assert (await eva.post("/desk/account/passkeys", json={}, headers=headers)).status == 403
    # What is not a way in may be changed at any time.
    fields = {"csrf": token, "name": "Eva", "zone": "Europe/Oslo"}
    assert "Lagret." in (await post(eva, "/desk/account", fields)).text


async def test_a_script_of_another_page_makes_no_passkey(line: Line, eva: Client) -> None:
    for token in ("", "0" * 64):
        headers = {**JSON, **AT_LOCALHOST, "X-Csrf": token}
        for path in ("/desk/account/passkeys/ask", "/desk/account/passkeys"):
            assert (await eva.post(path, json={}, headers=headers)).status == 403


async def test_where_one_is_signed_in_is_listed_and_ended(line: Line, eva: Client, browser: Any) -> None:
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        others = [
            await staff_sessions.start(conn, "eva", now=now, browser="Firefox, Windows", way=staff_sessions.Way.PASSKEY)
            for _ in range(3)
        ]
    page = await get(eva, "/desk/account")
    assert page.text.count('<span class="name">Firefox, Windows</span>') == 3
    assert page.text.count(">denne<") == 1
    reference = staff_sessions.reference_of(others[0])
    await post(eva, f"/desk/account/sessions/{reference}/end", {"csrf": page.csrf})
    stranger = await browser()
    assert [await signed_in_as(stranger, token) for token in others] == [False, True, True]
    await post(eva, "/desk/account/sessions/end", {"csrf": page.csrf})
    assert [await signed_in_as(stranger, token) for token in others] == [False] * 3
    assert await signed_in_as(eva)
    mine = staff_sessions.reference_of(cookies(eva)["desk"])
    assert (await post(eva, f"/desk/account/sessions/{mine}/end", {"csrf": page.csrf})).url == "/desk/sign-in"
    assert not await signed_in_as(eva)


async def test_a_session_of_another_is_not_mine_to_end(line: Line, eva: Client, ada: Client) -> None:
    reference = staff_sessions.reference_of(cookies(eva)["desk"])
    for name in (reference, reference[:1], "0" * 16):
        await post(ada, f"/desk/account/sessions/{name}/end", {"csrf": await csrf(ada)})
    assert await signed_in_as(eva)


async def test_somebody_invited_twice_at_once_is_taken_on_once(line: Line, ada: Client) -> None:
    form = await get(ada, "/desk/staff/new")
    fields = {"csrf": form.csrf, "email": "noor@example.org", "role": "editor"}
    statuses = [(await post(ada, "/desk/staff/new", fields)).status for _ in range(2)]
    assert statuses == [200, 422]
    async with line.house.db.read() as conn:
        assert len(await accounts.list_staff(conn)) == 2


async def test_an_act_that_is_refused_is_not_in_the_trail(line: Line, ada: Client) -> None:
    async with line.house.db.read() as conn:
        before = (await conn.execute(sql("SELECT count(*) FROM audit_entry"))).scalar_one()
    with pytest.raises(staffing.NotAllowed):
        async with line.house.db.write() as conn:
            await staffing.change_roles(conn, "ada", [Role.ADVISOR], actor="staff:ada", now=line.house.clock.now())
    async with line.house.db.read() as conn:
        assert (await conn.execute(sql("SELECT count(*) FROM audit_entry"))).scalar_one() == before


async def test_what_one_knows_more_of_is_written_once_and_a_step_finds_it(line: Line, eva: Client) -> None:
    page = await get(eva, "/desk/account")
    fields = {"csrf": page.csrf, "name": "Eva", "zone": "Europe/Oslo", "spoken": "nb"}
    await post(eva, "/desk/account", {**fields, "specialities": " barn , Arbeid,barn,, BARN "})
    assert (await staff_of(line, "eva")).specialities == ("barn", "Arbeid")
    page = await post(eva, "/desk/account", {**fields, "specialities": "x" * 41})
    assert page.status == 422
    assert "x" * 41 in page.text
    assert (await staff_of(line, "eva")).specialities == ("barn", "Arbeid")
    await post(eva, "/desk/account", {**fields, "specialities": ""})
    assert (await staff_of(line, "eva")).specialities == ()
