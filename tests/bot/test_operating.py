"""What `varde check` finds: planted faults in content and database, and what is not served by anybody."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.operating import Finding, Severity, bring_in, check_everything
from helpline.content import content_folder

SHIPPED = content_folder()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, with a copy of the content that may be spoilt."""
    shutil.copytree(SHIPPED, tmp_path / "content")
    monkeypatch.setenv("VARDE_CONTENT_DIR", str(tmp_path / "content"))
    monkeypatch.setenv("VARDE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.delenv("VARDE_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoil(path: Path, right: str, wrong: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")


def of(findings: list[Finding], area: str) -> list[str]:
    return [f"{finding.severity.value} {finding.sentence}" for finding in findings if finding.area == area]


async def test_what_ships_has_no_fault_and_says_what_nobody_serves(place: Path) -> None:
    findings = await check_everything()
    assert [finding for finding in findings if finding.severity is Severity.WRONG] == []
    assert of(findings, "articles") == []
    assert 'open No service of SE meets the need "interpreter".' in of(findings, "services")


async def test_a_wrong_number_in_an_article_is_named(place: Path) -> None:
    spoil(place / "content/articles/no/trygt-sted-i-natt.yaml", "Ring ROSA på 22 33 11 60", "Ring ROSA på 22 33 11 61")
    [first, *rest] = of(await check_everything(), "articles")
    assert first.startswith('wrong trygt-sted-i-natt, short: "22 33 11 61" stands in none of the article\'s facts.')
    assert any("translation" in sentence for sentence in rest)


async def test_what_an_editor_published_is_checked_too_and_nothing_is_said_twice(place: Path) -> None:
    own = place / "own"
    own.mkdir()
    text = (SHIPPED / "articles/no/frist-voldserstatning.yaml").read_text(encoding="utf-8")
    (own / "frist-voldserstatning.yaml").write_text(text.replace("er fristen seks måneder", "er fristen åtte måneder"))
    await bring_in("articles", own)
    found = of(await check_everything(), "articles")
    assert any(sentence.startswith('wrong frist-voldserstatning, short: "åtte måneder"') for sentence in found)
    assert len(found) == len(set(found))
