"""Telling what a service said of its room, from its own page: for a coordinator, and for an advisor who called."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.referral_sheet import capacity_in
from bot.library import TOPIC as LIBRARY
from helpline.accounts import Role
from helpline.storage import wake
from helpline.web import Access, Refused, Route, see_other
from routing import capacity_store

_SERVICE: Final = "/desk/directory/{service:[a-z0-9-]{1,100}}"


class RoomDesk:
    """The one route."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The form's address; loaded anew, it is the service."""
        return [
            Route("GET", _SERVICE + "/room", self.back, Access.STAFF),
            Route("POST", _SERVICE + "/room", self.tell, Access.STAFF),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """The service itself."""
        return see_other(f"/desk/directory/{request.match_info['service']}")

    async def tell(self, request: web.Request) -> web.StreamResponse:
        """Note how many places are free, that it is full, or that one must ask each time; the page shows it at once."""
        staff = self._door.member(request, Role.ADVISOR, Role.COORDINATOR)
        form = await self._door.form(request)
        service_id, now = request.match_info["service"], self._house.clock.now()
        if self._house.library.directory.find(service_id) is None:
            raise Refused(404, "error.not_found")
        told = capacity_in(service_id, str(form.get("room", "")), str(form.get("free", "")), now)
        if told is None:
            raise Refused(422, "desk.room.no.number")
        async with self._house.db.write() as conn:
            await capacity_store.tell(conn, told, actor=f"staff:{staff.id}", now=now)
            wake(conn, LIBRARY)
        await self._house.library.refresh(self._house.db)
        return see_other(f"/desk/directory/{service_id}#s-room")
