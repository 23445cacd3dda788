"""The whole life of one escalation, with everything that can become of its pages, while the line is killed again and
again: what its people and their providers do, and how it stands in the end.

A clinician writes that she is in danger. Asha has blocked the bot, her SMS is undelivered, and nobody answers her
phone; later she says no. On the next step a call to Siri is answered by somebody who presses nothing, and Noor takes it
by SMS. Words go both ways, one of them over a connection that breaks after Twilio took it. Noor passes it on to Asha,
whose Telegram answers 429 and 503 before it takes the page. She accepts, writes, and closes.

What people do follows from what they see, so that the same life goes on through any death: whoever is dead is followed
by another process, what was not heard is posted again, and time passes when nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import func, select

from bot import store
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.voice import store as calls
from escalation import store as escalations
from escalation.store import PageMade
from helpline import accounts, outbox
from helpline.accounts import ContactChannel, Role
from helpline.messages import Channel, Language
from helpline.outbox import OutboundKind, OutboundState
from helpline.vault import Vault
from tests import captured
from tests.crash.conftest import ASHA, NOOR
from tests.crash.line import (
    A_WHILE,
    KEY,
    Nursery,
    OnLineTime,
    Posted,
    Running,
    Stage,
    delivered,
    from_phone,
    from_telegram,
    tap_on_telegram,
)
from tests.crash.proofs import chain_holds, inbound, outbound, outbox_of, settled
from tests.fakes import Broken, Busy, Cut, Fault, Refused
from tests.phone import Exchange, Placed
from tests.phone import Fate as CallFate

SHE = 7700901888
ASHA_PHONE, SIRI = "+4790000881", "+4790000883"
DANGER = "Mannen som kom med henne har kniv og står utenfor rommet, hjelp oss"
STEPS = """\
    steps:
      - {targets: [asha], wait_minutes: 300}
      - {targets: [noor, siri], wait_minutes: 300}
    repeat: 0
    deadlines:
      {first_reply_minutes: 300, reply_minutes: 300, grace_minutes: 300, quiet_minutes: 900, handover_minutes: 300}
"""
LADDER = f"""\
last_resort: {{targets: ["role:coordinator"], retry_minutes: 600}}
ladders:
  urgent:
{STEPS}
  routine:
{STEPS}
personal:
  urgent: {{telegram: 0, sms: 200, call: 250}}
  routine: {{telegram: 0, sms: 200, call: 250}}
