"""The web kit: who may call a route, how large a request may be, what every response carries, and what an error looks like.

A route says who may use it, or the application refuses to start. Everything else is denied, and "not yours" looks like
"not there". Errors become a page or JSON here and nowhere else; a response never carries what somebody wrote.
"""

from __future__ import annotations

import contextvars
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from helpline.clock import Clock
from helpline.languages import from_tag
from helpline.messages import Language
from helpline.phrases import Phrases

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: Final = web.RequestKey("request_id", str)
LANGUAGE: Final = web.RequestKey("language", Language)

_current_request: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

KILOBYTE = 1024


class Access(StrEnum):
    """Who may use a route."""

    PUBLIC = "public"  # anyone
    PROVIDER = "provider"  # a provider that signs what it posts; the handler verifies before it reads
    STAFF = "staff"  # somebody signed in
    CHAT = "chat"  # the holder of a chat's own cookie; the handler finds the conversation by it


@dataclass(frozen=True)
class Route:
    """One address of ours and who may use it."""

    method: str
    path: str
    handler: Handler
    access: Access
    limit: int = 64 * KILOBYTE  # bytes of body that are read at most


class Refused(Exception):
    """A request that is turned away, with the phrase that says why and what to do."""

    def __init__(self, status: int, phrase: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(phrase)
        self.status = status
        self.phrase = phrase
        self.headers = dict(headers or {})


# Nothing from another host, no inline script or style, no framing: what an injected text could load, it cannot.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the next site must not learn where the reader came from
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Bucket:
    """What one address may still spend."""

    tokens: float
    filled_at: float


@dataclass
class RateLimit:
    """So many requests per minute and address, with room for a burst; in memory, bounded.

    It protects the machine, not a person: what may say that somebody is in danger is let through by its handler, whatever
    this answers.
    """

    clock: Clock
    per_minute: float
    burst: int
    remembered: int = 10_000
    _buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def spend(self, address: str) -> float:
        """Zero where the request is within the limit, else the seconds to wait."""
        now = self.clock.now().timestamp()
        bucket = self._buckets.pop(address, None) or Bucket(float(self.burst), now)
        elapsed = max(0.0, now - bucket.filled_at)
        tokens = min(float(self.burst), bucket.tokens + elapsed * self.per_minute / 60)
        wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / self.per_minute
        self._buckets[address] = Bucket(tokens - 1 if wait == 0 else tokens, now)
        while len(self._buckets) > self.remembered:
            self._buckets.popitem(last=False)
        return wait


Guard = Callable[[web.Request], Awaitable[bool]]
ErrorPage = Callable[[web.Request, int, str], web.Response]


@dataclass(frozen=True)
class WebKit:
    """What the application's routes are built with."""

    phrases: Phrases
    default_language: Language
    guards: Mapping[Access, Guard]
    error_page: ErrorPage | None = None
    secure: bool = False  # served over https to the outside

    def build(self, routes: Iterable[Route]) -> web.Application:
        """An application with these routes, each behind its guard. Raises `RuntimeError` for a route without one."""
        app = web.Application(middlewares=[self._outermost], client_max_size=256 * KILOBYTE)
        for route in routes:
            if route.access is Access.STAFF and Access.STAFF not in self.guards:
                raise RuntimeError(f"{route.path} is for staff, but nothing checks who is staff")
            app.router.add_route(route.method, route.path, self._guarded(route))
        app.on_startup.append(_every_route_says_who)
        return app

    def _guarded(self, route: Route) -> Handler:
        guard = self.guards.get(route.access)

        async def handle(request: web.Request) -> web.StreamResponse:
            length = request.content_length
            if length is not None and length > route.limit:
                raise Refused(413, "error.too_large")
            if guard is not None and not await guard(request):
                raise Refused(404, "error.not_found")
            narrowed = request.clone(client_max_size=route.limit) if route.limit != 256 * KILOBYTE else request
            return await route.handler(narrowed)

        handle._access = route.access  # type: ignore[attr-defined]  # read by the check at start
        return handle

    @property
    def _outermost(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            request_id = secrets.token_hex(8)
            request[REQUEST_ID] = request_id
            request[LANGUAGE] = self.language_of(request)
            token = _current_request.set(request_id)
            structlog.contextvars.bind_contextvars(request_id=request_id)
            try:
                response = await self._answered(request, handler)
            finally:
                _current_request.reset(token)
                structlog.contextvars.unbind_contextvars("request_id")
            if not response.prepared:
                self.dress(response, request_id)
            return response

        return middleware

    def dress(self, response: web.StreamResponse, request_id: str) -> None:
        """Give the response the headers that every response carries; a stream calls this before it is prepared."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-Id"] = request_id
        if self.secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return self._error(request, refused.status, refused.phrase, refused.headers)
        except web.HTTPException as error:
            if error.status < 400:
                return error
            phrase = _PHRASES.get(error.status, "error.bad_request" if error.status < 500 else "error.trouble")
            return self._error(request, error.status, phrase, {})
        except (ConnectionResetError, TimeoutError):
            raise
        except Exception as error:
            # The message of an exception may hold what somebody wrote; its type and place do not.
            log.error("request_failed", error_type=type(error).__name__, route=_route_name(request), exc_info=True)
            return self._error(request, 500, "error.trouble", {})

    def _error(self, request: web.Request, status: int, phrase: str, headers: Mapping[str, str]) -> web.Response:
        wants_page = "text/html" in request.headers.get("Accept", "")
        said = self.phrases.say(phrase, request[LANGUAGE])
        if wants_page and self.error_page is not None:
            response = self.error_page(request, status, said)
        else:
            response = web.json_response(
                {"error": phrase.removeprefix("error."), "message": said, "request_id": request[REQUEST_ID]},
                status=status,
            )
        response.headers.update(headers)
        return response

    def language_of(self, request: web.Request) -> Language:
        """The language asked for: by `lang` in the address, the reader's cookie, or what the browser prefers."""
        asked = request.query.get("lang", "") or request.cookies.get("lang", "")
        if asked in {language.value for language in Language}:
            return Language(asked)
        for part in request.headers.get("Accept-Language", "").split(",")[:10]:
            language = from_tag(part.partition(";")[0].strip())
            if language is not None:
                return language
        return self.default_language


_PHRASES: Mapping[int, str] = {
    403: "error.not_found",
    404: "error.not_found",
    405: "error.not_found",
    413: "error.too_large",
    415: "error.bad_request",
}


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


async def _every_route_says_who(app: web.Application) -> None:
    """Stop the start where a route was added past `WebKit.build`."""
    for route in app.router.routes():
        if not hasattr(route.handler, "_access"):
            place = route.resource.canonical if route.resource is not None else "?"
            raise RuntimeError(f"the route {route.method} {place} does not say who may use it")


def client_address(request: web.Request, *, trusted_proxies: int = 0) -> str:
    """Who is calling, for rate limits: the peer, or what the last trusted proxy in front of us saw."""
    if trusted_proxies:
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        if len(forwarded) >= trusted_proxies:
            return forwarded[-trusted_proxies]
    return request.remote or "unknown"


class StaticFiles:
    """Our own style sheet and scripts, addressed by content, so that they may be kept for ever by a browser."""

    _TYPES: Mapping[str, str] = {
        ".css": "text/css",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
    }

    def __init__(self, folder: Path, prefix: str = "/static") -> None:
        self._prefix = prefix
        self._files: dict[str, tuple[bytes, str]] = {}
        self._addresses: dict[str, str] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in self._TYPES:
                body = path.read_bytes()
                name = path.relative_to(folder).as_posix()
                version = hashlib.sha256(body).hexdigest()[:12]
                self._files[name] = (body, self._TYPES[path.suffix])
                self._addresses[name] = f"{prefix}/{version}/{name}"

    def address(self, name: str) -> str:
        """Where a page finds the file; `KeyError` for one that is not there."""
        return self._addresses[name]

    def routes(self) -> list[Route]:
        """The one route that serves them."""
        return [Route("GET", self._prefix + "/{version}/{name:.+}", self._serve, Access.PUBLIC)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise Refused(404, "error.not_found")
        body, content_type = found
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
