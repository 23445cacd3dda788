"""Who may read what: the public feed, and the one for partners who show a token.

Neither holds an address of a protected place. Of a protected service the public feed says what a page for everybody
says of its kind: that there is one in a fylke or län, whom it takes, and how one comes in; its number only where the
service itself is found by everybody. It does not name it, and its id cannot be made from its name. What staff know of
any service (contacts, who keeps the entry, who checked it) is for partners at most.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from helpline.messages import Country, Language
from routing.directory import Directory
from routing.hsds.loss import LossReport, Why
from routing.hsds.terms import id_of
from routing.organisations import Organisation
from routing.places import AreaKey, Gazetteer, Level
from routing.services import (
    Area,
    Confidence,
    Hours,
    Languages,
    Location,
    Service,
    ServiceKind,
    ServiceStatus,
)


class Feed(StrEnum):
    """For whom it is written."""

    PUBLIC = "public"
    PARTNER = "partner"


@dataclass(frozen=True)
class Entry:
    """A service as one feed may tell of it."""

    service: Service
    ident: str  # its id there
    organisation: Organisation
    organisation_ident: str
    named: bool = True  # False where the service and whoever is behind it are not named
    known_by_name: bool = False  # of the organisation nothing but the name is known


_CALLED: Final[Mapping[ServiceKind, Mapping[Language, str]]] = {
    ServiceKind.CRISIS_CENTRE: {
        Language.NB: "Krisesenter",
        Language.NN: "Krisesenter",
        Language.SV: "Kriscentrum",
        Language.EN: "Crisis centre",
    },
    ServiceKind.PROTECTED_HOUSING: {
        Language.NB: "Beskyttet botilbud",
        Language.NN: "Verna butilbod",
        Language.SV: "Skyddat boende",
        Language.EN: "Protected housing",
    },
    ServiceKind.SUPPORT_PROGRAMME: {
        Language.NB: "Støtteprogram",
        Language.NN: "Støtteprogram",
        Language.SV: "Stödprogram",
        Language.EN: "Support programme",
    },
}
_OTHERWISE: Final[Mapping[Language, str]] = {
    Language.NB: "Skjermet tjeneste",
    Language.NN: "Skjerma teneste",
    Language.SV: "Skyddad verksamhet",
    Language.EN: "Protected service",
}
_WITHHELD: Final[Mapping[Country, str]] = {Country.NO: "Navnet oppgis ikke", Country.SE: "Namnet anges inte"}
_FINEST: Final = frozenset({Level.NATIONAL, Level.FYLKE, Level.LAN, Level.HELSEREGION})
_PUBLIC_FACTS: Final = frozenset({Confidence.CONFIRMED, Confidence.VERIFIED})


def own_language(country: Country) -> Language:
    """The language in which a country's services are described."""
    return Language.NB if country is Country.NO else Language.SV


def kind_words(kind: ServiceKind) -> Mapping[Language, str]:
    """What a protected service of this kind is called before strangers."""
    return _CALLED.get(kind, _OTHERWISE)


def entries(directory: Directory, gazetteer: Gazetteer, feed: Feed, losses: LossReport) -> tuple[Entry, ...]:
    """Every service that this feed tells of, as far as it may."""
    if feed is Feed.PARTNER:
        return tuple(_as_it_is(directory, service) for service in directory.services)
    shown = [service for service in directory.services if is_public(service)]
    for service in directory.services:
        if not is_public(service):
            losses.add("service", "service", Why.NOT_PUBLIC, "it is not running")
    numbers: Counter[str] = Counter()
    found: list[Entry] = []
    hidden: list[Entry] = []
    for service in shown:
        if service.hides_place:
            hidden.append(_hidden(service, gazetteer, numbers))
            losses.add("service", "name, organization, texts, exact area", Why.PROTECTED, "protected services")
        else:
            found.append(replace(_as_it_is(directory, service), service=_for_everybody(service, gazetteer, losses)))
    # By themselves: between two that are named, the order of the directory would tell how a hidden one begins.
    return (*found, *sorted(hidden, key=lambda entry: entry.ident))


