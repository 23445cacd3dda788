"""A service as the fields of a page, and the fields as a service again. Pure.

`shape_of` gives every field the form that the page shows, `read` makes the same form of what a browser sent, and
`written` makes the plain form of it that `routing/upkeep/service_form.py` reads. A field that says the same as before
keeps what was stored, so that looking at a service and saving it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, Final

from helpline.content import ContentError, node_of
from helpline.messages import Country, Language
from routing.directory import Need
from routing.places import Gazetteer, Level, Outcome
from routing.services import (
    HOUSING,
    Exploitation,
    Service,
    ServiceKind,
    Sex,
    Status,
)
from routing.upkeep.dialled import can_be_dialled
from routing.upkeep.service_form import as_plain, looks_like_address, read_service

Shape = dict[str, Any]
Plain = Mapping[str, Any]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TONGUES: Final = tuple(language.value for language in Language)
HOURS_KINDS: Final = (
    *("weekly", "always", "always_by_law", "office_hours", "outside_office_hours", "not_at_night", "call_first"),
    "unknown",
)
GROUPS: Final[Mapping[str, type[Sex] | type[Exploitation] | type[Status]]] = {
    "sex": Sex,
    "exploitation": Exploitation,
    "status": Status,
}
ANSWERS: Final = ("yes", "no", "ask")
MOST_ROWS: Final = 40
_MANY: Final = ("catalogue", "areas", "likely")  # names that are sent once for each that was ticked
_TEXTS: Final = (
    *("name", "organisation", "kind", "url", "email", "note", "access", "status", "owner", "assured_on", "assured_by"),
    *("confirmed_on", "confidence", "freshness"),
)
_FLAGS: Final = ("protected", "child_route")
_LEVELS: Final = tuple(level.value for level in Level if level is not Level.NATIONAL)
_PHONE = re.compile(r"\+?[0-9][0-9 -]{1,18}[0-9]")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_URL = re.compile(r"https?://[^\s/$.?#][^\s<>\"]*")
_SPAN = re.compile(r"([0-9]{1,2})(?:[:.]([0-9]{2}))?\s*[-–—]\s*([0-9]{1,2})(?:[:.]([0-9]{2}))?")
_MONTH_DAY = re.compile(r"([0-9]{1,2})\.\s*([0-9]{1,2})\.?")
_CODE = re.compile(r"[a-z]{2,3}")
_LONGEST: Final = {"name": 120, "organisation": 160, "note": 240, "owner": 80, "assured_by": 80, "url": 500}
_WORD_OF: Final = {"yes": "accepted", "no": "refused"}
_ANSWER_OF: Final = {"accepted": "yes", "refused": "no"}


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a field: a phrase and what fills it."""

    phrase: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What came of a form."""

    plain: dict[str, Any]
    wrong: Mapping[str, Wrong]
    service: Service | None  # None where something is wrong


@dataclass(frozen=True)
class Known:
    """What a form is read against."""

    country: Country
    gazetteer: Gazetteer
    needs: Mapping[str, Need]

    @property
    def own(self) -> Language:
        """The language that every service of the country is described in."""
        return Language.NB if self.country is Country.NO else Language.SV


# --- what the page shows --------------------------------------------------------------------------------------------


def shape_of(plain: Plain, known: Known) -> Shape:
    """Every field in the form that the page shows."""
    shape: Shape = {name: str(plain.get(name) or "") for name in _TEXTS}
    shape["status"] = shape["status"] or "active"
    shape |= {name: bool(plain.get(name)) for name in _FLAGS}
    shape["what"] = _tongues(plain.get("what"))
    shape["say_first"] = _tongues(plain.get("say_first"))
    needs = plain.get("needs") or {}
    shape["needs"] = {need: part for part in ("first", "also") for need in needs.get(part, ())}
    shape["area"] = _area_shape(plain.get("area") or {}, known)
    shape["serves"] = _serves_shape(plain.get("serves") or {})
    for name in ("families", "introduction"):
        shape[name] = _ANSWER_OF.get(str(plain.get(name)), "ask")
    shape["hours"] = hours_shape(plain.get("hours") or {"unknown": True})
    spoken = plain.get("languages") or {}
    shape["languages"] = {
        "codes": ", ".join(spoken.get("codes", ())),
        "interpreter": bool(spoken.get("interpreter")),
        "as_stated": str(spoken.get("as_stated") or ""),
    }
    shape["phones"] = [_phone_shape(row) for row in plain.get("phones", ())]
    shape["locations"] = [_location_shape(row, known) for row in plain.get("locations", ())]
    shape["contacts"] = [_contact_shape(row) for row in plain.get("contacts", ())]
    shape["sources"] = [
        {name: str(row.get(name) or "") for name in ("title", "url", "seen")} for row in plain.get("sources", ())
    ]
    shape["catalogue"] = sorted(set(plain.get("catalogue", ())))
    shape["unverified"] = "\n".join(plain.get("unverified", ()))
    return shape


def _tongues(words: Any) -> dict[str, str]:
    return {tongue: str((words or {}).get(tongue) or "") for tongue in TONGUES}


def _area_shape(area: Plain, known: Known) -> Shape:
    reach = "areas"
    if "level" in area:
        reach = "every" if area.get("every") else "national"
    return {
        "reach": reach,
        "areas": "\n".join(_named_areas(area, known)),
        "likely": "\n".join(_named_areas(area.get("likely") or {}, known)),
        "advises_all": bool(area.get("advises_all")),
    }


def _named_areas(codes: Plain, known: Known) -> list[str]:
    return [area_line(level, code, known) for level in _LEVELS for code in codes.get(level, ())]


def area_line(level: str, code: str, known: Known) -> str:
    """An area as a line that is read back: "kommune 5501 Tromsø"."""
    place = known.gazetteer.find(known.country, Level(level), code)
    return f"{level} {code}" + (f" {place.name}" if place is not None else "")


def _serves_shape(serves: Plain) -> Shape:
    shape: Shape = {}
    for name, members in GROUPS.items():
        told = serves.get(name)
        takes = set(told.get("takes", ())) if isinstance(told, Mapping) else set()
        refuses = set(told.get("refuses", ())) if isinstance(told, Mapping) else set()
        shape[name] = {
            "everyone": told == "all",
            **{
                each.value: "yes" if each.value in takes else "no" if each.value in refuses else "ask"
                for each in members
            },
        }
    age = serves.get("age")
    limits = age if isinstance(age, Mapping) else {}
    shape["age"] = {
        "known": "limits" if limits else "all" if age == "all" else "unknown",
        **{limit: str(limits.get(limit, "")) for limit in ("lower", "upper", "ask_lower", "ask_upper")},
    }
    for name in ("children", "substance_use"):
        shape[name] = _ANSWER_OF.get(str(serves.get(name)), "ask")
    return shape


def hours_shape(hours: Plain) -> Shape:
    """Opening hours in the form that the page shows."""
    return {
        "kind": next((kind for kind in HOURS_KINDS if hours.get(kind)), "unknown"),
        "days": _days_shape(hours.get("weekly") or ()),
        "holidays": "closed" if hours.get("closed_on_holidays") else str(hours.get("holidays") or "as-usual"),
        "approximate": bool(hours.get("approximate")),
        "as_stated": str(hours.get("as_stated") or ""),
        "seasons": [
            {"first": _day_said(row["first"]), "last": _day_said(row["last"]), "days": _days_shape(row["weekly"])}
            for row in hours.get("seasons", ())
        ],
        "exceptions": [
            {"on": str(row["on"]), "times": ", ".join(_span_said(each) for each in row["intervals"])}
            for row in hours.get("exceptions", ())
        ],
    }


def _days_shape(weekly: Iterable[Plain]) -> dict[str, str]:
    spans: dict[str, list[str]] = {day: [] for day in DAYS}
    for row in weekly:
        first, _, last = str(row["days"]).partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        for step in range((end - start) % 7 + 1):
            spans[DAYS[(start + step) % 7]].append(_span_said(row))
    return {day: ", ".join(sorted(found)) for day, found in spans.items()}


def _span_said(row: Plain) -> str:
    return f"{row['open']}–{row['close']}"


def _day_said(written: str) -> str:
    month, _, day = written.partition("-")
    return f"{int(day)}.{int(month)}."


def _phone_shape(row: Plain) -> Shape:
    return {"number": str(row.get("number") or ""), **_tongues(row.get("use"))}


def _location_shape(row: Plain, known: Known) -> Shape:
    area = row.get("area") or {}
    address = row.get("address") or {}
    return {
        "id": str(row.get("id") or ""),
        "name": str(row.get("name") or ""),
        "kind": str(row.get("kind") or "physical"),
        "area": "".join(area_line(level, code, known) for level, code in area.items()),
        **{name: str(address.get(name) or "") for name in ("street", "postal_code", "city", "region")},
        "phones": _numbers(row),
        "protected": bool(row.get("protected")),
        "own_hours": bool(row.get("hours")),
        "hours": hours_shape(row.get("hours") or {"weekly": ()}) | ({} if row.get("hours") else {"kind": "weekly"}),
    }


def _contact_shape(row: Plain) -> Shape:
    return {
        **{name: str(row.get(name) or "") for name in ("title", "department", "name", "email")},
        "phones": _numbers(row),
        "confirms": bool(row.get("confirms")),
    }


def _numbers(row: Plain) -> str:
    return ", ".join(phone["number"] for phone in row.get("phones", ()))


# --- what a browser sent ---------------------------------------------------------------------------------------------


def read(items: Iterable[tuple[str, Any]], known: Known) -> Shape:
    """What a browser sent, in the same form; what was not sent is empty."""
    sent = _nested(items)
    shape: Shape = {name: _line(sent.get(name)) for name in _TEXTS}
    shape |= {name: sent.get(name) == "yes" for name in _FLAGS}
    shape["what"], shape["say_first"] = _read_tongues(sent.get("what")), _read_tongues(sent.get("say_first"))
    needs = _part(sent, "needs")
    shape["needs"] = {need: str(needs[need]) for need in needs if needs[need] in ("first", "also")}
    area = _part(sent, "area")
    shape["area"] = {
        "reach": _one_of(area.get("reach"), ("areas", "national", "every")),
        "areas": _lines("\n".join(sent.get("areas", ()))),
        "likely": _lines("\n".join(sent.get("likely", ()))),
        "advises_all": area.get("advises_all") == "yes",
    }
    shape["serves"] = _read_serves(_part(sent, "serves"))
    for name in ("families", "introduction"):
        shape[name] = _one_of(sent.get(name), ANSWERS, "ask")
    shape["hours"] = _read_hours(_part(sent, "hours"))
    spoken = _part(sent, "languages")
    shape["languages"] = {
        "codes": _line(spoken.get("codes")),
        "interpreter": spoken.get("interpreter") == "yes",
        "as_stated": _line(spoken.get("as_stated")),
    }
    shape["phones"] = [{"number": _line(row.get("number")), **_read_tongues(row)} for row in _rows(sent, "phones")]
    shape["locations"] = [_read_location(row) for row in _rows(sent, "locations")]
    shape["contacts"] = [
        {
            **{name: _line(row.get(name)) for name in ("title", "department", "name", "email", "phones")},
            "confirms": row.get("confirms") == "yes",
        }
        for row in _rows(sent, "contacts")
    ]
    shape["sources"] = [
        {name: _line(row.get(name)) for name in ("title", "url", "seen")} for row in _rows(sent, "sources")
    ]
    # In one order, since a browser sends ticks as they stand on the page: another order is no change.
    shape["catalogue"] = sorted(set(sent.get("catalogue", ())))
    shape["unverified"] = _lines(sent.get("unverified"))
    return shape


def _nested(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`phones.0.number` and its like as values within values; what is chosen of many is a list."""
    root: dict[str, Any] = {name: [] for name in _MANY}
    for name, value in items:
        if not isinstance(value, str):
            continue
        *way, last = name.split(".")
        if name in _MANY:
            root[name].append(value)
        elif not way or way[0] not in _MANY:
            where: Any = root
            for step in way[:6]:
                where = where.setdefault(step, {}) if isinstance(where, dict) else None
            if isinstance(where, dict) and not isinstance(where.get(last), dict):
                where[last] = value
    return root


