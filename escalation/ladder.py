"""The ladder: what an escalation does when time passes, when somebody answers, and when nobody does.

One pure function per event. Each takes an escalation and gives back how it stands afterwards, with what has to be done
about it. None of them reads a clock, a database or a message.

What holds at every moment, and is tested as a property: an open escalation either has an owner with a deadline, or a
next instant at which it moves by itself. So a clinician ends with a human, or is told plainly that nobody was reached.

What the ladder does that is easily lost in an edit:

1. An empty step does not wait. A whole round of empty steps, or the last round used up, is the last resort at once.
2. Somebody whose shift begins while a step waits is paged then. Nobody is sent home before somebody else has come.
3. A slow or sleeping service moves one step, never two, and the next wait counts from now.
4. A page that came to nothing brings the person's next way forward; if no way is left for anybody, the step is over.
5. Taking it ends the paging but not the supervision: without a first word, or without an answer, it goes back up.
6. An answer to an old page is known as old and changes nothing.
7. The last resort is woken at once and again each time, whatever delays its people chose; later ways still come.
8. In somebody's quiet hours another is called in their place. Where she was called in vain they are woken all the same,
   and the last resort knows no quiet hours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from escalation.effects import (
    Alarm,
    AlarmCoordinator,
    Effect,
    Effects,
    Page,
    PageReason,
    TellAdvisor,
    TellClinician,
    ToAdvisor,
    ToClinician,
    Withdraw,
)
from escalation.reach.quiet import called_for
from escalation.standing import (
    FOR_EVER,
    Called,
    Duty,
    Escalation,
    Handover,
    Ladder,
    Planned,
    Staffing,
    State,
    Step,
    Turn,
    Urgency,
    Way,
    is_group,
)

LATE = timedelta(minutes=2)  # a move later than this means that the service was down
_MINUTE = timedelta(minutes=1)
_MAY_WAIT = (PageReason.STEP, PageReason.SHIFT)
_NO_REST: Mapping[str, str] = {}  # nobody has quiet hours

Moved = tuple[Escalation, Effects]


# --- Opening, and asking again


def begin(id_: str, *, urgency: Urgency, language: str, ladder: Ladder, now: datetime, staffing: Staffing) -> Moved:
    """Open an escalation on its first step that has anybody; `climb` sends the pages that it plans."""
    new = Escalation(id=id_, urgency=urgency, language=language, ladder=ladder, opened_at=now)
    said: list[Effect] = []
    moved = _next_step(new, now, staffing, said)
    if moved.state is State.SEEKING:
        moved = _promise(moved, now)
        said.append(TellClinician(ToClinician.SEEKING, by=moved.promise_at))
    return _settle(moved, now, staffing), tuple(said)


def ask_again(escalation: Escalation, *, urgency: Urgency, ladder: Ladder, now: datetime, staffing: Staffing) -> Moved:
    """She asks again before it has ended: never a second escalation, never silence, and danger raises the urgency.

    `ladder` is the one for the urgency of this plea.
    """
    if not escalation.open:
        return escalation, ()
    asked = replace(escalation, pleas=escalation.pleas + 1)
    raised = urgency is Urgency.URGENT and escalation.urgency is Urgency.ROUTINE
    if raised:
        asked = replace(asked, urgency=urgency)
    said: list[Effect] = []
    match asked.state:
        case State.TAKEN:
            assert asked.owner is not None
            if raised:
                said.append(TellAdvisor(asked.owner, ToAdvisor.NOW_URGENT))
            said.append(TellClinician(ToClinician.ADVISOR_HAS_IT))
            return _settle(_clinician_waits(asked, now), now, staffing), tuple(said)
        case _ if raised:
            return reapply(asked, ladder=ladder, now=now, staffing=staffing)
        case State.SEEKING if asked.promise_at is not None:
            said.append(TellClinician(ToClinician.STILL_SEEKING, by=asked.promise_at))
        case _:
            said.append(TellClinician(ToClinician.NOBODY_YET))
    return asked, tuple(said)


def reapply(escalation: Escalation, *, ladder: Ladder, now: datetime, staffing: Staffing) -> Moved:
    """Start over at the first step of another ladder; only on purpose, since an edit alone moves nobody."""
    if escalation.state not in (State.SEEKING, State.LAST_RESORT):
        return escalation, ()
    earlier = escalation.promise_at
    restarted = replace(
        escalation, ladder=ladder, state=State.SEEKING, round=0, step=-1, planned=(), step_due_at=None, promise_at=None
    )
    said: list[Effect] = [Withdraw()]
    moved = _next_step(restarted, now, staffing, said)
    if moved.state is State.SEEKING:
        moved = _promise(moved, now)
        if earlier is not None and moved.promise_at is not None:
            moved = replace(moved, promise_at=min(earlier, moved.promise_at))  # a promise is never moved away
        said.append(TellClinician(ToClinician.SEEKING, by=moved.promise_at))
    return _settle(moved, now, staffing), tuple(said)


# --- Time passes


def climb(escalation: Escalation, now: datetime, staffing: Staffing) -> Moved:
    """Everything that time has brought: pages, changes of shift, a step run out, a promise, a silent owner."""
    if not escalation.open:
        return escalation, ()
    said: list[Effect] = []
    late = escalation.due_at is not None and now - escalation.due_at > LATE
    if late:
        said.append(AlarmCoordinator(Alarm.WATCH_WAS_LATE))
    if escalation.state is State.TAKEN:
        moved = _supervise(escalation, now, staffing, said)
    else:
        moved = _seek(escalation, now, staffing, said)
    if late and moved.state is State.SEEKING and not any(isinstance(effect, TellClinician) for effect in said):
        late_word = ToClinician.NOBODY_YET if moved.promise_at is None else ToClinician.DELAYED
        said.append(TellClinician(late_word, by=moved.promise_at))
    moved = _send_due(moved, now, staffing, said, late=late)
    return _settle(moved, now, staffing), tuple(said)


def _seek(escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect]) -> Escalation:
    moved = _follow_shifts(escalation, now, staffing, said)
    if moved.step_due_at is not None and moved.step_due_at <= now:
        if moved.state is State.LAST_RESORT:
            moved = _last_resort(moved, now, staffing, said)
        else:
            moved = _next_step(moved, now, staffing, said)
    if moved.promise_at is not None and moved.promise_at <= now:
        # Reached where the ladder goes round for ever, or was held up: she hears of it all the same.
        said.append(TellClinician(ToClinician.NOBODY_YET))
        said.append(AlarmCoordinator(Alarm.PROMISE_PASSED))
        moved = replace(moved, promise_at=None)
    return moved


def _next_step(escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect]) -> Escalation:
    ladder = escalation.ladder
    round_, step = escalation.round, escalation.step
    for _ in ladder.steps:
        step += 1
        if step >= len(ladder.steps):
            if ladder.repeat != FOR_EVER and round_ >= ladder.repeat:
                break
            round_, step = round_ + 1, 0
        people = _meant(ladder.steps[step], escalation.language, staffing, _in_vain(escalation, over=True))
        if people:
            people = {**_let_rest(escalation, ladder.steps[:step], staffing), **people}
            moved = replace(
                escalation,
                state=State.SEEKING,
                round=round_,
                step=step,
                rung=escalation.rung + 1,
                step_due_at=now + ladder.steps[step].wait,
            )
            return _call(moved, people, PageReason.STEP, now, staffing)
    return _last_resort(escalation, now, staffing, said)


def _last_resort(escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect]) -> Escalation:
    """Page the last resort, for the first time or again."""
    people = _reachable(escalation.ladder.last_resort, staffing, _NO_REST)
    if escalation.state is not State.LAST_RESORT:
        anybody = any(called.done or called.paged_on for called in escalation.called)
        said.append(TellClinician(ToClinician.NOBODY_REACHED if anybody else ToClinician.NOBODY_ON_DUTY))
        said.append(AlarmCoordinator(Alarm.NOBODY_REACHED if anybody else Alarm.NOBODY_ON_DUTY))
    if not people:
        said.append(AlarmCoordinator(Alarm.LAST_RESORT_EMPTY))
    moved = replace(
        escalation,
        state=State.LAST_RESORT,
        step=len(escalation.ladder.steps),
        rung=escalation.rung + 1,
        step_due_at=now + escalation.ladder.retry,
        promise_at=None,
    )
    people = {**_let_rest(escalation, escalation.ladder.steps, staffing), **people}
    return _call_again(moved, people, PageReason.LAST_RESORT, now, staffing)


def _reachable(
    targets: Iterable[str],
    staffing: Staffing,
    resting: Mapping[str, str],
    in_vain: Collection[str] = (),
    meant: Callable[[str], bool] = lambda person: True,
) -> dict[str, str]:
    """The people who are woken for these targets, each with the target that named them first."""
    found: dict[str, str] = {}
    for target in targets:
        named = staffing.behind(target)
        for person in called_for(named, resting, staffing.reachable, meant=meant, in_vain=in_vain):
            found.setdefault(person, target)
    return found


def _meant(step: Step, language: str, staffing: Staffing, in_vain: Collection[str] = ()) -> dict[str, str]:
    """Whom a step means now; where nobody is what it asks for, nobody, and the ladder goes on at once."""

    def fits(person: str) -> bool:
        speaks = not step.speaks or language in staffing.languages.get(person, ())
        return speaks and (step.speciality is None or step.speciality in staffing.specialities.get(person, ()))

    return _reachable(step.targets, staffing, staffing.resting, in_vain, fits)


def _in_vain(escalation: Escalation, *, over: bool = False) -> frozenset[str]:
    """Those who can stand in for nobody any more, since they were called; `over` means that their time is up now."""
    waiting = {page.person for page in escalation.planned}
    return frozenset(
        turn.person
        for turn in escalation.called
        if over
        or turn.rung < escalation.rung
        or turn.turn is not Turn.OPEN
        or (turn.done and turn.person not in waiting and all(way.contact in turn.failed for way in turn.done))
    )


def _let_rest(escalation: Escalation, steps: Iterable[Step], staffing: Staffing) -> dict[str, str]:
    """Those whom earlier steps left in peace, while others were called in their place in vain."""
    if not staffing.resting:
        return {}
    called = {turn.person for turn in escalation.called}
    named = [_meant(step, escalation.language, staffing, _in_vain(escalation, over=True)) for step in steps]
    return {
        person: via
        for people in named
        for person, via in people.items()
        if person in staffing.resting and person not in called
    }


def _call(
    escalation: Escalation, people: dict[str, str], reason: PageReason, now: datetime, staffing: Staffing
) -> Escalation:
    """Begin these people's turn: their own rules are planned, and what was planned for them before is replaced.

    A turn of which nothing has gone out yet goes on instead: begun anew at each step it would never come to its page.
    """
    called = {each.person: each for each in escalation.called}
    ahead = {page.person for page in escalation.planned}
    unheard = {
        person
        for person in people
        if person in ahead and person in called and called[person].turn is Turn.OPEN and not called[person].done
    }
    planned = [
        replace(page, rung=escalation.rung, reason=reason) if page.person in unheard else page
        for page in escalation.planned
        if page.person in unheard or page.person not in people
    ]
    for person, via in people.items():
        earlier = called.pop(person, None)
        if earlier is not None and person in unheard:
            called[person] = replace(earlier, via=via, rung=escalation.rung)
            continue
        called[person] = Called(person, via, escalation.rung, since=now, paged_on=earlier.paged_on if earlier else None)
        planned += [
            Planned(now + way.after, person, way, escalation.rung, reason) for way in _usable(staffing.ways[person])
        ]
    return replace(escalation, planned=tuple(planned), called=tuple(called.values()))


def _call_again(
    escalation: Escalation, people: dict[str, str], reason: PageReason, now: datetime, staffing: Staffing
) -> Escalation:
    """Wake these people at once, and again each time, on the first of their ways; their later ones keep their time.

    A turn that began anew each time would never come to a way that is later than the next time.
    """
    running = {page.person for page in escalation.planned if page.person in people and page.reason is reason}
    moved = _call(escalation, {each: via for each, via in people.items() if each not in running}, reason, now, staffing)
    planned = [replace(page, rung=moved.rung) if page.person in running else page for page in moved.planned]
    for person in people:
        theirs = [page for page in planned if page.person == person]
        ways = _usable(staffing.ways[person])
        if person in running:
            if all(page.due_at > now for page in theirs):
                planned.append(Planned(now, person, ways[0], moved.rung, reason))
        elif theirs:
            first = min(page.due_at for page in theirs) - now
            planned = [page if page.person != person else replace(page, due_at=page.due_at - first) for page in planned]
    called = tuple(replace(each, rung=moved.rung) if each.person in running else each for each in moved.called)
    return replace(moved, planned=tuple(planned), called=called)


def _usable(ways: tuple[Way, ...]) -> list[Way]:
    """A person's rules without those that cannot be used; the next one takes their place in time."""
    usable: list[Way] = []
    owed: timedelta | None = None
    for way in sorted(ways, key=lambda each: each.after):
        if not way.usable:
            owed = way.after if owed is None else min(owed, way.after)
        else:
            usable.append(way if owed is None else replace(way, after=min(owed, way.after)))
            owed = None
    return usable


