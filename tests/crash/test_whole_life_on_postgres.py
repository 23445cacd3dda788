"""The same life on PostgreSQL: in one process, and shared by two, of which one after the other is killed."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from tests.conftest import _as_admin, _text
from tests.crash.life import Life, a_life
from tests.crash.line import Nursery
from tests.crash.whole_life import fresh, survived


@pytest.mark.parametrize(("processes", "of"), [(1, slice(0, None, 2)), (2, slice(1, None, 2))])
async def test_whoever_dies_the_life_ends_as_it_should(
    nursery: Nursery,
    prepared_sqlite: Path,
    prepared_postgres: tuple[URL, str],
    tmp_path: Path,
    content: Path,
    processes: int,
    of: slice,
) -> None:
    url, template = prepared_postgres
    numbers = itertools.count(1)

    @asynccontextmanager
    async def new_life(**how: Any) -> AsyncIterator[Life]:
        folder = fresh(tmp_path, prepared_sqlite, str(next(numbers)))
        name = f"varde_life_{secrets.token_hex(6)}"
        await _as_admin(url, f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            async with a_life(nursery, folder, content, _text(url.set(database=name)), **how) as life:
                yield life
        finally:
            await _as_admin(url, f"DROP DATABASE {name} WITH (FORCE)")

    await survived(new_life, processes=processes, of=of)
