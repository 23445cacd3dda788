"""HSDS 3.0 and 3.1 as services and organisations of ours.

What one of our own installations wrote reads back equal. What somebody else wrote comes in as a draft: inactive,
unconfirmed, with "ask them" wherever the data does not say. Nothing is invented, and whatever has no place here is in
the loss report by the name of its field.

An address in somebody else's data is never taken in: nobody here has said yet whether the place is protected. A
coordinator adds it after asking.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

import orjson

from helpline.content import ContentError, node_of
from helpline.messages import Country, Language
from routing.capacity import Capacity, Teller
from routing.hsds.feeds import own_language
from routing.hsds.fields import TABLES, Kind
from routing.hsds.loss import LossReport, Why
from routing.hsds.tables import nested_in
from routing.hsds.terms import is_ours
from routing.organisations import Organisation, id_of, read_organisation
from routing.places import Gazetteer, Level
from routing.services import Answer, Service, ServiceStatus
from routing.upkeep.service_form import looks_like_address, read_service

Json = Mapping[str, Any]

_DAYS: Final = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_DAY_WORDS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STATUS: Final = {
    "active": ServiceStatus.ACTIVE,
    "temporarily closed": ServiceStatus.CLOSED_FOR_NOW,
    "inactive": ServiceStatus.INACTIVE,
    "defunct": ServiceStatus.DEFUNCT,
}
_TIME: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 -]{1,18}[0-9]")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_URL: Final = re.compile(r"https?://[^\s/$.?#][^\s<>\"]*")
_CODE: Final = re.compile(r"[a-z]{2,3}")
_NOT_SAID: Final = {Country.NO: "Ikke oppgitt", Country.SE: "Inte angivet"}


@dataclass(frozen=True)
class Brought:
    """What a file brings."""

    services: tuple[Service, ...]
    organisations: tuple[Organisation, ...]
    capacities: tuple[Capacity, ...]
    losses: LossReport
    drafts: frozenset[str] = frozenset()  # ids of services that somebody else wrote
    public: frozenset[str] = frozenset()  # ids of ours that came from the public feed, which says less


@dataclass
class _Facts:
    """The attributes of one entry, by taxonomy."""

    found: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def __bool__(self) -> bool:
        return bool(self.found)

    def one(self, taxonomy: str, key: str) -> str | None:
        return next((value for name, value in self.found.get(taxonomy, ()) if name == key), None)

    def all(self, taxonomy: str) -> Sequence[tuple[str, str]]:
        return self.found.get(taxonomy, ())

    def first(self, taxonomy: str) -> str | None:
        return next((name for name, _ in self.found.get(taxonomy, ())), None)

    def every(self, taxonomy: str, key: str) -> list[str]:
        return [value for name, value in self.found.get(taxonomy, ()) if name == key]


def read(
    services: Iterable[Json],
    organizations: Iterable[Json] = (),
    *,
    gazetteer: Gazetteer,
    needs: Collection[str],
    country: Country,
    losses: LossReport | None = None,
) -> Brought:
    """Read what stands in these objects; `country` holds where the data names none that we know."""
    reader = _Reader(gazetteer, needs, country, losses if losses is not None else LossReport())
    return reader.read(services, organizations)


class _Reader:
    def __init__(self, gazetteer: Gazetteer, needs: Collection[str], country: Country, losses: LossReport) -> None:
        self._gazetteer = gazetteer
        self._needs = needs
        self._country = country
        self._losses = losses
        self._services: dict[str, Service] = {}
        self._organisations: dict[str, Organisation] = {}
        self._idents: dict[str, str] = {}  # our ids of organisations, by theirs
        self._parents: dict[str, str] = {}
        self._capacities: dict[str, Capacity] = {}
        self._drafts: set[str] = set()
        self._public: set[str] = set()

    def read(self, services: Iterable[Json], organizations: Iterable[Json]) -> Brought:
        for organization in organizations:
            if self._is_entry(organization, "organization"):
                self._organisation(organization)
                for inside in _objects(organization.get("services")):
                    self._service({"organization": organization, **inside})
        for service in services:
            self._service(service)
        for ours, theirs in self._parents.items():
            parent = self._idents.get(theirs)
            known = self._organisations.get(ours)
            if known is not None and parent in self._organisations and parent != ours:
                self._organisations[ours] = replace(known, parent=str(parent))
            elif known is not None:
                self._losses.add(ours, "organization.parent_organization_id", Why.NOT_READABLE, "it refers to nothing")
        self._losses.kept = len(self._services)
        return Brought(
            tuple(self._services.values()),
            tuple(self._organisations.values()),
            tuple(self._capacities.values()),
            self._losses,
            frozenset(self._drafts),
            frozenset(self._public),
        )

    def _is_entry(self, entry: object, table: str) -> bool:
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str) and isinstance(entry.get("name"), str):
            return True
        named = _name(entry) if isinstance(entry, Mapping) else table
        self._losses.add(named, table, Why.NOT_TAKEN, "it has no id or no name")
        return False

    # --- one service ----------------------------------------------------------------------------------------------

    def _service(self, entry: Json) -> None:
        if not self._is_entry(entry, "service"):
            return
        facts = _facts(entry)
        theirs = str(entry["id"])
        if facts.one("fact", "feed") == "public" and facts.all("confidentiality") and not facts.one("fact", "key"):
            self._losses.add(theirs, "service", Why.NOT_TAKEN, "the public feed does not name a protected service")
            return
        said = facts.one("fact", "country")
        ours = facts.one("fact", "key") is not None and said in set(Country)
        country = Country(said) if ours and said is not None else self._country_of(entry)
        organization = entry.get("organization")
        organisation = None
        if isinstance(organization, Mapping) and self._is_entry(organization, "organization"):
            organisation = self._organisation(organization, country)
        try:
            if ours:
                self._only_unknown(entry, "service", str(facts.one("fact", "key")))
                plain = self._ours(entry, facts, country, organisation)
            else:
                self._walk(entry, "service", theirs)
                plain = self._theirs(entry, country, organisation)
            node = node_of(plain, file=f"service {theirs}")
            service = read_service(node, country, self._gazetteer, self._needs)
        except ContentError as error:
            # Only the field is told: what stood in it may be an address.
            self._losses.add(theirs, f"service.{error.file and 'as a whole'}", Why.NOT_TAKEN, _reason(error))
            return
        if service.id in self._services:
            if self._services[service.id] != service:
                self._losses.add(theirs, "service", Why.NOT_TAKEN, "another entry has this id")
            return
        self._services[service.id] = service
        if not ours:
            self._drafts.add(service.id)
            return
        if facts.one("fact", "feed") == "public":
            self._public.add(service.id)
        capacity = self._capacity(facts, service.id)
        if capacity is not None:
            self._capacities[service.id] = capacity

    # --- what we wrote --------------------------------------------------------------------------------------------

    def _ours(self, entry: Json, facts: _Facts, country: Country, organisation: Organisation | None) -> dict[str, Any]:
        own = own_language(country)
        words = {own.value: str(entry.get("description", ""))}
        words |= dict(facts.all("words"))
        plain: dict[str, Any] = {
            "id": facts.one("fact", "key"),
            "name": entry["name"],
            "organisation": facts.one("fact", "said-of-organisation")
            or (organisation.name if organisation is not None else _NOT_SAID[country]),
            "kind": facts.first("kind") or "",
            "what": words,
            "needs": {
                "first": [key for key, value in facts.all("need") if value == "first"],
                "also": [key for key, value in facts.all("need") if value == "also"],
            },
            "area": _area(entry, facts),
            "serves": _serves(entry, facts),
            "access": facts.first("access") or "unknown",
            "hours": _hours(facts, _objects(entry.get("schedules"))),
            "confidence": facts.first("confidence") or "unverified",
            "freshness": facts.first("freshness") or "no-source",
            "sources": [_source(value) for value in facts.every("fact", "source")],
        }
        status = _STATUS.get(str(entry.get("status")), ServiceStatus.INACTIVE)
        languages = _spoken(entry, facts)
        more: dict[str, Any] = {
            "status": status.value if status is not ServiceStatus.ACTIVE else None,
            "note": facts.one("fact", "note"),
            "url": facts.one("fact", "url") or entry.get("url"),
            "phones": [_phone(each) for each in _objects(entry.get("phones"))],
            "email": entry.get("email"),
            "locations": [_location(each) for each in _objects(entry.get("service_at_locations"))],
            "contacts": [_contact(each) for each in _objects(entry.get("contacts"))],
            "languages": languages,
            "say_first": dict(facts.all("say-first")),
            "catalogue": [key for key, _ in facts.all("catalogue")],
            "families": _answer(facts.one("takes", "families")),
            "introduction": _answer(facts.one("fact", "introduction")),
            "protected": facts.one("confidentiality", "protected") == "yes" or None,
            "child_route": facts.one("fact", "child-route") == "yes" or None,
            "unverified": facts.every("fact", "unverified"),
            "owner": facts.one("fact", "owner"),
            "assured_on": _day(entry.get("assured_date")),
            "assured_by": facts.one("fact", "assured-by"),
            "confirmed_on": _day(facts.one("fact", "confirmed-on")),
        }
        return plain | {key: value for key, value in more.items() if value not in (None, "", [], {})}

    def _capacity(self, facts: _Facts, service_id: str) -> Capacity | None:
        if not facts.all("capacity"):
            return None

        def count(key: str) -> int | None:
            value = facts.one("capacity", key)
            return int(value) if value is not None else None

        try:
            return Capacity(
                service_id,
                Answer(facts.one("capacity", "accepting") or "ask"),
                count("free"),
                count("maximum"),
                facts.one("capacity", "unit") or "",
                datetime.fromisoformat(facts.one("capacity", "told-at") or ""),
                Teller(facts.one("capacity", "told-by") or ""),
            )
        except ValueError:
            self._losses.add(service_id, "service.capacities", Why.NOT_READABLE)
            return None

    # --- organisations --------------------------------------------------------------------------------------------

    def _organisation(self, entry: Json, country: Country | None = None) -> Organisation | None:
        facts = _facts(entry)
        said = facts.one("fact", "country")
        where = Country(said) if said in set(Country) else country or self._country
        key = facts.one("fact", "key")
        if facts.all("confidentiality") and not key:
            self._losses.add(str(entry["id"]), "organization", Why.NOT_TAKEN, "the public feed does not name it")
            return None
        if key:
            self._only_unknown(entry, "organization", str(entry["id"]))
        elif str(entry["id"]) not in self._idents:
            self._walk(entry, "organization", str(entry["id"]))
        name = str(entry["name"])
        plain: dict[str, Any] = {"id": key or id_of(where, name), "name": name}
        if facts.one("fact", "known-by-name"):
            return Organisation(plain["id"], where, name)
        if key:
            plain |= {"alternate_names": facts.every("fact", "alternate-name"), "what": dict(facts.all("words"))}
        else:
            plain |= self._their_organisation(entry, where)
        plain["url"] = facts.one("fact", "url") or plain.get("url") or (entry.get("website") if key else "")
        plain["email"] = plain.get("email") or (entry.get("email") if key else "")
        if key:
            plain["phones"] = [_phone(each) for each in _objects(entry.get("phones"))]
            plain["number"] = next(
                (str(each.get("identifier", "")) for each in _objects(entry.get("organization_identifiers"))), ""
            )
        kept = {name: value for name, value in plain.items() if value not in (None, "", [], {})}
        try:
            organisation = read_organisation(node_of(kept, file=f"organization {entry['id']}"), where)
        except ContentError as error:
            self._losses.add(str(entry["id"]), "organization", Why.NOT_TAKEN, _reason(error))
            return Organisation(id_of(where, "x"), where, _NOT_SAID[where])
        self._idents[str(entry["id"])] = organisation.id
        if entry.get("parent_organization_id"):
            self._parents[organisation.id] = str(entry["parent_organization_id"])
        self._organisations.setdefault(organisation.id, organisation)
        return organisation

    def _their_organisation(self, entry: Json, country: Country) -> dict[str, Any]:
        of = str(entry["id"])
        found: dict[str, Any] = {}
        what = self._text(entry, "description", of, "organization", longest=240)
        if what and what != entry["name"]:
            found["what"] = {Language.EN.value: what}
        found["url"] = self._matching(entry, "website", _URL, of, "organization")
        found["email"] = self._matching(entry, "email", _EMAIL, of, "organization")
        found["phones"] = self._their_phones(entry, of, "organization")
        other = self._text(entry, "alternate_name", of, "organization", longest=160)
        if other and other.casefold() != str(entry["name"]).casefold():
            found["alternate_names"] = [other]
        for each in _objects(entry.get("organization_identifiers")):
            scheme, number = each.get("identifier_scheme"), re.sub(r"\s", "", str(each.get("identifier", "")))
            fits = {"NO-BRC": r"\d{9}", "SE-ON": r"\d{6}-\d{4}"}.get(str(scheme))
            if fits and re.fullmatch(fits, number) and str(scheme).startswith(country.value):
                found["number"] = number
            else:
                self._losses.add(of, "organization.organization_identifiers", Why.UNMAPPED, "not a register of ours")
        return found

    # --- what somebody else wrote ---------------------------------------------------------------------------------

    def _country_of(self, entry: Json) -> Country:
        """The country of its addresses, where it is one of ours."""
        said = {
            str(address.get("country", "")).strip().upper()
            for place in _objects(entry.get("service_at_locations"))
            for location in _objects([place.get("location")])
            for address in _objects(location.get("addresses"))
        } - {""}
        known = [country for country in Country if country.value in said]
        if len(known) == 1 and len(said) == 1:
            return known[0]
        if said:
            why = "neither Norway nor Sweden" if not known else "more than one country"
            self._losses.add(str(entry["id"]), "address.country", Why.UNMAPPED, f"{why}; entered under {self._country}")
        return self._country

    def _theirs(self, entry: Json, country: Country, organisation: Organisation | None) -> dict[str, Any]:
        of = str(entry["id"])
        own = own_language(country)
        name = self._text(entry, "name", of, "service", longest=120) or _NOT_SAID[country]
        what = self._text(entry, "description", of, "service", longest=160) or name[:160]
        self._losses.add(of, "service.kind", Why.UNMAPPED, "no field says what sort of service it is")
        status = _STATUS.get(str(entry.get("status")))
        if status is None:
            self._losses.add(of, "service.status", Why.NOT_READABLE)
        if organisation is None:
            self._losses.add(of, "service.organization", Why.NOT_READABLE, "it is not said who is behind it")
        told = entry.get("assured_date") or entry.get("last_modified")
        plain: dict[str, Any] = {
            "id": _draft_id(name, of),
            "name": name,
            "organisation": organisation.name if organisation is not None else _NOT_SAID[country],
            # Nothing that anybody is led to, until a person has said what it is.
            "kind": "background",
            "what": {own.value: what, Language.EN.value: what},
            "needs": {"first": [], "also": []},
            "area": self._their_area(entry, country, of),
            "serves": self._their_ages(entry, of),
            "access": "unknown",
            "hours": self._their_hours(_objects(entry.get("schedules")), of, "service"),
            "confidence": "unverified",
            "freshness": _freshness(told),
            "sources": [{"title": f"HSDS: {of}", "seen": str(told)[:40] if told else "not stated"}],
            "status": (ServiceStatus.DEFUNCT if status is ServiceStatus.DEFUNCT else ServiceStatus.INACTIVE).value,
        }
        more: dict[str, Any] = {
            "note": self._text(entry, "application_process", of, "service", longest=240),
            "url": self._matching(entry, "url", _URL, of, "service"),
            "email": self._matching(entry, "email", _EMAIL, of, "service"),
            "phones": self._their_phones(entry, of, "service"),
            "contacts": [found for each in _objects(entry.get("contacts")) if (found := self._their_contact(each, of))],
            "languages": self._their_languages(entry, of),
            "locations": self._their_locations(entry, country, of),
        }
        return plain | {key: value for key, value in more.items() if value not in (None, "", [], {})}

    def _text(self, entry: Json, name: str, of: str, table: str, *, longest: int) -> str:
        value = entry.get(name)
        if value is None:
            return ""
        where = f"{table}.{name}"
        if not isinstance(value, str):
            self._losses.add(of, where, Why.NOT_READABLE, "it is no text")
            return ""
        text = " ".join(value.split())
        if looks_like_address(text):
            self._losses.add(of, where, Why.PROTECTED, "it looks like a street address")
            return ""
        if len(text) > longest:
            self._losses.add(of, where, Why.NO_PLACE, f"only the first {longest} letters were kept")
            text = text[: longest - 1].rstrip() + "…"
        return text

    def _matching(self, entry: Json, name: str, pattern: re.Pattern[str], of: str, table: str) -> str:
        value = entry.get(name)
        if value in (None, ""):
            return ""
        if isinstance(value, str) and pattern.fullmatch(value.strip()) and len(value) <= 500:
            return value.strip()
        self._losses.add(of, f"{table}.{name}", Why.NOT_READABLE)
        return ""

    def _their_phones(self, entry: Json, of: str, table: str) -> list[dict[str, Any]]:
        found = []
        for each in _objects(entry.get("phones")):
            number = re.sub(r"[()./\"]", " ", str(each.get("number", "")))
            number = " ".join(number.split())
            if not _NUMBER.fullmatch(number):
                self._losses.add(of, f"{table}.phones.number", Why.NOT_READABLE)
                continue
            use = self._text(each, "description", of, f"{table}.phones", longest=40)
            found.append({"number": number} | ({"use": {Language.EN.value: use}} if use else {}))
        return found

    def _their_contact(self, entry: Json, of: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: self._text(entry, name, of, "contact", longest=80) for name in ("title", "department", "name")
        }
        found["email"] = self._matching(entry, "email", _EMAIL, of, "contact")
        found["phones"] = self._their_phones(entry, of, "contact")
        return {name: value for name, value in found.items() if value}

    def _their_languages(self, entry: Json, of: str) -> dict[str, Any]:
        codes, names = [], []
        for each in _objects(entry.get("languages")):
            code = str(each.get("code", "")).lower()
            if _CODE.fullmatch(code):
                codes.append(code)
            elif each.get("code"):
                self._losses.add(of, "language.code", Why.NOT_READABLE)
            if isinstance(each.get("name"), str):
                names.append(each["name"])
        said = self._text(entry, "interpretation_services", of, "service", longest=200)
        stated = said or ", ".join(names) or ", ".join(codes)
        if said and len(codes) < len(names):
            self._losses.add(of, "language.name", Why.NO_PLACE, "a language without a code")
        if not stated:
            return {}
        return ({"codes": codes} if codes else {}) | ({"interpreter": True} if said else {}) | {"as_stated": stated}

    def _their_ages(self, entry: Json, of: str) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        for name, ours in (("minimum_age", "lower"), ("maximum_age", "upper")):
            value = entry.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 130:
                self._losses.add(of, f"service.{name}", Why.NOT_READABLE)
            elif int(value) != value:
                self._losses.add(of, f"service.{name}", Why.UNMAPPED, "not whole years")
            else:
                limits[ours] = int(value)
        if limits.get("lower", 0) > limits.get("upper", 200):
            self._losses.add(of, "service.maximum_age", Why.NOT_READABLE, "the limits are in the wrong order")
            return {}
        return {"age": limits} if limits else {}

    def _their_area(self, entry: Json, country: Country, of: str) -> dict[str, Any]:
        """Areas that are official names, spelt as they are; anything else a person must read."""
        found: dict[str, list[str]] = defaultdict(list)
        listed = _objects(entry.get("service_areas"))
        unread = not listed
        for each in listed:
            keys = self._named(str(each.get("name") or each.get("extent") or ""), country)
            if each.get("name") and each.get("extent"):
                self._losses.add(of, "service_area.extent", Why.NO_PLACE)
            if keys and all(key in self._gazetteer.get(country, *keys[0]).within for key in keys[1:]):
                keys = keys[:1]  # Oslo is a kommune and a fylke: what is surely meant is the smaller of the two
            if keys == [(Level.NATIONAL, country.value)]:
                return {"level": "national"}
            if len(keys) != 1 or keys[0][0] is Level.NATIONAL:
                unread = True
                self._losses.add(of, "service_area", Why.UNMAPPED, "it is no name of an official area, or of several")
                continue
            level, code = keys[0]
            if code not in found[level.value]:
                found[level.value].append(code)
        if found:
            return dict(found)
        if unread:
            more = "the draft stands under the whole country until somebody says where"
            self._losses.add(of, "service.service_areas", Why.UNMAPPED, more)
        return {"level": "national"}

    def _named(self, text: str, country: Country) -> list[tuple[Level, str]]:
        wanted = " ".join(text.split()).casefold()
        if not wanted:
            return []
        found = []
        for place in self._places(country):
            names = {place.name.casefold(), place.label.casefold(), *(name.casefold() for name in place.names)}
            suffix = {Level.FYLKE: " fylke", Level.LAN: " län", Level.KOMMUNE: " kommune"}.get(place.level, "")
            names |= {name + suffix for name in names} if suffix else set()
            if wanted in names:
                found.append(place.key)
        return found

    def _places(self, country: Country) -> Iterator[Any]:
        nation = self._gazetteer.nation(country)
        yield nation
        seen = set()
        for kommune in self._gazetteer.kommuner_in(nation):
            yield kommune
            for key in kommune.within:
                if key not in seen and key[0] is not Level.NATIONAL:
                    seen.add(key)
                    yield self._gazetteer.get(country, *key)

    def _their_hours(self, schedules: Sequence[Json], of: str, table: str) -> dict[str, Any]:
        stated = "; ".join(
            dict.fromkeys(
                text for each in schedules if (text := self._text(each, "description", of, "schedule", longest=200))
            )
        )
        weekly: list[dict[str, str]] = []
        for each in schedules:
            interval = _their_interval(each)
            if interval is None:
                self._losses.add(of, f"{table}.schedules", Why.UNMAPPED, "not plain hours by the week")
                weekly = []
                break
            weekly += interval
        if not weekly:
            return {"unknown": True, "as_stated": stated or "not stated"}
        if len(weekly) == 7 and all(one["open"] == "00:00" and one["close"] in {"24:00", "23:59"} for one in weekly):
            return {"always": True, "as_stated": stated or "24/7"}
        return {"weekly": weekly, "approximate": True, "as_stated": stated or "as in the schedules"}

    def _their_locations(self, entry: Json, country: Country, of: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for each in _objects(entry.get("service_at_locations")):
            place = each.get("location")
            if not isinstance(place, Mapping) or not isinstance(place.get("id"), str):
                self._losses.add(of, "service_at_location.location", Why.NOT_READABLE)
                continue
            kind = str(place.get("location_type"))
            plain: dict[str, Any] = {"id": _slug(place["id"])}
            if kind in {"postal", "virtual"}:
                plain["kind"] = kind
            elif kind != "physical":
                self._losses.add(of, "location.location_type", Why.NOT_READABLE)
            name = self._text(place, "name", of, "location", longest=120)
            if name:
                plain["name"] = name
            cities = set()
            for address in _objects(place.get("addresses")):
                self._losses.add(of, "location.addresses", Why.PROTECTED, "nobody has said that it is not protected")
                cities.add(str(address.get("city", "")))
            keys = [key for city in cities for key in self._named(city, country) if key[0] is Level.KOMMUNE]
            if len(keys) == 1:
                plain["area"] = {keys[0][0].value: keys[0][1]}
            if place.get("latitude") is not None or place.get("longitude") is not None:
                self._losses.add(of, "location.latitude, longitude", Why.PROTECTED, "a point on the map is an address")
            phones = self._their_phones(place, of, "location") + self._their_phones(each, of, "service_at_location")
            if phones:
                plain["phones"] = phones
            schedules = [*_objects(place.get("schedules")), *_objects(each.get("schedules"))]
            if schedules:
                plain["hours"] = self._their_hours(schedules, of, "location")
            if plain["id"] not in {other["id"] for other in found}:
                found.append(plain)
        return found

    # --- what is left behind --------------------------------------------------------------------------------------

    def _walk(self, entry: Json, table: str, of: str) -> None:
        """Note every field that this reader takes nothing from, at any depth."""
        for name, value in entry.items():
            if value in (None, "", []):
                continue
            where = f"{table}.{name}"
            known = TABLES[table].find(name)
            nested = nested_in(table, name)
            if known is None and nested is None:
                self._losses.add(of, where, Why.UNKNOWN)
            elif nested is not None:
                self._walk_children(value, nested, where, of)
            elif (known is None or known.kind is not Kind.UUID) and where not in _TAKEN and not _placing(table, name):
                self._losses.add(of, where, Why.NO_PLACE)

    def _walk_children(self, value: Any, nested: tuple[Kind, str], where: str, of: str) -> None:
        kind, child = nested
        if (kind is Kind.LIST and not isinstance(value, list)) or (
            kind is Kind.CHILD and not isinstance(value, Mapping)
        ):
            self._losses.add(of, where, Why.NOT_READABLE)
            return
        if child in {"service", "organization"}:
            return  # read as an entry of its own
        whole = _WHOLE.get(child) or (Why.NO_PLACE if where in _NOT_READ else None)
        if whole is not None:
            self._losses.add(of, where, whole)
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, Mapping):
                self._losses.add(of, where, Why.NOT_READABLE)
            elif whole is not None:
                self._only_unknown(each, child, of)
            else:
                self._walk(each, child, of)

    def _only_unknown(self, entry: Json, table: str, of: str) -> None:
        """Note what the specification does not know, at any depth."""
        for name, value in entry.items():
            nested = nested_in(table, name)
            if nested is None:
                if TABLES[table].find(name) is None:
                    self._losses.add(of, f"{table}.{name}", Why.UNKNOWN)
                continue
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Mapping) and nested[1] not in {"organization", "taxonomy_term"}:
                    self._only_unknown(each, nested[1], of)


# Tables of which nothing is taken: the loss is told once for the whole.
_WHOLE: Final[Mapping[str, Why]] = {
    "program": Why.NO_PLACE,
    "funding": Why.NO_PLACE,
    "cost_option": Why.NO_PLACE,
    "required_document": Why.NO_PLACE,
    "accessibility": Why.NO_PLACE,
    "metadata": Why.NO_PLACE,
    "url": Why.NO_PLACE,
    "service_capacity": Why.NO_PLACE,
    "attribute": Why.UNMAPPED,
}
# Children that are read elsewhere, and not here.
_NOT_READ: Final = frozenset(
    {
        *(f"organization.{name}" for name in ("contacts", "locations")),
        *(f"location.{name}" for name in ("contacts", "languages")),
        *(f"service_at_location.{name}" for name in ("contacts", "service_areas")),
        "phone.languages",
    }
)
# What is read of somebody else's data; where it cannot be, it says so itself.
_TAKEN: Final = frozenset(
    {
        *(f"service.{name}" for name in ("name", "description", "url", "email", "status", "interpretation_services")),
        *(f"service.{name}" for name in ("application_process", "minimum_age", "maximum_age", "assured_date")),
        "service.last_modified",
        *(f"organization.{name}" for name in ("name", "alternate_name", "description", "email", "website")),
        *(f"organization_identifier.{name}" for name in ("identifier_scheme", "identifier_type", "identifier")),
        *(f"location.{name}" for name in ("location_type", "name")),
        *(f"phone.{name}" for name in ("number", "description")),
        *(f"contact.{name}" for name in ("name", "title", "department", "email")),
        *(f"schedule.{name}" for name in ("freq", "byday", "opens_at", "closes_at", "description", "timezone", "wkst")),
        *(f"schedule.{name}" for name in ("interval", "valid_from", "valid_to", "dtstart", "until", "count")),
        *(f"schedule.{name}" for name in ("byweekno", "bymonthday", "byyearday")),
        *(f"service_area.{name}" for name in ("name", "extent")),
        *(f"language.{name}" for name in ("name", "code")),
    }
)


def _placing(table: str, name: str) -> bool:
    """Addresses and points on the map have a sentence of their own in the report."""
    return table == "address" or name in {"latitude", "longitude"}


# --- parts that we wrote ----------------------------------------------------------------------------------------------


def _facts(entry: Json) -> _Facts:
    facts = _Facts()
    for attribute in _objects(entry.get("attributes")):
        term = attribute.get("taxonomy_term")
        code = term.get("code") if isinstance(term, Mapping) else None
        if is_ours(code):
            taxonomy, _, key = str(code).partition(":")
            value = attribute.get("value")
            facts.found[taxonomy].append((key, value if isinstance(value, str) else ""))
    return facts


def _serves(entry: Json, facts: _Facts) -> dict[str, Any]:
    serves: dict[str, Any] = {}
    for name in ("sex", "exploitation", "status"):
        told = facts.all(name)
        if ("everyone", "yes") in told:
            serves[name] = "all"
        elif told:
            sides = {
                side: [key for key, value in told if value == said]
                for side, said in (("takes", "yes"), ("refuses", "no"))
            }
            serves[name] = {side: keys for side, keys in sides.items() if keys}
    limits = {
        "lower": entry.get("minimum_age"),
        "upper": entry.get("maximum_age"),
        "ask_lower": facts.one("age", "ask-from"),
        "ask_upper": facts.one("age", "ask-to"),
    }
    known = {name: _whole(value) for name, value in limits.items() if value is not None}
    if facts.one("age", "everyone"):
        serves["age"] = "all"
    elif known:
        serves["age"] = known
    for name, key in (("children", "children"), ("substance_use", "substance-use")):
        answer = _answer(facts.one("takes", key))
        if answer is not None:
            serves[name] = answer
    return serves


def _whole(value: object) -> object:
    """The number that is written; what is none stays as it is, for the strict reader to refuse."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _answer(value: str | None) -> str | None:
    return {"yes": "accepted", "no": "refused"}.get(value or "")