"""
GIVES_UP = 240.0  # seconds; on a quiet machine nothing takes two
Point = tuple[str, int]


class Providers(OnLineTime, Exchange):
    """Telegram, SMS and the phone network, with a fate for whatever goes to an address."""

    def __init__(self) -> None:
        super().__init__()
        self.always: dict[str, Fault] = {}
        self.once: dict[str, deque[Fault]] = {}

    async def _answer(self, request: web.Request, take: Any, refusal: Any, *, created: int = 200) -> web.StreamResponse:
        if request.method == "POST":
            fields = await request.post()
            to = str(fields.get("To") or fields.get("chat_id") or "")
            waiting = self.once.get(to)
            fault = self.always.get(to) or (waiting.popleft() if waiting else None)
            if fault is not None:
                self.faults.append(fault)
        return await super()._answer(request, take, refusal, created=created)


@dataclass(frozen=True)
class Ending:
    """How it stands in the end, without what differs from one life to the next by its nature: codes and instants."""

    escalation: tuple[str, str | None]
    pages: tuple[tuple[str, str, str, str], ...]
    happened: Mapping[tuple[str, str], int]
    said: Mapping[tuple[str, str, str, str], int]


@dataclass
class Life:
    """One life, on a database of its own."""

    stage: Stage
    providers: Providers
    deaths: Sequence[Point]  # where each process in turn is to die
    processes: int = 1
    lines: list[Running] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    died: list[Point] = field(default_factory=list)
    doubted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.left = deque(self.deaths)
        self.armed: dict[str, Point] = {}  # by process
        self.numbers = itertools.count(1)
        self.played: set[str] = set()
        self.operator: asyncio.Task[None] | None = None
        self.ringing = False

    # --- processes -------------------------------------------------------------------------------------------------

    async def start(self) -> Running:
        name, nth = self.left.popleft() if self.left else ("nowhere", 1)
        ladder = {"VARDE_LADDER": str(self.stage.folder / "ladder.yaml")}
        line = await self.stage.start(point=name, nth=nth, environment=ladder)
        self.armed[line.name] = (name, nth)
        self.lines.append(line)
        return line

    async def revive(self) -> None:
        """Bury the dead, and have others in their place."""
        for line in [line for line in self.lines if line.ended.done()]:
            assert line.ended.result() == -9, line.said()[-3000:]
            self.died.append(self.armed[line.name])
            self.lines.remove(line)
            self.stage.let_leases_run_out()
            await self.start()

    @property
    def line(self) -> Running:
        """One that lives, another each time."""
        self.lines.append(self.lines.pop(0))
        return self.lines[-1]

    async def post(self, *posted: Posted) -> None:
        await self.stage.post(self.line, *posted)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something is seen, whoever dies meanwhile; time passes when nobody has anything to do."""
        began = time.monotonic()
        while time.monotonic() - began < GIVES_UP:
            await self.revive()
            if self.stage.unheard:
                await self.post()
            if await holds():
                return
            rest = await self.rests()
            if rest is not None and not self.ringing:
                self.stage.pass_time(min(rest, A_WHILE))
            await asyncio.sleep(0.02)
        raise AssertionError(f"{what}: never\n{self.died}\n{self.lines[0].said()[-4000:]}")

    async def rests(self) -> timedelta | None:
        """How long until something is due; None where something is being done now.

        So the clock goes from one thing that is due to the next, in their order, and never over a call under way.
        """
        now = self.stage.now()
        heads = select(func.min(outbound.c.due_at)).where(outbox._oldest_of_lane)
        busy = select(
            select(outbound.c.id).where(outbound.c.state == OutboundState.SENDING.value).exists()
            | select(inbound.c.id).where(inbound.c.handled_at.is_(None)).exists()
            | select(store.conversations.c.id).where(store.conversations.c.lease_token.is_not(None)).exists()
        )
        async with self.stage.db.read() as conn:
            if (await conn.execute(busy)).scalar_one():
                return None
            found = [(await conn.execute(heads)).scalar_one()]
            found += [await each.next_due(conn) for each in (store, escalations, calls)]
        soonest = min((due for due in found if due is not None), default=now + A_WHILE)
        return soonest - now if soonest > now else None

    # --- what people do --------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """From her first word to the end."""
        self.providers.always[str(ASHA)] = Refused(403, 403, "Forbidden: bot was blocked by the user")
        self.operator = asyncio.create_task(self.operate())
        for _ in range(self.processes):
            await self.start()
        await self.post(self.she_writes(DANGER))
        await self.until(lambda: self.got(ASHA_PHONE, "["), "Asha's SMS")
        [taken] = {taken.id for taken in self.providers.taken if taken.to == ASHA_PHONE}
        # In no order, and the bad news twice.
        await self.post(*(sms_report(ASHA_PHONE, taken, state) for state in ("undelivered", "sent", "undelivered")))
        await self.until(lambda: self.page_is("asha", "call", "held_up"), "nobody answers Asha's phone")
        code = await self.code()
        await self.post(from_phone(ASHA_PHONE, f"{code} nei", 500_000 + next(self.numbers)))
        await self.until(lambda: self.page_is("siri", "call", "held_up"), "Siri's phone is hung up")
        await self.until(lambda: self.got(NOOR, "["), "Noor's SMS")
        [paged] = {taken.id for taken in self.providers.taken if taken.to == NOOR}
        await self.post(delivered(NOOR, paged), delivered(NOOR, paged))
        await self.until(lambda: self.page_is("noor", "sms", "delivered"), "Noor's SMS is delivered")

        await self.post(self.noor_writes(code))
        await self.until(lambda: self.is_owned_by("noor"), "Noor has it")
        await self.until(lambda: self.got(str(SHE), "tatt saken"), "she is told")
        del self.providers.always[str(ASHA)]
        await self.post(self.noor_writes(f"{code} Hei, dette er en kollega."))
        await self.until(lambda: self.got(str(SHE), "dette er en kollega"), "the advisor's words")
        self.providers.once[NOOR] = deque([Cut(taken=True)])
        await self.post(self.she_writes("Han har gått nå, hva gjør jeg?"))
        await self.until(lambda: self.got(NOOR, "Han har gått"), "her words")
        await self.post(self.noor_writes(f"{code} Vent der du er."))
        await self.until(lambda: self.got(str(SHE), "Vent der du er"), "the advisor's further words")

        self.providers.once[str(ASHA)] = deque([Busy(1), Broken(503)])
        await self.post(self.noor_writes(f"{code} til asha"))
        await self.until(lambda: self.got(str(ASHA), "["), "Asha is asked to take over")
        page = next(taken for taken in self.providers.taken if taken.to == str(ASHA) and taken.buttons)
        await self.post(tap_on_telegram(ASHA, page.buttons[0][1], 900_000 + next(self.numbers)))
        await self.until(lambda: self.is_owned_by("asha"), "Asha has it")
        await self.until(lambda: self.got(str(SHE), "tatt over"), "she is told of the handover")
        await self.post(self.asha_writes(f"{code} God morgen, jeg leser."))
        await self.until(lambda: self.got(str(SHE), "God morgen"), "the other advisor's words")
        await self.post(self.asha_writes(f"{code} ferdig"))
        await self.until(self.is_closed, "the end")
        await self.come_to_rest()

    async def come_to_rest(self) -> None:
        """Whoever was to die and did not meet the point lives; everything that is due is done."""
        await self.revive()
        for line in self.lines:
            with contextlib.suppress(AssertionError):
                await settled(self.stage, line)
        await self.until(self.nothing_left, "rest")
        assert self.operator is not None
        self.operator.cancel()
        for line in self.lines:
            figures = await self.stage.figures(line)
            for name, value in figures.items():
                if (found := re.fullmatch(r'varde_(in_doubt|sent_again)_total\{channel="(\w+)"\}', name)) is not None:
                    self.doubted[f"{found[1]} {found[2]}"] += int(value)
            assert await line.stop() == 0, line.said()[-3000:]
            self.met.update(line.points())

    async def nothing_left(self) -> bool:
        async with self.stage.db.read() as conn:
            backlog = await outbox.backlog(conn)
            due = select(store.conversations.c.id).where(store.conversations.c.due_at.is_not(None))
            talking = (await conn.execute(due)).all()
        return not (backlog.waiting or backlog.sending or talking or self.stage.unheard)

    def she_writes(self, words: str) -> Posted:
        return from_telegram(SHE, words, next(self.numbers))

    def asha_writes(self, words: str) -> Posted:
        return from_telegram(ASHA, words, 500_000 + next(self.numbers))

    def noor_writes(self, words: str) -> Posted:
        return from_phone(NOOR, words, 500_000 + next(self.numbers))

    async def operate(self) -> None:
        """The phone network: each call that is made comes to its end, told or untold."""
        fates = {ASHA_PHONE: CallFate.NO_ANSWER, SIRI: CallFate.SILENT_HUMAN}
        self.providers.reach(_Towards(self))  # type: ignore[arg-type]
        while True:
            for call in [call for call in self.providers.calls if call.sid not in self.played]:
                self.played.add(call.sid)
                self.ringing = True
                await self._ring(call, fates[call.to])
                self.ringing = False
            await asyncio.sleep(0.02)

    async def _ring(self, call: Placed, fate: CallFate) -> None:
        try:
            await self.providers.play(call, fate)
        except (aiohttp.ClientError, TimeoutError, AssertionError):
            # The line did not answer in the middle of the call, and Twilio tells nothing of it again.
            call.status = "no-answer" if fate is CallFate.NO_ANSWER else "completed"

    # --- what is seen ----------------------------------------------------------------------------------------------

    async def got(self, to: str, words: str) -> bool:
        return any(taken.to == to and words in taken.text for taken in self.providers.taken)

    async def escalation(self) -> Any:
        async with self.stage.db.read() as conn:
            return (await conn.execute(select(escalations.escalations))).one_or_none()

    async def pages(self) -> list[PageMade]:
        found = await self.escalation()
        if found is None:
            return []
        async with self.stage.db.read() as conn:
            return await escalations.pages_of(conn, found.id)

    async def page_is(self, who: str, channel: str, *states: str) -> bool:
        return any(
            page.staff_id == who and page.channel == channel and page.state.value in states
            for page in await self.pages()
        )

    async def is_owned_by(self, who: str) -> bool:
        found = await self.escalation()
        return found is not None and found.owner_id == who

    async def is_closed(self) -> bool:
        return bool((await self.escalation()).state == "closed")

    async def code(self) -> str:
        return str((await self.escalation()).code)

    # --- the end ---------------------------------------------------------------------------------------------------

    async def ending(self) -> Ending:
        filed, code = await self.escalation(), await self.code()
        async with self.stage.db.read() as conn:
            history = await escalations.history(conn, filed.id)
        called = await self.pages()
        # Whether Asha is also asked by SMS before her Telegram answers is a matter of seconds, whoever dies or not.
        besides = {page.id for page in called if page.reason == "handover" and page.channel != "telegram"}
        asked = {page.id for page in called if page.reason == "handover"}
        names = {str(SHE): "she", str(ASHA): "asha", ASHA_PHONE: "asha", NOOR: "noor", SIRI: "siri"}
        said: Counter[tuple[str, str, str, str]] = Counter()
        for row, to, message in await outbox_of(self.stage):
            if row.page_id in besides or (row.escalation_id is None and to.value != str(SHE)):
                continue  # what is told to coordinators, or asked of staff besides
            words = re.sub(r"(\w+dag )?\d\d:\d\d", "TIME", message.text.replace(code, "CODE"))
            went = "went" if row.state in (OutboundState.SENT, OutboundState.DELIVERED) else row.state.value
            if to.channel is Channel.CALL and row.kind is not OutboundKind.PAGE:
                went = "called"  # that Siri never presses a key is known only once her phone has rung itself out
            said[names[to.value], row.kind.value, words, went] += 1
        happened = Counter(
            (event.kind, str(event.details.get("word") or event.details.get("asked") or ""))
            for event in history
            if event.details.get("page") not in besides
            and not (event.kind == "page_held_up" and event.details.get("page") in asked)
        )
        pages = tuple(
            (page.staff_id, page.channel, page.reason, page.state.value) for page in called if page.id not in besides
        )
        return Ending((filed.state, filed.owner_id), pages, happened, said)

    async def proved(self) -> None:
        """What is on disk is at the providers; twice only where nobody could have known, and that was counted."""
        await chain_holds(self.stage)
        sms = TwilioChannel(
            Channel.SMS, TwilioAccount(captured.ACCOUNT_SID, captured.AUTH_TOKEN, public_url=""), captured.LINE_NUMBER
        )
        rows: Counter[tuple[str, str]] = Counter()
        tries: Counter[tuple[str, str]] = Counter()
        needed: Counter[tuple[str, str]] = Counter()
        calls = 0
        for row, to, message in await outbox_of(self.stage):
            if to.channel is Channel.CALL:
                calls += row.attempts > 0
                continue
            what = (to.value, sms.body(message) if to.channel is Channel.SMS else message.text)
            rows[what] += 1
            tries[what] += row.attempts
            needed[what] += row.state in (OutboundState.SENT, OutboundState.DELIVERED)
        copies = Counter((taken.to, taken.text) for taken in self.providers.taken)
        assert copies.keys() <= rows.keys()
        for what, count in rows.items():
            assert copies[what] >= needed[what], f"lost: {what}"
            most = tries[what] if not what[0].startswith("+") else count
            assert copies[what] <= most, f"too often: {what}"
        assert len(self.providers.calls) == calls, "a call was lost, or made twice"


