"""Coming in by the front door: every way in, and every way that must stay closed."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from helpline import accounts, staff_sessions
from helpline.accounts import Role
from helpline.clock import SetClock
from helpline.messages import Language
from tests.authenticator import Authenticator
from tests.bot.browsing import Client, Page, get, post
from tests.bot.coming_in import (
    AT_LOCALHOST,
    JSON,
    PASSWORD,
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

HTML = {"Accept": "text/html", "Accept-Language": "nb"}
WRONG = "passer ikke sammen"


@pytest.fixture
async def other(client: Client, aiohttp_client: MakeClient) -> Client:
    """Another browser in front of the same line."""
    return await aiohttp_client(client.server, headers=HTML)


@pytest.fixture
async def eva(line: Line, client: Client, other: Client) -> App:
    """An editor who has made a password with an app, in a browser of her own; the app. It is half a minute later."""
    app, _, _ = await make_password(line, other, await invite(line))
    assert isinstance(line.house.clock, SetClock)
    line.house.clock.advance(timedelta(seconds=30))
    return app


async def audited(line: Line) -> list[tuple[str, str, str]]:
    async with line.house.db.read() as conn:
        rows = await conn.execute(sql("SELECT actor, action, subject FROM audit_entry ORDER BY id"))
        return [(row.actor, row.action, row.subject) for row in rows]


async def count(line: Line, table: str) -> int:
    async with line.house.db.read() as conn:
        return int((await conn.execute(sql(f"SELECT count(*) FROM {table}"))).scalar_one())


# --- an invitation ----------------------------------------------------------------------------------------------------


async def test_an_invitation_leads_to_a_password_and_in(line: Line, client: Client) -> None:
    link = await invite(line)
    page = await get(client, link)
    fields = {"csrf": page.csrf, "name": " Eva  Lind ", "language": "sv", "spoken": "sv", "way": "password"}
    page = await post(client, link, fields)
    assert page.url == f"{link}/password"
    assert page.language == "sv"
    eva = await staff_of(line, "eva")
    assert (eva.name, eva.languages) == ("Eva Lind", (Language.SV,))
    app = App(secret_on(page), line)
    picture = await client.get(f"{link}/app.svg")
    assert picture.content_type == "image/svg+xml"
    fields = {"csrf": page.csrf, "password": PASSWORD, "again": PASSWORD, "code": app.code}
    page = await post(client, f"{link}/password", fields)
    assert len(set(codes_on(page))) == 10
    assert await signed_in_as(client)
    trail = [(actor, action) for actor, action, _ in await audited(line)]
    for act in ("profile_changed", "password_set", "invitation_accepted", "signed_in"):
        assert ("staff:eva", act) in trail


async def test_an_invitation_is_used_up_by_making_a_way_in_and_not_by_opening_it(line: Line, client: Client) -> None:
    link = await invite(line)
    for _ in range(2):
        assert (await get(client, link)).status == 200
    await make_password(line, client, link)
    for path in (link, f"{link}/password", f"{link}/passkey", f"{link}/organisation"):
        page = await get(client, path)
        assert page.status == 403
        assert "Länken är använd" in page.text or "Lenken er brukt" in page.text


async def test_of_two_who_use_an_invitation_at_once_one_comes_in(line: Line, client: Client, other: Client) -> None:
    link = await invite(line)
    tried = await asyncio.gather(make_password(line, client, link), make_password(line, other, link))
    assert sorted(len(codes) for _, codes, _ in tried) == [0, 10]
    assert await count(line, "staff_password") == 1
    assert await count(line, "staff_session") == 1


@pytest.mark.parametrize("how", ["too old", "withdrawn", "made anew", "let go", "made up", "cut short"])
async def test_an_invitation_that_is_not_good_opens_nothing(
    how: str, line: Line, client: Client, clock: SetClock
) -> None:
    link = await invite(line)
    async with line.house.db.write() as conn:
        match how:
            case "too old":
                clock.advance(accounts.INVITED_FOR)
            case "withdrawn":
                await accounts.withdraw_invitation(conn, "eva")
            case "made anew":
                await accounts.make_invitation(conn, "eva", now=clock.now())
            case "let go":
                await accounts.deactivate(conn, "eva")
            case "made up":
                link = f"/desk/invitation/{'A' * 43}"
            case _:
                link = link[:-5]
    assert (await get(client, link)).status == 403
    assert (await get(client, f"{link}/password")).status == 403
    assert (await get(client, f"{link}/app.svg")).status == 404
    assert await count(line, "staff_password") == 0


async def test_a_new_link_takes_every_earlier_way_in_away(line: Line, client: Client, other: Client, eva: App) -> None:
    async with line.house.db.write() as conn:
        token, _ = await accounts.make_invitation(conn, "eva", now=line.house.clock.now())
    assert await signed_in_as(other)  # until it is used
    await make_password(line, client, f"/desk/invitation/{token}", "et helt annet passord")
    assert not await signed_in_as(other)
    assert WRONG in (await sign_in(other, code=eva.code)).text


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("kort", "kort", "minst 12"),
        ("x" * 201, "x" * 201, "høyst 200"),
        ("abababababababab", "abababababababab", "for lett"),
        ("eva@example.org", "eva@example.org", "kan ikke være navnet"),
        (PASSWORD, PASSWORD + "x", "ikke like"),
    ],
)
async def test_a_password_that_will_not_do_is_told_at_its_field(
    password: str, again: str, said: str, line: Line, client: Client
) -> None:
    link = await invite(line)
    page = await get(client, f"{link}/password")
    secret = secret_on(page)
    fields = {"csrf": page.csrf, "password": password, "again": again, "code": App(secret, line).code}
    page = await post(client, f"{link}/password", fields)
    assert page.status == 422
    assert said in page.text
    assert secret_on(page) == secret  # the picture that was taken stays good
    assert await count(line, "staff_password") == 0


async def test_the_app_must_have_been_set_up(line: Line, client: Client, other: Client) -> None:
    link = await invite(line)
    page = await get(client, f"{link}/password")
    theirs = App(secret_on(await get(other, f"{link}/password")), line)  # another browser's secret is another
    fields = {"csrf": page.csrf, "password": PASSWORD, "again": PASSWORD}
    for code in ("", "000000", theirs.code, "½½½½½½"):
        page = await post(client, f"{link}/password", {**fields, "code": code})
        assert page.status == 422
        assert "Koden passer ikke" in page.text
    assert PASSWORD not in page.text


async def test_choosing_needs_a_name_and_a_way(line: Line, client: Client) -> None:
    link = await invite(line)
    page = await get(client, link)
    fields = {"csrf": page.csrf, "name": "Eva", "language": "nb", "way": "password"}
    for bad in ({"name": " "}, {"name": "x" * 81}, {"way": "telepathy"}, {"way": "organisation"}, {"language": "xx"}):
        assert (await post(client, link, {**fields, **bad})).status == 422
    assert (await post(client, link, {**fields, "csrf": "0" * 64})).status == 403
    assert (await staff_of(line, "eva")).name == "eva"


# --- a password and a code --------------------------------------------------------------------------------------------


async def test_a_password_with_a_code_signs_in(line: Line, client: Client, eva: App) -> None:
    page = await sign_in(client, code=eva.code)
    assert page.status == 200
    assert page.url.startswith("/desk/")
    assert await signed_in_as(client)
    assert (await get(client, "/desk/account")).text.count("Passord og kode") >= 1


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "000000"},
        {"recovery": "BBBBB-BBBBB"},
        {"password": "et helt annet passord"},
        {"email": "nobody@example.org"},
        {"email": "noor"},
        {"password": "x" * 5000},
    ],
)
async def test_whoever_does_not_fit_gets_one_answer(
    fields: dict[str, str], line: Line, client: Client, eva: App
) -> None:
    given = {"code": eva.code, **fields} if "recovery" not in fields else fields
    page = await sign_in(client, **given)
    assert page.status == 403
    assert WRONG in page.text
    assert not await signed_in_as(client)


async def test_a_password_alone_does_not_sign_in(line: Line, client: Client, eva: App) -> None:
    page = await sign_in(client)
    assert page.status == 422
    assert not await signed_in_as(client)


async def test_nobody_learns_who_works_here(
    line: Line, client: Client, eva: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same page, the same hashing and the same waits, whether the e-mail is somebody's or nobody's."""
    worked: list[str] = []
    keys = line.desk._keys
    holds = keys.hasher._verify

    def counting(stored: str, password: str) -> bool:
        worked.append(re.sub(r"\$[^$]*\$[^$]*$", "", stored))  # the parameters, without salt and hash
        return holds(stored, password)

    monkeypatch.setattr(keys.hasher, "_verify", counting)

    async def tries(email: str) -> list[tuple[int, str]]:
        shown = []
        for _ in range(7):
            page = await sign_in(client, email=email, password="feil passord her", code="123456")
            shown.append((page.status, _without_what_differs(page, email)))
        return shown

    known, unknown = await tries("eva@example.org"), await tries("who@example.org")
    assert known == unknown
    assert [status for status, _ in known] == [403] * 5 + [429] * 2
    assert len(worked) == 10
    assert len(set(worked)) == 1


