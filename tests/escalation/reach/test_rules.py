"""Personal rules: what they come to, and what is said where they would not wake anybody in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.reach.rules import REFUSED, Contact, Fault, remarks, wait_for, ways_of
from escalation.standing import Way
from tests.escalation.simulator import a_ladder, minutes

HOUSE = {"desk": minutes(0), "telegram": minutes(0), "sms": minutes(1), "call": minutes(2)}
TELEGRAM, SMS, CALL, DESK = Contact(1, "telegram"), Contact(2, "sms"), Contact(3, "call"), Contact(4, "desk")
WAIT, AGAIN = minutes(3), minutes(10)


def faults(*rules: tuple[int, float]) -> list[Fault]:
    contacts = [TELEGRAM, SMS, CALL, DESK]
    ways = [Way(minutes(after), str(contact)) for contact, after in rules]
    return [remark.fault for remark in remarks(ways, contacts, wait=WAIT, again=AGAIN)]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([(1, 0), (2, 1)], []),
        ([], [Fault.NEVER]),
        ([(4, 0)], [Fault.NEVER]),  # an open page wakes nobody
        ([(1, 12), (4, 0)], [Fault.TOO_LATE]),  # called anew every ten minutes, so never
        ([(1, 10), (2, 12)], [Fault.TOO_LATE]),
        ([(1, 3), (2, 4)], [Fault.SLOW]),  # exactly on time counts as late
        ([(1, 0), (2, 4)], [Fault.LATE_WAY]),
        ([(1, 0)], [Fault.ONE_WAY]),
        ([(1, 0), (1, 2)], [Fault.ONE_WAY]),  # twice the same is one
        ([(1, 5)], [Fault.SLOW, Fault.ONE_WAY]),
    ],
)
def test_what_is_said_of_rules(rules: list[tuple[int, float]], said: list[Fault]) -> None:
    assert faults(*rules) == said


def test_stopped_contact_wakes_nobody() -> None:
    stopped = Contact(1, "telegram", works=False)
    [remark] = remarks([Way(minutes(0), "1", usable=False)], [stopped], wait=WAIT, again=AGAIN)
    assert remark.fault in REFUSED


def test_without_rules_of_ones_own_the_houses_hold_and_wait_for_no_missing_channel() -> None:
    assert ways_of([SMS, CALL], None, HOUSE) == (Way(minutes(0), "2"), Way(minutes(1), "3"))


@pytest.mark.parametrize(
    ("contacts", "reached"),
    [
        ([TELEGRAM, SMS], ["1"]),  # as she chose
        ([SMS], ["2"]),  # the one she chose is gone
        ([Contact(1, "telegram", works=False), SMS], ["1", "2"]),  # she stopped it
        ([DESK, SMS], ["4", "2"]),  # what is left of her own is an open page
    ],
)
def test_contact_that_was_removed_or_stopped_silences_nobody_who_has_another(
    contacts: list[Contact], reached: list[str]
) -> None:
    own = [(1, minutes(0)), (4, minutes(0))]
    assert [way.contact for way in ways_of(contacts, own, HOUSE)] == reached


some_contacts = st.lists(
    st.builds(Contact, st.integers(1, 5), st.sampled_from([*HOUSE]), st.booleans()), unique_by=lambda each: each.id
)
some_rules = st.none() | st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20).map(minutes)), min_size=1)


@given(some_contacts, some_rules)
def test_whoever_has_a_contact_that_wakes_is_woken(
    contacts: list[Contact], own: list[tuple[int, timedelta]] | None
) -> None:
    ways = ways_of(contacts, own, HOUSE)
    waking = {str(contact.id) for contact in contacts if contact.wakes}
    assert not waking or any(way.contact in waking and way.usable for way in ways)
    assert {way.contact for way in ways} <= {str(contact.id) for contact in contacts}


def test_how_long_their_step_waits() -> None:
    ladder = a_ladder([[5, ["roster:main"]], [2, ["roster:back", "noor"]], [9, ["role:advisor"]]])
    assert wait_for(ladder, {"asha", "roster:main", "role:advisor"}) == minutes(5)
    assert wait_for(ladder, {"noor"}) == minutes(2)
    assert wait_for(ladder, {"maja"}) == minutes(2)  # named by none: the shortest of all
