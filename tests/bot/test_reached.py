"""The page "How I am reached", by the front door: contacts, rules, quiet hours and the test."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot.app import Line
from bot.channels.local import LocalChannel
from bot.desk.reached import MOST_QUIET_HOURS
from bot.inbox import take_in
from escalation.reach import store as reach_store
from escalation.reach.store import QuietSpell
from escalation.standing import Urgency
from helpline import accounts, outbox
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.messages import Address, Channel, InboundKind, InboundMessage
from tests.bot.browsing import Client, Page, get, post
from tests.bot.conftest import MakeClient

PAGE = "/desk/reached"
HTML = {"Accept": "text/html", "Accept-Language": "nb"}
SMS, CALL, TELEGRAM = ContactChannel.SMS, ContactChannel.CALL, ContactChannel.TELEGRAM


@pytest.fixture
async def line(line: Line) -> Line:
    """The line with every way to staff switched on."""
    channels = {
        **line.house.channels,
        **{each: LocalChannel(each) for each in (Channel.SMS, Channel.TELEGRAM, Channel.CALL)},
    }
    return Line(replace(line.house, channels=channels))


@pytest.fixture
def come(line: Line, aiohttp_client: MakeClient) -> Any:
    """Takes somebody on with these contacts, signs them in, and gives their browser."""
    server: list[Any] = []

    async def make(who: str, *contacts: tuple[ContactChannel, str], roles: Sequence[Role] = (Role.ADVISOR,)) -> Client:
        now, vault = line.house.clock.now(), line.house.vault
        async with line.house.db.write() as conn:
            await accounts.add_staff(
                conn, vault, name=who.title(), roles=roles, now=now, zone="Europe/Oslo", staff_id=who
            )
            for channel, value in contacts:
                await accounts.add_contact(
                    conn, vault, staff_id=who, channel=channel, value=value, now=now, verified=True
                )
            token = await accounts.make_sign_in_link(conn, who, now=now)
        browser = await aiohttp_client(server[0] if server else line.application(), headers=HTML)
        server[:] = [browser.server]
        assert (await post(browser, f"/desk/sign-in/{token}", {})).status == 200
        return browser

    return make


@pytest.fixture
async def asha(come: Any) -> Client:
    browser: Client = await come("asha", (TELEGRAM, "1001"), (SMS, "+4790000001"))
    return browser


@pytest.fixture
async def noor(come: Any, asha: Client) -> Client:
    browser: Client = await come("noor", (SMS, "+4790000002"))
    return browser


async def act(browser: Client, where: str, **fields: str) -> Page:
    """Send a form of the page."""
    page = await get(browser, PAGE)
    return await post(browser, f"{PAGE}/{where}", {"csrf": page.csrf, **fields})


def shown(page: Page) -> str:
    """What a reader sees, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def ids(line: Line, who: str) -> dict[str, int]:
    async with line.house.db.read() as conn:
        return {each.channel.value: each.id for each in await accounts.contacts(conn, line.house.vault, who)}


async def rules(line: Line, who: str = "asha") -> Mapping[Urgency, Sequence[tuple[int, timedelta]]]:
    async with line.house.db.read() as conn:
        return await reach_store.rules_of(conn, who)


async def quiet_hours(line: Line) -> list[QuietSpell]:
    async with line.house.db.read() as conn:
        return await reach_store.all_quiet_hours(conn)


async def messages(line: Line, channel: Channel) -> list[str]:
    """What waits in the outbox for a channel."""
    async with line.house.db.read() as conn:
        rows = (await conn.execute(outbox._outbound.select().order_by(outbox._o.id))).all()
        opened = [await outbox.open_message(conn, line.house.vault, outbox._outgoing(row)) for row in rows]
    return [message.text for address, message in opened if address.channel is channel]


# --- contacts


async def test_contacts_show_no_address(line: Line, asha: Client) -> None:
    page = await get(asha, PAGE)
    assert "…01" in page.text
    assert "9000000" not in page.text


