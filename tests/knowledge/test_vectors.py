"""Meaning as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpline.content import ContentError
from knowledge.shelves import Tools
from knowledge.vectors import WordVectors


@pytest.fixture(scope="module")
def vectors(tools: Tools) -> WordVectors:
    assert tools.vectors is not None
    return tools.vectors


def cosine(vectors: WordVectors, one: str, other: str) -> float:
    return float(vectors.text(one) @ vectors.text(other))


@pytest.mark.parametrize(
    ("near", "one", "far"),
    [
        ("pasienten trenger tolk", "the patient needs an interpreter", "we had a nice dinner in the garden"),
        ("hvem betaler regningen", "vem betalar räkningen", "kan jag få prata med hennes mamma"),
        ("barnet er i fare", "the child is in danger", "the train leaves at noon"),
    ],
)
def test_languages_meet_in_meaning(vectors: WordVectors, near: str, one: str, far: str) -> None:
    assert cosine(vectors, near, one) > cosine(vectors, near, far) + 0.1


def test_a_text_has_length_one_and_an_empty_one_none(vectors: WordVectors) -> None:
    assert np.linalg.norm(vectors.text("pasienten")) == pytest.approx(1, abs=1e-5)
    assert not vectors.text("").any()
    assert not vectors.text("🙂 123").any()


def test_known_words_and_compounds_of_them_are_understood(vectors: WordVectors) -> None:
    assert vectors.understands("oppholdstillatelsen")
    assert not vectors.understands("qxzjkv")
    assert vectors.known_share(["pasienten", "qxzjkv"]) == 0.5
    assert vectors.known_share([]) == 0


def test_a_word_never_ends_the_search(vectors: WordVectors) -> None:
    assert vectors.text("x" * 100_000).shape == (128,)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(b"not a table")
    with pytest.raises(ContentError, match=r"vectors\.npz"):
        WordVectors.load(path)
