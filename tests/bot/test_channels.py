"""What every channel promises, tried on all of them through their real libraries against a scripted provider."""

from __future__ import annotations

import logging
import logging.config
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.base import ChannelAdapter, in_parts, menu_line, split_text, units
from bot.channels.local import LocalChannel
from bot.channels.telegram import CALLBACK_LIMIT, TelegramChannel
from bot.channels.twilio import BODY_LIMIT, TwilioAccount, TwilioChannel
from helpline.messages import (
    Address,
    Channel,
    Choice,
    DeliveryError,
    OutboundMessage,
    Sent,
    TryLater,
    Undeliverable,
)
from helpline.segments import pages, segments
from tests.captured import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CLINICIAN_NUMBER,
    LINE_NUMBER,
    PUBLIC_URL,
    TELEGRAM_CHAT,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    telegram,
)
from tests.fakes import (
    NINE,
    Broken,
    Busy,
    Cut,
    FakeChannel,
    FakeProvider,
    Fault,
    Garbage,
    Hang,
    Refused,
    Slow,
    TakenThen,
    an_attempt,
)

WORDS = "Mannen som fulgte henne venter utenfor"  # must never be found in a log or an error
SECRETS = (WORDS, TELEGRAM_TOKEN, AUTH_TOKEN, CLINICIAN_NUMBER, CLINICIAN_NUMBER[1:], TELEGRAM_CHAT, ACCOUNT_SID)
CHOICES = (Choice("a:1", "Mer", "1"), Choice("d:x", "Kilder", "2"), Choice("a", "Rådgiver", "0"))
PATIENCE = 20.0  # seconds that the channels under test wait for an answer, on a machine that is busy
IMPATIENCE = 0.3  # where no answer comes


@dataclass
class Tried:
    """A channel under test and what is behind it."""

    name: str
    adapter: ChannelAdapter
    to: Address
    provider: FakeProvider | None
    impatient: ChannelAdapter

    def facing(self, fault: Fault | None) -> ChannelAdapter:
        """The channel to meet this fault with: one that does not wait long where no answer will come."""
        return self.impatient if isinstance(fault, Hang) else self.adapter

    def sent_texts(self) -> list[str]:
        if isinstance(self.adapter, FakeChannel):
            return [given.message.text for given in self.adapter.taken]
        assert self.provider is not None
        return [taken.text for taken in self.provider.taken]


def make(name: str, url: str, patience: float = PATIENCE) -> tuple[ChannelAdapter, Address]:
    account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL, api_url=url, timeout_seconds=patience)
    match name:
        case "telegram":
            channel = TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET, url, timeout_seconds=patience)
            return channel, Address(Channel.TELEGRAM, TELEGRAM_CHAT)
        case "sms":
            return TwilioChannel(Channel.SMS, account, LINE_NUMBER), Address(Channel.SMS, CLINICIAN_NUMBER)
        case "whatsapp":
            return TwilioChannel(Channel.WHATSAPP, account, LINE_NUMBER), Address(Channel.WHATSAPP, CLINICIAN_NUMBER)
        case "fake":
            return FakeChannel(Channel.SMS), Address(Channel.SMS, CLINICIAN_NUMBER)
        case _:
            return LocalChannel(Channel(name)), Address(Channel(name), "somebody")


PROVIDED = ("telegram", "sms", "whatsapp")
ALL = (*PROVIDED, "web", "terminal", "fake")


@pytest.fixture
async def tried(request: pytest.FixtureRequest) -> AsyncIterator[Tried]:
    async with FakeProvider() as provider:
        adapter, to = make(request.param, provider.url)
        impatient, _ = make(request.param, provider.url, IMPATIENCE)
        yield Tried(request.param, adapter, to, provider if request.param in PROVIDED else None, impatient)
        await adapter.close()
        await impatient.close()


def on(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("tried", names, indirect=True)


# --- sending --------------------------------------------------------------------------------------------------------


@on(*ALL)
async def test_sending_gives_the_providers_id(tried: Tried) -> None:
    first = await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt(attempt_id="1"))
    second = await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt(attempt_id="2"))
    assert isinstance(first, Sent)
    assert first.provider_message_id
    assert first != second


@on(*PROVIDED, "fake")
async def test_the_words_arrive_unchanged(tried: Tried) -> None:
    await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt())
    assert tried.sent_texts() == [WORDS]


