"""Finding services on the desk: by any words, by place, by what is the matter with them. Quick over thousands.

What is looked in is worked out once for a directory, which never changes; a search is then a walk over short texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from helpline.messages import Country
from routing import capacity
from routing.directory import Directory
from routing.places import Gazetteer, Outcome, Place, fold
from routing.services import Answer, Confidence, Service, ServiceKind, ServiceStatus
from routing.upkeep.confirming_store import is_due, may_confirm

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


_ALSO_GONE: Final = frozenset({Matter.GONE, Matter.WAITING})


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
    """A service and the texts in which it is looked for."""

    service: Service
    behind: tuple[str, ...]  # the names of its organisation
    name: str
    words: str = field(repr=False)
    digits: str = field(repr=False)

    @property
    def gone(self) -> bool:
        return self.service.status in _GONE


class Finder:
    """The services of one directory, ready to be searched.

    `before` is the finder of the directory as it was: what stayed the same is not worked out again.
    """

    def __init__(
        self,
        directory: Directory,
        gazetteer: Gazetteer,
        kinds: Mapping[ServiceKind, str],
        before: Finder | None = None,
    ) -> None:
        self.directory = directory
        self._gazetteer = gazetteer
        self._needs = {key: fold(" ".join(need.names.values())) for key, need in directory.needs.items()}
        self._kinds = {kind: fold(words) for kind, words in kinds.items()}
        self._by_id: dict[str, _Entry] = {}
        known = before._by_id if before is not None else {}
        for service in directory.services:
            held, behind = known.get(service.id), directory.organisation_of(service).names
            same = held is not None and held.service is service and held.behind == behind
            self._by_id[service.id] = held if held is not None and same else self._entry(service, behind)
        self._all = sorted(self._by_id.values(), key=lambda entry: (entry.name, entry.service.id))
        self._standing = [entry for entry in self._all if not entry.gone]

    def _entry(self, service: Service, behind: tuple[str, ...]) -> _Entry:
        places = [
            self._gazetteer.get(service.country, level, code).name
            for level, code in (*service.area.areas, *service.area.likely)
        ]
        places += [place.name for place in service.locations]
        said = fold(" ".join((service.name, *behind, *places, *service.what.values(), service.id)))
        needs = (self._needs.get(need, "") for need in (*service.needs_first, *service.needs_also))
        phones = [*service.phones, *(phone for place in service.locations for phone in place.phones)]
        digits = " ".join(_only_digits(phone.number) for phone in phones)
        words = " ".join((said, self._kinds[service.kind], *needs))
        return _Entry(service, behind, fold(service.name), words, digits)

    def find(self, wanted: Wanted, now: datetime, *, waiting: Collection[str] = ()) -> Found:
        """A page of the services that fit, those whose name begins with the words first."""
        area = self._area(wanted)
        found = self._matching(self._all if wanted.matter in _ALSO_GONE else self._standing, wanted)
        if wanted.country is not None:
            found = [entry for entry in found if entry.service.country is wanted.country]
        if wanted.kind is not None:
            found = [entry for entry in found if entry.service.kind is wanted.kind]
        if wanted.matter is not None:
            found = [entry for entry in found if self._matters(entry, wanted.matter, now, waiting)]
        if area is not None:
            found = [entry for entry in found if self._answers_in(entry.service, area)]
        first = fold(wanted.text[:LONGEST]).split()[:1]
        if first:
            found = sorted(found, key=lambda entry: (not entry.name.startswith(first[0]), first[0] not in entry.name))
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(wanted.page, 1), pages)
        shown = found[(page - 1) * PAGE : page * PAGE]
        unknown = bool(wanted.area.strip()) and area is None
        return Found(tuple(entry.service for entry in shown), len(found), page, pages, unknown)

    def _matching(self, entries: list[_Entry], wanted: Wanted) -> list[_Entry]:
        """Those in which every word stands, or whose number has the digits in a row."""
        found = entries
        for word in fold(wanted.text[:LONGEST]).split():
            found = [entry for entry in found if word in entry.words]
        digits = _only_digits(wanted.text) if _DIGITS.fullmatch(wanted.text.strip()) else ""
        if not digits:
            return found
        held = set(map(id, found))
        return [entry for entry in entries if digits in entry.digits or id(entry) in held]

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

    def _matters(self, entry: _Entry, matter: Matter, now: datetime, waiting: Collection[str]) -> bool:
        service = entry.service
        match matter:
            case Matter.GONE:
                return entry.gone
            case Matter.WAITING:
                return service.id in waiting
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
                assert_never(matter)


def _only_digits(number: str) -> str:
    return "".join(sign for sign in number if sign.isdecimal())
