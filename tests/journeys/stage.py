"""Plays a script through the front door of the real line, on a real database, with a clock that the script moves.

What the line does by itself is done by `Line.settle`, at every instant at which something falls due, so that a journey
takes no longer than the work in it and is the same each time. When the script has ended, what must hold in every
journey is looked at: nobody's words in the logs or, readable, in storage; no way out forgotten; the audit trail whole.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, assert_never

from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import LargeBinary, String, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from bot import store
from bot.app import Line, Role
from bot.channels.base import ChannelAdapter
from bot.channels.local import LocalChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioAccount, TwilioChannel
from bot.counts import Counts
from bot.dialogue import ADVISOR
from bot.house import House
from escalation import store as escalations
from helpline import accounts, audit, inbox, outbox
from helpline.accounts import ContactChannel
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, Language, TryLater, Undeliverable
from helpline.segments import to_gsm7
from helpline.settings import Secret, Settings
from helpline.vault import Vault
from tests.captured import ACCOUNT_SID, AUTH_TOKEN, LINE_NUMBER, PUBLIC_URL, TELEGRAM_SECRET, TELEGRAM_TOKEN
from tests.escalation.stored import a_policy
from tests.fakes import TakenThen
from tests.journeys.people import KINDS, Browser, Client, Got, Person, PhoneUser, Provider, Stumble
from tests.journeys.script import SHE, Does, Script, span
from tests.journeys.script import Line as Said

MASTER = bytes(range(32))
PREPARED_AT = "2026-11-01T00:00+01:00"  # before any script begins
_TROUBLE = re.compile(r'"event":"(\w*(?:failed|trouble|refused|stuck|one_by_one|crashed))"')
_EXPECTED = {"acknowledge_failed", "payload_refused", "signature_refused", "delivery_delayed"}
_GROUP = Address(Channel.TELEGRAM, "-1009700900222")  # where she calls the bot among others
_SHIPPED: list[bytes] = []  # what stands in a new database: what an article says is said by nobody
_LONG_ENOUGH = 12  # signs of something written that cannot stand in storage or a log by chance


@dataclass(frozen=True)
class Prepared:
    """A house with its shelves loaded, and how to come by a database with the shipped content in it."""

    house: House
    folder: Path
    new_database: Callable[[], str]


@dataclass
class Stage:
    """One script while it is played."""

    script: Script
    prepared: Prepared
    logs: io.StringIO
    people: dict[str, Person] = field(default_factory=dict)
    pages: list[tuple[str, Got]] = field(default_factory=list)
    pages_read: int = 0
    last: dict[str, Got] = field(default_factory=dict)  # what each person read last
    conversations: list[str] = field(default_factory=list)  # that were erased
    so_on: bool = False

    def __post_init__(self) -> None:
        self.clock = SetClock(self.script.at)
        self.set_back = timedelta()
        self.url = self.prepared.new_database()
        self.jar: dict[str, str] = {}
        self._collected = 0

    # --- the play -----------------------------------------------------------------------------------------------

    async def play(self) -> str:
        """Play it to the end; where it stumbled and over what, or nothing."""
        await self._begin(first=True)
        line = self.script.lines[0]
        try:
            for line in self.script.lines:
                await self._do(line)
            await self._nothing_left()
            await self._what_always_holds()
            return ""
        except Stumble as stumble:
            return self._told(line, stumble)
        finally:
            await self._end()

    def _told(self, line: Said, stumble: Stumble) -> str:
        path, happened = self.script.path, "\n".join(self._happened())
        return f"{path.parent.name}/{path.name}:{line.number}: {line.written}\n  {stumble}\n\n{happened}"

    def _happened(self) -> Iterator[str]:
        for name, person in self.people.items():
            if person.got:
                yield f"--- {name or 'she'} got:"
            for number, got in enumerate(person.got):
                read = " " if number < person.read else "*"
                yield f"{read} {got.shown}".replace("\n", "\n    ")

    async def _do(self, line: Said) -> None:
        match line.does:
            case Does.SAYS:
                await asyncio.gather(*(self._say(self._person(who), line.words) for who in line.who))
                await self._settle()
            case Does.TAPS:
                await asyncio.gather(*(self._person(who).tap(line.words) for who in line.who))
                await self._settle()
            case Does.READS:
                self._read(line)
            case Does.ALSO | Does.NOT | Does.OFFERED:
                self._look_again(line)
            case Does.SILENCE:
                self._silent(line.who[0])
            case Does.PASSES:
                await self._pass(line.time)
            case Does.SET_BACK:
                self.set_back += line.time
            case Does.CALLED:
                self._called(line.words)
            case Does.RECORD:
                await self._recorded(line.words)
            case Does.STAGE:
                await self._stage(line.words)
            case Does.AND_SO_ON:
                self.so_on = True
            case _:
                assert_never(line.does)

    def _person(self, name: str) -> Person:
        if name not in self.people:
            raise Stumble(f"There is nobody called {name!r} in this script.")
        return self.people[name]

    async def _say(self, person: Person, words: str) -> None:
        found = re.fullmatch(r"\((\w+)(?: (\w+))?\)(?: (.*))?", words, re.DOTALL)
        if (stolen := re.fullmatch(r"\(code of (\w+)\)", words)) is not None:
            await person.say(self._code_of(self._person(stolen[1])))
            return
        if found is None:
            await person.say(words)
            return
        what, more, rest = found[1], found[2] or "", found[3] or ""
        match what:
            case "edits":
                await person.edit(rest)
            case "repeats":
                await person.repeat()
            case "code":
                await person.say(f"{self._code_of(person)} {rest}".strip())
            case _ if what.isdigit() and more == "signs":
                again, _, tail = rest.partition(" ... ")
                await person.say((f"{again} " * (int(what) // len(again) + 1))[: int(what)] + tail)
            case _ if what.isdigit() and more == "times":
                for _ in range(int(what)):
                    await person.say(rest)
            case _ if what == "empty":
                await person.say("")
            case _:
                await person.send(what)

    def _code_of(self, person: Person) -> str:
        for name, page in reversed(self.pages):
            found = re.search(r"\[([1-9]\d{4,5})", page.shown)
            if name == person.name and found is not None:
                return found[1]
        raise Stumble(f"{person.name} has no page with a code.")

    # --- what she gets --------------------------------------------------------------------------------------------

    def _read(self, line: Said) -> None:
        name = line.who[0]
        person = self._person(name)
        if not person.staff:
            if person.read >= len(person.got):
                raise Stumble("She got nothing more.")
            got = person.got[person.read]
            person.read += 1
            self.last[name] = got
            self._holds(got, line.words)
            return
        # Much is said to an advisor: the script reads what it wants to see, and passes over what came before.
        for number in range(person.read, len(person.got)):
            if self._is_in(line.words, person.got[number]):
                self.last[name], person.read = person.got[number], number + 1
                return
        raise Stumble(f"{name} got nothing that holds {line.words!r}.")

    def _look_again(self, line: Said) -> None:
        name = line.who[0]
        got = self.last.get(name)
        if got is None:
            raise Stumble("Nothing was read yet.")
        match line.does:
            case Does.ALSO:
                self._holds(got, line.words)
            case Does.NOT:
                if self._is_in(line.words, got):
                    raise Stumble(f"This holds {line.words!r}, and must not:\n{got.shown}")
            case _:
                labels = [choice.label for choice in got.choices]
                if labels != [label.strip() for label in line.words.split(",")]:
                    raise Stumble(f"This offers {', '.join(labels) or 'nothing'}:\n{got.shown}")

    def _holds(self, got: Got, words: str) -> None:
        if not self._is_in(words, got):
            raise Stumble(f"She got this instead:\n{got.shown}")

    def _is_in(self, words: str, got: Got) -> bool:
        article_id = words[1:-1] if words.startswith("[") and words.endswith("]") else ""
        if not article_id or re.fullmatch(r"[a-zæøå]+", article_id):  # a mark such as [navn]
            return _one_line(words) in _one_line(got.shown) or _one_line(to_gsm7(words)) in _one_line(got.shown)
        article = self.line.house.library.shelves.article(article_id)
        if article is None:
            raise Stumble(f"There is no article {article_id}.")
        shorts = [article.short, *(translated.short for translated in article.translations.values())]
        shorts += [variant.short for variant in article.variants]
        shorts += [short for variant in article.variants for short in variant.translations.values()]
        shown = _one_line(got.shown)
        return any(_one_line(short) in shown or _one_line(to_gsm7(short)) in shown for short in shorts)

    def _silent(self, name: str) -> None:
        person = self._person(name)
        if person.read < len(person.got):
            raise Stumble(f"There is more:\n{person.got[person.read].shown}")

    def _called(self, words: str) -> None:
        waiting = self.pages[self.pages_read :]
        if words == "nobody":
            if waiting:
                raise Stumble(f"{waiting[0][0]} was paged.")
            return
        told = words.split()
        if told[0] != "page" or len(told) not in {2, 3}:
            raise Stumble("A script says `! nobody`, or `! page NAME`, perhaps with a channel.")
        if not waiting:
            raise Stumble("Nobody was paged.")
        who, got = waiting[0]
        self.pages_read += 1
        if who != told[1] or (len(told) == 3 and got.channel.value != told[2]):
            raise Stumble(f"{who} was paged, by {got.channel}.")
        self.last[who] = got

    async def _nothing_left(self) -> None:
        if self.so_on:
            return
        for person in self.people.values():
            if not person.staff:
                self._silent(person.name)
        if self.pages_read < len(self.pages):
            raise Stumble(f"The script ends, and {self.pages[self.pages_read][0]} was paged once more.")

    # --- time, and the line's own work --------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        return self._client

    @property
    def house(self) -> House:
        return self.line.house

    async def while_working(self, knock: Awaitable[Any]) -> Any:
        """What comes of a request, the line doing its work meanwhile."""
        knocking = asyncio.ensure_future(knock)
        while not knocking.done():
            await self.line.settle()
            await asyncio.wait([knocking], timeout=0.002)
        return knocking.result()

    async def _settle(self) -> None:
        await self.line.settle()
        await self._collect()
        self._ways_out()

    async def _pass(self, time: timedelta) -> None:
        """Let time pass, and stop wherever something falls due."""
        until = self.clock.now() + time
        while True:
            due = await self._next_due()
            if due is None or due > until:
                break
            self.clock.advance(max(due - self.clock.now(), timedelta()))
            await self._settle()
        self.clock.advance(until - self.clock.now())
        await self._settle()

    async def _next_due(self) -> datetime | None:
        found = []
        async with self.house.db.read() as conn:
            for loop in self.line.work:
                if loop.next_due is not None:
                    found.append(await loop.next_due(conn))
        return min((due for due in found if due is not None and due > self.clock.now()), default=None)

    async def _collect(self) -> None:
        """Hand out what the providers took since."""
        taken = sorted(
            (
                (given.at, channel, provider, given)
                for channel, provider in self.providers.items()
                for given in provider.taken
                if given.at >= self._collected
            ),
            key=lambda each: each[0],
        )
        for at, channel, provider, given in taken:
            self._collected = at + 1
            got = Got(
                shown=provider.shown(given.message),
                choices=given.message.choices,
                urgent=given.message.urgent,
                tag=given.attempt.tag,
                channel=channel,
                provider_message_id=f"{channel.value}-{at}",
            )
            self._hand_out(given.to, got)
        for person in self.people.values():
            await person.look()

    def _hand_out(self, to: Address, got: Got) -> None:
        for name, person in self.people.items():
            if to not in {person.address, *self.other_addresses.get(name, ())}:
                continue
            person.everything.append(got)
            if got.tag:
                self.pages.append((name, got))
            else:
                person.got.append(got)
            return
        raise Stumble(f"Somebody unknown was written to on {to.channel}.")

    def _ways_out(self) -> None:
        """Whatever a clinician was told last shows her the way to an advisor, unless it is an advisor's own word."""
        for person in self.people.values():
            if person.staff or not person.got or person.got[-1].notice:
                continue
            last = person.got[-1]
            own_word = any(last.shown.startswith(words) for words in self.advisor_says)
            if not own_word and not any(choice.token == ADVISOR for choice in last.choices):
                raise Stumble(f"This shows no way to an advisor:\n{last.shown}")

    # --- stage directions -------------------------------------------------------------------------------------------

    async def _stage(self, words: str) -> None:
        told = words.split()
        match told:
            case ["restart"]:
                await self._restart(timedelta())
            case ["down", time] if (found := re.fullmatch(r"(\d+)([smhd])", time)) is not None:
                await self._restart(span(found[1], found[2]))
            case ["refuses", who, *channel]:
                self._goes_wrong(who, channel, Undeliverable("blocked"))
            case ["busy", seconds, who, *channel]:
                self._goes_wrong(who, channel, TryLater("too much at once", retry_after=float(seconds.rstrip("s"))))
            case ["loses", "answer", "to", who, *channel]:
                self._goes_wrong(who, channel, TakenThen(TryLater("the connection broke")))
            case ["reports", who, *states] if states:
                await self._report(self._person(SHE if who == "her" else who), states)
            case _:
                raise Stumble("This stage direction means nothing.")

    def _goes_wrong(self, who: str, channels: list[str], fault: Exception | TakenThen) -> None:
        person = self._person(SHE if who == "her" else who)
        addresses = [person.address, *self.other_addresses.get(person.name, ())]
        chosen = [address for address in addresses if not channels or address.channel.value == channels[0]]
        if not chosen or not isinstance(provider := self.providers[chosen[0].channel], Provider):
            raise Stumble("There is no such way.")
        provider.goes_wrong.setdefault(chosen[0].value, []).append(fault)

    async def _report(self, person: Person, states: list[str]) -> None:
        if not isinstance(person, PhoneUser):
            raise Stumble("Only Twilio reports.")
        for state in states:
            await person.report(person.everything[-1].provider_message_id, state)
        await self._settle()

    async def _restart(self, time: timedelta) -> None:
        """Another process takes over on the same storage, with whatever the machine's clock says by then."""
        await self._end()
        self.clock = SetClock(self.clock.now() + time - self.set_back)
        self.set_back = timedelta()
        await self._begin(first=False)
        await self._settle()

    # --- what the records say -----------------------------------------------------------------------------------------

    async def _recorded(self, words: str) -> None:
        what, _, told = words.partition(" ")
        async with self.house.db.read() as conn:
            match what:
                case "served":
                    rows = await conn.execute(select(store.served.c.article_id))
                    _among(told, [row.article_id for row in rows])
                case "gap":
                    rows = await conn.execute(select(store.gaps.c.missing))
                    _among(told, [row.missing for row in rows])
                case "no" if told == "gap":
                    rows = await conn.execute(select(store.gaps.c.missing))
                    _none([row.missing for row in rows])
                case "no" if told == "address":
                    self._no_address()
                case "escalation" | "urgency":
                    await self._stands(conn, what, told)
                case "escalations":
                    rows = await conn.execute(select(escalations.escalations.c.id))
                    _among(told, [str(len(rows.all()))])
                case "audit":
                    _among(told, [entry.action for entry in await audit.entries(conn, limit=1000)])
                case "helpful" | "unhelpful":
                    rows = await conn.execute(
                        select(store.helpful.c.article_id).where(store.helpful.c.helpful == (what == "helpful"))
                    )
                    _among(told, [row.article_id for row in rows])
                case "shown":
                    rows = await conn.execute(select(store.shown_services.c.service_id))
                    _among(told, [row.service_id for row in rows])
                case "erased":
                    await self._erased(conn)
                case "masked":
                    await self._masked(conn, told)
                case _:
                    raise Stumble("There is no such record.")

    async def _stands(self, conn: AsyncConnection, what: str, told: str) -> None:
        table = escalations.escalations
        row = (await conn.execute(select(table).order_by(table.c.opened_at.desc()).limit(1))).one_or_none()
        stands = "none"
        if row is not None:
            filed = await escalations.find(conn, row.id)
            assert filed is not None
            stands = filed.escalation.state.value if what == "escalation" else filed.escalation.urgency.value
        if stands != told:
            raise Stumble(f"It is {stands}.")

    async def _erased(self, conn: AsyncConnection) -> None:
        """What she wrote before she erased it can be read by nobody, and neither can what she was told."""
        table = store.conversations
        gone = [row.id for row in await conn.execute(select(table.c.id).where(table.c.fingerprint.is_(None)))]
        if not gone:
            raise Stumble("Nothing was erased.")
        for conversation in gone:
            if await self.house.vault.existing(conn, store.subject_of(conversation)) is not None:
                raise Stumble("The key is still there.")
            received = await inbox.transcript(conn, Vault(MASTER), conversation)
            readable = [message for message in received if message.text]
            sent = [said for said in await outbox.transcript(conn, Vault(MASTER), conversation) if said.message]
            if readable or sent:
                raise Stumble("Something of it can still be read.")

    async def _masked(self, conn: AsyncConnection, words: str) -> None:
        """Nowhere: in nothing stored, sealed or not, and in no log."""
        await self._nowhere_readable(conn, [words])
        vault = Vault(MASTER)
        for row in (await conn.execute(select(store.conversations.c.id))).all():
            told = [message.text for message in await inbox.transcript(conn, vault, row.id)]
            told += [said.message.text for said in await outbox.transcript(conn, vault, row.id) if said.message]
            conversation = await store.get(conn, vault, row.id)
            told.append(json.dumps(conversation.state, ensure_ascii=False) if conversation is not None else "")
            if any(words in each for each in told):
                raise Stumble(f"{words!r} was written down.")
        for gap in (await conn.execute(select(store.gaps.c.id, store.gaps.c.text))).all():
            key = await vault.existing(conn, f"gap:{gap.id}")
            if key is not None and words in key.unseal(gap.text, about=f"gap:{gap.id}"):
                raise Stumble(f"{words!r} is in a gap.")
        if any(words in got.shown for person in self.people.values() for got in person.got):
            raise Stumble(f"{words!r} was said to somebody.")

    def _no_address(self) -> None:
        for person in self.people.values():
            for got in person.got:
                spans = self.house.masker.mask(got.shown, language=Language.NB).spans
                if any(span.kind.value == "address" for span in spans):
                    raise Stumble(f"This holds an address:\n{got.shown}")

    # --- what holds in every journey ----------------------------------------------------------------------------------

    async def _what_always_holds(self) -> None:
        """Nothing failed, the audit trail is whole, and nobody's words or numbers can be read or were told on."""
        trouble = [event for event in _TROUBLE.findall(self.logs.getvalue()) if event not in _EXPECTED]
        if trouble:
            found = next(line for line in self.logs.getvalue().splitlines() if f'"{trouble[0]}"' in line)
            raise Stumble(f"The log tells of trouble: {found}")
        async with self.house.db.read() as conn:
            if await audit.verify(conn) is not None:
                raise Stumble("The audit trail is broken.")
            said = {words for person in self.people.values() for words in person.said if len(words) >= _LONG_ENOUGH}
            said = {words for words in said if words.encode() not in self.shipped}
            await self._nowhere_readable(conn, [*said, *self._numbers()])
        for person in self.people.values():
            if person.staff:
                self._nobody_told(person, [other.address.value for other in self.people.values() if not other.staff])
            else:
                staff = [name for name, other in self.people.items() if other.staff]
                names = [*staff, *(name.capitalize() for name in staff)]
                self._nobody_told(person, [*names, *self._numbers(of_staff=True)])

    def _numbers(self, *, of_staff: bool = False) -> list[str]:
        """The addresses of everybody, or of staff."""
        return [
            address.value
            for name, person in self.people.items()
            if person.staff or not of_staff
            for address in {person.address, *self.other_addresses.get(name, ())}
        ]

    def _nobody_told(self, person: Person, secrets: list[str]) -> None:
        for got in person.got:
            for secret in secrets:
                if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", got.shown):
                    raise Stumble(f"{person.name or 'she'} was told {secret!r}:\n{got.shown}")

    async def _nowhere_readable(self, conn: AsyncConnection, secrets: list[str]) -> None:
        """In no column of any table, in no file of the database and in no log."""
        stored = await _every_column(conn)
        if conn.dialect.name == "sqlite":
            path = Path(self.url.removeprefix("sqlite:///"))
            stored += b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
        logged = self.logs.getvalue()
        for words in secrets:
            if words.encode() in stored:
                raise Stumble(f"{words[:80]!r} stands in storage as it was written.")
            if words in logged:
                raise Stumble(f"{words[:80]!r} stands in the log.")

    # --- putting the line up ----------------------------------------------------------------------------------------

    async def _begin(self, *, first: bool) -> None:
        if first:
            self._collected = 0
            self.providers = _providers()
        house = replace(
            self.prepared.house,
            settings=_settings(self.prepared.folder, self.url, self.script),
            clock=self.clock,
            db=Database.connect(self.url),
            vault=Vault(MASTER),
            library=copy(self.prepared.house.library),
            channels={**self.providers, Channel.WEB: LocalChannel(Channel.WEB)},
            counts=Counts(),
        )
        # The work is done by `settle`, when the script says so, and not by loops beside it.
        self.line = _PreparedLine(house, role=Role.WEB) if first else Line(house, role=Role.WEB)
        self._client = TestClient(TestServer(self.line.application()))
        await self._client.start_server()
        if first:
            if not _SHIPPED:
                async with house.db.read() as conn:
                    _SHIPPED.append(await _every_column(conn))
            self.shipped = _SHIPPED[0]
            await self._hire()
            await self._meet()
        else:
            self._client.session.cookie_jar.update_cookies(self.jar)

    async def _end(self) -> None:
        self.jar = {cookie.key: cookie.value for cookie in self._client.session.cookie_jar}
        await self._client.close()

    async def _hire(self) -> None:
        """Staff with verified contacts, and a ladder of theirs."""
        script, vault, now = self.script, self.house.vault, self.clock.now() - timedelta(days=1)
        self.other_addresses: dict[str, tuple[Address, ...]] = {}
        self.advisor_says = [
            self.house.phrases.say("advisor.says", language, words="").strip() for language in Language
        ]
        steps = [[2, list(step)] for step in script.on_call] or [[2, ["roster:main"]]]
        definition = a_policy(steps, last_resort=[script.last_resort])
        async with self.house.db.write() as conn:
            for number, name in enumerate(script.staff):
                language = Language(script.speaks.get(name, "nb"))
                await accounts.add_staff(
                    conn,
                    vault,
                    staff_id=name,
                    name=name.capitalize(),
                    roles=[accounts.Role.ADVISOR],
                    languages=[language, *(each for each in Language if each is not language)],
                    zone="Europe/Oslo",
                    now=now,
                )
                addresses = [_staff_address(channel, number) for channel in script.contacts[name]]
                for address in addresses:
                    way = ContactChannel(address.channel.value)
                    await accounts.add_contact(
                        conn, vault, staff_id=name, channel=way, value=address.value, now=now, verified=True
                    )
                self.people[name] = KINDS[addresses[0].channel](name, addresses[0], self, staff=True)
                self.other_addresses[name] = tuple(addresses[1:])
            await escalations.save_ladders(conn, definition=definition, now=now, saved_by="script")
            if script.roster or not script.on_call:
                rules = [{"target": who, "from": since, "to": until} for who, since, until in script.roster]
                await escalations.save_roster(
                    conn,
                    name="main",
                    zone="Europe/Oslo",
                    definition={"rules": rules},
                    valid_from=now,
                    now=now,
                    saved_by="script",
                )

    async def _meet(self) -> None:
        """The clinicians."""
        wanted = {SHE: self.script.channel, **self.script.also}
        for number, (name, channel) in enumerate(wanted.items()):
            address = _clinician_address(channel, number, self.script.country.value)
            person = self.people[name] = KINDS[channel](name, address, self, self.script.hint)
            if isinstance(person, Browser):
                person.country = self.script.country.value
                await person.open()
        self.other_addresses[SHE] = (_GROUP,)


