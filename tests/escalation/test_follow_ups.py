"""What is to be looked at again is brought to mind once, by day, and to somebody who is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from escalation import follow_ups, shift_store, store
from escalation.closing import CaseOutcome, CloseReason, Closing
from escalation.rota import store as rota_store
from escalation.rota.roster import Span
from escalation.rota.store import LeaveState
from helpline import accounts
from helpline.messages import Channel
from tests.escalation.house import House
from tests.escalation.simulator import START, minutes

DUE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # nine in Oslo


async def a_case_of_ashas(house: House) -> tuple[str, str]:
    """A case that Asha has and wants to look at again on the 24th; its id and code."""
    opened = await house.open()
    await house.says("asha", opened.filed.code, on=Channel.TELEGRAM)
    async with house.db.write() as conn:
        assert await shift_store.set_follow_up(conn, opened.filed.id, "asha", DUE, house.now)
    return opened.filed.id, opened.filed.code


async def reminded(house: House, at: datetime, *, of: str, number: str = "1001") -> int:
    """How often this address was told of the case by this moment."""
    await follow_ups.tick(house.db, house.means, at)
    posted = await house.post()
    return sum(
        of in message.text and row.key.startswith("follow_up:") for row, to, message in posted if to.value == number
    )


async def test_once_and_not_before_the_day(house: House) -> None:
    _, code = await a_case_of_ashas(house)
    assert await reminded(house, DUE - timedelta(minutes=1), of=code) == 0
    assert await reminded(house, DUE, of=code) == 1
    assert await reminded(house, DUE + timedelta(hours=1), of=code) == 1


async def test_at_night_it_waits_for_the_morning_where_she_is(house: House) -> None:
    id_, code = await a_case_of_ashas(house)
    night = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    async with house.db.write() as conn:
        await shift_store.set_follow_up(conn, id_, "asha", night, house.now)
    assert await reminded(house, night, of=code) == 0
    assert await reminded(house, datetime(2026, 11, 24, 6, 59, tzinfo=UTC), of=code) == 0
    assert await reminded(house, datetime(2026, 11, 24, 7, 0, tzinfo=UTC), of=code) == 1


async def test_moved_to_another_day_it_is_told_again(house: House) -> None:
    id_, code = await a_case_of_ashas(house)
    assert await reminded(house, DUE, of=code) == 1
    async with house.db.write() as conn:
        await shift_store.set_follow_up(conn, id_, "asha", DUE + timedelta(days=7), DUE)
    assert await reminded(house, DUE + timedelta(days=7), of=code) == 2


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_of_an_ended_case_too(house: House) -> None:
    _, code = await a_case_of_ashas(house)
    await house.says("asha", f"{code} slutt 1", on=Channel.TELEGRAM)
    assert await reminded(house, DUE, of=code) == 1


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("why", ["left", "on leave", "unreachable"])
async def test_where_she_is_not_there_the_coordinator_hears_of_it(house: House, why: str) -> None:
    _, code = await a_case_of_ashas(house)
    async with house.db.write() as conn:
        if why == "left":
            await accounts.deactivate(conn, "asha")
        elif why == "on leave":
            leave = await rota_store.insert_leave(
                conn,
                staff_id="asha",
                span=Span(DUE - timedelta(days=1), DUE + timedelta(days=1)),
                state=LeaveState.GRANTED,
                by="maja",
                now=house.now,
            )
            assert leave.staff_id == "asha"
        else:
            for contact in await accounts.contacts(conn, house.vault, "asha"):
                await store.stop_contact(conn, contact.id, house.now)
    assert await reminded(house, DUE, of=code) == 0
    assert await reminded(house, DUE, of=code, number="+4790000003") == 1


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_done_before_its_day_it_is_not_told(house: House) -> None:
    id_, code = await a_case_of_ashas(house)
    async with house.db.write() as conn:
        assert await shift_store.clear_follow_up(conn, id_, "asha", house.now)
        assert not await shift_store.clear_follow_up(conn, id_, "asha", house.now)
    assert await reminded(house, DUE, of=code) == 0


async def test_what_outlives_a_shift_goes_with_its_escalation(house: House) -> None:
    """Kept as long as the escalation, and no longer."""
    id_, code = await a_case_of_ashas(house)
    await house.says("asha", f"{code} slutt 2 mangler", on=Channel.TELEGRAM)
    later = START + timedelta(days=400)
    async with house.db.write() as conn:
        assert await shift_store.flag_debrief(conn, id_, "noor", house.now, by="asha")
        assert not await shift_store.flag_debrief(conn, id_, "noor", house.now, by="maja")
        [closed] = await shift_store.closings_between(conn, START, START + minutes(1))
        assert closed.closing == Closing(CloseReason.FINISHED, CaseOutcome.REFERRED, True)
        assert (closed.escalation_id, closed.closed_by) == (id_, "asha")
        assert await shift_store.delete_orphans(conn) == 0
        assert await store.delete_older(conn, before=later) == 1
        assert await shift_store.delete_orphans(conn) == 3
        assert await shift_store.closing_of(conn, id_) is None
        assert await shift_store.follow_ups_on(conn, id_) == []
        assert await shift_store.debriefs_on(conn, id_) == []


async def test_nothing_is_kept_of_a_case_that_is_not_there(house: House) -> None:
    async with house.db.write() as conn:
        assert not await shift_store.set_follow_up(conn, "0" * 16, "asha", DUE, house.now)
        assert not await shift_store.flag_debrief(conn, "0" * 16, "asha", house.now)
