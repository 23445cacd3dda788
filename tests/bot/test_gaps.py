"""Gaps on heaps: laid once, dismissed and taken back, written into drafts, closed by the revision that answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import gaps, store
from bot.gaps import GapError, GapKeeper, State
from bot.house import House
from helpline.clock import SetClock
from helpline.database import Database
from helpline.messages import Address, Channel, Country, Language
from knowledge import drafts
from knowledge import store as shelf_store
from knowledge.articles import Article
from knowledge.life import Stage
from knowledge.shelves import Shelves
from tests.knowledge.builders import an_article

DOG = ("kan hun ta med hunden på krisesenteret?", "hund på krisesenter, går det", "får hun ha hund på krisesenteret")
COFFEE = ("kaffemaskina på vaktrommet er ødelagt", "kaffemaskina er ødelagt")
ANSWERS_DOG = an_article(
    "hund-pa-krisesenter",
    title="Kan hunden være med på krisesenteret?",
    questions=("kan hun ta med hunden på krisesenteret", "hund på krisesenter", "hvor gjør vi av hunden"),
    short="Spør krisesenteret før dere drar. Noen tar imot dyr.",
)


@pytest.fixture
def house(prepared: tuple[Path, House], db: Database, clock: SetClock) -> House:
    """A house on an empty database, with the shipped shelves in memory."""
    return replace(prepared[1], db=db, clock=clock)


async def ask(
    house: House, *texts: str, missing: str = "unknown", region: str = "46", nearest: Sequence[str] = ()
) -> None:
    async with house.db.write() as conn:
        for text in texts:
            await store.record_gap(
                conn,
                house.vault,
                missing=missing,
                text=text,
                nearest=nearest,
                confidence=0.2,
                language=Language.NB,
                country=Country.NO,
                region=region,
                now=house.clock.now(),
            )


async def settle(keeper: GapKeeper, house: House) -> None:
    for _ in range(100):
        if not await keeper.tick(house.clock.now()):
            return
    raise AssertionError("the gaps do not come to rest")


async def on_board(house: House, state: State = State.OPEN) -> list[gaps.Heap]:
    async with house.db.read() as conn:
        return list((await gaps.board(conn, house, state=state)).heaps)


async def the_heap(house: House, words: str, state: State = State.OPEN) -> gaps.Heap:
    return next(heap for heap in await on_board(house, state) if any(words in each.text for each in heap.questions))


def texts(heap: gaps.Heap) -> set[str]:
    return {question.text for question in heap.questions}


# --- laying -----------------------------------------------------------------------------------------------------------


async def test_what_asks_the_same_is_one_heap_and_a_second_keeper_goes_on_with_it(house: House) -> None:
    await ask(house, *DOG[:2], COFFEE[0])
    await settle(GapKeeper(house), house)
    assert {frozenset(texts(heap)) for heap in await on_board(house)} == {frozenset(DOG[:2]), frozenset(COFFEE[:1])}
    await ask(house, DOG[2], COFFEE[1])
    await settle(GapKeeper(house), house)  # another process, which has not seen what lies there
    assert {frozenset(texts(heap)) for heap in await on_board(house)} == {frozenset(DOG), frozenset(COFFEE)}


async def test_two_keepers_at_work_lay_nothing_twice(house: House) -> None:
    one, other = GapKeeper(house), GapKeeper(house)
    await ask(house, *DOG)
    await settle(one, house)
    await ask(house, *COFFEE)
    await settle(other, house)
    await ask(house, *DOG, *COFFEE)
    await one.tick(house.clock.now())
    await other.tick(house.clock.now())
    await settle(one, house)
    assert sorted(len(texts(heap)) for heap in await on_board(house)) == [2, 3]


async def test_a_service_that_nobody_offers_is_no_gap_of_the_shelves(house: House) -> None:
    await ask(house, "krisesenter for menn i Finnmark", missing="no_service")
    await settle(GapKeeper(house), house)
    assert await on_board(house) == []


async def test_few_are_told_as_few_and_no_time_is_nearer_than_a_week(house: House) -> None:
    await ask(house, *DOG)
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    assert not heap.count.told
    assert (heap.regions.named, heap.regions.elsewhere.told) == ((), False)
    assert heap.first_week == heap.last_week == house.clock.now().date() - timedelta(days=6)  # Monday
    await ask(house, *DOG, *DOG, region="46")
    await ask(house, *DOG, region="03")
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    assert heap.count.at_least == 10
    # Nine and three: naming the nine would tell of the three.
    assert heap.regions.named == ()
    await ask(house, *DOG, region="03")
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    assert [name for name, _ in heap.regions.named] == ["Vestland", "Oslo"]
    assert [count.at_least for _, count in heap.regions.named] == [5, 5]


async def test_a_gap_that_was_erased_leaves_the_board(house: House) -> None:
    await ask(house, DOG[0])
    await settle(GapKeeper(house), house)
    async with house.db.write() as conn:
        ids = (await conn.execute(select(store.gaps.c.id))).scalars().all()
        await store.erase_gaps(conn, house.vault, list(ids))
    assert await on_board(house) == []


# --- an editor's acts -------------------------------------------------------------------------------------------------


async def test_a_dismissal_needs_a_reason_and_can_be_taken_back(house: House) -> None:
    await ask(house, *COFFEE)
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    now = house.clock.now()
    for reason in ("", "   ", "x" * 501):
        with pytest.raises(GapError):
            async with house.db.write() as conn:
                await gaps.dismiss(conn, heap.id, reason=reason, actor="staff:eva", now=now)
    async with house.db.write() as conn:
        assert await gaps.dismiss(conn, heap.id, reason="Kaffe er ikke vår sak.", actor="staff:eva", now=now) == 2
        assert await gaps.dismiss(conn, heap.id, reason="En gang til.", actor="staff:eva", now=now) == 0
    assert await on_board(house) == []
    [gone] = await on_board(house, State.DISMISSED)
    assert (gone.reason, gone.by) == ("Kaffe er ikke vår sak.", "eva")
    async with house.db.write() as conn:
        assert await gaps.undo(conn, heap.id, actor="staff:ida", now=now) == 2
    assert [texts(each) for each in await on_board(house)] == [set(COFFEE)]


async def test_a_heap_becomes_a_draft_that_holds_the_chosen_questions(house: House) -> None:
    await ask(house, *DOG, "hun heter [navn] og vil ha hunden med på krisesenteret")
    await settle(GapKeeper(house), house)
    heap = await the_heap(house, "hund på krisesenter")
    chosen = [question.wording for question in heap.questions if question.text != DOG[2]]
    async with house.db.write() as conn:
        draft_id = await gaps.write_new(
            conn,
            house,
            heap.id,
            article_id="hund-pa-krisesenter",
            wordings=chosen,
            actor="staff:eva",
            now=house.clock.now(),
        )
        draft = await drafts.get_draft(conn, draft_id)
    assert draft is not None
    assert draft.country is Country.NO
    held = draft.body["questions"]["nb"]
    assert set(held) == set(chosen)
    assert not any("[" in wording or wording == DOG[2] for wording in held)
    assert not any(heap.id == other.id for other in await on_board(house))
    assert (await the_heap(house, "hund på krisesenter", State.IN_DRAFT)).draft_id == draft_id


async def test_a_question_is_added_to_an_article_beside_what_stands_there(house: House) -> None:
    tolk = an_article()
    async with house.db.write() as conn:
        await shelf_store.put_articles(conn, [tolk], actor="staff:eva", now=house.clock.now())
    await ask(house, "har vi lov å bruke tolk på telefon", "trenger tolk nå")
    await settle(GapKeeper(house), house)
    heap = await the_heap(house, "tolk på telefon")
    wordings = [question.wording for question in heap.questions]
    async with house.db.write() as conn:
        draft_id = await gaps.write_into(
            conn, house, heap.id, article_id=tolk.id, wordings=wordings, actor="staff:eva", now=house.clock.now()
        )
        draft = await drafts.get_draft(conn, draft_id)
    assert draft is not None
    before = [wording.text for wording in tolk.questions]
    assert draft.body["questions"]["nb"][: len(before)] == before
    assert draft.body["questions"]["nb"].count("trenger tolk nå") == 1  # it stood there already
    assert "har vi lov å bruke tolk på telefon" in draft.body["questions"]["nb"]


@pytest.mark.parametrize(("article_id", "wordings"), [("Ikke Lov", None), ("hund", ["noe annet"]), ("hund", [])])
async def test_what_cannot_be_a_draft_leaves_the_heap_where_it_is(
    house: House, article_id: str, wordings: list[str] | None
) -> None:
    await ask(house, *DOG)
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    chosen = [question.wording for question in heap.questions] if wordings is None else wordings
    with pytest.raises((GapError, drafts.DraftError)):
        async with house.db.write() as conn:
            await gaps.write_new(
                conn, house, heap.id, article_id=article_id, wordings=chosen, actor="staff:eva", now=house.clock.now()
            )
    assert [each.id for each in await on_board(house)] == [heap.id]


# --- closing ----------------------------------------------------------------------------------------------------------


def with_shelves(house: House, more: Article) -> None:
    """Publish, as far as the house's own memory goes."""
    library = house.library
    others = [article for article in library.shelves.articles[:6] if article.id != more.id]
    library._shelves = Shelves.build([*others, more], library.tools)
    assert library._version is not None
    library._version = replace(library._version, articles=library._version.articles + 1)


