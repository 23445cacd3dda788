"""Telegram, by webhook or by long polling.

Texts are sent without a parse mode, so that nothing a clinician or an article writes can be read as markup.

Updates are read field by field and not through the library's types: those refuse a whole update for one field that is
missing, and when polling they refuse with it everything that waits behind.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, ChatMigrated, Forbidden, TelegramError
from telegram.request import HTTPXRequest

from bot.channels.base import OLD_TOKEN, BadPayload, Webhook, clean_text, clean_token, in_parts, silence
from helpline.messages import (
    Address,
    Channel,
    Choice,
    DeliveryError,
    DeliveryReport,
    InboundKind,
    InboundMessage,
    OutboundMessage,
    SendAttempt,
    Sent,
    TryLater,
    Undeliverable,
)

log = structlog.get_logger(__name__)

_API_URL = "https://api.telegram.org"
SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name
TEXT_LIMIT = 4096  # UTF-16 units in one message
CALLBACK_LIMIT = 64  # bytes of callback data
_PREFIX = "v1:"  # of our callback data, so that a button of another release is recognised as old
_SHORT_LABEL = 14  # signs; two such buttons stand side by side on a narrow phone
_WANTED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]
_STRIKE_PATIENCE = 2.0  # seconds for taking the buttons off an earlier message
_POLL_PAUSE = 3.0  # seconds before asking again after a failure that named no wait
_LOUD = ("telegram", "telegram.Bot", "telegram.request.BaseRequest", "telegram.request.HTTPXRequest", "httpx")

# Later lines give way to earlier ones: an animation also comes as a document, a venue as a location.
_KINDS = {
    "photo": InboundKind.PHOTO,
    "video": InboundKind.PHOTO,
    "animation": InboundKind.PHOTO,
    "voice": InboundKind.VOICE,
    "audio": InboundKind.VOICE,
    "video_note": InboundKind.VOICE,
    "location": InboundKind.LOCATION,
}
# What a link to the bot carries behind /start: a code to prove an address by. Anything else there was typed by hand.
_LINK_CODE = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]{9,64}")
# What Telegram itself writes into a private chat. Nobody said it, so nobody waits for an answer.
_SERVICE_NOTES = frozenset(
    {
        "boost_added",
        "chat_background_set",
        "connected_website",
        "message_auto_delete_timer_changed",
        "pinned_message",
        "write_access_allowed",
    }
)
# What Telegram says of a refusal and may be passed on; anything else may hold people's words.
_KNOWN_REFUSALS = (
    "chat not found",
    "bot was blocked by the user",
    "user is deactivated",
    "message is too long",
    "message text is empty",
    "BUTTON_DATA_INVALID",
)


class _Wait(TelegramError):
    """Telegram asks us to wait. The library's own error warns about its future whenever it is raised."""

    def __init__(self, seconds: float) -> None:
        super().__init__("wait")
        self.seconds = seconds


class _Request(HTTPXRequest):
    """The library's requests, without the log that repeats an answer it cannot read."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        code, payload = await super().do_request(*args, **kwargs)
        wait = _wait_of(payload) if code == 429 else None
        if wait is not None:
            raise _Wait(wait)
        return code, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(payload)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or ("result" not in answer and answer.get("ok") is not False):
            raise TelegramError("unreadable")
        return answer


class _Bot(Bot):
    """The library's client, with updates as they came."""

    async def raw_updates(self, offset: int | None, wait_seconds: int) -> Any:
        """Updates from `offset` on, as plain values."""
        wanted = {"offset": offset, "timeout": wait_seconds, "allowed_updates": _WANTED_UPDATES}
        return await self._post("getUpdates", wanted, read_timeout=wait_seconds + 15)


@dataclass(frozen=True)
class Polled:
    """One polled update: its number, and our own message or None for what needs no answer."""

    number: int
    message: InboundMessage | None


