"""The services a clinician can be led to: what they are, whom they take, where, when and how they are reached.

What a source does not say stays unknown here; unknown is neither yes nor no. A protected place has an area and nothing
nearer: a value that held its address cannot be made. How a service is written down, in a file as in the database, is in
`routing/upkeep/service_form.py`.

Pure: values and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from helpline.messages import Country, Language
from routing.places import AreaKey, Level


class ServiceKind(StrEnum):
    """What sort of service it is."""

    ADVICE_LINE = "advice-line"  # advice on trafficking, to professionals above all
    COORDINATOR = "coordinator"  # a region's coordinator against trafficking
    HELPLINE = "helpline"  # someone for the patient to talk to
    CHILD_HELPLINE = "child-helpline"
    CHILD_PROTECTION = "child-protection"  # the public duty to protect children
    CHILD_ADVOCACY = "child-advocacy"  # a children's house
    EMERGENCY = "emergency"
    POLICE = "police"
    HEALTH_LINE = "health-line"
    CRISIS_CENTRE = "crisis-centre"
    PROTECTED_HOUSING = "protected-housing"
    SOCIAL_SERVICES = "social-services"
    SOCIAL_EMERGENCY = "social-emergency"  # the social services' duty outside office hours
    MUNICIPAL_ASSISTANCE = "municipal-assistance"
    MUNICIPAL_CLINIC = "municipal-clinic"
    OUTREACH = "outreach"
    LOW_THRESHOLD_CLINIC = "low-threshold-clinic"
    SPECIALIST_CLINIC = "specialist-clinic"
    SEXUAL_ASSAULT_CENTRE = "sexual-assault-centre"
    PSYCHIATRIC_EMERGENCY = "psychiatric-emergency"
    TRAUMA_CLINIC = "trauma-clinic"
    DETOX = "detox"
    LEGAL_AID = "legal-aid"
    LABOUR_RIGHTS = "labour-rights"
    IMMIGRATION = "immigration"
    RETURN = "return"
    COMPENSATION = "compensation"
    VICTIM_SUPPORT = "victim-support"
    SUPPORT_PROGRAMME = "support-programme"
    ONLINE_SUPPORT = "online-support"
    GUIDANCE = "guidance"  # courses and guidance for staff
    COORDINATION = "coordination"  # authorities and networks, not for a patient
    NGO = "ngo"
    DIRECTORY = "directory"
    BACKGROUND = "background"  # no help to anybody's patient; kept so that nobody adds it as one


ADULT_HOUSING = frozenset({ServiceKind.CRISIS_CENTRE, ServiceKind.PROTECTED_HOUSING})
HOUSING = ADULT_HOUSING | {ServiceKind.SUPPORT_PROGRAMME}
FOR_CHILDREN = frozenset({ServiceKind.CHILD_PROTECTION, ServiceKind.CHILD_HELPLINE, ServiceKind.CHILD_ADVOCACY})


CONFIRMED_FOR = timedelta(days=183)
"""Half a year: what was confirmed or looked at longer ago is to be confirmed again."""


def lapsed(on: date, day: date) -> bool:
    """Whether what was confirmed on one day is to be confirmed again by the other."""
    return day - on >= CONFIRMED_FOR


class Answer(StrEnum):
    """Whether a service takes somebody."""

    YES = "yes"
    NO = "no"
    ASK = "ask"  # the source does not say


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class Exploitation(StrEnum):
    """What somebody was exploited for: the keys of the support programme's form."""

    SEXUAL = "sexual_exploitation"
    LABOUR = "forced_labour"
    BEGGING = "begging"
    CRIME = "criminality"
    ORGANS = "organ_trade"
    OTHER = "other"


class Status(StrEnum):
    """Somebody's legal status in the country: the keys of the rights."""

    NORWEGIAN = "norwegian_citizen"
    SWEDISH = "swedish_citizen"
    NORDIC = "nordic"
    EEA = "eea"
    ASYLUM = "asylum_seeker"
    REFLECTION = "reflection_period"
    RESIDENCE = "residence_permit"  # Norway's word
    TEMPORARY = "temporary_permit"  # Sweden's
    UNDOCUMENTED = "undocumented"
    TOURIST = "tourist"

    def in_country(self, country: Country) -> Status:
        """The same standing in the words of the country where help is sought: a Swede in Norway is Nordic."""
        if country is Country.NO:
            return {Status.SWEDISH: Status.NORDIC, Status.TEMPORARY: Status.RESIDENCE}.get(self, self)
        return {Status.NORWEGIAN: Status.NORDIC, Status.RESIDENCE: Status.TEMPORARY}.get(self, self)


