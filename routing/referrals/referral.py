"""One referral: what was agreed with the patient, what came of it, when we ask, and how somebody may be reached safely.

A referral holds coarse facts and nobody: a need, a sex, an age group, a region. Each event is one function that gives
the referral afterwards; an event that does not fit gives it back unchanged. Pure: every instant is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from helpline.daytime import EVENING, MORNING, in_the_daytime
from helpline.messages import Country, Language
from helpline.phrases import ZONES, Phrases
from routing.matching.match import AgeGroup
from routing.services import Service, Sex

CONSENT_WORDING: Final = "2026-11-22.2"  # of the phrase `referring.consent`; a change of its words is a new version
PURPOSE: Final = "help-from-service"  # so that the service can say whether it can help
ASKED_AT_MOST: Final = 2
OVERDUE_AFTER: Final = timedelta(days=14)
LISTED_AFTER: Final = timedelta(days=1)  # after which somebody should know what came of it
SOON: Final = timedelta(hours=2)  # after which help for tonight has been found or not
ASK_AT: Final = time(10)  # on the next day, when the first calls of the day are made


class Basis(StrEnum):
    """On what the service is spoken with."""

    CONSENT = "consent"  # the patient agreed
    ADVICE = "advice"  # nobody is named: advice about somebody who is not identified


class Via(StrEnum):
    """Where the referral was made."""

    CHAT = "chat"
    DESK = "desk"


class Outcome(StrEnum):
    """What came of it."""

    ACCEPTED = "accepted"
    FULL = "full"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    UNSAFE = "unsafe"  # it could not be done without danger
    NOT_CONTACTED = "not-contacted"


class RefusedFor(StrEnum):
    """Why the service said no."""

    SEX = "sex"
    AGE = "age"
    CHILDREN = "children"  # who come with the patient
    STATUS = "status"
    SUBSTANCE = "substance"
    AREA = "area"  # the patient is from, or in, the wrong place
    EXPLOITATION = "exploitation"
    OTHER = "other"


SAYS_NO: Final = frozenset({Outcome.FULL, Outcome.REFUSED})
ANOTHER_IS_NEEDED: Final = SAYS_NO | {Outcome.NO_ANSWER}


@dataclass(frozen=True)
class Consent:
    """What the patient agreed to: for what, to whom, in which wording, and whether it still holds."""

    purpose: str
    recipient: str  # id of the service
    wording_version: str
    given_at: datetime
    revoked_at: datetime | None = None


class Way(StrEnum):
    """How somebody may be reached."""

    WRITE = "write"  # where she writes to us, or by SMS
    CALL = "call"


class MaySay(StrEnum):
    """What a message may tell whoever else reads it."""

    NOTHING = "nothing"  # only that there is a message
    ANYTHING = "anything"


@dataclass(frozen=True)
class SafeContact:
    """When, how, and with which words we may begin to write or call. Answers to what she writes come at once."""

    # From and to on the clock where she is; the same twice is day and night; None was not said: in the daytime.
    hours: tuple[time, time] | None = None
    ways: tuple[Way, ...] = (Way.WRITE,)  # none: she reaches us, and we never her
    may_say: MaySay = MaySay.NOTHING
    until: datetime | None = None  # they hold until then

    def holds(self, now: datetime) -> bool:
        """Whether the rules still hold."""
        return self.until is None or now < self.until

    def next_safe(self, at: datetime, zone: ZoneInfo, way: Way = Way.WRITE) -> datetime | None:
        """The first instant from `at` at which we may begin; None where we may never."""
        if way not in self.ways:
            return None
        if self.hours is None:
            return in_the_daytime(at, zone)
        return _within(self.hours, at, zone)


DAYTIME: Final = (MORNING, EVENING)
AROUND_THE_CLOCK: Final = (time(0), time(0))


def _within(hours: tuple[time, time], at: datetime, zone: ZoneInfo) -> datetime:
    begins, ends = hours
    if begins == ends:
        return at
    local = at.astimezone(zone)
    clock = local.time()
    inside = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    if inside:
        return at
    day = local.date() if clock < begins else local.date() + timedelta(days=1)
    return datetime.combine(day, begins, tzinfo=zone).astimezone(at.tzinfo)


def safe_to_json(safe: SafeContact) -> dict[str, Any]:
    """The rules as plain values."""
    return {
        "hours": [part.isoformat("minutes") for part in safe.hours] if safe.hours is not None else None,
        "ways": [way.value for way in safe.ways],
        "may_say": safe.may_say.value,
        "until": safe.until.isoformat() if safe.until is not None else None,
    }


def safe_from_json(data: Mapping[str, Any]) -> SafeContact:
    """The rules back from plain values."""
    hours, until = data.get("hours"), data.get("until")
    return SafeContact(
        hours=(time.fromisoformat(hours[0]), time.fromisoformat(hours[1])) if hours else None,
        ways=tuple(Way(way) for way in data.get("ways", ())),
        may_say=MaySay(data.get("may_say", MaySay.NOTHING)),
        until=datetime.fromisoformat(until) if until else None,
    )


@dataclass(frozen=True)
class Facts:
    """What is told of the patient: as little as lets a service say whether it can help."""

    country: Country
    region: str = ""  # code of the fylke or län
    needs: tuple[str, ...] = ()
    sex: Sex | None = None
    age_group: AgeGroup | None = None
    with_children: bool = False


@dataclass(frozen=True)
class Referral:
    """A service was chosen for a patient whom nobody can recognise."""

    id: str
    service_id: str
    service_revision: int
    country: Country
    region: str
    needs: tuple[str, ...]
    sex: Sex | None
    age_group: AgeGroup | None
    with_children: bool
    basis: Basis
    consent: Consent | None
    introduction: bool  # an advisor calls together with her
    via: Via
    made_by: str  # "clinician", or the id of who works here
    conversation_id: str | None  # None where nobody is asked in a conversation, or it was erased
    made_at: datetime
    ask_at: datetime | None  # when the outcome is asked next; None where it is not
    asked: int = 0
    outcome: Outcome | None = None
    refused_for: RefusedFor | None = None
    outcome_at: datetime | None = None
    outcome_by: str = ""

    @property
    def revoked(self) -> bool:
        return self.consent is not None and self.consent.revoked_at is not None

    @property
    def open(self) -> bool:
        """Whether it is still to be told what came of it."""
        return self.outcome is None and not self.revoked

    @property
    def asks(self) -> bool:
        """Whether it is still worth asking what came of it."""
        return not self.revoked and self.outcome in {None, Outcome.NOT_CONTACTED}

    @property
    def facts(self) -> Facts:
        return Facts(self.country, self.region, self.needs, self.sex, self.age_group, self.with_children)


# --- asking what came of it ------------------------------------------------------------------------------------------


def ask_first(now: datetime, *, tonight: bool, country: Country, safe: SafeContact | None) -> datetime | None:
    """When the outcome is asked for the first time: soon where it is for tonight, else on the next day."""
    zone = ZONES[country]
    return _safely(now + SOON if tonight else _next_day(now, zone), zone, safe)


def ask_again(now: datetime, *, country: Country, safe: SafeContact | None) -> datetime | None:
    """When it is asked for the last time."""
    zone = ZONES[country]
    return _safely(_next_day(now, zone), zone, safe)


def _next_day(now: datetime, zone: ZoneInfo) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, ASK_AT, tzinfo=zone).astimezone(now.tzinfo)


def _safely(at: datetime, zone: ZoneInfo, safe: SafeContact | None) -> datetime | None:
    return (safe or SafeContact()).next_safe(at, zone)


def safely(referral: Referral, at: datetime, safe: SafeContact | None, way: Way = Way.WRITE) -> datetime | None:
    """The first moment from `at` at which its outcome may be asked for in this way."""
    return (safe or SafeContact()).next_safe(at, ZONES[referral.country], way)


def asked(referral: Referral, now: datetime, safe: SafeContact | None) -> Referral:
    """The outcome was asked for once more."""
    if referral.ask_at is None or not referral.asks:
        return referral
    times = referral.asked + 1
    again = ask_again(now, country=referral.country, safe=safe) if times < ASKED_AT_MOST else None
    return replace(referral, asked=times, ask_at=again)


def ask_from(referral: Referral, at: datetime | None) -> Referral:
    """It is asked from then on, since other rules hold; without `at` it is not asked."""
    return replace(referral, ask_at=at) if referral.asks and referral.asked < ASKED_AT_MOST else referral


def put_off(referral: Referral, until: datetime | None) -> Referral:
    """Now is no time to ask; it is not counted. Without `until` there never is."""
    return replace(referral, ask_at=until) if referral.ask_at is not None else referral


# --- what came of it -------------------------------------------------------------------------------------------------


def told(
    referral: Referral,
    outcome: Outcome,
    refused_for: RefusedFor | None,
    *,
    by: str,
    now: datetime,
    safe: SafeContact | None = None,
) -> Referral:
    """The referral once somebody told what came of it. The last word counts; the same word twice changes nothing.

    Whoever has not called yet is asked once more, as long as that was not done twice.
    """
    if referral.revoked:
        return referral
    because = refused_for if outcome is Outcome.REFUSED else None
    same = referral.outcome is outcome and because in {None, referral.refused_for}
    if same and outcome is not Outcome.NOT_CONTACTED:
        return referral
    again = None
    if outcome is Outcome.NOT_CONTACTED and referral.via is Via.CHAT and referral.asked < ASKED_AT_MOST:
        again = ask_again(now, country=referral.country, safe=safe)
    if same:
        return replace(referral, ask_at=again)
    return replace(referral, outcome=outcome, refused_for=because, outcome_at=now, outcome_by=by, ask_at=again)


def revoke(referral: Referral, now: datetime) -> Referral:
    """The patient takes the consent back: what was told of the patient goes, and nothing is asked any more."""
    if referral.consent is None or referral.revoked:
        return referral
    return replace(
        referral,
        consent=replace(referral.consent, revoked_at=now),
        needs=(),
        region="",
        sex=None,
        age_group=None,
        with_children=False,
        introduction=False,
        ask_at=None,
    )


def due(referral: Referral, now: datetime) -> bool:
    """Whether somebody should know by now what came of it: it was asked for, or a day has gone."""
    return referral.open and (referral.asked > 0 or now - referral.made_at >= LISTED_AFTER)


def overdue(referral: Referral, now: datetime) -> bool:
    """Whether nobody has told for too long what came of it."""
    return referral.open and now - referral.made_at >= OVERDUE_AFTER


# --- what is read out ------------------------------------------------------------------------------------------------


def slip_of(
    service: Service,
    facts: Facts,
    basis: Basis,
    *,
    phrases: Phrases,
    language: Language,
    needs: Sequence[str] = (),
    region: str = "",
    say_first: str = "",
    short: bool = False,
) -> str:
    """What the clinician reads out or pastes: nothing in it tells who the patient is.

    `needs` and `region` are those of the referral in words, `say_first` what to say when calling this service. All
    of it stands in our phrases and in the directory: nothing that a clinician wrote gets in. A `short` one is for SMS.
    """
    # Each kommune has its own number, and a hidden place no page that may be named: what it is says how it is found.
    by_words = not service.phones and (service.area.everywhere or service.hides_place)
    name, what = service.called(language), service.described(language)
    reached = (what if what != name else "") if by_words else reached_at(service)
    about = [*needs, *coarse(facts, phrases, language), *([region] if region else [])]
    opening = phrases.say("slip.first", language, words=say_first) if say_first and not short else ""
    lines = [
        f"{name}: {reached}" if reached else name,
        opening or phrases.say("slip.who", language),
        phrases.say("slip.facts", language, facts=", ".join(about)) if about else "",
        phrases.say(f"slip.basis.{basis.value}", language),
        "" if opening else phrases.say("slip.ask", language),
    ]
    return "\n".join(line for line in lines if line)


def reached_at(service: Service) -> str:
    """How a service is reached from here: by its numbers, else by mail or on its page; empty where nothing is known."""
    numbers = ", ".join(phone.number for phone in service.phones[:2])
    # A page or an address may name the place that must not be named.
    return numbers or ("" if service.hides_place else service.email or service.url)


def coarse(facts: Facts, phrases: Phrases, language: Language) -> list[str]:
    """Sex, age group and children in words."""
    told = []
    if facts.age_group is AgeGroup.MINOR:
        told.append(phrases.say("slip.minor", language))
    elif facts.sex is not None:
        told.append(phrases.say(f"slip.adult.{facts.sex.value}", language))
    elif facts.age_group is AgeGroup.ADULT:
        told.append(phrases.say("slip.adult", language))
    if facts.with_children:
        told.append(phrases.say("slip.children", language))
    return told