async def test_an_email_and_an_id_that_are_one_colleagues_do_not_wait_together(
    line: Line, client: Client, eva: App
) -> None:
    async def tries(email: str, staff_id: str) -> list[int]:
        named = [*[email] * 5, staff_id]
        return [
            (await sign_in(client, email=each, password="feil passord her", code="123456")).status for each in named
        ]

    assert await tries("eva@example.org", "eva") == await tries("who@example.org", "who") == [403] * 6


def _without_what_differs(page: Page, email: str) -> str:
    return re.sub(r'name="csrf" value="\w+"', "", page.text).replace(email, "")


async def test_a_code_works_once(line: Line, client: Client, other: Client, eva: App) -> None:
    code = eva.code
    assert (await sign_in(client, code=code)).status == 200
    other.session.cookie_jar.clear()
    page = await sign_in(other, code=code)
    assert (page.status, WRONG in page.text) == (403, True)


async def test_of_many_with_one_code_one_comes_in(line: Line, client: Client, eva: App) -> None:
    page = await get(client, "/desk/sign-in")
    jar = cookies(client)
    fields = {"csrf": page.csrf, "email": "eva@example.org", "password": PASSWORD, "code": eva.code, "recovery": ""}
    carried = {"Cookie": f"desk-door={jar['desk-door']}"}
    done = await asyncio.gather(
        *(client.post("/desk/sign-in", data=fields, headers=carried, allow_redirects=False) for _ in range(3))
    )
    assert sorted(response.status for response in done) == [303, 403, 403]


