"""The way in: a token and nothing else, only what its owner may, and one shape for every refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.api.operations import BASE, Operation
from bot.app import Line
from helpline import access_tokens, accounts, audit
from helpline.access_tokens import PREFIX, Scope
from helpline.accounts import Role
from helpline.clock import SetClock
from tests.bot.api.conftest import Client, Employ, Program, token_for
from tests.bot.test_desk import hire

PARTS: dict[str, str] = {
    "article": "hva-er-refleksjonsperiode",
    "number": "1",
    "draft": "1",
    "comment": "1",
    "run": "1",
    "set": "norge",
    "question": "q1",
    "change": "1",
    "clearing": "1",
    "heap": "abc",
    "token": "999",
}


def address(operation: Operation) -> str:
    return BASE + operation.path.format(**PARTS)


@pytest.mark.parametrize("role", list(Role))
async def test_a_token_without_the_role_finds_nothing_there(role: Role, employ: Employ, line: Line) -> None:
    program = await employ("kim", role)
    line.api.door.limit.burst = 10_000
    tried = 0
    for operation in line.api.operations:
        if role in operation.roles:
            continue
        tried += 1
        reply = await program.ask(operation.method, address(operation).removeprefix(BASE), {})
        assert (reply.status, reply.kind) == (404, "not-found"), operation.id
    assert tried >= 1


async def test_every_operation_asks_for_a_token_and_no_cookie_is_one(
    api: Client, line: Line, sign_in_cookie: dict[str, str]
) -> None:
    line.api.door.strangers.burst = 10_000
    for operation in line.api.operations:
        reply = await api.request(operation.method, address(operation), cookies=sign_in_cookie)
        assert reply.status == 401, operation.id
        assert reply.content_type == "application/problem+json"
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.fixture
async def sign_in_cookie(line: Line) -> dict[str, str]:
    """The cookie of an editor's browser that is signed in on the desk."""
    from helpline import staff_sessions

    await hire(line, "ola", Role.EDITOR, Role.REVIEWER, Role.ADMINISTRATOR)
    async with line.house.db.write() as conn:
        return {"desk": await staff_sessions.start(conn, "ola", now=line.house.clock.now())}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic {secret}",
        "{secret}",
        "Bearer {secret}x",
        "Bearer {secret}é",
        "Bearer {other}",
    ],
)
async def test_what_is_no_token_opens_nothing(header: str, eva: Program, api: Client) -> None:
    said = header.format(secret=eva.secret, other=access_tokens.new_secret())
    reply = await api.get(BASE + "/me", headers={"Authorization": said})
    assert reply.status == 401
    assert "Set-Cookie" not in reply.headers


async def test_a_revoked_token_is_over_at_once(eva: Program) -> None:
    assert (await eva.get("/me")).body["token"]["id"] == eva.token.id
    assert (await eva.ask("DELETE", f"/tokens/{eva.token.id}")).status == 204
    assert (await eva.get("/me")).status == 401


async def test_a_token_ends_with_its_day(eva: Program, clock: SetClock) -> None:
    clock.advance(timedelta(days=30) - timedelta(seconds=1))
    assert (await eva.get("/me")).status == 200
    clock.advance(timedelta(seconds=1))
    assert (await eva.get("/me")).status == 401


async def test_letting_somebody_go_ends_their_tokens_for_good(eva: Program, line: Line) -> None:
    async with line.house.db.write() as conn:
        await accounts.deactivate(conn, "eva")
    assert (await eva.get("/me")).status == 401
    async with line.house.db.write() as conn:
        await accounts.reactivate(conn, "eva")
    assert (await eva.get("/me")).status == 401


async def test_a_role_taken_away_is_taken_from_the_token(eva: Program, line: Line) -> None:
    assert (await eva.get("/drafts")).status == 200
    async with line.house.db.write() as conn:
        await accounts.change_staff(conn, "eva", roles=[Role.ANALYST])
    assert (await eva.get("/drafts")).status == 404


async def test_a_token_for_reading_writes_nothing(employ: Employ) -> None:
    program = await employ("kim", Role.EDITOR, scope=Scope.READ)
    reply = await program.post("/drafts", {"article_id": "ny-artikkel", "country": "NO"})
    assert (reply.status, reply.kind) == (403, "insufficient-scope")
    assert (await program.get("/drafts")).body["items"] == []


async def test_one_ends_only_tokens_of_ones_own(eva: Program, rita: Program) -> None:
    assert (await eva.ask("DELETE", f"/tokens/{rita.token.id}")).status == 404
    assert (await rita.get("/me")).status == 200


async def test_a_token_that_asks_too_often_waits_and_others_do_not(
    eva: Program, rita: Program, line: Line, clock: SetClock
) -> None:
    line.api.door.limit.burst = 3
    assert [(await eva.get("/me")).status for _ in range(4)] == [200, 200, 200, 429]
    reply = await eva.get("/me")
    assert reply.kind == "too-many-requests"
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await rita.get("/me")).status == 200
    clock.advance(timedelta(minutes=1))
    assert (await eva.get("/me")).status == 200


