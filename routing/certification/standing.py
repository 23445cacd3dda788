"""How far a provider has come to being certified, and until when it is: three steps, 25 minimum requirements.

A certification is given by two coordinators together when nothing is missing: an accepted activity profile, a visit
that looked at every requirement, and nothing unmet that the action plan has not put right. It holds for a year, and for
another from each yearly check that was in order and came in time; after that it has lapsed, and only a new decision
brings it back. Lapsing needs nobody to do anything: whoever is not certified on a day is not offered on it.

Pure: facts and a day in, a standing out. What is missing is named by kind, for the desk to say in a sentence.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from helpline.content import Node, load_yaml
from helpline.messages import Country
from routing.certification.catalogue import HOUSING, PLACES, Catalogue, Column, Mode, Row
from routing.places import AreaKey, Gazetteer, Level, Place

VALID_MONTHS: Final = 12  # from the decision, and from each yearly check that was in order
TRAINING_MONTHS: Final = 12  # within which at least one training or exchange is attended
DUE_SOON: Final = timedelta(days=60)  # how long before it lapses a coordinator is told
REGION: Final[Mapping[Country, Level]] = {Country.NO: Level.FYLKE, Country.SE: Level.LAN}


# --- What is asked ---------------------------------------------------------------------------------------------------


class StepKey(StrEnum):
    """The three steps of the programme."""

    INFORMATION = "information"
    VISIT = "visit"
    DEVELOPMENT = "development"


@dataclass(frozen=True)
class Step:
    """One step, as the source describes it."""

    key: StepKey
    number: int
    sv: str
    en: str
    content_sv: str
    content_en: str


@dataclass(frozen=True)
class Requirement:
    """One minimum requirement and the question that a visit asks about it."""

    key: str
    number: int
    phase: str
    question_sv: str
    question_en: str
    requirement_sv: str
    requirement_en: str


@dataclass(frozen=True)
class Phase:
    """A part of a client's stay, with the requirements on it."""

    key: str
    sv: str
    en: str
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True)
class Requirements:
    """Everything that certification asks for."""

    source: str
    steps: tuple[Step, ...]
    phases: tuple[Phase, ...]

    @classmethod
    def load(cls, content: Path) -> Requirements:
        """Read `certification.yaml`; `ContentError` with file and line for what does not fit."""
        root = load_yaml(content / "certification.yaml")
        fields = root.mapping(required=("source", "steps", "phases", "requirements"))
        source = fields["source"].mapping(required=("title", "publisher", "document", "edition", "read"))
        source["read"].date()
        asked = [_requirement(node) for node in fields["requirements"].items(at_least=1)]
        if len({each.key for each in asked}) != len(asked) or [each.number for each in asked] != [
            *range(1, len(asked) + 1)
        ]:
            raise fields["requirements"].error("The requirements are numbered from 1 without a gap, each with its key.")
        phases = tuple(_phase(node, asked) for node in fields["phases"].items(at_least=1))
        if sum(len(phase.requirements) for phase in phases) != len(asked):
            raise fields["requirements"].error("A requirement belongs to a phase that is not there.")
        steps = tuple(_step(node) for node in fields["steps"].items())
        if [step.key for step in steps] != list(StepKey):
            raise fields["steps"].error("The steps are information, visit and development, in this order.")
        line = f"{source['title'].text()}, {source['publisher'].text()}, {source['document'].text()}"
        return cls(line, steps, phases)

    @cached_property
    def by_key(self) -> Mapping[str, Requirement]:
        """Every requirement by its key, in the order of the form."""
        return {each.key: each for phase in self.phases for each in phase.requirements}


def _step(node: Node) -> Step:
    fields = node.mapping(required=("key", "number", "sv", "en", "content_sv", "content_en"))
    words = (fields[name].text() for name in ("sv", "en", "content_sv", "content_en"))
    return Step(fields["key"].one_of(StepKey), fields["number"].integer(), *words)


def _requirement(node: Node) -> Requirement:
    words = ("phase", "question_sv", "question_en", "requirement_sv", "requirement_en")
    fields = node.mapping(required=("key", "number", *words), optional=("source_spelling", "source_note"))
    return Requirement(fields["key"].text(), fields["number"].integer(), *(fields[name].text() for name in words))


def _phase(node: Node, asked: Iterable[Requirement]) -> Phase:
    fields = node.mapping(required=("key", "sv", "en"), optional=("source_spelling",))
    key = fields["key"].text()
    return Phase(key, fields["sv"].text(), fields["en"].text(), tuple(each for each in asked if each.phase == key))


# --- What is known ---------------------------------------------------------------------------------------------------


