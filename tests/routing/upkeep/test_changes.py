"""Which changes of a service need a second person, what differs, and how a change is put upon a newer wording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.services import (
    AgeRange,
    Answer,
    Hours,
    Location,
    Phone,
    ServiceKind,
    ServiceStatus,
    Sex,
    Takes,
)
from routing.upkeep import changes
from routing.upkeep.service_form import as_plain
from tests.routing.worlds import WELCOMES, a_service

OLD = a_service("one")
ONLY_WOMEN = replace(WELCOMES, sex=Takes(frozenset({Sex.FEMALE.value}), frozenset({Sex.MALE.value})))
HIDDEN = (Location("hus", protected=True),)


@pytest.mark.parametrize(
    ("facts", "because"),
    [
        ({"note": "Ny."}, ()),
        ({"hours": Hours(office_hours=True, as_stated="kontortid")}, ()),
        ({"owner": "asha", "introduction": Answer.YES}, ()),
        ({"phones": (Phone("22 33 44 55"),)}, ("phones",)),
        ({"phones": ()}, ("phones",)),
        ({"serves": ONLY_WOMEN}, ("serves",)),
        ({"serves": replace(WELCOMES, age=AgeRange(18))}, ("serves",)),
        ({"families": Answer.NO}, ("families",)),
        ({"protected": True}, ("protected",)),
        ({"child_route": True}, ("child_route",)),
        ({"status": ServiceStatus.CLOSED_FOR_NOW}, ()),  # for the holidays: everybody may say so at once
        ({"status": ServiceStatus.DEFUNCT}, ("withdrawn",)),
        ({"locations": (Location("hus", phones=(Phone("22 33 44 55"),)),)}, ("phones",)),
        ({"note": "Ny.", "phones": (), "serves": ONLY_WOMEN}, ("serves", "phones")),
    ],
)
def test_who_has_to_look_follows_from_what_is_touched(facts: dict[str, Any], because: tuple[str, ...]) -> None:
    assert changes.guarded(OLD, replace(OLD, **facts)) == because


def test_a_new_service_needs_a_second_person() -> None:
    assert changes.guarded(None, OLD) == ("new",)


def test_bringing_back_what_was_withdrawn_needs_a_second_person_too() -> None:
    assert changes.guarded(replace(OLD, status=ServiceStatus.INACTIVE), OLD) == ("withdrawn",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (replace(OLD, protected=True, locations=HIDDEN), replace(OLD, locations=(Location("hus"),))),
        (replace(OLD, locations=HIDDEN), replace(OLD, locations=(Location("hus"),))),
        (replace(OLD, locations=HIDDEN), replace(OLD, locations=(Location("hus-2"),))),
        (replace(OLD, kind=ServiceKind.CRISIS_CENTRE), replace(OLD, kind=ServiceKind.LEGAL_AID)),
    ],
)
def test_nobody_shows_a_hidden_place_alone(before: Any, after: Any) -> None:
    assert "protected" in changes.guarded(before, after)


def test_what_differs_is_named_field_by_field() -> None:
    new = replace(OLD, note="Ring først.", serves=ONLY_WOMEN)
    found = changes.differences(as_plain(OLD), as_plain(new))
    assert [(each.field, each.before, each.after) for each in found] == [
        ("note", None, "Ring først."),
        ("serves.sex", "all", {"takes": ["female"], "refuses": ["male"]}),
    ]
    assert changes.differences(as_plain(OLD), as_plain(OLD)) == ()


def test_a_change_is_put_upon_what_others_changed_meanwhile() -> None:
    proposed = as_plain(replace(OLD, phones=(Phone("22 33 44 55"),), note="Min."))
    present = as_plain(replace(OLD, email="post@eksempel.no", note="Deres.", serves=ONLY_WOMEN))
    settled = changes.rebased(as_plain(OLD), proposed, present)
    assert (settled.plain["phones"], settled.plain["email"]) == ([{"number": "22 33 44 55"}], "post@eksempel.no")
    assert settled.plain["serves"] == present["serves"]
    assert [(each.field, each.proposed, each.present) for each in settled.clashes] == [("note", "Min.", "Deres.")]
    assert set(settled.taken) == {"email", "serves.sex"}
    assert changes.chosen(settled, ["note"])["note"] == "Deres."


_FACTS = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(["", "En.", "To."]),
        "email": st.sampled_from(["", "a@b.no"]),
        "phones": st.sampled_from([(), (Phone("22 33 44 55"),), (Phone("112"), Phone("113"))]),
        "serves": st.sampled_from([WELCOMES, ONLY_WOMEN, replace(WELCOMES, children=Answer.NO)]),
        "families": st.sampled_from(list(Answer)),
    },
)


@given(_FACTS, _FACTS)
def test_nothing_that_one_of_two_said_is_lost(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    proposed, present = as_plain(replace(OLD, **mine)), as_plain(replace(OLD, **theirs))
    settled = changes.rebased(as_plain(OLD), proposed, present)
    clashing = {clash.field for clash in settled.clashes}
    for each in changes.differences(as_plain(OLD), proposed):
        assert each.field not in {left.field for left in changes.differences(proposed, settled.plain)}
    for each in changes.differences(as_plain(OLD), present):
        lost = {left.field for left in changes.differences(present, settled.plain)}
        assert each.field in clashing or each.field not in lost
    # Upon the same base it is the proposal, and a proposal of nothing is what stands.
    assert changes.rebased(as_plain(OLD), proposed, as_plain(OLD)).plain == proposed
    assert changes.rebased(present, present, present).plain == present
