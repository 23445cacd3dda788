"""What every channel can do: `verify`, `parse`, `fit`, `send`, and say whether it already sent something.

Providers are spoken to through their own libraries, whose errors and logs hold addresses, tokens and people's words. So
a channel raises its own `TryLater` or `Undeliverable` after the library's error is gone, not from it, and silences the
library's loggers.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from helpline.messages import (
    Address,
    Channel,
    Choice,
    DeliveryReport,
    InboundMessage,
    OutboundMessage,
    SendAttempt,
    Sent,
)

LONGEST_TOKEN = 48  # bytes of a choice's token, see `Choice`
OLD_TOKEN = "old"  # noqa: S105 - what stands for a choice that this release did not offer


class BadPayload(Exception):
    """What the provider posted cannot be read."""


@dataclass(frozen=True)
class Webhook:
    """A provider's request: the address it called, its headers (names in lower case) and its body."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class ChannelAdapter(Protocol):
    """One way in and out."""

    channel: Channel
    can_be_asked: bool  # whether `find_sent` can tell

    def verify(self, request: Webhook) -> bool:
        """Whether the request is the provider's own; in constant time, before anything of it is read."""
        ...

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        """Our own message, or None for what needs no answer. Raises `BadPayload`."""
        ...

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        """The message in as many parts as the provider's limits need; choices stay with the last."""
        ...

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        """Hand the message over. Raises `TryLater` or `Undeliverable`."""
        ...

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        """What the provider already took of this, after a crash; None where it did not, or cannot tell.

        Raises `TryLater` where the provider could be asked but does not answer now.
        """
        ...

    async def acknowledge(self, message: InboundMessage) -> None:
        """Tell the provider at once that a tap was seen; a failure here is of no consequence."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


# --- what comes in --------------------------------------------------------------------------------------------------

# Signs that show nothing and change how a text is read: they turn its direction, hide a digit from the masking, or make
# a database refuse it. Line breaks, tabs and the joiner inside an emoji are signs that people do write.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_HALF_A_SIGN = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """What somebody wrote, as it is seen: without control signs and direction marks, letters and accents joined."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return unicodedata.normalize("NFC", _HALF_A_SIGN.sub("\ufffd", _UNSEEN.sub("", text))).strip()


def clean_token(token: str) -> str:
    """A token that one of our own choices can have had, or the one that stands for an old choice."""
    return token if token.isascii() and token.isprintable() and 0 < len(token) <= LONGEST_TOKEN else OLD_TOKEN


# --- what goes out --------------------------------------------------------------------------------------------------


def units(text: str) -> int:
    """The length of a text in UTF-16 units, the way providers count."""
    return len(text) + sum(sign > "\uffff" for sign in text)


def split_text(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` UTF-16 units, cut where a reader would pause."""
    if limit < 2:
        raise ValueError("a sign can be two units long")
    parts = []
    rest = text.strip()
    while units(rest) > limit:
        window = _within(rest, limit)
        cut = max(
            (at + len(mark) for mark in ("\n\n", "\n", ". ", " ") if (at := window.rfind(mark)) > len(window) // 2),
            default=len(window),
        )
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest or not parts else parts


def _within(text: str, limit: int) -> str:
    """The longest beginning that has at most `limit` units."""
    taken = 0
    for place, sign in enumerate(text):
        taken += 2 if sign > "\uffff" else 1
        if taken > limit:
            return text[:place]
    return text


def in_parts(message: OutboundMessage, limit: int, *, menu_room: int = 0) -> tuple[OutboundMessage, ...]:
    """The message cut to the limit; choices stay with the last part, which leaves `menu_room` units free for them."""
    texts = split_text(message.text, limit)
    if menu_room and units(texts[-1]) > limit - menu_room:
        texts[-1:] = split_text(texts[-1], limit - menu_room)
    return (
        *(replace(message, text=text, choices=()) for text in texts[:-1]),
        replace(message, text=texts[-1]),
    )


def menu_line(choices: tuple[Choice, ...]) -> str:
    """The choices as one line of digits, for SMS: "1 Mer 2 Kilder 0 Rådgiver"."""
    return " ".join(f"{choice.digit} {choice.label}" for choice in choices if choice.digit)


def menu_lines(choices: tuple[Choice, ...]) -> str:
    """The choices under each other, for channels without buttons that have room."""
    return "\n".join(f"{choice.digit} {choice.label}" for choice in choices if choice.digit)


# --- silence --------------------------------------------------------------------------------------------------------


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


_SILENCE = _Silence()


def silence(*names: str) -> None:
    """Let these loggers say nothing, whatever level somebody sets: a library writes down what it sends and to whom.

    A filter, not `disabled`, since configuring logging again would undo that.
    """
    for name in names:
        logging.getLogger(name).addFilter(_SILENCE)