class ProfileState(StrEnum):
    """How far an activity profile has come."""

    DRAFT = "draft"  # being filled in
    SENT = "sent"  # the provider says that it is ready
    RETURNED = "returned"  # a coordinator gave it back, to be filled in further
    ACCEPTED = "accepted"  # it holds, until a later one is accepted


@dataclass(frozen=True)
class RowAnswer:
    """What a provider says of one row."""

    offered: bool | None = None  # None: not answered
    mode: Mode | None = None
    targets: tuple[str, ...] = ()
    areas: tuple[AreaKey, ...] = ()  # nothing: as the profile says for all
    value: str = ""  # a number, or the key of an option, where the row is specified
    comment: str = field(default="", repr=False)


@dataclass(frozen=True)
class Profile:
    """What a provider offers, for whom and where."""

    number: int
    state: ProfileState
    answers: Mapping[str, RowAnswer]
    areas: tuple[AreaKey, ...] = ()
    accepted_on: date | None = None
    version: int = 0

    @property
    def offered(self) -> frozenset[str]:
        """The rows that it offers."""
        return frozenset(key for key, answer in self.answers.items() if answer.offered)

    def where(self, row: str) -> tuple[AreaKey, ...]:
        """Where it offers this row."""
        answer = self.answers.get(row)
        return (answer.areas or self.areas) if answer is not None and answer.offered else ()

    def unanswered(self, catalogue: Catalogue) -> tuple[Row, ...]:
        """The rows that say neither yes nor no. Who has no place to live is not asked what it is like."""
        places = self.answers.get(PLACES)
        no_housing = places is not None and places.offered is False
        return tuple(
            row
            for row in catalogue.rows.values()
            if self.answers.get(row.key, RowAnswer()).offered is None
            and not (no_housing and row.table == HOUSING and row.key != PLACES)
        )


def answer_of(row: Row, answer: RowAnswer) -> RowAnswer:
    """The answer with `offered` as its number or its choice says, where the row is specified by one."""
    if Column.SPECIFICATION not in row.columns:
        return answer
    option = row.option(answer.value)
    if row.number:
        offered = int(answer.value) > 0 if answer.value.isdecimal() else None
    else:
        offered = not option.none if option is not None else None
    return RowAnswer(offered, None, answer.targets, answer.areas, answer.value, answer.comment)


class Verdict(StrEnum):
    """What a visit found of a requirement."""

    MET = "met"
    NOT_MET = "not_met"
    OPEN = "open"  # not looked at yet


@dataclass(frozen=True)
class Visit:
    """A visit, as far as certification hangs on it."""

    id: int
    on: date
    verdicts: Mapping[str, Verdict]
    closed: bool


class ActionState(StrEnum):
    """How far an item of the action plan has come."""

    OPEN = "open"
    SAID_DONE = "said_done"  # the provider says so; a coordinator looks
    DONE = "done"
    DROPPED = "dropped"  # no longer wanted


@dataclass(frozen=True)
class Action:
    """An item of the action plan, as far as certification hangs on it."""

    id: int
    requirement: str  # its key; empty where it answers none
    due_on: date
    state: ActionState
    done_on: date | None = None

    @property
    def is_open(self) -> bool:
        return self.state in (ActionState.OPEN, ActionState.SAID_DONE)


@dataclass(frozen=True)
class Check:
    """A yearly check."""

    on: date
    in_order: bool


class DecisionKind(StrEnum):
    GRANT = "grant"
    WITHDRAW = "withdraw"


class DecisionState(StrEnum):
    PROPOSED = "proposed"  # by one coordinator
    CONFIRMED = "confirmed"  # by another
    TURNED_DOWN = "turned_down"


@dataclass(frozen=True)
class Decision:
    """A decision, as far as certification hangs on it."""

    id: int
    kind: DecisionKind
    state: DecisionState
    on: date | None  # the day it was settled
    upon: int = 0  # the number of the profile that held when it was proposed: what both of the two had before them


