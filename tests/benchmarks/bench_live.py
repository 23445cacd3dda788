"""A clinician's word on the web page, until it stands on the advisor's desk: from her POST to the desk's live stream.

python -m tests.benchmarks.bench_live
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from typing import Self

import aiohttp
from sqlalchemy import select

from escalation import store as escalations
from helpline import staff_sessions
from helpline.clock import SystemClock
from helpline.database import Database
from tests.benchmarks.load import Provider, Sample
from tests.benchmarks.stage import Bench, bench, line_at

CLINICIANS, WORDS = 8, 12  # of one page no more is taken in so short a time
APART = 0.08  # seconds between one word and the next
ADVISOR = "asha"
_LINE = {"Accept-Language": "nb"}


def main() -> None:
    with bench() as made:
        measure(made)


def measure(made: Bench) -> None:
    """Print a table row for each database, and for two processes of which one has the clinician and one the advisor."""
    print("| database | processes | her word on the desk, p50/p99 ms |")
    print("|---|---|---|")
    for dialect, processes in (("sqlite", 1), ("postgresql", 1), ("postgresql", 2)):
        took = asyncio.run(_row(made, dialect, processes))
        print(f"| {dialect} | {processes} | {took.at(50):.0f} / {took.at(99):.0f} |", flush=True)


async def _row(made: Bench, dialect: str, processes: int) -> Sample:
    folder, url = await made.database(dialect, f"live_{dialect[:2]}_{processes}")
    async with Provider() as provider, contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(line_at(made, folder, url, provider.url)) for _ in range(processes)]
        theirs, desk = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[-1]}"
        http = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=_LINE)
        )
        db = Database.connect(url)
        async with db.write() as conn:
            token = await staff_sessions.start(conn, ADVISOR, now=SystemClock().now())
        advisor = {"Cookie": f"__Host-desk={token}", "Accept": "text/html"}
        clinicians = [await Clinician.at(http, theirs) for _ in range(CLINICIANS)]
        pages: list[Desk] = []
        for clinician in clinicians:
            await clinician.say("rådgiver")
            pages.append(await Desk.take(http, desk, advisor, db, [page.case for page in pages]))
        await asyncio.gather(*(page.listening.wait() for page in pages))
        took: list[float] = []
        for number in range(WORDS):
            for clinician, page in zip(clinicians, pages, strict=True):
                words = f"melding nummer {number}"
                arrived = page.expect(words)
                began = time.perf_counter()
                await clinician.say(words)
                async with asyncio.timeout(30):
                    pause = await arrived - began
                if number:  # the first ones find everything cold
                    took.append(pause)
                await asyncio.sleep(max(0.0, APART - pause))
        for page in pages:
            page.reading.cancel()
        await asyncio.gather(*(page.reading for page in pages), return_exceptions=True)
        await db.dispose()
    return Sample(took)


@dataclass
class Clinician:
    """A browser with the web page open."""

    http: aiohttp.ClientSession
    line: str
    cookies: dict[str, str]
    form: str

    @classmethod
    async def at(cls, http: aiohttp.ClientSession, line: str) -> Self:
        async with http.get(f"{line}/", headers={"Accept": "text/html"}) as answer:
            page = await answer.text()
            cookies = {name: morsel.value for name, morsel in answer.cookies.items() if morsel.value}
        return cls(http, line, cookies, _found(r'name="id" value="([^"]+)"', page))

    async def say(self, words: str) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookies, "Accept": "application/json"}
        form = {"id": f"{self.form}", "text": words, "do": "send"}
        async with self.http.post(f"{self.line}/say", data=form, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items() if morsel.value}


@dataclass
class Desk:
    """The advisor's page of one case, with its live stream."""

    case: str
    reading: asyncio.Task[None]
    listening: asyncio.Event
    awaited: dict[str, asyncio.Future[float]]

    @classmethod
    async def take(
        cls, http: aiohttp.ClientSession, line: str, advisor: dict[str, str], db: Database, known: list[str]
    ) -> Self:
        async with asyncio.timeout(30):
            while not (fresh := [case for case in await _open_cases(db) if case not in known]):
                await asyncio.sleep(0.02)
        [case] = fresh
        async with http.get(f"{line}/desk/{case}", headers=advisor) as answer:
            page = await answer.text()
        form = {"csrf": _found(r'name="csrf" value="([^"]+)"', page)}
        async with http.post(f"{line}/desk/{case}/take", data=form, headers=advisor, allow_redirects=False) as answer:
            assert answer.status == 303, answer.status
        awaited: dict[str, asyncio.Future[float]] = {}
        listening = asyncio.Event()

        async def read() -> None:
            timeout = aiohttp.ClientTimeout(total=None)
            async with http.get(f"{line}/desk/{case}/live", headers=advisor, timeout=timeout) as stream:
                assert stream.status == 200, stream.status
                async for raw in stream.content:
                    listening.set()
                    for words, arrived in awaited.items():
                        if words in raw.decode() and not arrived.done():
                            arrived.set_result(time.perf_counter())

        return cls(case, asyncio.create_task(read()), listening, awaited)

    def expect(self, words: str) -> asyncio.Future[float]:
        """When these words come."""
        self.awaited.clear()
        self.awaited[words] = asyncio.get_running_loop().create_future()
        return self.awaited[words]


async def _open_cases(db: Database) -> list[str]:
    async with db.read() as conn:
        return list((await conn.execute(select(escalations.escalations.c.id))).scalars())


def _found(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    assert found is not None, f"{pattern} is not on the page"
    return found[1]


if __name__ == "__main__":
    main()
