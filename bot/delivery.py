"""Sending what waits in the outbox: at once after the commit, and again until it went or was given up aloud.

A message goes through these moments, and a process may die between any two of them:

1. claimed (a lease; nothing has happened yet): the lease ends and another takes it;
2. `sending` and the attempt's id are on disk;
3. the provider is called: a death from here on leaves the message in doubt;
4. the outcome is on disk.

A message in doubt is looked up where the provider can be asked (Twilio) and sent again where it cannot (Telegram): a
page that
comes twice is better than one that never came. Both are counted.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.channels.base import ChannelAdapter
from bot.house import House
from helpline import audit, outbox
from helpline.messages import (
    Address,
    DeliveryError,
    DeliveryReport,
    OutboundMessage,
    SendAttempt,
    Sent,
    TryLater,
    Undeliverable,
)
from helpline.outbox import OutboundKind, OutboundState, Outgoing
from helpline.vault import Forgotten

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)  # longer than any provider's time-out, so that a message in doubt really is
BATCH = 100
TOGETHER = 50  # calls to providers at the same time
SEND_TIMEOUT = 20.0  # seconds
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=6)  # a reply older than this helps nobody; a page has long moved up its ladder
PAGE_GIVE_UP_AFTER = timedelta(minutes=3)  # a page that does not go out is the ladder's business, not the outbox's


class Listener(Protocol):
    """Somebody above the outbox who must know what became of a message, in the transaction that records it."""

    async def wanted(self, conn: AsyncConnection, outgoing: Outgoing) -> bool: ...
    async def sent(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None: ...
    async def delivered(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None: ...
    async def delayed(self, conn: AsyncConnection, outgoing: Outgoing, wait: timedelta, now: datetime) -> None: ...
    async def given_up(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None: ...


def wait_before(attempt: int, retry_after: float | None, *, jitter: Callable[[], float] = random.random) -> timedelta:
    """How long to wait before the next try: doubling, at most `LONGEST_WAIT`, never less than the provider asked for.

    Up to half is shaved off at random, so that a thousand messages that failed together do not come back together.
    """
    grown = min(FIRST_WAIT * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT)
    shaved = grown * (1 - 0.5 * jitter())
    return max(shaved, timedelta(seconds=retry_after or 0))


class Delivery:
    """The one that sends."""

    def __init__(self, house: House, listener: Listener) -> None:
        self._house = house
        self._listener = listener

    async def tick(self, now: datetime) -> int:
        """Send what is due; how many messages were dealt with."""
        house = self._house
        async with house.db.write() as conn:
            doubtful = await outbox.in_doubt(conn, now=now, lease=LEASE, limit=BATCH)
            claimed = await outbox.claim_batch(conn, now=now, lease=LEASE, limit=BATCH)
        if not doubtful and not claimed:
            return 0
        known = await self._settle_doubts(doubtful) if doubtful else []
        again = [outgoing for outgoing in doubtful if outgoing.id not in known]
        await self._send_all([*claimed, *again], now)
        return len(claimed) + len(doubtful)

    async def _settle_doubts(self, doubtful: Sequence[Outgoing]) -> set[int]:
        """Ask the providers that can be asked; the ids that need no sending."""
        settled: set[int] = set()
        for outgoing in doubtful:
            self._house.counts.in_doubt.labels(outgoing.channel.value).inc()
            adapter = self._house.channels.get(outgoing.channel)
            if adapter is None or not adapter.can_be_asked:
                continue
            try:
                async with self._house.db.read() as conn:
                    to, message = await outbox.open_message(conn, self._house.vault, outgoing)
                async with asyncio.timeout(SEND_TIMEOUT):
                    found = await adapter.find_sent(to, message, _attempt(outgoing, outgoing.attempt_id or ""))
            except Forgotten:
                await self._unwanted(outgoing)
                settled.add(outgoing.id)
                continue
            except (DeliveryError, TimeoutError) as error:
                # The provider does not answer: nothing is known yet. The lease brings it back to us.
                log.warning("doubt_not_settled", outbound_id=outgoing.id, error_type=type(error).__name__)
                settled.add(outgoing.id)
                continue
            if found is not None:
                log.info("doubt_settled", outbound_id=outgoing.id, adopted=True)
                await self._sent(outgoing, found)
                settled.add(outgoing.id)
        return settled

    async def _send_all(self, messages: Sequence[Outgoing], now: datetime) -> None:
        house = self._house
        ready: list[tuple[Outgoing, str, Address, OutboundMessage]] = []
        async with house.db.write() as conn:
            for outgoing in messages:
                try:
                    to, message = await outbox.open_message(conn, house.vault, outgoing)
                except Forgotten:
                    await outbox.record_unwanted(conn, outgoing)
                    continue
                if not await self._listener.wanted(conn, outgoing):
                    await outbox.record_unwanted(conn, outgoing)
                    continue
                attempt_id = secrets.token_hex(16)
                if await outbox.start_attempt(conn, outgoing, attempt_id=attempt_id, now=now):
                    ready.append((outgoing, attempt_id, to, message))
        gate = asyncio.Semaphore(TOGETHER)
        async with asyncio.TaskGroup() as group:
            for outgoing, attempt_id, to, message in ready:
                group.create_task(self._send_one(gate, outgoing, attempt_id, to, message))

    async def _send_one(
        self, gate: asyncio.Semaphore, outgoing: Outgoing, attempt_id: str, to: Address, message: OutboundMessage
    ) -> None:
        async with gate:
            adapter = self._house.channels.get(outgoing.channel)
            if outgoing.attempts and outgoing.state is OutboundState.SENDING:
                self._house.counts.sent_again.labels(outgoing.channel.value).inc()
            try:
                sent = await self._call(adapter, to, message, _attempt(outgoing, attempt_id))
            except TryLater as error:
                await self._try_later(outgoing, error)
                return
            except Undeliverable as error:
                await self._give_up(outgoing, str(error))
                return
            await self._sent(outgoing, sent)

    async def _call(
        self, adapter: ChannelAdapter | None, to: Address, message: OutboundMessage, attempt: SendAttempt
    ) -> Sent:
        if adapter is None:
            raise Undeliverable("this channel is switched off")
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                return await adapter.send(to, message, attempt)
        except TimeoutError as error:
            raise TryLater("the provider did not answer in time") from error
        except DeliveryError:
            raise
        except Exception as error:
            # A fault of our own in a channel: it must not stop the other messages, and trying again hurts nobody.
            self._house.counts.trouble.labels("channel").inc()
            log.error("channel_failed", error_type=type(error).__name__, exc_info=True)
            raise TryLater("the channel failed") from error

    # --- outcomes -----------------------------------------------------------------------------------------------------

    async def _sent(self, outgoing: Outgoing, sent: Sent) -> None:
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            state = await outbox.record_sent(conn, outgoing, provider_message_id=sent.provider_message_id, now=now)
            match state:
                case OutboundState.SENT:
                    await self._listener.sent(conn, outgoing, now)
                case OutboundState.DELIVERED:
                    await self._listener.delivered(conn, outgoing, now)
                case OutboundState.GIVEN_UP:
                    # The provider's report that it failed was faster than our own note that it was sent.
                    await self._aloud(conn, outgoing, now)
                case _:
                    pass  # another worker has dealt with it
            self._house.tell_page(conn, outgoing.lane)
        self._house.counts.sent.labels(outgoing.channel.value, outgoing.kind.value).inc()

    async def _unwanted(self, outgoing: Outgoing) -> None:
        async with self._house.db.write() as conn:
            await outbox.record_unwanted(conn, outgoing)

    async def _try_later(self, outgoing: Outgoing, error: TryLater) -> None:
        now = self._house.clock.now()
        limit = PAGE_GIVE_UP_AFTER if outgoing.kind is OutboundKind.PAGE else GIVE_UP_AFTER
        wait = wait_before(outgoing.attempts + 1, error.retry_after)
        if now + wait - outgoing.created_at > limit:
            await self._give_up(outgoing, str(error))
            return
        async with self._house.db.write() as conn:
            if await outbox.record_retry(conn, outgoing, due_at=now + wait, error=str(error)):
                await self._listener.delayed(conn, outgoing, wait, now)
        self._house.counts.tried_later.labels(outgoing.channel.value).inc()
        log.warning("delivery_delayed", outbound_id=outgoing.id, channel=outgoing.channel.value, seconds=wait.seconds)

    async def _give_up(self, outgoing: Outgoing, reason: str) -> None:
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            if await outbox.record_given_up(conn, outgoing, error=reason):
                await self._aloud(conn, outgoing, now)

    async def _aloud(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None:
        """Giving up is an event: audited, counted, and somebody is told."""
        await audit.append(
            conn,
            at=now,
            actor="delivery",
            action="message_given_up",
            subject=outgoing.subject,
            details={"outbound_id": outgoing.id, "channel": outgoing.channel.value, "kind": outgoing.kind.value},
        )
        self._house.counts.given_up.labels(outgoing.channel.value).inc()
        log.error(
            "delivery_given_up", outbound_id=outgoing.id, channel=outgoing.channel.value, kind=outgoing.kind.value
        )
        await self._listener.given_up(conn, outgoing, now)

    async def reported(self, report: DeliveryReport) -> None:
        """Take a provider's later word about a message; a word that changes nothing is as good as none."""
        now = self._house.clock.now()
        async with self._house.db.write() as conn:
            changed = await outbox.record_report(conn, report, now=now)
            if changed is None:
                return
            self._house.tell_page(conn, changed.lane)
            if changed.state is OutboundState.GIVEN_UP:
                await self._aloud(conn, changed, now)
            else:
                await self._listener.delivered(conn, changed, now)


def _attempt(outgoing: Outgoing, attempt_id: str) -> SendAttempt:
    return SendAttempt(
        attempt_id=attempt_id,
        tag=outgoing.tag,
        first_tried_at=outgoing.first_tried_at or outgoing.created_at,
        repeated=outgoing.attempts > 0,
    )
