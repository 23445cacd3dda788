"""What a provider, or somebody who plays one, may send us; and who we then believe came back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from helpline.clock import SetClock
from helpline.oidc import NotProven, OidcClient, OidcError, Secrets, Unreachable

SECRETS = Secrets.of("the browser's own secret", "in.state")
REDIRECT = "https://line.example/desk/sign-in/organisation/answer"


@dataclass
class Provider:
    """A provider that says whatever a test wants said."""

    clock: SetClock
    url: str = ""
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    published: list[Any] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token: Any = None
    status: int = 200
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        app.router.add_get("/me", self._me)
        return app

    async def _discovery(self, request: web.Request) -> web.Response:
        self.asked.append(("discovery", {}, ""))
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/me",
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
                **self.metadata,
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(("keys", {}, ""))
        keys = self.published or [self.key]
        return web.json_response(KeySet(keys).as_dict(private=False))

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append(("token", form, request.headers.get("Authorization", "")))
        if self.status != 200:
            return web.json_response({"error": "invalid_grant"}, status=self.status)
        return web.json_response({"access_token": "access", "token_type": "Bearer", "id_token": self.signed()})

    async def _me(self, request: web.Request) -> web.Response:
        self.asked.append(("me", {}, request.headers.get("Authorization", "")))
        return web.json_response(self.userinfo)

    def signed(self) -> Any:
        if self.token is not None:
            return self.token
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.url,
            "aud": "varde",
            "sub": "eva",
            "iat": now,
            "exp": now + 300,
            "nonce": SECRETS.nonce,
            "email": "eva@example.org",
            "email_verified": True,
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, kept, self.key, algorithms=[self.header["alg"]])


Play = Callable[..., Awaitable[tuple[Provider, OidcClient]]]


@pytest.fixture
def play(clock: SetClock, aiohttp_server: Callable[[web.Application], Awaitable[TestServer]]) -> Play:
    """Starts a provider and a client of it."""

    async def start(secret: str | None = "hemmelig: & %", **said: Any) -> tuple[Provider, OidcClient]:
        provider = Provider(clock, **said)
        server = await aiohttp_server(provider.application())
        provider.url = str(server.make_url("")).rstrip("/")
        return provider, OidcClient(issuer=provider.url, client_id="varde", client_secret=secret, redirect=REDIRECT)

    return start


async def come_back(client: OidcClient, clock: SetClock, *, issuer: str | None = None) -> Any:
    return await client.identify(SECRETS, code="the code", issuer=issuer, now=clock.now())


async def test_who_came_back_is_known_by_what_was_signed(play: Play, clock: SetClock) -> None:
    provider, client = await play()
    identity = await come_back(client, clock, issuer=provider.url)
    assert (identity.issuer, identity.subject, identity.email) == (provider.url, "eva", "eva@example.org")
    assert "eva" not in repr(identity)
    (_, form, basic) = next(each for each in provider.asked if each[0] == "token")
    assert form == {
        "grant_type": "authorization_code",
        "code": "the code",
        "redirect_uri": REDIRECT,
        "code_verifier": SECRETS.verifier,
    }
    assert basic.startswith("Basic ")


async def test_the_way_there_carries_a_challenge_and_not_the_verifier(play: Play, clock: SetClock) -> None:
    provider, client = await play()
    address = await client.address(SECRETS, now=clock.now(), language="nb")
    for part in ("response_type=code", "code_challenge_method=S256", f"nonce={SECRETS.nonce}", "state=in.state"):
        assert part in address
    assert f"code_challenge={SECRETS.challenge}" in address
    assert SECRETS.verifier not in address
    assert address.startswith(f"{provider.url}/auth?")


async def test_a_public_client_names_itself_in_the_form(play: Play, clock: SetClock) -> None:
    provider, client = await play(secret=None)
    await come_back(client, clock)
    (_, form, basic) = next(each for each in provider.asked if each[0] == "token")
    assert (form["client_id"], basic, "client_secret" in form) == ("varde", "", False)


async def test_a_provider_may_want_the_secret_in_the_form(play: Play, clock: SetClock) -> None:
    provider, client = await play(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    await come_back(client, clock)
    (_, form, basic) = next(each for each in provider.asked if each[0] == "token")
    assert (form["client_secret"], basic) == ("hemmelig: & %", "")


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another sign-in's"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": ["varde", "another"], "azp": "another"},
        {"aud": ["varde", "another"]},
        {"azp": "another"},
        {"iss": "https://elsewhere.example"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"exp": None},
        {"exp": 1},
        {"iat": None},
        {"nbf": 4_000_000_000},
    ],
)
async def test_an_identity_that_is_not_for_us_now_is_refused(
    claims: dict[str, Any], play: Play, clock: SetClock
) -> None:
    _, client = await play(claims=claims)
    with pytest.raises(NotProven):
        await come_back(client, clock)


@pytest.mark.parametrize(("seconds", "good"), [(-59, True), (59, True), (361, False), (-61, False)])
async def test_two_clocks_may_differ_by_a_minute(seconds: int, good: bool, play: Play, clock: SetClock) -> None:
    provider, client = await play()
    token = provider.signed()
    provider.token = token
    clock.advance(timedelta(seconds=seconds))
    if good:
        await come_back(client, clock)
    else:
        with pytest.raises(NotProven):
            await come_back(client, clock)


async def test_a_signature_that_anybody_could_make_is_refused(play: Play, clock: SetClock) -> None:
    """No signature, one made with the secret we share, one made with the public key as if it were a secret."""
    provider, client = await play()
    honest = provider.signed()
    head, body, _ = honest.split(".")
    none = json.dumps({"alg": "none"}).encode().hex()
    claims = jwt.decode(honest, provider.key, algorithms=["RS256"]).claims
    forged = [
        f"{none}.{body}.",
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}.AAAA",
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("hemmelig: & %" * 3)),
        jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(provider.key.as_pem(private=False).hex())),
        jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048)),
        "not a token",
        "",
    ]
    for token in forged:
        provider.token = token
        with pytest.raises(NotProven):
            await come_back(client, clock)
    provider.token = honest
    assert (await come_back(client, clock)).subject == "eva"


async def test_a_shared_secret_among_the_published_keys_is_not_a_key(play: Play, clock: SetClock) -> None:
    shared = OctKey.import_key("a" * 40, {"kid": "shared", "use": "sig"})
    provider, client = await play()
    claims = jwt.decode(provider.signed(), provider.key, algorithms=["RS256"]).claims
    provider.published = [provider.key, shared]
    provider.token = jwt.encode({"alg": "HS256", "kid": "shared"}, claims, shared)
    with pytest.raises(NotProven):
        await come_back(client, clock)


async def test_new_keys_are_asked_for_when_the_old_ones_do_not_fit(play: Play, clock: SetClock) -> None:
    provider, client = await play()
    await come_back(client, clock)
    provider.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    provider.header = {"alg": "ES256", "kid": "two"}
    with pytest.raises(NotProven):  # not at once: a made-up key must not have us ask with every try
        await come_back(client, clock)
    clock.advance(timedelta(seconds=31))
    assert (await come_back(client, clock)).subject == "eva"
    assert [what for what, _, _ in provider.asked].count("keys") == 2
    assert [what for what, _, _ in provider.asked].count("discovery") == 1


@pytest.mark.parametrize("issuer", ["https://elsewhere.example", ""])
async def test_an_answer_from_another_provider_is_refused_before_its_code_is_used(
    issuer: str, play: Play, clock: SetClock
) -> None:
    provider, client = await play()
    with pytest.raises(NotProven):
        await come_back(client, clock, issuer=issuer)
    assert "token" not in {what for what, _, _ in provider.asked}


async def test_a_provider_that_names_itself_always_does(play: Play, clock: SetClock) -> None:
    _, client = await play(metadata={"authorization_response_iss_parameter_supported": True})
    with pytest.raises(NotProven):
        await come_back(client, clock, issuer=None)


@pytest.mark.parametrize(
    ("told", "email"),
    [
        ({"sub": "eva", "email": "eva@example.org", "email_verified": True}, "eva@example.org"),
        ({"sub": "eva", "email": "eva@example.org", "email_verified": "true"}, None),
        ({"sub": "eva", "email": "eva@example.org"}, None),
        ({"sub": "eva", "email": 7, "email_verified": True}, None),
        ({"sub": "eva"}, None),
    ],
)
async def test_an_email_counts_only_where_it_is_verified(
    told: dict[str, Any], email: str | None, play: Play, clock: SetClock
) -> None:
    _, client = await play(claims={"email": None, "email_verified": None}, userinfo=told)
    assert (await come_back(client, clock)).email == email


async def test_what_is_told_of_somebody_else_is_refused(play: Play, clock: SetClock) -> None:
    _, client = await play(
        claims={"email": None, "email_verified": None},
        userinfo={"sub": "noor", "email": "noor@example.org", "email_verified": True},
    )
    with pytest.raises(NotProven):
        await come_back(client, clock)


async def test_a_code_that_is_not_taken_is_no_trouble_of_the_network(play: Play, clock: SetClock) -> None:
    provider, client = await play(status=400)
    with pytest.raises(NotProven):
        await come_back(client, clock)
    provider.status = 500
    with pytest.raises(Unreachable):
        await come_back(client, clock)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"authorization_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
)
async def test_a_provider_that_cannot_be_trusted_is_not_used(
    metadata: dict[str, Any], play: Play, clock: SetClock
) -> None:
    _, client = await play(metadata=metadata)
    with pytest.raises(Unreachable):
        await client.address(SECRETS, now=clock.now())


async def test_a_provider_that_is_not_there(clock: SetClock) -> None:
    client = OidcClient(issuer="http://127.0.0.1:9", client_id="varde", client_secret=None, redirect=REDIRECT)
    with pytest.raises(OidcError):
        await client.address(SECRETS, now=clock.now())


def test_secrets_follow_from_the_browser_and_the_state() -> None:
    assert Secrets.of("a", "b") == Secrets.of("a", "b")
    others = [Secrets.of("a", "c"), Secrets.of("b", "b")]
    assert all(other.nonce != Secrets.of("a", "b").nonce for other in others)
    assert all(other.verifier != Secrets.of("a", "b").verifier for other in others)
    assert len({Secrets.of("a", "b").nonce, Secrets.of("a", "b").verifier}) == 2
    assert len(Secrets.of("a", "b").verifier) >= 43
