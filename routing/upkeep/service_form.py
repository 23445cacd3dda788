"""How a service is written down: one strict reader for the shipped files, an import, the desk and the database.

A service means the same wherever it was kept, and what is written out reads back equal. What a source does not say
stays unknown and is left out. No address of a protected place enters, nor free text that looks like a street address.

- `read_service(node, country, gazetteer, needs)`: raises `ContentError` with file and line
- `Known`: what whoever reads thousands gives along, so that what is written alike is read once
- `as_plain(service)`: the same in plain values, for export and for the database
- `looks_like_address(text)`: whether a text holds what may be a street address
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

import orjson

from helpline.content import Fields, Node
from helpline.masking_addresses import find_addresses
from helpline.messages import Country, Language
from routing.places import AreaKey, Gazetteer, Level
from routing.services import (
    HOUSING,
    Access,
    Address,
    AgeRange,
    Answer,
    Area,
    Confidence,
    Contact,
    DayException,
    Exploitation,
    Freshness,
    HolidayRule,
    Hours,
    Interval,
    Languages,
    Location,
    LocationKind,
    Phone,
    Season,
    Serves,
    Service,
    ServiceKind,
    ServiceStatus,
    Sex,
    Source,
    Status,
    Stretch,
    Takes,
)

T = TypeVar("T")

# --- reading ---------------------------------------------------------------------------------------------------------

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PHONE = re.compile(r"\+?[0-9][0-9 -]{1,18}[0-9]")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ADDRESS = re.compile(
    r"\b[\w.-]*(?:gata|gate|gaten|gaden|veien|vegen|veg|vei|allé|alleen|alléen|plassen|gatan|vägen|gränden|gränd|stigen|"
    r"torget|street|road|avenue)\s+\d{1,4}\s?[a-z]?\b|\b(?:postboks|po box|box)\s+\d+\b",
    re.IGNORECASE,
)

_FIGURE = re.compile(r"\d")
_FROM_TO = re.compile(r"\b0\d(?:[.:]?[0-5]\d)? ?[-–] ?[0-2]\d(?:[.:]?[0-5]\d)?(?![\d.:-])")  # hours; no house is 08
_URL = re.compile(r"https?://[^\s/$.?#][^\s<>\"]*")
_MONTH_DAY = re.compile(r"[0-1][0-9]-[0-3][0-9]")
_CATALOGUE_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+){2}")
_POSTAL_CODE = re.compile(r"[0-9]{3} ?[0-9]{2}|[0-9]{4}")

_REQUIRED = (
    *("id", "name", "organisation", "kind", "what", "needs", "area", "serves", "access", "hours"),
    *("confidence", "freshness", "sources"),
)
_OPTIONAL = (
    *("note", "phones", "email", "languages", "protected", "child_route", "unverified", "status", "url", "locations"),
    *("contacts", "say_first", "catalogue", "families", "introduction", "owner", "assured_on", "assured_by"),
    "confirmed_on",
)
_REMEMBERED = 50_000  # parts of services; far more than a directory's parts that are alike
_MOST = 60  # locations, contacts, seasons or exceptions of one service
_CHILDREN = {"accepted": Answer.YES, "refused": Answer.NO, "unknown": Answer.ASK}
_LEVELS = tuple(level.value for level in Level if level is not Level.NATIONAL)


def looks_like_address(text: str) -> bool:
    """Whether a text holds what may be a street address."""
    # Most texts have no figure and so no address; to look for one first makes reading twenty thousand services quicker.
    if _FIGURE.search(text) is None:
        return False
    text = _FROM_TO.sub("-", text)
    return _ADDRESS.search(text) is not None or any(find_addresses(text, frozenset()))


class Known:
    """Parts of services that were read, by what is written there.

    Thousands of services have the same hours, areas and conditions, letter by letter, and share what was made of them.
    It goes with one gazetteer and one list of needs.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], Any] = {}
        self._harmless: set[str] = set()

    def read(self, node: Node, read: Callable[[Node], T], *whose: object) -> T:
        """What is written here, as `read` makes it; `whose` is all else that the reading depends on."""
        try:
            written = orjson.dumps(node.unopened, option=orjson.OPT_PASSTHROUGH_DATETIME)
        except TypeError:
            return read(node)  # nothing that came as JSON
        if written == b"null":
            return read(node)
        key = (node.name, written, *whose)
        found: T | None = self._parts.get(key)
        if found is None:
            if len(self._parts) >= _REMEMBERED:
                self._parts.clear()
            found = self._parts[key] = read(node)
        return found

    def looks_like_address(self, text: str) -> bool:
        """Whether a text holds what may be a street address; nobody looks twice at one that holds none."""
        if text in self._harmless:
            return False
        if looks_like_address(text):
            return True
        if len(self._harmless) >= _REMEMBERED:
            self._harmless.clear()
        self._harmless.add(text)
        return False


