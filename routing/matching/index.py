"""What a directory's services have in common, worked out once, so that each question judges only those that may fit.

Thousands of services differ in nothing but their name, their id and where they are: they are of one *sort*, and what is
decided of one of them is decided of all. Besides: which sorts may help with a need, and which services answer in the
whole country.

Pure: services in, values out. A directory keeps its index (`Directory.index`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from helpline.messages import Country
from routing.capacity import Capacity
from routing.certification.scope import Scope
from routing.places import Level
from routing.services import Service


@dataclass(frozen=True, eq=False)
class Sort:
    """All that matching asks of a service but where it is. One of them stands for all; two sorts are never equal."""

    service: Service
    certified: Scope  # the rows of the catalogue that it is certified for, and where
    rows: frozenset[str]  # those, and the ones it says it offers
    capacity: Capacity | None


@dataclass(frozen=True, eq=False)
class Alike:
    """Services of one sort that answer in the whole of their country, in the order of their names."""

    sort: Sort
    in_each: bool  # each kommune has its own, and the entry stands for all of them
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Countrywide:
    """The services of one country, by their ids: to touch twenty thousand services takes longer than to judge them."""

    everywhere: tuple[Alike, ...]
    among: Mapping[str, Alike]  # where each of those stands
    local: tuple[str, ...]  # all others of the country
    position: Mapping[str, int]  # where each of those stands
    abroad: tuple[str, ...]  # those of the other countries
    helping: Mapping[str, frozenset[Sort]]  # which sorts may help with a need, or offer a row of the catalogue
    child_route: frozenset[Sort]
    advising: tuple[str, ...]  # local ones that give professionals advice in the whole country


class Index:
    """Every service's sort and place in the order of names, and what each country has."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        capacity_of: Callable[[str], Capacity | None],
        certified_for: Callable[[Service], Scope],
    ) -> None:
        """`certified_for` gives one and the same object for services that are certified alike."""
        in_order = sorted(services, key=lambda service: (service.name, service.id))
        self.order = {service.id: place for place, service in enumerate(in_order)}
        self.sorts: dict[str, Sort] = {}
        known: dict[tuple[object, ...], Sort] = {}
        for service in services:
            certified = certified_for(service)
            rows = frozenset(service.catalogue).union(certified)
            capacity = capacity_of(service.id)
            key = (*_asked_of(service), id(certified) if certified else None, rows, _told(capacity))
            sort = known.get(key)
            if sort is None:
                sort = known[key] = Sort(service, certified, rows, capacity)
            self.sorts[service.id] = sort
        self.nearby: dict[object, object] = {}  # what `nearness.py` worked out of places asked about lately
        helping = _helping(known.values())
        child_route = frozenset(sort for sort in known.values() if sort.service.child_route)
        self.countries = {country: self._countrywide(country, in_order, helping, child_route) for country in Country}

    def _countrywide(
        self,
        country: Country,
        in_order: Iterable[Service],
        helping: Mapping[str, frozenset[Sort]],
        child_route: frozenset[Sort],
    ) -> Countrywide:
        grouped: dict[tuple[Sort, bool], list[str]] = defaultdict(list)
        local, abroad, advising = [], [], []
        for service in in_order:
            if service.country is not country:
                abroad.append(service.id)
            elif (Level.NATIONAL, country.value) in service.area.areas:
                grouped[self.sorts[service.id], service.area.everywhere].append(service.id)
            else:
                local.append(service.id)
                if service.area.advises_all:
                    advising.append(service.id)
        everywhere = tuple(Alike(sort, in_each, tuple(found)) for (sort, in_each), found in grouped.items())
        return Countrywide(
            everywhere=everywhere,
            among={service_id: alike for alike in everywhere for service_id in alike.ids},
            local=tuple(local),
            position={service_id: position for position, service_id in enumerate(local)},
            abroad=tuple(abroad),
            helping=helping,
            child_route=child_route,
            advising=tuple(advising),
        )


def _helping(sorts: Collection[Sort]) -> Mapping[str, frozenset[Sort]]:
    found: dict[str, set[Sort]] = defaultdict(set)
    for sort in sorts:
        for key in (*sort.service.needs_first, *sort.service.needs_also, *sort.rows):
            found[key].add(sort)
    return {key: frozenset(those) for key, those in found.items()}


def _asked_of(service: Service) -> tuple[object, ...]:
    """What matching reads of a service itself; a rule that reads more names it here, or it decides for strangers."""
    return (
        service.country,
        service.kind,
        service.needs_first,
        service.needs_also,
        service.serves,
        service.families,
        service.access,
        service.hours,
        service.confidence,
        service.freshness,
        service.confirmed_on,
        bool(service.phones),
        (service.languages.codes, service.languages.interpreter),
        service.child_route,
        service.status,
    )


def _told(capacity: Capacity | None) -> tuple[object, ...] | None:
    return (capacity.accepting, capacity.free, capacity.told_at) if capacity is not None else None
