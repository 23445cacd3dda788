"""The service directory on the desk: found as one types, read in plain words, with everything it ever said.

Advisors and editors read; coordinators change. Nothing here shows where a hidden place lies, since nothing knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.directory_room import HERE, ONE, DirectoryRoom, actor_of, address_of, after, moved
from bot.desk.directory_search import Matter, Wanted
from bot.desk.directory_telling import GONE, ServiceTelling, is_confirmed, is_fallback, is_full
from bot.desk.door import DeskDoor
from helpline.accounts import Role, Staff
from helpline.content import ContentError
from helpline.messages import Country
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, html, see_other
from routing import store
from routing.services import Service, ServiceKind, ServiceStatus
from routing.store import ChangedMeanwhile, Wording
from routing.upkeep import proposal_store, waiting_store
from routing.upkeep.confirming_store import is_due, may_confirm
from routing.upkeep.proposal_store import Proposal, ProposalState
from routing.upkeep.service_form import as_plain

_BODY: Final = 64 * KILOBYTE
_FILTERS: Final = ("text", "country", "kind", "area", "show")
_MOST_WORDINGS: Final = 200

E = TypeVar("E", bound=StrEnum)


class DirectoryDesk:
    """The routes of reading, and of bringing a service back or taking it out."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room
        door.counts[HERE] = _waiting

    def routes(self) -> list[Route]:
        """The addresses of the directory; those of one service come last, since its id may be any word."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show_all, staff),
            Route("GET", HERE + "/", self.home, staff),
            Route("GET", ONE, self.show, staff),
            Route("GET", ONE + "/history", self.history, staff),
            Route("POST", ONE + "/restore", self.restore, staff, _BODY),
            Route("POST", ONE + "/withdraw", self.withdraw, staff, _BODY),
            Route("GET", ONE + "/{action:restore|withdraw}", self.back, staff),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        """The list's address with one sign too many."""
        return see_other(HERE)

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the service."""
        return see_other(address_of(request.match_info["id"]))

    # --- the list -----------------------------------------------------------------------------------------------------

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """The services that fit what is looked for; the list alone where a page asks for it while one types."""
        staff = self._room.reader(request)
        wanted, now = _wanted(request.query), self._house.clock.now()
        finder = await self._room.finder()
        async with self._house.db.read() as conn:
            tell = await self._room.tell(request, conn)
            waiting = {each.service_id for each in await proposal_store.open_proposals(conn)}
        found = finder.find(wanted, now, waiting=waiting)
        chosen = {name: value for name, value in request.query.items() if value and name in _FILTERS}
        values: dict[str, Any] = {
            "found": found,
            "rows": [self._row(service, tell, now, waiting) for service in found.services],
            "wanted": wanted,
            "address": HERE + "?" + (urlencode(chosen) + "&" if chosen else ""),
        }
        language = request[LANGUAGE]
        if request.query.get("part"):
            return html(self._door.pages.render("desk/directory_found.html", language, **values))
        kinds = [(kind.value, tell.say(f"kind.{kind}")) for kind in ServiceKind]
        return self._door.pages.page(
            "desk/directory.html",
            language,
            **values,
            chosen=len([name for name in chosen if name != "text"]),
            told=self._room.told(request),
            countries=[(country.value, self._door.say(request, f"country.{country}")) for country in Country],
            kinds=sorted(kinds, key=lambda pair: pair[1].casefold()),
            matters=[(matter.value, tell.say(f"show.{matter}")) for matter in Matter],
            tabs=tabs_of(tell, staff),
            may_change=Role.COORDINATOR in staff.roles,
            **await self._door.frame(request),
        )

    def _row(self, service: Service, tell: ServiceTelling, now: datetime, waiting: set[str]) -> Mapping[str, Any]:
        directory = self._house.library.directory
        tags = [
            ("bad", f"status.{service.status}", service.status is not ServiceStatus.ACTIVE),
            ("warn", "show.waiting", service.id in waiting),
            ("bad", "show.full", is_full(directory, service, now)),
            ("warn", "show.no_phone", not service.phones),
            ("", "show.protected", service.hides_place),
            ("", "fallbacks", is_fallback(directory, service.id)),
        ]
        return {
            "address": address_of(service.id),
            "name": service.name,
            "kind": tell.say(f"kind.{service.kind}"),
            "organisation": service.organisation if service.organisation != service.name else "",
            "area": tell.area(service),
            "phone": service.phones[0].number if service.phones else "",
            "now": tell.now(service.hours, service.country, now),
            "confirmed": is_confirmed(service),
            "tags": [(how, tell.say(key)) for how, key, holds in tags if holds],
        }

    # --- one service --------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Everything about a service."""
        return await self._page(request)

    async def _page(
        self, request: web.Request, *, refused: str = "", typed: Mapping[str, str] | None = None, status: int = 200
    ) -> web.Response:
        staff, now, directory = self._room.reader(request), self._house.clock.now(), self._house.library.directory
        async with self._house.db.read() as conn:
            service = await self._room.service(request, conn)
            waiting = await proposal_store.open_proposals(conn, service.id)
            past = await store.wordings(conn, service.id)
            tell = await self._room.tell(request, conn)
        words = tell.sections(as_plain(service), service.country)
        undo = request.query.get("undo", "")
        return self._door.pages.page(
            "desk/service.html",
            request[LANGUAGE],
            status=status,
            service=service,
            base=address_of(service.id),
            tabs=[
                (address_of(service.id), tell.say("now")),
                (address_of(service.id) + "/history", tell.say("history")),
            ],
            kind=tell.say(f"kind.{service.kind}"),
            area=tell.area(service),
            sections=[(heading, tell.say(heading), said) for heading, said in words],
            remarks=tell.remarks(service, directory, due=may_confirm(service) and is_due(service, now), at=now),
            now_said=tell.now(service.hours, service.country, now),
            preview=tell.preview(service.hours, service.country, now),
            room=tell.room(directory.capacity_of(service.id), now),
            usual_words="" if service.say_first else directory.say_first(service, request[LANGUAGE]),
            certified=directory.is_certified(service),
            organisation=directory.organisation_of(service),
            proposals=[waiting_row(each, tell, service.revision) for each in waiting],
            changed=_changed_said(tell, past),
            gone=service.status in GONE,
            fallback=is_fallback(directory, service.id),
            may_change=Role.COORDINATOR in staff.roles,
            may_confirm=may_confirm(service),
            undo=service.revision if undo == str(service.revision) and service.revision > 1 else 0,
            told=self._room.told(request),
            refused=refused,
            typed=typed or {},
            **await self._door.frame(request),
        )

    async def history(self, request: web.Request) -> web.StreamResponse:
        """Every revision: who, when, and what it changed."""
        staff = self._room.reader(request)
        async with self._house.db.read() as conn:
            service = await self._room.service(request, conn)
            past = await store.wordings(conn, service.id)
            decided = await proposal_store.proposals_of(conn, service.id)
            tell = await self._room.tell(request, conn)
        made = {each.revision: each for each in decided if each.revision is not None}
        return self._door.pages.page(
            "desk/service_history.html",
            request[LANGUAGE],
            service=service,
            base=address_of(service.id),
            tabs=[
                (address_of(service.id), tell.say("now")),
                (address_of(service.id) + "/history", tell.say("history")),
            ],
            past=[
                {
                    "revision": wording.revision,
                    "who": history_line(tell, wording, made.get(wording.revision)),
                    "word": made[wording.revision].word if wording.revision in made else "",
                    "note": made[wording.revision].note if wording.revision in made else "",
                    "changed": tell.differences(before.plain, wording.plain, wording.country) if before else None,
                    "standing": wording.revision == service.revision,
                }
                for wording, before in _with_before(past)
            ],
            others=[decided_row(each, tell) for each in decided if each.state not in _SHOWN_ELSEWHERE],
            may_change=Role.COORDINATOR in staff.roles,
            **await self._door.frame(request),
        )

    # --- bringing back, taking out ------------------------------------------------------------------------------------

    async def restore(self, request: web.Request) -> web.StreamResponse:
        """Have an earlier revision hold again, as a change like any other; or undo what was just saved."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        number, seen = _number(form.get("revision")), _number(form.get("seen"))
        library = self._house.library
        async with self._house.db.read() as conn:
            service = await self._room.service(request, conn)
            wordings = await store.wordings(conn, service.id)
        wording = next((each for each in wordings if each.revision == number), None)
        if wording is None:
            raise Refused(404, "error.not_found")
        try:
            past = store.read_wording(wording, library.directory, library.gazetteer)
        except ContentError as error:
            reason = self._door.say(request, "desk.directory.no.other", reason=error.sentence)
            return await self._page(request, refused=reason, status=409)
        if seen and seen != service.revision:
            # Of two clicks the second finds it done; somebody else's change is not undone by the way.
            same = as_plain(past) == as_plain(service)
            return see_other(address_of(service.id, "undone" if same else "decided"))
        try:
            brought = await self._room.bring(replace(past, revision=service.revision), staff)
        except ChangedMeanwhile:
            return see_other(address_of(service.id, "decided"))
        undone = isinstance(brought, proposal_store.Saved) and brought.changed and form.get("undo")
        return see_other(address_of(service.id, "undone") if undone else after(brought, service.id))

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Propose that nobody is sent there any more."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        typed = {name: str(value) for name, value in form.items()}
        async with self._house.db.read() as conn:
            service = await self._room.service(request, conn)
        status = typed.get("status", "")
        bring_back = status == ServiceStatus.ACTIVE.value
        if status not in {*(each.value for each in GONE), ServiceStatus.ACTIVE.value}:
            raise Refused(400, "error.bad_request")
        if not bring_back and is_fallback(self._house.library.directory, service.id):
            country = self._door.say(request, f"country.{service.country}")
            said = self._door.say(request, "desk.directory.withdraw.fallback", country=country)
            return await self._page(request, refused=said, typed=typed, status=409)
        note = self._room.note(request, form)
        if not note and not bring_back:
            said = self._door.say(request, "desk.directory.no.word")
            return await self._page(request, refused=said, typed=typed, status=422)
        try:
            brought = await self._room.bring(replace(service, status=ServiceStatus(status)), staff, note=note)
        except ChangedMeanwhile:
            return see_other(address_of(service.id, "decided"))
        return see_other(after(brought, service.id))


_SHOWN_ELSEWHERE: Final = frozenset({ProposalState.APPROVED, ProposalState.OPEN})


async def _waiting(conn: AsyncConnection, staff: Staff, now: datetime) -> int:
    """Changes that wait for this coordinator: those of others."""
    if Role.COORDINATOR not in staff.roles:
        return 0
    mine = actor_of(staff)
    return await proposal_store.waiting_for(conn, mine) + await waiting_store.waiting_for(conn, mine)


def tabs_of(tell: ServiceTelling, staff: Staff) -> list[tuple[str, str]]:
    """The parts of the directory, as far as this reader has them."""
    tabs = [(HERE, tell.tell.say("desk.directory")), (HERE + "/organisations", tell.say("organisations"))]
    if Role.COORDINATOR in staff.roles:
        tabs += [(HERE + "/fallbacks", tell.say("fallbacks")), (HERE + "/waits", tell.say("waits"))]
    return tabs


def waiting_row(proposal: Proposal, tell: ServiceTelling, present: int) -> Mapping[str, Any]:
    """An open proposal in a list."""
    return {
        "address": f"{HERE}/proposals/{proposal.id}",
        "name": tell.name_of(proposal),
        "new": proposal.is_new,
        "by": tell.say("proposal.by", name=tell.who(proposal.made_by), time=tell.tell.moment(proposal.made_at)),
        "note": proposal.note,
        "moved": moved(proposal, present),
    }


def decided_row(proposal: Proposal, tell: ServiceTelling) -> Mapping[str, Any]:
    """What became of a proposal, in a list."""
    return {
        "address": f"{HERE}/proposals/{proposal.id}",
        "by": tell.say("proposal.by", name=tell.who(proposal.made_by), time=tell.tell.moment(proposal.made_at)),
        "decided": tell.say(
            "decided",
            state=tell.say(f"state.{proposal.state}"),
            name=tell.who(proposal.decided_by),
            time=tell.tell.moment(proposal.decided_at),
        ),
        "word": proposal.word,
    }


def history_line(tell: ServiceTelling, wording: Wording, proposal: Proposal | None) -> str:
    """Who made a revision, and who approved it."""
    at = tell.tell.moment(wording.changed_at)
    if proposal is not None:
        return tell.say("history.two", maker=tell.who(proposal.made_by), name=tell.who(proposal.decided_by), time=at)
    who = tell.say("shipped") if wording.changed_by == store.SHIPPED else tell.who(wording.changed_by)
    return tell.say("history.by", name=who, time=at)


def _changed_said(tell: ServiceTelling, past: Sequence[Wording]) -> str:
    return history_line(tell, past[0], None) if past else ""


def _with_before(past: Sequence[Wording]) -> list[tuple[Wording, Wording | None]]:
    shown = past[:_MOST_WORDINGS]
    return [(wording, past[place + 1] if place + 1 < len(past) else None) for place, wording in enumerate(shown)]


def _wanted(query: Mapping[str, str]) -> Wanted:
    return Wanted(
        text=query.get("text", "")[:500],
        country=_one(Country, query.get("country", "")),
        kind=_one(ServiceKind, query.get("kind", "")),
        area=query.get("area", "")[:200],
        matter=_one(Matter, query.get("show", "")),
        page=_number(query.get("page")) or 1,
    )


def _one(members: type[E], value: str) -> E | None:
    try:
        return members(value)
    except ValueError:
        return None


def _number(typed: Any) -> int:
    return int(typed) if isinstance(typed, str) and typed.isdecimal() and len(typed) < 7 else 0
