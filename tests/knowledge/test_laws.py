"""Law references as entities: however an editor writes a rule, it is the same rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder
from helpline.messages import Country
from knowledge.articles import LawRef, load_articles
from knowledge.laws import Law, LawBook, citations
from tests.knowledge.builders import an_article

BOOK = LawBook.load(content_folder() / "laws.yaml")
NO, SE = Country.NO, Country.SE
PBRL, OSL = "pasient- og brukerrettighetsloven", "offentlighets- och sekretesslagen"


def names(ref: str, country: Country) -> list[str]:
    return [law.name for law in BOOK.read(ref, country)]


@pytest.mark.parametrize(
    ("ref", "country", "expected"),
    [
        # One section, however it is written.
        ("utlendingsforskriften § 8-3", NO, ["utlendingsforskriften § 8-3"]),
        ("utlf. § 8-3 første ledd", NO, ["utlendingsforskriften § 8-3"]),
        ("Utlendingsforskrifta §8–3 tredje ledd bokstav b", NO, ["utlendingsforskriften § 8-3"]),
        ("§ 8-3 i utlendingsforskriften", NO, ["utlendingsforskriften § 8-3"]),
        ("utl. § 98 a", NO, ["utlendingsloven § 98 a"]),
        ("strl. § 5 nr. 2", NO, ["straffeloven § 5"]),
        ("forskrift 2011-12-16 nr. 1255 § 2 bokstav c", NO, ["forskrift 2011-12-16 nr. 1255 § 2"]),
        # Several in one reference: lists, ranges, and sections that carry their chapter.
        ("straffeloven §§ 196, 257 og 258", NO, [f"straffeloven § {number}" for number in (196, 257, 258)]),
        ("straffeloven §§ 257-259", NO, [f"straffeloven § {number}" for number in (257, 258, 259)]),
        (
            "tolkeloven §§ 8, 14-16 og 19",
            NO,
            [f"tolkeloven § {number}" for number in (8, 14, 15, 16, 19)],
        ),
        ("pbrl. §§ 1-2, 2-1 c og 2-2", NO, [f"{PBRL} § {number}" for number in ("1-2", "2-1 c", "2-2")]),
        ("strl. § 196 og hpl. § 21", NO, ["straffeloven § 196", "helsepersonelloven § 21"]),
        ("straffeloven § 257; utlendingsloven kap. 8", NO, ["straffeloven § 257", "utlendingsloven kap. 8"]),
        # Swedish: the sign comes last, and a chapter counts for the sections after it.
        ("utlänningslagen (2005:716) 5 kap. 15 §", SE, ["utlänningslagen 5 kap. 15 §"]),
        ("5 kap. 15 § utlänningslagen", SE, ["utlänningslagen 5 kap. 15 §"]),
        ("lag (2005:716) 5 kap. 15 § första stycket", SE, ["utlänningslagen 5 kap. 15 §"]),
        ("SoL 5 kap. 15 §, 7 kap. 7 b §", SE, ["socialtjänstlagen 5 kap. 15 §", "socialtjänstlagen 7 kap. 7 b §"]),
        ("OSL 25 kap. 1 §, 10 kap.", SE, [f"{OSL} 25 kap. 1 §", f"{OSL} 10 kap."]),
        ("brottsbalken 4 kap. 1 a-1 b §§", SE, ["brottsbalken 4 kap. 1 a §", "brottsbalken 4 kap. 1 b §"]),
        ("lag (2013:407) 4-6 §§, 10 §", SE, [f"lag (2013:407) {number} §" for number in (4, 5, 6, 10)]),
        ("lag (2005:225) om rättsintyg i anledning av brott", SE, ["lag (2005:225)"]),
        ("SOU 2021:43 kap. 9 (förslag)", SE, ["SOU 2021:43 9 kap."]),
        ("LVU (1990:52)", SE, ["lagen om vård av unga"]),
        # Neither act nor section known to us: kept as written, and found again as written.
        ("EØS-avtalen", NO, ["EØS-avtalen"]),
        ("Europarådets konvention art. 12-13", SE, [f"Europarådets konvention art. {number}" for number in (12, 13)]),
        # Without an act it is nothing.
        ("§ 5", NO, []),
        ("", SE, []),
    ],
)  # fmt: skip
def test_a_reference_is_the_rules_it_names(ref: str, country: Country, expected: list[str]) -> None:
    assert names(ref, country) == expected


def test_every_shipped_reference_is_a_rule_and_found_again_by_its_key() -> None:
    laws = citations(load_articles(content_folder() / "articles"), BOOK)
    for law in laws:
        assert Law.of(law.key) == law
        assert BOOK.read(law.name, law.country) == (law,)
    assert len(laws) > 100
    for article in load_articles(content_folder() / "articles"):
        assert all(BOOK.read(ref.ref, article.country) for ref in article.law_refs), article.id


@pytest.mark.parametrize(
    ("one", "other", "touches"),
    [
        ("NO straffeloven § 257", "NO straffeloven § 257", True),
        ("NO straffeloven § 257", "NO straffeloven § 258", False),
        ("NO straffeloven", "NO straffeloven § 258", True),  # an act that changed touches all of it
        ("NO straffeloven § 258", "NO straffeloven", True),  # and an article that rests on the whole act on any part
        ("NO utlendingsforskriften kap. 8", "NO utlendingsforskriften § 8-3", True),
        ("NO utlendingsforskriften kap. 9", "NO utlendingsforskriften § 8-3", False),
        ("SE utlänningslagen 5 kap.", "SE utlänningslagen 5 kap. 15 §", True),
        ("SE utlänningslagen 5 kap. 16 §", "SE utlänningslagen 5 kap. 15 §", False),
        ("NO straffeloven § 257", "SE straffeloven § 257", False),
    ],
)
def test_what_a_change_touches(one: str, other: str, touches: bool) -> None:
    assert Law.of(one).touches(Law.of(other)) is touches
    assert Law.of(other).touches(Law.of(one)) is touches


@given(st.text(max_size=200), st.sampled_from(Country))
def test_whatever_is_written_is_read_without_fail(ref: str, country: Country) -> None:
    for law in BOOK.read(ref, country):
        assert law.act
        assert law.touches(law)


@given(
    st.sampled_from(["straffeloven", "helsepersonelloven", "krisesenterlova"]),
    st.lists(st.integers(1, 400), min_size=1, max_size=6, unique=True),
)
def test_a_list_of_sections_is_each_of_them_whatever_stands_between(act: str, numbers: list[int]) -> None:
    listed = ", ".join(map(str, numbers[:-1])) + (f" og {numbers[-1]}" if numbers[1:] else str(numbers[0]))
    assert names(f"{act} §§ {listed}", NO) == [f"{act} § {number}" for number in numbers]


def test_citations_name_each_article_once() -> None:
    refs = (LawRef("strl. § 257", text_read=True), LawRef("straffeloven §§ 257 og 258", text_read=True))
    cited = citations([an_article("en", law_refs=refs), an_article("to", law_refs=refs[:1])], BOOK)
    assert {law.name: ids for law, ids in cited.items()} == {
        "straffeloven § 257": ("en", "to"),
        "straffeloven § 258": ("en",),
    }


def test_a_spelling_that_leads_to_two_acts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "laws.yaml"
    path.write_text(
        "'NO':\n  - {name: en lov, also: [lov]}\n  - {name: to lov, also: [Lov.]}\nSE: []\n", encoding="utf-8"
    )
    with pytest.raises(ContentError, match="already leads to"):
        LawBook.load(path)
