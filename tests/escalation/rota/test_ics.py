"""Calendar files: written for any calendar, and read with a word for whatever is not taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from escalation.rota import ics
from escalation.rota.ics import Entry, Reading, Unreadable, Why, read_leave, write_calendar
from escalation.rota.roster import Span

OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_file(*events: str, head: str = "VERSION:2.0\r\nPRODID:-//test//\r\n") -> bytes:
    written = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\n{head}{written}END:VCALENDAR\r\n".encode()


def an_event(*lines: str, uid: str = "one@example.org") -> str:
    return "\r\n".join([f"UID:{uid}", "DTSTAMP:20261101T000000Z", "SUMMARY:Til legen med Kari", *lines])


def spans(reading: Reading) -> list[tuple[datetime, datetime]]:
    return [(each.span.start, each.span.end) for each in reading.away]


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        (["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"], "2026-12-24T00:00", "2026-12-27T00:00"),
        (["DTSTART;VALUE=DATE:20261224"], "2026-12-24T00:00", "2026-12-25T00:00"),
        (["DTSTART;VALUE=DATE:20261224", "DURATION:P2D"], "2026-12-24T00:00", "2026-12-26T00:00"),
        (["DTSTART:20261224T080000Z", "DTEND:20261224T100000Z"], "2026-12-24T09:00", "2026-12-24T11:00"),
        (["DTSTART:20261224T080000", "DTEND:20261224T100000"], "2026-12-24T08:00", "2026-12-24T10:00"),
        (
            ["DTSTART;TZID=America/New_York:20261224T080000", "DTEND;TZID=America/New_York:20261224T100000"],
            "2026-12-24T14:00",
            "2026-12-24T16:00",
        ),
        (["DTSTART;TZID=Europe/Oslo:20261024T120000", "DURATION:P1D"], "2026-10-24T12:00", "2026-10-25T12:00"),
        (["DTSTART;TZID=Europe/Oslo:20261024T120000", "DURATION:PT20H"], "2026-10-24T12:00", "2026-10-25T07:00"),
    ],
)
def test_all_day_and_timed_entries_are_read_on_the_right_clock(lines: list[str], start: str, end: str) -> None:
    reading = read_leave(a_file(an_event(*lines)), OSLO)
    assert reading.skipped == ()
    assert spans(reading) == [(oslo(start), oslo(end))]
    assert reading.away[0].all_day is ("VALUE=DATE" in lines[0])


def test_a_zone_that_the_file_itself_describes_is_understood() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Min egen\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\n"
        "TZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    event = an_event("DTSTART;TZID=Min egen:20261224T080000", "DTEND;TZID=Min egen:20261224T100000")
    reading = read_leave(a_file(event, head=zone), OSLO)
    assert spans(reading) == [(oslo("2026-12-24T06:00"), oslo("2026-12-24T08:00"))]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=WEEKLY;COUNT=3"], Why.REPEATS),
        (["DTSTART;VALUE=DATE:20261224", "RDATE;VALUE=DATE:20261230"], Why.REPEATS),
        (["DTSTART;VALUE=DATE:20261224", "RECURRENCE-ID;VALUE=DATE:20261224"], Why.REPEATS),
        (["DTSTART;VALUE=DATE:20261224", "TRANSP:TRANSPARENT"], Why.FREE),
        (["DTSTART:20261224T080000Z"], Why.NO_LENGTH),
        (["DTSTART:20261224T080000Z", "DTEND:20261224T070000Z"], Why.NO_LENGTH),
        (["DTSTART:soon", "DTEND:20261224T070000Z"], Why.NO_TIME),
        (["DTEND:20261224T070000Z"], Why.NO_TIME),
        (["DTSTART;VALUE=DATE:20261224", "DTEND:20261224T070000Z"], Why.NO_TIME),
        (["DTSTART:99991231T235959Z", "DURATION:P9999D"], Why.NO_TIME),
        (["DTSTART;TZID=Europe/Oslo:20260329T023000", "DURATION:PT4H"], Why.MISSING),
        (["DTSTART:20261025T023000", "DTEND:20261025T120000"], Why.TWICE),
    ],
)
def test_what_is_not_taken_gets_its_word(lines: list[str], why: Why) -> None:
    reading = read_leave(a_file(an_event(*lines)), OSLO)
    assert reading.away == ()
    assert [each.why for each in reading.skipped] == [why]
    assert len(reading.skipped[0].offered) == {Why.MISSING: 1, Why.TWICE: 2}.get(why, 0)


def test_of_several_with_one_id_the_latest_counts() -> None:
    first = an_event("DTSTART;VALUE=DATE:20261224", "SEQUENCE:2")
    older = an_event("DTSTART;VALUE=DATE:20261201", "SEQUENCE:1")
    other = an_event("DTSTART;VALUE=DATE:20261230", uid="two@example.org")
    for events in ((first, older, other), (older, other, first)):
        assert [each.span.start.astimezone(OSLO).day for each in read_leave(a_file(*events), OSLO).away] == [24, 30]


def test_neither_a_title_nor_an_id_leaves_the_file() -> None:
    reading = read_leave(a_file(an_event("DTSTART;VALUE=DATE:20261224", uid="kari.nordmann@example.org")), OSLO)
    assert "Kari" not in repr(reading)
    assert "kari" not in repr(reading)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Why.NO_CALENDAR),
        (b"hello", Why.NO_CALENDAR),
        (b"\xff\xfe\x00", Why.NO_CALENDAR),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n", Why.NO_CALENDAR),
        (b"BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", Why.NO_CALENDAR),
        (b"x" * (ics.LARGEST + 1), Why.TOO_BIG),
        (a_file(*(an_event("DTSTART;VALUE=DATE:20261224", uid=str(n)) for n in range(501))), Why.TOO_MANY),
    ],
)
def test_a_file_that_is_none_is_refused(data: bytes, why: Why) -> None:
    with pytest.raises(Unreadable) as refused:
        read_leave(data, OSLO)
    assert refused.value.why is why


def test_a_calendar_of_nothing_is_a_calendar() -> None:
    assert read_leave(a_file(), OSLO) == Reading((), ())


pieces = st.sampled_from(
    [
        "BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE",
        "BEGIN:STANDARD", "END:STANDARD", "DTSTART:20261224T080000Z", "DTSTART;TZID=Nowhere/Here:20261224T080000",
        "DTEND;TZID=:20261224T080000", "DTEND;VALUE=DATE:20261232", "DURATION:P", "DURATION:-P3W",
        "DURATION:PT99999999H",
        "SEQUENCE:many", "UID:", "UID:x\\ny", "STATUS:CANCELLED", "TZID:Europe/Oslo", "TZOFFSETTO:+9900", "RRULE:",
        "X:;;",
        " folded", "DTSTART;VALUE=PERIOD:20261224T080000Z/PT1H", "DTSTART:20261224T080000Z,20261225T080000Z",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.one_of(pieces, st.text(max_size=20)), max_size=14))
def test_whatever_is_uploaded_is_read_or_refused(lines: list[str]) -> None:
    for data in ("\r\n".join(lines).encode(errors="replace"), a_file("\r\n".join(lines).replace("\x00", ""))):
        try:
            reading = read_leave(data, OSLO)
        except Unreadable:
            continue
        assert all(each.span.start < each.span.end for each in reading.away)


# --- written ----------------------------------------------------------------------------------------------------------


def test_what_is_written_reads_back_with_its_number_and_stamp() -> None:
    changed_at = NOON - 5 * HOUR
    entry = Entry("a@varde", Span(NOON, NOON + 8 * HOUR), "Vakt; main, «natt»", 3, changed_at)
    gone = Entry("b@varde", Span(NOON, NOON + HOUR), "Vakt", 1, changed_at, cancelled=True)
    data = write_calendar("Mine vakter", OSLO, [gone, entry])
    calendar = Calendar.from_ical(data)
    assert (str(calendar["version"]), str(calendar["x-wr-calname"])) == ("2.0", "Mine vakter")
    assert str(calendar["x-wr-timezone"]) == "Europe/Oslo"
    events: list[Any] = list(calendar.walk("VEVENT"))
    first, second = events
    assert (str(first["uid"]), first["sequence"], str(first["summary"])) == ("a@varde", 3, "Vakt; main, «natt»")
    assert (first["dtstart"].dt, first["dtend"].dt) == (entry.span.start, entry.span.end)
    assert first["dtstamp"].dt == changed_at
    assert [str(each["status"]) for each in (first, second)] == ["CONFIRMED", "CANCELLED"]
    assert b"DTSTART:20261123T110000Z" in data  # an instant, which no change of a clock can move
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))


def test_the_same_entries_are_the_same_bytes() -> None:
    entries = [Entry(f"{n}@varde", Span(NOON + n * HOUR, NOON + (n + 1) * HOUR), "Vakt", 0, NOON) for n in range(5)]
    assert write_calendar("x", OSLO, entries) == write_calendar("x", OSLO, entries[::-1])
