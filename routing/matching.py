"""Who can help this patient, here, now: every service kept or dropped, each with its reasons.

Hard rules drop a service (area, need, sex, age, children, status, exploitation, substance use, closed when it is
urgent); what is left stands in the order in which a clinician should try. What a source does not say is neither yes nor
no: the service is kept lower and marked "ask them". A minor is led to the public child-protection route first and never
to housing for adults. The country's fallback is always last in line and always there: nobody is left without a way.

Pure: facts and an instant in, offers and drops out. The words for a reason are in `routing/reasons.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from helpline.messages import Country
from helpline.phrases import ZONES
from routing.directory import Directory
from routing.hours import Opening, OpenState, opening
from routing.places import AreaKey, Level, Place
from routing.services import (
    ADULT_HOUSING,
    FOR_CHILDREN,
    HOUSING,
    Access,
    Answer,
    Confidence,
    Exploitation,
    Freshness,
    Service,
    ServiceKind,
    Sex,
    Status,
)


class AgeGroup(StrEnum):
    """An age nobody needs to know more exactly."""

    ADULT = "adult"
    MINOR = "minor"


@dataclass(frozen=True)
class Query:
    """What is known of the patient and of where help is wanted. What is None was not said."""

    country: Country
    place: Place | None = None
    candidates: tuple[Place, ...] = ()  # where the place is one of several
    needs: tuple[str, ...] = ()
    sex: Sex | None = None
    age: int | AgeGroup | None = None
    status: Status | None = None
    exploitation: Exploitation | None = None
    with_children: bool = False
    substance_use: bool = False

    @property
    def is_minor(self) -> bool:
        return self.age is AgeGroup.MINOR or (isinstance(self.age, int) and self.age < 18)

    @property
    def ages(self) -> tuple[int, int] | None:
        """The youngest and the oldest that the patient may be."""
        match self.age:
            case None:
                return None
            case AgeGroup.ADULT:
                return (18, 130)
            case AgeGroup.MINOR:
                return (0, 17)
            case int() as years:
                return (years, years)

    @property
    def about_a_child(self) -> bool:
        """Whether a child is at risk here: the patient, or one with the patient."""
        return self.is_minor or self.with_children or "children" in self.needs

    @property
    def where(self) -> tuple[Place, ...]:
        """The place, or the places it may be; empty where nothing nearer than the country is known."""
        if self.place is None:
            return self.candidates
        return () if self.place.level is Level.NATIONAL else (self.place,)


class Because(StrEnum):
    """Why a service is offered, stands where it stands, or is dropped."""

    # Kept.
    FITS_NEED = "fits-need"  # it is there for this need
    HELPS_WITH = "helps-with"  # it can help with it, or show the way
    IN_AREA = "in-area"  # no need was chosen, and it answers here
    COVERS = "covers"  # it answers in this place
    COVERS_PART = "covers-part"  # it answers in a part of this area: the kommune decides
    LIKELY_COVERS = "likely-covers"  # probably answers here; no source says so
    EVERY_KOMMUNE = "every-kommune"  # each kommune has its own
    NATIONAL = "national"
    CHILD_ROUTE = "child-route"  # the public route for a child at risk
    FALLBACK = "fallback"  # always there
    OPEN_ALWAYS = "open-always"
    OPEN_BY_LAW = "open-by-law"  # day and night by law; not read for this one
    OPEN_NOW = "open-now"
    CLOSES_AT = "closes-at"
    CLOSED_NOW = "closed-now"
    OPENS_AT = "opens-at"
    OPENS_OFFICE_HOURS = "opens-office-hours"  # on this day, in office hours that nobody wrote down
    OPENS_AFTER_HOURS = "opens-after-hours"  # when the offices close
    CALL_FIRST = "call-first"
    HOURS_UNKNOWN = "hours-unknown"
    ASK_SEX = "ask-sex"
    ASK_AGE = "ask-age"
    ASK_STATUS = "ask-status"
    ASK_EXPLOITATION = "ask-exploitation"
    ASK_CHILDREN = "ask-children"
    ASK_SUBSTANCE_USE = "ask-substance-use"
    ONLY_SEX = "only-sex"  # a condition on a fact that was not told
    ONLY_AGE = "only-age"
    ONLY_STATUS = "only-status"
    ONLY_EXPLOITATION = "only-exploitation"
    ACCESS = "access"  # how one comes in, where it is not simply by calling
    NO_PHONE = "no-phone"
    PARTLY_VERIFIED = "partly-verified"
    UNVERIFIED = "unverified"
    OLDER_SOURCE = "older-source"
    UNDATED_SOURCE = "undated-source"
    NO_SOURCE = "no-source"
    # Dropped.
    OTHER_COUNTRY = "other-country"
    OTHER_AREA = "other-area"
    PLACE_NEEDED = "place-needed"  # a local service, and the place is not known
    OTHER_NEED = "other-need"
    NO_NEED_CHOSEN = "no-need-chosen"  # shown once a need is chosen
    NOT_FOR_PATIENTS = "not-for-patients"
    SEX_NOT_TAKEN = "sex-not-taken"
    AGE_NOT_TAKEN = "age-not-taken"
    ADULT_HOUSING = "adult-housing"  # never for a minor
    STATUS_NOT_TAKEN = "status-not-taken"
    EXPLOITATION_NOT_TAKEN = "exploitation-not-taken"
    CHILDREN_NOT_TAKEN = "children-not-taken"
    SUBSTANCE_USE_NOT_TAKEN = "substance-use-not-taken"


@dataclass(frozen=True)
class Reason:
    """A typed reason; `value` is what it is about: a need, a place, a limit, an instant."""

    code: Because
    value: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Offer:
    """A service to try."""

    service: Service
    reasons: tuple[Reason, ...]
    opening: Opening | None = None  # None where no instant was given
    fallback: bool = False

    @property
    def unsure(self) -> bool:
        """Whether something must be asked before the patient is sent there."""
        return any(reason.code in ASKED for reason in self.reasons)


class Drop(NamedTuple):
    """A service that does not fit, and why. There may be twenty thousand of them in one answer."""

    service: Service
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Matched:
    """Every service, either offered in the order to try or dropped."""

    offered: tuple[Offer, ...]
    dropped: tuple[Drop, ...] = field(repr=False)

    def shown(self, limit: int = 5) -> tuple[Offer, ...]:
        """What a clinician sees first: the best few, and then the fallback."""
        best = [offer for offer in self.offered if not offer.fallback][:limit]
        return (*best, *(offer for offer in self.offered if offer.fallback))


ASKED = frozenset(
    {
        Because.COVERS_PART,
        Because.LIKELY_COVERS,
        Because.HOURS_UNKNOWN,
        Because.CALL_FIRST,
        Because.ASK_SEX,
        Because.ASK_AGE,
        Because.ASK_STATUS,
        Because.ASK_EXPLOITATION,
        Because.ASK_CHILDREN,
        Because.ASK_SUBSTANCE_USE,
    }
)
"""Reasons that mean: ask them."""

_REFUSALS = frozenset(
    {
        Because.SEX_NOT_TAKEN,
        Because.AGE_NOT_TAKEN,
        Because.ADULT_HOUSING,
        Because.STATUS_NOT_TAKEN,
        Because.EXPLOITATION_NOT_TAKEN,
        Because.CHILDREN_NOT_TAKEN,
        Because.SUBSTANCE_USE_NOT_TAKEN,
    }
)
_ASK_PATIENT = frozenset(code for code in ASKED if code.value.startswith("ask-"))
_ADVICE = "identification-advice"
_ADVISED = frozenset({_ADVICE, "guidance-for-staff"})  # needs of the clinician, which a far-off adviser can meet
_LOCALITY = {Level.KOMMUNE: 0, Level.FYLKE: 3, Level.LAN: 3, Level.HELSEREGION: 5, Level.NATIONAL: 6}
_LIKELY, _EVERY, _PART = 1, 2, 4
_CONFIDENCE = {c: rank for rank, c in enumerate(Confidence)}
_FRESHNESS = {
    f: rank for rank, f in enumerate((Freshness.RECENT, Freshness.UNDATED, Freshness.OLDER, Freshness.NO_SOURCE))
}
_SIMPLE_ACCESS = frozenset({Access.SELF, Access.SELF_OR_PROFESSIONAL, Access.UNKNOWN})


def match(
    directory: Directory,
    query: Query,
    at: datetime | None = None,
    *,
    holidays: Collection[date] = frozenset(),
) -> Matched:
    """Sort all services for this patient at this instant.

    Without an instant nothing is said of opening hours. `holidays` are the public holidays of the country.
    """
    if at is not None and at.tzinfo is None:
        raise ValueError("an instant without a zone is no instant")
    areas = _Areas(directory, query)
    last = directory.fallbacks[query.country].ids(minor=query.is_minor)
    offered: list[tuple[tuple[object, ...], Offer]] = []
    dropped = [
        Drop(service, _OTHER_COUNTRY)
        for country in Country
        if country is not query.country
        for service in directory.of(country)
    ]
    missing, near = areas.missing, areas.near
    here: list[Service] = []
    for service in directory.of(query.country):
        if service.id in near or service.id in last:
            here.append(service)
        else:
            dropped.append(Drop(service, missing))
    for service in here:
        if service.id in last:
            continue
        area = near[service.id]
        offer, why_not = _judge(directory, query, service, area, at, holidays)
        if offer is not None:
            offered.append((_rank(directory, query, offer, area), offer))
        else:
            dropped.append(Drop(service, why_not))
    offered.sort(key=lambda ranked: ranked[0])
    fallbacks = [_fallback(directory, query, directory.get(service_id), at, holidays) for service_id in last]
    fallbacks.sort(key=lambda offer: (0, 0) if _refuses(offer) else _fit(query.needs or (_ADVICE,), offer.service))
    return Matched(tuple(offer for _, offer in offered) + tuple(fallbacks), tuple(dropped))


_OTHER_COUNTRY = (Reason(Because.OTHER_COUNTRY),)


@dataclass(frozen=True)
class _Area:
    """How near a service is."""

    reason: Reason
    nearness: int


class _Areas:
    """Which services answer where the patient is."""

    def __init__(self, directory: Directory, query: Query) -> None:
        country = query.country
        where = [place for place in query.where if place.country is country]
        self.missing = (
            (Reason(Because.OTHER_AREA, ", ".join(place.label for place in where)),)
            if where
            else (Reason(Because.PLACE_NEEDED),)
        )
        found: dict[str, _Area] = {}
        for service_id in directory.covering.get((country, (Level.NATIONAL, country.value)), ()):
            every = directory.get(service_id).area.everywhere
            found[service_id] = (
                _Area(Reason(Because.EVERY_KOMMUNE), _EVERY) if every else _Area(Reason(Because.NATIONAL), 6)
            )
        part: dict[str, _Area] = {}
        counts: dict[str, list[_Area]] = {}
        for place in where:
            for key in reversed(place.areas):
                if key[0] is Level.NATIONAL:
                    continue
                for service_id in directory.covering.get((country, key), ()):
                    covered = _Area(Reason(Because.COVERS, place.label), _LOCALITY[key[0]])
                    counts.setdefault(service_id, []).append(covered)
            for service_id in directory.touching.get((country, place.key), ()):
                part.setdefault(service_id, _Area(Reason(Because.COVERS_PART, place.label), _PART))
            likely = [directory.likely.get((country, key), frozenset()) for key in place.areas]
            for service_id in frozenset().union(*likely, directory.likely_touching.get((country, place.key), ())):
                part.setdefault(service_id, _Area(Reason(Because.LIKELY_COVERS, place.label), _LIKELY))
        for service_id, covered_in in counts.items():
            places = {area.reason.value for area in covered_in}
            if len(places) == len({place.label for place in where}):
                found[service_id] = min(covered_in, key=lambda area: area.nearness)
            else:
                # One of the places it may be: ask which before relying on it.
                part.setdefault(service_id, _Area(Reason(Because.COVERS_PART, sorted(places)[0]), _PART))
        advised: dict[str, _Area] = {}
        if _ADVISED.intersection(query.needs or (_ADVICE,)):
            advised = {service_id: _Area(Reason(Because.NATIONAL), 6) for service_id in directory.advising(country)}
        self.near: Mapping[str, _Area] = {**advised, **part, **found}


def _judge(
    directory: Directory,
    query: Query,
    service: Service,
    area: _Area,
    at: datetime | None,
    holidays: Collection[date],
) -> tuple[Offer | None, tuple[Reason, ...]]:
    """The offer, or the reasons against it."""
    against: list[Reason] = []
    reasons: list[Reason] = []
    if query.is_minor and service.child_route:
        reasons.append(Reason(Because.CHILD_ROUTE))
    needed = _needed(query, service, area)
    if not needed and not reasons:
        against.append(_why_no_need(query, service))
    reasons += needed
    reasons.append(area.reason)
    conditions, refused = _facts(query, service)
    against += refused
    state = opening(service.hours, at, ZONES[service.country], holidays=holidays) if at is not None else None
    urgent = [need for need in query.needs if directory.needs[need].urgent]
    wanted_now = bool(urgent) and all(need in urgent for need in query.needs if _serves(service, need))
    if state is not None and state.state is OpenState.CLOSED and wanted_now:
        against += _opening_reasons(service, state)
    if against:
        return None, tuple(against)
    reasons += _opening_reasons(service, state)
    reasons += conditions
    reasons += _trust(service)
    return Offer(service, tuple(reasons), state), ()


def _serves(service: Service, need: str) -> bool:
    return need in service.needs_first or need in service.needs_also


def _needed(query: Query, service: Service, area: _Area) -> list[Reason]:
    """Which of the needs it meets; without a need, whether it gives advice in the case or answers here."""
    if not query.needs:
        if _serves(service, _ADVICE):
            code = Because.FITS_NEED if _ADVICE in service.needs_first else Because.HELPS_WITH
            return [Reason(code, _ADVICE)]
        local = area.reason.code not in (Because.NATIONAL,)
        helps = service.needs_first or service.needs_also
        return [Reason(Because.IN_AREA)] if local and helps else []
    return [
        Reason(Because.FITS_NEED if need in service.needs_first else Because.HELPS_WITH, need)
        for need in query.needs
        if _serves(service, need)
    ]


def _why_no_need(query: Query, service: Service) -> Reason:
    if not service.needs_first and not service.needs_also:
        return Reason(Because.NOT_FOR_PATIENTS)
    return Reason(Because.OTHER_NEED, ",".join(query.needs)) if query.needs else Reason(Because.NO_NEED_CHOSEN)


def _facts(query: Query, service: Service) -> tuple[list[Reason], list[Reason]]:
    """What to ask or to heed, and what speaks against it, from what is known of the patient."""
    serves = service.serves
    heed: list[Reason] = []
    against: list[Reason] = []

    def weigh(answer: Answer, ask: Because, refuse: Because, value: str) -> None:
        if answer is Answer.NO:
            against.append(Reason(refuse, value))
        elif answer is Answer.ASK:
            heed.append(Reason(ask, value))

    if query.sex is not None:
        weigh(serves.sex.answer(query.sex), Because.ASK_SEX, Because.SEX_NOT_TAKEN, query.sex.value)
    elif serves.sex.refuses:
        heed.append(Reason(Because.ONLY_SEX, ",".join(sorted(serves.sex.takes))))
    for reason in _age(query, service):
        (against if reason.code in (Because.AGE_NOT_TAKEN, Because.ADULT_HOUSING) else heed).append(reason)
    if query.status is not None:
        status = query.status.in_country(service.country)
        weigh(serves.status.answer(status), Because.ASK_STATUS, Because.STATUS_NOT_TAKEN, status.value)
    elif serves.status.refuses:
        heed.append(Reason(Because.ONLY_STATUS, ",".join(sorted(serves.status.takes))))
    if query.exploitation is not None:
        answer = serves.exploitation.answer(query.exploitation)
        value = query.exploitation.value
        weigh(answer, Because.ASK_EXPLOITATION, Because.EXPLOITATION_NOT_TAKEN, value)
    elif serves.exploitation.refuses:
        heed.append(Reason(Because.ONLY_EXPLOITATION, ",".join(sorted(serves.exploitation.takes))))
    if query.with_children and service.kind in HOUSING:
        weigh(serves.children, Because.ASK_CHILDREN, Because.CHILDREN_NOT_TAKEN, "")
    if query.substance_use and service.kind in HOUSING:
        weigh(serves.substance_use, Because.ASK_SUBSTANCE_USE, Because.SUBSTANCE_USE_NOT_TAKEN, "")
    return heed, against


def _age(query: Query, service: Service) -> Sequence[Reason]:
    limits = service.serves.age
    span = f"{limits.lower}-{limits.upper if limits.upper is not None else ''}"
    ages = query.ages
    if ages is None:
        limited = limits.known and (limits.lower > 0 or limits.upper is not None)
        if not limited or (query.about_a_child and _is_for_children(service)):
            return ()
        return (Reason(Because.ONLY_AGE, span),)
    answer = limits.answer(*ages)
    if query.is_minor and service.kind in ADULT_HOUSING and answer is not Answer.YES:
        return (Reason(Because.ADULT_HOUSING),)
    if answer is Answer.YES or (query.about_a_child and not query.is_minor and _is_for_children(service)):
        return ()  # for an adult whose child is at risk, the age that counts is the child's
    if answer is Answer.NO:
        return (Reason(Because.AGE_NOT_TAKEN, span),)
    return (Reason(Because.ASK_AGE),)


def _is_for_children(service: Service) -> bool:
    top = service.serves.age.upper
    return service.kind in FOR_CHILDREN or (_serves(service, "children") and top is not None and top < 18)


def _opening_reasons(service: Service, state: Opening | None) -> list[Reason]:
    if state is None:
        return []
    match state.state:
        case OpenState.OPEN if state.always:
            return [Reason(Because.OPEN_BY_LAW if service.hours.by_law else Because.OPEN_ALWAYS)]
        case OpenState.OPEN if state.closes_at is not None:
            return [Reason(Because.OPEN_NOW), Reason(Because.CLOSES_AT, at=state.closes_at)]
        case OpenState.OPEN:
            return [Reason(Because.OPEN_NOW)]
        case OpenState.CLOSED if state.opens_at is not None and service.hours.office_hours:
            return [Reason(Because.CLOSED_NOW), Reason(Because.OPENS_OFFICE_HOURS, at=state.opens_at)]
        case OpenState.CLOSED if service.hours.outside_office_hours:
            return [Reason(Because.CLOSED_NOW), Reason(Because.OPENS_AFTER_HOURS)]
        case OpenState.CLOSED if state.opens_at is not None:
            return [Reason(Because.CLOSED_NOW), Reason(Because.OPENS_AT, at=state.opens_at)]
        case OpenState.CLOSED:
            return [Reason(Because.CLOSED_NOW)]
        case _:
            return [Reason(Because.CALL_FIRST if service.hours.call_first else Because.HOURS_UNKNOWN)]


_TRUST = {
    Confidence.PARTLY: Because.PARTLY_VERIFIED,
    Confidence.UNVERIFIED: Because.UNVERIFIED,
}
_AGE_OF_SOURCE = {
    Freshness.OLDER: Because.OLDER_SOURCE,
    Freshness.UNDATED: Because.UNDATED_SOURCE,
    Freshness.NO_SOURCE: Because.NO_SOURCE,
}


def _trust(service: Service) -> list[Reason]:
    """How one comes in, and how far what we say of it can be relied on."""
    found = []
    if service.access not in _SIMPLE_ACCESS:
        found.append(Reason(Because.ACCESS, service.access.value))
    if not service.phones:
        found.append(Reason(Because.NO_PHONE))
    if service.confidence in _TRUST:
        found.append(Reason(_TRUST[service.confidence]))
    if service.freshness in _AGE_OF_SOURCE:
        found.append(Reason(_AGE_OF_SOURCE[service.freshness]))
    return found


def _fallback(
    directory: Directory, query: Query, service: Service, at: datetime | None, holidays: Collection[date]
) -> Offer:
    """The way that is always there: never dropped, whatever speaks against it is said beside it."""
    state = opening(service.hours, at, ZONES[service.country], holidays=holidays) if at is not None else None
    heed, against = _facts(query, service)
    needed = [reason for reason in _needed(query, service, _Area(Reason(Because.NATIONAL), 6)) if reason.value]
    reasons = [
        Reason(Because.FALLBACK),
        *needed,
        Reason(Because.NATIONAL),
        *_opening_reasons(service, state),
        *heed,
        *against,
        *_trust(service),
    ]
    return Offer(service, tuple(reasons), state, fallback=True)


def _refuses(offer: Offer) -> bool:
    return any(reason.code in _REFUSALS for reason in offer.reasons)


def _fit(needs: Sequence[str], service: Service) -> tuple[int, int]:
    """How many of the needs it is there for, and how many it can help with; the smaller the fitter."""
    first = sum(need in service.needs_first for need in needs)
    also = sum(need in service.needs_also for need in needs)
    return (-first, -also)


def _rank(directory: Directory, query: Query, offer: Offer, area: _Area) -> tuple[object, ...]:
    """Where an offer stands; the smaller the earlier. The lines below are the order of what matters."""
    service = offer.service
    needs = query.needs or (_ADVICE,)
    state = offer.opening.state if offer.opening is not None else OpenState.OPEN
    urgent = any(directory.needs[need].urgent for need in query.needs)
    kinds = directory.needs[needs[0]].kinds
    child_first = service.child_route and (query.is_minor or "children" in query.needs)
    perhaps = urgent and state is OpenState.UNKNOWN and not child_first
    return (
        (1 if service.kind is ServiceKind.CHILD_HELPLINE else 0) if child_first else 2,
        # What is closed comes after all that may answer, and where it is urgent also what may be closed.
        2 if state is OpenState.CLOSED else 1 if perhaps else 0,
        # Where no child was spoken of, what is there for children alone comes later.
        query.age is None and not query.about_a_child and _is_for_children(service),
        _fit(needs, service),
        area.nearness,
        sum(reason.code in _ASK_PATIENT for reason in offer.reasons) > 0,
        _CONFIDENCE[service.confidence],
        _FRESHNESS[service.freshness],
        kinds.index(service.kind) if service.kind in kinds else len(kinds),
        not service.phones,
        service.kind is ServiceKind.NGO,
        service.name,
    )


def areas_of(query: Query) -> tuple[AreaKey, ...]:
    """The areas the patient is surely in, nearest first: for counting gaps by region."""
    return query.place.areas if query.place is not None else ((Level.NATIONAL, query.country.value),)
