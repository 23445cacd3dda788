"""Drafts over the API, from the first word to the revision they become, by the rules of `knowledge/drafts.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bot.api import shapes
from bot.api.door import tag_of
from bot.api.operations import REVIEWERS, WRITERS, Answer, Call, Operation, Storage
from bot.api.paging import page
from bot.api.problems import Trouble, Wrong, bad_fields, not_there
from helpline.access_tokens import Scope
from helpline.phrases import Phrases
from knowledge import drafts, gate_runs
from knowledge.articles import body_of
from knowledge.diff import diff_bodies
from knowledge.drafts import Collision, Comment, Draft, NotTested, Saved, SetAside, SmallChange
from knowledge.gate_runs import GateRun, Override

_TAG, _GATE = "drafts", "gate"
_COLLIDED = "Somebody else changed the same fields, or the draft is no longer written in: both texts."
_STAGE = "It does not fit where the draft stands, or may not be done by this person."
_CHANGED = "The draft is no longer the version that If-Match names."
_NOT_YOURS = "This takes a reviewer."


class DraftApi:
    """The operations on drafts and on what the gate says of them."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases

    def operations(self) -> list[Operation]:
        """What can be done."""
        write: dict[str, Any] = {"scope": Scope.WRITE, "storage": Storage.WRITE}
        one: dict[str, Any] = {"roles": WRITERS, "parts": shapes.DraftParts}
        there = {404: ""}
        act = {409: _STAGE, 404: "", 412: _CHANGED}

        def seen(name: str, path: str, summary: str, handle: Any, **more: Any) -> Operation:
            """An act on a draft in the version that was read."""
            options: dict[str, Any] = {
                "roles": WRITERS,
                "takes": shapes.SeenIn,
                "gives": shapes.DraftOut,
                "also": {**act, 422: ""},
                "body_required": False,
                "conditional": True,
                "tagged": True,
                "parts": shapes.DraftParts,
                **write,
                **more,
            }
            return Operation(name, "POST", path, summary, handle=handle, **{"tag": _TAG, **options})

        return [
            Operation(
                "listDrafts",
                "GET",
                "/drafts",
                "Drafts, the open ones unless a stage is named",
                _TAG,
                WRITERS,
                self.list,
                gives=shapes.DraftPage,
                query=shapes.DraftsQuery,
            ),
            Operation(
                "newDraft",
                "POST",
                "/drafts",
                "Begin an article that there was none of",
                _TAG,
                WRITERS,
                self.new,
                takes=shapes.DraftNew,
                gives=shapes.DraftOut,
                status=201,
                also={409: "The id is taken, or a draft is open; `draft_id` names it."},
                tagged=True,
                **write,
            ),
            Operation(
                "getDraft",
                "GET",
                "/drafts/{draft}",
                "One draft",
                _TAG,
                handle=self.get,
                gives=shapes.DraftOut,
                also=there,
                tagged=True,
                **one,
            ),
            Operation(
                "saveDraft",
                "PATCH",
                "/drafts/{draft}",
                "Save the fields that were changed",
                _TAG,
                handle=self.save,
                takes=shapes.DraftSave,
                gives=shapes.SavedOut,
                also={404: "", 409: _COLLIDED, 412: _CHANGED},
                conditional=True,
                tagged=True,
                description="With `seen`, what others changed meanwhile in other fields is merged, and the same field "
                "changed by both is a 409 with both texts. With `If-Match`, any change meanwhile is a 412.",
                **one,
                **write,
            ),
            Operation(
                "listProblems",
                "GET",
                "/drafts/{draft}/problems",
                "What keeps it from being an article, and what should be looked at",
                _TAG,
                handle=self.problems,
                gives=shapes.ProblemsOut,
                also=there,
                **one,
            ),
            Operation(
                "diffDraft",
                "GET",
                "/drafts/{draft}/diff",
                "What differs from the revision it was made from",
                _TAG,
                handle=self.diff,
                gives=shapes.DiffOut,
                also=there,
                **one,
            ),
            Operation(
                "listSaves",
                "GET",
                "/drafts/{draft}/saves",
                "The history of saves, also of those set aside",
                _TAG,
                handle=self.saves,
                gives=shapes.SavePage,
                query=shapes.PageQuery,
                also=there,
                **one,
            ),
            Operation(
                "rebaseDraft",
                "POST",
                "/drafts/{draft}/rebase",
                "Put it upon the newest revision",
                _TAG,
                handle=self.rebase,
                gives=shapes.SavedOut,
                also={404: "", 409: _STAGE},
                tagged=True,
                description="`merged` names the fields that both changed; they stay as the draft has them.",
                **one,
                **write,
            ),
            seen("submitDraft", "/drafts/{draft}/submit", "Hand it in for review", self.submit),
            Operation(
                "sendBackDraft",
                "POST",
                "/drafts/{draft}/send-back",
                "Give it back to its writers, or take it back as one of them",
                _TAG,
                handle=self.send_back,
                takes=shapes.ReasonIn,
                gives=shapes.DraftOut,
                also={404: "", 409: _STAGE, 403: _NOT_YOURS},
                tagged=True,
                **one,
                **write,
            ),
            seen(
                "approveDraft", "/drafts/{draft}/approve", "Say that it may be published", self.approve, roles=REVIEWERS
            ),
            seen(
                "publishDraft",
                "/drafts/{draft}/publish",
                "Make it a revision that stands on the shelves",
                self.publish,
                also={
                    **act,
                    403: _NOT_YOURS,
                    409: "It does not fit; or the questions have not been asked yet (a run is wanted at once, and "
                    "`gate_run_id` names it); or they block it.",
                    422: "",
                },
                description="An editor alone may publish only a confirmed small change.",
            ),
            Operation(
                "scheduleDraft",
                "POST",
                "/drafts/{draft}/schedule",
                "Have an approved draft published at a set time",
                _TAG,
                REVIEWERS,
                self.schedule,
                takes=shapes.ScheduleIn,
                gives=shapes.DraftOut,
                parts=shapes.DraftParts,
                also={404: "", 409: _STAGE},
                tagged=True,
                **write,
            ),
            Operation(
                "unscheduleDraft",
                "POST",
                "/drafts/{draft}/unschedule",
                "Take the set time away",
                _TAG,
                REVIEWERS,
                self.unschedule,
                gives=shapes.DraftOut,
                parts=shapes.DraftParts,
                also={404: "", 409: _STAGE},
                tagged=True,
                **write,
            ),
            Operation(
                "abandonDraft",
                "POST",
                "/drafts/{draft}/abandon",
                "Put it away, its words kept",
                _TAG,
                handle=self.abandon,
                takes=shapes.AbandonIn,
                gives=shapes.DraftOut,
                also={404: "", 409: _STAGE},
                body_required=False,
                tagged=True,
                **one,
                **write,
            ),
            Operation(
                "markSmall",
                "POST",
                "/drafts/{draft}/small",
                "Mark it as a small change, or no longer",
                _TAG,
                handle=self.small,
                takes=shapes.SmallIn,
                gives=shapes.DraftOut,
                also={404: "", 409: "It is no small change, or no longer open."},
                tagged=True,
                **one,
                **write,
            ),
            Operation(
                "listComments",
                "GET",
                "/drafts/{draft}/comments",
                "What was remarked",
                _TAG,
                handle=self.comments,
                gives=shapes.CommentPage,
                query=shapes.PageQuery,
                also=there,
                **one,
            ),
            Operation(
                "addComment",
                "POST",
                "/drafts/{draft}/comments",
                "Remark on a field, or on the whole",
                _TAG,
                handle=self.comment,
                takes=shapes.CommentIn,
                gives=shapes.CommentOut,
                status=201,
                also={404: "", 409: "The draft is no longer open."},
                **one,
                **write,
            ),
            Operation(
                "resolveComment",
                "POST",
                "/drafts/{draft}/comments/{comment}/resolve",
                "Say that a comment is dealt with",
                _TAG,
                WRITERS,
                self.resolve,
                gives=shapes.CommentOut,
                parts=shapes.CommentParts,
                also=there,
                **write,
            ),
            Operation(
                "getGate",
                "GET",
                "/drafts/{draft}/gate",
                "How it stands with the gate",
                _GATE,
                handle=self.gate,
                gives=shapes.GateOut,
                also=there,
                **one,
            ),
            Operation(
                "wantGateRun",
                "POST",
                "/drafts/{draft}/gate",
                "Have the questions asked of the shelves with it in place",
                _GATE,
                handle=self.want_run,
                gives=shapes.GateRunOut,
                status=202,
                also={404: "", 409: "The draft is no longer open.", 422: "The draft is not whole yet."},
                **one,
                **write,
            ),
            Operation(
                "getGateRun",
                "GET",
                "/gate-runs/{run}",
                "One run, and how far it is",
                _GATE,
                WRITERS,
                self.run,
                gives=shapes.GateRunOut,
                parts=shapes.RunParts,
                also=there,
            ),
            Operation(
                "askOverride",
                "POST",
                "/drafts/{draft}/override",
                "Ask that a blocked draft be let through",
                _GATE,
                handle=self.ask_override,
                takes=shapes.ReasonIn,
                gives=shapes.OverrideOut,
                also={404: "", 409: "Nothing blocks it."},
                **one,
                **write,
            ),
            seen(
                "confirmOverride",
                "/drafts/{draft}/override/confirm",
                "Put a second name under an override",
                self.confirm_override,
                roles=REVIEWERS,
                gives=shapes.OverrideOut,
                tag=_GATE,
                tagged=False,
                also={**act, 409: "Nobody asked for one, or this person did.", 422: ""},
            ),
            Operation(
                "listSmallChanges",
                "GET",
                "/small-changes",
                "What one person published alone",
                _TAG,
                WRITERS,
                self.small_changes,
                gives=shapes.SmallPage,
                query=shapes.SmallQuery,
            ),
            Operation(
                "reviewSmallChange",
                "POST",
                "/small-changes/{change}/review",
                "Note that somebody else has looked at it",
                _TAG,
                REVIEWERS,
                self.review_small,
                gives=shapes.MovedOut,
                parts=shapes.SmallParts,
                also={404: "", 409: "It was published by this very person."},
                **write,
            ),
        ]

    # --- reading ------------------------------------------------------------------------------------------------------

    async def list(self, call: Call) -> Answer:
        """Drafts, the newest first."""
        asked: shapes.DraftsQuery = call.query
        found = await drafts.list_drafts(call.conn, stages=[asked.stage] if asked.stage is not None else None)
        fitting = [draft for draft in found if asked.article_id in {None, draft.article_id}]
        shown, following = page(
            fitting, lambda draft: (draft.id,), cursor=asked.cursor, limit=asked.limit, descending=True
        )
        return Answer(shapes.DraftPage(items=[draft_out(draft) for draft in shown], next=following))

    async def get(self, call: Call) -> Answer:
        """One draft."""
        return draft_answer(await _draft(call))

    async def problems(self, call: Call) -> Answer:
        """What should be looked at."""
        draft = await _draft(call)
        found = await asyncio.to_thread(drafts.findings_of, draft.body)
        items = [shapes.ProblemOut(field=one.field, message=one.message, blocks=one.blocks) for one in found]
        return Answer(shapes.ProblemsOut(items=items))

    async def diff(self, call: Call) -> Answer:
        """What differs from where it began."""
        draft = await _draft(call)
        base = await drafts.base_of(call.conn, draft)
        before = body_of(base) if base is not None else {}
        found = await asyncio.to_thread(diff_bodies, before, draft.body)
        return Answer(shapes.DiffOut(fields=shapes.diff_out(found)))

    async def saves(self, call: Call) -> Answer:
        """Every save, the newest first."""
        draft = await _draft(call)
        shown, following = page(
            await drafts.saves(call.conn, draft.id),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
            descending=True,
        )
        items = [
            shapes.SaveOut(
                id=one.id, version=one.version, at=one.at, by=one.by, fields=one.fields, kept_aside=one.kept_aside
            )
            for one in shown
        ]
        return Answer(shapes.SavePage(items=items, next=following))

    # --- writing ------------------------------------------------------------------------------------------------------

    async def new(self, call: Call) -> Answer:
        """A new article's draft."""
        body: shapes.DraftNew = call.body
        draft = await drafts.new_draft(
            call.conn,
            article_id=body.article_id,
            country=body.country,
            actor=call.actor,
            now=call.now,
            body=body.body,
        )
        return draft_answer(draft)

    async def save(self, call: Call) -> Answer:
        """Take the changed fields."""
        body: shapes.DraftSave = call.body
        seen = _seen(call)
        if seen is None:
            raise bad_fields([Wrong("seen", "Say which version was changed, here or as If-Match.")])
        try:
            saved = await drafts.save(
                call.conn, call.path["draft"], seen=seen, fields=body.fields, actor=call.actor, now=call.now
            )
        except SetAside as error:
            return self._set_aside(call, error)
        if call.if_match is not None and saved.draft.version > seen + 1:
            raise Trouble(412, "changed-meanwhile", "desk.draft.no.changed")
        return _saved(saved)

    def _set_aside(self, call: Call, error: SetAside) -> Answer:
        """Both texts. What was sent is in the history of saves, so this ends as what was written, not as a refusal."""
        if call.if_match not in {None, error.draft.version}:
            raise Trouble(412, "changed-meanwhile", "desk.draft.no.changed") from error
        collided = isinstance(error, Collision)
        return Answer(
            shapes.Collision(
                type="urn:varde:problem:" + ("collision" if collided else "closed"),
                title="Conflict",
                status=409,
                detail=self._phrases.say(error.key, call.language, **error.values),
                request_id=call.request_id,
                draft=draft_out(error.draft),
                theirs=dict(error.theirs) if isinstance(error, Collision) else {},
                yours=error.yours,
            ),
            status=409,
            headers={"ETag": tag_of(error.draft.id, error.draft.version), "Content-Language": call.language.value},
            kind="application/problem+json",
        )

    async def rebase(self, call: Call) -> Answer:
        """Upon the newest revision."""
        return _saved(await drafts.rebase(call.conn, call.path["draft"], actor=call.actor, now=call.now))

    async def submit(self, call: Call) -> Answer:
        """Hand in."""
        return await self._act(call, drafts.submit)

    async def approve(self, call: Call) -> Answer:
        """Approve."""
        return await self._act(call, drafts.approve)

    async def publish(self, call: Call) -> Answer:
        """Publish; where the questions have not been asked, have them asked."""
        try:
            return await self._act(call, drafts.publish)
        except NotTested as error:
            run = error.run or await drafts.want_gate_run(call.conn, call.path["draft"], actor=call.actor, now=call.now)
            return Answer(
                shapes.Problem(
                    type="urn:varde:problem:not-tested",
                    title="Conflict",
                    status=409,
                    detail=self._phrases.say(error.key, call.language),
                    request_id=call.request_id,
                    gate_run_id=run.id,
                ),
                status=409,
                headers={"Content-Language": call.language.value},
                kind="application/problem+json",
                again=True,
            )

    async def _act(self, call: Call, act: Callable[..., Awaitable[Draft]]) -> Answer:
        draft = await act(
            call.conn, call.path["draft"], actor=call.actor, roles=call.roles, now=call.now, seen=_seen(call)
        )
        return draft_answer(draft)

    async def send_back(self, call: Call) -> Answer:
        """Back to the writers."""
        return draft_answer(
            await drafts.send_back(
                call.conn,
                call.path["draft"],
                reason=call.body.reason,
                actor=call.actor,
                roles=call.roles,
                now=call.now,
            )
        )

    async def schedule(self, call: Call) -> Answer:
        """Set a time."""
        return draft_answer(
            await drafts.schedule(
                call.conn, call.path["draft"], at=call.body.at, actor=call.actor, roles=call.roles, now=call.now
            )
        )

    async def unschedule(self, call: Call) -> Answer:
        """Take it away."""
        return draft_answer(
            await drafts.unschedule(call.conn, call.path["draft"], actor=call.actor, roles=call.roles, now=call.now)
        )

    async def abandon(self, call: Call) -> Answer:
        """Put away."""
        return draft_answer(
            await drafts.abandon(
                call.conn,
                call.path["draft"],
                actor=call.actor,
                roles=call.roles,
                now=call.now,
                reason=call.body.reason,
            )
        )

    async def small(self, call: Call) -> Answer:
        """Mark."""
        return draft_answer(
            await drafts.mark_small(
                call.conn, call.path["draft"], small=call.body.small, actor=call.actor, now=call.now
            )
        )

    # --- comments -----------------------------------------------------------------------------------------------------

    async def comments(self, call: Call) -> Answer:
        """What was remarked."""
        draft = await _draft(call)
        shown, following = page(
            await drafts.comments(call.conn, draft.id),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer(shapes.CommentPage(items=[_comment(one) for one in shown], next=following))

    async def comment(self, call: Call) -> Answer:
        """Remark."""
        made = await drafts.comment(
            call.conn,
            call.path["draft"],
            field=call.body.field,
            text=call.body.text,
            actor=call.actor,
            now=call.now,
        )
        return Answer(_comment(made))

    async def resolve(self, call: Call) -> Answer:
        """Dealt with."""
        draft = await _draft(call)
        if call.path["comment"] not in {one.id for one in await drafts.comments(call.conn, draft.id)}:
            raise not_there()
        done = await drafts.resolve_comment(call.conn, call.path["comment"], actor=call.actor, now=call.now)
        return Answer(_comment(done))

    # --- the gate -----------------------------------------------------------------------------------------------------

    async def gate(self, call: Call) -> Answer:
        """How it stands."""
        draft = await _draft(call)
        run = await drafts.gate_run_of(call.conn, draft)
        latest = await gate_runs.latest(call.conn, draft.id)
        override = await drafts.override_of(call.conn, draft)
        return Answer(
            shapes.GateOut(
                run=_run(run) if run is not None else None,
                latest=_run(latest) if latest is not None else None,
                override=_override(override) if override is not None else None,
            )
        )

    async def want_run(self, call: Call) -> Answer:
        """Ask for one."""
        return Answer(_run(await drafts.want_gate_run(call.conn, call.path["draft"], actor=call.actor, now=call.now)))

    async def run(self, call: Call) -> Answer:
        """One run."""
        found = await gate_runs.get(call.conn, call.path["run"])
        if found is None:
            raise not_there()
        return Answer(_run(found))

    async def ask_override(self, call: Call) -> Answer:
        """Ask."""
        return Answer(
            _override(
                await drafts.ask_override(
                    call.conn,
                    call.path["draft"],
                    reason=call.body.reason,
                    actor=call.actor,
                    roles=call.roles,
                    now=call.now,
                )
            )
        )

    async def confirm_override(self, call: Call) -> Answer:
        """Confirm."""
        return Answer(
            _override(
                await drafts.confirm_override(
                    call.conn,
                    call.path["draft"],
                    actor=call.actor,
                    roles=call.roles,
                    now=call.now,
                    seen=_seen(call),
                )
            )
        )

    # --- small changes ------------------------------------------------------------------------------------------------

    async def small_changes(self, call: Call) -> Answer:
        """Those that wait, or were looked at."""
        shown, following = page(
            await drafts.small_changes(call.conn, reviewed=call.query.reviewed),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer(shapes.SmallPage(items=[_small(one) for one in shown], next=following))

    async def review_small(self, call: Call) -> Answer:
        """Looked at."""
        moved = await drafts.review_small_change(
            call.conn, call.path["change"], actor=call.actor, roles=call.roles, now=call.now
        )
        return Answer(shapes.MovedOut(moved=moved))


async def _draft(call: Call) -> Draft:
    draft = await drafts.get_draft(call.conn, call.path["draft"])
    if draft is None:
        raise not_there()
    return draft


def _seen(call: Call) -> int | None:
    return call.if_match if call.if_match is not None else call.body.seen


def draft_answer(draft: Draft) -> Answer:
    """A draft as an answer, with its ETag."""
    return Answer(draft_out(draft), headers={"ETag": tag_of(draft.id, draft.version)})


def _saved(saved: Saved) -> Answer:
    return Answer(
        shapes.SavedOut(draft=draft_out(saved.draft), merged=list(saved.merged)),
        headers={"ETag": tag_of(saved.draft.id, saved.draft.version)},
    )


def draft_out(draft: Draft) -> shapes.DraftOut:
    """A draft as it goes out."""
    return shapes.DraftOut(
        id=draft.id,
        article_id=draft.article_id,
        base=draft.base,
        restored=draft.restored,
        country=draft.country,
        stage=draft.stage,
        version=draft.version,
        small=draft.small,
        authors=sorted(draft.authors),
        created_at=draft.created_at,
        updated_by=draft.updated_by,
        updated_at=draft.updated_at,
        submitted_by=draft.submitted_by,
        submitted_at=draft.submitted_at,
        approved_by=draft.approved_by,
        approved_at=draft.approved_at,
        publish_at=draft.publish_at,
        revision=draft.revision,
        note=draft.note,
        body=draft.body,
    )


def _comment(one: Comment) -> shapes.CommentOut:
    return shapes.CommentOut(
        id=one.id,
        field=one.field,
        text=one.text,
        by=one.by,
        at=one.at,
        resolved_by=one.resolved_by,
        resolved_at=one.resolved_at,
    )


def _small(one: SmallChange) -> shapes.SmallOut:
    return shapes.SmallOut(
        id=one.id,
        article_id=one.article_id,
        number=one.number,
        by=one.by,
        at=one.at,
        reviewed_by=one.reviewed_by,
        reviewed_at=one.reviewed_at,
    )


def _override(one: Override) -> shapes.OverrideOut:
    return shapes.OverrideOut(
        id=one.id,
        draft_id=one.draft_id,
        version=one.version,
        reason=one.reason,
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        confirmed_by=one.confirmed_by,
        confirmed_at=one.confirmed_at,
        holds=one.holds,
    )


def _run(run: GateRun) -> shapes.GateRunOut:
    report = run.report
    return shapes.GateRunOut(
        id=run.id,
        draft_id=run.draft_id,
        version=run.version,
        state=run.state,
        asked=run.asked,
        of=run.of,
        passes=run.passes,
        wanted_by=run.wanted_by,
        wanted_at=run.wanted_at,
        finished_at=run.finished_at,
        figures=[
            shapes.GateFigures(
                set_id=one.set_id,
                title=one.title,
                asked=one.asked,
                right_before=one.right_before,
                right_after=one.right_after,
                level=one.level,
                passes=one.passes,
            )
            for one in (report.figures if report is not None else ())
        ],
        changes=[
            shapes.GateChange(
                set_id=one.set_id,
                question_id=one.question.id,
                text=one.question.text,
                kind=one.kind,
                before=shapes.ShownOut(
                    outcome=one.before.outcome,
                    articles=list(one.before.articles),
                    maybe_danger=one.before.maybe_danger,
                ),
                after=shapes.ShownOut(
                    outcome=one.after.outcome, articles=list(one.after.articles), maybe_danger=one.after.maybe_danger
                ),
                right_before=one.right_before,
                right_after=one.right_after,
            )
            for one in (report.changes if report is not None else ())
        ],
    )
