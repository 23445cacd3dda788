"""Sending what waits in the outbox: at once after the commit, and again until it went or was given up aloud.

A message goes through these moments, and a process may die between any two of them:

1. claimed, looked at once more, and `sending` with the attempt's id: one transaction for all that is due;
2. the provider is called: a death from here on leaves the message in doubt, until its lease ends and another asks;
3. the outcome is on disk, in one transaction with what else was sent meanwhile.

A message in doubt is looked up where the provider can be asked (Twilio) and sent again where it cannot (Telegram): a
page that comes twice is better than one that never came. Both are counted. A phone call carries no words by which it
could be found, so each is written down with an id of its own before it is made (`Calls`).

No message keeps another waiting: not one whose provider hangs, and not one that cannot be opened. Each channel has
its own room, so that messages hung at one provider take none from another's.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

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
TOGETHER = 50  # messages claimed at once, calls on one channel at the same time, and where a channel is full
AT_THE_END = 3.0  # seconds for calls under way when the line is stopped
PATIENCE = 0.25  # seconds that whoever lets the line settle waits for the providers before it looks for more
SEND_TIMEOUT = 20.0  # seconds
_STORAGE_PAUSES = (0.1, 0.2, 0.5, 1, 2, 4, 8)  # seconds; with the call itself within the lease
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=6)  # a reply older than this helps nobody; a page has long moved up its ladder
PAGE_GIVE_UP_AFTER = timedelta(minutes=3)  # a page that does not go out is the ladder's business, not the outbox's


class Listener(Protocol):
    """Somebody above the outbox who must know what became of a message, in the transaction that records it."""

    async def unwanted(self, conn: AsyncConnection, messages: Sequence[Outgoing]) -> set[int]: ...
    async def sent(self, conn: AsyncConnection, messages: Sequence[Outgoing], now: datetime) -> None: ...
    async def delivered(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None: ...
    async def delayed(self, conn: AsyncConnection, outgoing: Outgoing, wait: timedelta, now: datetime) -> None: ...
    async def given_up(self, conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> None: ...


@dataclass(frozen=True)
class Ticket:
    """What is known of a phone call before it is made; of other messages nothing."""

    reference: str = ""  # our own opaque id of it
    known_as: str = ""  # the provider's id, where the call exists already


_NO_TICKET = Ticket()


class Calls(Protocol):
    """Who keeps account of phone calls: each is on disk before it is made, so that what comes of it finds it."""

    async def about_to_call(
        self, conn: AsyncConnection, messages: Sequence[Outgoing], now: datetime
    ) -> Mapping[int, Ticket]:
        """Write down the calls that are about to be made for these messages."""
        ...

    async def in_doubt(self, conn: AsyncConnection, outgoing: Outgoing) -> Ticket:
        """What is known of the call that was perhaps made for this message."""
        ...

    async def claim(self, conn: AsyncConnection, outgoing: Outgoing, call_sid: str, now: datetime) -> bool:
        """Whether this call that Twilio lists may be this message's; from then on it is nobody else's."""
        ...

    async def taken(self, conn: AsyncConnection, taken: Sequence[tuple[Outgoing, str]], now: datetime) -> None:
        """Twilio took these, under ids of its own."""
        ...


def wait_before(attempt: int, retry_after: float | None, *, jitter: Callable[[], float] = random.random) -> timedelta:
    """How long to wait before the next try: doubling, at most `LONGEST_WAIT`, never less than the provider asked for.

    Up to half is shaved off at random, so that a thousand messages that failed together do not come back together.
    """
    grown = min(FIRST_WAIT * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT)
    shaved = grown * (1 - 0.5 * jitter())
    return max(shaved, timedelta(seconds=retry_after or 0))


@dataclass(frozen=True)
class _Letter:
    """A message that is about to be handed over."""

    outgoing: Outgoing
    attempt_id: str
    to: Address
    message: OutboundMessage
    ticket: Ticket = _NO_TICKET


@dataclass(frozen=True)
class _Taken:
    """A message that a provider took, until that is on disk."""

    outgoing: Outgoing
    sent: Sent
    noted: asyncio.Future[None]


class Delivery:
    """The one that sends."""

    def __init__(self, house: House, listener: Listener, calls: Calls | None = None) -> None:
        self._house = house
        self._listener = listener
        self._spoken = calls
        self._under_way: set[asyncio.Task[None]] = set()
        self._calls: Counter[Channel] = Counter()  # messages on their way, by channel
        self._held_back = False  # something may wait because a channel was full
        self._gates = {channel: asyncio.Semaphore(TOGETHER) for channel in Channel}
        self._taken: list[_Taken] = []
        self._noting: asyncio.Task[None] | None = None

    async def tick(self, now: datetime) -> int:
        """Send what is due; how many messages were dealt with. What is on its way to a provider is not waited for.

        Each channel has a limit of its own, so that a provider that hangs keeps only its own messages waiting.
        """
        full = frozenset(channel for channel in Channel if self._calls[channel] >= TOGETHER)
        self._held_back = bool(full)
        try:
            doubtful, ready, spoiled = await self._claim(now, full)
        except StorageError:
            raise
        except Exception as error:
            # A fault of ours with one of them must not keep the others from going out.
            log.error("started_one_by_one", error_type=type(error).__name__, exc_info=True)
            return await self._one_by_one(now, full)
        for outgoing in doubtful:
            self._go(outgoing, self._resolve(outgoing, now))
        for letter in ready:
            self._go(letter.outgoing, self._send_one(letter))
        for outgoing, trouble in spoiled:
            self._go(outgoing, self._not_started(outgoing, trouble))
        return len(doubtful) + len(ready) + len(spoiled)

    async def _claim(
        self, now: datetime, full: frozenset[Channel]
    ) -> tuple[Sequence[Outgoing], Sequence[_Letter], Sequence[tuple[Outgoing, Exception]]]:
        """Take what is due and note that it is about to be handed over: what is in doubt, what goes, what cannot."""
        house = self._house
        async with house.db.write() as conn:
            doubtful = await outbox.in_doubt(conn, now=now, lease=LEASE, limit=TOGETHER, besides=full)
            # First what came before: a message in doubt is found among the latest that the provider took.
            room = TOGETHER - len(doubtful)
            claimed = await outbox.claim_batch(conn, now=now, lease=LEASE, limit=room, besides=full) if room else []
            opened, spoiled = await self._opened(conn, claimed)
            wanted = [outgoing for outgoing in claimed if outgoing.id in opened]
            started = await outbox.start_attempts(conn, wanted, attempt_id=secrets.token_hex(16), now=now)
            tickets = await self._tickets(conn, [outgoing for outgoing in wanted if outgoing.id in started], now)
        ready = [
            _Letter(outgoing, started[outgoing.id], *opened[outgoing.id], tickets.get(outgoing.id, _NO_TICKET))
            for outgoing in wanted
            if outgoing.id in started
        ]
        return doubtful, ready, spoiled

    async def _tickets(self, conn: AsyncConnection, started: Sequence[Outgoing], now: datetime) -> Mapping[int, Ticket]:
        spoken = [outgoing for outgoing in started if outgoing.channel is Channel.CALL]
        return await self._spoken.about_to_call(conn, spoken, now) if spoken and self._spoken is not None else {}

    async def _opened(
        self, conn: AsyncConnection, claimed: Sequence[Outgoing]
    ) -> tuple[dict[int, tuple[Address, OutboundMessage]], list[tuple[Outgoing, Exception]]]:
        """The words of those that are still wanted, and those that cannot be opened."""
        opened: dict[int, tuple[Address, OutboundMessage]] = {}
        spoiled: list[tuple[Outgoing, Exception]] = []
        await self._house.vault.look_up(conn, [outgoing.subject for outgoing in claimed])
        unwanted = await self._listener.unwanted(conn, claimed)
        for outgoing in claimed:
            if outgoing.id in unwanted:
                await outbox.record_unwanted(conn, outgoing)
                continue
            try:
                opened[outgoing.id] = await outbox.open_message(conn, self._house.vault, outgoing)
            except Forgotten:
                await outbox.record_unwanted(conn, outgoing)
            except VaultError as error:
                spoiled.append((outgoing, error))
        return opened, spoiled

    async def _one_by_one(self, now: datetime, full: frozenset[Channel]) -> int:
        """The slow way, in which one that trips us up is given up and stops nobody else."""
        async with self._house.db.write() as conn:
            claimed = await outbox.claim_batch(conn, now=now, lease=LEASE, limit=TOGETHER, besides=full)
        for outgoing in claimed:
            self._go(outgoing, self._start(outgoing, now))
        return len(claimed)

    async def rest(self) -> int:
        """Wait for a moment until what is under way has come to its end; how many were under way."""
        count = len(self._under_way)
        if count:
            await asyncio.wait(self._under_way, timeout=PATIENCE)
        return count

    async def stop(self) -> None:
        """Let what is under way come to its end, for a moment; the next start finds out what became of the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=AT_THE_END)
        left = [*self._under_way, *([self._noting] if self._noting is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _go(self, outgoing: Outgoing, work: Coroutine[Any, Any, None]) -> None:
        channel = outgoing.channel
        self._calls[channel] += 1
        task = asyncio.create_task(work)
        self._under_way.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._calls[channel] -= 1
            if self._held_back and self._calls[channel] < TOGETHER:
                self._house.db.nudge(outbox.TOPIC)

        task.add_done_callback(ended)

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
                await self._start(outgoing, now)
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
                ticket = _NO_TICKET
                if outgoing.channel is Channel.CALL and self._spoken is not None:
                    ticket = await self._spoken.in_doubt(conn, outgoing)
        except VaultError:
            return None  # erased or unreadable: sending finds that too, and deals with it
        async with self._gates[outgoing.channel], asyncio.timeout(SEND_TIMEOUT):
            return await adapter.find_sent(to, message, self._attempt(outgoing, outgoing.attempt_id or "", ticket))

    async def _start(self, outgoing: Outgoing, now: datetime) -> None:
        """Note that this one is about to be handed over, and hand it over."""
        try:
            async with self._house.db.write() as conn:
                opened, spoiled = await self._opened(conn, [outgoing])
                attempt_id = secrets.token_hex(16)
                ours = outgoing.id in opened and await outbox.start_attempt(
                    conn, outgoing, attempt_id=attempt_id, now=now
                )
                tickets = await self._tickets(conn, [outgoing] if ours else [], now)
        except Exception as error:
            await self._not_started(outgoing, error)
            return
        if spoiled:
            await self._not_started(*spoiled[0])
        elif ours:
            ticket = tickets.get(outgoing.id, _NO_TICKET)
            await self._send_one(_Letter(outgoing, attempt_id, *opened[outgoing.id], ticket))

    async def _not_started(self, outgoing: Outgoing, error: Exception) -> None:
        self._failed(outgoing, error, "start")
        if isinstance(error, StorageError):
            return  # the lease brings it back to us
        try:
            await self._give_up(outgoing, "unreadable")
        except Exception as further:
            self._failed(outgoing, further, "giving_up")

    async def _send_one(self, letter: _Letter) -> None:
        outgoing = letter.outgoing
        if outgoing.attempts and outgoing.state is OutboundState.SENDING:
            self._house.counts.sent_again.labels(outgoing.channel.value).inc()
        try:
            async with self._gates[outgoing.channel]:
                sent = await self._call(letter)
        except TryLater as error:
            await self._write_down(outgoing, self._try_later(outgoing, error))
        except Undeliverable as error:
            await self._write_down(outgoing, self._give_up(outgoing, str(error)))
        else:
            await self._write_down(outgoing, self._keep_noting(outgoing, sent))

    async def _write_down(self, outgoing: Outgoing, outcome: Coroutine[Any, Any, None]) -> None:
        try:
            await outcome
        except Exception as error:
            # What became of it could not be written down: it is in doubt, and its lease brings it back to us.
            self._failed(outgoing, error, "outcome")

    async def _keep_noting(self, outgoing: Outgoing, sent: Sent) -> None:
        """Note that it was sent, also where storage takes nothing for a moment: else it would be sent twice."""
        note = self._note
        for pause in _STORAGE_PAUSES:
            try:
                await note(outgoing, sent)
                return
            except StorageError as error:
                log.warning("sent_not_noted_yet", outbound_id=outgoing.id, error_type=type(error).__name__)
                await asyncio.sleep(pause)
            except Exception as error:
                if note == self._sent:
                    raise
                # A fault of ours with one of those noted together: alone, the others go through.
                log.error("noted_one_by_one", outbound_id=outgoing.id, error_type=type(error).__name__)
                note = self._sent
        await self._sent(outgoing, sent)

    async def _note(self, outgoing: Outgoing, sent: Sent) -> None:
        """Note that it was sent, in one transaction with whatever else is sent at this moment."""
        taken = _Taken(outgoing, sent, asyncio.get_running_loop().create_future())
        self._taken.append(taken)
        if self._noting is None:
            self._noting = asyncio.create_task(self._note_all())
        await taken.noted

    async def _note_all(self) -> None:
        try:
            while self._taken:
                together, self._taken = self._taken, []
                error: Exception | None = None
                try:
                    await self._sent_together(together)
                except Exception as failure:
                    error = failure
                for each in together:
                    if each.noted.done():
                        continue  # whoever waited for it was cancelled
                    if error is None:
                        each.noted.set_result(None)
                    else:
                        each.noted.set_exception(error)
        finally:
            self._noting = None

    async def _call(self, letter: _Letter) -> Sent:
        adapter = self._house.channels.get(letter.outgoing.channel)
        if adapter is None:
            raise Undeliverable("this channel is switched off")
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                attempt = self._attempt(letter.outgoing, letter.attempt_id, letter.ticket)
                return await adapter.send(letter.to, letter.message, attempt)
        except TimeoutError as error:
            raise TryLater("the provider did not answer in time") from error
        except DeliveryError:
            raise
        except Exception as error:
            # A fault of our own in a channel: it must not stop the other messages, and trying again hurts nobody.
            self._house.counts.trouble.labels("channel").inc()
            log.error("channel_failed", error_type=type(error).__name__, exc_info=True)
            raise TryLater("the channel failed") from error

    def _attempt(self, outgoing: Outgoing, attempt_id: str, ticket: Ticket = _NO_TICKET) -> SendAttempt:
        async def claims(sid: str) -> bool:
            if self._spoken is None:
                return True
            async with self._house.db.write() as conn:
                return await self._spoken.claim(conn, outgoing, sid, self._house.clock.now())

        return SendAttempt(
            attempt_id=attempt_id,
            tag=outgoing.tag,
            first_tried_at=outgoing.first_tried_at or outgoing.created_at,
            repeated=outgoing.attempts > 0,
            reference=ticket.reference,
            known_as=ticket.known_as,
            claims=claims if outgoing.channel is Channel.CALL else None,
        )

    # --- outcomes -----------------------------------------------------------------------------------------------------

    async def _sent_together(self, taken: Sequence[_Taken]) -> None:
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            accepted = [(each.outgoing, each.sent.provider_message_id) for each in taken]
            await self._note_calls(conn, accepted, now)
            states = await outbox.record_all_sent(conn, accepted, now=now)
            by_state = {
                state: [each.outgoing for each in taken if states.get(each.outgoing.id) is state]
                for state in (OutboundState.SENT, OutboundState.DELIVERED, OutboundState.GIVEN_UP)
            }
            await self._listener.sent(conn, by_state[OutboundState.SENT], now)
            for outgoing in by_state[OutboundState.DELIVERED]:
                await self._listener.delivered(conn, outgoing, now)
            for outgoing in by_state[OutboundState.GIVEN_UP]:
                await self._aloud(conn, outgoing, now)
            for each in taken:
                self._tell_page(conn, each.outgoing)
        for each in taken:
            self._house.counts.sent.labels(each.outgoing.channel.value, each.outgoing.kind.value).inc()

    async def _note_calls(self, conn: AsyncConnection, taken: Sequence[tuple[Outgoing, str]], now: datetime) -> None:
        """Before the outbox: whoever hears of a call changes its row first too, so that neither waits for the other."""
        spoken = [(outgoing, sid) for outgoing, sid in taken if outgoing.channel is Channel.CALL]
        if spoken and self._spoken is not None:
            await self._spoken.taken(conn, spoken, now)

    def _tell_page(self, conn: AsyncConnection, outgoing: Outgoing) -> None:
        """Let the pages that show this conversation know; pages and notices to staff are in none."""
        if outgoing.kind is OutboundKind.REPLY:
            self._house.tell_page(conn, outgoing.lane)

    async def _sent(self, outgoing: Outgoing, sent: Sent, *, telling: bool = True) -> None:
        try:
            async with self._house.db.write() as conn:
                now = self._house.clock.now()
                await self._note_calls(conn, [(outgoing, sent.provider_message_id)], now)
                state = await outbox.record_sent(conn, outgoing, provider_message_id=sent.provider_message_id, now=now)
                match state:
                    case OutboundState.SENT if telling:
                        await self._listener.sent(conn, [outgoing], now)
                    case OutboundState.DELIVERED if telling:
                        await self._listener.delivered(conn, outgoing, now)
                    case OutboundState.GIVEN_UP if telling:
                        # The provider's report that it failed was faster than our own note that it was sent.
                        await self._aloud(conn, outgoing, now)
                    case _:
                        pass  # another worker has dealt with it
                self._tell_page(conn, outgoing)
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
        async with self._house.db.write() as conn:
            await self.note_report(conn, report, self._house.clock.now())

    async def note_report(self, conn: AsyncConnection, report: DeliveryReport, now: datetime) -> None:
        """The same within a transaction that notes more."""
        changed = await outbox.record_report(conn, report, now=now)
        if changed is None:
            return
        self._house.tell_page(conn, changed.lane)
        if changed.state is OutboundState.GIVEN_UP:
            await self._aloud(conn, changed, now)
        else:
            await self._listener.delivered(conn, changed, now)
