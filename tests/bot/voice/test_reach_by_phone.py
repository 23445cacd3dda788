"""Being reached by phone: a key answers a test, a machine answers nothing, a code is spoken to a new number."""

from __future__ import annotations

import re

from escalation.reach import numbers
from escalation.reach import store as reach_store
from escalation.reach import trials as reach_tests
from escalation.reach.numbers import Asked, Proved
from escalation.reach.store import TestState
from helpline.messages import Language
from tests.bot.voice.conftest import NOOR, Telephone
from tests.phone import Fate, Placed

NEW = "+4790000077"


async def tested(telephone: Telephone) -> Placed:
    """Noor asks to be tested, and her phone rings."""
    async with telephone.line.house.db.write() as conn:
        assert await reach_tests.send_test(conn, telephone.line.room.means, "noor", telephone.now) is not None
    await telephone.line.settle()
    return telephone.call_to(NOOR)


async def state(telephone: Telephone) -> TestState:
    async with telephone.line.house.db.read() as conn:
        [test] = await reach_store.latest_tests(conn, since=telephone.now, staff_id="noor")
    return test.state


async def test_key_answers_a_test(telephone: Telephone) -> None:
    call = await tested(telephone)
    await telephone.picked_up(call)
    assert await state(telephone) is TestState.SENT  # picked up is not answered
    heard = await telephone.exchange.presses(call, "1")
    assert "ett test" in heard.words
    assert await state(telephone) is TestState.ANSWERED


async def test_machine_answers_no_test(telephone: Telephone) -> None:
    call = await tested(telephone)
    await telephone.exchange.play(call, Fate.MACHINE)
    assert await state(telephone) is TestState.SENT


async def test_code_is_spoken_to_a_number_that_is_to_be_proved(telephone: Telephone) -> None:
    means = telephone.line.room.means
    async with telephone.line.house.db.write() as conn:
        asked = await numbers.ask_for_call(conn, means, "noor", NEW, Language.SV, telephone.now)
    assert asked.asked is Asked.CALLED
    await telephone.line.settle()
    call = telephone.call_to(NEW)
    opening = await telephone.picked_up(call)
    assert re.search(r"\d(?:, \d){5}", opening.words) is None  # a machine hears no code
    heard = await telephone.exchange.presses(call, "1")
    code = re.search(r"\d(?:, \d){5}", heard.words)
    assert code is not None
    async with telephone.line.house.db.write() as conn:
        assert await numbers.prove(conn, means, "noor", code[0], telephone.now) is Proved.PROVED
