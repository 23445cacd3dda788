"""The field list says what the specification says: since when, of what kind, required, in which order, and no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from routing.hsds.feeds import Feed
from routing.hsds.fields import TABLES, Kind, Version, tables
from routing.hsds.schemas import descriptor, schema_of
from routing.hsds.writing import Written, write
from tests.routing.hsds.test_round_trip import DAY, FORMATS
from tests.routing.worlds import PLACES, SHIPPED

ID = "7d1f3c52-5c7e-4b8a-9a55-0c6f0f1f7a01"
CAME_WITH_3_1 = {
    "organization": {"additional_websites"},
    "service": {"additional_urls", "capacities"},
    "service_at_location": {"service_areas"},
    "service_area": {"service_at_location_id"},
    "attribute": {"label"},
}


def resources(version: Version) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in descriptor(version=version)["resources"]}


def test_what_came_with_3_1_is_told_and_nothing_else() -> None:
    new = {
        name: {field.name for field in table.fields if field.since is Version.V3_1} for name, table in TABLES.items()
    }
    assert {name: fields for name, fields in new.items() if fields} == CAME_WITH_3_1
    assert set(TABLES) - {table.name for table in tables(Version.V3_0)} == {"url", "service_capacity", "unit"}


def modified(version: Version) -> Written:
    changed = {service.id: datetime(2026, 10, 1, 8, 30, tzinfo=UTC) for service in SHIPPED.services}
    return write(SHIPPED, PLACES, feed=Feed.PARTNER, on=DAY, modified=changed, version=version)


@pytest.mark.parametrize("version", Version)
def test_when_an_entry_changed_is_told_in_every_version(version: Version) -> None:
    assert {each["last_modified"] for each in modified(version).services} == {"2026-10-01T08:30:00.000+00:00"}


@pytest.mark.parametrize(
    ("table", "name"),
    [("accessibility", "url"), ("required_document", "uri"), ("location", "url"), ("schedule", "schedule_link")],
)
def test_an_address_on_the_web_is_one(table: str, name: str) -> None:
    found = TABLES[table].find(name)
    assert found is not None
    assert found.kind is Kind.URI
    validator = Draft202012Validator(schema_of(table), format_checker=FORMATS)
    entry = {"id": ID, "location_type": "virtual"}
    assert validator.is_valid({**entry, name: "https://eksempel.no/adkomst"})
    assert not validator.is_valid({**entry, name: "ikke en adresse"})


def test_how_an_extent_is_written_is_free_as_the_specification_has_it() -> None:
    validator = Draft202012Validator(schema_of("service_area"), format_checker=FORMATS)
    assert validator.is_valid({"id": ID, "extent": "a", "extent_type": "wkt"})


@pytest.mark.parametrize("version", Version)
def test_a_table_has_no_key_to_itself(version: Version) -> None:
    for name, resource in resources(version).items():
        keys = resource["schema"].get("foreignKeys", [])
        assert name not in {key["reference"]["resource"] for key in keys}
    keys = resources(version)["taxonomy_term"]["schema"]["foreignKeys"]
    assert [key["fields"] for key in keys] == ["taxonomy_id"]
    assert "foreignKeys" not in resources(version)["organization"]["schema"]