@on(*PROVIDED)
async def test_the_right_address_is_written_to(tried: Tried) -> None:
    assert tried.provider is not None
    await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt())
    [taken] = tried.provider.taken
    expected = {"telegram": TELEGRAM_CHAT, "sms": CLINICIAN_NUMBER, "whatsapp": f"whatsapp:{CLINICIAN_NUMBER}"}
    assert taken.to == expected[tried.name]
    if tried.name != "telegram":
        assert taken.fields["From"] == taken.to.replace(CLINICIAN_NUMBER, LINE_NUMBER)
        assert taken.fields["StatusCallback"] == f"{PUBLIC_URL}/twilio/status"


@on("telegram")
async def test_telegram_shows_choices_as_buttons_short_ones_side_by_side(tried: Tried) -> None:
    assert tried.provider is not None
    title = Choice("q:x", "Kan jeg dele noe med politiet uten samtykke?", "3")
    await tried.adapter.send(tried.to, OutboundMessage(WORDS, (*CHOICES[:2], title, CHOICES[2])), an_attempt())
    [taken] = tried.provider.taken
    assert taken.text == WORDS
    assert taken.buttons == [
        ("Mer", "v1:a:1"),
        ("Kilder", "v1:d:x"),
        ("Kan jeg dele noe med politiet uten samtykke?", "v1:q:x"),
        ("Rådgiver", "v1:a"),
    ]
    assert '"inline_keyboard": [[{' in taken.fields["reply_markup"]


@pytest.mark.parametrize(
    ("tried", "body"),
    [("sms", f"{WORDS}\n1 Mer 2 Kilder 0 Rådgiver"), ("whatsapp", f"{WORDS}\n\n1 Mer\n2 Kilder\n0 Rådgiver")],
    indirect=["tried"],
)
async def test_without_buttons_choices_are_digits_below_the_text(tried: Tried, body: str) -> None:
    await tried.adapter.send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt())
    assert tried.sent_texts() == [body]


async def test_markup_is_nothing_to_telegram() -> None:
    text = "<b>ikke</b> *fet* _strek_ [lenke](https://x.example) `kode` & \\"
    async with FakeProvider() as provider:
        adapter, to = make("telegram", provider.url)
        await adapter.send(to, OutboundMessage(text), an_attempt())
        await adapter.close()
    assert provider.taken[0].text == text
    assert "parse_mode" not in provider.taken[0].fields


async def test_the_longest_choice_fits_telegrams_64_bytes_and_a_longer_one_is_refused() -> None:
    async with FakeProvider() as provider:
        adapter, to = make("telegram", provider.url)
        await adapter.send(to, OutboundMessage(WORDS, (Choice("x" * (CALLBACK_LIMIT - 3), "Ja"),)), an_attempt())
        assert len(provider.taken[0].buttons[0][1].encode()) == CALLBACK_LIMIT
        for token in ("x" * (CALLBACK_LIMIT - 2), "ø" * 31):
            with pytest.raises(Undeliverable):
                await adapter.send(to, OutboundMessage(WORDS, (Choice(token, "Ja"),)), an_attempt())
        await adapter.close()
    assert len(provider.asked) == 1


# --- long texts -----------------------------------------------------------------------------------------------------

LIMITS = {"telegram": 4096, "sms": BODY_LIMIT, "whatsapp": BODY_LIMIT, "fake": 4096}
LONG_TEXTS = {
    "sentences": "Snakk med pasienten alene. Bruk tolk. " * 400,
    "one word": "a" * 10_000,
    "emoji": "🙏🏽" * 3_000,
    "dots that grow": "og så… " * 800,
    "paragraphs": "\n\n".join(["Gjør dette først."] * 500),
    "exactly": "a" * 4096,
    "short": WORDS,
    "empty": "",
}


