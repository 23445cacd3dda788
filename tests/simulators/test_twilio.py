"""Our channels and Twilio's own library against Twilio's own description, in a mock server that checks every call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import aiohttp
import pytest

from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.channels.voice import TwilioCalls
from helpline.messages import Address, Channel, Choice, OutboundMessage, Sent, TryLater, Undeliverable
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, CLINICIAN_NUMBER, LINE_NUMBER, PUBLIC_URL
from tests.fakes import NINE, an_attempt

pytestmark = pytest.mark.node

CHOICES = (Choice("m", "Mer", "1"), Choice("a", "Rådgiver", "0"))


def a_channel(channel: Channel, url: str, account: str = ACCOUNT_SID, public_url: str = PUBLIC_URL) -> TwilioChannel:
    return TwilioChannel(channel, TwilioAccount(account, AUTH_TOKEN, public_url=public_url, api_url=url), LINE_NUMBER)


@pytest.fixture(params=[Channel.SMS, Channel.WHATSAPP])
async def channel(request: pytest.FixtureRequest, twilio_mock: str) -> AsyncIterator[TwilioChannel]:
    made = a_channel(request.param, twilio_mock)
    yield made
    await made.close()


def to(channel: TwilioChannel) -> Address:
    return Address(channel.channel, CLINICIAN_NUMBER)


async def test_a_message_as_twilio_describes_it(channel: TwilioChannel) -> None:
    message = OutboundMessage("Er noen i fare nå? «Ring 112»", CHOICES)
    sent = await channel.send(to(channel), message, an_attempt())
    assert sent.provider_message_id.startswith("SM")
    assert len(sent.provider_message_id) == 34


async def test_without_a_public_address_no_report_is_asked_for(twilio_mock: str) -> None:
    channel = a_channel(Channel.SMS, twilio_mock, public_url="")
    assert await channel.send(to(channel), OutboundMessage("hei"), an_attempt())
    await channel.close()


async def test_every_part_of_a_long_message_is_taken(channel: TwilioChannel) -> None:
    parts = channel.fit(OutboundMessage("Snakk med pasienten alene… " * 200, CHOICES))
    assert len(parts) > 2
    for part in parts:
        await channel.send(to(channel), part, an_attempt())


async def test_messages_are_listed_and_the_one_in_doubt_is_found(channel: TwilioChannel, twilio_mock: str) -> None:
    """The mock lists the description's own example, whoever is asked about; so it stands for what Twilio took."""
    [taken, *_] = await _listed_by(twilio_mock)
    assert taken["status"] == "sent"
    then = parsedate_to_datetime(taken["date_created"])
    example = OutboundMessage(taken["body"])
    assert await channel.find_sent(to(channel), example, an_attempt(at=then)) == Sent(taken["sid"])
    assert await channel.find_sent(to(channel), example, an_attempt(at=NINE)) is None
    assert await channel.find_sent(to(channel), OutboundMessage("Andre ord"), an_attempt(at=then)) is None


async def _listed_by(url: str, what: str = "Messages") -> list[dict[str, str]]:
    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/2010-04-01/Accounts/{ACCOUNT_SID}/{what}.json", headers=headers) as response,
    ):
        listed: list[dict[str, str]] = (await response.json())[what.lower()]
        return listed


async def test_an_account_that_twilio_could_not_have_given_is_refused(twilio_mock: str) -> None:
    channel = a_channel(Channel.SMS, twilio_mock, account="AC123")
    with pytest.raises(Undeliverable, match="422"):
        await channel.send(to(channel), OutboundMessage("hei"), an_attempt())
    with pytest.raises(TryLater):
        await channel.find_sent(to(channel), OutboundMessage("hei"), an_attempt())
    await channel.close()


async def test_a_field_that_twilio_takes_several_times_is_taken(twilio_mock: str) -> None:
    """As Twilio's library sends it; the mock had to be told (see `patched_description`)."""
    account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL, api_url=twilio_mock)
    call = await account.client.calls.create_async(
        to=CLINICIAN_NUMBER,
        from_=LINE_NUMBER,
        url=f"{PUBLIC_URL}/twilio/voice",
        status_callback=account.status_url,
        status_callback_event=["answered", "completed"],
    )
    await account.close()
    assert call.sid.startswith("CA")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"To": CLINICIAN_NUMBER, "From": LINE_NUMBER, "Body": "hei"}, 201),
        ({"From": LINE_NUMBER, "Body": "hei"}, 422),
        ({"To": CLINICIAN_NUMBER, "Body": "hei", "StatusCallback": "not an address"}, 422),
        ({"To": CLINICIAN_NUMBER, "Body": "hei", "RiskCheck": "perhaps"}, 422),
    ],
)
async def test_the_mock_refuses_what_the_description_does(
    twilio_mock: str, fields: dict[str, str], status: int
) -> None:
    """Or a pass here would prove nothing."""
    url = f"{twilio_mock}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    headers = {
        "Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=urlencode(fields), headers=headers) as response,
    ):
        assert response.status == status, await response.text()


async def test_without_a_password_nothing_is_taken(twilio_mock: str) -> None:
    url = f"{twilio_mock}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data={"To": CLINICIAN_NUMBER, "Body": "hei"}) as response,
    ):
        assert response.status == 401


# --- phone calls ----------------------------------------------------------------------------------------------------

CALL_SID = f"CA{'0a' * 16}"


@pytest.fixture
async def phone(twilio_mock: str) -> AsyncIterator[TwilioCalls]:
    made = TwilioCalls(TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL, api_url=twilio_mock), LINE_NUMBER)
    yield made
    await made.close()


async def test_a_call_as_twilio_describes_it(phone: TwilioCalls) -> None:
    attempt = replace(an_attempt(), reference="00ff")
    sent = await phone.send(Address(Channel.CALL, CLINICIAN_NUMBER), OutboundMessage("hei"), attempt)
    assert sent.provider_message_id.startswith("CA")


async def test_calls_are_listed_and_the_one_in_doubt_is_found(phone: TwilioCalls, twilio_mock: str) -> None:
    """The mock lists the description's own examples, whoever is asked about."""
    [taken, *_] = await _listed_by(twilio_mock, "Calls")
    then = parsedate_to_datetime(taken["date_created"])
    to, message = Address(Channel.CALL, CLINICIAN_NUMBER), OutboundMessage("hei")
    found = await phone.find_sent(to, message, an_attempt(at=then))
    assert found is not None
    others = frozenset(call["sid"] for call in await _listed_by(twilio_mock, "Calls"))
    assert found.provider_message_id in others

    async def anothers(sid: str) -> bool:
        assert sid in others
        return False

    assert await phone.find_sent(to, message, replace(an_attempt(at=then), claims=anothers)) is None
    assert await phone.find_sent(to, message, an_attempt(at=NINE)) is None


async def test_a_call_is_asked_after(phone: TwilioCalls) -> None:
    news = await phone.fetch(CALL_SID)
    assert news is not None
    assert news.state.over


@pytest.mark.parametrize("answered", [True, False])
async def test_a_call_is_hung_up(phone: TwilioCalls, answered: bool) -> None:
    assert await phone.hang_up(CALL_SID, answered=answered)


async def test_a_call_goes_on_with_other_words(phone: TwilioCalls) -> None:
    assert await phone.go_on_with(CALL_SID, phone.step_url("answered", "00ff"))


async def test_what_twilio_would_not_take_as_a_call_is_refused(phone: TwilioCalls) -> None:
    with pytest.raises(TryLater):
        await phone.fetch("CA123")
    with pytest.raises(TryLater):
        await phone.go_on_with(CALL_SID, "not an address")
