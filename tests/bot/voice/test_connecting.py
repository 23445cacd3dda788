"""An advisor who has the case taps a button, and is joined with the clinician who is on the line."""

from __future__ import annotations

import secrets

from bot.inbox import take_in
from escalation.paging import Doing, case_token
from helpline import outbox
from helpline.messages import Address, Channel, InboundKind, InboundMessage
from tests.bot.voice.conftest import ASHA, Telephone
from tests.bot.voice.test_clinician_calls import Ward


async def test_a_tap_calls_the_advisor_to_be_joined_with_the_caller(telephone: Telephone) -> None:
    she = Ward(telephone)
    call, _ = await she.calls()
    await she.presses(call, "0")
    filed = await she.open_escalation()
    assert filed is not None
    asha = Address(Channel.SMS, ASHA)

    async def asha_sends(kind: InboundKind, text: str = "", token: str = "") -> None:
        await take_in(telephone.line.house, InboundMessage(Channel.SMS, secrets.token_hex(8), asha, kind, text, token))
        await telephone.line.settle()

    await asha_sends(InboundKind.TEXT, filed.code)
    async with telephone.line.house.db.read() as conn:
        told = [
            await outbox.open_message(conn, telephone.line.house.vault, sent)
            for sent in await outbox.of_escalation(conn, filed.id)
        ]
    offered = [choice.token for _, message in told for choice in message.choices]
    assert case_token(Doing.CALL, filed.id) in offered
    before = len(telephone.exchange.calls)
    await asha_sends(InboundKind.TAP, token=case_token(Doing.CALL, filed.id))
    assert len(telephone.exchange.calls) == before + 1
    assert telephone.call_to(ASHA).to == ASHA
