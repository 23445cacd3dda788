"""Changes of the directory that wait for a second person: seen with what they change, approved, turned down, rebased.

Whoever proposed a change takes it back or puts it upon what is newer; somebody else says yes or no. A proposal whose
service has moved on is shown as that, and nothing is overwritten by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk import directory_waiting
from bot.desk.directory_room import HERE, DirectoryRoom, actor_of, address_of, after, moved
from bot.desk.directory_telling import GONE, ServiceTelling, is_fallback
from bot.desk.door import DeskDoor
from helpline.accounts import Role, Staff
from helpline.content import ContentError, node_of
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from routing import store
from routing.services import Service
from routing.store import ChangedMeanwhile
from routing.upkeep import changes, proposal_store
from routing.upkeep.changes import Rebased
from routing.upkeep.proposal_store import AlreadyDecided, BaseMoved, NoProposal, Proposal, SamePerson
from routing.upkeep.service_form import read_service

_ONE: Final = HERE + "/proposals/{number:[0-9]{1,15}}"
_BODY: Final = 64 * KILOBYTE
_MOST_SHOWN: Final = 300


class ProposalDesk:
    """The routes of proposals."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses, for coordinators; a proposal is read by whoever reads the service."""
        staff = Access.STAFF
        return [
            Route("GET", HERE + "/waits", self.waits, staff),
            Route("GET", _ONE, self.show, staff),
            Route("POST", _ONE, self.decide, staff, _BODY),
            Route("GET", _ONE + "/rebase", self.ask_rebase, staff),
            Route("POST", _ONE + "/rebase", self.rebase, staff, _BODY),
        ]

    # --- what waits ---------------------------------------------------------------------------------------------------

    async def waits(self, request: web.Request) -> web.StreamResponse:
        """What others proposed, with the difference, and what I proposed myself."""
        staff = self._room.coordinator(request)
        async with self._house.db.read() as conn:
            tell = await self._room.tell(request, conn)
            found = (await proposal_store.open_proposals(conn))[:_MOST_SHOWN]
            rows = [(each, await self._row(conn, each, tell)) for each in found]
            others = await directory_waiting.rows_of(conn, self._room, tell, staff)
        mine = actor_of(staff)
        return self._door.pages.page(
            "desk/directory_waits.html",
            request[LANGUAGE],
            for_you=[row for each, row in rows if each.made_by != mine],
            yours=[row for each, row in rows if each.made_by == mine],
            changes_for_you=[row for row in others if not row["own"]],
            changes_of_yours=[row for row in others if row["own"]],
            told=self._room.told(request),
            **await self._door.frame(request),
        )

    async def _row(self, conn: AsyncConnection, proposal: Proposal, tell: ServiceTelling) -> Mapping[str, Any]:
        present = await self._present(conn, proposal)
        base = await self._base(conn, proposal)
        return {
            "address": f"{HERE}/proposals/{proposal.id}",
            "name": tell.name_of(proposal),
            "service": address_of(proposal.service_id) if not proposal.is_new else "",
            "new": proposal.is_new,
            "by": tell.say("proposal.by", name=tell.who(proposal.made_by), time=tell.tell.moment(proposal.made_at)),
            "why": tell.say("proposal.why", what=tell.because(changes.guarded_in(base, proposal.plain))),
            "note": proposal.note,
            "changed": tell.differences(base, proposal.plain, proposal.country),
            "moved": moved(proposal, present),
        }

    async def _present(self, conn: AsyncConnection, proposal: Proposal) -> int:
        return await proposal_store.present_revision(conn, proposal.service_id)

    async def _base(self, conn: AsyncConnection, proposal: Proposal) -> Mapping[str, Any] | None:
        """The service as it was when the change was made; None where it was not there."""
        past = await store.wordings(conn, proposal.service_id) if not proposal.is_new else ()
        return next((each.plain for each in past if each.revision == proposal.base_revision), None)

    # --- one proposal -------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What would change, why two look at it, and what this reader may do."""
        return await self._page(request)

    async def _page(
        self,
        request: web.Request,
        *,
        refused: str = "",
        errors: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> web.Response:
        staff = self._room.reader(request)
        async with self._house.db.read() as conn:
            proposal = await self._proposal(conn, request)
            tell = await self._room.tell(request, conn)
            row = await self._row(conn, proposal, tell)
            broken = self._broken(proposal)
        coordinator, own = Role.COORDINATOR in staff.roles, proposal.made_by == actor_of(staff)
        linked = not own and proposal.is_from(actor_of(staff))
        decided = (
            ""
            if proposal.is_open
            else tell.say(
                "decided",
                state=tell.say(f"state.{proposal.state}"),
                name=tell.who(proposal.decided_by),
                time=tell.tell.moment(proposal.decided_at),
            )
        )
        told = request.query.get("told", "")
        first = told == "first" and proposal.decided_by not in (None, actor_of(staff))
        return self._door.pages.page(
            "desk/service_proposal.html",
            request[LANGUAGE],
            status=status,
            proposal=proposal,
            row=row,
            address=row["address"],
            preview=self._preview(proposal, tell),
            decided=decided,
            word=proposal.word,
            broken=tell.say("proposal.broken", reason=broken) if broken and proposal.is_open else "",
            own="proposal.own"
            if own and proposal.is_open
            else "proposal.linked"
            if linked and proposal.is_open
            else "",
            may={
                "approve": coordinator
                and proposal.is_open
                and not own
                and not linked
                and not row["moved"]
                and not broken,
                "turn_down": coordinator and proposal.is_open and not own,
                "take_back": own and proposal.is_open,
                "rebase": coordinator and row["moved"],
            },
            told=tell.say("told.first", name=tell.who(proposal.decided_by)) if first else self._room.told(request),
            refused=refused,
            errors=errors or {},
            typed=typed or {},
            **await self._door.frame(request),
        )

    def _broken(self, proposal: Proposal) -> str:
        """Why what was proposed can no longer be read; nothing where it can."""
        try:
            proposal_store.service_of(proposal, self._house.library.directory, self._house.library.gazetteer)
        except ContentError as error:
            return error.sentence
        return ""

    def _preview(self, proposal: Proposal, tell: ServiceTelling) -> list[str]:
        """How its hours would be read, where they are part of it."""
        library = self._house.library
        try:
            service = proposal_store.service_of(proposal, library.directory, library.gazetteer)
        except ContentError:
            return []
        return tell.preview(service.hours, service.country, self._house.clock.now()) if proposal.is_new else []

    async def _proposal(self, conn: AsyncConnection, request: web.Request) -> Proposal:
        found = await proposal_store.find(conn, int(request.match_info["number"]))
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """Yes or no, or taken back; a second press finds it decided."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        do, word = str(form.get("do", "")), self._room.note(request, form, "word")
        async with self._house.db.read() as conn:
            proposal = await self._proposal(conn, request)
        here = f"{HERE}/proposals/{proposal.id}"
        if do == "turn_down" and not word:
            errors = {"word": self._door.say(request, "desk.directory.no.word")}
            return await self._page(request, errors=errors, typed={"do": do}, status=422)
        if do == "approve" and self._ends_a_fallback(proposal):
            country = self._door.say(request, f"country.{proposal.country}")
            refused = self._door.say(request, "desk.directory.withdraw.fallback", country=country)
            return await self._page(request, refused=refused, status=409)
        try:
            async with self._house.db.write() as conn:
                await self._carry_out(conn, do, proposal, staff, word)
        except AlreadyDecided:
            return see_other(f"{here}?told=first")
        except BaseMoved:
            return see_other(here)
        except SamePerson:
            word = "own" if proposal.made_by == actor_of(staff) else "linked"
            refused = self._door.say(request, f"desk.directory.proposal.{word}")
            return await self._page(request, refused=refused, status=409)
        except NoProposal as error:
            raise Refused(404, "error.not_found") from error
        except ContentError as error:
            refused = self._door.say(request, "desk.directory.proposal.broken", reason=error.sentence)
            return await self._page(request, refused=refused, status=409)
        if do == "approve":
            await self._room.refresh()
            return see_other(address_of(proposal.service_id, "approved"))
        return see_other(f"{HERE}/waits?told={'turned_down' if do == 'turn_down' else 'taken_back'}")

    async def _carry_out(self, conn: AsyncConnection, do: str, proposal: Proposal, staff: Staff, word: str) -> None:
        now, by, library = self._house.clock.now(), actor_of(staff), self._house.library
        match do:
            case "approve":
                await proposal_store.approve(
                    conn,
                    proposal.id,
                    by=by,
                    now=now,
                    directory=library.directory,
                    gazetteer=library.gazetteer,
                    word=word,
                )
            case "turn_down":
                await proposal_store.turn_down(conn, proposal.id, by=by, now=now, word=word)
            case "take_back":
                await proposal_store.withdraw(conn, proposal.id, by=by, now=now)
            case _:
                raise Refused(400, "error.bad_request")

    def _ends_a_fallback(self, proposal: Proposal) -> bool:
        gone = proposal.plain.get("status") in {status.value for status in GONE}
        return gone and is_fallback(self._house.library.directory, proposal.service_id)

    # --- upon what is newer -------------------------------------------------------------------------------------------

    async def ask_rebase(self, request: web.Request) -> web.StreamResponse:
        """What was proposed and what stands now, side by side where both changed the same."""
        return await self._rebase_page(request)

    async def _rebase_page(
        self, request: web.Request, *, errors: Mapping[str, str] | None = None, refused: str = "", status: int = 200
    ) -> web.Response:
        self._room.coordinator(request)
        async with self._house.db.read() as conn:
            proposal = await self._proposal(conn, request)
            settled, present = await self._settled(conn, proposal)
            tell = await self._room.tell(request, conn)
        if not proposal.is_open:
            return see_other(f"{HERE}/proposals/{proposal.id}?told=decided")

        def said(field: str, value: Any) -> list[str]:
            return tell.lines(field, {field: value}, proposal.country, whole=False) or [tell.say("not_said")]

        return self._door.pages.page(
            "desk/service_rebase.html",
            request[LANGUAGE],
            status=status,
            proposal=proposal,
            service_name=tell.name_of(proposal),
            address=f"{HERE}/proposals/{proposal.id}",
            seen=present.revision if present is not None else 0,
            clashes=[
                {
                    "field": clash.field,
                    "name": tell.field(clash.field),
                    "mine": said(clash.field, clash.proposed),
                    "theirs": said(clash.field, clash.present),
                }
                for clash in settled.clashes
            ],
            taken=", ".join(tell.field(field) for field in settled.taken),
            errors=errors or {},
            refused=refused,
            **await self._door.frame(request),
        )

    async def _settled(self, conn: AsyncConnection, proposal: Proposal) -> tuple[Rebased, store.Wording | None]:
        past = await store.wordings(conn, proposal.service_id)
        base = next((each.plain for each in past if each.revision == proposal.base_revision), {})
        present = past[0] if past else None
        return changes.rebased(base, proposal.plain, present.plain if present is not None else {}), present

    async def rebase(self, request: web.Request) -> web.StreamResponse:
        """Propose it anew upon what stands now, with what was chosen where both had changed the same."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        async with self._house.db.read() as conn:
            proposal = await self._proposal(conn, request)
            settled, present = await self._settled(conn, proposal)
        choices = {clash.field: str(form.get(f"choose.{clash.field}", "")) for clash in settled.clashes}
        missing = [field for field, choice in choices.items() if choice not in ("mine", "theirs")]
        if missing:
            errors = dict.fromkeys(missing, self._door.say(request, "desk.edit.choose"))
            return await self._rebase_page(request, errors=errors, status=422)
        revision = present.revision if present is not None else 0
        if str(revision) != str(form.get("seen", "")):
            return see_other(f"{HERE}/proposals/{proposal.id}/rebase")
        plain = changes.chosen(settled, [field for field, choice in choices.items() if choice == "theirs"])
        try:
            service = replace(self._read(proposal, plain), revision=revision)
            async with self._house.db.write() as conn:
                brought = await proposal_store.replace_with(
                    conn,
                    proposal.id,
                    service,
                    by=actor_of(staff),
                    now=self._house.clock.now(),
                    note=proposal.note,
                )
        except ContentError as error:
            refused = self._door.say(request, "desk.directory.no.other", reason=error.sentence)
            return await self._rebase_page(request, refused=refused, status=409)
        except ChangedMeanwhile:
            return see_other(f"{HERE}/proposals/{proposal.id}/rebase")
        except AlreadyDecided:
            return see_other(f"{HERE}/proposals/{proposal.id}?told=first")
        await self._room.refresh()
        return see_other(after(brought, proposal.service_id))

    def _read(self, proposal: Proposal, plain: Mapping[str, Any]) -> Service:
        library = self._house.library
        return read_service(
            node_of(plain, file="proposal"), proposal.country, library.gazetteer, library.directory.needs
        )
