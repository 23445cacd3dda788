"""What is wrong with HSDS data beyond what its JSON Schemas see: in ours before it leaves, in others' before it enters.

Structure by the field list (required, types, values), and what no schema says: the syntax of times, hours that overlap
or close before they open, references to nothing, one id for two things, languages and telephone numbers that are none,
and an address that leaks from a place of which only the area may be known.

Pure. No finding repeats what stood in a field.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from babel import Locale

from routing.hsds.fields import NEWEST, TABLES, Field, Kind, Version
from routing.hsds.tables import ALSO_NESTED, nested_in
from routing.services import HOUSING
from routing.upkeep.service_form import looks_like_address

Json = Mapping[str, Any]


class Fault(StrEnum):
    """What is wrong."""

    MISSING = "missing"  # a field that is required
    TYPE = "type"  # a value of another kind, or in another form
    VALUE = "value"  # not one of the values that there are
    UNKNOWN = "unknown-property"  # allowed, and read by nobody
    TIME = "time-syntax"
    CLOSES_FIRST = "closes-before-opens"
    OVERLAP = "overlapping-hours"
    DANGLING = "dangling-reference"
    DUPLICATE = "duplicate-id"
    LANGUAGE = "language-code"
    PHONE = "phone-format"
    ADDRESS = "confidential-address"


HARMLESS: Final = frozenset({Fault.UNKNOWN})

_SENTENCES: Final[Mapping[Fault, str]] = {
    Fault.MISSING: "It is required, and is not there.",
    Fault.TYPE: "It is not of the kind that the specification says.",
    Fault.VALUE: "It is none of the values that there are.",
    Fault.UNKNOWN: "The specification has no such property.",
    Fault.TIME: "A time is written 08:30 or 08:30:00, with Z or an offset where it has one.",
    Fault.CLOSES_FIRST: "It closes before it opens, and does not say that it closes the day after.",
    Fault.OVERLAP: "Two of its schedules are open at the same time of the same day.",
    Fault.DANGLING: "It refers to something that is not there.",
    Fault.DUPLICATE: "Two different entries have this id.",
    Fault.LANGUAGE: "This is no code of ISO 639.",
    Fault.PHONE: "This is no telephone number.",
    Fault.ADDRESS: "Only the area of this place may be known, and there is more.",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: of which entry, in which field."""

    of: str
    where: str
    fault: Fault

    @property
    def sentence(self) -> str:
        return _SENTENCES[self.fault]

    @property
    def wrong(self) -> bool:
        """Whether it must be mended."""
        return self.fault not in HARMLESS


