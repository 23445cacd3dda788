"""Public holidays and the eves that are kept like them, in Norway and Sweden, with their names, for calendars. Pure.

They change nobody's duty: a roster says who is on call on a holiday. They are shown where shifts are planned, since a
hole on Midsummer Eve is found too late by whoever only sees a Friday.

- `closed_days(country, first, last)`: the days from `first` to `last`, both included
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from helpline.closed_days import half_days, kept
from helpline.messages import Country, Language


@dataclass(frozen=True)
class ClosedDay:
    """A day that most people have off."""

    day: date
    country: Country
    name: str
    eve: bool = False  # by custom and not by law


def closed_days(country: Country, first: date, last: date, language: Language) -> tuple[ClosedDay, ...]:
    """The holidays from `first` to `last`, both included, in order; plain Sundays are not among them."""
    days = {
        each.day: ClosedDay(each.day, country, each.name, eve=each.by_custom)
        for year in range(first.year, last.year + 1)
        # A day that is a holiday by law keeps that name.
        for each in (*half_days(country, year, language), *kept(country, year, language))
        if first <= each.day <= last
    }
    return tuple(days[day] for day in sorted(days))
