"""SMS and WhatsApp through Twilio: one account, one signature, two channels."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, add_port, remove_port
from twilio.rest import Client

from bot.channels.base import (
    BadPayload,
    Webhook,
    clean_text,
    clean_token,
    in_parts,
    menu_line,
    menu_lines,
    silence,
    units,
)
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
_MOST_FIELDS = 200  # of one form; Twilio sends about thirty
_LONG_LABEL = 60  # signs of a choice that is written out; a longer one (an article's title) is cut
_WHATSAPP = "whatsapp:"
_PHONE_NUMBER = re.compile(r"\+[1-9]\d{4,14}")
# How far our clock may lie behind Twilio's. Short, so that an equal message of a minute ago is not taken for this one:
# where the clocks lie further apart the message goes out a second time, which is the smaller harm.
_CLOCK_DIFFERENCE = timedelta(seconds=60)

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
_INCOMING = frozenset({"", "receiving", "received"})  # states of a message that comes to us
# A text of just one of these words makes Twilio refuse every answer (error 21610) until the sender writes START. Other
# words for stopping, in our own languages, do not, and the conversation answers them.
_STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START_WORDS = frozenset({"start", "unstop"})
_MEDIA = {"image": InboundKind.PHOTO, "video": InboundKind.PHOTO, "audio": InboundKind.VOICE}

# Twilio's own codes: for too much at once, and for an account that is not in order. Neither is the message's fault.
_NOT_NOW = frozenset({10001, 14107, 20003, 20005, 20429, 21611, 30001, 30002, 30022, 63018})
_REFUSALS = {
    21211: "no such number",
    21408: "this country is not switched on",
    21610: "the receiver opted out",
    21612: "no way to this number",
    21614: "not a mobile number",
    63016: "outside WhatsApp's 24 hours",
}


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
        """One call. Raises `TryLater` where Twilio says how long to wait: the library's own error would forget it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        if self._instead is not None:
            wanted = urlsplit(url)
            url = urlunsplit((self._instead.scheme, self._instead.netloc, wanted.path, wanted.query, ""))
        sent_headers = dict(headers or {})
        if auth is not None:
            sent_headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._session.request(
            method.upper(), url, params=params, data=data, headers=sent_headers, allow_redirects=allow_redirects
        ) as response:
            if response.status in {429, 503}:
                raise TryLater(f"twilio asks us to wait: {response.status}", retry_after=_wait_of(response.headers))
            return Response(response.status, await response.text(errors="replace"), response.headers)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _wait_of(headers: Mapping[str, str]) -> float | None:
    """The wait of a Retry-After header in seconds; a date in it counts from the answer's own Date."""
    said = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", said):
        return float(said)
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(wait.total_seconds(), 0.0)


class TwilioAccount:
    """What SMS and WhatsApp share: the signature and the client."""

    def __init__(
        self, account_sid: str, auth_token: str, *, public_url: str, api_url: str = "", timeout_seconds: float = 10
    ) -> None:
        silence("twilio.http_client", "twilio.async_http_client")
        self._validator = RequestValidator(auth_token)
        self.public_url = public_url.rstrip("/")
        self._http = QuietHttpClient(api_url, timeout_seconds)
        self.client = Client(account_sid, auth_token, http_client=self._http)

    @property
    def status_url(self) -> str:
        """Where Twilio reports what became of a message; empty without a public address."""
        return f"{self.public_url}/twilio/status" if self.public_url else ""

    def verify(self, request: Webhook) -> bool:
        """Twilio signs the public address it called, with or without the port, and every field of the form."""
        # A header may hold any bytes, which the web server keeps as surrogates.
        given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogateescape")
        try:
            fields = _form(request.body)
        except ValueError:
            return False
        parts = urlsplit(request.url)
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        called = urlsplit(self.public_url + path) if self.public_url else parts
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
    """The fields of a form. Raises `ValueError` for too many."""
    fields = _Fields()
    for name, value in parse_qsl(
        body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
    ):
        fields.setdefault(name, []).append(value)
    return fields


