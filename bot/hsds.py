"""The directory for other programs: the GET addresses of the HSDS API, and our profile, under `/hsds`.

Without a token it is the public feed, which names no protected service. With a partner's token it says more, and never
an address of a protected place. A token that is not good opens nothing and is told so, instead of getting the public
feed under another name. A feed is written once for each state of the directory and kept; nobody's question makes work.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from bot.api.problems import Problems, Trouble, Wrong
from bot.house import House
from helpline import access_tokens, accounts, audit
from helpline.access_tokens import AccessToken, Scope
from helpline.accounts import Role
from helpline.messages import Country
from helpline.rate_limit import RateLimit
from helpline.web import KILOBYTE, LANGUAGE, REQUEST_ID, Access, Handler, Route, client_address
from knowledge.fitness import local_day
from routing import store as directory_store
from routing.certification.catalogue import Catalogue
from routing.directory import Directory
from routing.hsds import package, profile
from routing.hsds.coverage import POSTAL_CODE, covers, place_of
from routing.hsds.feeds import Feed
from routing.hsds.fields import NEWEST, TABLES, Kind
from routing.hsds.schemas import descriptor, object_of, page_of
from routing.hsds.writing import Written, write

Json = dict[str, Any]

BASE: Final = "/hsds"
PER_PAGE: Final = 50
MOST_PER_PAGE: Final = 200
NDJSON: Final = "application/x-ndjson"
_LONGEST_SEARCH: Final = 200
_PIECE: Final = 64 * KILOBYTE  # of what is sent as lines
_FURTHEST_PAGE: Final = 1_000_000
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_YES: Final = {"true": True, "1": True, "": True, "false": False, "0": False}


# --- what may be asked ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """One name in a query."""

    name: str
    schema: Mapping[str, Any]
    description: str


_TEXT: Final = {"type": "string", "maxLength": _LONGEST_SEARCH}
_FLAG: Final = {"type": "boolean", "default": False}
_ID: Final = {"type": "string", "format": "uuid"}
_ASKS: Final[Mapping[str, Ask]] = {
    ask.name: ask
    for ask in (
        Ask("search", _TEXT, "Every word must stand somewhere in the entry."),
        Ask("page", {"type": "integer", "minimum": 1, "maximum": _FURTHEST_PAGE, "default": 1}, "Which page."),
        Ask(
            "per_page",
            {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": PER_PAGE},
            "How many entries a page holds.",
        ),
        Ask(
            "format",
            {"enum": ["json", "ndjson", "csv"], "default": "json"},
            "ndjson: all that is found, an entry a line, without pages. csv: the package of the services, zipped.",
        ),
        Ask("taxonomy_term_id", _ID, "With an attribute of this term."),
        Ask("taxonomy_id", _ID, "With an attribute of this taxonomy."),
        Ask("organization_id", _ID, "Of this organization."),
        Ask(
            "modified_after",
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]},
            "Changed at this instant or later; of what has no such instant nobody knows, and it is there.",
        ),
        Ask("minimal", _FLAG, "Only ids and when each last changed, on one page unless per_page says otherwise."),
        Ask("full", _FLAG, "With everything nested."),
        Ask("full_service", _FLAG, "With the organization's services in full."),
        Ask(
            "postcode",
            {"type": "string", "pattern": POSTAL_CODE},
            "Of a service that is there for this postal code of Norway or Sweden, or may be, by its service_areas.",
        ),
        Ask("top_only", _FLAG, "Only terms without a parent."),
        Ask("parent_id", _ID, "Terms under this one."),
    )
}
# What the specification has and this API refuses, and why.
_REFUSED: Final[Mapping[str, str]] = {
    "proximity": "Distances are not measured here: three of them lead to a protected place. Ask by postcode alone.",
}
_PAGED: Final = ("search", "page", "per_page", "format")
_SORTED: Final = ("taxonomy_term_id", "taxonomy_id", "organization_id", "modified_after")


@dataclass(frozen=True)
class Shelf:
    """One list of the API."""

    name: str
    table: str
    asks: tuple[str, ...]
    one_asks: tuple[str, ...] = ()
    required: bool = False


SHELVES: Final = (
    Shelf("services", "service", (*_PAGED, *_SORTED, "minimal", "full"), required=True),
    Shelf(
        "organizations",
        "organization",
        (*_PAGED, "taxonomy_term_id", "taxonomy_id", "full", "full_service"),
        ("full_service",),
    ),
    Shelf("service_at_locations", "service_at_location", (*_PAGED, *_SORTED, "full", "postcode")),
    Shelf("taxonomies", "taxonomy", _PAGED),
    Shelf("taxonomy_terms", "taxonomy_term", (*_PAGED, "taxonomy_id", "top_only", "parent_id")),
)


def read_query(query: Iterable[tuple[str, str]], asks: Iterable[str]) -> dict[str, Any]:
    """What was asked, each name once and each as it must be; `Trouble` with every field that is not."""
    known = {name: _ASKS[name] for name in asks}
    found: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for name, text in query:
        if name not in known:
            if name != "lang":
                sentence = _REFUSED.get(name, "There is no such parameter here.")
                wrong.append(Wrong(name[:40] if name.isprintable() else "?", sentence))
        elif name in found:
            wrong.append(Wrong(name, "This is given twice."))
        else:
            value, sentence = _read_value(known[name], text)
            found[name] = value
            if sentence:
                wrong.append(Wrong(name, sentence))
    if wrong:
        raise Trouble(400, "invalid", "hsds.bad_query", errors=wrong)
    return found


def _read_value(ask: Ask, text: str) -> tuple[Any, str]:
    kind = ask.schema
    if ask.name == "modified_after":
        return _instant(text)
    if kind.get("type") == "boolean":
        if text.lower() not in _YES:
            return None, "This is true or false."
        return _YES[text.lower()], ""
    if kind.get("type") == "integer":
        if not re.fullmatch(r"[0-9]{1,7}", text, re.ASCII) or not kind["minimum"] <= int(text) <= kind["maximum"]:
            return None, f"This is a whole number from {kind['minimum']} to {kind['maximum']}."
        return int(text), ""
    if kind.get("format") == "uuid":
        return (text.lower(), "") if _UUID.fullmatch(text) else (None, "This is no UUID.")
    if ask.name == "postcode":
        sentence = "This is a postal code of Norway or Sweden, like 0150 or 111 22."
        return (text, "") if re.fullmatch(POSTAL_CODE, text, re.ASCII) else (None, sentence)
    if "enum" in kind:
        return (text, "") if text in kind["enum"] else (None, f"This is one of {', '.join(kind['enum'])}.")
    return (text, "") if len(text) <= kind["maxLength"] else (None, f"This is {kind['maxLength']} characters at most.")


def _instant(text: str) -> tuple[datetime | None, str]:
    sentence = "This is an instant like 2026-03-01T00:00:00Z, or a date."
    try:
        # A plus in an address is a blank to most readers; nobody means one in an instant.
        found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    except ValueError:
        return None, sentence
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)), ""


# --- one feed, written ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stock:
    """One feed of one state of the directory, and how to find things in it."""

    made_of: object
    on: date
    written: Written
    entries: Mapping[str, Mapping[str, Json]] = field(repr=False)  # by shelf, by id
    texts: Mapping[str, Mapping[str, str]] = field(repr=False)  # what is searched, by shelf, by id
    terms: Mapping[str, Mapping[str, frozenset[str]]] = field(repr=False)  # ids of terms and taxonomies
    services_of: Mapping[str, tuple[str, ...]] = field(repr=False)  # of each organization


def stock_of(written: Written, made_of: object, on: date) -> Stock:
    """Everything by id, with what is searched beside it."""
    services = {each["id"]: each for each in written.services}
    places = {
        each["id"]: {**each, "service": brief("service", service)}
        for service in written.services
        for each in service.get("service_at_locations", ())
    }
    organizations = {each["id"]: each for each in written.organizations}
    entries: dict[str, Mapping[str, Json]] = {
        "services": services,
        "organizations": organizations,
        "service_at_locations": places,
        "taxonomies": {each["id"]: each for each in written.taxonomies},
        "taxonomy_terms": {each["id"]: each for each in written.taxonomy_terms},
    }
    by_organization: dict[str, list[str]] = {ident: [] for ident in organizations}
    for service in written.services:
        by_organization.setdefault(service["organization"]["id"], []).append(service["id"])
    terms = {
        "services": {ident: _terms_of(each) for ident, each in services.items()},
        "organizations": {
            ident: _terms_of(each).union(*(_terms_of(services[one]) for one in by_organization.get(ident, ())))
            for ident, each in organizations.items()
        },
        "service_at_locations": {ident: _terms_of(services[each["service"]["id"]]) for ident, each in places.items()},
    }
    texts = {shelf: {ident: _searched(each) for ident, each in listed.items()} for shelf, listed in entries.items()}
    of = {ident: tuple(listed) for ident, listed in by_organization.items()}
    return Stock(made_of, on, written, entries, texts, terms, of)


def _terms_of(entry: Json) -> frozenset[str]:
    return frozenset(
        ident
        for each in entry.get("attributes", ())
        for ident in (each["taxonomy_term_id"], each["taxonomy_term"]["taxonomy_id"])
    )


_SEARCHED: Final = ("name", "alternate_name", "description", "code", "eligibility_description", "application_process")


def _searched(entry: Json) -> str:
    parts = [str(entry.get(name, "")) for name in _SEARCHED]
    for name in ("organization", "service", "location"):
        if isinstance(entry.get(name), dict):
            parts.append(_searched(entry[name]))
    parts += [str(area.get("name", "")) for area in entry.get("service_areas", ())]
    return " ".join(part for part in parts if part).casefold()


def brief(table: str, entry: Json) -> Json:
    """An entry with what there is one of, and no lists."""
    found: Json = {}
    for name, value in entry.items():
        known = TABLES[table].find(name)
        if known is not None and known.kind is Kind.LIST:
            continue
        if isinstance(value, dict):
            child = known.child if known is not None else name
            found[name] = brief(child, value)
        else:
            found[name] = value
    return found


# --- the door ---------------------------------------------------------------------------------------------------------


class HsdsPages:
    """The addresses under `/hsds`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._problems = Problems(house.phrases)
        self.limit = RateLimit(house.clock, per_minute=120, burst=120)  # of each address
        self.partners = RateLimit(house.clock, per_minute=600, burst=300)  # of each token
        self._stocks: dict[Feed, Stock] = {}
        self._writing = asyncio.Lock()
        self._rows = {key: row.en for key, row in Catalogue.load(house.content).rows.items()}

    def routes(self) -> list[Route]:
        """Public, all of them: a token only changes what is told."""
        found = [
            self._route("/", self.about),
            self._route("", self.about),
            self._route("/openapi.json", self.openapi),
            self._route("/profile", self.profile),
            self._route("/profile/datapackage.json", self.profile_package),
            self._route("/profile/schema/{name:[a-z_]+}.json", self.profile_schema),
            self._route("/profile/{name:[a-z_]+}.json", self.profile_patch),
        ]
        for shelf in SHELVES:
            found.append(self._route(f"/{shelf.name}", self._list(shelf)))
            found.append(self._route(f"/{shelf.name}/{{id}}", self._one(shelf)))
        return found

    def _route(self, path: str, handler: Handler) -> Route:
        return Route("GET", BASE + path, self._answering(handler), Access.PUBLIC)

    def _answering(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Trouble as trouble:
                return self._problems.response(trouble, request[LANGUAGE], request[REQUEST_ID])

        return answer

    # --- who asks -------------------------------------------------------------------------------------------------

    async def _feed(self, request: web.Request) -> Feed:
        """The public feed; the partners' where a good token is shown. Spends from the limit of whoever asks."""
        if "Authorization" not in request.headers:
            self._spend(self.limit, client_address(request, trusted_proxies=self._house.settings.trusted_proxies))
            return Feed.PUBLIC
        scheme, _, secret = request.headers["Authorization"].partition(" ")
        token = await self._partner(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            self._spend(self.limit, client_address(request, trusted_proxies=self._house.settings.trusted_proxies))
            challenge = {"WWW-Authenticate": 'Bearer realm="varde hsds", error="invalid_token"'}
            raise Trouble(401, "unauthorized", "hsds.unauthorized", headers=challenge)
        self._spend(self.partners, str(token.id))
        now = self._house.clock.now()
        if access_tokens.is_worth_noting(token, now):
            # What left the house by which token is told in the trail, at most once a minute of each.
            async with self._house.db.write() as conn:
                await access_tokens.note_used(conn, token.id, now=now)
                subject = f"staff:{token.staff_id}"
                told: dict[str, audit.Detail] = {"token": token.id}
                await audit.append(
                    conn, at=now, actor=subject, action="partner_feed_read", subject=subject, details=told
                )
        return Feed.PARTNER

    async def _partner(self, secret: str) -> AccessToken | None:
        """The partner's token that this is. Only its hash is looked up, so no comparison tells how much was right."""
        if not access_tokens.is_whole(secret):
            return None
        async with self._house.db.read() as conn:
            found = await access_tokens.find(conn, secret, now=self._house.clock.now())
            staff = await accounts.find_staff(conn, found.staff_id) if found is not None else None
        if found is None or found.scope is not Scope.PARTNER:
            return None
        # The token is a coordinator's word that somebody is a partner, and good as long as they are one.
        return found if staff is not None and staff.active and Role.COORDINATOR in staff.roles else None

    def _spend(self, limit: RateLimit, who: str) -> None:
        wait = limit.spend(who)
        if wait:
            headers = {"Retry-After": str(int(wait) + 1)}
            raise Trouble(429, "too-many-requests", "hsds.too_many", headers=headers)

    # --- what there is --------------------------------------------------------------------------------------------

    async def _stock(self, feed: Feed) -> Stock:
        """This feed of the directory as it is now."""
        directory = self._house.library.directory
        today = local_day(Country.SE, self._house.clock.now())
        async with self._writing:
            known = self._stocks.get(feed)
            if known is not None and known.made_of is directory and known.on == today:
                return known
            async with self._house.db.read() as conn:
                modified = await directory_store.changed_at(conn)
            stock = await asyncio.to_thread(self._write, directory, feed, today, modified)
            self._stocks[feed] = stock
            return stock

    def _write(self, directory: Directory, feed: Feed, on: date, modified: Mapping[str, datetime]) -> Stock:
        written = write(
            directory,
            self._house.library.gazetteer,
            feed=feed,
            on=on,
            catalogue=self._rows,
            modified=modified,
            profile=self._profile_address(),
        )
        return stock_of(written, directory, on)

    def _profile_address(self) -> str:
        public = self._house.settings.public_url
        return profile.address_of(public) if public else ""

    def _base(self, request: web.Request) -> str:
        public = self._house.settings.public_url
        return (public or str(request.url.origin())).rstrip("/")

    # --- answers --------------------------------------------------------------------------------------------------

    def _list(self, shelf: Shelf) -> Handler:
        async def listed(request: web.Request) -> web.StreamResponse:
            feed = await self._feed(request)
            asked = read_query(request.query.items(), shelf.asks)
            if asked.get("format") == "csv" and shelf.name != "services":
                wrong = [Wrong("format", "Only the services are to be had as tables; they bring all others along.")]
                raise Trouble(400, "invalid", "hsds.bad_query", errors=wrong)
            stock = await self._stock(feed)
            found = _select(stock, shelf, asked)
            if "postcode" in asked:
                found = await asyncio.to_thread(self._there_for, asked["postcode"], stock, shelf, found)
            if asked.get("format") == "csv":
                body = await asyncio.to_thread(_tables, stock, found, self._profile_address())
                return _answer(request, feed, body, "application/zip")
            if asked.get("format") == "ndjson":
                return await _streamed(request, feed, lambda: _lines(stock, shelf, found, asked))
            return _answer(request, feed, _dump(_page(stock, shelf, found, asked)))

        return listed

    def _there_for(self, postcode: str, stock: Stock, shelf: Shelf, found: list[str]) -> list[str]:
        """Those of a service that is there for this postal code."""
        gazetteer = self._house.library.gazetteer
        place = place_of(postcode, gazetteer)
        if place is None:
            wrong = [Wrong("postcode", "Nobody here knows where this postal code is.")]
            raise Trouble(400, "invalid", "hsds.bad_query", errors=wrong)
        services = stock.entries["services"]
        of = {ident: services[stock.entries[shelf.name][ident]["service"]["id"]] for ident in found}
        return [ident for ident in found if covers(of[ident], place, gazetteer)]

    def _one(self, shelf: Shelf) -> Handler:
        async def one(request: web.Request) -> web.Response:
            feed = await self._feed(request)
            asked = read_query(request.query.items(), shelf.one_asks)
            stock = await self._stock(feed)
            entry = stock.entries[shelf.name].get(request.match_info["id"].lower())
            if entry is None:
                raise Trouble(404, "not-found", "hsds.not_found")
            if shelf.name == "organizations":
                entry = _with_services(stock, entry, full=asked.get("full_service", False))
            return _answer(request, feed, _dump(entry))

        return one

    async def about(self, request: web.Request) -> web.Response:
        """What this API is."""
        feed = await self._feed(request)
        read_query(request.query.items(), ())
        base = self._base(request)
        told = {
            "version": NEWEST.value,
            "profile": f"{base}{profile.PATH}",
            "openapi_url": f"{base}{BASE}/openapi.json",
            "description": "Services for people who may be victims of human trafficking, in Norway and Sweden. "
            "Protected places stand here without a name and without an address; partners read more with a token.",
            "publisher": {"name": "Varde", "website": f"{base}/"},
            "feed": feed.value,
        }
        return _answer(request, feed, _dump(told))

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of all this."""
        await self._feed(request)
        return _answer(request, Feed.PUBLIC, _dump(describe(f"{self._base(request)}{BASE}")))

    async def profile(self, request: web.Request) -> web.Response:
        """Our profile."""
        await self._feed(request)
        return _answer(request, Feed.PUBLIC, _dump(profile.description(f"{self._base(request)}{profile.PATH}")))

    async def profile_package(self, request: web.Request) -> web.Response:
        """The descriptor of the tabular package."""
        await self._feed(request)
        more = {"homepage": f"{self._base(request)}{profile.PATH}", "version": profile.VERSION}
        return _answer(request, Feed.PUBLIC, _dump(descriptor(more=more)))

    async def profile_patch(self, request: web.Request) -> web.Response:
        """What the profile changes in one schema."""
        await self._feed(request)
        patch = profile.PATCHES.get(request.match_info["name"])
        if patch is None:
            raise Trouble(404, "not-found", "hsds.not_found")
        return _answer(request, Feed.PUBLIC, _dump(patch))

    async def profile_schema(self, request: web.Request) -> web.Response:
        """One schema as the profile has it."""
        await self._feed(request)
        name = request.match_info["name"]
        if name not in TABLES:
            raise Trouble(404, "not-found", "hsds.not_found")
        return _answer(request, Feed.PUBLIC, _dump(profile.schema(name, f"{self._base(request)}{profile.PATH}")))

    def error(self, request: web.Request, status: int, phrase: str, said: str) -> web.Response:
        """An error that no handler here saw, in the shape of all the others."""
        kind = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 503: "busy"}.get(status, "trouble")
        known = "api.method" if status == 405 else phrase
        trouble = Trouble(status, kind, known)
        return self._problems.response(trouble, request[LANGUAGE], request[REQUEST_ID])


def _dump(value: Any) -> bytes:
    return orjson.dumps(value)


def _answer(request: web.Request, feed: Feed, body: bytes, kind: str = "application/json") -> web.Response:
    """The answer, or that nothing has changed since it was last fetched."""
    headers = _headers(feed, hashlib.sha256(body).hexdigest())
    if kind == "application/zip":
        headers["Content-Disposition"] = 'attachment; filename="hsds.zip"'
    if _is_known(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=kind, headers=headers)


async def _streamed(request: web.Request, feed: Feed, lines: Callable[[], Iterator[bytes]]) -> web.StreamResponse:
    """The same in pieces, so that no list is too long for it. `lines` makes them anew each time."""

    def read_through() -> str:
        digest = hashlib.sha256()
        for line in lines():
            digest.update(line)
        return digest.hexdigest()

    headers = _headers(feed, await asyncio.to_thread(read_through))
    if _is_known(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Type": NDJSON})
    await response.prepare(request)
    for piece in _in_pieces(lines()):
        await response.write(piece)
        await asyncio.sleep(0)  # to write to whoever reads fast gives way to nobody else by itself
    await response.write_eof()
    return response


def _in_pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines put together until they are worth sending."""
    piece, size = [], 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _headers(feed: Feed, digest: str) -> dict[str, str]:
    return {
        "ETag": f'"{digest[:32]}"',
        "Vary": "Authorization",
        # What a partner may read is kept by nobody on the way.
        "Cache-Control": "public, max-age=300" if feed is Feed.PUBLIC else "private, no-store",
    }


def _is_known(request: web.Request, tag: str) -> bool:
    seen = {each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")}
    return tag in seen or "*" in seen


def _select(stock: Stock, shelf: Shelf, asked: Mapping[str, Any]) -> list[str]:
    """The ids of what every filter lets through."""
    entries, texts = stock.entries[shelf.name], stock.texts[shelf.name]
    terms = stock.terms.get(shelf.name, {})
    words = str(asked.get("search", "")).casefold().split()

    def wanted(ident: str, entry: Json) -> bool:
        if words and not all(word in texts[ident] for word in words):
            return False
        for name in ("taxonomy_term_id", "taxonomy_id"):
            if name in asked and shelf.name != "taxonomy_terms" and asked[name] not in terms.get(ident, frozenset()):
                return False
        if shelf.name == "taxonomy_terms":
            if "taxonomy_id" in asked and entry.get("taxonomy_id") != asked["taxonomy_id"]:
                return False
            if "parent_id" in asked and entry.get("parent_id") != asked["parent_id"]:
                return False
            return not (asked.get("top_only") and entry.get("parent_id"))
        service = entry.get("service", entry)
        if "organization_id" in asked and (service.get("organization") or {}).get("id") != asked["organization_id"]:
            return False
        if "modified_after" in asked:
            changed = service.get("last_modified")
            if changed and datetime.fromisoformat(changed) < asked["modified_after"]:
                return False
        return True

    return [ident for ident, entry in entries.items() if wanted(ident, entry)]


def _page(stock: Stock, shelf: Shelf, found: list[str], asked: Mapping[str, Any]) -> Json:
    size, number = asked.get("per_page", max(1, len(found)) if asked.get("minimal") else PER_PAGE), asked.get("page", 1)
    pages = max(1, -(-len(found) // size))
    shown = found[(number - 1) * size : number * size]
    return {
        "total_items": len(found),
        "total_pages": pages,
        "page_number": number,
        "size": len(shown),
        "first_page": number == 1,
        "last_page": number >= pages,
        "empty": not shown,
        "contents": [_shown(stock, shelf, stock.entries[shelf.name][ident], asked) for ident in shown],
    }


def _lines(stock: Stock, shelf: Shelf, found: list[str], asked: Mapping[str, Any]) -> Iterator[bytes]:
    """Every entry that was found, each a line."""
    for ident in found:
        yield orjson.dumps(
            _shown(stock, shelf, stock.entries[shelf.name][ident], asked), option=orjson.OPT_APPEND_NEWLINE
        )


def _shown(stock: Stock, shelf: Shelf, entry: Json, asked: Mapping[str, Any]) -> Json:
    if asked.get("minimal"):
        return {name: entry[name] for name in ("id", "last_modified") if name in entry}
    told = entry if asked.get("full") else brief(shelf.table, entry)
    if shelf.name == "organizations" and (asked.get("full") or asked.get("full_service")):
        return _with_services(stock, told, full=asked.get("full_service", False))
    return told


def _with_services(stock: Stock, organization: Json, *, full: bool) -> Json:
    """An organization with its services, which do not tell of it once more."""
    services = []
    for ident in stock.services_of.get(organization["id"], ()):
        service = stock.entries["services"][ident]
        told = service if full else {name: service[name] for name in ("id", "name", "status")}
        services.append({name: value for name, value in told.items() if name != "organization"})
    return {**organization, "services": services} if services else organization


def _tables(stock: Stock, found: list[str], address: str) -> bytes:
    services = tuple(stock.entries["services"][ident] for ident in found)
    behind = {each["organization"]["id"] for each in services}
    organizations = tuple(each for each in stock.written.organizations if each["id"] in behind)
    known = {each["id"] for each in organizations}
    # A parent that is not in the selection would refer to nothing.
    organizations = tuple(
        {name: value for name, value in each.items() if name != "parent_organization_id" or value in known}
        for each in organizations
    )
    told = {each["id"]: each for each in organizations}
    services = tuple({**each, "organization": told[each["organization"]["id"]]} for each in services)
    chosen = replace(stock.written, services=services, organizations=organizations)
    return package.zipped(package.package_files(chosen, profile=address))


# --- the description --------------------------------------------------------------------------------------------------


def describe(address: str) -> Json:
    """The OpenAPI 3.1 description."""
    paths: Json = {"/": {"get": _operation("about", "What this API is.", _ABOUT, required=True, mistakes=(400,))}}
    for shelf in SHELVES:
        items = {"anyOf": [{"$ref": f"#/components/schemas/{shelf.table}"}, {"$ref": "#/components/schemas/minimal"}]}
        schema = page_of(items if "minimal" in shelf.asks else items["anyOf"][0])
        lines = {NDJSON: {"schema": {"type": "string", "description": "An entry a line."}}}
        tables = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
        listed = _operation(
            f"list_{shelf.name}",
            f"A page of {shelf.name.replace('_', ' ')}.",
            schema,
            asks=shelf.asks,
            required=shelf.required,
            mistakes=(400,),
            more=lines | (tables if shelf.name == "services" else {}),
        )
        one = _operation(
            f"get_{shelf.name}",
            f"One of the {shelf.name.replace('_', ' ')}, with all that belongs to it.",
            {"$ref": f"#/components/schemas/{shelf.table}"},
            asks=shelf.one_asks,
            required=shelf.required,
            mistakes=(400, 404),
        )
        part = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        one["parameters"] = [part, *one["parameters"]]
        paths[f"/{shelf.name}"] = {"get": listed}
        paths[f"/{shelf.name}/{{id}}"] = {"get": one}
    schemas: Json = {name: object_of(table, refer="#/components/schemas/") for name, table in TABLES.items()}
    for name, child in (("organization", "services"), ("service_at_location", "service")):
        ref = {"$ref": "#/components/schemas/part_of_service"}
        schemas[name]["properties"][child] = {"type": "array", "items": ref} if child == "services" else ref
    # Nested in its organization or at a location, a service may be told in part.
    schemas["part_of_service"] = {**schemas["service"], "required": ["id", "name", "status"]}
    schemas["minimal"] = {
        "type": "object",
        "properties": {"id": _ID, "last_modified": {"type": "string", "format": "date-time"}},
        "required": ["id"],
        "additionalProperties": False,
    }
    schemas["problem"] = _PROBLEM
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Varde: services against human trafficking (HSDS)",
            "version": profile.VERSION,
            "description": "HSDS 3.1 with a profile of our own. Filters are cumulative. Without a token it is the "
            "public feed; with a partner's token it says more.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": address}],
        "security": [{}, {"partner": []}],
        "tags": [
            {"name": "required", "description": "The HSDS API must have it."},
            {"name": "optional", "description": "The HSDS API may have it."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"partner": {"type": "http", "scheme": "bearer"}},
        },
    }


_ABOUT: Final = {
    "type": "object",
    "properties": {
        "version": {"type": "string"},
        **{key: {"type": "string", "format": "uri"} for key in ("profile", "openapi_url")},
        "description": {"type": "string"},
        "publisher": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "website": {"type": "string", "format": "uri"}},
            "required": ["name"],
        },
        "feed": {"enum": [feed.value for feed in Feed]},
    },
    "required": ["version", "profile", "openapi_url"],
}
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("type", "title", "detail", "request_id")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in ("field", "message")},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_ENDS: Final = {
    400: "Something in the query is not as it must be; `errors` names it.",
    401: "A token was shown that is not good.",
    404: "There is nothing with this id.",
    429: "Too many requests; `Retry-After` says when to ask again.",
}


def _operation(
    ident: str,
    summary: str,
    schema: Mapping[str, Any],
    *,
    asks: Iterable[str] = (),
    required: bool = False,
    mistakes: Iterable[int] = (),
    more: Mapping[str, Any] | None = None,
) -> Json:
    parameters: list[Json] = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": _ASKS[name].description,
            "schema": dict(_ASKS[name].schema),
        }
        for name in asks
    ]
    ends = {str(status): _problem(_ENDS[status]) for status in sorted({*mistakes, 401, 429})}
    good = {"application/json": {"schema": dict(schema)}, **(more or {})}
    tag = {"ETag": {"required": True, "schema": {"type": "string"}}}
    return {
        "operationId": ident,
        "summary": summary,
        "tags": ["required" if required else "optional"],
        "parameters": parameters,
        "responses": {"200": {"description": summary, "headers": tag, "content": good}, **ends},
    }


def _problem(said: str) -> Json:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}
    return {"description": said, "content": content}
