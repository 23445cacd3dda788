"""A thousand pages at once, and several processes on one database."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select

from bot import store
from bot.app import build_app
from bot.dialogue import Reason, SeekAdvisor, State
from escalation import store as escalations
from helpline.clock import SetClock
from helpline.messages import Address, Channel, Country, Language
from tests.crash.conftest import ASHA, NOOR, settings_of
from tests.crash.line import Running, Stage, from_phone, from_telegram
from tests.crash.proofs import chain_holds, each_message_went_out_once, inbound, outbox_of, settled

A_QUESTION = "Har pasienten rett til gratis advokat?"
PAGES = 1000


async def open_at_one_instant(stage: Stage, count: int) -> None:
    """So many clinicians in danger, for whom two advisors are called a minute from now."""
    ladder = stage.folder / "ladder.yaml"
    steps = "- {targets: [desk], wait_minutes: 1}\n      - {targets: [asha, noor], wait_minutes: 300}"
    usual = "- {targets: [asha, noor], wait_minutes: 300}"
    ladder.write_text((stage.content / "ladder.yaml").read_text().replace(usual, steps))
    settings = replace(settings_of(stage.folder, stage.database_url, stage.content), ladder=ladder)
    now = stage.now()
    line = build_app(settings, clock=SetClock(now), channels={}, content=stage.content)
    await line.prepare()
    house, state = line.house, State(language=Language.NB, country=Country.NO)
    line.room.means = replace(line.room.means, channels=frozenset({"desk", "telegram", "sms"}))
    for began in range(0, count, 100):
        async with house.db.write() as conn:
            for number in range(began, began + 100):
                conversation_id = await store.create(
                    conn,
                    house.vault,
                    Address(Channel.TELEGRAM, str(7700910000 + number)),
                    kind=store.Kind.CLINICIAN,
                    staff_id=None,
                    language=state.language,
                    country=state.country,
                    now=now,
                )
                conversation = await store.get(conn, house.vault, conversation_id)
                assert conversation is not None
                await line.room.seek(conn, conversation, state, SeekAdvisor(Reason.DANGER, urgent=True), now)
    await line.close()


async def test_a_thousand_pages_at_once_survive_death_in_their_midst(stage: Stage) -> None:
    await open_at_one_instant(stage, PAGES // 2)
    stage.let_leases_run_out()  # and with it the minute until they are called
    for point, nth in (
        ("escalation.watch.tick before", 2),
        ("escalation.watch.tick after", 1),
        ("send * after", PAGES // 4),  # by either provider: one of them may be through before the other has begun
        ("send * after", PAGES // 4),
    ):
        line = await stage.start(point=point, nth=nth)
        assert await line.end() == -9, f"nobody died at {point!r}"
        stage.let_leases_run_out()
    line = await stage.start()
    await settled(stage, line)
    assert await line.stop() == 0

    each_message_went_out_once(stage, await outbox_of(stage))
    async with stage.db.read() as conn:
        codes = set((await conn.execute(select(escalations.escalations.c.code))).scalars())
    assert len(codes) == PAGES // 2
    for address in (str(ASHA), NOOR):
        labels = [re.match(r"\[(\d+)-\d+\]", taken.text) for taken in stage.provider.taken if taken.to == address]
        assert {found[1] for found in labels if found} == codes
    await chain_holds(stage)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_two_workers_share_one_database_and_do_nothing_twice(stage: Stage) -> None:
    """One of them is killed while both work; the other takes over what it held."""
    # Early enough that it is met by whichever of them gets the smaller part of the work.
    lines = [await stage.start(role="worker", point=point, nth=4) for point in ("nowhere", "send telegram after")]
    clinicians = range(1, 61)
    heard = asyncio.gather(*(write(stage, lines, number) for number in clinicians))
    assert await lines[1].end() == -9
    await heard
    await stage.post(lines[0])
    assert not stage.unheard
    stage.let_leases_run_out()
    await settled(stage, lines[0])
    await stage.post(lines[0], *(from_telegram(7700920000 + n, A_QUESTION, n) for n in clinicians if n % 2))
    await settled(stage, lines[0])
    figures = await stage.figures(lines[0])
    assert await lines[0].stop() == 0

    # The repeats of all changed nothing; each was answered once, and a message came twice only where in doubt.
    each_message_went_out_once(stage, await outbox_of(stage))
    copies = Counter((taken.to, taken.text) for taken in stage.provider.taken)
    doubtful = figures.get('varde_in_doubt_total{channel="telegram"}', 0)
    assert sum(count - 1 for count in copies.values()) <= doubtful
    async with stage.db.read() as conn:
        shown = Counter((await conn.execute(select(store.served.c.conversation_id))).scalars())
        taken_in = Counter((await conn.execute(select(inbound.c.conversation_id))).scalars())
    assert set(taken_in.values()) == {1}
    assert set(shown.values()) == {1}
    assert len(shown) == len(taken_in) == len(clinicians)
    await chain_holds(stage)


async def write(stage: Stage, lines: list[Running], number: int) -> None:
    """Write to whichever process the load balancer chose; the provider repeats some webhooks to the other."""
    posted = (
        from_telegram(7700920000 + number, A_QUESTION, number)
        if number % 2
        else from_phone(f"+4790000{number:03d}", A_QUESTION, number)
    )
    await stage.post(lines[number % 2], posted)
    if number % 5 == 0:
        await stage.post(lines[0], posted)
