"""What each feed tells of a protected service, and that the profile is what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from helpline.messages import Language
from routing.capacity import Capacity, Teller
from routing.hsds import profile
from routing.hsds.feeds import Feed
from routing.hsds.fields import TABLES, tables
from routing.hsds.loss import LossReport, Why
from routing.hsds.schemas import descriptor
from routing.hsds.terms import id_of
from routing.hsds.writing import Written, write
from routing.services import (
    Answer,
    Confidence,
    Contact,
    Location,
    Phone,
    Service,
    ServiceKind,
    ServiceStatus,
    Source,
)
from tests.routing.worlds import PLACES, a_directory, a_service, in_kommune

PAGE = Source("En side", "https://eksempel.no/", "2026")
NOTE = "Porten er bak kirken."


def shelter(**facts: Any) -> Service:
    plain = a_service(
        "lykthuset",
        name="Lykthuset",
        organisation="Stiftelsen Lykt",
        kind=ServiceKind.CRISIS_CENTRE,
        area=in_kommune("4601"),
        sources=(PAGE,),
        note=NOTE,
        say_first={Language.NB: NOTE},
        contacts=(Contact(name="Kari Oppdiktet"),),
        locations=(Location("hus", NOTE, area=next(iter(in_kommune("4601").areas))),),
    )
    return replace(plain, **facts)


def told(service: Service, feed: Feed, **more: Any) -> Written:
    directory = a_directory(service)
    return write(directory.with_all(directory.services, **more), PLACES, feed=feed, on=date(2026, 11, 22))


def last(written: Written) -> dict[str, Any]:
    return written.services[-1]


def test_the_public_feed_says_kind_and_fylke() -> None:
    written = told(shelter(), Feed.PUBLIC)
    service = last(written)
    assert service["name"] == service["description"] == "Krisesenter"
    assert [area["name"] for area in service["service_areas"]] == ["Vestland"]
    assert service["organization"]["name"] == "Navnet oppgis ikke"
    assert "service_at_locations" not in service
    assert "contacts" not in service
    whole = orjson.dumps([written.services, written.organizations]).decode()
    for secret in ("Lykt", NOTE, "Oppdiktet", "Bergen", "lykthuset"):
        assert secret not in whole
    assert service["id"] != id_of("service", "lykthuset")
    assert Why.PROTECTED in {loss.why for loss in written.losses.losses}


def test_two_of_a_kind_in_one_fylke_are_told_apart_by_a_number_alone() -> None:
    other = replace(shelter(), id="ankerhuset", name="Ankerhuset")
    directory = a_directory(shelter(), other)
    services = write(directory, PLACES, feed=Feed.PUBLIC, on=date(2026, 11, 22)).services[-2:]
    assert services[0]["id"] != services[1]["id"]
    assert services[0]["name"] == services[1]["name"]


def test_no_neighbour_in_the_list_tells_how_a_hidden_name_begins() -> None:
    directory = a_directory(a_service("aa"), replace(shelter(), id="lykthuset"), a_service("zz"))
    services = write(directory, PLACES, feed=Feed.PUBLIC, on=date(2026, 11, 22)).services
    hidden = [each["organization"]["name"] == "Navnet oppgis ikke" for each in services]
    assert True in hidden
    assert hidden == sorted(hidden)


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, True),  # a crisis centre that everybody finds
        ({"kind": ServiceKind.PROTECTED_HOUSING}, False),
        ({"sources": ()}, False),
        ({"confidence": Confidence.PARTLY}, False),
    ],
)
def test_a_number_is_public_where_everybody_finds_it(facts: dict[str, Any], shown: bool) -> None:
    service = last(told(shelter(phones=(Phone("11 22 33 44"),), **facts), Feed.PUBLIC))
    assert ("phones" in service) is shown


def test_a_partner_reads_the_name_and_the_room_and_no_address() -> None:
    capacity = Capacity("lykthuset", Answer.YES, 2, 6, "senger", datetime(2026, 11, 22, tzinfo=UTC), Teller.SERVICE)
    service = last(told(shelter(), Feed.PARTNER, capacities={"lykthuset": capacity}))
    assert service["name"] == "Lykthuset"
    assert [area["name"] for area in service["service_areas"]] == ["Bergen (Vestland)"]
    (place,) = service["service_at_locations"]
    assert place["location"]["location_type"] == "virtual"
    assert "addresses" not in place["location"]
    (room,) = service["capacities"]
    assert (room["available"], room["maximum"], room["unit"]["name"]) == (2, 6, "senger")
    assert room["updated"].startswith("2026-11-22T00:00:00")
    public = last(told(shelter(), Feed.PUBLIC, capacities={"lykthuset": capacity}))
    assert "capacities" not in public
    assert "capacity:" not in orjson.dumps(public).decode()


def test_what_looks_like_an_address_is_left_out_of_both_feeds_and_told() -> None:
    for feed in Feed:
        open_door = a_service("kontor", name="Oppdiktetveien 12", note="Kom til Oppdiktetveien 12")
        written = told(open_door, feed)
        assert "Oppdiktetveien" not in orjson.dumps(written.services).decode()
        assert "service.name" in {loss.where for loss in written.losses.losses}
        assert "Oppdiktetveien" not in written.losses.as_text()


def test_what_is_not_running_is_for_partners_alone() -> None:
    for status in (ServiceStatus.INACTIVE, ServiceStatus.DEFUNCT):
        service = a_service("borte", name="Borte", status=status)
        assert "Borte" in {each["name"] for each in told(service, Feed.PARTNER).services}
        assert "Borte" not in {each["name"] for each in told(service, Feed.PUBLIC).services}


def test_hours_say_their_zone_and_that_they_end_the_day_after() -> None:
    service = next(each for each in told(a_service("x"), Feed.PUBLIC).services if each["name"] == "X")
    (schedule,) = service["schedules"]
    codes = {each["taxonomy_term"]["code"]: each["value"] for each in schedule["attributes"]}
    assert (schedule["timezone"], codes["fact:zone"]) == (1, "Europe/Oslo")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        (["a"], {"b": 1}, {"b": 1}),
        ({"a": 1}, ["c"], ["c"]),
    ],
)
def test_a_merge_patch_is_applied_as_its_standard_says(target: Any, patch: Any, result: Any) -> None:
    assert profile.merged(target, patch) == result


def test_the_profile_changes_only_what_there_is_and_its_schemas_are_schemas() -> None:
    for name, patch in profile.PATCHES.items():
        known = {field.name for field in TABLES[name].fields}
        assert set(patch.get("properties", {})) <= known
        assert set(patch.get("required", ())) <= known
    for name in TABLES:
        Draft202012Validator.check_schema(profile.schema(name, "https://varde.example/hsds/profile"))
        Draft202012Validator.check_schema(profile.compiled(name))


def test_the_profile_refuses_an_address_of_a_virtual_place() -> None:
    validator = Draft202012Validator(profile.compiled("location"))
    ident = "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a01"
    assert validator.is_valid({"id": ident, "location_type": "virtual"})
    assert not validator.is_valid({"id": ident, "location_type": "virtual", "addresses": [{}]})


def test_every_table_has_a_file_of_its_own_and_every_reference_a_table() -> None:
    files = [each["path"] for each in descriptor()["resources"]]
    assert len(files) == len(set(files)) == len(tables())
    assert {"service_at_location.csv", "url.csv", "service_capacity.csv", "units.csv"} <= set(files)
    for table in TABLES.values():
        for field in table.fields:
            assert not field.child or field.child in TABLES
            assert not field.refers_to or field.refers_to in TABLES


def test_a_report_counts_and_says_each_thing_once() -> None:
    losses = LossReport(kept=3)
    for _ in range(2):
        losses.add("a", "service.x", Why.UNKNOWN)
    losses.add("a", "service.fees", Why.NO_PLACE)
    assert losses.as_plain()["why"] == {"no-place-for-it": 1, "unknown-property": 1}
    assert losses.as_text().splitlines()[0] == "3 entries came along; 2 things were left behind."
    assert LossReport(kept=1).as_text() == "1 entries came along; nothing was left behind.\n"