class TelegramChannel:
    """The bot's side of Telegram."""

    channel = Channel.TELEGRAM
    can_be_asked = False  # there is no way to ask Telegram whether a message was sent

    def __init__(self, token: str, secret: str, api_url: str = "", *, timeout_seconds: float = 10) -> None:
        silence(*_LOUD)
        self._secret = secret
        self._username = ""
        self._requests = (
            _Request(connection_pool_size=1, connect_timeout=5, read_timeout=timeout_seconds),
            _Request(connection_pool_size=16, connect_timeout=5, read_timeout=timeout_seconds, pool_timeout=5),
        )
        base = (api_url or _API_URL).rstrip("/")
        self._bot = _Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            get_updates_request=self._requests[0],
            request=self._requests[1],
        )

    def verify(self, request: Webhook) -> bool:
        # A header may hold any bytes, which the web server keeps as surrogates.
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        return bool(self._secret) & hmac.compare_digest(given, self._secret.encode())

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise BadPayload("Telegram posts JSON")
        try:
            update = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadPayload("this is not JSON") from None
        return read_update(update, username=self._username)

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return in_parts(message, TEXT_LIMIT)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        keyboard = _keyboard(message.choices)
        chat = _chat_of(to)
        failure: Exception
        try:
            sent = await self._bot.send_message(
                chat_id=chat,
                text=message.text,
                reply_markup=keyboard,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except _FAILURES as error:
            failure = error
        else:
            await self._strike(chat, message.strikes)
            return Sent(str(sent.message_id))
        _fail(failure)

    async def _strike(self, chat: int, numbers: Sequence[str]) -> None:
        """Take the buttons off earlier messages. Where that fails they stay, and a tap is told that it has moved on.

        Not for long: the message itself has gone, and must not be taken for one that hangs.
        """
        for number in numbers:
            try:
                async with asyncio.timeout(_STRIKE_PATIENCE):
                    await self._bot.edit_message_reply_markup(chat_id=chat, message_id=int(number), reply_markup=None)
            except (*_FAILURES, TimeoutError) as error:
                log.info("buttons_stay", error_type=type(error).__name__)
                return

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        return None

    async def acknowledge(self, message: InboundMessage) -> None:
        if message.callback_id:
            try:
                await self._bot.answer_callback_query(message.callback_id)
            except TelegramError as error:
                log.info("tap_not_acknowledged", error_type=type(error).__name__)

    async def start_webhook(self, url: str) -> None:
        """Tell Telegram where to post. Raises `TryLater` or `Undeliverable`."""
        await self._prepare(
            self._bot.set_webhook(url, secret_token=self._secret or None, allowed_updates=_WANTED_UPDATES)
        )

    async def start_polling(self) -> None:
        """Take the webhook away: it and polling exclude each other. Raises `TryLater` or `Undeliverable`."""
        await self._prepare(self._bot.delete_webhook())

    async def _prepare(self, request: Awaitable[object]) -> None:
        failure: Exception
        try:
            await request
            self._username = (await self._bot.get_me()).username or ""
            return
        except _FAILURES as error:
            failure = error
        _fail(failure)

    async def poll(self, offset: int | None, *, wait_seconds: int = 25) -> list[Polled]:
        """Updates from `offset` on. Asking with a higher offset is what acknowledges the lower ones to Telegram.

        Raises `TryLater`. An update that cannot be read counts as one that needs no answer; its number is logged.
        """
        failure: Exception
        try:
            return [self._polled(update) for update in await self._bot.raw_updates(offset, wait_seconds)]
        except _FAILURES as error:
            failure = error
        _fail(failure, always_later=True)

    def _polled(self, update: Any) -> Polled:
        number = int(update["update_id"])
        try:
            return Polled(number, read_update(update, username=self._username))
        except BadPayload:
            log.warning("telegram_update_unreadable", update_id=number)
            return Polled(number, None)

    async def poll_into(
        self, store: Callable[[InboundMessage], Awaitable[object]], offset: int | None, *, wait_seconds: int = 25
    ) -> int | None:
        """Poll once, store every message, and return the offset to ask with next.

        `store` returns once the message is committed. Nothing is acknowledged to Telegram before: that happens with
        the next call, so whatever a crash or a failure here left unstored comes again, and repeats are the store's to
        refuse. Raises `TryLater`, or what `store` raised first; a message that cannot be stored keeps its sender's
        later ones waiting, and nobody else's.
        """
        failure: Exception | None = None
        waiting: set[Address] = set()
        for update in await self.poll(offset, wait_seconds=wait_seconds):
            message = update.message
            if message is not None and message.sender not in waiting:
                try:
                    await store(message)
                except Exception as error:
                    failure = failure or error
                    waiting.add(message.sender)
            if failure is None:
                offset = update.number + 1
        if failure is not None:
            raise failure
        return offset

    async def keep_polling(
        self,
        store: Callable[[InboundMessage], Awaitable[object]],
        *,
        on_trouble: Callable[[Exception], object] = lambda error: None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        wait_seconds: int = 25,
    ) -> NoReturn:
        """Poll until cancelled; see `poll_into`. Neither Telegram's troubles nor the storage's end it.

        `on_trouble` hears of what `store` raised.
        """
        offset: int | None = None
        polling = False
        while True:
            try:
                if not polling:
                    await self.start_polling()
                    polling = True
                offset = await self.poll_into(store, offset, wait_seconds=wait_seconds)
            except DeliveryError as error:
                # Another process may have set a webhook meanwhile, which refuses us until it is taken away again.
                polling = False
                log.warning("polling_delayed", reason=str(error))
                await sleep(error.retry_after if isinstance(error, TryLater) and error.retry_after else _POLL_PAUSE)
            except Exception as error:
                # Not acknowledged, so Telegram keeps it for us.
                log.error("polled_not_stored", error_type=type(error).__name__)
                on_trouble(error)
                await sleep(_POLL_PAUSE)

    async def close(self) -> None:
        for request in self._requests:
            await request.shutdown()


# --- reading --------------------------------------------------------------------------------------------------------


def read_update(update: object, *, username: str = "") -> InboundMessage | None:
    """Our own message from an update, or None where nothing is to be answered. Raises `BadPayload`.

    `username` is the bot's own name, by which it is called in groups; without it any mention there counts.
    """
    if not isinstance(update, dict) or type(update.get("update_id")) is not int:
        raise BadPayload("this is not a Telegram update")
    for name, read in _READERS.items():
        if name in update:
            return read(update["update_id"], _mapping(update[name]), username)
    return None


def _read_tap(number: int, query: Mapping[str, Any], username: str) -> InboundMessage | None:
    chat = _mapping(_mapping(query.get("message")).get("chat"))
    if chat.get("type") != "private":
        return None
    data = _text(query.get("data"))
    return InboundMessage(
        channel=Channel.TELEGRAM,
        provider_message_id=_key(number, {}),
        sender=_address(chat),
        kind=InboundKind.TAP,
        token=clean_token(data.removeprefix(_PREFIX)) if data.startswith(_PREFIX) else OLD_TOKEN,
        language_hint=_language(query),
        callback_id=_text(query.get("id")),
        reply_to=_number_of(query.get("message")),
    )


def _read_membership(number: int, change: Mapping[str, Any], username: str) -> InboundMessage | None:
    chat = _mapping(change.get("chat"))
    blocked = _mapping(change.get("new_chat_member")).get("status") == "kicked"
    if chat.get("type") != "private" or not blocked:
        return None
    return InboundMessage(Channel.TELEGRAM, _key(number, change), _address(chat), InboundKind.STOP)


def _read_edit(number: int, message: Mapping[str, Any], username: str) -> InboundMessage | None:
    # Changed media says nothing new, and people change reactions and live locations all the time.
    if not isinstance(message.get("text"), str):
        return None
    return _read_message(number, message, username, edited=True)


def _read_message(
    number: int, message: Mapping[str, Any], username: str, *, edited: bool = False
) -> InboundMessage | None:
    chat = _mapping(message.get("chat"))
    sender, key = _address(chat), _key(number, message)
    written = clean_text(_text(message.get("text")) or _text(message.get("caption")))
    if chat.get("type") != "private":
        if edited or not _calls_us(message, written, username):
            return None
        # Nothing that was said in a group is kept: only that somebody called us there.
        return InboundMessage(Channel.TELEGRAM, key, sender, InboundKind.GROUP)
    text = re.sub(r"^(/\w+)@\w+", r"\1", written)
    kind, token = InboundKind.TEXT, ""
    start = re.fullmatch(r"/start(?:\s+(.+))?", text, re.DOTALL)
    if edited:
        kind = InboundKind.EDITED
    elif start is not None and (start[1] is None or _LINK_CODE.fullmatch(start[1])):
        kind, text, token = InboundKind.START, "", start[1] or ""
    elif start is not None:
        text = start[1]  # somebody wrote on behind the command, and wants an answer to that
    elif "text" not in message:
        if not _SERVICE_NOTES.isdisjoint(message):
            return None
        kind = next((kind for name, kind in _KINDS.items() if name in message), InboundKind.OTHER)
    answered = _number_of(message.get("reply_to_message"))
    return InboundMessage(
        Channel.TELEGRAM, key, sender, kind, text, token, language_hint=_language(message), reply_to=answered
    )


_READERS: Mapping[str, Callable[[int, Mapping[str, Any], str], InboundMessage | None]] = {
    "message": _read_message,
    "edited_message": _read_edit,
    "callback_query": _read_tap,
    "my_chat_member": _read_membership,
}


def _calls_us(message: Mapping[str, Any], written: str, username: str) -> bool:
    """Whether somebody in a group means this bot: by a command, or by its name."""
    command = re.match(r"/\w+(?:@(\w+))?", written)
    if command is not None:
        return not (username and command[1]) or command[1].casefold() == username.casefold()
    if username:
        return re.search(rf"@{re.escape(username)}\b", written, re.IGNORECASE) is not None
    entities = [message.get("entities"), message.get("caption_entities")]
    return any(
        _mapping(each).get("type") == "mention" for found in entities if isinstance(found, list) for each in found
    )


def _key(number: int, part: Mapping[str, Any]) -> str:
    """What makes a repeat of this update visible, and says nothing of its sender.

    After a quiet week Telegram goes on counting from a number drawn by chance, which may have been used before; so the
    update's own time stands beside its number.
    """
    date = part.get("date")
    return f"u{number}.{date}" if type(date) is int else f"u{number}"


def _address(chat: Mapping[str, Any]) -> Address:
    if type(chat.get("id")) is not int:
        raise BadPayload("this update comes from no chat")
    return Address(Channel.TELEGRAM, str(chat["id"]))


def _language(part: Mapping[str, Any]) -> str:
    hint = _text(_mapping(part.get("from")).get("language_code"))
    return hint if re.fullmatch(r"[A-Za-z0-9-]{1,35}", hint) else ""


def _number_of(message: object) -> str:
    """The number of a message within its chat, as we noted it when we sent it."""
    number = _mapping(message).get("message_id")
    return str(number) if type(number) is int else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- sending --------------------------------------------------------------------------------------------------------


def _wait_of(payload: bytes) -> float | None:
    """The seconds that a refusal asks us to wait."""
    try:
        wait = json.loads(payload)["parameters"]["retry_after"]
    except (ValueError, LookupError, TypeError):
        return None
    return float(wait) if type(wait) in {int, float} and wait >= 0 else None


# What a call can end in: Telegram's refusals, the network, and answers that cannot be read.
_FAILURES = (TelegramError, AttributeError, LookupError, TypeError, ValueError)


def _fail(error: Exception, *, always_later: bool = False) -> NoReturn:
    """Say with our own error what Telegram's means; called after its `except`, so that ours does not carry it along."""
    if isinstance(error, _Wait):
        raise TryLater("telegram asks us to wait", retry_after=error.seconds)
    # A token that Telegram refuses is ours to mend and no fault of the message, which keeps.
    if isinstance(error, Forbidden | BadRequest | ChatMigrated) and not always_later:
        said = str(error)
        known = next(
            (reason for reason in _KNOWN_REFUSALS if reason.casefold() in said.casefold()), type(error).__name__
        )
        raise Undeliverable(f"telegram refused: {known}")
    raise TryLater(f"telegram is out of reach: {type(error).__name__}")


def _chat_of(to: Address) -> int:
    if not re.fullmatch(r"-?\d{1,19}", to.value, re.ASCII):
        raise Undeliverable("this is no Telegram chat")
    return int(to.value)


def button_rows(choices: Sequence[Choice]) -> list[list[Choice]]:
    """How the buttons lie: short ones two in a row, long ones (an article's title) on a row of their own."""
    rows: list[list[Choice]] = []
    for choice in choices:
        beside = rows and len(rows[-1]) == 1 and len(rows[-1][0].label) <= _SHORT_LABEL >= len(choice.label)
        if beside:
            rows[-1].append(choice)
        else:
            rows.append([choice])
    return rows


def _keyboard(choices: tuple[Choice, ...]) -> InlineKeyboardMarkup | None:
    if any(len((_PREFIX + choice.token).encode()) > CALLBACK_LIMIT for choice in choices):
        raise Undeliverable("a choice is longer than Telegram takes")
    rows = [
        [InlineKeyboardButton(choice.label, callback_data=_PREFIX + choice.token) for choice in row]
        for row in button_rows(choices)
    ]
    return InlineKeyboardMarkup(rows) if rows else None
