"""Deciding changes that concern more than one service: an organisation's numbers, and what is always shown.

They stand in the same list as proposals about services (`directory_proposals.py`), with the same rule: whoever
proposed one does not approve it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.directory_organisations import changed, shape_of
from bot.desk.directory_room import HERE, DirectoryRoom, actor_of
from bot.desk.directory_telling import ServiceTelling
from bot.desk.door import DeskDoor
from helpline.accounts import Staff
from helpline.content import ContentError
from helpline.web import KILOBYTE, Access, Refused, Route, see_other
from routing import store
from routing.organisations import Organisation, Unclear
from routing.store import ChangedMeanwhile
from routing.upkeep import waiting_store
from routing.upkeep.fallback_store import Unfit
from routing.upkeep.proposal_store import NoProposal, SamePerson
from routing.upkeep.waiting_store import About, Over, Waiting

_ONE: Final = HERE + "/changes/{number:[0-9]{1,15}}"
_BODY: Final = 16 * KILOBYTE
_WAITS: Final = HERE + "/waits"
_DOES: Final = {"approve": "approved", "turn_down": "turned_down", "take_back": "taken_back"}


class WaitingDesk:
    """The route by which one is decided."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The one address, for coordinators."""
        return [Route("POST", _ONE, self.decide, Access.STAFF, _BODY)]

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """Yes or no, or taken back; a second press finds it decided."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        do = str(form.get("do", ""))
        if do not in _DOES:
            raise Refused(400, "error.bad_request")
        try:
            async with self._house.db.write() as conn:
                await self._carry_out(conn, do, int(request.match_info["number"]), staff)
        except (Over, SamePerson):
            return see_other(f"{_WAITS}?told=decided")
        except NoProposal as error:
            raise Refused(404, "error.not_found") from error
        except (ChangedMeanwhile, Unclear, Unfit, ContentError):
            return see_other(f"{_WAITS}?told=overtaken")
        if do == "approve":
            await self._room.refresh()
        return see_other(f"{_WAITS}?told={_DOES[do]}")

    async def _carry_out(self, conn: AsyncConnection, do: str, number: int, staff: Staff) -> None:
        by, now = actor_of(staff), self._house.clock.now()
        if do == "approve":
            await waiting_store.approve(conn, number, self._house.library.directory, by=by, now=now)
        elif do == "turn_down":
            await waiting_store.turn_down(conn, number, by=by, now=now)
        else:
            await waiting_store.take_back(conn, number, by=by, now=now)


async def rows_of(
    conn: AsyncConnection, room: DirectoryRoom, tell: ServiceTelling, staff: Staff
) -> list[Mapping[str, Any]]:
    """What waits, as the list shows it."""
    known = {each.id: each for each in await store.all_organisations(conn)}
    return [_row(each, known, room, tell, staff) for each in await waiting_store.open_changes(conn)]


def _row(
    waiting: Waiting, known: Mapping[str, Organisation], room: DirectoryRoom, tell: ServiceTelling, staff: Staff
) -> Mapping[str, Any]:
    directory = room.house.library.directory
    own = waiting.made_by == actor_of(staff)
    row = {
        "address": f"{HERE}/changes/{waiting.id}",
        "by": tell.say("proposal.by", name=tell.who(waiting.made_by), time=tell.tell.moment(waiting.made_at)),
        "own": own,
    }
    if waiting.about is About.FALLBACK:
        old, new = directory.find(waiting.subject_id), directory.find(waiting.service_id)
        names = [each.name if each is not None else tell.say("not_said") for each in (new, old)]
        name = tell.say("waiting.fallback", new=names[0], old=names[1])
        return {**row, "name": name, "about": f"{HERE}/fallbacks", "changed": []}
    before = known.get(waiting.subject_id)
    try:
        wanted = waiting.organisation()
    except ContentError:
        wanted = None
    nothing = dict.fromkeys(shape_of(wanted), "") if wanted is not None else {}
    differs = changed(shape_of(before) if before is not None else nothing, shape_of(wanted), tell) if wanted else []
    return {
        **row,
        "name": wanted.name if wanted is not None else tell.say("not_said"),
        "about": f"{HERE}/organisations/{waiting.subject_id}",
        "changed": differs,
    }
