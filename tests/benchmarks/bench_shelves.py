"""Ten thousand articles: brought in, published, asked. Run by name, since it takes a minute:

    python -m tests.benchmarks.bench_shelves [ARTICLES]

The articles are the shipped ones again and again, each time with three words in ten exchanged for others of the
shelves. The index is made in a process of its own, while questions are asked of the shelves that stand; how long those
take says whether publishing keeps anybody waiting.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpline.clock import SystemClock
from helpline.content import content_folder
from helpline.database import Database
from knowledge import store
from knowledge.articles import Article, load_articles
from knowledge.checking import differing_translations
from knowledge.making import make_beside
from knowledge.shelves import Shelves, Tools
from tests.benchmarks.bench_search import copies
from tests.knowledge.wrong_letters import wrong_letters

ASKED = 400
TOLD_EVERY = 2_000


def main(many: int) -> None:
    shipped = load_articles(content_folder() / "articles")
    tools = Tools.load(content_folder())
    articles = [copy for turn in range(many // len(shipped) + 1) for copy in fitting(shipped, turn)][:many]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(shipped, articles, tools, Path(folder)))


def fitting(shipped: Sequence[Article], turn: int) -> Iterator[Article]:
    """Copies whose short answers still fit an SMS."""
    for article, copy in zip(shipped, copies(shipped, turn), strict=True):
        yield replace(copy, revision=1, short=article.short, translations=article.translations)


async def measure(shipped: Sequence[Article], articles: Sequence[Article], tools: Tools, folder: Path) -> None:
    db = Database.connect(f"sqlite:///{folder / 'varde.db'}")
    await db.migrate()
    clock = SystemClock()
    timed = Timed()
    async with db.write() as conn:
        await store.put_articles(conn, articles, actor="benchmark", now=clock.now(), progress=told)
    timed("brought in")
    async with db.read() as conn:
        published = await store.published(conn)
    timed("read back")
    standing = await asyncio.to_thread(Shelves.build, shipped, tools)
    alone = asked(standing, shipped)
    timed.restart()
    index = folder / "shelves.index"
    making = asyncio.create_task(asyncio.to_thread(make_beside, published, tools, saved=index))
    meanwhile = []
    while not making.done():
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        standing.find("hvor kan hun sove i natt")
        meanwhile.append((time.perf_counter() - began) * 1000)
    shelves = await making
    timed("published (index made and read)")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # by the process that made it
    print(f"the index took {used.ru_utime + used.ru_stime:.0f} s of the processor, {used.ru_maxrss / 1024:,.0f} MB")
    busy = time.process_time()
    differing = sum(bool(differing_translations(article)) for article in published)
    print(f"other figures in a translation: {differing} articles, {time.process_time() - busy:.1f} s of the processor")
    began = time.perf_counter()
    await asyncio.to_thread(Shelves.build, published, tools, saved=index)
    print(f"a second start reads the index in {time.perf_counter() - began:.1f} s, {index.stat().st_size / 1e6:.0f} MB")
    large = asked(shelves, shipped)
    for name, taken in (("shipped shelves", alone), ("shipped, while others are made", meanwhile), ("these", large)):
        p50, p95 = np.percentile(taken, [50, 95])
        print(f"a question, {name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms")
    await db.dispose()


def told(done: int, of: int) -> None:
    if done and done % TOLD_EVERY == 0:
        print(f"  {done} of {of}", file=sys.stderr, flush=True)


def asked(shelves: Shelves, articles: Sequence[Article]) -> list[float]:
    """Milliseconds of one question each, words not seen before."""
    wordings = [(article.country, wording.text) for article in articles for wording in article.questions]
    taken = []
    for country, text in random.Random(5).sample(wordings, ASKED):
        slipped = wrong_letters(text, 0.03)
        began = time.perf_counter()
        shelves.find(slipped, country=country)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


class Timed:
    """Says how long each step took."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = clock()

    def restart(self) -> None:
        self._began = self._clock()

    def __call__(self, step: str) -> None:
        print(f"{step}: {self._clock() - self._began:.1f} s", flush=True)
        self._began = self._clock()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
