"""Writing in the directory: the form of a service, and a new one.

The form lives in the page: a button that adds or takes away a row sends all of it and gets all of it back. What cannot
be saved comes back with a sentence beside each field. Two people who write the same service are told: what the other
changed is put beside what was typed, and saving again is a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from bot.desk import area_picker, directory_sheet
from bot.desk.directory_room import HERE, ONE, DirectoryRoom, actor_of, address_of, after
from bot.desk.directory_sheet import (
    ANSWERS,
    DAYS,
    GROUPS,
    HOURS_KINDS,
    MOST_ROWS,
    TONGUES,
    Known,
    Shape,
    Written,
    Wrong,
    statuses_of,
)
from bot.desk.directory_telling import GONE, Changed, ServiceTelling, is_fallback
from bot.desk.door import DeskDoor
from helpline.accounts import Role, Staff, list_staff
from helpline.messages import Country, Language
from helpline.web import KILOBYTE, LANGUAGE, Access, Refused, Route, see_other
from routing import store
from routing.services import (
    HOUSING,
    Confidence,
    Freshness,
    HolidayRule,
    LocationKind,
    Service,
    ServiceKind,
    ServiceStatus,
)
from routing.services import Access as WayIn
from routing.store import ChangedMeanwhile, Wording
from routing.upkeep import changes, proposal_store

_BODY: Final = 512 * KILOBYTE
_AREAS: Final = ("areas", "likely")


class DirectoryEditor:
    """The routes of the form."""

    def __init__(self, door: DeskDoor, room: DirectoryRoom) -> None:
        self._door = door
        self._house = door.house
        self._room = room

    def routes(self) -> list[Route]:
        """The addresses, for coordinators."""
        staff = Access.STAFF
        return [
            Route("GET", HERE + "/new", self.show_new, staff),
            Route("POST", HERE + "/new", self.write_new, staff, _BODY),
            Route("GET", ONE + "/edit", self.show, staff),
            Route("POST", ONE + "/edit", self.write, staff, _BODY),
        ]

    # --- opening it ---------------------------------------------------------------------------------------------------

    async def show_new(self, request: web.Request) -> web.StreamResponse:
        """An empty form for a country."""
        self._room.coordinator(request)
        known = self._room.known(self._country(request.query.get("country", "")))
        return await self._page(request, known, directory_sheet.blank(known))

    def _country(self, typed: str) -> Country:
        return next((country for country in Country if country.value == typed), self._house.country)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The service as a form."""
        self._room.coordinator(request)
        past = await self._past(request)
        known = self._room.known(past[0].country)
        shape = directory_sheet.shape_of(past[0].plain, known)
        return await self._page(request, known, shape, past=past, seen=past[0].revision)

    async def _past(self, request: web.Request) -> Sequence[Wording]:
        async with self._house.db.read() as conn:
            past = await store.wordings(conn, request.match_info["id"])
        if not past:
            raise Refused(404, "error.not_found")
        return past

    # --- a button of it -----------------------------------------------------------------------------------------------

    async def write_new(self, request: web.Request) -> web.StreamResponse:
        """A button of the form of a new service."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        known = self._room.known(self._country(str(form.get("country", ""))))
        shape = directory_sheet.read(form.items(), known)
        page = await self._rearranged(request, form, known, shape, ())
        if page is not None:
            return page
        written = directory_sheet.written(shape, None, await self._new_id(shape["name"], staff), known)
        if written.service is None:
            return await self._refused(request, known, shape, written.wrong, (), form)
        if form.get("do") != "save":
            return await self._page(request, known, shape, looked=written, typed=form)
        brought = await self._room.bring(written.service, staff, note=self._room.note(request, form, "colleague"))
        return see_other(after(brought, written.service.id))

    async def _new_id(self, name: str, staff: Staff) -> str:
        """An id that nothing in the directory has; the one of my own proposal, where I made it just now."""
        base = directory_sheet.slug(name) or "tjeneste"
        async with self._house.db.read() as conn:
            waiting = {each.service_id: each for each in await proposal_store.open_proposals(conn) if each.is_new}
            for number in range(1, 1000):
                service_id = base if number == 1 else f"{base}-{number}"
                proposed = waiting.get(service_id)
                if proposed is not None and proposed.made_by == actor_of(staff) and proposed.plain["name"] == name:
                    return service_id
                if proposed is None and not await proposal_store.present_revision(conn, service_id):
                    return service_id
        raise Refused(409, "error.bad_request")

    async def write(self, request: web.Request) -> web.StreamResponse:
        """A button of the form of a service."""
        staff = self._room.coordinator(request)
        form = await self._door.form(request)
        past = await self._past(request)
        known = self._room.known(past[0].country)
        typed_seen = str(form.get("seen", ""))
        seen = int(typed_seen) if typed_seen.isdecimal() and len(typed_seen) < 9 else 0
        base = next((each for each in past if each.revision == seen), None)
        if base is None:
            raise Refused(400, "error.bad_request")
        shape = directory_sheet.read(form.items(), known)
        page = await self._rearranged(request, form, known, shape, past, seen)
        if page is not None:
            return page
        written = directory_sheet.written(shape, base.plain, request.match_info["id"], known)
        wrong = {**written.wrong, **self._unsafe(written.plain, base.plain, request.match_info["id"], form)}
        if written.service is None or wrong:
            return await self._refused(request, known, shape, wrong, past, form, seen)
        if form.get("do") != "save":
            return await self._page(request, known, shape, past=past, seen=seen, looked=written, typed=form)
        try:
            service = replace(written.service, revision=seen)
            brought = await self._room.bring(service, staff, note=self._room.note(request, form, "colleague"))
        except ChangedMeanwhile:
            return await self._collided(request, known, shape, written, base, form)
        return see_other(after(brought, service.id))

    def _unsafe(
        self, plain: Mapping[str, Any], base: Mapping[str, Any], service_id: str, form: Any
    ) -> dict[str, Wrong]:
        """What one of those that are always shown may not become, or not by mistake."""
        if not is_fallback(self._house.library.directory, service_id):
            return {}
        if plain.get("status", "active") != "active" and base.get("status", "active") == "active":
            return {"status": Wrong("desk.directory.withdraw.fallback.here")}
        if base.get("phones") and not plain.get("phones") and form.get("without_phone") != "yes":
            return {"phones": Wrong("desk.directory.phone.warning")}
        return {}

    async def _rearranged(
        self, request: web.Request, form: Any, known: Known, shape: Shape, past: Sequence[Wording], seen: int = 0
    ) -> web.Response | None:
        """The form after a button that saves nothing: an area is searched for, a row comes or goes."""
        order = str(form.get("do", ""))
        if any(area_picker.searching(form, name) for name in _AREAS):
            return await self._page(request, known, shape, past=past, seen=seen, typed=form)
        if order.partition(".")[0] in {"add", "drop"}:
            after_it = directory_sheet.changed(shape, order)
            return await self._page(request, known, after_it, past=past, seen=seen, typed=form, focus=_focus(order))
        return None

    async def _refused(
        self,
        request: web.Request,
        known: Known,
        shape: Shape,
        wrong: Mapping[str, Wrong],
        past: Sequence[Wording],
        form: Any,
        seen: int = 0,
    ) -> web.Response:
        return await self._page(request, known, shape, past=past, seen=seen, wrong=wrong, typed=form, status=422)

    async def _collided(
        self, request: web.Request, known: Known, shape: Shape, written: Written, base: Wording, form: Any
    ) -> web.StreamResponse:
        """Somebody else was faster: their changes beside what was typed, and nothing saved."""
        past = await self._past(request)
        present = past[0]
        if present.plain == written.plain:
            return see_other(address_of(request.match_info["id"], "saved"))  # pressed twice
        settled = changes.rebased(base.plain, written.plain, present.plain)
        merged = directory_sheet.shape_of(settled.plain, known)
        return await self._page(
            request,
            known,
            merged,
            past=past,
            seen=present.revision,
            typed=form,
            collision=(present, written.plain),
            status=409,
        )

    # --- the page -----------------------------------------------------------------------------------------------------

    async def _page(
        self,
        request: web.Request,
        known: Known,
        shape: Shape,
        *,
        past: Sequence[Wording] = (),
        seen: int = 0,
        wrong: Mapping[str, Wrong] | None = None,
        looked: Written | None = None,
        typed: Any = None,
        collision: tuple[Wording, Mapping[str, Any]] | None = None,
        focus: str = "",
        status: int = 200,
    ) -> web.Response:
        service_id = request.match_info.get("id", "")
        form = typed if typed is not None else {}
        async with self._house.db.read() as conn:
            tell = await self._room.tell(request, conn)
            people = [each.id for each in await list_staff(conn, active_only=True) if Role.COORDINATOR in each.roles]
        base = next((each.plain for each in past if each.revision == seen), None)
        shape = directory_sheet.without_hidden_addresses(shape)
        fallback = bool(service_id) and is_fallback(self._house.library.directory, service_id)
        library = self._house.library
        pickers = {
            name: area_picker.picked(
                library.gazetteer,
                known.country,
                name,
                chosen=shape["area"][name].split("\n") if shape["area"][name] else (),
                search=area_picker.searched(form, name) if form else "",
            )
            for name in _AREAS
        }
        return self._door.pages.page(
            "desk/service_edit.html",
            request[LANGUAGE],
            status=status,
            new=not service_id,
            service_name=str(past[0].plain["name"]) if past else "",
            address=address_of(service_id) + "/edit" if service_id else HERE + "/new",
            back=address_of(service_id) if service_id else HERE,
            country=known.country.value,
            countries=[(each.value, self._door.say(request, f"country.{each}")) for each in Country],
            own=(known.own.value, Language.EN.value),
            shape=shape,
            seen=seen,
            pickers=pickers,
            tongues=[(tongue, self._door.say(request, f"language.{tongue}")) for tongue in TONGUES],
            options=self._options(tell, shape, past),
            needs=[(need.key, need.names[request[LANGUAGE]]) for need in library.directory.needs.values()],
            groups={name: self._members(tell, name, known.country) for name in GROUPS},
            answers=[(answer, tell.say(f"answer.{answer}")) for answer in ANSWERS],
            days=[(day, self._door.say(request, f"desk.rota.day.{day}")) for day in DAYS],
            catalogue=self._room.catalogue,
            people=people,
            organisations=sorted({each.organisation for each in library.directory.of(known.country)}),
            hides=shape["protected"] or shape["kind"] in {kind.value for kind in HOUSING},
            fallback=fallback,
            without_phone=form.get("without_phone") == "yes",
            colleague=str(form.get("colleague", "")),
            wrong={name: self._door.say(request, each.phrase, **each.values) for name, each in (wrong or {}).items()},
            most_rows=MOST_ROWS,
            focus=focus,
            **self._looked(tell, looked, base, known.country),
            **self._collision(tell, collision, known.country),
            **await self._door.frame(request),
        )

    def _looked(
        self, tell: ServiceTelling, looked: Written | None, base: Mapping[str, Any] | None, country: Country
    ) -> dict[str, Any]:
        """What would be saved, where somebody looks before saving."""
        if looked is None or looked.service is None:
            return {"looked": None}
        because = changes.guarded_in(base, looked.plain)
        changed: list[Changed] = tell.differences(base, looked.plain, country)
        service: Service = looked.service
        return {
            "looked": {
                "changed": changed,
                "how": tell.say("look.proposal", what=tell.because(because)) if because else tell.say("look.at_once"),
                "preview": tell.preview(service.hours, country, self._house.clock.now()),
            }
        }

    def _collision(
        self, tell: ServiceTelling, collision: tuple[Wording, Mapping[str, Any]] | None, country: Country
    ) -> dict[str, Any]:
        if collision is None:
            return {"collision": None}
        present, mine = collision
        return {
            "collision": {
                "said": tell.say("moved", name=tell.who(present.changed_by), time=tell.tell.moment(present.changed_at)),
                "changed": tell.differences(present.plain, mine, country),
            }
        }

    def _members(self, tell: ServiceTelling, group: str, country: Country) -> list[tuple[str, str]]:
        keys = statuses_of(country) if group == "status" else [each.value for each in GROUPS[group]]
        return [(key, tell.tell.say(f"reason.{group}.{key}")) for key in keys]

    def _options(self, tell: ServiceTelling, shape: Shape, past: Sequence[Wording]) -> dict[str, list[tuple[str, str]]]:
        """What can be chosen where one of several is; a service that was taken out stays what it is here."""
        statuses = [each for each in ServiceStatus if each not in GONE or each.value == shape["status"]]
        kinds = [(each.value, tell.say(f"kind.{each}")) for each in ServiceKind]
        return {
            "kind": sorted(kinds, key=lambda pair: pair[1].casefold()),
            "access": [(each.value, tell.say(f"access.{each}")) for each in WayIn],
            "status": [(each.value, tell.say(f"status.{each}")) for each in statuses],
            "confidence": [(each.value, tell.say(f"confidence.{each}")) for each in Confidence],
            "freshness": [(each.value, tell.say(f"freshness.{each}")) for each in Freshness],
            "reach": [(each, tell.say(f"reach.{each}")) for each in ("areas", "national", "every")],
            "hours": [(each, tell.say(f"hours.{each}")) for each in HOURS_KINDS],
            "holidays": [
                (each.value, tell.say(f"hours.holidays.{each}"))
                for each in (HolidayRule.AS_USUAL, HolidayRule.CLOSED, HolidayRule.AS_SUNDAY)
            ],
            "location": [(each.value, tell.say(f"location.{each}")) for each in LocationKind],
            "age": [(each, tell.say(f"age.{each}")) for each in ("unknown", "all", "limits")],
            "need": [("", tell.say("need.none")), *((each, tell.say(f"need.{each}")) for each in ("first", "also"))],
        }


def _focus(order: str) -> str:
    """The control on which somebody goes on after a button: below the row that came, or where another one went."""
    what, *way = order.split(".")
    return ".".join(["add", *(way if what == "add" else way[:-1])])
