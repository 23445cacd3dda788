"""What is said about an escalation: to the clinician who waits, to advisors, and to coordinators. Pure.

A page holds a code, urgency, language and region, and never what anybody wrote. The label in brackets is how the
message is found at the provider after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from escalation.effects import AlarmCoordinator, Page, PageReason, TellAdvisor, TellClinician, ToAdvisor, ToClinician
from escalation.paging import decline_token, take_token
from escalation.standing import Urgency
from helpline.messages import Choice, Country, Language, OutboundMessage
from helpline.phrases import ZONES, Phrases, say_list, say_time

_BY_COUNTRY = frozenset({ToClinician.NOBODY_YET, ToClinician.NOBODY_REACHED, ToClinician.NOBODY_ON_DUTY})


@dataclass(frozen=True)
class About:
    """What may be said of an escalation to whoever is woken for it."""

    code: str
    urgency: Urgency
    language: Language  # the clinician's
    country: Country
    region: str
    opened_at: datetime
    pleas: int
    drill: bool = False  # practice: no clinician waits


def to_clinician(
    phrases: Phrases, told: TellClinician, *, language: Language, country: Country, now: datetime
) -> OutboundMessage:
    """The message to her who waits."""
    if told.word in _BY_COUNTRY:
        return OutboundMessage(phrases.say_in(f"waiting.{told.word.value}", country, language))
    key = f"waiting.{told.word.value}"
    if told.by is None:
        return OutboundMessage(phrases.say(key, language))
    by = say_time(told.by, now=now, zone=ZONES[country], language=language)
    return OutboundMessage(phrases.say(key, language, by=by))


def label(code: str, number: int | None = None) -> str:
    """The label that a page carries, by which the provider is asked for it."""
    return f"[{code}]" if number is None else f"[{code}-{number}]"


def page(
    phrases: Phrases, called: Page, about: About, *, page_id: str, owner: str, language: Language, now: datetime
) -> OutboundMessage:
    """The message that wakes an advisor."""
    urgent = about.urgency is Urgency.URGENT
    why: list[str] = []
    waited = max(1, round((now - about.opened_at).total_seconds() / 60))
    match called.reason:
        case PageReason.SHIFT:
            why.append(phrases.say("page.why.shift", language, minutes=waited))
        case PageReason.HANDOVER:
            why.append(phrases.say("page.why.handover", language, name=owner))
        case PageReason.LAST_RESORT:
            why.append(phrases.say("page.why.last_resort", language, minutes=waited))
        case PageReason.STEP:
            pass
    if about.pleas > 1:
        why.append(phrases.say("page.why.pleas", language, times=about.pleas))
    if called.late:
        why.append(phrases.say("page.why.late", language))
    text = phrases.say(
        "page.drill" if about.drill else "page.urgent" if urgent else "page.routine",
        language,
        tag=label(about.code, called.number),
        spoken=phrases.say(f"page.language.{about.language.value}", language),
        place=about.region or phrases.say(f"page.country.{about.country.value}", language),
        why="".join(f" {sentence}" for sentence in why),
        code=about.code,
    )
    return OutboundMessage(text, _buttons(phrases, page_id, language), urgent=urgent)


def bundle(phrases: Phrases, *, code: str, count: int, page_id: str, language: Language) -> OutboundMessage:
    """One message for several routine pages, which can be answered as a whole."""
    text = phrases.say("page.bundle", language, tag=label(code), count=count, code=code)
    return OutboundMessage(text, _buttons(phrases, page_id, language))


def _buttons(phrases: Phrases, page_id: str, language: Language) -> tuple[Choice, ...]:
    return (
        Choice(take_token(page_id), phrases.say("page.take", language)),
        Choice(decline_token(page_id), phrases.say("page.no", language)),
    )


def to_advisor(
    phrases: Phrases, told: TellAdvisor, *, code: str, names: Sequence[str], language: Language, several: bool = False
) -> OutboundMessage:
    """The word to an advisor; `names` are the colleagues it is about, and `several` says that they have more cases."""
    others = say_list(names, language) if names else phrases.say("staff.somebody", language)
    key = "staff.yours_too" if several and told.word is ToAdvisor.YOURS else f"staff.{told.word.value}"
    text = phrases.say(key, language, code=code, names=others)
    return OutboundMessage(text, urgent=told.word in (ToAdvisor.CLINICIAN_WAITS, ToAdvisor.NOW_URGENT))


def alarm(phrases: Phrases, raised: AlarmCoordinator, *, code: str, language: Language) -> OutboundMessage:
    """The word to a coordinator."""
    return OutboundMessage(phrases.say(f"alarm.{raised.reason.value}", language, code=code), urgent=True)


def help_text(phrases: Phrases, *, owned: Sequence[str], asked: Sequence[str], language: Language) -> OutboundMessage:
    """What an advisor can write, with the codes that mean something to them now."""
    parts = []
    if owned:
        parts.append(phrases.say("staff.help.owned", language, codes=say_list(owned, language), code=owned[0]))
    if asked:
        parts.append(phrases.say("staff.help.asked", language, codes=say_list(asked, language), code=asked[0]))
    if not parts:
        parts.append(phrases.say("staff.help.nothing", language))
    return OutboundMessage("\n\n".join(parts))