def _follow_shifts(escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect]) -> Escalation:
    """Page whoever has come on duty for the steps so far, and let go whoever has gone off duty."""
    in_vain = _in_vain(escalation, over=escalation.state is State.LAST_RESORT)
    wanted: dict[str, str] = {}
    for step in escalation.ladder.steps[: escalation.step + 1]:
        wanted = {**_meant(step, escalation.language, staffing, in_vain), **wanted}
    if escalation.state is State.LAST_RESORT:
        wanted = {**_reachable(escalation.ladder.last_resort, staffing, _NO_REST), **wanted}
    known = {called.person for called in escalation.called if called.turn is not Turn.OVER}
    arrived = {person: via for person, via in wanted.items() if person not in known}
    moved = escalation
    for reason, people in _arrivals(arrived, staffing):
        moved = _call(moved, people, reason, now, staffing)
    gone = [called for called in moved.called if _has_gone(called, wanted, staffing)]
    for called in gone:
        if called.paged_on is not None:
            said.append(Withdraw(called.person))
            said.append(TellAdvisor(called.person, ToAdvisor.SHIFT_ENDED, others=staffing.behind(called.via)))
        moved = _end_turn(moved, called.person, Turn.OVER)
    return moved


def _arrivals(arrived: dict[str, str], staffing: Staffing) -> Iterator[tuple[PageReason, dict[str, str]]]:
    """Those whose shift began, and those who are woken from their quiet hours or in somebody's place."""
    instead = staffing.resting.keys() | set(staffing.resting.values())
    step = {person: via for person, via in arrived.items() if person in instead}
    shift = {person: via for person, via in arrived.items() if person not in instead}
    return ((why, people) for why, people in ((PageReason.SHIFT, shift), (PageReason.STEP, step)) if people)


