"""Beside the conversation of one case: looking up, notes for whoever has it next, what is to be done later, and what
the shelves learn from it.

Everything that is looked for is posted, so that no word of a clinician's stands in an address or a log. What was
written in the reply box meanwhile comes back in it, whichever button was pressed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from bot import gaps, notes_store, replying
from bot.beside import LONGEST_SEARCH, reader_of
from bot.desk.case import typed_in
from bot.desk.case_room import (
    CASE,
    FORM_ID,
    LONGEST_FORM,
    SLIP,
    CaseRoom,
    Guidance,
    Open,
    Search,
    Typed,
    Wording,
    is_theirs,
)
from bot.desk.door import DeskDoor
from bot.gaps import GapError
from escalation import follow_ups, shift_store
from escalation.on_duty import staff_now
from helpline.accounts import Staff
from helpline.daytime import MORNING
from helpline.masking import MARKS
from helpline.sessions import csrf_holds, staff_of
from helpline.vault import Forgotten
from helpline.web import LANGUAGE, Access, Refused, Route, see_other, wants_page
from knowledge.drafts import DraftError

LONGEST_NOTE = 4_000  # characters
FURTHEST = timedelta(days=366)  # for following up


class CaseWork:
    """The routes beside one case's conversation."""

    def __init__(self, door: DeskDoor, room: CaseRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses beside one case."""
        staff = Access.STAFF
        return [
            Route("POST", CASE + "/find", self.find, staff, LONGEST_FORM),
            Route("POST", CASE + "/insert", self.insert, staff, LONGEST_FORM),
            Route("POST", CASE + "/note", self.note, staff, LONGEST_FORM),
            Route("POST", CASE + "/follow-up", self.follow_up, staff),
            Route("POST", CASE + "/debrief", self.debrief, staff),
            Route("POST", CASE + "/wording", self.wording, staff, LONGEST_FORM),
            Route("POST", CASE + "/keep", self.keep, staff, LONGEST_FORM),
        ]

    async def _opened(self, request: web.Request, *, theirs: bool = False) -> tuple[Open, Staff, Any]:
        """The case, who asks, and the form; where the form is of an old session, nothing is done."""
        opened = await self._room.open_mine(request)
        staff = staff_of(request)
        if theirs and not is_theirs(opened, staff):
            raise Refused(404, "error.not_found")
        return opened, staff, await request.post()

    def _stale(self, request: web.Request, typed: Typed) -> Typed:
        return replace(typed, notice=self._door.say(request, "desk.told.press_again"), status=403)

    def _back(self, request: web.Request, told: str) -> web.StreamResponse:
        return see_other(f"/desk/{request.match_info['case']}?told={told}")

    # --- looking up ---------------------------------------------------------------------------------------------------

    async def find(self, request: web.Request) -> web.StreamResponse:
        """Look for articles or services, for this clinician."""
        opened, _, form = await self._opened(request, theirs=True)
        typed = typed_in(form)
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed))
        assert opened.conversation is not None
        reader, now, language = reader_of(opened.conversation), self._house.clock.now(), request[LANGUAGE]
        text, place, need = (str(form.get(name, ""))[:LONGEST_SEARCH] for name in ("q", "place", "need"))
        search = Search(text, place, need)
        for_services = form.get("find") == "services"
        if for_services:
            there = self._room.beside.services(search.place, search.need, reader, language, now)
            search = replace(search, services=there)
        elif search.text.strip():
            masked = self._house.masker.mask(search.text, opened.filed.language).text
            search = replace(search, articles=self._room.beside.search(masked, reader, language, now))
        if not wants_page(request):
            return web.json_response({"found": self._room.found(request, opened, search)})
        return await self._room.page(request, opened, replace(typed, search=search))

    async def insert(self, request: web.Request) -> web.StreamResponse:
        """Put an article's answer or a service into the reply, with its source. It is sent when the advisor sends."""
        opened, _, form = await self._opened(request, theirs=True)
        typed, claim = typed_in(form), str(form.get("insert", ""))
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed))
        assert opened.conversation is not None
        found = self._room.beside.piece(claim, reader_of(opened.conversation), self._house.clock.now())
        if claim.startswith(SLIP):
            async with self._house.db.read() as conn:
                slips = await self._room.slips(conn, opened.filed, [claim])
            found = (slips[0], True) if slips else None
        if found is None or not found[1]:
            said = self._door.say(request, "desk.case.gone")
            if not wants_page(request):
                return web.json_response({"message": said}, status=409)
            return await self._room.page(request, opened, replace(typed, notice=said, status=409))
        piece = found[0]
        if not wants_page(request):
            return web.json_response({"text": piece.text, "claim": piece.claim})
        draft = "\n\n".join(part for part in (replying.tidy(typed.draft), piece.text) if part)
        claims = " ".join(dict.fromkeys([*typed.claims.split(), piece.claim]))
        return await self._room.page(request, opened, replace(typed, draft=draft, claims=claims))

    # --- for whoever has it next --------------------------------------------------------------------------------------

    async def note(self, request: web.Request) -> web.StreamResponse:
        """Keep a note for whoever has the case next; sealed with the conversation, and masked like everything."""
        opened, staff, form = await self._opened(request)
        words = replying.tidy(str(form.get("note", "")))
        typed = replace(typed_in(form), note=words)
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed))
        wrong = self._wrong_note(request, words)
        if wrong:
            return await self._room.page(request, opened, replace(typed, note_wrong=wrong, status=422))
        masked = self._house.masker.mask(words, opened.filed.language)
        note_id = str(form.get("note_id", ""))
        try:
            async with self._house.db.write() as conn:
                filed = await self._room.locked(conn, request, staff)
                await notes_store.add(
                    conn,
                    self._house.vault,
                    note_id=note_id if FORM_ID.fullmatch(note_id) else "",
                    conversation_id=filed.conversation_id,
                    escalation_id=filed.id,
                    staff_id=staff.id,
                    words=masked.text,
                    now=self._house.clock.now(),
                )
        except Forgotten as error:
            raise Refused(404, "error.not_found") from error
        if not masked.kinds and not typed.draft.strip():
            return self._back(request, "noted")
        marks = ", ".join(sorted(MARKS[request[LANGUAGE]][kind] for kind in masked.kinds))
        said = (
            self._door.say(request, "desk.case.note.masked", marks=marks)
            if marks
            else self._door.say(request, "desk.case.note.kept")
        )
        return await self._room.page(request, opened, replace(typed, note="", notice=said))

    def _wrong_note(self, request: web.Request, words: str) -> str:
        if not words:
            return self._door.say(request, "desk.case.note.empty")
        if len(words) > LONGEST_NOTE:
            return self._door.say(request, "desk.case.note.long", length=len(words), limit=LONGEST_NOTE)
        return ""

    # --- later --------------------------------------------------------------------------------------------------------

    async def follow_up(self, request: web.Request) -> web.StreamResponse:
        """Look at it again on this day, or not any more; that it was done is theirs to say for as long as it stands."""
        if (await request.post()).get("do") == "clear":
            return await self._followed_up(request)
        opened, staff, form = await self._opened(request)
        now, zone = self._house.clock.now(), ZoneInfo(staff.zone)
        day = str(form.get("day", "")).strip()
        typed = replace(typed_in(form), follow_up=day)
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed))
        due_at = _morning_of(day, zone, now)
        if due_at is None:
            wrong = self._door.say(request, "desk.case.follow_up.bad")
            return await self._room.page(request, opened, replace(typed, follow_up_wrong=wrong, status=422))
        async with self._house.db.write() as conn:
            await self._room.locked(conn, request, staff)
            await shift_store.set_follow_up(conn, opened.filed.id, staff.id, due_at, now)
        return self._back(request, "follow_up")

    async def _followed_up(self, request: web.Request) -> web.StreamResponse:
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            await shift_store.clear_follow_up(conn, request.match_info["case"], staff.id, now)
        return see_other("/desk/") if form.get("back") == "list" else self._back(request, "no_follow_up")

    async def debrief(self, request: web.Request) -> web.StreamResponse:
        """The advisor would like to talk with somebody about it; asked twice is asked once."""
        opened, staff, form = await self._opened(request)
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed_in(form)))
        async with self._house.db.write() as conn:
            await self._room.locked(conn, request, staff)
            now, means = self._house.clock.now(), self._door.room.means
            if await shift_store.flag_debrief(conn, opened.filed.id, staff.id, now):
                present = await staff_now(conn, now, channels=means.channels)
                await follow_ups.tell_of_debrief(conn, means, present, opened.filed, staff.id, now)
        return self._back(request, "debrief")

    # --- what the shelves learn ---------------------------------------------------------------------------------------

    async def wording(self, request: web.Request) -> web.StreamResponse:
        """Propose the question as a wording of an article: into its draft, through the normal review."""
        opened, staff, form = await self._opened(request)
        asked = Wording(*(replying.tidy(str(form.get(name, ""))) for name in ("wording", "article")))
        typed = replace(typed_in(form), wording=asked)
        if not csrf_holds(request, form):
            return await self._room.page(request, opened, self._stale(request, typed))
        try:
            async with self._house.db.write() as conn:
                filed = await self._room.locked(conn, request, staff)
                new = await gaps.propose_wording(
                    conn,
                    self._house,
                    filed.conversation_id,
                    question=asked.question,
                    article_id=asked.article,
                    language=filed.language,
                    country=filed.country,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except (GapError, DraftError) as error:
            key, values = (
                (error.phrase, error.values) if isinstance(error, GapError) else ("desk.case.wording.closed", {})
            )
            wrong = replace(asked, wrong=self._door.say(request, key, **values))
            return await self._room.page(request, opened, replace(typed, wording=wrong, status=422))
        return self._back(request, "wording" if new else "known")

    async def keep(self, request: web.Request) -> web.StreamResponse:
        """Keep an answer as guidance: question and answer go to the gap board, rewritten and masked once more."""
        opened, staff, form = await self._opened(request)
        # A form's line breaks are two signs, and would be counted twice.
        question, reply = (str(form.get(name, "")).replace("\r\n", "\n") for name in ("question", "guidance"))
        typed = typed_in(form)
        if not csrf_holds(request, form):
            said = self._door.say(request, "desk.told.press_again")
            return await self._room.page(
                request, opened, replace(typed, status=403, guidance=Guidance(question, reply, said))
            )
        try:
            async with self._house.db.write() as conn:
                await gaps.keep_guidance(
                    conn,
                    self._house,
                    opened.filed.conversation_id,
                    question=question,
                    reply=reply,
                    language=opened.filed.language,
                    country=opened.filed.country,
                    actor=f"staff:{staff.id}",
                    now=self._house.clock.now(),
                )
        except GapError as error:
            said = self._door.say(request, error.phrase, **error.values)
            return await self._room.page(
                request, opened, replace(typed, status=422, guidance=Guidance(question, reply, said))
            )
        return self._back(request, "kept")


def _morning_of(written: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The morning of that day where the advisor is, or at once where that is today; None for no day that fits."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    today = now.astimezone(zone).date()
    if not today <= day <= today + FURTHEST:
        return None
    return max(datetime.combine(day, MORNING, zone), now)
