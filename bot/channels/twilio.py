"""SMS and WhatsApp through Twilio: one account, one signature, two channels."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import aiohttp
from twilio.base.exceptions import TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, add_port, remove_port
from twilio.rest import Client

from bot.channels.base import BadPayload, Webhook, in_parts, menu_lines
from helpline.messages import (
    Address,
    Channel,
    DeliveryReport,
    DeliveryState,
    InboundKind,
    InboundMessage,
    OutboundMessage,
    SendAttempt,
    Sent,
    TryLater,
    Undeliverable,
)
from helpline.segments import to_gsm7

SIGNATURE_HEADER = "x-twilio-signature"
BODY_LIMIT = 1600  # characters Twilio takes in one message
_MENU_ROOM = 300  # characters kept free for the line of choices
_BUSY = frozenset({20429, 14107, 30001, 30022, 63018})  # Twilio's own codes for too much at once
_WHATSAPP = "whatsapp:"
_CLOCK_DIFFERENCE = timedelta(minutes=5)  # between our clock and Twilio's

_STATES: Mapping[str, DeliveryState] = {
    "queued": DeliveryState.ACCEPTED,
    "accepted": DeliveryState.ACCEPTED,
    "scheduled": DeliveryState.ACCEPTED,
    "sending": DeliveryState.ACCEPTED,
    "sent": DeliveryState.ACCEPTED,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.FAILED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.FAILED,
}
# The words that carriers and Twilio themselves treat as an end to messages; answering them is refused (error 21610).
_STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit", "stopp"})
_START_WORDS = frozenset({"start", "unstop"})


class QuietHttpClient(AsyncHttpClient):  # type: ignore[misc]  # the library ships no types
    """Twilio's asynchronous client without its request log, which would write down what people said.

    With `api_url` the same calls go to another host: a simulator.
    """

    def __init__(self, api_url: str = "", timeout_seconds: float = 10) -> None:
        super().__init__(None, True, timeout_seconds)
        self._instead = urlsplit(api_url) if api_url else None
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        allow_redirects: bool = False,
    ) -> Response:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        if self._instead is not None:
            wanted = urlsplit(url)
            url = urlunsplit((self._instead.scheme, self._instead.netloc, wanted.path, wanted.query, ""))
        sent_headers = dict(headers or {})
        if auth is not None:
            sent_headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._session.request(
            method.upper(), url, params=params, data=data, headers=sent_headers, allow_redirects=allow_redirects
        ) as response:
            return Response(response.status, await response.text(), response.headers)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()


class TwilioAccount:
    """What SMS and WhatsApp share: the signature and the client."""

    def __init__(self, account_sid: str, auth_token: str, *, public_url: str, api_url: str = "") -> None:
        self._validator = RequestValidator(auth_token)
        self._public = public_url.rstrip("/")
        self._http = QuietHttpClient(api_url)
        self.client = Client(account_sid, auth_token, http_client=self._http)

    @property
    def status_url(self) -> str:
        """Where Twilio reports what became of a message; empty without a public address."""
        return f"{self._public}/twilio/status" if self._public else ""

    def verify(self, request: Webhook) -> bool:
        """Twilio signs the public address it called, with or without the port, and every field of the form."""
        given = request.headers.get(SIGNATURE_HEADER, "").encode()
        fields = _form(request.body)
        parts = urlsplit(request.url)
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        called = urlsplit(self._public + path) if self._public else parts
        genuine = False
        for url in (remove_port(called), add_port(called)):
            expected = self._validator.compute_signature(url, fields).encode()
            genuine |= hmac.compare_digest(expected, given)
        return genuine

    async def close(self) -> None:
        await self._http.close()


class _Fields(dict[str, list[str]]):
    """A form whose fields may be repeated, in the way that Twilio's validator asks for them."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def _form(body: bytes) -> _Fields:
    fields = _Fields()
    for name, value in parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=200):
        fields.setdefault(name, []).append(value)
    return fields