def _has_gone(called: Called, wanted: dict[str, str], staffing: Staffing) -> bool:
    duty = staffing.duty.get(called.via)
    return (
        called.turn is Turn.OPEN
        and duty is not None
        and any(staffing.reachable(person) for person in duty.people)
        and called.person not in duty.people
        and called.person not in wanted
        and not any(staffing.resting.get(person) == called.person for person in duty.people)
    )


def _end_turn(escalation: Escalation, person: str, turn: Turn) -> Escalation:
    return replace(
        escalation,
        planned=tuple(page for page in escalation.planned if page.person != person),
        called=tuple(replace(each, turn=turn) if each.person == person else each for each in escalation.called),
    )


def _send_due(
    escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect], *, late: bool
) -> Escalation:
    due = sorted((page for page in escalation.planned if page.due_at <= now), key=lambda page: page.due_at)
    # Whoever got a page there a moment ago gets the next ones together, a little later; nothing urgent waits for that.
    held = [page for page in due if page.reason in _MAY_WAIT and page.way.contact in staffing.held]
    due = [page for page in due if page not in held]
    called = {each.person: each for each in escalation.called}
    number = escalation.pages
    sent: set[tuple[str, str]] = set()
    for page in due:
        turn = called[page.person]
        called[page.person] = replace(turn, done=(*turn.done, page.way), paged_on=page.way.contact)
        # After a sleep several rules of one person may be due on one contact: one message says it all.
        if (page.person, page.way.contact) in sent:
            continue
        sent.add((page.person, page.way.contact))
        number += 1
        said.append(Page(number, page.person, page.way.contact, page.rung, page.reason, early=page.early, late=late))
    return replace(
        escalation,
        planned=(
            *(page for page in escalation.planned if page.due_at > now),
            *(replace(page, due_at=staffing.held[page.way.contact]) for page in held),
        ),
        called=tuple(called.values()),
        pages=number,
    )


