"""A whole life, killed everywhere on the way: what `test_whole_life_on_*.py` run, each on its own database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.crash.life import Life, Point, ends_alike, points_of

# "all"; or "3/8", the third eighth of them; or "commit", the names as always and a share that goes on with each commit.
EVERY = os.environ.get("VARDE_TEST_EVERY_POINT")
TOGETHER = 4  # deaths of one life, where not every point has a life of its own
SHARE = 3  # points of which a commit's share consists
ROOT = Path(__file__).parents[2]

NewLife = Callable[..., AbstractAsyncContextManager[Life]]


async def survived(new_life: NewLife, *, processes: int = 1, of: slice = slice(None)) -> None:
    """One life in peace; then lives in which points are met with death, and which end as the peaceful one did.

    An ordinary run dies once at each name. With a commit's share besides, the same commit is always tried in the same
    way, and over time nothing is left out.
    """
    async with new_life(processes=processes) as life:
        await life.live()
        usual = await life.ending()
        await life.proved()
        assert not life.died
        assert not life.doubted
        points = points_of(life.met)
    names = list(dict.fromkeys(name for name, _ in points))
    if EVERY is not None and EVERY != "commit":
        part, _, parts = EVERY.partition("/")
        chosen = points[int(part) - 1 :: int(parts)] if parts else points
        chains: list[Sequence[Point]] = [[point] for point in chosen]
        wanted = {name for name, _ in chosen}
    else:
        names = names[of]
        lives = -(-len(names) // TOGETHER)
        # In the order in which they are met, so that none is over before its turn comes.
        chains = [[(name, 1) for name in names[first::lives]] for first in range(lives)]
        wanted = set(names)
        if EVERY == "commit":
            began = commits() * SHARE
            chains += [[points[(began + each) % len(points)]] for each in range(SHARE)]
    died: set[str] = set()
    differ: list[str] = []

    async def tried(chain: Sequence[Point]) -> None:
        async with new_life(deaths=chain, processes=processes) as life:
            try:
                await ends_alike(life, usual)
            except AssertionError as error:
                differ.append(f"{chain}: {error}")
                print(differ[-1], flush=True)
            died.update(name for name, _ in life.died)
            print(f"{chain}: died at {life.died}; so far {len(differ)} ended otherwise", flush=True)

    for chain in chains:
        await tried(chain)
    for name in sorted(wanted - died):  # passed by before it was armed: alone it is met
        await tried([(name, 1)])
    assert not differ, "\n\n".join(differ)
    # What is asked of a provider only where it was silent for long is not met in every life.
    assert len(died) >= len(wanted) * 0.9, wanted - died


def commits() -> int:
    """How many commits led here; 0 where that is not known, as in a folder without its history."""
    try:
        counted = subprocess.run(
            ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(counted.stdout)


def fresh(folder: Path, prepared: Path, name: str) -> Path:
    """A folder for one life, with what was learnt of the shelves."""
    made = folder / name
    made.mkdir()
    for learnt in ("shelves.index", "danger.index"):
        shutil.copyfile(prepared / learnt, made / learnt)
    return made
