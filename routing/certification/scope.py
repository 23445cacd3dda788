"""What a provider is certified for on a day, and where; and what of its profile still waits for that.

A certification is decided on the profile of its day. A profile that is accepted later takes away at once what it no
longer offers, and adds nothing: what is new or wider in it, or comes back, waits for a decision of two. So what counts
is what all profiles say, from the one that was decided on to the one that holds.

Pure: facts and a day in, rows with their areas out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from helpline.messages import Country
from routing.certification.standing import Certificate, Facts, Profile, ProfileState, RowAnswer, certificate
from routing.places import AreaKey, Gazetteer, Level


class Reach(NamedTuple):
    """Where something holds, said of every place of the country, so that to ask of one is to look it up."""

    whole: frozenset[AreaKey]  # the places in which it holds everywhere
    part: frozenset[AreaKey]  # those, and the places in a part of which it does


Scope = Mapping[str, Reach]
"""The rows that somebody is certified for, each with where."""

NOTHING: Scope = {}


@dataclass(frozen=True)
class Waiting:
    """A row of the profile that nobody has decided on yet, or not on all of it."""

    row: str
    new: bool  # or back; else it was offered all the time, and is now for others, elsewhere or of another kind


@dataclass(frozen=True)
class Certification:
    """A certification that holds, and what it is for."""

    certificate: Certificate
    profile: Profile  # that holds
    since: tuple[Profile, ...]  # it, the one that was decided on, and all that held in between
    scope: Scope

    def targets(self, row: str) -> tuple[str, ...]:
        """For whom a row of its scope is offered, as all the profiles say; nothing where none names anybody."""
        return _targets(self.profile, self.since, row) or ()


def reach(areas: Iterable[AreaKey], country: Country, gazetteer: Gazetteer) -> Reach:
    """Where these areas lie: a län is covered by its name, by the country's, and by all of its kommuner."""
    return _reach(frozenset(areas), country, gazetteer)


@lru_cache(maxsize=512)
def _reach(areas: frozenset[AreaKey], country: Country, gazetteer: Gazetteer) -> Reach:
    inside: set[AreaKey] = set()
    outside: set[AreaKey] = set()
    for place in gazetteer.places(country, Level.KOMMUNE):
        (outside if areas.isdisjoint(place.areas) else inside).update(place.areas)
    return Reach(frozenset(inside - outside), frozenset(inside))


def certification(facts: Facts, on: date, country: Country, gazetteer: Gazetteer) -> Certification | None:
    """The certification that holds on a day; None where there is none."""
    given, profile = certificate(facts.decisions, facts.checks, on), facts.profile_on(on)
    upon = next((each for each in facts.profiles if given is not None and each.number == given.upon), None)
    if given is None or not given.holds(on) or profile is None or upon is None:
        return None
    since = tuple(
        each
        for each in facts.profiles
        if each is upon or (each.state is ProfileState.ACCEPTED and upon.number < each.number <= profile.number)
    )
    scope = {}
    for row in frozenset[str].intersection(profile.offered, *(each.offered for each in since)):
        kept = all(not _of_another_kind(each.answers[row], profile.answers[row]) for each in since)
        if not kept or _targets(profile, since, row) is None:
            continue
        now, *then = (reach(each.where(row), country, gazetteer) for each in (profile, *since))
        whole = now.whole.intersection(*(each.whole for each in then))
        if whole:
            scope[row] = now if whole == now.whole else reach(whole, country, gazetteer)
    return Certification(given, profile, since, scope)


def waiting(held: Certification, country: Country, gazetteer: Gazetteer) -> tuple[Waiting, ...]:
    """What the profile that holds offers beyond what was decided on, row by row."""
    found = []
    for row, now in held.profile.answers.items():
        if not now.offered:
            continue
        certain = held.scope.get(row)
        if any(row not in each.offered for each in held.since):
            found.append(Waiting(row, new=True))
        elif (
            certain is None
            or not reach(held.profile.where(row), country, gazetteer).whole <= certain.whole
            or _for_others(held.targets(row), now)
        ):
            found.append(Waiting(row, new=False))
    return tuple(found)


def _of_another_kind(then: RowAnswer, now: RowAnswer) -> bool:
    """Whether it chose something else. How many places there are is no other kind."""
    return then.value != now.value and not (then.value.isdecimal() and now.value.isdecimal())


def _targets(profile: Profile, since: Iterable[Profile], row: str) -> tuple[str, ...] | None:
    """For whom all these profiles offer a row, empty where none names anybody; None where they have nobody in common,
    which is not everybody."""
    named = [targets for each in (profile, *since) if (targets := each.answers[row].targets)]
    common = tuple(each for each in named[0] if all(each in others for others in named)) if named else ()
    return common if common or not named else None


def _for_others(certain: tuple[str, ...], now: RowAnswer) -> bool:
    return bool(certain) and (not now.targets or not set(now.targets) <= set(certain))
