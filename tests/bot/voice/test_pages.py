"""A page by phone: what is heard, what each key does, and that nothing but a key is an answer."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from escalation import advisors, practice
from escalation.reach import store as reach_store
from escalation.standing import State, Urgency
from helpline.messages import Country, Language
from helpline.outbox import OutboundState
from tests.bot.voice.conftest import ASHA, NOOR, Telephone
from tests.fakes import Broken
from tests.phone import Fate


async def test_the_phone_says_code_and_urgency_and_the_four_keys(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    heard = await telephone.picked_up(call)
    assert ", ".join(filed.code) in heard.words
    assert "Det haster" in heard.words
    for key in "1234":
        assert f"Trykk {key}" in heard.words
    assert heard.languages == {"nb-NO"}
    assert heard.gather is not None
    assert heard.gather["input"] == "dtmf"


async def test_what_can_wait_is_not_called_urgent(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA, urgency=Urgency.ROUTINE)
    heard = await telephone.picked_up(call)
    assert "Det kan vente" in heard.words
    assert "haster" not in heard.words


async def test_an_advisor_is_called_in_her_own_language(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(NOOR, minutes=3)
    heard = await telephone.picked_up(call)
    assert heard.languages == {"sv-SE"}
    assert "En kollega behöver dig" in heard.words


async def test_nothing_that_twilio_is_given_names_anybody(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA, region="Krisesenteret i Bergen")
    await telephone.picked_up(call)
    await telephone.exchange.presses(call, "3")
    given = " ".join([*(value for values in call.fields.values() for value in values), *(d.xml for d in call.heard)])
    # As words: two letters of an id can stand in the middle of a reference, which is drawn by lot.
    for secret in ("asha", "Asha", "Krisesenteret", "Bergen", filed.id, filed.conversation_id):
        assert not re.search(rf"\b{re.escape(secret)}\b", given.replace(ASHA, "")), secret
    assert re.fullmatch(r"[0-9a-f]{32}", call.reference)


async def test_one_takes_it(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert "Saken er din" in heard.words
    await telephone.exchange.hangs_up(call)
    standing = (await telephone.filed(filed)).escalation
    assert (standing.state, standing.owner) == (State.TAKEN, "asha")
    await telephone.pass_(minutes=1)
    assert len(await telephone.paged(filed)) == 2, "whoever hangs up after the key is not called again"
    assert (await telephone.row(call)).pressed == "1"


async def test_two_passes_it_on_at_once(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "2")
    assert "går videre til neste" in heard.words
    await telephone.line.settle()
    assert (await telephone.paged(filed))[-1] == ("noor", "call")


async def test_three_says_it_again_and_is_no_answer(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    first = await telephone.picked_up(call)
    again = await telephone.exchange.presses(call, "3")
    assert again.words == first.words
    assert (await telephone.filed(filed)).escalation.owner is None
    heard = await telephone.exchange.presses(call, "1")
    assert "Saken er din" in heard.words


async def test_four_says_honestly_that_she_is_not_on_the_line(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "4")
    assert "ikke på telefonen nå" in heard.words
    assert (await telephone.filed(filed)).escalation.owner == "asha"


@pytest.mark.parametrize("key", ["7", "", "#"])
async def test_a_wrong_key_and_none_are_borne_twice(telephone: Telephone, key: str) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    second = await telephone.exchange.presses(call, key)
    assert "Trykk 1" in second.words
    assert second.words.startswith("Det var ikke en av tastene" if key == "7" else "")
    last = await telephone.exchange.presses(call, key)
    assert last.over
    assert "på en annen måte" in last.words
    assert (await telephone.filed(filed)).escalation.owner is None


async def test_a_pocket_that_presses_three_for_ever_is_hung_up_on(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    heard = await telephone.picked_up(call)
    for _ in range(9):
        if heard.over:
            break
        heard = await telephone.exchange.presses(call, "3")
    assert heard.over


async def test_the_first_key_wins_and_the_other_hears_who_has_it(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    await telephone.take(filed, "noor")
    heard = await telephone.exchange.presses(call, "1")
    assert heard.words.startswith("Noor har tatt saken")
    assert (await telephone.filed(filed)).escalation.owner == "noor"


async def test_whoever_picks_up_late_hears_that_it_is_taken_and_no_name(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    telephone.exchange.faults.append(Broken())  # the hang-up does not reach Twilio: it rings on
    await telephone.take(filed, "noor")
    heard = await telephone.picked_up(call)
    assert heard.over
    assert "i mellomtiden" in heard.words
    assert "Noor" not in heard.words


async def test_a_phone_that_rings_stops_when_somebody_else_has_it(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.exchange.rings(call)
    await telephone.take(filed, "noor")
    assert call.updates == [{"Status": "canceled"}]
    assert call.status == "canceled"


async def test_whoever_has_picked_up_is_told_at_once(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    await telephone.take(filed, "noor")
    [update] = call.updates
    heard = await telephone.exchange.fetches(call, update["Url"])
    assert "i mellomtiden" in heard.words
    assert heard.over


async def test_her_own_phone_stops_when_she_took_it_on_the_desk(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.exchange.rings(call)
    await telephone.take(filed, "asha")
    assert call.status == "canceled"


async def test_a_call_is_not_cut_off_by_the_key_that_took_it(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    await telephone.exchange.presses(call, "1")
    await telephone.line.settle()
    assert call.updates == []


@pytest.mark.parametrize(
    "fate",
    [Fate.BUSY, Fate.NO_ANSWER, Fate.FAILED, Fate.MACHINE, Fate.SILENT_HUMAN, Fate.LISTENS_AND_LEAVES],
)
async def test_a_call_that_nobody_answered_with_a_key_brings_the_next_way_at_once(
    telephone: Telephone, fate: Fate
) -> None:
    asha = telephone.contacts["asha"]
    async with telephone.line.house.db.write() as conn:
        rules = [(asha["call"], timedelta()), (asha[ASHA], timedelta(minutes=2.5))]
        await reach_store.set_rules(conn, "asha", Urgency.URGENT, rules)
    filed = await telephone.ask()
    call = telephone.call_to(ASHA)
    await telephone.exchange.play(call, fate)
    await telephone.line.settle()
    assert (await telephone.filed(filed)).escalation.owner is None
    pages = await telephone.pages(filed)
    assert [(page.channel, page.early) for page in pages] == [("call", False), ("sms", True)]


async def test_a_number_that_does_not_exist_is_given_up_aloud(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.exchange.play(call, Fate.FAILED)
    states = {each.channel.value: each.state for each in await telephone.sent(filed) if each.page_id}
    assert states["call"] is OutboundState.GIVEN_UP


async def test_a_human_whom_twilio_took_for_a_machine_can_still_take_it(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    assert await telephone.exchange.a_machine(call) == 204
    heard = await telephone.exchange.presses(call, "1")
    assert "Saken er din" in heard.words
    assert (await telephone.filed(filed)).escalation.owner == "asha"


async def test_a_key_that_reaches_us_after_the_end_of_its_call_counts(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    await telephone.exchange.hangs_up(call)
    await telephone.exchange.presses(call, "1")
    assert (await telephone.filed(filed)).escalation.owner == "asha"


async def test_whoever_took_it_by_phone_can_hear_what_it_is_about(telephone: Telephone) -> None:
    await telephone.writes("Pasienten min får ikke ha passet sitt selv")
    asked = await telephone.writes("rådgiver")
    await telephone.pass_(minutes=2)
    call = telephone.call_to(ASHA)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert "passet" not in heard.words
    heard = await telephone.exchange.presses(call, "1")
    assert "får ikke ha passet sitt selv" in heard.words
    assert (await telephone.viewed(asked)) == ["staff:asha"]


async def test_what_it_is_about_is_read_to_nobody_but_its_owner(telephone: Telephone) -> None:
    await telephone.writes("Pasienten min får ikke ha passet sitt selv")
    asked = await telephone.writes("rådgiver")
    await telephone.pass_(minutes=2)
    call = telephone.call_to(ASHA)
    await telephone.picked_up(call)
    await telephone.exchange.presses(call, "1")
    filed = await telephone.open_for(asked)
    async with telephone.line.house.db.write() as conn:
        await advisors.hand_back(conn, telephone.line.room.means, filed.id, "asha", telephone.now)
    heard = await telephone.exchange.presses(call, "1")
    assert "passet" not in heard.words
    assert await telephone.viewed(asked) == []


async def test_her_phone_does_not_ring_again_with_what_is_written_to_her(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    await telephone.exchange.presses(call, "1")
    await telephone.exchange.hangs_up(call)
    await telephone.pass_(minutes=0.1)
    assert telephone.exchange.calls == [call]
    assert f"Sak {filed.code} er din" in telephone.exchange.taken[-1].text + telephone.exchange.taken[-2].text


async def test_whoever_has_only_a_phone_is_not_called_again_with_what_she_has_heard(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(NOOR, minutes=3)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert "Ärendet är ditt" in heard.words
    await telephone.exchange.hangs_up(call)
    await telephone.pass_(minutes=0.1)
    assert [each for each in telephone.exchange.calls if each.to == NOOR] == [call]
    assert (await telephone.filed(filed)).escalation.owner == "noor"


async def test_a_drill_says_so_and_ends_with_the_key(telephone: Telephone) -> None:
    async with telephone.line.house.db.write() as conn:
        await practice.start(
            conn,
            telephone.line.room.means,
            urgency=Urgency.URGENT,
            language=Language.NB,
            country=Country.NO,
            staff_id="maja",
            now=telephone.now,
        )
    await telephone.pass_(minutes=2)
    call = telephone.call_to(ASHA)
    heard = await telephone.picked_up(call)
    assert heard.words.startswith("Dette er en øvelse")
    heard = await telephone.exchange.presses(call, "1")
    assert "Øvelsen er ferdig" in heard.words
    assert heard.over
