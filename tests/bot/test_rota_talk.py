"""Shifts in an advisor's own chat: what is understood, and what comes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import rota_talk
from bot.rota_talk import Asked, Wants, read
from escalation import store
from escalation.on_duty import who_is_on_call
from escalation.rota import store as rota_store
from escalation.rota.exchange import State
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.database import Database
from helpline.messages import OutboundMessage
from helpline.vault import Vault
from tests.escalation.house import House, furnish
from tests.escalation.rota.test_swaps import HALVES
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
        # What belongs to a case, or to nobody, stays so.
        ("ja", None),
        ("ta", None),
        ("1", None),
        ("48213 til noor", None),
        ("jeg kan ta 1 av dem", None),
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
