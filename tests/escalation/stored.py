"""The same situations as in `simulator.py`, played over the real rows: staff, contacts, rosters, ladders, outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation import advisors, seeking, store, watch
from escalation.carry import Means
from escalation.reach import store as reach_store
from escalation.seeking import By
from escalation.standing import Urgency
from escalation.store import Event, Filed, PageMade
from helpline import accounts
from helpline.accounts import ContactChannel, Role
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country, Language, OutboundMessage
from helpline.phrases import Phrases
from helpline.vault import Vault
from tests.escalation.simulator import DEADLINES, LAST_RESORT, START, minutes

PHRASES = Phrases.load(content_folder() / "phrases")
EDGE = minutes(60 * 24 * 30)


@dataclass
class FakeFront:
    """The front door, which only notes what it was given."""

    told: list[tuple[str, str, datetime]] = field(default_factory=list)

    async def tell_clinician(
        self, conn: AsyncConnection, conversation_id: str, message: OutboundMessage, *, key: str, now: datetime
    ) -> None:
        self.told.append((conversation_id, message.text, now))

    async def brief(self, conn: AsyncConnection, filed: Filed, language: Language) -> OutboundMessage | None:
        return OutboundMessage(f"Sammendrag {filed.code}")


def means_of(vault: Vault, **changed: Any) -> Means:
    return Means(vault=vault, phrases=PHRASES, front=FakeFront(), **changed)


def deadlines() -> dict[str, float]:
    return {
        f"{name}_minutes": getattr(DEADLINES, name) / minutes(1)
        for name in ("first_reply", "reply", "grace", "quiet", "handover")
    }


def a_policy(
    steps: Sequence[Sequence[Any]],
    *,
    routine: Sequence[Sequence[Any]] | None = None,
    repeat: int = 0,
    last_resort: Sequence[str] = (LAST_RESORT,),
) -> dict[str, Any]:
    """A ladder file as plain values; both urgencies alike unless told otherwise."""

    def ladder(written: Sequence[Sequence[Any]]) -> dict[str, Any]:
        marks = {"speaks": "speaks_language", "everyone": "everyone"}
        return {
            "steps": [
                {"targets": list(targets), "wait_minutes": wait, **{marks[mark]: True for mark in said}}
                for wait, targets, *said in written
            ],
            "repeat": repeat,
            "deadlines": deadlines(),
        }

    house = {"desk": 0, "telegram": 0, "sms": 1}
    return {
        "last_resort": {"targets": list(last_resort), "retry_minutes": 10},
        "ladders": {"urgent": ladder(steps), "routine": ladder(routine if routine is not None else steps)},
        "personal": {"urgent": house, "routine": house},
    }


async def add_person(
    conn: AsyncConnection,
    vault: Vault,
    staff_id: str,
    *contacts: tuple[ContactChannel, str],
    roles: Sequence[Role] = (Role.ADVISOR,),
    languages: Sequence[Language] = (Language.NB,),
    now: datetime = START,
) -> dict[str, int]:
    """Somebody on staff with verified contacts; their contact ids by address."""
    await accounts.add_staff(
        conn,
        vault,
        name=staff_id.capitalize(),
        roles=roles,
        now=now,
        zone="Europe/Oslo",
        staff_id=staff_id,
        languages=languages,
    )
    return {
        value: await accounts.add_contact(
            conn, vault, staff_id=staff_id, channel=channel, value=value, now=now, verified=True
        )
        for channel, value in contacts
    }


@dataclass
class StoredRun:
    """One scenario of the case file, on a database."""

    case: Mapping[str, Any]
    db: Database
    vault: Vault
    contacts: dict[tuple[str, str], int] = field(default_factory=dict)
    rules: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    last: str = ""

    def __post_init__(self) -> None:
        self.means = means_of(self.vault)

    async def run(self) -> None:
        await self.prepare()
        minute = 0.0
        for at, what, *details in [*self.case["events"], [self.case["until"], "nothing"]]:
            await self.wait(minute, at)
            minute = at
            if what == "asleep_until":
                minute = details[0]
            elif what != "nothing":
                async with self.db.write() as conn:
                    await self.event(conn, START + minutes(minute), what, details)
            await self.tick(minute)

    async def prepare(self) -> None:
        people = {LAST_RESORT: [[0, "call"]], **self.case["people"]}
        async with self.db.write() as conn:
            await self.save_ladders(conn, START)
            for name, shifts in self.case.get("rosters", {}).items():
                definition = {
                    "priority_shifts": [
                        {
                            "user": person.lower(),
                            "from": (START + minutes(since)).isoformat(),
                            "to": (START + minutes(until)).isoformat(),
                            "level": 1,
                        }
                        for since, until, on_call in shifts
                        for person in on_call
                    ]
                }
                await store.save_roster(
                    conn,
                    name=name,
                    zone="Europe/Oslo",
                    definition=definition,
                    valid_from=START - EDGE,
                    now=START,
                    saved_by="test",
                )
            for person, written in people.items():
                spoken = self.case.get("languages", {}).get(person, ["nb"])
                await add_person(conn, self.vault, person.lower(), languages=[Language(each) for each in spoken])
                self.rules[person] = []
                for after, contact, *marks in written:
                    await self.add_rule(conn, person, after, contact)
                    if marks:
                        await store.stop_contact(conn, self.contacts[person, contact], START)

    async def save_ladders(self, conn: AsyncConnection, now: datetime, which: str = "first") -> None:
        steps, other = self.case["steps"], self.case.get("other_steps")
        if which == "other":
            steps = other
        routine = None
        if self.case.get("urgency") == "routine":
            steps, routine = other or steps, steps
        definition = a_policy(
            _lower(steps),
            routine=_lower(routine) if routine is not None else None,
            repeat=self.case.get("repeat", 0),
            last_resort=[LAST_RESORT.lower()],
        )
        await store.save_ladders(conn, definition=definition, now=now, saved_by="test")

    async def add_rule(self, conn: AsyncConnection, person: str, after: float, contact: str) -> None:
        if (person, contact) not in self.contacts:
            ways = {"telegram": ContactChannel.TELEGRAM, "call": ContactChannel.CALL}
            channel = ways.get(contact, ContactChannel.SMS)
            self.contacts[person, contact] = await accounts.add_contact(
                conn,
                self.vault,
                staff_id=person.lower(),
                channel=channel,
                value=f"{person}-{contact}",
                now=START,
                verified=True,
            )
        self.rules[person].append((after, contact))
        chosen = [(self.contacts[person, each], minutes(after)) for after, each in self.rules[person]]
        for urgency in Urgency:
            await reach_store.set_rules(conn, person.lower(), urgency, chosen)

    async def tick(self, minute: float) -> None:
        for _ in range(20):
            if not await watch.tick(self.db, self.means, START + minutes(minute)):
                return
        raise AssertionError("the watch turns on the spot")

    async def wait(self, since: float, until: float) -> None:
        for _ in range(1000):
            async with self.db.read() as conn:
                due_at = await watch.next_due(conn)
            if due_at is None or due_at > START + minutes(until):
                return
            await self.tick(max(since, (due_at - START) / minutes(1)))
        raise AssertionError("the watch turns on the spot")

    async def event(self, conn: AsyncConnection, now: datetime, what: str, details: Sequence[Any]) -> None:
        means, last = self.means, self.last
        match what, details:
            case (("open" | "open_urgent" | "open_taken"), _):
                urgency = "urgent" if what == "open_urgent" else self.case.get("urgency", "urgent")
                opened = await seeking.open_escalation(
                    conn,
                    means,
                    conversation_id="conversation-1",
                    urgency=Urgency(urgency),
                    language=Language(self.case.get("language", "nb")),
                    country=Country.NO,
                    region="Troms",
                    reason="asked",
                    now=now,
                )
                self.last = opened.filed.id
                if what == "open_taken":
                    await advisors.acknowledge(conn, means, self.last, details[0].lower(), now)
            case "move_up", []:
                await advisors.move_up(conn, means, last, "coordinator", now)
            case "reapply", [which]:
                await self.save_ladders(conn, now, which)
                await advisors.reapply(conn, means, last, "coordinator", now)
            case "add_rule", [person, after, contact]:
                await self.add_rule(conn, person, after, contact)
                await advisors.rules_changed(conn, means, person.lower(), now)
            case "ack", [person, contact]:
                used = str(self.contacts[person, contact])
                await advisors.acknowledge(conn, means, last, person.lower(), now, contact=used)
            case "decline", [person, *as_of]:
                made = [page for page in await store.pages_of(conn, last) if page.staff_id == person.lower()]
                page = next(page for page in made if not as_of or page.rung == as_of[0])
                await advisors.decline(conn, means, page.id, person.lower(), now)
            case "pass_on", [person, to]:
                await advisors.pass_on(conn, means, last, person.lower(), to.lower(), now)
            case "pass_up", [person]:
                await advisors.pass_up(conn, means, last, person.lower(), now)
            case "keep", [person]:
                await advisors.keep(conn, means, last, person.lower(), now)
            case "hand_back", [person]:
                await advisors.hand_back(conn, means, last, person.lower(), now)
            case "close", [person]:
                await advisors.close(conn, means, last, person.lower(), now)
            case "withdraw", []:
                await seeking.clinician_left(conn, means, "conversation-1", now)
            case "advisor_word", [person]:
                await seeking.note_reply(conn, last, By.STAFF, now, staff_id=person.lower())
            case "clinician_word", []:
                await seeking.note_reply(conn, last, By.CLINICIAN, now)
            case (("refused" | "held_up"), [person, contact]):
                used_id = self.contacts[person, contact]
                made = [page for page in await store.pages_of(conn, last) if page.contact_id == used_id]
                await advisors.page_reported(conn, means, made[-1].id, advisors.PageNews(what), now)
            case _:
                raise AssertionError(f"unknown event {what} {details}")

    async def pages(self) -> list[tuple[float, str, str, PageMade]]:
        """Every page: minute, person and contact as the case file names them."""
        named = {contact_id: (person, label) for (person, label), contact_id in self.contacts.items()}
        async with self.db.read() as conn:
            ids = [row.id for row in await conn.execute(store.escalations.select())]
            made = [page for id_ in ids for page in await store.pages_of(conn, id_)]
        return [((page.made_at - START) / minutes(1), *named[page.contact_id], page) for page in made]

    async def words(self) -> list[tuple[Any, ...]]:
        """Everything that was said, in the form of the case file."""
        people = {person.lower(): person for person in self.rules}
        async with self.db.read() as conn:
            ids = [row.id for row in await conn.execute(store.escalations.select())]
            happened = [event for id_ in ids for event in await store.history(conn, id_)]
        return [said for event in happened if (said := _word(event, people)) is not None]

    async def filed(self) -> Filed:
        async with self.db.read() as conn:
            found = await store.find(conn, self.last)
        assert found is not None
        return found


def _lower(steps: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [
        [wait, [each if ":" in each else each.lower() for each in targets], *marks] for wait, targets, *marks in steps
    ]


def _word(event: Event, people: Mapping[str, str]) -> tuple[Any, ...] | None:
    minute = (event.at - START) / minutes(1)
    match event.kind:
        case "advisor_told":
            others = [people.get(other, other) for other in event.details["others"]]
            staff = event.details["staff"]
            return (minute, people.get(staff, staff), event.details["word"], *others)
        case "clinician_told":
            return (minute, "clinician", event.details["word"])
        case "alarm":
            return (minute, "alarm", event.details["reason"])
    return None


def marks_of(page: PageMade) -> set[str]:
    """What the case file may ask of a page beside person and contact."""
    return {page.reason, *(["early"] if page.early else []), *(["late"] if page.late else [])}
