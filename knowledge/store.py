"""Articles in the database: every revision that ever was, and which one stands on the shelves.

A revision never changes: what a clinician was told must be found again years later. A new wording is a new revision.
Import is all or nothing, and importing the same twice changes nothing. `version` grows whenever the shelves change, so
that every process knows to load them anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson
from sqlalchemy import (
    Boolean,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    and_,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, SQLModel

from helpline import audit
from helpline.content import ContentError
from helpline.messages import Country
from helpline.storage import BigId, UtcDateTime, insert_once, rows_touched, table_of, wake
from knowledge.articles import (
    Article,
    Kind,
    article_of_body,
    body_of,
    export_folder,
    export_lines,
    fingerprint,
    load_articles,
    read_article,
    to_yaml,
)

SHIPPED = "content"  # the author of what came with the program and no human has changed since
TOPIC = "library"  # rung when the shelves change


class RevisionState(StrEnum):
    """What a revision is."""

    DRAFT = "draft"  # being written; no clinician has seen it
    PUBLISHED = "published"  # stands or has stood on the shelves; the article says which one stands there now


class ArticleRow(SQLModel, table=True):
    """An article, and which of its revisions is on the shelves. Kept for ever; it says nothing of any person."""

    __tablename__ = "article"

    id: str = Field(primary_key=True, sa_type=String)
    country: str = Field(sa_type=String)
    published: int | None = Field(default=None, sa_type=Integer)  # number of the revision; none when taken off
    latest: int = Field(sa_type=Integer)  # number of the newest revision, published or not
    changed_at: datetime = Field(sa_type=UtcDateTime)
    gone_since: datetime | None = Field(default=None, sa_type=UtcDateTime)  # shipped no longer: offered for retiring


class ArticleRevisionRow(SQLModel, table=True):
    """One wording of an article, never changed. Kept for ever: answers given are traced back to it."""

    __tablename__ = "article_revision"
    __table_args__ = (UniqueConstraint("article_id", "number"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    article_id: str = Field(sa_type=String, foreign_key="article.id")
    number: int = Field(sa_type=Integer)
    state: str = Field(sa_type=String)
    body: str = Field(sa_type=Text)  # JSON, which is read in a tenth of the time; rows of old hold the YAML
    fingerprint: str = Field(sa_type=String)
    author: str = Field(sa_type=String)
    created_at: datetime = Field(sa_type=UtcDateTime)
    approver: str | None = Field(default=None, sa_type=String)
    draft_id: int | None = Field(default=None, sa_type=BigId)  # what it was written as; none for what was imported


class ShelfVersionRow(SQLModel, table=True):
    """A single row that grows with each change of the shelves. Kept for ever."""

    __tablename__ = "shelf_version"

    id: int = Field(primary_key=True, sa_type=Integer)
    version: int = Field(sa_type=Integer)


class LawChangeRow(SQLModel, table=True):
    """That a law changed, and from when: every article resting on it is flagged until cleared. Kept for ever."""

    __tablename__ = "law_change"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    law: str = Field(sa_type=String, index=True)  # "NO utlendingsforskriften § 8-3"
    what: str = Field(sa_type=Text)
    in_force_on: date = Field(sa_type=Date)
    link: str = Field(default="", sa_type=String)
    by: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    withdrawn_by: str | None = Field(default=None, sa_type=String)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    withdrawn_why: str = Field(default="", sa_type=String)


class LawClearingRow(SQLModel, table=True):
    """That an article was held against a change of law: by a revision that says so, or found not affected.

    It clears once a second person has agreed, or the draft that it names is published. Kept for ever.
    """

    __tablename__ = "law_clearing"
    __table_args__ = (UniqueConstraint("change_id", "article_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    change_id: int = Field(sa_type=BigId, foreign_key="law_change.id")
    article_id: str = Field(sa_type=String, foreign_key="article.id")
    draft_id: int | None = Field(default=None, sa_type=BigId)  # whose publication clears; none for "not affected"
    reason: str = Field(default="", sa_type=Text)
    by: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    agreed_by: str | None = Field(default=None, sa_type=String)
    agreed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int | None = Field(default=None, sa_type=Integer)  # that was held against the change


class ReviewReminderRow(SQLModel, table=True):
    """That an owner was told that this revision falls due on this day: once. Kept for ever, it names nobody."""

    __tablename__ = "review_reminder"
    __table_args__ = (UniqueConstraint("article_id", "revision", "review_by"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    article_id: str = Field(sa_type=String, foreign_key="article.id")
    revision: int = Field(sa_type=Integer)
    review_by: date = Field(sa_type=Date)
    at: datetime = Field(sa_type=UtcDateTime)


class DraftRow(SQLModel, table=True):
    """What is being written, or was. Kept for ever, as its revision is: it says who wrote and who approved."""

    __tablename__ = "draft"
    __table_args__ = (Index("ix_draft_article_id", "article_id"), Index("ix_draft_due_at", "due_at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    article_id: str = Field(sa_type=String)
    open_for: str | None = Field(default=None, unique=True, sa_type=String)  # the article's id while the draft is open
    base: int | None = Field(default=None, sa_type=Integer)  # the revision it was made from
    restored: int | None = Field(default=None, sa_type=Integer)  # an older revision whose words it began with
    country: str = Field(sa_type=String)
    stage: str = Field(sa_type=String)
    version: int = Field(sa_type=Integer)  # grows with each save
    body: str = Field(sa_type=Text)  # JSON, with the keys of an article's file; may be incomplete
    small: bool = Field(default=False, sa_type=Boolean)
    authors: str = Field(sa_type=Text)  # JSON: everybody who wrote in it
    note: str = Field(default="", sa_type=Text)  # why it was sent back, or why it was not published
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_by: str = Field(sa_type=String)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    submitted_by: str | None = Field(default=None, sa_type=String)
    submitted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approved_by: str | None = Field(default=None, sa_type=String)
    approved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    publish_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)  # when a set time for publishing is looked at
    revision: int | None = Field(default=None, sa_type=Integer)  # what it was published as


class DraftSaveRow(SQLModel, table=True):
    """One save of a draft, also one that was set aside. Kept until 90 days after the draft was closed."""

    __tablename__ = "draft_save"
    __table_args__ = (Index("ix_draft_save_draft_id", "draft_id", "version"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    draft_id: int = Field(sa_type=BigId, sa_column_args=(ForeignKey("draft.id"),))
    version: int = Field(sa_type=Integer)  # what the draft became; of one set aside, what it had become meanwhile
    at: datetime = Field(sa_type=UtcDateTime)
    by: str = Field(sa_type=String)
    fields: str = Field(sa_type=Text)  # JSON: the keys that were changed and what they were changed to
    kept_aside: bool = Field(sa_type=Boolean)


class DraftCommentRow(SQLModel, table=True):
    """What a colleague remarked on a draft. Kept until 90 days after the draft was closed."""

    __tablename__ = "draft_comment"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    draft_id: int = Field(sa_type=BigId, index=True, sa_column_args=(ForeignKey("draft.id"),))
    field: str = Field(sa_type=String)  # a key of the article; empty where the whole is meant
    text: str = Field(sa_type=Text)
    by: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    resolved_by: str | None = Field(default=None, sa_type=String)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ArticleReasonRow(SQLModel, table=True):
    """Why something was done to an article, in the words of whoever did it; the trail holds no words. Kept for ever."""

    __tablename__ = "article_reason"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    article_id: str = Field(sa_type=String, index=True)
    text: str = Field(sa_type=Text)
    by: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)


class SmallChangeRow(SQLModel, table=True):
    """A revision that one person published alone, to be looked at later. Kept for ever, as the revision is."""

    __tablename__ = "small_change"
    __table_args__ = (UniqueConstraint("article_id", "number"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    article_id: str = Field(sa_type=String, foreign_key="article.id")
    number: int = Field(sa_type=Integer)
    by: str = Field(sa_type=String)
    at: datetime = Field(sa_type=UtcDateTime)
    reviewed_by: str | None = Field(default=None, sa_type=String)
    reviewed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class GateRunRow(SQLModel, table=True):
    """The question sets, asked of the shelves with one version of a draft in place. Kept for ever: it let a revision
    through, or did not."""

    __tablename__ = "gate_run"
    __table_args__ = (UniqueConstraint("draft_id", "version", "shelves", "sets"), Index("ix_gate_run_due_at", "due_at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    draft_id: int = Field(sa_type=BigId, sa_column_args=(ForeignKey("draft.id"),))
    version: int = Field(sa_type=Integer)  # of the draft
    shelves: int = Field(sa_type=Integer)  # version of the shelves that it was compared with
    sets: str = Field(sa_type=String)  # which state of the question sets was asked
    state: str = Field(sa_type=String)
    asked: int = Field(default=0, sa_type=Integer)  # questions so far
    of: int = Field(default=0, sa_type=Integer)
    passes: bool | None = Field(default=None, sa_type=Boolean)
    report: str = Field(default="", sa_type=Text)  # JSON
    wanted_by: str = Field(sa_type=String)
    wanted_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = Field(default=0, sa_type=Integer)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_token: str | None = Field(default=None, sa_type=String)


class GateOverrideRow(SQLModel, table=True):
    """A blocked draft that two people let through, and why. Kept for ever."""

    __tablename__ = "gate_override"
    __table_args__ = (UniqueConstraint("draft_id", "version"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    draft_id: int = Field(sa_type=BigId, sa_column_args=(ForeignKey("draft.id"),))
    version: int = Field(sa_type=Integer)
    reason: str = Field(sa_type=Text)
    asked_by: str = Field(sa_type=String)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    confirmed_by: str | None = Field(default=None, sa_type=String)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class QuestionSetRow(SQLModel, table=True):
    """Questions with known answers, asked before anything is published. Kept until an editor removes it."""

    __tablename__ = "question_set"

    id: str = Field(primary_key=True, sa_type=String)
    title: str = Field(sa_type=String)
    country: str = Field(sa_type=String)
    level: float = Field(sa_type=Float)
    version: int = Field(sa_type=Integer)
    changed_by: str = Field(sa_type=String)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class QuestionRow(SQLModel, table=True):
    """One question of a set, masked as everything that clinicians write. Kept until an editor removes it."""

    __tablename__ = "question"
    __table_args__ = (UniqueConstraint("set_id", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    set_id: str = Field(sa_type=String, sa_column_args=(ForeignKey("question_set.id"),))
    key: str = Field(sa_type=String)
    text: str = Field(sa_type=Text)
    language: str = Field(sa_type=String)
    expected: str = Field(sa_type=Text)  # JSON: the ids of articles, or one of the words


_articles = table_of(ArticleRow)
_revisions = table_of(ArticleRevisionRow)
_versions = table_of(ShelfVersionRow)
_small = table_of(SmallChangeRow)
_keys = (_revisions.c.article_id, _revisions.c.number, _revisions.c.fingerprint)
_Key: TypeAlias = tuple[str, int, str]  # a revision: id, number, and the hash of what it says
_REMEMBERED = 1_000  # revisions kept besides, where fewer stand on the shelves
_read: dict[_Key, Article] = {}  # the oldest first
_AT_ONCE = 500  # articles that go into storage with one statement


class ChangedMeanwhile(Exception):
    """Somebody else changed this article since it was read."""


@dataclass(frozen=True)
class Imported:
    """What an import did: ids of articles."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # changed by a human since, and therefore not overwritten
    gone: tuple[str, ...] = ()  # on the shelves, and shipped no longer: an editor is asked to retire them


