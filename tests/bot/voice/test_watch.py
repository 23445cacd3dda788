"""What becomes of calls: what Twilio tells in any order, what it is asked when it tells nothing, what is made twice."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.voice import CallNews, CallState
from bot.voice import store, watch
from bot.voice.store import Call, CallKind
from escalation import store as escalations
from escalation.store import PageState
from helpline import logs
from helpline.messages import Language
from helpline.outbox import OutboundState
from tests.bot.voice.conftest import ASHA, NOOR, Telephone
from tests.conftest import NINE
from tests.fakes import Broken, Busy, Cut, Garbage, Refused
from tests.phone import Fate, Placed

# --- what Twilio tells ------------------------------------------------------------------------------------------------


async def test_what_twilio_did_not_sign_is_not_heard(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    fields = {"CallSid": call.sid, "CallStatus": "busy", "SequenceNumber": "1"}
    for url in (call.fields["StatusCallback"][0], call.url, call.fields["AsyncAmdStatusCallback"][0]):
        answer = await telephone.exchange.post(url, fields, token="somebody else's")
        assert answer.status == 403
    assert (await telephone.row(call)).state is CallState.MADE


async def test_a_reference_cannot_be_changed_on_the_way(telephone: Telephone) -> None:
    """The signature covers the whole address."""
    _, call = await telephone.rings_for(ASHA)
    signed = await telephone.exchange.post(call.url, {"CallSid": call.sid, "CallStatus": "in-progress"})
    assert signed.status == 200
    fields = {"CallSid": call.sid, "CallStatus": "in-progress"}
    signature = {"X-Twilio-Signature": signed.request_info.headers["X-Twilio-Signature"]}
    other = "/twilio/voice/answered?c=00ff"
    answer = await telephone.exchange.client.post(other, data=fields, headers=signature)
    assert answer.status == 403


@pytest.mark.parametrize(
    "fields", [{}, {"CallSid": "hei", "CallStatus": "busy"}, {"CallSid": "CA12", "CallStatus": "x"}]
)
async def test_what_cannot_be_read_is_refused(telephone: Telephone, fields: dict[str, str]) -> None:
    _, call = await telephone.rings_for(ASHA)
    answer = await telephone.exchange.post(call.url, {"Nothing": "", **fields})
    assert answer.status == 400


async def test_a_state_of_tomorrow_is_passed_over(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    assert await telephone.exchange.tell(call, "teleported") == 204
    assert (await telephone.row(call)).state is CallState.MADE


@pytest.mark.parametrize("order", list(itertools.permutations(["ringing", "in-progress", "completed"])))
async def test_the_end_is_the_same_in_whatever_order_it_is_told(telephone: Telephone, order: tuple[str, ...]) -> None:
    filed, call = await telephone.rings_for(ASHA)
    number = {"ringing": 1, "in-progress": 2, "completed": 3}
    for status in (*order, *order):
        assert await telephone.exchange.tell(call, status, sequence=number[status]) == 204
    row = await telephone.row(call)
    assert (row.state, row.over, row.due_at) == (CallState.COMPLETED, True, None)
    assert [page.state for page in await telephone.pages(filed)][1] is PageState.HELD_UP


async def test_a_repeated_word_moves_nothing_twice(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    for _ in range(3):
        await telephone.exchange.tell(call, "busy", sequence=2)
    await telephone.line.settle()
    before = await telephone.paged(filed)
    await telephone.exchange.tell(call, "no-answer", sequence=5)
    await telephone.line.settle()
    assert await telephone.paged(filed) == before
    assert (await telephone.row(call)).state is CallState.BUSY


async def test_a_word_about_a_call_of_nobody_is_harmless(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    stranger = Placed(
        "CA" + "0f" * 16,
        ASHA,
        call.from_,
        call.url,
        call.at,
        {
            "StatusCallback": ["https://varde.example/twilio/status?c=0000"],
        },
    )
    assert await telephone.exchange.tell(stranger, "completed") == 204
    stranger.url = "https://varde.example/twilio/voice/answered?c=0000"
    heard = await telephone.exchange.fetches(stranger, stranger.url)
    assert heard.over


# --- before our own request has come back ---------------------------------------------------------------------------


async def test_a_call_taken_whose_answer_was_lost_is_known_by_what_is_told_of_it(telephone: Telephone) -> None:
    filed = await telephone.ask()
    telephone.exchange.faults.append(Cut(taken=True))
    await telephone.pass_(minutes=2)
    [call] = telephone.exchange.calls
    await telephone.exchange.rings(call)  # told before we know that it was made
    assert (await telephone.row(call)).state is CallState.RINGING
    heard = await telephone.exchange.picks_up(call)
    assert "Trykk 1" in heard.words
    await telephone.pass_(seconds=10)
    assert telephone.exchange.calls == [call], "she is not called a second time"
    assert not [what for what, _ in telephone.exchange.asked if what == "GET Calls"], "nor is Twilio asked"
    states = [each.state for each in await telephone.sent(filed) if each.channel.value == "call"]
    assert states == [OutboundState.SENT]


@pytest.mark.parametrize("fault", [Cut(taken=True), Broken(taken=True), Garbage(taken=True)])
async def test_a_call_taken_of_which_nothing_is_told_is_found_by_asking(telephone: Telephone, fault: Cut) -> None:
    await telephone.ask()
    telephone.exchange.faults.append(fault)
    await telephone.pass_(minutes=2)
    await telephone.pass_(seconds=10)
    [call] = telephone.exchange.calls
    assert [what for what, _ in telephone.exchange.asked if what == "GET Calls"]
    assert (await telephone.row(call)).state is CallState.MADE
    await telephone.exchange.play(call, Fate.TAKES)


async def test_another_call_to_the_same_phone_is_not_taken_for_it(telephone: Telephone) -> None:
    await telephone.rings_for(ASHA, conversation="c1")
    await telephone.ask("c2")
    telephone.exchange.faults.append(Cut(taken=False))
    await telephone.pass_(minutes=2)
    await telephone.pass_(seconds=10)
    assert len([call for call in telephone.exchange.calls if call.to == ASHA]) == 2
    rows = [await telephone.row(call) for call in telephone.exchange.calls if call.to == ASHA]
    assert len({row.escalation_id for row in rows}) == 2


async def test_two_calls_in_doubt_to_one_phone_are_each_somebodys(telephone: Telephone) -> None:
    """Twilio lists nothing to tell them apart by; what it asks for does."""
    await telephone.ask("c1")
    await telephone.ask("c2")
    telephone.exchange.faults.extend([Cut(taken=True), Cut(taken=True)])
    await telephone.pass_(minutes=2)
    await telephone.pass_(seconds=10)
    first, second = telephone.exchange.calls
    assert {first.to, second.to} == {ASHA}
    for call in (second, first):
        heard = await telephone.picked_up(call)
        async with telephone.line.house.db.read() as conn:
            made = await store.find(conn, call.reference)
            assert made is not None
            page = await escalations.find_page(conn, made.page_id or "")
        assert page is not None
        assert ", ".join(page.code) in heard.words
        assert (await telephone.row(call)).id == call.reference


async def test_a_call_made_twice_is_known_twice_and_either_can_take_it(telephone: Telephone) -> None:
    """Twilio's list had not caught up, so it went again: both ring, and both are ended."""
    filed = await telephone.ask()
    telephone.exchange.faults.append(Cut(taken=True))
    await telephone.pass_(minutes=2)
    [first] = telephone.exchange.calls
    counted = telephone.line.house.counts.sent_again.labels("call")._value.get()
    telephone.exchange.calls.clear()
    await telephone.pass_(seconds=10)
    [second] = telephone.exchange.calls
    telephone.exchange.calls.insert(0, first)
    assert first.reference == second.reference
    await telephone.exchange.rings(first)
    await telephone.exchange.rings(second)
    await telephone.exchange.picks_up(first)
    await telephone.exchange.presses(first, "1")
    await telephone.line.settle()
    assert (await telephone.filed(filed)).escalation.owner == "asha"
    assert second.status == "canceled"
    assert (await telephone.row(first)).id != (await telephone.row(second)).id
    assert telephone.line.house.counts.sent_again.labels("call")._value.get() - counted == 1


