"""Choosing areas without a map: a search by name, number or region, and boxes to tick. Works before any script.

How a form uses it, for a field called "areas":

1. The page is given `picked(gazetteer, country, "areas", chosen=…, search=…)` and shows it inside its form:
   `{% import "desk/area_picker.html" as picker with context %}` and `{{ picker.areas(picked, say("your.legend")) }}`.
   What is wrong with the field goes in as `error=`. In the page's head stands
   `<script type="module" src="{{ static('areas.js') }}"></script>`: then the search answers while one types.
2. Whoever takes the form asks `searching(form, "areas")` first. True means that somebody pressed the search (or Enter
   in its box): show the same form again with `search=searched(form, "areas")`, and save nothing.
3. `chosen_of(form, "areas", gazetteer, country)` are the areas that were ticked, as keys; `written` makes of each the
   line "kommune 5501 Tromsø", which `chosen=` reads back as well as keys.

A box's value is "kommune 5501"; what is found and what is chosen bear the same name, so a box that is ticked among what
was found is chosen with the next sending, whatever button it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from bot.desk.door import DeskDoor
from helpline.accounts import Role
from helpline.messages import Country
from helpline.web import LANGUAGE, Access, Refused, Route, html
from routing.places import AreaKey, Gazetteer, Level, Place, fold

HERE: Final = "/desk/areas"
MOST_CHOSEN: Final = 400  # more than a country has kommuner
_LONGEST_SEARCH: Final = 100
_PEOPLE: Final = (Role.COORDINATOR, Role.ADMINISTRATOR)


@dataclass(frozen=True)
class Choice:
    """One area as a box to tick."""

    value: str  # "kommune 5501"
    name: str
    level: Level
    around: str  # the fylke or län it lies in, where that helps to tell it
    ticked: bool
    covered_by: str = ""  # a chosen area that holds it already


@dataclass(frozen=True)
class Found:
    """What a search found: an area, and what it consists of."""

    choice: Choice
    parts: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Picked:
    """A field of areas as the page shows it."""

    name: str
    country: Country
    chosen: tuple[Choice, ...]
    search: str
    found: tuple[Found, ...]

    @property
    def nothing(self) -> bool:
        """Whether a search found nothing that is not chosen already."""
        return bool(self.search) and not self.found


def picked(
    gazetteer: Gazetteer, country: Country, name: str, *, chosen: Iterable[str | AreaKey] = (), search: str = ""
) -> Picked:
    """The field with these areas chosen (keys, or lines that begin "kommune 5501") and this searched for."""
    keys = _keys(chosen, gazetteer, country)
    places = [gazetteer.get(country, level, code) for level, code in keys]
    places.sort(key=lambda place: (-_SIZE[place.level], fold(place.name), place.code))
    search = search.strip()[:_LONGEST_SEARCH]
    found: list[Found] = []
    hits = gazetteer.search(search, country) if search else ()
    for place in hits:
        parts = gazetteer.parts_of(place) if place.level is not Level.KOMMUNE and len(hits) <= _FEW else ()
        choices = tuple(_choice(part, places) for part in parts if part not in hits)
        if place not in places or choices:
            found.append(Found(_choice(place, places), choices))
    return Picked(name, country, tuple(_choice(place, places) for place in places), search, tuple(found))


def searching(form: Any, name: str) -> bool:
    """Whether the form was sent to search: by its button, or by Enter in a search that was not answered yet."""
    return str(form.get("do", "")) == f"search:{name}" or searched(form, name) != str(form.get(f"{name}.searched", ""))


def searched(form: Any, name: str) -> str:
    """What stands in the search."""
    return str(form.get(f"{name}.search", "")).strip()[:_LONGEST_SEARCH]


def chosen_of(form: Any, name: str, gazetteer: Gazetteer, country: Country) -> tuple[AreaKey, ...]:
    """The areas that are ticked; what is no area of the country is passed over, since no page of ours offers it."""
    return _keys((str(value) for value in form.getall(name, [])), gazetteer, country)


def written(key: AreaKey, gazetteer: Gazetteer, country: Country) -> str:
    """An area as a line that is read back: "kommune 5501 Tromsø"."""
    level, code = key
    return f"{level.value} {code} {gazetteer.get(country, level, code).name}"


class AreaDesk:
    """What the search asks for while somebody types."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door

    def routes(self) -> list[Route]:
        """The one address."""
        return [Route("GET", HERE, self.found, Access.STAFF)]

    async def found(self, request: web.Request) -> web.StreamResponse:
        """The boxes for what was typed so far, as a part of a page."""
        self._door.member(request, *_PEOPLE)
        query = request.query
        try:
            country = Country(query.get("country", ""))
        except ValueError as error:
            raise Refused(400, "error.bad_request") from error
        field = picked(
            self._door.house.library.gazetteer,
            country,
            query.get("name", "")[:60],
            chosen=query.getall("chosen", [])[:MOST_CHOSEN],
            search=query.get("search", ""),
        )
        return html(self._door.pages.render("desk/area_found.html", request[LANGUAGE], picked=field))


_FEW: Final = 6  # found places whose parts are shown too
_SIZE: Final = {Level.NATIONAL: 4, Level.HELSEREGION: 3, Level.FYLKE: 2, Level.LAN: 2, Level.KOMMUNE: 1}


def _keys(chosen: Iterable[str | AreaKey], gazetteer: Gazetteer, country: Country) -> tuple[AreaKey, ...]:
    keys: dict[AreaKey, None] = {}
    for each in chosen:
        words = each.split() if isinstance(each, str) else each
        level, code = (words[0], words[1]) if len(words) > 1 else ("", "")
        if level in set(Level) and len(keys) < MOST_CHOSEN:
            place = gazetteer.find(country, Level(level), code)
            if place is not None and place.level is not Level.NATIONAL:
                keys[place.key] = None
    return tuple(keys)


def _choice(place: Place, chosen: list[Place]) -> Choice:
    covering = next((around.label for around in chosen if place.lies_in(around)), "")
    value = f"{place.level.value} {place.code}"
    return Choice(value, place.name, place.level, place.parent_name, place in chosen, covering)
