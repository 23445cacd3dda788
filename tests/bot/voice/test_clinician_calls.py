"""A clinician calls: heard from her side, through Twilio's requests, with the same engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import select

from bot import caller_store
from bot import store as conversations
from bot.inbox import take_in
from bot.voice import store as calls
from bot.voice import talk
from escalation import store as escalations
from escalation.standing import State
from escalation.store import Filed
from helpline import inbox, outbox
from helpline.messages import Address, Channel, InboundKind, InboundMessage
from helpline.storage import StorageBusy
from tests.bot.voice.conftest import ASHA, NOOR, Telephone
from tests.phone import Document, Placed

SHE = "+4790000010"  # a mobile number
WARD = "+4722000010"  # a telephone on a wall, which takes no SMS
SWEDISH = "+46701740610"
HIDDEN = "anonymous"
ASKED = "har pasienten rett til tolk"
LINE_IN_SWEDEN = "+46850000000"


class Ward:
    """Her side of the line."""

    def __init__(self, telephone: Telephone) -> None:
        self.t = telephone

    async def during(self, knock: Awaitable[Document]) -> Document:
        """What she hears, the line doing its work meanwhile."""
        asking = asyncio.ensure_future(knock)
        while not asking.done():
            await self.t.line.settle()
            await asyncio.wait([asking], timeout=0.002)
        return asking.result()

    async def calls(self, number: str = SHE, *, called: str | None = None) -> tuple[Placed, Document]:
        call = await self.t.exchange.calls_in(number) if called is None else await self._calls(number, called)
        return call, call.heard[-1]

    async def _calls(self, number: str, called: str) -> Placed:
        call = Placed(f"CA{len(self.t.exchange.calls) + 500:032x}", called, number, "", self.t.now, {}, inbound=True)
        call.fields = {"StatusCallback": [f"{self.t.exchange.public_url}/twilio/status"]}
        self.t.exchange.calls.append(call)
        await self.t.exchange.fetches(call, f"{self.t.exchange.public_url}/twilio/voice")
        call.status = "in-progress"
        return call

    async def says(self, call: Placed, words: str, *, confidence: float = 0.9) -> Document:
        return await self.during(self.t.exchange.says(call, words, confidence=confidence))

    async def presses(self, call: Placed, digits: str) -> Document:
        return await self.during(self.t.exchange.presses(call, digits))

    async def waits(self, call: Placed, seconds: float = 20) -> Document:
        """A round without a word from her."""
        await self.t.pass_(seconds=seconds)
        return await self.during(self.t.exchange.is_silent(call))

    async def hangs_up(self, call: Placed) -> None:
        await self.t.exchange.hangs_up(call)
        await self.t.line.settle()

    async def open_escalation(self, number: str = SHE) -> Filed | None:
        async with self.t.line.house.db.read() as conn:
            found = await conversations.find_by_address(
                conn, self.t.line.house.vault.fingerprint_of(Address(Channel.CALL, number))
            )
            return await escalations.find_open(conn, found.id) if found is not None else None

    async def sought(self, number: str = SHE) -> Filed:
        filed = await self.open_escalation(number)
        assert filed is not None
        return filed

    def texts(self, number: str = SHE) -> list[str]:
        """What she got by SMS."""
        return [taken.text for taken in self.t.exchange.taken if taken.to == number]

    def rings(self, number: str = SHE) -> list[Placed]:
        """The calls that the line made to this number."""
        return [call for call in self.t.exchange.calls if call.to == number and not call.inbound]

    async def conversation(self, number: str = SHE) -> str:
        async with self.t.line.house.db.read() as conn:
            found = await conversations.find_by_address(
                conn, self.t.line.house.vault.fingerprint_of(Address(Channel.CALL, number))
            )
        assert found is not None
        return str(found.id)


@pytest.fixture
def ward(telephone: Telephone) -> Ward:
    return Ward(telephone)


# --- the beginning ---------------------------------------------------------------------------------------------------


async def test_she_is_greeted_in_the_language_of_the_number_with_the_emergency_number_first(ward: Ward) -> None:
    _, heard = await ward.calls()
    assert "rådgivningslinja" in heard.words
    assert heard.words.index("1 1 2") < heard.words.index("Si hva du lurer på")
    assert "1 1 3" in heard.words
    assert "trykk 0" in heard.words
    assert heard.gather is not None
    assert heard.gather["input"] == "dtmf speech"
    assert heard.gather["language"] == "nb-NO"
    assert "menneskehandel" in heard.gather["hints"]


async def test_swedens_number_answers_in_swedish_and_names_its_own_emergency_number(ward: Ward) -> None:
    _, heard = await ward.calls(SWEDISH, called=LINE_IN_SWEDEN)
    assert "rådgivningslinjen" in heard.words
    assert "1 1 2" in heard.words
    assert "1 1 3" not in heard.words
    assert heard.gather is not None
    assert heard.gather["language"] == "sv-SE"


async def test_a_language_is_chosen_by_a_key_and_remembered(ward: Ward) -> None:
    call, heard = await ward.calls()
    assert "For English, press 9" in heard.words
    heard = await ward.presses(call, "9")
    assert "English" in heard.words
    assert heard.gather is not None
    assert heard.gather["language"] == "en-GB"
    await ward.hangs_up(call)
    _, heard = await ward.calls()
    assert "advice line" in heard.words


async def test_nynorsk_is_spoken_by_the_voice_of_bokmal(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "nynorsk")
    await ward.hangs_up(call)
    _, heard = await ward.calls()
    assert "rådgjevingslinja" in heard.words
    assert "nb-NO" in heard.languages


async def test_nothing_is_recorded(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    for document in call.heard:
        assert not list(document.root.iter("Record"))
        assert all(part.attrib.get("record", "do-not-record") == "do-not-record" for part in document.root.iter())
        assert all("transcribe" not in name for part in document.root.iter() for name in part.attrib)


# --- questions and answers -------------------------------------------------------------------------------------------


async def test_a_question_is_answered_aloud_with_its_source(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, ASKED)
    assert "Kilde" in heard.words
    assert "november 2026" in heard.words
    assert "§" not in heard.words
    assert "http" not in heard.words
    for key in ("trykk 1", "trykk 2", "trykk 3", "trykk 0"):
        assert key in heard.words


async def test_one_repeats_the_answer_word_for_word(ward: Ward) -> None:
    call, _ = await ward.calls()
    first = await ward.says(call, ASKED)
    again = await ward.presses(call, "1")
    assert again.words == first.words


async def test_another_question_is_asked_by_key_or_simply_by_asking(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    heard = await ward.presses(call, "3")
    assert "neste" in heard.words
    heard = await ward.says(call, "hva er refleksjonsperiode")
    assert "Svaret gjelder" in heard.words
    assert "Refleksjonsperioden" in heard.words
    heard = await ward.says(call, ASKED)
    assert "Kilde" in heard.words


async def test_a_clarifying_question_is_read_as_keys(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "hva er refleksjonsperiode")
    heard = await ward.presses(call, "4")
    assert "Hvor er pasienten" in heard.words
    assert "trykk 0" in heard.words
    heard = await ward.says(call, "Oslo")
    assert "Kvinne: trykk 1" in heard.words
    for _ in range(2):
        heard = await ward.presses(call, "1")
    assert "ROSA" in heard.words
    assert "22, 33, 11, 60" in heard.words
    assert len(heard.words.split()) < 120  # what can be borne by ear
    assert (await ward.waits(call, 7)).gather is not None  # she writes the numbers down, and nobody is woken for that
    assert await ward.open_escalation() is None
    assert "22, 33, 11, 60" in (await ward.presses(call, "1")).words
    await ward.presses(call, "2")
    await ward.presses(call, "1")
    await ward.t.line.settle()
    assert "22 33 11 60" in ward.texts()[-1]


async def test_what_names_somebody_is_masked_before_it_is_kept(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "pasienten heter Kari Nordmann og hun er redd, må jeg anmelde menneskehandel")
    house = ward.t.line.house
    async with house.db.read() as conn:
        kept = await inbox.transcript(conn, house.vault, await ward.conversation())
        row = (await conn.execute(select(calls.calls))).one()
        found = await calls.find(conn, row.id)
        assert found is not None
        remembered = await calls.talk_of(conn, house.vault, found)
    assert all("Nordmann" not in message.text for message in kept)
    assert "Nordmann" not in str(remembered)


async def test_what_is_only_told_comes_before_what_has_keys(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, "pasienten heter Kari Nordmann, har pasienten rett til tolk")
    assert heard.words.index("peke ut en person") < heard.words.index("trykk 0")


async def test_a_request_that_twilio_repeats_changes_nothing(ward: Ward) -> None:
    call, heard = await ward.calls()
    assert heard.gather is not None
    action = heard.gather["action"]
    first = await ward.says(call, ASKED)
    again = await ward.during(ward.t.exchange.fetches(call, action, SpeechResult=ASKED, Confidence="0.9"))
    assert again.xml == first.xml
    async with ward.t.line.house.db.read() as conn:
        kept = await inbox.transcript(conn, ward.t.line.house.vault, await ward.conversation())
    assert len(kept) == 1


async def test_a_reply_that_is_late_is_waited_for_with_a_word(ward: Ward) -> None:
    assert ward.t.line.voice.caller is not None
    ward.t.line.voice.caller.patience = 0.0
    call, _ = await ward.calls()
    heard = await ward.t.exchange.says(call, ASKED)
    assert "øyeblikk" in heard.words
    assert heard.gather is not None  # and 0 works
    heard = await ward.t.exchange.is_silent(call)
    assert heard.gather is not None
    await ward.t.line.settle()
    heard = await ward.t.exchange.is_silent(call)
    assert "Kilde" in heard.words


async def test_where_the_reply_never_comes_a_human_is_sought_and_she_is_not_kept_standing(ward: Ward) -> None:
    assert ward.t.line.voice.caller is not None
    ward.t.line.voice.caller.patience = 0.0
    call, _ = await ward.calls()
    heard = await ward.t.exchange.says(call, ASKED)
    words = ""
    for _ in range(talk.PATIENCE * 4 + 1):
        heard = await ward.t.exchange.is_silent(call)
        words += heard.words
        if heard.gather is None:
            break
    assert "varsler en rådgiver" in words
    assert heard.over
    assert "1 1 3" in heard.words
    await ward.t.line.settle()
    assert await ward.open_escalation() is not None


# --- hearing badly ---------------------------------------------------------------------------------------------------


async def test_bad_recognition_is_borne_once_and_then_a_human_is_sought(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, "grums brums", confidence=0.1)
    assert "fikk jeg ikke med meg" in heard.words
    assert await ward.open_escalation() is None
    heard = await ward.waits(call, 7)
    assert heard.words.count("Jeg finner en rådgiver til deg") == 1
    assert await ward.open_escalation() is not None


async def test_a_recogniser_that_tells_no_confidence_is_believed(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, ASKED, confidence=0.0)
    assert "Kilde" in heard.words


async def test_danger_is_heard_however_unsure_the_recogniser_is(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, "han står utenfor døra med kniv og truer henne", confidence=0.1)
    assert "1 1 2" in heard.words
    filed = await ward.sought()
    assert filed.escalation.urgency == "urgent"


# --- danger and an advisor -------------------------------------------------------------------------------------------


async def test_danger_gives_the_number_first_and_pages_at_once(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.says(call, "han står utenfor døra med kniv og truer henne")
    assert heard.words.startswith("Er noen i fare nå: legg på og ring 1 1 2.")
    assert await ward.t.paged(await ward.sought()) == [("asha", "sms")]


async def test_nought_seeks_an_advisor_and_says_by_when(ward: Ward) -> None:
    call, _ = await ward.calls()
    heard = await ward.presses(call, "0")
    assert "Jeg finner en rådgiver til deg" in heard.words
    assert "senest" in heard.words
    assert "skrive" not in heard.words
    for key in ("trykk 1", "trykk 2", "trykk 3", "trykk 0"):
        assert key in heard.words
    heard = await ward.waits(call)
    assert "Én rådgiver er varslet" in heard.words
    assert "senest" in heard.words
    for _ in range(10):
        heard = await ward.waits(call)
    assert "2 rådgivere er varslet" in heard.words


async def test_an_advisor_who_takes_it_by_phone_is_joined_with_her(ward: Ward) -> None:
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    for _ in range(7):
        await ward.waits(hers)
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    heard = await ward.during(ward.t.exchange.presses(theirs, "1"))
    assert heard.room is not None
    # She is fetched at once, and does not wait for her round.
    assert any("/look" in update.get("Url", "") for update in hers.updates)
    look = next(update["Url"] for update in hers.updates if "/look" in update.get("Url", ""))
    joined = await ward.during(ward.t.exchange.fetches(hers, look))
    assert joined.room == heard.room
    assert "rådgiver er på linja" in joined.words
    assert ASHA[1:] not in joined.xml
    assert SHE[1:] not in heard.xml
    conference = joined.root.find("Dial/Conference")
    assert conference is not None
    assert conference.attrib["beep"] == "false"
    assert conference.attrib["endConferenceOnExit"] == "true"
    assert (await ward.sought()).replied_at is not None


async def joined(ward: Ward) -> tuple[Placed, Placed]:
    """She and Asha talk."""
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    for _ in range(7):
        await ward.waits(hers)
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    await ward.during(ward.t.exchange.presses(theirs, "1"))
    heard = await ward.waits(hers)
    assert heard.room is not None
    return hers, theirs


async def test_she_hears_when_the_advisor_is_gone_and_can_have_them_called_again(ward: Ward) -> None:
    hers, theirs = await joined(ward)
    await ward.hangs_up(theirs)
    action = hers.heard[-1].root.find("Dial")
    assert action is not None
    heard = await ward.during(ward.t.exchange.fetches(hers, action.attrib["action"]))
    assert "ikke på linja lenger" in heard.words
    heard = await ward.presses(hers, "1")
    assert "ringer rådgiveren" in heard.words
    again = ward.t.call_to(ASHA)
    assert again is not theirs
    heard = await ward.t.picked_up(again)
    assert "trykk 1" in heard.words
    heard = await ward.during(ward.t.exchange.presses(again, "1"))
    assert heard.room is not None
    assert (await ward.waits(hers)).room == heard.room


async def test_an_advisor_with_nothing_but_a_phone_is_not_called_while_on_it(ward: Ward) -> None:
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    for _ in range(12):
        await ward.waits(hers)
    theirs = ward.t.call_to(NOOR)
    await ward.t.picked_up(theirs)
    heard = await ward.during(ward.t.exchange.presses(theirs, "1"))
    assert heard.room is not None
    await ward.t.line.settle()
    assert ward.t.call_to(NOOR) is theirs


async def test_a_voicemail_does_not_come_into_the_room(ward: Ward) -> None:
    hers, theirs = await joined(ward)
    await ward.hangs_up(theirs)
    action = hers.heard[-1].root.find("Dial")
    assert action is not None
    await ward.during(ward.t.exchange.fetches(hers, action.attrib["action"]))
    await ward.presses(hers, "1")
    again = ward.t.call_to(ASHA)
    heard = await ward.t.picked_up(again)
    while heard.gather is not None:
        assert heard.room is None
        heard = await ward.t.exchange.is_silent(again)
    await ward.hangs_up(again)
    heard = await ward.waits(hers)
    assert "tok ikke telefonen" in heard.words


async def test_when_she_hangs_up_the_advisor_hears_so(ward: Ward) -> None:
    hers, theirs = await joined(ward)
    await ward.hangs_up(hers)
    action = theirs.heard[-1].root.find("Dial")
    assert action is not None
    heard = await ward.during(ward.t.exchange.fetches(theirs, action.attrib["action"]))
    assert "ikke på linja lenger" in heard.words
    assert heard.over


async def test_an_advisor_who_waits_in_vain_is_not_left_alone(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    await ward.t.take(filed, "asha")
    theirs = await _advisor_calls_and_connects(ward, filed)
    await ward.t.pass_(seconds=caller_store.ROOM_FOR.total_seconds() + 1)
    assert any("/gone" in update.get("Url", "") for update in theirs.updates)


async def _asked_and_hung_up(ward: Ward, number: str = SHE) -> Filed:
    hers, _ = await ward.calls(number)
    await ward.presses(hers, "0")
    await ward.hangs_up(hers)
    return await ward.sought(number)


async def _advisor_calls_and_connects(ward: Ward, filed: Filed) -> Placed:
    theirs, heard = await ward.calls(ASHA)
    assert "koden" in heard.words
    heard = await ward.presses(theirs, f"{filed.code}#")
    assert "Saken er din" in heard.words
    heard = await ward.presses(theirs, "4")
    assert heard.room is not None
    return theirs


async def test_an_advisor_who_calls_takes_it_by_code_and_she_is_called_into_the_room(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    theirs = await _advisor_calls_and_connects(ward, filed)
    assert (await ward.sought()).escalation.owner == "asha"
    back = ward.t.call_to(SHE)
    heard = await ward.t.picked_up(back)
    assert "rådgivning" not in heard.words
    assert "trykk 1" in heard.words
    heard = await ward.during(ward.t.exchange.presses(back, "1"))
    assert heard.room == theirs.heard[-1].room
    assert "rådgivningslinja" in heard.words


async def test_an_advisors_number_alone_takes_nothing(ward: Ward) -> None:
    await _asked_and_hung_up(ward)
    theirs, _ = await ward.calls(ASHA)
    heard = await ward.presses(theirs, "99999#")
    assert "kjenner jeg ikke" in heard.words
    assert (await ward.sought()).escalation.owner is None


async def test_an_advisor_can_ask_as_anybody(ward: Ward) -> None:
    theirs, _ = await ward.calls(ASHA)
    await ward.presses(theirs, "0")
    heard = await ward.says(theirs, ASKED)
    assert "Kilde" in heard.words


# --- an advisor who writes -------------------------------------------------------------------------------------------


async def _write(ward: Ward, filed: Filed, words: str) -> None:
    async with ward.t.line.house.db.write() as conn:
        fresh = await escalations.find(conn, filed.id)
        assert fresh is not None
        await ward.t.line.room.advisor_wrote(conn, fresh, words, "asha", key=f"w:{words}", now=ward.t.now)
    await ward.t.line.settle()


async def test_what_an_advisor_writes_is_read_to_her_and_what_she_says_is_written(ward: Ward) -> None:
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    filed = await ward.sought()
    await ward.t.take(filed, "asha")
    heard = await ward.waits(hers)
    assert "har tatt saken" in heard.words
    assert "leser det opp" in heard.words
    await _write(ward, filed, "Er pasienten alene nå?")
    heard = await ward.waits(hers)
    assert "Er pasienten alene nå?" in heard.words
    assert "ikke skrevet mer" not in heard.words
    heard = await ward.says(hers, "ja hun er alene på rommet")
    assert "sendt til rådgiveren" in heard.words
    assert any("alene på rommet" in taken.text for taken in ward.t.exchange.taken if taken.to == ASHA)
    assert any("telefonlinja" in taken.text for taken in ward.t.exchange.taken if taken.to == ASHA)


async def test_she_asks_for_a_voice_and_the_advisor_is_called(ward: Ward) -> None:
    hers, _ = await ward.calls()
    await ward.presses(hers, "0")
    await ward.t.take(await ward.sought(), "asha")
    await ward.waits(hers)
    heard = await ward.presses(hers, "1")
    assert "ringer rådgiveren" in heard.words
    theirs = ward.t.call_to(ASHA)
    await ward.t.picked_up(theirs)
    room = (await ward.during(ward.t.exchange.presses(theirs, "1"))).room
    assert room is not None
    assert (await ward.waits(hers)).room == room


async def test_what_is_written_after_she_hung_up_is_said_by_calling_her(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    assert not ward.rings()
    await ward.t.take(filed, "asha")
    back = ward.t.call_to(SHE)
    heard = await ward.t.picked_up(back)
    assert "rådgiv" not in heard.words.casefold()
    assert heard.gather is not None
    heard = await ward.during(ward.t.exchange.presses(back, "1"))
    assert "har tatt saken" in heard.words


async def test_a_call_back_that_nobody_takes_is_tried_again_and_then_given_up_aloud(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    await ward.t.take(filed, "asha")
    await _write(ward, filed, "Ring meg når du kan.")
    assert len(ward.rings()) == 1  # one call for all that waits
    for tried in (1, 2, 3):
        await nobody_takes(ward)
        assert len(ward.rings()) == tried
        await ward.t.pass_(minutes=11 if tried == 2 else 4)
    async with ward.t.line.house.db.read() as conn:
        said = await outbox.transcript(conn, ward.t.line.house.vault, await ward.conversation())
    assert [each.state.value for each in said if each.message is not None][-2:] == ["given_up", "given_up"]
    assert any("ikke fram" in taken.text or "nådde ikke" in taken.text for taken in ward.t.exchange.taken)


async def nobody_takes(ward: Ward) -> None:
    """Her telephone rings and rings."""
    call = ward.rings()[-1]
    await ward.t.exchange.rings(call)
    call.status = "no-answer"
    await ward.t.exchange.tell(call, "no-answer")


# --- texting ---------------------------------------------------------------------------------------------------------


async def test_the_answer_is_sent_by_sms_where_she_agrees_and_voice_and_text_are_one_conversation(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    heard = await ward.presses(call, "2")
    assert "Andre som bruker telefonen" in heard.words
    assert not ward.texts()
    heard = await ward.presses(call, "1")
    assert "SMS er på vei" in heard.words
    await ward.t.line.settle()
    assert len(ward.texts()) == 1
    assert "0 R" in ward.texts()[0]
    await ward.hangs_up(call)
    before = await ward.conversation()
    await _texts(ward, "0")
    assert "finner en r" in ward.texts()[-1]
    assert (await ward.sought()).conversation_id == before
    await ward.t.take(await ward.sought(), "asha")
    assert "tatt saken" in ward.texts()[-1]
    assert not ward.rings()


async def _texts(ward: Ward, words: str, number: str = SHE) -> None:
    sender = Address(Channel.SMS, number)
    message = InboundMessage(Channel.SMS, f"SM{len(ward.texts())}{words}", sender, InboundKind.TEXT, words)
    await take_in(ward.t.line.house, message)
    await ward.t.line.settle()


async def test_nothing_is_texted_where_she_does_not_agree(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    await ward.presses(call, "2")
    heard = await ward.presses(call, "2")
    assert "Ingenting er sendt" in heard.words
    await ward.hangs_up(call)
    assert not ward.texts()
    await _texts(ward, "hei")
    async with ward.t.line.house.db.read() as conn:
        texted = await conversations.find_by_address(
            conn, ward.t.line.house.vault.fingerprint_of(Address(Channel.SMS, SHE))
        )
    assert texted is not None
    assert texted.id != await ward.conversation()


@pytest.mark.parametrize("number", [WARD, HIDDEN])
async def test_a_telephone_that_takes_no_sms_is_offered_none(ward: Ward, number: str) -> None:
    call, _ = await ward.calls(number)
    heard = await ward.says(call, ASKED)
    assert "SMS" not in heard.words
    heard = await ward.presses(call, "2")
    assert "SMS" in heard.words
    assert not ward.t.exchange.taken


async def test_stop_by_sms_ends_texting(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    await ward.presses(call, "2")
    await ward.presses(call, "1")
    await ward.hangs_up(call)
    await take_in(ward.t.line.house, InboundMessage(Channel.SMS, "SMstop", Address(Channel.SMS, SHE), InboundKind.STOP))
    await ward.t.line.settle()
    async with ward.t.line.house.db.read() as conn:
        known = await caller_store.find(conn, await ward.conversation(), ward.t.now)
    assert known is not None
    assert not known.agreed


# --- coming back -----------------------------------------------------------------------------------------------------


async def test_whoever_calls_again_returns_to_what_is_open(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    await ward.t.take(filed, "asha")
    call, heard = await ward.calls()
    assert "alt spurt etter en rådgiver" in heard.words
    assert "har tatt saken" in heard.words
    assert (await ward.sought()).id == filed.id
    await ward.t.line.settle()
    heard = await ward.says(call, "hun er fortsatt redd")
    assert "sendt til rådgiveren" in heard.words


async def test_another_nurse_at_the_same_telephone_gets_no_answer_about_somebody_elses_patient(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "pasienten er 16 år, må jeg melde til barnevernet")
    await ward.hangs_up(call)
    await ward.t.pass_(hours=5)
    await ward.calls()
    house = ward.t.line.house
    async with house.db.read() as conn:
        kept = await conversations.get(conn, house.vault, await ward.conversation())
    assert kept is not None
    assert kept.state is not None
    assert not kept.state["age"]
    assert not kept.state["asked"]


async def test_a_hidden_number_is_told_plainly_and_comes_back_by_code(ward: Ward) -> None:
    call, _ = await ward.calls(HIDDEN)
    heard = await ward.presses(call, "0")
    assert "Nummeret ditt er skjult" in heard.words
    async with ward.t.line.house.db.read() as conn:
        (filed,) = await escalations.list_open(conn)
    assert ", ".join(filed.code) in heard.words
    await ward.hangs_up(call)
    await ward.t.take(filed, "asha")
    await _write(ward, filed, "Ring meg igjen.")
    await _write(ward, filed, "Jeg er her til sju.")
    assert len([taken for taken in ward.t.exchange.taken if "skjult nummer" in taken.text]) == 1
    assert not ward.rings(HIDDEN)
    again, heard = await ward.calls(HIDDEN)
    assert "trykk 6" in heard.words
    await ward.presses(again, "6")
    heard = await ward.presses(again, "11111#")
    assert "gjelder ikke" in heard.words
    heard = await ward.presses(again, f"{filed.code}#")
    assert "fant saken" in heard.words
    assert "har tatt saken" in heard.words
    assert "Jeg er her til sju" in heard.words


async def test_codes_are_not_tried_for_ever_and_open_nobody_elses_conversation(ward: Ward) -> None:
    filed = await _asked_and_hung_up(ward)
    call, _ = await ward.calls(HIDDEN)
    await ward.presses(call, "6")
    heard = await ward.presses(call, f"{filed.code}#")
    assert "gjelder ikke" in heard.words
    for _ in range(talk.CODE_TRIES - 1):
        heard = await ward.presses(call, "12345#")
    assert "Si med noen få ord" in heard.words


# --- nobody comes ----------------------------------------------------------------------------------------------------


async def test_where_nobody_is_reached_she_leaves_a_message_that_is_read_back(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "han står utenfor døra med kniv og truer henne")
    filed = await ward.sought()
    words = ""
    for _ in range(60):
        words = (await ward.waits(call)).words
        if "beskjed til rådgiveren" in words:
            break
    assert "beskjed til rådgiveren" in words
    assert (await ward.sought()).escalation.state is State.LAST_RESORT
    heard = await ward.says(call, "hun vil snakke med politiet i morgen")
    assert "Jeg forsto" in heard.words
    assert "hun vil snakke med politiet i morgen" in heard.words
    async with ward.t.line.house.db.read() as conn:
        before = await inbox.transcript(conn, ward.t.line.house.vault, filed.conversation_id)
    heard = await ward.presses(call, "1")
    assert "Beskjeden ligger hos rådgiveren" in heard.words
    async with ward.t.line.house.db.read() as conn:
        after = await inbox.transcript(conn, ward.t.line.house.vault, filed.conversation_id)
    assert len(after) == len(before) + 1


async def test_nothing_that_was_said_is_lost_when_she_hangs_up_before_it_was_spoken(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.presses(call, "0")
    filed = await ward.sought()
    await ward.t.take(filed, "asha")  # written while she listens to the last round
    await ward.hangs_up(call)
    back = ward.t.call_to(SHE)
    await ward.t.picked_up(back)
    heard = await ward.during(ward.t.exchange.presses(back, "1"))
    assert "har tatt saken" in heard.words


async def test_erasing_by_voice_erases_what_was_said(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    before = await ward.conversation()
    heard = await ward.says(call, "slett")
    assert "slettet" in heard.words
    assert await ward.conversation() != before
    heard = await ward.says(call, ASKED)
    assert "Kilde" in heard.words


async def test_a_protected_place_is_not_named(ward: Ward) -> None:
    directory = ward.t.line.house.library.directory
    place = next(service for service in directory.services if service.protected)
    call, _ = await ward.calls()
    await ward.presses(call, "0")
    filed = await ward.sought()
    await ward.t.take(filed, "asha")
    await _write(ward, filed, f"Ring {place.name} i kveld.")
    heard = await ward.waits(call)
    assert place.name not in heard.words
    assert "i kveld" in heard.words


# --- another language ------------------------------------------------------------------------------------------------


async def test_a_swedish_question_is_heard_and_answered_in_swedish(ward: Ward) -> None:
    call, _ = await ward.calls(SWEDISH, called=LINE_IN_SWEDEN)
    heard = await ward.says(call, "har patienten rätt till tolk")
    assert "Svaret gäller" in heard.words
    assert "Källa" in heard.words
    assert "tryck 0" in heard.words
    assert heard.languages == {"sv-SE"}
    heard = await ward.presses(call, "0")
    assert "Jag söker en rådgivare" in heard.words


async def test_an_english_question_is_answered_in_english_with_whose_law_it_is(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.presses(call, "9")
    heard = await ward.says(call, "does the patient have a right to an interpreter")
    assert "The answer is about" in heard.words
    assert "press 0" in heard.words
    assert heard.languages == {"en-GB"}


async def test_a_nynorsk_question_is_answered_in_nynorsk(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, "nynorsk")
    heard = await ward.says(call, "kva er refleksjonsperiode")
    assert "Svaret gjeld" in heard.words
    assert "Kjelde" in heard.words
    assert heard.languages == {"nb-NO"}


# --- what goes wrong on our side -------------------------------------------------------------------------------------


async def test_a_process_that_dies_between_hearing_and_writing_down_loses_and_repeats_nothing(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, _ = await ward.calls()
    kept = calls.set_talk
    failing = iter([True, False])

    async def dies_once(*given: object) -> None:
        if next(failing, False):
            raise StorageBusy("the disk is gone for a moment")
        await kept(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "set_talk", dies_once)
    heard = await ward.says(call, ASKED)
    assert "Kilde" in heard.words
    async with ward.t.line.house.db.read() as conn:
        messages = await inbox.transcript(conn, ward.t.line.house.vault, await ward.conversation())
    assert len(messages) == 1


async def test_a_call_that_is_begun_twice_at_the_same_moment_is_one(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, first = await ward.calls()
    look = calls.find_by_sid
    blind = iter([True, False])

    async def too_early(*given: object) -> object:
        return None if next(blind, False) else await look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "find_by_sid", too_early)
    again = await ward.t.exchange.fetches(call, f"{ward.t.exchange.public_url}/twilio/voice")
    assert again.words == first.words
    async with ward.t.line.house.db.read() as conn:
        assert len((await conn.execute(select(calls.calls.c.id))).all()) == 1


async def test_a_call_whose_end_nobody_told_us_of_does_not_swallow_what_is_said_to_her(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.presses(call, "0")
    call.status = "completed"  # and Twilio's word about it is lost
    await ward.t.take(await ward.sought(), "asha")
    assert not ward.rings()
    await ward.t.pass_(minutes=3)
    assert len(ward.rings()) == 1


async def test_the_next_nurse_at_the_telephone_has_not_agreed_to_anything(ward: Ward) -> None:
    call, _ = await ward.calls()
    await ward.says(call, ASKED)
    await ward.presses(call, "2")
    await ward.presses(call, "1")
    await ward.hangs_up(call)
    texted = len(ward.texts())
    filed = await _asked_and_hung_up(ward)
    await ward.t.take(filed, "asha")
    assert len(ward.texts()) == texted
    assert ward.rings()


async def test_somebody_who_feigns_an_advisors_number_cannot_try_codes_for_ever(ward: Ward) -> None:
    theirs, _ = await ward.calls(ASHA)
    for tried in range(talk.CODE_TRIES):
        heard = await ward.presses(theirs, f"1234{tried}#")
    assert heard.over


# --- one telephone, several people -----------------------------------------------------------------------------------


async def _an_answer_waits(ward: Ward, number: str) -> tuple[Placed, Filed]:
    """Somebody has asked from this telephone, and the advisor who has it has written."""
    hers, _ = await ward.calls(number)
    await ward.presses(hers, "0")
    filed = await ward.sought(number)
    await ward.t.take(filed, "asha")
    async with ward.t.line.house.db.write() as conn:
        said = ward.t.line.room.advisor_says
        await said(conn, filed, "Barnet kan bli på avdelingen", "asha", key="advisor:test", now=ward.t.now)
    await ward.t.line.settle()
    return hers, filed


async def test_a_second_clinician_on_one_number_hears_nothing_of_the_first(ward: Ward) -> None:
    hers, filed = await _an_answer_waits(ward, SHE)
    second, heard = await ward.calls(SHE)
    assert "1 1 3" in heard.words
    assert "trykk 2" in heard.words
    heard = await ward.presses(second, "2")
    assert heard.gather is not None
    assert "speech" in heard.gather["input"]
    await ward.says(second, ASKED)
    await ward.presses(second, "0")
    said = " ".join(document.words for document in second.heard)
    assert "Barnet" not in said
    assert "Flere bruker telefonen" in said
    assert "skjult" not in said
    async with ward.t.line.house.db.read() as conn:
        both = await escalations.list_open(conn)
    assert len({each.conversation_id for each in both}) == 2
    assert "Barnet" in (await ward.waits(hers)).words
    assert filed.id in {each.id for each in both}


async def test_whoever_was_cut_off_and_calls_again_goes_on_with_a_key(ward: Ward) -> None:
    await _an_answer_waits(ward, SHE)  # and Twilio has not told of the end of that call
    again, heard = await ward.calls(SHE)
    assert "Barnet" not in heard.words
    heard = await ward.presses(again, "1")
    assert "Barnet" in heard.words


async def test_a_telephone_on_a_wall_asks_who_is_at_it(ward: Ward) -> None:
    hers, filed = await _an_answer_waits(ward, WARD)
    await ward.hangs_up(hers)
    second, heard = await ward.calls(WARD)
    assert "trykk 2" in heard.words
    await ward.hangs_up(second)
    third, _ = await ward.calls(WARD)
    for _ in range(2):
        heard = await ward.waits(third)  # she neither presses nor says anything
    assert "Barnet" not in "".join(document.words for document in (*second.heard, *third.heard))
    assert heard.gather is not None
    assert "speech" in heard.gather["input"]
    assert (await ward.sought(WARD)).id == filed.id


async def test_the_key_for_an_advisor_works_before_it_is_known_who_she_is(ward: Ward) -> None:
    await _an_answer_waits(ward, WARD)
    second, _ = await ward.calls(WARD)
    heard = await ward.presses(second, "0")
    assert "Barnet" not in heard.words
    async with ward.t.line.house.db.read() as conn:
        assert len(await escalations.list_open(conn)) == 2


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_is_written_while_another_is_on_that_telephone_still_reaches_her(ward: Ward, leaves: bool) -> None:
    hers, _ = await ward.calls(WARD)
    await ward.presses(hers, "0")
    filed = await ward.sought(WARD)
    await ward.t.take(filed, "asha")
    await ward.waits(hers)
    await ward.hangs_up(hers)
    assert ward.rings(WARD) == []  # she has heard everything so far
    second, _ = await ward.calls(WARD)  # and has not yet said who she is
    async with ward.t.line.house.db.write() as conn:
        said = ward.t.line.room.advisor_says
        await said(conn, filed, "Barnet kan bli på avdelingen", "asha", key="advisor:test", now=ward.t.now)
    await ward.t.line.settle()
    if leaves:
        await ward.hangs_up(second)
    else:
        await ward.presses(second, "2")
    await ward.t.pass_(minutes=1)
    [back] = ward.rings(WARD)
    await ward.t.picked_up(back)
    assert "Barnet" in (await ward.presses(back, "1")).words
