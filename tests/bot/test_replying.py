"""What of an advisor's reply may go out: nobody is pointed to, and published words keep their source or lose it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.asking import masker_for
from bot.replying import Piece, Seen, tidy, weigh
from helpline.content import content_folder
from helpline.messages import Language
from routing.directory import Directory
from routing.places import Gazetteer

_CONTENT = content_folder()
MASKER = masker_for(_CONTENT, Directory.load(_CONTENT, Gazetteer.load(_CONTENT / "places")))
SOURCE = "Bekreftet i kilde. Kilde: tolkeloven § 7. Norge, versjon 1, kontrollert 22.11.2026."
WORDS = "La ikke følget tolke. Bruk kvalifisert tolk."
TOLK = Piece("article:tolk:1", "Tolk", f"{WORDS}\n\n{SOURCE}", WORDS, SOURCE)
# A number that no list knows, as a service that was added today has it.
ODD = Piece("service:ny:3:NO:", "Ny hjelp", "Ny hjelp: 48 12 34 56\nKilde: x.", "Ny hjelp: 48 12 34 56", "Kilde: x.")


@pytest.mark.parametrize(
    ("written", "seen", "goes_out"),
    [
        ("Ring meg når dere er alene.", (), "Ring meg når dere er alene."),
        ("Hun heter Kari Nordmann.", ("Kari Nordmann",), "Hun heter [navn]."),
        ("Nummeret er 48 12 34 56.", ("48 12 34 56",), "Nummeret er [telefon]."),
        ("Ring 113 eller 22 33 11 60.", (), "Ring 113 eller 22 33 11 60."),
    ],
)
def test_what_points_to_a_person_is_seen_and_taken_out(written: str, seen: tuple[str, ...], goes_out: str) -> None:
    weighed = weigh(written, [], [], MASKER, Language.NB)
    assert tuple(each.words for each in weighed.seen) == seen
    assert weighed.text == goes_out
    assert weighed.doubtful is bool(seen)


def test_published_words_go_out_as_they_stand_beside_what_is_masked() -> None:
    weighed = weigh(f"Si til Kari Nordmann:\r\n\r\n{ODD.text}", [ODD], [], MASKER, Language.NB)
    assert "Ny hjelp: 48 12 34 56" in weighed.text
    assert "Kari" not in weighed.text
    assert [each.words for each in weighed.seen] == ["Kari Nordmann"]
    assert weighed.served == (ODD,)


def test_changed_words_lose_their_source() -> None:
    weighed = weigh(TOLK.text.replace("ikke ", ""), [TOLK], [], MASKER, Language.NB)
    assert weighed.changed == ("Tolk",)
    assert SOURCE not in weighed.text
    assert weighed.served == ()


def test_words_that_are_not_published_any_more_lose_their_source() -> None:
    weighed = weigh(TOLK.text, [], [TOLK], MASKER, Language.NB)
    assert weighed.changed == ("Tolk",)
    assert weighed.text == WORDS


def test_what_was_put_in_and_taken_out_again_is_not_served() -> None:
    weighed = weigh("Vi kommer tilbake til deg.", [TOLK], [], MASKER, Language.NB)
    assert (weighed.served, weighed.changed, weighed.doubtful) == ((), (), False)


def test_what_was_seen_does_not_print_itself() -> None:
    assert "Kari" not in repr(Seen("Kari Nordmann", "[navn]"))


@given(st.text(max_size=200), st.sampled_from(["", "Kari Nordmann ", "fnr 01019012345 "]))
def test_what_goes_out_has_nothing_left_to_mask(around: str, person: str) -> None:
    weighed = weigh(f"{around} {person}", [TOLK], [], MASKER, Language.NB)
    assert MASKER.mask(weighed.text, Language.NB).spans == ()


@given(st.text(max_size=80), st.text(max_size=80))
def test_an_unchanged_piece_is_always_whole(before: str, after: str) -> None:
    weighed = weigh(f"{before}\n\n{ODD.text}\n\n{after}", [ODD], [], MASKER, Language.NB)
    assert ODD.words in weighed.text
    assert weighed.served == (ODD,)
    assert tidy(weighed.text) == weighed.text or weighed.doubtful
