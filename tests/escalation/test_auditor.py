"""The auditor: what it finds in planted faults, what it mends, whom it tells by which way, and what the world hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import delete, select, update

from escalation import advisors, auditor, auditor_store, heartbeat, store
from escalation.advisors import PageNews
from escalation.auditor import Fate, Fault, PageSeen, Watched, What
from escalation.heartbeat import Looked
from escalation.standing import Escalation, State
from escalation.store import PageState
from helpline import accounts, outbox
from helpline.accounts import ContactChannel
from helpline.messages import Channel
from helpline.settings import Secret
from tests.escalation.house import House
from tests.escalation.simulator import START, a_ladder, minutes


def waiting(**changed: Any) -> Escalation:
    """Somebody on the first step is being waited for."""
    usual: dict[str, Any] = {
        "id": "e1",
        "urgency": "urgent",
        "language": "nb",
        "ladder": a_ladder([[3, ["asha"]]]),
        "opened_at": START,
        "step": 0,
        "rung": 1,
        "step_due_at": START + minutes(3),
        "promise_at": START + minutes(3),
        "pages": 1,
    }
    return Escalation(**{**usual, **changed})


def taken(**changed: Any) -> Escalation:
    usual = {"state": State.TAKEN, "owner": "asha", "step_due_at": None, "promise_at": None, "waiting_since": START}
    return waiting(**{**usual, **changed})


def a_page(**changed: Any) -> PageSeen:
    usual: dict[str, Any] = {"number": 1, "rung": 1, "channel": "sms", "made_at": START, "fate": Fate.CALLED}
    return PageSeen(**{**usual, **changed})


def seen(escalation: Escalation | None, *pages: PageSeen, **changed: Any) -> Watched:
    shown = pages or (a_page(),)
    due_at = escalation.due_at if escalation is not None else START
    usual: dict[str, Any] = {"filed_due_at": due_at, "pages": shown, "pages_kept": len(shown)}
    return Watched("e1", escalation, **{**usual, **changed})


LAST_RESORT = {"state": State.LAST_RESORT, "promise_at": None, "step_due_at": START + minutes(10), "rung": 3}


@pytest.mark.parametrize(
    ("watched", "after", "faults"),
    [
        (seen(waiting()), 1, []),
        (seen(taken()), 1, []),
        (seen(taken(waiting_since=None, quiet_since=START)), 1, []),
        (seen(waiting(**LAST_RESORT), a_page(rung=3)), 9, []),
        (seen(None), 1, [What.UNREADABLE]),
        (seen(waiting(step_due_at=None)), 1, [What.NOTHING_PENDING]),  # a promise alone pages nobody
        (seen(waiting(step_due_at=None, shift_change_at=START + minutes(9))), 1, [What.NOTHING_PENDING]),
        (seen(waiting(**{**LAST_RESORT, "step_due_at": None}), a_page(rung=3)), 1, [What.NOTHING_PENDING]),
        (seen(taken(waiting_since=None)), 1, [What.NOTHING_PENDING]),
        (seen(taken(owner=None)), 1, [What.NO_OWNER]),
        (seen(waiting(), filed_due_at=None), 1, [What.MISFILED]),
        (seen(waiting(), filed_due_at=START + minutes(30)), 1, [What.MISFILED]),
        (seen(waiting(), filed_due_at=START + minutes(3.5)), 3, []),  # being worked on, under its lease
        (seen(waiting()), 5.9, []),
        (seen(waiting()), 6, [What.OVERDUE]),
        (seen(taken()), 13, [What.OVERDUE]),  # the first word was owed after ten minutes
        (seen(waiting(**LAST_RESORT), a_page(rung=3)), 13, [What.OVERDUE]),
        (seen(taken(), owner_works=False, owner_reachable=False), 1, [What.OWNER_LEFT]),
        (seen(taken(), owner_reachable=False), 1, [What.OWNER_UNREACHABLE]),
        (seen(waiting(pages=2)), 1, [What.PAGE_MISSING]),
        (seen(waiting(), a_page(fate=Fate.UNPOSTED)), 1, [What.PAGE_UNPOSTED]),
        (seen(waiting(step_due_at=START + minutes(60)), a_page(fate=Fate.ON_ITS_WAY)), 2.9, []),
        (seen(waiting(**LAST_RESORT), a_page(rung=3, fate=Fate.ON_ITS_WAY)), 5, [What.PAGE_UNSENT]),
        (seen(waiting(**LAST_RESORT), a_page(rung=3, fate=Fate.NOTHING)), 4.9, []),
        (seen(waiting(**LAST_RESORT), a_page(rung=3, fate=Fate.NOTHING)), 5, [What.NOBODY_CALLED]),
        (seen(waiting(**LAST_RESORT), a_page(rung=1)), 5, [What.NOBODY_CALLED]),  # an hour ago is no comfort
        (seen(waiting(**LAST_RESORT, pages=0), pages=(), pages_kept=0), 5, [What.NOBODY_CALLED]),
        (seen(taken(), a_page(fate=Fate.NOTHING)), 5, []),
        (seen(waiting(**LAST_RESORT), a_page(rung=3, fate=Fate.WITHDRAWN), a_page(rung=3)), 5, []),
    ],
)
def test_what_is_wrong(watched: Watched, after: float, faults: list[What]) -> None:
    assert [fault.what for fault in auditor.audit([watched], START + minutes(after))] == faults


def test_a_provider_by_which_nothing_gets_through_is_named() -> None:
    failed = [a_page(number=number, fate=Fate.NOTHING) for number in range(3)]
    watched = seen(waiting(), *failed, a_page(channel="telegram"))
    assert auditor.audit([watched], START + minutes(1)) == (
        Fault("twilio", What.PROVIDER_FAILS, frozenset({"twilio"})),
    )
    assert auditor.audit([seen(waiting(), *failed[1:], a_page(channel="telegram"))], START + minutes(1)) == ()
    assert auditor.audit([seen(waiting(), *failed, a_page(number=4))], START + minutes(1)) == ()


@pytest.mark.parametrize(
    "broken",
    [
        waiting(step_due_at=None),
        waiting(step_due_at=None, promise_at=None),
        waiting(**{**LAST_RESORT, "step_due_at": None}),
        taken(waiting_since=None),
        taken(waiting_since=None, has_replied=True),
        taken(owner=None),
    ],
)
def test_what_is_mended_moves_again(broken: Escalation) -> None:
    mended = auditor.heal(broken, START + minutes(1))
    assert mended.due_at is not None
    assert [fault.what for fault in auditor.audit([seen(mended)], START + minutes(1))] == []
    assert auditor.heal(mended, START + minutes(2)) == mended


# --- On the rows -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The address outside, which hears that all is well."""
    heard = World()
    await heard.begin()
    yield heard
    await heard.end()


