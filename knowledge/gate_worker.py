"""A process of its own that asks the question sets: making shelves takes seconds of all a processor has, and messages
must be answered meanwhile.

`python -m knowledge.gate_worker CONTENT_FOLDER` reads one JSON object from standard input (`work_for` makes it) and
writes one a line to standard output: `{"asked", "of"}` as it goes, `{"before", "after"}` at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from helpline.messages import Country, Language
from knowledge import gate
from knowledge.articles import Article, article_of_body, body_of
from knowledge.danger import DangerSense, Scope
from knowledge.gate import Results, Shown
from knowledge.questions import Question, QuestionSet
from knowledge.shelves import Shelves, Tools
from knowledge.smalltalk import Smalltalk

DANGER_FILE = "danger.index"  # beside the index of the shelves: what was learnt of danger
TESTED = ".tested"  # the index of shelves as they would become: need not be made again once they are
_TOLD_EVERY = 25  # questions
_LONGEST_LINE = 64 * 1024 * 1024  # of what the process writes
_PULSE = 20.0  # seconds after which it is told anew how far the work is, although nothing has changed
_HERE = Path(__file__).resolve().parent.parent


class WorkerFailed(Exception):
    """The process that asks the questions ended without an answer."""


Tell = Callable[[int, int], Awaitable[bool]]  # questions asked, of how many; False where the work shall stop


async def ask_both(
    content: Path,
    sets: Sequence[QuestionSet],
    before: Sequence[Article] | None,
    after: Sequence[Article],
    tell: Tell,
    *,
    index: Path | None = None,
) -> tuple[Results | None, Results] | None:
    """Ask the shelves of `before` (if they are given) and of `after`; None where `tell` said to stop.

    `index` is the file that holds the index of the shelves as they are; that of the others is kept beside it.
    """
    work = work_for(sets, before, after, index)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "knowledge.gate_worker",
        str(content),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=_HERE,
        limit=_LONGEST_LINE,
        env=_surroundings(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        try:
            process.stdin.write(orjson.dumps(work))
            await process.stdin.drain()
            process.stdin.close()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerFailed("it ended before it was told what to do") from error
        asked = of = 0
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), _PULSE)
            except TimeoutError:
                line = None
            said = orjson.loads(line) if line else {}
            if line == b"":
                raise WorkerFailed(f"it ended with {await process.wait()}")
            if "after" in said:
                before_said = said["before"]
                return (
                    _read_results(before_said) if before_said is not None else None,
                    _read_results(said["after"]),
                )
            asked, of = said.get("asked", asked), said.get("of", of)
            if not await tell(asked, of):
                return None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _surroundings() -> dict[str, str]:
    """The worker imports what this process runs, knows none of its secrets, and leaves a processor to the messages."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("VARDE_")}
    paths = [str(_HERE), *filter(None, [own.get("PYTHONPATH")])]
    return {**own, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def work_for(
    sets: Sequence[QuestionSet], before: Sequence[Article] | None, after: Sequence[Article], index: Path | None
) -> dict[str, Any]:
    """What the process is told."""
    return {
        "sets": [
            {
                **asdict(one),
                "country": one.country.value,
                "questions": [{**asdict(asked), "language": asked.language.value} for asked in one.questions],
            }
            for one in sets
        ],
        "before": [_article_work(article) for article in before] if before is not None else None,
        "after": [_article_work(article) for article in after],
        "index": str(index) if index is not None else None,
    }


def take_tested(articles: Sequence[Article], tools: Tools, index: Path | None) -> bool:
    """Put the index that the gate has made in the place of the line's own, where it is of these articles.

    What was asked before publishing need not be made a second time after. Reads files, so call it in a thread.
    """
    tested = index.with_suffix(TESTED) if index is not None else None
    if index is None or tested is None or not Shelves.is_saved(articles, tools, tested):
        return False
    with suppress(OSError):
        tested.replace(index)
        return True
    return False


def do(work: Mapping[str, Any], content: Path, tell: Callable[[int, int], None]) -> dict[str, Any]:
    """Build the shelves and ask them everything."""
    sets = [_read_set(one) for one in work["sets"]]
    count = sum(len(one.questions) for one in sets)
    sides = [side for side in ("before", "after") if work[side] is not None]
    of = count * len(sides)
    tools = Tools.load(content)
    index = Path(work["index"]) if work["index"] is not None else None
    learnt = index.with_name(DANGER_FILE) if index is not None else None
    sense = DangerSense.load(content, tools.vectors, saved=learnt if learnt is not None and learnt.is_file() else None)
    scope = Scope(Smalltalk.load(content / "smalltalk.yaml"), sense)
    assessed: dict[str, Any] = {}

    def assess(text: str) -> Any:
        # Danger is told from the words alone, so what was found for one side holds for the other.
        if text not in assessed:
            assessed[text] = sense.assess(text)
        return assessed[text]

    answers: dict[str, Any] = {"before": None, "after": None}
    tell(0, of)
    for place, side in enumerate(sides):

        def progress(asked: int, done: int = place * count) -> None:
            if asked % _TOLD_EVERY == 0:
                tell(done + asked, of)

        articles = [article_of_body(one["body"], revision=one["revision"]) for one in work[side]]
        saved = index if side == "before" else index.with_suffix(TESTED) if index is not None else None
        if side == "before" and saved is not None and not saved.is_file():
            saved = None  # the line itself makes that file, in its own time
        shelves = Shelves.build(articles, tools, saved=saved)
        found = gate.ask(sets, shelves, assess, scope, progress)
        answers[side] = {key: {name: asdict(shown) for name, shown in shows.items()} for key, shows in found.items()}
    return answers


def main() -> None:
    """Read the work, do it, write what came of it."""

    def say(what: Mapping[str, Any]) -> None:
        sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
        sys.stdout.buffer.flush()

    os.nice(5)
    work = orjson.loads(sys.stdin.buffer.read())
    say(do(work, Path(sys.argv[1]), lambda asked, of: say({"asked": asked, "of": of})))


def _article_work(article: Article) -> dict[str, Any]:
    return {"body": body_of(article), "revision": article.revision}


def _read_set(work: Mapping[str, Any]) -> QuestionSet:
    questions: Iterable[Question] = (
        Question(
            one["id"],
            one["text"],
            Language(one["language"]),
            one["expected"] if isinstance(one["expected"], str) else tuple(one["expected"]),
        )
        for one in work["questions"]
    )
    country = Country(work["country"])
    return QuestionSet(work["id"], work["title"], country, work["level"], tuple(questions), work["version"])


def _read_results(said: Mapping[str, Mapping[str, Any]]) -> Results:
    return {
        key: {
            name: Shown(shown["outcome"], tuple(shown["articles"]), shown["maybe_danger"])
            for name, shown in shows.items()
        }
        for key, shows in said.items()
    }


if __name__ == "__main__":
    main()
