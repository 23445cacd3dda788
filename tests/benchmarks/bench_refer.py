"""Who can help, among ever more services: `varde refer` from the question to the written line.

    python -m tests.benchmarks.bench_refer [SERVICES]

The larger directories are the shipped one again and again: each copy of a local service lies in another kommune, and
what answers in the whole country does so under another name. Every answer gives its reasons for every service, so the
floor is the least that can be done for that: a list with an id and the same reason for each of them, made and written.
Machines differ: read the ratios. What is counted is time of the processor.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

import orjson

from helpline.content import content_folder
from helpline.messages import Country
from routing.matching.refer import World, refer_line
from routing.places import Level
from routing.services import Service

ASKED = 200
AT = "2026-11-23T03:00:00+01:00"


def main(most: int = 20_000) -> None:
    shipped = World.load(content_folder())
    sizes = (len(shipped.directory.services), 2_000, most)
    print("| services | first answer ms | p50 ms | p95 ms | offered | floor ms | p50 against the floor |")
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        services = list(islice(copies(shipped), size))
        world = replace(shipped, directory=shipped.directory.with_all(services))
        first = timed(world.prepare)
        # As `varde refer` does it: what was read is there to stay.
        gc.collect()
        gc.freeze()
        lines = list(questions(world))
        offered = [answered(world, line) for line in lines]
        taken = sorted(timed(partial(answered, world, line)) for line in lines)
        floor = sorted(timed(partial(written, world)) for _ in range(20))[10]
        gc.unfreeze()
        p50, p95 = taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
        print(
            f"| {size:,} | {first:.0f} | {p50:.1f} | {p95:.1f} | {sum(offered) // len(offered)} "
            f"| {floor:.1f} | {p50 / floor:.1f} × |",
            flush=True,
        )


def answered(world: World, line: dict[str, object]) -> int:
    """One answer, written; how many were offered."""
    answer = refer_line(world, line)
    orjson.dumps(answer).decode()
    return len(answer["offered"])


def written(world: World) -> None:
    """The least: every id with one and the same reason."""
    reasons = ["other-area: does not cover Tromsø (Troms)"]
    listed = [{"id": service.id, "reasons": reasons} for service in world.directory.services]
    orjson.dumps({"offered": [], "dropped": listed}).decode()


def copies(world: World) -> Iterator[Service]:
    """The shipped services, and then the same in other places, without end."""
    some = random.Random(3)
    kommuner = {country: world.gazetteer.places(country, Level.KOMMUNE) for country in Country}
    yield from world.directory.services
    turn = 1
    while True:
        for service in world.directory.services:
            area = service.area
            if not area.national:
                area = replace(area, areas=frozenset({some.choice(kommuner[service.country]).key}), likely=frozenset())
            yield replace(service, id=f"{service.id}-{turn}", name=f"{service.name} {turn}", area=area)
        turn += 1


def questions(world: World) -> Iterator[dict[str, object]]:
    """What is asked of a line: a kommune, a need, and something of the patient."""
    some = random.Random(5)
    kommuner = world.gazetteer.places(None, Level.KOMMUNE)
    for _ in range(ASKED):
        place = some.choice(kommuner)
        yield {
            "place": place.name,
            "country": place.country.value,
            "need": [some.choice(list(world.directory.needs))],
            "sex": some.choice(["female", "male"]),
            "age": some.choice([15, 30, "adult"]),
            "at": AT,
        }


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of the processor."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