@dataclass(frozen=True)
class Revision:
    """One wording an article has had."""

    article: Article
    state: RevisionState
    author: str
    created_at: datetime
    approver: str | None = None
    draft_id: int | None = None  # what it was written as
    small: bool = False  # published by one person alone, as a small change


@dataclass(frozen=True)
class Standing:
    """How an article stands, whatever it says."""

    id: str
    country: Country
    published: int | None  # none where it is off the shelves
    latest: int
    changed_at: datetime
    gone_since: datetime | None  # shipped no longer; an editor is asked to retire it


# Told how many of how many articles have been put into storage.
Progress = Callable[[int, int], None]


def own_articles(path: Path) -> tuple[Article, ...]:
    """The articles of a folder or file that may be published."""
    articles = load_articles(path)
    if any(article.kind is Kind.FOREIGN for article in articles):
        # What stands on the shelves needs sources and a review date; a foreign file is asked, not published.
        raise ContentError("Only articles in the project's own form can be published.", file=str(path))
    return articles


async def plan_import(conn: AsyncConnection, articles: Iterable[Article]) -> tuple[Imported, Mapping[str, Article]]:
    """What importing these would do, and the newest revision of each article that would change. Changes nothing."""
    plan = await asyncio.to_thread(_plan, tuple(articles), await _newest(conn), keep_edited=False)
    before = {article.id: await revision(conn, article.id, number) for article, number in plan.changed}
    return plan.told(), {name: article for name, article in before.items() if article is not None}


