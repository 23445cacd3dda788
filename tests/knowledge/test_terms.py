"""What a text is to the search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import ContentError
from knowledge.terms import QUESTION_WORDS, Speller, Synonyms, Termer, asked_in, rough, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hvem betaler?", ["hvem", "betaler"]),
        ("§ 257, d-nr", ["257", "d", "nr"]),
        ("", []),
        ("🙂 👍 !!!", []),
        ("[navn] ringte fra [telefon] i går", ["ringte", "fra", "i", "går"]),
        ("be\u00adtale \u202eikke\u202c", ["betale", "ikke"]),
        ("a\u030a pne", ["å", "pne"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_a_long_text_is_cut_to_its_first_words() -> None:
    assert len(words_in("ord " * 25_000)) == QUESTION_WORDS
    assert [len(word) for word in words_in("x" * 100_000)] == [40]


@pytest.mark.parametrize(
    ("one", "other"),
    [("hälsa", "helsa"), ("hvem", "vem"), ("søke", "söke"), ("tack", "takk"), ("påse", "paase"), ("öppen", "øpen")],
)
def test_neighbours_spellings_meet(one: str, other: str) -> None:
    assert rough(one) == rough(other)


def test_synonyms_are_found_by_word_beginning_compound_and_phrase() -> None:
    synonyms = Synonyms(
        {"interpreter": ["tolk*", "interpret*"], "alone": ["alene", "på tomannshånd"], "debt": ["gjeld*"]}
    )
    assert synonyms.groups(["tolken"]) == ["interpreter"]
    assert synonyms.groups(["interpreters"]) == ["interpreter"]
    assert synonyms.groups(["alene"]) == ["alone"]
    assert synonyms.groups(["alenetid"]) == []
    assert synonyms.groups(["på", "tomannshånd"]) == ["alone"]
    assert synonyms.groups(["smuglergjeld"]) == ["debt"]
    assert synonyms.groups(["nattolken"]) == []  # "tolk" is too short to be trusted inside a word


def test_synonyms_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.yaml"
    path.write_text("police: [politi*]\n")
    with pytest.raises(ContentError, match=r"synonyms\.yaml:1"):
        Synonyms.load(path)


def test_a_term_that_occurs_twice_stands_twice() -> None:
    termer = Termer()
    once, twice = termer.terms(["tolk"]), termer.terms(["tolk", "tolk"])
    assert set(once) < set(twice)
    assert len(twice) == 2 * len(once) + 1  # and the pair
    assert termer.terms([]).dtype == np.uint32


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("betlaer", "betaler"),  # two letters changed places
        ("beteler", "betaler"),  # one is wrong
        ("betalr", "betaler"),  # one is missing
        ("bettaler", "betaler"),  # one too many
        ("betaler", "betaler"),
        ("bxxaler", "bxxaler"),  # two are wrong
        ("gror", "gror"),  # short words are too alike
        ("barnevrnett", "barnevernet"),  # a long one may have two wrong
        ("polen", "polen"),  # known elsewhere
    ],
)
def test_a_misspelt_word_is_put_right(typed: str, meant: str) -> None:
    speller = Speller(
        {"betaler": 4, "grov": 9, "politi": 3, "molen": 2, "barnevernet": 5}, lambda word: word == "polen"
    )
    assert speller.repaired([typed]) == [meant]


def test_the_commoner_word_is_meant() -> None:
    assert Speller({"saken": 2, "saker": 9}).repaired(["sakex"]) == ["saker"]


@given(st.text(max_size=300))
def test_any_text_has_bounded_words_and_terms(text: str) -> None:
    words = words_in(text)
    assert len(words) <= QUESTION_WORDS
    assert all(0 < len(word) <= 40 for word in words)
    Termer(Synonyms({"a": ["a*", "b"]})).terms(words)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("hva er egentlig menneskehandel", "hva er menneskehandel"),
        ("Hei, jeg lurer på hvem som betaler", "hvem som betaler"),
        ("hej! jag undrar hur länge den gäller", "hur länge den gäller"),
        ("can you tell me who pays", "who pays"),
        ("i was wondering who really pays", "who pays"),
        ("jeg lurer på", "jeg lurer på"),
        ("egentlig", "egentlig"),
        ("jeg vil vite navnet", "navnet"),
    ],
)
def test_how_a_question_is_opened_says_nothing_of_what_it_is_about(text: str, asked: str) -> None:
    assert asked_in(text) == asked.split()


_SPOKEN = ["tolk", "alene", "på", "tomannshånd", "politi", "hjelp", "a", "æ"]
_TEXTS = st.lists(st.tuples(st.lists(st.sampled_from(_SPOKEN), max_size=6), st.sampled_from([1.0, 1.5, 2.0])))


@given(_TEXTS)
def test_many_texts_together_weigh_what_each_of_them_weighs(texts: list[tuple[list[str], float]]) -> None:
    synonyms = Synonyms({"interpreter": ["tolk*", "språkhjelp"], "alone": ["alene", "på tomannshånd"], "two": ["a æ"]})
    for termer in (Termer(synonyms), Termer()):
        wanted: dict[int, float] = {}
        for words, weight in texts:
            for term in termer.terms(words).tolist():
                wanted[term] = wanted.get(term, 0.0) + weight
        terms, weights = termer.weighed(texts)
        assert dict(zip(terms.tolist(), weights.tolist(), strict=True)) == wanted
        assert terms.tolist() == sorted(wanted)


def test_a_phrase_at_the_end_counts_once_though_a_longer_one_begins_alike() -> None:
    synonyms = Synonyms({"alone": ["på tomannshånd", "hun er alene"], "later": ["på tomannshånd senere i dag"]})
    assert synonyms.groups(["snakke", "på", "tomannshånd"]) == ["alone"]
