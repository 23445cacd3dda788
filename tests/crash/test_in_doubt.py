"""A process that dies in the middle of a call leaves a message of which nobody knows whether it went."""

from __future__ import annotations

import re

import pytest

from tests.crash.conftest import ASHA, NOOR
from tests.crash.line import Stage, from_phone, from_telegram
from tests.crash.proofs import chain_holds, settled

PHONE, CHAT = "+4790000777", 7700901777


def label(text: str) -> str:
    found = re.match(r"\[\d+-\d+\]", text)
    assert found is not None, text
    return found[0]


async def test_telegram_cannot_be_asked_so_the_page_comes_again_under_its_label(stage: Stage) -> None:
    line = await stage.start(point="send telegram after")
    await stage.post(line, from_phone(PHONE, "rådgiver", 1))  # by SMS, so that the only Telegram message is the page
    assert await line.end() == -9
    stage.let_leases_run_out()
    line = await stage.start()
    await settled(stage, line)
    figures = await stage.figures(line)
    pages = [taken for taken in stage.provider.taken if taken.to == str(ASHA)]
    assert len(pages) == 2
    assert len({label(page.text) for page in pages}) == 1
    assert figures['varde_in_doubt_total{channel="telegram"}'] == 1
    assert figures['varde_sent_again_total{channel="telegram"}'] == 1
    assert await line.stop() == 0
    await chain_holds(stage)


@pytest.mark.parametrize(("moment", "again"), [("before", 1), ("after", 0)])
async def test_twilio_is_asked_so_the_page_comes_once(stage: Stage, moment: str, again: int) -> None:
    line = await stage.start(point=f"send sms {moment}")
    await stage.post(line, from_telegram(CHAT, "rådgiver", 1))
    assert await line.end() == -9
    stage.let_leases_run_out()
    line = await stage.start()
    await settled(stage, line)
    figures = await stage.figures(line)
    assert len([taken for taken in stage.provider.taken if taken.to == NOOR]) == 1
    assert any(method == "GET Messages" for method, _ in stage.provider.asked)
    assert figures['varde_in_doubt_total{channel="sms"}'] == 1
    assert figures.get('varde_sent_again_total{channel="sms"}', 0) == again
    assert await line.stop() == 0
    await chain_holds(stage)
