"""Starting, stopping, and starting where one runs already."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.crash.line import Stage, from_telegram
from tests.crash.proofs import settled
from tests.fakes import Slow

CHAT = 7700901555
A_QUESTION = "Har pasienten rett til gratis advokat?"

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


async def test_a_second_start_keeps_everything_and_builds_nothing_anew(stage: Stage) -> None:
    index = stage.folder / "shelves.index"
    made = index.stat().st_mtime_ns
    first = await stage.start()
    await stage.post(first, from_telegram(CHAT, A_QUESTION, 1))
    await settled(stage, first)
    assert await first.stop() == 0
    said = len(stage.provider.taken)
    assert said == 2  # the greeting and the answer

    second = await stage.start()
    await stage.post(second, from_telegram(CHAT, A_QUESTION, 1), from_telegram(CHAT, A_QUESTION, 2))
    await settled(stage, second)
    assert await second.stop() == 0
    # The repeat is known for one, and who was greeted yesterday is not greeted again.
    assert len(stage.provider.taken) == said + 1
    assert index.stat().st_mtime_ns == made


async def test_sigterm_ends_it_in_peace(stage: Stage) -> None:
    line = await stage.start()
    _, writer = await asyncio.open_connection("127.0.0.1", int(line.url.rpartition(":")[2]))  # a page left open
    line.signal(signal.SIGTERM)
    code = await line.end()
    writer.close()
    assert code == 0
    assert "Stopping" in line.said()
    assert "Traceback" not in line.said()
    assert '"level":"error"' not in line.said()


async def test_sigterm_lets_a_call_under_way_finish(stage: Stage) -> None:
    line = await stage.start()
    stage.provider.faults.append(Slow(0.7))
    await stage.post(line, from_telegram(CHAT, A_QUESTION, 1))
    async with asyncio.timeout(10):
        while not stage.provider.asked or stage.provider.asked[-1][0] != "sendMessage":
            await asyncio.sleep(0.02)
    assert await line.stop() == 0
    assert len(stage.provider.taken) == 1
    stage.let_leases_run_out()
    line = await stage.start()
    await settled(stage, line)
    figures = await stage.figures(line)
    assert await line.stop() == 0
    assert len(stage.provider.taken) == 2  # the greeting once, and the answer
    assert 'varde_in_doubt_total{channel="telegram"}' not in figures


@only_sqlite
async def test_a_port_in_use_is_said_plainly(stage: Stage) -> None:
    async def nobody(reader: object, writer: asyncio.StreamWriter) -> None:
        writer.close()

    other = await asyncio.start_server(nobody, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    line = stage.launch(port=port)
    assert await line.end() == 1
    other.close()
    assert f"Port {port} on 127.0.0.1 cannot be used" in line.said()
    assert f"varde serve --port {port + 1}" in line.said()
    assert "Traceback" not in line.said()


@only_sqlite
async def test_a_content_file_with_a_typo_is_named_with_its_line(stage: Stage) -> None:
    ladder = stage.folder / "ladder.yaml"
    ladder.write_text((stage.content / "ladder.yaml").read_text().replace("repeat:", "repaet:", 1))
    line = stage.launch(environment={"VARDE_LADDER": str(ladder)})
    assert await line.end() == 1
    assert "ladder.yaml:" in line.said()
    assert "repaet" in line.said()
    assert "Traceback" not in line.said()
    assert '"level"' not in line.said()


FIRST_START = [
    "helpline.database.Database.migrate before",
    "helpline.database.Database.migrate after",
    "bot.shelving.put_on_shelves before",
    "bot.shelving.put_on_shelves after",
    "bot.serving.local_advisor before",
    "bot.serving.local_advisor after",
]


@only_sqlite
async def test_a_first_start_may_be_killed_at_every_commit(stage: Stage) -> None:
    (stage.folder / "varde.db").unlink()
    steps = {"VARDE_LADDER": str(stage.folder / "ladder.yaml")}
    alone = (stage.content / "ladder.yaml").read_text().replace("[asha, noor]", '["roster:main"]')
    (stage.folder / "ladder.yaml").write_text(alone)
    for point in FIRST_START:
        line = stage.launch(point=point, from_start=True, environment=steps)
        assert await line.end() == -9, f"nobody died at {point!r}\n{line.said()}"
    line = await stage.start(environment=steps, point="nowhere")
    await stage.post(line, from_telegram(CHAT, A_QUESTION, 1))
    await settled(stage, line)
    assert await line.stop() == 0
    assert len(stage.provider.taken) == 2
    # All that a start writes is written before the work begins, which may keep storage too busy for it.
    assert not [point for point in line.points() if point.startswith("bot.serving.")]
    assert "Sign in as the local advisor" in line.said()
