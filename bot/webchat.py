"""The chat at `/`: no account, works before any script runs, live when one does.

Every form carries an id of its own, so that a message sent twice is there once. What was typed comes back in the box
whenever it could not be taken, and what shows danger or asks for a human is taken at any rate.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from aiohttp import web

from bot import dialogue, store, transcript
from bot.commands import Command
from bot.dialogue import ADVISOR, ANSWER, DANGER_YES, State
from bot.house import House, Side, page_topic, typing_topic
from bot.inbox import take_in
from bot.render import Entry, Pages
from bot.store import Conversation, Kind
from bot.transcript import EXAMPLES, Reader, Transcript
from bot.visitor import AWAY, Visitor, Visitors
from escalation import store as escalations
from helpline.live import Streams
from helpline.messages import Channel, Country, InboundKind, InboundMessage, Language
from helpline.phrases import ZONES
from helpline.rate_limit import RateLimit
from helpline.storage import StorageBusy, StorageError
from helpline.web import (
    KILOBYTE,
    Access,
    Refused,
    Route,
    from_our_own_page,
    see_other,
    wants_page,
)
from knowledge.urgency import Danger

log = structlog.get_logger(__name__)

LONGEST_TEXT = 8_000  # characters that are taken from the box
_BODY = 2_048 * KILOBYTE  # far more than that, so that a text which is too long is told so and kept
_OVERLAP = 120_000_000  # microseconds before the reader's last entry that are sent again: commits may pass each other

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TAP = re.compile(r"[\x21-\x7e]{1,48}")

LANGUAGES = (("nb", "Bokmål"), ("nn", "Nynorsk"), ("sv", "Svenska"), ("en", "English"))
_EMERGENCY: Mapping[Country, tuple[tuple[str, str], ...]] = {
    Country.NO: (("112", "web.emergency.police"), ("113", "web.emergency.ambulance")),
    Country.SE: (("112", "web.emergency.all"),),
}


@dataclass(frozen=True)
class Posted:
    """What the form said."""

    message_id: str
    text: str = ""
    tap: str = ""
    example: str = ""
    look: bool = False
    language: Language | None = None
    country: Country | None = None


@dataclass(frozen=True)
class View:
    """What the page shows."""

    visitor: Visitor
    conversation: Conversation | None
    transcript: Transcript

    @property
    def cursor(self) -> str:
        """What the browser has seen: of which conversation, and how far."""
        if self.conversation is None:
            return ""
        instants = [message.received_at for message in self.transcript.received]
        instants += [said.created_at for said in self.transcript.said]
        newest = max((int(at.timestamp() * 1_000_000) for at in instants), default=0)
        return f"{self.conversation.id[:12]}-{newest}"


class Chat:
    """The web chat's routes."""

    def __init__(self, house: House, pages: Pages) -> None:
        self._house = house
        self._pages = pages
        self._visitors = Visitors(
            secure=(house.settings.public_url or "").startswith("https:"),
            country=house.country,
            trusted_proxies=house.settings.trusted_proxies,
        )
        self.streams = Streams()
        self.patience = 3.0  # seconds a page without scripts waits for its answer before it is shown without
        # One hospital may stand behind one address, so a browser has a limit of its own and an address a far wider one.
        self._per_browser = RateLimit(house.clock, per_minute=20, burst=15)
        self._per_address = RateLimit(house.clock, per_minute=300, burst=300)
        self._typing = RateLimit(house.clock, per_minute=30, burst=5)

    def routes(self) -> list[Route]:
        """The chat's addresses."""
        return [
            Route("GET", "/", self.show, Access.PUBLIC),
            Route("POST", "/say", self.say, Access.CHAT, _BODY),
            Route("GET", "/say", self.home, Access.PUBLIC),
            Route("GET", "/live", self.live, Access.CHAT),
            Route("GET", "/entries", self.newer, Access.CHAT),
            Route("POST", "/typing", self.typing, Access.CHAT),
            Route("GET", "/leave", self.leave, Access.PUBLIC),
            Route("POST", "/leave", self.leave, Access.PUBLIC),
        ]

    # --- pages --------------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The chat as it stands."""
        return await self._page(await self._view(self._visitors.who(request)))

    async def home(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew or typed, is the chat."""
        return see_other("/")

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """Forget this browser, and send it where anybody might be."""
        away = AWAY[self._visitors.country(request)]
        response = see_other(away) if request.method == "GET" else web.Response(status=204)
        if from_our_own_page(request):  # another site's picture must not make us forget somebody
            self._visitors.forget(response)
        return response

    async def _page(
        self, view: View, *, draft: str = "", notice: str = "", status: int = 200, message_id: str = ""
    ) -> web.Response:
        visitor = view.visitor
        language, country = visitor.language, visitor.country
        say = self._house.phrases.say
        thinking = not notice and view.conversation is not None and not view.transcript.answered
        if thinking:
            notice = say("web.thinking", language)
        response = self._pages.page(
            "chat.html",
            language,
            status=status,
            languages=LANGUAGES,
            country=country,
            countries=[code.value for code in Country],
            emergency=[(number, say(key, language)) for number, key in _EMERGENCY[country]],
            examples=[(number, say(f"web.example.{number}", language)) for number in EXAMPLES[country]],
            away=AWAY[country],
            entries=self._entries(view),
            cursor=view.cursor,
            message_id=message_id or _new_message_id(),
            draft=draft,
            notice=notice,
            thinking=thinking,
        )
        self._visitors.remember(response, visitor)
        return response

    def _entries(self, view: View, *, after: int = -1) -> list[Entry]:
        visitor = view.visitor
        reader = Reader(visitor.language, ZONES[visitor.country], self._house.clock.now())
        shown = transcript.entries(view.transcript, reader, self._pages, self._house.phrases)
        if view.conversation is not None:
            spoken = view.conversation.language.value
            shown = tuple(replace(entry, language=spoken) if entry.who != "you" else entry for entry in shown)
        return [entry for entry in shown if entry.order > after]

    async def _view(self, visitor: Visitor) -> View:
        async with self._house.db.read() as conn:
            found = await store.find_by_address(conn, self._house.vault.fingerprint_of(visitor.address))
            if found is None:
                return View(visitor, None, Transcript((), ()))
            conversation = await store.get(conn, self._house.vault, found.id)
            if conversation is None:
                return View(visitor, None, Transcript((), ()))
            read = await transcript.read(conn, self._house.vault, conversation.id)
        chosen = conversation.state is not None and bool(conversation.state.get("language_chosen"))
        language = conversation.language if chosen else visitor.language
        return View(replace(visitor, language=language, country=conversation.country), conversation, read)

    # --- what comes in ------------------------------------------------------------------------------------------------

    async def say(self, request: web.Request) -> web.StreamResponse:
        """Take what the form holds, and show the page with the answer."""
        posted = await _read_form(request)
        visitor = self._visitors.who(request)
        if posted.language is not None or posted.country is not None:
            return await self._choose(posted, visitor)
        if posted.look:
            return await self._page(await self._view(visitor), draft=posted.text)
        message = self._message(posted, visitor)
        refused = self._refusal(message, visitor)
        if refused is not None:
            return await self._turned_away(request, visitor, posted, *refused)
        try:
            await self._begin(visitor)
            await self._take(message, visitor, wait=wants_page(request))
        except StorageError as error:
            log.error("message_not_stored", error_type=type(error).__name__)
            return await self._not_kept(request, visitor, posted, error)
        return await self._taken(request, visitor, posted)

    def _message(self, posted: Posted, visitor: Visitor) -> InboundMessage:
        if posted.tap:
            kind, text, token = InboundKind.TAP, "", posted.tap
        elif posted.example:
            kind, text, token = self._example(posted.example, visitor)
        else:
            kind, text, token = InboundKind.TEXT, posted.text, ""
        # What was sent belongs to the id: a page found with the back button may send other words under the old one.
        # Keyed, since this stands in the clear and a short text could be guessed from a plain hash.
        said = self._house.vault.fingerprint("said", f"{kind}\0{token}\0{text}")[:16]
        return InboundMessage(
            channel=Channel.WEB,
            provider_message_id=f"{visitor.name}.{posted.message_id}.{said}",
            sender=visitor.address,
            kind=kind,
            text=text,
            token=token,
            language_hint=visitor.language.value,
        )

    def _example(self, number: str, visitor: Visitor) -> tuple[InboundKind, str, str]:
        article = self._house.library.shelves.article(EXAMPLES[visitor.country][number])
        if article is not None:
            return InboundKind.TAP, "", f"{ANSWER}:{article.id}"
        return InboundKind.TEXT, self._house.phrases.say(f"web.example.{number}", visitor.language), ""

    def _refusal(self, message: InboundMessage, visitor: Visitor) -> tuple[int, str, dict[str, str]] | None:
        """Status, sentence and headers with which a message is turned away; None where it is taken."""
        say, language = self._house.phrases.say, visitor.language
        text = message.text
        if message.kind is InboundKind.TEXT and not text.strip():
            return 422, say("web.empty", language), {}
        wait = max(self._per_browser.spend(visitor.name), self._per_address.spend(visitor.caller))
        too_long = len(text) > LONGEST_TEXT
        if (not wait and not too_long) or self._must_be_heard(message):
            return None
        if too_long:
            return 422, say("web.too_long", language, length=len(text), limit=LONGEST_TEXT), {}
        seconds = max(1, round(wait + 0.5))
        return 429, say("web.too_many", language, seconds=seconds), {"Retry-After": str(seconds)}

    def _must_be_heard(self, message: InboundMessage) -> bool:
        """What may say that somebody is in danger, or asks for a human, passes every limit."""
        if message.token in {ADVISOR, DANGER_YES}:
            return True
        if self._house.library.urgency.assess(message.text).level is not Danger.NO:
            return True
        recognised = self._house.commands.recognise(message.text)
        return recognised is not None and recognised.command is Command.ADVISOR

    async def _begin(self, visitor: Visitor) -> None:
        """Have a conversation in the language and country that the page shows."""
        house = self._house
        fingerprint = house.vault.fingerprint_of(visitor.address)
        async with house.db.read() as conn:
            if await store.find_by_address(conn, fingerprint) is not None:
                return
        async with house.db.write() as conn:
            if await store.find_by_address(conn, fingerprint) is not None:
                return
            conversation_id = await store.create(
                conn,
                house.vault,
                visitor.address,
                kind=Kind.CLINICIAN,
                staff_id=None,
                language=visitor.language,
                country=visitor.country,
                now=house.clock.now(),
            )
            state = State(visitor.language, visitor.country, language_chosen=visitor.chose_language)
            await store.keep_state(
                conn,
                house.vault,
                conversation_id,
                dialogue.state_to_json(state),
                language=visitor.language,
                country=visitor.country,
            )

    async def _take(self, message: InboundMessage, visitor: Visitor, *, wait: bool) -> None:
        house = self._house
        async with house.db.read() as conn:
            found = await store.find_by_address(conn, house.vault.fingerprint_of(visitor.address))
        if not wait or found is None:
            await take_in(house, message)
            return
        # A page without scripts shows the answer at once, where it comes at once.
        with house.db.watch(page_topic(found.id)) as watch:
            await take_in(house, message)
            passing = asyncio.get_running_loop().time
            deadline = passing() + self.patience
            while (left := deadline - passing()) > 0:
                await watch.wait(left)
                if (await self._view(visitor)).transcript.answered:
                    return

    async def _taken(self, request: web.Request, visitor: Visitor, posted: Posted) -> web.StreamResponse:
        draft = posted.text if posted.tap or posted.example else ""
        if not wants_page(request):
            return await self._data(visitor, request)
        if visitor.is_new:
            # The browser may not keep cookies, and would come back to an empty page: what was said is shown now.
            say = self._house.phrases.say
            return await self._page(
                await self._view(visitor), draft=draft, notice=say("web.cookies_off", visitor.language)
            )
        if draft:
            return await self._page(await self._view(visitor), draft=draft)
        return see_other("/#latest")

    async def _turned_away(
        self, request: web.Request, visitor: Visitor, posted: Posted, status: int, said: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        if wants_page(request):
            response = await self._page(
                await self._view(visitor),
                draft=posted.text,
                notice=said,
                status=status,
                message_id=posted.message_id,
            )
        else:
            response = web.json_response({"message": said}, status=status)
        response.headers.update(headers)
        return response

    async def _not_kept(
        self, request: web.Request, visitor: Visitor, posted: Posted, error: StorageError
    ) -> web.StreamResponse:
        """Storage is in trouble: a page that needs no storage, with the text and the numbers on it."""
        said = self._house.phrases.say("web.not_kept", visitor.language, number="112")
        headers = {"Retry-After": "2" if isinstance(error, StorageBusy) else "15"}
        if not wants_page(request):
            return web.json_response({"message": said}, status=503, headers=headers)
        nothing = View(visitor, None, Transcript((), ()))
        response = await self._page(nothing, draft=posted.text, notice=said, status=503, message_id=posted.message_id)
        response.headers.update(headers)
        return response

    async def _choose(self, posted: Posted, visitor: Visitor) -> web.StreamResponse:
        """Another language or country: for the page, and for the conversation where there is one."""
        language = posted.language or visitor.language
        country = posted.country or visitor.country
        chosen = replace(
            visitor,
            language=language,
            country=country,
            chose_language=visitor.chose_language or posted.language is not None,
        )
        view = await self._view(visitor)
        if view.conversation is not None:
            token = f"l:{language.value}" if posted.language is not None else f"c:{country.value}"
            try:
                await self._take(self._message(replace(posted, tap=token), visitor), visitor, wait=True)
            except StorageError as error:
                log.error("choice_not_stored", error_type=type(error).__name__)
        response: web.Response
        if posted.text.strip() or visitor.is_new:
            response = await self._page(await self._view(chosen), draft=posted.text)
        else:
            response = see_other("/#latest")
        if posted.language is not None:
            self._visitors.keep_language(response, language)
        if posted.country is not None:
            self._visitors.keep_country(response, country)
        return response

    # --- live ---------------------------------------------------------------------------------------------------------

    async def live(self, request: web.Request) -> web.StreamResponse:
        """What is new in the conversation, as it comes."""
        visitor = self._visitors.who(request)
        view = await self._view(visitor)
        if visitor.is_new or view.conversation is None:
            return web.Response(status=204)  # there is nothing to follow, and a browser takes this as final
        seen = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        sent: dict[str, str] = {}
        writes = typing_topic(view.conversation.id, Side.ADVISOR)
        with self._house.db.watch(page_topic(view.conversation.id), writes) as watch:
            async with self.streams.open(request, visitor.name, watch) as stream:
                async for _ in stream.turns():
                    heard = watch.take_heard()
                    if writes in heard:
                        await stream.send("typing", "")
                    if heard == {writes}:
                        continue
                    view = await self._view(visitor)
                    after, reset = _place_in(view, seen)
                    if reset:
                        await stream.send("reset", "", event_id=view.cursor)
                        sent.clear()
                    html = self._only_new(self._entries(view, after=after), view.visitor.language, sent)
                    if html:
                        await stream.send("entries", html, event_id=view.cursor)
                    seen = view.cursor
                    if reset and view.conversation is not None:
                        break  # the old conversation was erased; the browser comes back and follows the new one
            return stream.response

    def _only_new(self, entries: list[Entry], language: Language, sent: dict[str, str]) -> str:
        """The entries that this stream has not sent, or has sent otherwise."""
        parts = []
        for entry in entries:
            html = self._pages.render("entries.html", language, entries=[entry])
            if sent.get(entry.id) != html:
                sent[entry.id] = html
                parts.append(html)
        return "".join(parts)

    async def typing(self, request: web.Request) -> web.StreamResponse:
        """She is writing: whoever helps her sees that, and not what."""
        visitor = self._visitors.who(request)
        if not visitor.is_new and not self._typing.spend(visitor.name):
            async with self._house.db.read() as conn:
                found = await store.find_by_address(conn, self._house.vault.fingerprint_of(visitor.address))
                standing = await escalations.find_open(conn, found.id) if found is not None else None
            if standing is not None:  # nobody else would see it
                await self._house.tell_of_typing(standing.conversation_id, Side.CLINICIAN)
        return web.Response(status=204)

    async def newer(self, request: web.Request) -> web.StreamResponse:
        """What is new, for a page whose stream a proxy swallows."""
        return await self._data(self._visitors.who(request), request)

    async def _data(self, visitor: Visitor, request: web.Request) -> web.Response:
        view = await self._view(visitor)
        after, reset = _place_in(view, request.query.get("after", ""))
        entries = self._entries(view, after=after)
        html = self._pages.render("entries.html", view.visitor.language, entries=entries)
        response = web.json_response({"entries": html, "cursor": view.cursor, "reset": reset})
        self._visitors.remember(response, visitor)
        return response


async def _read_form(request: web.Request) -> Posted:
    """What the form holds; `Refused` for what no form of ours sends."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(400, "error.bad_request")
    try:
        form: Mapping[str, Any] = await request.post()
    except (ValueError, LookupError) as error:
        raise Refused(400, "error.bad_request") from error
    fields = {name: str(value) for name, value in form.items()}
    message_id = fields.get("id", "")
    tap, example = fields.get("tap", ""), fields.get("example", "")
    language, country = fields.get("language", ""), fields.get("country", "")
    if (tap and not _TAP.fullmatch(tap)) or (example and example not in EXAMPLES[Country.NO]):
        raise Refused(400, "error.bad_request")
    try:
        return Posted(
            message_id=message_id if _MESSAGE_ID.fullmatch(message_id) else _new_message_id(),
            text=fields.get("text", ""),
            tap=tap,
            example=example,
            look=fields.get("do") == "look",
            language=Language(language) if language else None,
            country=Country(country) if country else None,
        )
    except ValueError as error:
        raise Refused(400, "error.bad_request") from error


def _place_in(view: View, cursor: str) -> tuple[int, bool]:
    """After which instant entries are sent, and whether what the browser shows is of another conversation."""
    conversation, _, order = cursor.partition("-")
    if not conversation or not order.isdigit() or len(order) > 20:
        return -1, False
    if view.conversation is None or view.conversation.id[:12] != conversation:
        return -1, True
    return int(order) - _OVERLAP, False


def _new_message_id() -> str:
    return secrets.token_urlsafe(16)
