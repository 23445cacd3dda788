"""Review dates: what is due, what the line answers with a warning, what it does not answer any more.

A new date is never set in silence. Whoever finds an article unchanged says what it was held against, and the new dates
go through a draft that a colleague reviews, like every other change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers
from bot.desk.door import DeskDoor
from bot.desk.telling import Telling, telling
from helpline.accounts import Role, Staff
from helpline.messages import Country
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from knowledge import drafts
from knowledge.articles import Article
from knowledge.drafts import Draft, DraftError
from knowledge.fitness import Fit, local_day

HERE: Final = "/desk/due"
WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
_PAGE: Final = 40
_BODY: Final = 64 * KILOBYTE
_FURTHEST: Final = timedelta(days=731)
_USUAL: Final = timedelta(days=182)
_LONGEST: Final = 1_000
_TAGS: Final = {Fit.HAND_OVER: "bad", Fit.WARN: "warn", Fit.CURRENT: ""}


@dataclass(frozen=True)
class Due:
    """One article that must be looked at."""

    article: Article
    fit: Fit
    review_by: date
    hands_over_from: date


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    id: str
    title: str
    country: Country
    owner: str
    tag: str
    said: str
    by: str
    until: str
    revision: int
    draft: int | None
    stage: str
    next_date: str
    how: str
    errors: Mapping[str, str]


class DueDesk:
    """The routes of the board."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._found: tuple[object, tuple[Due, ...]] = (None, ())
        door.counts[HERE] = self._count

    def routes(self) -> list[Route]:
        """The addresses of review dates."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("GET", HERE + "/{id:[a-z0-9-]+}", self.back, staff),
            Route("POST", HERE + "/{id:[a-z0-9-]+}", self.unchanged, staff, _BODY),
        ]

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        return len(self._due(now))

    def _due(self, now: datetime) -> tuple[Due, ...]:
        """Everything that is due, the oldest date first; kept until shelves or day are others."""
        library = self._house.library
        days = tuple(local_day(country, now) for country in Country)
        key = (library.version, library.shelves, library.standing.policy, days)
        if self._found[0] != key:
            found = []
            for article in library.shelves.articles:
                hands_over = library.standing.hands_over_from(article)
                if article.review_by is not None and hands_over is not None and library.standing.is_due(article, now):
                    fit = library.standing.fitness(article, now).fit
                    found.append(Due(article, fit, article.review_by, hands_over))
            self._found = key, tuple(sorted(found, key=lambda due: (due.review_by, due.article.id)))
        return self._found[1]

    # --- the board ----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What is due."""
        notice = self._door.say(request, "desk.due.told") if request.query.get("told") == "handed_in" else ""
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
        wrong: str = "",
        errors: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
    ) -> web.Response:
        self._door.member(request, *WRITERS)
        now = self._house.clock.now()
        due = self._due(now)
        query = request.query
        owner, country, fit = query.get("owner", ""), query.get("country", ""), query.get("fit", "")
        here = [each for each in due if owner in {"", each.article.owner} and country in {"", each.article.country}]
        numbers = Counter(each.fit for each in here)
        shown = [each for each in here if fit in {"", each.fit}]
        # What somebody typed is shown again, on whatever page it stands.
        wanted = [each for each in shown if each.article.id == wrong] if wrong else []
        page, pages = _place(query.get("page", "1"), len(shown))
        part = wanted or shown[(page - 1) * _PAGE : page * _PAGE]
        async with self._house.db.read() as conn:
            open_drafts = {draft.article_id: draft for draft in await drafts.list_drafts(conn)}
            tell = await telling(self._door, request, conn)
        chosen = {name: value for name, value in (("owner", owner), ("country", country)) if value}
        return self._door.pages.page(
            "desk/due.html",
            request[LANGUAGE],
            status=status,
            rows=[
                self._row(
                    request, tell, each, open_drafts, now, errors if each.article.id == wrong else None, typed or {}
                )
                for each in part
            ],
            number=len(shown),
            any_due=bool(due),
            tabs=[
                (f"{HERE}{_asked(chosen)}", self._door.say(request, "desk.due.all", count=len(here))),
                *(
                    (
                        f"{HERE}{_asked({**chosen, 'fit': each.value})}",
                        self._door.say(request, f"desk.due.{each.value}", count=numbers[each]),
                    )
                    for each in (Fit.HAND_OVER, Fit.WARN, Fit.CURRENT)
                ),
            ],
            open_tab=f"{HERE}{_asked({**chosen, 'fit': fit} if fit else chosen)}",
            owner=owner,
            owners=[(each, each) for each in sorted({each.article.owner for each in due if each.article.owner})],
            country=country,
            countries=[(each.value, self._door.say(request, f"country.{each}")) for each in Country],
            fit=fit,
            page=page,
            pages=pages,
            address=f"{HERE}?{urlencode({**chosen, **({'fit': fit} if fit else {})})}{'&' if chosen or fit else ''}",
            notice=notice,
            wrong=wrong,
            **await self._door.frame(request),
        )

    def _row(
        self,
        request: web.Request,
        tell: Telling,
        due: Due,
        open_drafts: Mapping[str, Draft],
        now: datetime,
        errors: Mapping[str, str] | None,
        typed: Mapping[str, str],
    ) -> Row:
        article = due.article
        draft = open_drafts.get(article.id)
        handed_over = due.fit is Fit.HAND_OVER
        last = due.hands_over_from if handed_over else due.hands_over_from - timedelta(days=1)
        usual = (local_day(article.country, now) + _USUAL).isoformat()
        return Row(
            id=article.id,
            title=answers.title(article, request[LANGUAGE]),
            country=article.country,
            owner=article.owner,
            tag=_TAGS[due.fit],
            said=tell.say(f"desk.due.is.{due.fit.value}"),
            by=tell.say("desk.due.by", date=tell.day(due.review_by)),
            until=tell.say("desk.due.since" if handed_over else "desk.due.until", date=tell.day(last)),
            revision=article.revision,
            draft=draft.id if draft is not None else None,
            stage=tell.say(f"desk.stage.{draft.stage}") if draft is not None else "",
            next_date=typed.get("review_by", usual) if errors is not None else usual,
            how=typed.get("how", "") if errors is not None else "",
            errors=errors or {},
        )

    # --- doing --------------------------------------------------------------------------------------------------------

    async def unchanged(self, request: web.Request) -> web.StreamResponse:
        """Find an article unchanged: a draft with new dates, handed in for a colleague to review."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        article = self._house.library.shelves.article(request.match_info["id"])
        if article is None:
            raise Refused(404, "error.not_found")
        typed = {"review_by": str(form.get("review_by", "")), "how": str(form.get("how", "")).strip()}
        now = self._house.clock.now()
        today = local_day(article.country, now)
        errors = {}
        next_date = _day(typed["review_by"])
        if next_date is None or not today < next_date <= today + _FURTHEST:
            errors["review_by"] = self._door.say(request, "desk.due.no.date")
        if not typed["how"] or len(typed["how"]) > _LONGEST:
            errors["how"] = self._door.say(request, "desk.due.no.how")
        if next_date is None or errors:
            return await self._page(request, status=422, wrong=article.id, errors=errors, typed=typed)
        comment = self._door.say(request, "desk.due.comment", how=typed["how"])
        try:
            async with self._house.db.write() as conn:
                await _hand_in(conn, article, today, next_date, comment, staff, now)
        except DraftError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._page(request, status=409, wrong=article.id, errors={"how": said}, typed=typed)
        return see_other(f"{HERE}?told=handed_in")


async def _hand_in(
    conn: AsyncConnection, article: Article, today: date, next_date: date, comment: str, staff: Staff, now: datetime
) -> None:
    actor = f"staff:{staff.id}"
    if await drafts.draft_of(conn, article.id) is not None:
        raise DraftError("desk.due.no.open")
    draft = await drafts.open_draft(conn, article.id, actor=actor, now=now)
    dates = {"reviewed_on": today.isoformat(), "review_by": next_date.isoformat()}
    await drafts.save(conn, draft.id, seen=draft.version, fields=dates, actor=actor, now=now)
    await drafts.comment(conn, draft.id, field="review_by", text=comment, actor=actor, now=now)
    await drafts.submit(conn, draft.id, actor=actor, roles=staff.roles, now=now)


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def _place(asked: str, number: int) -> tuple[int, int]:
    pages = max(1, -(-number // _PAGE))
    page = int(asked) if asked.isdecimal() and len(asked) < 7 else 1
    return min(max(page, 1), pages), pages


def _asked(values: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> str:
    return f"?{urlencode(values)}" if values else ""
