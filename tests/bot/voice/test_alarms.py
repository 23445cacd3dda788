"""An alarm to a coordinator that nobody hears on the telephone goes on to where it is read."""

from __future__ import annotations

from datetime import timedelta

from escalation import store as escalations
from escalation.carry import alarm_coordinators
from escalation.on_duty import gather
from helpline import accounts
from helpline.accounts import ContactChannel
from helpline.messages import OutboundMessage
from tests.bot.voice.conftest import Telephone
from tests.escalation.stored import add_person
from tests.phone import Fate

OLGA, HER_SMS = "+4759440104", "+4759440105"


async def alarmed(telephone: Telephone) -> None:
    """Olga, a coordinator who is called first, and then written to, has to hear something."""
    room = telephone.line.room
    async with telephone.line.house.db.write() as conn:
        before = telephone.now - timedelta(days=1)
        contacts = ((ContactChannel.CALL, OLGA), (ContactChannel.SMS, HER_SMS))
        await add_person(
            conn, telephone.line.house.vault, "olga", *contacts, roles=[accounts.Role.COORDINATOR], now=before
        )
        present = await gather(conn, await escalations.policy(conn), telephone.now, channels=room.means.channels)
        told = await alarm_coordinators(
            conn, room.means, present, lambda _: OutboundMessage("Ingen har vakt."), key="test", now=telephone.now
        )
    assert told == 2  # Maja too
    await telephone.line.settle()


def read_by_her(telephone: Telephone) -> list[str]:
    return [taken.text for taken in telephone.exchange.taken if taken.to == HER_SMS]


async def test_an_alarm_that_rings_unheard_is_written(telephone: Telephone) -> None:
    await alarmed(telephone)
    assert read_by_her(telephone) == []
    await telephone.exchange.play(telephone.call_to(OLGA), Fate.NO_ANSWER)
    await telephone.line.settle()
    [text] = read_by_her(telephone)
    assert "Ingen har vakt." in text


async def test_an_alarm_that_was_heard_is_not_written_besides(telephone: Telephone) -> None:
    await alarmed(telephone)
    call = telephone.call_to(OLGA)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert "Ingen har vakt." in heard.words
    await telephone.exchange.hangs_up(call)
    await telephone.line.settle()
    assert read_by_her(telephone) == []


async def test_an_alarm_comes_to_an_end_where_nothing_works(telephone: Telephone) -> None:
    await alarmed(telephone)
    async with telephone.line.house.db.write() as conn:
        contacts = await accounts.contacts(conn, telephone.line.house.vault, "olga")
        await accounts.remove_contact(conn, next(each.id for each in contacts if each.channel is ContactChannel.SMS))
    await telephone.exchange.play(telephone.call_to(OLGA), Fate.MACHINE)
    await telephone.line.settle()
    assert len([call for call in telephone.exchange.calls if call.to == OLGA]) == 1
