"""Drafts: written by several without loss, handed from person to person, and published once."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helpline import audit
from helpline.accounts import Role
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country, Language
from helpline.phrases import Phrases
from knowledge import drafts, gate_runs, store
from knowledge.articles import Wording, body_of, load_articles, wording_key
from knowledge.drafts import (
    AlreadyThere,
    BadInput,
    Blocked,
    ChangedMeanwhile,
    Closed,
    Collision,
    NoSuchDraft,
    NotTested,
    Refused,
    Unreadable,
)
from knowledge.life import Stage
from tests.knowledge.builders import an_article
from tests.knowledge.drafting import (
    ASHA,
    BAD,
    BOTH,
    EDITOR,
    GOOD,
    KARI,
    LATER,
    NOOR,
    NOW,
    REVIEWER,
    a_change,
    approved,
    gated,
    happened,
    now_of,
    opened,
    published,
    ready,
    saved,
    shelf,
    shelve,
    submitted,
)

# --- opening ----------------------------------------------------------------------------------------------------------


async def test_an_opened_draft_begins_with_the_published_words(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    assert draft.body == body_of(an_article())
    assert (draft.stage, draft.version, draft.base, draft.authors) == (Stage.DRAFT, 1, 1, frozenset())
    assert drafts.article_of_body(draft.body) == an_article()


async def test_opening_again_gives_the_draft_that_is_open(db: Database) -> None:
    await shelve(db)
    first = await opened(db)
    assert (await opened(db, actor=NOOR)).id == first.id
    async with db.read() as conn:
        assert [draft.id for draft in await drafts.list_drafts(conn)] == [first.id]


async def test_two_who_open_at_once_get_the_same_draft(db: Database) -> None:
    await shelve(db)
    both = await asyncio.gather(opened(db), opened(db, actor=NOOR))
    assert both[0].id == both[1].id


async def test_a_new_article_begins_empty_and_may_bring_wordings(db: Database) -> None:
    async with db.write() as conn:
        draft = await drafts.new_draft(
            conn,
            article_id="ny-artikkel",
            country=Country.NO,
            actor=KARI,
            now=NOW,
            body={"questions": {"nb": ["hva gjør vi da"]}},
        )
    assert draft.body["questions"] == {"nb": ["hva gjør vi da"]}
    assert (draft.base, draft.authors) == (None, frozenset({KARI}))
    assert {problem.field for problem in drafts.problems_of(draft.body)} >= {"title", "short", "sources"}


@pytest.mark.parametrize("name", ["", "Ny", "ny--artikkel", "æøå", "a" * 101, "../etc", "-a", "ny artikkel"])
async def test_a_new_article_needs_a_plain_name(db: Database, name: str) -> None:
    async with db.write() as conn:
        with pytest.raises(BadInput):
            await drafts.new_draft(conn, article_id=name, country=Country.NO, actor=KARI, now=NOW)


async def test_a_name_is_given_once(db: Database) -> None:
    await shelve(db)
    for name in ("tolk-rett", "ny"):
        with pytest.raises(AlreadyThere):
            async with db.write() as conn:
                await drafts.new_draft(conn, article_id=name, country=Country.NO, actor=KARI, now=NOW)
                await drafts.new_draft(conn, article_id=name, country=Country.NO, actor=NOOR, now=NOW)


async def test_there_is_no_draft_of_no_article(db: Database) -> None:
    with pytest.raises(NoSuchDraft):
        await opened(db, "finnes-ikke")
    with pytest.raises(NoSuchDraft):
        await drafts.keep(db, 17, seen=1, fields={"title": "T"}, actor=KARI, now=NOW)


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_a_save_changes_only_the_fields_it_brings(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    taken = await saved(db, draft, {"title": "Tolk, alltid"})
    assert taken.draft.body == {**draft.body, "title": "Tolk, alltid"}
    assert (taken.draft.version, taken.draft.authors, taken.draft.updated_by) == (2, frozenset({KARI}), KARI)
    assert (await shelf(db))["tolk-rett"].title == "Må vi bruke tolk?"  # a clinician sees nothing of it


async def test_the_same_save_twice_is_one(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    await saved(db, draft, {"title": "Tolk"}, seen=1)
    again = await saved(db, draft, {"title": "Tolk"}, seen=1)  # its answer was lost on the way
    assert again.draft.version == 2
    async with db.read() as conn:
        assert len(await drafts.saves(conn, draft.id)) == 1


async def test_two_writers_in_different_fields_are_merged(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    await saved(db, draft, {"title": "Kari"}, seen=1)
    taken = await saved(db, draft, {"details": "Noor"}, actor=NOOR, seen=1)
    assert taken.merged == ("title",)
    assert (taken.draft.body["title"], taken.draft.body["details"]) == ("Kari", "Noor")
    assert taken.draft.authors == {KARI, NOOR}


async def test_two_writers_in_one_field_collide_and_nothing_is_lost(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    await saved(db, draft, {"title": "Kari"}, seen=1)
    with pytest.raises(Collision) as caught:
        await saved(db, draft, {"title": "Noor", "details": "også dette"}, actor=NOOR, seen=1)
    assert caught.value.theirs == {"title": "Kari"}
    assert caught.value.yours == {"title": "Noor", "details": "også dette"}
    assert (await now_of(db, draft)).body["title"] == "Kari"
    async with db.read() as conn:
        aside = [save for save in await drafts.saves(conn, draft.id) if save.kept_aside]
    assert [(save.by, save.fields) for save in aside] == [(NOOR, {"title": "Noor", "details": "også dette"})]
    # Having seen both, Noor decides.
    decided = await saved(db, draft, {"title": "Kari og Noor", "details": "også dette"}, actor=NOOR, seen=2)
    assert decided.draft.body["title"] == "Kari og Noor"


async def test_two_processes_that_save_at_the_same_moment_lose_nothing(database_url: str) -> None:
    first, second = Database.connect(database_url), Database.connect(database_url)
    try:
        await shelve(first)
        draft = await opened(first)
        both = await asyncio.gather(
            saved(first, draft, {"title": "Kari", "details": "Karis"}, seen=1),
            saved(second, draft, {"title": "Noor", "short": "Noors."}, actor=NOOR, seen=1),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in both) == ["Collision", "Saved"]
        async with first.read() as conn:
            kept = await drafts.saves(conn, draft.id)
        assert sorted((save.by, save.kept_aside) for save in kept) in (
            [(KARI, False), (NOOR, True)],
            [(KARI, True), (NOOR, False)],
        )
        merged = await asyncio.gather(
            saved(first, draft, {"avoid": ["Kari"]}, seen=2),
            saved(second, draft, {"say": ["Noor"]}, actor=NOOR, seen=2),
        )
        assert {one.draft.version for one in merged} == {3, 4}
        body = (await now_of(first, draft)).body
        assert (body["avoid"], body["say"]) == (["Kari"], ["Noor"])
    finally:
        await first.dispose()
        await second.dispose()


async def test_two_who_wrote_the_same_words_do_not_collide(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    await saved(db, draft, {"title": "Likt"}, seen=1)
    assert (await saved(db, draft, {"title": "Likt"}, actor=NOOR, seen=1)).draft.body["title"] == "Likt"


async def test_a_field_can_be_taken_away(db: Database) -> None:
    await shelve(db)
    taken = await saved(db, await opened(db), {"needs": None})
    assert "needs" not in taken.draft.body


@pytest.mark.parametrize("stage", [Stage.APPROVED, Stage.PUBLISHED, Stage.ABANDONED])
async def test_what_comes_too_late_is_set_aside(db: Database, stage: Stage) -> None:
    await shelve(db)
    draft = await ready(db)
    if stage is Stage.PUBLISHED:
        draft = await published(db, draft)
    elif stage is Stage.ABANDONED:
        async with db.write() as conn:
            await drafts.abandon(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW)
    with pytest.raises(Closed):
        await saved(db, draft, {"title": "For sent"})
    assert (await now_of(db, draft)).body["title"] != "For sent"
    async with db.read() as conn:
        assert (await drafts.saves(conn, draft.id))[0].fields == {"title": "For sent"}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"heading": "x"}, "no_such_field"),
        ({"id": "noe-annet"}, "id_stays"),
        ({"country": "SE"}, "country_stays"),
        ({"details": "x" * 250_000}, "too_long"),
        ({"questions": {"nb": ["x"] * 2001}}, "bad_value"),
        ({"translations": {"nn": {"title": {"a": {"b": {"c": {"d": {"e": {}}}}}}}}}, "bad_value"),
        ({"title": 1.5}, "bad_value"),
        ({"title": object()}, "bad_value"),
    ],
)
async def test_what_no_article_can_hold_is_refused_and_changes_nothing(
    db: Database, fields: dict[str, Any], key: str
) -> None:
    await shelve(db)
    draft = await opened(db)
    with pytest.raises(BadInput) as caught:
        await saved(db, draft, fields)
    assert caught.value.key == f"desk.draft.{key}"
    assert (await now_of(db, draft)).version == 1


async def test_signs_that_no_database_keeps_are_left_out(db: Database) -> None:
    await shelve(db)
    taken = await saved(db, await opened(db), {"title": "To\x00lk\ud800 🙂", "questions": {"nb\x00": ["a\x00"]}})
    assert taken.draft.body["title"] == "Tolk 🙂"
    assert taken.draft.body["questions"] == {"nb": ["a"]}


@pytest.mark.parametrize("seen", [0, -1, 2, 10**15])
async def test_a_version_nobody_can_have_seen_is_refused(db: Database, seen: int) -> None:
    await shelve(db)
    draft = await opened(db)
    with pytest.raises(BadInput):
        await saved(db, draft, {"title": "x"}, seen=seen)


# --- from hand to hand ------------------------------------------------------------------------------------------------


async def test_from_first_word_to_the_shelves(db: Database) -> None:
    await shelve(db)
    draft = await published(db, await ready(db, title="Tolk, alltid"))
    assert (draft.stage, draft.revision) == (Stage.PUBLISHED, 2)
    standing = (await shelf(db))["tolk-rett"]
    assert (standing.title, standing.revision) == ("Tolk, alltid", 2)
    async with db.read() as conn:
        newest, first = await store.history(conn, "tolk-rett")
        assert (newest.author, newest.approver, newest.draft_id, newest.small) == (KARI, NOOR, draft.id, False)
        assert (first.author, first.approver, first.draft_id) == ("operator", None, None)
        assert await drafts.draft_of(conn, "tolk-rett") is None
        assert await audit.verify(conn) is None
    assert await happened(db) == [
        "draft_opened",
        "draft_written",
        "draft_submitted",
        "draft_approved",
        "article_published",
    ]


async def test_publishing_rings_the_shelves_once(db: Database) -> None:
    await shelve(db)
    draft = await ready(db)
    async with db.read() as conn:
        before = await store.version(conn)
    await published(db, draft)
    with pytest.raises(Refused):
        await published(db, draft)
    async with db.read() as conn:
        assert await store.version(conn) == before + 1
        assert len(await store.history(conn, "tolk-rett")) == 2


async def test_a_new_article_is_published_as_its_first_revision(db: Database) -> None:
    body = {key: value for key, value in body_of(an_article("ny")).items() if key not in {"id", "country"}}
    async with db.write() as conn:
        draft = await drafts.new_draft(conn, article_id="ny", country=Country.NO, actor=KARI, now=NOW, body=body)
    draft = await approved(db, await submitted(db, draft))
    await gated(db, draft)
    assert (await published(db, draft)).revision == 1
    assert (await shelf(db))["ny"] == an_article("ny")


async def test_a_draft_that_is_not_whole_is_not_handed_in(db: Database) -> None:
    await shelve(db)
    draft = await a_change(db, short="", title=None)
    with pytest.raises(Unreadable) as caught:
        await submitted(db, draft)
    assert [problem.field for problem in caught.value.problems] == ["title", "short"]
    assert (await now_of(db, draft)).stage is Stage.DRAFT


async def test_a_wording_that_leads_elsewhere_keeps_a_draft_from_the_shelves(db: Database) -> None:
    await shelve(db, an_article(), an_article("annen", title="En annen", questions=("hvor ligger legevakta",)))
    mine = {"nb": ["hvem kan tolke", "Hvor ligger legevakta?"]}
    draft = await a_change(db, questions=mine)
    with pytest.raises(Unreadable) as caught:
        await submitted(db, draft)
    (problem,) = caught.value.problems
    assert (problem.field, "annen" in problem.message) == ("questions", True)
    # Another country's wordings are another line's, and one's own are no rival.
    se = an_article("se-annen", "SE", questions=("hvem kan tolke", "noe helt annet"))
    await shelve(db, se)
    draft = (await saved(db, draft, {"questions": {"nb": ["hvem kan tolke i Sverige", "trenger tolk nå"]}})).draft
    assert (await submitted(db, draft)).stage is Stage.IN_REVIEW


async def test_what_was_approved_is_what_was_read(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    changed = (await saved(db, draft, {"short": "Noe helt annet."}, actor=ASHA)).draft
    assert changed.stage is Stage.IN_REVIEW
    async with db.write() as conn:
        with pytest.raises(ChangedMeanwhile):
            await drafts.approve(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW, seen=draft.version)
        await drafts.approve(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW, seen=changed.version)


async def test_whoever_mends_a_draft_in_review_no_longer_approves_it(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    await saved(db, draft, {"title": "Rettet"}, actor=NOOR)
    with pytest.raises(Refused) as caught:
        await approved(db, draft)
    assert caught.value.key == "desk.draft.no.own"


async def test_whoever_hands_it_in_stands_for_it(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await opened(db), actor=KARI, roles=BOTH)  # not a word changed: reviewed again
    with pytest.raises(Refused):
        await approved(db, draft, actor=KARI, roles=BOTH)
    assert (await approved(db, draft)).approved_by == NOOR


async def test_calling_rights_practical_does_not_spare_the_second_person(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db, kind="practical"), roles=BOTH)
    with pytest.raises(Refused) as caught:
        await approved(db, draft, actor=KARI, roles=BOTH)
    assert caught.value.key == "desk.draft.no.own"


async def test_one_person_suffices_for_what_is_practical(db: Database) -> None:
    await shelve(db, drafts.article_of_body({**body_of(an_article()), "kind": "practical"}))
    draft = await submitted(db, await a_change(db), roles=BOTH)
    draft = await approved(db, draft, actor=KARI, roles=BOTH)
    await gated(db, draft)
    assert (await published(db, draft, actor=KARI, roles=BOTH)).revision == 2


@pytest.mark.parametrize("words", ["Gjelder 01010750160.", "pasient 010107 50160, ny i dag", "DUF-nummer 201412345601"])
async def test_nobodys_identity_number_gets_into_a_draft_or_a_remark(db: Database, words: str) -> None:
    await shelve(db)
    draft = await opened(db)
    for fields in ({"details": words}, {"questions": {"nb": [words]}}, {"sources": [{"title": words}]}):
        with pytest.raises(BadInput) as caught:
            await saved(db, draft, fields)
        assert caught.value.key == "desk.draft.somebody"
    async with db.write() as conn:
        with pytest.raises(BadInput):
            await drafts.comment(conn, draft.id, text=words, actor=KARI, now=NOW)
        with pytest.raises(BadInput):
            await drafts.abandon(conn, draft.id, reason=words, actor=KARI, roles=EDITOR, now=NOW)
    async with db.read() as conn:
        assert await drafts.saves(conn, draft.id) == []
    await saved(db, draft, {"details": "Ring 21 07 70 10 eller 800 40 008, dag 1-30."})


async def test_what_ships_can_be_written_in() -> None:
    for article in load_articles(content_folder() / "articles"):
        drafts._checked(body_of(article))


async def test_the_wordings_on_the_shelves_are_compared_without_being_read_anew(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = replace(an_article("annet"), questions=(Wording(Language.NB, "hvor er apoteket"),))
    await shelve(db, an_article(), elsewhere)
    read: list[str] = []

    def counting(text: str) -> str:
        read.append(text)
        return wording_key(text)

    monkeypatch.setattr(drafts, "wording_key", counting)
    draft = await a_change(db, questions={"nb": ["hvor er apoteket"]})
    for _ in range(3):
        read.clear()
        with pytest.raises(Unreadable) as caught:
            await submitted(db, draft)
        assert '"annet"' in caught.value.problems[0].message
    assert read.count("hvor er apoteket") == 1  # in the draft


async def test_a_new_article_is_read_by_two_whatever_its_author_calls_it(db: Database) -> None:
    body = {**body_of(an_article()), "kind": "practical"}
    async with db.write() as conn:
        draft = await drafts.new_draft(
            conn, article_id="ny-rettighet", country=Country.NO, actor=KARI, now=NOW, body=body
        )
    draft = await submitted(db, draft, roles=BOTH)
    with pytest.raises(Refused) as caught:
        await approved(db, draft, actor=KARI, roles=BOTH)
    assert caught.value.key == "desk.draft.no.own"
    assert (await approved(db, draft)).approved_by == NOOR


async def test_what_is_practical_is_read_by_two_when_it_comes_to_rest_on_other_law(db: Database) -> None:
    await shelve(db, drafts.article_of_body({**body_of(an_article()), "kind": "practical"}))
    law = [{"ref": "straffeloven § 257", "text_read": True}]
    draft = await submitted(db, await a_change(db, law_refs=law), roles=BOTH)
    with pytest.raises(Refused) as caught:
        await approved(db, draft, actor=KARI, roles=BOTH)
    assert caught.value.key == "desk.draft.no.own"


async def test_sending_back_takes_the_approval_and_says_why(db: Database) -> None:
    await shelve(db)
    draft = await ready(db)
    async with db.write() as conn:
        await drafts.schedule(conn, draft.id, at=LATER, actor=NOOR, roles=REVIEWER, now=NOW)
        back = await drafts.send_back(conn, draft.id, reason="Kilden mangler.", actor=NOOR, roles=REVIEWER, now=NOW)
    assert (back.stage, back.note, back.approved_by, back.publish_at) == (Stage.DRAFT, "Kilden mangler.", None, None)
    async with db.read() as conn:
        newest = (await drafts.events(conn, "tolk-rett"))[0]
        (entry,) = await audit.entries(conn, subject="article:tolk-rett", limit=1)
    assert (newest.what, newest.details["reason"]) == ("draft_sent_back", "Kilden mangler.")
    assert "Kilden" not in str(entry.details)  # the trail holds nobody's words


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001, "\x00"])
async def test_a_reason_is_asked_for(db: Database, reason: str) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        with pytest.raises(BadInput):
            await drafts.send_back(conn, draft.id, reason=reason, actor=NOOR, roles=REVIEWER, now=NOW)


async def test_an_abandoned_draft_makes_room_for_another_and_keeps_its_words(db: Database) -> None:
    await shelve(db)
    draft = await a_change(db, title="Det første")
    async with db.write() as conn:
        await drafts.abandon(conn, draft.id, actor=KARI, roles=EDITOR, now=NOW, reason="Ikke nå.")
    second = await opened(db)
    assert second.id != draft.id
    assert (await now_of(db, draft)).body["title"] == "Det første"
    async with db.read() as conn:
        assert [one.id for one in await drafts.list_drafts(conn, stages=list(Stage))] == [second.id, draft.id]


async def test_an_old_revision_comes_back_as_a_draft(db: Database) -> None:
    await shelve(db)
    await published(db, await ready(db, title="Nyere"))
    async with db.write() as conn:
        draft = await drafts.restore(conn, "tolk-rett", 1, actor=ASHA, roles=EDITOR, now=NOW)
    assert (draft.body["title"], draft.base, draft.restored, draft.authors) == (
        "Må vi bruke tolk?",
        2,
        1,
        frozenset({ASHA}),
    )
    draft = await approved(db, await submitted(db, draft, actor=ASHA))
    await gated(db, draft)
    assert (await published(db, draft)).revision == 3
    assert (await shelf(db))["tolk-rett"] == replace(an_article(), revision=3)
    async with db.read() as conn:
        assert [one.article.title for one in await store.history(conn, "tolk-rett")] == [
            "Må vi bruke tolk?",
            "Nyere",
            "Må vi bruke tolk?",
        ]


async def test_restoring_does_not_touch_a_draft_that_is_open(db: Database) -> None:
    await shelve(db)
    draft = await opened(db)
    async with db.write() as conn:
        with pytest.raises(AlreadyThere) as caught:
            await drafts.restore(conn, "tolk-rett", 1, actor=ASHA, roles=EDITOR, now=NOW)
        with pytest.raises(NoSuchDraft):
            await drafts.abandon(conn, draft.id, actor=KARI, roles=EDITOR, now=NOW)
            await drafts.restore(conn, "tolk-rett", 9, actor=ASHA, roles=EDITOR, now=NOW)
    assert caught.value.draft_id == draft.id


async def test_a_retired_article_leaves_the_shelves_and_a_draft_brings_it_back(db: Database) -> None:
    await shelve(db)
    async with db.write() as conn:
        gone = await drafts.retire(conn, "tolk-rett", reason="Loven er opphevet.", actor=NOOR, roles=REVIEWER, now=NOW)
    assert gone.published is None
    assert await shelf(db) == {}
    async with db.write() as conn:
        with pytest.raises(NoSuchDraft):
            await drafts.retire(conn, "tolk-rett", reason="Igjen.", actor=NOOR, roles=REVIEWER, now=NOW)
    async with db.read() as conn:
        assert len(await store.history(conn, "tolk-rett")) == 1
        event = (await drafts.events(conn, "tolk-rett"))[0]
    assert (event.actor, event.what, event.details["reason"]) == (NOOR, "article_retired", "Loven er opphevet.")
    await published(db, await ready(db))
    assert (await shelf(db))["tolk-rett"].revision == 2


@pytest.mark.parametrize("role", [Role.EDITOR, Role.ADVISOR, Role.ADMINISTRATOR])
async def test_only_a_reviewer_retires(db: Database, role: Role) -> None:
    await shelve(db)
    async with db.write() as conn:
        with pytest.raises(Refused):
            await drafts.retire(conn, "tolk-rett", reason="Nei.", actor=KARI, roles={role}, now=NOW)
    assert "tolk-rett" in await shelf(db)


async def test_an_article_published_anew_meanwhile_is_not_overwritten(db: Database) -> None:
    await shelve(db)
    draft = await ready(db, title="Fra utkastet")
    await shelve(db, an_article(title="Fra en import", details="Ny detalj."))
    await gated(db, draft)
    with pytest.raises(ChangedMeanwhile) as caught:
        await published(db, draft)
    assert caught.value.key == "desk.draft.no.moved"
    assert (await shelf(db))["tolk-rett"].title == "Fra en import"
    async with db.write() as conn:
        await drafts.send_back(conn, draft.id, reason="Flytt.", actor=NOOR, roles=REVIEWER, now=NOW)
        moved = await drafts.rebase(conn, draft.id, actor=KARI, now=NOW)
    assert moved.merged == ("title",)  # both changed it; the writer is told
    assert (moved.draft.body["title"], moved.draft.body["details"]) == ("Fra utkastet", "Ny detalj.")
    draft = await approved(db, await submitted(db, moved.draft))
    await gated(db, draft)
    assert (await published(db, draft)).revision == 3


# --- the gate ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_published_untested(db: Database) -> None:
    await shelve(db)
    draft = await approved(db, await submitted(db, await a_change(db)))
    with pytest.raises(NotTested) as caught:
        await published(db, draft)
    assert caught.value.run is not None  # handing in has wanted it already
    assert (await shelf(db))["tolk-rett"].revision == 1


async def test_a_run_counts_for_this_version_of_the_draft_only(db: Database) -> None:
    await shelve(db)
    draft = await a_change(db)
    await gated(db, draft)
    await saved(db, draft, {"title": "Senere"})
    draft = await approved(db, await submitted(db, draft))
    with pytest.raises(NotTested):
        await published(db, draft)


async def test_a_run_counts_for_these_shelves_only(db: Database) -> None:
    await shelve(db)
    draft = await ready(db)
    await shelve(db, an_article("annen", title="En annen"))
    with pytest.raises(NotTested):
        await published(db, draft)
    await gated(db, draft)
    await published(db, draft)


async def test_a_blocked_draft_is_published_once_two_have_said_so(db: Database) -> None:
    await shelve(db)
    draft = await approved(db, await submitted(db, await a_change(db)))
    run = await gated(db, draft, BAD)
    assert run.report == BAD
    with pytest.raises(Blocked) as caught:
        await published(db, draft)
    assert caught.value.run.report is not None
    assert caught.value.run.report.failed == ("norge",)
    async with db.write() as conn:
        asked = await drafts.ask_override(conn, draft.id, reason="Haster.", actor=KARI, roles=EDITOR, now=NOW)
        assert not asked.holds
    with pytest.raises(Blocked):
        await published(db, draft)
    async with db.write() as conn:
        for actor, roles in ((KARI, REVIEWER), (ASHA, EDITOR)):
            with pytest.raises(Refused):
                await drafts.confirm_override(conn, draft.id, actor=actor, roles=roles, now=NOW)
        assert (await drafts.confirm_override(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW)).holds
    assert (await published(db, draft)).revision == 2
    assert [what for what in await happened(db) if "override" in what] == [
        "gate_override_asked",
        "gate_override_confirmed",
    ]


async def test_an_override_dies_with_the_version_it_was_for(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    await gated(db, draft, BAD)
    async with db.write() as conn:
        await drafts.ask_override(conn, draft.id, reason="Haster.", actor=KARI, roles=EDITOR, now=NOW)
        await drafts.confirm_override(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW)
    draft = (await saved(db, draft, {"title": "Endret etterpå"})).draft
    draft = await approved(db, draft)
    await gated(db, draft, BAD)
    with pytest.raises(Blocked):
        await published(db, draft)


async def test_only_what_is_blocked_can_be_overridden(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        with pytest.raises(Refused):  # not tested yet
            await drafts.ask_override(conn, draft.id, reason="Haster.", actor=KARI, roles=EDITOR, now=NOW)
    await gated(db, draft, GOOD)
    async with db.write() as conn:
        with pytest.raises(Refused) as caught:
            await drafts.ask_override(conn, draft.id, reason="Haster.", actor=KARI, roles=EDITOR, now=NOW)
        with pytest.raises(NoSuchDraft):
            await drafts.confirm_override(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW)
    assert caught.value.key == "desk.draft.no.not_blocked"


# --- set times --------------------------------------------------------------------------------------------------------


async def scheduled(db: Database) -> drafts.Draft:
    await shelve(db)
    draft = await ready(db)
    async with db.write() as conn:
        return await drafts.schedule(conn, draft.id, at=LATER, actor=NOOR, roles=REVIEWER, now=NOW)


async def tick(db: Database, now: Any) -> int:
    async with db.write() as conn:
        return await drafts.tick(conn, now)


async def test_a_set_time_publishes_and_not_before(db: Database) -> None:
    draft = await scheduled(db)
    async with db.read() as conn:
        assert await drafts.next_due(conn) == LATER
    assert await tick(db, LATER - timedelta(seconds=1)) == 0
    assert (await now_of(db, draft)).stage is Stage.APPROVED
    assert await tick(db, LATER) == 1
    assert (await now_of(db, draft)).revision == 2
    assert await tick(db, LATER) == 0
    async with db.read() as conn:
        newest = (await store.history(conn, "tolk-rett"))[0]
        event = (await drafts.events(conn, "tolk-rett"))[0]
        assert await drafts.next_due(conn) is None
    assert (newest.author, newest.approver, event.actor, event.what) == (KARI, NOOR, "line", "article_published")


async def test_two_processes_publish_once(database_url: str) -> None:
    first, second = Database.connect(database_url), Database.connect(database_url)
    try:
        await scheduled(first)
        assert sum(await asyncio.gather(tick(first, LATER), tick(second, LATER))) == 1
        async with second.read() as conn:
            assert len(await store.history(conn, "tolk-rett")) == 2
    finally:
        await first.dispose()
        await second.dispose()


async def test_shelves_that_moved_are_asked_anew_before_a_set_time_publishes(db: Database) -> None:
    draft = await scheduled(db)
    await shelve(db, an_article("annen", title="En annen"))
    assert await tick(db, LATER) == 0
    async with db.read() as conn:
        run = await drafts.gate_run_of(conn, draft)
        assert run is not None  # wanted by the line itself
        assert await drafts.next_due(conn) == LATER + timedelta(seconds=30)  # and it does not ask all the time
    await gated(db, draft, GOOD, LATER)
    assert await tick(db, LATER) == 1
    assert (await now_of(db, draft)).revision == 2


async def test_a_set_time_that_the_gate_blocks_is_taken_away_and_says_why(db: Database) -> None:
    draft = await scheduled(db)
    await shelve(db, an_article("annen", title="En annen"))
    await gated(db, draft, BAD, LATER)
    assert await tick(db, LATER) == 0
    left = await now_of(db, draft)
    assert (left.stage, left.publish_at, left.note) == (Stage.APPROVED, None, "desk.draft.no.blocked")
    assert (await happened(db))[-1] == "draft_not_published"
    assert await tick(db, LATER) == 0


async def test_a_retired_article_does_not_come_back_by_the_clock(db: Database) -> None:
    draft = await scheduled(db)
    async with db.write() as conn:
        await drafts.retire(conn, "tolk-rett", reason="Opphevet.", actor=NOOR, roles=REVIEWER, now=NOW)
    assert await tick(db, LATER) == 0
    assert await shelf(db) == {}
    assert (await now_of(db, draft)).publish_at is None


async def test_a_set_time_publishes_no_rights_that_one_person_approved_alone(db: Database) -> None:
    await shelve(db, an_article(details="Bestil tolk."))
    draft = await a_change(db, details="Bestill tolk.")
    async with db.write() as conn:
        await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)
    draft = await approved(db, await submitted(db, draft, roles=BOTH), actor=KARI, roles=BOTH)
    await gated(db, draft)
    async with db.write() as conn:
        await drafts.schedule(conn, draft.id, at=LATER, actor=KARI, roles=BOTH, now=NOW)
        await drafts.mark_small(conn, draft.id, small=False, actor=KARI, now=NOW)
    assert await tick(db, LATER) == 0
    assert (await now_of(db, draft)).note == "desk.draft.no.approved_by_author"
    async with db.write() as conn:  # with its mark it may, and is listed
        await drafts.mark_small(conn, draft.id, actor=KARI, now=LATER)
        again = LATER + timedelta(hours=1)
        await drafts.schedule(conn, draft.id, at=again, actor=KARI, roles=BOTH, now=LATER)
    assert await tick(db, again) == 1
    async with db.read() as conn:
        assert [change.by for change in await drafts.small_changes(conn)] == [KARI]


async def test_an_unset_time_publishes_nothing(db: Database) -> None:
    draft = await scheduled(db)
    async with db.write() as conn:
        await drafts.unschedule(conn, draft.id, actor=NOOR, roles=REVIEWER, now=NOW)
    assert await tick(db, LATER) == 0
    assert (await now_of(db, draft)).stage is Stage.APPROVED


@pytest.mark.parametrize("at", [NOW, NOW - timedelta(days=1), NOW + timedelta(days=400)])
async def test_a_time_that_has_passed_or_is_far_off_is_refused(db: Database, at: Any) -> None:
    await shelve(db)
    draft = await ready(db)
    async with db.write() as conn:
        with pytest.raises(BadInput):
            await drafts.schedule(conn, draft.id, at=at, actor=NOOR, roles=REVIEWER, now=NOW)


# --- small changes ----------------------------------------------------------------------------------------------------


async def test_an_editor_publishes_a_small_change_alone_and_it_is_listed(db: Database) -> None:
    await shelve(db, an_article(details="Bestil tolk før samtalen."))
    draft = await a_change(db, details="Bestill tolk før samtalen.")
    async with db.write() as conn:
        assert (await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)).small
    await gated(db, draft)
    assert (await published(db, draft, actor=KARI, roles=EDITOR)).revision == 2
    async with db.write() as conn:
        (change,) = await drafts.small_changes(conn)
        assert (change.article_id, change.number, change.by) == ("tolk-rett", 2, KARI)
        for actor, roles in ((KARI, BOTH), (ASHA, EDITOR)):
            with pytest.raises(Refused):
                await drafts.review_small_change(conn, change.id, actor=actor, roles=roles, now=NOW)
        assert await drafts.review_small_change(conn, change.id, actor=NOOR, roles=REVIEWER, now=LATER)
        assert not await drafts.review_small_change(conn, change.id, actor=NOOR, roles=REVIEWER, now=LATER)
        assert await drafts.small_changes(conn) == []
        assert [one.reviewed_by for one in await drafts.small_changes(conn, reviewed=True)] == [NOOR]
        assert [one.small for one in await store.history(conn, "tolk-rett")] == [True, False]


@pytest.mark.parametrize(
    ("before", "after"),
    [("Frist 45 dager.", "Frist 30 dager."), ("Ikke ring.", "Ring."), ("Se § 6.", "Se § 7.")],
)
async def test_what_is_not_small_is_not_marked_so(db: Database, before: str, after: str) -> None:
    await shelve(db, an_article(details=before))
    draft = await a_change(db, details=after)
    async with db.write() as conn:
        with pytest.raises(Refused) as caught:
            await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)
    assert caught.value.key.startswith("desk.draft.small.")


async def test_a_mark_does_not_outlive_what_made_the_change_small(db: Database) -> None:
    await shelve(db, an_article(details="Bestil tolk innen 45 dager."))
    draft = await a_change(db, details="Bestill tolk innen 45 dager.")
    async with db.write() as conn:
        await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)
    draft = (await saved(db, draft, {"details": "Bestill tolk innen 30 dager."})).draft
    await gated(db, draft)
    with pytest.raises(Refused):
        await published(db, draft, actor=KARI, roles=EDITOR)
    assert (await shelf(db))["tolk-rett"].revision == 1


async def test_a_word_that_other_articles_use_is_not_a_misspelling(db: Database) -> None:
    others = [an_article(f"a-{n}", title=f"T {n}", details="Dette er et unntak.") for n in range(2)]
    await shelve(db, an_article(details="Det gjelder unntak."), *others)
    draft = await a_change(db, details="Det gjelder inntak.")
    async with db.write() as conn:
        with pytest.raises(Refused) as caught:
            await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)
    assert caught.value.key == "desk.draft.small.words"


async def test_a_small_change_still_meets_the_gate(db: Database) -> None:
    await shelve(db, an_article(details="Bestil tolk."))
    draft = await a_change(db, details="Bestill tolk.")
    async with db.write() as conn:
        await drafts.mark_small(conn, draft.id, actor=KARI, now=NOW)
    with pytest.raises(NotTested):
        await published(db, draft, actor=KARI, roles=EDITOR)


# --- comments ---------------------------------------------------------------------------------------------------------


async def test_comments_are_made_and_dealt_with(db: Database) -> None:
    await shelve(db)
    draft = await submitted(db, await a_change(db))
    async with db.write() as conn:
        made = await drafts.comment(conn, draft.id, field="short", text=" Hvilken lov? ", actor=NOOR, now=NOW)
        await drafts.comment(conn, draft.id, text="Fint ellers.", actor=NOOR, now=NOW)
        done = await drafts.resolve_comment(conn, made.id, actor=KARI, now=LATER)
        again = await drafts.resolve_comment(conn, made.id, actor=ASHA, now=LATER)
    assert (made.field, made.text, done.resolved_by, again.resolved_by) == ("short", "Hvilken lov?", KARI, KARI)
    async with db.read() as conn:
        assert [one.resolved_at is None for one in await drafts.comments(conn, draft.id)] == [False, True]
    assert (await happened(db)).count("draft_comment_resolved") == 1


@pytest.mark.parametrize(("field", "text"), [("", "  "), ("short", "x" * 4001), ("heading", "Hva?")])
async def test_an_empty_or_endless_comment_is_refused(db: Database, field: str, text: str) -> None:
    await shelve(db)
    draft = await opened(db)
    async with db.write() as conn:
        with pytest.raises(BadInput):
            await drafts.comment(conn, draft.id, field=field, text=text, actor=NOOR, now=NOW)


async def test_saves_and_comments_of_a_closed_draft_are_forgotten_in_time(db: Database) -> None:
    await shelve(db)
    draft = await ready(db)
    async with db.write() as conn:
        await drafts.comment(conn, draft.id, text="Fint.", actor=NOOR, now=NOW)
    await published(db, draft)
    kept_until = NOW + drafts.KEPT_FOR
    async with db.write() as conn:
        assert await drafts.forget_closed(conn, kept_until) == 0
        assert await drafts.forget_closed(conn, kept_until + timedelta(seconds=1)) == 2
        assert await drafts.saves(conn, draft.id) == []
    assert (await now_of(db, draft)).body["short"].startswith("Ja. Bruk tolk.")


async def test_an_open_draft_forgets_nothing(db: Database) -> None:
    await shelve(db)
    draft = await a_change(db)
    async with db.write() as conn:
        assert await drafts.forget_closed(conn, NOW + timedelta(days=3000)) == 0
        assert len(await drafts.saves(conn, draft.id)) == 1


# --- what the database itself refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE article_revision SET author = 'x'", "DELETE FROM article_revision"])
async def test_no_statement_changes_a_revision(db: Database, statement: str) -> None:
    await shelve(db)
    with pytest.raises(Exception, match="never changed"):
        async with db.write() as conn:
            await conn.exec_driver_sql(statement)


def test_every_error_is_said_in_words() -> None:
    phrases = Phrases.load(content_folder() / "phrases")
    keys = [text for text in _keys_in(drafts) + _keys_in(gate_runs) if phrases.has(text) is False]
    assert keys == []
    assert len(_keys_in(drafts)) > 20


def _keys_in(module: Any) -> list[str]:
    source = Path(module.__file__).read_text(encoding="utf-8")
    return re.findall(r'"(desk\.[a-z_.]+)"', source)


async def test_an_error_names_what_its_phrase_says(db: Database) -> None:
    await shelve(db)
    phrases = Phrases.load(content_folder() / "phrases")
    with pytest.raises(BadInput) as caught:
        await saved(db, await opened(db), {"details": "x" * 250_000})
    assert "200" in phrases.say(caught.value.key, Language.NB, **caught.value.values)