async def test_the_code_that_set_the_app_up_does_not_sign_in(line: Line, client: Client, other: Client) -> None:
    app, _, _ = await make_password(line, client, await invite(line))
    assert (await sign_in(other, code=app.code)).status == 403


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 200), (0, 200), (1, 200), (2, 403)])
async def test_a_phones_clock_may_be_half_a_minute_wrong(
    steps: int, status: int, line: Line, client: Client, eva: App, clock: SetClock
) -> None:
    clock.advance(timedelta(minutes=5))
    assert (await sign_in(client, code=eva.code_in(steps))).status == status


async def test_an_earlier_code_is_void_once_a_later_one_was_used(
    line: Line, client: Client, other: Client, eva: App, clock: SetClock
) -> None:
    clock.advance(timedelta(minutes=5))
    before, later = eva.code_in(-1), eva.code_in(1)
    assert (await sign_in(client, code=later)).status == 200
    other.session.cookie_jar.clear()
    assert (await sign_in(other, code=before)).status == 403


async def test_a_recovery_code_stands_in_for_the_app_once(line: Line, client: Client, other: Client) -> None:
    _, codes, _ = await make_password(line, client, await invite(line))
    typed = codes[0].lower().replace("-", " ")
    assert (await sign_in(other, recovery=typed)).status == 200
    assert ("staff:eva", "recovery_code_used", "staff:eva") in await audited(line)
    other.session.cookie_jar.clear()
    assert (await sign_in(other, recovery=codes[0])).status == 403
    assert (await sign_in(other, recovery=codes[1])).status == 200