@on(*LIMITS)
@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=list(LONG_TEXTS))
@pytest.mark.parametrize(
    "choices", [(), CHOICES, tuple(Choice(str(n), "En lang tittel " * 9, str(n)) for n in range(9))]
)
async def test_a_long_text_is_cut_to_the_limit_and_choices_stay_last(
    tried: Tried, text: str, choices: tuple[Choice, ...]
) -> None:
    parts = tried.adapter.fit(OutboundMessage(text, choices, urgent=True))
    assert [part.choices for part in parts[:-1]] == [()] * (len(parts) - 1)
    assert parts[-1].choices == choices
    assert all(part.urgent for part in parts)
    assert "".join("".join(part.text for part in parts).split()).replace("...", "…") == "".join(text.split())
    for part in parts:
        body = tried.adapter.body(part) if isinstance(tried.adapter, TwilioChannel) else part.text
        assert units(body) <= LIMITS[tried.name]
    if text:
        for part in parts:
            await tried.adapter.send(tried.to, part, an_attempt())
        assert len(tried.sent_texts()) == len(parts)


@on("web", "terminal")
async def test_a_page_has_room_for_any_length(tried: Tried) -> None:
    message = OutboundMessage(LONG_TEXTS["sentences"], CHOICES)
    assert tried.adapter.fit(message) == (message,)


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=st.sampled_from("abæø .\n🙏…"), max_size=300), st.integers(min_value=2, max_value=40))
def test_cutting_loses_no_sign_and_keeps_the_limit(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert parts
    assert all(units(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@settings(deadline=None)  # the machine may be busy
@given(
    st.text(alphabet="ab .\n", max_size=200),
    st.integers(min_value=10, max_value=40),
    st.integers(min_value=0, max_value=8),
)
def test_the_last_part_leaves_room_for_the_menu(text: str, limit: int, room: int) -> None:
    *before, last = in_parts(OutboundMessage(text, CHOICES), limit, menu_room=room)
    assert units(last.text) <= limit - room
    assert last.choices == CHOICES
    assert all(units(part.text) <= limit and not part.choices for part in before)


@on("sms")
async def test_a_page_of_the_conversation_costs_two_segments_as_sent(tried: Tried) -> None:
    text = "Du kan si fra til politiet uten samtykke når liv står på spill – «avvergingsplikt» … " * 6
    [first, *_] = pages(text, menu=menu_line(CHOICES))
    await tried.adapter.send(tried.to, OutboundMessage(first, CHOICES), an_attempt())
    [body] = tried.sent_texts()
    cost = segments(body)
    assert cost.gsm7
    assert cost.count <= 2
    assert body.endswith(f"\n{menu_line(CHOICES)}")


def test_the_conversation_reckons_with_the_menu_that_is_sent() -> None:
    from bot import answers

    assert answers.menu_line(CHOICES) == menu_line(CHOICES)


# --- failing --------------------------------------------------------------------------------------------------------

LATER: dict[str, tuple[Fault, float | None]] = {
    "429 with a wait": (Busy(wait=7), 7.0),
    "429 without": (Busy(), None),
    "500": (Broken(500), None),
    "502": (Broken(502), None),
    "503": (Broken(503), None),
    "504 though taken": (Broken(504, taken=True), None),
    "a proxy's page instead": (Broken(307), None),
    "the password is refused": (Refused(401, 20003, "Unauthorized"), None),
    "the account is not there": (Refused(404, 20404, "Not Found"), None),
    "no answer": (Hang(), None),
    "no answer though taken": (Hang(taken=True), None),
    "the connection breaks": (Cut(), None),
    "the connection breaks though taken": (Cut(taken=True), None),
    "yes in words nobody can read": (Garbage(), None),
    "yes with nothing in it": (Garbage(b"{}"), None),
    "yes with a list in it": (Garbage(b"[]"), None),
    "yes with null in it": (Garbage(b'{"ok": true, "result": null, "sid": null}'), None),
    "yes cut short": (Garbage(b'{"ok": true, "result": {"message_id"'), None),
    "yes that is no text": (Garbage(b"\xff\xfe"), None),
}


@on(*PROVIDED)
@pytest.mark.parametrize(("fault", "wait"), LATER.values(), ids=list(LATER))
async def test_what_may_pass_is_tried_later(tried: Tried, fault: Fault, wait: float | None) -> None:
    assert tried.provider is not None
    tried.provider.faults.append(fault)
    with pytest.raises(TryLater) as caught:
        await tried.facing(fault).send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt())
    assert caught.value.retry_after == wait
    carries_nothing(caught.value)
    again = await tried.adapter.send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt(repeated=True))
    assert again.provider_message_id


@on("sms", "whatsapp")
@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Busy(wait=90, as_date=True), 90.0),
        (Busy(wait=0), 0.0),
        (Broken(503, wait=12), 12.0),
        (Refused(400, 21611, "queue is full"), None),
        (Refused(400, 63018, "too many"), None),
        (Refused(403, 20005, "account not active"), None),
    ],
)
async def test_what_twilio_says_of_waiting(tried: Tried, fault: Fault, wait: float | None) -> None:
    assert tried.provider is not None
    tried.provider.faults.append(fault)
    with pytest.raises(TryLater) as caught:
        await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt())
    assert caught.value.retry_after == wait


