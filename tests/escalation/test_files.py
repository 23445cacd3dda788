"""Rosters and ladders as files: the shipped ones are loaded, and never put in the place of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from escalation import files, store
from escalation.on_duty import who_is_on_call
from helpline.content import ContentError, content_folder
from helpline.database import Database
from tests.escalation.simulator import START, minutes

OWN_ROSTER = """
rosters:
  main:
    zone: Europe/Stockholm
    schedule:
      rules:
        - {target: astrid, from: "08:00", to: "08:00"}
"""


pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # nothing here depends on which it is


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A copy of the shipped files, to be changed."""
    folder = tmp_path / "content"
    folder.mkdir()
    for name in ("ladder.yaml", "roster.yaml"):
        shutil.copy(content_folder() / name, folder / name)
    return folder


async def prepare(db: Database, folder: Path, later: float = 0) -> None:
    async with db.write() as conn:
        await files.prepare(conn, folder, START + minutes(later))


async def versions(db: Database) -> tuple[int, int]:
    async with db.read() as conn:
        ladders = (await conn.execute(store.ladder_versions.select())).all()
        rosters = (await conn.execute(store.roster_versions.select())).all()
    return len(ladders), len(rosters)


async def test_shipped_files_are_loaded_once(db: Database, shipped: Path) -> None:
    await prepare(db, shipped)
    await prepare(db, shipped, 1)
    assert await versions(db) == (1, 1)
    async with db.read() as conn:
        [on_call] = await who_is_on_call(conn, START)
        assert (await store.policy(conn)).starter
    assert on_call.people == ("local",)
    assert on_call.starter


async def test_newer_shipped_files_replace_older_shipped_ones(db: Database, shipped: Path) -> None:
    await prepare(db, shipped)
    for name, old, new in [("ladder.yaml", "retry_minutes: 10", "retry_minutes: 9"), ("roster.yaml", "local", "eva")]:
        path = shipped / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    await prepare(db, shipped, 1)
    assert await versions(db) == (2, 2)
    async with db.read() as conn:
        [on_call] = await who_is_on_call(conn, START + minutes(1))
    assert on_call.people == ("eva",)


async def test_ones_own_are_never_overwritten(db: Database, shipped: Path, tmp_path: Path) -> None:
    await prepare(db, shipped)
    own = tmp_path / "own.yaml"
    own.write_text(OWN_ROSTER, encoding="utf-8")
    async with db.write() as conn:
        assert await files.import_rosters(conn, own, START, saved_by="maja") == ["main"]
        text = (shipped / "ladder.yaml").read_text(encoding="utf-8").replace("starter: true", "starter: false")
        own.write_text(text, encoding="utf-8")
        await files.import_ladders(conn, own, START, saved_by="maja")
    (shipped / "roster.yaml").write_text(OWN_ROSTER.replace("astrid", "somebody"), encoding="utf-8")
    await prepare(db, shipped, 1)
    async with db.read() as conn:
        [on_call] = await who_is_on_call(conn, START + minutes(1))
        assert not (await store.policy(conn)).starter
    assert on_call.people == ("astrid",)
    assert await versions(db) == (2, 2)


async def test_what_is_exported_can_be_imported(db: Database, shipped: Path, tmp_path: Path) -> None:
    await prepare(db, shipped)
    async with db.write() as conn:
        for write, read, name in [
            (files.export_rosters(conn, START), files.read_rosters, "rosters.yaml"),
            (files.export_ladders(conn), files.read_ladders, "ladders.yaml"),
        ]:
            path = tmp_path / name
            path.write_text(await write, encoding="utf-8")
            assert read(path)
        assert files.read_rosters(tmp_path / "rosters.yaml") == files.read_rosters(shipped / "roster.yaml")
        assert files.read_ladders(tmp_path / "ladders.yaml")[0] == files.read_ladders(shipped / "ladder.yaml")[0]


async def test_without_a_last_resort_nothing_starts(db: Database, shipped: Path) -> None:
    path = shipped / "ladder.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("last_resort:")
    path.write_text(text[:start] + text[text.index("ladders:") :], encoding="utf-8")
    with pytest.raises(ContentError, match='The key "last_resort" is missing'):
        await prepare(db, shipped)
    assert await versions(db) == (0, 0)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("zone: Europe/Oslo", "zone: Norway/Oslo", 'roster.yaml:9: There is no time zone "Norway/Oslo"'),
        ("target: local", "target: rotation:week", 'There is no rotation "week"'),
        ("rules:", "rule:", 'Did you mean "rules"?'),
    ],
)
async def test_typo_in_a_roster_stops_the_start(db: Database, shipped: Path, old: str, new: str, sentence: str) -> None:
    path = shipped / "roster.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ContentError) as refusal:
        await prepare(db, shipped)
    assert sentence in str(refusal.value)


async def test_languages_and_the_fallback_are_kept(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "roster.yaml"
    beside = "zone: Europe/Stockholm\n    languages: [sv, en]\n    fallback: next_step"
    path.write_text(OWN_ROSTER.replace("zone: Europe/Stockholm", beside), encoding="utf-8")
    async with db.write() as conn:
        await files.import_rosters(conn, path, START, saved_by="maja")
        [saved] = (await store.rosters_at(conn, START)).values()
        assert (saved.languages, saved.fallback) == (("sv", "en"), "next_step")
        written = await files.export_rosters(conn, START)
    known = files.read_rosters(path)
    path.write_text(written, encoding="utf-8")
    assert files.read_rosters(path) == known
    path.write_text(OWN_ROSTER.replace("zone: Europe/Stockholm", "zone: UTC\n    languages: [fi]"), encoding="utf-8")
    with pytest.raises(ContentError):
        files.read_rosters(path)


def test_a_hole_in_a_file_must_say_who_stands_in(tmp_path: Path, dialect: str) -> None:
    path = tmp_path / "roster.yaml"
    path.write_text(OWN_ROSTER, encoding="utf-8")
    files.check_fallbacks(path, START)
    by_day = OWN_ROSTER.replace('to: "08:00"', 'to: "20:00"')
    path.write_text(by_day, encoding="utf-8")
    with pytest.raises(ContentError, match='Name who stands in: "fallback: STAFF-ID"'):
        files.check_fallbacks(path, START)
    path.write_text(by_day.replace("    schedule:", "    fallback: next_step\n    schedule:"), encoding="utf-8")
    files.check_fallbacks(path, START)


def test_roster_that_may_not_stand_is_refused(tmp_path: Path, dialect: str) -> None:
    path = tmp_path / "roster.yaml"
    overrides = """
      overrides:
        - {from: "2026-06-10T08:00Z", to: "2026-06-10T12:00Z", remove: astrid, add: berit}
        - {from: "2026-06-10T10:00Z", to: "2026-06-10T14:00Z", add: berit}
"""
    path.write_text(OWN_ROSTER.rstrip() + overrides, encoding="utf-8")
    with pytest.raises(ContentError, match="Two overrides name berit at the same time"):
        files.read_rosters(path)
