"""The gatekeeper: runs are made once, in a process of their own, and count only for what they were asked of."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpline.clock import SetClock
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country, Language
from knowledge import drafts, gate_runs, gatekeeper, question_sets
from knowledge.articles import Article
from knowledge.gate import Results, Shown
from knowledge.gate_runs import GateRun, RunState
from knowledge.gate_worker import TESTED, Tell, WorkerFailed, ask_both, take_tested
from knowledge.gatekeeper import Gatekeeper
from knowledge.life import Stage
from knowledge.questions import Question, QuestionSet
from knowledge.shelves import Shelves, Tools
from tests.knowledge.builders import an_article
from tests.knowledge.drafting import (
    EDITOR,
    KARI,
    LATER,
    NOOR,
    NOW,
    REVIEWER,
    a_change,
    approved,
    now_of,
    opened,
    published,
    saved,
    shelf,
    shelve,
    submitted,
)

NIGHT = an_article(
    "trygt-sted-i-natt",
    title="Et trygt sted i natt",
    short="Ring krisesenteret.",
    questions=("hvor kan hun sove i natt", "trenger en trygg seng nå"),
)
QUESTIONS = ("trenger tolk nå", "hvor kan hun sove i natt")


async def ask_about(db: Database, level: float = 1.0) -> None:
    """Two questions, each with its article; both must be answered."""
    async with db.write() as conn:
        await question_sets.add_set(conn, "norge", title="Norge", country=Country.NO, level=level, actor=KARI, now=NOW)
        for text, expected in zip(QUESTIONS, ("tolk-rett", "trygt-sted-i-natt"), strict=True):
            await question_sets.add_question(
                conn, "norge", text=text, language=Language.NB, expected=[expected], actor=KARI, now=NOW
            )


class Asker:
    """Stands in for the process: each question finds the article whose wording it is. Notes what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[list[str] | None, list[str]]] = []
        self.meanwhile: Any = None  # done while the work is under way
        self.fails = 0

    async def __call__(
        self,
        content: Path,
        sets: Sequence[QuestionSet],
        before: Sequence[Article] | None,
        after: Sequence[Article],
        tell: Tell,
        *,
        index: Path | None = None,
    ) -> tuple[Results | None, Results] | None:
        names = [article.id for article in before] if before is not None else None
        self.given.append((names, [article.id for article in after]))
        if self.fails:
            self.fails -= 1
            raise WorkerFailed("as the test wants")
        if self.meanwhile is not None:
            await self.meanwhile()
        if not await tell(1, 4):
            return None
        return self._found(sets, before) if before is not None else None, self._found(sets, after)

    @staticmethod
    def _found(sets: Sequence[QuestionSet], articles: Sequence[Article]) -> Results:
        by_wording = {wording.text: article.id for article in articles for wording in article.questions}

        def ask(question: Question) -> Shown:
            found = by_wording.get(question.text)
            return Shown("answer", (found,)) if found is not None else Shown("handover")

        return {one.id: {question.id: ask(question) for question in one.questions} for one in sets}


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Asker:
    made = Asker()
    monkeypatch.setattr(gatekeeper, "ask_both", made)
    return made


@pytest.fixture
def keeper(db: Database, clock: SetClock) -> Gatekeeper:
    return Gatekeeper(db, content_folder(), clock.now)


async def run_of(db: Database, draft: drafts.Draft) -> GateRun | None:
    async with db.read() as conn:
        return await drafts.gate_run_of(conn, draft)


async def work(keeper: Gatekeeper, now: datetime = NOW) -> int:
    """Everything that is due."""
    done = 0
    for _ in range(20):
        step = await keeper.tick(now)
        if not step:
            return done
        done += step
    raise AssertionError("the gatekeeper does not come to an end")


async def test_a_draft_that_takes_an_answer_away_is_blocked(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db, an_article(), NIGHT)
    await ask_about(db)
    draft = await approved(db, await submitted(db, await a_change(db, questions={"nb": ["noe ganske annet"]})))
    assert await work(keeper) == 1
    run = await run_of(db, draft)
    assert run is not None
    assert run.report is not None
    assert (run.state, run.passes, run.asked, run.of) == (RunState.DONE, False, 4, 4)
    assert [change.question.text for change in run.report.changes] == ["trenger tolk nå"]
    with pytest.raises(drafts.Blocked):
        await published(db, draft)


async def test_a_draft_that_keeps_the_answers_is_published(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db, an_article(), NIGHT)
    await ask_about(db)
    draft = await approved(db, await submitted(db, await a_change(db)))
    await work(keeper)
    assert (await published(db, draft)).revision == 2


