"""Drafts over the API: from the first word to the shelves, two writers at once, and nobody alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.app import Line
from helpline import audit
from helpline.accounts import Role
from knowledge import drafts
from tests.bot.api.conftest import Employ, Program

DUTY = "avvergingsplikt-grov-menneskehandel"


async def opened(program: Program) -> dict[str, Any]:
    reply = await program.post(f"/articles/{DUTY}/draft")
    assert reply.status == 200, reply.raw
    body: dict[str, Any] = reply.body
    return body


async def test_the_same_field_changed_by_two_is_a_collision_with_both_texts(
    eva: Program, employ: Employ, line: Line
) -> None:
    noor = await employ("noor", Role.EDITOR)
    draft = await opened(eva)
    path = f"/drafts/{draft['id']}"
    first = await eva.ask("PATCH", path, {"seen": 1, "fields": {"title": "Evas tittel"}})
    assert (first.status, first.body["draft"]["version"], first.headers["ETag"]) == (200, 2, f'"{draft["id"]}.2"')
    merged = await noor.ask("PATCH", path, {"seen": 1, "fields": {"topic": "plikter"}})
    assert (merged.status, merged.body["merged"]) == (200, ["title"])
    reply = await noor.ask("PATCH", path, {"seen": 1, "fields": {"title": "Noors tittel"}})
    assert (reply.status, reply.kind) == (409, "collision")
    assert reply.body["theirs"] == {"title": "Evas tittel"}
    assert reply.body["yours"] == {"title": "Noors tittel"}
    assert reply.body["draft"]["body"]["title"] == "Evas tittel"
    saves = (await noor.get(path + "/saves")).body["items"]
    assert [(save["by"], save["kept_aside"]) for save in saves] == [
        ("staff:noor", True),
        ("staff:noor", False),
        ("staff:eva", False),
    ]


async def test_if_match_stands_for_seen_and_is_held_to(eva: Program) -> None:
    draft = await opened(eva)
    path, tag = f"/drafts/{draft['id']}", f'"{draft["id"]}.1"'
    assert (await eva.get(path)).headers["ETag"] == tag
    assert (await eva.ask("PATCH", path, {"fields": {"title": "En"}}, If_Match=tag)).status == 200
    # Another field: with `seen` it would be merged, with If-Match it is not.
    reply = await eva.ask("PATCH", path, {"fields": {"topic": "to"}}, If_Match=tag)
    assert (reply.status, reply.kind) == (412, "changed-meanwhile")
    assert (await eva.post(path + "/submit", If_Match=tag)).status == 412
    assert (await eva.ask("PATCH", path, {"fields": {"title": "To"}}, If_Match='"999.2"')).status == 412
    assert (await eva.get(path)).body["version"] == 2
    neither = await eva.ask("PATCH", path, {"fields": {"title": "To"}})
    assert (neither.status, neither.body["errors"][0]["field"]) == (422, "seen")


async def test_nobody_approves_what_they_wrote(employ: Employ) -> None:
    both = await employ("bo", Role.EDITOR, Role.REVIEWER)
    draft = await opened(both)
    path = f"/drafts/{draft['id']}"
    await both.ask("PATCH", path, {"seen": 1, "fields": {"title": "Når du må avverge"}})
    assert (await both.post(path + "/submit")).status == 200
    reply = await both.post(path + "/approve")
    assert (reply.status, reply.kind) == (409, "refused")
    assert "yourself" in reply.body["detail"]
    assert (await both.post(path + "/publish")).status == 409
    assert (await both.get(path)).body["stage"] == "in_review"


async def test_from_the_first_word_to_the_shelves(eva: Program, rita: Program, line: Line) -> None:
    line.api.door.limit.burst = 10_000  # the clock stands, so what is spent on asking how far it is does not come back
    draft = await opened(eva)
    path = f"/drafts/{draft['id']}"
    await eva.ask("PATCH", path, {"seen": 1, "fields": {"title": "Når du skal avverge"}})
    changed = (await eva.get(path + "/diff")).body["fields"]
    assert [one["field"] for one in changed] == ["title"]
    assert all(not one["blocks"] for one in (await eva.get(path + "/problems")).body["items"])
    comment = await rita.post(path + "/comments", {"field": "title", "text": "Skal eller må?"})
    assert comment.status == 201
    resolved = await eva.post(f"{path}/comments/{comment.body['id']}/resolve")
    assert resolved.body["resolved_by"] == "staff:eva"
    submitted = await eva.post(path + "/submit", {"seen": 2})
    assert (submitted.status, submitted.body["stage"]) == (200, "in_review")
    assert (await eva.post(path + "/approve")).status == 404  # an editor finds no such thing
    assert (await rita.post(path + "/approve", {"seen": 2})).body["approved_by"] == "staff:rita"
    early = await rita.post(path + "/publish", Idempotency_Key="once")
    assert (early.status, early.kind) == (409, "not-tested")
    run = await rita.get(f"/gate-runs/{early.body['gate_run_id']}")
    assert run.body["state"] in {"waiting", "running", "done"}
    for _ in range(600):
        if (await rita.get(f"/gate-runs/{early.body['gate_run_id']}")).body["state"] == "done":
            break
        await asyncio.sleep(0.25)
    gate = (await rita.get(path + "/gate")).body
    assert gate["run"]["figures"]
    # What could not be done yet was not remembered under the key, and may be asked again.
    published = await rita.post(path + "/publish", Idempotency_Key="once")
    assert (published.status, published.body["stage"]) == (200, "published"), published.raw
    again = await rita.post(path + "/publish", Idempotency_Key="once")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.body == published.body
    article = (await eva.get(f"/articles/{DUTY}")).body
    assert (article["published"], article["body"]["title"]) == (2, "Når du skal avverge")
    revisions = (await eva.get(f"/articles/{DUTY}/revisions")).body["items"]
    assert [(one["number"], one["approver"]) for one in revisions] == [(2, "staff:rita"), (1, None)]
    events = (await eva.get(f"/articles/{DUTY}/events")).body["items"]
    assert events[0]["what"] == "article_published"
    assert (await eva.get(f"/articles/{DUTY}/diff?from=1&to=2")).body["fields"][0]["field"] == "title"


async def test_a_repeat_with_the_same_key_does_nothing_twice(eva: Program, line: Line) -> None:
    new = {"article_id": "ny-artikkel", "country": "NO"}
    replies = await asyncio.gather(*(eva.post("/drafts", new, Idempotency_Key="a1") for _ in range(5)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1
    assert sum(reply.headers.get("Idempotency-Replayed") == "true" for reply in replies) == 4
    other = await eva.post("/drafts", {**new, "country": "SE"}, Idempotency_Key="a1")
    assert (other.status, other.kind) == (422, "key-reused")
    path = f"/drafts/{replies[0].body['id']}/comments"
    for _ in range(2):
        assert (await eva.post(path, {"text": "Hei"}, Idempotency_Key="a2")).status == 201
    assert len((await eva.get(path)).body["items"]) == 1
    async with line.house.db.read() as conn:
        entries = await audit.entries(conn, subject="article:ny-artikkel")
    assert [entry.action for entry in entries] == ["draft_commented", "draft_opened"]


async def test_a_key_belongs_to_its_owner(eva: Program, employ: Employ) -> None:
    noor = await employ("noor", Role.EDITOR)
    first = await eva.post("/drafts", {"article_id": "en-artikkel", "country": "NO"}, Idempotency_Key="k")
    second = await noor.post("/drafts", {"article_id": "to-artikkel", "country": "NO"}, Idempotency_Key="k")
    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]


async def test_a_draft_that_is_there_is_named(eva: Program) -> None:
    draft = await opened(eva)
    reply = await eva.post(f"/articles/{DUTY}/restore", {"revision": 1})
    assert (reply.status, reply.kind, reply.body["draft_id"]) == (409, "already-there", draft["id"])


async def test_what_is_not_whole_is_refused_field_by_field(eva: Program) -> None:
    made = await eva.post("/drafts", {"article_id": "ny-artikkel", "country": "NO", "body": {"title": "Ny"}})
    reply = await eva.post(f"/drafts/{made.body['id']}/submit")
    assert (reply.status, reply.kind) == (422, "unreadable")
    assert {"short", "details"} <= {error["field"] for error in reply.body["errors"]}


@pytest.mark.parametrize("act", ["submit", "publish", "rebase", "abandon", "gate", "comments"])
async def test_a_draft_that_is_not_there_is_not_there(act: str, rita: Program) -> None:
    body = {"text": "Hei"} if act == "comments" else None
    assert (await rita.post(f"/drafts/999/{act}", body)).status == 404
    assert (await rita.post(f"/drafts/{'9' * 40}/{act}", body)).status == 404


async def test_pages_of_drafts_are_not_shifted_by_what_is_added(eva: Program) -> None:
    for number in range(5):
        await eva.post("/drafts", {"article_id": f"artikkel-{number}", "country": "NO"})
    first = (await eva.get("/drafts?limit=2")).body
    await eva.post("/drafts", {"article_id": "artikkel-ny", "country": "NO"})
    names = [one["article_id"] for one in first["items"]]
    cursor = first["next"]
    while cursor:
        page = (await eva.get(f"/drafts?limit=2&cursor={cursor}")).body
        names += [one["article_id"] for one in page["items"]]
        cursor = page["next"]
    assert names == [f"artikkel-{number}" for number in range(4, -1, -1)]


async def test_what_is_kept_aside_in_a_closed_draft_is_kept(eva: Program, line: Line) -> None:
    draft = await opened(eva)
    path = f"/drafts/{draft['id']}"
    assert (await eva.post(path + "/abandon", {"reason": "Ikke nå"})).body["stage"] == "abandoned"
    reply = await eva.ask("PATCH", path, {"seen": 1, "fields": {"title": "For sent"}})
    assert (reply.status, reply.kind) == (409, "closed")
    async with line.house.db.read() as conn:
        (save,) = await drafts.saves(conn, draft["id"])
    assert (save.kept_aside, save.fields) == (True, {"title": "For sent"})
