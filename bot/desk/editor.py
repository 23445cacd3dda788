"""Writing: the drafts there are, and the form of one of them.

Whatever is pressed in the form saves first, so that nothing typed is lost to another button. A browser with scripts
saves by itself and asks for the same as data. What two people write at once is merged field by field; where both
changed the same field, nothing is overwritten and a page asks which it shall be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from aiohttp import web
from markupsafe import Markup
from multidict import MultiDict
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk import sheet
from bot.desk.door import DeskDoor
from bot.desk.preview import Part, Previewer
from bot.desk.telling import Telling, telling
from bot.desk.trouble import Inspector, Trouble
from helpline import presence
from helpline.accounts import Role, Staff
from helpline.messages import Country, Language
from helpline.sessions import csrf_holds, staff_of
from helpline.storage import StorageError, wake
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other, wants_page
from knowledge import drafts, life
from knowledge.articles import CITE_SEPTETS, SHORT_SEPTETS, Age, Article, Confidence, Kind, Status
from knowledge.diff import diff_bodies
from knowledge.drafts import AlreadyThere, Closed, Collision, Comment, Draft, DraftError, Save, SetAside
from knowledge.gate_runs import TOPIC, topic_of
from knowledge.life import Act, Stage

log = structlog.get_logger(__name__)

WRITERS: Final = (Role.EDITOR, Role.REVIEWER)
DRAFT: Final = "/desk/drafts/{draft:[0-9]+}"
_BODY: Final = 768 * KILOBYTE
_SMALL_BODY: Final = 64 * KILOBYTE
_OPEN: Final = (Stage.DRAFT, Stage.IN_REVIEW)
_TEXTS: Final = frozenset({"title", "short", "cite", "topic", "owner", "details"})
_LISTS: Final = frozenset({"do_now", "avoid", "say", "facts"})
_CHOICES: Final = frozenset({"kind", "language", "confidence", "suggest_human", "urgent", "reviewed_on", "review_by"})


@dataclass(frozen=True)
class Look:
    """What of the article the preview shows."""

    language: Language
    variant: int = -1
    part: Part = Part.SHORT


@dataclass(frozen=True)
class Kept:
    """What came of a save."""

    draft: Draft
    merged: tuple[str, ...] = ()
    by: tuple[str, ...] = ()  # who wrote what was merged


class EditorDesk:
    """The routes of writing."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house
        self._previewer = Previewer(door.house.library, door.house.phrases, door.house.commands)
        self._inspector = Inspector()

    def routes(self) -> list[Route]:
        """The addresses of drafts."""
        staff = Access.STAFF
        return [
            Route("GET", "/desk/drafts", self.show_all, staff),
            Route("GET", "/desk/drafts/new", self.ask_new, staff),
            Route("POST", "/desk/drafts/new", self.make_new, staff, _SMALL_BODY),
            Route("GET", DRAFT, self.show, staff),
            Route("POST", DRAFT, self.write, staff, _BODY),
            Route("GET", DRAFT + "/live", self.live, staff),
            Route("POST", DRAFT + "/here", self.here, staff, _SMALL_BODY),
            Route("GET", DRAFT + "/saves", self.saves, staff),
            Route("GET", DRAFT + "/collision/{save:[0-9]+}", self.collision, staff),
            Route("POST", DRAFT + "/collision/{save:[0-9]+}", self.choose, staff, _BODY),
        ]

    # --- the list -----------------------------------------------------------------------------------------------------

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """What is being written, waits for a reviewer, or waits to be published."""
        self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            found = await drafts.list_drafts(conn)
            tell = await telling(self._door, request, conn)
            small = len(await drafts.small_changes(conn))
        groups = [
            (stage.value, [self._row(draft, tell) for draft in found if draft.stage is stage])
            for stage in (Stage.IN_REVIEW, Stage.APPROVED, Stage.DRAFT)
        ]
        return self._door.pages.page(
            "desk/drafts.html",
            request[LANGUAGE],
            groups=groups,
            small=small,
            told=self._told(request),
            **await self._door.frame(request),
        )

    def _row(self, draft: Draft, tell: Telling) -> Mapping[str, Any]:
        reading = draft.stage is not Stage.DRAFT
        return {
            "address": f"/desk/drafts/{draft.id}" + ("/review" if reading else ""),
            "title": sheet.shaped(draft.body)["title"] or draft.article_id,
            "article_id": draft.article_id,
            "country": draft.country.value,
            "by": tell.who(draft.updated_by),
            "at": tell.moment(draft.updated_at),
            "publish_at": tell.full_moment(draft.publish_at) if draft.publish_at is not None else "",
            "new": draft.base is None,
            "small": draft.small,
            "note": tell.note(draft.note) if draft.stage is Stage.DRAFT else "",
        }

    # --- a new article ------------------------------------------------------------------------------------------------

    async def ask_new(self, request: web.Request) -> web.StreamResponse:
        """The form that begins an article."""
        self._door.member(request, *WRITERS)
        return await self._new_page(request, {"country": self._house.country.value, "kind": Kind.RIGHTS.value}, {})

    async def make_new(self, request: web.Request) -> web.StreamResponse:
        """Begin an article: an id that stays, a country, what sort of help it is."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        typed = {name: str(form.get(name, "")).strip() for name in ("article_id", "title", "country", "kind")}
        errors = {}
        country = next((one for one in Country if one.value == typed["country"]), None)
        if country is None:
            errors["country"] = self._door.say(request, "desk.trouble.choose")
        if typed["kind"] not in {Kind.RIGHTS, Kind.SAFETY, Kind.PRACTICAL}:
            errors["kind"] = self._door.say(request, "desk.trouble.choose")
        if errors or country is None:
            return await self._new_page(request, typed, errors, status=422)
        body = {"kind": typed["kind"], **({"title": typed["title"]} if typed["title"] else {})}
        try:
            async with self._house.db.write() as conn:
                draft = await drafts.new_draft(
                    conn,
                    article_id=typed["article_id"],
                    country=country,
                    actor=_actor(staff),
                    now=self._house.clock.now(),
                    body=body,
                )
        except AlreadyThere as error:
            if error.draft_id is not None:
                return see_other(f"/desk/drafts/{error.draft_id}?told=open_already")
            errors["article_id"] = self._door.say(request, error.key, **error.values)
        except DraftError as error:
            errors["article_id"] = self._door.say(request, error.key, **error.values)
        if errors:
            return await self._new_page(request, typed, errors, status=422)
        return see_other(f"/desk/drafts/{draft.id}")

    async def _new_page(
        self, request: web.Request, typed: Mapping[str, str], errors: Mapping[str, str], *, status: int = 200
    ) -> web.Response:
        return self._door.pages.page(
            "desk/draft_new.html",
            request[LANGUAGE],
            status=status,
            typed=typed,
            errors=errors,
            countries=[(one.value, self._door.say(request, f"country.{one}")) for one in Country],
            kinds=self._kinds(request),
            **await self._door.frame(request),
        )

    def _kinds(self, request: web.Request) -> list[tuple[str, str]]:
        return [(kind.value, self._door.say(request, f"desk.kind.{kind}")) for kind in Kind if kind is not Kind.FOREIGN]

    # --- the form -----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The draft as a form; where it cannot be written in, what it has become."""
        self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
        if draft.stage not in _OPEN:
            return see_other(f"/desk/drafts/{draft.id}/review")
        return await self._page(request, draft, told=self._told(request))

    async def _page(
        self,
        request: web.Request,
        draft: Draft,
        *,
        typed: sheet.Form | None = None,
        told: str = "",
        status: int = 200,
    ) -> web.Response:
        """The form, as stored or with what was typed and could not be taken."""
        async with self._house.db.read() as conn:
            tell = await telling(self._door, request, conn)
            remarks = await drafts.comments(conn, draft.id)
            others = await self._others(conn, draft, staff_of(request), tell)
        shape = sheet.read(typed) if typed is not None else sheet.shaped(draft.body)
        was = sheet.digests(shape)
        look = _look(typed if typed is not None else request.query, draft)
        return self._door.pages.page(
            "desk/draft.html",
            request[LANGUAGE],
            status=status,
            draft=draft,
            seen=typed.get("seen", "") if typed is not None else draft.version,
            was=json.dumps(sheet.was_of(typed) if typed is not None else was),
            told=told,
            others=others,
            saved=tell.say("desk.edit.saved.by", time=tell.moment(draft.updated_at), name=tell.who(draft.updated_by)),
            article_title=shape["title"] or tell.say("desk.edit.untitled"),
            groups=sheet.GROUPS,
            **self._form_values(request, draft, shape, remarks, tell),
            **self._beside(request, draft, {**draft.body, **shape}, look, tell),
            **await self._door.frame(request),
        )

    def _form_values(
        self,
        request: web.Request,
        draft: Draft,
        shape: Mapping[str, Any],
        remarks: Sequence[Comment],
        tell: Telling,
    ) -> dict[str, Any]:
        """What the parts of the form are filled with."""
        language = request[LANGUAGE]
        needs = {need.key: need.names[language] for need in self._house.library.directory.needs.values()}
        own = shape["language"]
        shelved = self._house.library.shelves.articles
        return {
            "shape": shape,
            "own": own,
            "tongues": [(one.value, tell.say(f"language.{one}")) for one in Language],
            "kinds": self._kinds(request),
            "confidences": [(one.value, tell.say(f"desk.confidence.{one}")) for one in Confidence],
            "statuses": [(one.value, tell.say(f"status.{one}")) for one in Status],
            "ages": [(one.value, tell.say(f"desk.age.{one}")) for one in Age],
            "needs": {**{need: need for need in shape["needs"]}, **needs},
            "topics": sorted({article.topic for article in shelved if article.country is draft.country}),
            "owners": sorted({article.owner for article in shelved if article.owner}),
            "short_most": SHORT_SEPTETS,
            "cite_most": CITE_SEPTETS,
            "extra": request.query.get("rows", ""),
            "comments": _by_key(remarks),
            "tell": tell,
        }

    def _beside(
        self, request: web.Request, draft: Draft, body: Mapping[str, Any], look: Look, tell: Telling
    ) -> dict[str, Any]:
        """What stands beside the form: problems and preview."""
        troubles = self._inspector.look(body, self._house.library.shelves, tell)
        return {
            "troubles": troubles,
            "wrongs": _said_by_key(troubles, tell),
            **self._preview(draft, body, look, tell),
        }

    def _preview(self, draft: Draft, body: Mapping[str, Any], look: Look, tell: Telling) -> dict[str, Any]:
        article = sheet.showable(body, draft.article_id, draft.country, revision=(draft.base or 0) + 1)
        now = self._house.clock.now()
        variant = look.variant if look.variant < len(article.variants) else -1
        shown = self._previewer.show(article, language=look.language, variant=variant, part=look.part, now=now)
        return {
            "look": Look(look.language, variant, look.part),
            "shown": shown,
            "web_blocks": self._door.pages.own_words(shown.web.text),
            "patients": [(-1, tell.say("desk.preview.anyone")), *_patients(article, tell)],
            "costs": self._previewer.costs(article, now, _tongues_of(article)),
        }

    # --- saving -------------------------------------------------------------------------------------------------------

    async def write(self, request: web.Request) -> web.StreamResponse:
        """Save what was typed, and do what was pressed."""
        staff = self._door.member(request, *WRITERS)
        form = cast(sheet.Form, await request.post())
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
        if not csrf_holds(request, form):
            return await self._not_taken(request, draft, form, 403, "desk.told.press_again")
        seen = str(form.get("seen", ""))
        fields = sheet.changed(sheet.read(form), sheet.was_of(form))
        if fields and not (seen.isdecimal() and len(seen) < 12):
            return await self._not_taken(request, draft, form, 422, "desk.draft.bad_version")
        try:
            kept = await self._keep(draft, staff, fields, int(seen or 0), form)
        except Collision as error:
            return await self._collided(request, staff, error)
        except Closed as error:
            return await self._not_taken(request, error.draft, form, 409, "desk.edit.moved_on")
        except DraftError as error:
            return await self._not_taken(request, draft, form, 422, error.key, **error.values)
        except StorageError as error:
            log.error("draft_not_stored", error_type=type(error).__name__)
            return await self._not_taken(request, draft, form, 503, "desk.edit.not_saved.plain")
        return await self._done(request, staff, kept, form)

    async def _keep(self, draft: Draft, staff: Staff, fields: Mapping[str, Any], seen: int, form: sheet.Form) -> Kept:
        """Save the fields; what is set aside is on disk before anybody is told."""
        if not fields:
            return Kept(draft, *await self._moved(draft, seen, staff))
        aside: SetAside | None = None
        async with self._house.db.write() as conn:
            try:
                saved = await drafts.save(
                    conn, draft.id, seen=seen, fields=fields, actor=_actor(staff), now=self._house.clock.now()
                )
            except SetAside as error:
                aside = error
            else:
                wake(conn, topic_of(draft.id))
        if aside is not None:
            raise aside
        merged, by = await self._moved(draft, seen, staff)
        return Kept(saved.draft, tuple(sorted({*saved.merged, *merged} - fields.keys())), by)

    async def _moved(self, draft: Draft, seen: int, staff: Staff) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fields that others changed since this version, and who they are."""
        async with self._house.db.read() as conn:
            found = [one for one in await drafts.saves(conn, draft.id) if one.version > seen and not one.kept_aside]
        theirs = [one for one in found if one.by != _actor(staff)]
        return tuple(sorted({key for one in theirs for key in one.fields})), tuple(
            dict.fromkeys(one.by for one in theirs)
        )

    async def _done(self, request: web.Request, staff: Staff, kept: Kept, form: sheet.Form) -> web.StreamResponse:
        """What was pressed, now that everything is saved."""
        draft, do = kept.draft, str(form.get("do", ""))
        what, _, which = do.partition(":")
        if not wants_page(request):
            return await self._as_data(request, kept, form)
        address, told = f"/desk/drafts/{draft.id}", ""
        if what == "comment":
            told = await self._comment(request, draft, staff, which, form)
            if told:
                return await self._page(request, draft, typed=_again(form, draft), told=told, status=422)
            return see_other(f"{address}#f-{which or 'whole'}")
        if what == "resolve" and which.isdecimal() and len(which) < 16:
            async with self._house.db.write() as conn:
                if int(which) in {one.id for one in await drafts.comments(conn, draft.id)}:
                    await drafts.resolve_comment(conn, int(which), actor=_actor(staff), now=self._house.clock.now())
            return see_other(f"{address}#comments-{str(form.get('resolve.of', '')) or 'whole'}")
        if what == "add" and which in {"variants", "law_refs", "sources"}:
            return see_other(f"{address}?rows={which}#f-{which}")
        if what == "preview":
            look = _look(form, draft)
            shown = f"look.language={look.language}&look.variant={look.variant}&look.part={look.part}"
            return see_other(f"{address}?{shown}#preview")
        if what == "review":
            return see_other(f"{address}/review")
        return see_other(f"{address}?told={'merged' if kept.merged else 'saved'}")

    async def _comment(self, request: web.Request, draft: Draft, staff: Staff, field: str, form: sheet.Form) -> str:
        """Put a comment in; why it could not be, or nothing."""
        text = str(form.get(f"comment.{field or 'whole'}", ""))
        try:
            async with self._house.db.write() as conn:
                await drafts.comment(
                    conn, draft.id, field=field, text=text, actor=_actor(staff), now=self._house.clock.now()
                )
        except DraftError as error:
            return self._door.say(request, error.key, **error.values)
        return ""

    async def _as_data(self, request: web.Request, kept: Kept, form: sheet.Form) -> web.Response:
        """What a page with scripts needs to go on: what stands now, what others changed, problems and preview."""
        draft = kept.draft
        async with self._house.db.read() as conn:
            tell = await telling(self._door, request, conn)
            remarks = await drafts.comments(conn, draft.id)
        shape, sent = sheet.shaped(draft.body), sheet.read(form)
        now_stands = sheet.digests(shape)
        differing = [key for key, digest in sheet.digests(sent).items() if digest != now_stands[key]]
        values = self._form_values(request, draft, shape, remarks, tell)
        beside = self._beside(request, draft, draft.body, _look(form, draft), tell)
        names = ", ".join(tell.field(key) for key in kept.merged if key in differing)
        merged = tell.say("desk.edit.merged", name=_all(kept.by, tell), fields=names) if names else ""
        return web.json_response(
            {
                "version": draft.version,
                "saved": tell.say("desk.edit.saved", time=tell.moment(draft.updated_at)),
                "was": now_stands,
                "merged": merged,
                "parts": {key: self._part(request, key, {**values, **beside}) for key in differing},
                "troubles": self._rendered(request, "desk/draft_troubles.html", beside),
                "preview": self._rendered(request, "desk/preview.html", beside),
                "by_key": beside["wrongs"],
            }
        )

    def _part(self, request: web.Request, key: str, values: Mapping[str, Any]) -> str:
        return self._rendered(request, "desk/draft_part.html", {**values, "key": key})

    def _rendered(self, request: web.Request, template: str, values: Mapping[str, Any]) -> str:
        return self._door.pages.render(template, request[LANGUAGE], **values)

    async def _collided(self, request: web.Request, staff: Staff, error: Collision) -> web.StreamResponse:
        async with self._house.db.read() as conn:
            tell = await telling(self._door, request, conn)
            mine = [
                one for one in await drafts.saves(conn, error.draft.id) if one.kept_aside and one.by == _actor(staff)
            ]
        address = f"/desk/drafts/{error.draft.id}/collision/{mine[0].id}?both={','.join(sorted(error.theirs))}"
        if wants_page(request):
            return see_other(address)
        said = tell.say("desk.collision.link", name=tell.who(error.draft.updated_by))
        return web.json_response(
            {"collision": address, "message": said, "choose": tell.say("desk.collision.choose")}, status=409
        )

    async def _not_taken(
        self, request: web.Request, draft: Draft, form: sheet.Form, status: int, key: str, **values: object
    ) -> web.StreamResponse:
        """The form once more with everything that was typed, and why it was not saved."""
        said = self._door.say(request, key, **values)
        if not wants_page(request):
            return web.json_response({"message": said}, status=status)
        return await self._page(request, draft, typed=form, told=said, status=status)

    # --- others at the same time --------------------------------------------------------------------------------------

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Who else is here and in which field, and when somebody has saved."""
        staff = self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
        last = ""
        with self._house.db.watch(topic_of(draft.id), TOPIC) as watch:
            async with self._door.streams.open(request, f"staff:{staff.id}:draft", watch) as stream:
                async for _ in stream.turns(silent_too=True):
                    if not await self._door.sessions.still_signed_in(request, *WRITERS):
                        await stream.send("gone", self._door.say(request, "desk.edit.signed_out"))
                        break
                    async with self._house.db.read() as conn:
                        stands = await drafts.get_draft(conn, draft.id)
                        tell = await telling(self._door, request, conn)
                        others = await self._others(conn, draft, staff, tell)
                    if stands is None or stands.stage not in _OPEN:
                        await stream.send("closed", tell.say("desk.edit.moved_on"))
                        break
                    news = json.dumps(
                        {"version": stands.version, "mine": stands.updated_by == _actor(staff), "others": others}
                    )
                    if news != last:
                        await stream.send("news", news)
                        last = news
            return stream.response

    async def _others(self, conn: AsyncConnection, draft: Draft, staff: Staff, tell: Telling) -> list[str]:
        """What the others who are here are doing."""
        there = await presence.present(conn, topic_of(draft.id), self._house.clock.now())
        return [
            tell.say("desk.edit.here.field", name=tell.who(one.person), field=tell.field(one.detail))
            if one.detail in sheet.KEYS
            else tell.say("desk.edit.here", name=tell.who(one.person))
            for one in there
            if one.person != staff.id
        ]

    async def here(self, request: web.Request) -> web.StreamResponse:
        """A page says that it is open, and which field its writer is in; or that it is left."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        place = topic_of(int(request.match_info["draft"][:15]))
        async with self._house.db.write() as conn:
            if form.get("leaving"):
                await presence.leave(conn, place, staff.id)
            else:
                await presence.note(conn, place, staff.id, str(form.get("field", "")), self._house.clock.now())
        return web.Response(status=204)

    # --- what was saved, and what was set aside -----------------------------------------------------------------------

    async def saves(self, request: web.Request) -> web.StreamResponse:
        """Every save of the draft, with what it held."""
        self._door.member(request, *WRITERS)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            found = await drafts.saves(conn, draft.id)
            tell = await telling(self._door, request, conn)
        rows = [
            {
                "at": tell.moment(one.at),
                "who": tell.who(one.by),
                "aside": one.kept_aside,
                "fields": tell.differences(diff_bodies({}, one.fields)),
            }
            for one in found[:200]
        ]
        return self._door.pages.page(
            "desk/draft_saves.html",
            request[LANGUAGE],
            draft=draft,
            title=sheet.shaped(draft.body)["title"] or draft.article_id,
            saves=rows,
            **await self._door.frame(request),
        )

    async def collision(self, request: web.Request) -> web.StreamResponse:
        """Both texts of each field, to choose from."""
        self._door.member(request, *WRITERS)
        return await self._choosing(request, {})

    async def _choosing(
        self,
        request: web.Request,
        errors: Mapping[str, str],
        *,
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> web.Response:
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            aside = await self._aside(conn, draft, request)
            tell = await telling(self._door, request, conn)
        both = set(request.query.get("both", "").split(","))
        theirs, yours = sheet.shaped(draft.body), sheet.shaped({**draft.body, **aside.fields})
        choices = [
            {
                "key": key,
                "name": tell.field(key),
                "both": key in both,
                "theirs": _readable(theirs, key, tell),
                "yours": _readable(yours, key, tell),
                "together": "text"
                if key in _TEXTS
                else "lines"
                if key in _LISTS
                else "join"
                if key == "questions"
                else "",
                "joined": _joined(theirs[key], yours[key], key),
            }
            for key in sheet.KEYS
            if key in aside.fields and theirs[key] != yours[key]
        ]
        return self._door.pages.page(
            "desk/draft_collision.html",
            request[LANGUAGE],
            status=status,
            draft=draft,
            title=theirs["title"] or draft.article_id,
            choices=choices,
            errors=errors,
            typed=typed or {},
            other=tell.who(draft.updated_by),
            query=request.query_string,
            **await self._door.frame(request),
        )

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Save what was chosen. Nothing that was not chosen is lost: it stays among the saves."""
        staff = self._door.member(request, *WRITERS)
        form = await self._door.form(request)
        async with self._house.db.read() as conn:
            draft = await draft_in(conn, request)
            aside = await self._aside(conn, draft, request)
        yours = sheet.shaped({**draft.body, **aside.fields})
        theirs = sheet.shaped(draft.body)
        fields: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for key in sheet.KEYS:
            if key not in aside.fields or theirs[key] == yours[key]:
                continue
            match str(form.get(f"choose.{key}", "")):
                case "yours":
                    fields[key] = yours[key]
                case "theirs":
                    pass
                case "both":
                    fields[key] = _put_together(key, str(form.get(f"both.{key}", "")), theirs[key], yours[key])
                case _:
                    errors[key] = self._door.say(request, "desk.edit.choose")
        if errors:
            typed = {name: str(value) for name, value in form.items()}
            return await self._choosing(request, errors, typed=typed, status=422)
        seen = str(form.get("seen", ""))
        try:
            await self._keep(draft, staff, fields, int(seen) if seen.isdecimal() and len(seen) < 12 else 0, form)
        except Collision as error:
            return await self._collided(request, staff, error)
        except Closed:
            return see_other(f"/desk/drafts/{draft.id}/review?told=closed")
        except DraftError as error:
            raise Refused(422, error.key) from error
        return see_other(f"/desk/drafts/{draft.id}?told=chosen")

    async def _aside(self, conn: AsyncConnection, draft: Draft, request: web.Request) -> Save:
        number = request.match_info["save"][:15]
        for one in await drafts.saves(conn, draft.id):
            if one.id == int(number) and one.kept_aside:
                return one
        raise Refused(404, "error.not_found")

    # --- what pages are told ------------------------------------------------------------------------------------------

    def _told(self, request: web.Request) -> str:
        told = request.query.get("told", "")
        if told == "open_already":
            return self._door.say(request, "desk.draft.open_already")
        return self._door.say(request, f"desk.edit.told.{told}") if told in {"saved", "merged", "chosen"} else ""