async def test_contact_is_removed_by_its_owner_alone(line: Line, asha: Client, noor: Client) -> None:
    number = (await ids(line, "asha"))["sms"]
    await act(noor, f"contacts/{number}/remove")
    assert set(await ids(line, "asha")) == {"telegram", "sms"}
    page = await act(asha, f"contacts/{number}/remove")
    assert set(await ids(line, "asha")) == {"telegram"}
    assert "tatt bort" in shown(page)
    assert "ikke der lenger" in shown(await act(asha, f"contacts/{number}/remove"))  # pressed twice


async def test_code_is_shown_for_the_channels_that_are_on(line: Line, asha: Client) -> None:
    page = await act(asha, "contacts/sms/code")
    assert re.search(r"<code>[2-9B-Z]{10}</code>", page.text)
    assert (await act(asha, "contacts/whatsapp/code")).status == 404


async def test_number_is_proved_by_the_code_that_was_spoken(line: Line, asha: Client) -> None:
    page = await act(asha, "number", number="900 00 077")
    assert "slutter på …77" in shown(page)
    [spoken] = await messages(line, Channel.CALL)
    code = "".join(re.findall(r"\d", spoken))
    wrong = str((int(code) + 1) % 1_000_000).zfill(6)
    page = await act(asha, "number/code", code=wrong)
    assert page.status == 422
    assert "ikke koden" in shown(page)
    assert "call" not in await ids(line, "asha")
    page = await act(asha, "number/code", code=f"{code[:3]} {code[3:]}")
    assert "Nummeret er ditt" in shown(page)
    assert "call" in await ids(line, "asha")
    assert "gjelder ikke lenger" in shown(await act(asha, "number/code", code=code))


@pytest.mark.parametrize("typed", ["112", "ring meg", "829 00 000", "9" * 500])
async def test_number_that_cannot_be_called_is_refused_and_kept_in_the_form(
    line: Line, asha: Client, typed: str
) -> None:
    page = await act(asha, "number", number=typed)
    assert page.status == 422
    assert f'value="{typed[:40]}"' in page.text
    assert await messages(line, Channel.CALL) == []


async def test_other_number_can_be_chosen_while_a_code_waits(line: Line, asha: Client) -> None:
    await act(asha, "number", number="900 00 077")
    page = await act(asha, "number/forget")
    assert 'name="number"' in page.text
    assert "gjelder ikke lenger" in shown(await act(asha, "number/code", code="123456"))


# --- rules


async def test_rules_are_saved_for_one_urgency_and_taken_back(line: Line, asha: Client) -> None:
    known = await ids(line, "asha")
    sms, telegram = known["sms"], known["telegram"]
    fields = {f"after-{telegram}": "0", f"again-{telegram}": "120", f"after-{sms}": "60"}
    page = await act(asha, "rules/urgent", **fields)
    assert "Reglene er lagret" in shown(page)
    minute = timedelta(minutes=1)
    chosen = [(telegram, 0 * minute), (sms, minute), (telegram, 2 * minute)]
    assert await rules(line) == {Urgency.URGENT: chosen}
    await act(asha, "rules/urgent", action="house")
    assert await rules(line) == {}


@pytest.mark.parametrize("chosen", [{}, {"desk": "0"}, {"telegram": "900", "desk": "0"}])
async def test_rules_that_could_never_wake_anybody_are_refused(
    line: Line, asha: Client, chosen: dict[str, str]
) -> None:
    await act(asha, "contacts/desk")
    known = await ids(line, "asha")
    page = await act(asha, "rules/urgent", **{f"after-{known[name]}": after for name, after in chosen.items()})
    assert page.status == 422
    assert "aldri vekke deg" in shown(page)
    assert await rules(line) == {}
    if "telegram" in chosen:  # what was typed stands in the form
        assert re.search(rf'id="urgent-after-{known["telegram"]}".*?value="900" selected', page.text, re.DOTALL)


async def test_rules_slower_than_the_step_are_saved_and_said(line: Line, asha: Client) -> None:
    known = await ids(line, "asha")
    page = await act(asha, "rules/urgent", **{f"after-{known['sms']}": "300"})
    said = shown(page)
    assert "Du varsles først etter 5 min" in said
    assert "bare ett sted: SMS" in said
    assert len((await rules(line))[Urgency.URGENT]) == 1