def _promise(escalation: Escalation, now: datetime) -> Escalation:
    """By when she hears, whatever happens: the end of the ladder, as a whole minute of the clock."""
    end = now + escalation.ladder.time_left(escalation.round, escalation.step)
    over = timedelta(seconds=end.second, microseconds=end.microsecond)
    return replace(escalation, promise_at=end - over + (_MINUTE if over else timedelta()))


def _settle(escalation: Escalation, now: datetime, staffing: Staffing) -> Escalation:
    """Note when the people on call for it change next."""
    match escalation.state:
        case State.SEEKING:
            steps = escalation.ladder.steps[: escalation.step + 1]
            targets = {target for step in steps for target in step.targets}
        case State.LAST_RESORT:
            targets = {target for step in escalation.ladder.steps for target in step.targets}
            targets.update(escalation.ladder.last_resort)
        case State.TAKEN:
            targets = {escalation.owner_via} if escalation.owner_via is not None else set()
        case State.CLOSED | State.WITHDRAWN:
            targets = set()
    nobody = Duty(())
    changes = (staffing.duty.get(target, nobody).until for target in targets)
    return replace(escalation, shift_change_at=min((at for at in changes if at is not None and at > now), default=None))


# --- Somebody answers


def acknowledge(
    escalation: Escalation, person: str, now: datetime, staffing: Staffing, *, contact: str | None = None
) -> Moved:
    """An advisor takes it. The first one owns it; whoever comes later is told who that is."""

    def answer(word: ToAdvisor, *others: str) -> Effects:
        return (TellAdvisor(person, word, contact, others),)

    match escalation.state:
        case State.CLOSED | State.WITHDRAWN:
            return escalation, answer(ToAdvisor.ALREADY_CLOSED)
        case State.TAKEN:
            assert escalation.owner is not None
            if escalation.owner == person:
                return escalation, answer(ToAdvisor.ALREADY_YOURS)
            if escalation.handover is not None and person in escalation.handover.asked:
                return _take_over(escalation, person, now, staffing, contact)
            if any(page.person == person for page in escalation.planned):
                noted = _end_turn(escalation, person, Turn.OPEN)
                return noted, (Withdraw(person), *answer(ToAdvisor.NOTED, escalation.owner))
            return escalation, answer(ToAdvisor.ALREADY_TAKEN, escalation.owner)
        case State.SEEKING | State.LAST_RESORT:
            return _take(escalation, person, now, staffing, contact)


def _take(escalation: Escalation, person: str, now: datetime, staffing: Staffing, contact: str | None) -> Moved:
    said: list[Effect] = [TellAdvisor(person, ToAdvisor.YOURS, contact), TellClinician(ToClinician.TAKEN)]
    steps = escalation.ladder.steps
    everyone = escalation.state is State.SEEKING and steps[escalation.step].everyone
    if everyone:
        planned = tuple(page for page in escalation.planned if page.person != person)
        said.append(Withdraw(person))
    else:
        planned = ()
        said.append(Withdraw())
        said += _stand_down(escalation, ToAdvisor.TAKEN_BY_OTHER, person)
    taken = replace(_owned(escalation, person, now, staffing, contact), planned=planned, waiting_since=now)
    return _settle(taken, now, staffing), tuple(said)


