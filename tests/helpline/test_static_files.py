"""Style sheets and scripts are kept by browsers for as long as they are what they were."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from helpline.messages import Language
from helpline.phrases import Phrases
from helpline.static_files import StaticFiles
from helpline.web import WebKit

MakeClient = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]


@pytest.fixture
def files(tmp_path: Path) -> StaticFiles:
    (tmp_path / "a.js").write_text("import './b.js'")
    (tmp_path / "b.js").write_text("export {}")
    (tmp_path / "notes.txt").write_text("not for anybody")
    return StaticFiles(tmp_path)


@pytest.fixture
async def client(files: StaticFiles, aiohttp_client: MakeClient) -> TestClient[web.Request, web.Application]:
    missing = {"error.not_found": dict.fromkeys(Language, "not there")}
    return await aiohttp_client(WebKit(Phrases(missing), Language.NB, {}).build(files.routes()))


async def test_a_file_is_kept_for_ever_under_its_version(
    files: StaticFiles, client: TestClient[web.Request, web.Application]
) -> None:
    response = await client.get(files.address("a.js"))
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Content-Encoding"] == "gzip"
    assert await response.text() == "import './b.js'"


async def test_under_another_release_it_is_not_kept(client: TestClient[web.Request, web.Application]) -> None:
    response = await client.get("/static/000000000000/a.js")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["notes.txt", "../static_files.py", "..%2f..%2fpyproject.toml", "c.js"])
async def test_nothing_else_is_served(name: str, client: TestClient[web.Request, web.Application]) -> None:
    assert (await client.get(f"/static/0/{name}")).status == 404


def test_all_files_share_a_version_that_changes_with_any(tmp_path: Path, files: StaticFiles) -> None:
    """A script imports its neighbour by name, so the neighbour's change must give both a new address."""
    before = files.address("a.js")
    (tmp_path / "b.js").write_text("export const changed = 1")
    assert StaticFiles(tmp_path).address("a.js") != before


def test_a_misspelt_name_is_noticed(files: StaticFiles) -> None:
    with pytest.raises(KeyError):
        files.address("missing.css")
