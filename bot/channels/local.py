"""The two channels without a provider: the web page and the terminal.

"Sending" is having written the reply down: the page and the terminal read it from storage, so nothing can be
lost between.
"""

from __future__ import annotations

from bot.channels.base import BadPayload, Webhook
from helpline.messages import Address, Channel, DeliveryReport, InboundMessage, OutboundMessage, SendAttempt, Sent


class LocalChannel:
    """Replies that are fetched, not pushed."""

    can_be_asked = True

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def verify(self, request: Webhook) -> bool:
        return False  # nobody posts here from outside: the page's own routes do, behind their own checks

    def parse(self, request: Webhook) -> InboundMessage | DeliveryReport | None:
        raise BadPayload("this channel has no webhook")

    def fit(self, message: OutboundMessage) -> tuple[OutboundMessage, ...]:
        return (message,)

    async def send(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent:
        return Sent(attempt.attempt_id)

    async def find_sent(self, to: Address, message: OutboundMessage, attempt: SendAttempt) -> Sent | None:
        return Sent(attempt.attempt_id)  # it is written down, which is all that sending means here

    async def acknowledge(self, message: InboundMessage) -> None:
        return None

    async def close(self) -> None:
        return None
