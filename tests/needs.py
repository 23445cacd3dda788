"""What some tests need beside Python. Without it they are skipped with the reason; where VARDE_TEST_NOTHING_SKIPPED is
set, as it is where our changes are judged, they fail instead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

NODE_FOLDER = Path(__file__).parent / "node"


def missing(reason: str) -> NoReturn:
    """Skip this test for want of something, or fail it where nothing may be skipped."""
    if os.environ.get("VARDE_TEST_NOTHING_SKIPPED", "") not in {"", "0"}:
        pytest.fail(f"{reason} (nothing may be skipped here)", pytrace=False)
    pytest.skip(reason)


def needs_program(*names: str, because: str) -> Path:
    """The first of these programs that is installed."""
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    missing(f"{names[0]} is not installed: {because}")


def needs_node(*packages: str) -> Path:
    """The folder of the Node packages that the tests use, with Node and each of `packages` there."""
    needs_program("node", because="some tests borrow programs written for Node")
    folder = NODE_FOLDER / "node_modules"
    for package in packages:
        if not (folder / package / "package.json").is_file():
            missing(f"the Node package {package} is not installed: run `npm ci` in tests/node")
    return folder


def needs_chromium() -> Path:
    """The browser in which pages are tried."""
    return needs_program("chromium", "chromium-browser", because="pages are tried in a real browser")
