"""What holds of every answer, whatever is asked: tried with questions and services that nobody thought of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpline.messages import Country
from routing.capacity import Capacity, Teller
from routing.matching.because import REFUSED, Because
from routing.matching.judging import facts
from routing.matching.match import Matched, match
from routing.matching.query import AgeGroup, Query
from routing.places import Level
from routing.services import (
    ADULT_HOUSING,
    FOR_CHILDREN,
    AgeRange,
    Answer,
    Area,
    Confidence,
    Exploitation,
    Hours,
    Interval,
    Languages,
    Serves,
    Service,
    ServiceKind,
    Sex,
    Status,
    Takes,
)
from tests.routing.worlds import ALWAYS, NATIONAL, SHIPPED, a_directory, a_service, in_kommune, kommune, oslo_time

NEEDS = ("legal", "housing", "housing-tonight", "crisis-line", "children")
ROWS = ("protection.housing.places", "protection.information_legal.rights")
AT = oslo_time("2026-11-23 03:00")


def takes(keys: list[str]) -> st.SearchStrategy[Takes]:
    each = st.sampled_from(["takes", "refuses", "silent"])
    return st.one_of(
        st.just(Takes(everyone=True)),
        st.tuples(*[each] * len(keys)).map(
            lambda said: Takes(
                frozenset(key for key, word in zip(keys, said, strict=True) if word == "takes"),
                frozenset(key for key, word in zip(keys, said, strict=True) if word == "refuses"),
            )
        ),
    )


AGES = st.sampled_from(
    [AgeRange(known=False), AgeRange(), AgeRange(18), AgeRange(0, 17), AgeRange(18, None, 16), AgeRange(15, 25)]
)
ANSWERS = st.sampled_from(list(Answer))
SERVES = st.builds(
    Serves,
    sex=takes([sex.value for sex in Sex]),
    age=AGES,
    exploitation=takes([Exploitation.SEXUAL.value, Exploitation.LABOUR.value]),
    status=takes([Status.UNDOCUMENTED.value, Status.EEA.value]),
    children=ANSWERS,
    substance_use=ANSWERS,
)
KINDS = [ServiceKind.LEGAL_AID, ServiceKind.CRISIS_CENTRE, ServiceKind.CHILD_PROTECTION, ServiceKind.HELPLINE]
OFFICE = Hours(weekly=(Interval(frozenset(range(5)), 480, 960),), as_stated="8-16")
FACTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "needs_first": st.lists(st.sampled_from(NEEDS[:3]), unique=True).map(tuple),
        "needs_also": st.lists(st.sampled_from(NEEDS[3:]), unique=True).map(tuple),
        "area": st.sampled_from(
            [NATIONAL, in_kommune("5501"), in_kommune("0301"), Area(frozenset({(Level.FYLKE, "55")}))]
        ),
        "serves": SERVES,
        "families": ANSWERS,
        "hours": st.sampled_from([ALWAYS, OFFICE, Hours()]),
        "confidence": st.sampled_from(list(Confidence)),
        "languages": st.sampled_from([Languages(), Languages(("ar",)), Languages(("nb",), interpreter=True)]),
        "catalogue": st.lists(st.sampled_from(ROWS), unique=True, max_size=1).map(tuple),
        "child_route": st.booleans(),
    }
)
QUERIES = st.builds(
    Query,
    country=st.just(Country.NO),
    place=st.sampled_from([None, kommune("5501"), kommune("0301")]),
    needs=st.lists(st.sampled_from(NEEDS), unique=True, max_size=2).map(tuple),
    sex=st.none() | st.sampled_from(list(Sex)),
    age=st.none() | st.sampled_from([AgeGroup.ADULT, AgeGroup.MINOR, 12, 17, 18, 40]),
    status=st.none() | st.sampled_from([Status.UNDOCUMENTED, Status.EEA]),
    exploitation=st.none() | st.sampled_from([Exploitation.SEXUAL, Exploitation.LABOUR]),
    with_children=st.booleans(),
    families=st.booleans(),
    substance_use=st.booleans(),
    catalogue=st.lists(st.sampled_from(ROWS), unique=True, max_size=1).map(tuple),
    languages=st.sampled_from([(), ("ar",)]),
)
ROOM = st.none() | st.builds(
    Capacity,
    service_id=st.just("it-0"),
    accepting=ANSWERS,
    free=st.none(),
    maximum=st.none(),
    unit=st.just("beds"),
    told_at=st.sampled_from([AT - timedelta(hours=2), AT - timedelta(days=9)]),
    told_by=st.just(Teller.SERVICE),
)
quickly = settings(max_examples=60, deadline=None)


def answer(services: list[Service], query: Query, room: Capacity | None = None, at: datetime | None = AT) -> Matched:
    directory = a_directory(*services)
    return match(directory.with_all(directory.services, capacities={"it-0": room} if room else {}), query, at)


def made(facts_of: list[dict[str, object]]) -> list[Service]:
    return [a_service(f"it-{number}", **each) for number, each in enumerate(facts_of)]


def told(matched: Matched) -> list[tuple[str, tuple[object, ...]]]:
    return [(offer.service.id, offer.reasons) for offer in matched.offered]


@quickly
@given(st.lists(FACTS, max_size=6), QUERIES, ROOM)
def test_every_service_has_its_place_and_its_reasons_and_the_fallback_is_last(
    facts_of: list[dict[str, object]], query: Query, room: Capacity | None
) -> None:
    services = made(facts_of)
    matched = answer(services, query, room)
    seen = Counter(o.service.id for o in matched.offered) + Counter(d.service.id for d in matched.dropped)
    assert seen == Counter(service.id for service in a_directory(*services).services)
    assert all(offer.reasons for offer in matched.offered)
    assert all(drop.reasons for drop in matched.dropped)
    last = SHIPPED.fallbacks[Country.NO].ids(minor=query.is_minor)
    assert {offer.service.id for offer in matched.offered[-len(last) :]} == set(last)
    assert not any(offer.refuses for offer in matched.offered if not offer.fallback)


@quickly
@given(st.lists(FACTS, max_size=6), QUERIES, ROOM, st.randoms(use_true_random=False))
def test_the_order_is_total_and_does_not_depend_on_how_the_directory_lies(
    facts_of: list[dict[str, object]], query: Query, room: Capacity | None, shuffle: object
) -> None:
    services = made(facts_of)
    mixed = list(services)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    assert told(answer(services, query, room)) == told(answer(mixed, query, room))


@quickly
@given(FACTS, FACTS, QUERIES)
def test_whether_one_is_offered_says_nothing_of_another(
    one: dict[str, object], other: dict[str, object], query: Query
) -> None:
    alone = answer(made([one]), query)
    beside = answer(made([one, other]), query)
    assert [each for each in told(beside) if each[0] == "it-0"] == [each for each in told(alone) if each[0] == "it-0"]


ADDED = st.sampled_from(
    [
        {"sex": Sex.MALE},
        {"status": Status.UNDOCUMENTED},
        {"exploitation": Exploitation.LABOUR},
        {"with_children": True},
        {"families": True},
        {"substance_use": True},
        {"languages": ("ar",)},
    ]
)


@quickly
@given(FACTS, QUERIES, ADDED)
def test_one_more_fact_never_makes_an_offer_of_what_another_fact_dropped(
    facts_of: dict[str, object], query: Query, added: dict[str, object]
) -> None:
    before = replace(query, **_nothing(added))
    after = replace(before, **added)  # type: ignore[arg-type]
    [service] = made([facts_of])
    # A child who comes along is a child at risk: the age that whoever looks after children goes by is then the child's.
    for_children = service.kind in FOR_CHILDREN or "children" in {*service.needs_first, *service.needs_also}
    assume(before.about_a_child or not after.about_a_child or not for_children)
    refused = {reason.code for reason in facts(before, service)[1]}
    assert refused <= {reason.code for reason in facts(after, service)[1]}
    if any(drop.service is service for drop in answer([service], before).dropped):
        assert all(offer.service is not service for offer in answer([service], after).offered)


def _nothing(added: dict[str, object]) -> dict[str, Any]:
    return {key: False if value is True else () if isinstance(value, tuple) else None for key, value in added.items()}


SILENT = st.sampled_from(["sex", "status", "exploitation", "children", "substance_use"])


@quickly
@given(FACTS, QUERIES, SILENT)
def test_unknown_is_never_above_a_known_yes_with_all_else_equal(
    facts_of: dict[str, object], query: Query, fact: str
) -> None:
    serves = facts_of["serves"]
    assert isinstance(serves, Serves)
    yes, ask = (Answer.YES, Answer.ASK) if fact in ("children", "substance_use") else (Takes(everyone=True), Takes())
    sure = facts_of | {"serves": replace(serves, **{fact: yes})}  # type: ignore[arg-type]
    unsure = facts_of | {"serves": replace(serves, **{fact: ask})}  # type: ignore[arg-type]
    services = [a_service("it-0", **unsure), a_service("it-1", **sure)]
    line = [offer.service.id for offer in answer(services, query).offered if not offer.fallback]
    assert ("it-0" in line) is ("it-1" in line)
    if "it-0" in line:
        asked = facts(query, services[0])[0] != facts(query, services[1])[0]
        assert line.index("it-1") < line.index("it-0") or not asked


@quickly
@given(st.lists(FACTS, max_size=6), QUERIES)
def test_a_minor_has_the_child_route_first_and_no_housing_for_adults(
    facts_of: list[dict[str, object]], query: Query
) -> None:
    matched = answer(made(facts_of), replace(query, age=AgeGroup.MINOR))
    offered = [offer for offer in matched.offered if not offer.fallback]
    routes = [offer.service.child_route for offer in offered]
    assert routes == sorted(routes, reverse=True)
    assert all(offer.service.kind not in ADULT_HOUSING or _for_minors_alone(offer.service) for offer in offered)
    assert all(Because.CHILD_ROUTE in {r.code for r in offer.reasons} for offer in offered if offer.service.child_route)


def _for_minors_alone(service: Service) -> bool:
    top = service.serves.age.upper
    return top is not None and top < 18


@quickly
@given(st.lists(FACTS, min_size=1, max_size=6), QUERIES)
def test_what_refuses_the_patient_is_dropped_with_that_reason(facts_of: list[dict[str, object]], query: Query) -> None:
    services = made(facts_of)
    matched = answer(services, query)
    dropped = {drop.service.id: {reason.code for reason in drop.reasons} for drop in matched.dropped}
    for service in services:
        refused = {reason.code for reason in facts(query, service)[1]}
        assert refused <= REFUSED
        if refused and not dropped[service.id] & {Because.OTHER_AREA, Because.PLACE_NEEDED}:
            assert refused <= dropped[service.id]
