"""Whether a number can be dialled, asked where somebody types one. Pure.

A digit that is missing or wrong sends a patient to nobody. What is stored is read as it stands: the reader in
`service_form` asks only that a number looks like one.
"""

from __future__ import annotations

import re

import phonenumbers

from helpline.messages import Country
from routing.services import Service

_EUROPEAN = re.compile(r"116[0-9]{3}")  # the European helplines: 116 006 for those who suffered a crime


def can_be_dialled(written: str, country: Country) -> bool:
    """Whether this is a number of that country, a short number there, or another country's with + before it."""
    number = re.sub(r"[ -]", "", written)
    if _EUROPEAN.fullmatch(number):
        return True
    try:
        parsed = phonenumbers.parse(number, country.value)
    except phonenumbers.NumberParseException:
        return False
    short = not number.startswith("+") and phonenumbers.is_valid_short_number_for_region(parsed, country.value)
    # In Sweden a number without its 0 is dialled by nobody; a Norwegian one without +47 looks like one.
    whole = country is Country.NO or number.startswith(("0", "+"))
    return short or (whole and phonenumbers.is_valid_number(parsed))


def numbers_of(service: Service) -> tuple[str, ...]:
    """Every number that an entry gives: its own, those of its places and those of its contacts."""
    phones = [*service.phones, *(phone for place in service.locations for phone in place.phones)]
    phones += [phone for contact in service.contacts for phone in contact.phones]
    return tuple(phone.number for phone in phones)


def first_undiallable(service: Service, stands: Service | None) -> str:
    """The first number of an entry that nobody can dial and that did not stand there before; empty where all can be."""
    known = frozenset(numbers_of(stands) if stands is not None else ())
    return next(
        (
            number
            for number in numbers_of(service)
            if number not in known and not can_be_dialled(number, service.country)
        ),
        "",
    )
