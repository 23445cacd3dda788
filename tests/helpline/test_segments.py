"""What a text costs as SMS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.segments import Alphabet, outside_gsm7, pages, segments, to_gsm7


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "count"),
    [
        ("", Alphabet.GSM7, 0, 0),
        ("a" * 160, Alphabet.GSM7, 160, 1),
        ("a" * 161, Alphabet.GSM7, 161, 2),
        ("a" * 306, Alphabet.GSM7, 306, 2),
        ("a" * 307, Alphabet.GSM7, 307, 3),
        ("æøåÆØÅäöÄÖéÉ§ü", Alphabet.GSM7, 14, 1),
        ("€", Alphabet.GSM7, 2, 1),
        ("[]" * 40, Alphabet.GSM7, 160, 1),
        ("a" * 159 + "€", Alphabet.GSM7, 161, 2),
        ("a" * 152 + "€" + "a" * 152, Alphabet.GSM7, 306, 3),  # the euro sign may not be split, so it opens the second
        ("–" + "a" * 69, Alphabet.UCS2, 70, 1),
        ("–" + "a" * 70, Alphabet.UCS2, 71, 2),
        ("–" + "a" * 133, Alphabet.UCS2, 134, 2),
        ("–" + "a" * 134, Alphabet.UCS2, 135, 3),
        ("🙂", Alphabet.UCS2, 2, 1),
        ("á", Alphabet.UCS2, 1, 1),  # Sami place names are outside, though é and à are inside
        ("`", Alphabet.UCS2, 1, 1),
    ],
)
def test_segments(text: str, alphabet: Alphabet, units: int, count: int) -> None:
    counted = segments(text)
    assert (counted.alphabet, counted.units, counted.count) == (alphabet, units, count)


def test_characters_outside_are_named_once_in_order() -> None:
    assert outside_gsm7("«hei» – «du»") == ("«", "»", "–")


@given(st.text(max_size=700))
def test_segments_have_room_for_every_unit(text: str) -> None:
    counted = segments(text)
    room = 153 if counted.gsm7 else 67
    assert counted.count == 1 or counted.count * room >= counted.units
    assert (counted.count == 0) == (text == "")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("«hei» – du… ’nei’", "\"hei\" - du... 'nei'"),
        ("Kárášjohka, Guovdageaidnu, Unjárga", "Karasjohka, Guovdageaidnu, Unjarga"),
        ("Ærlig, ålreit, öppet, é og à", "Ærlig, ålreit, öppet, é og à"),
        ("høyre\u200fvenstre", "høyrevenstre"),
        ("привіт", "привіт"),  # nothing here says the same, so it travels as UCS-2
    ],
)
def test_plain_characters_are_put_for_typeset_ones(written: str, sent: str) -> None:
    assert to_gsm7(written) == sent


LONG = "\n\n".join(
    [
        "Ja. Ring barnevernet med en gang. Barnet skal ikke sendes hjem før de har svart.",
        "Plikten gjelder deg selv, og går foran taushetsplikten. Du trenger ikke samtykke. Skriv ned hva du så.",
        "Er barnet i fare nå, ring 112. Hold barnet hos dere til noen tar over, om det så tar hele natta.",
        "Fortell barnet hva du gjør og hvorfor, med tolk der det trengs.",
    ]
)


def test_pages_fit_two_segments_with_the_menu() -> None:
    menu = "1 Mer 2 Kilder 3 Hvem kan hjelpe 0 Rådgiver"
    parts = pages(LONG, menu=menu)
    assert len(parts) > 1
    assert all(segments(to_gsm7(f"{part}\n{menu}")).count <= 2 for part in parts)
    assert " ".join(parts).split() == LONG.split()


def test_a_short_text_is_one_page_as_it_stands() -> None:
    assert pages("Ja.\n\nRing 112.", menu="0 Rådgiver") == ["Ja.\n\nRing 112."]


@given(st.text(alphabet="abc .\n–€ø🙂", max_size=900), st.text(alphabet="123 abc", max_size=60))
def test_pages_lose_no_word(text: str, menu: str) -> None:
    parts = pages(text, menu=menu)
    assert parts
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(segments(to_gsm7(f"{part}\n{menu}" if menu else part)).count <= 2 for part in parts)