async def import_shipped(conn: AsyncConnection, folder: Path, now: datetime) -> Imported:
    """Bring in what came with the program; never over what a human has changed or taken off the shelves."""
    articles = await asyncio.to_thread(load_articles, folder)
    return await put_articles(conn, articles, actor=SHIPPED, now=now, keep_edited=True)


async def put_articles(
    conn: AsyncConnection,
    articles: Iterable[Article],
    *,
    actor: str,
    now: datetime,
    keep_edited: bool = False,
    progress: Progress = lambda done, of: None,
) -> Imported:
    """Publish articles, each as a new revision where it differs from the newest one, with one entry in the trail."""
    known = await _newest(conn)
    plan = await asyncio.to_thread(_plan, tuple(articles), known, keep_edited=keep_edited)
    done, of = 0, len(plan.added) + len(plan.changed)
    added: list[str] = []
    for start in range(0, len(plan.added), _AT_ONCE):
        batch = plan.added[start : start + _AT_ONCE]
        added += await _add(conn, batch, actor=actor, now=now)
        done += len(batch)
        progress(done, of)
    for article, latest in plan.changed:
        await _revise(conn, article, latest, actor=actor, now=now)
        done += 1
        progress(done, of)
    told = replace(plan.told(), added=tuple(added))
    if keep_edited:
        await _offer_for_retiring(conn, plan.gone, now)
    if told.added or told.changed:
        await _shelves_changed(conn)
        counts: dict[str, audit.Detail] = {
            "added": len(told.added),
            "changed": len(told.changed),
            "ids": told.changed[:50],
        }
        await audit.append(conn, at=now, actor=actor, action="articles_imported", subject="shelves", details=counts)
    return told


