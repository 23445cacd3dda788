"""Who is on call now, and what a coordinator should hear before it hurts."""

from __future__ import annotations

from datetime import timedelta

from escalation import store
from escalation.on_duty import Unfit, gather, what_is_wrong, who_is_on_call, who_may_not_hold_shifts
from escalation.reach import store as reach_store
from escalation.standing import Urgency
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from tests.escalation.house import House
from tests.escalation.simulator import START, minutes
from tests.escalation.stored import add_person

HALVES = {
    "rules": [
        {"target": "asha", "from": "08:00", "to": "20:00"},
        {"target": "noor", "from": "20:00", "to": "08:00"},
    ]
}


async def test_who_is_on_call_and_until_when(house: House) -> None:
    async with house.db.write() as conn:
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition=HALVES,
            valid_from=START,
            now=START,
            saved_by="maja",
        )
    async with house.db.read() as conn:
        [before] = await who_is_on_call(conn, START - minutes(1))
        [now] = await who_is_on_call(conn, START)
    assert (before.people, before.until) == (("asha",), START)  # the version before, until the new one begins
    assert (now.roster, now.people) == ("main", ("noor",))
    assert now.until == START + timedelta(hours=5)  # 08:00 in Oslo


async def test_past_rosters_are_remembered(house: House) -> None:
    async with house.db.write() as conn:
        for number, who in enumerate(("noor", "maja")):
            await store.save_roster(
                conn,
                name="main",
                zone="Europe/Oslo",
                definition={"rules": [{"target": who, "from": "00:00", "to": "00:00"}]},
                valid_from=START + minutes(number),
                now=START,
                saved_by="maja",
            )
    async with house.db.read() as conn:
        people = [(await who_is_on_call(conn, START + minutes(later)))[0].people for later in (-1, 0, 1)]
    assert people == [("asha",), ("noor",), ("maja",)]


async def test_own_rules_come_before_the_houses(house: House) -> None:
    sms = house.contacts["asha"][next(channel for channel in house.contacts["asha"] if channel.value == "sms")]
    async with house.db.write() as conn:
        await reach_store.set_rules(
            conn, "asha", Urgency.URGENT, [(sms, minutes(0)), (sms, minutes(2)), (999, minutes(0))]
        )
    async with house.db.read() as conn:
        present = await gather(conn, await store.policy(conn), START)
    ways = present.staffing[Urgency.URGENT].ways["asha"]
    assert [(way.after, way.contact) for way in ways] == [(minutes(0), str(sms)), (minutes(2), str(sms))]


async def test_whoever_has_left_is_not_called(house: House) -> None:
    async with house.db.write() as conn:
        await accounts.deactivate(conn, "asha")
    async with house.db.read() as conn:
        present = await gather(conn, await store.policy(conn), START)
    assert not present.staffing[Urgency.URGENT].reachable("asha")
    opened = await house.open()
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["noor"]


async def test_a_sound_house_has_nothing_to_hear(house: House) -> None:
    async with house.db.read() as conn:
        assert await what_is_wrong(conn, START) == []
        assert await who_may_not_hold_shifts(conn, frozenset({"asha", "noor"}), START) == []


async def test_what_is_wrong_is_said_in_plain_sentences(house: House) -> None:
    async with house.db.write() as conn:
        await add_person(conn, house.vault, "desk", (ContactChannel.DESK, "desk"), roles=[Role.ADVISOR])
        await add_person(conn, house.vault, "mute", roles=[Role.ADVISOR])
        for contact in await accounts.contacts(conn, house.vault, "maja"):
            await store.stop_contact(conn, contact.id, START)
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={
                "rules": [
                    {"target": "desk", "from": "08:00", "to": "20:00"},
                    {"target": "mute", "from": "08:00", "to": "20:00", "days": ["mon"]},
                    {"target": "gone", "from": "20:00", "to": "22:00"},
                ]
            },
            valid_from=START,
            now=START,
            saved_by="maja",
            starter=True,
        )
    async with house.db.read() as conn:
        said = await what_is_wrong(conn, START)
        refused = await who_may_not_hold_shifts(conn, frozenset({"mute", "gone", "asha"}), START)
    assert said[:5] == [
        "Nobody of the last resort can be reached: no verified contact.",
        'The roster "main" is the shipped one; replace it by your own.',
        'The roster "main" names "desk", who is called only on an open desk page.',
        'The roster "main" names "gone", who does not work here.',
        'The roster "main" names "mute", who has no verified contact that works.',
    ]
    assert said[5] == 'The roster "main" has nobody from 2026-11-22T02:00:00Z to 2026-11-22T07:00:00Z.'
    assert refused == [Unfit("gone", None), Unfit("mute", "Mute")]
