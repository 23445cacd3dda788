"""Saving a roster: whoever leaves a hole in it says what happens there."""

from __future__ import annotations

from typing import Any

import pytest

from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import leave, rostering
from escalation.rota.roster import Span
from escalation.rota.rostering import FallbackUnfit, NeedsFallback, NoSuchLanguage
from tests.escalation.house import House
from tests.escalation.rota.test_leave import HOUR
from tests.escalation.simulator import START

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # nothing here depends on which it is

BY_DAY = {"rules": [{"target": "asha", "from": "08:00", "to": "20:00"}]}
ALWAYS = {"rules": [{"target": "asha", "from": "00:00", "to": "00:00"}]}


async def save(house: House, definition: dict[str, Any] = BY_DAY, **given: Any) -> int:
    async with house.db.write() as conn:
        holes = await rostering.save_with_fallback(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=definition,
            valid_from=START,
            now=START,
            saved_by="maja",
            **given,
        )
    return len(holes)


async def people(house: House, hours: float) -> tuple[tuple[str, ...], bool]:
    async with house.db.read() as conn:
        [found] = await who_is_on_call(conn, START + hours * HOUR)
    return found.people, found.by_fallback


async def test_a_roster_with_a_hole_is_not_saved_without_a_word_about_it(house: House) -> None:
    with pytest.raises(NeedsFallback) as refused:
        await save(house)
    assert len(refused.value.holes) == 15
    assert refused.value.holes[0].span == Span(START, START + 5 * HOUR)
    assert "Say who stands in where nobody is on call." in str(refused.value)
    assert await people(house, 1) == (("asha",), False)  # as before


async def test_a_person_stands_in_for_its_holes(house: House) -> None:
    assert await save(house, fallback="noor") == 15
    assert [await people(house, hour) for hour in (1, 6, 18)] == [
        (("noor",), True),
        (("asha",), False),
        (("noor",), True),
    ]


async def test_the_next_step_is_called_at_once_where_that_was_said(house: House) -> None:
    await save(house, fallback="next_step")
    assert await people(house, 1) == ((), False)
    opened = await house.open()
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["noor"]


async def test_whoever_no_page_would_reach_cannot_stand_in(house: House) -> None:
    with pytest.raises(FallbackUnfit):
        await save(house, fallback="nobody")
    assert await people(house, 1) == (("asha",), False)


async def test_a_roster_without_holes_needs_no_word(house: House) -> None:
    assert await save(house, ALWAYS) == 0
    assert await save(house, ALWAYS, languages=["nb"]) == 0


async def test_a_language_nobody_speaks_is_a_hole_too(house: House) -> None:
    with pytest.raises(NeedsFallback) as refused:
        await save(house, ALWAYS, languages=["nb", "sv"])
    assert [hole.language for hole in refused.value.holes] == ["sv"]
    with pytest.raises(NoSuchLanguage):
        await save(house, ALWAYS, languages=["fi"])
    assert await save(house, ALWAYS, languages=["nb", "sv"], fallback="noor") == 1
    async with house.db.read() as conn:
        saved = (await store.rosters_at(conn, START))["main"]
    assert (saved.languages, saved.fallback) == (("nb", "sv"), "noor")


async def test_leave_counts_when_a_roster_is_saved(house: House) -> None:
    async with house.db.write() as conn:
        await leave.enter(conn, staff_id="asha", span=Span(START + HOUR, START + 2 * HOUR), by="maja", now=START)
    with pytest.raises(NeedsFallback) as refused:
        await save(house, ALWAYS)
    assert [hole.span for hole in refused.value.holes] == [Span(START + HOUR, START + 2 * HOUR)]
