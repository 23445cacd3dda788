"""Who stands at the gate: makes the runs that are wanted, one after the other, and publishes what waits for its time.

The questions are asked in a process of its own (`gate_worker`). What the shelves of now answer is remembered while
they and the questions stay as they are, so that most runs build one index and not two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline.content import ContentError
from helpline.database import Database
from knowledge import drafts, gate, gate_runs, question_sets, store
from knowledge.articles import Article, article_of_body
from knowledge.gate import GateReport, Results
from knowledge.gate_runs import Held, RunState
from knowledge.gate_worker import WorkerFailed, ask_both

log = structlog.get_logger(__name__)

_AFTER_FAILURE = timedelta(seconds=5)


class Gatekeeper:
    """Makes gate runs and keeps set times."""

    def __init__(self, db: Database, content: Path, clock: Callable[[], datetime], index: Path | None = None) -> None:
        self._db = db
        self._content = content
        self._clock = clock  # a run takes seconds, and its lease must follow
        self._index = index
        self._known: tuple[tuple[int, str], Results] | None = None

    async def tick(self, now: datetime) -> int:
        """Publish what is due, and make one run that is wanted; how many of both."""
        async with self._db.read() as conn:
            soonest = await drafts.next_due(conn)
        done = 0
        if soonest is not None and soonest <= now:
            async with self._db.write() as conn:
                done = await drafts.tick(conn, now)
        async with self._db.read() as conn:
            wanted = await gate_runs.next_due(conn)
        if wanted is None or wanted > now:
            return done
        async with self._db.write() as conn:
            held = await gate_runs.claim(conn, now)
        if held is None:
            return done
        await self._make(held)
        return done + 1

    async def _make(self, held: Held) -> None:
        try:
            if held.attempts > gate_runs.MOST_ATTEMPTS:
                raise WorkerFailed("whoever tried before never came back")
            report = await self._report(held)
        except (WorkerFailed, ContentError) as error:
            await self._failed(held, error)
            return
        async with self._db.write() as conn:
            now = self._clock()
            if report is None:
                await gate_runs.put_down(conn, held, RunState.PASSED_OVER, now)
            elif await gate_runs.finish(conn, held, report, now):
                log.info("gate_run_finished", draft_id=held.run.draft_id, passes=report.passes)
            # Whoever waited for this run, or for one that is now made in vain, is looked at once more.
            await drafts.look_again(conn, held.run.draft_id, now)

    async def _failed(self, held: Held, error: Exception) -> None:
        log.error("gate_run_failed", draft_id=held.run.draft_id, reason=type(error).__name__, attempt=held.attempts)
        async with self._db.write() as conn:
            now = self._clock()
            if held.attempts >= gate_runs.MOST_ATTEMPTS:
                await gate_runs.put_down(conn, held, RunState.FAILED, now)
            else:
                await gate_runs.try_later(conn, held, now + _AFTER_FAILURE)

    async def _report(self, held: Held) -> GateReport | None:
        """What the gate says; None where draft, shelves or questions have moved on, so that nobody needs to know."""
        run = held.run
        async with self._db.read() as conn:
            sets = await question_sets.all_sets(conn)
            state = await question_sets.state(conn)
            version = await store.version(conn)
            draft = await drafts.get_draft(conn, run.draft_id)
            if draft is None or (version, state) != (run.shelves, run.sets) or draft.version != run.version:
                return None
            standing = await store.published(conn)
        if not draft.is_open:
            return None
        becomes = _with(standing, article_of_body(draft.body, revision=(draft.base or 0) + 1))
        before = self._remembered(version, state)
        answers = await ask_both(
            self._content, sets, standing if before is None else None, becomes, self._teller(held), index=self._index
        )
        if answers is None:
            return None
        asked_before, after = answers
        if before is None:
            assert asked_before is not None
            before = asked_before
            self._known = ((version, state), before)
        return gate.compare(sets, before, after)

    def _remembered(self, version: int, state: str) -> Results | None:
        return self._known[1] if self._known is not None and self._known[0] == (version, state) else None

    def _teller(self, held: Held) -> Callable[[int, int], Awaitable[bool]]:
        async def tell(asked: int, of: int) -> bool:
            async with self._db.write() as conn:
                return await gate_runs.progress(conn, held, asked, of, self._clock())

        return tell


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When there is something to do again."""
    times = [at for at in (await drafts.next_due(conn), await gate_runs.next_due(conn)) if at is not None]
    return min(times, default=None)


def _with(standing: tuple[Article, ...], article: Article) -> tuple[Article, ...]:
    return (*(one for one in standing if one.id != article.id), article)