async def test_rules_name_nobody_elses_contact(line: Line, asha: Client, noor: Client) -> None:
    hers, his = await ids(line, "asha"), await ids(line, "noor")
    await act(noor, "rules/routine", **{f"after-{hers['sms']}": "0", f"after-{his['sms']}": "60", "after-x": "1"})
    assert await rules(line, "noor") == {Urgency.ROUTINE: [(his["sms"], timedelta(minutes=1))]}


async def test_rules_are_for_those_who_are_paged(line: Line, come: Any) -> None:
    eva = await come("eva", (SMS, "+4790000005"), roles=[Role.EDITOR])
    page = await get(eva, PAGE)
    assert "…05" in page.text
    assert "/desk/reached/rules" not in page.text
    assert (await act(eva, "rules/urgent", action="house")).status == 404
    assert (await act(eva, "quiet")).status == 404


# --- quiet hours

NIGHTS: dict[str, Any] = {
    "starts": "22:00",
    "ends": "07:00",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "urgencies": ["routine", "urgent"],
    "stand_in": "noor",
}


async def ask_for_quiet(browser: Client, **changed: Any) -> Page:
    fields = {**NIGHTS, **changed}
    page = await get(browser, PAGE)
    pairs = [("csrf", page.csrf)]
    for name, value in fields.items():
        pairs += [(name, each) for each in (value if isinstance(value, list) else [value])]
    return await post(browser, f"{PAGE}/quiet", pairs)  # type: ignore[arg-type]


async def test_quiet_hours_are_asked_for_and_agreed_to(line: Line, asha: Client, noor: Client) -> None:
    page = await ask_for_quiet(asha)
    assert "22:00–07:00 mandag–fredag" in shown(page)
    assert "Ikke avtalt ennå" in shown(page)
    [asked] = await messages(line, Channel.SMS)
    assert asked.startswith("Asha vil ha stille timer")
    [spell] = await quiet_hours(line)
    page = await act(asha, f"quiet/{spell.id}/agree")  # not hers to say
    assert "ikke der lenger" in shown(page)
    assert "En kollega vil ha stille timer" in shown(await get(noor, PAGE))
    page = await act(noor, f"quiet/{spell.id}/agree")
    assert "Du varsles i de timene" in shown(page)
    assert "En kollega vil ha stille timer" not in shown(page)
    assert (await quiet_hours(line))[0].agreed_at is not None
    assert "Avtalt" in shown(await get(asha, PAGE))


async def test_either_ends_quiet_hours_and_the_other_hears(line: Line, asha: Client, noor: Client) -> None:
    await ask_for_quiet(asha)
    [spell] = await quiet_hours(line)
    await act(noor, f"quiet/{spell.id}/end")
    assert await quiet_hours(line) == []
    [told] = await messages(line, Channel.TELEGRAM)
    assert told.startswith("Noor blir ikke varslet i stedet for deg")


async def test_nobody_else_ends_them(line: Line, come: Any, asha: Client, noor: Client) -> None:
    await ask_for_quiet(asha)
    [spell] = await quiet_hours(line)
    maja = await come("maja", (SMS, "+4790000003"), roles=[Role.COORDINATOR])
    assert "ikke der lenger" in shown(await act(maja, f"quiet/{spell.id}/end"))
    assert len(await quiet_hours(line)) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"starts": "sent"}, "Skriv klokkeslett"),
        ({"days": []}, "minst én dag"),
        ({"urgencies": []}, "minst én."),
        ({"stand_in": ""}, "Velg en kollega"),
        ({"stand_in": "asha"}, "Velg en kollega"),  # herself
        ({"stand_in": "nobody"}, "Velg en kollega"),
        ({"stand_in": "mute"}, "ingen kontakt som kan vekke"),
    ],
)
async def test_quiet_hours_that_cannot_be_are_refused_and_kept_in_the_form(
    line: Line, come: Any, asha: Client, noor: Client, changed: dict[str, Any], said: str
) -> None:
    await come("mute")
    page = await ask_for_quiet(asha, **{"ends": "06:30", **changed})
    assert page.status == 422
    assert said in shown(page)
    assert 'value="06:30"' in page.text
    assert await quiet_hours(line) == []