class World:
    """Whoever watches from outside."""

    def __init__(self) -> None:
        self.beats = 0
        self.status = 200
        self.url = Secret("")
        app = web.Application()
        app.router.add_get("/ping/secret-key", self._beat)
        self._server = TestServer(app)

    async def begin(self) -> None:
        await self._server.start_server(access_log=None)
        self.url = Secret(str(self._server.make_url("/ping/secret-key")))

    async def end(self) -> None:
        await self._server.close()

    async def _beat(self, request: web.Request) -> web.Response:
        self.beats += 1
        return web.Response(status=self.status)


async def audits(house: House, later: float, world: World | None = None) -> Looked | None:
    house.after(later)
    return await heartbeat.tick(house.db, house.means, house.now, url=world.url if world is not None else None)


async def all_sent(house: House) -> None:
    """Every page is taken by its provider."""
    async with house.db.write() as conn:
        for outgoing in await outbox.claim_batch(conn, now=house.now, lease=minutes(1), limit=50):
            await outbox.start_attempt(conn, outgoing, attempt_id="a", now=house.now)
            await outbox.record_sent(conn, outgoing, provider_message_id=f"SM{outgoing.id}", now=house.now)
            if outgoing.page_id is not None:
                await advisors.pages_sent(conn, [outgoing.page_id], house.now)


async def spoil(house: House, escalation_id: str, **columns: Any) -> None:
    async with house.db.write() as conn:
        await conn.execute(update(store.escalations).where(store.escalations.c.id == escalation_id).values(**columns))


