"""What one person may change alone: a phone number, a slip of spelling, and nothing that could turn the meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import content_folder
from helpline.messages import Language
from helpline.phrases import Phrases
from knowledge.articles import Age, Article, LawRef, Status, Translation, Variant, Wording
from knowledge.small import is_small
from tests.knowledge.builders import an_article

BEFORE = an_article(
    short="Ring ROSA på 22 33 11 60. Pasienten trenger ikke anmelde. Straffeloven § 257.",
    details="De svarrer hele døgnet. Frist 45 dager. Ring 116 117, eller Bufdir 466 15 000.\n\nNemndas adresse.",
    avoid=("Ikke bruk barn som tolk.",),
    variants=(Variant((Status.NORDIC,), (), "Nordiske borgere har rett til hjelp."),),
    reviewed_on=an_article().reviewed_on,
)


def changed(before: str, after: str, field: str = "details") -> Article:
    was = getattr(BEFORE, field)
    assert before in was
    return replace(BEFORE, **{field: was.replace(before, after)})


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("details", "svarrer", "svarer"),  # a letter too many
        ("details", "Nemndas", "nemndas"),  # a capital
        ("details", "hele døgnet", "hele  døgnet"),  # a blank
        ("short", "22 33 11 60", "22 33 11 61"),
        ("short", "22 33 11 60", "+47 22 33 11 60"),
        ("details", "116 117", "116 111"),
        ("details", "466 15 000", "466 15 001"),
    ],
)
def test_a_slip_or_a_phone_number_is_small(field: str, before: str, after: str) -> None:
    assert is_small(BEFORE, changed(before, after, field)) == (True, "")


@pytest.mark.parametrize(
    ("field", "before", "after", "why"),
    [
        ("details", "45 dager", "30 dager", "number"),  # a deadline
        ("details", "45 dager", "45 døgn", "words"),
        ("short", "§ 257", "§ 258", "number"),  # a statute
        ("short", "22 33 11 60", "223311", "number"),  # no longer a phone number
        ("details", "45 dager", "22 33 11 60 dager", "number"),  # a phone number where none was
        ("short", "trenger ikke", "trenger", "words"),  # a negation gone
        ("short", "ikke", "ikkje", "words"),
        ("short", "trenger", "tenker", "words"),  # another word
        ("short", "Pasienten trenger ikke anmelde. ", "", "words"),
        ("short", "Straffeloven", "Utlendingsloven", "words"),
        ("details", "hele døgnet", "hele døgnet uten unntak", "words"),
    ],
)
def test_what_could_turn_the_meaning_is_not_small(field: str, before: str, after: str, why: str) -> None:
    assert is_small(BEFORE, changed(before, after, field)) == (False, f"desk.draft.small.{why}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Det er lovlig.", "Det er ulovlig."),
        ("Pasienten er trygg.", "Pasienten er utrygg."),
        ("Hun har samtykke.", "Hun har usamtykke."),
        ("Det gjelder barnet.", "Det gjelder annet."),
        ("Senest etter avtale.", "Minst etter avtale."),
        ("Han skal varsles.", "Han kan varsles."),
        ("Meld det før dommen.", "Meld det etter dommen."),
        ("Fristen er tre uker.", "Fristen er fire uker."),
        ("Hjelpen er dekket.", "Hjelpen er udekket."),
        ("Kostnaden er 125 000.", "Kostnaden er 225 000."),
        ("Den gjelder fra 2024-2026.", "Den gjelder fra 2025-2027."),
        ("Etter kap. 20110 i loven.", "Etter kap. 20111 i loven."),
        ("Se kapittel VIII.", "Se kapittel XIII."),
        ("Pasienten anmelder.", "Pasienten anmeldes."),
        ("Hun varsler politiet.", "Hun varslet politiet."),
        ("Det gäller barnet.", "Det gäller barnen."),
        ("Hon är säker.", "Hon är osäker."),
        ("Hon är oskyldig.", "Hon är skyldig."),
        ("Se § 2-1 b.", "Se § 2-1 c."),
        ("Straffeloven §§ 257 og 258.", "Straffeloven §§ 257 eller 258."),
    ],
)
def test_words_a_letter_apart_that_mean_the_opposite_are_not_small(before: str, after: str) -> None:
    assert not is_small(an_article(details=before), an_article(details=after))[0]


def test_one_real_word_for_another_is_not_spelling() -> None:
    before, after = an_article(details="Det gjelder unntak."), an_article(details="Det gjelder inntak.")
    assert is_small(before, after)[0]  # nothing but the shelves can tell that "unntak" is a word
    assert is_small(before, after, {"unntak"}) == (False, "desk.draft.small.words")


FIELDS: list[Callable[[Article], Article]] = [
    lambda a: replace(a, law_refs=(LawRef("tolkeloven § 7", True),)),
    lambda a: replace(a, variants=(replace(a.variants[0], statuses=(Status.EEA,)),)),
    lambda a: replace(a, variants=(replace(a.variants[0], ages=(Age.MINOR,)),)),
    lambda a: replace(a, variants=()),
    lambda a: replace(a, suggest_human=True),
    lambda a: replace(a, urgent=True),
    lambda a: replace(a, topic="legal"),
    lambda a: replace(a, needs=()),
    lambda a: replace(a, do_now=(*a.do_now, "Ring.")),
    lambda a: replace(a, avoid=()),
    lambda a: replace(a, questions=(*a.questions, Wording(Language.NB, "en til"))),
    lambda a: replace(a, questions=a.questions[1:]),
    lambda a: replace(a, translations={}),
    lambda a: replace(a, translations={Language.NN: Translation("Tolk?", "Ja.")}),
    lambda a: replace(a, review_by=a.reviewed_on),
    lambda a: replace(a, facts=("60 dager",)),
    lambda a: replace(a, cite="tolkeloven § 7"),
]


@pytest.mark.parametrize("change", FIELDS)
def test_anything_but_the_texts_is_not_small(change: Callable[[Article], Article]) -> None:
    assert not is_small(BEFORE, change(BEFORE))[0]


def test_a_new_article_and_an_unchanged_one_are_not_small() -> None:
    assert is_small(None, BEFORE) == (False, "desk.draft.small.new")
    assert is_small(BEFORE, replace(BEFORE, revision=7)) == (False, "desk.draft.small.nothing")


def test_many_slips_together_are_not_small() -> None:
    words = "adrresse behandllinger henviisning oppfølgging veilledning"
    right = "adresse behandlinger henvisning oppfølging veiledning"
    before = an_article(details=words)
    assert is_small(before, an_article(details=right)) == (False, "desk.draft.small.much")
    assert is_small(before, an_article(details=words.replace("adrresse", "adresse")))[0]


def test_every_reason_is_said_in_words() -> None:
    phrases = Phrases.load(content_folder() / "phrases")
    for why in ("new", "field", "number", "words", "much", "nothing"):
        assert phrases.has(f"desk.draft.small.{why}")


NUMBERS = st.integers(0, 9999).map(str)


@given(NUMBERS, NUMBERS, st.sampled_from(["Frist {} dager.", "Se § {}.", "Det koster {} kr.", "Side {} av loven"]))
def test_no_other_number_is_ever_small(one: str, other: str, sentence: str) -> None:
    if one != other:
        small, _ = is_small(an_article(details=sentence.format(one)), an_article(details=sentence.format(other)))
        assert not small


@given(
    st.sampled_from(["ikke", "ikkje", "inte", "aldri", "not", "bare", "må", "skal", "kan", "uten"]), st.integers(0, 5)
)
def test_no_deciding_word_comes_or_goes_as_a_small_change(word: str, place: int) -> None:
    words = ["Pasienten", "trenger", "hjelp", "av", "kommunen", "snart"]
    with_it = " ".join([*words[:place], word, *words[place:]])
    without = " ".join(words)
    assert not is_small(an_article(details=without), an_article(details=with_it))[0]
    assert not is_small(an_article(details=with_it), an_article(details=without))[0]