class _PreparedLine(Line):
    """A line on storage that was prepared before: the clock is set, and nothing is read again."""

    async def prepare(self, say: Callable[[str], None] = lambda sentence: None) -> None:
        async with self.house.db.read() as conn:
            self.house.clock.not_before(await audit.newest_instant(conn))


@cache
def _real_channels() -> Mapping[Channel, ChannelAdapter]:
    """The channels as the line has them, of which only the reading side is used here."""
    account = TwilioAccount(ACCOUNT_SID, AUTH_TOKEN, public_url=PUBLIC_URL)
    return {
        Channel.TELEGRAM: TelegramChannel(TELEGRAM_TOKEN, TELEGRAM_SECRET),
        Channel.SMS: TwilioChannel(Channel.SMS, account, LINE_NUMBER),
        Channel.WHATSAPP: TwilioChannel(Channel.WHATSAPP, account, LINE_NUMBER),
        Channel.TERMINAL: LocalChannel(Channel.TERMINAL),
    }


def _providers() -> dict[Channel, Provider]:
    line = count()
    return {
        channel: Provider(channel, can_be_asked=adapter.can_be_asked, real=adapter, line=line)
        for channel, adapter in _real_channels().items()
    }


def _settings(folder: Path, url: str, script: Script) -> Settings:
    return Settings(data_dir=folder, database_url=Secret(url), secret_key=Secret(MASTER), country=script.country)


