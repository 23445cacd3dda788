"""`varde import articles`: what would change is shown first, all or nothing is brought in, and it comes out again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot import bulk
from bot.cli import Usage, app
from helpline.content import ContentError
from helpline.database import Database
from knowledge import store
from knowledge.articles import export_folder, export_lines, load_articles
from tests.bot.test_cli import lines, varde
from tests.conftest import NINE
from tests.knowledge.builders import an_article

TWO = (an_article("annen", title="En annen", questions=("hvor ligger legevakta", "kor er legevakta")), an_article())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_folder(TWO, tmp_path / "articles")
    return tmp_path / "articles"


@pytest.fixture
def ours(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings of an operator who uses this database."""
    monkeypatch.setenv("VARDE_DATABASE_URL", database_url)
    monkeypatch.setenv("VARDE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("VARDE_SECRET_KEY", base64.b64encode(bytes(range(32))).decode())
    return database_url


async def bring(url: str, path: Path) -> store.Imported:
    db = Database.connect(url)
    try:
        return await bulk.bring_articles(db, path, actor="operator", now=NINE)
    finally:
        await db.dispose()


async def test_a_dry_run_shows_what_would_change_and_changes_nothing(ours: str, folder: Path) -> None:
    assert (await bring(ours, folder)).added == ("annen", "tolk-rett")
    (folder / "no" / "annen.yaml").unlink()
    export_folder([an_article(title="Tolk, alltid"), an_article("ny", title="Ny", questions=("a", "b"))], folder)
    for _ in range(2):  # the second time it says the same
        plan = await bulk.plan_articles(folder)
        found = {result["id"]: result for result in plan.results()}
        assert {name: result["what"] for name, result in found.items()} == {
            "ny": "added",
            "tolk-rett": "changed",
            "annen": "stays",
        }
        (field,) = found["tolk-rett"]["fields"]
        assert field["field"] == "title"
        assert {"kind": "added", "text": "alltid"} in field["parts"]
    told = list(plan.lines())
    assert told[:2] == ["+ ny: Ny", "~ tolk-rett: Tolk, alltid"]
    assert "{+alltid+}" in told[2]
    assert plan.summary().startswith("1 articles would be added, 1 changed, 0 as they are; 1 on the shelves")


@pytest.mark.parametrize("write", [export_folder, export_lines])
async def test_what_goes_out_comes_in_again_unchanged(
    ours: str, folder: Path, tmp_path: Path, write: Callable[..., int]
) -> None:
    await bring(ours, folder)
    out = tmp_path / ("out.jsonl" if write is export_lines else "out")
    db = Database.connect(ours)
    async with db.read() as conn:
        assert await store.export_articles(conn, out) == 2
    await db.dispose()
    assert load_articles(out) == TWO
    again = await bring(ours, out)
    assert (again.added, again.changed, len(again.same)) == ((), (), 2)


async def test_one_wrong_article_among_many_changes_nothing(ours: str, tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    many = [an_article(f"a-{number}", questions=(f"spørsmål {number}",)) for number in range(20)]
    export_lines(many, path)
    wrong = json.loads(path.read_text(encoding="utf-8").splitlines()[0]) | {"id": "feil", "short": "x" * 400}
    with path.open("a", encoding="utf-8") as more:
        more.write(json.dumps(wrong) + "\n")
    with pytest.raises(ContentError, match=r"l\.jsonl:21"):
        await bring(ours, path)
    db = Database.connect(ours)
    async with db.read() as conn:
        assert await store.published(conn) == ()
    await db.dispose()


def test_a_dry_run_before_there_is_a_database_makes_none(tmp_path: Path, folder: Path) -> None:
    ran = varde(tmp_path, "import", "articles", str(folder), "--dry-run", "--json")
    assert [(line["id"], line["what"]) for line in lines(ran)] == [("annen", "added"), ("tolk-rett", "added")]
    assert "2 articles would be added" in ran.stderr
    assert not (tmp_path / "var" / "varde.db").exists()


@pytest.mark.parametrize("arguments", [("roster", "--dry-run"), ("articles", "--json"), ("services", "--json")])
def test_what_makes_no_sense_is_wrong_usage(folder: Path, arguments: tuple[str, str]) -> None:
    what, option = arguments
    assert isinstance(CliRunner().invoke(app, ["import", what, str(folder), option]).exception, Usage)
