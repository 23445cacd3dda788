"""Likeness tells kinds of examples apart, says how sure it is, and gives the same answer every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpline.content import content_folder
from knowledge.likeness import Likeness, Look, Sample, learn
from knowledge.vectors import WordVectors, words_of

VECTORS = WordVectors.load(content_folder() / "vectors" / "nordic-static-1.npz")
TARGETS = {"warm": frozenset({"warm"})}
WARM = (
    "sola skinner på stranda",
    "det er hett i sanden i dag",
    "vi bader i det varme vannet",
    "solkrem og is på stranda",
    "varm vind fra sør",
    "sommeren er het her",
)
COLD = (
    "snøen ligger på fjellet",
    "det er kaldt i skiløypa i dag",
    "vi fryser på isen",
    "votter og lue i løypa",
    "kald vind fra nord",
    "vinteren er lang her",
)


def look(text: str) -> Look:
    words = words_of(text)
    return Look(tuple(words), VECTORS.words(words))


SAMPLES = [
    Sample(f"{kind}/{number}", kind, f"{kind} {number // 2}", text)
    for kind, texts in (("warm", WARM), ("cold", COLD))
    for number, text in enumerate(texts)
]
LOOKS = [look(sample.text) for sample in SAMPLES]
LIKENESS, HELD_OUT = learn(SAMPLES, LOOKS, TARGETS)


@pytest.mark.parametrize("text", ["sola er het i dag", "is og bading i varm sand"])
def test_what_is_like_scores_higher(text: str) -> None:
    assert LIKENESS.scores(look(text))[0] > 0 > LIKENESS.scores(look("kald snø og votter i skiløypa"))[0]
    assert LIKENESS.judge(look(text))["warm"] > LIKENESS.judge(look("kald snø og votter i skiløypa"))["warm"]


def test_the_same_examples_give_the_same_answer() -> None:
    again = Likeness.fit(SAMPLES, LOOKS, TARGETS)
    assert again.judge(look("hett på stranda")) == LIKENESS.judge(look("hett på stranda"))


def test_a_situation_is_held_out_from_its_own_judgement() -> None:
    """Each example alone in saying so: with its group away, nothing is left that knows it."""
    odd = Sample("odd", "warm", "odd", "qwxz vbnm")
    _, held_out = learn([*SAMPLES, odd], [*LOOKS, look(odd.text)], TARGETS)
    known, _ = learn([*SAMPLES, odd], [*LOOKS, look(odd.text)], TARGETS)
    assert held_out[-1, 0] < known.scores(look(odd.text))[0]


def test_what_is_solved_fits_the_examples() -> None:
    told = np.array([LIKENESS.scores(each)[0] for each in LOOKS])
    meant = np.array([1 if sample.kind == "warm" else -1 for sample in SAMPLES])
    assert (np.sign(told) == meant).all()
    assert HELD_OUT.shape == (len(SAMPLES), 1)


def test_the_nearest_example_is_of_the_wanted_kind() -> None:
    found = LIKENESS.nearest(look("vi fryser på isen i kulda"), "cold")
    assert found is not None
    assert found.text == "vi fryser på isen"
    assert LIKENESS.nearest(look("vi fryser"), "unknown") is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=40), st.lists(st.text(max_size=10), max_size=5))
def test_any_words_are_judged(words: list[str], signs: list[str]) -> None:
    sure = LIKENESS.judge(Look(tuple(words), VECTORS.words(words), tuple(signs)))["warm"]
    assert 0.0 <= sure <= 1.0


def test_what_was_learnt_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "some.index"
    replace(LIKENESS, digest="abc").save(path)
    back = Likeness.load(path, digest="abc")
    assert back is not None
    assert back.samples == LIKENESS.samples
    assert back.judge(look("sola er het")) == LIKENESS.judge(look("sola er het"))
    assert Likeness.load(path, digest="other") is None
    assert not Likeness.is_kept(path, digest="other")
    path.write_bytes(path.read_bytes()[:500])
    assert Likeness.load(path, digest="abc") is None
    assert not Likeness.is_kept(path, digest="abc")
    assert Likeness.load(tmp_path / "none", digest="abc") is None
