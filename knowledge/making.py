"""Making shelves beside the work: in a process of its own, so that messages are answered meanwhile as before.

The process writes the index to a file and ends; whoever asked reads the file. It gives way to everything else on the
machine. Where no process can be had, the caller makes the index itself.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from helpline.content import content_folder
from knowledge.articles import Article
from knowledge.shelves import Shelves, Tools

FEW = 40  # articles; an index of these is made in the time that a process takes to start
_NICENESS = 5


def make_beside(articles: Sequence[Article], tools: Tools, *, saved: Path | None = None) -> Shelves:
    """Shelves of these articles. It waits until they are made, so call it in a thread."""
    with tempfile.TemporaryDirectory(prefix="varde-shelves-") as folder:
        path = saved if saved is not None else Path(folder) / "shelves.index"
        if len(articles) > FEW and not Shelves.is_saved(articles, tools, path):
            context = multiprocessing.get_context("spawn")
            try:
                with ProcessPoolExecutor(1, mp_context=context, initializer=os.nice, initargs=(_NICENESS,)) as worker:
                    worker.submit(_make, tuple(articles), tools.content or content_folder(), path).result()
            except (BrokenProcessPool, OSError):
                pass  # killed, or no room for another: it is made here, from the articles
        return Shelves.build(articles, tools, saved=path)


def _make(articles: Sequence[Article], content: Path, path: Path) -> None:
    """What the process does."""
    Shelves.build(articles, Tools.load(content), saved=path)
