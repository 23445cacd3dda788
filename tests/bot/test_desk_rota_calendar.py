"""The calendar's days: nothing of a plan is lost at midnight or when the clock changes, and what was lies over it."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.desk.rota_calendar import Known, Piece, days_of, laid_over, midnight, month_around, say_day, week_of
from escalation.rota.roster import Span
from helpline.messages import Language

ZONES = [ZoneInfo(name) for name in ("Europe/Oslo", "Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC")]
START = datetime(2026, 1, 1, tzinfo=UTC)

hours = st.lists(st.integers(0, 24 * 400), min_size=2, max_size=12, unique=True).map(sorted)


def pieces(edges: list[int], known: Known = Known.PLANNED) -> list[Piece]:
    """Stretches one after the other, each with somebody else."""
    return [
        Piece(Span(START + timedelta(hours=start), START + timedelta(hours=end)), (f"p{number}",), known)
        for number, (start, end) in enumerate(itertools.pairwise(edges))
    ]


@given(day=st.dates(date(2026, 1, 1), date(2027, 1, 30)), zone=st.sampled_from(ZONES))
def test_a_day_without_an_edge_in_it_is_one_stretch_and_whole(day: date, zone: ZoneInfo) -> None:
    always = [Piece(Span(START - timedelta(days=9), START + timedelta(days=500)), ("asha",))]
    [shown] = days_of(always, zone, day, day + timedelta(days=1), now=START, me="asha", looked_at=day)
    [stretch] = shown.stretches
    assert (stretch.whole, stretch.mine, stretch.end) == (True, True, "24:00")


@given(edges=hours, zone=st.sampled_from(ZONES))
def test_the_days_say_what_the_plan_says_and_nothing_else(edges: list[int], zone: ZoneInfo) -> None:
    plan = pieces(edges)
    first, last = (each.astimezone(zone).date() for each in (plan[0].span.start, plan[-1].span.end))
    shown = days_of(plan, zone, first, last + timedelta(days=1), now=START, me="", looked_at=first)
    for day in shown:
        begins, ends = midnight(day.day, zone), midnight(day.day + timedelta(days=1), zone)
        expected = [piece.people for piece in plan if piece.span.start < ends and begins < piece.span.end]
        assert [stretch.people for stretch in day.stretches] == expected
        for one, other in itertools.pairwise(day.stretches):
            assert one.end == other.start


def test_where_the_record_ends_now_nobody_hands_over() -> None:
    now = START + timedelta(hours=9)
    seen = Piece(Span(START, now), ("asha",), Known.SEEN)
    plan = [Piece(Span(now, START + timedelta(hours=24)), ("asha",))]
    [day] = days_of([seen, *plan], ZONES[-1], START.date(), date(2026, 1, 2), now=now, me="", looked_at=START.date())
    assert [(each.start, each.end, each.whole) for each in day.stretches] == [("00:00", "24:00", True)]
    later = now + timedelta(hours=20)  # and where it ended long before, the rest was only planned
    [day] = days_of([seen, *plan], ZONES[-1], START.date(), date(2026, 1, 2), now=later, me="", looked_at=START.date())
    assert [(each.start, each.known) for each in day.stretches] == [("00:00", Known.SEEN), ("09:00", Known.PLANNED)]


@given(planned=hours, was=hours)
def test_what_was_lies_over_the_plan_without_overlap_or_loss(planned: list[int], was: list[int]) -> None:
    plan, seen = pieces(planned), pieces(was, Known.SEEN)
    over = laid_over(plan, seen)
    for one, other in itertools.pairwise(over):
        assert one.span.end <= other.span.start
    for probe in (START + timedelta(hours=hour, minutes=30) for hour in {*planned, *was}):
        wanted = next((each for each in (*seen, *plan) if each.span.covers(probe)), None)
        found = next((each for each in over if each.span.covers(probe)), None)
        assert (found and (found.people, found.known)) == (wanted and (wanted.people, wanted.known))


@given(day=st.dates(date(2020, 1, 1), date(2040, 12, 31)))
def test_a_month_is_shown_in_whole_weeks_and_none_too_many(day: date) -> None:
    first, end = month_around(day)
    assert first == week_of(day.replace(day=1))
    assert first.weekday() == end.weekday() == 0
    assert (end - first).days in {28, 35, 42}
    assert first <= day < end
    assert (end - timedelta(days=7)).month == day.month or end.day <= 7


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.NB, "mandag 23. november"),
        (Language.NN, "måndag 23. november"),
        (Language.SV, "måndag 23 november"),
        (Language.EN, "Monday 23 November"),
    ],
)
def test_a_day_is_said_as_people_say_it(language: Language, said: str) -> None:
    assert say_day(date(2026, 11, 23), language) == said
