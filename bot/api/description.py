"""The OpenAPI 3.1 description, made of the same operations and models that route and validate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bot.api import shapes
from bot.api.door import IDEMPOTENCY, REPLAYED
from bot.api.operations import BASE, NoFields, Operation, Storage
from bot.api.problems import PROBLEM_JSON
from helpline.access_tokens import Scope

_REF: Final = "#/components/schemas/{model}"
_SAID: Final = {
    400: "The body is no JSON, or not UTF-8.",
    401: "There is no token, or it is unknown, revoked or over.",
    403: "The token is for reading only.",
    404: "There is no such thing, or it is not for whoever asks.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "What was sent is not as it must be; `errors` names the fields.",
    429: "The token asks too often; `Retry-After` says when it may again.",
    500: "Something went wrong here.",
    503: "Nothing can be stored right now; `Retry-After` says when to try again.",
}
_DESCRIPTION: Final = (
    "What editors and reviewers do on the desk, for programs. A personal access token is made on the desk, on the page "
    "of one's own account; a program may do what its owner may, and a token for reading only reads. Lists come in "
    "pages: `next` goes into `cursor`. What is not for whoever asks looks as if it were not there. `Accept-Language` "
    "(nb, nn, sv, en) decides the language of `detail`. Conversations are not to be had here."
)


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """The description of these operations."""
    listed = list(operations)
    schemas = _schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Varde", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in listed)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A personal access token. It begins with `varde_`.",
                }
            },
        },
    }


def _schemas(operations: list[Operation]) -> dict[str, Any]:
    modes: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (shapes.Problem, "serialization"): None,
        (shapes.Collision, "serialization"): None,
    }
    for operation in operations:
        for taken in (operation.takes, operation.query, operation.parts):
            if taken is not None and taken is not NoFields:
                modes[(taken, "validation")] = None
        if operation.gives is not None:
            modes[(operation.gives, "serialization")] = None
    _, whole = models_json_schema(list(modes), ref_template=_REF)
    found: dict[str, Any] = whole["$defs"]
    # Problems leave out what there is nothing of.
    for name in ("Problem", "Collision"):
        found[name]["required"] = [
            key for key in found[name]["required"] if "default" not in found[name]["properties"][key]
        ]
    return found


def _operation(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "description": " ".join(
            [
                *filter(None, [operation.description]),
                f"For: {', '.join(sorted(role.value for role in operation.roles))}.",
            ]
        ),
        "responses": _responses(operation),
    }
    parameters = _parameters(operation, schemas)
    if parameters:
        described["parameters"] = parameters
    if operation.raw_takes:
        content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in operation.raw_takes}
        described["requestBody"] = {"required": True, "content": content}
    elif operation.takes is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": _ref(operation.takes)}},
        }
    return described


def _parameters(operation: Operation, schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for place, model in (("path", operation.parts), ("query", operation.query)):
        if model is NoFields:
            continue
        schema = schemas[model.__name__]
        for name, described in schema["properties"].items():
            value = {key: part for key, part in described.items() if key not in {"title", "description"}}
            if place == "query":
                value = _without_null(value)
            parameter = {
                "name": name,
                "in": place,
                "required": place == "path" or name in schema.get("required", []),
                "schema": value,
            }
            if "description" in described:
                parameter["description"] = described["description"]
            found.append(parameter)
    if operation.storage is Storage.WRITE:
        found.append(
            {
                "name": IDEMPOTENCY,
                "in": "header",
                "required": False,
                "description": "A word of the program's own: asked again with the same within a day, nothing is done "
                f"twice and the first answer comes again, with `{REPLAYED}`.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
            }
        )
    if operation.conditional:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "The ETag of the version that was read, in place of `seen`.",
                "schema": {"type": "string", "pattern": r'^"[1-9][0-9]{0,14}\.[1-9][0-9]{0,8}"$'},
            }
        )
    return found


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query either names a value or leaves the name out."""
    value = dict(schema)
    if "anyOf" in value:
        kept = [each for each in value.pop("anyOf") if each.get("type") != "null"]
        value = {**kept[0], **value}
    if value.get("default", "") is None:
        del value["default"]
    return value


def _responses(operation: Operation) -> dict[str, Any]:
    if operation.raw_gives:
        good = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in operation.raw_gives}
    else:
        good = {"application/json": {"schema": _ref(operation.gives)}} if operation.gives is not None else {}
    done: dict[str, Any] = {"description": "Done."}
    if good:
        done["content"] = good
    headers: dict[str, Any] = {}
    if operation.tagged:
        headers["ETag"] = {"description": "The version of the draft.", "schema": {"type": "string"}}
    if operation.storage is Storage.WRITE:
        headers[REPLAYED] = {"description": "This was done before.", "schema": {"type": "string", "const": "true"}}
    if headers:
        done["headers"] = headers
    responses = {str(operation.status): done}
    for status in sorted(_ends(operation)):
        said = operation.also.get(status) or _SAID.get(status, "It cannot be done.")
        collides = operation.id == "saveDraft" and status == 409
        problem = {"anyOf": [_ref(shapes.Collision), _ref(shapes.Problem)]} if collides else _ref(shapes.Problem)
        refused: dict[str, Any] = {"description": said, "content": {PROBLEM_JSON: {"schema": problem}}}
        if status == 401:
            refused["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
        if status == 429:
            refused["headers"] = {
                "Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
            }
        responses[str(status)] = refused
    return responses


def _ends(operation: Operation) -> set[int]:
    # 404 is everybody's: it is what a role that somebody lacks looks like.
    ends = {401, 404, 422, 429, 500, 503, *operation.also}
    if operation.scope is Scope.WRITE:
        ends.add(403)
    if operation.raw_takes or operation.takes is not None:
        ends |= {400, 413, 415}
    if operation.conditional:
        ends.add(412)
    return ends


def _ref(model: type[BaseModel] | None) -> dict[str, str]:
    assert model is not None
    return {"$ref": _REF.format(model=model.__name__)}


def path_names(path: str) -> list[str]:
    """The names in braces."""
    return re.findall(r"{(\w+)}", path)
