"""The services a clinician can be led to: what they are, whom they take, where, when and how they are reached.

One strict reader serves the shipped files, an import and the database, so that a service means the same wherever it was
kept. What a source does not say stays unknown here; unknown is neither yes nor no. An address never enters: a protected
place has an area and nothing nearer, and a text that looks like a street address is refused.

Pure: `routing/directory.py` reads the files once; everything after that is values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from helpline.content import Node
from helpline.messages import Country, Language
from routing.places import AreaKey, Gazetteer, Level


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
class Hours:
    """When the service answers."""

    always: bool = False
    by_law: bool = False  # the law wants it open day and night; nobody read it for this one
    weekly: tuple[Interval, ...] = ()
    closed_on_holidays: bool = False
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


@dataclass(frozen=True)
class Service:
    """One service of the directory."""

    id: str
    country: Country
    name: str
    organisation: str
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
    phones: tuple[Phone, ...] = ()
    email: str = ""
    languages: Languages = Languages()
    note: str = ""  # in the country's language
    protected: bool = False  # where it lies is secret
    child_route: bool = False  # the public route for a child at risk
    unverified: tuple[str, ...] = ()
    revision: int = 0  # in the database; 0 for what was read from a file

    def described(self, language: Language) -> str:
        """The one line that says what it is, in this language or the nearest it has."""
        own = Language.NB if self.country is Country.NO else Language.SV
        return self.what.get(language) or self.what[Language.EN if language is Language.EN else own]

    def called(self, language: Language) -> str:
        """What to call it before somebody whom we do not know: protected housing goes by its kind, not by its name."""
        return self.described(language) if self.kind is ServiceKind.PROTECTED_HOUSING else self.name


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

_REQUIRED = (
    *("id", "name", "organisation", "kind", "what", "needs", "area", "serves", "access", "hours"),
    *("confidence", "freshness", "sources"),
)
_OPTIONAL = ("note", "phones", "email", "languages", "protected", "child_route", "unverified")


def looks_like_address(text: str) -> bool:
    """Whether a text holds what may be a street address."""
    return _ADDRESS.search(text) is not None


def read_service(node: Node, country: Country, gazetteer: Gazetteer, needs: Collection[str]) -> Service:
    """Read one service, strictly."""
    fields = node.mapping(required=_REQUIRED, optional=_OPTIONAL)
    service_id = fields["id"].text()
    if not _ID.fullmatch(service_id):
        raise fields["id"].error("An id is small letters, digits and single hyphens.")
    own = Language.NB if country is Country.NO else Language.SV
    what = fields["what"].mapping(required=(own.value, Language.EN.value), optional=[lang.value for lang in Language])
    wanted = fields["needs"].mapping(required=("first", "also"))
    service = Service(
        id=service_id,
        country=country,
        name=fields["name"].text(longest=120),
        organisation=fields["organisation"].text(longest=160),
        kind=fields["kind"].one_of(ServiceKind),
        what={Language(language): line.text(longest=160) for language, line in what.items()},
        needs_first=_needs(wanted["first"], needs),
        needs_also=_needs(wanted["also"], needs),
        area=_area(fields["area"], country, gazetteer),
        serves=_serves(fields["serves"], country),
        access=fields["access"].one_of(Access),
        hours=_hours(fields["hours"]),
        confidence=fields["confidence"].one_of(Confidence),
        freshness=fields["freshness"].one_of(Freshness),
        sources=tuple(_source(item) for item in fields["sources"].items()),
        phones=tuple(_phone(item) for item in fields["phones"].items()) if "phones" in fields else (),
        email=_email(fields["email"]) if "email" in fields else "",
        languages=_languages(fields["languages"]) if "languages" in fields else Languages(),
        note=fields["note"].text(default="", longest=240),
        protected=fields["protected"].flag(default=False),
        child_route=fields["child_route"].flag(default=False),
        unverified=fields["unverified"].texts(default=()),
    )
    both = set(service.needs_first) & set(service.needs_also)
    if both:
        raise fields["needs"].error(f"{', '.join(sorted(both))} stands under both first and also.")
    for text in (service.name, service.organisation, service.note, *service.what.values(), *service.unverified):
        if looks_like_address(text):
            raise node.error(f'"{service.id}" holds what looks like a street address; the directory keeps none.')
    return service


def _needs(node: Node, known: Collection[str]) -> tuple[str, ...]:
    return tuple(item.one_of(frozenset(known)) for item in node.items())


def _areas(node: Node, level: Level, country: Country, gazetteer: Gazetteer) -> set[AreaKey]:
    found: set[AreaKey] = set()
    for item in node.items(at_least=1):
        code = item.text()
        if gazetteer.find(country, level, code) is None:
            raise item.error(f'There is no {level.value} with the code "{code}" in {country.value}.')
        found.add((level, code))
    return found


def _area(node: Node, country: Country, gazetteer: Gazetteer) -> Area:
    levels = [level.value for level in Level if level is not Level.NATIONAL]
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


_CHILDREN = {"accepted": Answer.YES, "refused": Answer.NO, "unknown": Answer.ASK}


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
    opens, closes = _clock(fields["open"]), _clock(fields["close"])
    if opens == closes:
        raise node.error("It opens and closes at the same minute.")
    return Interval(_days(fields["days"]), opens, closes if closes > opens else closes + 1440)


def _hours(node: Node) -> Hours:
    rough = ("office_hours", "outside_office_hours", "not_at_night", "call_first")
    kinds = ("always", "always_by_law", "weekly", *rough, "unknown")
    fields = node.mapping(required=("as_stated",), optional=(*kinds, "closed_on_holidays", "approximate"))
    if sum(kind in fields for kind in kinds) != 1:
        raise node.error(f"Hours say exactly one of {', '.join(kinds)}.")
    for kind in kinds:
        if kind in fields and kind != "weekly" and not fields[kind].flag():
            raise fields[kind].error("Leave it out instead of saying false.")
    return Hours(
        always="always" in fields or "always_by_law" in fields,
        by_law="always_by_law" in fields,
        weekly=tuple(_interval(item) for item in fields["weekly"].items(at_least=1)) if "weekly" in fields else (),
        closed_on_holidays=fields["closed_on_holidays"].flag(default=False),
        approximate=fields["approximate"].flag(default=False),
        **{kind: kind in fields for kind in rough},
        as_stated=fields["as_stated"].text(),
    )


def _phone(node: Node) -> Phone:
    fields = node.mapping(required=("number",), optional=("use",))
    number = fields["number"].text()
    if not _PHONE.fullmatch(number):
        raise fields["number"].error("A phone number is digits with blanks or hyphens.")
    use = fields["use"].mapping(optional=[lang.value for lang in Language]) if "use" in fields else {}
    return Phone(number, {Language(language): words.text(longest=40) for language, words in use.items()})


def _email(node: Node) -> str:
    if not _EMAIL.fullmatch(node.text()):
        raise node.error("This is no e-mail address.")
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
        "what": {language.value: line for language, line in service.what.items()},
    }
    if service.note:
        plain["note"] = service.note
    plain["needs"] = {"first": list(service.needs_first), "also": list(service.needs_also)}
    plain["area"] = _plain_area(service.area)
    plain["serves"] = _plain_serves(service.serves)
    plain["access"] = service.access.value
    if service.phones:
        plain["phones"] = [
            {"number": phone.number} | ({"use": {k.value: v for k, v in phone.use.items()}} if phone.use else {})
            for phone in service.phones
        ]
    if service.email:
        plain["email"] = service.email
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
    plain["sources"] = [
        {"title": source.title} | ({"url": source.url} if source.url else {}) | {"seen": source.seen}
        for source in service.sources
    ]
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
            plain[name] = "accepted" if answer is Answer.YES else "refused"
    return plain


def _plain_hours(hours: Hours) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    if hours.weekly:
        plain["weekly"] = [
            {"days": days, "open": _plain_clock(interval.opens), "close": _plain_clock(_wrapped(interval.closes))}
            for interval in hours.weekly
            for days in _plain_days(interval.days)
        ]
    elif hours.always:
        plain["always_by_law" if hours.by_law else "always"] = True
    else:
        rough = ("office_hours", "outside_office_hours", "not_at_night", "call_first")
        plain[next((kind for kind in rough if getattr(hours, kind)), "unknown")] = True
    for flag in ("closed_on_holidays", "approximate"):
        if getattr(hours, flag):
            plain[flag] = True
    plain["as_stated"] = hours.as_stated
    return plain


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
