"""The shipped directory is whole and true to its rules, and a service file says exactly what it means."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder, node_of, read_yaml
from helpline.messages import Country, Language
from routing.directory import Directory, load_needs
from routing.places import Level
from routing.services import (
    HOUSING,
    Access,
    Address,
    Answer,
    Confidence,
    HolidayRule,
    Location,
    ProtectedPlace,
    Service,
    ServiceKind,
    ServiceStatus,
    Sex,
    Status,
    Takes,
)
from routing.upkeep.service_form import Known, as_plain, looks_like_address, read_service
from tests.routing.hsds.generated import services
from tests.routing.worlds import PLACES, SHIPPED

CONTENT = content_folder()

A_SERVICE = """
id: a-place
name: A place
organisation: Somebody
kind: crisis-centre
what: {nb: Et sted., en: A place.}
needs: {first: [housing-tonight], also: [legal]}
area: {fylke: ["42"], kommune: ["5501"], likely: {kommune: ["5601"]}}
serves:
  sex: {only: [female]}
  age: {lower: 18, ask_lower: 16}
  status: {takes: [eea], refuses: [tourist]}
  children: accepted
access: self
phones: [{number: "11 22 33 44", use: {nb: kvinner, en: women}}]
hours: {always: true, as_stated: "24/7"}
protected: true
confidence: verified
freshness: 2022-or-later
sources: [{title: A page, url: "https://example.org", seen: "2026"}]
"""


def read(text: str) -> Service:
    return read_service(read_yaml(text, file="a.yaml"), Country.NO, PLACES, SHIPPED.needs)


def test_all_services_of_both_countries_are_there() -> None:
    assert Counter(service.country for service in SHIPPED.services) == {Country.NO: 132, Country.SE: 92}


def test_every_service_says_in_one_line_what_it_is_in_the_languages_of_its_country() -> None:
    for service in SHIPPED.services:
        own = Language.NB if service.country is Country.NO else Language.SV
        assert service.what[own] != service.what[Language.EN]
        for language in Language:
            assert service.described(language)


def test_every_need_is_met_by_somebody_or_known_to_be_a_gap() -> None:
    assert SHIPPED.unmet(Country.NO) == ()
    assert SHIPPED.unmet(Country.SE) == ("interpreter",)


def test_a_need_that_the_last_service_leaves_is_a_gap_of_that_country_alone() -> None:
    kept = [
        service
        for service in SHIPPED.services
        if service.country is Country.SE or "compensation" not in (*service.needs_first, *service.needs_also)
    ]
    assert SHIPPED.with_all(kept).unmet(Country.NO) == ("compensation",)
    assert "compensation" not in SHIPPED.with_all(kept).unmet(Country.SE)


def test_a_number_stands_where_a_source_gave_one_and_nowhere_else() -> None:
    for service in SHIPPED.services:
        for phone in service.phones:
            assert re.fullmatch(r"[0-9][0-9 -]+", phone.number)
            assert service.sources, service.id


def test_fallbacks_of_both_countries_answer_everywhere_for_everyone() -> None:
    for country, fallback in SHIPPED.fallbacks.items():
        always = [SHIPPED.get(service_id) for service_id in fallback.everyone]
        assert all(service.area.national and service.phones for service in always)
        assert any(service.hours.always and service.kind is ServiceKind.EMERGENCY for service in always)
        assert country in {service.country for service in always}


def test_a_child_has_a_public_route_in_every_kommune() -> None:
    for country in Country:
        everywhere = [s for s in SHIPPED.of(country) if s.child_route and (s.area.everywhere or s.area.national)]
        assert everywhere
        assert all(
            service.kind not in {ServiceKind.CRISIS_CENTRE, ServiceKind.PROTECTED_HOUSING} for service in everywhere
        )


def test_protected_housing_has_no_address_and_goes_by_its_kind_before_strangers() -> None:
    housing = [s for s in SHIPPED.services if s.kind in {ServiceKind.PROTECTED_HOUSING, ServiceKind.CRISIS_CENTRE}]
    named = [service for service in housing if service.id != "krisesentre-ovrige"]
    assert len(named) > 45
    assert all(service.protected for service in named)
    noomi = SHIPPED.get("se-noomi")
    assert "Noomi" not in noomi.called(Language.SV)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Storgata 12",
            "Kongens gate 5b",
            "Drottninggatan 3",
            "Skolvägen 14 A",
            "Bergveien 7",
            "Postboks 123",
            "Box 44",
        ),
        *(
            "Storgt. 12",
            "Kirkegt.4B",
            "Karl Johans g. 7",
            "Kungsg. 12",
            "Drammensv. 45-47",
            "Storgata12",
            "Bygdøy allé 23",
        ),
    ],
)
def test_a_street_address_is_known_when_seen(text: str) -> None:
    assert looks_like_address(f"Vi holder til i {text}, Oslo")


@pytest.mark.parametrize(
    "text",
    [
        *("22 33 11 60", "kap. 4.5", "020-39 00 00", "Storgata til Aker", "11 år", "0500-44 76 90", "avd. 12", "§ 12"),
        *("NAV Grünerløkka 08-15", "Torget 08.00-16.00", "Torget 08-12 34 56"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not looks_like_address(text)


def test_no_content_file_holds_a_street_address() -> None:
    for path in [*(CONTENT / "services").glob("*.yaml"), *(CONTENT / "places").glob("aliases-*.csv")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "url:" not in line:
                assert not looks_like_address(line), f"{path.name}: {line}"


def test_a_service_is_read_as_it_is_meant() -> None:
    service = read(A_SERVICE)
    assert service.kind is ServiceKind.CRISIS_CENTRE
    assert service.area.areas == {(Level.FYLKE, "42"), (Level.KOMMUNE, "5501")}
    assert service.area.likely == {(Level.KOMMUNE, "5601")}
    assert [service.serves.sex.answer(sex) for sex in Sex] == [Answer.YES, Answer.NO, Answer.ASK]
    assert service.serves.status.answer(Status.EEA) is Answer.YES
    assert service.serves.status.answer(Status.TOURIST) is Answer.NO
    assert service.serves.status.answer(Status.ASYLUM) is Answer.ASK
    assert service.serves.substance_use is Answer.ASK
    assert service.access is Access.SELF
    assert service.phones[0].use[Language.EN] == "women"


@pytest.mark.parametrize(
    ("ages", "answer"),
    [((30, 30), "yes"), ((17, 17), "ask"), ((15, 15), "no"), ((18, 130), "yes"), ((0, 17), "ask"), ((0, 130), "ask")],
)
def test_an_age_range_has_three_answers(ages: tuple[int, int], answer: str) -> None:
    assert read(A_SERVICE).serves.age.answer(*ages) is Answer(answer)


def test_what_is_unknown_is_neither_yes_nor_no() -> None:
    assert Takes().answer("female") is Answer.ASK
    assert Takes(everyone=True).answer("female") is Answer.YES


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("kind: crisis-centre", "kind: crisis-center", "Did you mean"),
        ('kommune: ["5501"]', 'kommune: ["9999"]', "no kommune with the code"),
        ('fylke: ["42"]', 'lan: ["01"]', "no lan with the code"),
        ("[housing-tonight]", "[housing-tonite]", "Did you mean"),
        ("also: [legal]", "also: [housing-tonight]", "both first and also"),
        ("name: A place", "name: Storgata 12", "street address"),
        ("id: a-place", "id: A Place", "small letters"),
        ("always: true", "always: true, unknown: true", "exactly one"),
        ("always: true", "always: false", "Leave it out"),
        ('always: true, as_stated: "24/7"', "always: true", "as_stated"),
        ("lower: 18, ask_lower: 16", "lower: 18, ask_lower: 20", "wrong order"),
        ("takes: [eea], refuses: [tourist]", "takes: [eea], refuses: [eea]", "only once"),
        ("takes: [eea]", "takes: [swedish_citizen]", "other country"),
        ("11 22 33 44", "call us", "phone number"),
        ("protected: true", "address: secret", "unknown"),
        ("confidence: verified", "confidence: sure", "cannot be"),
        ("en: A place.", "sv: En plats.", "missing"),
        ("access: self", "", "missing"),
        ('{fylke: ["42"], kommune: ["5501"], likely: {kommune: ["5601"]}}', "{}", "names codes"),
        ('{fylke: ["42"], kommune: ["5501"], likely: {kommune: ["5601"]}}', "{level: kommune}", "stands alone"),
    ],
)
def test_a_slip_in_a_service_file_is_refused_with_file_and_line(old: str, new: str, complaint: str) -> None:
    assert old in A_SERVICE
    with pytest.raises(ContentError, match=complaint) as refused:
        read(A_SERVICE.replace(old, new))
    assert str(refused.value).startswith("a.yaml:")


def test_what_is_written_out_is_read_back_the_same() -> None:
    for service in (*SHIPPED.services, read(A_SERVICE)):
        node = node_of(as_plain(service), file="again")
        assert read_service(node, service.country, PLACES, SHIPPED.needs) == service


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="same id"):
        SHIPPED.with_all([*SHIPPED.services, SHIPPED.services[0]])


def test_a_directory_without_its_fallback_is_refused() -> None:
    with pytest.raises(ContentError, match="rosa"):
        SHIPPED.with_all(service for service in SHIPPED.services if service.id != "rosa")


def test_needs_have_names_in_every_language_and_kinds_that_exist() -> None:
    needs = load_needs(CONTENT / "needs.yaml")
    assert len(needs) == 21
    assert {key for key, need in needs.items() if need.urgent} == {
        "housing-tonight",
        "crisis-line",
        "acute-care",
        "police",
    }
    assert isinstance(SHIPPED, Directory)


# --- what is new to a service -----------------------------------------------------------------------------------------

A_FULL_SERVICE = (
    A_SERVICE.replace("kind: crisis-centre", "kind: legal-aid").replace("protected: true\n", "")
    + """
