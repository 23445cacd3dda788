"""Where a protected place lies comes out nowhere: every page of the program, every channel, export, log and trail.

Two secrets are planted. A shelter that the strict reader takes has a name, a contact and a location that only staff and
partners may read. Then, past every reader, addresses are written into the database by hand, as somebody with a key to
it could. Every route of the application is walked by what is in its table, so that a page added tomorrow is looked at
too; where a part of an address is to be filled in, all that was planted is tried.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import re
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import text as sql
from sqlmodel import SQLModel

from bot import bulk_hsds
from bot.app import Line
from bot.bulk_hsds import Form
from bot.channels.base import ChannelAdapter
from bot.channels.local import LocalChannel
from bot.house import House
from bot.inbox import take_in
from bot.voice.aloud import Ear, spoken, without_protected_places
from helpline import access_tokens, accounts, audit
from helpline.access_tokens import Scope
from helpline.accounts import AT_THE_LINE, Role
from helpline.clock import SetClock
from helpline.content import ContentError, content_folder
from helpline.database import Database
from helpline.messages import Address, Channel, InboundKind, InboundMessage, Language, OutboundMessage, Sent
from routing import capacity_store, store
from routing.capacity import Capacity, Teller
from routing.hsds.feeds import Feed
from routing.hsds.fields import NEWEST
from routing.hsds.terms import id_of
from routing.matching.refer import World, refer_line
from routing.services import (
    Address as Street,
)
from routing.services import (
    Answer,
    Confidence,
    Contact,
    Location,
    Phone,
    ProtectedPlace,
    Service,
    ServiceKind,
    Source,
)
from routing.upkeep import confirming_store
from routing.upkeep.service_form import as_plain
from tests.bot.conftest import Client, local_settings, prepared
from tests.conftest import NINE
from tests.routing.worlds import a_service, in_kommune

__all__ = ["prepared"]  # the fixture

SHELTER: Final = "x-lykt"
SMUGGLED: Final = "x-smuglet"
NAME: Final = "Lykthuset"  # what only staff, partners and clinicians who are led there may read
STAFF_ONLY: Final = ("Ragnhild Oppdiktet", "ragnhild@lykthuset.example", "00 11 22 33", "Bakgården ved Kvernfossen")
ADDRESSES: Final = ("Hemmelighetsveien", "Gjemmestedgata", "SKJULTPOSTSTED")
HTML: Final = {"Accept": "text/html", "Accept-Language": "nb"}
PHONE: Final = "00 99 88 77"


def shelter() -> Service:
    """A protected home in Oslo, by the book."""
    return a_service(
        SHELTER,
        name=NAME,
        organisation="Stiftelsen Lykt",
        kind=ServiceKind.PROTECTED_HOUSING,
        what={Language.NB: "Trygt botilbud for kvinner.", Language.EN: "Safe housing for women."},
        needs_first=("housing", "housing-tonight"),
        area=in_kommune("0301"),
        confidence=Confidence.CONFIRMED,
        phones=(Phone(PHONE),),
        note="Ring først.",
        sources=(Source("En nettside", "https://lykt.example/", "2026"),),
        contacts=(Contact(STAFF_ONLY[0], "", STAFF_ONLY[0], STAFF_ONLY[1], (Phone(STAFF_ONLY[2]),), confirms=True),),
        locations=(Location("hus", STAFF_ONLY[3]),),
    )


@dataclass
class Heard(LocalChannel):
    """A channel that remembers what it was given to say."""

    channel: Channel
    said: list[str] = field(default_factory=list)

    async def send(self, to: Address, message: OutboundMessage, attempt: Any) -> Sent:
        self.said.append(repr(vars(message)))
        return await super().send(to, message, attempt)


@dataclass
class Stage:
    """The line with both secrets in it, and everybody who may look."""

    line: Line
    server: TestServer
    app: web.Application
    heard: dict[Channel, Heard]
    link: str
    browsers: dict[str, Client] = field(default_factory=dict)


@pytest.fixture
async def stage(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[Stage]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    heard: dict[Channel, Heard] = {channel: Heard(channel) for channel in Channel if channel is not Channel.CALL}
    channels: dict[Channel, ChannelAdapter] = {**heard}
    db = Database.connect(settings.database_url.reveal())
    made = Line(replace(house, settings=settings, clock=clock, db=db, library=copy(house.library), channels=channels))
    made.chat.patience = 60
    made.hsds.limit.burst = made.api.door.limit.burst = 1_000_000
    await made.prepare()
    async with db.write() as conn:
        await store.put_services(conn, [shelter()], now=NINE, actor="staff:noor")
        told = Capacity(SHELTER, Answer.YES, 2, 6, "senger", NINE, Teller.COORDINATOR)
        await capacity_store.tell(conn, told, actor="staff:noor", now=NINE)
        link = await confirming_store.make_link(conn, SHELTER, made_by="noor", now=NINE)
    assert await made.house.library.refresh(db)
    assert made.house.library.directory.get(SHELTER).hides_place
    app = made.application()
    server = TestServer(app)
    await server.start_server()
    scene = Stage(made, server, app, heard, link)
    yield scene
    for browser in scene.browsers.values():
        await browser.close()
    await server.close()


async def come_in(stage: Stage, who: str, *roles: Role) -> Client:
    """A browser, signed in where there are roles."""
    browser: Client = TestClient(stage.server, headers=HTML)
    stage.browsers[who] = browser
    if roles:
        house, now = stage.line.house, stage.line.house.clock.now()
        async with house.db.write() as conn:
            await accounts.add_staff(
                conn, house.vault, name=who.title(), roles=roles, now=now, zone="Europe/Oslo", staff_id=who
            )
            link = await accounts.make_sign_in_link(conn, who, now=now)
        response = await browser.post(f"/desk/sign-in/{link}")
        assert response.status == 200
    return browser


async def smuggle(stage: Stage) -> None:
    """Addresses past every reader: into the service, into a second one, and into what it once was."""
    hidden = {
        "id": "hus",
        "name": "Gjemmestedgata 4b",
        "address": {"street": "Hemmelighetsveien 17", "postal_code": "0199", "city": "SKJULTPOSTSTED"},
    }
    plain = as_plain(shelter()) | {"locations": [hidden], "note": "Ligger i Gjemmestedgata 4b."}
    async with stage.line.house.db.write() as conn:
        for service_id in (SHELTER, SMUGGLED):
            document = orjson.dumps(plain | {"id": service_id}).decode()
            row = {"id": service_id, "document": document, "at": NINE.isoformat(), "by": "staff:noor"}
            await conn.execute(
                sql(
                    "INSERT INTO service (id, country, revision, document, changed_at, changed_by) "
                    "VALUES (:id, 'NO', 7, :document, :at, :by) "
                    "ON CONFLICT (id) DO UPDATE SET document = excluded.document, revision = excluded.revision"
                ),
                row,
            )
            await conn.execute(
                sql(
                    "INSERT INTO service_revision (service_id, revision, document, changed_at, changed_by) "
                    "VALUES (:id, 7, :document, :at, :by)"
                ),
                row,
            )


def fillings(pattern: re.Pattern[str], canonical: str, values: Iterable[str]) -> list[str]:
    """The address with each of these values in its open parts, as far as it takes them."""
    names = re.findall(r"{(\w+)", canonical)
    if not names:
        return [canonical]
    found = [re.sub(r"{\w+(:[^{}]*(?:{[^{}]*}[^{}]*)*)?}", value, canonical) for value in values]
    return [path for path in found if pattern.fullmatch(path)]


def all_addresses(app: web.Application, values: Iterable[str]) -> list[str]:
    """Every address of the application that is fetched."""
    found: list[str] = []
    for route in app.router.routes():
        if route.method != "GET" or route.resource is None:
            continue
        told = route.resource.get_info()
        pattern = told.get("pattern") or re.compile(re.escape(route.resource.canonical))
        found += fillings(pattern, route.resource.canonical, values)
    return list(dict.fromkeys(found))


async def fetch(browser: Client, path: str, **headers: str) -> str:
    """All that comes back, headers too; of a page that goes on for ever, what comes at once."""
    response = await browser.get(path, allow_redirects=False, headers=headers)
    body = b""
    if response.content_type == "text/event-stream":
        response.close()
    else:
        body = await response.read()
    return f"{response.status} {dict(response.headers)} {_readable(response, body)}"


def _readable(response: ClientResponse, body: bytes) -> str:
    if response.content_type != "application/zip":
        return body.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


def holds(text: str, secrets: Iterable[str]) -> list[str]:
    return [secret for secret in secrets if secret.casefold() in text.casefold()]


async def walk(
    stage: Stage, who: str, secrets: Iterable[str], values: Iterable[str], **headers: str
) -> dict[str, list[str]]:
    """The addresses whose answers hold a secret; and that the walk is one."""
    wanted = all_addresses(stage.app, values)
    leaks, seen = {}, 0
    for path in wanted:
        if path.startswith(("/static/", "/desk/sign-out")):
            continue
        if headers and not path.startswith(("/hsds", "/api")):
            continue
        told = await asyncio.wait_for(fetch(stage.browsers[who], path, **headers), 20)
        seen += told.startswith("200")
        if holds(told, secrets):
            leaks[path] = holds(told, secrets)
    assert seen > 8, f"{who} saw nothing"
    return leaks


async def said_everywhere(stage: Stage) -> str:
    """What a clinician hears who asks for a place to sleep, on every channel, and how it is read aloud."""
    house = stage.line.house
    texts = ("Pasienten trenger et trygt sted å bo i natt, hun er i Oslo", "1", "2", "Hvem kan hjelpe i Oslo?")
    numbers = itertools.count()
    for channel in stage.heard:
        for text in texts:
            sender = Address(channel, "+4700000001" if channel in {Channel.SMS, Channel.WHATSAPP} else "9001")
            message = InboundMessage(channel, f"m{next(numbers)}", sender, InboundKind.TEXT, text)
            await take_in(house, message)
            await stage.line.settle()
    written = [text for channel in stage.heard.values() for text in channel.said]
    assert len(written) >= len(texts)
    ear = Ear.load(house.content / "aloud.yaml", house.phrases)
    services = house.library.directory.services
    aloud = [spoken(without_protected_places(services, each, Language.NB), Language.NB, ear) for each in written]
    assert not holds("".join(aloud), [NAME])
    return "".join((*written, *aloud))


async def exported(stage: Stage, folder: Path) -> dict[str, str]:
    """What every export writes, or says where it cannot."""
    house, found = stage.line.house, {}
    async with house.db.read() as conn:
        for feed, form in itertools.product(Feed, Form):
            target = folder / f"{feed.value}-{form.value}"
            try:
                found[target.name] = await bulk_hsds.take_out(
                    conn,
                    target,
                    shipped=house.library.directory,
                    gazetteer=house.library.gazetteer,
                    content=content_folder(),
                    public_url=None,
                    now=NINE,
                    form=form,
                    partner=feed is Feed.PARTNER,
                    version=NEWEST,
                )
            except ContentError as error:
                found[target.name] = str(error)
    written = store.export_services(house.library.directory, folder / "services", day=NINE.date())
    store.export_organisations(house.library.directory, folder / "organisations", day=NINE.date())
    assert written
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_text(encoding="utf-8")
    return found


def referred(stage: Stage) -> str:
    """What `varde refer --json` prints."""
    world = replace(World.load(content_folder()), directory=stage.line.house.library.directory)
    world.prepare()
    needs = ["housing-tonight", "housing", "legal"]
    asked = [{"place": place, "need": needs, "sex": "female"} for place in ("Oslo", "Bergen", None)]
    return "".join(orjson.dumps(refer_line(world, line, now=NINE)).decode() for line in asked)


async def trail(stage: Stage) -> str:
    async with stage.line.house.db.read() as conn:
        return repr(await audit.entries(conn, limit=100_000))


async def partner(stage: Stage) -> dict[str, str]:
    now = stage.line.house.clock.now()
    async with stage.line.house.db.write() as conn:
        secret, _ = await access_tokens.make(
            conn, "alle", name="partner", scope=Scope.PARTNER, expires_at=now + timedelta(days=2), now=now
        )
    return {"Authorization": f"Bearer {secret}"}


def values_of(stage: Stage) -> list[str]:
    """What may stand in an open part of an address."""
    organisation = stage.line.house.library.directory.organisation_of(shelter()).id
    service, smuggled = id_of("service", SHELTER), id_of("service", SMUGGLED)
    return [SHELTER, SMUGGLED, organisation, service, smuggled, stage.link, "1", "7", "service", "NO"]


async def test_an_address_of_a_protected_place_cannot_be_made_or_brought_in() -> None:
    with pytest.raises(ProtectedPlace) as refused:
        Location("hus", address=Street("Hemmelighetsveien 17", "0199", "Oslo"), protected=True)
    assert not holds(str(refused.value), ADDRESSES)
    with pytest.raises(ProtectedPlace):
        replace(shelter(), locations=(Location("hus", address=Street("Hemmelighetsveien 17", "0199", "Oslo")),))


async def test_what_is_for_staff_and_partners_is_in_nothing_that_strangers_read(stage: Stage, tmp_path: Path) -> None:
    await come_in(stage, "nobody")
    secrets = (*STAFF_ONLY, NAME, "Stiftelsen Lykt", SHELTER)
    leaks = await walk(stage, "nobody", secrets, [value for value in values_of(stage) if value != stage.link])
    # An address that names it in the question gives the question back in its own error at most.
    assert {path: found for path, found in leaks.items() if SHELTER not in path} == {}
    written = await exported(stage, tmp_path / "out")
    public = {name: text for name, text in written.items() if name.startswith("public")}
    assert len(public) > 20
    assert {name: found for name, text in public.items() if (found := holds(text, secrets))} == {}
    partners = "".join(text for name, text in written.items() if name.startswith("partner"))
    assert holds(partners, [NAME, STAFF_ONLY[1]]) == [NAME, STAFF_ONLY[1]]
    assert not holds(await said_everywhere(stage), STAFF_ONLY)
    assert not holds(referred(stage), STAFF_ONLY)


async def test_an_address_written_past_every_reader_comes_out_nowhere(
    stage: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await come_in(stage, "nobody")
    await come_in(stage, "alle", *sorted(AT_THE_LINE))
    await come_in(stage, "anna", Role.PROVIDER)
    await smuggle(stage)
    await stage.line.house.library.refresh(stage.line.house.db, now=NINE)
    token = await partner(stage)
    leaks: dict[str, Any] = {}
    for who in ("nobody", "alle", "anna"):
        leaks |= {
            f"{who}: {path}": found for path, found in (await walk(stage, who, ADDRESSES, values_of(stage))).items()
        }
    leaks |= await walk(stage, "nobody", ADDRESSES, values_of(stage), **token)
    assert leaks == {}
    written = await exported(stage, tmp_path / "out")
    assert {name: found for name, text in written.items() if (found := holds(text, ADDRESSES))} == {}
    assert not holds(await said_everywhere(stage), ADDRESSES)
    assert not holds(referred(stage), ADDRESSES)
    assert not holds(await trail(stage), ADDRESSES)
    logged = capfd.readouterr()
    assert not holds(logged.out + logged.err, ADDRESSES)
    # The secrets are there: in the two tables into which they were written, and in no other.
    assert await tables_with(stage, ADDRESSES[0]) == {"service", "service_revision"}


async def tables_with(stage: Stage, secret: str) -> set[str]:
    found = set()
    async with stage.line.house.db.read() as conn:
        for table in SQLModel.metadata.tables.values():
            rows = (await conn.execute(table.select())).all()
            # A row written as text cuts its long values short; a tuple does not.
            if any(holds(repr(tuple(row)), [secret]) for row in rows):
                found.add(table.name)
    return found
