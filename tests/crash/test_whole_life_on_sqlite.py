"""One escalation from the first word to the end on SQLite, killed at every commit and around every provider call."""

from __future__ import annotations

import itertools
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from tests.crash.life import Life, a_life
from tests.crash.line import Nursery
from tests.crash.whole_life import fresh, survived


async def test_whoever_dies_the_life_ends_as_it_should(
    nursery: Nursery, prepared_sqlite: Path, tmp_path: Path, content: Path
) -> None:
    numbers = itertools.count(1)

    def new_life(**how: Any) -> AbstractAsyncContextManager[Life]:
        folder = fresh(tmp_path, prepared_sqlite, str(next(numbers)))
        shutil.copyfile(prepared_sqlite / "varde.db", folder / "varde.db")
        return a_life(nursery, folder, content, f"sqlite:///{folder / 'varde.db'}", **how)

    await survived(new_life)
