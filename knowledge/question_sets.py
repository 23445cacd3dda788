"""Question sets in storage: what shipped, and what editors have made of it since; each change in the trail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import audit
from helpline.messages import Country, Language
from helpline.storage import insert_once, rows_touched, table_of, wake
from knowledge.life import REVIEWER
from knowledge.questions import KEY, LONGEST, WORDS, Question, QuestionSet, load_sets
from knowledge.store import SHIPPED, QuestionRow, QuestionSetRow

TOPIC = "questions"  # rung when a set changes
_MOST = 2_000  # questions of one set: each is asked twice before anything is published

_sets = table_of(QuestionSetRow)
_questions = table_of(QuestionRow)


class QuestionError(Exception):
    """A question or a set is not as it must be; `key` is the phrase that says so."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


async def ship(conn: AsyncConnection, folder: Path, now: datetime) -> tuple[str, ...]:
    """Bring in the sets that came with the program, never over what an editor has changed; the ids of those brought."""
    brought = []
    known = {one.id: (one, by) for one, by in await _all(conn)}
    for one in await asyncio.to_thread(load_sets, folder):
        there, by = known.get(one.id, (None, SHIPPED))
        if by != SHIPPED or (there is not None and _same(there, one)):
            continue
        if there is None:
            values = _values(one, 1, SHIPPED, now)
            if await insert_once(conn, _sets, values, unique=["id"]) is None:
                continue  # another process brought it this very moment
        else:
            await conn.execute(
                update(_sets).where(_sets.c.id == one.id).values(_values(one, there.version + 1, SHIPPED, now))
            )
            await conn.execute(delete(_questions).where(_questions.c.set_id == one.id))
        await conn.execute(insert(_questions), [_row(one.id, question) for question in one.questions])
        brought.append(one.id)
    if brought:
        wake(conn, TOPIC)
        details: dict[str, audit.Detail] = {"sets": brought}
        await audit.append(
            conn, at=now, actor=SHIPPED, action="questions_shipped", subject="questions", details=details
        )
    return tuple(brought)


async def all_sets(conn: AsyncConnection) -> tuple[QuestionSet, ...]:
    """Every set with its questions, in the order of their ids."""
    return tuple(one for one, _ in await _all(conn))


async def get_set(conn: AsyncConnection, set_id: str) -> QuestionSet | None:
    """The set of this id."""
    return next((one for one in await all_sets(conn) if one.id == set_id), None)


async def state(conn: AsyncConnection) -> str:
    """Which state the sets are in, all together: another text after each change."""
    rows = (await conn.execute(select(_sets.c.id, _sets.c.version).order_by(_sets.c.id))).all()
    return hashlib.sha256(repr([(row.id, row.version) for row in rows]).encode()).hexdigest()[:16]


async def add_set(
    conn: AsyncConnection, set_id: str, *, title: str, country: Country, level: float, actor: str, now: datetime
) -> QuestionSet:
    """Begin a new set, without questions."""
    if not KEY.fullmatch(set_id) or len(set_id) > 60:
        raise QuestionError("desk.questions.bad_id")
    new = QuestionSet(set_id, _title(title), country, _level(level), ())
    if await insert_once(conn, _sets, _values(new, 1, actor, now), unique=["id"]) is None:
        raise QuestionError("desk.questions.set_there", id=set_id)
    await _told(conn, set_id, "question_set_added", actor, now, {})
    return new


async def set_level(
    conn: AsyncConnection, set_id: str, level: float, *, actor: str, roles: Collection[str], now: datetime
) -> None:
    """Agree on another least share of right answers. Lowering it opens the gate, so that takes a reviewer."""
    was = await _locked(conn, set_id)
    if _level(level) < was.level and REVIEWER not in {str(role) for role in roles}:
        raise QuestionError("desk.questions.lower_level")
    await conn.execute(update(_sets).where(_sets.c.id == set_id).values(level=_level(level)))
    percents: dict[str, audit.Detail] = {"from": round(was.level * 1000), "to": round(_level(level) * 1000)}
    await _changed(conn, set_id, "question_level_changed", actor, now, percents)


async def add_question(
    conn: AsyncConnection,
    set_id: str,
    *,
    text: str,
    language: Language,
    expected: Collection[str] | str,
    actor: str,
    now: datetime,
) -> Question:
    """Add a question; its id is counted."""
    await _locked(conn, set_id)
    there = await _questions_of(conn, set_id)
    if len(there) >= _MOST:
        raise QuestionError("desk.questions.full", most=_MOST)
    words, right = _text(text, there), _expected(expected)
    taken = {question.id for question in there}
    number = len(there) + 1
    while f"q{number}" in taken:
        number += 1
    question = Question(f"q{number}", words, language, right)
    await conn.execute(insert(_questions).values(_row(set_id, question)))
    await _changed(conn, set_id, "question_added", actor, now, {"question": question.id})
    return question


