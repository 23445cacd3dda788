"""Everything that is wrong with a draft, all at once and by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder
from knowledge.articles import FIELDS, REQUIRED, article_of_body, body_of, load_articles
from knowledge.problems import findings_of, problems_of
from tests.knowledge.builders import an_article

BODY = body_of(an_article())


def fields_of(body: dict[str, Any]) -> list[str]:
    return [problem.field for problem in problems_of(body)]


def test_an_article_has_no_problems() -> None:
    assert problems_of(BODY) == ()


def test_shipped_articles_have_none_either() -> None:
    for article in load_articles(content_folder() / "articles"):
        assert problems_of(body_of(article)) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 121),
        ("short", "x" * 221),
        ("short", "Ring ⚠ nå"),
        ("cite", "x" * 31),
        ("kind", "foreign"),
        ("kind", "other"),
        ("questions", {}),
        ("questions", {"nb": []}),
        ("questions", {"da": ["hvad"]}),
        ("questions", ["hva"]),
        ("sources", []),
        ("sources", [{"title": "T"}]),
        ("law_refs", [{"ref": "§ 1"}]),
        ("variants", [{"when": {}, "short": "S."}]),
        ("variants", [{"when": {"status": ["martian"]}, "short": "S."}]),
        ("translations", {"nb": {"title": "T", "short": "S."}}),
        ("reviewed_on", "i går"),
        ("review_by", "2026-02-30"),
        ("review_by", "2020-01-01"),
        ("suggest_human", "ja"),
        ("urgent", None),
        ("needs", ["Housing tonight"]),
        ("do_now", [""]),
        ("title", 7),
        ("details", ["a"]),
        ("heading", "x"),
        ("questions", {"nb": ["Hva gjør vi?", "hva gjør  vi"]}),
    ],
)
def test_each_fault_is_found_in_its_field(field: str, value: Any) -> None:
    assert fields_of({**BODY, field: value}) == [field]


@pytest.mark.parametrize("field", REQUIRED)
def test_each_missing_field_is_named(field: str) -> None:
    assert fields_of({key: value for key, value in BODY.items() if key != field}) == [field]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    body = {**BODY, "short": "x" * 300, "title": "", "kind": "other"}
    del body["sources"]
    assert fields_of(body) == ["kind", "title", "short", "sources"]


def test_an_empty_draft_is_told_everything_that_is_missing() -> None:
    assert len(problems_of({})) >= 19


def test_what_the_checker_finds_does_not_block() -> None:
    found = findings_of({**BODY, "details": "Det koster 4711 kroner."})
    assert found
    assert not any(problem.blocks for problem in found)
    assert any("4711" in problem.message for problem in found)
    assert findings_of({**BODY, "title": ""}) == problems_of({**BODY, "title": ""})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(["nb", "2026-01-01", "NO"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
def test_whatever_stands_in_a_draft_it_is_read_or_its_fault_is_named(changes: dict[str, Any]) -> None:
    body = {**BODY, **changes}
    if problems_of(body):
        return
    try:
        article_of_body(body)
    except ContentError as error:
        raise AssertionError("nothing was said to be wrong") from error
