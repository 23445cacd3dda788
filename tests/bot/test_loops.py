"""What the clock drives runs with the line: a loop that nobody starts is work that only its own test does."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import Line, Role

WORK = frozenset(
    {"answer", "deliver", "watch", "tidy", "drafts", "reminders", "follow_ups", "gaps", "rota", "reach", "audit"}
) | {"sweep"}


@pytest.mark.parametrize("role", list(Role))
async def test_every_loop_runs_where_work_is_done_and_ends_with_it(line: Line, role: Role) -> None:
    line.role = role
    async with line.working(listening=False):
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "library" in names
        assert names & WORK == (frozenset() if role is Role.WEB else WORK)
    assert not WORK & {task.get_name() for task in asyncio.all_tasks()}
