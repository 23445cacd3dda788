"""How late pages are: after a webhook, after the instant at which each alone falls due, and a thousand at one instant.

python -m tests.benchmarks.bench_paging
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bot import store
from bot.app import build_app
from bot.dialogue import Reason, SeekAdvisor, State
from helpline.clock import SetClock, SystemClock
from helpline.messages import Address, Channel, Country, Language
from tests.benchmarks.load import Caller, Provider, Sample, sms
from tests.benchmarks.stage import Bench, bench, line_at
from tests.crash.conftest import NOOR, settings_of

ESCALATIONS = 1000
ALONE, PER_SECOND = 60, 6.0
DANGER = "han står utenfor døra med kniv og truer henne nå"
WAIT = timedelta(minutes=1)  # of the ladder's first step, on which nobody is reached
_numbers = itertools.count(1)


def main() -> None:
    with bench() as made:
        measure(made)


def measure(made: Bench) -> None:
    """Print a table row for each database."""
    print(
        "| database | from the webhook, p50/p99 ms | due alone: late by p50/p99 ms "
        "| 1,000 due at once: late by p50 / p99 / last, s |"
    )
    print("|---|---|---|---|")
    for dialect in ("sqlite", "postgresql"):
        print(asyncio.run(_row(made, dialect)), flush=True)


async def _row(made: Bench, dialect: str) -> str:
    alone = await _alone(made, dialect)
    apart = Sample(await _due(made, dialect, ALONE, apart=timedelta(seconds=1 / PER_SECOND)))
    together = Sample(await _due(made, dialect, ESCALATIONS, apart=timedelta()))
    half, most, last = (together.at(percent) / 1000 for percent in (50, 99, 100))
    return (
        f"| {dialect} | {alone.at(50):.0f} / {alone.at(99):.0f} | {apart.at(50):.0f} / {apart.at(99):.0f} "
        f"| {half:.2f} / {most:.2f} / {last:.2f} |"
    )


async def _alone(made: Bench, dialect: str) -> Sample:
    """Clinicians in danger write at an even pace; each page is timed, what is said to the clinician is not."""
    folder, url = await made.database(dialect, f"alone_{dialect[:2]}")
    took: list[float] = []
    # Urgent ones, which wait for no others, and called at once.
    steps = (made.content / "ladder.yaml").read_text().replace("      - {targets: [desk], wait_minutes: 1}\n", "")
    (folder / "ladder.yaml").write_text(steps)
    async with Provider() as provider, line_at(made, folder, url, provider.url, ladder=folder / "ladder.yaml") as port:
        caller = await Caller.at(port)
        for number in range(ALONE + 5):
            paged: asyncio.Future[float] = asyncio.get_running_loop().create_future()

            def taken(to: str, text: str, paged: asyncio.Future[float] = paged) -> None:
                if to == NOOR and not paged.done():
                    paged.set_result(time.perf_counter())

            provider.taken = taken
            began = time.perf_counter()
            assert await caller.call(sms(f"+47901{number:05d}", DANGER, next(_numbers))) == 200
            async with asyncio.timeout(30):
                pause = await paged - began
            if number >= 5:  # the first ones find everything cold
                took.append(pause)
            await asyncio.sleep(max(0.0, 1 / PER_SECOND - pause))
        caller.close()
    return Sample(took)


async def _due(made: Bench, dialect: str, count: int, *, apart: timedelta) -> list[float]:
    """By how many seconds each page was late at the provider, of so many that fall due so far apart."""
    folder, url = await made.database(dialect, f"due_{count}_{dialect[:2]}")
    clock = SystemClock()
    opened = clock.now()
    await _open(made, folder, url, opened, count, apart)
    arrived: list[float] = []
    async with Provider() as provider:
        # Set so far ahead that they fall due some seconds after the start.
        ahead = (WAIT - (clock.now() - opened) - timedelta(seconds=15)).total_seconds()
        async with line_at(made, folder, url, provider.url, ahead=ahead):
            wait = (opened + WAIT - clock.now()).total_seconds() - ahead
            assert wait > 2, "the machine is too busy to be ready in time"
            due = time.perf_counter() + wait

            def taken(to: str, text: str) -> None:
                if to == NOOR:
                    # They leave in the order in which they fall due, as far as it matters here.
                    arrived.append(time.perf_counter() - due - len(arrived) * apart.total_seconds())

            provider.taken = taken
            async with asyncio.timeout(wait + 120):
                while len(arrived) < count:
                    await asyncio.sleep(0.1)
    return sorted(arrived)


async def _open(made: Bench, folder: Path, url: str, opened: datetime, count: int, apart: timedelta) -> None:
    clock = SetClock(opened)
    line = build_app(settings_of(folder, url, made.content), clock=clock, channels={}, content=made.content)
    line.room.means = replace(line.room.means, channels=frozenset({"desk", "telegram", "sms"}))
    house, state = line.house, State(language=Language.NB, country=Country.NO)
    for began in range(0, count, 100):
        async with house.db.write() as conn:
            for number in range(began, min(began + 100, count)):
                now = opened + number * apart
                conversation_id = await store.create(
                    conn,
                    house.vault,
                    Address(Channel.SMS, f"+47902{number:05d}"),
                    kind=store.Kind.CLINICIAN,
                    staff_id=None,
                    language=state.language,
                    country=state.country,
                    now=now,
                )
                conversation = await store.get(conn, house.vault, conversation_id)
                assert conversation is not None
                await line.room.seek(conn, conversation, state, SeekAdvisor(Reason.DANGER, urgent=True), now)
    await line.close()


if __name__ == "__main__":
    main()
