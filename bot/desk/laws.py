"""Law watch: which rules the shelves rest on, which of them changed, and what has been held against the change.

The rules are read from the published articles, so nobody keeps a list of them. Marking a change flags every article
that rests on the rule, from the day it is in force, until that article is cleared: by the publication of a draft that
was held against the change, or by two people who find it not affected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import answers
from bot.desk.door import DeskDoor
from bot.desk.telling import Telling, telling
from helpline.accounts import Role, Staff
from helpline.messages import Country, Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from knowledge import drafts, law_watch
from knowledge.articles import Article
from knowledge.drafts import DraftError
from knowledge.fitness import Change, local_day
from knowledge.law_watch import Clearing, Marked, WatchError
from knowledge.laws import Law, citations
from knowledge.shelves import Shelves

HERE: Final = "/desk/laws"
WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
_CHANGE: Final = HERE + "/changes/{change:[0-9]{1,15}}"
_PAGE: Final = 50
_BODY: Final = 64 * KILOBYTE


@dataclass(frozen=True)
class Rule:
    """A rule in the list."""

    name: str
    key: str
    country: Country
    address: str
    articles: int
    changed: int  # marks that stand
    flagged: int  # articles that wait to be held against them


@dataclass(frozen=True)
class Touched:
    """One article that a change touches, and how far it is."""

    id: str
    title: str
    refs: str
    revision: int
    on_shelves: bool
    done: str  # by whom and how it was cleared
    proposed: str  # what was proposed, and by whom
    reason: str
    clearing: int | None
    may_agree: bool
    own: bool  # proposed by whoever reads this
    draft: int | None  # open, to be held against the change
    held: bool  # the open draft was


@dataclass(frozen=True)
class Told:
    """One change in words."""

    id: int
    law: str
    key: str
    country: Country
    what: str
    in_force: str
    is_in_force: bool
    link: str
    marked: str
    withdrawn: str
    why: str
    left: int
    articles: int


class LawDesk:
    """The routes of law watch."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._cited: tuple[Shelves | None, Mapping[Law, tuple[str, ...]]] = (None, {})
        door.counts[HERE] = self._count

    def routes(self) -> list[Route]:
        """The addresses of law watch."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show_all, staff),
            Route("GET", HERE + "/rule", self.show_rule, staff),
            Route("POST", HERE + "/changes", self.mark, staff, _BODY),
            Route("GET", HERE + "/changes", self.home, staff),
            Route("GET", _CHANGE, self.show_change, staff),
            Route("GET", _CHANGE + "/{act:[a-z-]+}", self.back, staff),
            Route("POST", _CHANGE + "/not-affected", self.not_affected, staff, _BODY),
            Route("POST", _CHANGE + "/draft", self.draft, staff, _BODY),
            Route("POST", _CHANGE + "/agree", self.agree, staff),
            Route("POST", _CHANGE + "/refuse", self.refuse, staff),
            Route("POST", _CHANGE + "/withdraw", self.withdraw, staff, _BODY),
        ]

    async def _count(self, conn: AsyncConnection, staff: Staff, now: datetime) -> int:
        return len(self._house.library.standing.flags)

    def _citations(self) -> Mapping[Law, tuple[str, ...]]:
        shelves = self._house.library.shelves
        if self._cited[0] is not shelves:
            self._cited = shelves, citations(shelves.articles, self._house.library.laws)
        return self._cited[1]

    # --- rules --------------------------------------------------------------------------------------------------------

    async def home(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        return see_other(HERE)

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """Every rule that the shelves rest on, and every change that was marked."""
        self._door.member(request, *WRITERS)
        text, country = request.query.get("text", "")[:300].strip(), request.query.get("country", "")
        async with self._house.db.read() as conn:
            marked = await law_watch.changes(conn)
            cleared = await law_watch.clearings(conn)
            tell = await telling(self._door, request, conn)
        rules = [rule for rule in self._rules(marked, text) if country in {"", rule.country.value}]
        pages = max(1, -(-len(rules) // _PAGE))
        asked = request.query.get("page", "1")
        page = min(max(int(asked) if asked.isdecimal() and len(asked) < 7 else 1, 1), pages)
        chosen = {name: value for name, value in (("text", text), ("country", country)) if value}
        changes = [self._told(tell, each, cleared) for each in marked]
        return self._door.pages.page(
            "desk/laws.html",
            request[LANGUAGE],
            rules=rules[(page - 1) * _PAGE : page * _PAGE],
            number=len(rules),
            waiting=[each for each in changes if not each.withdrawn and each.left],
            settled=[each for each in changes if each.withdrawn or not each.left],
            text=text,
            country=country,
            countries=[(each.value, self._door.say(request, f"country.{each}")) for each in Country],
            page=page,
            pages=pages,
            address=f"{HERE}?{urlencode(chosen)}{'&' if chosen else ''}",
            **await self._door.frame(request),
        )

    def _rules(self, marked: Sequence[Marked], text: str) -> list[Rule]:
        standing, flags = [each for each in marked if each.stands], self._house.library.standing.flags
        cited = self._citations()
        meant = [law for country in Country for law in self._house.library.laws.read(text, country)] if text else []
        found = []
        for law, articles in cited.items():
            if text and text.casefold() not in law.name.casefold() and not any(law.touches(each) for each in meant):
                continue
            touching = {each.change.id for each in standing if each.change.law.touches(law)}
            flagged = [
                article_id for article_id in articles if any(each.id in touching for each in flags.get(article_id, ()))
            ]
            found.append(Rule(law.name, law.key, law.country, _rule(law), len(articles), len(touching), len(flagged)))
        return sorted(found, key=lambda rule: (-rule.flagged, -rule.articles, rule.country, rule.name))

    async def show_rule(self, request: web.Request) -> web.StreamResponse:
        """One rule: the articles that rest on it, its changes, and the form that marks one."""
        return await self._rule_page(request, _law_of(request.query.get("key", "")))

    async def _rule_page(
        self,
        request: web.Request,
        law: Law,
        *,
        status: int = 200,
        wrong: str = "",
        typed: Mapping[str, str] | None = None,
    ) -> web.Response:
        self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            marked = await law_watch.changes(conn)
            cleared = await law_watch.clearings(conn)
            tell = await telling(self._door, request, conn)
        resting = self._resting_on(law)
        today = local_day(law.country, self._house.clock.now())
        return self._door.pages.page(
            "desk/law.html",
            request[LANGUAGE],
            status=status,
            law=law,
            articles=[(each.id, answers.title(each, request[LANGUAGE]), _refs(each)) for each in resting],
            changes=[self._told(tell, each, cleared) for each in marked if each.change.law.touches(law)],
            typed={"in_force_on": today.isoformat(), **(typed or {})},
            wrong=wrong,
            **await self._door.frame(request),
        )

    def _resting_on(self, law: Law) -> list[Article]:
        shelves = self._house.library.shelves
        ids = {each for cited, articles in self._citations().items() if cited.touches(law) for each in articles}
        return [article for each in sorted(ids) if (article := shelves.article(each)) is not None]

    # --- marking ------------------------------------------------------------------------------------------------------

    async def mark(self, request: web.Request) -> web.StreamResponse:
        """Mark a rule as changed."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        law = _law_of(str(form.get("key", "")))
        typed = {name: str(form.get(name, "")).strip() for name in ("what", "in_force_on", "link")}
        try:
            in_force_on = date.fromisoformat(typed["in_force_on"])
        except ValueError:
            said = self._door.say(request, "desk.laws.no.date")
            return await self._rule_page(request, law, status=422, wrong=said, typed=typed)
        try:
            async with self._house.db.write() as conn:
                change_id = await law_watch.mark(
                    conn,
                    law=law,
                    what=typed["what"],
                    in_force_on=in_force_on,
                    link=typed["link"],
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except WatchError as error:
            said = self._door.say(request, error.phrase, **error.values)
            return await self._rule_page(request, law, status=422, wrong=said, typed=typed)
        return see_other(f"{HERE}/changes/{change_id}")

    # --- one change ---------------------------------------------------------------------------------------------------

    async def show_change(self, request: web.Request) -> web.StreamResponse:
        """A change, and how far each article is that it touches."""
        return await self._change_page(request)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the change."""
        return see_other(f"{HERE}/changes/{request.match_info['change']}")

    async def _change_page(
        self, request: web.Request, *, status: int = 200, wrong: str = "", about: str = "", typed: str = ""
    ) -> web.Response:
        staff = self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            try:
                marked = await law_watch.get(conn, int(request.match_info["change"]))
            except WatchError as error:
                raise Refused(404, "error.not_found") from error
            cleared = await law_watch.clearings(conn, marked.change.id)
            tell = await telling(self._door, request, conn)
            open_drafts = {draft.article_id: draft.id for draft in await drafts.list_drafts(conn)}
        touched = self._touched(tell, request[LANGUAGE], staff, marked, cleared, open_drafts)
        return self._door.pages.page(
            "desk/law_change.html",
            request[LANGUAGE],
            status=status,
            it=self._told(tell, marked, cleared),
            rule=_rule(marked.change.law),
            left=[each for each in touched if not each.done],
            done=[each for each in touched if each.done],
            may_withdraw=marked.stands and Role.REVIEWER in staff.roles and marked.by != f"staff:{staff.id}",
            wrong=wrong,
            about=about,
            typed=typed,
            **await self._door.frame(request),
        )

    def _touched(
        self,
        tell: Telling,
        language: Language,
        staff: Staff,
        marked: Marked,
        cleared: Sequence[Clearing],
        open_drafts: Mapping[str, int],
    ) -> list[Touched]:
        by_article = {each.article_id: each for each in cleared}
        shelves = self._house.library.shelves
        ids = dict.fromkeys([*(each.id for each in self._resting_on(marked.change.law)), *by_article])
        found = []
        for article_id in ids:
            article, clearing = shelves.article(article_id), by_article.get(article_id)
            own = clearing is not None and clearing.by == f"staff:{staff.id}"
            pending = clearing if clearing is not None and not clearing.done else None
            draft = open_drafts.get(article_id)
            held = pending is not None and pending.draft_id is not None and pending.draft_id == draft
            found.append(
                Touched(
                    id=article_id,
                    title=answers.title(article, language) if article is not None else article_id,
                    refs=_refs(article) if article is not None else "",
                    revision=article.revision if article is not None else 0,
                    on_shelves=article is not None,
                    done=_done(tell, clearing),
                    proposed=_proposed(tell, pending, held=held),
                    reason=clearing.reason if clearing is not None else "",
                    clearing=pending.id if pending is not None else None,
                    may_agree=pending is not None
                    and pending.draft_id is None
                    and not own
                    and Role.REVIEWER in staff.roles,
                    own=own,
                    draft=draft,
                    held=held,
                )
            )
        # An article that is not on the shelves any more needs nothing.
        return [each for each in found if each.on_shelves or each.done]

    # --- clearing -----------------------------------------------------------------------------------------------------

    async def not_affected(self, request: web.Request) -> web.StreamResponse:
        """Find an article not affected; a second person agrees."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        article, reason = self._article(str(form.get("article", ""))), str(form.get("reason", ""))
        try:
            async with self._house.db.write() as conn:
                await law_watch.not_affected(
                    conn,
                    int(request.match_info["change"]),
                    article.id,
                    revision=article.revision,
                    reason=reason,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except WatchError as error:
            return await self._wrong(request, error, about=article.id, typed=reason)
        return self._to(request, article.id)

    async def draft(self, request: web.Request) -> web.StreamResponse:
        """Write the article anew against the change: its draft, which clears it when it is published."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        article = self._article(str(form.get("article", "")))
        actor, now, change_id = f"staff:{staff.id}", self._house.clock.now(), int(request.match_info["change"])
        try:
            async with self._house.db.write() as conn:
                marked = await law_watch.get(conn, change_id)
                draft = await drafts.open_draft(conn, article.id, actor=actor, now=now)
                await law_watch.held_against(conn, change_id, article.id, draft_id=draft.id, actor=actor, now=now)
                # Whoever reviews the draft sees by this what it says of itself.
                await drafts.comment(
                    conn, draft.id, field="law_refs", text=self._comment(request, marked.change), actor=actor, now=now
                )
        except WatchError as error:
            return await self._wrong(request, error, about=article.id)
        except DraftError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._change_page(request, status=409, wrong=said, about=article.id)
        return see_other(f"/desk/drafts/{draft.id}")

    def _comment(self, request: web.Request, change: Change) -> str:
        return self._door.say(request, "desk.laws.comment", law=change.law.name, what=change.what[:400])

    async def agree(self, request: web.Request) -> web.StreamResponse:
        """Agree as a second person that an article is not affected."""
        staff = self._door.member(request, Role.REVIEWER)
        form = await self._door.form(request)
        article = self._article(str(form.get("article", "")))
        try:
            async with self._house.db.write() as conn:
                await law_watch.agree(
                    conn,
                    _number(str(form.get("clearing", ""))),
                    revision=article.revision,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except WatchError as error:
            return await self._wrong(request, error, about=article.id)
        return self._to(request, article.id)

    async def refuse(self, request: web.Request) -> web.StreamResponse:
        """Put a proposal aside; whoever made it may take it back."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        clearing_id, article_id = _number(str(form.get("clearing", ""))), str(form.get("article", ""))
        try:
            async with self._house.db.write() as conn:
                known = {each.id: each for each in await law_watch.clearings(conn, int(request.match_info["change"]))}
                if clearing_id in known:
                    await law_watch.refuse(
                        conn,
                        clearing_id,
                        actor=f"staff:{staff.id}",
                        roles=staff.roles,
                        now=self._house.clock.now(),
                    )
        except WatchError as error:
            return await self._wrong(request, error, about=article_id)
        return self._to(request, article_id)

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Take a mark back that was made by mistake."""
        staff = self._door.member(request, Role.REVIEWER)
        form = await self._door.form(request)
        why = str(form.get("why", ""))
        try:
            async with self._house.db.write() as conn:
                await law_watch.withdraw(
                    conn,
                    int(request.match_info["change"]),
                    why=why,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except WatchError as error:
            return await self._wrong(request, error, about="withdraw", typed=why)
        return await self.back(request)

    def _article(self, article_id: str) -> Article:
        article = self._house.library.shelves.article(article_id)
        if article is None:
            raise Refused(404, "error.not_found")
        return article

    async def _wrong(self, request: web.Request, error: WatchError, *, about: str, typed: str = "") -> web.Response:
        if error.phrase in {"desk.laws.no.change", "desk.laws.no.clearing"}:
            raise Refused(404, "error.not_found") from error
        said = self._door.say(request, error.phrase, **error.values)
        return await self._change_page(request, status=422, wrong=said, about=about, typed=typed)

    def _to(self, request: web.Request, article_id: str) -> web.Response:
        return see_other(f"{HERE}/changes/{request.match_info['change']}#article-{article_id}")

    # --- words --------------------------------------------------------------------------------------------------------

    def _told(self, tell: Telling, marked: Marked, cleared: Sequence[Clearing]) -> Told:
        change = marked.change
        done = {each.article_id for each in cleared if each.change_id == change.id and each.done}
        resting = [article.id for article in self._resting_on(change.law)]
        return Told(
            id=change.id,
            law=change.law.name,
            key=change.law.key,
            country=change.law.country,
            what=change.what,
            in_force=tell.day(change.in_force_on),
            is_in_force=change.in_force_on <= local_day(change.law.country, self._house.clock.now()),
            link=change.link,
            marked=tell.say("desk.laws.marked", name=tell.who(marked.by), time=tell.moment(marked.at)),
            withdrawn=tell.say(
                "desk.laws.withdrawn", name=tell.who(marked.withdrawn_by), time=tell.moment(marked.withdrawn_at)
            )
            if not marked.stands
            else "",
            why=marked.withdrawn_why,
            left=len([each for each in resting if each not in done]) if marked.stands else 0,
            articles=len(resting),
        )


def _rule(law: Law) -> str:
    return f"{HERE}/rule?{urlencode({'key': law.key})}"


def _refs(article: Article) -> str:
    return "; ".join(ref.ref for ref in article.law_refs)


def _law_of(key: str) -> Law:
    try:
        return Law.of(" ".join(key[:300].split()))
    except ValueError as error:
        raise Refused(404, "error.not_found") from error


def _number(written: str) -> int:
    return int(written) if written.isdecimal() and len(written) < 16 else 0


def _done(tell: Telling, clearing: Clearing | None) -> str:
    if clearing is None or not clearing.done:
        return ""
    if clearing.draft_id is not None:
        return tell.say("desk.laws.done.draft", revision=clearing.revision or "", name=tell.who(clearing.by))
    return tell.say(
        "desk.laws.done.not_affected",
        name=tell.who(clearing.by),
        second=tell.who(clearing.agreed_by),
        time=tell.moment(clearing.agreed_at),
    )


def _proposed(tell: Telling, clearing: Clearing | None, *, held: bool) -> str:
    if clearing is None:
        return ""
    if clearing.draft_id is None:
        return tell.say("desk.laws.proposed", name=tell.who(clearing.by), time=tell.moment(clearing.at))
    return tell.say("desk.laws.held", name=tell.who(clearing.by)) if held else ""
