"""Law watch: who said that a law changed, and which articles have been held against the change since.

A change marked here flags every article that rests on the law, from the day it is in force, until the article is
cleared: by the publication of a draft that was held against the change, unless one person published it alone as a small
change, or by one person finding it not affected and a second agreeing. Words older than that flag it again. A change
marked by mistake is withdrawn, with a reason, by somebody else than whoever marked it. The trail says who did what; the
reasons stand in these tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from helpline import audit
from helpline.storage import AnyRow, insert_once, rows_touched, table_of, wake
from knowledge.fitness import Change
from knowledge.laws import Law
from knowledge.life import OPEN, REVIEWER, Stage
from knowledge.store import TOPIC, DraftRow, LawChangeRow, LawClearingRow, SmallChangeRow

# The changes that stand, and the pairs of change and article that are cleared.
Marks = tuple[Sequence[Change], frozenset[tuple[int, str]]]
NOTHING_MARKED: Final[Marks] = ((), frozenset())
LONGEST = 2_000  # characters of what an editor writes about a change

_changes = table_of(LawChangeRow)
_clearings = table_of(LawClearingRow)
_drafts = table_of(DraftRow)
_small = table_of(SmallChangeRow)


class WatchError(Exception):
    """What was asked for cannot be done; `phrase` is the key of the sentence that says why."""

    def __init__(self, phrase: str, **values: object) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.values: Mapping[str, object] = values


@dataclass(frozen=True)
class Marked:
    """A change as it stands in storage."""

    change: Change
    by: str
    at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    withdrawn_why: str

    @property
    def stands(self) -> bool:
        """Whether it was not withdrawn."""
        return self.withdrawn_at is None


@dataclass(frozen=True)
class Clearing:
    """What was done about one article and one change."""

    id: int
    change_id: int
    article_id: str
    draft_id: int | None
    reason: str
    by: str
    at: datetime
    agreed_by: str | None
    agreed_at: datetime | None
    revision: int | None
    stage: str | None  # of the draft, where there is one
    done: bool  # the flag is gone


async def mark(
    conn: AsyncConnection, *, law: Law, what: str, in_force_on: date, link: str = "", actor: str, now: datetime
) -> int:
    """Write down that a law changed; its id. The same change marked twice is one."""
    said = what.strip()
    if not said:
        raise WatchError("desk.laws.no.what")
    if len(said) > LONGEST or len(link) > LONGEST:
        raise WatchError("desk.laws.no.long", limit=LONGEST)
    if link and not link.startswith(("https://", "http://")):
        raise WatchError("desk.laws.no.link")
    if not date(1990, 1, 1) <= in_force_on <= date(2100, 1, 1):
        raise WatchError("desk.laws.no.date")
    values = {"law": law.key, "what": said, "in_force_on": in_force_on, "link": link}
    same = and_(*(_changes.c[name] == value for name, value in values.items()), _changes.c.withdrawn_at.is_(None))
    known = (await conn.execute(select(_changes.c.id).where(same))).scalar_one_or_none()
    if known is not None:
        return int(known)
    made = await conn.execute(
        _changes.insert().values(**values, by=actor, at=now, withdrawn_why="").returning(_changes.c.id)
    )
    change_id = int(made.scalar_one())
    details: dict[str, audit.Detail] = {"in_force_on": in_force_on.isoformat()}
    await _note(conn, "law_changed", f"law_change:{change_id}", details, actor, now)
    return change_id


async def withdraw(conn: AsyncConnection, change_id: int, *, why: str, actor: str, now: datetime) -> None:
    """Take a mark back that was made by mistake: by a second person, with a reason."""
    marked = await get(conn, change_id)
    if not why.strip():
        raise WatchError("desk.laws.no.why")
    if not marked.stands:
        return
    if marked.by == actor:
        raise WatchError("desk.laws.no.second_person")
    await conn.execute(
        update(_changes)
        .where(_changes.c.id == change_id, _changes.c.withdrawn_at.is_(None))
        .values(withdrawn_by=actor, withdrawn_at=now, withdrawn_why=why.strip()[:LONGEST])
    )
    await _note(conn, "law_change_withdrawn", f"law_change:{change_id}", {}, actor, now)


async def not_affected(
    conn: AsyncConnection,
    change_id: int,
    article_id: str,
    *,
    revision: int,
    reason: str,
    actor: str,
    now: datetime,
) -> int:
    """Say that the article as it stands is not affected; clears once a second person agrees. The clearing's id."""
    if not reason.strip():
        raise WatchError("desk.laws.no.why")
    return await _propose(
        conn, change_id, article_id, {"reason": reason.strip()[:LONGEST], "revision": revision}, actor, now
    )


