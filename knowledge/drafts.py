"""What is being written: drafts, from the first word to the revision they become.

An article has at most one open draft, and several people may write in it at once. A save brings only the fields its
writer changed, and the version they had before their eyes. What others changed meanwhile in other fields is merged;
where both changed the same field nothing is overwritten and the save is set aside, to be read in `saves`. So nothing
that anybody saved is ever lost.

Each act asks `life.refusal` first, and writes its entry in the trail in the same transaction. Reasons are people's
words and stay out of the trail; they stand in a table of their own and `events` puts the two together.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as part
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import audit
from helpline.content import ContentError
from helpline.database import Database
from helpline.masking_numbers import find_numbers
from helpline.masking_view import Kind
from helpline.messages import Country, Language
from helpline.storage import insert_once, rows_touched, table_of, wake
from knowledge import gate_runs, law_watch, life, store
from knowledge.articles import FIELDS, Article, article_of_body, body_of, wording_key
from knowledge.gate_runs import TOPIC, GateRun, Override, RunState, topic_of
from knowledge.life import Act, Stage
from knowledge.problems import Problem, findings_of, problems_of
from knowledge.small import is_small
from knowledge.store import ArticleReasonRow, DraftCommentRow, DraftRow, DraftSaveRow, SmallChangeRow, Standing

__all__ = ["Problem", "article_of_body", "findings_of", "problems_of"]

LINE = "line"  # who publishes when the clock does
LONGEST_BODY = 200_000  # bytes of JSON
LONGEST_REASON = 2_000
LONGEST_COMMENT = 4_000
KEPT_FOR = timedelta(days=90)  # saves and comments of a closed draft
_FURTHEST = timedelta(days=366)  # a set time for publishing
_AGAIN = timedelta(seconds=30)  # when a set time has come and the gate has not answered yet
_DEEPEST = 6
_MOST_PARTS = 2_000  # items of a list, keys of a mapping
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORDS = re.compile(r"[^\W\d_]{4,}")
_LINK = re.compile(r"https?://\S+")
_REMEMBERED = 1_000  # articles whose wordings are remembered besides those on the shelves
# The wordings of articles as they are compared, by the article's identity: for thousands making them takes a second, in
# which whoever hands in or publishes would hold up everybody else who writes.
_keys: dict[int, tuple[Article, frozenset[str]]] = {}
_SOMEBODYS = frozenset({Kind.NATIONAL_ID, Kind.DUF})

_drafts = table_of(DraftRow)
_saves = table_of(DraftSaveRow)
_comments = table_of(DraftCommentRow)
_reasons = table_of(ArticleReasonRow)
_small = table_of(SmallChangeRow)


class DraftError(Exception):
    """Something about a draft cannot be done; `key` is the phrase that says why, `values` what it names."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class NoSuchDraft(DraftError):
    """There is no such draft, article, revision or comment."""


class AlreadyThere(DraftError):
    """The article has a draft open, or the id is taken. `draft_id` is the open draft, if that is it."""

    def __init__(self, key: str, draft_id: int | None = None, **values: object) -> None:
        super().__init__(key, **values)
        self.draft_id = draft_id


class Refused(DraftError):
    """The act does not fit the stage, or is not this person's to do."""


class BadInput(DraftError):
    """What was given cannot be taken: too long, empty, an unknown field."""


class ChangedMeanwhile(DraftError):
    """Somebody changed the draft, or published the article anew, since it was read."""


class Unreadable(DraftError):
    """The draft is not whole or holds something that it may not; `problems` says what."""

    def __init__(self, key: str, problems: Sequence[Problem]) -> None:
        super().__init__(key, count=len(problems))
        self.problems = tuple(problems)


class NotTested(DraftError):
    """No gate run of this version against the shelves of now has been made yet; `run` is the one under way, if any."""

    def __init__(self, key: str, run: GateRun | None) -> None:
        super().__init__(key)
        self.run = run


class Blocked(DraftError):
    """The gate does not let this version through; `run` says why."""

    def __init__(self, key: str, run: GateRun) -> None:
        super().__init__(key)
        self.run = run


class SetAside(DraftError):
    """A save was not taken, and is kept in the history of saves.

    The history is written in the transaction under way: catch this inside `Database.write()` and leave the block in
    peace, or call `keep`, which does so. Raised through the block it takes the kept words back with it.
    """

    def __init__(self, key: str, draft: Draft, yours: Mapping[str, Any]) -> None:
        super().__init__(key)
        self.draft = draft  # as it stands
        self.yours = dict(yours)  # everything that was to be saved


class Collision(SetAside):
    """Somebody else changed the same fields meanwhile; `theirs` holds these as they stand now."""

    def __init__(self, draft: Draft, theirs: Mapping[str, Any], yours: Mapping[str, Any]) -> None:
        super().__init__("desk.draft.collision", draft, yours)
        self.theirs = dict(theirs)


class Closed(SetAside):
    """The draft was approved, published or abandoned meanwhile, so nothing can be written in it."""


@dataclass(frozen=True)
class Draft:
    """What is being written, as it stands."""

    id: int
    article_id: str
    base: int | None  # the revision it was made from; None for a new article
    country: Country
    stage: Stage
    version: int  # grows with each save
    body: dict[str, Any] = part(repr=False)  # as an article's file, in plain JSON values; may be incomplete
    small: bool  # marked as a small change
    authors: frozenset[str]  # everybody who wrote in it
    updated_by: str
    updated_at: datetime
    submitted_by: str | None
    submitted_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    publish_at: datetime | None  # approved, and published then
    revision: int | None  # what it was published as
    note: str = part(repr=False)  # why it was sent back, in words; why it was not published, as a phrase's key
    created_at: datetime
    restored: int | None = None  # the older revision whose words it began with

    @property
    def is_open(self) -> bool:
        """Whether it is still on its way."""
        return self.stage in life.OPEN


