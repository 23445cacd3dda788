"""Who is on call when, day by day in the roster's zone, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date

from escalation.rota import plan
from escalation.rota.local_time import first_shown
from escalation.rota.roster import Span
from helpline.messages import Language

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_LOCALES: Final[Mapping[Language, str]] = {
    Language.NB: "nb_NO",
    Language.NN: "nn_NO",
    Language.SV: "sv_SE",
    Language.EN: "en_GB",
}
_DOTTED: Final = frozenset({Language.NB, Language.NN})


class Known(StrEnum):
    """How it is known who is on call."""

    PLANNED = "planned"
    FALLBACK = "fallback"  # nobody was planned, and somebody stands in
    SEEN = "seen"  # it was so, as the line recorded it


@dataclass(frozen=True)
class Piece:
    """The same people from one instant to another."""

    span: Span
    people: tuple[str, ...]
    known: Known = Known.PLANNED


@dataclass(frozen=True)
class Stretch:
    """The same people for a part of a day; nobody is a hole."""

    start: str  # the clock in the roster's zone
    end: str
    whole: bool  # all day long
    people: tuple[str, ...]
    known: Known
    past: bool
    mine: bool


@dataclass(frozen=True)
class Day:
    """One day of the calendar."""

    day: date
    stretches: tuple[Stretch, ...]
    today: bool
    inside: bool  # of the month that is looked at


def week_of(day: date) -> date:
    """The Monday of its week."""
    return day - day.weekday() * _DAY


def month_around(day: date) -> tuple[date, date]:
    """From the Monday before the month's first day to the Monday after its last."""
    first = day.replace(day=1)
    following = (first + 32 * _DAY).replace(day=1)
    return week_of(first), week_of(following + 6 * _DAY)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins where the roster is kept."""
    return first_shown(datetime.combine(day, time()), zone)


def days_of(
    pieces: Iterable[Piece], zone: ZoneInfo, first: date, end: date, *, now: datetime, me: str, looked_at: date
) -> list[Day]:
    """Each day with who is on call in it; what lies outside the pieces is not said."""
    known = sorted(pieces, key=lambda each: each.span.start)
    today = now.astimezone(zone).date()
    return [
        Day(
            day,
            tuple(_joined(_stretches(known, day, zone, now, me))),
            today=day == today,
            inside=(day.year, day.month) == (looked_at.year, looked_at.month),
        )
        for day in (first + number * _DAY for number in range((end - first).days))
    ]


def _stretches(pieces: Sequence[Piece], day: date, zone: ZoneInfo, now: datetime, me: str) -> Iterator[Stretch]:
    begins, ends = midnight(day, zone), midnight(day + _DAY, zone)
    for piece in pieces:
        start, end = max(piece.span.start, begins), min(piece.span.end, ends)
        # What lasts less than a minute, such as a version that was at once saved again, nobody can read.
        if end - start >= _MINUTE:
            yield Stretch(
                clock(start, zone),
                "24:00" if end == ends else clock(end, zone),
                whole=(start, end) == (begins, ends),
                people=piece.people,
                known=piece.known,
                past=end <= now,
                mine=me in piece.people,
            )


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """What was and what goes on with the same people, as one: where the record ends now, nobody hands over."""
    last: Stretch | None = None
    for each in stretches:
        if last is None:
            last = each
        elif last.people == each.people and last.known is Known.SEEN and each.known is Known.PLANNED and not each.past:
            last = replace(each, start=last.start, whole=last.start == "00:00" and each.end == "24:00")
        else:
            yield last
            last = each
    if last is not None:
        yield last


def clock(at: datetime, zone: ZoneInfo) -> str:
    """The wall clock at an instant."""
    return at.astimezone(zone).strftime("%H:%M")


def say_day(day: date, language: Language) -> str:
    """A day with its weekday: mandag 23. november."""
    return format_date(day, "EEEE d. MMMM" if language in _DOTTED else "EEEE d MMMM", locale=_LOCALES[language])


def say_month(day: date, language: Language) -> str:
    """The month of a day: november 2026."""
    return format_date(day, "LLLL y", locale=_LOCALES[language])


def weekdays(language: Language) -> list[str]:
    """The weekdays in short, Monday first."""
    return [format_date(date(2026, 11, 23) + number * _DAY, "ccc", locale=_LOCALES[language]) for number in range(7)]


def say_moment(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """A day and the clock, where the roster is kept: mandag 23. november 08:00."""
    return f"{say_day(at.astimezone(zone).date(), language)} {clock(at, zone)}"


def laid_over(planned: Sequence[Piece], was: Sequence[Piece]) -> list[Piece]:
    """The plan, and over it what really was, where it was recorded."""
    left = list(planned)
    for over in was:
        left = [part for piece in left for part in _without(piece, over.span)]
    return sorted([*left, *was], key=lambda piece: piece.span.start)


def _without(piece: Piece, taken: Span) -> Iterator[Piece]:
    if not piece.span.overlaps(taken):
        yield piece
        return
    if piece.span.start < taken.start:
        yield replace(piece, span=Span(piece.span.start, taken.start))
    if taken.end < piece.span.end:
        yield replace(piece, span=Span(taken.end, piece.span.end))


def pieces_of(stretches: Iterable[plan.Stretch]) -> list[Piece]:
    """What a plan says, for the calendar."""
    return [Piece(each.span, each.people, Known.FALLBACK if each.by_fallback else Known.PLANNED) for each in stretches]
