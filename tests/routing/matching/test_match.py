"""Who is offered, who is not, in which order, and that nobody is left without a way."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

from helpline.messages import Country
from routing.matching.match import AgeGroup, Because, Matched, Query, match
from routing.places import Level, Place
from routing.services import (
    Access,
    AgeRange,
    Answer,
    Area,
    Confidence,
    Exploitation,
    Freshness,
    Hours,
    Interval,
    Serves,
    Service,
    ServiceKind,
    Sex,
    Status,
    Takes,
)
from tests.routing.worlds import (
    NATIONAL,
    PLACES,
    SHIPPED,
    WELCOMES,
    a_directory,
    a_service,
    in_kommune,
    kommune,
    oslo_time,
)

TROMSO = kommune("5501")
NIGHT = oslo_time("2026-11-23 03:00")
NOON = oslo_time("2026-11-23 11:00")
A_QUERY = Query(Country.NO, place=TROMSO, needs=("legal",))
OFFICE = Hours(weekly=(Interval(frozenset(range(5)), 480, 960),), as_stated="8-16")


def offered(matched: Matched) -> list[str]:
    return [offer.service.id for offer in matched.offered if not offer.fallback]


def why_dropped(matched: Matched, service_id: str) -> set[Because]:
    return {reason.code for drop in matched.dropped if drop.service.id == service_id for reason in drop.reasons}


def why_offered(matched: Matched, service_id: str) -> set[Because]:
    return {reason.code for offer in matched.offered if offer.service.id == service_id for reason in offer.reasons}


def ids(*services: Service, query: Query = A_QUERY) -> list[str]:
    return offered(match(a_directory(*services), query, NOON))


ONLY_WOMEN = Takes(takes=frozenset({"female"}), refuses=frozenset({"male"}))


@pytest.mark.parametrize(
    ("facts", "query", "reason"),
    [
        ({"country": Country.SE, "area": Area(frozenset({(Level.LAN, "01")}))}, A_QUERY, Because.OTHER_COUNTRY),
        ({"area": in_kommune("0301")}, A_QUERY, Because.OTHER_AREA),
        ({}, replace(A_QUERY, place=None), Because.PLACE_NEEDED),
        ({}, replace(A_QUERY, needs=("labour",)), Because.OTHER_NEED),
        ({"area": NATIONAL}, replace(A_QUERY, needs=()), Because.NO_NEED_CHOSEN),
        ({"needs_first": ()}, A_QUERY, Because.NOT_FOR_PATIENTS),
        ({"serves": Serves(sex=ONLY_WOMEN)}, replace(A_QUERY, sex=Sex.MALE), Because.SEX_NOT_TAKEN),
        ({"serves": Serves(age=AgeRange(18))}, replace(A_QUERY, age=17), Because.AGE_NOT_TAKEN),
        ({"serves": Serves(age=AgeRange(18))}, replace(A_QUERY, age=AgeGroup.MINOR), Because.AGE_NOT_TAKEN),
        ({"serves": Serves(age=AgeRange(0, 17))}, replace(A_QUERY, age=AgeGroup.ADULT), Because.AGE_NOT_TAKEN),
        ({"kind": ServiceKind.CRISIS_CENTRE, "serves": Serves()}, replace(A_QUERY, age=17), Because.ADULT_HOUSING),
        (
            {"serves": Serves(status=Takes(frozenset({"eea"}), frozenset({"tourist"})))},
            replace(A_QUERY, status=Status.TOURIST),
            Because.STATUS_NOT_TAKEN,
        ),
        (
            {"serves": Serves(exploitation=Takes(frozenset({"forced_labour"}), frozenset({"begging"})))},
            replace(A_QUERY, exploitation=Exploitation.BEGGING),
            Because.EXPLOITATION_NOT_TAKEN,
        ),
        (
            {"kind": ServiceKind.PROTECTED_HOUSING, "serves": replace(WELCOMES, children=Answer.NO)},
            replace(A_QUERY, with_children=True),
            Because.CHILDREN_NOT_TAKEN,
        ),
        (
            {"kind": ServiceKind.PROTECTED_HOUSING, "serves": replace(WELCOMES, substance_use=Answer.NO)},
            replace(A_QUERY, substance_use=True),
            Because.SUBSTANCE_USE_NOT_TAKEN,
        ),
    ],
)
def test_a_hard_rule_drops_with_its_reason(facts: dict[str, object], query: Query, reason: Because) -> None:
    matched = match(a_directory(a_service("it", **facts)), query, NOON)
    assert "it" not in offered(matched)
    assert reason in why_dropped(matched, "it")


def test_every_reason_against_is_told() -> None:
    service = a_service("it", serves=Serves(sex=ONLY_WOMEN, age=AgeRange(18)))
    matched = match(a_directory(service), replace(A_QUERY, sex=Sex.MALE, age=12, needs=("labour",)), NOON)
    assert why_dropped(matched, "it") == {Because.SEX_NOT_TAKEN, Because.AGE_NOT_TAKEN, Because.OTHER_NEED}


def test_every_service_is_offered_or_dropped_exactly_once() -> None:
    for country, place in ((Country.NO, TROMSO), (Country.SE, kommune("1280", Country.SE))):
        matched = match(SHIPPED, Query(country, place=place, needs=("housing",)), NIGHT)
        seen = Counter(o.service.id for o in matched.offered) + Counter(d.service.id for d in matched.dropped)
        assert seen == Counter(service.id for service in SHIPPED.services)
        assert all(drop.reasons for drop in matched.dropped)
        assert all(offer.reasons for offer in matched.offered)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"area": Area(frozenset({(Level.FYLKE, "55")}))}),
        ({"area": Area(frozenset({(Level.FYLKE, "55")}))}, {"area": Area(frozenset({(Level.HELSEREGION, "H05")}))}),
        ({"area": Area(frozenset({(Level.HELSEREGION, "H05")}))}, {"area": NATIONAL}),
        ({}, {"area": Area(frozenset(), likely=frozenset({(Level.KOMMUNE, "5501")}))}),
        ({}, {"area": replace(NATIONAL, everywhere=True)}),
        ({}, {"confidence": Confidence.PARTLY}),
        ({"confidence": Confidence.CONFIRMED}, {}),
        ({"confidence": Confidence.PARTLY}, {"confidence": Confidence.UNVERIFIED}),
        ({}, {"freshness": Freshness.UNDATED}),
        ({"freshness": Freshness.UNDATED}, {"freshness": Freshness.OLDER}),
        ({}, {"needs_first": (), "needs_also": ("legal",)}),
        ({"area": NATIONAL}, {"needs_first": (), "needs_also": ("legal",)}),  # fitness before nearness
        ({}, {"kind": ServiceKind.NGO}),  # the fitter kind for a lawyer
        ({}, {"hours": Hours(office_hours=True)}),
        ({"hours": Hours()}, {"hours": Hours(weekly=(Interval(frozenset({5}), 480, 960),))}),
        ({}, {"phones": ()}),
    ],
)
def test_what_comes_first(earlier: dict[str, object], later: dict[str, object]) -> None:
    one, other = a_service("z-one", **earlier), a_service("a-other", **later)
    night = match(a_directory(other, one), A_QUERY, oslo_time("2026-11-22 03:00"))
    assert offered(night) == ["z-one", "a-other"]


def test_unknown_is_kept_lower_and_marked_ask_them() -> None:
    says_yes, says_nothing = a_service("z-yes"), a_service("a-silent", serves=replace(WELCOMES, sex=Takes()))
    query = replace(A_QUERY, sex=Sex.MALE)
    matched = match(a_directory(says_nothing, says_yes), query, NOON)
    assert offered(matched) == ["z-yes", "a-silent"]
    assert Because.ASK_SEX in why_offered(matched, "a-silent")
    assert [offer.unsure for offer in matched.offered[:2]] == [False, True]


def test_a_limit_on_what_was_not_told_is_said_beside_the_offer() -> None:
    service = a_service("women", serves=replace(WELCOMES, sex=ONLY_WOMEN, age=AgeRange(18)))
    matched = match(a_directory(service), A_QUERY, NOON)
    assert {Because.ONLY_SEX, Because.ONLY_AGE} <= why_offered(matched, "women")


URGENT = replace(A_QUERY, needs=("housing-tonight",))


def test_an_urgent_need_asks_for_what_is_open_now() -> None:
    beds = {"needs_first": ("housing-tonight",)}
    closed, silent, open_now = (
        a_service("closed", hours=OFFICE, **beds),
        a_service("silent", hours=Hours(), **beds),
        a_service("z-open", **beds),
    )
    matched = match(a_directory(closed, silent, open_now), URGENT, NIGHT)
    assert offered(matched) == ["z-open", "silent"]
    assert why_dropped(matched, "closed") == {Because.CLOSED_NOW, Because.OPENS_AT}
    assert Because.HOURS_UNKNOWN in why_offered(matched, "silent")


def test_another_need_shows_what_is_closed_further_down_with_the_time_it_opens() -> None:
    matched = match(a_directory(a_service("a-closed", hours=OFFICE), a_service("z-open")), A_QUERY, NIGHT)
    assert offered(matched) == ["z-open", "a-closed"]
    opens = [
        r.at for o in matched.offered if o.service.id == "a-closed" for r in o.reasons if r.code is Because.OPENS_AT
    ]
    assert opens == [oslo_time("2026-11-23 08:00")]


def test_without_an_instant_nothing_is_said_of_hours() -> None:
    matched = match(a_directory(a_service("closed", hours=OFFICE)), A_QUERY)
    assert not {Because.OPEN_NOW, Because.CLOSED_NOW} & why_offered(matched, "closed")


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        match(SHIPPED, A_QUERY, NIGHT.replace(tzinfo=None))


def test_a_part_of_a_larger_area_is_offered_with_the_question() -> None:
    troms = PLACES.get(Country.NO, Level.FYLKE, "55")
    whole = a_service("z-whole", area=Area(frozenset({(Level.FYLKE, "55")})))
    matched = match(a_directory(a_service("a-part"), whole), replace(A_QUERY, place=troms), NOON)
    assert offered(matched) == ["z-whole", "a-part"]
    assert Because.COVERS_PART in why_offered(matched, "a-part")


def test_one_of_two_possible_places_is_asked_about() -> None:
    two = replace(A_QUERY, place=None, candidates=(TROMSO, kommune("0301")))
    matched = match(a_directory(a_service("tromso"), a_service("both", area=in_kommune("5501", "0301"))), two, NOON)
    assert offered(matched) == ["both", "tromso"]
    assert Because.COVERS_PART in why_offered(matched, "tromso")


def test_far_off_advice_to_staff_reaches_every_kommune() -> None:
    adviser = a_service(
        "adviser",
        area=replace(in_kommune("0301"), advises_all=True),
        needs_first=("legal",),
        needs_also=("identification-advice",),
    )
    assert "adviser" in ids(adviser, query=replace(A_QUERY, needs=("identification-advice",)))
    assert "adviser" not in ids(adviser)


def test_without_a_need_advice_in_the_case_comes_first_and_then_what_the_area_has() -> None:
    advice = a_service("z-advice", area=NATIONAL, needs_first=("identification-advice",))
    local = a_service("a-local")
    elsewhere = a_service("elsewhere", area=NATIONAL)
    found = ids(local, advice, elsewhere, query=replace(A_QUERY, needs=()))
    assert found[:2] == ["z-advice", "a-local"]
    assert "elsewhere" not in found


def test_several_needs_put_what_meets_most_of_them_first() -> None:
    both, one = a_service("z-both", needs_first=("legal", "money")), a_service("a-one")
    assert ids(one, both, query=replace(A_QUERY, needs=("legal", "money"))) == ["z-both", "a-one"]


def test_an_adult_with_a_child_at_risk_is_led_to_the_childs_services() -> None:
    for query in (
        Query(Country.NO, place=TROMSO, needs=("children",), age=30),
        Query(Country.NO, place=TROMSO, needs=("children",), age=AgeGroup.ADULT, with_children=True),
    ):
        assert offered(match(SHIPPED, query, NIGHT))[0] == "barnevernvakt"


def test_a_status_means_the_same_on_the_other_side_of_the_border() -> None:
    nordic = a_service("nordic", serves=replace(WELCOMES, status=Takes(frozenset({"nordic"}), frozenset({"eea"}))))
    assert ids(nordic, query=replace(A_QUERY, status=Status.SWEDISH)) == ["nordic"]


def test_the_way_in_is_told_where_it_is_not_simply_calling() -> None:
    matched = match(a_directory(a_service("it", access=Access.REFERRAL)), A_QUERY, NOON)
    assert Because.ACCESS in why_offered(matched, "it")


def test_a_clinician_sees_five_and_the_fallback() -> None:
    many = [a_service(f"legal-{number}") for number in range(9)]
    shown = match(a_directory(*many), A_QUERY, NOON).shown()
    assert [offer.fallback for offer in shown] == [False] * 5 + [True] * 3


# --- the shipped directory --------------------------------------------------------------------------------------

REGIONS: list[Place | None] = [
    None,
    *(kommune(code) for code in ("0301", "5501", "5610", "3218", "4003")),
    PLACES.get(Country.NO, Level.HELSEREGION, "H05"),
    *(kommune(code, Country.SE) for code in ("0180", "1280", "0980", "0684")),
    PLACES.get(Country.SE, Level.LAN, "24"),
]


def _country(place: Place | None) -> Country:
    return place.country if place is not None else Country.NO


def test_a_man_in_forced_labour_finds_housing_in_oslo() -> None:
    query = Query(
        Country.NO, place=kommune("0301"), needs=("housing",), sex=Sex.MALE, age=35, exploitation=Exploitation.LABOUR
    )
    assert "filemon" in offered(match(SHIPPED, query, NIGHT))
    woman = match(SHIPPED, replace(query, sex=Sex.FEMALE), NIGHT)
    assert why_dropped(woman, "filemon") == {Because.SEX_NOT_TAKEN}


def test_tonight_in_tromso_the_crisis_centre_there_comes_first() -> None:
    query = Query(Country.NO, place=TROMSO, needs=("housing-tonight",), sex=Sex.FEMALE, age=30)
    matched = match(SHIPPED, query, NIGHT)
    assert offered(matched)[0] == "krisesenter-2"
    assert why_dropped(matched, "nav") >= {Because.CLOSED_NOW}


@pytest.mark.parametrize("need", ["police", "acute-care"])
def test_in_danger_the_first_number_is_one_that_comes(need: str) -> None:
    for place in REGIONS:
        query = Query(_country(place), place=place, needs=(need,), age=30)
        assert match(SHIPPED, query, NIGHT).offered[0].service.kind in {ServiceKind.POLICE, ServiceKind.EMERGENCY}


def test_the_socialjour_of_the_kommun_comes_before_the_one_for_all() -> None:
    query = Query(Country.SE, place=kommune("1780", Country.SE), needs=("housing-tonight",))
    assert offered(match(SHIPPED, query, oslo_time("2026-11-23 20:00")))[:2] == [
        "se-socialjour-karlstad",
        "se-socialjour",
    ]


def test_twenty_thousand_services_are_sorted_in_no_time() -> None:
    kommuner = PLACES.places(Country.NO, Level.KOMMUNE)
    many = [
        a_service(f"service-{number}", area=in_kommune(kommuner[number % len(kommuner)].code))
        for number in range(20_000)
    ]
    directory = a_directory(*many)
    match(directory, A_QUERY, NOON)
    began = time.perf_counter()
    matched = match(directory, A_QUERY, NOON)
    took = time.perf_counter() - began
    assert len(offered(matched)) == 56
    assert took < 2  # far from it: measured in tests/benchmarks, where machines are compared with themselves
