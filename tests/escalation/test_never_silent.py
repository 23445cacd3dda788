"""The last resort never ends: while nobody answers somebody is woken again and again, and she knows how it stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalation import ladder as climbing
from escalation.effects import Alarm, AlarmCoordinator, Effect, Effects, Page, PageReason, TellClinician, ToClinician
from escalation.policy import read_policy
from escalation.standing import FOR_EVER, Duty, Escalation, Ladder, Staffing, State, Step, Urgency, Way
from helpline.content import ContentError, read_yaml
from tests.escalation.simulator import DEADLINES, START, minutes
from tests.escalation.stored import a_policy

PEOPLE = ("A", "B", "C")
TOLD_HOW_IT_IS = {
    ToClinician.NOBODY_REACHED,
    ToClinician.NOBODY_ON_DUTY,
    ToClinician.NOBODY_YET,
}
RETRY = minutes(10)

ways = st.lists(
    st.builds(Way, st.integers(0, 30).map(minutes), st.sampled_from(["telegram", "sms", "call"]), st.booleans()),
    max_size=3,
).map(tuple)
steps = st.lists(
    st.builds(
        Step,
        st.lists(st.sampled_from([*PEOPLE, "roster:main"]), min_size=1, max_size=2, unique=True).map(tuple),
        st.integers(1, 20).map(minutes),
        speaks=st.booleans(),
        everyone=st.booleans(),
    ),
    min_size=1,
    max_size=3,
).map(tuple)

# What may have happened before nobody answered any more; each leaves it open.
Past = Callable[[Escalation, datetime, Staffing], tuple[Escalation, Effects]]


def _after_taking(then: Past) -> Past:
    def past(it: Escalation, now: datetime, staffing: Staffing) -> tuple[Escalation, Effects]:
        taken, said = climbing.acknowledge(it, "B", now, staffing)
        moved, more = then(taken, now, staffing)
        return moved, (*said, *more)

    return past


PASTS: dict[str, Past] = {
    "nothing": lambda it, now, staffing: (it, ()),
    "somebody said no": lambda it, now, staffing: climbing.decline(it, "A", now, staffing),
    "taken and never written": _after_taking(lambda it, now, staffing: (it, ())),
    "taken and given back": _after_taking(lambda it, now, staffing: climbing.hand_back(it, "B", now, staffing)),
    "taken, the next step asked": _after_taking(lambda it, now, staffing: climbing.pass_up(it, "B", now, staffing)),
    "a page refused": lambda it, now, staffing: climbing.fall_back(it, "A", "sms", now, staffing, refused=True),
    "she asked again": lambda it, now, staffing: climbing.ask_again(
        it, urgency=Urgency.URGENT, ladder=it.ladder, now=now, staffing=staffing
    ),
    "a coordinator moved it up": climbing.move_up,
}


@settings(max_examples=100, deadline=None)
@given(
    steps=steps,
    repeat=st.sampled_from([0, 0, 1, FOR_EVER]),
    reach=st.fixed_dictionaries(dict.fromkeys(PEOPLE, ways)),
    resort=ways,
    on_call=st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True).map(tuple),
    past=st.sampled_from(sorted(PASTS)),
    late=st.sampled_from([0.0, 0.0, 3.0, 60.0]),
)
def test_while_nobody_answers_it_is_never_silent(
    steps: tuple[Step, ...],
    repeat: int,
    reach: dict[str, tuple[Way, ...]],
    resort: tuple[Way, ...],
    on_call: tuple[str, ...],
    past: str,
    late: float,
) -> None:
    staffing = Staffing({**reach, "LAST": resort}, {"roster:main": Duty(on_call)}, {"A": frozenset({"nb"})})
    ladder = Ladder(steps, repeat, ("LAST",), RETRY, DEADLINES)
    it, said = climbing.begin("x", urgency=Urgency.URGENT, language="nb", ladder=ladder, now=START, staffing=staffing)
    happened: list[tuple[datetime, Effect]] = [(START, effect) for effect in said]
    now = START + minutes(1)
    it, said = PASTS[past](it, now, staffing)
    happened += [(now, effect) for effect in said]
    end = START + timedelta(hours=3)
    while it.due_at is not None and it.due_at <= end:
        now = max(now, it.due_at + minutes(late))
        it, said = climbing.climb(it, now, staffing)
        happened += [(now, effect) for effect in said]
    assert it.open
    assert it.state is not State.TAKEN  # an owner who never writes does not keep it
    told = [effect.word for _, effect in happened if isinstance(effect, TellClinician)]
    assert TOLD_HOW_IT_IS & set(told)
    # Somebody is woken, or a coordinator is told that nobody can be, for as long as it stays open.
    noise = [at for at, effect in happened if isinstance(effect, Page | AlarmCoordinator)]
    round_ = sum((step.wait for step in steps), timedelta())
    slowest = max((way.after for each in reach.values() for way in each), default=timedelta())
    # Whoever is called again with the next round is reached when their own way has waited, too.
    pause = RETRY if it.state is State.LAST_RESORT else max(round_ + slowest, RETRY)
    assert end - noise[-1] <= pause + minutes(late), (it, happened[-3:], it.due_at)
    if it.state is State.LAST_RESORT and any(way.usable for way in resort):
        calls = [
            (at, page) for at, page in happened if isinstance(page, Page) and page.reason is PageReason.LAST_RESORT
        ]
        woken = [at for at, page in calls if page.person == "LAST"]
        assert all(later - earlier <= RETRY + minutes(late) for earlier, later in pairwise(woken))
        if end - woken[0] > max(way.after for way in resort) + RETRY + minutes(2 * late):
            used = {page.contact for _, page in calls if page.person == "LAST"}
            assert used == {way.contact for way in resort if way.usable}  # also those that are tried late
    elif it.state is State.LAST_RESORT:
        assert AlarmCoordinator(Alarm.LAST_RESORT_EMPTY) in [effect for _, effect in happened]


@pytest.mark.parametrize("missing", ["last_resort", "last_resort targets"])
def test_a_ladder_without_a_last_resort_is_refused(missing: str) -> None:
    written = a_policy([[5, ["a"]]])
    if missing == "last_resort":
        del written["last_resort"]
    else:
        written["last_resort"]["targets"] = []
    with pytest.raises(ContentError):
        read_policy(read_yaml(orjson.dumps(written).decode(), file="ladder"))
