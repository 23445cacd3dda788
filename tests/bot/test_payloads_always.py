"""Whatever is posted, a channel reads it, refuses it or passes it over; it never breaks."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.base import OLD_TOKEN, BadPayload, Webhook, clean_text
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from helpline.messages import Channel, DeliveryReport, InboundKind, InboundMessage
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER, PUBLIC_URL, TELEGRAM_SECRET, TELEGRAM_TOKEN

TELEGRAM = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET)
SMS = TwilioChannel(Channel.SMS, TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL), LINE_NUMBER)

NAMES = st.sampled_from(
    [
        "update_id",
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
        "channel_post",
        "chat",
        "id",
        "type",
        "from",
        "text",
        "caption",
        "date",
        "data",
        "language_code",
        "entities",
        "photo",
        "voice",
        "new_chat_member",
        "status",
        "forward_origin",
        "message_id",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["private", "supergroup", "kicked", "/start", "/start x", "v1:a", "mention"])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
MESSAGES = st.fixed_dictionaries(
    {"chat": VALUES | st.fixed_dictionaries({"id": st.integers(), "type": st.sampled_from(["private", "group"])})},
    optional=dict.fromkeys(("text", "caption", "from", "date", "entities", "photo", "sticker", "data", "id"), VALUES),
)
UPDATES = st.fixed_dictionaries(
    {"update_id": st.integers()},
    optional=dict.fromkeys(("message", "edited_message", "callback_query", "my_chat_member"), MESSAGES),
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "MessageSid",
            "SmsSid",
            "From",
            "To",
            "Body",
            "MessageStatus",
            "SmsStatus",
            "NumMedia",
            "MediaContentType0",
            "OptOutType",
            "ButtonPayload",
            "Latitude",
            "ErrorCode",
        ]
    )
    | st.text(max_size=5),
    st.text(max_size=20)
    | st.sampled_from(["+46701740610", "whatsapp:+46701740610", "delivered", "STOP", "1", "image/"]),
)


def check(parsed: object) -> None:
    if isinstance(parsed, InboundMessage):
        assert parsed.sender.value
        assert parsed.provider_message_id
        assert clean_text(parsed.text) == parsed.text
        parsed.text.encode()
        assert parsed.token.isascii()
        if parsed.kind is InboundKind.TAP:
            assert 0 < len(parsed.token) <= 48 or parsed.token == OLD_TOKEN
        if parsed.kind in {InboundKind.GROUP, InboundKind.STOP, InboundKind.START, InboundKind.TAP}:
            assert parsed.text == ""
    else:
        assert parsed is None or isinstance(parsed, DeliveryReport)


@settings(deadline=None)  # the machine may be busy
@given(VALUES | UPDATES)
def test_any_json_at_telegrams_door(update: object) -> None:
    posted = Webhook(f"{PUBLIC_URL}/telegram", {"content-type": "application/json"}, json.dumps(update).encode())
    with suppress(BadPayload):
        check(TELEGRAM.parse(posted))


@settings(deadline=None)  # the machine may be busy
@given(FIELDS)
def test_any_form_at_twilios_door(fields: dict[str, str]) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode(fields, errors="replace").encode()
    with suppress(BadPayload):
        check(SMS.parse(Webhook(f"{PUBLIC_URL}/twilio/message", headers, body)))


@settings(deadline=None)  # the machine may be busy
@given(
    st.binary(max_size=200),
    st.text(alphabet=st.characters(), max_size=40),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", ""]),
)
def test_any_bytes_at_any_door(body: bytes, signature: str, content_type: str) -> None:
    headers = {
        "content-type": content_type,
        "x-telegram-bot-api-secret-token": signature.encode(errors="replace").decode("ascii", "surrogateescape"),
        "x-twilio-signature": signature.encode(errors="replace").decode("ascii", "surrogateescape"),
    }
    for channel in (TELEGRAM, SMS):
        posted = Webhook(f"{PUBLIC_URL}/twilio/message", headers, body)
        assert channel.verify(posted) is False
        with suppress(BadPayload):
            check(channel.parse(posted))
