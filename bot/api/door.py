"""The way in to the API: a token and nothing else, how often it may ask, and one order of things for every operation.

A cookie opens nothing here, so no page of another site can use a browser that is signed in, and no header invites one.
First the token, then the role, then what was sent; a role that somebody lacks looks like an address that is not there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any, Final

import structlog
from aiohttp import web

from bot.api import reading, store
from bot.api.operations import BASE, Answer, Call, Caller, NoFields, Operation, Storage
from bot.api.problems import Problems, Trouble, Wrong, bad_fields, not_there, problem, trouble_of
from bot.house import House
from helpline import access_tokens, accounts, audit
from helpline.access_tokens import Scope
from helpline.rate_limit import RateLimit
from helpline.storage import StorageError
from helpline.web import LANGUAGE, REQUEST_ID, Handler, Refused, client_address

log = structlog.get_logger(__name__)

PREFIX: Final = "/api/"
IDEMPOTENCY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_CALLER: Final = web.RequestKey("api_caller", Caller)
_KEPT: Final = ("Content-Type", "Content-Language", "ETag")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_TAG = re.compile(r'"([1-9][0-9]{0,15})\.([1-9][0-9]{0,9})"')
_KINDS: Final = {
    400: "malformed",
    401: "unauthorized",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    429: "too-many-requests",
    503: "busy",
}


class ApiDoor:
    """Lets programs of staff in, and carries out what they ask."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.limit = RateLimit(house.clock, per_minute=600, burst=300)  # of each token
        self.strangers = RateLimit(house.clock, per_minute=30, burst=60)  # of each address without a good one
        self.problems = Problems(house.phrases)

    # --- who may come in ----------------------------------------------------------------------------------------------

    async def guard(self, request: web.Request) -> bool:
        """Let the holder of a good token in. For `Access.TOKEN`."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        now = self.house.clock.now()
        caller = await self._caller(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            stranger = client_address(request, trusted_proxies=self.house.settings.trusted_proxies)
            self._spend(self.strangers, stranger)
            given = ', error="invalid_token"' if token else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="varde"{given}'}
            raise Refused(401, "api.unauthorized", headers=challenge)
        self._spend(self.limit, str(caller.token.id))
        if access_tokens.is_worth_noting(caller.token, now):
            try:
                async with self.house.db.write() as conn:
                    await access_tokens.note_used(conn, caller.token.id, now=now)
            except StorageError as error:
                # That a use is not noted must not keep anybody from reading.
                log.warning("token_use_not_noted", error_type=type(error).__name__)
        request[_CALLER] = caller
        return True

    async def _caller(self, token: str) -> Caller | None:
        if not access_tokens.is_whole(token):
            return None
        async with self.house.db.read() as conn:
            found = await access_tokens.find(conn, token, now=self.house.clock.now())
            staff = await accounts.find_staff(conn, found.staff_id) if found is not None else None
        if found is None or staff is None or not staff.active or found.scope is Scope.PARTNER:
            return None
        return Caller(staff, found)

    def _spend(self, limit: RateLimit, who: str) -> None:
        wait = limit.spend(who)
        if wait:
            raise Refused(429, "api.too_many", headers={"Retry-After": str(int(wait) + 1)})

    # --- carrying out -------------------------------------------------------------------------------------------------

    def handler(self, operation: Operation) -> Handler:
        """What the route of this operation does."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answer(operation, request)
            except Exception as error:
                trouble = trouble_of(error, conditional="If-Match" in request.headers)
                if trouble is None:
                    raise
                return self.problems.response(trouble, request[LANGUAGE], request[REQUEST_ID])

        return handle

    async def _answer(self, operation: Operation, request: web.Request) -> web.Response:
        caller = request[_CALLER]
        if not caller.roles & operation.roles:
            raise not_there()
        if operation.scope is Scope.WRITE and caller.token.scope is not Scope.WRITE:
            challenge = {"WWW-Authenticate": 'Bearer realm="varde", error="insufficient_scope", scope="write"'}
            raise Trouble(403, "insufficient-scope", "api.scope", headers=challenge)
        key = self._key(request) if operation.storage is Storage.WRITE else ""
        parts = reading.read_path(request, operation.parts) if operation.parts is not NoFields else {}
        query = reading.read_query(request, operation.query)
        body: Any = None
        kind = ""
        if operation.raw_takes:
            body, kind = await reading.read_bytes(request, operation.raw_takes)
        elif operation.takes is not None:
            body = await reading.read_body(request, operation.takes, required=operation.body_required)
        elif request.can_read_body and await request.read():
            raise bad_fields([Wrong("", "This takes no body.")])
        version = _version(request, parts) if operation.conditional else None
        call = Call(
            caller,
            request[REQUEST_ID],
            self.house.clock.now(),
            request[LANGUAGE],
            parts,
            query,
            body,
            kind,
            version,
        )
        if operation.prepare is not None:
            call = replace(call, body=await operation.prepare(call))
        match Storage.READ if operation.only_reads(call) else operation.storage:
            case Storage.NONE:
                return _response(operation, await operation.handle(call))
            case Storage.READ:
                async with self.house.db.read() as conn:
                    return _response(operation, await operation.handle(replace(call, connection=conn)))
            case Storage.WRITE:
                return await self._write(operation, request, call, key)

    async def _write(self, operation: Operation, request: web.Request, call: Call, key: str) -> web.Response:
        staff_id = call.caller.staff.id
        asked = await _fingerprint(request) if key else ""
        async with self.house.db.write() as conn:
            audit.come_through(conn, token=call.caller.token.id)
            if key:
                given = await store.begin(conn, staff_id, key, asked=asked, now=call.now)
                if given is not None:
                    if given.asked != asked:
                        raise Trouble(422, "key-reused", "api.key_reused", errors=[Wrong(IDEMPOTENCY, "Used before.")])
                    return web.Response(
                        body=given.body.encode() or None,
                        status=given.status,
                        headers={**given.headers, REPLAYED: "true"},
                    )
            answer = await operation.handle(replace(call, connection=conn))
            response = _response(operation, answer)
            if key and answer.again:
                await store.drop(conn, staff_id, key)
            elif key:
                assert isinstance(response.body, bytes | None)
                kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
                text = (response.body or b"").decode()
                await store.keep(conn, staff_id, key, status=response.status, headers=kept, body=text)
        return response

    def _key(self, request: web.Request) -> str:
        key = request.headers.get(IDEMPOTENCY, "")
        if IDEMPOTENCY in request.headers and not _KEY.fullmatch(key):
            raise bad_fields([Wrong(IDEMPOTENCY, "This is up to 128 printable characters without blanks.")])
        return key

    # --- what the web kit refuses -------------------------------------------------------------------------------------

    def error(self, request: web.Request, status: int, phrase: str, said: str) -> web.Response:
        """An error that no operation saw, in the shape of all the others."""
        if status == 405:
            said = self.house.phrases.say("api.method", request[LANGUAGE])
        kind = _KINDS.get(status, "malformed" if status < 500 else "trouble")
        headers = {"Content-Language": request[LANGUAGE].value}
        return problem(status, kind, said, request[REQUEST_ID], headers=headers)