def read_form(request: Webhook) -> dict[str, str]:
    """The fields of a Twilio request, the last of each name. Raises `BadPayload`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise BadPayload("Twilio posts forms")
    try:
        return {name: values[-1] for name, values in _form(request.body).items()}
    except ValueError:
        raise BadPayload("this form has too many fields") from None


def fitted(channel: Channel, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
    """The message in as many parts as Twilio takes on this channel."""
    # The signs are changed first, since some of them grow ("…" becomes three).
    text = to_gsm7(message.text) if channel is Channel.SMS else message.text
    return in_parts(replace(message, text=text), BODY_LIMIT, menu_room=units(_menu(channel, message)))


def written(channel: Channel, message: OutboundMessage) -> str:
    """The text as it is sent on this channel, the choices as digits below."""
    text = message.text + _menu(channel, message)
    return text if channel is Channel.WHATSAPP else to_gsm7(text)


def _menu(channel: Channel, message: OutboundMessage) -> str:
    choices = tuple(replace(choice, label=_cut(choice.label)) for choice in message.choices)
    if channel is Channel.WHATSAPP:
        menu = menu_lines(choices)
        return f"\n\n{menu}" if menu else ""
    menu = to_gsm7(menu_line(choices))
    return f"\n{menu}" if menu else ""


# One receiver's messages that are looked through for one in doubt: an advisor may have been paged this often in a day.
_LOOKED_THROUGH = 1000


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
        fields = read_form(request)
        if fields.get("MessageStatus", "").lower() in _INCOMING:
            return read_message(fields)
        return read_status(fields)

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return fitted(self.channel, message)

    def body(self, message: OutboundMessage) -> str:
        """The text as it is sent, the choices as digits below."""
        return written(self.channel, message)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        # After a broken connection nobody knows whether Twilio took the message, so the next try asks first.
        if attempt.repeated and (found := await self.find_sent(to, message, attempt)) is not None:
            return found
        extra = {"status_callback": self._account.status_url} if self._account.status_url else {}
        failure: Exception
        try:
            sent = await self._account.client.messages.create_async(
                to=self._provider_address(to), from_=self._number, body=self.body(message), **extra
            )
            if isinstance(sent.sid, str):
                return Sent(sent.sid)
            failure = ValueError()  # an answer without an id: the next try finds out what it meant
        except FAILURES as error:
            failure = error
        fail(failure)

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        """Look the message up by receiver, sender and day, and then by its tag and words. Raises `TryLater`.

        What Twilio took and could not deliver does not count: its report may have been lost with us, so it goes again.
        """
        wanted = self.body(message)
        # A message that still waits at Twilio has no day of sending yet, so the second look is without one.
        for by_day in ({"date_sent_after": attempt.first_tried_at - timedelta(days=1)}, {}):
            for known in await self._listed(to, by_day):
                recent = known.date_created is None or known.date_created >= attempt.first_tried_at - _CLOCK_DIFFERENCE
                failed = _STATES.get(str(known.status)) is DeliveryState.FAILED
                if known.sid and recent and not failed and _same_words(known.body or "", wanted, attempt.tag):
                    return Sent(str(known.sid))
        return None

    async def _listed(self, to: Address, by_day: Mapping[str, Any]) -> list[Any]:
        failure: Exception
        try:
            return list(
                await self._account.client.messages.list_async(
                    to=self._provider_address(to),
                    from_=self._number,
                    limit=_LOOKED_THROUGH,
                    page_size=_LOOKED_THROUGH,
                    **by_day,
                )
            )
        except FAILURES as error:
            failure = error
        fail(failure, always_later=True)

    async def acknowledge(self, message: InboundMessage) -> None:
        return None

    async def close(self) -> None:
        await self._account.close()

    def _provider_address(self, to: Address) -> str:
        return f"{_WHATSAPP}{to.value}" if self.channel is Channel.WHATSAPP else to.value


def _cut(label: str) -> str:
    return label if len(label) <= _LONG_LABEL else f"{label[: _LONG_LABEL - 3].rstrip()}..."


def _same_words(known: str, wanted: str, tag: str) -> bool:
    """Whether Twilio's body is ours, which it may have opened with words of its own (a trial account's) or trimmed."""
    return tag in known and " ".join(known.split()).endswith(" ".join(wanted.split()))


# What a call can end in besides our own errors: Twilio's refusals, the network, and answers that cannot be read.
FAILURES = (
    TwilioException,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def fail(error: Exception, *, always_later: bool = False) -> NoReturn:
    """Say with our own error what Twilio's means; called after its `except`, so that ours does not carry it along.

    The library's errors quote the receiver's number and, in their address, the account.
    """
    status, code = (_number(getattr(error, name, None)) for name in ("status", "code"))
    # Only these answers are about the message. Others (a wrong password, a proxy's page) are ours to mend; it keeps.
    if status in {400, 413, 422} and code not in _NOT_NOW and not always_later:
        raise Undeliverable(f"twilio refused: {_REFUSALS.get(code, status)} ({code})")
    if status:
        raise TryLater(f"twilio cannot take it now: {status} ({code})")
    raise TryLater(f"twilio is out of reach: {type(error).__name__}")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


# --- reading --------------------------------------------------------------------------------------------------------


def read_message(fields: Mapping[str, str]) -> InboundMessage | None:
    """Our own message from Twilio's form, or None where nobody waits for an answer.

    Raises `BadPayload` where sender or id is missing.
    """
    sid, sender = fields.get("MessageSid") or fields.get("SmsSid", ""), fields.get("From", "")
    if not sid or not sender:
        raise BadPayload("a message needs MessageSid and From")
    channel = Channel.WHATSAPP if sender.startswith(_WHATSAPP) else Channel.SMS
    if channel is Channel.SMS and not _PHONE_NUMBER.fullmatch(sender):
        return None  # a firm's name or short number: no person, and no way to answer
    address = Address(channel, sender.removeprefix(_WHATSAPP))
    text = clean_text(fields.get("Body", ""))
    word = text.casefold()
    opted = fields.get("OptOutType", "").upper()
    kind, token = InboundKind.TEXT, ""
    if opted == "STOP" or (channel is Channel.SMS and word in _STOP_WORDS):
        kind, text = InboundKind.STOP, ""
    # Twilio counts YES among its words for opting in; here it may be the answer to "is anyone in danger?".
    elif word in _START_WORDS:
        kind, text = InboundKind.START, ""
    elif fields.get("ButtonPayload"):
        kind, token, text = InboundKind.TAP, clean_token(fields["ButtonPayload"]), ""
    elif fields.get("Latitude"):
        kind = InboundKind.LOCATION
    elif fields.get("NumMedia", "0") not in {"", "0"}:
        sort = fields.get("MediaContentType0", "").partition("/")[0].lower()
        kind = _MEDIA.get(sort, InboundKind.OTHER)
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