def read_service(
    node: Node,
    country: Country,
    gazetteer: Gazetteer,
    needs: Collection[str],
    *,
    revision: int = 0,
    known: Known | None = None,
    stored: bool = False,
) -> Service:
    """Read one service, strictly.

    What is `stored` was looked at when it came in. What a later release learned to take for an address does not take a
    service away from those who need it; only of a place that may be protected nothing is let through.
    """
    fields = node.mapping(required=_REQUIRED, optional=_OPTIONAL)
    known = known if known is not None else Known()
    service_id = fields["id"].text()
    if not _ID.fullmatch(service_id):
        raise fields["id"].error("An id is small letters, digits and single hyphens.")
    kind, protected = fields["kind"].one_of(ServiceKind), fields["protected"].flag(default=False)
    hidden = protected or kind in HOUSING

    def part(key: str, read: Callable[[Node], T], otherwise: T) -> T:
        return known.read(fields[key], read, country, hidden) if key in fields else otherwise

    wanted_first, wanted_also = known.read(fields["needs"], partial(_needs, known=needs))
    service = Service(
        id=service_id,
        country=country,
        name=fields["name"].text(longest=120),
        organisation=fields["organisation"].text(longest=160),
        kind=kind,
        what=known.read(fields["what"], partial(_what, country=country), country),
        needs_first=wanted_first,
        needs_also=wanted_also,
        area=known.read(fields["area"], partial(_area, country=country, gazetteer=gazetteer), country),
        serves=known.read(fields["serves"], partial(_serves, country=country), country),
        access=fields["access"].one_of(Access),
        hours=known.read(fields["hours"], _hours),
        confidence=fields["confidence"].one_of(Confidence),
        freshness=fields["freshness"].one_of(Freshness),
        sources=known.read(fields["sources"], _sources),
        status=fields["status"].one_of(ServiceStatus) if "status" in fields else ServiceStatus.ACTIVE,
        url=read_url(fields["url"]) if "url" in fields else "",
        phones=part("phones", read_phones, ()),
        email=read_email(fields["email"]) if "email" in fields else "",
        locations=part("locations", partial(_locations, country=country, gazetteer=gazetteer, hidden=hidden), ()),
        contacts=part("contacts", _contacts, ()),
        languages=part("languages", _languages, Languages()),
        note=fields["note"].text(default="", longest=240),
        say_first=part("say_first", partial(_in_languages, longest=400), {}),
        catalogue=part("catalogue", _catalogue, ()),
        families=_accepts(fields["families"]) if "families" in fields else Answer.ASK,
        introduction=_accepts(fields["introduction"]) if "introduction" in fields else Answer.ASK,
        protected=protected,
        child_route=fields["child_route"].flag(default=False),
        unverified=fields["unverified"].texts(default=()),
        owner=fields["owner"].text(default="", longest=80),
        assured_on=fields["assured_on"].date() if "assured_on" in fields else None,
        assured_by=fields["assured_by"].text(default="", longest=80),
        confirmed_on=fields["confirmed_on"].date() if "confirmed_on" in fields else None,
        revision=revision,
    )
    guarded = hidden or not stored or any(place.protected for place in service.locations)
    for text in _free_texts(service) if guarded else ():
        if known.looks_like_address(text):
            raise node.error(f'"{service.id}" holds what looks like a street address; the directory keeps none.')
    return service