def _take_over(escalation: Escalation, person: str, now: datetime, staffing: Staffing, contact: str | None) -> Moved:
    former = escalation.owner
    assert former is not None
    said: list[Effect] = [
        TellAdvisor(person, ToAdvisor.YOURS, contact),
        TellAdvisor(former, ToAdvisor.HANDED_OVER, others=(person,)),
        TellClinician(ToClinician.TAKEN_OVER),
        Withdraw(),
    ]
    asked = escalation.handover.asked if escalation.handover is not None else ()
    said += [TellAdvisor(other, ToAdvisor.TAKEN_BY_OTHER, others=(person,)) for other in asked if other != person]
    waiting = now if escalation.waiting_since is not None else None
    taken = replace(
        _owned(escalation, person, now, staffing, contact),
        planned=(),
        has_replied=escalation.has_replied,
        waiting_since=waiting,
        quiet_since=now,
    )
    return _settle(taken, now, staffing), tuple(said)


def _owned(escalation: Escalation, person: str, now: datetime, staffing: Staffing, contact: str | None) -> Escalation:
    known = escalation.turn_of(person)
    targets = [target for step in escalation.ladder.steps for target in step.targets]
    via = next((target for target in targets if is_group(target) and person in staffing.behind(target)), None)
    turn = known or Called(person, via or person, escalation.rung, since=now)
    turn = replace(turn, turn=Turn.OPEN, paged_on=contact or turn.paged_on)
    return replace(
        escalation,
        state=State.TAKEN,
        owner=person,
        owner_via=via if via is not None and via.startswith("roster:") else None,
        called=(*(each for each in escalation.called if each.person != person), turn),
        step_due_at=None,
        promise_at=None,
        has_replied=False,
        reminded_at=None,
        quiet_since=None,
        quiet_times=0,
        handover=None,
    )


def _stand_down(escalation: Escalation, word: ToAdvisor, *others: str) -> list[Effect]:
    """Tell everybody who was woken, and is not among the others, that they may put the phone down."""
    return [
        TellAdvisor(called.person, word, others=others)
        for called in escalation.called
        if called.paged_on is not None and called.turn is Turn.OPEN and called.person not in others
    ]


def _release(escalation: Escalation, word: ToAdvisor, *others: str) -> list[Effect]:
    """Tell everybody who was asked to take over, and has heard of it, that they need not."""
    asked = escalation.handover.asked if escalation.handover is not None else ()
    return [
        TellAdvisor(called.person, word, others=others)
        for called in escalation.called
        if called.person in asked and called.paged_on is not None and called.person not in others
    ]


def decline(
    escalation: Escalation,
    person: str,
    now: datetime,
    staffing: Staffing,
    *,
    as_of: int | None = None,
    contact: str | None = None,
) -> Moved:
    """An advisor who was paged cannot take it: their turn ends, and the step with it where nobody else has it.

    `as_of` is the rung of the page that was answered. An answer to a page from before the last move changes nothing.
    """

    def answer(word: ToAdvisor, *others: str) -> TellAdvisor:
        return TellAdvisor(person, word, contact, others)

    if not escalation.open:
        return escalation, (answer(ToAdvisor.ALREADY_CLOSED),)
    if escalation.state is State.TAKEN:
        assert escalation.owner is not None
        if escalation.owner == person:
            return hand_back(escalation, person, now, staffing, contact=contact)
        if escalation.handover is not None and person in escalation.handover.asked:
            return _decline_handover(escalation, person, now, staffing, contact)
        return escalation, (answer(ToAdvisor.ALREADY_TAKEN, escalation.owner),)
    known = escalation.turn_of(person)
    if known is None:
        return escalation, (answer(ToAdvisor.NOT_YOURS, *escalation.asked_now),)
    if (known.rung if as_of is None else as_of) < escalation.rung:
        return escalation, (answer(ToAdvisor.ALREADY_PASSED_ON, *escalation.asked_now),)
    said: list[Effect] = [Withdraw(person)]
    moved = _end_turn(escalation, person, Turn.DECLINED)
    if staffing.resting and moved.state is State.SEEKING:
        moved = _follow_shifts(moved, now, staffing, said)  # whoever they stood in for is woken now
    if not moved.asked_now and moved.state is State.SEEKING:
        moved = _next_step(moved, now, staffing, said)
    said.append(answer(ToAdvisor.PASSED_ON, *(other for other in moved.asked_now if other != person)))
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def move_up(escalation: Escalation, now: datetime, staffing: Staffing) -> Moved:
    """A coordinator does not wait: the next step now, also where somebody has taken it."""
    if not escalation.open:
        return escalation, ()
    said: list[Effect] = []
    match escalation.state:
        case State.TAKEN:
            moved = _put_back(escalation, now, staffing, said, ToAdvisor.TAKEN_BACK)
        case State.LAST_RESORT:
            moved = _last_resort(escalation, now, staffing, said)
        case _:
            moved = _next_step(escalation, now, staffing, said)
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def hand_back(
    escalation: Escalation, person: str, now: datetime, staffing: Staffing, *, contact: str | None = None
) -> Moved:
    """The owner cannot go on: it goes back on the ladder at the next step."""
    refusal = _not_theirs(escalation, person, contact)
    if refusal is not None:
        return escalation, (refusal,)
    said: list[Effect] = []
    moved = _put_back(escalation, now, staffing, said, ToAdvisor.HANDED_BACK)
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def _put_back(
    escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect], word: ToAdvisor
) -> Escalation:
    former = escalation.owner
    assert former is not None
    freed = replace(
        _end_turn(escalation, former, Turn.DECLINED),
        state=State.SEEKING,
        owner=None,
        owner_via=None,
        has_replied=False,
        waiting_since=None,
        reminded_at=None,
        quiet_since=None,
        quiet_times=0,
        handover=None,
    )
    moved = _next_step(freed, now, staffing, said)
    if moved.state is State.SEEKING:
        moved = _promise(moved, now)
        said.append(TellClinician(ToClinician.SEEKING_AGAIN, by=moved.promise_at))
    said.append(TellAdvisor(former, word, others=tuple(other for other in moved.asked_now if other != former)))
    return moved