async def test_letters_composed_otherwise_are_the_same_password(line: Line, client: Client, other: Client) -> None:
    app, _, _ = await make_password(line, client, await invite(line), "blåbærsyltetøy på brødet")
    line.house.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
    assert (await sign_in(other, password="bla\u030abærsyltetøy pa\u030a brødet", code=app.code)).status == 200


async def test_the_staff_id_will_do_for_the_email(line: Line, client: Client, eva: App) -> None:
    assert (await sign_in(client, email="eva", code=eva.code)).status == 200


# --- waits that grow --------------------------------------------------------------------------------------------------


async def test_failures_make_the_next_try_wait_longer_and_longer_but_never_for_good(
    line: Line, client: Client, eva: App, clock: SetClock
) -> None:
    waits = []
    for _ in range(16):
        page = await sign_in(client, code="000000")
        if page.status == 429:
            waits.append(int(page.headers["Retry-After"]))
            clock.advance(timedelta(seconds=waits[-1]))
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits) <= 15 * 60
    # Also the right words wait while others guess, and are let in when the wait is over.
    clock.advance(timedelta(minutes=15))
    assert (await sign_in(client, code=eva.code)).status == 200


async def test_the_right_words_wait_too_and_are_not_judged_meanwhile(line: Line, client: Client, eva: App) -> None:
    for _ in range(6):
        await sign_in(client, code="000000")
    code = eva.code
    page = await sign_in(client, code=code)
    assert page.status == 429
    assert "Med passnøkkel slipper du å vente" in page.text
    line.house.clock.advance(timedelta(seconds=5))  # type: ignore[attr-defined]
    assert (await sign_in(client, code=code)).status == 200


async def test_guesses_elsewhere_do_not_keep_somebody_from_their_own_machine(
    line: Line, client: Client, other: Client, eva: App, clock: SetClock
) -> None:
    assert (await sign_in(client, code=eva.code)).status == 200
    await post(client, "/desk/sign-out", {"csrf": (await get(client, "/desk/account")).csrf})
    clock.advance(timedelta(minutes=1))
    other.session.cookie_jar.clear()
    assert [(await sign_in(other, code="000000")).status for _ in range(6)] == [403] * 5 + [429]
    # What one browser is known by is worth nothing to somebody else's account, and its own failures wait.
    assert (await sign_in(client, email="noor@example.org", code="000000")).status == 403
    assert [(await sign_in(client, code="000000")).status for _ in range(6)] == [403] * 5 + [429]
    clock.advance(timedelta(seconds=30))
    assert (await sign_in(other, code="000000")).status == 403
    assert (await sign_in(other, code="000000")).status == 429
    assert (await sign_in(client, code=eva.code)).status == 200


async def test_success_ends_the_wait(line: Line, client: Client, eva: App, clock: SetClock) -> None:
    for _ in range(4):
        await sign_in(client, code="000000")
    assert (await sign_in(client, code=eva.code)).status == 200
    assert [(await sign_in(client, code="000000")).status for _ in range(5)] == [403] * 5


async def test_success_with_ones_own_account_does_not_wipe_out_guesses_at_others(
    line: Line, client: Client, eva: App
) -> None:
    for number in range(20):
        await sign_in(client, email=f"a{number}@example.org", code="000000")
    assert (await sign_in(client, code=eva.code)).status == 200
    assert [(await sign_in(client, email=f"b{n}@example.org", code="000000")).status for n in range(2)] == [403, 429]


async def test_waits_hold_in_another_process(line: Line, client: Client, eva: App, aiohttp_client: MakeClient) -> None:
    for _ in range(6):
        await sign_in(client, code="000000")
    elsewhere = await aiohttp_client(Line(line.house).application(), headers=HTML)
    assert (await sign_in(elsewhere, code=eva.code)).status == 429


