"""A clinician asks for an advisor: she is told at once, one is woken, and there is never a second escalation."""

from __future__ import annotations

import asyncio

import pytest

from escalation import seeking, store
from escalation.seeking import By
from escalation.standing import State
from helpline import audit
from helpline.messages import Channel, Country, Language
from helpline.outbox import OutboundKind
from tests.escalation.house import House
from tests.escalation.simulator import START, minutes


async def test_she_is_told_at_once_by_when_she_hears(house: House) -> None:
    opened = await house.open()
    assert house.told == [
        "Jeg finner en rådgiver til deg. Du hører fra oss senest 03:07. Du kan fortsette å skrive så lenge."
    ]
    assert opened.new
    assert opened.filed.escalation.promise_at == START + minutes(7)


async def test_urgent_pages_go_out_with_the_opening_itself(house: House) -> None:
    opened = await house.open()
    [(outgoing, address, message)] = await house.post()
    assert outgoing.kind is OutboundKind.PAGE
    assert outgoing.urgent
    assert address.channel is Channel.TELEGRAM
    code = opened.filed.code
    assert outgoing.tag == f"[{code}-1]"
    assert message.text == (
        f"[{code}-1] HASTER. En kliniker trenger rådgiver nå. Språk: norsk. Sted: Troms. "
        f"Svar {code} for å ta den, {code} nei om du ikke kan."
    )
    assert [choice.token for choice in message.choices] == [
        f"page:take:{opened.filed.id}:1",
        f"page:no:{opened.filed.id}:1",
    ]


async def test_routine_pages_go_out_with_the_next_tick(house: House) -> None:
    await house.open(urgency="routine")
    assert await house.post() == []
    await house.tick()
    [(outgoing, _, message)] = await house.post()
    assert not outgoing.urgent
    assert "HASTER" not in message.text


async def test_second_plea_returns_the_open_one_and_is_not_silent(house: House) -> None:
    first = await house.open(urgency="routine")
    again = await house.open(urgency="routine")
    assert not again.new
    assert again.filed.id == first.filed.id
    assert len(house.told) == 2
    await house.tick()
    assert len(await house.pages(first.filed.id)) == 1


async def test_danger_raises_what_waits_and_pages_at_once(house: House) -> None:
    first = await house.open(urgency="routine")
    await house.tick()
    house.after(1)
    again = await house.open(urgency="urgent")
    assert again.filed.id == first.filed.id
    assert again.filed.escalation.urgency == "urgent"
    pages = await house.pages(first.filed.id)
    assert [page.number for page in pages] == [1, 2]
    texts = await house.sent_to("1001")
    assert "HASTER" in texts[-1]
    assert "Det er bedt om hjelp 2 ganger." in texts[-1]


async def test_two_processes_open_one_escalation(house: House) -> None:
    opened = await asyncio.gather(*(house.open() for _ in range(4)))
    assert len({each.filed.id for each in opened}) == 1
    assert sum(each.new for each in opened) == 1
    assert len(await house.pages(opened[0].filed.id)) == 1


async def test_closed_one_is_followed_by_a_new_one_with_another_code(house: House) -> None:
    first = await house.open()
    async with house.db.write() as conn:
        await seeking.clinician_left(conn, house.means, "c1", house.now)
    second = await house.open()
    assert second.new
    assert second.filed.id != first.filed.id
    assert second.filed.code != first.filed.code


