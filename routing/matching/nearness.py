"""How near a service is: whether it answers where the patient is, surely, probably, in a part, or in the whole country.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routing.directory import Directory
from routing.matching.because import Because, Reason
from routing.matching.query import Query
from routing.places import Level

ADVICE = "identification-advice"
_ADVISED = frozenset({ADVICE, "guidance-for-staff"})  # needs of the clinician, which a far-off adviser can meet
_LOCALITY = {Level.KOMMUNE: 0, Level.FYLKE: 3, Level.LAN: 3, Level.HELSEREGION: 5, Level.NATIONAL: 6}
_LIKELY, _EVERY, _PART = 1, 2, 4
_KNOWN_AT_MOST = 64  # places, of which each may be near to thousands of services


@dataclass(frozen=True, eq=False)
class Near:
    """How near a service is; the smaller the nearer. Services that are equally near share one of these."""

    reason: Reason
    nearness: int


NATIONAL = Near(Reason(Because.NATIONAL), _LOCALITY[Level.NATIONAL])
EVERY_KOMMUNE = Near(Reason(Because.EVERY_KOMMUNE), _EVERY)


class Nearby:
    """Which services answer where the patient is, besides those that answer in the whole country."""

    def __init__(self, directory: Directory, query: Query) -> None:
        country = query.country
        where = [place for place in query.where if place.country is country]
        self.missing: tuple[Reason, ...] = (
            (Reason(Because.OTHER_AREA, ", ".join(place.label for place in where)),)
            if where
            else (Reason(Because.PLACE_NEEDED),)
        )
        everywhere = directory.index.countries[country].among
        surely: dict[str, list[tuple[Near, str]]] = {}
        perhaps: dict[str, Near] = {}
        for place in where:
            for key in reversed(place.areas):
                if key[0] is not Level.NATIONAL:
                    covered = (Near(Reason(Because.COVERS, place.label), _LOCALITY[key[0]]), place.label)
                    for service_id in directory.covering.get((country, key), ()):
                        surely.setdefault(service_id, []).append(covered)
            part = Near(Reason(Because.COVERS_PART, place.label), _PART)
            for service_id in directory.touching.get((country, place.key), ()):
                perhaps.setdefault(service_id, part)
            # Where it is one of several places, who probably answers in one of them is no nearer than who surely does.
            likely = Near(Reason(Because.LIKELY_COVERS, place.label), _LIKELY if len(where) == 1 else _PART)
            for key in place.areas:
                for service_id in directory.likely.get((country, key), ()):
                    perhaps.setdefault(service_id, likely)
            for service_id in directory.likely_touching.get((country, place.key), ()):
                perhaps.setdefault(service_id, part)
        found: dict[str, Near] = {}
        all_labels = {place.label for place in where}
        for service_id, covering in surely.items():
            labels = {label for _, label in covering}
            if labels == all_labels:
                found[service_id] = min((near for near, _ in covering), key=lambda near: near.nearness)
            elif service_id not in everywhere:
                # One of the places it may be: ask which before relying on it.
                perhaps.setdefault(service_id, Near(Reason(Because.COVERS_PART, min(labels)), _PART))
        for service_id, near in perhaps.items():
            if service_id not in everywhere:
                found.setdefault(service_id, near)
        if _ADVISED.intersection(query.needs or (ADVICE,)):
            for service_id in directory.index.countries[country].advising:
                found.setdefault(service_id, NATIONAL)
        self.local: Mapping[str, Near] = found


def nearby(directory: Directory, query: Query) -> Nearby:
    """Which services answer where the patient is; of a place asked about lately it is known already."""
    known = directory.index.nearby
    key = (query.country, query.where, _ADVISED.isdisjoint(query.needs or (ADVICE,)))
    found = known.get(key)
    if not isinstance(found, Nearby):
        if len(known) >= _KNOWN_AT_MOST:
            known.clear()
        found = known[key] = Nearby(directory, query)
    return found
