"""What the line is measured by."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation import looking_back
from escalation.figures import ReplyTimes, Wait, night_of, ranked, reply_times, wakings
from escalation.seeking import By, note_reply
from escalation.standing import Urgency
from tests.escalation.house import House
from tests.escalation.simulator import minutes

T0 = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
LATER = T0 + timedelta(days=1)
OSLO = ZoneInfo("Europe/Oslo")


def wait(
    replied: float | None = None,
    *,
    promised: float | None = 10,
    ended: float | None = None,
    language: str = "nb",
    urgency: Urgency = Urgency.URGENT,
) -> Wait:
    def at(after: float | None) -> datetime | None:
        return None if after is None else T0 + timedelta(minutes=after)

    return Wait(urgency, language, T0, at(promised), at(replied), at(ended))


@pytest.mark.parametrize(
    ("it", "kept"),
    [
        (wait(10), True),
        (wait(10.01), False),
        (wait(None), False),
        (wait(None, ended=4), None),  # she called it off in time
        (wait(None, ended=30), False),
        (wait(3, ended=30), True),
        (wait(None, promised=None), None),  # nobody on duty, and it is not over
        (wait(None, promised=None, ended=30), False),
        (wait(40, promised=None), True),
    ],
)
def test_whether_the_promise_was_kept(it: Wait, kept: bool | None) -> None:
    assert it.kept(LATER) is kept


def test_a_promise_that_still_runs_is_not_settled() -> None:
    assert wait(None).kept(T0 + timedelta(minutes=10)) is None


def by_language(waits: list[Wait]) -> dict[tuple[Urgency, str], ReplyTimes]:
    return {(each.urgency, each.language): each for each in reply_times(waits, LATER)}


def test_each_urgency_and_each_language_has_its_own_line() -> None:
    waits = [wait(n) for n in (1, 2, 3, 4, 20)] + [wait(None, language="sv"), wait(6, language="sv")]
    found = by_language([*waits, wait(5, urgency=Urgency.ROUTINE)])
    whole = found[Urgency.URGENT, ""]
    assert (whole.asked, whole.replied, whole.settled, whole.kept) == (7, 6, 7, 5)
    assert whole.median == timedelta(minutes=3)
    assert whole.p90 == timedelta(minutes=20)
    assert whole.share_kept == pytest.approx(5 / 7)
    assert found[Urgency.URGENT, "sv"].share_kept == pytest.approx(0.5)
    assert found[Urgency.ROUTINE, "nb"].asked == 1  # one language alone needs no second line
    assert by_language([])[Urgency.ROUTINE, ""].share_kept is None


@given(st.lists(st.integers(0, 10_000), min_size=1), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_a_ranked_value_is_one_of_those_that_were_and_lies_where_it_says(values: list[int], share: float) -> None:
    ordered = sorted(timedelta(seconds=each) for each in values)
    found = ranked(ordered, share)
    assert found in ordered
    assert sum(each <= found for each in ordered) >= share * len(ordered)
    assert sum(each < found for each in ordered) < share * len(ordered)


@pytest.mark.parametrize(
    ("local", "night"),
    [
        ("2026-11-22T22:00", date(2026, 11, 22)),
        ("2026-11-23T06:59", date(2026, 11, 22)),
        ("2026-11-23T07:00", None),
        ("2026-11-22T21:59", None),
        ("2026-03-29T03:30", date(2026, 3, 28)),
    ],
)
def test_a_night_is_named_by_its_evening(local: str, night: date | None) -> None:
    assert night_of(datetime.fromisoformat(local).replace(tzinfo=OSLO), OSLO) == night


def test_wakings_are_counted_on_each_ones_own_clock() -> None:
    at = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
    found = wakings([("asha", at), ("asha", at), ("eve", at)], {"eve": ZoneInfo("Atlantic/Reykjavik")}, OSLO)
    assert found == {"asha": {date(2026, 11, 22): 2}}


async def test_the_first_word_of_a_human_is_what_counts(house: House) -> None:
    opened = await house.open()
    promised = opened.filed.escalation.promise_at
    await house.says("asha", opened.filed.code)
    taken = house.after(2)
    async with house.db.write() as conn:
        await note_reply(conn, opened.filed.id, By.STAFF, taken)
        await note_reply(conn, opened.filed.id, By.CLINICIAN, taken + minutes(1))
        await note_reply(conn, opened.filed.id, By.STAFF, taken + minutes(2))
    await house.says("asha", f"{opened.filed.code} slutt")
    async with house.db.read() as conn:
        [it] = await looking_back.waits_since(conn, opened.filed.escalation.opened_at)
    assert it.replied_at == taken
    assert it.promised_at == promised
    assert it.kept(house.now) is True


async def test_a_promise_made_again_does_not_mend_the_first(house: House) -> None:
    """She was told 20:07; the advisor fell silent, and a second promise was given: the first is what is measured."""
    opened = await house.open()
    first = opened.filed.escalation.promise_at
    await house.says("asha", opened.filed.code)
    await house.tick(10)
    await house.tick(20)
    again = await house.filed(opened.filed.id)
    assert again.escalation.owner is None
    assert again.promised_at == first


async def test_pages_in_one_message_wake_once(house: House) -> None:
    for name in ("c1", "c2", "c3"):
        await house.open(name, "routine")
    await house.tick(0)
    await house.tick(1)
    async with house.db.read() as conn:
        found = await looking_back.pages_since(conn, house.now - minutes(60))
    assert len(found) == len({(who, at) for who, at in found}) == 2  # Telegram at once, SMS a minute later