class _Towards:
    """Where the phone network finds the line: at whichever process lives."""

    def __init__(self, life: Life) -> None:
        self._life = life

    async def post(self, path: str, *, data: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        if not self._life.lines:
            raise aiohttp.ClientConnectionError("nobody is there")
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self._life.line.url + path, data=data, headers=dict(headers)) as answer,
        ):
            await answer.read()
            return answer


def sms_report(to: str, sid: str, state: str) -> Posted:
    fields = captured.twilio_fields(
        "status_undelivered" if state == "undelivered" else "status_delivered",
        To=to,
        MessageSid=sid,
        SmsSid=sid,
        MessageStatus=state,
        SmsStatus=state,
    )
    webhook = captured.twilio_webhook(fields, "/twilio/status")
    return Posted("/twilio/status", webhook.headers, webhook.body)


# What tidies, audits and keeps the rota's records changes nothing that anybody was promised.
QUIET = (
    "bot.app.Line._tidy",
    "bot.shelving.tidy",
    "escalation.heartbeat.",
    "escalation.rota.watch.",
    "bot.conversation.Conversations.sweep",
)


def points_of(met: Mapping[str, int]) -> list[Point]:
    """Every point of a life, each as often as it was met, in the order in which their names were met first."""
    loud = {name: count for name, count in met.items() if not name.startswith(QUIET)}
    return [(name, nth) for name, count in loud.items() for nth in range(1, count + 1)]


