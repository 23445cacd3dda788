"""The organisation's own sign-in (OpenID Connect): the authorization code flow with PKCE, and who came back from it.

Nothing that the browser carries is believed: the code is exchanged by us, what the provider signed is checked against
its published keys, and state, nonce and verifier follow from a secret in the browser that began. Who somebody is here
is for the caller to say; this only says who they are there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

# Only signatures that the provider alone can make; never "none", and never one made with a secret we share.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
SCOPES = "openid email profile"
_LEEWAY = 60  # seconds that two clocks may differ
_REMEMBERED = timedelta(hours=1)
_KEYS_EVERY = timedelta(seconds=30)  # a made-up key id must not have us ask for keys with every try
_PATIENCE = aiohttp.ClientTimeout(total=15, connect=5)
_LARGEST = 512 * 1024
_LONGEST_SUBJECT = 255


class OidcError(Exception):
    """Signing in at the organisation did not work; each is a fixed sentence, fit for a log."""


class Unreachable(OidcError):
    """The organisation's sign-in cannot be reached, or does not answer as it should."""


class NotProven(OidcError):
    """What came back does not show who somebody is."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is at the organisation's sign-in."""

    issuer: str
    subject: str
    email: str | None  # only where the provider says that it is verified

    def __repr__(self) -> str:
        return "<Identity>"


@dataclass(frozen=True)
class _Provider:
    authorization: str
    token: str
    keys: str
    userinfo: str | None
    algorithms: tuple[str, ...]
    names_itself: bool  # it tells its name with each code (RFC 9207)
    secret_in_form: bool
    until: datetime


@dataclass(frozen=True)
class Secrets:
    """What one sign-in carries, all of it following from the browser's own secret and the state."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, browser: str, state: str) -> Secrets:
        """The same browser and state give the same secrets; nobody else can make them."""
        return cls(state, _derived(browser, "nonce", state), _derived(browser, "verifier", state))

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier."""
        return _unpadded(hashlib.sha256(self.verifier.encode()).digest())


