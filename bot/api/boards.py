"""The boards over the API: changes of law and what they flag, gaps, and review dates; by the rules of the desk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot import gaps
from bot.api import shapes
from bot.api.drafts import draft_answer
from bot.api.operations import REVIEWERS, WRITERS, Answer, Call, Operation, Storage
from bot.api.paging import cursor_of, page, place_of
from bot.api.problems import Wrong, bad_fields, not_there
from bot.gaps import Heap
from bot.house import House
from helpline.access_tokens import Scope
from knowledge import drafts, law_watch
from knowledge.articles import Article
from knowledge.gaps import Count
from knowledge.law_watch import Clearing, Marked
from knowledge.laws import Law, citations

_LAWS, _GAPS, _DUE = "laws", "gaps", "review dates"
_WRITE: dict[str, Any] = {"scope": Scope.WRITE, "storage": Storage.WRITE}


class LawApi:
    """The operations on law watch."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """What can be done."""
        one: dict[str, Any] = {"gives": shapes.LawChangeOut, "parts": shapes.LawChangeParts}
        clearing = {**one, "parts": shapes.ClearingParts}
        return [
            Operation(
                "listLaws",
                "GET",
                "/laws",
                "The rules that the shelves rest on",
                _LAWS,
                WRITERS,
                self.laws,
                gives=shapes.LawPage,
                query=shapes.LawsQuery,
            ),
            Operation(
                "listLawChanges",
                "GET",
                "/law-changes",
                "Every change that was marked",
                _LAWS,
                WRITERS,
                self.list,
                gives=shapes.LawChangePage,
                query=shapes.PageQuery,
            ),
            Operation(
                "markLawChange",
                "POST",
                "/law-changes",
                "Mark a rule as changed",
                _LAWS,
                WRITERS,
                self.mark,
                takes=shapes.LawChangeIn,
                gives=shapes.LawChangeOut,
                status=201,
                description="Every article that rests on the rule is flagged from the day the change is in force.",
                **_WRITE,
            ),
            Operation(
                "getLawChange",
                "GET",
                "/law-changes/{change}",
                "One change, and how far the articles are",
                _LAWS,
                WRITERS,
                self.get,
                also={404: ""},
                **one,
            ),
            Operation(
                "withdrawLawChange",
                "POST",
                "/law-changes/{change}/withdraw",
                "Take back a mark made by mistake",
                _LAWS,
                REVIEWERS,
                self.withdraw,
                takes=shapes.WithdrawIn,
                also={404: "", 409: "It was marked by this very person."},
                **one,
                **_WRITE,
            ),
            Operation(
                "findNotAffected",
                "POST",
                "/law-changes/{change}/not-affected",
                "Find an article not affected; a second person agrees",
                _LAWS,
                WRITERS,
                self.not_affected,
                takes=shapes.NotAffectedIn,
                also={404: "", 409: "It is cleared already, or the mark was withdrawn."},
                **one,
                **_WRITE,
            ),
            Operation(
                "draftAgainstChange",
                "POST",
                "/law-changes/{change}/draft",
                "Write an article anew against it",
                _LAWS,
                WRITERS,
                self.draft,
                takes=shapes.HeldIn,
                gives=shapes.DraftOut,
                parts=shapes.LawChangeParts,
                also={404: "", 409: "It is cleared already, or the mark was withdrawn."},
                tagged=True,
                description="The flag goes when the draft is published.",
                **_WRITE,
            ),
            Operation(
                "agreeToClearing",
                "POST",
                "/law-changes/{change}/clearings/{clearing}/agree",
                "Agree as a second person that an article is not affected",
                _LAWS,
                REVIEWERS,
                self.agree,
                also={404: "", 409: "It was proposed by this very person, or the article was revised since."},
                **clearing,
                **_WRITE,
            ),
            Operation(
                "refuseClearing",
                "POST",
                "/law-changes/{change}/clearings/{clearing}/refuse",
                "Put a proposal aside, or take one's own back",
                _LAWS,
                WRITERS,
                self.refuse,
                also={404: "", 409: "It is cleared already."},
                **clearing,
                **_WRITE,
            ),
        ]

    async def laws(self, call: Call) -> Answer:
        """Which rules are cited, and where."""
        asked: shapes.LawsQuery = call.query
        text = (asked.text or "").casefold()
        cited = citations(self._house.library.shelves.articles, self._house.library.laws)
        fitting = [
            (law, articles)
            for law, articles in cited.items()
            if asked.country in {None, law.country} and text in law.name.casefold()
        ]
        shown, following = page(fitting, lambda one: (one[0].key,), cursor=asked.cursor, limit=asked.limit)
        items = [
            shapes.LawOut(key=law.key, name=law.name, country=law.country, articles=list(articles))
            for law, articles in shown
        ]
        return Answer(shapes.LawPage(items=items, next=following))

    async def list(self, call: Call) -> Answer:
        """Every change, the latest marked first."""
        shown, following = page(
            await law_watch.changes(call.conn),
            lambda one: (one.change.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
            descending=True,
        )
        cleared = await law_watch.clearings(call.conn)
        items = [self._change(one, [each for each in cleared if each.change_id == one.change.id]) for one in shown]
        return Answer(shapes.LawChangePage(items=items, next=following))

    async def get(self, call: Call) -> Answer:
        """One change."""
        return await self._one(call, call.path["change"])

    async def mark(self, call: Call) -> Answer:
        """Mark."""
        body: shapes.LawChangeIn = call.body
        try:
            law = Law.of(" ".join(body.law.split()))
        except ValueError as error:
            raise bad_fields([Wrong("law", "This is no law's key, such as listLaws gives.")]) from error
        change_id = await law_watch.mark(
            call.conn,
            law=law,
            what=body.what,
            in_force_on=body.in_force_on,
            link=body.link,
            actor=call.actor,
            now=call.now,
        )
        return await self._one(call, change_id)

    async def withdraw(self, call: Call) -> Answer:
        """Take back."""
        await law_watch.withdraw(call.conn, call.path["change"], why=call.body.why, actor=call.actor, now=call.now)
        return await self.get(call)

    async def not_affected(self, call: Call) -> Answer:
        """Propose."""
        article = self._article(call.body.article_id)
        await law_watch.not_affected(
            call.conn,
            call.path["change"],
            article.id,
            revision=article.revision,
            reason=call.body.reason,
            actor=call.actor,
            now=call.now,
        )
        return await self.get(call)

    async def draft(self, call: Call) -> Answer:
        """A draft that is held against the change."""
        article, change_id = self._article(call.body.article_id), call.path["change"]
        marked = await law_watch.get(call.conn, change_id)
        draft = await drafts.open_draft(call.conn, article.id, actor=call.actor, now=call.now)
        await law_watch.held_against(
            call.conn, change_id, article.id, draft_id=draft.id, actor=call.actor, now=call.now
        )
        said = self._house.phrases.say(
            "desk.laws.comment", call.language, law=marked.change.law.name, what=marked.change.what[:400]
        )
        await drafts.comment(call.conn, draft.id, field="law_refs", text=said, actor=call.actor, now=call.now)
        return draft_answer(draft)

    async def agree(self, call: Call) -> Answer:
        """Agree."""
        clearing = await self._clearing(call)
        article = self._article(clearing.article_id)
        await law_watch.agree(call.conn, clearing.id, revision=article.revision, actor=call.actor, now=call.now)
        return await self.get(call)

    async def refuse(self, call: Call) -> Answer:
        """Put aside."""
        clearing = await self._clearing(call)
        await law_watch.refuse(call.conn, clearing.id, actor=call.actor, roles=call.roles, now=call.now)
        return await self.get(call)

    async def _clearing(self, call: Call) -> Clearing:
        for clearing in await law_watch.clearings(call.conn, call.path["change"]):
            if clearing.id == call.path["clearing"]:
                return clearing
        raise not_there()

    def _article(self, article_id: str) -> Article:
        article = self._house.library.shelves.article(article_id)
        if article is None:
            raise not_there()
        return article

    async def _one(self, call: Call, change_id: int) -> Answer:
        marked = await law_watch.get(call.conn, change_id)
        return Answer(self._change(marked, await law_watch.clearings(call.conn, change_id)))

    def _change(self, marked: Marked, cleared: Sequence[Clearing]) -> shapes.LawChangeOut:
        change, library = marked.change, self._house.library
        done = {each.article_id for each in cleared if each.done}
        resting = sorted(
            article.id
            for article in library.shelves.articles
            if any(
                change.law.touches(law)
                for ref in article.law_refs
                for law in library.laws.read(ref.ref, article.country)
            )
        )
        return shapes.LawChangeOut(
            id=change.id,
            law=change.law.key,
            what=change.what,
            in_force_on=change.in_force_on,
            link=change.link,
            by=marked.by,
            at=marked.at,
            withdrawn_by=marked.withdrawn_by,
            withdrawn_at=marked.withdrawn_at,
            withdrawn_why=marked.withdrawn_why,
            flagged=[each for each in resting if each not in done] if marked.stands else [],
            clearings=[_cleared(each) for each in cleared],
        )


def _cleared(one: Clearing) -> shapes.ClearingOut:
    return shapes.ClearingOut(
        id=one.id,
        article_id=one.article_id,
        draft_id=one.draft_id,
        reason=one.reason,
        by=one.by,
        at=one.at,
        agreed_by=one.agreed_by,
        agreed_at=one.agreed_at,
        revision=one.revision,
        done=one.done,
    )


class GapApi:
    """The operations on the gap board."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """What can be done."""
        one: dict[str, Any] = {"parts": shapes.HeapParts}
        return [
            Operation(
                "listGaps",
                "GET",
                "/gaps",
                "What was asked and not answered, by nearness",
                _GAPS,
                WRITERS,
                self.list,
                gives=shapes.HeapPage,
                query=shapes.GapsQuery,
                description="Numbers and places are told only where nobody can be recognised by them.",
            ),
            Operation(
                "getGap",
                "GET",
                "/gaps/{heap}",
                "One heap",
                _GAPS,
                WRITERS,
                self.get,
                gives=shapes.HeapOut,
                query=shapes.GapQuery,
                also={404: ""},
                **one,
            ),
            Operation(
                "draftFromGap",
                "POST",
                "/gaps/{heap}/draft",
                "A draft with these questions as wordings",
                _GAPS,
                WRITERS,
                self.draft,
                takes=shapes.GapDraftIn,
                gives=shapes.DraftOut,
                also={404: "", 409: "The id is taken, or the draft is closed to writers."},
                tagged=True,
                description="Of a new article, or with `new` false the draft of one that stands on the shelves.",
                **one,
                **_WRITE,
            ),
            Operation(
                "dismissGap",
                "POST",
                "/gaps/{heap}/dismiss",
                "Say that these need no answer, and why",
                _GAPS,
                WRITERS,
                self.dismiss,
                takes=shapes.DismissIn,
                gives=shapes.MovedOut,
                **one,
                **_WRITE,
            ),
            Operation(
                "undoDismissal",
                "POST",
                "/gaps/{heap}/undo",
                "Take a dismissal back",
                _GAPS,
                WRITERS,
                self.undo,
                gives=shapes.MovedOut,
                **one,
                **_WRITE,
            ),
        ]

    async def list(self, call: Call) -> Answer:
        """The heaps, those asked for most first."""
        asked: shapes.GapsQuery = call.query
        places = await gaps.order(call.conn, state=asked.state, country=asked.country)
        if asked.cursor is not None:
            after = place_of(asked.cursor, [int, int, str])
            places = [place for place in places if place > after]
        shown = places[: asked.limit]
        heaps = await gaps.heaps_of(call.conn, self._house, [heap_id for _, _, heap_id in shown], asked.state)
        following = cursor_of(shown[-1]) if len(places) > asked.limit else None
        return Answer(shapes.HeapPage(items=[_heap(one) for one in heaps], next=following))

    async def get(self, call: Call) -> Answer:
        """One heap."""
        heap = await gaps.heap_of(call.conn, self._house, call.path["heap"], call.query.state)
        if heap is None:
            raise not_there()
        return Answer(_heap(heap))

    async def draft(self, call: Call) -> Answer:
        """A draft."""
        body: shapes.GapDraftIn = call.body
        if not body.new and self._house.library.shelves.article(body.article_id) is None:
            raise bad_fields([Wrong("article_id", "There is no such article on the shelves.")])
        write = gaps.write_new if body.new else gaps.write_into
        draft_id = await write(
            call.conn,
            self._house,
            call.path["heap"],
            article_id=body.article_id,
            wordings=body.wordings,
            actor=call.actor,
            now=call.now,
        )
        draft = await drafts.get_draft(call.conn, draft_id)
        assert draft is not None
        return draft_answer(draft)

    async def dismiss(self, call: Call) -> Answer:
        """Dismiss."""
        moved = await gaps.dismiss(
            call.conn, call.path["heap"], reason=call.body.reason, actor=call.actor, now=call.now
        )
        return Answer(shapes.MovedOut(moved=moved > 0))

    async def undo(self, call: Call) -> Answer:
        """Take back."""
        moved = await gaps.undo(call.conn, call.path["heap"], actor=call.actor, now=call.now)
        return Answer(shapes.MovedOut(moved=moved > 0))


def _count(count: Count) -> shapes.CountOut:
    return shapes.CountOut(at_least=count.at_least, few=not count.told)


def _heap(one: Heap) -> shapes.HeapOut:
    return shapes.HeapOut(
        id=one.id,
        country=one.country,
        count=_count(one.count),
        first_week=one.first_week,
        last_week=one.last_week,
        regions=[shapes.RegionOut(name=name, count=_count(count)) for name, count in one.regions.named],
        elsewhere=_count(one.regions.elsewhere),
        kinds=list(one.kinds),
        nearest=list(one.nearest),
        questions=[
            shapes.GapQuestion(text=each.text, wording=each.wording, language=each.language) for each in one.questions
        ],
        replies=list(one.replies),
        more=one.more,
        article_id=one.article_id,
        draft_id=one.draft_id,
        reason=one.reason,
        by=one.by,
    )


class DueApi:
    """The operation on review dates. New dates go through a draft, like every other change."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """What can be done."""
        return [
            Operation(
                "listDue",
                "GET",
                "/due",
                "What is due for review",
                _DUE,
                WRITERS,
                self.list,
                gives=shapes.DuePage,
                query=shapes.DueQuery,
                description="From when its owner is reminded; `fit` says whether it still answers.",
            )
        ]

    async def list(self, call: Call) -> Answer:
        """What is due, the oldest date first."""
        asked: shapes.DueQuery = call.query
        library = self._house.library
        open_drafts = {draft.article_id: draft.id for draft in await drafts.list_drafts(call.conn)}
        found = []
        for article in library.shelves.articles:
            hands_over = library.standing.hands_over_from(article)
            if article.review_by is None or hands_over is None or not library.standing.is_due(article, call.now):
                continue
            found.append(
                shapes.DueOut(
                    article_id=article.id,
                    title=article.title,
                    country=article.country,
                    owner=article.owner,
                    revision=article.revision,
                    fit=library.standing.fitness(article, call.now).fit,
                    review_by=article.review_by,
                    hands_over_from=hands_over,
                    draft_id=open_drafts.get(article.id),
                )
            )
        fitting = [
            one
            for one in found
            if asked.owner in {None, one.owner}
            and asked.country in {None, one.country}
            and asked.fit in {None, one.fit}
        ]
        shown, following = page(
            fitting,
            lambda one: (one.review_by.toordinal(), one.article_id),
            cursor=asked.cursor,
            limit=asked.limit,
        )
        return Answer(shapes.DuePage(items=shown, next=following))