def is_public(service: Service) -> bool:
    """Whether the public feed tells of it at all."""
    return service.status in {ServiceStatus.ACTIVE, ServiceStatus.CLOSED_FOR_NOW}


def organisation_ident(organisation: Organisation) -> str:
    """The id of an organisation."""
    return id_of("organization", organisation.country.value, organisation.id)


def service_ident(service: Service) -> str:
    """The id of a service that may be named."""
    return id_of("service", service.id)


def _as_it_is(directory: Directory, service: Service) -> Entry:
    organisation = directory.organisation_of(service)
    return Entry(
        service,
        service_ident(service),
        organisation,
        organisation_ident(organisation),
        known_by_name=directory.find_organisation(organisation.id) is None,
    )


def _for_everybody(service: Service, gazetteer: Gazetteer, losses: LossReport) -> Service:
    """A service that may be named, without what is for staff and partners."""
    for name in ("contacts", "owner", "assured_by"):
        if getattr(service, name):
            losses.add(service.id, name, Why.NOT_PUBLIC)
    places = []
    for place in service.locations:
        if place.protected:
            losses.add(service.id, "location", Why.PROTECTED, "a protected place")
            places.append(_only_area(place, service.country, gazetteer))
        else:
            places.append(place)
    return replace(service, contacts=(), owner="", assured_by="", locations=tuple(places))


def _only_area(place: Location, country: Country, gazetteer: Gazetteer) -> Location:
    area = None if place.area is None else _coarse_key(place.area, country, gazetteer)
    return replace(place, id="protected", name="", area=area, address=None, phones=(), hours=None)


def _hidden(service: Service, gazetteer: Gazetteer, numbers: Counter[str]) -> Entry:
    """A protected service by its kind and its fylke or län."""
    country, words = service.country, kind_words(service.kind)
    own = own_language(country)
    areas = coarse(service.area, country, gazetteer)
    group = f"{country.value} {service.kind.value} {sorted(f'{level.value} {code}' for level, code in areas.areas)}"
    numbers[group] += 1
    # Made of what is said in public and a running number: from an id made of the name, a guess could be proved.
    ident = id_of("service", "protected", group, str(numbers[group]))
    organisation = Organisation("withheld", country, _WITHHELD[country])
    found_by_everybody = (
        service.kind is not ServiceKind.PROTECTED_HOUSING
        and service.confidence in _PUBLIC_FACTS
        and any(source.url for source in service.sources)
    )
    told = replace(
        service,
        id="protected",
        name=words[own],
        organisation=organisation.name,
        what={language: words[language] for language in (own, Language.EN)},
        area=areas,
        hours=replace(service.hours, as_stated="", exceptions=()) if found_by_everybody else Hours(),
        sources=(),
        phones=tuple(replace(phone, use={}) for phone in service.phones) if found_by_everybody else (),
        email="",
        url="",
        locations=(),
        contacts=(),
        languages=Languages(service.languages.codes, service.languages.interpreter),
        note="",
        say_first={},
        catalogue=(),
        unverified=(),
        owner="",
        assured_by="",
        assured_on=None,
        confirmed_on=None,
        protected=True,
    )
    return Entry(told, ident, organisation, id_of("organization", "withheld", country.value), named=False)


def coarse(area: Area, country: Country, gazetteer: Gazetteer) -> Area:
    """The same area, no nearer than fylke or län; what is likely is told as what is certain, since both are rough."""
    if area.everywhere or area.national:
        return area
    keys = frozenset(_coarse_key(key, country, gazetteer) for key in (*area.areas, *area.likely))
    if any(level is Level.NATIONAL for level, _ in keys):
        return Area(frozenset({(Level.NATIONAL, country.value)}))
    return Area(keys)


def _coarse_key(key: AreaKey, country: Country, gazetteer: Gazetteer) -> AreaKey:
    around: Iterable[AreaKey] = (key, *gazetteer.get(country, *key).within)
    return next((each for each in around if each[0] in _FINEST), (Level.NATIONAL, country.value))
