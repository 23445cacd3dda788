"""From a draft to the answer: the running line asks its questions, publishes at the set time, and answers with it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import Line, build_app
from bot.channels.local import LocalChannel
from helpline.clock import SetClock
from helpline.content import content_folder
from helpline.messages import Channel, Country, Language
from knowledge import drafts
from knowledge.articles import export_folder, load_articles
from knowledge.gate_runs import topic_of
from knowledge.life import Stage
from knowledge.shelves import Shelves
from tests.bot.conftest import local_settings
from tests.conftest import NINE
from tests.knowledge.drafting import EDITOR, KARI, NOOR, REVIEWER

FEW = ("tolk-rett", "trygt-sted-i-natt", "akutt-kan-ikke-avvises", "se-tolk")
QUESTIONS = """
id: norge
title: Norge
country: 'NO'
level: 0.9
questions:
  - {id: q1, language: nb, expected: [trygt-sted-i-natt], text: hvor kan hun sove i natt}
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped content with a few articles and one question."""
    folder = tmp_path_factory.mktemp("content") / "content"
    shutil.copytree(content_folder(), folder, ignore=shutil.ignore_patterns("articles", "questions"))
    export_folder([a for a in load_articles(content_folder() / "articles") if a.id in FEW], folder / "articles")
    (folder / "questions").mkdir()
    (folder / "questions" / "norge.yaml").write_text(QUESTIONS, encoding="utf-8")
    return folder


@pytest.fixture
async def small_line(content: Path, tmp_path: Path, clock: SetClock) -> AsyncIterator[Line]:
    channels = {Channel.WEB: LocalChannel(Channel.WEB)}
    line = build_app(local_settings(tmp_path), clock=clock, channels=channels, content=content)
    await line.prepare()
    yield line
    await line.close()


async def until(line: Line, draft: drafts.Draft, wanted: Callable[[], Awaitable[bool]]) -> None:
    """Wait for the running line, woken by what it rings."""
    with line.house.db.watch(topic_of(draft.id), "library") as watch:
        async with asyncio.timeout(120):
            while not await wanted():
                await watch.wait(5)


async def test_a_draft_goes_from_hand_to_hand_and_the_line_answers_with_it(small_line: Line, clock: SetClock) -> None:
    line, db = small_line, small_line.house.db
    async with db.write() as conn:
        draft = await drafts.open_draft(conn, "trygt-sted-i-natt", actor=KARI, now=NINE)
    before = line.house.library.shelves.article("trygt-sted-i-natt")
    assert before is not None
    words = "Ring krisesenteret nå, så finner de en seng."
    fields: dict[str, object] = {"short": words, "variants": None, "translations": {}}
    await drafts.keep(db, draft.id, seen=1, fields=fields, actor=KARI, now=NINE)
    async with line.working(listening=False):
        async with db.write() as conn:
            await drafts.submit(conn, draft.id, actor=KARI, roles=EDITOR, now=NINE)

        async def tested() -> bool:
            async with db.read() as conn:
                kept = await drafts.get_draft(conn, draft.id)
                assert kept is not None
                run = await drafts.gate_run_of(conn, kept)
            return run is not None and run.passes is not None

        await until(line, draft, tested)
        at = NINE + timedelta(hours=2)
        async with db.write() as conn:
            await drafts.approve(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NINE)
            await drafts.schedule(conn, draft.id, at=at, actor=NOOR, roles=REVIEWER, now=NINE)
        assert line.house.library.shelves.article("trygt-sted-i-natt") is before  # nothing yet
        clock.advance(timedelta(hours=2))

        async def answered() -> bool:
            article = line.house.library.shelves.article("trygt-sted-i-natt")
            return article is not None and article.revision == before.revision + 1

        await until(line, draft, answered)
    shelves = line.house.library.shelves
    found = shelves.find("hvor kan hun sove i natt", country=Country.NO, language=Language.NB)
    article = shelves.article(found.candidates[0].article_id)
    assert article is not None
    assert shelves.answer(article, language=Language.NB).short == words
    async with db.read() as conn:
        kept = await drafts.get_draft(conn, draft.id)
    assert kept is not None
    assert (kept.stage, kept.revision) == (Stage.PUBLISHED, 2)
    # The index that the gate asked is the line's own now, and was not made twice.
    folder = line.house.settings.data_dir
    assert not (folder / "shelves.tested").exists()
    assert Shelves.is_saved(shelves.articles, line.house.library.tools, folder / "shelves.index")
