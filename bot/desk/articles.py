"""The shelves as staff see them: every article, how it stands, each of its revisions, and who did what to it.

Everybody on staff may read. Editors and reviewers open drafts from here; what they write is `bot/desk/editor.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk import catalogue
from bot.desk.catalogue import Catalogue, State, Wanted
from bot.desk.door import EVERYBODY, DeskDoor
from bot.desk.telling import Telling, telling
from helpline.accounts import Role
from helpline.messages import Country, Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from knowledge import drafts, store
from knowledge.articles import Article, Confidence
from knowledge.diff import diff
from knowledge.drafts import AlreadyThere, Draft, DraftError
from knowledge.store import SHIPPED, Revision, Standing

WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
_ID: Final = "{id:[a-z0-9-]+}"
_BODY: Final = 64 * KILOBYTE
_MOST_EVENTS: Final = 200

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class Past:
    """One revision in the list of them."""

    number: int
    by: str
    approved_by: str
    at: str
    changed: tuple[str, ...]  # fields
    small: bool
    standing: bool


class ArticleDesk:
    """The routes of the shelves."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._catalogue = Catalogue()

    def routes(self) -> list[Route]:
        """The addresses of articles."""
        staff = Access.STAFF
        one = f"/desk/articles/{_ID}"
        return [
            Route("GET", "/desk/articles", self.show_all, staff),
            Route("GET", "/desk/articles/", self.home, staff),
            Route("GET", one, self.show, staff),
            Route("GET", one + "/history", self.history, staff),
            Route("GET", one + "/trail", self.trail, staff),
            Route("GET", one + "/{revision:[0-9]+}", self.revision, staff),
            Route("GET", one + "/{action:draft|retire|restore}", self.back, staff),
            Route("POST", one + "/draft", self.draft, staff, _BODY),
            Route("POST", one + "/retire", self.retire, staff, _BODY),
            Route("POST", one + "/restore", self.restore, staff, _BODY),
        ]

    # --- the list ---------------------------------------------------------------------------------------------------

    async def home(self, request: web.Request) -> web.StreamResponse:
        """The list's address with one sign too many."""
        return see_other("/desk/articles")

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """What stands on the shelves, as far as it fits what is looked for."""
        self._door.member(request, *EVERYBODY)
        wanted = _wanted(request.query)
        shelves, now = self._house.library.shelves, self._house.clock.now()
        async with self._house.db.read() as conn:
            standings = await self._catalogue.standings(conn, with_retired=wanted.state is State.RETIRED)
        # Comparing figures takes a while the first time it is asked for.
        found = await asyncio.to_thread(self._catalogue.look, shelves, standings, wanted, now)
        choices = self._catalogue.choices(shelves)
        language = request[LANGUAGE]
        chosen = {name: value for name, value in request.query.items() if value and name in _FILTERS}
        return self._door.pages.page(
            "desk/articles.html",
            language,
            found=found,
            wanted=wanted,
            chosen=len([name for name in chosen if name != "text"]),
            starters=len(standings.starters),
            address="/desk/articles?" + (urlencode(chosen) + "&" if chosen else ""),
            topics=[(topic, topic) for topic in choices.topics],
            owners=[(owner, owner) for owner in choices.owners],
            countries=[(country.value, self._door.say(request, f"country.{country}")) for country in Country],
            confidences=[(one.value, self._door.say(request, f"desk.confidence.{one}")) for one in Confidence],
            states=[(state.value, self._door.say(request, f"desk.state.{state}")) for state in State],
            tongues=[(tongue.value, self._door.say(request, f"language.{tongue}")) for tongue in Language],
            may_write=self._may_write(request),
            **await self._door.frame(request),
        )

    # --- one article --------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The article as it stands."""
        return await self._page(request)

    async def revision(self, request: web.Request) -> web.StreamResponse:
        """The article as it stood once."""
        number = request.match_info["revision"]
        if len(number) > 9:
            raise Refused(404, "error.not_found")
        return await self._page(request, number=int(number))

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the article."""
        return see_other(f"/desk/articles/{request.match_info['id']}")

    async def _page(
        self, request: web.Request, *, number: int | None = None, status: int = 200, notice: str = "", reason: str = ""
    ) -> web.Response:
        self._door.member(request, *EVERYBODY)
        async with self._house.db.read() as conn:
            standing = await self._standing(conn, request)
            shown = number if number is not None else standing.published or standing.latest
            article = await store.revision(conn, standing.id, shown)
            tell = await telling(self._door, request, conn)
            draft = await drafts.draft_of(conn, standing.id)
            starter = standing.id in await store.starters(conn)
        if article is None:
            raise Refused(404, "error.not_found")
        language = request[LANGUAGE]
        return self._door.pages.page(
            "desk/article.html",
            language,
            status=status,
            it=article,
            standing=standing,
            old=shown != standing.published,
            as_shipped=starter and shown == standing.published,
            lacks=catalogue.missing_in(article),
            differs=self._catalogue.outdated(article),
            overdue=standing.published == shown and self._is_overdue(article),
            reviewed_on=tell.day(article.reviewed_on),
            review_by=tell.day(article.review_by),
            draft=_draft_told(tell, draft),
            needs=self._needs(language),
            told=self._told(request, notice),
            reason=reason,
            may_write=self._may_write(request),
            may_retire=Role.REVIEWER in self._roles(request),
            **self._tabs(standing.id),
            **await self._door.frame(request),
        )

    async def history(self, request: web.Request) -> web.StreamResponse:
        """Every revision, and what any two of them differ in."""
        self._door.member(request, *EVERYBODY)
        async with self._house.db.read() as conn:
            standing = await self._standing(conn, request)
            revisions = await store.history(conn, standing.id)
            tell = await telling(self._door, request, conn)
        old, new = _two(request.query, [revision.article.revision for revision in revisions])
        by_number = {revision.article.revision: revision.article for revision in revisions}
        compared = diff(by_number[old], by_number[new]) if old != new else []
        return self._door.pages.page(
            "desk/article_history.html",
            request[LANGUAGE],
            it=revisions[0].article,
            standing=standing,
            past=list(_past(tell, revisions, standing)),
            old=old,
            new=new,
            compared=tell.differences(compared),
            may_write=self._may_write(request),
            **self._tabs(standing.id),
            **await self._door.frame(request),
        )

    async def trail(self, request: web.Request) -> web.StreamResponse:
        """Who did what to the article, the newest first."""
        self._door.member(request, *EVERYBODY)
        async with self._house.db.read() as conn:
            standing = await self._standing(conn, request)
            article = await self._catalogue.newest(conn, standing)
            events = await drafts.events(conn, standing.id, limit=_MOST_EVENTS)
            tell = await telling(self._door, request, conn)
        return self._door.pages.page(
            "desk/article_trail.html",
            request[LANGUAGE],
            it=article,
            standing=standing,
            events=[tell.happened(event) for event in events],
            **self._tabs(standing.id),
            **await self._door.frame(request),
        )

    # --- doing --------------------------------------------------------------------------------------------------------

    async def draft(self, request: web.Request) -> web.StreamResponse:
        """Open a draft of the article, or go on with the one there is."""
        staff = self._door.member(request, *WRITERS)
        await self._door.form(request)
        article_id = request.match_info["id"]
        async with self._house.db.write() as conn:
            try:
                draft = await drafts.open_draft(
                    conn, article_id, actor=f"staff:{staff.id}", now=self._house.clock.now()
                )
            except DraftError as error:
                raise Refused(404, "error.not_found") from error
        return see_other(f"/desk/drafts/{draft.id}")

    async def restore(self, request: web.Request) -> web.StreamResponse:
        """Begin a draft with the words of an older revision; where a draft is open, that one is shown."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        number = str(form.get("revision", ""))
        if not number.isdecimal() or len(number) > 9:
            raise Refused(400, "error.bad_request")
        try:
            async with self._house.db.write() as conn:
                draft = await drafts.restore(
                    conn,
                    request.match_info["id"],
                    int(number),
                    actor=f"staff:{staff.id}",
                    roles=staff.roles,
                    now=self._house.clock.now(),
                )
        except AlreadyThere as error:
            return see_other(f"/desk/drafts/{error.draft_id}?told=open_already")
        except DraftError as error:
            raise Refused(404, "error.not_found") from error
        return see_other(f"/desk/drafts/{draft.id}")

    async def retire(self, request: web.Request) -> web.StreamResponse:
        """Take the article off the shelves; a reason is asked for."""
        staff = self._door.member(request, Role.REVIEWER)
        form = await self._door.form(request)
        reason, article_id = str(form.get("reason", "")), request.match_info["id"]
        try:
            async with self._house.db.write() as conn:
                await drafts.retire(
                    conn,
                    article_id,
                    reason=reason,
                    actor=f"staff:{staff.id}",
                    roles=staff.roles,
                    now=self._house.clock.now(),
                )
        except DraftError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._page(request, status=422, notice=said, reason=reason)
        return see_other(f"/desk/articles/{article_id}?told=retired")

    # --- what pages are told -----------------------------------------------------------------------------------------

    async def _standing(self, conn: AsyncConnection, request: web.Request) -> Standing:
        standing = await store.standing(conn, request.match_info["id"])
        if standing is None:
            raise Refused(404, "error.not_found")
        return standing

    def _roles(self, request: web.Request) -> frozenset[Role]:
        return self._door.member(request, *EVERYBODY).roles

    def _may_write(self, request: web.Request) -> bool:
        return bool(self._roles(request) & set(WRITERS))

    def _tabs(self, article_id: str) -> dict[str, Any]:
        base = f"/desk/articles/{article_id}"
        return {
            "base": base,
            "tabs": [
                (base, "desk.article.now"),
                (f"{base}/history", "desk.article.history"),
                (f"{base}/trail", "desk.article.trail"),
            ],
        }

    def _is_overdue(self, article: Article) -> bool:
        return self._house.library.standing.fitness(article, self._house.clock.now()).overdue

    def _needs(self, language: Language) -> Mapping[str, str]:
        return {need.key: need.names[language] for need in self._house.library.directory.needs.values()}

    def _told(self, request: web.Request, notice: str) -> str:
        if notice or request.query.get("told") != "retired":
            return notice
        return self._door.say(request, "desk.article.retired")


