"""What is said about an escalation: to the clinician who waits, to advisors, and to coordinators. Pure.

A page holds a code, urgency, language and region, and never what anybody wrote. The label in brackets is how the
message is found at the provider after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from escalation.effects import AlarmCoordinator, Page, PageReason, TellAdvisor, TellClinician, ToAdvisor, ToClinician
from escalation.paging import ON_CALL_TOKEN, Doing, case_token, decline_token, take_token
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
    phrases: Phrases,
    told: TellAdvisor,
    *,
    code: str,
    names: Sequence[str],
    language: Language,
    several: bool = False,
    escalation_id: str = "",
) -> OutboundMessage:
    """The word to an advisor; `names` are the colleagues it is about, and `several` says that they have more cases."""
    others = say_list(names, language) if names else phrases.say("staff.somebody", language)
    key = "staff.yours_too" if several and told.word is ToAdvisor.YOURS else f"staff.{told.word.value}"
    text = phrases.say(key, language, code=code, names=others)
    choices = tuple(
        Choice(case_token(doing, escalation_id), phrases.say(f"case.{doing.value}", language))
        for doing in _NEXT_TO.get(told.word, ())
        if escalation_id
    )
    return OutboundMessage(text, choices, urgent=told.word in (ToAdvisor.CLINICIAN_WAITS, ToAdvisor.NOW_URGENT))


# What stands to be tapped below what an advisor is told; the same can always be written with the code.
_NEXT_TO: Mapping[ToAdvisor, tuple[Doing, ...]] = {
    ToAdvisor.ALREADY_YOURS: (Doing.OPEN,),
    ToAdvisor.CLINICIAN_WAITS: (Doing.OPEN, Doing.PASS, Doing.BACK),
    ToAdvisor.NOW_URGENT: (Doing.OPEN, Doing.PASS),
    ToAdvisor.ASKED_OVER: (Doing.KEEP, Doing.PASS),
    ToAdvisor.CANNOT_ASK: (Doing.PASS, Doing.BACK),
    ToAdvisor.OVER_WAITS: (Doing.TAKE, Doing.NO),
    ToAdvisor.QUIET: (Doing.OPEN, Doing.END),
    ToAdvisor.HANDED_OVER: (Doing.HARD,),
    ToAdvisor.CLINICIAN_LEFT: (Doing.HARD,),
    ToAdvisor.TAKEN_BACK: (Doing.TAKE,),
}


# --- Lists, and one case as it stands --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """An open escalation as one line of a list."""

    code: str
    urgency: Urgency
    language: Language
    country: Country
    region: str
    opened_at: datetime
    by: datetime | None  # when she is to hear, or to have an answer


def line(phrases: Phrases, it: Line, *, language: Language, now: datetime) -> str:
    """Code, urgency, language, place, how long, and by when she hears."""
    parts = [
        it.code,
        phrases.say(f"case.urgency.{it.urgency.value}", language),
        phrases.say(f"page.language.{it.language.value}", language),
        it.region or phrases.say(f"page.country.{it.country.value}", language),
        phrases.say("case.waited", language, minutes=max(0, int((now - it.opened_at).total_seconds() // 60))),
    ]
    if it.by is not None:
        by = say_time(it.by, now=now, zone=ZONES[it.country], language=language)
        left = int((it.by - now).total_seconds() // 60)
        key = "case.by" if left >= 0 else "case.late"
        parts.append(phrases.say(key, language, by=by, minutes=abs(left)))
    return " · ".join(parts)


@dataclass(frozen=True)
class Offer:
    """What somebody is asked to take over."""

    page_id: str
    owner: str  # as colleagues call them
    it: Line


def packet(
    phrases: Phrases, *, code: str, offers: Sequence[Offer], language: Language, now: datetime
) -> OutboundMessage:
    """Everything that somebody is asked to take over at one moment; each is accepted by itself."""
    lines = [
        phrases.say(
            "case.packet.line", language, line=line(phrases, each.it, language=language, now=now), name=each.owner
        )
        for each in offers
    ]
    lead = phrases.say("case.packet", language, tag=label(code), count=len(offers))
    how = phrases.say("case.packet.how", language, code=offers[0].it.code)
    choices = tuple(
        Choice(take_token(each.page_id), phrases.say("case.take_code", language, code=each.it.code)) for each in offers
    )
    urgent = any(each.it.urgency is Urgency.URGENT for each in offers)
    return OutboundMessage("\n".join([lead, *(f"- {each}" for each in lines), how]), choices, urgent=urgent)


@dataclass(frozen=True)
class Shown:
    """An open escalation on the list that an advisor asks for."""

    id: str
    it: Line
    owner: str = ""  # as colleagues call them; empty where nobody has it
    mine: bool = False
    takeable: bool = False


LISTED = 12  # on a telephone; the desk shows them all


def board(phrases: Phrases, shown: Sequence[Shown], *, language: Language, now: datetime) -> OutboundMessage:
    """What is open: what waits first, by urgency and by the time that is left."""
    say = phrases.say
    if not shown:
        text, choices = say("case.board.empty", language), ()
        return OutboundMessage(text, (*choices, Choice(ON_CALL_TOKEN, say("case.who", language))))
    lines = []
    for each in shown[:LISTED]:
        mark = say("case.board.mine", language) if each.mine else each.owner
        said = line(phrases, each.it, language=language, now=now)
        lines.append(f"- {said}" + (f" · {mark}" if mark else ""))
    if len(shown) > LISTED:
        lines.append(say("case.board.more", language, count=len(shown) - LISTED))
    buttons = [
        Choice(case_token(Doing.TAKE, each.id), say("case.take_code", language, code=each.it.code))
        if each.takeable
        else Choice(case_token(Doing.OPEN, each.id), say("case.open_code", language, code=each.it.code))
        for each in shown[:LISTED]
        if each.takeable or each.mine
    ]
    text = "\n".join([say("case.board", language, count=len(shown)), *lines])
    return OutboundMessage(text, (*buttons, Choice(ON_CALL_TOKEN, say("case.who", language))))


def menu(
    phrases: Phrases, escalation_id: str, doings: Sequence[Doing], *, language: Language, arg: str = ""
) -> tuple[Choice, ...]:
    """Buttons for what can be done with a case."""
    return tuple(
        Choice(case_token(doing, escalation_id, arg), phrases.say(f"case.{doing.value}", language)) for doing in doings
    )


def alarm(phrases: Phrases, raised: AlarmCoordinator, *, code: str, language: Language) -> OutboundMessage:
    """The word to a coordinator."""
    return OutboundMessage(phrases.say(f"alarm.{raised.reason.value}", language, code=code), urgent=True)


def help_text(
    phrases: Phrases, *, owned: Sequence[str], asked: Sequence[str], language: Language, all_of_it: bool = False
) -> OutboundMessage:
    """What an advisor can write, with the codes that mean something to them now; all of it to whoever asks for that."""
    parts = []
    if owned:
        parts.append(phrases.say("staff.help.owned", language, codes=say_list(owned, language), code=owned[0]))
    if asked:
        parts.append(phrases.say("staff.help.asked", language, codes=say_list(asked, language), code=asked[0]))
    if not parts:
        parts.append(phrases.say("staff.help.nothing", language))
    if all_of_it:
        parts.append(phrases.say("staff.help.more", language, code=(*owned, *asked, "12345")[0]))
    return OutboundMessage("\n\n".join(parts))