async def held_against(
    conn: AsyncConnection, change_id: int, article_id: str, *, draft_id: int, actor: str, now: datetime
) -> int:
    """Say that this open draft was held against the change; clears when the draft is published. The clearing's id."""
    draft = (await conn.execute(select(_drafts).where(_drafts.c.id == draft_id))).one_or_none()
    if draft is None or draft.article_id != article_id or Stage(draft.stage) not in OPEN:
        raise WatchError("desk.laws.no.draft")
    return await _propose(conn, change_id, article_id, {"draft_id": draft_id}, actor, now)


async def agree(conn: AsyncConnection, clearing_id: int, *, revision: int, actor: str, now: datetime) -> None:
    """Agree as a second person that an article is not affected. `revision` is what stands on the shelves now."""
    clearing = await _clearing(conn, clearing_id)
    if clearing.done:
        return
    if clearing.draft_id is not None:
        raise WatchError("desk.laws.no.by_draft")
    if clearing.by == actor:
        raise WatchError("desk.laws.no.second_person")
    if clearing.revision != revision:
        # What was found not affected is not what stands there any more.
        raise WatchError("desk.laws.no.revised", was=clearing.revision or 0, now=revision)
    agreed = await conn.execute(
        update(_clearings)
        .where(
            # As it was read: a proposal that was made anew this very moment is not what was agreed to.
            _clearings.c.id == clearing_id,
            _clearings.c.agreed_at.is_(None),
            _clearings.c.draft_id.is_(None),
            _clearings.c.by == clearing.by,
            _clearings.c.at == clearing.at,
            _clearings.c.revision == revision,
        )
        .values(agreed_by=actor, agreed_at=now)
    )
    if rows_touched(agreed):
        details: dict[str, audit.Detail] = {"change": clearing.change_id, "revision": revision}
        await _note(conn, "law_flag_cleared", f"article:{clearing.article_id}", details, actor, now)


async def refuse(conn: AsyncConnection, clearing_id: int, *, actor: str, roles: Collection[str], now: datetime) -> None:
    """Put a proposal aside: the flag stays. Whoever proposed it may take it back; to others but reviewers it is not
    there."""
    clearing = await _clearing(conn, clearing_id)
    if clearing.by != actor and REVIEWER not in {str(role) for role in roles}:
        raise WatchError("desk.laws.no.clearing")
    if clearing.done:
        raise WatchError("desk.laws.no.cleared")
    gone = await conn.execute(
        delete(_clearings).where(_clearings.c.id == clearing_id, _clearings.c.agreed_at.is_(None))
    )
    if rows_touched(gone):
        details: dict[str, audit.Detail] = {"change": clearing.change_id, "by": clearing.by}
        await _note(conn, "law_clearing_refused", f"article:{clearing.article_id}", details, actor, now)


async def older_words(
    conn: AsyncConnection, article_id: str, restored: int, *, draft_id: int, actor: str, now: datetime
) -> None:
    """The words of revision `restored` stand again: what was cleared by a later revision is flagged once more.

    Not what this very draft was held against.
    """
    rows = await conn.execute(_with_stage().where(_clearings.c.article_id == article_id))
    later = [
        each
        for each in map(_clearing_from, rows)
        if each.done and each.draft_id != draft_id and each.revision is not None and each.revision > restored
    ]
    for each in later:
        await conn.execute(delete(_clearings).where(_clearings.c.id == each.id))
        details: dict[str, audit.Detail] = {"change": each.change_id, "revision": restored}
        await _note(conn, "law_flagged_again", f"article:{article_id}", details, actor, now)


# --- reading ----------------------------------------------------------------------------------------------------------


async def get(conn: AsyncConnection, change_id: int) -> Marked:
    """One change; `WatchError` where there is none."""
    row = (await conn.execute(select(_changes).where(_changes.c.id == change_id))).one_or_none()
    if row is None:
        raise WatchError("desk.laws.no.change")
    return _marked(row)


async def changes(conn: AsyncConnection) -> list[Marked]:
    """Every change, the newest first, withdrawn ones too."""
    rows = await conn.execute(select(_changes).order_by(_changes.c.in_force_on.desc(), _changes.c.id.desc()))
    return [_marked(row) for row in rows]


