"""Room: what was told is worth something for a while, and the newest word of a service is the one that stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline import audit
from helpline.database import Database
from routing import capacity_store, store
from routing.capacity import FRESH_FOR, Capacity, Teller, standing
from routing.services import Answer
from tests.conftest import NINE
from tests.routing.worlds import PLACES, SHIPPED


def told(**facts: object) -> Capacity:
    plain = Capacity("krisesenter-1", Answer.ASK, None, None, "beds", NINE, Teller.SERVICE)
    return replace(plain, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accepting", "free", "waited", "answer"),
    [
        ("yes", None, timedelta(0), "yes"),
        ("no", None, timedelta(hours=1), "no"),
        ("ask", None, timedelta(hours=1), "ask"),
        ("ask", 2, timedelta(hours=1), "yes"),
        ("ask", 0, timedelta(hours=1), "no"),
        ("yes", 0, timedelta(hours=1), "no"),  # no bed is no bed
        ("no", 3, timedelta(hours=1), "no"),  # a free bed that they will not give
        ("no", None, FRESH_FOR, "no"),
        ("no", None, FRESH_FOR + timedelta(seconds=1), "ask"),  # "full" of last week says nothing
        ("yes", 4, FRESH_FOR + timedelta(seconds=1), "ask"),
        ("yes", 4, timedelta(seconds=-1), "ask"),  # not told yet
    ],
)
def test_what_a_word_is_worth(accepting: str, free: int | None, waited: timedelta, answer: str) -> None:
    assert standing(told(accepting=Answer(accepting), free=free), NINE + waited) is Answer(answer)


def test_nobody_said_anything() -> None:
    assert standing(None, NINE) is Answer.ASK


@given(st.sampled_from(Answer), st.none() | st.integers(0, 50), st.timedeltas(timedelta(-30), timedelta(30)))
def test_nothing_is_known_but_what_was_told_lately(accepting: Answer, free: int | None, waited: timedelta) -> None:
    answer = standing(told(accepting=accepting, free=free), NINE + waited)
    if not timedelta(0) <= waited <= FRESH_FOR:
        assert answer is Answer.ASK
    if answer is Answer.YES:
        assert free != 0
        assert accepting is not Answer.NO


@pytest.mark.parametrize(
    "facts",
    [{"free": -1}, {"free": 3, "maximum": 2}, {"maximum": 10_001}, {"told_at": datetime(2026, 11, 22)}],  # noqa: DTZ001
)
def test_what_cannot_be_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        told(**facts)


async def test_the_newest_word_stands_and_an_older_one_changes_nothing(db: Database) -> None:
    full = told(accepting=Answer.NO, free=0, maximum=7, told_by=Teller.REFERRAL)
    late = told(accepting=Answer.YES, free=2, told_at=NINE - timedelta(hours=3))
    room = told(accepting=Answer.YES, free=1, maximum=7, told_at=NINE + timedelta(hours=3), told_by=Teller.COORDINATOR)
    async with db.write() as conn:
        assert await capacity_store.tell(conn, full, actor="staff:noor", now=NINE)
        assert not await capacity_store.tell(conn, full, actor="staff:noor", now=NINE)
        assert not await capacity_store.tell(conn, late, actor="staff:noor", now=NINE)
        assert await capacity_store.newest(conn) == {"krisesenter-1": full}
        before = await store.version_of(conn)
        assert await capacity_store.tell(conn, room, actor="staff:asha", now=NINE + timedelta(hours=3))
        assert await store.version_of(conn) != before
        assert await capacity_store.newest(conn) == {"krisesenter-1": room}
        assert await audit.verify(conn) is None


async def test_the_directory_knows_the_room_of_its_services(db: Database) -> None:
    room = told(accepting=Answer.YES, free=1, told_at=datetime(2026, 11, 22, 8, tzinfo=UTC))
    async with db.write() as conn:
        await store.ship_services(conn, SHIPPED, now=NINE)
        await capacity_store.tell(conn, room, actor="staff:noor", now=NINE)
        directory = await store.directory_of(conn, SHIPPED, PLACES)
    assert directory.capacity_of("krisesenter-1") == room
    assert directory.capacity_of("krisesenter-2") is None
    assert directory.with_all(directory.services).capacity_of("krisesenter-1") == room