def _area(entry: Json, facts: _Facts) -> dict[str, Any]:
    if facts.one("fact", "everywhere"):
        return {"level": Level.KOMMUNE.value, "every": True}
    found: dict[str, dict[str, list[str]]] = {"area": defaultdict(list), "likely": defaultdict(list)}
    for each in _objects(entry.get("service_areas")):
        of_this = _facts(each)
        for taxonomy, codes in found.items():
            for level, code in of_this.all(taxonomy):
                codes[level].append(code)
    if Level.NATIONAL.value in found["area"]:
        return {"level": Level.NATIONAL.value}
    area: dict[str, Any] = dict(found["area"])
    if found["likely"]:
        area["likely"] = dict(found["likely"])
    if facts.one("fact", "advises-all"):
        area["advises_all"] = True
    return area


def _hours(facts: _Facts, schedules: Sequence[Json]) -> dict[str, Any]:
    kinds = ("weekly", "always", "always-by-law", "office-hours", "outside-office-hours", "not-at-night", "call-first")
    kind = next((each for each in kinds if facts.one("hours", each)), "unknown")
    hours: dict[str, Any] = {}
    weekly: list[dict[str, str]] = []
    seasons: dict[str, dict[str, Any]] = {}
    exceptions: dict[str, list[dict[str, str]]] = {}
    for each in schedules:
        marks = _facts(each).all("schedule")
        for part, mark in marks:
            if part == "weekly":
                weekly += _intervals(each)
            elif part == "season":
                number, first, last = mark.split()[:3]
                season = seasons.setdefault(number, {"first": first, "last": last, "weekly": []})
                season["weekly"] += _intervals(each) if each.get("opens_at") else []
            elif part == "exception":
                listed = exceptions.setdefault(mark.split()[0], [])
                if each.get("opens_at"):
                    listed.append({"open": _clock(each["opens_at"]), "close": _clock(each["closes_at"])})
    if kind == "weekly":
        hours["weekly"] = weekly
    else:
        hours[kind.replace("-", "_")] = True
    if seasons:
        hours["seasons"] = list(seasons.values())
    if exceptions:
        hours["exceptions"] = [
            {"on": date.fromisoformat(day), "intervals": intervals} for day, intervals in exceptions.items()
        ]
    rule = facts.one("hours", "holidays")
    if rule and rule != "as-usual":
        hours["holidays"] = rule
    if facts.one("hours", "approximate"):
        hours["approximate"] = True
    hours["as_stated"] = facts.one("hours", "as-stated") or "not stated"
    return hours