status: closed-for-now
url: https://example.org/en
families: accepted
introduction: refused
catalogue: [protection.housing.places, protection.information_legal.rights]
say_first: {nb: Si at du ringer fra oss., en: Say that you are calling from us.}
locations:
  - id: sentrum
    name: I sentrum
    area: {kommune: "5501"}
    address: {street: Storgata 12, postal_code: "9008", city: Tromsø}
    phones: [{number: "77 00 00 00"}]
    hours:
      weekly: [{days: mon-fri, open: "09:00", close: "12:00"}, {days: mon-fri, open: "20:00", close: "02:00"}]
      seasons: [{first: "12-22", last: "01-06", weekly: []}]
      exceptions: [{on: 2026-12-24, intervals: [{open: "08:00", close: "11:00"}]}]
      holidays: as-sunday
      as_stated: 9-12
  - {id: hemmelig, area: {kommune: "5501"}, protected: true}
contacts: [{title: Leder, email: leder@example.org, phones: [{number: "77 00 00 01"}], confirms: true}]
owner: coordinator
assured_on: 2026-11-01
assured_by: coordinator
confirmed_on: 2026-11-02
"""
)


def test_every_field_is_read_as_it_is_meant_and_written_out_the_same() -> None:
    service = read(A_FULL_SERVICE)
    assert (service.status, service.running) == (ServiceStatus.CLOSED_FOR_NOW, False)
    assert (service.families, service.introduction) == (Answer.YES, Answer.NO)
    centre, secret = service.locations
    assert centre.address == Address("Storgata 12", "9008", "Tromsø")
    assert centre.area == (Level.KOMMUNE, "5501")
    assert centre.hours is not None
    assert centre.hours.holidays is HolidayRule.AS_SUNDAY
    assert [(each.opens, each.closes) for each in centre.hours.weekly] == [(540, 720), (1200, 1560)]
    assert secret.protected
    assert service.contacts[0].confirms
    assert service.assured_on is not None
    assert service.confirmed_on is not None
    assert service.confirmed_on > service.assured_on
    assert read_service(node_of(as_plain(service), file="again"), Country.NO, PLACES, SHIPPED.needs) == service


def test_the_example_for_coordinators_is_a_service() -> None:
    page = (Path(__file__).parents[2] / "docs" / "directory.md").read_text(encoding="utf-8")
    service = read(page.split("```yaml\n")[1].split("```")[0])
    assert set(as_plain(service)) >= {"locations", "contacts", "say_first", "catalogue", "families", "introduction"}
    SHIPPED.check_rows([service])


def test_a_document_from_before_these_fields_is_still_the_same_document() -> None:
    """It stands in databases, and one that came out otherwise would look as if somebody had changed it."""
    before = {
        "id": "bufdir",
        "name": "Nasjonal veiledningsfunksjon",
        "organisation": "Bufdir",
        "kind": "advice-line",
        "what": {"nb": "Veiledning.", "en": "Guidance."},
        "needs": {"first": ["children"], "also": []},
        "area": {"level": "national"},
        "serves": {"sex": "all", "age": {"upper": 17}, "children": "accepted"},
        "access": "professional-only",
        "phones": [{"number": "466 15 000"}],
        "email": "post@example.org",
        "hours": {
            "weekly": [{"days": "mon-fri", "open": "08:00", "close": "15:45"}],
            "closed_on_holidays": True,
            "approximate": True,
            "as_stated": "weekdays",
        },
        "confidence": "verified",
        "freshness": "2022-or-later",
        "sources": [{"title": "A page", "seen": "2022"}],
    }
    assert as_plain(read_service(node_of(before, file="old"), Country.NO, PLACES, SHIPPED.needs)) == before


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("introduction: refused", "introduction: perhaps", "accepted"),
        ("status: closed-for-now", "status: gone", "cannot be"),
        ("url: https://example.org/en", "url: example.org", "http"),
        ("[protection.housing.places,", "[housing,", "area.table.row"),
        ("[protection.housing.places,", "[protection.information_legal.rights,", "twice"),
        ('area: {kommune: "5501"}\n    address', 'area: {kommune: "9999"}\n    address', "no kommune"),
        ('postal_code: "9008"', 'postal_code: "12345"', "four digits"),
        ("id: hemmelig", "id: sentrum", "twice"),
        ('first: "12-22"', 'first: "22-12"', "06-15"),
        ('first: "12-22"', 'first: "02-30"', "06-15"),
        ("holidays: as-sunday", "holidays: as-sunday\n      closed_on_holidays: true", "not both"),
        ("on: 2026-12-24", "on: 2026-12-32", "no day of the calendar"),
        ("title: Leder", "title: Storgata 12", "street address"),
        ("Si at du ringer fra oss.", "Spør etter Kongens gate 5.", "street address"),
        ("name: I sentrum", "name: Storgata 12", "street address"),
        ("confirms: true", "confirms: yes", "true or false"),
        ("id: hemmelig,", "id: hemmelig, address: {street: A, postal_code: '9008', city: B},", "never an address"),
        ("kind: legal-aid", "kind: crisis-centre", "never an address"),
        ("kind: legal-aid", "kind: legal-aid\nprotected: true", "never an address"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_new_fields_is_named(old: str, new: str, complaint: str) -> None:
    assert old in A_FULL_SERVICE
    with pytest.raises(ContentError, match=complaint) as refused:
        read(A_FULL_SERVICE.replace(old, new))
    if complaint == "never an address":
        assert "Storgata" not in str(refused.value)


def test_seasons_need_hours_with_times() -> None:
    with pytest.raises(ContentError, match="Seasons belong"):
        read(A_SERVICE.replace("always: true,", "unknown: true, seasons: [],"))


# --- a place that hides -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(services())
def test_any_service_is_written_out_and_read_back_the_same(service: Service) -> None:
    plain = as_plain(service)
    again = read_service(node_of(plain, file="again"), service.country, PLACES, SHIPPED.needs)
    assert again == replace(service, revision=0)
    assert as_plain(again) == plain


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(services(), st.one_of(st.just(True), st.sampled_from(sorted(HOUSING))))
def test_no_place_that_hides_is_ever_written_with_an_address(service: Service, hides: ServiceKind | bool) -> None:
    """Whichever way a service comes to hide: there is no value with an address, and no document that reads as one."""
    hidden: dict[str, Any] = {"protected": True} if hides is True else {"kind": hides}
    has_address = any(place.address is not None for place in service.locations)
    if has_address:
        with pytest.raises(ProtectedPlace):
            replace(service, **hidden)
    bare = replace(service, locations=tuple(replace(place, address=None) for place in service.locations))
    made = replace(bare, **hidden)
    assert all(place.protected for place in made.locations)
    written = as_plain(made)
    assert "address" not in {key for place in written.get("locations", ()) for key in place}
    smuggled = {"id": "x", "address": {"street": "Hemmelig 1", "postal_code": "0150", "city": "Oslo"}}
    written["locations"] = [smuggled]
    with pytest.raises(ContentError, match="never an address") as refused:
        read_service(node_of(written, file="again"), service.country, PLACES, SHIPPED.needs)
    assert "Hemmelig" not in str(refused.value)


def test_a_protected_location_of_an_open_service_has_no_address_either() -> None:
    with pytest.raises(ProtectedPlace) as refused:
        Location("x", address=Address("Hemmelig 1", "0150", "Oslo"), protected=True)
    assert "Hemmelig" not in str(refused.value)


# --- what ships -------------------------------------------------------------------------------------------------------


def test_no_entry_names_the_protected_house_of_another() -> None:
    houses = [s for s in SHIPPED.services if s.kind is ServiceKind.PROTECTED_HOUSING]
    named = {house.name.removesuffix(" skyddat boende").removeprefix("Safe House ") for house in houses}
    assert {"Filemon", "Skogsbo"} <= named
    for service in SHIPPED.services:
        if service not in houses:
            said = " ".join([service.note, *service.what.values(), *service.unverified])
            assert not [name for name in named if name in said], service.id


def test_what_hides_ships_without_a_page_or_a_place() -> None:
    hiding = [service for service in SHIPPED.services if service.hides_place]
    assert len(hiding) > 50
    assert not [service.id for service in hiding if service.url or service.locations]


def test_nothing_unverified_ships_as_checked() -> None:
    for service in SHIPPED.services:
        assert (service.assured_on is None) is (service.confidence is Confidence.UNVERIFIED), service.id
        assert service.confirmed_on is None


def test_what_is_offered_is_in_the_catalogue(tmp_path: Path) -> None:
    offering = [service for service in SHIPPED.services if service.catalogue]
    assert len(offering) > 150
    with pytest.raises(ContentError, match="no row of the catalogue"):
        SHIPPED.check_rows([replace(offering[0], catalogue=("protection.housing.castles",))])


def test_somebody_who_calls_knows_what_to_say_first_in_every_language() -> None:
    for service in SHIPPED.services:
        said = {language: SHIPPED.say_first(service, language) for language in Language}
        assert len(set(said.values())) == len(Language), service.id
    own = replace(SHIPPED.get("rosa"), say_first={Language.NB: "Si bare hei."})
    assert SHIPPED.say_first(own, Language.NB) == "Si bare hei."
    assert SHIPPED.say_first(own, Language.EN)
    assert SHIPPED.say_first(SHIPPED.get("filemon"), Language.EN) != SHIPPED.say_first(own, Language.EN)


def test_what_is_written_alike_is_read_once_and_means_the_same() -> None:
    known = Known()
    for service in SHIPPED.services:
        node = node_of(as_plain(service), file="again")
        read = read_service(node, service.country, PLACES, SHIPPED.needs, revision=3, known=known)
        assert read == replace(service, revision=3)
        again = node_of(as_plain(service), file="again")
        assert read_service(again, service.country, PLACES, SHIPPED.needs, known=known).hours is read.hours


def test_what_another_country_may_say_is_not_taken_from_memory() -> None:
    known = Known()
    swedish = next(service for service in SHIPPED.services if service.country is Country.SE)
    both = {"what": {"nb": "Hjelp.", "sv": "Hjälp.", "en": "Help."}, "serves": {}, "area": {"kommune": ["0180"]}}
    plain = as_plain(swedish) | both
    read_service(node_of(plain, file="x"), Country.SE, PLACES, SHIPPED.needs, known=known)
    with pytest.raises(ContentError, match='There is no kommune with the code "0180" in NO'):
        read_service(node_of(plain, file="x"), Country.NO, PLACES, SHIPPED.needs, known=known)


def test_a_street_is_refused_the_second_time_too() -> None:
    known = Known()
    plain = as_plain(SHIPPED.services[0]) | {"note": "Storgata 12"}
    for _ in range(2):
        with pytest.raises(ContentError, match="street address"):
            read_service(node_of(plain, file="x"), SHIPPED.services[0].country, PLACES, SHIPPED.needs, known=known)


def test_an_open_place_is_not_remembered_for_a_hidden_one() -> None:
    known = Known()
    address = {"street": "Storgata 1", "postal_code": "0155", "city": "Oslo"}
    service = next(s for s in SHIPPED.services if s.country is Country.NO and not s.hides_place)
    plain = as_plain(service) | {"locations": [{"id": "desk", "address": address}]}
    assert read_service(node_of(plain, file="x"), Country.NO, PLACES, SHIPPED.needs, known=known).locations[0].address
    with pytest.raises(ContentError, match="protected"):
        read_service(node_of(plain | {"protected": True}, file="x"), Country.NO, PLACES, SHIPPED.needs, known=known)
