"""What an advisor can do from a telephone, and that no clinician ever gets words that were meant for another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from escalation import handover, seeking, shift_store, store
from escalation.advisors import Outcome
from escalation.closing import CaseOutcome, CloseReason, Closing
from escalation.hearing import Answered
from escalation.paging import Doing, case_token
from escalation.seeking import By
from escalation.standing import State
from helpline import accounts, audit
from helpline.messages import Channel, OutboundMessage
from tests.escalation.house import STEPS, House
from tests.escalation.simulator import START, minutes
from tests.escalation.stored import a_policy

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
TELEGRAM = Channel.TELEGRAM


async def last(house: House, number: str = "1001") -> OutboundMessage:
    """The last message to this address."""
    return [message for _, address, message in await house.post() if address.value == number][-1]


def labels(message: OutboundMessage) -> list[str]:
    return [choice.label for choice in message.choices]


def token_of(message: OutboundMessage, label: str) -> str:
    [token] = [choice.token for choice in message.choices if choice.label == label]
    return token


async def two_cases(house: House) -> tuple[str, str]:
    """Asha has two cases; their ids."""
    first, second = await house.open("c1"), await house.open("c2")
    for opened in (first, second):
        await house.says("asha", opened.filed.code, on=TELEGRAM)
    return first.filed.id, second.filed.id


# --- For whom ---------------------------------------------------------------------------------------------------------


async def test_a_reply_to_a_message_says_which_of_two(house: House) -> None:
    first, second = await two_cases(house)
    for id_ in (first, second):
        heard = await house.says("asha", "Hei, jeg er her.", on=TELEGRAM, answering=Answered(id_))
        assert (heard.outcome, heard.escalations[0].id, heard.words) == (Outcome.RELAY, id_, "Hei, jeg er her.")


async def test_a_reply_and_a_code_that_differ_are_asked_about(house: House) -> None:
    first, second = await two_cases(house)
    code = (await house.filed(second)).code
    heard = await house.says("asha", f"{code} Hei", on=TELEGRAM, answering=Answered(first))
    assert heard.outcome is Outcome.HELPED


async def test_a_reply_to_one_that_somebody_else_has_reaches_nobody(house: House) -> None:
    mine, theirs = await house.open("c1"), await house.open("c2")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    await house.says("noor", theirs.filed.code)
    heard = await house.says("asha", "Hei", on=TELEGRAM, answering=Answered(theirs.filed.id))
    assert heard.outcome is Outcome.REFUSED
    assert (await last(house)).text == f"Sak {theirs.filed.code} er hos Noor, så det du skrev, er ikke sendt."


async def test_a_code_that_somebody_else_has_reaches_nobody(house: House) -> None:
    mine, theirs = await house.open("c1"), await house.open("c2")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    await house.says("noor", theirs.filed.code)
    assert (await house.says("asha", f"{theirs.filed.code} Hei du", on=TELEGRAM)).outcome is Outcome.REFUSED


async def test_words_for_a_clinician_who_has_just_left_do_not_reach_the_next(house: House) -> None:
    """She writes to the first, who ends it that very moment; the second must not read it."""
    first, second = await two_cases(house)
    await house.says("asha", f"{(await house.filed(first)).code} Hei", on=TELEGRAM)
    async with house.db.write() as conn:
        await seeking.clinician_left(conn, house.means, "c1", house.now)
    house.after(1)
    heard = await house.says("asha", "Adressen er Storgata 5", on=TELEGRAM, said_id=77)
    assert heard.outcome is Outcome.HELPED
    question = await last(house)
    code = (await house.filed(second)).code
    assert "det er ikke sendt" in question.text
    meant = await house.says("asha", token=token_of(question, f"Til {code}"), on=TELEGRAM)
    assert (meant.outcome, meant.escalations[0].id, meant.earlier) == (Outcome.RELAY, second, 77)


async def test_once_she_has_written_to_the_one_left_she_is_not_asked_again(house: House) -> None:
    _, second = await two_cases(house)
    async with house.db.write() as conn:
        await seeking.clinician_left(conn, house.means, "c1", house.now)
    house.after(2)
    async with house.db.write() as conn:
        await seeking.note_reply(conn, second, By.STAFF, house.now, staff_id="asha")
    house.after(3)
    heard = await house.says("asha", "Og en ting til", on=TELEGRAM)
    assert (heard.outcome, heard.escalations[0].id) == (Outcome.RELAY, second)


async def test_what_she_ended_herself_raises_no_question(house: House) -> None:
    first, second = await two_cases(house)
    await house.says("asha", f"{(await house.filed(first)).code} slutt 1", on=TELEGRAM)
    heard = await house.says("asha", "Hei igjen", on=TELEGRAM)
    assert (heard.outcome, heard.escalations[0].id) == (Outcome.RELAY, second)


async def test_yes_to_a_page_is_not_said_to_the_clinician_she_has(house: House) -> None:
    """With one case and a page for another, "ja" could be either."""
    mine = await house.open("c1")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    await house.open("c2")
    heard = await house.says("asha", "ja", on=TELEGRAM)
    assert heard.outcome is Outcome.HELPED
    assert labels(await last(house))[-1].startswith("Ta ")
    assert (await house.says("asha", "Ja, det stemmer.", on=TELEGRAM)).outcome is Outcome.RELAY


async def test_yes_as_a_reply_to_a_page_takes_it_though_she_has_another(house: House) -> None:
    mine, other = await house.open("c1"), await house.open("c2")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    page = next(page for page in await house.pages(other.filed.id) if page.staff_id == "asha")
    heard = await house.says("asha", "ja", on=TELEGRAM, answering=Answered(other.filed.id, page.id))
    assert heard.outcome is Outcome.TAKEN
    assert (await house.filed(other.filed.id)).escalation.owner == "asha"


async def test_question_tapped_when_the_case_is_gone_says_so(house: House) -> None:
    first, _ = await two_cases(house)
    await house.says("asha", "hallo", on=TELEGRAM, said_id=5)
    token = case_token(Doing.SAY, first, "5")
    await house.says("asha", f"{(await house.filed(first)).code} tilbake", on=TELEGRAM)
    assert (await house.says("asha", token=token, on=TELEGRAM)).outcome is Outcome.REFUSED


async def test_words_that_only_look_like_a_request_reach_her(house: House) -> None:
    mine = await house.open("c1")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    heard = await house.says("asha", f"{mine.filed.code} snakk med", on=TELEGRAM)
    assert (heard.outcome, heard.words) == (Outcome.RELAY, "snakk med")


async def test_a_command_is_never_said_to_a_clinician(house: House) -> None:
    mine = await house.open("c1")
    await house.says("asha", mine.filed.code, on=TELEGRAM)
    for command in ("/saker", "/vakt", "/hjelp", "/noe annet"):
        assert (await house.says("asha", command, on=TELEGRAM)).outcome is Outcome.HELPED


# --- Seeing -----------------------------------------------------------------------------------------------------------


async def test_open_cases_stand_by_urgency_and_time_left(house: House) -> None:
    routine = await house.open("c1", urgency="routine")
    urgent = await house.open("c2")
    taken = await house.open("c3")
    await house.says("noor", taken.filed.code)
    house.after(2)
    await house.says("asha", "/saker", on=TELEGRAM)
    board = await last(house)
    lines = board.text.splitlines()
    assert lines[0] == "Åpne saker: 3."
    assert [line.split()[1] for line in lines[1:]] == [urgent.filed.code, routine.filed.code, taken.filed.code]
    assert lines[1].startswith(f"- {urgent.filed.code} · HASTER · norsk · Troms · i 2 min · svar innen ")
    assert lines[3].endswith("Noor")
    assert labels(board) == [f"Ta {urgent.filed.code}", f"Ta {routine.filed.code}", "Hvem er på vakt"]
    heard = await house.says("asha", token=token_of(board, f"Ta {urgent.filed.code}"), on=TELEGRAM)
    assert heard.outcome is Outcome.TAKEN


async def test_who_is_on_call_by_name(house: House) -> None:
    await house.says("asha", "vakt", on=TELEGRAM)
    assert (await last(house)).text == "main: Asha"


async def test_only_who_works_with_cases_sees_them(house: House) -> None:
    await house.open("c1")
    async with house.db.write() as conn:
        await accounts.change_staff(conn, "noor", roles=[accounts.Role.EDITOR])
    await house.says("noor", "/saker")
    assert "ärenden" not in (await last(house, "+4790000002")).text


async def test_reading_the_brief_is_written_down_and_only_for_whoever_has_it(house: House) -> None:
    opened = await house.open("c1")
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("asha", f"{opened.filed.code} les", on=TELEGRAM)
    async with house.db.read() as conn:
        entries = [entry for entry in await audit.entries(conn) if entry.action == "conversation_viewed"]
    assert [entry.actor for entry in entries] == ["staff:asha"]
    texts = await house.sent_to("1001")
    assert texts.count(f"Sammendrag {opened.filed.code}") == 2
    await house.says("noor", f"{opened.filed.code} läs")
    assert (await last(house, "+4790000002")).text == f"Ärende {opened.filed.code} är inte hos dig utan hos Asha."


# --- Passing on -------------------------------------------------------------------------------------------------------


async def test_passed_on_by_buttons_to_a_colleague(house: House) -> None:
    opened = await house.open("c1")
    id_ = opened.filed.id
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("asha", token=case_token(Doing.PASS, id_), on=TELEGRAM)
    question = await last(house)
    assert labels(question) == ["Spør neste trinn", "Noor", "Gi den fra meg"]
    heard = await house.says("asha", token=token_of(question, "Noor"), on=TELEGRAM)
    assert heard.outcome is Outcome.MOVED_ON
    filed = await house.filed(id_)
    assert (filed.escalation.owner, filed.escalation.handover and filed.escalation.handover.asked) == (
        "asha",
        ("noor",),
    )
    told = await last(house)
    assert told.text == f"Noor er spurt om å ta over sak {opened.filed.code}. Den er din til noen sier ja."
    assert (await house.says("asha", token=token_of(told, "Behold den"), on=TELEGRAM)).outcome is Outcome.MOVED_ON
    assert (await house.filed(id_)).escalation.handover is None


async def test_passed_on_to_the_next_step_stays_hers_until_taken(house: House) -> None:
    opened = await house.open("c1")
    code = opened.filed.code
    await house.says("asha", code, on=TELEGRAM)
    assert (await house.says("asha", f"{code} videre", on=TELEGRAM)).outcome is Outcome.MOVED_ON
    await house.says("asha", f"{code} videre", on=TELEGRAM)  # a second thumb asks nobody twice
    await house.tick(1)
    assert [page.staff_id for page in await house.pages(opened.filed.id) if page.reason == "handover"] == ["noor"]
    assert (await house.filed(opened.filed.id)).escalation.owner == "asha"
    assert (await house.says("noor", code)).outcome is Outcome.TAKEN
    assert (await house.filed(opened.filed.id)).escalation.owner == "noor"
    assert not [text for text in house.told if text.startswith("Rådgiveren kan ikke")]


@pytest.mark.parametrize("doing", [Doing.PASS, Doing.END, Doing.BACK, Doing.NEXT, Doing.KEEP, Doing.DUE, Doing.ENDED])
async def test_a_button_of_a_case_that_has_moved_on_says_so_kindly(house: House, doing: Doing) -> None:
    opened = await house.open("c1")
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("asha", f"{opened.filed.code} tilbake", on=TELEGRAM)
    await house.says("noor", opened.filed.code)
    before = (await house.filed(opened.filed.id)).escalation
    await house.says("asha", token=case_token(doing, opened.filed.id), on=TELEGRAM)
    assert (await last(house)).text == f"Sak {opened.filed.code} er ikke hos deg, men hos Noor."
    assert (await house.filed(opened.filed.id)).escalation == before


# --- Ending -----------------------------------------------------------------------------------------------------------


async def closing(house: House, id_: str) -> Closing | None:
    async with house.db.read() as conn:
        closed = await shift_store.closing_of(conn, id_)
    return closed.closing if closed is not None else None


async def test_ended_by_buttons_with_how_it_ended_and_whether_knowledge_was_missing(house: House) -> None:
    opened = await house.open("c1")
    id_ = opened.filed.id
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("asha", token=case_token(Doing.END, id_), on=TELEGRAM)
    question = await last(house)
    assert (await house.filed(id_)).escalation.open
    heard = await house.says("asha", token=token_of(question, "henvist videre"), on=TELEGRAM)
    assert heard.outcome is Outcome.CLOSED
    assert await closing(house, id_) == Closing(CloseReason.FINISHED, CaseOutcome.REFERRED, None)
    asked = await last(house)
    assert asked.text == f"Sak {opened.filed.code} er avsluttet: henvist videre. Manglet linja kunnskap?"
    await house.says("asha", token=token_of(asked, "Ja, noe manglet"), on=TELEGRAM)
    assert await closing(house, id_) == Closing(CloseReason.FINISHED, CaseOutcome.REFERRED, True)
    async with house.db.read() as conn:
        said = [event.details for event in await store.history(conn, id_) if event.kind == "ended_as"]
    assert said[-1] == {"reason": "finished", "outcome": "referred", "knowledge_missing": True}


async def test_ended_by_sms_in_one_go_or_said_afterwards(house: House) -> None:
    first, second = await house.open("c1"), await house.open("c2")
    for opened in (first, second):
        await house.says("noor", opened.filed.code)
    await house.says("noor", f"{first.filed.code} slut 1 saknas")
    assert await closing(house, first.filed.id) == Closing(CloseReason.FINISHED, CaseOutcome.ANSWERED, True)
    await house.says("noor", f"{second.filed.code} slut")
    assert await closing(house, second.filed.id) == Closing()
    assert "Hur slutade det?" in (await last(house, "+4790000002")).text
    assert (await house.says("noor", f"{second.filed.code} slut 3")).outcome is Outcome.CLOSED
    assert await closing(house, second.filed.id) == Closing(CloseReason.TAKEN_ELSEWHERE, CaseOutcome.EMERGENCY, None)
    house.after(60 * 25)
    await house.says("noor", f"{second.filed.code} slut 5")
    assert await closing(house, second.filed.id) == Closing(CloseReason.TAKEN_ELSEWHERE, CaseOutcome.EMERGENCY, None)


async def test_nobody_else_says_how_it_ended(house: House) -> None:
    opened = await house.open("c1")
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("asha", f"{opened.filed.code} slutt 1", on=TELEGRAM)
    await house.says("noor", token=case_token(Doing.ENDED, opened.filed.id, "mistake"))
    assert (await closing(house, opened.filed.id) or Closing()).outcome is CaseOutcome.ANSWERED


# --- Afterwards -------------------------------------------------------------------------------------------------------


async def test_a_day_is_set_by_button_and_by_code(house: House) -> None:
    opened = await house.open("c1")
    code = opened.filed.code
    await house.says("asha", code, on=TELEGRAM)
    await house.says("asha", token=case_token(Doing.DUE, opened.filed.id), on=TELEGRAM)
    await house.says("asha", token=token_of(await last(house), "Om 3 d"), on=TELEGRAM)
    async with house.db.read() as conn:
        [found] = await shift_store.follow_ups_of(conn, "asha", house.now)
    assert (found.code, found.due_at.isoformat()) == (code, "2026-11-25T08:00:00+00:00")
    await house.says("asha", f"{code} følg 30.11", on=TELEGRAM)
    async with house.db.read() as conn:
        [found] = await shift_store.follow_ups_of(conn, "asha", house.now)
    assert found.due_at.isoformat() == "2026-11-30T08:00:00+00:00"
    await house.says("asha", f"{code} fulgt", on=TELEGRAM)
    async with house.db.read() as conn:
        assert await shift_store.follow_ups_of(conn, "asha", house.now) == []


async def test_somebody_elses_case_is_not_followed_up(house: House) -> None:
    opened = await house.open("c1")
    await house.says("asha", opened.filed.code, on=TELEGRAM)
    await house.says("noor", f"{opened.filed.code} följ 3")
    async with house.db.read() as conn:
        assert await shift_store.follow_ups_of(conn, "noor", house.now) == []


async def test_a_wish_to_talk_reaches_the_coordinator_by_day_and_says_nothing_of_why(house: House) -> None:
    opened = await house.open("c1")
    code = opened.filed.code
    await house.says("asha", code, on=TELEGRAM)
    await house.says("asha", f"{code} prat", on=TELEGRAM)
    await house.says("asha", token=case_token(Doing.HARD, opened.filed.id), on=TELEGRAM)
    written = [(row, message) for row, address, message in await house.post() if address.value == "+4790000003"]
    [(row, message)] = [each for each in written if "Snakk med" in each[1].text]
    assert message.text == f"Snakk med Asha etter sak {code}. Merk det på vaktsiden når det er gjort."
    assert row.due_at is not None
    assert row.due_at.isoformat() == "2026-11-22T07:00:00+00:00"  # eight in the morning in Oslo
    async with house.db.write() as conn:
        [flagged] = await shift_store.open_debriefs(conn)
        assert (flagged.staff_id, flagged.flagged_by, flagged.code) == ("asha", "asha", code)
        assert await shift_store.talked_through(conn, opened.filed.id, "asha", "maja", house.now)
        assert await shift_store.open_debriefs(conn) == []
        assert not await shift_store.talked_through(conn, opened.filed.id, "asha", "maja", house.now)


# --- The change of shift ----------------------------------------------------------------------------------------------


async def change_of_shift(house: House, at: float) -> None:
    """Noor's shift begins so many minutes after the start."""
    async with house.db.write() as conn:
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "noor", "from": "00:00", "to": "00:00"}]},
            valid_from=START + minutes(at),
            now=house.now,
            saved_by="test",
        )
    await house.tick(at)


