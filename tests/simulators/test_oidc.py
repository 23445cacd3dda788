"""The organisation's own sign-in, against an identity provider that somebody else wrote."""

from __future__ import annotations

import asyncio
import html
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from sqlalchemy import text as sql

from bot.app import Line, build_house
from bot.app import Role as LineRole
from bot.channels.local import LocalChannel
from bot.house import House
from escalation import files as ladder_files
from helpline import accounts, credentials
from helpline.accounts import Role
from helpline.clock import SystemClock
from helpline.database import Database
from helpline.messages import Channel
from helpline.settings import OidcSettings, Secret, Settings
from tests.bot.browsing import Client, Page, get, post, read
from tests.bot.coming_in import invite, signed_in_as
from tests.needs import NODE_FOLDER, needs_node, needs_program
from tests.simulators.peers import a_program, free_port

pytestmark = pytest.mark.node

ANSWER = "/desk/sign-in/organisation/answer"
HTML = {"Accept": "text/html", "Accept-Language": "nb"}


@contextmanager
def provider_for(redirect: str, folder: Path, secret: str = "") -> Iterator[str]:
    """The provider, running; its address."""
    needs_node("oidc-provider")
    node = needs_program("node", because="the identity provider is written for it")
    port = free_port()
    command = [str(node), str(NODE_FOLDER / "oidc_provider.mjs"), str(port), redirect, secret]
    with a_program(command, port, folder / "oidc.log"):
        yield f"http://localhost:{port}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, House]:
    """A database with a ladder in it, and a house: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("prepared")
    settings = Settings(
        data_dir=folder,
        database_url=Secret(f"sqlite:///{folder / 'varde.db'}"),
        secret_key=Secret(bytes(range(32))),
    )

    async def prepare() -> House:
        house = build_house(settings, clock=SystemClock(), channels={Channel.WEB: LocalChannel(Channel.WEB)})
        await house.db.migrate()
        async with house.db.write() as conn:
            await ladder_files.prepare(conn, house.content, house.clock.now())
        await house.db.dispose()
        return house

    return folder / "varde.db", asyncio.run(prepare())


@pytest.fixture
def secret() -> str:
    """What the line and the provider share; nothing for a public client."""
    return ""


@pytest.fixture
async def line(prepared: tuple[Path, House], tmp_path: Path, secret: str) -> AsyncIterator[Line]:
    """A line that knows the provider; told the time by the machine's clock, as the provider is."""
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    public = f"http://localhost:{free_port()}"
    with provider_for(public + ANSWER, tmp_path, secret) as issuer:
        settings = replace(
            house.settings,
            data_dir=tmp_path,
            database_url=Secret(f"sqlite:///{tmp_path / 'varde.db'}"),
            public_url=public,
            oidc=OidcSettings(issuer, "varde", Secret(secret) if secret else None),
        )
        db = Database.connect(settings.database_url.reveal())
        made = Line(replace(house, settings=settings, db=db), role=LineRole.WEB)
        made._prepared = True  # signing in needs neither shelves nor services
        yield made
        await db.dispose()


@pytest.fixture
async def browser(line: Line, aiohttp_client: Any) -> Client:
    """A browser in front of the line."""
    client: Client = await aiohttp_client(line.application(), headers=HTML)
    return client


