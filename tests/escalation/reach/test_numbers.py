"""A number is somebody's once a code that was spoken there is typed: one code, a short while, a few tries."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from escalation.reach import numbers
from escalation.reach.numbers import LASTS, TRIES, Asked, Proved, read_number
from helpline import accounts
from helpline.accounts import ContactChannel
from helpline.messages import Channel, Country, Language
from tests.escalation.house import House
from tests.escalation.simulator import minutes

NUMBER = "+4790000077"


@pytest.mark.parametrize(
    ("typed", "country", "number"),
    [
        ("90 00 00 77", Country.NO, NUMBER),
        ("0047 900 00 077", Country.NO, NUMBER),
        ("+47 90000077", Country.SE, NUMBER),
        ("070-174 06 05", Country.SE, "+46701740605"),
        ("22 33 11 60", Country.NO, "+4722331160"),  # a desk phone rings too
        ("820 00 000", Country.NO, None),  # costs the one who calls
        ("112", Country.NO, None),
        ("12", Country.NO, None),
        ("", Country.NO, None),
        ("ring meg", Country.NO, None),
        ("9" * 400, Country.NO, None),
    ],
)
def test_numbers_are_read_however_people_write_them(typed: str, country: Country, number: str | None) -> None:
    assert read_number(typed, country) == number


async def ask(house: House, who: str = "asha", number: str = NUMBER) -> Asked:
    async with house.db.write() as conn:
        return (await numbers.ask_for_call(conn, house.means, who, number, Language.NB, house.now)).asked


async def spoken(house: House) -> str:
    """The code that the last call spoke."""
    calls = [message.text for _, address, message in await house.post() if address.channel is Channel.CALL]
    found = re.search(r"\d(?:, \d){5}", calls[-1])
    assert found is not None
    return found[0]


async def type_in(house: House, code: str, who: str = "asha") -> Proved:
    async with house.db.write() as conn:
        return await numbers.prove(conn, house.means, who, code, house.now)


async def called_at(house: House, who: str = "asha") -> list[str]:
    async with house.db.read() as conn:
        known = await accounts.contacts(conn, house.vault, who)
    return [contact.value for contact in known if contact.channel is ContactChannel.CALL]


async def test_code_that_was_spoken_proves_the_number(house: House) -> None:
    assert await ask(house) is Asked.CALLED
    assert await called_at(house) == []
    code = await spoken(house)
    assert await type_in(house, code.replace(", ", " ")) is Proved.PROVED
    assert await called_at(house) == [NUMBER]
    assert await type_in(house, code) is Proved.VOID  # used up
    assert await ask(house) is Asked.KNOWN
    assert await ask(house, "noor") is Asked.TAKEN


async def test_code_is_its_owners_alone(house: House) -> None:
    await ask(house)
    assert await type_in(house, await spoken(house), "noor") is Proved.VOID
    assert await called_at(house, "noor") == []


async def test_new_call_makes_the_earlier_code_void(house: House) -> None:
    await ask(house)
    first = await spoken(house)
    await ask(house)
    assert await type_in(house, await spoken(house)) is Proved.PROVED
    assert first != await spoken(house) or await type_in(house, first) is Proved.VOID


async def test_wrong_codes_are_limited(house: House) -> None:
    await ask(house)
    code = await spoken(house)
    wrong = "0, 0, 0, 0, 0, 1" if code.startswith("1") else "1, 0, 0, 0, 0, 0"
    assert [await type_in(house, wrong) for _ in range(TRIES)] == [Proved.WRONG] * (TRIES - 1) + [Proved.VOID]
    assert await type_in(house, code) is Proved.VOID
    assert await called_at(house) == []


@pytest.mark.parametrize(("later", "proved"), [(timedelta(), Proved.VOID), (-minutes(1), Proved.PROVED)])
async def test_codes_end(house: House, later: timedelta, proved: Proved) -> None:
    await ask(house)
    code = await spoken(house)
    house.now += LASTS + later
    assert await type_in(house, code) is proved


async def test_calls_that_are_asked_for_again_and_again_are_waited_for(house: House) -> None:
    assert [await ask(house) for _ in range(6)] == [Asked.CALLED] * 4 + [Asked.WAIT] * 2
    house.now += minutes(5)
    assert await ask(house) is Asked.CALLED
    assert await ask(house, "noor", "+4790000078") is Asked.CALLED  # nobody waits for another's


async def test_two_of_one_number_the_second_is_told(house: House) -> None:
    await ask(house)
    hers = await spoken(house)
    await ask(house, "noor")
    his = await spoken(house)
    assert await type_in(house, hers) is Proved.PROVED
    assert await type_in(house, his, "noor") is Proved.TAKEN
