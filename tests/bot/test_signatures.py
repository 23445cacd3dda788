"""Whether a request is the provider's own. Decided before anything of it is read, and in constant time."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest

from bot.channels import telegram as telegram_file
from bot.channels import twilio as twilio_file
from bot.channels.base import Webhook
from bot.channels.local import LocalChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from helpline.messages import Channel
from tests.captured import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    LINE_NUMBER,
    PUBLIC_URL,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    telegram,
    twilio,
    twilio_fields,
    twilio_webhook,
)

FIELDS = twilio_fields("sms")


def a_twilio_channel(public_url: str = PUBLIC_URL, token: str = AUTH_TOKEN) -> TwilioChannel:
    return TwilioChannel(Channel.SMS, TwilioAccount(ACCOUNT_SID, token, public_url=public_url), LINE_NUMBER)


def with_header(request: Webhook, name: str, value: str | None) -> Webhook:
    headers = {**request.headers, name: value or ""}
    if value is None:
        del headers[name]
    return replace(request, headers=headers)


@pytest.mark.parametrize(
    ("given", "genuine"),
    [
        (TELEGRAM_SECRET, True),
        (None, False),
        ("", False),
        (TELEGRAM_SECRET[:-1], False),
        (TELEGRAM_SECRET + "x", False),
        (TELEGRAM_SECRET.upper(), False),
        (f" {TELEGRAM_SECRET}", False),
        ("æøå", False),
        ("\udcff\udcfe", False),  # bytes that are no text, as the web server hands them on
    ],
)
def test_telegram_secret(given: str | None, genuine: bool) -> None:
    channel = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET)
    assert channel.verify(with_header(telegram("text"), telegram_file.SECRET_HEADER, given)) is genuine


@pytest.mark.parametrize("given", ["", "anything", None])
def test_without_a_secret_of_our_own_nobody_is_telegram(given: str | None) -> None:
    request = with_header(telegram("text"), telegram_file.SECRET_HEADER, given)
    assert TelegramChannel(TELEGRAM_TOKEN, "").verify(request) is False


TABLE: dict[str, tuple[Webhook, bool]] = {
    "right": (twilio("sms"), True),
    "right, a status": (twilio("status_delivered", path="/twilio/status"), True),
    "right, whatsapp": (twilio("whatsapp"), True),
    "right, with the port spelt out": (twilio_webhook(FIELDS, public_url=f"{PUBLIC_URL}:443"), True),
    "right, with a query": (twilio_webhook(FIELDS, "/twilio/message?from=service"), True),
    "signed for another port": (twilio_webhook(FIELDS, public_url=f"{PUBLIC_URL}:8443"), False),
    "signed for another path": (replace(twilio("sms"), url=f"{PUBLIC_URL}/twilio/status"), False),
    "signed for another host": (twilio_webhook(FIELDS, public_url="https://elsewhere.example"), False),
    "signed for http": (twilio_webhook(FIELDS, public_url="http://varde.example"), False),
    "signed without the query": (replace(twilio("sms"), url=f"{PUBLIC_URL}/twilio/message?a=1"), False),
    "signed with another account's token": (twilio_webhook(FIELDS, token="another-account"), False),
    "wrong": (with_header(twilio("sms"), twilio_file.SIGNATURE_HEADER, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), False),
    "empty": (with_header(twilio("sms"), twilio_file.SIGNATURE_HEADER, ""), False),
    "missing": (with_header(twilio("sms"), twilio_file.SIGNATURE_HEADER, None), False),
    "no text": (with_header(twilio("sms"), twilio_file.SIGNATURE_HEADER, "\udcff"), False),
    "a field changed": (replace(twilio("sms"), body=twilio("sms").body.replace(b"Patienten", b"Pasienten")), False),
    "a field added": (replace(twilio("sms"), body=twilio("sms").body + b"&Extra=1"), False),
    "a field repeated": (replace(twilio("sms"), body=twilio("sms").body + b"&Body=hei"), False),
    "a field taken away": (replace(twilio("sms"), body=twilio("sms").body.replace(b"&NumSegments=1", b"")), False),
    "no fields": (replace(twilio("sms"), body=b""), False),
    "ten thousand fields": (replace(twilio("sms"), body=b"&".join(b"f%d=x" % n for n in range(10_000))), False),
    "no text in the body": (replace(twilio("sms"), body=b"\xff\xfe\x00"), False),
}


@pytest.mark.parametrize(("request_", "genuine"), TABLE.values(), ids=list(TABLE))
def test_twilio_signature(request_: Webhook, genuine: bool) -> None:
    assert a_twilio_channel().verify(request_) is genuine


@pytest.mark.parametrize(
    ("public_url", "signed_for"),
    [
        ("https://varde.example/", PUBLIC_URL),
        ("https://varde.example:8443", "https://varde.example:8443"),
        ("https://varde.example:8443", "https://varde.example"),  # Twilio leaves the port out at times
        ("https://hospital.example/varde", "https://hospital.example/varde"),
    ],
)
def test_the_public_address_is_what_twilio_signed_whatever_the_proxy_made_of_it(
    public_url: str, signed_for: str
) -> None:
    behind_the_proxy = replace(
        twilio_webhook(FIELDS, public_url=signed_for), url="http://127.0.0.1:8080/twilio/message"
    )
    assert a_twilio_channel(public_url).verify(behind_the_proxy)


def test_without_a_public_address_the_called_one_counts() -> None:
    assert a_twilio_channel("").verify(twilio("sms"))
    assert not a_twilio_channel("").verify(replace(twilio("sms"), url="http://127.0.0.1:8080/twilio/message"))


@pytest.mark.parametrize("signature", ["right", "wrong"])
def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, signature: str) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    request, genuine = TABLE[signature]
    assert a_twilio_channel().verify(request) is genuine
    assert len(compared) == 2  # with and without the port: the first that fits does not end it
    assert TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET).verify(telegram("text"))
    assert len(compared) == 3


@pytest.mark.parametrize("channel", [Channel.WEB, Channel.TERMINAL])
def test_nobody_posts_to_a_channel_without_a_provider(channel: Channel) -> None:
    assert LocalChannel(channel).verify(telegram("text")) is False
