"""The people of a journey: what each does is posted as her provider would post it, and what each gets is what her
provider was handed, or what the page shows."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from aiohttp import web
from aiohttp.test_utils import TestClient

from bot.channels.base import ChannelAdapter, Webhook
from bot.channels.twilio import TwilioChannel
from bot.dialogue import ADVISOR
from bot.inbox import take_in
from helpline.messages import (
    Address,
    Channel,
    Choice,
    DeliveryReport,
    InboundKind,
    InboundMessage,
    OutboundMessage,
    SendAttempt,
    Sent,
)
from tests.bot.browsing import read_entries
from tests.captured import said, tapped, telegram_update, telegram_webhook, twilio_fields, twilio_webhook
from tests.fakes import FakeChannel, TakenThen

Client = TestClient[web.Request, web.Application]
MEDIA = {"photo", "voice", "location", "sticker"}


class Stumble(Exception):
    """What a line of a script asks for did not happen."""


@dataclass
class Provider(FakeChannel):
    """Reads and cuts as the real channel does, and keeps what it is asked to send."""

    real: ChannelAdapter = field(kw_only=True)
    goes_wrong: dict[str, list[Exception | TakenThen]] = field(default_factory=dict)  # by address, for the next sends

    def verify(self, request: Webhook) -> bool:
        return self.real.verify(request)

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        return self.real.parse(request)

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return self.real.fit(message)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        waiting = self.goes_wrong.get(to.value)
        if waiting:
            self.faults.append(waiting.pop(0))
        elif attempt.repeated and (known := await self.find_sent(to, message, attempt)) is not None:
            return known  # as Twilio's channel does
        return await super().send(to, message, attempt)

    def shown(self, message: OutboundMessage) -> str:
        """What stands on her phone, choices included."""
        if isinstance(self.real, TwilioChannel):
            return self.real.body(message)
        return "\n".join([message.text, *(choice.label for choice in message.choices)])


@dataclass(frozen=True)
class Got:
    """Something that a person got."""

    shown: str
    choices: tuple[Choice, ...] = ()
    urgent: bool = False
    tag: str = ""  # of a page
    channel: Channel = Channel.WEB
    provider_message_id: str = ""
    notice: bool = False  # told by the page, and no part of the conversation


class Front(Protocol):
    """The line's front door, as people find it."""

    @property
    def client(self) -> Client: ...
    @property
    def house(self) -> Any: ...
    async def while_working(self, knock: Awaitable[Any]) -> Any:
        """What comes of a request, the line doing its work meanwhile."""
        ...


@dataclass
class Person:
    """Somebody with one way in; `got` is what she was told, in order, and `read` how much of it the script has read."""

    name: str
    address: Address
    front: Front
    hint: str = "nb"
    staff: bool = False
    got: list[Got] = field(default_factory=list)
    everything: list[Got] = field(default_factory=list)  # pages too
    read: int = 0
    said: list[str] = field(default_factory=list)
    _again: Callable[[], Awaitable[None]] | None = None

    async def say(self, words: str) -> None:
        raise NotImplementedError

    async def tap(self, label: str) -> None:
        """The choice with this label, on the last message that offers it."""
        choice = self.offered(label)
        if choice.digit:
            await self.say(choice.digit)
        else:
            raise Stumble(f"{label!r} has no digit to write.")

    async def send(self, what: str) -> None:
        """Something other than words."""
        raise Stumble(f"({what}) cannot be sent on this channel.")

    async def edit(self, words: str) -> None:
        raise Stumble("Nothing can be changed on this channel.")

    async def repeat(self) -> None:
        """Her provider posts the last thing again."""
        if self._again is None:
            raise Stumble("There is nothing to repeat.")
        await self._again()

    async def look(self) -> None:
        """Fetch what is not brought to her."""

    def offered(self, label: str) -> Choice:
        """The choice with this label, on the last message that has it."""
        for got in reversed(self.everything):
            for choice in got.choices:
                if choice.label == label:
                    return choice
        labels = sorted({choice.label for got in self.everything for choice in got.choices})
        raise Stumble(f"Nothing that was got offers {label!r}; there is {', '.join(labels) or 'nothing'}.")

    async def _post(self, path: str, webhook: Webhook) -> None:
        async def post() -> None:
            response = await self.front.while_working(
                self.front.client.post(path, data=webhook.body, headers=dict(webhook.headers))
            )
            if response.status not in {200, 204}:
                raise Stumble(f"The provider heard {response.status}.")

        self._again = post
        await post()


_numbers = count(810_300_000)


@dataclass
class TelegramUser(Person):
    """Somebody on Telegram."""

    _last: int = 0  # the message that she may change

    def _update(self, update: dict[str, Any]) -> Webhook:
        for part in ("message", "edited_message", "callback_query"):
            if part in update:
                update[part]["from"] |= {"language_code": self.hint}
        return telegram_webhook(update)

    async def say(self, words: str) -> None:
        self.said.append(words)
        number = next(_numbers)
        if words == "/start":
            await self.send("start")
            return
        self._last = number
        await self._post("/telegram", self._update(said(words, update_id=number, chat=self.address.value)))

    async def tap(self, label: str) -> None:
        choice = self.offered(label)
        update = tapped(choice.token, update_id=next(_numbers), chat=self.address.value)
        await self._post("/telegram", self._update(update))

    async def edit(self, words: str) -> None:
        self.said.append(words)
        update = telegram_update("edited", update_id=next(_numbers))
        update["edited_message"] |= {"text": words, "message_id": self._last}
        self._mine(update["edited_message"])
        await self._post("/telegram", self._update(update))

    async def send(self, what: str) -> None:
        names = {
            "blocks": "blocked",
            "unblocks": "unblocked",
            "group": "group_mention",
            **{each: each for each in MEDIA},
        }
        names |= {"start": "start"}
        if what not in names:
            await super().send(what)
        update = telegram_update(names[what], update_id=next(_numbers))
        message = update.get("message") or update["my_chat_member"]
        if "message_id" in message:
            message["message_id"] = update["update_id"]
        if what != "group":
            self._mine(message)
        await self._post("/telegram", self._update(update))

    def _mine(self, message: dict[str, Any]) -> None:
        message["chat"] |= {"id": int(self.address.value)}
        message["from"] |= {"id": int(self.address.value)}


