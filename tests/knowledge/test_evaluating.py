"""How often right, reckoned from results whose figures are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.articles import load_articles
from knowledge.evaluating import EvaluationError, coverage, evaluate, read_line
from knowledge.slips import split_compounds, wrong_letters

QUESTIONS = Path(__file__).parent / "questions"


def line(text: str, expected: object, **told: object) -> dict[str, object]:
    return {"id": text, "text": text, "expected": expected, **told}


def said(outcome: str, *found: tuple[str, float], danger: str = "no") -> dict[str, Any]:
    return {"outcome": outcome, "danger": danger, "articles": [{"id": one, "score": sure} for one, sure in found]}


ANSWERS = {
    "right": said("answer", ("a", 0.9), ("b", 0.2)),
    "asked back": said("clarify", ("a", 0.8)),
    "wrong": said("answer", ("b", 0.7), ("a", 0.6)),
    "offered": said("suggest", ("b", 0.5), ("c", 0.4), ("a", 0.3)),
    "unknown": said("handover", ("b", 0.1)),
    "away": said("out_of_scope"),
    "knife": said("danger", danger="yes"),
    "quiet": said("handover", ("a", 0.4), danger="maybe"),
}
LINES = [
    *(line(text, ["a"]) for text in ("right", "asked back", "wrong", "offered")),
    line("unknown", "handover"),
    line("away", "out_of_scope"),
    line("knife", "danger"),
    line("quiet", "danger"),
]


def reported() -> Mapping[str, Any]:
    lines = [read_line(one, number) for number, one in enumerate(LINES)]

    def ask(question: Mapping[str, object]) -> Mapping[str, Any]:
        known: Mapping[str, Any] = ANSWERS.get(str(question["text"]), said("handover"))
        return known

    return evaluate(lines, ask, shelved={"b", "c"})


def test_figures_of_a_handful() -> None:
    report = reported()
    told = report["manners"]["as written"]["all"]
    assert (told["asked"], told["answerable"]) == (8, 4)
    assert (told["rank_1"], told["rank_3"], told["mrr"]) == (
        0.5,
        1.0,
        pytest.approx((1 + 1 + 1 / 2 + 1 / 3) / 4, abs=1e-4),
    )
    assert told["auroc"] == 1.0
    assert told["coverage_95"] == 0.5
    assert told["outcomes"] == {"answered rightly": 2, "answered wrongly": 1, "suggested": 1}
    assert told["beyond"] == {"handover": 1, "out_of_scope": 1}
    assert (told["answered"], told["answered_right"]) == (0.75, pytest.approx(2 / 3, abs=1e-4))
    assert (told["danger_found"], told["danger_asked"], told["false_alarms"]) == (0.5, 0.5, 0.0)
    assert report["not_on_the_shelves"] == ["a"]


def test_the_surest_wrong_answer_is_the_worst_miss() -> None:
    assert [miss["id"] for miss in reported()["misses"]] == ["wrong"]


def test_each_manner_is_asked_as_that_manner_writes() -> None:
    asked: list[str] = []

    def ask(question: Mapping[str, object]) -> Mapping[str, Any]:
        asked.append(str(question["text"]))
        return said("handover")

    text = "hva er refleksjonsperioden for pasienten som venter"
    evaluate([read_line(line(text, "handover"), 1)], ask)
    assert asked == [text, wrong_letters(text), split_compounds(text)]
    assert len(set(asked)) == 3


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"text": "", "expected": ["a"]}, "text"),
        ({"text": "a"}, "expected"),
        ({"text": "a", "expected": []}, "expected"),
        ({"text": "a", "expected": "a"}, "expected"),
        ({"text": "a", "expected": ["a"], "language": "xx"}, "language"),
        ({"text": "a", "expected": ["a"], "country": "DK"}, "country"),
        ({"text": "a", "expected": ["a"], "id": []}, "id"),
    ],
)
def test_a_line_that_is_wrong_says_what_is(raw: dict[str, object], sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        read_line(raw, 1)


@given(
    st.lists(st.tuples(st.floats(0, 1, allow_nan=False), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([0.9, 0.95]),
)
def test_coverage_is_what_the_best_threshold_would_answer(asked: list[tuple[float, bool]], precision: float) -> None:
    sure, right = np.array([one for one, _ in asked]), np.array([hit for _, hit in asked])
    best = 0.0
    for level in sure:
        given_ = sure >= level
        if right[given_].mean() >= precision:
            best = max(best, float(right[given_].sum() / len(asked)))
    assert coverage(sure, right, len(asked), precision) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("name", ["development.jsonl", "blind.jsonl"])
def test_the_questions_ask_for_articles_that_ship(name: str) -> None:
    from helpline.content import content_folder

    shipped = {article.id for article in load_articles(content_folder() / "articles")}
    raw = [json.loads(one) for one in (QUESTIONS / name).read_text(encoding="utf-8").splitlines()]
    lines = [read_line(one, number) for number, one in enumerate(raw)]
    assert {one for each in lines for one in each.expected} <= shipped
    assert {each.beyond for each in lines} == {None, "handover", "out_of_scope", "danger"}
    assert len({each.id for each in lines}) == len(lines)
