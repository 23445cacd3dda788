"""Our profile of HSDS: what a directory with shelters in it must say besides, and what it must never say.

Merge patches (RFC 7396) over the specification's schemas, by the same names, and the whole schemas made with them. The
profile has a version of its own and an address under the line's public one.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from routing.hsds.fields import NEWEST, TABLES, Version
from routing.hsds.schemas import DRAFT, object_of

VERSION: Final = "1.0.0"
PATH: Final = "/hsds/profile"

Json = dict[str, Any]

_TIME: Final = {"pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"}

PATCHES: Final[Mapping[str, Json]] = {
    "service": {
        "description": "A service; whom it takes, how one comes in and what it is for stand as attributes.",
        "properties": {
            # Deprecated in the specification, and never written here.
            "wait_time": None,
            "fees": None,
            "licenses": None,
            "attributes": {"minItems": 1},
            "last_modified": {"description": "When the entry last changed here; not told of a protected service."},
        },
        "required": ["id", "name", "status", "description", "organization", "attributes"],
    },
    "organization": {"properties": {"tax_status": None, "tax_id": None, "locations": None}},
    "location": {
        "description": "A protected place is virtual, has the attribute confidentiality:place, and no address.",
        "properties": {"latitude": None, "longitude": None, "external_identifier": None, "transportation": None},
        "if": {"properties": {"location_type": {"const": "virtual"}}},
        "then": {"properties": {"addresses": {"maxItems": 0}}},
    },
    "address": {
        "description": "Only of a place that everybody may know; state_province is the fylke or län.",
        "properties": {"country": {"enum": ["NO", "SE"]}, "attention": None},
    },
    "schedule": {
        "description": "The attribute fact:zone holds the IANA zone; a closing time that is no later is the day after.",
        "properties": {"opens_at": _TIME, "closes_at": _TIME, "timezone": {"enum": [1]}},
        "required": ["id", "timezone", "attributes"],
    },
    "phone": {"properties": {"extension": None}},
    "service_area": {
        # The specification names these in words; here nothing else may stand.
        "properties": {"extent_type": {"enum": ["geojson", "topojson", "kml", "text"]}},
        "required": ["id", "name", "extent", "extent_type"],
    },
    "service_capacity": {
        "description": "Only with the time at which it was told.",
        "required": ["id", "unit", "available", "updated"],
    },
    "attribute": {"required": ["id", "link_id", "link_entity", "taxonomy_term_id", "value", "taxonomy_term"]},
    "taxonomy_term": {"required": ["id", "code", "name", "description", "taxonomy_id", "taxonomy_detail"]},
}


def merged(target: Any, patch: Any) -> Any:
    """The target with a merge patch applied: null takes away, objects are merged, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result: Json = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def address_of(public_url: str | None) -> str:
    """The profile's own address."""
    return f"{(public_url or '').rstrip('/')}{PATH}"


def schema(name: str, base: str, *, version: Version = NEWEST) -> Json:
    """The whole schema of a table under the profile."""
    plain = object_of(TABLES[name], version=version, refer=f"{base}/schema/")
    for each in plain["properties"].values():
        for part in (each, each.get("items", {})):
            if "$ref" in part:
                part["$ref"] += ".json"
    patched: Json = merged(plain, PATCHES.get(name, {}))
    return {"$schema": DRAFT, "$id": f"{base}/schema/{name}.json", **patched}


def compiled(name: str, *, version: Version = NEWEST) -> Json:
    """The schema of a table and of all in it, in one document."""
    return {
        "$schema": DRAFT,
        "$ref": f"#/$defs/{name}",
        "$defs": {
            each: merged(object_of(table, version=version), PATCHES.get(each, {}))
            for each, table in TABLES.items()
            if table.since <= version
        },
    }


def description(base: str) -> Json:
    """What the profile is, for whoever follows its address."""
    return {
        "name": "varde",
        "title": "A Nordic profile for services against human trafficking",
        "version": VERSION,
        "hsds_version": NEWEST.value,
        "description": (
            "HSDS for a directory with protected places in it: areas in place of addresses, the IANA zone beside the "
            "numeric offset, hours over midnight, whom a service takes as taxonomy terms, and how old each fact is. "
            "The public feed names no protected service; partners read more with a token."
        ),
        "patches": {name: f"{base}/{name}.json" for name in PATCHES},
        "schemas": {name: f"{base}/schema/{name}.json" for name in TABLES},
        "datapackage": f"{base}/datapackage.json",
    }
