"""The rules and the order that came with what a directory knows of room, rows, families, languages and confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from helpline.messages import Country
from routing.capacity import FRESH_FOR, Capacity, Teller
from routing.certification.scope import reach
from routing.matching.match import Because, Matched, Query, match, next_best
from routing.places import AreaKey, Level, Place
from routing.services import (
    AgeRange,
    Answer,
    Area,
    Confidence,
    Hours,
    Languages,
    Service,
    ServiceKind,
    ServiceStatus,
    Sex,
    Takes,
)
from tests.routing.worlds import NATIONAL, PLACES, SHIPPED, WELCOMES, a_directory, a_service, kommune, oslo_time

NOON = oslo_time("2026-11-23 11:00")
A_QUERY = Query(Country.NO, place=kommune("5501"), needs=("legal",))
TONIGHT = replace(A_QUERY, needs=("housing-tonight",))
BEDS = {"kind": ServiceKind.CRISIS_CENTRE, "needs_first": ("housing-tonight",)}
HOUSING, MEETING = "protection.housing.places", "protection.support_work.supportive_talks"
TROMS, NORWAY = (Level.FYLKE, "55"), (Level.NATIONAL, "NO")
HELPS = {"needs_first": (), "needs_also": ("legal",)}


def told(service_id: str, accepting: Answer, *, ago: timedelta = timedelta(hours=1)) -> Capacity:
    return Capacity(service_id, accepting, None, None, "beds", NOON - ago, Teller.SERVICE)


def asked(query: Query, *services: Service, room: tuple[Capacity, ...] = ()) -> Matched:
    directory = a_directory(*services)
    return match(
        directory.with_all(directory.services, capacities={each.service_id: each for each in room}), query, NOON
    )


def line(matched: Matched) -> list[str]:
    return [offer.service.id for offer in matched.offered if not offer.fallback]


def why(matched: Matched, service_id: str) -> set[Because]:
    found = [(each.service.id, each.reasons) for each in matched.offered]
    found += [(each.service.id, each.reasons) for each in matched.dropped]
    return {reason.code for each, reasons in found if each == service_id for reason in reasons}


# --- room ----------------------------------------------------------------------------------------------------------


def test_a_house_that_was_full_lately_is_passed_over_tonight_with_the_reason() -> None:
    matched = asked(TONIGHT, a_service("it", **BEDS), room=(told("it", Answer.NO),))
    assert line(matched) == []
    assert why(matched, "it") == {Because.FULL}


def test_where_nothing_is_urgent_a_full_house_stands_below_the_others_with_the_reason() -> None:
    full, other = a_service("a-full"), a_service("z-other", area=NATIONAL)
    matched = asked(A_QUERY, full, other, room=(told("a-full", Answer.NO),))
    assert line(matched) == ["z-other", "a-full"]
    assert Because.FULL in why(matched, "a-full")


@pytest.mark.parametrize("accepting", [Answer.NO, Answer.YES])
def test_what_was_told_too_long_ago_is_asked_about(accepting: Answer) -> None:
    old = told("it", accepting, ago=FRESH_FOR + timedelta(minutes=1))
    matched = asked(TONIGHT, a_service("it", **BEDS), room=(old,))
    assert line(matched) == ["it"]
    assert Because.ASK_ROOM in why(matched, "it")
    assert matched.offered[0].unsure


def test_of_housing_room_is_asked_where_nobody_told_and_of_a_lawyer_it_is_not() -> None:
    assert Because.ASK_ROOM in why(asked(TONIGHT, a_service("it", **BEDS)), "it")
    assert Because.ASK_ROOM not in why(asked(A_QUERY, a_service("it")), "it")


def test_a_child_protection_office_is_never_full() -> None:
    office = a_service("it", kind=ServiceKind.CHILD_PROTECTION, child_route=True, needs_first=("housing-tonight",))
    matched = asked(replace(TONIGHT, age=15), office, a_service("a-other"), room=(told("it", Answer.NO),))
    assert line(matched)[0] == "it"


def test_without_an_instant_nothing_is_said_of_room() -> None:
    directory = a_directory(a_service("it", **BEDS))
    full = directory.with_all(directory.services, capacities={"it": told("it", Answer.NO)})
    assert line(match(full, TONIGHT)) == ["it"]


# --- whom it takes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("families", "reason"),
    [(Answer.NO, Because.FAMILIES_NOT_TAKEN), (Answer.ASK, Because.ASK_FAMILIES), (Answer.YES, None)],
)
def test_whole_families(families: Answer, reason: Because | None) -> None:
    matched = asked(replace(TONIGHT, families=True), a_service("it", families=families, **BEDS))
    assert (line(matched) == []) is (families is Answer.NO)
    assert why(matched, "it") & {Because.FAMILIES_NOT_TAKEN, Because.ASK_FAMILIES} == ({reason} if reason else set())


def test_whoever_takes_whole_families_takes_the_children_of_one() -> None:
    query = replace(TONIGHT, with_children=True)
    assert Because.ASK_CHILDREN not in why(asked(query, a_service("it", families=Answer.YES, **BEDS)), "it")
    refused = a_service("it", families=Answer.YES, serves=replace(WELCOMES, children=Answer.NO), **BEDS)
    assert why(asked(query, refused), "it") == {Because.CHILDREN_NOT_TAKEN}


@pytest.mark.parametrize(
    ("age", "offered"),
    [
        (AgeRange(), False),  # said of children who come with a grown-up
        (AgeRange(known=False), False),
        (AgeRange(15, 25), False),  # with grown-ups in it
        (AgeRange(12, 17), True),
    ],
)
@pytest.mark.parametrize("kind", [ServiceKind.CRISIS_CENTRE, ServiceKind.PROTECTED_HOUSING])
def test_a_minor_is_never_led_to_housing_for_adults(age: AgeRange, offered: bool, kind: ServiceKind) -> None:
    house = a_service("it", kind=kind, needs_first=("housing-tonight",), serves=replace(WELCOMES, age=age))
    assert (line(asked(replace(TONIGHT, age=16), house)) == ["it"]) is offered


@pytest.mark.parametrize("status", [status for status in ServiceStatus if status is not ServiceStatus.ACTIVE])
def test_what_is_not_running_is_dropped(status: ServiceStatus) -> None:
    assert why(asked(A_QUERY, a_service("it", status=status)), "it") == {Because.NOT_RUNNING}


# --- rows of the catalogue -----------------------------------------------------------------------------------------


def test_a_row_of_the_catalogue_is_offered_by_who_says_so_and_asked_of_who_says_nothing() -> None:
    says = a_service("z-says", needs_first=("money",), catalogue=(HOUSING,))
    silent = a_service("a-silent", needs_first=("housing",))
    other = a_service("b-other", needs_first=("housing",), catalogue=(MEETING,))
    far = a_service("far", needs_first=("labour",))
    matched = asked(replace(A_QUERY, needs=(), catalogue=(HOUSING,)), silent, says, other, far)
    assert line(matched) == ["z-says", "a-silent"]
    assert Because.OFFERS in why(matched, "z-says")
    assert Because.ASK_OFFERS in why(matched, "a-silent")
    assert why(matched, "b-other") == {Because.NOT_OFFERED}
    assert why(matched, "far") == {Because.NOT_OFFERED}


def test_a_row_and_a_need_must_both_be_met() -> None:
    both = a_service("both", needs_first=("legal",), catalogue=(HOUSING,))
    need_only = a_service("need-only", needs_first=("legal",), catalogue=(MEETING,))
    row_only = a_service("row-only", needs_first=("money",), catalogue=(HOUSING,))
    matched = asked(replace(A_QUERY, catalogue=(HOUSING,)), both, need_only)
    assert line(matched) == ["both"]
    assert why(matched, "need-only") == {Because.NOT_OFFERED}
    assert why(asked(replace(A_QUERY, catalogue=(HOUSING,)), row_only), "row-only") == {Because.OTHER_NEED}


def test_a_certified_provider_offers_what_it_is_certified_for_and_only_it_is_called_so() -> None:
    theirs = a_service("theirs", organisation="Hemmet", needs_first=("money",))
    others = a_service("others", organisation="Annat", needs_first=("housing",))
    matched = certified(theirs, others, query=replace(A_QUERY, needs=(), catalogue=(HOUSING,)), rows={HOUSING: [TROMS]})
    assert line(matched) == ["theirs", "others"]
    assert {Because.CERTIFIED, Because.OFFERS} <= why(matched, "theirs")
    assert Because.CERTIFIED not in why(matched, "others")


def certified(theirs: Service, *others: Service, query: Query, rows: Mapping[str, Sequence[AreaKey]]) -> Matched:
    """Where the organisation behind the first of these services is certified for these rows, in these areas."""
    directory = a_directory(theirs, *others)
    scope = {row: reach(areas, theirs.country, PLACES) for row, areas in rows.items()}
    given = {directory.organisation_of(theirs).id: scope}
    return match(directory.with_all(directory.services, certified=given), query, NOON)


@pytest.mark.parametrize(
    ("where", "areas", "is_certified", "is_offered"),
    [
        # The service answers in the whole country; the row is offered where the profile says so, and nowhere else.
        ([kommune("5501")], [TROMS], True, Because.OFFERS),
        ([kommune("5501")], [(Level.KOMMUNE, "5501")], True, Because.OFFERS),
        ([kommune("5501")], [(Level.HELSEREGION, "H05")], True, Because.OFFERS),
        ([kommune("5501")], [NORWAY], True, Because.OFFERS),
        ([kommune("5601")], [TROMS], False, Because.NOT_OFFERED),
        ([kommune("5601")], [], False, Because.NOT_OFFERED),
        # In a part of the place that is asked about: they must be asked.
        ([PLACES.get(Country.NO, *TROMS)], [TROMS], True, Because.OFFERS),
        ([PLACES.get(Country.NO, *TROMS)], [(Level.KOMMUNE, "5501")], False, Because.ASK_OFFERS),
        ([kommune("5501"), kommune("5503")], [TROMS], True, Because.OFFERS),
        ([kommune("5501"), kommune("5601")], [TROMS], False, Because.ASK_OFFERS),
        # A place that nobody knows may be anywhere in the country.
        ([], [TROMS], False, Because.ASK_OFFERS),
        ([], [NORWAY], True, Because.OFFERS),
        ([], [place.key for place in PLACES.places(Country.NO, Level.FYLKE)], True, Because.OFFERS),
    ],
)
def test_a_certified_row_is_offered_as_such_where_the_profile_says_and_nowhere_else(
    where: list[Place], areas: Sequence[AreaKey], is_certified: bool, is_offered: Because
) -> None:
    theirs = a_service("theirs", organisation="Hemmet", needs_first=("money",), area=NATIONAL, catalogue=(MEETING,))
    about = {Because.CERTIFIED, Because.OFFERS, Because.ASK_OFFERS, Because.NOT_OFFERED}
    place, candidates = (where[0], ()) if len(where) == 1 else (None, tuple(where))
    query = Query(Country.NO, place, candidates, catalogue=(HOUSING,))
    said = why(certified(theirs, query=query, rows={HOUSING: areas}), "theirs") & about
    assert said == {is_offered} | ({Because.CERTIFIED} if is_certified else set())


def test_a_row_of_the_entry_that_the_profile_offers_elsewhere_is_asked_about() -> None:
    theirs = a_service("theirs", organisation="Hemmet", area=NATIONAL, catalogue=(HOUSING,))
    there = replace(A_QUERY, place=kommune("5601"), catalogue=(HOUSING,))
    said = why(certified(theirs, query=there, rows={HOUSING: [TROMS]}), "theirs")
    assert Because.ASK_OFFERS in said
    assert said.isdisjoint({Because.OFFERS, Because.CERTIFIED})


def test_who_is_certified_for_something_else_is_not_called_certified_for_what_is_asked() -> None:
    theirs = a_service("theirs", organisation="Hemmet", catalogue=(HOUSING,))
    said = why(certified(theirs, query=replace(A_QUERY, catalogue=(HOUSING,)), rows={MEETING: [TROMS]}), "theirs")
    assert Because.OFFERS in said
    assert Because.CERTIFIED not in said


@pytest.mark.parametrize(("place", "expected"), [("5501", True), ("5601", False)])
def test_whoever_asks_for_no_row_hears_of_a_certification_where_it_is_for_anything(place: str, expected: bool) -> None:
    theirs = a_service("theirs", organisation="Hemmet", area=NATIONAL)
    said = why(certified(theirs, query=replace(A_QUERY, place=kommune(place)), rows={MEETING: [TROMS]}), "theirs")
    assert (Because.CERTIFIED in said) is expected


def test_of_two_who_are_alike_the_one_that_is_certified_here_comes_first() -> None:
    theirs = a_service("z-theirs", organisation="Hemmet", area=NATIONAL)
    others = a_service("a-others", organisation="Annat", area=NATIONAL)
    rows = {MEETING: [TROMS]}
    assert line(certified(theirs, others, query=A_QUERY, rows=rows)) == ["z-theirs", "a-others"]
    elsewhere = replace(A_QUERY, place=kommune("5601"))
    assert line(certified(theirs, others, query=elsewhere, rows=rows)) == ["a-others", "z-theirs"]


# --- confirmed by the service itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, Because.NOT_CONFIRMED),
        ({"confidence": Confidence.CONFIRMED}, Because.CONFIRMED),
        ({"confirmed_on": date(2026, 11, 1)}, Because.CONFIRMED),
        ({"confirmed_on": date(2026, 4, 1)}, Because.CONFIRMED_LONG_AGO),
    ],
)
def test_every_offer_says_whether_the_service_confirmed_it(facts: dict[str, object], reason: Because) -> None:
    about = {Because.CONFIRMED, Because.CONFIRMED_LONG_AGO, Because.NOT_CONFIRMED}
    assert why(asked(A_QUERY, a_service("it", **facts)), "it") & about == {reason}


def test_every_shipped_offer_says_it_too() -> None:
    about = {Because.CONFIRMED, Because.CONFIRMED_LONG_AGO, Because.NOT_CONFIRMED}
    for offer in match(SHIPPED, A_QUERY, NOON).offered:
        assert {reason.code for reason in offer.reasons} & about, offer.service.id


# --- the order -----------------------------------------------------------------------------------------------------

CONFIRMED = {"confirmed_on": date(2026, 11, 1)}
LONG_AGO = {"confirmed_on": date(2026, 1, 1)}
ASKED = {"serves": replace(WELCOMES, sex=Takes())}
SPEAKS, INTERPRETER = {"languages": Languages(("ar",))}, {"languages": Languages(("nb",), interpreter=True)}
ORDERED = [
    # Each is before the one below it, whatever both are otherwise.
    pytest.param({"area": NATIONAL}, HELPS, id="there for the need, before what can help with it nearby"),
    pytest.param({}, CONFIRMED | {"area": NATIONAL}, id="local before national"),
    pytest.param({}, CONFIRMED | ASKED, id="who surely takes the patient before who must be asked"),
    pytest.param(CONFIRMED | {"phones": ()}, {"languages": Languages(("ar",))}, id="confirmed before unconfirmed"),
    pytest.param(CONFIRMED, LONG_AGO, id="confirmed lately before long ago"),
    pytest.param(LONG_AGO, {}, id="confirmed long ago before never"),
    pytest.param(SPEAKS, INTERPRETER, id="the patient's language before an interpreter"),
    pytest.param(INTERPRETER, {}, id="an interpreter before nothing known"),
    pytest.param({}, {"languages": Languages(("nb",))}, id="nothing known before other languages alone"),
    pytest.param(SPEAKS | {"kind": ServiceKind.NGO}, {}, id="language before fit"),
]


@pytest.mark.parametrize(("earlier", "later"), ORDERED)
def test_the_order(earlier: dict[str, object], later: dict[str, object]) -> None:
    query = replace(A_QUERY, sex=Sex.MALE, languages=("ar",))
    one, other = a_service("z-one", **earlier), a_service("a-other", **later)
    assert line(asked(query, one, other)) == ["z-one", "a-other"]


def test_room_told_lately_is_before_language_and_after_confirmed() -> None:
    query = replace(A_QUERY, languages=("ar",))
    room, speaks, sure = a_service("z-room"), a_service("a-speaks", **SPEAKS), a_service("sure", **CONFIRMED)
    matched = asked(query, room, speaks, sure, room=(told("z-room", Answer.YES),))
    assert line(matched) == ["sure", "z-room", "a-speaks"]
    assert Because.HAS_ROOM in why(matched, "z-room")


def test_no_language_is_ever_a_reason_to_drop() -> None:
    matched = asked(replace(A_QUERY, languages=("ti",)), a_service("it", languages=Languages(("nb",))))
    assert Because.OTHER_LANGUAGES in why(matched, "it")
    assert line(matched) == ["it"]


# --- the next best -------------------------------------------------------------------------------------------------


def test_when_one_says_no_the_next_in_line_is_tried_and_at_last_what_is_always_there() -> None:
    matched = asked(A_QUERY, a_service("a-first"), a_service("b-second"), a_service("c-third"))
    assert [offer.service.id for offer in matched.offered[:3]] == ["a-first", "b-second", "c-third"]
    second = next_best(matched, "a-first")
    assert second is not None
    assert second.service.id == "b-second"
    passed_over = next_best(matched, "c-third", tried=("b-second",))
    assert passed_over is not None
    assert passed_over.service.id == "a-first"
    always = next_best(matched, "c-third", tried=("a-first", "b-second"))
    assert always is not None
    assert always.fallback
    unknown = next_best(matched, "nobody")
    assert unknown is not None
    assert unknown.service.id == "a-first"


def test_nobody_is_sent_on_to_who_does_not_take_the_patient() -> None:
    query = replace(A_QUERY, age=15)
    matched = asked(query)
    refusing = {offer.service.id for offer in matched.offered if offer.refuses}
    assert "rosa" in refusing
    tried: list[str] = []
    while (offer := next_best(matched, tried[-1] if tried else "", tried=tried)) is not None:
        tried.append(offer.service.id)
    assert tried
    assert not refusing.intersection(tried)


def test_what_is_always_there_and_is_not_running_is_shown_and_never_tried_next() -> None:
    directory = a_directory()
    stopped = [
        replace(service, status=ServiceStatus.CLOSED_FOR_NOW) if service.id == "rosa" else service
        for service in directory.services
    ]
    matched = match(directory.with_all(stopped), A_QUERY, NOON)
    assert "rosa" in {offer.service.id for offer in matched.offered if offer.refuses}
    following = next_best(matched, "nobody")
    assert following is not None
    assert following.service.id != "rosa"


# --- sorts ---------------------------------------------------------------------------------------------------------


def test_services_that_differ_in_name_and_place_alone_are_judged_as_one() -> None:
    alike = [a_service(f"it-{number}", area=NATIONAL) for number in range(3)]
    directory = a_directory(*alike, a_service("local"), a_service("other", hours=Hours(office_hours=True)))
    sorts = directory.index.sorts
    assert len({sorts[service.id] for service in alike} | {sorts["local"]}) == 1
    assert sorts["other"] is not sorts["local"]


def test_a_service_of_every_kommune_and_one_of_the_country_are_not_as_near() -> None:
    each = a_service("z-each", area=Area(NATIONAL.areas, everywhere=True))
    assert line(asked(A_QUERY, a_service("a-country", area=NATIONAL), each)) == ["z-each", "a-country"]


# --- who comes first -----------------------------------------------------------------------------------------------


def test_who_probably_answers_in_one_kommune_of_a_region_is_no_nearer_than_who_surely_does() -> None:
    svalbard = PLACES.understand("Longyearbyen", country=Country.NO).place
    assert svalbard is not None
    query = replace(TONIGHT, place=svalbard)
    sure = a_service("z-sure", **BEDS)
    perhaps = a_service("a-perhaps", area=Area(frozenset(), likely=frozenset({(Level.KOMMUNE, "1813")})), **BEDS)
    unconfirmed = replace(perhaps, confidence=Confidence.PARTLY)
    assert line(asked(query, sure, unconfirmed)) == ["z-sure", "a-perhaps"]
    assert Because.COVERS_PART in why(asked(query, sure, unconfirmed), "a-perhaps")


def test_what_probably_answers_in_one_of_two_namesakes_is_no_nearer_than_what_surely_does() -> None:
    both = PLACES.understand("Herøy", country=Country.NO).candidates
    assert len(both) == 2
    query = replace(TONIGHT, place=None, candidates=both)
    sure = a_service("z-sure", area=Area(frozenset({both[0].key})), **BEDS)
    perhaps = a_service(
        "a-perhaps", area=Area(frozenset(), likely=frozenset({both[1].key})), confidence=Confidence.PARTLY, **BEDS
    )
    assert line(asked(query, sure, perhaps)) == ["z-sure", "a-perhaps"]


def test_of_what_is_always_there_what_does_not_take_the_patient_comes_last() -> None:
    matched = asked(replace(TONIGHT, age=16))
    always = [offer.refuses for offer in matched.offered if offer.fallback]
    assert any(always)
    assert always == sorted(always)


def test_where_no_need_was_chosen_who_can_advise_comes_before_who_is_merely_there() -> None:
    advises = a_service("z-advises", area=NATIONAL, needs_first=(), needs_also=("identification-advice",))
    assert line(asked(replace(A_QUERY, needs=()), a_service("a-there"), advises))[:2] == ["z-advises", "a-there"]


def test_what_one_service_of_a_certified_organisation_offers_is_not_offered_by_its_others() -> None:
    beds = a_service("beds", organisation="Haven", catalogue=(HOUSING,), **BEDS)
    line_only = a_service("a-line", organisation="Haven")
    rows = {HOUSING: [TROMS], MEETING: [TROMS]}
    matched = certified(beds, line_only, query=replace(A_QUERY, needs=(), catalogue=(HOUSING,)), rows=rows)
    assert Because.OFFERS in why(matched, "beds")
    assert Because.OFFERS not in why(matched, "a-line")
    talks = certified(beds, line_only, query=replace(A_QUERY, needs=(), catalogue=(MEETING,)), rows=rows)
    # Which of them does what nobody's entry says is not known: either may.
    assert {Because.OFFERS, Because.CERTIFIED} <= why(talks, "beds") & why(talks, "a-line")
