"""The words that pass through the house: what came in, what goes out, and to whom.

Nothing here belongs to a provider. A channel turns its provider's payload into an `InboundMessage`, and an
`OutboundMessage` into whatever the provider wants. Types that hold people's words or addresses do not print them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    """The ways in and out."""

    TELEGRAM = "telegram"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    CALL = "call"  # spoken: a phone call, with keys for choices
    WEB = "web"
    TERMINAL = "terminal"


class Language(StrEnum):
    """The languages the line answers in."""

    NB = "nb"
    NN = "nn"
    SV = "sv"
    EN = "en"


class Country(StrEnum):
    """The countries whose law and services the line knows."""

    NO = "NO"
    SE = "SE"


def country_of(language: Language) -> Country:
    """The country assumed where none was said: Swedish means Sweden, anything else Norway."""
    return Country.SE if language is Language.SV else Country.NO


@dataclass(frozen=True)
class Address:
    """Where somebody can be reached on one channel. Printing it never reveals it."""

    channel: Channel
    value: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.channel}:…{self.value[-2:]}"

    __repr__ = __str__


class InboundKind(StrEnum):
    """What sort of thing arrived."""

    TEXT = "text"  # written words, commands and SMS digits among them
    TAP = "tap"  # a choice that we offered was tapped; `token` says which
    PHOTO = "photo"  # a picture: we cannot look at it, and must not
    VOICE = "voice"  # a voice note or other sound
    LOCATION = "location"  # a point on the map, which we neither need nor keep
    OTHER = "other"  # a file, a sticker, a contact card: nothing of it is kept
    EDITED = "edited"  # the sender changed an earlier message; `text` is the new wording
    GROUP = "group"  # spoken in a group chat, where nobody may be helped without being seen
    STOP = "stop"  # the sender wants no more messages on this channel
    START = "start"  # the sender wants messages again, or greets the bot for the first time


@dataclass(frozen=True)
class InboundMessage:
    """One thing that somebody sent us, as the channel understood it."""

    channel: Channel
    provider_message_id: str  # unique within the channel; a repeat of it changes nothing
    sender: Address
    kind: InboundKind
    text: str = field(default="", repr=False)
    token: str = ""  # of the tapped choice
    language_hint: str = ""  # what the provider says of the sender's language, as a BCP 47 tag
    callback_id: str = ""  # what the provider wants acknowledged at once (Telegram's spinning button)
    reply_to: str = ""  # the provider's id of the message of ours that this answers


class DeliveryState(StrEnum):
    """What a provider told us of a message that it took from us."""

    ACCEPTED = "accepted"  # queued or sent on; nothing is known of the receiver
    DELIVERED = "delivered"  # on the receiver's device; not the same as read
    FAILED = "failed"  # did not arrive and will not


@dataclass(frozen=True)
class DeliveryReport:
    """A provider's later word about one outgoing message."""

    channel: Channel
    provider_message_id: str
    state: DeliveryState
    error_code: str = ""


@dataclass(frozen=True)
class Choice:
    """Something the receiver can tap; on SMS the digit is written instead."""

    token: str  # at most 48 bytes of ASCII, since Telegram takes 64 with our prefix
    label: str
    digit: str = ""  # "1" to "9", or "0" for the advisor


@dataclass(frozen=True)
class OutboundMessage:
    """What we say, before a channel gives it its form: plain text, paragraphs separated by blank lines."""

    text: str = field(repr=False)
    choices: tuple[Choice, ...] = ()
    urgent: bool = False
    strikes: tuple[str, ...] = ()  # the provider's ids of earlier messages to them whose choices have had their time


class DeliveryError(Exception):
    """A message could not be handed to its provider."""


class TryLater(DeliveryError):
    """The provider is busy or unreachable; the same message may go through later."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after  # seconds the provider asked us to wait, where it said so


class Undeliverable(DeliveryError):
    """The provider refused this message for good."""


@dataclass(frozen=True)
class Sent:
    """A provider took the message."""

    provider_message_id: str


@dataclass(frozen=True)
class SendAttempt:
    """One try at handing a message over, known on disk before it is made."""

    attempt_id: str
    tag: str  # short label that a page carries in its text, so that the provider can be asked for it
    first_tried_at: datetime
    repeated: bool  # an earlier try may have gone through
    reference: str = ""  # our own opaque id of a call, which stands in the addresses that the provider is given
    known_as: str = ""  # the provider's id, where the provider told us of it before we noted that it was taken
    # Whether what the provider lists under this id is this message, for what carries no words to know it by: says yes
    # to one message only, whoever asks.
    claims: Callable[[str], Awaitable[bool]] | None = field(default=None, compare=False, repr=False)