def _intervals(schedule: Json) -> list[dict[str, str]]:
    """The stretches of a schedule, one for each run of days."""
    days = {_DAYS[name] for name in str(schedule.get("byday", "")).split(",") if name in _DAYS}
    opens, closes = _clock(schedule.get("opens_at")), _clock(schedule.get("closes_at"))
    return [{"days": run, "open": opens, "close": closes} for run in _runs(days)]


def _runs(days: Collection[int]) -> list[str]:
    if len(days) == 7:
        return ["mon-sun"]
    found = []
    for start in sorted(day for day in days if (day - 1) % 7 not in days):
        length = next(step for step in range(1, 8) if (start + step) % 7 not in days)
        last = (start + length - 1) % 7
        found.append(_DAY_WORDS[start] if length == 1 else f"{_DAY_WORDS[start]}-{_DAY_WORDS[last]}")
    return found


def _clock(value: Any) -> str:
    """An hour and a minute; midnight at the end of a day is read by the reader of hours, which knows the opening."""
    return str(value or "")[:5]


def _phone(entry: Json) -> dict[str, Any]:
    use = dict(_facts(entry).all("use"))
    return {"number": entry.get("number", "")} | ({"use": use} if use else {})


def _contact(entry: Json) -> dict[str, Any]:
    found = {name: entry[name] for name in ("title", "department", "name", "email") if entry.get(name)}
    phones = [_phone(each) for each in _objects(entry.get("phones"))]
    if phones:
        found["phones"] = phones
    if _facts(entry).one("fact", "confirms"):
        found["confirms"] = True
    return found


