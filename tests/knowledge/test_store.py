"""Articles in the database: revisions that never change, and imports that do what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from helpline import audit
from helpline.content import ContentError
from helpline.database import Database
from knowledge import store
from knowledge.articles import Article, export_folder, fingerprint, load_articles, to_yaml
from tests.knowledge.builders import an_article

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two articles as an editor would hand them in."""
    export_folder([an_article(id="tolk-rett"), an_article(id="se-tolk", country="SE")], tmp_path / "articles")
    return tmp_path / "articles"


def change(folder: Path, article_id: str, **changes: object) -> None:
    articles = {article.id: article for article in load_articles(folder)}
    export_folder([replace(articles[article_id], **changes)], folder)  # type: ignore[arg-type]


async def shelf(db: Database) -> dict[str, Article]:
    async with db.read() as conn:
        return {article.id: article for article in await store.published(conn)}


async def version(db: Database) -> int:
    async with db.read() as conn:
        return await store.version(conn)


async def bring(db: Database, folder: Path, actor: str = "staff:kari", now: datetime = NOW) -> store.Imported:
    async with db.write() as conn:
        return await store.put_articles(conn, store.own_articles(folder), actor=actor, now=now)


async def test_what_is_imported_stands_on_the_shelves_with_its_revision(db: Database, folder: Path) -> None:
    imported = await bring(db, folder)
    assert imported.added == ("se-tolk", "tolk-rett")
    assert await shelf(db) == {article.id: article for article in load_articles(folder)}
    assert {article.revision for article in (await shelf(db)).values()} == {1}


async def test_importing_the_same_again_changes_nothing(db: Database, folder: Path) -> None:
    await bring(db, folder)
    before = await version(db)
    imported = await bring(db, folder, now=LATER)
    assert (imported.added, imported.changed) == ((), ())
    assert await version(db) == before


async def test_a_changed_article_becomes_a_new_revision_and_the_old_one_is_still_there(
    db: Database, folder: Path
) -> None:
    await bring(db, folder)
    before = await version(db)
    change(folder, "tolk-rett", short="Ja, bruk tolk.")
    imported = await bring(db, folder, now=LATER)
    assert imported.changed == ("tolk-rett",)
    assert await version(db) == before + 1
    standing = (await shelf(db))["tolk-rett"]
    assert (standing.revision, standing.short) == (2, "Ja, bruk tolk.")
    async with db.read() as conn:
        first = await store.revision(conn, "tolk-rett", 1)
        past = await store.history(conn, "tolk-rett")
    assert first is not None
    assert first.short == an_article().short
    assert [(one.article.revision, one.author) for one in past] == [(2, "staff:kari"), (1, "staff:kari")]


async def test_an_import_with_one_wrong_file_changes_nothing(db: Database, folder: Path) -> None:
    (folder / "no" / "broken.yaml").write_text("id: broken\n", encoding="utf-8")
    with pytest.raises(ContentError, match=r"broken\.yaml:1"):
        await bring(db, folder)
    assert await shelf(db) == {}