class There:
    """What somebody does at the provider, in the same browser."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def sign_in(self, address: str, name: str) -> str:
        """Sign in under a name; the address that the browser is sent back to."""
        here, base = address, "{0.scheme}://{0.netloc}".format(urlsplit(address))
        for _ in range(20):
            async with self.session.get(here, allow_redirects=False) as response:
                here, text = response.headers.get("Location", ""), await response.text()
            if here and ANSWER in here:
                return here
            if not here:
                here = await self._fill(base, text, name)
                if ANSWER in here:
                    return here
            here = here if here.startswith("http") else base + here
        raise AssertionError("the provider did not send us back")

    async def _fill(self, base: str, text: str, name: str) -> str:
        form = re.search(r'action="([^"]+)"', text)
        prompt = re.search(r'name="prompt" value="(\w+)"', text)
        assert form is not None
        assert prompt is not None
        target = form[1] if form[1].startswith("http") else base + form[1]
        fields = {"prompt": prompt[1], "login": name, "password": "anything"}
        async with self.session.post(target, data=fields, allow_redirects=False) as response:
            return response.headers["Location"]


@pytest.fixture
async def there() -> AsyncIterator[There]:
    made = There()
    yield made
    await made.session.close()


async def leave(browser: Client, path: str = "/desk/sign-in/organisation") -> str:
    """To the provider; the address it is at."""
    response = await browser.get(path, allow_redirects=False)
    led = re.search(r'class="button main" href="([^"]+)"', await response.text())
    return html.unescape(led[1]) if led is not None else response.headers["Location"]


async def come_back(browser: Client, address: str) -> Page:
    parts = urlsplit(address)
    return await read(await browser.get(f"{parts.path}?{parts.query}", allow_redirects=False))


async def go_round(browser: Client, there: There, name: str, path: str = "/desk/sign-in/organisation") -> Page:
    return await come_back(browser, await there.sign_in(await leave(browser, path), name))


async def count(line: Line, table: str) -> int:
    async with line.house.db.read() as conn:
        return int((await conn.execute(sql(f"SELECT count(*) FROM {table}"))).scalar_one())


@pytest.mark.parametrize("secret", ["", "a secret of ours: & %"], ids=["public", "confidential"])
async def test_a_colleague_is_found_by_a_verified_address_and_then_by_who_they_are(
    line: Line, browser: Client, there: There
) -> None:
    link = await invite(line, "eva@example.org", Role.EDITOR)
    page = await go_round(browser, there, "eva")
    assert page.status == 200
    assert 'http-equiv="refresh"' in page.text
    assert await signed_in_as(browser)
    assert "desk-away" not in {cookie.key for cookie in browser.session.cookie_jar}
    assert (await get(browser, link)).status == 403  # whoever is in needs no invitation
    async with line.house.db.write() as conn:
        await conn.execute(sql("UPDATE staff SET email_fingerprint = 'another address'"))
    browser.session.cookie_jar.clear()
    assert (await go_round(browser, there, "eva")).status == 200
    assert await signed_in_as(browser)


@pytest.mark.parametrize("name", ["stranger", "unproven-eva"])
async def test_nobody_is_let_in_or_made_who_was_not_invited(
    name: str, line: Line, browser: Client, there: There
) -> None:
    await invite(line, "eva@example.org", Role.EDITOR)
    page = await go_round(browser, there, name)
    assert (page.status, "Ingen her har den kontoen" in page.text) == (403, True)
    assert not await signed_in_as(browser)
    assert (await count(line, "staff"), await count(line, "staff_identity")) == (1, 0)


async def test_a_stranger_who_is_given_a_colleagues_address_does_not_become_them(
    line: Line, browser: Client, there: There
) -> None:
    await invite(line, "eva@example.org", Role.EDITOR)
    await go_round(browser, there, "eva")
    browser.session.cookie_jar.clear()
    there.session.cookie_jar.clear()
    page = await go_round(browser, there, "eva#successor")  # the same address, another person
    assert page.status == 403
    assert not await signed_in_as(browser)


async def test_whoever_was_let_go_is_not_let_in(line: Line, browser: Client, there: There) -> None:
    await invite(line, "eva@example.org", Role.EDITOR)
    await go_round(browser, there, "eva")
    browser.session.cookie_jar.clear()
    async with line.house.db.write() as conn:
        await accounts.deactivate(conn, "eva")
    assert (await go_round(browser, there, "eva")).status == 403


async def test_an_answer_is_good_once_and_in_the_browser_that_began(
    line: Line, browser: Client, there: There, aiohttp_client: Any
) -> None:
    """State mix-up: another browser, a state of one's own, no state, and the same answer again."""
    await invite(line, "eva@example.org", Role.EDITOR)
    answer = await there.sign_in(await leave(browser), "eva")
    other: Client = await aiohttp_client(Line(line.house, role=LineRole.WEB).application(), headers=HTML)
    assert (await come_back(other, answer)).status == 403
    their_state = parse_qs(urlsplit(await leave(other)).query)["state"][0]
    my_state = parse_qs(urlsplit(answer).query)["state"][0]
    for state in (their_state, "", "in.made-up"):
        assert (await come_back(browser, answer.replace(my_state, state))).status == 403
    assert (await come_back(other, answer.replace(my_state, their_state))).status == 403  # a code of another's
    for one in (browser, other):
        assert not await signed_in_as(one)
    assert (await come_back(browser, answer)).status == 200
    assert (await come_back(browser, answer)).status == 403