def _part(sent: Plain, name: str) -> Plain:
    part = sent.get(name)
    return part if isinstance(part, Mapping) else {}


def _rows(sent: Plain, name: str) -> list[Plain]:
    rows = _part(sent, name)
    numbers = sorted(int(number) for number in rows if number.isdecimal() and len(number) < 4)
    return [rows[str(number)] for number in numbers[:MOST_ROWS] if isinstance(rows.get(str(number)), Mapping)]


def _line(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _lines(value: Any) -> str:
    lines = value.replace("\r", "\n").split("\n") if isinstance(value, str) else ()
    return "\n".join(line for each in lines if (line := _line(each)))


def _one_of(value: Any, known: Sequence[str], otherwise: str = "") -> str:
    return value if value in known else otherwise or known[0]


def _read_tongues(sent: Any) -> dict[str, str]:
    return {tongue: _line(sent.get(tongue)) if isinstance(sent, Mapping) else "" for tongue in TONGUES}


def _read_serves(sent: Plain) -> Shape:
    shape: Shape = {}
    for name, members in GROUPS.items():
        part = _part(sent, name)
        shape[name] = {
            "everyone": part.get("everyone") == "yes",
            **{each.value: _one_of(part.get(each.value), ANSWERS, "ask") for each in members},
        }
    age = _part(sent, "age")
    shape["age"] = {
        "known": _one_of(age.get("known"), ("unknown", "all", "limits")),
        **{limit: _line(age.get(limit)) for limit in ("lower", "upper", "ask_lower", "ask_upper")},
    }
    for name in ("children", "substance_use"):
        shape[name] = _one_of(sent.get(name), ANSWERS, "ask")
    return shape


def _read_hours(sent: Plain) -> Shape:
    return {
        "kind": _one_of(sent.get("kind"), HOURS_KINDS, "unknown"),
        "days": {day: _line(_part(sent, "days").get(day)) for day in DAYS},
        "holidays": _one_of(sent.get("holidays"), ("as-usual", "closed", "as-sunday")),
        "approximate": sent.get("approximate") == "yes",
        "as_stated": _line(sent.get("as_stated")),
        "seasons": [
            {
                "first": _line(row.get("first")),
                "last": _line(row.get("last")),
                "days": {day: _line(_part(row, "days").get(day)) for day in DAYS},
            }
            for row in _rows(sent, "seasons")
        ],
        "exceptions": [
            {"on": _line(row.get("on")), "times": _line(row.get("times"))} for row in _rows(sent, "exceptions")
        ],
    }


def _read_location(row: Plain) -> Shape:
    texts = ("id", "name", "area", "street", "postal_code", "city", "region", "phones")
    return {
        **{name: _line(row.get(name)) for name in texts},
        "kind": _one_of(row.get("kind"), ("physical", "postal", "virtual")),
        "protected": row.get("protected") == "yes",
        "own_hours": row.get("own_hours") == "yes",
        "hours": _read_hours(_part(row, "hours")),
    }


def changed(shape: Shape, order: str) -> Shape:
    """The form after a button: a row comes ("add.phones", "add.hours.seasons") or goes ("drop.phones.1")."""
    what, *way = order.split(".")
    part: Any = shape
    for step in way[: -1 if what == "drop" else None]:
        if isinstance(part, list):
            part = part[int(step)] if step.isdecimal() and int(step) < len(part) else None
        elif isinstance(part, dict):
            part = part.get(step)
    if not isinstance(part, list):
        return shape
    if what == "add" and len(part) < MOST_ROWS:
        part.append(_empty_row(way[-1]))
    elif what == "drop" and way[-1].isdecimal() and int(way[-1]) < len(part):
        part.pop(int(way[-1]))
    return shape


def _empty_row(of: str) -> Shape:
    match of:
        case "phones":
            return {"number": "", **dict.fromkeys(TONGUES, "")}
        case "locations":
            return _read_location({}) | {"hours": _read_hours({}) | {"kind": "weekly"}}
        case "contacts":
            return dict.fromkeys(("title", "department", "name", "email", "phones"), "") | {"confirms": False}
        case "seasons":
            return {"first": "", "last": "", "days": dict.fromkeys(DAYS, "")}
        case "exceptions":
            return {"on": "", "times": ""}
        case _:
            return dict.fromkeys(("title", "url", "seen"), "")


# --- what is kept ----------------------------------------------------------------------------------------------------


def written(shape: Shape, before: Plain | None, service_id: str, known: Known) -> Written:
    """The plain form of what was typed, or what is wrong with it."""
    return _Writing(shape, before or {}, known).write(service_id)


class _Writing:
    """One form on its way to a service."""

    def __init__(self, shape: Shape, before: Plain, known: Known) -> None:
        self._shape = shape
        self._before = before
        self._was = shape_of(before, known) if before else {}
        self._known = known
        self._wrong: dict[str, Wrong] = {}

    def write(self, service_id: str) -> Written:
        makers: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("name", lambda: self._text("name", required=True)),
            ("organisation", lambda: self._text("organisation", required=True)),
            ("kind", lambda: self._choice("kind", {kind.value for kind in ServiceKind})),
            ("what", self._what),
            ("note", lambda: self._text("note")),
            ("needs", self._needs),
            ("area", lambda: self._area(self._shape["area"])),
            ("serves", lambda: self._serves(self._shape["serves"])),
            ("access", lambda: self._choice("access", None)),
            ("status", lambda: self._shape["status"] if self._shape["status"] != "active" else None),
            ("url", lambda: self._fitting("url", self._shape["url"], _URL, "desk.directory.no.url")),
            ("phones", lambda: self._phones("phones", self._shape["phones"])),
            ("email", lambda: self._fitting("email", self._shape["email"], _EMAIL, "desk.directory.no.email")),
            ("say_first", lambda: self._words("say_first", 400)),
            ("families", lambda: _WORD_OF.get(self._shape["families"])),
            ("introduction", lambda: _WORD_OF.get(self._shape["introduction"])),
            ("catalogue", lambda: self._shape["catalogue"]),
            ("locations", self._locations),
            ("contacts", self._contacts),
            ("hours", lambda: self._hours("hours", self._shape["hours"])),
            ("languages", self._languages),
            ("protected", lambda: self._shape["protected"]),
            ("child_route", lambda: self._shape["child_route"]),
            ("confidence", lambda: self._choice("confidence", None)),
            ("freshness", lambda: self._choice("freshness", None)),
            ("unverified", lambda: self._shape["unverified"].split("\n") if self._shape["unverified"] else None),
            ("owner", lambda: self._text("owner")),
            ("assured_on", lambda: self._day("assured_on")),
            ("assured_by", lambda: self._text("assured_by")),
            ("confirmed_on", lambda: self._day("confirmed_on")),
            ("sources", self._sources),
        )
        plain: dict[str, Any] = {"id": service_id}
        hides = self.hides_place
        hid = bool(self._before.get("protected")) or self._before.get("kind") in {kind.value for kind in HOUSING}
        for name, make in makers:
            same = (
                self._was and self._was[name] == self._shape[name] and not (name == "locations" and hides and not hid)
            )
            value = self._before.get(name) if same else make()
            if value not in (None, "", [], {}, False) or name in ("sources", "serves", "needs"):
                plain[name] = value if value is not None else {}
        self._plainly_addresses()
        if self._wrong:
            return Written(plain, self._wrong, None)
        try:
            node = node_of(plain, file="form")
            service = read_service(node, self._known.country, self._known.gazetteer, self._known.needs)
        except ContentError as error:
            return Written(plain, {"form": Wrong("desk.directory.no.other", {"reason": error.sentence})}, None)
        return Written(as_plain(service), {}, service)

    @property
    def hides_place(self) -> bool:
        """Whether nobody may learn where it lies."""
        return bool(self._shape["protected"]) or self._shape["kind"] in {kind.value for kind in HOUSING}

    def _say(self, name: str, phrase: str, **values: object) -> None:
        self._wrong.setdefault(name, Wrong(phrase, values))

    def _text(self, name: str, *, required: bool = False) -> str:
        words: str = self._shape[name]
        if required and not words:
            self._say(name, "desk.directory.no.empty")
        self._short_enough(name, words, _LONGEST[name])
        return words

    def _short_enough(self, name: str, words: str, longest: int) -> None:
        if len(words) > longest:
            self._say(name, "desk.directory.no.long", most=longest)

    def _choice(self, name: str, known: set[str] | None) -> str:
        chosen: str = self._shape[name]
        if not chosen or (known is not None and chosen not in known):
            self._say(name, "desk.directory.no.choice")
        return chosen

    def _fitting(self, name: str, words: str, form: re.Pattern[str], phrase: str) -> str:
        if words and not form.fullmatch(words):
            self._say(name, phrase)
        return words

    def _day(self, name: str, words: str | None = None) -> str:
        written_day: str = self._shape[name] if words is None else words
        try:
            return date.fromisoformat(written_day).isoformat() if written_day else ""
        except ValueError:
            self._say(name, "desk.directory.no.day")
            return ""

    def _words(self, name: str, longest: int) -> dict[str, str]:
        words = {tongue: line for tongue, line in self._shape[name].items() if line}
        for tongue, line in words.items():
            self._short_enough(f"{name}.{tongue}", line, longest)
        return words

    def _what(self) -> dict[str, str]:
        words = self._words("what", 160)
        for tongue in (self._known.own.value, Language.EN.value):
            if not words.get(tongue):
                self._say(f"what.{tongue}", "desk.directory.no.empty")
        return words

    def _needs(self) -> dict[str, list[str]]:
        chosen: dict[str, str] = self._shape["needs"]
        if not any(part == "first" for part in chosen.values()):
            self._say("needs", "desk.directory.no.need")
        before = self._before.get("needs") or {}
        needs: dict[str, list[str]] = {}
        for part in ("first", "also"):
            kept = [need for need in before.get(part, ()) if chosen.get(need) == part]
            needs[part] = [*kept, *(need for need, where in chosen.items() if where == part and need not in kept)]
        return needs

    # --- where ------------------------------------------------------------------------------------------------------

    def _area(self, shape: Shape) -> dict[str, Any]:
        if shape["reach"] == "national":
            return {"level": "national"}
        if shape["reach"] == "every":
            return {"level": "kommune", "every": True}
        area = self._codes("areas", shape["areas"])
        likely = self._codes("likely", shape["likely"])
        if not area and not likely and "areas" not in self._wrong:
            self._say("areas", "desk.directory.no.area")
        return area | ({"likely": likely} if likely else {}) | ({"advises_all": True} if shape["advises_all"] else {})

    def _codes(self, name: str, lines: str) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        for line in lines.split("\n") if lines else ():
            key = self._one_area(name, line)
            if key is not None and key[1] not in found.setdefault(key[0], []):
                found[key[0]].append(key[1])
        return {level: sorted(codes) for level, codes in found.items()}

    def _one_area(self, name: str, line: str) -> tuple[str, str] | None:
        """The area that a line names: by level and code, or by a name that only one place has."""
        level, _, rest = line.partition(" ")
        code = rest.split(" ")[0]
        if level in _LEVELS and self._known.gazetteer.find(self._known.country, Level(level), code) is not None:
            return level, code
        understood = self._known.gazetteer.understand(line, country=self._known.country)
        place = understood.place
        if understood.outcome is Outcome.FOUND and place is not None and place.country is self._known.country:
            return place.level.value, place.code
        if understood.candidates:
            candidates = ", ".join(f"{each.level.value} {each.code} {each.name}" for each in understood.candidates[:6])
            self._say(name, "desk.directory.no.which_area", line=line, candidates=candidates)
        else:
            self._say(name, "desk.directory.no.such_area", line=line)
        return None

    def _locations(self) -> list[dict[str, Any]]:
        rows = [row for row in self._shape["locations"] if _says_something(row, {"kind", "hours", "own_hours"})]
        taken = {row["id"] for row in rows if row["id"]}
        stored = {row["id"]: row for row in self._before.get("locations", ())}
        return [self._location(number, row, taken, stored) for number, row in enumerate(rows)]

    def _location(self, number: int, row: Shape, taken: set[str], stored: Mapping[str, Plain]) -> dict[str, Any]:
        name = f"locations.{number}"
        location_id = row["id"] or _free_id(row["name"], taken)
        taken.add(location_id)
        before = stored.get(location_id, {})
        plain: dict[str, Any] = {"id": location_id}
        if row["name"]:
            self._short_enough(f"{name}.name", row["name"], 120)
            plain["name"] = row["name"]
        if row["kind"] != "physical":
            plain["kind"] = row["kind"]
        if row["area"] and (key := self._one_area(f"{name}.area", row["area"])) is not None:
            plain["area"] = {key[0]: key[1]}
        address = {part: row[part] for part in ("street", "postal_code", "city", "region") if row[part]}
        if address and (row["protected"] or self.hides_place):
            self._say(f"{name}.street", "desk.directory.no.protected_address")
        elif address:
            plain["address"] = self._address(name, address)
        if row["phones"]:
            plain["phones"] = self._numbers(f"{name}.phones", row["phones"], before)
        if row["own_hours"]:
            same = before.get("hours") and hours_shape(before["hours"]) == row["hours"]
            plain["hours"] = before["hours"] if same else self._hours(f"{name}.hours", row["hours"])
        if row["protected"] and not self.hides_place:
            plain["protected"] = True
        return plain

    def _address(self, name: str, address: dict[str, str]) -> dict[str, str]:
        for part in ("street", "postal_code", "city"):
            if part not in address:
                self._say(f"{name}.{part}", "desk.directory.no.empty")
        code = address.get("postal_code", "")
        digits = 4 if self._known.country is Country.NO else 5
        if code and (len(code.replace(" ", "")) != digits or not code.replace(" ", "").isdecimal()):
            self._say(f"{name}.postal_code", "desk.directory.no.postal_code", digits=digits)
        return address

    # --- whom ---------------------------------------------------------------------------------------------------------

    def _serves(self, shape: Shape) -> dict[str, Any]:
        was, before = self._was.get("serves", {}), self._before.get("serves") or {}
        plain: dict[str, Any] = {}
        for name in ("sex", "age", "exploitation", "status", "children", "substance_use"):
            if was and was[name] == shape[name]:
                value = before.get(name)
            elif name == "age":
                value = self._age(shape["age"])
            elif name in GROUPS:
                value = self._takes(name, shape[name])
            else:
                value = _WORD_OF.get(shape[name])
            if value:
                plain[name] = value
        return plain

    def _takes(self, name: str, shape: Shape) -> Any:
        if shape["everyone"]:
            return "all"
        foreign = _foreign(self._known.country) if name == "status" else frozenset()
        takes = sorted(key for key, answer in shape.items() if answer == "yes" and key not in foreign)
        refuses = sorted(key for key, answer in shape.items() if answer == "no")
        return {key: keys for key, keys in (("takes", takes), ("refuses", refuses)) if keys} or None

    def _age(self, shape: Shape) -> Any:
        if shape["known"] != "limits":
            return "all" if shape["known"] == "all" else None
        limits: dict[str, int] = {}
        for limit in ("lower", "upper", "ask_lower", "ask_upper"):
            typed = shape[limit]
            if typed and not (typed.isdecimal() and len(typed) < 4 and int(typed) <= 130):
                self._say(f"serves.age.{limit}", "desk.directory.no.age")
            elif typed:
                limits[limit] = int(typed)
        lower, upper = limits.get("lower", 0), limits.get("upper")
        wrong_order = (
            (upper is not None and upper < lower)
            or limits.get("ask_lower", 0) > lower
            or ("ask_upper" in limits and (upper is None or limits["ask_upper"] < upper))
        )
        if wrong_order:
            self._say("serves.age.lower", "desk.directory.no.age_order")
        if not limits:
            self._say("serves.age.lower", "desk.directory.no.age_empty")
        return limits

    # --- when ---------------------------------------------------------------------------------------------------------

    def _hours(self, name: str, shape: Shape) -> dict[str, Any]:
        kind = shape["kind"]
        plain: dict[str, Any] = {}
        if kind == "weekly":
            plain["weekly"] = self._weekly(f"{name}.days", shape["days"])
            if not plain["weekly"] and not any(each.startswith(f"{name}.days") for each in self._wrong):
                self._say(f"{name}.days", "desk.directory.no.hours")
        else:
            plain[kind] = True
        if shape["seasons"]:
            if kind not in ("weekly", "always", "always_by_law"):
                self._say(f"{name}.seasons", "desk.directory.no.season_without")
            plain["seasons"] = [
                {
                    "first": self._month_day(f"{name}.seasons.{number}.first", row["first"]),
                    "last": self._month_day(f"{name}.seasons.{number}.last", row["last"]),
                    "weekly": self._weekly(f"{name}.seasons.{number}.days", row["days"]),
                }
                for number, row in enumerate(shape["seasons"])
            ]
        exceptions = [(number, row) for number, row in enumerate(shape["exceptions"]) if row["on"] or row["times"]]
        days: set[str] = set()
        told = []
        for number, row in exceptions:
            where = f"{name}.exceptions.{number}"
            day = self._day(f"{where}.on", row["on"])
            if not row["on"] or day in days:
                self._say(f"{where}.on", "desk.directory.no.day_twice" if row["on"] else "desk.directory.no.day")
            days.add(day)
            spans = self._spans(f"{where}.times", row["times"])
            told.append({"on": day, "intervals": [{"open": opens, "close": closes} for opens, closes in spans]})
        if told:
            plain["exceptions"] = told
        if shape["holidays"] == "closed":
            plain["closed_on_holidays"] = True
        elif shape["holidays"] != "as-usual":
            plain["holidays"] = shape["holidays"]
        if shape["approximate"]:
            plain["approximate"] = True
        if not shape["as_stated"]:
            self._say(f"{name}.as_stated", "desk.directory.no.empty")
        return plain | {"as_stated": shape["as_stated"]}

    def _weekly(self, name: str, days: Mapping[str, str]) -> list[dict[str, str]]:
        """The intervals of a week, those of neighbouring days with the same times made one."""
        by_time: dict[tuple[str, str], list[int]] = {}
        for number, day in enumerate(DAYS):
            for span in self._spans(f"{name}.{day}", days[day]):
                by_time.setdefault(span, []).append(number)
        rows = []
        for (opens, closes), numbers in by_time.items():
            for first, last in _stretches(numbers):
                said = DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"
                rows.append((first, opens, {"days": said, "open": opens, "close": closes}))
        return [row for _, _, row in sorted(rows, key=lambda each: each[:2])]

    def _spans(self, name: str, typed: str) -> list[tuple[str, str]]:
        """Several times of one day: "08–12, 13:00–15:30"; over midnight the end is smaller than the beginning."""
        spans: list[tuple[str, str]] = []
        ends: list[tuple[int, int]] = []
        for part in re.split(r"[,;]|\s(?:og|och|and)\s", typed) if typed else ():
            found = _SPAN.fullmatch(part.strip())
            minutes = [int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3)] if found else []
            if found is None or max(minutes) > 1440 or int(found[2] or 0) > 59 or int(found[4] or 0) > 59:
                self._say(name, "desk.directory.no.times", typed=part.strip() or typed)
                return []
            opens, closes = minutes
            if opens in (closes, 1440):
                self._say(name, "desk.directory.no.no_time", typed=part.strip())
                return []
            ends.append((opens, closes if closes > opens else closes + 1440))
            spans.append((f"{opens // 60:02}:{opens % 60:02}", f"{closes // 60:02}:{closes % 60:02}"))
        ends.sort()
        if any(after[0] < before[1] for before, after in pairwise(ends)):
            self._say(name, "desk.directory.no.overlap")
        return spans

    def _month_day(self, name: str, typed: str) -> str:
        found = _MONTH_DAY.fullmatch(typed)
        try:
            # 2024 had a 29 February.
            return f"{date(2024, int(found[2]), int(found[1])):%m-%d}" if found else self._no_month_day(name)
        except ValueError:
            return self._no_month_day(name)

    def _no_month_day(self, name: str) -> str:
        self._say(name, "desk.directory.no.month_day")
        return ""

    # --- how it is reached ------------------------------------------------------------------------------------------

    def _phones(self, name: str, rows: Sequence[Shape]) -> list[dict[str, Any]]:
        phones: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            use = {tongue: row[tongue] for tongue in TONGUES if row[tongue]}
            if not row["number"] and not use:
                continue
            self._number(f"{name}.{number}.number", row["number"])
            for tongue, words in use.items():
                self._short_enough(f"{name}.{number}.{tongue}", words, 40)
            phones.append({"number": row["number"]} | ({"use": use} if use else {}))
        return phones

    def _numbers(self, name: str, typed: str, before: Plain) -> list[dict[str, Any]]:
        if before and _numbers(before) == typed:
            kept: list[dict[str, Any]] = before["phones"]
            return kept
        numbers = [number.strip() for number in re.split(r"[,;]", typed) if number.strip()]
        for number in numbers:
            self._number(name, number)
        return [{"number": number} for number in numbers]

    def _number(self, name: str, typed: str) -> None:
        if not _PHONE.fullmatch(typed):
            self._say(name, "desk.directory.no.phone")
        elif not can_be_dialled(typed, self._known.country):
            self._say(name, "desk.directory.no.dialled", number=typed)

    def _contacts(self) -> list[dict[str, Any]]:
        stored = {(row.get("name"), row.get("email")): row for row in self._before.get("contacts", ())}
        contacts = []
        for number, row in enumerate(self._shape["contacts"]):
            name = f"contacts.{number}"
            if not _says_something(row, set()):
                continue
            plain: dict[str, Any] = {part: row[part] for part in ("title", "department", "name", "email") if row[part]}
            for part in ("title", "department", "name"):
                self._short_enough(f"{name}.{part}", row[part], 80)
            self._fitting(f"{name}.email", row["email"], _EMAIL, "desk.directory.no.email")
            if row["confirms"] and not row["email"]:
                self._say(f"{name}.email", "desk.directory.no.confirms_email")
            if row["phones"]:
                before = stored.get((plain.get("name"), plain.get("email")), {})
                plain["phones"] = self._numbers(f"{name}.phones", row["phones"], before)
            contacts.append(plain | ({"confirms": True} if row["confirms"] else {}))
        return contacts

    def _languages(self) -> dict[str, Any]:
        shape = self._shape["languages"]
        codes = [code for code in re.split(r"[\s,;]+", shape["codes"].casefold()) if code]
        if any(not _CODE.fullmatch(code) for code in codes):
            self._say("languages.codes", "desk.directory.no.languages")
        if not codes and not shape["interpreter"] and not shape["as_stated"]:
            return {}
        if not shape["as_stated"]:
            self._say("languages.as_stated", "desk.directory.no.empty")
        told: dict[str, Any] = {"codes": list(dict.fromkeys(codes))} if codes else {}
        return told | ({"interpreter": True} if shape["interpreter"] else {}) | {"as_stated": shape["as_stated"]}

    def _sources(self) -> list[dict[str, str]]:
        sources = []
        for number, row in enumerate(self._shape["sources"]):
            if not _says_something(row, set()):
                continue
            for part in ("title", "seen"):
                if not row[part]:
                    self._say(f"sources.{number}.{part}", "desk.directory.no.empty")
            self._fitting(f"sources.{number}.url", row["url"], _URL, "desk.directory.no.url")
            sources.append({part: row[part] for part in ("title", "url", "seen") if row[part]})
        return sources

    def _plainly_addresses(self) -> None:
        """What looks like a street address in words, where none belongs."""
        texts = {name: self._shape[name] for name in ("name", "organisation", "note", "owner", "unverified")}
        texts |= {f"what.{tongue}": line for tongue, line in self._shape["what"].items()}
        texts |= {f"say_first.{tongue}": line for tongue, line in self._shape["say_first"].items()}
        texts["hours.as_stated"] = self._shape["hours"]["as_stated"]
        texts["languages.as_stated"] = self._shape["languages"]["as_stated"]
        for number, row in enumerate(self._shape["locations"]):
            texts[f"locations.{number}.name"] = row["name"]
        for name, words in texts.items():
            if looks_like_address(words):
                self._say(name, "desk.directory.no.address")


