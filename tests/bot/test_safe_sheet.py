"""Safe contact on the desk: what the form takes in, and when an advisor is warned."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.desk import safe_sheet
from bot.desk.safe_sheet import SafeForm, SafeSheet
from bot.reaching import PRESENT_FOR
from helpline.content import content_folder
from helpline.messages import Language
from helpline.phrases import Phrases
from routing.referrals.referral import AROUND_THE_CLOCK, MaySay, SafeContact, Way

OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=OSLO)
PHRASES = Phrases.load(content_folder() / "phrases")
EVENINGS = SafeContact(hours=(time(18), time(21)), ways=(Way.WRITE,), may_say=MaySay.ANYTHING)


@pytest.mark.parametrize(
    ("safe", "way", "heard", "warned"),
    [
        (None, Way.WRITE, None, ""),
        (EVENINGS, Way.WRITE, None, "Det er ikke avtalt at vi skriver nå"),
        (EVENINGS, Way.WRITE, NOON - PRESENT_FOR, ""),  # she is there still
        (EVENINGS, Way.WRITE, NOON - PRESENT_FOR - timedelta(minutes=1), "Det er ikke avtalt at vi skriver nå"),
        (EVENINGS, Way.CALL, None, "Det er avtalt at vi ikke ringer"),
        (replace(EVENINGS, ways=(Way.CALL,)), Way.CALL, None, "Det er ikke avtalt at vi ringer nå"),
        (replace(EVENINGS, ways=(Way.CALL,)), Way.CALL, NOON, ""),  # she is there, and may be called
        (EVENINGS, Way.CALL, NOON, "Det er avtalt at vi ikke ringer"),
        (replace(EVENINGS, ways=()), Way.WRITE, None, "Det er avtalt at vi ikke skriver først"),
        (replace(EVENINGS, hours=AROUND_THE_CLOCK), Way.WRITE, None, ""),
        (replace(EVENINGS, hours=AROUND_THE_CLOCK, may_say=MaySay.NOTHING), Way.WRITE, None, "Andre kan lese det"),
        (replace(EVENINGS, until=NOON), Way.WRITE, None, "Avtalen om trygg kontakt har gått ut"),
        (replace(EVENINGS, until=NOON + timedelta(days=1)), Way.WRITE, None, "Det er ikke avtalt at vi skriver nå"),
    ],
)
def test_who_begins_outside_what_was_agreed_is_warned(
    safe: SafeContact | None, way: Way, heard: datetime | None, warned: str
) -> None:
    said = SafeSheet(PHRASES, Language.NB, OSLO, NOON).warning(safe, way, heard)
    assert said.startswith(warned)
    assert bool(said) is bool(warned)


@pytest.mark.parametrize(
    "form",
    [
        SafeForm(begins="18:00", ends="21:00", call=True, may_say="anything", until="2026-12-01"),
        SafeForm(begins="22:00", ends="06:00", write=False, until="2026-11-22"),
        SafeForm(always=True, until="2027-11-22"),
        SafeForm(until="2026-11-22"),
    ],
)
def test_what_was_agreed_stands_in_the_form_as_it_was_written(form: SafeForm) -> None:
    rules = safe_sheet.rules_in(form, NOON, OSLO)
    assert isinstance(rules, SafeContact)
    assert safe_sheet.form_of(rules, NOON, OSLO) == form
    # It holds through the whole of its last day, also where the clocks change before it.
    assert rules.until is not None
    assert rules.until.astimezone(OSLO).time() == time(0)
    assert (rules.until.astimezone(OSLO).date() - timedelta(days=1)).isoformat() == form.until
