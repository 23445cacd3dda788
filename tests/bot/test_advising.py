"""Advisors on Telegram, through the front door: her words reach the clinician she means, and no other."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import Line
from bot.house import House
from bot.inbox import take_in
from escalation import store as escalations
from escalation.store import Filed
from helpline.accounts import ContactChannel
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, InboundKind, InboundMessage, OutboundMessage
from tests.bot.conftest import local_settings
from tests.conftest import NINE
from tests.escalation.stored import a_policy, add_person
from tests.fakes import FakeChannel, Given

ASHA = "7700900301"
SHE, HER_SISTER = "7700900401", "7700900402"


@dataclass
class Ward:
    """Two clinicians and one advisor, all on Telegram."""

    line: Line
    telegram: FakeChannel
    clock: SetClock

    async def says(self, who: str, text: str = "", *, token: str = "", answering: Given | None = None) -> None:
        reply_to = self.telegram._id(answering) if answering is not None else ""
        kind = InboundKind.TAP if token else InboundKind.TEXT
        message = InboundMessage(
            Channel.TELEGRAM,
            secrets.token_hex(8),
            Address(Channel.TELEGRAM, who),
            kind,
            text,
            token,
            reply_to=reply_to,
        )
        await take_in(self.line.house, message)
        await self.line.settle()

    def got(self, who: str) -> list[Given]:
        return [given for given in self.telegram.taken if given.to.value == who]

    def last(self, who: str) -> OutboundMessage:
        return self.got(who)[-1].message

    def relayed(self, words: str) -> Given:
        """The message that brought these words of a clinician's to the advisor."""
        [found] = [given for given in self.got(ASHA) if given.message.text.endswith(f"] {words}")]
        return found

    def read_by(self, who: str) -> list[str]:
        """What the advisor's words were, as this clinician read them."""
        texts = (given.message.text for given in self.got(who))
        return [text.removeprefix("Rådgiver: ") for text in texts if text.startswith("Rådgiver: ")]

    async def tap(self, label: str) -> None:
        choice = next(choice for choice in self.last(ASHA).choices if choice.label == label)
        await self.says(ASHA, token=choice.token)

    async def open(self) -> list[Filed]:
        async with self.line.house.db.read() as conn:
            return await escalations.list_open(conn)

    async def asked_for(self, who: str) -> str:
        """This clinician asks for an advisor, and Asha takes it; its code."""
        before = {filed.id for filed in await self.open()}
        await self.says(who, "rådgiver")
        [filed] = [each for each in await self.open() if each.id not in before]
        await self.says(ASHA, filed.code)
        return filed.code


@pytest.fixture
async def ward(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[Ward]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    telegram = FakeChannel(Channel.TELEGRAM)
    channels = {**house.channels, Channel.TELEGRAM: telegram}
    db = Database.connect(settings.database_url.reveal())
    line = Line(replace(house, settings=settings, clock=clock, db=db, channels=channels))
    async with db.write() as conn:
        before = NINE - timedelta(days=1)
        await add_person(conn, house.vault, "asha", (ContactChannel.TELEGRAM, ASHA), now=before)
        await escalations.save_ladders(
            conn, definition=a_policy([[10, ["asha"]]], last_resort=["asha"]), now=before, saved_by="test"
        )
    yield Ward(line, telegram, clock)
    await db.dispose()


async def test_a_reply_to_a_message_goes_to_whoever_wrote_it(ward: Ward) -> None:
    await ward.asked_for(SHE)
    await ward.asked_for(HER_SISTER)
    await ward.says(SHE, "jeg er på legevakta")
    await ward.says(HER_SISTER, "jeg er på sykehuset")
    await ward.says(ASHA, "Da ringer du mottaket.", answering=ward.relayed("jeg er på sykehuset"))
    await ward.says(ASHA, "Bli der du er.", answering=ward.relayed("jeg er på legevakta"))
    assert ward.read_by(SHE) == ["Bli der du er."]
    assert ward.read_by(HER_SISTER) == ["Da ringer du mottaket."]


async def test_words_that_could_be_for_either_go_to_nobody_until_she_says_for_whom(ward: Ward) -> None:
    first, second = await ward.asked_for(SHE), await ward.asked_for(HER_SISTER)
    await ward.says(ASHA, "Er dere trygge nå?")
    assert ward.read_by(SHE) == ward.read_by(HER_SISTER) == []
    question = ward.last(ASHA)
    assert {choice.label for choice in question.choices} == {f"Til {first}", f"Til {second}"}
    await ward.tap(f"Til {first}")
    assert ward.read_by(SHE) == ["Er dere trygge nå?"]
    assert ward.read_by(HER_SISTER) == []
    assert ward.last(ASHA).text == f"Sendt til klinikeren i sak {first}."
    # The same words go out once: neither a second tap nor another button sends them again.
    for choice in question.choices:
        await ward.says(ASHA, token=choice.token)
        assert ward.last(ASHA).text == "Dette er allerede sendt. Det er ikke sendt en gang til."
    assert ward.read_by(SHE) == ["Er dere trygge nå?"]
    assert ward.read_by(HER_SISTER) == []


async def test_words_wait_an_hour_and_no_longer(ward: Ward) -> None:
    first, second = await ward.asked_for(SHE), await ward.asked_for(HER_SISTER)
    await ward.says(ASHA, "Er dere trygge nå?")
    question = ward.last(ASHA)
    for code in (first, second):
        await ward.says(ASHA, f"{code} jeg er her")  # which keeps the cases hers
    ward.clock.advance(timedelta(minutes=61))
    await ward.says(ASHA, token=next(choice.token for choice in question.choices if choice.label == f"Til {first}"))
    assert "Er dere trygge nå?" not in ward.read_by(SHE)
    assert ward.last(ASHA).text.startswith("Det er for lenge siden")


async def test_what_is_masked_in_words_said_for_later_is_told(ward: Ward) -> None:
    first = await ward.asked_for(SHE)
    await ward.asked_for(HER_SISTER)
    await ward.says(ASHA, "Ring meg på 901 23 456")
    await ward.tap(f"Til {first}")
    assert "901 23 456" not in "".join(ward.read_by(SHE))
    assert "tok bort noe" in ward.last(ASHA).text


async def test_a_long_brief_comes_in_parts_and_takes_nobody_away(ward: Ward) -> None:
    """Telegram takes 4,096 signs; what is longer would be refused, and the case with it taken from her."""
    for number in range(5):
        await ward.says(SHE, f"Dette er en lang historie, del {number}. " + "Hun sier lite og er redd. " * 45)
    await ward.asked_for(SHE)
    texts = [given.message.text for given in ward.got(ASHA)]
    assert max(len(text) for text in texts) <= 4096
    assert sum("Hun sier lite" in text for text in texts) > 1
    assert [choice.label for choice in ward.last(ASHA).choices] == [
        "Send videre",
        "Gi den fra meg",
        "Avslutt",
        "Følg opp",
    ]
    [filed] = await ward.open()
    assert filed.escalation.owner == "asha"


async def test_a_button_of_another_time_is_answered(ward: Ward) -> None:
    code = await ward.asked_for(SHE)
    menu = {choice.label: choice.token for choice in ward.last(ASHA).choices}
    await ward.says(SHE, "slett")
    for label in ("Send videre", "Gi den fra meg", "Avslutt"):
        await ward.says(ASHA, token=menu[label])
        assert ward.last(ASHA).text == f"Sak {code} er avsluttet. Koden gjelder ikke lenger."
