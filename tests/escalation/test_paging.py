"""Reading what advisors write and tap, and for whom their words are."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.paging import (
    Doing,
    For,
    NotTheirs,
    Reply,
    Unclear,
    Wish,
    addressee,
    case_token,
    read_case_tap,
    read_day,
    read_reply,
    short_of,
)
from helpline.messages import Language
from tests.escalation.stored import PHRASES

ids = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=3)


@given(owned=ids, named=ids, answered=st.none() | st.sampled_from("abcd"), left=ids, asked=ids, could=st.booleans())
def test_words_never_reach_a_clinician_whom_they_may_not_be_for(
    owned: list[str], named: list[str], answered: str | None, left: list[str], asked: list[str], could: bool
) -> None:
    whose = addressee(owned=owned, named=named, answered=answered, left_lately=left, asked=asked, could_answer=could)
    if isinstance(whose, For):
        assert whose.escalation_id in owned
        assert not named or whose.escalation_id in named
        assert answered is None or answered == whose.escalation_id
        if not named and answered is None:
            assert owned == [whose.escalation_id]
            assert not left
            assert not (could and asked)
    if isinstance(whose, NotTheirs):
        assert whose.escalation_id not in owned
    if len(owned) > 1 and not named and answered is None:
        assert whose == Unclear()


def test_an_unknown_command_is_kept_masked_as_words_are() -> None:
    """What may hold a name is not one of the line's own requests."""
    assert read_reply("/noe om Kari Nordmann").wish is None
    assert read_reply("/saker").wish is Wish.LIST


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ("1", date(2026, 11, 23)),
        ("366", date(2027, 11, 23)),
        ("0", None),
        ("367", None),
        ("27.11", date(2026, 11, 27)),
        ("27.11.", date(2026, 11, 27)),
        ("1/2", date(2027, 2, 1)),
        ("22.11", date(2027, 11, 22)),  # today is over; the next one
        ("31.2", None),
        ("29.2", None),  # neither this year nor the next has one
        ("1.1.2026", None),
        ("1.1.2027", date(2027, 1, 1)),
    ],
)
def test_day_as_written(when: str, day: date | None) -> None:
    assert read_day(when, date(2026, 11, 22)) == day


@given(
    st.sampled_from(Doing),
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.from_regex(r"[0-9a-z]{0,18}", fullmatch=True),
)
def test_a_button_comes_back_as_it_was_made_and_fits(doing: Doing, id_: str, arg: str) -> None:
    token = case_token(doing, id_, arg)
    tap = read_case_tap(token)
    assert tap is not None
    assert (tap.doing, tap.escalation_id, tap.arg) == (doing, id_, arg)
    assert len(token) <= 48


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("48213 slutt 2", Reply(Wish.CLOSE, "48213", rest="slutt 2", outcome=2)),
        ("48213 slut 1 saknas", Reply(Wish.CLOSE, "48213", rest="slut 1 saknas", outcome=1, missing=True)),
        ("48213 videre", Reply(Wish.NEXT, "48213", rest="videre")),
        ("48213 behåll", Reply(Wish.KEEP, "48213", rest="behåll")),
        ("48213 prat noor", Reply(Wish.DEBRIEF, "48213", colleague="noor", rest="prat noor")),
        ("48213 følg 27.11", Reply(Wish.FOLLOW_UP, "48213", rest="følg 27.11", when="27.11")),
        ("48213 følg henne hjem", Reply(None, "48213", rest="følg henne hjem")),
        ("48213 slutt å ringe", Reply(None, "48213", rest="slutt å ringe")),
        ("saker", Reply(Wish.LIST, rest="saker")),
        ("/stopp", Reply(Wish.STOP, rest="/stopp", command=True)),
    ],
)
def test_what_is_asked_for_by_a_code(text: str, reply: Reply) -> None:
    assert read_reply(text) == reply


@given(st.text(max_size=60))
def test_anything_can_be_read(text: str) -> None:
    reply = read_reply(text)
    assert reply.colleague is None or reply.code is not None


def test_colleagues_are_told_apart_in_a_button() -> None:
    handles = [f"{first}{number}" for first in ("asha", "noor", "maja") for number in range(500)]
    assert len({short_of(handle) for handle in handles}) == len(handles)


@pytest.mark.parametrize("language", Language)
def test_what_the_help_names_is_understood(language: Language) -> None:
    """Every request in the help, in each language, is one that can be read."""
    said = PHRASES.say("staff.help.more", language, code="48213")
    commands = re.findall(r"(/\w+):", said)
    requests = re.findall(
        r"48213 [^,.(]+", said.replace("NAVN", "noor").replace("NAMN", "noor").replace("NAME", "noor")
    )
    assert len(commands) == 2
    assert len(requests) == 8
    for each in (*commands, *requests):
        assert read_reply(each).wish is not None, each
