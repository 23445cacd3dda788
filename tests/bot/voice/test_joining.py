"""An advisor and a clinician are brought together: who may be, by what way, and once."""

from __future__ import annotations

import pytest

from bot import caller_store
from bot.caller_store import Room
from bot.voice import joining
from bot.voice.joining import Joined
from escalation import advisors
from escalation import store as escalations
from escalation.store import Filed
from tests.bot.voice.conftest import ASHA, Telephone
from tests.bot.voice.test_clinician_calls import HIDDEN, Ward
from tests.phone import Placed


@pytest.fixture
def ward(telephone: Telephone) -> Ward:
    return Ward(telephone)


async def wishes(ward: Ward, filed: Filed, staff_id: str) -> Joined:
    async with ward.t.line.house.db.write() as conn:
        joined = await joining.join(conn, ward.t.line.room, filed.id, staff_id, ward.t.now)
    await ward.t.line.settle()
    return joined


async def on_the_line(ward: Ward, owner: str) -> tuple[Placed, Filed]:
    """She waits, and somebody has it."""
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    filed = await ward.sought()
    await ward.t.take(filed, owner)
    return hers, filed


async def test_only_whoever_has_it_is_joined(ward: Ward) -> None:
    _, filed = await on_the_line(ward, "asha")
    assert await wishes(ward, filed, "noor") is Joined.NOT_YOURS
    assert len(ward.t.exchange.calls) == 1


async def test_an_advisor_without_a_phone_writes_on(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "maja")
    assert await wishes(ward, filed, "maja") is Joined.NO_PHONE
    heard = await ward.waits(hers)
    assert "leser det opp" in heard.words


async def test_a_wish_that_is_repeated_rings_once(ward: Ward) -> None:
    _, filed = await on_the_line(ward, "asha")
    assert await wishes(ward, filed, "asha") is Joined.CALLING
    assert await wishes(ward, filed, "asha") is Joined.CALLING
    await ward.t.pass_(seconds=61)
    assert await wishes(ward, filed, "asha") is Joined.CALLING
    assert len([call for call in ward.t.exchange.calls if call.to == ASHA]) == 1


async def test_a_key_that_twilio_repeats_opens_one_room(ward: Ward) -> None:
    _, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    heard = await ward.t.picked_up(theirs)
    assert ", ".join(filed.code) in heard.words
    assert heard.gather is not None
    action = heard.gather["action"]
    first = await ward.during(ward.t.exchange.fetches(theirs, action, Digits="1"))
    again = await ward.during(ward.t.exchange.fetches(theirs, action, Digits="1"))
    assert first.room is not None
    assert again.room == first.room


async def test_whoever_lost_the_case_meanwhile_is_not_joined(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    await ward.hangs_up(hers)
    async with ward.t.line.house.db.write() as conn:
        await advisors.hand_back(conn, ward.t.line.room.means, filed.id, "asha", ward.t.now)
    heard = await ward.t.picked_up(theirs)
    assert heard.over
    assert heard.room is None


async def test_a_hidden_number_that_hung_up_cannot_be_reached_by_voice(ward: Ward) -> None:
    hers, _ = await ward.calls(HIDDEN)
    await ward.presses(hers, "0")
    async with ward.t.line.house.db.read() as conn:
        (filed,) = await escalations.list_open(conn)
    await ward.t.take(filed, "asha")
    await ward.hangs_up(hers)
    assert await wishes(ward, filed, "asha") is Joined.NO_WAY


async def test_nobody_hears_the_other_sides_number_or_name(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    await ward.during(ward.t.exchange.presses(theirs, "1"))
    await ward.waits(hers)
    for document in (*hers.heard, *theirs.heard):
        assert ASHA[3:] not in document.xml
        assert hers.from_[3:] not in document.xml
        assert "asha" not in document.xml.casefold()
    made = next(call for call in ward.t.exchange.calls if call is theirs)
    assert made.from_ == hers.to


async def room_of(ward: Ward, filed: Filed) -> Room | None:
    async with ward.t.line.house.db.read() as conn:
        known = await caller_store.find(conn, filed.conversation_id, ward.t.now)
    return known.room if known is not None else None


async def test_a_key_that_comes_after_its_call_brings_nobody_into_a_room(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    heard = await ward.t.picked_up(theirs)
    assert heard.gather is not None
    await ward.t.exchange.hangs_up(theirs)
    late = await ward.during(ward.t.exchange.fetches(theirs, heard.gather["action"], Digits="1"))
    assert late.room is None
    assert await room_of(ward, filed) is None
    assert (await ward.waits(hers)).room is None


async def test_whoever_comes_into_a_room_that_was_left_meanwhile_is_led_out_of_it(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    await ward.during(ward.t.exchange.presses(theirs, "1"))
    heard = await ward.waits(hers)
    conference = heard.root.find("Dial/Conference")
    assert conference is not None
    alone = conference.attrib["waitUrl"]
    await ward.t.exchange.fetches(hers, alone)
    assert all("/left" not in update["Url"] for update in hers.updates)  # the advisor is on the way
    await ward.hangs_up(theirs)
    await ward.t.exchange.fetches(hers, alone)
    assert "/left" in hers.updates[-1]["Url"]
    onwards = await ward.during(ward.t.exchange.fetches(hers, hers.updates[-1]["Url"]))
    assert onwards.room is None
    assert onwards.gather is not None


async def test_an_advisor_whose_room_is_no_more_is_led_out_of_it(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    entered = await ward.during(ward.t.exchange.presses(theirs, "1"))
    conference = entered.root.find("Dial/Conference")
    assert conference is not None
    await ward.waits(hers)
    await ward.hangs_up(hers)
    async with ward.t.line.house.db.write() as conn:
        held = await room_of(ward, filed)
        if held is not None:
            await caller_store.leave_room(conn, filed.conversation_id, held.name)
    await ward.t.exchange.fetches(theirs, conference.attrib["waitUrl"])
    assert "/gone" in theirs.updates[-1]["Url"]


async def test_an_advisor_who_was_cut_off_and_is_back_is_not_shut_out(ward: Ward) -> None:
    hers, filed = await on_the_line(ward, "asha")
    await wishes(ward, filed, "asha")
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    await ward.during(ward.t.exchange.presses(theirs, "1"))
    joined = await ward.waits(hers)
    dial = joined.root.find("Dial")
    assert dial is not None
    await ward.hangs_up(theirs)
    await ward.t.pass_(seconds=61)
    await wishes(ward, filed, "asha")
    once_more = ward.t.call_to(ASHA)
    await ward.t.picked_up(once_more)
    entered = await ward.during(ward.t.exchange.presses(once_more, "1"))
    assert entered.room not in {None, joined.room}
    # Only now is it told that the first room has ended for her.
    heard = await ward.during(ward.t.exchange.fetches(hers, dial.attrib["action"]))
    assert heard.room == entered.room
