"""Telegram, by webhook or by long polling.

Texts are sent without a parse mode, so that nothing a clinician or an article writes can be read as markup.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Update
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.channels.base import BadPayload, Webhook, in_parts
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
    TryLater,
    Undeliverable,
)

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name
TEXT_LIMIT = 4096  # UTF-16 units in one message
CALLBACK_LIMIT = 64  # bytes of callback data
_PREFIX = "v1:"  # of our callback data, so that a button of another release is recognised as old
_SHORT_LABEL = 14  # signs; two such buttons stand side by side on a narrow phone
_WANTED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]

_KINDS = {
    "photo": InboundKind.PHOTO,
    "voice": InboundKind.VOICE,
    "audio": InboundKind.VOICE,
    "video_note": InboundKind.VOICE,
    "location": InboundKind.LOCATION,
    "venue": InboundKind.LOCATION,
}


class TelegramChannel:
    """The bot's side of Telegram."""

    channel = Channel.TELEGRAM
    can_be_asked = False  # there is no way to ask Telegram whether a message was sent

    def __init__(self, token: str, secret: str, api_url: str = "") -> None:
        self._secret = secret
        urls: dict[str, Any] = {}
        if api_url:
            base = api_url.rstrip("/")
            urls = {"base_url": f"{base}/bot", "base_file_url": f"{base}/file/bot"}
        self._bot = Bot(
            token,
            request=HTTPXRequest(connection_pool_size=16, connect_timeout=5, read_timeout=10, pool_timeout=5),
            get_updates_request=HTTPXRequest(connection_pool_size=1, connect_timeout=5, read_timeout=40),
            **urls,
        )

    def verify(self, request: Webhook) -> bool:
        given = request.headers.get(SECRET_HEADER, "")
        return bool(self._secret) and hmac.compare_digest(given.encode(), self._secret.encode())

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        try:
            data = json.loads(request.body)
            update = Update.de_json(data) if isinstance(data, dict) else None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadPayload("this is not a Telegram update") from error
        if update is None:
            raise BadPayload("this is not a Telegram update")
        return read_update(update)

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return in_parts(message, TEXT_LIMIT)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        try:
            sent = await self._bot.send_message(
                chat_id=int(to.value),
                text=message.text,
                reply_markup=_keyboard(message.choices),
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except RetryAfter as error:
            wait = error.retry_after
            seconds = wait if isinstance(wait, int | float) else wait.total_seconds()
            raise TryLater("telegram asks us to wait", retry_after=float(seconds)) from error
        except (Forbidden, BadRequest, InvalidToken, ChatMigrated) as error:
            raise Undeliverable(f"telegram refused: {type(error).__name__}") from error
        except (NetworkError, TelegramError) as error:
            raise TryLater(f"telegram is out of reach: {type(error).__name__}") from error
        except ValueError as error:
            raise Undeliverable("this is no Telegram chat") from error
        return Sent(str(sent.message_id))

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        return None

    async def acknowledge(self, message: InboundMessage) -> None:
        if message.callback_id:
            await self._bot.answer_callback_query(message.callback_id)

    async def start_webhook(self, url: str) -> None:
        """Tell Telegram where to post."""
        await self._bot.set_webhook(url, secret_token=self._secret, allowed_updates=_WANTED_UPDATES)

    async def start_polling(self) -> None:
        """Polling and a webhook exclude each other."""
        await self._bot.delete_webhook()

    async def poll(self, offset: int | None, *, wait_seconds: int = 25) -> list[tuple[int, InboundMessage | None]]:
        """Updates from `offset` on, each with its number. The next call's offset acknowledges them to Telegram.

        Raises `TryLater`; an update that cannot be read counts as one that needs no answer.
        """
        try:
            updates = await self._bot.get_updates(offset=offset, timeout=wait_seconds, allowed_updates=_WANTED_UPDATES)
        except RetryAfter as error:
            raise TryLater("telegram asks us to wait", retry_after=5) from error
        except TelegramError as error:
            raise TryLater(f"telegram is out of reach: {type(error).__name__}") from error
        return [(update.update_id, read_update(update)) for update in updates]

    async def close(self) -> None:
        await self._bot.shutdown()


def read_update(update: Update) -> InboundMessage | None:
    """Our own message from an update, or None where nothing is to be answered."""
    # The update's own number, not chat and message, since it stands in the clear as the key that makes repeats visible.
    provider_id = f"u{update.update_id}"
    if update.callback_query is not None:
        query = update.callback_query
        if query.message is None or query.message.chat.type != "private":
            return None
        data = query.data or ""
        return InboundMessage(
            channel=Channel.TELEGRAM,
            provider_message_id=provider_id,
            sender=Address(Channel.TELEGRAM, str(query.message.chat.id)),
            kind=InboundKind.TAP,
            token=data.removeprefix(_PREFIX) if data.startswith(_PREFIX) else "old",
            language_hint=query.from_user.language_code or "",
            callback_id=query.id,
        )
    if update.my_chat_member is not None:
        member = update.my_chat_member
        if member.chat.type != "private" or member.new_chat_member.status != "kicked":
            return None
        return InboundMessage(
            Channel.TELEGRAM, provider_id, Address(Channel.TELEGRAM, str(member.chat.id)), InboundKind.STOP
        )
    message = update.message or update.edited_message
    if message is None:
        return None
    sender = Address(Channel.TELEGRAM, str(message.chat.id))
    text = re.sub(r"^(/\w+)@\w+", r"\1", message.text or message.caption or "")
    if message.chat.type != "private":
        spoken_to = text.startswith("/") or any(entity.type == "mention" for entity in message.entities)
        if update.message is None or not spoken_to:
            return None
        # Nothing that was said in a group is kept: only that somebody called us there.
        return InboundMessage(Channel.TELEGRAM, provider_id, sender, InboundKind.GROUP)
    kind = InboundKind.TEXT
    if update.message is None:
        kind = InboundKind.EDITED
    elif text.startswith("/start"):
        kind = InboundKind.START
        text = ""
    elif message.text is None:
        kind = next((kind for name, kind in _KINDS.items() if getattr(message, name)), InboundKind.OTHER)
    hint = message.from_user.language_code if message.from_user is not None else None
    return InboundMessage(Channel.TELEGRAM, provider_id, sender, kind, text, language_hint=hint or "")


def _keyboard(choices: tuple[Choice, ...]) -> InlineKeyboardMarkup | None:
    """Buttons; short ones two in a row, long ones (an article's title) on a row of their own."""
    rows: list[list[InlineKeyboardButton]] = []
    for choice in choices:
        data = _PREFIX + choice.token
        if len(data.encode()) > CALLBACK_LIMIT:
            raise Undeliverable("a choice is longer than Telegram takes")
        button = InlineKeyboardButton(choice.label, callback_data=data)
        beside = rows and len(rows[-1]) == 1 and len(rows[-1][0].text) <= _SHORT_LABEL >= len(choice.label)
        if beside:
            rows[-1].append(button)
        else:
            rows.append([button])
    return InlineKeyboardMarkup(rows) if rows else None