class Access(StrEnum):
    """How one comes in."""

    SELF = "self"  # the patient
    SELF_OR_PROFESSIONAL = "self-or-professional"  # the patient or the clinician
    PROFESSIONAL_FIRST = "professional-first"
    PROFESSIONAL_ONLY = "professional-only"
    REFERRAL = "referral"  # by a doctor
    REFERRAL_OR_SELF = "referral-or-self"
    VIA_HELPLINE = "via-helpline"
    VIA_SOCIAL_SERVICES = "via-social-services"
    VIA_SOCIAL_SERVICES_OR_DIRECT = "via-social-services-or-direct"
    VIA_POLICE_OR_CHILD_PROTECTION = "via-police-or-child-protection"
    VIA_REGIONAL_COORDINATOR = "via-regional-coordinator"
    VIA_CERTIFIED_PROVIDER = "via-certified-provider"
    EMERGENCY_PLACEMENT = "emergency-placement"  # by police, social services or coordinator
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How far the facts were read in a source; says nothing of whether the service exists today."""

    CONFIRMED = "confirmed"  # by the service itself
    VERIFIED = "verified"  # read in the source
    PARTLY = "partly"  # some of it was inferred
    UNVERIFIED = "unverified"


class Freshness(StrEnum):
    """How old the newest source is."""

    RECENT = "2022-or-later"
    OLDER = "2021-or-older"
    UNDATED = "undated"
    NO_SOURCE = "no-source"


@dataclass(frozen=True)
class Takes:
    """Whom a service takes, by one fact. What is in neither set is to be asked."""

    takes: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    everyone: bool = False

    def answer(self, key: str | None) -> Answer:
        if self.everyone:
            return Answer.YES
        if key is None:
            return Answer.ASK
        if key in self.takes:
            return Answer.YES
        return Answer.NO if key in self.refuses else Answer.ASK

    @property
    def known(self) -> bool:
        return self.everyone or bool(self.takes) or bool(self.refuses)


@dataclass(frozen=True)
class AgeRange:
    """The ages a service takes, and those it may take where one asks."""

    lower: int = 0
    upper: int | None = None
    ask_lower: int | None = None  # from here up to `lower` it may
    ask_upper: int | None = None  # from `upper` up to here it may
    known: bool = True

    def answer(self, youngest: int, oldest: int) -> Answer:
        """For somebody whose age lies between the two."""
        if not self.known:
            return Answer.ASK
        top = self.upper if self.upper is not None else 200
        if self.lower <= youngest and oldest <= top:
            return Answer.YES
        low = self.ask_lower if self.ask_lower is not None else self.lower
        high = self.ask_upper if self.ask_upper is not None else top
        return Answer.NO if oldest < low or youngest > high else Answer.ASK


@dataclass(frozen=True)
class Serves:
    """Whom the service is for."""

    sex: Takes = Takes()
    age: AgeRange = AgeRange(known=False)
    exploitation: Takes = Takes()
    status: Takes = Takes()
    children: Answer = Answer.ASK  # children who come with the patient
    substance_use: Answer = Answer.ASK  # while it is going on


@dataclass(frozen=True)
class Area:
    """Where the service answers. `likely` is where it probably does, though no source says so."""

    areas: frozenset[AreaKey]
    likely: frozenset[AreaKey] = frozenset()
    everywhere: bool = False  # each kommune has its own; this entry stands for all of them
    advises_all: bool = False  # gives advice to professionals in the whole country

    @property
    def national(self) -> bool:
        return any(level is Level.NATIONAL for level, _ in self.areas)


@dataclass(frozen=True)
class Interval:
    """Open on these weekdays (Monday is 0) from one minute of the day to another; past 1440 is the next day."""

    days: frozenset[int]
    opens: int
    closes: int


@dataclass(frozen=True)
class Stretch:
    """Open from one minute of a day to another; past 1440 is the next day."""

    opens: int
    closes: int


@dataclass(frozen=True)
class Season:
    """Other hours for a part of every year; without any interval it is closed then."""

    first: str  # "06-15": the month and the day, both included
    last: str  # may lie before `first`: then it runs over the end of the year
    weekly: tuple[Interval, ...] = ()

    def covers(self, day: date) -> bool:
        written = f"{day:%m-%d}"
        if self.first <= self.last:
            return self.first <= written <= self.last
        return written >= self.first or written <= self.last


@dataclass(frozen=True)
class DayException:
    """What holds on one day instead of everything else; without any interval it is closed that day.

    What opens on a day belongs to that day: the night before may still run into a day that is closed.
    """

    on: date
    intervals: tuple[Stretch, ...] = ()


class HolidayRule(StrEnum):
    """What the public holidays of the country do to the hours."""

    CLOSED = "closed"
    AS_USUAL = "as-usual"
    AS_SUNDAY = "as-sunday"


@dataclass(frozen=True)
class Hours:
    """When the service answers."""

    always: bool = False
    by_law: bool = False  # the law wants it open day and night; nobody read it for this one
    weekly: tuple[Interval, ...] = ()
    seasons: tuple[Season, ...] = ()  # the first that covers a day holds, instead of `weekly`
    exceptions: tuple[DayException, ...] = ()  # stronger than seasons and holidays; a day stands here once
    holidays: HolidayRule = HolidayRule.AS_USUAL  # for what has times; office hours are never kept on a holiday
    approximate: bool = False  # the times are old or rough: near the edges nobody knows
    office_hours: bool = False  # said in those words, without times
    outside_office_hours: bool = False  # evenings, nights and weekends, without times
    not_at_night: bool = False  # all that is known
    call_first: bool = False
    as_stated: str = ""  # the source's own words

    @property
    def known(self) -> bool:
        return self.always or bool(self.weekly) or self.office_hours or self.outside_office_hours


@dataclass(frozen=True)
class Phone:
    """A number as people dial it, and what it is for where there are several."""

    number: str
    use: Mapping[Language, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Languages:
    """What is spoken, where a source says so."""

    codes: tuple[str, ...] = ()
    interpreter: bool = False
    as_stated: str = ""


@dataclass(frozen=True)
class Source:
    title: str
    url: str
    seen: str  # the date of reading, or how old the copy was


class ServiceStatus(StrEnum):
    """Whether the service exists today."""

    ACTIVE = "active"
    CLOSED_FOR_NOW = "closed-for-now"
    INACTIVE = "inactive"  # entered, and not yet or no longer to be shown to anybody
    DEFUNCT = "defunct"  # closed down for good


class LocationKind(StrEnum):
    """What sort of place a location is."""

    PHYSICAL = "physical"
    POSTAL = "postal"
    VIRTUAL = "virtual"


class ProtectedPlace(ValueError):
    """A protected place has an area and never an address."""


@dataclass(frozen=True)
class Address:
    """Where a place is that everybody may know; never that of a protected one."""

    street: str
    postal_code: str
    city: str
    region: str = ""


@dataclass(frozen=True)
class Location:
    """One place where the service is given."""

    id: str  # among the locations of its service
    name: str = ""
    kind: LocationKind = LocationKind.PHYSICAL
    area: AreaKey | None = None
    address: Address | None = None
    phones: tuple[Phone, ...] = ()
    hours: Hours | None = None  # None: those of the service
    protected: bool = False

    def __post_init__(self) -> None:
        if self.protected and self.address is not None:
            # Without the address in the sentence: it goes into logs.
            raise ProtectedPlace(f'The location "{self.id}" is protected; it has an area and never an address.')


@dataclass(frozen=True)
class Contact:
    """Whom staff and partners reach at the service. Never in anything that strangers see."""

    title: str = ""
    department: str = ""
    name: str = ""
    email: str = ""
    phones: tuple[Phone, ...] = ()
    confirms: bool = False  # may confirm what the directory says of the service


@dataclass(frozen=True)
class Service:
    """One service of the directory."""

    id: str
    country: Country
    name: str
    organisation: str  # its name; `Directory.organisation_of` gives what else is known of it
    kind: ServiceKind
    what: Mapping[Language, str] = field(hash=False)
    needs_first: tuple[str, ...]  # what it is there for
    needs_also: tuple[str, ...]  # what it can help with or show the way to
    area: Area
    serves: Serves
    access: Access
    hours: Hours
    confidence: Confidence
    freshness: Freshness
    sources: tuple[Source, ...]
    status: ServiceStatus = ServiceStatus.ACTIVE
    url: str = ""
    phones: tuple[Phone, ...] = ()
    email: str = ""
    locations: tuple[Location, ...] = ()
    contacts: tuple[Contact, ...] = ()
    languages: Languages = Languages()
    note: str = ""  # in the country's language
    say_first: Mapping[Language, str] = field(default_factory=dict, hash=False)  # if its own: `Directory.say_first`
    catalogue: tuple[str, ...] = ()  # rows of the support programme's catalogue: "protection.housing.places"
    families: Answer = Answer.ASK  # couples, or parents with their children: a condition like those in `serves`
    introduction: Answer = (
        Answer.ASK
    )  # whether it takes a warm introduction: advisor, clinician and service on one call
    protected: bool = False  # where it lies is secret
    child_route: bool = False  # the public route for a child at risk
    unverified: tuple[str, ...] = ()
    owner: str = ""  # who at the line keeps this entry: a member of staff, or a role in a word
    assured_on: date | None = None  # when one of us last checked it against the source or the service
    assured_by: str = ""
    confirmed_on: date | None = None  # when the service itself last said that it is right
    revision: int = 0  # in the database; 0 for what was read from a file

    def __post_init__(self) -> None:
        if self.hides_place and not all(location.protected for location in self.locations):
            # Raises where one has an address, so that no such value ever stands anywhere.
            object.__setattr__(self, "locations", tuple(replace(each, protected=True) for each in self.locations))

    @property
    def hides_place(self) -> bool:
        """Whether nobody may learn where it lies: it says so, or people hide in services of its kind."""
        return self.protected or self.kind in HOUSING

    @property
    def running(self) -> bool:
        """Whether somebody can be sent there at all."""
        return self.status is ServiceStatus.ACTIVE

    def described(self, language: Language) -> str:
        """The one line that says what it is, in this language or the nearest it has."""
        own = Language.NB if self.country is Country.NO else Language.SV
        return self.what.get(language) or self.what[Language.EN if language is Language.EN else own]

    def called(self, language: Language) -> str:
        """What to call it before somebody whom we do not know: protected housing goes by its kind, not by its name."""
        return self.described(language) if self.kind is ServiceKind.PROTECTED_HOUSING else self.name
