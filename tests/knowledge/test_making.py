"""Making shelves beside the work."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpline.messages import Country
from knowledge import making
from knowledge.articles import Article
from knowledge.search import Index
from knowledge.shelves import Shelves, Tools


@pytest.fixture
def some(shipped: Shelves) -> tuple[Article, ...]:
    return tuple(article for article in shipped.articles if article.country is Country.SE)


def test_shelves_made_beside_are_those_made_here(some: Sequence[Article], tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "shelves.index"
    beside = making.make_beside(some, tools, saved=path)
    here = Shelves.build(some, tools)
    assert beside.index.digest == here.index.digest
    assert Shelves.is_saved(some, tools, path)
    for text in ("hon vågar inte gå hem i kväll", "vem betalar tolken", "qwertz"):
        one, other = beside.find(text, country=Country.SE), here.find(text, country=Country.SE)
        assert one.band is other.band
        assert [c.article_id for c in one.candidates] == [c.article_id for c in other.candidates]


def test_a_file_that_fits_is_read(
    some: Sequence[Article], tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shelves.index"
    made = Shelves.build(some, tools, saved=path)
    monkeypatch.setattr(Index, "build", None)  # calling it would fail
    assert making.make_beside(some, tools, saved=path).index.digest == made.index.digest


def _killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_leaves_the_work_to_the_caller(
    some: Sequence[Article], tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_make", _killed)
    path = tmp_path / "shelves.index"
    assert making.make_beside(some, tools, saved=path).articles == tuple(sorted(some, key=lambda one: one.id))
    assert Shelves.is_saved(some, tools, path)


def test_another_change_of_articles_is_another_file(some: Sequence[Article], tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "shelves.index"
    assert not Shelves.is_saved(some, tools, path)
    path.write_bytes(b"half a file")
    assert not Shelves.is_saved(some, tools, path)