async def faults_of(house: House) -> list[tuple[What, bool, bool]]:
    async with house.db.read() as conn:
        rows = (await conn.execute(select(auditor_store._faults).order_by(auditor_store._faults.c.id))).all()
    return [(What(row.what), row.healed, row.over_at is not None) for row in rows]


async def alarms(house: House) -> list[tuple[str, Channel, str]]:
    """What the coordinators were told by the auditor: to whom, on what, and the words."""
    return [
        (outgoing.key.rpartition(":")[2], outgoing.channel, message.text)
        for outgoing, _, message in await house.post()
        if outgoing.key.startswith("alarm:audit")
    ]


async def test_all_is_well_and_the_world_hears_it_once_a_minute(house: House, world: World) -> None:
    await house.open()
    await all_sent(house)
    for later in (0, 0.25, 0.5, 0.75, 1, 1.5, 2):
        await audits(house, later, world)
    assert world.beats == 3  # at once, after one minute and after two
    assert await faults_of(house) == []
    assert await alarms(house) == []


async def test_of_several_processes_one_looks(house: House, world: World) -> None:
    first = await audits(house, 0, world)
    second = await audits(house, 0, world)
    assert first == Looked(beat=True)
    assert second is None
    assert world.beats == 1


async def test_nobody_outside_is_told_where_no_address_is_set(house: House) -> None:
    assert await audits(house, 0) == Looked()


async def test_an_address_that_does_not_answer_stops_nothing(house: House, world: World) -> None:
    world.status = 500
    assert await audits(house, 0, world) == Looked(beat=False)
    await world.end()
    assert await audits(house, 1, world) == Looked(beat=False)


async def test_one_without_an_instant_is_mended_and_moves(house: House, world: World) -> None:
    opened = await house.open()
    await all_sent(house)
    await spoil(house, opened.filed.id, due_at=None)
    assert not await house.tick(4)  # nobody would ever look at it again
    looked = await audits(house, 4, world)
    assert looked is not None
    assert looked.healed == (What.MISFILED,)
    assert world.beats == 0
    assert await house.tick(4)
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["asha", "asha", "noor"]
    await all_sent(house)
    await audits(house, 4.5, world)
    assert await faults_of(house) == [(What.MISFILED, True, True)]
    assert await alarms(house) == []  # mended before anybody had to be told
    assert world.beats == 1


async def test_one_with_nothing_pending_is_mended_and_moves(house: House) -> None:
    opened = await house.open()
    filed = await house.filed(opened.filed.id)
    lost = replace(filed.escalation, step_due_at=None, promise_at=None, planned=())
    await spoil(house, filed.id, standing=store.to_json(lost), due_at=None)
    looked = await audits(house, 1)
    assert looked is not None
    assert looked.healed == (What.NOTHING_PENDING,)
    assert await house.tick(1)
    assert (await house.filed(opened.filed.id)).escalation.step == 1


async def test_coordinators_are_told_once_and_when_it_is_over(house: House, world: World) -> None:
    opened = await house.open()
    await all_sent(house)
    for later in (6, 6.5, 7, 7.5):  # the watch is dead
        await audits(house, later, world)
    assert world.beats == 0
    assert [(who, words) for who, _, words in await alarms(house)] == [
        (
            "maja",
            f"Sak {opened.filed.code} skulle ha gått videre for flere minutter siden og står stille. "
            "Åpne vaktsiden, og be driften se på systemet.",
        )
    ]
    await house.tick(8)
    await all_sent(house)
    await audits(house, 8, world)
    await audits(house, 8.5, world)
    assert [words for _, _, words in await alarms(house)][1:] == [f"I orden igjen: {opened.filed.code}."]
    assert await faults_of(house) == [(What.OVERDUE, False, True)]
    assert world.beats == 1
    # The same again is a new fault, and told anew.
    await audits(house, 40, world)
    await audits(house, 40.5, world)
    assert len(await alarms(house)) == 3


