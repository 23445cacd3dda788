"""Who is behind the services: organisations, found, read with their services, and written.

An organisation that nobody has entered is there by the name that its services say; the first who saves it enters it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from bot.desk.directory import tabs_of
from bot.desk.directory_room import HERE, DirectoryRoom, actor_of
from bot.desk.directory_sheet import TONGUES
from bot.desk.directory_telling import GONE, Changed, ServiceTelling
from bot.desk.door import DeskDoor
from helpline.accounts import Role
from helpline.content import ContentError, node_of
from helpline.messages import Country
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from routing import store
from routing.organisations import Organisation, Unclear, as_plain, read_organisation
from routing.places import fold
from routing.services import Service
from routing.store import ChangedMeanwhile, OrganisationRevision
from routing.upkeep import waiting_store
from routing.upkeep.dialled import can_be_dialled
from routing.upkeep.waiting_store import About

_ALL: Final = HERE + "/organisations"
_ONE: Final = _ALL + "/{organisation:[a-z0-9]+(?:-[a-z0-9]+)*}"
_BODY: Final = 128 * KILOBYTE
_PAGE: Final = 50
_TEXTS: Final = ("name", "url", "email", "number", "parent")
# Which field a complaint of the reader is about, by the key that it names.
_NAMED: Final = ("name", "url", "email", "number", "parent", "phones", "alternate_names", "what")


class OrganisationDesk:
    """The routes of organisations."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses: everybody who reads the directory reads these; coordinators write."""
        staff = Access.STAFF
        return [
            Route("GET", _ALL, self.show_all, staff),
            Route("GET", _ONE, self.show, staff),
            Route("POST", _ONE, self.write, staff, _BODY),
        ]

    def _known(self) -> dict[str, tuple[Organisation, list[Service]]]:
        """Every organisation that was entered or that a service names, with its services."""
        directory = self._house.library.directory
        known: dict[str, tuple[Organisation, list[Service]]] = {each.id: (each, []) for each in directory.organisations}
        for service in directory.services:
            organisation = directory.organisation_of(service)
            known.setdefault(organisation.id, (organisation, []))[1].append(service)
        return known

    async def show_all(self, request: web.Request) -> web.StreamResponse:
        """All of them, as far as they fit what is looked for."""
        staff = self._room.reader(request)
        text = request.query.get("text", "")[:200]
        asked = request.query.get("page", "1")
        words = fold(text).split()
        found = sorted(
            (
                (organisation, services)
                for organisation, services in self._known().values()
                if all(word in fold(" ".join((*organisation.names, organisation.number))) for word in words)
            ),
            key=lambda pair: fold(pair[0].name),
        )
        pages = max(1, -(-len(found) // _PAGE))
        page = min(max(int(asked) if asked.isdecimal() and len(asked) < 6 else 1, 1), pages)
        async with self._house.db.read() as conn:
            tell = await self._room.tell(request, conn)
        return self._door.pages.page(
            "desk/organisations.html",
            request[LANGUAGE],
            rows=[
                {
                    "address": f"{_ALL}/{organisation.id}",
                    "name": organisation.name,
                    "country": self._door.say(request, f"country.{organisation.country}"),
                    "number": organisation.number,
                    "services": len([service for service in services if service.status not in GONE]),
                    "implied": organisation.revision == 0 and not organisation.url and not organisation.number,
                }
                for organisation, services in found[(page - 1) * _PAGE : page * _PAGE]
            ],
            count=len(found),
            page=page,
            pages=pages,
            text=text,
            tabs=tabs_of(tell, staff),
            **await self._door.frame(request),
        )

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One of them: what is known, its services, every wording it had, and its form."""
        return await self._page(request)

    def _find(self, request: web.Request) -> tuple[Organisation, list[Service]]:
        found = self._known().get(request.match_info["organisation"])
        if found is None:
            raise Refused(404, "error.not_found")
        return found

    async def _page(
        self,
        request: web.Request,
        *,
        typed: Mapping[str, Any] | None = None,
        wrong: Mapping[str, str] | None = None,
        collision: str = "",
        seen: int | None = None,
        status: int = 200,
    ) -> web.Response:
        staff = self._room.reader(request)
        organisation, services = self._find(request)
        async with self._house.db.read() as conn:
            tell = await self._room.tell(request, conn)
            past = await store.organisation_history(conn, organisation.id)
            waits = await waiting_store.open_changes(conn, About.ORGANISATION, organisation.id)
        if past:
            organisation = past[0].organisation
        return self._door.pages.page(
            "desk/organisation.html",
            request[LANGUAGE],
            status=status,
            organisation=organisation,
            address=f"{_ALL}/{organisation.id}",
            implied=not past,
            shape=typed or shape_of(organisation),
            seen=organisation.revision if seen is None else seen,
            services=[(f"{HERE}/{each.id}", each.name, each.status in GONE) for each in services],
            parents=[
                (each.id, each.name)
                for each in self._house.library.directory.organisations
                if each.country is organisation.country and each.id != organisation.id
            ],
            tongues=[(tongue, self._door.say(request, f"language.{tongue}")) for tongue in TONGUES],
            past=_past(past, tell),
            wrong=wrong or {},
            collision=collision,
            waits=bool(waits),
            told=self._room.told(request),
            may_change=Role.COORDINATOR in staff.roles,
            **await self._door.frame(request),
        )

    async def write(self, request: web.Request) -> web.StreamResponse:
        """Save what was typed, upon what was seen; nothing over what another saved meanwhile."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        held, _ = self._find(request)
        shape = _read(form)
        if shape["name"] and held.name != shape["name"] and held.name not in shape["alternate_names"].split("\n"):
            # Its services still say the name it had.
            shape["alternate_names"] = "\n".join(filter(None, (shape["alternate_names"], held.name)))
        typed_seen = str(form.get("seen", ""))
        seen = int(typed_seen) if typed_seen.isdecimal() and len(typed_seen) < 9 else 0
        try:
            wanted = replace(_organisation(shape, held), revision=seen)
        except ContentError as error:
            return await self._page(request, typed=shape, wrong=self._said(request, error), seen=seen, status=422)
        try:
            async with self._house.db.write() as conn:
                past = await store.organisation_history(conn, wanted.id)
                if past and as_plain(past[0].organisation) == as_plain(wanted):
                    return see_other(f"{_ALL}/{wanted.id}?told=same")
                if (past[0].organisation if past else held).phones != wanted.phones:
                    # A wrong number leads everybody astray: a second person looks at it.
                    now = self._house.clock.now()
                    await waiting_store.propose_organisation(conn, wanted, by=actor_of(staff), now=now)
                    return see_other(f"{_ALL}/{wanted.id}?told=proposed")
                await store.save_organisation(conn, wanted, now=self._house.clock.now(), actor=actor_of(staff))
        except Unclear:
            wrong = {"name": self._door.say(request, "desk.directory.no.taken")}
            return await self._page(request, typed=shape, wrong=wrong, seen=seen, status=422)
        except ChangedMeanwhile:
            async with self._house.db.read() as conn:
                newest = (await store.organisation_history(conn, wanted.id))[0]
                tell = await self._room.tell(request, conn)
            said = tell.say("moved", name=tell.who(newest.changed_by), time=tell.tell.moment(newest.changed_at))
            revision = newest.organisation.revision
            return await self._page(request, typed=shape, collision=said, seen=revision, status=409)
        await self._room.refresh()
        return see_other(f"{_ALL}/{wanted.id}?told=saved")

    def _said(self, request: web.Request, error: ContentError) -> dict[str, str]:
        """The complaint of the strict reader, at the field that it is about."""
        phrases = {"url": "url", "email": "email", "number": "number", "phones": "phone", "name": "empty"}
        if isinstance(error, _Undiallable):
            return {"phones": self._door.say(request, "desk.directory.no.dialled", number=error.number)}
        field = next((name for name in _NAMED if isinstance(error, _At) and error.field == name), "name")
        phrase = (
            "desk.directory.no.address"
            if "street address" in error.sentence
            else (f"desk.directory.no.{phrases.get(field, 'empty')}")
        )
        return {field: self._door.say(request, phrase)}


class _At(ContentError):
    """A complaint about one field."""

    def __init__(self, field: str, error: ContentError) -> None:
        super().__init__(error.sentence)
        self.field = field


class _Undiallable(ContentError):
    """A phone number that nobody can dial."""

    def __init__(self, number: str) -> None:
        super().__init__("Nobody can dial this number.")
        self.number = number


def shape_of(organisation: Organisation) -> dict[str, Any]:
    """The organisation as its form shows it."""
    plain = as_plain(organisation)
    return {
        **{name: str(plain.get(name) or "") for name in _TEXTS},
        "alternate_names": "\n".join(organisation.alternate_names),
        "phones": ", ".join(phone.number for phone in organisation.phones),
        **{f"what.{tongue}": str((plain.get("what") or {}).get(tongue) or "") for tongue in TONGUES},
    }


def _read(form: Any) -> dict[str, Any]:
    def line(name: str) -> str:
        return " ".join(str(form.get(name, "")).split())[:500]

    names = (" ".join(each.split())[:160] for each in str(form.get("alternate_names", "")).splitlines()[:40])
    return {
        **{name: line(name) for name in (*_TEXTS, "phones", *(f"what.{tongue}" for tongue in TONGUES))},
        "alternate_names": "\n".join(name for name in names if name),
    }


def _organisation(shape: Mapping[str, Any], held: Organisation) -> Organisation:
    """The organisation that was typed; `ContentError` names the field."""
    plain: dict[str, Any] = {"id": held.id, **{name: shape[name] for name in _TEXTS if shape[name]}}
    if shape["alternate_names"]:
        plain["alternate_names"] = list(dict.fromkeys(shape["alternate_names"].split("\n")))
    what = {tongue: shape[f"what.{tongue}"] for tongue in TONGUES if shape[f"what.{tongue}"]}
    if what:
        plain["what"] = what
    numbers: list[str] = []
    if shape["phones"] == ", ".join(phone.number for phone in held.phones):
        plain |= {name: value for name, value in as_plain(held).items() if name == "phones"}
    else:
        numbers = [number.strip() for number in shape["phones"].split(",") if number.strip()]
        plain["phones"] = [{"number": number} for number in numbers]
    if not plain.get("name"):
        raise _At("name", ContentError("The name is empty."))
    for field in ("url", "email", "number", "phones"):
        # Alone with its name, so that a complaint is about nothing but this field.
        if field in plain:
            _checked({"id": held.id, "name": "x", field: plain[field]}, held.country, field)
    for number in numbers:
        if not can_be_dialled(number, held.country):
            raise _Undiallable(number)
    return _checked(plain, held.country, "name")


def _checked(plain: Mapping[str, Any], country: Country, field: str) -> Organisation:
    try:
        return read_organisation(node_of(plain, file="form"), country)
    except ContentError as error:
        raise _At(field, error) from error


def _past(past: tuple[OrganisationRevision, ...], tell: ServiceTelling) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for place, each in enumerate(past):
        before = shape_of(past[place + 1].organisation) if place + 1 < len(past) else None
        after = shape_of(each.organisation)
        who = tell.say("shipped") if each.changed_by == store.SHIPPED else tell.who(each.changed_by)
        rows.append(
            {
                "revision": each.organisation.revision,
                "who": tell.say("history.by", name=who, time=tell.tell.moment(each.changed_at)),
                "changed": changed(before, after, tell) if before is not None else None,
            }
        )
    return rows


def changed(before: Mapping[str, Any], after: Mapping[str, Any], tell: ServiceTelling) -> list[Changed]:
    """In which fields two of these forms differ."""
    found = []
    for field, value in after.items():
        if before[field] != value:
            removed = tuple(line for line in before[field].split("\n") if line)
            added = tuple(line for line in value.split("\n") if line)
            found.append(Changed(field, tell.field(field.partition(".")[0]), removed, added))
    return found