@dataclass(frozen=True)
class _Plan:
    """What an import has to do."""

    added: list[Article]
    changed: list[tuple[Article, int]]  # with the number of the newest revision
    same: list[str]
    left: list[str]
    gone: list[str]

    def told(self) -> Imported:
        return Imported(
            tuple(article.id for article in self.added),
            tuple(article.id for article, _ in self.changed),
            tuple(self.same),
            tuple(self.left),
            tuple(self.gone),
        )


def _plan(articles: Sequence[Article], known: Mapping[str, Any], *, keep_edited: bool) -> _Plan:
    wanted = {article.id: article for article in articles}
    plan = _Plan([], [], [], [], [])
    for article in wanted.values():
        row = known.get(article.id)
        if row is None:
            plan.added.append(article)
        elif keep_edited and (row.author != SHIPPED or row.published is None):
            plan.left.append(article.id)
        elif row.fingerprint == fingerprint(article) and row.published == row.latest:
            plan.same.append(article.id)
        else:
            plan.changed.append((article, row.latest))
    if keep_edited:
        plan.gone.extend(
            name
            for name, row in known.items()
            if name not in wanted and row.author == SHIPPED and row.published is not None
        )
    return plan


async def save_article(conn: AsyncConnection, article: Article, *, actor: str, now: datetime) -> Article:
    """Publish what a human changed; `ChangedMeanwhile` unless `article.revision` is the newest there is."""
    # Read through the strict reader, so that nothing stands on the shelves which a restart would refuse.
    checked = read_article(to_yaml(article), file=f"article {article.id}")
    await _revise(conn, checked, article.revision, actor=actor, now=now)
    await _shelves_changed(conn)
    number = article.revision + 1
    await audit.append(
        conn,
        at=now,
        actor=actor,
        action="article_published",
        subject=f"article:{article.id}",
        details={"revision": number},
    )
    return replace(checked, revision=number)