@pytest.fixture
def shelving(house: House) -> Any:
    """Puts the shelves back as they were."""
    library = house.library
    before = library._shelves, library._version
    yield lambda more: with_shelves(house, more)
    library._shelves, library._version = before


async def test_a_gap_that_the_shelves_answer_is_closed_by_the_revision_that_does(house: House, shelving: Any) -> None:
    await ask(house, *DOG[:2], *COFFEE)
    keeper = GapKeeper(house)
    await settle(keeper, house)
    assert len(await on_board(house)) == 2
    shelving(replace(ANSWERS_DOG, revision=3))
    await settle(keeper, house)
    assert [texts(heap) for heap in await on_board(house)] == [set(COFFEE)]
    async with house.db.read() as conn:
        rows = (await conn.execute(select(store.gaps).where(store.gaps.c.state == State.ANSWERED.value))).all()
    assert [(row.article_id, row.revision) for row in rows] == [(ANSWERS_DOG.id, 3)] * 2


async def test_what_did_not_help_is_not_closed_by_the_same_revision(house: House, shelving: Any) -> None:
    now = house.clock.now()
    async with house.db.write() as conn:
        await shelf_store.put_articles(conn, [ANSWERS_DOG], actor="staff:eva", now=now)
    shelving(ANSWERS_DOG)
    keeper = GapKeeper(house)
    await ask(house, DOG[0], missing="unhelpful", nearest=[ANSWERS_DOG.id])
    await settle(keeper, house)
    assert len(await on_board(house)) == 1
    house.clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]
    async with house.db.write() as conn:
        better = await shelf_store.save_article(
            conn, replace(ANSWERS_DOG, short="Ring krisesenteret først."), actor="staff:eva", now=house.clock.now()
        )
    shelving(better)
    await settle(keeper, house)
    assert await on_board(house) == []


