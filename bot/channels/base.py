"""What every channel can do: `verify`, `parse`, `fit`, `send`, and say whether it already sent something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


class BadPayload(Exception):
    """What the provider posted cannot be read."""


@dataclass(frozen=True)
class Webhook:
    """A provider's request: the address it called, its headers (names in lower case) and its body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


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
        """What the provider already took of this, after a crash; None where it did not, or cannot tell."""
        ...

    async def acknowledge(self, message: InboundMessage) -> None:
        """Tell the provider at once that a tap was seen; a failure here is of no consequence."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def split_text(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` UTF-16 units (the way providers count), cut where a reader would pause."""
    parts = []
    rest = text.strip()
    while _units(rest) > limit:
        window = _within(rest, limit)
        cut = max(
            (at + len(mark) for mark in ("\n\n", "\n", ". ", " ") if (at := window.rfind(mark)) > len(window) // 2),
            default=len(window),
        )
        parts.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*parts, rest] if rest or not parts else parts


def _units(text: str) -> int:
    return len(text) + sum(sign > "\uffff" for sign in text)


def _within(text: str, limit: int) -> str:
    """The longest beginning that has at most `limit` units."""
    units = 0
    for place, sign in enumerate(text):
        units += 2 if sign > "\uffff" else 1
        if units > limit:
            return text[:place]
    return text


def in_parts(message: OutboundMessage, limit: int) -> tuple[OutboundMessage, ...]:
    """The message cut to the limit; choices stay with the last part."""
    texts = split_text(message.text, limit)
    parts = [OutboundMessage(text, urgent=message.urgent) for text in texts[:-1]]
    return (*parts, OutboundMessage(texts[-1], message.choices, urgent=message.urgent))


def menu_lines(choices: tuple[Choice, ...]) -> str:
    """The choices under each other, for channels without buttons that have room."""
    return "\n".join(f"{choice.digit} {choice.label}" for choice in choices if choice.digit)
