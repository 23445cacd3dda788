"""The door that Twilio calls for every document of a call: `/twilio/voice` when somebody calls the line, and
`/twilio/voice/{step}?c=<our id of the call>` for each turn of a call.

Each request is verified before anything of it is read, belongs to a call that is on disk, and is answered with words:
whoever holds a phone to their ear must never hear Twilio's own "an application error has occurred". Where storage takes
nothing for a moment, the caller hears silence for two seconds and the same step is fetched again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import structlog
from aiohttp import web

from bot.channels.base import BadPayload, Webhook
from bot.channels.twilio import read_form
from bot.channels.voice import (
    CallNews,
    CallState,
    Hangup,
    Pause,
    Redirect,
    Say,
    Turn,
    TwilioCalls,
    Verb,
    read_machine,
    read_news,
    read_turn,
    render,
)
from bot.house import House
from bot.voice.store import Call, CallKind
from bot.voice.watch import Watch
from helpline.messages import Country, Language
from helpline.storage import StorageError
from helpline.web import KILOBYTE, Access, Refused, Route

log = structlog.get_logger(__name__)

_LIMIT = 64 * KILOBYTE
_PATIENCE = 3  # times that a step is fetched again where storage takes nothing
FIRST = "answered"


@dataclass(frozen=True)
class Asked:
    """What Twilio asks: the call, and what was pressed or said on it since."""

    call: Call
    turn: Turn
    query: Mapping[str, str]
    now: datetime

    def count(self, name: str) -> int:
        """A number that we put into the address ourselves, which Twilio's signature covers."""
        written = self.query.get(name, "")
        return int(written) if written.isdecimal() and len(written) < 4 else 0


Step = Callable[[Asked], Awaitable[Sequence[Verb]]]
Inbound = Callable[[Turn, datetime], Awaitable[Sequence[Verb]]]  # somebody calls the line


class VoiceDoor:
    """What Twilio posts about calls. `steps` are by the name in their address, `answered` by what the call is for."""

    def __init__(
        self,
        house: House,
        watch: Watch,
        calls: TwilioCalls | None,
        *,
        steps: Mapping[str, Step],
        answered: Mapping[CallKind, Step],
        inbound: Inbound | None = None,
    ) -> None:
        self._house = house
        self._watch = watch
        self._calls = calls
        self._steps = steps
        self._answered = answered
        self._inbound = inbound

    def routes(self) -> list[Route]:
        """The addresses that Twilio knows; each verifies its signature before it reads anything."""
        return [
            Route("POST", "/twilio/voice", self.called, Access.PROVIDER, _LIMIT),
            Route("POST", "/twilio/voice/machine", self.machine, Access.PROVIDER, _LIMIT),
            Route("POST", "/twilio/voice/{step}", self.turn, Access.PROVIDER, _LIMIT),
        ]

    async def called(self, request: web.Request) -> web.StreamResponse:
        """Somebody calls the line."""
        _, fields = await self._verified(request)
        turn = _read(fields)
        inbound = self._inbound
        if inbound is None:
            raise Refused(404, "error.not_found")

        async def words() -> Sequence[Verb]:
            return await inbound(turn, self._house.clock.now())

        return await self._spoken(request, words, self._language())

    async def turn(self, request: web.Request) -> web.StreamResponse:
        """The next document of a call."""
        _, fields = await self._verified(request)
        turn = _read(fields)
        step = request.match_info["step"]
        if step != FIRST and step not in self._steps:
            raise Refused(404, "error.not_found")
        heard_in = self._language()

        async def words() -> Sequence[Verb]:
            nonlocal heard_in
            now = self._house.clock.now()
            call = await self._answered_call(request.query.get("c", ""), turn, now)
            if call is None:
                return [Say(self._house.phrases.say("call.needless", heard_in), heard_in), Hangup()]
            heard_in = call.language
            asked = Asked(call, turn, dict(request.query), now)
            work = self._answered.get(call.kind) if step == FIRST else self._steps[step]
            return await work(asked) if work is not None else [Hangup()]

        return await self._spoken(request, words, lambda: heard_in)

    async def machine(self, request: web.Request) -> web.StreamResponse:
        """What Twilio takes whoever answered for: heard beside the call."""
        _, fields = await self._verified(request)
        turn, machine = _read(fields), read_machine(fields)
        if machine:
            await self._stored(
                self._watch.told(request.query.get("c", ""), CallNews(turn.call_sid, CallState.ANSWERED, machine=True))
            )
        return web.Response(status=204)

    async def status(self, fields: Mapping[str, str], query: Mapping[str, str]) -> None:
        """What became of a call, from the door where Twilio tells of everything; the signature was verified there."""
        try:
            news = read_news(fields)
        except BadPayload as error:
            raise Refused(400, "error.bad_request") from error
        if news is not None:
            await self._stored(self._watch.told(query.get("c", ""), news))

    async def _answered_call(self, call_id: str, turn: Turn, now: datetime) -> Call | None:
        """The call, which is being listened to since Twilio asks what to say."""
        async with self._house.db.write() as conn:
            call = await self._watch.known(conn, call_id, turn.call_sid, now)
            if call is None:
                log.info("call_unknown")
                return None
            # A key may reach us after the end of its call: it counts, and what is answered to it nobody hears.
            if call.over:
                return call
            return await self._watch.note(conn, call, CallNews(turn.call_sid, CallState.ANSWERED), now)

    async def _verified(self, request: web.Request) -> tuple[TwilioCalls, dict[str, str]]:
        if self._calls is None:
            raise Refused(404, "error.not_found")  # switched off looks like not there
        posted = Webhook(
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        if not self._calls.verify(posted):
            log.warning("signature_refused", channel="call")
            raise Refused(403, "error.not_found")
        try:
            return self._calls, read_form(posted)
        except BadPayload as error:
            raise Refused(400, "error.bad_request") from error

    async def _stored(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StorageError as error:
            log.error("storage_refused", error_type=type(error).__name__)
            raise Refused(503, "error.busy_storage", headers={"Retry-After": "5"}) from error

    async def _spoken(
        self,
        request: web.Request,
        words: Callable[[], Awaitable[Sequence[Verb]]],
        language: Language | Callable[[], Language],
    ) -> web.StreamResponse:
        try:
            verbs = await words()
        except StorageError as error:
            log.error("storage_refused", error_type=type(error).__name__)
            verbs = self._again(request)
        except Exception as error:
            self._house.counts.trouble.labels("voice").inc()
            log.error("voice_failed", error_type=type(error).__name__, exc_info=True)
            verbs = []
        if not verbs:
            heard_in = language if isinstance(language, Language) else language()
            verbs = [Say(self._house.phrases.say("call.trouble", heard_in), heard_in), Hangup()]
        return web.Response(text=render(verbs), content_type="text/xml")

    def _again(self, request: web.Request) -> Sequence[Verb]:
        tried = request.query.get("retry", "0")
        times = int(tried) if tried.isdecimal() and len(tried) < 3 else _PATIENCE
        if times >= _PATIENCE or self._calls is None:
            return []
        query = urlencode({**request.query, "retry": times + 1})
        return [Pause(2), Redirect(f"{self._calls.public_url}{request.path}?{query}")]

    def _language(self) -> Language:
        return Language.SV if self._house.country is Country.SE else Language.NB


def _read(fields: Mapping[str, str]) -> Turn:
    try:
        return read_turn(fields)
    except BadPayload as error:
        raise Refused(400, "error.bad_request") from error