async def test_too_many_calls_at_once_bring_the_next_way_and_the_call_later(telephone: Telephone) -> None:
    filed = await telephone.ask()
    telephone.exchange.faults.append(Busy(wait=40))
    await telephone.pass_(minutes=2)
    assert telephone.exchange.calls == []
    pages = await telephone.pages(filed)
    assert pages[1].state is PageState.HELD_UP
    await telephone.pass_(seconds=41)
    assert len([call for call in telephone.exchange.calls if call.to == ASHA]) == 1


async def test_a_number_that_twilio_refuses_is_given_up_and_the_next_is_called(telephone: Telephone) -> None:
    filed = await telephone.ask()
    telephone.exchange.faults.append(Refused(code=21211))
    await telephone.pass_(minutes=2)
    assert (await telephone.pages(filed))[1].state is PageState.REFUSED


# --- what is never told ---------------------------------------------------------------------------------------------


async def test_a_call_of_which_nothing_is_heard_is_asked_after(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.exchange.play(call, Fate.NEVER_TOLD)
    await telephone.pass_(seconds=89)
    assert not (await telephone.row(call)).over
    await telephone.pass_(seconds=2)
    assert (await telephone.row(call)).state is CallState.UNANSWERED
    assert (await telephone.pages(filed))[1].state is PageState.HELD_UP


async def test_a_call_whose_end_is_never_told_is_asked_after(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    call.status = "completed"
    await telephone.pass_(minutes=5, seconds=1)
    assert (await telephone.row(call)).over


async def test_where_twilio_does_not_answer_it_is_asked_again(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    call.status = "no-answer"
    telephone.exchange.faults.extend([Broken(503), Broken(500)])
    await telephone.pass_(seconds=91)
    assert not (await telephone.row(call)).over
    await telephone.pass_(seconds=31)
    await telephone.pass_(seconds=31)
    assert (await telephone.row(call)).over


async def test_a_call_that_twilio_no_longer_knows_is_over(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    telephone.exchange.calls.clear()
    await telephone.pass_(seconds=91)
    assert (await telephone.row(call)).state is CallState.CANCELED


async def test_a_call_that_still_rings_is_asked_after_again_and_not_for_ever(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    await telephone.exchange.rings(call)
    await telephone.pass_(seconds=91)
    row = await telephone.row(call)
    assert row.state is CallState.RINGING
    assert row.due_at == telephone.now + timedelta(minutes=5)


# --- what stays -----------------------------------------------------------------------------------------------------


async def test_calls_are_forgotten_after_their_time(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    await telephone.line._tidy(None)
    assert (await telephone.row(call)).id
    telephone.clock.advance(timedelta(days=91))
    await telephone.line._tidy(None)
    async with telephone.line.house.db.read() as conn:
        assert await store.find_by_sid(conn, call.sid) is None


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, libraries' words too."""
    stream = io.StringIO()
    logs.configure(level="debug", stream=lambda: stream, whole_process=False)
    yield stream
    logs.configure(level="warning", whole_process=False)


async def test_no_number_stands_in_the_table_or_the_log(telephone: Telephone, logged: io.StringIO) -> None:
    _, call = await telephone.rings_for(NOOR, minutes=3)
    await telephone.exchange.play(call, Fate.BUSY)
    async with telephone.line.house.db.read() as conn:
        rows = [str(row) for row in await conn.execute(store.calls.select())]
    assert "call_over" in logged.getvalue()
    for digits in (ASHA[3:], NOOR[3:]):
        assert digits not in "".join(rows)
        assert digits not in logged.getvalue()


# --- the order of things, as values ---------------------------------------------------------------------------------

STATES = st.sampled_from([state for state in CallState if state is not CallState.MADE])
TOLD = st.builds(CallNews, st.just("CA"), STATES, sequence=st.none() | st.integers(0, 9), machine=st.booleans())


def a_call(kind: CallKind = CallKind.PAGE) -> Call:
    return Call(
        id="00ff", call_sid="CA", kind=kind, conversation_id=None, escalation_id="e", page_id="e:1", staff_id="asha",
        outbound_id=1, language=Language.NB, state=CallState.MADE, sequence=-1, machine=False, pressed="", made_at=NINE,
        answered_at=None, ended_at=None, called_off_at=None, due_at=NINE,
    )  # fmt: skip


@given(st.lists(TOLD, max_size=12), st.sampled_from(CallKind))
def test_a_call_only_goes_forward_and_ends_once(told: list[CallNews], kind: CallKind) -> None:
    call = a_call(kind)
    for minute, news in enumerate(told):
        moved = watch.after(call, news, NINE + timedelta(minutes=minute))
        assert moved.state.rank >= call.state.rank
        assert moved.machine >= call.machine
        if call.over:
            assert (moved.state, moved.ended_at) == (call.state, call.ended_at)
        assert moved.over == moved.state.over
        assert (moved.due_at is None) == moved.over
        assert watch.after(moved, news, NINE + timedelta(minutes=minute)) == moved
        call = moved