async def draft_in(conn: AsyncConnection, request: web.Request) -> Draft:
    """The draft that the address names."""
    number = request.match_info["draft"]
    draft = await drafts.get_draft(conn, int(number)) if len(number) < 16 else None
    if draft is None:
        raise Refused(404, "error.not_found")
    return draft


def may(act: Act, draft: Draft, staff: Staff) -> str | None:
    """The phrase that says why this person may not do this now; None where the pages may offer it."""
    return life.refusal(
        act,
        stage=draft.stage,
        kind=str(draft.body.get("kind", "")) if draft.base is not None else "",  # what is new is read by two
        small=draft.small,
        author_ids=draft.authors,
        approver=draft.approved_by,
        actor=_actor(staff),
        roles=staff.roles,
    )


def _actor(staff: Staff) -> str:
    return f"staff:{staff.id}"


def _all(people: Sequence[str], tell: Telling) -> str:
    return ", ".join(tell.who(one) for one in people) or "–"


def _look(given: Mapping[str, Any], draft: Draft) -> Look:
    """What the preview was asked to show; the short answer in the article's language where nothing was."""
    own = sheet.shaped(draft.body)["language"]
    languages = {one.value: one for one in Language}
    language = languages.get(str(given.get("look.language", "")), languages.get(own, Language.NB))
    variant = str(given.get("look.variant", ""))
    part = str(given.get("look.part", ""))
    return Look(
        language,
        int(variant) if variant.isdecimal() and len(variant) < 3 else -1,
        Part(part) if part in {one.value for one in Part} else Part.SHORT,
    )


