"""A small house: Asha is on call day and night, Noor comes next, and Maja, who coordinates, is the last resort.

opened = await house.open()                 # a clinician asks
await house.tick(3)                         # three minutes later
heard = await house.says("asha", "48213")   # an SMS from Asha's phone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from escalation import advisors, hearing, seeking, store, watch
from escalation.advisors import Done
from escalation.carry import Means
from escalation.hearing import Answered, Heard
from escalation.seeking import Opened
from escalation.standing import Urgency
from escalation.store import Filed, PageMade
from helpline import outbox
from helpline.accounts import ContactChannel, Role
from helpline.database import Database
from helpline.messages import Address, Channel, Country, Language, OutboundMessage
from helpline.outbox import Outgoing
from helpline.vault import Vault
from tests.escalation.simulator import START, minutes
from tests.escalation.stored import FakeFront, a_policy, add_person, means_of

STEPS = [[3, ["roster:main"]], [4, ["roster:main", "noor"]]]
ROUTINE = [[5, ["roster:main"]], [10, ["noor"]]]


@dataclass
class House:
    """Everything a test of the waiting room needs, and the clock on which it happens."""

    db: Database
    vault: Vault
    means: Means
    now: datetime = START
    contacts: dict[str, dict[Channel, int]] = field(default_factory=dict)

    @property
    def front(self) -> FakeFront:
        assert isinstance(self.means.front, FakeFront)
        return self.means.front

    @property
    def told(self) -> list[str]:
        """Everything that clinicians were told, in order."""
        return [text for _, text, _ in self.front.told]

    def after(self, later: float) -> datetime:
        self.now = START + minutes(later)
        return self.now

    async def open(self, conversation: str = "c1", urgency: str = "urgent", **changed: Any) -> Opened:
        given: dict[str, Any] = {
            "urgency": Urgency(urgency),
            "language": Language.NB,
            "country": Country.NO,
            "region": "Troms",
            "reason": "asked",
            **changed,
        }
        async with self.db.write() as conn:
            return await seeking.open_escalation(conn, self.means, conversation_id=conversation, now=self.now, **given)

    async def tick(self, later: float | None = None) -> int:
        if later is not None:
            self.after(later)
        moved = 0
        while step := await watch.tick(self.db, self.means, self.now):
            moved += step
        return moved

    async def says(
        self,
        who: str,
        text: str = "",
        *,
        token: str = "",
        on: Channel = Channel.SMS,
        answering: Answered | None = None,
        said_id: int | None = None,
    ) -> Heard:
        contact = str(self.contacts[who][on])
        async with self.db.write() as conn:
            return await hearing.hear(
                conn,
                self.means,
                staff_id=who,
                contact=contact,
                text=text,
                token=token,
                answered=answering,
                said_id=said_id,
                now=self.now,
            )

    async def takes(self, who: str, escalation_id: str) -> Done:
        async with self.db.write() as conn:
            return await advisors.acknowledge(conn, self.means, escalation_id, who, self.now)

    async def filed(self, escalation_id: str) -> Filed:
        async with self.db.read() as conn:
            found = await store.find(conn, escalation_id)
        assert found is not None
        return found

    async def pages(self, escalation_id: str) -> list[PageMade]:
        async with self.db.read() as conn:
            return await store.pages_of(conn, escalation_id)

    async def post(self) -> list[tuple[Outgoing, Address, OutboundMessage]]:
        """Everything in the outbox, opened."""
        async with self.db.read() as conn:
            rows = (await conn.execute(outbox._outbound.select().order_by(outbox._o.id))).all()
            found = []
            for row in rows:
                outgoing = outbox._outgoing(row)
                found.append((outgoing, *await outbox.open_message(conn, self.vault, outgoing)))
            return found

    async def sent_to(self, number: str) -> list[str]:
        """The texts for an address that were not withdrawn."""
        return [
            message.text
            for outgoing, address, message in await self.post()
            if address.value == number and outgoing.state is not outbox.OutboundState.WITHDRAWN
        ]


async def furnish(db: Database, vault: Vault, definition: Mapping[str, Any] | None = None) -> House:
    house = House(db, vault, means_of(vault))
    people: dict[str, tuple[list[Role], list[Language], list[tuple[Channel, str]]]] = {
        "asha": ([Role.ADVISOR], [Language.NB], [(Channel.TELEGRAM, "1001"), (Channel.SMS, "+4790000001")]),
        "noor": ([Role.ADVISOR], [Language.SV, Language.EN], [(Channel.SMS, "+4790000002")]),
        "maja": ([Role.COORDINATOR], [Language.NB], [(Channel.SMS, "+4790000003")]),
    }
    async with db.write() as conn:
        written = definition or a_policy(STEPS, routine=ROUTINE, last_resort=["role:coordinator"])
        await store.save_ladders(conn, definition=written, now=START, saved_by="test")
        await store.save_roster(
            conn,
            name="main",
            zone="Europe/Oslo",
            definition={"rules": [{"target": "asha", "from": "00:00", "to": "00:00"}]},
            valid_from=START - timedelta(days=1),
            now=START,
            saved_by="test",
        )
        for who, (roles, languages, addresses) in people.items():
            ways = [(ContactChannel(channel.value), value) for channel, value in addresses]
            ids = await add_person(conn, vault, who, *ways, roles=roles, languages=languages)
            house.contacts[who] = {channel: ids[value] for channel, value in addresses}
    return house
