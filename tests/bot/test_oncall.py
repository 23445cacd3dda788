"""`varde oncall`: the stored roster, and for the past what really was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.asking import on_call_now
from bot.cli import main
from bot.operating import bring_in, open_house
from escalation import store
from escalation.rota import store as rota_store
from escalation.rota.duty import Recorded
from escalation.rota.roster import Span

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILE = """
rosters:
  main:
    zone: Europe/Oslo
    schedule:
      rules:
        - {target: asha, from: "08:00", to: "20:00"}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VARDE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.delenv("VARDE_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def asked(at: datetime) -> list[tuple[Any, ...]]:
    return [(each["people"], each["how"]) for each in await on_call_now(at.isoformat())]


async def test_the_past_is_told_as_it_was_and_not_as_the_roster_says_now() -> None:
    async with open_house() as house, house.db.write() as conn:
        always = {"rules": [{"target": "noor", "from": "00:00", "to": "00:00"}]}
        await store.save_roster(
            conn, name="main", zone="Europe/Oslo", definition=always,
            valid_from=NOON - timedelta(days=9), now=NOON, saved_by="maja",
        )  # fmt: skip
        for record in (
            Recorded("main", Span(NOON, NOON + HOUR), ("asha", "ulla"), seen=True),
            Recorded("main", Span(NOON + HOUR, NOON + 2 * HOUR), ("ulla",), seen=False),
        ):
            await rota_store.write_record(conn, record)
    assert await asked(NOON - HOUR) == [(["noor"], "unrecorded")]
    assert await asked(NOON) == [(["asha", "ulla"], "record")]
    assert await asked(NOON + HOUR) == [(["ulla"], "down")]
    assert await asked(NOON + 2 * HOUR) == [(["noor"], "unrecorded")]
    async with open_house() as house, house.db.write() as conn:
        later = Span(NOON + 3 * HOUR, NOON + 3 * HOUR)
        await rota_store.write_record(conn, Recorded("main", later, ("noor",), seen=True))
    assert await asked(NOON + 3 * HOUR + timedelta(seconds=40)) == [(["noor"], "record")]  # between two looks
    assert await asked(NOON + 3 * HOUR + timedelta(minutes=4)) == [(["noor"], "unrecorded")]
    assert await asked(NOON + timedelta(days=365 * 100)) == [(["noor"], "roster")]


def test_a_roster_with_holes_is_brought_in_once_it_says_who_stands_in(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "roster.yaml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["varde", "import", "roster", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert 'Name who stands in: "fallback: STAFF-ID"' in capsys.readouterr().err
    path.write_text(FILE.replace("    schedule:", "    fallback: next_step\n    schedule:"), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)


async def test_who_stands_in_is_told_as_such(place: Path) -> None:
    path = place / "roster.yaml"
    path.write_text(FILE.replace("    schedule:", "    fallback: noor\n    schedule:"), encoding="utf-8")
    await bring_in("roster", path)
    night = datetime(2099, 3, 1, 2, tzinfo=UTC)
    [found] = await on_call_now(night.isoformat())
    assert (found["people"], found["stands_in"]) == (["noor"], True)
    [found] = await on_call_now((night + timedelta(hours=9)).isoformat())
    assert (found["people"], found["stands_in"]) == (["asha"], False)