async def test_the_same_quiet_hours_are_asked_for_once_and_not_without_end(
    line: Line, asha: Client, noor: Client
) -> None:
    await ask_for_quiet(asha)
    assert (await ask_for_quiet(asha)).status == 422  # pressed twice
    for minute in range(10, 10 + MOST_QUIET_HOURS):
        await ask_for_quiet(asha, ends=f"07:{minute}")
    assert len(await quiet_hours(line)) == MOST_QUIET_HOURS


# --- the test


async def test_test_is_sent_and_its_answer_shown(line: Line, asha: Client, clock: SetClock) -> None:
    page = await act(asha, "test")
    assert "venter på svar på" in shown(page)
    assert len(await messages(line, Channel.SMS)) == 1
    await act(asha, "test")
    assert len(await messages(line, Channel.SMS)) == 1  # pressed twice
    async with line.house.db.write() as conn:
        for contact in (await ids(line, "asha")).values():
            await reach_store.note_answer(conn, "asha", str(contact), clock.now())
    assert "du svarte overalt" in shown(await get(asha, PAGE))


async def writes(line: Line, channel: Channel, who: str, text: str = "", token: str = "") -> None:
    """Somebody writes or taps on their telephone."""
    kind = InboundKind.TAP if token else InboundKind.TEXT
    message = InboundMessage(channel, f"in-{who}{text}{token}", Address(channel, who), kind, text, token)
    assert isinstance(line.house.clock, SetClock)
    line.house.clock.advance(timedelta(seconds=1))
    assert await take_in(line.house, message)
    await line.settle()


async def test_test_is_answered_by_a_tap_and_by_a_word(line: Line, asha: Client) -> None:
    await act(asha, "test")
    async with line.house.db.read() as conn:
        [test] = await reach_store.open_tests_of(conn, "asha")
    await writes(line, Channel.TELEGRAM, "1001", token=f"reach:{test.id}")
    assert "venter på svar på SMS" in shown(await get(asha, PAGE))
    await writes(line, Channel.SMS, "+4790000001", "1")
    assert "du svarte overalt" in shown(await get(asha, PAGE))
    assert "Takk. Vi når deg her." in await messages(line, Channel.TELEGRAM)
    assert "Takk. Vi når deg her." in await messages(line, Channel.SMS)


async def test_stand_in_agrees_by_a_tap(line: Line, come: Any, asha: Client) -> None:
    await come("noor", (TELEGRAM, "1002"))
    await ask_for_quiet(asha)
    [spell] = await quiet_hours(line)
    await writes(line, Channel.TELEGRAM, "1001", token=f"standin:yes:{spell.id}")  # not hers to say
    assert (await quiet_hours(line))[0].agreed_at is None
    await writes(line, Channel.TELEGRAM, "1002", token=f"standin:yes:{spell.id}")
    assert (await quiet_hours(line))[0].agreed_at is not None
    assert any(text.startswith("Noor har sagt ja") for text in await messages(line, Channel.TELEGRAM))


async def test_whoever_has_no_contact_is_told_what_to_do(line: Line, come: Any) -> None:
    mute = await come("mute")
    said = shown(await get(mute, PAGE))
    assert "Legg til minst to" in said
    assert "ingen kontakt som kan prøves" in shown(await act(mute, "test"))


async def test_forms_of_another_session_are_refused(line: Line, asha: Client) -> None:
    for where in ("contacts/desk", "number", "number/code", "rules/urgent", "quiet", "quiet/1/agree", "test"):
        assert (await post(asha, f"{PAGE}/{where}", {"csrf": "x"})).status == 403


async def test_what_changes_is_in_the_trail(line: Line, asha: Client, noor: Client) -> None:
    known = await ids(line, "asha")
    await act(asha, "rules/urgent", **{f"after-{known['sms']}": "0"})
    await ask_for_quiet(asha)
    async with line.house.db.read() as conn:
        done = set((await conn.execute(sql("SELECT action FROM audit_entry"))).scalars())
    assert {"personal_rules_changed", "quiet_hours_asked"} <= done