def _what(node: Node, country: Country) -> dict[Language, str]:
    own = Language.NB if country is Country.NO else Language.SV
    what = node.mapping(required=(own.value, Language.EN.value), optional=[lang.value for lang in Language])
    return {Language(language): line.text(longest=160) for language, line in what.items()}


def _sources(node: Node) -> tuple[Source, ...]:
    return tuple(_source(item) for item in node.items())


def _contacts(node: Node) -> tuple[Contact, ...]:
    return tuple(_contact(item) for item in _few(node))


def _free_texts(service: Service) -> Iterable[str]:
    """Everything in which somebody may have written where a place lies."""
    hours = [service.hours, *(place.hours for place in service.locations if place.hours is not None)]
    phones = [*service.phones, *(phone for place in service.locations for phone in place.phones)]
    phones += [phone for contact in service.contacts for phone in contact.phones]
    return (
        *(service.name, service.organisation, service.note, service.languages.as_stated, service.owner),
        *service.what.values(),
        *service.say_first.values(),
        *service.unverified,
        *(place.name for place in service.locations),
        *(text for contact in service.contacts for text in (contact.title, contact.department, contact.name)),
        *(each.as_stated for each in hours),
        *(words for phone in phones for words in phone.use.values()),
    )


def _few(node: Node) -> tuple[Node, ...]:
    items = node.items()
    if len(items) > _MOST:
        raise node.error(f"There are {len(items)} here; at most {_MOST} fit.")
    return items


def _in_languages(node: Node, *, longest: int) -> dict[Language, str]:
    words = node.mapping(optional=[language.value for language in Language])
    return {Language(language): line.text(longest=longest) for language, line in words.items()}


def _accepts(node: Node) -> Answer:
    return _CHILDREN[node.one_of(_CHILDREN)]


def _catalogue(node: Node) -> tuple[str, ...]:
    """Rows of the support programme's catalogue; whether a row exists is for `Directory` to say, which knows it."""
    for item in node.items():
        if not _CATALOGUE_KEY.fullmatch(item.text()):
            raise item.error("A row of the catalogue is written area.table.row.")
    rows = node.texts()
    if len(set(rows)) != len(rows):
        raise node.error("A row of the catalogue is listed twice.")
    return rows


def _locations(node: Node, country: Country, gazetteer: Gazetteer, *, hidden: bool) -> tuple[Location, ...]:
    found: dict[str, Location] = {}
    for item in _few(node):
        place = _location(item, country, gazetteer, hidden=hidden)
        if place.id in found:
            raise item.error(f'The location "{place.id}" stands here twice.')
        found[place.id] = place
    return tuple(found.values())


def _location(node: Node, country: Country, gazetteer: Gazetteer, *, hidden: bool) -> Location:
    fields = node.mapping(
        required=("id",), optional=("name", "kind", "area", "address", "phones", "hours", "protected")
    )
    location_id = fields["id"].text(longest=80)
    if not _ID.fullmatch(location_id):
        raise fields["id"].error("An id is small letters, digits and single hyphens.")
    protected = fields["protected"].flag(default=False) or hidden
    if protected and "address" in fields:
        raise fields["address"].error(
            "This place is protected: it has an area and never an address. Take the address out, in your copy too."
        )
    return Location(
        id=location_id,
        name=fields["name"].text(default="", longest=120),
        kind=fields["kind"].one_of(LocationKind) if "kind" in fields else LocationKind.PHYSICAL,
        area=_one_area(fields["area"], country, gazetteer) if "area" in fields else None,
        address=_address(fields["address"], country) if "address" in fields else None,
        phones=read_phones(fields["phones"]) if "phones" in fields else (),
        hours=_hours(fields["hours"]) if "hours" in fields else None,
        protected=protected,
    )


