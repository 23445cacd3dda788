"""Who is on call: known answers across many zones, and what must hold for every roster."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalation.rota.local_time import Doubt, understand_typed
from escalation.rota.on_call import gaps, handoffs, next_change, on_call, oncall_line, timeline
from escalation.rota.roster import Rotation, Schedule, read_schedule, remarks
from helpline.content import ContentError, node_of

CASES = json.loads((Path(__file__).parent / "oncall_cases.json").read_text(encoding="utf-8"))
OSLO = ZoneInfo("Europe/Oslo")
MIDNIGHT = "2026-01-01T00:00Z"
EVERY_DAY = {"from": "00:00", "to": "00:00"}


def a_schedule(zone: ZoneInfo = OSLO, **parts: Any) -> Schedule:
    return read_schedule(node_of(parts, file="roster"), zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("case", CASES["oncall"], ids=lambda case: case["id"])
def test_line_is_answered_exactly_as_known(case: dict[str, Any]) -> None:
    question = {
        **case,
        "queries": [{"at": query["at"]} for query in case.get("queries", ())],
        "handoffs": {key: part for key, part in case.get("handoffs", {}).items() if key != "at"} or None,
        "timeline": {key: part for key, part in case.get("timeline", {}).items() if key != "segments"} or None,
    }
    if not question["queries"]:
        del question["queries"]
    known = {key: part for key, part in case.items() if key not in ("zone", "schedule")}
    assert oncall_line(question) == known


@pytest.mark.parametrize("case", CASES["typed"], ids=lambda case: case["id"])
def test_typed_local_time_is_taken_or_asked_about(case: dict[str, Any]) -> None:
    answer = oncall_line({key: case[key] for key in ("id", "zone", "typed_local")})
    assert answer.get("instant") == case.get("instant")
    assert answer.get("offer") == case.get("offer")


def test_typed_time_names_the_doubt() -> None:
    assert understand_typed("2026-03-29T02:30", OSLO).doubt is Doubt.MISSING
    assert understand_typed("2026-10-25 02:30", OSLO).doubt is Doubt.TWICE
    assert understand_typed("2026-10-25T02:30+01:00", OSLO).instant == at("2026-10-25T01:30Z")


@pytest.mark.parametrize(
    ("moment", "people"),
    [
        ("2026-06-03T10:00+02:00", ("B",)),  # Wednesday noon: the upper layer holds
        ("2026-06-03T20:00+02:00", ("A",)),  # Wednesday evening: the layer beneath
        ("2026-06-06T10:00+02:00", ("A",)),  # Saturday: likewise
        ("2026-05-31T10:00+02:00", ()),  # before the rotation has begun
    ],
)
def test_last_active_layer_wins(moment: str, people: tuple[str, ...]) -> None:
    schedule = a_schedule(
        rotations={"base": {"type": "weekly", "start": "2026-06-01T00:00", "participants": ["A"]}},
        layers=[
            {"target": "rotation:base"},
            {"target": "B", "active": [{"from": "08:00", "to": "16:00", "days": ["mon", "tue", "wed", "thu", "fri"]}]},
        ],
    )
    assert on_call(schedule, OSLO, at(moment)) == people


def test_layer_whose_rotation_has_not_begun_hides_nobody() -> None:
    later = {"type": "daily", "start": "2030-01-01T00:00", "participants": ["B"]}
    schedule = a_schedule(rotations={"later": later}, layers=[{"target": "A"}, {"target": "rotation:later"}])
    assert on_call(schedule, OSLO, at("2026-06-03T10:00Z")) == ("A",)


@pytest.mark.parametrize(
    ("moment", "people"),
    [
        ("2026-06-01T09:30Z", ("low",)),
        ("2026-06-01T10:00Z", ("high", "other")),
        ("2026-06-01T11:00Z", ("low",)),
        ("2026-06-01T12:00Z", ()),
    ],
)
def test_highest_level_present_wins_and_equals_add(moment: str, people: tuple[str, ...]) -> None:
    schedule = a_schedule(
        priority_shifts=[
            {"user": "low", "from": "2026-06-01T09:00Z", "to": "2026-06-01T12:00Z", "level": 1},
            {"user": "high", "from": "2026-06-01T10:00Z", "to": "2026-06-01T11:00Z", "level": 9},
            {"target": "other", "from": "2026-06-01T10:00Z", "to": "2026-06-01T11:00Z", "level": 9},
        ]
    )
    assert on_call(schedule, OSLO, at(moment)) == people


def test_exclusive_override_hides_everybody_else() -> None:
    override = {"from": "2026-06-01T10:00Z", "to": "2026-06-01T11:00Z", "add": "C"}
    rules = [{"target": "A", **EVERY_DAY}]
    combined = a_schedule(rules=rules, overrides=[override])
    exclusive = a_schedule(rules=rules, overrides=[override], override_mode="exclusive")
    assert on_call(combined, OSLO, at("2026-06-01T10:30Z")) == ("A", "C")
    assert on_call(exclusive, OSLO, at("2026-06-01T10:30Z")) == ("C",)
    assert on_call(exclusive, OSLO, at("2026-06-01T11:00Z")) == ("A",)


def test_exclusive_override_that_only_removes_leaves_the_others() -> None:
    schedule = a_schedule(
        rules=[{"target": "A", **EVERY_DAY}, {"target": "B", **EVERY_DAY}],
        overrides=[{"from": "2026-06-01T10:00Z", "to": "2026-06-01T11:00Z", "remove": "A"}],
        override_mode="exclusive",
    )
    assert on_call(schedule, OSLO, at("2026-06-01T10:30Z")) == ("B",)


def test_replacement_comes_before_removal() -> None:
    span = {"from": "2026-06-01T10:00Z", "to": "2026-06-01T11:00Z"}
    schedule = a_schedule(
        rules=[{"target": "A", **EVERY_DAY}],
        overrides=[{**span, "remove": "A"}, {**span, "remove": "A", "add": "B"}, {**span, "remove": "Z", "add": "Y"}],
    )
    assert on_call(schedule, OSLO, at("2026-06-01T10:30Z")) == ("B",)


def test_rotation_keeps_its_own_zone() -> None:
    rotation = {"type": "daily", "start": "2026-06-01T08:00", "participants": ["A", "B"], "zone": "Asia/Manila"}
    schedule = a_schedule(rotations={"m": rotation}, rules=[{"target": "rotation:m", **EVERY_DAY}])
    assert handoffs(schedule, OSLO, "m", at("2026-06-01T00:00Z"), at("2026-06-02T00:00Z")) == (
        at("2026-06-01T00:00Z"),
        at("2026-06-02T00:00Z"),
    )


def test_two_handoffs_in_one_gap_are_one() -> None:
    hourly = {"type": "hourly", "start": "2026-03-28T00:00", "participants": ["A", "B", "C"]}
    schedule = a_schedule(rotations={"h": hourly}, rules=[{"target": "rotation:h", **EVERY_DAY}])
    assert handoffs(schedule, OSLO, "h", at("2026-03-29T00:00Z"), at("2026-03-29T02:00Z")) == (
        at("2026-03-29T00:00Z"),
        at("2026-03-29T01:00Z"),
        at("2026-03-29T02:00Z"),
    )


def test_gaps_and_the_next_change_are_told() -> None:
    office_hours = {"target": "A", "from": "08:00", "to": "16:00", "days": ["mon"]}
    schedule = a_schedule(rules=[office_hours])
    monday = at("2026-06-01T08:00+02:00")
    assert next_change(schedule, OSLO, monday) == at("2026-06-01T16:00+02:00")
    assert next_change(schedule, OSLO, at("2026-06-01T16:00+02:00")) is None
    assert [gap.start for gap in gaps(schedule, OSLO, monday, monday + timedelta(days=2))] == [
        at("2026-06-01T16:00+02:00")
    ]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"rule": []}, 'The key "rule" is unknown. Did you mean "rules"?'),
        ({"rules": [{"target": "rotation:day", **EVERY_DAY}]}, 'There is no rotation "day" in this roster.'),
        ({"rules": [{"target": "A", "from": "8:00", "to": "16:00"}]}, '"from" must be a clock time such as 08:00'),
        ({"rules": [{"target": "A", **EVERY_DAY, "days": ["monday"]}]}, 'Did you mean "mon"?'),
        ({"rules": [{"target": "A", **EVERY_DAY}], "layers": [{"target": "A"}]}, '"rules" or "layers", not both'),
        (
            {"rotations": {"m": {"type": "daily", "start": "2026-06-01T08:00Z", "participants": []}}},
            '"start" must be a local time without offset',
        ),
        (
            {"rotations": {"m": {"type": "daily", "start": "2026-02-30T08:00", "participants": []}}},
            "is no day and time of the calendar",
        ),
        ({"overrides": [{"from": "2026-06-01T08:00Z", "to": "2026-06-01T09:00Z"}]}, '"add", "remove" or both'),
        (
            {"overrides": [{"from": "2026-06-01T09:00Z", "to": "2026-06-01T09:00Z", "add": "A"}]},
            '"to" must be later than "from"',
        ),
        (
            {"overrides": [{"from": "2026-10-25T02:30", "to": "2026-10-25T04:00", "add": "A"}]},
            "occurs twice in Europe/Oslo, since the clock changes. Is 2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z",
        ),
        (
            {"temporary": [{"from": "2026-03-29T02:30", "to": "2026-03-29T04:00", "shifts": []}]},
            "does not exist in Europe/Oslo, since the clock changes. Is 2026-03-29T01:00:00Z meant?",
        ),
    ],
)
def test_wrong_roster_is_refused_in_plain_words(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ContentError) as refusal:
        a_schedule(**parts)
    assert sentence in refusal.value.sentence
    assert sentence in oncall_line({"id": "x", "zone": "Europe/Oslo", "schedule": parts})["error"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"schedule": {}}, 'The key "zone" is missing.'),
        ({"zone": "Europe/Oslow", "schedule": {}}, 'There is no time zone "Europe/Oslow"'),
        ({"zone": "../etc/passwd", "schedule": {}}, "There is no time zone"),
        ({"zone": "UTC"}, 'The key "schedule" is missing.'),
        ({"zone": "UTC", "schedule": {}, "queries": [{"at": "soon"}]}, '"at" must be a time such as'),
        (
            {"zone": "UTC", "schedule": {}, "handoffs": {"rotation": "x", "from": MIDNIGHT, "until": MIDNIGHT}},
            'There is no rotation "x"',
        ),
        ({"zone": "Asia/Manila", "schedule": {}, "queries": [{"at": "0001-01-01T00:00+08:00"}]}, "outside the years"),
    ],
)
def test_wrong_line_gets_a_plain_error(line: dict[str, Any], sentence: str) -> None:
    answer = oncall_line({"id": 7, **line})
    assert answer["id"] == 7
    assert sentence in answer["error"]


@pytest.mark.parametrize(
    ("parts", "sentence", "refused"),
    [
        (
            {
                "overrides": [
                    {"from": "2026-06-10T08:00Z", "to": "2026-06-10T12:00Z", "remove": "A", "add": "B"},
                    {"from": "2026-06-10T08:00Z", "to": "2026-06-10T12:00Z", "remove": "B", "add": "C"},
                ]
            },
            "Two overrides name B at the same time",
            True,
        ),
        (
            {
                "rotations": {
                    "m": {"type": "hourly", "length": 12, "start": "2026-10-24T08:00", "participants": ["A", "B"]}
                }
            },
            "the same people always have the same hours",
            False,
        ),
        (
            {"rotations": {"m": {"type": "hourly", "length": 7, "start": "2026-10-24T08:00", "participants": ["A"]}}},
            "which do not divide a day",
            True,
        ),
        (
            {"rotations": {"m": {"type": "daily", "start": "2026-10-24T08:00", "participants": []}}},
            "has nobody in it",
            False,
        ),
        (
            {
                "temporary": [
                    {
                        "from": "2026-12-24T15:00Z",
                        "to": "2026-12-27T07:00Z",
                        "shifts": [{"user": "V", "from": "2026-12-24T15:00Z", "to": "2026-12-25T19:00Z"}],
                    }
                ]
            },
            "Nobody is on call in the temporary roster from 2026-12-25T19:00:00Z on.",
            False,
        ),
    ],
)
def test_remarks_before_a_roster_is_saved(parts: dict[str, Any], sentence: str, refused: bool) -> None:
    said = [remark for remark in remarks(a_schedule(**parts), OSLO) if sentence in remark.sentence]
    assert [remark.refused for remark in said] == [refused]


def test_uneven_lengths_stand_in_utc() -> None:
    utc = ZoneInfo("UTC")
    rotation = {"type": "hourly", "length": 7, "start": "2026-10-24T08:00", "participants": ["A"]}
    schedule = a_schedule(utc, rotations={"m": rotation}, rules=[{"target": "rotation:m", **EVERY_DAY}])
    assert remarks(schedule, utc) == ()


def test_everybody_named_is_known() -> None:
    schedule = a_schedule(
        rotations={"m": {"type": "daily", "start": "2026-10-24T08:00", "participants": ["A", "B"]}},
        rules=[{"target": "rotation:m", **EVERY_DAY}, {"target": "C", **EVERY_DAY}],
        overrides=[{"from": "2026-06-10T08:00Z", "to": "2026-06-10T12:00Z", "remove": "Z", "add": "D"}],
        temporary=[
            {
                "from": "2026-12-24T15:00Z",
                "to": "2026-12-27T07:00Z",
                "shifts": [{"user": "E", "from": "2026-12-24T15:00Z", "to": "2026-12-25T19:00Z"}],
            }
        ],
    )
    assert schedule.people() == {"A", "B", "C", "D", "E"}


YEAR_BEGINS = datetime.fromisoformat("2011-01-01T00:00")  # on the wall clock
# Zones with a change at 02:00, at midnight, of half an hour, to the other side of the date line, and none at all.
ZONES = ["Europe/Oslo", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago", "Asia/Kathmandu"]
LENGTHS = [("hourly", 1), ("hourly", 8), ("hourly", 12), ("daily", 1), ("weekly", 1), ("weekly", 2), ("monthly", 1)]

rotations = st.builds(
    lambda kind, start, zone: (
        a_schedule(
            ZoneInfo(zone),
            rotations={"m": {"type": kind[0], "length": kind[1], "start": start, "participants": ["A", "B", "C"]}},
            rules=[{"target": "rotation:m", **EVERY_DAY}],
        ),
        ZoneInfo(zone),
    ),
    st.sampled_from(LENGTHS),
    st.datetimes(YEAR_BEGINS, YEAR_BEGINS.replace(year=2012)).map(lambda start: start.isoformat(timespec="minutes")),
    st.sampled_from(ZONES),
)
# Around the day that Samoa left out, the end of 2011, and every clock change of that year.
moments = st.datetimes(YEAR_BEGINS, YEAR_BEGINS.replace(year=2013), timezones=st.just(UTC))


@settings(deadline=None)
@given(rotations, moments)
def test_rotation_is_handed_on_only_at_its_handoffs(rotation: tuple[Schedule, ZoneInfo], moment: datetime) -> None:
    schedule, zone = rotation
    since, until = moment - timedelta(days=3), moment + timedelta(days=3)
    changes = handoffs(schedule, zone, "m", since, until)
    assert list(changes) == sorted(set(changes))
    for start, end in itertools.pairwise([since, *(c for c in changes if c > since), until]):
        holders = {on_call(schedule, zone, start + (end - start) * part / 7) for part in range(7)}
        assert len(holders) == 1


@settings(deadline=None)
@given(rotations, moments)
def test_shift_covers_the_instant(rotation: tuple[Schedule, ZoneInfo], moment: datetime) -> None:
    schedule, zone = rotation
    turn: Rotation = schedule.rotations["m"]
    number = turn.shift_at(moment, zone)
    started = list(handoffs(schedule, zone, "m", moment - timedelta(days=70), moment))
    assert (number is None) == (not started)


windows = st.builds(
    lambda start, end, days: {"from": f"{start:%H:%M}", "to": f"{end:%H:%M}", "days": sorted(days)},
    st.times(),
    st.times(),
    st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1),
)


@settings(deadline=None)
@given(st.lists(windows, min_size=1, max_size=3), st.sampled_from(ZONES), moments)
def test_timeline_says_what_on_call_says(parts: list[dict[str, Any]], name: str, moment: datetime) -> None:
    zone = ZoneInfo(name)
    schedule = a_schedule(zone, rules=[{"target": f"P{number}", **part} for number, part in enumerate(parts)])
    until = moment + timedelta(days=4)
    segments = timeline(schedule, zone, moment, until)
    assert segments[0].span.start == moment
    assert segments[-1].span.end == until
    for one, other in itertools.pairwise(segments):
        assert one.span.end == other.span.start
        assert one.on_call != other.on_call
    for segment in segments:
        for part in range(5):
            inside = segment.span.start + (segment.span.end - segment.span.start) * part / 5
            assert on_call(schedule, zone, inside) == segment.on_call
    change = next_change(schedule, zone, moment)
    assert change == (segments[0].span.end if segments[0].span.end <= moment + timedelta(days=2) else None)


@settings(deadline=None)
@given(st.times(), st.times(), moments)
def test_two_rules_that_share_the_day_never_leave_a_gap(one: Any, other: Any, moment: datetime) -> None:
    schedule = a_schedule(
        rules=[
            {"target": "A", "from": f"{one:%H:%M}", "to": f"{other:%H:%M}"},
            {"target": "B", "from": f"{other:%H:%M}", "to": f"{one:%H:%M}"},
        ]
    )
    assert on_call(schedule, OSLO, moment)