class OidcClient:
    """Talks to one provider."""

    def __init__(self, *, issuer: str, client_id: str, client_secret: str | None, redirect: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect = redirect
        self._provider: _Provider | None = None
        self._keys: tuple[KeySet, datetime] | None = None

    def __repr__(self) -> str:
        return f"<OidcClient of {self.issuer}>"

    async def address(self, secrets: Secrets, *, now: datetime, language: str = "") -> str:
        """Where the browser goes to sign in. Raises `Unreachable`."""
        provider = await self._discover(now)
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect,
            "scope": SCOPES,
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": secrets.challenge,
            "code_challenge_method": "S256",
            **({"ui_locales": language} if language else {}),
        }
        return f"{provider.authorization}{'&' if '?' in provider.authorization else '?'}{urlencode(asked)}"

    async def identify(self, secrets: Secrets, *, code: str, issuer: str | None, now: datetime) -> Identity:
        """Who came back with this code. `issuer` is who the answer says it is from. Raises `OidcError`."""
        provider = await self._discover(now)
        if issuer is not None and issuer != self.issuer:
            raise NotProven("The answer is from another provider.")
        if issuer is None and provider.names_itself:
            raise NotProven("The answer does not say which provider it is from.")
        tokens = await self._exchange(provider, code, secrets.verifier)
        signed, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(signed, str):
            raise NotProven("The provider gave no identity.")
        claims = await self._claims(provider, signed, now)
        self._check(claims, secrets.nonce, now)
        subject = claims["sub"]
        told: Mapping[str, Any] = claims
        if "email" not in claims and provider.userinfo is not None and isinstance(access, str):
            told = await self._userinfo(provider.userinfo, access)
            if told.get("sub") != subject:
                raise NotProven("The provider told of somebody else.")
        email, verified = told.get("email"), told.get("email_verified")
        proven = isinstance(email, str) and "@" in email and verified is True
        return Identity(self.issuer, subject, email if proven else None)

    def _check(self, claims: Mapping[str, Any], nonce: str, now: datetime) -> None:
        wanted = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            wanted.validate(dict(claims))
        except JoseError as error:
            raise NotProven("The identity is not for us, or not for now.") from error
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise NotProven("The identity belongs to another sign-in.")
        audience = claims["aud"]
        others = isinstance(audience, list) and len(audience) > 1
        if (others or "azp" in claims) and claims.get("azp") != self._client_id:
            raise NotProven("The identity was made for another client.")
        if not 0 < len(claims["sub"]) <= _LONGEST_SUBJECT:
            raise NotProven("The identity names nobody.")

    async def _claims(self, provider: _Provider, signed: str, now: datetime) -> dict[str, Any]:
        for fresh in (False, True):
            keys = await self._published(provider, now, fresh=fresh)
            try:
                return jwt.decode(signed, keys, algorithms=list(provider.algorithms)).claims
            except (JoseError, ValueError) as error:
                # The provider may have changed its keys since we asked for them.
                if fresh or self._keys is None or now - self._keys[1] < _KEYS_EVERY:
                    raise NotProven("The identity is not signed by the provider.") from error
        raise AssertionError

    # --- what the provider publishes and answers ----------------------------------------------------------------------

    async def _discover(self, now: datetime) -> _Provider:
        if self._provider is not None and now < self._provider.until:
            return self._provider
        told = await self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self.issuer:
            raise Unreachable("The provider calls itself otherwise than VARDE_OIDC_ISSUER.")
        offered = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        userinfo = told.get("userinfo_endpoint")
        algorithms = tuple(name for name in ALGORITHMS if name in offered)
        if not algorithms:
            raise Unreachable("The provider signs in no way that can be trusted.")
        self._provider = _Provider(
            authorization=_safe(told.get("authorization_endpoint")),
            token=_safe(told.get("token_endpoint")),
            keys=_safe(told.get("jwks_uri")),
            userinfo=_safe(userinfo) if userinfo is not None else None,
            algorithms=algorithms,
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
            secret_in_form="client_secret_basic" not in methods and "client_secret_post" in methods,
            until=now + _REMEMBERED,
        )
        return self._provider

    async def _published(self, provider: _Provider, now: datetime, *, fresh: bool) -> KeySet:
        if self._keys is not None and not fresh and now - self._keys[1] < _REMEMBERED:
            return self._keys[0]
        told = await self._ask("GET", provider.keys)
        listed = told.get("keys")
        # A shared secret among published keys would let anybody sign.
        public = [key for key in listed if _is_public(key)] if isinstance(listed, list) else []
        try:
            self._keys = (KeySet.import_key_set({"keys": public}), now)
        except (JoseError, ValueError, TypeError) as error:
            raise Unreachable("The provider's keys cannot be read.") from error
        return self._keys[0]

    async def _exchange(self, provider: _Provider, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        headers = {}
        if self._client_secret is None:
            form["client_id"] = self._client_id
        elif provider.secret_in_form:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return await self._ask("POST", provider.token, data=form, headers=headers)

    async def _userinfo(self, address: str, access: str) -> dict[str, Any]:
        return await self._ask("GET", address, headers={"Authorization": f"Bearer {access}"})

    async def _ask(
        self,
        method: str,
        address: str,
        *,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE) as session,
                session.request(
                    method,
                    address,
                    data=data,
                    headers={"Accept": "application/json", **(headers or {})},
                    allow_redirects=False,
                ) as response,
            ):
                body = await response.content.read(_LARGEST + 1)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable("The provider cannot be reached.") from error
        if 400 <= status < 500 and method == "POST":
            raise NotProven("The provider does not take the code.")
        if status != 200 or len(body) > _LARGEST:
            raise Unreachable("The provider does not answer as it should.")
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Unreachable("The provider does not answer in JSON.") from error
        if not isinstance(told, dict):
            raise Unreachable("The provider does not answer as it should.")
        return told


def _safe(address: object) -> str:
    """An address that the provider published, where nothing on the way can read what goes there."""
    parts = urlsplit(address) if isinstance(address, str) else None
    local = parts is not None and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts is None or not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise Unreachable("The provider published an address that is not safe.")
    return str(address)


def _is_public(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"


def _derived(browser: str, purpose: str, state: str) -> str:
    return _unpadded(hmac.digest(browser.encode(), f"varde oidc {purpose}\0{state}".encode(), "sha256"))


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