def _response(operation: Operation, answer: Answer) -> web.Response:
    status = answer.status or operation.status
    headers = dict(answer.headers)
    if answer.raw is not None:
        return web.Response(body=answer.raw, status=status, content_type=answer.kind, headers=headers)
    if answer.value is None:
        return web.Response(status=status, headers=headers)
    text = answer.value.model_dump_json(by_alias=True, exclude_none=status >= 400)
    return web.Response(body=text.encode(), status=status, content_type=answer.kind, headers=headers)


def tag_of(draft_id: int, version: int) -> str:
    """The ETag of a draft in one version."""
    return f'"{draft_id}.{version}"'


def _version(request: web.Request, parts: Any) -> int | None:
    """The version that an If-Match names; a tag of anything else than this draft never matches."""
    said = request.headers.get("If-Match", "").strip()
    if said in {"", "*"}:
        return None
    found = _TAG.fullmatch(said)
    if found is None or int(found[1]) != parts.get("draft"):
        raise Trouble(412, "changed-meanwhile", "desk.draft.no.changed")
    return int(found[2])


async def _fingerprint(request: web.Request) -> str:
    whole = hashlib.sha256()
    for part in (request.method.encode(), request.path_qs.encode(), await request.read()):
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def is_api(request: web.Request) -> bool:
    """Whether this is asked of the API."""
    return request.path.startswith(PREFIX) or request.path == BASE
