"""All services and needs at one moment, and for every place which of them answer there.

A directory never changes; a change in the database makes another. What is worked out here once, when it is made, is
what lets a question be answered in milliseconds over twenty thousand services.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpline.content import ContentError, Node, load_yaml
from helpline.messages import Country, Language
from routing.capacity import Capacity
from routing.certification.catalogue import Catalogue
from routing.certification.scope import NOTHING, Scope
from routing.matching.index import Index
from routing.organisations import Organisation, Organisations, Unclear, check_all, read_organisation
from routing.places import AreaKey, Gazetteer, Level
from routing.services import Service, ServiceKind
from routing.upkeep.service_form import read_service


@dataclass(frozen=True)
class Need:
    """Something a patient may need."""

    key: str
    names: Mapping[Language, str]
    kinds: tuple[ServiceKind, ...]  # the fittest first
    urgent: bool  # only what is open now helps
    catalogue: tuple[str, ...]  # the nearest rows of the support programme's catalogue


@dataclass(frozen=True)
class Fallback:
    """What is shown last in line, whatever was asked."""

    everyone: tuple[str, ...]
    minor: tuple[str, ...]

    def ids(self, *, minor: bool) -> tuple[str, ...]:
        return (*self.minor, *self.everyone) if minor else self.everyone


@dataclass(frozen=True)
class OpeningWords:
    """What to say first when calling a service that has no words of its own."""

    usual: Mapping[Language, str]
    kinds: Mapping[ServiceKind, Mapping[Language, str]]

    def of(self, service: Service, language: Language) -> str:
        return (service.say_first or self.kinds.get(service.kind, self.usual)).get(language) or self.usual[language]


class Directory:
    """The services and who is behind them, their room, the needs, the fallbacks."""

    def __init__(
        self,
        services: Iterable[Service],
        needs: Mapping[str, Need],
        fallbacks: Mapping[Country, Fallback],
        gazetteer: Gazetteer,
        *,
        opening_words: OpeningWords,
        catalogue: Collection[str],
        organisations: Iterable[Organisation] = (),
        capacities: Mapping[str, Capacity] | None = None,
        certified: Mapping[str, Scope] | None = None,
    ) -> None:
        self.services = tuple(services)
        self.needs = dict(needs)
        self.fallbacks = dict(fallbacks)
        self._gazetteer = gazetteer
        self._opening_words = opening_words
        self._catalogue = frozenset(catalogue)
        self._organisations = Organisations(organisations)
        self._capacities = dict(capacities or {})
        self._certified = dict(certified or {})
        self._by_id = {service.id: service for service in self.services}
        if len(self._by_id) != len(self.services):
            raise ContentError("Two services have the same id.")
        for country, fallback in self.fallbacks.items():
            for service_id in (*fallback.everyone, *fallback.minor):
                service = self._by_id.get(service_id)
                if service is None or service.country is not country:
                    # Somebody would be left without a way.
                    raise ContentError(f'The fallback "{service_id}" of {country.value} is not among the services.')

    @classmethod
    def load(cls, content: Path, gazetteer: Gazetteer) -> Directory:
        """Read `needs.yaml` and both countries' services; `ContentError` with file and line for what does not fit."""
        needs = load_needs(content / "needs.yaml")
        services: list[Service] = []
        fallbacks: dict[Country, Fallback] = {}
        for path in sorted((content / "services").glob("*.yaml")):
            country, fallback, read = load_services(path, gazetteer, needs)
            services += read
            fallbacks[country] = fallback
        organisations = [
            organisation
            for path in sorted((content / "organisations").glob("*.yaml"))
            for organisation in load_organisations(path)
        ]
        try:
            check_all(organisations)
        except Unclear as error:
            raise ContentError(str(error), file="content/organisations") from error
        directory = cls(
            services,
            needs,
            fallbacks,
            gazetteer,
            opening_words=load_opening_words(content / "say_first.yaml"),
            catalogue=Catalogue.load(content).rows,
            organisations=organisations,
        )
        directory.check_rows(services)
        return directory

    def unmet(self, country: Country) -> tuple[str, ...]:
        """The needs that no service of this country is there for, not even besides something else."""
        met = {
            need
            for service in self.services
            if service.country is country
            for need in (*service.needs_first, *service.needs_also)
        }
        return tuple(need for need in self.needs if need not in met)

    def with_all(
        self,
        services: Iterable[Service],
        *,
        organisations: Iterable[Organisation] | None = None,
        capacities: Mapping[str, Capacity] | None = None,
        certified: Mapping[str, Scope] | None = None,
        fallbacks: Mapping[Country, Fallback] | None = None,
    ) -> Directory:
        """The same needs over all that a database knows; what is None stays as it is here."""
        return Directory(
            services,
            self.needs,
            self.fallbacks if fallbacks is None else fallbacks,
            self._gazetteer,
            opening_words=self._opening_words,
            catalogue=self._catalogue,
            organisations=self.organisations if organisations is None else organisations,
            capacities=self._capacities if capacities is None else capacities,
            certified=self._certified if certified is None else certified,
        )

    def check_rows(self, services: Iterable[Service]) -> None:
        """Refuse services that offer what is no row of the catalogue: nobody would ever find it."""
        for service in services:
            for row in service.catalogue:
                if row not in self._catalogue:
                    raise ContentError(f'"{service.id}" offers "{row}", which is no row of the catalogue.')

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        """Those that somebody entered; a service may have one that is known by its name alone."""
        return self._organisations.all

    def find_organisation(self, organisation_id: str) -> Organisation | None:
        """One that somebody entered."""
        return self._organisations.find(organisation_id)

    def organisation_of(self, service: Service) -> Organisation:
        """Who is behind a service; where nobody entered it, an organisation with the name and nothing else."""
        return self._organisations.of(service)

    def capacity_of(self, service_id: str) -> Capacity | None:
        """What was last told of its room, however long ago: `capacity.standing` says what that is worth."""
        return self._capacities.get(service_id)

    def is_certified(self, service: Service) -> bool:
        """Whether the organisation behind it is certified by the support programme, for anything."""
        return bool(self.certified_for(service))

    def certified_for(self, service: Service) -> Scope:
        """The catalogue rows that the organisation behind it is certified to offer, and where."""
        return self._certified.get(self.organisation_of(service).id, NOTHING)

    def say_first(self, service: Service, language: Language) -> str:
        """What to say when calling: the service's own words, or those for its kind."""
        return self._opening_words.of(service, language)

    def of(self, country: Country) -> tuple[Service, ...]:
        return self._by_country[country]

    @cached_property
    def _by_country(self) -> Mapping[Country, tuple[Service, ...]]:
        return {country: tuple(s for s in self.services if s.country is country) for country in Country}

    def find(self, service_id: str) -> Service | None:
        return self._by_id.get(service_id)

    def get(self, service_id: str) -> Service:
        return self._by_id[service_id]

    @cached_property
    def covering(self) -> Mapping[tuple[Country, AreaKey], frozenset[str]]:
        """For each area, the services that say they answer in the whole of it."""
        found: dict[tuple[Country, AreaKey], set[str]] = defaultdict(set)
        for service in self.services:
            for key in service.area.areas:
                found[(service.country, key)].add(service.id)
        return {key: frozenset(ids) for key, ids in found.items()}

    @cached_property
    def likely(self) -> Mapping[tuple[Country, AreaKey], frozenset[str]]:
        """For each area, the services that probably answer in the whole of it."""
        found: dict[tuple[Country, AreaKey], set[str]] = defaultdict(set)
        for service in self.services:
            for key in service.area.likely:
                found[(service.country, key)].add(service.id)
        return {key: frozenset(ids) for key, ids in found.items()}

    @cached_property
    def likely_touching(self) -> Mapping[tuple[Country, AreaKey], frozenset[str]]:
        """For each area, the services that probably answer in a part of it."""
        return self._around(lambda service: service.area.likely)

    @cached_property
    def touching(self) -> Mapping[tuple[Country, AreaKey], frozenset[str]]:
        """For each area, the services that answer in a part of it."""
        return self._around(lambda service: service.area.areas)

    @cached_property
    def index(self) -> Index:
        """What the services have in common, for matching."""
        known: dict[tuple[Country, str, frozenset[str]], Scope] = {}
        said: dict[tuple[Country, str], set[str]] = defaultdict(set)
        for service in self.services if self._certified else ():
            said[service.country, service.organisation].update(service.catalogue)

        def certified_for(service: Service) -> Scope:
            if not self._certified:
                return NOTHING
            key = (service.country, service.organisation, frozenset(service.catalogue))
            if key not in known:
                # What one service of an organisation says that it offers is not offered by each of the others.
                others = said[key[:2]] - key[2]
                given = self.certified_for(service)
                known[key] = {row: where for row, where in given.items() if row not in others} if given else NOTHING
            return known[key]

        return Index(self.services, capacity_of=self.capacity_of, certified_for=certified_for)

    def _around(
        self, areas: Callable[[Service], frozenset[AreaKey]]
    ) -> Mapping[tuple[Country, AreaKey], frozenset[str]]:
        found: dict[tuple[Country, AreaKey], set[str]] = defaultdict(set)
        for service in self.services:
            for level, code in areas(service):
                for key in self._gazetteer.get(service.country, level, code).within:
                    if key[0] is not Level.NATIONAL:
                        found[(service.country, key)].add(service.id)
        return {key: frozenset(ids) for key, ids in found.items()}


