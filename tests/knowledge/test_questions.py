"""Question sets: read strictly from files, kept and changed in storage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpline import audit
from helpline.content import ContentError, content_folder, read_yaml
from helpline.database import Database
from helpline.messages import Country, Language
from helpline.phrases import Phrases
from knowledge import question_sets
from knowledge.articles import load_articles
from knowledge.question_sets import QuestionError
from knowledge.questions import WORDS, load_sets, read_set, unknown_articles
from knowledge.questions import named as names_articles

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KARI = "staff:kari"

FILE = """
id: norge
title: Norge
country: 'NO'
level: 0.75
questions:
  - {id: q1, language: nb, expected: [tolk-rett], text: hun snakker ikke norsk}
  - {id: q2, language: nn, expected: danger, text: han slår ho no}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "norge.yaml").write_text(FILE, encoding="utf-8")
    return tmp_path


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_set_is_read(folder: Path) -> None:
    (one,) = load_sets(folder)
    assert (one.id, one.country, one.level) == ("norge", Country.NO, 0.75)
    assert [(q.id, q.language, q.expected) for q in one.questions] == [
        ("q1", Language.NB, ("tolk-rett",)),
        ("q2", Language.NN, "danger"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("level: 0.75", "level: 75", "at most 1"),
        ("level: 0.75\n", "", "missing"),
        ("id: norge", "id: sverige", "named"),
        ("id: q2", "id: q1", "twice"),
        ("han slår ho no", "Hun snakker  ikke norsk", "the same"),
        ("language: nn", "language: da", "cannot be"),
        ("expected: [tolk-rett]", "expected: []", "at least 1"),
        ("text: hun snakker ikke norsk", "txt: hun", "unknown"),
        ("id: q2", "id: Q 2", "small letters"),
    ],
)
def test_a_wrong_file_is_named_by_line(before: str, after: str, complaint: str) -> None:
    assert before in FILE
    with pytest.raises(ContentError, match=complaint) as caught:
        read_set(read_yaml(FILE.replace(before, after), file="norge.yaml"), "norge")
    assert caught.value.line is not None


def test_the_shipped_sets_name_articles_that_are_there() -> None:
    sets = load_sets(content_folder() / "questions")
    articles = load_articles(content_folder() / "articles")
    assert {one.country for one in sets} == {Country.NO, Country.SE}
    assert unknown_articles(sets, [article.id for article in articles]) == {}


def test_the_shipped_sets_ask_enough_and_of_every_sort() -> None:
    for one in load_sets(content_folder() / "questions"):
        assert len(one.questions) >= 75
        assert {q.expected for q in one.questions if not names_articles(q)} == set(WORDS)
        assert len({q.language for q in one.questions}) >= 3


def test_the_shipped_questions_are_nobodys_wordings() -> None:
    articles = load_articles(content_folder() / "articles")
    wordings = (wording.text for article in articles for wording in article.questions)
    taken = {" ".join(wording.casefold().split()) for wording in wordings}
    for one in load_sets(content_folder() / "questions"):
        same = [q.id for q in one.questions if " ".join(q.text.casefold().split()) in taken]
        assert same == []


# --- storage ----------------------------------------------------------------------------------------------------------


async def test_shipped_sets_come_once_and_again_when_they_change(db: Database, folder: Path) -> None:
    async with db.write() as conn:
        assert await question_sets.ship(conn, folder, NOW) == ("norge",)
        before = await question_sets.state(conn)
        assert await question_sets.ship(conn, folder, NOW) == ()
        assert await question_sets.state(conn) == before
        assert await question_sets.all_sets(conn) == load_sets(folder)
    (folder / "norge.yaml").write_text(FILE.replace("0.75", "0.8"), encoding="utf-8")
    async with db.write() as conn:
        assert await question_sets.ship(conn, folder, NOW) == ("norge",)
        assert await question_sets.state(conn) != before
        (one,) = await question_sets.all_sets(conn)
    assert (one.level, len(one.questions)) == (0.8, 2)