def read_form(request: Webhook) -> dict[str, str]:
    """The fields of a Twilio request, the last of each name. Raises `BadPayload`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise BadPayload("Twilio posts forms")
    try:
        return {name: values[-1] for name, values in _form(request.body).items()}
    except ValueError as error:
        raise BadPayload("this form has too many fields") from error


class TwilioChannel:
    """SMS or WhatsApp."""

    can_be_asked = True

    def __init__(self, channel: Channel, account: TwilioAccount, number: str) -> None:
        self.channel = channel
        self._account = account
        self._number = f"{_WHATSAPP}{number}" if channel is Channel.WHATSAPP else number

    def verify(self, request: Webhook) -> bool:
        return self._account.verify(request)

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        return read_message(read_form(request))

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return in_parts(message, BODY_LIMIT - _MENU_ROOM)

    def body(self, message: OutboundMessage) -> str:
        """The text as it is sent, the choices as digits below."""
        if self.channel is Channel.WHATSAPP:
            menu = menu_lines(message.choices)
            return f"{message.text}\n\n{menu}" if menu else message.text
        menu = " ".join(f"{choice.digit} {choice.label}" for choice in message.choices if choice.digit)
        return to_gsm7(f"{message.text}\n{menu}" if menu else message.text)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        extra = {"status_callback": self._account.status_url} if self._account.status_url else {}
        try:
            sent = await self._account.client.messages.create_async(
                to=self._provider_address(to), from_=self._number, body=self.body(message), **extra
            )
        except TwilioRestException as error:
            raise _understood(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryLater(f"twilio is out of reach: {type(error).__name__}") from error
        if sent.sid is None:
            raise TryLater("twilio answered without a message id")
        return Sent(sent.sid)

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        """Look the message up by receiver, sender, day and the tag in its body, or the whole body where it has none.

        Raises `TryLater`.
        """
        try:
            listed = await self._account.client.messages.list_async(
                to=self._provider_address(to),
                from_=self._number,
                date_sent_after=attempt.first_tried_at - timedelta(days=1),
                limit=50,
            )
        except TwilioRestException as error:
            raise _understood(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryLater(f"twilio is out of reach: {type(error).__name__}") from error
        wanted = self.body(message)
        for known in listed:
            text = known.body or ""
            same = attempt.tag in text if attempt.tag else text == wanted
            recent = known.date_created is None or known.date_created >= attempt.first_tried_at - _CLOCK_DIFFERENCE
            if same and recent and known.sid:
                return Sent(known.sid)
        return None

    async def acknowledge(self, message: InboundMessage) -> None:
        return None

    async def close(self) -> None:
        await self._account.close()

    def _provider_address(self, to: Address) -> str:
        return f"{_WHATSAPP}{to.value}" if self.channel is Channel.WHATSAPP else to.value


def _understood(error: TwilioRestException) -> TryLater | Undeliverable:
    status, code = int(error.status or 0), int(error.code or 0)
    if status == 429 or status >= 500 or code in _BUSY:
        return TryLater(f"twilio is busy: {status} {code}")
    return Undeliverable(f"twilio refused: {status} {code}")


def read_message(fields: Mapping[str, str]) -> InboundMessage:
    """Our own message from Twilio's form. Raises `BadPayload` where sender or id is missing."""
    sid, sender = fields.get("MessageSid") or fields.get("SmsSid", ""), fields.get("From", "")
    if not sid or not sender:
        raise BadPayload("a message needs MessageSid and From")
    channel = Channel.WHATSAPP if sender.startswith(_WHATSAPP) else Channel.SMS
    address = Address(channel, sender.removeprefix(_WHATSAPP))
    text = fields.get("Body", "")
    kind, token = InboundKind.TEXT, ""
    media = fields.get("MediaContentType0", "") if fields.get("NumMedia", "0") not in {"", "0"} else ""
    opted = fields.get("OptOutType", "").upper()
    word = text.strip().casefold()
    if opted == "STOP" or (channel is Channel.SMS and word in _STOP_WORDS):
        kind, text = InboundKind.STOP, ""
    elif opted == "START" or word in _START_WORDS:
        kind, text = InboundKind.START, ""
    elif fields.get("ButtonPayload"):
        kind, token, text = InboundKind.TAP, fields["ButtonPayload"], ""
    elif fields.get("Latitude"):
        kind = InboundKind.LOCATION
    elif media:
        sort = media.partition("/")[0]
        kind = {"image": InboundKind.PHOTO, "audio": InboundKind.VOICE, "video": InboundKind.PHOTO}.get(
            sort, InboundKind.OTHER
        )
    return InboundMessage(channel, sid, address, kind, text, token)


def read_status(fields: Mapping[str, str]) -> DeliveryReport | None:
    """What became of a message; None for a state that we do not know. Raises `BadPayload` without an id."""
    sid = fields.get("MessageSid") or fields.get("SmsSid", "")
    if not sid:
        raise BadPayload("a status needs MessageSid")
    state = _STATES.get((fields.get("MessageStatus") or fields.get("SmsStatus", "")).lower())
    if state is None:
        return None
    channel = Channel.WHATSAPP if fields.get("To", "").startswith(_WHATSAPP) else Channel.SMS
    return DeliveryReport(channel, sid, state, fields.get("ErrorCode", ""))
