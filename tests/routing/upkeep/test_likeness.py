"""Services that may be one: several things agree, and what people said to be two stays two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.content import content_folder
from routing.matching.refer import World
from routing.places import Level
from routing.services import Area, Phone, Service, ServiceStatus
from routing.upkeep import likeness
from routing.upkeep.likeness import Alike, Pair, pairs

SERVICES = World.load(content_folder()).directory.services
TROMS, OSLO = Area(frozenset({(Level.FYLKE, "55")})), Area(frozenset({(Level.KOMMUNE, "0301")}))
HOUSE = replace(
    next(service for service in SERVICES if service.kind.value == "crisis-centre" and service.country.value == "NO"),
    id="huset",
    name="Krisesenteret for Nord",
    area=TROMS,
    phones=(Phone("77 11 22 33"),),
    email="",
    url="",
)


def other(**changed: Any) -> Service:
    return replace(HOUSE, **{"id": "annet", "name": "Senteret", "phones": (), "area": OSLO, **changed})


def found(*services: Service) -> list[tuple[str, str]]:
    return [pair.key for pair in pairs(services)]


@pytest.mark.parametrize(
    ("twin", "because"),
    [
        (other(name="Krisesenteret for Nord", area=TROMS), {Alike.NAME, Alike.AREA, Alike.KIND}),
        (other(name="Krisesentret for nord", area=TROMS), {Alike.NAME, Alike.AREA, Alike.KIND}),
        (other(name="Nord, Krisesenteret for", area=TROMS), {Alike.NAME, Alike.AREA, Alike.KIND}),
        (other(phones=(Phone("+47 77112233"),), area=TROMS), {Alike.PHONE, Alike.AREA, Alike.KIND}),
        (other(name="Krisesenteret for Nord", phones=(Phone("77112233"),)), {Alike.NAME, Alike.PHONE, Alike.KIND}),
    ],
)
def test_what_agrees_in_several_things_is_shown(twin: Service, because: set[Alike]) -> None:
    (pair,) = pairs([HOUSE, twin])
    assert set(pair.because) == because


@pytest.mark.parametrize(
    "neighbour",
    [
        other(name="Krisesenteret for Nord"),  # the same name elsewhere
        other(name="Senteret", area=TROMS),  # the same place, another house
        other(phones=(Phone("77 11 22 33"),), kind=SERVICES[0].kind, area=TROMS),  # one house, two sorts of help
        other(name="Krisesenteret for Nord", area=TROMS, status=ServiceStatus.DEFUNCT),
    ],
)
def test_what_agrees_in_one_thing_is_not(neighbour: Service) -> None:
    assert neighbour.kind is HOUSE.kind or neighbour.phones
    assert pairs([HOUSE, neighbour]) == ()


def test_the_countrys_short_numbers_make_nobody_alike() -> None:
    assert found(replace(HOUSE, phones=(Phone("116 117"),)), other(phones=(Phone("116 117"),), area=TROMS)) == []


def test_what_was_said_to_be_two_is_not_shown_again_whichever_comes_first() -> None:
    twin = other(name="Krisesenteret for Nord", area=TROMS)
    assert found(HOUSE, twin) == found(twin, HOUSE) == [("annet", "huset")]
    assert pairs([HOUSE, twin], apart={("annet", "huset")}) == ()


@settings(max_examples=60, deadline=None)
@given(st.permutations(SERVICES[:40]))
def test_the_order_of_the_directory_does_not_matter(services: list[Service]) -> None:
    def keys(found: tuple[Pair, ...]) -> list[tuple[str, str]]:
        return [pair.key for pair in found]

    assert keys(pairs(services)) == keys(pairs(SERVICES[:40]))


def test_nothing_is_like_itself_and_what_ships_holds_few_pairs() -> None:
    found = pairs(SERVICES)
    assert all(pair.one.id != pair.other.id for pair in found)
    assert len(found) < 10


def test_a_letter_wrong_anywhere_in_a_name_is_found() -> None:
    name = HOUSE.name
    for at in range(len(name)):
        twin = other(name=name[:at] + "x" + name[at + 1 :], area=TROMS)
        assert found(HOUSE, twin), twin.name
    assert likeness.NEARLY < 95
