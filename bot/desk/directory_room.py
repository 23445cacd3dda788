"""What the pages of the directory share: who may come in, the words, and the one way by which a change is brought."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.desk.directory_search import Finder
from bot.desk.directory_sheet import Known
from bot.desk.directory_telling import ServiceTelling
from bot.desk.door import DeskDoor
from bot.desk.telling import telling
from helpline.accounts import Role, Staff
from helpline.messages import Country
from helpline.web import LANGUAGE, Refused
from routing import store
from routing.certification.catalogue import Catalogue
from routing.services import Service, ServiceKind
from routing.upkeep import proposal_store
from routing.upkeep.proposal_store import Proposal, Proposed, Saved

HERE: Final = "/desk/directory"
ONE: Final = HERE + "/{id:[a-z0-9]+(?:-[a-z0-9]+)*}"
READERS: Final = (Role.ADVISOR, Role.EDITOR, Role.REVIEWER, Role.COORDINATOR)
TOLD: Final = frozenset(
    {"saved", "same", "proposed", "approved", "turned_down", "taken_back", "undone", "decided", "first", "overtaken"}
)


class DirectoryRoom:
    """The directory, for those of its pages that ask for the same."""

    def __init__(self, door: DeskDoor) -> None:
        self.door = door
        self.house = door.house
        self.catalogue = Catalogue.load(door.house.content)
        self._finder: Finder | None = None

    def reader(self, request: web.Request) -> Staff:
        """Who is asking, if they may read the directory."""
        return self.door.member(request, *READERS)

    def coordinator(self, request: web.Request) -> Staff:
        """Who is asking, if they may change it."""
        return self.door.member(request, Role.COORDINATOR)

    def known(self, country: Country) -> Known:
        """What a form of this country is read against."""
        library = self.house.library
        return Known(country, library.gazetteer, library.directory.needs)

    async def tell(self, request: web.Request, conn: AsyncConnection) -> ServiceTelling:
        """The words of whoever asks."""
        library = self.house.library
        words = await telling(self.door, request, conn)
        return ServiceTelling(words, request[LANGUAGE], library.gazetteer, library.directory.needs, self.catalogue)

    async def finder(self) -> Finder:
        """What is searched; made anew where the directory is another one."""
        directory = self.house.library.directory
        if self._finder is None or self._finder.directory is not directory:
            phrases = self.house.phrases.texts
            kinds = {kind: " ".join(phrases[f"desk.directory.kind.{kind}"].values()) for kind in ServiceKind}
            gazetteer = self.house.library.gazetteer
            self._finder = await asyncio.to_thread(Finder, directory, gazetteer, kinds, self._finder)
        return self._finder

    async def service(self, request: web.Request, conn: AsyncConnection) -> Service:
        """The service that the address names, as it stands in the database."""
        library = self.house.library
        found = await store.find_service(conn, request.match_info["id"], library.directory, library.gazetteer)
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    def note(self, request: web.Request, form: Mapping[str, Any], name: str = "note") -> str:
        """What somebody wrote for a colleague, without whatever points at a person."""
        written = " ".join(str(form.get(name, "")).split())[: proposal_store.LONGEST_WORD]
        return self.house.masker.mask(written, request[LANGUAGE]).text if written else ""

    async def refresh(self) -> None:
        """Take in at once what was changed here; the other processes are rung."""
        await self.house.library.refresh(self.house.db)

    async def bring(self, service: Service, staff: Staff, *, note: str = "") -> Saved | Proposed:
        """Bring a change in: it holds at once, or waits for a second person."""
        async with self.house.db.write() as conn:
            brought = await proposal_store.submit(
                conn, service, by=actor_of(staff), now=self.house.clock.now(), note=note
            )
        if isinstance(brought, Saved):
            await self.refresh()
        return brought

    def told(self, request: web.Request) -> str:
        """What a page tells of what was just done."""
        told = request.query.get("told", "")
        return self.door.say(request, f"desk.directory.told.{told}") if told in TOLD - {"first"} else ""


def actor_of(staff: Staff) -> str:
    """How the trail names somebody."""
    return f"staff:{staff.id}"


def address_of(service_id: str, told: str = "", **query: object) -> str:
    """A service's page."""
    asked = "&".join(f"{name}={value}" for name, value in {**({"told": told} if told else {}), **query}.items())
    return f"{HERE}/{service_id}" + (f"?{asked}" if asked else "")


def after(brought: Saved | Proposed, service_id: str) -> str:
    """Where one is led after a change was brought in."""
    if isinstance(brought, Proposed):
        return f"{HERE}/proposals/{brought.proposal.id}?told=proposed"
    if not brought.changed:
        return address_of(service_id, "same")
    return address_of(service_id, "saved", undo=brought.service.revision)


def moved(proposal: Proposal, present: int) -> bool:
    """Whether the service is another one than the proposal was made upon."""
    return proposal.is_open and proposal.base_revision != present
