"""The roster's form: nothing of a roster is lost on its way through it, and no time is guessed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.desk.rota_sheet import (
    Fixed,
    Hours,
    Layer,
    Override,
    Rotation,
    Rule,
    Sheet,
    Temporary,
    TooMuch,
    changed,
    read_form,
    sheet_of,
    write,
)
from escalation.rota.roster import read_schedule
from helpline.content import node_of
from tests.escalation.rota.test_on_call import CASES

OSLO = ZoneInfo("Europe/Oslo")
SCHEDULES = [case for case in CASES["oncall"] if "schedule" in case]


def sent(sheet: Sheet) -> list[tuple[str, str]]:
    """What a browser sends of a form that shows this sheet."""
    return list(_sent("", sheet))


def _sent(prefix: str, row: Any) -> Any:
    for name, value in vars(row).items():
        if isinstance(value, str):
            yield prefix + name, value
        else:
            for number, part in enumerate(value):
                if isinstance(part, str):
                    yield prefix + name, part
                else:
                    yield from _sent(f"{prefix}{name}.{number}.", part)


@pytest.mark.parametrize("case", SCHEDULES, ids=lambda case: case["id"])
def test_a_roster_goes_through_the_form_unharmed(case: dict[str, Any]) -> None:
    zone = ZoneInfo(case["zone"])
    schedule = read_schedule(node_of(case["schedule"], file="case"), zone)
    sheet = sheet_of(schedule, zone)
    assert read_form(sent(sheet)) == sheet
    written = write(sheet, zone)
    assert written.wrong == {}
    assert written.schedule == schedule


def test_what_was_typed_of_a_whole_form_is_read_as_it_was_typed() -> None:
    sheet = Sheet(
        exclusive="yes",
        rotations=(Rotation("r3", "natt", "daily", "x", "2026-11-", "Europe/Oslo", ("asha", "", "asha")),),
        rules=(Rule("rotation:r3", ("mon",), "8", ""),),
        layers=(Layer("noor", (Hours(("sat",), "08:00", "20:00"), Hours((), "", ""))),),
        priority_shifts=(Fixed("noor", "2", "2026-11-22T08:00", "", "x", "y"),),
        overrides=(Override("asha", "noor", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "", ""),),
        temporary=(Temporary("a", "b", "c", "d", (Fixed("asha"), Fixed("noor"))),),
    )
    assert read_form([*sent(sheet), ("rules.x.start", "1"), ("rules", "1"), ("a.b.c", "1"), ("do", "save")]) == sheet


def test_a_form_with_more_rows_than_any_roster_is_refused() -> None:
    with pytest.raises(TooMuch):
        read_form((f"rules.{number}.start", "08:00") for number in range(401))
    with pytest.raises(TooMuch):
        read_form(("do", "x") for _ in range(9000))


# --- the buttons ------------------------------------------------------------------------------------------------------


def people(sheet: Sheet) -> tuple[str, ...]:
    return sheet.rotations[0].people


def test_people_move_up_and_down_and_out_and_the_empty_line_goes() -> None:
    sheet = Sheet(rotations=(Rotation("r0", "natt", people=("asha", "", "noor", "eva", "")),))
    assert people(changed(sheet, "up.rotations.0.people.3")) == ("asha", "eva", "noor")
    assert people(changed(sheet, "down.rotations.0.people.0")) == ("asha", "noor", "eva")
    assert people(changed(sheet, "drop.rotations.0.people.2")) == ("asha", "eva")
    for useless in ("up.rotations.0.people.0", "down.rotations.0.people.4", "drop.rotations.0.people.9", "check"):
        assert people(changed(sheet, useless)) == ("asha", "noor", "eva")


@pytest.mark.parametrize(
    "order",
    [
        "",
        "save",
        "add",
        "add.",
        "add.exclusive",
        "drop.rules.0",
        "drop.rules.-1",
        "up.rules",
        "add.rules.0.x",
        "no.rules",
    ],
)
def test_a_button_that_does_not_fit_changes_nothing(order: str) -> None:
    assert changed(Sheet(), order) == Sheet()


def test_rows_come_and_go_also_inside_others() -> None:
    sheet = changed(Sheet(), "add.temporary")
    sheet = changed(changed(sheet, "add.temporary.0.shifts"), "add.temporary.0.shifts")
    assert sheet.temporary == (Temporary(shifts=(Fixed(), Fixed())),)
    assert changed(sheet, "drop.temporary.0.shifts.1").temporary[0].shifts == (Fixed(),)
    assert changed(changed(Sheet(), "add.layers"), "add.layers.0.hours").layers == (Layer(hours=(Hours(),)),)


def test_a_new_rotation_is_not_taken_for_one_that_is_there() -> None:
    sheet = Sheet(rotations=(Rotation("r1", "natt"), Rotation("r0", "dag")))
    assert changed(sheet, "add.rotations").rotations[2].key == "r2"
    assert changed(changed(sheet, "drop.rotations.1"), "add.rotations").rotations[1].key == "r0"


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_a_rotation_keeps_its_rules_when_it_is_renamed() -> None:
    sheet = Sheet(
        rotations=(Rotation("r0", "natt", "weekly", "1", "2026-11-02T08:00", "", ("asha",)),),
        rules=(Rule("rotation:r0", start="20:00", end="08:00"),),
    )
    assert write(sheet, OSLO).definition["rules"][0]["target"] == "rotation:natt"
    [renamed] = (Rotation("r0", "kveld", "weekly", "1", "2026-11-02T08:00", "", ("asha",)),)
    written = write(Sheet(rotations=(renamed,), rules=sheet.rules), OSLO)
    assert written.schedule is not None
    assert written.definition["rules"][0]["target"] == "rotation:kveld"
    gone = write(Sheet(rules=sheet.rules), OSLO)
    assert gone.wrong["rules.0.target"].phrase == "desk.rota.no.rotation_gone"


def test_a_time_that_is_shown_twice_is_asked_about_and_the_answer_is_taken() -> None:
    override = Override("asha", "", "2026-10-25T02:30", "", "2026-10-25T08:00", "")
    asked = write(Sheet(overrides=(override,)), OSLO)
    assert asked.schedule is None
    wrong = asked.wrong["overrides.0.start"]
    assert (wrong.phrase, len(wrong.offered)) == ("desk.rota.no.twice", 2)
    answered = Override("asha", "", "2026-10-25T02:30", "2026-10-25T01:30:00Z", "2026-10-25T08:00", "")
    written = write(Sheet(overrides=(answered,)), OSLO)
    assert written.schedule is not None
    assert written.schedule.overrides[0].span.start == datetime.fromisoformat("2026-10-25T01:30Z")
    # An answer to an earlier time does not count for the time that stands there now.
    moved = Override("asha", "", "2026-03-29T02:30", "2026-10-25T01:30:00Z", "2026-03-29T08:00", "")
    assert write(Sheet(overrides=(moved,)), OSLO).wrong["overrides.0.start"].phrase == "desk.rota.no.missing"


@pytest.mark.parametrize(
    ("sheet", "name", "phrase"),
    [
        (Sheet(rotations=(Rotation("r0", "", start="2026-11-02T08:00"),)), "rotations.0.name", "name"),
        (Sheet(rotations=(Rotation("r0", "a", start="2026-02-30T08:00"),)), "rotations.0.start", "time"),
        (Sheet(rotations=(Rotation("r0", "a", start="2026-11-02T08:00", length="0"),)), "rotations.0.length", "length"),
        (Sheet(rotations=(Rotation("r0", "a", start="2026-11-02T08:00", length="²"),)), "rotations.0.length", "length"),
        (Sheet(rotations=(Rotation("r0", "a", start="2026-11-02T08:00", zone="Oslo"),)), "rotations.0.zone", "zone"),
        (Sheet(rotations=(Rotation("r0", "a", "yearly", "1", "2026-11-02T08:00"),)), "rotations.0.every", "every"),
        (
            Sheet(rotations=tuple(Rotation(key, "a", start="2026-11-02T08:00") for key in ("r0", "r1"))),
            "rotations.1.name",
            "name_twice",
        ),
        (Sheet(rules=(Rule("", start="08:00", end="20:00"),)), "rules.0.target", "target"),
        (Sheet(rules=(Rule("asha", start="25:00", end="20:00"),)), "rules.0.start", "clock"),
        (Sheet(rules=(Rule("asha", (), "08:00", "20:00"),)), "rules.0.days", "days"),
        (
            Sheet(rules=(Rule("asha", start="08:00", end="20:00"),), layers=(Layer("noor"),)),
            "layers",
            "two_plans",
        ),
        (
            Sheet(overrides=(Override("", "", "2026-11-22T08:00", "", "2026-11-22T09:00", ""),)),
            "overrides.0.add",
            "override",
        ),
        (
            Sheet(overrides=(Override("a", "a", "2026-11-22T08:00", "", "2026-11-22T09:00", ""),)),
            "overrides.0.remove",
            "same",
        ),
        (
            Sheet(overrides=(Override("a", "", "2026-11-22T08:00", "", "2026-11-22T08:00", ""),)),
            "overrides.0.end",
            "order",
        ),
        (
            Sheet(priority_shifts=(Fixed("a", "x", "2026-11-22T08:00", "", "2026-11-22T09:00", ""),)),
            "priority_shifts.0.level",
            "level",
        ),
        (Sheet(temporary=(Temporary("2026-11-22T08:00", "", "0000-00-00T00:00", ""),)), "temporary.0.end", "time"),
        (
            Sheet(temporary=(Temporary("2026-11-22T08:00", "", "2026-11-23T08:00", "", (Fixed("", "0"),)),)),
            "temporary.0.shifts.0.person",
            "person",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field(sheet: Sheet, name: str, phrase: str) -> None:
    written = write(sheet, OSLO)
    assert written.schedule is None
    assert written.wrong[name].phrase == f"desk.rota.no.{phrase}"
