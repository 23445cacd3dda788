"""Requests that nobody thought of, made from the description, against the running application: no server error, and
every answer is one that the description tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.api.description import describe
from bot.app import Line
from helpline.accounts import AT_THE_LINE
from knowledge import drafts, question_sets
from tests.bot.api.conftest import Client, token_for
from tests.bot.test_desk import hire

EXAMPLES = 4  # of each operation, of requests that are right and of such as are wrong, to things that are there or not
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
DUTY = "avvergingsplikt-grov-menneskehandel"


@schemathesis.serializer("application/x-ndjson", "application/zip")
def as_bytes(context: Any, value: Any) -> bytes:
    """What stands for a file."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else bytes(str(value), "utf-8")


def tried(description: dict[str, Any], address: str, secret: str, there: Mapping[str, Any]) -> dict[str, set[int]]:
    """Try every operation; how its calls ended."""
    schema = schemathesis.openapi.from_dict(description)
    ends: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        raw = operation.definition.raw
        ended = ends.setdefault(raw["operationId"], set())
        names = [one["name"] for one in raw.get("parameters", []) if one["in"] == "path"]
        modes = [GenerationMode.POSITIVE]
        if raw.get("parameters") or "requestBody" in raw:
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:
            send(operation.as_strategy(generation_mode=mode), address, secret, ended)
            if names and raw["operationId"] != "revokeToken":
                known = {name: there[name] for name in names}
                if mode is GenerationMode.POSITIVE or len(raw.get("parameters", [])) > len(names):
                    send(operation.as_strategy(generation_mode=mode, path_parameters=known), address, secret, ended)
    return ends


def send(cases: Any, address: str, secret: str, ended: set[int]) -> None:
    """Some of these cases."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case: Any) -> None:
        response = case.call(base_url=address, headers={"Authorization": f"Bearer {secret}"})
        ended.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    run()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
async def test_every_answer_is_one_that_the_description_tells_of(line: Line, api: Client) -> None:
    await hire(line, "alle", *AT_THE_LINE)
    secret, _ = await token_for(line, "alle")
    line.api.door.limit.burst = 1_000_000
    now = line.house.clock.now()
    async with line.house.db.write() as conn:
        draft = await drafts.new_draft(
            conn, article_id="til-proving", country=line.house.country, actor="staff:alle", now=now
        )
        remark = await drafts.comment(conn, draft.id, text="Hei", actor="staff:alle", now=now)
        (first, *_) = await question_sets.all_sets(conn)
    there = {
        "article": DUTY,
        "number": 1,
        "draft": draft.id,
        "comment": remark.id,
        "run": 1,
        "set": first.id,
        "question": first.questions[0].id,
        "change": 1,
        "clearing": 1,
        "heap": "abc",
        "token": 999,
    }
    address = str(api.make_url("/api/v1"))
    ends = await asyncio.to_thread(tried, describe(line.api.operations), address, secret, there)
    assert set(ends) == {operation.id for operation in line.api.operations}
    unheard = {name: statuses for name, statuses in ends.items() if not statuses}
    assert not unheard
    assert sum(any(status < 300 for status in statuses) for statuses in ends.values()) > len(ends) / 2
