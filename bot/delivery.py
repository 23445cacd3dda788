"""Sending what waits in the outbox: at once after the commit, and again until it went or was given up aloud.

A message goes through these moments, and a process may die between any two of them:

1. claimed (a lease; nothing has happened yet): the lease ends and another takes it;
2. `sending` and the attempt's id are on disk;
3. the provider is called: a death from here on leaves the message in doubt;
4. the outcome is on disk.

A message in doubt is looked up where the provider can be asked (Twilio) and sent again where it cannot (Telegram): a
page that comes twice is better than one that never came. Both are counted.

No message keeps another waiting: not one whose provider hangs, and not one that cannot be opened.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.channels.base import ChannelAdapter
from bot.house import House
from helpline import audit, outbox
from helpline.messages import (
    Address,
    Channel,
    DeliveryError,
    DeliveryReport,
    OutboundMessage,
    SendAttempt,
    Sent,
    TryLater,
    Undeliverable,
)
from helpline.outbox import OutboundKind, OutboundState, Outgoing
from helpline.storage import StorageError
from helpline.vault import Forgotten, VaultError

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=45)  # longer than any provider's time-out, so that a message in doubt really is
BATCH = 100  # messages on their way at the same time
TOGETHER = 50  # calls to one provider at the same time
AT_THE_END = 3.0  # seconds for calls under way when the line is stopped
PATIENCE = 0.25  # seconds that a tick waits for the providers before it looks for more
SEND_TIMEOUT = 20.0  # seconds
_STORAGE_PAUSES = (0.1, 0.2, 0.5, 1, 2, 4, 8)  # seconds; with the call itself within the lease
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
        self._under_way: set[asyncio.Task[None]] = set()
        self._gates = {channel: asyncio.Semaphore(TOGETHER) for channel in Channel}

    async def tick(self, now: datetime) -> int:
        """Send what is due; how many messages were dealt with or are still on their way to a provider.

        A provider that hangs keeps nobody else waiting: after `PATIENCE` what is under way goes on by itself.
        """
        house, room = self._house, BATCH - len(self._under_way)
        doubtful: Sequence[Outgoing] = ()
        claimed: Sequence[Outgoing] = ()
        if room > 0:
            async with house.db.write() as conn:
                doubtful = await outbox.in_doubt(conn, now=now, lease=LEASE, limit=room)
                if len(doubtful) < room:
                    claimed = await outbox.claim_batch(conn, now=now, lease=LEASE, limit=room - len(doubtful))
        for outgoing in doubtful:
            self._go(self._resolve(outgoing, now))
        if claimed:
            await self._send_all(claimed, now)
        dealt_with = len(claimed) + len(doubtful) or len(self._under_way)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=PATIENCE)
        return dealt_with

    async def stop(self) -> None:
        """Let what is under way come to its end, for a moment; the next start finds out what became of the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=AT_THE_END)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _failed(self, outgoing: Outgoing, error: Exception, where: str) -> None:
        self._house.counts.trouble.labels(where).inc()
        log.error(f"{where}_failed", outbound_id=outgoing.id, error_type=type(error).__name__, exc_info=error)

    async def _resolve(self, outgoing: Outgoing, now: datetime) -> None:
        """Find out what became of a message in doubt, and send it again where that cannot be known."""
        self._house.counts.in_doubt.labels(outgoing.channel.value).inc()
        try:
            found = await self._ask(outgoing)
            if found is not None:
                log.info("doubt_settled", outbound_id=outgoing.id, adopted=True)
                await self._sent(outgoing, found)
            else:
                await self._send_all([outgoing], now)
        except (DeliveryError, TimeoutError) as error:
            # The provider does not answer: nothing is known yet. The lease brings it back to us.
            log.warning("doubt_not_settled", outbound_id=outgoing.id, error_type=type(error).__name__)
        except Exception as error:
            self._failed(outgoing, error, "doubt")

    async def _ask(self, outgoing: Outgoing) -> Sent | None:
        adapter = self._house.channels.get(outgoing.channel)
        if adapter is None or not adapter.can_be_asked:
            return None
        try:
            async with self._house.db.read() as conn:
                to, message = await outbox.open_message(conn, self._house.vault, outgoing)
        except VaultError:
            return None  # erased or unreadable: sending finds that too, and deals with it
        async with self._gates[outgoing.channel], asyncio.timeout(SEND_TIMEOUT):
            return await adapter.find_sent(to, message, _attempt(outgoing, outgoing.attempt_id or ""))

    async def _send_all(self, messages: Sequence[Outgoing], now: datetime) -> None:
        """Note that these are about to be handed over, and hand them over."""
        house = self._house
        ready: list[tuple[Outgoing, str, Address, OutboundMessage]] = []
        try:
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
        except Exception as error:
            if len(messages) == 1:
                await self._not_started(messages[0], error)
                return
            # One that cannot be opened, or whose lock another holds, must not keep the others from going out.
            log.error("started_one_by_one", error_type=type(error).__name__, exc_info=True)
            for outgoing in messages:
                self._go(self._send_all([outgoing], now))
            return
        for outgoing, attempt_id, to, message in ready:
            self._go(self._send_one(outgoing, attempt_id, to, message))

    async def _not_started(self, outgoing: Outgoing, error: Exception) -> None:
        self._failed(outgoing, error, "start")
        if isinstance(error, StorageError):
            return  # the lease brings it back to us
        try:
            await self._give_up(outgoing, "unreadable")
        except Exception as further:
            self._failed(outgoing, further, "giving_up")

    async def _send_one(self, outgoing: Outgoing, attempt_id: str, to: Address, message: OutboundMessage) -> None:
        try:
            async with self._gates[outgoing.channel]:
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
                await self._keep_noting(outgoing, sent)
        except Exception as error:
            # What became of it could not be written down: it is in doubt, and its lease brings it back to us.
            self._failed(outgoing, error, "outcome")

    async def _keep_noting(self, outgoing: Outgoing, sent: Sent) -> None:
        """Note that it was sent, also where storage takes nothing for a moment: else it would be sent twice."""
        for pause in _STORAGE_PAUSES:
            try:
                await self._sent(outgoing, sent)
                return
            except StorageError as error:
                log.warning("sent_not_noted_yet", outbound_id=outgoing.id, error_type=type(error).__name__)
                await asyncio.sleep(pause)
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

    async def _sent(self, outgoing: Outgoing, sent: Sent, *, telling: bool = True) -> None:
        try:
            async with self._house.db.write() as conn:
                now = self._house.clock.now()
                state = await outbox.record_sent(conn, outgoing, provider_message_id=sent.provider_message_id, now=now)
                match state:
                    case OutboundState.SENT if telling:
                        await self._listener.sent(conn, outgoing, now)
                    case OutboundState.DELIVERED if telling:
                        await self._listener.delivered(conn, outgoing, now)
                    case OutboundState.GIVEN_UP if telling:
                        # The provider's report that it failed was faster than our own note that it was sent.
                        await self._aloud(conn, outgoing, now)
                    case _:
                        pass  # another worker has dealt with it
                self._house.tell_page(conn, outgoing.lane)
        except StorageError:
            raise
        except Exception as error:
            if not telling:
                raise
            # A fault of ours in what follows from it: were it not noted as sent, it would be sent again and again.
            self._failed(outgoing, error, "listener")
            await self._sent(outgoing, sent, telling=False)
            return
        self._house.counts.sent.labels(outgoing.channel.value, outgoing.kind.value).inc()

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
