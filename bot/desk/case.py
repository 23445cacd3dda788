"""One case on the desk: taking it, reading the brief and the words, writing, passing on, closing.

There is one way to a case (`_open`), and every reading is written down before anything is shown. What an advisor
presses twice is done once, and what an advisor wrote comes back in the box whenever it could not be taken.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from bot import brief as briefs
from bot import cases, gaps, store, transcript
from bot.cases import Case
from bot.desk.door import DeskDoor, names_of
from bot.gaps import GapError
from bot.house import page_topic
from bot.render import Entry
from bot.store import Conversation
from bot.transcript import Reader, Transcript
from escalation import advisors
from escalation import store as escalations
from escalation.advisors import Outcome
from escalation.store import Filed
from helpline import accounts, audit
from helpline.accounts import Role, Staff
from helpline.phrases import ZONES
from helpline.sessions import csrf_holds, staff_of
from helpline.storage import StorageError
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other, wants_page

log = structlog.get_logger(__name__)

LONGEST_REPLY = 4_000  # characters
OUTCOMES = ("answered", "referred", "emergency", "silent", "mistake")
_BODY = 1_024 * KILOBYTE
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_CASE = "/desk/{case:[0-9a-f]{16}}"

VIEWED, FOLLOWED = "conversation_viewed", "conversation_followed"


@dataclass(frozen=True)
class Open:
    """A case with everything that its page shows; without words where they may not be read."""

    filed: Filed
    case: Case
    conversation: Conversation | None
    transcript: Transcript

    @property
    def readable(self) -> bool:
        """Whether the words may be read."""
        return self.conversation is not None


@dataclass(frozen=True)
class Guidance:
    """A question and its answer, to be kept for the shelves; proposed from the case, rewritten by the advisor."""

    question: str = field(default="", repr=False)
    reply: str = field(default="", repr=False)
    wrong: str = ""


class CaseDesk:
    """The routes of one case."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses of one case."""
        staff = Access.STAFF
        return [
            Route("GET", _CASE, self.show, staff),
            Route("GET", _CASE + "/live", self.live, staff),
            Route("GET", _CASE + "/{action:take|reply|pass-on|close|keep}", self.back, staff),
            Route("POST", _CASE + "/take", self.take, staff),
            Route("POST", _CASE + "/reply", self.reply, staff, _BODY),
            Route("POST", _CASE + "/pass-on", self.pass_on, staff),
            Route("POST", _CASE + "/close", self.close, staff),
            Route("POST", _CASE + "/keep", self.keep, staff, _BODY),
        ]

    # --- reading ------------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One case: its brief and its words for whoever has it, how it stands for the others."""
        opened = await self._open(request, VIEWED)
        if not wants_page(request):
            return self._data(request, opened)
        told = request.query.get("told")
        notice = self._door.say(request, f"desk.told.{told}") if told in {"passed_on", "cannot_pass_on"} else ""
        if told == "kept":
            notice = self._door.say(request, "desk.guidance.kept")
        return await self._page(request, opened, notice=notice)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the case."""
        return see_other(f"/desk/{request.match_info['case']}")

    async def _open(self, request: web.Request, looking: str) -> Open:
        """The one way to a case. Who may not know of it is told that it is not there."""
        staff = self._door.advisor(request)
        now = self._house.clock.now()
        async with self._house.db.read() as conn:
            filed = await escalations.find(conn, request.match_info["case"])
            names = await names_of(conn)
        if filed is None:
            raise Refused(404, "error.not_found")
        case = self._door.wording(request).case(filed, names)
        if not cases.may_read(filed, staff, now):
            if not filed.escalation.open:
                raise Refused(404, "error.not_found")
            return Open(filed, case, None, Transcript((), ()))
        async with self._house.db.write() as conn:
            await audit.append(
                conn,
                at=now,
                actor=f"staff:{staff.id}",
                action=looking,
                subject=f"conversation:{filed.conversation_id}",
                details={"escalation": filed.id},
            )
        return await self._with_words(filed, case)

    async def _with_words(self, filed: Filed, case: Case) -> Open:
        async with self._house.db.read() as conn:
            conversation = await store.get(conn, self._house.vault, filed.conversation_id)
            read = await transcript.read(conn, self._house.vault, filed.conversation_id)
        return Open(filed, case, conversation, read)

    async def _page(
        self,
        request: web.Request,
        opened: Open,
        *,
        draft: str = "",
        notice: str = "",
        status: int = 200,
        message_id: str = "",
        guidance: Guidance | None = None,
    ) -> web.Response:
        staff = staff_of(request)
        language = request[LANGUAGE]
        async with self._house.db.read() as conn:
            colleagues = await accounts.list_staff(conn, role=Role.ADVISOR)
            brief = await briefs.gather(conn, self._house, opened.filed, language) if opened.readable else None
        channel = opened.conversation.channel if opened.conversation is not None else None
        return self._door.pages.page(
            "desk/case.html",
            language,
            status=status,
            it=opened.case,
            readable=opened.readable,
            brief=brief,
            promised=self._door.wording(request).by(opened.filed, brief.promise_at if brief is not None else None),
            channel=channel,
            entries=self._entries(request, opened),
            spoken=opened.filed.language.value,
            colleagues=[colleague for colleague in colleagues if colleague.id != staff.id],
            outcomes=OUTCOMES,
            message_id=message_id or secrets.token_urlsafe(16),
            guidance=guidance or self._proposed(opened),
            draft=draft,
            notice=notice,
            **await self._door.frame(request),
        )

    def _entries(self, request: web.Request, opened: Open) -> tuple[Entry, ...]:
        reader = Reader(request[LANGUAGE], ZONES[opened.filed.country], self._house.clock.now(), staff=True)
        return transcript.entries(opened.transcript, reader, self._door.pages, self._house.phrases)

    def _rendered(self, request: web.Request, entry: Entry) -> str:
        return self._door.pages.render("entries.html", request[LANGUAGE], entries=[entry])

    def _data(self, request: web.Request, opened: Open) -> web.Response:
        entries = [self._rendered(request, entry) for entry in self._entries(request, opened)]
        return web.json_response({"entries": "".join(entries)})

    # --- live ---------------------------------------------------------------------------------------------------------

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The words as they come and how the case stands, for as long as this advisor has it."""
        opened = await self._open(request, FOLLOWED)
        staff = staff_of(request)
        if not advisors.is_theirs(opened.filed, staff.id):
            return web.Response(status=204)
        sent: dict[str, str] = {}
        standing = ""
        with self._house.db.watch(page_topic(opened.filed.conversation_id), escalations.TOPIC) as watch:
            reader = f"staff:{staff.id}:{opened.filed.id}"
            async with self._door.streams.open(request, reader, watch) as stream:
                async for _ in stream.turns(silent_too=True):
                    still = await self._still_theirs(request, staff)
                    if still is None:
                        await stream.send("gone", self._door.say(request, "desk.told.not_yours"))
                        break
                    shown = self._door.pages.render("desk/case_standing.html", request[LANGUAGE], it=still.case)
                    if shown != standing:
                        await stream.send("standing", shown)
                        standing = shown
                    entries = {entry.id: self._rendered(request, entry) for entry in self._entries(request, still)}
                    fresh = [text for id_, text in entries.items() if sent.get(id_) != text]
                    if fresh:
                        await stream.send("entries", "".join(fresh))
                        sent = entries
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
        return await self._with_words(filed, self._door.wording(request).case(filed, names))

    # --- doing --------------------------------------------------------------------------------------------------------

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

    async def reply(self, request: web.Request) -> web.StreamResponse:
        """Write to the clinician."""
        staff = self._door.advisor(request)
        form = await request.post()
        text, message_id = str(form.get("text", "")), str(form.get("id", ""))
        if not _MESSAGE_ID.fullmatch(message_id):
            message_id = secrets.token_urlsafe(16)
        if not csrf_holds(request, form):
            return await self._not_sent(request, text, message_id, 403, "desk.told.press_again")
        if not text.strip():
            return await self._not_sent(request, text, message_id, 422, "desk.reply.empty")
        if len(text) > LONGEST_REPLY:
            return await self._not_sent(
                request, text, message_id, 422, "desk.reply.too_long", length=len(text), limit=LONGEST_REPLY
            )
        try:
            refused = await self._write(request, staff, text, message_id)
        except StorageError as error:
            log.error("reply_not_stored", error_type=type(error).__name__)
            return await self._not_sent(request, text, message_id, 503, "desk.reply.not_kept")
        if refused:
            return await self._not_sent(request, text, message_id, 409, refused)
        if wants_page(request):
            return see_other(f"/desk/{request.match_info['case']}#latest")
        return self._data(request, await self._open(request, VIEWED))

    async def _write(self, request: web.Request, staff: Staff, text: str, message_id: str) -> str:
        """Put the reply into the outbox; the phrase that says why not, or nothing."""
        # What was written belongs to the id: a page found with the back button may send other words under the old one.
        # Keyed, since this stands in the clear and a short text could be guessed from a plain hash.
        said = self._house.vault.fingerprint("said", text)[:16]
        async with self._house.db.write() as conn:
            filed = await escalations.find(conn, request.match_info["case"], lock=True)
            if filed is None or not advisors.is_theirs(filed, staff.id):
                return "desk.told.not_yours"
            key = f"advisor:desk:{filed.id}:{message_id}.{said}"
            now = self._house.clock.now()
            if not await self._door.room.advisor_wrote(conn, filed, text.strip(), staff.id, key=key, now=now):
                return "desk.reply.unreachable"
        return ""

    async def _not_sent(
        self, request: web.Request, text: str, message_id: str, status: int, key: str, **values: object
    ) -> web.StreamResponse:
        """The case with the text still in the box, and why it was not sent."""
        said = self._door.say(request, key, **values)
        headers = {"Retry-After": "2"} if status == 503 else {}
        if not wants_page(request):
            return web.json_response({"message": said}, status=status, headers=headers)
        try:
            response = await self._page(
                request,
                await self._open(request, VIEWED),
                draft=text,
                notice=said,
                status=status,
                message_id=message_id,
            )
        except StorageError:
            # Where reading cannot be written down nothing is read; the advisor's own words are given back.
            response = self._door.pages.page(
                "error.html", request[LANGUAGE], status=status, said=said, back=request.path, kept=text
            )
        response.headers.update(headers)
        return response

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Ask a colleague to take over, or give the case back to the rota."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        case_id, to = request.match_info["case"], str(form.get("to", ""))
        now, means = self._house.clock.now(), self._door.room.means
        async with self._house.db.write() as conn:
            if to:
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
        return see_other(f"/desk/{case_id}?told={'passed_on' if moved_on else 'cannot_pass_on'}")

    async def close(self, request: web.Request) -> web.StreamResponse:
        """End the case, with how it ended."""
        staff = self._door.advisor(request)
        form = await self._door.form(request)
        outcome = str(form.get("outcome", ""))
        if outcome not in OUTCOMES:
            raise Refused(400, "error.bad_request")
        case_id, now = request.match_info["case"], self._house.clock.now()
        async with self._house.db.write() as conn:
            filed = await escalations.find(conn, case_id, lock=True)
            if filed is None or not cases.may_read(filed, staff, now):
                raise Refused(404, "error.not_found")
            if filed.escalation.open:
                await advisors.close(conn, self._door.room.means, case_id, staff.id, now)
                event = escalations.Event(case_id, now, "ended_as", f"staff:{staff.id}", {"outcome": outcome})
                await escalations.insert_events(conn, [event])
                self._house.tell_page(conn, filed.conversation_id)
        return see_other("/desk/?told=ended")

    async def keep(self, request: web.Request) -> web.StreamResponse:
        """Keep an answer as guidance: question and answer go to the gap board, rewritten and masked once more."""
        opened = await self._open(request, VIEWED)
        form = await request.post()
        if opened.conversation is None:
            raise Refused(404, "error.not_found")
        # A form's line breaks are two signs, and would be counted twice.
        question, reply = (str(form.get(name, "")).replace("\r\n", "\n") for name in ("question", "guidance"))
        if not csrf_holds(request, form):
            said = self._door.say(request, "desk.told.press_again")
            return await self._page(request, opened, status=403, guidance=Guidance(question, reply, said))
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
                    actor=f"staff:{staff_of(request).id}",
                    now=self._house.clock.now(),
                )
        except GapError as error:
            said = self._door.say(request, error.phrase, **error.values)
            return await self._page(request, opened, status=422, guidance=Guidance(question, reply, said))
        return see_other(f"/desk/{request.match_info['case']}?told=kept")

    def _proposed(self, opened: Open) -> Guidance:
        """What was asked and answered last, as a beginning; the advisor rewrites both."""
        asked = [message.text for message in opened.transcript.received if len(message.text.split()) > 2]
        said = [
            each.message.text
            for each in opened.transcript.said
            if each.key.startswith("advisor:") and each.message is not None
        ]
        lead = self._house.phrases.say("advisor.says", opened.filed.language, words="")
        question = asked[-1][: gaps.LONGEST_WORDING] if asked else ""
        return Guidance(question, said[-1].removeprefix(lead) if said else "")