async def test_one_packet_holds_all_that_is_open_and_each_is_accepted_by_itself(house: House) -> None:
    urgent, routine = await house.open("c1"), await house.open("c2", urgency="routine")
    await house.tick()
    for opened in (routine, urgent):
        await house.says("asha", opened.filed.code, on=TELEGRAM)
    await change_of_shift(house, 5)
    packets = [text for text in await house.sent_to("+4790000002") if "Ditt pass har börjat" in text]
    assert len(packets) == 1
    lines = packets[0].splitlines()
    assert "väntar på att du tar över: 2." in lines[0]
    assert f"- {urgent.filed.code} · BRÅTTOM · norska · Troms · i 5 min" in packets[0]
    assert all(line.endswith("hos Asha") for line in lines[1:3])
    async with house.db.read() as conn:
        offered = await handover.packet_for(conn, "noor", house.now)
        assert await handover.packet_for(conn, "asha", house.now) == ()
    assert [(offer.code, offer.owner, offer.urgent) for offer in offered] == [
        (urgent.filed.code, "asha", True),
        (routine.filed.code, "asha", False),
    ]
    message = await last(house, "+4790000002")
    heard = await house.says("noor", token=token_of(message, f"Ta {routine.filed.code}"))
    assert heard.outcome is Outcome.TAKEN
    assert (await house.filed(routine.filed.id)).escalation.owner == "noor"
    assert (await house.filed(urgent.filed.id)).escalation.owner == "asha"  # hers until it is accepted too
    assert f"Noor har tatt over sak {routine.filed.code}. Takk." in await house.sent_to("1001")
    # The label of the packet is no consent to all of it.
    label = packets[0].split("]")[0].removeprefix("[")
    assert (await house.says("noor", label)).outcome is Outcome.HELPED
    assert (await house.filed(urgent.filed.id)).escalation.owner == "asha"


