"""Finding services on the desk: by words and digits, by place with what it lies in, by what is the matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bot.desk.directory_search import PAGE, Finder, Matter, Wanted
from helpline.messages import Country
from routing.capacity import Capacity, Teller
from routing.directory import Directory
from routing.places import Level
from routing.services import Answer, Area, Confidence, Location, Phone, ServiceKind, ServiceStatus
from tests.conftest import NINE
from tests.routing.worlds import PLACES, SHIPPED, a_service, in_kommune

KINDS = {kind: kind.value.replace("-", " ") for kind in ServiceKind}
SERVICES = (
    a_service("lykta", name="Lykta natthjelp", organisation="Lysverket", phones=(Phone("22 33 44 55"),)),
    a_service("havna", name="Trygg havn", kind=ServiceKind.CRISIS_CENTRE, confirmed_on=date(2026, 11, 1)),
    a_service("stille", name="Stille", phones=(), area=in_kommune("0301"), confidence=Confidence.CONFIRMED),
    a_service("fylket", name="Hele fylket", area=Area(frozenset({(Level.FYLKE, "55")})), needs_first=("detox",)),
    a_service("borte", name="Lykta som var", status=ServiceStatus.DEFUNCT),
    a_service("svensk", name="Lyktan", country=Country.SE, area=Area(frozenset({(Level.LAN, "12")}))),
    a_service("delt", name="Delt", locations=(Location("hus", "Bekkelund", phones=(Phone("77 88 99 00"),)),)),
)
FULL = Capacity("havna", Answer.NO, None, None, "", NINE, Teller.SERVICE)


def directory(*services: Any) -> Directory:
    fallback = {i for each in SHIPPED.fallbacks.values() for i in (*each.everyone, *each.minor)}
    kept = [SHIPPED.get(service_id) for service_id in sorted(fallback)]
    return SHIPPED.with_all([*kept, *services], organisations=(), capacities={"havna": FULL})


FINDER = Finder(directory(*SERVICES), PLACES, KINDS)
OURS = {service.id for service in SERVICES}


def found(finder: Finder = FINDER, **wanted: Any) -> list[str]:
    page = finder.find(Wanted(**wanted), NINE, waiting={"delt", "borte"})
    return [service.id for service in page.services if service.id in OURS]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({"text": "lykta"}, {"lykta", "svensk"}),
        ({"text": "LYKTA lysverk"}, {"lykta"}),
        ({"text": "crisis centre tromsö"}, {"havna"}),
        ({"text": "hjelp ved rus"}, {"fylket"}),
        ({"text": "2233 445"}, {"lykta"}),
        ({"text": "+77 88"}, {"delt"}),
        ({"text": "bekkelund"}, {"delt"}),
        ({"text": "noe som ikke finnes"}, set()),
        ({"country": Country.SE, "text": "lykta"}, {"svensk"}),
        ({"kind": ServiceKind.CRISIS_CENTRE}, {"havna"}),
        ({"area": "Tromsø"}, {"lykta", "havna", "fylket", "delt"}),  # with the fylke it lies in
        ({"area": "Oslo"}, {"stille"}),
        ({"matter": Matter.NO_PHONE}, {"stille"}),
        ({"matter": Matter.FULL}, {"havna"}),
        ({"matter": Matter.PROTECTED}, {"havna"}),
        ({"matter": Matter.GONE}, {"borte"}),
        ({"matter": Matter.WAITING}, {"delt", "borte"}),
        ({"matter": Matter.UNCONFIRMED, "text": "tryg"}, set()),
        ({"matter": Matter.DUE, "text": "stille"}, {"stille"}),
        ({"matter": Matter.DUE, "text": "tryg"}, set()),
    ],
)
def test_what_is_looked_for_is_found(wanted: dict[str, Any], ids: set[str]) -> None:
    assert set(found(**wanted)) == ids


def test_a_name_that_begins_so_comes_first_and_pages_hold_fifty() -> None:
    assert found(text="havn")[0] == "havna"
    many = Finder(directory(*(replace(a_service(f"a{n}"), name=f"Tjeneste {n:03}") for n in range(120))), PLACES, KINDS)
    last = many.find(Wanted(text="tjeneste", page=99), NINE)
    assert (last.count, last.pages, last.page, len(last.services)) == (120, 3, 3, 120 - 2 * PAGE)


def test_an_area_that_nobody_knows_is_told() -> None:
    assert FINDER.find(Wanted(area="Langtvekkistan"), NINE).unknown_area


def test_what_has_changed_is_found_by_what_it_says_now() -> None:
    renamed = [replace(each, name="Fyret") if each.id == "lykta" else each for each in SERVICES]
    anew = Finder(directory(*renamed), PLACES, KINDS, FINDER)
    assert (found(anew, text="fyret"), found(anew, text="natthjelp")) == (["lykta"], [])
