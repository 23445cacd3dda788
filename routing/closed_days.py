"""Public holidays: days on which an office that is otherwise open does not answer."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

import holidays

from helpline.messages import Country
from helpline.phrases import ZONES


def around(country: Country, at: datetime) -> frozenset[date]:
    """The holidays of the year of this instant and of the next, as the country's own clock has it.

    The eves on which Swedish offices are closed by custom (midsummer, Christmas, New Year) are among them.
    """
    year = at.astimezone(ZONES[country]).year
    return _of_years(country, year)


@lru_cache(maxsize=32)
def _of_years(country: Country, year: int) -> frozenset[date]:
    categories = ("public", "de_facto") if country is Country.SE else ("public",)
    return frozenset(holidays.country_holidays(country.value, years=[year, year + 1], categories=categories))
