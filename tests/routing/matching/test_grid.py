"""The whole grid, sex × age × status × region × need, by day and at night: nobody is left without a way.

Where the shipped directory has no way to what is needed, that is a gap. The known ones stand in `known_gaps.yaml`, each
to be filled by a coordinator; one that is not among them fails.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path

import pytest
import yaml

from helpline.messages import Country
from routing.hours import OpenState
from routing.matching.grid import Gap, Person, grid_gaps, people, walk, way
from routing.matching.match import Matched, match
from routing.matching.query import AgeGroup, Query
from routing.places import AreaKey, Level, Place
from routing.services import ADULT_HOUSING, Hours, Interval, ServiceKind, Sex, Status, Takes
from tests.routing.worlds import NATIONAL, PLACES, SHIPPED, WELCOMES, a_directory, a_service, kommune, oslo_time

NOON, NIGHT = oslo_time("2026-11-23 12:00"), oslo_time("2026-11-23 03:00")
PROTECTS_CHILDREN = {ServiceKind.CHILD_PROTECTION, ServiceKind.SOCIAL_EMERGENCY, ServiceKind.SOCIAL_SERVICES}
SOME_NEEDS = ("housing-tonight", "children", "legal", "psych", "labour")
KNOWN = Path(__file__).with_name("known_gaps.yaml")


def regions(country: Country) -> Iterator[Place]:
    """Every fylke or län, and a kommune of each."""
    for region in PLACES.places(country, Level.FYLKE if country is Country.NO else Level.LAN):
        yield region
        yield next(each for each in PLACES.places(country, Level.KOMMUNE) if each.lies_in(region))


def known_gaps(country: Country) -> set[tuple[AreaKey, str, Person]]:
    known = set()
    for entry in yaml.safe_load(KNOWN.read_text(encoding="utf-8")):
        if entry["country"] == country.value:
            ages = [AgeGroup(age) if age != "unknown" else None for age in entry["ages"]]
            statuses = [Status(status) if status != "unknown" else None for status in entry["statuses"]]
            for where, sex, age, status in product(entry["places"], (None, *Sex), ages, statuses):
                level, _, code = where.partition(" ")
                known.add(((Level(level), code), entry["need"], Person(sex, age, status)))
    return known


@pytest.mark.parametrize("at", [NOON, NIGHT], ids=["noon", "night"])
@pytest.mark.parametrize("country", Country)
def test_nobody_is_left_without_a_way(country: Country, at: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    asked = 0
    gaps: set[tuple[AreaKey, str, Person]] = set()
    for cell in walk(SHIPPED, regions(country), at):
        asked += len(cell.people)
        urgent = SHIPPED.needs[cell.need].urgent
        check_answer(cell.matched, cell.query, cell.need)
        if way(cell.matched, now=urgent) is None:
            gaps.update((cell.place.key, cell.need, person) for person in cell.people)
    known = known_gaps(country)
    with capsys.disabled():
        print(f"\n{country.value}, {at:%H:%M}: {asked:,} asked. No way, as cells of the grid by need:", end=" ")
        print(dict(Counter(need for _, need, _ in gaps)), f"; filled since: {len(known - gaps)}")
    assert asked == len(people(country)) * len(SHIPPED.needs) * len(list(regions(country)))
    assert not gaps - known, f"new gaps: {sorted(gaps - known, key=str)[:5]}"


def check_answer(matched: Matched, query: Query, need: str) -> None:
    """What holds for everybody, however little help there is."""
    last = SHIPPED.fallbacks[query.country].ids(minor=query.is_minor)
    assert {offer.service.id for offer in matched.offered[-len(last) :]} == set(last), query
    assert all(offer.fallback for offer in matched.offered[-len(last) :]), query
    # Somebody answers at this hour who does not turn this patient away.
    assert any(
        offer.opening is not None and offer.opening.state is OpenState.OPEN and not offer.refuses
        for offer in matched.offered
    ), query
    if query.is_minor:
        first = matched.offered[0].service
        assert first.child_route, query
        assert first.kind in PROTECTS_CHILDREN, query
        assert not any(offer.service.kind in ADULT_HOUSING for offer in matched.offered), query
    if need == "acute-care":
        assert next(o.service.kind for o in matched.offered if o.fallback) is ServiceKind.EMERGENCY


def test_people_of_whom_all_services_say_the_same_have_the_same_answer() -> None:
    """What lets the walk ask once for many: checked by asking for some of the others."""
    some = random.Random(7)
    cells = walk(SHIPPED, some.sample(PLACES.places(None, Level.KOMMUNE), 4), NIGHT, needs=SOME_NEEDS)
    for cell in some.sample([cell for cell in cells if len(cell.people) > 1], 150):
        person = some.choice(cell.people)
        query = replace(cell.query, sex=person.sex, age=person.age, status=person.status)
        answer = match(SHIPPED, query, NIGHT)
        assert [(o.service.id, [r.code for r in o.reasons]) for o in answer.offered] == [
            (o.service.id, [r.code for r in o.reasons]) for o in cell.matched.offered
        ]


def gaps_of(*facts: dict[str, object]) -> list[Gap]:
    services = [a_service(f"it-{number}", **each) for number, each in enumerate(facts)]
    return list(grid_gaps(a_directory(*services), [kommune("5501")], NIGHT, needs=["labour"]))


def test_a_need_that_nobody_meets_is_a_gap_for_everybody_but_the_child_who_has_its_route() -> None:
    [gap] = gaps_of({})
    assert gap.everybody
    [with_route] = gaps_of({"kind": ServiceKind.CHILD_PROTECTION, "child_route": True})
    assert {person.age for person in with_route.people} == {None, AgeGroup.ADULT}


def test_whom_a_service_turns_away_is_left_and_whom_it_may_take_is_not() -> None:
    women = replace(WELCOMES, sex=Takes(frozenset({"female"}), frozenset({"male"})))
    [gap] = gaps_of({"needs_first": ("labour",), "serves": women})
    assert {person.sex for person in gap.people} == {Sex.MALE}
    assert not gap.everybody
    assert gaps_of({"needs_also": ("labour",), "serves": replace(WELCOMES, sex=Takes())}) == []


def test_what_is_closed_is_no_way_to_what_is_urgent() -> None:
    office = Hours(weekly=(Interval(frozenset(range(5)), 480, 960),), as_stated="8-16")
    service = a_service("it", needs_first=("crisis-line",), area=NATIONAL, hours=office)
    directory = a_directory(service)
    gaps = {at: grid_gaps(directory, [kommune("5501")], at, needs=["crisis-line"]) for at in (NOON, NIGHT)}
    assert gaps[NOON] == ()
    # At night an adult has the national line, which takes nobody under eighteen.
    assert {person.age for gap in gaps[NIGHT] for person in gap.people} == {AgeGroup.MINOR}
