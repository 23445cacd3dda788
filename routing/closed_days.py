"""The days on which an office that is otherwise open does not answer, and those of which nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache

from helpline.closed_days import half_days, kept
from helpline.messages import Country, Language
from helpline.phrases import ZONES


class ClosedDays(frozenset[date]):
    """The closed days themselves, and beside them the working days that end early, nobody can say when."""

    half_days: frozenset[date]

    def __new__(cls, closed: Iterable[date], half_days: Iterable[date] = ()) -> ClosedDays:
        made = super().__new__(cls, closed)
        made.half_days = frozenset(half_days)
        return made


def around(country: Country, at: datetime) -> ClosedDays:
    """The holidays of the year of this instant and of those beside it, as the country's own clock has it.

    The eves on which Swedish offices are closed by custom (midsummer, Christmas, New Year) are among them; the
    Norwegian ones are half days.
    """
    return _of_years(country, at.astimezone(ZONES[country]).year)


@lru_cache(maxsize=32)
def _of_years(country: Country, year: int) -> ClosedDays:
    # The year before too: a night that began on its last day runs into this one.
    years = range(year - 1, year + 2)
    return ClosedDays(
        (each.day for one in years for each in kept(country, one, Language.EN)),
        (each.day for one in years for each in half_days(country, one, Language.EN)),
    )
