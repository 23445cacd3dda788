"""Articles over the API: what stands on the shelves, every revision, what differs, and who did what."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.api import shapes
from bot.api.drafts import draft_answer
from bot.api.operations import EVERYBODY, REVIEWERS, WRITERS, Answer, Call, Operation, Storage
from bot.api.paging import cursor_of, page, place_of
from bot.api.problems import not_there
from bot.desk.catalogue import Catalogue, Entry, State, Wanted
from bot.house import House
from helpline.access_tokens import Scope
from knowledge import drafts, store
from knowledge.articles import Article, body_of
from knowledge.diff import diff
from knowledge.store import Revision, Standing

_TAG = "articles"


class ArticleApi:
    """The operations on articles."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._catalogue = Catalogue()

    def operations(self) -> list[Operation]:
        """What can be done."""
        write: dict[str, Any] = {"scope": Scope.WRITE, "storage": Storage.WRITE}
        one: dict[str, Any] = {"tag": _TAG, "parts": shapes.ArticleParts}
        return [
            Operation(
                "listArticles",
                "GET",
                "/articles",
                "What stands on the shelves",
                _TAG,
                EVERYBODY,
                self.list,
                gives=shapes.ArticlePage,
                query=shapes.ArticlesQuery,
                description="Also what is off the shelves, with `state=retired`.",
            ),
            Operation(
                "getArticle",
                "GET",
                "/articles/{article}",
                "One article",
                roles=EVERYBODY,
                handle=self.get,
                gives=shapes.ArticleOut,
                also={404: ""},
                **one,
            ),
            Operation(
                "listRevisions",
                "GET",
                "/articles/{article}/revisions",
                "Every wording that it has had",
                roles=EVERYBODY,
                handle=self.history,
                gives=shapes.RevisionPage,
                query=shapes.PageQuery,
                also={404: ""},
                **one,
            ),
            Operation(
                "getRevision",
                "GET",
                "/articles/{article}/revisions/{number}",
                "One wording that it has had",
                _TAG,
                EVERYBODY,
                self.revision,
                gives=shapes.RevisionOut,
                parts=shapes.RevisionParts,
                also={404: ""},
            ),
            Operation(
                "diffRevisions",
                "GET",
                "/articles/{article}/diff",
                "What two revisions differ in",
                roles=EVERYBODY,
                handle=self.diff,
                gives=shapes.DiffOut,
                query=shapes.DiffQuery,
                also={404: ""},
                **one,
            ),
            Operation(
                "listEvents",
                "GET",
                "/articles/{article}/events",
                "Who did what to it",
                roles=EVERYBODY,
                handle=self.events,
                gives=shapes.EventPage,
                query=shapes.PageQuery,
                also={404: ""},
                **one,
            ),
            Operation(
                "openDraft",
                "POST",
                "/articles/{article}/draft",
                "Open a draft of it, or go on with the one there is",
                roles=WRITERS,
                handle=self.open,
                gives=shapes.DraftOut,
                also={404: ""},
                tagged=True,
                **one,
                **write,
            ),
            Operation(
                "restoreRevision",
                "POST",
                "/articles/{article}/restore",
                "Begin a draft with the words of an older revision",
                roles=WRITERS,
                handle=self.restore,
                takes=shapes.RestoreIn,
                gives=shapes.DraftOut,
                status=201,
                also={404: "", 409: "A draft is open; `draft_id` names it."},
                tagged=True,
                **one,
                **write,
            ),
            Operation(
                "retireArticle",
                "POST",
                "/articles/{article}/retire",
                "Take it off the shelves",
                roles=REVIEWERS,
                handle=self.retire,
                takes=shapes.ReasonIn,
                gives=shapes.StandingOut,
                also={404: "", 409: "It is not on the shelves."},
                **one,
                **write,
            ),
        ]

    async def list(self, call: Call) -> Answer:
        """What fits."""
        asked: shapes.ArticlesQuery = call.query
        wanted = Wanted(
            text=asked.text or "",
            topic=asked.topic or "",
            country=asked.country,
            owner=asked.owner or "",
            confidence=asked.confidence,
            state=asked.state,
            missing=asked.missing,
            outdated=asked.outdated,
        )
        shelves = self._house.library.shelves
        standings = await self._catalogue.standings(call.conn, with_retired=wanted.state is State.RETIRED)
        found = await asyncio.to_thread(self._catalogue.find, shelves, standings, wanted, call.now)
        following = None
        if wanted.text:
            shown = found[: asked.limit]
        else:
            shown, following = page(found, lambda one: (one.id,), cursor=asked.cursor, limit=asked.limit)
        entries = await asyncio.to_thread(self._catalogue.entries, shown, standings, call.now)
        return Answer(shapes.ArticlePage(items=[_brief(entry) for entry in entries], found=len(found), next=following))

    async def get(self, call: Call) -> Answer:
        """The article as it stands."""
        standing = await self._standing(call)
        article = await store.revision(call.conn, standing.id, standing.published or standing.latest)
        assert article is not None
        draft = await drafts.draft_of(call.conn, standing.id)
        fitness = self._house.library.standing
        fit = fitness.fitness(article, call.now)
        entry = await asyncio.to_thread(
            self._catalogue.entries, [article], await self._catalogue.standings(call.conn), call.now
        )
        return Answer(
            shapes.ArticleOut(
                id=standing.id,
                country=standing.country,
                published=standing.published,
                latest=standing.latest,
                changed_at=standing.changed_at,
                starter=State.STARTER in entry[0].states,
                fit=fit.fit,
                hands_over_from=fitness.hands_over_from(article),
                flags=[
                    shapes.ChangeFlag(
                        change_id=change.id,
                        law=change.law.key,
                        what=change.what,
                        in_force_on=change.in_force_on,
                        link=change.link,
                    )
                    for change in fit.changes
                ],
                draft_id=draft.id if draft is not None else None,
                missing=list(entry[0].missing),
                outdated=list(entry[0].outdated),
                revision=article.revision,
                body=body_of(article),
            )
        )

    async def history(self, call: Call) -> Answer:
        """Every revision, the newest first."""
        standing = await self._standing(call)
        shown, following = page(
            await store.history(call.conn, standing.id),
            lambda one: (one.article.revision,),
            cursor=call.query.cursor,
            limit=call.query.limit,
            descending=True,
        )
        return Answer(shapes.RevisionPage(items=[_revision(one, standing) for one in shown], next=following))

    async def revision(self, call: Call) -> Answer:
        """One of them."""
        standing = await self._standing(call)
        found = [one for one in await store.history(call.conn, standing.id) if _number(one) == call.path["number"]]
        if not found:
            raise not_there()
        return Answer(_revision(found[0], standing))

    async def diff(self, call: Call) -> Answer:
        """What two of them differ in."""
        standing = await self._standing(call)
        before = await store.revision(call.conn, standing.id, call.query.from_)
        after = await store.revision(call.conn, standing.id, call.query.to)
        if before is None or after is None:
            raise not_there()
        found = await asyncio.to_thread(diff, before, after)
        return Answer(shapes.DiffOut(fields=shapes.diff_out(found)))

    async def events(self, call: Call) -> Answer:
        """Who did what, the latest first."""
        standing = await self._standing(call)
        asked: shapes.PageQuery = call.query
        before = int(place_of(asked.cursor, [int])[0]) if asked.cursor is not None else None
        found = await drafts.events(call.conn, standing.id, limit=asked.limit + 1, before=before)
        shown = found[: asked.limit]
        following = cursor_of([shown[-1].id]) if len(found) > asked.limit else None
        items = [
            shapes.EventOut(id=one.id, at=one.at, actor=one.actor, what=one.what, details=dict(one.details))
            for one in shown
        ]
        return Answer(shapes.EventPage(items=items, next=following))

    async def open(self, call: Call) -> Answer:
        """The open draft."""
        draft = await drafts.open_draft(call.conn, call.path["article"], actor=call.actor, now=call.now)
        return draft_answer(draft)

    async def restore(self, call: Call) -> Answer:
        """A draft with older words."""
        draft = await drafts.restore(
            call.conn, call.path["article"], call.body.revision, actor=call.actor, roles=call.roles, now=call.now
        )
        return draft_answer(draft)

    async def retire(self, call: Call) -> Answer:
        """Off the shelves."""
        await self._standing(call)
        standing = await drafts.retire(
            call.conn,
            call.path["article"],
            reason=call.body.reason,
            actor=call.actor,
            roles=call.roles,
            now=call.now,
        )
        return Answer(
            shapes.StandingOut(
                id=standing.id,
                country=standing.country,
                published=standing.published,
                latest=standing.latest,
                changed_at=standing.changed_at,
            )
        )

    async def _standing(self, call: Call) -> Standing:
        standing = await store.standing(call.conn, call.path["article"])
        if standing is None:
            raise not_there()
        return standing


def _number(revision: Revision) -> int:
    return revision.article.revision


def _revision(one: Revision, standing: Standing) -> shapes.RevisionOut:
    return shapes.RevisionOut(
        number=one.article.revision,
        author=one.author,
        approver=one.approver,
        created_at=one.created_at,
        draft_id=one.draft_id,
        small=one.small,
        published=one.article.revision == standing.published,
        body=body_of(one.article),
    )


def _brief(entry: Entry) -> shapes.ArticleBrief:
    article: Article = entry.article
    return shapes.ArticleBrief(
        id=article.id,
        title=article.title,
        country=article.country,
        language=article.language,
        topic=article.topic,
        kind=article.kind.value,
        owner=article.owner,
        confidence=article.confidence,
        revision=article.revision,
        reviewed_on=article.reviewed_on,
        review_by=article.review_by,
        states=sorted(entry.states),
        draft_id=entry.draft,
        missing=list(entry.missing),
        outdated=list(entry.outdated),
    )