async def test_no_set_comes_over_what_an_editor_has_changed(db: Database, folder: Path) -> None:
    async with db.write() as conn:
        await question_sets.ship(conn, folder, NOW)
        await question_sets.set_level(conn, "norge", 0.6, actor=KARI, roles=["reviewer"], now=NOW)
    (folder / "norge.yaml").write_text(FILE.replace("0.75", "0.8"), encoding="utf-8")
    async with db.write() as conn:
        assert await question_sets.ship(conn, folder, NOW) == ()
        one = await question_sets.get_set(conn, "norge")
    assert one is not None
    assert one.level == 0.6


async def test_an_editor_adds_changes_and_removes_questions(db: Database, folder: Path) -> None:
    async with db.write() as conn:
        await question_sets.ship(conn, folder, NOW)
        states = [await question_sets.state(conn)]
        added = await question_sets.add_question(
            conn, "norge", text=" får  hun\nbli? ", language=Language.NB, expected=["tolk-rett"], actor=KARI, now=NOW
        )
        assert (added.id, added.text) == ("q3", "får hun bli?")
        states.append(await question_sets.state(conn))
        await question_sets.change_question(
            conn, "norge", "q3", text="får hun bli?", language=Language.NN, expected="handover", actor=KARI, now=NOW
        )
        states.append(await question_sets.state(conn))
        assert await question_sets.remove_question(conn, "norge", "q1", actor=KARI, now=NOW)
        assert not await question_sets.remove_question(conn, "norge", "q1", actor=KARI, now=NOW)
        states.append(await question_sets.state(conn))
        one = await question_sets.get_set(conn, "norge")
    assert one is not None
    assert [(q.id, q.language, q.expected) for q in one.questions] == [
        ("q2", Language.NN, "danger"),
        ("q3", Language.NN, "handover"),
    ]
    assert len(set(states)) == 4  # each change is another state, so a gate run of before no longer counts
    async with db.read() as conn:
        entries = await audit.entries(conn, subject="questions:norge")
    assert [entry.action for entry in reversed(entries)] == ["question_added", "question_changed", "question_removed"]
    assert "bli" not in str([entry.details for entry in entries])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"text": "  "}, "bad_text"),
        ({"text": "x" * 1001}, "bad_text"),
        ({"text": "HUN snakker ikke norsk"}, "text_there"),
        ({"expected": []}, "bad_expected"),
        ({"expected": "perhaps"}, "bad_expected"),
        ({"expected": ["Tolk Rett"]}, "bad_expected"),
        ({"expected": [f"a{n}" for n in range(11)]}, "bad_expected"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_in_words(
    db: Database, folder: Path, changes: dict[str, object], key: str
) -> None:
    given = {"text": "noe nytt", "language": Language.NB, "expected": ["tolk-rett"], **changes}
    async with db.write() as conn:
        await question_sets.ship(conn, folder, NOW)
        with pytest.raises(QuestionError) as caught:
            await question_sets.add_question(conn, "norge", actor=KARI, now=NOW, **given)  # type: ignore[arg-type]
    assert caught.value.key == f"desk.questions.{key}"
    assert Phrases.load(content_folder() / "phrases").say(caught.value.key, Language.NB, **caught.value.values)


async def test_a_new_set_begins_empty(db: Database) -> None:
    async with db.write() as conn:
        await question_sets.add_set(
            conn, "legevakt", title="Legevakt", country=Country.NO, level=0.9, actor=KARI, now=NOW
        )
        for name, title, level in (("legevakt", "T", 0.5), ("Ny", "T", 0.5), ("ny", " ", 0.5), ("ny", "T", 1.1)):
            with pytest.raises(QuestionError):
                await question_sets.add_set(
                    conn, name, title=title, country=Country.NO, level=level, actor=KARI, now=NOW
                )
        with pytest.raises(QuestionError):
            await question_sets.set_level(conn, "finnes-ikke", 0.5, actor=KARI, roles=["reviewer"], now=NOW)
        assert [one.id for one in await question_sets.all_sets(conn)] == ["legevakt"]
