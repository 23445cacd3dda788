"""Any order of events on the real store, with the auditor and a model of promises as judges.

The nights that are played are the same each time. VARDE_TEST_NIGHTS=300 plays as many, other ones each time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from helpline.messages import Channel, DeliveryState
from tests.escalation.machine import ADVISORS, CLINICIANS, FATES, STAFF, Night
from tests.escalation.simulator import minutes

MANY = os.environ.get("VARDE_TEST_NIGHTS")
who_is_she = st.integers(0, CLINICIANS - 1)
somebody = st.sampled_from(tuple(STAFF))
an_advisor = st.sampled_from(ADVISORS)
on = st.sampled_from((Channel.TELEGRAM, Channel.SMS))
SAID = ("1", "ja", "2", "nei", "Hei, jeg er her nå.", "tilbake", "ferdig", "hjelp", "til noor", "stopp", "start")


class AnyNight(RuleBasedStateMachine):
    """One night; the database it runs on is given by the test."""

    make_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.night = Night(type(self).make_url())
        self.run(self.night.begin())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    @initialize(which=who_is_she, urgent=st.booleans())
    def somebody_asks_first(self, which: int, urgent: bool) -> None:
        self.run(self.night.asks(which, urgent=urgent))

    @rule(which=who_is_she, urgent=st.booleans())
    def she_asks(self, which: int, urgent: bool) -> None:
        self.run(self.night.asks(which, urgent=urgent))

    @rule(which=who_is_she)
    def she_writes(self, which: int) -> None:
        self.run(self.night.writes(which))

    @rule(which=who_is_she)
    def she_leaves(self, which: int) -> None:
        self.run(self.night.leaves(which))

    @rule(number=st.integers(0, 30), no=st.booleans())
    def a_button_is_tapped(self, number: int, no: bool) -> None:
        """The latest as likely as one from hours ago."""
        pages = self.night.pages()
        if pages:
            person, channel, take, decline = pages[-1 - number % len(pages)]
            self.run(self.night.hears(person, channel, token=decline if no else take))

    @rule(person=somebody, channel=on, said=st.sampled_from(SAID), which=who_is_she, with_code=st.booleans())
    def somebody_writes(self, person: str, channel: Channel, said: str, which: int, with_code: bool) -> None:
        filed = self.runner.run(self.night.open_of(which))
        text = f"{filed.code} {said}" if with_code and filed is not None else said
        self.run(self.night.hears(person, channel, text=text))

    @rule(
        person=somebody,
        what=st.sampled_from(("take", "take", "no", "back", "pass", "close", "move up", "reapply")),
        which=who_is_she,
        to=somebody,
    )
    def somebody_acts_at_the_desk(self, person: str, what: str, which: int, to: str) -> None:
        self.run(self.night.at_the_desk(person, what, which, to))

    @rule(people=st.lists(an_advisor, max_size=2, unique=True))
    def the_roster_is_edited(self, people: list[str]) -> None:
        if not people:
            self.night.misfortune = True
        self.run(self.night.does(lambda conn: self.night.save_roster(conn, people)))

    @rule(person=an_advisor, to=an_advisor, hours=st.sampled_from((0.25, 2.0)), agreed=st.booleans())
    def a_shift_is_given_away(self, person: str, to: str, hours: float, agreed: bool) -> None:
        self.run(self.night.gives_shift(person, to, hours=hours, agreed=agreed))

    @rule(person=an_advisor, hours=st.sampled_from((0.25, 3.0)))
    def somebody_is_on_leave(self, person: str, hours: float) -> None:
        self.run(self.night.is_away(person, hours))

    @rule(person=an_advisor)
    def somebody_leaves_work(self, person: str) -> None:
        self.run(self.night.leaves_work(person))

    @rule(person=an_advisor)
    def somebody_comes_back(self, person: str) -> None:
        self.run(self.night.comes_back(person))

    @rule(time=st.sampled_from((0.5, 1.0, 3.0, 7.0, 11.0)))
    def time_passes(self, time: float) -> None:
        self.run(self.night.wait(minutes(time)))

    @rule(time=st.sampled_from((1.0, 4.0, 45.0)))
    def the_machine_sleeps(self, time: float) -> None:
        self.run(self.night.sleep(minutes(time)))

    @rule(commits=st.integers(1, 5), after=st.booleans())
    def the_process_is_doomed(self, commits: int, after: bool) -> None:
        self.night.db.doom(commits, after=after)

    @rule(person=somebody, channel=on, fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=3))
    def a_provider_goes_wrong(self, person: str, channel: Channel, fates: list[str]) -> None:
        self.night.goes_wrong(person, channel, fates)

    @rule(state=st.sampled_from(DeliveryState), number=st.integers(0, 20))
    def a_report_comes(self, state: DeliveryState, number: int) -> None:
        self.run(self.night.reports(state, number))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        self.run(self.night.what_always_holds())

    def teardown(self) -> None:
        try:
            self.run(self.night.morning())
        finally:
            self.run(self.night.end())
            self.runner.close()


def play(make_url: Callable[[], str], *, nights: int, steps: int) -> None:
    machine = type("ThisNight", (AnyNight,), {"make_url": staticmethod(make_url)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(MANY) if MANY else nights,
            derandomize=not MANY,
            phases=(Phase.generate, Phase.shrink),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_any_night_on_sqlite(make_database_url: Callable[[], str]) -> None:
    play(make_database_url, nights=10, steps=25)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_any_night_on_postgresql(make_database_url: Callable[[], str]) -> None:
    play(make_database_url, nights=3, steps=15)