def _tongues_of(article: Article) -> list[Language]:
    tongues = {article.language, *article.translations}
    for variant in article.variants:
        tongues |= set(variant.translations)
    return [language for language in Language if language in tongues]


def _patients(article: Article, tell: Telling) -> list[tuple[int, str]]:
    """Whom each variant is about."""
    named = []
    for place, variant in enumerate(article.variants):
        facets = [
            *(tell.say(f"status.{status}") for status in variant.statuses),
            *(tell.say(f"desk.age.{age}") for age in variant.ages),
        ]
        named.append((place, ", ".join(facets) or tell.say("desk.field.variant", number=place + 1)))
    return named


def _by_key(remarks: Sequence[Comment]) -> Mapping[str, list[Comment]]:
    found: dict[str, list[Comment]] = {}
    for one in remarks:
        found.setdefault(one.field.split(".")[0] or "whole", []).append(one)
    return found


def _said_by_key(troubles: Sequence[Trouble], tell: Telling) -> Mapping[str, list[str]]:
    """What stands beside each part of the form; that a part is empty its reader can see."""
    found: dict[str, list[str]] = {}
    for one in troubles:
        if one.key and not one.missing:
            said = one.said if one.where == tell.field(one.key) else f"{one.where}: {one.said}"
            found.setdefault(one.key, []).append(said)
    return found