async def test_one_address_that_tries_many_accounts_waits(line: Line, client: Client) -> None:
    statuses = [(await sign_in(client, email=f"a{number}@example.org", code="000000")).status for number in range(23)]
    assert statuses[:21] == [403] * 21
    assert statuses[21:] == [429] * 2


async def test_guesses_at_once_are_counted_one_by_one(line: Line, client: Client, eva: App) -> None:
    page = await get(client, "/desk/sign-in")
    fields = {"csrf": page.csrf, "email": "eva@example.org", "password": "feil passord her", "code": "000000"}
    done = await asyncio.gather(*(client.post("/desk/sign-in", data=fields) for _ in range(12)))
    assert [response.status for response in done].count(403) == 5


# --- the session ------------------------------------------------------------------------------------------------------


async def test_signing_in_gives_a_new_secret_and_no_planted_one_becomes_a_session(
    line: Line, client: Client, other: Client, eva: App, clock: SetClock
) -> None:
    """Fixation: what was in the browser before signing in opens nothing afterwards, neither session nor door."""
    planted = "P" * 43
    client.session.cookie_jar.update_cookies({"desk": planted, "desk-door": "D" * 43}, client.make_url("/"))
    await sign_in(client, code=eva.code)
    held = cookies(client)
    assert held["desk"] not in {planted, "D" * 43}
    assert "desk-door" not in held
    other.session.cookie_jar.clear()
    for token in (planted, "D" * 43):
        assert not await signed_in_as(other, token)
    clock.advance(timedelta(seconds=30))
    await sign_in(client, code=eva.code)
    assert cookies(client)["desk"] != held["desk"]
    assert not await signed_in_as(other, held["desk"])  # the browser's earlier session is over


@pytest.mark.parametrize("how", ["let go", "signed out by an administrator", "idle", "a shift is over"])
async def test_a_session_ends(how: str, line: Line, client: Client, eva: App, clock: SetClock) -> None:
    await sign_in(client, code=eva.code)
    async with line.house.db.write() as conn:
        match how:
            case "let go":
                await accounts.deactivate(conn, "eva")
            case "signed out by an administrator":
                await staff_sessions.end_of(conn, "eva")
            case "idle":
                clock.advance(staff_sessions.SESSION_IDLE)
            case _:
                clock.advance(staff_sessions.SESSION_LASTS)
    assert not await signed_in_as(client)


async def test_whoever_was_let_go_does_not_come_in_again(line: Line, client: Client, eva: App) -> None:
    async with line.house.db.write() as conn:
        await accounts.deactivate(conn, "eva")
    assert (await sign_in(client, code=eva.code)).status == 403
    assert await count(line, "staff_password") == 0


