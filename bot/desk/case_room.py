"""One case behind its pages: the one way to it, and everything that its page shows.

Every reading is written down before anything is shown. What an advisor typed comes back in the box whenever it could
not be taken, whichever button was pressed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import brief as briefs
from bot import caller_store, gaps, notes_store, store, transcript
from bot.answers import title as title_of
from bot.beside import Beside, Card, Services, last_question, reader_of
from bot.brief import Brief
from bot.cases import Case
from bot.desk import safe_sheet
from bot.desk.door import DeskDoor, names_of
from bot.desk.referral_sheet import ReferralSheet, slip_of, taps
from bot.desk.safe_sheet import SafeForm, SafeSheet
from bot.desk.telling import Telling
from bot.notes_store import Note
from bot.render import Entry, microseconds
from bot.replying import Piece, Weighed
from bot.store import Conversation
from bot.transcript import Reader, Transcript
from escalation import advisors, shift_store
from escalation import store as escalations
from escalation.closing import SAYABLE_OUTCOMES, SAYABLE_REASONS
from escalation.store import Filed
from helpline import accounts, audit
from helpline.accounts import Role, Staff
from helpline.messages import Channel, Language
from helpline.phrases import ZONES, say_date, say_time
from helpline.sessions import staff_of
from helpline.web import KILOBYTE, LANGUAGE, Refused
from routing import capacity_store
from routing.referrals import store as referral_store
from routing.referrals.referral import ANOTHER_IS_NEEDED, CONSENT_WORDING, Referral, Way

CASE = "/desk/{case:[0-9a-f]{16}}"  # the page of one case
LONGEST_FORM = 1_024 * KILOBYTE  # with words of an advisor in it
FORM_ID = re.compile(r"[0-9a-f]{32}")  # under which a form is sent once
SLIP = "referral:"  # before the id of a referral whose slip was put into a reply
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


@dataclass(frozen=True)
class Wording:
    """A question to be proposed for an article."""

    question: str = field(default="", repr=False)
    article: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Search:
    """What was looked for beside the case."""

    text: str = field(default="", repr=False)
    place: str = field(default="", repr=False)
    need: str = ""
    articles: tuple[Card, ...] | None = None  # None where nothing was looked for
    services: Services | None = None


@dataclass(frozen=True)
class Referring:
    """A referral that is being made: the service, and what is told of the patient."""

    claim: str
    form_id: str  # makes it exist once, however often the button is pressed
    title: str
    introduces: bool  # whether the service takes a warm introduction
    introduction_unsure: bool  # no source says whether it does
    sex: str = ""
    age: str = ""
    children: bool = False
    basis: str = ""
    introduction: bool = False
    ask: bool = True  # the clinician is asked later what came of it
    wrong: str = ""


@dataclass(frozen=True)
class Typed:
    """What stood in the page's fields, and what it is told."""

    draft: str = field(default="", repr=False)
    message_id: str = ""
    claims: str = ""  # what was put into the draft from the shelves, a blank between
    weighed: Weighed | None = None  # where the draft must be looked over
    agreed: str = ""  # what agrees to sending it without what must not go out
    notice: str = ""
    status: int = 200
    search: Search = Search()
    note: str = field(default="", repr=False)
    note_wrong: str = ""
    follow_up: str = ""
    follow_up_wrong: str = ""
    guidance: Guidance | None = None
    wording: Wording | None = None
    closing: Mapping[str, str] = field(default_factory=dict)
    closing_wrong: str = ""
    unsafe: str = ""  # why she should not be written to now; a reply is held back until the advisor has read it
    referring: Referring | None = None
    safe: SafeForm | None = None


@dataclass(frozen=True)
class ShownNote:
    """A note in words."""

    who: str
    at: str
    words: str = field(repr=False)