async def test_the_trail_names_the_owner_and_the_token(eva: Program, line: Line) -> None:
    await eva.post("/drafts", {"article_id": "ny-artikkel", "country": "NO"})
    async with line.house.db.read() as conn:
        (entry,) = await audit.entries(conn, subject="article:ny-artikkel")
    assert (entry.actor, entry.action) == ("staff:eva", "draft_opened")
    assert entry.details["token"] == eva.token.id


async def test_the_secret_is_kept_nowhere_and_its_use_is_noted(eva: Program, line: Line, clock: SetClock) -> None:
    await eva.get("/me")
    async with line.house.db.read() as conn:
        from sqlalchemy import text

        rows = (await conn.execute(text("SELECT * FROM access_token"))).all()
        (listed,) = await access_tokens.list_of(conn, "eva")
    assert eva.secret.startswith(PREFIX)
    assert eva.secret not in repr(rows)
    assert listed.used_at == clock.now()


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/me", 405), ("OPTIONS", "/me", 405)]
)
async def test_errors_of_the_address_have_the_same_shape(method: str, path: str, status: int, eva: Program) -> None:
    reply = await eva.ask(method, path)
    assert reply.status == status
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply.body["status"] == status
    assert reply.body["request_id"] == reply.headers["X-Request-Id"]
    assert ("Allow" in reply.headers) == (status == 405)
    assert "Access-Control-Allow-Origin" not in reply.headers


BAD: list[tuple[bytes, str, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b'{"article_id": NaN}', "application/json", 400),
    (b"\xff\xfe{}", "application/json", 400),
    (b"[]", "application/json", 422),
    (b'{"article_id": "a-b", "article_id": "c-d", "country": "NO"}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO", "surprise": 1}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO", "body": {"surprise": 1}}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "DK"}', "application/json", 422),
    (b'{"article_id": "A B", "country": "NO"}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO", "body": {"title": "x\\u0000y"}}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO", "body": {"title": "x\\ud800y"}}', "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO", "body": {"\\ud800": 1}}', "application/json", 422),
    (
        b'{"article_id": "a-b", "country": "NO", "body": {"title": ' + b"[" * 60 + b"]" * 60 + b"}}",
        "application/json",
        422,
    ),
    (b"[" * 100_000, "application/json", 422),
    (b'{"article_id": "a-b", "country": "NO"}', "text/plain", 415),
    (b'{"article_id": "a-b", "country": "NO"}', "application/json; charset=utf-16", 415),
    (b'{"article_id": "a-b", "country": "NO", "body": {"title": "' + b"x" * 300_000 + b'"}}', "application/json", 413),
]


@pytest.mark.parametrize(("data", "kind", "status"), BAD)
async def test_what_is_sent_is_read_strictly_and_nothing_of_it_is_kept(
    data: bytes, kind: str, status: int, eva: Program
) -> None:
    reply = await eva.ask("POST", "/drafts", data=data, Content_Type=kind)
    assert reply.status == status, reply.raw
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert (await eva.get("/drafts")).body["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "surprise=1",
        "cursor=x",
        "cursor=W10",
        "country=DK",
        "text=%00",
    ],
)
async def test_a_query_is_read_strictly(query: str, eva: Program) -> None:
    reply = await eva.get(f"/articles?{query}")
    assert reply.status == 422
    assert reply.body["errors"]


async def test_a_refusal_speaks_the_readers_language(eva: Program) -> None:
    said: dict[str, Any] = {}
    for language in ("nb", "nn", "sv", "en"):
        reply = await eva.post("/drafts", {}, Accept_Language=language)
        assert reply.headers["Content-Language"] == language
        said[language] = reply.body["detail"]
    assert len(set(said.values())) == 4


async def test_a_name_a_day_and_a_number_of_tokens_are_bounded(line: Line) -> None:
    await hire(line, "eva", Role.EDITOR)
    now = line.house.clock.now()
    for name, days in (("", 30), ("x" * 61, 30), ("script", 0), ("script", 400)):
        async with line.house.db.write() as conn:
            with pytest.raises(access_tokens.TokenError):
                await access_tokens.make(
                    conn, "eva", name=name, scope=Scope.READ, expires_at=now + timedelta(days=days), now=now
                )
    for _ in range(access_tokens.MOST):
        await token_for(line, "eva")
    with pytest.raises(access_tokens.TokenError):
        await token_for(line, "eva")


def test_a_mistyped_token_is_known_for_one_before_storage_is_asked() -> None:
    token = access_tokens.new_secret()
    assert access_tokens.is_whole(token)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert not access_tokens.is_whole(token[:place] + other + token[place + 1 :])
