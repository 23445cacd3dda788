"""Whoever has a shift is shown to be reached before it, or a coordinator hears of it while there is time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from escalation import advisors, store
from escalation.reach import store as reach_store
from escalation.reach import trials as reach_tests
from escalation.reach.store import ReachTest, TestState
from escalation.reach.trials import token_of, who_is_untested
from helpline.messages import Channel
from helpline.outbox import OutboundKind
from tests.escalation.house import House
from tests.escalation.simulator import minutes

NINE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)  # nine o'clock in Oslo
EVENING = NINE + timedelta(hours=11)  # eight in the evening, when the shift begins
TESTED = EVENING - timedelta(hours=4)
ASHA, ASHAS_TELEGRAM, MAJA = "+4790000001", "1001", "+4790000003"


@pytest.fixture
async def house(house: House) -> House:
    """Asha's shifts are from eight in the evening to eight in the morning."""
    await roster(house, "asha")
    house.now = NINE
    return house


async def roster(house: House, who: str, begins: str = "20:00", ends: str = "08:00") -> None:
    async with house.db.write() as conn:
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": who, "from": begins, "to": ends}]},
            valid_from=NINE - timedelta(hours=1),
            now=NINE,
            saved_by="maja",
        )


async def tick(house: House, now: datetime) -> None:
    house.now = now
    while await reach_tests.tick(house.db, house.means, now):
        pass


async def found(house: House, who: str) -> list[ReachTest]:
    async with house.db.read() as conn:
        return await reach_store.latest_tests(conn, since=NINE - timedelta(days=9), staff_id=who)


async def answer(house: House, who: str, text: str = "", *, token: str = "", on: Channel = Channel.SMS) -> str | None:
    contact = str(house.contacts[who][on])
    async with house.db.write() as conn:
        said = await reach_tests.hear(
            conn, house.means, staff_id=who, contact=contact, text=text, token=token, now=house.now
        )
    return said.text if said is not None else None


async def told(house: House, number: str) -> list[str]:
    """What an address was told beside pages."""
    return [
        message.text
        for outgoing, address, message in await house.post()
        if address.value == number and outgoing.kind is OutboundKind.NOTICE
    ]


async def test_every_way_in_their_rules_is_tested_four_hours_before_the_shift(house: House) -> None:
    await tick(house, NINE)
    [planned] = await found(house, "asha")
    assert (planned.state, planned.due_at, planned.shift_at) == (TestState.PLANNED, TESTED, EVENING)
    await tick(house, TESTED - minutes(1))
    assert await told(house, ASHA) == []
    await tick(house, TESTED)
    [by_sms], [by_telegram] = await told(house, ASHA), await told(house, ASHAS_TELEGRAM)
    [sent] = await found(house, "asha")
    assert by_sms == by_telegram
    assert sent.code in by_sms
    assert "20:00" in by_sms
    [choice] = {message.choices for outgoing, _, message in await house.post()}.pop()
    assert (choice.token, choice.digit) == (token_of(sent), "1")


async def test_answered_on_every_way_is_the_end_of_it(house: House) -> None:
    await tick(house, NINE)
    await tick(house, TESTED)
    [sent] = await found(house, "asha")
    house.now += minutes(1)
    assert await answer(house, "asha", sent.code) is not None
    assert (await found(house, "asha"))[0].state is TestState.SENT  # on Telegram she has not answered
    assert await answer(house, "asha", token=token_of(sent), on=Channel.TELEGRAM) is not None
    assert (await found(house, "asha"))[0].state is TestState.ANSWERED
    await tick(house, TESTED + minutes(60))
    assert len(await told(house, ASHA)) == 1
    assert await told(house, MAJA) == []


async def test_unanswered_it_comes_again_and_then_the_coordinator_hears(house: House) -> None:
    await tick(house, NINE)
    for later, sent, heard in [(0, 1, 0), (19, 1, 0), (20, 2, 0), (39, 2, 0), (40, 2, 1), (90, 2, 1)]:
        await tick(house, TESTED + minutes(later))
        assert (len(await told(house, ASHA)), len(await told(house, MAJA))) == (sent, heard)
    [word] = await told(house, MAJA)
    assert "Asha" in word
    assert "main" in word
    assert "20:00" in word
    assert (await found(house, "asha"))[0].state is TestState.SILENT


async def test_coordinator_hears_which_way_is_silent_and_when_it_is_no_longer(house: House) -> None:
    await tick(house, NINE)
    await tick(house, TESTED)
    [sent] = await found(house, "asha")
    await answer(house, "asha", token=token_of(sent), on=Channel.TELEGRAM)
    await tick(house, TESTED + minutes(20))
    assert len(await told(house, ASHAS_TELEGRAM)) == 1  # the way that works is not asked again
    await tick(house, TESTED + minutes(40))
    [word] = await told(house, MAJA)
    assert "SMS" in word
    assert "Telegram" not in word
    house.now += minutes(10)
    assert await answer(house, "asha", sent.code) is not None
    assert len(await told(house, MAJA)) == 2


async def test_answered_page_counts_as_a_test(house: House) -> None:
    await tick(house, NINE)
    await roster(house, "asha", "00:00", "00:00")  # on call now, so that she is paged
    house.now = TESTED - timedelta(hours=2)
    filed = (await house.open()).filed
    await house.says("asha", filed.code)
    await roster(house, "asha")
    await tick(house, TESTED)
    assert await told_of_test(house, ASHA) == 0  # she answered from there
    assert await told_of_test(house, ASHAS_TELEGRAM) == 1


async def told_of_test(house: House, number: str) -> int:
    return len([text for text in await told(house, number) if "PRØVE" in text])


