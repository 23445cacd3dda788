"""A question tried over the API: what the line would do with it, and why this article. Nothing of it is kept."""

from __future__ import annotations

import asyncio

from bot.api import shapes
from bot.api.operations import WRITERS, Answer, Call, Operation, Storage
from bot.api.problems import Trouble, Wrong, bad_fields
from bot.house import House
from bot.trying import Trials
from helpline.accounts import Role
from helpline.content import ContentError
from helpline.messages import Country, Language
from knowledge import drafts
from knowledge.shelves import Outcome, Shelves, ask_line

_TRIERS = WRITERS | {Role.ADVISOR}
_GIVEN = frozenset({Outcome.ANSWER, Outcome.CLARIFY})


class TryApi:
    """The operation of trying."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._trials = Trials(house.library)

    def operations(self) -> list[Operation]:
        """What can be done."""
        return [
            Operation(
                "tryQuestion",
                "POST",
                "/try",
                "What would be answered, and why this article",
                "questions",
                _TRIERS,
                self.ask,
                takes=shapes.TryIn,
                gives=shapes.TryOut,
                storage=Storage.NONE,
                description="Of the shelves as they are, or for editors and reviewers with an open draft on them.",
            )
        ]

    async def ask(self, call: Call) -> Answer:
        """Ask, and explain."""
        body: shapes.TryIn = call.body
        shelves = self._house.library.shelves if body.draft_id is None else await self._with(call, body.draft_id)
        return Answer(await asyncio.to_thread(self._tried, call, body, shelves))

    async def _with(self, call: Call, draft_id: int) -> Shelves:
        draft = None
        if call.roles & WRITERS:
            async with self._house.db.read() as conn:
                draft = await drafts.get_draft(conn, draft_id)
        if draft is None or not draft.is_open:
            raise bad_fields([Wrong("draft_id", "There is no open draft of this id.")])
        try:
            return await self._trials.with_draft(draft)
        except ContentError as error:
            raise Trouble(
                422, "unreadable", "desk.draft.unreadable", {"count": 1}, errors=[Wrong("draft_id", error.sentence)]
            ) from error

    def _tried(self, call: Call, body: shapes.TryIn, shelves: Shelves) -> shapes.TryOut:
        library = self._house.library
        country = body.country or (Country.SE if body.language is Language.SV else self._house.country)
        asked: dict[str, object] = {"text": body.text, "country": country.value}
        if body.language is not None:
            asked["language"] = body.language.value
        said = ask_line(
            shelves,
            library.urgency.assess,
            asked,
            smalltalk=library.smalltalk,
            standing=library.standing,
            now=call.now,
        )
        language = Language(said["language"])
        reasons, nearest = shelves.explain(body.text, country=country)
        first = shelves.article(reasons.weighed[0].article_id) if reasons.weighed else None
        given = first is not None and said["outcome"] in _GIVEN
        titles = {article.id: article.title for article in shelves.articles} if reasons.weighed else {}
        return shapes.TryOut(
            outcome=Outcome(said["outcome"]),
            danger=said["danger"],
            language=language,
            country=country,
            answer=shelves.answer(first, language=language).short if first is not None and given else None,
            confidence=min(max(reasons.found.confidence, 0.0), 1.0),
            answer_from=reasons.answer_from,
            suggest_from=reasons.suggest_from,
            read=list(reasons.read),
            worded=reasons.worded,
            nearest=shapes.Nearest(wording=nearest[0], likeness=nearest[1]) if nearest is not None else None,
            articles=[
                shapes.Candidate(
                    id=one.article_id,
                    title=titles.get(one.article_id, one.article_id),
                    score=candidate.score,
                    total=one.total,
                    words=one.words,
                    meaning=one.meaning,
                    reader=one.reader,
                    matched=[shapes.Matched(word=word, share=share) for word, share in one.matched],
                )
                for candidate, one in zip(reasons.found.candidates, reasons.weighed, strict=True)
            ],
            first_by=dict(reasons.first_by),
            reasons=list(said["reasons"]),
        )
