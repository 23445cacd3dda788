"""The days on which a country is closed: public holidays, and the eves that are kept like them. Pure.

The one place that knows. `holidays` has no Midsummer Eve, Christmas Eve or New Year's Eve unless it is asked for what
is kept by custom, and for Norway not even then: there two eves are working days of which nobody can say when they end.

- `kept(country, year, language)`: every closed day of a year with its name
- `half_days(country, year, language)`: the working days that end early, no law says when
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import holidays

from helpline.messages import Country, Language

_LOCALES: Mapping[Country, Mapping[Language, str]] = {
    Country.NO: {Language.NB: "no", Language.NN: "no", Language.SV: "no", Language.EN: "en_US"},
    Country.SE: {Language.NB: "sv", Language.NN: "sv", Language.SV: "sv", Language.EN: "en_US"},
}
_CATEGORIES = {Country.NO: ("public",), Country.SE: ("public", "de_facto")}
_HALF_DAYS: Mapping[Country, Mapping[tuple[int, int], Mapping[Language, str]]] = {
    Country.NO: {
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
    },
    Country.SE: {},
}


@dataclass(frozen=True)
class KeptDay:
    """A day on which most people are off, for the whole of it or a part."""

    day: date
    name: str
    by_custom: bool = False  # and not by law


@lru_cache(maxsize=128)
def kept(country: Country, year: int, language: Language) -> tuple[KeptDay, ...]:
    """The closed days of a year in order, named in the language or the nearest there is; not plain Sundays."""
    locale = _LOCALES[country][language]
    by_law = holidays.country_holidays(country.value, years=year, categories=("public",), language=locale)
    found = holidays.country_holidays(country.value, years=year, categories=_CATEGORIES[country], language=locale)
    return tuple(KeptDay(day, found[day], by_custom=day not in by_law) for day in sorted(found))


def half_days(country: Country, year: int, language: Language) -> tuple[KeptDay, ...]:
    """The working days of a year that end early by custom, in order."""
    return tuple(
        KeptDay(date(year, month, day), names[language], by_custom=True)
        for (month, day), names in _HALF_DAYS[country].items()
    )
