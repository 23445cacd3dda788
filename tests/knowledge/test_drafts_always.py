"""However two people's saves cross, no field that somebody saved is lost."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.database import Database
from knowledge import drafts
from knowledge.articles import body_of
from knowledge.drafts import Collision, Saved
from tests.knowledge.builders import an_article
from tests.knowledge.drafting import KARI, NOOR, NOW, shelve

FIELDS = ("title", "short", "details")

# A step: who saves, which fields to which words, and whether they have looked since they last saved.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([KARI, NOOR]),
        st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["en", "to", "tre", "fire"]), min_size=1),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def empty(sqlite_template: Path) -> Path:
    return sqlite_template


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_save_is_ever_lost(empty: Path, steps: list[tuple[str, dict[str, str], bool]]) -> None:
    asyncio.run(_saves_cross(empty, steps))


async def save(db: Database, draft_id: int, seen: int, fields: dict[str, str], who: str) -> Saved | Collision:
    try:
        return await drafts.keep(db, draft_id, seen=seen, fields=fields, actor=who, now=NOW)
    except Collision as error:
        return error


async def _saves_cross(template: Path, steps: list[tuple[str, dict[str, str], bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(template, Path(folder) / "varde.db")
        db = Database.connect(f"sqlite:///{folder}/varde.db")
        try:
            await shelve(db)
            async with db.write() as conn:
                draft = await drafts.open_draft(conn, "tolk-rett", actor=KARI, now=NOW)
            seen = {KARI: 1, NOOR: 1}
            known: dict[str, dict[str, Any]] = {KARI: dict(draft.body), NOOR: dict(draft.body)}
            body: dict[str, Any] = dict(draft.body)
            version = 1
            for who, fields, looks in steps:
                if looks:
                    seen[who], known[who] = version, dict(body)
                taken = await save(db, draft.id, seen[who], fields, who)
                if isinstance(taken, Collision):
                    # Refused only where words that this writer has not seen would have been overwritten.
                    assert taken.theirs
                    assert taken.theirs == {key: body.get(key) for key in taken.theirs}
                    assert taken.yours == fields
                    continue
                overwritten = {key for key, value in fields.items() if body.get(key) != value}
                assert all(known[who].get(key) == body.get(key) for key in overwritten)
                body, version = dict(taken.draft.body), taken.draft.version
                assert {key: body[key] for key in fields} == fields
                seen[who], known[who] = version, dict(body)
            async with db.read() as conn:
                history = await drafts.saves(conn, draft.id)
                now = await drafts.get_draft(conn, draft.id)
            assert now is not None
            assert now.body == body
            kept = [save.fields for save in history]
            begun = body_of(an_article())
            for _, fields, _ in steps:
                for key, value in fields.items():
                    # In the body, in the history (taken or set aside), or what stood there already.
                    assert body.get(key) == value or begun[key] == value or any(one.get(key) == value for one in kept)
        finally:
            await db.dispose()
