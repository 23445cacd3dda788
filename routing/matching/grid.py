"""The whole grid: everybody who may come, in every region, with every need. Who finds no way, and where. Pure.

A *way* is an offer that is there for the need or can help with it, that does not refuse the patient, and that answers
now where the need is urgent; what must be asked first is a way still. What always answers is one only where it helps
with the need: somebody to call is not the same as help, and a region in which only that is left has a gap.

- `people(country)`: everybody, by sex, age and status
- `way(matched, urgent)`: the first way in an answer
- `walk(directory, places, at)`: every cell, people with the same answer together
- `grid_gaps(directory, places, at)`: for which needs who is left without a way, place by place
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import product

from helpline.messages import Country
from routing.directory import Directory
from routing.hours import OpenState
from routing.matching.because import Because
from routing.matching.index import Sort
from routing.matching.judging import facts
from routing.matching.match import Matched, Offer, match, rests_on
from routing.matching.query import AgeGroup, Query
from routing.places import Place
from routing.services import Sex, Status

_HELPS = frozenset({Because.FITS_NEED, Because.HELPS_WITH, Because.CHILD_ROUTE})


@dataclass(frozen=True)
class Person:
    """Whom help is looked for, as far as it is told; what is None was not said."""

    sex: Sex | None = None
    age: AgeGroup | None = None
    status: Status | None = None


@dataclass(frozen=True)
class Gap:
    """People for whom a place has no way to what they need."""

    place: Place
    need: str
    people: tuple[Person, ...]
    of: int  # how many were asked about

    @property
    def everybody(self) -> bool:
        """Whether it is nobody's way, and not only closed to some."""
        return len(self.people) == self.of


@cache
def people(country: Country) -> tuple[Person, ...]:
    """Everybody, by sex, age and status, each of them told or not told."""
    statuses = [status for status in Status if status.in_country(country) is status]
    return tuple(
        Person(sex, age, status) for sex, age, status in product((None, *Sex), (None, *AgeGroup), (None, *statuses))
    )


def helps(offer: Offer, *, now: bool) -> bool:
    """Whether an offer is a way to what is needed, and, where that matters, at this hour."""
    if offer.refuses or _HELPS.isdisjoint(reason.code for reason in offer.reasons):
        return False
    return not now or offer.opening is None or offer.opening.state is OpenState.OPEN


def way(matched: Matched, *, now: bool) -> Offer | None:
    """The first offer that is a way."""
    return next((offer for offer in matched.offered if helps(offer, now=now)), None)


@dataclass(frozen=True)
class Cell:
    """One place and need, and people of whom every service there says the same: they have one answer."""

    place: Place
    need: str
    people: tuple[Person, ...]
    query: Query  # of the first of them
    matched: Matched


def walk(
    directory: Directory,
    places: Iterable[Place],
    at: datetime,
    *,
    needs: Collection[str] = (),
    holidays: Mapping[Country, frozenset[date]] | None = None,
) -> Iterator[Cell]:
    """Every place × need (all needs, where none is named) × everybody, at this instant."""
    closed = holidays or {}
    said = _Said()
    for place, need in product(places, needs or directory.needs):
        everybody = people(place.country)
        alike: dict[tuple[object, ...], list[Person]] = defaultdict(list)
        for age in (None, *AgeGroup):
            sorts = rests_on(directory, _query(place, need, Person(age=age)))
            by_person = zip(*(said.of(sort, place, need) for sort in sorts), strict=True)
            for person, those in zip(everybody, by_person, strict=True):
                if person.age is age:
                    # The age itself decides who comes first; all else of a person counts by what services say of it.
                    alike[age, those].append(person)
        for group in alike.values():
            query = _query(place, need, group[0])
            matched = match(directory, query, at, holidays=closed.get(place.country, frozenset()))
            yield Cell(place, need, tuple(group), query, matched)


class _Said:
    """What each sort of service says of each person: which conditions, which refusals."""

    def __init__(self) -> None:
        self._known: dict[tuple[Sort, bool], tuple[tuple[Because, ...], ...]] = {}

    def of(self, sort: Sort, place: Place, need: str) -> tuple[tuple[Because, ...], ...]:
        """In the order of `people`; which need it is matters only as far as it is about a child."""
        key = (sort, _query(place, need, Person()).about_a_child)
        if key not in self._known:
            self._known[key] = tuple(
                _codes(_query(place, need, person), sort) for person in people(sort.service.country)
            )
        return self._known[key]


def grid_gaps(
    directory: Directory,
    places: Iterable[Place],
    at: datetime,
    *,
    needs: Collection[str] = (),
    holidays: Mapping[Country, frozenset[date]] | None = None,
) -> tuple[Gap, ...]:
    """For every place and need (all needs, where none is named) the people who find no way at this instant."""
    without: dict[tuple[Place, str], list[Person]] = defaultdict(list)
    for cell in walk(directory, places, at, needs=needs, holidays=holidays):
        if way(cell.matched, now=directory.needs[cell.need].urgent) is None:
            without[cell.place, cell.need] += cell.people
    return tuple(Gap(place, need, tuple(found), len(people(place.country))) for (place, need), found in without.items())


def _query(place: Place, need: str, person: Person) -> Query:
    return Query(place.country, place, needs=(need,), sex=person.sex, age=person.age, status=person.status)


def _codes(query: Query, sort: Sort) -> tuple[Because, ...]:
    heed, against = facts(query, sort.service)
    return tuple(reason.code for reason in (*heed, *against))
