"""What staff do, from a button, an SMS or the desk: the first has it, and old codes are known as old."""

from __future__ import annotations

import asyncio

import pytest

from escalation import advisors, store
from escalation.advisors import Outcome
from escalation.on_duty import gather
from escalation.paging import Reply, Wish, read_reply, read_tap
from escalation.reach import store as reach_store
from escalation.standing import State, Urgency
from helpline import accounts
from helpline.messages import Channel
from tests.escalation.house import House
from tests.escalation.simulator import minutes


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("48213", Reply(Wish.TAKE, "48213")),
        (" 48213. ", Reply(None, "48213", rest=".")),
        ("[48213-2]", Reply(Wish.TAKE, "48213")),
        ("48213 nei", Reply(Wish.DECLINE, "48213", rest="nei")),
        ("48213 Nej!", Reply(Wish.DECLINE, "48213", rest="Nej!")),
        ("48213 ja", Reply(Wish.TAKE, "48213", rest="ja")),
        ("48213 slutt", Reply(Wish.CLOSE, "48213", rest="slutt")),
        ("48213 tillbaka", Reply(Wish.HAND_BACK, "48213", rest="tillbaka")),
        ("48213 til noor", Reply(Wish.ASK_COLLEAGUE, "48213", colleague="noor", rest="til noor")),
        ("48213 Har hun barn med seg?", Reply(None, "48213", rest="Har hun barn med seg?")),
        ("48213: ring meg", Reply(None, "48213", rest="ring meg")),
        ("1", Reply(Wish.TAKE, rest="1")),
        ("Nei", Reply(Wish.DECLINE, rest="Nei")),
        ("STOPP", Reply(Wish.STOP, rest="STOPP")),
        ("22 33 11 60", Reply(None, rest="22 33 11 60")),
        ("Hei, jeg er her", Reply(None, rest="Hei, jeg er her")),
        ("", Reply(None)),
    ],
)
def test_replies_are_read_by_their_form(text: str, reply: Reply) -> None:
    assert read_reply(text) == reply


def test_taps_are_ours_or_nothing() -> None:
    assert read_tap("page:take:ab12:3") == Reply(Wish.TAKE, page_id="ab12:3")
    assert read_tap("page:no:ab12:3") == Reply(Wish.DECLINE, page_id="ab12:3")
    assert read_tap("adv") is None
    assert read_tap("page:take:../etc") is None


async def test_taken_by_code_from_a_phone(house: House) -> None:
    opened = await house.open()
    code = opened.filed.code
    heard = await house.says("asha", code)
    assert heard.outcome is Outcome.TAKEN
    assert house.told[-1] == "En rådgiver har tatt saken og leser det du har skrevet."
    said = await house.sent_to("+4790000001")
    assert said[0].startswith(f"Sak {code} er din.")
    assert said[1] == f"Sammendrag {code}"


async def test_taken_by_button(house: House) -> None:
    opened = await house.open()
    heard = await house.says("asha", token=f"page:take:{opened.filed.id}:1", on=Channel.TELEGRAM)
    assert heard.outcome is Outcome.TAKEN
    assert [text for text in await house.sent_to("1001") if "er din" in text]


async def test_somebody_elses_button_does_nothing(house: House) -> None:
    opened = await house.open()
    heard = await house.says("noor", token=f"page:take:{opened.filed.id}:1")
    assert heard.outcome is Outcome.HELPED
    assert (await house.filed(opened.filed.id)).escalation.owner is None


async def test_two_take_it_in_the_same_instant(house: House) -> None:
    """ESC-29."""
    opened = await house.open()
    await house.tick(3)
    heard = await asyncio.gather(*(house.says(who, opened.filed.code) for who in ("asha", "noor", "maja")))
    outcomes = sorted(each.outcome for each in heard)
    assert outcomes == [Outcome.TAKEN, Outcome.TAKEN_BY_OTHER, Outcome.TAKEN_BY_OTHER]
    owner = (await house.filed(opened.filed.id)).escalation.owner
    for who, number in [("asha", "+4790000001"), ("noor", "+4790000002"), ("maja", "+4790000003")]:
        texts = await house.sent_to(number)
        assert len([text for text in texts if "er din" in text or "är ditt" in text]) == (who == owner)


async def test_whoever_comes_later_hears_who_has_it(house: House) -> None:
    opened = await house.open()
    await house.says("noor", opened.filed.code)
    heard = await house.says("asha", opened.filed.code)
    assert heard.outcome is Outcome.TAKEN_BY_OTHER
    assert f"Sak {opened.filed.code} er allerede tatt av Noor. Takk." in await house.sent_to("+4790000001")