async def test_on_the_phone_each_is_offered_in_a_page_of_its_own(house: House) -> None:
    """A key answers for all of a call, so no call speaks for several that are to be accepted one by one."""
    async with house.db.write() as conn:
        for contact in await accounts.contacts(conn, house.vault, "noor"):
            await accounts.remove_contact(conn, contact.id)
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="noor",
            channel=accounts.ContactChannel.CALL,
            value="+4790000022",
            now=house.now,
            verified=True,
        )
    policy = a_policy(STEPS, last_resort=["role:coordinator"])
    policy["personal"] = {urgency: {"sms": 0, "telegram": 0, "call": 0} for urgency in ("urgent", "routine")}
    async with house.db.write() as conn:
        await store.save_ladders(conn, definition=policy, now=house.now, saved_by="test")
    first, second = await house.open("c1"), await house.open("c2")
    for opened in (first, second):
        await house.says("asha", opened.filed.code, on=TELEGRAM)
    await change_of_shift(house, 2)
    called = [row for row, address, _ in await house.post() if address.value == "+4790000022" and row.page_id]
    assert {row.escalation_id for row in called} == {first.filed.id, second.filed.id}


async def test_what_is_not_accepted_is_brought_to_mind_and_then_climbs(house: House) -> None:
    opened = await house.open("c1")
    code = opened.filed.code
    await house.says("asha", code, on=TELEGRAM)
    async with house.db.write() as conn:
        await seeking.note_reply(conn, opened.filed.id, By.STAFF, house.now)
    await change_of_shift(house, 2)
    await house.tick(7)
    assert [text for text in await house.sent_to("+4790000002") if text.startswith(f"Ärende {code} väntar fortfarande")]
    async with house.db.read() as conn:
        told = [event.details for event in await store.history(conn, opened.filed.id) if event.kind == "advisor_told"]
    assert [each["staff"] for each in told if each["word"] == "over_waits"] == ["noor"]
    assert (await house.filed(opened.filed.id)).escalation.owner == "asha"


async def test_when_it_ends_whoever_was_asked_to_take_over_hears_it(house: House) -> None:
    opened = await house.open("c1")
    code = opened.filed.code
    await house.says("asha", code, on=TELEGRAM)
    await house.says("asha", f"{code} til noor", on=TELEGRAM)
    await house.says("asha", f"{code} slutt 1", on=TELEGRAM)
    assert f"Ärende {code} är avslutat. Du behöver inte göra något." in await house.sent_to("+4790000002")
    filed = await house.filed(opened.filed.id)
    assert filed.escalation.state is State.CLOSED
    assert filed.closed_at is not None
    assert filed.closed_at - START < timedelta(minutes=1)
