"""Messages leave their lane in order, once wanted, and what became of each is known."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from helpline import outbox
from helpline.clock import SetClock
from helpline.database import Database, table_of
from helpline.messages import Address, Channel, Choice, DeliveryReport, DeliveryState, OutboundMessage
from helpline.outbox import OutboundKind, OutboundState, Outgoing
from helpline.sqlite import SqliteStore
from helpline.vault import Forgotten, Vault

rows = table_of(outbox.OutboundRow)
HERS = Address(Channel.SMS, "+4799999999")
LEASE = timedelta(seconds=60)


class Post:
    """The outbox as a test uses it: each step in a write of its own."""

    def __init__(self, db: Database, vault: Vault, clock: SetClock) -> None:
        self.db, self.vault, self.clock = db, vault, clock

    async def put(self, key: str, lane: str = "conversation:7", words: str = "Ring 113.", **more: Any) -> int | None:
        given: dict[str, Any] = {
            "kind": OutboundKind.REPLY,
            "subject": "conversation:7",
            "to": HERS,
            "message": OutboundMessage(words, (Choice("more", "Mer", "1"), Choice("advisor", "Rådgiver", "0"))),
            "now": self.clock.now(),
        }
        async with self.db.write() as conn:
            return await outbox.enqueue(conn, self.vault, key=key, lane=lane, **{**given, **more})

    async def claim(self, limit: int = 10) -> list[Outgoing]:
        async with self.db.write() as conn:
            return await outbox.claim_batch(conn, now=self.clock.now(), lease=LEASE, limit=limit)

    async def start(self, outgoing: Outgoing, attempt: str = "a1") -> bool:
        async with self.db.write() as conn:
            return await outbox.start_attempt(conn, outgoing, attempt_id=attempt, now=self.clock.now())

    async def sent(self, outgoing: Outgoing, provider_id: str = "SM1") -> OutboundState | None:
        async with self.db.write() as conn:
            return await outbox.record_sent(conn, outgoing, provider_message_id=provider_id, now=self.clock.now())

    async def report(self, state: DeliveryState, provider_id: str = "SM1", code: str = "") -> Outgoing | None:
        async with self.db.write() as conn:
            given = DeliveryReport(Channel.SMS, provider_id, state, code)
            return await outbox.record_report(conn, given, now=self.clock.now())

    async def find(self, key: str) -> Outgoing:
        async with self.db.read() as conn:
            found = await outbox.find(conn, key)
        assert found is not None
        return found

    async def state(self, key: str) -> OutboundState:
        return (await self.find(key)).state


@pytest.fixture
def post(db: Database, vault: Vault, clock: SetClock) -> Post:
    return Post(db, vault, clock)


async def test_a_message_goes_its_way(post: Post) -> None:
    number = await post.put("reply:1", tag="4KD", escalation_id="12", page_id="3")
    (claimed,) = await post.claim()
    assert (claimed.id, claimed.state, claimed.attempts, claimed.tag) == (number, OutboundState.WAITING, 0, "4KD")
    async with post.db.read() as conn:
        to, message = await outbox.open_message(conn, post.vault, claimed)
    assert (to.value, message.text, message.choices[1].digit) == (HERS.value, "Ring 113.", "0")
    assert await post.start(claimed)
    sending = await post.find("reply:1")
    assert (sending.state, sending.attempts, sending.attempt_id) == (OutboundState.SENDING, 1, "a1")
    assert sending.first_tried_at == post.clock.now()
    post.clock.advance(timedelta(seconds=1))
    assert await post.sent(claimed) is OutboundState.SENT
    sent = await post.find("reply:1")
    assert (sent.sent_at, sent.due_at, sent.lease_token) == (post.clock.now(), None, None)
    told = await post.report(DeliveryState.DELIVERED)
    assert told is not None
    assert (told.state, told.escalation_id, told.page_id) == (OutboundState.DELIVERED, "12", "3")


async def test_a_key_exists_once_ever(post: Post) -> None:
    assert await post.put("page:1") is not None
    (claimed,) = await post.claim()
    await post.start(claimed)
    await post.sent(claimed)
    assert await post.put("page:1", words="again") is None
    done = await asyncio.gather(*(post.put("page:2") for _ in range(6)))
    assert sum(number is not None for number in done) == 1


async def test_words_and_addresses_are_not_in_the_database(post: Post) -> None:
    await post.put("reply:1")
    async with post.db.read() as conn:
        row = str((await conn.execute(select(rows))).one())
    assert "Ring" not in row
    assert "9999" not in row
    assert "9999" not in repr(await post.find("reply:1"))


async def test_a_lane_keeps_its_order_and_lanes_do_not_wait_for_each_other(post: Post) -> None:
    for number in (1, 2, 3):
        await post.put(f"a:{number}", lane="a")
    await post.put("b:1", lane="b")
    first = {outgoing.key: outgoing for outgoing in await post.claim()}
    assert set(first) == {"a:1", "b:1"}
    assert await post.claim() == []
    await post.start(first["a:1"])
    assert await post.claim() == []
    await post.sent(first["a:1"])
    assert [outgoing.key for outgoing in await post.claim()] == ["a:2"]


async def test_what_waits_to_be_tried_again_holds_its_lane(post: Post) -> None:
    await post.put("a:1", lane="a")
    await post.put("a:2", lane="a")
    (claimed,) = await post.claim()
    await post.start(claimed)
    async with post.db.write() as conn:
        later = post.clock.now() + timedelta(minutes=5)
        assert await outbox.record_retry(conn, claimed, due_at=later, error="429 Too Many Requests for +4799999999")
    assert await post.claim() == []
    waiting = await post.find("a:1")
    assert (waiting.state, waiting.error, waiting.attempts) == (OutboundState.WAITING, "429", 1)
    post.clock.advance(timedelta(minutes=5))
    (again,) = await post.claim()
    assert again.key == "a:1"
    assert again.first_tried_at is not None
    async with post.db.write() as conn:
        assert await outbox.record_given_up(conn, again, error="30006")
    assert [outgoing.key for outgoing in await post.claim()] == ["a:2"]


async def test_the_urgent_go_first(post: Post) -> None:
    await post.put("a:1", lane="a")
    post.clock.advance(timedelta(seconds=1))
    await post.put("b:1", lane="b", message=OutboundMessage("Er noen i fare nå: ring 112.", urgent=True))
    await post.put("c:1", lane="c", urgent=True)
    assert [outgoing.key for outgoing in await post.claim()] == ["b:1", "c:1", "a:1"]


async def test_a_message_for_later_waits(post: Post) -> None:
    await post.put("a:1", due_at=post.clock.now() + timedelta(minutes=1))
    assert await post.claim() == []
    async with post.db.read() as conn:
        assert await outbox.next_due(conn) == post.clock.now() + timedelta(minutes=1)
    post.clock.advance(timedelta(minutes=1))
    assert len(await post.claim()) == 1


async def test_a_worker_that_dies_before_the_call_leaves_the_message_waiting(post: Post) -> None:
    await post.put("a:1")
    (dead,) = await post.claim()
    post.clock.advance(LEASE)
    (alive,) = await post.claim()
    assert not await post.start(dead)
    assert await post.start(alive)
    assert await post.sent(dead) is None
    assert await post.state("a:1") is OutboundState.SENDING


async def test_a_worker_that_dies_in_the_call_leaves_it_in_doubt(post: Post) -> None:
    await post.put("a:1")
    (dead,) = await post.claim()
    await post.start(dead, "a1")
    async with post.db.write() as conn:
        assert await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE) == []
    post.clock.advance(LEASE)
    assert await post.claim() == [], "what may have gone is never simply sent again"
    async with post.db.write() as conn:
        (doubtful,) = await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE)
        assert await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE) == []
    assert (doubtful.attempt_id, doubtful.attempts) == ("a1", 1)
    assert await post.sent(dead) is None
    assert await post.start(doubtful, "a2")
    assert await post.sent(doubtful) is OutboundState.SENT
    assert (await post.find("a:1")).attempts == 2


async def test_a_doubtful_one_that_is_not_wanted_any_more_is_not_sent(post: Post) -> None:
    await post.put("a:1")
    (dead,) = await post.claim()
    await post.start(dead)
    post.clock.advance(LEASE)
    async with post.db.write() as conn:
        (doubtful,) = await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE)
        assert await outbox.record_unwanted(conn, doubtful)
    assert await post.state("a:1") is OutboundState.WITHDRAWN


async def test_withdrawing_takes_back_what_has_not_gone(post: Post) -> None:
    await post.put("a:1", lane="a", escalation_id="1", page_id="p1")
    await post.put("a:2", lane="b", escalation_id="1", page_id="p2")
    await post.put("a:3", lane="c", escalation_id="1", kind=OutboundKind.PAGE)
    await post.put("a:4", lane="d", escalation_id="2")
    claimed = {outgoing.key: outgoing for outgoing in await post.claim()}
    await post.start(claimed["a:2"])
    async with post.db.write() as conn:
        assert await outbox.withdraw(conn, escalation_id="1", kind=OutboundKind.PAGE) == 1
        assert await outbox.withdraw(conn, escalation_id="1") == 1
        assert await outbox.withdraw(conn, page_id="p1") == 0
        with pytest.raises(ValueError):
            await outbox.withdraw(conn)
    assert not await post.start(claimed["a:1"]), "withdrawn between the claim and the call"
    assert await post.sent(claimed["a:2"]) is OutboundState.SENT
    assert await post.state("a:4") is OutboundState.WAITING
    async with post.db.write() as conn:
        assert await outbox.withdraw(conn, recipient=post.vault.fingerprint_of(HERS)) == 1
        assert [found.key for found in await outbox.of_escalation(conn, "1")] == ["a:1", "a:2", "a:3"]


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([DeliveryState.ACCEPTED], OutboundState.SENT),
        ([DeliveryState.DELIVERED, DeliveryState.DELIVERED], OutboundState.DELIVERED),
        ([DeliveryState.DELIVERED, DeliveryState.ACCEPTED], OutboundState.DELIVERED),
        ([DeliveryState.DELIVERED, DeliveryState.FAILED], OutboundState.DELIVERED),
        ([DeliveryState.FAILED], OutboundState.GIVEN_UP),
        ([DeliveryState.FAILED, DeliveryState.DELIVERED], OutboundState.GIVEN_UP),
    ],
)
async def test_reports_in_any_order(post: Post, reports: list[DeliveryState], state: OutboundState) -> None:
    await post.put("a:1")
    (claimed,) = await post.claim()
    await post.start(claimed)
    await post.sent(claimed)
    changed = [await post.report(report, code="30003") for report in reports]
    assert await post.state("a:1") is state
    assert sum(outgoing is not None for outgoing in changed) == (state is not OutboundState.SENT)


@pytest.mark.parametrize(
    ("report", "state", "error"),
    [
        (DeliveryState.DELIVERED, OutboundState.DELIVERED, ""),
        (DeliveryState.FAILED, OutboundState.GIVEN_UP, "30003"),
        (DeliveryState.ACCEPTED, OutboundState.SENT, ""),
    ],
)
async def test_a_report_quicker_than_we_is_not_lost(
    post: Post, report: DeliveryState, state: OutboundState, error: str
) -> None:
    await post.put("a:1")
    (claimed,) = await post.claim()
    await post.start(claimed)
    assert await post.report(report, code="30003") is None
    assert await post.report(report, code="30003") is None
    assert await post.sent(claimed) is state
    assert (await post.find("a:1")).error == error
    async with post.db.write() as conn:
        assert await outbox.delete_early_reports(conn, before=post.clock.now() + timedelta(days=1)) == 0


@pytest.mark.parametrize("together", [False, True])
async def test_who_has_lost_a_message_does_not_take_its_report_along(post: Post, together: bool) -> None:
    """A sender that was asleep in the call wakes after another has been given the message, and has nothing to say."""
    await post.put("a:1")
    (asleep,) = await post.claim()
    await post.start(asleep)
    assert await post.report(DeliveryState.FAILED, code="30003") is None
    post.clock.advance(LEASE + timedelta(seconds=1))
    async with post.db.write() as conn:
        (doubtful,) = await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE)
    async with post.db.write() as conn:
        if together:
            assert await outbox.record_all_sent(conn, [(asleep, "SM1")], now=post.clock.now()) == {}
        else:
            late = await outbox.record_sent(conn, asleep, provider_message_id="SM1", now=post.clock.now())
            assert late is None
    assert await post.sent(doubtful) is OutboundState.GIVEN_UP


async def test_a_report_about_nothing_of_ours_is_forgotten_after_a_while(post: Post) -> None:
    assert await post.report(DeliveryState.DELIVERED, "SM-other") is None
    async with post.db.write() as conn:
        assert await outbox.delete_early_reports(conn, before=post.clock.now()) == 0
        assert await outbox.delete_early_reports(conn, before=post.clock.now() + timedelta(seconds=1)) == 1


async def test_a_report_and_our_own_note_at_one_instant_do_not_miss_each_other(post: Post) -> None:
    for number in range(12):
        await post.put(f"a:{number}", lane=f"lane:{number}")
    claimed = await post.claim(limit=20)
    for outgoing in claimed:
        await post.start(outgoing)
    await asyncio.gather(
        *(post.sent(outgoing, f"SM{outgoing.id}") for outgoing in claimed),
        *(post.report(DeliveryState.DELIVERED, f"SM{outgoing.id}") for outgoing in claimed),
    )
    assert {(await post.find(outgoing.key)).state for outgoing in claimed} == {OutboundState.DELIVERED}


async def test_several_are_begun_and_noted_together_each_with_its_own_end(post: Post) -> None:
    for number in range(7):
        await post.put(f"a:{number}", lane=f"lane:{number}")
    claimed = await post.claim(limit=20)
    stolen = claimed[3]
    async with post.db.write() as conn:
        begun = await outbox.start_attempts(conn, claimed, attempt_id="a1", now=post.clock.now())
    assert sorted(begun) == [outgoing.id for outgoing in claimed]
    assert len(set(begun.values())) == 7, "each attempt has an id of its own"
    assert await post.report(DeliveryState.DELIVERED, f"SM{claimed[1].id}") is None
    assert await post.report(DeliveryState.FAILED, f"SM{claimed[2].id}", code="30003") is None
    post.clock.advance(LEASE + timedelta(seconds=1))
    async with post.db.write() as conn:
        await outbox.in_doubt(conn, now=post.clock.now(), lease=LEASE, limit=10)
        # Another worker holds them all now; the six that are put back under their token are ours.
        mine = rows.update().where(rows.c.id != stolen.id).values(lease_token=claimed[0].lease_token)
        await conn.execute(mine)
    async with post.db.write() as conn:
        taken = [(outgoing, f"SM{outgoing.id}") for outgoing in claimed]
        states = await outbox.record_all_sent(conn, taken, now=post.clock.now())
    assert stolen.id not in states
    assert (await post.find(stolen.key)).state is OutboundState.SENDING
    assert states[claimed[1].id] is OutboundState.DELIVERED
    assert states[claimed[2].id] is OutboundState.GIVEN_UP
    assert (await post.find(claimed[2].key)).error == "30003"
    assert {(await post.find(each.key)).state for each in claimed[4:]} == {OutboundState.SENT}
    assert (await post.find(claimed[6].key)).provider_message_id == f"SM{claimed[6].id}"
    async with post.db.write() as conn:
        assert await outbox.start_attempts(conn, claimed, attempt_id="a2", now=post.clock.now()) == {}


async def test_many_reports_and_notes_at_one_instant_do_not_wait_for_each_other(post: Post) -> None:
    for number in range(12):
        await post.put(f"a:{number}", lane=f"lane:{number}", page_id=f"e:{number}")
    claimed = await post.claim(limit=20)
    async with post.db.write() as conn:
        await outbox.start_attempts(conn, claimed, attempt_id="a1", now=post.clock.now())

    async def note(some: list[Outgoing]) -> None:
        async with post.db.write() as conn:
            taken = [(outgoing, f"SM{outgoing.id}") for outgoing in some]
            await outbox.record_all_sent(conn, taken, now=post.clock.now())

    async def take_back() -> None:
        async with post.db.write() as conn:
            await outbox.withdraw_pages(conn, [f"e:{number}" for number in reversed(range(12))])

    await asyncio.gather(
        note(claimed[:6]),
        note(claimed[:5:-1]),
        take_back(),
        *(post.report(DeliveryState.DELIVERED, f"SM{outgoing.id}") for outgoing in claimed),
    )
    assert {(await post.find(outgoing.key)).state for outgoing in claimed} == {OutboundState.DELIVERED}


async def test_claimers_at_one_instant_never_take_one_message_twice(post: Post) -> None:
    for number in range(30):
        await post.put(f"a:{number}", lane=f"lane:{number % 10}")
    taken = await asyncio.gather(*(post.claim(limit=4) for _ in range(6)))
    keys = [outgoing.key for batch in taken for outgoing in batch]
    assert len(keys) == len(set(keys)) <= 10
    assert {int(key[2:]) for key in keys} <= set(range(10))


async def test_what_was_erased_cannot_be_sent(post: Post) -> None:
    await post.put("a:1")
    (claimed,) = await post.claim()
    async with post.db.write() as conn:
        await post.vault.forget(conn, "conversation:7")
    async with post.db.read() as conn:
        with pytest.raises(Forgotten):
            await outbox.open_message(conn, post.vault, claimed)
        (said,) = await outbox.transcript(conn, post.vault, "conversation:7")
    assert said.message is None


async def test_a_transcript_is_in_order(post: Post) -> None:
    for number in range(4):
        await post.put(f"a:{number}", words=f"answer {number}")
    async with post.db.read() as conn:
        said = await outbox.transcript(conn, post.vault, "conversation:7", limit=3)
    assert [message.message.text for message in said if message.message] == ["answer 1", "answer 2", "answer 3"]


async def test_the_backlog_is_counted(post: Post) -> None:
    async with post.db.read() as conn:
        assert await outbox.backlog(conn) == outbox.Backlog(0, 0, None)
        assert await outbox.next_due(conn) is None
    await post.put("a:1", lane="a")
    await post.put("b:1", lane="b")
    (first, _) = await post.claim()
    await post.start(first)
    async with post.db.read() as conn:
        backlog = await outbox.backlog(conn)
    assert (backlog.waiting, backlog.sending) == (1, 1)
    assert backlog.oldest_due == post.clock.now() + LEASE


async def test_old_messages_are_deleted_but_never_one_that_waits(post: Post) -> None:
    await post.put("a:1", lane="a")
    await post.put("b:1", lane="b")
    (first, _) = await post.claim()
    await post.start(first)
    await post.sent(first)
    post.clock.advance(timedelta(days=91))
    async with post.db.write() as conn:
        assert await outbox.delete_older(conn, before=post.clock.now()) == 1
        assert await outbox.delete_older(conn, before=post.clock.now()) == 0
        assert await outbox.find(conn, "b:1") is not None


async def test_delivery_is_woken_when_there_is_something_to_send(post: Post) -> None:
    with post.db.watch(outbox.TOPIC) as watch:
        await watch.wait(0.2)
        await post.put("a:1", lane="a")
        assert await watch.wait(5)
        await post.put("a:2", lane="a")
        assert await watch.wait(5)
        (claimed,) = await post.claim()
        await post.start(claimed)
        await post.sent(claimed)
        assert await watch.wait(5), "the next of the lane may go"
        assert await post.put("a:2", lane="a") is None
        assert not await watch.wait(0.02)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_what_is_due_is_found_without_reading_all(post: Post) -> None:
    assert isinstance(post.db._store, SqliteStore)
    asked: list[tuple[str, Any]] = []

    @event.listens_for(post.db._store._write_engine.sync_engine, "before_cursor_execute")
    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    await post.claim()
    async with post.db.read() as conn:
        await outbox.next_due(conn)
    (claim,) = [(statement, given) for statement, given in asked if statement.startswith("SELECT")]
    async with post.db.read() as conn:
        plan = str((await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {claim[0]}", claim[1])).all())
    assert "ix_outbound_due" in plan
    assert "ix_outbound_lane_open" in plan
