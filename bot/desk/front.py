"""The desk at `/desk/`: signing in, and the list of who waits for an advisor.

Nobody comes in without a session, and everybody without one sees the same page, whatever they asked for. The list holds
no word of what was written; that is for whoever takes the case (`bot/desk/case.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import notes_store
from bot.desk.account import AccountDesk
from bot.desk.alike import AlikeDesk
from bot.desk.area_picker import AreaDesk
from bot.desk.articles import ArticleDesk
from bot.desk.case import CaseDesk
from bot.desk.case_referrals import CaseReferrals
from bot.desk.case_room import CaseRoom
from bot.desk.case_work import CaseWork
from bot.desk.confirming import ConfirmingDesk
from bot.desk.coordinator import CoordinatorDesk
from bot.desk.directory import DirectoryDesk
from bot.desk.directory_bulk import BulkDesk
from bot.desk.directory_editor import DirectoryEditor
from bot.desk.directory_fallbacks import FallbackDesk
from bot.desk.directory_organisations import OrganisationDesk
from bot.desk.directory_proposals import ProposalDesk
from bot.desk.directory_room import DirectoryRoom
from bot.desk.directory_waiting import WaitingDesk
from bot.desk.door import DeskDoor, names_of, own_address
from bot.desk.due import DueDesk
from bot.desk.editor import EditorDesk
from bot.desk.gaps import GapDesk
from bot.desk.invitation import InvitationDesk
from bot.desk.keys import Keys
from bot.desk.ladders import LadderDesk
from bot.desk.laws import LawDesk
from bot.desk.outcomes import OutcomeDesk
from bot.desk.provider_own import OwnDesk
from bot.desk.provider_telling import ProviderRoom
from bot.desk.provider_visit import VisitDesk
from bot.desk.providers import ProvidersDesk
from bot.desk.questions import QuestionDesk
from bot.desk.reached import ReachedDesk
from bot.desk.records import RecordsDesk
from bot.desk.referrals import ReferralDesk
from bot.desk.review import ReviewDesk
from bot.desk.rooms import RoomDesk
from bot.desk.rota import RotaDesk
from bot.desk.rota_editor import RosterDesk
from bot.desk.rota_ending import EndingDesk
from bot.desk.rota_feeds import FeedDesk
from bot.desk.rota_leave import LeaveDesk
from bot.desk.rota_swaps import SwapDesk
from bot.desk.sign_in import SignInDesk
from bot.desk.staff import StaffDesk
from bot.desk.tokens import TokenDesk
from bot.desk.try_it import TryDesk
from bot.house import House
from bot.render import Pages
from bot.waiting_room import WaitingRoom
from escalation import shift_store
from escalation import store as escalations
from escalation.advisors import is_theirs, may_read
from escalation.shift_store import FollowUp
from escalation.store import Filed
from helpline import inbox
from helpline.accounts import Role, Staff
from helpline.live import Streams
from helpline.messages import Language
from helpline.phrases import say_date
from helpline.sessions import Sessions, csrf_of, staff_of
from helpline.web import LANGUAGE, Access, Refused, Route, html, see_other


class Desk:
    """The desk's routes."""

    def __init__(self, house: House, room: WaitingRoom, pages: Pages) -> None:
        self._door = DeskDoor(house, room, pages)
        case_room = CaseRoom(self._door)
        directory = DirectoryRoom(self._door)
        self._case = CaseDesk(self._door, case_room)
        self._case_work = CaseWork(self._door, case_room)
        self._case_referrals = CaseReferrals(self._door, case_room)
        providers = ProviderRoom(self._door)
        self._rooms = (
            CoordinatorDesk(self._door),
            ArticleDesk(self._door),
            EditorDesk(self._door),
            ReviewDesk(self._door),
            QuestionDesk(self._door),
            GapDesk(self._door),
            DueDesk(self._door),
            LawDesk(self._door),
            TryDesk(self._door),
            RotaDesk(self._door),
            RosterDesk(self._door),
            EndingDesk(self._door),
            SwapDesk(self._door),
            LeaveDesk(self._door),
            FeedDesk(self._door),
            LadderDesk(self._door),
            ProvidersDesk(providers),
            VisitDesk(providers),
            OwnDesk(providers),
            ReferralDesk(self._door),
            OutcomeDesk(self._door),
            RoomDesk(self._door),
            AreaDesk(self._door),
            ConfirmingDesk(self._door),
            AlikeDesk(self._door, directory),
            BulkDesk(self._door, directory),
            DirectoryEditor(self._door, directory),
            ProposalDesk(self._door, directory),
            OrganisationDesk(self._door, directory),
            FallbackDesk(self._door, directory),
            WaitingDesk(self._door, directory),
            DirectoryDesk(self._door, directory),
        )
        self._keys = Keys(self._door)
        self._people = (
            SignInDesk(self._door, self._keys),
            InvitationDesk(self._door, self._keys),
            AccountDesk(self._door, self._keys),
            ReachedDesk(self._door),
            TokenDesk(self._door),
            StaffDesk(self._door),
            RecordsDesk(self._door),
        )

    @property
    def sessions(self) -> Sessions:
        """Whose `guard` lets staff in."""
        return self._door.sessions

    @property
    def streams(self) -> Streams:
        """The live pages that are open; closed when the server stops."""
        return self._door.streams

    def routes(self) -> list[Route]:
        """The desk's addresses. Whatever else is asked for below `/desk/` is for staff too, and is not there."""
        staff = Access.STAFF
        every = [
            *(route for room in self._people for route in room.routes()),
            Route("GET", "/desk", self.home, staff),
            Route("GET", "/desk/", self.show, staff),
            Route("GET", "/desk/lists", self.lists, staff),
            Route("GET", "/desk/live", self.live, staff),
            Route("POST", "/desk/language", self.language, staff),
            *self._case.routes(),
            *self._case_work.routes(),
            *self._case_referrals.routes(),
            *(route for room in self._rooms for route in room.routes()),
            Route("GET", "/desk/{rest:.*}", self.nothing, staff),
        ]
        return self._door.without_providers(every)

    async def language(self, request: web.Request) -> web.StreamResponse:
        """Another language for these pages."""
        form = await self._door.form(request)
        try:
            language = Language(str(form.get("language", "")))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        return self._keys.speak(see_other(own_address(str(form.get("back", "")))), language.value)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """The desk's address without its last sign."""
        return see_other("/desk/")

    async def nothing(self, request: web.Request) -> web.StreamResponse:
        """Whatever there is not."""
        raise Refused(404, "error.not_found")

    # --- the list -----------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Who waits, what is mine, what colleagues have; staff who answer nobody are led to a room of theirs."""
        rooms = self._door.rooms_of(staff_of(request))
        if rooms and "/desk/" not in {address for _, address in rooms}:
            return see_other(rooms[0][1])
        lists = await self._lists(request)
        notice = await self._told(request)
        chosen = {name: request.query[name] for name in ("language", "show") if name in request.query}
        return self._door.pages.page(
            "desk/waiting.html",
            request[LANGUAGE],
            notice=notice,
            chosen=f"?{urlencode(chosen)}" if chosen else "",
            **{**await self._door.frame(request), **lists},
        )

    async def lists(self, request: web.Request) -> web.StreamResponse:
        """The lists alone, for a page whose stream a proxy swallows."""
        return html(await self._rendered(request))

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The lists, each time something about a case changed, and as the time that is left runs down."""
        staff = self._door.advisor(request)
        last = ""
        with self._door.house.db.watch(escalations.TOPIC) as watch:
            async with self.streams.open(request, f"staff:{staff.id}:lists", watch) as stream:
                async for _ in stream.turns(silent_too=True):
                    if not await self.sessions.still_signed_in(request, Role.ADVISOR):
                        await stream.send("gone", "")
                        break
                    shown = await self._rendered(request)
                    if shown != last:
                        await stream.send("lists", shown)
                        last = shown
            return stream.response

    async def _lists(self, request: web.Request) -> dict[str, Any]:
        staff = self._door.advisor(request)
        house, now = self._door.house, self._door.house.clock.now()
        async with house.db.read() as conn:
            filed = await escalations.list_open(conn)
            names = await names_of(conn)
            unread = await self._unread(conn, filed, staff)
            later = await shift_store.follow_ups_of(conn, staff.id, now)
            readable = {each.escalation_id for each in later if await self._may_read(conn, each.escalation_id, staff)}
        language = next((each for each in Language if each.value == request.query.get("language")), None)
        only_mine = request.query.get("show") == "mine"
        shown = [
            each
            for each in filed
            if (language is None or each.language is language)
            and (not only_mine or each.escalation.owner == staff.id or staff.id in asked_of(each))
        ]
        board = self._door.wording(request).board(shown, names, unread)
        return {
            "packet": board.packet,
            "waiting": board.waiting,
            "mine": board.mine,
            "others": board.others,
            "hidden": len(filed) - len(shown),
            "chips": self._chips(request, filed, language, only_mine=only_mine),
            "follow_ups": [self._follow_up(request, each, staff, each.escalation_id in readable) for each in later],
            "csrf": csrf_of(request),
        }

    async def _unread(self, conn: AsyncConnection, filed: Sequence[Filed], staff: Staff) -> dict[str, int]:
        """How many messages came in this advisor's cases since they last looked, by conversation."""
        mine = [each.conversation_id for each in filed if is_theirs(each, staff.id)]
        seen = await notes_store.seen_by(conn, staff.id, mine)
        return {each: await inbox.count_since(conn, each, at) for each, at in seen.items()}

    async def _may_read(self, conn: AsyncConnection, case_id: str, staff: Staff) -> bool:
        filed = await escalations.find(conn, case_id)
        return filed is not None and may_read(filed, staff.id, self._door.house.clock.now())

    def _follow_up(self, request: web.Request, each: FollowUp, staff: Staff, may_read: bool) -> dict[str, str | bool]:
        zone = ZoneInfo(staff.zone)
        day = say_date(each.due_at.astimezone(zone).date(), request[LANGUAGE])
        due = each.due_at <= self._door.house.clock.now()
        key = "desk.list.follow_up_due" if due else "desk.list.follow_up_on"
        said = self._door.say(request, key, day=day)
        return {"id": each.escalation_id, "code": each.code, "said": said, "due": due, "may_read": may_read}

    def _chips(
        self, request: web.Request, filed: Sequence[Filed], language: Language | None, *, only_mine: bool
    ) -> list[tuple[str, str, bool]]:
        """What the lists can be narrowed to: address, name, whether that is so now."""
        spoken = sorted({each.language for each in filed} | ({language} if language is not None else set()))
        show = {"show": "mine"}
        tongue = {"language": language.value} if language is not None else {}
        # Pressing what is chosen takes the choice back.
        chips = [
            (_address(**tongue, **({} if only_mine else show)), self._door.say(request, "desk.list.mine"), only_mine)
        ]
        if len(spoken) < 2 and language is None:
            return chips
        for each in spoken:
            chosen = {} if each is language else {"language": each.value}
            name = self._door.say(request, f"language.{each}")
            chips.append((_address(**chosen, **(show if only_mine else {})), name, each is language))
        return chips

    async def _rendered(self, request: web.Request) -> str:
        return self._door.pages.render("desk/waiting_list.html", request[LANGUAGE], **await self._lists(request))

    async def _told(self, request: web.Request) -> str:
        """What came of what was pressed on the page before."""
        match request.query.get("told"):
            case "ended" | "passed_on" as word:
                return self._door.say(request, f"desk.told.{word}")
            case "already_taken":
                async with self._door.house.db.read() as conn:
                    filed = await escalations.find(conn, request.query.get("case", ""))
                    names = await names_of(conn)
                owner = filed.escalation.owner if filed is not None else None
                return self._door.say(request, "desk.told.already_taken", name=names.get(owner or "", "–"))
            case _:
                return ""


def asked_of(filed: Filed) -> tuple[str, ...]:
    """Who is asked to take it over from whoever has it."""
    handover = filed.escalation.handover
    return handover.asked if handover is not None else ()


def _address(**chosen: str) -> str:
    return f"/desk/?{urlencode(chosen)}" if chosen else "/desk/"
