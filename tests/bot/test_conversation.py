"""One message after another through the front door: what she is told, and that nothing she says is lost on the way."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot import dialogue, store
from bot.app import Line
from bot.house import House
from bot.inbox import take_in
from escalation import advisors, hearing
from escalation import store as escalations
from helpline import accounts, inbox
from helpline.accounts import ContactChannel, Role
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, InboundKind, InboundMessage, Language, Undeliverable
from tests.bot.conftest import local_settings
from tests.conftest import NINE
from tests.fakes import FakeChannel

SHE = Address(Channel.TELEGRAM, "7700900123")
ASHA = Address(Channel.TELEGRAM, "7700900456")
DANGER = "han står utenfor døra med kniv og truer henne nå"


@dataclass
class Stage:
    """The line, and a Telegram that remembers what it was given."""

    line: Line
    clock: SetClock
    telegram: FakeChannel
    patch: pytest.MonkeyPatch
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def take(
        self, text: str = "", *, kind: InboundKind = InboundKind.TEXT, sender: Address = SHE, token: str = ""
    ) -> None:
        """It is on disk, and nobody has looked at it yet."""
        number = str(next(self.numbers))
        await take_in(self.line.house, InboundMessage(Channel.TELEGRAM, number, sender, kind, text, token))

    async def say(self, text: str = "", **more: Any) -> None:
        await self.take(text, **more)
        await self.line.settle()

    async def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))
        await self.line.settle()

    def told(self, person: Address = SHE) -> list[str]:
        return self.telegram.texts_to(person.value)

    @property
    def last(self) -> str:
        return self.told()[-1]

    async def conversation(self) -> str:
        house = self.line.house
        async with house.db.read() as conn:
            row = await store.find_by_address(conn, house.vault.fingerprint_of(SHE))
        assert row is not None
        return str(row.id)

    async def waiting_room(self) -> escalations.Filed | None:
        async with self.line.house.db.read() as conn:
            return await escalations.find_open(conn, await self.conversation())

    async def attempts(self) -> int:
        async with self.line.house.db.read() as conn:
            known = await store.outline(conn, await self.conversation())
        assert known is not None
        return known.attempts

    async def unhandled(self) -> int:
        house = self.line.house
        async with house.db.read() as conn:
            rows = await conn.execute(select(store.conversations.c.id))
            return sum([len(await inbox.waiting(conn, house.vault, row.id)) for row in rows.all()])


@pytest.fixture
async def stage(
    prepared: tuple[Path, House], tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    telegram = FakeChannel(Channel.TELEGRAM)
    channels = {**house.channels, Channel.TELEGRAM: telegram}
    db = Database.connect(settings.database_url.reveal())
    line = Line(replace(house, settings=settings, clock=clock, db=db, channels=channels))
    async with db.write() as conn:
        await accounts.add_staff(
            conn,
            house.vault,
            staff_id="local",
            name="Asha",
            roles=[Role.ADVISOR],
            languages=[Language.NB],
            zone="Europe/Oslo",
            now=NINE,
        )
        await accounts.add_contact(
            conn,
            house.vault,
            staff_id="local",
            channel=ContactChannel.TELEGRAM,
            value=ASHA.value,
            now=NINE - timedelta(days=1),
            verified=True,
        )
    yield Stage(line, clock, telegram, monkeypatch)
    await db.dispose()


Breaking = Callable[[Stage], Awaitable[None]]


def numbers_come_first(texts: list[str]) -> bool:
    return texts[0].startswith("Er noen i fare nå: ring 112")


# --- what she demands, and what comes right behind it -----------------------------------------------------------------


async def test_what_follows_a_wish_to_erase_is_answered(stage: Stage) -> None:
    await stage.say("hei")
    await stage.take("slett")
    await stage.take(DANGER)
    await stage.line.settle()
    assert "Det du skrev, er slettet" in stage.told()[1]
    assert numbers_come_first(stage.told()[2:])
    assert await stage.waiting_room() is not None
    assert await stage.unhandled() == 0


async def test_stop_says_that_it_stops(stage: Stage) -> None:
    await stage.say("rådgiver")
    await stage.say("stopp")
    assert "ingen flere meldinger" in stage.last
    assert await stage.waiting_room() is None


async def test_a_message_right_behind_stop_is_answered(stage: Stage) -> None:
    await stage.say("hei")
    await stage.take(kind=InboundKind.STOP)
    await stage.take(DANGER)
    await stage.line.settle()
    assert numbers_come_first(stage.told()[1:])
    assert await stage.waiting_room() is not None


async def test_erasing_right_behind_stop_erases(stage: Stage) -> None:
    await stage.say("hei")
    old = await stage.conversation()
    await stage.take(kind=InboundKind.STOP)
    await stage.take("slett")
    await stage.line.settle()
    async with stage.line.house.db.read() as conn:
        assert await stage.line.house.vault.existing(conn, store.subject_of(old)) is None
    assert "Det du skrev, er slettet" in stage.last


async def test_erasing_takes_her_gaps_with_it(stage: Stage) -> None:
    await stage.say("hvordan skifter jeg dekk på en traktor")
    await stage.say("kvantefeltteori for nybegynnere i paviljongen")
    async with stage.line.house.db.read() as conn:
        kept = (await conn.execute(select(store.gaps.c.id))).all()
    assert kept
    await stage.say("slett")
    async with stage.line.house.db.read() as conn:
        assert (await conn.execute(select(store.gaps.c.id))).all() == []
        assert await stage.line.house.vault.existing(conn, f"gap:{kept[0].id}") is None


# --- danger first -----------------------------------------------------------------------------------------------------


async def test_danger_below_a_picture_is_danger(stage: Stage) -> None:
    await stage.say(DANGER, kind=InboundKind.PHOTO)
    assert numbers_come_first(stage.told())
    assert await stage.waiting_room() is not None


async def test_a_question_below_a_picture_is_answered(stage: Stage) -> None:
    await stage.say("hva er menneskehandel", kind=InboundKind.PHOTO)
    assert "kan ikke se bilder" in stage.told()[1]
    assert len(stage.told()) == 3


async def test_a_tap_that_says_danger_comes_before_any_greeting(stage: Stage) -> None:
    await stage.say(kind=InboundKind.TAP, token=dialogue.DANGER_YES)
    assert numbers_come_first(stage.told())


async def test_one_endless_word_is_answered_like_any_other(stage: Stage) -> None:
    await stage.say("a" * 20_000)  # was compared with every rule for eight minutes, while everybody waited
    await stage.say(DANGER + "a" * 5_000)
    assert len(stage.told()) >= 3


# --- when we fail -----------------------------------------------------------------------------------------------------


async def break_state(stage: Stage) -> None:
    house, id_ = stage.line.house, await stage.conversation()
    async with house.db.write() as conn:
        key = await house.vault.open(conn, store.subject_of(id_))
        broken = key.seal('{"language": "xx", "country": "NO"}', about=f"state:{id_}")
        await conn.execute(update(store.conversations).where(store.conversations.c.id == id_).values(state=broken))


async def break_words(stage: Stage) -> None:
    async with stage.line.house.db.write() as conn:
        sealed = (await conn.execute(select(inbox._inbound.c.sealed).order_by(inbox._inbound.c.id.desc()))).first()
        assert sealed is not None
        spoiled = sealed[0][:-1] + bytes([sealed[0][-1] ^ 1])
        await conn.execute(update(inbox._inbound).where(inbox._inbound.c.sealed == sealed[0]).values(sealed=spoiled))


async def break_applying(stage: Stage) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("on purpose")

    stage.patch.setattr(stage.line.conversations, "_apply", fails)


async def break_deciding(stage: Stage) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("on purpose")

    stage.patch.setattr(dialogue, "decide", fails)


@pytest.mark.parametrize("broken", [break_state, break_words, break_applying, break_deciding])
async def test_a_turn_that_cannot_be_done_ends_with_a_human(stage: Stage, broken: Breaking) -> None:
    await stage.say("hei")
    await stage.take("hva er menneskehandel")
    await broken(stage)
    await stage.line.settle()
    assert len(stage.told()) == 1, "it is tried once more first"
    await stage.later(seconds=2)
    assert "Noe gikk galt hos oss" in stage.told()[1]
    assert "112" in stage.told()[1]
    filed = await stage.waiting_room()
    assert filed is not None
    assert filed.reason == "trouble"
    assert any("HASTER" in text.upper() for text in stage.told(ASHA))
    assert await stage.unhandled() == 0
    stage.patch.undo()
    await stage.say("ja")
    assert any("Er noen i fare nå" in text for text in stage.told()[2:])


async def test_where_nobody_can_be_sought_either_she_is_told_whom_to_call(stage: Stage) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("on purpose")

    await stage.say("hei")
    stage.patch.setattr(stage.line.room, "seek", fails)
    await stage.say("rådgiver")
    await stage.later(seconds=2)
    assert "får ikke varslet en rådgiver" in stage.last
    assert "116 117" in stage.last
    assert await stage.unhandled() == 0


async def test_one_that_cannot_be_told_is_tried_ever_more_rarely_and_keeps_nobody_else_waiting(stage: Stage) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    await stage.say("hei")
    stage.patch.setattr(stage.line.conversations, "_say_trouble", fails)
    await stage.take("hva er menneskehandel")
    await break_words(stage)
    for _ in range(3):
        await stage.later(seconds=2)
    assert await stage.attempts() == 3
    other = Address(Channel.TELEGRAM, "7700900789")
    await stage.say("hei", sender=other)
    assert stage.told(other)
    await stage.later(seconds=3)
    assert await stage.attempts() == 3
    stage.patch.undo()
    await stage.later(minutes=5)
    assert any("Noe gikk galt hos oss" in text for text in stage.told())


async def test_what_cannot_be_masked_is_not_kept_and_an_advisor_is_sought(stage: Stage) -> None:
    await stage.say("hei")
    break_masking(stage)
    await stage.say("Kari Nordmann ligger på rom 4")
    assert "112" in stage.told()[1], "she may have told of danger"
    filed = await stage.waiting_room()
    assert filed is not None
    assert filed.reason == "trouble"
    assert await stage.unhandled() == 0
    house = stage.line.house
    async with house.db.read() as conn:
        kept = await inbox.transcript(conn, house.vault, await stage.conversation())
    assert [message.masked_kinds for message in kept] == [(), (inbox.UNMASKED,)]
    assert not any("Kari" in message.text or "rom 4" in message.text for message in kept)


async def test_an_advisor_can_take_what_she_is_paged_for_where_nothing_can_be_masked(stage: Stage) -> None:
    await stage.say("rådgiver")
    filed = await stage.waiting_room()
    assert filed is not None
    break_masking(stage)
    await stage.say(filed.code, sender=ASHA)
    taken = await stage.waiting_room()
    assert taken is not None
    assert taken.escalation.owner == "local"


async def test_stop_silences_where_nothing_can_be_masked(stage: Stage) -> None:
    await stage.say("hei")
    break_masking(stage)
    await stage.say("stopp", kind=InboundKind.STOP)
    assert await stage.waiting_room() is None
    before = len(stage.told())
    await stage.later(minutes=30)
    assert len(stage.told()) == before


def break_masking(stage: Stage) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    stage.patch.setattr(stage.line.house.masker, "mask", fails)


async def test_words_that_do_not_reach_the_advisor_bring_somebody_else(stage: Stage) -> None:
    await stage.say("rådgiver")
    filed = await stage.waiting_room()
    assert filed is not None
    await stage.say(filed.code, sender=ASHA)
    stage.telegram.faults.append(Undeliverable("403"))
    before = len(stage.told())
    await stage.say("hun vil gå herfra i kveld")
    freed = await stage.waiting_room()
    assert freed is not None
    assert freed.escalation.owner is None
    assert len(stage.told()) == before + 1, "she is told once that somebody else is sought"
    async with stage.line.house.db.read() as conn:
        happened = [event.kind for event in await escalations.history(conn, filed.id)]
    assert "owner_not_reached" in happened


async def test_staff_hear_that_their_word_was_not_acted_on(stage: Stage) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    stage.patch.setattr(hearing, "hear", fails)
    await stage.say("hjelp", sender=ASHA)
    await stage.later(seconds=2)
    assert "ble ikke behandlet" in stage.told(ASHA)[-1]


# --- while she writes, something happens -----------------------------------------------------------------------------


async def test_words_to_an_advisor_who_ends_it_this_moment_are_answered(stage: Stage) -> None:
    await stage.say("rådgiver")
    filed = await stage.waiting_room()
    assert filed is not None
    house, means = stage.line.house, stage.line.room.means
    async with house.db.write() as conn:
        await advisors.acknowledge(conn, means, filed.id, "local", stage.clock.now())
    await stage.line.settle()
    before = len(stage.told())
    await stage.take("hva er menneskehandel")
    async with house.db.write() as conn:
        await advisors.close(conn, means, filed.id, "local", stage.clock.now())
    await stage.line.settle()
    assert stage.told()[before].startswith("Rådgiveren har avsluttet")
    assert len(stage.told()) == before + 2


async def test_an_advisor_is_told_what_was_masked_in_their_words(stage: Stage) -> None:
    await stage.say("rådgiver")
    filed = await stage.waiting_room()
    assert filed is not None
    await stage.say(filed.code, sender=ASHA)
    await stage.say("Ring meg på 98 76 54 32", sender=ASHA)
    assert "98 76" not in stage.last
    assert any("tok bort noe" in text for text in stage.told(ASHA))


async def test_the_region_of_a_place_in_the_other_country_is_its_own(stage: Stage) -> None:
    for said in ("hvem kan hjelpe", "Uppsala", "rådgiver"):
        await stage.say(said)
    filed = await stage.waiting_room()
    assert filed is not None
    assert filed.region != "Oslo"


async def test_a_message_that_no_due_conversation_leads_to_is_found_by_the_sweep(stage: Stage) -> None:
    await stage.take("hei")
    house = stage.line.house
    async with house.db.write() as conn:
        # As if a fault had let the conversation rest although a message waits in it.
        await conn.execute(update(store.conversations).values(due_at=None, lease_token=None))
    await stage.line.settle()
    assert stage.told() == []
    stage.clock.advance(timedelta(minutes=3))
    await stage.line.conversations.sweep(stage.clock.now())
    await stage.line.settle()
    assert "Dette er rådgivningslinja" in stage.told()[0]
    assert await stage.line.conversations.sweep(stage.clock.now()) == 0


async def test_what_an_advisor_writes_on_the_desk_is_masked_too(stage: Stage) -> None:
    await stage.say("rådgiver")
    filed = await stage.waiting_room()
    assert filed is not None
    house = stage.line.house
    async with house.db.write() as conn:
        await stage.line.room.advisor_wrote(
            conn, filed, "Ring henne på 912 34 567", "asha", key="k", now=stage.clock.now()
        )
    await stage.line.settle()
    assert stage.last == "Rådgiver: Ring henne på [telefon]"
