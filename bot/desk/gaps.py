"""The gap board: what clinicians asked and the shelves did not answer, on heaps of questions that ask the same.

From a heap an editor goes to a draft that holds its questions, adds them to an article, or dismisses them with a
reason. Numbers, places and times are told as `knowledge/gaps.py` allows; the questions were masked before they were
stored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers, gaps
from bot.desk.door import DeskDoor
from bot.desk.telling import Telling, telling
from bot.gaps import GapError, Heap, State
from helpline.accounts import Role, Staff
from helpline.messages import Country, Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from knowledge.drafts import AlreadyThere, DraftError
from knowledge.gaps import Count

HERE: Final = "/desk/gaps"
WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
_HEAP: Final = HERE + "/{heap:[0-9a-f]{32}}"
_BODY: Final = 128 * KILOBYTE
_SUGGESTED: Final = 6
_SHOWN: Final = (State.OPEN, State.IN_DRAFT, State.DISMISSED)
_ARTICLE_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORD: Final = re.compile(r"[a-z0-9]+")
_LETTERS: Final = str.maketrans("øåäöæ", "oaaoa")


@dataclass(frozen=True)
class Shown:
    """One heap in words."""

    id: str
    country: Country
    title: str
    language: str
    count: str
    when: str
    where: str
    kinds: str
    questions: tuple[tuple[str, str, str], ...]  # text, wording, language
    more: bool
    replies: tuple[str, ...]
    nearest: tuple[tuple[str, str], ...]  # id and title of articles
    proposed_id: str
    reason: str
    by: str
    draft: int | None


class GapDesk:
    """The routes of the board."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        door.counts[HERE] = self._count

    def routes(self) -> list[Route]:
        """The addresses of gaps."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("GET", _HEAP + "/{act:[a-z]+}", self.back, staff),
            Route("POST", _HEAP + "/new", self.write_new, staff, _BODY),
            Route("POST", _HEAP + "/add", self.write_into, staff, _BODY),
            Route("POST", _HEAP + "/dismiss", self.dismiss, staff, _BODY),
            Route("POST", _HEAP + "/undo", self.undo, staff),
        ]

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        return await gaps.open_heaps(conn)

    # --- the board ----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The heaps."""
        told = request.query.get("told", "")
        notice = self._door.say(request, f"desk.gaps.told.{told}") if told in {"dismissed", "undone"} else ""
        return await self._page(request, notice=notice)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the board."""
        return see_other(HERE)

    async def _page(
        self,
        request: web.Request,
        *,
        status: int = 200,
        notice: str = "",
        wrong: Mapping[str, str] | None = None,
        typed: Mapping[str, Any] | None = None,
    ) -> web.Response:
        self._door.member(request, *WRITERS)
        query = request.query
        state = next((each for each in _SHOWN if each.value == query.get("state")), State.OPEN)
        country = next((each for each in Country if each.value == query.get("country")), None)
        asked = query.get("page", "1")
        async with self._house.db.read() as conn:
            found = await gaps.board(
                conn,
                self._house,
                state=state,
                country=country,
                page=int(asked) if asked.isdecimal() and len(asked) < 7 else 1,
            )
            heaps = list(found.heaps)
            heap_id = request.match_info.get("heap")
            if wrong and heap_id:
                # What somebody typed is shown again, first of all, on whatever page it stands.
                again = await gaps.heap_of(conn, self._house, heap_id, state)
                others = [heap for heap in heaps if heap.id != heap_id]
                heaps = [again, *others] if again is not None else others
            tell = await telling(self._door, request, conn)
        chosen = {"country": country.value} if country is not None else {}
        address = f"{HERE}?{urlencode({**chosen, 'state': state.value})}"
        return self._door.pages.page(
            "desk/gaps.html",
            request[LANGUAGE],
            status=status,
            heaps=[self._shown(tell, request[LANGUAGE], heap) for heap in heaps],
            state=state.value,
            tabs=[
                (f"{HERE}?{urlencode({**chosen, 'state': each.value})}", self._door.say(request, f"desk.gaps.{each}"))
                for each in _SHOWN
            ],
            open_tab=address,
            country=country.value if country is not None else "",
            countries=[(each.value, self._door.say(request, f"country.{each}")) for each in Country],
            page=found.page,
            pages=found.pages,
            waiting=found.waiting,
            address=f"{address}&",
            notice=notice,
            wrong=wrong or {},
            wrong_heap=request.match_info.get("heap", ""),
            typed=typed or {},
            **await self._door.frame(request),
        )

    def _shown(self, tell: Telling, language: Language, heap: Heap) -> Shown:
        weeks = {tell.day(heap.first_week), tell.day(heap.last_week)}
        first = heap.questions[0] if heap.questions else None
        regions = [tell.say("desk.gaps.region", name=name, count=count.at_least) for name, count in heap.regions.named]
        if regions and heap.regions.elsewhere.told:
            regions.append(
                tell.say(
                    "desk.gaps.region", name=tell.say("desk.gaps.elsewhere"), count=heap.regions.elsewhere.at_least
                )
            )
        return Shown(
            id=heap.id,
            country=heap.country,
            title=first.wording if first is not None else tell.say("desk.gaps.nothing_readable"),
            language=first.language.value if first is not None else "",
            count=_told(tell, heap.count),
            when=tell.say("desk.gaps.week", week=tell.day(heap.last_week))
            if len(weeks) == 1
            else tell.say("desk.gaps.weeks", first=tell.day(heap.first_week), last=tell.day(heap.last_week)),
            where=", ".join(regions) or tell.say("desk.gaps.nowhere"),
            kinds=", ".join(tell.say(f"desk.gaps.kind.{kind}") for kind in heap.kinds),
            questions=tuple((each.text, each.wording, each.language.value) for each in heap.questions),
            more=heap.more,
            replies=heap.replies,
            nearest=self._nearest(heap, language),
            proposed_id=self._proposed_id(heap),
            reason=heap.reason,
            by=tell.who(heap.by),
            draft=heap.draft_id,
        )

    def _nearest(self, heap: Heap, language: Language) -> tuple[tuple[str, str], ...]:
        """Articles that come near, those first that the line itself had found."""
        shelves = self._house.library.shelves
        ids = list(heap.nearest)
        if len(ids) < 3 and heap.questions:
            first = heap.questions[0]
            found = shelves.find(first.wording, country=heap.country, language=first.language)
            ids += [candidate.article_id for candidate in found.candidates[:3]]
        known = [shelves.article(each) for each in dict.fromkeys(ids)]
        return tuple(
            (article.id, answers.title(article, language))
            for article in known
            if article is not None and article.country is heap.country
        )[:_SUGGESTED]

    def _proposed_id(self, heap: Heap) -> str:
        """An id for a new article, made of the question's own words; the editor may choose another."""
        words = _plain(heap.questions[0].wording) if heap.questions else []
        telling_words = [word for word in words if word not in _EMPTY and len(word) > 1][:4] or ["ny"]
        base = "-".join(([] if heap.country is Country.NO else ["se"]) + telling_words)[:60].strip("-")
        taken = self._house.library.shelves.article
        return next(name for name in (base, *(f"{base}-{number}" for number in range(2, 100))) if taken(name) is None)

    # --- doing --------------------------------------------------------------------------------------------------------

    async def write_new(self, request: web.Request) -> web.StreamResponse:
        """A draft of a new article that holds the chosen questions."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        article_id = str(form.get("id", "")).strip().lower()
        wordings = [str(each) for each in form.getall("wording", [])]
        if not _ARTICLE_ID.fullmatch(article_id):
            return await self._again(request, {"id": self._door.say(request, "desk.gaps.no.id")}, form)
        if self._house.library.shelves.article(article_id) is not None:
            return await self._again(request, {"id": self._door.say(request, "desk.gaps.no.taken")}, form)
        try:
            async with self._house.db.write() as conn:
                draft_id = await gaps.write_new(
                    conn,
                    self._house,
                    request.match_info["heap"],
                    article_id=article_id,
                    wordings=wordings,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except AlreadyThere:
            return await self._again(request, {"id": self._door.say(request, "desk.gaps.no.taken")}, form)
        except DraftError as error:
            return await self._again(request, {"id": self._door.say(request, error.key, **error.values)}, form)
        except GapError as error:
            return await self._refused(request, error, "wording", form)
        return see_other(f"/desk/drafts/{draft_id}")

    async def write_into(self, request: web.Request) -> web.StreamResponse:
        """The draft of an article, with the chosen questions among its wordings."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        article_id = str(form.get("other", "")).strip().lower() or str(form.get("article", ""))
        wordings = [str(each) for each in form.getall("wording", [])]
        if self._house.library.shelves.article(article_id) is None:
            return await self._again(request, {"other": self._door.say(request, "desk.gaps.no.article")}, form)
        try:
            async with self._house.db.write() as conn:
                draft_id = await gaps.write_into(
                    conn,
                    self._house,
                    request.match_info["heap"],
                    article_id=article_id,
                    wordings=wordings,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except DraftError as error:
            return await self._again(request, {"other": self._door.say(request, error.key, **error.values)}, form)
        except GapError as error:
            return await self._refused(request, error, "wording", form)
        return see_other(f"/desk/drafts/{draft_id}")

    async def dismiss(self, request: web.Request) -> web.StreamResponse:
        """Dismiss a heap, with a reason. Pressing twice is as good as once."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        try:
            async with self._house.db.write() as conn:
                await gaps.dismiss(
                    conn,
                    request.match_info["heap"],
                    reason=str(form.get("reason", "")),
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except GapError as error:
            return await self._refused(request, error, "reason", form)
        return see_other(f"{HERE}?told=dismissed")

    async def undo(self, request: web.Request) -> web.StreamResponse:
        """Take a dismissal back."""
        staff = self._door.member(request, *WRITERS)
        await self._door.form(request)
        async with self._house.db.write() as conn:
            await gaps.undo(conn, request.match_info["heap"], actor=f"staff:{staff.id}", now=self._house.clock.now())
        return see_other(f"{HERE}?told=undone")

    async def _refused(self, request: web.Request, error: GapError, field: str, form: Any) -> web.Response:
        if error.phrase == "desk.gaps.no.heap":
            async with self._house.db.read() as conn:
                if await gaps.heap_of(conn, self._house, request.match_info["heap"], State.IN_DRAFT) is None:
                    raise Refused(404, "error.not_found") from error
            return await self._page(request, status=409, notice=self._door.say(request, "desk.gaps.no.in_draft"))
        return await self._again(request, {field: self._door.say(request, error.phrase, **error.values)}, form)

    async def _again(self, request: web.Request, wrong: Mapping[str, str], form: Any) -> web.Response:
        """The board with what was typed, and what is wrong with it."""
        typed = {name: str(form.get(name, "")) for name in ("id", "article", "other", "reason")}
        return await self._page(
            request, status=422, wrong=wrong, typed={**typed, "wordings": set(form.getall("wording", []))}
        )


def _told(tell: Telling, count: Count) -> str:
    return tell.say("desk.gaps.at_least", count=count.at_least) if count.told else tell.say("desk.gaps.few")


def _plain(text: str) -> list[str]:
    """The words of a text in the letters an id may hold."""
    bare = text.casefold().translate(_LETTERS)
    bare = "".join(sign for sign in unicodedata.normalize("NFD", bare) if not unicodedata.combining(sign))
    return _WORD.findall(bare)


# Words that name no matter, in an id made of a question.
_EMPTY: Final = frozenset(
    _plain(
        "a at av ble blir da de den det du eller en er et ett får for fra går gjør ha han har hans hen henne hennes "
        "ho hun hva hvem hvor hvordan hvorfor i ikke inn jeg kan kva kven korleis man med men mens må no når og om "
        "opp pa pas pasient pasienten skal som ta til ut vad vem var vi vil ved what who how can does do he her his "
        "is it my of on or she the they to we with "
    )
)
