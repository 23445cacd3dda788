"""Which days a country keeps, by law and by custom."""

from __future__ import annotations

from datetime import date

import pytest

from helpline.closed_days import half_days, kept
from helpline.messages import Country, Language


@pytest.mark.parametrize(
    ("country", "day", "found"),
    [
        (Country.NO, date(2027, 5, 17), "by law"),
        (Country.NO, date(2026, 12, 24), "half"),
        (Country.NO, date(2026, 12, 31), "half"),
        (Country.NO, date(2026, 6, 19), None),
        (Country.SE, date(2026, 6, 19), "by custom"),  # Midsummer Eve moves
        (Country.SE, date(2027, 6, 25), "by custom"),
        (Country.SE, date(2026, 12, 24), "by custom"),
        (Country.SE, date(2026, 12, 31), "by custom"),
        (Country.SE, date(2027, 5, 17), None),
    ],
)
def test_a_day_is_kept_by_law_by_custom_or_by_nobody_knows_whom(country: Country, day: date, found: str | None) -> None:
    days = {each.day: "by custom" if each.by_custom else "by law" for each in kept(country, day.year, Language.EN)}
    days |= {each.day: "half" for each in half_days(country, day.year, Language.EN)}
    assert days.get(day) == found


@pytest.mark.parametrize("country", Country)
def test_every_day_has_a_name_in_every_language(country: Country) -> None:
    for language in Language:
        for each in (*kept(country, 2026, language), *half_days(country, 2026, language)):
            assert each.name