async def test_what_the_shelves_answer_now_is_asked_once(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db, an_article(), NIGHT)
    await ask_about(db)
    draft = await submitted(db, await a_change(db))
    await work(keeper)
    await saved(db, draft, {"title": "Igjen"})
    async with db.write() as conn:
        await drafts.want_gate_run(conn, draft.id, actor=KARI, now=NOW)
    await work(keeper)
    both = ["tolk-rett", "trygt-sted-i-natt"]
    assert [(before, sorted(after)) for before, after in asker.given] == [(both, both), (None, both)]
    await shelve(db, an_article("tredje", title="Tredje", questions=("noe tredje", "noe fjerde")))
    async with db.write() as conn:
        await drafts.want_gate_run(conn, draft.id, actor=KARI, now=NOW)
    await work(keeper)
    assert asker.given[-1][0] == ["tolk-rett", "tredje", "trygt-sted-i-natt"]  # the shelves moved: asked anew


async def test_wanting_the_same_twice_makes_one_run(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        first = await drafts.want_gate_run(conn, draft.id, actor=KARI, now=NOW)
        assert (await drafts.want_gate_run(conn, draft.id, actor=NOOR, now=NOW)).id == first.id
    assert await work(keeper) == 1
    assert len(asker.given) == 1


async def test_a_run_that_nobody_needs_any_more_is_passed_over(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    old = await run_of(db, draft)
    await saved(db, draft, {"title": "Videre"})
    assert await work(keeper) == 1
    assert asker.given == []
    assert old is not None
    async with db.read() as conn:
        passed = await gate_runs.get(conn, old.id)
    assert passed is not None
    assert passed.state is RunState.PASSED_OVER


async def test_questions_that_change_meanwhile_make_the_run_worthless(
    db: Database, asker: Asker, keeper: Gatekeeper
) -> None:
    await shelve(db, an_article(), NIGHT)
    await ask_about(db)
    draft = await approved(db, await submitted(db, await a_change(db)))

    async def change() -> None:
        asker.meanwhile = None
        async with db.write() as conn:
            await question_sets.set_level(conn, "norge", 0.9, actor=NOOR, roles=["reviewer"], now=NOW)

    asker.meanwhile = change
    await work(keeper)
    assert await run_of(db, draft) is None
    with pytest.raises(drafts.NotTested):
        await published(db, draft)


async def test_a_failure_is_tried_again_and_then_said(
    db: Database, asker: Asker, keeper: Gatekeeper, clock: SetClock
) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    asker.fails = 2
    for seconds in (0, 5, 10):
        clock.not_before(NOW + timedelta(seconds=seconds))
        await work(keeper, clock.now())
    run = await run_of(db, draft)
    assert run is not None
    assert run.state is RunState.DONE
    asker.fails = 99
    await saved(db, draft, {"title": "Feiler"})
    async with db.write() as conn:
        draft = await now_of(db, draft)
        await drafts.want_gate_run(conn, draft.id, actor=KARI, now=clock.now())
    for seconds in (20, 30, 40, 50):
        clock.not_before(NOW + timedelta(seconds=seconds))
        await work(keeper, clock.now())
    run = await run_of(db, draft)
    assert run is not None
    assert (run.state, run.passes) == (RunState.FAILED, None)
    asker.fails = 0
    async with db.write() as conn:  # and it can be wanted again
        await drafts.want_gate_run(conn, draft.id, actor=KARI, now=clock.now())
    await work(keeper, clock.now())
    run = await run_of(db, draft)
    assert run is not None
    assert run.passes


async def test_a_run_whose_worker_died_is_made_by_another(
    db: Database, asker: Asker, keeper: Gatekeeper, clock: SetClock
) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        assert await gate_runs.claim(conn, NOW) is not None  # and never comes back
    assert await work(keeper) == 0
    clock.not_before(NOW + gate_runs.HELD_FOR)
    assert await work(keeper, clock.now()) == 1
    run = await run_of(db, draft)
    assert run is not None
    assert run.state is RunState.DONE


async def test_two_gatekeepers_make_a_run_once(database_url: str, asker: Asker, clock: SetClock) -> None:
    first, second = Database.connect(database_url), Database.connect(database_url)
    try:
        await shelve(first)
        draft = await submitted(first, await a_change(first))
        keepers = [Gatekeeper(db, content_folder(), clock.now) for db in (first, second)]
        assert sum(await asyncio.gather(*(one.tick(NOW) for one in keepers))) == 1
        assert len(asker.given) == 1
        run = await run_of(second, draft)
        assert run is not None
        assert run.passes
    finally:
        await first.dispose()
        await second.dispose()


async def test_a_set_time_is_kept_also_when_the_shelves_have_moved(
    db: Database, asker: Asker, keeper: Gatekeeper, clock: SetClock
) -> None:
    await shelve(db)
    draft = await approved(db, await submitted(db, await a_change(db)))
    await work(keeper)
    async with db.write() as conn:
        await drafts.schedule(conn, draft.id, at=LATER, actor=NOOR, roles=REVIEWER, now=NOW)
        assert await gatekeeper.next_due(conn) == LATER
    await shelve(db, NIGHT)
    assert await work(keeper) == 0
    clock.not_before(LATER)
    await work(keeper, LATER)
    assert (await now_of(db, draft)).stage is Stage.PUBLISHED
    assert (await shelf(db))["tolk-rett"].revision == 2
    async with db.read() as conn:
        assert await gatekeeper.next_due(conn) is None


async def test_an_abandoned_draft_is_not_asked_about(db: Database, asker: Asker, keeper: Gatekeeper) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        await drafts.abandon(conn, draft.id, actor=KARI, roles=EDITOR, now=NOW)
    assert await work(keeper) == 1
    assert asker.given == []


# --- the process itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_the_questions_are_asked_in_a_process_of_their_own(db: Database, clock: SetClock) -> None:
    await shelve(db, an_article(), NIGHT)
    await ask_about(db)
    draft = await opened(db, "trygt-sted-i-natt")
    gone = {"nb": ["en helt annen sak", "noe om skatt"]}
    draft = (
        await saved(db, draft, {"questions": gone, "title": "Skatt", "short": "Om skatt.", "details": "Skatt."})
    ).draft
    draft = await submitted(db, draft)
    told: list[str] = []
    keeper = Gatekeeper(db, content_folder(), clock.now)
    with db.watch(gate_runs.topic_of(draft.id)) as watch:
        await work(keeper)
        told.append("rung" if await watch.wait(0.1) else "silent")
    run = await run_of(db, draft)
    assert run is not None
    assert run.report is not None
    assert run.passes is False
    assert [change.question.text for change in run.report.changes] == ["hvor kan hun sove i natt"]
    assert told == ["rung"]


async def nothing_told(asked: int, of: int) -> bool:
    return True


async def test_a_worker_that_cannot_start_is_a_named_failure(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed):
        await ask_both(tmp_path, [], [], [an_article()], nothing_told)  # no content there


async def test_work_that_nobody_wants_any_more_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    waits = tmp_path / "waits"
    waits.write_text(
        f"#!{sys.executable}\nimport sys, time\n"
        'sys.stdin.buffer.read(); print(\'{"asked": 0, "of": 2}\', flush=True); time.sleep(600)\n'
    )
    waits.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(waits))

    async def enough(asked: int, of: int) -> bool:
        return False

    assert await ask_both(tmp_path, [], [], [an_article()], enough) is None


async def test_the_worker_knows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tells = tmp_path / "tells"
    tells.write_text(
        f"#!{sys.executable}\nimport os, sys, json\nsys.stdin.buffer.read()\n"
        'print(json.dumps({"asked": sum(name.startswith("VARDE_") for name in os.environ), "of": 0}), flush=True)\n'
        'print(json.dumps({"before": None, "after": {}}), flush=True)\n'
    )
    tells.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tells))
    monkeypatch.setenv("VARDE_SECRET_KEY", "geheim")
    seen: list[int] = []

    async def tell(asked: int, of: int) -> bool:
        seen.append(asked)
        return True

    assert await ask_both(tmp_path, [], None, [an_article()], tell) == (None, {})
    assert seen == [0]


def test_an_index_the_gate_has_made_is_taken_only_for_the_same_articles(tmp_path: Path) -> None:
    index, tested = tmp_path / "shelves.index", tmp_path / f"shelves{TESTED}"
    assert not take_tested([NIGHT], Tools(), index)  # there is none
    Shelves.build([NIGHT, an_article()], Tools(), saved=tested)
    assert not take_tested([NIGHT], Tools(), index)
    assert not take_tested([NIGHT, an_article(title="Senere")], Tools(), index)
    assert tested.exists()
    assert take_tested([an_article(revision=7), NIGHT], Tools(), index)
    assert Shelves.is_saved([NIGHT, an_article()], Tools(), index)
    assert not tested.exists()
    assert not take_tested([NIGHT], Tools(), None)
