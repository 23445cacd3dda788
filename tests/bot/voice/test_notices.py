"""Words to staff by phone: nothing is said before a key, everything after it, and no phone is left with half of it."""

from __future__ import annotations

import secrets

from escalation import advisors
from escalation.carry import lane_to
from escalation.standing import Urgency
from helpline import outbox
from helpline.messages import Address, Channel, OutboundMessage
from helpline.outbox import OutboundKind, OutboundState
from helpline.storage import StorageBusy
from routing.services import ServiceKind
from tests.bot.voice.conftest import ASHA, NOOR, Telephone
from tests.phone import Fate, Placed

SECRET = "Sak 48213: klinikeren venter på et ord fra deg."


async def told(telephone: Telephone, words: str = SECRET, *, escalation_id: str | None = None) -> Placed:
    """Noor, who has only a phone, is told something."""
    async with telephone.line.house.db.write() as conn:
        await outbox.enqueue(
            conn,
            telephone.line.house.vault,
            key=f"notice:{secrets.token_hex(4)}",
            lane=lane_to("noor", "call"),
            kind=OutboundKind.NOTICE,
            subject="staff:noor",
            to=Address(Channel.CALL, NOOR),
            message=OutboundMessage(words),
            now=telephone.now,
            escalation_id=escalation_id,
        )
    await telephone.line.settle()
    return telephone.call_to(NOOR)


async def state_of(telephone: Telephone, call: Placed) -> OutboundState:
    row = await telephone.row(call)
    assert row.outbound_id is not None
    async with telephone.line.house.db.read() as conn:
        found = await outbox.find_by_id(conn, row.outbound_id)
    assert found is not None
    return found.state


async def test_nothing_is_said_before_a_key(telephone: Telephone) -> None:
    call = await told(telephone)
    heard = await telephone.picked_up(call)
    assert "Tryck 1" in heard.words
    assert "4, 8, 2, 1, 3" not in heard.words
    assert "venter" not in heard.words


async def test_after_the_key_it_is_said_twice_and_its_code_digit_by_digit(telephone: Telephone) -> None:
    call = await told(telephone)
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert heard.words.count("klinikeren venter på et ord fra deg") == 2
    assert "48213" not in heard.words
    last = await telephone.exchange.is_silent(call)
    assert last.over
    await telephone.exchange.hangs_up(call)
    assert await state_of(telephone, call) is OutboundState.DELIVERED


async def test_a_machine_hears_nothing_of_it_and_it_is_given_up_aloud(telephone: Telephone) -> None:
    call = await told(telephone)
    await telephone.exchange.play(call, Fate.MACHINE)
    assert not any("venter" in document.words for document in call.heard)
    assert await state_of(telephone, call) is OutboundState.GIVEN_UP


async def test_a_helper_who_cannot_be_told_is_replaced(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(NOOR, minutes=3)
    await telephone.exchange.play(call, Fate.TAKES)
    assert (await telephone.filed(filed)).escalation.owner == "noor"
    notice = await told(telephone, escalation_id=filed.id)
    assert notice is not call
    await telephone.exchange.play(notice, Fate.NO_ANSWER)
    assert (await telephone.filed(filed)).escalation.owner is None


async def test_no_protected_place_is_named(telephone: Telephone) -> None:
    services = telephone.line.house.library.directory.services
    hidden = next(each for each in services if each.kind is ServiceKind.PROTECTED_HOUSING or each.protected)
    call = await told(telephone, f"Hun spurte om {hidden.name}.")
    await telephone.picked_up(call)
    heard = await telephone.exchange.presses(call, "1")
    assert "Hun spurte om" in heard.words
    assert hidden.name not in heard.words


async def test_several_that_can_wait_are_one_call_and_one_key(telephone: Telephone) -> None:
    asked = [await telephone.ask(f"c{number}", Urgency.ROUTINE) for number in range(3)]
    await telephone.pass_(minutes=3)
    calls = [call for call in telephone.exchange.calls if call.to == NOOR]
    assert len(calls) == 1
    heard = await telephone.picked_up(calls[0])
    assert "3 kollegor väntar" in heard.words
    await telephone.exchange.presses(calls[0], "1")
    owners = {(await telephone.filed(filed)).escalation.owner for filed in asked}
    assert owners == {"noor"}


async def test_a_colleague_who_is_asked_to_take_over_is_called_and_told_so(telephone: Telephone) -> None:
    filed = await telephone.ask()
    await telephone.take(filed, "asha")
    async with telephone.line.house.db.write() as conn:
        await advisors.pass_on(conn, telephone.line.room.means, filed.id, "asha", "noor", telephone.now)
    await telephone.line.settle()
    call = telephone.call_to(NOOR)
    heard = await telephone.picked_up(call)
    assert "ta över" in heard.words
    assert "Asha" not in heard.words
    await telephone.exchange.presses(call, "1")
    assert (await telephone.filed(filed)).escalation.owner == "noor"


# --- when something is wrong with us ----------------------------------------------------------------------------------


async def test_where_storage_takes_nothing_she_waits_a_moment_and_is_asked_again(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    trouble = _Trouble(telephone, times=2)
    with trouble:
        heard = await telephone.exchange.presses(call, "1")
    waits = [document for document in call.heard if document.redirect is not None]
    assert len(waits) == 2
    assert all(document.root.find("Pause") is not None for document in waits)
    assert "Trykk 1" in heard.words, "the key was lost with the request, so she is asked again"
    await telephone.exchange.presses(call, "1")
    assert (await telephone.filed(filed)).escalation.owner == "asha"


async def test_where_storage_stays_away_she_hears_so_and_others_are_called(telephone: Telephone) -> None:
    filed, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    with _Trouble(telephone, times=99):
        heard = await telephone.exchange.presses(call, "1")
    assert heard.over
    assert "Noe er galt hos oss" in heard.words
    await telephone.exchange.hangs_up(call)
    assert (await telephone.filed(filed)).escalation.owner is None


async def test_a_fault_of_ours_is_spoken_and_not_twilios_own_words(telephone: Telephone) -> None:
    _, call = await telephone.rings_for(ASHA)
    await telephone.picked_up(call)
    with _Trouble(telephone, times=1, error=KeyError("somebody's words")):
        heard = await telephone.exchange.presses(call, "3")
    assert heard.over
    assert "Noe er galt hos oss" in heard.words


class _Trouble:
    """The next writes fail."""

    def __init__(self, telephone: Telephone, *, times: int, error: Exception | None = None) -> None:
        self._watch = telephone.line.voice.watch
        self._left = times
        self._error = error or StorageBusy("somebody holds it")
        self._known = self._watch.known

    def __enter__(self) -> None:
        async def known(*arguments: object) -> object:
            if self._left:
                self._left -= 1
                raise self._error
            return await self._known(*arguments)  # type: ignore[arg-type]

        self._watch.known = known  # type: ignore[method-assign,assignment]

    def __exit__(self, *_: object) -> None:
        self._watch.known = self._known  # type: ignore[method-assign]


async def test_an_erased_message_is_said_by_nobody(telephone: Telephone) -> None:
    call = await told(telephone)
    await telephone.picked_up(call)
    async with telephone.line.house.db.write() as conn:
        await telephone.line.house.vault.forget(conn, "staff:noor")
    heard = await telephone.exchange.presses(call, "1")
    assert heard.over
    assert "venter" not in heard.words
