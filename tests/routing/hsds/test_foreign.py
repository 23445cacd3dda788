"""What somebody else wrote: it comes in as drafts, with nothing invented, and what has no place here is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from helpline.content import ContentError
from helpline.messages import Country, Language
from routing.hsds import checks, package
from routing.hsds.checks import Fault
from routing.hsds.feeds import Feed
from routing.hsds.fields import TABLES, Kind
from routing.hsds.loss import LossReport, Why
from routing.hsds.reading import Brought, read
from routing.hsds.terms import id_of
from routing.hsds.writing import write
from routing.services import Access, Answer, Confidence, ServiceKind, ServiceStatus
from tests.routing.worlds import PLACES, SHIPPED

FILES = Path(__file__).parent / "foreign"


def brought(path: Path) -> Brought:
    losses = LossReport()
    found = package.read_files(path, losses)
    return read(
        found.services,
        found.organizations,
        gazetteer=PLACES,
        needs=SHIPPED.needs,
        country=Country.NO,
        losses=losses,
    )


def told(losses: LossReport) -> set[tuple[str, Why]]:
    return {(loss.where, loss.why) for loss in losses.losses}


@pytest.fixture(params=["3.0.json", "3.1.json", "package"])
def foreign(request: pytest.FixtureRequest) -> Brought:
    return brought(FILES / request.param)


def test_a_foreign_service_is_a_draft_that_nobody_is_led_to(foreign: Brought) -> None:
    (service,) = foreign.services
    assert foreign.drafts == {service.id}
    assert (service.status, service.confidence) == (ServiceStatus.INACTIVE, Confidence.UNVERIFIED)
    assert (service.kind, service.access) == (ServiceKind.BACKGROUND, Access.UNKNOWN)
    assert (service.needs_first, service.needs_also, service.catalogue) == ((), (), ())
    assert service.confirmed_on is None
    assert service.assured_on is None


def test_what_it_says_is_kept_and_the_rest_is_to_be_asked(foreign: Brought) -> None:
    (service,) = foreign.services
    assert service.name == "Samtaletilbud for unge voksne"
    assert service.organisation == "Stiftelsen Eksempel"
    assert service.what[Language.NB].startswith("Samtaler for unge voksne")
    assert [phone.number for phone in service.phones] == ["+47 00 00 00 00"]
    assert service.serves.age.answer(20, 20) is Answer.YES
    assert service.serves.age.answer(12, 12) is Answer.NO
    assert {service.serves.sex.answer(sex) for sex in ("female", "male")} == {Answer.ASK}
    assert service.serves.children is service.serves.substance_use is service.families is Answer.ASK
    assert service.languages.codes == ("nb", "en")
    assert [sorted(interval.days) for interval in service.hours.weekly] == [[0], [3]]
    assert {(interval.opens, interval.closes) for interval in service.hours.weekly} == {(600, 1080)}
    assert [place.name for place in places_of(service)] == ["Oslo"]


def test_no_address_of_a_stranger_is_taken_in(foreign: Brought) -> None:
    (service,) = foreign.services
    assert all(place.address is None for place in service.locations)
    assert "Oppdiktet" not in repr(service)
    assert ("location.addresses", Why.PROTECTED) in told(foreign.losses)
    assert "Oppdiktet" not in foreign.losses.as_text() + orjson.dumps(foreign.losses.as_plain()).decode()


def test_what_has_no_place_and_what_nobody_knows_is_in_the_report(foreign: Brought) -> None:
    known = told(foreign.losses)
    assert ("service.cost_options", Why.NO_PLACE) in known
    assert ("service.attributes", Why.UNMAPPED) in known
    assert ("service.fees_description", Why.NO_PLACE) in known
    assert any(why is Why.UNKNOWN for _, why in known)
    assert foreign.losses.as_text().startswith("1 entries came along")


def full(table: str, made: Counter[str], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """An entry with every field that there is, each text another; what stands in it is not written out in itself."""
    made[table] += 1
    word = "".join(chr(ord("a") + int(digit)) for digit in str(sum(made.values())))
    entry: dict[str, Any] = {}
    for field in TABLES[table].fields:
        if field.nested:
            if field.child not in above:
                inside = full(field.child, made, (*above, table))
                entry[field.name] = [inside] if field.kind is Kind.LIST else inside
        elif field.kind is Kind.UUID:
            entry[field.name] = id_of(table, field.name, word)
        else:
            entry[field.name] = {
                Kind.TEXT: f"{field.name} {word}",
                Kind.URI: f"https://eksempel.no/{word}/{field.name}",
                Kind.EMAIL: f"{field.name}.{word}@eksempel.no",
                Kind.NUMBER: 17 + sum(made.values()),
                Kind.DATE: "2026-03-01",
                Kind.INSTANT: "2026-03-01T08:00:00Z",
                Kind.TIME: "08:00",
            }[field.kind]
            if field.values:
                entry[field.name] = field.values[0]
    return entry | ({"number": f"+47 00 00 {1000 + sum(made.values())}"} if table == "phone" else {})


def unread(entry: dict[str, Any], table: str, kept: str) -> Iterator[tuple[str, ...]]:
    """Where the texts stand that did not come along: their fields, from the outermost inwards."""
    for field in TABLES[table].fields:
        value = entry.get(field.name)
        if field.nested:
            for each in value if isinstance(value, list) else [value] if value else []:
                if field.child in {"organization", "service"}:  # an entry of its own, with losses of its own
                    yield from unread(each, field.child, kept)
                else:
                    yield from ((f"{table}.{field.name}", *inner) for inner in unread(each, field.child, kept))
        elif field.kind in {Kind.TEXT, Kind.URI, Kind.EMAIL} and not field.values and str(value) not in kept:
            yield (f"{table}.{field.name}",)


def test_every_field_that_there_is_comes_along_or_stands_in_the_report() -> None:
    entry = full("service", Counter())
    losses = LossReport()
    back = read([entry], gazetteer=PLACES, needs=SHIPPED.needs, country=Country.NO, losses=losses)
    # What stands of a place's hours at the service there is told with that of the place.
    also = {"location.schedules": "service_at_location.schedules"}
    named = {where for loss in losses.losses for where in (loss.where, also.get(loss.where, ""))}
    lost = list(unread(entry, "service", repr(back.services) + repr(back.organisations)))
    assert len(lost) > 500
    assert {path for path in lost if not named & set(path)} == set()


def test_unknown_properties_at_any_depth_are_told() -> None:
    known = told(brought(FILES / "3.1.json").losses)
    assert {("service.x_rating", Why.UNKNOWN), ("phone.x_whatsapp", Why.UNKNOWN)} <= known
    assert ("service.capacities", Why.NO_PLACE) in known


PLACE = {"id": "3f0e7a10-1111-4c1d-8a00-0000000000a1", "location_type": "physical", "name": "Oppdiktet Senter"}
TERM = {"id": "3f0e7a10-1111-4c1d-8a00-0000000000a2", "name": "Samtale", "description": "Samtaler", "code": "S1"}
VOCABULARY = {"id": "3f0e7a10-1111-4c1d-8a00-0000000000a3", "name": "Ord", "description": "Ord", "version": "2"}


@pytest.mark.parametrize(
    ("document", "where"),
    [
        (PLACE, ("location", Why.NOT_TAKEN)),
        (TERM, ("taxonomy_term", Why.UNMAPPED)),
        (VOCABULARY, ("taxonomy", Why.UNMAPPED)),
        (VOCABULARY | {"id": ["no id"]}, ("taxonomy", Why.UNMAPPED)),
        ({"version": "3.1", "profile": "https://eksempel.no/profil"}, ("an entry", Why.NOT_READABLE)),
        ({"total_items": 9, "first_page": True, "last_page": False, "contents": []}, ("contents", Why.NOT_TAKEN)),
    ],
)
def test_what_is_no_service_is_told_and_made_into_nothing_else(
    document: dict[str, Any], where: tuple[str, Why], tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_bytes(orjson.dumps(document))
    back = brought(tmp_path / "a.json")
    assert told(back.losses) == {where}
    assert (back.services, back.organisations) == ((), ())
    assert "Oppdiktet" not in back.losses.as_text()


def test_a_row_that_belongs_to_nothing_is_told() -> None:
    losses = LossReport()
    service = "id,organization_id,name,status\na,b,Samtale,active\n"
    phones = "id,service_id,number\np,a,22 00 00 00\nq,elsewhere,22 00 00 01\n"
    package.read_tables({"services.csv": service, "phones.csv": phones}, losses)
    assert [(loss.of, loss.where) for loss in losses.losses if loss.why is Why.NOT_TAKEN] == [("phone q", "phone")]


def test_reading_twice_gives_the_same_draft() -> None:
    assert brought(FILES / "3.1.json").services == brought(FILES / "3.1.json").services


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"minimum_age": 90, "maximum_age": 3}, "service.maximum_age"),
        ({"minimum_age": "ten"}, "service.minimum_age"),
        ({"status": "open"}, "service.status"),
        ({"url": "nowhere"}, "service.url"),
        ({"email": 7}, "service.email"),
        ({"phones": "22 00 00 00"}, "service.phones"),
        ({"phones": [{"id": "x", "number": "ask the desk"}]}, "service.phones.number"),
        ({"schedules": [{"id": "x", "freq": "MONTHLY", "bymonthday": "3"}]}, "service.schedules"),
        ({"service_areas": [{"id": "x", "name": "Atlantis"}]}, "service_area"),
        ({"description": "Kom til Oppdiktetveien 12."}, "service.description"),
        ({"organization": None}, "service.organization"),
        ({"service_at_locations": [{"id": "x", "location": "Storgata"}]}, "service_at_location.location"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_told(change: dict[str, Any], where: str) -> None:
    document = orjson.loads((FILES / "3.1.json").read_bytes())
    losses = LossReport()
    back = read(
        [{**document["contents"][0], **change}],
        gazetteer=PLACES,
        needs=SHIPPED.needs,
        country=Country.NO,
        losses=losses,
    )
    assert len(back.services) == 1
    assert where in {loss.where for loss in losses.losses}
    assert "Oppdiktet" not in repr(back.services)


@pytest.mark.parametrize("age", ["fra atten", [], 1e30, "18"])
def test_what_was_changed_by_hand_in_a_file_of_ours_stops_no_import(age: Any) -> None:
    service = next(each for each in SHIPPED.services if each.serves.age.lower)
    written = write(SHIPPED, PLACES, feed=Feed.PARTNER, on=date(2026, 11, 22))
    losses = LossReport()
    entries = [each | {"minimum_age": age} for each in written.services if each["name"] == service.name]
    back = read(entries, gazetteer=PLACES, needs=SHIPPED.needs, country=Country.NO, losses=losses)
    assert len(back.services) == (age == "18")
    assert age == "18" or Why.NOT_TAKEN in {loss.why for loss in losses.losses}


def test_an_entry_without_an_id_or_a_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '[{"status": "active", "name": "x"}, {"status": "active", "id": "y"}, 7, {"z": 1}]'
    )
    back = brought(tmp_path / "a.json")
    assert back.services == ()
    assert [loss.why for loss in back.losses.losses].count(Why.NOT_READABLE) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"PK\x03\x04nothing"])
def test_what_is_no_file_of_ours_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ContentError):
        package.read_files(tmp_path / "x.json", LossReport())


def test_a_garbled_or_swollen_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    rows = "id,name,status\n" + "1,a,active\n" * 2_000
    garbled = bytearray(package.zipped({"services.csv": rows}))
    garbled[50] ^= 0xFF  # inside what is packed
    (tmp_path / "garbled.zip").write_bytes(garbled)
    (tmp_path / "cell.zip").write_bytes(package.zipped({"services.csv": f"id,name\n1,{'x' * 200_000}\n"}))
    (tmp_path / "swollen.zip").write_bytes(package.zipped({"services.csv": rows}))
    for name in ("garbled.zip", "cell.zip"):
        with pytest.raises(ContentError):
            package.read_files(tmp_path / name, LossReport())
    with pytest.raises(ContentError, match="too large"):
        package.read_files(tmp_path / "swollen.zip", LossReport(), largest=10_000)


# --- checks -----------------------------------------------------------------------------------------------------------

SERVICE: dict[str, Any] = {
    "id": "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a01",
    "name": "A",
    "status": "active",
    "organization": {"id": "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a02", "name": "B", "description": "C"},
}
HIDDEN = {
    "id": "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a03",
    "link_id": SERVICE["id"],
    "link_entity": "service",
    "taxonomy_term": {
        "id": "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a04",
        "code": "confidentiality:protected",
        "name": "x",
        "description": "x",
    },
}
U = "5ba5d0c0-93f8-4b2f-8f6c-2f4f1f7c4a1"


def at(location: dict[str, Any]) -> dict[str, Any]:
    place = {"id": U + "1", "location_type": "virtual", **location}
    return {"attributes": [HIDDEN], "service_at_locations": [{"id": U + "2", "location": place}]}


def open_from(opens: str, closes: str, byday: str = "MO", number: int = 3, **more: Any) -> dict[str, Any]:
    times = {"opens_at": opens, "closes_at": closes}
    return {"id": U + str(number), "freq": "WEEKLY", "byday": byday, **times, **more}


ADDRESS = {
    "id": U + "5",
    "address_1": "x",
    "city": "x",
    "state_province": "x",
    "postal_code": "0000",
    "country": "NO",
    "address_type": "physical",
}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, set()),
        ({"name": None}, {Fault.MISSING}),
        ({"id": "1"}, {Fault.TYPE}),
        ({"status": "open"}, {Fault.VALUE}),
        ({"minimum_age": "ten"}, {Fault.TYPE}),
        ({"x": 1}, {Fault.UNKNOWN}),
        ({"assured_date": "2026-13-01"}, {Fault.TYPE}),
        ({"program_id": U + "9"}, {Fault.DANGLING}),
        ({"languages": [{"id": U + "4", "code": "norsk"}]}, {Fault.LANGUAGE}),
        ({"languages": [{"id": U + "4", "code": "nb"}, {"id": U + "6", "code": "smj"}]}, set()),
        ({"phones": [{"id": U + "4", "number": "ring us"}]}, {Fault.PHONE}),
        ({"phones": [{"id": U + "4", "number": "+47 22 00 00 00"}, {"id": U + "6", "number": "112"}]}, set()),
        ({"phones": [{"id": U + "4", "number": "1"}, {"id": U + "4", "number": "2"}]}, {Fault.DUPLICATE}),
        ({"schedules": [open_from("25:00", "26:00")]}, {Fault.TIME}),
        ({"schedules": [open_from("08:00:00", "16:00Z")]}, set()),
        ({"schedules": [open_from("16:00", "08:00")]}, {Fault.CLOSES_FIRST}),
        ({"schedules": [open_from("16:00", "08:00", notes="Closes the day after.")]}, set()),
        ({"schedules": [open_from("08:00", "12:00"), open_from("11:00", "15:00", number=7)]}, {Fault.OVERLAP}),
        ({"schedules": [open_from("08:00", "12:00"), open_from("12:00", "15:00", number=7)]}, set()),
        ({"schedules": [open_from("08:00", "12:00"), open_from("11:00", "15:00", "TU", 7)]}, set()),
        (at({}), set()),
        (at({"addresses": [ADDRESS]}), {Fault.ADDRESS}),
        (at({"latitude": 59.9}), {Fault.ADDRESS}),
        (at({"location_type": "physical"}), {Fault.ADDRESS}),
        (at({"description": "Bak kirken, Oppdiktetveien 12"}), {Fault.ADDRESS}),
    ],
)
def test_each_fault_is_found_and_nothing_else(change: dict[str, Any], faults: set[Fault]) -> None:
    found = checks.check([{**SERVICE, **change}])
    assert {each.fault for each in found} == faults
    assert "Oppdiktet" not in repr(found)


def places_of(service: Any) -> list[Any]:
    return [PLACES.get(service.country, *key) for key in sorted(service.area.areas)]
