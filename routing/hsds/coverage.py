"""Which services are there for a postal code, as far as a feed itself says where they are.

Only the areas that are written in the feed are compared, never a place: whoever asks with one code after another
learns nothing that does not stand in each entry already. Distances are not measured at all: three lead to a door.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from routing.places import Gazetteer, Level, Place, Why

Json = Mapping[str, Any]

POSTAL_CODE: Final = r"^([0-9]{4}|[0-9]{3} ?[0-9]{2})$"  # Norwegian, Swedish


def place_of(postal_code: str, gazetteer: Gazetteer) -> Place | None:
    """The kommune of a postal code where that is sure, otherwise its fylke or län."""
    understood = gazetteer.understand(postal_code)
    return understood.place if understood.why is Why.POSTAL_CODE else None


def covers(service: Json, place: Place, gazetteer: Gazetteer) -> bool:
    """Whether a written service is there for somebody in this place, or may be: an area inside it is not left out."""
    said = set(_said(service))
    if ("fact:country", place.country.value) not in said:
        return False
    if ("fact:everywhere", "yes") in said:
        return True
    for area in service.get("service_areas", ()):
        for code, value in _said(area):
            of, _, level = code.partition(":")
            found = gazetteer.find(place.country, Level(level), value) if of in {"area", "likely"} else None
            if found is not None and (found.key in place.areas or found.lies_in(place)):
                return True
    return False


def _said(entry: Json) -> Iterator[tuple[str, str]]:
    for attribute in entry.get("attributes", ()):
        yield attribute["taxonomy_term"]["code"], attribute["value"]