async def take_off(conn: AsyncConnection, article_id: str, *, actor: str, now: datetime, told: bool = True) -> bool:
    """Take an article off the shelves, its history kept; False where it was not on them.

    Whoever writes an entry of their own into the trail says `told=False`.
    """
    standing = _articles.c.id == article_id, _articles.c.published.is_not(None)
    taken = await conn.execute(
        update(_articles).where(*standing).values(published=None, changed_at=now, gone_since=None)
    )
    if rows_touched(taken) != 1:
        return False
    await _shelves_changed(conn)
    if told:
        await audit.append(conn, at=now, actor=actor, action="article_taken_off", subject=f"article:{article_id}")
    return True


async def put_on(
    conn: AsyncConnection,
    article: Article,
    *,
    latest: int,
    author: str,
    approver: str | None,
    draft_id: int,
    now: datetime,
) -> int:
    """Publish a draft as a new revision, and ring the shelves; its number. The trail is the caller's to write.

    `latest` is the newest revision that the writer knew, none (0) for a new article; `ChangedMeanwhile` where there is
    a newer one.
    """
    if latest:
        await _revise(conn, article, latest, actor=author, now=now, approver=approver, draft_id=draft_id)
    elif not await _add(conn, [article], actor=author, now=now, approver=approver, draft_id=draft_id):
        raise ChangedMeanwhile(article.id)
    await _shelves_changed(conn)
    return latest + 1


async def published(conn: AsyncConnection) -> tuple[Article, ...]:
    """What stands on the shelves, each with the number of its revision, in the order of their ids."""
    both = _revisions.c.article_id == _articles.c.id, _revisions.c.number == _articles.c.published
    standing = select(*_keys).join(_articles, and_(*both)).order_by(_articles.c.id)
    wanted: list[_Key] = [(row.article_id, row.number, row.fingerprint) for row in await conn.execute(standing)]
    missing = [key for key in wanted if key not in _read]
    found = {key: _read[key] for key in wanted if key in _read}
    if len(missing) > _AT_ONCE:
        rows = (await conn.execute(select(*_keys, _revisions.c.body).join(_articles, and_(*both)))).all()
    elif missing:
        numbers = {number for _, number, _ in missing}
        some = select(*_keys, _revisions.c.body).where(
            _revisions.c.article_id.in_([name for name, _, _ in missing]), _revisions.c.number.in_(numbers)
        )
        rows = (await conn.execute(some)).all()
    else:
        rows = []
    fresh = set(missing)
    rows = [row for row in rows if (row.article_id, row.number, row.fingerprint) in fresh]
    # Thousands of articles take seconds to read, which nobody else should have to wait for.
    found |= await asyncio.to_thread(_read_rows, rows)
    _remember(found)
    return tuple(found[key] for key in wanted)


