"""One case on the desk: taking it, reading, writing, passing on, closing; live while its page is open.

What an advisor presses twice is done once, and what an advisor wrote comes back in the box whenever it could not be
taken. Nothing that points to a person goes out: the advisor is shown what was seen, and changes it or sends without it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import notes_store, replying, store
from bot.beside import reader_of
from bot.desk.case_room import CASE, FOLLOWED, LONGEST_FORM, CaseRoom, Open, Typed, is_theirs
from bot.desk.door import DeskDoor, names_of
from bot.house import Side, page_topic, typing_topic
from bot.reaching import Reached
from bot.replying import Piece, Weighed
from bot.store import Conversation
from bot.voice import joining
from bot.voice.joining import Joined
from escalation import advisors
from escalation import store as escalations
from escalation.advisors import Outcome
from escalation.closing import SAYABLE_OUTCOMES, SAYABLE_REASONS
from escalation.store import Filed
from helpline.accounts import Role, Staff
from helpline.outbox import OutboundState
from helpline.rate_limit import RateLimit
from helpline.sessions import csrf_holds, staff_of
from helpline.storage import StorageError
from helpline.web import LANGUAGE, Access, Refused, Route, see_other, wants_page
from routing.referrals.referral import Way

log = structlog.get_logger(__name__)

LONGEST_REPLY = 4_000  # characters
MOST_CLAIMS = 12
NEXT_STEP, KEEP = "next:", "keep:"  # in place of a colleague's handle, which has no colon
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TOLD = {"passed_on": "desk.told.passed_on", "cannot_pass_on": "desk.told.cannot_pass_on"} | {
    "kept": "desk.guidance.kept",
    "kept_after_all": "desk.told.kept_after_all",
    "again": "desk.case.told.again",
    "noted": "desk.case.note.kept",
    "follow_up": "desk.case.follow_up.told",
    "no_follow_up": "desk.case.follow_up.cleared",
    "debrief": "desk.case.debrief.told",
    "wording": "desk.case.wording.told",
    "known": "desk.case.wording.known",
    "referred": "desk.referral.told.made",
    "outcome": "desk.referral.told.outcome",
    "revoked": "desk.referral.told.revoked",
    "safe": "desk.safe.told",
    "room": "desk.room.told",
    Joined.CALLING.value: "desk.connect.calling",
    Joined.NO_PHONE.value: "desk.connect.no_phone",
    Joined.NO_WAY.value: "desk.connect.no_way",
}
_ACTIONS = "take|reply|pass-on|close|keep|again|find|insert|serve|note|wording|follow-up|debrief|connect"
_ACTIONS += "|refer|referral|outcome|revoke|room|safe"


class CaseDesk:
    """The routes of one case."""

    def __init__(self, door: DeskDoor, room: CaseRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room
        self._typing = RateLimit(door.house.clock, per_minute=30, burst=5)

    def routes(self) -> list[Route]:
        """The addresses of one case."""
        staff = Access.STAFF
        return [
            Route("GET", CASE, self.show, staff),
            Route("GET", CASE + "/live", self.live, staff),
            Route("GET", CASE + f"/{{action:{_ACTIONS}}}", self.back, staff),
            Route("POST", CASE + "/take", self.take, staff),
            Route("POST", CASE + "/reply", self.reply, staff, LONGEST_FORM),
            Route("POST", CASE + "/serve", self.serve, staff, LONGEST_FORM),
            Route("POST", CASE + "/again", self.again, staff, LONGEST_FORM),
            Route("POST", CASE + "/seen", self.seen, staff),
            Route("POST", CASE + "/typing", self.typing, staff),
            Route("POST", CASE + "/pass-on", self.pass_on, staff),
            Route("POST", CASE + "/connect", self.connect, staff),
            Route("POST", CASE + "/close", self.close, staff),
        ]

    # --- reading ------------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One case: its brief and its words for whoever has it, how it stands for the others."""
        opened = await self._room.open(request)
        if not wants_page(request):
            return self._data(request, opened)
        key = _TOLD.get(request.query.get("told", ""))
        return await self._room.page(request, opened, Typed(notice=self._door.say(request, key) if key else ""))

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the case."""
        return see_other(f"/desk/{request.match_info['case']}")

    def _data(self, request: web.Request, opened: Open) -> web.Response:
        entries = [self._room.rendered(request, entry) for entry in self._room.entries(request, opened)]
        gone = "" if opened.case.mine else self._door.say(request, "desk.told.not_yours")
        return web.json_response({"entries": "".join(entries), "gone": gone})

    async def seen(self, request: web.Request) -> web.StreamResponse:
        """The advisor has the page before them, and has read as far as its latest entry. Tells nothing of the words."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        now, at = self._house.clock.now(), str(form.get("at", ""))
        until = now
        if at.isascii() and at.isdecimal() and len(at) < 18:
            # An entry's instant is told in whole microseconds, rounded down.
            until = min(now, datetime.fromtimestamp(int(at) / 1_000_000, UTC) + timedelta(milliseconds=1))
        async with self._house.db.write() as conn:
            filed = await escalations.find(conn, request.match_info["case"])
            if filed is None or not advisors.is_theirs(filed, staff.id):
                raise Refused(404, "error.not_found")
            until = max(until, filed.escalation.opened_at)
            await notes_store.note_seen(conn, filed.conversation_id, staff.id, until)
        return web.Response(status=204)

    async def typing(self, request: web.Request) -> web.StreamResponse:
        """The advisor is writing: the clinician sees that, and not what."""
        staff = self._door.advisor(request)
        await self._door.form(request)
        if not self._typing.spend(staff.id):
            async with self._house.db.read() as conn:
                filed = await escalations.find(conn, request.match_info["case"])
            if filed is not None and advisors.is_theirs(filed, staff.id):
                await self._house.tell_of_typing(filed.conversation_id, Side.ADVISOR)
        return web.Response(status=204)

    # --- live ---------------------------------------------------------------------------------------------------------

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The words as they come and how the case stands, for as long as this advisor has it."""
        opened = await self._room.open(request, FOLLOWED)
        staff = staff_of(request)
        if not is_theirs(opened, staff):
            return web.Response(status=204)
        sent: dict[str, str] = {}
        standing = suggested = ""
        writes = typing_topic(opened.filed.conversation_id, Side.CLINICIAN)
        with self._house.db.watch(page_topic(opened.filed.conversation_id), escalations.TOPIC, writes) as watch:
            reader = f"staff:{staff.id}:{opened.filed.id}"
            async with self._door.streams.open(request, reader, watch) as stream:
                async for _ in stream.turns(silent_too=True):
                    heard = watch.take_heard()
                    if writes in heard:
                        await stream.send("typing", "")
                    if heard == {writes}:
                        continue
                    still = await self._still_theirs(request, staff)
                    if still is None:
                        await stream.send("gone", self._door.say(request, "desk.told.not_yours"))
                        break
                    shown = self._door.pages.render("desk/case_standing.html", request[LANGUAGE], it=still.case)
                    if shown != standing:
                        await stream.send("standing", shown)
                        standing = shown
                    entries = {
                        entry.id: self._room.rendered(request, entry) for entry in self._room.entries(request, still)
                    }
                    fresh = [text for id_, text in entries.items() if sent.get(id_) != text]
                    if not fresh:
                        continue
                    await stream.send("entries", "".join(fresh))
                    sent = entries
                    cards = self._door.pages.render(
                        "desk/case_suggested.html",
                        request[LANGUAGE],
                        it=still.case,
                        suggested=self._room.suggested(request, still),
                    )
                    if cards != suggested:
                        await stream.send("suggested", cards)
                        suggested = cards
            return stream.response

    async def _still_theirs(self, request: web.Request, staff: Staff) -> Open | None:
        """The case once more, while its page is open; None where this advisor does not have it any longer."""
        if not await self._door.sessions.still_signed_in(request, Role.ADVISOR):
            return None
        async with self._house.db.read() as conn:
            filed = await escalations.find(conn, request.match_info["case"])
            names = await names_of(conn)
        if filed is None or not advisors.is_theirs(filed, staff.id):
            return None
        return await self._room.with_words(filed, self._door.wording(request).case(filed, names))

    # --- writing ------------------------------------------------------------------------------------------------------

    async def reply(self, request: web.Request) -> web.StreamResponse:
        """Write to the clinician."""
        staff = self._door.advisor(request)
        form = await request.post()
        typed = typed_in(form)
        length = len(typed.draft.replace("\r\n", "\n"))
        if not csrf_holds(request, form):
            return await self._not_sent(request, typed, 403, "desk.told.press_again")
        if not typed.draft.strip():
            return await self._not_sent(request, typed, 422, "desk.reply.empty")
        if length > LONGEST_REPLY:
            return await self._not_sent(request, typed, 422, "desk.reply.too_long", length=length, limit=LONGEST_REPLY)
        try:
            refused = await self._write(request, staff, typed, str(form.get("agreed", "")))
        except StorageError as error:
            log.error("reply_not_stored", error_type=type(error).__name__)
            return await self._not_sent(request, typed, 503, "desk.reply.not_kept")
        if isinstance(refused, Typed):
            return await self._not_sent(request, refused, 422, "desk.case.warned.not_sent")
        if refused:
            return await self._not_sent(request, typed, 409, refused)
        return await self._written(request)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send an article's answer or a service as it stands, with its source; what is in the box stays there."""
        staff = self._door.advisor(request)
        form = await request.post()
        typed, claim = typed_in(form), str(form.get("serve", ""))
        if not csrf_holds(request, form):
            return await self._not_sent(request, typed, 403, "desk.told.press_again")
        try:
            refused = await self._serve(request, staff, claim, typed.message_id)
        except StorageError as error:
            log.error("reply_not_stored", error_type=type(error).__name__)
            return await self._not_sent(request, typed, 503, "desk.reply.not_kept")
        if refused:
            return await self._not_sent(request, typed, 409, refused)
        if wants_page(request) and typed.draft.strip():
            return await self._room.page(request, await self._room.open(request), replace(typed, message_id=""))
        return await self._written(request)

    async def again(self, request: web.Request) -> web.StreamResponse:
        """Send once more what did not arrive; pressing twice is as good as once."""
        staff = self._door.advisor(request)
        form = await request.post()
        typed, which = typed_in(form), str(form.get("again", ""))
        if not csrf_holds(request, form):
            return await self._not_sent(request, typed, 403, "desk.told.press_again")
        opened = await self._room.open(request)
        failed = next((said for said in opened.transcript.said if str(said.id) == which), None)
        if failed is None or failed.message is None or failed.state is not OutboundState.GIVEN_UP:
            raise Refused(404, "error.not_found")
        async with self._house.db.write() as conn:
            filed = await self._mine(conn, request.match_info["case"], staff)
            if filed is None:
                passed = None
            else:
                key = f"advisor:again:{failed.id}" if failed.key.startswith("advisor:") else f"again:{failed.id}"
                now = self._house.clock.now()
                passed = await self._door.room.say_again(conn, filed, failed.message, staff.id, key=key, now=now)
        if passed is None or passed is Reached.UNREACHABLE:
            why = "desk.told.not_yours" if passed is None else "desk.reply.unreachable"
            return await self._not_sent(request, typed, 409, why)
        if wants_page(request) and typed.draft.strip():
            notice = self._door.say(request, "desk.case.told.again")
            return await self._room.page(request, await self._room.open(request), replace(typed, notice=notice))
        return await self._written(request, told="again")

    async def _written(self, request: web.Request, *, told: str = "") -> web.StreamResponse:
        if wants_page(request):
            query = f"?told={told}" if told else ""
            return see_other(f"/desk/{request.match_info['case']}{query}#latest")
        return self._data(request, await self._room.open(request))

    async def _mine(self, conn: AsyncConnection, case_id: str, staff: Staff) -> Filed | None:
        filed = await escalations.find(conn, case_id, lock=True)
        return filed if filed is not None and advisors.is_theirs(filed, staff.id) else None

    async def _write(self, request: web.Request, staff: Staff, typed: Typed, agreed: str) -> str | Typed:
        """Put the reply into the outbox. Else what the advisor must look over, or the phrase that says why not."""
        case_id, now = request.match_info["case"], self._house.clock.now()
        async with self._house.db.write() as conn:
            filed = await self._mine(conn, case_id, staff)
            conversation = await store.get(conn, self._house.vault, filed.conversation_id) if filed else None
            if filed is None or conversation is None:
                return "desk.told.not_yours"
            weighed = self._weigh(typed, conversation, filed, await self._slips(conn, filed, typed))
            # The agreement is to this text and to nothing else: what was changed after it is looked over again.
            token = self._house.vault.fingerprint("agreed", f"{filed.id}\0{replying.tidy(typed.draft)}")[:24]
            unsafe = await self._room.unsafe(conn, request, filed, Way.WRITE)
            if (weighed.doubtful or unsafe) and agreed != token:
                return replace(typed, weighed=weighed, unsafe=unsafe, agreed=token)
            if not weighed.text.strip():
                return "desk.reply.empty"
            # What was written belongs to the id: a page found with the back button may send other words under the old
            # one. Keyed, since this stands in the clear and a short text could be guessed from a plain hash.
            said = self._house.vault.fingerprint("said", typed.draft)[:16]
            key = f"advisor:desk:{filed.id}:{typed.message_id}.{said}"
            passed = await self._door.room.advisor_says(conn, filed, weighed.text, staff.id, key=key, now=now)
            if passed is Reached.UNREACHABLE:
                return "desk.reply.unreachable"
            if passed is Reached.SAID:
                await self._record(conn, filed, weighed.served)
        return ""

    async def _slips(self, conn: AsyncConnection, filed: Filed, typed: Typed) -> list[Piece]:
        return await self._room.slips(conn, filed, typed.claims.split()[:MOST_CLAIMS])

    def _weigh(self, typed: Typed, conversation: Conversation, filed: Filed, slips: list[Piece]) -> Weighed:
        reader, now = reader_of(conversation), self._house.clock.now()
        looked_up = [self._room.beside.piece(claim, reader, now) for claim in typed.claims.split()[:MOST_CLAIMS]]
        known = [each for each in looked_up if each is not None]
        fresh = [piece for piece, current in known if current] + slips
        gone = [piece for piece, current in known if not current]
        return replying.weigh(typed.draft, fresh, gone, self._house.masker, filed.language)

    async def _serve(self, request: web.Request, staff: Staff, claim: str, message_id: str) -> str:
        case_id = request.match_info["case"]
        async with self._house.db.write() as conn:
            filed = await self._mine(conn, case_id, staff)
            conversation = await store.get(conn, self._house.vault, filed.conversation_id) if filed else None
            if filed is None or conversation is None:
                return "desk.told.not_yours"
            found = self._room.beside.piece(claim, reader_of(conversation), self._house.clock.now())
            if found is None or not found[1]:
                return "desk.case.gone"
            if await self._room.unsafe(conn, request, filed, Way.WRITE):
                return "desk.safe.not_served"
            piece = found[0]
            key = f"advisor:desk:{filed.id}:{message_id}.{piece.claim}"
            now = self._house.clock.now()
            passed = await self._door.room.advisor_says(conn, filed, piece.text, staff.id, key=key, now=now)
            if passed is Reached.UNREACHABLE:
                return "desk.reply.unreachable"
            if passed is Reached.SAID:
                await self._record(conn, filed, (piece,))
        return ""

    async def _record(self, conn: AsyncConnection, filed: Filed, served: tuple[Piece, ...]) -> None:
        """Note which revisions' words the clinician was sent, and which services."""
        now = self._house.clock.now()
        for piece in served:
            match piece.claim.split(":"):
                case ["article", article_id, revision]:
                    await store.record_served(
                        conn,
                        filed.conversation_id,
                        article_id,
                        revision=int(revision),
                        variant=piece.variant,
                        language=piece.language,
                        part="advisor",
                        now=now,
                    )
                case ["service", service_id, _, _, need]:
                    await store.record_services(conn, [service_id], [need] if need else [], "", now)

    async def _not_sent(
        self, request: web.Request, typed: Typed, status: int, key: str, **values: object
    ) -> web.StreamResponse:
        """The case with the text still in the box, and why it was not sent."""
        said = self._door.say(request, key, **values)
        headers = {"Retry-After": "2"} if status == 503 else {}
        if not wants_page(request):
            data: dict[str, Any] = {"message": said}
            if typed.weighed is not None:
                data["warned"] = self._door.pages.render(
                    "desk/case_warned.html", request[LANGUAGE], typed=typed, case=request.match_info["case"]
                )
            return web.json_response(data, status=status, headers=headers)
        try:
            told = replace(typed, notice=said, status=status)
            response = await self._room.page(request, await self._room.open(request), told)
        except StorageError:
            # Where reading cannot be written down nothing is read; the advisor's own words are given back.
            response = self._door.pages.page(
                "error.html", request[LANGUAGE], status=status, said=said, back=request.path, kept=typed.draft
            )
        response.headers.update(headers)
        return response

    # --- taking, passing on, closing ----------------------------------------------------------------------------------

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take the case. Pressing twice is as good as once; whoever was first has it."""
        staff = self._door.advisor(request)
        await self._door.form(request)
        case_id = request.match_info["case"]
        async with self._house.db.write() as conn:
            done = await advisors.acknowledge(conn, self._door.room.means, case_id, staff.id, self._house.clock.now())
            if done.filed is not None:
                self._house.tell_page(conn, done.filed.conversation_id)
        match done.outcome:
            case Outcome.TAKEN | Outcome.ALREADY_YOURS:
                return see_other(f"/desk/{case_id}")
            case Outcome.TAKEN_BY_OTHER | Outcome.NOTED:
                return see_other(f"/desk/?told=already_taken&case={case_id}")
            case Outcome.ENDED:
                return see_other("/desk/?told=ended")
            case _:
                raise Refused(404, "error.not_found")

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Ask a colleague or the next step to take over, keep it after all, or give the case back to the rota."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        case_id, to = request.match_info["case"], str(form.get("to", ""))
        now, means = self._house.clock.now(), self._door.room.means
        async with self._house.db.write() as conn:
            if to == NEXT_STEP:
                done = await advisors.pass_up(conn, means, case_id, staff.id, now)
            elif to == KEEP:
                done = await advisors.keep(conn, means, case_id, staff.id, now)
            elif to:
                done = await advisors.pass_on(conn, means, case_id, staff.id, to, now)
            else:
                done = await advisors.hand_back(conn, means, case_id, staff.id, now)
            if done.filed is not None:
                self._house.tell_page(conn, done.filed.conversation_id)
        if done.filed is None:
            raise Refused(404, "error.not_found")
        moved_on = done.outcome is Outcome.MOVED_ON
        if moved_on and not to:
            return see_other("/desk/?told=passed_on")
        told = "kept_after_all" if to == KEEP else "passed_on" if moved_on else "cannot_pass_on"
        return see_other(f"/desk/{case_id}?told={told}")

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Have the advisor's phone called, to be joined with the clinician; pressed twice it rings once."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        case_id = request.match_info["case"]
        if form.get("agreed") != "yes":
            opened = await self._room.open_mine(request)
            async with self._house.db.read() as conn:
                unsafe = await self._room.unsafe_call(conn, request, opened.filed)
            if unsafe:
                return await self._room.page(request, opened, Typed(notice=unsafe, status=409))
        async with self._house.db.write() as conn:
            joined = await joining.join(conn, self._door.room, case_id, staff.id, self._house.clock.now())
        if joined is Joined.NOT_YOURS:
            raise Refused(404, "error.not_found")
        return see_other(f"/desk/{case_id}?told={joined.value}")

    async def close(self, request: web.Request) -> web.StreamResponse:
        """End the case: why, how it ended, and whether the line lacked knowledge."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        said = {name: str(form.get(name, "")) for name in ("reason", "outcome", "missing")}
        outcome = next((each for each in SAYABLE_OUTCOMES if each.value == said["outcome"]), None)
        reason = next((each for each in SAYABLE_REASONS if each.value == said["reason"]), None)
        if outcome is None or (said["reason"] and reason is None):
            opened = await self._room.open_mine(request)
            wrong = self._door.say(request, "desk.close.choose")
            return await self._room.page(request, opened, Typed(status=400, closing=said, closing_wrong=wrong))
        missing = {"yes": True, "no": False}.get(said["missing"])
        case_id, now = request.match_info["case"], self._house.clock.now()
        async with self._house.db.write() as conn:
            filed = await escalations.find(conn, case_id, lock=True)
            if filed is None or not advisors.may_read(filed, staff.id, now):
                raise Refused(404, "error.not_found")
            if filed.escalation.open:
                await advisors.close(
                    conn,
                    self._door.room.means,
                    case_id,
                    staff.id,
                    now,
                    reason=reason,
                    outcome=outcome,
                    knowledge_missing=missing,
                )
                self._house.tell_page(conn, filed.conversation_id)
        return see_other("/desk/?told=ended")


def typed_in(form: Any) -> Typed:
    """What stood in the page's fields when a button was pressed."""
    message_id = str(form.get("id", ""))
    return Typed(
        draft=str(form.get("text", "")),
        message_id=message_id if _MESSAGE_ID.fullmatch(message_id) else secrets.token_urlsafe(16),
        claims=str(form.get("served", "")),
    )
