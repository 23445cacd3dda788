"""Law watch in storage: a mark flags, two people or a published draft clear, a mistake is withdrawn by another."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import audit
from helpline.content import content_folder
from helpline.database import Database
from helpline.storage import table_of
from knowledge import drafts, fitness, law_watch, store
from knowledge.articles import LawRef
from knowledge.law_watch import LONGEST, WatchError
from knowledge.laws import Law, LawBook
from knowledge.store import DraftRow, SmallChangeRow
from tests.knowledge.builders import an_article
from tests.knowledge.drafting import BOTH, KARI, approved, gated, published, ready, shelve, submitted

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IN_FORCE = date(2026, 11, 1)
LAW = Law.of("NO tolkeloven § 6")
BOOK = LawBook.load(content_folder() / "laws.yaml")
TOLK, BARN = an_article(), an_article("tolk-barn", law_refs=(LawRef("tolkelova §§ 4-6", text_read=True),))
EVA, RITA = "staff:eva", "staff:rita"
_drafts = table_of(DraftRow)


async def shelved(conn: AsyncConnection) -> None:
    await store.put_articles(conn, [TOLK, BARN], actor="content", now=NOW)


async def marked(conn: AsyncConnection) -> int:
    return await law_watch.mark(conn, law=LAW, what="Plikten er utvidet.", in_force_on=IN_FORCE, actor=EVA, now=NOW)


async def flagged(conn: AsyncConnection) -> set[str]:
    return set(fitness.flag([TOLK, BARN], *await law_watch.uncleared(conn), BOOK))


async def actions(conn: AsyncConnection) -> list[str]:
    rows = await conn.execute(select(table_of(audit.AuditEntryRow)).order_by(table_of(audit.AuditEntryRow).c.id))
    return [row.action for row in rows if row.action.startswith("law_")]


async def test_a_mark_flags_every_article_that_rests_on_the_rule_and_marking_twice_is_marking_once(
    db: Database,
) -> None:
    async with db.write() as conn:
        await shelved(conn)
        assert await flagged(conn) == set()
        first = await marked(conn)
        assert await marked(conn) == first
        assert await flagged(conn) == {TOLK.id, BARN.id}
        assert (await law_watch.get(conn, first)).change.law == LAW
    async with db.read() as conn:
        assert await actions(conn) == ["law_changed"]


@pytest.mark.parametrize(
    ("what", "link", "day", "phrase"),
    [
        (" ", "", IN_FORCE, "desk.laws.no.what"),
        ("x" * (LONGEST + 1), "", IN_FORCE, "desk.laws.no.long"),
        ("ny frist", "javascript:alert(1)", IN_FORCE, "desk.laws.no.link"),
        ("ny frist", "", date(1814, 5, 17), "desk.laws.no.date"),
    ],
)
async def test_a_mark_that_says_nothing_or_nonsense_is_refused(
    db: Database, what: str, link: str, day: date, phrase: str
) -> None:
    with pytest.raises(WatchError) as refused:
        async with db.write() as conn:
            await law_watch.mark(conn, law=LAW, what=what, in_force_on=day, link=link, actor=EVA, now=NOW)
    assert refused.value.phrase == phrase


async def test_not_affected_needs_a_reason_and_a_second_person(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        with pytest.raises(WatchError):
            await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason=" ", actor=EVA, now=NOW)
        clearing = await law_watch.not_affected(
            conn, change, TOLK.id, revision=1, reason="Gjelder ikke oss.", actor=EVA, now=NOW
        )
        assert await flagged(conn) == {TOLK.id, BARN.id}  # proposed is not agreed
        with pytest.raises(WatchError) as alone:
            await law_watch.agree(conn, clearing, revision=1, actor=EVA, now=NOW)
        assert alone.value.phrase == "desk.laws.no.second_person"
        with pytest.raises(WatchError) as other:
            await law_watch.agree(conn, clearing, revision=2, actor=RITA, now=NOW)  # published anew meanwhile
        assert other.value.phrase == "desk.laws.no.revised"
        await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)
        await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)  # a second press
        assert await flagged(conn) == {BARN.id}
        with pytest.raises(WatchError):
            await law_watch.refuse(conn, clearing, actor=RITA, roles=["reviewer"], now=NOW)
    async with db.read() as conn:
        assert await actions(conn) == ["law_changed", "law_clearing_proposed", "law_flag_cleared"]


async def test_a_refused_proposal_leaves_the_flag_and_may_be_made_again(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        clearing = await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason="Nei.", actor=EVA, now=NOW)
        await law_watch.refuse(conn, clearing, actor=RITA, roles=["reviewer"], now=NOW)
        assert await law_watch.clearings(conn, change) == []
        again = await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason="Jo.", actor=EVA, now=NOW)
        await law_watch.agree(conn, again, revision=1, actor=RITA, now=NOW)
        assert await flagged(conn) == {BARN.id}


async def test_the_publication_of_a_draft_held_against_the_change_clears_and_no_other(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        draft = await drafts.open_draft(conn, TOLK.id, actor=EVA, now=NOW)
        other = await drafts.open_draft(conn, BARN.id, actor=EVA, now=NOW)
        with pytest.raises(WatchError):
            await law_watch.held_against(conn, change, TOLK.id, draft_id=other.id, actor=EVA, now=NOW)
        clearing = await law_watch.held_against(conn, change, TOLK.id, draft_id=draft.id, actor=EVA, now=NOW)
        assert await flagged(conn) == {TOLK.id, BARN.id}
        with pytest.raises(WatchError):
            await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)
        for published in (draft.id, other.id):
            values = {"stage": "published", "revision": 2, "open_for": None}
            await conn.execute(update(_drafts).where(_drafts.c.id == published).values(values))
        assert await flagged(conn) == {BARN.id}
        [done] = await law_watch.clearings(conn, change)
        assert (done.done, done.revision) == (True, 2)


async def test_a_slip_put_right_by_one_person_alone_clears_no_flag(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        draft = await drafts.open_draft(conn, TOLK.id, actor=EVA, now=NOW)
        await law_watch.held_against(conn, change, TOLK.id, draft_id=draft.id, actor=EVA, now=NOW)
        values = {"stage": "published", "revision": 2, "open_for": None}
        await conn.execute(update(_drafts).where(_drafts.c.id == draft.id).values(values))
        alone = {"article_id": TOLK.id, "number": 2, "by": EVA, "at": NOW}
        await conn.execute(table_of(SmallChangeRow).insert().values(alone))
        assert await flagged(conn) == {TOLK.id, BARN.id}
        [clearing] = await law_watch.clearings(conn, change)
        assert not clearing.done
        again = await law_watch.not_affected(conn, change, TOLK.id, revision=2, reason="Nei.", actor=EVA, now=NOW)
        await law_watch.agree(conn, again, revision=2, actor=RITA, now=NOW)
        assert await flagged(conn) == {BARN.id}


async def test_words_from_before_the_clearing_are_flagged_when_they_come_back(db: Database) -> None:
    await shelve(db, TOLK)
    newer = await ready(db, short="Retten er utvidet.")
    async with db.write() as conn:
        change = await marked(conn)
        await law_watch.held_against(conn, change, TOLK.id, draft_id=newer.id, actor=EVA, now=NOW)
    await published(db, newer)
    async with db.write() as conn:
        assert TOLK.id not in await flagged(conn)
        older = await drafts.restore(conn, TOLK.id, 1, actor=KARI, roles=BOTH, now=NOW)
    older = await approved(db, await submitted(db, older))
    await gated(db, older)
    await published(db, older)
    async with db.read() as conn:
        assert TOLK.id in await flagged(conn)
        assert await law_watch.clearings(conn, change) == []


async def test_nobody_agrees_to_a_proposal_made_anew_meanwhile(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        clearing = await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason="Nei.", actor=EVA, now=NOW)
        [as_read] = await law_watch.clearings(conn, change)

        async def earlier(*_: object) -> law_watch.Clearing:
            return as_read

        await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason="Min.", actor=RITA, now=NOW)
        monkeypatch.setattr(law_watch, "_clearing", earlier)
        await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)
        assert TOLK.id in await flagged(conn)


async def test_a_draft_put_away_clears_nothing_and_gives_way_to_another_word(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        draft = await drafts.open_draft(conn, TOLK.id, actor=EVA, now=NOW)
        await law_watch.held_against(conn, change, TOLK.id, draft_id=draft.id, actor=EVA, now=NOW)
        await drafts.abandon(conn, draft.id, actor=EVA, roles={"editor"}, now=NOW)
        assert TOLK.id in await flagged(conn)
        clearing = await law_watch.not_affected(
            conn, change, TOLK.id, revision=1, reason="Likevel.", actor=EVA, now=NOW
        )
        await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)
        assert await flagged(conn) == {BARN.id}


async def test_a_mistaken_mark_is_withdrawn_by_somebody_else_and_its_flags_go(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        with pytest.raises(WatchError):
            await law_watch.withdraw(conn, change, why="Feil paragraf.", actor=EVA, now=NOW)
        with pytest.raises(WatchError):
            await law_watch.withdraw(conn, change, why="", actor=RITA, now=NOW)
        await law_watch.withdraw(conn, change, why="Feil paragraf.", actor=RITA, now=NOW)
        assert await flagged(conn) == set()
        with pytest.raises(WatchError):
            await law_watch.not_affected(conn, change, TOLK.id, revision=1, reason="Nei.", actor=EVA, now=NOW)
        assert await marked(conn) != change  # what is marked anew is another mark
        assert await flagged(conn) == {TOLK.id, BARN.id}


async def test_a_later_change_of_the_same_rule_flags_anew(db: Database) -> None:
    async with db.write() as conn:
        await shelved(conn)
        change = await marked(conn)
        for article in (TOLK, BARN):
            clearing = await law_watch.not_affected(
                conn, change, article.id, revision=1, reason="Nei.", actor=EVA, now=NOW
            )
            await law_watch.agree(conn, clearing, revision=1, actor=RITA, now=NOW)
        assert await flagged(conn) == set()
        await law_watch.mark(conn, law=LAW, what="Igjen.", in_force_on=date(2027, 1, 1), actor=EVA, now=NOW)
        assert await flagged(conn) == {TOLK.id, BARN.id}
