"""Time passing over the rows: each page once, whoever ticks, whoever dies, however late."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from escalation import advisors, store, watch
from escalation.advisors import PageNews
from escalation.standing import State
from escalation.store import PageState
from helpline import outbox
from helpline.messages import Channel
from helpline.outbox import OutboundState, Outgoing
from tests.escalation.house import House
from tests.escalation.simulator import START, minutes

LEASE = timedelta(seconds=45)


async def claim(house: House) -> list[Outgoing]:
    async with house.db.write() as conn:
        return await outbox.claim_batch(conn, now=house.now, lease=LEASE, limit=50)


async def start(house: House, outgoing: Outgoing) -> bool:
    async with house.db.write() as conn:
        return await outbox.start_attempt(conn, outgoing, attempt_id="a1", now=house.now)


async def test_two_instances_on_one_database_page_once(house: House) -> None:
    """ESC-30."""
    opened = await house.open(urgency="routine")
    await asyncio.gather(*(watch.tick(house.db, house.means, house.now) for _ in range(4)))
    assert len(await house.pages(opened.filed.id)) == 1
    house.after(1)
    await asyncio.gather(*(watch.tick(house.db, house.means, house.now) for _ in range(4)))
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["asha", "asha"]
    assert len(await house.post()) == 2


async def test_killed_before_sending_the_page_is_still_there(house: House) -> None:
    """ESC-24: the intent was committed, so the next process sends it."""
    await house.open()
    assert len(await claim(house)) == 1  # and here the process dies
    house.now += LEASE
    [again] = await claim(house)
    assert await start(house, again)


async def test_killed_after_the_provider_took_it_the_page_is_found_by_its_label(house: House) -> None:
    """ESC-23: adopted where the provider knows the label, otherwise sent again under the same one."""
    opened = await house.open()
    [outgoing] = await claim(house)
    assert await start(house, outgoing)  # the provider takes it, and the process dies before it is stored
    house.now += LEASE
    async with house.db.write() as conn:
        [doubtful] = await outbox.in_doubt(conn, now=house.now, lease=LEASE)
        _, message = await outbox.open_message(conn, house.vault, doubtful)
        assert doubtful.tag == f"[{opened.filed.code}-1]"
        assert message.text.startswith(doubtful.tag)
        await outbox.record_sent(conn, doubtful, provider_message_id="SM1", now=house.now)
    assert len(await house.post()) == 1
    assert [outgoing.state for outgoing, *_ in await house.post()] == [OutboundState.SENT]


async def test_callbacks_out_of_order_and_twice_change_nothing(house: House) -> None:
    """ESC-25."""
    opened = await house.open()
    page = f"{opened.filed.id}:1"
    before = len(await house.post())
    for news, changes in [
        (PageNews.DELIVERED, True),
        (PageNews.SENT, False),
        (PageNews.DELIVERED, False),
        (PageNews.REFUSED, False),
    ]:
        async with house.db.write() as conn:
            assert await advisors.page_reported(conn, house.means, page, news, house.now) is changes
    [made] = await house.pages(opened.filed.id)
    assert made.state is PageState.DELIVERED
    assert len(await house.post()) == before


async def test_delivered_is_not_an_answer(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        await advisors.page_reported(conn, house.means, f"{opened.filed.id}:1", PageNews.DELIVERED, house.now)
    await house.tick(3)
    assert (await house.filed(opened.filed.id)).escalation.step == 1


async def test_refused_page_brings_the_next_way_at_once(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        await advisors.page_reported(conn, house.means, f"{opened.filed.id}:1", PageNews.REFUSED, house.now)
        assert not await advisors.page_reported(conn, house.means, "gone:1", PageNews.REFUSED, house.now)
    channels = [page.channel for page in await house.pages(opened.filed.id)]
    assert channels == ["telegram", "sms"]


@pytest.mark.parametrize(("seconds", "pages"), [(5, 1), (120, 2)])
async def test_provider_that_makes_us_wait_long_is_not_waited_for(house: House, seconds: int, pages: int) -> None:
    """ESC-33."""
    opened = await house.open()
    async with house.db.write() as conn:
        await advisors.page_reported(
            conn,
            house.means,
            f"{opened.filed.id}:1",
            PageNews.HELD_UP,
            house.now,
            retry_after=timedelta(seconds=seconds),
        )
    assert len(await house.pages(opened.filed.id)) == pages


async def test_four_routine_ones_at_once_are_one_message(house: House) -> None:
    """ESC-14."""
    opened = [await house.open(f"c{number}", urgency="routine") for number in range(4)]
    await house.tick()
    [text] = await house.sent_to("1001")
    assert "4 klinikere venter på rådgiver" in text
    code = text.split("]")[0].strip("[")
    assert code not in {each.filed.code for each in opened}
    heard = await house.says("asha", code)
    assert heard.outcome == "taken"
    assert {(await house.filed(each.filed.id)).escalation.owner for each in opened} == {"asha"}
    confirmed = await house.sent_to("+4790000001")
    # Each of the four is named, and from the second on she is told to begin with the code.
    assert all(any(each.filed.code in text for text in confirmed) for each in opened)


async def test_urgent_ones_are_never_bundled(house: House) -> None:
    for number in range(3):
        await house.open(f"c{number}")
    await house.tick()
    assert len(await house.sent_to("1001")) == 3


async def test_routine_ones_within_a_minute_are_one_message_beside_the_first(house: House) -> None:
    """The first goes at once; what comes within the minute after it waits for its end and goes together."""
    opened = []
    for number, later in enumerate((0, 0.2, 0.5, 0.9)):
        house.after(later)
        opened.append(await house.open(f"c{number}", urgency="routine"))
        await house.tick()
        assert len(await house.sent_to("1001")) == 1
    await house.tick(1)
    first, together = await house.sent_to("1001")
    assert opened[0].filed.code in first
    assert "3 klinikere" in together
    await house.says("asha", together.split("]")[0].strip("["))
    owners = [(await house.filed(each.filed.id)).escalation.owner for each in opened]
    assert owners == [None, "asha", "asha", "asha"]


async def test_urgent_page_does_not_wait_for_routine_ones(house: House) -> None:
    await house.open("r1", urgency="routine")
    await house.tick()
    house.after(0.5)
    await house.open("u1")
    assert len(await house.sent_to("1001")) == 2


async def test_routine_page_that_did_not_arrive_holds_nothing_back(house: House) -> None:
    opened = await house.open("r1", urgency="routine")
    await house.tick()
    async with house.db.write() as conn:
        await advisors.page_reported(conn, house.means, f"{opened.filed.id}:1", PageNews.REFUSED, house.now)
    house.after(0.5)
    await house.open("r2", urgency="routine")
    await house.tick()
    assert len(await house.sent_to("1001")) == 2


async def test_a_bundle_stays_when_one_of_it_is_taken(house: House) -> None:
    opened = [await house.open(f"c{number}", urgency="routine") for number in range(2)]
    await house.tick()
    await house.takes("noor", opened[0].filed.id)
    texts = await house.sent_to("1001")
    assert [text for text in texts if "2 klinikere" in text]
    code = texts[0].split("]")[0].strip("[")
    await house.says("asha", code)
    assert (await house.filed(opened[0].filed.id)).escalation.owner == "noor"
    assert (await house.filed(opened[1].filed.id)).escalation.owner == "asha"


async def test_urgent_page_is_held_back_by_nothing(house: House) -> None:
    """ESC-32: three routine ones before it, none of which has gone out, and it is still the first to go."""
    for number in range(3):
        await house.open(f"r{number}", urgency="routine")
        await house.tick()
    opened = await house.open("u1")
    claimed = await claim(house)
    assert claimed[0].escalation_id == opened.filed.id
    assert len({outgoing.lane for outgoing in claimed}) == 4


async def test_answer_takes_back_what_has_not_left(house: House) -> None:
    opened = await house.open()
    await house.tick(1)
    assert [page.channel for page in await house.pages(opened.filed.id)] == ["telegram", "sms"]
    await house.takes("noor", opened.filed.id)
    states = {outgoing.key: outgoing.state for outgoing, *_ in await house.post() if outgoing.page_id}
    assert set(states.values()) == {OutboundState.WITHDRAWN}
    assert {page.state for page in await house.pages(opened.filed.id)} == {PageState.WITHDRAWN}


async def test_page_that_waits_to_be_tried_again_is_not_wanted_after_the_answer(house: House) -> None:
    opened = await house.open()
    page = f"{opened.filed.id}:1"
    async with house.db.write() as conn:
        await advisors.page_reported(conn, house.means, page, PageNews.HELD_UP, house.now)
        assert await advisors.unwanted_pages(conn, [page]) == set()
    await house.takes("noor", opened.filed.id)
    async with house.db.read() as conn:
        assert await advisors.unwanted_pages(conn, [page, "nothing:1"]) == {page, "nothing:1"}


async def test_answer_and_refusal_at_once_do_not_wait_for_each_other(house: House) -> None:
    opened = [await house.open(f"c{number}") for number in range(8)]

    async def refuse(id_: str) -> None:
        async with house.db.write() as conn:
            await advisors.page_reported(conn, house.means, f"{id_}:1", PageNews.REFUSED, house.now)

    work = [refuse(each.filed.id) for each in opened] + [house.takes("noor", each.filed.id) for each in opened]
    await asyncio.gather(*work)
    assert {(await house.filed(each.filed.id)).escalation.owner for each in opened} == {"noor"}


async def test_a_new_roster_is_followed_at_once(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "noor", "from": "00:00", "to": "00:00"}]},
            valid_from=house.after(1),
            now=house.now,
            saved_by="maja",
        )
    await house.tick()
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["asha", "noor"]
    assert (await house.pages(opened.filed.id))[1].reason == "shift"


async def test_a_version_that_begins_later_is_waited_for(house: House) -> None:
    opened = await house.open(urgency="routine")
    async with house.db.write() as conn:
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "noor", "from": "00:00", "to": "00:00"}]},
            valid_from=START + minutes(2),
            now=START,
            saved_by="maja",
        )
    await house.tick()
    async with house.db.read() as conn:
        assert await watch.next_due(conn) == START + minutes(1)  # Asha's SMS
    await house.tick(1)
    async with house.db.read() as conn:
        assert await watch.next_due(conn) == START + minutes(2)
    await house.tick(2)
    assert (await house.pages(opened.filed.id))[-1].staff_id == "noor"


async def test_editing_the_ladder_moves_nobody_who_waits(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        stored = await store.ladder_definition(conn)
        assert stored is not None
        changed = stored[0]
        changed["ladders"]["urgent"]["steps"] = [{"targets": ["noor"], "wait_minutes": 60}]
        await store.save_ladders(conn, definition=changed, now=house.now, saved_by="maja")
    await house.tick(2)
    assert {page.staff_id for page in await house.pages(opened.filed.id)} == {"asha"}


async def test_one_that_cannot_be_moved_stops_nobody_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = await house.open("c1", urgency="routine")
    sound = await house.open("c2", urgency="routine")
    move = watch._climbed

    def fails(filed: Any, *rest: Any) -> Any:
        if filed.id == broken.filed.id:
            raise ZeroDivisionError
        return move(filed, *rest)

    monkeypatch.setattr(watch, "_climbed", fails)
    assert await watch.tick(house.db, house.means, house.now) == 1
    assert await watch.tick(house.db, house.means, house.now) == 0
    assert len(await house.pages(sound.filed.id)) == 1
    assert await house.pages(broken.filed.id) == []
    monkeypatch.undo()
    house.now += watch.LEASE  # its lease is over, and the minute after the other's page is not
    await house.tick()
    assert await house.pages(broken.filed.id) == []
    house.now += watch.LEASE
    await house.tick()
    assert {page.channel for page in await house.pages(broken.filed.id)} == {"telegram", "sms"}


async def test_one_that_cannot_be_read_stops_nobody_else(house: House) -> None:
    broken = await house.open(urgency="routine")
    sound = await house.open(urgency="routine")
    async with house.db.write() as conn:
        spoilt = update(store.escalations).where(store.escalations.c.id == broken.filed.id).values(standing="{")
        await conn.execute(spoilt)
    while await watch.tick(house.db, house.means, house.now):
        pass
    assert len(await house.pages(sound.filed.id)) == 1


async def test_channel_that_is_off_is_not_counted_on(house: House) -> None:
    house.means = type(house.means)(
        house.means.vault, house.means.phrases, house.means.front, channels=frozenset({"sms", "desk"})
    )
    opened = await house.open()
    assert [page.channel for page in await house.pages(opened.filed.id)] == ["sms"]


async def test_last_resort_is_paged_until_somebody_answers(house: House) -> None:
    opened = await house.open()
    for minute in (1, 3, 4, 7, 17, 27):
        await house.tick(minute)
    paged = [(page.staff_id, (page.made_at - START) / minutes(1)) for page in await house.pages(opened.filed.id)]
    assert [minute for who, minute in paged if who == "maja"] == [7, 17, 27]
    await house.takes("maja", opened.filed.id)
    assert (await house.filed(opened.filed.id)).escalation.state is State.TAKEN
    assert house.told[-1] == "En rådgiver har tatt saken og leser det du har skrevet."


async def test_who_sleeps_over_a_deadline_says_so_once(house: House) -> None:
    """ESC-31: one alarm a coordinator, however many waited."""
    for number in range(3):
        await house.open(f"c{number}")
    await house.tick(45)
    sms = await house.sent_to("+4790000003")
    assert len([text for text in sms if "Systemet var nede" in text]) == 1
    assert len([text for text in house.told if text.startswith("Ingen rådgiver har svart ennå.")]) == 3


def test_the_desk_is_no_channel_that_sends() -> None:
    assert "desk" not in {channel.value for channel in Channel}
