"""Which entries are due to be confirmed by the service itself, and the links by which it does so.

A link is shown once, to whoever made it, with words to send along. It is sent by the coordinator's own hand: by e-mail,
or read out. What has become of it stands in the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.telling import Telling, telling
from helpline.accounts import Role
from helpline.messages import Country, Language
from helpline.phrases import say_date
from helpline.web import LANGUAGE, Access, Refused, Route, see_other
from routing import store
from routing.services import Contact, Service
from routing.upkeep import confirming_store
from routing.upkeep.confirming_store import Link

HERE: Final = "/desk/confirming"
TABS: Final = ((HERE, "confirming.tab.due"), (HERE + "/alike", "alike.tab"), (HERE + "/import", "bulk.tab"))
_PAGE: Final = 25
_SHOWS: Final = ("due", "sent", "all")


@dataclass(frozen=True)
class Row:
    """One service of the list."""

    id: str
    name: str
    kind: str
    confirmed: str
    link: str
    open_link: bool
    contacts: tuple[str, ...]


class ConfirmingDesk:
    """The routes, for coordinators."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The addresses."""
        staff = Access.STAFF
        return [
            Route("GET", HERE, self.show, staff),
            Route("POST", HERE + "/link", self.make, staff),
            Route("GET", HERE + "/link", self.back, staff),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        self._door.member(request, Role.COORDINATOR)
        return see_other(HERE)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What is due, the longest unconfirmed first; or every service that somebody looks for."""
        self._door.member(request, Role.COORDINATOR)
        now = self._house.clock.now()
        query = request.query
        shown = query.get("show", "due") if query.get("show", "due") in _SHOWS else "due"
        find = query.get("find", "").strip()[:80]
        directory = self._house.library.directory
        async with self._house.db.read() as conn:
            links = await confirming_store.newest_links(conn)
            words = await telling(self._door, request, conn)
        services: Iterable[Service] = confirming_store.due(directory, now)
        if shown == "sent":
            services = (one for one in directory.services if one.id in links and links[one.id].is_open(now))
        elif shown == "all":
            services = (one for one in directory.services if confirming_store.may_confirm(one))
        if find:
            services = (one for one in services if _says(one, find))
        listed = list(services)
        pages = max(1, -(-len(listed) // _PAGE))
        asked = query.get("page", "1")
        page = min(pages, max(1, int(asked))) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
        rows = [
            self._row(one, links.get(one.id), words, request[LANGUAGE])
            for one in listed[(page - 1) * _PAGE : page * _PAGE]
        ]
        return self._door.pages.page(
            "desk/confirming.html",
            request[LANGUAGE],
            **await self._door.frame(request),
            rows=rows,
            count=len(listed),
            page=page,
            pages=pages,
            shown=shown,
            show_options=[(each, self._door.say(request, f"confirming.show.{each}")) for each in _SHOWS],
            find=find,
            tabs=tabs(self._door, request),
            open_tab=HERE,
            address=f"{HERE}?show={shown}&find={quote(find)}&",
        )

    async def make(self, request: web.Request) -> web.StreamResponse:
        """A new link for one service, shown this once; the links before it end."""
        staff = self._door.member(request, Role.COORDINATOR)
        form = await self._door.form(request)
        library, now = self._house.library, self._house.clock.now()
        async with self._house.db.write() as conn:
            service_id = str(form.get("service", ""))
            service = await store.find_service(conn, service_id, library.directory, library.gazetteer)
            if service is None or not confirming_store.may_confirm(service):
                raise Refused(404, "error.not_found")
            token = await confirming_store.make_link(conn, service.id, made_by=f"staff:{staff.id}", now=now)
            words = await telling(self._door, request, conn)
        public = self._house.settings.public_url or f"{request.scheme}://{request.host}"
        own = Language.SV if service.country is Country.SE else Language.NB
        link = f"{public.rstrip('/')}/confirm/{token}?lang={own.value}"
        letter = self._house.phrases.say("confirming.letter", own, link=link)
        subject = self._house.phrases.say("confirming.letter.subject", own)
        to = next((contact.email for contact in _who_confirms(service) if contact.email), service.email)
        return self._door.pages.page(
            "desk/confirming_link.html",
            request[LANGUAGE],
            **await self._door.frame(request),
            service=service,
            link=link,
            letter=letter,
            own=own.value,
            mail=f"mailto:{quote(to)}?subject={quote(subject)}&body={quote(letter)}" if to else "",
            contacts=[_told(contact) for contact in _who_confirms(service)],
            until=words.moment(now + confirming_store.LINK_LASTS),
        )

    def _row(self, service: Service, link: Link | None, words: Telling, language: Language) -> Row:
        now, say = self._house.clock.now(), words.say
        day = service.confirmed_on
        state = ""
        if link is not None:
            kind = "used" if link.used_at is not None else "open" if link.is_open(now) else "over"
            at = link.used_at or (link.made_at if kind == "open" else link.expires_at)
            state = say(f"confirming.link.{kind}", time=words.moment(at))
        return Row(
            id=service.id,
            name=service.name,
            kind=say(f"desk.directory.kind.{service.kind.value}"),
            confirmed=say("confirming.never") if day is None else say("confirming.on", date=say_date(day, language)),
            link=state,
            open_link=link is not None and link.is_open(now),
            contacts=tuple(_told(contact) for contact in _who_confirms(service)),
        )


def tabs(door: DeskDoor, request: web.Request) -> list[tuple[str, str]]:
    """The pages beside each other."""
    return [(address, door.say(request, phrase)) for address, phrase in TABS]


def _says(service: Service, find: str) -> bool:
    wanted = find.casefold().split()
    text = f"{service.name} {service.organisation} {service.id}".casefold()
    return all(word in text for word in wanted)


def _who_confirms(service: Service) -> tuple[Contact, ...]:
    """Whom to send the link: whoever may confirm the entry, else any contact."""
    return tuple(contact for contact in service.contacts if contact.confirms) or service.contacts


def _told(contact: Contact) -> str:
    parts = (contact.name, contact.title, contact.email, *(phone.number for phone in contact.phones))
    return ", ".join(part for part in parts if part)