@dataclass(frozen=True)
class Facts:
    """All that a provider's standing follows from."""

    profiles: tuple[Profile, ...] = ()
    visits: tuple[Visit, ...] = ()
    actions: tuple[Action, ...] = ()
    trainings: tuple[date, ...] = ()
    checks: tuple[Check, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def profile(self) -> Profile | None:
        """The one that holds: the newest that was accepted."""
        accepted = [each for each in self.profiles if each.state is ProfileState.ACCEPTED]
        return max(accepted, key=lambda each: each.number, default=None)

    def profile_on(self, day: date) -> Profile | None:
        """The one that held on a day, or at its end."""
        then = [each for each in self.profiles if each.accepted_on is not None and each.accepted_on <= day]
        return replace(self, profiles=tuple(then)).profile

    @property
    def draft(self) -> Profile | None:
        """The one that is being filled in."""
        return next((each for each in self.profiles if each.state is not ProfileState.ACCEPTED), None)

    @property
    def proposed(self) -> Decision | None:
        """What one coordinator has proposed and no other has settled."""
        return next((each for each in self.decisions if each.state is DecisionState.PROPOSED), None)


# --- What follows ----------------------------------------------------------------------------------------------------


class Missing(StrEnum):
    """What stands between a provider and its certification, or the year's check."""

    PROFILE = "profile"  # nothing is filled in
    ROWS = "rows"  # rows of the profile are not answered
    AREAS = "areas"  # the profile does not say where
    NOTHING_OFFERED = "nothing_offered"
    NOT_SENT = "not_sent"  # the profile is with the provider
    NOT_ACCEPTED = "not_accepted"  # the profile is with the coordinator
    VISIT = "visit"  # nobody has visited
    VISIT_OPEN = "visit_open"  # a visit is written down and not closed
    NOT_LOOKED_AT = "not_looked_at"  # requirements that no visit has looked at
    NO_ACTION = "no_action"  # unmet requirements without an item in the action plan
    UNMET = "unmet"  # unmet requirements whose item is not done
    OVERDUE = "overdue"  # items of the action plan past their day
    TRAINING = "training"  # no training within a year
    CHECK = "check"  # the year's check
    NOT_GIVEN = "not_given"  # the certification itself: before it, there is nothing to follow up


@dataclass(frozen=True)
class Lack:
    """One thing that is missing."""

    what: Missing
    count: int = 0
    requirements: tuple[str, ...] = ()  # their keys


@dataclass(frozen=True)
class StepStanding:
    """How far one step has come."""

    step: StepKey
    done_on: date | None
    missing: tuple[Lack, ...]

    @property
    def done(self) -> bool:
        return not self.missing


class State(StrEnum):
    """Where a provider is on its way."""

    INFORMATION = "information"  # step 1
    VISIT = "visit"  # step 2
    PLAN = "plan"  # what the visit found unmet is being put right
    READY = "ready"  # nothing is missing; somebody may propose it
    PROPOSED = "proposed"  # a second coordinator must confirm
    CERTIFIED = "certified"
    LAPSED = "lapsed"  # it was, until its day went by
    WITHDRAWN = "withdrawn"  # it was, until two coordinators took it back


class Duty(StrEnum):
    """Something with a day."""

    ACTION = "action"
    CHECK = "check"
    TRAINING = "training"


@dataclass(frozen=True)
class Due:
    """Something that must be done by a day, or should have been."""

    duty: Duty
    on: date
    action_id: int | None = None


@dataclass(frozen=True)
class Standing:
    """How a provider stands on one day."""

    state: State
    steps: tuple[StepStanding, ...]
    missing: tuple[Lack, ...]  # to be certified
    certified: bool
    since: date | None  # of the certification that holds, or held last
    until: date | None  # its last day
    check_due: date | None
    training_due: date | None
    overdue: tuple[Due, ...]
    soon: tuple[Due, ...]
    to_look_at: int  # things that wait for a coordinator


@dataclass(frozen=True)
class Certificate:
    """A certification that was given: its first and last day, whether two people took it back, and what it rests on."""

    since: date
    until: date
    withdrawn_on: date | None = None
    upon: int = 0  # the number of the newest profile that a decision has seen

    def holds(self, on: date) -> bool:
        return self.since <= on <= self.until and (self.withdrawn_on is None or on < self.withdrawn_on)


def months_later(day: date, months: int) -> date:
    """The same day so many months later; the last of the month where that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def certificate(decisions: Sequence[Decision], checks: Sequence[Check], on: date) -> Certificate | None:
    """The newest certification that was given up to a day, whether or not it still holds.

    Given once more while it holds, it is for the profile of that day, and no longer than it was. A check in order,
    which one person makes, prolongs what two decided on and adds nothing to it.
    """
    happened: list[tuple[date, int, int, Decision | Check]] = [
        (each.on, 0, each.id, each)
        for each in decisions
        if each.state is DecisionState.CONFIRMED and each.on is not None and each.on <= on
    ]
    happened += [(check.on, 1, number, check) for number, check in enumerate(checks) if check.on <= on]
    found: Certificate | None = None
    for day, _, _, event in sorted(happened, key=lambda each: each[:3]):
        holds = found is not None and found.holds(day)
        match event:
            case Decision(kind=DecisionKind.GRANT) if not holds:
                found = Certificate(day, months_later(day, VALID_MONTHS), upon=event.upon)
            case Decision(kind=DecisionKind.GRANT) if found is not None:
                found = replace(found, upon=max(found.upon, event.upon))
            case Decision(kind=DecisionKind.WITHDRAW) if found is not None and holds:
                found = replace(found, withdrawn_on=day)
            case Check(in_order=True) if found is not None and holds:
                found = replace(found, until=max(found.until, months_later(day, VALID_MONTHS)))
            case _:
                pass
    return found


def findings(visits: Iterable[Visit]) -> Mapping[str, tuple[Verdict, date]]:
    """The latest verdict on each requirement that a closed visit has looked at, with its day."""
    found: dict[str, tuple[Verdict, date]] = {}
    for visit in sorted((each for each in visits if each.closed), key=lambda each: (each.on, each.id)):
        found |= {key: (verdict, visit.on) for key, verdict in visit.verdicts.items() if verdict is not Verdict.OPEN}
    return found


def lacks_to_send(profile: Profile | None, catalogue: Catalogue) -> tuple[Lack, ...]:
    """What an activity profile needs before it may be sent in or accepted."""
    if profile is None:
        return (Lack(Missing.PROFILE),)
    lacks = []
    if unanswered := profile.unanswered(catalogue):
        lacks.append(Lack(Missing.ROWS, len(unanswered)))
    elif not profile.offered:
        lacks.append(Lack(Missing.NOTHING_OFFERED))
    if not profile.areas:
        lacks.append(Lack(Missing.AREAS))
    return tuple(lacks)


def lacks_to_check(facts: Facts, on: date) -> tuple[Lack, ...]:
    """What must be there before a yearly check can be said to be in order."""
    lacks = []
    if overdue := [each for each in facts.actions if each.is_open and each.due_on < on]:
        lacks.append(Lack(Missing.OVERDUE, len(overdue)))
    if not any(months_later(day, TRAINING_MONTHS) >= on >= day for day in facts.trainings):
        lacks.append(Lack(Missing.TRAINING))
    return tuple(lacks)


def standing(book: Requirements, catalogue: Catalogue, facts: Facts, on: date) -> Standing:
    """How a provider stands on a day."""
    found = findings(facts.visits)
    unmet = tuple(key for key in book.by_key if key in found and _is_unmet(key, found, facts.actions))
    given = certificate(facts.decisions, facts.checks, on)
    certified = given is not None and given.holds(on)
    trained = [day for day in facts.trainings if day <= on]
    training_due = None
    if given is not None and given.withdrawn_on is None:
        training_due = months_later(max([given.since, *trained]), TRAINING_MONTHS)
    check_due = given.until if given is not None and given.withdrawn_on is None else None
    dues = [Due(Duty.ACTION, each.due_on, each.id) for each in facts.actions if each.is_open]
    if check_due is not None:
        dues.append(Due(Duty.CHECK, check_due))
    if training_due is not None:
        dues.append(Due(Duty.TRAINING, training_due))
    dues.sort(key=lambda each: (each.on, each.duty))
    information = _information(facts, catalogue)
    visit = _visit(book, facts, found)
    plan = [Lack(Missing.UNMET, len(unmet), unmet)] if unmet else []
    # Whoever had one before and lost it shows again what a yearly check would have asked.
    again = lacks_to_check(facts, on) if given is not None and not certified else ()
    missing = (*information.missing, *visit.missing, *plan, *again)
    late = [each for each in dues if each.on < on]
    return Standing(
        state=_state(facts, given, information, visit, certified=certified, lacking=bool(missing)),
        steps=(information, visit, _development(plan, late, given, certified=certified)),
        missing=missing,
        certified=certified,
        since=given.since if given is not None else None,
        until=given.until if given is not None else None,
        check_due=check_due,
        training_due=training_due,
        overdue=tuple(late),
        soon=tuple(each for each in dues if on <= each.on <= on + DUE_SOON),
        to_look_at=_to_look_at(facts),
    )


def _is_unmet(key: str, found: Mapping[str, tuple[Verdict, date]], actions: Iterable[Action]) -> bool:
    """Whether a requirement was found unmet and nothing done since has put it right."""
    verdict, seen = found[key]
    return verdict is Verdict.NOT_MET and not any(
        each.requirement == key and each.state is ActionState.DONE and each.done_on is not None and each.done_on >= seen
        for each in actions
    )


def _information(facts: Facts, catalogue: Catalogue) -> StepStanding:
    profile, draft = facts.profile, facts.draft
    if profile is not None:
        return StepStanding(StepKey.INFORMATION, profile.accepted_on, ())
    lacks = lacks_to_send(draft, catalogue)
    if draft is not None and not lacks:
        waits = Missing.NOT_ACCEPTED if draft.state is ProfileState.SENT else Missing.NOT_SENT
        lacks = (Lack(waits),)
    return StepStanding(StepKey.INFORMATION, None, lacks)


def _visit(book: Requirements, facts: Facts, found: Mapping[str, tuple[Verdict, date]]) -> StepStanding:
    closed = [each.on for each in facts.visits if each.closed]
    if not closed:
        waits = Missing.VISIT_OPEN if facts.visits else Missing.VISIT
        return StepStanding(StepKey.VISIT, None, (Lack(waits),))
    lacks = []
    if unseen := tuple(key for key in book.by_key if key not in found):
        lacks.append(Lack(Missing.NOT_LOOKED_AT, len(unseen), unseen))
    planned = {each.requirement for each in facts.actions if each.state is not ActionState.DROPPED}
    if bare := tuple(key for key in book.by_key if key in found and _is_unmet(key, found, ()) and key not in planned):
        lacks.append(Lack(Missing.NO_ACTION, len(bare), bare))
    return StepStanding(StepKey.VISIT, max(closed) if not lacks else None, tuple(lacks))


def _development(
    plan: Sequence[Lack], late: Sequence[Due], given: Certificate | None, *, certified: bool
) -> StepStanding:
    """The step that does not end: it is in order as long as nothing is unmet or late."""
    lacks = [*plan]
    named = {Duty.ACTION: Missing.OVERDUE, Duty.CHECK: Missing.CHECK, Duty.TRAINING: Missing.TRAINING}
    for duty, what in named.items():
        if count := sum(each.duty is duty for each in late):
            lacks.append(Lack(what, count))
    if not certified and not lacks:
        lacks.append(Lack(Missing.NOT_GIVEN))
    return StepStanding(StepKey.DEVELOPMENT, given.since if given is not None and not lacks else None, tuple(lacks))


def _state(
    facts: Facts,
    given: Certificate | None,
    information: StepStanding,
    visit: StepStanding,
    *,
    certified: bool,
    lacking: bool,
) -> State:
    if certified:
        return State.CERTIFIED
    if facts.proposed is not None and facts.proposed.kind is DecisionKind.GRANT:
        return State.PROPOSED
    if given is not None:
        return State.WITHDRAWN if given.withdrawn_on is not None else State.LAPSED
    if not information.done:
        return State.INFORMATION
    if not visit.done:
        return State.VISIT
    return State.PLAN if lacking else State.READY


def _to_look_at(facts: Facts) -> int:
    sent = facts.draft is not None and facts.draft.state is ProfileState.SENT
    said_done = sum(each.state is ActionState.SAID_DONE for each in facts.actions)
    return int(sent) + said_done + int(facts.proposed is not None)


# --- What nobody offers ----------------------------------------------------------------------------------------------

# Who offers what where: for each provider, the areas by row.
Offering = Mapping[str, Collection[AreaKey]]


def regions_of(areas: Iterable[AreaKey], country: Country, gazetteer: Gazetteer) -> frozenset[str]:
    """The codes of the län or fylker that these areas lie in or cover; a kommune counts for the one around it."""
    wanted = set(areas)
    level = REGION[country]
    known = [place for key in wanted if (place := gazetteer.find(country, *key)) is not None]
    around = {code for place in known for at, code in place.areas if at is level}
    covered = {place.code for place in gazetteer.places(country, level) if wanted & set(place.areas)}
    return frozenset(around | covered)


def nobody_offers(
    catalogue: Catalogue, country: Country, gazetteer: Gazetteer, offerings: Iterable[Offering]
) -> Mapping[str, tuple[Place, ...]]:
    """For every row, the län or fylker in which no provider offers it, by name; rows that all have are left out."""
    everywhere = sorted(gazetteer.places(country, REGION[country]), key=lambda place: place.name)
    offered: dict[str, set[str]] = {row: set() for row in catalogue.rows}
    known: dict[frozenset[AreaKey], frozenset[str]] = {}
    for offering in offerings:
        for row, areas in offering.items():
            key = frozenset(areas)
            if key not in known:
                known[key] = regions_of(key, country, gazetteer)
            offered.setdefault(row, set()).update(known[key])
    holes = {row: tuple(place for place in everywhere if place.code not in offered[row]) for row in catalogue.rows}
    return {row: places for row, places in holes.items() if places}