def _read_rows(rows: Iterable[Any]) -> dict[_Key, Article]:
    return {
        (row.article_id, row.number, row.fingerprint): _article(row.article_id, row.number, row.body) for row in rows
    }


def _remember(found: Mapping[_Key, Article]) -> None:
    """Keep what was read: a revision never changes. What is on the shelves now stays longest."""
    for key, article in found.items():
        _read.pop(key, None)
        _read[key] = article
    for key in list(_read)[: max(0, len(_read) - max(_REMEMBERED, len(found)))]:
        del _read[key]


async def standing(conn: AsyncConnection, article_id: str) -> Standing | None:
    """How an article stands; None where there never was one of this id."""
    row = (await conn.execute(select(_articles).where(_articles.c.id == article_id))).one_or_none()
    return _standing(row) if row is not None else None


async def all_standing(conn: AsyncConnection) -> tuple[Standing, ...]:
    """How every article stands that ever was, also those off the shelves; in the order of their ids."""
    rows = (await conn.execute(select(_articles).order_by(_articles.c.id))).all()
    return tuple(_standing(row) for row in rows)


async def offered_for_retiring(conn: AsyncConnection) -> tuple[Standing, ...]:
    """The articles that came with the program, come with it no longer, and still stand on the shelves."""
    offered = _articles.c.gone_since.is_not(None) & _articles.c.published.is_not(None)
    rows = (await conn.execute(select(_articles).where(offered).order_by(_articles.c.id))).all()
    return tuple(_standing(row) for row in rows)


async def starters(conn: AsyncConnection) -> frozenset[str]:
    """The articles that stand on the shelves as they came with the program: no editor has made them their own yet."""
    both = _revisions.c.article_id == _articles.c.id, _revisions.c.number == _articles.c.published
    found = select(_articles.c.id).join(_revisions, and_(*both)).where(_revisions.c.author == SHIPPED)
    return frozenset((await conn.execute(found)).scalars())


def _standing(row: Any) -> Standing:
    return Standing(row.id, Country(row.country), row.published, row.latest, row.changed_at, row.gone_since)


async def revision(conn: AsyncConnection, article_id: str, number: int) -> Article | None:
    """The article as it stood in this revision."""
    wanted = (_revisions.c.article_id == article_id) & (_revisions.c.number == number)
    row = (await conn.execute(select(_revisions.c.body).where(wanted))).one_or_none()
    return _article(article_id, number, row.body) if row is not None else None


async def history(conn: AsyncConnection, article_id: str) -> tuple[Revision, ...]:
    """Every revision of an article, newest first."""
    same = _small.c.article_id == _revisions.c.article_id, _small.c.number == _revisions.c.number
    found = (
        select(_revisions, _small.c.id.label("small_id"))
        .outerjoin(_small, and_(*same))
        .where(_revisions.c.article_id == article_id)
        .order_by(_revisions.c.number.desc())
    )
    return tuple(
        Revision(
            _article(article_id, row.number, row.body),
            RevisionState(row.state),
            row.author,
            row.created_at,
            row.approver,
            row.draft_id,
            row.small_id is not None,
        )
        for row in await conn.execute(found)
    )


async def revised_at(conn: AsyncConnection, article_id: str, number: int) -> datetime | None:
    """When this revision was made."""
    wanted = (_revisions.c.article_id == article_id) & (_revisions.c.number == number)
    found: datetime | None = (await conn.execute(select(_revisions.c.created_at).where(wanted))).scalar_one_or_none()
    return found


async def version(conn: AsyncConnection) -> int:
    """Grows with each change of the shelves; zero before the first."""
    found = (await conn.execute(select(_versions.c.version))).scalar_one_or_none()
    return int(found or 0)