@pytest.mark.parametrize(("fails", "told_on"), [(Channel.SMS, Channel.TELEGRAM), (Channel.TELEGRAM, Channel.SMS)])
async def test_the_alarm_goes_a_way_that_does_not_fail(house: House, fails: Channel, told_on: Channel) -> None:
    async with house.db.write() as conn:
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="maja",
            channel=ContactChannel.TELEGRAM,
            value="1003",
            now=START,
            verified=True,
        )
    opened = await house.open()
    await house.tick(1)
    for page in await house.pages(opened.filed.id):
        if page.channel == fails.value:
            continue
        async with house.db.write() as conn:
            await advisors.pages_sent(conn, [page.id], house.now)
    # What goes by that provider does not leave, and nobody moves it on.
    await audits(house, 6)
    await audits(house, 6.5)
    told = {words.split(":")[0]: channel for _, channel, words in await alarms(house)}
    assert told[f"Sak {opened.filed.code}"] is told_on


async def test_pages_that_vanished_are_missed(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        await conn.execute(delete(outbox._outbound).where(outbox._o.page_id.is_not(None)))
    assert await whats(house, 0) == [What.PAGE_UNPOSTED]
    async with house.db.write() as conn:
        await conn.execute(delete(store.pages).where(store.pages.c.escalation_id == opened.filed.id))
    assert await whats(house, 0.5) == [What.PAGE_MISSING]


async def test_pages_in_one_message_are_all_posted(house: House) -> None:
    for number in range(3):
        await house.open(f"c{number}", urgency="routine")
    await house.tick(0)
    assert len({page.code for page in [p for o in await opened_ids(house) for p in await house.pages(o)]}) == 1
    assert await whats(house, 0) == []


async def test_an_owner_who_left_or_cannot_be_reached(house: House) -> None:
    opened = await house.open()
    await all_sent(house)
    await house.takes("noor", opened.filed.id)
    async with house.db.write() as conn:
        await store.stop_contact(conn, house.contacts["noor"][Channel.SMS], house.now)
    assert await whats(house, 0) == [What.OWNER_UNREACHABLE]
    async with house.db.write() as conn:
        await conn.execute(update(accounts._staff).where(accounts._staff.c.id == "noor").values(active=False))
    before = len(house.told)
    assert await whats(house, 0.5) == [What.OWNER_LEFT]
    freed = (await house.filed(opened.filed.id)).escalation
    assert freed.owner is None  # and somebody else is sought, without waiting for a deadline of nobody's
    assert freed.state is State.SEEKING
    assert len(house.told) == before + 1
    assert What.OWNER_LEFT not in await whats(house, 1)


async def test_one_that_cannot_be_read_is_told_and_stops_nobody(house: House) -> None:
    opened = await house.open()
    other = await house.open("c2")
    await spoil(house, opened.filed.id, standing='{"id": 1}')
    await audits(house, 0.5)
    await audits(house, 1)
    assert [words.split(" kan ")[0] for _, _, words in await alarms(house)] == [f"Sak {opened.filed.code}"]
    await spoil(house, other.filed.id, due_at=None)
    assert await whats(house, 1.5) == [What.UNREADABLE, What.MISFILED]


async def test_where_everybody_refuses_somebody_hears_that_nobody_was_called(house: House) -> None:
    opened = await house.open()
    for later in range(16):
        await house.tick(later)
        for page in await house.pages(opened.filed.id):
            if page.state is PageState.MADE:
                async with house.db.write() as conn:
                    await advisors.page_reported(conn, house.means, page.id, PageNews.REFUSED, house.now)
    assert What.NOBODY_CALLED in await whats(house, 15.5)


async def test_what_is_long_over_is_forgotten(house: House) -> None:
    opened = await house.open()
    await spoil(house, opened.filed.id, due_at=None)
    await audits(house, 1)
    await audits(house, 2)
    async with house.db.write() as conn:
        assert await auditor_store.delete_older(conn, before=house.now) == 0
        assert await auditor_store.delete_older(conn, before=house.now + timedelta(seconds=1)) == 1


async def whats(house: House, later: float) -> list[What]:
    looked = await audits(house, later)
    assert looked is not None
    return [fault.what for fault in looked.faults]


async def opened_ids(house: House) -> list[str]:
    async with house.db.read() as conn:
        return [filed.id for filed in await store.list_open(conn)]