@on(*PROVIDED)
async def test_nobody_there_is_tried_later(tried: Tried) -> None:
    closed, to = make(tried.name, "http://127.0.0.1:9")
    with pytest.raises(TryLater) as caught:
        await closed.send(to, OutboundMessage(WORDS), an_attempt())
    carries_nothing(caught.value)
    await closed.close()


@on(*PROVIDED)
async def test_a_slow_answer_is_an_answer(tried: Tried) -> None:
    assert tried.provider is not None
    tried.provider.faults.append(Slow(0.05))
    await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt())
    assert tried.sent_texts() == [WORDS]


REFUSALS: list[tuple[str, Fault, str]] = [
    ("telegram", Refused(403, 0, "Forbidden: bot was blocked by the user"), "blocked by the user"),
    ("telegram", Refused(403, 0, "Forbidden: user is deactivated"), "deactivated"),
    ("telegram", Refused(400, 0, "Bad Request: chat not found"), "chat not found"),
    ("telegram", Refused(400, 0, f"Bad Request: can't parse entities: {WORDS}"), "BadRequest"),
    ("sms", Refused(400, 21211), "no such number"),
    ("sms", Refused(400, 21610), "opted out"),
    ("sms", Refused(400, 21614), "not a mobile number"),
    ("sms", Refused(400, 99999, WORDS), "99999"),
    ("whatsapp", Refused(400, 63016), "24 hours"),
]


@pytest.mark.parametrize(("tried", "fault", "reason"), REFUSALS, indirect=["tried"])
async def test_a_refusal_of_the_message_is_for_good(tried: Tried, fault: Fault, reason: str) -> None:
    assert tried.provider is not None
    tried.provider.faults.append(fault)
    with pytest.raises(Undeliverable, match=reason) as caught:
        await tried.adapter.send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt())
    carries_nothing(caught.value)
    assert tried.provider.taken == []


async def test_an_address_that_is_none_is_refused_without_asking() -> None:
    async with FakeProvider() as provider:
        adapter, _ = make("telegram", provider.url)
        with pytest.raises(Undeliverable) as caught:
            await adapter.send(Address(Channel.TELEGRAM, CLINICIAN_NUMBER + "x"), OutboundMessage("x"), an_attempt())
        carries_nothing(caught.value)
        await adapter.close()
    assert provider.asked == []


def carries_nothing(error: DeliveryError) -> None:
    """Neither the error nor anything it brings along holds words, numbers or secrets."""
    assert error.__cause__ is None
    assert error.__context__ is None
    printed = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    for secret in SECRETS:
        assert secret not in printed


# --- a message in doubt ---------------------------------------------------------------------------------------------


@on("sms", "whatsapp")
@pytest.mark.parametrize("fault", [Cut(taken=True), Hang(taken=True), Broken(500, taken=True), Garbage()])
async def test_twilio_is_asked_before_a_message_is_tried_again(tried: Tried, fault: Fault) -> None:
    assert tried.provider is not None
    tried.provider.faults.append(fault)
    with pytest.raises(TryLater):
        await tried.facing(fault).send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt())
    sent = await tried.adapter.send(tried.to, OutboundMessage(WORDS, CHOICES), an_attempt(repeated=True))
    assert [taken.id for taken in tried.provider.taken] == [sent.provider_message_id]


async def test_telegram_cannot_be_asked_so_it_gets_the_message_twice() -> None:
    async with FakeProvider() as provider:
        adapter, to = make("telegram", provider.url)
        provider.faults.append(Cut(taken=True))
        with pytest.raises(TryLater):
            await adapter.send(to, OutboundMessage(WORDS), an_attempt())
        assert not adapter.can_be_asked
        assert await adapter.find_sent(to, OutboundMessage(WORDS), an_attempt(repeated=True)) is None
        await adapter.send(to, OutboundMessage(WORDS), an_attempt(repeated=True))
        await adapter.close()
    assert len(provider.taken) == 2