def _difference(usual: Any, ending: Any) -> str:
    """What is in one and not in the other, so that a long night need not be read twice."""
    if isinstance(usual, Counter):
        return f"missing {dict(usual - ending)}, too much {dict(ending - usual)}"
    return f"{ending}, and not {usual}"


async def ends_alike(life: Life, usual: Ending) -> None:
    """Live it, whoever dies, and compare."""
    await life.live()
    ending = await life.ending()
    for part in ("escalation", "pages", "happened", "said"):
        differs = f"{part} differs after {life.died}: {_difference(getattr(usual, part), getattr(ending, part))}"
        assert getattr(ending, part) == getattr(usual, part), differs
    await life.proved()


@asynccontextmanager
async def a_life(
    nursery: Nursery,
    folder: Path,
    content: Path,
    database_url: str,
    deaths: Sequence[Point] = (),
    *,
    processes: int = 1,
) -> AsyncIterator[Life]:
    """A life about to begin; its processes are gone when the block is left."""
    async with Providers() as providers:
        providers.twilio_state = "sent"
        stage = Stage(nursery, providers, folder, content, database_url)
        providers.time = stage.now
        (folder / "ladder.yaml").write_text(LADDER, encoding="utf-8")
        vault, now = Vault(bytes.fromhex(KEY)), stage.now()
        try:
            async with stage.db.write() as conn:
                await accounts.add_staff(
                    conn,
                    vault,
                    staff_id="siri",
                    name="siri",
                    roles=[Role.ADVISOR],
                    languages=[Language.NB],
                    zone="Europe/Oslo",
                    now=now,
                )
                for who, channel, value in (
                    ("asha", ContactChannel.SMS, ASHA_PHONE),
                    ("asha", ContactChannel.CALL, ASHA_PHONE),
                    ("siri", ContactChannel.CALL, SIRI),
                ):
                    await accounts.add_contact(
                        conn, vault, staff_id=who, channel=channel, value=value, now=now, verified=True
                    )
            life = Life(stage, providers, deaths, processes)
            yield life
        finally:
            if life.operator is not None:
                life.operator.cancel()
            await asyncio.gather(*(running.kill() for running in stage.running))
            await stage.db.dispose()
