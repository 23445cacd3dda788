"""What is made of the field list: a JSON Schema for each table, and the descriptor of the tabular package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from routing.hsds.fields import NEWEST, TABLES, Field, Kind, Table, Version, tables

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_FORMATS: Final[Mapping[Kind, str]] = {
    Kind.UUID: "uuid",
    Kind.URI: "uri",
    Kind.EMAIL: "email",
    Kind.DATE: "date",
    Kind.INSTANT: "date-time",
}
_COLUMNS: Final[Mapping[Kind, dict[str, str]]] = {
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.URI: {"type": "string", "format": "uri"},
    Kind.EMAIL: {"type": "string", "format": "email"},
    Kind.NUMBER: {"type": "number"},
    Kind.DATE: {"type": "date"},
    Kind.TIME: {"type": "time"},
    Kind.INSTANT: {"type": "datetime", "format": "any"},
}


def schema_of(name: str, *, version: Version = NEWEST, strict: bool = False) -> dict[str, Any]:
    """The schema of one table and of all that stands in it; `strict` allows nothing that the list does not name."""
    used = _reachable(name, version)
    return {
        "$schema": DRAFT,
        "$ref": f"#/$defs/{name}",
        "$defs": {each: object_of(TABLES[each], version=version, strict=strict) for each in used},
    }


def object_of(
    table: Table, *, version: Version = NEWEST, strict: bool = False, refer: str = "#/$defs/"
) -> dict[str, Any]:
    """The schema of a table alone; its children are referred to."""
    described: dict[str, Any] = {
        "title": table.name,
        "type": "object",
        "properties": {field.name: _property(field, refer) for field in table.of(version)},
        "required": [field.name for field in table.of(version) if field.required],
    }
    if strict:
        described["additionalProperties"] = False
    return described


def _property(field: Field, refer: str) -> dict[str, Any]:
    if field.kind is Kind.LIST:
        return {"type": "array", "items": {"$ref": f"{refer}{field.child}"}}
    if field.kind is Kind.CHILD:
        return {"$ref": f"{refer}{field.child}"}
    described: dict[str, Any] = {"type": "number" if field.kind is Kind.NUMBER else "string"}
    if field.kind in _FORMATS:
        described["format"] = _FORMATS[field.kind]
    if field.values:
        described["enum"] = list(field.values)
    return described


def _reachable(name: str, version: Version) -> list[str]:
    found: list[str] = []
    left = [name]
    while left:
        table = left.pop()
        if table in found:
            continue
        found.append(table)
        left += [field.child for field in TABLES[table].of(version) if field.nested]
    return sorted(found)


def descriptor(*, version: Version = NEWEST, title: str = "", more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `datapackage.json` of the package: every table with its columns, keys and references."""
    return {
        "name": "human_services_data",
        "title": title or f"Human services, HSDS {version.value}",
        "profile": "tabular-data-package",
        **(more or {}),
        "resources": [_resource(table, version) for table in tables(version)],
    }


def _resource(table: Table, version: Version) -> dict[str, Any]:
    known = {each.name for each in tables(version)}
    # What stands above an entry of the same table may be in another's data: the specification asks for no such key.
    keys = [
        {"fields": field.name, "reference": {"resource": field.refers_to, "fields": "id"}}
        for field in table.columns(version)
        if field.refers_to in known and field.refers_to != table.name
    ]
    schema: dict[str, Any] = {"fields": [_column(field) for field in table.columns(version)], "primaryKey": "id"}
    if keys:
        schema["foreignKeys"] = keys
    return {
        "name": table.name,
        "path": table.file,
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema,
    }


def _column(field: Field) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if field.required or field.required_in_tables:
        rules["required"] = True
    if field.name == "id":
        rules["unique"] = True
    if field.values:
        rules["enum"] = list(field.values)
    return {
        "name": field.name,
        **_COLUMNS.get(field.kind, {"type": "string"}),
        **({"constraints": rules} if rules else {}),
    }


def page_of(items: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a page of a list."""
    whole, yes = {"type": "integer", "minimum": 0}, {"type": "boolean"}
    return {
        "type": "object",
        "properties": {
            **dict.fromkeys(("total_items", "total_pages", "page_number", "size"), whole),
            **dict.fromkeys(("first_page", "last_page", "empty"), yes),
            "contents": {"type": "array", "items": dict(items)},
        },
        "required": [
            *("total_items", "total_pages", "page_number", "size", "first_page", "last_page", "empty", "contents"),
        ],
    }