@dataclass(frozen=True)
class Saved:
    """A save that was taken.

    Show the writer the `merged` fields before their next save says that it has seen `draft.version`.
    """

    draft: Draft
    merged: tuple[str, ...]  # fields that others had changed since the writer looked, and that stand as they are


@dataclass(frozen=True)
class Save:
    """One save of the history."""

    version: int
    at: datetime
    by: str
    fields: dict[str, Any] = part(repr=False)
    kept_aside: bool
    id: int = 0


@dataclass(frozen=True)
class Comment:
    """What a colleague remarked."""

    id: int
    draft_id: int
    field: str  # a key of the article; empty where the whole is meant
    text: str = part(repr=False)
    by: str
    at: datetime
    resolved_by: str | None
    resolved_at: datetime | None


@dataclass(frozen=True)
class Event:
    """Who did what, when. `details` may hold "reason", in the words of whoever gave it."""

    at: datetime
    actor: str
    what: str
    details: Mapping[str, Any]
    id: int = 0


@dataclass(frozen=True)
class SmallChange:
    """A revision that one person published alone."""

    id: int
    article_id: str
    number: int
    by: str
    at: datetime
    reviewed_by: str | None
    reviewed_at: datetime | None


# --- opening and reading ----------------------------------------------------------------------------------------------


async def new_draft(
    conn: AsyncConnection,
    *,
    article_id: str,
    country: Country,
    actor: str,
    now: datetime,
    body: Mapping[str, Any] | None = None,
) -> Draft:
    """Begin an article that there was none of; `body` may already hold some of its fields."""
    if not _ID.fullmatch(article_id) or len(article_id) > 100:
        raise BadInput("desk.draft.bad_id")
    there = await store.standing(conn, article_id)
    if there is not None:
        raise AlreadyThere("desk.draft.article_there", id=article_id)
    language = Language.SV if country is Country.SE else Language.NB
    begun: dict[str, Any] = {
        "id": article_id,
        "country": country.value,
        "language": language.value,
        "questions": {},
        "confidence": "general-knowledge-unverified",
        "suggest_human": True,
        "urgent": False,
    }
    if body is not None:
        given = {key: value for key, value in body.items() if key not in {"id", "country"}}
        begun |= _checked(given)
    return await _open(conn, article_id, country, None, begun, actor=actor, now=now)


async def open_draft(conn: AsyncConnection, article_id: str, *, actor: str, now: datetime) -> Draft:
    """The open draft of an article; made from its newest revision where there is none."""
    there = await draft_of(conn, article_id)
    if there is not None:
        return there
    return await _draft_from(conn, article_id, None, actor=actor, now=now)


async def restore(
    conn: AsyncConnection, article_id: str, revision: int, *, actor: str, roles: Collection[str], now: datetime
) -> Draft:
    """Begin a draft with the words of an older revision. `AlreadyThere` names the open draft where there is one."""
    _may(Act.RESTORE, Stage.DRAFT, actor=actor, roles=roles)
    there = await draft_of(conn, article_id)
    if there is not None:
        raise AlreadyThere("desk.draft.open_already", there.id)
    return await _draft_from(conn, article_id, revision, actor=actor, now=now)


async def get_draft(conn: AsyncConnection, draft_id: int) -> Draft | None:
    """The draft of this id, open or closed."""
    row = (await conn.execute(select(_drafts).where(_drafts.c.id == draft_id))).one_or_none()
    return _draft(row) if row is not None else None


async def draft_of(conn: AsyncConnection, article_id: str) -> Draft | None:
    """The open draft of an article, if there is one."""
    row = (await conn.execute(select(_drafts).where(_drafts.c.open_for == article_id))).one_or_none()
    return _draft(row) if row is not None else None


async def list_drafts(conn: AsyncConnection, *, stages: Collection[Stage] | None = None) -> list[Draft]:
    """Drafts in these stages (without any named: the open ones), what was touched last first."""
    wanted = [stage.value for stage in (stages if stages is not None else life.OPEN)]
    found = (
        select(_drafts).where(_drafts.c.stage.in_(wanted)).order_by(_drafts.c.updated_at.desc(), _drafts.c.id.desc())
    )
    return [_draft(row) for row in await conn.execute(found)]


async def base_of(conn: AsyncConnection, draft: Draft) -> Article | None:
    """The revision that a draft was made from."""
    return await store.revision(conn, draft.article_id, draft.base) if draft.base is not None else None


# --- writing ----------------------------------------------------------------------------------------------------------


async def keep(
    db: Database, draft_id: int, *, seen: int, fields: Mapping[str, Any], actor: str, now: datetime
) -> Saved:
    """`save` in a transaction of its own: also what is set aside is on disk before `SetAside` is raised."""
    async with db.write() as conn:
        try:
            return await save(conn, draft_id, seen=seen, fields=fields, actor=actor, now=now)
        except SetAside as error:
            aside = error
    raise aside


