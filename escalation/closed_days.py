"""Public holidays and the eves that are kept like them, in Norway and Sweden, with their names, for calendars. Pure.

They change nobody's duty: a roster says who is on call on a holiday. They are shown where shifts are planned, since a
hole on Midsummer Eve is found too late by whoever only sees a Friday.

- `closed_days(country, first, last)`: the days from `first` to `last`, both included
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import holidays

from helpline.messages import Country, Language

# Kept by custom in Norway too, where the library knows none; it names the Swedish ones itself, Midsummer Eve first.
_NORWEGIAN_EVES: Mapping[tuple[int, int], Mapping[Language, str]] = {
    (12, 24): {
        Language.NB: "julaften",
        Language.NN: "julaftan",
        Language.SV: "julafton",
        Language.EN: "Christmas Eve",
    },
    (12, 31): {
        Language.NB: "nyttårsaften",
        Language.NN: "nyttårsaftan",
        Language.SV: "nyårsafton",
        Language.EN: "New Year's Eve",
    },
}
_LOCALES: Mapping[Country, Mapping[Language, str]] = {
    Country.NO: {Language.NB: "no", Language.NN: "no", Language.SV: "no", Language.EN: "en_US"},
    Country.SE: {Language.NB: "sv", Language.NN: "sv", Language.SV: "sv", Language.EN: "en_US"},
}
_CATEGORIES = {Country.NO: ("public",), Country.SE: ("public", "de_facto")}
_OWN_EVES: Mapping[Country, Mapping[tuple[int, int], Mapping[Language, str]]] = {
    Country.NO: _NORWEGIAN_EVES,
    Country.SE: {},
}


@dataclass(frozen=True)
class ClosedDay:
    """A day that most people have off."""

    day: date
    country: Country
    name: str
    eve: bool = False  # by custom and not by law


def closed_days(country: Country, first: date, last: date, language: Language) -> tuple[ClosedDay, ...]:
    """The holidays from `first` to `last`, both included, in order; plain Sundays are not among them."""
    found = [day for year in range(first.year, last.year + 1) for day in _of_year(country, year, language)]
    return tuple(each for each in found if first <= each.day <= last)


@lru_cache(maxsize=64)
def _of_year(country: Country, year: int, language: Language) -> tuple[ClosedDay, ...]:
    locale = _LOCALES[country][language]
    by_law = holidays.country_holidays(country.value, years=year, categories=("public",), language=locale)
    kept = holidays.country_holidays(country.value, years=year, categories=_CATEGORIES[country], language=locale)
    days = {day: ClosedDay(day, country, name, eve=day not in by_law) for day, name in kept.items()}
    for (month, number), names in _OWN_EVES[country].items():
        eve = date(year, month, number)
        days.setdefault(eve, ClosedDay(eve, country, names[language], eve=True))
    return tuple(days[day] for day in sorted(days))