def _one_area(node: Node, country: Country, gazetteer: Gazetteer) -> AreaKey:
    fields = node.mapping(optional=_LEVELS)
    if len(fields) != 1:
        raise node.error(f"A location lies in one area: one of {', '.join(_LEVELS)}, with its code.")
    name, code = next(iter(fields.items()))
    if gazetteer.find(country, Level(name), code.text()) is None:
        raise code.error(f'There is no {name} with the code "{code.text()}" in {country.value}.')
    return (Level(name), code.text())


def _address(node: Node, country: Country) -> Address:
    fields = node.mapping(required=("street", "postal_code", "city"), optional=("region",))
    postal_code = fields["postal_code"].text()
    if not _POSTAL_CODE.fullmatch(postal_code) or (len(postal_code) == 4) != (country is Country.NO):
        raise fields["postal_code"].error("A postal code has four digits in Norway and five in Sweden.")
    return Address(
        street=fields["street"].text(longest=120),
        postal_code=postal_code,
        city=fields["city"].text(longest=80),
        region=fields["region"].text(default="", longest=80),
    )


def _contact(node: Node) -> Contact:
    fields = node.mapping(optional=("title", "department", "name", "email", "phones", "confirms"))
    if not fields:
        raise node.error("A contact has at least a title, a name, a number or an e-mail address.")
    return Contact(
        title=fields["title"].text(default="", longest=80),
        department=fields["department"].text(default="", longest=80),
        name=fields["name"].text(default="", longest=80),
        email=read_email(fields["email"]) if "email" in fields else "",
        phones=read_phones(fields["phones"]) if "phones" in fields else (),
        confirms=fields["confirms"].flag(default=False),
    )


