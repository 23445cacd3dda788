"""Shifts given away, asked for and swapped over the rows: both say yes, and the roster says so from then on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import store as rota_store
from escalation.rota import swaps
from escalation.rota import watch as rota_watch
from escalation.rota.exchange import CannotExchange, Exchange, Objection, State
from escalation.rota.roster import Span
from helpline import accounts
from helpline.accounts import ContactChannel
from helpline.messages import Channel
from tests.escalation.house import House
from tests.escalation.simulator import START
from tests.escalation.stored import add_person

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# START is 03:00 in Oslo: Asha has the days, from 08:00 to 20:00, and Noor the nights.
HALVES = {
    "rules": [
        {"target": "asha", "from": "08:00", "to": "20:00"},
        {"target": "noor", "from": "20:00", "to": "08:00"},
    ]
}
TODAY = Span(START + 5 * HOUR, START + 17 * HOUR)
TONIGHT = Span(START + 17 * HOUR, START + 29 * HOUR)


@pytest.fixture
async def halves(house: House) -> House:
    async with house.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=HALVES, valid_from=START, now=START, saved_by="maja"
        )
        await add_person(conn, house.vault, "ulla", (ContactChannel.SMS, "+4790000009"))
    return house


async def give(house: House, taker: str | None = "noor", span: Span = TODAY) -> Exchange:
    async with house.db.write() as conn:
        return await swaps.give_away(
            conn, house.means, roster="main", holder="asha", span=span, taker=taker, now=house.now
        )


async def yes(house: House, made: Exchange, who: str) -> Exchange:
    async with house.db.write() as conn:
        return await swaps.accept(conn, house.means, made.id, who, house.now)


async def on_call(house: House, hours: float) -> tuple[str, ...]:
    async with house.db.read() as conn:
        [found] = await who_is_on_call(conn, START + hours * HOUR)
    return found.people


async def test_a_shift_given_away_is_the_others_once_they_say_yes(halves: House) -> None:
    made = await give(halves, "ulla")
    assert await on_call(halves, 6) == ("asha",)
    assert await halves.sent_to("+4790000009") == [
        "Asha spør om du kan ta vakten søn. 22. nov. 08:00–20:00 (main). Svar «vakt ja» eller «vakt nei»."
    ]
    done = await yes(halves, made, "ulla")
    assert (done.state, done.taker) == (State.ACCEPTED, "ulla")
    assert [await on_call(halves, hour) for hour in (6, 16.9, 17, 30)] == [("ulla",), ("ulla",), ("noor",), ("asha",)]
    assert len(await halves.sent_to("+4790000009")) == 1  # whoever answers sees it where they do
    assert [text for outgoing, address, message in await halves.post() if "Ulla" in (text := message.text)] == [
        "Ulla har tatt vakten søn. 22. nov. 08:00–20:00. Du har den ikke lenger."
    ]


async def test_nothing_moves_without_the_others_word(halves: House) -> None:
    made = await give(halves, "ulla")
    for who in ("asha", "noor", "maja"):
        with pytest.raises(CannotExchange) as refused:
            await yes(halves, made, who)
        assert refused.value.objection is Objection.NOT_FOR_YOU
    async with halves.db.write() as conn:
        assert (await swaps.decline(conn, halves.means, made.id, "ulla", START)).state is State.DECLINED
    with pytest.raises(CannotExchange) as refused:
        await yes(halves, made, "ulla")
    assert refused.value.objection is Objection.NOT_OPEN
    assert await on_call(halves, 6) == ("asha",)


async def test_the_first_to_say_yes_has_what_was_offered_to_all(halves: House) -> None:
    made = await give(halves, None)
    assert [len(await halves.sent_to(number)) for number in ("+4790000002", "+4790000009")] == [1, 1]
    async with halves.db.write() as conn:
        assert (await swaps.decline(conn, halves.means, made.id, "noor", START)).state is State.OPEN
    await yes(halves, made, "ulla")
    with pytest.raises(CannotExchange) as refused:
        await yes(halves, made, "noor")
    assert refused.value.objection is Objection.NOT_OPEN
    assert await on_call(halves, 6) == ("ulla",)


async def test_a_shift_asked_for_needs_its_holder(halves: House) -> None:
    async with halves.db.write() as conn:
        made = await swaps.ask_to_take(
            conn, halves.means, roster="main", holder="asha", span=TODAY, taker="ulla", now=START
        )
        with pytest.raises(CannotExchange):
            await swaps.accept(conn, halves.means, made.id, "ulla", START)
    await yes(halves, made, "asha")
    assert await on_call(halves, 6) == ("ulla",)
    assert await halves.sent_to("+4790000009") == ["Vakten søn. 22. nov. 08:00–20:00 er din nå. Takk."]


async def test_two_shifts_are_swapped_at_once(halves: House) -> None:
    async with halves.db.write() as conn:
        made = await swaps.offer_swap(
            conn, halves.means, roster="main", holder="asha", span=TODAY, taker="noor", back=TONIGHT, now=START
        )
    await yes(halves, made, "noor")
    assert [await on_call(halves, hour) for hour in (6, 18, 30, 42)] == [("noor",), ("asha",), ("asha",), ("noor",)]


async def test_what_was_offered_twice_is_offered_once(halves: House) -> None:
    first, second = await give(halves), await give(halves)
    assert first.id == second.id
    assert len(await halves.sent_to("+4790000002")) == 1


async def test_an_offer_that_the_roster_has_left_behind_changes_nothing(halves: House) -> None:
    made, other = await give(halves, "ulla"), await give(halves, None)
    await yes(halves, made, "ulla")
    assert (await yes(halves, other, "noor")).state is State.OVERTAKEN
    assert await on_call(halves, 6) == ("ulla",)


async def test_a_version_saved_for_later_knows_of_it_too(halves: House) -> None:
    next_week = START + 3 * DAY
    swapped_round = {"rules": [{"target": "asha", "from": "00:00", "to": "00:00"}]}
    async with halves.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=swapped_round,
            valid_from=next_week, now=START, saved_by="maja", languages=["nb"], fallback="next_step",
        )  # fmt: skip
    made = await give(halves, "ulla", Span(next_week + 5 * HOUR, next_week + 17 * HOUR))
    await yes(halves, made, "ulla")
    assert [await on_call(halves, 72 + hour) for hour in (-1, 4, 6, 18)] == [("noor",), ("asha",), ("ulla",), ("asha",)]
    async with halves.db.read() as conn:
        later = (await store.rosters_at(conn, next_week))["main"]
    assert (later.languages, later.fallback, later.valid_from) == (("nb",), "next_step", next_week)


async def test_whoever_cannot_be_woken_takes_no_shift(halves: House) -> None:
    async with halves.db.write() as conn:
        for contact in await accounts.contacts(conn, halves.vault, "ulla"):
            await store.stop_contact(conn, contact.id, START)
    with pytest.raises(CannotExchange) as refused:
        await give(halves, "ulla")
    assert refused.value.objection is Objection.UNFIT


async def test_ones_own_offer_is_taken_back_and_an_unanswered_one_ends_with_the_shift(halves: House) -> None:
    made = await give(halves, "ulla")
    async with halves.db.write() as conn:
        with pytest.raises(CannotExchange):
            await swaps.withdraw(conn, halves.means, made.id, "ulla", START)
        assert (await swaps.withdraw(conn, halves.means, made.id, "asha", START)).state is State.WITHDRAWN
    again = await give(halves, "noor")
    halves.after(17 * 60)
    await rota_watch.tick(halves.db, halves.means, halves.now)
    async with halves.db.read() as conn:
        found = await rota_store.find_exchange(conn, again.id)
        listed = await swaps.open_for(conn, "asha")
    assert found is not None
    assert found.state is State.EXPIRED
    assert (listed.to_answer, listed.waiting) == ((), ())
    told = [message.text for outgoing, address, message in await halves.post() if address.channel is Channel.TELEGRAM]
    assert told == ["Ingen har sagt ja til vakten søn. 22. nov. 08:00–20:00. Den er fortsatt din."]


async def test_shifts_are_listed_with_a_name_that_stays(halves: House) -> None:
    async with halves.db.read() as conn:
        now_listed = await swaps.shifts_ahead(conn, START, staff_id="asha", within_=2 * DAY)
        later_listed = await swaps.shifts_ahead(conn, START + 6 * HOUR, staff_id="asha", within_=2 * DAY)
    assert [each.span.start for each in now_listed] == [TODAY.start, TODAY.start + DAY]
    assert [each.id for each in later_listed][:2] == [each.id for each in now_listed]


async def test_to_stand_in_for_a_hole_is_no_shift_to_give_away(halves: House) -> None:
    by_day = {"rules": HALVES["rules"][:1]}
    async with halves.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=by_day,
            valid_from=START, now=START, saved_by="maja", fallback="asha",
        )  # fmt: skip
        listed = await swaps.shifts_ahead(conn, START, within_=2 * DAY)
    assert [each.span for each in listed] == [TODAY, Span(TODAY.start + DAY, TODAY.end + DAY)]
    with pytest.raises(CannotExchange):
        await give(halves, "ulla", TONIGHT)
    await yes(halves, await give(halves, "ulla"), "ulla")
    assert [await on_call(halves, hour) for hour in (4, 6, 18)] == [("asha",), ("ulla",), ("asha",)]


async def test_two_who_say_yes_at_the_same_instant_are_one_who_has_it(halves: House) -> None:
    made = await give(halves, None)
    said = await asyncio.gather(yes(halves, made, "ulla"), yes(halves, made, "noor"), return_exceptions=True)
    [refused] = [each for each in said if isinstance(each, CannotExchange)]
    assert refused.objection is Objection.NOT_OPEN
    [done] = [each for each in said if isinstance(each, Exchange)]
    assert await on_call(halves, 6) == (done.taker,)


async def test_two_shifts_that_pass_on_at_the_same_instant_both_do(halves: House) -> None:
    today = await give(halves, "ulla")
    tomorrow = await give(halves, "noor", Span(TODAY.start + DAY, TODAY.end + DAY))
    await asyncio.gather(yes(halves, today, "ulla"), yes(halves, tomorrow, "noor"))
    assert [await on_call(halves, hour) for hour in (6, 30)] == [("ulla",), ("noor",)]


async def test_whoever_waits_is_asked_of_the_new_holder_at_once(halves: House) -> None:
    made = await give(halves, "ulla", Span(TODAY.start, TODAY.end))
    halves.after(6 * 60)
    opened = await halves.open()
    await yes(halves, made, "ulla")
    await halves.tick()
    assert {page.staff_id for page in await halves.pages(opened.filed.id)} == {"asha", "ulla"}


async def test_of_a_shift_that_went_to_another_meanwhile_nobody_is_told_that_it_is_as_it_was(halves: House) -> None:
    made = await give(halves, None)
    others = {"rules": [{"target": "ulla", "from": "08:00", "to": "20:00"}, HALVES["rules"][1]]}
    async with halves.db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=others, valid_from=START, now=START, saved_by="maja"
        )
    halves.after(17 * 60)
    await rota_watch.tick(halves.db, halves.means, halves.now)
    async with halves.db.read() as conn:
        found = await rota_store.find_exchange(conn, made.id)
    assert found is not None
    assert found.state is State.OVERTAKEN
    assert [text for _, _, message in await halves.post() if "fortsatt din" in (text := message.text)] == []
