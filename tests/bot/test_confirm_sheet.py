"""What a service says of its entry with a form: what is a correction, what cannot be read, and what is kept."""

from __future__ import annotations

import pytest

from bot import confirm_sheet
from bot.confirm_sheet import Told, Wrong
from helpline.content import content_folder
from routing.matching.refer import World
from routing.services import Answer, Service

SERVICES = World.load(content_folder()).directory.services
AN_ENTRY = next(service for service in SERVICES if service.phones and service.phones[0].use and not service.hides_place)


def read(service: Service, **typed: str) -> Told | Wrong:
    form = {**confirm_sheet.shape_of(service), **typed}
    return confirm_sheet.read(form, service, mask=str, hours_word="Tider")


def test_a_form_that_says_what_stands_there_is_no_correction() -> None:
    for service in SERVICES:
        assert read(service, do="right") == Told(right=True, corrected=None, words="", room=None, free=None)
        assert read(service, do="wrong") == Wrong({"do": "confirm.wrong.nothing"})


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"phones": "ring oss"}, "phones"),
        ({"phones": "22 33 11"}, "phones"),
        ({"email": "ikke en adresse"}, "email"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"age.lower": "atten"}, "age.lower"),
        ({"age.lower": "30", "age.upper": "20"}, "age.upper"),
        ({"age.lower": "00009999"}, "age.lower"),
        ({"age.upper": "0000" + "9" * 5000}, "age.upper"),
        ({"room": "yes", "free": "mange"}, "free"),
        ({"room": "yes", "free": "000001" + "9" * 20}, "free"),
        ({"room": "yes", "free": "000001" + "9" * 5000}, "free"),
        ({"words": "x" * 301}, "words"),
        ({"phones": "22 00 11 22", "do": "right"}, "do"),
    ],
)
def test_what_cannot_be_read_is_named(typed: dict[str, str], field: str) -> None:
    told = read(AN_ENTRY, **{"do": "wrong", **typed})
    assert isinstance(told, Wrong)
    assert field in told.fields


def test_full_is_no_place_whatever_number_stands_beside_it() -> None:
    told = read(AN_ENTRY, do="right", room="no", free="7")
    assert isinstance(told, Told)
    assert (told.room, told.free) == (Answer.NO, 0)


def test_a_number_that_stays_keeps_what_it_is_for() -> None:
    told = read(AN_ENTRY, do="wrong", phones=f"{AN_ENTRY.phones[0].number}\n22 00 11 22")
    assert isinstance(told, Told)
    assert told.corrected is not None
    assert told.corrected.phones[0] == AN_ENTRY.phones[0]
    assert told.corrected.phones[1].number == "22 00 11 22"