async def change_question(
    conn: AsyncConnection,
    set_id: str,
    key: str,
    *,
    text: str,
    language: Language,
    expected: Collection[str] | str,
    actor: str,
    now: datetime,
) -> Question:
    """Ask it otherwise, or expect another answer."""
    await _locked(conn, set_id)
    there = await _questions_of(conn, set_id)
    if key not in {question.id for question in there}:
        raise QuestionError("desk.questions.no_question")
    others = tuple(question for question in there if question.id != key)
    question = Question(key, _text(text, others), language, _expected(expected))
    values = {name: value for name, value in _row(set_id, question).items() if name not in {"set_id", "key"}}
    which = (_questions.c.set_id == set_id) & (_questions.c.key == key)
    await conn.execute(update(_questions).where(which).values(values))
    await _changed(conn, set_id, "question_changed", actor, now, {"question": key})
    return question


async def remove_question(conn: AsyncConnection, set_id: str, key: str, *, actor: str, now: datetime) -> bool:
    """Take a question out; False where it is not there."""
    await _locked(conn, set_id)
    which = (_questions.c.set_id == set_id) & (_questions.c.key == key)
    if rows_touched(await conn.execute(delete(_questions).where(which))) == 0:
        return False
    await _changed(conn, set_id, "question_removed", actor, now, {"question": key})
    return True


async def _changed(
    conn: AsyncConnection, set_id: str, action: str, actor: str, now: datetime, details: dict[str, audit.Detail]
) -> None:
    moved = {"version": _sets.c.version + 1, "changed_by": actor, "changed_at": now}
    await conn.execute(update(_sets).where(_sets.c.id == set_id).values(moved))
    await _told(conn, set_id, action, actor, now, details)


async def _told(
    conn: AsyncConnection, set_id: str, action: str, actor: str, now: datetime, details: dict[str, audit.Detail]
) -> None:
    wake(conn, TOPIC)
    await audit.append(conn, at=now, actor=actor, action=action, subject=f"questions:{set_id}", details=details)


async def _locked(conn: AsyncConnection, set_id: str) -> Any:
    row = (await conn.execute(select(_sets).where(_sets.c.id == set_id).with_for_update())).one_or_none()
    if row is None:
        raise QuestionError("desk.questions.no_set")
    return row


async def _all(conn: AsyncConnection) -> list[tuple[QuestionSet, str]]:
    rows = (await conn.execute(select(_sets).order_by(_sets.c.id))).all()
    found: dict[str, list[Question]] = {row.id: [] for row in rows}
    for row in await conn.execute(select(_questions).order_by(_questions.c.id)):
        found[row.set_id].append(_question(row))
    return [
        (
            QuestionSet(row.id, row.title, Country(row.country), row.level, tuple(found[row.id]), row.version),
            row.changed_by,
        )
        for row in rows
    ]


async def _questions_of(conn: AsyncConnection, set_id: str) -> tuple[Question, ...]:
    rows = await conn.execute(select(_questions).where(_questions.c.set_id == set_id).order_by(_questions.c.id))
    return tuple(_question(row) for row in rows)


def _question(row: Any) -> Question:
    expected = orjson.loads(row.expected)
    right = expected if isinstance(expected, str) else tuple(expected)
    return Question(row.key, row.text, Language(row.language), right)


def _row(set_id: str, question: Question) -> dict[str, Any]:
    return {
        "set_id": set_id,
        "key": question.id,
        "text": question.text,
        "language": question.language.value,
        "expected": orjson.dumps(question.expected).decode(),
    }


def _values(one: QuestionSet, version: int, by: str, now: datetime) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "country": one.country.value,
        "level": one.level,
        "version": version,
        "changed_by": by,
        "changed_at": now,
    }


def _same(there: QuestionSet, shipped: QuestionSet) -> bool:
    return (there.title, there.country, there.level, there.questions) == (
        shipped.title,
        shipped.country,
        shipped.level,
        shipped.questions,
    )


def _title(written: str) -> str:
    title = " ".join(written.split())
    if not title or len(title) > 120:
        raise QuestionError("desk.questions.bad_title")
    return title


def _level(level: float) -> float:
    if not 0 <= level <= 1:
        raise QuestionError("desk.questions.bad_level")
    return float(level)


def _text(written: str, others: tuple[Question, ...]) -> str:
    text = " ".join(written.replace("\x00", " ").split())
    if not text or len(text) > LONGEST:
        raise QuestionError("desk.questions.bad_text", most=LONGEST)
    if any(text.casefold() == " ".join(other.text.casefold().split()) for other in others):
        raise QuestionError("desk.questions.text_there")
    return text


def _expected(expected: Collection[str] | str) -> tuple[str, ...] | str:
    if isinstance(expected, str):
        if expected not in WORDS:
            raise QuestionError("desk.questions.bad_expected")
        return expected
    ids = tuple(dict.fromkeys(expected))
    if not ids or len(ids) > 10 or not all(KEY.fullmatch(name) and len(name) <= 100 for name in ids):
        raise QuestionError("desk.questions.bad_expected")
    return ids
