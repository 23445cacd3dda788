"""Out and in again over the API: without loss, shown before it is done, and never past the reviewers."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import orjson
import pytest

from bot.api import bulk
from bot.app import Line
from helpline.accounts import Role
from knowledge import drafts, store
from knowledge.articles import body_of
from tests.bot.api.conftest import Employ, Program

LINES, ZIP = "application/x-ndjson", "application/zip"
DUTY = "avvergingsplikt-grov-menneskehandel"


async def bring(program: Program, data: bytes, kind: str = LINES, query: str = "") -> Any:
    return await program.ask("POST", f"/import{query}", data=data, Content_Type=kind)


def lines_of(raw: bytes) -> dict[str, dict[str, Any]]:
    return {body["id"]: body for body in map(orjson.loads, raw.splitlines())}


def written(*bodies: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(body) + b"\n" for body in bodies)


@pytest.mark.parametrize(("form", "kind"), [("jsonl", LINES), ("zip", ZIP)])
async def test_what_goes_out_comes_in_unchanged(form: str, kind: str, eva: Program, line: Line) -> None:
    out = await eva.get(f"/export?format={form}")
    assert (out.status, out.headers["Content-Type"]) == (200, kind)
    reply = await bring(eva, out.raw, kind, "?dry_run=true")
    assert reply.status == 200, reply.raw
    async with line.house.db.read() as conn:
        shelved = await store.published(conn)
    assert reply.body["same"] == sorted(article.id for article in shelved)
    assert (reply.body["added"], reply.body["changed"], reply.body["left"], reply.body["stays"]) == ([], [], [], [])
    again = await eva.get(f"/export?format={form}")
    assert again.raw == out.raw


async def test_a_new_article_becomes_a_draft_without_loss_and_not_a_revision(eva: Program, line: Line) -> None:
    body = lines_of((await eva.get("/export")).raw)[DUTY]
    new = {**body, "id": "helt-ny", "questions": {"nb": ["et spørsmål som ingen annen artikkel har"]}}
    reply = await bring(eva, written(new))
    (added,) = reply.body["added"]
    draft = (await eva.get(f"/drafts/{added['draft_id']}")).body
    assert (draft["article_id"], draft["stage"], draft["body"]) == ("helt-ny", "draft", new)
    async with line.house.db.read() as conn:
        assert await store.standing(conn, "helt-ny") is None


async def test_a_dry_run_shows_the_changes_and_makes_none(eva: Program, line: Line) -> None:
    body = lines_of((await eva.get("/export")).raw)[DUTY]
    changed = written({**body, "title": "En annen tittel", "avoid": []})
    shown = (await bring(eva, changed, query="?dry_run=true")).body
    (one,) = shown["changed"]
    assert (one["id"], one["draft_id"]) == (DUTY, None)
    assert "title" in {field["field"] for field in one["fields"]}
    async with line.house.db.read() as conn:
        assert await drafts.list_drafts(conn) == []
        standing = await store.standing(conn, DUTY)
        assert standing is not None
        assert standing.latest == 1
    done = (await bring(eva, changed)).body
    async with line.house.db.read() as conn:
        draft = await drafts.get_draft(conn, done["changed"][0]["draft_id"])
        before = await store.revision(conn, DUTY, 1)
    assert draft is not None
    assert before is not None
    # `avoid` without anything in it is left out of an article's file; taken out here, it is gone there.
    wanted = {key: value for key, value in {**body_of(before), "title": "En annen tittel"}.items() if key != "avoid"}
    assert draft.body == wanted
    assert draft.authors == {"staff:eva"}


async def test_a_draft_that_somebody_writes_in_is_not_touched(eva: Program, employ: Employ) -> None:
    noor = await employ("noor", Role.EDITOR)
    draft = (await noor.post(f"/articles/{DUTY}/draft")).body
    await noor.ask("PATCH", f"/drafts/{draft['id']}", {"seen": 1, "fields": {"title": "Noors tittel"}})
    body = lines_of((await eva.get("/export")).raw)[DUTY]
    reply = await bring(eva, written({**body, "title": "Evas tittel"}))
    assert (reply.body["left"], reply.body["changed"]) == ([DUTY], [])
    assert (await noor.get(f"/drafts/{draft['id']}")).body["body"]["title"] == "Noors tittel"


async def test_a_repeat_with_the_same_key_makes_no_second_draft(eva: Program) -> None:
    body = lines_of((await eva.get("/export")).raw)[DUTY]
    data = written({**body, "title": "En annen tittel"})
    replies = [await eva.ask("POST", "/import", data=data, Content_Type=LINES, Idempotency_Key="i1") for _ in range(2)]
    assert replies[0].raw == replies[1].raw
    assert len((await eva.get("/drafts")).body["items"]) == 1


async def test_all_or_none_are_taken(eva: Program) -> None:
    bodies = lines_of((await eva.get("/export")).raw)
    good = {**bodies[DUTY], "title": "En annen tittel"}
    other = next(body for name, body in bodies.items() if name != DUTY)
    reply = await bring(eva, written(good, {**other, "short": ""}))
    assert (reply.status, reply.kind) == (422, "unreadable")
    assert reply.body["errors"][0]["field"] == "articles.jsonl:2"
    assert (await eva.get("/drafts")).body["items"] == []


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in files.items():
            made.writestr(name.replace("__", "/"), content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", LINES),
        (b"\n\n", LINES),
        (b"{}", LINES),
        (b"[1]", LINES),
        (b"\xff\xfe", LINES),
        (b'{"id": "x", "language": "nb", "title": "T", "questions": ["q"], "answer": "a"}', LINES),
        (b"", ZIP),
        (b"PK\x03\x04 and no more", ZIP),
        (packed(), ZIP),
        (packed(**{"..__..__etc__passwd": b"x"}), ZIP),
        (packed(**{"no__x.yaml": b"id: x"}), ZIP),
        (packed(**{"no__x.yaml": b"a: &a [*a]"}), ZIP),
        (packed(**{"x" * 300 + ".yaml": b"id: x"}), ZIP),
    ],
)
async def test_what_is_no_file_of_articles_is_refused(data: bytes, kind: str, eva: Program) -> None:
    for query in ("", "?dry_run=true"):
        reply = await bring(eva, data, kind, query)
        assert reply.status == 422, reply.raw
        assert "/tmp" not in reply.raw.decode()


async def test_what_cannot_be_stored_is_refused(eva: Program) -> None:
    body = lines_of((await eva.get("/export")).raw)[DUTY]
    reply = await bring(eva, written({**body, "details": "En\x00 to."}))
    assert reply.status == 422


async def test_a_zip_that_unpacks_to_too_much_is_refused(eva: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_UNPACKED", 1_000)
    reply = await bring(eva, packed(**{"no__x.yaml": b"x" * 2_000}), ZIP)
    assert reply.status == 422


async def test_more_changes_than_one_import_may_make_are_refused_and_shown(
    eva: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 1)
    bodies = list(lines_of((await eva.get("/export")).raw).values())[:2]
    data = written(*({**body, "owner": "en annen"} for body in bodies))
    reply = await bring(eva, data)
    assert (reply.status, reply.kind) == (409, "too-many-changes")
    assert len((await bring(eva, data, query="?dry_run=true")).body["changed"]) == 2
    assert (await eva.get("/drafts")).body["items"] == []


async def test_an_analyst_may_take_out_and_not_bring_in(employ: Employ) -> None:
    program = await employ("ana", Role.ANALYST)
    out = await program.get("/export")
    assert out.status == 200
    assert (await bring(program, out.raw)).status == 404