_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?")
_PHONE: Final = re.compile(r"\+?[\d][\d ()./-]{0,24}(?:\s*(?:x|ext\.?)\s*\d+)?", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[^\s]+", re.IGNORECASE)
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NEXT_DAY: Final = re.compile(r"day after|next day|overnight|midnight|natten|neste dag|nästa dag", re.IGNORECASE)
_PLACING: Final = ("latitude", "longitude", "external_identifier", "transportation", "address", "url")


def check(
    services: Iterable[Json],
    organizations: Iterable[Json] = (),
    terms: Iterable[Json] = (),
    taxonomies: Iterable[Json] = (),
    *,
    version: Version = NEWEST,
) -> list[Finding]:
    """Everything that is wrong with these entries, each fault once."""
    checker = _Checker(version)
    listed = {"organization": organizations, "service": services, "taxonomy_term": terms, "taxonomy": taxonomies}
    for table, entries in listed.items():
        for entry in entries:
            checker.visit(table, entry)
    return checker.findings()


@dataclass(frozen=True)
class _Span:
    day: object
    opens: int
    closes: int
    valid: tuple[Any, Any]


class _Checker:
    def __init__(self, version: Version) -> None:
        self._version = version
        self._found: dict[Finding, None] = {}
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}
        self._refers: list[tuple[str, str, str, str]] = []  # of, where, table (or none), id

    def findings(self) -> list[Finding]:
        everything = {ident for _, ident in self._seen}
        for of, where, table, ident in self._refers:
            if (table, ident) not in self._seen if table else ident not in everything:
                self._note(of, where, Fault.DANGLING)
        return sorted(self._found)

    def _note(self, of: str, where: str, fault: Fault) -> None:
        self._found[Finding(of, where, fault)] = None

    def visit(self, table: str, entry: Any, *, hidden: bool = False) -> None:
        """One entry and all that stands in it; `hidden` where it belongs to a protected place."""
        if not isinstance(entry, Mapping):
            self._note(table, table, Fault.TYPE)
            return
        ident = entry.get("id")
        of = f"{table} {ident}" if isinstance(ident, str) else table
        hidden = hidden or _is_hidden(entry)
        known = {field.name: field for field in TABLES[table].of(self._version)}
        for field in known.values():
            if field.required and entry.get(field.name) in (None, ""):
                self._note(of, f"{table}.{field.name}", Fault.MISSING)
        if isinstance(ident, str):
            self._once(table, ident, entry, of)
        for name, value in entry.items():
            nested = nested_in(table, name)
            if name not in known and (table, name) not in ALSO_NESTED:
                self._note(of, f"{table}.{name}", Fault.UNKNOWN)
            elif nested is not None:
                self._children(value, nested, f"{table}.{name}", of, hidden=hidden)
            elif value not in (None, ""):
                self._value(known[name], value, f"{table}.{name}", of)
        self._of_table(table, entry, of)
        if hidden:
            self._leaks(table, entry, of)

    def _children(self, value: Any, nested: tuple[Kind, str], where: str, of: str, *, hidden: bool) -> None:
        kind, child = nested
        if not isinstance(value, list if kind is Kind.LIST else Mapping):
            self._note(of, where, Fault.TYPE)
            return
        # Of an organisation everybody may know where it sits; its protected services are marked themselves.
        inherits = hidden and child not in {"organization", "taxonomy_term", "taxonomy"}
        listed = value if isinstance(value, list) else [value]
        for each in listed:
            self.visit(child, each, hidden=inherits)
        if child == "schedule":
            self._overlaps([each for each in listed if isinstance(each, Mapping)], where, of)

    def _once(self, table: str, ident: str, entry: Json, of: str) -> None:
        """The same entry may be nested in many places, told in part; two that differ may not share an id."""
        flat = {name: value for name, value in entry.items() if nested_in(table, name) is None}
        known = self._seen.setdefault((table, ident), flat)
        if any(known.get(name, value) != value for name, value in flat.items()):
            self._note(of, f"{table}.id", Fault.DUPLICATE)
        known.update(flat)

    def _value(self, field: Field, value: Any, where: str, of: str) -> None:
        if field.kind is Kind.NUMBER:
            good = isinstance(value, int | float) and not isinstance(value, bool)
        else:
            good = isinstance(value, str) and _fits(field.kind, value)
        if not good:
            self._note(of, where, Fault.TIME if field.kind is Kind.TIME else Fault.TYPE)
            return
        if field.values and value not in field.values:
            self._note(of, where, Fault.VALUE)
        if field.kind is Kind.UUID and field.name != "id":
            self._refers.append((of, where, field.refers_to, value))

    def _of_table(self, table: str, entry: Json, of: str) -> None:
        match table:
            case "language":
                code = entry.get("code")
                if isinstance(code, str) and code and not _is_language(code):
                    self._note(of, "language.code", Fault.LANGUAGE)
            case "phone":
                number = entry.get("number")
                if isinstance(number, str) and not _PHONE.fullmatch(number.strip(' "')):
                    self._note(of, "phone.number", Fault.PHONE)
            case "schedule":
                opens, closes = _minute(entry.get("opens_at")), _minute(entry.get("closes_at"))
                says = " ".join(str(entry.get(name) or "") for name in ("notes", "description"))
                if opens is not None and closes not in (None, 0) and closes < opens and not _NEXT_DAY.search(says):
                    self._note(of, "schedule.closes_at", Fault.CLOSES_FIRST)

    def _overlaps(self, schedules: list[Json], where: str, of: str) -> None:
        by_day: dict[object, list[_Span]] = defaultdict(list)
        for each in schedules:
            opens, closes = _minute(each.get("opens_at")), _minute(each.get("closes_at"))
            if opens is None or closes is None:
                continue
            until = closes if closes > opens else closes + 1440
            valid = (each.get("valid_from"), each.get("valid_to"))
            weekly = each.get("freq") == "WEEKLY"
            days: Iterable[object] = (
                [_DAYS.index(day) for day in str(each.get("byday", "")).split(",") if day in _DAYS]
                if weekly
                else [each.get("dtstart")]
            )
            for day in days:
                by_day[(day, valid)].append(_Span(day, opens, until, valid))
                if isinstance(day, int) and until > 1440:
                    by_day[((day + 1) % 7, valid)].append(_Span(day, 0, until - 1440, valid))
        for spans in by_day.values():
            ordered = sorted(spans, key=lambda span: (span.opens, span.closes))
            for first, second in pairwise(ordered):
                if second.opens < min(first.closes, 1440):
                    self._note(of, where, Fault.OVERLAP)

    def _leaks(self, table: str, entry: Json, of: str) -> None:
        if table == "address":
            self._note(of, "location.addresses", Fault.ADDRESS)
        if table == "location":
            for name in _PLACING:
                if entry.get(name) not in (None, ""):
                    self._note(of, f"location.{name}", Fault.ADDRESS)
            if entry.get("location_type") == "physical":
                self._note(of, "location.location_type", Fault.ADDRESS)
        for name, value in entry.items():
            if isinstance(value, str) and looks_like_address(value):
                self._note(of, f"{table}.{name}", Fault.ADDRESS)


def _is_hidden(entry: Json) -> bool:
    """Whether an attribute says that only the area may be known."""
    attributes = entry.get("attributes")
    if not isinstance(attributes, list):
        return False
    codes = {
        str((each.get("taxonomy_term") or {}).get("code", ""))
        for each in attributes
        if isinstance(each, Mapping) and isinstance(each.get("taxonomy_term"), Mapping)
    }
    return bool(codes & _HIDING)


_HIDING: Final = frozenset(
    {"confidentiality:protected", "confidentiality:place", *(f"kind:{kind}" for kind in HOUSING)}
)


def _fits(kind: Kind, value: str) -> bool:
    match kind:
        case Kind.UUID:
            return _parses(UUID, value)
        case Kind.DATE:
            return _parses(date.fromisoformat, value)
        case Kind.INSTANT:
            return _parses(datetime.fromisoformat, value)
        case Kind.EMAIL:
            return _EMAIL.fullmatch(value) is not None
        case Kind.URI:
            return _URI.fullmatch(value) is not None
        case Kind.TIME:
            return _TIME.fullmatch(value) is not None
        case _:
            return True


def _parses(parse: Any, value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _minute(value: Any) -> int | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    return int(value[:2]) * 60 + int(value[3:5])


@cache
def _languages() -> frozenset[str]:
    return frozenset(Locale.parse("en").languages)


def _is_language(code: str) -> bool:
    """A code of ISO 639-1, or one of three letters: those of 639-3 are too many for a list."""
    plain = code.lower()
    return plain in _languages() or re.fullmatch(r"[a-z]{3}", plain) is not None
