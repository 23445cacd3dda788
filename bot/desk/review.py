"""Handing on: a draft is read, tried against known questions, sent back or approved, and published.

One page shows what changed, what colleagues remarked, what the questions say, and only those acts that this reader may
do now. What was written into the page (a reason, a comment) comes back where an act was refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk import sheet
from bot.desk.door import DeskDoor
from bot.desk.editor import DRAFT, WRITERS, draft_in, may
from bot.desk.telling import Difference, Telling, telling
from bot.desk.trouble import Inspector
from helpline.accounts import Role, Staff
from helpline.sessions import staff_of
from helpline.storage import wake
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, html, see_other
from knowledge import drafts, gate_runs, life, store
from knowledge.articles import body_of
from knowledge.diff import diff, diff_bodies
from knowledge.drafts import Comment, Draft, DraftError, NotTested
from knowledge.gate import Change, ChangeKind, Figures, Shown
from knowledge.gate_runs import TOPIC, GateRun, Override, RunState, topic_of
from knowledge.life import Act, Stage
from knowledge.questions import WORDS

_BODY: Final = 64 * KILOBYTE
_ORDER: Final = (ChangeKind.STOPS, ChangeKind.OTHER, ChangeKind.STARTS)
_KIND: Final = {ChangeKind.STOPS: "stops", ChangeKind.OTHER: "other", ChangeKind.STARTS: "starts"}
_MOST_SHOWN: Final = 200
_TOLD: Final = frozenset(
    {
        *("submit", "send_back", "approve", "publish", "schedule", "unschedule", "abandon", "small", "not_small"),
        *("gate", "ask_override", "confirm_override", "comment", "rebase", "closed"),
    }
)


@dataclass(frozen=True)
class Moved:
    """A question that would be met otherwise, as the page shows it."""

    kind: str
    text: str
    language: str
    expected: str
    before: str
    after: str
    worse: bool
    better: bool


@dataclass(frozen=True)
class SetFigures:
    """How one question set fares, in per cent."""

    title: str
    asked: int
    before: int
    after: int
    level: int
    passes: bool


class ReviewDesk:
    """The routes of handing on."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._inspector = Inspector()
        door.counts["/desk/drafts"] = _waiting

    def routes(self) -> list[Route]:
        """The addresses of review, gate and small changes."""
        staff = Access.STAFF
        return [
            Route("GET", DRAFT + "/review", self.show, staff),
            Route("POST", DRAFT + "/review", self.act, staff, _BODY),
            Route("GET", DRAFT + "/gate", self.gate, staff),
            Route("GET", DRAFT + "/gate/state", self.gate_state, staff),
            Route("GET", DRAFT + "/gate/live", self.gate_live, staff),
            Route("GET", "/desk/small", self.small, staff),
            Route("POST", "/desk/small", self.looked_over, staff, _BODY),
        ]

    # --- reading ------------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The draft, to be judged."""
        self._door.member(request, *WRITERS)
        return await self._page(request)

    async def _page(
        self, request: web.Request, *, refused: str = "", typed: Mapping[str, str] | None = None, status: int = 200
    ) -> web.Response:
        staff, language = staff_of(request), request[LANGUAGE]
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            tell = await telling(self._door, request, conn)
            base = await drafts.base_of(conn, draft)
            standing = await store.standing(conn, draft.article_id)
            remarks = await drafts.comments(conn, draft.id)
            events = await drafts.events(conn, draft.article_id, limit=100)
            gate = await self._gate(conn, draft, tell, staff)
        before = body_of(base) if base is not None else {}
        after = draft.body
        troubles = self._inspector.look(draft.body, self._house.library.shelves, tell) if draft.is_open else []
        shape = sheet.shaped(draft.body)
        needs = {need.key: need.names[language] for need in self._house.library.directory.needs.values()}
        article = sheet.showable(draft.body, draft.article_id, draft.country, revision=(draft.base or 0) + 1)
        return self._door.pages.page(
            "desk/review.html",
            language,
            status=status,
            draft=draft,
            title=shape["title"] or draft.article_id,
            it=article,
            reviewed_on=tell.day(article.reviewed_on),
            review_by=tell.day(article.review_by),
            needs=needs,
            facts=self._facts(draft, tell),
            compared=_with_comments(tell.differences(diff_bodies(before, after)), remarks),
            comments={"whole": [one for one in remarks if _unplaced(one, before, after)]},
            open_remarks=len([one for one in remarks if one.resolved_at is None]),
            troubles=troubles,
            moved=standing is not None and draft.is_open and standing.latest != (draft.base or 0),
            may=self._may(draft, staff),
            two_people=draft.base is None or str(draft.body.get("kind", "")) != life.ALONE,
            zone=tell.zone_name,
            tell=tell,
            refused=refused,
            typed=typed or {},
            told=self._told(request, draft, tell),
            events=[tell.happened(event) for event in events if event.details.get("draft") == draft.id],
            **gate,
            **await self._door.frame(request),
        )

    def _may(self, draft: Draft, staff: Staff) -> Mapping[str, bool]:
        """Which acts are offered. The act itself asks once more, under a lock."""
        return {act.value: may(act, draft, staff) is None for act in Act}

    def _facts(self, draft: Draft, tell: Telling) -> list[tuple[str, str]]:
        facts = [("stage", tell.say(f"desk.stage.{draft.stage}"))]
        facts.append(("authors", ", ".join(tell.who(one) for one in sorted(draft.authors)) or "–"))
        if draft.submitted_at is not None:
            facts.append(("submitted", f"{tell.who(draft.submitted_by)}, {tell.moment(draft.submitted_at)}"))
        if draft.approved_at is not None:
            facts.append(("approved", f"{tell.who(draft.approved_by)}, {tell.moment(draft.approved_at)}"))
        if draft.publish_at is not None:
            facts.append(("publish_at", tell.full_moment(draft.publish_at)))
        if draft.revision is not None:
            facts.append(("revision", str(draft.revision)))
        return [(tell.say(f"desk.review.{name}"), said) for name, said in facts]

    def _told(self, request: web.Request, draft: Draft, tell: Telling) -> str:
        told = request.query.get("told", "")
        if told not in _TOLD:
            return ""
        at = tell.full_moment(draft.publish_at)
        return tell.say(f"desk.review.told.{told}", time=at, revision=draft.revision or "")

    # --- the gate -----------------------------------------------------------------------------------------------------

    async def _gate(self, conn: AsyncConnection, draft: Draft, tell: Telling, staff: Staff) -> dict[str, Any]:
        """The run of the draft as it stands; where there is none, the last one that was made."""
        run = await drafts.gate_run_of(conn, draft)
        last = run or await gate_runs.latest(conn, draft.id)
        override = await drafts.override_of(conn, draft)
        report = last.report if last is not None else None
        moves = [self._moved(change, tell) for change in report.changes] if report is not None else []
        confirm = override is not None and not override.holds and _may_confirm(override, staff)
        return {
            "run": last,
            "present": run is not None,
            "state": _state_of(run),
            "percent": round(100 * last.asked / last.of) if last is not None and last.of else 0,
            "figures": [_figures(one) for one in report.figures] if report is not None else [],
            "moves": [(kind, [move for move in moves if move.kind == kind]) for kind in (_KIND[one] for one in _ORDER)],
            "moved_count": len(moves),
            "run_at": tell.moment(last.finished_at) if last is not None and last.finished_at is not None else "",
            "override": override,
            "override_said": _override_said(override, tell),
            "may_confirm": confirm,
            "draft_id": draft.id,
            "draft_open": draft.is_open,
        }

    def _moved(self, change: Change, tell: Telling) -> Moved:
        expected = change.question.expected
        if isinstance(expected, str):
            said = tell.say(f"desk.expected.{expected}") if expected in WORDS else expected
        else:
            said = ", ".join(self._title(one) for one in expected)
        return Moved(
            _KIND[change.kind],
            change.question.text,
            change.question.language.value,
            said,
            self._shown(change.before, tell),
            self._shown(change.after, tell),
            worse=change.right_before and not change.right_after,
            better=change.right_after and not change.right_before,
        )

    def _shown(self, shown: Shown, tell: Telling) -> str:
        if shown.straight is not None:
            return self._title(shown.straight)
        return tell.say(f"desk.outcome.{shown.outcome}")

    def _title(self, article_id: str) -> str:
        article = self._house.library.shelves.article(article_id)
        return article.title if article is not None else article_id

    async def gate(self, request: web.Request) -> web.StreamResponse:
        """Which questions would be met otherwise, and how each set fares."""
        staff = self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            tell = await telling(self._door, request, conn)
            gate = await self._gate(conn, draft, tell, staff)
        return self._door.pages.page(
            "desk/gate.html",
            request[LANGUAGE],
            draft=draft,
            title=sheet.shaped(draft.body)["title"] or draft.article_id,
            most=_MOST_SHOWN,
            **gate,
            **await self._door.frame(request),
        )

    async def gate_state(self, request: web.Request) -> web.StreamResponse:
        """How far the questions are, alone: for a page whose stream a proxy swallows."""
        staff = self._door.member(request, *WRITERS)
        return html(await self._gate_rendered(request, staff))

    async def gate_live(self, request: web.Request) -> web.StreamResponse:
        """How far the questions are, as they are asked."""
        staff = self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
        last = ""
        with self._house.db.watch(topic_of(draft.id), TOPIC) as watch:
            async with self._door.streams.open(request, f"staff:{staff.id}:gate", watch) as stream:
                async for _ in stream.turns(silent_too=True):
                    if not await self._door.sessions.still_signed_in(request, *WRITERS):
                        await stream.send("gone", "")
                        break
                    shown = await self._gate_rendered(request, staff)
                    if shown != last:
                        await stream.send("gate", shown)
                        last = shown
            return stream.response

    async def _gate_rendered(self, request: web.Request, staff: Staff) -> str:
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            tell = await telling(self._door, request, conn)
            gate = await self._gate(conn, draft, tell, staff)
        return self._door.pages.render("desk/gate_summary.html", request[LANGUAGE], **gate)

    # --- doing --------------------------------------------------------------------------------------------------------

    async def act(self, request: web.Request) -> web.StreamResponse:
        """Do what was pressed; a second press finds it done."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        typed = {name: str(value) for name, value in form.items()}
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
        do, _, which = typed.get("do", "").partition(":")
        try:
            async with self._house.db.write() as conn:
                await self._do(conn, do, which, draft, staff, typed)
                wake(conn, topic_of(draft.id))
        except NotTested as error:
            return await self._ask_first(request, draft, staff, error, typed)
        except DraftError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._page(request, refused=said, typed=typed, status=409)
        if do == "resolve":
            return see_other(f"/desk/drafts/{draft.id}/review#differences")
        return see_other(f"/desk/drafts/{draft.id}/review?told={do}" + ("#differences" if do == "comment" else ""))

    async def _do(
        self, conn: AsyncConnection, do: str, which: str, draft: Draft, staff: Staff, typed: Mapping[str, str]
    ) -> None:
        now = self._house.clock.now()
        actor, roles = f"staff:{staff.id}", staff.roles
        seen = int(typed["seen"]) if typed.get("seen", "").isdecimal() and len(typed["seen"]) < 12 else None
        match do:
            case "submit":
                await drafts.submit(conn, draft.id, actor=actor, roles=roles, now=now, seen=seen)
            case "send_back":
                reason = typed.get("reason", "")
                await drafts.send_back(conn, draft.id, reason=reason, actor=actor, roles=roles, now=now)
            case "approve":
                await drafts.approve(conn, draft.id, actor=actor, roles=roles, now=now, seen=seen)
            case "publish":
                if draft.stage is not Stage.PUBLISHED:
                    await drafts.publish(conn, draft.id, actor=actor, roles=roles, now=now, seen=seen)
            case "schedule":
                at = _instant(typed.get("at", ""), staff.zone)
                await drafts.schedule(conn, draft.id, at=at, actor=actor, roles=roles, now=now)
            case "unschedule":
                await drafts.unschedule(conn, draft.id, actor=actor, roles=roles, now=now)
            case "abandon":
                reason = typed.get("abandon_reason", "")
                await drafts.abandon(conn, draft.id, reason=reason, actor=actor, roles=roles, now=now)
            case "small" | "not_small":
                await drafts.mark_small(conn, draft.id, small=do == "small", actor=actor, now=now)
            case "gate":
                await drafts.want_gate_run(conn, draft.id, actor=actor, now=now)
            case "ask_override":
                reason = typed.get("override_reason", "")
                await drafts.ask_override(conn, draft.id, reason=reason, actor=actor, roles=roles, now=now)
            case "confirm_override":
                await drafts.confirm_override(conn, draft.id, actor=actor, roles=roles, now=now, seen=seen)
            case "rebase":
                await drafts.rebase(conn, draft.id, actor=actor, now=now)
            case "comment":
                text = typed.get(f"comment.{which or 'whole'}", "")
                await drafts.comment(conn, draft.id, field=which, text=text, actor=actor, now=now)
            case "resolve" if which.isdecimal() and len(which) < 16:
                if int(which) in {one.id for one in await drafts.comments(conn, draft.id)}:
                    await drafts.resolve_comment(conn, int(which), actor=actor, now=now)
            case _:
                raise Refused(400, "error.bad_request")

    async def _ask_first(
        self, request: web.Request, draft: Draft, staff: Staff, error: NotTested, typed: Mapping[str, str]
    ) -> web.Response:
        """The questions have not been asked of exactly this yet: they are now, and publishing is pressed again."""
        async with self._house.db.write() as conn:
            await drafts.want_gate_run(conn, draft.id, actor=f"staff:{staff.id}", now=self._house.clock.now())
        return await self._page(request, refused=self._door.say(request, error.key), typed=typed, status=409)

    # --- small changes ------------------------------------------------------------------------------------------------

    async def small(self, request: web.Request) -> web.StreamResponse:
        """What one person published alone, to be looked over by another."""
        self._door.member(request, *WRITERS)
        return await self._small_page(request)

    async def _small_page(self, request: web.Request, *, refused: str = "", status: int = 200) -> web.Response:
        staff = staff_of(request)
        async with self._house.db.read() as conn:
            tell = await telling(self._door, request, conn)
            rows = []
            for change in (await drafts.small_changes(conn))[:_MOST_SHOWN]:
                before = await store.revision(conn, change.article_id, change.number - 1)
                after = await store.revision(conn, change.article_id, change.number)
                assert after is not None
                rows.append(
                    {
                        "id": change.id,
                        "article_id": change.article_id,
                        "title": after.title,
                        "number": change.number,
                        "by": tell.who(change.by),
                        "at": tell.moment(change.at),
                        "compared": tell.differences(diff(before, after)),
                        "own": change.by == f"staff:{staff.id}",
                    }
                )
        return self._door.pages.page(
            "desk/small.html",
            request[LANGUAGE],
            status=status,
            rows=rows,
            may_review=Role.REVIEWER in staff.roles,
            refused=refused,
            **await self._door.frame(request),
        )

    async def looked_over(self, request: web.Request) -> web.StreamResponse:
        """Note that a small change was looked over."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        number = str(form.get("change", ""))
        if not number.isdecimal() or len(number) > 15:
            raise Refused(400, "error.bad_request")
        try:
            async with self._house.db.write() as conn:
                await drafts.review_small_change(
                    conn, int(number), actor=f"staff:{staff.id}", roles=staff.roles, now=self._house.clock.now()
                )
        except DraftError as error:
            said = self._door.say(request, error.key, **error.values)
            return await self._small_page(request, refused=said, status=409)
        return see_other("/desk/small")


