"""Holidays and eves, as calendars show them."""

from __future__ import annotations

from datetime import date

import pytest

from escalation.rota.closed_days import closed_days
from helpline.messages import Country, Language


def names(country: Country, first: date, last: date, language: Language = Language.NB) -> dict[date, tuple[str, bool]]:
    return {each.day: (each.name, each.eve) for each in closed_days(country, first, last, language)}


def test_midsummer_eve_is_kept_in_sweden_by_custom() -> None:
    june = names(Country.SE, date(2026, 6, 1), date(2026, 6, 30), Language.SV)
    assert june == {
        date(2026, 6, 6): ("Nationaldagen", False),
        date(2026, 6, 19): ("Midsommarafton", True),
        date(2026, 6, 20): ("Midsommardagen", False),
    }


def test_norwegian_days_and_eves_go_across_the_year() -> None:
    found = names(Country.NO, date(2026, 12, 24), date(2027, 1, 1))
    assert found == {
        date(2026, 12, 24): ("julaften", True),
        date(2026, 12, 25): ("Første juledag", False),
        date(2026, 12, 26): ("Andre juledag", False),
        date(2026, 12, 31): ("nyttårsaften", True),
        date(2027, 1, 1): ("Første nyttårsdag", False),
    }


@pytest.mark.parametrize(("language", "name"), [(Language.NN, "julaftan"), (Language.EN, "Christmas Eve")])
def test_they_are_named_in_the_readers_language(language: Language, name: str) -> None:
    eve = date(2026, 12, 24)
    assert names(Country.NO, eve, eve, language)[eve][0] == name


def test_a_plain_sunday_is_none() -> None:
    assert names(Country.SE, date(2026, 11, 22), date(2026, 11, 22)) == {}
