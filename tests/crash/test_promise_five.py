"""Nothing accepted is lost: the line is killed at every commit and around every call to a provider.

One database goes through the whole row of deaths, one start for each, while clinicians write and advisors answer. What
each process left half done is done by the next, which is then killed in its turn. Where the provider heard no yes, it
posts again. After the last start everything must have come to its end, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import store
from escalation import store as escalations
from helpline import audit
from helpline.messages import Channel
from helpline.outbox import OutboundKind
from helpline.vault import Vault
from tests.crash.conftest import ASHA, NOOR
from tests.crash.life import QUIET
from tests.crash.line import (
    ENDS_WITHIN,
    KEY,
    Posted,
    Stage,
    delivered,
    from_phone,
    from_telegram,
    tap_on_telegram,
)
from tests.crash.proofs import at_rest, chain_holds, each_message_went_out_once, inbound, outbox_of, settled

# Where the process dies, and at which of the times it comes there. One row for each thing that gets on disk or out of
# the house; before and after it where these are two different worlds.
DEATHS = [
    ("bot.inbox.take_in before", 2),
    ("bot.inbox.take_in after", 2),
    ("bot.conversation.Conversations.tick before", 1),
    ("bot.conversation.Conversations.tick after", 1),
    ("bot.conversation.Conversations._answer_next before", 2),
    ("bot.conversation.Conversations._answer_next before", 5),
    ("bot.conversation.Conversations._answer_next after", 1),
    ("bot.conversation.Conversations._answer_next after", 5),
    ("bot.delivery.Delivery._claim before", 1),
    ("bot.delivery.Delivery._claim after", 1),
    ("send telegram before", 2),
    ("bot.delivery.Delivery._start before", 1),
    ("bot.delivery.Delivery._start after", 1),
    ("send telegram after", 2),
    ("send sms before", 2),
    ("send sms after", 2),
    ("bot.delivery.Delivery._sent_together before", 3),
    ("bot.delivery.Delivery._sent_together after", 3),
    ("send sms after", 1),
    ("bot.delivery.Delivery._sent before", 1),
    ("bot.delivery.Delivery._sent after", 1),
    ("escalation.watch.tick before", 1),
    ("escalation.watch.tick after", 1),
    ("bot.delivery.Delivery.reported before", 1),
    ("bot.delivery.Delivery.reported after", 1),
]
IN_DANGER = "Mannen som kom med henne har kniv og står utenfor rommet, hjelp oss"
FOR_AN_ADVISOR = "rådgiver"
A_QUESTION = "Har pasienten rett til gratis advokat?"


@dataclass(frozen=True)
class Clinician:
    """Somebody who wrote once, and what she wanted."""

    channel: Channel
    address: str
    wants: str


class Crowd:
    """Two clinicians for each round: danger on Telegram and an advisor by SMS, then a question on each, and so on."""

    def __init__(self) -> None:
        self.clinicians: list[Clinician] = []
        self._numbers = itertools.count(1)
        self._rounds = itertools.cycle(
            (
                ((Channel.TELEGRAM, IN_DANGER), (Channel.SMS, FOR_AN_ADVISOR)),
                ((Channel.TELEGRAM, A_QUESTION), (Channel.SMS, A_QUESTION)),
            )
        )
        self._answered: set[str] = set()

    def write(self) -> Iterator[Posted]:
        for channel, wants in next(self._rounds):
            number = next(self._numbers)
            if channel is Channel.TELEGRAM:
                chat = 7700901000 + number
                self.clinicians.append(Clinician(channel, str(chat), wants))
                yield from_telegram(chat, wants, number)
            else:
                phone = f"+4790000{number:03d}"
                self.clinicians.append(Clinician(channel, phone, wants))
                yield from_phone(phone, wants, number)

    def take(self, stage: Stage) -> Iterator[Posted]:
        """Asha takes what she was paged for and has not yet answered."""
        for page in stage.provider.taken:
            if page.to == str(ASHA) and page.buttons and page.id not in self._answered:
                self._answered.add(page.id)
                yield tap_on_telegram(ASHA, page.buttons[0][1], 100_000 + int(page.id))


def reports(stage: Stage, told: set[str]) -> Iterator[Posted]:
    """What Twilio says of the messages that it has not yet told us about."""
    for taken in stage.provider.taken:
        if taken.channel is Channel.SMS and taken.id not in told:
            told.add(taken.id)
            yield delivered(taken.to, taken.id)


_WAITING_IS_TOLD = 3  # messages that lead from a plea to an advisor


async def test_nothing_is_lost_and_nothing_done_twice(stage: Stage) -> None:
    crowd, told = Crowd(), set[str]()
    for point, nth in DEATHS:
        line = await stage.start(point=point, nth=nth)
        await stage.post(line, *crowd.write())

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                while not line.ended.done():
                    if fresh := [*crowd.take(stage), *reports(stage, told)]:
                        await stage.post(line, *fresh)
                    await asyncio.sleep(0.03)
        assert line.ended.done(), f"nobody died at {point!r}\n{line.said()[-3000:]}"
        assert line.ended.result() == -9, line.said()[-3000:]
        stage.let_leases_run_out()

    line = await stage.start(point="nowhere")
    await stage.post(line, *crowd.write())
    for _ in range(6):
        await settled(stage, line)
        await stage.post(line, *crowd.take(stage), *reports(stage, told))
        await settled(stage, line)
        stage.pass_time()  # a routine page waits for others that may go out with it
    await at_rest(stage, line)
    assert not stage.unheard
    # A busy machine may keep storage busy for longer than is waited; nothing else may go wrong.
    failed = [said for said in line.said().splitlines() if re.search(r'"event":"\w+_failed"', said)]
    assert not [said for said in failed if '"StorageBusy"' not in said]
    await proved(stage, crowd)
    # What is done by telephone is tried in `life.py`; what only a machine does that is too busy need not be met here.
    elsewhere = (*QUIET, "bot.voice.", "bot.conversation.Conversations._try_again", "bot.delivery.Delivery._try_later")
    met = {point for point in line.points() if not point.startswith(elsewhere)}
    assert met <= {point for point, _ in DEATHS}


# --- what must be true in the end ------------------------------------------------------------------------------------


async def proved(stage: Stage, crowd: Crowd) -> None:
    """Everything that promise 5 says of what is on disk and at the providers."""
    await chain_holds(stage)
    said = await outbox_of(stage)
    each_message_went_out_once(stage, said)
    vault = Vault(bytes.fromhex(KEY))
    async with stage.db.read() as conn:
        shown = Counter((await conn.execute(select(store.served.c.conversation_id))).scalars())
        ours = {
            row.fingerprint: row.id
            for row in await conn.execute(select(store.conversations.c.id, store.conversations.c.fingerprint))
        }
        taken_in = Counter((await conn.execute(select(inbound.c.conversation_id))).scalars())
        waiting = {row.conversation_id: row for row in await conn.execute(select(escalations.escalations))}
        pages = [escalations._page(row) for row in await conn.execute(select(escalations.pages))]
        opened = Counter(row.subject for row in await audit_entries(conn) if row.action == "escalation_opened")

    # Every clinician was taken in once and got what the others of her kind got: nothing less, and nothing twice.
    got: dict[tuple[Channel, str], set[tuple[int, ...]]] = defaultdict(set)
    replies = Counter(row.lane for row, _, _ in said if row.kind is OutboundKind.REPLY)
    for clinician in crowd.clinicians:
        conversation = ours[vault.fingerprint(clinician.channel.value, clinician.address)]
        assert taken_in[conversation] == 1
        # Who waits while the line lies dead past a deadline is told of that too, once.
        late = int(conversation in waiting and replies[conversation] == _WAITING_IS_TOLD + 1)
        counts = (replies[conversation] - late, shown[conversation], int(conversation in waiting))
        got[clinician.channel, clinician.wants].add(counts)
    assert got == {
        (Channel.TELEGRAM, IN_DANGER): {(3, 0, 1)},  # numbers, by when she hears, who has it
        (Channel.SMS, FOR_AN_ADVISOR): {(3, 0, 1)},  # the greeting instead of the numbers
        (Channel.TELEGRAM, A_QUESTION): {(2, 1, 0)},
        (Channel.SMS, A_QUESTION): {(2, 1, 0)},
    }

    # Each who asked for a human got one, and was opened once.
    assert {row.owner_id for row in waiting.values()} == {"asha"}
    assert set(opened.values()) == {1}
    assert len(opened) == len(waiting)
    called = {(page.escalation_id, page.staff_id): page for page in pages}
    for filed in waiting.values():
        for staff_id, address in (("asha", str(ASHA)), ("noor", NOOR)):
            page = called[filed.id, staff_id]
            at_provider = any(
                taken.to == address and re.match(rf"\[{page.code}\D", taken.text) for taken in stage.provider.taken
            )
            # Noor's page may have been taken back, where Asha was quicker than it.
            assert at_provider or (staff_id == "noor" and page.state is escalations.PageState.WITHDRAWN)


async def audit_entries(conn: AsyncConnection) -> list[audit.AuditEntry]:
    """All of the trail."""
    return await audit.entries(conn, limit=100_000)
