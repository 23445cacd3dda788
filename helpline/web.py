"""The web kit: who may call a route, how large a request may be, what responses carry, and what an error looks like.

A route says who may use it, or the application refuses to start. Everything else is denied, and "not yours" looks like
"not there". Errors become a page or JSON here and nowhere else; a response never carries what somebody wrote.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from helpline.languages import from_tag
from helpline.messages import Language
from helpline.phrases import Phrases
from helpline.storage import StorageBusy, StorageError

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: Final = web.RequestKey("request_id", str)
LANGUAGE: Final = web.RequestKey("language", Language)

KILOBYTE = 1024
_DEFAULT_LIMIT = 64 * KILOBYTE

LANGUAGE_COOKIE = "lang"


class Access(StrEnum):
    """Who may use a route."""

    PUBLIC = "public"  # anyone
    PROVIDER = "provider"  # a provider that signs what it posts; the handler verifies before it reads
    STAFF = "staff"  # somebody signed in
    TOKEN = "token"  # noqa: S105  # a program of staff's, by a personal access token; no cookie opens it
    CHAT = "chat"  # the holder of a chat's own cookie; the handler finds the conversation by it


@dataclass(frozen=True)
class Route:
    """One address of ours and who may use it."""

    method: str
    path: str
    handler: Handler
    access: Access
    limit: int = _DEFAULT_LIMIT  # bytes of body that are read at most


class Refused(Exception):
    """A request that is turned away, with the phrase that says why and what to do."""

    def __init__(self, status: int, phrase: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(phrase)
        self.status = status
        self.phrase = phrase
        self.headers = dict(headers or {})


# Nothing from another host, no inline script or style, no framing: what an injected text could load, it cannot.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the next site must not learn where the reader came from
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Guard = Callable[[web.Request], Awaitable[bool]]
ErrorPage = Callable[[web.Request, int, str], web.Response]
# What an error of a part with a shape of its own looks like: status, the phrase, and the phrase in words.
ErrorShape = Callable[[web.Request, int, str, str], web.Response]


@dataclass(frozen=True)
class WebKit:
    """What the application's routes are built with."""

    phrases: Phrases
    default_language: Language
    guards: Mapping[Access, Guard]
    error_page: ErrorPage | None = None
    error_shapes: Mapping[str, ErrorShape] = field(default_factory=dict)  # by how the address begins
    secure: bool = False  # served over https to the outside

    def build(self, routes: Iterable[Route]) -> web.Application:
        """An application with these routes, each behind its guard. Raises `RuntimeError` for a route without one."""
        app = web.Application(middlewares=[self._middleware()])
        for route in routes:
            if route.access in {Access.STAFF, Access.TOKEN} and route.access not in self.guards:
                raise RuntimeError(f"{route.path} is for staff, but nothing checks who is staff")
            app.router.add_route(route.method, route.path, self._guarded(route))
        app.on_startup.append(_every_route_says_who)
        app.on_response_prepare.append(self._dress)
        return app

    def _guarded(self, route: Route) -> Handler:
        guard = self.guards.get(route.access)
        ours_only = route.method not in {"GET", "HEAD"} and route.access in {Access.STAFF, Access.CHAT}

        async def handle(request: web.Request) -> web.StreamResponse:
            length = request.content_length
            if length is not None and length > route.limit:
                raise Refused(413, "error.too_large")
            if ours_only and not from_our_own_page(request):
                raise Refused(404, "error.not_found")
            if guard is not None and not await guard(request):
                raise Refused(404, "error.not_found")
            return await route.handler(request.clone(client_max_size=route.limit))

        handle._access = route.access  # type: ignore[attr-defined]  # read by the check at start
        return handle

    def _middleware(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            request_id = secrets.token_hex(8)
            request[REQUEST_ID] = request_id
            request[LANGUAGE] = self.language_of(request)
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                return await self._answered(request, handler)

        return middleware

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give every response, streams and redirects too, the headers that every response carries."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if self.secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return self._error(request, refused.status, refused.phrase, refused.headers)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            phrase = _PHRASES.get(error.status, "error.bad_request" if error.status < 500 else "error.trouble")
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return self._error(request, error.status, phrase, allowed)
        except ConnectionResetError:
            raise  # the caller has hung up; there is nobody to tell
        except StorageError as error:
            log.error("request_not_stored", error_type=type(error).__name__, route=_route_name(request))
            wait = "2" if isinstance(error, StorageBusy) else "30"
            return self._error(request, 503, "error.busy_storage", {"Retry-After": wait})
        except Exception as error:
            # The message of an exception may hold what somebody wrote; its type and place do not.
            log.error("request_failed", error_type=type(error).__name__, route=_route_name(request), exc_info=True)
            return self._error(request, 500, "error.trouble", {})

    def _error(self, request: web.Request, status: int, phrase: str, headers: Mapping[str, str]) -> web.Response:
        said = self.phrases.say(phrase, request[LANGUAGE])
        shape = next((shape for start, shape in self.error_shapes.items() if request.path.startswith(start)), None)
        if shape is not None:
            response = shape(request, status, phrase, said)
        elif wants_page(request) and self.error_page is not None:
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
        for asked in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
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


def wants_page(request: web.Request) -> bool:
    """Whether a person's browser is asking for a page, and not a script for data."""
    return "text/html" in request.headers.get("Accept", "")


def from_our_own_page(request: web.Request) -> bool:
    """Whether a form was sent from a page of ours, as far as the browser tells.

    A second net: cookies are `SameSite=Strict`, and staff forms carry a token. Old browsers tell nothing and pass.
    """
    site = request.headers.get("Sec-Fetch-Site")
    return site in {None, "same-origin", "none"}


def see_other(address: str) -> web.Response:
    """Send the browser on to a page of ours (or, on leaving, elsewhere) with a GET."""
    return web.Response(status=303, headers={"Location": address})


def html(text: str, *, status: int = 200) -> web.Response:
    """A page."""
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def client_address(request: web.Request, *, trusted_proxies: int = 0) -> str:
    """Who is calling, for rate limits: the peer, or what the last trusted proxy in front of us saw.

    An IPv6 caller owns a whole /64 of addresses, so that is what counts as one caller.
    """
    address = request.remote or "unknown"
    if trusted_proxies:
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        if len(forwarded) >= trusted_proxies:
            address = forwarded[-trusted_proxies]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
