"""Holidays of both countries, and the Swedish eves that are none by law."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from helpline.messages import Country
from routing.closed_days import around


@pytest.mark.parametrize(
    ("country", "day", "closed"),
    [
        (Country.NO, date(2026, 5, 17), True),
        (Country.NO, date(2026, 4, 2), True),  # Maundy Thursday
        (Country.NO, date(2026, 6, 19), False),
        (Country.SE, date(2026, 6, 19), True),  # midsummer eve
        (Country.SE, date(2026, 12, 24), True),
        (Country.SE, date(2026, 5, 17), False),  # a Sunday like any other
        (Country.NO, date(2027, 1, 1), True),  # seen from the year before
    ],
)
def test_days_on_which_offices_do_not_answer(country: Country, day: date, closed: bool) -> None:
    assert (day in around(country, datetime(2026, 6, 1, tzinfo=UTC))) is closed


def test_the_year_is_the_one_on_the_wall() -> None:
    """Half past eleven at night in Greenwich on 31 December is already New Year's Day in Oslo."""
    assert date(2028, 1, 1) in around(Country.NO, datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
