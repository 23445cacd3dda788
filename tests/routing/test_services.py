"""The shipped directory is whole and true to its rules, and a service file says exactly what it means."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from helpline.content import ContentError, content_folder, node_of, read_yaml
from helpline.messages import Country, Language
from routing.directory import Directory, load_needs
from routing.places import Level
from routing.service_form import as_plain, looks_like_address, read_service
from routing.services import (
    Access,
    Answer,
    Service,
    ServiceKind,
    Sex,
    Status,
    Takes,
)
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
    assert SHIPPED.with_services(kept).unmet(Country.NO) == ("compensation",)
    assert "compensation" not in SHIPPED.with_services(kept).unmet(Country.SE)


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
    ["Storgata 12", "Kongens gate 5b", "Drottninggatan 3", "Skolvägen 14 A", "Bergveien 7", "Postboks 123", "Box 44"],
)
def test_a_street_address_is_known_when_seen(text: str) -> None:
    assert looks_like_address(f"Vi holder til i {text}, Oslo")


@pytest.mark.parametrize(
    "text", ["22 33 11 60", "kap. 4.5", "020-39 00 00", "Storgata til Aker", "11 år", "0500-44 76 90"]
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
        SHIPPED.with_services([*SHIPPED.services, SHIPPED.services[0]])


def test_a_directory_without_its_fallback_is_refused() -> None:
    with pytest.raises(ContentError, match="rosa"):
        SHIPPED.with_services(service for service in SHIPPED.services if service.id != "rosa")


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
