"""The ladder: known situations, and what holds whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.escalation.simulator import Run, marks_of

CASES = json.loads((Path(__file__).parent / "ladder_cases.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_situation(case: dict[str, Any]) -> None:
    run = Run(case)
    run.run()
    sent = sorted((minute, page.person, page.contact) for minute, page in run.pages)
    optional = [tuple(page) for page in case.get("pages_may", ())]
    wanted = sorted((float(minute), person, contact) for minute, person, contact, *_ in case["pages"])
    assert [page for page in sent if page not in optional] == wanted
    for minute, person, contact, *marks in case["pages"]:
        page = next(page for at, page in run.pages if (at, page.person, page.contact) == (minute, person, contact))
        assert set(marks) <= marks_of(page)
    for told in case.get("told", ()):
        assert run.words.count(tuple(told)) == 1, (told, run.words)
    for who, word in case.get("never", ()):
        assert not [said for said in run.words if said[1:3] == (who, word)]
    assert run.escalation is not None
    if "final" in case:
        assert run.escalation.state == case["final"]
    if "owner" in case:
        assert run.escalation.owner == case["owner"]
    if "step" in case:
        assert run.escalation.step + 1 == case["step"]
