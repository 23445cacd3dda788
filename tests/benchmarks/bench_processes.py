"""One, two and four processes on one PostgreSQL: how many turns, and whether anything was done twice.

python -m tests.benchmarks.bench_processes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from sqlalchemy import text

from helpline import audit
from helpline.database import Database
from tests.benchmarks.bench_webhook import Clinicians
from tests.benchmarks.load import Provider
from tests.benchmarks.stage import Bench, bench, line_at

SECONDS = 8.0


def main() -> None:
    with bench() as made:
        measure(made)


def measure(made: Bench) -> None:
    """Print a table row for each number of processes."""
    print("| processes | turns/s | against one | messages sent | sent twice | trail holds |")
    print("|---|---|---|---|---|---|")
    alone = 0.0
    for processes in (1, 2, 4):
        reached, sent, twice, holds = asyncio.run(_row(made, processes))
        alone = alone or reached
        print(f"| {processes} | {reached:.0f} | {reached / alone:.2f} | {sent} | {twice} | {holds} |", flush=True)


async def _row(made: Bench, processes: int) -> tuple[float, int, int, str]:
    folder, url = await made.database("postgresql", f"processes_{processes}")
    async with Provider() as provider, contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(line_at(made, folder, url, provider.url)) for _ in range(processes)]
        clinicians = Clinicians(provider, *ports)
        await clinicians.connect()
        await clinicians.greet()
        load = await clinicians.write_and_wait(SECONDS)
        await asyncio.sleep(2)
        clinicians.close()
        sent = provider.count
    db = Database.connect(url)
    async with db.read() as conn:
        rows = Counter((await conn.execute(text("SELECT state FROM outbound"))).scalars())
        broken = await audit.verify(conn)
    await db.dispose()
    return load.replies_per_second, sent, sent - sum(rows.values()), "yes" if broken is None else "no"


if __name__ == "__main__":
    main()
