"""The web kit: nothing is served to whom it is not for, and nothing somebody wrote comes back in an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request
from structlog.testing import capture_logs

from helpline.messages import Language
from helpline.phrases import Phrases
from helpline.storage import StorageBusy, StorageFull
from helpline.web import Access, Handler, Refused, Route, WebKit, client_address, html, see_other

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]

PHRASES = """\
{key}:
  nb: nb {key}
  nn: nn {key}
  sv: sv {key}
  en: en {key}
"""
SECRET = "pasienten heter Kari"


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    keys = ["not_found", "too_large", "bad_request", "trouble", "busy_storage", "too_many"]
    (tmp_path / "p.yaml").write_text("".join(PHRASES.format(key=f"error.{key}") for key in keys), encoding="utf-8")
    return Phrases.load(tmp_path)


def kit(phrases: Phrases, **changes: object) -> WebKit:
    async def signed_in(request: web.Request) -> bool:
        return request.cookies.get("staff") == "yes"

    values: dict[str, object] = {
        "phrases": phrases,
        "default_language": Language.NB,
        "guards": {Access.STAFF: signed_in},
        "error_page": lambda request, status, said: html(f"<p>{said}", status=status),
    }
    return WebKit(**{**values, **changes})  # type: ignore[arg-type]


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


async def echo(request: web.Request) -> web.StreamResponse:
    return web.Response(body=await request.read())


def failing(error: Exception) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    return handler


async def test_every_response_is_dressed(phrases: Phrases, aiohttp_client: MakeClient) -> None:
    routes = [
        Route("GET", "/", hello, Access.PUBLIC),
        Route("GET", "/on", failing(web.HTTPSeeOther("/")), Access.PUBLIC),
        Route("GET", "/broken", failing(ValueError(SECRET)), Access.PUBLIC),
    ]
    client = await aiohttp_client(kit(phrases, secure=True).build(routes))
    for path in ("/", "/on", "/broken", "/nowhere"):
        response = await client.get(path, allow_redirects=False)
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")
        assert len(response.headers["X-Request-Id"]) == 16


async def test_no_promise_of_https_where_there_is_none(phrases: Phrases, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(kit(phrases).build([Route("GET", "/", hello, Access.PUBLIC)]))
    assert "Strict-Transport-Security" not in (await client.get("/")).headers


async def test_a_route_past_the_kit_stops_the_start(phrases: Phrases) -> None:
    app = kit(phrases).build([Route("GET", "/", hello, Access.PUBLIC)])
    app.router.add_get("/stray", hello)
    with pytest.raises(RuntimeError, match="/stray does not say who may use it"):
        await web.AppRunner(app).setup()


def test_a_staff_route_without_a_guard_stops_the_start(phrases: Phrases) -> None:
    with pytest.raises(RuntimeError, match="nothing checks who is staff"):
        kit(phrases, guards={}).build([Route("GET", "/desk/", hello, Access.STAFF)])


async def test_not_yours_looks_like_not_there(phrases: Phrases, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(kit(phrases).build([Route("GET", "/desk/x", hello, Access.STAFF)]))
    denied, missing = await client.get("/desk/x"), await client.get("/desk/y")
    assert denied.status == missing.status == 404
    bodies = [await denied.json(), await missing.json()]
    for body in bodies:
        del body["request_id"]
    assert bodies[0] == bodies[1]
    allowed = await client.get("/desk/x", cookies={"staff": "yes"})
    assert allowed.status == 200


@pytest.mark.parametrize(
    ("site", "status"),
    [
        ("same-origin", 200),
        ("none", 200),
        (None, 200),  # an old browser says nothing; the cookie rules protect it
        ("cross-site", 404),
        ("same-site", 404),
    ],
)
async def test_a_form_must_come_from_our_own_page(
    site: str | None, status: int, phrases: Phrases, aiohttp_client: MakeClient
) -> None:
    client = await aiohttp_client(kit(phrases).build([Route("POST", "/say", echo, Access.CHAT)]))
    response = await client.post("/say", data=b"x", headers={"Sec-Fetch-Site": site} if site else {})
    assert response.status == status


async def test_a_body_over_the_limit_is_refused_announced_or_not(phrases: Phrases, aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(kit(phrases).build([Route("POST", "/say", echo, Access.PUBLIC, limit=100)]))
    assert (await client.post("/say", data=b"x" * 100)).status == 200
    announced = await client.post("/say", data=b"x" * 101)

    async def in_pieces() -> object:
        for _ in range(20):
            yield b"x" * 10

    unannounced = await client.post("/say", data=in_pieces())
    assert announced.status == unannounced.status == 413
    assert (await announced.json())["error"] == "too_large"


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (ValueError(SECRET), 500, "trouble"),
        (TimeoutError(SECRET), 500, "trouble"),
        (StorageBusy("busy"), 503, "busy_storage"),
        (StorageFull("full"), 503, "busy_storage"),
        (Refused(429, "error.too_many", headers={"Retry-After": "7"}), 429, "too_many"),
        (web.HTTPForbidden(), 403, "not_found"),
        (web.HTTPNotFound(), 404, "not_found"),
        (web.HTTPBadRequest(), 400, "bad_request"),
    ],
)
async def test_an_error_is_told_kindly_and_says_nothing_more(
    error: Exception, status: int, name: str, phrases: Phrases, aiohttp_client: MakeClient
) -> None:
    client = await aiohttp_client(kit(phrases).build([Route("GET", "/", failing(error), Access.PUBLIC)]))
    with capture_logs() as logged:
        as_data = await client.get("/?lang=sv")
        as_page = await client.get("/?lang=sv", headers={"Accept": "text/html"})
    assert as_data.status == as_page.status == status
    body = await as_data.json()
    assert (body["error"], body["message"]) == (name, f"sv error.{name}")
    assert await as_page.text() == f"<p>sv error.{name}"
    assert SECRET not in str([entry for entry in logged if "exc_info" not in entry])
    if isinstance(error, Refused):
        assert as_data.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("query", "cookie", "browser", "language"),
    [
        ("", "", "", Language.NB),
        ("", "", "de-DE, sv-FI;q=0.8", Language.SV),
        ("", "", "no, en;q=0.5", Language.NB),
        ("", "nn", "sv", Language.NN),
        ("en", "nn", "sv", Language.EN),
        ("xx", "", "en-GB", Language.EN),
        ("", "<script>", "da", Language.NB),
    ],
)
def test_the_language_of_a_request(query: str, cookie: str, browser: str, language: Language, phrases: Phrases) -> None:
    headers = {"Accept-Language": browser, "Cookie": f"lang={cookie}"}
    assert kit(phrases).language_of(make_mocked_request("GET", f"/?lang={query}", headers=headers)) is language


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("", 0, "10.0.0.1"),
        ("1.2.3.4", 0, "10.0.0.1"),  # without a trusted proxy anybody may write this header
        ("6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("1.2.3.4", 2, "10.0.0.1"),
        ("2001:db8:1:2:3::4", 1, "2001:db8:1:2::"),
        ("not an address", 1, "not an address"),
    ],
)
def test_who_is_calling(forwarded: str, proxies: int, address: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}).clone(remote="10.0.0.1")
    assert client_address(request, trusted_proxies=proxies) == address


def test_see_other_is_a_get() -> None:
    assert (see_other("/#latest").status, see_other("/x").headers["Location"]) == (303, "/x")