async def save(
    conn: AsyncConnection, draft_id: int, *, seen: int, fields: Mapping[str, Any], actor: str, now: datetime
) -> Saved:
    """Take the fields that a writer changed since version `seen`; a value of None takes a field away.

    Raises `Collision` where somebody else has changed the same field since, and `Closed` where the draft is no longer
    written in. Both keep `fields` in the history, in this transaction: see `SetAside`.
    """
    draft = await _locked(conn, draft_id)
    if not 1 <= seen <= draft.version:
        raise BadInput("desk.draft.bad_version")
    given = _checked(fields)
    if given.get("id", draft.article_id) != draft.article_id:
        raise BadInput("desk.draft.id_stays")
    if given.get("country", draft.country.value) != draft.country.value:
        raise BadInput("desk.draft.country_stays")
    mine = {key: value for key, value in given.items() if value != draft.body.get(key)}
    if draft.stage not in {Stage.DRAFT, Stage.IN_REVIEW}:
        if mine:
            await _note_save(conn, draft_id, draft.version, mine, actor, now, aside=True)
        raise Closed(_refused(Act.EDIT, draft.stage), draft, given)
    others = await _changed_since(conn, draft_id, seen)
    both = sorted(mine.keys() & others)
    if both:
        await _note_save(conn, draft_id, draft.version, given, actor, now, aside=True)
        raise Collision(draft, {key: draft.body.get(key) for key in both}, given)
    merged = tuple(sorted(others - given.keys()))
    if not mine:
        return Saved(draft, merged)
    body = {key: value for key, value in {**draft.body, **mine}.items() if value is not None}
    written = orjson.dumps(body)
    if len(written) > LONGEST_BODY:
        raise BadInput("desk.draft.too_long", most=LONGEST_BODY // 1000)
    version = draft.version + 1
    values: dict[str, Any] = {"body": written.decode(), "version": version}
    if actor not in draft.authors:
        values["authors"] = _names(draft.authors | {actor})
        await _told(conn, draft, "draft_written", actor, now)
    await _note_save(conn, draft_id, version, mine, actor, now, aside=False)
    return Saved(await _change(conn, draft, values, actor, now), merged)


async def saves(conn: AsyncConnection, draft_id: int, *, since: int = 0) -> list[Save]:
    """The saves of a draft after version `since`, the newest first; those that were set aside are marked."""
    wanted = (_saves.c.draft_id == draft_id) & (_saves.c.version > since)
    found = select(_saves).where(wanted).order_by(_saves.c.id.desc())
    return [
        Save(row.version, row.at, row.by, orjson.loads(row.fields), row.kept_aside, row.id)
        for row in await conn.execute(found)
    ]


async def rebase(conn: AsyncConnection, draft_id: int, *, actor: str, now: datetime) -> Saved:
    """Put a draft upon the newest revision, where the article was published anew since the draft was begun.

    A field that the draft left alone takes the newer words; one that both changed stays as the draft has it, and is
    named in `merged` for the writer to look at.
    """
    draft = await _locked(conn, draft_id)
    _may(Act.EDIT, draft.stage, actor=actor, roles=(life.EDITOR,))
    there = await store.standing(conn, draft.article_id)
    if there is None or draft.base is None or there.latest == draft.base:
        return Saved(draft, ())
    old = await store.revision(conn, draft.article_id, draft.base)
    new = await store.revision(conn, draft.article_id, there.latest)
    assert old is not None
    assert new is not None
    was, becomes = body_of(old), body_of(new)
    moved = {key: becomes.get(key) for key in {*was, *becomes} if was.get(key) != becomes.get(key)}
    taken = {key: value for key, value in moved.items() if draft.body.get(key) == was.get(key)}
    body = {key: value for key, value in {**draft.body, **taken}.items() if value is not None}
    version = draft.version + 1
    await _note_save(conn, draft_id, version, taken, actor, now, aside=False)
    await _told(conn, draft, "draft_rebased", actor, now, revision=there.latest)
    values = {"base": there.latest, "body": orjson.dumps(body).decode(), "version": version}
    return Saved(await _change(conn, draft, values, actor, now), tuple(sorted(moved.keys() - taken.keys())))


# --- from hand to hand ------------------------------------------------------------------------------------------------


async def submit(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime, seen: int | None = None
) -> Draft:
    """Hand the draft in for review. `Unreadable` where it is not whole yet. A gate run is wanted at once."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.SUBMIT, draft, actor, roles, seen)
    await _whole(conn, draft)
    await _told(conn, draft, "draft_submitted", actor, now)
    await gate_runs.want(conn, draft.id, draft.version, actor=actor, now=now)
    values = {"stage": Stage.IN_REVIEW.value, "submitted_by": actor, "submitted_at": now, "note": ""}
    if actor not in draft.authors:
        # Whoever hands it in stands for it, also where not a word was changed.
        values["authors"] = _names(draft.authors | {actor})
    return await _change(conn, draft, values, None, now)


async def send_back(
    conn: AsyncConnection, draft_id: int, *, reason: str, actor: str, roles: Collection[str], now: datetime
) -> Draft:
    """Give the draft back to its writers, and say why; a writer may take it back. An approval ends with it."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.SEND_BACK, draft, actor, roles, None)
    why = _reason(reason)
    await _told(conn, draft, "draft_sent_back", actor, now, reason=await _keep_reason(conn, draft, why, actor, now))
    return await _change(conn, draft, {"stage": Stage.DRAFT.value, "note": why, **_NOT_APPROVED}, None, now)


async def approve(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime, seen: int | None = None
) -> Draft:
    """Say that it may be published. `seen` is the version that was read; another one now is refused."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.APPROVE, draft, actor, roles, seen)
    await _whole(conn, draft)
    await _told(conn, draft, "draft_approved", actor, now)
    await gate_runs.want(conn, draft.id, draft.version, actor=actor, now=now)
    values = {"stage": Stage.APPROVED.value, "approved_by": actor, "approved_at": now, "note": ""}
    return await _change(conn, draft, values, None, now)


async def publish(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime, seen: int | None = None
) -> Draft:
    """Make the draft a revision that stands on the shelves from now on.

    `NotTested` without a gate run of exactly this version against the shelves of now (ask for one with
    `gate_runs.want`), `Blocked` where that run fails and no override holds.
    """
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.PUBLISH, draft, actor, roles, seen)
    return await _publish(conn, draft, actor=actor, now=now)


async def schedule(
    conn: AsyncConnection, draft_id: int, *, at: datetime, actor: str, roles: Collection[str], now: datetime
) -> Draft:
    """Have an approved draft published at a set time; a second time takes the place of the first."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.SCHEDULE, draft, actor, roles, None)
    if not now < at <= now + _FURTHEST:
        raise BadInput("desk.draft.bad_time")
    await _told(conn, draft, "draft_scheduled", actor, now, publish_at=at)
    await gate_runs.want(conn, draft.id, draft.version, actor=actor, now=now)
    return await _change(conn, draft, {"publish_at": at, "due_at": at, "note": ""}, None, now)


async def unschedule(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime
) -> Draft:
    """Take the set time away; the draft stays approved."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.UNSCHEDULE, draft, actor, roles, None)
    if draft.publish_at is None:
        return draft
    await _told(conn, draft, "draft_unscheduled", actor, now)
    return await _change(conn, draft, {"publish_at": None, "due_at": None}, None, now)


async def abandon(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime, reason: str = ""
) -> Draft:
    """Put the draft away, its words kept; the article may get another."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.ABANDON, draft, actor, roles, None)
    why = _reason(reason) if reason.strip() else ""
    kept = await _keep_reason(conn, draft, why, actor, now) if why else None
    await _told(conn, draft, "draft_abandoned", actor, now, reason=kept)
    return await _change(conn, draft, {"stage": Stage.ABANDONED.value, "note": why, **_CLOSED}, None, now)


async def retire(
    conn: AsyncConnection, article_id: str, *, reason: str, actor: str, roles: Collection[str], now: datetime
) -> Standing:
    """Take an article off the shelves, its history kept. A draft of it may bring it back, but no set time does."""
    _may(Act.RETIRE, Stage.DRAFT, actor=actor, roles=roles)
    why = _reason(reason)
    if not await store.take_off(conn, article_id, actor=actor, now=now, told=False):
        raise NoSuchDraft("desk.draft.not_on_shelves")
    draft = await draft_of(conn, article_id)
    if draft is not None and draft.publish_at is not None:
        await _told(conn, draft, "draft_unscheduled", actor, now)
        await _change(conn, draft, {"publish_at": None, "due_at": None}, None, now)
    kept = await _keep_reason(conn, article_id, why, actor, now)
    details: dict[str, audit.Detail] = {"reason": kept}
    await audit.append(
        conn, at=now, actor=actor, action="article_retired", subject=_subject(article_id), details=details
    )
    wake(conn, TOPIC)
    standing = await store.standing(conn, article_id)
    assert standing is not None
    return standing


# --- small changes ----------------------------------------------------------------------------------------------------


async def mark_small(conn: AsyncConnection, draft_id: int, *, small: bool = True, actor: str, now: datetime) -> Draft:
    """Mark as a small change, or no longer; `Refused` says why it is none."""
    draft = await _locked(conn, draft_id)
    if not draft.is_open:
        raise Refused(_refused(Act.EDIT, draft.stage))
    if small:
        why = await why_not_small(conn, draft)
        if why:
            raise Refused(why)
    if small == draft.small:
        return draft
    await _told(conn, draft, "draft_marked_small" if small else "draft_marked_not_small", actor, now)
    return await _change(conn, draft, {"small": small}, None, now)


async def why_not_small(conn: AsyncConnection, draft: Draft) -> str:
    """The phrase that says why this is no small change; empty where it is one."""
    try:
        after = article_of_body(draft.body)
    except ContentError:
        return "desk.draft.unreadable"
    before = await base_of(conn, draft)
    small, why = is_small(before, after)
    if not small:
        return why
    shelved = await store.published(conn)
    others = [article for article in shelved if article.id != draft.article_id]
    known = await asyncio.to_thread(_words_of, others)
    return is_small(before, after, known)[1]


async def small_changes(conn: AsyncConnection, *, reviewed: bool = False) -> list[SmallChange]:
    """What one person published alone and nobody has looked at yet (or, `reviewed`, has); oldest first."""
    looked_at = _small.c.reviewed_at.is_not(None) if reviewed else _small.c.reviewed_at.is_(None)
    found = select(_small).where(looked_at).order_by(_small.c.id)
    return [
        SmallChange(row.id, row.article_id, row.number, row.by, row.at, row.reviewed_by, row.reviewed_at)
        for row in await conn.execute(found)
    ]


async def review_small_change(
    conn: AsyncConnection, change_id: int, *, actor: str, roles: Collection[str], now: datetime
) -> bool:
    """Note that somebody else has looked at it; False where that was done already."""
    row = (await conn.execute(select(_small).where(_small.c.id == change_id))).one_or_none()
    if row is None:
        raise NoSuchDraft("desk.draft.no_such")
    if life.REVIEWER not in {str(role) for role in roles}:
        raise Refused("desk.draft.no.reviewer")
    if row.by == actor:
        raise Refused("desk.draft.no.own")
    waiting = (_small.c.id == change_id) & _small.c.reviewed_at.is_(None)
    done = await conn.execute(update(_small).where(waiting).values(reviewed_by=actor, reviewed_at=now))
    if rows_touched(done) == 0:
        return False
    details: dict[str, audit.Detail] = {"revision": row.number}
    await audit.append(
        conn, at=now, actor=actor, action="small_change_reviewed", subject=_subject(row.article_id), details=details
    )
    return True


# --- the gate ---------------------------------------------------------------------------------------------------------


async def want_gate_run(conn: AsyncConnection, draft_id: int, *, actor: str, now: datetime) -> GateRun:
    """Ask for a run of the draft as it stands; the one that is there already where there is one."""
    draft = await _locked(conn, draft_id)
    if not draft.is_open:
        raise Refused(_refused(Act.EDIT, draft.stage))
    await _whole(conn, draft)
    return await gate_runs.want(conn, draft.id, draft.version, actor=actor, now=now)


async def gate_run_of(conn: AsyncConnection, draft: Draft) -> GateRun | None:
    """The run of the draft as it stands against the shelves and questions of now, if there is one."""
    return await gate_runs.present(conn, draft.id, draft.version)


async def override_of(conn: AsyncConnection, draft: Draft) -> Override | None:
    """The override of the draft as it stands, asked for or confirmed."""
    return await gate_runs.override_of(conn, draft.id, draft.version)


async def ask_override(
    conn: AsyncConnection, draft_id: int, *, reason: str, actor: str, roles: Collection[str], now: datetime
) -> Override:
    """Ask that a blocked draft be let through, and say why. It holds once another reviewer confirms it."""
    draft = await _locked(conn, draft_id)
    await _allowed(conn, Act.OVERRIDE, draft, actor, roles, None)
    why = _reason(reason)
    run = await gate_runs.present(conn, draft.id, draft.version)
    if run is None or run.state is not RunState.DONE or run.passes:
        raise Refused("desk.draft.no.not_blocked")
    there = await gate_runs.override_of(conn, draft.id, draft.version)
    if there is not None and there.holds:
        return there
    asked = await gate_runs.ask_override(conn, draft.id, draft.version, reason=why, actor=actor, now=now)
    kept = await _keep_reason(conn, draft, why, actor, now)
    await _told(conn, draft, "gate_override_asked", actor, now, reason=kept, gate_run=run.id)
    return asked


async def confirm_override(
    conn: AsyncConnection, draft_id: int, *, actor: str, roles: Collection[str], now: datetime, seen: int | None = None
) -> Override:
    """Put a second name under an override of the draft as it stands."""
    draft = await _locked(conn, draft_id)
    _unchanged(draft, seen)
    asked = await gate_runs.override_of(conn, draft.id, draft.version)
    if asked is None or not draft.is_open:
        raise NoSuchDraft("desk.draft.no_override")
    why = life.refusal_to_confirm(asked_by=asked.asked_by, actor=actor, roles=roles)
    if why is not None:
        raise Refused(why)
    if await gate_runs.confirm_override(conn, asked.id, actor=actor, now=now):
        await _told(conn, draft, "gate_override_confirmed", actor, now, asked_by=asked.asked_by)
    confirmed = await gate_runs.override_of(conn, draft.id, draft.version)
    assert confirmed is not None
    return confirmed


# --- comments ---------------------------------------------------------------------------------------------------------


async def comment(
    conn: AsyncConnection, draft_id: int, *, field: str = "", text: str, actor: str, now: datetime
) -> Comment:
    """Remark on a field of a draft, or on the whole of it."""
    draft = await _locked(conn, draft_id)
    if not draft.is_open:
        raise Refused(_refused(Act.COMMENT, draft.stage))
    if field and field.split(".", maxsplit=1)[0] not in FIELDS:
        raise BadInput("desk.draft.no_such_field")
    words = _clean(text).strip()
    if not words:
        raise BadInput("desk.draft.comment_empty")
    if len(words) > LONGEST_COMMENT:
        raise BadInput("desk.draft.comment_long", most=LONGEST_COMMENT)
    values = {"draft_id": draft_id, "field": field[:200], "text": words, "by": actor, "at": now}
    made = (await conn.execute(insert(_comments).values(values).returning(_comments))).one()
    await _told(conn, draft, "draft_commented", actor, now, comment=int(made.id))
    return _comment(made)


async def resolve_comment(conn: AsyncConnection, comment_id: int, *, actor: str, now: datetime) -> Comment:
    """Say that a comment is dealt with; a second time changes nothing."""
    open_one = (_comments.c.id == comment_id) & _comments.c.resolved_at.is_(None)
    values = {"resolved_by": actor, "resolved_at": now}
    touched = rows_touched(await conn.execute(update(_comments).where(open_one).values(values)))
    row = (await conn.execute(select(_comments).where(_comments.c.id == comment_id))).one_or_none()
    if row is None:
        raise NoSuchDraft("desk.draft.no_such")
    if touched:
        draft = await get_draft(conn, row.draft_id)
        assert draft is not None
        await _told(conn, draft, "draft_comment_resolved", actor, now, comment=comment_id)
    return _comment(row)


async def comments(conn: AsyncConnection, draft_id: int) -> list[Comment]:
    """What was remarked on a draft, oldest first."""
    found = select(_comments).where(_comments.c.draft_id == draft_id).order_by(_comments.c.id)
    return [_comment(row) for row in await conn.execute(found)]


# --- what time brings -------------------------------------------------------------------------------------------------


async def tick(conn: AsyncConnection, now: datetime) -> int:
    """Publish what is approved and whose set time has come; how many were published.

    The gate must let it through against the shelves of now. Where they have moved since the last run, a new one is
    wanted and the draft is looked at again when it is there. Where it cannot be published, the set time is taken away
    and the draft says why.
    """
    waiting = (_drafts.c.stage == Stage.APPROVED.value) & (_drafts.c.due_at <= now)
    due = select(_drafts).where(waiting).order_by(_drafts.c.due_at, _drafts.c.id).limit(50)
    # Another process that is publishing one of these this very moment is not waited for.
    rows = (await conn.execute(due.with_for_update(skip_locked=True))).all()
    count = 0
    for row in rows:
        draft = _draft(row)
        try:
            await _publish(conn, draft, actor=LINE, now=now)
            count += 1
        except NotTested:
            await gate_runs.want(conn, draft.id, draft.version, actor=LINE, now=now)
            await conn.execute(update(_drafts).where(_drafts.c.id == draft.id).values(due_at=now + _AGAIN))
        except DraftError as error:
            await _told(conn, draft, "draft_not_published", LINE, now, why=error.key)
            await _change(conn, draft, {"publish_at": None, "due_at": None, "note": error.key}, None, now)
    return count


async def look_again(conn: AsyncConnection, draft_id: int, now: datetime) -> None:
    """Have `tick` look at a draft at once where its set time has come: its gate run is there."""
    come = (_drafts.c.id == draft_id) & (_drafts.c.publish_at <= now) & _drafts.c.due_at.is_not(None)
    await conn.execute(update(_drafts).where(come).values(due_at=now))
    wake(conn, TOPIC)


async def next_due(conn: AsyncConnection) -> datetime | None:
    """When the next draft is to be published or looked at."""
    soonest = select(func.min(_drafts.c.due_at)).where(_drafts.c.stage == Stage.APPROVED.value)
    found: datetime | None = (await conn.execute(soonest)).scalar_one_or_none()
    return found


async def events(conn: AsyncConnection, article_id: str, *, limit: int = 200, before: int | None = None) -> list[Event]:
    """Who did what to an article and its drafts, the newest first."""
    entries = await audit.entries(conn, subject=_subject(article_id), limit=limit, before=before)
    found = select(_reasons.c.id, _reasons.c.text).where(_reasons.c.article_id == article_id)
    said = {row.id: row.text for row in await conn.execute(found)}
    return [
        Event(entry.at, entry.actor, entry.action, _with_reason(entry.details, said), entry.id) for entry in entries
    ]


async def forget_closed(conn: AsyncConnection, now: datetime) -> int:
    """Delete saves and comments of drafts that have been closed for long; how many rows."""
    old = select(_drafts.c.id).where(_drafts.c.open_for.is_(None), _drafts.c.updated_at < now - KEPT_FOR)
    rows = 0
    for table in (_saves, _comments):
        rows += rows_touched(await conn.execute(delete(table).where(table.c.draft_id.in_(old))))
    return rows


# --- within -----------------------------------------------------------------------------------------------------------

_NOT_APPROVED: dict[str, Any] = {"approved_by": None, "approved_at": None, "publish_at": None, "due_at": None}
_CLOSED: dict[str, Any] = {"open_for": None, "publish_at": None, "due_at": None}


async def _publish(conn: AsyncConnection, draft: Draft, *, actor: str, now: datetime) -> Draft:
    one_alone = draft.approved_by is None or draft.approved_by in draft.authors
    small = one_alone and (draft.approved_by is None or await _kind(conn, draft) != life.ALONE)
    # Looked at here too: what was a small change when it was approved may have lost its mark before its time came.
    if small and (not draft.small or await why_not_small(conn, draft)):
        raise Refused("desk.draft.no.approved_by_author")
    article = await _whole(conn, draft)
    there = await store.standing(conn, draft.article_id)
    latest = there.latest if there is not None else 0
    if latest != (draft.base or 0):
        raise ChangedMeanwhile("desk.draft.no.moved")
    run = await gate_runs.present(conn, draft.id, draft.version)
    if run is None or run.state is not RunState.DONE or not run.passes:
        override = await gate_runs.override_of(conn, draft.id, draft.version)
        if override is None or not override.holds:
            if run is not None and run.state is RunState.DONE:
                raise Blocked("desk.draft.no.blocked", run)
            raise NotTested("desk.draft.no.not_tested", run)
    author = draft.submitted_by or draft.updated_by
    try:
        number = await store.put_on(
            conn, article, latest=latest, author=author, approver=draft.approved_by, draft_id=draft.id, now=now
        )
    except store.ChangedMeanwhile as error:
        raise ChangedMeanwhile("desk.draft.no.moved") from error
    if small:
        await conn.execute(
            insert(_small).values({"article_id": draft.article_id, "number": number, "by": author, "at": now})
        )
    if draft.restored is not None:
        await law_watch.older_words(conn, draft.article_id, draft.restored, draft_id=draft.id, actor=actor, now=now)
    await _told(
        conn,
        draft,
        "article_published",
        actor,
        now,
        revision=number,
        author=author,
        approver=draft.approved_by,
        small=small,
        gate_run=run.id if run is not None else None,
    )
    values = {"stage": Stage.PUBLISHED.value, "revision": number, "open_for": None, "due_at": None, "note": ""}
    return await _change(conn, draft, values, None, now)


async def _draft_from(
    conn: AsyncConnection, article_id: str, revision: int | None, *, actor: str, now: datetime
) -> Draft:
    there = await store.standing(conn, article_id)
    if there is None:
        raise NoSuchDraft("desk.draft.no_such")
    words = await store.revision(conn, article_id, there.latest if revision is None else revision)
    if words is None:
        raise NoSuchDraft("desk.draft.no_such")
    return await _open(
        conn, article_id, there.country, there.latest, body_of(words), actor=actor, now=now, restored=revision
    )


async def _open(
    conn: AsyncConnection,
    article_id: str,
    country: Country,
    base: int | None,
    body: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    restored: int | None = None,
) -> Draft:
    # Whoever begins from nothing, or brings an older wording back, has written something; whoever opens has not yet.
    wrote = base is None or restored is not None
    values = {
        "article_id": article_id,
        "open_for": article_id,
        "base": base,
        "restored": restored,
        "country": country.value,
        "stage": Stage.DRAFT.value,
        "version": 1,
        "body": orjson.dumps(body).decode(),
        "small": False,
        "authors": _names({actor} if wrote else set()),
        "note": "",
        "created_at": now,
        "updated_by": actor,
        "updated_at": now,
    }
    made = await insert_once(conn, _drafts, values, unique=["open_for"])
    if made is None:
        there = await draft_of(conn, article_id)
        if there is not None and base is not None and restored is None:
            return there  # another opened it this very moment
        raise AlreadyThere("desk.draft.open_already", there.id if there is not None else None)
    draft = await get_draft(conn, int(made))
    assert draft is not None
    await _told(
        conn, draft, "draft_restored" if restored is not None else "draft_opened", actor, now, revision=restored
    )
    return draft


async def _locked(conn: AsyncConnection, draft_id: int) -> Draft:
    """The draft, with nobody else changing it until this transaction ends."""
    row = (await conn.execute(select(_drafts).where(_drafts.c.id == draft_id).with_for_update())).one_or_none()
    if row is None:
        raise NoSuchDraft("desk.draft.no_such")
    return _draft(row)


async def _change(
    conn: AsyncConnection, draft: Draft, values: Mapping[str, Any], actor: str | None, now: datetime
) -> Draft:
    """Write values into a draft that is locked; with an actor, they are who touched it last."""
    touched = {"updated_by": actor} if actor is not None else {}
    await conn.execute(update(_drafts).where(_drafts.c.id == draft.id).values({**values, **touched, "updated_at": now}))
    wake(conn, TOPIC)
    wake(conn, topic_of(draft.id))
    changed = await get_draft(conn, draft.id)
    assert changed is not None
    return changed


async def _allowed(
    conn: AsyncConnection, act: Act, draft: Draft, actor: str, roles: Collection[str], seen: int | None
) -> None:
    """Raise `Refused` where this may not be done."""
    _unchanged(draft, seen)
    small = draft.small and not await why_not_small(conn, draft)
    why = life.refusal(
        act,
        stage=draft.stage,
        kind=await _kind(conn, draft),
        small=small,
        author_ids=draft.authors,
        approver=draft.approved_by,
        actor=actor,
        roles=roles,
    )
    if why is not None:
        raise Refused(why)


async def _kind(conn: AsyncConnection, draft: Draft) -> str:
    """The kind that decides how many people are needed: "practical" only where it is, was before, and rests on the law
    that it rested on. That a new article is practical is its author's word alone, so a second person reads it."""
    before = await base_of(conn, draft)
    if before is None or before.kind.value != life.ALONE or draft.body.get("kind") != life.ALONE:
        return "rights"
    return life.ALONE if body_of(before).get("law_refs") == draft.body.get("law_refs") else "rights"


def _may(act: Act, stage: Stage, *, actor: str, roles: Collection[str]) -> None:
    why = life.refusal(
        act, stage=stage, kind="rights", small=False, author_ids=frozenset(), approver=None, actor=actor, roles=roles
    )
    if why is not None:
        raise Refused(why)


def _refused(act: Act, stage: Stage) -> str:
    return (
        life.refusal(
            act,
            stage=stage,
            kind="",
            small=False,
            author_ids=frozenset(),
            approver=None,
            actor="",
            roles=(life.EDITOR,),
        )
        or "desk.draft.no.role"
    )


def _unchanged(draft: Draft, seen: int | None) -> None:
    if seen is not None and seen != draft.version:
        raise ChangedMeanwhile("desk.draft.no.changed")


async def _whole(conn: AsyncConnection, draft: Draft) -> Article:
    """The article that a draft is, where nothing keeps it from the shelves; else `Unreadable`."""
    problems = [problem for problem in problems_of(draft.body) if problem.blocks]
    if problems:
        raise Unreadable("desk.draft.unreadable", problems)
    article = article_of_body(draft.body, file=f"draft {draft.id}")
    taken = await _leads_elsewhere(conn, article, await base_of(conn, draft))
    if taken:
        raise Unreadable("desk.draft.unreadable", taken)
    return article


async def _leads_elsewhere(conn: AsyncConnection, article: Article, before: Article | None) -> list[Problem]:
    """The wordings that lead to another article already. What stood here before was looked at before."""
    held = {wording_key(wording.text) for wording in before.questions} if before is not None else set()
    new = {wording_key(wording.text): wording.text for wording in article.questions}
    new = {key: text for key, text in new.items() if key not in held}
    if not new:
        return []
    found = await asyncio.to_thread(_leading, await store.published(conn), article, frozenset(new))
    return [
        Problem("questions", f'The wording "{new[key]}" also stands in "{other}"; it can lead to one article only.')
        for key, other in found.items()
    ]


def _leading(shelved: Sequence[Article], article: Article, wanted: frozenset[str]) -> dict[str, str]:
    """Which other article of the same country each of these wordings leads to, where it leads to one."""
    found: dict[str, str] = {}
    for one in shelved:
        known = _keys.get(id(one))
        if known is None or known[0] is not one:
            known = _keys[id(one)] = one, frozenset(wording_key(wording.text) for wording in one.questions)
        if one.country is article.country and one.id != article.id:
            found |= dict.fromkeys(known[1] & wanted, one.id)
    if len(_keys) > 2 * len(shelved) + _REMEMBERED:
        _keys.clear()
    return found


async def _changed_since(conn: AsyncConnection, draft_id: int, seen: int) -> set[str]:
    later = (_saves.c.draft_id == draft_id) & (_saves.c.version > seen) & _saves.c.kept_aside.is_(False)
    rows = await conn.execute(select(_saves.c.fields).where(later))
    return {key for row in rows for key in orjson.loads(row.fields)}


async def _note_save(
    conn: AsyncConnection,
    draft_id: int,
    version: int,
    fields: Mapping[str, Any],
    by: str,
    now: datetime,
    *,
    aside: bool,
) -> None:
    values = {
        "draft_id": draft_id,
        "version": version,
        "at": now,
        "by": by,
        "fields": orjson.dumps(dict(fields)).decode(),
        "kept_aside": aside,
    }
    await conn.execute(insert(_saves).values(values))


async def _told(
    conn: AsyncConnection, draft: Draft, action: str, actor: str, now: datetime, **details: audit.Detail
) -> None:
    told = {key: value for key, value in details.items() if value is not None}
    wake(conn, topic_of(draft.id))
    await audit.append(
        conn,
        at=now,
        actor=actor,
        action=action,
        subject=_subject(draft.article_id),
        details={"draft": draft.id, "version": draft.version, **told},
    )


async def _keep_reason(conn: AsyncConnection, about: Draft | str, text: str, by: str, now: datetime) -> int:
    article_id = about if isinstance(about, str) else about.article_id
    values = {"article_id": article_id, "text": text, "by": by, "at": now}
    made = await conn.execute(insert(_reasons).values(values).returning(_reasons.c.id))
    return int(made.scalar_one())


def _with_reason(details: Mapping[str, Any], said: Mapping[int, str]) -> dict[str, Any]:
    told = dict(details)
    if "reason" in told:
        told["reason"] = said.get(told["reason"], "")
    return told


def _reason(written: str) -> str:
    why = _clean(written).strip()
    if not why:
        raise BadInput("desk.draft.reason_empty")
    if len(why) > LONGEST_REASON:
        raise BadInput("desk.draft.reason_long", most=LONGEST_REASON)
    return why


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as plain JSON values, or `BadInput`."""
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise BadInput("desk.draft.no_such_field")
    return {key: _plain(value, 0) for key, value in fields.items()}


def _plain(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise BadInput("desk.draft.bad_value")
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping) and len(value) <= _MOST_PARTS and all(isinstance(key, str) for key in value):
        return {_clean(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple) and len(value) <= _MOST_PARTS:
        return [_plain(inner, depth + 1) for inner in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 10**12):
        return value
    raise BadInput("desk.draft.bad_value")


def _clean(text: str) -> str:
    """Without what no database keeps: halves of signs, and the sign of nothing. Nobody's identity number is taken."""
    clean = text.replace("\x00", "").encode("utf-8", "ignore").decode()
    if not _LINK.fullmatch(clean) and any(each.kind in _SOMEBODYS for each in find_numbers(clean, frozenset())):
        # Refused and not masked: what is written here is published, or read by colleagues, as it stands.
        raise BadInput("desk.draft.somebody")
    return clean


def _words_of(articles: Sequence[Article]) -> frozenset[str]:
    """The words that stand in at least two of these articles."""
    counts: Counter[str] = Counter()
    for article in articles:
        texts = [article.title, article.short, article.details, *article.do_now, *article.avoid, *article.say]
        counts.update({word.casefold() for text in texts for word in _WORDS.findall(text)})
    return frozenset(word for word, count in counts.items() if count > 1)


def _names(people: Collection[str]) -> str:
    return orjson.dumps(sorted(people)).decode()


def _subject(article_id: str) -> str:
    return f"article:{article_id}"


def _draft(row: Any) -> Draft:
    return Draft(
        id=row.id,
        article_id=row.article_id,
        base=row.base,
        country=Country(row.country),
        stage=Stage(row.stage),
        version=row.version,
        body=orjson.loads(row.body),
        small=row.small,
        authors=frozenset(orjson.loads(row.authors)),
        updated_by=row.updated_by,
        updated_at=row.updated_at,
        submitted_by=row.submitted_by,
        submitted_at=row.submitted_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        publish_at=row.publish_at,
        revision=row.revision,
        note=row.note,
        created_at=row.created_at,
        restored=row.restored,
    )


def _comment(row: Any) -> Comment:
    return Comment(row.id, row.draft_id, row.field, row.text, row.by, row.at, row.resolved_by, row.resolved_at)
