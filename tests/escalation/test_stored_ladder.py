"""The known situations again, this time over the database: what was decided is what stands in the rows."""

from __future__ import annotations

from typing import Any

import pytest

from helpline import audit
from helpline.database import Database
from helpline.vault import Vault
from tests.escalation.stored import StoredRun, marks_of
from tests.escalation.test_ladder import CASES

# A database of its own costs PostgreSQL most of a second, so it gets the situations that move rows in the most ways.
ON_POSTGRES = {
    "ESC-03",
    "ESC-08",
    "ESC-10",
    "ESC-13",
    "ESC-17",
    "ESC-18 not accepted",
    "ESC-19",
    "ESC-28",
    "ESC-29",
} | {"the next step is asked and she stays the owner until somebody takes it"}
RUNS = [("sqlite", case) for case in CASES] + [("postgresql", case) for case in CASES if case["id"] in ON_POSTGRES]


@pytest.mark.parametrize(
    ("dialect", "case"), RUNS, indirect=["dialect"], ids=[f"{case['id']}-{name}" for name, case in RUNS]
)
async def test_situation(case: dict[str, Any], db: Database, vault: Vault) -> None:
    run = StoredRun(case, db, vault)
    await run.run()
    made = await run.pages()
    sent = sorted((minute, person, contact) for minute, person, contact, _ in made)
    optional = [tuple(page) for page in case.get("pages_may", ())]
    wanted = sorted((float(minute), person, contact) for minute, person, contact, *_ in case["pages"])
    assert [page for page in sent if page not in optional] == wanted
    for minute, person, contact, *marks in case["pages"]:
        page = next(page for *where, page in made if tuple(where) == (minute, person, contact))
        assert set(marks) <= marks_of(page)
    words = await run.words()
    for told in case.get("told", ()):
        assert words.count(tuple(told)) == 1, (told, words)
    for who, word in case.get("never", ()):
        assert not [said for said in words if said[1:3] == (who, word)]
    filed = await run.filed()
    if "final" in case:
        assert filed.escalation.state == case["final"]
    if "owner" in case:
        assert filed.escalation.owner == case["owner"].lower()
    async with db.read() as conn:
        assert await audit.verify(conn) is None
