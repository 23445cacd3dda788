"""A referral in the conversation: which service, on what basis, the slip, a call together, safe contact, its outcome.

Each step is one question that one tap answers; the referral stands once the basis is known, and everything after that
may be left unanswered. Nothing a clinician writes gets into a referral: it is made of what was chosen. Pure: what was
told in, words and deeds out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from enum import StrEnum
from typing import Any, Final, assert_never

from rapidfuzz import fuzz

from bot.answers import Form
from bot.commands import plain
from bot.referral import SKIPPED, Draft
from helpline.messages import Choice, Country, Language
from helpline.phrases import ZONES, Phrases, say_time
from routing import closed_days
from routing.directory import Directory
from routing.matching.match import AgeGroup, Query, match
from routing.matching.match import next_best as matching_next
from routing.places import Gazetteer, Level, Place
from routing.referrals import referral as rules
from routing.referrals.referral import (
    AROUND_THE_CLOCK,
    DAYTIME,
    Basis,
    Facts,
    MaySay,
    Outcome,
    Referral,
    RefusedFor,
    SafeContact,
    Way,
)
from routing.services import ADULT_HOUSING, Answer, Service, ServiceKind, Sex, Status

TO, OUTCOME = "f", "o"  # tokens: of making a referral, and of what came of one; each followed by what is meant
_LONGEST_ID = 43  # what fits beside the rest into a button's token
_LABEL = 34  # signs of a service's name on a button
_NOBODY_THERE = frozenset({ServiceKind.DIRECTORY, ServiceKind.GUIDANCE, ServiceKind.BACKGROUND})
_SAME_NAME = 80  # of 100: as alike as a name in a hurry is to the name


class Step(StrEnum):
    """What is asked next."""

    WHICH = "which"
    BASIS = "basis"
    INTRODUCTION = "introduction"
    SAFE = "safe"  # as suggested, or otherwise?
    WHEN = "when"
    HOW = "how"
    SAY = "say"


@dataclass(frozen=True)
class Making:
    """A referral while it is asked about."""

    step: Step
    service_id: str = ""
    referral_id: str = ""  # once it stands
    tonight: bool = False
    together: bool = False
    hours: tuple[str, str] | None = None
    ways: tuple[str, ...] = ()


def making_from_json(data: Mapping[str, Any]) -> Making:
    """What was being asked, back from plain values."""
    known = {name: data[name] for name in Making.__dataclass_fields__ if name in data}
    known["step"] = Step(known["step"])
    hours = known.get("hours")
    known["hours"] = (hours[0], hours[1]) if hours else None
    known["ways"] = tuple(known.get("ways", ()))
    return Making(**known)


# --- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MakeReferral:
    """Write this referral down."""

    id: str
    service: Service
    facts: Facts
    basis: Basis
    ask_at: datetime | None


@dataclass(frozen=True)
class CallTogether:
    """An advisor is to be with her when she calls the service."""

    referral_id: str


@dataclass(frozen=True)
class TellOutcome:
    """Write down what came of it."""

    referral_id: str
    outcome: Outcome
    refused_for: RefusedFor | None = None


@dataclass(frozen=True)
class RevokeConsent:
    """The patient takes the consent back."""

    referral_id: str


@dataclass(frozen=True)
class KeepSafeContact:
    """Keep how she may be reached; `ask_at` is when the outcome of this referral is asked under these rules."""

    safe: SafeContact
    referral_id: str = ""
    ask_at: datetime | None = None


Deed = MakeReferral | CallTogether | TellOutcome | RevokeConsent | KeepSafeContact


@dataclass(frozen=True)
class Turned:
    """What is said, what is done, and what is asked afterwards."""

    text: str
    choices: tuple[Choice, ...] = ()
    making: Making | None = None
    does: tuple[Deed, ...] = ()
    seek: bool = False  # an advisor is wanted for a call together
    urgent: bool = False
    slip: str = ""  # stands before the text, and where there is little room by itself


@dataclass(frozen=True)
class Scene:
    """What a step looks at."""

    phrases: Phrases
    language: Language
    country: Country
    directory: Directory
    gazetteer: Gazetteer
    form: Form
    now: datetime
    fresh_id: str  # of the referral that is made now, if one is
    status: str = ""
    minor: bool = False  # she said so since
    draft: Draft | None = None  # the services that were looked for last
    referrals: tuple[Referral, ...] = ()  # of this conversation, oldest first
    safe: SafeContact | None = None

    def say(self, key: str, **values: object) -> str:
        return self.phrases.say(key, self.language, **values)

    def choice(self, token: str, key: str, **values: object) -> Choice:
        return Choice(token, self.say(key, **values))

    def called(self, service_id: str) -> str:
        service = self.directory.find(service_id)
        return service.called(self.language) if service is not None else self.say("referring.gone")

    def referral(self, referral_id: str) -> Referral | None:
        return next((each for each in self.referrals if each.id == referral_id), None)

    def open_to(self, service_id: str) -> Referral | None:
        """The referral to this service of which nothing came yet."""
        return next((each for each in reversed(self.referrals) if each.service_id == service_id and each.open), None)


# --- choosing a service ----------------------------------------------------------------------------------------------


def offers(service_ids: Sequence[str], scene: Scene) -> list[Choice]:
    """The choices by which one of these is referred to: one each, or where there is little room one for all."""
    service_ids = [each for each in service_ids if _takes_referrals(scene.directory.find(each))]
    if not service_ids:
        return []
    if scene.form is not Form.WIDE:
        return [scene.choice(f"{TO}:which", "referring.one")]
    return [
        scene.choice(_token(each, scene), "referring.to", name=_brief(scene.called(each)))
        for each in service_ids
        if len(each) <= _LONGEST_ID
    ]


def _takes_referrals(service: Service | None) -> bool:
    """Whether there is anybody to speak to: a list of services or a course takes no patient."""
    return service is not None and service.kind not in _NOBODY_THERE


def _brief(name: str) -> str:
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 1].rstrip()}…"


def _token(service_id: str, scene: Scene) -> str:
    """What the button says. The id of a place that is hidden may hold its name, so a mark stands for it."""
    service = scene.directory.find(service_id)
    hidden = service is not None and service.hides_place
    return f"{TO}:to:{_mark(service_id) if hidden else service_id}"


def _mark(service_id: str) -> str:
    return f"_{hashlib.sha256(service_id.encode()).hexdigest()[:16]}"


def _meant(what: str, scene: Scene) -> str:
    """The id of the service that a button means."""
    if not what.startswith("_"):
        return what
    return next((each.id for each in scene.directory.services if each.hides_place and _mark(each.id) == what), "")


def start(scene: Scene) -> Turned | None:
    """She wants to refer: which of the services that were shown? None where none was."""
    shown = _shown(scene)
    if not shown:
        return None
    if len(shown) == 1:
        return choose(shown[0], scene)
    return _ask(Making(Step.WHICH), scene)


def _shown(scene: Scene) -> tuple[str, ...]:
    offered = scene.draft.offered if scene.draft is not None else ()
    return tuple(each for each in offered if _takes_referrals(scene.directory.find(each)))


def named(words: str, scene: Scene) -> str | None:
    """The id of the service that was shown and is meant by these words."""
    said = plain(words)
    if len(said) < 3:
        return None
    scores = [(fuzz.partial_ratio(said, plain(scene.called(each))), each) for each in _shown(scene)]
    best = max(scores, default=(0.0, ""))
    alike = [each for score, each in scores if score == best[0]]
    return best[1] if best[0] >= _SAME_NAME and len(alike) == 1 else None


def choose(service_id: str, scene: Scene) -> Turned:
    """She wants to refer to this service."""
    if scene.directory.find(service_id) is None:
        return Turned(scene.say("referring.gone"))
    known = scene.open_to(service_id)
    if known is not None:
        return again(known, scene)
    return _ask(Making(Step.BASIS, service_id), scene)


def again(referral: Referral, scene: Scene) -> Turned:
    """The slip once more, and what can be done with the referral."""
    return Turned(_slip(referral, scene), _afterwards(referral.id, scene, consent=referral.consent is not None))


# --- the steps -------------------------------------------------------------------------------------------------------


def _ask(
    making: Making,
    scene: Scene,
    lead: str = "",
    does: tuple[Deed, ...] = (),
    *,
    seek: bool = False,
    slip: str = "",
) -> Turned:
    text, choices = _question(making, scene)
    return Turned(f"{lead}\n\n{text}" if lead else text, tuple(choices), making, does, seek, slip=slip)


def ask_again(making: Making, scene: Scene) -> Turned:
    """What was being asked, once more."""
    return _ask(making, scene)


def _question(making: Making, scene: Scene) -> tuple[str, list[Choice]]:
    choice = scene.choice
    cancel = choice(f"{TO}:cancel", "referring.cancel")
    match making.step:
        case Step.WHICH:
            shown = [Choice(_token(each, scene), _brief(scene.called(each))) for each in _shown(scene)[:7]]
            return scene.say("referring.which"), [*shown, cancel]
        case Step.BASIS:
            text = scene.say("referring.consent", name=scene.called(making.service_id))
            # With whom it was asked: the button of an earlier question must not agree to another service.
            mark = _mark(making.service_id)
            return text, [
                choice(f"{TO}:basis:{Basis.CONSENT}:{mark}", "referring.basis.consent"),
                choice(f"{TO}:basis:{Basis.ADVICE}:{mark}", "referring.basis.advice"),
                cancel,
            ]
        case Step.INTRODUCTION:
            text = scene.say("referring.introduction", name=scene.called(making.service_id))
            return text, [
                choice(f"{TO}:together", "referring.together.yes"),
                choice(f"{TO}:alone", "referring.together.no"),
            ]
        case Step.SAFE:
            return scene.say("referring.safe"), [
                choice(f"{TO}:safe:default", "referring.safe.default"),
                choice(f"{TO}:safe:own", "referring.safe.own"),
                choice(f"{TO}:safe:never", "referring.safe.never"),
            ]
        case Step.WHEN:
            return scene.say("referring.when"), [
                choice(f"{TO}:when:{each}", f"referring.when.{each}") for each in _HOURS
            ]
        case Step.HOW:
            return scene.say("referring.how"), [choice(f"{TO}:how:{each}", f"referring.how.{each}") for each in _WAYS]
        case Step.SAY:
            return scene.say("referring.say"), [choice(f"{TO}:say:{each}", f"referring.say.{each}") for each in MaySay]
        case _:
            assert_never(making.step)


_HOURS: Final[Mapping[str, tuple[time, time]]] = {
    "day": DAYTIME,
    "office": (time(8), time(16)),
    "always": AROUND_THE_CLOCK,
}
_WAYS: Final[Mapping[str, tuple[Way, ...]]] = {
    "write": (Way.WRITE,),
    "call": (Way.CALL,),
    "both": (Way.WRITE, Way.CALL),
}


def told(making: Making | None, value: str, scene: Scene) -> Turned | None:
    """What a tapped choice means; None where it is not one of what is asked, or not of this release."""
    kind, _, what = value.partition(":")
    match kind:
        case "which":
            return start(scene)
        case "to":
            service = scene.directory.find(_meant(what, scene))
            if service is not None and service.kind in ADULT_HOUSING and _is_minor(scene):
                return None  # the button of an earlier search, for somebody else
            return choose(_meant(what, scene), scene)
        case "slip":
            known = scene.referral(what)
            return again(known, scene) if known is not None and not known.revoked else None
        case "reach":
            return _ask(Making(Step.SAFE), scene)
        case "revoke":
            return revoke(scene, what)
        case _ if making is None:
            return None
        case "cancel" if making.step in {Step.WHICH, Step.BASIS}:
            return Turned(scene.say("referring.cancelled"))
        case "basis" if what.partition(":")[0] in set(Basis):
            basis, _, mark = what.partition(":")
            return _based(making, Basis(basis), scene) if mark in {"", _mark(making.service_id)} else None
        case "together" | "alone" if making.step is Step.INTRODUCTION:
            return _introduced(making, scene, together=kind == "together")
        case "safe" if making.step is Step.SAFE:
            return _safe_told(making, what, scene)
        case "when" if making.step is Step.WHEN and what in _HOURS:
            return _hours_told(making, _HOURS[what], scene)
        case "how" if making.step is Step.HOW and what in _WAYS:
            return _ask(replace(making, step=Step.SAY, ways=tuple(way.value for way in _WAYS[what])), scene)
        case "say" if making.step is Step.SAY and what in set(MaySay):
            begins, ends = making.hours or ("", "")
            hours = (time.fromisoformat(begins), time.fromisoformat(ends)) if begins else None
            return _settled(making, SafeContact(hours, tuple(Way(way) for way in making.ways), MaySay(what)), scene)
        case _:
            return None


def _is_minor(scene: Scene) -> bool:
    return scene.minor or (scene.draft is not None and scene.draft.who == "child")


def yes_or_no(making: Making, scene: Scene, *, yes: bool) -> Turned | None:
    """What a plain yes or no means here."""
    meant = {
        Step.BASIS: (f"basis:{Basis.CONSENT}", f"basis:{Basis.ADVICE}"),
        Step.INTRODUCTION: ("together", "alone"),
        Step.SAFE: ("safe:default", "safe:own"),
    }.get(making.step)
    return told(making, meant[0 if yes else 1], scene) if meant is not None else None


def heard(making: Making, text: str, scene: Scene) -> Turned | None:
    """What words mean here; None where they are something else, as a question in between is."""
    if "?" in text:
        return None
    if making.step is Step.WHICH:
        service_id = named(text, scene)
        return choose(service_id, scene) if service_id is not None else None
    if making.step is Step.WHEN:
        hours = read_hours(text)
        return _hours_told(making, hours, scene) if hours is not None else None
    return None


def _based(making: Making, basis: Basis, scene: Scene) -> Turned | None:
    if making.step is not Step.BASIS:
        # The button of a question that has been answered: nothing is made a second time.
        known = scene.referral(making.referral_id)
        return _ask(making, scene, slip=_slip(known, scene)) if known is not None and known.open else None
    service = scene.directory.find(making.service_id)
    if service is None:
        return Turned(scene.say("referring.gone"))
    facts, tonight = _facts(service, scene)
    ask_at = rules.ask_first(scene.now, tonight=tonight, country=service.country, safe=scene.safe)
    made = MakeReferral(scene.fresh_id, service, facts, basis, ask_at)
    slip = _slip_of(service, facts, basis, scene)
    making = replace(making, referral_id=made.id, tonight=tonight)
    if service.introduction is Answer.YES:
        return _ask(replace(making, step=Step.INTRODUCTION), scene, "", (made,), slip=slip)
    if scene.safe is None:
        return _ask(replace(making, step=Step.SAFE), scene, "", (made,), slip=slip)
    ending = _when_asked(ask_at, scene)
    consent = basis is Basis.CONSENT
    return Turned(ending, _afterwards(made.id, scene, consent=consent), None, (made,), slip=slip)


def _introduced(making: Making, scene: Scene, *, together: bool) -> Turned:
    does: tuple[Deed, ...] = (CallTogether(making.referral_id),) if together else ()
    lead = scene.say("referring.together") if together else ""
    if scene.safe is None:
        return _ask(replace(making, step=Step.SAFE, together=together), scene, lead, does, seek=together)
    known = scene.referral(making.referral_id)
    ending = _when_asked(known.ask_at if known is not None else None, scene)
    text = f"{lead}\n\n{ending}" if lead else ending
    return Turned(
        text, _afterwards(making.referral_id, scene, consent=_by_consent(making, scene)), None, does, together
    )


def _safe_told(making: Making, what: str, scene: Scene) -> Turned | None:
    match what:
        case "default":
            return _settled(making, SafeContact(hours=DAYTIME), scene)
        case "own":
            return _ask(replace(making, step=Step.WHEN), scene)
        case "never":
            return _settled(making, SafeContact(ways=()), scene)
        case _:
            return None


def _hours_told(making: Making, hours: tuple[time, time], scene: Scene) -> Turned:
    begins, ends = (each.isoformat("minutes") for each in hours)
    making = replace(making, step=Step.HOW, hours=(begins, ends))
    if scene.form is Form.WIDE:
        # Here is no telephone to call: whoever chose that would hear nothing from us.
        making = replace(making, step=Step.SAY, ways=(Way.WRITE.value,))
    return _ask(making, scene)


def _settled(making: Making, safe: SafeContact, scene: Scene) -> Turned:
    """How she may be reached is known: it is said back, with when we ask."""
    known = scene.referral(making.referral_id)
    ask_at = None
    if known is not None and known.open:
        ask_at = rules.ask_first(known.made_at, tonight=making.tonight, country=known.country, safe=safe)
        if ask_at is not None:
            ask_at = rules.safely(known, max(ask_at, scene.now), safe)
    kept = KeepSafeContact(safe, known.id if known is not None else "", ask_at)
    lines = [rules_in_words(safe, scene.phrases, scene.language)]
    if known is None:
        return Turned("\n".join(lines), (scene.choice(f"{TO}:reach", "referring.reach"),), None, (kept,))
    lines.append(_when_asked(ask_at, scene))
    return Turned("\n".join(lines), _afterwards(known.id, scene, consent=known.consent is not None), None, (kept,))


def _by_consent(making: Making, scene: Scene) -> bool:
    known = scene.referral(making.referral_id)
    return known is not None and known.consent is not None


def _when_asked(ask_at: datetime | None, scene: Scene) -> str:
    if ask_at is None:
        return scene.say("referring.asked.never")
    at = say_time(ask_at, now=scene.now, zone=ZONES[scene.country], language=scene.language)
    return scene.say("referring.asked", time=at)


def _afterwards(referral_id: str, scene: Scene, *, consent: bool) -> tuple[Choice, ...]:
    told_now = scene.choice(f"{OUTCOME}:{referral_id}", "referring.tell")
    back = [scene.choice(f"{TO}:revoke:{referral_id}", "referring.revoke")] if consent else []
    return (told_now, *back, scene.choice(f"{TO}:reach", "referring.reach"))


def rules_in_words(safe: SafeContact, phrases: Phrases, language: Language) -> str:
    """How she may be reached, said back so that a mistake is seen."""
    if not safe.ways:
        return phrases.say("referring.rules.never", language)
    hours = safe.hours or DAYTIME
    when = (
        phrases.say("referring.when.always", language)
        if hours[0] == hours[1]
        else phrases.say("referring.hours", language, begins=f"{hours[0]:%H:%M}", ends=f"{hours[1]:%H:%M}")
    )
    way = "both" if len(safe.ways) > 1 else safe.ways[0].value
    how = phrases.say(f"referring.how.{way}", language)
    what = phrases.say(f"referring.say.{safe.may_say.value}", language)
    return phrases.say("referring.rules", language, rules=", ".join((when, how.lower(), what.lower())))


_CLOCK = r"(?:kl\.?\s*)?([01]?\d|2[0-4])(?:[:.]([0-5]\d))?"
_FROM_TO = re.compile(rf"\b{_CLOCK}\s*(?:-|–|til|till|to|og|och|and)\s*{_CLOCK}\b", re.IGNORECASE)
_AFTER = re.compile(rf"\b(?:etter|efter|after|fra|frå|från|from)\s+{_CLOCK}\b", re.IGNORECASE)
_BEFORE = re.compile(rf"\b(?:før|innan|före|before)\s+{_CLOCK}\b", re.IGNORECASE)
_LATE, _EARLY = time(22), time(7)


_NOT_HOURS = re.compile(r"\d\s*(?:år|uke|veke|veck|måned|månad|dag|day|week|month|year)", re.IGNORECASE)
# Read as they stand, these would give the very hours that are not safe.
_OTHERWISE = re.compile(
    r"\b(?:ikke|ikkje|inte|not|aldri|aldrig|never|unntatt|unntake|utom|except)\b|\d\s*[ap]\.?m\b", re.IGNORECASE
)


def read_hours(text: str) -> tuple[time, time] | None:
    """The hours that these words name: "9-15", "kl 8 til 16.30", "etter 16"; of "ikke etter 16" none."""
    if _NOT_HOURS.search(text) is not None or _OTHERWISE.search(text) is not None:
        return None
    if (found := _FROM_TO.search(text)) is not None:
        begins, ends = _time(found[1], found[2]), _time(found[3], found[4])
        return (begins, ends) if begins != ends else None  # the same twice would be day and night
    if (found := _AFTER.search(text)) is not None:
        begins = _time(found[1], found[2])
        return begins, _LATE if begins < _LATE else _EARLY
    if (found := _BEFORE.search(text)) is not None:
        ends = _time(found[1], found[2])
        return (_EARLY, ends) if ends > _EARLY else None
    return None


def _time(hours: str, minutes: str | None) -> time:
    return time(int(hours) % 24, int(minutes or 0))


# --- the slip --------------------------------------------------------------------------------------------------------

_SEX = {"woman": Sex.FEMALE, "man": Sex.MALE, "other": Sex.OTHER}
_AGE = {"child": AgeGroup.MINOR} | dict.fromkeys(("woman", "man", "family", "other"), AgeGroup.ADULT)


def _facts(service: Service, scene: Scene) -> tuple[Facts, bool]:
    """What is told of the patient, and whether it is for tonight: as it was looked for, else as it was told last."""
    draft = scene.draft
    if draft is None or not draft.needs:
        last = scene.referrals[-1] if scene.referrals else None
        return (last.facts if last is not None else Facts(service.country)), False
    needs = tuple(need for need in draft.wanted if need in scene.directory.needs)
    here = draft.region if draft.place_country in {"", service.country.value} else ""
    facts = Facts(
        country=service.country,
        region=here,
        needs=needs,
        sex=_SEX.get(draft.who),
        age_group=AgeGroup.MINOR if scene.minor else _AGE.get(draft.who),
        with_children=draft.who == "family",
    )
    urgent = any(scene.directory.needs[need].urgent for need in needs)
    return facts, urgent and draft.when not in {"tomorrow", "later"}


def _slip(referral: Referral, scene: Scene) -> str:
    service = scene.directory.find(referral.service_id)
    if service is None:
        return scene.say("referring.gone")
    return _slip_of(service, referral.facts, referral.basis, scene)


def _slip_of(service: Service, facts: Facts, basis: Basis, scene: Scene) -> str:
    needs = [scene.directory.needs[need].names[scene.language] for need in facts.needs if need in scene.directory.needs]
    place = region_of(facts, scene.gazetteer)
    words = rules.slip_of(
        service,
        facts,
        basis,
        phrases=scene.phrases,
        language=scene.language,
        needs=needs,
        region=place.name if place is not None else "",
        say_first=scene.directory.say_first(service, scene.language),
        short=scene.form is not Form.WIDE,
    )
    return f"{scene.say('referring.slip')}\n{words}" if scene.form is Form.WIDE else words


def region_of(facts: Facts, gazetteer: Gazetteer) -> Place | None:
    """The fylke or län of a referral."""
    if not facts.region:
        return None
    level = Level.LAN if facts.country is Country.SE else Level.FYLKE
    try:
        return gazetteer.find(facts.country, level, facts.region)
    except ValueError:
        return None


# --- what came of it -------------------------------------------------------------------------------------------------


def ask_outcome(referral: Referral, scene: Scene, *, plainly: bool = True) -> Turned:
    """What came of it? Without `plainly` nothing in the message tells what it is about."""
    key = "outcome" if plainly else "outcome.covert"
    choices = tuple(scene.choice(f"{OUTCOME}:{referral.id}:{each.value}", f"{key}.{each.value}") for each in Outcome)
    text = (
        scene.say("outcome.ask", name=scene.called(referral.service_id)) if plainly else scene.say("outcome.covert.ask")
    )
    return Turned(text, choices)


def outcome_told(value: str, scene: Scene) -> Turned | None:
    """A tap on what came of it, or the wish to tell; None where the referral is gone."""
    referral_id, _, what = value.partition(":")
    referral = scene.referral(referral_id)
    if referral is None or referral.revoked:
        return None
    if not what:
        return ask_outcome(referral, scene)
    outcome, _, because = what.partition(":")
    if outcome not in set(Outcome) or (because and because not in set(RefusedFor)):
        return None
    why = RefusedFor(because) if because else None
    return _answered(referral, Outcome(outcome), why, scene)


def asked_about(offered: Iterable[str]) -> set[str]:
    """The referrals whose outcome these tokens tell."""
    parts = (token.split(":") for token in offered)
    return {part[1] for part in parts if len(part) > 2 and part[0] == OUTCOME}


def outcome_typed(text: str, offered: Iterable[str], scene: Scene) -> str | None:
    """The token among those that were offered whose label these words are, plain or covert: "fullt", "svarte ikke"."""
    said = plain(text)
    for token in offered:
        kind, _, value = token.partition(":")
        referral_id, _, what = value.partition(":")
        if kind != OUTCOME:
            continue
        if not what:
            # "Tell how it went" was offered, and she tells it at once; covert words could mean anything here.
            at_once = next((each for each in Outcome if said == plain(scene.say(f"outcome.{each.value}"))), None)
            if at_once is not None:
                return f"{OUTCOME}:{referral_id}:{at_once.value}"
            continue
        outcome, _, because = what.partition(":")
        keys = (f"outcome.why.{because}",) if because else (f"outcome.{outcome}", f"outcome.covert.{outcome}")
        if said in {plain(scene.say(key)) for key in keys}:
            return token
    return None


def _answered(referral: Referral, outcome: Outcome, why: RefusedFor | None, scene: Scene) -> Turned:
    does = (TellOutcome(referral.id, outcome, why),)
    noted = scene.say(f"outcome.noted.{outcome.value}", name=scene.called(referral.service_id))
    slip_again = scene.choice(f"{TO}:slip:{referral.id}", "referring.slip.again")
    match outcome:
        case Outcome.ACCEPTED:
            return Turned(noted, (), None, does)
        case Outcome.UNSAFE:
            numbers = scene.phrases.say_in("outcome.unsafe", scene.country, scene.language)
            return Turned(f"{numbers}\n\n{noted}", (), None, does, urgent=True)
        case Outcome.NOT_CONTACTED:
            return Turned(noted, (slip_again,), None, does)
        case Outcome.REFUSED if why is not None:
            return Turned(scene.say("outcome.noted.why"), tuple(_next_choice(referral, scene)), None, does)
        case Outcome.FULL | Outcome.REFUSED | Outcome.NO_ANSWER:
            text, choices = _with_next(noted, referral, scene)
            if outcome is Outcome.REFUSED:
                asked = scene.say("outcome.why")
                reasons = [
                    scene.choice(f"{OUTCOME}:{referral.id}:{outcome.value}:{each.value}", f"outcome.why.{each.value}")
                    for each in RefusedFor
                ]
                return Turned(f"{text}\n\n{asked}", (*choices, *reasons), None, does)
            if outcome is Outcome.NO_ANSWER:
                choices.append(slip_again)
            return Turned(text, tuple(choices), None, does)
        case _:
            assert_never(outcome)


def _with_next(noted: str, referral: Referral, scene: Scene) -> tuple[str, list[Choice]]:
    service = next_best(referral, scene)
    if service is None:
        return f"{noted}\n\n{scene.say('refer.again')}", []
    numbers = ", ".join(phone.number for phone in service.phones[:2])
    name = service.called(scene.language)
    line = scene.say("outcome.next", name=f"{name}: {numbers}" if numbers else name)
    return f"{noted}\n\n{line}", _to(service, scene)


def _next_choice(referral: Referral, scene: Scene) -> list[Choice]:
    service = next_best(referral, scene)
    return _to(service, scene) if service is not None else []


def _to(service: Service, scene: Scene) -> list[Choice]:
    return [scene.choice(_token(service.id, scene), "referring.to", name=_brief(service.called(scene.language)))]


def next_best(referral: Referral, scene: Scene) -> Service | None:
    """The service to try after this one: the best for the same patient of those that were not tried."""
    tried = frozenset(each.service_id for each in scene.referrals)
    query = query_of(referral, scene)
    at = scene.now
    matched = match(scene.directory, query, at, holidays=closed_days.around(query.country, at))
    beside = {offer.service.id for offer in matched.offered if offer.fallback or not _takes_referrals(offer.service)}
    # Who is under 18 is led to child protection before anybody else, wherever in the line this one stood.
    after = "" if query.is_minor else referral.service_id
    best = matching_next(matched, after, tried=tried | beside)
    return best.service if best is not None else None


def query_of(referral: Referral, scene: Scene) -> Query:
    """The question that this referral answered, as far as it is still known."""
    facts, draft = referral.facts, scene.draft
    place = region_of(facts, scene.gazetteer)
    if draft is not None and draft.region == facts.region and draft.place_code not in {"", SKIPPED}:
        # Nearer than the fylke, as long as it is remembered.
        place = scene.gazetteer.find(Country(draft.place_country), Level(draft.place_level), draft.place_code)
    return Query(
        country=facts.country,
        place=place,
        needs=facts.needs,
        sex=facts.sex,
        age=AgeGroup.MINOR if scene.minor else facts.age_group,
        status=(
            Status(scene.status).in_country(facts.country) if scene.status in {each.value for each in Status} else None
        ),
        with_children=facts.with_children,
    )


# --- taking the consent back -----------------------------------------------------------------------------------------


def revoke(scene: Scene, referral_id: str = "") -> Turned:
    """The patient takes the consent back: to this referral, or to the one there is; else it is asked which."""
    given = [each for each in scene.referrals if each.consent is not None and not each.revoked]
    if referral_id:
        given = [each for each in given if each.id == referral_id]
    if not given:
        return Turned(scene.say("referring.revoked.none"))
    if len(given) > 1:
        choices = [Choice(f"{TO}:revoke:{each.id}", _brief(scene.called(each.service_id))) for each in given[-8:]]
        return Turned(scene.say("referring.revoke.which"), tuple(choices))
    name = scene.called(given[0].service_id)
    return Turned(scene.say("referring.revoked", name=name), (), None, (RevokeConsent(given[0].id),))