def _again(form: sheet.Form, draft: Draft) -> sheet.Form:
    """The form as it was typed, upon what has just been saved of it."""
    typed = MultiDict(form.items())
    typed["seen"] = str(draft.version)
    typed["was"] = json.dumps(sheet.digests(sheet.shaped(draft.body)))
    return typed


def _readable(shape: Mapping[str, Any], key: str, tell: Telling) -> list[tuple[str, Markup]]:
    """A field as lines to be read: pairs of a name, where it has parts, and its text."""
    if key in _CHOICES:
        return [("", Markup.escape(_choice_said(key, shape[key], tell)))]
    found = diff_bodies({}, {key: shape[key]})
    return [
        (tell.field(one.field) if one.field != key else "", Markup.escape("".join(text for _, text in one.parts)))
        for one in found
    ]


def _choice_said(key: str, value: Any, tell: Telling) -> str:
    if isinstance(value, bool):
        return tell.say("desk.article.yes" if value else "desk.article.no")
    prefix = {"kind": "desk.kind.", "language": "language.", "confidence": "desk.confidence."}.get(key)
    known = {*(one.value for one in Kind), *(one.value for one in Language), *(one.value for one in Confidence)}
    return tell.say(prefix + value) if prefix is not None and value in known else str(value) or "–"


def _joined(theirs: Any, yours: Any, key: str) -> str:
    if key in _LISTS:
        return "\n".join(dict.fromkeys([*theirs, *yours]))
    return f"{theirs}\n{yours}" if key in _TEXTS else ""


def _put_together(key: str, written: str, theirs: Any, yours: Any) -> Any:
    if key == "questions":
        languages = dict.fromkeys([*theirs, *yours])
        return {name: list(dict.fromkeys([*theirs.get(name, []), *yours.get(name, [])])) for name in languages}
    return sheet.shaped({key: written.split("\n") if key in _LISTS else written})[key]
