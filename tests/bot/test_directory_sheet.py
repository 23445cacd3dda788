"""A service as a form and back again: every shipped service means the same, and what is wrong is said at its field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bot.desk import directory_sheet as sheet
from bot.desk.directory_sheet import Known, Shape, Written
from helpline.messages import Country, Language
from routing.services import (
    Address,
    AgeRange,
    Answer,
    Contact,
    DayException,
    HolidayRule,
    Hours,
    Interval,
    Languages,
    Location,
    LocationKind,
    Phone,
    Season,
    Service,
    ServiceKind,
    Source,
    Stretch,
    Takes,
)
from routing.upkeep.service_form import as_plain
from tests.routing.worlds import PLACES, SHIPPED, WELCOMES, a_service

NORWAY = Known(Country.NO, PLACES, SHIPPED.needs)
WORKDAYS, FRIDAY = frozenset(range(5)), frozenset({4})
HOURS = Hours(
    weekly=(Interval(WORKDAYS, 480, 720), Interval(WORKDAYS, 780, 930), Interval(FRIDAY, 1200, 1560)),
    seasons=(Season("06-15", "08-15", (Interval(WORKDAYS, 600, 840),)), Season("12-24", "01-01")),
    exceptions=(DayException(date(2026, 12, 23), (Stretch(540, 720),)), DayException(date(2026, 12, 27))),
    holidays=HolidayRule.AS_SUNDAY,
    approximate=True,
    as_stated="se nettsiden",
)
EVERYTHING = replace(
    a_service("alt"),
    note="Ring etter ni.",
    email="post@eksempel.no",
    url="https://eksempel.no/hjelp",
    phones=(Phone("22 33 44 55", {Language.NB: "dag", Language.EN: "day"}), Phone("116 117")),
    serves=replace(
        WELCOMES,
        sex=Takes(frozenset({"female"}), frozenset({"male"})),
        age=AgeRange(18, 60, ask_lower=16, ask_upper=67),
        status=Takes(frozenset({"eea"})),
        children=Answer.YES,
        substance_use=Answer.NO,
    ),
    families=Answer.NO,
    introduction=Answer.YES,
    say_first={Language.NB: "Si at du ringer fra legevakta."},
    hours=HOURS,
    languages=Languages(("no", "en", "ar"), True, "norsk, engelsk og arabisk"),
    locations=(
        Location("kontoret", "Kontoret", area=next(iter(a_service("x").area.areas)), phones=(Phone("22 33 44 66"),)),
        Location("post", kind=LocationKind.POSTAL, address=Address("Storgata 1", "9008", "Tromsø", "Troms")),
        Location("kveld", "Kveldsåpent", hours=Hours(weekly=(Interval(FRIDAY, 1080, 1320),), as_stated="fredag kveld")),
    ),
    contacts=(Contact("Leder", "Mottak", "Prøve Prøvesen", "leder@eksempel.no", (Phone("22 33 44 77"),), True),),
    catalogue=("protection.housing.places",),
    unverified=("Åpningstid i jula",),
    owner="asha",
    assured_on=date(2026, 11, 1),
    assured_by="asha",
    confirmed_on=date(2026, 10, 1),
    sources=(Source("Nettsiden", "https://eksempel.no", "2026-11-01"),),
)


def known(service: Service) -> Known:
    return Known(service.country, PLACES, SHIPPED.needs)


def sent(shape: Shape) -> list[tuple[str, str]]:
    """What a browser sends of this form."""
    pairs: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if name in ("area.areas", "area.likely"):
            pairs.extend(
                (name.removeprefix("area."), " ".join(line.split(" ")[:2])) for line in value.split("\n") if line
            )
        elif name == "catalogue":
            pairs.extend((name, each) for each in value)
        elif isinstance(value, dict):
            for inner, part in value.items():
                walk(f"{name}.{inner}" if name else inner, part)
        elif isinstance(value, list):
            for number, part in enumerate(value):
                walk(f"{name}.{number}", part)
        elif value is True:
            pairs.append((name, "yes"))
        elif value is not False:
            pairs.append((name, value))

    walk("", shape)
    return pairs


def through(service: Service, *, before: bool, **changed: Any) -> Written:
    """The service after it was shown, changed in these fields, and sent."""
    plain = as_plain(service)
    shape = sheet.shape_of(plain, known(service)) | changed
    back = sheet.read(sent(shape), known(service))
    return sheet.written(back, plain if before else None, service.id, known(service))


@pytest.mark.parametrize("service", [EVERYTHING, *SHIPPED.services], ids=lambda service: service.id)
def test_looking_at_a_service_and_saving_it_changes_nothing(service: Service) -> None:
    back = through(service, before=True)
    assert (back.wrong, back.service) == ({}, replace(service, revision=0))


def test_ticks_come_in_the_order_of_the_page_and_are_no_change() -> None:
    rows = ("protection.housing.staff", "protection.housing.places")
    service = replace(EVERYTHING, catalogue=rows)
    assert through(service, before=True, catalogue=list(reversed(rows))).service == replace(service, revision=0)
    fewer = through(service, before=True, catalogue=[rows[1]]).service
    assert fewer is not None
    assert fewer.catalogue == (rows[1],)


def test_everything_a_service_can_say_is_written_by_the_form_alone() -> None:
    back = through(EVERYTHING, before=False)
    assert back.wrong == {}
    # The same hours; which of the days stand together is the form's own.
    assert as_plain(replace(EVERYTHING, revision=0)) | {"hours": 0} == back.plain | {"hours": 0}
    assert back.service is not None
    assert back.service.hours.weekly == (
        Interval(WORKDAYS, 480, 720),
        Interval(WORKDAYS, 780, 930),
        Interval(FRIDAY, 1200, 1560),
    )
    assert replace(back.service.hours, weekly=()) == replace(HOURS, weekly=())


def with_days(**days: str) -> Shape:
    shape = sheet.shape_of(as_plain(EVERYTHING), NORWAY)["hours"]
    assert isinstance(shape, dict)
    return shape | {"days": dict.fromkeys(sheet.DAYS, "") | days}


CONTACT: Shape = sheet.shape_of(as_plain(EVERYTHING), NORWAY)["contacts"][0]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"kind": "kiosk"}, "kind"),
        ({"email": "post"}, "email"),
        ({"url": "eksempel.no"}, "url"),
        ({"note": "Ligger i Storgata 7 b."}, "note"),
        ({"note": "x" * 241}, "note"),
        ({"needs": {}}, "needs"),
        ({"phones": [{"number": "ring oss", **dict.fromkeys(sheet.TONGUES, "")}]}, "phones.0.number"),
        ({"phones": [{"number": "22 33 11", **dict.fromkeys(sheet.TONGUES, "")}]}, "phones.0.number"),
        ({"contacts": [{**CONTACT, "phones": "22 33 44 77, 22 33 11"}]}, "contacts.0.phones"),
        ({"assured_on": "i går"}, "assured_on"),
        ({"area": {"reach": "areas", "areas": "", "likely": "", "advises_all": False}}, "areas"),
        ({"hours": with_days(mon="åtte til fire")}, "hours.days.mon"),
        ({"hours": with_days(mon="08–25")}, "hours.days.mon"),
        ({"hours": with_days(mon="08–12, 11–13")}, "hours.days.mon"),
        ({"hours": with_days(tue="20–02, 01–03") | {"seasons": []}}, None),
        ({"hours": with_days()}, "hours.days"),
        ({"sources": [{"title": "Nettsiden", "url": "", "seen": ""}]}, "sources.0.seen"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(changed: dict[str, Any], field: str | None) -> None:
    back = through(EVERYTHING, before=True, **changed)
    assert set(back.wrong) == ({field} if field else set())
    assert (back.service is None) == (field is not None)


def test_a_number_that_nobody_can_dial_is_named_and_one_that_stands_there_is_left() -> None:
    typed = {"number": "22 33 11", **dict.fromkeys(sheet.TONGUES, "")}
    wrong = through(EVERYTHING, before=True, phones=[typed]).wrong["phones.0.number"]
    assert (wrong.phrase, wrong.values) == ("desk.directory.no.dialled", {"number": "22 33 11"})
    older = replace(EVERYTHING, phones=(Phone("22 33 11"),))
    assert through(older, before=True, note="Ring etter ti.").wrong == {}


def test_a_hidden_place_never_takes_an_address_and_never_says_it_back() -> None:
    for changed in ({"protected": True}, {"kind": ServiceKind.CRISIS_CENTRE.value}):
        back = through(EVERYTHING, before=True, **changed)
        assert "locations.1.street" in back.wrong
        assert back.service is None
        shape = sheet.shape_of(as_plain(EVERYTHING), NORWAY) | changed
        assert "Storgata" not in str(sheet.without_hidden_addresses(shape))
        assert "Storgata" not in str(back.wrong)
        assert "Storgata" not in str(back.plain)


def test_rows_come_and_go() -> None:
    shape = sheet.blank(NORWAY)
    shape = sheet.changed(shape, "add.hours.seasons")
    shape = sheet.changed(shape, "add.locations")
    shape = sheet.changed(shape, "add.locations.0.hours.exceptions")
    shape = sheet.changed(shape, "drop.phones.0")
    assert (len(shape["hours"]["seasons"]), len(shape["locations"][0]["hours"]["exceptions"])) == (1, 1)
    assert shape["phones"] == []
    for nonsense in ("drop.phones.7", "add.name", "drop.locations", "add.", "drop.hours.seasons.x"):
        sheet.changed(shape, nonsense)
