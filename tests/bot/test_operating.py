"""What `varde check` finds: planted faults in content and database, and what is not served by anybody."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.operating import Finding, Severity, bring_in, check_everything, open_house, take_out
from escalation import auditor_store
from escalation.auditor import Fault, What
from helpline.content import content_folder
from helpline.database import Database
from knowledge import store
from routing.store import read_organisation_files
from tests.conftest import NINE

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


async def test_questions_that_expect_what_is_not_there_are_named(place: Path) -> None:
    spoil(place / "content/questions/norge.yaml", "expected: [trygt-sted-i-natt]", "expected: [trygt-sted]")
    found = of(await check_everything(), "questions")
    assert found
    assert all(sentence.endswith("expects trygt-sted, and no article is called so.") for sentence in found)


async def test_what_no_longer_comes_with_the_program_is_named(place: Path) -> None:
    await bring_in("articles", SHIPPED / "articles/no/transport.yaml")  # there is a database now
    db = Database.connect(f"sqlite:///{place / 'var' / 'varde.db'}")
    async with db.write() as conn:
        await store.import_shipped(conn, SHIPPED / "articles", NINE)
    (place / "content/articles/no/transport.yaml").unlink()
    (place / "content/articles/se/se-tut.yaml").unlink()
    async with db.write() as conn:
        await store.import_shipped(conn, place / "content/articles", NINE)
    await db.dispose()
    named = [sentence for sentence in of(await check_everything(), "articles") if "no longer comes" in sentence]
    # The operator brought the other one in, so it is theirs.
    assert named == ["open se-tut no longer comes with the program; retire it, or publish a revision of your own."]


async def test_who_is_behind_the_services_goes_out_to_files_and_comes_in_again(place: Path) -> None:
    folder = place / "out"
    assert await take_out("organisations", folder) == (
        f"{len(read_organisation_files(folder))} organisations written to "
        f"{folder / 'organisations-no.yaml'}, {folder / 'organisations-se.yaml'}."
    )
    spoil(folder / "organisations-no.yaml", "name: Caritas", "name: Caritas Norge")
    assert (await bring_in("organisations", folder / "organisations-no.yaml")).startswith("27 organisations added")


async def test_what_the_auditor_found_and_that_nobody_outside_listens_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert any("VARDE_HEARTBEAT_URL is not set" in sentence for sentence in of(await check_everything(), "settings"))
    monkeypatch.setenv("VARDE_HEARTBEAT_URL", "https://pings.example/ping/key")
    assert not any("HEARTBEAT" in sentence for sentence in of(await check_everything(), "settings"))
    assert of(await check_everything(), "auditor") == []
    async with open_house() as house, house.db.write() as conn:
        fault = Fault("twilio", What.PROVIDER_FAILS)
        await auditor_store.file_fault(conn, fault, NINE, healed=False)
    assert of(await check_everything(), "auditor") == ["wrong twilio: provider fails, since 2026-11-22T09:00:00Z."]


async def test_that_nobody_can_be_called_is_said_until_there_is_a_number(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calls(sentences: list[str]) -> list[str]:
        return [sentence for sentence in sentences if " call is off" in sentence]

    assert len(calls(of(await check_everything(), "settings"))) == 1
    monkeypatch.setenv("VARDE_PUBLIC_URL", "https://varde.example")
    monkeypatch.setenv("VARDE_TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("VARDE_TWILIO_AUTH_TOKEN", "invented")
    monkeypatch.setenv("VARDE_TWILIO_WHATSAPP_NUMBER", "+15005550006")
    assert len(calls(of(await check_everything(), "settings"))) == 1, "WhatsApp alone cannot call"
    monkeypatch.setenv("VARDE_TWILIO_NUMBER", "+15005550006")
    assert calls(of(await check_everything(), "settings")) == []
