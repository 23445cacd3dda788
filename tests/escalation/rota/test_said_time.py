"""From when to when, as people write it: what is understood, and what is asked about."""

from __future__ import annotations

from datetime import datetime

import pytest

from escalation.rota.said_time import Said, Unclear, Why, read_span, speaks_of_time

SUNDAY = datetime(2026, 11, 22, 15, 0)  # noqa: DTZ001 - a reading of the wall clock


def at(written: str) -> datetime:
    return datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("fra fredag kl. 16 til mandag kl 8", "2026-11-27 16:00", "2026-11-30 08:00"),
        ("frå fredag 16.30 til måndag 08:00", "2026-11-27 16:30", "2026-11-30 08:00"),
        ("från den 24 december kl 12 till den 27 december kl 8", "2026-12-24 12:00", "2026-12-27 08:00"),
        ("from 24 December at 4pm to 27 Dec 8:30 am", "2026-12-24 16:00", "2026-12-27 08:30"),
        ("dec 24th at 16:00 until dec 27th at 8", "2026-12-24 16:00", "2026-12-27 08:00"),
        ("24.12. 16.30 - 26.12. 8.00", "2026-12-24 16:30", "2026-12-26 08:00"),
        ("2026-12-24T16:00 til 2026-12-28 08:00", "2026-12-24 16:00", "2026-12-28 08:00"),
        ("fredag 27.11. kl. 16 til mandag 30.11. kl. 8", "2026-11-27 16:00", "2026-11-30 08:00"),
        ("i morgen 12-16", "2026-11-23 12:00", "2026-11-23 16:00"),
        ("i morgon kl 12–16", "2026-11-23 12:00", "2026-11-23 16:00"),
        ("kl 18 til 20", "2026-11-22 18:00", "2026-11-22 20:00"),
        ("fredag kl 22 til 06", "2026-11-27 22:00", "2026-11-28 06:00"),  # what ends earlier ends the day after
        ("fredag kl 22 til 24:00", "2026-11-27 22:00", "2026-11-28 00:00"),
        ("kl 8 til 16 i overmorgen", "2026-11-24 08:00", "2026-11-24 16:00"),
        ("fredag kl 16 til fredag kl 8", "2026-11-27 16:00", "2026-12-04 08:00"),
        ("i dag 16.10-20", "2026-11-22 16:10", "2026-11-22 20:00"),  # the day is said, so it is no tenth of October
        ("i dag kl 16.10-20.12", "2026-11-22 16:10", "2026-11-22 20:12"),
        ("i morgen 8.10 til fredag 27.11. kl 8", "2026-11-23 08:10", "2026-11-27 08:00"),
    ],
)
def test_clock_times_are_read_as_they_are_written(text: str, start: str, end: str) -> None:
    assert read_span(text, SUNDAY) == Said(at(start), at(end), whole=False)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("24.12.", "2026-12-24", "2026-12-25"),
        ("i dag", "2026-11-22", "2026-11-23"),
        ("tomorrow", "2026-11-23", "2026-11-24"),
        ("24.–26.12.", "2026-12-24", "2026-12-27"),
        ("24-26 december", "2026-12-24", "2026-12-27"),
        ("fra 24. des til 26.", "2026-12-24", "2026-12-27"),
        ("24/12 - 26/12", "2026-12-24", "2026-12-27"),
        ("24.12.2026 til og med 28.12.26", "2026-12-24", "2026-12-29"),
        ("den 24:e december", "2026-12-24", "2026-12-25"),
        ("fra 28.12. til 3.1.", "2026-12-28", "2027-01-04"),
        ("fra 3.1. til 5.1.", "2027-01-03", "2027-01-06"),
        ("fra 20.11. til 25.11.", "2026-11-20", "2026-11-26"),  # it has begun already
        ("fredag til mandag", "2026-11-27", "2026-12-01"),
        ("29.2.2028", "2028-02-29", "2028-03-01"),
    ],
)
def test_days_alone_are_whole_days_and_the_last_is_one_of_them(text: str, start: str, end: str) -> None:
    assert read_span(text, SUNDAY) == Said(at(start), at(end), whole=True)


def test_from_now_on() -> None:
    assert read_span("fra nå til mandag kl 8", SUNDAY) == Said(None, at("2026-11-23 08:00"), whole=False)
    assert read_span("nu till kl 17", SUNDAY) == Said(None, at("2026-11-22 17:00"), whole=False)
    assert read_span("now to 8:00", SUNDAY) == Said(None, at("2026-11-23 08:00"), whole=False)
    assert read_span("fra no til 25.11.", SUNDAY) == Said(None, at("2026-11-26 00:00"), whole=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fra fredag kl 16 til mandag", Why.CLOCK),
        ("fra fredag til mandag kl 8", Why.CLOCK),
        ("fredag kl 16", Why.CLOCK),
        ("fra 4.12. kl. 16 til 6.12.", Why.CLOCK),  # the sixth of December, and not twelve past six
        ("fra fredag kl 16 til 6.12", Why.CLOCK),
        ("i morgen 06.12", Why.CLOCK),
        ("fra i morgen", Why.UNREADABLE),  # and until when
        ("from 24.12.", Why.UNREADABLE),
        ("nå til 16.10", Why.UNREADABLE),  # hardly eleven months
        ("søndag", Why.TODAY),
        ("fra søndag kl 16 til mandag kl 8", Why.TODAY),
        ("nå til søndag kl 20", Why.TODAY),
        ("i dag til søndag", Why.TODAY),
        ("torsdag 27.11.", Why.WEEKDAY),
        ("fredag 8.12", Why.WEEKDAY),  # a date, and not eight past twelve
        ("neste fredag", Why.UNREADABLE),  # the coming one or the one after
        ("fredag 12", Why.UNREADABLE),
        ("31.2.", Why.UNREADABLE),
        ("24.13.", Why.UNREADABLE),
        ("fra 26. til 24.12.", Why.UNREADABLE),
        ("fra 26.12. til 24.12.", Why.UNREADABLE),
        ("lørdag og søndag", Why.UNREADABLE),
        ("24.12. 25.12.", Why.UNREADABLE),
        ("24.12. kl 25 til 26", Why.UNREADABLE),
        ("kl 12 til", Why.UNREADABLE),
        ("fra nå", Why.UNREADABLE),
        ("nå til nå", Why.UNREADABLE),
        ("12", Why.UNREADABLE),
        ("1 2 3 4 5 6 7", Why.UNREADABLE),
        ("24.12.2026 2027", Why.UNREADABLE),
        ("13 pm til 14", Why.UNREADABLE),
        ("desember", Why.UNREADABLE),
        ("🎄", Why.UNREADABLE),
        ("", Why.UNREADABLE),
    ],
)
def test_what_can_be_two_things_is_asked_about(text: str, why: Why) -> None:
    with pytest.raises(Unclear) as unclear:
        read_span(text, SUNDAY)
    assert unclear.value.why is why


@pytest.mark.parametrize(
    ("text", "is_time"),
    [("fra i morgen", True), ("i dag", True), ("24.12", True), ("fre kl 8", True), ("med henne", False), ("", False)],
)
def test_words_that_begin_like_a_time(text: str, is_time: bool) -> None:
    assert speaks_of_time(text) is is_time