PAGE = OutboundMessage("VARDE K7Q2: haster, norsk, Troms. Svar 1 for å ta den.", urgent=True)


@pytest.mark.parametrize(
    ("change", "message", "tag", "minutes_later", "found"),
    [
        ({}, PAGE, "K7Q2", 0, True),
        ({}, PAGE, "", 0, True),
        ({"state": "sent"}, PAGE, "K7Q2", 0, True),
        ({"state": "delivered"}, PAGE, "K7Q2", 0, True),
        ({"opening": "Sent from your Twilio trial account - "}, PAGE, "K7Q2", 0, True),
        ({"state": "failed"}, PAGE, "K7Q2", 0, False),  # its report may be lost, so it goes again
        ({"state": "undelivered"}, PAGE, "K7Q2", 0, False),
        ({}, PAGE, "K7Q3", 0, False),
        # Another message under the same label (the page was taken) is not this one.
        ({}, OutboundMessage("VARDE K7Q2: Noor har tatt den."), "K7Q2", 0, False),
        # The same words two minutes later are the ladder's next page, not this one.
        ({}, PAGE, "K7Q2", 2, False),
    ],
)
@on("sms", "whatsapp")
async def test_looking_up_what_twilio_took(
    tried: Tried, change: dict[str, str], message: OutboundMessage, tag: str, minutes_later: int, found: bool
) -> None:
    assert tried.provider is not None
    provider = tried.provider
    await tried.adapter.send(tried.to, PAGE, an_attempt(tag="K7Q2"))
    provider.twilio_state = change.get("state", "queued")
    provider.opening = change.get("opening", "")
    attempt = an_attempt(tag=tag, at=NINE + timedelta(minutes=minutes_later), repeated=True)
    known = await tried.adapter.find_sent(tried.to, message, attempt)
    assert known == (Sent(provider.taken[0].id) if found else None)
    other = replace(tried.to, value="+46701740699")
    assert await tried.adapter.find_sent(other, message, attempt) is None


@on("sms", "whatsapp")
@pytest.mark.parametrize("fault", [Busy(wait=3), Broken(500), Refused(400, 21211), Cut(), Hang(), Garbage()])
async def test_a_provider_that_cannot_be_asked_now_is_asked_later(tried: Tried, fault: Fault) -> None:
    assert tried.provider is not None
    tried.provider.faults.extend([fault, fault])  # the library itself asks a second time where nobody can be hurt
    with pytest.raises(TryLater) as caught:
        await tried.facing(fault).find_sent(tried.to, OutboundMessage(WORDS), an_attempt())
    carries_nothing(caught.value)


@on("web", "terminal")
async def test_what_is_written_down_is_sent(tried: Tried) -> None:
    sent = await tried.adapter.send(tried.to, OutboundMessage(WORDS), an_attempt(attempt_id="7"))
    assert await tried.adapter.find_sent(tried.to, OutboundMessage(WORDS), an_attempt(attempt_id="7")) == sent


