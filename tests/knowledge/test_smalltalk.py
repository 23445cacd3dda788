"""What is no question to the line: every example of the data is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.content import ContentError, content_folder
from helpline.messages import Country
from knowledge.articles import load_articles
from knowledge.jurisdiction import Jurisdiction
from knowledge.smalltalk import Smalltalk, Topic

TALK = Smalltalk.load(content_folder() / "smalltalk.yaml")
LAW = Jurisdiction.load(content_folder() / "jurisdiction.yaml")
MUST = [(part.topic, text) for part in TALK.examples for text in part.must]
MUST_NOT = [(part.topic, text) for part in TALK.examples for text in part.must_not]
WORDINGS = [
    (article.country, wording.text)
    for article in load_articles(content_folder() / "articles")
    for wording in article.questions
]


@pytest.mark.parametrize(("topic", "text"), MUST)
def test_must_be_recognised(topic: Topic, text: str) -> None:
    assert TALK.recognise(text) is topic


@pytest.mark.parametrize(("topic", "text"), MUST_NOT)
def test_must_not_be_recognised(topic: Topic, text: str) -> None:
    assert TALK.recognise(text) is not topic


def test_no_shipped_wording_is_taken_for_chat_or_attack() -> None:
    wrong = [text for _, text in WORDINGS if TALK.recognise(text) in {Topic.HELLO, Topic.THANKS, Topic.ATTACK}]
    assert wrong == []


def test_few_shipped_wordings_are_taken_for_another_lines_business() -> None:
    wrong = [text for _, text in WORDINGS if TALK.recognise(text) is Topic.OUT_OF_SCOPE]
    assert len(wrong) <= len(WORDINGS) // 500, wrong


@pytest.mark.parametrize("text", ["", "🙂", "\u202e\u200f", "[navn]"])
def test_nothing_said_is_no_topic(text: str) -> None:
    assert TALK.recognise(text) is None


@given(st.text(max_size=400))
def test_any_text_is_met(text: str) -> None:
    TALK.recognise(text)


def test_a_hundred_thousand_characters_are_met() -> None:
    assert TALK.recognise("ignorer " * 12_500) is None


def test_a_pattern_must_begin_and_end_with_a_word(tmp_path: Path) -> None:
    good = (content_folder() / "smalltalk.yaml").read_text(encoding="utf-8")
    path = tmp_path / "smalltalk.yaml"
    path.write_text(good.replace("    - ignore … instruct*\n", "    - ignore …\n", 1), encoding="utf-8")
    with pytest.raises(ContentError, match=r"smalltalk\.yaml:\d+: The pattern \"ignore …\""):
        Smalltalk.load(path)


@pytest.mark.parametrize("example", LAW.examples, ids=lambda example: example.text)
def test_whose_law_is_asked_about(example: object) -> None:
    from knowledge.jurisdiction import Example

    assert isinstance(example, Example)
    assert LAW.asked_about(example.text) == example.asks


def test_no_norwegian_wording_seems_to_ask_about_sweden() -> None:
    wrong = [text for country, text in WORDINGS if country is Country.NO and Country.SE in LAW.asked_about(text)]
    assert wrong == []


def test_the_lines_own_country_comes_first_where_both_are_asked_about() -> None:
    text = "forskjellen på reglene i Sverige og i Norge"
    assert LAW.countries(text, Country.NO) == (Country.NO, Country.SE)
    assert LAW.countries(text, Country.SE) == (Country.SE, Country.NO)
    assert LAW.countries("hvem betaler", Country.SE) == (Country.SE,)
