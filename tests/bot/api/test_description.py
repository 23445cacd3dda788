"""The description is valid OpenAPI 3.1, and says what the routes do."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import hdrs
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from bot.api.description import describe, path_names
from bot.api.operations import NoFields
from bot.app import Line
from helpline.web import Access
from tests.bot.api.conftest import Client


def described(line: Line) -> dict[str, Any]:
    return describe(line.api.operations)


async def test_it_is_valid_openapi_and_public(api: Client) -> None:
    response = await api.get("/api/v1/openapi.json")
    assert response.status == 200
    assert response.content_type == "application/json"
    OPENAPI_31_VALIDATOR.validate(orjson.loads(await response.read()))


def test_every_reference_leads_somewhere(line: Line) -> None:
    whole = described(line)
    text = orjson.dumps(whole).decode()
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(whole["components"]["schemas"])


def test_every_route_is_described_once_and_every_part_of_an_address_too(line: Line) -> None:
    whole = described(line)
    ids = [operation["operationId"] for path in whole["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == len(line.api.operations)
    for operation in line.api.operations:
        parts = set() if operation.parts is NoFields else set(operation.parts.model_fields)
        assert set(path_names(operation.path)) == parts, operation.id
        assert (operation.gives is None) == (operation.status == 204 or bool(operation.raw_gives)), operation.id


def test_every_route_of_the_api_asks_for_a_token_but_the_description(line: Line) -> None:
    open_ones = [route.path for route in line.api.routes() if route.access is not Access.TOKEN]
    assert open_ones == ["/api/v1/openapi.json"]


def test_what_changes_something_takes_a_token_for_writing(line: Line) -> None:
    harmless = {"tryQuestion", "revokeToken"}  # stores nothing; ends a token, which its finder may
    for operation in line.api.operations:
        if operation.method != hdrs.METH_GET and operation.id not in harmless:
            assert operation.scope == "write", operation.id


def test_no_operation_is_about_conversations(line: Line) -> None:
    for operation in line.api.operations:
        assert "conversation" not in operation.path
        assert "case" not in operation.path