def close(escalation: Escalation, now: datetime, staffing: Staffing, *, by: str) -> Moved:
    """An advisor or coordinator ends it; she is told how to come back."""
    if not escalation.open:
        return escalation, (TellAdvisor(by, ToAdvisor.ALREADY_CLOSED),)
    said: list[Effect] = [TellClinician(ToClinician.CLOSED), Withdraw()]
    if escalation.state is not State.TAKEN:
        said += _stand_down(escalation, ToAdvisor.ENDED, by)
    elif escalation.owner is not None and escalation.owner != by:
        said.append(TellAdvisor(escalation.owner, ToAdvisor.ENDED, others=(by,)))
    said += _release(escalation, ToAdvisor.ENDED, by)
    return _ended(escalation, State.CLOSED, now, staffing), tuple(said)


def withdraw(escalation: Escalation, now: datetime, staffing: Staffing) -> Moved:
    """The clinician calls it off; whoever was woken may sleep."""
    if not escalation.open:
        return escalation, ()
    said: list[Effect] = [TellClinician(ToClinician.WITHDRAWN), Withdraw()]
    if escalation.owner is not None:
        said.append(TellAdvisor(escalation.owner, ToAdvisor.CLINICIAN_LEFT))
        said += _release(escalation, ToAdvisor.ENDED)
    else:
        said += _stand_down(escalation, ToAdvisor.ENDED)
    return _ended(escalation, State.WITHDRAWN, now, staffing), tuple(said)


def _ended(escalation: Escalation, state: State, now: datetime, staffing: Staffing) -> Escalation:
    ended = replace(
        escalation,
        state=state,
        planned=(),
        step_due_at=None,
        promise_at=None,
        waiting_since=None,
        reminded_at=None,
        quiet_since=None,
        handover=None,
    )
    return _settle(ended, now, staffing)


# --- Once somebody has taken it


def note_advisor_word(escalation: Escalation, person: str, now: datetime) -> Escalation:
    """The owner has written to the clinician; anybody else's word changes nothing."""
    if escalation.state is not State.TAKEN or escalation.owner != person:
        return escalation
    return replace(escalation, has_replied=True, waiting_since=None, reminded_at=None, quiet_since=now, quiet_times=0)


def note_clinician_word(escalation: Escalation, now: datetime) -> Escalation:
    """The clinician has written; where nothing was owed to her, she now waits."""
    if escalation.state is not State.TAKEN:
        return escalation
    return _clinician_waits(escalation, now)


def _clinician_waits(escalation: Escalation, now: datetime) -> Escalation:
    if escalation.waiting_since is not None:
        return escalation
    return replace(escalation, waiting_since=now, reminded_at=None)


def pass_on(
    escalation: Escalation, person: str, to: str, now: datetime, staffing: Staffing, *, contact: str | None = None
) -> Moved:
    """The owner asks a certain colleague to take over, and stays the owner until the colleague does."""
    refusal = _not_theirs(escalation, person, contact)
    if refusal is not None:
        return escalation, (refusal,)
    if to == person or not staffing.reachable(to):
        return escalation, (TellAdvisor(person, ToAdvisor.CANNOT_ASK, contact, (to,)),)
    if _asked_just_now(escalation, now) and to in _asked(escalation):
        return escalation, (TellAdvisor(person, ToAdvisor.ASKED_OVER, contact, (to,)),)
    said: list[Effect] = []
    moved = _ask_over(escalation, {to: to}, escalation.step, now, staffing, said, contact)
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def pass_up(
    escalation: Escalation, person: str, now: datetime, staffing: Staffing, *, contact: str | None = None
) -> Moved:
    """The owner asks the next step to take over, for no stated reason, and stays the owner until somebody does.

    A second press of the button asks nobody twice. Where everybody has been asked, the last resort is.
    """
    refusal = _not_theirs(escalation, person, contact)
    if refusal is not None:
        return escalation, (refusal,)
    asked = _asked(escalation)
    if asked and _asked_just_now(escalation, now):
        return escalation, (TellAdvisor(person, ToAdvisor.ASKED_OVER, contact, asked),)
    said: list[Effect] = []
    waiting = escalation.handover or Handover((), escalation.step, now)
    moved = _ask_next(replace(escalation, handover=waiting), now, staffing, said, contact)
    if not any(isinstance(effect, TellAdvisor) and effect.word is ToAdvisor.ASKED_OVER for effect in said):
        said.append(TellAdvisor(person, ToAdvisor.CANNOT_ASK, contact))
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def keep(
    escalation: Escalation, person: str, now: datetime, staffing: Staffing, *, contact: str | None = None
) -> Moved:
    """The owner keeps it after all: whoever was asked to take over need not."""
    refusal = _not_theirs(escalation, person, contact)
    if refusal is not None:
        return escalation, (refusal,)
    said: list[Effect] = [Withdraw(other) for other in _asked(escalation)]
    said += _release(escalation, ToAdvisor.KEPT, person)
    moved = escalation
    for other in _asked(escalation):
        moved = _end_turn(moved, other, Turn.OVER)
    said.append(TellAdvisor(person, ToAdvisor.ALREADY_YOURS, contact))
    return _settle(replace(moved, handover=None), now, staffing), tuple(said)


