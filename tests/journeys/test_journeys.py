"""Whole conversations, played through the front door: see `scripts/README.md` for the language they are written in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.journeys.script import all_scripts, read_script
from tests.journeys.stage import Prepared, Stage


@pytest.mark.parametrize("path", all_scripts(), ids=lambda path: path.stem)
async def test_journey(path: Path, prepared: Prepared, heard: io.StringIO) -> None:
    stumbled = await Stage(read_script(path), prepared, heard).play()
    if stumbled:
        pytest.fail(stumbled, pytrace=False)