class PhoneUser(Person):
    """Somebody on SMS or WhatsApp."""

    async def say(self, words: str) -> None:
        self.said.append(words)
        if self.address.channel is Channel.WHATSAPP:
            await self._send("whatsapp", Body=words)
        else:
            await self._send("sms", Body=words)

    async def send(self, what: str) -> None:
        names = {"photo": "photo", "voice": "voice", "location": "location"}
        if what not in names or (self.address.channel is Channel.SMS and what != "photo"):
            await super().send(what)
        await self._send("mms" if self.address.channel is Channel.SMS else f"whatsapp_{names[what]}", Body="")

    async def _send(self, name: str, **fields: str) -> None:
        sid = f"SM{next(_numbers):032x}"
        prefix = "whatsapp:" if self.address.channel is Channel.WHATSAPP else ""
        ids = {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "From": f"{prefix}{self.address.value}"}
        await self._post("/twilio/message", twilio_webhook({**twilio_fields(name), **ids, **fields}))

    async def report(self, message_id: str, state: str) -> None:
        """Her provider's later word about a message that it took."""
        prefix = "whatsapp:" if self.address.channel is Channel.WHATSAPP else ""
        fields = twilio_fields(
            "status_undelivered" if state in {"failed", "undelivered"} else "status_delivered",
            MessageSid=message_id,
            SmsSid=message_id,
            MessageStatus=state,
            SmsStatus=state,
            To=f"{prefix}{self.address.value}",
        )
        await self._post("/twilio/status", twilio_webhook(fields, "/twilio/status"))


class TerminalUser(Person):
    """Somebody at a terminal, with the engine that `varde chat` uses."""

    async def say(self, words: str) -> None:
        self.said.append(words)
        message = InboundMessage(Channel.TERMINAL, f"typed-{next(_numbers)}", self.address, InboundKind.TEXT, words)

        async def take() -> None:
            await take_in(self.front.house, message)

        self._again = take
        await take()


@dataclass
class Browser(Person):
    """Somebody on the page, with a browser that runs no scripts."""

    country: str = "NO"
    _seen: set[str] = field(default_factory=set)

    async def open(self) -> None:
        """Open the page, and choose the country of the script where the page has another."""
        page = await self._get()
        pressed = re.search(r'name="country" value="([A-Z]{2})" aria-pressed="true"', page)
        if pressed is not None and pressed[1] != self.country:
            await self._submit({"id": _field(page, "id"), "text": "", "country": self.country})

    async def say(self, words: str) -> None:
        self.said.append(words)
        await self._submit({"id": _field(await self._get(), "id"), "text": words, "do": "send"})

    async def tap(self, label: str) -> None:
        page = await self._get()
        for token, name in reversed(_buttons(page)):
            if name == label:
                await self._submit({"id": _field(page, "id"), "text": "", "tap": token})
                return
        raise Stumble(f"The page has no button {label!r}; it has {', '.join(name for _, name in _buttons(page))}.")

    async def look(self) -> None:
        self._take(await self._get())

    async def _get(self) -> str:
        response = await self.front.client.get("/", headers=self._headers)
        return await response.text()

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"Accept": "text/html", "Accept-Language": self.hint}

    async def _submit(self, form: dict[str, str]) -> None:
        async def submit() -> None:
            response = await self.front.while_working(self.front.client.post("/say", data=form, headers=self._headers))
            page = await response.text()
            notice = re.search(r'id="notice"[^>]*><p>([^<]*)</p>', page)
            if notice is not None and response.status >= 400:
                self.got.append(Got(html.unescape(notice[1]), notice=True))

        self._again = submit
        await submit()

    def _take(self, page: str) -> None:
        talk, _, form = page.partition('<div id="latest">')
        # The way to an advisor stands below the whole conversation, not below each entry.
        always = [choice for choice in _buttons(form) if choice[0] == ADVISOR]
        for part in re.split(r'(?=<div class="entry )', talk)[1:]:
            named = re.search(r'id="((?:in|out)-\d+)"', part)
            if named is None or named[1] in self._seen:
                continue
            self._seen.add(named[1])
            entry = read_entries(part)[0]
            if entry.who == "you":
                continue
            choices = tuple(Choice(token, label) for token, label in [*_buttons(part), *always])
            shown = "\n".join([entry.words, *(choice.label for choice in choices)])
            got = Got(shown, choices, entry.urgent)
            self.got.append(got)
            self.everything.append(got)


def _field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    if found is None:
        raise Stumble("The page has no form.")
    return html.unescape(found[1])


def _buttons(page: str) -> list[tuple[str, str]]:
    """Token and label of every button that taps."""
    found = re.findall(r'name="tap" value="([^"]*)"[^>]*>(?:<span[^>]*>[^<]*</span> ?)?([^<]*)<', page)
    return [(html.unescape(token), html.unescape(label).strip()) for token, label in found]


KINDS: Mapping[Channel, type[Person]] = {
    Channel.TELEGRAM: TelegramUser,
    Channel.SMS: PhoneUser,
    Channel.WHATSAPP: PhoneUser,
    Channel.WEB: Browser,
    Channel.TERMINAL: TerminalUser,
}