# --- silence --------------------------------------------------------------------------------------------------------


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that any library or our own code writes, at the lowest level, also by structlog."""
    printed: list[str] = []

    def keep(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        printed.append(repr(dict(event)))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    caplog.set_level(logging.DEBUG)
    for name in list(logging.Logger.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    yield lambda: "\n".join([*printed, *(repr(vars(record)) + record.getMessage() for record in caplog.records)])
    structlog.configure(**before)


@on(*PROVIDED)
@pytest.mark.parametrize(
    "fault", [None, Busy(wait=1), Broken(500), Refused(), Cut(), Garbage(WORDS.encode()), Garbage(b"{}")]
)
async def test_nothing_anybody_logs_holds_words_or_secrets(
    everything_logged: Callable[[], str], tried: Tried, fault: Fault | None
) -> None:
    assert tried.provider is not None
    if fault is not None:
        tried.provider.faults.append(fault)
    logging.getLogger("test").debug("the log is on")
    adapter, to = make(tried.name, tried.provider.url)  # some libraries log what they are made with
    for repeated in (False, True):
        with suppress(DeliveryError):
            await adapter.send(to, OutboundMessage(WORDS, CHOICES), an_attempt(repeated=repeated))
    if isinstance(adapter, TelegramChannel):
        tried.provider.updates.append({"update_id": 1, "message": {"text": WORDS}})
        await adapter.poll(None, wait_seconds=0)
        message = adapter.parse(telegram("callback"))
        tried.provider.faults.append(Refused(400, 0, f"Bad Request: {WORDS}"))
        assert message is not None
        await adapter.acknowledge(message)  # type: ignore[arg-type]  # the captured tap
    await adapter.close()
    logged = everything_logged()
    assert "the log is on" in logged
    for secret in SECRETS:
        assert secret not in logged


async def test_the_silence_outlasts_a_new_configuration_of_logging(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeProvider() as provider:
        adapter, to = make("telegram", provider.url)
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "loggers": {"httpx": {"level": 0}}})
        with caplog.at_level(logging.DEBUG):
            await adapter.send(to, OutboundMessage(WORDS), an_attempt())
        await adapter.close()
    assert TELEGRAM_TOKEN not in caplog.text


# --- Telegram's taps and polling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, Refused(400, 0, "query is too old"), Broken(502), Cut(), Hang()])
async def test_a_tap_is_acknowledged_and_a_failure_there_harms_nobody(fault: Fault | None) -> None:
    async with FakeProvider() as provider:
        adapter, _ = make("telegram", provider.url, IMPATIENCE if isinstance(fault, Hang) else PATIENCE)
        message = adapter.parse(telegram("callback"))
        if fault is not None:
            provider.faults.append(fault)
        await adapter.acknowledge(message)  # type: ignore[arg-type]  # the captured tap
        await adapter.close()
    assert provider.acknowledged == ["3307542100900111222"]


@pytest.mark.parametrize("fault", [None, Refused(400, 0, "message to edit not found"), Broken(502), Cut()])
async def test_buttons_that_have_had_their_time_are_taken_off_and_a_failure_there_harms_nobody(
    fault: Fault | None,
) -> None:
    async with FakeProvider() as provider:
        adapter, to = make("telegram", provider.url, PATIENCE)
        page = await adapter.send(to, OutboundMessage(WORDS, CHOICES), an_attempt())
        if fault is not None:
            provider.faults.extend([None, fault])  # type: ignore[list-item]  # the first call does well
        struck = OutboundMessage("Sak 48213 er tatt av Noor.", strikes=(page.provider_message_id,))
        sent = await adapter.send(to, struck, an_attempt())
        await adapter.close()
    assert sent.provider_message_id == provider.taken[-1].id
    assert provider.struck == [(to.value, page.provider_message_id, False)]
    assert provider.taken[-1].buttons == []


# --- the fake is a channel like the others --------------------------------------------------------------------------


async def test_the_fake_does_wrong_what_it_is_told_in_order() -> None:
    fake = FakeChannel(Channel.SMS)
    to = Address(Channel.SMS, CLINICIAN_NUMBER)
    fake.faults.extend([TryLater("busy", retry_after=2), TakenThen(TryLater("cut")), None, Undeliverable("no")])
    outcomes: list[Any] = []
    for number in range(5):
        try:
            attempt = an_attempt(at=NINE + timedelta(minutes=number))
            outcomes.append(await fake.send(to, OutboundMessage(str(number)), attempt))
        except DeliveryError as error:
            outcomes.append(str(error))
    assert outcomes == ["busy", "cut", Sent("sms-2"), "no", Sent("sms-4")]
    assert fake.texts_to(CLINICIAN_NUMBER) == ["1", "2", "4"]
    assert len(fake.given) == 5
    found = await fake.find_sent(to, OutboundMessage("1"), an_attempt(at=NINE + timedelta(minutes=1)))
    assert found == Sent("sms-1")
    assert await fake.find_sent(to, OutboundMessage("0"), an_attempt()) is None


async def test_the_fake_reads_what_it_posts() -> None:
    fake = FakeChannel(Channel.WHATSAPP)
    real, _ = make("whatsapp", "http://127.0.0.1:9")
    assert {name for name in dir(real) if not name.startswith("_")} - {"body"} <= set(dir(fake))
    from tests.captured import twilio

    message = real.parse(twilio("whatsapp_button"))
    assert fake.verify(fake.webhook(message))
    assert fake.parse(fake.webhook(message)) == message
    report = real.parse(twilio("whatsapp_status"))
    assert fake.parse(fake.webhook(report)) == report
    assert fake.parse(fake.webhook(None)) is None
    await real.close()
