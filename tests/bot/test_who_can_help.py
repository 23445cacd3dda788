"""The services of one message: what is said of each, wide and in an SMS; and a place can be corrected in one tap."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bot import referral
from bot.answers import Form
from bot.referral import Draft
from helpline.messages import Country, Language
from routing.capacity import Capacity, Teller
from routing.directory import Directory
from routing.matching.because import CAUTION, OPENING, WHOEVER_ASKS, Because
from routing.places import Level, Place
from routing.referrals.referral import Basis, Facts, slip_of
from routing.services import Answer, Hours, Interval, Service, ServiceKind, ServiceStatus
from tests.routing.worlds import PLACES, SHIPPED, WORLD, a_service, kommune, oslo_time

NIGHT = oslo_time("2026-11-23 03:00")
OFFICE = Hours(weekly=(Interval(frozenset(range(5)), 480, 960),), as_stated="8-16")
DRAFT = replace(referral.with_place(Draft(), kommune("5501")), needs=("legal",), who="woman", when="now")
CONFIRMED = {"confirmed_on": date(2026, 11, 1)}


def said(
    *services: Service,
    form: Form = Form.WIDE,
    language: Language = Language.NB,
    draft: Draft = DRAFT,
    always: dict[str, object] | None = None,
    room: Capacity | None = None,
) -> str:
    ids = {each for fallback in SHIPPED.fallbacks.values() for each in (*fallback.everyone, *fallback.minor)}
    kept = [replace(SHIPPED.get(each), **(always or {}) if each == "rosa" else {}) for each in sorted(ids)]  # type: ignore[arg-type]
    directory = SHIPPED.with_all((*kept, *services), capacities={room.service_id: room} if room else {})
    return tell(directory, draft, form, language)


def tell(directory: Directory, draft: Draft, form: Form, language: Language) -> str:
    shown = referral.find(draft, directory, PLACES, country=Country.NO, status="", at=NIGHT)
    return referral.tell(shown, draft, WORLD.phrases, language, form, needs=directory.needs, now=NIGHT)


@pytest.mark.parametrize("form", [Form.NARROW, Form.SPOKEN])
def test_a_short_list_says_that_the_helpline_that_is_always_listed_is_closed_now(form: Form) -> None:
    closed = said(a_service("it"), form=form, always={"hours": OFFICE})
    assert "ROSA hjelpetelefon: 22 33 11 60 (stengt nå; åpner 08:00)" in closed
    assert "ROSA hjelpetelefon: 22 33 11 60\n" in said(a_service("it"), form=form)


def test_what_is_always_listed_says_that_it_does_not_take_this_patient() -> None:
    child = replace(DRAFT, who="child")
    for form in Form:
        line = next(each for each in said(draft=child, form=form).split("\n") if "ROSA" in each)
        assert "tar bare imot personer fra 18 år" in line


def test_what_is_always_listed_says_that_it_is_not_running() -> None:
    for form in Form:
        told = said(form=form, always={"status": ServiceStatus.CLOSED_FOR_NOW})
        line = next(each for each in told.split("\n") if "ROSA" in each)
        assert "er ikke i drift nå" in line


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("form", Form)
def test_every_list_says_what_no_service_confirmed(form: Form, language: Language) -> None:
    none = said(a_service("it"), form=form, language=language)
    assert WORLD.phrases.say("refer.unconfirmed.all", language) in none
    some = said(a_service("it", **CONFIRMED), form=form, language=language)
    assert WORLD.phrases.say("refer.unconfirmed.all", language) not in some
    if form is Form.WIDE:
        names = [SHIPPED.get(each).called(language) for each in SHIPPED.fallbacks[Country.NO].everyone]
        told = some.split("\n\n")[-1]
        assert all(name in told for name in names)
        assert "It" not in told.split(":")[1].split()
    else:
        assert WORLD.phrases.say("refer.unconfirmed.some", language) in some


def test_where_all_have_confirmed_nothing_is_said_against_it() -> None:
    every = [replace(service, confirmed_on=date(2026, 11, 1)) for service in SHIPPED.services]
    shown = tell(SHIPPED.with_all(every), DRAFT, Form.WIDE, Language.NB)
    assert "bekreftet av tjenesten selv 1.11.2026" in shown
    assert "Ikke bekreftet" not in shown
    assert "Ingen av disse" not in shown


def test_a_short_list_says_who_was_full() -> None:
    full = Capacity("it", Answer.NO, None, None, "beds", oslo_time("2026-11-23 01:10"), Teller.SERVICE)
    house = a_service("it", kind=ServiceKind.CRISIS_CENTRE, needs_first=("legal",))
    assert "It: 11 22 33 44 (åpent hele døgnet; var fullt 01:10)" in said(house, form=Form.NARROW, room=full)


def test_what_is_said_and_what_is_heeded_do_not_lie_apart() -> None:
    """The lists of reasons are one family: what a card keeps to itself is no opening, and every reason has one home."""
    assert not OPENING & CAUTION
    assert WHOEVER_ASKS < CAUTION
    assert {Because.OPENS_OFFICE_HOURS, Because.OPENS_AFTER_HOURS} < OPENING


def test_a_child_is_led_to_child_protection_first_in_an_sms_too_although_no_number_is_known() -> None:
    draft = replace(referral.with_place(Draft(), kommune("0301")), needs=("housing-tonight",), who="child", when="now")
    for form in Form:
        told = tell(SHIPPED, draft, form, Language.NB)
        assert told.index("Barnevernvakt") < told.index("Alarmtelefonen")


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("place", "language", "service_id", "way"),
    [
        (kommune("5603"), Language.NB, "barnevernvakt", "116 111"),
        (kommune("5603"), Language.NN, "barnevernvakt", "116 111"),
        (PLACES.find(Country.SE, Level.KOMMUNE, "0763"), Language.SV, "se-socialjour", "112"),
    ],
)
def test_what_every_kommune_has_with_a_number_of_its_own_says_how_it_is_found(
    form: Form, place: Place, language: Language, service_id: str, way: str
) -> None:
    draft = replace(referral.with_place(Draft(), place), needs=("children",), who="child", when="now")
    service = SHIPPED.get(service_id)
    assert way in service.described(language)
    assert service.described(language) in tell(SHIPPED, draft, form, language)
    slip = slip_of(service, Facts(place.country), Basis.ADVICE, phrases=WORLD.phrases, language=language, short=True)
    assert service.described(language) in slip


def test_a_crisis_centre_without_a_number_says_who_has_it_and_whom_to_call_at_night() -> None:
    for service in SHIPPED.services:
        if service.kind is ServiceKind.CRISIS_CENTRE and service.country is Country.NO and not service.phones:
            assert "22 33 11 60" in service.described(Language.NB)
            assert "22 33 11 60" in service.described(Language.EN)
    draft = replace(referral.with_place(Draft(), kommune("0301")), needs=("housing-tonight",), who="woman", when="now")
    assert "Om natta: 116 006 eller ROSA 22 33 11 60" in tell(SHIPPED, draft, Form.WIDE, Language.NB)
    centre = SHIPPED.get("krisesenter-1")
    slip = slip_of(centre, Facts(Country.NO), Basis.ADVICE, phrases=WORLD.phrases, language=Language.NB, short=True)
    assert "22 33 11 60" in slip.split("\n")[0]


def test_whoever_is_reached_by_mail_or_on_a_page_only_is_listed_with_it() -> None:
    mail = {"phones": (), "email": "post@example.org"}
    assert "It: post@example.org" in said(a_service("it", needs_first=("legal",), **mail))
    hidden = a_service("it", kind=ServiceKind.PROTECTED_HOUSING, needs_first=("legal",), **mail)
    assert "post@example.org" not in said(hidden)


def test_a_protected_house_is_described_once_and_not_named() -> None:
    house = a_service("it", kind=ServiceKind.PROTECTED_HOUSING, needs_first=("legal",), phones=())
    told = said(house)
    assert told.count("Hjelper.") == 1
    assert "It" not in told.split()


def test_office_hours_that_nobody_wrote_down_are_told_in_the_chat_too() -> None:
    assert "åpner i kontortiden 23.11.2026" in said(
        a_service("it", hours=Hours(office_hours=True, as_stated="kontortid"))
    )


# --- the place can be corrected ------------------------------------------------------------------------------------


def test_namesakes_stand_as_buttons_and_the_first_place_can_be_gone_back_to() -> None:
    heard = PLACES.understand("Sande", country=Country.NO)
    draft = referral.place_told(DRAFT, heard)
    assert draft is not None
    assert draft.place_name == "Sande (Møre og Romsdal)"
    [(key, name)] = draft.namesakes
    assert name == "Holmestrand (Vestfold)"
    corrected = referral.told(replace(draft, shown=3), f"place:{key}", PLACES)
    assert corrected is not None
    assert (corrected.place_name, corrected.needs, corrected.who, corrected.shown) == (name, ("legal",), "woman", 0)
    assert corrected.region == "39"
    assert [each for _, each in corrected.namesakes] == ["Sande (Møre og Romsdal)"]
    back = referral.told(corrected, f"place:{corrected.namesakes[0][0]}", PLACES)
    assert back is not None
    assert back.place_name == draft.place_name


def test_a_place_without_a_namesake_has_no_such_button() -> None:
    for name in ("Tromsø", "Oslo", "Malmö"):
        draft = referral.place_told(Draft(), PLACES.understand(name, country=Country.NO))
        assert draft is not None
        assert draft.namesakes == ()


def test_a_draft_from_before_namesakes_were_kept_is_read_still() -> None:
    assert (
        referral.draft_from_json({"place_code": "5501", "candidates": [["NO.kommune.5501", "Tromsø"]]}).namesakes == ()
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("form", Form)
def test_where_nobody_helps_with_it_that_is_said_and_who_always_answers_is_shown(
    form: Form, language: Language
) -> None:
    none = WORLD.phrases.say("refer.none", language)
    needs = replace(DRAFT, needs=("interpreter",))
    told = said(form=form, language=language, draft=needs)
    assert none in told
    assert "113" in told
    assert none not in said(form=form, language=language)  # ROSA can help with that
    assert none not in said(a_service("it", needs_first=("interpreter",)), form=form, language=language, draft=needs)
    assert none not in said(form=form, language=language, draft=replace(needs, shown=3))
