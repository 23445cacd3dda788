"""The gap board behind its pages: unanswered questions on heaps, what an editor does about a heap, and how gaps close.

A gap is open until an editor dismisses it, or the shelves answer it: then it is closed by the revision that does. While
somebody writes an answer it is in a draft. Texts stay sealed; what is told of numbers and places is what
`knowledge/gaps.py` lets through. Times are told as weeks.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import store
from bot.dialogue import Missing
from bot.house import House
from bot.store import gaps
from helpline import audit
from helpline.masking import without_marks
from helpline.messages import Country, Language
from helpline.phrases import ZONES
from helpline.storage import AnyRow, rows_touched
from helpline.vault import Vault, VaultError
from knowledge import drafts
from knowledge import store as shelf_store
from knowledge.articles import wording_key
from knowledge.confidence import Band
from knowledge.fitness import Fit
from knowledge.gaps import Count, Heaps, Nearness, Regions, count_of, regions_of
from knowledge.life import OPEN as BEING_WRITTEN
from knowledge.life import Stage
from knowledge.shelves import Shelves
from routing.places import Level

KEPT_CLOSED = timedelta(days=90)
GUIDANCE = "guidance"  # an advisor answered it, and kept the answer for the shelves
# What is about guidance; that a service was wanted which nobody offers is for the directory.
ABOUT_GUIDANCE = (
    *(missing.value for missing in (Missing.UNKNOWN, Missing.SUGGESTED, Missing.UNHELPFUL, Missing.TOO_OLD)),
    GUIDANCE,
)
SHOWN = 12  # of a heap's questions
LONGEST_REASON = 500
LONGEST_WORDING = 400  # as articles take them
LONGEST_REPLY = 4_000
_LAID_AT_ONCE = 50
_KNOWN_AT_ONCE = 200
_TRIED_AT_ONCE = 20


class State(StrEnum):
    """What became of a gap."""

    OPEN = "open"
    IN_DRAFT = "in_draft"  # somebody is writing the answer
    ANSWERED = "answered"  # the shelves answer it now
    DISMISSED = "dismissed"  # an editor said that it needs no answer here, and why


class GapError(Exception):
    """What was asked for cannot be done; `phrase` is the key of the sentence that says why."""

    def __init__(self, phrase: str, **values: object) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.values: Mapping[str, object] = values


@dataclass(frozen=True)
class Question:
    """A question as it was put, with nobody recognisable in it."""

    text: str = field(repr=False)
    language: Language

    @property
    def wording(self) -> str:
        """The question as an article may hold it."""
        return " ".join(without_marks(self.text).split())[:LONGEST_WORDING]


@dataclass(frozen=True)
class Heap:
    """Gaps that ask the same, as far as they may be told of."""

    id: str
    country: Country
    count: Count
    first_week: date  # its Monday
    last_week: date
    regions: Regions
    kinds: tuple[str, ...]  # what the shelves lacked, the most frequent first
    nearest: tuple[str, ...]  # articles, the most frequent first
    questions: tuple[Question, ...]  # without repetitions, in the order of the alphabet
    replies: tuple[str, ...] = field(repr=False, default=())  # of advisors, kept for the shelves
    more: bool = False  # there are more questions than are shown
    article_id: str | None = None
    draft_id: int | None = None
    reason: str = ""
    by: str | None = None


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """Some heaps of many."""

    heaps: tuple[Heap, ...]
    page: int
    pages: int
    waiting: bool  # gaps that are not on a heap yet


async def board(
    conn: AsyncConnection, house: House, *, state: State, country: Country | None = None, page: int = 1, size: int = 15
) -> Page:
    """The heaps in this state, those asked for most first. Heaps of few stand side by side, the latest week first."""
    ordered = [heap_id for _, _, heap_id in await order(conn, state=state, country=country)]
    wanted = _wanted(state, country)
    waiting = select(func.count()).select_from(gaps).where(*wanted, gaps.c.heap.is_(None))
    unlaid = (await conn.execute(waiting)).scalar_one()
    pages = max(1, -(-len(ordered) // size))
    page = min(max(page, 1), pages)
    shown = ordered[(page - 1) * size : page * size]
    return Page(await heaps_of(conn, house, shown, state), page, pages, unlaid > 0)


# Where a heap stands among the others: by its count and its last week, as far as these may be told, and its id.
Place = tuple[int, int, str]


async def order(conn: AsyncConnection, *, state: State, country: Country | None = None) -> list[Place]:
    """Every heap in this state in the order of the board."""
    rows = await conn.execute(
        select(gaps.c.heap, func.count().label("number"), func.max(gaps.c.at).label("last"))
        .where(*_wanted(state, country), gaps.c.heap.is_not(None))
        .group_by(gaps.c.heap)
    )
    # By what may be told, else the order of the page would tell more than its numbers.
    return sorted((-count_of(row.number).at_least, -_week(row.last, Country.NO).toordinal(), row.heap) for row in rows)


async def heaps_of(conn: AsyncConnection, house: House, ids: Sequence[str], state: State) -> tuple[Heap, ...]:
    """These heaps, in this order, as far as there is anything on them in this state."""
    found = await _heaps(conn, house, ids, state)
    return tuple(found[heap_id] for heap_id in ids if heap_id in found)


def _wanted(state: State, country: Country | None) -> list[Any]:
    wanted = [gaps.c.state == state.value, gaps.c.missing.in_(ABOUT_GUIDANCE)]
    return wanted if country is None else [*wanted, gaps.c.country == country.value]


async def heap_of(conn: AsyncConnection, house: House, heap_id: str, state: State = State.OPEN) -> Heap | None:
    """One heap, if there is anything on it in this state."""
    return (await _heaps(conn, house, [heap_id], state, at_most=200)).get(heap_id)


async def open_heaps(conn: AsyncConnection) -> int:
    """How many heaps wait for somebody."""
    wanted = and_(gaps.c.state == State.OPEN.value, gaps.c.missing.in_(ABOUT_GUIDANCE), gaps.c.heap.is_not(None))
    return int((await conn.execute(select(func.count(gaps.c.heap.distinct())).where(wanted))).scalar_one())


async def _heaps(
    conn: AsyncConnection, house: House, ids: Sequence[str], state: State, *, at_most: int = SHOWN
) -> dict[str, Heap]:
    if not ids:
        return {}
    rows = await conn.execute(
        select(gaps)
        .where(gaps.c.heap.in_(list(ids)), gaps.c.state == state.value, gaps.c.missing.in_(ABOUT_GUIDANCE))
        .order_by(gaps.c.at, gaps.c.id)
    )
    lying: dict[str, list[AnyRow]] = {}
    for row in rows:
        lying.setdefault(row.heap, []).append(row)
    return {heap_id: await _heap(conn, house, heap_id, found, at_most) for heap_id, found in lying.items()}


async def _heap(conn: AsyncConnection, house: House, heap_id: str, rows: Sequence[AnyRow], at_most: int) -> Heap:
    newest, country = rows[-1], Country(rows[-1].country)
    said: dict[str, Question] = {}
    replies: dict[str, None] = {}
    # The newest first, for where there are more than are shown.
    opened = 0
    for row in reversed(rows):
        if (len(said) > at_most or opened > 4 * at_most) and row.reply is None:
            continue
        opened += 1
        text, reply = await _opened(conn, house.vault, row)
        question = Question(text, Language(row.language))
        if question.wording:
            said.setdefault(question.wording.casefold(), question)
        if reply:
            replies[reply] = None
    shown = sorted(list(said.values())[:at_most], key=lambda each: (each.language.value, each.wording.casefold()))
    return Heap(
        id=heap_id,
        country=country,
        count=count_of(len(rows)),
        first_week=_week(rows[0].at, country),
        last_week=_week(newest.at, country),
        regions=_named(house, country, regions_of(Counter(row.region for row in rows))),
        kinds=tuple(kind for kind, _ in Counter(row.missing for row in rows).most_common()),
        nearest=tuple(
            article_id
            for article_id, _ in Counter(each for row in rows for each in row.nearest.split(",") if each).most_common(6)
        ),
        questions=tuple(shown),
        replies=tuple(replies),
        more=len(said) > at_most,
        article_id=newest.article_id,
        draft_id=newest.draft_id,
        reason=newest.reason,
        by=newest.state_by,
    )


async def _opened(conn: AsyncConnection, vault: Vault, row: AnyRow) -> tuple[str, str]:
    """The question and the reply; nothing where the key is gone."""
    key = await vault.existing(conn, f"gap:{row.id}")
    if key is None:
        return "", ""
    try:
        reply = key.unseal(row.reply, about=f"gap-reply:{row.id}") if row.reply is not None else ""
        return key.unseal(row.text, about=f"gap:{row.id}"), reply
    except VaultError:
        return "", ""


def _week(at: datetime, country: Country) -> date:
    day = at.astimezone(ZONES[country]).date()
    return day - timedelta(days=day.weekday())


def _named(house: House, country: Country, regions: Regions) -> Regions:
    level = Level.LAN if country is Country.SE else Level.FYLKE

    def name(code: str) -> str:
        try:
            return house.library.gazetteer.get(country, level, code).name
        except KeyError:
            return code

    return Regions(tuple((name(code), count) for code, count in regions.named), regions.elsewhere)


# --- what an editor does ----------------------------------------------------------------------------------------------


async def dismiss(conn: AsyncConnection, heap_id: str, *, reason: str, actor: str, now: datetime) -> int:
    """Say that these need no answer on the shelves, and why; how many gaps it was."""
    why = " ".join(reason.split())
    if not why:
        raise GapError("desk.gaps.no.reason")
    if len(why) > LONGEST_REASON:
        raise GapError("desk.gaps.no.long", limit=LONGEST_REASON)
    values = {"reason": why, "draft_id": None, "article_id": None}
    return await _move(conn, heap_id, State.OPEN, State.DISMISSED, values, actor, now)


async def undo(conn: AsyncConnection, heap_id: str, *, actor: str, now: datetime) -> int:
    """Take a dismissal back; how many gaps it was."""
    return await _move(conn, heap_id, State.DISMISSED, State.OPEN, {"reason": ""}, actor, now)


async def write_new(
    conn: AsyncConnection,
    house: House,
    heap_id: str,
    *,
    article_id: str,
    wordings: Sequence[str],
    actor: str,
    now: datetime,
) -> int:
    """A draft of a new article that holds these questions as wordings; its id. `DraftError` where that cannot be."""
    heap = await _waiting(conn, house, heap_id)
    own = Language.SV if heap.country is Country.SE else Language.NB
    body: dict[str, Any] = {"language": own.value, "questions": _by_language(heap, wordings)}
    if heap.replies:
        body["details"] = "\n\n".join(heap.replies)
    draft = await drafts.new_draft(conn, article_id=article_id, country=heap.country, actor=actor, now=now, body=body)
    await _in_draft(conn, heap_id, draft.article_id, draft.id, actor, now)
    return draft.id


async def write_into(
    conn: AsyncConnection,
    house: House,
    heap_id: str,
    *,
    article_id: str,
    wordings: Sequence[str],
    actor: str,
    now: datetime,
) -> int:
    """The draft of an article with these questions among its wordings; its id. `DraftError` where that cannot be."""
    heap = await _waiting(conn, house, heap_id)
    draft = await drafts.open_draft(conn, article_id, actor=actor, now=now)
    if draft.country is not heap.country:
        raise GapError("desk.gaps.no.country")
    questions = {language: list(there) for language, there in dict(draft.body.get("questions") or {}).items()}
    known = {text.casefold() for there in questions.values() for text in there}
    for language, texts in _by_language(heap, wordings).items():
        fresh = [text for text in texts if text.casefold() not in known]
        if fresh:
            questions[language] = [*questions.get(language, []), *fresh]
    if questions != draft.body.get("questions"):
        saved = await drafts.save(
            conn, draft.id, seen=draft.version, fields={"questions": questions}, actor=actor, now=now
        )
        draft = saved.draft
    await _in_draft(conn, heap_id, article_id, draft.id, actor, now)
    return draft.id


async def keep_guidance(
    conn: AsyncConnection,
    house: House,
    conversation_id: str,
    *,
    question: str,
    reply: str,
    language: Language,
    country: Country,
    actor: str,
    now: datetime,
) -> str:
    """Put an advisor's answer on the board with the question it answers; its id.

    Both are masked once more. The gap goes when the clinician erases what she wrote; nothing else leads back to her.
    """
    asked = house.masker.mask(question.strip(), language).text
    answered = house.masker.mask(reply.strip(), language).text
    if not without_marks(asked).strip() or not without_marks(answered).strip():
        raise GapError("desk.guidance.no.empty")
    if len(asked) > LONGEST_WORDING or len(answered) > LONGEST_REPLY:
        raise GapError("desk.guidance.no.long", question=LONGEST_WORDING, reply=LONGEST_REPLY)
    gap_id = await store.record_gap(
        conn,
        house.vault,
        missing=GUIDANCE,
        text=asked,
        nearest=(),
        confidence=0.0,
        language=language,
        country=country,
        region="",
        now=now,
    )
    key = await house.vault.open(conn, f"gap:{gap_id}")
    sealed = key.seal(answered, about=f"gap-reply:{gap_id}")
    await conn.execute(update(gaps).where(gaps.c.id == gap_id).values(reply=sealed))
    await store.note_gap(conn, house.vault, conversation_id, gap_id)
    # The trail names the conversation and not the gap, so that no gap is laid beside a conversation by it.
    await audit.append(conn, at=now, actor=actor, action="guidance_kept", subject=f"conversation:{conversation_id}")
    return gap_id


async def propose_wording(
    conn: AsyncConnection,
    house: House,
    conversation_id: str,
    *,
    question: str,
    article_id: str,
    language: Language,
    country: Country,
    actor: str,
    now: datetime,
) -> bool:
    """Put an advisor's wording of a question into the draft of the article that answers it; False where it is there.

    It is masked once more. The draft goes its usual way: nothing is published before somebody has looked at it.
    """
    wording = " ".join(without_marks(house.masker.mask(question.strip(), language).text).split())
    article = house.library.shelves.article(article_id)
    if not wording or article is None or article.country is not country:
        raise GapError("desk.case.wording.empty")
    if len(wording) > LONGEST_WORDING:
        raise GapError("desk.case.wording.long", limit=LONGEST_WORDING)
    draft = await drafts.open_draft(conn, article_id, actor=actor, now=now)
    questions = {spoken: list(there) for spoken, there in dict(draft.body.get("questions") or {}).items()}
    if wording_key(wording) in {wording_key(text) for there in questions.values() for text in there}:
        return False
    questions[language.value] = [*questions.get(language.value, []), wording]
    await drafts.save(conn, draft.id, seen=draft.version, fields={"questions": questions}, actor=actor, now=now)
    # As for guidance: the trail does not lay the draft beside the conversation.
    await audit.append(conn, at=now, actor=actor, action="wording_proposed", subject=f"conversation:{conversation_id}")
    return True


async def _waiting(conn: AsyncConnection, house: House, heap_id: str) -> Heap:
    heap = await heap_of(conn, house, heap_id)
    if heap is None:
        raise GapError("desk.gaps.no.heap")
    return heap


def _by_language(heap: Heap, wordings: Sequence[str]) -> dict[str, list[str]]:
    """The chosen questions as an article holds them; only such as lie on the heap."""
    chosen = set(wordings)
    found: dict[str, list[str]] = {}
    for question in heap.questions:
        if question.wording in chosen:
            found.setdefault(question.language.value, []).append(question.wording)
    if not found:
        raise GapError("desk.gaps.no.wording")
    return found


async def _in_draft(
    conn: AsyncConnection, heap_id: str, article_id: str, draft_id: int, actor: str, now: datetime
) -> None:
    values = {"article_id": article_id, "draft_id": draft_id}
    if not await _move(conn, heap_id, State.OPEN, State.IN_DRAFT, values, actor, now):
        raise GapError("desk.gaps.no.heap")


async def _move(
    conn: AsyncConnection,
    heap_id: str,
    before: State,
    after: State,
    values: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> int:
    moved = await conn.execute(
        update(gaps)
        .where(gaps.c.heap == heap_id, gaps.c.state == before.value, gaps.c.missing.in_(ABOUT_GUIDANCE))
        .values(state=after.value, state_by=actor.removeprefix("staff:"), state_at=now, **values)
    )
    number = rows_touched(moved)
    if number:
        await audit.append(
            conn,
            at=now,
            actor=actor,
            action=f"gaps_{after.value}",
            subject=f"heap:{heap_id}",
            details={"draft": values.get("draft_id")},
        )
    return number


# --- what the clock does ----------------------------------------------------------------------------------------------


class GapKeeper:
    """Lays new gaps on heaps, and closes those that the shelves answer now: a little at each tick."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._heaps: dict[Country, Heaps] = {}
        self._known: set[str] = set()
        self._lying = 0  # how many lie there, as far as this one knows

    async def tick(self, now: datetime) -> int:
        """Do a little; how much was done."""
        return await self._lay() + await self._bring_back(now) + await self._try(now)

    # --- laying ---------------------------------------------------------------------------------------------------

    async def _lay(self) -> int:
        house = self._house
        async with house.db.read() as conn:
            rows = (
                await conn.execute(select(gaps).where(_unlaid()).order_by(gaps.c.at, gaps.c.id).limit(_LAID_AT_ONCE))
            ).all()
            if not rows:
                return 0
            texts = [(row, (await _opened(conn, house.vault, row))[0]) for row in rows]
        if not self._heaps:
            nearness = await asyncio.to_thread(self._nearness)
            self._heaps = {country: Heaps(nearness) for country in Country}
        await self._learn()
        heaps = self._heaps
        # Made before the transaction begins, which holds up everybody else who writes.
        made = await asyncio.to_thread(
            lambda: {row.id: heaps[Country(row.country)].vector(text) for row, text in texts}
        )
        async with house.db.write() as conn:
            # Whoever else lays waits here, and then finds these lying.
            free = await conn.execute(
                select(gaps.c.id, gaps.c.country)
                .where(_unlaid(), gaps.c.id.in_(list(made)))
                .order_by(gaps.c.at, gaps.c.id)
                .with_for_update()
            )
            laid = []
            if await _count_lying(conn) == self._lying:
                laid = [(row.id, heaps[Country(row.country)].lay_vector(row.id, made[row.id])) for row in free]
            for row_id, heap_id in laid:
                self._known.add(row_id)
                await conn.execute(_put_on_heap, {"which": row_id, "on": heap_id})
            self._lying += len(laid)
        return len(rows)

    def _nearness(self) -> Nearness:
        library = self._house.library
        ordinary = [wording.text for article in library.shelves.articles for wording in article.questions]
        vectors, synonyms = library.tools.vectors, library.tools.synonyms
        assert vectors is not None
        assert synonyms is not None
        return Nearness(vectors, synonyms, ordinary[:: max(1, len(ordinary) // 4_000)])

    async def _learn(self) -> None:
        """Take in gaps that another process laid, or this one before it was started anew."""
        async with self._house.db.read() as conn:
            if await _count_lying(conn) == self._lying:
                return
            lying = set((await conn.execute(select(gaps.c.id).where(gaps.c.heap.is_not(None)))).scalars())
        self._known &= lying  # what was erased is forgotten here too
        unknown = sorted(lying - self._known)
        for start in range(0, len(unknown), _KNOWN_AT_ONCE):
            part = unknown[start : start + _KNOWN_AT_ONCE]
            async with self._house.db.write() as conn:  # only a write looks many keys up at once
                rows = (await conn.execute(select(gaps).where(gaps.c.id.in_(part)))).all()
                await self._house.vault.look_up(conn, (f"gap:{row.id}" for row in rows))
                texts = [(row, (await _opened(conn, self._house.vault, row))[0]) for row in rows]
            await asyncio.to_thread(self._put, texts)
        self._lying = len(self._known)

    def _put(self, texts: Iterable[tuple[AnyRow, str]]) -> None:
        for row, text in texts:
            self._known.add(row.id)
            if row.heap is not None:
                self._heaps[Country(row.country)].lies(text, row.heap)

    async def _bring_back(self, now: datetime) -> int:
        """Open gaps again whose draft was put away; how many drafts it was."""
        in_draft = gaps.c.state == State.IN_DRAFT.value
        async with self._house.db.read() as conn:
            named = (await conn.execute(select(gaps.c.draft_id).where(in_draft).distinct())).scalars().all()
            known = [(draft_id, await drafts.get_draft(conn, draft_id)) for draft_id in named]
        gone = [draft_id for draft_id, draft in known if draft is None or draft.stage is Stage.ABANDONED]
        if gone:
            async with self._house.db.write() as conn:
                await conn.execute(
                    update(gaps)
                    .where(in_draft, gaps.c.draft_id.in_(gone))
                    .values(state=State.OPEN.value, draft_id=None, state_at=now)
                )
        return len(gone)

    # --- closing --------------------------------------------------------------------------------------------------

    async def _try(self, now: datetime) -> int:
        """Ask the shelves once more, where they changed since they were asked last."""
        house = self._house
        version, shelves = house.library.version, house.library.shelves
        async with house.db.read() as conn:
            rows = (
                await conn.execute(
                    select(gaps)
                    .where(
                        gaps.c.tried < version,
                        gaps.c.missing.in_(ABOUT_GUIDANCE),
                        gaps.c.state.in_([State.OPEN.value, State.IN_DRAFT.value]),
                    )
                    # What somebody wrote an answer to, first.
                    .order_by(gaps.c.draft_id.is_(None), gaps.c.at.desc(), gaps.c.id)
                    .limit(_TRIED_AT_ONCE)
                )
            ).all()
            if not rows:
                return 0
            asked = [(row, (await _opened(conn, house.vault, row))[0]) for row in rows]
        answered = await asyncio.to_thread(self._answered, shelves, asked, now)
        async with house.db.write() as conn:
            for row, article_id, revision in answered:
                values: dict[str, Any] = {"tried": version}
                if article_id is not None and await _is_answer(conn, row, article_id, revision):
                    values |= {"state": State.ANSWERED.value, "article_id": article_id, "revision": revision}
                    values |= {"state_by": None, "state_at": now}
                elif row.state == State.IN_DRAFT.value and await _is_over(conn, row.draft_id):
                    # It was published, and the shelves still do not answer.
                    values |= {"state": State.OPEN.value, "draft_id": None, "state_at": now}
                # An editor may have done something about it meanwhile, and that stands.
                await conn.execute(update(gaps).where(gaps.c.id == row.id, gaps.c.state == row.state).values(**values))
                await conn.execute(
                    update(gaps).where(gaps.c.id == row.id, gaps.c.tried < version).values(tried=version)
                )
        return len(rows)

    def _answered(
        self, shelves: Shelves, asked: Iterable[tuple[AnyRow, str]], now: datetime
    ) -> list[tuple[AnyRow, str | None, int]]:
        found: list[tuple[AnyRow, str | None, int]] = []
        for row, text in asked:
            hit = shelves.find(without_marks(text), country=Country(row.country), language=Language(row.language))
            article = shelves.article(hit.candidates[0].article_id) if hit.candidates else None
            fits = article is not None and self._house.library.standing.fitness(article, now).fit is not Fit.HAND_OVER
            if article is not None and fits and hit.band is Band.ANSWER:
                found.append((row, article.id, article.revision))
            else:
                found.append((row, None, 0))
        return found


_put_on_heap = update(gaps).where(gaps.c.id == bindparam("which"), gaps.c.heap.is_(None)).values(heap=bindparam("on"))


async def _count_lying(conn: AsyncConnection) -> int:
    return int((await conn.execute(select(func.count()).where(gaps.c.heap.is_not(None)))).scalar_one())


def _unlaid() -> Any:
    return and_(gaps.c.heap.is_(None), gaps.c.missing.in_(ABOUT_GUIDANCE))


async def _is_answer(conn: AsyncConnection, row: AnyRow, article_id: str, revision: int) -> bool:
    """Whether this revision can be the answer: what was shown already, and did not help, is none."""
    if row.missing in {Missing.UNKNOWN.value, GUIDANCE} or article_id not in row.nearest.split(","):
        return True
    draft = await drafts.get_draft(conn, row.draft_id) if row.draft_id is not None else None
    if draft is not None and (draft.article_id, draft.revision) == (article_id, revision):
        return True
    made_at = await shelf_store.revised_at(conn, article_id, revision)
    # A gap is kept to the hour only.
    return made_at is not None and made_at >= row.at + timedelta(hours=1)


async def _is_over(conn: AsyncConnection, draft_id: int | None) -> bool:
    """Whether nobody writes in the draft any more."""
    draft = await drafts.get_draft(conn, draft_id) if draft_id is not None else None
    return draft is None or draft.stage not in BEING_WRITTEN


async def delete_closed(conn: AsyncConnection, vault: Vault, *, before: datetime, limit: int = 200) -> int:
    """Forget gaps that were closed before this instant; how many."""
    closed = or_(gaps.c.state == State.ANSWERED.value, gaps.c.state == State.DISMISSED.value)
    rows = await conn.execute(select(gaps.c.id).where(closed, gaps.c.state_at < before).limit(limit))
    ids = [row.id for row in rows]
    for gap_id in ids:
        await vault.forget(conn, f"gap:{gap_id}")
    if ids:
        await conn.execute(delete(gaps).where(gaps.c.id.in_(ids)))
    return len(ids)
