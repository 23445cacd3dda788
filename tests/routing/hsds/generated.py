"""Services with every field that there is, made by hypothesis, in the form in which the database keeps them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from helpline.content import node_of
from helpline.messages import Country, Language
from routing.capacity import Capacity, Teller
from routing.hsds.feeds import own_language
from routing.organisations import Organisation, id_of, read_organisation
from routing.organisations import as_plain as plain_organisation
from routing.places import Level
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
from routing.upkeep.service_form import as_plain, read_service
from tests.routing.worlds import PLACES, SHIPPED

# What breaks tables and texts: separators, quotes, lines, letters beyond ASCII; no digits, so nothing is an address.
_LETTERS = "abcæøåäöéŋ ABC,;\"'|\\/-–.:!?()&<>=\n\t🙂ß"


def words(longest: int) -> st.SearchStrategy[str]:
    """Some text that is not only blanks."""
    return st.text(_LETTERS, min_size=1, max_size=longest).map(lambda text: text.strip()).filter(bool)


SLUGS = st.from_regex(r"[a-z]{1,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
ANSWERS = st.sampled_from(Answer)
URLS = st.sampled_from(["", "https://eksempel.no/å?b=1&c=ø", "http://eksempel.se/a%20b#c", "https://xn--eks.no/"])
EMAILS = st.sampled_from(["", "post@eksempel.no", "a.b+c@under.eksempel.se"])


def in_languages(longest: int) -> st.SearchStrategy[dict[Language, str]]:
    return st.dictionaries(st.sampled_from(Language), words(longest), max_size=4)


PHONES = st.builds(
    Phone, st.sampled_from(["22 33 44 55", "+47 900 00 000", "116 111", "020-390 000", "112"]), in_languages(40)
)
DAYS = st.sampled_from(
    [frozenset({d}) for d in range(7)] + [frozenset(range(5)), frozenset({5, 6}), frozenset(range(7))]
)


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    """From a minute of the day to another, perhaps of the day after."""
    opens = draw(st.integers(0, 1439))
    closes = draw(st.integers(1, 1440).filter(lambda minute: minute != opens))
    return opens, closes if closes > opens else closes + 1440


INTERVALS = st.tuples(DAYS, spans()).map(lambda drawn: Interval(drawn[0], *drawn[1]))
MONTH_DAYS = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: f"{day:%m-%d}")


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    kind = draw(
        st.sampled_from(["always", "by_law", "weekly", "office_hours", "not_at_night", "call_first", "unknown"])
    )
    facts: dict[str, Any] = {"holidays": draw(st.sampled_from(HolidayRule)), "approximate": draw(st.booleans())}
    if kind in {"always", "by_law", "weekly"}:
        season = st.builds(Season, MONTH_DAYS, MONTH_DAYS, st.lists(INTERVALS, max_size=2).map(tuple))
        facts["seasons"] = tuple(draw(st.lists(season, max_size=2)))
    if kind == "weekly":
        facts["weekly"] = tuple(draw(st.lists(INTERVALS, min_size=1, max_size=4)))
    elif kind in {"always", "by_law"}:
        facts |= {"always": True, "by_law": kind == "by_law"}
    elif kind != "unknown":
        facts[kind] = True
    exceptions = st.dictionaries(
        st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.lists(spans(), max_size=2), max_size=2
    )
    facts["exceptions"] = tuple(
        DayException(day, tuple(Stretch(*one) for one in listed)) for day, listed in sorted(draw(exceptions).items())
    )
    return Hours(**facts, as_stated=draw(words(30)))


def takes(known: Any, without: frozenset[str] = frozenset()) -> st.SearchStrategy[Takes]:
    """Whom it takes; a status of the other country is nobody's to take."""
    keys = sorted({each.value for each in known} - without)

    def sides(drawn: dict[str, bool]) -> Takes:
        return Takes(
            frozenset(key for key, yes in drawn.items() if yes), frozenset(key for key, yes in drawn.items() if not yes)
        )

    return st.one_of(st.just(Takes(everyone=True)), st.dictionaries(st.sampled_from(keys), st.booleans()).map(sides))


@st.composite
def ages(draw: st.DrawFn) -> AgeRange:
    if draw(st.booleans()):
        return AgeRange(known=draw(st.booleans()))
    limits = sorted(draw(st.lists(st.integers(0, 120), min_size=4, max_size=4, unique=True)))
    return AgeRange(
        limits[1],
        draw(st.sampled_from([None, limits[2]])),
        draw(st.sampled_from([None, limits[0]])),
    )


def areas(country: Country) -> st.SearchStrategy[Area]:
    nation = PLACES.nation(country)
    some = [place.key for place in PLACES.kommuner_in(nation)[::40]]
    counties = sorted({key for place in PLACES.kommuner_in(nation) for key in place.within})
    some += [key for key in counties if key[0] in {Level.FYLKE, Level.LAN, Level.HELSEREGION}]
    keys = st.frozensets(st.sampled_from(some), max_size=3)
    local = st.builds(Area, keys, keys, st.just(False), st.booleans()).filter(lambda area: area.areas or area.likely)
    everywhere = frozenset({(Level.NATIONAL, country.value)})
    return st.one_of(local, st.just(Area(everywhere)), st.just(Area(everywhere, everywhere=True)))


