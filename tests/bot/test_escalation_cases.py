"""Every escalation scenario as it is written, through the whole line: each event, expectation, prohibition and end."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.house import House
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Channel
from tests.bot.conftest import local_settings
from tests.bot.escalation_scenes import FORBIDDEN, Hanging, Scene, may_hold_a_shift
from tests.escalation.simulator import START

CASES = json.loads((Path(__file__).parents[1] / "escalation" / "escalation_cases.json").read_text(encoding="utf-8"))
ON = (Channel.TELEGRAM, Channel.SMS, Channel.CALL, Channel.WHATSAPP)


@pytest.fixture
async def house(prepared: tuple[Path, House], tmp_path: Path, clock: SetClock) -> AsyncIterator[House]:
    database, house = prepared
    shutil.copyfile(database, tmp_path / "varde.db")
    settings = local_settings(tmp_path)
    db = Database.connect(settings.database_url.reveal())
    yield replace(house, settings=settings, clock=clock, db=db)
    await db.dispose()


def test_all_of_them_are_here() -> None:
    assert [case["id"] for case in CASES] == [f"ESC-{number:02d}" for number in range(1, 37)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
async def test_scenario(case: dict[str, Any], house: House, clock: SetClock) -> None:
    scene = Scene(case, house, clock, START, {channel: Hanging(channel, clock=clock) for channel in ON})
    try:
        await scene.play()
        told = [(each.minute, each.who, each.channel, each.text[:60]) for each in scene.told()]
        for expected in case["expect"]:
            assert await scene.meets(expected), (expected, told)
        for forbidden in case.get("forbid", ()):
            assert not FORBIDDEN[forbidden](scene), (forbidden, told)
        await scene.ends()
        for person, rules in case["people"].items():
            assert await may_hold_a_shift(scene, person) is bool(rules)
    finally:
        await scene.clear()