def _location(entry: Json) -> dict[str, Any]:
    place: Json = entry.get("location") or {}
    facts = _facts(place)
    protected = facts.one("confidentiality", "place") is not None
    kind = facts.one("fact", "location-kind") or "physical"
    plain: dict[str, Any] = {"id": facts.one("fact", "key") or "place"}
    area = facts.one("fact", "location-area")
    if area:
        level, _, code = area.partition(" ")
        plain["area"] = {level: code}
    if place.get("name") and facts.one("fact", "unnamed") is None:
        plain["name"] = place["name"]
    if kind != "physical":
        plain["kind"] = kind
    for address in _objects(place.get("addresses")):
        plain["address"] = {
            "street": address.get("address_1", ""),
            "postal_code": address.get("postal_code", ""),
            "city": address.get("city", ""),
        } | ({"region": address["region"]} if address.get("region") else {})
    phones = [_phone(each) for each in _objects(place.get("phones"))]
    if phones:
        plain["phones"] = phones
    if facts.all("hours"):
        plain["hours"] = _hours(facts, _objects(place.get("schedules")))
    if protected:
        plain["protected"] = True
    return plain


def _spoken(entry: Json, facts: _Facts) -> dict[str, Any]:
    codes = [str(each.get("code", "")) for each in _objects(entry.get("languages"))]
    stated = facts.one("fact", "languages-as-stated")
    if not (codes or stated or facts.one("fact", "interpreter")):
        return {}
    return (
        ({"codes": codes} if codes else {})
        | ({"interpreter": True} if facts.one("fact", "interpreter") else {})
        | {"as_stated": stated or "not stated"}
    )