async def test_the_code_of_another_sign_in_is_refused(line: Line, browser: Client, there: There) -> None:
    """Nonce and verifier mix-up: a code that was made for one sign-in, handed to another of the same browser."""
    await invite(line, "eva@example.org", Role.EDITOR)
    first = await there.sign_in(await leave(browser), "eva")
    second = await leave(browser)
    state = parse_qs(urlsplit(second).query)["state"][0]
    mixed = first.replace(parse_qs(urlsplit(first).query)["state"][0], state)
    page = await come_back(browser, mixed)
    assert (page.status, "viste ikke hvem du er" in page.text) == (403, True)
    assert not await signed_in_as(browser)


async def test_an_answer_that_names_another_provider_is_refused(line: Line, browser: Client, there: There) -> None:
    await invite(line, "eva@example.org", Role.EDITOR)
    answer = await there.sign_in(await leave(browser), "eva")
    page = await come_back(browser, re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Felsewhere.example", answer))
    assert page.status == 403
    assert not await signed_in_as(browser)


async def test_turning_back_at_the_provider_is_told(line: Line, browser: Client) -> None:
    state = parse_qs(urlsplit(await leave(browser)).query)["state"][0]
    page = await come_back(browser, f"{ANSWER}?error=access_denied&state={state}")
    assert (page.status, "ikke logget inn hos virksomheten" in page.text) == (403, True)


async def test_an_invitation_is_used_with_the_organisations_sign_in(line: Line, browser: Client, there: There) -> None:
    """Also where the address at the organisation is another, or not verified: the invitation says who it is."""
    link = await invite(line, "kari@example.org", Role.ADVISOR, name="Kari")
    page = await get(browser, link)
    fields = {"csrf": page.csrf, "name": "Kari", "language": "nb", "way": "organisation"}
    response = await browser.post(link, data=fields, allow_redirects=False)
    page = await go_round(browser, there, "unproven-work-account", response.headers["Location"])
    assert page.status == 200
    assert await signed_in_as(browser)
    async with line.house.db.read() as conn:
        assert (await credentials.ways_of(conn, "kari")).organisation
    assert (await get(browser, link)).status == 403


async def test_the_organisations_sign_in_is_linked_to_an_account(line: Line, browser: Client, there: There) -> None:
    async with line.house.db.write() as conn:
        now = line.house.clock.now()
        for name in ("eva", "noor"):
            await accounts.add_staff(
                conn, line.house.vault, name=name, roles=[Role.EDITOR], zone="Europe/Oslo", now=now, staff_id=name
            )
        token = await accounts.make_sign_in_link(conn, "eva", now=now)
    await post(browser, f"/desk/sign-in/{token}", {})
    page = await get(browser, "/desk/account")
    page = await post(browser, "/desk/account/organisation", {"csrf": page.csrf})
    away = re.search(r'class="button main" href="([^"]+)"', page.text)
    assert away is not None
    answer = await there.sign_in(away[1].replace("&amp;", "&"), "unproven-eva")
    page = await come_back(browser, answer)
    assert "told=linked" in page.text
    assert "Knyttet til kontoen" in (await get(browser, "/desk/account")).text
    browser.session.cookie_jar.clear()
    assert (await go_round(browser, there, "unproven-eva")).status == 200


async def test_a_provider_that_is_not_there_leaves_the_other_ways_open(line: Line, aiohttp_client: Any) -> None:
    gone = replace(line.house.settings, oidc=OidcSettings("http://localhost:9", "varde", None))
    browser: Client = await aiohttp_client(
        Line(replace(line.house, settings=gone), role=LineRole.WEB).application(), headers=HTML
    )
    page = await get(browser, "/desk/sign-in/organisation")
    assert page.status == 502
    assert "svarer ikke" in page.text
    assert 'name="password"' in page.text
