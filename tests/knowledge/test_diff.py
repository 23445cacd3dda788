"""What two revisions differ in, for people to read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from helpline.messages import Language
from knowledge.articles import Status, Translation, Variant, Wording
from knowledge.diff import PartKind, diff, parts_of
from tests.knowledge.builders import an_article


def test_a_changed_word_is_shown_in_its_sentence() -> None:
    after = an_article(short=an_article().short.replace("kvalifisert", "god"))
    (found,) = diff(an_article(), after)
    assert found.field == "short"
    assert (PartKind.REMOVED, "kvalifisert") in found.parts
    assert (PartKind.ADDED, "god") in found.parts
    assert found.parts[0] == (PartKind.SAME, "Ja. Bruk ")


def test_nothing_differs_from_itself() -> None:
    assert diff(an_article(), replace(an_article(), revision=9)) == []


def test_every_field_of_a_new_article_is_shown_as_added() -> None:
    found = {one.field: one.parts for one in diff(None, an_article())}
    assert found["title"] == ((PartKind.ADDED, "Må vi bruke tolk?"),)
    assert "questions.nb" in found
    assert "translations.en.short" in found


def test_wordings_translations_and_variants_are_named() -> None:
    before = an_article()
    after = replace(
        before,
        questions=(*before.questions, Wording(Language.NN, "treng me tolk")),
        variants=(Variant((Status.EEA,), (), "Også for EØS."),),
        translations={Language.EN: Translation("Interpreter?", "Yes.")},
        suggest_human=True,
    )
    fields = [one.field for one in diff(before, after)]
    assert fields == [
        "questions.nn",
        "variants.1",
        "suggest_human",
        "translations.en.title",
        "translations.en.short",
    ]


def test_a_field_that_is_gone_is_shown_as_removed() -> None:
    (found,) = diff(an_article(), an_article(do_now=()))
    assert found.field == "do_now"
    assert found.parts == ((PartKind.REMOVED, "Ring tolketjenesten."),)


TEXTS = st.text(st.sampled_from("ab 1.\n§å"), max_size=60)


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_out_of_what_is_shown(before: str, after: str) -> None:
    parts = parts_of(before, after)
    assert "".join(text for kind, text in parts if kind is not PartKind.ADDED) == before
    assert "".join(text for kind, text in parts if kind is not PartKind.REMOVED) == after


def test_a_very_long_text_is_compared_line_by_line() -> None:
    before = "\n".join(f"linje {number}" for number in range(4000))
    after = before.replace("linje 17\n", "linje sytten\n")
    parts = parts_of(before, after)
    assert (PartKind.REMOVED, "linje 17\n") in parts
    assert (PartKind.ADDED, "linje sytten\n") in parts
