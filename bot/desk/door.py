"""What all pages of the desk share: who may come in, the form's token, and what stands around every page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.cases import Wording
from bot.house import House
from bot.render import Pages
from bot.waiting_room import WaitingRoom
from bot.webchat import LANGUAGES
from escalation import store as escalations
from helpline import accounts
from helpline.accounts import AT_THE_LINE, Role, Staff
from helpline.live import Streams
from helpline.sessions import Sessions, csrf_holds, csrf_of, staff_of
from helpline.web import LANGUAGE, Access, Refused, Route

EVERYBODY: Final = AT_THE_LINE  # a provider is not one of us: their rooms say so by name
# The rooms of the desk in the order of the menu: who may enter, the phrase of its name, its address.
NAVIGATION: Final[tuple[tuple[frozenset[Role], str, str], ...]] = (
    (frozenset({Role.ADVISOR}), "desk.title", "/desk/"),
    (frozenset({Role.COORDINATOR}), "desk.overview", "/desk/overview"),
    (frozenset({Role.ADVISOR, Role.COORDINATOR}), "desk.referrals", "/desk/referrals"),
    (frozenset({Role.ADVISOR, Role.COORDINATOR}), "desk.rota", "/desk/rota"),
    (EVERYBODY, "desk.articles", "/desk/articles"),
    (
        frozenset({Role.ADVISOR, Role.EDITOR, Role.REVIEWER, Role.COORDINATOR}),
        "desk.directory",
        "/desk/directory",
    ),
    (frozenset({Role.EDITOR, Role.REVIEWER}), "desk.drafts", "/desk/drafts"),
    (frozenset({Role.EDITOR, Role.REVIEWER, Role.ADVISOR}), "desk.try", "/desk/try"),
    (frozenset({Role.EDITOR, Role.REVIEWER}), "desk.questions", "/desk/questions"),
    (frozenset({Role.EDITOR, Role.REVIEWER}), "desk.gaps", "/desk/gaps"),
    (frozenset({Role.EDITOR, Role.REVIEWER}), "desk.due", "/desk/due"),
    (frozenset({Role.EDITOR, Role.REVIEWER}), "desk.laws", "/desk/laws"),
    (frozenset({Role.COORDINATOR, Role.ANALYST}), "desk.outcomes", "/desk/outcomes"),
    (frozenset({Role.COORDINATOR}), "desk.ladders", "/desk/ladders"),
    (frozenset({Role.COORDINATOR}), "desk.confirming", "/desk/confirming"),
    (frozenset({Role.COORDINATOR}), "desk.providers", "/desk/providers"),
    (frozenset({Role.ADMINISTRATOR}), "desk.staff", "/desk/staff"),
    (frozenset({Role.ADMINISTRATOR, Role.COORDINATOR}), "desk.records", "/desk/records"),
    (frozenset({Role.PROVIDER}), "desk.provider", "/desk/provider"),
)
# All that a provider may ask for: its own certification, its own way in, the language, and out.
_FOR_PROVIDERS = re.compile(
    r"/desk/?|/desk/\{rest:\.\*\}|/desk/provider(/.*)?|/desk/account(?!/tokens)(/.*)?|/desk/(language|sign-out)"
)
_CASE = re.compile(r"/desk/[0-9a-f]{16}(/.*)?")
_HERE = re.compile(r"/desk/(?:[\w.-]+(?:/[\w.-]+)*/?)?(?:\?[\w.=&%+-]*)?", re.ASCII)

# How many things wait in a room for this member of staff, to be shown beside its name.
Count = Callable[[AsyncConnection, Staff, datetime], Awaitable[int]]


@dataclass(frozen=True)
class Room:
    """One entry of the menu."""

    address: str
    name: str
    current: str  # "page" for the room's own page, "true" for one inside it, else nothing
    count: int


def own_address(address: str) -> str:
    """The address, where it is one of the desk's; else the desk. For going back to where a form was."""
    return address if _HERE.fullmatch(address) else "/desk/"


class DeskDoor:
    """The way in to every page of the desk."""

    def __init__(self, house: House, room: WaitingRoom, pages: Pages) -> None:
        self.house = house
        self.room = room
        self.pages = pages
        self.secure = (house.settings.public_url or "").startswith("https:")
        self.sessions = Sessions(house.db, house.clock, secure=self.secure)
        self.streams = Streams()
        self.counts: dict[str, Count] = {}  # by the address of the room

    def rooms_of(self, staff: Staff) -> list[tuple[str, str]]:
        """The rooms that somebody may enter: phrase and address."""
        return [(phrase, address) for roles, phrase, address in NAVIGATION if staff.roles & roles]

    def without_providers(self, routes: Iterable[Route]) -> list[Route]:
        """The routes of staff, each of which is not there for a provider unless it is one of the few that are."""
        return [self._without_provider(route) for route in routes]

    def _without_provider(self, route: Route) -> Route:
        if route.access is not Access.STAFF or _FOR_PROVIDERS.fullmatch(route.path):
            return route

        async def handle(request: web.Request) -> web.StreamResponse:
            if Role.PROVIDER in staff_of(request).roles:
                raise Refused(404, "error.not_found")
            return await route.handler(request)

        return replace(route, handler=handle)

    def advisor(self, request: web.Request) -> Staff:
        """Who is asking, if they answer clinicians; for everybody else these pages are not there."""
        return self.member(request, Role.ADVISOR)

    def member(self, request: web.Request, *roles: Role) -> Staff:
        """Who is asking, if they have one of these roles; for everybody else the page is not there."""
        staff = staff_of(request)
        if not staff.roles & set(roles):
            raise Refused(404, "error.not_found")
        return staff

    async def form(self, request: web.Request) -> Any:
        """The form, from a page of this session."""
        form = await request.post()
        if not csrf_holds(request, form):
            raise Refused(403, "error.stale_form")
        return form

    def say(self, request: web.Request, key: str, **values: object) -> str:
        """A phrase in the language of whoever asks."""
        return self.house.phrases.say(key, request[LANGUAGE], **values)

    def wording(self, request: web.Request) -> Wording:
        """Cases in the words of whoever asks."""
        return Wording(self.house.phrases, request[LANGUAGE], staff_of(request), self.house.clock.now())

    async def frame(self, request: web.Request) -> dict[str, Any]:
        """What stands around every page."""
        staff = staff_of(request)
        rooms = self.rooms_of(staff)
        inside = _room_of(request.path, [address for _, address in rooms])
        async with self.house.db.read() as conn:
            policy = await escalations.policy(conn)
            counts = {
                address: await self.counts[address](conn, staff, self.house.clock.now())
                for _, address in rooms
                if address in self.counts
            }
        return {
            "staff": staff,
            "rooms": [
                Room(
                    address,
                    self.say(request, phrase),
                    "" if address != inside else "page" if request.path == address else "true",
                    counts.get(address, 0),
                )
                for phrase, address in rooms
            ],
            "languages": LANGUAGES,
            "here": request.path_qs,
            "starter": policy.starter,
            "csrf": csrf_of(request),
        }


async def names_of(conn: AsyncConnection) -> dict[str, str]:
    """Everybody's name, also of those who have left."""
    return {staff.id: staff.name for staff in await accounts.list_staff(conn, active_only=False)}


def _room_of(path: str, addresses: list[str]) -> str:
    """Which of these rooms a page belongs to."""
    within = [address for address in addresses if path == address or path.startswith(address.rstrip("/") + "/")]
    within = [address for address in within if address != "/desk/" or path == "/desk/" or _CASE.fullmatch(path)]
    return max(within, key=len, default="")
