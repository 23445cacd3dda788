"""A drill wakes whoever a clinician would get, and nobody else for longer than it takes to answer."""

from __future__ import annotations

import pytest

from escalation import looking_back, practice
from escalation.drills import DRILL
from escalation.looking_back import DrillHeld
from escalation.standing import State, Urgency
from escalation.store import Filed
from helpline.messages import Country, Language
from tests.escalation.house import House


async def start(house: House, urgency: Urgency = Urgency.URGENT) -> Filed | None:
    async with house.db.write() as conn:
        return await practice.start(
            conn,
            house.means,
            urgency=urgency,
            language=Language.NB,
            country=Country.NO,
            staff_id="maja",
            now=house.now,
        )


async def held(house: House) -> list[DrillHeld]:
    async with house.db.read() as conn:
        return await looking_back.drills_held(conn)


async def started(house: House) -> Filed:
    filed = await start(house)
    assert filed is not None
    return filed


async def test_a_drill_pages_whoever_is_on_call_and_says_what_it_is(house: House) -> None:
    filed = await started(house)
    [page] = await house.pages(filed.id)
    assert page.staff_id == "asha"
    [text] = await house.sent_to("1001")
    assert "ØVELSE" in text
    assert filed.code in text


async def test_whoever_takes_it_has_done_their_part(house: House) -> None:
    filed = await started(house)
    house.after(2)
    await house.says("asha", filed.code)
    it = (await house.filed(filed.id)).escalation
    assert it.state is State.CLOSED
    assert it.due_at is None
    assert any("er over" in text for text in await house.sent_to("+4790000001"))
    assert not any("Sammendrag" in text for text in await house.sent_to("+4790000001"))
    assert house.told == []
    [drill] = await held(house)
    assert (drill.taken_by, drill.paged) == ("asha", 1)
    assert drill.taken_at == house.now == drill.ended_at


async def test_nobody_takes_it_and_the_last_resort_sleeps_on(house: House) -> None:
    filed = await started(house)
    for minute in range(1, 8):
        await house.tick(minute)
    it = (await house.filed(filed.id)).escalation
    assert it.state is State.CLOSED
    assert {page.staff_id for page in await house.pages(filed.id)} == {"asha", "noor"}
    [alarm] = await house.sent_to("+4790000003")
    assert filed.code in alarm
    assert "Øvelse" in alarm
    assert house.told == []
    [drill] = await held(house)
    assert (drill.taken_by, drill.taken_at, drill.paged) == (None, None, 2)
    for minute in range(8, 60):
        await house.tick(minute)
    assert len(await house.sent_to("+4790000003")) == 1


async def test_one_drill_at_a_time(house: House) -> None:
    first = await started(house)
    assert await start(house, Urgency.ROUTINE) is None
    assert len(await house.pages(first.id)) == 1
    await house.says("asha", first.code)
    assert await start(house, Urgency.ROUTINE) is not None


async def test_a_drill_beside_a_real_one_changes_nothing_for_the_clinician(house: House) -> None:
    filed = await started(house)
    opened = await house.open()
    await house.says("asha", filed.code)
    it = (await house.filed(opened.filed.id)).escalation
    assert it.state is State.SEEKING
    await house.says("asha", opened.filed.code)
    assert (await house.filed(opened.filed.id)).escalation.owner == "asha"


@pytest.mark.parametrize("declines", [True, False])
async def test_a_drill_is_no_wait_of_any_clinician(house: House, declines: bool) -> None:
    filed = await started(house)
    await house.says("asha", f"{filed.code} nei" if declines else filed.code)
    async with house.db.read() as conn:
        assert await looking_back.waits_since(conn, filed.escalation.opened_at) == []
    assert filed.reason == DRILL


async def test_a_drill_never_stands_in_one_message_with_those_who_wait(house: House) -> None:
    """Who answered both at once would hear of practice alone, while a clinician is theirs."""
    await house.open("c0", urgency="routine")
    house.after(0.2)
    drill = await start(house, Urgency.ROUTINE)
    assert drill is not None
    waiting = [await house.open(f"c{number}", urgency="routine") for number in (1, 2)]
    await house.tick(1)
    [drilled] = await house.pages(drill.id)
    codes = {page.code for each in waiting for page in await house.pages(each.filed.id)}
    assert len(codes) == 1
    assert drilled.code == drill.code
    assert any(drill.code in text and "ØVELSE" in text for text in await house.sent_to("1001"))
