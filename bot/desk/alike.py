"""Services that may be one and the same, beside each other, until somebody says that they are two or takes one out."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from bot.desk.confirming import HERE as CONFIRMING
from bot.desk.confirming import tabs
from bot.desk.directory_room import DirectoryRoom
from bot.desk.directory_telling import Said, ServiceTelling
from bot.desk.door import DeskDoor
from helpline.accounts import Role
from helpline.web import LANGUAGE, Access, Refused, Route, see_other
from routing.directory import Directory
from routing.services import Service
from routing.upkeep import confirming_store, likeness
from routing.upkeep.likeness import Pair
from routing.upkeep.service_form import as_plain

HERE: Final = CONFIRMING + "/alike"
_SHOWN: Final = 40
_SIDES: Final = ("organisation", "phones", "email", "url", "area", "hours", "note")


class AlikeDesk:
    """The routes, for coordinators."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room
        self._found: tuple[Directory, tuple[Pair, ...]] | None = None

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("GET", HERE, self.show, Access.STAFF),
            Route("POST", HERE, self.part, Access.STAFF),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The pairs, the likeliest first."""
        self._door.member(request, Role.COORDINATOR)
        async with self._house.db.read() as conn:
            apart = await confirming_store.apart(conn)
            tell = await self._room.tell(request, conn)
        pairs = [pair for pair in await self._pairs() if pair.key not in apart]
        shown = [
            (
                pair,
                [self._door.say(request, f"alike.because.{each.value}") for each in pair.because],
                [(service, _sides(tell, service)) for service in (pair.one, pair.other)],
            )
            for pair in pairs[:_SHOWN]
        ]
        return self._door.pages.page(
            "desk/alike.html",
            request[LANGUAGE],
            **await self._door.frame(request),
            pairs=shown,
            count=len(pairs),
            tabs=tabs(self._door, request),
            open_tab=HERE,
            notice="alike.told" if request.query.get("told") == "apart" else "",
        )

    async def part(self, request: web.Request) -> web.StreamResponse:
        """Remember that two are two."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        known = {service.id for service in self._house.library.directory.services}
        one, other = str(form.get("one", "")), str(form.get("other", ""))
        if one == other or not {one, other} <= known:
            raise Refused(404, "error.not_found")
        async with self._house.db.write() as conn:
            now = self._house.clock.now()
            await confirming_store.not_the_same(conn, one, other, by=f"staff:{staff.id}", now=now)
        return see_other(f"{HERE}?told=apart")

    async def _pairs(self) -> tuple[Pair, ...]:
        """All pairs of the directory as it is loaded, worked out once for it."""
        directory = self._house.library.directory
        if self._found is None or self._found[0] is not directory:
            self._found = (directory, await asyncio.to_thread(likeness.pairs, directory.services))
        return self._found[1]


def _sides(tell: ServiceTelling, service: Service) -> list[Said]:
    """What of a service helps to see whether it is the other."""
    plain = as_plain(service)
    said = [Said(name, tell.field(name), tuple(tell.lines(name, plain, service.country))) for name in _SIDES]
    return [each for each in said if each.lines]