def _source(written: str) -> dict[str, str]:
    try:
        told = orjson.loads(written)
    except orjson.JSONDecodeError:
        told = {}
    found = {key: str(told.get(key) or "") for key in ("title", "url", "seen")} if isinstance(told, dict) else {}
    return {key: value for key, value in found.items() if value or key != "url"}


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


# --- parts that somebody else wrote -----------------------------------------------------------------------------------


def _their_interval(entry: Json) -> list[dict[str, str]] | None:
    """Plain hours by the week in a zone of ours, or None."""
    limited = ("valid_from", "valid_to", "until", "count", "byweekno", "bymonthday", "byyearday")
    if any(entry.get(name) not in (None, "") for name in limited) or entry.get("freq") != "WEEKLY":
        return None
    zone = entry.get("timezone")
    if entry.get("interval") not in (None, 1) or (zone is not None and zone not in (1, 2)):
        return None
    names = [name.strip() for name in str(entry.get("byday", "")).split(",")]
    opens, closes = _TIME.fullmatch(str(entry.get("opens_at"))), _TIME.fullmatch(str(entry.get("closes_at")))
    if opens is None or closes is None or any(name not in _DAYS for name in names):
        return None
    if any(each[4] not in (None, "+01:00", "+02:00", "+0100", "+0200") for each in (opens, closes)):
        return None
    start, end = f"{opens[1]}:{opens[2]}", f"{closes[1]}:{closes[2]}"
    if start == end:
        return None
    return [{"days": _DAY_WORDS[_DAYS[name]], "open": start, "close": end} for name in dict.fromkeys(names)]


def _freshness(told: Any) -> str:
    year = str(told)[:4] if told else ""
    if not year.isdecimal():
        return "undated"
    return "2022-or-later" if int(year) >= 2022 else "2021-or-older"


def _draft_id(name: str, theirs: str) -> str:
    return f"{_slug(name)[:40].strip('-')}-{_slug(theirs)[:8].strip('-')}"


def _slug(text: str) -> str:
    letters = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o"})
    plain = unicodedata.normalize("NFKD", text.casefold().translate(letters)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or "x"


def _name(entry: Json) -> str:
    return str(entry.get("id") or "without id")


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _reason(error: ContentError) -> str:
    """Why the strict reader refused it, without anything that stood there."""
    sentence = error.sentence
    return "it holds what looks like a street address" if "street address" in sentence else "it does not fit the form"
