"""Finding services on the desk: by any words, by place, by what is the matter with them. Quick over thousands.

What is looked in is worked out once for a directory, which never changes; a search is then a walk over short texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from helpline.messages import Country
from routing import capacity
from routing.confirming_store import is_due, may_confirm
from routing.directory import Directory
from routing.places import Gazetteer, Outcome, Place, fold
from routing.services import Answer, Confidence, Service, ServiceKind, ServiceStatus

PAGE: Final = 50
LONGEST: Final = 200  # of what is searched for
_GONE: Final = frozenset({ServiceStatus.INACTIVE, ServiceStatus.DEFUNCT})
_DIGITS = re.compile(r"\+?[0-9][0-9 -]*")


class Matter(StrEnum):
    """What a coordinator looks for besides words."""

    UNCONFIRMED = "unconfirmed"
    DUE = "due"
    PROTECTED = "protected"
    NO_PHONE = "no_phone"
    FULL = "full"
    WAITING = "waiting"
    GONE = "gone"


@dataclass(frozen=True)
class Wanted:
    """What is looked for."""

    text: str = ""
    country: Country | None = None
    kind: ServiceKind | None = None
    area: str = ""
    matter: Matter | None = None
    page: int = 1


@dataclass(frozen=True)
class Found:
    """One page of what was found."""

    services: tuple[Service, ...]
    count: int
    page: int
    pages: int
    unknown_area: bool = False


@dataclass(frozen=True)
class _Entry:
    service: Service
    name: str
    words: str
    digits: str = field(repr=False)


class Finder:
    """The services of one directory, ready to be searched."""

    def __init__(self, directory: Directory, gazetteer: Gazetteer, kinds: Mapping[ServiceKind, str]) -> None:
        self.directory = directory
        self._gazetteer = gazetteer
        self._needs = {key: fold(" ".join(need.names.values())) for key, need in directory.needs.items()}
        self._kinds = {kind: fold(words) for kind, words in kinds.items()}
        entries = (self._entry(service) for service in directory.services)
        self._entries = sorted(entries, key=lambda entry: (entry.name, entry.service.id))

    def _entry(self, service: Service) -> _Entry:
        places = [
            self._gazetteer.get(service.country, level, code).name
            for level, code in (*service.area.areas, *service.area.likely)
        ]
        places += [place.name for place in service.locations]
        organisation = self.directory.organisation_of(service)
        said = fold(" ".join((service.name, *organisation.names, *places, *service.what.values(), service.id)))
        needs = (self._needs.get(need, "") for need in (*service.needs_first, *service.needs_also))
        phones = [*service.phones, *(phone for place in service.locations for phone in place.phones)]
        digits = " ".join(_only_digits(phone.number) for phone in phones)
        return _Entry(service, fold(service.name), " ".join((said, self._kinds[service.kind], *needs)), digits)

    def find(self, wanted: Wanted, now: datetime, *, waiting: Collection[str] = ()) -> Found:
        """A page of the services that fit, those whose name begins with the words first."""
        area = self._area(wanted)
        words = fold(wanted.text[:LONGEST]).split()
        digits = _only_digits(wanted.text) if _DIGITS.fullmatch(wanted.text.strip()) else ""
        found = [
            entry
            for entry in self._entries
            if _fits(entry, words, digits)
            and (wanted.country is None or entry.service.country is wanted.country)
            and (wanted.kind is None or entry.service.kind is wanted.kind)
            and (area is None or self._answers_in(entry.service, area))
            and self._matters(entry.service, wanted.matter, now, waiting)
        ]
        if words:
            first = words[0]
            found.sort(key=lambda entry: (not entry.name.startswith(first), first not in entry.name))
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(wanted.page, 1), pages)
        shown = found[(page - 1) * PAGE : page * PAGE]
        unknown = bool(wanted.area.strip()) and area is None
        return Found(tuple(entry.service for entry in shown), len(found), page, pages, unknown)

    def _area(self, wanted: Wanted) -> Place | None:
        if not wanted.area.strip():
            return None
        understood = self._gazetteer.understand(wanted.area[:LONGEST], country=wanted.country)
        if understood.outcome is Outcome.AMBIGUOUS and understood.candidates:
            return understood.candidates[0]
        return understood.place

    def _answers_in(self, service: Service, area: Place) -> bool:
        """Whether it answers in the area, in a part of it, or in what it lies in (but for the whole country)."""
        if service.country is not area.country:
            return False
        around = {area.key, *area.within[:-1]}
        if around & service.area.areas or around & service.area.likely:
            return True
        return any(
            area.key in self._gazetteer.get(service.country, level, code).within
            for level, code in (*service.area.areas, *service.area.likely)
        )

    def _matters(self, service: Service, matter: Matter | None, now: datetime, waiting: Collection[str]) -> bool:
        gone = service.status in _GONE
        match matter:
            case Matter.GONE:
                return gone
            case Matter.WAITING:
                return service.id in waiting
            case _ if gone:
                return False
            case Matter.UNCONFIRMED:
                return service.confidence is not Confidence.CONFIRMED and service.confirmed_on is None
            case Matter.DUE:
                return may_confirm(service) and is_due(service, now)
            case Matter.PROTECTED:
                return service.hides_place or any(place.protected for place in service.locations)
            case Matter.NO_PHONE:
                return not service.phones
            case Matter.FULL:
                return capacity.standing(self.directory.capacity_of(service.id), now) is Answer.NO
            case _:
                return True


def _fits(entry: _Entry, words: Sequence[str], digits: str) -> bool:
    if digits and digits in entry.digits:
        return True
    return all(word in entry.words for word in words)


def _only_digits(number: str) -> str:
    return "".join(sign for sign in number if sign.isdecimal())