async def test_a_form_from_elsewhere_signs_nobody_in(line: Line, client: Client, other: Client, eva: App) -> None:
    """Login CSRF: neither without the token of this browser nor from another site's page."""
    other.session.cookie_jar.clear()
    page = await get(client, "/desk/sign-in")
    fields = {"csrf": page.csrf, "email": "eva@example.org", "password": PASSWORD, "code": eva.code}
    elsewhere = await client.post("/desk/sign-in", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status == 403
    assert (await post(client, "/desk/sign-in", {**fields, "csrf": "0" * 64})).status == 403
    page = await post(other, "/desk/sign-in", fields)  # a token is good in its own browser only
    assert (page.status, "eva@example.org" in page.text) == (403, True)
    for browser in (client, other):
        assert not await signed_in_as(browser)
    assert (await post(client, "/desk/sign-in", fields)).status == 200


async def test_a_one_time_link_from_elsewhere_signs_nobody_in(line: Line, client: Client, eva: App) -> None:
    async with line.house.db.write() as conn:
        token = await accounts.make_sign_in_link(conn, "eva", now=line.house.clock.now())
    response = await client.post(f"/desk/sign-in/{token}", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status == 404
    assert not await signed_in_as(client)


# --- a passkey --------------------------------------------------------------------------------------------------------


async def ask(browser: Client, path: str, csrf: str = "", body: Any = None, **headers: str) -> tuple[int, Any]:
    """What our script sends, and what comes back."""
    response = await browser.post(
        path, json={} if body is None else body, headers={**JSON, **AT_LOCALHOST, "X-Csrf": csrf, **headers}
    )
    return response.status, await response.json()


async def make_passkey(browser: Client, link: str, device: Authenticator, **more: Any) -> tuple[int, Any]:
    page = await get(browser, f"{link}/passkey", headers=AT_LOCALHOST)
    _, options = await ask(browser, f"{link}/passkey/ask", page.csrf)
    return await ask(browser, f"{link}/passkey", page.csrf, {**device.make(options), **more})


async def use_passkey(browser: Client, device: Authenticator, **more: Any) -> tuple[int, Any]:
    _, options = await ask(browser, "/desk/sign-in/passkey/ask")
    return await ask(browser, "/desk/sign-in/passkey", body=device.use(options, **more))


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(origin="http://localhost:8080")


async def test_an_invitation_leads_to_a_passkey_and_the_passkey_in(
    line: Line, client: Client, other: Client, device: Authenticator
) -> None:
    status, told = await make_passkey(client, await invite(line), device, name="Jobbtelefon")
    assert status == 200, told
    assert await signed_in_as(client)
    assert "Jobbtelefon" in (await get(client, "/desk/account")).text
    status, told = await use_passkey(other, device)
    assert (status, told["to"].startswith("/desk/")) == (200, True)
    assert await signed_in_as(other)


@pytest.fixture
async def keyholder(line: Line, client: Client, other: Client, device: Authenticator) -> Authenticator:
    """Eva's device, with a passkey that works."""
    status, _ = await make_passkey(other, await invite(line), device)
    assert status == 200
    return device


async def test_an_answer_is_good_once(line: Line, client: Client, other: Client, keyholder: Authenticator) -> None:
    _, options = await ask(client, "/desk/sign-in/passkey/ask")
    answer = keyholder.use(options)
    assert (await ask(client, "/desk/sign-in/passkey", body=answer))[0] == 200
    door = cookies(client)
    assert (await ask(client, "/desk/sign-in/passkey", body=answer))[0] == 403
    other.session.cookie_jar.clear()
    assert (await ask(other, "/desk/sign-in/passkey", body=answer))[0] == 403
    assert "desk-door" not in door


async def test_an_answer_belongs_to_the_browser_that_was_asked(
    line: Line, client: Client, other: Client, keyholder: Authenticator
) -> None:
    other.session.cookie_jar.clear()
    _, options = await ask(client, "/desk/sign-in/passkey/ask")
    await ask(other, "/desk/sign-in/passkey/ask")
    assert (await ask(other, "/desk/sign-in/passkey", body=keyholder.use(options)))[0] == 403
    assert not await signed_in_as(other)


async def test_an_answer_comes_too_late(line: Line, client: Client, keyholder: Authenticator, clock: SetClock) -> None:
    _, options = await ask(client, "/desk/sign-in/passkey/ask")
    clock.advance(timedelta(minutes=5))
    assert (await ask(client, "/desk/sign-in/passkey", body=keyholder.use(options)))[0] == 403


async def test_a_wrong_answer_uses_the_question_up(line: Line, client: Client, keyholder: Authenticator) -> None:
    _, options = await ask(client, "/desk/sign-in/passkey/ask")
    forged = Authenticator(origin=keyholder.origin, owner=keyholder.owner).use(options)
    assert (await ask(client, "/desk/sign-in/passkey", body=forged))[0] == 403
    assert (await ask(client, "/desk/sign-in/passkey", body=keyholder.use(options)))[0] == 403


@pytest.mark.parametrize(
    "how", ["another key", "no finger", "another site", "another name", "another owner", "no owner", "an old count"]
)
async def test_a_passkey_that_does_not_hold_opens_nothing(
    how: str, line: Line, client: Client, keyholder: Authenticator
) -> None:
    owner = None
    match how:
        case "another key":
            keyholder.key = Authenticator().key
        case "no finger":
            keyholder.verifies = False
        case "another site":
            keyholder.origin = "https://desk.example"
        case "another name":
            keyholder.name = "desk.example"
        case "another owner":
            owner = b"somebody else"
        case "no owner":
            owner = b""
        case _:
            assert (await use_passkey(client, keyholder))[0] == 200
            client.session.cookie_jar.clear()
            keyholder.count -= 1
    status, told = await use_passkey(client, keyholder, owner=owner)
    assert status == 403
    assert "ikke godtatt" in told["message"]
    assert not await signed_in_as(client)


@pytest.mark.parametrize("answer", [{}, {"id": 7}, {"id": "x", "response": []}, {"response": {"clientDataJSON": "!!"}}])
async def test_what_is_no_answer_is_refused_and_breaks_nothing(
    answer: dict[str, Any], line: Line, client: Client, keyholder: Authenticator
) -> None:
    assert (await ask(client, "/desk/sign-in/passkey", body=answer))[0] == 403
    response = await client.post("/desk/sign-in/passkey", data=b"[", headers={**JSON, **AT_LOCALHOST})
    assert response.status == 400
    response = await client.post("/desk/sign-in/passkey", data={"id": "x"}, headers=AT_LOCALHOST)
    assert response.status == 415


async def test_a_passkey_never_waits_for_others_guesses(line: Line, client: Client, keyholder: Authenticator) -> None:
    for _ in range(8):
        page = await sign_in(client, code="000000")
    assert page.status == 429
    assert (await use_passkey(client, keyholder))[0] == 200


async def test_a_passkey_that_counts_nothing_works_again_and_again(
    line: Line, client: Client, keyholder: Authenticator
) -> None:
    keyholder.counts = False
    for _ in range(2):
        client.session.cookie_jar.clear()
        assert (await use_passkey(client, keyholder))[0] == 200


async def test_a_passkey_is_made_with_a_finger_only(line: Line, client: Client, device: Authenticator) -> None:
    device.verifies = False
    link = await invite(line)
    assert (await make_passkey(client, link, device))[0] == 403
    device.verifies, device.origin = True, "https://desk.example"
    assert (await make_passkey(client, link, device))[0] == 403
    assert await count(line, "passkey") == 0
    assert (await get(client, link)).status == 200  # the invitation is still good


async def test_a_passkey_belongs_to_one(line: Line, client: Client, other: Client, keyholder: Authenticator) -> None:
    other.session.cookie_jar.clear()
    status, told = await make_passkey(client, await invite(line, "noor@example.org"), keyholder)
    assert (status, await count(line, "passkey")) == (409, 1)
    assert "fra før" in told["message"]


async def test_whoever_was_let_go_has_no_passkey(line: Line, client: Client, keyholder: Authenticator) -> None:
    async with line.house.db.write() as conn:
        await accounts.deactivate(conn, "eva")
    assert (await use_passkey(client, keyholder))[0] == 403


async def test_at_an_address_of_digits_there_are_no_passkeys(line: Line, client: Client) -> None:
    assert "data-passkey" not in (await get(client, "/desk/sign-in")).text
    response = await client.post("/desk/sign-in/passkey/ask", json={}, headers=JSON)
    assert response.status == 409
    link = await invite(line)
    assert 'value="passkey"' not in (await get(client, link)).text
    assert (await get(client, f"{link}/passkey")).url == f"{link}/password"


async def test_signing_in_is_open_to_every_role_and_leads_to_their_room(
    line: Line, client: Client, aiohttp_client: MakeClient, clock: SetClock
) -> None:
    for role in Role:
        browser = await aiohttp_client(client.server, headers=HTML)
        _, _, page = await make_password(line, browser, await invite(line, f"{role.value}@example.org", role))
        home = re.search(r'<a class="button main" href="([^"]+)"', page.text)
        assert home is not None
        assert (await get(browser, home[1])).status == 200
