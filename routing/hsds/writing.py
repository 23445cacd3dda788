"""The directory as HSDS: fully nested JSON, one object a service, from which the tables are made.

What HSDS has a field for stands in that field; the rest stands beside it as attributes with terms of our own
(`routing/hsds/terms.py`), so that nothing is lost and others still understand most of it. Where something may not
travel it is left out and the loss report says so. A protected place is written as an area and nothing else.

Pure: ids are made of ids, so that the same directory is written the same everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from babel import Locale

from helpline.messages import Country, Language
from helpline.phrases import ZONES
from routing.capacity import Capacity
from routing.directory import Directory
from routing.hsds import feeds
from routing.hsds.feeds import Entry, Feed, own_language
from routing.hsds.fields import NEWEST, TABLES, Version
from routing.hsds.loss import LossReport, Why
from routing.hsds.terms import (
    Term,
    Vocabulary,
    id_of,
    offset_of,
    taxonomies,
    taxonomy_entry,
    term_entry,
)
from routing.organisations import Organisation
from routing.places import AreaKey, Gazetteer, Level
from routing.services import (
    Access,
    Address,
    Answer,
    Contact,
    Hours,
    Interval,
    Location,
    LocationKind,
    Phone,
    Service,
    ServiceStatus,
    Takes,
)
from routing.upkeep.service_form import looks_like_address

Json = dict[str, Any]

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_STATUS: Final[Mapping[ServiceStatus, str]] = {
    ServiceStatus.ACTIVE: "active",
    ServiceStatus.CLOSED_FOR_NOW: "temporarily closed",
    ServiceStatus.INACTIVE: "inactive",
    ServiceStatus.DEFUNCT: "defunct",
}
_ACCESS: Final[Mapping[Access, str]] = {
    Access.SELF: "The patient makes contact.",
    Access.SELF_OR_PROFESSIONAL: "The patient or a professional makes contact.",
    Access.PROFESSIONAL_FIRST: "A professional makes contact first.",
    Access.PROFESSIONAL_ONLY: "For professionals only.",
    Access.REFERRAL: "By referral from a doctor.",
    Access.REFERRAL_OR_SELF: "By referral, or the patient makes contact.",
    Access.VIA_HELPLINE: "By way of the helpline.",
    Access.VIA_SOCIAL_SERVICES: "By way of the social services.",
    Access.VIA_SOCIAL_SERVICES_OR_DIRECT: "By way of the social services, or directly.",
    Access.VIA_POLICE_OR_CHILD_PROTECTION: "By way of the police or child protection.",
    Access.VIA_REGIONAL_COORDINATOR: "By way of the regional coordinator.",
    Access.VIA_CERTIFIED_PROVIDER: "By way of a certified provider.",
    Access.EMERGENCY_PLACEMENT: "Placed by the police, the social services or the regional coordinator.",
    Access.UNKNOWN: "",
}
_HOURS_KINDS: Final = ("office_hours", "outside_office_hours", "not_at_night", "call_first")
_REGISTERS: Final[Mapping[Country, tuple[str, str]]] = {
    Country.NO: ("NO-BRC", "Organisasjonsnummer"),
    Country.SE: ("SE-ON", "Organisationsnummer"),
}
_COUNTED: Final = "places"


@dataclass(frozen=True)
class Written:
    """A directory as one feed tells of it."""

    services: tuple[Json, ...]
    organizations: tuple[Json, ...]
    taxonomies: tuple[Json, ...]
    taxonomy_terms: tuple[Json, ...]
    losses: LossReport
    version: Version = NEWEST


def write(
    directory: Directory,
    gazetteer: Gazetteer,
    *,
    feed: Feed,
    on: date,
    catalogue: Mapping[str, str] | None = None,
    modified: Mapping[str, datetime] | None = None,
    profile: str = "",
    version: Version = NEWEST,
) -> Written:
    """Write it all.

    `on` is the day of which seasons are told, `catalogue` the names of the support programme's measures, `modified`
    when each service was last changed, `profile` the address of the profile.
    """
    losses = LossReport()
    needs = {key: need.names[Language.EN] for key, need in directory.needs.items()}
    vocabulary = Vocabulary(needs=needs, catalogue=catalogue)
    writer = _Writer(directory, gazetteer, vocabulary, feed, on, modified or {}, profile, losses)
    listed = feeds.entries(directory, gazetteer, feed, losses)
    services = [writer.service(entry) for entry in listed]
    organizations = {entry.organisation_ident: writer.organization(entry) for entry in listed}
    if feed is Feed.PARTNER:
        for organisation in directory.organisations:
            ident = feeds.organisation_ident(organisation)
            organizations.setdefault(ident, writer.organization_of(organisation, ident))
    terms = {**vocabulary.terms, **writer.used}
    losses.kept = len(services)
    written = Written(
        tuple(services),
        tuple(organizations[ident] for ident in sorted(organizations)),
        tuple(taxonomy_entry(code, profile) for code in taxonomies()),
        tuple(term_entry(terms[code], profile) for code in sorted(terms)),
        losses,
        version,
    )
    return written if version is NEWEST else _in_version(written, version)


def _in_version(written: Written, version: Version) -> Written:
    """Without what came later than this version."""

    def older(name: str, entry: Json) -> Json:
        kept: Json = {}
        for key, value in entry.items():
            told = TABLES[name].find(key)
            if told is not None and told.since > version:
                written.losses.add(name, key, Why.NOT_IN_VERSION)
            elif told is not None and told.nested and isinstance(value, list):
                kept[key] = [older(told.child, each) for each in value]
            elif told is not None and told.nested:
                kept[key] = older(told.child, value)
            else:
                kept[key] = value
        return kept

    return Written(
        tuple(older("service", each) for each in written.services),
        tuple(older("organization", each) for each in written.organizations),
        written.taxonomies,
        written.taxonomy_terms,
        written.losses,
        version,
    )


Fact = tuple[str, str]  # the code of a term, and a value


@dataclass
class _Writer:
    directory: Directory
    gazetteer: Gazetteer
    vocabulary: Vocabulary
    feed: Feed
    on: date
    modified: Mapping[str, datetime]
    profile: str
    losses: LossReport
    used: dict[str, Term] = field(default_factory=dict)
    _entries: dict[str, Json] = field(default_factory=dict)  # of each term, written once and shared
    _named: frozenset[str] | None = None  # organisations that have a service which may be named

    # --- services -------------------------------------------------------------------------------------------------

    def service(self, entry: Entry) -> Json:
        """One service, fully nested."""
        service, ident = entry.service, entry.ident
        own = own_language(service.country)
        written: Json = {
            "id": ident,
            "name": service.name,
            "description": service.what[own],
            "url": _uri(service.url),
            "additional_urls": self._urls(service, ident),
            "email": service.email,
            "status": _STATUS[service.status],
            "interpretation_services": service.languages.as_stated if service.languages.interpreter else "",
            "application_process": self._how(service),
            "eligibility_description": _for_whom(service),
            "accreditations": self._certified(service) if entry.named else "",
            "minimum_age": service.serves.age.lower or None if service.serves.age.known else None,
            "maximum_age": service.serves.age.upper if service.serves.age.known else None,
            "assured_date": service.assured_on.isoformat() if service.assured_on else "",
            "assurer_email": service.assured_by if "@" in service.assured_by else "",
            "last_modified": self._modified(entry),
            "phones": [self._phone(phone, ident, n, own) for n, phone in enumerate(service.phones)],
            "schedules": self._schedules(service.hours, ident, service.country),
            "service_areas": self._areas(service, ident),
            "service_at_locations": [self._at_location(service, place, ident) for place in service.locations],
            "languages": [_language(code, ident, n) for n, code in enumerate(service.languages.codes)],
            "organization": self.organization(entry),
            "contacts": [self._contact(each, ident, n, own) for n, each in enumerate(service.contacts)],
        }
        capacity = self._capacity(entry)
        written["capacities"] = self._capacities(capacity, ident)
        facts = [*self._facts(entry), *_hours_facts(service.hours)]
        if capacity is not None:
            facts += _capacity_facts(capacity)
        written["attributes"] = self._attributes(ident, "service", facts)
        return self._without_addresses(_tidy(written), service)

    def _how(self, service: Service) -> str:
        said = service.say_first.get(Language.EN) or service.say_first.get(own_language(service.country)) or ""
        return " ".join(part for part in (_ACCESS[service.access], said) if part)

    def _certified(self, service: Service) -> str:
        if not self.directory.is_certified(service):
            return ""
        return "Certified by Sweden's national support programme (Nationellt stödprogram)."

    def _modified(self, entry: Entry) -> str:
        changed = self.modified.get(entry.service.id) if entry.named else None
        return changed.astimezone(UTC).isoformat(timespec="milliseconds") if changed else ""

    def _urls(self, service: Service, ident: str) -> list[Json]:
        return [
            {"id": id_of("url", ident, str(n)), "label": source.title, "url": _uri(source.url)}
            for n, source in enumerate(service.sources)
            if source.url.startswith(("http://", "https://"))
        ]

    def _facts(self, entry: Entry) -> Iterator[Fact]:
        service = entry.service
        own = own_language(service.country)
        if entry.named:
            yield "fact:key", service.id
            if service.organisation != entry.organisation.name:
                yield "fact:said-of-organisation", service.organisation
        yield "fact:country", service.country.value
        if self.feed is Feed.PUBLIC:
            yield "fact:feed", self.feed.value
        yield "fact:zone", ZONES[service.country].key
        yield f"kind:{service.kind.value}", "yes"
        for need in service.needs_first:
            yield f"need:{need}", "first"
        for need in service.needs_also:
            yield f"need:{need}", "also"
        yield from _taken(service)
        yield f"access:{service.access.value}", "yes"
        for row in service.catalogue:
            yield f"catalogue:{row}", "yes"
        yield f"confidence:{service.confidence.value}", "yes"
        yield f"freshness:{service.freshness.value}", "yes"
        if service.hides_place:
            yield "confidentiality:protected", "yes" if service.protected else "kind"
        yield from (("fact:child-route", "yes"),) if service.child_route else ()
        yield from (("fact:advises-all", "yes"),) if service.area.advises_all else ()
        yield from (("fact:everywhere", "yes"),) if service.area.everywhere else ()
        if service.introduction is not Answer.ASK:
            yield "fact:introduction", service.introduction.value
        for language, line in service.what.items():
            if language is not own:
                yield f"words:{language.value}", line
        for language, line in service.say_first.items():
            yield f"say-first:{language.value}", line
        if service.note:
            yield "fact:note", service.note
        spoken = service.languages
        if spoken.interpreter:
            yield "fact:interpreter", "yes"
        if spoken.as_stated:
            yield "fact:languages-as-stated", spoken.as_stated
        for source in service.sources:
            told = {"title": source.title, "url": source.url, "seen": source.seen}
            yield "fact:source", orjson.dumps(told).decode()
        if _uri(service.url) != service.url:
            yield "fact:url", service.url
        for each in service.unverified:
            yield "fact:unverified", each
        if service.confirmed_on:
            yield "fact:confirmed-on", service.confirmed_on.isoformat()
        if service.owner:
            yield "fact:owner", service.owner
        if service.assured_by:
            yield "fact:assured-by", service.assured_by

    # --- organisations --------------------------------------------------------------------------------------------

    def organization(self, entry: Entry) -> Json:
        """Who is behind a service."""
        return self.organization_of(
            entry.organisation, entry.organisation_ident, named=entry.named, known_by_name=entry.known_by_name
        )

    def organization_of(
        self, organisation: Organisation, ident: str, *, named: bool = True, known_by_name: bool = False
    ) -> Json:
        """One organisation."""
        own = own_language(organisation.country)
        facts: list[Fact] = [("fact:country", organisation.country.value)]
        if named:
            facts.append(("fact:key", organisation.id))
            facts += [("fact:known-by-name", "yes")] if known_by_name else []
            facts += [("fact:url", organisation.url)] if _uri(organisation.url) != organisation.url else []
            facts += [("fact:alternate-name", name) for name in organisation.alternate_names]
            facts += [(f"words:{language.value}", line) for language, line in organisation.what.items()]
        else:
            facts.append(("confidentiality:protected", "yes"))
        parent = self.directory.find_organisation(organisation.parent) if organisation.parent else None
        if parent is not None and self.feed is Feed.PUBLIC and not self._is_public(parent):
            self.losses.add(organisation.id, "parent_organization_id", Why.NOT_PUBLIC)
            parent = None
        scheme, of_type = _REGISTERS[organisation.country]
        number = {
            "id": id_of("organization_identifier", ident),
            "identifier_scheme": scheme,
            "identifier_type": of_type,
            "identifier": organisation.number,
        }
        return _tidy(
            {
                "id": ident,
                "name": organisation.name,
                "alternate_name": ", ".join(organisation.alternate_names),
                "description": organisation.what.get(own) or organisation.name,
                "email": organisation.email,
                "website": _uri(organisation.url),
                "parent_organization_id": feeds.organisation_ident(parent) if parent is not None else "",
                "phones": [self._phone(phone, ident, n, own) for n, phone in enumerate(organisation.phones)],
                "organization_identifiers": [number] if organisation.number else [],
                "attributes": self._attributes(ident, "organization", facts),
            }
        )

    def _is_public(self, organisation: Organisation) -> bool:
        """Whether a service that may be named has it."""
        if self._named is None:
            self._named = frozenset(
                self.directory.organisation_of(service).id
                for service in self.directory.services
                if feeds.is_public(service) and not service.hides_place
            )
        return organisation.id in self._named

    # --- parts ----------------------------------------------------------------------------------------------------

    def _phone(self, phone: Phone, owner: str, number: int, own: Language) -> Json:
        ident = id_of("phone", owner, str(number))
        use = phone.use.get(own) or next(iter(phone.use.values()), "")
        facts = [(f"use:{language.value}", words) for language, words in phone.use.items()]
        written = {"id": ident, "number": phone.number, "type": "voice", "description": use}
        return _tidy(written | {"attributes": self._attributes(ident, "phone", facts)})

    def _contact(self, contact: Contact, owner: str, number: int, own: Language) -> Json:
        ident = id_of("contact", owner, str(number))
        facts = [("fact:confirms", "yes")] if contact.confirms else []
        return _tidy(
            {
                "id": ident,
                "name": contact.name,
                "title": contact.title,
                "department": contact.department,
                "email": contact.email,
                "phones": [self._phone(phone, ident, n, own) for n, phone in enumerate(contact.phones)],
                "attributes": self._attributes(ident, "contact", facts),
            }
        )

    def _areas(self, service: Service, owner: str) -> list[Json]:
        listed: list[tuple[str, AreaKey]] = [("area", key) for key in _in_order(service.area.areas)]
        listed += [("likely", key) for key in _in_order(service.area.likely)]
        found = []
        for taxonomy, (level, code) in listed:
            ident = id_of("service_area", owner, taxonomy, level.value, code)
            place = self.gazetteer.get(service.country, level, code)
            fact = (f"{taxonomy}:{level.value}", code)
            written = {
                "id": ident,
                "name": place.name if level is Level.NATIONAL else place.label,
                "description": "Probably; no source says so." if taxonomy == "likely" else "",
                "extent": f"{service.country.value} {level.value} {code}",
                "extent_type": "text",
                "attributes": self._attributes(ident, "service_area", [fact]),
            }
            found.append(_tidy(written))
        return found

    def _at_location(self, service: Service, place: Location, owner: str) -> Json:
        # Two protected places of one service go by one word in the public feed, so the number tells them apart.
        number = str(service.locations.index(place))
        ident = id_of("location", owner, place.id, number)
        facts: list[Fact] = [("fact:location-kind", place.kind.value)]
        if place.area is not None:
            facts.append(("fact:location-area", f"{place.area[0].value} {place.area[1]}"))
        if place.protected:
            facts.append(("confidentiality:place", "yes"))
            facts += [("fact:unnamed", "yes")] if not place.name else []
        else:
            facts.append(("fact:zone", ZONES[service.country].key))
        if self.feed is Feed.PARTNER or not place.protected:
            facts.append(("fact:key", place.id))
        if place.hours is not None:
            facts += _hours_facts(place.hours)
        own = own_language(service.country)
        address = [] if place.protected or place.address is None else [self._address(place, place.address, service)]
        location = {
            "id": ident,
            # Where a protected place lies is nobody's to visit: it is reached by telephone, and has no address.
            "location_type": LocationKind.VIRTUAL.value if place.protected else place.kind.value,
            "name": place.name or (self._area_name(place, service) if place.protected else ""),
            "addresses": address,
            "phones": [self._phone(phone, ident, n, own) for n, phone in enumerate(place.phones)],
            "schedules": self._schedules(place.hours, ident, service.country) if place.hours is not None else [],
            "attributes": self._attributes(ident, "location", facts),
        }
        return {"id": id_of("service_at_location", owner, place.id, number), "location": _tidy(location)}

    def _area_name(self, place: Location, service: Service) -> str:
        return self.gazetteer.get(service.country, *place.area).label if place.area is not None else ""

    def _address(self, place: Location, address: Address, service: Service) -> Json:
        return _tidy(
            {
                "id": id_of("address", service.id, place.id),
                "address_1": address.street,
                "city": address.city,
                "region": address.region,
                "state_province": self._county(place, service) or address.region or address.city,
                "postal_code": address.postal_code,
                "country": service.country.value,
                "address_type": "postal" if place.kind is LocationKind.POSTAL else "physical",
            }
        )

    def _county(self, place: Location, service: Service) -> str:
        """The fylke or län in which it lies, as far as anybody knows."""
        known = [place.area] if place.area is not None else _in_order(service.area.areas)
        for key in known:
            for level, code in self.gazetteer.get(service.country, *key).areas:
                if level in {Level.FYLKE, Level.LAN}:
                    return self.gazetteer.get(service.country, level, code).name
        return ""

    # --- hours ----------------------------------------------------------------------------------------------------

    def _schedules(self, hours: Hours, owner: str, country: Country) -> list[Json]:
        ids = (id_of("schedule", owner, str(n)) for n in range(10_000))
        common: Json = {"timezone": offset_of(country), "wkst": "MO"}

        def one(fact: Fact, more: Json) -> Json:
            ident = next(ids)
            facts = [fact, ("fact:zone", ZONES[country].key)]
            return _tidy(
                {"id": ident, **common, **more, "attributes": self._attributes(ident, "schedule", facts)},
            )

        found: list[Json] = []
        if hours.always:
            by_day = {"freq": "WEEKLY", "interval": 1, "byday": ",".join(_DAYS)}
            day = {"opens_at": "00:00:00", "closes_at": "23:59:59", "description": hours.as_stated}
            found.append(one(("schedule:always", "24/7"), {**by_day, **day}))
        for interval in hours.weekly:
            found.append(one(("schedule:weekly", _exactly(interval)), _weekly(interval)))
        for number, season in enumerate(hours.seasons):
            first, last = _occurrence(season.first, season.last, self.on)
            when = {"valid_from": first.isoformat(), "valid_to": last.isoformat()}
            mark = f"{number} {season.first} {season.last}"
            for interval in season.weekly:
                found.append(one(("schedule:season", f"{mark} {_exactly(interval)}"), {**when, **_weekly(interval)}))
            if not season.weekly:
                found.append(one(("schedule:season", mark), {**when, "description": "Closed"}))
        for exception in hours.exceptions:
            day_text = exception.on.isoformat()
            when = {"valid_from": day_text, "valid_to": day_text, "dtstart": day_text, "until": day_text}
            for stretch in exception.intervals:
                times = {"opens_at": _time(stretch.opens), "closes_at": _time(stretch.closes)}
                mark = f"{day_text} {stretch.opens}-{stretch.closes}"
                found.append(one(("schedule:exception", mark), {**when, **times, **_overnight(stretch.closes)}))
            if not exception.intervals:
                found.append(one(("schedule:exception", day_text), {**when, "description": "Closed"}))
        return found

    # --- room -----------------------------------------------------------------------------------------------------

    def _capacity(self, entry: Entry) -> Capacity | None:
        capacity = self.directory.capacity_of(entry.service.id) if entry.named else None
        if capacity is None or (self.feed is Feed.PUBLIC and entry.service.hides_place):
            return None
        return capacity

    def _capacities(self, capacity: Capacity | None, owner: str) -> list[Json]:
        if capacity is None:
            return []
        available = 0 if capacity.accepting is Answer.NO and capacity.free is None else capacity.free
        if available is None:
            return []
        unit = capacity.unit or _COUNTED
        return [
            _tidy(
                {
                    "id": id_of("service_capacity", owner),
                    "unit": {"id": id_of("unit", unit), "name": unit},
                    "available": available,
                    "maximum": capacity.maximum,
                    "updated": _instant(capacity.told_at),
                }
            )
        ]

    # --- attributes -----------------------------------------------------------------------------------------------

    def _attributes(self, owner: str, table: str, facts: Iterable[Fact]) -> list[Json]:
        seen: Counter[str] = Counter()
        found = []
        for code, value in facts:
            seen[code] += 1
            term = self.used.get(code)
            if term is None:
                term = self.used[code] = self.vocabulary.term(code)
                self._entries[code] = term_entry(term, self.profile)
            found.append(
                {
                    "id": id_of("attribute", owner, table, code, str(seen[code])),
                    "link_id": owner,
                    "link_type": term.taxonomy,
                    "link_entity": table,
                    "taxonomy_term_id": self._entries[code]["id"],
                    "value": value,
                    "label": term.name,
                    "taxonomy_term": self._entries[code],
                }
            )
        return found

    def _without_addresses(self, written: Json, service: Service) -> Json:
        """The last net: whatever looks like a street address leaves a text, and a whole name gives way to the kind."""

        def cleaned(value: Any, where: str) -> Any:
            # An address has a blank in it; ids, dates and most else have none and are spared the long look.
            if isinstance(value, str) and " " in value and looks_like_address(value):
                self.losses.add(service.id, where, Why.PROTECTED, "it looks like a street address")
                return feeds.kind_words(service.kind)[Language.EN] if where.endswith("name") else ""
            if isinstance(value, list):
                return [cleaned(each, where) for each in value]
            if isinstance(value, dict):
                return {
                    key: part if self._is_safe(key, service) else cleaned(part, f"{where}.{key}")
                    for key, part in value.items()
                }
            return value

        result: Json = cleaned(written, "service")
        return result

    @staticmethod
    def _is_safe(key: str, service: Service) -> bool:
        # A term's own words are ours, and an address that everybody may know is one.
        return key == "taxonomy_term" or (key == "addresses" and not service.hides_place)


def _tidy(written: Mapping[str, Any]) -> Json:
    """Without what is not known."""
    return {key: value for key, value in written.items() if value not in (None, "", [])}


def _uri(url: str) -> str:
    """The address as a URI takes it: letters like ø written with their numbers."""
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _in_order(keys: Iterable[AreaKey]) -> list[AreaKey]:
    return sorted(keys)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _language(code: str, owner: str, number: int) -> Json:
    try:
        name = Locale.parse("en").languages.get(code, code)
    except ValueError:
        name = code
    return {"id": id_of("language", owner, str(number)), "name": name, "code": code}


def _time(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}:00"


def _overnight(closes: int) -> Json:
    return {"notes": "Closes the day after."} if closes > 1440 else {}


def _weekly(interval: Interval) -> Json:
    return {
        "freq": "WEEKLY",
        "interval": 1,
        "byday": ",".join(_DAYS[day] for day in sorted(interval.days)),
        "opens_at": _time(interval.opens),
        "closes_at": _time(interval.closes),
        **_overnight(interval.closes),
    }


def _exactly(interval: Interval) -> str:
    return f"{interval.opens}-{interval.closes}"


def _occurrence(first: str, last: str, on: date) -> tuple[date, date]:
    """The part of a year that a season covers, now or next."""

    def day(year: int, written: str) -> date:
        month, of_month = int(written[:2]), int(written[3:])
        return date(year, month, of_month if (month, of_month) != (2, 29) or _leap(year) else 28)

    for year in (on.year - 1, on.year, on.year + 1):
        start, end = day(year, first), day(year if first <= last else year + 1, last)
        if end >= on:
            return start, end
    raise AssertionError("a season comes every year")


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _hours_facts(hours: Hours) -> Iterator[Fact]:
    if hours.always:
        yield "hours:always-by-law" if hours.by_law else "hours:always", "yes"
    elif hours.weekly:
        yield "hours:weekly", "yes"
    else:
        rough = next((kind for kind in _HOURS_KINDS if getattr(hours, kind)), "unknown")
        yield f"hours:{rough.replace('_', '-')}", "yes"
    yield "hours:holidays", hours.holidays.value
    if hours.approximate:
        yield "hours:approximate", "yes"
    if hours.as_stated:
        yield "hours:as-stated", hours.as_stated


def _capacity_facts(capacity: Capacity) -> Iterator[Fact]:
    yield "capacity:accepting", capacity.accepting.value
    yield "capacity:told-by", capacity.told_by.value
    yield "capacity:told-at", capacity.told_at.astimezone(UTC).isoformat()
    if capacity.free is not None:
        yield "capacity:free", str(capacity.free)
    if capacity.maximum is not None:
        yield "capacity:maximum", str(capacity.maximum)
    if capacity.unit:
        yield "capacity:unit", capacity.unit


def _taken(service: Service) -> Iterator[Fact]:
    serves = service.serves
    for name, takes in (("sex", serves.sex), ("exploitation", serves.exploitation), ("status", serves.status)):
        if takes.everyone:
            yield f"{name}:everyone", "yes"
        for key in sorted(takes.takes):
            yield f"{name}:{key}", "yes"
        for key in sorted(takes.refuses):
            yield f"{name}:{key}", "no"
    age = serves.age
    if age.known and (age.lower, age.upper, age.ask_lower, age.ask_upper) == (0, None, None, None):
        yield "age:everyone", "yes"
    if age.known and age.ask_lower is not None:
        yield "age:ask-from", str(age.ask_lower)
    if age.known and age.ask_upper is not None:
        yield "age:ask-to", str(age.ask_upper)
    told = (
        ("families", service.families),
        ("children", serves.children),
        ("substance-use", serves.substance_use),
    )
    for key, answer in told:
        if answer is not Answer.ASK:
            yield f"takes:{key}", answer.value


def _for_whom(service: Service) -> str:
    """Whom it takes, in English, for whoever does not know our terms."""
    serves = service.serves
    takes: list[str] = []
    refuses: list[str] = []

    def told(what: str, known: Takes, names: Sequence[str] = ()) -> None:
        if known.everyone:
            takes.append(f"any {what}")
        takes.extend(key.replace("_", " ") for key in sorted(known.takes))
        refuses.extend(key.replace("_", " ") for key in sorted(known.refuses))

    told("sex", serves.sex)
    told("form of exploitation", serves.exploitation)
    told("legal status", serves.status)
    for words, answer in (
        ("families", service.families),
        ("accompanying children", serves.children),
        ("ongoing substance use", serves.substance_use),
    ):
        if answer is not Answer.ASK:
            (takes if answer is Answer.YES else refuses).append(words)
    sentences = []
    if takes:
        sentences.append(f"Takes: {', '.join(takes)}.")
    if refuses:
        sentences.append(f"Does not take: {', '.join(refuses)}.")
    return " ".join([*sentences, "Ask about the rest."]) if sentences else ""
