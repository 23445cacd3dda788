"""What can wait until the morning keeps nothing waiting that cannot."""

from __future__ import annotations

from datetime import timedelta

from escalation.on_duty import staff_now
from escalation.rota import notices as rota_notices
from helpline import outbox
from helpline.messages import Channel, OutboundMessage
from helpline.outbox import OutboundKind
from tests.escalation.house import House


async def test_a_notice_for_the_morning_does_not_hold_back_what_is_said_tonight(house: House) -> None:
    async with house.db.write() as conn:
        told = await rota_notices.tell(
            conn,
            house.means,
            await staff_now(conn, house.now),
            ["asha"],
            lambda language: OutboundMessage("Noen vil bytte en vakt med deg."),
            key="swap",
            now=house.now,  # at night
            about=house.now + timedelta(days=9),
        )
    assert told == 1
    opened = await house.open()
    await house.says("asha", opened.filed.code, on=Channel.TELEGRAM)
    async with house.db.write() as conn:
        sent = await outbox.claim_batch(conn, now=house.now, lease=timedelta(seconds=45), limit=50)
    assert OutboundKind.NOTICE in {each.kind for each in sent}, "the word that it is hers waits for the morning"
    async with house.db.write() as conn:
        later = await outbox.claim_batch(
            conn, now=house.now + timedelta(hours=6), lease=timedelta(seconds=45), limit=50
        )
    assert any(each.key.startswith("rota:swap") for each in later)