async def test_the_desk_is_answered_on_the_desk(house: House) -> None:
    opened = await house.open()
    done = await house.takes("noor", opened.filed.id)
    assert done.outcome is Outcome.TAKEN
    assert await house.sent_to("+4790000002") == []
    assert (await house.takes("noor", opened.filed.id)).outcome is Outcome.ALREADY_YOURS
    late = await house.takes("asha", opened.filed.id)
    assert (late.outcome, late.owner_name) == (Outcome.TAKEN_BY_OTHER, "Noor")
    assert (await house.takes("asha", "nothing")).outcome is Outcome.UNKNOWN


async def test_reminder_goes_to_the_phone_of_whoever_took_it_on_the_desk(house: House) -> None:
    opened = await house.open()
    await house.takes("noor", opened.filed.id)
    await house.tick(10)
    [text] = await house.sent_to("+4790000002")
    assert text.startswith(f"Du tog ärende {opened.filed.code}")


async def test_owners_words_are_for_the_clinician(house: House) -> None:
    opened = await house.open()
    await house.says("asha", opened.filed.code)
    for text in ("Hei, jeg er her.", "ja", "2", "22331160"):
        heard = await house.says("asha", text)
        assert (heard.outcome, heard.words) == (Outcome.RELAY, text)
        assert heard.escalations[0].conversation_id == "c1"


async def test_with_two_the_code_says_which(house: House) -> None:
    first, second = await house.open("c1"), await house.open("c2")
    await house.says("asha", first.filed.code)
    await house.says("asha", second.filed.code)
    assert (await house.says("asha", "Hei")).outcome is Outcome.HELPED
    heard = await house.says("asha", f"{first.filed.code} Hei")
    assert (heard.outcome, heard.words) == (Outcome.RELAY, "Hei")
    assert heard.escalations[0].id == first.filed.id


async def test_code_of_an_ended_one_is_known_as_old(house: House) -> None:
    """ESC-27."""
    first = await house.open("c1")
    async with house.db.write() as conn:
        await advisors.close(conn, house.means, first.filed.id, "maja", house.now)
    second = await house.open("c2")
    heard = await house.says("asha", first.filed.code)
    assert heard.outcome is Outcome.ENDED
    texts = await house.sent_to("+4790000001")
    assert f"Sak {first.filed.code} er avsluttet. Koden gjelder ikke lenger." in texts
    assert [text for text in texts if text.startswith(f"Venter på svar fra deg: {second.filed.code}.")]
    assert (await house.filed(second.filed.id)).escalation.state is State.SEEKING


async def test_no_to_an_old_page_changes_nothing(house: House) -> None:
    """ESC-26."""
    opened = await house.open(urgency="routine")
    await house.tick()
    await house.tick(5)
    heard = await house.says("asha", token=f"page:no:{opened.filed.id}:1", on=Channel.TELEGRAM)
    assert heard.outcome is Outcome.OLD
    assert (await house.sent_to("1001"))[-1].startswith(f"Sak {opened.filed.code} er alt gått videre til Noor.")
    assert (await house.filed(opened.filed.id)).escalation.step == 1


async def test_no_by_sms_calls_the_next(house: House) -> None:
    opened = await house.open()
    heard = await house.says("asha", "nei")
    assert heard.outcome is Outcome.MOVED_ON
    assert [page.staff_id for page in await house.pages(opened.filed.id)] == ["asha", "asha", "noor"]


async def test_bare_yes_takes_the_only_one(house: House) -> None:
    opened = await house.open()
    assert (await house.says("asha", "ja")).outcome is Outcome.TAKEN
    assert (await house.filed(opened.filed.id)).escalation.owner == "asha"


async def test_bare_yes_to_two_is_asked_about(house: House) -> None:
    await house.open("c1")
    await house.open("c2")
    assert (await house.says("asha", "ja")).outcome is Outcome.HELPED


async def test_given_back_by_code(house: House) -> None:
    opened = await house.open()
    await house.says("asha", opened.filed.code)
    heard = await house.says("asha", f"{opened.filed.code} tilbake")
    assert heard.outcome is Outcome.MOVED_ON
    filed = await house.filed(opened.filed.id)
    assert filed.escalation.state is State.SEEKING
    assert house.told[-1].startswith("Rådgiveren kan ikke fortsette nå.")


async def test_colleague_is_asked_by_code_and_takes_over(house: House) -> None:
    opened = await house.open()
    code = opened.filed.code
    await house.says("asha", code)
    await house.says("asha", f"{code} til noor")
    await house.tick(1)
    [page] = [text for text in await house.sent_to("+4790000002") if "ta över efter Asha" in text]
    assert code in page
    assert (await house.filed(opened.filed.id)).escalation.owner == "asha"
    assert (await house.says("noor", code)).outcome is Outcome.TAKEN
    assert (await house.filed(opened.filed.id)).escalation.owner == "noor"
    assert house.told[-1].startswith("En annen rådgiver har tatt over")


