"""Who can help, among ever more services: `varde refer` from the question to the written line.

    python -m tests.benchmarks.bench_refer [SERVICES]

The larger directories are the shipped one again and again: each copy of a local service lies in another kommune, and
what answers in the whole country does so under another name. Every answer gives its reasons for every service, so the
floor is the least that can be done for that: a list with an id and the same reason for each of them, made and written.
Machines differ: read the ratios. What is counted is time of the processor.

The largest is then asked in ways that cost more: places that are not known, several or misspelt, everything said of the
patient, every need; and all of it again where every service answers in the whole country. Last the command's own
loading of as many services, which an import left in a database.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import orjson

from helpline.clock import SystemClock
from helpline.content import content_folder
from helpline.database import Database
from helpline.messages import Country
from routing import store
from routing.matching.refer import World, refer_written
from routing.places import Level
from routing.services import Area, Service

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
    by_mix(shipped, most)
    asyncio.run(loading(shipped, most))


def by_mix(shipped: World, size: int) -> None:
    print("\n| asked | p50 ms | p95 ms | most ms | all national: p50 | p95 | most |")
    print("|---|---|---|---|---|---|---|")
    taken: dict[str, list[float]] = {}
    for everywhere in (False, True):
        services = [national(each) if everywhere else each for each in islice(copies(shipped), size)]
        world = replace(shipped, directory=shipped.directory.with_all(services))
        world.prepare()
        gc.collect()
        gc.freeze()
        for name, lines in mixes(world):
            times = sorted(timed(partial(refer_written, world, line)) for line in lines)
            taken.setdefault(name, []).extend([times[len(times) // 2], times[int(len(times) * 0.95)], times[-1]])
        gc.unfreeze()
    for name, figures in taken.items():
        print(f"| {name} | {' | '.join(f'{each:.1f}' for each in figures)} |", flush=True)


async def loading(shipped: World, size: int) -> None:
    """Reading the services of an import out of the database, as a process does that has read none of them before."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database.connect(f"sqlite:///{Path(folder) / 'varde.db'}")
        await db.migrate()
        async with db.write() as conn:
            await store.put_services(conn, islice(copies(shipped), size), now=SystemClock().now(), actor="benchmark")
        gc.disable()
        began = time.process_time()
        async with db.read() as conn:
            directory = await store.directory_of(conn, shipped.directory, shipped.gazetteer)
        loaded = time.process_time()
        replace(shipped, directory=directory).prepare()
        gc.enable()
        print(f"\n{size:,} services read in {loaded - began:.2f} s, prepared in {time.process_time() - loaded:.2f} s")
        await db.dispose()


def answered(world: World, line: dict[str, object]) -> int:
    """One answer, written; how many were offered."""
    answer = refer_written(world, line)
    return answer[answer.index(b'"offered":') : answer.index(b'"dropped":')].count(b'"name":')


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


def national(service: Service) -> Service:
    """The same, answering in the whole of its country."""
    if service.area.national:
        return service
    return replace(service, area=Area(frozenset({(Level.NATIONAL, service.country.value)})))


def mixes(world: World) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Ways of asking, each with its questions."""
    some = random.Random(9)
    needs, rows = list(world.directory.needs), list(world.catalogue.rows)
    kommuner = world.gazetteer.places(None, Level.KOMMUNE)

    def asked(**more: object) -> dict[str, object]:
        place = some.choice(kommuner)
        usual = {"place": place.name, "country": place.country.value, "need": [some.choice(needs)], "at": AT}
        return usual | more

    def misspelt() -> dict[str, object]:
        name = some.choice(kommuner).name
        at = some.randrange(1, len(name))
        return asked(place=name[:at] + "q" + name[at + 1 :], country=None)

    def everything(**more: object) -> dict[str, object]:
        said = {"need": some.sample(needs, 4), "sex": "female", "age": some.choice([5, 17, 30]), "status": "eea"}
        wishes = {"families": True, "substance_use": True, "catalogue": some.sample(rows, 3), "languages": ["ar", "so"]}
        return asked(**(said | wishes | {"exploitation": "forced_labour", "with_children": True} | more))

    yield "a place and a need", [asked() for _ in range(60)]
    yield "a place alone", [asked(need=[]) for _ in range(40)]
    yield "a place nobody knows", [asked(place="Xyzzyqwertstad") for _ in range(40)]
    yield "a place of which there are two", [asked(place="Våler", country="NO") for _ in range(40)]
    yield "a misspelt place, no country", [misspelt() for _ in range(60)]
    yield "everything said", [everything() for _ in range(60)]
    yield "every need", [everything(need=needs) for _ in range(20)]
    yield "every need and row of the catalogue", [everything(need=needs, catalogue=rows) for _ in range(20)]


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