def locations(country: Country, *, hidden: bool) -> st.SearchStrategy[tuple[Location, ...]]:
    code = "0150" if country is Country.NO else "111 22"
    addresses = st.builds(Address, words(30), st.just(code), words(20), st.one_of(st.just(""), words(20)))
    kommuner = [place.key for place in PLACES.kommuner_in(PLACES.nation(country))[::50]]

    @st.composite
    def one(draw: st.DrawFn) -> Location:
        protected = hidden or draw(st.booleans())
        return Location(
            id=draw(SLUGS),
            name=draw(st.one_of(st.just(""), words(30))),
            kind=draw(st.sampled_from(LocationKind)),
            area=draw(st.sampled_from([None, *kommuner])),
            address=None if protected else draw(st.one_of(st.none(), addresses)),
            phones=tuple(draw(st.lists(PHONES, max_size=2))),
            hours=draw(st.one_of(st.none(), hours())),
            protected=protected,
        )

    return st.lists(one(), max_size=2, unique_by=lambda place: place.id).map(tuple)


CONTACTS = st.builds(
    Contact, words(20), words(20), words(20), EMAILS, st.lists(PHONES, max_size=1).map(tuple), st.booleans()
)
SOURCES = st.builds(Source, words(30), URLS, words(20))
DAYS_OF_YEARS = st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2026, 11, 22)))


@st.composite
def services(draw: st.DrawFn, /, **fixed: Any) -> Service:
    """One service, as it reads from the database."""
    country = fixed.get("country") or draw(st.sampled_from(Country))
    own = own_language(country)
    kind = fixed.get("kind") or draw(st.sampled_from(ServiceKind))
    protected = fixed.get("protected", draw(st.booleans()))
    needs = draw(st.lists(st.sampled_from(sorted(SHIPPED.needs)), max_size=4, unique=True))
    split = draw(st.integers(0, len(needs)))
    foreign = (
        {"swedish_citizen", "temporary_permit"} if country is Country.NO else {"norwegian_citizen", "residence_permit"}
    )
    service = Service(
        id="x-" + draw(SLUGS),
        country=country,
        name=draw(words(30)),
        organisation=draw(words(30)),
        kind=kind,
        what={**draw(in_languages(40)), own: draw(words(40)), Language.EN: draw(words(40))},
        needs_first=tuple(needs[:split]),
        needs_also=tuple(needs[split:]),
        area=draw(areas(country)),
        serves=Serves(
            draw(takes(Sex)),
            draw(ages()),
            draw(takes(Exploitation)),
            draw(takes(Status, frozenset(foreign))),
            draw(ANSWERS),
            draw(ANSWERS),
        ),
        access=draw(st.sampled_from(Access)),
        hours=draw(hours()),
        confidence=draw(st.sampled_from(Confidence)),
        freshness=draw(st.sampled_from(Freshness)),
        sources=tuple(draw(st.lists(SOURCES, max_size=2))),
        status=draw(st.sampled_from(ServiceStatus)),
        url=draw(URLS),
        phones=tuple(draw(st.lists(PHONES, max_size=2))),
        email=draw(EMAILS),
        locations=draw(locations(country, hidden=protected or kind in HOUSING)),
        contacts=tuple(draw(st.lists(CONTACTS, max_size=2))),
        languages=draw(
            st.one_of(
                st.just(Languages()),
                st.builds(
                    Languages,
                    st.lists(st.sampled_from(["nb", "sv", "en", "ar", "ti"]), unique=True).map(tuple),
                    st.booleans(),
                    words(20),
                ),
            )
        ),
        note=draw(st.one_of(st.just(""), words(60))),
        say_first=draw(in_languages(60)),
        catalogue=tuple(
            draw(st.lists(st.sampled_from(["protection.housing.places", "a.b.c", "d_e.f.g"]), max_size=2, unique=True))
        ),
        families=draw(ANSWERS),
        introduction=draw(ANSWERS),
        protected=protected,
        child_route=draw(st.booleans()),
        unverified=tuple(draw(st.lists(words(20), max_size=2))),
        owner=draw(st.one_of(st.just(""), words(20))),
        assured_on=draw(DAYS_OF_YEARS),
        assured_by=draw(st.sampled_from(["", "asha", "noor@eksempel.no"])),
        confirmed_on=draw(DAYS_OF_YEARS),
    )
    # As it stands in the database: days in stretches, the known things said in one way.
    return read_service(node_of(as_plain(service), file="made"), country, PLACES, SHIPPED.needs)


@st.composite
def organisations(draw: st.DrawFn, name: str, country: Country) -> Organisation:
    """An organisation of this name, with everything known of it."""
    made = Organisation(
        id_of(country, name),
        country,
        name,
        tuple(draw(st.lists(words(20).filter(lambda other: other.casefold() != name.casefold()), max_size=1))),
        draw(in_languages(40)),
        draw(URLS),
        draw(EMAILS),
        tuple(draw(st.lists(PHONES, max_size=1))),
        draw(st.sampled_from(["", "123456789" if country is Country.NO else "802001-2345"])),
    )
    return read_organisation(node_of(plain_organisation(made), file="made"), country)


@st.composite
def capacities(draw: st.DrawFn, service_id: str) -> Capacity:
    maximum = draw(st.one_of(st.none(), st.integers(0, 50)))
    return Capacity(
        service_id,
        draw(ANSWERS),
        draw(st.one_of(st.none(), st.integers(0, maximum if maximum is not None else 50))),
        maximum,
        draw(st.one_of(st.just(""), words(10))),
        datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        draw(st.sampled_from(Teller)),
    )