async def test_a_foreign_file_is_not_published(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_text('{"id": "a", "language": "nb", "title": "T", "questions": ["q"], "answer": "A"}\n')
    with pytest.raises(ContentError, match="own form"):
        await bring(db, path)


async def test_shipped_articles_do_not_overwrite_an_editors(db: Database, folder: Path) -> None:
    async with db.write() as conn:
        await store.import_shipped(conn, folder, NOW)
    edited = replace((await shelf(db))["tolk-rett"], title="Tolk, alltid")
    async with db.write() as conn:
        saved = await store.save_article(conn, edited, actor="staff:kari", now=LATER)
    assert saved.revision == 2
    change(folder, "tolk-rett", short="Noe annet.")
    change(folder, "se-tolk", short="Något annat.")
    async with db.write() as conn:
        imported = await store.import_shipped(conn, folder, LATER)
    assert (imported.left, imported.changed) == (("tolk-rett",), ("se-tolk",))
    assert (await shelf(db))["tolk-rett"].title == "Tolk, alltid"
    assert (await shelf(db))["se-tolk"].short == "Något annat."


async def test_two_editors_cannot_overwrite_each_other(db: Database, folder: Path) -> None:
    await bring(db, folder)
    read = (await shelf(db))["tolk-rett"]
    async with db.write() as conn:
        await store.save_article(conn, replace(read, title="Den første"), actor="staff:kari", now=NOW)
    with pytest.raises(store.ChangedMeanwhile):
        async with db.write() as conn:
            await store.save_article(conn, replace(read, title="Den andre"), actor="staff:noor", now=NOW)
    assert (await shelf(db))["tolk-rett"].title == "Den første"


async def test_what_a_restart_would_refuse_is_not_saved(db: Database, folder: Path) -> None:
    await bring(db, folder)
    read = (await shelf(db))["tolk-rett"]
    with pytest.raises(ContentError, match="SMS"):
        async with db.write() as conn:
            await store.save_article(conn, replace(read, short="x" * 221), actor="staff:kari", now=NOW)


async def test_an_article_taken_off_is_gone_from_the_shelves_and_kept_in_history(db: Database, folder: Path) -> None:
    await bring(db, folder, actor=store.SHIPPED)
    before = await version(db)
    async with db.write() as conn:
        assert await store.take_off(conn, "tolk-rett", actor="staff:kari", now=NOW)
        assert not await store.take_off(conn, "tolk-rett", actor="staff:kari", now=NOW)
    assert set(await shelf(db)) == {"se-tolk"}
    assert await version(db) == before + 1
    async with db.read() as conn:
        assert len(await store.history(conn, "tolk-rett")) == 1
    async with db.write() as conn:
        assert "tolk-rett" in (await store.import_shipped(conn, folder, LATER)).left


async def test_export_gives_back_what_was_imported(db: Database, folder: Path, tmp_path: Path) -> None:
    await bring(db, folder)
    async with db.read() as conn:
        assert await store.export_articles(conn, tmp_path / "out") == 2
        assert await store.export_articles(conn, tmp_path / "out.jsonl") == 2
    assert load_articles(tmp_path / "out") == load_articles(folder)
    assert [article.id for article in load_articles(tmp_path / "out.jsonl")] == ["se-tolk", "tolk-rett"]


async def test_an_import_is_one_entry_in_the_trail(db: Database, folder: Path) -> None:
    await bring(db, folder)
    async with db.read() as conn:
        assert await audit.verify(conn) is None
        entries = [entry.action for entry in await audit.entries(conn)]
    assert entries.count("articles_imported") == 1


async def test_a_revision_is_read_once(db: Database, folder: Path) -> None:
    await bring(db, folder)
    first = await shelf(db)
    change(folder, "tolk-rett", short="Ja, bruk tolk.")
    await bring(db, folder, now=LATER)
    second = await shelf(db)
    assert second["se-tolk"] is first["se-tolk"]
    assert second["tolk-rett"] is not first["tolk-rett"]
    assert (second["tolk-rett"].short, second["tolk-rett"].revision) == ("Ja, bruk tolk.", 2)


async def test_what_was_read_of_another_database_is_not_taken_for_ours(
    make_database_url: Callable[[], str], folder: Path
) -> None:
    one, other = Database.connect(make_database_url()), Database.connect(make_database_url())
    try:
        await bring(one, folder)
        change(folder, "tolk-rett", short="Noe annet.")
        await bring(other, folder)
        assert (await shelf(one))["tolk-rett"].short == an_article().short
        assert (await shelf(other))["tolk-rett"].short == "Noe annet."
    finally:
        await one.dispose()
        await other.dispose()


async def test_what_is_read_again_and_again_does_not_pile_up(
    db: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_REMEMBERED", 3)
    for number in range(6):
        change(folder, "tolk-rett", short=f"Ja, {number} ganger.")
        await bring(db, folder, now=LATER)
        assert (await shelf(db))["tolk-rett"].short == f"Ja, {number} ganger."
    assert len(store._read) == 3


async def test_a_revision_of_old_kept_as_yaml_is_still_read(db: Database) -> None:
    article = an_article()
    async with db.write() as conn:
        await conn.execute(insert(store.ArticleRow).values(_row_of_old(article)))
        values: dict[str, object] = {
            "state": "published",
            "body": to_yaml(article),
            "fingerprint": fingerprint(article),
        }
        values |= {"article_id": article.id, "number": 1, "author": "operator", "created_at": NOW}
        await conn.execute(insert(store.ArticleRevisionRow).values(values))
    assert await shelf(db) == {article.id: article}
    async with db.write() as conn:  # and it is the same to an import
        assert (await store.put_articles(conn, [article], actor="operator", now=LATER)).same == (article.id,)


def _row_of_old(article: Article) -> dict[str, object]:
    return {"id": article.id, "country": article.country.value, "published": 1, "latest": 1, "changed_at": NOW}


async def test_what_is_shipped_no_longer_is_offered_for_retiring(db: Database, folder: Path) -> None:
    async with db.write() as conn:
        await store.import_shipped(conn, folder, NOW)
    (folder / "se" / "se-tolk.yaml").unlink()
    async with db.write() as conn:
        assert (await store.import_shipped(conn, folder, LATER)).gone == ("se-tolk",)
        (offered,) = await store.offered_for_retiring(conn)
    assert (offered.id, offered.gone_since) == ("se-tolk", LATER)
    assert "se-tolk" in await shelf(db)  # until a human decides
    export_folder([an_article(id="se-tolk", country="SE")], folder)
    async with db.write() as conn:  # shipped again: nothing is asked any more
        assert (await store.import_shipped(conn, folder, LATER)).gone == ()
        assert await store.offered_for_retiring(conn) == ()


async def test_an_editors_own_article_is_not_offered_for_retiring(db: Database, folder: Path) -> None:
    await bring(db, folder, actor="staff:kari")
    (folder / "se" / "se-tolk.yaml").unlink()
    async with db.write() as conn:
        assert (await store.import_shipped(conn, folder, LATER)).gone == ()
        assert await store.offered_for_retiring(conn) == ()


async def test_a_plan_tells_what_an_import_would_do_and_does_nothing(db: Database, folder: Path) -> None:
    await bring(db, folder)
    before = await version(db)
    new = [an_article(title="Nytt navn"), an_article("helt-ny", title="Ny", questions=("noe", "annet"))]
    async with db.read() as conn:
        plan, was = await store.plan_import(conn, [*new, (await shelf(db))["se-tolk"]])
    assert (plan.added, plan.changed, plan.same) == (("helt-ny",), ("tolk-rett",), ("se-tolk",))
    assert was == {"tolk-rett": an_article()}
    assert await version(db) == before


async def test_progress_is_told_to_its_end(db: Database) -> None:
    articles = [an_article(f"a-{number}", title=f"T {number}", questions=(f"q {number}",)) for number in range(1203)]
    told: list[tuple[int, int]] = []
    async with db.write() as conn:
        await store.put_articles(conn, articles, actor="operator", now=NOW, progress=lambda *far: told.append(far))
    assert told == [(500, 1203), (1000, 1203), (1203, 1203)]
    assert len(await shelf(db)) == 1203
