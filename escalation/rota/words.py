"""What is said about shifts, leave and holes: to advisors, to coordinators, in calendars. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_time

from escalation.rota.closed_days import closed_days
from escalation.rota.coverage import Hole
from escalation.rota.exchange import Exchange, Kind
from escalation.rota.roster import Span
from helpline.messages import Choice, Country, Language, OutboundMessage
from helpline.phrases import ZONES, Phrases, say_list

MOST_HOLES = 5  # named in one message; the desk shows the rest
_LOCALES = {Language.NB: "nb_NO", Language.NN: "nn_NO", Language.SV: "sv_SE", Language.EN: "en_GB"}
_TAP = re.compile(r"rota:(?P<wish>yes|no|back|give|away|here|grant|refuse):(?P<what>[0-9a-z:.-]{1,40})")


def say_span(span: Span, zone: ZoneInfo, language: Language) -> str:
    """From when to when, as short as it is clear: man 23. nov. 16:00–tir 24. nov. 08:00."""
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    first = say_at(start, zone, language)
    if start.date() == end.date():
        return f"{first}–{format_time(end.time(), 'HH:mm', locale=_LOCALES[language])}"
    return f"{first}–{say_at(end, zone, language)}"


def say_at(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """An instant as `say_span` says it: man 23. nov. 16:00."""
    day = "EEE d. MMM" if language in (Language.NB, Language.NN) else "EEE d MMM"
    return format_datetime(at.astimezone(zone), f"{day} HH:mm", locale=_LOCALES[language])


def holidays_in(span: Span, zone: ZoneInfo, language: Language) -> list[str]:
    """The holidays and eves that a span touches, where the clock of this zone is read."""
    country = next((each for each, its in ZONES.items() if its.key == zone.key), Country.NO)
    first, last = span.start.astimezone(zone).date(), (span.end - timedelta(seconds=1)).astimezone(zone).date()
    return list(dict.fromkeys(day.name for day in closed_days(country, first, last, language)))


@dataclass(frozen=True)
class Tap:
    """What a tapped button about the rota asks for."""

    wish: str  # yes, no, back (withdraw), give; away (leave), here (no leave); grant, refuse (leave)
    what: str  # the exchange, the shift, the leave or the time away


def tap_of(token: str) -> Tap | None:
    """What a button's token means; None where it is none of ours."""
    found = _TAP.fullmatch(token)
    return Tap(found["wish"], found["what"]) if found is not None else None


def token_of(wish: str, what: str) -> str:
    """What a button sends back."""
    return f"rota:{wish}:{what}"


def offer(phrases: Phrases, made: Exchange, *, name: str, zone: ZoneInfo, language: Language) -> OutboundMessage:
    """The question to whoever may answer, with its two buttons."""
    said = {"name": name, "shift": say_span(made.span, zone, language), "roster": made.roster}
    key = "rota.offer.give_all" if made.kind is Kind.GIVE and made.taker is None else f"rota.offer.{made.kind.value}"
    if made.back is not None:
        said["back"] = say_span(made.back, zone, language)
    choices = (
        Choice(token_of("yes", made.id), phrases.say("rota.yes", language)),
        Choice(token_of("no", made.id), phrases.say("rota.no", language)),
    )
    return OutboundMessage(phrases.say(key, language, **said), choices)


def holes(
    phrases: Phrases, found: Sequence[Hole], *, near: bool, zone: ZoneInfo, language: Language
) -> OutboundMessage:
    """The alarm about holes, the nearest first."""
    lines = [phrases.say("rota.hole.near" if near else "rota.hole", language)]
    lines += [hole_line(phrases, hole, zone=zone, language=language) for hole in found[:MOST_HOLES]]
    if len(found) > MOST_HOLES:
        lines.append(phrases.say("rota.hole.more", language, count=len(found) - MOST_HOLES))
    return OutboundMessage("\n".join(lines), urgent=near)


def hole_line(phrases: Phrases, hole: Hole, *, zone: ZoneInfo, language: Language) -> str:
    """One hole in a line."""
    named = holidays_in(hole.span, zone, language)
    span = say_span(hole.span, zone, language) + (f" ({say_list(named, language)})" if named else "")
    said = {"roster": hole.roster, "span": span}
    if hole.language is None:
        return phrases.say("rota.hole.line", language, **said)
    spoken = phrases.say(f"page.language.{hole.language}", language)
    return phrases.say("rota.hole.line.language", language, spoken=spoken, **said)