async def _waiting(conn: AsyncConnection, staff: Staff, now: datetime) -> int:
    """Drafts that wait for this reviewer: those that they may approve."""
    if Role.REVIEWER not in staff.roles:
        return 0
    found = await drafts.list_drafts(conn, stages=[Stage.IN_REVIEW])
    return sum(may(Act.APPROVE, draft, staff) is None for draft in found)


def _with_comments(compared: Sequence[Difference], remarks: Sequence[Comment]) -> list[Mapping[str, Any]]:
    """Each difference with what was remarked on its part of the article, at the last of that part's differences."""
    keys = [one.field.split(".")[0] for one in compared]
    rows: list[Mapping[str, Any]] = []
    for place, (one, key) in enumerate(zip(compared, keys, strict=True)):
        last = key not in keys[place + 1 :]
        about = [remark for remark in remarks if last and remark.field.split(".")[0] == key]
        rows.append({"difference": one, "key": key, "last": last, "remarks": about})
    return rows


def _unplaced(remark: Comment, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a remark stands on nothing that differs."""
    key = remark.field.split(".")[0]
    return not key or before.get(key) == after.get(key)


def _state_of(run: GateRun | None) -> str:
    if run is None or run.state is RunState.PASSED_OVER:
        return "none"
    if run.state is RunState.DONE:
        return "passes" if run.passes else "blocked"
    return run.state.value


def _figures(one: Figures) -> SetFigures:
    # Cut and not rounded, so that 79.9 % never stands beside a level of 80 as if it reached it.
    return SetFigures(
        one.title, one.asked, int(one.before * 100), int(one.after * 100), round(one.level * 100), one.passes
    )


def _may_confirm(override: Override, staff: Staff) -> bool:
    refusal = life.refusal_to_confirm(asked_by=override.asked_by, actor=f"staff:{staff.id}", roles=staff.roles)
    return refusal is None


def _override_said(override: Override | None, tell: Telling) -> str:
    if override is None:
        return ""
    if override.confirmed_by is not None:
        return tell.say(
            "desk.gate.overridden",
            name=tell.who(override.asked_by),
            other=tell.who(override.confirmed_by),
            time=tell.moment(override.confirmed_at),
        )
    return tell.say("desk.gate.asked", name=tell.who(override.asked_by), time=tell.moment(override.asked_at))


def _instant(written: str, zone: str) -> datetime:
    """A day and time as the page's control gives them, by the writer's own clock."""
    try:
        local = datetime.fromisoformat(written)
    except ValueError:
        raise drafts.BadInput("desk.draft.bad_time") from None
    return local.replace(tzinfo=ZoneInfo(zone)) if local.tzinfo is None else local