def load_needs(path: Path) -> dict[str, Need]:
    """Read `content/needs.yaml`."""
    needs = {}
    for key, node in load_yaml(path).mapping(required=("needs",))["needs"].entries().items():
        fields = node.mapping(required=("name", "kinds", "nsp"), optional=("urgent",))
        names = fields["name"].mapping(required=[language.value for language in Language])
        needs[key] = Need(
            key=key,
            names={Language(language): name.text() for language, name in names.items()},
            kinds=fields["kinds"].some_of(ServiceKind, at_least=1),
            urgent=fields["urgent"].flag(default=False),
            catalogue=fields["nsp"].texts(),
        )
    return needs


def load_services(
    path: Path, gazetteer: Gazetteer, needs: Collection[str]
) -> tuple[Country, Fallback, tuple[Service, ...]]:
    """Read one country's file."""
    fields = load_yaml(path).mapping(required=("country", "compiled", "fallback", "services"))
    country = fields["country"].one_of(Country)
    fields["compiled"].date()
    shown = fields["fallback"].mapping(required=("everyone", "minor"))
    services: dict[str, Service] = {}
    for node in fields["services"].items(at_least=1):
        service = read_service(node, country, gazetteer, needs)
        if service.id in services:
            raise node.error(f'The service "{service.id}" stands here twice.')
        services[service.id] = service
    fallback = Fallback(shown["everyone"].texts(at_least=1), shown["minor"].texts())
    return country, fallback, tuple(services.values())


def load_organisations(path: Path) -> tuple[Organisation, ...]:
    """Read one country's organisations."""
    fields = load_yaml(path).mapping(required=("country", "compiled", "organisations"))
    country = fields["country"].one_of(Country)
    fields["compiled"].date()
    return tuple(read_organisation(node, country) for node in fields["organisations"].items())


def load_opening_words(path: Path) -> OpeningWords:
    """Read `content/say_first.yaml`."""
    fields = load_yaml(path).mapping(required=("usual", "kinds"))
    kinds = fields["kinds"].mapping(optional=[kind.value for kind in ServiceKind])
    return OpeningWords(
        _in_every_language(fields["usual"]),
        {ServiceKind(kind): _in_every_language(words) for kind, words in kinds.items()},
    )


def _in_every_language(node: Node) -> dict[Language, str]:
    words = node.mapping(required=[language.value for language in Language])
    return {Language(language): line.text(longest=400) for language, line in words.items()}
