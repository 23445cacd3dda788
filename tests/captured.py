"""Webhooks as the providers post them: payloads written after their public documentation, all ids and numbers invented.

`telegram("text")` and `twilio("sms")` give a genuine request, signed with the tests' secrets. Fields can be changed:
`twilio("sms", Body="hei")`, `telegram("text", update_id=7)`; `said("…")` is a Telegram text of one's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator

from bot.channels.base import Webhook

PAYLOADS = Path(__file__).parent / "bot" / "payloads"

TELEGRAM_TOKEN = "7700900999:invented-for-tests-AAAAAAAAAAAAAAAA"
TELEGRAM_SECRET = "a-secret-of-the-tests"
TELEGRAM_CHAT = "7700900111"  # who writes in the captured payloads
ACCOUNT_SID = "ACb0c1d2e3f4a5968778695a4b3c2d1e0f"
AUTH_TOKEN = "invented-auth-token-of-the-tests"
LINE_NUMBER = "+15005550006"  # the line's own; Twilio's number for trying things out
CLINICIAN_NUMBER = "+46701740610"  # from the range that Sweden keeps free for films and books
PUBLIC_URL = "https://varde.example"


def telegram_update(name: str, **changes: Any) -> dict[str, Any]:
    """A captured update as plain values; `changes` replace what stands at its top."""
    update: dict[str, Any] = json.loads((PAYLOADS / "telegram" / f"{name}.json").read_text(encoding="utf-8"))
    return {**update, **changes}


def said(text: str, *, update_id: int, chat: str = TELEGRAM_CHAT, **changes: Any) -> dict[str, Any]:
    """An update with words of one's own, in a private chat."""
    update = telegram_update("text", update_id=update_id)
    update["message"] |= {"text": text, "message_id": update_id, **changes}
    update["message"]["chat"] |= {"id": int(chat)}
    update["message"]["from"] |= {"id": int(chat)}
    return update


def tapped(token: str, *, update_id: int, chat: str = TELEGRAM_CHAT) -> dict[str, Any]:
    """An update of a tapped choice."""
    update = telegram_update("callback", update_id=update_id)
    update["callback_query"] |= {"data": f"v1:{token}", "id": f"33075421{update_id}"}
    update["callback_query"]["message"]["chat"] |= {"id": int(chat)}
    update["callback_query"]["from"] |= {"id": int(chat)}
    return update


def telegram_webhook(update: object, *, secret: str = TELEGRAM_SECRET) -> Webhook:
    """An update as Telegram posts it."""
    return Webhook(
        url=f"{PUBLIC_URL}/telegram",
        headers={"content-type": "application/json", "x-telegram-bot-api-secret-token": secret},
        body=json.dumps(update).encode(),
    )


def telegram(name: str, **changes: Any) -> Webhook:
    """A captured update as Telegram posts it."""
    return telegram_webhook(telegram_update(name, **changes))


def twilio_fields(name: str, **changes: str) -> dict[str, str]:
    """The fields of a captured form; `changes` replace or add some."""
    lines = (PAYLOADS / "twilio" / f"{name}.form").read_text(encoding="utf-8").split("\n")
    return {**dict(parse_qsl("".join(lines), keep_blank_values=True)), **changes}


def twilio_webhook(
    fields: dict[str, str], path: str = "/twilio/message", *, token: str = AUTH_TOKEN, public_url: str = PUBLIC_URL
) -> Webhook:
    """A form as Twilio posts it, signed by the library's own signer."""
    url = f"{public_url}{path}"
    return Webhook(
        url=url,
        headers={
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": RequestValidator(token).compute_signature(url, fields),
        },
        body=urlencode(fields).encode(),
    )


def twilio(name: str, *, path: str = "/twilio/message", **changes: str) -> Webhook:
    """A captured form as Twilio posts it."""
    return twilio_webhook(twilio_fields(name, **changes), path)