_FILTERS = ("text", "topic", "country", "owner", "confidence", "state", "missing", "outdated")


def _draft_told(tell: Telling, draft: Draft | None) -> Mapping[str, Any] | None:
    if draft is None:
        return None
    stage = tell.say(f"desk.stage.{draft.stage}").lower()
    return {"id": draft.id, "said": tell.say("desk.article.open_draft", name=tell.who(draft.updated_by), stage=stage)}


def _past(tell: Telling, revisions: Sequence[Revision], standing: Standing) -> Iterable[Past]:
    for place, revision in enumerate(revisions):
        before = revisions[place + 1].article if place + 1 < len(revisions) else None
        fields = dict.fromkeys(one.field.split(".")[0] for one in diff(before, revision.article)) if before else {}
        yield Past(
            number=revision.article.revision,
            by=tell.say("desk.history.shipped") if revision.author == SHIPPED else tell.who(revision.author),
            approved_by=tell.who(revision.approver) if revision.approver else "",
            at=tell.moment(revision.created_at),
            changed=tuple(tell.field(name) for name in fields),
            small=revision.small,
            standing=revision.article.revision == standing.published,
        )


def _wanted(query: Mapping[str, str]) -> Wanted:
    page = query.get("page", "1")
    return Wanted(
        text=query.get("text", "")[:500],
        topic=query.get("topic", ""),
        country=_one(Country, query.get("country", "")),
        owner=query.get("owner", ""),
        confidence=_one(Confidence, query.get("confidence", "")),
        state=_one(State, query.get("state", "")),
        missing=_one(Language, query.get("missing", "")),
        outdated=_one(Language, query.get("outdated", "")),
        page=int(page) if page.isdecimal() and len(page) < 7 else 1,
    )


def _one(members: type[E], value: str) -> E | None:
    try:
        return members(value)
    except ValueError:
        return None


def _two(query: Mapping[str, str], numbers: Sequence[int]) -> tuple[int, int]:
    """The two revisions to compare; the newest two where nothing else was asked for. `numbers` come newest first."""
    known = {str(number): number for number in numbers}
    new = known.get(query.get("to", ""), numbers[0])
    earlier = [number for number in numbers if number < new]
    old = known.get(query.get("from", ""), earlier[0] if earlier else new)
    return old, new