async def export_articles(conn: AsyncConnection, path: Path) -> int:
    """Write what stands on the shelves: to one file of JSON lines where the path ends so, else to a folder of YAML."""
    articles = await published(conn)
    write = export_lines if path.suffix in {".jsonl", ".json"} else export_folder
    return await asyncio.to_thread(write, articles, path)


def _article(article_id: str, number: int, body: str) -> Article:
    file = f"database: article {article_id} revision {number}"
    if body.startswith("{"):
        return article_of_body(orjson.loads(body), revision=number, file=file)
    return read_article(body, file=file, revision=number)


async def _newest(conn: AsyncConnection) -> dict[str, Any]:
    """The newest revision of every article, without its body."""
    columns = (_articles.c.id, _articles.c.published, _articles.c.latest, _revisions.c.fingerprint, _revisions.c.author)
    newest = (_revisions.c.article_id == _articles.c.id) & (_revisions.c.number == _articles.c.latest)
    rows: Sequence[Any] = (await conn.execute(select(*columns).join(_revisions, newest))).all()
    return {row.id: row for row in rows}


async def _offer_for_retiring(conn: AsyncConnection, gone: Sequence[str], now: datetime) -> None:
    """Note what is shipped no longer, so that an editor is asked; and what is shipped again."""
    offered = _articles.c.gone_since.is_not(None)
    before = {row.id for row in await conn.execute(select(_articles.c.id).where(offered))}
    for name in before - set(gone):
        await conn.execute(update(_articles).where(_articles.c.id == name).values(gone_since=None))
    for name in set(gone) - before:
        await conn.execute(update(_articles).where(_articles.c.id == name).values(gone_since=now))


async def _add(
    conn: AsyncConnection,
    articles: Sequence[Article],
    *,
    actor: str,
    now: datetime,
    approver: str | None = None,
    draft_id: int | None = None,
) -> list[str]:
    """Add new articles; the ids of those that were not there yet."""
    rows = [
        {"id": article.id, "country": article.country.value, "published": 1, "latest": 1, "changed_at": now}
        for article in articles
    ]
    # Two processes that start on an empty database both bring the shipped articles; the second finds them there.
    insert_new = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    adding = cast(Any, insert_new(_articles)).on_conflict_do_nothing(index_elements=["id"]).returning(_articles.c.id)
    new = set((await conn.execute(adding, rows)).scalars())
    bodies = [_revision_values(article, 1, actor, now, approver, draft_id) for article in articles if article.id in new]
    if bodies:
        await conn.execute(insert(_revisions), bodies)
    return [article.id for article in articles if article.id in new]


async def _revise(
    conn: AsyncConnection,
    article: Article,
    latest: int,
    *,
    actor: str,
    now: datetime,
    approver: str | None = None,
    draft_id: int | None = None,
) -> None:
    fresh = update(_articles).where(_articles.c.id == article.id, _articles.c.latest == latest)
    number = latest + 1
    moved = await conn.execute(
        fresh.values(latest=number, published=number, country=article.country.value, changed_at=now, gone_since=None)
    )
    if rows_touched(moved) != 1:
        raise ChangedMeanwhile(article.id)
    await conn.execute(insert(_revisions).values(_revision_values(article, number, actor, now, approver, draft_id)))


def _revision_values(
    article: Article, number: int, author: str, now: datetime, approver: str | None, draft_id: int | None
) -> dict[str, Any]:
    return {
        "article_id": article.id,
        "number": number,
        "state": RevisionState.PUBLISHED.value,
        "body": orjson.dumps(body_of(article)).decode(),
        "fingerprint": fingerprint(article),
        "author": author,
        "created_at": now,
        "approver": approver,
        "draft_id": draft_id,
    }


async def _shelves_changed(conn: AsyncConnection) -> None:
    moved = await conn.execute(update(_versions).where(_versions.c.id == 1).values(version=_versions.c.version + 1))
    if rows_touched(moved) == 0:
        await insert_once(conn, _versions, {"id": 1, "version": 1}, unique=["id"])
    wake(conn, TOPIC)