async def test_calling_it_off_lets_those_who_were_woken_sleep(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        filed = await seeking.clinician_left(conn, house.means, "c1", house.now)
        assert await seeking.clinician_left(conn, house.means, "c1", house.now) is None
    assert filed is not None
    assert filed.escalation.state is State.WITHDRAWN
    code = opened.filed.code
    # The page had not left yet and is taken back; what tells Asha to put the phone down is all she gets.
    assert await house.sent_to("1001") == [f"Sak {code} er avsluttet. Du trenger ikke å gjøre noe."]
    assert await house.tick(60) == 0


async def test_nobody_reached_is_said_plainly_with_what_to_do(house: House) -> None:
    await house.open()
    await house.tick(3)
    await house.tick(7)
    assert house.told[-1].startswith("Vi har ikke fått tak i noen rådgiver.")
    assert "113" in house.told[-1]
    assert "22 33 11 60" in house.told[-1]
    sms = await house.sent_to("+4790000003")
    assert [text for text in sms if "ingen har svart på noe trinn" in text]
    assert [text for text in sms if "Ingen andre har svart på" in text]


@pytest.mark.parametrize(
    ("country", "language", "words"),
    [
        (Country.SE, Language.SV, ("112", "114 14", "020-390 000")),
        (Country.NO, Language.EN, ("113", "116 117", "22 33 11 60")),
    ],
)
async def test_what_to_do_depends_on_the_country(
    house: House, country: Country, language: Language, words: tuple[str, ...]
) -> None:
    await house.open(country=country, language=language)
    await house.tick(3)
    await house.tick(7)
    assert all(word in house.told[-1] for word in words)
    assert "22 33 11 60" not in house.told[-1] or country is Country.NO


async def test_promise_is_a_whole_minute_and_kept_to_the_end_of_the_ladder(house: House) -> None:
    house.now += minutes(0.2)
    opened = await house.open()
    assert opened.filed.escalation.promise_at == START + minutes(8)
    assert "03:08" in house.told[0]


async def test_her_language_may_change_while_she_waits(house: House) -> None:
    await house.open()
    async with house.db.write() as conn:
        await seeking.note_language(conn, "c1", Language.EN, house.now)
    await house.tick(3)
    await house.tick(7)
    assert house.told[-1].startswith("We have not reached any advisor.")


async def test_replies_move_the_deadlines(house: House) -> None:
    opened = await house.open()
    await house.takes("asha", opened.filed.id)
    async with house.db.write() as conn:
        assert not await seeking.note_reply(conn, opened.filed.id, By.STAFF, house.now, staff_id="noor")
        assert await seeking.note_reply(conn, opened.filed.id, By.STAFF, house.now, staff_id="asha")
        assert await seeking.note_reply(conn, opened.filed.id, By.CLINICIAN, house.after(20))
        assert not await seeking.note_reply(conn, opened.filed.id, By.CLINICIAN, house.after(21))
        assert not await seeking.note_reply(conn, "nothing", By.CLINICIAN, house.now)
    filed = await house.filed(opened.filed.id)
    assert filed.escalation.due_at == START + minutes(35)


async def test_every_step_is_in_the_history_and_the_trail(house: House) -> None:
    opened = await house.open()
    await house.tick(3)
    await house.takes("noor", opened.filed.id)
    async with house.db.read() as conn:
        kinds = [event.kind for event in await store.history(conn, opened.filed.id)]
        trail = [entry.action for entry in await audit.entries(conn, subject=f"escalation:{opened.filed.id}")]
        assert await audit.verify(conn) is None
    assert kinds[:3] == ["opened", "paged", "clinician_told"]
    assert "acknowledged" in kinds
    assert trail[-1] == "escalation_opened"
    assert "escalation_acknowledged" in trail


async def test_nothing_is_kept_for_longer_than_said(house: House) -> None:
    first = await house.open("c1")
    async with house.db.write() as conn:
        await seeking.clinician_left(conn, house.means, "c1", house.now)
    second = await house.open("c2")
    async with house.db.write() as conn:
        assert await store.delete_older(conn, before=house.now) == 0
        assert await store.delete_older(conn, before=house.now + minutes(1)) == 1
    async with house.db.read() as conn:
        assert await store.find(conn, first.filed.id) is None
        assert await store.pages_of(conn, first.filed.id) == []
        assert await store.history(conn, first.filed.id) == []
        assert await store.meaning_of(conn, first.filed.code, "asha") is None
        assert await store.find(conn, second.filed.id) is not None
        assert await store.meaning_of(conn, second.filed.code, "asha") is not None
