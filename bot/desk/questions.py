"""Question sets on the desk: what must still be answered after a change, and at what level.

A question is written as somebody really asks it, or taken from what was asked and not answered. What is right is one
of a few articles, or one of three words. Whatever is typed is masked before it is kept, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import gaps
from bot.desk.door import DeskDoor
from bot.desk.telling import telling
from helpline import audit
from helpline.accounts import Role, Staff
from helpline.messages import Country, Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from knowledge import question_sets
from knowledge.question_sets import QuestionError
from knowledge.questions import LONGEST, WORDS, Question, QuestionSet

WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
_SET: Final = "/desk/questions/{set:[a-z0-9-]+}"
_BODY: Final = 64 * KILOBYTE
_PAGE: Final = 50
_NEAREST: Final = 5
_REAL: Final = 20
_TOLD: Final = frozenset({"added", "changed", "removed", "level"})


class QuestionDesk:
    """The routes of question sets."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses of question sets."""
        staff = Access.STAFF
        return [
            Route("GET", "/desk/questions", self.show_all, staff),
            Route("POST", "/desk/questions", self.add_set, staff, _BODY),
            Route("GET", _SET, self.show, staff),
            Route("POST", _SET, self.change, staff, _BODY),
        ]

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """Every set."""
        self._door.member(request, *WRITERS)
        return await self._all(request)

    async def _all(
        self, request: web.Request, *, refused: str = "", typed: Mapping[str, str] | None = None, status: int = 200
    ) -> web.Response:
        async with self._house.db.read() as conn:
            sets = await question_sets.all_sets(conn)
        return self._door.pages.page(
            "desk/question_sets.html",
            request[LANGUAGE],
            status=status,
            sets=sets,
            countries=self._countries(request),
            refused=refused,
            typed=typed or {},
            **await self._door.frame(request),
        )

    async def add_set(self, request: web.Request) -> web.StreamResponse:
        """Begin a set."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        typed = {name: str(form.get(name, "")).strip() for name in ("id", "title", "country", "level")}
        country = next((one for one in Country if one.value == typed["country"]), None)
        if country is None:
            raise Refused(400, "error.bad_request")
        try:
            async with self._house.db.write() as conn:
                await question_sets.add_set(
                    conn,
                    typed["id"],
                    title=typed["title"],
                    country=country,
                    level=_level(typed["level"]),
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except QuestionError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._all(request, refused=said, typed=typed, status=422)
        return see_other(f"/desk/questions/{typed['id']}")

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One set with its questions."""
        self._door.member(request, *WRITERS)
        told = request.query.get("told", "")
        said = self._door.say(request, f"desk.questions.told.{told}") if told in _TOLD else ""
        return await self._page(request, told=said)

    async def _page(
        self,
        request: web.Request,
        *,
        told: str = "",
        refused: str = "",
        typed: Mapping[str, Any] | None = None,
        editing: str = "",
        status: int = 200,
    ) -> web.Response:
        async with self._house.db.read() as conn:
            found = await question_sets.get_set(conn, request.match_info["set"])
            if found is None:
                raise Refused(404, "error.not_found")
            real = await self._real(conn, found)
            entries = await audit.entries(conn, subject=f"questions:{found.id}", limit=20)
            tell = await telling(self._door, request, conn)
        words = request.query.get("text", "")[:200].casefold().split()
        wanted = [question for question in found.questions if all(word in _searched(question) for word in words)]
        asked = request.query.get("page", "1")
        pages = max(1, -(-len(wanted) // _PAGE))
        page = min(max(int(asked) if asked.isdecimal() and len(asked) < 6 else 1, 1), pages)
        editing = editing or request.query.get("edit", "")
        filled = typed or self._filled(next((one for one in found.questions if one.id == editing), None))
        return self._door.pages.page(
            "desk/question_set.html",
            request[LANGUAGE],
            status=status,
            it=found,
            questions=wanted[(page - 1) * _PAGE : page * _PAGE],
            titles=self._titles(wanted),
            found=len(wanted),
            text=request.query.get("text", ""),
            page=page,
            pages=pages,
            address=f"/desk/questions/{found.id}?",
            editing=editing if any(one.id == editing for one in found.questions) else "",
            typed=filled,
            nearest=self._nearest(found, filled),
            real=real,
            words=WORDS,
            tongues=[(one.value, self._door.say(request, f"language.{one}")) for one in Language],
            events=[
                (tell.moment(one.at), tell.who(one.actor), one.action, one.details)
                for one in entries
                if self._house.phrases.has(f"desk.questions.event.{one.action}")
            ],
            told=told,
            refused=refused,
            longest=LONGEST,
            **await self._door.frame(request),
        )

    def _filled(self, question: Question | None) -> dict[str, Any]:
        if question is None:
            return {"text": "", "language": "", "answer": "", "articles": (), "others": ""}
        is_word = isinstance(question.expected, str)
        return {
            "text": question.text,
            "language": question.language.value,
            "answer": question.expected if is_word else "article",
            "articles": () if is_word else tuple(question.expected),
            "others": "",
        }

    def _nearest(self, found: QuestionSet, filled: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the shelves find for the question, and what is expected already: to be ticked."""
        shelves = self._house.library.shelves
        ids = list(filled["articles"])
        if str(filled["text"]).strip():
            nearest = shelves.find(str(filled["text"])[:LONGEST], country=found.country).candidates
            ids += [one.article_id for one in nearest[:_NEAREST]]
        shown = []
        for one in dict.fromkeys(ids):
            article = shelves.article(one)
            shown.append((one, article.title if article is not None else one))
        return shown

    def _titles(self, questions: list[Question]) -> dict[str, str]:
        shelves = self._house.library.shelves
        ids = {one for question in questions if not isinstance(question.expected, str) for one in question.expected}
        return {one: article.title for one in ids if (article := shelves.article(one)) is not None}

    async def _real(self, conn: AsyncConnection, found: QuestionSet) -> list[tuple[str, str]]:
        """Questions that were really asked and not answered, with nobody recognisable in them."""
        board = await gaps.board(conn, self._house, state=gaps.State.OPEN, country=found.country)
        there = {" ".join(question.text.casefold().split()) for question in found.questions}
        asked = [(one.wording, one.language.value) for heap in board.heaps for one in heap.questions]
        return [one for one in asked if one[0] and one[0].casefold() not in there][:_REAL]

    # --- changing -----------------------------------------------------------------------------------------------------

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Add, change or remove a question, or agree on another level."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        set_id, (do, _, which) = request.match_info["set"], str(form.get("do", "")).partition(":")
        typed = {
            "text": str(form.get("text", "")),
            "language": str(form.get("language", "")),
            "answer": str(form.get("answer", "")),
            "articles": tuple(str(one) for one in form.getall("articles", [])),
            "others": str(form.get("others", "")),
        }
        if do == "pick":
            picked = {"text": str(form.get("picked", "")), "language": str(form.get("picked.language", ""))}
            return await self._page(request, typed={**self._filled(None), **picked})
        if do == "look":
            return await self._page(request, typed=typed, editing=which)
        try:
            async with self._house.db.write() as conn:
                await self._do(conn, set_id, do, which, staff, typed, str(form.get("level", "")))
        except QuestionError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._page(request, refused=said, typed=typed, editing=which, status=422)
        told = {"add": "added", "change": "changed", "remove": "removed", "level": "level"}[do]
        return see_other(f"/desk/questions/{set_id}?told={told}")

    async def _do(
        self,
        conn: AsyncConnection,
        set_id: str,
        do: str,
        which: str,
        staff: Staff,
        typed: Mapping[str, Any],
        level: str,
    ) -> None:
        actor, now = f"staff:{staff.id}", self._house.clock.now()
        match do:
            case "level":
                await question_sets.set_level(conn, set_id, _level(level), actor=actor, roles=staff.roles, now=now)
            case "remove":
                await question_sets.remove_question(conn, set_id, which, actor=actor, now=now)
            case "add" | "change":
                language = next((one for one in Language if one.value == typed["language"]), Language.NB)
                text = self._house.masker.mask(typed["text"], language).text
                right = _right(typed)
                if do == "add":
                    await question_sets.add_question(
                        conn, set_id, text=text, language=language, expected=right, actor=actor, now=now
                    )
                else:
                    await question_sets.change_question(
                        conn, set_id, which, text=text, language=language, expected=right, actor=actor, now=now
                    )
            case _:
                raise Refused(400, "error.bad_request")

    def _countries(self, request: web.Request) -> list[tuple[str, str]]:
        return [(one.value, self._door.say(request, f"country.{one}")) for one in Country]


def _level(written: str) -> float:
    """A share, written in per cent."""
    number = written.replace("%", "").replace(",", ".").strip()
    try:
        return float(number) / 100
    except ValueError:
        raise QuestionError("desk.questions.bad_level") from None


def _right(typed: Mapping[str, Any]) -> tuple[str, ...] | str:
    """What would be right: one of the words, or the articles that were ticked or named."""
    if typed["answer"] in WORDS:
        return str(typed["answer"])
    named = str(typed["others"]).replace(",", " ").split()
    return tuple(dict.fromkeys([*typed["articles"], *named]))


def _searched(question: Question) -> str:
    expected = question.expected if isinstance(question.expected, str) else " ".join(question.expected)
    return f"{question.text} {expected}".casefold()