async def clearings(conn: AsyncConnection, change_id: int | None = None) -> list[Clearing]:
    """What was proposed and agreed, of one change or of all, oldest first."""
    wanted = _with_stage().order_by(_clearings.c.id)
    if change_id is not None:
        wanted = wanted.where(_clearings.c.change_id == change_id)
    return [_clearing_from(row) for row in await conn.execute(wanted)]


async def uncleared(conn: AsyncConnection) -> Marks:
    """The changes that stand, and the pairs of change and article that are cleared: what `fitness.flag` needs."""
    standing = await conn.execute(select(_changes).where(_changes.c.withdrawn_at.is_(None)).order_by(_changes.c.id))
    found = [_marked(row).change for row in standing]
    if not found:
        return NOTHING_MARKED
    pairs = await conn.execute(
        select(_clearings.c.change_id, _clearings.c.article_id).select_from(_with_drafts()).where(_is_done())
    )
    return found, frozenset((row.change_id, row.article_id) for row in pairs)


# --- the parts --------------------------------------------------------------------------------------------------------


def _with_drafts() -> Any:
    """Clearings, each with the draft it names, and whether one person published that alone as a small change."""
    alone = and_(_small.c.article_id == _drafts.c.article_id, _small.c.number == _drafts.c.revision)
    return _clearings.outerjoin(_drafts, _drafts.c.id == _clearings.c.draft_id).outerjoin(_small, alone)


def _with_stage() -> Any:
    named = _drafts.c.stage, _drafts.c.revision.label("published_as"), _small.c.id.label("small_id")
    return select(_clearings, *named).select_from(_with_drafts())


def _is_done() -> ColumnElement[bool]:
    # A slip of spelling put right is no second person who has held the article against the law.
    published = and_(_drafts.c.stage == Stage.PUBLISHED.value, _small.c.id.is_(None))
    return or_(_clearings.c.agreed_at.is_not(None), published)


async def _clearing(conn: AsyncConnection, clearing_id: int) -> Clearing:
    row = (await conn.execute(_with_stage().where(_clearings.c.id == clearing_id))).one_or_none()
    if row is None:
        raise WatchError("desk.laws.no.clearing")
    return _clearing_from(row)


async def _propose(
    conn: AsyncConnection, change_id: int, article_id: str, values: Mapping[str, Any], actor: str, now: datetime
) -> int:
    marked = await get(conn, change_id)
    if not marked.stands:
        raise WatchError("desk.laws.no.withdrawn")
    whole = {"draft_id": None, "reason": "", "revision": None, **values, "by": actor, "at": now}
    made = await insert_once(
        conn,
        _clearings,
        {"change_id": change_id, "article_id": article_id, **whole},
        unique=["change_id", "article_id"],
    )
    if made is None:
        known = (
            await conn.execute(
                _with_stage().where(_clearings.c.change_id == change_id, _clearings.c.article_id == article_id)
            )
        ).one()
        if _clearing_from(known).done:
            raise WatchError("desk.laws.no.cleared")
        # What was proposed before and not agreed to gives way: the latest word counts.
        waiting = update(_clearings).where(_clearings.c.id == known.id, _clearings.c.agreed_at.is_(None))
        if not rows_touched(await conn.execute(waiting.values(whole))):
            raise WatchError("desk.laws.no.cleared")
        made = known.id
    details: dict[str, audit.Detail] = {"change": change_id}
    await _note(conn, "law_clearing_proposed", f"article:{article_id}", details, actor, now)
    return int(made)


def _marked(row: AnyRow) -> Marked:
    change = Change(row.id, Law.of(row.law), row.what, row.in_force_on, row.link)
    return Marked(change, row.by, row.at, row.withdrawn_by, row.withdrawn_at, row.withdrawn_why)


def _clearing_from(row: AnyRow) -> Clearing:
    published = row.stage == Stage.PUBLISHED.value and row.small_id is None
    return Clearing(
        id=row.id,
        change_id=row.change_id,
        article_id=row.article_id,
        draft_id=row.draft_id,
        reason=row.reason,
        by=row.by,
        at=row.at,
        agreed_by=row.agreed_by,
        agreed_at=row.agreed_at,
        revision=row.published_as if published else row.revision,
        stage=row.stage,
        done=row.agreed_at is not None or published,
    )


async def _note(
    conn: AsyncConnection,
    action: str,
    subject: str,
    details: Mapping[str, audit.Detail],
    actor: str,
    now: datetime,
) -> None:
    await audit.append(conn, at=now, actor=actor, action=action, subject=subject, details=details)
    wake(conn, TOPIC)  # every process loads what it flags anew
