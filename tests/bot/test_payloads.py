"""Every captured payload, and what it means to us."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.channels.base import BadPayload, Webhook, clean_text
from bot.channels.telegram import TelegramChannel, read_update
from bot.channels.twilio import TwilioAccount, TwilioChannel
from helpline.messages import Address, Channel, DeliveryReport, DeliveryState, InboundKind, InboundMessage
from tests.captured import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CLINICIAN_NUMBER,
    LINE_NUMBER,
    PAYLOADS,
    PUBLIC_URL,
    TELEGRAM_CHAT,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    said,
    telegram,
    telegram_update,
    telegram_webhook,
    twilio,
    twilio_fields,
    twilio_webhook,
)

TEXT, TAP, PHOTO, VOICE = InboundKind.TEXT, InboundKind.TAP, InboundKind.PHOTO, InboundKind.VOICE
LOCATION, OTHER, EDITED, GROUP = InboundKind.LOCATION, InboundKind.OTHER, InboundKind.EDITED, InboundKind.GROUP
STOP, START = InboundKind.STOP, InboundKind.START

NUMBERS = "0123456789"
LONG = ("Hun får ikke snakke alene. " * 4000)[:100_000].strip()


@pytest.fixture(scope="module")
def telegram_channel() -> TelegramChannel:
    return TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET)


@pytest.fixture(scope="module")
def sms() -> TwilioChannel:
    return TwilioChannel(Channel.SMS, TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL), LINE_NUMBER)


# --- Telegram -------------------------------------------------------------------------------------------------------

TELEGRAM: dict[str, tuple[InboundKind, str, str] | None] = {
    # name: kind, text, token; or None for what needs no answer
    "text": (TEXT, "Hva gjør jeg når pasienten ikke får snakke alene?", ""),
    "start": (START, "", ""),
    "start_link": (START, "", "7KX4M2PQ9A"),
    "start_and_words": (TEXT, "han står utenfor døra", ""),
    "stop": (TEXT, "/stop", ""),  # a command like any other: the conversation says goodbye and falls silent
    "command_named": (TEXT, "/radgiver", ""),
    "caption": (PHOTO, "Er dette et tegn?", ""),
    "photo": (PHOTO, "", ""),
    "video": (PHOTO, "", ""),
    "animation": (PHOTO, "", ""),
    "voice": (VOICE, "", ""),
    "video_note": (VOICE, "", ""),
    "location": (LOCATION, "", ""),
    "venue": (LOCATION, "", ""),
    "sticker": (OTHER, "", ""),
    "document": (OTHER, "", ""),
    "contact": (OTHER, "", ""),
    "new_kind": (OTHER, "", ""),  # of a later release of Telegram: never a dead end
    "pinned": None,
    "auto_delete": None,
    "edited": (EDITED, "Hva gjør jeg når pasienten aldri får snakke alene?", ""),
    "edited_photo": None,
    "live_location": None,
    "callback": (TAP, "", "danger:1"),
    "callback_old": (TAP, "", "old"),
    "callback_inaccessible": (TAP, "", "a"),
    "callback_inline": None,
    "callback_group": None,
    "group_mention": (GROUP, "", ""),
    "group_other_mention": (GROUP, "", ""),  # not knowing our own name, any name is taken for ours
    "group_command": (GROUP, "", ""),
    "group_other_command": (GROUP, "", ""),
    "group_talk": None,
    "channel_post": None,
    "blocked": (STOP, "", ""),
    "unblocked": None,
    "thrown_out_of_group": None,
    "deleted": None,
    "reaction": None,
}


def test_every_telegram_payload_has_its_row() -> None:
    assert set(TELEGRAM) == {path.stem for path in (PAYLOADS / "telegram").iterdir()}


@pytest.mark.parametrize("name", TELEGRAM)
def test_telegram_payload(telegram_channel: TelegramChannel, name: str) -> None:
    parsed = telegram_channel.parse(telegram(name))
    expected = TELEGRAM[name]
    if expected is None:
        assert parsed is None
        return
    assert isinstance(parsed, InboundMessage)
    assert (parsed.kind, parsed.text, parsed.token) == expected
    assert parsed.channel is Channel.TELEGRAM
    if parsed.kind is not GROUP:
        assert parsed.sender == Address(Channel.TELEGRAM, TELEGRAM_CHAT)
    assert bool(parsed.callback_id) is (parsed.kind is TAP)


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("group_mention", True),
        ("group_command", True),
        ("group_other_mention", False),
        ("group_other_command", False),
        ("group_talk", False),
    ],
)
def test_in_a_group_only_a_call_by_our_own_name_is_answered(name: str, answered: bool) -> None:
    parsed = read_update(telegram_update(name), username="vardeprovebot")
    assert (parsed is not None) is answered
    assert parsed is None or (parsed.kind is GROUP and parsed.text == "" and parsed.language_hint == "")


def test_each_update_has_a_key_that_is_the_same_when_it_is_repeated(telegram_channel: TelegramChannel) -> None:
    keys = []
    for name, expected in TELEGRAM.items():
        if expected is not None:
            first, again = telegram_channel.parse(telegram(name)), telegram_channel.parse(telegram(name))
            assert isinstance(first, InboundMessage)
            assert first == again
            keys.append(first.provider_message_id)
    assert len(keys) == len(set(keys))


def test_a_number_that_telegram_gives_a_second_time_is_no_repeat() -> None:
    first = read_update(said("én", update_id=5, date=1795338000))
    later = read_update(said("to", update_id=5, date=1799999999))
    assert first is not None
    assert later is not None
    assert first.provider_message_id != later.provider_message_id


def test_a_key_says_nothing_of_its_sender(telegram_channel: TelegramChannel) -> None:
    for name, expected in TELEGRAM.items():
        if expected is not None:
            parsed = telegram_channel.parse(telegram(name))
            assert isinstance(parsed, InboundMessage)
            assert TELEGRAM_CHAT not in parsed.provider_message_id


@pytest.mark.parametrize(
    ("text", "kind", "read", "token"),
    [
        ("/start", START, "", ""),
        ("/start@VardeProveBot", START, "", ""),
        ("/start 7KX4M2PQ9A", START, "", "7KX4M2PQ9A"),
        ("/started her", TEXT, "/started her", ""),
        ("/start Fatima", TEXT, "Fatima", ""),  # typed by hand, so it is masked like any words
        ("/start 01019012345", TEXT, "01019012345", ""),
        ("  hei\r\nder  ", TEXT, "hei\nder", ""),
        ("", TEXT, "", ""),
        ("🙏🏽👩‍⚕️", TEXT, "🙏🏽👩‍⚕️", ""),
        ("01\u200b0190\u202e 12\u2066345\u2069\u0000\u0007", TEXT, "010190 12345", ""),
        ("\u200fهي في خطر\u200e", TEXT, "هي في خطر", ""),
        ("e\u0301n <b>fet</b> *stjerne* _strek_", TEXT, "én <b>fet</b> *stjerne* _strek_", ""),
        ("halvt tegn \ud83d her", TEXT, "halvt tegn \ufffd her", ""),
        (LONG, TEXT, LONG, ""),
        ("\u202e" * 100_000, TEXT, "", ""),
    ],
)
def test_telegram_texts(telegram_channel: TelegramChannel, text: str, kind: InboundKind, read: str, token: str) -> None:
    parsed = telegram_channel.parse(telegram_webhook(said(text, update_id=1)))
    assert isinstance(parsed, InboundMessage)
    assert (parsed.kind, parsed.text, parsed.token) == (kind, read, token)
    parsed.text.encode()  # half a sign would break storage


@pytest.mark.parametrize(
    ("data", "token"),
    [
        ("v1:q:taushetsplikt-politi", "q:taushetsplikt-politi"),
        ("v1:", "old"),
        ("v2:a", "old"),
        ("", "old"),
        (None, "old"),
        (7, "old"),
        ("v1:" + "x" * 49, "old"),
        ("v1:rådgiver", "old"),
        ("v1:a\nb", "old"),
    ],
)
def test_tapped_data_of_any_sort(data: object, token: str) -> None:
    update = telegram_update("callback")
    update["callback_query"]["data"] = data
    parsed = read_update(update)
    assert parsed is not None
    assert parsed.token == token


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        json.dumps(telegram_update("text")).encode()[:-30],
        b"[]",
        b'[{"update_id": 1}]',
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"update_id": "1", "message": {}}',
        b'{"update_id": true}',
        b'{"update_id": 1, "message": {}}',
        b'{"update_id": 1, "message": []}',
        b'{"update_id": 1, "message": {"chat": "x", "text": "hei"}}',
        b'{"update_id": 1, "message": {"chat": {"id": "7", "type": "private"}, "text": "hei"}}',
        b"\xff\xfe\xfd",
        b'{"update_id": 1, "message": {"text": "\xc3\x28"}}',
        b"[" * 100_000,
        b"text=hei&update_id=1",
    ],
)
def test_what_is_no_update_is_refused(telegram_channel: TelegramChannel, body: bytes) -> None:
    with pytest.raises(BadPayload):
        telegram_channel.parse(replace(telegram("text"), body=body))


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_telegram_posts_nothing_but_json(telegram_channel: TelegramChannel, content_type: str) -> None:
    request = telegram("text")
    with pytest.raises(BadPayload):
        telegram_channel.parse(replace(request, headers={**request.headers, "content-type": content_type}))


@pytest.mark.parametrize(
    "strange",
    [
        {"from": None},
        {"from": {"language_code": 7}},
        {"from": {"language_code": "<script>"}},
        {"entities": "x"},
        {"entities": [None, 7]},
        {"date": "yesterday"},
        {"date": 10**30},
        {"message_id": None},
        {"caption": ["x"]},
        {"photo": None},
    ],
)
def test_words_come_through_whatever_else_is_odd(telegram_channel: TelegramChannel, strange: dict[str, Any]) -> None:
    update = said("hun er i fare", update_id=3)
    update["message"] |= strange
    parsed = telegram_channel.parse(telegram_webhook(update))
    assert isinstance(parsed, InboundMessage)
    assert (parsed.kind, parsed.text, parsed.language_hint in {"", "nb"}) == (TEXT, "hun er i fare", True)


# --- Twilio ---------------------------------------------------------------------------------------------------------

TWILIO: dict[str, tuple[Channel, InboundKind, str, str] | tuple[Channel, DeliveryState, str] | None] = {
    # name: channel, kind, text, token; or channel, state, error code; or None
    "sms": (Channel.SMS, TEXT, "Patienten får inte prata själv. Vad gör jag?", ""),
    "sms_digit": (Channel.SMS, TEXT, "1", ""),
    "sms_emoji": (Channel.SMS, TEXT, "🙏🏽", ""),
    "sms_empty": (Channel.SMS, TEXT, "", ""),
    "sms_sender_name": None,
    "sms_short_number": None,
    "mms": (Channel.SMS, PHOTO, "Är det här ett tecken?", ""),
    "mms_contact": (Channel.SMS, OTHER, "", ""),
    "sms_stop": (Channel.SMS, STOP, "", ""),
    "sms_stop_opted": (Channel.SMS, STOP, "", ""),
    "sms_start_opted": (Channel.SMS, START, "", ""),
    "sms_yes_opted": (Channel.SMS, TEXT, "YES", ""),  # it may answer "is anyone in danger right now?"
    "sms_help_opted": (Channel.SMS, TEXT, "HELP", ""),
    "whatsapp": (Channel.WHATSAPP, TEXT, "Pasienten er redd for mannen som fulgte henne", ""),
    "whatsapp_photo": (Channel.WHATSAPP, PHOTO, "", ""),
    "whatsapp_voice": (Channel.WHATSAPP, VOICE, "", ""),
    "whatsapp_location": (Channel.WHATSAPP, LOCATION, "", ""),
    "whatsapp_button": (Channel.WHATSAPP, TAP, "", "danger:1"),
    "whatsapp_user_name": (Channel.WHATSAPP, TEXT, "Hei", ""),
    "whatsapp_stop": (Channel.WHATSAPP, TEXT, "STOP", ""),  # nobody blocks it there, so the conversation says goodbye
    "whatsapp_status": (Channel.WHATSAPP, DeliveryState.DELIVERED, ""),
    "status_delivered": (Channel.SMS, DeliveryState.DELIVERED, ""),
    "status_undelivered": (Channel.SMS, DeliveryState.FAILED, "30005"),
}


def test_every_twilio_payload_has_its_row() -> None:
    assert set(TWILIO) == {path.stem for path in (PAYLOADS / "twilio").iterdir()}


@pytest.mark.parametrize("name", TWILIO)
def test_twilio_payload(sms: TwilioChannel, name: str) -> None:
    parsed = sms.parse(twilio(name))
    match parsed:
        case InboundMessage():
            assert (parsed.channel, parsed.kind, parsed.text, parsed.token) == TWILIO[name]
            assert parsed.provider_message_id == twilio_fields(name)["MessageSid"]
            sender = twilio_fields(name)["From"].removeprefix("whatsapp:")
            assert parsed.sender == Address(parsed.channel, sender)
            assert name == "whatsapp_user_name" or sender == CLINICIAN_NUMBER
        case DeliveryReport():
            assert (parsed.channel, parsed.state, parsed.error_code) == TWILIO[name]
        case None:
            assert TWILIO[name] is None


@pytest.mark.parametrize(
    ("state", "understood"),
    [
        ("accepted", DeliveryState.ACCEPTED),
        ("scheduled", DeliveryState.ACCEPTED),
        ("queued", DeliveryState.ACCEPTED),
        ("sending", DeliveryState.ACCEPTED),
        ("sent", DeliveryState.ACCEPTED),
        ("delivered", DeliveryState.DELIVERED),
        ("read", DeliveryState.DELIVERED),
        ("Delivered", DeliveryState.DELIVERED),
        ("undelivered", DeliveryState.FAILED),
        ("failed", DeliveryState.FAILED),
        ("canceled", DeliveryState.FAILED),
        ("teleported", None),  # of a later release of Twilio
        ("partially_delivered", None),
    ],
)
def test_what_became_of_a_message(sms: TwilioChannel, state: str, understood: DeliveryState | None) -> None:
    fields = twilio_fields("status_delivered", MessageStatus=state, SmsStatus=state)
    parsed = sms.parse(twilio_webhook(fields, "/twilio/status"))
    if understood is None:
        assert parsed is None
    else:
        assert parsed == DeliveryReport(Channel.SMS, fields["MessageSid"], understood)


@pytest.mark.parametrize(
    ("name", "body", "kind", "text"),
    [
        ("sms", "STOP", STOP, ""),
        ("sms", "  stop\n", STOP, ""),
        ("sms", "StopAll", STOP, ""),
        ("sms", "unsubscribe", STOP, ""),
        ("sms", "Cancel", STOP, ""),
        ("sms", "END", STOP, ""),
        ("sms", "quit", STOP, ""),
        ("sms", "revoke", STOP, ""),
        ("sms", "optout", STOP, ""),
        ("sms", "stop him, he is taking her away", TEXT, "stop him, he is taking her away"),
        ("sms", "stopp", TEXT, "stopp"),  # not Twilio's word: the conversation says goodbye itself
        ("sms", "START", START, ""),
        ("sms", "unstop", START, ""),
        ("whatsapp", "start", START, ""),
        ("sms", "yes", TEXT, "yes"),
        ("sms", "start samtalen hvordan", TEXT, "start samtalen hvordan"),
        ("sms", "\u202eab\u0000c\u200b", TEXT, "abc"),
        ("sms", "<b>hei</b> & *du*", TEXT, "<b>hei</b> & *du*"),
        ("sms", LONG, TEXT, LONG),
        ("sms", NUMBERS, TEXT, NUMBERS),
    ],
)
def test_twilio_texts(sms: TwilioChannel, name: str, body: str, kind: InboundKind, text: str) -> None:
    parsed = sms.parse(twilio(name, Body=body))
    assert isinstance(parsed, InboundMessage)
    assert (parsed.kind, parsed.text) == (kind, text)


def _form(**fields: str) -> bytes:
    return urlencode(fields).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Body=hei",
        _form(MessageSid="", From=CLINICIAN_NUMBER, Body="hei"),
        _form(MessageSid="SM1", From="", Body="hei"),
        _form(MessageStatus="delivered"),
        b'{"MessageSid": "SM1"}',
        b"&".join(b"f%d=x" % place for place in range(10_000)),
        b"&" * 10_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_message_is_refused(sms: TwilioChannel, body: bytes) -> None:
    with pytest.raises(BadPayload):
        sms.parse(replace(twilio("sms"), body=body))


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data; boundary=x", "text/xml"])
def test_twilio_posts_nothing_but_forms(sms: TwilioChannel, content_type: str) -> None:
    request = twilio("sms")
    with pytest.raises(BadPayload):
        sms.parse(replace(request, headers={**request.headers, "content-type": content_type}))


def test_invalid_utf_8_in_a_form_does_not_hide_the_rest(sms: TwilioChannel) -> None:
    raw = _form(MessageSid="SM1", From=CLINICIAN_NUMBER) + b"&Body=hj%ff%feelp+\xff"
    parsed = sms.parse(replace(twilio("sms"), body=raw))
    assert isinstance(parsed, InboundMessage)
    assert parsed.text.startswith("hj")
    assert parsed.text.encode()


def test_the_last_of_a_repeated_field_counts(sms: TwilioChannel) -> None:
    parsed = sms.parse(replace(twilio("sms"), body=_form(MessageSid="SM1", From=CLINICIAN_NUMBER) + b"&Body=a&Body=b"))
    assert isinstance(parsed, InboundMessage)
    assert parsed.text == "b"


def test_nothing_prints_what_was_posted() -> None:
    request: Webhook = telegram("text")
    assert "pasienten" not in repr(request)
    assert TELEGRAM_SECRET not in repr(request)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\nc\rd\r\ne\u2028f", "a\tb\nc\nd\ne\nf"),
        ("\ufeffhei\x1b[31m", "hei[31m"),
        ("\x85ja\x9f", "ja"),
        ("می‌خواهم", "می‌خواهم"),  # the joiner that Persian is written with stays
        ("", ""),
    ],
)
def test_cleaning_keeps_what_can_be_seen(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    assert clean_text(clean) == clean
