"""What must be true in the end, whatever died on the way."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from bot import store
from bot.channels.twilio import TwilioAccount, TwilioChannel
from escalation import auditor_store
from escalation import store as escalations
from helpline import audit, inbox, outbox
from helpline.database import table_of
from helpline.messages import Address, Channel, OutboundMessage
from helpline.outbox import OutboundState, Outgoing
from helpline.vault import Vault
from tests import captured
from tests.crash.line import KEY, Running, Stage, until

inbound, outbound = table_of(inbox.InboundRow), table_of(outbox.OutboundRow)
turns = table_of(auditor_store.AuditTurnRow)


async def settled(stage: Stage, line: Running, *, within: float = 180) -> None:
    """Wait until nothing is under way and nothing is due.

    All of it is looked at in one statement, at one instant: what moves from one table to the next is in one of them.
    """
    waiting = escalations.escalations.c.due_at
    left: dict[str, int] = {}

    async def nothing_left() -> bool:
        now = stage.now()
        work = {
            "messages": select(func.count()).where(inbound.c.handled_at.is_(None)),
            "conversations": select(func.count()).where(store.conversations.c.due_at.is_not(None)),
            "outbox": select(func.count()).where(outbound.c.state.in_(["waiting", "sending"])),
            "escalations": select(func.count()).where(waiting <= now),
            # What the auditor sees it tells the coordinators, and that too has to go out.
            "auditor": select(func.count()).where((turns.c.due_at <= now) | turns.c.lease_token.is_not(None)),
        }
        async with stage.db.read() as conn:
            found = await conn.execute(select(*(query.scalar_subquery().label(name) for name, query in work.items())))
            left.update(found.one()._mapping)
        return not any(left.values()) or line.ended.done()

    await until(nothing_left, within, lambda: f"still to do: {left}\n{line.said()[-3000:]}")
    assert not line.ended.done(), line.said()[-3000:]


async def at_rest(stage: Stage, line: Running) -> None:
    """Settle and stop. What was put into the outbox at the last moment the next process sends."""
    for _ in range(5):
        await settled(stage, line)
        assert await line.stop() == 0, line.said()[-3000:]
        async with stage.db.read() as conn:
            late = await conn.execute(select(outbound.c.id).where(outbound.c.state.in_(["waiting", "sending"])))
            if late.first() is None:
                return
        stage.let_leases_run_out()
        line = await stage.start()
    raise AssertionError(f"it never comes to rest\n{line.said()[-3000:]}")


async def chain_holds(stage: Stage) -> None:
    """The trail was written whole and in order."""
    async with stage.db.read() as conn:
        assert await audit.verify(conn) is None


async def outbox_of(stage: Stage) -> list[tuple[Outgoing, Address, OutboundMessage]]:
    """Everything that was ever to go out, opened."""
    vault = Vault(bytes.fromhex(KEY))
    async with stage.db.read() as conn:
        rows = [outbox._outgoing(row) for row in await conn.execute(select(outbound).order_by(outbound.c.id))]
        return [(row, *await outbox.open_message(conn, vault, row)) for row in rows]


def each_message_went_out_once(stage: Stage, said: list[tuple[Outgoing, Address, OutboundMessage]]) -> None:
    """What is in the outbox is at the providers, and nothing else is; twice only where nobody could have known."""
    sms = TwilioChannel(
        Channel.SMS, TwilioAccount(captured.ACCOUNT_SID, captured.AUTH_TOKEN, public_url=""), captured.LINE_NUMBER
    )
    wanted, tries = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row, address, message in said:
        came_to_its_end = {OutboundState.SENT, OutboundState.DELIVERED, OutboundState.WITHDRAWN}
        assert row.state in came_to_its_end, (row.key, row.state, row.attempts, row.error)
        what = (address.value, sms.body(message) if address.channel is Channel.SMS else message.text)
        # A page is not repeated where nobody waits for it any more; the try that was in doubt may have arrived.
        wanted[what] += row.state is not OutboundState.WITHDRAWN
        tries[what] += row.attempts
    copies = Counter((taken.to, taken.text) for taken in stage.provider.taken)
    assert set(copies) <= set(tries)
    for what, tried in tries.items():
        channel = Channel.SMS if what[0].startswith("+") else Channel.TELEGRAM
        most = max(wanted[what], min(tried, 1)) if channel is Channel.SMS else tried
        assert wanted[what] <= copies[what] <= most, (what, wanted[what], copies[what], most)
