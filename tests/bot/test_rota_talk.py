"""Shifts in an advisor's own chat: what is understood, and what comes of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot import rota_talk
from bot.rota_talk import Asked, Wants, read
from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import leave
from escalation.rota import store as rota_store
from escalation.rota.exchange import State
from escalation.rota.roster import Span
from escalation.rota.store import LeaveState
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.database import Database
from helpline.messages import Language, OutboundMessage
from helpline.vault import Vault
from tests.escalation.house import House, furnish
from tests.escalation.rota.test_swaps import HALVES, TODAY
from tests.escalation.simulator import START
from tests.escalation.stored import add_person

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # the rows are asked on both elsewhere

HOUR = timedelta(hours=1)


@pytest.fixture
async def house(db: Database, vault: Vault) -> House:
    """Asha has the days and Noor the nights; Ulla stands beside, and Maja coordinates."""
    house = await furnish(db, vault)
    async with db.write() as conn:
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=HALVES, valid_from=START, now=START, saved_by="maja"
        )
        await add_person(conn, vault, "ulla", (ContactChannel.SMS, "+4790000009"))
        await accounts.change_staff(conn, "ulla", name="Ulla Aas")
        await add_person(conn, vault, "edda", (ContactChannel.SMS, "+4790000010"), roles=[Role.EDITOR])
    return house


async def tell(house: House, who: str, text: str = "", *, token: str = "") -> OutboundMessage | None:
    async with house.db.write() as conn:
        return await rota_talk.hear(conn, house.means, staff_id=who, text=text, token=token, now=house.now)


async def says(house: House, who: str, text: str = "", *, token: str = "") -> str:
    said = await tell(house, who, text, token=token)
    assert said is not None
    return said.text


async def on_call(house: House, hours: float) -> tuple[str, ...]:
    async with house.db.read() as conn:
        [found] = await who_is_on_call(conn, START + hours * HOUR)
    return found.people


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Vakt", Asked(Wants.MINE)),
        ("/vakt", Asked(Wants.MINE)),
        ("mina pass", Asked(Wants.MINE)),
        ("vakter", Asked(Wants.ALL)),
        ("Gi 1.", Asked(Wants.GIVE, 1)),
        ("gje 2 til Noor", Asked(Wants.GIVE, 2, name="noor")),
        ("ge 2 till Ulla Aas", Asked(Wants.GIVE, 2, name="ulla aas")),
        ("ta 3", Asked(Wants.TAKE, 3)),
        ("bytt 2 mot 1", Asked(Wants.SWAP, 2, 1)),
        ("swap 2 for 1", Asked(Wants.SWAP, 2, 1)),
        ("vakt ja", Asked(Wants.YES)),
        ("pass nej 2", Asked(Wants.NO, 2)),
        ("Fravær", Asked(Wants.LEAVE)),
        ("min frånvaro", Asked(Wants.LEAVE)),
        ("/borte fra fredag kl. 16 til mandag kl. 8.", Asked(Wants.AWAY, when="fra fredag kl. 16 til mandag kl. 8")),
        ("ledig 24.12.", Asked(Wants.AWAY, when="24.12")),
        ("Jag är borta i morgon", Asked(Wants.AWAY, when="i morgon")),
        ("away from now to 8:00", Asked(Wants.AWAY, when="from now to 8:00")),
        ("stryk frånvaro 2", Asked(Wants.BACK, 2)),
        ("cancel leave", Asked(Wants.BACK)),
        # What belongs to a case, or to nobody, stays so.
        ("ja", None),
        ("ta", None),
        ("1", None),
        ("48213 til noor", None),
        ("jeg kan ta 1 av dem", None),
        ("borte med alle papirene", None),
        ("hun er borte fra i går", None),
        ("fri for smerter", None),
        ("", None),
    ],
)
def test_only_plain_words_about_shifts_are_understood(text: str, asked: Asked | None, dialect: str) -> None:
    assert read(text) == asked


async def test_ones_own_shifts_with_a_button_each(house: House) -> None:
    said = await tell(house, "asha", "vakt")
    assert said is not None
    assert said.text.startswith(
        "Vaktene dine:\n1. søn. 22. nov. 08:00–20:00 (main)\n2. man. 23. nov. 08:00–20:00 (main)"
    )
    assert "… og 52 til." in said.text
    assert [choice.label for choice in said.choices] == ["Gi fra deg 1", "Gi fra deg 2", "Gi fra deg 3"]
    assert all(len(choice.token) <= 48 for choice in said.choices)
    given = await says(house, "asha", token=said.choices[1].token)
    assert given == "Spørsmålet er sendt. Vakten man. 23. nov. 08:00–20:00 er hos Asha til begge har sagt ja."
    assert "gir fra seg vakten man. 23. nov." in (await house.sent_to("+4790000009"))[0]


async def test_a_colleague_is_asked_by_name_and_answers_by_sms(house: House) -> None:
    assert await says(house, "asha", "gi 1 til Ulla") == (
        "Spørsmålet er sendt. Vakten søn. 22. nov. 08:00–20:00 er hos Asha til begge har sagt ja."
    )
    assert await says(house, "ulla", "vakt ja") == "Vakten søn. 22. nov. 08:00–20:00 er din nå. Takk."
    assert await on_call(house, 6) == ("ulla",)
    assert await says(house, "ulla", "vakt ja") == "Dette er besvart allerede. Vaktlista er som den er."


async def test_a_no_leaves_everything_as_it_was(house: House) -> None:
    await says(house, "asha", "gi 1 til ulla")
    assert await says(house, "ulla", "vakt nei") == "Greit. Vakten søn. 22. nov. 08:00–20:00 er som før."
    assert await on_call(house, 6) == ("asha",)


async def test_somebody_elses_shift_is_asked_for_and_swapped(house: House) -> None:
    listed = await says(house, "asha", "vakter")
    assert listed.startswith("Vaktene framover:\n1. søn. 22. nov. 03:00–08:00 Noor (main)")
    assert "2. søn. 22. nov. 20:00–man. 23. nov. 08:00 Noor (main)" in listed
    await says(house, "ulla", "ta 2")  # hers, that is Asha's today
    await says(house, "asha", "bytt 2 mot 1")
    assert "would like to swap" not in listed
    both = await says(house, "noor", "pass")
    assert "Asha vill byta pass med dig (main). Du får sön 22 nov. 08:00–20:00" in both
    said = await says(house, "noor", "pass ja")
    assert said == (
        "Passet sön 22 nov. 08:00–20:00 är ditt nu. Tack.\n"
        "Asha har tagit passet sön 22 nov. 20:00–mån 23 nov. 08:00. Du har det inte längre."
    )
    assert [await on_call(house, hour) for hour in (6, 18)] == [("noor",), ("asha",)]


async def test_ones_offer_is_taken_back_by_its_button(house: House) -> None:
    said = await tell(house, "asha", "gi 1")
    assert said is not None
    assert await says(house, "asha", token=said.choices[0].token) == (
        "Spørsmålet om vakten søn. 22. nov. 08:00–20:00 er trukket tilbake."
    )
    async with house.db.read() as conn:
        [made] = await rota_store.exchanges_of(conn, "asha", since=START)
    assert made.state is State.WITHDRAWN


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("gi 77", "Skriv «vakt» for å se vaktene dine, og bruk nummeret som står der."),
        ("gi 0", "Skriv «vakt» for å se vaktene dine, og bruk nummeret som står der."),
        ("gi 1 til hvem som helst", "Jeg vet ikke hvem «hvem som helst» er. Skriv kortnavnet eller hele navnet."),
        ("gi 1 til maja", "Jeg vet ikke hvem «maja» er. Skriv kortnavnet eller hele navnet."),
        ("vakt ja", "Dette er besvart allerede. Vaktlista er som den er."),
    ],
)
async def test_what_cannot_be_done_says_why(house: House, text: str, answer: str) -> None:
    assert await says(house, "asha", text) == answer


async def test_an_old_button_says_so(house: House) -> None:
    assert await says(house, "asha", token="rota:give:0123456789ab") == "Jeg finner ikke den vakten lenger."
    assert await says(house, "asha", token="rota:yes:0123456789") == "Jeg finner ikke den vakten lenger."


async def test_with_several_offers_a_number_says_which(house: House) -> None:
    await says(house, "asha", "gi 1 til ulla")
    await says(house, "asha", "gi 2 til ulla")
    listed = await says(house, "ulla", "vakt ja")
    assert "1. Asha spør om du kan ta vakten søn. 22. nov." in listed
    assert "2. Asha spør om du kan ta vakten man. 23. nov." in listed
    assert await says(house, "ulla", "vakt ja 2") == "Vakten man. 23. nov. 08:00–20:00 er din nå. Takk."


async def test_a_coordinator_sees_and_an_editor_is_not_meant(house: House) -> None:
    assert (await says(house, "maja", "vakter")).startswith("Vaktene framover:")
    assert await says(house, "maja", "vakt") == "Du har ingen vakter de neste 60 dagene."
    assert await tell(house, "edda", "vakt") is None


async def test_whoever_is_paged_takes_no_shift_by_mistake(house: House) -> None:
    opened = await house.open()
    [page] = await house.pages(opened.filed.id)
    assert await tell(house, page.staff_id, "ta 1") is None
    assert await tell(house, page.staff_id, "vakt") is not None


async def test_whoever_has_a_clinician_talks_with_her(house: House) -> None:
    opened = await house.open()
    await house.takes("asha", opened.filed.id)
    assert await tell(house, "asha", "vakt") is None
    assert (await says(house, "asha", "/vakt")).startswith("Vaktene dine:")


# --- leave ------------------------------------------------------------------------------------------------------------


async def leave_of(house: House, who: str = "asha") -> list[tuple[Span, LeaveState]]:
    async with house.db.read() as conn:
        return [(each.span, each.state) for each in await rota_store.leave_of(conn, who)]


async def test_leave_is_asked_for_seen_and_taken_back_in_the_chat(house: House) -> None:
    said = await tell(house, "asha", "borte i dag kl 8 til 20")
    assert said is not None
    assert said.text == (
        "Du har bedt om fri søn. 22. nov. 08:00–20:00. Du har vakt som før til en koordinator har svart.\n"
        "Da er det ingen på vakt søn. 22. nov. 08:00–20:00."
    )
    assert await leave_of(house) == [(TODAY, LeaveState.ASKED)]
    # The coordinator hears the same as when it is asked for at the desk, once however often it is said.
    assert await says(house, "asha", "borte i dag kl 8 til 20") == said.text
    assert await house.sent_to("+4790000003") == [
        "Asha ber om fri søn. 22. nov. 08:00–20:00. Da er det ingen på vakt søn. 22. nov. 08:00–20:00. Se vaktlista."
    ]
    listed = await tell(house, "asha", "fravær")
    assert listed is not None
    assert "1. søn. 22. nov. 08:00–20:00: venter på svar" in listed.text
    assert [choice.label for choice in listed.choices] == ["Ta tilbake 1"]
    assert await says(house, "asha", token=listed.choices[0].token) == (
        "Fraværet søn. 22. nov. 08:00–20:00 er tatt tilbake. Vaktene dine er som før."
    )
    assert await says(house, "asha", token=said.choices[0].token) != ""  # the older button of the same leave
    assert await leave_of(house) == [(TODAY, LeaveState.CANCELLED)]
    assert (await says(house, "asha", "fravær")).startswith("Du har ikke meldt fravær.")


async def test_a_coordinators_own_leave_holds_at_once_as_at_the_desk(house: House) -> None:
    async with house.db.write() as conn:
        await accounts.change_staff(conn, "asha", roles=[Role.ADVISOR, Role.COORDINATOR])
    assert (await says(house, "asha", "borte i dag kl 8 til 20")).startswith(
        "Du har fri søn. 22. nov. 08:00–20:00. Du varsles ikke da.\nDa er det ingen på vakt"
    )
    assert await on_call(house, 6) == ()
    assert "tatt tilbake" in await says(house, "asha", "stryk fravær")
    assert await on_call(house, 6) == ("asha",)


async def test_a_time_that_the_clock_shows_twice_or_never_is_asked_about(house: House) -> None:
    twice = await tell(house, "asha", "borte fra 31.10.2027 kl 02:30 til 31.10.2027 kl 12")
    assert twice is not None
    assert twice.text == (
        "Klokka viser 02:30 to ganger den dagen, fordi den stilles. Hva mener du: "
        "søn. 31. okt. 02:30 (første gang)–søn. 31. okt. 12:00; søn. 31. okt. 02:30 (andre gang)–søn. 31. okt. 12:00? "
        "Ingenting er meldt ennå."
    )
    assert await leave_of(house) == []
    assert all(len(choice.token) <= 48 for choice in twice.choices)
    assert "(2027)" in await says(house, "asha", token=twice.choices[1].token)
    [(span, _)] = await leave_of(house)
    assert span.start == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    never = await tell(house, "asha", "borte fra 28.3.2027 kl 02:30 til 28.3.2027 kl 12")
    assert never is not None
    assert never.text.startswith("Klokka hopper over 02:30 den dagen. Mener du søn. 28. mars 03:00")
    assert len(never.choices) == 1


@pytest.mark.parametrize(
    ("who", "text", "said"),
    [
        ("asha", "borte fra fredag kl 16 til mandag", "Skriv klokkeslett både for når du går"),
        ("asha", "borte neste fredag 12", None),
        ("asha", "borte fra jul til nyttår", "Jeg forstår ikke når du er borte."),
        ("asha", "ferie 1.1.2031", "Det begynner om mer enn to år."),
        ("asha", "fri 1.1.2025", "Den tida er over allerede."),
        ("noor", "ledig fredag 12", "Jag förstår inte när du är borta."),
        ("asha", "stryk fravær 3", "Du har ikke meldt fravær."),
        ("edda", "fravær", None),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_noted(house: House, who: str, text: str, said: str | None) -> None:
    answered = await tell(house, who, text)
    assert (answered.text.startswith(said) if answered is not None and said is not None else answered is None) is True
    assert await leave_of(house, who) == []


async def test_nobody_takes_back_the_leave_of_another(house: House) -> None:
    said = await tell(house, "asha", "borte i morgen")
    assert said is not None
    assert await says(house, "noor", token=said.choices[0].token) == "Jag hittar inte den frånvaron."
    assert await says(
        house, "noor", token="rota:away:1-x"
    ) == "Jag förstår inte när du är borta. Skriv till exempel " + (
        "”borta från 24/12 kl. 16 till 27/12 kl. 8” eller ”borta 24–26 december”."
    )
    assert [state for _, state in await leave_of(house)] == [LeaveState.ASKED]


async def test_a_coordinator_answers_in_the_chat_and_nobody_else_does(house: House) -> None:
    await says(house, "asha", "borte i dag kl 8 til 20")
    [asked] = [message for _, address, message in await house.post() if address.value == "+4790000003"]
    grant, refuse = (choice.token for choice in asked.choices)
    assert await says(house, "noor", token=grant) == "Jag hittar inte den frånvaron."
    assert await on_call(house, 6) == ("asha",)
    assert await says(house, "maja", token=grant) == "Asha har fri søn. 22. nov. 08:00–20:00 og får beskjed."
    assert await says(house, "maja", token=grant) == "Asha har fri søn. 22. nov. 08:00–20:00 og får beskjed."
    assert await says(house, "maja", token=refuse) == "Det fraværet er avgjort eller over allerede."
    assert await on_call(house, 6) == ()
    told = [message.text for _, address, message in await house.post() if address.value == "1001"]
    assert told == ["Du har fri søn. 22. nov. 08:00–20:00. Du varsles ikke da."]
    await says(house, "asha", "borte i morgen")
    *_, asked = [message for _, address, message in await house.post() if address.value == "+4790000003"]
    assert "får ikke fri" in await says(house, "maja", token=asked.choices[1].token)


async def test_what_the_line_gives_as_an_example_it_understands(house: House) -> None:
    quoted = re.compile("[«”“]([^»”]+)[»”]")
    for key in ("rota.leave.how", "rota.leave.how.back", "rota.leave.cannot.unreadable"):
        for language in Language:
            examples = quoted.findall(house.means.phrases.say(key, language))
            assert examples
            for example in examples:
                asked = read(example)
                assert asked is not None, example
                if asked.wants is Wants.AWAY:
                    assert leave.said_span(asked.when, ZoneInfo("Europe/Oslo"), START), example


@pytest.mark.parametrize("text", ["jeg er ledig nå", "Jeg er ledig i morgen 12–16", "ledig 24.12.", "ledig"])
async def test_who_is_free_in_norwegian_is_not_away(house: House, text: str, dialect: str) -> None:
    assert await tell(house, "asha", text) is None
    async with house.db.read() as conn:
        assert await rota_store.leave_of(conn, "asha", since=START) == []


async def test_with_a_stroke_it_is_leave_in_every_language(house: House) -> None:
    assert (await says(house, "asha", "/ledig i dag")).startswith("Du har bedt om fri søn. 22. nov.")
