"""Trying a question: what the line would do with it now, or with a draft in its article's place, and why.

Nothing that is typed here is kept. A draft is tried on shelves of its own (`bot/trying.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.trying import Trials
from helpline.accounts import Role
from helpline.content import ContentError
from helpline.messages import Country, Language
from helpline.sessions import staff_of
from helpline.web import KILOBYTE, LANGUAGE, Access, Route
from knowledge import drafts
from knowledge.drafts import Draft
from knowledge.search import Reasons
from knowledge.shelves import Outcome, Shelves, ask_line
from knowledge.terms import words_in

HERE: Final = "/desk/try"
TRIERS: Final = (Role.EDITOR, Role.REVIEWER, Role.ADVISOR)
WRITERS: Final = frozenset({Role.EDITOR, Role.REVIEWER})  # who may see drafts
_BODY: Final = 32 * KILOBYTE
_LONGEST: Final = 4_000
_WORDS_SHOWN: Final = 8
_GIVEN: Final = frozenset({Outcome.ANSWER.value, Outcome.CLARIFY.value})
_COUNTRY_OF: Final = {Language.SV: Country.SE}


@dataclass(frozen=True)
class Row:
    """One article that came up."""

    id: str
    title: str
    language: str
    draft: bool
    sure: str
    total: str
    words: str
    meaning: str
    reader: str


@dataclass(frozen=True)
class Result:
    """What the page shows of one question."""

    outcome: str
    danger: str
    rules: tuple[str, ...]
    read: str  # the words as they were read, where typing errors were put right
    law: str
    sure: int  # per cent
    answer_from: int
    among: int
    suggest_from: int
    answerable: bool  # whether these shelves allow any straight answer
    worded: bool
    short: str
    short_language: str
    matched: tuple[tuple[str, int], ...]  # words of the question, per cent
    nearest: str
    nearest_share: int
    rows: tuple[Row, ...]
    says: tuple[tuple[str, str], ...]  # what each score alone would put first


class TryDesk:
    """The routes of trying."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._trials = Trials(door.house.library)

    def routes(self) -> list[Route]:
        """The addresses of trying."""
        return [
            Route("GET", HERE, self.show, Access.STAFF),
            Route("POST", HERE, self.ask, Access.STAFF, _BODY),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The empty page."""
        self._door.member(request, *TRIERS)
        typed = {"draft": request.query.get("draft", ""), "country": request.query.get("country", "")}
        return await self._page(request, typed)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """One question."""
        self._door.member(request, *TRIERS)
        form = await self._door.form(request)
        typed = {name: str(form.get(name, "")).replace("\r\n", "\n") for name in ("text", "country", "draft")}
        text = typed["text"].strip()
        if not text or len(text) > _LONGEST:
            key = "desk.try.empty" if not text else "desk.try.long"
            return await self._page(request, typed, {"text": self._door.say(request, key)}, status=400)
        draft = await self._draft(request, typed["draft"])
        if typed["draft"] and draft is None:
            return await self._page(request, typed, {"draft": self._door.say(request, "desk.try.no_draft")}, status=400)
        try:
            shelves = self._house.library.shelves if draft is None else await self._trials.with_draft(draft)
        except ContentError:
            return await self._page(request, typed, {"draft": self._door.say(request, "desk.try.unfit")}, status=400)
        result = self._result(request, text, self._country(request, typed["country"]), shelves, draft)
        return await self._page(request, typed, result=result)

    # --- what is tried ------------------------------------------------------------------------------------------------

    def _country(self, request: web.Request, written: str) -> Country:
        chosen = next((one for one in Country if one.value == written), None)
        return chosen or _COUNTRY_OF.get(request[LANGUAGE], Country.NO)

    async def _draft(self, request: web.Request, written: str) -> Draft | None:
        if not (staff_of(request).roles & WRITERS and written.isascii() and written.isdigit() and len(written) < 10):
            return None
        async with self._house.db.read() as conn:
            draft = await drafts.get_draft(conn, int(written))
        return draft if draft is not None and draft.is_open else None

    # --- what came of it ----------------------------------------------------------------------------------------------

    def _result(
        self, request: web.Request, text: str, country: Country, shelves: Shelves, draft: Draft | None
    ) -> Result:
        library, now = self._house.library, self._house.clock.now()
        said = ask_line(
            shelves,
            library.urgency.assess,
            {"text": text, "country": country.value},
            smalltalk=library.smalltalk,
            standing=library.standing,
            now=now,
        )
        reasons, nearest = shelves.explain(text, country=country)
        first = shelves.article(reasons.weighed[0].article_id) if reasons.weighed else None
        answer = shelves.answer(first, language=request[LANGUAGE]) if first is not None else None
        repaired = " ".join(reasons.read)
        return Result(
            outcome=said["outcome"],
            danger=said["danger"],
            rules=tuple(one.removeprefix("danger: ") for one in said["reasons"] if one.startswith("danger: ")),
            read=repaired if repaired != " ".join(words_in(text)) else "",
            law=", ".join(self._door.say(request, f"country.{one.value}") for one in reasons.found.countries),
            sure=round(100 * reasons.found.confidence),
            answer_from=min(round(100 * reasons.answer_from), 100),
            among=round(100 * reasons.among),
            suggest_from=round(100 * reasons.suggest_from),
            answerable=reasons.answer_from <= 1,
            worded=reasons.worded,
            short=answer.short if answer is not None and said["outcome"] in _GIVEN else "",
            short_language=answer.language.value if answer is not None else "",
            matched=tuple((word, round(100 * share)) for word, share in _matched(reasons)[:_WORDS_SHOWN]),
            nearest=nearest[0] if nearest is not None else "",
            nearest_share=round(100 * nearest[1]) if nearest is not None else 0,
            rows=tuple(self._rows(reasons, shelves, draft)),
            says=tuple(
                (self._door.say(request, f"desk.try.by.{name}"), self._title(shelves, article))
                for name, article in reasons.first_by.items()
            ),
        )

    def _rows(self, reasons: Reasons, shelves: Shelves, draft: Draft | None) -> list[Row]:
        rows = []
        for candidate, one in zip(reasons.found.candidates, reasons.weighed, strict=True):
            article = shelves.article(one.article_id)
            rows.append(
                Row(
                    id=one.article_id,
                    title=self._title(shelves, one.article_id),
                    language=article.language.value if article is not None else "",
                    draft=draft is not None and draft.article_id == one.article_id,
                    sure=f"{candidate.score:.2f}",
                    total=f"{one.total:.2f}",
                    words=f"{one.words:.2f}",
                    meaning=f"{one.meaning:.2f}",
                    reader=f"{one.reader:.2f}",
                )
            )
        return rows

    def _title(self, shelves: Shelves, article_id: str) -> str:
        article = shelves.article(article_id)
        return article.title if article is not None and article.title else article_id

    async def _page(
        self,
        request: web.Request,
        typed: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        *,
        result: Result | None = None,
        status: int = 200,
    ) -> web.Response:
        written: list[Draft] = []
        if staff_of(request).roles & WRITERS:
            async with self._house.db.read() as conn:
                written = await drafts.list_drafts(conn)
        country = self._country(request, typed.get("country", ""))
        context: dict[str, Any] = {
            "typed": typed,
            "errors": errors or {},
            "result": result,
            "country": country.value,
            "countries": [(one.value, self._door.say(request, f"country.{one.value}")) for one in Country],
            "drafts": [(str(draft.id), str(draft.body.get("title") or draft.article_id)) for draft in written],
        }
        return self._door.pages.page(
            "desk/try.html", request[LANGUAGE], status=status, **context, **await self._door.frame(request)
        )


def _matched(reasons: Reasons) -> tuple[tuple[str, float], ...]:
    return reasons.weighed[0].matched if reasons.weighed else ()