async def test_bare_1_answers_a_test_only_where_it_can_mean_nothing_else(house: House) -> None:
    await tick(house, NINE)
    await tick(house, TESTED)
    assert await answer(house, "noor", "1") is None  # she was not tested
    assert await answer(house, "asha", "Hva er dette?") is None
    await roster(house, "asha", "00:00", "00:00")
    filed = (await house.open()).filed
    assert await answer(house, "asha", "1") is None  # it takes the page
    await house.says("asha", filed.code)
    assert await answer(house, "asha", "1") is None  # and now it is for the clinician
    async with house.db.write() as conn:
        await advisors.close(conn, house.means, filed.id, "asha", house.now)
    assert await answer(house, "asha", "1", on=Channel.TELEGRAM) is not None


async def test_two_who_look_at_once_test_once(house: House) -> None:
    await asyncio.gather(*(reach_tests.tick(house.db, house.means, NINE) for _ in range(3)))
    await asyncio.gather(*(reach_tests.tick(house.db, house.means, TESTED) for _ in range(3)))
    assert len(await found(house, "asha")) == 1
    assert len(await told(house, ASHA)) == 1


async def test_shift_that_is_no_longer_theirs_is_not_tested(house: House) -> None:
    await tick(house, NINE)
    await roster(house, "noor")
    await tick(house, TESTED)
    assert [test.state for test in await found(house, "asha")] == [TestState.GONE]
    assert await told(house, ASHA) == []
    assert [test.state for test in await found(house, "noor")] == [TestState.SENT]


@pytest.mark.parametrize(
    ("begins", "known_at", "state", "tested_at"),
    [
        ("08:00", NINE + timedelta(hours=14), TestState.PLANNED, NINE + timedelta(hours=22)),  # at seven
        ("06:00", NINE + timedelta(hours=14), TestState.TOO_LATE, None),  # it begins before she is awake
    ],
)
async def test_shift_that_becomes_known_at_night_wakes_nobody(
    house: House, begins: str, known_at: datetime, state: TestState, tested_at: datetime | None
) -> None:
    await roster(house, "noor", begins, "16:00")
    await tick(house, known_at)
    [test] = await found(house, "noor")
    assert (test.state, test.due_at) == (state, tested_at)
    assert await told(house, "+4790000002") == []


async def test_asked_for_test_comes_at_once_and_once(house: House) -> None:
    async with house.db.write() as conn:
        first = await reach_tests.send_test(conn, house.means, "asha", house.now)
        again = await reach_tests.send_test(conn, house.means, "asha", house.now + minutes(1))
        assert await reach_tests.send_test(conn, house.means, "nobody", house.now) is None
    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert len(await told(house, ASHA)) == 1
    await tick(house, NINE + minutes(60))
    assert await told(house, MAJA) == []  # whoever asked sees it themselves


async def test_who_is_untested_is_known(house: House) -> None:
    async with house.db.read() as conn:
        [asha] = await who_is_untested(conn, house.now)
    assert (asha.name, asha.channels, asha.begins, asha.silent) == ("Asha", ("telegram", "sms"), EVENING, False)
    async with house.db.write() as conn:
        for contact in house.contacts["asha"].values():
            await reach_store.note_answer(conn, "asha", str(contact), house.now)
        assert await who_is_untested(conn, house.now) == []
        await store.stop_contact(conn, house.contacts["asha"][Channel.SMS], house.now)
        await store.stop_contact(conn, house.contacts["asha"][Channel.TELEGRAM], house.now)
        [asha] = await who_is_untested(conn, house.now)
    assert asha.channels == ()


async def test_who_is_untested_is_told_to_whoever_checks(house: House) -> None:
    async with house.db.write() as conn:
        await reach_store.note_answer(conn, "asha", str(house.contacts["asha"][Channel.SMS]), house.now)
        assert reach_tests.sentences(await who_is_untested(conn, house.now)) == [
            'The roster "main" has "asha" on call from 2026-11-22T19:00:00Z, who has not lately answered on telegram.'
        ]
        now = EVENING + minutes(1)
        [said] = reach_tests.sentences(await who_is_untested(conn, now))
    assert '"asha" on call now' in said


async def test_silence_makes_untested_whoever_answered_before(house: House) -> None:
    async with house.db.write() as conn:
        for contact in house.contacts["asha"].values():
            await reach_store.note_answer(conn, "asha", str(contact), NINE - timedelta(days=2))
    await tick(house, NINE)
    for later in (0, 20, 40):
        await tick(house, TESTED + minutes(later))
    async with house.db.read() as conn:
        [asha] = await who_is_untested(conn, house.now)
    assert asha.silent


async def test_old_code_is_known_as_a_tests_and_free_once_that_is_forgotten(house: House) -> None:
    await tick(house, NINE)
    await tick(house, TESTED)
    [sent] = await found(house, "asha")
    house.now = NINE + timedelta(days=80)
    assert await answer(house, "asha", sent.code) is not None
    assert await answer(house, "noor", sent.code) is None  # hers alone
    async with house.db.write() as conn:
        assert await store.meaning_of(conn, sent.code, "asha") is not None
        await reach_store.delete_older(conn, now=NINE + timedelta(days=91))
        assert await store.meaning_of(conn, sent.code, "asha") is None


async def test_old_tests_are_forgotten(house: House) -> None:
    await tick(house, NINE)
    async with house.db.write() as conn:
        assert await reach_store.delete_older(conn, now=NINE + timedelta(days=89)) == 0
        assert await reach_store.delete_older(conn, now=NINE + timedelta(days=91)) == 1
