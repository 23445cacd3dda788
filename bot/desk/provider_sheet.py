"""An activity profile as the fields of a page, and the fields as a profile again. Pure.

A page shows one area of the catalogue. What cannot be read stands in the field again with a sentence beside it; the
rest of the page is kept all the same. Places are named as they are officially: a län or fylke, a kommune, the country.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from helpline.messages import Country
from routing.certification.catalogue import CatalogueArea, Column, Mode, Row
from routing.certification.standing import REGION, RowAnswer, answer_of
from routing.places import AreaKey, Gazetteer, Level, Place, fold

LONGEST_COMMENT: Final = 500
_MOST_PLACES: Final = 40  # in a field
MOST_AT_HOME: Final = 9999  # places to live
_ALL: Final = frozenset({"hela landet", "hele landet", "heile landet", "the whole country", "alla", "alle", "all"})


class Form(Protocol):
    """A form as the web server gives it."""

    def get(self, name: str, default: str = "") -> object: ...
    def getall(self, name: str, default: list[str]) -> Sequence[object]: ...


@dataclass(frozen=True)
class Places:
    """The names that a country's areas go by in a form."""

    country: Country
    gazetteer: Gazetteer

    @cached_property
    def regions(self) -> tuple[Place, ...]:
        """The län or fylker, by name."""
        return tuple(sorted(self.gazetteer.places(self.country, REGION[self.country]), key=lambda place: place.name))

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[Place, ...]]:
        found: dict[str, dict[AreaKey, Place]] = defaultdict(dict)
        for place in (*self.regions, *self.gazetteer.places(self.country, Level.KOMMUNE)):
            for name in (place.name, place.label):
                found[fold(name)][place.key] = place
        nation = self.gazetteer.nation(self.country)
        for name in (*_ALL, nation.name):
            found[fold(name)] = {nation.key: nation}
        return {name: tuple(places.values()) for name, places in found.items()}

    def name(self, key: AreaKey) -> str:
        """What an area is called in a form; with its region where its name alone would mean another too."""
        place = self.gazetteer.find(self.country, *key)
        if place is None:
            return key[1]
        return place.name if self._meant(place.name) == place else place.label

    def names(self, keys: Iterable[AreaKey]) -> str:
        return ", ".join(self.name(key) for key in keys)

    def read(self, listed: str) -> tuple[tuple[AreaKey, ...], tuple[str, ...]]:
        """The areas named in a list, and the names that are none or more than one."""
        found: dict[AreaKey, None] = {}
        unknown: list[str] = []
        for part in listed.replace(";", ",").replace("\n", ",").split(",")[:_MOST_PLACES]:
            name = " ".join(part.split())
            place = self._meant(name)
            if place is not None:
                found[place.key] = None
            elif name:
                unknown.append(name[:60])
        return tuple(found), tuple(unknown)

    def _meant(self, name: str) -> Place | None:
        """The one place of this name. Oslo is a fylke and the one kommune in it: the fylke is meant."""
        named = self._by_name.get(fold(name), ())
        largest = [place for place in named if not any(place.lies_in(other) for other in named)]
        return largest[0] if len(largest) == 1 else None


@dataclass(frozen=True)
class RowFields:
    """One row as its fields hold it."""

    row: Row
    offered: str = ""  # "yes", "no" or nothing
    value: str = ""
    mode: str = ""
    targets: tuple[str, ...] = ()
    where: str = ""
    comment: str = field(default="", repr=False)
    wrong: str = ""  # the phrase of what cannot be read
    names: str = ""  # what it is about

    @property
    def more(self) -> int:
        """How much is said beyond yes and no."""
        return sum(map(bool, (self.mode, self.targets, self.where, self.comment)))


def shown(row: Row, answer: RowAnswer | None, places: Places) -> RowFields:
    """The fields of a row that has this answer."""
    answer = answer or RowAnswer()
    return RowFields(
        row,
        offered={True: "yes", False: "no", None: ""}[answer.offered],
        value=answer.value,
        mode=answer.mode.value if answer.mode is not None else "",
        targets=answer.targets,
        where=places.names(answer.areas),
        comment=answer.comment,
    )


def typed(row: Row, form: Form, targets: Iterable[str]) -> RowFields:
    """The fields of a row as they came."""

    def said(name: str) -> str:
        return str(form.get(f"{row.name}.{name}", "")).strip()

    ticked = {str(each) for each in form.getall(f"{row.name}.target", [])}
    return RowFields(
        row,
        offered=said("offered") if said("offered") in ("yes", "no") else "",
        value=said("value")[:40],
        mode=said("mode") if said("mode") in {mode.value for mode in row.modes} else "",
        targets=tuple(each for each in targets if each in ticked),
        where=said("where")[:1000],
        comment=said("comment")[: LONGEST_COMMENT + 1],
    )


def read(fields: RowFields, places: Places) -> RowAnswer | tuple[str, str]:
    """The answer in a row's fields; or the phrase that says what cannot be read, and what it is about."""
    areas, unknown = places.read(fields.where)
    if unknown:
        return ("providers.wrong.place", ", ".join(unknown))
    if len(fields.comment) > LONGEST_COMMENT:
        return ("providers.wrong.long", str(LONGEST_COMMENT))
    row = fields.row
    answer = RowAnswer(
        offered={"yes": True, "no": False}.get(fields.offered),
        mode=Mode(fields.mode) if fields.mode else None,
        targets=fields.targets,
        areas=areas,
        value=fields.value,
        comment=fields.comment,
    )
    if Column.SPECIFICATION not in row.columns:
        return answer
    if row.number and fields.value and not (fields.value.isascii() and fields.value.isdecimal()):
        return ("providers.wrong.number", fields.value)
    if row.number and fields.value and int(fields.value) > MOST_AT_HOME:
        return ("providers.wrong.number", fields.value)
    if row.options and fields.value and row.option(fields.value) is None:
        return ("providers.wrong.choice", fields.value)
    return answer_of(row, answer)


def rest_is_no(area: CatalogueArea, fields: Mapping[str, RowFields], tables: Iterable[str]) -> dict[str, RowFields]:
    """The fields, with no for every row of these tables that was left open."""
    closed = set(tables)
    return {
        key: RowFields(each.row, "no", each.value, each.mode, each.targets, each.where, each.comment)
        if each.row.table in closed and not each.offered and Column.SPECIFICATION not in each.row.columns
        else each
        for key, each in fields.items()
        if each.row.area == area.key
    }