async def test_a_draft_put_away_brings_its_gaps_back(house: House, shelving: Any) -> None:
    await ask(house, *DOG)
    keeper = GapKeeper(house)
    await settle(keeper, house)
    [heap] = await on_board(house)
    chosen = [question.wording for question in heap.questions]
    now = house.clock.now()
    async with house.db.write() as conn:
        draft_id = await gaps.write_new(
            conn, house, heap.id, article_id="hund", wordings=chosen, actor="staff:eva", now=now
        )
    assert await on_board(house) == []
    async with house.db.write() as conn:
        put_away = await drafts.abandon(conn, draft_id, actor="staff:eva", roles={"editor"}, now=now)
    assert put_away.stage is Stage.ABANDONED
    await settle(keeper, house)
    assert [each.id for each in await on_board(house)] == [heap.id]


async def test_what_is_closed_is_forgotten_in_time(house: House) -> None:
    await ask(house, *COFFEE)
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    now = house.clock.now()
    async with house.db.write() as conn:
        await gaps.dismiss(conn, heap.id, reason="Ikke vår sak.", actor="staff:eva", now=now)
        assert await gaps.delete_closed(conn, house.vault, before=now) == 0
        assert await gaps.delete_closed(conn, house.vault, before=now + timedelta(seconds=1)) == 2
        left = (await conn.execute(select(store.gaps.c.id))).all()
    assert left == []


