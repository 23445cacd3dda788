"""What speaks for a service and what against it, for this patient at this instant, and where that puts it in the order.

Hard rules first: a service that breaks one is dropped with every reason against it. What a source does not say is
neither yes nor no: such a service is kept, lower, and marked "ask them". Then the order; `Judge._rank` says what comes
before what, and why. Pure: one sort of service and how near it is in, one verdict out.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from helpline.messages import Country
from helpline.phrases import ZONES
from routing.capacity import standing
from routing.directory import Directory
from routing.hours import Opening, OpenState, opening
from routing.matching.because import ASK_WHOM, Because, Reason
from routing.matching.index import Sort
from routing.matching.nearness import ADVICE, NATIONAL, Near
from routing.matching.query import Query
from routing.places import AreaKey, Level
from routing.services import (
    ADULT_HOUSING,
    FOR_CHILDREN,
    HOUSING,
    Access,
    Answer,
    Confidence,
    Freshness,
    Hours,
    Service,
    ServiceKind,
    lapsed,
)

Rank = tuple[object, ...]


class Verdict(NamedTuple):
    """What is decided of a service, and of all of its sort that are as near."""

    reasons: tuple[Reason, ...]
    rank: Rank | None  # None: dropped
    opening: Opening | None = None


class Here(NamedTuple):
    """Which rows of the catalogue a sort of service offers where help is wanted."""

    rows: frozenset[str]  # surely
    certified: frozenset[str]  # of those, the ones it is certified for
    perhaps: frozenset[str]  # in a part of the place, or by its entry and not by the profile it was certified with


class Judge:
    """Decides for one question."""

    def __init__(
        self, directory: Directory, query: Query, at: datetime | None, holidays: Collection[date] = frozenset()
    ) -> None:
        self._directory = directory
        self._query = query
        self._at = at
        self._closed = holidays if isinstance(holidays, frozenset) else frozenset(holidays)
        self._rows = frozenset(query.catalogue)
        # Where help is named by rows of the catalogue alone, the needs they are nearest to tell who may offer it.
        self.needs: tuple[str, ...] = query.needs or tuple(
            key for key, need in directory.needs.items() if self._rows and self._rows.intersection(need.catalogue)
        )
        self._urgent = frozenset(need for need in query.needs if directory.needs[need].urgent)
        self._kinds = directory.needs[(self.needs or (ADVICE,))[0]].kinds
        # Where a row must be offered so that it is offered here: in the whole country, where no place is known.
        where = [place.key for place in query.where if place.country is query.country]
        self._where: tuple[AreaKey, ...] = tuple(where) or ((Level.NATIONAL, query.country.value),)
        self._here: dict[Sort, Here] = {}
        self._verdicts: dict[tuple[Sort, Near], Verdict] = {}

    def verdict(self, sort: Sort, near: Near) -> Verdict:
        """The verdict on a sort of service that is as near as this."""
        found = self._verdicts.get((sort, near))
        if found is None:
            found = self._verdicts[sort, near] = self._judge(sort, near)
        return found

    def _judge(self, sort: Sort, near: Near) -> Verdict:
        service, query = sort.service, self._query
        against: list[Reason] = []
        reasons: list[Reason] = []
        child_first = self._child_first(service)
        if not service.running:
            against.append(Reason(Because.NOT_RUNNING))
        if query.is_minor and service.child_route:
            reasons.append(Reason(Because.CHILD_ROUTE))
        needed = self._needed(sort, near)
        if not needed and not reasons and (query.needs or self._rows.isdisjoint(self._offers(sort).perhaps)):
            against.append(self._why_no_need(sort))
        reasons += needed
        reasons.append(near.reason)
        conditions, refused = facts(self._query, service)
        against += refused
        conditions += self._rows_asked(sort, against)
        state = self._opening(service)
        hours = _opening_reasons(service, state)
        room = self._room(sort)
        wanted_now = bool(self._urgent) and all(
            need in self._urgent for need in query.needs if _serves(sort.service, need)
        )
        if wanted_now and state is not None and state.state is OpenState.CLOSED:
            against += hours
        full = any(reason.code is Because.FULL for reason in room)
        # Whoever has the duty to protect a child has it when the house is full, too.
        if wanted_now and full and not service.child_route:
            against += room
        if against:
            return Verdict(tuple(against), None)
        reasons += [*hours, *room, *conditions]
        language = self._language(service)
        if language is not None:
            reasons.append(language)
        reasons += self._trust(sort)
        codes = frozenset(reason.code for reason in reasons)
        return Verdict(tuple(reasons), self._rank(sort, near, codes, state, child_first=child_first), state)

    def fallback(self, sort: Sort) -> Verdict:
        """Of the way that is always there: never dropped; whatever speaks against it is said beside it."""
        service = sort.service
        heed, against = facts(self._query, service)
        if not service.running:
            against.append(Reason(Because.NOT_RUNNING))
        needed = [reason for reason in self._needed(sort, NATIONAL) if reason.value]
        state = self._opening(service)
        language = self._language(service)
        reasons = [
            Reason(Because.FALLBACK),
            *needed,
            NATIONAL.reason,
            *_opening_reasons(service, state),
            *(reason for reason in self._room(sort) if reason.code is not Because.ASK_ROOM),
            *heed,
            *against,
            *([language] if language is not None else []),
            *self._trust(sort),
        ]
        return Verdict(tuple(reasons), (1, 0) if against else self._fit(sort), state)

    # --- what it helps with ---------------------------------------------------------------------------------------

    def _offers(self, sort: Sort) -> Here:
        """What it offers here. Where it is certified for a row, that row is offered where its profile says so."""
        found = self._here.get(sort)
        if found is None and not sort.certified:
            found = self._here[sort] = Here(sort.rows, frozenset(), frozenset())
        if found is None:
            certified = frozenset(
                row for row, at in sort.certified.items() if all(place in at.whole for place in self._where)
            )
            perhaps = frozenset(
                row
                for row, at in sort.certified.items()
                if row in sort.service.catalogue or any(place in at.part for place in self._where)
            )
            rows = certified | (sort.rows - sort.certified.keys())
            found = self._here[sort] = Here(rows, certified, perhaps - certified)
        return found

    def _needed(self, sort: Sort, near: Near) -> list[Reason]:
        """What of that which is needed it meets; without a need, whether it gives advice or answers here."""
        offered = [Reason(Because.OFFERS, row) for row in self._query.catalogue if row in self._offers(sort).rows]
        needs = [
            Reason(Because.FITS_NEED if need in sort.service.needs_first else Because.HELPS_WITH, need)
            for need in self.needs
            if _serves(sort.service, need)
        ]
        if self._query.needs:
            return offered + needs if needs else []
        if self._query.catalogue:
            return offered or needs
        service = sort.service
        if _serves(service, ADVICE):
            return [Reason(Because.FITS_NEED if ADVICE in service.needs_first else Because.HELPS_WITH, ADVICE)]
        local = near.reason.code is not Because.NATIONAL
        return [Reason(Because.IN_AREA)] if local and (service.needs_first or service.needs_also) else []

    def _why_no_need(self, sort: Sort) -> Reason:
        service = sort.service
        if not service.needs_first and not service.needs_also and not sort.rows:
            return Reason(Because.NOT_FOR_PATIENTS)
        if self._query.needs:
            return Reason(Because.OTHER_NEED, ",".join(self._query.needs))
        if self._query.catalogue:
            return Reason(Because.NOT_OFFERED, ",".join(self._query.catalogue))
        return Reason(Because.NO_NEED_CHOSEN)

    def _rows_asked(self, sort: Sort, against: list[Reason]) -> list[Reason]:
        """What of the catalogue is to be asked about; whoever told what it offers, and not this, does not offer it."""
        here = self._offers(sort)
        if not self._rows or not self._rows.isdisjoint(here.rows):
            return []
        rows = ",".join(self._query.catalogue)
        if not sort.rows:
            return [Reason(Because.ASK_OFFERS, rows)]
        if not self._rows.isdisjoint(here.perhaps):
            return [Reason(Because.ASK_OFFERS, ",".join(row for row in self._query.catalogue if row in here.perhaps))]
        if not any(reason.code is Because.NOT_OFFERED for reason in against):
            against.append(Reason(Because.NOT_OFFERED, rows))
        return []

    def _child_first(self, service: Service) -> bool:
        return service.child_route and (self._query.is_minor or "children" in self._query.needs)

    # --- when, whether there is room, in which language -----------------------------------------------------------

    def _opening(self, service: Service) -> Opening | None:
        return _open_at(service.hours, self._at, service.country, self._closed) if self._at is not None else None

    def _room(self, sort: Sort) -> list[Reason]:
        """Whether there is a place, as it was told; of housing that is asked where nobody told."""
        if self._at is None:
            return []
        told = sort.capacity
        answer = standing(told, self._at)
        if told is not None and answer is Answer.NO:
            return [Reason(Because.FULL, at=told.told_at)]
        if told is not None and answer is Answer.YES:
            return [Reason(Because.HAS_ROOM, at=told.told_at)]
        return [Reason(Because.ASK_ROOM)] if told is not None or sort.service.kind in HOUSING else []

    def _language(self, service: Service) -> Reason | None:
        """Whether the patient can speak with them; a wish, never a condition."""
        wanted = self._query.languages
        if not wanted:
            return None
        spoken = [code for code in wanted if code in service.languages.codes]
        if spoken:
            return Reason(Because.SPEAKS, ",".join(spoken))
        if service.languages.interpreter:
            return Reason(Because.INTERPRETER)
        if service.languages.codes:
            return Reason(Because.OTHER_LANGUAGES, ",".join(service.languages.codes))
        return Reason(Because.ASK_LANGUAGE, ",".join(wanted))

    # --- how far it can be relied on ------------------------------------------------------------------------------

    def _confirmed(self, service: Service) -> Because:
        """Whether the service itself said lately that what we know of it is right."""
        on = service.confirmed_on
        if on is None:
            return Because.CONFIRMED if service.confidence is Confidence.CONFIRMED else Because.NOT_CONFIRMED
        if self._at is not None and lapsed(on, self._at.astimezone(ZONES[service.country]).date()):
            return Because.CONFIRMED_LONG_AGO
        return Because.CONFIRMED

    def _trust(self, sort: Sort) -> list[Reason]:
        """How one comes in, and how far what we say of it can be relied on."""
        service, found = sort.service, []
        if service.access not in _SIMPLE_ACCESS:
            found.append(Reason(Because.ACCESS, service.access.value))
        if not service.phones:
            found.append(Reason(Because.NO_PHONE))
        if self._offers_as_certified(sort):
            found.append(Reason(Because.CERTIFIED))
        found.append(Reason(self._confirmed(service), service.confirmed_on.isoformat() if service.confirmed_on else ""))
        if service.confidence in _TRUST:
            found.append(Reason(_TRUST[service.confidence]))
        if service.freshness in _AGE_OF_SOURCE:
            found.append(Reason(_AGE_OF_SOURCE[service.freshness]))
        return found

    def _offers_as_certified(self, sort: Sort) -> bool:
        """Whether it is certified for what is asked for, here; without a row in the question, for anything."""
        certified = self._offers(sort).certified
        return not certified.isdisjoint(self._rows) if self._rows else bool(certified)

    # --- the order ------------------------------------------------------------------------------------------------

    def _fit(self, sort: Sort) -> tuple[int, int]:
        """How many of the needs it is there for, and how many it can help with; the smaller the fitter."""
        needs = self.needs or (ADVICE,)
        first = sum(need in sort.service.needs_first for need in needs) + len(self._rows & self._offers(sort).rows)
        return (-first, -sum(need in sort.service.needs_also for need in needs))

    def _rank(
        self,
        sort: Sort,
        near: Near,
        codes: frozenset[Because],
        state: Opening | None,
        *,
        child_first: bool,
    ) -> Rank:
        """Where an offer stands; the smaller the earlier. The steps, and why they come in this order:

        1. For a child, the public child-protection route, and of that what is a duty before who only listens.
        2. What can be used now, before what is closed or full; where it is urgent, what may be closed is between.
        3. Where no child was spoken of, what is there for children alone comes later.
        4. What is there for the need, or offers the row of the catalogue, before what can merely help with it. Without
           this step, "local before national" would send a woman who needs a lawyer tonight to every service of her
           kommune that can look up a lawyer's number, before the one that gives legal help to the whole country. Where
           no need was chosen, whoever gives advice comes before what is merely in the area.
        5. The order asked for: local before national (the nearer the earlier); whoever is known to take this patient
           before whoever must be asked; confirmed before unconfirmed, and a new source before an old; with room told
           lately before the others; who speaks the patient's language; and how well it fits.
        6. What is left is only there so that two looks give one order; names decide last.
        """
        service = sort.service
        is_open = state.state if state is not None else OpenState.OPEN
        perhaps = bool(self._urgent) and is_open is OpenState.UNKNOWN and not child_first
        out = is_open is OpenState.CLOSED or (Because.FULL in codes and not child_first)
        fit = self._fit(sort)
        return (
            (1 if service.kind is ServiceKind.CHILD_HELPLINE else 0) if child_first else 2,
            2 if out else 1 if perhaps else 0,
            self._query.age is None and not self._query.about_a_child and _is_for_children(service),
            0 if fit[0] else 1 if fit[1] else 2,
            near.nearness,
            not codes.isdisjoint(ASK_WHOM),
            _CONFIRMED.get(self._confirmed(service), len(_CONFIRMED) + _CONFIDENCE[service.confidence]),
            _FRESHNESS[service.freshness],
            Because.HAS_ROOM not in codes,
            _speaks(codes),
            fit,
            len(codes & ASK_WHOM),
            Because.CERTIFIED not in codes,
            self._kinds.index(service.kind) if service.kind in self._kinds else len(self._kinds),
            not service.phones,
            service.kind is ServiceKind.NGO,
        )


def facts(query: Query, service: Service) -> tuple[list[Reason], list[Reason]]:
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
    age = _age(query, service)
    if age is not None:
        (against if age.code in (Because.AGE_NOT_TAKEN, Because.ADULT_HOUSING) else heed).append(age)
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
    if service.kind in HOUSING:
        # Elsewhere it makes no difference who comes along.
        if query.with_children:
            weigh(_children(service), Because.ASK_CHILDREN, Because.CHILDREN_NOT_TAKEN, "")
        if query.families:
            weigh(service.families, Because.ASK_FAMILIES, Because.FAMILIES_NOT_TAKEN, "")
        if query.substance_use:
            weigh(serves.substance_use, Because.ASK_SUBSTANCE_USE, Because.SUBSTANCE_USE_NOT_TAKEN, "")
    return heed, against


def _age(query: Query, service: Service) -> Reason | None:
    limits = service.serves.age
    span = f"{limits.lower}-{limits.upper if limits.upper is not None else ''}"
    ages = query.ages
    if ages is None:
        limited = limits.known and (limits.lower > 0 or limits.upper is not None)
        if not limited or (query.about_a_child and _is_for_children(service)):
            return None
        return Reason(Because.ONLY_AGE, span)
    answer = limits.answer(*ages)
    if query.is_minor and service.kind in ADULT_HOUSING and not (limits.known and _only_minors(service)):
        # Also where it takes all ages: that is said of children who come with a grown-up.
        return Reason(Because.ADULT_HOUSING)
    if answer is Answer.YES or (query.about_a_child and not query.is_minor and _is_for_children(service)):
        return None  # for an adult whose child is at risk, the age that counts is the child's
    return Reason(Because.AGE_NOT_TAKEN, span) if answer is Answer.NO else Reason(Because.ASK_AGE)


_TRUST = {
    Confidence.PARTLY: Because.PARTLY_VERIFIED,
    Confidence.UNVERIFIED: Because.UNVERIFIED,
}
_AGE_OF_SOURCE = {
    Freshness.OLDER: Because.OLDER_SOURCE,
    Freshness.UNDATED: Because.UNDATED_SOURCE,
    Freshness.NO_SOURCE: Because.NO_SOURCE,
}
_CONFIRMED = {Because.CONFIRMED: 0, Because.CONFIRMED_LONG_AGO: 1}
_CONFIDENCE = {confidence: rank for rank, confidence in enumerate(Confidence)}
_FRESHNESS = {
    freshness: rank
    for rank, freshness in enumerate((Freshness.RECENT, Freshness.UNDATED, Freshness.OLDER, Freshness.NO_SOURCE))
}
_SIMPLE_ACCESS = frozenset({Access.SELF, Access.SELF_OR_PROFESSIONAL, Access.UNKNOWN})
_SPOKEN = (Because.SPEAKS, Because.INTERPRETER, Because.ASK_LANGUAGE, Because.OTHER_LANGUAGES)


def _speaks(codes: frozenset[Because]) -> int:
    return next((rank for rank, code in enumerate(_SPOKEN) if code in codes), 0)


def _serves(service: Service, need: str) -> bool:
    return need in service.needs_first or need in service.needs_also


def _only_minors(service: Service) -> bool:
    top = service.serves.age.upper
    return top is not None and top < 18


def _is_for_children(service: Service) -> bool:
    return service.kind in FOR_CHILDREN or (_serves(service, "children") and _only_minors(service))


def _children(service: Service) -> Answer:
    """Whether children may come along: it says so, or it takes whole families."""
    known = service.serves.children
    return Answer.YES if known is Answer.ASK and service.families is Answer.YES else known


@lru_cache(maxsize=4096)
def _open_at(hours: Hours, at: datetime, country: Country, holidays: frozenset[date]) -> Opening:
    return opening(hours, at, ZONES[country], holidays=holidays)


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
