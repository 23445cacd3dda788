"""Helpers for tests of drafts: people with their roles, and a gate that says what the test wants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from helpline.accounts import Role
from helpline.database import Database
from knowledge import drafts, gate_runs, store
from knowledge.articles import Article
from knowledge.drafts import Draft, Saved
from knowledge.gate import Figures, GateReport
from knowledge.gate_runs import GateRun
from tests.knowledge.builders import an_article

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
KARI, NOOR, ASHA = "staff:kari", "staff:noor", "staff:asha"
EDITOR: Final = frozenset({Role.EDITOR})
REVIEWER: Final = frozenset({Role.REVIEWER})
BOTH: Final = EDITOR | REVIEWER

GOOD = GateReport((), (Figures("norge", "Norge", 10, 9, 9, 0.8, 8, 8),))
BAD = GateReport((), (Figures("norge", "Norge", 10, 9, 7, 0.8, 8, 6),))


async def shelve(db: Database, *articles: Article, actor: str = "operator") -> None:
    async with db.write() as conn:
        await store.put_articles(conn, articles or (an_article(),), actor=actor, now=NOW)


async def opened(db: Database, article_id: str = "tolk-rett", actor: str = KARI) -> Draft:
    async with db.write() as conn:
        return await drafts.open_draft(conn, article_id, actor=actor, now=NOW)


async def saved(
    db: Database, draft: Draft, fields: Mapping[str, Any], *, actor: str = KARI, seen: int | None = None
) -> Saved:
    version = seen if seen is not None else (await now_of(db, draft)).version
    return await drafts.keep(db, draft.id, seen=version, fields=fields, actor=actor, now=NOW)


async def now_of(db: Database, draft: Draft) -> Draft:
    async with db.read() as conn:
        found = await drafts.get_draft(conn, draft.id)
    assert found is not None
    return found


async def a_change(db: Database, **fields: Any) -> Draft:
    """A draft of the one article, changed by Kari."""
    return (await saved(db, await opened(db), fields or {"short": "Ja. Bruk tolk. Tolkeloven § 6."})).draft


async def submitted(db: Database, draft: Draft, actor: str = KARI, roles: frozenset[Role] = EDITOR) -> Draft:
    async with db.write() as conn:
        return await drafts.submit(conn, draft.id, actor=actor, roles=roles, now=NOW)


async def approved(db: Database, draft: Draft, actor: str = NOOR, roles: frozenset[Role] = REVIEWER) -> Draft:
    async with db.write() as conn:
        return await drafts.approve(conn, draft.id, actor=actor, roles=roles, now=NOW)


async def gated(db: Database, draft: Draft, report: GateReport = GOOD, now: datetime = NOW) -> GateRun:
    """Have the gate say this of the draft as it stands."""
    async with db.write() as conn:
        run = await drafts.want_gate_run(conn, draft.id, actor=KARI, now=now)
    async with db.write() as conn:
        held = await gate_runs.claim(conn, now)
        while held is not None and held.run.id != run.id:
            await gate_runs.put_down(conn, held, gate_runs.RunState.PASSED_OVER, now)
            held = await gate_runs.claim(conn, now)
        if held is not None:
            assert await gate_runs.finish(conn, held, report, now)
            await drafts.look_again(conn, draft.id, now)
    async with db.read() as conn:
        found = await gate_runs.get(conn, run.id)
    assert found is not None
    return found


async def published(
    db: Database, draft: Draft, actor: str = NOOR, roles: frozenset[Role] = REVIEWER, now: datetime = NOW
) -> Draft:
    async with db.write() as conn:
        return await drafts.publish(conn, draft.id, actor=actor, roles=roles, now=now)


async def ready(db: Database, **fields: Any) -> Draft:
    """An approved draft that the gate lets through."""
    draft = await approved(db, await submitted(db, await a_change(db, **fields)))
    await gated(db, draft)
    return draft


async def shelf(db: Database) -> dict[str, Article]:
    async with db.read() as conn:
        return {article.id: article for article in await store.published(conn)}


async def happened(db: Database, article_id: str = "tolk-rett") -> list[str]:
    async with db.read() as conn:
        return [event.what for event in reversed(await drafts.events(conn, article_id))]
