"""Webhook received, stored, decided, reply handed to the provider: against a bare handler on the same database.

    python -m tests.benchmarks.bench_webhook

The floor and the line are measured in turns in one run, each in a process of its own, with the load and the provider in
this one. A clinician sends her next message when the reply to her last one has reached the provider, so what is counted
is whole turns. Then half of what was reached is posted at an even pace, and each turn is timed.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time

from helpline.content import content_folder
from helpline.messages import Country, Language
from knowledge.articles import load_articles
from tests.benchmarks.load import Caller, Load, Provider, Sample, acknowledged, sms
from tests.benchmarks.stage import Bench, bench, floor_at, line_at

SECONDS = 6.0
ROUNDS = 3
TOGETHER = 16  # connections to the floor
CLINICIANS = 48  # who write at the same time
_numbers = itertools.count(1)


def main() -> None:
    with bench() as made:
        measure(made)


def measure(made: Bench) -> None:
    """Print a table row for each database."""
    print(
        "| database | floor/s | turns/s | of the floor | turn at full load p50/p99 ms | webhook p99 ms "
        "| turn at half load p50/p99 ms |"
    )
    print("|---|---|---|---|---|---|---|")
    for dialect in ("sqlite", "postgresql"):
        print(asyncio.run(_row(made, dialect)), flush=True)


async def _row(made: Bench, dialect: str) -> str:
    folder, url = await made.database(dialect, f"webhook_{dialect[:2]}")
    floor_folder, floor_url = await made.database(dialect, f"floor_{dialect[:2]}")
    floors, turns, full = list[float](), list[float](), list[Load]()
    async with Provider() as provider, line_at(made, folder, url, provider.url) as port:
        clinicians = Clinicians(provider, port)
        await clinicians.connect()
        await clinicians.greet()
        async with floor_at(floor_folder, floor_url) as floor_port:
            await _floor(floor_port, 1.0)
            for _ in range(ROUNDS):
                floors.append((await _floor(floor_port, SECONDS)).per_second)
                full.append(await clinicians.write_and_wait(SECONDS))
                turns.append(full[-1].replies_per_second)
        half = await clinicians.write_at(statistics.median(turns) / 2, SECONDS * 2)
        clinicians.close()
    floor, reached = statistics.median(floors), statistics.median(turns)
    replied = Sample([took for load in full for took in load.replied])
    heard = Sample([took for load in full for took in load.acknowledged])
    calm = Sample(half.replied)
    return (
        f"| {dialect} | {floor:.0f} | {reached:.0f} | 1/{floor / reached:.1f} "
        f"| {replied.at(50):.0f} / {replied.at(99):.0f} | {heard.at(99):.0f} | {calm.at(50):.0f} / {calm.at(99):.0f} |"
    )


async def _floor(port: int, seconds: float) -> Load:
    requests = [sms("+4790000001", "Har pasienten rett til gratis advokat?", next(_numbers)) for _ in range(20_000)]
    return await acknowledged(port, requests, seconds=seconds, together=TOGETHER)


class Clinicians:
    """People with phones who ask what the shelves know."""

    def __init__(self, provider: Provider, *ports: int, count: int = CLINICIANS) -> None:
        self._ports = ports
        self._phones = [f"+47900{next(_numbers):05d}" for _ in range(count)]
        self._callers: list[Caller] = []
        self._waiting: dict[str, asyncio.Future[float]] = {}
        asked = [
            w.text
            for article in load_articles(content_folder() / "articles")
            for w in article.questions
            if article.country is Country.NO and w.language is Language.NB
        ]
        self._asked = random.Random(7).sample(sorted(asked), 200)
        provider.taken = self._heard

    def _heard(self, to: str, text: str) -> None:
        waiting = self._waiting.pop(to, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(time.perf_counter())

    async def connect(self) -> None:
        self._callers = [
            await Caller.at(port) for port, _ in zip(itertools.cycle(self._ports), self._phones, strict=False)
        ]

    def close(self) -> None:
        for caller in self._callers:
            caller.close()

    async def greet(self) -> None:
        """The first message of each, which is answered with a greeting."""
        await asyncio.gather(*(self._turn(place, "Hei", Load(1)) for place in range(len(self._phones))))
        await asyncio.sleep(1)

    async def _turn(self, place: int, text: str, load: Load, due: float | None = None) -> None:
        phone = self._phones[place]
        request = sms(phone, text, next(_numbers))
        replied = self._waiting[phone] = asyncio.get_running_loop().create_future()
        began = due if due is not None else time.perf_counter()
        assert await self._callers[place].call(request) == 200
        load.acknowledged.append(time.perf_counter() - began)
        async with asyncio.timeout(30):
            load.replied.append(await replied - began)

    async def write_and_wait(self, seconds: float) -> Load:
        """Everybody writes again as soon as she is answered."""
        load = Load(seconds)
        began = time.perf_counter()

        async def keep_writing(place: int) -> None:
            asked = random.Random(place)
            while time.perf_counter() < began + seconds:
                await self._turn(place, asked.choice(self._asked), load)

        await asyncio.gather(*(keep_writing(place) for place in range(len(self._phones))))
        load.seconds = time.perf_counter() - began
        return load

    async def write_at(self, per_second: float, seconds: float) -> Load:
        """An even stream of messages, each from somebody who waits for nothing; timed from when it was due."""
        load = Load(seconds)
        asked, free, turns = random.Random(11), asyncio.Queue[int](), set[asyncio.Task[None]]()
        for place in range(len(self._phones)):
            free.put_nowait(place)

        async def turn(due: float) -> None:
            place = await free.get()
            await self._turn(place, asked.choice(self._asked), load, due)
            free.put_nowait(place)

        began = time.perf_counter()
        for number in range(int(per_second * seconds)):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            turns.add(asyncio.create_task(turn(due)))
        await asyncio.gather(*turns)
        load.seconds = time.perf_counter() - began
        return load


if __name__ == "__main__":
    main()
