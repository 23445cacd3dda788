"""The directory for other programs: pages and filters, who may read what, and no question answered with trouble."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
import schemathesis
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot import hsds
from bot.app import Line
from bot.hsds import describe
from helpline import access_tokens, accounts, audit
from helpline.access_tokens import Scope
from helpline.accounts import Role
from routing.hsds.feeds import Feed
from routing.hsds.terms import id_of
from routing.places import Level
from routing.services import Address, Area, Location, Service, ServiceKind
from tests.bot.api.conftest import Client, api, token_for
from tests.bot.test_desk import hire
from tests.routing.worlds import a_service, in_kommune

__all__ = ["api"]


async def get(client: Client, path: str, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    response = await client.get("/hsds" + path, headers=headers)
    body = await response.read()
    assert response.status == status, body
    return orjson.loads(body) if body else None


async def partner(line: Line, staff_id: str = "kari", *roles: Role, scope: Scope = Scope.PARTNER) -> dict[str, str]:
    await hire(line, staff_id, *(roles or (Role.COORDINATOR,)))
    secret, _ = await token_for(line, staff_id, scope=scope)
    return {"Authorization": f"Bearer {secret}"}


async def test_it_says_what_it_is_and_its_pages_together_are_everything(api: Client) -> None:
    about = await get(api, "/")
    assert about["version"] == "3.1"
    assert about == await get(api, "")
    assert (await get(api, "/profile"))["hsds_version"] == "3.1"
    assert (await get(api, "/openapi.json"))["openapi"] == "3.1.0"
    assert about["openapi_url"].endswith("/hsds/openapi.json")
    assert (await get(api, "/profile/schema/service.json"))["title"] == "service"
    assert "properties" in await get(api, "/profile/location.json")
    assert await get(api, "/profile/nothing.json", 404)
    seen: list[str] = []
    for number in range(1, 10):
        page = await get(api, f"/services?per_page=30&page={number}")
        seen += [each["id"] for each in page["contents"]]
        assert (page["page_number"], page["size"]) == (number, len(page["contents"]))
        assert (page["first_page"], page["last_page"]) == (number == 1, number >= page["total_pages"])
    assert len(seen) == len(set(seen)) == page["total_items"] > 200
    assert page["empty"]


async def test_a_list_holds_what_there_is_one_of_and_the_entry_all(api: Client) -> None:
    short = (await get(api, "/services?per_page=1"))["contents"][0]
    assert not [name for name, value in short.items() if isinstance(value, list)]
    assert "organization" in short
    full = await get(api, f"/services/{short['id']}")
    assert full["attributes"]
    assert (await get(api, "/services?per_page=1&full=true"))["contents"] == [full]
    minimal = await get(api, "/services?minimal=true")
    assert {frozenset(each) for each in minimal["contents"]} <= {frozenset({"id"}), frozenset({"id", "last_modified"})}
    assert minimal["size"] == minimal["total_items"] > 200
    assert (await get(api, "/services?minimal=true&per_page=10"))["size"] == 10
    assert (await get(api, "/services?minimal=true&search=finnesikke"))["empty"]
    for name in ("organizations", "taxonomies", "taxonomy_terms"):
        first = (await get(api, f"/{name}?per_page=1"))["contents"][0]
        assert (await get(api, f"/{name}/{first['id']}"))["id"] == first["id"]
        assert (await get(api, f"/{name}/{id_of('x', 'y')}", 404))["status"] == 404
    listed = await get(api, "/service_at_locations")
    for each in listed["contents"]:
        assert (await get(api, f"/service_at_locations/{each['id']}"))["location"]


async def test_filters_are_cumulative(api: Client) -> None:
    async def count(query: str) -> int:
        return int((await get(api, f"/services?{query}"))["total_items"])

    helpline, woman = id_of("taxonomy_term", "kind:helpline"), id_of("taxonomy_term", "sex:female")
    rosa = next(each for each in (await get(api, "/services?search=ROSA"))["contents"] if "ROSA" in each["name"])
    one, other = await count(f"taxonomy_term_id={helpline}"), await count(f"taxonomy_term_id={woman}")
    whole = await count("")
    assert 0 < one < whole
    assert 0 < other < whole
    assert await count(f"taxonomy_id={id_of('taxonomy', 'kind')}") == whole
    assert await count(f"search=ROSA&organization_id={rosa['organization']['id']}") >= 1
    assert await count(f"search=hjelpetelefon+rosa&taxonomy_term_id={id_of('taxonomy_term', 'kind:police')}") == 0
    named = len([each for each in (await get(api, "/services?per_page=200"))["contents"] if "last_modified" in each])
    assert named > 100
    assert await count("modified_after=2199-01-01") < await count("modified_after=2000-01-01T00:00:00Z") == whole


WRONG = (
    ("page=0", "page"),
    ("page=x", "page"),
    ("per_page=201", "per_page"),
    ("full=maybe", "full"),
    ("organization_id=1", "organization_id"),
    ("modified_after=yesterday", "modified_after"),
    ("format=xml", "format"),
    ("page=1&page=2", "page"),
    ("proximity=5", "proximity"),
    (f"search={'a' * 201}", "search"),
)


async def test_what_is_asked_wrongly_is_told_by_its_name(api: Client) -> None:
    for query, field in WRONG:
        told = await get(api, f"/services?{query}", 400)
        assert [each["field"] for each in told["errors"]] == [field]
        assert told["type"].startswith("urn:")
    assert (await get(api, "/nothing", 404))["status"] == 404
    response = await api.post("/hsds/services")
    assert (response.status, response.content_type) == (405, "application/problem+json")


async def test_what_has_not_changed_is_not_sent_again_and_tables_are_to_be_had(api: Client) -> None:
    response = await api.get("/hsds/services")
    assert response.headers["Cache-Control"].startswith("public")
    again = await api.get("/hsds/services", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    response = await api.get("/hsds/services?format=csv&search=rosa")
    with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
        rows = archive.read("services.csv").decode().splitlines()
    assert "ROSA" in "".join(rows[1:])
    assert len(rows) < 20


HERE, THERE = (Level.KOMMUNE, "0301"), (Level.KOMMUNE, "4601")  # Oslo, Bergen
DOOR = Address("Eksempelgata", "0150", "Oslo")


def stand(line: Line, *services: Service) -> None:
    """Services that have places, beside what ships."""
    directory = line.house.library.directory
    line.house.library.directory = directory.with_all([*directory.services, *services])


async def at_postcode(api: Client, code: str) -> list[str]:
    """What is there for a postal code."""
    listed = await get(api, f"/service_at_locations?postcode={code}")
    return [each["service"]["name"] for each in listed["contents"]]


async def test_a_postal_code_asks_for_what_is_there_for_it(line: Line, api: Client) -> None:
    oslo = Location("dor", "Åpen dør", area=HERE, address=DOOR)
    everywhere = replace(
        a_service("overalt", name="Overalt"), area=Area(frozenset(), everywhere=True), locations=(oslo,)
    )
    stand(
        line,
        a_service("i-oslo", name="I Oslo", area=in_kommune("0301"), locations=(oslo,)),
        a_service("i-bergen", name="I Bergen", area=in_kommune("4601"), locations=(oslo,)),
        a_service("i-fylket", name="I fylket", area=Area(frozenset({(Level.FYLKE, "46")})), locations=(oslo,)),
        everywhere,
    )
    assert await at_postcode(api, "0150") == ["I Oslo", "Overalt"]
    # Where it is given is not where it is for; the code may stand as it is written on a letter.
    assert await at_postcode(api, "5003") == ["I Bergen", "I fylket", "Overalt"]
    assert await at_postcode(api, "111%2022") == []
    for code in ("9999", "12", "AB1%202CD", "0150%0A"):
        told = await get(api, f"/service_at_locations?postcode={code}", 400)
        assert [each["field"] for each in told["errors"]] == ["postcode"]


async def test_where_a_protected_place_is_no_postal_code_tells(line: Line, api: Client) -> None:
    hidden = Location("hus", "Lykthuset", area=THERE, protected=True)
    stand(
        line,
        a_service("skjult", name="Skjult hus", area=in_kommune("0301", "4601"), locations=(hidden,)),
        a_service(
            "vernet",
            name="Vernet hus",
            kind=ServiceKind.PROTECTED_HOUSING,
            area=in_kommune("4601"),
            locations=(hidden,),
        ),
    )
    # It answers to each code of the areas that its entry names, and to no nearer one.
    assert [await at_postcode(api, code) for code in ("0150", "5003", "7010")] == [["Skjult hus"], ["Skjult hus"], []]
    told = await get(api, "/service_at_locations?postcode=5003&proximity=500", 400)
    assert [each["field"] for each in told["errors"]] == ["proximity"]
    assert "protected" in told["errors"][0]["message"]


async def test_every_list_is_to_be_had_as_lines(api: Client) -> None:
    for name in ("services", "organizations", "taxonomies", "taxonomy_terms"):
        whole = (await get(api, f"/{name}?per_page=200"))["contents"]
        whole += (await get(api, f"/{name}?per_page=200&page=2"))["contents"]
        response = await api.get(f"/hsds/{name}?format=ndjson&per_page=1")
        assert response.content_type == "application/x-ndjson"
        assert [orjson.loads(line) for line in (await response.read()).splitlines()] == whole
        again = await api.get(f"/hsds/{name}?format=ndjson", headers={"If-None-Match": response.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
    response = await api.get("/hsds/services?format=ndjson&search=ROSA&full=true")
    (rosa, *_) = [orjson.loads(line) for line in (await response.read()).splitlines()]
    assert rosa == await get(api, f"/services/{rosa['id']}")


async def test_others_are_answered_while_whoever_reads_fast_is_sent_lines() -> None:
    lines, turns = [b"x" * 40_000 + b"\n"] * 41, 0

    async def everybody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(everybody_else())
    request = make_mocked_request("GET", "/hsds/services")
    begun: list[int] = []

    def made() -> Iterator[bytes]:
        begun.append(turns)
        yield from lines

    await hsds._streamed(request, Feed.PUBLIC, made)
    others.cancel()
    assert turns - begun[-1] > 15  # since the sending began; before it, the lines were read through in a thread
    assert b"".join(hsds._in_pieces(lines)) == b"".join(lines)


async def test_the_public_feed_names_no_protected_service(line: Line, api: Client) -> None:
    listed = [await get(api, f"/services?full=true&per_page=200&page={number}") for number in (1, 2)]
    listed.append(await get(api, "/organizations?full=true&per_page=200"))
    whole = orjson.dumps(listed).decode()
    services = line.house.library.directory.services
    public = {service.name for service in services if not service.hides_place}
    hidden = [service for service in services if service.hides_place]
    assert len(hidden) > 50
    for service in hidden:
        assert f'"{service.id}"' not in whole
        assert service.name in public or f'"{service.name}"' not in whole


async def test_a_partner_reads_more_and_it_stands_in_the_trail(line: Line, api: Client) -> None:
    token = await partner(line)
    hidden = next(service for service in line.house.library.directory.services if service.hides_place)
    theirs = await get(api, f"/services/{id_of('service', hidden.id)}", headers=token)
    assert theirs["name"] == hidden.name
    await get(api, f"/services/{id_of('service', hidden.id)}", 404)
    response = await api.get("/hsds/services", headers=token)
    assert response.headers["Cache-Control"] == "private, no-store"
    async with line.house.db.read() as conn:
        entries = await audit.entries(conn, subject="staff:kari")
    assert [entry.action for entry in entries].count("partner_feed_read") == 1


async def test_no_other_token_opens_the_partners_feed(line: Line, api: Client) -> None:
    assert (await get(api, "/services", 401, headers={"Authorization": "Bearer varde_nothing"}))["status"] == 401
    for scope in (Scope.READ, Scope.WRITE):
        token = await partner(line, f"k-{scope.value}", scope=scope)
        await get(api, "/services", 401, headers=token)
    await get(api, "/services", 401, headers=await partner(line, "eva", Role.EDITOR))
    good = await partner(line)
    assert (await api.get("/api/v1/articles", headers=good)).status == 401
    # Nor a partner's that was revoked, or whose owner has left.
    token = good
    await get(api, "/services?per_page=1", headers=token)
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        (made,) = await access_tokens.list_of(conn, "kari")
        await access_tokens.revoke(conn, "kari", made.id, now=now + timedelta(seconds=1))
    await get(api, "/services?per_page=1", 401, headers=token)
    other = await partner(line, "noor")
    async with line.house.db.write() as conn:
        await accounts.deactivate(conn, "noor")
    await get(api, "/services?per_page=1", 401, headers=other)


async def test_a_changed_directory_is_told_at_once_and_whoever_asks_too_often_waits(line: Line, api: Client) -> None:
    directory = line.house.library.directory
    rosa = replace(directory.get("rosa"), name="ROSA, ny")
    others = (service for service in directory.services if service.id != "rosa")
    assert (await get(api, f"/services/{id_of('service', 'rosa')}"))["name"] != "ROSA, ny"
    line.house.library.directory = directory.with_all([*others, rosa])
    assert (await get(api, f"/services/{id_of('service', 'rosa')}"))["name"] == "ROSA, ny"
    line.hsds.limit.burst = 1
    statuses = [(await api.get("/hsds/")).status for _ in range(3)]
    assert statuses[-1] == 429


CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
async def test_every_answer_is_one_that_the_description_tells_of(line: Line, api: Client) -> None:
    line.hsds.limit.burst = 1_000_000
    address = str(api.make_url("/hsds"))
    await get(api, "/services?per_page=1")

    def tried() -> set[int]:
        ends: set[int] = set()
        for found in schemathesis.openapi.from_dict(describe(address)).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                asked = [one for one in operation.definition.raw["parameters"] if one["in"] == "query"]
                if mode is GenerationMode.NEGATIVE and not asked:
                    continue
                send(operation.as_strategy(generation_mode=mode), address, ends)
        return ends

    assert await asyncio.to_thread(tried) >= {200, 400, 404}


def send(cases: Any, address: str, ends: set[int]) -> None:
    @settings(
        max_examples=4,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case: Any) -> None:
        response = case.call(base_url=address)
        ends.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    run()
