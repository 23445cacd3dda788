"""Two days and nights of the wired line on one clock: thirty escalations, and advisors who answer, decline, forget,
sleep and change shift. Nothing here waits for a clock: forty-eight hours take as long as the work in them."""

from __future__ import annotations

import heapq
import io
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from escalation import heartbeat, store
from helpline import audit, outbox
from helpline.messages import Channel, Country
from tests.captured import tapped
from tests.journeys.people import Got, Person, TelegramUser, _numbers
from tests.journeys.script import SHE, Script
from tests.journeys.stage import Prepared, Stage

HOURS = timedelta(hours=48)
CLINICIANS = 30
MINUTE = timedelta(minutes=1)
DANGER = "Mannen som kom med henne har kniv og står utenfor rommet"

Act = Callable[[], Coroutine[Any, Any, None]]


def names(count: int) -> list[str]:
    letters = "bcdfghjklmnprstv"
    return [f"{first}{second}a" for first, second in itertools.product(letters, letters)][:count]


def two_days() -> Script:
    """Asha has the nights, Noor the days; Bo comes on the second step, and Maja is the last resort."""
    return Script(
        path=Path("two/days"),
        title="two days and nights",
        channel=Channel.TELEGRAM,
        country=Country.NO,
        hint="nb",
        at=datetime.fromisoformat("2026-11-20T20:00+01:00"),
        on_call=(),
        last_resort="maja",
        roster=(("asha", "22:00", "07:00"), ("noor", "07:00", "22:00")),
        contacts={
            "asha": (Channel.TELEGRAM, Channel.SMS),
            "noor": (Channel.TELEGRAM,),
            "maja": (Channel.TELEGRAM,),
        },
        speaks={},
        also=dict.fromkeys(names(CLINICIANS - 1), Channel.TELEGRAM),
        lines=(),
    )


class Days(Stage):
    """The line, with people who do things when they will."""

    def begin(self) -> None:
        self.dice = random.Random(48)
        self.plans: list[tuple[datetime, int, Act]] = []
        self.order = itertools.count()
        self.seen_pages = 0
        self.did: Counter[str] = Counter()
        self.audits = 0

    def plan(self, later: timedelta, act: Act) -> None:
        heapq.heappush(self.plans, (self.clock.now() + later, next(self.order), act))

    async def run(self) -> None:
        """Until the time is up: whatever is planned, and between that whatever falls due."""
        until = self.clock.now() + HOURS
        while self.plans and self.plans[0][0] <= until:
            at, _, act = heapq.heappop(self.plans)
            await self._pass(max(at - self.clock.now(), timedelta()))
            await act()
            await self._settle()
            self.answer_pages()
        await self._pass(until - self.clock.now())

    async def _settle(self) -> None:
        await super()._settle()
        self.answer_pages()

    def answer_pages(self) -> None:
        """Whoever was paged since decides what to do about it, and when."""
        for who, page in self.pages[self.seen_pages :]:
            self.seen_pages += 1
            self.plan(MINUTE * self.dice.choice((0.2, 0.5, 1, 2, 6, 25)), self.reaction(self.people[who], page))

    def reaction(self, person: Person, page: Got) -> Act:
        what = self.dice.choice(("takes", "takes", "takes", "declines", "ignores", "ignores", "ignores"))

        async def act() -> None:
            self.did[what] += 1
            if what == "ignores" or not page.choices:
                return
            take, no = page.choices[:2]
            await self.tap(person, take.token if what == "takes" else no.token)
            if what == "takes":
                self.plan(MINUTE * self.dice.choice((1, 2, 30)), self.word(person, page.tag))

        return act

    async def tap(self, person: Person, token: str) -> None:
        """A button of this very page, and not of the latest one that looks like it."""
        assert isinstance(person, TelegramUser)
        update = tapped(token, update_id=next(_numbers), chat=person.address.value)
        await person._post("/telegram", person._update(update))

    def word(self, person: Person, tag: str) -> Act:
        """What somebody writes to the clinician after taking it, if they have not forgotten; and then they end it."""
        code = tag.strip("[]").partition("-")[0]

        async def act() -> None:
            self.did["words"] += 1
            await person.say(f"{code} Hei, jeg er her.")
            ending = self.dice.choice(("ferdig", "ferdig", "ferdig", "tilbake", "til noor"))
            self.plan(MINUTE * self.dice.choice((3, 10, 40)), self.ends(person, code, ending))

        return act

    def ends(self, person: Person, code: str, how: str) -> Act:
        async def act() -> None:
            self.did[how] += 1
            await person.say(f"{code} {how}")

        return act

    def asks(self, who: str) -> Act:
        async def act() -> None:
            self.did["asks"] += 1
            await self.people[who].say(DANGER if self.dice.random() < 0.4 else "rådgiver")

        return act

    async def look(self) -> None:
        """The auditor's turn."""
        self.audits += 1
        looked = await heartbeat.look(self.house.db, self.line.room.means, self.clock.now())
        assert looked.faults == (), (self.clock.now(), looked.faults)
        self.plan(timedelta(minutes=30), self.look)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_two_days_and_nights(prepared: Prepared, heard: io.StringIO) -> None:
    days = Days(two_days(), prepared, heard)
    days.begin()
    await days._begin(first=True)
    try:
        began = days.clock.now()
        for who in [SHE, *names(CLINICIANS - 1)]:
            days.plan(timedelta(minutes=days.dice.uniform(0, 46 * 60)), days.asks(who))
        days.plan(timedelta(), days.look)
        await days.run()
        assert days.clock.now() - began == HOURS
        await everybody_ended_with_a_human_or_was_told(days)
        async with days.house.db.read() as conn:
            assert await audit.verify(conn) is None
            backlog = await outbox.backlog(conn)
        assert (backlog.waiting, backlog.sending) == (0, 0)
        assert days.audits == 97  # every half hour, and nothing was ever wrong
        assert days.did["asks"] == CLINICIANS
        # It was a night of every kind.
        assert not {"takes", "declines", "ignores", "words", "ferdig", "tilbake"} - days.did.keys()
    finally:
        await days._end()


async def everybody_ended_with_a_human_or_was_told(days: Days) -> None:
    """Read from what was said to each: whoever was promised a word by a minute had one by then."""
    async with days.house.db.read() as conn:
        rows = (await conn.execute(store.escalations.select())).all()
        assert len(rows) >= CLINICIANS
        for row in rows:
            told = [event for event in await store.history(conn, row.id) if event.kind == "clinician_told"]
            promised: datetime | None = None
            for event in told:
                assert promised is None or event.at <= promised + timedelta(seconds=1), row.id
                by = event.details.get("by")
                promised = datetime.fromisoformat(by) if by is not None else None
            assert promised is None or promised > days.clock.now()
            words = [event.details["word"] for event in told]
            assert {"taken", "nobody_reached", "nobody_on_duty", "nobody_yet"} & set(words) or promised is not None