class CaseRoom:
    """What the desk's modules of one case share."""

    def __init__(self, door: DeskDoor) -> None:
        self.door = door
        self.house = door.house
        self.beside = Beside(door.house)

    # --- the way to it ------------------------------------------------------------------------------------------------

    async def open(self, request: web.Request, looking: str = VIEWED) -> Open:
        """The one way to a case. Who may not know of it is told that it is not there."""
        staff = self.door.advisor(request)
        now = self.house.clock.now()
        async with self.house.db.read() as conn:
            filed = await escalations.find(conn, request.match_info["case"])
            names = await names_of(conn)
        if filed is None:
            raise Refused(404, "error.not_found")
        case = self.door.wording(request).case(filed, names)
        if not advisors.may_read(filed, staff.id, now):
            if not filed.escalation.open:
                raise Refused(404, "error.not_found")
            return Open(filed, case, None, Transcript((), ()))
        async with self.house.db.write() as conn:
            await audit.append(
                conn,
                at=now,
                actor=f"staff:{staff.id}",
                action=looking,
                subject=f"conversation:{filed.conversation_id}",
                details={"escalation": filed.id},
            )
        return await self.with_words(filed, case)

    async def open_mine(self, request: web.Request) -> Open:
        """The case, for whoever has it; for everybody else it is not there."""
        opened = await self.open(request)
        if not opened.readable:
            raise Refused(404, "error.not_found")
        return opened

    async def with_words(self, filed: Filed, case: Case) -> Open:
        """The case with what was written in it."""
        async with self.house.db.read() as conn:
            conversation = await store.get(conn, self.house.vault, filed.conversation_id)
            read = await transcript.read(conn, self.house.vault, filed.conversation_id)
        return Open(filed, case, conversation, read)

    async def locked(self, conn: AsyncConnection, request: web.Request, staff: Staff) -> Filed:
        """The case while it is being changed, for whoever may read it; for everybody else it is not there."""
        filed = await escalations.find(conn, request.match_info["case"], lock=True)
        if filed is None or not advisors.may_read(filed, staff.id, self.house.clock.now()):
            raise Refused(404, "error.not_found")
        return filed

    # --- the page -----------------------------------------------------------------------------------------------------

    async def page(self, request: web.Request, opened: Open, typed: Typed | None = None) -> web.Response:
        """The case's page, with what was typed in its fields."""
        typed = typed or Typed()
        staff, language, now = staff_of(request), request[LANGUAGE], self.house.clock.now()
        seen_at: datetime | None = None
        brief: Brief | None = None
        notes: tuple[Note, ...] = ()
        later: dict[str, Any] = {"follow_up_day": "", "flagged": False}
        phone = ""
        async with self.house.db.read() as conn:
            colleagues = await accounts.list_staff(conn, role=Role.ADVISOR)
            names = await names_of(conn)
            if opened.readable:
                brief = await briefs.gather(conn, self.house, opened.filed, language)
                notes = await notes_store.of_conversation(conn, self.house.vault, opened.filed.conversation_id)
                seen = await notes_store.seen_by(conn, staff.id, [opened.filed.conversation_id])
                seen_at = seen.get(opened.filed.conversation_id)
                later = await self._later(conn, opened.filed, staff, language)
                phone = await self._phone(conn, opened, now)
            aside = await self.aside(conn, request, opened, typed)
        entries = self.entries(request, opened)
        context = {
            "it": opened.case,
            "readable": opened.readable,
            "open": opened.filed.escalation.open,
            "brief": brief,
            "told": self._told(opened.filed, brief, names, language, now),
            "question": last_question(_wrote(opened)),
            "promised": self.door.wording(request).by(opened.filed, brief.promise_at if brief is not None else None),
            "channel": opened.conversation.channel if opened.conversation is not None else None,
            "entries": entries,
            "unread": _first_unread(entries, seen_at),
            "spoken": opened.filed.language.value,
            "colleagues": [colleague for colleague in colleagues if colleague.id != staff.id],
            "reasons": SAYABLE_REASONS,
            "outcomes": SAYABLE_OUTCOMES,
            "notes": self._notes(notes, names, opened.filed, language, now),
            "suggested": self.suggested(request, opened) if opened.case.mine else (),
            "needs": [(key, need.names[language]) for key, need in self.house.library.directory.needs.items()],
            "articles": self._articles(opened, language) if opened.readable else [],
            "today": now.astimezone(ZoneInfo(staff.zone)).date().isoformat(),
            "message_id": typed.message_id or secrets.token_urlsafe(16),
            "note_id": secrets.token_hex(16),
            "guidance": typed.guidance or self._guidance(opened),
            "wording": typed.wording or self._wording(opened),
            "phone": phone,
            "typed": typed,
            "notice": typed.notice,
            **later,
            **aside,
        }
        if opened.readable:
            await self.note_seen(staff, opened)
        return self.door.pages.page(
            "desk/case.html", language, status=typed.status, **context, **await self.door.frame(request)
        )

    # --- referrals, and how she may be reached ------------------------------------------------------------------------

    async def aside(self, conn: AsyncConnection, request: web.Request, opened: Open, typed: Typed) -> dict[str, Any]:
        """What the parts of the page on referrals and on safe contact show."""
        if opened.conversation is None:
            return {}
        language, now = request[LANGUAGE], self.house.clock.now()
        filed, zone = opened.filed, ZONES[opened.filed.country]
        made = await referral_store.of_conversation(conn, filed.conversation_id)
        safe = await referral_store.safe_contact_of(conn, self.house.vault, filed.conversation_id)
        rooms = await capacity_store.newest(conn)
        tell = Telling(self.house.phrases, language, staff_of(request).zone, await names_of(conn), now)
        sheet = ReferralSheet(self.house, language, tell, rooms)
        says = SafeSheet(self.house.phrases, language, zone, now)
        return {
            "referrals": [sheet.shown(each, now, slip_in=filed.language) for each in reversed(made)],
            "next_best": self._next_best(opened, made, language, now),
            "referring": typed.referring,
            "consent_wording": self.house.phrases.say("referring.consent", filed.language, name=typed.referring.title)
            if typed.referring is not None
            else "",
            "consent_version": CONSENT_WORDING,
            "spoken": filed.language.value,
            "safe": safe is not None,
            "safe_rules": says.rules(safe) if safe is not None else [],
            "safe_form": typed.safe or safe_sheet.form_of(safe, now, zone),
            "unsafe": says.warning(safe, Way.WRITE, heard_at(opened.transcript)),
            "unsafe_call": says.warning(safe, Way.CALL, heard_at(opened.transcript)),
            "safe_stands": safe is not None and safe.holds(now),
            **taps(tell),
        }

    def _next_best(self, opened: Open, made: tuple[Referral, ...], language: Language, now: datetime) -> Card | None:
        """Where to try next, once the latest service said no or did not answer."""
        assert opened.conversation is not None
        if not made or made[-1].outcome not in ANOTHER_IS_NEEDED or made[-1].revoked:
            return None
        tried = {each.service_id for each in made}
        return self.beside.next_best(made[-1].facts, tried, reader_of(opened.conversation), language, now)

    async def unsafe(self, conn: AsyncConnection, request: web.Request, filed: Filed, way: Way) -> str:
        """Why not to begin to write or call now, in the advisor's words; nothing where it is as agreed."""
        safe = await referral_store.safe_contact_of(conn, self.house.vault, filed.conversation_id)
        if safe is None:
            return ""
        read = await transcript.read(conn, self.house.vault, filed.conversation_id)
        says = SafeSheet(self.house.phrases, request[LANGUAGE], ZONES[filed.country], self.house.clock.now())
        return says.warning(safe, way, heard_at(read))

    async def unsafe_call(self, conn: AsyncConnection, request: web.Request, filed: Filed) -> str:
        """Why not to call her now; nothing where it is as agreed, or she is on the line already."""
        known = await caller_store.find(conn, filed.conversation_id, self.house.clock.now())
        return "" if known is not None and known.on_line else await self.unsafe(conn, request, filed, Way.CALL)

    async def slips(self, conn: AsyncConnection, filed: Filed, claims: Sequence[str]) -> list[Piece]:
        """The slips among what was put into a reply: ours word for word, the service's number with them."""
        wanted = {claim.removeprefix(SLIP) for claim in claims if claim.startswith(SLIP)}
        if not wanted:
            return []
        pieces = []
        for referral in await referral_store.of_conversation(conn, filed.conversation_id):
            service = self.house.library.directory.find(referral.service_id)
            if referral.id in wanted and service is not None and not referral.revoked:
                text = slip_of(self.house, referral, service, filed.language)
                first = text.split("\n")[0]
                title = service.called(filed.language)
                pieces.append(Piece(f"{SLIP}{referral.id}", title, text, first, first, language=filed.language))
        return pieces

    async def parts(self, request: web.Request, opened: Open, typed: Typed) -> dict[str, str]:
        """These parts alone, for a page that is open."""
        async with self.house.db.read() as conn:
            aside = await self.aside(conn, request, opened, typed)
        return {
            element: self.door.pages.render(f"desk/{template}.html", request[LANGUAGE], it=opened.case, **aside)
            for element, template in (
                ("referring", "case_referrals"),
                ("safety", "case_safety"),
                ("unsafe", "case_unsafe"),
            )
        }

    async def note_seen(self, staff: Staff, opened: Open) -> None:
        """This advisor has read as far as the latest message."""
        newest = max((message.received_at for message in opened.transcript.received), default=None)
        if newest is not None:
            async with self.house.db.write() as conn:
                await notes_store.note_seen(conn, opened.filed.conversation_id, staff.id, newest)

    def entries(self, request: web.Request, opened: Open) -> tuple[Entry, ...]:
        """What was said, in order."""
        reader = Reader(request[LANGUAGE], ZONES[opened.filed.country], self.house.clock.now(), staff=True)
        shown = transcript.entries(opened.transcript, reader, self.door.pages, self.house.phrases)
        # Only whoever has the case can send again what did not arrive.
        address = f"/desk/{opened.filed.id}/again" if opened.case.mine else ""
        return tuple(replace(entry, again_at=address) if entry.again else entry for entry in shown)

    def rendered(self, request: web.Request, entry: Entry) -> str:
        """One of them, for a page that is open."""
        return self.door.pages.render("entries.html", request[LANGUAGE], entries=[entry])

    def suggested(self, request: web.Request, opened: Open) -> tuple[Card, ...]:
        """The best three of the shelves for what was asked last."""
        asked = last_question(_wrote(opened))
        if opened.conversation is None or not asked:
            return ()
        reader = reader_of(opened.conversation)
        return self.beside.suggest(asked, reader, request[LANGUAGE], self.house.clock.now())

    def found(self, request: web.Request, opened: Open, search: Search) -> str:
        """What was found, for a page that is open."""
        return self.door.pages.render(
            "desk/case_found.html",
            request[LANGUAGE],
            it=opened.case,
            search=search,
            suggested=self.suggested(request, opened),
        )

    async def _phone(self, conn: AsyncConnection, opened: Open, now: datetime) -> str:
        """Whether the advisor can talk with her by phone: "line" while she is on it, "call" where she can be called."""
        if not opened.case.mine or Channel.CALL.value not in self.door.room.means.channels:
            return ""
        known = await caller_store.find(conn, opened.filed.conversation_id, now)
        return "" if known is None else "line" if known.on_line else "call"

    # --- in words -----------------------------------------------------------------------------------------------------

    async def _later(self, conn: AsyncConnection, filed: Filed, staff: Staff, language: Language) -> dict[str, Any]:
        mine = [each for each in await shift_store.follow_ups_on(conn, filed.id) if each.staff_id == staff.id]
        flagged = [each for each in await shift_store.debriefs_on(conn, filed.id) if each.staff_id == staff.id]
        day = mine[0].due_at.astimezone(ZoneInfo(staff.zone)).date() if mine else None
        return {"follow_up_day": say_date(day, language) if day is not None else "", "flagged": bool(flagged)}

    def _told(
        self, filed: Filed, brief: Brief | None, names: Mapping[str, str], language: Language, now: datetime
    ) -> dict[str, list[str]]:
        """Promises and earlier escalations, a line each."""
        if brief is None:
            return {"promises": [], "before": []}
        zone, say = ZONES[filed.country], self.house.phrases.say

        def clock(at: datetime) -> str:
            return say_time(at, now=now, zone=zone, language=language)

        promises = [
            say(
                "desk.brief.told_at", language, at=clock(each.told_at), by=say("desk.by", language, time=clock(each.by))
            )
            for each in brief.promises
        ]
        before = []
        for each in brief.before:
            day = say_date(each.escalation.opened_at.astimezone(zone).date(), language)
            owner = each.escalation.owner
            before.append(
                say("desk.brief.before", language, day=day, name=names.get(owner, "–"))
                if owner is not None
                else say("desk.brief.before.nobody", language, day=day)
            )
        return {"promises": promises, "before": before}

    def _notes(
        self, notes: tuple[Note, ...], names: Mapping[str, str], filed: Filed, language: Language, now: datetime
    ) -> list[ShownNote]:
        zone = ZONES[filed.country]
        return [
            ShownNote(
                names.get(note.staff_id, "–"),
                say_time(note.made_at, now=now, zone=zone, language=language)
                if now - note.made_at < timedelta(days=6)
                else say_date(note.made_at.astimezone(zone).date(), language),
                note.words,
            )
            for note in notes
        ]

    def _articles(self, opened: Open, language: Language) -> list[tuple[str, str]]:
        """What a question can be proposed for: first what is near it, then all of the clinician's country."""
        shelves = self.house.library.shelves
        asked = last_question(_wrote(opened))
        near = []
        if asked:
            found = shelves.find(asked, country=opened.filed.country, language=opened.filed.language)
            near = [candidate.article_id for candidate in found.candidates[:5]]
        of_country = [article for article in shelves.articles if article.country is opened.filed.country]
        rest = sorted(of_country, key=lambda article: title_of(article, language).casefold())
        ordered = dict.fromkeys([*near, *(article.id for article in rest)])
        known = {article.id: article for article in of_country}
        return [(each, title_of(known[each], language)) for each in ordered if each in known]

    def _guidance(self, opened: Open) -> Guidance:
        """What was asked and answered last, as a beginning; the advisor rewrites both."""
        said = [
            each.message.text
            for each in opened.transcript.said
            if each.key.startswith("advisor:") and each.message is not None
        ]
        lead = self.house.phrases.say("advisor.says", opened.filed.language, words="")
        asked = last_question(_wrote(opened))[: gaps.LONGEST_WORDING]
        return Guidance(asked, said[-1].removeprefix(lead) if said else "")

    def _wording(self, opened: Open) -> Wording:
        return Wording(last_question(_wrote(opened))[: gaps.LONGEST_WORDING])


def is_theirs(opened: Open, staff: Staff) -> bool:
    """Whether this advisor has the case now."""
    return advisors.is_theirs(opened.filed, staff.id)


def heard_at(read: Transcript) -> datetime | None:
    """When the clinician last wrote."""
    return max((message.received_at for message in read.received), default=None)


def _wrote(opened: Open) -> list[str]:
    return [message.text for message in opened.transcript.received]


def _first_unread(entries: tuple[Entry, ...], seen_at: datetime | None) -> str:
    """The id of the entry above which "new since last" stands; empty where nothing is new, or nothing was read yet."""
    if seen_at is None:
        return ""
    after = microseconds(seen_at)
    return next((entry.id for entry in entries if entry.who == "clinician" and entry.order > after), "")
