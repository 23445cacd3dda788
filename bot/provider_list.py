"""The public list at `/providers`: who is certified today, and what they offer, region by region.

Nothing here says where anybody lives or how many do: of housing its kind and its region, and no other of its rows; no
comment, no number, no address, and no area smaller than a region.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from bot.house import House
from bot.render import Pages
from bot.webchat import LANGUAGES
from helpline.messages import Country, Language
from helpline.phrases import say_date, say_list
from helpline.web import LANGUAGE, Access, Refused, Route
from knowledge.fitness import local_day
from routing.certification import store
from routing.certification.catalogue import CLASSIFICATION, HOUSING, PLACES, Catalogue
from routing.certification.standing import REGION, regions_of
from routing.certification.store import Certified
from routing.places import AreaKey, Level

HERE: Final = "/providers"


@dataclass(frozen=True)
class Offered:
    """One measure that a provider offers."""

    sv: str
    en: str
    about: tuple[str, ...]


class ProviderList:
    """The page."""

    def __init__(self, house: House, pages: Pages) -> None:
        self._house = house
        self._pages = pages
        self._catalogue = Catalogue.load(house.content)

    def routes(self) -> list[Route]:
        """Its address, for everybody."""
        return [Route("GET", HERE, self.show, Access.PUBLIC)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The certified providers of a country, or of one of its regions."""
        try:
            country = Country(request.query.get("country", self._house.country.value))
        except ValueError as error:
            raise Refused(404, "error.not_found") from error
        language, gazetteer = request[LANGUAGE], self._house.library.gazetteer
        today = local_day(country, self._house.clock.now())
        async with self._house.db.read() as conn:
            certified = await store.certified_providers(conn, today, gazetteer)
        regions = sorted(gazetteer.places(country, REGION[country]), key=lambda place: place.name)
        chosen = next((each for each in regions if each.code == request.query.get("region")), None)
        shown = []
        for each in certified:
            if each.provider.country is not country or not each.held.scope:
                continue
            if chosen is None or chosen.code in self._regions(country, _everywhere(each)):
                shown.append(self._provider(request, each, chosen.code if chosen is not None else ""))
        return self._pages.page(
            "providers.html",
            language,
            providers=shown,
            country=country,
            countries=[(each.value, self._house.phrases.say(f"country.{each.value}", language)) for each in Country],
            regions=[(each.code, each.name) for each in regions],
            region=chosen.code if chosen is not None else "",
            languages=LANGUAGES,
            source=self._catalogue.source,
            today=say_date(today, language),
        )

    def _regions(self, country: Country, areas: Collection[AreaKey]) -> frozenset[str]:
        return regions_of(areas, country, self._house.library.gazetteer)

    def _provider(self, request: web.Request, each: Certified, region: str) -> dict[str, Any]:
        language, scope, certificate = request[LANGUAGE], each.held.scope, each.held.certificate
        areas = []
        for area in self._catalogue.areas:
            rows = [
                self._offered(each, row.key, language)
                for row in area.rows
                if row.key in scope
                and (row.table != HOUSING or row.key == PLACES)
                and (not region or region in self._regions(each.provider.country, scope[row.key].whole))
            ]
            if rows:
                areas.append({"sv": area.sv, "en": area.en, "rows": rows})
        return {
            "name": each.provider.name,
            "since": say_date(certificate.since, language),
            "until": say_date(certificate.until, language),
            "where": self._say(
                language, "providers.list.works_in", places=self._places(each, _everywhere(each), language)
            ),
            "areas": areas,
        }

    def _offered(self, each: Certified, key: str, language: Language) -> Offered:
        row, held, targets = self._catalogue.rows[key], each.held, self._catalogue.targets
        about = []
        names = [targets[target][language] for target in held.targets(key) if target in targets]
        if key == PLACES:
            kind = held.profile.answers[CLASSIFICATION] if CLASSIFICATION in held.scope else None
            option = self._catalogue.rows[CLASSIFICATION].option(kind.value) if kind is not None else None
            said = option.names[language] if option is not None else self._say(language, "providers.list.housing.some")
            about.append(self._say(language, "providers.list.housing", kind=said))
        if names:
            about.append(self._say(language, "providers.list.for", whom=say_list(names, language)))
        country, where = each.provider.country, held.scope[key].whole
        if self._regions(country, where) != self._regions(country, _everywhere(each)):
            about.append(self._say(language, "providers.list.only_in", places=self._places(each, where, language)))
        return Offered("Boende", "Housing", tuple(about)) if key == PLACES else Offered(row.sv, row.en, tuple(about))

    def _places(self, each: Certified, areas: Collection[AreaKey], language: Language) -> str:
        """The names of areas, none smaller than a region: what a provider does elsewhere could tell where it houses."""
        gazetteer, country = self._house.library.gazetteer, each.provider.country
        if any(level is Level.NATIONAL for level, _ in areas):
            return self._say(language, "providers.everywhere")
        codes = self._regions(country, areas)
        names = sorted(gazetteer.get(country, REGION[country], code).name for code in codes)
        return say_list(names, language) if names else "–"

    def _say(self, language: Language, key: str, **values: object) -> str:
        return self._house.phrases.say(key, language, **values)


def _everywhere(each: Certified) -> frozenset[AreaKey]:
    """Where it is certified for anything."""
    return frozenset[AreaKey]().union(*(where.whole for where in each.held.scope.values()))
