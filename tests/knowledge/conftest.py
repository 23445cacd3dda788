"""What the tests of the shelves share: the shipped tools and the shipped shelves, made once a run."""

from __future__ import annotations

import pytest

from helpline.content import content_folder
from knowledge.articles import load_articles
from knowledge.shelves import Shelves, Tools
from knowledge.smalltalk import Smalltalk


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools.load(content_folder())


@pytest.fixture(scope="session")
def smalltalk() -> Smalltalk:
    return Smalltalk.load(content_folder() / "smalltalk.yaml")


@pytest.fixture(scope="session")
def shipped(tools: Tools) -> Shelves:
    """The shelves that ship, indexed and rehearsed."""
    return Shelves.build(load_articles(content_folder() / "articles"), tools)
