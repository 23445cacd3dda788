"""What all pages of the desk share: who may come in, the form's token, and what stands around every page."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.cases import Wording
from bot.house import House
from bot.render import Pages
from bot.waiting_room import WaitingRoom
from bot.webchat import LANGUAGES
from escalation import store as escalations
from helpline import accounts
from helpline.accounts import Role, Staff
from helpline.live import Streams
from helpline.sessions import Sessions, csrf_holds, csrf_of, staff_of
from helpline.web import LANGUAGE, Refused


class DeskDoor:
    """The way in to every page of the desk."""

    def __init__(self, house: House, room: WaitingRoom, pages: Pages) -> None:
        self.house = house
        self.room = room
        self.pages = pages
        self.secure = (house.settings.public_url or "").startswith("https:")
        self.sessions = Sessions(house.db, house.clock, secure=self.secure)
        self.streams = Streams()

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
        async with self.house.db.read() as conn:
            policy = await escalations.policy(conn)
        return {
            "staff": staff_of(request),
            "languages": LANGUAGES,
            "here": request.path,
            "starter": policy.starter,
            "csrf": csrf_of(request),
        }


async def names_of(conn: AsyncConnection) -> dict[str, str]:
    """Everybody's name, also of those who have left."""
    return {staff.id: staff.name for staff in await accounts.list_staff(conn, active_only=False)}
