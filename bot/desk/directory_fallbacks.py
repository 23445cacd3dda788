"""The services that are always shown, and putting another in the place of one of them.

Nobody may be left without a way: a service of these is not withdrawn before another stands in its place, and what
stands there is open to everybody and has a number. Since it is in every answer, a second person looks at it first
(`directory_waiting.py`).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bot.desk.directory_room import HERE, DirectoryRoom, actor_of
from bot.desk.door import DeskDoor
from helpline.messages import Country
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from routing.directory import Fallback
from routing.places import fold
from routing.upkeep import fallback_store, waiting_store
from routing.upkeep.fallback_store import Unfit
from routing.upkeep.waiting_store import About

_ALL: Final = HERE + "/fallbacks"
_BODY: Final = 16 * KILOBYTE


class FallbackDesk:
    """The routes, for coordinators."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The one address."""
        return [
            Route("GET", _ALL, self.show, Access.STAFF),
            Route("POST", _ALL, self.put, Access.STAFF, _BODY),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What is always shown, by country."""
        return await self._page(request)

    async def _page(self, request: web.Request, *, refused: str = "", status: int = 200) -> web.Response:
        self._room.coordinator(request)
        directory = self._house.library.directory
        async with self._house.db.read() as conn:
            waiting = await waiting_store.open_changes(conn, About.FALLBACK)
        return self._door.pages.page(
            "desk/directory_fallbacks.html",
            request[LANGUAGE],
            status=status,
            countries=[
                {
                    "country": self._door.say(request, f"country.{country}"),
                    "lists": [
                        (part, [directory.get(service_id) for service_id in ids])
                        for part, ids in (("everyone", fallback.everyone), ("minor", fallback.minor))
                        if ids
                    ],
                    "fit": self._fit(country, fallback),
                }
                for country, fallback in directory.fallbacks.items()
            ],
            waits=bool(waiting),
            refused=refused,
            told=self._room.told(request),
            **await self._door.frame(request),
        )

    def _fit(self, country: Country, fallback: Fallback) -> list[tuple[str, str]]:
        services = self._house.library.directory.of(country)
        fit = [service for service in services if fallback_store.is_fit(service, fallback, country)]
        return [(service.id, service.name) for service in sorted(fit, key=lambda each: fold(each.name))]

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Propose to put a service in the place of another; a second press finds it proposed."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        directory = self._house.library.directory
        instead_of, wanted = str(form.get("instead_of", "")), directory.find(str(form.get("service", "")))
        old = directory.find(instead_of)
        if old is None:
            raise Refused(404, "error.not_found")
        fallback = directory.fallbacks[old.country]
        there = {*fallback.everyone, *fallback.minor}
        if wanted is not None and wanted.id in there and old.id not in there:
            return see_other(f"{_ALL}?told=same")
        try:
            if wanted is None:
                raise Unfit(instead_of)
            async with self._house.db.write() as conn:
                now = self._house.clock.now()
                await waiting_store.propose_fallback(conn, old.id, wanted.id, directory, by=actor_of(staff), now=now)
        except Unfit:
            said = self._door.say(request, "desk.directory.fallbacks.unfit")
            return await self._page(request, refused=said, status=422)
        return see_other(f"{_ALL}?told=proposed")
