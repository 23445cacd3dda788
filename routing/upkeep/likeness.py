"""Services that may be one and the same, entered twice. Pure.

Two entries are shown together where several things agree: a number that few others have, a name that is nearly the
same, the area. None of it alone is enough: every krisesenter is called nearly the same as the next, and a house's one
switchboard answers for all it does. What people have said to be two is not shown again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from rapidfuzz import fuzz

from routing.places import fold
from routing.services import Service, ServiceStatus

NEARLY: Final = 88.0  # of a hundred: a slip of the pen, another order of the words
ALIKE: Final = 60.0
_SHARED: Final = 5  # a number, page or word that more services have tells nothing
_COMMON_WORD: Final = 40
_GONE: Final = frozenset({ServiceStatus.INACTIVE, ServiceStatus.DEFUNCT})
_WORD: Final = re.compile(r"[^\W_]+")


class Alike(StrEnum):
    """What agrees."""

    NAME = "name"
    PHONE = "phone"
    EMAIL = "email"
    PAGE = "page"
    AREA = "area"
    KIND = "kind"


@dataclass(frozen=True)
class Pair:
    """Two services that may be one."""

    one: Service
    other: Service
    likeness: float  # of the names, out of a hundred
    because: tuple[Alike, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Their ids in order."""
        first, second = sorted((self.one.id, self.other.id))
        return first, second


@dataclass(frozen=True)
class _Traits:
    """What a service is compared by."""

    name: str
    phones: frozenset[str]
    email: str
    page: str


def pairs(services: Iterable[Service], *, apart: Collection[tuple[str, str]] = ()) -> tuple[Pair, ...]:
    """The pairs that look like one, the likeliest first; not those of which somebody said that they are two."""
    present = [service for service in services if service.status not in _GONE]
    traits = {service.id: _traits(service) for service in present}
    found: dict[tuple[str, str], Pair] = {}
    for one, other in _worth_comparing(present, traits):
        if one.country is other.country:
            pair = _compared(one, other, traits)
            if pair is not None and pair.key not in apart:
                found[pair.key] = pair
    return tuple(sorted(found.values(), key=lambda pair: (-len(pair.because), -pair.likeness, pair.key)))


def _compared(one: Service, other: Service, traits: Mapping[str, _Traits]) -> Pair | None:
    mine, theirs = traits[one.id], traits[other.id]
    # By the order of the words or by their letters: a first letter that is wrong changes the order.
    likeness = max(fuzz.token_sort_ratio(mine.name, theirs.name), fuzz.ratio(mine.name, theirs.name))
    same_area = _same_area(one, other)
    because = [
        alike
        for alike, agrees in (
            (Alike.NAME, likeness >= NEARLY),
            (Alike.PHONE, bool(mine.phones & theirs.phones)),
            (Alike.EMAIL, bool(mine.email) and mine.email == theirs.email),
            (Alike.PAGE, bool(mine.page) and mine.page == theirs.page),
            (Alike.AREA, same_area),
            (Alike.KIND, one.kind is other.kind),
        )
        if agrees
    ]
    reached = {Alike.PHONE, Alike.EMAIL} & set(because)  # one page often tells of all that a house does
    named = Alike.NAME in because and (same_area or reached)
    # One house has one number for several things, so a number alone says nothing of two sorts of help.
    reachable = bool(reached) and one.kind is other.kind and (same_area or likeness >= ALIKE)
    return Pair(one, other, likeness, tuple(because)) if named or reachable else None


def _worth_comparing(services: list[Service], traits: Mapping[str, _Traits]) -> Iterator[tuple[Service, Service]]:
    """Pairs that share something rare: comparing each with each would be two hundred million for twenty thousand."""
    shared: dict[tuple[str, str], list[Service]] = defaultdict(list)
    for service in services:
        trait = traits[service.id]
        told = [("phone", phone) for phone in trait.phones]
        told += [(sort, value) for sort, value in (("email", trait.email), ("page", trait.page), ("name", trait.name))]
        words = [word for word in trait.name.split() if len(word) > 2]
        # The beginning too, so that a letter wrong further in does not hide a name.
        told += [(sort, word) for each in words for sort, word in (("word", each), ("begins", each[:4]))]
        for key in dict.fromkeys(told):
            if key[1]:
                shared[key].append(service)
    seen: set[tuple[str, str]] = set()
    for (sort, _), members in shared.items():
        most = _COMMON_WORD if sort in {"word", "begins", "name"} else _SHARED
        if 1 < len(members) <= most:
            for one, other in combinations(members, 2):
                if (one.id, other.id) not in seen:
                    seen.add((one.id, other.id))
                    yield one, other


def _traits(service: Service) -> _Traits:
    numbers = (re.sub(r"\D", "", phone.number)[-8:] for phone in service.phones)
    words = _WORD.findall(service.name)
    page = service.url.casefold().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
    # Short numbers (112, 116 117) are the country's and not a house's.
    phones = frozenset(number for number in numbers if len(number) > 6)
    return _Traits(" ".join(fold(word) for word in words), phones, service.email.casefold(), page)


def _same_area(one: Service, other: Service) -> bool:
    if one.area.everywhere or other.area.everywhere:
        return one.area.everywhere and other.area.everywhere
    mine, theirs = one.area.areas | one.area.likely, other.area.areas | other.area.likely
    return bool(mine & theirs)