def _not_theirs(escalation: Escalation, person: str, contact: str | None) -> TellAdvisor | None:
    """What somebody is told who wants to give away what they do not have; None where it is theirs."""
    if not escalation.open:
        return TellAdvisor(person, ToAdvisor.ALREADY_CLOSED, contact)
    if escalation.owner != person:
        others = (escalation.owner,) if escalation.owner is not None else escalation.asked_now
        return TellAdvisor(person, ToAdvisor.NOT_YOURS, contact, others)
    return None


def _asked(escalation: Escalation) -> tuple[str, ...]:
    return escalation.handover.asked if escalation.handover is not None else ()


def _asked_just_now(escalation: Escalation, now: datetime) -> bool:
    asked_at = escalation.handover.asked_at if escalation.handover is not None else None
    return asked_at is not None and now - asked_at < _MINUTE


def _supervise(escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect]) -> Escalation:
    owner = escalation.owner
    assert owner is not None
    limits = escalation.ladder.deadlines
    moved = escalation
    if moved.reply_due_at is not None and moved.reply_due_at <= now:
        if moved.reminded_at is not None:
            said.append(AlarmCoordinator(Alarm.ADVISOR_SILENT))
            return _put_back(moved, now, staffing, said, ToAdvisor.TAKEN_BACK)
        said.append(TellAdvisor(owner, ToAdvisor.CLINICIAN_WAITS))
        moved = replace(moved, reminded_at=now)
    elif moved.waiting_since is None and moved.quiet_since is not None and moved.quiet_since + limits.quiet <= now:
        said.append(TellAdvisor(owner, ToAdvisor.QUIET))
        if moved.quiet_times:
            said.append(AlarmCoordinator(Alarm.QUIET))
        moved = replace(moved, quiet_since=now, quiet_times=moved.quiet_times + 1)
    if moved.handover is not None:
        if moved.handover.due_at <= now:
            return _ask_next(moved, now, staffing, said)
        return _remind_asked(moved, now, said)
    if moved.owner_via is not None and owner not in staffing.behind(moved.owner_via):
        relief = _reachable([moved.owner_via], staffing, staffing.resting)
        # Asked once: from here on the handover has its own deadline, also where nobody has come on duty.
        step = next((n for n, step in enumerate(moved.ladder.steps) if moved.owner_via in step.targets), moved.step)
        moved = replace(moved, owner_via=None)
        if relief:
            return _ask_over(moved, relief, step, now, staffing, said)
        waiting = replace(moved, handover=Handover((), step, now))
        return _ask_next(waiting, now, staffing, said)
    return moved


def _remind_asked(escalation: Escalation, now: datetime, said: list[Effect]) -> Escalation:
    """Tell whoever was asked to take over, and has not answered, that it still waits for them."""
    handover = escalation.handover
    assert handover is not None
    assert escalation.owner is not None
    if handover.remind_at is None or handover.remind_at > now:
        return escalation
    said += _release(escalation, ToAdvisor.OVER_WAITS, escalation.owner)
    return replace(escalation, handover=replace(handover, remind_at=None))


def _ask_over(
    escalation: Escalation,
    people: dict[str, str],
    step: int,
    now: datetime,
    staffing: Staffing,
    said: list[Effect],
    contact: str | None = None,
    *,
    again: bool = False,
) -> Escalation:
    assert escalation.owner is not None
    earlier = escalation.handover
    before = earlier.asked if earlier is not None else ()
    limit = escalation.ladder.deadlines.handover
    handover = Handover(
        asked=(*before, *(person for person in people if person not in before)),
        step=step,
        due_at=now + limit,
        asked_at=now,
        remind_at=now + limit / 2,
        declined=tuple(other for other in earlier.declined if other not in people) if earlier is not None else (),
    )
    said.append(TellAdvisor(escalation.owner, ToAdvisor.ASKED_OVER, contact, tuple(people)))
    moved = replace(escalation, handover=handover, rung=escalation.rung + 1)
    call = _call_again if again else _call
    return call(moved, people, PageReason.HANDOVER, now, staffing)


