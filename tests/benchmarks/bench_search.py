"""Finding: how fast, and how often right. Run by name, since it measures and takes minutes:

    python -m tests.benchmarks.bench_search speed      shipped shelves, then 10 and 100 times as many articles
    python -m tests.benchmarks.bench_search foreign    a file of 5,000 entries, from reading to answers
    python -m tests.benchmarks.bench_search quality    wordings held out of a real rebuild, plain and with wrong letters

Machines differ: read the ratios. The larger shelves are the shipped ones again and again, each time with three words in
ten exchanged for others of the shelves, so that they are about as alike as a large shelf would be.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpline.content import content_folder
from helpline.messages import Country, Language
from knowledge.articles import Article, Translation, Wording, load_articles, to_json_line
from knowledge.confidence import Band, separation
from knowledge.shelves import Shelves, Tools
from tests.knowledge.wrong_letters import wrong_letters

ASKED = 600
EXCHANGED = 30  # words in a hundred


def main(what: str) -> None:
    articles = load_articles(content_folder() / "articles")
    tools = Tools.load(content_folder())
    match what:
        case "speed":
            speed(articles, tools)
        case "foreign":
            foreign(articles, tools)
        case "quality":
            quality(articles, tools)
        case _:
            sys.exit("speed, foreign or quality?")


def speed(articles: Sequence[Article], tools: Tools) -> None:
    base: dict[str, float] = {}
    print("| articles | made in s | processor s | file MB | p50 ms | p95 ms | p95 of the processor | against shipped |")
    print("|---|---|---|---|---|---|---|---|")
    for times in (1, 10, 100):
        many = [copy for turn in range(times) for copy in copies(articles, turn)]
        began, worked = time.perf_counter(), time.process_time()
        shelves = Shelves.build(many, tools)
        made, worked = time.perf_counter() - began, time.process_time() - worked
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index.npz"
            shelves.index.save(path)
            size = path.stat().st_size / 1e6
        waited, busy = timed(shelves, articles)
        base.setdefault("p95", busy[95])
        print(
            f"| {len(many)} | {made:.1f} | {worked:.1f} | {size:.0f} | {waited[50]:.2f} | {waited[95]:.2f} "
            f"| {busy[95]:.2f} | {busy[95] / base['p95']:.1f} |",
            flush=True,
        )


def timed(shelves: Shelves, articles: Sequence[Article]) -> tuple[dict[int, float], dict[int, float]]:
    """Percentiles in milliseconds of one question, meaning included, words not seen before: as waited for, and of the
    processor's time alone, which other people's work on the machine leaves as it is.
    """
    wordings = [(article.country, wording.text) for article in articles for wording in article.questions]
    asked = random.Random(3).sample(wordings, ASKED)
    for country, text in asked[:30]:
        shelves.find(text, country=country)
    took, worked = [], []
    for country, text in [(country, wrong_letters(text, 0.03)) for country, text in asked]:
        began, busy = time.perf_counter(), time.thread_time()
        shelves.find(text, country=country)
        took.append((time.perf_counter() - began) * 1000)
        worked.append((time.thread_time() - busy) * 1000)
    return _percentiles(took), _percentiles(worked)


def _percentiles(taken: Sequence[float]) -> dict[int, float]:
    return {share: float(np.percentile(taken, share)) for share in (50, 95, 99)}


def copies(articles: Sequence[Article], turn: int) -> Iterator[Article]:
    """The articles with some words exchanged; the first time as they are."""
    if turn == 0:
        yield from articles
        return
    words = sorted({word for article in articles for word in article.details.split()})
    chance = random.Random(turn)
    exchanged = {word: chance.choice(words) for word in words if chance.randrange(100) < EXCHANGED}

    def other(text: str) -> str:
        return " ".join(exchanged.get(word, word) for word in text.split())

    for article in articles:
        yield replace(
            article,
            id=f"{article.id}-{turn}",
            title=other(article.title),
            short=other(article.short),
            details=other(article.details),
            questions=tuple(replace(wording, text=other(wording.text)) for wording in article.questions),
            translations={
                language: Translation(other(one.title), other(one.short))
                for language, one in article.translations.items()
            },
        )


def foreign(articles: Sequence[Article], tools: Tools) -> None:
    """A file as somebody else would hand it in: no country, one language, ten questions an entry."""
    many = [copy for turn in range(5000 // len(articles) + 1) for copy in copies(articles, turn)][:5000]
    lines = []
    for article in many:
        own = [Wording(Language.NB, wording.text) for wording in article.questions[:10]]
        line = json.loads(to_json_line(replace(article, questions=tuple(own))))
        line.pop("country")
        lines.append(json.dumps(line, ensure_ascii=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "foreign.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        began = time.perf_counter()
        read = load_articles(path)
        loaded = time.perf_counter()
    shelves = Shelves.build(read, tools)
    made = time.perf_counter()
    taken, _ = timed(shelves, articles)
    print(f"5,000 entries: read in {loaded - began:.1f} s, made in {made - loaded:.1f} s, {shelves.index.fusion}")
    print(f"a question: p50 {taken[50]:.2f} ms, p95 {taken[95]:.2f} ms, p99 {taken[99]:.2f} ms")


def quality(articles: Sequence[Article], tools: Tools, folds: int = 8) -> None:
    """Every wording held out once of shelves that are really made without it."""
    found: dict[str, list[tuple[str, str, int, float, Band]]] = {"plain": [], "10 % wrong letters": []}
    for fold in range(folds):
        kept, held = [], []
        for article in articles:
            start = zlib.crc32(article.id.encode())
            out = {place for place in range(len(article.questions)) if (start + place) % folds == fold}
            kept.append(replace(article, questions=tuple(q for p, q in enumerate(article.questions) if p not in out)))
            held += [(article, article.questions[place]) for place in sorted(out)]
        shelves = Shelves.build(kept, tools)
        for article, wording in held:
            for kind, text in (("plain", wording.text), ("10 % wrong letters", wrong_letters(wording.text))):
                result = shelves.find(text, country=article.country)
                ids = [candidate.article_id for candidate in result.candidates]
                rank = ids.index(article.id) if article.id in ids else len(shelves.articles)
                row = (article.country.value, wording.language.value, rank, result.confidence, result.band)
                found[kind].append(row)
        print(f"fold {fold + 1} of {folds}", file=sys.stderr, flush=True)
    print("| wordings | n | rank 1 | rank 3 | MRR | AUROC | covered at 95 % | answered | right | offered |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind, rows in found.items():
        for part in ("all", *(country.value for country in Country), *(language.value for language in Language)):
            some = [row for row in rows if part in ("all", row[0], row[1])]
            print(f"| {kind}, {part} | {_figures(some)} |")


def _figures(rows: Sequence[tuple[str, str, int, float, Band]]) -> str:
    ranks = np.array([rank for _, _, rank, _, _ in rows])
    sure = np.array([confidence for _, _, _, confidence, _ in rows])
    answered = np.array([band is Band.ANSWER for *_, band in rows])
    offered = np.array([band is not Band.NONE for *_, band in rows])
    right = ranks == 0
    order = np.argsort(-sure)
    precise = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(rows) + 1) >= 0.95)
    covered = (precise[-1] + 1) / len(rows) if len(precise) else 0.0
    figures = (
        right.mean(),
        (ranks < 3).mean(),
        np.mean(1 / (ranks + 1)),
        separation(sure, right),
        covered,
        answered.mean(),
        right[answered].mean() if answered.any() else float("nan"),
        offered.mean(),
    )
    return " | ".join([str(len(rows)), *(f"{figure:.3f}" for figure in figures)])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