def _says_something(row: Shape, but: set[str]) -> bool:
    return any(value not in ("", False) for name, value in row.items() if name not in but)


def _foreign(country: Country) -> frozenset[str]:
    """Legal statuses that are the other country's words."""
    if country is Country.NO:
        return frozenset({Status.SWEDISH.value, Status.TEMPORARY.value})
    return frozenset({Status.NORWEGIAN.value, Status.RESIDENCE.value})


def statuses_of(country: Country) -> list[str]:
    """The legal statuses that are asked about in a country."""
    return [status.value for status in Status if status.value not in _foreign(country)]


def _stretches(days: Sequence[int]) -> list[tuple[int, int]]:
    stretches: list[tuple[int, int]] = []
    for day in days:
        if stretches and stretches[-1][1] == day - 1:
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return stretches


_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "a", "ö": "o", "é": "e", "š": "s", "č": "c", "ü": "u"})


def slug(name: str) -> str:
    """An id made of a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold().translate(_LETTERS)).strip("-")[:60].strip("-")


def _free_id(name: str, taken: set[str]) -> str:
    base = slug(name) or "sted"
    return next(each for each in (base, *(f"{base}-{number}" for number in range(2, 100))) if each not in taken)


def blank(known: Known) -> Shape:
    """An empty form."""
    shape = shape_of({"hours": {"weekly": ()}}, known)
    shape["hours"]["kind"] = "weekly"
    shape["phones"] = [_empty_row("phones")]
    shape["sources"] = [_empty_row("sources")]
    shape["confidence"], shape["freshness"], shape["access"] = "unverified", "2022-or-later", ""
    return shape


def without_hidden_addresses(shape: Shape) -> Shape:
    """The form without any address of a place that is hidden, so that no page says it back."""
    hides = bool(shape["protected"]) or shape["kind"] in {kind.value for kind in HOUSING}
    gone = dict.fromkeys(("street", "postal_code", "city", "region"), "")
    rows = [row | gone if hides or row["protected"] else row for row in shape["locations"]]
    return shape | {"locations": rows}
