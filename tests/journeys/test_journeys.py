"""Whole conversations, played through the front door: see `scripts/README.md` for the language they are written in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.journeys.script import all_scripts, read_script
from tests.journeys.stage import Prepared, Stage

SCRIPTS = all_scripts()
# Every script on SQLite, and every second one on PostgreSQL too, where each costs a database.
PLAYED = [("sqlite", path) for path in SCRIPTS] + [("postgresql", path) for path in SCRIPTS[1::2]]


@pytest.mark.parametrize(
    ("dialect", "path"), PLAYED, indirect=["dialect"], ids=[f"{dialect}-{path.stem}" for dialect, path in PLAYED]
)
async def test_journey(path: Path, prepared: Prepared, heard: io.StringIO) -> None:
    stumbled = await Stage(read_script(path), prepared, heard).play()
    if stumbled:
        pytest.fail(stumbled, pytrace=False)


def test_there_are_scripts_and_each_has_a_number_and_a_title_of_its_own() -> None:
    titles = [read_script(path).title for path in SCRIPTS]
    assert len(SCRIPTS) >= 40
    assert len({path.stem.partition("-")[0] for path in SCRIPTS}) == len(SCRIPTS) == len(set(titles))