def _ask_next(
    escalation: Escalation, now: datetime, staffing: Staffing, said: list[Effect], contact: str | None = None
) -> Escalation:
    """Nobody has accepted: ask the next step, and in the end the last resort, while the owner stays."""
    handover, ladder = escalation.handover, escalation.ladder
    assert handover is not None
    for number in range(handover.step + 1, len(ladder.steps)):
        meant = _meant(ladder.steps[number], escalation.language, staffing)
        people = {
            person: via
            for person, via in meant.items()
            if person != escalation.owner and person not in handover.declined
        }
        if people:
            return _ask_over(escalation, people, number, now, staffing, said, contact)
    said.append(AlarmCoordinator(Alarm.HANDOVER_STUCK))
    people = _reachable(ladder.last_resort, staffing, _NO_REST)
    people.pop(escalation.owner or "", None)
    if people:
        moved = _ask_over(escalation, people, len(ladder.steps), now, staffing, said, contact, again=True)
        assert moved.handover is not None
        return replace(moved, handover=replace(moved.handover, due_at=now + ladder.retry, remind_at=None))
    again = replace(handover, step=len(ladder.steps), due_at=now + ladder.retry, remind_at=None)
    return replace(escalation, handover=again)


def _decline_handover(
    escalation: Escalation, person: str, now: datetime, staffing: Staffing, contact: str | None
) -> Moved:
    assert escalation.handover is not None
    said: list[Effect] = [Withdraw(person)]
    rest = tuple(other for other in escalation.handover.asked if other != person)
    handover = replace(escalation.handover, asked=rest, declined=(*escalation.handover.declined, person))
    moved = replace(_end_turn(escalation, person, Turn.DECLINED), handover=handover)
    if not rest:
        moved = _ask_next(moved, now, staffing, said)
        moved = _send_due(moved, now, staffing, said, late=False)
    asked = moved.handover.asked if moved.handover is not None else ()
    said.append(TellAdvisor(person, ToAdvisor.PASSED_ON, contact, asked))
    return _settle(moved, now, staffing), tuple(said)


# --- What became of the pages, and of the ways to reach somebody


def fall_back(
    escalation: Escalation, person: str, contact: str, now: datetime, staffing: Staffing, *, refused: bool
) -> Moved:
    """A page came to nothing: the person's next way is tried at once.

    `refused` means that it will not arrive at all; otherwise it was held up, or reached a machine. Where every way to
    everybody on the step has refused, the step is over: an unreachable level waits no more than an empty one.
    """
    turn = escalation.turn_of(person)
    if not escalation.open or turn is None or turn.turn is not Turn.OPEN:
        return escalation, ()
    if escalation.state is State.TAKEN and not any(page.person == person for page in escalation.planned):
        return escalation, ()
    moved = escalation
    if refused and contact not in turn.failed:
        failed = replace(turn, failed=(*turn.failed, contact))
        moved = replace(moved, called=tuple(failed if each is turn else each for each in moved.called))
    said: list[Effect] = []
    waiting = [page for page in moved.planned if page.person == person and page.way.contact != contact]
    if not waiting and staffing.resting and moved.state is State.SEEKING:
        moved = _follow_shifts(moved, now, staffing, said)  # whoever they stood in for is woken now
    if waiting:
        first = min(waiting, key=lambda page: page.due_at)
        brought = replace(first, due_at=min(now, first.due_at), early=True)
        moved = replace(moved, planned=tuple(brought if page is first else page for page in moved.planned))
    elif moved.state is State.SEEKING and _hopeless(moved):
        moved = replace(moved, step_due_at=now)
    if moved.state is State.SEEKING:
        moved = _seek(moved, now, staffing, said)
    moved = _send_due(moved, now, staffing, said, late=False)
    return _settle(moved, now, staffing), tuple(said)


def _hopeless(escalation: Escalation) -> bool:
    """Whether nothing that was tried for the present step can still wake anybody."""
    asked = [turn for turn in escalation.called if turn.rung == escalation.rung and turn.turn is Turn.OPEN]
    if any(page.rung == escalation.rung for page in escalation.planned):
        return False
    return all(way.contact in turn.failed for turn in asked for way in turn.done)


def replan(escalation: Escalation, person: str, ways: tuple[Way, ...], now: datetime, staffing: Staffing) -> Moved:
    """A person's rules changed while they are being paged: what lies ahead follows, what has passed is not made up."""
    turn = escalation.turn_of(person)
    ahead = [page for page in escalation.planned if page.person == person]
    if not escalation.open or turn is None or turn.turn is not Turn.OPEN:
        return escalation, ()
    if escalation.state is State.TAKEN and not ahead:
        return escalation, ()
    reason = ahead[0].reason if ahead else PageReason.STEP
    fresh = [
        Planned(turn.since + way.after, person, way, turn.rung, reason)
        for way in _usable(ways)
        if turn.since + way.after > now and way not in turn.done
    ]
    others = [page for page in escalation.planned if page.person != person]
    return _settle(replace(escalation, planned=(*others, *fresh)), now, staffing), ()
