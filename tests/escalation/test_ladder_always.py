"""What holds at every moment of every escalation, whoever does what and however late we wake up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from escalation import ladder as climbing
from escalation.effects import Effect, Page, PageReason, TellAdvisor, TellClinician, ToAdvisor, ToClinician
from escalation.standing import FOR_EVER, Duty, Escalation, Ladder, Staffing, State, Step, Urgency, Way
from escalation.store import from_json, to_json
from tests.escalation.simulator import DEADLINES, START, minutes

PEOPLE = ("A", "B", "C", "D")
CONTACTS = ("telegram", "sms", "call")

ways = st.lists(
    st.builds(Way, st.integers(0, 20).map(minutes), st.sampled_from(CONTACTS), st.booleans()), max_size=3
).map(tuple)
targets = st.lists(st.sampled_from([*PEOPLE, "roster:one", "roster:two"]), min_size=1, max_size=2, unique=True).map(
    tuple
)
steps = st.builds(Step, targets, st.integers(1, 30).map(minutes), speaks=st.booleans(), everyone=st.booleans())
ladders = st.builds(
    Ladder,
    st.lists(steps, min_size=1, max_size=3).map(tuple),
    st.sampled_from([0, 0, 1, 2, FOR_EVER]),
    st.just(("D",)),
    st.just(minutes(10)),
    st.just(DEADLINES),
)
duties = st.fixed_dictionaries(
    {
        name: st.tuples(st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True).map(tuple), st.integers(1, 600))
        for name in ("roster:one", "roster:two")
    }
)
someone = st.sampled_from(PEOPLE)
# Who has quiet hours, and who stands in for them: nobody who has quiet hours herself.
rests = st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["C", "D"]), max_size=2)


class AnyEscalation(RuleBasedStateMachine):
    """Whatever can happen to an escalation, in any order."""

    escalation: Escalation
    now: datetime
    staffing: Staffing

    @initialize(ladder=ladders, reach=st.fixed_dictionaries(dict.fromkeys(PEOPLE, ways)), duty=duties)
    def opens(
        self, ladder: Ladder, reach: dict[str, tuple[Way, ...]], duty: dict[str, tuple[tuple[str, ...], int]]
    ) -> None:
        self.now = START
        self.numbers: list[int] = []
        self.told_nobody = False
        self.heard = False
        self.spoken = {"A": frozenset({"nb"}), "B": frozenset({"sv"})}
        self.resting: dict[str, str] = {}
        self.staffing = self.staffed(reach, duty)
        begun = climbing.begin(
            "x", urgency=Urgency.ROUTINE, language="nb", ladder=ladder, now=self.now, staffing=self.staffing
        )
        self.note(*begun)
        self.moves()

    def staffed(self, reach: dict[str, tuple[Way, ...]], duty: dict[str, tuple[tuple[str, ...], int]]) -> Staffing:
        people = {name: Duty(on_call, self.now + minutes(left)) for name, (on_call, left) in duty.items()}
        return Staffing(reach, people, self.spoken, resting=self.resting)

    def note(self, escalation: Escalation, effects: tuple[Effect, ...]) -> None:
        before = getattr(self, "escalation", None)
        self.escalation = escalation
        assert from_json(to_json(escalation)) == escalation
        for effect in effects:
            match effect:
                case Page() as page:
                    self.numbers.append(page.number)
                    usable = {way.contact for way in self.staffing.ways[page.person] if way.usable}
                    assert page.contact in usable or before is not None
                    assert before is None or before.open
                    assert escalation.owner != page.person or page.reason is PageReason.HANDOVER
                case TellClinician(word, _):
                    self.heard = True
                    self.told_nobody = word in (
                        ToClinician.NOBODY_ON_DUTY,
                        ToClinician.NOBODY_REACHED,
                        ToClinician.NOBODY_YET,
                    )
                case TellAdvisor(person, ToAdvisor.YOURS):
                    assert escalation.owner == person
                case _:
                    pass

    def moves(self) -> None:
        self.note(*climbing.climb(self.escalation, self.now, self.staffing))

    @precondition(lambda self: self.escalation.due_at is not None)
    @rule(late=st.sampled_from([0.0, 0.0, 0.0, 0.5, 45.0]))
    def time_brings_what_is_due(self, late: float) -> None:
        assert self.escalation.due_at is not None
        rung = self.escalation.rung
        self.now = max(self.now, self.escalation.due_at + minutes(late))
        self.moves()
        assert self.escalation.rung <= rung + 2  # one step, and a shift or a handover with it
        assert self.escalation.due_at is not None
        assert self.escalation.due_at > self.now

    @rule(passed=st.floats(0.1, 4))
    def a_little_time_passes(self, passed: float) -> None:
        due = self.escalation.due_at
        self.now += minutes(passed) if due is None else min(minutes(passed), max(timedelta(), due - self.now))
        self.moves()

    @rule(duty=duties)
    def people_on_duty_change(self, duty: dict[str, tuple[tuple[str, ...], int]]) -> None:
        self.staffing = self.staffed(dict(self.staffing.ways), duty)
        self.moves()

    @rule(contacts=st.sets(st.sampled_from(CONTACTS)), left=st.floats(0.1, 1))
    def contacts_were_paged_just_now(self, contacts: set[str], left: float) -> None:
        until = dict.fromkeys(contacts, self.now + minutes(left))
        self.note(*climbing.climb(self.escalation, self.now, replace(self.staffing, held=until)))

    @rule(resting=rests)
    def quiet_hours_begin_and_end(self, resting: dict[str, str]) -> None:
        self.resting = resting
        self.staffing = replace(self.staffing, resting=resting)
        self.moves()

    @rule(person=someone, rules=ways)
    def somebody_changes_their_rules(self, person: str, rules: tuple[Way, ...]) -> None:
        self.staffing = replace(self.staffing, ways={**self.staffing.ways, person: rules})
        self.note(*climbing.replan(self.escalation, person, rules, self.now, self.staffing))
        self.moves()

    @rule(person=someone)
    def somebody_takes_it(self, person: str) -> None:
        owner = self.escalation.owner
        asked = self.escalation.handover.asked if self.escalation.handover is not None else ()
        self.note(*climbing.acknowledge(self.escalation, person, self.now, self.staffing))
        if owner is not None and person not in asked:
            assert self.escalation.owner == owner

    @rule(person=someone, as_of=st.none() | st.integers(0, 9))
    def somebody_says_no(self, person: str, as_of: int | None) -> None:
        self.note(*climbing.decline(self.escalation, person, self.now, self.staffing, as_of=as_of))

    @rule(person=someone, contact=st.sampled_from(CONTACTS), refused=st.booleans())
    def a_page_comes_to_nothing(self, person: str, contact: str, refused: bool) -> None:
        self.note(*climbing.fall_back(self.escalation, person, contact, self.now, self.staffing, refused=refused))

    @rule()
    def a_coordinator_moves_it_up(self) -> None:
        self.note(*climbing.move_up(self.escalation, self.now, self.staffing))

    @rule(person=someone)
    def somebody_gives_it_back(self, person: str) -> None:
        self.note(*climbing.hand_back(self.escalation, person, self.now, self.staffing))

    @rule(person=someone, to=someone)
    def somebody_asks_a_colleague(self, person: str, to: str) -> None:
        self.note(*climbing.pass_on(self.escalation, person, to, self.now, self.staffing))

    @rule(person=someone)
    def somebody_asks_the_next_step(self, person: str) -> None:
        before = self.escalation
        self.note(*climbing.pass_up(before, person, self.now, self.staffing))
        assert self.escalation.owner == before.owner
        if before.open and before.owner == person:
            assert self.escalation.handover is not None
            asked = self.escalation.handover.asked
            assert asked or not any(self.staffing.reachable(other) for other in {"D"} - {person})
        again = climbing.pass_up(self.escalation, person, self.now, self.staffing)[0]
        if self.escalation.handover is not None and self.escalation.handover.asked:
            assert again == self.escalation  # pressed twice is asked once

    @rule(person=someone)
    def somebody_keeps_it_after_all(self, person: str) -> None:
        before = self.escalation
        self.note(*climbing.keep(before, person, self.now, self.staffing))
        assert self.escalation.owner == before.owner
        if before.open and before.owner == person:
            assert self.escalation.handover is None
            assert not [page for page in self.escalation.planned if page.reason is PageReason.HANDOVER]

    @rule(urgency=st.sampled_from(Urgency), ladder=ladders)
    def she_asks_again(self, urgency: Urgency, ladder: Ladder) -> None:
        asked = climbing.ask_again(
            self.escalation, urgency=urgency, ladder=ladder, now=self.now, staffing=self.staffing
        )
        if self.escalation.open:
            assert any(isinstance(effect, TellClinician) for effect in asked[1])
        self.note(*asked)

    @rule(person=someone)
    def an_advisor_writes(self, person: str) -> None:
        self.escalation = climbing.note_advisor_word(self.escalation, person, self.now)

    @rule()
    def she_writes(self) -> None:
        self.escalation = climbing.note_clinician_word(self.escalation, self.now)

    @rule(person=someone)
    def somebody_closes_it(self, person: str) -> None:
        self.note(*climbing.close(self.escalation, self.now, self.staffing, by=person))

    @rule()
    def she_calls_it_off(self) -> None:
        self.note(*climbing.withdraw(self.escalation, self.now, self.staffing))

    @invariant()
    def nobody_is_left_in_silence(self) -> None:
        it = self.escalation
        assert self.heard
        match it.state:
            case State.SEEKING:
                assert it.owner is None
                assert it.step_due_at is not None
                assert it.promise_at is not None or self.told_nobody
            case State.LAST_RESORT:
                assert it.owner is None
                assert it.step_due_at is not None
                assert self.told_nobody
            case State.TAKEN:
                assert it.owner is not None
                assert it.reply_due_at is not None or it.quiet_since is not None
            case State.CLOSED | State.WITHDRAWN:
                assert it.due_at is None
                assert it.planned == ()
        assert it.open == (it.due_at is not None)

    @invariant()
    def nobody_is_asked_to_take_over_from_nobody(self) -> None:
        handover = self.escalation.handover
        if handover is not None:
            assert self.escalation.state is State.TAKEN
            assert self.escalation.owner not in handover.asked
            assert handover.remind_at is None or handover.remind_at <= handover.due_at
            assert not set(handover.asked) & set(handover.declined)

    @invariant()
    def every_page_has_a_number_of_its_own(self) -> None:
        assert self.numbers == sorted(set(self.numbers))


AnyEscalation.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyEscalation = AnyEscalation.TestCase