async def test_nobody_of_that_name(house: House) -> None:
    opened = await house.open()
    await house.says("asha", opened.filed.code)
    heard = await house.says("asha", f"{opened.filed.code} til hvemsomhelst")
    assert heard.outcome is Outcome.REFUSED
    assert f"Jeg kan ikke nå hvemsomhelst. Sak {opened.filed.code} er fortsatt din." in await house.sent_to(
        "+4790000001"
    )


async def test_ended_by_code_by_its_owner_only(house: House) -> None:
    opened = await house.open()
    await house.says("asha", opened.filed.code)
    assert (await house.says("noor", f"{opened.filed.code} slut")).outcome is Outcome.REFUSED
    assert (await house.says("asha", f"{opened.filed.code} slutt")).outcome is Outcome.CLOSED
    assert (await house.filed(opened.filed.id)).escalation.state is State.CLOSED
    assert house.told[-1].startswith("Rådgiveren har avsluttet samtalen.")


async def test_noise_is_not_answered_for_ever(house: House) -> None:
    """ESC-35."""
    outcomes = [(await house.says("asha", f"tralala {number}")).outcome for number in range(10)]
    assert outcomes == [Outcome.HELPED] * 5 + [Outcome.SILENT] * 5
    opened = await house.open()
    await house.says("asha", opened.filed.code)
    await house.says("asha", f"{opened.filed.code} slutt")
    assert (await house.says("asha", "tralala")).outcome is Outcome.HELPED


async def test_asking_for_help_is_always_answered(house: House) -> None:
    for _ in range(8):
        assert (await house.says("asha", "hjelp")).outcome is Outcome.HELPED


async def test_stop_ends_messages_there_and_warns_the_coordinator(house: House) -> None:
    """ESC-34."""
    heard = await house.says("asha", "STOP", on=Channel.TELEGRAM)
    assert heard.outcome is Outcome.STOPPED
    assert [text for text in await house.sent_to("+4790000003") if text.startswith("Asha har sendt STOPP")]
    opened = await house.open()
    pages = await house.pages(opened.filed.id)
    assert [(page.channel, page.made_at) for page in pages] == [("sms", house.now)]
    assert (await house.says("asha", "START", on=Channel.TELEGRAM)).outcome is Outcome.STARTED
    second = await house.open("c2")
    assert [page.channel for page in await house.pages(second.filed.id)] == ["telegram"]


async def test_stop_while_being_paged_brings_the_next_way_forward(house: House) -> None:
    async with house.db.write() as conn:
        sms, telegram = house.contacts["asha"][Channel.SMS], house.contacts["asha"][Channel.TELEGRAM]
        await reach_store.set_rules(
            conn, "asha", Urgency.URGENT, [(telegram, minutes(0)), (sms, minutes(2)), (telegram, minutes(2.5))]
        )
    opened = await house.open()
    await house.says("asha", "STOP", on=Channel.SMS)
    await house.tick(2)
    assert [page.channel for page in await house.pages(opened.filed.id)] == ["telegram", "telegram"]


async def test_unverified_contact_is_never_used(house: House) -> None:
    """ESC-36."""
    async with house.db.write() as conn:
        for contact in await accounts.contacts(conn, house.vault, "asha"):
            await accounts.remove_contact(conn, contact.id)
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="asha",
            channel=accounts.ContactChannel.SMS,
            value="+4790000009",
            now=house.now,
        )
    opened = await house.open(urgency="routine")
    await house.tick(1)
    assert {page.staff_id for page in await house.pages(opened.filed.id)} == {"noor"}


async def test_norwegian_is_one_language_to_whoever_answers(house: House) -> None:
    async with house.db.read() as conn:
        present = await gather(conn, await store.policy(conn), house.now)
    assert present.staffing[Urgency.URGENT].languages["asha"] == {"nb", "nn"}
    assert present.staffing[Urgency.URGENT].languages["noor"] == {"sv", "en"}


async def test_coordinator_moves_it_up(house: House) -> None:
    opened = await house.open()
    async with house.db.write() as conn:
        await advisors.move_up(conn, house.means, opened.filed.id, "maja", house.now)
    assert (await house.filed(opened.filed.id)).escalation.step == 1


async def test_waiting_list_shows_what_is_most_pressing_first(house: House) -> None:
    routine = await house.open("c1", urgency="routine")
    urgent = await house.open("c2")
    taken = await house.open("c3")
    await house.takes("noor", taken.filed.id)
    async with house.db.read() as conn:
        listed = [filed.id for filed in await store.list_open(conn)]
    assert listed == [urgent.filed.id, routine.filed.id, taken.filed.id]