def _staff_address(channel: Channel, number: int) -> Address:
    return Address(channel, f"77009020{number:02}" if channel is Channel.TELEGRAM else f"+479000002{number}")


def _clinician_address(channel: Channel, number: int, country: str) -> Address:
    prefix = "+4670174061" if country == "SE" else "+479000001"  # the Swedish ones are kept free for films and books
    values = {
        Channel.TELEGRAM: f"77009001{number:02}",
        Channel.SMS: f"{prefix}{number}",
        Channel.WHATSAPP: f"{prefix}{number}",
    }
    return Address(channel, values.get(channel, f"screen-{number}-of-a-journey"))


async def _every_column(conn: AsyncConnection) -> bytes:
    """Every text and every blob of the database, one after another."""
    kept: list[bytes] = []
    for table in SQLModel.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, (String, Text, LargeBinary))]
        if not columns:
            continue
        for row in await conn.execute(select(*columns)):
            kept += [bytes(value) if not isinstance(value, str) else value.encode() for value in row if value]
    return b"\0".join(kept)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _among(told: str, there: list[str]) -> None:
    if told not in there:
        raise Stumble(f"There is {', '.join(sorted(set(there))) or 'nothing'}.")


def _none(there: list[str]) -> None:
    if there:
        raise Stumble(f"There is {', '.join(there)}.")
