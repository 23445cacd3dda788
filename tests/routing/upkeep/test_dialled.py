"""Which numbers can be dialled, asked where somebody types one."""

from __future__ import annotations

import pytest

from helpline.messages import Country
from routing.upkeep.dialled import can_be_dialled, numbers_of
from tests.routing.worlds import SHIPPED


@pytest.mark.parametrize(
    ("country", "written"),
    [
        *((Country.NO, number) for number in ("22 33 11 60", "113", "116 117", "116 006", "02800", "+46 8 123 456 00")),
        *((Country.SE, number) for number in ("08-123 456 00", "1177", "114 14", "90 510", "90 101", "+47 22331160")),
    ],
)
def test_a_number_of_the_country_a_short_one_and_another_country_s_with_a_plus(country: Country, written: str) -> None:
    assert can_be_dialled(written, country)


@pytest.mark.parametrize(
    ("country", "written"),
    [
        *((Country.NO, number) for number in ("22 33 11", "22 33 11 6", "22 33 11 600", "123", "+47 113", "ring oss")),
        *((Country.SE, number) for number in ("08-123", "22 33 11 60", "4711", "+47 22 33 11", "")),
    ],
)
def test_a_digit_too_few_or_too_many_is_no_number(country: Country, written: str) -> None:
    assert not can_be_dialled(written, country)


def test_every_number_that_ships_can_be_dialled() -> None:
    wrong = {
        (service.id, number)
        for service in SHIPPED.services
        for number in numbers_of(service)
        if not can_be_dialled(number, service.country)
    }
    wrong |= {
        (organisation.id, phone.number)
        for organisation in SHIPPED.organisations
        for phone in organisation.phones
        if not can_be_dialled(phone.number, organisation.country)
    }
    assert wrong == set()