def _needs(node: Node, known: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What it is there for, and what it can help with or show the way to."""
    wanted = node.mapping(required=("first", "also"))
    first, also = (tuple(item.one_of(frozenset(known)) for item in wanted[key].items()) for key in ("first", "also"))
    both = set(first) & set(also)
    if both:
        raise node.error(f"{', '.join(sorted(both))} stands under both first and also.")
    return first, also


def _areas(node: Node, level: Level, country: Country, gazetteer: Gazetteer) -> set[AreaKey]:
    found: set[AreaKey] = set()
    for item in node.items(at_least=1):
        code = item.text()
        if gazetteer.find(country, level, code) is None:
            raise item.error(f'There is no {level.value} with the code "{code}" in {country.value}.')
        found.add((level, code))
    return found


def _area(node: Node, country: Country, gazetteer: Gazetteer) -> Area:
    levels = _LEVELS
    fields = node.mapping(optional=("level", "every", "likely", "advises_all", *levels))
    likely: set[AreaKey] = set()
    if "likely" in fields:
        for name, codes in fields["likely"].mapping(optional=levels).items():
            likely |= _areas(codes, Level(name), country, gazetteer)
    if "level" in fields:
        level = fields["level"].one_of({Level.NATIONAL.value, Level.KOMMUNE.value})
        every = fields["every"].flag(default=False)
        if len(fields) > 1 + ("every" in fields) or (level == Level.KOMMUNE.value) != every:
            raise node.error('"level" is national and stands alone, or is kommune together with "every: true".')
        return Area(frozenset({(Level.NATIONAL, country.value)}), everywhere=every)
    areas: set[AreaKey] = set()
    for name in levels:
        if name in fields:
            areas |= _areas(fields[name], Level(name), country, gazetteer)
    if not areas and not likely:
        raise node.error("An area names codes, or says that it is national.")
    return Area(frozenset(areas), frozenset(likely), advises_all=fields["advises_all"].flag(default=False))


def _takes(node: Node, known: type[StrEnum]) -> Takes:
    if not node.is_mapping:
        if node.one_of({"all", "unknown"}) == "all":
            return Takes(everyone=True)
        return Takes()
    fields = node.mapping(optional=("only", "takes", "refuses"))

    def members(key: str) -> frozenset[str]:
        return frozenset(item.value for item in fields[key].some_of(known)) if key in fields else frozenset()

    if "only" in fields:
        if len(fields) > 1:
            raise node.error('"only" stands alone.')
        takes = members("only")
        # "Other" is nobody in particular: to be asked, never refused unheard.
        return Takes(takes, frozenset(member.value for member in known) - takes - {"other"})
    takes, refuses = members("takes"), members("refuses")
    if takes & refuses or not (takes or refuses):
        raise node.error("Say whom it takes and whom it refuses, each only once.")
    return Takes(takes, refuses)


def _age(node: Node) -> AgeRange:
    if not node.is_mapping:
        return AgeRange(known=node.one_of({"all", "unknown"}) == "all")
    fields = node.mapping(optional=("lower", "upper", "ask_lower", "ask_upper"))
    if not fields:
        raise node.error("An age range needs a limit.")

    def years(key: str) -> int | None:
        return fields[key].integer(minimum=0, maximum=130) if key in fields else None

    lower, upper, ask_lower, ask_upper = years("lower") or 0, years("upper"), years("ask_lower"), years("ask_upper")
    if (upper is not None and upper < lower) or (ask_lower is not None and ask_lower > lower):
        raise node.error("The limits of the age range are in the wrong order.")
    if ask_upper is not None and (upper is None or ask_upper < upper):
        raise node.error("The limits of the age range are in the wrong order.")
    return AgeRange(lower, upper, ask_lower, ask_upper)


def _serves(node: Node, country: Country) -> Serves:
    fields = node.mapping(optional=("sex", "age", "exploitation", "status", "children", "substance_use"))
    status = _takes(fields["status"], Status) if "status" in fields else Takes()
    foreign = {Status.SWEDISH, Status.TEMPORARY} if country is Country.NO else {Status.NORWEGIAN, Status.RESIDENCE}
    if status.takes & {member.value for member in foreign}:
        raise fields["status"].error("This legal status belongs to the other country.")
    return Serves(
        sex=_takes(fields["sex"], Sex) if "sex" in fields else Takes(),
        age=_age(fields["age"]) if "age" in fields else AgeRange(known=False),
        exploitation=_takes(fields["exploitation"], Exploitation) if "exploitation" in fields else Takes(),
        status=status,
        children=_CHILDREN[fields["children"].one_of(_CHILDREN)] if "children" in fields else Answer.ASK,
        substance_use=_CHILDREN[fields["substance_use"].one_of(_CHILDREN)] if "substance_use" in fields else Answer.ASK,
    )


def _clock(node: Node) -> int:
    written = node.text()
    match = _CLOCK.fullmatch(written)
    if match is None or int(match[1]) * 60 + int(match[2]) > 1440:
        raise node.error("A time is written 08:00, up to 24:00.")
    return int(match[1]) * 60 + int(match[2])


def _days(node: Node) -> frozenset[int]:
    first, _, last = node.text().partition("-")
    if first not in _DAYS or (last and last not in _DAYS):
        raise node.error(f"Days are written mon, or mon-fri; known are {', '.join(_DAYS)}.")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))


def _interval(node: Node) -> Interval:
    fields = node.mapping(required=("days", "open", "close"))
    return Interval(_days(fields["days"]), *_opens_and_closes(fields, node))


def _opens_and_closes(fields: Fields, node: Node) -> tuple[int, int]:
    opens, closes = _clock(fields["open"]), _clock(fields["close"])
    if opens == closes:
        raise node.error("It opens and closes at the same minute.")
    return opens, closes if closes > opens else closes + 1440


def _hours(node: Node) -> Hours:
    rough = ("office_hours", "outside_office_hours", "not_at_night", "call_first")
    kinds = ("always", "always_by_law", "weekly", *rough, "unknown")
    more = ("closed_on_holidays", "holidays", "seasons", "exceptions", "approximate")
    fields = node.mapping(required=("as_stated",), optional=(*kinds, *more))
    if sum(kind in fields for kind in kinds) != 1:
        raise node.error(f"Hours say exactly one of {', '.join(kinds)}.")
    for kind in kinds:
        if kind in fields and kind != "weekly" and not fields[kind].flag():
            raise fields[kind].error("Leave it out instead of saying false.")
    always = "always" in fields or "always_by_law" in fields
    if "seasons" in fields and not (always or "weekly" in fields):
        raise fields["seasons"].error("Seasons belong to hours with times, or to a service that is always open.")
    return Hours(
        always=always,
        by_law="always_by_law" in fields,
        weekly=tuple(_interval(item) for item in fields["weekly"].items(at_least=1)) if "weekly" in fields else (),
        seasons=tuple(_season(item) for item in _few(fields["seasons"])) if "seasons" in fields else (),
        exceptions=_exceptions(fields["exceptions"]) if "exceptions" in fields else (),
        holidays=_holiday_rule(fields),
        approximate=fields["approximate"].flag(default=False),
        **{kind: kind in fields for kind in rough},
        as_stated=fields["as_stated"].text(),
    )


def _holiday_rule(fields: Fields) -> HolidayRule:
    """The older word for the commonest rule stays good: documents of years ago are still read."""
    if "holidays" not in fields:
        return HolidayRule.CLOSED if fields["closed_on_holidays"].flag(default=False) else HolidayRule.AS_USUAL
    if "closed_on_holidays" in fields:
        raise fields["holidays"].error('Say "holidays" or "closed_on_holidays", not both.')
    return fields["holidays"].one_of(HolidayRule)


def _season(node: Node) -> Season:
    fields = node.mapping(required=("first", "last", "weekly"))
    weekly = tuple(_interval(item) for item in _few(fields["weekly"]))
    return Season(_month_day(fields["first"]), _month_day(fields["last"]), weekly)


def _month_day(node: Node) -> str:
    written = node.text()
    try:
        # 2024 had a 29 February.
        good = _MONTH_DAY.fullmatch(written) is not None and date.fromisoformat(f"2024-{written}") is not None
    except ValueError:
        good = False
    if not good:
        raise node.error("A day of the year is written 06-15: the month, then the day.")
    return written


def _exceptions(node: Node) -> tuple[DayException, ...]:
    found: dict[date, DayException] = {}
    for item in node.items():
        fields = item.mapping(required=("on", "intervals"))
        day = fields["on"].date()
        if day in found:
            raise item.error(f"There are two exceptions on {day}.")
        found[day] = DayException(day, tuple(_stretch(part) for part in _few(fields["intervals"])))
    return tuple(found[day] for day in sorted(found))


def _stretch(node: Node) -> Stretch:
    return Stretch(*_opens_and_closes(node.mapping(required=("open", "close")), node))


def read_phones(node: Node) -> tuple[Phone, ...]:
    """Numbers as people dial them."""
    return tuple(_phone(item) for item in node.items())


def _phone(node: Node) -> Phone:
    fields = node.mapping(required=("number",), optional=("use",))
    number = fields["number"].text()
    if not _PHONE.fullmatch(number):
        raise fields["number"].error("A phone number is digits with blanks or hyphens.")
    return Phone(number, _in_languages(fields["use"], longest=40) if "use" in fields else {})


def read_email(node: Node) -> str:
    """An e-mail address."""
    if not _EMAIL.fullmatch(node.text()):
        raise node.error("This is no e-mail address.")
    return node.text()


def read_url(node: Node) -> str:
    """The address of a page."""
    if not _URL.fullmatch(node.text(longest=500)):
        raise node.error("A web address begins with http:// or https://.")
    return node.text()


def _languages(node: Node) -> Languages:
    fields = node.mapping(required=("as_stated",), optional=("codes", "interpreter"))
    return Languages(
        fields["codes"].texts(default=()), fields["interpreter"].flag(default=False), fields["as_stated"].text()
    )


def _source(node: Node) -> Source:
    fields = node.mapping(required=("title", "seen"), optional=("url",))
    return Source(fields["title"].text(), fields["url"].text(default=""), fields["seen"].text())


# --- writing ---------------------------------------------------------------------------------------------------------


def as_plain(service: Service) -> dict[str, Any]:
    """The service in the form that `read_service` reads: for export and for the database."""
    plain: dict[str, Any] = {
        "id": service.id,
        "name": service.name,
        "organisation": service.organisation,
        "kind": service.kind.value,
        "what": _plain_words(service.what),
    }
    if service.note:
        plain["note"] = service.note
    plain["needs"] = {"first": list(service.needs_first), "also": list(service.needs_also)}
    plain["area"] = _plain_area(service.area)
    plain["serves"] = _plain_serves(service.serves)
    plain["access"] = service.access.value
    if service.status is not ServiceStatus.ACTIVE:
        plain["status"] = service.status.value
    if service.url:
        plain["url"] = service.url
    if service.phones:
        plain["phones"] = plain_phones(service.phones)
    if service.email:
        plain["email"] = service.email
    if service.say_first:
        plain["say_first"] = _plain_words(service.say_first)
    for name in ("families", "introduction"):
        if getattr(service, name) is not Answer.ASK:
            plain[name] = _plain_answer(getattr(service, name))
    if service.catalogue:
        plain["catalogue"] = list(service.catalogue)
    if service.locations:
        plain["locations"] = [_plain_location(place, hidden=service.hides_place) for place in service.locations]
    if service.contacts:
        plain["contacts"] = [_plain_contact(contact) for contact in service.contacts]
    plain["hours"] = _plain_hours(service.hours)
    if service.languages != Languages():
        spoken = service.languages
        plain["languages"] = (
            ({"codes": list(spoken.codes)} if spoken.codes else {})
            | ({"interpreter": True} if spoken.interpreter else {})
            | {"as_stated": spoken.as_stated}
        )
    for flag in ("protected", "child_route"):
        if getattr(service, flag):
            plain[flag] = True
    plain["confidence"] = service.confidence.value
    plain["freshness"] = service.freshness.value
    if service.unverified:
        plain["unverified"] = list(service.unverified)
    for name in ("owner", "assured_on", "assured_by", "confirmed_on"):
        told = getattr(service, name)
        if told:
            plain[name] = told.isoformat() if isinstance(told, date) else told
    plain["sources"] = [
        {"title": source.title} | ({"url": source.url} if source.url else {}) | {"seen": source.seen}
        for source in service.sources
    ]
    return plain


def _plain_words(words: Mapping[Language, str]) -> dict[str, str]:
    return {language.value: line for language, line in words.items()}


def plain_phones(phones: Iterable[Phone]) -> list[dict[str, Any]]:
    """Numbers in the form that `read_phones` reads."""
    return [{"number": phone.number} | ({"use": _plain_words(phone.use)} if phone.use else {}) for phone in phones]


def _plain_location(place: Location, *, hidden: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": place.id}
    if place.name:
        plain["name"] = place.name
    if place.kind is not LocationKind.PHYSICAL:
        plain["kind"] = place.kind.value
    if place.area is not None:
        plain["area"] = {place.area[0].value: place.area[1]}
    if place.address is not None:
        address = place.address
        plain["address"] = {"street": address.street, "postal_code": address.postal_code, "city": address.city}
        if address.region:
            plain["address"]["region"] = address.region
    if place.phones:
        plain["phones"] = plain_phones(place.phones)
    if place.hours is not None:
        plain["hours"] = _plain_hours(place.hours)
    if place.protected and not hidden:
        plain["protected"] = True
    return plain


def _plain_contact(contact: Contact) -> dict[str, Any]:
    plain: dict[str, Any] = {
        name: getattr(contact, name) for name in ("title", "department", "name", "email") if getattr(contact, name)
    }
    if contact.phones:
        plain["phones"] = plain_phones(contact.phones)
    if contact.confirms:
        plain["confirms"] = True
    return plain


def _plain_codes(keys: Iterable[AreaKey]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    for level, code in sorted(keys):
        codes.setdefault(level.value, []).append(code)
    return codes


def _plain_area(area: Area) -> dict[str, Any]:
    if area.everywhere:
        return {"level": Level.KOMMUNE.value, "every": True}
    if area.national:
        return {"level": Level.NATIONAL.value}
    plain: dict[str, Any] = dict(_plain_codes(area.areas))
    if area.likely:
        plain["likely"] = _plain_codes(area.likely)
    if area.advises_all:
        plain["advises_all"] = True
    return plain


def _plain_takes(takes: Takes) -> Any:
    if takes.everyone:
        return "all"
    return {key: sorted(keys) for key, keys in (("takes", takes.takes), ("refuses", takes.refuses)) if keys}


def _plain_serves(serves: Serves) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name in ("sex", "exploitation", "status"):
        takes: Takes = getattr(serves, name)
        if takes.known:
            plain[name] = _plain_takes(takes)
    age = serves.age
    if age.known:
        limits = {
            "lower": age.lower or None,
            "upper": age.upper,
            "ask_lower": age.ask_lower,
            "ask_upper": age.ask_upper,
        }
        plain["age"] = {key: limit for key, limit in limits.items() if limit is not None} or "all"
    for name in ("children", "substance_use"):
        answer: Answer = getattr(serves, name)
        if answer is not Answer.ASK:
            plain[name] = _plain_answer(answer)
    return plain


def _plain_answer(answer: Answer) -> str:
    return next(word for word, meant in _CHILDREN.items() if meant is answer)


def _plain_hours(hours: Hours) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    if hours.weekly:
        plain["weekly"] = _plain_weekly(hours.weekly)
    elif hours.always:
        plain["always_by_law" if hours.by_law else "always"] = True
    else:
        rough = ("office_hours", "outside_office_hours", "not_at_night", "call_first")
        plain[next((kind for kind in rough if getattr(hours, kind)), "unknown")] = True
    if hours.seasons:
        plain["seasons"] = [
            {"first": season.first, "last": season.last, "weekly": _plain_weekly(season.weekly)}
            for season in hours.seasons
        ]
    if hours.exceptions:
        plain["exceptions"] = [
            {"on": each.on.isoformat(), "intervals": [_plain_stretch(stretch) for stretch in each.intervals]}
            for each in hours.exceptions
        ]
    if hours.holidays is HolidayRule.CLOSED:
        plain["closed_on_holidays"] = True
    elif hours.holidays is not HolidayRule.AS_USUAL:
        plain["holidays"] = hours.holidays.value
    if hours.approximate:
        plain["approximate"] = True
    plain["as_stated"] = hours.as_stated
    return plain


def _plain_weekly(weekly: Iterable[Interval]) -> list[dict[str, str]]:
    return [{"days": days} | _plain_stretch(interval) for interval in weekly for days in _plain_days(interval.days)]


def _plain_stretch(stretch: Stretch | Interval) -> dict[str, str]:
    return {"open": _plain_clock(stretch.opens), "close": _plain_clock(_wrapped(stretch.closes))}


def _wrapped(minute: int) -> int:
    return minute - 1440 if minute > 1440 else minute


def _plain_clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _plain_days(days: frozenset[int]) -> list[str]:
    """The weekdays as stretches: mon-fri, or sun-thu over the end of the week."""
    if len(days) == 7:
        return ["mon-sun"]
    starts = sorted(day for day in days if (day - 1) % 7 not in days)
    stretches = []
    for start in starts:
        length = next(step for step in range(1, 8) if (start + step) % 7 not in days)
        last = (start + length - 1) % 7
        stretches.append(_DAYS[start] if length == 1 else f"{_DAYS[start]}-{_DAYS[last]}")
    return stretches