# --- an advisor's answer ----------------------------------------------------------------------------------------------


async def conversation(house: House) -> str:
    now = house.clock.now()
    async with house.db.write() as conn:
        made = await store.create(
            conn,
            house.vault,
            Address(Channel.TELEGRAM, "7700902001"),
            kind=store.Kind.CLINICIAN,
            staff_id=None,
            language=Language.NB,
            country=Country.NO,
            now=now,
        )
        state = {"language": "nb", "country": "NO"}
        await store.keep_state(conn, house.vault, made, state, language=Language.NB, country=Country.NO)
    return made


async def keep(house: House, conversation_id: str, question: str, reply: str) -> str:
    async with house.db.write() as conn:
        return await gaps.keep_guidance(
            conn,
            house,
            conversation_id,
            question=question,
            reply=reply,
            language=Language.NB,
            country=Country.NO,
            actor="staff:asha",
            now=house.clock.now(),
        )


async def test_an_advisors_answer_is_masked_once_more_and_goes_into_the_draft(house: House) -> None:
    spoken = await conversation(house)
    await keep(house, spoken, "kan Kari Nordmann ta med hunden", "Ring senteret. Min mobil er 912 34 567.")
    await settle(GapKeeper(house), house)
    [heap] = await on_board(house)
    [reply] = heap.replies
    assert "Nordmann" not in str(texts(heap))
    assert "912 34" not in reply
    assert reply.startswith("Ring senteret.")
    assert heap.kinds == (gaps.GUIDANCE,)
    async with house.db.write() as conn:
        draft_id = await gaps.write_new(
            conn,
            house,
            heap.id,
            article_id="hund",
            wordings=[question.wording for question in heap.questions],
            actor="staff:eva",
            now=house.clock.now(),
        )
        draft = await drafts.get_draft(conn, draft_id)
    assert draft is not None
    assert draft.body["details"] == reply


async def test_an_advisors_answer_goes_when_the_clinician_erases_what_she_wrote(house: House) -> None:
    spoken = await conversation(house)
    gap_id = await keep(house, spoken, "hund på krisesenter", "Ring senteret først.")
    async with house.db.read() as conn:
        known = await store.get(conn, house.vault, spoken)
    assert known is not None
    assert known.state is not None
    assert known.state["gaps"] == [gap_id]


@pytest.mark.parametrize(
    ("question", "reply"), [("", "svar"), ("spørsmål", " "), ("x" * 401, "svar"), ("spørsmål", "y" * 4_001)]
)
async def test_what_says_nothing_or_too_much_is_not_kept(house: House, question: str, reply: str) -> None:
    spoken = await conversation(house)
    with pytest.raises(GapError):
        await keep(house, spoken, question, reply)
